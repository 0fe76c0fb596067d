"""A few curves along one axis."""

from __future__ import annotations

from itertools import pairwise

import bqplot as bq
import numpy as np

from endmember.widgets.map_traits import label_colors

MARGIN = {"top": 12, "bottom": 48, "left": 76, "right": 16}


class Curves(bq.Figure):
    """Curves along one axis, readable on light pages and on dark ones.

    Parameters
    ----------
    x : array_like of shape (n,)
        Where the values stand, rising, in the unit that `labels` name.
    curves : dict of str to array_like of shape (n,)
        Values by their names, which the legend shows.
    labels : tuple of str
        What stands along the x and the y axis, units included.

    Raises
    ------
    ValueError
        Where lengths differ, or a number is not finite.

    Examples
    --------
    >>> import endmember as em
    >>> figure = em.teaching.Curves([0, 1, 2], {"square": [0, 1, 4]}, labels=("x", "y"))
    >>> [line.labels for line in figure.marks]
    [['square']]
    """

    def __init__(self, x, curves, *, labels):
        x = np.asarray(x, dtype=float)
        if x.ndim != 1 or x.size < 2 or any(not low < high for low, high in pairwise(x)):
            raise ValueError(f"x has shape {x.shape}; give two or more rising numbers.")
        scales = {"x": bq.LinearScale(min=x[0], max=x[-1]), "y": bq.LinearScale()}
        colors = label_colors(len(curves))
        marks = [
            bq.Lines(
                x=x,
                y=_checked(name, values, x.shape),
                scales=scales,
                colors=[color],
                labels=[name],
                display_legend=True,
            )
            for (name, values), color in zip(curves.items(), colors, strict=True)
        ]
        look = {"grid_lines": "none", "tick_format": "~g"}
        along = bq.Axis(scale=scales["x"], label=labels[0], label_offset="2.4em", **look)
        up = bq.Axis(scale=scales["y"], side="left", label=labels[1], label_offset="4.4em", **look)
        super().__init__(
            marks=marks,
            axes=[along, up],
            legend_location="top-right",
            display_toolbar=False,
            fig_margin=MARGIN,
            layout={"width": "auto", "height": "280px"},
        )
        self.add_class("endmember-figure")


def _checked(name, values, shape):
    values = np.asarray(values, dtype=float)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(
            f"{name!r} has shape {values.shape}, but x has {shape}; give a finite number for each."
        )
    return values
