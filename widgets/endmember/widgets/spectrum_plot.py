"""The counts of one pixel and what a model says of them."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import BLUE, GREY, ORANGE

BELOW = 0.06  # of the height: what the next component would take away shows below zero


class SpectrumPlot(bq.Figure):
    """Raw counts in grey, their model in orange, and in blue what the next component would add.

    The scale is one for all pixels, so that it does not jump.

    Parameters
    ----------
    image : SpectrumImage
        Gives the axis, and the height that holds its pixels.
    """

    def __init__(self, image):
        self._ceiling = highest_counts(image)
        x = bq.LinearScale(min=float(image.axis.min()), max=float(image.axis.max()))
        self._y = y = bq.LinearScale(allow_padding=False)
        lines = {
            "x": image.axis,
            "y": np.zeros(image.n_channels),
            "scales": {"x": x, "y": y},
            "display_legend": True,
        }
        self.counts = bq.Lines(colors=[GREY], stroke_width=1, labels=["counts"], **lines)
        self.model = bq.Lines(colors=[ORANGE], stroke_width=1.5, labels=["model"], **lines)
        self.next = bq.Lines(colors=[BLUE], stroke_width=1.5, labels=["next component"], **lines)
        label = image.signal_axis.label()
        across = bq.Axis(scale=x, label=label, grid_lines="none", label_offset="2.4em")
        self._up = bq.Axis(
            scale=y, side="left", label="counts", grid_lines="none", tick_format="~g"
        )
        self.reach(None)
        super().__init__(
            marks=[self.counts, self.model, self.next],
            axes=[across, self._up],
            legend_location="top-right",
            fig_margin={"top": 16, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "240px"},
        )
        for name in ("endmember-figure", "endmember-spectrum"):
            self.add_class(name)

    def reach(self, ends):
        """Let the scale hold the curves of a region, which are lower than those of pixels.

        Parameters
        ----------
        ends : tuple of float or None
            The lowest and the highest of them, in counts; None for the scale of pixels.
        """
        low, high = scale_ends(ends, self._ceiling)
        if (low, high) != (self._y.min, self._y.max):
            self._y.min, self._y.max = low, high
            self._up.tick_values = even_ticks(high)


def scale_ends(ends, ceiling):
    """Return both ends of a scale that holds curves from the lowest to the highest of `ends`.

    Parameters
    ----------
    ends : tuple of float or None
        In counts; None for curves of pixels.
    ceiling : float
        The end of the scale of pixels.
    """
    low, high = ends or (0.0, 0.0)
    high = 1.05 * high if high > 0 else ceiling
    return min(1.05 * low, -BELOW * high), high


def highest_counts(image):
    """Height of the tallest channel, unless it is a spike beside which all else would be flat."""
    highest = image.spectra.max(axis=1)
    highest = highest.toarray() if hasattr(highest, "toarray") else np.asarray(highest)
    usual = float(np.quantile(highest, 0.99))
    return 1.05 * (min(float(highest.max()), 3 * usual) if usual else float(highest.max()))


def even_ticks(high, most=6):
    """At most so many round numbers from zero up to `high`."""
    power = 10.0 ** np.floor(np.log10(high))
    steps = (step * p for p in (power / 10, power) for step in (1, 2, 5))
    step = next(step for step in steps if high / step < most)
    return step * np.arange(int(high / step) + 1)
