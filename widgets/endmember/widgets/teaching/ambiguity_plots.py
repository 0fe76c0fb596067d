"""Curves of a spectrum that is turned into another, and of what that costs."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot, filled
from endmember.widgets.spectrum_plot import even_ticks
from endmember.widgets.teaching.ambiguity_state import POSITIONS

DIGITS = 3  # of what the page draws
ALONG = "how far (non-negativity allows −1 to 1)"
BESIDE = {"flex": "1 1 320px", "min_width": "0"}
TICKS = np.arange(-1.5, 2, 0.5)
MARGIN = 0.1  # beyond the last positions, for the point


class TurnedPlot(CurvePlot):
    """The spectrum that is turned, what it was, and the band of what non-negativity allows."""

    def __init__(self, state):
        self._state = state
        axis = state.image.axis.astype(float)

        def marks(scales):
            shared = {"x": axis, "scales": scales}
            flat, said = np.zeros(axis.size), {"display_legend": True, **shared}
            self.band = bq.Lines(y=np.zeros((2, axis.size)), **shared, **filled(BLUE, 0.3))
            self.given = bq.Lines(
                y=flat,
                colors=[GREY],
                line_style="dashed",
                stroke_width=1.2,
                labels=["as given"],
                **said,
            )
            self.turned = bq.Lines(
                y=flat, colors=[BLUE], stroke_width=1.8, labels=["turned"], **said
            )
            self.below = bq.Lines(y=np.zeros((2, axis.size)), **shared, **filled(ORANGE, 0.9))
            return [self.band, self.given, self.turned, self.below]

        super().__init__(axis, state.image.signal_axis.label(), marks, height=260)

    def follow(self, steps, found):
        """Let the curves follow the slider; `found` holds what every turn and step makes."""
        state, n_turns = self._state, len(found)
        spectra = np.array([[turned.spectrum for turned in row] for row in found])
        below = np.stack([np.zeros_like(spectra), np.minimum(spectra, 0)], axis=2)
        steps.drive(self.turned, "y", spectra, by=["turn", "step"], digits=DIGITS)
        steps.drive(self.below, "y", below, by=["turn", "step"], digits=DIGITS)
        bands = np.array([state.band(k) for k in range(n_turns)])
        steps.drive(self.band, "y", bands, by=["turn"], digits=DIGITS)
        given = state.components[[i for i, _ in state.turns]]
        steps.drive(self.given, "y", given, by=["turn"], digits=DIGITS)
        self._reach(spectra)


class SlidePlot(Plot):
    """A number along the slider, shaded where non-negativity allows it, with a point where it is.

    Parameters
    ----------
    label : str
        What the number is.
    """

    def __init__(self, label):
        ends = {"min": POSITIONS[0] - MARGIN, "max": POSITIONS[-1] + MARGIN}
        scales = {
            "x": bq.LinearScale(**ends, allow_padding=False),
            "y": bq.LinearScale(min=0.0, max=1.0, allow_padding=False),
        }
        self._allowed = bq.Lines(
            x=np.array([-1.0, 1.0]), y=np.zeros((2, 2)), scales=scales, **filled(BLUE, 0.2)
        )
        self.line = bq.Lines(
            x=POSITIONS, y=np.zeros(POSITIONS.size), scales=scales, colors=[ORANGE], stroke_width=2
        )
        self.point = bq.Scatter(
            x=np.zeros(1), y=np.zeros(1), scales=scales, colors=[ORANGE], default_size=90
        )
        marks, layout = [self._allowed, self.line, self.point], {**BESIDE, "max_width": "490px"}
        super().__init__(marks, scales, (ALONG, label), height=170, layout=layout)
        self.x_axis.tick_values = TICKS

    def follow(self, steps, values):
        """Let line and point follow; `values` are of shape (n_turns, n_steps)."""
        top = 1.3 * max(float(values.max()), 1e-3)
        self.y_axis.scale.max, self.y_axis.tick_values = top, even_ticks(top, most=4)
        self._allowed.y = np.array([[0.0, 0.0], [top, top]])
        steps.drive(self.line, "y", values, by=["turn"])
        steps.drive(self.point, "y", values[..., None], by=["turn", "step"])
        steps.drive(self.point, "x", POSITIONS[:, None], by=["step"])
