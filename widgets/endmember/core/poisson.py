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
    share_rows,
    share_rows_among_many,
)
from endmember.core.checks import canonical_csr, read_only
from endmember.core.gaussian import on_simplex
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.products import block_marginals, times
from endmember.core.threads import in_parts, row_parts

FLOOR = 1e-2  # of an even mixture, added to a start: what begins at zero would stay there
SWEEPS = 10  # of expectation and maximisation before the first round
FEW = 4  # components for which there is a faster kernel
CHUNK = 1 << 18  # counts that are copied at a time
SERIAL_BELOW = 200_000  # counts that are not zero: less than 5 ms of work
FAINT = 1e-6  # counts: kernels take less than a millionth of it in a row for nothing
LEAST = 1e-6  # of a component, held by a pixel that misses all but traces of it
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
        self.unit = _unit(float(rows.data.max(initial=0)))
        if self.unit != 1:
            rows = sp.csr_array((rows.data / self.unit, rows.indices, rows.indptr), rows.shape)
        self.total = float(rows.data.sum(dtype=np.float64))
        self.scale = self.unit * self.total
        self.best = _own_log_likelihood(rows.data) - self.total
        self.counts = rows
        self.rows = Rows(rows)
        self.columns = Rows(canonical_csr(sp.csr_array(rows.T)))
        self.missing, self.sum_to_one, self.penalty = missing, sum_to_one, penalty

    def abundances(self, components):
        """Return the abundances to begin with: by least squares, and a little of everything."""
        held = self.columns.sums > 0
        weights = np.divide(1.0, self.columns.sums, out=np.zeros(held.size), where=held)
        components = components / self.unit
        weighted = components * weights
        found = solve_nonnegative(weighted @ components.T, times(self.counts, weighted.T))
        even = self.rows.sums / max(components.sum(), 1e-300)
        return found + FLOOR * even[:, None]

    def settled(self, abundances, components, n_sweeps=SWEEPS):
        """Return better factors, by sweeps of expectation and maximisation.

        A sweep costs a tenth of a round, and at the beginning goes half as far. Constraints and
        penalties, which it knows nothing of, are left to the rounds.
        """
        if self.missing is not None or self.sum_to_one or self.penalty is not None:
            return abundances, components
        n_components = len(components)
        sums = components.sum(axis=1)
        width = max(n_components, FEW)  # room for components that are zero
        mine = np.zeros((len(abundances), width))
        theirs = np.zeros((components.shape[1], width))
        mine[:, :n_components] = abundances * sums
        theirs[:, :n_components] = (components / np.where(sums > 0, sums, 1)[:, None]).T
        for _ in range(n_sweeps):
            theirs = self.rows.share(theirs, mine)
        return mine[:, :n_components].copy(), self._spectra(theirs[:, :n_components])

    def improve_abundances(self, abundances, components):
        """Return better abundances, and how far the present ones were from optimal."""
        components = components / self.unit
        if not self.sum_to_one and self.missing is None:
            return self._improve(self.rows, abundances, components.T)
        totals = _totals(self.rows, self.missing, components.T)
        way = balance_rows if self.sum_to_one else descend_rows_penalised
        between = () if self.sum_to_one else (np.zeros((len(components),) * 2),)
        return self._improve(self.rows, abundances, components.T, way, totals, *between)

    def improve_components(self, abundances, components):
        """Return better components, and how far the present ones were from optimal."""
        theirs = components.T / self.unit
        if self.penalty is None and self.missing is None:
            improved, away = self._improve(self.columns, theirs, abundances)
            return self._spectra(improved), away
        missing = None if self.missing is None else self.missing.T
        totals = _totals(self.columns, missing, abundances)
        bends = np.zeros((len(components),) * 2)
        if self.penalty is not None:
            bends, slopes = self.penalty.bound(components)
            bends, totals = bends * self.unit, totals + slopes.T
        improved, away = self._improve(
            self.columns, theirs, abundances, descend_rows_penalised, totals, bends
        )
        if self.penalty is None:
            return self._spectra(improved), away
        return self.penalty.towards(
            components, self._spectra(improved), lambda found: self.objective(abundances, found)
        ), away

    def objective(self, abundances, components):
        """Return half the deviance, and the penalty."""
        theirs = np.ascontiguousarray(components.T / self.unit)
        explained = self.rows.log_likelihood(theirs, abundances)
        modelled = float(abundances.sum(axis=0) @ theirs.sum(axis=0))
        if self.missing is not None:
            modelled = float(np.vdot(abundances, _totals(self.rows, self.missing, theirs)))
        deviance = self.unit * max(0.0, self.best - explained + modelled)
        return deviance if self.penalty is None else deviance + self.penalty.value(components)

    def feasible(self, abundances):
        """Return abundances that may begin a round."""
        return on_simplex(abundances) if self.sum_to_one else abundances

    def _spectra(self, rows):
        """Return components in the counts' own unit, one row each."""
        return np.ascontiguousarray(rows.T) * self.unit

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
        self.sums = block_marginals(counts)[0]
        self.parts = row_parts(counts.indptr, SERIAL_BELOW)

    def descend(self, theirs, mine, way=descend_rows, more=None):
        """Lower the deviance of every row, in place; return how far it was from optimal.

        By another kernel, where one is named with what it takes in place of the sums of `theirs`.
        """
        more = (theirs.sum(axis=0),) if more is None else more
        return float(
            sum(in_parts(lambda *part: way(*self.arrays, theirs, *more, mine, *part), self.parts))
        )

    def share(self, theirs, mine):
        """Share out all counts among components; change `mine` in place, return new `theirs`."""
        way = share_rows if theirs.shape[1] == FEW else share_rows_among_many
        gathered = np.zeros((len(self.parts), *theirs.shape))
        in_parts(
            lambda i, *part: way(*self.arrays, theirs, mine, *part, gathered[i]),
            [(i, *part) for i, part in enumerate(self.parts)],
        )
        found = gathered.sum(axis=0)
        sums = found.sum(axis=0)
        return found / np.where(sums > 0, sums, 1)

    def log_likelihood(self, theirs, mine):
        """Return the sum of ``counts * log(model)``."""
        return float(
            sum(
                in_parts(
                    lambda *part: log_likelihood_rows(*self.arrays, theirs, mine, *part), self.parts
                )
            )
        )


def _unit(largest):
    """Return the power of two that faint counts are divided by, which rounds nothing; else 1."""
    return 2.0 ** np.floor(np.log2(largest)) if 0 < largest < FAINT else 1.0


def _own_log_likelihood(values):
    """Return the sum of ``counts * log(counts)``, some of them at a time."""
    total = 0.0
    for start in range(0, values.size, CHUNK):
        some = values[start : start + CHUNK].astype(np.float64)
        total += float(xlogy(some, some).sum())
    return total


def _totals(rows, missing, theirs):
    """Return the sums of the other factor over what every row holds."""
    sums = theirs.sum(axis=0)
    if missing is None:
        return np.tile(sums, (rows.n_rows, 1))
    # What is left by rounding, or nearly so, would make what explains a count with it boundless.
    return np.maximum(sums - missing @ np.ascontiguousarray(theirs), LEAST * sums)


def _short(indices):
    """Return indices in as many bytes as SciPy gives to counts of this size by itself."""
    fits = indices.size == 0 or indices.max() <= np.iinfo(np.int32).max
    return indices.astype(np.int32, copy=False) if fits else indices
