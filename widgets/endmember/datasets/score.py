"""Scores: how close a result comes to the truth of a scene, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from endmember.core.decomposition import Decomposition
from endmember.core.metrics import (
    adjusted_rand_index,
    correlation,
    match_components,
    spectral_angle,
)

GOOD_ANGLE = 5.0  # degrees; less where the endmembers themselves are closer to each other
GOOD_CORRELATION = 0.95
GOOD_AGREEMENT = 0.95  # adjusted Rand index
MOSTLY = 0.5  # of agreement or correlation: so much is no accident
SWAPPED_MAP = "rows and columns are swapped: hand over the transpose of your map."


@dataclass(frozen=True)
class Score:
    """How close a result comes to the truth.

    Attributes
    ----------
    names : tuple of str
        The endmembers of the truth.
    matched : ndarray of int
        Which found component stands for each of them; -1 for none.
    angles : ndarray
        Spectral angle to each endmember in degrees, NaN where none was matched; empty where
        spectra were not judged.
    good_angle : float
        What is good enough: 5 degrees, or half the angle between the two most alike endmembers.
    correlations : ndarray
        Correlation of the maps, in the same order and manner.
    agreement : float
        Adjusted Rand index of the labels, or NaN.
    n_found : int
        How many components were handed in; 0 where none were.
    hints : tuple of str
        What is likely to be wrong where a result is not good enough.
    """

    names: tuple[str, ...] = ()
    matched: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    angles: np.ndarray = field(default_factory=lambda: np.zeros(0))
    good_angle: float = GOOD_ANGLE
    correlations: np.ndarray = field(default_factory=lambda: np.zeros(0))
    agreement: float = np.nan
    n_found: int = 0
    hints: tuple[str, ...] = ()

    @property
    def is_good(self):
        """Whether everything that could be judged is good enough."""
        verdicts = [*(self.angles <= self.good_angle), *(self.correlations >= GOOD_CORRELATION)]
        if not np.isnan(self.agreement):
            verdicts.append(self.agreement >= GOOD_AGREEMENT)
        return bool(all(verdicts))

    def __bool__(self):
        return self.is_good

    def __str__(self):
        lines = [self._line(k) for k in range(len(self.names))]
        if not np.isnan(self.agreement):
            word = _verdict(self.agreement >= GOOD_AGREEMENT)
            lines.append(
                f"labels: adjusted Rand index {self.agreement:.3f}, {word} "
                f"(good from {GOOD_AGREEMENT})"
            )
        if not self.is_good:
            lines += [f"Hint: {hint}" for hint in self.hints]
        return "\n".join(lines)

    __repr__ = __str__

    def _line(self, k):
        if self.matched[k] < 0:
            return f"{self.names[k]}: not found"
        said = []
        if self.angles.size:
            angle, limit = self.angles[k], self.good_angle
            said.append(f"{angle:.1f}° away, {_verdict(angle <= limit)} (good up to {limit:.1f}°)")
        if self.correlations.size:
            alike = self.correlations[k]
            word = _verdict(alike >= GOOD_CORRELATION)
            said.append(f"map correlation {alike:.3f}, {word} (good from {GOOD_CORRELATION})")
        return f"{self.names[k]}: {'; '.join(said)}"


def _verdict(is_good):
    return "good" if is_good else "not yet"


def score_result(scene, result=None, *, endmembers=None, abundances=None, labels=None):
    """Score a result against a scene; see :meth:`Scene.score`."""
    found = {"endmembers": endmembers, "abundances": abundances, "labels": labels}
    if result is not None:
        found = {**found, **_read(scene, result)}
    found = {key: np.asarray(value) for key, value in found.items() if value is not None}
    wanted = [key for key in found if scene.truth.get(key) is not None]
    if not wanted:
        raise ValueError(
            f"nothing to score: the result holds {list(found) or 'nothing'}, but the truth of "
            f"{scene.name!r} is {list(scene.truth)}."
        )
    score = {}
    hints = []
    if "labels" in wanted:
        score["agreement"] = _agreement(scene, found["labels"])
        hints += _hints_of_labels(scene, found["labels"])
    if "endmembers" in wanted:
        score |= _score_endmembers(scene, found["endmembers"], found.get("abundances"))
        hints += _hints_of_number(len(found["endmembers"]), len(scene.endmembers))
    elif "abundances" in wanted:
        score |= _score_abundances(scene, found["abundances"])
        hints += _hints_of_maps(scene, found["abundances"])
    return Score(**score, hints=tuple(hints))


def _hints_of_number(n_found, n_true):
    if n_found == n_true:
        return []
    many = "many" if n_found > n_true else "few"
    n = {1: "one"}.get(abs(n_found - n_true), str(abs(n_found - n_true)))
    return [f"{n} too {many}: {n_found} components, the truth has {n_true}."]


def _hints_of_labels(scene, labels):
    """Say where labels would agree if rows and columns changed places."""
    if labels.ndim != 2 or labels.T.shape != scene.labels.shape:
        return []
    swapped = _agreement(scene, np.ascontiguousarray(labels.T))
    is_swapped = swapped > max(_agreement(scene, labels.ravel()), MOSTLY)
    return [SWAPPED_MAP] if is_swapped else []


def _hints_of_maps(scene, maps):
    shape = getattr(scene.image, "navigation_shape", scene.image.shape)
    n = scene.abundances.shape[1]
    if len(shape) != 2 or maps.size != scene.abundances.size:
        return []
    turned = maps.reshape(shape[1], shape[0], n).transpose(1, 0, 2).reshape(-1, n)
    swapped, as_given = (_score_abundances(scene, m)["correlations"].min() for m in (turned, maps))
    return [SWAPPED_MAP] if swapped > max(as_given, MOSTLY) else []


def _read(scene, result):
    """Find endmembers, abundances and labels in whatever was handed in."""
    if hasattr(result, "learning_results"):
        return _read_signal(result)
    if isinstance(result, Decomposition):
        maps = np.asarray(result.maps)
        return {"endmembers": result.components, "abundances": maps.reshape(-1, maps.shape[-1])}
    if hasattr(result, "components_"):
        found = {"endmembers": np.asarray(result.components_)}
        if hasattr(result, "transform") and hasattr(scene.image, "spectra"):
            found["abundances"] = result.transform(scene.image.spectra)
        return found
    if hasattr(result, "labels_"):
        return {"labels": result.labels_}
    values = np.asarray(result)
    if values.dtype.kind in "iu" and scene.labels is not None and values.size == scene.labels.size:
        return {"labels": values}
    if values.ndim == 2:
        return {"endmembers": values}
    raise ValueError(
        f"a result of type {type(result).__name__} and shape {values.shape} cannot be read; pass "
        "an estimator, a signal after decomposition, spectra of shape (n_components, n_channels), "
        "or name what it is: endmembers=, abundances=, labels=."
    )


def _read_signal(signal):
    """Read HyperSpy's results by their new names, or else by their old ones."""
    results = signal.learning_results
    spectra, scores = (
        next((v for v in (getattr(results, n, None) for n in names) if v is not None), None)
        for names in (("components", "factors"), ("scores", "loadings"))
    )
    if spectra is None:
        raise ValueError("the signal holds no decomposition; call signal.decomposition() first.")
    return {"endmembers": np.asarray(spectra).T, "abundances": scores}


