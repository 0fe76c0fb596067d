"""What a regression explorer is made of, besides maps."""

from __future__ import annotations

from pathlib import Path

import anywidget
import bqplot as bq
import numpy as np
import traitlets as tl
from ipywidgets import widget_serialization

from endmember.widgets.component_plots import MODEL, CurvePlot, PartsPlot
from endmember.widgets.palette import GREY, ORANGE
from endmember.widgets.plot import Plot, filled

HERE = Path(__file__).parent
FIT = ["window", "without"]  # the controls that a fit depends on
TALL = 0.99  # of the pixels whose counts fit in the plot: a spike would flatten all others
TOP = 1.05  # of their height: room above
HIGH = 1e9  # counts, above any plot
DIGITS = 3  # of what the page is told of an error; no eye sees more,
MODEL_DIGITS = 4  # and of a coefficient, which makes the model
SIGMAS = 6.0  # of the noise: as far as residuals are drawn
LIKELY = 2.0  # within as many lie 95 % of them where noise is all
STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)  # of ticks, times a power of ten


class Reading(anywidget.AnyWidget):
    """A table of what a pixel holds; the page writes it, and draws the curves that follow.

    Attributes
    ----------
    names, colors : list of str
        Of the references.
    axis, references : bytes
        As float64: places of channels, and spectra one after the other, in counts.
    curves : dict of list of Lines
        ``"counts"``, which is read; ``"model"`` and ``"parts"``, which are drawn, and
        ``"residuals"``: in the window and in all channels.
    reading : list of float
        Coefficients of the pixel, their standard errors and chi-square; None where there is none.
    channels : list of int
        The first channel that is fitted, and the one after the last.
    place, columns : int
        Number of the pixel, row by row, and columns of the map.
    """

    _esm = HERE / "regression.js"
    _css = HERE / "regression.css"

    names = tl.List(tl.Unicode()).tag(sync=True)
    colors = tl.List(tl.Unicode()).tag(sync=True)
    axis = tl.Bytes().tag(sync=True)
    references = tl.Bytes().tag(sync=True)
    curves = tl.Dict().tag(sync=True, **widget_serialization)
    reading = tl.List(tl.Float(allow_none=True)).tag(sync=True)
    channels = tl.List(tl.Int()).tag(sync=True)
    place = tl.Int().tag(sync=True)
    columns = tl.Int(1).tag(sync=True)

    def follow(self, steps, state):
        """Let the page write what every fit says of every pixel."""
        readings = state.of_all_fits(lambda *fit: _readings(state, *fit))
        steps.drive(self, "reading", readings, by=[*FIT, "pixel"])
        steps.drive(self, "place", list(range(len(readings[0][0]))), by=["pixel"])
        channels = [state.channels(window) for window in state.windows]
        steps.drive(self, "channels", [[c.start, c.stop] for c in channels], by=["window"])


class PlacePlot(PartsPlot):
    """Counts of a pixel, their model and its parts; the window of the fit is shaded."""

    def __init__(self, axis, label, colors):
        super().__init__(axis, label, colors, ends=(0.0, 1.0))
        area = {"x": axis[[0, -1]], "y": np.array([[0.0, 0.0], [HIGH, HIGH]])}
        self.shade = bq.Lines(scales=self.model.scales, **area, **filled(GREY, 0.12))
        self.marks: list = [self.shade, self.counts, *self.parts, self.model]

    def follow(self, steps, state):
        """Let the page draw the counts of every pixel, as high as those in the window are."""
        counts = np.array([state.image.spectrum(*at) for at in np.ndindex(state.chi2().shape)])
        channels = [state.channels(window) for window in state.windows]
        ends = self.axis[[[c.start, c.stop - 1] for c in channels]]
        tops = [max(1.0, TOP * np.quantile(counts[:, c].max(axis=1), TALL)) for c in channels]
        steps.drive(self.counts, "y", counts, by=["pixel"])
        steps.drive(self.shade, "x", ends, by=["window"])
        steps.drive(self.y_axis.scale, "max", [float(top) for top in tops], by=["window"])
        ticks = np.array([four_ticks(top) for top in tops])
        steps.drive(self.y_axis, "tick_values", ticks, by=["window"])


