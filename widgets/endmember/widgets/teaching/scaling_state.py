"""What the scaling of a map does to its noise, at several doses: numbers without a widget."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_scalar

from endmember.core.noise import NoiseWarning, count_above, noise_edge, noise_median
from endmember.core.pca import PCA
from endmember.core.progress import report
from endmember.core.scaling import WEIGHTINGS
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin
from endmember.datasets.scene import Scene
from endmember.widgets.rank_residuals import residual_values

NAMES = {"none": "unscaled", "poisson": "Keenan-Kotula", "biwhiten": "biwhitened"}
RESIDUALS = ("leading", "all")
MOST_PIXELS = 96 * 96  # of a map: a page holds it for every scaling, dose and rank
SHARES = (1.0, 0.5, 0.25, 0.1)
ZERO = 1e-12  # of the largest eigenvalue: smaller ones are rounding


def noise_density(eigenvalues, n_pixels, n_channels):
    """Return the density of the eigenvalues of ``Y.T @ Y / n_pixels`` that unit noise gives.

    Parameters
    ----------
    eigenvalues : array_like of shape (n,)
        Where it is wanted, in units of the noise variance.
    n_pixels, n_channels : int
        Shape of Y, whose entries are independent with variance 1. Of the eigenvalues that are zero
        for want of pixels nothing is said.

    Returns
    -------
    ndarray of shape (n,)
        Its integral is 1.

    References
    ----------
    Marchenko and Pastur, Math. USSR Sb. 1 (1967) 457, doi:10.1070/SM1967v001n04ABEH001994.

    Examples
    --------
    >>> from endmember.widgets.teaching.scaling_state import noise_density
    >>> noise_density([0.2, 1.0, 2.3], 400, 100).round(3).tolist()
    [0.0, 0.616, 0.0]
    """
    values, aspect = np.asarray(eigenvalues, dtype=np.float64), n_channels / n_pixels
    low, high = (1 - np.sqrt(aspect)) ** 2, noise_edge(n_pixels, n_channels)
    inside = (values > low) & (values < high)
    at = np.where(inside, values, 1.0)
    roots = np.sqrt(np.where(inside, (at - low) * (high - at), 0.0))
    return roots / (2 * np.pi * at * min(1.0, aspect))


def dose_words(dose):
    """Return counts a pixel as people write them."""
    return f"{dose:,.0f}" if dose >= 10 else f"{dose:.2g}"


@dataclass(frozen=True, eq=False)
class ScaledFit:
    """Components of a map of one dose, found with one scaling.

    Attributes
    ----------
    weighting : {"none", "poisson", "biwhiten"}
        The scaling, as :class:`PCA` calls it.
    dose : float
        Counts a pixel, on average.
    pca : PCA
        The components.
    shape : tuple of int
        Pixels and channels that take part.
    scree : ndarray of shape (min(shape),)
        Eigenvalues in units of the noise variance; unscaled, of its mean over pixels and channels.
    edge : float
        Where the scree of noise would end if it had the same variance everywhere.
    n_above : int
        Eigenvalues above it, by more than its margin of 1 %.
    bulk : float
        Median of the others, over that of even noise.
    residuals : dict of str to ndarray of shape (max_rank, rows, columns)
        What ranks from 1 up leave in every pixel, in units of the noise: along the next components
        (``"leading"``) or in all channels (``"all"``).
    components : ndarray of shape (max_rank + 1, n_channels)
        Spectra in counts, as large as they are in the map: root mean square over pixels.
    """

    weighting: str
    dose: float
    pca: PCA
    shape: tuple[int, int]
    scree: np.ndarray
    edge: float
    n_above: int
    bulk: float
    residuals: dict[str, np.ndarray]
    components: np.ndarray

    def words(self):
        """Say how many eigenvalues stand above the edge, and whether the bulk is that of noise."""
        above = (
            f"{NAMES[self.weighting]}, {dose_words(self.dose)} counts a pixel: {self.n_above} "
            f"of {self.scree.size} eigenvalues stand above the edge of even noise, {self.edge:.2f}."
        )
        return f"{above} The median of the others is {self.bulk:.2f} times that of even noise."


class ScalingState:
    """A map at several doses, each unscaled, scaled by Keenan and Kotula, and biwhitened.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (rows, columns, n_channels)
        Whole counts; not changed.
    shares : sequence of float, default=(1, 0.5, 0.25, 0.1)
        Shares of the counts that are kept, drawn by thinning; fewer counts, more noise.
    max_rank : int, default=6
        The highest rank to look at; turning it up makes a page larger.
    seed : int, default=0
        Of the thinning.
    callback : callable, optional
        Called with a :class:`Progress` between fits; where it returns True, the work stops.

    Attributes
    ----------
    image : SpectrumImage
        The map at its full dose.
    fits : dict of tuple to ScaledFit
        By weighting and share.
    doses : list of float
        Counts a pixel at each share, on average.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.scaling_state import ScalingState
    >>> state = ScalingState(em.datasets.load("mixture", n_components=3), shares=[1.0, 0.2])
    >>> [state.fits[weighting, 0.2].n_above for weighting in ("poisson", "biwhiten")]
    [3, 3]
    """

    def __init__(self, data, *, shares=SHARES, max_rank=6, seed=0, callback=None):
        self.image = as_spectrum_image(data.image if isinstance(data, Scene) else data)
        self.shares = _checked_shares(shares)
        check_scalar(max_rank, "max_rank", Integral, min_val=1)
        _check_shape(self.image, max_rank)
        self.max_rank, self.seed = int(max_rank), seed
        self.fits = {}
        for number, share in enumerate(self.shares):
            part = self.image if share == 1 else thin(self.image, share, seed)[0]
            for weighting in WEIGHTINGS:
                self.fits[weighting, share] = self._fit(part, weighting, share)
            report(callback, (number + 1) / len(self.shares))
        self.doses = [self.fits["none", share].dose for share in self.shares]

    def every(self, attribute):
        """Return an attribute of all fits, by weighting in the order of `NAMES`, then by share."""
        return [[getattr(fit, attribute) for fit in row] for row in self.rows()]

    def rows(self):
        """Return all fits, by weighting in the order of `NAMES`, then by share."""
        return [[self.fits[w, s] for s in self.shares] for w in NAMES]

    def _fit(self, image, weighting, share):
        pca = PCA(self.max_rank + 2, weighting=weighting, solver="gram")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoiseWarning)  # the words say so of every fit
                pca.fit(image.spectra)
        except ValueError as error:
            raise ValueError(f"shares hold {share:g}, which cannot be scaled: {error}") from error
        n_pixels = int(np.count_nonzero(pca.pixel_scale_))
        shape = n_pixels, int(np.count_nonzero(pca.channel_scale_))
        scree = pca.scree_[: min(shape)]
        scree = scree[scree > ZERO * scree[0]]
        edge = noise_edge(*shape)
        n_above = count_above(scree, edge)
        scores = pca.transform(image.spectra)
        sizes = np.sqrt((scores**2).mean(axis=0))
        return ScaledFit(
            weighting,
            float(image.spectra.sum() / image.n_pixels),
            pca,
            shape,
            scree,
            edge,
            n_above,
            float(np.median(scree[n_above:]) / noise_median(*shape)),
            {kind: self._residuals(image, pca, edge, kind) for kind in RESIDUALS},
            (sizes[:, None] * pca.components_)[: self.max_rank + 1],
        )

    def _residuals(self, image, pca, edge, kind):
        """Return what each rank leaves, as maps, in units of the noise."""
        scores, norms = pca.noise_units(image.spectra)
        unit = pca.explained_variance_[0] / pca.scree_[0]  # 1 where the noise was scaled to it
        unit = unit * (edge if kind == "leading" else 1.0)
        lefts = [_left(pca, scores, norms, rank, kind) for rank in range(1, self.max_rank + 1)]
        return np.stack([image.fold(left / unit) for left in lefts])


def _left(pca, scores, norms, rank, kind):
    if kind == "all":
        return residual_values(pca, scores, norms, rank, "all")
    left = (scores[:, rank:] ** 2).mean(axis=1)
    left[pca.pixel_scale_ == 0] = np.nan
    return left


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _checked_shares(shares):
    shares = list(shares)
    is_share = [_is_number(s) and 0 < float(s) <= 1 for s in shares]
    if not shares or not all(is_share) or len(set(shares)) < len(shares):
        raise ValueError(f"shares are {shares}; give different numbers above 0, up to 1.")
    return [float(share) for share in shares]


def _check_shape(image, max_rank):
    if len(image.navigation_shape) != 2 or image.n_pixels > MOST_PIXELS:
        raise ValueError(
            f"the map has navigation shape {image.navigation_shape}; give one of rows and columns, "
            f"of no more than {MOST_PIXELS} pixels: crop or rebin it."
        )
    least = min(image.spectra.shape)
    if max_rank + 2 > least:
        raise ValueError(
            f"max_rank={max_rank}, but {image.spectra.shape[0]} pixels and {image.n_channels} "
            f"channels have {least} components; ask for {least - 2} at most."
        )
