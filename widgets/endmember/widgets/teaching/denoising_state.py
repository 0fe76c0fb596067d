"""What a rank keeps of one energy window and what it loses, beside the truth."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import traitlets as tl
from sklearn.utils.validation import check_scalar

from endmember.core.image_parts import check_window
from endmember.core.pca import PCA
from endmember.datasets.scene import Scene

SHRUNK = "shrunk"  # the last step of the ladder, after all ranks
MOST_BINS = 24  # of a spectrum that is held for every pixel and rank: a page has to stay small
AROUND = 1.0  # of the window's width: what is shown of the spectrum to either side


def shrinkage(eigenvalues, n_pixels, n_channels):
    """Return the share of each singular value that is kept for the least squared error.

    Of a component of eigenvalue y², in units of the noise variance, ``sqrt((y² - 1 - β)² - 4 β) /
    y²`` is kept, where β = n_channels / n_pixels, and nothing below the noise edge
    ``(1 + sqrt(β))²``. Truncation keeps all or nothing.

    Parameters
    ----------
    eigenvalues : array_like of shape (n_components,)
        As ``PCA.scree_`` has them.
    n_pixels, n_channels : int
        Of the map.

    Returns
    -------
    ndarray of shape (n_components,)
        From 0 to 1, dimensionless.

    References
    ----------
    M. Gavish and D. L. Donoho, IEEE Trans. Inf. Theory 63 (2017) 2137, eq. 7,
    doi:10.1109/TIT.2017.2653801.

    Examples
    --------
    >>> shrinkage([1.0, 4.0, 100.0], 100, 100).round(3).tolist()
    [0.0, 0.0, 0.98]
    """
    eigenvalues = np.asarray(eigenvalues, dtype=np.float64)
    aspect = n_channels / n_pixels
    squares = (eigenvalues - 1 - aspect) ** 2 - 4 * aspect
    is_signal = eigenvalues > (1 + np.sqrt(aspect)) ** 2
    return np.where(is_signal, np.sqrt(squares.clip(min=0)) / eigenvalues, 0.0)


class DenoisingState(tl.HasTraits):
    """A map denoised at every rank, and how far from the truth each of them is.

    Parameters
    ----------
    scene : Scene
        A simulated map with its endmembers and abundances; nothing in it is changed.
    window : tuple of float
        Low and high end of the energy window, in the unit of the axis.
    phase : str
        Which of ``scene.names`` to follow: bias is measured in the pixels that hold it.
    max_rank : int, default=8
        Highest rank; turning it up makes a page larger.

    Attributes
    ----------
    rank : int or "shrunk"
        The chosen step; may be set.
    steps : list
        All steps: ranks from 1 to `max_rank`, and ``"shrunk"``: components above the noise, each
        made smaller as the least squared error asks for.
    truth, raw : ndarray of shape (rows, columns)
        Expected and recorded counts in the window.
    denoised, residual : ndarray of shape (n_steps, rows, columns)
        Modelled counts in the window; and recorded less modelled ones, in standard deviations of
        the noise that the model expects.
    raw_error : float
        Root of the mean squared error of the recorded counts in the window, in counts a pixel.
    error, bias : ndarray of shape (n_steps,)
        The same of denoised counts; and denoised less true counts in the pixels that hold the
        phase, on average.
    lost : ndarray of shape (n_steps,)
        The bias with its sign reversed, in per cent of `signal`.
    signal : float
        What the phase adds to the window there, in counts a pixel, on average: of it a bias takes
        its share.
    where : ndarray of bool, shape (rows, columns)
        Pixels that hold the phase.
    axis : ndarray of shape (n_bins,)
        Of the spectra, in the unit of the image: the window and what lies beside it.
    bin_width : float
        Of the axis, in its unit.
    counts, expected : ndarray of shape (n_pixels, n_bins)
        Recorded and expected counts.
    models : ndarray of shape (n_steps, n_pixels, n_bins)
        Modelled counts.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.denoising_state import DenoisingState
    >>> scene = em.teaching.doped_portraits(40)
    >>> state = DenoisingState(scene, (398, 412), "N")
    >>> state.rank = 5
    >>> bool(state.error[4] < 0.7 * state.raw_error), bool(state.lost[4] > 70)
    (True, True)
    """

    rank: tl.Union = tl.Union([tl.Int(), tl.Unicode()], default_value=1)

    def __init__(self, scene, window, phase, *, max_rank=8):
        _check_scene(scene, phase)
        image = scene.image
        check_scalar(max_rank, "max_rank", Integral, min_val=1, max_val=min(image.spectra.shape))
        self.scene, self.image, self.phase = scene, image, phase
        self.window = tuple(map(float, check_window(window)))
        image.signal_axis.window(*self.window)  # says where the axis runs if it lies beside it
        self.steps = [*range(1, int(max_rank) + 1), SHRUNK]
        self._fit(int(max_rank))
        self._map()
        self._bin()
        super().__init__()

    def _fit(self, max_rank):
        spectra = self.image.spectra
        self.pca = pca = PCA(max_rank).fit(spectra)
        self._scores = pca.transform(spectra)
        shape = np.count_nonzero(pca.pixel_scale_), np.count_nonzero(pca.channel_scale_)
        shares = shrinkage(pca.scree_[:max_rank], *shape)
        kept = np.tri(max_rank)  # a line for every rank
        self.shares = np.vstack([kept, shares])

    def _map(self):
        low, high = self.window
        inside = (self.image.axis >= low) & (self.image.axis <= high)
        fold, scene, where = self.image.fold, self.scene, self.scene.names.index(self.phase)
        self.raw = fold(_dense(self.image.spectra)[:, inside].sum(axis=1).astype(np.float64))
        self.truth = fold(scene.expected[:, inside].sum(axis=1))
        heights = self.pca.components_[:, inside].sum(axis=1)
        sums = self._scores @ (self.shares * heights).T
        self.denoised = np.moveaxis(fold(sums), -1, 0)
        noise = np.sqrt(np.maximum(self.denoised, 1.0))  # of less than a count there is no saying
        self.residual = (self.raw - self.denoised) / noise
        amounts = scene.abundances[:, where]
        self.where = fold(amounts) > 0
        self.signal = float(amounts[amounts > 0].mean() * scene.endmembers[where, inside].sum())
        off = self.denoised - self.truth
        self.raw_error = float(np.sqrt(np.mean((self.raw - self.truth) ** 2)))
        self.error = np.sqrt(np.mean(off**2, axis=(1, 2)))
        self.bias = off[:, self.where].mean(axis=1)
        self.lost = -100 * self.bias / self.signal

    def _bin(self):
        """Take the spectra about the window, neighbouring channels merged until they are few."""
        (low, high), axis = self.window, self.image.axis
        beside = AROUND * (high - low)
        shown = np.flatnonzero((axis >= low - beside) & (axis <= high + beside))
        width = -(-len(shown) // MOST_BINS)
        shown = shown[: len(shown) // width * width]

        def merge(rows):
            return rows[..., shown].reshape(*rows.shape[:-1], -1, width).sum(axis=-1)

        self.axis = axis[shown].reshape(-1, width).mean(axis=1)
        self.bin_width = float(width * np.abs(np.diff(axis)).mean())
        self.counts = merge(_dense(self.image.spectra).astype(np.int64))
        self.expected = merge(self.scene.expected)
        spectra = merge(self.pca.components_)
        self.models = np.stack([(self._scores * kept) @ spectra for kept in self.shares])

    def name_of(self, step):
        """Say how a step is called."""
        return "shrunk" if step == SHRUNK else f"PCA of rank {step}"

    def words(self, step=None):
        """Say what a step, by default the chosen one, gains and loses.

        Parameters
        ----------
        step : int or "shrunk", optional
            One of `steps`.
        """
        step = self.rank if step is None else step
        at = self.steps.index(step)
        return (
            f"{self.name_of(step)}: error {self.error[at]:.1f} counts a pixel, raw "
            f"{self.raw_error:.1f}. In the {np.count_nonzero(self.where)} pixels with "
            f"{self.phase}, bias {_signed(self.bias[at])} of {self.signal:.1f} counts that "
            f"{self.phase} gives: {_signed(-self.lost[at], 0)} %."
        )

    @tl.validate("rank")
    def _is_step(self, proposal):
        if isinstance(proposal["value"], bool) or proposal["value"] not in self.steps:
            raise tl.TraitError(
                f"rank is {proposal['value']!r}; choose a whole number from 1 to "
                f'{len(self.steps) - 1}, or "{SHRUNK}".'
            )
        return proposal["value"]


def _dense(spectra):
    return spectra.toarray() if hasattr(spectra, "toarray") else np.asarray(spectra)


def _signed(value, digits=1):
    """Write a number with its sign, and a minus that is one."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _check_scene(scene, phase):
    if not isinstance(scene, Scene) or scene.expected is None or not scene.names:
        raise TypeError(
            f"scene is {type(scene).__name__}; pass a simulated scene with endmembers and "
            "abundances, as em.teaching.doped_portraits(): errors need a truth."
        )
    if len(getattr(scene.image, "navigation_shape", ())) != 2:
        raise ValueError("the scene is no map of rows and columns; pass one that is.")
    if phase not in scene.names:
        raise ValueError(f"phase is {phase!r}; choose one of {list(scene.names)}.")
    if not (scene.abundances[:, scene.names.index(phase)] > 0).any():
        raise ValueError(f"phase is {phase!r}, which no pixel holds; choose one that is there.")
