"""Clusters as a still figure, to print or to send."""

from __future__ import annotations

from typing import Any

import numpy as np

from endmember.widgets.figure_files import printable, write_figure
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.palette import GREY

SIZE = (10.0, 7.6)  # inches
HIDDEN = (0.5, 0.5, 0.5, 0.24)  # a pixel behind the mask: a veil, no colour of the map
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}  # a "$" in a title is a "$"


def cluster_figure(state):
    """Draw the clusters that are shown: their map, mean spectra, silhouettes and ratios.

    Parameters
    ----------
    state : ClusterState
        What to draw, once it was computed; nothing in it is changed.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot, so that it may be drawn on any thread and needs no closing.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember.widgets import ClusterState
    >>> state = ClusterState(np.random.default_rng(0).poisson(30.0, size=(8, 9, 3)), max_k=2)
    >>> state.wait(60)
    True
    >>> len(cluster_figure(state).axes)
    4
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, facecolor="white", layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[1.25, 1], width_ratios=[1, 1, 1])
    _draw_map(figure.add_subplot(grid[0, 0]), state)
    _draw_spectra(figure.add_subplot(grid[0, 1:]), state)
    _draw_curve(figure.add_subplot(grid[1, 0]), state)
    _draw_silhouettes(figure.add_subplot(grid[1, 1]), state)
    _write_ratios(figure.add_subfigure(grid[1, 2]), state)
    figure.suptitle(printable(state.image.title), weight="bold", size=12, **PLAIN)
    return figure


def save_figure(state, path):
    """Write the still figure of a state to a file, and return its path; see `cluster_figure`."""
    return write_figure(cluster_figure(state), path, state.image.title)


def _draw_map(axes, state):
    from matplotlib.colors import ListedColormap

    k = state.shown_k
    labels = np.ma.masked_less(state.label_map(), 0)
    colors = ListedColormap(LABEL_COLORS[:k]).with_extremes(bad=HIDDEN)
    axes.imshow(labels, cmap=colors, vmin=-0.5, vmax=k - 0.5, interpolation="none")
    if state.shape[0] < 0.2 * state.shape[1]:
        axes.set_aspect("auto")  # a line scan is drawn higher than it is
    axes.set(xticks=[], yticks=[])
    half = ", found on one half" if state.ladder.recipe.held_out else ""
    axes.set_title(f"k = {k}{half}", size=10, loc="left")


def _draw_spectra(axes, state):
    found, axis, names = state.mean_spectra(), state.image.axis, state.shown_names()
    for k, mean in enumerate(found.means):
        color, error = LABEL_COLORS[k], 2 * np.nan_to_num(found.stderr_scatter[k])
        axes.plot(axis, mean, color=color, lw=1.1, label=printable(names[k]))
        axes.fill_between(axis, mean - error, mean + error, color=color, alpha=0.25, lw=0)
    axes.margins(x=0)
    axes.set_xlabel(printable(state.image.signal_axis.label()), **PLAIN)
    half = " (held-out half)" if state.ladder.recipe.held_out else ""
    axes.set_ylabel(f"counts a pixel{half}")
    for text in axes.legend(frameon=False, fontsize=9).get_texts():
        text.set_parse_math(False)


def _draw_curve(axes, state):
    values, errors, best = state.curve()
    ks = np.arange(1, values.size + 1)
    axes.axvline(state.shown_k, color=LABEL_COLORS[0], lw=1)
    axes.errorbar(ks, values, errors, color=GREY, marker="o", lw=1)
    if best is not None:
        axes.plot([best], [values[best - 1]], "o", color=LABEL_COLORS[1], zorder=5)
    axes.set(xlabel="number of clusters", ylabel=state.criterion, xticks=ks)


def _draw_silhouettes(axes, state):
    start = 0
    for k, each in enumerate(state.silhouettes()):
        axes.fill_betweenx(np.arange(start, start + each.size), 0, each, color=LABEL_COLORS[k])
        start += each.size
    axes.axvline(0, color=GREY, lw=1)
    axes.set(xlabel="silhouette", ylabel="pixels", yticks=[])
    axes.invert_yaxis()


def _write_ratios(place, state):
    """Write the ratio of two lines for every cluster, on held-out counts where there are such."""
    if state.ratio is None:
        return
    half = "\non held-out counts" if state.ladder.recipe.held_out else ""
    title = printable(" / ".join(state.ratio)) + half
    place.text(0.04, 0.97, title, size=10, va="top", **PLAIN)
    for row in state.ratios():
        ratio = row["held_out"] or row["clustered"]
        words = "no counts" if ratio is None else f"{ratio[0]:.4f} ± {ratio[1]:.4f}"
        y = 0.8 - 0.1 * row["cluster"]
        place.text(0.04, y, "■", size=12, va="top", color=LABEL_COLORS[row["cluster"]])
        name = printable(state.names[row["cluster"]])
        place.text(0.12, y, f"{name}:  {words}", size=10, va="top", **PLAIN)
