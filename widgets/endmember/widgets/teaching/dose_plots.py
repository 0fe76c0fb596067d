"""Counts in two lines, and what their ratio in clusters is at every dose."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.cluster_plots import BESIDE
from endmember.widgets.palette import GREY
from endmember.widgets.plot import Plot

MOST_DOTS = 1200  # pixels in the scatter
MOST_DOSES, N_TICKS = 6, 5  # that are labelled, and on the axes of the scatter
ROOM = 0.06  # beyond the outermost ratios
BY = ["dose", "ordered"]  # the controls that clusters follow


class LinesScatter(Plot):
    """Counts of pixels in two lines, and straight lines for the ratio in each cluster.

    Parameters
    ----------
    state : DoseState
        Where they come from.
    colors : list of str
        Of the clusters.
    """

    def __init__(self, state, colors):
        self._state = state
        above, below = state.names
        scales = {name: bq.LinearScale(allow_padding=False) for name in "xy"}
        color = bq.ColorScale(min=0, max=max(1, state.n_clusters - 1), colors=colors)
        self.dots = bq.Scatter(
            x=[0.0],
            y=[0.0],
            color=[0],
            scales={**scales, "color": color},
            default_size=8,
            opacities=[0.6],
        )
        self.rays, self.held_rays = _ratio_lines(scales, colors, np.zeros(2))
        marks = [self.dots, self.rays, self.held_rays]
        super().__init__(marks, scales, (f"{below} counts", f"{above} counts"), layout=BESIDE)

    def follow(self, steps):
        """Let the page draw the pixels at every dose, in the colours of their clusters."""
        state, drive = self._state, steps.drive
        rng = np.random.default_rng(state.seed)
        n_pixels = len(state.counts[0])
        shown = np.sort(rng.choice(n_pixels, min(n_pixels, MOST_DOTS), replace=False))
        spread = rng.uniform(-0.4, 0.4, size=(len(shown), 2))  # of whole counts, to be seen apart
        dots = np.abs(np.stack([counts[shown] + spread for counts in state.counts]))
        drive(self.dots, "x", dots[..., 1], by=["dose"], digits=4)
        drive(self.dots, "y", dots[..., 0], by=["dose"], digits=4)
        drive(self.dots, "color", state.of_all(lambda *at: state.labels(*at)[shown]), by=BY)
        across = self._drive_axis(drive, self.x_axis, dots[..., 1])
        self._drive_axis(drive, self.y_axis, dots[..., 0])
        for mark, ratio in ((self.rays, state.found), (self.held_rays, state.held_out)):
            slopes = np.array(state.of_all(ratio))
            drive(mark, "x", across, by=["dose"])
            drive(mark, "y", slopes[..., None] * across[:, None, None, :], by=BY)
        drive(self.held_rays, "visible", [False, True], by=["held"])

    def _drive_axis(self, drive, axis, values):
        """Let an axis hold the counts of every dose; return its ends."""
        ticks = np.array([_ticks(at.min(), at.max()) for at in values])
        drive(axis, "tick_values", ticks, by=["dose"])
        drive(axis.scale, "min", ticks[:, 0].tolist(), by=["dose"])
        drive(axis.scale, "max", ticks[:, -1].tolist(), by=["dose"])
        return ticks[:, [0, -1]]


class RatioPlot(Plot):
    """The ratio in each cluster against dose, beside that of the held-out half and the truth.

    Parameters
    ----------
    state, colors
        As of :class:`LinesScatter`.
    """

    def __init__(self, state, colors):
        self._state = state
        above, below = state.names
        doses, truth = np.array(state.doses), state.true_ratios
        every = [curve(i) for i in range(len(doses)) for curve in (state.found, state.held_out)]
        low, high = float(np.nanmin(every)), float(np.nanmax(every))
        room = ROOM * (high - low) or ROOM
        low, high = low - room, high + room
        ends = float(doses.min() / 1.5), float(doses.max() * 1.5)
        scales = {
            "x": bq.LogScale(min=ends[0], max=ends[1]),
            "y": bq.LinearScale(min=low, max=high, allow_padding=False),
        }
        grey = {"scales": scales, "colors": [GREY]}
        self.at = bq.Lines(x=doses[[0, 0]], y=[low, high], stroke_width=1, **grey)
        levels = truth if truth.size else np.full(1, np.nan)
        self.truth = bq.Lines(
            x=np.tile(ends, (levels.size, 1)),
            y=np.tile(levels[:, None], 2),
            line_style="dotted",
            visible=bool(truth.size),
            **grey,
        )
        self.found, self.held_out = _ratio_lines(scales, colors, doses, marker="circle")
        marks = [self.at, self.truth, self.found, self.held_out]
        labels = (f"{below} counts a pixel", f"{above}/{below} in each cluster")
        super().__init__(marks, scales, labels, layout=BESIDE, tick_format="~g")
        self.x_axis.tick_values = doses[:: -(-len(doses) // MOST_DOSES)]

    def follow(self, steps):
        """Let the page number the clusters, and move the mark to the chosen dose."""
        state, n_doses = self._state, len(self._state.doses)
        steps.drive(self.at, "x", [[dose, dose] for dose in state.doses], by=["dose"])
        for mark, ratio in ((self.found, state.found), (self.held_out, state.held_out)):
            curves = [[ratio(i, ordered) for i in range(n_doses)] for ordered in (False, True)]
            steps.drive(mark, "y", np.array(curves).swapaxes(1, 2), by=["ordered"])
        steps.drive(self.held_out, "visible", [False, True], by=["held"])


def _ratio_lines(scales, colors, x, **style):
    """Return lines for the counts that were clustered, and dashed ones for the other half."""
    y = np.zeros((len(colors), len(x)))
    shared = {"x": x, "y": y, "scales": scales, "colors": colors, "marker_size": 24, **style}
    return (
        bq.Lines(stroke_width=2, **shared),
        bq.Lines(line_style="dashed", stroke_width=2, visible=False, **shared),
    )


def _ticks(low, high):
    """Return round numbers around two ends, as many of them for every dose."""
    power = 10.0 ** np.floor(np.log10(high - low) - 1)
    steps = power * np.multiply.outer([1, 10], [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8]).ravel()
    firsts = np.floor(low / steps) * steps
    i = np.argmax(firsts + (N_TICKS - 1) * steps >= high)
    return firsts[i] + steps[i] * np.arange(N_TICKS)
