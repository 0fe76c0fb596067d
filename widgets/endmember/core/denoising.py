"""What a rank loses of a map, judged by counts that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from endmember.core.checks import check_dtype, check_values
from endmember.core.cross_validation import quantum_of
from endmember.core.estimators import CountsEstimator
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import check_window
from endmember.core.metrics import dense_rows
from endmember.core.pca import PCA
from endmember.core.products import marginals, times
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin

FEWEST_VALUES = 3  # that have a common divisor before it is taken for a gain


@dataclass(frozen=True, eq=False, repr=False)
class DenoisingBias:
    """What denoising leaves out or makes up; :func:`denoising_bias` makes it.

    Attributes
    ----------
    bias, stderr : ndarray of the navigation shape
        Denoised less true counts per pixel in the window, and its standard error: negative where
        signal is lost. Hidden pixels hold NaN.
    squared_error, squared_stderr : ndarray of the navigation shape
        Squared error of the denoised spectrum, in units of the variance that the counts have, on
        average over the channels of the window, and its standard error: dimensionless. Below 1
        where a denoised spectrum is nearer to the truth than the counts are; what noise adds to
        the estimate is taken away, so that it scatters about 0 where nothing is wrong.
    rank : int
        Components that were kept.
    dose : float
        Counts per pixel that the components were found in, `fraction` of all.
    image : SpectrumImage
        What was looked at.
    record : Record
        What made it: counts, settings, versions.
    """

    bias: np.ndarray
    stderr: np.ndarray
    squared_error: np.ndarray
    squared_stderr: np.ndarray
    rank: int
    dose: float
    image: SpectrumImage
    record: Record

    def total(self, region=None):
        """Return the bias summed over pixels, and its standard error, in counts.

        Parameters
        ----------
        region : str or array_like of bool, optional
            A name from ``image.regions``, or a selection of shape `navigation_shape`; by default
            all. Choose it by something else than this bias: where it happens to be largest, it
            is too large.

        Returns
        -------
        bias, stderr : float
        """
        chosen = np.isfinite(self.bias)
        if region is not None:
            chosen = chosen & _as_region(region, self.image)
        if not chosen.any():
            raise ValueError("region holds no visible pixel; choose another one.")
        return float(self.bias[chosen].sum()), float(np.sqrt((self.stderr[chosen] ** 2).sum()))

    def __repr__(self):
        bias, stderr = self.bias[np.isfinite(self.bias)], self.stderr[np.isfinite(self.stderr)]
        ratio = np.divide(bias, stderr, out=np.zeros_like(bias), where=stderr > 0)
        return (
            f"<DenoisingBias of rank {self.rank} in {bias.size} pixels, from {ratio.min():+.1f} to "
            f"{ratio.max():+.1f} standard errors>"
        )


def denoising_bias(
    image,
    rank,
    *,
    estimator=None,
    window=None,
    fraction=0.5,
    seed=0,
    n_splits=4,
    callback=None,
):
    """Return what denoising with a rank does to the signal, pixel by pixel.

    The counts are thinned into two recordings that are independent where counts are Poisson. One
    is denoised, the other one tells what it should have been: their difference is noise where
    denoising does no harm, whatever that has made of its own half.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Whole counts; hidden pixels and channels take no part.
    rank : int
        Components to keep; turning it up loses less signal and leaves more noise.
    estimator : PCA, NMF or another of this package, optional
        One that denoises, fitted or not; it is copied, and its ``n_components`` set to `rank`. By
        default :class:`PCA`.
    window : tuple, list of tuples or array_like of bool, shape (n_channels,), optional
        Channels to judge by: one ``(low, high)`` or several in the unit of the image's axis, both
        included, or True for every channel that counts. By default all. All channels take part in
        the denoising in any case.
    fraction : float, default=0.5
        Share of the counts that are denoised; turning it up comes closer to what the whole
        recording would lose, and leaves less to judge by. What is lost at a fraction of the dose
        is lost less at all of it.
    seed : int, default=0
        The same seed gives the same splits.
    n_splits : int, default=4
        Times that the counts are split anew; turning it up takes away the chance of splitting, not
        that of the counts, and takes longer.
    callback : callable, optional
        Called with a :class:`Progress` after every split; where it returns True, the work stops
        with an error.

    Returns
    -------
    DenoisingBias
        Maps ``bias`` and ``squared_error`` with their standard errors, and ``total(region)``.

    Raises
    ------
    ValueError
        Where something is not what it should be: counts that are no whole numbers, NaN, negative
        counts, a rank of as many components as channels, a window beside the axis.

    Notes
    -----
    Each split estimates the bias without one of its own [1]_. Standard errors are those of Poisson
    counts, the larger of what was counted and what was modelled, through the projection on the
    components that were found: noise that turns components themselves is not in them. Splits share
    counts, so that more of them do not take away the noise of the recording.

    References
    ----------
    .. [1] A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("mixture", seed=1).image
    >>> one, three = em.denoising_bias(image, 1), em.denoising_bias(image, 3)
    >>> bool(one.squared_error.mean() > 1 > three.squared_error.mean())
    True
    """
    image = as_spectrum_image(image)
    estimator = _as_denoiser(estimator, rank, image)
    inside = _as_inside(window, image)
    _check_splits(fraction, n_splits)
    seeds = np.random.SeedSequence(as_seed(seed)).generate_state(n_splits).tolist()
    check_callback(callback)
    image = image.to_sparse() if image.is_lazy else image
    spectra = image.spectra
    _check_whole(spectra)
    sums = np.zeros((4, image.n_pixels))
    for i, own_seed in enumerate(seeds):
        kept, left = thin(spectra, fraction, seed=own_seed)
        split = _Split(kept, left, fraction, n_splits)
        sums += split.judge(clone(estimator), inside, spectra)
        report(callback, (i + 1) / n_splits)
    settings = {"rank": rank, "estimator": estimator, "window": window, "fraction": fraction}
    settings |= {"seed": seed, "n_splits": n_splits}
    bias, variance, squares, square_variance = (image.fold(row) for row in sums / n_splits)
    return DenoisingBias(
        bias=bias,
        stderr=np.sqrt(variance),
        squared_error=squares,
        squared_stderr=np.sqrt(square_variance),
        rank=int(rank),
        dose=float(fraction * marginals(spectra)[0].mean()),
        image=image,
        record=record_of("denoising_bias", settings, spectra),
    )


@dataclass(frozen=True)
class _Split:
    """One recording split in two.

    Parameters
    ----------
    kept, left : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts that are denoised, and those that judge.
    fraction : float
        Share of the counts that were kept.
    n_splits : int
        Splits that this one is averaged with.
    """

    kept: Any
    left: Any
    fraction: float
    n_splits: int

    def judge(self, estimator, inside, spectra):
        """Return bias and its variance, squared error and its variance, for every pixel."""
        scores = estimator.fit_transform(self.kept) / self.fraction
        components = estimator.components_
        pixels, channels = marginals(self.kept)
        mean = channels / channels.sum()
        spread = self._spread_of_bias(components, mean, inside)
        expected = np.maximum(times(spectra, spread), scores @ (components @ spread))
        found = []
        for rows, counts in dense_rows(self.left):
            model = scores[rows] @ components[:, inside]
            variance = np.maximum(pixels[rows], 1)[:, None] * mean[inside] / self.fraction
            found.append(self._errors(model, counts[:, inside] / (1 - self.fraction), variance))
        bias, squares, square_variance = np.concatenate(found, axis=1)
        return np.stack([bias, expected, squares, square_variance])

    def _spread_of_bias(self, components, mean, inside):
        """Return what one count of every channel adds to the variance of the bias.

        All splits share the counts, each adds the chance of its own. The model follows the counts
        as a projection on its components does, in channels where noise is flat.
        """
        root, odds = np.sqrt(mean), self.fraction / (1 - self.fraction)
        flat = np.divide(components, root, out=np.zeros_like(components), where=root > 0)
        follows = np.linalg.pinv(flat) @ (components @ inside)
        follows = np.divide(follows, root, out=np.zeros_like(root), where=root > 0)
        return (follows - inside) ** 2 + (follows + odds * inside) ** 2 / (odds * self.n_splits)

    def _errors(self, model, truth, variance):
        """Return bias, squared error over the variance of the counts, and the variance of that.

        Of Poisson counts x with mean m, ``(x - m)**2 - x`` has variance ``2 * m**2`` and is not
        correlated with x. Two splits have a share of 1 / `gain` of what judges in common.
        """
        gain, is_seen = 1 / (1 - self.fraction), variance > 0
        linear, square = (1 + (gain**power - 1) / self.n_splits for power in (1, 2))
        weights = np.divide(1, variance, out=np.zeros_like(variance), where=is_seen)
        n_seen = np.maximum(is_seen.sum(axis=1), 1)
        squares = (((model - truth) ** 2 - gain * truth) * weights).sum(axis=1) / n_seen
        spread = (np.maximum(model * weights, is_seen) ** 2).sum(axis=1) / n_seen**2
        of_squares = spread * (2 * square + 4 * linear * np.maximum(squares, 0))
        return np.stack([(model - truth).sum(axis=1), squares, of_squares])


def _as_denoiser(estimator, rank, image):
    """Return an estimator of so many components that is not fitted."""
    most = min(image.n_pixels, image.n_channels)
    is_whole = isinstance(rank, Integral) and not isinstance(rank, bool)
    if not is_whole or not 1 <= int(rank) < most:
        raise ValueError(
            f"rank is {rank!r}; pass a whole number from 1 up, below {most}, the smaller of "
            f"{image.n_pixels} pixels and {image.n_channels} channels: as many keep all noise."
        )
    if estimator is None:
        return PCA(int(rank))
    if not isinstance(estimator, CountsEstimator):
        raise TypeError(
            f"estimator is {estimator!r}; pass one of this package with its settings, such as "
            "em.NMF()."
        )
    return clone(estimator).set_params(n_components=int(rank))


def _as_inside(window, image):
    """Return which visible channels belong to a window."""
    if window is None:
        return np.ones(image.n_channels, dtype=bool)
    parts = list(window) if np.iterable(window) else [window]
    if parts and all(isinstance(part, bool | np.bool_) for part in parts):
        if len(parts) != image.n_channels:
            raise ValueError(
                f"window is bool of length {len(parts)}; expected {image.n_channels}, True for "
                "every channel that counts."
            )
        inside = np.array(parts)
    else:
        inside = np.zeros(image.n_channels, dtype=bool)
        for pair in [window] if any(isinstance(part, Real | str) for part in parts) else parts:
            low, high = check_window(pair)
            image.signal_axis.window(low, high)  # says where the axis runs if it lies beside it
            inside |= (image.axis >= low) & (image.axis <= high)
    if not inside.any():
        raise ValueError("window holds no visible channel; choose one that does, or leave it out.")
    return inside


def _check_splits(fraction, n_splits):
    is_number = isinstance(fraction, Real) and not isinstance(fraction, bool)
    if not is_number or not 0 < float(fraction) < 1:
        raise ValueError(f"fraction is {fraction!r}; choose a number between 0 and 1.")
    is_whole = isinstance(n_splits, Integral) and not isinstance(n_splits, bool)
    if not is_whole or int(n_splits) < 1:
        raise ValueError(f"n_splits is {n_splits!r}; pass a whole number from 1 up.")


def _check_whole(spectra):
    """Refuse what cannot be thinned, and say by which gain it can be divided."""
    values = spectra.data if sp.issparse(spectra) else spectra
    check_dtype(values.dtype)
    check_values(values)
    gain = _gain_of(values)
    if gain == 1:
        return
    problem = "not whole numbers" if np.any(values % 1) else f"all whole multiples of {gain:g}"
    cure = (
        "Pass what the detector counted, before any scaling or background subtraction."
        if gain is None
        else f"With a gain of {gain:.6g} they are: pass np.rint(counts / {gain:.6g})."
    )
    raise ValueError(f"counts are {problem}; thinning draws single counts. {cure}")


def _gain_of(values):
    """Return the signal of one count: 1 where numbers are whole, None where they have none."""
    if values.dtype.kind in "bui" or not np.any(values % 1):
        whole = values.astype(np.int64).ravel()
        divisor = int(np.gcd.reduce(whole))
        return divisor if np.unique(whole[whole > 0]).size >= FEWEST_VALUES else 1
    return quantum_of(values)


def _as_region(region, image):
    """Return a selection of pixels, of the shape of the map."""
    if isinstance(region, str):
        if region not in image.regions:
            raise ValueError(f"region is {region!r}; this image has {sorted(image.regions)}.")
        region = image.regions[region]
    chosen = np.asarray(region)
    if chosen.dtype != bool or chosen.shape != image.navigation_shape:
        raise ValueError(
            f"region must be bool of shape {image.navigation_shape}, got {chosen.dtype} of shape "
            f"{chosen.shape}."
        )
    return chosen
