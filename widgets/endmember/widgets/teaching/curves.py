"""A few curves along one axis."""

from __future__ import annotations

from itertools import pairwise

import bqplot as bq
import numpy as np

from endmember.widgets.map_traits import label_colors
from endmember.widgets.plot import Plot
from endmember.widgets.scree_plot import log_ticks

MARGIN_LOG = 1.25  # by which a logarithmic axis goes beyond its curves


class Curves(Plot):
    """Curves along one axis, readable on light pages and on dark ones.

    Parameters
    ----------
    x : array_like of shape (n,)
        Where the values stand, rising, in the unit that `labels` name.
    curves : dict of str to array_like of shape (n,)
        Values by their names, which the legend shows.
    labels : tuple of str
        What stands along the x and the y axis, units included.
    is_log : bool, default=False
        Whether both axes are logarithmic, on which a power law is a straight line.

    Raises
    ------
    ValueError
        Where lengths differ, a number is not finite, or is not above 0 on a logarithmic axis.

    Examples
    --------
    >>> import endmember as em
    >>> figure = em.teaching.Curves([0, 1, 2], {"square": [0, 1, 4]}, labels=("x", "y"))
    >>> [line.labels for line in figure.marks]
    [['square']]
    """

    def __init__(self, x, curves, *, labels, is_log=False):
        x = np.asarray(x, dtype=float)
        if x.ndim != 1 or x.size < 2 or any(not low < high for low, high in pairwise(x)):
            raise ValueError(f"x has shape {x.shape}; give two or more rising numbers.")
        curves = {name: _checked(name, values, x.shape) for name, values in curves.items()}
        scale = bq.LogScale if is_log else bq.LinearScale
        scales = {"x": scale(min=x[0], max=x[-1]), "y": scale()}
        colors = label_colors(len(curves))
        marks = [
            bq.Lines(
                x=x,
                y=values,
                scales=scales,
                colors=[color],
                labels=[name],
                display_legend=True,
            )
            for (name, values), color in zip(curves.items(), colors, strict=True)
        ]
        super().__init__(marks, scales, labels, left=76, tick_format="~g")
        if is_log:
            _fit_log_axis(self.x_axis, x)
            _fit_log_axis(self.y_axis, np.concatenate(list(curves.values())), MARGIN_LOG)


def _checked(name, values, shape):
    values = np.asarray(values, dtype=float)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(
            f"{name!r} has shape {values.shape}, but x has {shape}; give a finite number for each."
        )
    return values


def _fit_log_axis(axis, values, margin=1.0):
    """Let an axis hold some values."""
    if values.min() <= 0:
        raise ValueError("a logarithmic axis has no 0; give numbers above it.")
    low, high = values.min() / margin, values.max() * margin
    axis.scale.min, axis.scale.max = low, high
    axis.tick_values = log_ticks(low, high)
