"""Results of any kind as one: spectra of components, what every pixel holds of them, their code."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from endmember.core.axes import Axis
from endmember.core.blocks import fingerprint
from endmember.core.bootstrap import Bootstrap
from endmember.core.decomposition import Decomposition
from endmember.core.estimators import CountsEstimator
from endmember.core.makers import check_replayable
from endmember.core.record_code import spelled
from endmember.core.sources import as_spectrum_image
from endmember.datasets.scene import Scene

MOST = 12  # components that a list and a plot can tell apart
ACCEPTED = (
    "a fitted estimator, an em.Decomposition, an em.Bootstrap, a HyperSpy signal after "
    "decomposition, or a pair of arrays (components, maps)"
)


@dataclass(frozen=True, eq=False)
class Found:
    """Components and maps, wherever they come from.

    Attributes
    ----------
    name : str
        What found them, in a word.
    components : ndarray of shape (n_components, n_channels)
        Spectra along the visible channels, in counts for a score of 1.
    maps : ndarray of shape (n_components, rows, columns)
        Scores or abundances; NaN where a pixel is hidden.
    offset : ndarray of shape (n_channels,)
        What the model adds in every pixel, in counts: the mean, where a method takes it away.
    low, high : ndarray of shape (n_components, n_channels) or None
        Ends of the bands of the spectra, in counts.
    stderr : ndarray of shape (n_components, rows, columns) or None
        Standard errors of the maps.
    lines : tuple of str
        Code that makes ``components`` and ``maps``, of shape (*navigation_shape, n_components).
    message : str
        What was left out, or nothing.
    """

    name: str
    components: np.ndarray
    maps: np.ndarray
    offset: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    stderr: np.ndarray | None = None
    lines: tuple[str, ...] = ()
    message: str = ""


def source_of(result, image):
    """Return the image of a result as it came; None where arrays came without."""
    if image is None and isinstance(result, Decomposition):
        image = result.image
    if image is None and hasattr(result, "learning_results"):
        image = result
    if image is None:
        if isinstance(result, tuple):
            return None
        raise ValueError(
            f"image is missing: {type(result).__name__} does not hold its counts. Pass them, as "
            "in em.ComponentBrowser(estimator, image)."
        )
    image = as_spectrum_image(image.image if isinstance(image, Scene) else image)
    if len(image.navigation_shape) > 2:
        raise ValueError(
            f"image has {len(image.navigation_shape)} navigation axes; a map has rows and columns. "
            "Choose one of them, for example em.SpectrumImage(counts[0], image.axis)."
        )
    return image


def found_in(result, image, what="result"):
    """Return the components and maps of a result of any kind.

    Parameters
    ----------
    result : object
        See :class:`BrowserState`.
    image : SpectrumImage or None
        What it was found in.
    what : str
        Name of the argument, for errors.
    """
    if isinstance(result, tuple):
        found = _of_arrays(result, image, what)
    elif isinstance(result, Decomposition):
        found = _of_decomposition(result, image, what)
    elif isinstance(result, Bootstrap):
        found = _of_bootstrap(result, image, what)
    elif hasattr(result, "learning_results"):
        found = _of_signal(result, image, what)
    elif hasattr(result, "transform"):
        found = _of_estimator(result, image, what)
    else:
        raise TypeError(f"{what} is {result!r}; pass {ACCEPTED}.")
    found = _first(found)
    _check_finite(found, what)
    return found


def _of_estimator(estimator, image, what):
    name = type(estimator).__name__
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise NotFittedError(
            f"{what} {name} is not fitted; call {what}.fit(image) first, or pass "
            f"em.decompose(image, {name}(...))."
        ) from None
    if not hasattr(estimator, "components_"):
        raise TypeError(f"{what} {name} has no components_; pass {ACCEPTED}.")
    n_channels = np.shape(estimator.components_)[1]
    _check_channels(n_channels, image.n_channels, what)
    if isinstance(estimator, CountsEstimator):
        scores, offset = estimator.transform(image), np.zeros(n_channels)
        components, lines = estimator.components_, _lines_of(estimator, image)
    else:
        spectra = image.spectra
        scores = np.asarray(estimator.transform(spectra))
        offset = np.asarray(estimator.inverse_transform(np.zeros_like(scores[:1])))[0]
        components = np.asarray(estimator.inverse_transform(np.eye(scores.shape[1]))) - offset
        lines = (
            f"# estimator: your fitted {name}",
            "maps = image.fold(estimator.transform(image.spectra))",
            "nothing, ones = np.zeros((1, maps.shape[-1])), np.eye(maps.shape[-1])",
            "components = estimator.inverse_transform(ones) - estimator.inverse_transform(nothing)",
        )
    components, maps = np.asarray(components, float), _as_maps(image, scores)
    low, high = _interval_of(estimator)
    return Found(name, components, maps, offset, low, high, lines=lines)


def _of_decomposition(result, image, what):
    n_channels = result.components.shape[1]
    _check_channels(n_channels, image.n_channels, what)
    _check_rows(len(result.scores), image.n_pixels, what)
    maps, lines = _as_maps(image, result.scores), _lines_of(result.estimator, image)
    name, offset = type(result.estimator).__name__, np.zeros(n_channels)
    low, high = _interval_of(result.estimator)
    return Found(name, result.components, maps, offset, low, high, lines=lines)


def _interval_of(estimator):
    """Return both ends of the intervals of the spectra, None where the estimator has none."""
    return getattr(estimator, "components_interval_", (None, None))


def _of_bootstrap(result, image, what):
    n_channels = result.components.shape[1]
    _check_channels(n_channels, image.n_channels, what)
    _check_rows(len(result.abundances), image.n_pixels, what)
    record = result.record
    settings = {k: v for k, v in record.parameters.items() if k != "estimator"}
    text = ", ".join(f"{name}={spelled(value)}" for name, value in settings.items())
    lines = (
        f"estimator = {spelled(record.parameters['estimator'])}.fit(image)",
        f"result = em.bootstrap(estimator, image, {text})",
        "components, maps = result.components, image.fold(result.abundances)",
    )
    return Found(
        f"{record.parameters['estimator']['estimator']}, {result.n_draws} draws",
        result.components,
        _as_maps(image, result.abundances),
        np.zeros(n_channels),
        result.components_low,
        result.components_high,
        _as_maps(image, result.abundances_stderr),
        lines,
    )


def _of_signal(signal, image, what):
    learnt = signal.learning_results
    spectra = _either(learnt, ("factors", "components"))
    scores = _either(learnt, ("loadings", "scores"))
    if spectra is None or scores is None:
        raise NotFittedError(
            f"{what} is a signal without a decomposition; call signal.decomposition() first."
        )
    n_known = getattr(learnt, "output_dimension", None) or spectra[1].shape[1]
    names = f"signal.learning_results.{spectra[0]}", f"signal.learning_results.{scores[0]}"
    components = np.asarray(spectra[1], float).T[:n_known]
    if components.shape[1] != image.n_channels and image.channel_mask is not None:
        components = components[:, ~image.channel_mask]
    _check_channels(components.shape[1], image.n_channels, what)
    rows, take = np.asarray(scores[1], float)[:, :n_known], ""
    if len(rows) != image.n_pixels and image.mask is not None and len(rows) == image.mask.size:
        rows, take = rows[~image.mask.ravel()], "[~image.mask.ravel()]"
    _check_rows(len(rows), image.n_pixels, what)
    mean = getattr(learnt, "mean", None)
    offset = np.zeros(components.shape[1])
    if mean is not None and np.size(mean) == offset.size:
        offset = np.asarray(mean, float).ravel()
    visible = "[:, ~image.channel_mask]" if image.channel_mask is not None else ""
    lines = (
        f"components = {names[0]}.T[:{n_known}]{visible}",
        f"maps = image.fold({names[1]}{take}[:, :{n_known}])",
    )
    name = getattr(learnt, "decomposition_algorithm", None) or "decomposition"
    return Found(f"HyperSpy's {name}", components, _as_maps(image, rows), offset, lines=lines)


def _of_arrays(pair, image, what):
    if len(pair) != 2:
        raise ValueError(f"{what} is a tuple of {len(pair)}; pass a pair (components, maps).")
    components, maps = (np.asarray(array, dtype=np.float64) for array in pair)
    if components.ndim != 2 or maps.ndim not in (2, 3) or maps.shape[-1] != len(components):
        raise ValueError(
            f"{what} holds arrays of shapes {components.shape} and {maps.shape}; pass components "
            "of shape (n_components, n_channels) and maps of shape (rows, columns, n_components)."
        )
    if image is not None:
        _check_channels(components.shape[1], image.n_channels, what)
        if maps.shape[:-1] != image.navigation_shape:
            raise ValueError(
                f"{what} holds maps of shape {maps.shape[:-1]} but image has "
                f"{image.navigation_shape} pixels; pass one value for each of its pixels."
            )
    elif maps.ndim == 2:
        maps = maps[None]
    lines = (f"# components {components.shape} and maps {maps.shape}: your arrays",)
    maps = np.moveaxis(maps.reshape(1, *maps.shape) if maps.ndim == 2 else maps, -1, 0)
    maps = np.where(np.isfinite(maps), maps, np.nan)
    return Found("arrays", components, maps, np.zeros(components.shape[1]), lines=lines)


def plain_image(maps, components):
    """Return the axis that arrays without an image are shown along, and the shape of their map."""
    return Axis.uniform(components.shape[1], name="channel"), maps.shape[1:]


# helpers


def _lines_of(estimator, image):
    """Return the code of a fitted estimator, words where it was fitted to something else."""
    record = estimator.record_
    kept = ("components, maps = result.components, result.maps",)
    try:
        check_replayable(record)
        same = record.data["sha256"] == fingerprint(estimator._check_spectra(image, reset=False))
        made = spelled({"estimator": record.estimator, "parameters": record.parameters})
    except (ValueError, TypeError):
        same, made = False, ""
    if not same:
        made, whose = "estimator", f"# estimator: your fitted {type(estimator).__name__}"
        return (whose, f"result = em.decompose(image, {made})", *kept)
    return (f"result = em.decompose(image, {made})", *kept)


def _as_maps(image, rows):
    """Fold rows of shape (n_pixels, n_components) into (n_components, rows, columns)."""
    maps = np.moveaxis(image.fold(np.asarray(rows, dtype=np.float64)), -1, 0)
    return maps.reshape(len(maps), *(1, *image.navigation_shape)[-2:])


def _either(learnt, names):
    """Return the first of several names that holds something, and what it holds."""
    return next(((n, v) for n in names if (v := getattr(learnt, n, None)) is not None), None)


def _first(found):
    """Keep as many components as can be told apart."""
    n = len(found.components)
    if n <= MOST:
        return found
    kept = {
        name: None if getattr(found, name) is None else getattr(found, name)[:MOST]
        for name in ("components", "maps", "low", "high", "stderr")
    }
    cut = (f"components, maps = components[:{MOST}], maps[..., :{MOST}]",)
    message = f"The first {MOST} of {n} components of {found.name} are shown."
    return replace(found, **kept, lines=(*found.lines, *cut), message=message)


def _check_channels(n_found, n_channels, what):
    if n_found != n_channels:
        raise ValueError(
            f"{what} has {n_found} channels but image has {n_channels} visible ones; pass the "
            "image that it was found in, or crop or rebin one of them."
        )


def _check_rows(n_found, n_pixels, what):
    if n_found != n_pixels:
        raise ValueError(
            f"{what} has {n_found} pixels but image has {n_pixels} visible ones; pass the image "
            "that it was found in."
        )


def _check_finite(found, what):
    """Refuse what would be an empty map or an empty curve."""
    empty = np.flatnonzero(~np.isfinite(found.components).any(axis=1))
    if empty.size:
        raise ValueError(
            f"{what} has no finite channel in component {empty[0]}; leave that component out."
        )
    if not np.isfinite(found.maps).all(axis=0).any():
        raise ValueError(
            f"{what} has no pixel that is finite in the maps of all {len(found.maps)} components; "
            "NaN hides a pixel, so pass maps that leave some visible."
        )
