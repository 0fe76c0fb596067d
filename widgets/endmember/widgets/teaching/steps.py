"""What follows controls and the pointer over a map in the page, with or without a kernel."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets as tl
from ipywidgets import Widget, widget_serialization
from traittypes import Array

from endmember.widgets.map_traits import MOST_FLOATS, label_steps
from endmember.widgets.map_view import MapView

HERE = Path(__file__).parent
REFERENCES = {"sync": True, **widget_serialization}
SMALL = ("u1", "i1", "u2", "i2", "u4", "i4")  # types of whole numbers that a page reads
NAMES = {"u": "Uint", "i": "Int", "f": "Float"}
MANTISSA = 23  # bits of a float32
BITS_A_DIGIT = math.log2(10)


class Driven(anywidget.AnyWidget):
    """A trait of another widget, and what it becomes at every step.

    Attributes
    ----------
    target : Widget
        Whose trait it is.
    trait : str
        Its name.
    by : list of str
        The controls that it follows; the last one changes fastest.
    packing : dict
        How `data` is to be read: ``kind`` (``"json"``, ``"numbers"`` or ``"bytes"``), the ``type``
        of its numbers and the ``shape`` of a value.
    data : bytes
        All values, deflated.
    """

    _esm = "export default {};"

    target = tl.Instance(Widget).tag(**REFERENCES)
    trait = tl.Unicode().tag(sync=True)
    by = tl.List(tl.Unicode()).tag(sync=True)
    packing = tl.Dict().tag(sync=True)
    data = tl.Bytes().tag(sync=True)

    def __init__(self, values, **traits):
        self.values = values
        super().__init__(**traits)


class Steps(anywidget.AnyWidget):
    """Let traits of other widgets follow controls and the pointer over a map.

    The page holds what each trait becomes at every step and sets it there, so that it answers
    without a kernel. It takes no room, but has to be among the children of what is shown. The
    kernel is not told; :meth:`shown` says what a trait is.

    Parameters
    ----------
    controls : dict of str to Widget
        Names for controls with a fixed list of choices: sliders of whole numbers or of a
        selection, menus, toggle buttons, check boxes; and maps, of which the frame counts, or
        the rank where there are no frames.
    pointer : MapView, optional
        Its pixel is another control, ``"pixel"``: the one under the pointer, else the chosen one.

    Examples
    --------
    >>> import ipywidgets as ipw
    >>> from endmember.widgets.teaching.steps import Steps
    >>> slider, words = ipw.IntSlider(2, min=1, max=3), ipw.Label()
    >>> steps = Steps({"rank": slider})
    >>> steps.drive(words, "value", ["one", "two", "three"], by=["rank"])
    >>> words.value
    'two'
    >>> slider.value = 3
    >>> steps.shown(words, "value")
    'three'
    """

    _esm = HERE / "steps.js"

    controls: tl.Dict = tl.Dict().tag(**REFERENCES)
    pointer = tl.Instance(Widget, allow_none=True, default_value=None).tag(**REFERENCES)
    driven = tl.List(tl.Instance(Driven)).tag(**REFERENCES)

    def __init__(self, controls, pointer=None):
        if pointer is not None and not isinstance(pointer, MapView):
            raise TypeError(f"pointer is {type(pointer).__name__}; pass a MapView, or None.")
        if pointer is not None and "pixel" in controls:
            raise ValueError('controls hold a "pixel"; that is the name of the pointer\'s.')
        ladders = {name: _ladder(name, control) for name, control in controls.items()}
        super().__init__(controls=ladders, pointer=pointer)

    def drive(self, widget, trait, values, *, by, digits=None):
        """Let a trait of a widget follow some of the controls.

        Parameters
        ----------
        widget : Widget
            Whose trait it is. From now on the page sets it.
        trait : str
            Its name. Marks of bqplot take arrays. A MapView takes ``"values"`` and ``"labels"`` of
            shape (rows, columns) each, or (pixels,). All others take what JSON knows: text,
            numbers, booleans, lists.
        values : array_like or nested list
            What it becomes: first an axis for each of `by`, as long as it has choices (pixels row
            by row), then whatever the trait takes. Numbers travel as float32, whole numbers in as
            few bytes as hold them.
        by : list of str
            Names of the controls, and ``"pixel"``, in the order of the axes of `values`.
        digits : int, optional
            Significant digits to keep of numbers that are not whole, from 1 to 7; fewer make the
            page smaller, and 3 or 4 draw the same curve. By default all of a float32.

        Raises
        ------
        ValueError
            Where there are too many or too few values, or a name is not known.
        """
        found = widget.traits(sync=True).get(trait)
        if found is None:
            raise ValueError(f"{type(widget).__name__} has no trait {trait!r} that a page knows.")
        counts = [self._count(name) for name in by]
        if isinstance(found, Array):
            rows = _rows(values, counts, _numbers)
            packing, data = _packed(rows, digits)
        elif isinstance(widget, MapView) and trait in ("values", "labels"):
            rows = _rows(values, counts, np.asarray)
            rows = _map_rows(rows, trait, widget.shape)
            packing, data = _packed(rows, digits, kind="bytes")
        else:
            rows = _flat(values, counts, by)
            packing, data = {"kind": "json"}, _json(rows)
        made = Driven(
            rows, target=widget, trait=trait, by=list(by), packing=packing, data=zlib.compress(data)
        )
        self.driven = [*self.driven, made]
        widget.set_trait(trait, self.shown(widget, trait))

    @property
    def places(self):
        """Which choice each control is at: dict of str to int, counted from 0."""
        places = {name: _place(ladder) for name, ladder in self.controls.items()}
        if self.pointer is not None:
            row, column = self.pointer.hovered or self.pointer.pixel
            places["pixel"] = row * self.pointer.shape[1] + column
        return places

    def shown(self, widget, trait):
        """Return what a trait that is driven is on the page, where controls stand now."""
        matching = [d for d in self.driven if d.target is widget and d.trait == trait]
        if not matching:
            raise ValueError(f"no {trait!r} of this {type(widget).__name__} is driven.")
        driven, places, step = matching[-1], self.places, 0
        for name in driven.by:
            step = step * self._count(name) + places[name]
        value = driven.values[step]
        kind = driven.packing["kind"]
        if kind == "json":
            return value
        return value.tobytes() if kind == "bytes" else value.astype(np.float64)

    def _count(self, name):
        """Return how many choices there are."""
        if name == "pixel" and self.pointer is not None:
            return math.prod(self.pointer.shape)
        if name not in self.controls:
            known = sorted(self.controls) + ["pixel"] * (self.pointer is not None)
            raise ValueError(f"by holds {name!r}; the controls are {', '.join(known)}.")
        return self.controls[name]["n"]


# controls


def _ladder(name, control):
    """Return which trait of a control a page reads, and the values that it takes."""
    known = control.traits() if isinstance(control, Widget) else {}
    if isinstance(control, MapView):
        n_frames = control.frames.get("n")
        trait, first, step = ("frame", 0, 1) if n_frames else ("rank", 1, 1)
        n = n_frames or control.max_rank
    elif type(known.get("index")) is tl.Int and "options" in dir(control):
        trait, first, step, n = "index", 0, 1, len(control.options)
    elif isinstance(known.get("value"), tl.Bool):
        trait, first, step, n = "value", 0, 1, 2
    elif isinstance(known.get("value"), tl.Int) and {"min", "max", "step"} <= set(known):
        trait, first, step = "value", control.min, control.step or 1
        n = (control.max - control.min) // step + 1
    else:
        raise TypeError(
            f"the control {name!r} is {type(control).__name__}; take one with a fixed list of "
            "choices, such as IntSlider, SelectionSlider, Dropdown, ToggleButtons or Checkbox."
        )
    return {"widget": control, "trait": trait, "first": first, "step": step, "n": n}


def _place(ladder):
    value = getattr(ladder["widget"], ladder["trait"]) or 0
    place = round((value - ladder["first"]) / ladder["step"])
    return min(ladder["n"] - 1, max(0, place))


# values


def _rows(values, counts, convert):
    """Return values as an array of one row a step."""
    values = convert(values)
    if values.shape[: len(counts)] != tuple(counts):
        raise ValueError(
            f"values have shape {values.shape}, but the controls have {tuple(counts)} choices; "
            "give these axes first, pixels row by row."
        )
    return values.reshape(-1, *values.shape[len(counts) :])


def _numbers(values):
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"values are {values.dtype}; this trait takes an array of numbers.")
    return values


def _map_rows(rows, trait, shape):
    """Return rows as a map holds them."""
    try:
        rows = rows.reshape(-1, *shape)
    except ValueError:
        raise ValueError(
            f"values are maps of shape {rows.shape[1:]}, but the map has {tuple(shape)}."
        ) from None
    if trait == "labels":
        return np.array([label_steps(labels)[0] for labels in rows])
    if math.prod(shape) > MOST_FLOATS:
        raise ValueError(f"the map has {shape} pixels; only smaller ones have driven values.")
    return rows.astype(np.float32)


def _flat(values, counts, by):
    """Return nested values as one list, an entry a step."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not counts:
        return [values]
    if not isinstance(values, (list, tuple)) or len(values) != counts[0]:
        found = len(values) if isinstance(values, (list, tuple)) else type(values).__name__
        raise ValueError(f"values have {found} for {by[0]!r}, which has {counts[0]} choices.")
    return [entry for value in values for entry in _flat(value, counts[1:], by[1:])]


