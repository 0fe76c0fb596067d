"""X-ray spectra as a silicon drift detector records them: lines with their width, and continuum."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from endmember.core.elements import line_width, xray_lines

TO_SIGMA = 2 * np.sqrt(2 * np.log(2))
SOFT = 0.35  # keV, about which the window of the detector lets half of the photons pass


def peak(axis, energy, *, resolution=0.130):
    """Return a line of area 1 over the channels of an axis in keV.

    Every channel holds the integral over its width, so that the sum is 1 where nothing is cut off.
    """
    step = axis[1] - axis[0]
    edges = np.append(axis - step / 2, axis[-1] + step / 2)
    sigma = line_width(energy, resolution=resolution) / TO_SIGMA
    return np.diff(erf((edges - energy) / (np.sqrt(2) * sigma))) / 2


def element_spectrum(axis, element, *, families=None, resolution=0.130):
    """Return the lines of an element over an axis in keV.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Evenly spaced energies in keV.
    element : str
        Chemical symbol.
    families : dict of str to float, optional
        Area of the strongest line of each family that takes part, by the family's first letter;
        by default the highest family with a line on the axis, with area 1. Ratios between
        families depend on beam, specimen and detector: they are the caller's to give.
    resolution : float, default=0.130
        Width at Mn Kα in keV.

    Returns
    -------
    ndarray of shape (n_channels,)
    """
    lines = xray_lines(element)
    if families is None:
        families = {_main_family(axis, lines): 1.0}
    spectrum = np.zeros(len(axis))
    for name, line in lines.items():
        area = families.get(name[0], 0.0) * line.weight
        if area and line.energy > 0.05:
            spectrum += area * peak(axis, line.energy, resolution=resolution)
    return spectrum


def _main_family(axis, lines):
    on_axis = [name[0] for name, line in lines.items() if axis[0] < line.energy < axis[-1]]
    return next((family for family in "KLM" if family in on_axis), "K")


def bremsstrahlung(axis, beam_energy):
    """Return the continuum under the lines, with area 1, over an axis in keV.

    Kramers' law behind the window of a detector: ``(E0 - E) / E * exp(-(Es / E)**3)``. The window
    is illustrative.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Energies in keV.
    beam_energy : float
        Energy of the electrons in keV.

    References
    ----------
    H. A. Kramers, Philosophical Magazine 46 (1923) 836,
    https://doi.org/10.1080/14786442308565244.
    """
    energy = np.maximum(axis, 1e-3)
    shape = np.clip(beam_energy - energy, 0, None) / energy * np.exp(-((SOFT / energy) ** 3))
    return shape / shape.sum()
