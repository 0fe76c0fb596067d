"""A rank selector as a still figure, to print or to send."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from endmember.core.axes import length_scale
from endmember.widgets.figure_files import DPI, printable, write_figure
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.scree_plot import GREEN, N_DECADES, N_SHOWN, log_ticks
from endmember.widgets.spectrum_plot import highest_counts, scale_ends

WIDTH, HEIGHT = 10.0, 8.2  # of the figure; this and all that follows in inches
SCREE = (0.9, 3.6, 3.3, 3.6)  # left, bottom, width, height
SPECTRUM = (0.9, 0.95, 8.7, 1.65)
MAP_LEFT, MAP_TOP, MAP_SIDE = 5.2, 7.2, 3.6  # side of the box that holds any map
SLIMMEST = 0.12  # of the longer side: a line scan is drawn wider than it is
SLIM = 0.24  # of the longer side: below, there is no room for a scale bar inside
LOWEST_CEILING = 3  # of a residual map, where noise is 1: noise must not fill the scale
DIVERGING = (  # blue through white to vermilion, as the map on the page has it
    ["00325c", "005a9c", "2f8bc9", "89c0e6", "f7f7f7", "eaac84", "c76d2a", "8f4200", "522400"]
)
HIDDEN = (0.5, 0.5, 0.5, 0.24)  # a pixel behind the mask: a veil, no colour of the map
DARK = "#222222"
PLAIN: dict[str, Any] = {
    "parse_math": False,
    "usetex": False,
    "color": DARK,
}  # a "$" in a title is a "$"
TITLE_WIDTH = 56  # letters that fit into one line, capitals too


def rank_figure(state):
    """Draw what a rank selector shows: scree, residual map and the spectrum of the pixel.

    Parameters
    ----------
    state : RankState
        The rank, the pixel and the components; nothing in it is changed.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot, so that it may be drawn on any thread and needs no closing.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember.widgets import RankState
    >>> counts = np.random.default_rng(0).poisson(30.0, size=(8, 9, 16))
    >>> len(rank_figure(RankState(counts)).axes)
    4
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    _draw_scree(_add_axes(figure, SCREE), state)
    _draw_map(figure, state)
    _draw_spectrum(_add_axes(figure, SPECTRUM), state)
    title = textwrap.wrap(printable(state.image.title), TITLE_WIDTH, max_lines=2, placeholder=" …")
    top = 7.62 / HEIGHT
    figure.text(0.5, top, "\n".join(title), ha="center", size=12, weight="bold", **PLAIN)
    code = f'em.PCA({state.rank}, weighting="{state.weighting}")'
    figure.text(0.5, 0.15 / HEIGHT, code, ha="center", size=8, family="monospace", **PLAIN)
    return figure


def save_figure(state, path):
    """Write the still figure of a state to a file, and return its path.

    Parameters
    ----------
    state : RankState
        What to draw; see :func:`rank_figure`.
    path : str or path-like
        Ends in .png, .svg or .pdf. A file of that name is replaced once the figure is drawn.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from endmember.widgets import RankState
    >>> state = RankState(np.random.default_rng(0).poisson(30.0, size=(8, 9, 16)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(state, f"{folder}/rank.svg").name
    'rank.svg'
    """
    return write_figure(rank_figure(state), path, state.image.title)


def residual_limits(values, residual):
    """Return the ends of the colour scale of a residual map.

    The rule is that of the map on the page, which judges a large map by a sample of its pixels.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Residual in units of the noise; NaN where nothing was fitted.
    residual : {"leading", "all", "next"}
        Whose residual: that of the next components starts at 0 and passes the noise; that of the
        next component alone reaches as far below 0 as above, and beyond the noise.
    """
    shown = np.sort(values[np.isfinite(values)])
    low, high = (float(shown[int(q * shown.size)]) if shown.size else 1.0 for q in (0.005, 0.995))
    if residual == "next":
        end = max(LOWEST_CEILING, abs(low), abs(high))
        return -end, end
    return (0.0, max(LOWEST_CEILING, high)) if residual == "leading" else (low, high)


