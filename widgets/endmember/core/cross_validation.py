"""How well a model of so many components predicts counts that it has not seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import row_blocks, stack_blocks
from endmember.core.checks import canonical_csr
from endmember.core.cluster_features import is_rows
from endmember.core.estimators import check_any
from endmember.core.noise import NoiseWarning
from endmember.core.pca import PCA
from endmember.core.poisson import KERNEL_DTYPES, Rows
from endmember.core.products import marginals, times, times_squared
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin

LOSSES = ("poisson", "gaussian")
FLOOR = 1e-3  # of the mean spectrum in every prediction: no count is impossible
LINEAR = 1e-6  # of the largest predicted count
TRIED = 3  # pixels that tell whether a model is linear
ROUNDING = 1e-4  # of a quantum
SINGLE = 1e-6  # of a number in single precision
DIVISORS = range(1, 9)  # few counts may all lie some quanta apart


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """How well models of several ranks predict other counts; :func:`cross_validate` makes it.

    Attributes
    ----------
    ranks : tuple of int
        Numbers of components, rising: the last axis of all that follows.
    loss : {"poisson", "gaussian"}
        ``"poisson"``: mean deviance of a count. ``"gaussian"``: mean squared error of a count, over
        the variance that Poisson noise about the mean spectrum has; 1 for a perfect model of it.
    values : ndarray of shape (n_splits, n_ranks)
        The loss of every split, dimensionless; the lower the better.
    mean, stderr : ndarray of shape (n_ranks,)
        Mean over the splits, and its standard error: NaN for a single split. All splits are of
        the same counts, so that this is the chance of the split alone.
    best : int
        The rank of the lowest mean.
    one_stderr : int
        The lowest rank that is no worse than the best by more than one standard error of their
        difference, split by split.
    record : Record
        What made it: counts, settings, versions.
    """

    ranks: tuple[int, ...]
    loss: str
    values: np.ndarray
    record: Record

    @property
    def mean(self):
        """Mean loss of each rank over the splits, shape (n_ranks,), dimensionless."""
        return self.values.mean(axis=0)

    @property
    def stderr(self):
        """Standard error of the mean, shape (n_ranks,), dimensionless."""
        return _stderr(self.values)

    @property
    def best(self):
        """Rank of the lowest mean loss."""
        return self.ranks[int(np.argmin(self.mean))]

    @property
    def one_stderr(self):
        """Lowest rank within one standard error of the best."""
        return self.ranks[within_one_stderr(self.values)]

    def to_rows(self):
        """Return a dictionary for each rank, as tables such as ``pandas.DataFrame(rows)`` take."""
        columns = {"loss": self.mean.tolist(), "stderr": self.stderr.tolist()}
        return [
            {"rank": k, **{name: values[i] for name, values in columns.items()}}
            for i, k in enumerate(self.ranks)
        ]

    def to_frame(self):
        """Return the same as a pandas table, a row for each rank."""
        return frame(self.to_rows(), "rank")

    def __repr__(self):
        return (
            f"<CrossValidation of ranks {self.ranks[0]} to {self.ranks[-1]}, {self.loss} loss, "
            f"{len(self.values)} splits: best {self.best}, within one standard error "
            f"{self.one_stderr}>"
        )


def frame(rows, index):
    """Return rows as a pandas table, which is imported here and nowhere else."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "to_frame() needs pandas, which is not installed: install it (pip install pandas), or "
            "take to_rows()."
        ) from error
    return pd.DataFrame(rows).set_index(index)


def within_one_stderr(values):
    """Return the first rank whose excess over the best is within its standard error."""
    best = int(np.argmin(values.mean(axis=0)))
    if len(values) < 2:
        return best
    excess = values - values[:, [best]]
    return int(np.argmax(excess.mean(axis=0) <= _stderr(excess)))


