"""Principal components of counts, with the noise they have to rise above."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from scipy import linalg
from sklearn.utils.validation import check_is_fitted, check_scalar
from threadpoolctl import threadpool_limits

from endmember.core.blocks import LazyRows, LoadedBlocks, load_blocks, stack_blocks
from endmember.core.checks import canonical_csr
from endmember.core.estimators import CountsEstimator
from endmember.core.noise import count_above, noise_edge
from endmember.core.products import times, times_squared, weighted_gram
from endmember.core.scaling import WEIGHTINGS, choose_scaling


class PCA(CountsEstimator):
    """Principal components of counts, uncentred and weighted by their Poisson noise.

    The counts X are scaled to ``Y = diag(pixel_scale_) @ X @ diag(channel_scale_)``, in which
    noise has variance 1, and Y is decomposed. Results are in counts again:
    ``transform(X) @ components_`` is the denoised map. The mean is not subtracted, so the rank
    counts it: noise about one mean spectrum has rank 1.

    Parameters
    ----------
    n_components : int, optional
        Components to keep; turning it up keeps weaker ones, and more noise. By default all.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        ``"poisson"``: Keenan and Kotula's square roots of the mean spectrum and mean image [1]_,
        which make the noise flat where the map is nearly one mean spectrum. ``"biwhiten"``:
        Sinkhorn scaling [2]_, which does so for maps of high contrast too. ``"none"``: X itself.
    gain : float, default=1
        Detector signal for one quantum; the noise variance is `gain` times the signal. Turning
        it up raises the noise that components are measured by.
    min_counts : float, default=20
        Quanta that a channel must hold to take part in biwhitening; turning it up leaves more
        of them out. Channels that fill too few pixels to be balanced are left out in any case,
        and so are pixels that then hold nothing, such as a rare phase with lines of its own.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra, strongest first. In the scaled channels they are orthonormal; the largest
        element of each there is positive. Channels without counts hold zero.
    explained_variance_ : ndarray of shape (n_components,)
        Leading eigenvalues of ``Y.T @ Y / n_pixels``.
    scree_ : ndarray of shape (min(n_pixels, n_channels),)
        All of them, in units of the expected Poisson noise variance; pixels and channels that
        take no part are not counted.
    noise_edge_ : float
        Where the scree of pure noise ends (Marchenko-Pastur). NaN without weighting: the noise
        is not flat, and no such edge holds.
    n_above_edge_ : int or None
        Components more than 1 % above the edge; None without weighting.
    pixel_scale_, channel_scale_ : ndarray of shape (n_pixels,) and (n_channels,)
        The scaling; zero where a pixel or channel takes no part.
    n_features_in_ : int
        Number of channels.

    See Also
    --------
    RankSelector : the same numbers, with a handle to choose the rank.

    Notes
    -----
    A CSR map is never unpacked. A dask map is read block by block, twice in a fit; for
    ``"biwhiten"``, which sweeps over the counts hundreds of times, it is loaded once and has to
    fit in memory: blocks with fewer than a third of their entries filled as CSR, others in their
    own dtype. Eigenvalues come from the Gram matrix in float64, so those below 1e-15 of the first
    are rounding.

    References
    ----------
    .. [1] Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    .. [2] Landa, Zhang and Kluger, SIAM J. Math. Data Sci. 4 (2022) 1420,
       doi:10.1137/21M1456807.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("diamond_anvil_71gpa")
    >>> pca = em.PCA(5).fit(image.spectra)
    >>> pca.n_above_edge_
    4
    >>> maps = image.fold(pca.transform(image.spectra))
    """

    def __init__(self, n_components=None, *, weighting="poisson", gain=1, min_counts=20):
        self.n_components = n_components
        self.weighting = weighting
        self.gain = gain
        self.min_counts = min_counts

    def _fit(self, spectra):
        if isinstance(spectra, LazyRows) and self.weighting == "biwhiten":
            spectra = load_blocks(spectra)  # swept over hundreds of times
        scaling = choose_scaling(
            spectra, self.weighting, gain=self.gain, min_counts=self.min_counts
        )
        n_pixels, n_channels = scaling.shape
        scree, axes = _eigen(spectra, scaling, self._n_wanted(spectra.shape))
        self.pixel_scale_, self.channel_scale_ = scaling.pixels, scaling.channels
        self.explained_variance_ = np.zeros(len(axes))  # zero past the pixels that take part
        self.explained_variance_[: scree.size] = scree[: len(axes)]
        self.scree_ = scree / scaling.noise
        self.noise_edge_ = noise_edge(n_pixels, n_channels)
        self.n_above_edge_ = count_above(self.scree_, self.noise_edge_)
        if self.weighting == "none":
            self.noise_edge_, self.n_above_edge_ = float("nan"), None
        self._axes = axes
        self.components_ = axes / np.where(scaling.channels > 0, scaling.channels, 1.0)

    def _transform(self, spectra):
        return times(spectra, (self.channel_scale_ * self._axes).T)

    def noise_units(self, X):
        """Return scores and squared norms of the scaled counts Y, where noise has variance 1.

        Parameters
        ----------
        X : array of shape (n_pixels, n_channels)
            The counts that were fitted.

        Returns
        -------
        scores : ndarray of shape (n_pixels, n_components)
            Rows of Y along the components.
        norms : ndarray of shape (n_pixels,)
            Squared length of every row: ``norms - (scores[:, :k]**2).sum(axis=1)`` is what rank
            `k` leaves, about one for each channel where it leaves noise alone.
        """
        check_is_fitted(self)
        spectra = self._check_spectra(X, reset=False)
        if spectra.shape[0] != self.pixel_scale_.size:
            raise ValueError(
                f"X has {spectra.shape[0]} pixels but {self.pixel_scale_.size} were fitted; pass "
                "the same counts."
            )
        scores = times(spectra, (self.channel_scale_ * self._axes).T)
        norms = times_squared(spectra, self.channel_scale_**2)
        return scores * self.pixel_scale_[:, None], norms * self.pixel_scale_**2

    def _check_settings(self):
        if self.n_components is not None:
            check_scalar(self.n_components, "n_components", Integral, min_val=1)
        check_scalar(self.gain, "gain", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.min_counts, "min_counts", Real, min_val=0)
        if not np.isfinite([self.gain, self.min_counts]).all():
            raise ValueError(
                f"gain={self.gain} and min_counts={self.min_counts} must be finite numbers."
            )
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {self.weighting!r}; choose one of {WEIGHTINGS}.")

    def _check_shape(self, shape):
        n_pixels, n_channels = shape
        if n_pixels < 2 or n_channels < 2:
            raise ValueError(
                f"X has n_samples={n_pixels} pixels and n_features={n_channels} channels; "
                "components need at least two of each."
            )
        super()._check_shape(shape)

    def _n_wanted(self, shape):
        return min(shape) if self.n_components is None else int(self.n_components)


def _eigen(spectra, scaling, n_components):
    """Return all eigenvalues of ``Y.T @ Y / n_pixels`` and the leading unit eigenvectors."""
    n_pixels, n_channels = scaling.shape
    if n_pixels < n_channels:
        return _eigen_by_pixels(spectra, scaling, n_components)
    kept = np.flatnonzero(scaling.channels)
    gram = weighted_gram(spectra, scaling.pixels**2)
    values, vectors = _symmetric_eigen(gram, kept, scaling.channels, n_pixels, n_components)
    axes = np.zeros((n_components, spectra.shape[1]))
    axes[: vectors.shape[1], kept] = vectors.T
    return values, _fix_signs(axes)


def _eigen_by_pixels(spectra, scaling, n_components):
    """Do the same through ``Y @ Y.T``, the smaller matrix where channels outnumber pixels."""
    if isinstance(spectra, LazyRows | LoadedBlocks):  # few pixels: small enough to stack
        spectra = stack_blocks(spectra)
    n_pixels = scaling.shape[0]
    kept = np.flatnonzero(scaling.pixels)
    turned = canonical_csr(spectra.T) if sp.issparse(spectra) else np.ascontiguousarray(spectra.T)
    gram = weighted_gram(turned, scaling.channels**2)
    values, vectors = _symmetric_eigen(gram, kept, scaling.pixels, n_pixels, n_components)
    axes = np.zeros((n_components, spectra.shape[1]))
    projected = times(turned, scaling.pixels[:, None] * _spread(vectors, kept, spectra.shape[0]))
    projected = (projected * scaling.channels[:, None]).T
    lengths = linalg.norm(projected, axis=1)
    real = lengths > 1e-7 * lengths[0]  # a length is the root of an eigenvalue, exact to 1e-15
    axes[: len(projected)][real] = projected[real] / lengths[real, None]
    return values, _fix_signs(axes)


def _symmetric_eigen(gram, kept, scale, n_pixels, n_components):
    """All eigenvalues and the leading eigenvectors of the scaled Gram matrix, falling."""
    matrix = gram[np.ix_(kept, kept)]
    matrix *= scale[kept, None] / n_pixels
    matrix *= scale[kept]
    size = len(kept)
    top = (max(0, size - n_components), size - 1)
    # Two BLAS threads gain a third here, but wait for each other on a busy machine: 25 s, not 0.3.
    with threadpool_limits(1, user_api="blas"):
        values = linalg.eigvalsh(matrix)[::-1].clip(min=0.0)
        vectors = linalg.eigh(matrix, subset_by_index=top)[1][:, ::-1]
    return values, vectors


def _spread(vectors, kept, n_rows):
    full = np.zeros((n_rows, vectors.shape[1]))
    full[kept] = vectors
    return full


def _fix_signs(axes):
    """Make the largest element of every axis positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -1.0, 1.0) * axes
