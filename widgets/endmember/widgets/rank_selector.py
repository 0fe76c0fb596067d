"""Choose the rank by hand and eye: scree, residual map and the spectrum of a pixel."""

from __future__ import annotations

from html import escape

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.map_view import MapView
from endmember.widgets.rank_state import MAX_RANK, RankState

BLUE, GREEN, ORANGE, GREY = "#0072b2", "#009e73", "#d55e00", "#8a8a8a"  # Okabe and Ito, and grey
SCALINGS = {"biwhitened": "biwhiten", "Keenan-Kotula": "poisson"}
RESIDUALS = {"the next components": "leading", "all channels": "all"}
N_SHOWN = 20  # of the scree: beyond, it is noise


class RankSelector(ipw.VBox):
    """Choose the rank of a spectrum image on its scree, and see what each rank leaves.

    Drag the handle to a whole rank, or type it. The map shows what that rank leaves in every
    pixel, noise being 1; point at a pixel for its counts and their model. With the map in focus,
    arrow keys move the pixel, Page Up and Page Down the rank.

    Parameters
    ----------
    data : SpectrumImage, HyperSpy signal or array of shape (rows, columns, n_channels)
        Counts with one or two navigation axes.
    max_rank : int, default=12
        Highest rank to choose; turning it up keeps more components in memory.
    weighting : {"biwhiten", "poisson"}, default="biwhiten"
        Scaling of the noise to begin with; see :class:`PCA`.

    Attributes
    ----------
    value : int
        The chosen rank; may be set.
    pixel : tuple of int
        Row and column of the chosen pixel; may be set.
    state : RankState
        Everything that is known, without a widget.

    Examples
    --------
    >>> import endmember as em
    >>> selector = em.RankSelector(em.datasets.load("diamond_anvil_71gpa"))
    >>> selector.value
    4
    """

    value = tl.Int(1)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, data, *, max_rank=MAX_RANK, weighting="biwhiten"):
        self.state = state = RankState(data, max_rank=max_rank, weighting=weighting)
        self._make_controls()
        self._make_scree()
        self._make_spectrum()
        self._make_map()
        self.code = ipw.HTML()
        self.message = ipw.HTML()
        super().__init__(self._arranged(), layout={"max_width": "1000px"})
        tl.link((state, "rank"), (self, "value"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
        tl.link((state, "hovered"), (self.map, "hovered"))
        tl.link((state, "rank"), (self.map, "rank"))
        tl.link((state, "weighting"), (self.weighting, "value"))
        tl.link((state, "residual"), (self.residual, "value"))
        tl.link((state, "residual"), (self.map, "residual"))
        ipw.jslink((self.rank, "value"), (self.map, "rank"))
        state.observe(self._show_rank, "rank")
        state.observe(self._show_weighting, "weighting")
        state.observe(self._show_counts, ["pixel", "hovered"])
        state.observe(self._show_captions, ["residual", "message"])
        self.rank.observe(self._take_rank, "value")
        self._show_weighting()
        self._show_counts()

    def result(self):
        """Return the fitted :class:`PCA` at the chosen rank."""
        return self.state.result()

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        return self.state.to_code()

    # parts

    def _make_controls(self):
        state = self.state
        wide = {"style": {"description_width": "initial"}}
        self.rank = ipw.BoundedIntText(
            state.rank,
            min=1,
            max=state.max_rank,
            description="rank",
            layout={"width": "110px"},
            **wide,
        )
        self.rank.style.description_width = "initial"
        self.weighting = ipw.Dropdown(
            options=SCALINGS, description="noise scaling", layout={"width": "240px"}, **wide
        )
        self.residual = ipw.Dropdown(
            options=RESIDUALS, description="residual in", layout={"width": "260px"}, **wide
        )

    def _make_scree(self):
        n_shown = min(N_SHOWN, self.state.pca.scree_.size)
        self._x = bq.LinearScale(min=0.3, max=n_shown + 0.7, allow_padding=False)
        self._y = bq.LogScale(allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        index = np.arange(1.0, n_shown + 1)
        self.points = bq.Scatter(x=index, y=np.ones(n_shown), scales=scales, default_size=42)
        self.edge = bq.Lines(
            x=[0.0, n_shown + 1.0], y=[1.0, 1.0], scales=scales, colors=[GREY], line_style="dashed"
        )
        self.edge_label = bq.Label(
            x=[n_shown + 0.5],
            y=[1.0],
            text=["noise edge"],
            scales=scales,
            colors=[GREY],
            align="end",
            y_offset=-9,
            default_size=12,
            font_weight="normal",
        )
        self.line = bq.Lines(
            x=[1.0, 1.0], y=[1.0, 1.0], scales=scales, colors=[BLUE], stroke_width=2
        )
        self.handle = bq.Scatter(
            x=[float(self.state.rank)],
            y=[1.0],
            scales=scales,
            colors=[BLUE],
            default_size=260,
            marker="diamond",
            enable_move=True,
            restrict_x=True,
            update_on_move=True,
            stroke="white",
        )
        ticks = [1, *range(5, n_shown + 1, 5)]
        self._ticks = bq.Axis(
            scale=self._y,
            side="left",
            label="eigenvalue (noise variance = 1)",
            tick_format="~g",
            grid_lines="none",
            label_offset="3.2em",
        )
        axes = [
            bq.Axis(
                scale=self._x,
                label="component",
                label_offset="2.4em",
                tick_values=ticks,
                tick_format="d",
                grid_lines="none",
            ),
            self._ticks,
        ]
        self.scree = bq.Figure(
            marks=[self.edge, self.edge_label, self.line, self.points, self.handle],
            axes=axes,
            display_toolbar=False,
            fig_margin={"top": 24, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "390px", "height": "440px"},
        )

    def _make_spectrum(self):
        image = self.state.image
        x = bq.LinearScale(min=float(image.axis.min()), max=float(image.axis.max()))
        ceiling = _spectrum_ceiling(image)
        y = bq.LinearScale(min=0.0, max=ceiling, allow_padding=False)
        scales, nothing = {"x": x, "y": y}, np.zeros(image.n_channels)
        self.counts = bq.Lines(
            x=image.axis,
            y=nothing,
            scales=scales,
            colors=[GREY],
            stroke_width=1,
            labels=["counts"],
            display_legend=True,
        )
        self.model = bq.Lines(
            x=image.axis,
            y=nothing,
            scales=scales,
            colors=[ORANGE],
            stroke_width=1.5,
            labels=["model"],
            display_legend=True,
        )
        axes = [
            bq.Axis(
                scale=x, label=image.signal_axis.label(), grid_lines="none", label_offset="2.4em"
            ),
            bq.Axis(
                scale=y,
                side="left",
                label="counts",
                grid_lines="none",
                tick_values=_even_ticks(ceiling),
                tick_format="~g",
            ),
        ]
        self.spectrum = bq.Figure(
            marks=[self.counts, self.model],
            axes=axes,
            legend_location="top-right",
            fig_margin={"top": 16, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "100%", "height": "240px"},
        )
        for figure in (self.scree, self.spectrum):
            figure.add_class("endmember-figure")

    def _make_map(self):
        state = self.state
        self.map = MapView(
            shape=state.shape,
            rank=state.rank,
            max_rank=state.max_rank,
            pixel=state.pixel,
            unit="noise = 1",
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            followers={
                "handle": self.handle,
                "line": self.line,
                "model": self.model,
                "counts": self.counts,
            },
        )

    def _arranged(self):
        title = ipw.HTML(f"<b>{escape(self.state.image.title)}</b>")
        left = ipw.VBox([ipw.HBox([self.rank, self.weighting]), self.scree])
        right = ipw.VBox([self.residual, self.map])
        return [
            title,
            self.message,
            ipw.HBox([left, right], layout={"flex_flow": "row wrap", "grid_gap": "4px 20px"}),
            self.spectrum,
            self.code,
        ]

    # changes

    def _take_rank(self, change):
        self.state.rank = change["new"]

    def _show_rank(self, _=None):
        rank = self.state.rank
        self.code.value = f"<pre>{escape(self.to_code())}</pre>"
        if not self.map.is_hearing:  # else the page has moved them, and may be further by now
            self.rank.value = rank
            self.handle.x = np.array([float(rank)])
            self.line.x = np.array([rank, rank], dtype=float)

    def _show_weighting(self, _=None):
        pca = self.state.pca
        shown = np.maximum(pca.scree_[: self.points.x.size], 1e-12)
        low, high = 0.85 * min(shown.min(), pca.noise_edge_), 1.9 * shown.max()
        with self.points.hold_sync(), self._y.hold_sync(), self.handle.hold_sync():
            self._y.min, self._y.max = float(low), float(high)
            self._ticks.tick_values = _log_ticks(low, high)
            self.points.y = shown
            self.points.colors = [
                ORANGE if k < pca.n_above_edge_ else GREY for k in range(shown.size)
            ]
            self.edge.y = np.full(2, pca.noise_edge_)
            self.edge_label.y = np.array([pca.noise_edge_])
            self.edge_label.text = np.array([f"noise edge {pca.noise_edge_:.3f}"])
            self.line.y = np.array([low, high])
            self.handle.y = np.array([high / 1.25])
        self.map.factors = {
            key: value.tobytes() if isinstance(value, np.ndarray) else value
            for key, value in self.state.factors().items()
        }
        self._show_captions()
        self._show_rank()

    def _show_counts(self, _=None):
        counts = np.asarray(self.state.counts(), dtype=np.float32)
        self.map.counts = {"pixel": list(self.state.probed), "values": counts.tobytes()}

    def _show_captions(self, _=None):
        state = self.state
        n_kept = len(state.pca.components_)
        self.map.caption = (
            f"residual at rank {{rank}}: what components {{next}} to {n_kept} hold"
            if state.residual == "leading"
            else "residual at rank {rank}: what it leaves in all channels"
        )
        self.message.value = f"<i>{escape(state.message)}</i>" if state.message else ""


def _log_ticks(low, high):
    """1, 2 and 5 times the powers of ten between two ends, thinned where they would crowd."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = [1, 2, 5] if powers.size <= 5 else [1]
    ticks = np.sort(np.outer(powers, steps).ravel())
    return ticks[(ticks >= low) & (ticks <= high)]


def _spectrum_ceiling(image):
    """Height of the tallest channel, unless it is a spike beside which all else would be flat."""
    highest = image.spectra.max(axis=1)
    highest = highest.toarray() if hasattr(highest, "toarray") else np.asarray(highest)
    usual = float(np.quantile(highest, 0.99))
    return 1.05 * (min(highest.max(), 3 * usual) if usual else float(highest.max()))


def _even_ticks(high, most=6):
    """At most so many round numbers from zero up to `high`."""
    power = 10.0 ** np.floor(np.log10(high))
    steps = (step * p for p in (power / 10, power) for step in (1, 2, 5))
    step = next(step for step in steps if high / step < most)
    return step * np.arange(int(high / step) + 1)
