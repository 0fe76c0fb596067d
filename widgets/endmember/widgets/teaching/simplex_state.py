"""The search for the largest triangle in a cloud of three mixed spectra, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from math import factorial

import numpy as np
import traitlets as tl

from endmember.core.image import SpectrumImage
from endmember.core.metrics import match_components
from endmember.core.minimum_volume import MinimumVolume
from endmember.core.nfindr import NFINDR
from endmember.core.pca import PCA
from endmember.core.seeds import as_seed
from endmember.core.vca import VCA
from endmember.datasets.registry import load
from endmember.datasets.settings import as_count

PURITIES = (1.0, 0.9, 0.8, 0.7, 0.6)
NOTHING = "nothing"
OTHERS = {
    "NFINDR": lambda: NFINDR(3),
    "VCA": lambda: VCA(3),
    "MinimumVolume": lambda: MinimumVolume(3),
    "MinimumVolume(outside=0)": lambda: MinimumVolume(3, outside=0),
}
FEWEST_PIXELS, MOST_PIXELS = 64, 64 * 64
SPIKE, SPIKES = 0.75, 3  # height, of the counts in a pixel; beyond the seed of the counts
GROWTH = 1e-9  # of the volume, relative: less is rounding


def simplex_volume(corners):
    """Return the volume of a simplex from the determinant of its corners under a row of ones.

    ``V = |det [1 ... 1; e_1 ... e_l]| / (l - 1)!``

    Parameters
    ----------
    corners : array_like of shape (n_corners, n_corners - 1)
        Coordinates of the corners, one in a row.

    Returns
    -------
    float
        Length, area, volume, ... in the unit of the coordinates to the power ``n_corners - 1``.

    Raises
    ------
    ValueError
        Where so many corners do not make a square matrix.

    Examples
    --------
    >>> from endmember.widgets.teaching.simplex_state import simplex_volume
    >>> simplex_volume([[0, 0], [4, 0], [0, 3]])
    6.0
    """
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != len(corners) - 1:
        raise ValueError(
            f"corners have shape {corners.shape}; n corners need n - 1 coordinates each: project "
            "spectra on as many components first."
        )
    matrix = np.vstack([np.ones(len(corners)), corners.T])
    return float(abs(np.linalg.det(matrix)) / factorial(len(corners) - 1))


def swap_if_larger(points, first, order):
    """Return the corners at first and after every swap, until no pixel makes a larger simplex.

    Parameters
    ----------
    points : ndarray of shape (n_pixels, n_corners - 1)
        Coordinates of the pixels.
    first : sequence of int
        The pixels to begin with.
    order : sequence of int
        In which pixels are tried, each in place of every corner; over again after a swap.

    Returns
    -------
    ndarray of int, shape (n_steps + 1, n_corners)
        Pixels at the corners.
    """
    raised = np.column_stack([np.ones(len(points)), points])
    steps, corners, n_same = [list(first)], list(first), 0
    tried = cycle(order)
    while n_same < len(order):
        pixel = next(tried)
        growth = np.abs(np.linalg.solve(raised[corners].T, raised[pixel]))
        n_same += 1
        if growth.max() > 1 + GROWTH:
            corners[int(growth.argmax())] = int(pixel)
            steps.append(list(corners))
            n_same = 0
    return np.array(steps)


@dataclass(frozen=True)
class Search:
    """What was found in one cloud.

    Attributes
    ----------
    image : SpectrumImage
        The counts.
    points : ndarray of shape (n_pixels, 2)
        Pixels in the plane, in counts.
    pixels : ndarray of int, shape (n_steps + 1, 3)
        At the corners, at first and after every swap; as rows of ``image.spectra``.
    volumes : ndarray of shape (n_steps + 1,)
        Areas of these triangles in units of that of the endmembers.
    angles : ndarray of shape (n_steps + 1,)
        Of the corner that is farthest from its endmember, in degrees; of spectra projected on three
        principal components, as :class:`NFINDR` does.
    """

    image: SpectrumImage
    points: np.ndarray
    pixels: np.ndarray
    volumes: np.ndarray
    angles: np.ndarray

    @property
    def n_swaps(self):
        """How often a pixel took the place of another one."""
        return len(self.pixels) - 1

    def after(self, history, step):
        """Return the entry after so many swaps, the last one when there are no more."""
        return history[min(step, self.n_swaps)]

    def after_every(self, history, n_steps):
        """Return the entries after none to `n_steps` swaps."""
        return history[np.minimum(np.arange(n_steps + 1), self.n_swaps)]


class SimplexState(tl.HasTraits):
    """Clouds of three mixed spectra in one plane, and the triangles that are found in them.

    The plane is that of the first two components of the purest cloud, about its mean; what is
    purest, and where the endmembers lie in it, stays the same when the purity changes.

    Parameters
    ----------
    purities : sequence of float, default=(1, 0.9, 0.8, 0.7, 0.6)
        Largest shares of a spectrum in any pixel, the first one the largest.
    shape : tuple of int, default=(24, 24)
        Rows and columns of the map, 64 to 4096 pixels; a page holds all of them.
    dose : float, default=2000
        Expected counts a pixel; turning it up makes the cloud sharper.
    n_outliers : int, default=5
        Pixels that get a spike in one channel, three quarters as high as `dose`, where `outliers`
        is True.
    seed : int, default=0
        Of the counts and the spikes.
    start : int, default=6
        Seed of the pixels that the search begins with, and of the order in which it tries them; by
        default the first triangle is small.

    Attributes
    ----------
    purity : float
        One of the purities.
    outliers : bool
        Whether there are spikes.
    step : int
        How many swaps were made; beyond the last one nothing changes.
    compared : str
        Whose corners are shown beside: ``"nothing"`` or one of ``OTHERS``.

    Examples
    --------
    >>> from endmember.widgets.teaching.simplex_state import SimplexState
    >>> state = SimplexState(purities=(1.0, 0.8), shape=(16, 16))
    >>> state.step = state.n_steps
    >>> state.purity = 0.8
    >>> bool(state.angle() > 5 > state.angle_of("MinimumVolume"))
    True
    """

    purity = tl.Float()
    outliers = tl.Bool(False)
    step = tl.Int(0, min=0)
    compared = tl.Enum([NOTHING, *OTHERS], NOTHING)

    def __init__(
        self,
        purities=PURITIES,
        *,
        shape=(24, 24),
        dose=2000.0,
        n_outliers=5,
        seed=0,
        start=6,
    ):
        self.purities = _check_purities(purities)
        self._settings = {"shape": shape, "dose": dose, "seed": seed}
        self._start = as_seed(start)
        self.truth = self.scene(self.purities[0])
        n_pixels = self.truth.image.n_pixels
        if not FEWEST_PIXELS <= n_pixels <= MOST_PIXELS:
            raise ValueError(
                f"shape is {shape}, {n_pixels} pixels; a page shows from {FEWEST_PIXELS} to "
                f"{MOST_PIXELS} of them."
            )
        self.n_outliers = as_count(n_outliers, "n_outliers", least=1, most=n_pixels)
        spectra = self.truth.image.spectra.astype(np.float64)
        self._mean = spectra.mean(axis=0)
        self._axes = np.linalg.svd(spectra - self._mean, full_matrices=False)[2][:2]
        self.endmembers = self.place(self.truth.endmembers)
        self._mostly = self.truth.abundances.argmax(axis=1).reshape(self.truth.image.shape[:2])
        self.names = [f"spectrum {k + 1}" for k in range(3)]
        self.clouds = [[(purity, spiked) for spiked in (False, True)] for purity in self.purities]
        self._searches, self._found = {}, {}
        super().__init__(purity=self.purities[0])
        self.n_steps = max(search.n_swaps for search in self.searches())

    def scene(self, purity):
        """Return the mixture of a purity, without spikes."""
        return load("mixture", purity=purity, **self._settings)

    def place(self, spectra):
        """Return where spectra lie in the plane: shape (n, 2), in counts."""
        return (spectra - self._mean) @ self._axes.T

    def spectra_at(self, places):
        """Return the spectra at places in the plane: shape (n, n_channels), in counts."""
        return self._mean + places @ self._axes

    def search(self, purity=None, outliers=None):
        """Return the search in the present cloud, or in another one."""
        key = self._cloud(purity, outliers)
        if key not in self._searches:
            self._searches[key] = self._searched(*key)
        return self._searches[key]

    def searches(self):
        """Return the search in every cloud: of every purity, without spikes and with them."""
        return [self.search(*cloud) for row in self.clouds for cloud in row]

    def found(self, name, purity=None, outliers=None):
        """Return the endmembers that another algorithm finds, of shape (3, n_channels), in counts.

        Parameters
        ----------
        name : str
            One of ``OTHERS``.
        purity, outliers : optional
            Of another cloud than the present one.
        """
        key = name, *self._cloud(purity, outliers)
        if key not in self._found:
            self._found[key] = OTHERS[name]().fit(self.search(*key[1:]).image.spectra).components_
        return self._found[key]

    def volume(self):
        """Return the area of the present triangle in units of that of the endmembers."""
        search = self.search()
        return float(search.after(search.volumes, self.step))

    def angle(self):
        """Return how far the worst corner of it is from its endmember, in degrees."""
        search = self.search()
        return float(search.after(search.angles, self.step))

    def angle_of(self, name, purity=None, outliers=None):
        """Return the same of what another algorithm finds."""
        return self._worst(self.found(name, purity, outliers))

    def corners(self, purity=None, outliers=None, step=None):
        """Return the pixels at the corners after so many swaps, as ``(row, column)``."""
        search = self.search(purity, outliers)
        rows = search.after(search.pixels, self.step if step is None else step)
        places = np.transpose(np.unravel_index(rows, search.image.shape[:2]))
        return [(int(row), int(column)) for row, column in places]

    def labels(self, purity=None, outliers=None, step=None):
        """Return a map of which spectrum a pixel holds most of, 0 to 2, and 3 at the corners."""
        labels = self._mostly.copy()
        labels[tuple(np.transpose(self.corners(purity, outliers, step)))] = 3
        return labels

    def words(self, purity=None, outliers=None, step=None):
        """Say what the last swap did, how large the triangle is, and how far its worst corner."""
        search, step = self.search(purity, outliers), self.step if step is None else step
        area, angle = (search.after(h, step) for h in (search.volumes, search.angles))
        return (
            f"{self._said(search, step)} Its area is {area:.0%} of that of the endmembers, and its "
            f"worst corner is {angle:.1f}° from an endmember."
        )

    def words_of(self, name, purity=None, outliers=None):
        """Say how far the worst corner is that another algorithm finds."""
        angle = self.angle_of(name, purity, outliers)
        return f"em.{name}: the worst corner is {angle:.1f}° from an endmember."

    def _said(self, search, step):
        if step == 0:
            return "A triangle of three pixels taken by chance."
        if step > search.n_swaps:
            return f"No pixel makes the triangle larger after {search.n_swaps} swaps."
        before, now = (set(pixels.tolist()) for pixels in search.pixels[step - 1 : step + 1])
        new, old = (
            tuple(int(i) for i in np.unravel_index(pixels.pop(), search.image.shape[:2]))
            for pixels in (now - before, before - now)
        )
        return f"Swap {step} of {search.n_swaps}: pixel {new} takes the place of {old}."

    def _cloud(self, purity, outliers):
        return (
            self.purity if purity is None else purity,
            self.outliers if outliers is None else outliers,
        )

    def _searched(self, purity, outliers):
        image = self.scene(purity).image
        if outliers:
            rng = np.random.default_rng(self._settings["seed"] + SPIKES)
            image = _with_spikes(image, self.n_outliers, SPIKE * self._settings["dose"], rng)
        order = np.random.default_rng(self._start).permutation(image.n_pixels)
        points = self.place(image.spectra)
        pixels = swap_if_larger(points, order[:3], order)
        unit = simplex_volume(self.endmembers)
        volumes = [simplex_volume(points[corners]) / unit for corners in pixels]
        pca = PCA(3, weighting="poisson").fit(image.spectra)  # as NFINDR takes noise away
        spectra = np.clip(pca.inverse_transform(pca.transform(image.spectra)), 0, None)
        angles = [self._worst(spectra[corners]) for corners in pixels]
        return Search(image, points, pixels, np.array(volumes), np.array(angles))

    def _worst(self, spectra):
        return float(match_components(spectra, self.truth.endmembers).cost.max())

    @tl.validate("purity")
    def _is_known(self, proposal):
        if proposal["value"] not in self.purities:
            raise tl.TraitError(
                f"purity is {proposal['value']}; choose one of {list(self.purities)}."
            )
        return proposal["value"]


def _check_purities(purities):
    found = tuple(float(purity) for purity in purities)
    if len(found) < 2 or list(found) != sorted(set(found), reverse=True):
        raise ValueError(
            f"purities are {list(found)}; give two or more, the largest first and none twice."
        )
    return found


def _with_spikes(image, n_outliers, height, rng):
    """Return an image with a spike of so many counts in one channel of some pixels."""
    counts = image.spectra.astype(np.int64)
    pixels = rng.permutation(image.n_pixels)[:n_outliers]
    counts[pixels, rng.integers(0, image.n_channels, n_outliers)] += int(height)
    title = f"{image.title} with spikes"
    return SpectrumImage(counts.reshape(image.shape), image.signal_axis, title=title)
