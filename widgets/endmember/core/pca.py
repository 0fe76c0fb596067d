"""Principal components of counts, with the noise they have to rise above."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, check_scalar

from endmember.core import eigen
from endmember.core.blocks import LazyRows, LoadedBlocks, load_blocks, row_blocks, stack_blocks
from endmember.core.checks import level_of_caller
from endmember.core.estimators import CountsEstimator, check_count
from endmember.core.moments import Moments
from endmember.core.noise import (
    FEWEST,
    NoiseWarning,
    count_above,
    describe_noise,
    noise_edge,
    noise_median,
)
from endmember.core.products import times, times_squared, weighted_gram
from endmember.core.progress import check_callback, report
from endmember.core.scaling import (
    WEIGHTINGS,
    choose_scaling,
    pixel_factors,
    scaling_of_sums,
)
from endmember.core.threads import one_blas_thread

SOLVERS = ("auto", "gram", "krylov")
SMALL = 512  # pixels or channels: all eigenvalues of so few take milliseconds
MOST_LOOKS = 20  # at a noise edge that moves with the noise that was measured
MOST_WANTED = 32  # components that Krylov iteration is meant for
ROUNDING = 1e-9  # of the variance of Poisson's noise: less is left of a model without any


def is_small(shape, n_wanted):
    """Whether all eigenvalues take no longer than the wanted ones."""
    return min(shape) <= SMALL or n_wanted > MOST_WANTED


def _takes_blocks(pca):
    """Whether pixels may come block by block; scikit-learn hides partial_fit where they may not."""
    if pca.weighting == "biwhiten":
        raise AttributeError(
            "weighting='biwhiten' balances all counts at once, so there is no partial_fit; fit a "
            "dask array, or take weighting='poisson'."
        )
    return True


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
    solver : {"auto", "gram", "krylov"}, default="auto"
        ``"gram"``: all eigenvalues, from the Gram matrix. ``"krylov"``: only the wanted ones, by
        products of the counts with a few vectors, which is many times faster for few components
        of a map of many channels; where they stand too close to the noise to be told from it, all
        are found after all. ``"auto"`` takes the first where it costs milliseconds, where
        components are not limited, and for maps that are read block by block.
    tol : float, default=0.01
        Angle in degrees that Krylov iteration may leave to the exact components; turning it down
        takes more rounds.
    random_state : int or numpy.random.RandomState, default=0
        Where Krylov iteration begins.
    callback : callable, optional
        Called with a :class:`Progress` between blocks and rounds. Where it returns True, the fit
        stops with an error: half a Gram matrix is of no use.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra, strongest first. In the scaled channels they are orthonormal; the largest
        element of each there is positive. Channels without counts hold zero.
    explained_variance_ : ndarray of shape (n_components,)
        Leading eigenvalues of ``Y.T @ Y / n_pixels``.
    scree_ : ndarray of shape (min(n_pixels, n_channels),) or (n_components,)
        All eigenvalues, or by Krylov iteration the leading ones, in units of the expected Poisson
        noise variance; pixels and channels that take no part are not counted.
    noise_edge_ : float
        Where the scree of pure noise ends (Marchenko-Pastur). NaN without weighting: the noise
        is not flat, and no such edge holds.
    n_above_edge_ : int or None
        Eigenvalues of `scree_` more than 1 % above the edge; None without weighting.
    noise_variance_ : float
        Of the noise as measured, over that expected: the median of the eigenvalues below the edge
        over Marchenko and Pastur's, or by Krylov iteration their mean. NaN without weighting, and
        where they are too few.
    noise_correlation_ : float
        Between neighbouring channels of what the components above the edge leave, on average.
    pixel_scale_, channel_scale_ : ndarray of shape (n_pixels,) and (n_channels,)
        The scaling; zero where a pixel or channel takes no part.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    Warns
    -----
    NoiseWarning
        Where `noise_variance_` is outside 0.9 to 1.1, or channels are correlated: the edge does
        not hold then.

    See Also
    --------
    RankSelector : the same numbers, with a handle to choose the rank.

    Notes
    -----
    A CSR map is never unpacked. A dask map is read block by block, once in a fit; for
    ``"biwhiten"``, which sweeps over the counts hundreds of times, it is loaded and has to fit in
    memory: blocks with fewer than a third of their entries filled as CSR, others in their own
    dtype. Eigenvalues come from the Gram matrix in float64, so those below 1e-15 of the first are
    rounding. Krylov iteration [3]_ ends when a bound of the angle to the exact components is
    below `tol`.

    References
    ----------
    .. [1] Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    .. [2] Landa, Zhang and Kluger, SIAM J. Math. Data Sci. 4 (2022) 1420,
       doi:10.1137/21M1456807.
    .. [3] C. Musco and C. Musco, Adv. Neural Inf. Process. Syst. 28 (2015) 1396,
       doi:10.48550/arXiv.1504.05477.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("diamond_anvil_71gpa")
    >>> pca = em.PCA(5).fit(image.spectra)
    >>> pca.n_above_edge_
    4
    >>> maps = image.fold(pca.transform(image.spectra))
    """

    def __init__(
        self,
        n_components=None,
        *,
        weighting="poisson",
        gain=1,
        min_counts=20,
        solver="auto",
        tol=0.01,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.weighting = weighting
        self.gain = gain
        self.min_counts = min_counts
        self.solver = solver
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X, y=None):
        """Find the components of counts X, and return their scores, (n_pixels, n_components)."""
        return self._transform(self._fit_checked(X))

    @available_if(_takes_blocks)
    def partial_fit(self, X, y=None):
        """Take in more pixels, and find the components of all so far.

        The result is that of one fit to all of them. Components are there as soon as there are
        pixels enough.

        Parameters
        ----------
        X : array of shape (n_pixels, n_channels)
            Counts of the next pixels.
        y : None
            Ignored.
        """
        self._check_settings()
        is_first = not hasattr(self, "_moments")
        spectra = self._check_spectra(X, reset=is_first)
        if is_first:
            self._warn_of_scaling(spectra)
            self._moments = Moments(spectra.shape[1], self._pixel_factors)
        for block in row_blocks(spectra):
            self._moments.add(block, is_hashed=True)
        if self._moments.shape[0] >= max(2, self.n_components or 0):
            self._check_shape(self._moments.shape)
            self._keep(*self._from_moments(self._moments))
            self.record_ = replace(self._record(self._moments), form={}, method="partial_fit")
        return self

    def _fit(self, spectra):
        self.__dict__.pop("_moments", None)  # a fit forgets the blocks before it
        n_pixels, n_channels = spectra.shape
        if isinstance(spectra, LazyRows) and self.weighting == "biwhiten":
            spectra = load_blocks(spectra)  # swept over hundreds of times
        if isinstance(spectra, LazyRows | LoadedBlocks) and n_pixels < n_channels:
            spectra = stack_blocks(spectra)
        # Balancing takes longest: it is done once, whether Krylov iteration settles or not.
        balanced = self._choose_scaling(spectra) if self.weighting == "biwhiten" else None
        self._keep(*(self._by_krylov(spectra, balanced) or self._by_matrix(spectra, balanced)))

    def _by_krylov(self, spectra, balanced):
        """Return the leading components and the scaling, or None where all are to be found."""
        n_wanted = self._n_wanted(spectra.shape)
        is_lazy = isinstance(spectra, LazyRows | LoadedBlocks)
        takes_all = self.solver == "auto" and is_small(spectra.shape, n_wanted)
        if is_lazy or self.solver == "gram" or takes_all:
            return None
        scaling = balanced or self._choose_scaling(spectra)
        with one_blas_thread():
            found = eigen.by_krylov(
                spectra,
                scaling,
                n_wanted,
                tol=np.radians(self.tol),
                rng=check_random_state(self.random_state),
                report=self._report,
            )
        return None if found is None else (found, scaling)

    def _by_matrix(self, spectra, balanced):
        """Return all components and the scaling."""
        n_pixels, n_channels = spectra.shape
        n_wanted = self._n_wanted(spectra.shape)
        if n_pixels < n_channels:
            scaling = balanced or self._choose_scaling(spectra)
            return eigen.by_pixels(spectra, scaling, n_wanted), scaling
        if balanced:
            gram = weighted_gram(spectra, balanced.pixels**2)
            return eigen.by_gram(gram, balanced, n_wanted), balanced
        moments = Moments(n_channels, self._pixel_factors)
        for block in row_blocks(spectra):
            moments.add(block)
            self._report(moments.shape[0] / n_pixels)
        return self._from_moments(moments)

    def _from_moments(self, moments):
        sums = moments.pixel_sums, moments.channel_sums
        scaling = scaling_of_sums(*sums, self.weighting, gain=self.gain)
        return eigen.by_gram(moments.gram, scaling, self._n_wanted(moments.shape)), scaling

    def _choose_scaling(self, spectra):
        return choose_scaling(spectra, self.weighting, gain=self.gain, min_counts=self.min_counts)

    def _pixel_factors(self, pixel_sums):
        return pixel_factors(pixel_sums, self.weighting, gain=self.gain)

    def _report(self, fraction):
        report(self.callback, fraction)

    def _keep(self, found, scaling):
        n_wanted = self._n_wanted((scaling.pixels.size, scaling.channels.size))
        values = found.values if found.is_whole else found.values[:n_wanted]
        self._axes = _fix_signs(found.axes[:n_wanted])
        self.pixel_scale_, self.channel_scale_ = scaling.pixels, scaling.channels
        self.explained_variance_ = np.zeros(n_wanted)  # zero past the pixels that take part
        self.explained_variance_[: values.size] = values[:n_wanted]
        self.scree_ = values / scaling.noise
        self.components_ = self._axes / np.where(scaling.channels > 0, scaling.channels, 1.0)
        self._measure_noise(found, scaling)

    def _measure_noise(self, found, scaling):
        self.noise_edge_ = noise_edge(*scaling.shape)
        self.n_above_edge_ = count_above(self.scree_, self.noise_edge_)
        self.noise_variance_, n_above = _bulk(found, scaling)
        self.noise_correlation_ = _correlation(found, n_above)
        if np.isnan([self.noise_variance_, self.noise_correlation_]).any():
            self.noise_variance_ = self.noise_correlation_ = float("nan")
        if self.weighting == "none":
            self.noise_edge_, self.n_above_edge_ = float("nan"), None
            self.noise_variance_ = self.noise_correlation_ = float("nan")

    def _warn_of_noise(self):
        text = describe_noise(self.noise_variance_, self.noise_correlation_, self.weighting)
        if text:
            warnings.warn(text, NoiseWarning, stacklevel=level_of_caller())

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
            check_count(self.n_components)
        check_scalar(self.gain, "gain", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.min_counts, "min_counts", Real, min_val=0)
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {self.weighting!r}; choose one of {WEIGHTINGS}.")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver is {self.solver!r}; choose one of {SOLVERS}.")
        check_scalar(self.tol, "tol", Real, min_val=0)
        if not np.isfinite([self.gain, self.min_counts, self.tol]).all():
            raise ValueError(
                f"gain={self.gain}, min_counts={self.min_counts} and tol={self.tol} must be finite "
                "numbers."
            )
        check_callback(self.callback)

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


