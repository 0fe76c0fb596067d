"""One spectrum of a mixture turned into another, while the product of both factors stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import traitlets as tl

from endmember.core.metrics import spectral_angle
from endmember.core.sources import as_spectrum_image

POSITIONS = np.linspace(-1.5, 1.5, 25)  # of a slider: 0 as given, -1 and 1 where zero is reached
NONE = 1e-9  # of the largest: what a factor holds less of, it does not hold
ROUNDING = 1e-12  # below zero, of the largest: what is left at a limit
MOST_NUMBERS = 1 << 23  # pixels times channels: every step multiplies them out
LEAST_SPAN = 0.05  # of one spectrum in the other, over which a slider goes beyond its limits


@dataclass(frozen=True)
class Turned:
    """One spectrum of a mixture turned into another, and what it costs.

    Attributes
    ----------
    amount : float
        Share of the other spectrum that is put in.
    is_allowed : bool
        Whether neither factor is negative.
    spectrum : ndarray of shape (n_channels,)
        The spectrum that is turned, in counts.
    abundances : ndarray of shape (n_pixels, 2)
        Of the one that is turned, and of the other.
    angle : float
        Spectral angle in degrees to what it was.
    below : tuple of float
        Share below zero of the spectrum, and of the other's abundances.
    misfit : float
        Pearson's chi-square of the counts about the product, over the degrees of freedom.
    change : float
        Largest change of the product, over its largest value.
    """

    amount: float
    is_allowed: bool
    spectrum: np.ndarray
    abundances: np.ndarray
    angle: float
    below: tuple[float, float]
    misfit: float
    change: float


class AmbiguityState(tl.HasTraits):
    """Everything that an :class:`AmbiguityExplorer` shows, without a widget.

    A turn `(i, j)` puts a share ``a`` of spectrum `j` into spectrum `i`; where ``a`` is negative it
    takes it out. ``T`` is the identity but for row `i`, which holds ``1 - a`` and ``a``: its rows
    sum to 1, so that abundances ``W inv(T)`` keep their sum in every pixel.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        A map of counts that the factors describe.
    abundances : array_like of shape (n_pixels, n_components)
        ``W``, dimensionless, nowhere negative.
    components : array_like of shape (n_components, n_channels)
        ``S``, in counts, nowhere negative.
    names : sequence of str, optional
        What the components are called; by default their numbers.
    turns : sequence of tuple, optional
        Which ``(i, j)`` are on offer, as names or numbers. By default each component with the one
        into which it turns farthest.

    Attributes
    ----------
    turn : int
        Which of `turns` is made.
    step : int
        Which of `amounts` is put in; in the middle it is 0.
    limits : ndarray of shape (n_turns, 2)
        Shares between which neither factor is negative.
    amounts : ndarray of shape (n_turns, n_steps)
        Shares on offer: up to both limits, and beyond.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> state = AmbiguityState(scene.image, scene.abundances, scene.endmembers)
    >>> state.step = 0
    >>> found = state.turned()
    >>> found.is_allowed, found.change < 1e-12
    (False, True)
    """

    turn = tl.Int(0, min=0)
    step = tl.Int(len(POSITIONS) // 2, min=0, max=len(POSITIONS) - 1)

    def __init__(self, image, abundances, components, *, names=None, turns=None):
        self.image = as_spectrum_image(image)
        if len(self.image.navigation_shape) != 2:
            raise ValueError(
                f"image has navigation shape {self.image.navigation_shape}; abundances are shown "
                "as maps of rows and columns."
            )
        if self.image.n_pixels * self.image.n_channels > MOST_NUMBERS:
            raise ValueError(
                f"the image has {self.image.n_pixels} pixels of {self.image.n_channels} channels; "
                "rebin or crop it, since every step multiplies them out."
            )
        self.abundances = _as_factor("abundances", abundances)
        self.components = _as_factor("components", components)
        _check_shapes(self.abundances, self.components, self.image)
        self.names = _as_names(names, len(self.components))
        every = {
            (i, j): limits_of(self.abundances, self.components, i, j)
            for i in range(len(self.components))
            for j in range(len(self.components))
            if i != j
        }
        self.turns = self._as_turns(turns, every)
        self.limits = np.array([every[turn] for turn in self.turns])
        self.amounts = np.array([_amounts(*ends) for ends in self.limits])
        self._counts = np.asarray(self.image.to_dense().spectra, dtype=np.float64)
        self._product = self.abundances @ self.components
        self._is_seen = self._product > 0
        self._weights = np.divide(1, self._product, where=self._is_seen, out=0 * self._product)
        super().__init__()

    @tl.validate("turn")
    def _is_turn(self, proposal):
        if proposal["value"] >= len(self.turns):
            raise tl.TraitError(f"turn is {proposal['value']}; there are {len(self.turns)}.")
        return proposal["value"]

    @property
    def amount(self):
        """Share of the other spectrum that is put in now."""
        return float(self.amounts[self.turn, self.step])

    def factors(self, turn=None, amount=None):
        """Return abundances and components after a turn, by default the present one.

        Parameters
        ----------
        turn : int, optional
            Which of `turns`.
        amount : float, optional
            Share of the other spectrum that is put in, less than 1.

        Returns
        -------
        abundances : ndarray of shape (n_pixels, n_components)
        components : ndarray of shape (n_components, n_channels)
        """
        i, j = self.turns[self.turn if turn is None else turn]
        share = self.amount if amount is None else amount
        abundances, components = self.abundances.copy(), self.components.copy()
        components[i] = (1 - share) * components[i] + share * components[j]
        abundances[:, i] = abundances[:, i] / (1 - share)
        abundances[:, j] -= share * abundances[:, i]
        return abundances, components

    def turned(self, turn=None, step=None):
        """Return what a turn makes of the factors and of the fit, by default the present one.

        Returns
        -------
        Turned
        """
        turn, step = self.turn if turn is None else turn, self.step if step is None else step
        (i, j), amount = self.turns[turn], float(self.amounts[turn, step])
        low, high = self.limits[turn]
        abundances, components = self.factors(turn, amount)
        product = abundances @ components
        return Turned(
            amount=amount,
            is_allowed=bool(low - ROUNDING <= amount <= high + ROUNDING),
            spectrum=components[i],
            abundances=abundances[:, [i, j]],
            angle=float(spectral_angle(components[i], self.components[i])),
            below=(_share_below(components[i]), _share_below(abundances[:, j])),
            misfit=float(self._squares(product).sum() / self._is_seen.sum()),
            change=float(np.abs(product - self._product).max() / self._product.max()),
        )

    def band(self, turn=None):
        """Return the spectra between which the one that is turned lies, of shape (2, n_channels).

        Counts in each channel; both factors are non-negative in between.
        """
        turn = self.turn if turn is None else turn
        i, _ = self.turns[turn]
        ends = [self.factors(turn, amount)[1][i] for amount in self.limits[turn]]
        return np.sort(np.clip(ends, 0, None), axis=0)  # below zero is rounding

    def misfits(self):
        """Return the misfit of every pixel, of shape (rows, columns); no turn changes it."""
        seen = self._is_seen.sum(axis=1)
        return self.image.fold(self._squares(self._product).sum(axis=1) / np.maximum(seen, 1))

    def _squares(self, product):
        """Return squares of what the product leaves, in units of the variance of the counts."""
        return (self._counts - product) ** 2 * self._weights

    def _as_turns(self, turns, every):
        if turns is None:
            return [self._farthest(i, every) for i in range(len(self.components))]
        found = [tuple(map(self._as_component, turn)) for turn in turns]
        for turn in found:
            if turn not in every:
                raise ValueError(f"turns hold {turn}; give pairs of two different components.")
        if not found:
            raise ValueError("turns are empty; give at least one pair of components.")
        return found

    def _as_component(self, k):
        if isinstance(k, str) and k in self.names:
            return self.names.index(k)
        if not isinstance(k, str) and 0 <= k < len(self.names):
            return int(k)
        raise ValueError(f"turns hold {k!r}; the components are {', '.join(self.names)}.")

    def _farthest(self, i, every):
        """Return the turn of component `i` whose spectrum moves through the largest angle."""

        def reach(turn):
            j = turn[1]
            ends = [(1 - a) * self.components[i] + a * self.components[j] for a in every[turn]]
            return float(spectral_angle(*ends))

        return max((turn for turn in every if turn[0] == i), key=reach)


def limits_of(abundances, components, i, j):
    """Return the shares of spectrum `j` in spectrum `i` between which no factor is negative.

    Below, the spectrum reaches zero in a channel; above, the abundance of `j` does in a pixel. Of
    two components these are the bounds of W. H. Lawton and E. A. Sylvestre, Technometrics 13 (1971)
    617, doi:10.1080/00401706.1971.10488823; of more, those of a pair that turns alone.
    """
    apart = components[j] - components[i]
    rises = apart > NONE * np.abs(apart).max()
    low = (-components[i][rises] / apart[rises]).max(initial=-np.inf)
    holds = abundances[:, i] > NONE * abundances[:, i].max()
    ratio = (abundances[holds, j] / abundances[holds, i]).min()
    return min(float(low), 0.0), float(ratio / (1 + ratio))


def _amounts(low, high):
    """Return the shares of all positions: in proportion up to the limits, evenly beyond."""
    span = min(max(high - low, LEAST_SPAN), 1 - high)  # 1 would leave nothing of the spectrum
    inside = np.where(POSITIONS < 0, -low, high) * np.clip(POSITIONS, -1, 1)
    return inside + (POSITIONS - np.clip(POSITIONS, -1, 1)) * span


def _share_below(values):
    below = np.clip(-values, 0, None)
    below[below < ROUNDING * np.abs(values).max()] = 0.0
    return float(below.sum() / np.abs(values).sum())


def _as_factor(name, values):
    values = np.array(values, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            f"{name} have shape {values.shape} and go down to {values.min(initial=np.inf):g}; give "
            "two axes of finite numbers, none below zero."
        )
    return values


def _check_shapes(abundances, components, image):
    expected = (image.n_pixels, len(components)), (len(components), image.n_channels)
    if (abundances.shape, components.shape) != expected or len(components) < 2:
        raise ValueError(
            f"abundances have shape {abundances.shape} and components {components.shape}; for this "
            f"image give {image.n_pixels} rows, {image.n_channels} channels and the same number of "
            "components, two at least."
        )
    for values, name in ((abundances.sum(axis=0), "abundances"), (components.sum(axis=1), "comp.")):
        if (values == 0).any():
            raise ValueError(f"{name} of component {values.argmin()} are all zero; leave it out.")


def _as_names(names, n):
    names = [f"component {k}" for k in range(n)] if names is None else [str(k) for k in names]
    if len(names) != n or len(set(names)) != n:
        raise ValueError(f"names are {names}; give a different one for each of {n} components.")
    return names
