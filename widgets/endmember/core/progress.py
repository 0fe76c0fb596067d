"""How long work reports how far it has come, and how it is told to stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes
    ----------
    fraction : float
        Between 0 and 1, of the rounds that it may take.
    objective : float
        What is being lowered; NaN where nothing is.
    """

    fraction: float
    objective: float = float("nan")


class CancelledError(RuntimeError):
    """Say that a callback stopped a fit that has no answer before its end."""

    def __init__(self, message):
        super().__init__(message)


def check_callback(callback):
    """Refuse what cannot be called."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; pass a function of one argument.")


def is_stopped_by(callback, fraction, objective=float("nan")):
    """Report progress to a callback, if there is one; return whether it asks to stop."""
    return callback is not None and bool(callback(Progress(fraction, float(objective))))


def report(callback, fraction):
    """Report progress of work that is of no use before it is whole; raise where it is stopped."""
    if is_stopped_by(callback, fraction):
        raise CancelledError(f"the callback stopped the fit at {fraction:.0%}; nothing was fitted.")
