"""The factors of a map as pages hold them: small beside a kernel, smaller where there is none.

Beside a kernel the scores travel as int16 (:func:`pack_factors`). A page that must hold them itself
gets :func:`compact_factors`: what matters at full size, the rest as block means, all deflated.
"""

from __future__ import annotations

import zlib

import numpy as np

STEP = 1 / 8  # of a score in noise units: its rounding is 1/28 of the noise
N_FULL_BEYOND = 2  # components past the noise edge that stay at full size
SIDES = [(1, 1), (1, 2), (1, 4), (1, 8), (2, 2), (2, 4), (2, 8), (4, 4), (4, 8), (8, 8), (16, 16)]
HOPELESS = 1.5  # times the limit: what is likely to be so large is not tried
LEVEL = 6  # of deflating; 9 takes twenty times as long for one per cent less
MOST_BYTES = 1_050_000  # deflated; a page spells them as text, which takes a third more


def pack_factors(factors):
    """Make factors small for the page: scores as int16, one scale a component.

    Parameters
    ----------
    factors : dict
        What :meth:`RankState.factors` returns. Scores lose at most 1/65534 of the largest one,
        far less than the noise of 1 that they are measured in.

    Returns
    -------
    dict
        The same with bytes instead of arrays, and the ``scales`` of the scores.
    """
    scores, scales = _as_int16(factors["scores"])
    return _to_bytes({**factors, "scores": scores, "scales": scales})


def compact_factors(packed, shape, *, most_bytes=MOST_BYTES):
    """Make packed factors small enough for a page to hold.

    Parameters
    ----------
    packed : dict
        What :func:`pack_factors` returns.
    shape : tuple of int
        Rows and columns of the map.
    most_bytes : int
        Size to stay below. Components to the noise edge and two more keep their full size and the
        others are block means, as coarse as it takes; where that is not enough, all of them are.

    Returns
    -------
    dict
        Deflated arrays and, for every component, its ``blocks`` (their side in pixels) and
        ``within``, the mean squared score that the block means have lost.
    """
    unpacked = _unpack(packed)
    n_full = min(unpacked["n_above"] + N_FULL_BEYOND, len(unpacked["scores"]))
    share = n_full / len(unpacked["scores"])
    whole = None
    for block, rest in SIDES:  # in pixels, of the blocks of what matters and of the rest
        likely = (share / block**2 + (1 - share) / rest**2) * (whole or 0)
        if likely > HOPELESS * most_bytes and (block, rest) != SIDES[-1]:
            continue
        compact = _compact(unpacked, shape, block, rest)
        size = sum(len(value) for value in compact.values() if isinstance(value, bytes))
        whole = whole or size
        if size <= most_bytes:
            break
    return compact


def deflated_pins(pins):
    """Deflate the counts of pinned pixels, where there are any."""
    return pins and {**pins, "values": zlib.compress(pins["values"], LEVEL), "deflated": True}


def _compact(factors, shape, block, block_of_rest):
    scores = factors["scores"]
    n_full = factors["n_above"] + N_FULL_BEYOND
    blocks = [block if k < n_full else block_of_rest for k in range(len(scores))]
    taken = factors["heights"] > 0
    means = [block_means(s, taken, shape, size) for s, size in zip(scores, blocks, strict=True)]
    lost = (mean_square(s, taken) for s in scores)
    kept = (
        mean_square(spread(m, shape, size), taken) for m, size in zip(means, blocks, strict=True)
    )
    within = [max(0.0, a - b) for a, b in zip(lost, kept, strict=True)]
    rest = factors["norms"] - (scores**2).sum(axis=0)
    step = max(STEP, max(np.abs(m).max() for m in means) / 32767)
    steps = np.concatenate([np.rint(m / step).astype("<i2") for m in means])
    spectra, scales = _as_int16(factors["spectra"])
    arrays = {
        "axis": factors["axis"],
        "scores": byte_planes(steps),
        "spectra": spectra,
        "scales": scales,
        "heights": byte_planes(upper_half(block_means(factors["heights"], taken, shape, block))),
        "rest": byte_planes(upper_half(block_means(rest, taken, shape, block))),
        "hidden": np.packbits(~taken),
    }
    plain = {key: factors[key] for key in ("edge", "n_channels", "n_above")}
    deflated = {key: zlib.compress(value, LEVEL) for key, value in _to_bytes(arrays).items()}
    return {**plain, **deflated, "step": step, "blocks": blocks, "block": block, "within": within}


def block_means(values, taken, shape, size):
    """Mean of the taken pixels in blocks of a map, row by row; zero where there are none."""
    if size == 1:
        return np.where(taken, values, 0)
    sums, n = (_block_sums(v, shape, size) for v in (np.where(taken, values, 0), taken))
    return (sums / np.maximum(n, 1)).ravel()


def _block_sums(values, shape, size):
    sums = values.reshape(shape).astype(np.float64)
    for axis in (0, 1):
        sums = np.add.reduceat(sums, np.arange(0, shape[axis], size), axis=axis)
    return sums


def spread(means, shape, size):
    """Give every pixel the value of its block."""
    rows, columns = (np.arange(n) // size for n in shape)
    return means[rows[:, None] * (columns[-1] + 1) + columns].ravel()


def mean_square(values, taken):
    """Mean of the squared values over the taken pixels."""
    return float(np.mean(values[taken].astype(np.float64) ** 2)) if taken.any() else 0.0


def upper_half(values):
    """Upper 16 bits of float32 numbers, rounded: eight significant bits."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    return ((bits + 0x8000) >> 16).astype("<u2")


def byte_planes(values):
    """All low bytes of 16-bit numbers, then all high bytes: alike beside alike deflates better."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, 2).T)


def _as_int16(rows):
    scales = np.abs(rows).max(axis=1) / np.float32(32767)
    steps = rows / np.where(scales > 0, scales, 1)[:, None]
    return np.rint(steps).astype("<i2"), scales.astype("<f4")


def _to_bytes(arrays):
    return {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in arrays.items()}


def _unpack(packed):
    dtypes = {"axis": "<f8", "scores": "<i2"}
    arrays = {
        key: np.frombuffer(value, dtypes.get(key, "<f4")) if isinstance(value, bytes) else value
        for key, value in packed.items()
    }
    n_components = arrays["scales"].size
    scores = arrays["scores"].reshape(n_components, -1) * arrays["scales"][:, None]
    spectra = arrays["spectra"].reshape(n_components, -1)
    return {**arrays, "scores": scores, "spectra": spectra}