def _bulk(found, scaling):
    """Return the variance of the noise over that expected, and how many components rise above it.

    Noise of larger variance has a higher edge, so both are found together. What has no bulk, as
    after a blur, has ever more of its values above the edge of the rest: the last look before most
    of them are is taken then.
    """
    edge, variance, n_above = noise_edge(*scaling.shape), 1.0, None
    for _ in range(MOST_LOOKS):
        before, n_above = n_above, count_above(found.values / scaling.noise, edge * variance)
        if before is not None and n_above > max(before, min(scaling.shape) // 2):
            return variance, before
        variance = _bulk_variance(found, scaling, n_above)
        if n_above == before or np.isnan(variance):
            break
    return variance, n_above


def _bulk_variance(found, scaling, n_above):
    """Return the variance of what so many components leave, over that expected of noise."""
    n_pixels, n_channels = scaling.shape
    if min(n_pixels, n_channels) - n_above < FEWEST:
        return float("nan")
    if found.is_whole:
        return float(np.median(found.values[n_above:]) / noise_median(n_pixels, n_channels))
    rest = found.diagonals[0].sum() - found.values[:n_above].sum()
    return float(rest / (n_channels - n_above))


def _correlation(found, n_above):
    """Return the correlation of neighbouring channels that the components above the edge leave.

    NaN where they leave nothing but rounding, as of a model without noise.
    """
    values, axes = found.values[:n_above], found.axes[:n_above]
    values = values[: len(axes)]
    squares = (found.diagonals[0] - values @ axes**2).clip(min=0.0)
    beside = found.diagonals[1, :-1] - values @ (axes[:, :-1] * axes[:, 1:])
    pairs = (squares[:-1] > 0) & (squares[1:] > 0)
    expected = np.sqrt(squares[:-1] * squares[1:])[pairs].sum()
    if expected <= ROUNDING * squares.size:
        return float("nan")
    return float(beside[pairs].sum() / expected)


def _fix_signs(axes):
    """Make the largest element of every axis positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -1.0, 1.0) * axes
