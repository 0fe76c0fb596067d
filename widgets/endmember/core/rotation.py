"""Blind source separation in the subspace of principal components: ICA and Varimax.

Both turn the components of a weighted PCA within the space that they span: what the model says of
the counts stays the same, only what it is made of changes.
"""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from scipy import linalg
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.checks import level_of_caller
from endmember.core.estimators import CountsEstimator
from endmember.core.metrics import match_components, spectral_angle
from endmember.core.pca import PCA
from endmember.core.progress import is_stopped_by

SIDES = ("spectra", "maps")
VARIMAX_TOL = 1e-10  # relative growth of the criterion at which it has ended


class Rotation(CountsEstimator):
    """What ICA and Varimax share: a weighted PCA, and a matrix that turns it."""

    def _fit(self, spectra):
        self._pca = PCA(self.n_components, weighting=self.weighting)._fit_within(spectra)
        scores = self._pca._transform(spectra)
        matrix = self._find_matrix(scores)
        components, strengths = self._turned(matrix, scores)
        signs = np.where(components.sum(axis=1) < 0, -1.0, 1.0)
        order = np.argsort(-strengths, kind="stable")
        self._matrix = (matrix * signs)[:, order]
        self.components_ = (components * signs[:, None])[order]
        self.strengths_ = strengths[order]

    def _transform(self, spectra):
        return self._pca._transform(spectra) @ self._matrix

    def _turned(self, matrix, scores):
        """Return the components that a matrix leads to, and how strong each is in the counts."""
        components = linalg.solve(matrix, self._pca.components_)
        lengths = linalg.norm(scores @ matrix, axis=0) * linalg.norm(components, axis=1)
        return components, lengths / np.sqrt(scores.shape[0])

    def _check_settings(self):
        super()._check_settings()
        if self.on not in SIDES:
            raise ValueError(f"on is {self.on!r}; choose one of {SIDES}.")