def residual_caption(state):
    """Return the words above the residual map, as the selector has them."""
    rank, last = state.rank, len(state.pca.components_)
    if state.residual == "next" and rank < last:
        return f"what component {rank + 1} would add to rank {rank}"
    if state.residual == "all":
        return f"residual at rank {rank}: what it leaves in all channels"
    if rank >= last:
        return f"rank {rank}: no component is kept beyond"
    if rank + 1 == last:
        return f"residual at rank {rank}: what component {last} holds"
    return f"residual at rank {rank}: what components {rank + 1} to {last} hold"


def _add_axes(figure, inches):
    """Add axes with a place in inches, whatever style is in force."""
    left, bottom, width, height = inches
    place = (left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT)
    axes = figure.add_axes(place, facecolor="white")
    axes.grid(False)
    axes.tick_params(colors=DARK, labelsize=9)
    axes.spines[:].set_color(DARK)
    return axes


def _draw_scree(axes, state):
    pca, rank = state.pca, state.rank
    edge = pca.noise_edge_
    shown = np.maximum(pca.scree_[:N_SHOWN], edge / 10**N_DECADES)  # a log scale has no zero
    lowest, highest = min(shown.min(), edge), max(shown.max(), edge)
    span = max(2, highest / lowest)
    low, high = lowest / span**0.14, highest * span**0.14  # room for votes, and for the handle
    colors = [ORANGE if k < pca.n_above_edge_ else GREY for k in range(shown.size)]
    axes.set(yscale="log", xlim=(0.3, shown.size + 0.7), ylim=(low, high))
    axes.axhline(edge, color=GREY, linestyle="dashed", linewidth=1.2)
    axes.axvline(rank, color=BLUE, linewidth=1.5)
    axes.scatter(np.arange(1, shown.size + 1), shown, s=30, c=colors, zorder=3)
    top = axes.get_xaxis_transform()
    _draw_votes(axes, state.votes.report, shown.size, top)
    axes.plot([rank], [0.95], "D", color=BLUE, markersize=11, mec="white", transform=top)
    beside = axes.get_yaxis_transform()  # where no point can run through the label
    words = f"noise edge\n{edge:.3f}"
    axes.text(1.02, edge, words, va="center", size=9, transform=beside, **PLAIN)
    ticks = log_ticks(low, high)
    axes.set_xticks([1, *range(5, shown.size + 1, 5)])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("component", **PLAIN)
    axes.set_ylabel("eigenvalue (noise variance = 1)", **PLAIN)


def _draw_votes(axes, report, n_shown, foot):
    """Mark the ranks that rules name at the foot of the scree, the one that counts filled."""
    answers = report.ranks[np.isfinite(report.ranks)] if report else np.zeros(0)
    for rank, times in zip(*np.unique(answers, return_counts=True), strict=True):
        if rank > n_shown:
            continue
        fill = GREEN if rank == report.rank else "none"
        axes.plot([rank], [0.03], "^", mfc=fill, mec=GREEN, markersize=8, transform=foot, zorder=4)
        text = {**PLAIN, "size": 8, "ha": "center", "transform": foot}
        axes.text(rank, 0.07, f"{times}", **text)
    if answers.size:
        axes.text(n_shown + 0.6, 0.03, "votes of rules", ha="right", va="center", size=8,
                  transform=foot, **PLAIN)  # fmt: skip


