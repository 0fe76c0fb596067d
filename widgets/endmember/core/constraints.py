"""What a factor of a mixture has to obey, and the least-squares solutions that obey it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from endmember._kernels.unimodal import pool_rising
from endmember.core.nonnegative import solve_nonnegative, solve_sum_to_one

SIDES = ("spectra", "abundances")
CONSTRAINTS = (
    "nonnegative",
    *(f"{rule}_{side}" for rule in ("nonnegative", "unimodal") for side in SIDES),
    "closure",
)
SWEEPS = 20  # over the columns of a unimodal factor, at most
SETTLED = 1e-6  # change of a unimodal factor in one sweep, relative, that ends them


@dataclass(frozen=True)
class Constraints:
    """What a caller said of the factors of a mixture.

    Parameters
    ----------
    names : str or sequence of str
        Any of ``CONSTRAINTS``.
    known_spectra : ndarray of shape (n_components, n_channels), optional
        Counts, NaN where they are not known.
    absent_spectra, absent_abundances : ndarray of bool, optional
        Of shape (n_components, n_channels) and (n_pixels, n_components), True where nothing is.
    """

    names: str | tuple[str, ...]
    known_spectra: np.ndarray | None = None
    absent_spectra: np.ndarray | None = None
    absent_abundances: np.ndarray | None = None

    def has(self, rule, side):
        """Whether a rule holds for spectra, or for abundances."""
        names = self._listed()
        return rule in names or f"{rule}_{side}" in names

    @property
    def is_closed(self):
        """Whether abundances sum to 1."""
        return "closure" in self._listed()

    def has_height(self, n_components):
        """Return which spectra have a height of their own."""
        if self.is_closed or self.known_spectra is None:
            return np.full(n_components, self.is_closed)
        return (np.nan_to_num(np.asarray(self.known_spectra, dtype=np.float64)) != 0).any(axis=1)

    def held_spectra(self):
        """Return the numbers that spectra have to take, NaN where they are free; or None."""
        return _held(self.known_spectra, self.absent_spectra)

    def of_any_pixel(self):
        """Return what abundances have to obey in pixels that nothing more is known of."""
        return Rules(self.has("nonnegative", "abundances"), self.is_closed)

    def rules(self, weights=None):
        """Return what abundances and spectra have to obey, for channels of these weights."""
        held = self.held_spectra()
        return Sides(
            abundances=Rules(
                is_nonnegative=self.has("nonnegative", "abundances"),
                is_closed=self.is_closed,
                is_unimodal=self.has("unimodal", "abundances"),
                held=_held(None, self.absent_abundances),
            ),
            spectra=Rules(
                is_nonnegative=self.has("nonnegative", "spectra"),
                is_unimodal=self.has("unimodal", "spectra"),
                held=None if held is None else held.T,
                weights=weights,
            ),
        )

    def check_names(self):
        """Refuse names that are not known, or do not go together."""
        names = self._listed()
        if not isinstance(names, tuple | list) or not all(name in CONSTRAINTS for name in names):
            raise ValueError(f"constraints are {self.names!r}; choose from {CONSTRAINTS}.")
        for side in SIDES:
            if self.has("unimodal", side) and not self.has("nonnegative", side):
                raise ValueError(
                    f"constraints have 'unimodal_{side}' alone; one peak is sought among {side} "
                    f"that are not negative: add 'nonnegative_{side}'."
                )
        if self.is_closed and self.has("unimodal", "abundances"):
            raise ValueError(
                "constraints have both 'closure' and 'unimodal_abundances', which are not fitted "
                "together; leave one of them out."
            )

    def check_arrays(self, n_pixels, n_channels, n_components):
        """Refuse arrays that do not fit the counts, or contradict each other."""
        _check_mask(self.absent_spectra, "absent_spectra", (n_components, n_channels))
        _check_mask(self.absent_abundances, "absent_abundances", (n_pixels, n_components))
        if self.known_spectra is not None:
            self._check_known((n_components, n_channels))
        if self.absent_abundances is not None:
            self._check_absent_abundances()
        held = self.rules()
        if held.spectra.is_unimodal and held.spectra.held is not None:
            self._check_peaks(held.spectra.held, "spectra")
        if held.abundances.is_unimodal and held.abundances.held is not None:
            self._check_peaks(held.abundances.held, "abundances")

    def _listed(self):
        return (self.names,) if isinstance(self.names, str) else self.names

    def _check_known(self, shape):
        known = np.asarray(self.known_spectra)
        if known.shape != shape or known.dtype.kind not in "biuf":
            raise ValueError(
                f"known_spectra have shape {known.shape} and dtype {known.dtype}; expected counts "
                f"of shape {shape}, NaN where they are not known."
            )
        if np.isinf(known).any():
            raise ValueError("known_spectra hold inf; put NaN where counts are not known.")
        if self.has("nonnegative", "spectra") and (known < 0).any():
            raise ValueError(
                f"known_spectra go down to {np.nanmin(known):g}, against 'nonnegative_spectra'; "
                "clip them, or leave the constraint out."
            )
        _refuse_some(
            (known == 0).all(axis=1),
            "known_spectra are zero throughout in components {}; ask for fewer components.",
        )
        if self.absent_spectra is not None:
            both = np.asarray(self.absent_spectra) & (np.nan_to_num(known) != 0)
            _refuse_some(
                both.any(axis=1),
                "known_spectra hold counts where absent_spectra are True, in components {}; "
                "choose one of them.",
            )

    def _check_absent_abundances(self):
        absent = np.asarray(self.absent_abundances)
        if self.is_closed:
            _refuse_some(
                absent.all(axis=1),
                "absent_abundances leave nothing in pixels {}, where 'closure' asks for a sum of "
                "1; leave one component in.",
            )

    @staticmethod
    def _check_peaks(held, side):
        """Refuse what would leave a profile in parts, which one peak cannot join."""
        free = np.isnan(held)
        n_runs = (np.diff(free.astype(int), axis=0, prepend=0) == 1).sum(axis=0)
        is_partly_known = free.any(axis=0) & (np.nan_to_num(held) != 0).any(axis=0)
        _refuse_some(
            (n_runs > 1) | is_partly_known,
            f"'unimodal_{side}' needs the unknown part of each profile in one piece, with nothing "
            "beside it, but in components {} it is not; hold all of it, or none.",
        )


@dataclass(frozen=True)
class Sides:
    """What each of the two factors has to obey."""

    abundances: Rules
    spectra: Rules


@dataclass(frozen=True)
class Rules:
    """What one factor has to obey. Its rows are pixels or channels, its columns components.

    Parameters
    ----------
    is_nonnegative, is_closed, is_unimodal : bool
        No number below zero; rows that sum to 1; columns with one peak (and nowhere negative).
    held : ndarray of shape (n_rows, n_components), optional
        Numbers that are known, NaN where they are not.
    weights : ndarray of shape (n_rows,), optional
        What each row counts for where a column is fitted as a whole: when it is unimodal.
    """

    is_nonnegative: bool = True
    is_closed: bool = False
    is_unimodal: bool = False
    held: np.ndarray | None = None
    weights: np.ndarray | None = None

    def solve(self, gram, corr, present=None):
        """Return the factor that is best beside the other one.

        Parameters
        ----------
        gram : ndarray of shape (n_components, n_components)
            Products of the columns of the other factor.
        corr : ndarray of shape (n_rows, n_components)
            Products of the spectra with the other factor.
        present : ndarray of shape (n_rows, n_components), optional
            Where unimodal columns begin.

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            Exactly the least-squares solution; where columns are unimodal, each of them is that
            beside the others, so that the sum of squares never rises above the present one.
        """
        if not self.is_unimodal:
            return self._solve_rows(gram, corr)
        return self._sweep(gram, corr, self._solve_rows(gram, corr) if present is None else present)

    def put_held(self, rows):
        """Return rows with what is held put in place."""
        return rows if self.held is None else np.where(np.isnan(self.held), rows, self.held)

    def _solve_rows(self, gram, corr):
        if self.held is None:
            return self._solve_free(gram, corr)
        rows = np.nan_to_num(self.held)
        patterns, which = np.unique(np.isnan(self.held), axis=0, return_inverse=True)
        for i, free in enumerate(patterns):
            if free.any():
                chosen = np.flatnonzero(which.ravel() == i)
                # What is held is part of the spectra that the others have to explain no more.
                rest = corr[chosen] - rows[chosen] @ gram
                rows[np.ix_(chosen, free)] = self._solve_free(
                    gram[np.ix_(free, free)], rest[:, free]
                )
        return rows

    def _solve_free(self, gram, corr):
        if self.is_closed:
            return (solve_sum_to_one if self.is_nonnegative else solve_closed)(gram, corr)
        if self.is_nonnegative:
            return solve_nonnegative(gram, corr)
        return corr @ linalg.pinvh(gram)

    def _sweep(self, gram, corr, rows):
        """Fit one column after the other, beside the others, until they settle."""
        rows = rows.copy()
        for _ in range(SWEEPS):
            before = rows.copy()
            for k in range(rows.shape[1]):
                self._fit_column(k, gram, corr, rows)
            if np.abs(rows - before).max() <= SETTLED * np.abs(rows).max():
                break
        return rows

    def _fit_column(self, k, gram, corr, rows):
        free = slice(None) if self.held is None else np.isnan(self.held[:, k])
        if gram[k, k] > 0 and rows[free, k].size:
            best = rows[free, k] + (corr[free, k] - rows[free] @ gram[:, k]) / gram[k, k]
            weights = None if self.weights is None else self.weights[free]
            rows[free, k] = project_unimodal(best, weights)


def solve_closed(gram, corr):
    """Return ``argmin a @ gram @ a / 2 - corr[p] @ a`` with ``a.sum() == 1`` for every pixel."""
    inverse = linalg.pinvh(_lifted(gram))
    direction = inverse.sum(axis=0)
    free = corr @ inverse
    return free + np.outer((1 - free.sum(axis=1)) / direction.sum(), direction)


def _lifted(gram):
    """Add the same to all products: no change where sums are 1, but a spectrum of zeros counts."""
    return gram + max(np.trace(gram) / len(gram), np.finfo(float).tiny)


def project_unimodal(values, weights=None):
    """Return what comes nearest to values, rises to one peak, falls after it and is not negative.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Abundances along pixels, or counts along channels.
    weights : ndarray of shape (n_values,), optional
        What the square of each difference counts for, above zero.

    Returns
    -------
    ndarray of float64, shape (n_values,)

    Notes
    -----
    What rises up to any place and falls after it has one peak. One pass over the values tells what
    the best rising fit to the first of them leaves, for every place, and one from the other end
    what the best falling fit to the others leaves [1]_; the place where both together leave least
    is taken.

    References
    ----------
    .. [1] R. Bro and N. D. Sidiropoulos, J. Chemometrics 12 (1998) 223,
       doi:10.1002/(SICI)1099-128X(199807/08)12:4<223::AID-CEM511>3.0.CO;2-2.
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    weights = np.ones(len(values)) if weights is None else np.ascontiguousarray(weights)
    before = _rising(values, weights)[1]
    after = _rising(values[::-1], weights[::-1])[1][::-1]
    split = int((before + after).argmin())
    up = _rising(values[:split], weights[:split])[0]
    down = _rising(values[split:][::-1], weights[split:][::-1])[0]
    return np.concatenate([up, down[::-1]])


