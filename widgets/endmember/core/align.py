"""Alignment of the signal axis: counts are moved one by one, so that they stay counts."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import canonical_csr, check_dtype, check_values
from endmember.core.drift import measure_drift
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import done
from endmember.core.seeds import as_seed

DEFAULTS = {"gain": 1.0, "seed": 0, "scan_axis": 0}


def align_signal_axis(image, shifts=None, *, gain=1.0, seed=0, scan_axis=0):
    """Move the counts of every pixel back to where they would be without a drift.

    Parameters
    ----------
    image : SpectrumImage
        Whole counts on an even signal axis.
    shifts : array_like, optional
        How far each scan line, ``(n_lines,)``, or each pixel, of the navigation shape, is shifted,
        in channels; positive where features stand at higher channels. The position of the zero-loss
        peak is such a number. By default what :func:`measure_drift` finds.
    gain : float, default=1
        Of the detector, for measuring; turning it up makes small drifts less significant.
    seed : int, default=0
        The same seed gives the same counts.
    scan_axis : {0, 1}, default=0
        The slow axis of the scan; by default the rows are the scan lines.

    Returns
    -------
    SpectrumImage
        Whole counts again, of the dtype of the image where they fit, without the channels at the
        ends that some pixels no longer fill. The image itself is not changed.

    Raises
    ------
    TypeError
        Where it is no SpectrumImage.
    ValueError
        Where counts are not whole, shifts have another shape or are not finite, no channels would
        be left, or a drift cannot be measured.

    Warns
    -----
    UserWarning
        Where no drift was found; counts are then left as they are.

    Notes
    -----
    Interpolation would tie the noise of neighbouring channels together, and rank rules would count
    that. Here every single count goes to one of the three nearest channels by chance, with the
    weights of a quadratic spline. Their mean is the shift, exactly, and their variance a quarter of
    a squared channel whatever the shift: all pixels are blurred alike, by half a channel, and
    Poisson counts stay Poisson and independent [1]_.

    References
    ----------
    .. [1] Hockney and Eastwood, Computer Simulation Using Particles (CRC Press, 1988), ISBN
       9780852743928: the triangular-shaped cloud.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> counts = np.zeros((2, 1, 9), dtype=int)
    >>> counts[0, 0, 4] = counts[1, 0, 5] = 1000
    >>> aligned = em.align_signal_axis(em.SpectrumImage(counts), [0, 1])
    >>> means = aligned.counts @ aligned.axis / 1000
    >>> bool(np.abs(means - 4).max() < 0.1)
    True
    """
    _check(image)
    seed = as_seed(seed)
    how = {"gain": float(gain), "seed": int(seed), "scan_axis": int(scan_axis)}
    code = "".join(f", {name}={value!r}" for name, value in how.items() if value != DEFAULTS[name])
    if shifts is None:
        moved = _measured(image, **how)
    else:
        moved = _of_pixels(np.asarray(shifts, dtype=np.float64), image, scan_axis)
        how["shifts"] = np.asarray(shifts, dtype=np.float64).tolist()
        code = f", {how['shifts'] if np.ndim(shifts) == 1 else 'shifts'}{code}"
    counts, first, last, lost = _moved(image, moved, np.random.default_rng(seed))
    aligned = image._derived(
        counts,
        image.signal_axis.crop(first, last),
        image.navigation_axes,
        mask=image.mask,
        channel_mask=lost,
        companions=image.companions,
        regions=image.regions,
        step="",
        done=done("align_signal_axis", **how),
    )
    aligned.code = f"em.align_signal_axis({image.code}{code})"
    return aligned


def _check(image):
    if not isinstance(image, SpectrumImage):
        raise TypeError(
            f"image must be a SpectrumImage, got {type(image).__name__}; pass "
            "em.SpectrumImage(counts) or em.as_spectrum_image(signal)."
        )
    if image.is_lazy:
        raise TypeError("the counts are a dask array; call image.to_sparse() first.")


def _measured(image, *, gain, seed, scan_axis):
    """Return the shift of every pixel as it is found in the counts."""
    drift = measure_drift(image, gain=gain, seed=seed, scan_axis=scan_axis)
    if drift.reason:
        raise ValueError(f"the drift of this image was {drift.reason} Pass shifts.")
    if not drift.is_drift:
        warnings.warn("no drift was found: all counts stay where they are.", stacklevel=3)
        return np.zeros(image.n_pixels)
    return _of_pixels(drift.shifts, image, scan_axis)


def _of_pixels(shifts, image, scan_axis):
    """Give every pixel, row after row, its shift."""
    shape = image.navigation_shape
    n_lines = shape[scan_axis] if len(shape) > scan_axis else 0
    if shifts.shape == (n_lines,):
        across = [1] * len(shape)
        across[scan_axis] = n_lines
        shifts = np.broadcast_to(shifts.reshape(across), shape)
    if shifts.shape != shape:
        raise ValueError(
            f"shifts have shape {shifts.shape}; pass one for each of the {n_lines} scan lines, or "
            f"for each pixel of the map of shape {shape}."
        )
    if not np.isfinite(shifts).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(shifts))} of the shifts are not finite; give pixels "
            "without one the shift of a neighbour, or 0."
        )
    return shifts.ravel()


def _moved(image, shifts, rng):
    """Return counts after their move, the channels that all pixels fill, and which are hidden."""
    whole = np.rint(shifts).astype(int)
    n_channels = image.shape[-1]
    first, last = max(0, 1 - whole.min()), min(n_channels, n_channels - 1 - whole.max())
    if not shifts.any():
        first, last = 0, n_channels
    if last - first < 2:
        raise ValueError(
            f"shifts reach from {shifts.min():.3g} to {shifts.max():.3g} channels, and there are "
            f"{n_channels}: no channels would be left that all pixels fill."
        )
    kept = _whole_counts(image)
    if shifts.any():
        kept = _scattered(kept, shifts, whole, rng)
    lost = _reached(image.channel_mask, whole, shifts.any())
    kept = kept[:, first:last]
    lost = None if lost is None else lost[first:last]
    return _as_before(kept, image, last - first), first, last, lost


def _whole_counts(image):
    """Return all visible counts as CSR; what is hidden may hold anything and counts as zero."""
    flat = image.counts.reshape(-1, image.shape[-1])
    flat = sp.csr_array(flat) if not sp.issparse(flat) else flat.copy()
    if image.mask is not None or image.channel_mask is not None:
        rows = np.repeat(np.arange(flat.shape[0]), np.diff(flat.indptr))
        hidden = np.zeros(flat.nnz, dtype=bool)
        if image.mask is not None:
            hidden |= image.mask.ravel()[rows]
        if image.channel_mask is not None:
            hidden |= image.channel_mask[flat.indices]
        flat.data[hidden] = 0
    flat = canonical_csr(flat)
    check_dtype(flat.dtype)
    check_values(flat.data)
    if flat.dtype.kind == "f" and not np.array_equal(flat.data, np.rint(flat.data)):
        raise ValueError(
            "counts are not whole numbers, and only single counts can be moved. Align what the "
            "detector counted, before any scaling or background subtraction."
        )
    return flat


def _scattered(flat, shifts, whole, rng):
    """Move every count back by the shift of its pixel, to one of three channels by chance."""
    rows = np.repeat(np.arange(flat.shape[0]), np.diff(flat.indptr))
    off = (whole - shifts)[rows]  # from the nearest channel, at most half a one
    counts = flat.data.astype(np.int64)
    below, here = (0.5 - off) ** 2 / 2, 0.75 - off**2
    down = rng.binomial(counts, below)
    stay = rng.binomial(counts - down, np.minimum(here / (1 - below), 1.0))
    parts = (down, stay, counts - down - stay)
    columns = np.concatenate([flat.indices - whole[rows] + step for step in (-1, 0, 1)])
    is_inside = (columns >= 0) & (columns < flat.shape[1])
    values = np.concatenate(parts) * is_inside
    places = (np.tile(rows, 3), columns.clip(0, flat.shape[1] - 1))
    moved = sp.csr_array((values, places), shape=flat.shape)
    moved.eliminate_zeros()
    return moved


def _reached(channel_mask, whole, is_moved):
    """Return which channels would hold counts, or the lack of them, of a hidden one."""
    if channel_mask is None or not is_moved:
        return channel_mask
    n, lost = channel_mask.size, np.zeros_like(channel_mask)
    for step in range(whole.min() - 1, whole.max() + 2):
        from_ = np.arange(n) + step
        is_inside = (from_ >= 0) & (from_ < n)
        lost[is_inside] |= channel_mask[from_[is_inside]]
    return lost


def _as_before(flat, image, n_channels):
    """Return counts in the form and dtype of the image, or a wider one where they do not fit."""
    dtype = image.counts.dtype
    most = int(flat.data.max()) if flat.nnz else 0
    if dtype.kind in "iu" and most > np.iinfo(dtype).max:
        dtype = np.min_scalar_type(most)
    flat = flat.astype(dtype)
    return flat if image.is_sparse else flat.toarray().reshape(*image.shape[:-1], n_channels)
