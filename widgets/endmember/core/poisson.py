"""The Poisson likelihood of counts under a factorisation, and how to raise it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from endmember._kernels.poisson import (
    descend_chunks,
    descend_rows,
    log_likelihood_chunks,
    log_likelihood_rows,
)
from endmember.core.checks import canonical_csr, read_only
from endmember.core.nonnegative import solve_nonnegative

FLOOR = 1e-2  # of an even mixture, added to a start: what begins at zero would stay there
N_CHUNKS = 64  # of about equal counts: enough for any number of threads
SERIAL_BELOW = 200_000  # counts that are not zero: less than 5 ms of work
KERNEL_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


class PoissonProblem:
    """Half the deviance of counts from ``abundances @ components``.

    ``sum(model - counts + counts * log(counts / model))``, which no model lowers below zero. Only
    counts that are not zero are visited; the rest of the model enters by its sums.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    """

    def __init__(self, spectra):
        rows = canonical_csr(spectra)
        if rows.dtype.type not in KERNEL_DTYPES:
            rows = rows.astype(np.float64)
        if not rows.data.all():
            rows = rows.copy()
            rows.eliminate_zeros()
        self.shape = rows.shape
        self.total = float(rows.data.sum(dtype=np.float64))
        counts = rows.data.astype(np.float64)
        self.best = float(xlogy(counts, counts).sum()) - self.total
        self.counts = rows
        self.rows = Rows(rows)
        self.columns = Rows(canonical_csr(sp.csr_array(rows.T)))

    def abundances(self, components):
        """Return the abundances to begin with: by least squares, and a little of everything."""
        held = self.columns.sums > 0
        weights = np.divide(1.0, self.columns.sums, out=np.zeros(held.size), where=held)
        weighted = components * weights
        found = solve_nonnegative(weighted @ components.T, self.counts @ weighted.T)
        even = self.rows.sums / max(components.sum(), 1e-300)
        return found + FLOOR * even[:, None]

    def improve_abundances(self, abundances, components):
        """Return better abundances, and how far the present ones were from optimal."""
        return self._improve(self.rows, abundances, components.T)

    def improve_components(self, abundances, components):
        """Return better components, and how far the present ones were from optimal."""
        improved, away = self._improve(self.columns, components.T, abundances)
        return improved.T.copy(), away

    def objective(self, abundances, components):
        """Return half the deviance."""
        explained = self.rows.log_likelihood(np.ascontiguousarray(components.T), abundances)
        modelled = float(abundances.sum(axis=0) @ components.sum(axis=1))
        return max(0.0, self.best - explained + modelled)

    def feasible(self, abundances):
        """Return abundances that may begin a round."""
        return abundances

    def _improve(self, rows, mine, theirs):
        mine, theirs = mine.copy(order="C"), np.ascontiguousarray(theirs)
        away = rows.descend(theirs, mine)
        return mine, away / max(self.total, 1e-300)


class Rows:
    """Counts row by row, cut into chunks of about equal work."""

    def __init__(self, counts):
        self.arrays = tuple(map(read_only, (counts.indptr, counts.indices, counts.data)))
        self.n_rows = counts.shape[0]
        self.sums = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
        self.is_small = counts.nnz < SERIAL_BELOW
        shares = np.linspace(0, counts.nnz, N_CHUNKS + 1)[1:-1]
        cuts = np.searchsorted(counts.indptr, shares)
        self.edges = np.unique(np.concatenate([[0], cuts, [self.n_rows]])).astype(np.int64)

    def descend(self, theirs, mine):
        """Lower the deviance of every row, in place; return how far it was from optimal."""
        sums = theirs.sum(axis=0)
        if self.is_small:
            return descend_rows(*self.arrays, theirs, sums, mine, 0, self.n_rows)
        away = np.zeros(self.edges.size - 1)
        descend_chunks(*self.arrays, theirs, sums, mine, self.edges, away)
        return float(away.sum())

    def log_likelihood(self, theirs, mine):
        """Return the sum of ``counts * log(model)``."""
        if self.is_small:
            return log_likelihood_rows(*self.arrays, theirs, mine, 0, self.n_rows)
        totals = np.zeros(self.edges.size - 1)
        log_likelihood_chunks(*self.arrays, theirs, mine, self.edges, totals)
        return float(totals.sum())
