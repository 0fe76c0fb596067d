"""How many components: rules that look at one scree, and what they all share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from endmember.core.image import SpectrumImage
from endmember.core.noise import EDGE_MARGIN, noise_edge, noise_median, noise_width
from endmember.core.noise import FEWEST as FEWEST_OF_BULK
from endmember.core.pca import PCA
from endmember.core.products import near_diagonals

MAX_POINTS = 20  # of the scree, that HyperSpy draws its line through
FEWEST = 20  # eigenvalues: the median of fewer moves with the components themselves
FEWEST_PIXELS = 16  # of a map: below, chance alone gives neighbours that are alike
SURE = 3.5  # standard deviations: chance exceeds them once in 400 maps of a dozen components
SELDOM = 2.02  # widths: 99 % quantile of Tracy and Widom's law of order one
BEYOND_DOUBT = (0.6, 1.7)  # of the variance of noise: few eigenvalues do not scatter so far
ROUNDING = 1e-12  # of the first eigenvalue
SHOWN = 25  # eigenvalues of a curve


class CannotSayError(Exception):
    """Say why a rule has no answer; the other rules go on."""

    def __init__(self, message):
        super().__init__(message)


@dataclass(frozen=True, eq=False, repr=False)
class RankRule:
    """What one rule says of the number of components; :func:`rank_report` asks it.

    Attributes
    ----------
    name : str
        Name of the rule.
    rank : int or None
        Its answer, the mean counted; None where it has none, for the reason in `note`.
    question : str
        What it asks.
    ks : ndarray of int, shape (n_ranks,)
        Ranks, or numbers of eigenvalues.
    values : ndarray of shape (n_ranks,)
        Its evidence for each of `ks`, in `unit`; NaN where there is none.
    threshold : ndarray of shape (n_ranks,)
        What the evidence is compared with, in `unit`; NaN where it is compared with nothing.
    quantity, unit : str
        What the evidence is, and its unit.
    seconds : float
        How long it took, the work shared with others not counted twice.
    misled_by : str
        When it misleads.
    note : str
        Why it has no answer, or what to know of the one it has; empty where there is nothing.
    """

    name: str
    rank: int | None
    question: str
    ks: np.ndarray
    values: np.ndarray
    threshold: np.ndarray
    quantity: str
    unit: str
    seconds: float
    misled_by: str
    note: str = ""

    def __repr__(self):
        answer = f"rank {self.rank}" if self.rank is not None else self.note
        return f"<RankRule {self.name!r}: {answer}>"


@dataclass(frozen=True, eq=False)
class Found:
    """What a rule found; see :class:`RankRule`."""

    rank: int | None
    ks: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    threshold: np.ndarray | float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class Asked:
    """A rule before it is asked.

    Parameters
    ----------
    find : callable
        Takes a :class:`Case`, returns a :class:`Found` or raises :class:`CannotSayError`.
    question, quantity, unit, misled_by : str
        As in :class:`RankRule`.
    if_more, if_fewer : str
        What may be behind an answer above, or below, that of the others.
    """

    find: Callable
    question: str
    quantity: str
    unit: str
    misled_by: str
    if_more: str
    if_fewer: str


class Case:
    """The counts that all rules look at, and what they share.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts, checked.
    image : SpectrumImage or None
        Their map, where there is one.
    gain : float
        Detector signal for one quantum.
    most : int
        Highest rank to look for.
    seed : int
        Where random work begins.
    tell : callable
        Called with the share of a rule's work that is done.
    """

    def __init__(
        self,
        spectra,
        image: SpectrumImage | None = None,
        *,
        gain=1.0,
        most=12,
        seed=0,
        tell=lambda fraction: None,
    ):
        self.spectra, self.image = spectra, image
        self.gain, self.seed, self.tell = gain, seed, tell
        self.most = min(most, *self.spectra.shape)

    @cached_property
    def pca(self):
        """All eigenvalues of the counts by the scaling of Keenan and Kotula."""
        return self._fitted("poisson")

    @cached_property
    def biwhitened(self):
        """All eigenvalues of the biwhitened counts."""
        return self._fitted("biwhiten")

    @property
    def shape(self):
        """Numbers of pixels and of channels that hold counts."""
        return taking_part(self.pca)

    @property
    def scree(self):
        """Eigenvalues of the first scaling in units of the noise, falling."""
        return scree_of(self.pca)

    def _fitted(self, weighting):
        pca = PCA(self.most, weighting=weighting, solver="gram", gain=self.gain)
        return pca._fit_within(self.spectra)


def taking_part(pca):
    """Return how many pixels and channels a PCA scaled."""
    return int(np.count_nonzero(pca.pixel_scale_)), int(np.count_nonzero(pca.channel_scale_))


def scree_of(pca):
    """Return all eigenvalues that are not zero for want of pixels or channels."""
    return pca.scree_[: min(taking_part(pca))]


def noise_of(case):
    """Return the variance of the noise over that expected, and its correlation between channels.

    Where noise is so strong or so blurred that no bulk of eigenvalues stays below the edge, by the
    median of all of them, and by what is left of neighbouring channels without `most` components.
    """
    pca, shape = case.pca, case.shape
    if np.isfinite(pca.noise_variance_):
        return pca.noise_variance_, pca.noise_correlation_
    if min(shape) < FEWEST_OF_BULK + case.most:
        return _rough_variance(case), pca.noise_correlation_
    squares, beside = near_diagonals(case.spectra, pca.pixel_scale_**2 / shape[0])
    axes, values = pca._axes, pca.explained_variance_
    squares = (squares * pca.channel_scale_**2 - values @ axes**2).clip(min=0.0)
    beside = beside[:-1] * pca.channel_scale_[:-1] * pca.channel_scale_[1:]
    beside = beside - values @ (axes[:, :-1] * axes[:, 1:])
    expected = np.sqrt(squares[:-1] * squares[1:]).sum()
    return np.median(case.scree) / noise_median(*shape), beside.sum() / max(expected, 1e-300)


def _rough_variance(case):
    """Return the variance of the noise by few eigenvalues, where it is wrong beyond doubt."""
    if min(case.shape) < FEWEST:
        return float("nan")
    variance = float(np.median(case.scree) / noise_median(*case.shape))
    return float("nan") if BEYOND_DOUBT[0] < variance < BEYOND_DOUBT[1] else variance


def ask(name, asked, case, seconds):
    """Return the answer of a rule.

    Parameters
    ----------
    name : str
        Of the rule.
    asked : Asked
        The rule.
    case : Case
        What it is asked about.
    seconds : callable
        Tells the time.
    """
    start = seconds()
    try:
        found = asked.find(case)
    except CannotSayError as reason:
        found = Found(None, note=str(reason))
    threshold = np.broadcast_to(np.asarray(found.threshold, dtype=np.float64), found.values.shape)
    return RankRule(
        name,
        None if found.rank is None else int(found.rank),
        asked.question,
        found.ks,
        found.values,
        threshold.copy(),
        asked.quantity,
        asked.unit,
        seconds() - start,
        asked.misled_by,
        found.note,
    )


def numbered(values):
    """Return 1, 2, ... for so many values."""
    return np.arange(1, len(values) + 1)


def at_most(rank, most):
    """Return what to know of a rank that is the highest that was looked for."""
    return f"as many as were looked for: raise most={most}." if rank >= most else ""


def leading_run(is_above):
    """Return how many lead without a gap, the first taken for granted."""
    below = np.flatnonzero(~np.asarray(is_above, dtype=bool)[1:])
    return 1 + int(below[0]) if below.size else max(1, len(is_above))


# rules that look at the scree


def elbow(case):
    """Where the scree is farthest below a line, as HyperSpy 2.5 computes it."""
    scree = case.scree
    if len(scree) < 3:
        raise CannotSayError(f"too small: {len(scree)} eigenvalues have no elbow; it takes 3.")
    distances = distances_from_line(scree)
    last = len(distances)
    shown = np.log(np.clip(scree[:last], 1e-30, None))
    line = np.linspace(shown[0], np.log(max(scree[last], 1e-30)), last + 1)[:-1]
    # the first of the noise is farthest, and one is added: see the canary in the tests
    rank = int(np.argmax(distances)) + 1
    return Found(rank, numbered(shown), np.exp(shown), np.exp(line))


def distances_from_line(scree, max_points=MAX_POINTS):
    """Return how far the logarithms of a scree lie from a line through its first and last point.

    References
    ----------
    V. Satopää et al., 31st Int. Conf. on Distributed Computing Systems Workshops (2011) 166,
    doi:10.1109/ICDCSW.2011.20.
    """
    last = min(max_points, len(scree) - 1)
    logs = np.log(np.clip(scree[: last + 1], 1e-30, None))
    slope = (logs[last] - logs[0]) / last
    return np.abs(logs[0] + slope * np.arange(last) - logs[:last]) / np.hypot(1.0, slope)


def gavish_donoho(case):
    """How many eigenvalues stand above the optimal hard threshold for noise of unknown variance.

    References
    ----------
    Gavish and Donoho, IEEE Trans. Inf. Theory 60 (2014) 5040, doi:10.1109/TIT.2014.2323359.
    """
    scree, (n_pixels, n_channels) = case.scree, case.shape
    if len(scree) < FEWEST:
        raise CannotSayError(
            f"too small: the median of {len(scree)} eigenvalues tells no noise; it takes {FEWEST}."
        )
    noise = np.median(scree) / noise_median(n_pixels, n_channels)
    if noise < ROUNDING * scree[0]:
        raise CannotSayError("more than half of the eigenvalues are zero: no noise is seen.")
    cut = noise * hard_threshold(n_pixels, n_channels)
    rank = max(1, int(np.count_nonzero(scree > cut)))
    return Found(rank, numbered(scree[:SHOWN]), scree[:SHOWN], cut)


def hard_threshold(n_pixels, n_channels):
    """Return the optimal threshold for eigenvalues of ``Y.T @ Y / n_pixels`` of unit noise."""
    wide, narrow = max(n_pixels, n_channels), min(n_pixels, n_channels)
    b = narrow / wide
    return (2 * (b + 1) + 8 * b / (b + 1 + np.sqrt(b**2 + 14 * b + 1))) * wide / n_pixels


def edge(case):
    """How many eigenvalues stand above the noise edge by the scaling of Keenan and Kotula."""
    return _above_edge(case.pca)


def biwhitened_edge(case):
    """How many stand above the same edge where Sinkhorn's scaling makes the noise flat."""
    try:
        found = _above_edge(case.biwhitened)
    except ValueError as error:
        raise CannotSayError(f"too few counts: {error}") from error
    lost = np.subtract(case.shape, taking_part(case.biwhitened))
    if not lost.any():
        return found
    return replace(found, note=f"{lost[0]} pixels and {lost[1]} channels of few counts left out.")