def _stderr(values):
    n_splits = len(values)
    if n_splits < 2:
        return np.full(values.shape[1], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(n_splits)


def cross_validate(
    estimator, image, ranks, *, fraction=0.5, n_splits=5, loss=None, seed=0, callback=None
):
    """Measure how well models of several ranks predict counts that they were not fitted to.

    Every single count goes to the fit or to the judgement, at random (:func:`thin`): where counts
    are Poisson, the two are independent recordings of the same sample. The model of the one, at
    the dose of the other, is compared with the other.

    Parameters
    ----------
    estimator : estimator
        Of scikit-learn's kind, with ``n_components``, ``fit`` and ``transform``: ``em.NMF()``,
        ``em.PCA()``, ``sklearn.decomposition.NMF()`` ... It is cloned, never changed. Its
        ``inverse_transform`` must be linear, or its model ``transform(X) @ components_``.
    image : SpectrumImage, what :func:`as_spectrum_image` takes, or array (n_pixels, n_channels)
        Whole counts.
    ranks : iterable of int
        Numbers of components to try; each takes one fit for every split.
    fraction : float, default=0.5
        Expected share of the counts that models are fitted to. Turning it up fits to a dose nearer
        the whole, so that weaker components are found, and leaves less to judge by.
    n_splits : int, default=5
        Random splits; turning it up makes the mean surer, for proportionally more time.
    loss : {"poisson", "gaussian"}, optional
        ``"poisson"``: deviance, for models that are nowhere negative; a thousandth of the mean
        spectrum is mixed in, so that counts where none were expected cost no more than they
        should. ``"gaussian"``: squared error, weighted by the noise of the mean spectrum (Keenan
        and Kotula). By default the first where all models allow it.
    seed : int, default=0
        Where random work begins.
    callback : callable, optional
        Called with a :class:`Progress` after every fit; where it returns True, the work stops with
        a :class:`CancelledError`.

    Returns
    -------
    CrossValidation

    Notes
    -----
    The best rank is the one that predicts best, not the number of components that can be told from
    noise: one that is too weak to be drawn well is better left out of a prediction. Half the counts
    show less than all of them do.

    The model is never held for the whole map: only its sums, and its values where counts are not
    zero, are needed. Pixels and channels that hold nothing in the half that is fitted are left out.

    References
    ----------
    A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> em.cross_validate(em.PCA(), scene.image, range(1, 6), n_splits=2).best
    3
    """
    data = image if is_rows(image) else as_spectrum_image(image)
    spectra = checked_counts(data)
    ranks = as_ranks(ranks, spectra.shape)
    _check_settings(estimator, n_splits, loss, callback)
    losses = np.zeros((n_splits, len(ranks), len(LOSSES)))
    for i, j in np.ndindex(losses.shape[:2]):
        if j == 0:
            kept, left = thin(spectra, fraction, as_seed(seed) + i)
            halves = Halves(kept, left, fraction)
        losses[i, j] = halves.losses(fitted(estimator, ranks[j], kept))
        report(callback, (i * len(ranks) + j + 1) / losses[..., 0].size)
    chosen, values = _chosen(losses, loss)
    parameters = {"estimator": estimator, "ranks": list(ranks), "fraction": fraction}
    parameters |= {"n_splits": n_splits, "loss": loss, "seed": seed}
    record = record_of(
        "cross_validate", parameters, spectra, source=data, result={"values": values}
    )
    return CrossValidation(ranks, chosen, values, record)


def _chosen(losses, loss):
    """Return the name of a loss and its values, of both for every split and rank."""
    is_negative = np.isnan(losses[..., 0]).any()
    if loss == "poisson" and is_negative:
        raise ValueError(
            "loss='poisson' needs models that are nowhere negative, but this estimator's are; "
            "choose loss='gaussian'."
        )
    loss = loss or ("gaussian" if is_negative else "poisson")
    return loss, losses[..., LOSSES.index(loss)]


def checked_counts(data):
    """Return whole counts in memory, or say what they are instead."""
    spectra = stack_blocks(PCA()._check_spectra(data, reset=True))
    check_any(spectra)
    check_whole(spectra)
    return whole(spectra, 1)


def check_whole(spectra, gain=1.0):
    """Refuse numbers that are no multiples of one quantum, and say which would make them counts."""
    values = spectra.data if sp.issparse(spectra) else spectra
    is_counted = gain == 1 and values.dtype.kind != "f"
    if is_counted or is_whole(values / gain):
        return
    quantum = quantum_of(values)
    cure = (
        "pass what the detector counted, or ask bi-cross-validation (em.rank_report), which needs "
        "no whole counts."
        if quantum is None
        else f"they are multiples of {quantum:.6g}: pass counts / {quantum:.6g}, or "
        f"gain={quantum:.6g} where there is such a setting."
    )
    of_gain = f"multiples of gain={gain:g}" if gain != 1 else "numbers"
    raise ValueError(f"counts are no whole {of_gain}, and thinning draws single ones; {cure}")


def is_whole(values):
    """Whether all values are whole numbers, but for rounding."""
    return bool(np.all(np.abs(values - np.rint(values)) <= ROUNDING + SINGLE * np.abs(values)))


def whole(spectra, gain):
    """Return how many quanta spectra hold."""
    if gain == 1 and (spectra.dtype.kind != "f"):
        return spectra
    if sp.issparse(spectra):
        data = np.rint(spectra.data / gain)
        return sp.csr_array((data, spectra.indices, spectra.indptr), shape=spectra.shape)
    return np.rint(spectra / gain)


def quantum_of(values):
    """Return what all values are whole multiples of, None where there is no such number."""
    held = np.unique(values[values > 0].astype(np.float64))
    steps = np.diff(held, prepend=0.0)
    least = float(steps[steps > ROUNDING * held].min())
    for divisor in DIVISORS:
        multiples = np.rint(held * divisor / least)
        quantum = float((held @ multiples) / (multiples @ multiples))  # by all of them
        if is_whole(held / quantum):
            return quantum
    return None


def as_ranks(ranks, shape):
    """Return ranks as a rising tuple, or refuse them."""
    ranks = [ranks] if isinstance(ranks, Integral) else list(ranks)
    if not ranks or not all(isinstance(k, Integral) and not isinstance(k, bool) for k in ranks):
        raise TypeError(f"ranks are {ranks}; pass whole numbers, such as range(1, 9).")
    if min(ranks) < 1 or max(ranks) > min(shape):
        raise ValueError(
            f"ranks go from {min(ranks)} to {max(ranks)}; choose them from 1 to {min(shape)}, the "
            f"smaller of {shape[0]} pixels and {shape[1]} channels."
        )
    return tuple(sorted({int(k) for k in ranks}))


def _check_settings(estimator, n_splits, loss, callback):
    if not hasattr(estimator, "get_params") or "n_components" not in estimator.get_params():
        raise TypeError(
            f"estimator is {estimator!r}; pass one of scikit-learn's kind that has n_components, "
            "such as em.NMF() or em.PCA()."
        )
    check_scalar(n_splits, "n_splits", Integral, min_val=1)
    if loss is not None and loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; choose one of {LOSSES}, or None.")
    check_callback(callback)


def fitted(estimator, rank, spectra):
    """Fit a copy of an estimator; return abundances and spectra whose product is its model."""
    model = clone(estimator).set_params(n_components=rank)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)  # half the counts have no other noise
        abundances = np.asarray(model.fit(spectra).transform(spectra), dtype=np.float64)
    components, base = linear_model(model, abundances)
    if base.any():
        components = np.vstack([components, base])
        abundances = np.hstack([abundances, np.ones((len(abundances), 1))])
    if not np.isfinite(abundances).all() or not np.isfinite(components).all():
        raise ValueError(
            f"{model!r} models counts that are no numbers; leave missing channels out of the image."
        )
    return abundances, components


