"""The cloud of pixels with its triangles, and how their area grew."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import MODEL
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot
from endmember.widgets.spectrum_plot import even_ticks
from endmember.widgets.teaching.simplex_state import NOTHING, OTHERS

GREEN = "#009e73"  # the truth
CLOUD = ["purity", "outliers"]  # the controls that a cloud depends on
DIGITS = 4  # of places in the plane
ROOM, HEADROOM = 1.1, 1.12  # around clouds, triangles and the names of corners; above the trace
AWAY = 1.15  # of the distance from the centre to a corner: where its name stands
CLOSED = [0, 1, 2, 0]  # a triangle ends where it began


class CloudPlot(Plot):
    """The pixels in a plane, the triangle held, that of the endmembers, and another one.

    Parameters
    ----------
    state : SimplexState
        Where they come from.
    """

    def __init__(self, state):
        self._state = state
        shown = [search.points for search in state.searches()]
        shown += [corners for name in OTHERS for row in self._triangles(name) for corners in row]
        low, high = _square(np.concatenate([*shown, self._places_of_names()]))
        self.scales = {
            name: bq.LinearScale(min=low[axis], max=high[axis], allow_padding=False)
            for axis, name in enumerate("xy")
        }
        marks = self._make_triangles() + self._make_dots()
        labels = ("first component (counts)", "second component (counts)")
        layout = {"flex": "1 1 400px", "min_width": "0"}
        super().__init__(marks, self.scales, labels, height=430, layout=layout, tick_format="~g")
        self.legend_location = "bottom-left"
        self.min_aspect_ratio = self.max_aspect_ratio = 1
        ticks = even_ticks(np.abs([low, high]).max(), most=4)
        ticks = np.concatenate([-ticks[:0:-1], ticks])
        for place, axis in enumerate(self.axes):
            axis.tick_values = ticks[(low[place] <= ticks) & (ticks <= high[place])]

    def _make_triangles(self):
        endmembers = self._state.endmembers
        nothing = {"x": np.zeros(2), "y": np.zeros(2), "scales": self.scales}
        legend = {"display_legend": True, "stroke_width": 2}
        dashed = {"colors": [GREEN], "line_style": "dashed", "labels": ["endmembers"]}
        self.truth = bq.Lines(**dashed, **legend, **nothing)
        self.truth.x, self.truth.y = endmembers[CLOSED].T
        filled = {"fill": "inside", "fill_colors": [ORANGE], "fill_opacities": [0.12]}
        self.held = bq.Lines(colors=[ORANGE], labels=["held"], **filled, **legend, **nothing)
        self.compared = bq.Lines(colors=[BLUE], labels=[NOTHING], **legend, **nothing)
        x, y = self._places_of_names().T
        look = {"default_size": 13, "font_weight": "normal", "align": "middle"}
        text = [str(k + 1) for k in range(len(endmembers))]
        self.names = bq.Label(x=x, y=y, text=text, colors=[GREY], scales=self.scales, **look)
        return [self.held, self.truth, self.compared, self.names]

    def _places_of_names(self):
        """Return where the names of the endmembers stand, a little outside their corners."""
        endmembers = self._state.endmembers
        centre = endmembers.mean(axis=0)
        return centre + AWAY * (endmembers - centre)

    def _make_dots(self):
        nothing = {"x": np.zeros(2), "y": np.zeros(2), "scales": self.scales}
        ring = {"colors": ["transparent"], "stroke": MODEL, "stroke_width": 3}
        self.pixels = bq.Scatter(colors=[GREY], default_size=14, opacities=[0.6], **nothing)
        self.corners = bq.Scatter(colors=[ORANGE], default_size=60, **nothing)
        self.pointed = bq.Scatter(default_size=140, **ring, **nothing)
        return [self.pixels, self.corners, self.pointed]

    def follow(self, steps):
        """Let the page move the pixels and the triangles."""
        state, names = self._state, [NOTHING, *OTHERS]
        points = _of_clouds(state, lambda s: s.points)
        held = _of_clouds(state, lambda s: s.after_every(s.points[s.pixels], state.n_steps))
        compared = np.array([self._triangles(name) for name in names])
        for axis, name in enumerate("xy"):
            for mark, places, by in [
                (self.pixels, points, CLOUD),
                (self.pointed, points[..., None, :], [*CLOUD, "pixel"]),
                (self.held, held[..., CLOSED, :], [*CLOUD, "step"]),
                (self.corners, held, [*CLOUD, "step"]),
                (self.compared, compared[..., CLOSED, :], ["compared", *CLOUD]),
            ]:
                steps.drive(mark, name, places[..., axis], by=by, digits=DIGITS)
        is_shown = [name != NOTHING for name in names]
        for trait in ("visible", "display_legend"):
            steps.drive(self.compared, trait, is_shown, by=["compared"])
        steps.drive(self.compared, "labels", [[name] for name in names], by=["compared"])

    def _triangles(self, name):
        """Return the corners that another algorithm finds, in every cloud."""
        state = self._state
        if name == NOTHING:
            return [[state.endmembers for _ in row] for row in state.clouds]
        return [[state.place(state.found(name, *c)) for c in row] for row in state.clouds]


class TracePlot(Plot):
    """The area of the triangle after every swap, and the present one.

    Parameters
    ----------
    state : SimplexState
        Where it comes from.
    """

    def __init__(self, state):
        self._state = state
        swaps = self._swaps = np.arange(state.n_steps + 1.0)
        highest = 100 * HEADROOM * max(1.0, *(search.volumes[-1] for search in state.searches()))
        scales = {
            "x": bq.LinearScale(min=-0.3, max=state.n_steps + 0.3, allow_padding=False),
            "y": bq.LinearScale(min=0.0, max=float(highest), allow_padding=False),
        }
        whole = {"x": swaps[[0, -1]], "y": np.full(2, 100.0), "line_style": "dashed"}
        self.whole = bq.Lines(colors=[GREEN], scales=scales, **whole)
        flat = {"x": swaps, "y": np.zeros(len(swaps)), "interpolation": "step-after"}
        self.volumes = bq.Lines(colors=[ORANGE], scales=scales, **flat)
        at = {"x": np.zeros(1), "y": np.zeros(1), "stroke": GREY, "default_size": 90}
        self.present = bq.Scatter(colors=[ORANGE], scales=scales, **at)
        marks = [self.whole, self.volumes, self.present]
        super().__init__(marks, scales, ("swaps", "area (%)"), height=190, tick_format="~g")
        self.x_axis.tick_values = even_ticks(state.n_steps)
        self.y_axis.tick_values = even_ticks(highest, most=5)

    def follow(self, steps):
        """Let the page draw the search and move the mark."""
        n_steps = self._state.n_steps
        areas = _of_clouds(self._state, lambda s: 100 * s.after_every(s.volumes, n_steps))
        steps.drive(self.volumes, "y", areas, by=CLOUD, digits=DIGITS)
        steps.drive(self.present, "x", self._swaps[:, None], by=["step"])
        steps.drive(self.present, "y", areas[..., None], by=[*CLOUD, "step"], digits=DIGITS)


def _of_clouds(state, make):
    """Make an array of every search: first the purities, then without and with spikes."""
    return np.array([[make(state.search(*cloud)) for cloud in row] for row in state.clouds])


def _square(points):
    """Return the lower left and the upper right of a square around all of them."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = ROOM * (high - low).max() / 2
    return (low + high) / 2 - half, (low + high) / 2 + half
