"""The parts of a spectrum image, checked: each function returns its argument in one form."""

from __future__ import annotations

from math import prod
from numbers import Integral

import numpy as np
import scipy.sparse as sp

from endmember.core.axes import Axis, check_axis_values
from endmember.core.checks import (
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_values,
    is_dask,
    native,
    read_only,
    read_only_csr,
)


def as_counts(counts):
    """Return counts as a read-only array, a canonical CSR array or a dask array."""
    if hasattr(counts, "navigation_axes") or hasattr(counts, "axes_manager"):
        raise TypeError(
            f"counts are a {type(counts).__name__}, not an array; use em.as_spectrum_image(...), "
            "which takes signals and images."
        )
    check_array_kind(counts)
    if sp.issparse(counts):
        check_dtype(counts.dtype)
        if counts.ndim != 2:
            raise ValueError(
                f"sparse counts must be 2-D (n_pixels, n_channels), got {counts.ndim}-D; "
                "give the map's shape as navigation_shape."
            )
        counts = read_only_csr(canonical_csr(counts))
    elif is_dask(counts):
        check_dtype(counts.dtype)
        counts = native(counts)
    else:
        counts = np.asarray(counts)
        check_dtype(counts.dtype)
        counts = read_only(native(counts))
    if counts.ndim < 2:
        raise ValueError(
            f"counts have shape {counts.shape}; a spectrum image needs navigation axes and a "
            "signal axis, (rows, columns, channels) or (pixels, channels)."
        )
    return counts


def as_navigation_shape(counts, navigation_shape):
    """Return the shape of the map, with at least two pixels and two channels."""
    *shape, n_channels = counts.shape
    if navigation_shape is not None:
        wanted = tuple(np.atleast_1d(navigation_shape).tolist())
        if not all(isinstance(n, int) and n > 0 for n in wanted):
            raise ValueError(
                f"navigation_shape must hold whole numbers above zero, (rows, columns); got "
                f"{navigation_shape!r}."
            )
        if prod(wanted) != prod(shape):
            raise ValueError(
                f"navigation_shape {wanted} has {prod(wanted)} pixels but counts have "
                f"{prod(shape)}; check the order (rows, columns)."
            )
        shape = wanted
    if prod(shape) < 2:
        raise ValueError(
            f"counts have shape {tuple(counts.shape)}, n_samples={prod(shape)} pixel(s); unmixing "
            "compares pixels, so pass at least two."
        )
    if n_channels < 2:
        raise ValueError(
            f"counts have shape {tuple(counts.shape)}, n_features={n_channels} channel(s); a "
            "spectrum needs at least two. Is the signal axis the last one?"
        )
    return tuple(shape)


def as_signal_axis(axis, n_channels, name, unit):
    """Return the signal axis, one value a channel."""
    is_named = name is not None or unit is not None
    if is_named and (axis is None or isinstance(axis, Axis)):
        why = "there is no axis to describe" if axis is None else "axis brings its own"
        raise TypeError(
            f"got name={name!r} and unit={unit!r} but {why}; pass axis= as an array of one value "
            "a channel besides, or both in em.Axis.uniform(size, scale=..., name=..., unit=...)."
        )
    if axis is None:
        return Axis.uniform(n_channels, name="channel", is_binned=True)
    if not isinstance(axis, Axis):
        check_axis_values(axis, "axis")
        name, unit = "energy" if name is None else str(name), "keV" if unit is None else str(unit)
        axis = Axis.from_values(axis, name=name, unit=unit, is_binned=True)
    if len(axis) != n_channels:
        raise ValueError(
            f"axis has {len(axis)} values but counts have {n_channels} channels; pass one value a "
            "channel, and the counts with the signal axis last."
        )
    return axis


def as_navigation_axes(axes, shape):
    """Return one axis for each dimension of the map."""
    if axes is None:
        names = {1: ("x",), 2: ("y", "x")}.get(len(shape), [f"axis {i}" for i in range(len(shape))])
        return tuple(Axis.uniform(n, name=name) for n, name in zip(shape, names, strict=True))
    axes = tuple(axes)
    if not all(isinstance(axis, Axis) for axis in axes):
        raise TypeError(
            f"navigation_axes must be em.Axis objects, got {axes!r}; make each with "
            "em.Axis.uniform(size, scale=..., name=..., unit=...)."
        )
    if [len(a) for a in axes] != list(shape):
        raise ValueError(
            f"navigation_axes have lengths {[len(a) for a in axes]} but the map has shape "
            f"{shape}; pass one em.Axis for each, rows first."
        )
    return axes


