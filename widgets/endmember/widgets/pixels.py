"""Pixels as a person points at them: ``(row, column)``, as NumPy indexes a map."""

from __future__ import annotations

import traitlets as tl


def check_inside(pixel, shape):
    """Return a pixel of the map, or None as it is; refuse any other."""
    if pixel is None or all(0 <= i < n for i, n in zip(pixel, shape, strict=True)):
        return pixel
    raise tl.TraitError(f"pixel {pixel} lies outside the map of shape {shape}.")
