"""Fits of known references to a map: one for every window, and for every reference left out."""

from __future__ import annotations

import numpy as np
import traitlets as tl
from scipy import stats

from endmember.core.abundances import fit_abundances
from endmember.core.sources import as_spectrum_image
from endmember.widgets.pixels import check_inside

WINDOWS = {"Plasmons": (5.0, 35.0), "Chemistry": (35.0, 125.0)}  # eV, those of the lecture
NOTHING = "nothing"  # left out
LEAST, MOST, N_BINS = -4.0, 12.0, 32  # of chi-square, in its standard deviations from 1


class RegressionState(tl.HasTraits):
    """Everything that a :class:`RegressionExplorer` shows, without a widget.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        A map of counts.
    references : array_like of shape (n_references, n_channels)
        Their spectra, in counts of a pixel that holds an abundance of 1.
    names : list of str, optional
        What they are called; by default their numbers.
    windows : dict of str to tuple of float, optional
        ``(low, high)`` by name, in the unit of the signal axis: the channels that are fitted. By
        default ``{"Plasmons": (5, 35), "Chemistry": (35, 125)}``, in eV.

    Attributes
    ----------
    window : str
        The window of the present fit, by name.
    without : str
        The reference that takes no part in it, by name, or ``"nothing"``.
    pixel : tuple of int
        Row and column whose counts and model are asked for.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("oxide_interface", shape=(4, 48))
    >>> state = RegressionState(scene.image, scene.references, names=scene.names[:3])
    >>> state.window = "Chemistry"
    >>> state.chi2().shape, state.coefficients().shape
    ((4, 48), (4, 48, 3))
    """

    window = tl.Unicode()
    without = tl.Unicode(NOTHING)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, image, references, *, names=None, windows=None):
        self.image = as_spectrum_image(image)
        if len(self.image.navigation_shape) != 2:
            raise ValueError(
                f"image has navigation shape {self.image.navigation_shape}; regression is shown on "
                "a map of rows and columns."
            )
        self.references = _as_references(references, self.image.n_channels)
        self.names = _as_names(names, len(self.references))
        self.windows = {
            str(name): (float(low), float(high))
            for name, (low, high) in (WINDOWS if windows is None else windows).items()
        }
        if not self.windows:
            raise ValueError("windows are empty; give at least one, as {name: (low, high)}.")
        self._fits: dict[tuple[str, str], object] = {}
        super().__init__(window=next(iter(self.windows)))

    @property
    def choices(self):
        """What may be left out: nothing, or one of several references."""
        return [NOTHING, *(self.names if len(self.names) > 1 else [])]

    def of_all_fits(self, make):
        """Make something of every fit: a list for every window, an entry for every choice."""
        return [[make(window, without) for without in self.choices] for window in self.windows]

    def taking_part(self, without=None):
        """Return the numbers of the references that are fitted."""
        without = self.without if without is None else without
        return [k for k, name in enumerate(self.names) if name != without]

    def fit(self, window=None, without=None):
        """Return the fit of a window without a reference, by default the present one.

        Returns
        -------
        Abundances
            Of the references that take part, in their order; it is made once.
        """
        window, without = window or self.window, without or self.without
        if (window, without) not in self._fits:
            self._fits[window, without] = fit_abundances(
                self.image,
                self.references[self.taking_part(without)],
                window=self.windows[window],
            )
        return self._fits[window, without]

    def coefficients(self, window=None, without=None):
        """Return how much of each reference is in every pixel.

        Returns
        -------
        ndarray of shape (rows, columns, n_references)
            In units of the reference; NaN for the one that was left out.
        """
        return self._spread(self.fit(window, without).abundances, without)

    def layers(self, window=None, without=None):
        """Return a map of coefficients for each reference, and one of their sum."""
        coefficients = np.moveaxis(self.coefficients(window, without), -1, 0)
        is_unknown = np.isnan(coefficients).all(axis=0)
        return [*coefficients, np.where(is_unknown, np.nan, np.nansum(coefficients, axis=0))]

    def stderr(self, window=None, without=None):
        """Return standard errors of the coefficients, shaped like them.

        NaN as well where a coefficient is held at zero.
        """
        return self._spread(self.fit(window, without).stderr, without)

    def chi2(self, window=None, without=None):
        """Return the reduced chi-square of every pixel, of shape (rows, columns)."""
        return self.image.fold(self.fit(window, without).chi2)

    def chi2_histogram(self, window=None, without=None):
        """Return how many pixels have which reduced chi-square, and how many noise alone expects.

        Returns
        -------
        edges : ndarray of shape (n_bins + 1,)
            Of the bins; the first and the last take all that lies beyond.
        counted, expected : ndarray of shape (n_bins,)
            Pixels.
        """
        chi2, channels = self.fit(window, without).chi2, self.channels(window)
        chi2 = chi2[np.isfinite(chi2)]
        free = max(channels.stop - channels.start - len(self.taking_part(without)), 1)
        low, high = 1 + np.array([LEAST, MOST]) * np.sqrt(2 / free)
        edges = np.linspace(max(low, 0.0), high, N_BINS + 1)
        centres = (edges[1:] + edges[:-1]) / 2
        counted, _ = np.histogram(chi2.clip(centres[0], centres[-1]), edges)
        beyond = np.concatenate([[0.0], edges[1:-1], [np.inf]])
        return edges, counted, chi2.size * np.diff(stats.chi2.cdf(beyond * free, free))

    def misfit(self, window=None, without=None):
        """Return the root mean square of the residual in the window, in counts a channel.

        Returns
        -------
        ndarray of shape (rows, columns)
        """
        channels = self.channels(window)
        residuals = self.fit(window, without).residuals()[:, channels]
        return self.image.fold(np.sqrt((residuals**2).mean(axis=1)))

    def channels(self, window=None):
        """Return the channels of a window, as a slice."""
        return self.image.signal_axis.window(*self.windows[window or self.window])

    def counts(self):
        """Return the counts of the pixel, of shape (n_channels,)."""
        return self.image.spectrum(*self.pixel)

    def model(self):
        """Return what the present fit expects in the pixel, in counts, in all channels."""
        coefficients = self.coefficients()[self.pixel][self.taking_part()]
        return coefficients @ self.references[self.taking_part()]

    def to_code(self, window=None, without=None):
        """Return the line that makes a fit without a widget, by default the present one."""
        kept = self.taking_part(without)
        chosen = "references" if len(kept) == len(self.names) else f"references[{kept}]"
        window = self.windows[window or self.window]
        return f"found = em.fit_abundances(image, {chosen}, window={window})"

    def _spread(self, values, without):
        """Give the reference that was left out its place."""
        all_of_them = np.full((len(values), len(self.names)), np.nan)
        all_of_them[:, self.taking_part(without)] = values
        return self.image.fold(all_of_them)

    @tl.validate("window")
    def _is_window(self, proposal):
        return _one_of("window", proposal["value"], list(self.windows))

    @tl.validate("without")
    def _is_choice(self, proposal):
        return _one_of("without", proposal["value"], self.choices)

    @tl.validate("pixel")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.image.navigation_shape)


def _as_references(references, n_channels):
    references = np.array(references, dtype=np.float64)
    if references.ndim != 2 or references.shape[1] != n_channels or not len(references):
        raise ValueError(
            f"references have shape {references.shape}, but the image has {n_channels} channels; "
            "give them as (n_references, n_channels)."
        )
    references.setflags(write=False)
    return references


def _as_names(names, n_references):
    names = [f"reference {k}" for k in range(n_references)] if names is None else list(names)
    names = [str(name) for name in names]
    if len(names) != n_references or len({*names, NOTHING}) != n_references + 1:
        raise ValueError(
            f"names are {names} for {n_references} references; give each one of its own, other "
            f"than {NOTHING!r}."
        )
    return names


def _one_of(name, value, choices):
    if value not in choices:
        raise tl.TraitError(f"{name} is {value!r}; choose one of {choices}.")
    return value
