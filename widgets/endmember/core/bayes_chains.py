"""Chains of Gibbs sampling: counts, a prior, and sweeps that draw every number anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from endmember._kernels.gibbs import (
    draw_channels,
    draw_projections,
    draw_rows_gaussian,
    draw_rows_poisson,
    draw_spectra_free,
    draw_spectra_of_height,
    exchange_channels,
)
from endmember.core.bayes_draws import Draws
from endmember.core.checks import canonical_csr
from endmember.core.nonnegative import solve_nonnegative

EVEN = 0.02  # of an even mixture, in abundances that a chain begins with
JITTER = 0.2  # in the logarithm of spectra that a chain begins with: more than most noise
MOST_DRAWS = 500  # of abundances, of all chains together: an interval asks for no more
MOST_BYTES = 200e6  # of draws of abundances, and as many of spectra
FEWEST = 20  # draws of one chain, whatever they take
BEYOND = 0.01  # of the way to where nothing is negative: on the edge a chain has no room
LEAST = 1e-300
LEAST_NOISE = 1e-9  # of the mean square of the counts: keeps noise-free spectra from no variance


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts as compiled code reads them, row by row.

    Attributes
    ----------
    indptr, indices, values : ndarray
        CSR arrays: int64, int32, and float32 where that holds every value, else float64.
    shape : tuple of int
        ``(n_pixels, n_channels)``.
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    @property
    def rows(self):
        """The same as a CSR array."""
        held = sp.csr_array((self.values, self.indices, self.indptr), shape=self.shape)
        held.has_canonical_format = True
        return held

    @property
    def total(self):
        """Sum of all counts."""
        return float(self.values.sum(dtype=np.float64))

    def squares(self):
        """Return the sum of squares, in counts squared."""
        values = self.values.astype(np.float64)
        return float(values @ values)


def as_counts(spectra):
    """Return an array or CSR array of counts as :class:`Counts`."""
    rows = canonical_csr(spectra)
    if not rows.data.all():
        rows = rows.copy()
        rows.eliminate_zeros()
    small, exact = rows.data.astype(np.float32), rows.data.astype(np.float64)
    values = small if (small == exact).all() else exact
    indptr, indices = rows.indptr.astype(np.int64), rows.indices.astype(np.int32)
    return Counts(indptr, indices, values, rows.shape)


@dataclass(frozen=True)
class Prior:
    """What is believed before the counts are seen.

    Attributes
    ----------
    spectra, abundances : float
        Shapes of their gamma or Dirichlet distributions.
    dose : float
        Mean counts of a spectrum, or all of them.
    sums_to_one : bool
        Whether the abundances of every pixel do. Else every spectrum holds `dose` counts.
    n_channels, n_components : int
        Of the spectra, and how many.
    """

    spectra: float
    abundances: float
    dose: float
    sums_to_one: bool
    n_channels: int
    n_components: int

    @property
    def rate(self):
        """Of the gamma distribution of every channel, per count; zero where the sum is fixed."""
        return self.spectra * self.n_channels / self.dose if self.sums_to_one else 0.0

    def log_density(self, abundances, spectra):
        """Return the logarithm of the density, up to a constant."""
        found = _log_powers(abundances, self.abundances) + _log_powers(spectra, self.spectra)
        if self.sums_to_one:
            return found - self.rate * spectra.sum()
        return found - self.abundances * self.n_components * abundances.sum()


def _log_powers(values, shape):
    return 0.0 if shape == 1 else (shape - 1) * float(np.log(np.maximum(values, LEAST)).sum())


@dataclass(frozen=True)
class Plan:
    """How long chains are, and what they keep.

    Attributes
    ----------
    n_burn, n_samples, thin : int
        Sweeps that are left out, sweeps after them, and sweeps from one draw to the next.
    n_chains : int
        Chains that share the memory.
    """

    n_burn: int
    n_samples: int
    thin: int
    n_chains: int

    @property
    def n_sweeps(self):
        """Of one chain."""
        return self.n_burn + self.n_samples

    def draws(self, shape, most=np.inf):
        """Return where draws of an array are kept, `most` of all chains and so many bytes."""
        fitting = min(most, MOST_BYTES / (4 * np.prod(shape))) / self.n_chains
        n_planned = self.n_samples // self.thin
        return Draws(shape, n_planned, int(max(min(fitting, n_planned), FEWEST)))


class Chain:
    """One chain: where it is, and what it has drawn.

    Parameters
    ----------
    counts : Counts
        What is unmixed.
    prior : Prior
        What is believed of it before.
    plan : Plan
        How long it goes.
    spectra : ndarray of shape (n_components, n_channels)
        Where to begin, in counts.
    rng : numpy.random.Generator
        Where chance comes from.
    """

    def __init__(self, counts, prior, plan, spectra, rng):
        self.counts, self.prior, self.plan, self.rng = counts, prior, plan, rng
        self.spectra = np.ascontiguousarray(self._jittered(spectra).T)
        self.abundances = self._first_abundances()
        self.log_posterior: list[float] = []
        self.drawn_spectra = plan.draws(self.spectra.shape)
        self.drawn_abundances = plan.draws(self.abundances.shape, MOST_DRAWS)
        self._held = counts.indptr, counts.indices, counts.values
        self._by_channel = np.zeros(self.spectra.shape)

    @property
    def n_drawn(self):
        """Sweeps after those that are left out."""
        return max(0, len(self.log_posterior) - self.plan.n_burn)

    def advance(self, n_sweeps):
        """Draw all numbers anew, so many times."""
        for _ in range(n_sweeps):
            self.log_posterior.append(self._sweep())
            if self.n_drawn and self.n_drawn % self.plan.thin == 0:
                self._keep()

    def _keep(self):
        self.drawn_spectra.add(self.spectra)
        self.drawn_abundances.add(self.abundances)

    def _sweep(self):
        raise NotImplementedError

    def _jittered(self, spectra):
        """Return spectra a little off, so that chains begin apart."""
        spectra = spectra * np.exp(JITTER * self.rng.standard_normal(spectra.shape))
        return spectra if self.prior.sums_to_one else _of_height(spectra, self.prior.dose)

    def _first_abundances(self):
        """Return abundances by least squares, and a little of everything."""
        products = np.asarray(self.counts.rows @ self.spectra)
        found = solve_nonnegative(self.spectra.T @ self.spectra, products)
        if self.prior.sums_to_one:
            found = (found + LEAST) / (found + LEAST).sum(axis=1, keepdims=True)
        return (1 - EVEN) * found + EVEN / self.prior.n_components


def _of_height(spectra, height):
    sums = spectra.sum(axis=1, keepdims=True)
    even = np.full_like(spectra, height / spectra.shape[1])
    return np.divide(height * spectra, sums, out=even, where=sums > 0)


class PoissonChain(Chain):
    """A chain for counts with Poisson noise: each count comes from one component, drawn anew."""

    def _sweep(self):
        prior, spectra = self.prior, self.spectra
        before = prior.log_density(self.abundances, spectra)
        found = draw_rows_poisson(
            self.rng,
            *self._held,
            spectra,
            spectra.sum(axis=0),
            prior.abundances,
            prior.sums_to_one,
            self.abundances,
            self._by_channel,
        )
        if prior.sums_to_one:
            totals = self.abundances.sum(axis=0)
            draw_spectra_free(
                self.rng, self._by_channel, totals, prior.spectra, prior.rate, spectra
            )
        else:
            draw_spectra_of_height(self.rng, self._by_channel, prior.dose, prior.spectra, spectra)
        return found + before


class GaussianChain(Chain):
    """A chain for counts with even Gaussian noise, whose variance is drawn too.

    Parameters
    ----------
    counts, prior, plan, spectra, rng
        As for :class:`Chain`.
    axes : ndarray of shape (n_projections, n_channels), optional
        Axes of the subspace in which spectra lie; by default every spectrum is possible.
    """

    def __init__(self, counts, prior, plan, spectra, rng, axes=None):
        super().__init__(counts, prior, plan, spectra, rng)
        self.axes = None if axes is None else _first_along_sums(axes)
        if axes is not None:
            self.spectra = np.ascontiguousarray(self._within(self.spectra.T, axes).T)
            self.abundances = self._first_abundances()
        self._squares = counts.squares()
        self._least = LEAST_NOISE * self._squares / np.prod(counts.shape) + LEAST
        self.variance = max(self._misfit() / np.prod(counts.shape), self._least)
        self.variances: list[float] = []

    def _keep(self):
        super()._keep()
        self.variances.append(self.variance)

    def _misfit(self):
        """Return the squares of what the model leaves of the counts."""
        products = self.counts.rows.T @ self.abundances
        gram = (self.abundances.T @ self.abundances) * (self.spectra.T @ self.spectra)
        return max(self._squares - 2 * float((products * self.spectra).sum()) + gram.sum(), 0.0)

    def _within(self, spectra, axes):
        """Return spectra in the subspace, drawn to its first axis until nothing is negative.

        The first singular vector of counts is nowhere negative (Perron and Frobenius).
        """
        main = np.abs(axes[0]) / np.abs(axes[0]).sum()
        inner = spectra.sum(axis=1, keepdims=True) * main
        found = spectra @ axes.T @ axes
        found += (spectra.sum(axis=1) - found.sum(axis=1))[:, None] * main
        depth = np.divide(-found, inner - found, out=np.zeros_like(found), where=found < 0)
        share = np.minimum(1.0, depth.max(axis=1, keepdims=True) * (1 + BEYOND))
        return np.maximum((1 - share) * found + share * inner, 0.0)

    def _sweep(self):
        prior, spectra = self.prior, self.spectra
        left = self._squares + draw_rows_gaussian(
            self.rng,
            *self._held,
            spectra,
            spectra.T @ spectra,
            self.variance,
            prior.abundances,
            prior.sums_to_one,
            self.abundances,
            self._by_channel,
        )
        half = np.prod(self.counts.shape) / 2
        left = max(left, 0.0) / 2 + self._least
        self.variance = self._draw_variance(left)
        found = -(2 + half) * np.log(self.variance) - left / self.variance
        before = prior.log_density(self.abundances, spectra)
        self._draw_spectra(self.abundances.T @ self.abundances)
        return float(found + before)

    def _draw_variance(self, left):
        """Draw it, given half the squares that the model leaves; its prior is that of two more."""
        return left / self.rng.standard_gamma(1 + np.prod(self.counts.shape) / 2)

    def _draw_spectra(self, gram):
        prior = self.prior
        given = self.rng, gram, self._by_channel, self.variance, prior.spectra
        if self.axes is not None:
            first = 0 if prior.sums_to_one else 1
            draw_projections(*given, prior.rate, self.axes, first, self.spectra)
        elif prior.sums_to_one:
            draw_channels(*given, prior.rate, self.spectra)
        else:
            exchange_channels(*given, self.rng.permutation(prior.n_channels), self.spectra)


def _first_along_sums(axes):
    """Turn axes within their subspace so that all but the first leave the sum of a spectrum."""
    sums = axes.sum(axis=1)
    turned, _ = np.linalg.qr(np.column_stack([sums, np.eye(len(sums))]))
    turned = turned[:, : len(sums)]
    turned[:, 0] *= np.sign(turned[:, 0] @ sums)
    return np.ascontiguousarray(turned.T @ axes)
