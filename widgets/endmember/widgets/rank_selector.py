"""Choose the rank by hand and eye: scree, residual map and the spectrum of a pixel."""

from __future__ import annotations

from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.code_field import CodeField
from endmember.widgets.factors import pack_factors
from endmember.widgets.figure_files import checked_path, nothing_hovered
from endmember.widgets.first_look import (
    AwaitedDict,
    AwaitedEnum,
    AwaitedInt,
    AwaitedTuple,
    FirstLook,
)
from endmember.widgets.map_view import Hearing, MapView
from endmember.widgets.message import Message
from endmember.widgets.pages import save_page
from endmember.widgets.pixels import check_inside
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.rank_figure import save_figure
from endmember.widgets.rank_parts import HeldOutPlot, RankNote, RankPage, VoteList
from endmember.widgets.rank_state import MAX_RANK, WEIGHTINGS, RankState, checked_image
from endmember.widgets.region_list import regions_of
from endmember.widgets.region_panel import RegionPanel
from endmember.widgets.scree_plot import ScreePlot
from endmember.widgets.spectrum_plot import SpectrumPlot
from endmember.widgets.work_row import WorkRow

SCALINGS = {"biwhitened": "biwhiten", "Keenan-Kotula": "poisson"}
RESIDUALS = {  # in the order in which the map knows them
    "the next components": "leading",
    "all channels": "all",
    "the next component alone": "next",
}
CAPTIONS = {
    "leading": "residual at rank {rank}: what components {next} to {last} hold",
    "all": "residual at rank {rank}: what it leaves in all channels",
    "next": "what component {next} would add to rank {rank}",
}

MEASURING = "Comparing neighbouring pixels …"
FITTING = "fitting …"
ASKING = "Asking the rules that need no more than a scree …"


class RankBox(Hearing, ipw.BoundedIntText):
    """A number box that knows when it was the page that changed it."""


