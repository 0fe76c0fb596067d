"""Non-negative factorisation of counts, by the likelihood of Poisson or of Gaussian noise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar
from threadpoolctl import threadpool_limits

from endmember.core.blocks import stack_blocks
from endmember.core.estimators import CountsEstimator
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.metrics import match_components
from endmember.core.nmf_compression import compress, is_worthwhile
from endmember.core.nmf_rounds import Run
from endmember.core.nmf_starts import (
    from_chance,
    from_corners,
    from_short_corners,
    from_singular_vectors,
)
from endmember.core.poisson import PoissonProblem
from endmember.core.progress import is_stopped_by

LOSSES = ("poisson", "gaussian")


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
    pixels and channels; Gaussian ones by alternating non-negative least squares [4]_, first on
    the counts projected on a few principal components, where a round costs little, and then on
    all counts until these say that it is optimal: `objective_history_` and `n_iter_` tell of the
    rounds on all counts. The time goes with the counts that are not zero. Pixels and channels
    without counts stay zero.

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
        # Products with few components are narrow: two BLAS threads mostly wait for each other.
        with threadpool_limits(1 if self.loss == "gaussian" else None, user_api="blas"):
            problem, short = self._problems(spectra)
            runs = [self._run(problem, short, start) for start in self._starts(spectra, short)]
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
        problem = self._problem(stack_blocks(spectra))
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

    def _problem(self, spectra):
        return PoissonProblem(spectra) if self.loss == "poisson" else _gaussian(spectra)

    def _problems(self, spectra):
        """Return the problem, and the same in few principal components where that pays."""
        problem = self._problem(spectra)
        if self.loss == "poisson" or not is_worthwhile(spectra.shape, self.n_components):
            return problem, None
        return problem, GaussianProblem(compress(problem.spectra, self.n_components))

    def _starts(self, spectra, short):
        rng = check_random_state(self.random_state)
        if short is None:
            yield from_corners(spectra, self.n_components, rng)
        else:
            yield from_short_corners(short.spectra, spectra, self.n_components, rng)
        if self.n_restarts:
            yield from_singular_vectors(spectra, self.n_components)
        for _ in range(self.n_restarts - 1):
            yield from_chance(spectra, self.n_components, rng)

    def _run(self, problem, short, components):
        """Go round in few principal components first, if they are given, then with all counts."""
        if short is None:
            run = Run(problem, problem.abundances(components), components)
            return self._finish(run, 0.0)
        first = self._finish(Run(short, short.abundances(components), components), 0.0, until=0.5)
        run = Run(problem, first.abundances, first.components)
        run.was_stopped = first.was_stopped
        return self._finish(run, 0.5)

    def _finish(self, run, since, until=1.0):
        while not run.was_stopped and run.kkt > self.tol and run.n_rounds < self.max_iter:
            run.go_round()
            fraction = since + (until - since) * run.n_rounds / self.max_iter
            run.was_stopped = is_stopped_by(self.callback, fraction, run.history[-1])
        return run


def _gaussian(spectra):
    return GaussianProblem(Spectra(spectra))


def _in_order(abundances, components, spectra):
    """Put the component with most counts first, and give each the counts of a mean pixel."""
    sums = components.sum(axis=1)
    counts = abundances.sum(axis=0) * sums
    order = np.argsort(-counts, kind="stable")
    mean = counts.sum() / spectra.shape[0]
    scale = np.divide(mean, sums, out=np.zeros_like(sums), where=sums > 0)
    return (components * scale[:, None])[order]