class ResidualPlot(CurvePlot):
    """What the model leaves of the counts, in units of its noise; grey outside the window."""

    def __init__(self, axis, label):
        ends = np.array([axis.min(), axis.max()])

        def marks(scales):
            self.noise = bq.Lines(
                x=ends,
                y=np.array([[-LIKELY, -LIKELY], [LIKELY, LIKELY]]),
                scales=scales,
                **filled(GREY, 0.25),
            )
            curve = {"x": ends, "y": np.zeros(2), "scales": scales}
            self.outside = bq.Lines(colors=[GREY], stroke_width=1, **curve)
            self.inside = bq.Lines(colors=[MODEL], stroke_width=1.2, **curve)
            return [self.noise, self.outside, self.inside]

        super().__init__(axis, label, marks, height=170)
        self._set_ends(-SIGMAS, SIGMAS)
        self.y_axis.label = "residual (noise = 1)"


class Chi2Plot(Plot):
    """How many pixels have which reduced chi-square, and how many noise alone expects."""

    def __init__(self):
        x, y = (bq.LinearScale(min=0.0, allow_padding=False) for _ in range(2))
        look = {"x": np.zeros(2), "y": np.zeros(2), "scales": {"x": x, "y": y}}
        self.counted = bq.Lines(
            colors=[GREY],
            stroke_width=1,
            fill="bottom",
            fill_colors=[GREY],
            fill_opacities=[0.4],
            **look,
        )
        self.expected = bq.Lines(colors=[ORANGE], **look)
        labels = ("reduced chi-square", "pixels")
        marks = [self.counted, self.expected]
        super().__init__(marks, {"x": x, "y": y}, labels, height=210, left=60, tick_format="~g")

    def follow(self, steps, state):
        """Let the page draw the chi-square of all pixels as steps, and what noise would give."""
        found = state.of_all_fits(state.chi2_histogram)
        edges, counted, expected = (
            np.array([[f[i] for f in row] for row in found]) for i in range(3)
        )
        steps.drive(self.counted, "x", np.repeat(edges, 2, axis=-1)[..., 1:-1], by=FIT)
        steps.drive(self.counted, "y", np.repeat(counted, 2, axis=-1), by=FIT)
        steps.drive(self.expected, "x", (edges[..., 1:] + edges[..., :-1]) / 2, by=FIT)
        steps.drive(self.expected, "y", expected, by=FIT)
        tallest = np.maximum(counted, expected).max(axis=-1)
        for axis, ends in zip(self.axes, (edges[..., -1], TOP * tallest), strict=True):
            steps.drive(axis.scale, "max", ends, by=FIT)
            ticks = [[four_ticks(end) for end in row] for row in ends]
            steps.drive(axis, "tick_values", np.array(ticks), by=FIT)


def four_ticks(high):
    """Return four round numbers from zero, the last of them not far below `high`."""
    power = 10.0 ** np.floor(np.log10(high / 3))
    step = max(step for step in STEPS if step * power <= high / 3)
    return step * power * np.arange(4)


def _readings(state, *fit):
    """Return what a fit says of every pixel: coefficients, their errors and chi-square."""
    n = len(state.names)
    found = [state.coefficients(*fit), state.stderr(*fit), state.chi2(*fit)[..., None]]
    digits = [MODEL_DIGITS] * n + [DIGITS] * (n + 1)
    return [
        [_short(value, n_digits) for value, n_digits in zip(row, digits, strict=True)]
        for row in np.concatenate(found, axis=-1).reshape(-1, 2 * n + 1)
    ]


def _short(value, digits):
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
