"""Seeds: whole numbers from which random work can be repeated."""

from __future__ import annotations

from numbers import Integral


def as_seed(seed):
    """Return a seed as a whole number, or refuse it.

    None would draw a new one each time, a result that nobody can repeat.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(
            f"seed is {seed!r}; pass a whole number from 0 up, the same one for the same result."
        )
    return int(seed)
