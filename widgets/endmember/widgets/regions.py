"""Regions as a person draws them on a map, and the pixels inside."""

from __future__ import annotations

import numpy as np

FEWEST = {"rectangle": 2, "lasso": 3}  # points that a region of that kind needs


def check_region(region):
    """Return a region in plain lists and floats, ready to travel; refuse what is none.

    Parameters
    ----------
    region : dict
        ``{"kind": "rectangle", "points": [[row, column], ...]}``, or ``"lasso"``; empty for none.

    Returns
    -------
    dict
        The region with its points as lists of float; empty where it was.

    Raises
    ------
    ValueError
        Where the kind is another one, or the points are too few, not in pairs or not finite.
    """
    if not region:
        return {}
    kind = region.get("kind")
    if kind not in FEWEST:
        raise ValueError(f'region has the kind {kind!r}; choose "rectangle" or "lasso".')
    try:
        points = np.asarray(region.get("points", []), dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"region {kind} has points that are no [row, column] pairs.") from None
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < FEWEST[kind]:
        raise ValueError(
            f"region {kind} has points of shape {points.shape}; give at least {FEWEST[kind]} pairs "
            "[row, column]."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"region {kind} has points that are not finite; leave them out.")
    return {"kind": kind, "points": points.tolist()}


def mask_of(region, shape):
    """Return which pixels of a map lie inside a region.

    A pixel counts where its centre is inside, and the centre of pixel ``(row, column)`` is at
    just these numbers, as NumPy indexes it. A rectangle includes the pixels of its corners. A
    lasso closes by itself; where it crosses itself the even-odd rule holds, and of the centres
    exactly on its line those at its lower rows and columns count.

    Parameters
    ----------
    region : dict
        ``{"kind": "rectangle", "points": [[row, column], ...]}`` with two opposite corners, or
        ``"lasso"`` with at least three; in pixels. An empty one holds no pixel.
    shape : tuple of int
        Rows and columns of the map.

    Returns
    -------
    ndarray of shape (rows, columns)
        True inside; of dtype bool.

    Raises
    ------
    ValueError
        Where the region is none, or the shape is not one of rows and columns.

    Examples
    --------
    >>> from endmember.widgets.regions import mask_of
    >>> mask_of({"kind": "rectangle", "points": [[0, 1], [1, 2]]}, (3, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is {shape}; a map has at least one row and one column.")
    region = check_region(region)
    if not region:
        return np.zeros(shape, dtype=bool)
    inside = {"rectangle": _inside_rectangle, "lasso": _inside_lasso}[region["kind"]]
    return inside(np.array(region["points"]), shape)


def _inside_rectangle(points, shape):
    low, high = points.min(axis=0), points.max(axis=0)
    rows, columns = (
        (at >= start) & (at <= stop)
        for at, start, stop in zip(map(np.arange, shape), low, high, strict=True)
    )
    return rows[:, None] & columns


def _inside_lasso(points, shape):
    """Turn every pixel left of an edge over: an odd number of turns is inside."""
    mask, columns = np.zeros(shape, dtype=bool), np.arange(shape[1])
    for (row, column), (next_row, next_column) in zip(points, np.roll(points, -1, 0), strict=True):
        start, stop = np.clip(np.ceil(sorted([row, next_row])), 0, shape[0]).astype(int)
        if start == stop:
            continue  # the edge passes between two rows of centres
        along = (np.arange(start, stop) - row) / (next_row - row)
        crossings = column + along * (next_column - column)
        mask[start:stop] ^= columns < crossings[:, None]
    return mask
