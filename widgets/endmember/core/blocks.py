"""Blocks of rows: the one way to walk over spectra of any form without unpacking them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import canonical_csr, check_values, is_dask, native
from endmember.core.fingerprint import Fingerprint

BLOCK_BYTES = 32e6  # of a block once it is float64: small beside a workshop's 2 GB of memory
SPARSE_BELOW = 1 / 3  # of entries filled: CSR is then no larger than uint16, and quicker to sweep


@dataclass(frozen=True)
class LoadedBlocks:
    """The blocks of a dask array, held in memory for those who walk over them many times.

    Parameters
    ----------
    blocks : list of ndarray and CSR array
        Successive rows, each block in its own form.
    shape : tuple of int
        ``(n_pixels, n_channels)`` of all rows.
    """

    blocks: list
    shape: tuple[int, int]


class LazyRows:
    """A dask array of spectra, computed block by block, and hashed when it is first read.

    Parameters
    ----------
    array : dask array of shape (n_pixels, n_channels)
        Counts.
    """

    def __init__(self, array):
        self.array = array.rechunk({1: -1})
        self.shape = array.shape
        self._hash = None

    def blocks(self, *, check=True):
        """Yield every block in memory."""
        hashed = Fingerprint(self.shape)
        for i in range(self.array.numblocks[0]):
            block = self.array.blocks[i].compute()
            block = canonical_csr(block) if sp.issparse(block) else native(np.asarray(block))
            if check:
                check_values(block.data if sp.issparse(block) else block)
            if self._hash is None:
                hashed.update(block)
            yield block
        self._hash = self._hash or hashed.hexdigest()

    @property
    def fingerprint(self):
        """The hash of the counts; they are read for it only if they never were to their end."""
        if self._hash is None:
            for _ in self.blocks():
                pass
        return self._hash


def fingerprint(spectra):
    """Return the hash of spectra of any form; see :class:`Fingerprint`."""
    if hasattr(spectra, "fingerprint"):
        return spectra.fingerprint  # they were hashed when they were read
    hashed = Fingerprint(spectra.shape)
    for block in row_blocks(spectra):
        hashed.update(block)
    return hashed.hexdigest()


def load_blocks(spectra):
    """Load lazy rows once: blocks that are mostly zeros as CSR, others in their own dtype."""
    return LoadedBlocks([_packed(block) for block in row_blocks(spectra)], spectra.shape)


def _packed(block):
    is_sparse = sp.issparse(block) or np.count_nonzero(block) < SPARSE_BELOW * block.size
    return canonical_csr(block) if is_sparse else block


def stack_blocks(spectra):
    """Return spectra of any form as one NumPy or CSR array in memory."""
    if isinstance(spectra, np.ndarray) or sp.issparse(spectra):
        return spectra
    blocks = list(row_blocks(spectra))
    if any(map(sp.issparse, blocks)):
        return sp.vstack([sp.csr_array(block) for block in blocks], format="csr")
    return np.concatenate(blocks)


def row_blocks(spectra, *, check=True):
    """Yield `spectra` as successive blocks of rows, each in memory, together all rows in order.

    Parameters
    ----------
    spectra : ndarray, CSR array, dask array, LazyRows or LoadedBlocks, (n_pixels, n_channels)
        Counts. A CSR array comes as a single block; what is lazy is computed block by block.
    check : bool, default=True
        Refuse what cannot be counts in lazy rows, as each block arrives.
    """
    if sp.issparse(spectra):
        yield spectra
    elif isinstance(spectra, LoadedBlocks):
        yield from spectra.blocks
    elif isinstance(spectra, LazyRows):
        yield from spectra.blocks(check=check)
    elif is_dask(spectra):
        yield from LazyRows(spectra).blocks(check=check)
    else:
        n_rows = max(1, int(BLOCK_BYTES / 8 / max(1, spectra.shape[1])))
        for start in range(0, spectra.shape[0], n_rows):
            yield spectra[start : start + n_rows]
