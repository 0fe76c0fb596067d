"""Calibrated axes: what the indices of an array mean."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace

import numpy as np

METRES = {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "Å": 1e-10, "pm": 1e-12}
SPELLINGS = {  # what other programs write
    **dict.fromkeys(["um", "micron", "microns", "micrometer", "micrometers", "micrometre"], "µm"),
    **dict.fromkeys(["A", "angstrom", "angstroms", "Angstrom"], "Å"),
}


@dataclass(frozen=True, eq=False)
class Axis:
    """One calibrated axis of a spectrum image.

    :meth:`Axis.uniform` makes one from its step, :meth:`Axis.from_values` from positions, uniform
    where the steps are equal.

    Parameters
    ----------
    values : array_like of shape (size,)
        Position of every index, in `unit`; strictly rising or strictly falling. Held as a
        read-only copy.
    name : str
        What runs along the axis, such as ``"energy"`` or ``"width"``.
    unit : str
        Unit of the values; empty when the axis is not calibrated.
    scale, offset : float, optional
        Step and start of a uniform axis, kept as they were written so that a round trip
        changes no digit. None for a non-uniform axis, whatever its values.
    is_binned : bool, default=False
        Whether an intensity is a sum over the width of its channel, as for counts.

    Examples
    --------
    >>> import endmember as em
    >>> em.Axis.uniform(3, scale=0.5, offset=1.0, name="energy", unit="keV").values
    array([1. , 1.5, 2. ])
    """

    values: np.ndarray
    name: str = ""
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    is_binned: bool = field(default=False, kw_only=True)

    def __post_init__(self):
        values = check_axis_values(self.values, _spoken(self.name))
        _check_line(values, self.scale, self.offset, _spoken(self.name))
        values.flags.writeable = False  # axes are shared between images
        object.__setattr__(self, "values", values)

    @classmethod
    def uniform(cls, size, *, scale=1.0, offset=0.0, name="", unit="", is_binned=False):
        """Make an axis of `size` equal steps.

        Parameters
        ----------
        size : int
            Number of indices.
        scale : float, default=1
            Step from one index to the next, in `unit`; negative for a falling axis.
        offset : float, default=0
            Position of the first index, in `unit`.
        name, unit : str
            What runs along the axis, and its unit.
        is_binned : bool, default=False
            Whether an intensity is a sum over the width of its channel.
        """
        if scale == 0 or not np.isfinite([scale, offset]).all():
            raise ValueError(
                f"{_spoken(name)} has scale={scale} and offset={offset}; both must be finite and "
                "scale, the step from one index to the next, not 0."
            )
        values = float(offset) + float(scale) * np.arange(int(size))
        return cls(values, name, unit, float(scale), float(offset), is_binned=is_binned)

    @classmethod
    def from_values(cls, values, *, name="", unit="", is_binned=False):
        """Make an axis from its values, uniform where the steps are equal.

        Parameters
        ----------
        values : array_like of shape (size,)
            Position of every index, in `unit`. Steps count as equal to the rounding of the
            dtype, so that an axis computed in float32 is uniform too.
        name, unit : str
            What runs along the axis, and its unit.
        is_binned : bool, default=False
            Whether an intensity is a sum over the width of its channel.
        """
        rounding = _rounding(values)
        values = check_axis_values(values, _spoken(name))
        if values.size > 1:
            scale = (values[-1] - values[0]) / (values.size - 1)
            line = values[0] + scale * np.arange(values.size)
            allowed = max(1e-9 * abs(scale) * values.size, rounding * np.abs(values).max())
            if np.abs(values - line).max() <= min(allowed, abs(scale) / 4):
                return cls(values, name, unit, float(scale), float(values[0]), is_binned=is_binned)
        return cls(values, name, unit, is_binned=is_binned)

    def __len__(self):
        return self.values.size

    def __eq__(self, other):
        if not isinstance(other, Axis):
            return NotImplemented
        mine = (self.name, self.unit, self.scale, self.offset, self.is_binned)
        theirs = (other.name, other.unit, other.scale, other.offset, other.is_binned)
        return mine == theirs and np.array_equal(self.values, other.values)

    @property
    def is_uniform(self):
        """Whether all steps are equal."""
        return self.scale is not None

    def crop(self, start, stop):
        """Keep the indices from `start` up to, not including, `stop`."""
        if not self.is_uniform:
            return replace(self, values=self.values[start:stop])
        offset = self.offset + self.scale * start
        return replace(self, values=self.values[start:stop], offset=float(offset))

    def rebin(self, factor):
        """Merge every `factor` neighbours; a rest that fills no bin is left out."""
        size = len(self) // factor
        if self.is_uniform:
            return Axis.uniform(
                size,
                scale=self.scale * factor,
                offset=self.offset + self.scale * (factor - 1) / 2,
                name=self.name,
                unit=self.unit,
                is_binned=self.is_binned,
            )
        centres = self.values[: size * factor].reshape(size, factor).mean(axis=1)
        return replace(self, values=centres)

    def window(self, low, high):
        """Return the slice of indices whose values lie in ``[low, high]``."""
        inside = np.flatnonzero((self.values >= low) & (self.values <= high))
        if inside.size == 0:
            raise ValueError(
                f"window ({low:g}, {high:g}) {self.unit} holds no channel; the {self.name} axis "
                f"runs from {self.values.min():g} to {self.values.max():g} {self.unit}."
            )
        return slice(int(inside[0]), int(inside[-1]) + 1)

    def label(self):
        """Return the text to write along the axis, such as ``"energy (keV)"``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def length_scale(axis):
    """Return the pixel size of an axis in the unit that reads best over its length.

    Parameters
    ----------
    axis : Axis
        A navigation axis.

    Returns
    -------
    dict
        ``size`` and ``unit``; empty where the steps are uneven or have no unit of length.

    Examples
    --------
    >>> length_scale(Axis.uniform(200, scale=0.002, unit="µm"))
    {'size': 2.0, 'unit': 'nm'}
    """
    metres = _metres(axis.unit)
    if not axis.is_uniform or metres is None:
        return {}
    size = abs(axis.scale) * metres
    span = size * len(axis)
    unit = next((u for u in ("mm", "µm", "nm") if span >= METRES[u]), "pm")
    return {"size": round(size / METRES[unit], 9), "unit": unit}


