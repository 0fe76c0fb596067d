"""What a map is made of, as the traits that the page reads."""

from __future__ import annotations

import colorsys
import re

import numpy as np
import traitlets as tl

MOST_FLOATS = 1 << 20  # pixels beyond which a map travels as 16-bit steps
NO_STEP = 0xFFFF  # what is hidden among 16-bit steps,
NO_LABEL = 0xFF  # and among labels and the 8-bit steps of layers
LABEL_COLORS = (  # Okabe and Ito's, those first that show on light and on dark
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#8a8a8a"]
)
GOLDEN_ANGLE = 0.381966  # of a circle: the next hue is far from all before
COLOR = r"#[0-9a-fA-F]{6}"


def make_values(values):
    """Return the traits that show values: float32, or 16-bit steps where the map is large."""
    values = np.asarray(values, dtype=np.float32)
    _check_flat("values", values)
    plain = {"shape": values.shape, "value_range": None}
    if values.size <= MOST_FLOATS:
        return {**plain, "values": values.tobytes()}
    low, high = ends_of(values)
    steps = quantised(values, low, high, np.uint16(NO_STEP))
    return {**plain, "values": steps.tobytes(), "value_range": (low, high)}


def make_labels(labels, palette=None, names=None):
    """Return the traits that show labels."""
    steps, n_labels = label_steps(labels)
    return {
        "shape": steps.shape,
        "labels": steps.tobytes(),
        "palette": enough("palette", palette, n_labels, label_colors),
        "names": enough("names", names, n_labels, numbers),
    }


def label_steps(labels):
    """Return labels as the bytes of a map, and how many there are."""
    labels = np.asarray(labels)
    _check_flat("labels", labels)
    if labels.dtype.kind not in "iub" or labels.min() < -1 or labels.max() >= NO_LABEL:
        raise ValueError(
            f"labels are {labels.dtype} from {labels.min()} to {labels.max()}; give whole numbers "
            f"from 0 to {NO_LABEL - 1}, and -1 for hidden pixels."
        )
    return np.where(labels < 0, NO_LABEL, labels).astype(np.uint8), int(labels.max()) + 1


def make_layers(maps, names=None, colors=None, lows=None, highs=None, visible=None, shown=None):
    """Return the traits that show several maps at once."""
    maps = np.asarray(maps, dtype=np.float64)
    if maps.ndim != 3 or 0 in maps.shape:
        raise ValueError(f"maps have shape {maps.shape}; layers are (n, rows, columns).")
    n_maps, ends = len(maps), np.array([ends_of(values) for values in maps])
    for column, given in enumerate([lows, highs]):
        if given is not None:
            ends[:, column] = enough(("lows", "highs")[column], given, n_maps)
    if not (np.isfinite(ends).all() and (ends[:, 0] < ends[:, 1]).all()):
        raise ValueError(f"lows and highs are {ends.tolist()}; give finite ones, lows below highs.")
    steps = [
        quantised(values, low, high, np.uint8(NO_LABEL))
        for values, (low, high) in zip(maps, ends, strict=True)
    ]
    layers = {
        "maps": np.array(steps).tobytes(),
        "lows": ends[:, 0].tolist(),
        "highs": ends[:, 1].tolist(),
        "colors": check_colors("colors", enough("colors", colors, n_maps, label_colors)),
        "names": [str(name) for name in enough("names", names, n_maps, numbers)],
        "fixed": [lows is not None, highs is not None],
    }
    visible = enough("visible", visible, n_maps, lambda n: [True] * n)
    choices = {"visible": [bool(v) for v in visible], "shown": shown}
    return {"shape": maps.shape[1:], "layers": layers, **choices}


def ends_of(values):
    """Return the least and the greatest finite value, apart where they would be the same."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if low < high else (low, low + max(1.0, abs(low)))


def quantised(values, low, high, hidden):
    """Return steps of the type of `hidden`, which marks what is not finite."""
    last, seen = int(hidden) - 1, np.isfinite(values)
    shares = (np.where(seen, values, low) - low) / (high - low)
    steps = np.rint(np.clip(shares, 0, 1) * last).astype(hidden.dtype)
    return np.where(seen, steps, hidden)


def label_colors(n_labels):
    """Return one colour a label: eight that everybody can tell apart, then hues far from each."""
    more = (colorsys.hsv_to_rgb(k * GOLDEN_ANGLE % 1, 0.6, 0.85) for k in range(n_labels - 8))
    others = ["#" + "".join(f"{round(255 * part):02x}" for part in color) for color in more]
    return [*LABEL_COLORS, *others][:n_labels]


def check_colors(what, colors):
    """Return a list of colours; refuse what is written another way."""
    for color in colors:
        if not re.fullmatch(COLOR, color):
            raise tl.TraitError(f'{what} hold {color!r}; write colours as "#rrggbb".')
    return list(colors)


def enough(what, given, n_needed, default=None):
    """Return a list with an entry for each; refuse one that is too short."""
    if given is None:
        return default(n_needed)
    if len(given) < n_needed:
        raise ValueError(f"{what} are {len(given)}, but the map needs {n_needed}; add the others.")
    return list(given)


def numbers(n_names):
    """Return names for what has none: its numbers."""
    return [str(k) for k in range(n_names)]


def _check_flat(what, values):
    if values.ndim != 2 or values.size == 0:
        raise ValueError(
            f"{what} have shape {values.shape}; a map has rows and columns. Choose one "
            f"with {what}[..., k]."
        )