def _above_edge(pca):
    scree, (n_pixels, n_channels) = scree_of(pca), taking_part(pca)
    limit = noise_limit(n_pixels, n_channels)
    rank = max(1, int(np.count_nonzero(scree > limit)))
    return Found(rank, numbered(scree[:SHOWN]), scree[:SHOWN], limit)


def noise_limit(n_pixels, n_channels):
    """Return what the largest eigenvalue of even noise seldom exceeds: its edge, and a margin.

    One percent, or on small maps the 99 % quantile of Tracy and Widom's law, where that is more.

    References
    ----------
    I. M. Johnstone, Ann. Statist. 29 (2001) 295, doi:10.1214/aos/1009210544.
    """
    return noise_edge(n_pixels, n_channels) * (
        1.0 + max(EDGE_MARGIN, SELDOM * noise_width(n_pixels, n_channels))
    )


def spatial(case):
    """How many scores have neighbouring pixels that are more alike than chance makes them."""
    if case.image is None:
        raise CannotSayError("rows have no map; pass a SpectrumImage.")
    pairs = neighbours(case.image)
    if case.image.n_pixels < FEWEST_PIXELS or len(pairs[0]) < FEWEST_PIXELS:
        raise CannotSayError(
            f"too small: {len(pairs[0])} pairs of neighbouring pixels; it takes {FEWEST_PIXELS}."
        )
    scores, _ = case.pca.noise_units(case.spectra)
    _, sure = morans_i(scores[:, : min(case.shape)], pairs)
    # the mean may have no pattern, and uneven noise may come before a component that has one
    rank = 1 + int(np.count_nonzero(sure[1:] > SURE))
    return Found(rank, numbered(sure), sure, SURE, note=at_most(rank, case.most))


