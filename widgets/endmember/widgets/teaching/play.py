"""A button that plays a slider, in words: icons of a font that is not there show nothing."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl
from ipywidgets import IntSlider, Widget, widget_serialization

HERE = Path(__file__).parent


class PlayButton(anywidget.AnyWidget):
    """Move a slider step by step until its end; pressed again, pause.

    The page does it, with or without a kernel. At the end it begins anew.

    Parameters
    ----------
    slider : IntSlider
        What it moves.
    interval : int, default=700
        Milliseconds from one step to the next; turning it up plays more slowly.

    Examples
    --------
    >>> import ipywidgets as ipw
    >>> from endmember.widgets.teaching.play import PlayButton
    >>> PlayButton(ipw.IntSlider(max=9)).interval
    700
    """

    _esm = HERE / "play.js"
    _css = HERE.parent / "parts.css"

    slider = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    interval = tl.Int(700, min=1).tag(sync=True)

    def __init__(self, slider, *, interval=700):
        if not isinstance(slider, IntSlider):
            raise TypeError(f"slider is {type(slider).__name__}; pass an IntSlider.")
        super().__init__(slider=slider, interval=interval)
