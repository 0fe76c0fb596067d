"""The cloud of pixels with its triangles, and how their area grew."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import MODEL
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.teaching.simplex_state import NOTHING, OTHERS

GREEN = "#009e73"  # the truth
CLOUD = ["purity", "outliers"]  # the controls that a cloud depends on
DIGITS = 4  # of places in the plane
ROOM = 1.08  # around the cloud


class CloudPlot(bq.Figure):
    """The pixels in a plane, the triangle held, that of the endmembers, and another one.

    Parameters
    ----------
    state : SimplexState
        Where they come from.
    """

    def __init__(self, state):
        self._state = state
        low, high = _square([search.points for search in state.searches()])
        scales = {
            "x": bq.LinearScale(min=low[0], max=high[0], allow_padding=False),
            "y": bq.LinearScale(min=low[1], max=high[1], allow_padding=False),
        }
        nothing = {"x": np.zeros(2), "y": np.zeros(2), "scales": scales}
        line = {"display_legend": True, **nothing}
        self.pixels = bq.Scatter(colors=[GREY], default_size=14, opacities=[0.6], **nothing)
        self.truth = bq.Lines(
            colors=[GREEN], line_style="dashed", labels=["endmembers"], stroke_width=2, **line
        )
        self.truth.x, self.truth.y = _closed(state.endmembers)
        self.names = bq.Label(
            x=state.endmembers[:, 0],
            y=state.endmembers[:, 1],
            text=state.names,
            colors=[GREEN],
            default_size=13,
            font_weight="normal",
            align="middle",
            scales=scales,
        )
        self.compared = bq.Lines(colors=[BLUE], stroke_width=2, labels=["compared"], **line)
        self.held = bq.Lines(
            colors=[ORANGE],
            stroke_width=2.5,
            fill="inside",
            fill_colors=[ORANGE],
            fill_opacities=[0.12],
            labels=["held"],
            **line,
        )
        self.corners = bq.Scatter(colors=[ORANGE], default_size=60, **nothing)
        self.pointed = bq.Scatter(
            colors=["transparent"], stroke=MODEL, stroke_width=3, default_size=140, **nothing
        )
        super().__init__(
            marks=[
                self.pixels,
                self.truth,
                self.compared,
                self.held,
                self.corners,
                self.pointed,
                self.names,
            ],
            axes=[
                bq.Axis(
                    scale=scales["x"],
                    label="first component (counts)",
                    label_offset="2.4em",
                    grid_lines="none",
                    num_ticks=5,
                ),
                bq.Axis(
                    scale=scales["y"],
                    label="second component (counts)",
                    label_offset="3.4em",
                    grid_lines="none",
                    num_ticks=5,
                    orientation="vertical",
                ),
            ],
            legend_location="top-left",
            fig_margin={"top": 12, "bottom": 48, "left": 68, "right": 16},
            min_aspect_ratio=1,
            max_aspect_ratio=1,
            layout={"width": "auto", "height": "460px"},
        )
        self.add_class("endmember-figure")

    def follow(self, steps):
        """Let the page move the pixels and the triangles."""
        state = self._state
        points = _of_clouds(state, lambda search: search.points)
        held = _of_clouds(
            state, lambda search: search.points[search.after_every(search.pixels, state.n_steps)]
        )
        for axis, name in enumerate("xy"):
            draw = {"digits": DIGITS}
            steps.drive(self.pixels, name, points[..., axis], by=CLOUD, **draw)
            steps.drive(self.pointed, name, points[..., axis, None], by=[*CLOUD, "pixel"], **draw)
            for mark, corners in [(self.held, [0, 1, 2, 0]), (self.corners, [0, 1, 2])]:
                places = held[..., corners, axis]
                steps.drive(mark, name, places, by=[*CLOUD, "step"], **draw)
            found = np.array([self._compared(kind)[..., axis] for kind in [NOTHING, *OTHERS]])
            steps.drive(self.compared, name, found, by=["compared", *CLOUD], **draw)
        steps.drive(self.compared, "visible", [False] + [True] * len(OTHERS), by=["compared"])
        steps.drive(
            self.compared, "labels", [[name] for name in [NOTHING, *OTHERS]], by=["compared"]
        )

    def _compared(self, name):
        """Return the closed triangle of another algorithm in every cloud."""
        state = self._state
        return np.array(
            [
                [
                    np.transpose(
                        _closed(
                            state.endmembers
                            if name == NOTHING
                            else state.place(state.found(name, *cloud))
                        )
                    )
                    for cloud in row
                ]
                for row in state.clouds
            ]
        )


class TracePlot(bq.Figure):
    """The area of the triangle after every swap, and the present one.

    Parameters
    ----------
    state : SimplexState
        Where it comes from.
    """

    def __init__(self, state):
        self._state = state
        self._swaps = np.arange(state.n_steps + 1.0)
        highest = max(float(search.volumes[-1]) for search in state.searches())
        scales = {
            "x": bq.LinearScale(min=-0.3, max=state.n_steps + 0.3, allow_padding=False),
            "y": bq.LinearScale(min=0.0, max=100 * ROOM * max(highest, 1.0), allow_padding=False),
        }
        self.whole = bq.Lines(
            x=self._swaps[[0, -1]],
            y=np.full(2, 100.0),
            scales=scales,
            colors=[GREEN],
            line_style="dashed",
        )
        flat = {"y": np.zeros(len(self._swaps)), "scales": scales, "colors": [ORANGE]}
        self.volumes = bq.Lines(x=self._swaps, interpolation="step-after", **flat)
        self.present = bq.Scatter(
            x=np.zeros(1),
            y=np.zeros(1),
            scales=scales,
            colors=[ORANGE],
            stroke=GREY,
            default_size=90,
        )
        across = {"label": "swaps", "tick_format": "d", "label_offset": "2.4em"}
        up = {"label": "area (% of the endmembers')", "side": "left", "label_offset": "3em"}
        super().__init__(
            marks=[self.whole, self.volumes, self.present],
            axes=[
                bq.Axis(scale=scales["x"], grid_lines="none", num_ticks=6, **across),
                bq.Axis(scale=scales["y"], grid_lines="none", num_ticks=5, **up),
            ],
            fig_margin={"top": 12, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "200px"},
        )
        self.add_class("endmember-figure")

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


def _closed(corners):
    """Return the places of a triangle that ends where it began."""
    return corners[[0, 1, 2, 0], 0], corners[[0, 1, 2, 0], 1]


def _square(clouds):
    """Return the lower left and the upper right of a square around all of them."""
    points = np.concatenate(clouds)
    low, high = points.min(axis=0), points.max(axis=0)
    half = ROOM * (high - low).max() / 2
    return (low + high) / 2 - half, (low + high) / 2 + half
