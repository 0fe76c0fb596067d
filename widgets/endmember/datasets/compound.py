"""X-ray spectra of compounds, from their chemical formulae."""

from __future__ import annotations

import numpy as np

from endmember.core.elements import atomic_weight, line_width
from endmember.datasets.xray import bremsstrahlung, element_spectrum

# Counts in the strongest K line per mass fraction, relative to silicon: the inverse of a k-factor.
# Illustrative: they fall to both sides as absorption and overvoltage make them fall in a bulk
# specimen, but belong to no instrument.
SENSITIVITY = {
    **{"C": 0.25, "O": 0.50, "Na": 0.30, "Mg": 0.45, "Al": 0.55, "Si": 1.00},
    **{"Ca": 0.50, "Cr": 0.45, "Mn": 0.40, "Fe": 0.35},
}
L_TO_K = {"Cr": 0.4, "Mn": 0.4, "Fe": 0.4}  # strongest L to strongest K line; illustrative
CONTINUUM = 0.015  # continuum per mass fraction and atomic number, on the same scale; illustrative
ATOMIC_NUMBER = {
    **{"C": 6, "O": 8, "Na": 11, "Mg": 12, "Al": 13, "Si": 14},
    **{"Ca": 20, "Cr": 24, "Mn": 25, "Fe": 26},
}


def molar_mass(formula):
    """Return the mass of a formula unit in g/mol.

    Parameters
    ----------
    formula : dict of str to float
        Atoms of each element in a formula unit, as ``{"Fe": 2, "O": 3}``.
    """
    return sum(atoms * atomic_weight(element) for element, atoms in formula.items())


def mass_fractions(formula):
    """Return the mass fraction of each element in a compound.

    Examples
    --------
    >>> from endmember.datasets.compound import mass_fractions
    >>> round(mass_fractions({"Fe": 2, "O": 3})["Fe"], 4)
    0.6994
    """
    total = molar_mass(formula)
    return {element: n * atomic_weight(element) / total for element, n in formula.items()}


def compound_spectrum(axis, formula, *, beam_energy):
    """Return the spectrum of a compound: lines and continuum of its elements, by mass.

    ``sum over elements of mass_fraction * (sensitivity * lines + continuum * atomic_number)``:
    linear in the mass fractions, so that spectra mix as masses do. What absorption and
    fluorescence change from one matrix to the next is left out; continuum follows Kramers' law.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Evenly spaced energies in keV.
    formula : dict of str to float
        Atoms of each element in a formula unit.
    beam_energy : float
        Energy of the electrons in keV.

    Returns
    -------
    ndarray of shape (n_channels,)
        Relative to the silicon K-alpha counts of pure silicon.
    """
    continuum = CONTINUUM * bremsstrahlung(axis, beam_energy)
    spectrum = np.zeros(len(axis))
    for element, share in mass_fractions(formula).items():
        families = {"K": 1.0, "L": L_TO_K.get(element, 0.0)}
        lines = element_spectrum(axis, element, families=families)
        spectrum += share * SENSITIVITY[element] * lines
        spectrum += share * ATOMIC_NUMBER[element] * continuum
    return spectrum


def line_window(energy):
    """Return the window of a line in keV, as wide to each side as the line at half maximum.

    HyperSpy integrates over the same two widths unless told otherwise.
    """
    width = float(line_width(energy))
    return energy - width, energy + width
