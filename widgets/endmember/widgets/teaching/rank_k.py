"""A picture from its first directions, what they leave, and how much that is in two norms."""

from __future__ import annotations

from numbers import Integral

import bqplot as bq
import ipywidgets as ipw
import numpy as np
from sklearn.utils.validation import check_scalar

from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.teaching.steps import Steps

DIGITS = 3  # of what a page holds of a picture
MOST_PIXELS = 128 * 128  # of a picture: a page holds it at every rank
ROUNDING = 1e-12  # of the largest singular value: smaller ones are not known
LOWEST = 1e-3  # of the norm of the picture: smaller norms stand at the foot of the plot
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class RankKState:
    """A matrix at every rank, and how much of it is left.

    Parameters
    ----------
    picture : array_like of shape (rows, columns)
        The matrix A.
    max_rank : int, default=16
        The highest rank k to go to; turning it up shows finer detail.

    Attributes
    ----------
    singular_values : ndarray of shape (min(rows, columns),)
        Largest first, in the unit of the picture.
    kept : ndarray of shape (max_rank + 1, rows, columns)
        A_k, the sum of the first k directions, from rank 0.
    left : ndarray of shape (max_rank + 1, rows, columns)
        A - A_k.
    frobenius, spectral : ndarray of shape (max_rank + 1,)
        Norms of what is left, from the singular values: the root of the sum of their squares
        beyond the k-th, and the next one.

    Examples
    --------
    >>> from endmember.widgets.teaching.rank_k import RankKState
    >>> state = RankKState([[3.0, 0.0], [0.0, 4.0]])
    >>> state.frobenius.tolist(), state.spectral.tolist()
    ([5.0, 3.0, 0.0], [4.0, 3.0, 0.0])
    """

    def __init__(self, picture, *, max_rank=16):
        picture = np.array(picture, dtype=np.float64)
        _check_picture(picture)
        check_scalar(max_rank, "max_rank", Integral, min_val=1)
        left, values, right = np.linalg.svd(picture, full_matrices=False)
        values = np.where(values > ROUNDING * values[0], values, 0.0)
        self.picture, self.singular_values = picture, values
        ranks = np.arange(min(max_rank, len(values)) + 1)
        self.max_rank = int(ranks[-1])
        self.kept = np.stack([(left[:, :k] * values[:k]) @ right[:k] for k in ranks])
        self.left = picture - self.kept
        self.frobenius = np.sqrt([(values[k:] ** 2).sum() for k in ranks])
        self.spectral = np.append(values, 0.0)[ranks]

    def words(self, rank):
        """Say how large a part of the picture a rank keeps, and what it leaves."""
        rows, columns = self.picture.shape
        n_numbers = rank * (rows + columns + 1)
        following = f"σ{rank + 1}".translate(SUBSCRIPTS)
        return (
            f"Rank {rank}: {n_numbers} numbers for {rows * columns}. What is left has Frobenius "
            f"norm {self.frobenius[rank]:.3f} and spectral norm {self.spectral[rank]:.3f} "
            f"({following})."
        )


class RankExplorer(ipw.VBox):
    """Build a picture from its first k directions, and see what they leave.

    Parameters
    ----------
    picture : array_like of shape (rows, columns)
        Any matrix of no more than 128 × 128 numbers; it is not changed.
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
    >>> portraits = em.datasets.load("portraits", n_mixtures=4).portraits
    >>> explorer = em.teaching.RankExplorer(portraits[1])
    >>> explorer.rank.value = 8
    >>> explorer.state.words(8)[:31]
    'Rank 8: 1032 numbers for 4096. '
    """

    def __init__(self, picture, *, max_rank=16):
        self.state = state = RankKState(picture, max_rank=max_rank)
        self.rank = ipw.IntSlider(1, min=0, max=state.max_rank, description="rank k")
        self.words = Message()
        low, high = _span(state.picture)
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
        at = np.array(ranks, dtype=float)[:, None]
        for mark, norms in self.norms.marks_at:
            self.steps.drive(mark, "x", at, by=["rank"])
            self.steps.drive(mark, "y", norms[:, None], by=["rank"])


class NormPlot(bq.Figure):
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
            "y": bq.LogScale(min=foot, max=1.4 * whole, allow_padding=False),
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
        across = {"label": "rank k", "tick_format": "d", "label_offset": "2.4em"}
        up = {"label": "norm of what is left", "side": "left", "label_offset": "3em"}
        super().__init__(
            marks=[*lines, *(at for at, _ in self.marks_at)],
            axes=[
                bq.Axis(scale=scales["x"], grid_lines="none", **across),
                bq.Axis(scale=scales["y"], grid_lines="none", tick_format="~g", **up),
            ],
            legend_location="top-right",
            fig_margin={"top": 12, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "240px"},
        )
        self.add_class("endmember-figure")


def _map(shape, colors, limits):
    return MapView(
        shape=shape,
        colors=colors,
        limits=limits,
        tools=["point"],
        layout={"flex": "1 1 320px", "min_width": "0"},
    )


def _span(picture):
    low, high = float(picture.min()), float(picture.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _check_picture(picture):
    if picture.ndim != 2 or 0 in picture.shape or picture.size > MOST_PIXELS:
        raise ValueError(
            f"picture has shape {picture.shape}; give one of rows and columns, of no more than "
            f"{MOST_PIXELS} numbers: crop or rebin it."
        )
    if not np.isfinite(picture).all():
        raise ValueError("picture holds NaN or infinity; fill these pixels or crop them off.")