def neighbours(image):
    """Return the rows of all pairs of visible pixels that lie beside each other along any axis."""
    rows = image.fold(np.arange(image.n_pixels, dtype=np.float64))
    first, second = [], []
    for axis, size in enumerate(rows.shape):
        before = rows.take(range(size - 1), axis).ravel()
        after = rows.take(range(1, size), axis).ravel()
        seen = np.isfinite(before) & np.isfinite(after)
        first.append(before[seen].astype(int))
        second.append(after[seen].astype(int))
    return np.concatenate(first), np.concatenate(second)


def morans_i(scores, pairs):
    """Return Moran's I of maps, and by how many standard deviations it exceeds chance.

    By chance the sign of every score is drawn anew: noise of a map need not be equally strong
    everywhere for that, as it need be for a permutation.

    Parameters
    ----------
    scores : ndarray of shape (n_pixels, n_maps)
        One map a column, in any unit.
    pairs : tuple of ndarray of int
        Rows of the pixels that are neighbours.

    References
    ----------
    P. A. P. Moran, Biometrika 37 (1950) 17, doi:10.1093/biomet/37.1-2.17.
    """
    centred = scores - scores.mean(axis=0)
    products = centred[pairs[0]] * centred[pairs[1]]
    total, spread = products.sum(axis=0), np.sqrt((products**2).sum(axis=0))
    squares = (centred**2).sum(axis=0)
    nothing = np.zeros_like(total)
    alike = np.divide(total * len(scores), squares * len(products), out=nothing, where=squares > 0)
    sure = np.divide(total, spread, out=np.zeros_like(total), where=spread > 0)
    return alike, sure


