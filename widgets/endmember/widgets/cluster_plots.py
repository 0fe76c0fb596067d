"""Curves of a cluster tuner: mean spectra, and what speaks for each number of clusters."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot
from endmember.widgets.spectrum_plot import even_ticks

BESIDE = {"flex": "1 1 280px", "min_width": "260px"}
NOWHERE = np.full((1, 2), np.nan)


class MeansPlot(Plot):
    """Mean spectra of clusters in their colours, and bands of two standard errors.

    The page draws them all, as many as there are clusters; see :meth:`MapView.set_label_sets`. The
    one under the pointer is thick.

    Parameters
    ----------
    image : SpectrumImage
        Gives the axis.
    """

    def __init__(self, image):
        axis = image.axis.astype(float)
        x = bq.LinearScale(min=float(axis.min()), max=float(axis.max()))
        self._y = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)
        of_axis = {"x": axis, "y": np.zeros(axis.size), "scales": {"x": x, "y": self._y}}
        self.chosen = bq.Lines(
            **of_axis,
            colors=[GREY],
            stroke_width=1,
            opacities=[0.7],
            labels=["chosen"],
            display_legend=True,
        )
        nowhere = {"x": NOWHERE, "y": NOWHERE, "scales": of_axis["scales"], "visible": False}
        self.bands = bq.Lines(**nowhere, opacities=[0.0], fill="inside")  # outlines are not drawn
        self.lines = bq.Lines(**nowhere, stroke_width=1.5, display_legend=True)
        self.hovered = bq.Lines(**nowhere, stroke_width=3)
        marks = [self.chosen, self.bands, self.lines, self.hovered]
        labels = (image.signal_axis.label(), "counts a pixel")
        wide = {**BESIDE, "flex": "3 1 420px"}
        super().__init__(marks, of_axis["scales"], labels, height=300, layout=wide)

    def fit(self, every):
        """Make room for the mean spectra of all numbers of clusters, which share one scale."""
        tops = [np.nan_to_num(f.means + 2 * np.nan_to_num(f.stderr_scatter)) for f in every]
        high = 1.05 * max([float(top.max()) for top in tops] + [1e-12])
        self._y.max = high
        self.y_axis.tick_values = even_ticks(high)

    def show_chosen(self, spectrum, name):
        """Show another spectrum in grey, under a name."""
        with self.chosen.hold_sync():
            self.chosen.y, self.chosen.labels = np.asarray(spectrum, dtype=float), [name]


class CurvePlot(Plot):
    """A criterion for every number of clusters; a click on a point chooses its k.

    Parameters
    ----------
    max_k : int
        The largest number of clusters.
    """

    def __init__(self, max_k):
        self._drawn = None
        x = bq.LinearScale(min=0.5, max=max_k + 0.5)
        self._y = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)
        scales = {"x": x, "y": self._y}
        one = np.ones(1)
        self.line = bq.Lines(x=one, y=one * np.nan, scales=scales, colors=[GREY], stroke_width=1.5)
        self.bars = bq.Lines(x=NOWHERE, y=NOWHERE, scales=scales, colors=[GREY], stroke_width=1)
        self.at = bq.Lines(x=[1.0, 1.0], y=[0.0, 1.0], scales=scales, colors=[BLUE])
        self.points = bq.Scatter(
            x=one,
            y=one * np.nan,
            scales=scales,
            colors=[GREY],
            default_size=110,
            stroke="white",
            interactions={"click": "select"},
        )
        marks = [self.at, self.bars, self.line, self.points]
        labels = ("number of clusters", "")
        super().__init__(marks, scales, labels, layout=BESIDE, tick_format="d")
        self.x_axis.tick_values = list(range(1, max_k + 1))

    def show(self, values, errors, best, label):
        """Show a criterion, its errors, and in orange the k that it prefers."""
        drawn = (values.tobytes(), errors.tobytes(), best, label)
        if drawn == self._drawn:
            return  # nothing to redraw where another k was chosen
        self._drawn = drawn
        ks = np.arange(1.0, values.size + 1)
        known = np.isfinite(values)
        ends = np.stack([values - errors, values + errors], axis=1)
        low, high = (float(ends[known].min()), float(ends[known].max())) if known.any() else (0, 1)
        room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        self._y.min, self._y.max = low - room, high + room
        self.y_axis.tick_values = ticks_between(low - room, high + room)
        self.y_axis.label = label
        with self.line.hold_sync(), self.points.hold_sync(), self.bars.hold_sync():
            self.line.x, self.line.y = ks[known], values[known]
            self.points.x, self.points.y = ks[known], values[known]
            self.points.colors = [ORANGE if k == best else GREY for k in ks[known]] or [GREY]
            self.bars.x = np.stack([ks, ks], axis=1)[known] if known.any() else NOWHERE
            self.bars.y = ends[known] if known.any() else NOWHERE
            self.bars.colors = [GREY] * max(1, int(known.sum()))
        self.at.y = np.array([low - room, high + room])

    def move(self, k):
        """Stand the line at a number of clusters."""
        self.at.x = np.array([float(k), float(k)])


def ticks_between(low, high, most=6):
    """At most so many round numbers between two ends."""
    power = 10.0 ** np.floor(np.log10(high - low))
    steps = (step * p for p in (power / 10, power) for step in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step < most)
    return step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
