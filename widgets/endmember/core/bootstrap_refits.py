"""Counts drawn again, and what a fit of them finds, put beside the first fit."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from threading import Event
from typing import NamedTuple

import numba
import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from endmember.core.draw import draw_counts, draw_sparse
from endmember.core.mcr import MCRALS
from endmember.core.metrics import match_components, spectral_angle
from endmember.core.nmf import NMF
from endmember.core.packing import narrowed, packed
from endmember.core.pca import PCA
from endmember.core.rotation import Rotation
from endmember.core.simplex import SimplexEstimator
from endmember.core.thinning import thin

SIGNED = (PCA, Rotation)  # components have no sign of their own
KNOWN = (NMF, MCRALS, SimplexEstimator, *SIGNED)
SPARSE_BELOW = 0.2  # counts a channel: fewer are drawn count by count
BLOCK = 2**22  # numbers that are drawn at once
TIGHTER = 0.3  # of an estimator's tolerance: refits begin at the fit, and must not stay there
SIDE_BY_SIDE_BELOW = 2e7  # numbers held: more draws at a time would fill the memory
WAITING = 2  # draws for each thread that are begun before the first is taken


class Factors(NamedTuple):
    """Abundances (n_pixels, n_components) and components (n_components, n_channels) of a fit."""

    abundances: np.ndarray
    components: np.ndarray


class Refit(NamedTuple):
    """What the counts of one draw led to, in the order and with the signs of the fit."""

    factors: Factors
    angles: np.ndarray
    has_settled: bool


class Refits:
    """Fits of counts that are drawn again, one for each number.

    Parameters
    ----------
    estimator : CountsEstimator
        Fitted; it stays as it is.
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts, checked.
    kind : {"parametric", "thinning"}
        How counts are drawn.
    start : {"fitted", "own"}
        Where refits begin.
    seed : int
        Where chance begins.
    """

    def __init__(self, estimator, spectra, kind, start, seed):
        self.estimator, self.spectra = estimator, spectra
        self.kind, self.seed = kind, seed
        self.fit = factors_of(estimator, spectra)
        self.is_signed = isinstance(estimator, SIGNED) or bool((self.fit.components < 0).any())
        is_whole = bool(self.fit.components.any(axis=1).all())
        self.is_warm = start == "fitted" and is_whole
        self.was_stopped = Event()
        self.error: Exception | None = None  # of the last draw that failed

    def each(self, n_draws):
        """Yield the refit of every draw in order, None for one that came to no answer."""
        held = self.spectra.nnz if sp.issparse(self.spectra) else self.spectra.size
        n_threads = 1 if held > SIDE_BY_SIDE_BELOW else min(numba.get_num_threads(), n_draws)
        if n_threads == 1:
            yield from map(self._one, range(n_draws))
            return
        # Each in a thread of its own, which is not to share its work out further.
        with ThreadPoolExecutor(n_threads, initializer=lambda: numba.set_num_threads(1)) as pool:
            waiting: deque = deque()
            try:
                for i in range(n_draws):
                    waiting.append(pool.submit(self._one, i))
                    if len(waiting) == WAITING * n_threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                self.was_stopped.set()
                pool.shutdown(cancel_futures=True)

    def _one(self, i):
        rng = np.random.default_rng([self.seed, i])
        try:
            return self._matched(*self._refit(self._drawn(rng), rng))
        except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            self.error = error
            return None

    def _drawn(self, rng):
        if self.kind == "thinning":
            return halved(self.spectra, rng)
        is_sparse = sp.issparse(self.spectra)
        abundances, components = self.fit
        if not self.is_signed and self.spectra.sum() < SPARSE_BELOW * np.prod(self.spectra.shape):
            counts = draw_sparse(abundances, components, rng)
            return counts if is_sparse else packed(counts.toarray())
        form = sp.csr_array if is_sparse else np.asarray
        return draw_dense(abundances, components, rng, form)

    def _refit(self, counts, rng):
        """Return factors, and whether they were found to the tolerance."""
        again = clone(self.estimator)
        settings = again.get_params(deep=False)
        if "callback" in settings:
            again.set_params(callback=lambda _: self.was_stopped.is_set())
        if not isinstance(settings.get("random_state", 0), Integral):
            again.set_params(random_state=int(rng.integers(2**31)))
        if self.is_warm and isinstance(again, NMF):
            return self._nmf(again, counts)
        if self.is_warm and isinstance(again, MCRALS):
            again.set_params(init=self.fit.components.copy())
        again.fit(counts)
        return factors_of(again, counts), True  # a warning says where it was not

    def _nmf(self, again, counts):
        tol = again.tol
        again.set_params(n_restarts=0, tol=TIGHTER * tol)
        run = again._refitted(counts, self.estimator, *self.fit)
        found = Factors(run.abundances, run.components)
        return (found if again.sum_to_one else levelled(found)), run.kkt <= tol

    def _matched(self, found, has_settled):
        """Return a refit with components in the order of the fit, and of its signs."""
        if found.components.shape != self.fit.components.shape:
            return None
        if not all(np.isfinite(part).all() for part in found):
            return None
        measure = unsigned_angle if self.is_signed else None
        match = match_components(found.components, self.fit.components, measure=measure)
        abundances, components = found.abundances[:, match.found], found.components[match.found]
        if self.is_signed:
            signs = np.where((components * self.fit.components).sum(axis=1) < 0, -1.0, 1.0)
            abundances, components = abundances * signs, components * signs[:, None]
        angles = np.where(np.isfinite(match.cost), match.cost, 90.0)  # one that is zero
        return Refit(Factors(abundances, components), angles, has_settled)


def factors_of(estimator, spectra):
    """Return what a fitted estimator says of the spectra that it was fitted to."""
    abundances = getattr(estimator, "abundances_", None)
    if abundances is None:
        abundances = estimator.transform(spectra)
    return Factors(np.asarray(abundances, dtype=np.float64), estimator.components_)


def levelled(factors):
    """Give every component the counts of a mean pixel, as :class:`NMF` does."""
    heights = factors.components.sum(axis=1)
    mean = (factors.abundances @ heights).mean()
    scale = np.divide(mean, heights, out=np.ones_like(heights), where=heights > 0)
    return Factors(factors.abundances / scale, factors.components * scale[:, None])


def draw_dense(abundances, components, rng, form):
    """Draw Poisson counts about a model, some pixels at a time; below zero it counts as zero."""
    n_rows = max(1, BLOCK // components.shape[1])
    blocks = [
        form(draw_counts(np.clip(abundances[start : start + n_rows] @ components, 0, None), rng))
        for start in range(0, len(abundances), n_rows)
    ]
    stacked = sp.vstack(blocks, format="csr") if form is sp.csr_array else np.concatenate(blocks)
    return narrowed(sp.csr_array(stacked)) if sp.issparse(stacked) else stacked


def halved(spectra, rng):
    """Keep each count with probability 1/2, twice: mean and variance are then the counts."""
    kept, _ = thin(spectra, 0.5, seed=int(rng.integers(2**31)))
    most = kept.data.max(initial=0) if sp.issparse(kept) else kept.max(initial=0)
    return 2 * kept.astype(np.result_type(np.uint8, np.min_scalar_type(2 * int(most))))


def unsigned_angle(spectra, others):
    """Return the angle between spectra that have no sign, in degrees."""
    angles = spectral_angle(spectra, others)
    return np.minimum(angles, 180.0 - angles)
