"""Unmixing by Gibbs sampling: not one answer, but how far the counts leave it open."""

from __future__ import annotations

import warnings
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember._kernels.gibbs import mean_row_gaussian, mean_row_poisson
from endmember.core.bayes_chains import GaussianChain, Plan, PoissonChain, Prior, as_counts
from endmember.core.bayes_draws import summarise
from endmember.core.blocks import stack_blocks
from endmember.core.checks import ScaledCountsWarning, level_of_caller
from endmember.core.estimators import CountsEstimator
from endmember.core.metrics import match_components
from endmember.core.nmf import NMF
from endmember.core.nmf_starts import from_corners, summed_to_one
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.pca import PCA
from endmember.core.progress import CancelledError, is_stopped_by
from endmember.core.threads import even_parts, in_parts

LIKELIHOODS = ("poisson", "gaussian")
STARTS = ("nmf", "nfindr")
START_ROUNDS = 50  # of NMF, at most: sampling goes on from there
FEWEST_DRAWS = 10  # of one chain: below, nothing can be said of it
ENOUGH = 50  # sweeps of one chain that are worth keeping where a callback stops it
REPORTS = 100  # to a callback
LEAST = 1e-30  # counts: draws are kept as float32, which holds no squares of less
MOST = {"poisson": 1e15, "gaussian": 1e30}  # counts: more are not shared out one by one, or kept
LARGE_R_HAT = 1.05
BY_CHANCE = 0.05  # of all numbers that may have a larger R-hat though all is well
SMALL_ESS = 100  # median of one component
TRANSFORM_BURN = 50  # sweeps: with known spectra a pixel forgets its start at once
PIXELS_AT_ONCE = 256


