"""Plots of a switch between scalings: scree, histogram of the eigenvalues, and a spectrum."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.cluster_plots import BESIDE, ticks_between
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot
from endmember.widgets.scree_plot import log_ticks
from endmember.widgets.teaching.scaling_state import noise_density

N_SHOWN = 20  # eigenvalues of a scree
N_BINS, N_POINTS = 50, 301  # of the histogram, and of the curve over it
BEYOND = 1.6  # times the noise edge: as far as the histogram goes
TOP = 1.12  # times the highest bar: room above


class ScreePlot(Plot):
    """The first eigenvalues of a fit, orange where they stand above the edge of even noise."""

    def __init__(self, state):
        self._edges = state.every("edge")
        self._above = state.every("n_above")
        least = min(N_SHOWN, *(fit.scree.size for row in state.rows() for fit in row))
        self._screes = np.array([[fit.scree[:least] for fit in row] for row in state.rows()])
        low, high = 0.7 * self._screes.min(), 1.5 * self._screes.max()
        x = bq.LinearScale(min=0.3, max=least + 0.7, allow_padding=False)
        y = bq.LogScale(min=float(low), max=float(high), allow_padding=False)
        scales, ends = {"x": x, "y": y}, np.array([0.0, least + 1.0])
        places = np.arange(1.0, least + 1)
        self.points = bq.Scatter(x=places, y=self._screes[0, 0], scales=scales, default_size=42)
        self.edge = bq.Lines(x=ends, y=ends + 1, scales=scales, colors=[GREY], line_style="dashed")
        self.edge_name = _label("noise edge", GREY, scales, align="end", y_offset=-9)
        self.edge_name.x = np.array([least + 0.5])
        self.line = bq.Lines(
            x=np.ones(2), y=np.array([low, high]), scales=scales, colors=[BLUE], stroke_width=2
        )
        super().__init__(
            [self.edge, self.edge_name, self.line, self.points],
            scales,
            ("component", "eigenvalue (noise = 1)"),
            layout=BESIDE,
            tick_format="d",
        )
        self.x_axis.tick_values = [1, *range(5, least + 1, 5)]
        self.y_axis.tick_values = log_ticks(low, high)

    def by_fit(self):
        """Return what follows scaling and dose: marks, traits and their values."""
        n_shown = self._screes.shape[-1]
        colors = [
            [[ORANGE if k < above else GREY for k in range(n_shown)] for above in row]
            for row in self._above
        ]
        edges = np.repeat(np.array(self._edges)[..., None], 2, axis=-1)
        return [
            (self.points, "y", self._screes),
            (self.points, "colors", colors),
            (self.edge, "y", edges),
            (self.edge_name, "y", edges[..., :1]),
        ]


class BulkPlot(Plot):
    """The histogram of all eigenvalues of a fit, and the density that those of even noise have."""

    def __init__(self, state):
        self._state = state
        end = BEYOND * max(max(row) for row in state.every("edge"))
        self._bins, self._at = np.linspace(0, end, N_BINS + 1), np.linspace(0, end, N_POINTS)
        x = bq.LinearScale(min=0.0, max=float(end), allow_padding=False)
        y = bq.LinearScale(min=0.0, allow_padding=False)
        scales = {"x": x, "y": y}
        outline = np.repeat(self._bins, 2)
        self.bars = bq.Lines(
            x=outline,
            y=np.zeros(outline.size),
            scales=scales,
            colors=[GREY],
            stroke_width=1,
            fill="bottom",
            fill_colors=[GREY],
            fill_opacities=[0.35],
        )
        self.density = bq.Lines(
            x=self._at,
            y=np.zeros(N_POINTS),
            scales=scales,
            colors=[ORANGE],
        )
        self.edge = bq.Lines(
            x=np.zeros(2), y=np.zeros(2), scales=scales, colors=[GREY], line_style="dashed"
        )
        self.name = _label("even noise", ORANGE, scales)
        self.edge_name = _label("noise edge", GREY, scales)
        super().__init__(
            [self.bars, self.density, self.edge, self.name, self.edge_name],
            scales,
            ("eigenvalue (noise = 1)", "density"),
            layout=BESIDE,
        )
        self.x_axis.tick_values = ticks_between(x.min, x.max)
        self._bars = np.array([[self._outline(fit.scree) for fit in row] for row in state.rows()])
        y.max = TOP * float(self._bars.max())
        self.edge.y, self.edge_name.y = np.array([0.0, y.max]), np.array([0.93 * y.max])

    def by_fit(self):
        """Return what follows scaling and dose: marks, traits and their values."""
        shapes = self._state.every("shape")
        curves = [[noise_density(self._at, *shape) for shape in row] for row in shapes]
        edges = np.repeat(np.array(self._state.every("edge"))[..., None], 2, axis=-1)
        return [
            (self.bars, "y", self._bars),
            (self.density, "y", np.array(curves)),
            (self.name, "x", 0.5 * edges[..., :1]),
            (self.name, "y", np.max(curves, axis=-1, keepdims=True)),
            (self.edge, "x", edges),
            (self.edge_name, "x", edges[..., :1]),
        ]

    def _outline(self, scree):
        """Return the heights along the outline of a histogram of density."""
        found = np.histogram(scree, self._bins)[0] / (scree.size * np.diff(self._bins))
        return np.concatenate([[0.0], np.repeat(found, 2), [0.0]])


class NextPlot(Plot):
    """The spectrum of the next component, in counts."""

    def __init__(self, state):
        axis = np.asarray(state.image.axis, dtype=np.float64)
        x = bq.LinearScale(min=float(axis.min()), max=float(axis.max()), allow_padding=False)
        y = bq.LinearScale()
        scales = {"x": x, "y": y}
        self.line = bq.Lines(
            x=axis, y=np.zeros(axis.size), scales=scales, colors=[BLUE], stroke_width=1.2
        )
        label = state.image.signal_axis.label()
        labels = (label, "counts (rms)")
        super().__init__([self.line], scales, labels, height=330, layout=BESIDE)
        self.x_axis.tick_values = ticks_between(x.min, x.max)


def _label(text, color, scales, **place):
    """Return a name to stand beside a curve."""
    look = {
        "colors": [color],
        "default_size": 12,
        "font_weight": "normal",
        "x_offset": 0 if place else 5,
    }
    return bq.Label(x=np.ones(1), y=np.ones(1), text=[text], scales=scales, **look, **place)
