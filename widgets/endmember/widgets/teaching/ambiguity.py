"""Two spectra of a mixture that turn into each other under a slider, while their product stays."""

from __future__ import annotations

from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.map_view import MapView
from endmember.widgets.teaching.ambiguity_plots import DIGITS, SlidePlot, TurnedPlot
from endmember.widgets.teaching.ambiguity_state import POSITIONS, AmbiguityState
from endmember.widgets.teaching.steps import Steps

WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 12px"}
BESIDE = {"flex": "1 1 290px", "min_width": "0"}
GOOD = "both factors are non-negative"


class AmbiguityExplorer(ipw.VBox):
    """Turn one spectrum of a mixture into another, and look at what the counts say to it: nothing.

    The slider puts one spectrum into another, or takes it out. The abundances follow so that the
    product of both factors stays the same, and the misfit with it. Shaded is what non-negativity
    allows; beyond, what is below zero shows in orange. The page answers without a kernel.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        A small map of counts that the factors describe.
    abundances : array_like of shape (n_pixels, n_components)
        Dimensionless, nowhere negative; such as ``scene.abundances``.
    components : array_like of shape (n_components, n_channels)
        In counts, nowhere negative; such as ``scene.endmembers``.
    names : sequence of str, optional
        What the components are called; by default their numbers.
    turns : sequence of tuple, optional
        Which ``(i, j)`` are on offer, as names or numbers: spectrum `j` is put into spectrum `i`.
        By default each component with the one into which it turns farthest.

    Attributes
    ----------
    state : AmbiguityState
        All numbers; its ``turn`` and ``step`` may be set.
    which : Dropdown
        Which turn is made.
    slider : IntSlider
        How far: 0 in the middle.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", shape=(8, 8))
    >>> explorer = em.teaching.AmbiguityExplorer(scene.image, scene.abundances, scene.endmembers)
    >>> explorer.slider.value = 0
    >>> explorer.state.turned().is_allowed
    False
    """

    def __init__(self, image, abundances, components, *, names=None, turns=None):
        self.state = state = AmbiguityState(image, abundances, components, names=names, turns=turns)
        every = range(len(POSITIONS))
        self._found = [[state.turned(k, step) for step in every] for k in range(len(state.turns))]
        pairs = [(state.names[i], state.names[j]) for i, j in state.turns]
        self._pairs = pairs
        self.which = ipw.Dropdown(
            options=[(f"{j} into {i}", k) for k, (i, j) in enumerate(pairs)], description="turn"
        )
        self.slider = ipw.IntSlider(
            state.step, max=len(POSITIONS) - 1, description="how far", readout=False
        )
        self.slider.layout.width = "420px"
        self.words = ipw.HTML()
        self.steps = Steps({"turn": self.which, "step": self.slider})
        self.spectrum = TurnedPlot(state)
        self.misfit = SlidePlot("misfit")
        self.below = SlidePlot("% below zero")
        self._make_maps()
        self._drive()
        super().__init__(
            [
                ipw.Box([self.which, self.slider], layout=WRAPPED),
                self.words,
                self.spectrum,
                ipw.Box(
                    [
                        self.turned_map,
                        self.other_map,
                        self.misfit_map,
                        ipw.Box([self.misfit, self.below], layout={**WRAPPED, **BESIDE}),
                    ],
                    layout=WRAPPED,
                ),
                self.steps,
            ],
            layout={"max_width": "1000px"},
        )
        tl.link((state, "turn"), (self.which, "value"))
        tl.link((state, "step"), (self.slider, "value"))

    def _make_maps(self):
        image = self.state.image
        own = {
            "shape": image.navigation_shape,
            "pixel_size": length_scale(image.navigation_axes[-1]),
            "pixel": tuple(n // 2 for n in image.navigation_shape),
            "tools": ["point"],
            "layout": {**BESIDE, "max_width": "340px"},
        }
        self.turned_map = MapView(**own)
        self.other_map = MapView(colors="diverging", **own)
        self.misfit_map = MapView(
            self.state.misfits(), caption="misfit of every pixel: no turn moves it", **own
        )

    def _drive(self):
        state, steps, found = self.state, self.steps, self._found
        both = ["turn", "step"]
        self.spectrum.follow(steps, found)
        values = np.array([[turned.abundances for turned in row] for row in found])
        folded = [[state.image.fold(abundances) for abundances in row] for row in values]
        for k, view in enumerate((self.turned_map, self.other_map)):
            maps = np.array([[abundances[..., k] for abundances in row] for row in folded])
            steps.drive(view, "values", maps, by=both, digits=DIGITS)
            inside = np.abs(POSITIONS) <= 1
            tops = values[..., k][:, inside].max(axis=(1, 2))
            ends = [[-top if k else 0.0, top] for top in tops.tolist()]
            steps.drive(view, "limits", ends, by=["turn"])
            words = "abundance of {}" + (" (blue: < 0)" if k else "")
            steps.drive(
                view, "caption", [words.format(pair[k]) for pair in self._pairs], by=both[:1]
            )
        shares = np.array([[max(turned.below) for turned in row] for row in found])
        self.misfit.follow(steps, np.array([[turned.misfit for turned in row] for row in found]))
        self.below.follow(steps, 100 * shares)
        said = [
            [_words(turned, *pair) for turned in row]
            for row, pair in zip(found, self._pairs, strict=True)
        ]
        steps.drive(self.words, "value", said, by=both)


def _words(turned, name, other):
    """Say what was done and what it costs."""
    done = "as given"
    if turned.amount:
        verb = "put into" if turned.amount > 0 else "taken out of"
        done = f"{abs(turned.amount):.1%} {other} {verb} {name}, which turns by {turned.angle:.1f}°"
    spectrum, abundance = turned.below
    faults = [f"{spectrum:.1%} of the spectrum of {name}"] * (spectrum > 0)
    faults += [f"{abundance:.1%} of the map of {other}"] * (abundance > 0)
    verdict = f"<b>below zero: {escape(' and '.join(faults))}</b>" if faults else GOOD
    said = f"{escape(done)}; {verdict}.<br>misfit {turned.misfit:.6f}"
    if turned.change:
        said += f"; no count of the model moves by more than {turned.change:.0e} of the highest"
    return f"{said}."
