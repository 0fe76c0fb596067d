"""What a regression explorer is made of, besides maps."""

from __future__ import annotations

from pathlib import Path

import anywidget
import bqplot as bq
import numpy as np
import traitlets as tl
from ipywidgets import widget_serialization

from endmember.widgets.component_plots import MODEL, CurvePlot
from endmember.widgets.palette import GREY, ORANGE

HERE = Path(__file__).parent
SIGMAS = 6.0  # of the noise: as far as residuals are drawn
LIKELY = 2.0  # within as many lie 95 % of them where noise is all
STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)  # of ticks, times a power of ten


class Reading(anywidget.AnyWidget):
    """A table of what a pixel holds; the page writes it, and draws the curves that follow.

    Attributes
    ----------
    names, colors : list of str
        Of the references.
    axis, references : bytes
        As float64: places of channels, and spectra one after the other, in counts.
    curves : dict of list of Lines
        ``"counts"``, which is read; ``"model"`` and ``"parts"``, which are drawn, and
        ``"residuals"``: in the window and in all channels.
    reading : list of float
        Coefficients of the pixel, their standard errors and chi-square; None where there is none.
    channels : list of int
        The first channel that is fitted, and the one after the last.
    place, columns : int
        Number of the pixel, row by row, and columns of the map.
    """

    _esm = HERE / "regression.js"
    _css = HERE / "regression.css"

    names = tl.List(tl.Unicode()).tag(sync=True)
    colors = tl.List(tl.Unicode()).tag(sync=True)
    axis = tl.Bytes().tag(sync=True)
    references = tl.Bytes().tag(sync=True)
    curves = tl.Dict().tag(sync=True, **widget_serialization)
    reading = tl.List(tl.Float(allow_none=True)).tag(sync=True)
    channels = tl.List(tl.Int()).tag(sync=True)
    place = tl.Int().tag(sync=True)
    columns = tl.Int(1).tag(sync=True)


class ResidualPlot(CurvePlot):
    """What the model leaves of the counts, in units of its noise; grey outside the window."""

    def __init__(self, axis, label):
        ends = np.array([axis.min(), axis.max()])

        def marks(scales):
            self.noise = bq.Lines(
                x=ends,
                y=np.array([[-LIKELY, -LIKELY], [LIKELY, LIKELY]]),
                scales=scales,
                colors=[GREY] * 2,
                fill="between",
                fill_colors=[GREY] * 2,
                fill_opacities=[0.25],
                opacities=[0.0],
            )
            curve = {"x": ends, "y": np.zeros(2), "scales": scales}
            self.outside = bq.Lines(colors=[GREY], stroke_width=1, **curve)
            self.inside = bq.Lines(colors=[MODEL], stroke_width=1.2, **curve)
            return [self.noise, self.outside, self.inside]

        super().__init__(axis, label, marks, height=170)
        self._set_ends(-SIGMAS, SIGMAS)
        self._counts.label = "residual (noise = 1)"


class Chi2Plot(bq.Figure):
    """How many pixels have which reduced chi-square, and how many noise alone expects."""

    def __init__(self):
        x, y = (bq.LinearScale(min=0.0, allow_padding=False) for _ in range(2))
        look = {"x": np.zeros(2), "y": np.zeros(2), "scales": {"x": x, "y": y}}
        self.counted = bq.Lines(
            colors=[GREY],
            stroke_width=1,
            fill="bottom",
            fill_colors=[GREY],
            fill_opacities=[0.4],
            **look,
        )
        self.expected = bq.Lines(colors=[ORANGE], **look)
        plain = {"grid_lines": "none", "tick_format": "~g"}
        super().__init__(
            marks=[self.counted, self.expected],
            axes=[
                bq.Axis(
                    scale=x,
                    label="reduced chi-square",
                    label_offset="2.4em",
                    **plain,
                ),
                bq.Axis(scale=y, label="pixels", side="left", label_offset="3.3em", **plain),
            ],
            fig_margin={"top": 12, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "210px"},
        )
        self.add_class("endmember-figure")


def four_ticks(high):
    """Return four round numbers from zero, the last of them not far below `high`."""
    power = 10.0 ** np.floor(np.log10(high / 3))
    step = max(step for step in STEPS if step * power <= high / 3)
    return step * power * np.arange(4)