def linear_model(model, abundances):
    """Return the spectra that a model adds up, and what it adds to every pixel."""
    if not hasattr(model, "inverse_transform"):
        return np.asarray(model.components_, dtype=np.float64), np.zeros(1)
    n = abundances.shape[1]
    base = np.asarray(model.inverse_transform(np.zeros((1, n))), dtype=np.float64)
    components = np.asarray(model.inverse_transform(np.eye(n)), dtype=np.float64) - base
    some = abundances[:TRIED]
    expected = np.asarray(model.inverse_transform(some), dtype=np.float64)
    if not np.allclose(some @ components + base, expected, atol=LINEAR * np.abs(expected).max()):
        raise ValueError(
            f"{model!r} has an inverse_transform that is not linear; only models of the form "
            "transform(X) @ components_ can be judged."
        )
    return components, base


class Halves:
    """Two recordings of the same sample, the one to fit, the other to judge by.

    Parameters
    ----------
    kept, left : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    fraction : float
        Expected share of the first.
    """

    def __init__(self, kept, left, fraction):
        self.kept = kept
        self.ratio = (1 - fraction) / fraction
        pixels, channels = marginals(kept)
        check_any(kept)
        self._rows, self._columns = np.flatnonzero(pixels), np.flatnonzero(channels)
        self._pixels, self._channels = pixels[self._rows], channels[self._columns]
        self._channels = self._channels / self._channels.sum()
        self._left = _part(left, self._rows, self._columns)

    @property
    def n_entries(self):
        """How many numbers are judged."""
        return self._left.shape[0] * self._left.shape[1]

    def losses(self, model):
        """Return the mean deviance, NaN where the model is negative, and the weighted error."""
        abundances, components = model
        mine, theirs = abundances[self._rows], components[:, self._columns]
        is_negative = mine.min() < 0 or theirs.min() < 0
        deviance = float("nan") if is_negative else self.deviance(mine, theirs)
        return deviance, self.squared_error(mine, theirs)

    def deviance(self, mine, theirs):
        """Return the mean Poisson deviance of the counts left, over those that take part."""
        mine = self.ratio * np.hstack([(1 - FLOOR) * mine, FLOOR * self._pixels[:, None]])
        theirs = np.vstack([theirs, self._channels])
        total = float(mine.sum(axis=0) @ theirs.sum(axis=1))
        start = 0
        for block in row_blocks(self._left):
            stop = start + block.shape[0]
            total += _own_log(block) - _modelled_log(block, mine[start:stop], theirs)
            start = stop
        return 2 * total / self.n_entries

    def squared_error(self, mine, theirs):
        """Return the mean squared error over the variance of Poisson noise about the mean."""
        mine, rows = self.ratio * mine, 1 / (self.ratio * self._pixels)
        columns = 1 / self._channels
        weighted = columns * theirs
        alone = float(rows @ times_squared(self._left, columns))
        across = float(np.vdot(rows[:, None] * mine, times(self._left, weighted.T)))
        model = float(np.vdot((rows[:, None] * mine).T @ mine, weighted @ theirs.T))
        return (alone - 2 * across + model) / self.n_entries


def _part(counts, rows, columns):
    """Return some rows and columns of counts."""
    if (len(rows), len(columns)) == counts.shape:
        return canonical_csr(counts) if sp.issparse(counts) else counts
    if sp.issparse(counts):
        return canonical_csr(sp.csr_array(counts)[rows][:, columns])
    return counts[np.ix_(rows, columns)]


def _own_log(block):
    """Return the sum of ``counts * log(counts) - counts``."""
    values = (block.data if sp.issparse(block) else block).astype(np.float64)
    return float(xlogy(values, values).sum() - values.sum())


def _modelled_log(block, mine, theirs):
    """Return the sum of ``counts * log(mine @ theirs)``."""
    if not sp.issparse(block):
        return float(xlogy(block, mine @ theirs).sum())
    known = block.dtype.type in KERNEL_DTYPES
    rows = Rows(block if known else block.astype(np.float64))
    return rows.log_likelihood(np.ascontiguousarray(theirs.T), np.ascontiguousarray(mine))
