"""Maps of grains: what a polished section looks like."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree


def grain_map(shape, n_grains, rng, *, waviness=0.15):
    """Return which grain every pixel belongs to.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    n_grains : int
        How many grains there are, each about a point of its own.
    rng : numpy.random.Generator
        Where chance comes from.
    waviness : float, default=0.15
        How far boundaries stray from straight lines, in mean grain diameters.

    Returns
    -------
    ndarray of int of shape `shape`
    """
    diameter = np.sqrt(np.prod(shape) / n_grains)
    points = rng.random((n_grains, 2)) * shape
    places = np.indices(shape).astype(float) + 0.5
    for place in places:
        place += waviness * diameter * smooth_field(shape, diameter / 4, rng)
    return cKDTree(points).query(places.reshape(2, -1).T)[1].reshape(shape)


def smooth_field(shape, length, rng):
    """Return a random field of mean 0 and standard deviation 1 that is smooth over a length.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    length : float
        Correlation length in pixels.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    ndarray of shape `shape`
    """
    field = gaussian_filter(rng.normal(size=shape), length, mode="wrap")
    field -= field.mean()
    spread = field.std()
    return field / spread if spread > 0 else field
