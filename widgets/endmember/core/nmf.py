"""Non-negative factorisation of counts, by the likelihood of Poisson or of Gaussian noise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import stack_blocks
from endmember.core.estimators import CountsEstimator
from endmember.core.metrics import match_components
from endmember.core.nfindr import NFINDR
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.pca import PCA
from endmember.core.poisson import PoissonProblem
from endmember.core.progress import is_stopped_by

LOSSES = ("poisson", "gaussian")
FIRST, FASTER, SLOWER, FARTHEST = 0.5, 1.1, 0.4, 3.0  # how far ahead a round begins
KEPT = 0.1  # of a number, at least, where a round begins ahead of it
FLOOR = 1e-3  # of the mean, added to a start: what begins at zero would stay there


@dataclass(frozen=True)
class Restart:
    """What one start led to.

    Attributes
    ----------
    objective : float
        Where it ended.
    angles : ndarray of shape (n_components,)
        Spectral angles in degrees between its components and those of the best start, matched.
    """

    objective: float
    angles: np.ndarray


class NMF(CountsEstimator):
    """Factorise counts into spectra and abundances that are nowhere negative.

    ``X ≈ abundances @ components_``. With ``loss="poisson"`` the likelihood of the counts is as
    large as it gets, which gives every channel the weight that its counts deserve [1]_; with
    ``"gaussian"`` the sum of squares is as small as it gets.

    Parameters
    ----------
    n_components : int, default=3
        How many spectra mix; turning it up explains more of the counts, at last their noise.
    loss : {"poisson", "gaussian"}, default="poisson"
        What is lowered: half the deviance of the counts, or half the sum of squares.
    n_restarts : int, default=0
        Starts beside the first, which begins from the purest pixels (:class:`NFINDR`): one from
        the singular vectors [3]_, the others from random mixtures. The best is kept; turning it
        up shows in `restarts_` how far the answer depends on where it began.
    max_iter : int, default=300
        Rounds of each start, at most.
    tol : float, default=1e-4
        A start ends when it is no farther from optimal: turning it down takes more rounds.
    random_state : int or numpy.random.RandomState, default=0
        Where random starts begin.
    callback : callable, optional
        Called with a :class:`Progress` after every round; the fit stops where it returns True.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra, the one with most counts first, each with as many counts as a mean pixel of X:
        abundances of a map of even thickness sum to about 1.
    objective_history_ : ndarray
        What was lowered, after every round of the best start; it never rises.
    kkt_ : float
        How far from optimal the best start ended: ``sum(abs(factor * gradient))``, relative to
        the counts (Poisson) or the sum of squares (Gaussian).
    restarts_ : list of Restart
        What each start led to.
    n_iter_ : int
        Rounds of the best start.
    n_features_in_ : int
        Number of channels.

    Notes
    -----
    Poisson factors are found by coordinate descent with Newton's method [2]_, alternating between
    pixels and channels; Gaussian ones by alternating non-negative least squares [4]_. The time
    goes with the counts that are not zero. Pixels and channels without counts stay zero.

    References
    ----------
    .. [1] D. D. Lee and H. S. Seung, Nature 401 (1999) 788, doi:10.1038/44565.
    .. [2] C.-J. Hsieh and I. S. Dhillon, Proc. 17th ACM SIGKDD (2011) 1064,
       doi:10.1145/2020408.2020577.
    .. [3] C. Boutsidis and E. Gallopoulos, Pattern Recognition 41 (2008) 1350,
       doi:10.1016/j.patcog.2007.09.010.
    .. [4] H. Kim and H. Park, SIAM J. Matrix Anal. Appl. 30 (2008) 713, doi:10.1137/07069239X.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> nmf = em.NMF(3).fit(scene.image.spectra)
    >>> nmf.transform(scene.image.spectra).shape
    (1024, 3)
    >>> nmf.kkt_ <= nmf.tol
    True
    """

    def __init__(
        self,
        n_components=3,
        *,
        loss="poisson",
        n_restarts=0,
        max_iter=300,
        tol=1e-4,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.loss = loss
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def _fit(self, spectra):
        spectra = stack_blocks(spectra)
        problem = _problem(spectra, self.loss)
        runs = [self._run(problem, start) for start in self._starts(spectra)]
        best = min(runs, key=lambda run: run.history[-1])
        self.objective_history_ = np.array(best.history)
        self.n_iter_, self.kkt_ = len(best.history) - 1, best.kkt
        self.components_ = _in_order(best.abundances, best.components, spectra)
        self.restarts_ = [
            Restart(run.history[-1], match_components(run.components, self.components_).cost)
            for run in runs
        ]
        if self.kkt_ > self.tol and not best.was_stopped:
            warnings.warn(
                f"NMF stopped after max_iter={self.max_iter} rounds at {self.kkt_:.1e} from "
                f"optimal, above tol={self.tol:.0e}; raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _transform(self, spectra):
        problem = _problem(stack_blocks(spectra), self.loss)
        abundances = problem.abundances(self.components_)
        for _ in range(self.max_iter):
            abundances, away = problem.improve_abundances(abundances, self.components_)
            if away <= self.tol / 100:
                break
        return abundances

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.n_restarts, "n_restarts", Integral, min_val=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        check_scalar(self.tol, "tol", Real, min_val=0)
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}; choose one of {LOSSES}.")

    def _starts(self, spectra):
        rng = check_random_state(self.random_state)
        yield _from_corners(spectra, self.n_components, rng)
        if self.n_restarts:
            yield _from_singular_vectors(spectra, self.n_components)
        for _ in range(self.n_restarts - 1):
            yield _from_chance(spectra, self.n_components, rng)

    def _run(self, problem, components):
        run = Run(problem, components)
        while not run.was_stopped and run.kkt > self.tol and run.n_rounds < self.max_iter:
            run.go_round()
            run.was_stopped = is_stopped_by(
                self.callback, run.n_rounds / self.max_iter, run.history[-1]
            )
        return run


class Run:
    """The rounds from one start, each begun a little farther along the way of the last one.

    A round that does not lower the objective is done again from where the last one ended, which
    always does, and the next ones begin less far ahead: extrapolation with restarts [1]_.

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Computation 31 (2019) 417, doi:10.1162/neco_a_01157.
    """

    def __init__(self, problem, components):
        self.problem = problem
        self.components = components
        self.abundances = problem.abundances(components)
        self.before = self.abundances, self.components
        self.ahead = 0.0
        self.history = [problem.objective(self.abundances, components)]
        self.kkt = np.inf
        self.was_stopped = False

    @property
    def n_rounds(self):
        """Rounds so far."""
        return len(self.history) - 1

    def go_round(self):
        """Improve the abundances, then the components."""
        present = self.abundances, self.components
        found = self._improved(*map(self._farther, present, self.before))
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

    def _farther(self, present, before):
        """Go on in the direction of the last round, never to zero or past it."""
        return np.maximum(present + self.ahead * (present - before), KEPT * present)


class GaussianProblem:
    """Half the sum of squares of counts and model, each factor exactly optimal in its turn."""

    def __init__(self, spectra):
        self.spectra = spectra
        values = spectra.data if sp.issparse(spectra) else spectra
        self.squares = float((values.astype(np.float64) ** 2).sum())

    def abundances(self, components):
        """Return the abundances to begin with."""
        return self.improve_abundances(None, components)[0]

    def improve_abundances(self, abundances, components):
        """Return optimal abundances, and how far the present ones were from it."""
        gram, corr = components @ components.T, _product(self.spectra, components.T)
        return solve_nonnegative(gram, corr), self._away(gram, corr, abundances)

    def improve_components(self, abundances, components):
        """Return optimal components, and how far the present ones were from it."""
        gram, corr = abundances.T @ abundances, _product(self.spectra.T, abundances)
        return solve_nonnegative(gram, corr).T.copy(), self._away(gram, corr, components.T)

    def objective(self, abundances, components):
        """Return half the sum of squares."""
        cross = (_product(self.spectra, components.T) * abundances).sum()
        own = ((abundances.T @ abundances) * (components @ components.T)).sum()
        return float(max(0.0, (self.squares - 2 * cross + own) / 2))

    def _away(self, gram, corr, factor):
        if factor is None:
            return np.inf
        return float(np.abs(factor * (factor @ gram - corr)).sum() / max(self.squares, 1e-300))


def _problem(spectra, loss):
    return PoissonProblem(spectra) if loss == "poisson" else GaussianProblem(spectra)


def _product(spectra, matrix):
    return np.asarray(spectra.astype(np.float64) @ matrix)


def _from_corners(spectra, n_components, rng):
    """Begin from the purest pixels, or from chance where the pixels have no so many corners."""
    try:
        nfindr = NFINDR(n_components, random_state=rng, n_restarts=2)
        found = nfindr._fit_within(spectra).components_
    except ValueError:
        return _from_chance(spectra, n_components, rng)
    return _lifted(found)


def _from_singular_vectors(spectra, n_components):
    """Begin from the larger halves of the singular vectors, with their means in place of zeros."""
    pca = PCA(n_components, weighting="none")._fit_within(spectra)
    scores = pca._transform(spectra)
    found = np.array(list(map(_larger_half, pca.components_, scores.T)))
    return _lifted(np.where(found > 0, found, found.mean()))


def _larger_half(spectrum, scores):
    """Return the positive or the negative half of a singular vector, whichever explains more."""
    halves = [(np.clip(s * spectrum, 0, None), np.clip(s * scores, 0, None)) for s in (1, -1)]
    return max(halves, key=lambda half: np.linalg.norm(half[0]) * np.linalg.norm(half[1]))[0]


def _from_chance(spectra, n_components, rng):
    """Begin from sums of all pixels with random weights."""
    weights = rng.gamma(0.3, size=(n_components, spectra.shape[0]))
    return _lifted(_product(spectra.T, weights.T).T)


def _lifted(components):
    """Lift zeros off the ground, where the channel holds counts at all."""
    total = components.sum(axis=1, keepdims=True)
    components = components / np.where(total > 0, total, 1)
    mean = components.mean(axis=0)
    return components + FLOOR * np.where(mean > 0, mean + mean.mean(), 0)


def _in_order(abundances, components, spectra):
    """Put the component with most counts first, and give each the counts of a mean pixel."""
    sums = components.sum(axis=1)
    counts = abundances.sum(axis=0) * sums
    order = np.argsort(-counts, kind="stable")
    mean = counts.sum() / spectra.shape[0]
    scale = np.divide(mean, sums, out=np.zeros_like(sums), where=sums > 0)
    return (components * scale[:, None])[order]
