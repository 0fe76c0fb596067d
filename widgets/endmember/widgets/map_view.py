"""The canvas that shows every map."""

from __future__ import annotations

import threading
from pathlib import Path

import anywidget
import numpy as np
import traitlets as tl
from ipywidgets import Widget, widget_serialization

from endmember.widgets.pixels import check_inside

HERE = Path(__file__).parent


class Hearing(Widget):
    """A widget that knows when a change comes from the page, which must not be told it again.

    The page moves its own marks at once and may be further by the time the kernel has heard: an
    answer with an older value would pull a handle back under a moving hand.
    """

    _hears_in = None

    @property
    def is_hearing(self):
        """Whether the present change comes from the page."""
        return self._hears_in == threading.get_ident()

    def set_state(self, sync_data):
        """Take over what the page has changed."""
        self._hears_in = threading.get_ident()
        try:
            super().set_state(sync_data)
        finally:
            self._hears_in = None


class MapView(Hearing, anywidget.AnyWidget):
    """A map on a canvas, with a pixel to point at.

    Row 0 is at the top, column 0 at the left, and every pixel is ``(row, column)`` as NumPy
    indexes it. Arrow keys move the pixel (ten at a time with Shift), Page Up and Page Down the
    rank. What depends on rank and pixel is worked out in the browser, from the factors.

    Parameters
    ----------
    values : array_like of shape (rows, columns), optional
        What to show; NaN marks hidden pixels. Not needed where `factors` are given.
    shape : tuple of int, optional
        Rows and columns of the map, where there are no `values`.

    Attributes
    ----------
    pixel : tuple of int
        Row and column of the chosen pixel.
    hovered : tuple of int or None
        Row and column under the pointer.
    rank : int
        Components of the model that the residual map and the model spectrum use.
    residual : {"leading", "all"}
        Whether the residual is what the next components hold, or what all channels do.
    captions : dict
        What stands over each residual instead of `caption`; ``{rank}``, ``{next}`` and ``{last}``
        are filled in.
    pins : dict
        ``pixels`` whose raw counts the page holds, and their ``values``: without a kernel there
        are no others.
    """

    _esm = HERE / "map_view.js"
    _css = HERE / "map_view.css"

    shape = tl.Tuple(tl.Int(min=1), tl.Int(min=1)).tag(sync=True)
    values = tl.Bytes().tag(sync=True)
    factors = tl.Dict().tag(sync=True)
    rank = tl.Int(1, min=1).tag(sync=True)
    max_rank = tl.Int(1, min=1).tag(sync=True)
    residual = tl.Enum(["leading", "all"], "leading").tag(sync=True)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0)).tag(sync=True)
    hovered = tl.Tuple(tl.Int(), tl.Int(), allow_none=True, default_value=None).tag(sync=True)
    counts = tl.Dict().tag(sync=True)
    pins = tl.Dict().tag(sync=True)
    code = tl.Unicode().tag(sync=True)
    caption = tl.Unicode().tag(sync=True)
    captions = tl.Dict().tag(sync=True)
    unit = tl.Unicode().tag(sync=True)
    colors = tl.Enum(["viridis", "cividis"], "viridis").tag(sync=True)
    pixel_size = tl.Dict().tag(sync=True)
    followers = tl.Dict(value_trait=tl.Instance(Widget)).tag(sync=True, **widget_serialization)

    def __init__(self, values=None, *, shape=None, **traits):
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"MapView takes no {unknown[0]!r}; it knows {self._settings()}.")
        if values is not None:
            values = np.asarray(values, dtype=np.float32)
            if values.ndim != 2:
                raise ValueError(
                    f"values have shape {values.shape}; a map has rows and columns. Choose one "
                    "with values[..., k]."
                )
            shape, traits["values"] = values.shape, values.tobytes()
        if shape is None:
            raise ValueError("a map needs values of shape (rows, columns), or a shape.")
        super().__init__(shape=tuple(int(n) for n in shape), **traits)

    @tl.validate("pixel", "hovered")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.shape)

    @classmethod
    def _settings(cls):
        return sorted(cls.class_own_traits())