def _metres(unit):
    """Return the length of a unit, or None; µ and Å have two code points each that look alike."""
    spelled = SPELLINGS.get(unit, unit)
    alike = {unicodedata.normalize("NFKC", name): metres for name, metres in METRES.items()}
    return alike.get(unicodedata.normalize("NFKC", spelled))


def _spoken(name):
    """Return what an error calls the axis."""
    return f"the {name} axis" if name else "axis"


def _rounding(values):
    """Return the relative error of positions that were computed in the dtype in which they come."""
    dtype = np.asarray(values).dtype
    return 4 * np.finfo(dtype).eps if dtype.kind == "f" else 0.0  # of a product and a sum


def _check_line(values, scale, offset, name):
    """Refuse a scale and offset that are not those of the values."""
    if scale is None and offset is None:
        return
    is_line = scale not in (None, 0) and offset is not None
    if is_line:
        line = offset + scale * np.arange(values.size)
        # half a step is far above rounding, and far below another calibration
        is_line = bool((np.abs(values - line) < abs(scale) / 2).all())
    if not is_line:
        raise ValueError(
            f"{name} has scale={scale} and offset={offset}, which do not make its values; use "
            "em.Axis.uniform(size, scale=..., offset=...), or leave both out."
        )


def check_axis_values(values, name):
    """Return a copy of `values` as float64, or say why they are no axis."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} must be a 1-D array of real numbers, one for each index; "
            f"got shape {values.shape} and dtype {values.dtype}."
        )
    values = values.astype(np.float64)
    steps = np.diff(values)
    if not np.isfinite(values).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(
            f"{name} must rise or fall strictly and hold finite values only; sort it first, "
            "together with the counts."
        )
    return values
