"""Non-negative factorisation of counts, by the likelihood of Poisson or of Gaussian noise."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import LazyRows, stack_blocks
from endmember.core.checks import check_array_kind, check_flat, is_dask, level_of_caller
from endmember.core.estimators import CountsEstimator, check_any
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.image import SpectrumImage
from endmember.core.metrics import match_components
from endmember.core.nmf_compression import compress, is_worthwhile
from endmember.core.nmf_missing import Held, missing_places, without
from endmember.core.nmf_online import Online
from endmember.core.nmf_rounds import Run
from endmember.core.nmf_starts import (
    from_chance,
    from_corners,
    from_short_corners,
    from_singular_vectors,
    summed_to_one,
)
from endmember.core.penalties import Penalty
from endmember.core.poisson import PoissonProblem
from endmember.core.progress import is_stopped_by
from endmember.core.record import hashed, results_of
from endmember.core.threads import one_blas_thread

LOSSES = ("poisson", "gaussian")
FIRST_ROUNDS = 100  # with the first of many blocks, at most


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
    sum_to_one : bool, default=False
        Whether the abundances of every pixel sum to one; spectra are then in counts of a pure
        pixel. For maps of even thickness.
    volume : float, default=0
        Weight of the volume that the spectra span [5]_, ``log(det(1 + 100 * gram))`` of spectra
        of mean 1 and their mean products, in units of the geometric mean of what is lowered, at
        the first start, and the counts (Poisson) or sum of squares (Gaussian): so one number does
        for many doses. Turning it up draws the spectra together, so that no pixel need be pure;
        begin at 0.001.
    smoothness : float, default=0
        Weight of the mean squared second difference between channels of spectra of mean 1, in
        units of what is lowered at the first start. Turning it up makes spectra smooth, at last
        smoother than their lines, and takes more rounds; begin at 0.1.
    missing : array_like of bool, optional
        True where a number is missing, shape (n_pixels, n_channels), (n_channels,) or
        (n_pixels,). Whatever stands there, NaN too, takes no part in the fit. Missing channels
        are NaN in `components_`; ``transform`` knows missing channels and single numbers, and
        estimates missing pixels from what they hold. A pixel without any number gets NaN.
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
        Called with a :class:`Progress` after every round; where it returns True, the fit stops and
        keeps the best so far.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra, the one with most counts first, each with as many counts as a mean pixel of X:
        abundances of a map of even thickness sum to about 1.
    objective_history_ : ndarray
        What was lowered, penalties included, after every round of the best start; it never rises.
    kkt_ : float
        How far from optimal the best start ended: ``sum(abs(factor * gradient))``, relative to
        the counts (Poisson) or the sum of squares (Gaussian).
    restarts_ : list of Restart
        What each start led to that was made.
    n_iter_ : int
        Rounds of the best start.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    Notes
    -----
    Poisson factors are found by coordinate descent with Newton's method [2]_, alternating between
    pixels and channels, after a few sweeps of expectation and maximisation [1]_; Gaussian ones by
    alternating non-negative least squares [4]_, first on the counts projected on a few principal
    components, where a round costs little, and then on all counts until these say that it is
    optimal: `objective_history_` and `n_iter_` tell of the rounds on all counts. The time goes
    with the counts that are not zero. Pixels and channels without counts stay zero.

    References
    ----------
    .. [1] D. D. Lee and H. S. Seung, Nature 401 (1999) 788, doi:10.1038/44565.
    .. [2] C.-J. Hsieh and I. S. Dhillon, Proc. 17th ACM SIGKDD (2011) 1064,
       doi:10.1145/2020408.2020577.
    .. [3] C. Boutsidis and E. Gallopoulos, Pattern Recognition 41 (2008) 1350,
       doi:10.1016/j.patcog.2007.09.010.
    .. [4] H. Kim and H. Park, SIAM J. Matrix Anal. Appl. 30 (2008) 713, doi:10.1137/07069239X.
    .. [5] V. Leplat, N. Gillis and A. M. S. Ang, IEEE Trans. Signal Processing 68 (2020) 3400,
       doi:10.1109/TSP.2020.2991801.
    .. [6] J. Mairal et al., J. Machine Learning Research 11 (2010) 19,
       https://jmlr.org/papers/v11/mairal10a.html.

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

    _penalty: Penalty | None = None

    def __init__(
        self,
        n_components=3,
        *,
        loss="poisson",
        sum_to_one=False,
        volume=0.0,
        smoothness=0.0,
        missing=None,
        n_restarts=0,
        max_iter=300,
        tol=1e-4,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.loss = loss
        self.sum_to_one = sum_to_one
        self.volume = volume
        self.smoothness = smoothness
        self.missing = missing
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def partial_fit(self, X, y=None):
        """Learn from one block of pixels, and forget its counts.

        This is online learning, reference 6 of the class.

        A block that was seen before replaces what it said then: a few passes over all blocks lead
        close to what ``fit`` finds in all pixels at once. Kept for every block are its hash and,
        for each pair of components, a spectrum (Poisson) or a number (Gaussian). Penalties, and
        numbers missing in some pixels only, need ``fit``.

        Parameters
        ----------
        X : array of shape (n_pixels, n_channels)
            Counts; the first block needs as many pixels that hold counts as components.
        y : None
            Ignored.
        """
        self._check_settings()
        self._check_online()
        is_first = not hasattr(self, "_online")
        spectra = stack_blocks(self._check_spectra(X, reset=is_first))
        mask = self._mask(spectra.shape, is_fit=False)
        held = Held(mask, spectra.shape)
        counts = held.chosen(spectra)
        problem = self._problem(counts)
        if is_first:
            self._warn_of_scaling(spectra)
            self._online = Online(self._first_components(problem, counts), self.loss)
        record = self._record(spectra)
        self._online.take(record.data["sha256"], problem, counts)
        for name in ("objective_history_", "kkt_", "restarts_"):
            self.__dict__.pop(name, None)  # of a fit before
        self._publish(held, record)
        return self

    def _first_components(self, problem, counts):
        """Fit the first block alone."""
        n_held = int(np.count_nonzero(np.asarray(counts.sum(axis=1))))
        if n_held < self.n_components:
            raise ValueError(
                f"the first block holds counts in {n_held} pixels of n_samples={counts.shape[0]}, "
                f"fewer than n_components={self.n_components}; begin with a larger block."
            )
        self._check_shape(counts.shape)
        rng = check_random_state(self.random_state)
        run = self._begun(problem, from_corners(counts, self.n_components, rng))
        while run.kkt > self.tol and run.n_rounds < FIRST_ROUNDS:
            run.go_round()
        return run.components

    def _publish(self, held, record):
        """Set what the blocks so far tell."""
        online = self._online
        self.n_iter_ = online.n_blocks
        sums, n_pixels = online.all.sums, online.all.n_pixels
        self.components_ = held.spread(self._in_order(sums, n_pixels, online.components))
        shape = [online.n_pixels, record.data["shape"][1]]
        data = {"sha256": online.hash, "shape": shape}
        result = hashed(results_of(self))
        self.record_ = replace(record, data=data, result=result, method="partial_fit")

    def _check_online(self):
        if self.volume or self.smoothness:
            raise ValueError(
                f"volume={self.volume} and smoothness={self.smoothness} need all counts at once; "
                "call fit, or set both to 0."
            )
        if self.missing is not None and np.ndim(self.missing) != 1:
            raise ValueError(
                f"missing has shape {np.shape(self.missing)}, but partial_fit sees one block at a "
                "time; pass missing channels, shape (n_channels,), or call fit."
            )

    def _fit(self, spectra):
        self.__dict__.pop("_online", None)
        whole = stack_blocks(spectra)
        check_any(whole)
        held = Held(self._mask(whole.shape, is_fit=True), whole.shape)
        counts = held.chosen(whole)
        self._check_shape(counts.shape)
        # Products with few components are narrow: two BLAS threads mostly wait for each other.
        with one_blas_thread() if self.loss == "gaussian" else nullcontext():
            runs = self._runs(counts, held)
        best = min(runs, key=lambda run: run.history[-1])
        self.objective_history_ = np.array(best.history)
        self.n_iter_, self.kkt_ = len(best.history) - 1, best.kkt
        found = self._in_order(best.abundances.sum(axis=0), counts.shape[0], best.components)
        self.components_ = held.spread(found)
        self.restarts_ = [
            Restart(run.history[-1], match_components(run.components, found).cost) for run in runs
        ]
        if self.kkt_ > self.tol and not runs[-1].was_stopped:
            warnings.warn(
                f"NMF stopped after max_iter={self.max_iter} rounds at {self.kkt_:.1e} from "
                f"optimal, above tol={self.tol:.0e}; raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def _transform(self, spectra):
        whole = stack_blocks(spectra)
        known = ~np.isnan(self.components_).any(axis=0)
        known &= ~self._is_strange(whole)
        held = Held(self._mask(whole.shape, is_fit=False), whole.shape, channels=known)
        components = np.ascontiguousarray(self.components_[:, known])
        problem = self._problem(held.chosen(whole), held.missing)
        abundances = problem.feasible(problem.abundances(components))
        for _ in range(self.max_iter):
            abundances, away = problem.improve_abundances(abundances, components)
            if away <= self.tol / 100:
                break
        return held.unfolded(abundances)

    def _is_strange(self, spectra):
        """Tell channels that hold counts but no component: no abundance is likely or unlikely."""
        if self.loss != "poisson" or self.components_.any(axis=0).all():
            return np.zeros(self.n_features_in_, dtype=bool)
        sums = np.asarray(spectra.sum(axis=0, dtype=np.float64)).ravel()
        return (sums > 0) & ~self.components_.any(axis=0)

    def _check_spectra(self, X, *, reset):
        if self.missing is None:
            return super()._check_spectra(X, reset=reset)
        X = X.spectra if isinstance(X, SpectrumImage) else X
        check_array_kind(X, "counts X")
        check_flat(X, "counts X")
        X = stack_blocks(LazyRows(X)) if is_dask(X) else X
        X = X if sp.issparse(X) else np.asarray(X)
        mask = self._mask(X.shape, is_fit=reset)
        return super()._check_spectra(X if mask is None else without(X, mask), reset=reset)

    def _mask(self, shape, *, is_fit):
        """Return where numbers are missing; of missing pixels only a fit knows."""
        if self.missing is None:
            return None
        given = np.shape(self.missing)
        of_pixels = given != (shape[1],) and (len(given) == 1 or given[1:] == (1,))
        return None if of_pixels and not is_fit else missing_places(self.missing, shape)

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.n_restarts, "n_restarts", Integral, min_val=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        for name in ("tol", "volume", "smoothness"):
            value = getattr(self, name)
            check_scalar(value, name, Real, min_val=0)
            if not np.isfinite(value):
                raise ValueError(f"{name} is {value}; pass a finite number.")
        check_scalar(self.sum_to_one, "sum_to_one", (bool, np.bool_))
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}; choose one of {LOSSES}.")

    def _problem(self, counts, missing=None):
        settings = {"missing": missing, "sum_to_one": bool(self.sum_to_one)}
        if self.loss == "poisson":
            return PoissonProblem(counts, **settings)
        return GaussianProblem(Spectra(counts), **settings)

    def _short(self, problem):
        """Return the problem in few principal components, where that pays."""
        is_whole = self.loss == "gaussian" and problem.gaps is None
        if not is_whole or not is_worthwhile(problem.spectra.shape, self.n_components):
            return None
        short = compress(problem.spectra, self.n_components)
        return GaussianProblem(short, sum_to_one=bool(self.sum_to_one))

    def _runs(self, counts, held):
        """Run from every start to its end."""
        problem = self._problem(counts, held.missing)
        short = self._short(problem)
        self._penalty = None
        runs: list[Run] = []
        for start in self._starts(held.filled(counts), short):
            if not runs:
                self._penalise(problem, short, start)
            runs.append(self._run(problem, short, start, len(runs)))
            if runs[-1].was_stopped:
                break
        return runs

    def _refitted(self, counts, fitted, abundances, components):
        """Return the run from the factors of a fit, with its penalty, to those of other counts."""
        problem = self._problem(counts)
        short = self._short(problem)
        self._penalty = fitted._penalty
        start = abundances, components
        self._penalise(problem, short, start)
        return self._run(problem, short, start, 0)

    def _penalise(self, problem, short, start):
        """Weigh the penalties by what is lowered at the first start."""
        if not self.volume and not self.smoothness:
            return
        if self._penalty is None:
            begun = self._begun(problem, start)
            height = begun.components.sum(axis=1).mean() if self.sum_to_one else None
            found = begun.history[0]
            weights = self.volume * np.sqrt(found * problem.scale), self.smoothness * found
            self._penalty = Penalty(*weights, height)
        for one in (problem, short):
            if one is not None:
                one.penalty = self._penalty

    def _starts(self, counts, short):
        rng = check_random_state(self.random_state)
        if short is None:
            yield from_corners(counts, self.n_components, rng)
        else:
            yield from_short_corners(short.spectra, counts, self.n_components, rng)
        if self.n_restarts:
            yield from_singular_vectors(counts, self.n_components)
        for _ in range(self.n_restarts - 1):
            yield from_chance(counts, self.n_components, rng)

    def _begun(self, problem, components):
        if isinstance(components, tuple):  # abundances too, of a fit before
            return Run(problem, *components)
        abundances = problem.abundances(components)
        if self.sum_to_one:
            abundances, components = summed_to_one(abundances, components)
        return Run(problem, *problem.settled(abundances, components))

    def _run(self, problem, short, components, i):
        """Go round in few principal components first, if they are given, then with all counts."""
        since, until = np.array([i, i + 1]) / (self.n_restarts + 1)
        if short is None:
            return self._finish(self._begun(problem, components), since, until)
        half = (since + until) / 2
        first = self._finish(self._begun(short, components), since, half)
        run = Run(problem, first.abundances, first.components)
        run.was_stopped = first.was_stopped
        return self._finish(run, half, until)

    def _finish(self, run, since, until):
        while not run.was_stopped and run.kkt > self.tol and run.n_rounds < self.max_iter:
            run.go_round()
            fraction = since + (until - since) * run.n_rounds / self.max_iter
            run.was_stopped = is_stopped_by(self.callback, float(fraction), run.history[-1])
        return run

    def _in_order(self, sums, n_pixels, components):
        """Put the component with most counts first.

        Where abundances do not sum to one by themselves, each gets the counts of a mean pixel.
        """
        heights = components.sum(axis=1)
        counts = sums * heights
        order = np.argsort(-counts, kind="stable")
        if self.sum_to_one:
            return components[order]
        mean = counts.sum() / n_pixels
        scale = np.divide(mean, heights, out=np.zeros_like(heights), where=heights > 0)
        return (components * scale[:, None])[order]
