"""Regression of known references: coefficients, what they leave, and how sure they are."""

from __future__ import annotations

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.code_field import CodeField
from endmember.widgets.component_plots import PartsPlot
from endmember.widgets.map_traits import label_colors
from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message
from endmember.widgets.palette import GREY
from endmember.widgets.teaching.regression_parts import (
    Chi2Plot,
    Reading,
    ResidualPlot,
    four_ticks,
)
from endmember.widgets.teaching.regression_state import NOTHING, RegressionState
from endmember.widgets.teaching.steps import Steps

SUM = "their sum"
CHI2_LIMITS = (0.0, 5.0)  # where 1 is what noise alone leaves
TALL = 0.99  # of the pixels whose counts fit in the plot: a spike would flatten all others
TOP = 1.05  # of their height: room above
HIGH = 1e9  # counts, above any plot
BRIGHT = 99.5  # per cent of the pixels of a map are below its last colour
TINY = 1e-9  # the least that a map of nothing reaches up to
DIGITS = 3  # of what the page is told of a map or an error; no eye sees more,
MODEL_DIGITS = 4  # and of a coefficient, which makes the model
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
        self._make_maps()
        self._make_plots()
        self.steps = Steps(
            {"window": self.window, "without": self.without, "coefficient": self.coefficient},
            pointer=self.chi2,
        )
        self._drive_maps()
        self._drive_pixel()
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

    def _make_maps(self):
        image = self.state.image
        shared = {
            "shape": image.navigation_shape,
            "pixel_size": length_scale(image.navigation_axes[-1]),
            "tools": ["point"],
        }
        self.coefficients, self.misfit, self.chi2 = (MapView(**shared) for _ in range(3))
        self.coefficients.limits = self._limits(self.state.coefficients())
        self.misfit.unit = "counts"
        self.chi2.limits = CHI2_LIMITS
        for view in (self.coefficients, self.misfit):
            ipw.jslink((self.chi2, "hovered"), (view, "hovered"))
            ipw.jslink((self.chi2, "pixel"), (view, "pixel"))
            tl.link((self.chi2, "pixel"), (view, "pixel"))
        tl.link((self.state, "pixel"), (self.chi2, "pixel"))

    def _limits(self, *fits):
        """Return the ends of a colour scale on which the sum of coefficients of no fit is flat."""
        sums = [np.nansum(coefficients, axis=-1) for coefficients in fits]
        return 0.0, max(TINY, *(float(np.nanpercentile(total, BRIGHT)) for total in sums))

    def _make_plots(self):
        image = self.state.image
        axis, label = np.asarray(image.axis, dtype=np.float64), image.signal_axis.label()
        self.place = PartsPlot(axis, label, self.colors, ends=(0.0, 1.0))
        self.residual, self.histogram = ResidualPlot(axis, label), Chi2Plot()
        self.shade = bq.Lines(
            x=axis[[0, -1]],
            y=np.array([[0.0, 0.0], [HIGH, HIGH]]),
            scales=self.place.model.scales,
            colors=[GREY] * 2,
            fill="between",
            fill_colors=[GREY] * 2,
            fill_opacities=[0.12],
            opacities=[0.0],
        )
        self.place.marks = [self.shade, *self.place.marks]
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

    # what follows

    def _drive_maps(self):
        """Give the page every map of every fit."""
        by, drive = ["window", "without"], self.steps.drive
        coefficients = self._of_all_fits(self._layers)
        drive(self.coefficients, "values", coefficients, by=[*by, "coefficient"], digits=DIGITS)
        every_fit = [fit for row in self._of_all_fits(self.state.coefficients) for fit in row]
        ends = [self.coefficients.limits] * len(self.state.names) + [self._limits(*every_fit)]
        drive(self.coefficients, "limits", ends, by=["coefficient"])
        for view, made in [(self.misfit, self.state.misfit), (self.chi2, self.state.chi2)]:
            drive(view, "values", self._of_all_fits(made), by=by, digits=DIGITS)
        for view, what in [
            (self.misfit, "rms residual"),
            (self.chi2, "reduced chi-square"),
        ]:
            words = self._of_all_fits(lambda *fit, what=what: f"{what}: {_said(*fit)}")
            drive(view, "caption", words, by=by)
        maps = [*(f"coefficient of {name}" for name in self.state.names), "sum of coefficients"]
        words = self._of_all_fits(lambda *fit: [f"{what}: {_said(*fit)}" for what in maps])
        drive(self.coefficients, "caption", words, by=[*by, "coefficient"])
        self._drive_histogram()
        drive(self.code, "value", self._of_all_fits(self.state.to_code), by=by)

    def _drive_histogram(self):
        """Give the page the chi-square of all pixels, as steps, and what noise alone would give."""
        by, drive, plot = ["window", "without"], self.steps.drive, self.histogram
        found = self._of_all_fits(self.state.chi2_histogram)
        edges, counted, expected = (
            np.array([[f[i] for f in row] for row in found]) for i in range(3)
        )
        drive(plot.counted, "x", np.repeat(edges, 2, axis=-1)[..., 1:-1], by=by)
        drive(plot.counted, "y", np.repeat(counted, 2, axis=-1), by=by)
        drive(plot.expected, "x", (edges[..., 1:] + edges[..., :-1]) / 2, by=by)
        drive(plot.expected, "y", expected, by=by)
        tallest = np.maximum(counted, expected).max(axis=-1)
        for axis, ends in zip(plot.axes, (edges[..., -1], TOP * tallest), strict=True):
            drive(axis.scale, "max", ends, by=by)
            ticks = [[four_ticks(end) for end in row] for row in ends]
            drive(axis, "tick_values", np.array(ticks), by=by)

    def _drive_pixel(self):
        """Give the page the counts of every pixel, and what every fit says of it."""
        state, drive = self.state, self.steps.drive
        rows, columns = state.image.navigation_shape
        pixels = [(row, column) for row in range(rows) for column in range(columns)]
        counts = np.array([state.image.spectrum(*pixel) for pixel in pixels])
        drive(self.place.counts, "y", counts, by=["pixel"])
        readings = self._of_all_fits(self._readings)
        drive(self.reading, "reading", readings, by=["window", "without", "pixel"])
        drive(self.reading, "place", list(range(rows * columns)), by=["pixel"])
        channels = [state.channels(name) for name in state.windows]
        ends = [[c.start, c.stop] for c in channels]
        drive(self.reading, "channels", ends, by=["window"])
        axis = self.place.axis
        drive(self.shade, "x", axis[[[c.start, c.stop - 1] for c in channels]], by=["window"])
        tops = [max(1.0, TOP * np.quantile(counts[:, c].max(axis=1), TALL)) for c in channels]
        drive(self.place.model.scales["y"], "max", [float(top) for top in tops], by=["window"])
        ticks = np.array([four_ticks(top) for top in tops])
        drive(self.place.axes[1], "tick_values", ticks, by=["window"])

    def _of_all_fits(self, make):
        """Make something of every fit: a list for every window, an entry for every choice."""
        state = self.state
        return [[make(window, without) for without in state.choices] for window in state.windows]

    def _layers(self, *fit):
        coefficients = np.moveaxis(self.state.coefficients(*fit), -1, 0)
        total = np.where(np.isnan(coefficients).all(axis=0), np.nan, np.nansum(coefficients, 0))
        return [*coefficients, total]

    def _readings(self, *fit):
        state = self.state
        n = len(state.names)
        found = [state.coefficients(*fit), state.stderr(*fit), state.chi2(*fit)[..., None]]
        digits = [MODEL_DIGITS] * n + [DIGITS] * (n + 1)
        return [
            [_short(value, n_digits) for value, n_digits in zip(row, digits, strict=True)]
            for row in np.concatenate(found, axis=-1).reshape(-1, 2 * n + 1)
        ]


def _short(value, digits):
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def _buttons(options, description):
    return ipw.ToggleButtons(
        options=list(options),
        description=description,
        style={"description_width": "72px", "button_width": "auto"},
        layout={"display": "flex", "width": "auto", "overflow": "visible"},
    )


def _said(window, without):
    return window if without == NOTHING else f"{window} without {without}"
