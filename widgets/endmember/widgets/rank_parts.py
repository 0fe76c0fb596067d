"""What a rank selector has beside its map: parts that follow the rank in the page."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl
from ipywidgets import Widget, widget_serialization

from endmember.widgets.scree_plot import ENDS, MARGINS

HERE = Path(__file__).parent
AS_FIGURES = (
    "0 2px"  # bqplot leaves so much beside its figures: ranks stand below those of the scree
)


class RankPart(anywidget.AnyWidget):
    """Something that follows and moves the rank of a map, in the page.

    Parameters
    ----------
    map : MapView
        The map.
    """

    _css = HERE / "rank_parts.css"

    map = tl.Instance(Widget).tag(sync=True, **widget_serialization)


class RankPage(RankPart):
    """Nothing to see: wheel and clicks on the scree around it choose a rank.

    Lies in a box of the class ``endmember-scree``, and tells once it is on a page.

    Parameters
    ----------
    map : MapView
        The map whose rank they choose.
    needs_python : list of Widget
        What is hidden where no kernel hears it.
    verdict : Message
        Hidden there as well, unless a kernel has left words in it.
    """

    _esm = HERE / "rank_page.js"

    margins = tl.List([MARGINS["left"], MARGINS["right"]]).tag(sync=True)
    ends = tl.List(list(ENDS)).tag(sync=True)
    needs_python = tl.List(tl.Instance(Widget)).tag(sync=True, **widget_serialization)
    verdict = tl.Instance(Widget).tag(sync=True, **widget_serialization)


class RankNote(RankPart):
    """Words that are known for every rank.

    Attributes
    ----------
    words : dict of str to list of str
        Of each kind of residual the words for rank 1, 2, ...
    before : str
        What is said before they are known.
    """

    _esm = HERE / "rank_note.js"

    words = tl.Dict().tag(sync=True)
    before = tl.Unicode().tag(sync=True)


class VoteList(RankPart):
    """The answers of rules, each with a button that chooses its rank.

    Attributes
    ----------
    votes : list of dict
        Rows as :meth:`RankVotes.rows` has them.
    """

    _esm = HERE / "vote_list.js"

    votes = tl.List(tl.Dict()).tag(sync=True)


class HeldOutPlot(RankPart):
    """How well each rank predicts counts that were held out; nothing before that is known.

    Attributes
    ----------
    curve : dict
        As :meth:`RankVotes.curve` has it.
    ends : list of float
        Ranks at both ends of the axis, as on the scree above.
    """

    _esm = HERE / "held_out_plot.js"

    curve = tl.Dict().tag(sync=True)
    margins = tl.List([MARGINS["left"], MARGINS["right"]]).tag(sync=True)
    ends = tl.List(list(ENDS)).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(layout={"margin": AS_FIGURES}, **traits)
