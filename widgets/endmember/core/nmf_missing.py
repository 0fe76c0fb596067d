"""Numbers that are missing from spectra, and take no part in a fit."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

FILLINGS = 20  # rounds in which a start's missing numbers are guessed


def missing_places(missing, shape):
    """Return where numbers are missing, as a mask of shape (n_pixels or 1, n_channels or 1).

    Parameters
    ----------
    missing : array_like of bool
        As the setting of :class:`NMF`.
    shape : tuple of int
        ``(n_pixels, n_channels)`` of the spectra.
    """
    mask = np.asarray(missing)
    if mask.dtype.kind != "b":
        raise TypeError(
            f"missing has dtype {mask.dtype}; pass booleans, True where one is missing."
        )
    if mask.size and mask.all():
        raise ValueError("missing is True everywhere; pass True only where a number is missing.")
    n_pixels, n_channels = shape
    if mask.shape == (n_channels,) == (n_pixels,):
        raise ValueError(
            f"missing has shape {mask.shape} and X {shape}: it may mean pixels or channels; pass "
            f"it with shape {(n_pixels, 1)} or {(1, n_channels)}."
        )
    if mask.shape == (n_channels,):
        return mask[None]
    if mask.shape == (n_pixels,):
        return mask[:, None]
    if mask.shape in (shape, (n_pixels, 1), (1, n_channels)):
        return mask
    raise ValueError(
        f"missing has shape {mask.shape}, but X {shape}; expected {shape}, ({n_channels},) for "
        f"channels or ({n_pixels},) for pixels. Set missing=None to transform other counts."
    )


def without(spectra, mask):
    """Return a copy of spectra with zeros where the mask says that numbers are missing.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts; what stands in missing places may be anything.
    mask : ndarray of bool
        From :func:`missing_places`.
    """
    mask = np.broadcast_to(mask, spectra.shape)
    if not sp.issparse(spectra):
        return np.where(mask, np.zeros((), spectra.dtype), spectra)
    found = sp.csr_array(spectra, copy=True)
    pixels = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    found.data[mask[pixels, found.indices]] = 0
    return found


class Held:
    """The pixels and channels of which numbers are held, and what is missing among these.

    Parameters
    ----------
    mask : ndarray of bool, or None
        From :func:`missing_places`; None where all is held.
    shape : tuple of int
        ``(n_pixels, n_channels)``.
    channels : ndarray of bool, shape (n_channels,), optional
        Which of them to take; by default those of which anything is held.

    Attributes
    ----------
    pixels, channels : ndarray of bool, shape (n_pixels,) and (n_channels,)
        Where any number is held.
    missing : CSR array of shape (n_held_pixels, n_held_channels), or None
        1 where a number is missing.
    """

    def __init__(self, mask, shape, channels=None):
        self.pixels, self.channels = (np.ones(n, dtype=bool) for n in shape)
        self.missing = None
        if mask is not None and mask.shape[1] > 1:
            self.channels = ~mask.all(axis=0)
        if channels is not None:
            self.channels = channels
        if mask is not None and mask.shape[0] > 1:
            self.pixels = ~mask.all(axis=1)
        if mask is not None and mask.shape == tuple(shape):
            inner = mask[np.ix_(self.pixels, self.channels)]
            self.missing = sp.csr_array(inner.astype(np.float64)) if inner.any() else None

    def chosen(self, spectra):
        """Return the spectra of held pixels and channels, pixel by pixel as they came."""
        if not self.pixels.all():
            spectra = spectra[np.flatnonzero(self.pixels)]
        if not self.channels.all():
            spectra = spectra[:, np.flatnonzero(self.channels)]
        return spectra if sp.issparse(spectra) else np.ascontiguousarray(spectra)

    def spread(self, components):
        """Return components of all channels: NaN where nothing is held."""
        return _spread(components, self.channels)

    def unfolded(self, abundances):
        """Return abundances of all pixels: NaN where nothing is held."""
        return _spread(abundances.T, self.pixels).T

    def filled(self, spectra):
        """Return chosen spectra with guesses for what is missing: pixel sum times mean spectrum."""
        if self.missing is None:
            return spectra
        gaps = self.missing.tocoo()
        guesses = np.zeros(gaps.nnz)
        pixels, channels = (
            np.asarray(spectra.sum(axis=i, dtype=np.float64)).ravel() for i in (1, 0)
        )
        for _ in range(FILLINGS):
            rows = pixels + np.bincount(gaps.row, guesses, minlength=pixels.size)
            columns = channels + np.bincount(gaps.col, guesses, minlength=channels.size)
            guesses = rows[gaps.row] * columns[gaps.col] / max(columns.sum(), 1e-300)
        added = sp.csr_array((guesses, (gaps.row, gaps.col)), shape=spectra.shape)
        return sp.csr_array(spectra + added) if sp.issparse(spectra) else spectra + added.toarray()


def _spread(rows, chosen):
    if chosen.all():
        return rows
    full = np.full((len(rows), chosen.size), np.nan)
    full[:, chosen] = rows
    return full
