"""The canvas that shows every map."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import anywidget
import numpy as np
import traitlets as tl
from ipywidgets import Widget, jslink, widget_serialization

from endmember.widgets.map_frames import make_beneath, make_frames
from endmember.widgets.map_labels import make_label_sets
from endmember.widgets.map_traits import check_colors, make_labels, make_layers, make_values
from endmember.widgets.pixels import check_inside
from endmember.widgets.regions import check_region, mask_of

HERE = Path(__file__).parent
# One module on the page, in this order.
SCRIPTS = (
    "map_paint.js",
    "map_labels.js",
    "map_frames.js",
    "map_factors.js",
    "map_regions.js",
    "map_contrast.js",
    "map_controls.js",
    "map_marks.js",
    "map_scale.js",
    "map_core.js",
    "map_view.js",
)
SHARED = ("limits", "percentiles", "scale", "colors")  # by maps that are compared
TOOLS = ("point", "rectangle", "lasso", "line")
NOTHING: dict[str, object] = {
    "values": b"",
    "value_range": None,
    "labels": b"",
    "label_sets": {},
    "layers": {},
    "frames": {},
}


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
    """A map on a canvas, with pixels and regions to point at.

    Row 0 is at the top, column 0 at the left, and every pixel is ``(row, column)`` as NumPy
    indexes it. Arrow keys move the pixel (ten at a time with Shift), Page Up and Page Down the
    rank. R takes the rectangle, L the lasso, I the line, P the pixel; Enter sets their corners by
    keyboard, and Escape clears the region. Comma and full stop change the frame. What depends on
    rank, frame and pixel is worked out in the browser; so are tools, contrast and composites.

    Parameters
    ----------
    values : array_like of shape (rows, columns), optional
        What to show, in `unit`; NaN marks hidden pixels. Not needed where there are `factors`.
    labels : array_like of int of shape (rows, columns), optional
        A map of labels instead, 0 and up; -1 marks hidden pixels. See :meth:`set_labels`.
    layers : dict, optional
        Several maps at once instead: the arguments of :meth:`set_layers`.
    frames : array_like of shape (n, rows, columns), optional
        Several maps instead, of which one is shown. See :meth:`set_frames`.
    beneath : array_like or dict, optional
        An image under the map, or the arguments of :meth:`set_beneath`.
    shape : tuple of int, optional
        Rows and columns of the map, where there is none of these.

    Attributes
    ----------
    pixel : tuple of int
        Row and column of the chosen pixel.
    hovered : tuple of int or None
        Row and column under the pointer.
    rank : int
        Components of the model that the residual map and the model spectrum use.
    residual : {"leading", "all", "next"}
        Whether the residual is what the next components hold, or what all channels do; or the
        signed map of what component ``rank + 1`` alone would add, noise being 1.
    caption : str
        What stands over the map; ``{rank}``, ``{next}`` and ``{last}`` are filled in.
    captions : dict
        What stands over each residual instead of `caption`, filled in likewise.
    pins : dict
        ``pixels`` whose raw counts the page holds, and their ``values``: without a kernel there
        are no others.
    palette, names : list of str
        Colour (``"#rrggbb"``) and name of each label.
    visible : list of bool
        Which layers the composite adds up.
    shown : int or None
        The layer that is shown alone, in `colors`; None for the composite.
    frame : int
        Which of the frames is shown, from 0.
    frame_names : list of str
        Name of each frame. ``{frame}`` in the caption is filled in; without it the name follows.
    frame_label : str
        What the slider of frames is called, for example ``"tilt"``.
    opacity : float
        Of the map over the image beneath, from 0 to 1; turning it down shows more of the image.
    tool : {"point", "rectangle", "lasso", "line"}
        What the pointer draws.
    tools : list of str or None
        The tools on offer; None offers all, but on a map of residuals the pixel alone.
    line_width : int
        Width of the next line, in pixels; turning it up averages a profile over more of them.
    region : dict
        What was drawn: ``{"kind": "rectangle", "points": [[row, column], ...]}``, or ``"lasso"``,
        or ``"line"`` with two points and a ``"width"`` in pixels, or empty. Whole numbers are the
        centres of pixels; :meth:`mask` tells which are inside.
    highlight : bytes
        Pixels to stand out, packed by :meth:`set_highlight`.
    limits : tuple of float or None
        Values at the ends of the colours, whatever is shown; None takes `percentiles` of what is.
        :func:`link_scales` shares them between maps.
    percentiles : tuple of float
        Per cent of the pixels below each end of the colours; nearer together gives more contrast.
    compared : list of MapView
        Maps that share the ends of the colours, as :func:`link_scales` sets them.
    scale : {"linear", "log"}
        Whether colours follow the values or their logarithm.
    colors : {"viridis", "cividis", "gray", "diverging"}
        Colour map of the values; ``"diverging"`` parts at zero and reaches as far on both sides.
    counts : dict
        Measured counts of what is probed: float32 ``values``, and the ``pixel`` or the ``region``
        they are of. Others are not drawn.
    followers : dict of Widget
        Marks that the page moves without a kernel. Lines: ``"model"`` and ``"counts"`` of the
        pixel under the pointer, else the mean of the region, else of the chosen pixel; ``"next"``,
        what component ``rank + 1`` would add there, in counts; ``"means"`` and ``"hovered"`` of
        :meth:`set_label_sets`. ``"handle"`` and ``"line"`` stand at the rank, ``"residual"`` is a
        menu of its kinds, ``"code"`` shows `code` with ``{rank}`` filled in, and ``"kernel"`` is a
        control that says so where there is none.
    pixel_size : dict
        ``size`` and ``unit`` of a pixel: for the scale bar, and for places in that unit.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember.widgets import MapView
    >>> view = MapView(labels=[[0, 0, 1], [0, 1, -1]], names=["matrix", "grain"])
    >>> view.region = {"kind": "rectangle", "points": [[0, 1], [1, 2]]}
    >>> int(view.mask().sum())
    4
    """

    _esm = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _css = HERE / "map_view.css"

    shape = tl.Tuple(tl.Int(min=1), tl.Int(min=1)).tag(sync=True)
    values = tl.Bytes().tag(sync=True)
    value_range = tl.Tuple(tl.Float(), tl.Float(), allow_none=True, default_value=None).tag(
        sync=True
    )
    labels = tl.Bytes().tag(sync=True)
    label_sets = tl.Dict().tag(sync=True)
    palette = tl.List(tl.Unicode()).tag(sync=True)
    names = tl.List(tl.Unicode()).tag(sync=True)
    layers = tl.Dict().tag(sync=True)
    visible = tl.List(tl.Bool()).tag(sync=True)
    shown = tl.Int(allow_none=True, default_value=None, min=0).tag(sync=True)
    frames = tl.Dict().tag(sync=True)
    frame = tl.Int(0, min=0).tag(sync=True)
    frame_names = tl.List(tl.Unicode()).tag(sync=True)
    frame_label = tl.Unicode("frame").tag(sync=True)
    beneath = tl.Dict().tag(sync=True)
    opacity = tl.Float(0.6, min=0, max=1).tag(sync=True)
    factors = tl.Dict().tag(sync=True)
    rank = tl.Int(1, min=1).tag(sync=True)
    max_rank = tl.Int(1, min=1).tag(sync=True)
    residual = tl.Enum(["leading", "all", "next"], "leading").tag(sync=True)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0)).tag(sync=True)
    hovered = tl.Tuple(tl.Int(), tl.Int(), allow_none=True, default_value=None).tag(
        sync=True,
        echo_update=False,  # it is told late, and an echo later still: the hand is elsewhere then
    )
    tool = tl.Enum(TOOLS, "point").tag(sync=True)
    tools = tl.List(tl.Enum(TOOLS), allow_none=True, default_value=None).tag(sync=True)
    line_width = tl.Int(1, min=1).tag(sync=True)
    region = tl.Dict().tag(sync=True)
    highlight = tl.Bytes().tag(sync=True)
    limits = tl.Tuple(tl.Float(), tl.Float(), allow_none=True, default_value=None).tag(sync=True)
    percentiles = tl.Tuple(tl.Float(), tl.Float(), default_value=(0.5, 99.5)).tag(sync=True)
    scale = tl.Enum(["linear", "log"], "linear").tag(sync=True)
    compared = tl.List(tl.Instance(Widget)).tag(sync=True, **widget_serialization)
    counts = tl.Dict().tag(sync=True)
    pins = tl.Dict().tag(sync=True)
    code = tl.Unicode().tag(sync=True)
    caption = tl.Unicode().tag(sync=True)
    captions = tl.Dict().tag(sync=True)
    unit = tl.Unicode().tag(sync=True)
    colors = tl.Enum(["viridis", "cividis", "gray", "diverging"], "viridis").tag(sync=True)
    pixel_size = tl.Dict().tag(sync=True)
    followers = tl.Dict(value_trait=tl.Instance(Widget)).tag(sync=True, **widget_serialization)

    def __init__(
        self,
        values=None,
        *,
        labels=None,
        layers=None,
        frames=None,
        beneath=None,
        shape=None,
        **traits,
    ):
        contents = {"values": values, "labels": labels, "layers": layers, "frames": frames}
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"MapView takes no {unknown[0]!r}; it knows {self._settings()}.")
        made = _content_of(contents, traits)
        shape = made.pop("shape", shape)
        if shape is None:
            raise ValueError(
                "a map needs values of shape (rows, columns), labels, layers, frames, or a shape."
            )
        shape = tuple(int(n) for n in shape)
        if beneath is not None:
            given = beneath if isinstance(beneath, dict) else {"image": beneath}
            made["beneath"] = make_beneath(shape, **given)
        super().__init__(shape=shape, **{**made, **traits})

    def set_values(self, values):
        """Show other values, and nothing else.

        Parameters
        ----------
        values : array_like of shape (rows, columns)
            What to show, in `unit`; NaN marks hidden pixels. The shape is that of the map.
        """
        self._replace(make_values(values))

    def set_labels(self, labels, palette=None, names=None):
        """Show other labels, and nothing else.

        Parameters
        ----------
        labels : array_like of int of shape (rows, columns)
            Labels from 0 to 254; -1 marks hidden pixels. The shape is that of the map.
        palette : list of str, optional
            Colour of each label, ``"#rrggbb"``; by default colours that everybody can tell apart.
        names : list of str, optional
            Name of each label, for the legend and the read-out; their numbers by default.
        """
        self._replace(make_labels(labels, palette, names))

    def set_label_sets(self, sets, palette=None, names=None, spectra=None):
        """Show a map of labels for every rank, and nothing else.

        The page holds them all and paints the one of the present `rank`: it answers at once, with
        or without a kernel. ``max_rank`` becomes the number of sets. ``{rank}`` in the caption is
        filled in, and ``{s}`` is an s unless the rank is 1: ``"{rank} cluster{s}"``.

        Parameters
        ----------
        sets : list of array_like of int of shape (rows, columns)
            Labels from 0 to 254 at rank 1, 2, ...; -1 marks hidden pixels. None stands for labels
            that are not known yet. The shapes are that of the map.
        palette : list of str, optional
            Colour of each label, ``"#rrggbb"``; by default colours that everybody can tell apart.
        names : list of str or list of list of str, optional
            Name of each label, or such a list for each set; their numbers by default.
        spectra : tuple of array_like, optional
            The axis, of shape (n_channels,), in its unit, and a list with the mean spectra of each
            set, of shape (n_labels, n_channels), in the unit of the figure. The page draws them:
            all of the present rank on ``followers["means"]``, and that of the label under the
            pointer, else of the chosen pixel, on ``followers["hovered"]``, both bqplot Lines in
            the colours of the labels.

        Raises
        ------
        ValueError
            Where labels are no whole numbers or a shape is another one, or where there are too
            few colours, names or spectra.

        Examples
        --------
        >>> from endmember.widgets import MapView
        >>> view = MapView(shape=(1, 3), caption="{rank} cluster{s}")
        >>> view.set_label_sets([[[0, 0, 0]], [[0, 1, 1]]])
        >>> view.max_rank
        2
        """
        made = make_label_sets(sets, palette, names, spectra)
        self._check_shape("the label sets", made["shape"])
        with self.hold_sync():
            self.rank = min(self.rank, len(sets))
            self._replace(made)

    def set_layers(self, maps, names=None, colors=None, lows=None, highs=None):
        """Show several maps at once, and nothing else.

        Each map lights its own colour, dark at its low end; where maps overlap, light adds up.

        Parameters
        ----------
        maps : array_like of shape (n, rows, columns)
            What to show, in `unit`; NaN marks hidden pixels. Sent in 255 steps.
        names : list of str, optional
            Name of each map; their numbers by default.
        colors : list of str, optional
            Colour of each map, ``"#rrggbb"``; by default colours that everybody can tell apart.
        lows, highs : list of float, optional
            Values of each map that are dark and at full light, in `unit`; what lies beyond is
            drawn, and read out, as the end. By default `percentiles` of each map decide.
        """
        self._replace(make_layers(maps, names, colors, lows, highs))

    def set_frames(self, frames, names=None):
        """Show one of several maps of the same kind, and nothing else.

        A slider under the map, and the keys ``,`` and ``.``, choose `frame`; the page answers
        without a kernel. Colours mean the same in every frame.

        Parameters
        ----------
        frames : array_like of shape (n, rows, columns)
            What to show, in `unit`; NaN marks hidden pixels. Sent in 65535 steps of the range of
            all frames, or in 255 where they are large; whole numbers that fit keep a step each.
        names : list of str, optional
            Name of each, such as its tilt angle; their numbers by default.
        """
        made = make_frames(frames, names)
        with self.hold_sync():
            self._replace(made)
            self.frame = min(self.frame, len(self.frame_names) - 1)

    def set_beneath(self, image=None, name="image", unit=""):
        """Show an image under the map, which shines through by `opacity` and where pixels hide.

        Parameters
        ----------
        image : array_like, optional
            An image of the same field of view, such as a HAADF: of the shape of the map, or a
            whole number times as many rows and columns; NaN is transparent. Sent once, in 255
            steps, no finer than a page shows; the brightest and the darkest thousandth are drawn,
            and read out, as the ends. None takes the image away.
        name, unit : str
            What the read-out and the slider call it, and its unit.

        Raises
        ------
        ValueError
            Where the shape is another one.

        Examples
        --------
        >>> import numpy as np
        >>> from endmember.widgets import MapView
        >>> view = MapView([[1.0, np.nan]])
        >>> view.set_beneath(np.arange(8.0).reshape(2, 4), name="HAADF")
        >>> view.beneath["finer"]
        2
        """
        self.beneath = {} if image is None else make_beneath(self.shape, image, name, unit)

    def set_highlight(self, mask=None):
        """Let some pixels stand out against a veil over the others.

        Parameters
        ----------
        mask : array_like of bool of shape (rows, columns), optional
            Pixels to stand out; None lifts the veil.
        """
        if mask is None:
            self.highlight = b""
            return
        mask = np.asarray(mask, dtype=bool)
        self._check_shape("the pixels to highlight", mask.shape)
        self.highlight = np.packbits(mask).tobytes()

    def mask(self):
        """Return which pixels lie inside the region.

        Returns
        -------
        ndarray of shape (rows, columns)
            True inside, of dtype bool; nowhere where there is no region.
        """
        return mask_of(self.region, self.shape)

    def _replace(self, made):
        """Take over in one message, so that the page never shows half of it."""
        self._check_shape("the new values", made.pop("shape"))
        with self.hold_sync():
            for name, value in {**NOTHING, **made}.items():
                setattr(self, name, value)

    def _check_shape(self, what, shape):
        if shape != self.shape:
            raise ValueError(
                f"{what} have shape {shape}, but the map has {self.shape}; make a new MapView for "
                "another shape."
            )

    @tl.validate("pixel", "hovered")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.shape)

    @tl.validate("region")
    def _is_region(self, proposal):
        try:
            return check_region(proposal["value"])
        except ValueError as error:
            raise tl.TraitError(str(error)) from None

    @tl.validate("palette")
    def _are_colors(self, proposal):
        return check_colors("palette", proposal["value"])

    @tl.validate("limits")
    def _are_limits(self, proposal):
        limits = proposal["value"]
        if limits is not None and not (np.isfinite(limits).all() and limits[0] < limits[1]):
            raise tl.TraitError(
                f"limits are {limits}; give a finite low value and a higher one, or None."
            )
        return limits

    @tl.validate("frame")
    def _is_frame(self, proposal):
        frame, n_frames = proposal["value"], self.frames.get("n")
        if n_frames and frame >= n_frames:
            raise tl.TraitError(f"frame is {frame}, but the map has {n_frames}; they begin at 0.")
        return frame

    @tl.validate("percentiles")
    def _are_percentiles(self, proposal):
        low, high = proposal["value"]
        if not 0 <= low < high <= 100:
            raise tl.TraitError(
                f"percentiles are {(low, high)}; give a low and a higher one from 0 to 100."
            )
        return proposal["value"]

    @tl.validate("layers")
    def _split_layers(self, proposal):
        """Keep the choices apart from the maps: a choice of the page sends no maps."""
        layers = dict(proposal["value"])
        for name in ("visible", "shown"):
            if name in layers:
                setattr(self, name, layers.pop(name))
        return layers

    @classmethod
    def _settings(cls):
        return sorted(cls.class_own_traits())


def _content_of(contents, traits):
    """Return the traits of the one content that was given, which takes its settings with it."""
    given = {name: content for name, content in contents.items() if content is not None}
    if len(given) > 1:
        raise ValueError("a map shows one of values, labels, layers and frames; give one of them.")
    makers = {
        "values": make_values,
        "labels": lambda labels: make_labels(
            labels, traits.pop("palette", None), traits.pop("names", None)
        ),
        "layers": lambda layers: make_layers(**layers),
        "frames": lambda frames: make_frames(frames, traits.pop("frame_names", None)),
    }
    return next((makers[name](content) for name, content in given.items()), {})


class SharedScale:
    """The scale that some maps share, made by :func:`link_scales`.

    Attributes
    ----------
    views : tuple of MapView
        The maps that share it; none once it was undone.
    """

    def __init__(self, views):
        self.views = tuple(views)
        self._links = []
        first = views[0]
        for view in views:
            view.compared = [other for other in views if other is not view]
            for name in SHARED:
                setattr(view, name, getattr(first, name))
        for one, other in pairwise(views):
            self._links += [jslink((one, name), (other, name)) for name in SHARED]

    def unlink(self):
        """Give every map a scale of its own again; it begins as the common one."""
        for link in self._links:
            link.unlink()
        for view in self.views:
            view.compared = []
        self.views, self._links = (), []


def link_scales(*views):
    """Share limits, percentiles, scale and colours between maps, so that colours mean the same.

    The page shares them, with or without a kernel. Where no limits are set, they hold what every
    map alone would show. To begin with, all take what the first map has.

    Parameters
    ----------
    *views : MapView
        Two or more, in the same unit; each may share with one group at a time.

    Returns
    -------
    SharedScale
        Its :meth:`~SharedScale.unlink` undoes it.

    Raises
    ------
    TypeError
        Where one of them is no map.
    ValueError
        Where there are fewer than two, one comes twice, or one shares a scale already.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember.widgets.map_view import MapView, link_scales
    >>> one, other = MapView(np.zeros((2, 3))), MapView(np.ones((2, 3)), colors="gray")
    >>> shared = link_scales(one, other)
    >>> other.colors
    'viridis'
    >>> shared.unlink()
    """
    strangers = [type(view).__name__ for view in views if not isinstance(view, MapView)]
    if strangers:
        raise TypeError(f"views hold a {strangers[0]}; only maps share a scale, pass MapView.")
    if len(views) < 2 or len({view.model_id for view in views}) < len(views):
        raise ValueError(f"views are {len(views)}; pass two or more, each of them once.")
    if any(view.compared for view in views):
        raise ValueError("a view shares a scale already; undo that one first, by its unlink().")
    return SharedScale(views)
