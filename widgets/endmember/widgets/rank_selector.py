"""Choose the rank by hand and eye: scree, residual map and the spectrum of a pixel."""

from __future__ import annotations

from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.factors import pack_factors
from endmember.widgets.figure_files import checked_path, nothing_hovered
from endmember.widgets.map_view import Hearing, MapView
from endmember.widgets.pages import save_page
from endmember.widgets.rank_figure import save_figure
from endmember.widgets.rank_state import MAX_RANK, RankState
from endmember.widgets.scree_plot import ScreePlot
from endmember.widgets.spectrum_plot import SpectrumPlot

SCALINGS = {"biwhitened": "biwhiten", "Keenan-Kotula": "poisson"}
RESIDUALS = {"the next components": "leading", "all channels": "all"}
CAPTIONS = {
    "leading": "residual at rank {rank}: what components {next} to {last} hold",
    "all": "residual at rank {rank}: what it leaves in all channels",
}
WORKING = "<i>fitting …</i>"


class RankBox(Hearing, ipw.BoundedIntText):
    """A number box that knows when it was the page that changed it."""


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

    value = tl.Int(1, min=1)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, data, *, max_rank=MAX_RANK, weighting="biwhiten"):
        self.state = RankState(data, max_rank=max_rank, weighting=weighting)
        self._make_parts()
        super().__init__(self._arranged(), layout={"max_width": "1000px"})
        self._link()
        self._show_weighting()
        self._show_counts()

    def result(self):
        """Return the fitted :class:`PCA` at the chosen rank."""
        return self.state.result()

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        return self.state.to_code()

    def save(self, path, *, scripts="inside"):
        """Write what the selector shows: a page that answers without Python, or a picture.

        Parameters
        ----------
        path : str or path-like
            ``.html`` for one page that holds all it needs: rank, residual, map and model answer in
            any browser, with no network; the counts of about a dozen pixels go with it. ``.png``,
            ``.svg`` or ``.pdf`` for a picture. A file of that name is replaced.
        scripts : {"inside", "cdn"}, default="inside"
            For a page: ``"cdn"`` loads two scripts over the network instead of holding them, which
            makes it 1.2 MB smaller.

        Raises
        ------
        ValueError
            Where the ending of the name is another one.
        FileNotFoundError
            Where the folder does not exist, or the installed package holds no scripts for pages.
        """
        path = checked_path(path, "the selector", scripts=scripts)
        if path.suffix.lower() == ".html":
            title = self.state.image.title or "Choose the rank"
            with nothing_hovered(self.state):
                save_page(self, path, title=title, scripts=scripts)
        else:
            save_figure(self.state, path)

    @tl.validate("value")
    def _is_rank(self, proposal):
        return self.state.check_rank(proposal["value"])

    @tl.validate("pixel")
    def _is_pixel(self, proposal):
        return self.state.check_pixel(proposal["value"])

    def _make_parts(self):
        state = self.state
        self.rank = RankBox(state.rank, min=1, max=state.max_rank, description="rank")
        self.weighting = ipw.Dropdown(options=SCALINGS, description="noise scaling")
        self.residual = ipw.Dropdown(options=RESIDUALS, description="residual in")
        for control, width in [(self.rank, 110), (self.weighting, 240), (self.residual, 260)]:
            control.layout.width = f"{width}px"
            control.style.description_width = "initial"
        self.scree = ScreePlot(state.rank)
        self.spectrum = SpectrumPlot(state.image)
        self.code = ipw.HTML()
        pixels, counts = state.pins()
        self.map = MapView(
            shape=state.shape,
            rank=state.rank,
            max_rank=state.max_rank,
            pixel=state.pixel,
            captions=CAPTIONS,
            unit="noise = 1",
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            followers={
                "handle": self.scree.handle,
                "line": self.scree.line,
                "model": self.spectrum.model,
                "counts": self.spectrum.counts,
                "residual": self.residual,
                "code": self.code,
                "kernel": self.weighting,
            },
            layout={"flex": "3 1 320px", "min_width": "0"},
            pins={"pixels": pixels, "values": np.asarray(counts, dtype=np.float32).tobytes()},
        )
        self.message = ipw.HTML()

    def _arranged(self):
        title = ipw.HTML(f"<b>{escape(self.state.image.title)}</b>")
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        return [
            title,
            self.message,
            ipw.HBox([self.rank, self.weighting, self.residual], layout=wrapped),
            ipw.HBox([self.scree, self.map], layout=wrapped),
            self.spectrum,
            self.code,
        ]

    def _link(self):
        state = self.state
        tl.link((state, "rank"), (self, "value"))
        tl.link((state, "rank"), (self.map, "rank"))
        ipw.jslink((self.rank, "value"), (self.map, "rank"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
        tl.link((state, "hovered"), (self.map, "hovered"))
        for owner, trait in [(self.residual, "value"), (self.map, "residual")]:
            tl.link((state, "residual"), (owner, trait))
        tl.dlink((state, "weighting"), (self.weighting, "value"))
        self.rank.observe(self._take_rank, "value")
        self.weighting.observe(self._take_weighting, "value")
        state.observe(self._show_rank, "rank")
        state.observe(self._show_weighting, "weighting")
        state.observe(self._show_counts, ["pixel", "hovered"])
        state.observe(self._show_words, ["message", "status"])

    # changes

    def _take_rank(self, change):
        if not self.rank.is_hearing:  # else the page has moved the map too, which says so itself
            self.state.rank = change["new"]

    def _take_weighting(self, change):
        if change["new"] != self.state.weighting:
            self.state.weighting = change["new"]
            self.weighting.value = self.state.weighting  # it may have been refused

    def _show_rank(self, _=None):
        self.code.value = as_html(self.to_code())
        if not self.map.is_hearing:  # else the page has moved them, and may be further by now
            self.rank.value = self.state.rank
            self.scree.move(self.state.rank)

    def _show_weighting(self, _=None):
        self.scree.show(self.state.pca)
        self.map.factors = pack_factors(self.state.factors())
        self.map.code = as_html(self.state.to_code(rank="{rank}"))
        self._show_words()
        self._show_rank()

    def _show_counts(self, _=None):
        counts = np.asarray(self.state.counts(), dtype=np.float32)
        self.map.counts = {"pixel": list(self.state.probed), "values": counts.tobytes()}

    def _show_words(self, _=None):
        state = self.state
        if state.status == "running":
            self.message.value = WORKING
            return
        self.message.value = f"<i>{escape(state.message)}</i>" if state.message else ""


def as_html(code):
    """Show code as it is, whatever it holds."""
    return f'<pre class="endmember-code">{escape(code)}</pre>'
