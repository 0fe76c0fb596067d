"""Checks of what simulators are given: one clear error before any work is done."""

from __future__ import annotations

from math import isfinite
from numbers import Integral, Real


def as_shape(shape, *, n_axes=2):
    """Return a shape as a tuple of whole numbers from 1 up."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    is_right = len(sizes) == n_axes and all(
        isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in sizes
    )
    if not is_right:
        raise ValueError(
            f"shape is {shape!r}; expected {n_axes} whole numbers from 1 up, as {(64,) * n_axes}."
        )
    return tuple(int(n) for n in sizes)


def as_count(value, name, *, least=1, most=None):
    """Return a whole number within its limits."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        up_to = "up" if most is None else f"to {most}"
        raise ValueError(f"{name} is {value!r}; expected a whole number from {least} {up_to}.")
    return int(value)


def as_number(value, name, unit="", *, above=None, least=None, most=None):
    """Return a number within its limits, or say which they are."""
    is_right = isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    if is_right and above is not None:
        is_right = value > above
    if is_right and least is not None:
        is_right = value >= least
    if is_right and most is not None:
        is_right = value <= most
    if not is_right:
        limits = [
            f"above {above}" if above is not None else "",
            f"from {least}" if least is not None else "",
            f"up to {most}" if most is not None else "",
        ]
        wanted = " ".join(filter(None, ["a number", *limits, unit]))
        raise ValueError(f"{name} is {value!r}; expected {wanted}.")
    return float(value)


def as_dose(dose):
    """Return a dose: expected counts in a pixel."""
    return as_number(dose, "dose", "counts a pixel", above=0)


def as_choice(value, name, options):
    """Return one of the options."""
    if value not in options:
        raise ValueError(f"{name} is {value!r}; choose one of {list(options)}.")
    return value
