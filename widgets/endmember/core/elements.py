"""X-ray lines and EELS edges of the elements, from a small table of measured facts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from endmember.core.room import checked_path

MN_KA = 5.8987  # keV, where detectors state their resolution
WIDENING = 2.5e-3  # keV: growth of the squared width with the energy of the photon
SHA256 = "9631b1279fdec122fb47a1ce245872fd99ef320ecffc4079de38ee5da8d1a74e"  # of lines.json


@dataclass(frozen=True)
class Line:
    """An X-ray line.

    Attributes
    ----------
    energy : float
        Photon energy in keV.
    weight : float
        Height relative to the strongest line of the same family (K, L or M).
    """

    energy: float
    weight: float


def xray_lines(element):
    """Return the X-ray lines of an element by name.

    Parameters
    ----------
    element : str
        Chemical symbol, as ``"Fe"``.

    Returns
    -------
    dict of str to Line
        As ``"Ka"``, ``"La"``. The table is eXSpy's; weights compare lines of one family only.

    Examples
    --------
    >>> from endmember.core.elements import xray_lines
    >>> xray_lines("Fe")["Ka"].energy
    6.4039
    """
    return {name: Line(*facts) for name, facts in _facts(element)["lines"].items()}


def line_width(energy, *, resolution=0.130):
    """Return the full width at half maximum of a line in keV.

    Parameters
    ----------
    energy : float or ndarray
        Photon energy in keV.
    resolution : float, default=0.130
        Width at Mn Kα in keV, as detectors are sold by. Soft lines have no width, and give 0, where
        it is less than photons themselves make it.

    References
    ----------
    J. I. Goldstein et al., Scanning Electron Microscopy and X-ray Microanalysis, 3rd ed. (2003),
    eq. 7.1; the same relation as HyperSpy's.
    """
    square = resolution**2 + WIDENING * (np.asarray(energy) - MN_KA)
    return np.sqrt(np.maximum(square, 0))


def edge_onset(element, edge):
    """Return the onset of an EELS edge in eV, as eXSpy's table has it.

    Examples
    --------
    >>> from endmember.core.elements import edge_onset
    >>> edge_onset("Ti", "L3")
    456.0
    """
    edges = _facts(element)["edges"]
    if edge not in edges:
        raise ValueError(f"the table has no {edge} edge of {element}; it has {list(edges)}.")
    return edges[edge]


def atomic_weight(element):
    """Return the atomic weight of an element in g/mol."""
    return _facts(element)["weight"]


def _facts(element):
    table = _table()
    if element not in table:
        raise ValueError(f"element is {element!r}; expected a chemical symbol, as 'Fe'.")
    return table[element]


@cache
def _table():
    path = checked_path("files", "lines.json", sha256=SHA256)
    return json.loads(path.read_text(encoding="utf-8"))["elements"]