def as_mask(mask, shape, name, what):
    """Return a read-only copy of a mask, or None where it hides nothing."""
    if mask is None:
        return None
    mask = np.array(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"{name} must be bool of shape {shape}, True where a {what} is hidden; got "
            f"{mask.dtype} of shape {mask.shape}."
        )
    if np.count_nonzero(~mask) < 2:
        raise ValueError(
            f"{name} hides {np.count_nonzero(mask)} of {mask.size} {what}s and leaves fewer than "
            f"two; True means hidden, so perhaps pass ~{name}."
        )
    mask.flags.writeable = False
    return mask if mask.any() else None


def as_images(images, shape, name, dtype):
    """Return copies of named images, all of the shape of the map."""
    arrays = {}
    for key, values in (images or {}).items():
        array = np.array(values, dtype=dtype)
        if array.shape != shape:
            raise ValueError(
                f"{name}[{key!r}] has shape {array.shape} but the map has shape {shape}."
            )
        arrays[str(key)] = array
    return arrays


def check_content(image):
    """Refuse counts that are no counts; a lazy image is checked when it is computed."""
    if image.is_lazy:
        return
    visible = image.spectra
    values = visible.data if sp.issparse(visible) else visible
    check_values(values)
    if values.size == 0 or not values.any():
        raise ValueError(
            f"counts are zero in all {image.n_pixels} visible pixels; nothing can be unmixed. "
            "Check that the right signal was loaded."
        )


def check_pixel(pixel, shape):
    """Return the index of a pixel in the unfolded map."""
    try:
        return int(np.ravel_multi_index(pixel, shape))
    except (ValueError, TypeError) as error:
        raise IndexError(
            f"pixel {pixel} is not in the map of shape {shape}; give one index from zero for "
            "each navigation axis, rows first."
        ) from error


def check_window(window):
    """Return the two ends of a window of the signal axis."""
    try:
        low, high = (float(end) for end in window)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        raise ValueError(
            "window must be (low, high) with low < high, in the unit of the signal axis; "
            f"got {window!r}."
        )
    return low, high


def check_region(region, shape):
    """Return a block of pixels as one slice for each navigation axis."""
    if region is None:
        return tuple(slice(0, n) for n in shape)
    pairs = np.array(region, dtype=object)
    if pairs.shape != (len(shape), 2) or not all(isinstance(n, Integral) for n in pairs.ravel()):
        raise ValueError(
            f"region must hold one (start, stop) of whole numbers for each of the {len(shape)} "
            f"navigation axes, got {region!r}."
        )
    for (start, stop), n in zip(pairs, shape, strict=True):
        if not 0 <= start < stop <= n:
            raise ValueError(
                f"region {region!r} leaves the map of shape {shape}; each pair must obey "
                "0 <= start < stop <= size."
            )
    return tuple(slice(int(start), int(stop)) for start, stop in pairs)


def check_enough(sizes, masks, step):
    """Refuse a step that leaves fewer than two visible pixels or channels."""
    for n_kept, mask, what in zip(sizes, masks, ("pixel", "channel"), strict=True):
        n_visible = n_kept if mask is None else int(np.count_nonzero(~mask))
        if n_visible < 2:
            raise ValueError(
                f"{step} leaves {n_visible} visible {what}(s) of {n_kept}; unmixing needs at least "
                "two, so take a larger part or smaller bins."
            )


def check_factors(channels, pixels, shape):
    """Return the bin lengths, navigation axes first."""
    n_navigation = len(shape) - 1
    blocks = list(pixels) if np.ndim(pixels) == 1 else [pixels] * n_navigation
    factors = [*blocks, channels]
    if len(blocks) != n_navigation:
        raise ValueError(
            f"pixels must be one number or one for each of the {n_navigation} navigation axes, "
            f"got {pixels!r}."
        )
    for factor, n in zip(factors, shape, strict=True):
        if not isinstance(factor, int | np.integer) or not 1 <= factor <= n:
            raise ValueError(
                f"cannot rebin by {factor!r} along an axis of {n}; pass a whole number from 1 "
                f"to {n}."
            )
    return [int(f) for f in factors]


def done(name, **parameters):
    """Return a step as records hold it."""
    return {"name": name, "parameters": parameters}


def call(code, **given):
    """Write the arguments that were given into a call, by the names that they have.

    Examples
    --------
    >>> call("em.SpectrumImage(counts)", axis=True, mask=False)
    'em.SpectrumImage(counts, axis=axis)'
    """
    names = [name for name, is_given in given.items() if is_given]
    return ", ".join([code[:-1], *(f"{name}={name}" for name in names)]) + ")"
