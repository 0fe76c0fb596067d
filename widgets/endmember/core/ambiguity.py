"""How far the factors of a mixture can turn into each other while their product stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.optimize import minimize
from scipy.spatial import ConvexHull

from endmember.core.progress import CancelledError, is_stopped_by

FEASIBLE = 1e-7  # below zero, of a row's sum: what a search may leave
INDEPENDENT = 1e-9  # of the largest singular value: below, factors depend on each other
FLAT = 1e-10  # spread of rows of sum 1: less is rounding
PASSES = 2  # from the fit itself, then from the best of all solutions that were found


@dataclass(frozen=True)
class AmbiguityBand:
    """The solutions that fit as well as the one found.

    Attributes
    ----------
    smallest, largest : ndarray of shape (n_components,)
        Least and largest contribution of each component, as the norm of its part of the model
        relative to the norm of the model: dimensionless.
    lower_spectra, upper_spectra : ndarray of shape (n_components, n_channels)
        Counts between which the spectra of the extreme solutions lie.
    lower_abundances, upper_abundances : ndarray of shape (n_pixels, n_components)
        The same of the abundances, dimensionless.
    rotations : ndarray of shape (n_components, 2, n_components, n_components)
        The solutions: ``rotations[k, 0] @ components_`` are the spectra where component `k`
        contributes least, ``rotations[k, 1] @ components_`` where it contributes most.
    """

    smallest: np.ndarray
    largest: np.ndarray
    lower_spectra: np.ndarray
    upper_spectra: np.ndarray
    lower_abundances: np.ndarray
    upper_abundances: np.ndarray
    rotations: np.ndarray


def find_band(abundances, components, constraints, *, max_iter, tol, callback=None):
    """Return the band of non-negative factors; see :meth:`MCRALS.ambiguity_band`."""
    heights = np.ones(len(components)) if constraints.is_closed else components.sum(axis=1)
    _check_independent(abundances, components)
    unit = components / heights[:, None]
    space = Rotations(abundances * heights, unit, constraints)
    n_components = len(unit)
    solutions = [np.eye(n_components)]
    extremes = np.tile(np.eye(n_components), (n_components, 2, 1, 1))
    n_searches = PASSES * 2 * n_components
    for i in range(n_searches):
        k, is_largest = i // 2 % n_components, i % 2
        sign = -1.0 if is_largest else 1.0
        start = min(solutions, key=lambda turn: sign * space.contribution(turn, k))
        extremes[k, is_largest] = space.search(k, sign, start, max_iter=max_iter, tol=tol)
        solutions.append(extremes[k, is_largest])
        if is_stopped_by(callback, (i + 1) / n_searches):
            raise CancelledError("the callback stopped the search; no band was found.")
    return _band(extremes, space, heights)


def _band(extremes, space, heights):
    turns = [np.eye(len(heights)), *extremes.reshape(-1, *extremes.shape[2:])]
    spectra = np.array([turn @ space.spectra for turn in turns]) * heights[:, None]
    maps = np.array([space.abundances @ linalg.inv(turn) for turn in turns]) / heights
    spectra, maps = np.clip(spectra, 0, None), np.clip(maps, 0, None)  # below zero is rounding
    smallest, largest = np.exp(
        [[space.contribution(t, k) for k, t in enumerate(side)] for side in extremes.swapaxes(0, 1)]
    )
    return AmbiguityBand(
        smallest,
        largest,
        spectra.min(axis=0),
        spectra.max(axis=0),
        maps.min(axis=0),
        maps.max(axis=0),
        heights[:, None] * extremes / heights,
    )


class Rotations:
    """The matrices T for which ``abundances @ inv(T)`` and ``T @ spectra`` obey what is known.

    Each row of T sums to 1: spectra of one height keep it, and abundances their sum. What is linear
    in a row, as are known and absent spectra, holds for every choice of the free numbers that are
    searched; what is left are inequalities of the rows that bound all others.

    Parameters
    ----------
    abundances : ndarray of shape (n_pixels, n_components)
        Abundances that were found.
    spectra : ndarray of shape (n_components, n_channels)
        Spectra that were found, of one height unless abundances are closed.
    constraints : Constraints
        What both obey.
    """

    def __init__(self, abundances, spectra, constraints):
        self.abundances, self.spectra = abundances, spectra
        self.gram_maps, self.gram_spectra = abundances.T @ abundances, spectra @ spectra.T
        self.scale = np.log((self.gram_maps * self.gram_spectra).sum()) / 2
        self.channels, self.pixels = extreme_rows(spectra.T), extreme_rows(abundances)
        self.absent = _absent_rows(abundances, constraints.absent_abundances)
        held = constraints.held_spectra()
        rows = [
            _held_rows(spectra, None if held is None else held[k], constraints.is_closed)
            for k in range(len(spectra))
        ]
        self.bases = [linalg.null_space(np.vstack([np.ones(len(spectra)), r])) for r in rows]
        self.ends = np.cumsum([basis.shape[1] for basis in self.bases])

    def contribution(self, turn, k):
        """Return the logarithm of the norm of a component's part, relative to that of the model."""
        row, column = turn[k], _inverse(turn)[:, k]
        squares = (column @ self.gram_maps @ column) * (row @ self.gram_spectra @ row)
        return np.log(squares) / 2 - self.scale

    def contribution_slope(self, turn, k):
        """Return its derivatives by the free numbers."""
        inverse = _inverse(turn)
        row, column = turn[k], inverse[:, k]
        of_row, of_column = self.gram_spectra @ row, self.gram_maps @ column
        slope = -np.outer(inverse.T @ of_column / (column @ of_column), column)
        slope[k] += of_row / (row @ of_row)
        return self._free(slope)

    def margins(self, turn):
        """Return what must not be negative: spectra, abundances, and the lack of absent ones."""
        inverse = _inverse(turn)
        maps = self.pixels @ inverse
        lacks = [-rows @ inverse[:, k] for k, rows in enumerate(self.absent)]
        return np.concatenate([(self.channels @ turn.T).ravel(), maps.ravel(), *lacks])

    def margin_slopes(self, turn):
        """Return their derivatives by the free numbers, one row each."""
        n = len(turn)
        inverse = _inverse(turn)
        spectra = np.einsum("rj,ki->rkij", self.channels, np.eye(n)).reshape(-1, n, n)
        maps = -np.einsum("ri,jk->rkij", self.pixels @ inverse, inverse).reshape(-1, n, n)
        lacks = [
            np.einsum("ri,j->rij", rows @ inverse, inverse[:, k])
            for k, rows in enumerate(self.absent)
        ]
        return self._free(np.concatenate([spectra, maps, *lacks]))

    def search(self, k, sign, start, *, max_iter, tol):
        """Return the turn from `start` on that makes the contribution least, or largest.

        Parameters
        ----------
        k : int
            Component.
        sign : float
            1 for the least contribution, -1 for the largest.
        start : ndarray of shape (n_components, n_components)
            A turn that obeys.
        max_iter, tol : int, float
            As in :meth:`MCRALS.ambiguity_band`.
        """
        if self.ends[-1] == 0:
            return start
        found = minimize(
            lambda free: sign * self.contribution(self._turn(free, start), k),
            np.zeros(self.ends[-1]),
            jac=lambda free: sign * self.contribution_slope(self._turn(free, start), k),
            constraints={
                "type": "ineq",
                "fun": lambda free: self.margins(self._turn(free, start)),
                "jac": lambda free: self.margin_slopes(self._turn(free, start)),
            },
            method="SLSQP",
            options={"maxiter": max_iter, "ftol": tol},
        )
        turn = self._turn(found.x, start)
        is_better = sign * self.contribution(turn, k) < sign * self.contribution(start, k)
        return turn if is_better and self.margins(turn).min() > -FEASIBLE else start

    def _turn(self, free, start):
        parts = np.split(free, self.ends[:-1])
        return start + np.array([b @ part for b, part in zip(self.bases, parts, strict=True)])

    def _free(self, slopes):
        """Return derivatives by the free numbers from those by all numbers of T."""
        return np.concatenate([slopes[..., i, :] @ b for i, b in enumerate(self.bases)], axis=-1)


