"""The scree of a map on a log scale, its noise edge, and a handle on whole ranks."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.palette import BLUE, GREY, ORANGE

GREEN = "#009e73"  # Okabe and Ito's
MARGINS = {"top": 24, "bottom": 48, "left": 60, "right": 16}  # CSS pixels around the plot
FIRST = 0.3  # left end of the axis, in components,
BEYOND = 0.7  # and the right one beyond the last of them
N_SHOWN = 20  # of the scree: beyond, it is noise
N_DECADES = 3  # shown below the noise edge, where a map without noise goes down to rounding
ENDS = (FIRST, N_SHOWN + BEYOND)
AT_FOOT, ABOVE_FOOT = 0.035, 0.085  # heights of votes and of their names, of that of the plot


class ScreePlot(bq.Figure):
    """Eigenvalues in units of the noise, orange above the noise edge, and a handle to drag.

    Parameters
    ----------
    rank : int
        Where the handle stands to begin with.
    """

    def __init__(self, rank):
        self._x = bq.LinearScale(min=FIRST, allow_padding=False)
        self._y = bq.LogScale(allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        one, two = np.ones(1), np.ones(2)
        self.points = bq.Scatter(x=one, y=one, scales=scales, default_size=42)
        self.edge = bq.Lines(x=two, y=two, scales=scales, colors=[GREY], line_style="dashed")
        self.edge_label = bq.Label(
            x=one,
            y=one,
            text=["noise edge"],
            scales=scales,
            colors=[GREY],
            align="end",
            y_offset=-9,
            default_size=12,
            font_weight="normal",
        )
        self._make_votes()
        self.line = bq.Lines(x=two * rank, y=two, scales=scales, colors=[BLUE], stroke_width=2)
        self.handle = bq.Scatter(
            x=one * rank,  # floats: whole numbers would be cut while the handle is dragged
            y=one,
            scales=scales,
            colors=[BLUE],
            default_size=260,
            marker="diamond",
            enable_move=True,
            restrict_x=True,
            update_on_move=True,
            stroke="white",
        )
        self._components = bq.Axis(
            scale=self._x,
            label="component",
            label_offset="2.4em",
            tick_format="d",
            grid_lines="none",
        )
        self._eigenvalues = bq.Axis(
            scale=self._y,
            side="left",
            label="eigenvalue (noise variance = 1)",
            tick_format="~g",
            grid_lines="none",
            label_offset="3.2em",
        )
        super().__init__(
            marks=[
                self.edge,
                self.edge_label,
                self.line,
                self.points,
                self.votes,
                self.decided,
                self.tally,
                self.votes_label,
                self.handle,
            ],
            axes=[self._components, self._eigenvalues],
            display_toolbar=False,
            fig_margin=MARGINS,
            layout={"width": "auto", "height": "440px"},
        )
        self.add_class("endmember-figure")

    def _make_votes(self):
        """Make marks at the foot of the plot, for the ranks that rules name."""
        scales = {"x": self._x, "y": bq.LinearScale(min=0.0, max=1.0, allow_padding=False)}
        none = {"x": np.zeros(0), "y": np.zeros(0), "scales": scales}
        mark = {"marker": "triangle-up", "colors": [GREEN], **none}
        self.votes = bq.Scatter(fill=False, stroke_width=2, default_size=70, **mark)
        self.decided = bq.Scatter(default_size=140, **mark)
        self.tally = bq.Label(
            text=[], colors=[GREY], align="middle", default_size=12, font_weight="normal", **none
        )

        self.votes_label = bq.Label(
            x=np.array([FIRST]),
            y=np.array([AT_FOOT]),
            text=["votes of rules"],
            scales=scales,
            colors=[GREY],
            align="end",
            default_size=12,
            font_weight="normal",
            visible=False,
        )

    def show_votes(self, ranks, decided):
        """Mark the ranks that rules name, with how many do.

        Parameters
        ----------
        ranks : sequence of int
            Answers of the rules.
        decided : int or None
            The answer that counts, whose mark is filled.
        """
        named, times = np.unique(np.asarray(ranks, dtype=float), return_counts=True)
        seen = named <= self._x.max
        named, times = named[seen], times[seen]
        others = named[named != decided]
        with self.votes.hold_sync(), self.decided.hold_sync(), self.tally.hold_sync():
            for mark, at in ((self.votes, others), (self.decided, named[named == decided])):
                mark.x, mark.y = at, np.full(at.size, AT_FOOT)
            self.tally.x, self.tally.y = named, np.full(named.size, ABOVE_FOOT)
            self.tally.text = np.array([str(n) for n in times])
            self.votes_label.visible = named.size > 0

    def show(self, pca):
        """Show the scree of a fitted PCA and its noise edge."""
        edge = pca.noise_edge_
        shown = np.maximum(pca.scree_[:N_SHOWN], edge / 10**N_DECADES)  # a log scale has no zero
        lowest, highest = min(shown.min(), edge), max(shown.max(), edge)
        low, high = lowest * (0.5 * lowest / highest) ** 0.12, 1.9 * highest  # room for the votes
        end = shown.size + BEYOND
        with self.points.hold_sync(), self.edge.hold_sync(), self.edge_label.hold_sync():
            self._x.max = end
            self._y.min, self._y.max = float(low), float(high)
            self._components.tick_values = [1, *range(5, shown.size + 1, 5)]
            self._eigenvalues.tick_values = log_ticks(low, high)
            self.points.x = np.arange(1.0, shown.size + 1)
            self.points.y = shown
            self.points.colors = [
                ORANGE if k < pca.n_above_edge_ else GREY for k in range(shown.size)
            ]
            self.edge.x, self.edge.y = np.array([0.0, end + 1]), np.full(2, edge)
            self.edge_label.x, self.edge_label.y = np.array([end - 0.2]), np.array([edge])
            self.edge_label.text = np.array([f"noise edge {edge:.3f}"])
            self.line.y = np.array([low, high])
            self.votes_label.x = np.array([end - 0.2])
            self.handle.y = np.array([high / 1.25])

    @property
    def ends(self):
        """Both ends of the axis, in components."""
        return [float(self._x.min), float(self._x.max)]

    def move(self, rank):
        """Stand the handle and its line at a rank."""
        self.handle.x = np.array([float(rank)])
        self.line.x = np.array([rank, rank], dtype=float)


def log_ticks(low, high):
    """1, 2 and 5 times the powers of ten between two ends, thinned where they would crowd."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = [1, 2, 5] if powers.size <= 5 else [1]
    ticks = np.sort(np.outer(powers, steps).ravel())
    return ticks[(ticks >= low) & (ticks <= high)]
