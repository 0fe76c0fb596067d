"""Energy-loss spectra: edges with their white lines, plasmons, and the background before them."""

from __future__ import annotations

import numpy as np
from scipy.special import erf


def edge(axis, onset, *, width=1.5, exponent=3.5, white_lines=()):
    """Return an ionisation edge over an axis in eV, about 1 high just after its onset.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Energy losses in eV.
    onset : float
        Where the edge begins, in eV.
    width : float, default=1.5
        Standard deviation of the onset in eV: turning it up smears the step.
    exponent : float, default=3.5
        How steeply the tail falls, as a power of the energy loss; illustrative.
    white_lines : sequence of (float, float, float), optional
        Energy in eV, height and full width in eV of Lorentzian peaks on the onset.

    Returns
    -------
    ndarray of shape (n_channels,)
        Nothing in it is negative.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed. (2011),
    https://doi.org/10.1007/978-1-4419-9583-4.
    """
    step = (1 + erf((axis - onset) / (np.sqrt(2) * width))) / 2
    spectrum = step * (np.maximum(axis, 1e-3) / onset) ** -exponent
    for energy, height, full_width in white_lines:
        spectrum = spectrum + height / (1 + ((axis - energy) / (full_width / 2)) ** 2)
    return spectrum


def power_law(axis, exponent, *, start):
    """Return the background ``(E / start)**-exponent`` over an axis in eV."""
    return (np.maximum(axis, 1e-3) / start) ** -exponent


def plasmon(axis, energy, width):
    """Return the loss function of free electrons over an axis in eV, 1 high at its peak.

    ``Im(-1/eps) = E Ep**2 W / ((E**2 - Ep**2)**2 + (E W)**2)``, Drude's model.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Energy losses in eV.
    energy, width : float
        Plasmon energy and damping in eV.
    """
    loss = np.maximum(axis, 0)
    shape = loss * energy**2 * width / ((loss**2 - energy**2) ** 2 + (loss * width) ** 2 + 1e-12)
    return shape / shape.max()
