"""Where the lines and edges of elements lie on a signal axis, to be marked on a plot."""

from __future__ import annotations

from dataclasses import dataclass

from endmember.core.elements import edge_onset, xray_lines

KEV = {"keV": 1.0, "eV": 1e-3}
LINES = {"Ka": "Kα", "Kb": "Kβ", "La": "Lα", "Lb1": "Lβ", "Ma": "Mα"}
EDGES = ("K", "L3", "L2,3", "M5", "N5", "O5")  # where the white lines and the steep onsets are
SOURCE_OF_EDGES = "EELS"


@dataclass(frozen=True)
class Marker:
    """A line or an edge.

    Attributes
    ----------
    position : float
        In the unit of the signal axis.
    weight : float
        Height beside the strongest line of the same family; 1 for edges.
    label : str
        As ``"Fe Kα"``.
    """

    position: float
    weight: float
    label: str


def check_element(element):
    """Return a chemical symbol, or say that the table has none of that name."""
    xray_lines(element)
    return element


def markers_of(elements, axis, unit, signal_type=""):
    """Return the markers of elements that lie on a signal axis.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols.
    axis : ndarray of shape (n_channels,)
        Energies in `unit`.
    unit : str
        ``"keV"`` or ``"eV"``.
    signal_type : str
        As HyperSpy names it: edges for ``"EELS"``, X-ray lines for all others, and where it is
        not known, edges on an axis in eV.

    Raises
    ------
    ValueError
        Where the axis is none of energies, or an element is none.
    """
    if not elements:
        return []
    if unit not in KEV:
        raise ValueError(
            f"lines of elements cannot be marked on an axis in {unit or 'channels'}; it has to be "
            "in keV or eV."
        )
    is_loss = SOURCE_OF_EDGES in signal_type or (not signal_type and unit == "eV")
    found = [m for e in elements for m in (_edges if is_loss else _lines)(e, KEV[unit])]
    return [marker for marker in found if axis.min() <= marker.position <= axis.max()]


def _lines(element, unit):
    lines = xray_lines(element)
    for name, label in LINES.items():
        if name in lines:
            line = lines[name]
            yield Marker(line.energy / unit, line.weight, f"{element} {label}")


def _edges(element, unit):
    check_element(element)
    for edge in EDGES:
        try:
            onset = edge_onset(element, edge)  # in eV
        except ValueError:
            continue
        yield Marker(onset * 1e-3 / unit, 1.0, f"{element} {edge}")
