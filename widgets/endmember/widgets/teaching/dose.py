"""What k-means reports of two lines at every dose, and what is left of it in held-out counts."""

from __future__ import annotations

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.cluster_plots import Plot
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.map_view import MapView
from endmember.widgets.palette import GREY
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.teaching.dose_state import DoseState
from endmember.widgets.teaching.steps import Steps

MOST_DOTS = 1200  # pixels in the scatter
MOST_DOSES, N_TICKS = 6, 5  # that are labelled, and on the axes of the scatter
ROOM = 0.06  # beyond the outermost ratios
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "flex-start"}
BY = ["dose", "ordered"]
LEGEND = (
    "Each dot is a pixel, spread within its whole counts. Lines: the ratio in each cluster, solid "
    "in the counts that were clustered, dashed in the held-out half; dotted: in the true regions."
)


class DoseTuner(ipw.VBox):
    """Find clusters at any dose, and compare what they report with held-out counts.

    The slider stops the recording earlier. The map and the scatter show which pixels k-means puts
    together by their counts in two lines; the curves, and straight lines in the scatter, show the
    ratio of the lines in each cluster: solid in the counts that were clustered, dashed in the other
    half of the counts where clusters come from one half. All of it answers without a kernel.

    Parameters
    ----------
    data : Scene or SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts, recorded for long; of a scene its image, and its truth to compare with.
    lines : sequence of str, or dict of str to (float, float), optional
        Two lines or windows, as :func:`line_maps` takes them: the ratio is of the first to the
        second. By default those of the scene, where it names two windows.
    doses : sequence of float, optional
        Mean counts a pixel in the second line; by default from 4 on, each twice the one before.
    n_clusters : int, default=2
        How many; turning it up divides further, and finds more differences that are none.
    seed : int, default=0
        Where the thinning begins.

    Attributes
    ----------
    state : DoseState
        The same numbers without a widget; settable as the controls are.
    dose : SelectionSlider
        The dose.
    is_held_out, is_ordered : Checkbox
        Whether the other half is shown, and whether clusters are numbered by ratio.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("iron_oxides", shape=(32, 32), dose=3000)
    >>> tuner = em.teaching.DoseTuner(scene, doses=[4, 64, 1024])
    >>> tuner.dose.value = 1024.0
    >>> tuner.state.found().round(1)
    array([0.7, 0.8])
    """

    def __init__(self, data, *, lines=None, doses=None, n_clusters=2, seed=0):
        self.state = DoseState(data, lines=lines, doses=doses, n_clusters=n_clusters, seed=seed)
        self.colors = LABEL_COLORS[:n_clusters]
        self._make_controls()
        self._make_map()
        self._make_scatter()
        self._make_curves()
        self.words = ipw.HTML()
        controls = {"dose": self.dose, "ordered": self.is_ordered, "held": self.is_held_out}
        self.steps = Steps(controls)
        self._drive()
        plots = ipw.HBox([self.map, self.scatter, self.curves], layout=WRAPPED)
        switches = ipw.HBox([self.dose, self.is_held_out, self.is_ordered], layout=WRAPPED)
        super().__init__(
            [PlainKeys(), switches, self.words, plots, ipw.HTML(LEGEND), self.steps],
            layout={"max_width": "1100px"},
        )

    def to_code(self):
        """Return the lines that find and read the present clusters without a widget."""
        return self.state.to_code()

    # parts

    def _make_controls(self):
        state, below = self.state, self.state.names[1]
        self.dose = ipw.SelectionSlider(
            options=[(f"{dose:g}", dose) for dose in state.doses],
            description=f"{below} counts a pixel",
            style={"description_width": "initial"},
            layout={"width": "380px"},
        )
        tl.link((state, "dose"), (self.dose, "index"))
        self.is_held_out, self.is_ordered = (
            ipw.Checkbox(description=words, indent=False, layout={"width": "auto"})
            for words in ("show the held-out half", "number clusters by their ratio")
        )
        for name in ("is_held_out", "is_ordered"):
            tl.link((state, name), (getattr(self, name), "value"))

    def _make_map(self):
        state = self.state
        self.map = MapView(
            labels=state.label_map(),
            palette=self.colors,
            names=[f"cluster {k}" for k in range(state.n_clusters)],
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            tools=["point"],
            layout={"width": "300px"},
        )

    def _make_scatter(self):
        state = self.state
        above, below = state.names
        x, y = (bq.LinearScale(allow_padding=False) for _ in range(2))
        color = bq.ColorScale(min=0, max=max(1, state.n_clusters - 1), colors=self.colors)
        self.dots = bq.Scatter(
            x=[0.0], y=[0.0], color=[0], scales={"x": x, "y": y, "color": color},
            default_size=8, opacities=[0.6],
        )  # fmt: skip
        self.rays, self.held_rays = self._ratio_lines({"x": x, "y": y})
        labels = (f"{below} counts", f"{above} counts")
        marks = [self.dots, self.rays, self.held_rays]
        self.scatter = Plot(marks, x, y, labels)

    def _make_curves(self):
        state = self.state
        above, below = state.names
        doses = np.array(state.doses)
        x = bq.LogScale(min=float(doses.min() / 1.5), max=float(doses.max() * 1.5))
        every = [curve(i) for i in range(len(doses)) for curve in (state.found, state.held_out)]
        low, high = np.nanmin(every), np.nanmax(every)
        room = ROOM * (high - low) or ROOM
        y = bq.LinearScale(min=float(low - room), max=float(high + room), allow_padding=False)
        scales = {"x": x, "y": y}
        self.at = bq.Lines(
            x=doses[[0, 0]], y=[low - room, high + room], scales=scales, colors=[GREY],
            stroke_width=1,
        )  # fmt: skip
        ends = np.tile([x.min, x.max], (max(1, state.true_ratios.size), 1))
        levels = state.true_ratios if state.true_ratios.size else np.full(1, np.nan)
        self.truth = bq.Lines(
            x=ends, y=np.tile(levels[:, None], 2), scales=scales, colors=[GREY],
            line_style="dotted", visible=bool(state.true_ratios.size),
        )  # fmt: skip
        self.found, self.held_out = self._ratio_lines(scales, x=doses, marker="circle")
        labels = (f"{below} counts a pixel", f"{above}/{below} in each cluster")
        marks = [self.at, self.truth, self.found, self.held_out]
        self.curves = Plot(
            marks, x, y, labels, tick_format="~g", tick_values=doses[:: -(-len(doses) // 6)]
        )

    def _ratio_lines(self, scales, x=None, **style):
        """Return lines for the counts that were clustered, and dashed ones for the other half."""
        x = np.zeros(2) if x is None else x
        y = np.zeros((self.state.n_clusters, len(x)))
        shared = {"x": x, "y": y, "scales": scales, "colors": self.colors, "marker_size": 24}
        return (
            bq.Lines(stroke_width=2, **shared, **style),
            bq.Lines(line_style="dashed", stroke_width=2, visible=False, **shared, **style),
        )

    # what follows

    def _drive(self):
        """Give the page what every choice of the controls shows."""
        state, drive = self.state, self.steps.drive
        drive(self.map, "labels", self._of_all(state.label_map), by=BY)
        drive(self.map, "caption", [f"{d:g} {state.names[1]} counts a pixel" for d in state.doses],
              by=["dose"])  # fmt: skip
        self._drive_scatter()
        drive(self.at, "x", [[dose, dose] for dose in state.doses], by=["dose"])
        curves = np.array([[f(i, a) for i in range(len(state.doses))] for f in
                           (state.found, state.held_out) for a in (False, True)])  # fmt: skip
        curves = curves.reshape(2, 2, len(state.doses), -1).swapaxes(2, 3)
        for mark, values in zip((self.found, self.held_out), curves, strict=True):
            drive(mark, "y", values, by=["ordered"])
        for mark in (self.held_rays, self.held_out):
            drive(mark, "visible", [False, True], by=["held"])
        words = self._of_all(lambda i, a: [self._said(i, a, held) for held in (False, True)])
        drive(self.words, "value", words, by=[*BY, "held"])

    def _drive_scatter(self):
        state, drive = self.state, self.steps.drive
        rng = np.random.default_rng(state.seed)
        n_pixels = len(state.counts[0])
        shown = np.sort(rng.choice(n_pixels, min(n_pixels, MOST_DOTS), replace=False))
        spread = rng.uniform(-0.4, 0.4, size=(len(shown), 2))  # of whole counts, to be seen apart
        dots = np.abs(np.stack([counts[shown] + spread for counts in state.counts]))
        drive(self.dots, "x", dots[..., 1], by=["dose"], digits=4)
        drive(self.dots, "y", dots[..., 0], by=["dose"], digits=4)
        drive(self.dots, "color", self._of_all(lambda *at: state.labels(*at)[shown]), by=BY)
        ends = np.empty((2, len(dots), 2))
        for axis, i in ((self.scatter.x_axis, 1), (self.scatter.y_axis, 0)):
            ticks = np.array([_ticks(at.min(), at.max()) for at in dots[..., i]])
            drive(axis, "tick_values", ticks, by=["dose"])
            ends[i] = ticks[:, [0, -1]]
            drive(axis.scale, "min", ends[i, :, 0].tolist(), by=["dose"])
            drive(axis.scale, "max", ends[i, :, 1].tolist(), by=["dose"])
        for mark, ratio in ((self.rays, state.found), (self.held_rays, state.held_out)):
            slopes = np.array(self._of_all(ratio))
            drive(mark, "x", ends[1], by=["dose"])
            drive(mark, "y", slopes[..., None] * ends[1][:, None, None, :], by=BY)

    def _of_all(self, make):
        """Make something of every dose, once with names as found and once ordered."""
        return [[make(i, a) for a in (False, True)] for i in range(len(self.state.doses))]

    def _said(self, dose, is_ordered, is_held_out):
        state = self.state
        ratio, found = "/".join(state.names), state.found(dose, is_ordered)
        parts = [f"{ratio} in the counts that were clustered: {self._ratios(found)}"]
        held = self._ratios(state.held_out(dose, is_ordered)) if is_held_out else "not shown"
        parts.append(f"in the held-out half: {held}")
        if state.true_ratios.size:
            agreement = max(float(state.agreement[dose]), 0.0)  # chance may put it just below
            parts.append(f"agreement with the truth (adjusted Rand index): <b>{agreement:.2f}</b>")
        return "<br>".join(parts)

    def _ratios(self, values):
        return " ".join(
            f'<span style="color:{color}">■</span> <b>{value:.3f}</b>'
            for color, value in zip(self.colors, values, strict=True)
        )


def _ticks(low, high):
    """Return round numbers around two ends, as many of them for every dose."""
    power = 10.0 ** np.floor(np.log10(high - low) - 1)
    steps = power * np.multiply.outer([1, 10], [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8]).ravel()
    firsts = np.floor(low / steps) * steps
    i = np.argmax(firsts + (N_TICKS - 1) * steps >= high)
    return firsts[i] + steps[i] * np.arange(N_TICKS)
