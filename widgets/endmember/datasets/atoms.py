"""Micrographs of atom columns: a Gaussian a column, and counts about their sum."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts

REACH = 5.0  # standard deviations after which a column ends: 4e-6 of its height


def render_columns(positions, heights, shape, *, pixel_size, width):
    """Add up a Gaussian for every atom column.

    Parameters
    ----------
    positions : ndarray of shape (n_atoms, 2)
        Row and column in nm; the middle of the first pixel is at 0.
    heights : ndarray of shape (n_atoms,)
        Height of each Gaussian, in any unit.
    shape : tuple of int
        Rows and columns of the image.
    pixel_size : float
        Nanometres a pixel.
    width : float
        Standard deviation of every Gaussian in nm.

    Returns
    -------
    ndarray of shape (rows, columns), in the unit of the heights
    """
    places = positions / pixel_size
    reach = int(np.ceil(REACH * width / pixel_size))
    pixels = np.rint(places).astype(np.intp)[:, :, None] + np.arange(-reach, reach + 1)
    profiles = np.exp(-0.5 * ((pixels - places[:, :, None]) * (pixel_size / width)) ** 2)
    size = np.array(shape)[:, None]
    profiles *= (pixels >= 0) & (pixels < size)
    pixels = np.clip(pixels, 0, size - 1)
    index = pixels[:, 0, :, None] * shape[1] + pixels[:, 1, None, :]
    values = heights[:, None, None] * profiles[:, 0, :, None] * profiles[:, 1, None, :]
    sums = np.bincount(index.ravel(), values.ravel(), minlength=shape[0] * shape[1])
    return sums.reshape(shape)


def draw_micrograph(pattern, dose, rng):
    """Draw a micrograph of `dose` counts a pixel on average, and return what was expected too.

    Parameters
    ----------
    pattern : ndarray of shape (rows, columns)
        Brightness in any unit, nowhere negative.
    dose : float
        Expected counts a pixel, averaged over the image.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    counts, expected : ndarray of float32, shape (rows, columns)
    """
    expected = (dose * pattern / pattern.mean()).astype(np.float32)
    return draw_counts(expected, rng).astype(np.float32), expected


def micrograph_axes(shape, pixel_size):
    """Return the axes of a micrograph, rows and columns in nm from the first pixel's middle."""
    return tuple(
        Axis.uniform(n, scale=pixel_size, name=name, unit="nm")
        for n, name in zip(shape, ("height", "width"), strict=True)
    )
