"""What every estimator of counts has in common: what it takes, and what it refuses."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_scalar, validate_data

from endmember.core.blocks import LazyRows, row_blocks
from endmember.core.checks import (
    ScaledCountsWarning,
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_flat,
    check_height,
    check_values,
    is_dask,
    level_of_caller,
    native,
    scaled_values,
)
from endmember.core.image import SpectrumImage
from endmember.core.packing import narrowed, packed
from endmember.core.progress import check_callback
from endmember.core.record import record_of, results_of

KEPT_DTYPES = [
    np.float64,
    np.float32,
    *(np.dtype(f"{kind}{size}").type for kind in "ui" for size in (1, 2, 4, 8)),
]


class CountsEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """An estimator of counts: of images, arrays, CSR arrays, and dask arrays block by block.

    A subclass has ``_fit(spectra)``, which sets what is found, and ``_transform(spectra)``; both
    are handed counts that were checked.
    """

    def fit(self, X, y=None):
        """Find the components of counts X of shape (n_pixels, n_channels)."""
        self._fit_checked(X)
        return self

    def _fit_checked(self, X):
        """Fit, and return the counts as they were checked."""
        self._check_settings()
        spectra = self._check_spectra(X, reset=True)
        self._check_shape(spectra.shape)
        check_any(spectra)
        is_scaled = self._warn_of_scaling(spectra)
        self._fit(spectra)
        self.record_ = self._record(spectra, X)
        if not is_scaled:
            self._warn_of_noise()
        return spectra

    def _record(self, spectra, source=None):
        settings = self.get_params(deep=False)
        found = results_of(self)
        return record_of(type(self).__name__, settings, spectra, source=source, result=found)

    def transform(self, X):
        """Return what counts X hold of each component, shape (n_pixels, n_components)."""
        check_is_fitted(self)
        return self._transform(self._check_spectra(X, reset=False))

    def _fit_within(self, spectra):
        """Fit for another estimator, which has checked the spectra and keeps the record."""
        self._check_settings()
        self._check_shape(spectra.shape)
        self.n_features_in_ = spectra.shape[1]
        self._fit(spectra)
        return self

    @property
    def _n_features_out(self):
        return len(self.components_)

    def _check_settings(self):
        check_count(self.n_components)
        check_callback(getattr(self, "callback", None))

    def _warn_of_noise(self):
        """Say what is wrong with the noise, where an estimator looks at it."""

    def _takes_counts(self):
        """Whether the noise is taken to be that of counting, by `weighting` or by `loss`."""
        settings = self.get_params(deep=False)
        return settings.get("weighting", "none") != "none" or settings.get("loss") == "poisson"

    def _warn_of_scaling(self, spectra):
        """Warn of counts that were scaled; return whether they were."""
        if not self._takes_counts():
            return False
        seen = scaled_values(spectra.array if isinstance(spectra, LazyRows) else spectra)
        if seen is not None:
            warnings.warn(
                f"counts X are zero in places and hold {' and '.join(f'{v:.3g}' for v in seen)} in "
                f"others, no multiples of one quantum: they were scaled after they were counted, "
                f"so that {type(self).__name__} cannot know their noise. Pass the counts "
                "themselves (in HyperSpy with normalize_poissonian_noise=False, "
                "navigation_mask=None), or take their noise for even: weighting='none' or "
                "loss='gaussian'.",
                ScaledCountsWarning,
                stacklevel=level_of_caller(),
            )
        return seen is not None

    def _check_shape(self, shape):
        n_pixels, n_channels = shape
        if self.n_components is not None and self.n_components > min(shape):
            raise ValueError(
                f"n_components={self.n_components} is more than {min(shape)}, the smaller of "
                f"n_samples={n_pixels} pixels and n_features={n_channels} channels; ask for fewer."
            )

    def inverse_transform(self, scores):
        """Return the modelled counts of shape (n_pixels, n_channels).

        Parameters
        ----------
        scores : array_like of shape (n_pixels, n_components)
            What ``transform`` returns: scores, or abundances.
        """
        check_is_fitted(self)
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 2 or scores.shape[1] != len(self.components_):
            raise ValueError(
                f"scores have shape {scores.shape}; expected (n_pixels, "
                f"{len(self.components_)}), as transform returns them."
            )
        return scores @ self.components_

    def _check_spectra(self, X, *, reset):
        if isinstance(X, SpectrumImage):
            X = X.spectra
        check_array_kind(X, "counts X")
        check_flat(X, "counts X")
        if is_dask(X):
            check_dtype(X.dtype, "counts X")
            validate_data(self, X=np.zeros((1, X.shape[1])), reset=reset)
            return LazyRows(X)
        if sp.issparse(X):
            X = canonical_csr(X)
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=KEPT_DTYPES,
            order="C",
            ensure_all_finite=False,  # checked below, with a way out in the message
            reset=reset,
        )
        values = X.data if sp.issparse(X) else X
        check_values(values, "counts X")
        check_height(values, "counts X")
        spectra = X if sp.issparse(X) else packed(native(X))
        return narrowed(spectra) if sp.issparse(spectra) else spectra

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags


def check_count(n_components):
    """Refuse what is no number of components."""
    if isinstance(n_components, bool):
        raise TypeError(f"n_components is {n_components}; pass a whole number from 1 up.")
    check_scalar(n_components, "n_components", Integral, min_val=1)


def check_any(spectra):
    """Refuse counts that are all zero; lazy ones are not read for it."""
    if isinstance(spectra, LazyRows):
        return
    if not any(
        (block.data if sp.issparse(block) else block).any() for block in row_blocks(spectra)
    ):
        raise ValueError(
            "counts are zero in every pixel; nothing can be unmixed. Check that the right signal "
            "was loaded."
        )
