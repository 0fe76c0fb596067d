"""The frame of all plots: two labelled axes and nothing else."""

from __future__ import annotations

import bqplot as bq

EM = 12.0  # CSS pixels of the height of a letter
TICKS = 24  # CSS pixels of the left margin that the numbers of the y axis take


class Plot(bq.Figure):
    """Marks between two labelled axes, without grid or toolbar.

    Parameters
    ----------
    marks : list of bqplot.Mark
        What it shows.
    scales : dict of bqplot.Scale
        ``"x"`` and ``"y"``.
    labels : tuple of str
        Of the x and the y axis, units included.
    height : int, default=280
        In CSS pixels.
    left, right : int
        Margins in CSS pixels; the label of the y axis stands at the outer end of the left one.
    layout : dict, optional
        More of it, such as ``flex``; by default as wide as there is room.
    **along
        More of the x axis, such as ``tick_format``.
    """

    def __init__(
        self, marks, scales, labels, *, height=280, left=66, right=16, layout=None, **along
    ):
        bare = {"grid_lines": "none"}
        self.x_axis = bq.Axis(
            scale=scales["x"], label=labels[0], label_offset="2.4em", **bare, **along
        )
        self.y_axis = bq.Axis(
            scale=scales["y"],
            side="left",
            label=labels[1],
            label_offset=f"{(left - TICKS) / EM:.2g}em",
            tick_format="~g",
            **bare,
        )
        super().__init__(
            marks=marks,
            axes=[self.x_axis, self.y_axis],
            display_toolbar=False,
            fig_margin={"top": 12, "bottom": 48, "left": left, "right": right},
            layout={"height": f"{height}px", **(layout or {"width": "auto"})},
        )
        self.add_class("endmember-figure")


def filled(color, opacity):
    """Return the look of an area between two curves that are not drawn themselves."""
    return {
        "colors": [color] * 2,
        "fill": "between",
        "fill_colors": [color] * 2,
        "fill_opacities": [opacity],
        "opacities": [0.0],
    }
