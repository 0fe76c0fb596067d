"""How many components the counts bear out: one after the other is compared with drawn counts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from endmember.core.blocks import row_blocks
from endmember.core.drawn import Draws, Scaled
from endmember.core.nmf import NMF
from endmember.core.noise import EDGE_MARGIN, TRACY_WIDOM, noise_width
from endmember.core.products import marginals
from endmember.core.progress import check_callback, report
from endmember.core.seeds import as_seed
from endmember.core.threads import one_blas_thread

MOST = 16  # components that are looked for
FEW, MANY = 2, 8  # simulations: where they settle it, and where they do not
FAR = 1.2  # times what the few give: beyond doubt
DOUBT = 0.005  # chance that one more simulation would be so high
SURE = 3.5  # standard deviations of the law of Tracy and Widom: once in a thousand times
QUICK, THOROUGH = 1, 5  # rounds of NMF: noise only asks about how many counts are expected where
FAINT_PIXEL = 0.1  # of the counts of a mean pixel
FAINT_CHANNEL = 20.0  # counts


@dataclass(frozen=True, eq=False)
class PoissonSequence:
    """What :func:`poisson_sequence` found; arrays begin with the second component.

    Attributes
    ----------
    rank : int
        Components that stand above noise, the mean included.
    eigenvalues : ndarray of shape (n_tried,)
        Of components 2, 3, ... of the counts, up to the first that does not stand above noise. Only
        their ratio to `expected` has a meaning.
    expected, spread : ndarray of shape (n_tried,)
        Mean and standard deviation of the same eigenvalue in counts that have one component less.
    n_simulations : ndarray of int, shape (n_tried,)
        How often such counts were drawn.
    limits : ndarray of shape (n_tried,)
        What the eigenvalue had to exceed.
    is_open : bool
        Whether the last one tried still stood above noise: there are `rank` components or more.
    """

    rank: int
    eigenvalues: np.ndarray
    expected: np.ndarray
    spread: np.ndarray
    n_simulations: np.ndarray
    limits: np.ndarray
    is_open: bool


def poisson_sequence(spectra, *, gain=1.0, most=None, seed=0, callback=None):
    """Count components by whether the next eigenvalue is higher than in counts drawn without it.

    Beginning with one component, the mean, so many are fitted, Poisson counts are drawn from the
    fit, and their next eigenvalue is compared with that of the measured counts, each scaled by its
    own sums. The first that does not stand out ends the sequence.

    Where phases differ much, no scaling of pixels and channels makes the noise flat, and edges that
    hold for flat noise are passed by noise alone; counts drawn from a fit have the same noise.

    Parameters
    ----------
    spectra : ndarray, CSR array or LazyRows of shape (n_pixels, n_channels)
        Whole counts, or whole multiples of `gain`.
    gain : float, default=1.0
        Signal of a single count.
    most : int, optional
        Components to look for at most; by default 16, or as many as there are pixels or channels.
    seed : int, default=0
        Where random work begins.
    callback : callable, optional
        Called with a :class:`Progress` after every simulation; where it returns True, the work
        stops with a :class:`CancelledError`.

    Returns
    -------
    PoissonSequence

    Notes
    -----
    An eigenvalue stands out if it is above the mean of the simulated ones by 1 %, by 3.5 standard
    deviations of the law of Tracy and Widom, which holds for flat noise [1]_, and by so many of
    their own that one more simulation would be as high once in 200 times. Eight are made, of a
    good fit; two, where the eigenvalue is below both, or a fifth above those of a quick fit.

    Pixels and channels are divided by the square roots of their sums [2]_, to which a tenth of a
    mean pixel and twenty counts are added: otherwise a single count where hardly any are expected
    weighs more than a phase.

    Drift, spikes and a blur of the detector are no Poisson counts of a few components; what they
    add is counted as well.

    References
    ----------
    .. [1] I. M. Johnstone, Ann. Stat. 29 (2001) 295, doi:10.1214/aos/1009210544.
    .. [2] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203,
       doi:10.1002/sia.1657.
    """
    seed = as_seed(seed)
    check_callback(callback)
    sums = marginals(spectra)
    most = min(MOST if most is None else most, *spectra.shape)
    scaled = Scaled(FAINT_PIXEL * sums[0].mean(), FAINT_CHANNEL * gain)
    with one_blas_thread():
        observed = scaled.leading(row_blocks(spectra), spectra.shape[1], most) / gain
    tried: list[Known] = []
    is_open = True
    while is_open and len(tried) < most - 1:
        k = len(tried) + 1
        seeds = np.random.SeedSequence([seed, k]).spawn(2)

        def draws(max_iter, k=k, seeds=seeds):
            model = fitted(spectra, k, sums, max_iter)
            return Draws(model, sums[0], scaled, gain, seeds[max_iter > QUICK])

        tried.append(_settle(observed[k], draws, _Share(callback, k, most)))
        is_open = bool(observed[k] > tried[-1].limit)
    expected, spread, n, limits = np.array(tried).reshape(-1, 4).T
    arrays = observed[1 : len(tried) + 1], expected, spread, n.astype(int), limits
    return PoissonSequence(len(tried) + is_open, *arrays, is_open)


class Known(NamedTuple):
    """What simulations say of an eigenvalue: mean, standard deviation, number, and the limit."""

    mean: float
    spread: float
    n: int
    limit: float


def _settle(observed, draws, tell):
    """Simulate an eigenvalue until it is settled whether the observed one is higher.

    A quick fit tells what is far above; anything else takes a good one.
    """
    found = _simulated(draws(QUICK), FEW, tell)
    if observed > FAR * max(found):
        return _known(found, FAR * max(found))
    thorough = draws(THOROUGH)
    found = _simulated(thorough, FEW, tell)
    if observed < min(found):
        return _known(found, FAR * max(found))
    found += _simulated(thorough, MANY - FEW, tell)
    mean, spread = np.mean(found), np.std(found, ddof=1)
    by_chance = stats.t.isf(DOUBT, MANY - 1) * spread * np.sqrt(1 + 1 / MANY)
    in_theory = SURE * TRACY_WIDOM * noise_width(*thorough.shape) * mean
    return _known(found, mean + max(EDGE_MARGIN * mean, by_chance, in_theory))


def _simulated(draws, n, tell):
    """Return so many simulated eigenvalues, a few at a time."""
    found: list[float] = []
    while len(found) < n:
        n_more = min(numba.get_num_threads(), n - len(found))
        found += draws.eigenvalues(n_more)
        tell(n_more)
    return found


def _known(found, limit):
    return Known(float(np.mean(found)), float(np.std(found, ddof=1)), len(found), float(limit))


class _Share:
    """Report how many simulations were made, each component counting the same."""

    def __init__(self, callback, k, most):
        self._callback, self._start, self._most, self._n = callback, k - 1, most, 0

    def __call__(self, n_more):
        self._n += n_more
        share = self._start + self._n / (FEW + MANY)
        report(self._callback, min(1.0, share / max(1, self._most - 1)))


def fitted(spectra, n_components, sums, max_iter):
    """Return abundances and components that expect about as many counts as were measured."""
    if n_components == 1:
        pixels, channels = sums
        return pixels[:, None], channels[None] / channels.sum()
    nmf = NMF(n_components, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        nmf._fit_within(spectra)
    return nmf._transform(spectra), nmf.components_
