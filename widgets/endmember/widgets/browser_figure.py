"""Components as a still figure, to print or to send."""

from __future__ import annotations

from typing import Any

import numpy as np

from endmember.widgets.figure_files import printable, write_figure
from endmember.widgets.palette import GREY

WIDTH, MAP_WIDTH = 10.0, 2.1  # inches
PER_ROW = 4
SPECTRA_HEIGHT = 2.8  # inches
HIDDEN = (0.5, 0.5, 0.5, 0.24)  # a pixel behind the mask: a veil, no colour of the map
ENDS = (0.5, 99.5)  # per cent of the pixels below each end of the colours, as on the page
PLAIN = {"parse_math": False, "usetex": False}  # a "$" in a name is a "$"


def browser_figure(state, palette):
    """Draw the components that are not hidden: their spectra, and a map of each.

    Parameters
    ----------
    state : BrowserState
        What to draw; nothing in it is changed.
    palette : list of str
        A colour for each component.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot, so that it may be drawn on any thread and needs no closing.
    """
    from matplotlib.figure import Figure

    shown = state.shown or [state.component]
    n_rows = -(-len(shown) // PER_ROW)
    rows, columns = state.shape
    map_height = float(np.clip(MAP_WIDTH * rows / columns, 0.8, 4.0)) + 0.45
    height = SPECTRA_HEIGHT + n_rows * map_height
    figure = Figure(figsize=(WIDTH, height), facecolor="white", layout="constrained")
    heights = [SPECTRA_HEIGHT, n_rows * map_height]
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)  # each with columns of its own
    top, bottom = parts
    _draw_spectra(top.add_subplot(), state, palette, shown)
    for place, k in enumerate(shown):
        axes = bottom.add_subplot(n_rows, PER_ROW, place + 1)
        _draw_map(bottom, axes, state, palette, k)
    figure.suptitle(printable(state.title), weight="bold", size=12, **PLAIN)
    return figure


def save_figure(state, palette, path):
    """Write the still figure of a state to a file, and return its path; see `browser_figure`."""
    return write_figure(browser_figure(state, palette), path, state.title)


def _draw_spectra(axes, state, palette, shown):
    heights = np.nanmax(np.abs(state.components), axis=1)
    is_equal = state.heights == "equal"
    for k in shown:
        unit = heights[k] if is_equal and heights[k] else 1.0
        label = printable(state.names[k])
        axes.plot(state.axis, state.components[k] / unit, color=palette[k], lw=1.1, label=label)
        if state.bands is not None:
            ends = (end[k] / unit for end in state.bands)
            axes.fill_between(state.axis, *ends, color=palette[k], alpha=0.25, lw=0)
    for marker in state.markers():
        axes.axvline(marker.position, color=GREY, lw=0.7, alpha=0.5 + 0.5 * marker.weight)
        if marker.weight >= 0.5:
            at = {"xy": (marker.position, 1), "xycoords": axes.get_xaxis_transform()}
            axes.annotate(marker.label, **at, size=8, rotation=90, va="bottom", ha="center")
    axes.margins(x=0)
    axes.set_xlabel(printable(state.axis_label), **PLAIN)
    axes.set_ylabel("of the highest channel" if is_equal else "counts")
    beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    for text in axes.legend(**beside, frameon=False, fontsize=9).get_texts():
        text.set_parse_math(False)


def _draw_map(figure, axes, state, palette, k):
    from matplotlib import colormaps

    values = state.maps[k]
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, ENDS) if finite.size else (0.0, 1.0)
    colors = colormaps["viridis"].with_extremes(bad=HIDDEN)
    image = axes.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="none")
    if state.shape[0] < 0.2 * state.shape[1]:
        axes.set_aspect("auto")  # a line scan is drawn higher than it is
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=palette[k], linewidth=2.5)
    axes.set_title(printable(state.names[k]), size=10, loc="left", **PLAIN)
    figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize=8)
