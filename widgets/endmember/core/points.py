"""Features of pixels as points between which distances are taken: any finite numbers."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import (
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_flat,
    check_height,
    is_dask,
    native,
)
from endmember.core.image import SpectrumImage

GRID_BITS = 10  # squares of twice as many, summed over 2**13 channels and 2**20 pixels, are exact


def as_rows(features, name="features", *, validate=np.asarray):
    """Return features as finite rows, dense or CSR; scores may be negative, counts may be dask."""
    rows = features.spectra if isinstance(features, SpectrumImage) else features
    check_array_kind(rows, name)
    check_flat(rows, name)
    rows = rows.compute() if is_dask(rows) else rows
    rows = canonical_csr(rows) if sp.issparse(rows) else rows
    if validate is not np.asarray or not sp.issparse(rows):
        rows = validate(rows)
    check_dtype(rows.dtype, name)
    check_flat(rows, name)
    rows = rows if sp.issparse(rows) else native(rows)
    _check_finite(rows.data if sp.issparse(rows) else rows, name)
    if 0 in rows.shape:
        raise ValueError(f"{name} have shape {rows.shape}; pass one row of features a pixel.")
    return rows


def as_points(features, name="features"):
    """Return features as a new dense array of float64 around their mean, in C order.

    Distances stay what they are, and lose fewer digits to rounding.
    """
    points, _ = centred(as_rows(features, name))
    points -= _mean(points)
    return points


def centred(rows):
    """Return rows as a new dense array of float64, in C order, from an origin near their mean.

    The origin lies on a grid of a power of two, about a thousandth of the widest scatter. From it
    whole numbers and their distances are exact: of two that are equal, rounding makes none nearer.
    """
    points = (rows.toarray() if sp.issparse(rows) else rows).astype(np.float64, order="C")
    mean = _mean(points)
    widest = np.abs(points - mean).max()
    grid = np.ldexp(1.0, np.frexp(widest)[1] - GRID_BITS)
    origin = np.rint(mean / grid) * grid if widest > 0 else mean
    points -= origin
    return points, origin


def _mean(points):
    return np.full(len(points), 1 / len(points)) @ points  # many times faster than their mean


def _check_finite(values, name):
    """Refuse NaN and inf, and what is too far from 1 for squares."""
    if values.dtype.kind != "f":
        return
    n_bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if n_bad:
        raise ValueError(
            f"{name} contain NaN or inf in {n_bad} places; hide those pixels with mask= of a "
            "SpectrumImage, or leave their rows out."
        )
    if values.size:
        check_height(np.array([max(float(values.max()), -float(values.min()))]), name)
