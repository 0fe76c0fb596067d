"""Factorial correspondence analysis: what a map holds beyond its mean spectrum and mean image."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_scalar

from endmember.core.image import SpectrumImage
from endmember.core.pca import PCA
from endmember.core.products import marginals, times, times_squared
from endmember.core.record import Record, record_of
from endmember.core.sources import as_spectrum_image

ROUNDING = 1e-13  # of inertia: the trivial axis has 1, and eigenvalues are exact to 1e-15 of it


@dataclass(frozen=True, eq=False, repr=False)
class CorrespondenceAnalysis:
    """Axes of a correspondence analysis; :func:`correspondence_analysis` makes it.

    Pixels and channels without counts have no profile: their coordinates are NaN. On an axis
    without inertia principal coordinates are zero, and standard ones as well.

    Attributes
    ----------
    image : SpectrumImage
        What was analysed.
    inertia : ndarray of shape (n_components,)
        Of every axis, falling; dimensionless, none above 1.
    total_inertia : float
        Of all axes: the chi-square of independence of pixels and channels over the counts.
    noise_edge : float
        Inertia where axes of pure Poisson noise end.
    pixel_masses, channel_masses : ndarray of shape (n_pixels,) and (n_channels,)
        Shares of all counts; each sums to 1.
    pixel_coordinates, channel_coordinates : ndarray of shape (n_pixels or n_channels, n_components)
        Principal coordinates: distances between pixels are chi-square distances of their spectra,
        those between channels of their maps. Dimensionless.
    standard_pixel_coordinates, standard_channel_coordinates : ndarray of the same shapes
        The same, with weighted variance 1 on every axis.
    pixel_contributions, channel_contributions : ndarray of the same shapes
        Shares of the inertia of every axis; each column sums to 1.
    maps : ndarray of shape (*navigation_shape, n_components)
        The principal coordinates of the pixels, folded; hidden pixels hold NaN.
    record : Record
        What made it: counts, settings, versions.
    """

    image: SpectrumImage
    inertia: np.ndarray
    total_inertia: float
    noise_edge: float
    pixel_masses: np.ndarray
    channel_masses: np.ndarray
    pixel_coordinates: np.ndarray
    channel_coordinates: np.ndarray
    record: Record

    @property
    def standard_pixel_coordinates(self) -> np.ndarray:
        """Pixel coordinates with weighted variance 1 on every axis."""
        return self.pixel_coordinates * _inverse(np.sqrt(self.inertia))

    @property
    def standard_channel_coordinates(self) -> np.ndarray:
        """Channel coordinates with weighted variance 1 on every axis."""
        return self.channel_coordinates * _inverse(np.sqrt(self.inertia))

    @property
    def pixel_contributions(self) -> np.ndarray:
        """Share of each pixel in the inertia of every axis."""
        return self._contributions(self.pixel_masses, self.pixel_coordinates)

    @property
    def channel_contributions(self) -> np.ndarray:
        """Share of each channel in the inertia of every axis."""
        return self._contributions(self.channel_masses, self.channel_coordinates)

    @property
    def maps(self) -> np.ndarray:
        """Principal coordinates of the pixels as maps."""
        return self.image.fold(self.pixel_coordinates)

    def _contributions(self, masses, coordinates):
        squares = masses[:, None] * np.where(masses[:, None] > 0, coordinates, 0.0) ** 2
        return squares * _inverse(self.inertia)

    def __repr__(self):
        title = f"{self.image.title!r}, " if self.image.title else ""
        share = self.inertia.sum() / self.total_inertia if self.total_inertia else 0.0
        return (
            f"<CorrespondenceAnalysis {title}{len(self.inertia)} axes with {share:.1%} of the "
            f"inertia {self.total_inertia:.4g}>"
        )


def correspondence_analysis(
    counts, n_components=None, *, solver="auto", tol=0.01, random_state=0, callback=None
):
    """Return the axes along which pixels and channels depart from independence.

    With ``P = counts / counts.sum()`` and its row and column sums r and c, the axes are the
    singular vectors of the residuals ``(P - r c^T) / sqrt(r c^T)`` in units of their Poisson noise
    [1]_, [2]_. That is :class:`PCA` with ``weighting="poisson"``, which Keenan and Kotula
    described in 2004, without its first component: the mean spectrum, whose map is the mean image.

    Parameters
    ----------
    counts : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts of shape (*navigation_shape, n_channels); hidden pixels and channels take no part.
    n_components : int, optional
        Axes to keep; turning it up keeps weaker ones, and more noise. By default all that have
        inertia.
    solver : {"auto", "gram", "krylov"}, default="auto"
        How they are found; see :class:`PCA`.
    tol : float, default=0.01
        Angle in degrees that Krylov iteration may leave; turning it down takes more rounds.
    random_state : int or numpy.random.RandomState, default=0
        Where Krylov iteration begins.
    callback : callable, optional
        Called with a :class:`Progress` between blocks and rounds; where it returns True, the work
        stops with an error.

    Returns
    -------
    CorrespondenceAnalysis
        The sign of an axis is chosen so that its strongest channel is positive.

    Raises
    ------
    ValueError
        Where there are fewer axes than `n_components`: one less than pixels, or than channels.

    Notes
    -----
    The whole inertia times the counts is Pearson's chi-square of independence. A map of one
    spectrum has inertia only by noise, about ``(n_pixels - 1) * (n_channels - 1)`` over the
    counts. Channels with the same profile may be merged, and pixels too, without changing any
    distance. A CSR map is never unpacked, a dask map is read block by block.

    References
    ----------
    .. [1] P. Trebbia and N. Bonnet, Ultramicroscopy 34 (1990) 165,
       doi:10.1016/0304-3991(90)90070-3.
    .. [2] J.-P. Benzécri, L'analyse des données, vol. 2, Dunod, Paris (1973).

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("mixture").image
    >>> found = em.correspondence_analysis(image, 5)
    >>> found.maps.shape
    (32, 32, 5)
    >>> found.inertia > found.noise_edge
    array([ True,  True, False, False, False])
    """
    image = as_spectrum_image(counts)
    if n_components is not None:
        _check_number(n_components, image.spectra.shape)
    pca = PCA(
        None if n_components is None else n_components + 1,
        solver=solver,
        tol=tol,
        random_state=random_state,
        callback=callback,
    )
    spectra = pca._check_spectra(image.spectra, reset=True)
    pca._fit_within(spectra)
    masses = _masses(spectra)
    inertia, axes = _without_trivial(pca, spectra.shape, masses)
    if n_components is None:
        inertia, axes = inertia[inertia > 0], axes[inertia > 0]
    settings = {"n_components": n_components, "solver": solver, "tol": tol}
    settings["random_state"] = random_state
    coordinates = _channel_coordinates(inertia, axes, masses)
    return CorrespondenceAnalysis(
        image,
        inertia,
        _total_inertia(spectra, masses),
        pca.noise_edge_ * _per_count(pca, masses),
        masses.pixels,
        masses.channels,
        _pixel_coordinates(spectra, axes, masses),
        coordinates,
        record_of(
            "correspondence_analysis",
            settings,
            spectra,
            source=image,
            result={"inertia": inertia, "channel_coordinates": coordinates},
        ),
    )


@dataclass(frozen=True)
class _Masses:
    """Shares of the counts that pixels and channels hold, and how many counts there are."""

    pixels: np.ndarray
    channels: np.ndarray
    n_counts: float


def _masses(spectra):
    pixel_sums, channel_sums = marginals(spectra)
    n_counts = float(pixel_sums.sum())
    return _Masses(pixel_sums / n_counts, channel_sums / n_counts, n_counts)


def _check_number(n_components, shape):
    check_scalar(n_components, "n_components", Integral, min_val=1)
    if n_components >= min(shape):
        raise ValueError(
            f"n_components={n_components}, but {shape[0]} pixels and {shape[1]} channels have "
            f"{min(shape) - 1} axes, one less than the smaller number; ask for fewer."
        )


def _per_count(pca, masses):
    """Return the inertia that an eigenvalue of 1 has in units of the noise."""
    return np.count_nonzero(pca.pixel_scale_) / masses.n_counts


def _without_trivial(pca, shape, masses):
    """Return inertia and unit axes of the scaled channels, all orthogonal to the trivial axis.

    The trivial one, ``sqrt(channel_masses)``, has eigenvalue 1 exactly. Where others have it too,
    in a map of parts that share no channel, any mixture of them may have been found: so it is
    taken out of the space, and not off the list.
    """
    n_kept = pca._n_wanted(shape) - 1
    values = pca.explained_variance_ * _per_count(pca, masses)
    trivial = np.sqrt(masses.channels)
    along = pca._axes @ trivial
    size = max(along @ along, np.finfo(float).tiny)
    away = np.eye(len(along)) - np.outer(along, along) / size
    values, turns = np.linalg.eigh((away * values) @ away)
    order = np.argsort(-values, kind="stable")[:n_kept]
    axes = turns[:, order].T @ pca._axes
    axes -= np.outer(axes @ trivial, trivial)
    inertia = np.where(values[order] > ROUNDING, values[order], 0.0)
    return inertia, _positive_where_largest(axes) * (inertia > 0)[:, None]


def _positive_where_largest(axes):
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -1.0, 1.0) * axes


def _pixel_coordinates(spectra, axes, masses):
    sums = masses.pixels * masses.n_counts
    scaled = (_inverse(np.sqrt(masses.channels)) * axes).T
    return times(spectra, scaled) * _inverse(sums, missing=np.nan)[:, None]


def _channel_coordinates(inertia, axes, masses):
    return (np.sqrt(inertia)[:, None] * axes * _inverse(np.sqrt(masses.channels), np.nan)).T


def _total_inertia(spectra, masses):
    norms = times_squared(spectra, _inverse(masses.channels * masses.n_counts))
    total = norms @ _inverse(masses.pixels * masses.n_counts) - 1.0
    return float(total) if total > ROUNDING else 0.0


def _inverse(values, missing=0.0):
    """Return one over the values, and something else where they are zero."""
    found = np.full(values.shape, missing)
    np.divide(1.0, values, out=found, where=values > 0)
    return found
