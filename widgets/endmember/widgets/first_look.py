"""What is shown at once of a large map, while what takes longer is found behind it."""

from __future__ import annotations

import threading
from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.core.products import marginals
from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message

MOST_VALUES = 12_000_000  # stored counts from which a first look comes first; below, it is a second


class Awaited(tl.Int):
    """A number that is known once the widget is built: who reads it before waits for it."""

    def get(self, obj, cls=None):
        """Return the number, once it is known."""
        obj.wait_until_built()
        return super().get(obj, cls)


class FirstLook(ipw.VBox):
    """A box that shows the counts of a large map at once, and is built on a thread behind them.

    A subclass calls :meth:`_begin` with what builds it. Public attributes that are not there yet
    are waited for.
    """

    def _begin(self, image, build):
        """Build now where that is fast, else show a first look and build behind it."""
        self._builder, self._fault = None, None
        if stored_values(image) <= MOST_VALUES:
            build()
            return
        self._first_words = Message("The components of this map are being found …")
        title = ipw.HTML(f"<b>{escape(image.title)}</b>")
        self.children = [title, self._first_words, map_of_counts(image)]
        self._builder = threading.Thread(target=self._build, args=[build], daemon=True)
        self._builder.start()

    def _build(self, build):
        first = self.children
        try:
            build()
        except Exception as error:
            self._fault = error
            self._first_words.say(str(error), kind="error")
            return
        for widget in first:
            widget.close()

    def wait_until_built(self):
        """Wait until all is there; raise what went wrong."""
        builder = vars(self).get("_builder")
        if builder is None or builder is threading.current_thread():
            return
        builder.join()
        if self._fault is not None:
            raise self._fault

    def __getattr__(self, name):
        """Wait for what is not there yet."""
        builder = vars(self).get("_builder")
        is_waiting = builder is not None and builder is not threading.current_thread()
        if is_waiting and not name.startswith("_"):  # a notebook asks for such before it shows any
            self.wait_until_built()
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def stored_values(image):
    """Return how many counts are held in memory, zeros among them only where they are."""
    spectra = image.spectra
    return getattr(spectra, "nnz", None) or int(np.prod(spectra.shape))


def map_of_counts(image):
    """Show the counts of every pixel, all channels together."""
    totals = np.asarray(image.fold(marginals(image.spectra)[0]), dtype=np.float64)
    shape = (1, *image.navigation_shape)[-2:]
    return MapView(
        totals.reshape(shape),
        caption="counts of all channels",
        unit="counts",
        pixel_size=length_scale(image.navigation_axes[-1]),
        tools=["point"],
    )
