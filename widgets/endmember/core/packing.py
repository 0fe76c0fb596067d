"""Counts in the form that costs least: mostly zeros as CSR, whole numbers in few bytes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember._kernels.packing import take_held
from endmember.core.checks import read_only
from endmember.core.threads import in_parts

PACKED_BELOW = 0.15  # of numbers that are not zero: more of them are multiplied faster by BLAS
SMALL = 100_000  # numbers that are quick in any form
N_LOOKED_AT = 4_000_000  # numbers from which the filling is told
WORD = 8  # bytes
BLOCK_BYTES = 1 << 25  # a part of the work; whole words, since rows come in eights


def packed(spectra):
    """Return dense spectra that are mostly zeros as a CSR array, others as they are.

    Parameters
    ----------
    spectra : ndarray of shape (n_pixels, n_channels)
        Counts in C order; a memory-mapped file is read through once, and never held as a whole.
    """
    if spectra.size < SMALL or _filling(spectra) > PACKED_BELOW:
        return spectra
    n_pixels, n_channels = spectra.shape
    n_rows = max(WORD, BLOCK_BYTES // (n_channels * spectra.itemsize) // WORD * WORD)
    starts = range(0, n_pixels, n_rows)
    pieces: list = [None] * len(starts)

    def pack(i, start):
        pieces[i] = _held(spectra[start : start + n_rows])

    in_parts(pack, list(enumerate(starts)))
    ends = np.cumsum([0, *(values.size for _, _, values in pieces)])
    index = np.int32 if ends[-1] <= np.iinfo(np.int32).max else np.int64
    firsts = [end + begins[:-1] for end, (begins, _, _) in zip(ends, pieces, strict=False)]
    indptr = np.concatenate([*firsts, ends[-1:]]).astype(index, copy=False)
    indices = np.concatenate([channels for _, channels, _ in pieces]).astype(index, copy=False)
    values = np.concatenate([values for _, _, values in pieces])
    held = sp.csr_array((values, indices, indptr), shape=spectra.shape)
    held.has_canonical_format = True
    return held


def _filling(spectra):
    """Return the share of numbers that are not zero, in rows from all over the map."""
    step = max(1, spectra.size // N_LOOKED_AT)
    rows = spectra[::step]
    return np.count_nonzero(rows) / rows.size


def _held(rows):
    """Return where every row begins in the lists of channels and of numbers, and these."""
    per_word, items = WORD // rows.itemsize, rows.reshape(-1)
    if not items.flags.aligned:
        items = items.copy()
    words = items[: items.size // per_word * per_word].view(np.uint64)
    room = np.count_nonzero(items) + 1
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    indices, values = np.empty(room, dtype=np.int32), np.empty(room, dtype=rows.dtype)
    take_held(read_only(words), read_only(items), per_word, indptr, indices, values)
    return indptr, indices[:-1], values[:-1]


def narrowed(counts):
    """Return CSR counts with whole numbers in one byte or two, where they fit, else as float64.

    Kernels are compiled for few dtypes, and read the fewest bytes.
    """
    if counts.dtype.kind not in "iu" or counts.dtype in (np.uint8, np.uint16):
        return counts
    highest = counts.data.max(initial=0)
    fitting = (d for d in (np.uint8, np.uint16) if highest <= np.iinfo(d).max)
    data = counts.data.astype(next(fitting, np.float64))
    found = sp.csr_array((data, counts.indices, counts.indptr), shape=counts.shape)
    found.has_canonical_format = counts.has_canonical_format
    return found
