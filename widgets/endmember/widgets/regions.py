"""Regions as a person draws them on a map, and the pixels inside."""

from __future__ import annotations

import numpy as np

FEWEST = {"rectangle": 2, "lasso": 3, "line": 2}  # points that a region of that kind needs
KINDS = '"rectangle", "lasso" or "line"'
ROUNDING = 1e-9  # of places in pixels: far less than a hand can tell


def check_region(region):
    """Return a region in plain lists and floats, ready to travel; refuse what is none.

    Parameters
    ----------
    region : dict
        ``{"kind": "rectangle", "points": [[row, column], ...]}``, or ``"lasso"``, or ``"line"``
        with two points and, if it is wider than a pixel, a ``"width"``; empty for none.

    Returns
    -------
    dict
        The region with its points as lists of float, a line with its width; empty where it was.

    Raises
    ------
    ValueError
        Where the kind is another one, where the points are too few, not in pairs or not finite,
        where the ends of a line are one place, or where a width is no whole number from 1 up or
        that of something else than a line.
    """
    if not region:
        return {}
    kind = region.get("kind")
    if kind not in FEWEST:
        raise ValueError(f"region has the kind {kind!r}; choose {KINDS}.")
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
    return {"kind": kind, "points": points.tolist(), **_width_of(region, kind, points)}


def _width_of(region, kind, points):
    """Return the width of a line; refuse one of anything else, and lines that are none."""
    if kind != "line":
        if "width" in region:
            raise ValueError(f"region {kind} has a width; only a line has one, leave it out.")
        return {}
    if len(points) > 2 or (points[0] == points[1]).all():
        raise ValueError(
            f"region line has the points {points.tolist()}; give its two ends, which differ."
        )
    width = region.get("width", 1)
    if not isinstance(width, (int, np.integer)) or isinstance(width, bool) or width < 1:
        raise ValueError(f"region line has the width {width!r}; give a whole number from 1 up.")
    return {"width": int(width)}


def mask_of(region, shape):
    """Return which pixels of a map lie inside a region.

    A pixel counts where its centre is inside, and the centre of pixel ``(row, column)`` is at
    just these numbers, as NumPy indexes it. A rectangle includes the pixels of its corners. A
    lasso closes by itself; where it crosses itself the even-odd rule holds, and of the centres
    exactly on its line those at its lower rows and columns count. A line holds the pixels of
    :func:`positions_along`.

    Parameters
    ----------
    region : dict
        ``{"kind": "rectangle", "points": [[row, column], ...]}`` with two opposite corners, or
        ``"lasso"`` with at least three, or ``"line"`` with two and a ``"width"``; in pixels. An
        empty one holds no pixel.
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
    if region["kind"] == "line":
        mask = np.zeros(shape, dtype=bool)
        mask[tuple(positions_along(region, shape)[0].T)] = True
        return mask
    inside = {"rectangle": _inside_rectangle, "lasso": _inside_lasso}[region["kind"]]
    return inside(np.array(region["points"]), shape)


def positions_along(region, shape):
    """Return the pixels of a line, in the order of their distance from its first point.

    A pixel counts where its centre lies beside the line, no further from it than half its width
    and not beyond its ends: a line of width 1 is nowhere broken. Of the centres at just half the
    width only those on one side count, the same whichever end comes first.

    Parameters
    ----------
    region : dict
        ``{"kind": "line", "points": [[row, column], [row, column]], "width": 1}``, in pixels.
    shape : tuple of int
        Rows and columns of the map; what lies outside is left out.

    Returns
    -------
    pixels : ndarray of shape (n_pixels, 2)
        Row and column of each, of dtype int.
    distances : ndarray of shape (n_pixels,)
        How far along the line each lies, from 0 at its first point; in pixels.

    Raises
    ------
    ValueError
        Where the region is no line.

    Examples
    --------
    >>> from endmember.widgets.regions import positions_along
    >>> line = {"kind": "line", "points": [[0, 0], [3, 4]]}
    >>> pixels, distances = positions_along(line, (9, 9))
    >>> pixels.tolist()
    [[0, 0], [1, 1], [1, 2], [2, 2], [2, 3], [3, 4]]
    >>> distances.round(1).tolist()
    [0.0, 1.4, 2.2, 2.8, 3.6, 5.0]
    """
    region = check_region(region)
    if region.get("kind") != "line":
        kind = region.get("kind", "empty")
        raise ValueError(f"region is {kind!r}; positions along one need a line.")
    ends = np.array(region["points"])
    pixels = _pixels_around(ends, region["width"], shape)
    along, inside = _in_band(pixels - ends[0], ends[1] - ends[0], region["width"] / 2)
    order = np.flatnonzero(inside)[np.argsort(along[inside], kind="stable")]
    return pixels[order], along[order].clip(0)


def _in_band(places, end, half):
    """Return how far along a line from the origin places lie, and which are beside it."""
    length = np.hypot(*end)
    down, right = end / length if tuple(end) > (0, 0) else -end / length  # one side both ways
    along = places @ (end / length)
    aside = places @ np.array([right, -down])
    inside = (along >= -ROUNDING) & (along <= length + ROUNDING)
    return along, inside & (aside > ROUNDING - half) & (aside <= half + ROUNDING)


def _pixels_around(ends, margin, shape):
    """Return rows and columns of all pixels in the rectangle of two ends, and a margin more."""
    low = np.clip(np.floor(ends.min(axis=0)) - margin, 0, shape).astype(int)
    high = np.clip(np.ceil(ends.max(axis=0)) + margin + 1, 0, shape).astype(int)
    return np.argwhere(np.ones(np.maximum(high - low, 0), dtype=bool)) + low


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
