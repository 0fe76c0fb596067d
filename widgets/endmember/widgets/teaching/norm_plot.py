"""Two norms of what every rank of a matrix leaves."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.plot import Plot
from endmember.widgets.scree_plot import log_ticks

ROOM = 4.0  # times the norm of the picture: where the plot ends, so that words stand clear of it
LOWEST = 1e-3  # of the norm of the picture: smaller norms stand at the foot of the plot


class NormPlot(Plot):
    """Both norms of what every rank leaves, and the present rank on both curves.

    Parameters
    ----------
    state : RankKState
        Where the norms come from.
    """

    def __init__(self, state):
        ranks = np.arange(state.max_rank + 1.0)
        whole = float(state.frobenius[0]) or 1.0
        norms_at_least = [n.clip(min=LOWEST * whole) for n in (state.frobenius, state.spectral)]
        foot = 0.7 * min(float(norms.min()) for norms in norms_at_least)
        scales = {
            "x": bq.LinearScale(min=-0.3, max=state.max_rank + 0.3, allow_padding=False),
            "y": bq.LogScale(min=foot, max=ROOM * whole, allow_padding=False),
        }
        kinds = [
            (ORANGE, "Frobenius: √(σₖ₊₁² + σₖ₊₂² + …)", "solid"),
            (BLUE, "spectral: σₖ₊₁", "dashed"),
        ]
        lines, self.marks_at = [], []
        for norms, (color, name, style) in zip(norms_at_least, kinds, strict=True):
            look = {"colors": [color], "scales": scales}
            lines.append(
                bq.Lines(
                    x=ranks, y=norms, labels=[name], line_style=style, display_legend=True, **look
                )
            )
            at = bq.Scatter(x=ranks[:1], y=norms[:1], stroke=GREY, default_size=90, **look)
            self.marks_at.append((at, norms))
        labels = ("rank k", "norm of what is left")
        marks = [*lines, *(at for at, _ in self.marks_at)]
        super().__init__(marks, scales, labels, height=240, left=60, tick_format="d")
        self.y_axis.tick_values = log_ticks(foot, ROOM * whole)

    def follow(self, steps):
        """Let the page move the marks to the chosen rank."""
        for mark, norms in self.marks_at:
            steps.drive(mark, "x", np.arange(len(norms), dtype=float)[:, None], by=["rank"])
            steps.drive(mark, "y", norms[:, None], by=["rank"])
