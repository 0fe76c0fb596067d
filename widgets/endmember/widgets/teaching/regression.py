"""Regression of known references: coefficients, what they leave, and how sure they are."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.widgets.code_field import CodeField
from endmember.widgets.map_traits import label_colors
from endmember.widgets.message import Message
from endmember.widgets.teaching.regression_maps import SUM, RegressionMaps
from endmember.widgets.teaching.regression_parts import (
    FIT,
    Chi2Plot,
    PlacePlot,
    Reading,
    ResidualPlot,
)
from endmember.widgets.teaching.regression_state import RegressionState
from endmember.widgets.teaching.steps import Steps

CHI2_WORDS = "Grey: all pixels, those beyond in the last step. Orange: where noise is all."
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 12px", "align_items": "flex-start"}


class RegressionExplorer(ipw.VBox):
    """Fit known references to a map, and see what the fit leaves unexplained.

    Choose the window of the fit and a reference to leave out. The maps show the coefficients, the
    residual and the reduced chi-square, which is 1 where the references explain the counts. Point
    at a pixel for its counts beside their model, and its coefficients with standard errors. All
    of it answers without a kernel.

    Parameters
    ----------
    image, references, names, windows
        As of :class:`RegressionState`.

    Attributes
    ----------
    state : RegressionState
        The same numbers without a widget: fits, maps, the spectrum of a pixel and its model.
    window, without, coefficient : ToggleButtons
        The window, the reference that is left out, and whose coefficients are mapped.
    coefficients, misfit, chi2 : MapView
        The maps; a pixel that is pointed at in one is so in all.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("oxide_interface", shape=(4, 48))
    >>> explorer = em.teaching.RegressionExplorer(
    ...     scene.image, scene.references, names=scene.names[:3]
    ... )
    >>> explorer.window.value = "Chemistry"
    >>> explorer.state.to_code()
    'found = em.fit_abundances(image, references, window=(35.0, 125.0))'
    """

    def __init__(self, image, references, *, names=None, windows=None):
        self.state = RegressionState(image, references, names=names, windows=windows)
        self.colors = label_colors(len(self.state.names))
        self._make_controls()
        self._maps = RegressionMaps(self.state)
        self.coefficients, self.misfit = self._maps.coefficients, self._maps.misfit
        self.chi2 = self._maps.chi2
        self._make_plots()
        self.steps = Steps(
            {"window": self.window, "without": self.without, "coefficient": self.coefficient},
            pointer=self.chi2,
        )
        self._drive()
        super().__init__(self._arranged(), layout={"max_width": "1000px"})
        self.add_class("endmember-regression")

    def to_code(self):
        """Return the lines that make the present fit without a widget."""
        return self.state.to_code()

    # parts

    def _make_controls(self):
        state = self.state
        self.window = _buttons(state.windows, "fit in")
        self.without = _buttons(state.choices, "leave out")
        self.coefficient = _buttons([*state.names, SUM], "map of")
        tl.link((state, "window"), (self.window, "value"))
        tl.link((state, "without"), (self.without, "value"))
        self.code = CodeField()

    def _make_plots(self):
        image = self.state.image
        axis, label = np.asarray(image.axis, dtype=np.float64), image.signal_axis.label()
        self.place = PlacePlot(axis, label, self.colors)
        self.residual, self.histogram = ResidualPlot(axis, label), Chi2Plot()
        self.reading = Reading(
            names=self.state.names,
            colors=self.colors,
            axis=axis.tobytes(),
            references=self.state.references.tobytes(),
            columns=image.navigation_shape[1],
            curves={
                "counts": [self.place.counts],
                "model": [self.place.model],
                "parts": self.place.parts,
                "residuals": [self.residual.inside, self.residual.outside],
            },
        )

    def _arranged(self):
        """Stand wide maps on each other, with words beside; others side by side."""
        maps, words = [self.coefficients, self.chi2, self.misfit], Message(CHI2_WORDS)
        histogram, narrow = [self.histogram, words], {"flex": "1 1 215px"}
        rows, columns = self.state.image.navigation_shape
        if columns >= 2 * rows:
            beside = ipw.VBox([self.reading, *histogram], layout=narrow)
            looked_at = [ipw.HBox([ipw.VBox(maps), beside], layout=WRAPPED)]
        else:
            for view in maps:
                view.layout = {"flex": "1 1 200px", "min_width": "0"}
            looked_at = [
                ipw.HBox(maps, layout=WRAPPED),
                ipw.HBox([self.reading, ipw.VBox(histogram, layout=narrow)], layout=WRAPPED),
            ]
        return [
            ipw.VBox([self.window, self.without, self.coefficient]),
            *looked_at,
            self.place,
            self.residual,
            self.code,
            self.steps,
        ]

    def _drive(self):
        """Give the page what every fit says of every pixel."""
        state, steps = self.state, self.steps
        self._maps.follow(steps)
        for part in (self.histogram, self.place, self.reading):
            part.follow(steps, state)
        steps.drive(self.code, "value", state.of_all_fits(state.to_code), by=FIT)


def _buttons(options, description):
    return ipw.ToggleButtons(
        options=list(options),
        description=description,
        style={"description_width": "72px", "button_width": "auto"},
        layout={"display": "flex", "width": "auto", "overflow": "visible"},
    )
