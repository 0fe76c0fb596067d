"""Multivariate curve resolution: least squares in turn, under what is known beforehand."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_scalar

from endmember.core.ambiguity import find_band
from endmember.core.blocks import LazyRows, load_blocks, row_blocks
from endmember.core.checks import level_of_caller
from endmember.core.constraints import SIDES, Constraints
from endmember.core.estimators import CountsEstimator, check_any
from endmember.core.metrics import spectral_angle
from endmember.core.nfindr import NFINDR
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.products import marginals, times, times_squared
from endmember.core.progress import is_stopped_by

WEIGHTINGS = ("poisson", "none")
FIRST, FASTER, SLOWER, FARTHEST = 0.5, 1.1, 0.4, 3.0  # how far ahead a round begins
LOOK_BACK = 5  # rounds over which the sum of squares has to fall
ROUNDING = 1e-15  # of the sum of squares of the counts


class MCRALS(CountsEstimator):
    """Resolve counts into spectra and abundances that obey what is known of them.

    ``X ≈ abundances @ components_``. Multivariate curve resolution by alternating least squares
    [1]_ [2]_: the best spectra beside the abundances, the best abundances beside the spectra, and
    so on. Each step is the least-squares solution under the constraints itself, not a projection
    of the free one, so that the sum of squares never rises.

    Parameters
    ----------
    n_components : int, default=3
        How many spectra mix; turning it up explains more of the counts, at last their noise.
    constraints : str or tuple of str, default=("nonnegative",)
        Any of ``"nonnegative"``, or ``"nonnegative_spectra"`` and ``"nonnegative_abundances"`` one
        by one; ``"closure"``: the abundances of every pixel sum to 1; ``"unimodal_spectra"`` and
        ``"unimodal_abundances"``: along the channels, or along the pixels in their order, they
        rise to one peak and fall after it [3]_.
    known_spectra : ndarray of shape (n_components, n_channels), optional
        Counts that are known, NaN where they are not: those are held as they are.
    absent_spectra : ndarray of bool, shape (n_components, n_channels), optional
        Channels where a component holds nothing.
    absent_abundances : ndarray of bool, shape (n_pixels, n_components), optional
        Pixels where a component is not there.
    init : "nfindr" or ndarray, default="nfindr"
        Where to begin: the purest pixels (:class:`NFINDR`), or mixtures by chance where pixels
        do not spread far enough; spectra of shape (n_components, n_channels); or abundances of
        shape (n_pixels, n_components). Components keep the order of the start.
    weighting : {"poisson", "none"}, default="poisson"
        Squares count for what noise in their channel is worth, one over its mean counts, or all
        the same.
    max_iter : int, default=500
        Rounds, at most.
    tol : float, default=1e-6
        Ends when five rounds lower the sum of squares by no more of it: turning it down takes
        more rounds.
    random_state : int or numpy.random.RandomState, default=0
        Where the start takes chance.
    callback : callable, optional
        Called with a :class:`Progress` after every round; the fit stops where it returns True.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra in counts. Where neither closure nor a known spectrum says how high, each holds as
        many counts as a mean pixel of X.
    abundances_ : ndarray of shape (n_pixels, n_components)
        Abundances of the pixels that were fitted, dimensionless, under all constraints.
    residuals_ : ndarray of shape (n_iter_,)
        Root of the (weighted) sum of squares that every round left, relative to that of X; it
        never rises. Below 1e-7 it is rounding.
    objective_history_ : ndarray of shape (n_iter_,)
        Half the (weighted) sum of squares that every round left, in squares of counts for
        ``weighting="none"``.
    n_iter_ : int
        Rounds.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    See Also
    --------
    NMF : by the likelihood of Poisson counts, non-negative alone.

    Notes
    -----
    ``transform`` knows closure and non-negativity, which bind each pixel by itself; absent and
    unimodal abundances belong to the pixels that were fitted and are in `abundances_` alone.
    Columns of unimodal factors are fitted one by one, each beside the others; the end may depend on
    the start more than otherwise. Unimodal factors have to be non-negative, and where something is
    absent from one, the places left have to be neighbours. CSR counts are never unpacked.

    References
    ----------
    .. [1] R. Tauler, Chemom. Intell. Lab. Syst. 30 (1995) 133,
       doi:10.1016/0169-7439(95)00047-X.
    .. [2] A. de Juan and R. Tauler, Crit. Rev. Anal. Chem. 36 (2006) 163,
       doi:10.1080/10408340600970005.
    .. [3] R. Bro and N. D. Sidiropoulos, J. Chemometrics 12 (1998) 223,
       doi:10.1002/(SICI)1099-128X(199807/08)12:4<223::AID-CEM511>3.0.CO;2-2.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", dose=5000)
    >>> mcr = em.MCRALS(3, constraints=("nonnegative", "closure")).fit(scene.image.spectra)
    >>> sums = mcr.transform(scene.image.spectra).sum(axis=1)
    >>> round(float(sums.min()), 6), round(float(sums.max()), 6)
    (1.0, 1.0)
    """

    def __init__(
        self,
        n_components=3,
        *,
        constraints=("nonnegative",),
        known_spectra=None,
        absent_spectra=None,
        absent_abundances=None,
        init="nfindr",
        weighting="poisson",
        max_iter=500,
        tol=1e-6,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.constraints = constraints
        self.known_spectra = known_spectra
        self.absent_spectra = absent_spectra
        self.absent_abundances = absent_abundances
        self.init = init
        self.weighting = weighting
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def _fit(self, spectra):
        spectra = load_blocks(spectra) if isinstance(spectra, LazyRows) else spectra
        check_any(spectra)
        self._weights, mean_counts = _channel_weights(spectra, self.weighting)
        self._constraints = self._read_constraints()
        problem = Problem(spectra, self._weights, self._constraints)
        run = Run(problem, *self._start(problem))
        self._go(run)
        self.components_, self.abundances_ = run.components, run.abundances
        self._set_heights(mean_counts)
        self.objective_history_ = np.array(run.history[1:]) / 2
        self.residuals_ = np.sqrt(np.array(run.history[1:]) / max(problem.squares, 1e-300))
        self.n_iter_ = len(self.residuals_)

    def _go(self, run):
        for n_iter in range(1, self.max_iter + 1):
            run.go_round()
            if run.has_settled(self.tol):
                return
            if is_stopped_by(self.callback, n_iter / self.max_iter, run.history[-1] / 2):
                return
        warnings.warn(
            f"MCRALS stopped after max_iter={self.max_iter} rounds, while the sum of squares still "
            f"fell by more than tol={self.tol:.0e} of it; raise max_iter, or tol.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )

    def _transform(self, spectra):
        weighted = self.components_ * self._weights
        rules = self._constraints.of_any_pixel()
        return rules.solve(weighted @ self.components_.T, times(spectra, weighted.T))

    def ambiguity_band(self, *, max_iter=200, tol=1e-10, callback=None):
        """Find how far spectra and abundances can turn into each other without a change of fit.

        For every non-singular matrix T, ``abundances_ @ inv(T)`` and ``T @ components_`` have the
        same product. Among those that obey the constraints, the ones are sought that make the
        contribution of each component to the model least, and largest [1]_.

        Parameters
        ----------
        max_iter : int, default=200
            Steps of each search, at most; turning it up helps where many components mix.
        tol : float, default=1e-10
            Relative change of a contribution at which a search ends: turning it down takes more
            steps.
        callback : callable, optional
            Called with a :class:`Progress` after every search; where it returns True,
            :class:`CancelledError` is raised.

        Returns
        -------
        AmbiguityBand
            ``smallest`` and ``largest`` contribution of each component, and ``lower_spectra``,
            ``upper_spectra``, ``lower_abundances`` and ``upper_abundances``, between which all of
            these solutions lie.

        Notes
        -----
        Both factors have to be non-negative. Closure, known spectra and what is absent are
        heeded; unimodality is not, which leaves the band too wide rather than too narrow. A
        spectrum of no known height keeps its counts, so that only its shape is in question. For
        two components the band is exact [2]_; for more, a search may end before the farthest
        solution. Noise makes bands narrow: what it brought below zero is zero, and holds the
        components where they are.

        References
        ----------
        .. [1] R. Tauler, J. Chemometrics 15 (2001) 627, doi:10.1002/cem.654.
        .. [2] W. H. Lawton and E. A. Sylvestre, Technometrics 13 (1971) 617,
           doi:10.1080/00401706.1971.10488823.

        Examples
        --------
        >>> import endmember as em
        >>> scene = em.datasets.load("mixture", dose=5000)
        >>> mcr = em.MCRALS(3).fit(scene.image.spectra)
        >>> band = mcr.ambiguity_band()
        >>> bool((band.smallest <= band.largest).all())
        True
        """
        check_is_fitted(self)
        check_scalar(max_iter, "max_iter", Integral, min_val=1)
        check_scalar(tol, "tol", Real, min_val=0)
        if not all(self._constraints.has("nonnegative", side) for side in SIDES):
            raise ValueError(
                f"constraints are {self.constraints!r}; without both factors non-negative the band "
                "has no end. Fit with 'nonnegative'."
            )
        return find_band(
            self.abundances_,
            self.components_,
            self._constraints,
            max_iter=max_iter,
            tol=tol,
            callback=callback,
        )

    def _read_constraints(self):
        return Constraints(
            self.constraints, self.known_spectra, self.absent_spectra, self.absent_abundances
        )

    def _start(self, problem):
        """Return abundances or spectra to begin with, and None for the others."""
        if isinstance(self.init, str):
            return None, problem.arranged(self._corners(problem.spectra))
        init = np.array(self.init, dtype=np.float64)
        if init.shape == (problem.spectra.shape[0], self.n_components):
            return problem.rules.abundances.put_held(init), None
        return None, problem.with_held(init)

    def _corners(self, spectra):
        """Return spectra of the purest pixels, or by chance where there are not so many."""
        rng = check_random_state(self.random_state)
        try:
            return NFINDR(self.n_components, random_state=rng)._fit_within(spectra).components_
        except ValueError:
            weights = rng.gamma(0.3, size=(spectra.shape[0], self.n_components))
            return _transposed_times(spectra, weights / weights.sum(axis=0)).T

    def _set_heights(self, mean_counts):
        """Give a spectrum the counts of a mean pixel, where nothing says how high it is."""
        sums = self.components_.sum(axis=1)
        is_free = (sums > 0) & (mean_counts > 0) & ~self._constraints.has_height(len(sums))
        scale = np.divide(mean_counts, sums, out=np.ones_like(sums), where=is_free)
        self.components_ = self.components_ * scale[:, None]
        self.abundances_ = self.abundances_ / scale

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        check_scalar(self.tol, "tol", Real, min_val=0)
        if not np.isfinite(self.tol):
            raise ValueError(f"tol is {self.tol}; pass a finite number.")
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {self.weighting!r}; choose one of {WEIGHTINGS}.")
        if isinstance(self.init, str) and self.init != "nfindr":
            raise ValueError(f"init is {self.init!r}; choose 'nfindr', or pass an array.")
        self._read_constraints().check_names()

    def _check_shape(self, shape):
        super()._check_shape(shape)
        constraints = self._read_constraints()
        constraints.check_arrays(*shape, self.n_components)
        if not isinstance(self.init, str):
            _check_init(self.init, shape, self.n_components, constraints)


class Problem:
    """The sum of squares of counts and model, each factor best in its turn.

    Parameters
    ----------
    spectra : ndarray, CSR array or LoadedBlocks of shape (n_pixels, n_channels)
        Counts.
    weights : ndarray of shape (n_channels,)
        What squares in each channel count for.
    constraints : Constraints
        What the factors obey.
    """

    def __init__(self, spectra, weights, constraints):
        self.spectra, self.weights = spectra, weights
        self.rules = constraints.rules(weights)
        self.squares = float(times_squared(spectra, weights).sum())

    def abundances(self, components, present=None):
        """Return the best abundances, and the sum of squares that they leave."""
        weighted = components * self.weights
        gram, corr = weighted @ components.T, times(self.spectra, weighted.T)
        abundances = self.rules.abundances.solve(gram, corr, present)
        own = ((abundances.T @ abundances) * gram).sum()
        return abundances, float(max(0.0, self.squares - 2 * (corr * abundances).sum() + own))

    def components(self, abundances, present=None):
        """Return the best spectra; one that no pixel holds stays, since any is as good."""
        gram, corr = abundances.T @ abundances, _transposed_times(self.spectra, abundances)
        components = self.rules.spectra.solve(gram, corr, None if present is None else present.T).T
        is_lost = np.diag(gram) == 0
        if present is not None and is_lost.any():
            components[is_lost] = present[is_lost]
        return np.ascontiguousarray(components)

    def arranged(self, found):
        """Give what was found to the components whose held numbers it comes nearest to."""
        spectra, abundances = self.rules.spectra.held, self.rules.abundances.held
        costs = np.zeros((len(found),) * 2)
        if spectra is not None:
            costs += [[_angle_to(f, held) for held in spectra.T] for f in found]
        if abundances is not None:
            weighted = found * self.weights
            maps = solve_nonnegative(weighted @ found.T, times(self.spectra, weighted.T))
            costs += [[_angle_to(m, held) for held in abundances.T] for m in maps.T]
        order = linear_sum_assignment(costs.T)[1]
        return self.with_held(found[order])

    def with_held(self, found):
        """Return spectra of the height of what is known of them, with that put in place."""
        held = self.rules.spectra.held
        if held is None:
            return found
        known = np.nan_to_num(held.T)
        lengths = (found**2).sum(axis=1, where=known != 0)
        along = (found * known).sum(axis=1)
        scale = np.divide(along, lengths, out=np.ones_like(along), where=along > 0)
        return self.rules.spectra.put_held((found * scale[:, None]).T).T


class Run:
    """The rounds of a fit, each begun a little farther along the way of the last one.

    A round that does not lower the sum of squares is done again from where the last one ended,
    which never raises it, and the next ones begin less far ahead: extrapolation with restarts [1]_.

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Computation 31 (2019) 417, doi:10.1162/neco_a_01157.
    """

    def __init__(self, problem, abundances, components):
        self.problem, self.ahead = problem, 0.0
        self.components = problem.components(abundances) if components is None else components
        self.abundances, squares = problem.abundances(self.components, abundances)
        self.before = self.abundances
        self.history = [squares]

    def go_round(self):
        """Improve the spectra, then the abundances."""
        present = self.abundances
        found = self._improved(self._farther(present))
        if found[-1] > self.history[-1] and self.ahead > 0:
            self.ahead *= SLOWER
            found = self._improved(present)
        else:
            self.ahead = min(FARTHEST, max(FIRST, self.ahead * FASTER))
        self.before = present
        self.abundances, self.components, squares = found
        self.history.append(min(squares, self.history[-1]))  # what rises then is rounding

    def has_settled(self, tol):
        """Whether the sum of squares hardly falls any more."""
        if len(self.history) <= LOOK_BACK:
            return False
        fall = self.history[-1 - LOOK_BACK] - self.history[-1]
        return fall <= tol * self.history[-1] + ROUNDING * self.problem.squares

    def _improved(self, abundances):
        components = self.problem.components(abundances, self.components)
        abundances, squares = self.problem.abundances(components, self.abundances)
        return abundances, components, squares

    def _farther(self, present):
        """Go on in the direction of the last round, not below zero."""
        if self.ahead == 0:
            return present
        ahead = present + self.ahead * (present - self.before)
        return np.maximum(ahead, np.minimum(present, 0.0))


def _channel_weights(spectra, weighting):
    """Return what squares count for in each channel, and the counts of a mean pixel."""
    mean = marginals(spectra)[1] / spectra.shape[0]
    if weighting == "none" or not mean.any():
        return np.ones(len(mean)), float(mean.sum())
    return mean.mean() / np.maximum(mean, mean[mean > 0].min()), float(mean.sum())


def _transposed_times(spectra, matrix):
    """Return ``spectra.T @ matrix`` as float64, dense."""
    total, start = np.zeros((spectra.shape[1], matrix.shape[1])), 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        total += block.T.astype(np.float64) @ matrix[start:stop]
        start = stop
    return total


def _angle_to(found, held):
    """Return the angle in degrees by which a profile turns when it takes what is held."""
    is_held = ~np.isnan(held)
    wanted = held[is_held]
    scale = (found[is_held] @ wanted) / max(wanted @ wanted, 1e-300)
    turned = found.copy()
    turned[is_held] = scale * wanted
    angle = spectral_angle(found, turned)
    return angle if np.isfinite(angle) else 90.0


def _check_init(init, shape, n_components, constraints):
    """Refuse a start that cannot be one."""
    values = np.asarray(init)
    shapes = {"spectra": (n_components, shape[1]), "abundances": (shape[0], n_components)}
    sides = [side for side, shape in shapes.items() if values.shape == shape]
    expected = " or ".join(f"{side} of shape {shape}" for side, shape in shapes.items())
    if values.dtype.kind not in "biuf" or not sides:
        raise ValueError(
            f"init has shape {values.shape} and dtype {values.dtype}; pass {expected}."
        )
    if len(sides) == 2:
        raise ValueError(
            f"init of shape {values.shape} fits {expected} alike; give the counts more pixels, or "
            "use init='nfindr'."
        )
    side = sides[0]
    if not np.isfinite(values).all():
        raise ValueError("init holds NaN or inf; replace those values.")
    if constraints.has("nonnegative", side) and (values < 0).any():
        raise ValueError(
            f"init holds negative {side}, down to {values.min():g}, against 'nonnegative_{side}'; "
            "clip them with np.clip(init, 0, None)."
        )
    if not (values != 0).any(axis=1 if side == "spectra" else 0).all():
        raise ValueError(f"init holds {side} that are zero throughout; nothing grows from there.")
