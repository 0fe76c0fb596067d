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


class Awaited(tl.TraitType):
    """A trait that is known once the widget is built: who reads or sets it before waits for it."""

    def get(self, obj, cls=None):
        """Return the value, once it is known."""
        obj.wait_until_built()
        return super().get(obj, cls)

    def set(self, obj, value):
        """Take a value over what building has found."""
        obj.wait_until_built()
        super().set(obj, value)


class AwaitedInt(Awaited, tl.Int):
    """A number that is known once the widget is built."""


class AwaitedTuple(Awaited, tl.Tuple):
    """A tuple that is known once the widget is built."""


class AwaitedDict(Awaited, tl.Dict):
    """A dictionary that is known once the widget is built."""


class AwaitedEnum(Awaited, tl.Enum):
    """A choice that is known once the widget is built."""


class FirstLook(ipw.VBox):
    """A box that shows the counts of a large map at once, and is built on a thread behind them.

    A subclass calls :meth:`_begin` with what builds it, and gives its parts public names: those
    that are not there yet are waited for.
    """

    _builder: threading.Thread | None = None
    _fault: Exception | None = None
    _is_closed = False

    def _begin(self, image, build):
        """Build now where that is fast, else show a first look and build behind it."""
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
        if self._is_closed:
            self.close()  # what was built since

    def close(self):
        """Close it, and what is still being built once it is there."""
        self._is_closed = True
        super().close()

    def wait_until_built(self, seconds=None):
        """Wait until all is there, for so many seconds at most; raise what went wrong.

        Returns whether all is there.
        """
        builder = self._builder
        if builder is None or builder is threading.current_thread():
            return True
        builder.join(seconds)
        if self._fault is not None:
            raise self._fault
        return not builder.is_alive()

    def __getattr__(self, name):
        """Wait for what is not there yet."""
        # A notebook asks for names with an underscore before it shows anything.
        if not name.startswith("_"):
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
