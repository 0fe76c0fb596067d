"""The counts of a pixel of a mixture, their model, and what it is made of."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.palette import GREY, ORANGE

PART_COLORS = [color for color in LABEL_COLORS if color not in (ORANGE, GREY)]
HEADROOM = 1.08  # of the highest channel


class MixingPlot(CurvePlot):
    """Counts of a pixel, their model, and its parts.

    Parameters
    ----------
    state : Mixing
        What it shows.
    """

    def __init__(self, state):
        self._state = state
        self._ones = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)  # counts at a dose of 1
        axis, n_components = state.image.axis.astype(float), state.parts.shape[1]

        def marks(scales):
            of_model = {"x": axis, "scales": {**scales, "y": self._ones}}
            flat = np.zeros(axis.size)
            self.counts = bq.Lines(
                x=axis,
                y=flat,
                scales=scales,
                colors=[GREY],
                stroke_width=1,
                labels=["counts"],
            )
            self.model = bq.Lines(
                y=flat, colors=[ORANGE], stroke_width=2.5, labels=["model"], **of_model
            )
            self.parts = bq.Lines(
                y=np.zeros((n_components, axis.size)),
                colors=part_colors(n_components),
                stroke_width=1.5,
                **of_model,
            )
            self.window = bq.Lines(
                x=np.zeros(2),
                y=np.zeros(2),
                scales={**scales, "y": bq.LinearScale(min=0.0, max=1.0)},
                colors=[GREY],
                line_style="dashed",
                stroke_width=1,
                visible=False,
            )
            return [self.counts, self.parts, self.model, self.window]

        super().__init__(axis, state.image.signal_axis.label(), marks, height=300)

    def follow(self, steps):
        """Let the curves follow the pointer, and the height the dose."""
        state, axis = self._state, self.axis
        heights = HEADROOM * state.counts.max(axis=(1, 2))
        steps.drive(self._y, "max", heights, by=["dose"])
        steps.drive(self._ones, "max", heights / state.doses, by=["dose"])
        steps.drive(self.counts, "y", state.counts, by=["dose", "pixel"])
        steps.drive(self.model, "y", state.model, by=["pixel"], digits=3)
        steps.drive(self.parts, "y", state.parts, by=["pixel"], digits=3)
        middles = np.array([axis[window].mean() for window in state.windows])
        steps.drive(self.window, "x", np.stack([middles, middles], axis=1), by=["channels"])
        self.window.y = np.array([0.0, 1.0])
        steps.drive(self.window, "visible", [k > 0 for k in range(len(middles))], by=["channels"])


def part_colors(n_components):
    """Return a colour for each endmember; orange and grey are taken by model and counts."""
    return [PART_COLORS[k % len(PART_COLORS)] for k in range(n_components)]
