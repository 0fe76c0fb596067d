"""k-means over points of many features, by products of matrices that all starts share."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from endmember._kernels.clusters import move_csr_rows, move_rows, take_nearest
from endmember.core.kmeans_rounds import Job, Narrow, Rounds, Spread
from endmember.core.packing import packed
from endmember.core.points import centred
from endmember.core.products import times, times_squared
from endmember.core.threads import even_parts, in_parts, one_blas_thread

NARROW = 32  # features, up to which plain loops are no slower than products of matrices
N_ROWS = 1024  # of dense points that a thread multiplies at a time
MOST_BYTES = 2.5e8  # of distances to the centres of all starts that take a round together


def as_points(rows):
    """Return rows in the form that suits their width."""
    return Narrow(rows) if rows.shape[1] <= NARROW else Wide(rows)


class Wide:
    """Points of many features: dense around their mean, or CSR as they are.

    Parameters
    ----------
    rows : ndarray or CSR array of shape (n_points, n_features)
        Finite features; dense ones that are mostly zeros become CSR.

    Attributes
    ----------
    origin : ndarray of shape (n_features,), or 0
        What the centres of clusters are relative to.
    """

    def __init__(self, rows):
        self.n_points = rows.shape[0]
        self.rows: Any = rows if sp.issparse(rows) else packed(rows)
        self.origin: Any = 0.0
        if not sp.issparse(self.rows):
            self.rows, self.origin = centred(rows)
        self.norms = times_squared(self.rows, np.ones(rows.shape[1]))
        self._all, self._total_norm = np.arange(self.n_points), float(self.norms.sum())
        mean = self.total() / self.n_points
        self.variance = float(self.norms.mean() - mean @ mean) / rows.shape[1]

    def cluster_each(self, jobs):
        """Return the clusters of several starts, which take every round together."""
        jobs = [Job(*job) for job in jobs]
        n_clusters = np.shape(jobs[0].start)[0] if jobs[0].seed is None else jobs[0].start
        n_at_once = max(1, int(MOST_BYTES / (8 * self.n_points * (2 + n_clusters))))
        found = []
        with one_blas_thread():
            for first in range(0, len(jobs), n_at_once):
                found += self._cluster_together(jobs[first : first + n_at_once])
        return found

    def _cluster_together(self, jobs):
        given = [job.start for job in jobs if job.seed is None]
        starts = given or self._spread_out(jobs)
        every = [Rounds(self, start, job) for start, job in zip(starts, jobs, strict=True)]
        while left := [rounds for rounds in every if not rounds.is_done]:
            parts = self.parts(np.concatenate([rounds.centres for rounds in left]))
            each = np.split(parts, len(left), axis=1)
            in_parts(lambda rounds, part: rounds.step(part), list(zip(left, each, strict=True)))
        return [rounds.found() for rounds in every]

    def _spread_out(self, jobs):
        """Return points far from each other as centres, for every start."""
        spreads = [Spread(self.n_points, job.start, job.seed) for job in jobs]
        while not spreads[0].is_done:
            tries = np.concatenate([spread.tries for spread in spreads])
            squares = self._squares(self.take(tries)).T
            squares[np.arange(tries.size), tries] = 0.0  # exactly, so that none is chosen twice
            for spread, own in zip(spreads, np.split(squares, len(spreads)), strict=True):
                spread.choose(np.minimum(own, spread.closest))
        return [self.take(spread.chosen) for spread in spreads]

    def take(self, chosen):
        """Return chosen points, (n_chosen, n_features)."""
        points = self.rows[chosen]
        return (points.toarray() if sp.issparse(points) else points).astype(np.float64)

    def total(self):
        """Return the sum of all points."""
        return np.asarray(self.rows.sum(axis=0, dtype=np.float64)).ravel()

    def squares(self, centres, labels):
        """Return the squared distance of every point to its own centre."""
        return self._squares(centres)[self._all, labels]

    def parts(self, centres):
        """Return the squared distances to all centres less those to the origin."""
        turned = np.ascontiguousarray(-2.0 * centres.T)
        parts = times(self.rows, turned) if sp.issparse(self.rows) else self._product(turned)
        parts += (centres**2).sum(axis=1)
        return parts

    def assign(self, centres, labels, sums, sizes, parts):
        """Move points to their nearest centres, given the `parts` of distances to these.

        Return how many moved, and the inertia.
        """
        moved = np.empty(self.n_points, dtype=np.int64)
        before = np.empty(self.n_points, dtype=np.int32)
        n_moved, total = take_nearest(parts, labels, moved, before)
        changes = moved[:n_moved], before[:n_moved], labels, sums, sizes
        if sp.issparse(self.rows):
            move_csr_rows(self.rows.indptr, self.rows.indices, self.rows.data, *changes)
        else:
            move_rows(self.rows, *changes)
        return n_moved, max(0.0, total + self._total_norm)

    def _squares(self, centres):
        """Return the squared distances to all centres, (n_points, n_centres)."""
        squares = self.parts(centres)
        squares += self.norms[:, None]
        return np.maximum(squares, 0.0, out=squares)

    def _product(self, matrix):
        """Return dense rows times a matrix, in parts that do not depend on threads."""
        product = np.empty((self.n_points, matrix.shape[1]))

        def multiply(start, stop):
            np.matmul(self.rows[start:stop], matrix, out=product[start:stop])

        in_parts(multiply, even_parts(self.n_points, N_ROWS))
        return product
