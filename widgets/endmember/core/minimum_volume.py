"""Endmembers outside the cloud of spectra: the simplex of smallest volume that holds it."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.checks import level_of_caller
from endmember.core.nfindr import grow, spread_out
from endmember.core.progress import is_stopped_by
from endmember.core.simplex import SimplexEstimator, flatten

MOST_LOOKS = 4  # of which each but the first leaves out the outliers of those before
FEW = 0.05  # of the outliers: when no more are new, the next look would find the same
GROW_ROUNDS = 100  # of the largest simplex of pixels, with which the first start begins
SPARE_ROOM = 1.2  # around the pixels, where a start begins
WIDE = 3.0  # standard deviations of the pixels to which a random start reaches at least
SOFT_TOL = 1e-2  # of the volume, while it is asked which pixels to let go
NARROWER = 0.1  # than before, the walls become when the simplex has settled between them
SETTLED = 0.05  # of what the width of the walls costs: a smaller gain is none
TO_THE_WALL = 0.95  # of the way that a step may go
LEAST_STEP = 1e-10  # smaller ones are rounding
SINGULAR = 1e-8  # of the largest curvature


class MinimumVolume(SimplexEstimator):
    """Take for endmembers the corners of the smallest simplex that holds the spectra.

    Where no pixel is pure, the endmembers lie outside the cloud of spectra, and its faces still
    say where: as long as enough pixels lack one endmember or another, the simplex of smallest
    volume is theirs [1]_. A stated share of the pixels may lie outside, so that outliers do not
    blow it up [2]_.

    Parameters
    ----------
    n_components : int, default=3
        How many endmembers, three at least to find any outside the cloud; turning it up asks for
        corners that noise may have to provide.
    outside : float, default=0.02
        Share of the pixels that may lie outside, those with the most negative abundances; turning
        it up forgives more outliers and more noise, which both make the simplex too large, and
        cuts off phases that are as rare. 0 holds every pixel.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        Scaling of the channels before the spectra are projected; see :class:`PCA`.
    normalise : bool, default=False
        Whether each spectrum is divided by its sum before the corners are looked for. Counts grow
        with thickness, which shears the simplex apart into a cone; spectra of the same sum fill a
        simplex again. For maps of uneven thickness. Pixels of few counts are noisy then, and lie
        far out: hide vacuum.
    n_restarts : int, default=3
        Starts beside the first, which begins around the purest pixels (:class:`NFINDR`), from
        simplices that point anywhere; turning it up finds the smallest one more often.
    max_iter : int, default=1000
        Rounds of each start, at most.
    tol : float, default=1e-4
        How much larger than the smallest the volume may be, relative; turning it down takes more
        rounds.
    random_state : int or numpy.random.RandomState, default=0
        Where the restarts begin.
    callback : callable, optional
        Called with a :class:`Progress` after every round, whose objective is the volume in units
        of that of the purest pixels; where it returns True, the best so far is kept.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra of the corners in counts; what falls below zero there is zero. With ``normalise``
        each has as many counts as a mean pixel of X. The one with most counts in X first.
    pixels_ : ndarray of int, shape (n_components,)
        Rows of X that come nearest to each corner: no pixel inside holds more of it.
    purity_ : ndarray of shape (n_components,)
        The share of each corner that they hold: 1 where a pixel is pure.
    outliers_ : ndarray of int
        Rows of X that were let out, as many as `outside` says at most. No other lies outside.
    volume_history_ : ndarray
        Volume after every round of the best start, in units of its last one.
    restarts_ : ndarray of shape (n_restarts + 1,)
        Volume that every start led to, in units of the smallest; NaN where it was not finished.
    n_iter_ : int
        Rounds of the best start.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    See Also
    --------
    NFINDR : where pixels are pure, and noise is not to be mistaken for endmembers.

    Notes
    -----
    With ``shares = points @ inv(corners)``, the logarithm of the volume and a price of negative
    shares are lowered together by Newton's method, between walls that become narrower. At a
    price of ``k * (k - 1) / n`` for `k` corners, `n` pixels at most are left outside: these are
    let go, the most negative first, and the others are held for certain. Outliers turn the
    principal components too: these are found once more without them, and the corners in them,
    until few outliers are new. Pixels without counts take no part.

    ``transform`` finds abundances that are not negative, by least squares, and does not make them
    sum to 1: their sum is the thickness of a pixel, in units of the endmembers.

    References
    ----------
    .. [1] J. Li and J. M. Bioucas-Dias, Proc. IEEE IGARSS 3 (2008) 250,
       doi:10.1109/IGARSS.2008.4779330.
    .. [2] J. M. Bioucas-Dias, Proc. IEEE WHISPERS (2009) 1, doi:10.1109/WHISPERS.2009.5289072.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", dose=5000)
    >>> corners = em.MinimumVolume(3, outside=0.2).fit(scene.image.spectra)
    >>> bool(scene.score(corners))
    True
    """

    def __init__(
        self,
        n_components=3,
        *,
        outside=0.02,
        weighting="poisson",
        normalise=False,
        n_restarts=3,
        max_iter=1000,
        tol=1e-4,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.outside = outside
        self.weighting = weighting
        self.normalise = normalise
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        check_scalar(self.tol, "tol", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.outside, "outside", Real, min_val=0, max_val=1, include_boundaries="left")
        if not np.isfinite([self.tol, self.outside]).all():
            raise ValueError(
                f"tol={self.tol} and outside={self.outside} must be finite numbers; the defaults "
                "are 1e-4 and 0.02."
            )

    def _look(self, spectra, sums):
        without = np.zeros(0, dtype=int)
        last = self._look_without(without, 0, spectra, sums)
        for look in range(1, MOST_LOOKS):
            is_new = ~np.isin(self.outliers_, without)
            if not last.is_finished or is_new.sum() <= FEW * is_new.size:
                break
            without = np.concatenate([without, self.outliers_[is_new]])
            before = dict(vars(self))
            last = self._look_without(without, look, spectra, sums)
            if not last.is_finished:  # what came to no end changes nothing
                self.__dict__.update(before)
        if not last.is_finished and not last.was_stopped:
            warnings.warn(
                f"MinimumVolume stopped after max_iter={self.max_iter} rounds before the volume "
                f"was within tol={self.tol:.0e} of the smallest; raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def _look_without(self, without, look, spectra, sums):
        """Look for the corners in principal components that some outliers have no say in."""
        scores, taken = self._project(spectra, sums, without)
        flat = flatten(
            scores[taken] / sums[taken, None], self.n_components, ~np.isin(taken, without)
        )
        rng = check_random_state(self.random_state)
        starts = list(self._starts(flat.points, rng, look))
        volumes = np.array([s.history[-1] if s.is_finished else np.nan for s in starts])
        best = starts[0] if np.isnan(volumes).all() else starts[np.nanargmin(volumes)]
        heights = sums.mean() if self.normalise else 1.0
        order = self._keep(flat.scores(best.corners) * heights, scores, sums)
        shares = best.shares[:, order]
        self.pixels_ = taken[best.held[shares.argmax(axis=0)]]
        self.purity_ = shares.max(axis=0)
        self.outliers_ = np.delete(taken, best.held)
        self.volume_history_ = np.array(best.history) / best.history[-1]
        self.restarts_ = volumes / best.history[-1]
        self.n_iter_ = max(1, best.n_iter)
        return best

    def _starts(self, points, rng, look):
        """Yield what every start led to."""
        purest = points[grow(points, spread_out(points), GROW_ROUNDS).corners]
        unit = abs(linalg.det(purest))
        n_spare, n_starts = int(self.outside * len(points)), 1 + self.n_restarts
        n_all = n_starts * (MOST_LOOKS if n_spare else 1)
        for i in range(n_starts):
            done = look * n_starts + i

            def is_stopped(fraction, volume, done=done):
                return is_stopped_by(self.callback, (done + fraction) / n_all, volume / unit)

            corners = purest if i == 0 else anywhere(points, rng)
            start = Shrinking(points, corners, n_spare, self.max_iter, is_stopped)
            start.run(self.tol)
            yield start
            if start.was_stopped:
                return


class Shrinking:
    """A simplex on its way to the smallest that holds all points but a few.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        A 1, and coordinates; see :class:`Flat`.
    corners : ndarray of shape (n_components, n_components)
        Where to begin, written likewise.
    n_spare : int
        Points that may be let go.
    max_iter : int
        Rounds at most.
    is_stopped : callable
        Called with the fraction of the rounds and the volume; returns whether to stop.

    Attributes
    ----------
    held : ndarray of int
        The points that were not let go.
    shares : ndarray of shape (n_held, n_components)
        What each of them holds of every corner; a row sums to 1.
    """

    def __init__(self, points, corners, n_spare, max_iter, is_stopped):
        self.points = np.ascontiguousarray(points)
        self.corners, self.held = corners, np.arange(len(points))
        self.n_spare, self.max_iter, self.is_stopped = n_spare, max_iter, is_stopped
        self.history = [abs(linalg.det(corners))]
        self.n_iter, self.was_stopped, self.is_finished = 0, False, False
        self._ways = within(len(corners))
        self._inflate()

    def run(self, tol):
        """Let points go while any may, then hold the others for certain."""
        n_corners = len(self.corners)
        while self.n_spare and self._shrink(n_corners * (n_corners - 1) / self.n_spare, SOFT_TOL):
            n_held = len(self.held)
            self._let_go()
            if len(self.held) == n_held:
                break
        if not self._is_over:
            self._inflate()
            self.is_finished = self._shrink(np.inf, tol)

    @property
    def _is_over(self):
        return self.was_stopped or self.n_iter >= self.max_iter

    def _inflate(self):
        """Make the simplex so large that it holds the points, with room to spare."""
        shares = self.points[self.held] @ linalg.inv(self.corners)
        times = SPARE_ROOM * (1 - len(self.corners) * min(shares.min(), 0.0))
        centre = self.corners.mean(axis=0)
        self._place(centre + times * (self.corners - centre))

    def _place(self, corners):
        self.corners = corners
        self.shares = self.points[self.held] @ linalg.inv(corners)

    def _let_go(self):
        lowest = self.shares.min(axis=1)
        out = np.flatnonzero(lowest < 0)
        out = out[np.argsort(lowest[out], kind="stable")][: self.n_spare]
        self.n_spare -= len(out)
        self.held = np.delete(self.held, out)
        self.shares = np.delete(self.shares, out, axis=0)

    def _shrink(self, price, tol):
        """Lower the volume until it is within `tol` of the smallest; return whether it is.

        Walls of some width keep the points inside, and the width of all of them together is what
        the logarithm of the volume may still fall by.
        """
        n_walls = self.shares.size * (1 if np.isinf(price) else 2)
        width = 1 / n_walls
        while len(self.corners) > 1 and not self._is_over:
            self.n_iter += 1
            if not self._step(price, width, SETTLED * n_walls * width):
                if n_walls * width <= tol:
                    break
                width *= NARROWER
            self.history.append(abs(linalg.det(self.corners)))
            self.was_stopped = self.is_stopped(self.n_iter / self.max_iter, self.history[-1])
        return not self._is_over

    def _step(self, price, width, least_gain):
        """Go one step of Newton's method; return whether it was worth it."""
        here, turn, gain = newton_step(self.shares, price, width, self._ways)
        if gain < least_gain:
            return False
        change = self.shares @ turn
        length = longest(self.shares, change) if np.isinf(price) else 1.0
        while length > LEAST_STEP:
            whole = np.eye(len(turn)) + length * turn
            volume = linalg.det(whole)
            if volume > 0:
                there = walls(self.shares + length * change, price, width)[0] - np.log(volume)
                if there <= here - 1e-4 * length * gain:  # Armijo's condition
                    self._place(linalg.solve(whole, self.corners))
                    return True
            length /= 2
        return False


