"""A matrix from its first directions, what they leave, and how much that is in two norms."""

from __future__ import annotations

import math
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
ROOM = 4.0  # times the norm of the picture: where the plot ends, so that words stand clear of it
LOWEST = 1e-3  # of the norm of the picture: smaller norms stand at the foot of the plot
SHARES = 0.5, 99.5  # per cent of a picture below black and below white
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class RankKState:
    """A matrix at every rank, and how much of it is left.

    Parameters
    ----------
    matrix : array_like of shape (rows, columns)
        The matrix A: a picture, or a table with a picture in each row.
    shape : tuple of int, optional
        Rows and columns of the pictures in the rows of a table; by default the matrix is one.
    row : int, default=0
        Which row of a table is shown.
    max_rank : int, default=16
        The highest rank k to go to; turning it up shows finer detail.

    Attributes
    ----------
    picture : ndarray of shape (picture rows, picture columns)
        The matrix, or its row.
    singular_values : ndarray of shape (min(rows, columns),)
        Of the matrix, largest first, in its unit.
    kept, left : ndarray of shape (max_rank + 1, picture rows, picture columns)
        A_k, the sum of the first k directions, from rank 0, and A - A_k; or their row.
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

    def __init__(self, matrix, *, shape=None, row=0, max_rank=16):
        matrix = np.array(matrix, dtype=np.float64)
        check_scalar(max_rank, "max_rank", Integral, min_val=1)
        shown = _shown_rows(matrix, shape, row)
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        values = np.where(values > ROUNDING * values[0], values, 0.0)
        self.singular_values, self._shape = values, matrix.shape
        ranks = np.arange(min(max_rank, len(values)) + 1)
        self.max_rank = int(ranks[-1])
        kept = [(left[shown, :k] * values[:k]) @ right[:k] for k in ranks]
        self.picture = matrix[shown].reshape(shape or matrix.shape)
        self.kept = np.reshape(kept, (len(ranks), *self.picture.shape))
        self.left = self.picture - self.kept
        self.frobenius = np.sqrt([(values[k:] ** 2).sum() for k in ranks])
        self.spectral = np.append(values, 0.0)[ranks]

    def words(self, rank):
        """Say how many numbers a rank takes, and how much of the matrix it leaves."""
        rows, columns = self._shape
        n_numbers = rank * (rows + columns + 1)
        following = f"σ{rank + 1}".translate(SUBSCRIPTS)
        return (
            f"Rank {rank}: {n_numbers:,} numbers for {rows * columns:,}. What is left has "
            f"Frobenius norm {self.frobenius[rank]:.4g} and spectral norm "
            f"{self.spectral[rank]:.4g} ({following})."
        )


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
        across = {"label": "rank k", "tick_format": "d", "label_offset": "2.4em"}
        up = {"label": "norm of what is left", "side": "left", "label_offset": "3.2em"}
        up |= {"grid_lines": "none", "tick_format": "~g"}
        super().__init__(
            marks=[*lines, *(at for at, _ in self.marks_at)],
            axes=[
                bq.Axis(scale=scales["x"], grid_lines="none", **across),
                bq.Axis(scale=scales["y"], tick_values=_ticks(foot, ROOM * whole), **up),
            ],
            legend_location="top-right",
            fig_margin={"top": 12, "bottom": 48, "left": 60, "right": 16},
            layout={"width": "auto", "height": "240px"},
        )
        self.add_class("endmember-figure")


def _ticks(low, high):
    """Return 1, 2 and 5 times powers of ten between the ends of a logarithmic scale."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    ticks = np.outer(powers, [1, 2, 5]).ravel()
    return ticks[(ticks >= low) & (ticks <= high)]


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


def _shown_rows(matrix, shape, row):
    """Return which rows of a matrix are shown; refuse what is no picture."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"matrix has shape {matrix.shape}; give one of rows and columns.")
    if not np.isfinite(matrix).all():
        raise ValueError("matrix holds NaN or infinity; fill these pixels or crop them off.")
    rows, columns = matrix.shape
    if shape is not None:
        if len(shape) != 2 or math.prod(shape) != columns:
            raise ValueError(f"shape is {tuple(shape)}, but a row holds {columns} numbers.")
        check_scalar(row, "row", Integral, min_val=0, max_val=rows - 1)
    n_pixels = matrix.size if shape is None else columns
    if n_pixels > MOST_PIXELS:
        raise ValueError(
            f"the picture has {n_pixels} numbers, more than the {MOST_PIXELS} that a page holds "
            "at every rank; crop or rebin it."
        )
    return slice(None) if shape is None else slice(row, row + 1)