SCREE_RULES = {
    "elbow": Asked(
        elbow,
        "Where does the scree bend most (as HyperSpy 2.5 computes it)?",
        "eigenvalue",
        "noise variance",
        "One too high on clean data, where the first of the noise is taken for a component; too "
        "low where components fade into the noise; depends on how many eigenvalues are looked at.",
        "it counts the first eigenvalue of the noise as well",
        "weak components do not bend the scree",
    ),
    "gavish-donoho": Asked(
        gavish_donoho,
        "Which components bring a denoised map nearer to the truth, by the median eigenvalue?",
        "eigenvalue",
        "noise variance",
        "Higher than the noise edge, so that weak components fall below it; phases that differ "
        "much, drift, spikes and the detector's blur make noise uneven and add components.",
        "noise is uneven: phases differ much, or there are drift, spikes or blur",
        "it leaves out what is too weak to be denoised, though it may be seen",
    ),
    "edge": Asked(
        edge,
        "How many eigenvalues rise above those that even noise gives (Keenan-Kotula scaling)?",
        "eigenvalue",
        "noise variance",
        "The scaling makes noise even only where the map is nearly one mean spectrum: phases that "
        "differ much add components, and so do pixels and channels of few counts, drift, spikes, "
        "blur and a gain other than 1.",
        "its scaling leaves noise uneven where phases differ much; drift and spikes add to it",
        "components lie below its edge, or within its margin",
    ),
    "spatial": Asked(
        spatial,
        "How many components have maps in which neighbours are more alike than chance?",
        "Moran's I over chance",
        "standard deviations",
        "Components without a pattern, such as single particles, are not seen; drift along the "
        "scan, blur between pixels and resampling are patterns too.",
        "weak components show in their maps before their eigenvalues rise, and so does drift",
        "components of single pixels have no pattern",
    ),
    "biwhitened": Asked(
        biwhitened_edge,
        "How many eigenvalues rise above those of even noise, once counts are biwhitened?",
        "eigenvalue",
        "noise variance",
        "Sinkhorn's scaling needs counts in most pixels and channels, and leaves out the others, "
        "rare phases with them; patches that share no channel still add components, and so do "
        "drift, spikes and blur.",
        "patches that share hardly any channel, drift, spikes or blur make noise uneven",
        "components lie below its edge, or in channels that it leaves out",
    ),
}