def walls(shares, price, width):
    """Return what shares cost between walls, its slope downwards, and its curvature.

    Above zero shares cost next to nothing; below, the price for each unit, or more than any at an
    infinite price. The corner between is as round as the walls are wide: of
    ``price * slack - width * (log(slack) + log(share + slack))``, the least for any slack.

    Parameters
    ----------
    shares : ndarray of shape (n_points, n_components)
        Of every corner.
    price : float
        Of a unit below zero.
    width : float
        Of the walls.
    """
    if np.isinf(price):
        return -width * np.log(shares).sum(), width / shares, width / shares**2
    half = width / price
    root = np.sqrt(shares**2 + 4 * half**2)
    slack, room = (root - shares) / 2 + half, (root + shares) / 2 + half
    cost = price * slack.sum() - width * (np.log(slack).sum() + np.log(room).sum())
    return cost, width / room, width / (slack**2 + room**2)


def newton_step(shares, price, width, ways):
    """Return the cost here, the step as a matrix that turns the shares, and what it may gain.

    Where the curvature is negative it is taken for positive, so that the step leads down.

    Parameters
    ----------
    shares, price, width
        As in :func:`walls`.
    ways : ndarray of shape (n_components, n_components - 1)
        In which shares may change so that they go on summing to 1.
    """
    n_corners = len(ways)
    cost, slope, curvature = walls(shares, price, width)
    down = ((np.eye(n_corners) + shares.T @ slope) @ ways).ravel()
    grams = np.stack([(shares * bend[:, None]).T @ shares for bend in curvature.T])
    matrix = np.einsum("kij,ka,kb->iajb", grams, ways, ways)
    matrix += np.einsum("ja,ib->iajb", ways, ways)  # of the logarithm of the volume
    values, vectors = linalg.eigh(matrix.reshape(down.size, down.size))
    values = np.abs(values)
    values = np.maximum(values, SINGULAR * values.max())
    step = vectors @ ((vectors.T @ down) / values)
    return cost, step.reshape(n_corners, -1) @ ways.T, float(step @ down)


def longest(shares, change):
    """Return how much of a change all shares stay above zero with, at most all of it."""
    fastest = (-change / shares).max()
    return min(1.0, TO_THE_WALL / fastest) if fastest > 0 else 1.0


def within(n_corners):
    """Return orthonormal columns that each sum to zero, shape (n_corners, n_corners - 1)."""
    return linalg.qr(np.ones((n_corners, 1)))[0][:, 1:]


def anywhere(points, rng):
    """Return the corners of a simplex about the points that is turned by chance."""
    n_corners = points.shape[1]
    if n_corners == 1:
        return points[:1]
    ways = within(n_corners)
    turn = linalg.qr(rng.standard_normal((n_corners - 1, n_corners - 1)))[0]
    places = points[:, 1:]
    corners = np.ones((n_corners, n_corners))
    corners[:, 1:] = places.mean(axis=0) + WIDE * places.std(axis=0) * (ways @ turn)
    return corners
