"""Rounds of k-means over points in memory, of few features in plain loops."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from endmember._kernels.clusters import assign_points, lower_squares
from endmember.core.points import centred
from endmember.core.threads import in_parts


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

    def cluster_each(self, jobs):
        """Return the clusters of several starts, side by side, each in a thread of its own."""
        return in_parts(self.cluster, jobs)

    def cluster(self, *job):
        """Return the clusters that one :class:`Job` leads to."""
        job = Job(*job)
        rounds = Rounds(self, job.start if job.seed is None else self.spread_out(job), job)
        while not rounds.is_done:
            rounds.step()
        return rounds.found()

    def spread_out(self, job):
        """Return points far from each other as centres."""
        spread = Spread(self.n_points, job.start, job.seed)
        while not spread.is_done:
            spread.choose(self.lowered(spread.tries, spread.closest))
        return self.take(spread.chosen)


class Job(NamedTuple):
    """One start, and how far to go from there.

    Rounds end once the squares of all steps of the centres add up to `tol` mean variances or less.
    """

    start: Any  # how many clusters, or where their centres begin
    seed: int | None  # of the places of so many; None where they are given
    max_iter: int
    tol: float


class Spread:
    """Points far from each other as centres: k-means++, the best of some tries at a time.

    Attributes
    ----------
    chosen : list of int
        Points so far.
    tries : sequence of int
        Points of which the next one is to be chosen.
    closest : ndarray of shape (n_points,)
        Squared distance of every point to the nearest of those chosen.
    """

    def __init__(self, n_points, n_clusters, seed):
        self._n_clusters, self._rng = n_clusters, np.random.RandomState(seed)
        self.chosen: list[int] = []
        self.tries = [int(self._rng.randint(n_points))]
        self.closest = np.full(n_points, np.inf)

    @property
    def is_done(self):
        """Whether there are as many points as are asked for."""
        return len(self.chosen) == self._n_clusters

    def choose(self, lowered):
        """Choose the best of the tries, given the squared distances that each would leave."""
        best = int(lowered.sum(axis=1).argmin())
        self.chosen.append(int(self.tries[best]))
        self.closest = lowered[best]
        ends, n_tries = np.cumsum(self.closest), 2 + int(np.log(self._n_clusters))
        tries = np.searchsorted(ends, self._rng.random_sample(n_tries) * ends[-1], side="right")
        self.tries = np.minimum(tries, self.closest.size - 1)


class Rounds:
    """Points among clusters; every round moves points, then centres.

    Parameters
    ----------
    points : Narrow or Wide
        What is clustered.
    centres : ndarray of float64, shape (n_clusters, n_features)
        Where the centres begin, from the origin of the points.
    job : Job
        When to end.
    """

    def __init__(self, points, centres, job):
        self.points, self.centres = points, np.array(centres, order="C")
        self.labels = np.zeros(points.n_points, dtype=np.int32)
        self.sums, self.sizes = np.zeros_like(self.centres), np.zeros(len(centres))
        self.sums[0], self.sizes[0] = points.total(), points.n_points
        self.enough, self.max_iter = job.tol * points.variance, job.max_iter
        self.n_iter, self.inertia, self.is_converged, self.is_done = 0, np.inf, False, False

    def step(self, *parts):
        """Move every point to its nearest centre, and every centre, unless rounds have ended.

        Parameters
        ----------
        *parts : ndarray
            What the points need besides; see :meth:`Wide.assign`.
        """
        places = self.centres, self.labels, self.sums, self.sizes
        n_moved, self.inertia = self.points.assign(*places, *parts)
        if self.is_converged or self.n_iter == self.max_iter:
            self.is_done = True
            return
        self.n_iter += 1
        self.is_done = n_moved == 0 and self.n_iter > 1  # no centre will move either
        self.is_converged = self._move_centres() <= self.enough or self.is_done

    def found(self):
        """Return what the start ended with."""
        ended = self.n_iter, self.is_converged
        return Clusters(self.centres, self.labels, float(self.inertia), *ended)

    def _move_centres(self):
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
