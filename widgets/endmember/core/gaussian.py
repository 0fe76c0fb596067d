"""The sum of squares between counts and a factorisation, and how to lower it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember.core.blocks import row_blocks
from endmember.core.nonnegative import solve_nonnegative

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

    Parameters
    ----------
    spectra : Spectra or ShortSpectra
        Counts, or what stands for them in products.
    """

    def __init__(self, spectra):
        self.spectra = spectra
        self.squares = spectra.squares()
        self._known: dict = {}

    def abundances(self, components):
        """Return the abundances to begin with."""
        return self.improve_abundances(None, components)[0]

    def improve_abundances(self, abundances, components):
        """Return optimal abundances, and how far the present ones were from it."""
        gram, corr = components @ components.T, self._product("times", components.T, components)
        return solve_nonnegative(gram, corr), self._away(gram, corr, abundances)

    def improve_components(self, abundances, components):
        """Return optimal components, and how far the present ones were from it."""
        gram = abundances.T @ abundances
        corr = self._product("turned_times", abundances, abundances)
        return solve_nonnegative(gram, corr).T.copy(), self._away(gram, corr, components.T)

    def objective(self, abundances, components):
        """Return half the sum of squares."""
        corr = self._product("turned_times", abundances, abundances)
        own = ((abundances.T @ abundances) * (components @ components.T)).sum()
        return float(max(0.0, (self.squares - 2 * np.vdot(corr.T, components) + own) / 2))

    def feasible(self, abundances):
        """Return abundances that may begin a round."""
        return abundances

    def _product(self, which, matrix, factor):
        """Multiply the spectra; remember the last product with either factor."""
        if self._known.get(which, (None,))[0] is not factor:
            self._known[which] = factor, getattr(self.spectra, which)(matrix)
        return self._known[which][1]

    def _away(self, gram, corr, factor):
        if factor is None:
            return np.inf
        return float(np.abs(factor * (factor @ gram - corr)).sum() / max(self.squares, 1e-300))
