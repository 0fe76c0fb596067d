"""Tables of what a component browser shows, as CSV."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np


def components_csv(state):
    """Return the spectra of the components that are shown, one row for each channel.

    Parameters
    ----------
    state : BrowserState
        Components are turned as chosen, in the chosen order; where there are bands, each is
        followed by their ends.
    """
    heads, columns = [state.axis_label or "channel"], [state.axis]
    for k in state.shown:
        heads.append(state.names[k])
        columns.append(state.components[k])
        if state.bands is not None:
            heads += [f"{state.names[k]}, {end}" for end in ("low end", "high end")]
            columns += [end[k] for end in state.bands]
    return _csv(heads, zip(*(np.asarray(c, float).tolist() for c in columns), strict=True))


def abundances_csv(state):
    """Return what every region holds of the components that are shown, one row for each.

    The error of a mean follows from how the pixels differ; with a bootstrap, the error of a single
    pixel is beside it. Cells of what is not known are empty.
    """
    masks = state.masks()
    if not masks:
        raise ValueError("there is no region; draw one on the map or on the scatter first.")
    has_draws = state.found.stderr is not None
    heads = ["region", "pixels"]
    for k in state.shown:
        heads += [f"mean of {state.names[k]}", f"error of the mean of {state.names[k]}"]
        heads += [f"error of a pixel of {state.names[k]}, drawn"] * has_draws
    rows = [_row(state, name, mask.reshape(state.shape), has_draws) for name, mask in masks.items()]
    return _csv(heads, rows)


def _row(state, name, mask, has_draws):
    amounts = state.amounts(mask)
    cells = [name, int(np.count_nonzero(mask))]
    for k in state.shown:
        amount = amounts[k] if amounts else None
        values = [amount.mean, amount.error, amount.pixel_error] if amount else [np.nan] * 3
        cells += values[: 2 + has_draws]
    return cells


def _csv(heads, rows):
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([["" if value != value else value for value in row] for row in rows])
    return text.getvalue()
