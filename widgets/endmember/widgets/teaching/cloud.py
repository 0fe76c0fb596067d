"""Points of a plane in the colours of the groups that they belong to."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.map_traits import label_colors
from endmember.widgets.plot import Plot

LEGEND = 110  # CSS pixels at the right


class Cloud(Plot):
    """Points of a plane, a colour for each group, readable on light pages and on dark ones.

    Parameters
    ----------
    x, y : array_like of shape (n_points,)
        Where the points are, in the units that `labels` name.
    groups : array_like of int, shape (n_points,)
        Group of every point, from 0 up; points below 0 are left out.
    names : sequence of str, optional
        Names of the groups, for the legend; their numbers by default.
    labels : tuple of str
        What stands along the x and the y axis, units included.

    Raises
    ------
    ValueError
        Where lengths differ, a number is not finite, or a group has no name.

    Examples
    --------
    >>> import endmember as em
    >>> figure = em.teaching.Cloud([0, 1, 2], [1, 0, 1], [0, 0, 1], labels=("x", "y"))
    >>> [dots.x.tolist() for dots in figure.marks]
    [[0.0, 1.0], [2.0]]
    """

    def __init__(self, x, y, groups, *, names=None, labels):
        points, groups = np.array([x, y], dtype=float), np.asarray(groups)
        if points.ndim != 2 or groups.shape != points.shape[1:] or not np.isfinite(points).all():
            raise ValueError(
                f"x and y have shape {points.shape[1:]}, groups {groups.shape}; give two finite "
                "numbers and a group for each point."
            )
        n_groups = int(groups.max(initial=-1)) + 1
        names = [str(k) for k in range(n_groups)] if names is None else list(names)
        if len(names) < n_groups:
            raise ValueError(f"names are {len(names)}, but there are {n_groups} groups.")
        scales = {"x": bq.LinearScale(), "y": bq.LinearScale()}
        colors = label_colors(len(names))
        marks = [
            bq.Scatter(
                x=points[0, groups == k],
                y=points[1, groups == k],
                scales=scales,
                colors=[colors[k]],
                default_size=14,
                opacities=[0.8],
                labels=[names[k]],
                display_legend=True,
            )
            for k in range(n_groups)
            if (groups == k).any()
        ]
        super().__init__(marks, scales, labels, height=340, right=LEGEND, tick_format="~g")
