"""A map before and after denoising, beside the truth, and what every rank gains and loses."""

from __future__ import annotations

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.map_view import MapView, link_scales
from endmember.widgets.message import Message
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.scree_plot import GREEN
from endmember.widgets.teaching.denoising_state import DenoisingState
from endmember.widgets.teaching.steps import Steps

TRUTH, RAW = "truth", "raw counts"
SIGMAS = 6.0  # of the noise: as far as the colours of residuals reach
TALLEST = 99.9  # per cent of the recorded counts that the colours, and the plot, reach
MAP_DIGITS, CURVE_DIGITS = 3, 2  # that a page is told: noise is in the second one
SIDE_BY_SIDE = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "flex-start"}
HALF = {"flex": "1 1 320px", "min_width": "0"}


class DenoisingExplorer(ipw.VBox):
    """Denoise a map by its first components, and see what that does to a rare phase.

    Two maps show the counts in one energy window on the same scale: left the truth, or what was
    recorded; right what principal components make of it. Choose the rank, or *shrunk*: components
    above the noise, each made smaller as the least squared error asks for. Point at a pixel of any
    map for its counts, the truth and the model. The last map shows what the model leaves, the plot
    error and bias at every step. All of it answers without a kernel.

    Parameters
    ----------
    scene, window, phase, max_rank
        As of :class:`DenoisingState`.

    Attributes
    ----------
    state : DenoisingState
        The same numbers without a widget: maps, spectra, errors and bias at every step.
    rank : SelectionSlider
        The rank, or ``"shrunk"``.
    left_shows : Dropdown
        What the map at the left shows.
    left, right, left_over : MapView
        The maps; a pixel that is pointed at in one is so in all.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.teaching.doped_portraits(40)
    >>> explorer = em.teaching.DenoisingExplorer(scene, (398, 412), "N", max_rank=6)
    >>> explorer.rank.value = 5
    >>> explorer.state.words()[:14]
    'PCA of rank 5:'
    """

    def __init__(self, scene, window, phase, *, max_rank=8):
        self.state = state = DenoisingState(scene, window, phase, max_rank=max_rank)
        self.rank = ipw.SelectionSlider(
            options=state.steps, description="rank", layout={"width": "340px"}
        )
        self.left_shows = ipw.Dropdown(options=[TRUTH, RAW], description="left map")
        tl.link((state, "rank"), (self.rank, "value"))
        self._make_maps()
        self.spectrum = DenoisedPlot(state)
        self.errors = ErrorPlot(state)
        self.words = Message()
        self.steps = Steps({"rank": self.rank, "left": self.left_shows}, pointer=self.left)
        self._drive_maps()
        self._drive_curves()
        controls = ipw.HBox([self.rank, self.left_shows], layout=SIDE_BY_SIDE)
        maps = ipw.HBox([self.left, self.right], layout=SIDE_BY_SIDE)
        below = ipw.HBox([self.left_over, self.errors], layout=SIDE_BY_SIDE)
        children = [controls, self.words, maps, self.spectrum, below, self.steps]
        super().__init__(children, layout={"max_width": "1000px"})

    def _make_maps(self):
        state = self.state
        shared = {
            "shape": state.image.navigation_shape,
            "pixel_size": length_scale(state.image.navigation_axes[-1]),
            "pixel": self._first_pixel(),
            "tools": ["point"],
        }
        top = max(float(np.percentile(state.raw, TALLEST)), 1.0)
        self.left, self.right = (
            MapView(unit="counts", limits=(0.0, top), layout=HALF, **shared) for _ in range(2)
        )
        self.left_over = MapView(
            colors="diverging",
            limits=(-SIGMAS, SIGMAS),
            unit="σ of the noise",
            layout=HALF,
            **shared,
        )
        link_scales(self.left, self.right)
        for view in (self.right, self.left_over):
            for name in ("hovered", "pixel"):
                ipw.jslink((self.left, name), (view, name))

    def _first_pixel(self):
        """Choose one that holds the phase, near the middle."""
        places = np.argwhere(self.state.where)
        away = np.abs(places - np.array(self.state.where.shape) / 2).sum(axis=1)
        return tuple(int(i) for i in places[away.argmin()])

    def _drive_maps(self):
        state, drive = self.state, self.steps.drive
        low, high = state.window
        window = f"{low:g}–{high:g} {state.image.unit}"
        names = [state.name_of(step) for step in state.steps]
        lefts = [f"{what}, {window}" for what in (TRUTH, RAW)]
        drive(self.left, "caption", lefts, by=["left"])
        drive(self.left, "values", [state.truth, state.raw], by=["left"], digits=MAP_DIGITS)
        drive(self.right, "caption", [f"{name}, {window}" for name in names], by=["rank"])
        drive(self.right, "values", state.denoised, by=["rank"], digits=MAP_DIGITS)
        captions = [f"raw counts less {name}, {window}" for name in names]
        drive(self.left_over, "caption", captions, by=["rank"])
        drive(self.left_over, "values", state.residual, by=["rank"], digits=MAP_DIGITS)
        drive(self.words, "value", [state.words(step) for step in state.steps], by=["rank"])

    def _drive_curves(self):
        state, drive, plot = self.state, self.steps.drive, self.spectrum
        drive(plot.counts, "y", state.counts, by=["pixel"])
        drive(plot.truth, "y", state.expected, by=["pixel"], digits=CURVE_DIGITS)
        drive(plot.model, "y", state.models, by=["rank", "pixel"], digits=CURVE_DIGITS)
        for mark, values in self.errors.marks_at:
            drive(mark, "x", self.errors.places[:, None], by=["rank"])
            drive(mark, "y", values[:, None], by=["rank"])