def _rising(values, weights):
    """Return the best fit that rises, and what is left by that to the first values, each time."""
    n_values = len(values)
    costs, levels = np.zeros(n_values + 1), np.zeros(n_values)
    stops = np.zeros(n_values, dtype=np.int64)
    values, weights = np.ascontiguousarray(values), np.ascontiguousarray(weights)
    n_levels = pool_rising(values, weights, costs, levels, stops)
    sizes = np.diff(stops[:n_levels], prepend=0)
    return np.repeat(levels[:n_levels], sizes), costs


def _held(known, absent):
    """Return known numbers, zeros where nothing is, and NaN elsewhere; None if all is free."""
    if known is None and absent is None:
        return None
    if known is None:
        return np.where(absent, 0.0, np.nan)
    known = np.array(known, dtype=np.float64)
    return known if absent is None else np.where(absent, 0.0, known)


def _check_mask(mask, name, shape):
    if mask is None:
        return
    mask = np.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(
            f"{name} have shape {mask.shape} and dtype {mask.dtype}; expected booleans of shape "
            f"{shape}, True where a component is absent."
        )
    axis = int(name == "absent_spectra")
    _refuse_some(mask.all(axis=axis), f"{name} leave nothing of components {{}}; ask for fewer.")


def _refuse_some(is_wrong, message):
    """Raise, naming the first places that are wrong."""
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
        listed = ", ".join(map(str, wrong[:5])) + (", ..." if wrong.size > 5 else "")
        raise ValueError(message.format(listed))
