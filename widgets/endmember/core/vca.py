"""Endmembers as the pixels that stand out farthest, one direction after the other."""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy import linalg
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.products import times_squared
from endmember.core.progress import is_stopped_by
from endmember.core.simplex import SimplexEstimator, flatten

SNR_OF_ONE = 15.0  # dB: where the better projection changes, for one component [1]
LEAST_HEIGHT = 1e-6  # of a mean pixel: what is lower has no direction
ROUNDING = 1e-9  # of the mean square: what is left out of the components of data without noise


class VCA(SimplexEstimator):
    """Take for endmembers the pixels that stand out farthest, one direction after the other.

    Vertex component analysis [1]_: every next direction is random but for being orthogonal to the
    endmembers found before, and the pixel that lies farthest along it is the next endmember. A
    pass costs one product a component; its answer depends on the directions, so that the largest
    simplex of several seeds is kept.

    Parameters
    ----------
    n_components : int, default=3
        How many endmembers; turning it up asks for corners that noise may have to provide.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        Scaling of the channels before the spectra are projected; see :class:`PCA`.
    normalise : bool, default=False
        Whether each spectrum is divided by its sum before the corners are looked for. Counts grow
        with thickness, so that thick pixels lie farther out and are taken for purer; spectra of
        the same sum fill a simplex again, whose corners are pure. For maps of uneven thickness
        and low ratio of signal to noise: above 15 dB the projection undoes thickness by itself.
        Pixels of few counts are noisy then, and may be taken for corners: hide vacuum.
    snr : float, optional
        Ratio of signal to noise in dB; turning it above 15 dB, and 10 dB more for every tenfold
        number of components, projects along the mean spectrum in place of across it. By default
        measured.
    n_restarts : int, default=10
        Seeds beside the first; turning it up finds larger volumes, and shows in `restarts_` how
        far the answer depends on the seed.
    random_state : int or numpy.random.RandomState, default=0
        Where the directions come from.
    callback : callable, optional
        Called with a :class:`Progress` after every seed, whose objective is the largest volume so
        far; where it returns True, the best so far is kept.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra of the chosen pixels in counts, projected on as many principal components, which
        takes most of their noise away; what falls below zero there is zero. With ``normalise``
        each has as many counts as a mean pixel of X. The one with most counts in X first.
    pixels_ : ndarray of int, shape (n_components,)
        Rows of X that were chosen.
    volume_history_ : ndarray of shape (n_restarts + 1,)
        Largest volume of the seeds so far, in units of its last one; it never falls.
    restarts_ : ndarray of shape (n_restarts + 1,)
        Volume of every seed that was tried, in units of the largest.
    snr_ : float
        Ratio of signal to noise in dB, infinite where nothing is left out of the components.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    See Also
    --------
    NFINDR : exchanges corners until the volume is largest.
    MinimumVolume : for maps without pure pixels.

    Notes
    -----
    Pixels without counts take no part. ``transform`` finds abundances that are not negative, by
    least squares, and does not make them sum to 1: their sum is the thickness of a pixel, in
    units of the endmembers.

    References
    ----------
    .. [1] J. M. P. Nascimento and J. M. Bioucas-Dias, IEEE Trans. Geosci. Remote Sensing 43 (2005)
       898, doi:10.1109/TGRS.2005.844293.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", dose=5000)
    >>> vca = em.VCA(3).fit(scene.image.spectra)
    >>> bool(scene.score(vca))
    True
    """

    def __init__(
        self,
        n_components=3,
        *,
        weighting="poisson",
        normalise=False,
        snr=None,
        n_restarts=10,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.weighting = weighting
        self.normalise = normalise
        self.snr = snr
        self.n_restarts = n_restarts
        self.random_state = random_state
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        if self.snr is not None:
            check_scalar(self.snr, "snr", Real)
            if np.isnan(self.snr):
                raise ValueError("snr is NaN; pass a number of dB, or None to have it measured.")

    def _look(self, spectra, sums):
        scores, taken = self._project(spectra, sums)
        self.snr_ = self._measure_snr(spectra, scores) if self.snr is None else float(self.snr)
        outlines, taken = self._level(scores, taken, sums)
        points = flatten(outlines, self.n_components).points
        seeds = list(self._seeds(points, check_random_state(self.random_state)))
        volumes = np.array([volume for _, volume in seeds])
        pixels = taken[seeds[volumes.argmax()][0]]
        self.pixels_ = pixels[self._keep(scores[pixels], scores, sums)]
        self.restarts_ = volumes / volumes.max()
        self.volume_history_ = np.maximum.accumulate(self.restarts_)

    def _measure_snr(self, spectra, scores):
        """Return the ratio of signal to noise in dB, of the channels as they are scaled.

        What the components leave out is noise, and so is as much in each of theirs.
        """
        channels = self._pca.channel_scale_
        n_used = np.count_nonzero(channels)
        whole = times_squared(spectra, channels**2).sum()
        held = (scores**2).sum()
        if n_used == self.n_components or whole - held <= ROUNDING * whole:
            return float("inf")
        noise = (whole - held) * n_used / (n_used - self.n_components)
        signal = whole - noise
        return float(10 * np.log10(signal / noise)) if signal > 0 else float("-inf")

    def _level(self, scores, taken, sums):
        """Return what the corners are looked for in, and which pixels these are.

        Where there is little noise, all are brought to the same height along the mean spectrum;
        where there is much, that would blow up the noise of the lowest [1].
        """
        outlines = scores[taken] / sums[taken, None]
        if self.snr_ <= SNR_OF_ONE + 10 * np.log10(self.n_components):
            return outlines, taken
        mean = outlines.mean(axis=0)
        heights = outlines @ mean / (mean @ mean)
        is_high = heights > LEAST_HEIGHT
        return outlines[is_high] / heights[is_high, None], taken[is_high]

    def _seeds(self, points, rng):
        """Yield the pixels and the volume of every seed."""
        distances = np.einsum("pk,pk->p", points[:, 1:], points[:, 1:])
        lifted = points.copy(order="F")
        lifted[:, 0] = np.sqrt(distances.max()) or 1.0  # as high as the farthest lies out [1]
        n_seeds, largest = 1 + self.n_restarts, 0.0
        for i in range(n_seeds):
            pixels = stand_out(lifted, rng)
            volume = abs(linalg.det(points[pixels]))
            yield pixels, volume
            largest = max(largest, volume)
            if is_stopped_by(self.callback, (i + 1) / n_seeds, largest):
                return


def stand_out(points, rng):
    """Return the points that lie farthest along random directions, each orthogonal to the others.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        A constant, and coordinates.
    rng : numpy.random.RandomState
        Where the directions come from.
    """
    n_components = points.shape[1]
    found = np.zeros(n_components, dtype=int)
    known = np.eye(n_components)[:, :1]  # the first direction lies within the flat
    for k in range(n_components):
        across = linalg.qr(known)[0][:, known.shape[1] :]
        direction = across @ rng.standard_normal(across.shape[1])
        found[k] = np.abs(points @ direction).argmax()
        known = points[found[: k + 1]].T
    return found
