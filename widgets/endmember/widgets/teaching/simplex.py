"""N-FINDR played step by step: a triangle that grows in a cloud of three mixed spectra."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message
from endmember.widgets.palette import ORANGE
from endmember.widgets.teaching.play import PlayButton
from endmember.widgets.teaching.simplex_plots import CLOUD, CloudPlot, TracePlot
from endmember.widgets.teaching.simplex_state import NOTHING, OTHERS, PURITIES, SimplexState
from endmember.widgets.teaching.steps import Steps

GREYS = ["#dedede", "#b4b4b4", "#8c8c8c"]  # of the map: which spectrum a pixel holds most of
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 24px", "align_items": "flex-start"}


class SimplexPlayer(ipw.VBox):
    """Play the search for the largest triangle in the cloud of a map of three mixed spectra.

    Every grey dot is a pixel, drawn where its spectrum lies in the plane of the first two
    components. Orange is the triangle that the search holds, green that of the endmembers, blue
    that of another algorithm. Point at a pixel of the map and its dot is ringed. All of it
    answers without a kernel.

    Parameters
    ----------
    purities, shape, dose, n_outliers, seed, start
        As of :class:`SimplexState`.

    Attributes
    ----------
    state : SimplexState
        The same numbers without a widget: clouds, searches, and what other algorithms find.
    purity, outliers, compared, step : SelectionSlider, Checkbox, ToggleButtons, IntSlider
        The largest share of a spectrum in any pixel, whether some pixels have a spike, whose
        triangle is shown beside, and how many swaps were made.
    play : PlayButton
        Moves the slider of swaps.
    map : MapView
        Which spectrum every pixel holds most of, and the pixels at the corners.

    Examples
    --------
    >>> import endmember as em
    >>> player = em.teaching.SimplexPlayer(purities=(1.0, 0.8), shape=(12, 12))
    >>> player.step.value = player.state.n_steps
    >>> round(player.state.volume(), 1)
    1.1
    """

    def __init__(
        self,
        purities=PURITIES,
        *,
        shape=(24, 24),
        dose=2000.0,
        n_outliers=5,
        seed=0,
        start=6,
    ):
        self.state = SimplexState(
            purities, shape=shape, dose=dose, n_outliers=n_outliers, seed=seed, start=start
        )
        self._make_controls()
        self.map = MapView(
            labels=np.zeros(self.state.truth.image.shape[:2], int),
            palette=[*GREYS, ORANGE],
            names=[*(f"mostly {name}" for name in self.state.names), "corner of the triangle"],
            tools=["point"],
            pixel=tuple(n // 2 for n in self.state.truth.image.shape[:2]),
            layout={"flex": "1 1 240px", "min_width": "0"},
            caption="which spectrum a pixel holds most of",
        )
        self.cloud, self.trace = CloudPlot(self.state), TracePlot(self.state)
        self.words, self.others = Message(), Message()
        controls = {name: getattr(self, name) for name in (*CLOUD, "compared", "step")}
        self.steps = Steps(controls, pointer=self.map)
        self._drive_search()
        self._drive_others()
        self.cloud.follow(self.steps)
        super().__init__(self._arranged(), layout={"max_width": "1000px"})

    def _make_controls(self):
        state, wide = self.state, {"description_width": "110px"}
        self.purity = ipw.SelectionSlider(
            options=[(f"{purity:.0%}", purity) for purity in state.purities],
            description="purest pixel",
            style=wide,
        )
        self.outliers = ipw.Checkbox(
            description=f"{state.n_outliers} pixels with a spike", indent=False
        )
        self.compared = ipw.ToggleButtons(
            options=[NOTHING, *OTHERS],
            description="compare with",
            style={"description_width": "110px", "button_width": "auto"},
            layout={"width": "auto", "overflow": "visible"},
        )
        self.step = ipw.IntSlider(
            0, min=0, max=state.n_steps, description="swaps", style=wide, layout={"width": "400px"}
        )
        self.play = PlayButton(self.step)
        for name in (*CLOUD, "compared", "step"):
            tl.link((state, name), (getattr(self, name), "value"))

    def _arranged(self):
        return [
            ipw.HBox([self.purity, self.outliers], layout=WRAPPED),
            ipw.HBox([self.step, self.play], layout=WRAPPED),
            self.compared,
            self.words,
            self.others,
            ipw.HBox([self.cloud, self.map], layout=WRAPPED),
            self.trace,
            self.steps,
        ]

    def _drive_search(self):
        """Give the page every step of every search."""
        state, by = self.state, [*CLOUD, "step"]
        steps = range(state.n_steps + 1)
        for widget, trait, make in [
            (self.words, "value", state.words),
            (self.map, "labels", state.labels),
        ]:
            made = [[[make(*cloud, s) for s in steps] for cloud in row] for row in state.clouds]
            self.steps.drive(widget, trait, made, by=by)
        self.trace.follow(self.steps)

    def _drive_others(self):
        words = [
            [
                ["" if name == NOTHING else self.state.words_of(name, *c) for c in row]
                for row in self.state.clouds
            ]
            for name in [NOTHING, *OTHERS]
        ]
        self.steps.drive(self.others, "value", words, by=["compared", *CLOUD])