class ICA(Rotation):
    """Separate sources that know nothing of each other, in the subspace of a weighted PCA.

    FastICA [1]_ turns the leading principal components until their spectra, or their maps, are as
    independent as they get. Sources with no more values than there are sources stay as they are.

    Parameters
    ----------
    n_components : int, default=3
        How many sources; turning it up brings noise into the subspace.
    on : {"spectra", "maps"}, default="spectra"
        What is to be independent. Maps of shares that sum to 1 are not.
    derivative : {0, 1, 2}, default=0
        Of the spectra or of the unfolded maps, before they are compared: turning it up gives
        narrow features more weight, and noise as well. The edges of energy-loss spectra want 1.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        Of the principal components; see :class:`PCA`.
    n_restarts : int, default=4
        Starts beside the first, to see in `stability_` how far the answer depends on chance.
    max_iter : int, default=1000
        Rounds of each start, at most.
    random_state : int or numpy.random.RandomState, default=0
        Where the starts begin.
    callback : callable, optional
        Called with a :class:`Progress` after every start; where it returns True, no more are made.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra in counts, the strongest first, each with a positive sum: ICA has no sign and no
        order of its own.
    strengths_ : ndarray of shape (n_components,)
        Root mean square of what each adds to a pixel, in counts.
    stability_ : ndarray of shape (n_components,)
        Largest angle in degrees, over the restarts, between a spectrum and its like.
    n_iter_ : int
        Rounds of the first start.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    References
    ----------
    .. [1] A. Hyvärinen and E. Oja, Neural Networks 13 (2000) 411,
       doi:10.1016/S0893-6080(00)00026-5.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("portrait_edges").image
    >>> ica = em.ICA(4, derivative=1).fit(image.spectra)
    >>> ica.components_.shape
    (4, 1024)
    """

    def __init__(
        self,
        n_components=3,
        *,
        on="spectra",
        derivative=0,
        weighting="poisson",
        n_restarts=4,
        max_iter=1000,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.on = on
        self.derivative = derivative
        self.weighting = weighting
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.n_restarts, "n_restarts", Integral, min_val=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        if not isinstance(self.derivative, Integral) or self.derivative not in (0, 1, 2):
            raise ValueError(f"derivative is {self.derivative!r}; choose 0, 1 or 2.")

    def _find_matrix(self, scores):
        rng = check_random_state(self.random_state)
        sources = self._pca.components_ if self.on == "spectra" else scores.T
        samples = np.diff(sources, n=self.derivative, axis=1).T
        if len(samples) < 2:
            raise ValueError(
                f"derivative={self.derivative} leaves {len(samples)} values of each source; take a "
                "lower one."
            )
        found = list(self._starts(samples, rng))
        self.n_iter_ = found[0][1]
        turn = np.transpose if self.on == "maps" else linalg.inv
        matrices = [turn(unmixing) for unmixing, _ in found]
        self._restarts = [self._turned(matrix, scores)[0] for matrix in matrices]
        return matrices[0]

    def _starts(self, samples, rng):
        n_starts = self.n_restarts + 1
        for i in range(n_starts):
            yield self._one_start(samples, rng)
            if is_stopped_by(self.callback, (i + 1) / n_starts):
                return

    def _one_start(self, samples, rng):
        centred = samples - samples.mean(axis=0)
        n_samples, n_sources = samples.shape
        if np.linalg.matrix_rank(centred) < n_sources:
            return np.eye(n_sources), 0  # too few values to tell the sources apart
        # FastICA's own whitening loses an axis whose first entry is zero: it multiplies by its sign
        axes, lengths, _ = linalg.svd(centred.T, full_matrices=False)
        axes *= np.where(axes[0] < 0, -1.0, 1.0)
        whitening = np.sqrt(n_samples) * (axes / lengths).T
        ica = FastICA(
            whiten=False,
            max_iter=self.max_iter,
            random_state=rng.randint(2**31 - 1),
            tol=1e-5,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fit says it once for all
            ica.fit(centred @ whitening.T)
        return ica.components_ @ whitening, ica.n_iter_

    def _fit(self, spectra):
        super()._fit(spectra)
        worst = np.zeros(len(self.components_))
        for components in self._restarts[1:]:
            match = match_components(components, self.components_, measure=_unsigned_angle)
            worst = np.maximum(worst, match.cost)
        self.stability_ = worst
        del self._restarts
        if self.n_iter_ >= self.max_iter:
            warnings.warn(
                f"ICA stopped after max_iter={self.max_iter} rounds; raise it, or see in "
                "stability_ whether the sources can be told apart at all.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )


class Varimax(Rotation):
    """Turn principal components until each is large in few places and small elsewhere.

    Unlike ICA, the turn is a rotation: the components stay orthogonal in the weighted space.

    Parameters
    ----------
    n_components : int, default=3
        How many components to turn; turning it up brings noise into the subspace.
    on : {"spectra", "maps"}, default="maps"
        What is to be simple. Phases that hardly overlap have simple maps [2]_.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        Of the principal components; see :class:`PCA`.
    max_iter : int, default=1000
        Rounds, at most.
    callback : callable, optional
        Called with a :class:`Progress` after every round, whose objective is the criterion that
        grows; where it returns True, the turn so far is kept.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra in counts, the strongest first, each with a positive sum.
    strengths_ : ndarray of shape (n_components,)
        Root mean square of what each adds to a pixel, in counts.
    rotation_ : ndarray of shape (n_components, n_components)
        The rotation of the components in the order of the principal ones.
    n_iter_ : int
        Rounds that were made.
    n_features_in_ : int
        Number of channels.
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    References
    ----------
    .. [1] H. F. Kaiser, Psychometrika 23 (1958) 187, doi:10.1007/BF02289233.
    .. [2] M. R. Keenan, Surf. Interface Anal. 41 (2009) 79, doi:10.1002/sia.2949.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("six_compounds").image
    >>> em.Varimax(6).fit(image.spectra).components_.shape
    (6, 400)
    """

    def __init__(
        self, n_components=3, *, on="maps", weighting="poisson", max_iter=1000, callback=None
    ):
        self.n_components = n_components
        self.on = on
        self.weighting = weighting
        self.max_iter = max_iter
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)

    def _find_matrix(self, scores):
        axes = self._pca.components_ * np.where(
            self._pca.channel_scale_ > 0, self._pca.channel_scale_, 1.0
        )
        loadings = axes.T if self.on == "spectra" else scores
        self.rotation_, self.n_iter_, is_settled = rotate_simple(
            loadings, max_iter=self.max_iter, callback=self.callback
        )
        if not is_settled:
            warnings.warn(
                f"Varimax stopped after max_iter={self.max_iter} rounds while the criterion still "
                "grew; raise max_iter.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        return self.rotation_


def rotate_simple(loadings, *, max_iter=1000, callback=None):
    """Find the rotation that makes the variance of the squared loadings largest.

    Parameters
    ----------
    loadings : ndarray of shape (n_rows, n_components)
        Turned as ``loadings @ rotation``.
    max_iter : int, default=1000
        Rounds, at most.
    callback : callable, optional
        Called after every round; stops the search where it returns True.

    Returns
    -------
    rotation : ndarray of shape (n_components, n_components)
        The rotation.
    n_iter : int
        Rounds that were made.
    is_settled : bool
        False where more rounds were wanted than there may be.
    """
    n_rows, n_components = loadings.shape
    rotation, before = np.eye(n_components), 0.0
    for n_iter in range(1, max_iter + 1):
        turned = loadings @ rotation
        pull = turned**3 - turned * (turned**2).mean(axis=0)
        left, sizes, right = linalg.svd(loadings.T @ pull / n_rows)
        rotation = left @ right
        if sizes.sum() <= before * (1 + VARIMAX_TOL):
            return rotation, n_iter, True
        before = sizes.sum()
        if is_stopped_by(callback, n_iter / max_iter, before):
            return rotation, n_iter, True
    return rotation, n_iter, False


def _unsigned_angle(spectra, others):
    angles = spectral_angle(spectra, others)
    return np.minimum(angles, 180.0 - angles)