def _json(rows):
    try:
        return json.dumps(rows, allow_nan=False).encode()
    except ValueError:
        raise ValueError("values hold NaN or infinity, which this trait cannot show.") from None
    except TypeError as error:
        raise TypeError(f"values hold what no page can read: {error}.") from None


def _packed(rows, digits, kind="numbers"):
    """Return how to read rows of numbers, and their bytes in planes, which deflate well."""
    if rows.ndim < 2 or (kind == "numbers" and rows.ndim > 3):
        raise ValueError(
            f"values have {rows.ndim - 1} axes behind those of the controls; this trait takes an "
            "array of one or two."
        )
    numbers = rows if kind == "bytes" else _smallest(rows)
    if digits is not None and numbers.dtype.kind == "f":
        numbers = _rounded(numbers, digits)
    letter, width = numbers.dtype.kind, numbers.dtype.itemsize
    packing = {
        "kind": kind,
        "type": f"{NAMES[letter]}{8 * width}Array",
        "shape": list(rows.shape[1:]),
    }
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    planes = np.frombuffer(little.tobytes(), np.uint8).reshape(-1, width).T
    return packing, planes.tobytes()


def _smallest(rows):
    """Return whole numbers in the smallest type that holds them, all others as float32."""
    if np.isfinite(rows).all() and not np.mod(rows, 1).any():
        low, high = int(rows.min(initial=0)), int(rows.max(initial=0))
        for name in SMALL:
            limits = np.iinfo(name)
            if limits.min <= low and high <= limits.max:
                return rows.astype(name)
    return rows.astype(np.float32)


def _rounded(numbers, digits):
    """Return numbers of which as many digits are kept; the last bits are zero, which deflate."""
    if not 1 <= digits <= 7:
        raise ValueError(f"digits is {digits}; a float32 has 1 to 7.")
    lost = max(0, MANTISSA - math.ceil(digits * BITS_A_DIGIT))
    bits = numbers.astype(np.float32).view(np.uint32)
    half = np.uint32(1 << lost >> 1)
    kept = np.where(np.isfinite(numbers), (bits + half) >> lost << lost, bits)
    return kept.astype(np.uint32).view(np.float32)
