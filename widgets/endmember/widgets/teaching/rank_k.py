"""A matrix from its first directions, what they leave, and how much that is in two norms."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np

from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message
from endmember.widgets.teaching.norm_plot import NormPlot
from endmember.widgets.teaching.rank_k_state import RankKState
from endmember.widgets.teaching.steps import Steps

DIGITS = 3  # of what a page holds of a picture
SHARES = 0.5, 99.5  # per cent of a picture below black and below white


class RankExplorer(ipw.VBox):
    """Build a matrix from its first k directions, and see what they leave.

    Parameters
    ----------
    matrix : array_like of shape (rows, columns)
        A picture of no more than 128 × 128 numbers, or a table with one in each row; it is not
        changed.
    shape : tuple of int, optional
        Rows and columns of the pictures in the rows of a table; by default the matrix is one.
    row : int, default=0
        Which row of a table is shown; the norms are those of all.
    max_rank : int, default=16
        The highest rank that the slider reaches; turning it up makes a page larger.

    Attributes
    ----------
    state : RankKState
        All numbers: what is kept and left at every rank, and its norms.
    rank : ipywidgets.IntSlider
        The rank k.

    Examples
    --------
    >>> import endmember as em
    >>> photos = em.datasets.load("portraits", n_mixtures=10)
    >>> explorer = em.teaching.RankExplorer(photos.portraits[1])
    >>> explorer.rank.value = 8
    >>> explorer.state.words(8)[:33]
    'Rank 8: 1,032 numbers for 4,096. '
    >>> explorer = em.teaching.RankExplorer(photos.image.spectra, shape=(64, 64), max_rank=6)
    >>> explorer.state.kept.shape
    (7, 64, 64)
    """

    def __init__(self, matrix, *, shape=None, row=0, max_rank=16):
        self.state = state = RankKState(matrix, shape=shape, row=row, max_rank=max_rank)
        self.rank = ipw.IntSlider(1, min=0, max=state.max_rank, description="rank k")
        self.words = Message()
        low, high = _span(state.kept[-1])
        most = float(np.abs(state.left[1]).max()) or 1.0
        self.kept = _map(state.picture.shape, "gray", (low, high))
        self.left = _map(state.picture.shape, "diverging", (-most, most))
        self.norms = NormPlot(state)
        self.steps = Steps({"rank": self.rank})
        self._drive()
        maps = ipw.HBox(
            [self.kept, self.left], layout={"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        )
        super().__init__(
            [self.rank, self.words, maps, self.norms, self.steps], layout={"max_width": "1000px"}
        )

    def _drive(self):
        state, ranks = self.state, range(self.state.max_rank + 1)
        captions = [(self.kept, "what rank {} keeps"), (self.left, "what rank {} leaves")]
        for view, caption in captions:
            self.steps.drive(view, "caption", [caption.format(k) for k in ranks], by=["rank"])
        for view, values in [(self.kept, state.kept), (self.left, state.left)]:
            self.steps.drive(view, "values", values, by=["rank"], digits=DIGITS)
        self.steps.drive(self.words, "value", [state.words(k) for k in ranks], by=["rank"])
        self.norms.follow(self.steps)


def _map(shape, colors, limits):
    return MapView(
        shape=shape,
        colors=colors,
        limits=limits,
        tools=["point"],
        layout={"flex": "1 1 320px", "min_width": "0"},
    )


def _span(picture):
    low, high = np.percentile(picture, SHARES).tolist()
    return (low, high) if high > low else (low - 0.5, high + 0.5)