def _score_endmembers(scene, found, maps):
    true = scene.endmembers
    if found.ndim != 2 or found.shape[1] != true.shape[1]:
        is_swapped = found.ndim == 2 and found.shape[0] == true.shape[1]
        way_out = "the axes are swapped: hand over the transpose, " if is_swapped else "expected "
        raise ValueError(
            f"endmembers have shape {found.shape}; the truth has {true.shape[1]} channels in each, "
            f"{way_out}(n_components, n_channels)."
        )
    match = match_components(_upright(found), true)
    score = {
        "names": _names(scene, len(true)),
        "matched": _spread(match, match.found, len(true), -1),
        "angles": _spread(match, match.cost, len(true), np.nan),
        "good_angle": good_angle(true),
        "n_found": len(found),
    }
    if maps is not None and scene.abundances is not None:
        pairs = maps.reshape(len(scene.abundances), -1).T * _signs(found)[:, None]
        alike = correlation(pairs[match.found], scene.abundances.T[match.true])
        score["correlations"] = _spread(match, alike, len(true), np.nan)
    return score


def _score_abundances(scene, found):
    true = scene.abundances
    maps = found.reshape(len(true), -1).T
    match = match_components(maps, true.T, measure=lambda a, b: 1 - correlation(a, b))
    return {
        "names": _names(scene, true.shape[1]),
        "matched": _spread(match, match.found, true.shape[1], -1),
        "correlations": _spread(match, 1 - match.cost, true.shape[1], np.nan),
        "n_found": len(maps),
    }


def _spread(match, values, n_true, missing):
    """Give every true component the value of its pair."""
    spread = np.full(n_true, missing, dtype=np.asarray(values).dtype)
    spread[match.true] = values
    return spread


def _agreement(scene, labels):
    true = scene.labels
    if labels.ndim == 2 and labels.shape != true.shape and labels.shape == true.T.shape:
        raise ValueError(
            f"labels have shape {labels.shape}; the truth has {true.shape}: the axes are swapped, "
            "hand over the transpose."
        )
    if labels.size != true.size:
        raise ValueError(f"labels are of {labels.size} pixels; the truth has {true.size}.")
    is_known = true.ravel() >= 0
    return adjusted_rand_index(labels.ravel()[is_known], true.ravel()[is_known])


def good_angle(endmembers):
    """Angle in degrees up to which a spectrum is one of these and none of the others."""
    angles = spectral_angle(endmembers[:, None], endmembers[None])
    apart = angles[~np.eye(len(endmembers), dtype=bool)]
    return float(min(GOOD_ANGLE, apart.min() / 2)) if apart.size else GOOD_ANGLE


def _signs(spectra):
    """Signs that make the larger part of every spectrum positive: PCA and ICA have none."""
    return np.where(spectra.sum(axis=1) < 0, -1.0, 1.0)


def _upright(spectra):
    return spectra * _signs(spectra)[:, None]


def _names(scene, n):
    return scene.names if len(scene.names) == n else tuple(f"endmember {k + 1}" for k in range(n))
