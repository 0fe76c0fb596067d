"""A pixel before and after denoising, and what every rank gains and loses."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot, filled
from endmember.widgets.scree_plot import GREEN

TALLEST = 99.9  # per cent of the recorded counts that the plot, and colours of maps, reach
DIGITS = 2  # of curves that a page is told: noise is in the second one
HALF = {"flex": "1 1 320px", "min_width": "0"}


class DenoisedPlot(CurvePlot):
    """Counts of a pixel in grey, the truth and the model; the window is shaded."""

    def __init__(self, state):
        self._state, nothing = state, np.zeros(len(state.axis))
        top = float(np.percentile(state.counts.max(axis=1), TALLEST))

        def marks(scales):
            shared = {"x": state.axis, "y": nothing, "scales": scales, "display_legend": True}
            self.counts = bq.Lines(colors=[GREY], stroke_width=1.2, labels=["counts"], **shared)
            self.truth = bq.Lines(colors=[GREEN], stroke_width=1.6, labels=["truth"], **shared)
            self.model = bq.Lines(colors=[ORANGE], stroke_width=2.2, labels=["model"], **shared)
            shade = bq.Lines(
                x=np.array(state.window),
                y=np.array([[0.0, 0.0], [2 * top, 2 * top]]),
                scales=scales,
                **filled(GREY, 0.12),
            )
            return [shade, self.counts, self.truth, self.model]

        super().__init__(state.axis, state.image.signal_axis.label(), marks, height=230)
        self.y_axis.label = f"counts in {state.bin_width:g} {state.image.unit}"
        self._set_ends(-0.06 * top, 1.06 * top)

    def follow(self, steps):
        """Let the page draw the pixel that is pointed at, and its model of every rank."""
        state = self._state
        steps.drive(self.counts, "y", state.counts, by=["pixel"])
        steps.drive(self.truth, "y", state.expected, by=["pixel"], digits=DIGITS)
        steps.drive(self.model, "y", state.models, by=["rank", "pixel"], digits=DIGITS)


class ErrorPlot(Plot):
    """Error of all pixels and loss of the phase at every step, with marks at the chosen one."""

    def __init__(self, state):
        self._places = np.arange(1.0, len(state.steps) + 1)
        curves = [100 * state.error / state.raw_error, state.lost]
        ends = np.array([0.6, len(state.steps) + 0.4])
        low = min(0.0, *(float(curve.min()) for curve in curves))
        high = max(100.0, *(float(curve.max()) for curve in curves))
        scales = {
            "x": bq.LinearScale(min=ends[0], max=ends[1], allow_padding=False),
            "y": bq.LinearScale(min=1.05 * low, max=1.4 * high, allow_padding=False),
        }  # the legend stands above
        whole = {"x": ends, "y": np.full(2, 100.0), "scales": scales}
        raw = bq.Lines(colors=[GREY], stroke_width=1, line_style="dashed", **whole)
        kinds = [(BLUE, "error"), (ORANGE, f"{state.phase} lost")]
        lines, self.marks_at = [], []
        for (color, name), curve in zip(kinds, curves, strict=True):
            look = {"colors": [color], "scales": scales}
            named = {"labels": [name], "display_legend": True}
            # a line through the ranks, and a dot for what comes after them
            lines.append(bq.Lines(x=self._places[:-1], y=curve[:-1], **named, **look))
            lines.append(bq.Scatter(x=self._places[-1:], y=curve[-1:], default_size=30, **look))
            at = bq.Scatter(x=self._places[:1], y=curve[:1], stroke=GREY, default_size=90, **look)
            self.marks_at.append((at, curve))
        labels = ("rank", f"% of raw error, of {state.phase}")
        marks = [raw, *lines, *(at for at, _ in self.marks_at)]
        super().__init__(marks, scales, labels, height=320, left=60, layout=HALF)
        self.x_axis.tick_values = self._places
        self.x_axis.tick_labels = {str(n): str(step) for n, step in enumerate(state.steps, 1)}
        self.y_axis.tick_values = np.arange(20 * np.ceil(low / 20), high + 1, 20)

    def follow(self, steps):
        """Let the page move the marks to the chosen step."""
        for mark, values in self.marks_at:
            steps.drive(mark, "x", self._places[:, None], by=["rank"])
            steps.drive(mark, "y", values[:, None], by=["rank"])
