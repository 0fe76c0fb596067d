"""A factorisation block by block: what every block said when it was last seen, and no counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from endmember.core.blocks import row_blocks
from endmember.core.nonnegative import solve_nonnegative

MOST_STEPS = 30  # towards the abundances of one block
CLOSE = 1e-3  # of the counts: abundances are found well enough for now
ROUNDS = 2  # with a block whenever it comes
FAINTEST = 1e-6  # of a block's mean: no smaller model is divided by


@dataclass
class Said:
    """What one block, or all, said of the components: normal equations in every channel.

    Attributes
    ----------
    grams : ndarray of shape (n_components, n_components, n_channels or 1)
        Products of abundances, divided by the variance of the counts.
    corrs : ndarray of shape (n_components, n_channels)
        Abundances times counts, divided by the variance of the counts.
    sums : ndarray of shape (n_components,)
        Of the abundances.
    n_pixels : int
        Pixels.
    """

    grams: np.ndarray
    corrs: np.ndarray
    sums: np.ndarray
    n_pixels: int

    def plus(self, other, sign=1):
        """Return what both said, or the difference."""
        mine, theirs = vars(self), vars(other)
        return Said(**{key: mine[key] + sign * theirs[key] for key in mine})


class Online:
    """Components that learn from block after block.

    Every block leaves normal equations for the components, Gaussian ones [1]_ or those of Fisher's
    scoring for Poisson counts [2]_, and these are added up. A block that comes again replaces what
    it said before [3]_: passes over the same blocks lead to where all of them are optimal.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_channels), counts
        Where to begin.
    loss : {"poisson", "gaussian"}
        What is lowered.

    References
    ----------
    .. [1] J. Mairal et al., J. Machine Learning Research 11 (2010) 19,
       https://jmlr.org/papers/v11/mairal10a.html.
    .. [2] J. A. Nelder and R. W. M. Wedderburn, J. Royal Statistical Society A 135 (1972) 370,
       doi:10.2307/2344614.
    .. [3] R. M. Neal and G. E. Hinton, in Learning in Graphical Models (1998) 355,
       doi:10.1007/978-94-011-5014-9_12.
    """

    def __init__(self, components, loss):
        self.components, self.loss = components, loss
        self.said: dict[str, Said] = {}
        self.all: Any = None  # what is said by all blocks, once there is one
        self.n_blocks, self.n_pixels, self._order = 0, 0, hashlib.sha256()

    @property
    def hash(self):
        """The hash of all blocks so far, in their order."""
        return self._order.hexdigest()

    def take(self, name, problem, counts):
        """Take in one block, and improve the components.

        Parameters
        ----------
        name : str
            Hash of the block.
        problem : PoissonProblem or GaussianProblem
            That of the block.
        counts : ndarray or CSR array of shape (n_pixels, n_channels)
            The block.
        """
        self._order.update(name.encode())
        self.n_blocks, self.n_pixels = self.n_blocks + 1, self.n_pixels + counts.shape[0]
        for _ in range(ROUNDS):
            self.components = _lit(self.components, counts)
            abundances = self._abundances(problem)
            said = self._listen(problem, counts, abundances)
            others = self.all
            if name in self.said and others is not None:
                others = others.plus(self.said[name], sign=-1)
            self.all = said if others is None else others.plus(said)
            self.said[name] = said
            self.components = _solved(self.all)

    def _abundances(self, problem):
        abundances = problem.feasible(problem.abundances(self.components))
        for _ in range(MOST_STEPS):
            abundances, away = problem.improve_abundances(abundances, self.components)
            if away <= CLOSE:
                break
        return abundances

    def _listen(self, problem, counts, abundances):
        sums, n_pixels = abundances.sum(axis=0), len(abundances)
        if self.loss == "gaussian":
            grams = (abundances.T @ abundances)[:, :, None]
            return Said(grams, problem.spectra.turned_times(abundances).T, sums, n_pixels)
        grams, corrs = _scoring(counts, abundances, self.components)
        return Said(grams, corrs, sums, n_pixels)


def _lit(components, counts):
    """Return components with next to nothing where counts come to a channel that had none.

    As little as earlier blocks were weighed with there: what they said stays right.
    """
    is_new = ~components.any(axis=0) & (np.asarray(counts.sum(axis=0)).ravel() > 0)
    return (
        np.where(is_new, FAINTEST * components.mean(), components) if is_new.any() else components
    )


def _scoring(counts, abundances, components):
    """Return the normal equations of Fisher's scoring for components, at the present ones.

    Their variance is the model; where it explains the counts on average, nothing changes.
    """
    n_components, n_channels = components.shape
    grams, corrs = np.zeros((n_components**2, n_channels)), np.zeros(components.shape)
    least = FAINTEST * float((abundances @ components.mean(axis=1)).mean())
    start = 0
    for block in row_blocks(counts):
        block = block.toarray() if sp.issparse(block) else block
        shares = abundances[start : start + len(block)]
        model = shares @ components
        weights = 1 / np.maximum(model, max(least, 1e-300))
        pairs = (shares[:, :, None] * shares[:, None, :]).reshape(len(shares), -1)
        grams += pairs.T @ weights
        corrs += shares.T @ ((block - model) * weights)
        start += len(block)
    grams = grams.reshape(n_components, n_components, n_channels)
    return grams, corrs + np.einsum("kjc,jc->kc", grams, components)


def _solved(said):
    """Return the components that solve the normal equations, none of them negative."""
    if said.grams.shape[2] == 1:
        return solve_nonnegative(said.grams[:, :, 0], said.corrs.T).T.copy()
    channels = range(said.corrs.shape[1])
    found = [solve_nonnegative(said.grams[:, :, c], said.corrs[None, :, c])[0] for c in channels]
    return np.array(found).T.copy()
