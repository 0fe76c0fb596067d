"""A hash of counts that is the same in whatever form they are held."""

from __future__ import annotations

import hashlib

import numpy as np
import scipy.sparse as sp

CHUNK = 1 << 18  # values at a time: their copies stay in the processor's cache
MOST_ROWS = 1 << 8
LARGEST_SHORT = 1 << 16  # whole numbers below are hashed as two bytes


class Fingerprint:
    """The SHA-256 of counts: the same for dense, sparse and lazy ones of any dtype.

    Hashed are the shape, and of every number that is not zero its place and its value, which is
    read as float64.

    Parameters
    ----------
    shape : tuple of int
        ``(n_pixels, n_channels)`` of all rows.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> counts = np.array([[0, 3], [1, 0]])
    >>> one, other = Fingerprint((2, 2)), Fingerprint((2, 2))
    >>> one.update(counts)
    >>> other.update(sp.csr_array(counts.astype("uint8")))
    >>> one.hexdigest() == other.hexdigest()
    True
    """

    def __init__(self, shape):
        self.shape = tuple(map(int, shape))
        self._lengths, self._channels, self._shorts, self._others = (
            hashlib.sha256() for _ in range(4)
        )

    def update(self, block):
        """Take in the next rows, dense or canonical CSR."""
        dtype = np.uint16 if self.shape[1] <= LARGEST_SHORT else np.uint32
        for lengths, channels, values in _held(block):
            self._lengths.update(lengths.astype(np.uint32))
            for start in range(0, channels.size, CHUNK):
                self._channels.update(channels[start : start + CHUNK].astype(dtype))
            for start in range(0, values.size, CHUNK):
                shorts, others = _split(values[start : start + CHUNK])
                self._shorts.update(shorts)
                self._others.update(others)

    def hexdigest(self):
        """Return the hash of all rows so far."""
        parts = (self._lengths, self._channels, self._shorts, self._others)
        text = repr((self.shape, [part.hexdigest() for part in parts]))
        return hashlib.sha256(text.encode()).hexdigest()


def _held(block):
    """Yield, for some rows at a time, how much each holds, in which channels, and the values.

    Rows that are full have no need to name their channels.
    """
    if sp.issparse(block):
        if not block.data.all():
            block = block.copy()
            block.eliminate_zeros()
        lengths = np.diff(block.indptr)
        full = lengths == block.shape[1]
        named = np.repeat(~full, lengths) if full.any() else slice(None)
        yield lengths, block.indices[named], block.data
        return
    for start in range(0, block.shape[0], MOST_ROWS):
        rows = np.asarray(block[start : start + MOST_ROWS])
        lengths = np.count_nonzero(rows, axis=1)
        full = lengths == rows.shape[1]
        if full.all():
            yield lengths, np.empty(0, dtype=np.int64), rows.reshape(-1)
        else:
            yield lengths, np.nonzero(rows[~full])[1], rows[rows != 0]


def _split(values):
    """Return values as two bytes each, and as float64 those that do not fit there.

    Where one does not fit stands a zero, which no other does.
    """
    with np.errstate(invalid="ignore"):  # what does not fit is told by what comes back
        shorts = values.astype(np.uint16)
    if values.dtype.kind in "bu" and values.dtype.itemsize <= 2:
        return shorts, b""
    others = shorts != values
    if not others.any():
        return shorts, b""
    shorts[others] = 0
    return shorts, values[others].astype(np.float64)
