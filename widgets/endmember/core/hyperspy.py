"""To and from HyperSpy, through the dictionaries that HyperSpy and RosettaSciIO share."""

from __future__ import annotations

import copy
import hashlib
import json
from math import prod

import numpy as np

from endmember.core.axes import Axis
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import call

NODE = "endmember"  # where masks, companions and regions travel in a signal's metadata


def from_signal(signal, **settings):
    """Return a HyperSpy signal as a spectrum image; the signal is not changed."""
    settings = {name: value for name, value in settings.items() if value is not None}
    manager = signal.axes_manager
    if manager.signal_dimension != 1:
        raise ValueError(
            f"the signal has {manager.signal_dimension} signal dimensions; a spectrum image needs "
            "one. Use signal.as_signal1D(axis) to say which axis holds the spectrum."
        )
    tree = signal._to_dictionary(add_learning_results=False, add_models=False)
    tree = {**tree, "axes": [dict(entry) for entry in tree["axes"]]}
    for entry, axis in zip(tree["axes"], manager._axes, strict=True):
        if not axis.is_uniform:
            entry["axis"] = np.array(axis.axis)
    code = call(
        "em.as_spectrum_image(signal)",
        mask="mask" in settings,
        channel_mask="channel_mask" in settings,
    )
    image = from_dictionary(tree, learned=_learned_masks(signal, settings), **settings)
    image.code = code
    return image


def from_dictionary(tree, *, learned=None, **settings):
    """Return the spectrum image that a HyperSpy or RosettaSciIO dictionary describes.

    Settings count before the masks of an earlier decomposition (`learned`), and those before what
    travelled in the metadata.
    """
    counts, entries = tree["data"], list(tree["axes"])
    signal_at = [i for i, entry in enumerate(entries) if not entry["navigate"]]
    if len(signal_at) != 1:
        raise ValueError(
            f"the data have {len(signal_at)} signal axes; a spectrum image needs one. Open the "
            "file with HyperSpy, choose the axis with as_signal1D, and pass the signal."
        )
    if signal_at[0] != len(entries) - 1:
        counts = np.moveaxis(counts, signal_at[0], -1)
        entries.append(entries.pop(signal_at[0]))
    metadata = copy.deepcopy(tree.get("metadata") or {})
    ours = metadata.pop(NODE, None) or {}
    signal = metadata.get("Signal", {})
    binned = signal.pop("binned", False)  # older files say it here, newer ones on the axis
    signal.pop("record_by", None)
    *navigation, signal_axis = (_axis(entry, binned) for entry in entries)
    parts = {
        "title": metadata.get("General", {}).get("title", ""),
        **_travelled(ours, [*navigation, signal_axis], settings),
        **(learned or {}),
        **settings,
    }
    shapes = {"mask": tuple(map(len, navigation)), "channel_mask": (len(signal_axis),)}
    parts.update({name: _mask(parts.get(name), shape) for name, shape in shapes.items()})
    return SpectrumImage(
        counts,
        signal_axis,
        navigation_axes=navigation,
        metadata=metadata,
        original_metadata=tree.get("original_metadata"),
        **parts,
    )


def to_signal(image):
    """Return a HyperSpy signal of the class that the metadata name."""
    from hyperspy.io import dict2signal

    if image.is_sparse:
        image = image.to_dense()
    metadata = copy.deepcopy(image.metadata)
    if image.title:
        metadata.setdefault("General", {})["title"] = image.title
    ours = {
        "mask": image.mask,
        "channel_mask": image.channel_mask,
        "companions": _numbered(image.companions),
        "regions": _numbered(image.regions),
    }
    ours = {key: value for key, value in ours.items() if value is not None}
    if ours:
        axes = _facts([*image.navigation_axes, image.signal_axis])
        metadata[NODE] = {**copy.deepcopy(ours), "axes": json.dumps(axes)}
    counts = image.counts if image.is_lazy else image.counts.copy()
    tree = {
        "data": counts,
        "axes": [_entry(axis, navigate=True) for axis in image.navigation_axes]
        + [_entry(image.signal_axis, navigate=False)],
        "metadata": metadata,
        "original_metadata": copy.deepcopy(image.original_metadata),
    }
    return dict2signal(tree, lazy=image.is_lazy)


def components_to_signal(image, components):
    """Return spectra along the axis of an image as a signal of its class, one after the other."""
    counts = np.full((len(components), len(image.signal_axis)), np.nan)
    kept = slice(None) if image.channel_mask is None else ~image.channel_mask
    counts[:, kept] = components
    return _signal_of_components(image, counts, [_entry(image.signal_axis, navigate=False)])


def maps_to_signal(image, values):
    """Return values of shape (n_pixels, n_components) as a signal of one map for each component."""
    maps = np.moveaxis(image.fold(values), -1, 0).copy()
    entries = [_entry(axis, navigate=False) for axis in image.navigation_axes]
    return _signal_of_components(image, maps, entries, is_spectrum=False)


def _signal_of_components(image, values, entries, *, is_spectrum=True):
    from hyperspy.io import dict2signal

    metadata = copy.deepcopy(image.metadata)
    what = "components" if is_spectrum else "maps"
    metadata.setdefault("General", {})["title"] = f"{image.title}: {what}".removeprefix(": ")
    if not is_spectrum:
        metadata.pop("Signal", None)  # what its spectra are: of a map, HyperSpy finds the class
    components = Axis.uniform(len(values), name="component")
    tree = {
        "data": values,
        "axes": [_entry(components, navigate=True), *entries],
        "metadata": metadata,
        "original_metadata": copy.deepcopy(image.original_metadata),
    }
    return dict2signal(tree)