class DenoisedPlot(CurvePlot):
    """Counts of a pixel in grey, the truth and the model; the window is shaded."""

    def __init__(self, state):
        nothing = np.zeros(len(state.axis))
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
                colors=[GREY] * 2,
                fill="between",
                fill_colors=[GREY] * 2,
                fill_opacities=[0.12],
                opacities=[0.0],
            )
            return [shade, self.counts, self.truth, self.model]

        super().__init__(state.axis, state.image.signal_axis.label(), marks, height=230)
        self._counts.label = f"counts in {state.bin_width:g} {state.image.unit}"
        self._set_ends(-0.06 * top, 1.06 * top)


class ErrorPlot(bq.Figure):
    """Error of all pixels and loss of the phase at every step, with marks at the chosen one."""

    def __init__(self, state):
        self.places = np.arange(1.0, len(state.steps) + 1)
        curves = [100 * state.error / state.raw_error, state.lost]
        ends = np.array([0.6, len(state.steps) + 0.4])
        low = min(0.0, *(float(curve.min()) for curve in curves))
        high = max(100.0, *(float(curve.max()) for curve in curves))
        scales = {
            "x": bq.LinearScale(min=ends[0], max=ends[1], allow_padding=False),
            "y": bq.LinearScale(min=1.05 * low, max=1.4 * high, allow_padding=False),
        }  # the legend stands above
        raw = bq.Lines(
            x=ends, y=np.full(2, 100.0), colors=[GREY], stroke_width=1, line_style="dashed"
        )
        raw.scales = scales
        kinds = [(BLUE, "error"), (ORANGE, f"{state.phase} lost")]
        lines, self.marks_at = [], []
        for (color, name), curve in zip(kinds, curves, strict=True):
            look = {"colors": [color], "scales": scales}
            named = {"labels": [name], "display_legend": True}
            # a line through the ranks, and a dot for what comes after them
            lines.append(bq.Lines(x=self.places[:-1], y=curve[:-1], **named, **look))
            lines.append(bq.Scatter(x=self.places[-1:], y=curve[-1:], default_size=30, **look))
            at = bq.Scatter(x=self.places[:1], y=curve[:1], stroke=GREY, default_size=90, **look)
            self.marks_at.append((at, curve))
        labels = {str(n): str(step) for n, step in enumerate(state.steps, start=1)}
        across = {"label": "rank", "label_offset": "2.4em", "tick_labels": labels}
        up = {
            "label": f"% of raw error, of {state.phase}",
            "side": "left",
            "label_offset": "3em",
        }
        ticks = np.arange(20 * np.ceil(low / 20), high + 1, 20)
        super().__init__(
            marks=[raw, *lines, *(at for at, _ in self.marks_at)],
            axes=[
                bq.Axis(scale=scales["x"], tick_values=self.places, grid_lines="none", **across),
                bq.Axis(scale=scales["y"], tick_values=ticks, grid_lines="none", **up),
            ],
            legend_location="top-right",
            fig_margin={"top": 12, "bottom": 48, "left": 60, "right": 16},
            layout={"height": "320px", **HALF},
        )
        self.add_class("endmember-figure")
