"""A phase map at one press, as vendors offer it, with every knob behind the button in sight."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from endmember.core.blocks import row_blocks
from endmember.core.checks import level_of_caller
from endmember.core.decomposition import Decomposition, decompose
from endmember.core.nmf import NMF
from endmember.core.noise import (
    FEWEST,
    RIGHT,
    NoiseWarning,
    describe_noise,
    noise_median,
)
from endmember.core.pca import PCA
from endmember.core.products import marginals
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, plain, record_of
from endmember.core.rotation import Varimax
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image

METHODS = ("varimax", "nmf")
REFITTED = ("n_components", "weighting", "method", "seed")  # lead to other components
KNOBS = (*REFITTED, "threshold", "min_area", "min_counts")
WEIGHTINGS = ("biwhiten", "poisson")  # a noise edge needs one of them
MOST_PHASES = 32  # to look for unasked: more of them rise only where noise is no noise of counts
RANK_SHARE = 0.4  # of the work, to find how many components rise above the noise


@dataclass(frozen=True)
class PhaseStep:
    """One step behind the button.

    Attributes
    ----------
    name : str
        What is done.
    knobs : dict
        The settings that decide it, as they were used.
    outcome : str
        What it led to.
    """

    name: str
    knobs: dict
    outcome: str


@dataclass(frozen=True)
class PhaseChange:
    """What one value of a knob does to a phase map.

    Attributes
    ----------
    knob : str
        Name of the setting.
    value : object
        What it was set to.
    n_phases : int
        Phases that are found.
    changed : float
        Share of the visible pixels whose label is another one, whatever the phases are called.
    unassigned : float
        Share of the visible pixels that belong to no phase.
    """

    knob: str
    value: Any
    n_phases: int
    changed: float
    unassigned: float


@dataclass(frozen=True, eq=False, repr=False)
class PhaseMap:
    """Which phase every pixel belongs to, and how that was decided; :func:`phase_map` makes it.

    Attributes
    ----------
    labels : ndarray of int, of the navigation shape
        Phase of every pixel, 0 for the one of largest area; -1 where a pixel is hidden, or was
        assigned to none.
    phases : ndarray of shape (n_phases, n_channels)
        Mean spectra in counts a pixel, along ``decomposition.image.axis``.
    phase_errors : ndarray of shape (n_phases, n_channels)
        Standard errors of these means in counts, by the Poisson noise of the counts alone.
    areas : ndarray of int, shape (n_phases,)
        Pixels of every phase.
    components : ndarray of int, shape (n_phases,)
        Which row of ``decomposition.components`` every phase came from.
    rank : int
        Components that were looked for.
    steps : tuple of PhaseStep
        What was done in order, with every knob and its value.
    settings : dict
        The knobs as they were asked for.
    decomposition : Decomposition
        The components behind the labels.
    record : Record
        What made it: counts, settings, versions.
    """

    labels: np.ndarray
    phases: np.ndarray
    phase_errors: np.ndarray
    areas: np.ndarray
    components: np.ndarray
    rank: int
    steps: tuple[PhaseStep, ...]
    settings: dict
    decomposition: Decomposition
    record: Record

    @property
    def n_phases(self) -> int:
        """How many phases were found."""
        return len(self.areas)

    @property
    def n_unassigned(self) -> int:
        """Visible pixels that belong to none of them."""
        return self.decomposition.image.n_pixels - int(self.areas.sum())

    def sensitivity(self, knob=None, values=None, *, callback=None):
        """Return what other values of the knobs would have done.

        Parameters
        ----------
        knob : str, optional
            The setting of :func:`phase_map` to turn; by default the rank, threshold and minimum
            area in turn.
        values : sequence, optional
            What to set it to; by default values around the present one. The components are found
            anew only where the knob asks for it.
        callback : callable, optional
            Called with a :class:`Progress` after every value; where it returns True, the work
            stops with an error.

        Returns
        -------
        list of PhaseChange
            One for each value: the phases found, and the shares of pixels that change their label
            and that belong to none.
        """
        check_callback(callback)
        turns, image = _turns(self, knob, values), self.decomposition.image
        before = _visible(image, self.labels)
        settings = [_checked({**self.settings, name: value}, image) for name, value in turns]
        found = []
        for i, (name, value) in enumerate(turns):
            labels = self._labels_with(name, settings[i])
            n_phases = int(labels.max()) + 1
            changed, unassigned = _share_changed(before, labels), float(np.mean(labels < 0))
            found.append(PhaseChange(name, value, n_phases, changed, unassigned))
            report(callback, (i + 1) / len(turns))
        return found

    def to_code(self):
        """Return the lines that make the same map, every knob spelled out."""
        knobs = {**self.settings, "n_components": self.rank}
        return (
            "import endmember as em\n"
            "\n"
            f"image = {self.decomposition.image.code}\n"
            f"found = em.phase_map(image, {_spelled(knobs)})\n"
        )

    def _labels_with(self, knob, settings):
        """Return the labels of the visible pixels where a knob is set otherwise."""
        decomposition = self.decomposition
        if knob in REFITTED:
            if settings["n_components"] is None and knob in ("method", "seed"):
                settings = {**settings, "n_components": self.rank}  # they do not move the edge
            _, rank = _choose_rank(decomposition.image, settings, None)
            decomposition = _decomposed(decomposition.image, settings, rank, None)
        return _labelled(decomposition, settings).labels

    def __repr__(self):
        image = self.decomposition.image
        title = f"{image.title!r}, " if image.title else ""
        pixels = " × ".join(map(str, image.navigation_shape))
        return (
            f"<PhaseMap {title}{self.n_phases} phases of {self.rank} components by "
            f"{self.settings['method']}, {pixels} pixels, "
            f"{self.n_unassigned / image.n_pixels:.1%} unassigned>"
        )

    def _repr_html_(self):
        rows = "".join(
            f"<tr><td>{escape(step.name)}</td><td>{escape(_spelled(step.knobs))}</td>"
            f"<td>{escape(step.outcome)}</td></tr>"
            for step in self.steps
        )
        return (
            f"<div class='endmember-phases'><div>{escape(repr(self)[1:-1])}</div><table>"
            f"<tr><th>step</th><th>knobs</th><th>outcome</th></tr>{rows}</table></div>"
        )


def phase_map(
    image,
    *,
    n_components=None,
    weighting="biwhiten",
    method="varimax",
    seed=0,
    threshold=0.3,
    min_area=4,
    min_counts=1,
    callback=None,
):
    """Divide a map into phases as a vendor's one button does, with its knobs in the open.

    Principal components say how many there are, a rotation [1]_ or a non-negative factorisation
    turns them into phases, a pixel goes to the component that holds most of it, and small areas
    are given up. Programs that offer this differ in their defaults, and so in how many phases
    they find: see :meth:`PhaseMap.sensitivity`.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts of shape (*navigation_shape, n_channels); hidden pixels and channels take no part.
    n_components : int, optional
        Components to look for; turning it up divides phases that are one, so that fewer pixels
        reach the threshold and more are specks. By default as many as
        rise above the noise edge of the principal components (:class:`PCA`), with the noise as it
        was measured where it is not that of gain 1.
    weighting : {"biwhiten", "poisson"}, default="biwhiten"
        Scaling of the noise. ``"poisson"`` counts more components where phases differ much.
    method : {"varimax", "nmf"}, default="varimax"
        How components become phases: :class:`Varimax` of the maps, or :class:`NMF`.
    seed : int, default=0
        Where NMF begins; Varimax begins where principal components end.
    threshold : float, default=0.3
        Share of a pixel, from 0 to 1, that its component must hold. Turning it up leaves more
        pixels unassigned, first the mixed and the noisy ones, and finds no more phases: at 0.3
        those that four or more components share, at 0.5 all in which none has the majority. With
        Varimax a share is that of the squared scores, with NMF that of the counts.
    min_area : int, default=4
        Pixels that a connected area of one phase must have; turning it up leaves smaller ones
        unassigned, first the specks of noise, at last rare phases. 1 leaves none unassigned: take
        it for a table of pixels that are no neighbours.
    min_counts : float, default=1
        Counts that a pixel must hold to be assigned; turning it up leaves vacuum and holes
        unassigned. Pixels without counts are so in any case.
    callback : callable, optional
        Called with a :class:`Progress` between steps and rounds; where it returns True, the work
        stops with an error.

    Returns
    -------
    PhaseMap
        Labels, mean spectra with their errors, areas, and every step with its knobs.

    Raises
    ------
    ValueError
        Where a knob is out of its range; where the counts cannot be biwhitened: take
        ``weighting="poisson"`` then; where more than 32 components rise above the noise.

    Warns
    -----
    NoiseWarning
        Where the noise of neighbouring channels is correlated, so that the edge does not hold.

    Notes
    -----
    Where phases overlap, few pixels are mostly one of them. Of the map ``"diamond_anvil_71gpa"``,
    three overlapping phases at 177 counts a pixel, 15 % stay unassigned, all of them specks; at a
    threshold of 0.5, 66 %. What a high threshold keeps is surer: look at both.

    Neither `threshold` nor `min_area` can add a phase when it is turned up: the areas of a lower
    value hold those of a higher one. A phase whose spectrum is nearly a mixture of two others, as
    that of FeCr₂O₄ is of Cr₂O₃ and Fe₂O₃, has no component of its own and goes to the one that it
    holds more of.

    References
    ----------
    .. [1] M. R. Keenan, Surf. Interface Anal. 41 (2009) 79, doi:10.1002/sia.2949.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("six_compounds", shape=(32, 32), dose=300.0).image
    >>> found = em.phase_map(image)
    >>> found
    <PhaseMap 'six compounds', 5 phases of 5 components by varimax, 32 × 32 pixels, 0.0% unassigned>
    >>> [(change.value, change.n_phases) for change in found.sensitivity("min_area", [4, 80, 200])]
    [(4, 5), (80, 3), (200, 0)]
    """
    image = as_spectrum_image(image)
    given = n_components, weighting, method, seed, threshold, min_area, min_counts
    settings = _checked(dict(zip(KNOBS, given, strict=True)), image)
    check_callback(callback)
    steps, rank = _choose_rank(image, settings, _scaled(callback, 0.0, RANK_SHARE))
    done = RANK_SHARE if n_components is None else 0.0
    decomposition = _decomposed(image, settings, rank, _scaled(callback, done, 1.0))
    named = {"method": method, **({"seed": seed} if method == "nmf" else {"weighting": weighting})}
    steps += (PhaseStep("components", named, f"{rank} components"),)
    return _assembled(decomposition, settings, steps)


def phase_sensitivity(image, knob, values=None, *, callback=None, **settings):
    """Return how phases come and go when one knob of :func:`phase_map` is turned.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts of shape (*navigation_shape, n_channels).
    knob : str
        Name of the setting to turn.
    values : sequence, optional
        What to set it to; by default values around the one in `settings`.
    callback : callable, optional
        Called with a :class:`Progress` after every value; where it returns True, the work stops
        with an error.
    **settings
        The other knobs. The map that they give is what pixels are compared with.

    Returns
    -------
    list of PhaseChange
        One for each value: the phases found, and the shares of pixels that change their label and
        that belong to none.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("six_compounds", shape=(32, 32), dose=300.0).image
    >>> changes = em.phase_sensitivity(image, "n_components", [3, 5], min_area=10)
    >>> [change.n_phases for change in changes]
    [3, 5]
    """
    image = as_spectrum_image(image)
    _check_knob(knob)
    return phase_map(image, **settings).sensitivity(knob, values, callback=callback)


def _scaled(callback, first, last):
    """Return a callback that reports a part of the work, and raises where it is to stop."""
    if callback is None:
        return None

    def tell(progress):
        report(callback, first + (last - first) * progress.fraction)

    return tell


def _choose_rank(image, settings, callback):
    """Return the step that decides how many components there are, and their number."""
    asked, weighting = settings["n_components"], settings["weighting"]
    if asked is not None:
        return (PhaseStep("rank", {"n_components": asked}, "as asked for"),), asked
    pca, gain = _measured(image, weighting, callback)
    rank, text = pca.n_above_edge_, describe_noise(1.0, pca.noise_correlation_, weighting)
    if rank > MOST_PHASES:
        raise ValueError(
            f"{rank} components rise above the noise edge, more than {MOST_PHASES}: the noise is "
            "not that of counts, which were perhaps smoothed or resampled. Pass them as they were "
            "recorded, or n_components."
        )
    if text:
        warnings.warn(text, NoiseWarning, stacklevel=level_of_caller())
    knobs = {"n_components": None, "weighting": weighting}
    outcome = f"{rank} components rise above the noise edge {pca.noise_edge_:.4g}"
    outcome += f", of noise with {gain:.3g} times Poisson's variance" * (gain != 1)
    return (PhaseStep("rank", knobs, outcome),), max(1, rank)


def _measured(image, weighting, callback):
    """Return fitted principal components, and the gain that their noise was measured to have."""
    how = {"weighting": weighting, "solver": "gram"}  # all eigenvalues, which the median needs
    pca = PCA(1, **how, callback=callback)  # but one vector: thousands take longer than the rest
    spectra = pca._check_spectra(image, reset=True)
    gain = _gain(pca._fit_within(spectra))
    if RIGHT[0] <= gain <= RIGHT[1]:
        return pca, 1.0
    return PCA(1, **how, gain=gain)._fit_within(spectra), gain


def _gain(pca):
    """Return the variance of the noise, from the median eigenvalue: phases are few beside it."""
    if len(pca.scree_) < FEWEST:
        return 1.0
    shape = (np.count_nonzero(scale) for scale in (pca.pixel_scale_, pca.channel_scale_))
    return float(np.median(pca.scree_) / noise_median(*shape))


def _decomposed(image, settings, rank, callback):
    if settings["method"] == "nmf":
        estimator = NMF(rank, random_state=settings["seed"], callback=callback)
    else:
        estimator = Varimax(rank, weighting=settings["weighting"], callback=callback)
    estimator.fit(image).set_params(callback=None)  # a result holds on to nobody's function
    return decompose(image, estimator)


def _assembled(decomposition, settings, steps):
    """Return the phase map that a decomposition gives."""
    image, found = decomposition.image, _labelled(decomposition, settings)
    areas = np.bincount(found.labels[found.labels >= 0], minlength=len(found.components))
    sums = _sums(image.spectra, found.labels, len(areas))
    labels, phases = _folded(image, found.labels), sums / areas[:, None]
    return PhaseMap(
        labels=labels,
        phases=phases,
        phase_errors=np.sqrt(sums) / areas[:, None],
        areas=areas,
        components=found.components,
        rank=len(decomposition.components),
        steps=steps + _later_steps(settings, found),
        settings=settings,
        decomposition=decomposition,
        record=record_of(
            "phase_map",
            settings,
            image.spectra,
            source=image,
            result={"phases": phases, "labels": labels},
        ),
    )


class _Labelled(NamedTuple):
    """Labels of the visible pixels, the component of each, and how many pixels were assigned."""

    labels: np.ndarray
    components: np.ndarray
    n_above: int


def _labelled(decomposition, settings):
    """Assign pixels by threshold, give up small areas, and number phases by area."""
    image, rank = decomposition.image, len(decomposition.components)
    chosen = _by_threshold(decomposition, settings)
    kept = _visible(image, _without_small(_folded(image, chosen), settings["min_area"]))
    areas = np.bincount(kept[kept >= 0], minlength=rank)
    order = np.argsort(-areas, kind="stable")
    components = order[areas[order] > 0]
    numbers = np.full(rank + 1, -1)  # at its end the number of -1, no component
    numbers[components] = np.arange(components.size)
    return _Labelled(numbers[kept], components, int(np.count_nonzero(chosen >= 0)))


def _by_threshold(decomposition, settings):
    """Return the component of every visible pixel, -1 where none holds enough of it."""
    scores = decomposition.scores.clip(min=0.0)
    if settings["method"] == "varimax":  # what its rotation shares out is the sum of squares
        parts, whole = scores**2, (decomposition.scores**2).sum(axis=1)
    else:
        parts = scores * decomposition.components.sum(axis=1)
        whole = parts.sum(axis=1)
    best = parts.argmax(axis=1)
    highest = parts.max(axis=1)
    is_assigned = (highest > 0) & (highest >= settings["threshold"] * whole)
    is_assigned &= marginals(decomposition.image.spectra)[0] >= settings["min_counts"]
    return np.where(is_assigned, best, -1)


def _without_small(labels, min_area):
    """Return labels with -1 for every connected area of fewer pixels, neighbours sharing a side."""
    kept = np.full_like(labels, -1)
    for k in range(labels.max() + 1):
        areas = ndimage.label(labels == k)[0]
        is_large = np.bincount(areas.ravel()) >= min_area
        is_large[0] = False  # all the other pixels
        kept[is_large[areas]] = k
    return kept


def _folded(image, rows):
    """Return whole numbers of the visible pixels as a map, -1 where hidden."""
    if image.mask is None:
        return rows.reshape(image.navigation_shape)
    labels = np.full(image.navigation_shape, -1)
    labels[~image.mask] = rows
    return labels


def _visible(image, labels):
    return labels.ravel() if image.mask is None else labels[~image.mask]


def _sums(spectra, labels, n_phases):
    """Return the sum spectrum of every phase."""
    assigned = np.flatnonzero(labels >= 0)
    ones = np.ones(assigned.size)
    members = sp.csr_array((ones, (labels[assigned], assigned)), shape=(n_phases, labels.size))
    sums, start = np.zeros((n_phases, spectra.shape[1])), 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        part = members[:, start:stop] @ block
        sums += part.toarray() if sp.issparse(part) else part
        start = stop
    return sums


def _later_steps(settings, found):
    n_kept = np.count_nonzero(found.labels >= 0)
    knobs = {name: settings[name] for name in ("threshold", "min_counts")}
    return (
        PhaseStep("threshold", knobs, f"{found.n_above} of {found.labels.size} pixels assigned"),
        PhaseStep(
            "minimum area",
            {"min_area": settings["min_area"]},
            f"{found.n_above - n_kept} pixels given up, {len(found.components)} phases",
        ),
    )


def _share_changed(labels, others):
    """Return the share of pixels whose label differs, phases matched by the pixels they share."""
    shared = np.zeros((labels.max() + 2, others.max() + 2))
    np.add.at(shared, (labels + 1, others + 1), 1)
    matched = linear_sum_assignment(-shared[1:, 1:])
    return float(1 - (shared[0, 0] + shared[1:, 1:][matched].sum()) / labels.size)


def _turns(found, knob, values):
    """Return which knobs are set to what, one after the other."""
    if knob is None and values is not None:
        raise TypeError("values are given without a knob; name one, as sensitivity('threshold').")
    if knob is not None:
        _check_knob(knob)
    if values is not None and (isinstance(values, str) or not np.iterable(values)):
        raise TypeError(f"values are {values!r}; pass a list of what to set {knob} to.")
    names = ("n_components", "threshold", "min_area") if knob is None else (knob,)
    turns = [(name, v) for name in names for v in _values(found, name, values)]
    if not turns:
        raise ValueError(f"values of {knob} are empty; pass one at least.")
    return turns


def _values(found, knob, values):
    if values is not None:
        return list(values)
    image = found.decomposition.image
    most = min(image.n_pixels, image.n_channels)
    return {
        "n_components": list(range(max(1, found.rank - 2), min(most, found.rank + 2) + 1)),
        "weighting": list(WEIGHTINGS),
        "method": list(METHODS),
        "threshold": [round(0.1 * i, 1) for i in range(1, 10)],
        "min_area": [2**i for i in range(9)],
        "min_counts": [1, 2, 5, 10, 20, 50, 100],
        "seed": list(range(5)),
    }[knob]


def _check_knob(knob):
    if knob not in KNOBS:
        raise ValueError(f"knob is {knob!r}; choose one of {KNOBS}.")


def _checked(settings, image):
    """Return settings as plain numbers and words, or say which of them cannot be."""
    most = min(image.n_pixels, image.n_channels)
    n_components, min_area = settings["n_components"], settings["min_area"]
    if n_components is not None and not _is_whole(n_components, most):
        raise ValueError(
            f"n_components is {n_components!r}; pass a whole number from 1 to {most}, the smaller "
            "number of visible pixels and channels, or None to count those above the noise."
        )
    for name, choices in (("method", METHODS), ("weighting", WEIGHTINGS)):
        if not isinstance(settings[name], str) or settings[name] not in choices:
            raise ValueError(f"{name} is {settings[name]!r}; choose one of {choices}.")
    if not _is_within(settings["threshold"], 1.0):
        raise ValueError(
            f"threshold is {settings['threshold']!r}; pass the share of a pixel that its component "
            "must hold, from 0 to 1."
        )
    if not _is_whole(min_area, np.inf):
        raise ValueError(
            f"min_area is {min_area!r}; pass a whole number of pixels from 1 up, 1 to keep every "
            "area."
        )
    if not _is_within(settings["min_counts"], np.finfo(float).max):
        raise ValueError(
            f"min_counts is {settings['min_counts']!r}; pass a finite number from 0 up."
        )
    as_seed(settings["seed"])
    return {name: plain(value) for name, value in settings.items()}


def _is_whole(value, most):
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= most


def _is_within(value, most):
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= most


def _spelled(knobs):
    words = {name: f'"{v}"' if isinstance(v, str) else repr(v) for name, v in knobs.items()}
    return ", ".join(f"{name}={word}" for name, word in words.items())
