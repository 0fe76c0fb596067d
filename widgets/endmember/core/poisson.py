"""The Poisson likelihood of counts under a factorisation, and how to raise it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from endmember._kernels.poisson import (
    balance_rows,
    descend_rows,
    descend_rows_penalised,
    log_likelihood_rows,
)
from endmember.core.checks import canonical_csr, read_only
from endmember.core.gaussian import on_simplex
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.threads import in_parts, row_parts

FLOOR = 1e-2  # of an even mixture, added to a start: what begins at zero would stay there
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
    missing : CSR array of shape (n_pixels, n_channels), optional
        1 where a number is missing; `spectra` hold zero there.
    sum_to_one : bool, default=False
        Whether the abundances of every pixel sum to one.
    penalty : Penalty, optional
        Added to half the deviance.
    """

    def __init__(self, spectra, *, missing=None, sum_to_one=False, penalty=None):
        rows = canonical_csr(spectra)
        if rows.dtype.type not in KERNEL_DTYPES:
            rows = rows.astype(np.float64)
        if not rows.data.all():
            rows = rows.copy()
            rows.eliminate_zeros()
        self.shape = rows.shape
        self.total = self.scale = float(rows.data.sum(dtype=np.float64))
        counts = rows.data.astype(np.float64)
        self.best = float(xlogy(counts, counts).sum()) - self.total
        self.counts = rows
        self.rows = Rows(rows)
        self.columns = Rows(canonical_csr(sp.csr_array(rows.T)))
        self.missing, self.sum_to_one, self.penalty = missing, sum_to_one, penalty

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
        if not self.sum_to_one and self.missing is None:
            return self._improve(self.rows, abundances, components.T)
        totals = _totals(self.rows, self.missing, components.T)
        way = balance_rows if self.sum_to_one else descend_rows_penalised
        between = () if self.sum_to_one else (np.zeros((len(components),) * 2),)
        return self._improve(self.rows, abundances, components.T, way, totals, *between)

    def improve_components(self, abundances, components):
        """Return better components, and how far the present ones were from optimal."""
        if self.penalty is None and self.missing is None:
            improved, away = self._improve(self.columns, components.T, abundances)
            return improved.T.copy(), away
        missing = None if self.missing is None else self.missing.T
        totals = _totals(self.columns, missing, abundances)
        bends = np.zeros((len(components),) * 2)
        if self.penalty is not None:
            bends, slopes = self.penalty.bound(components)
            totals = totals + slopes.T
        improved, away = self._improve(
            self.columns, components.T, abundances, descend_rows_penalised, totals, bends
        )
        if self.penalty is None:
            return improved.T.copy(), away
        return self.penalty.towards(
            components, improved.T.copy(), lambda found: self.objective(abundances, found)
        ), away

    def objective(self, abundances, components):
        """Return half the deviance, and the penalty."""
        explained = self.rows.log_likelihood(np.ascontiguousarray(components.T), abundances)
        modelled = float(abundances.sum(axis=0) @ components.sum(axis=1))
        if self.missing is not None:
            modelled = float(np.vdot(abundances, _totals(self.rows, self.missing, components.T)))
        deviance = max(0.0, self.best - explained + modelled)
        return deviance if self.penalty is None else deviance + self.penalty.value(components)

    def feasible(self, abundances):
        """Return abundances that may begin a round."""
        return on_simplex(abundances) if self.sum_to_one else abundances

    def _improve(self, rows, mine, theirs, way=descend_rows, *more):
        mine, theirs = mine.copy(order="C"), np.ascontiguousarray(theirs)
        away = rows.descend(theirs, mine, way, more or None)
        return mine, away / max(self.total, 1e-300)


class Rows:
    """Counts row by row, cut into chunks of about equal work."""

    def __init__(self, counts):
        arrays = (_short(counts.indptr), _short(counts.indices), counts.data)
        self.arrays = tuple(map(read_only, arrays))
        self.n_rows = counts.shape[0]
        self.sums = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
        self.parts = row_parts(counts.indptr, SERIAL_BELOW)

    def descend(self, theirs, mine, way=descend_rows, more=None):
        """Lower the deviance of every row, in place; return how far it was from optimal.

        By another kernel, where one is named with what it takes in place of the sums of `theirs`.
        """
        more = (theirs.sum(axis=0),) if more is None else more
        return float(
            sum(in_parts(lambda *part: way(*self.arrays, theirs, *more, mine, *part), self.parts))
        )

    def log_likelihood(self, theirs, mine):
        """Return the sum of ``counts * log(model)``."""
        return float(
            sum(
                in_parts(
                    lambda *part: log_likelihood_rows(*self.arrays, theirs, mine, *part), self.parts
                )
            )
        )


def _totals(rows, missing, theirs):
    """Return the sums of the other factor over what every row holds."""
    sums = theirs.sum(axis=0)
    if missing is None:
        return np.tile(sums, (rows.n_rows, 1))
    return np.maximum(sums - missing @ np.ascontiguousarray(theirs), 0.0)


def _short(indices):
    """Return indices in as many bytes as SciPy gives to counts of this size by itself."""
    fits = indices.size == 0 or indices.max() <= np.iinfo(np.int32).max
    return indices.astype(np.int32, copy=False) if fits else indices
