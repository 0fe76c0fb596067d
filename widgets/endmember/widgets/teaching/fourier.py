"""The Fourier transform of a micrograph, with spots to point at and to measure."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
from scipy.ndimage import maximum_filter

from endmember.widgets.map_view import MapView
from endmember.widgets.teaching.steps import Steps

FAINTEST = 1e-4  # of the strongest spot's power: what is weaker may be noise
LOBE = 2  # pixels of a spot to each side: the window makes it four wide
MOST_SIDE = 201  # pixels of the map: every one of them has its words
DARKEST = 6.0  # decades below the strongest pixel
CORNER = 128  # pixels of the micrograph that stand beside it


class FourierPlane:
    """The power of a micrograph's Fourier transform, and where its spots lie.

    ``power = |FFT(window * (image - mean))|**2``: the window is a Hann's, so that edges of the
    micrograph leave no cross. Places are frequencies in periods per unit, (row, column).

    Parameters
    ----------
    image : array_like of shape (rows, columns)
        A micrograph, square, in counts.
    pixel_size : float
        Side of a pixel, in `unit`.
    reach : float
        Highest frequency to keep on both sides of zero, in periods per unit; turning it up shows
        finer distances, each spot smaller.
    unit : str, default="nm"
        Of `pixel_size`.

    Attributes
    ----------
    power : ndarray of shape (side, side)
        With zero frequency in the middle.
    step : float
        Side of a pixel of it, in periods per unit.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.fourier import FourierPlane
    >>> scene = em.datasets.load("hrtem_110")
    >>> plane = FourierPlane(scene.image, pixel_size=0.02, reach=7.5)
    >>> plane.spots(4).shape
    (4, 2)
    """

    def __init__(self, image, *, pixel_size, reach, unit="nm"):
        image = np.asarray(image, dtype=float)
        if image.ndim != 2 or image.shape[0] != image.shape[1] or not np.isfinite(image).all():
            raise ValueError(
                f"image has shape {image.shape}; give a square one of finite numbers, such as "
                "image[:512, :512]."
            )
        if not pixel_size > 0 or not np.isfinite(pixel_size):
            raise ValueError(f"pixel_size is {pixel_size}; give a length above 0 in {unit}.")
        side = len(image)
        self.step, self.unit = 1 / (side * pixel_size), unit
        half = int(reach / self.step) if reach > 0 else 0
        if not 1 <= half < side // 2 or 2 * half + 1 > MOST_SIDE:
            raise ValueError(
                f"reach is {reach} per {unit}; this image shows up to "
                f"{min(side // 2 - 1, MOST_SIDE // 2) * self.step:.3g}."
            )
        window = np.hanning(side)
        transform = np.fft.fftshift(np.fft.fft2((image - image.mean()) * np.outer(window, window)))
        middle = slice(side // 2 - half, side // 2 + half + 1)
        self.power = np.abs(transform[middle, middle]) ** 2
        self.frequencies = self.step * np.arange(-half, half + 1)

    def spots(self, most=10):
        """Return the strongest spots, one of each pair, to a fraction of a pixel.

        Parameters
        ----------
        most : int, default=10
            How many to return; fewer where there are no more.

        Returns
        -------
        ndarray of shape (n, 2)
            Frequencies (row, column) in periods per unit, strongest first.
        """
        is_peak = self.power == maximum_filter(self.power, size=2 * LOBE + 1)
        is_peak &= self.power > FAINTEST * self.power.max()
        peaks = np.argwhere(is_peak)
        middle, last = len(self.power) // 2, len(self.power) - 1
        is_inside = ((peaks >= LOBE) & (peaks <= last - LOBE)).all(axis=1)
        is_away = np.abs(peaks - middle).max(axis=1) > LOBE
        row, column = (peaks - middle).T
        is_upper = (row < 0) | ((row == 0) & (column > 0))  # the others mirror these
        peaks = peaks[is_inside & is_away & is_upper]
        order = np.argsort(-self.power[tuple(peaks.T)], kind="stable")[:most]
        return np.array([self._centre(*peak) for peak in peaks[order]]).reshape(-1, 2)

    def _centre(self, row, column):
        """Return where a spot is, to a fraction of a pixel."""
        amplitude = np.sqrt(self.power[row - 1 : row + 2, column - 1 : column + 2])
        shift = [_hann_shift(amplitude[:, 1]), _hann_shift(amplitude[1])]
        return self.step * (np.array([row, column]) - len(self.power) // 2 + shift)


def _hann_shift(amplitude):
    """Return how far from the middle one of three values a wave under a Hann window lies.

    Of such a wave, the higher neighbour is ``(1 + d) / (2 - d)`` times the middle, `d` pixels off.
    """
    before, middle, after = amplitude
    side, ratio = (1, after / middle) if after > before else (-1, before / middle)
    return side * (2 * ratio - 1) / (ratio + 1)


class FourierExplorer(ipw.VBox):
    """A micrograph and its Fourier transform: point at a spot to read its distance and direction.

    The page answers without a kernel, to a pixel of the transform; ``state.spots()`` says where the
    spots are to a fraction of one.

    Parameters
    ----------
    image : array_like of shape (rows, columns)
        A micrograph, square, in counts.
    pixel_size : float
        Side of a pixel, in `unit`.
    reach : float, default=7.5
        Highest frequency shown on both sides of zero, in periods per unit; turning it up shows
        finer distances, each spot smaller.
    unit : str, default="nm"
        Of `pixel_size`.

    Attributes
    ----------
    state : FourierPlane
        All numbers.
    micrograph : MapView
        A corner of the micrograph.
    map : MapView
        The transform; its ``pixel`` is the chosen one.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("hrtem_110")
    >>> explorer = em.teaching.FourierExplorer(scene.image, pixel_size=0.02)
    >>> explorer.state.spots(3).round(1).tolist()
    [[-2.9, -3.1], [-2.0, 3.7], [-4.9, 0.6]]
    """

    def __init__(self, image, *, pixel_size, reach=7.5, unit="nm"):
        self.state = state = FourierPlane(image, pixel_size=pixel_size, reach=reach, unit=unit)
        decades = np.log10(np.maximum(state.power / state.power.max(), 10.0**-DARKEST))
        middle = len(decades) // 2
        self.micrograph = MapView(
            np.asarray(image)[:CORNER, :CORNER],
            colors="gray",
            unit="counts",
            tools=["point"],
            pixel_size={"size": pixel_size, "unit": unit},
            caption="a corner of the micrograph",
        )
        self.map = MapView(
            decades,
            colors="gray",
            percentiles=(5, 100),
            tools=["point"],
            pixel=(middle, middle),
            caption="power of the Fourier transform, log₁₀ of its share of the strongest",
        )
        self.words = ipw.HTML()
        self.steps = Steps({}, pointer=self.map)
        self.steps.drive(self.words, "value", _words(state), by=["pixel"])
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        self.micrograph.layout = {"flex": "1 1 200px", "max_width": "400px", "min_width": "0"}
        transform = ipw.VBox([self.words, self.map], layout={"flex": "2 1 380px", "min_width": "0"})
        super().__init__([ipw.Box([self.micrograph, transform], layout=wrapped), self.steps])


def _words(state):
    """Say of every pixel how far from zero it lies, and in which direction."""
    row, column = np.meshgrid(state.frequencies, state.frequencies, indexing="ij")
    lengths = np.hypot(row, column).ravel()
    turns = (np.degrees(np.arctan2(row, column)) % 360).ravel()
    return [
        f"|g| = {length:.2f} /{state.unit}, d = {1 / length:.4f} {state.unit}, "
        f"{turn:.1f}° clockwise from the right"
        if length
        else "zero frequency: the mean, which was taken off"
        for length, turn in zip(lengths, turns, strict=True)
    ]
