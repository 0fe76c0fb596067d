"""The sum of squares between counts and a factorisation, and how to lower it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from endmember.core.blocks import row_blocks
from endmember.core.nonnegative import solve_nonnegative, solve_sum_to_one

SWEEPS = 20  # of a penalised step, at most: they cost no pass over the counts
SETTLED = 1e-4  # relative change at which they end
MOST_BYTES = 2e9  # of dense counts in float64: beyond, they are converted block by block


class Spectra:
    """Counts that are multiplied many times: converted once where memory allows.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    """

    def __init__(self, spectra):
        self.shape = spectra.shape
        fits = sp.issparse(spectra) or 8 * spectra.size <= MOST_BYTES
        self.values = spectra.astype(np.float64, copy=False) if fits else spectra

    def times(self, matrix):
        """Return ``spectra @ matrix``."""
        parts = [np.asarray(block @ matrix) for block in self._blocks()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def turned_times(self, matrix):
        """Return ``spectra.T @ matrix``."""
        found, start = np.zeros((self.shape[1], matrix.shape[1])), 0
        for block in self._blocks():
            found += block.T @ matrix[start : start + block.shape[0]]
            start += block.shape[0]
        return found

    def squares(self):
        """Return the sum of squares."""
        parts = (b.data if sp.issparse(b) else b for b in self._blocks())
        return float(sum(np.vdot(part, part) for part in parts))

    def _blocks(self):
        if self.values.dtype == np.float64:
            return [self.values]
        return (block.astype(np.float64) for block in row_blocks(self.values))


class GaussianProblem:
    """Half the sum of squares of counts and model, each factor exactly optimal in its turn.

    Where numbers are missing the present model stands in for them [1]_, which never raises the sum
    over the others.

    Parameters
    ----------
    spectra : Spectra or ShortSpectra
        Counts, or what stands for them in products.
    missing : CSR array of shape (n_pixels, n_channels), optional
        1 where a number is missing; `spectra` hold zero there.
    sum_to_one : bool, default=False
        Whether the abundances of every pixel sum to one.
    penalty : Penalty, optional
        Added to half the sum of squares.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, J. Royal Statistical Society B 39 (1977) 1,
       doi:10.1111/j.2517-6161.1977.tb01600.x.
    """

    def __init__(self, spectra, *, missing=None, sum_to_one=False, penalty=None):
        self.spectra = spectra
        self.squares = self.scale = spectra.squares()
        self.gaps: Any = None if missing is None else missing.tocoo()
        self.sum_to_one, self.penalty = sum_to_one, penalty
        self._known: dict = {}

    def abundances(self, components):
        """Return the abundances to begin with."""
        corr = self._product("times", components.T, components)
        return solve_nonnegative(components @ components.T, corr)

    def improve_abundances(self, abundances, components):
        """Return optimal abundances, and how far the present ones were from it."""
        gram, corr = components @ components.T, self._product("times", components.T, components)
        if self.gaps is not None:
            corr = corr + self._stand_in(abundances, components) @ components.T
        away = self._away(gram, corr, abundances)
        if self.sum_to_one:
            return solve_sum_to_one(gram, corr), away
        return solve_nonnegative(gram, corr), away

    def improve_components(self, abundances, components):
        """Return optimal components, and how far the present ones were from it."""
        gram = abundances.T @ abundances
        corr = self._product("turned_times", abundances, abundances)
        if self.gaps is not None:
            corr = corr + self._stand_in(abundances, components).T @ abundances
        if self.penalty is not None:
            return self._improve_penalised(gram, corr, abundances, components)
        return solve_nonnegative(gram, corr).T.copy(), self._away(gram, corr, components.T, True)

    def _improve_penalised(self, gram, corr, abundances, components):
        """Lower a parabola above the penalised objective, again and again: it costs no product."""
        best, away = components, None
        for _ in range(SWEEPS):
            bends, slopes = self.penalty.bound(best)
            if away is None:
                away = self._away(gram + bends, corr - slopes.T, best.T, True)
            found = solve_nonnegative(gram + bends, corr - slopes.T).T.copy()
            change = np.abs(found - best).sum()
            best = self.penalty.towards(best, found, lambda s: self._bound(gram, corr, s))
            if change <= SETTLED * np.abs(best).sum():
                break
        return best, away

    def _bound(self, gram, corr, components):
        """Return the objective but for what the components do not change; missing as filled in."""
        fit = np.vdot(gram, components @ components.T) / 2 - np.vdot(corr.T, components)
        return fit + self.penalty.value(components)

    def objective(self, abundances, components):
        """Return half the sum of squares, and the penalty."""
        corr = self._product("turned_times", abundances, abundances)
        own = ((abundances.T @ abundances) * (components @ components.T)).sum()
        if self.gaps is not None:
            own -= (self._stand_in(abundances, components).data ** 2).sum()
        half = float(max(0.0, (self.squares - 2 * np.vdot(corr.T, components) + own) / 2))
        return half if self.penalty is None else half + self.penalty.value(components)

    def settled(self, abundances, components):
        """Return what rounds may begin with: every one of them is exact from the first on."""
        return abundances, components

    def feasible(self, abundances):
        """Return abundances that may begin a round."""
        return on_simplex(abundances) if self.sum_to_one else abundances

    def _stand_in(self, abundances, components):
        """Return the model where numbers are missing."""
        row, col = self.gaps.row, self.gaps.col
        model = np.zeros(row.size)
        for abundance, spectrum in zip(abundances.T, components, strict=True):
            model += abundance[row] * spectrum[col]
        return sp.csr_array((model, (row, col)), shape=self.gaps.shape)

    def _product(self, which, matrix, factor):
        """Multiply the spectra; remember the last product with either factor."""
        if self._known.get(which, (None,))[0] is not factor:
            self._known[which] = factor, getattr(self.spectra, which)(matrix)
        return self._known[which][1]

    def _away(self, gram, corr, factor, is_free=False):
        slopes = factor @ gram - corr
        if self.sum_to_one and not is_free:
            slopes -= (factor * slopes).sum(axis=1, keepdims=True)
        return float(np.abs(factor * slopes).sum() / max(self.squares, 1e-300))


def on_simplex(abundances):
    """Return abundances divided by their sum; even ones where there are none."""
    sums = abundances.sum(axis=1, keepdims=True)
    even = np.full_like(abundances, 1 / abundances.shape[1])
    return np.divide(abundances, sums, out=even, where=sums > 0)
