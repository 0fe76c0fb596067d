"""A switch between scalings of the noise, and what each makes of scree, bulk and residual."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np

from endmember.core.axes import length_scale
from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message
from endmember.widgets.teaching.scaling_plots import BulkPlot, NextPlot, ScreePlot
from endmember.widgets.teaching.scaling_state import (
    NAMES,
    RESIDUALS,
    SHARES,
    ScalingState,
    dose_words,
)
from endmember.widgets.teaching.steps import Steps

KINDS = dict(zip(["the next components", "all channels"], RESIDUALS, strict=True))
EVEN = (0.4, 1.6)  # of the noise: ends of the colours of a residual in all channels
LOWEST_CEILING = 3.0  # in units of the noise, which must not fill the scale of other residuals
DIGITS = 3  # of what the page holds
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}


class ScalingExplorer(ipw.VBox):
    """Switch the scaling of the noise, and see what becomes of scree, bulk and residual.

    The scree and the histogram hold the eigenvalues in units of the noise variance; dashed, where
    noise would end that is even, and over the histogram the density of Marchenko and Pastur that
    it would have. The map shows what the chosen rank leaves, the curve the spectrum of the next
    component. All of it answers without a kernel.

    Parameters
    ----------
    data, shares, max_rank, seed, callback
        As of :class:`ScalingState`; no more than 96 × 96 pixels.

    Attributes
    ----------
    state : ScalingState
        The same numbers without a widget: ``state.fits["biwhiten", 0.5].scree``.
    scaling, dose, rank, residual : ipywidgets.ToggleButtons, SelectionSlider, IntSlider, Dropdown
        What is chosen: the scaling as :class:`PCA` calls it, and the share of the counts.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", n_components=3)
    >>> explorer = em.teaching.ScalingExplorer(scene, shares=[1.0, 0.5])
    >>> explorer.scaling.value = "none"
    >>> explorer.fit.n_above, explorer.state.fits["biwhiten", 1.0].n_above
    (15, 3)
    """

    def __init__(self, data, *, shares=SHARES, max_rank=6, seed=0, callback=None):
        settings = {"shares": shares, "max_rank": max_rank, "seed": seed}
        self.state = state = ScalingState(data, **settings, callback=callback)
        self._make_controls()
        self.words = Message(layout={"min_height": "3em"})  # what is below stays where it is
        self.scree, self.bulk, self.next = ScreePlot(state), BulkPlot(state), NextPlot(state)
        self.map = MapView(
            shape=state.image.navigation_shape,
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            unit="× noise",
            tools=["point"],
            layout={"flex": "1 1 320px", "min_width": "0"},
        )
        controls = {"scaling": self.scaling, "dose": self.dose, "rank": self.rank}
        self.steps = Steps({**controls, "residual": self.residual})
        self._drive()
        rows = [
            [self.scaling, self.dose],
            [self.rank, self.residual],
            [self.scree, self.bulk],
            [self.map, self.next],
        ]
        boxes = [ipw.HBox(row, layout=WRAPPED) for row in rows]
        boxes.insert(2, self.words)
        super().__init__([*boxes, self.steps], layout={"max_width": "1000px"})

    @property
    def fit(self):
        """The chosen :class:`ScaledFit`."""
        return self.state.fits[self.scaling.value, self.dose.value]

    def _make_controls(self):
        state = self.state
        self.scaling = ipw.ToggleButtons(
            options={name: weighting for weighting, name in NAMES.items()},
            value="none",
            description="noise scaling",
        )
        self.scaling.style.button_width, self.scaling.layout.width = "120px", "max-content"
        doses = [(dose_words(dose), s) for dose, s in zip(state.doses, state.shares, strict=True)]
        self.dose = ipw.SelectionSlider(options=doses, description="counts a pixel")
        self.rank = ipw.IntSlider(1, min=1, max=state.max_rank, description="rank")
        self.residual = ipw.Dropdown(options=KINDS, description="residual in")
        for control in (self.scaling, self.dose, self.residual):
            control.style.description_width = "initial"

    def _drive(self):
        state, drive = self.state, self.steps.drive
        fit, ranks = ["scaling", "dose"], range(1, state.max_rank + 1)
        words = [[say() for say in row] for row in state.every("words")]
        drive(self.words, "value", words, by=fit)
        for mark, trait, values in [*self.scree.by_fit(), *self.bulk.by_fit()]:
            drive(mark, trait, values, by=fit)
        drive(self.scree.line, "x", np.repeat([[r, r] for r in ranks], 1, axis=0), by=["rank"])
        following = np.array(state.every("components"))[:, :, 1:]
        drive(self.next.line, "y", following, by=[*fit, "rank"], digits=DIGITS)
        labels = [f"component {r + 1}: counts (rms)" for r in ranks]
        drive(self.next.y_axis, "label", labels, by=["rank"])
        lefts = [[[f.residuals[kind] for kind in RESIDUALS] for f in row] for row in state.rows()]
        every = [*fit, "residual", "rank"]
        drive(self.map, "values", np.array(lefts), by=every, digits=DIGITS)
        drive(self.map, "limits", _limits(np.array(lefts)), by=every)
        said = [[f"rank {r}: what it leaves in {where}" for r in ranks] for where in KINDS]
        drive(self.map, "caption", said, by=["residual", "rank"])


def _limits(lefts):
    """Return the ends of the colours by scaling, dose, residual and rank.

    They are the same for both scalings that make noise 1; unscaled, noise is larger and has its
    own.
    """
    shown = lefts.reshape(*lefts.shape[:4], -1)
    tops = np.maximum(LOWEST_CEILING, np.nanquantile(shown, 0.99, axis=-1))
    is_even = np.array([weighting != "none" for weighting in NAMES])
    tops[is_even] = tops[is_even].max(axis=0)
    pairs = np.stack([np.zeros_like(tops), tops], axis=-1)
    pairs[:, :, RESIDUALS.index("all")] = EVEN
    return pairs.round(3).tolist()
