"""Measured maps packed small: sparse counts in one ``.npz``, their axes and metadata as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from endmember.core.axes import Axis
from endmember.core.image import SpectrumImage


def pack(image, path):
    """Write the counts, axes, title and metadata of an image.

    Parameters
    ----------
    image : SpectrumImage
        Whole counts below 256 take one byte, channels below 65,536 two; masks are not kept.
    path : path-like
        File to write, ending in ``.npz``.
    """
    flat = image.to_sparse().counts
    is_float = flat.dtype.kind == "f"
    facts = {
        "title": image.title,
        "axes": [_axis_facts(a) for a in (*image.navigation_axes, image.signal_axis)],
        "metadata": image.metadata,
    }
    np.savez_compressed(
        path,
        counts=flat.data if is_float else flat.data.astype(np.min_scalar_type(flat.data.max())),
        channels=flat.indices.astype(np.min_scalar_type(flat.shape[1] - 1)),
        n_filled=np.diff(flat.indptr).astype(np.min_scalar_type(flat.shape[1])),
        facts=np.frombuffer(json.dumps(facts, default=_plain).encode(), dtype=np.uint8),
    )


def pack_micrograph(values, axes, path):
    """Write a micrograph: one number in every pixel, and what its axes mean.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Kept as they are.
    axes : sequence of em.Axis
        Of the rows and of the columns.
    path : path-like
        File to write, ending in ``.npz``.
    """
    facts = json.dumps({"axes": [_axis_facts(axis) for axis in axes]})
    np.savez_compressed(path, values=values, facts=np.frombuffer(facts.encode(), dtype=np.uint8))


def unpack(path):
    """Read what was packed.

    Returns
    -------
    SpectrumImage, or tuple of an ndarray and two em.Axis
        A map with CSR counts, or a micrograph and its axes.
    """
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as stored:
                return _micrograph(stored) if "values" in stored else _image(stored)
        except Exception as error:  # a damaged archive fails in many ways
            raise ValueError(
                f"{path} is damaged or is no packed map ({error}); install endmember again."
            ) from error


def _image(stored):
    facts = json.loads(stored["facts"].tobytes())
    *navigation, signal_axis = (_axis(entry) for entry in facts["axes"])
    n_filled = stored["n_filled"]
    starts = np.concatenate([[0], np.cumsum(n_filled, dtype=np.int64)]).astype(np.int32)
    flat = sp.csr_array(
        (stored["counts"], stored["channels"].astype(np.int32), starts),
        shape=(n_filled.size, len(signal_axis)),
    )
    return SpectrumImage(
        flat,
        signal_axis,
        navigation_axes=navigation,
        navigation_shape=[len(axis) for axis in navigation],
        title=facts["title"],
        metadata=facts["metadata"],
    )


def _micrograph(stored):
    facts = json.loads(stored["facts"].tobytes())
    return stored["values"], [_axis(entry) for entry in facts["axes"]]


def _axis_facts(axis):
    facts = {"name": axis.name, "unit": axis.unit, "is_binned": axis.is_binned}
    if axis.is_uniform:
        return {**facts, "size": len(axis), "scale": axis.scale, "offset": axis.offset}
    return {**facts, "values": axis.values.tolist()}


def _axis(facts):
    if "values" in facts:
        return Axis(np.array(facts.pop("values")), **facts)
    return Axis.uniform(facts.pop("size"), **facts)


def _plain(value):
    """NumPy scalars and arrays as JSON knows them."""
    return value.tolist()