def extreme_rows(rows):
    """Return rows that bound all others: what is a sum of theirs is positive where theirs are.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_components)
        Non-negative.

    Returns
    -------
    ndarray of shape (n_extreme, n_components)
        Of the rows, each of sum 1, the corners of their convex hull.
    """
    rows = rows[rows.sum(axis=1) > 0]
    rows = rows / rows.sum(axis=1, keepdims=True)
    if len(rows) == 0:
        return rows
    _, sizes, directions = linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    places = rows @ directions[sizes > FLAT].T
    if places.shape[1] == 0:
        return rows[:1]
    if places.shape[1] == 1:
        return rows[[places.argmin(), places.argmax()]]
    return rows[ConvexHull(places).vertices]


def _absent_rows(abundances, absent):
    """Return, for each component, rows that bound the pixels where it has to be absent."""
    if absent is None:
        absent = np.zeros(abundances.shape, dtype=bool)
    return [extreme_rows(abundances[is_absent]) for is_absent in np.asarray(absent).T]


def _held_rows(spectra, held, is_closed):
    """Return what a row of T has to be orthogonal to for its spectrum to keep what is held."""
    if held is None or np.isnan(held).all():
        return np.zeros((0, len(spectra)))
    columns, held = spectra[:, ~np.isnan(held)].T, held[~np.isnan(held)]
    first = np.abs(held).argmax()
    if not is_closed and held[first] != 0:  # in proportion is enough: abundances make up for it
        columns = columns - np.outer(held / held[first], columns[first])
    largest = np.abs(columns).max()
    return np.linalg.qr(columns / (largest or 1.0), mode="r")


def _inverse(turn):
    """Return the inverse; a search that strays to a singular matrix is sent back, not ended."""
    try:
        return linalg.inv(turn)
    except linalg.LinAlgError:
        return linalg.inv(turn + 1e-9 * np.eye(len(turn)))


def _check_independent(abundances, components):
    """Refuse factors whose turns are not one by one."""
    for factor, name in ((abundances, "abundances_"), (components.T, "components_")):
        lengths = linalg.norm(factor, axis=0)
        sizes = linalg.svdvals(factor / np.where(lengths > 0, lengths, 1))
        if sizes[-1] <= INDEPENDENT * sizes[0]:
            raise ValueError(
                f"{name} of {len(components)} components depend on each other, which leaves the "
                "band without an end; fit fewer."
            )
