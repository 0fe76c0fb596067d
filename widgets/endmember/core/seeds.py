"""Seeds: whole numbers from which random work can be repeated."""

from __future__ import annotations

from numbers import Integral

HIGHEST = 2**32 - 1  # that scikit-learn takes


def as_seed(seed):
    """Return a seed as a whole number, or refuse it.

    None would draw a new one each time, a result that nobody can repeat.
    """
    is_whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if not is_whole or not 0 <= seed <= HIGHEST:
        raise ValueError(
            f"seed is {seed!r}; pass a whole number from 0 to {HIGHEST}, the same one for the same "
            "result."
        )
    return int(seed)
