"""A mixture at several doses: its map beside what was counted and expected in every pixel."""

from __future__ import annotations

from html import escape

import bqplot as bq
import ipywidgets as ipw
import numpy as np

from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.map_view import MapView
from endmember.widgets.palette import GREY, ORANGE
from endmember.widgets.teaching.steps import Steps

DOSES = (10, 50, 200, 1_000, 10_000)  # counts a pixel
MOST_NUMBERS = 1 << 20  # of all recordings together: the page holds them
MOST_WINDOWS = 64  # that the slider of channels steps through
PART_COLORS = [color for color in LABEL_COLORS if color not in (ORANGE, GREY)]
HEADROOM = 1.08  # of the highest channel


class Mixing:
    """Recordings of one mixture at several doses, and what they were drawn about.

    ``counts ~ Poisson(dose * model)`` with ``model = abundances @ endmembers``, scaled to one count
    a pixel on average. Each recording goes on where the one before it stopped, as a detector does.

    Parameters
    ----------
    scene : Scene
        A small map with endmembers and abundances.
    doses : sequence of float, default=(10, 50, 200, 1000, 10000)
        Expected counts a pixel on average, rising; more makes noise smaller beside the model.
    seed : int, default=0
        The same seed gives the same counts.

    Attributes
    ----------
    counts : ndarray of shape (n_doses, n_pixels, n_channels)
        Recorded counts.
    parts : ndarray of shape (n_pixels, n_components, n_channels)
        What every endmember gives to a pixel, in expected counts at a dose of one.
    model : ndarray of shape (n_pixels, n_channels)
        Their sum.
    windows : list of slice
        Channels that a map is summed over, all of them first.

    Raises
    ------
    ValueError
        Where the scene is no mixture, is too large for a page, or the doses do not rise.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.mixing import Mixing
    >>> mixing = Mixing(em.datasets.load("mixture", shape=(6, 8)), doses=(5, 500))
    >>> mixing.counts.shape, mixing.map(1).shape
    ((2, 48, 64), (6, 8))
    """

    def __init__(self, scene, *, doses=DOSES, seed=0):
        _check_scene(scene, len(doses))
        self.doses = np.asarray(doses, dtype=float)
        steps = np.diff(self.doses, prepend=0)
        if self.doses.ndim != 1 or not (steps > 0).all() or not np.isfinite(steps).all():
            raise ValueError(f"doses are {list(doses)}; give rising numbers of counts above 0.")
        self.scene, self.image = scene, scene.image
        parts = scene.abundances[:, :, None] * scene.endmembers
        self.parts = parts / parts.sum(axis=(1, 2)).mean()
        self.model = self.parts.sum(axis=1)
        rng = np.random.default_rng(as_seed(seed))
        new = rng.poisson(steps[:, None, None] * self.model)
        self.counts = new.cumsum(axis=0)
        width = -(-self.image.n_channels // MOST_WINDOWS)
        starts = range(0, self.image.n_channels, width)
        self.windows = [slice(None), *(slice(start, start + width) for start in starts)]

    @property
    def names(self):
        """What the endmembers are called."""
        n_components = self.parts.shape[1]
        return list(self.scene.names) or [f"spectrum {k + 1}" for k in range(n_components)]

    def map(self, step, window=0):
        """Return the counts of a recording in one of the windows, as a map."""
        counts = self.counts[step][:, self.windows[window]].sum(axis=1)
        return self.image.fold(counts)

    def window_name(self, window):
        """Say which channels a window holds."""
        if window == 0:
            return "all channels"
        values = self.image.axis[self.windows[window]]
        ends = " to ".join(f"{value:g}" for value in np.unique(values[[0, -1]]))
        return f"{ends} {self.image.unit}" if self.image.unit else f"{self.image.name} {ends}"


class MixingExplorer(ipw.VBox):
    """A map of counts beside the spectrum under the pointer, at several doses.

    Grey is what was counted, orange what is expected there (the model), and in colours what every
    endmember gives to it. The page answers without a kernel.

    Parameters
    ----------
    scene : Scene
        A small map with endmembers and abundances, such as ``em.datasets.load("mixture")``.
    doses : sequence of float, default=(10, 50, 200, 1000, 10000)
        Expected counts a pixel on average, rising; more makes noise smaller beside the model.
    seed : int, default=0
        The same seed gives the same counts.

    Attributes
    ----------
    state : Mixing
        All numbers.
    map : MapView
        Its ``pixel`` is the chosen one.
    dose, channels : SelectionSlider
        Their ``index`` is the recording, and the window of channels that the map shows.

    Examples
    --------
    >>> import endmember as em
    >>> explorer = em.teaching.MixingExplorer(em.datasets.load("mixture", shape=(6, 8)))
    >>> explorer.dose.index = 0
    >>> explorer.state.counts[explorer.dose.index, 9].sum() < 40
    np.True_
    """

    def __init__(self, scene, *, doses=DOSES, seed=0):
        self.state = state = Mixing(scene, doses=doses, seed=seed)
        options = [f"{dose:,g} counts a pixel" for dose in state.doses]
        self.dose = _slider("dose", options, len(options) // 2)
        windows = [state.window_name(k) for k in range(len(state.windows))]
        self.channels = _slider("map of", windows, 0)
        self.map = MapView(
            state.map(0), unit="counts", tools=["point"], pixel=_middle(scene.image), caption=" "
        )
        self.plot = MixingPlot(state)
        self.words = ipw.HTML()
        self.steps = Steps({"dose": self.dose, "channels": self.channels}, pointer=self.map)
        self._drive_map(windows, options)
        self.plot.follow(self.steps)
        self.steps.drive(self.words, "value", _words(state), by=["dose", "pixel"])
        self.map.layout = {"flex": "1 1 300px", "max_width": "500px", "min_width": "0"}
        beside = ipw.VBox([self.plot, self.words], layout={"flex": "1 1 320px", "min_width": "0"})
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        super().__init__(
            [
                ipw.Box([self.dose, self.channels], layout=wrapped),
                ipw.Box([self.map, beside], layout=wrapped),
                self.steps,
            ]
        )

    def _drive_map(self, windows, options):
        maps = [
            [self.state.map(step, k) for k in range(len(windows))] for step in range(len(options))
        ]
        captions = [[f"counts in {window}, at {dose}" for window in windows] for dose in options]
        self.steps.drive(self.map, "values", maps, by=["dose", "channels"])
        self.steps.drive(self.map, "caption", captions, by=["dose", "channels"])


class MixingPlot(CurvePlot):
    """Counts of a pixel, their model, and its parts.

    Parameters
    ----------
    state : Mixing
        What it shows.
    """

    def __init__(self, state):
        self._state = state
        self._ones = bq.LinearScale(min=0.0, max=1.0, allow_padding=False)  # counts at a dose of 1
        axis, n_components = state.image.axis.astype(float), state.parts.shape[1]

        def marks(scales):
            of_model = {"x": axis, "scales": {**scales, "y": self._ones}}
            flat = np.zeros(axis.size)
            self.counts = bq.Lines(
                x=axis,
                y=flat,
                scales=scales,
                colors=[GREY],
                stroke_width=1,
                labels=["counts"],
            )
            self.model = bq.Lines(
                y=flat, colors=[ORANGE], stroke_width=2.5, labels=["model"], **of_model
            )
            self.parts = bq.Lines(
                y=np.zeros((n_components, axis.size)),
                colors=_part_colors(n_components),
                stroke_width=1.5,
                **of_model,
            )
            self.window = bq.Lines(
                x=np.zeros(2),
                y=np.zeros(2),
                scales={**scales, "y": bq.LinearScale(min=0.0, max=1.0)},
                colors=[GREY],
                line_style="dashed",
                stroke_width=1,
                visible=False,
            )
            return [self.counts, self.parts, self.model, self.window]

        super().__init__(axis, state.image.signal_axis.label(), marks, height=300)

    def follow(self, steps):
        """Let the curves follow the pointer, and the height the dose."""
        state, axis = self._state, self.axis
        heights = HEADROOM * state.counts.max(axis=(1, 2))
        steps.drive(self._y, "max", heights, by=["dose"])
        steps.drive(self._ones, "max", heights / state.doses, by=["dose"])
        steps.drive(self.counts, "y", state.counts, by=["dose", "pixel"])
        steps.drive(self.model, "y", state.model, by=["pixel"], digits=3)
        steps.drive(self.parts, "y", state.parts, by=["pixel"], digits=3)
        middles = np.array([axis[window].mean() for window in state.windows])
        steps.drive(self.window, "x", np.stack([middles, middles], axis=1), by=["channels"])
        self.window.y = np.array([0.0, 1.0])
        steps.drive(self.window, "visible", [k > 0 for k in range(len(middles))], by=["channels"])


def _check_scene(scene, n_doses):
    if not isinstance(scene, Scene):
        raise TypeError(f"scene is {type(scene).__name__}; pass what em.datasets.load returns.")
    if scene.endmembers is None or scene.abundances is None:
        raise ValueError(f"{scene.name} has no endmembers and abundances; load a mixture.")
    shape = scene.image.shape
    n_numbers = n_doses * np.prod(shape)
    if len(shape) != 3 or n_numbers > MOST_NUMBERS:
        raise ValueError(
            f"the scene has shape {shape}, which is {n_numbers:,} counts at {n_doses} doses; a "
            f"page holds {MOST_NUMBERS:,} of a map. Load it with a smaller shape, or give fewer "
            "doses."
        )


def _slider(name, options, index):
    return ipw.SelectionSlider(
        options=options,
        index=index,
        description=name,
        continuous_update=True,
        layout={"width": "400px"},
        style={"description_width": "60px"},
    )


def _middle(image):
    return tuple(n // 2 for n in image.navigation_shape)


def _part_colors(n_components):
    return [PART_COLORS[k % len(PART_COLORS)] for k in range(n_components)]


def _words(state):
    """Say of every pixel, at every dose, what was counted and what the model is made of."""
    colors = _part_colors(state.parts.shape[1])
    grey, orange, *others = [
        f'<span style="color:{color}">■</span>' for color in (GREY, ORANGE, *colors)
    ]
    names = [f"{square} {escape(name)}" for square, name in zip(others, state.names, strict=True)]
    formulae = []
    for shares in state.scene.abundances:
        terms = [
            f'<span style="white-space:nowrap">{share:.2f} × {name}</span>'
            for share, name in zip(shares, names, strict=True)
        ]
        formulae.append(f"<br>{orange} model = " + " + ".join(terms))
    totals, means = state.counts.sum(axis=2), state.model.sum(axis=1)
    return [
        [
            f"{grey} counts: {total:,} in this pixel, {dose * mean:,.0f} expected{formula}"
            for total, mean, formula in zip(found, means, formulae, strict=True)
        ]
        for dose, found in zip(state.doses, totals, strict=True)
    ]
