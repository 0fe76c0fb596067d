"""Eigenvalues of scaled counts, by whichever way is shortest; one answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy import linalg
from scipy.linalg import lapack

from endmember.core.checks import canonical_csr
from endmember.core.krylov import find_leading
from endmember.core.noise import count_above, noise_edge
from endmember.core.products import near_diagonals, spread, times, weighted_gram
from endmember.core.threads import one_blas_thread

BLOCK, WANTED = 4, 8  # vectors that a Krylov round multiplies for up to so many components
MOST_ROUNDS = 40  # after which all eigenvalues would have come as cheap
SAMPLED_ABOVE = 50_000  # pixels
SAMPLED, RUN, SAMPLE_ROUNDS = 12, 64, 5  # every twelfth pixel, in runs; as many rounds
MOST_ABOVE = 64  # components above the noise that are looked at, beyond those wanted


@dataclass(frozen=True)
class Eigen:
    """What was found of the scaled counts Y.

    Attributes
    ----------
    values : ndarray
        Leading eigenvalues of ``Y.T @ Y / n_pixels``, falling.
    axes : ndarray of shape (n_axes, n_channels)
        Unit eigenvectors, as many as are wanted or more.
    diagonals : ndarray of shape (2, n_channels)
        The diagonal of the same matrix, and what stands above it.
    is_whole : bool
        Whether no eigenvalue is missing.
    """

    values: np.ndarray
    axes: np.ndarray
    diagonals: np.ndarray
    is_whole: bool


def by_gram(gram, scaling, n_wanted):
    """Find all eigenvalues from the Gram matrix of channels.

    Parameters
    ----------
    gram : ndarray of shape (n_channels, n_channels)
        ``X.T @ diag(pixels**2) @ X``.
    scaling : Scaling
        Of the counts X.
    n_wanted : int
        Eigenvectors to find at least.
    """
    kept = np.flatnonzero(scaling.channels)
    matrix = gram[np.ix_(kept, kept)]
    matrix *= scaling.channels[kept, None] / scaling.shape[0]
    matrix *= scaling.channels[kept]
    diagonals = np.zeros((2, len(gram)))
    diagonals[0, kept] = matrix.diagonal()
    diagonals[1, kept[:-1]] = matrix.diagonal(1) * (np.diff(kept) == 1)
    values, vectors = _symmetric(matrix, n_wanted, scaling)
    axes = np.zeros((max(n_wanted, vectors.shape[1]), len(gram)))
    axes[: vectors.shape[1], kept] = vectors.T
    return Eigen(values, axes, diagonals, is_whole=True)


def by_pixels(spectra, scaling, n_wanted):
    """Find all eigenvalues through ``Y @ Y.T``, the smaller matrix where channels outnumber pixels.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    scaling, n_wanted
        As in :func:`by_gram`.
    """
    n_pixels = scaling.shape[0]
    kept = np.flatnonzero(scaling.pixels)
    turned = canonical_csr(spectra.T) if sp.issparse(spectra) else np.ascontiguousarray(spectra.T)
    gram = weighted_gram(turned, scaling.channels**2)
    matrix = gram[np.ix_(kept, kept)]
    matrix *= scaling.pixels[kept, None] / n_pixels
    matrix *= scaling.pixels[kept]
    values, vectors = _symmetric(matrix, n_wanted, scaling)
    spread_out = np.zeros((len(gram), vectors.shape[1]))
    spread_out[kept] = vectors
    projected = times(turned, scaling.pixels[:, None] * spread_out)
    projected = (projected * scaling.channels[:, None]).T
    lengths = linalg.norm(projected, axis=1)
    real = lengths > 1e-7 * lengths[0]  # a length is the root of an eigenvalue, exact to 1e-15
    axes = np.zeros((max(n_wanted, len(projected)), spectra.shape[1]))
    axes[: len(projected)][real] = projected[real] / lengths[real, None]
    return Eigen(values, axes, _diagonals(spectra, scaling), is_whole=True)


def by_krylov(spectra, scaling, n_wanted, *, tol, rng, report):
    """Find the leading eigenvalues by block Krylov iteration; None where they do not settle.

    Parameters
    ----------
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    scaling, n_wanted
        As in :func:`by_gram`.
    tol : float
        Angle in radians that may be left to the exact space.
    rng : RandomState
        Where the iteration begins.
    report : callable
        Called with the fraction of the rounds that were made.
    """
    weights, channels = scaling.pixels**2 / scaling.shape[0], scaling.channels[:, None]
    n_vectors = BLOCK * -(-n_wanted // WANTED)
    max_rounds = min(MOST_ROUNDS, scaling.shape[1] // n_vectors)
    if max_rounds < 2:
        return None
    start = rng.standard_normal((spectra.shape[1], n_vectors)) * (channels > 0)

    def search(some, start, tol, max_rounds, report):
        part, weights_of_part = spectra[some], weights[some]
        return find_leading(
            lambda vectors: spread(part, weights_of_part, vectors * channels) * channels,
            start,
            n_wanted,
            tol=tol,
            max_rounds=max_rounds,
            report=report,
        )

    if spectra.shape[0] > SAMPLED_ABOVE:  # a few pixels show where to begin
        some = np.arange(spectra.shape[0]) % (SAMPLED * RUN) < RUN
        sample = search(some, start, 0.0, min(SAMPLE_ROUNDS, max_rounds), lambda fraction: None)
        start = sample.axes[:n_vectors].T
    found = search(slice(None), start, tol, max_rounds, report)
    if found.angle > tol:
        return None
    return Eigen(found.values, found.axes, _diagonals(spectra, scaling), is_whole=False)


def _diagonals(spectra, scaling):
    squares, neighbours = near_diagonals(spectra, scaling.pixels**2 / scaling.shape[0])
    neighbours[:-1] *= scaling.channels[:-1] * scaling.channels[1:]
    return np.stack([squares * scaling.channels**2, neighbours])


def _symmetric(matrix, n_wanted, scaling):
    """Return all eigenvalues of a symmetric matrix and its leading eigenvectors, falling.

    The matrix is made tridiagonal once, for both.
    """
    n = len(matrix)
    # Two BLAS threads gain a third here, but wait for each other on a busy machine: 25 s, not 0.3.
    with one_blas_thread():
        if n == 1:
            return matrix[0].clip(min=0.0), np.ones((1, 1))
        work = int(lapack.dsytrd_lwork(n, lower=1)[0])
        reflectors, diagonal, beside, tau, _ = lapack.dsytrd(matrix, lower=1, lwork=work)
        values = linalg.eigvalsh_tridiagonal(diagonal, beside)[::-1].clip(min=0.0)
        n_above = min(MOST_ABOVE, count_above(values / scaling.noise, noise_edge(*scaling.shape)))
        first = max(0, n - max(n_wanted, n_above))
        vectors = linalg.eigh_tridiagonal(
            diagonal, beside, select="i", select_range=(first, n - 1)
        )[1]
        return values, _turned_back(reflectors, tau, vectors)[:, ::-1]


def _turned_back(reflectors, tau, vectors):
    """Turn eigenvectors of the tridiagonal matrix into those of the one it was made from."""
    below = np.asfortranarray(reflectors[1:, :-1])
    _, work, _ = lapack.dormqr("L", "N", below, tau, vectors[1:], -1)
    turned = lapack.dormqr("L", "N", below, tau, vectors[1:], int(work[0]))[0]
    return np.vstack([vectors[:1], turned])
