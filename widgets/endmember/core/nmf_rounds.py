"""Rounds of a factorisation: abundances, then components, each begun a little ahead."""

from __future__ import annotations

import numpy as np

FIRST, FASTER, SLOWER, FARTHEST = 0.5, 1.1, 0.4, 3.0  # how far ahead a round begins
KEPT = 0.1  # of a number, at least, where a round begins ahead of it


class Run:
    """The rounds from one start, each begun a little farther along the way of the last one.

    A round that does not lower the objective is done again from where the last one ended, which
    always does, and the next ones begin less far ahead: extrapolation with restarts [1]_.

    Parameters
    ----------
    problem : PoissonProblem or GaussianProblem
        What is lowered.
    abundances : ndarray of shape (n_pixels, n_components), dimensionless
        Where to begin.
    components : ndarray of shape (n_components, n_channels), counts
        Where to begin.

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Computation 31 (2019) 417, doi:10.1162/neco_a_01157.
    """

    def __init__(self, problem, abundances, components):
        self.problem = problem
        self.abundances, self.components = abundances, components
        self.before = abundances, components
        self.ahead = 0.0
        self.history = [problem.objective(abundances, components)]
        self.kkt = np.inf
        self.was_stopped = False

    @property
    def n_rounds(self):
        """Rounds so far."""
        return len(self.history) - 1

    def go_round(self):
        """Improve the abundances, then the components."""
        present = self.abundances, self.components
        found = self._improved(*self._farther(present))
        if found[-1] > self.history[-1] and self.ahead > 0:
            self.ahead *= SLOWER
            found = self._improved(*present)
        else:
            self.ahead = min(FARTHEST, max(FIRST, self.ahead * FASTER))
        self.before = present
        self.abundances, self.components, self.kkt, objective = found
        self.history.append(min(objective, self.history[-1]))  # what rises then is rounding

    def _improved(self, abundances, components):
        problem = self.problem
        abundances, away = problem.improve_abundances(abundances, components)
        components, also = problem.improve_components(abundances, components)
        return abundances, components, away + also, problem.objective(abundances, components)

    def _farther(self, present):
        """Go on in the direction of the last round, never to zero or past it."""
        if self.ahead == 0:
            return present
        abundances, components = (
            np.maximum(now + self.ahead * (now - then), KEPT * now)
            for now, then in zip(present, self.before, strict=True)
        )
        return self.problem.feasible(abundances), components
