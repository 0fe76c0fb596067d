"""The counts of one pixel and what a model says of them."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import GREY, ORANGE


class SpectrumPlot(bq.Figure):
    """Raw counts in grey, their model in orange, both labelled, on a scale that does not jump.

    Parameters
    ----------
    image : SpectrumImage
        Gives the axis, and the height that holds its pixels.
    """

    def __init__(self, image):
        ceiling = highest_counts(image)
        x = bq.LinearScale(min=float(image.axis.min()), max=float(image.axis.max()))
        y = bq.LinearScale(min=0.0, max=ceiling, allow_padding=False)
        lines = {
            "x": image.axis,
            "y": np.zeros(image.n_channels),
            "scales": {"x": x, "y": y},
            "display_legend": True,
        }
        self.counts = bq.Lines(colors=[GREY], stroke_width=1, labels=["counts"], **lines)
        self.model = bq.Lines(colors=[ORANGE], stroke_width=1.5, labels=["model"], **lines)
        axes = [
            bq.Axis(
                scale=x, label=image.signal_axis.label(), grid_lines="none", label_offset="2.4em"
            ),
            bq.Axis(
                scale=y,
                side="left",
                label="counts",
                grid_lines="none",
                tick_values=even_ticks(ceiling),
                tick_format="~g",
            ),
        ]
        super().__init__(
            marks=[self.counts, self.model],
            axes=axes,
            legend_location="top-right",
            fig_margin={"top": 16, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "240px"},
        )
        for name in ("endmember-figure", "endmember-spectrum"):
            self.add_class(name)


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
