"""What k-means reports of two lines at every dose, and what is left of it in held-out counts."""

from __future__ import annotations

import ipywidgets as ipw
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.map_view import MapView
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.teaching.dose_plots import BY, LinesScatter, RatioPlot
from endmember.widgets.teaching.dose_state import DoseState
from endmember.widgets.teaching.steps import Steps

WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "flex-start"}
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
        self.scatter = LinesScatter(self.state, self.colors)
        self.curves = RatioPlot(self.state, self.colors)
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

    # what follows

    def _drive(self):
        """Give the page what every choice of the controls shows."""
        state, drive = self.state, self.steps.drive
        drive(self.map, "labels", state.of_all(state.label_map), by=BY)
        captions = [f"{dose:g} {state.names[1]} counts a pixel" for dose in state.doses]
        drive(self.map, "caption", captions, by=["dose"])
        self.scatter.follow(self.steps)
        self.curves.follow(self.steps)
        words = state.of_all(lambda i, a: [self._said(i, a, held) for held in (False, True)])
        drive(self.words, "value", words, by=[*BY, "held"])

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
