"""A mixture at several doses: its map beside what was counted and expected in every pixel."""

from __future__ import annotations

from html import escape

import ipywidgets as ipw

from endmember.widgets.map_view import MapView
from endmember.widgets.palette import GREY, ORANGE
from endmember.widgets.teaching.mixing_plot import MixingPlot, part_colors
from endmember.widgets.teaching.mixing_state import DOSES, Mixing
from endmember.widgets.teaching.steps import Steps


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


def _words(state):
    """Say of every pixel, at every dose, what was counted and what the model is made of."""
    colors = part_colors(state.parts.shape[1])
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