def _numbered(images):
    """Names beside images: HyperSpy would write α and β under the same key.

    Each image has an entry of its own, since a file would turn a list into one array of one dtype.
    """
    if not images:
        return None
    numbered = {f"image_{i}": image for i, image in enumerate(images.values())}
    return {"names": list(images), **numbered}


def _named(numbered):
    if not numbered:
        return None
    return {name: numbered[f"image_{i}"] for i, name in enumerate(numbered["names"])}


def _facts(axes):
    """Return what tells whether indices still mean the same, as JSON knows it."""
    facts = []
    for axis in axes:
        fact = {
            "name": axis.name,
            "size": len(axis),
            "is_rising": bool(axis.values[-1] >= axis.values[0]),
        }
        if axis.is_uniform:
            fact |= {"scale": axis.scale, "offset": axis.offset}
        else:  # a file has no room for all values of a long axis in one entry
            fact |= {"digest": hashlib.sha256(axis.values.tobytes()).hexdigest()}
        facts.append(fact)
    return facts


def _travelled(ours, axes, settings):
    """Return what came along in the metadata, unless the axes changed since and it fits no more.

    Masks, companions and regions of pixels need the navigation axes that they were made for. A
    mask of channels needs a signal axis of the same name, size and direction, which may have been
    calibrated. Passing `mask` says what the pixels are now: companions and regions that fit no
    more are then left behind.
    """
    found = {
        "mask": ours.get("mask"),
        "channel_mask": ours.get("channel_mask"),
        "companions": _named(ours.get("companions")),
        "regions": _named(ours.get("regions")),
    }
    found = {name: value for name, value in found.items() if value is not None}
    now = _facts(axes)
    then = json.loads(ours["axes"]) if "axes" in ours else now
    of_pixels = {"mask", "companions", "regions"}
    stale = of_pixels if then[:-1] != now[:-1] else set()
    stale = stale | ({"channel_mask"} if _channels(then[-1]) != _channels(now[-1]) else set())
    settled = of_pixels if "mask" in settings else set()
    missing = [name for name in found if name in stale - settled - set(settings)]
    if missing:
        raise ValueError(
            f"metadata.{NODE} holds {', '.join(missing)} made for the axes {_spoken(then)}, but "
            f"the signal now has {_spoken(now)}. Pass {', '.join(f'{m}=' for m in missing)} to "
            f"em.as_spectrum_image, or drop them with: del signal.metadata.{NODE}"
        )
    return {name: value for name, value in found.items() if name not in stale}


def _channels(fact):
    return fact["name"], fact["size"], fact["is_rising"]


def _spoken(facts):
    return ", ".join(
        f"{fact['name'] or 'unnamed'} ({fact['size']} "
        + (f"from {fact['offset']:g} by {fact['scale']:g})" if "scale" in fact else "uneven)")
        for fact in facts
    )


def _learned_masks(signal, settings):
    """Masks of an earlier decomposition that no setting replaces."""
    manager = signal.axes_manager
    places = {
        "mask": ("navigation_mask", manager._navigation_shape_in_array),
        "channel_mask": ("signal_mask", manager._signal_shape_in_array),
    }
    masks = {
        setting: _learned_mask(signal, name, shape, setting)
        for setting, (name, shape) in places.items()
        if setting not in settings
    }
    return {setting: mask for setting, mask in masks.items() if mask is not None}


def _learned_mask(signal, name, shape, setting):
    """Mask of an earlier decomposition, where the signal remembers one."""
    values = getattr(signal.learning_results, name, None)
    if values is None or np.ndim(values) == 0:
        return None
    if np.size(values) != prod(shape):
        raise ValueError(
            f"the signal remembers a {name} of {np.size(values)} values from a decomposition that "
            f"was made before its shape became {tuple(shape)}; pass {setting}= to "
            "em.as_spectrum_image, or clear signal.learning_results."
        )
    return np.asarray(values).reshape(shape)


def _mask(values, shape):
    if values is None:
        return None
    values = values.data if hasattr(values, "axes_manager") else np.asarray(values)
    return values.reshape(shape) if values.shape == (prod(shape),) else values


def _axis(entry, binned):
    facts = {
        "name": _text(entry.get("name")),
        "unit": _text(entry.get("units")),
        "is_binned": bool(entry.get("is_binned", binned and not entry["navigate"])),
    }
    if "axis" in entry:
        return Axis(np.array(entry["axis"], dtype=np.float64), **facts)
    if "expression" in entry:
        raise ValueError(
            f"the {facts['name']} axis is given by the formula {entry['expression']!r}; open the "
            "file with HyperSpy and pass the signal."
        )
    return Axis.uniform(entry["size"], scale=entry["scale"], offset=entry["offset"], **facts)


def _entry(axis, *, navigate):
    entry = {
        "name": axis.name or None,  # how HyperSpy writes what is not set
        "units": axis.unit or None,
        "navigate": navigate,
        "is_binned": axis.is_binned,
        "size": len(axis),
    }
    if axis.is_uniform:
        return {**entry, "_type": "UniformDataAxis", "scale": axis.scale, "offset": axis.offset}
    return {**entry, "_type": "DataAxis", "axis": axis.values.copy()}


def _text(value):
    """HyperSpy writes an unset name as None or a sentinel object."""
    return value if isinstance(value, str) else ""
