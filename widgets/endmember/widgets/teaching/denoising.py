"""A map before and after denoising, beside the truth, and what every rank gains and loses."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.map_view import MapView, link_scales
from endmember.widgets.message import Message
from endmember.widgets.teaching.denoising_plots import HALF, TALLEST, DenoisedPlot, ErrorPlot
from endmember.widgets.teaching.denoising_state import DenoisingState
from endmember.widgets.teaching.steps import Steps

TRUTH, RAW = "truth", "raw counts"
SIGMAS = 6.0  # of the noise: as far as the colours of residuals reach
DIGITS = 3  # of maps that a page is told: noise is in the second one
SIDE_BY_SIDE = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "flex-start"}


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
        self.spectrum.follow(self.steps)
        self.errors.follow(self.steps)
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
        drive(self.left, "values", [state.truth, state.raw], by=["left"], digits=DIGITS)
        drive(self.right, "caption", [f"{name}, {window}" for name in names], by=["rank"])
        drive(self.right, "values", state.denoised, by=["rank"], digits=DIGITS)
        captions = [f"raw counts less {name}, {window}" for name in names]
        drive(self.left_over, "caption", captions, by=["rank"])
        drive(self.left_over, "values", state.residual, by=["rank"], digits=DIGITS)
        drive(self.words, "value", [state.words(step) for step in state.steps], by=["rank"])