def _colors(residual):
    """Return the colours of the map on the page."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if residual != "next":
        return colormaps["viridis"]
    return LinearSegmentedColormap.from_list("diverging", [f"#{color}" for color in DIVERGING])


def _draw_map(figure, state):
    rows, columns = state.shape
    longer = max(rows, columns)
    height, width = (MAP_SIDE * max(SLIMMEST, n / longer) for n in (rows, columns))
    axes = _add_axes(figure, (MAP_LEFT, MAP_TOP - height, width, height))
    bar = _add_axes(figure, (MAP_LEFT + width + 0.12, MAP_TOP - height, 0.15, height))
    values = state.residual_map()
    low, high = residual_limits(values, state.residual)
    image = axes.imshow(
        values,
        cmap=_colors(state.residual).with_extremes(bad=HIDDEN),
        vmin=low,
        vmax=high,
        origin="upper",
        aspect="auto",  # the axes have the map's shape
        interpolation="none" if longer <= MAP_SIDE * DPI else "antialiased",
    )
    axes.set(xticks=[], yticks=[])
    axes.autoscale(False)
    axes.set_title(residual_caption(state), loc="left", size=10, pad=9, **PLAIN)
    figure.colorbar(image, cax=bar, format="%g").outline.set_edgecolor(DARK)
    if height < 1:  # inch: no room for more than the ends
        bar.set_yticks([low, high], [f"{end:.3g}" for end in (low, high)])
    bar.set_ylabel("noise = 1", **PLAIN)
    if state.probed_region:
        _draw_outline(axes, state.region_mask())
    else:
        _draw_ring(axes, *state.probed)
    _draw_scale_bar(axes, columns, length_scale(state.image.navigation_axes[-1]), width, height)


def _draw_outline(axes, mask):
    """Draw the sides of the pixels of a region in white, edged in black."""
    from matplotlib.collections import LineCollection

    sides = _sides(mask)
    for color, width in [("black", 3.0), ("white", 1.4)]:
        axes.add_collection(LineCollection(sides, colors=color, linewidths=width))


def _sides(mask):
    """Return the sides between pixels inside and outside, as pairs of places across and down."""
    padded = np.pad(mask, 1)
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]) - 0.5
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]) - 0.5
    ends = [(upright, (1, 0)), (level, (0, 1))]
    return np.concatenate([np.stack([at, at + step], axis=1)[..., ::-1] for at, step in ends])


def _draw_ring(axes, row, column):
    """Ring a pixel in white, edged in black, to be seen on every colour."""
    for color, width in [("black", 3.5), ("white", 1.5)]:
        ring = {"mfc": "none", "mec": color, "mew": width}
        axes.plot([column], [row], "o", markersize=10, clip_on=False, **ring)


def _draw_scale_bar(axes, columns, pixel_size, width, height):
    """Draw a round length into the lower left corner, or below a map too slim for it."""
    from matplotlib import offsetbox
    from matplotlib.patches import Rectangle

    if not pixel_size:
        return
    length = _round_length(0.3 * columns * pixel_size["size"])
    bar = offsetbox.AuxTransformBox(axes.transData)
    across = length / pixel_size["size"]  # pixels
    thickness = 0.03 / height * abs(np.diff(axes.get_ylim())[0])  # rows that fill 0.03 inches
    bar.add_artist(Rectangle((0, 0), across, thickness, facecolor="white", edgecolor="none"))
    text = {**PLAIN, "color": "white", "size": 9}
    words = offsetbox.TextArea(f"{length:g} {pixel_size['unit']}", textprops=text)
    is_inside = min(width, height) >= SLIM * MAP_SIDE
    place = offsetbox.AnchoredOffsetbox(
        "lower left" if is_inside else "upper left",
        child=offsetbox.VPacker(children=[words, bar], align="center", pad=0, sep=3),
        pad=0.4,
        borderpad=0.5 if is_inside else (0, 1),
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes,
    )
    place.patch.set(facecolor="black", alpha=0.55, edgecolor="none")
    axes.add_artist(place)


def _draw_spectrum(axes, state):
    image, (row, column), region = state.image, state.probed, state.probed_region
    curves = [
        (state.counts(), GREY, 0.9, "counts"),
        (state.model(), ORANGE, 1.4, "model"),
        (state.next_model(), BLUE, 1.2, "next component"),
    ]
    for values, color, width, label in curves:
        axes.plot(image.axis, values, color=color, linewidth=width, label=label)
    n_pixels = np.count_nonzero(state.region_mask()) if region else 0
    title = f"mean of {n_pixels} pixels" if region else f"row {row}, column {column}"
    ends = scale_ends(state.reach(), highest_counts(image))
    axes.set(xlim=(image.axis.min(), image.axis.max()), ylim=ends)
    axes.set_title(title, loc="left", size=10, **PLAIN)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(printable(image.signal_axis.label()), **PLAIN)
    axes.set_ylabel("counts", **PLAIN)
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3, "borderaxespad": 0.2}
    axes.legend(**above, frameon=False, labelcolor=DARK, fontsize=9)


def _round_length(length):
    """Round 1, 2 or 5 times a power of ten, at most `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return next(step * power for step in (5, 2, 1) if step * power <= length or step == 1)