class RankSelector(FirstLook):
    """Choose the rank of a spectrum image on its scree, and see what each rank leaves.

    Drag the handle to a whole rank, turn the wheel over the scree, click on it, type a number, or
    take the answer of a rule. The map shows what that rank leaves in every pixel, noise being 1;
    point at a pixel, or draw a region, for its counts and their model. With the map in focus, arrow
    keys move the pixel, Page Up and Page Down the rank. Cheap rules are asked once the selector is
    on a page; the others take longer, and both cores, and wait for a button. Of a large map the
    counts are shown at once, and the components once they are found; whoever reads or sets anything
    before waits for them.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (rows, columns, n_channels)
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
    region : dict
        The region that is probed, as :class:`MapView` has it, or empty; may be set.
    weighting : {"biwhiten", "poisson"}
        Scaling of the noise; may be set.
    residual : {"leading", "all", "next"}
        Whether the map shows what the next components hold, what all channels do, or the signed
        amount of the next component alone; may be set.
    state : RankState
        Everything that is known, without a widget; ``state.votes`` are the answers of rules.

    Examples
    --------
    >>> import endmember as em
    >>> selector = em.RankSelector(em.datasets.load("diamond_anvil_71gpa"))
    >>> selector.value
    4
    """

    value = AwaitedInt(1, min=1)
    pixel = AwaitedTuple(tl.Int(), tl.Int(), default_value=(0, 0))
    region = AwaitedDict()
    weighting = AwaitedEnum(WEIGHTINGS, "biwhiten")
    residual = AwaitedEnum(list(RESIDUALS.values()), "leading")

    def __init__(self, data, *, max_rank=MAX_RANK, weighting="biwhiten"):
        settings = {"max_rank": max_rank, "weighting": weighting}
        image = checked_image(data, **settings)
        super().__init__(layout={"max_width": "1000px"})
        self._begin(image, lambda: self._fill(RankState(image, **settings)))

    def _fill(self, state):
        """Show what a state knows."""
        self._state = state
        self._make_controls()
        self._make_map()
        self._make_parts()
        self._link()
        self._show_scaling()
        self._show_counts()
        self.children = self._arranged()

    @property
    def state(self):
        """Everything that is known, without a widget."""
        self.wait_until_built()
        return self._state

    def result(self):
        """Return the fitted :class:`PCA` at the chosen rank; its ``record_`` says what made it."""
        return self.state.result()

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        return self.state.to_code()

    def settings(self):
        """Return all settings, as JSON has them; ipywidgets' own `get_state` is for the page."""
        return self.state.settings()

    def restore(self, settings):
        """Take over settings.

        Parameters
        ----------
        settings : dict
            What :meth:`settings` returned, or a part of it.
        """
        self.state.restore(settings)

    def ask(self, rules="all"):
        """Ask rules for the rank, in the background, as the button does.

        Parameters
        ----------
        rules : {"all", "cheap"}, default="all"
            Which of those of :func:`rank_report`.
        """
        self.state.votes.ask(rules)

    def wait(self, seconds=None):
        """Wait until nothing runs in the background; return whether that is so."""
        return self.wait_until_built(seconds) and self.state.wait(seconds)

    def close(self):
        """Stop what runs, and leave the regions, which other widgets may still show."""
        if "regions" in vars(self):  # else it was never whole
            self.state.votes.cancel()
            self.state.worker.cancel()
            self.regions.close()
        super().close()

    def save(self, path, *, scripts="inside"):
        """Write what the selector shows: a page that answers without Python, or a picture.

        Parameters
        ----------
        path : str or path-like
            ``.html`` for one page that holds all it needs: rank, residual, map and model answer in
            any browser, with no network; the counts of about a dozen pixels and the answers of the
            rules that are known go with it. ``.png``, ``.svg`` or ``.pdf`` for a picture. A file of
            that name is replaced.
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

    @tl.validate("weighting")
    def _can_be_had(self, proposal):
        """Take over what the state makes of it: not every map can be scaled in every way."""
        self.state.weighting = proposal["value"]
        return self.state.weighting

    @tl.validate("pixel")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.state.shape)

    # parts

    def _make_controls(self):
        state = self.state
        self.rank = RankBox(state.rank, min=1, max=state.max_rank, description="rank")
        self.scaling = ipw.Dropdown(options=SCALINGS, description="noise scaling")
        self.left = ipw.Dropdown(options=RESIDUALS, description="residual in")
        self.under = ipw.Dropdown(
            options={"nothing": "", **{name: name for name in state.image.companions}},
            description="beneath the map",
        )
        self.under.layout.display = None if state.image.companions else "none"
        widths = {self.rank: 110, self.scaling: 240, self.left: 260, self.under: 240}
        for control, width in widths.items():
            control.layout.width = f"{width}px"
            control.style.description_width = "initial"
        self.message = Message()
        self.verdict = Message(layout={"min_height": "3em"})  # what is below stays where it is
        self.work = WorkRow(state.votes, start="Ask all rules")
        self.code = CodeField()

    def _make_map(self):
        state = self.state
        factors = state.factors()
        pixels, counts = state.pins(factors)
        self.scree, self.spectrum = ScreePlot(state.rank), SpectrumPlot(state.image)
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
                "next": self.spectrum.next,
                "residual": self.left,
                "code": self.code,
                "kernel": self.scaling,
            },
            factors=pack_factors(factors),
            tools=["point", "rectangle", "lasso", "line"],
            layout={"min_width": "0"},
            pins={"pixels": pixels, "values": np.asarray(counts, dtype=np.float32).tobytes()},
        )

    def _make_parts(self):
        self.regions = RegionPanel(regions_of(self.state.image), self.map)
        needs_python = [self.work, self.regions, self.under]
        self.page = RankPage(map=self.map, needs_python=needs_python, verdict=self.verdict)
        self.held_out = HeldOutPlot(map=self.map)
        self.votes = VoteList(map=self.map)
        self.note = RankNote(map=self.map)

    def _arranged(self):
        title = ipw.HTML(f"<b>{escape(self.state.image.title)}</b>")
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        whole = {"overflow": "visible"}  # a box gives a map of broken pixels a bar to scroll by
        narrow = {"flex": "1 1 240px", "min_width": "240px", "max_width": "390px"}
        scree = ipw.VBox([self.scree, self.held_out, self.page], layout=narrow)
        scree.add_class("endmember-scree")
        wide = {"flex": "3 1 320px", "min_width": "0", **whole}
        mapped = ipw.VBox([self.map, self.note, self.regions], layout=wide)
        return [
            PlainKeys(),
            title,
            self.message,
            self.verdict,
            self.work,
            ipw.HBox([self.rank, self.scaling, self.left, self.under], layout=wrapped),
            ipw.HBox([scree, mapped], layout=wrapped | whole),
            self.spectrum,
            self.votes,
            self.code,
        ]

    def _link(self):
        state = self.state
        tl.link((state, "rank"), (self, "value"))
        tl.link((state, "rank"), (self.map, "rank"))
        ipw.jslink((self.rank, "value"), (self.map, "rank"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
            tl.link((state, "region"), (owner, "region"))
        tl.link((state, "hovered"), (self.map, "hovered"))
        for owner, trait in [(self, "residual"), (self.left, "value"), (self.map, "residual")]:
            tl.link((state, "residual"), (owner, trait))
        for owner, trait in [(self, "weighting"), (self.scaling, "value")]:
            tl.dlink((state, "weighting"), (owner, trait))
        tl.link((state, "beneath"), (self.under, "value"))
        self.rank.observe(self._take_rank, "value")
        self.scaling.observe(self._take_weighting, "value")
        self.page.on_msg(self._look_further)
        state.observe(self._show_rank, "rank")
        state.observe(self._show_weighting, "weighting")
        state.observe(self._show_counts, ["pixel", "hovered", "region"])
        state.observe(self._show_words, ["message", "status"])
        state.observe(self._show_alike, "alike")
        state.observe(self._show_beneath, "beneath")
        state.votes.observe(self._show_votes, ["report", "status"])

    # changes

    def _look_further(self, *_):
        """Do what takes longer once the page shows what is there."""
        if not self.state.is_measured:
            self.state.measure()
        self.state.votes.ask("cheap")

    def _take_rank(self, change):
        if not self.rank.is_hearing:  # else the page has moved the map too, which says so itself
            self.state.rank = change["new"]

    def _take_weighting(self, change):
        if change["new"] != self.state.weighting:
            self.state.weighting = change["new"]
            self.scaling.value = self.state.weighting  # it may have been refused

    def _show_rank(self, _=None):
        self.code.value = self.to_code()
        if not self.map.is_hearing:  # else the page has moved them, and may be further by now
            self.rank.value = self.state.rank
            self.scree.move(self.state.rank)

    def _show_weighting(self, _=None):
        self.map.factors = pack_factors(self.state.factors())
        self._show_scaling()

    def _show_scaling(self):
        self.scree.show(self.state.pca)
        self.page.ends = self.held_out.ends = self.scree.ends
        self.map.code = self.state.to_code(rank="{rank}")
        self._show_votes()
        self._show_words()
        self._show_rank()

    def _show_counts(self, _=None):
        state = self.state
        counts, region = state.counts(), state.probed_region
        probed = {"region": region} if region else {"pixel": list(state.probed)}
        self.map.counts = {**probed, "values": np.asarray(counts, dtype=np.float32).tobytes()}
        self.spectrum.reach(state.reach())

    def _show_words(self, _=None):
        state = self.state
        if state.status == "running":
            self.message.say(FITTING)
        else:
            self.message.say(state.message, kind="warning" if state.message else "status")

    def _show_alike(self, _=None):
        words = self.state.residual_words()
        with self.note.hold_sync():
            self.note.words, self.note.before = words, "" if words else MEASURING

    def _show_beneath(self, _=None):
        name, image = self.state.beneath, self.state.image
        under = image.companions[name].reshape(self.state.shape) if name else None
        self.map.set_beneath(under, name=name)

    def _show_votes(self, _=None):
        votes = self.state.votes
        rows = votes.rows()
        if rows != self.votes.votes:
            self.votes.votes = rows
            self.held_out.curve = votes.curve()
        ranks = [row["rank"] for row in rows if row["rank"] is not None]
        self.scree.show_votes(ranks, votes.report.rank if votes.report else None)
        if votes.status != "running":  # it is spoken: once they are done rather than at each answer
            self._say_verdict(votes)
        elif votes.report is None:
            self.verdict.say(ASKING)

    def _say_verdict(self, votes):
        if votes.status == "error":
            self.verdict.say(f"The rules could not be asked: {votes.message}", kind="error")
            return
        words = " ".join(filter(None, [votes.sentence(), votes.message]))
        self.verdict.say(words, kind="warning" if votes.is_doubtful else "status")