class BayesianUnmixing(CountsEstimator):
    """Sample spectra and abundances from all that explain the counts, and say how sure each is.

    ``X ≈ abundances @ components_``, nothing negative. Chains of Gibbs sampling [1]_ [2]_ draw one
    group of numbers after the other from what the counts and the others leave open: in the end
    from the posterior distribution. Its mean is the answer, and its 95 % highest-density intervals
    say how far off that may be.

    Parameters
    ----------
    n_components : int, default=3
        How many spectra mix; turning it up explains more of the counts, and leaves each spectrum
        less certain.
    likelihood : {"poisson", "gaussian"}, default="poisson"
        Noise of counting, for whole numbers of counts; or even Gaussian noise, whose variance is
        sampled too.
    sum_to_one : bool, default=True
        Whether the abundances of every pixel sum to one; spectra are then in counts of a pure
        pixel, for maps of even thickness. Otherwise every spectrum holds `dose` counts, and
        abundances hold thickness times share.
    dose : float, optional
        Expected counts of a pure pixel a priori; by default the mean of X. Turning it up makes
        the prior of the spectra wider, or without `sum_to_one` the spectra higher and the
        abundances lower.
    spectra_concentration : float, default=1
        Shape of the prior of the spectra: gamma distributed channels of mean ``dose / n_channels``,
        or without `sum_to_one` Dirichlet's distribution times `dose`. Turning it up draws spectra
        to an even one; below 1, to few lines.
    abundance_concentration : float, default=1
        Shape of the prior of the abundances: Dirichlet's distribution, or without `sum_to_one`
        gamma distributions of mean ``1 / n_components``. Turning it up draws pixels to an even
        mixture; below 1, to pure ones.
    n_projections : int, optional
        With Gaussian noise: spectra lie in the subspace of so many principal components [1]_, and
        are sampled along these, cut off where a channel would be negative. Turning it up leaves
        them more freedom; None leaves all of it. Noise that turns the subspace itself is in no
        interval: with fewer projections than channels those of the spectra are too short.
    start : {"nmf", "nfindr"} or array_like of shape (n_components, n_channels), default="nmf"
        Where chains begin, each with a jitter of its own: what :class:`NMF` finds in few rounds,
        the purest pixels (:class:`NFINDR`), or spectra in counts.
    n_samples : int, default=1000
        Sweeps over all numbers of each chain that count. Turning it up takes longer, and leaves
        less chance in the result.
    n_burn : int, default=500
        Sweeps before them that do not, of each chain. Turning it up forgets more of the start.
    n_chains : int, default=2
        Chains, side by side in threads; turning it up shows better whether they agree.
    thin : int, default=1
        Sweeps from one draw to the next; turning it up saves memory, and loses precision.
    random_state : int or numpy.random.RandomState, default=0
        Where chance begins; the same number gives the same bits, in any number of threads.
    callback : callable, optional
        Called with a :class:`Progress` after every hundredth part, whose objective is minus the
        mean logarithm of the posterior density. Where it returns True, what was drawn is kept if
        each chain has 50 sweeps that count, and 10 draws.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Posterior mean of the spectra in counts, the one with most counts in X first.
    components_interval_ : ndarray of shape (2, n_components, n_channels)
        Lower and upper ends of their 95 % highest-density intervals, in counts.
    abundances_ : ndarray of shape (n_pixels, n_components)
        Posterior mean of the abundances of X, dimensionless.
    abundances_interval_ : ndarray of shape (2, n_pixels, n_components)
        Lower and upper ends of their 95 % highest-density intervals.
    components_ess_, abundances_ess_ : ndarray of the shapes of the means
        Effective sample size: how many independent draws the draws kept are worth [3]_.
    components_r_hat_, abundances_r_hat_ : ndarray of the shapes of the means
        Split R-hat: 1 where chains agree [3]_.
    noise_variance_ : float
        Posterior mean of the variance of Gaussian noise in counts squared; NaN for Poisson noise.
    log_posterior_ : ndarray of shape (n_chains, n_sweeps)
        Logarithm of the posterior density up to a constant, after every sweep, `n_burn` included.
    n_features_in_ : int
        Number of channels.

    Raises
    ------
    CancelledError
        Where the callback stops the fit before enough is drawn.

    Warns
    -----
    ConvergenceWarning
        Where R-hat is above 1.05 for more numbers than by chance, one in twenty, or the median
        effective sample size of a component is below 100.
    ScaledCountsWarning
        Where Poisson noise is asked for, and counts are no whole numbers.

    Notes
    -----
    Poisson: in every sweep each count is given to one component, by chance in proportion to what
    each explains of it; it takes time in proportion to counts that are not zero. With the counts
    of each component known, conditionals are exact: gamma for spectra and Dirichlet for shares if
    the heights of spectra are free, Dirichlet for spectra and gamma for abundances if they are
    not. In the former case each spectrum is filled up to the highest by a channel that nobody
    saw, whose counts are drawn too; only then the shares have Dirichlet's distribution. Fractions
    of a count go to one component as a whole, which is not exact.

    Gaussian: conditionals are normal, cut off at zero, one number at a time, or a pair where a sum
    stays. Concentrations other than 1 are met by a step of Metropolis and Hastings. Far below 1
    it seldom leaves zero.

    The more counts a pixel holds, the less each sweep moves, since its counts were shared out by
    the abundances before: from about a thousand counts in a pixel on, chains for Poisson noise
    need many more sweeps than the default, and say so; Gaussian ones fewer of them. Where few
    pixels are pure, it is the prior that tells spectra from abundances: intervals hold for
    those who believe it. See what other concentrations change.

    Memory holds sums of all draws, and for intervals at most 500 evenly spaced draws of the
    abundances, of all chains together, as float32, fewer where they take more than 200 MB but 20
    of each chain; of the spectra all draws, up to 200 MB. Chains are matched with each other by
    the angles of their spectra; within a chain components are taken to keep their places.

    ``transform`` returns the posterior mean of abundances under the mean spectra, by sampling each
    pixel with the same seed: pixels do not depend on each other. `abundances_` were drawn
    together with the spectra, and know of their uncertainty.

    References
    ----------
    .. [1] N. Dobigeon et al., IEEE Trans. Signal Processing 57 (2009) 4355,
       doi:10.1109/TSP.2009.2025797.
    .. [2] N. Dobigeon and N. Brun, Ultramicroscopy 120 (2012) 25,
       doi:10.1016/j.ultramic.2012.05.006.
    .. [3] A. Vehtari et al., Bayesian Analysis 16 (2021) 667, doi:10.1214/20-BA1221.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", shape=(12, 12), dose=20)
    >>> model = em.BayesianUnmixing(3, n_samples=400, n_burn=100).fit(scene.image.spectra)
    >>> low, high = model.abundances_interval_
    >>> bool(((low <= model.abundances_) & (model.abundances_ <= high)).mean() > 0.99)
    True
    """

    def __init__(
        self,
        n_components=3,
        *,
        likelihood="poisson",
        sum_to_one=True,
        dose=None,
        spectra_concentration=1.0,
        abundance_concentration=1.0,
        n_projections=None,
        start="nmf",
        n_samples=1000,
        n_burn=500,
        n_chains=2,
        thin=1,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.likelihood = likelihood
        self.sum_to_one = sum_to_one
        self.dose = dose
        self.spectra_concentration = spectra_concentration
        self.abundance_concentration = abundance_concentration
        self.n_projections = n_projections
        self.start = start
        self.n_samples = n_samples
        self.n_burn = n_burn
        self.n_chains = n_chains
        self.thin = thin
        self.random_state = random_state
        self.callback = callback

    def _fit(self, spectra):
        counts = as_counts(stack_blocks(spectra))
        self._check_reach("counts X go", counts.values)
        self._warn_of_fractions(counts)
        rng = check_random_state(self.random_state)
        *seeds, self._seed = rng.randint(2**31 - 1, size=self.n_chains + 1).tolist()
        self._prior = self._prior_of(counts)
        chains = self._chains(counts, self._first_spectra(counts, rng), seeds)
        was_stopped = self._sample(chains)
        self._publish(chains)
        if not was_stopped:
            self._warn_of_chance()

    def _transform(self, spectra):
        counts = as_counts(stack_blocks(spectra))
        self._check_reach("counts X go", counts.values)
        self._warn_of_fractions(counts)
        sums = np.add.reduceat(np.append(counts.values, 0.0), counts.indptr[:-1], dtype=np.float64)
        sums[np.diff(counts.indptr) == 0] = 0.0
        means = np.full((counts.shape[0], self._prior.n_components), 1 / self._prior.n_components)
        if not self._prior.sums_to_one:
            means *= (sums[:, None] + 1) / (self._prior.dose + 1)
        average = self._average_poisson if self.likelihood == "poisson" else self._average_gaussian
        parts = even_parts(counts.shape[0], PIXELS_AT_ONCE)
        in_parts(lambda start, stop: average(counts, means, start, stop), parts)
        return means

    def _average_poisson(self, counts, means, start, stop):
        """Sample the abundances of some pixels, each one from the same seed."""
        rng, settings = np.random.default_rng(self._seed), self._row_settings()
        begin, spectra = rng.bit_generator.state, np.ascontiguousarray(self.components_.T)
        unused = np.empty(spectra.shape)
        for p in range(start, stop):
            rng.bit_generator.state = begin
            held = slice(counts.indptr[p], counts.indptr[p + 1])
            row = counts.indices[held], counts.values[held]
            mean_row_poisson(rng, *row, spectra, *settings, unused, means[p])

    def _average_gaussian(self, counts, means, start, stop):
        """Do the same for Gaussian noise."""
        rng, settings = np.random.default_rng(self._seed), self._row_settings()
        begin, gram = rng.bit_generator.state, self.components_ @ self.components_.T
        products = np.asarray(counts.rows[start:stop] @ self.components_.T)
        for p in range(start, stop):
            rng.bit_generator.state = begin
            row = products[p - start]
            mean_row_gaussian(rng, row, gram, self.noise_variance_, *settings, means[p])

    def _row_settings(self):
        prior = self._prior
        return prior.abundances, prior.sums_to_one, TRANSFORM_BURN, int(self.n_samples)

    def _prior_of(self, counts):
        dose = counts.total / counts.shape[0] if self.dose is None else self.dose
        return Prior(
            spectra=float(self.spectra_concentration),
            abundances=float(self.abundance_concentration),
            dose=float(dose),
            sums_to_one=bool(self.sum_to_one),
            n_channels=counts.shape[1],
            n_components=int(self.n_components),
        )

    def _chains(self, counts, spectra, seeds):
        plan = Plan(self.n_burn, self.n_samples, self.thin, self.n_chains)
        given = counts, self._prior, plan, spectra
        rngs = map(np.random.default_rng, seeds)
        if self.likelihood == "poisson":
            return [PoissonChain(*given, rng) for rng in rngs]
        axes = self._axes(counts)
        return [GaussianChain(*given, rng, axes) for rng in rngs]

    def _axes(self, counts):
        """Return the subspace of the spectra, None where it is the whole space."""
        if self.n_projections is None:
            return None
        return PCA(self.n_projections, weighting="none")._fit_within(counts.rows).components_

    def _first_spectra(self, counts, rng):
        if not isinstance(self.start, str):
            return np.array(self.start, dtype=np.float64)
        if self.start == "nmf":
            nmf = NMF(
                self.n_components,
                loss=self.likelihood,
                sum_to_one=bool(self.sum_to_one),
                max_iter=START_ROUNDS,
                random_state=rng,
                callback=lambda progress: progress.fraction >= 1,  # without a word of warning
            )
            return nmf._fit_within(counts.rows).components_
        corners = from_corners(counts.rows, self.n_components, rng)
        products = np.asarray(counts.rows @ corners.T)
        return summed_to_one(solve_nonnegative(corners @ corners.T, products), corners)[1]

    def _sample(self, chains):
        """Let all chains draw, side by side; return whether they were stopped."""
        n_sweeps = chains[0].plan.n_sweeps
        cuts = np.unique(np.linspace(0, n_sweeps, REPORTS + 1).astype(int)).tolist()
        for start, stop in pairwise(cuts):
            in_parts(lambda chain, n: chain.advance(n), [(c, stop - start) for c in chains])
            found = np.mean([chain.log_posterior[-1] for chain in chains])
            if is_stopped_by(self.callback, stop / n_sweeps, -found) and stop < n_sweeps:
                self._check_enough(chains[0])
                return True
        return False

    def _check_enough(self, chain):
        n_draws = len(chain.drawn_abundances.kept)
        if chain.n_drawn < min(ENOUGH, self.n_samples) or n_draws < FEWEST_DRAWS:
            raise CancelledError(
                f"the callback stopped the fit with {chain.n_drawn} sweeps and {n_draws} draws of "
                f"each chain; {ENOUGH} and {FEWEST_DRAWS} are needed after n_burn={self.n_burn} "
                "for an answer. Nothing was fitted."
            )

    def _publish(self, chains):
        orders = self._orders(chains)
        spectra = summarise([chain.drawn_spectra for chain in chains], orders)
        pixels = summarise([chain.drawn_abundances for chain in chains], orders)
        self.components_ = np.ascontiguousarray(spectra.mean.T)
        self.components_interval_ = np.ascontiguousarray(spectra.interval.swapaxes(1, 2))
        self.components_ess_, self.components_r_hat_ = spectra.ess.T, spectra.r_hat.T
        self.abundances_, self.abundances_interval_ = pixels.mean, pixels.interval
        self.abundances_ess_, self.abundances_r_hat_ = pixels.ess, pixels.r_hat
        self.log_posterior_ = np.array([chain.log_posterior for chain in chains])
        self.noise_variance_ = float("nan")
        if self.likelihood == "gaussian":
            self.noise_variance_ = float(np.mean([chain.variances for chain in chains]))

    def _orders(self, chains):
        """Return the components of every chain, brightest of the first one first."""
        spectra = [chain.drawn_spectra.mean.T for chain in chains]
        counts = chains[0].drawn_abundances.mean.sum(axis=0) * spectra[0].sum(axis=1)
        first = spectra[0][np.argsort(-counts, kind="stable")]
        return [match_components(found, first).found for found in spectra]

    def _warn_of_scaling(self, spectra):
        """Wait until all counts are in memory; see :meth:`_warn_of_fractions`."""

    def _warn_of_fractions(self, counts):
        if self.likelihood != "poisson":
            return
        fractions = counts.values[np.rint(counts.values) != counts.values]
        if fractions.size:
            warnings.warn(
                f"counts X hold {fractions.size} numbers that are not whole, such as "
                f"{fractions[0]:.3g}, but each count comes from one component, and a part of one "
                "does not: intervals are not exact. Pass the counts themselves, or take their "
                "noise for even: likelihood='gaussian'.",
                ScaledCountsWarning,
                stacklevel=level_of_caller(),
            )

    def _warn_of_chance(self):
        r_hat = self.components_r_hat_, self.abundances_r_hat_
        shares = [float((found > LARGE_R_HAT).mean()) for found in r_hat]
        sizes = [
            float(np.median(self.components_ess_, axis=1).min()),
            float(np.median(self.abundances_ess_, axis=0).min()),
        ]
        if max(shares) > BY_CHANCE or min(sizes) < SMALL_ESS:
            warnings.warn(
                f"chains of n_burn={self.n_burn} and n_samples={self.n_samples} sweeps have not "
                f"told enough: R-hat is above {LARGE_R_HAT} for {shares[0]:.0%} of the numbers in "
                f"spectra and {shares[1]:.0%} of those in maps, and the least certain component "
                f"has effective sample sizes of {sizes[0]:.0f} and {sizes[1]:.0f} (medians); "
                "raise n_samples, and n_burn where R-hat is large.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def _check_settings(self):
        super()._check_settings()
        for name, least in [("n_samples", 1), ("n_burn", 0), ("n_chains", 1), ("thin", 1)]:
            check_scalar(getattr(self, name), name, Integral, min_val=least)
        check_scalar(self.sum_to_one, "sum_to_one", (bool, np.bool_))
        for name in ("spectra_concentration", "abundance_concentration", "dose"):
            if name != "dose" or self.dose is not None:
                _check_positive(getattr(self, name), name)
        if self.likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood is {self.likelihood!r}; choose one of {LIKELIHOODS}.")
        if self.dose is not None:
            self._check_reach("dose goes", np.array([self.dose]))
        if isinstance(self.start, str) and self.start not in STARTS:
            raise ValueError(f"start is {self.start!r}; choose one of {STARTS}, or pass spectra.")
        if self.n_samples // self.thin < FEWEST_DRAWS:
            raise ValueError(
                f"n_samples={self.n_samples} with thin={self.thin} leaves "
                f"{self.n_samples // self.thin} draws of each chain; {FEWEST_DRAWS} are the least. "
                "Raise n_samples, or lower thin."
            )
        self._check_projections()

    def _check_projections(self):
        if self.n_projections is None:
            return
        least = self.n_components
        check_scalar(self.n_projections, "n_projections", Integral, min_val=least)
        if self.likelihood != "gaussian":
            raise ValueError(
                f"n_projections={self.n_projections} needs likelihood='gaussian'; Poisson counts "
                "are sampled channel by channel. Leave it at None."
            )

    def _check_shape(self, shape):
        super()._check_shape(shape)
        if self.n_projections is not None and self.n_projections > min(shape):
            raise ValueError(
                f"n_projections={self.n_projections} is more than {min(shape)}, the smaller of "
                f"{shape[0]} pixels and {shape[1]} channels; ask for fewer."
            )
        if not isinstance(self.start, str):
            _check_start(self.start, (self.n_components, shape[1]))
            self._check_reach("start goes", np.asarray(self.start))

    def _check_reach(self, what, values):
        highest, most = float(values.max(initial=0.0)), MOST[self.likelihood]
        if highest > most or 0 < highest < LEAST:
            raise ValueError(
                f"{what} up to {highest:g}, but {self.likelihood} noise is sampled between "
                f"{LEAST:g} and {most:g}; multiply all counts by a power of ten that brings them "
                "near 1."
            )


def _check_positive(value, name):
    check_scalar(value, name, Real, min_val=0, include_boundaries="neither")
    if not np.isfinite(value):
        raise ValueError(f"{name}={value} must be a finite number above zero.")


def _check_start(start, shape):
    found = np.asarray(start, dtype=np.float64)
    if found.shape != shape:
        raise ValueError(
            f"start has shape {found.shape}; expected spectra of shape {shape}, (n_components, "
            "n_channels)."
        )
    if not np.isfinite(found).all() or (found < 0).any() or not found.any(axis=1).all():
        raise ValueError(
            "start holds NaN, inf, negative counts or a spectrum of zeros; clip it with "
            "np.clip(start, 0, None), and leave spectra of zeros out."
        )
