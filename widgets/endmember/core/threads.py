"""Work shared out among threads, in parts that do not depend on how many there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import scipy.linalg  # noqa: F401  brings a BLAS of its own
from threadpoolctl import ThreadpoolController

N_PARTS = 16  # of about equal work: enough for any number of threads of a laptop
CONFIG: Any = numba.config  # its names are set as it is loaded
SERIAL_BELOW = 1_000_000  # counts that are not zero: less than 5 ms of work


@cache
def _libraries():
    """Look for libraries with threads of their own: the BLAS of NumPy, and that of SciPy.

    It takes as long as to fit a small map.
    """
    return ThreadpoolController()


def one_blas_thread():
    """Return a context in which BLAS has one thread."""
    return blas_threads(1)


def blas_threads(n_threads):
    """Return a context in which BLAS has so many threads; None leaves them as they are."""
    return _libraries().limit(limits=n_threads, user_api="blas")


def most_threads():
    """Return how many threads Numba may use at most."""
    return int(CONFIG.NUMBA_NUM_THREADS)


def blas_libraries():
    """Return what is known of every BLAS that is loaded: name, version, threads."""
    return [library for library in _libraries().info() if library["user_api"] == "blas"]


def in_parts(job, parts):
    """Return ``job(*part)`` for every part, on as many threads as Numba may use.

    Kernels that let go of the interpreter run side by side. Parts write to places of their own, so
    that any number of threads gives the same bits.
    """
    n_threads = min(numba.get_num_threads(), len(parts))
    if n_threads < 2:
        return [job(*part) for part in parts]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(job, *zip(*parts, strict=True)))


def even_parts(n_rows, size):
    """Return the first row of every part of so many rows, and the one after its last."""
    return [(start, min(n_rows, start + size)) for start in range(0, n_rows, size)]


def row_parts(indptr, serial_below=None):
    """Return the first row of every part of CSR rows, and the one after its last.

    Parts hold about as many numbers as each other; fewer than `serial_below` make one part.
    """
    n_rows, n_held = indptr.size - 1, int(indptr[-1])
    if n_held < (SERIAL_BELOW if serial_below is None else serial_below):
        return [(0, n_rows)]
    cuts = np.searchsorted(indptr, np.linspace(0, n_held, N_PARTS + 1)[1:-1])
    edges = np.unique(np.concatenate([[0], cuts, [n_rows]])).tolist()
    return list(pairwise(edges))
