"""Spectra of components, and of a place on the map as the sum of its parts."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import GREY
from endmember.widgets.plot import Plot
from endmember.widgets.spectrum_plot import even_ticks

MODEL = "#9a5cf0"  # seen on light and dark, and none of the components' colours
FRONT, BEHIND = 2.4, 1.1  # widths of curves in CSS pixels
FAINT = 0.8  # opacity of what is behind
TOP = 1.06  # of the highest curve: room above
LABELLED_TOP = 1.35  # and where labels stand there
LABEL_SHARES = (0.95, 0.89, 0.83)  # of the height: labels of neighbours at different ones
LEGEND_WIDTH = 0.4  # of the width of a narrow plot, on the right: labels stand below it there
LEGEND_HEIGHTS = (0.1, 0.085)  # of the height of the plot: of its frame, and of each curve
NEAR = 0.05  # of the width of the axis: nearer labels would overlap
FAINTEST_LABEL = 0.5  # of the strongest line of a family: weaker ones are marked without a label


class CurvePlot(Plot):
    """Curves along one signal axis, in counts.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Where the channels lie.
    label : str
        What stands along the axis.
    marks : callable
        Given the scales, returns the marks.
    height : int
        In CSS pixels.
    """

    def __init__(self, axis, label, marks, *, height):
        self.axis = np.asarray(axis, dtype=np.float64)
        low, high = _ends(self.axis)
        self._x = bq.LinearScale(min=low, max=high, allow_padding=False)
        self._y = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        super().__init__(marks(scales), scales, (label, "counts"), height=height)

    def _reach(self, *curves, top=TOP):
        """Give the plot the height of its curves, and zero."""
        values = [v for v in (np.asarray(c)[np.isfinite(c)] for c in curves) if v.size]
        low = min((float(v.min()) for v in values), default=0.0)
        high = max((float(v.max()) for v in values), default=1.0)
        low, high = min(0.0, TOP * low), max(0.0, top * high)
        self._set_ends(low, high if high > low else low + 1.0)

    def _set_ends(self, low, high):
        self._y.min, self._y.max = low, high
        ticks = even_ticks(max(high, -low))
        ticks = np.concatenate([-ticks[:0:-1], ticks])
        self.y_axis.tick_values = ticks[(ticks >= low) & (ticks <= high)]


class ComponentPlot(CurvePlot):
    """Every component in its colour, the chosen one in front with its band and its partner.

    Which one is chosen, the page shows by itself: `front` is that of `lines` again, and of `bands`
    and `partners` one is visible.

    Parameters
    ----------
    axis, label
        See :class:`CurvePlot`.
    colors : list of str
        A colour for each component.
    has_bands, has_partners : bool
        Whether there are bands to be drawn, and spectra of another result.
    """

    def __init__(self, axis, label, colors, *, has_bands=False, has_partners=False):
        self.colors, self._curves = list(colors), []
        # A curve that ends in NaN is an error to the page; a saved one holds every curve.
        nothing = np.zeros((2, len(axis)), dtype=np.float32)

        def marks(scales):
            shared = {"x": np.asarray(axis, dtype=np.float32), "scales": scales}
            single = {"y": nothing[0], "labels": [""], **shared}
            behind = {"stroke_width": BEHIND, "opacities": [FAINT], "display_legend": True}
            self.lines = [bq.Lines(colors=[c], **behind, **single) for c in self.colors]
            self.bands = [self._band(color, shared, nothing) for color in self.colors * has_bands]
            self.partners = [
                bq.Lines(colors=[GREY], line_style="dashed", visible=False, **single)
                for _ in self.colors * has_partners
            ]
            self.front = bq.Lines(stroke_width=FRONT, **single)
            self.ticks = bq.Lines(
                x=np.zeros(2), y=np.zeros(2), scales=scales, colors=[GREY], stroke_width=1
            )
            self.tick_labels = bq.Label(
                x=np.zeros(1),
                y=np.zeros(1),
                text=[""],
                scales=scales,
                colors=[GREY],
                default_size=11,
                font_weight="normal",
                x_offset=3,
            )
            return [
                *(*self.bands, *self.lines, *self.partners),
                *(self.front, self.ticks, self.tick_labels),
            ]

        super().__init__(axis, label, marks, height=260)

    @staticmethod
    def _band(color, shared, nothing):
        colors = {"colors": [color] * 2, "fill_colors": [color] * 2}
        look = {"fill": "between", "fill_opacities": [0.25], "opacities": [0.0]}
        return bq.Lines(y=nothing, visible=False, **colors, **look, **shared)

    def show(self, spectra, chosen, *, names, shown, equal=False, bands=None, partners=()):
        """Take over spectra of shape (n_components, n_channels), and give them room.

        Parameters
        ----------
        spectra : ndarray of shape (n_components, n_channels)
            In counts.
        chosen : int
            Which is in front.
        names : list of str
            Their names, for the legend.
        shown : list of int
            Those that are not hidden.
        equal : bool
            Whether each is drawn up to its own height.
        bands : tuple of ndarray, optional
            Lower and upper ends, of the same shape.
        partners : list of (str, ndarray) or None
            Name and spectrum of the partner of each in another result.
        """
        heights = np.nanmax(np.abs(spectra), axis=1)
        units = np.where(equal & (heights > 0), heights, 1.0)
        drawn = spectra / units[:, None]
        for k, line in enumerate(self.lines):
            line.visible = line.display_legend = k in shown or k == chosen
            line.labels = [names[k]]
            _take(line, drawn[k])
        if not self.front.y.any():  # the page leads from now on
            self.front.colors = [self.colors[chosen]]
            _take(self.front, drawn[chosen])
        self.y_axis.label = "of the highest channel" if equal else "counts"
        ends = [drawn[k] for k in {*shown, chosen}]
        self._curves = [
            *ends,
            *self._take_bands(bands, units),
            *self._take_partners(partners, units),
        ]

    def mark(self, markers):
        """Mark lines or edges, strong ones with a label, and leave room for it."""
        self._reach(*self._curves, top=LABELLED_TOP if markers else TOP)
        ends = [self._y.min, self._y.max]
        x = [place for m in markers for place in (np.nan, m.position, m.position)]
        y = [place for m in markers for place in (np.nan, ends[0], self._up_to(m))]
        labelled, heights = self._placed([m for m in markers if m.weight >= FAINTEST_LABEL])
        with self.ticks.hold_sync(), self.tick_labels.hold_sync():
            self.ticks.x, self.ticks.y = np.array(x or [0.0, 0.0]), np.array(y or [0.0, 0.0])
            self.ticks.visible = bool(markers)
            self.tick_labels.x = np.array([m.position for m in labelled] or [0.0])
            self.tick_labels.y = np.array(heights or [0.0])
            self.tick_labels.text = np.array([m.label for m in labelled] or [""])

    def _up_to(self, marker):
        low, high = max(0.0, self._y.min), self._y.max
        return low + (0.35 + 0.5 * marker.weight) * (high - low)

    def _placed(self, markers):
        """Give labels heights at which they stand clear of each other, K before L before M."""
        near = NEAR * (np.ptp(self.axis) or 1.0)
        taken: list[list[float]] = [[] for _ in LABEL_SHARES]
        placed = []
        for marker in sorted(markers, key=lambda m: (_shell(m), m.position)):
            is_free = (all(abs(marker.position - at) >= near for at in row) for row in taken)
            row = next((i for i, free in enumerate(is_free) if free), None)
            if row is not None:
                taken[row].append(marker.position)
                share = LABEL_SHARES[row] - self._legend_above(marker.position)
                placed.append((marker, self._y.min + share * (self._y.max - self._y.min)))
        return [marker for marker, _ in placed], [height for _, height in placed]

    def _legend_above(self, position):
        """Return how much of the height the legend takes where a label would stand."""
        low, high = _ends(self.axis)
        if position < high - LEGEND_WIDTH * (high - low):
            return 0.0
        frame, row = LEGEND_HEIGHTS
        n_rows = sum(line.display_legend for line in self.lines) + bool(self.partners)
        return frame + row * n_rows

    def _take_bands(self, bands, units):
        for k, band in enumerate(self.bands):
            _take(band, np.array([end[k] / units[k] for end in bands]))
        return [band.y for band in self.bands]

    def _take_partners(self, partners, units):
        known = [(k, *partner) for k, partner in enumerate(partners) if partner is not None]
        for k, name, spectrum in known:
            self.partners[k].labels = [name]
            _take(self.partners[k], spectrum / units[k])
        return [self.partners[k].y for k, *_ in known]


class PartsPlot(CurvePlot):
    """Raw counts of a place, their model, and what each component adds to it in its colour.

    Parameters
    ----------
    axis, label
        See :class:`CurvePlot`.
    colors : list of str
        A colour for each component; none where no parts are to be shown.
    ends : tuple of float, optional
        Counts at the bottom and at the top, so that the scale does not jump from place to place.
    has_counts : bool
        Whether there are counts to be shown beside the model.
    """

    def __init__(self, axis, label, colors, *, ends=None, has_counts=True):
        nothing = np.zeros(len(axis))

        def marks(scales):
            shared = {"x": axis, "y": nothing, "scales": scales}
            self.counts = bq.Lines(
                colors=[GREY],
                stroke_width=1,
                fill="bottom" if ends is None or ends[0] == 0 else "none",
                fill_colors=[GREY],
                fill_opacities=[0.2],
                labels=["raw counts"],
                display_legend=has_counts,
                visible=has_counts,
                **shared,
            )
            of_page = {**shared, "x": np.zeros(2), "y": np.zeros(2)}  # thinned, of the place
            self.parts = [
                bq.Lines(colors=[c], stroke_width=1.4, visible=False, **of_page) for c in colors
            ]
            self.model = bq.Lines(
                colors=[MODEL],
                stroke_width=1.5,
                labels=["model"],
                display_legend=True,
                **shared,
            )
            return [self.counts, *self.parts, self.model]

        super().__init__(axis, label, marks, height=240)
        if ends is not None:
            self._set_ends(*ends)

    def show(self, counts, model):
        """Draw counts and model, on a scale that holds them; None draws nothing."""
        for line, curve in [(self.counts, counts), (self.model, model)]:
            self._draw(line, curve)
        self._reach(*[c for c in (counts, model) if c is not None])

    def _draw(self, line, curve):
        line.visible = curve is not None and bool(np.isfinite(curve).any())
        if line.visible:
            with line.hold_sync():
                line.x, line.y = self.axis, np.asarray(curve, dtype=np.float64)


def _take(line, curve):
    """Give a line another curve; the same one is not sent again."""
    curve = np.asarray(curve, dtype=np.float32)
    if not np.array_equal(line.y, curve, equal_nan=True):
        line.y = curve


def _ends(axis):
    low, high = float(axis.min()), float(axis.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _shell(marker):
    return marker.label.split()[1][0]
