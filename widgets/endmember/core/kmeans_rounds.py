"""Rounds of k-means over points in memory: of few features in plain loops, of many by products."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from endmember._kernels.clusters import assign_points, lower_squares
from endmember.core.points import centred
from endmember.core.products import times, times_squared
from endmember.core.threads import in_parts, one_blas_thread

NARROW = 32  # features, up to which plain loops are no slower than products of matrices


class Clusters(NamedTuple):
    """What one start of k-means ended with."""

    centres: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    is_converged: bool


class Narrow:
    """Points of few features, as columns around their mean.

    Parameters
    ----------
    rows : ndarray or CSR array of shape (n_points, n_features)
        Finite features.

    Attributes
    ----------
    origin : ndarray of shape (n_features,)
        What the centres of clusters are relative to.
    """

    def __init__(self, rows):
        points, self.origin = centred(rows)
        self.n_points = len(points)
        self.variance = float(points.var(axis=0).mean())
        self.columns = np.ascontiguousarray(points.T)

    def take(self, chosen):
        """Return chosen points, (n_chosen, n_features)."""
        return self.columns[:, chosen].T

    def lowered(self, chosen, closest):
        """Return squared distances to the nearest of the centres and each of more points."""
        found = np.empty((len(chosen), self.n_points))
        for i, p in enumerate(chosen):
            lower_squares(self.columns, self.columns[:, p].copy(), closest, found[i])
        return found

    def total(self):
        """Return the sum of all points."""
        return self.columns.sum(axis=1)

    def squares(self, centres, labels):
        """Return the squared distance of every point to its own centre."""
        return ((self.columns - centres[labels].T) ** 2).sum(axis=0)

    def assign(self, centres, labels, sums, sizes):
        """Move points to their nearest centres; return how many moved, and the inertia."""
        return assign_points(self.columns, centres, labels, sums, sizes)


class Wide:
    """Points of many features: dense around their mean, or CSR as they are.

    Parameters
    ----------
    rows : ndarray or CSR array of shape (n_points, n_features)
        Finite features.

    Attributes
    ----------
    origin : ndarray of shape (n_features,), or 0
        What the centres of clusters are relative to.
    """

    def __init__(self, rows):
        self.n_points = rows.shape[0]
        self.rows: Any = rows
        self.origin: Any = 0.0
        if not sp.issparse(rows):
            self.rows, self.origin = centred(rows)
        self.norms = times_squared(self.rows, np.ones(rows.shape[1]))
        self._all, self._total_norm = np.arange(self.n_points), float(self.norms.sum())
        mean = self.total() / self.n_points
        self.variance = float(self.norms.mean() - mean @ mean) / rows.shape[1]

    def take(self, chosen):
        """Return chosen points, (n_chosen, n_features)."""
        points = self.rows[chosen]
        return (points.toarray() if sp.issparse(points) else points).astype(np.float64)

    def lowered(self, chosen, closest):
        """Return squared distances to the nearest of the centres and each of more points."""
        found = self._squares(self.take(chosen)).T
        found[np.arange(len(chosen)), chosen] = 0.0  # exactly, so that none is chosen twice
        return np.minimum(found, closest)

    def total(self):
        """Return the sum of all points."""
        return np.asarray(self.rows.sum(axis=0, dtype=np.float64)).ravel()

    def squares(self, centres, labels):
        """Return the squared distance of every point to its own centre."""
        return self._squares(centres)[self._all, labels]

    def assign(self, centres, labels, sums, sizes):
        """Move points to their nearest centres; return how many moved, and the inertia."""
        parts = self._parts(centres)
        nearest = parts.argmin(axis=1).astype(labels.dtype)
        moved = np.flatnonzero(nearest != labels)
        self._add(moved, labels[moved], -1.0, sums, sizes)
        labels[moved] = nearest[moved]
        self._add(moved, labels[moved], 1.0, sums, sizes)
        return moved.size, max(0.0, float(parts[self._all, nearest].sum() + self._total_norm))

    def _add(self, rows, labels, sign, sums, sizes):
        """Add some rows to the sums and sizes of clusters, or take them away."""
        ones = np.full(rows.size, sign)
        members = sp.csr_array((ones, (labels, rows)), shape=(len(sums), self.n_points))
        added = members @ self.rows
        sums += added.toarray() if sp.issparse(added) else added
        np.add.at(sizes, labels, sign)

    def _squares(self, centres):
        """Return the squared distances to all centres, (n_points, n_centres)."""
        squares = self._parts(centres)
        squares += self.norms[:, None]
        return np.maximum(squares, 0.0, out=squares)

    def _parts(self, centres):
        """Return the squared distances to all centres less those to the origin."""
        turned = np.ascontiguousarray(-2.0 * centres.T)
        parts = times(self.rows, turned) if sp.issparse(self.rows) else self.rows @ turned
        parts += (centres**2).sum(axis=1)
        return parts


def as_points(rows):
    """Return rows in the form that suits their width."""
    return Narrow(rows) if rows.shape[1] <= NARROW else Wide(rows)


def cluster_each(points, jobs):
    """Return the clusters of several starts, side by side, each in a thread of its own."""
    with one_blas_thread():
        return in_parts(lambda *job: cluster(points, *job), jobs)


def cluster(points, start, seed, max_iter, tol):
    """Return the clusters that one start leads to: so many from a seed, or from centres.

    Rounds end once the squares of all steps of the centres add up to `tol` mean variances or less.
    """
    if seed is not None:
        start = spread_out(points, start, np.random.RandomState(seed))
    rounds, enough = Rounds(points, start), tol * points.variance
    is_converged, n_iter = False, 0
    while n_iter < max_iter and not is_converged:
        n_iter += 1
        is_settled = rounds.assign()[0] == 0 and n_iter > 1
        is_converged = rounds.move_centres() <= enough or is_settled
    _, inertia = rounds.assign()
    return Clusters(rounds.centres, rounds.labels, float(inertia), n_iter, is_converged)


def spread_out(points, n_clusters, rng):
    """Return points far from each other as centres: k-means++, the best of some tries at a time."""
    n_tries = 2 + int(np.log(n_clusters))
    chosen = [int(rng.randint(points.n_points))]
    closest = points.lowered(chosen, np.full(points.n_points, np.inf))[0]
    while len(chosen) < n_clusters:
        ends = np.cumsum(closest)
        tries = np.searchsorted(ends, rng.random_sample(n_tries) * ends[-1], side="right")
        tries = np.minimum(tries, points.n_points - 1)
        lowered = points.lowered(tries, closest)
        best = int(lowered.sum(axis=1).argmin())
        chosen.append(int(tries[best]))
        closest = lowered[best]
    return points.take(chosen)


class Rounds:
    """Points among clusters; every round moves points, then centres.

    Parameters
    ----------
    points : Narrow or Wide
        What is clustered.
    centres : ndarray of float64, shape (n_clusters, n_features)
        Where the centres begin, from the origin of the points.
    """

    def __init__(self, points, centres):
        self.points, self.centres = points, np.array(centres, order="C")
        self.labels = np.zeros(points.n_points, dtype=np.int32)
        self.sums, self.sizes = np.zeros_like(self.centres), np.zeros(len(centres))
        self.sums[0], self.sizes[0] = points.total(), points.n_points

    def assign(self):
        """Move every point to its nearest centre; return how many moved, and the inertia."""
        return self.points.assign(self.centres, self.labels, self.sums, self.sizes)

    def move_centres(self):
        """Move every centre to the mean of its points; return the squares of all steps."""
        for k in np.flatnonzero(self.sizes == 0):
            self._refill(k)
        means = self.sums / self.sizes[:, None]
        steps = ((means - self.centres) ** 2).sum()
        self.centres = means
        return steps

    def _refill(self, empty):
        """Give a cluster that has lost all its points the one farthest from its centre."""
        squares = self.points.squares(self.centres, self.labels)
        squares[self.sizes[self.labels] < 2] = -1.0  # leaves no other cluster empty
        farthest = int(squares.argmax())
        own, point = self.labels[farthest], self.points.take([farthest])[0]
        self.sums[own] -= point
        self.sums[empty] = point
        self.sizes[own], self.sizes[empty] = self.sizes[own] - 1, 1
        self.labels[farthest] = empty
