"""What of a component browser follows list, pointer and scatter without Python."""

from __future__ import annotations

import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets as tl
from ipywidgets import Widget, widget_serialization

from endmember.widgets.map_traits import NO_LABEL

HERE = Path(__file__).parent
# One module, in this order.
SCRIPTS = ("map_paint.js", "map_factors.js", "map_regions.js", "component_links.js")
REFERENCES = {"sync": True, **widget_serialization}


class ComponentLinks(anywidget.AnyWidget):
    """Words for the place that is pointed at; the page works them out, and all that follows.

    Attributes
    ----------
    roles : dict of str to Widget
        ``map``, ``list``, ``front``, ``control`` (which the map disables where there is no kernel),
        ``scatter``, and of a second result ``beside`` and ``said``.
    curves : dict of str to list of Widget
        ``lines`` and ``parts`` of every component, and where there are such ``bands`` and
        ``partners``.
    of_python : list of Widget
        What is hidden where no kernel hears it.
    order, names, signs : list
        As a :class:`BrowserState` has them.
    units : list of float
        What a score of the factors of the map is in the unit of the maps, a component.
    home : int
        The rank of the map, which its keys move away from.
    captions : list of str
        What stands over the map after the name of a component, over the map of all, and over that
        of all beside it.
    partners : list of dict
        ``words``, ``caption`` and ``isThere`` for each component, where there is a second result.
    scatter : dict
        ``numbers`` of two components, their ``lows`` and ``highs``, and how many ``bins``.
    has_mean : bool
        Whether the model holds a mean spectrum besides.
    packed : dict of str to dict
        Layers by the role of their map, for a page that has to hold them itself; see
        :func:`pack_layers`.
    """

    _esm = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _css = HERE / "component_links.css"

    roles = tl.Dict(value_trait=tl.Instance(Widget)).tag(**REFERENCES)
    curves = tl.Dict().tag(**REFERENCES)
    of_python = tl.List(tl.Instance(Widget)).tag(**REFERENCES)
    order = tl.List(tl.Int()).tag(sync=True)
    names = tl.List(tl.Unicode()).tag(sync=True)
    signs = tl.List(tl.Int()).tag(sync=True)
    units = tl.List(tl.Float()).tag(sync=True)
    home = tl.Int(1).tag(sync=True)
    captions = tl.List(tl.Unicode()).tag(sync=True)
    partners = tl.List(tl.Dict()).tag(sync=True)
    scatter = tl.Dict().tag(sync=True)
    has_mean = tl.Bool(False).tag(sync=True)
    packed = tl.Dict().tag(sync=True)
    rest = tl.Int(60).tag(sync=True)  # ms that the pointer rests beside before Python hears of it


def pack_layers(layers, *, is_in_factors=False):
    """Make layers small for a page: left out where the factors hold as much, else deflated.

    These lose every second of their steps, which are noise to the eye and a seventh of the page.
    """
    rest = {key: value for key, value in layers.items() if key != "maps"}
    if is_in_factors:
        return rest
    steps = np.frombuffer(layers["maps"], np.uint8)
    coarse = np.where(steps == NO_LABEL, steps, steps & 0xFE).astype(np.uint8)
    return {**rest, "maps": zlib.compress(coarse.tobytes(), 9)}
