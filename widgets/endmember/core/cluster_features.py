"""What pixels are clustered by: their spectra, lines, shares or principal components."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import stack_blocks
from endmember.core.line_maps import line_maps
from endmember.core.pca import PCA
from endmember.core.points import as_rows
from endmember.core.products import marginals
from endmember.core.sources import as_spectrum_image

KINDS = ("raw", "lines", "l1", "log-ratio", "pca")


def cluster_features(data, kind="raw", *, lines=None, pseudo_count=0.5, n_components=3):
    """Return the features by which pixels are to be clustered, a row for each visible pixel.

    Parameters
    ----------
    data : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts. ``"raw"`` without `lines` takes any finite rows too, such as scores.
    kind : {"raw", "lines", "l1", "log-ratio", "pca"}, default="raw"
        What a row holds.

        - ``"raw"``: the counts. Misleads where thickness or beam current vary: distances are then
          those of brightness, not of composition.
        - ``"lines"``: the counts in X-ray lines. Few features, so that less noise adds up;
          brightness misleads as before, and overlapping lines count twice.
        - ``"l1"``: counts over their sum, that is shares. Brightness is gone, but dark pixels
          scatter most and make clusters of their own; pixels without counts become zero.
        - ``"log-ratio"``: logarithms of the counts less their mean over the features (centred
          log-ratio [1]_), so that ratios become distances. Where counts are near zero the pseudo
          count decides: take lines of many counts.
        - ``"pca"``: scores on principal components of :class:`PCA`, in units of the noise. The
          components are chosen on the same counts, so that noise of too many of them is found
          again as clusters; brightness is one of the components.

        Whatever the kind, what tells clusters apart was chosen on the counts that they are then
        compared on: the difference of their means is exaggerated, and invented where there is
        none (double dipping). :func:`cluster_sweep` compares two halves of the counts (`thin`).
    lines : sequence of str, or dict of str to (float, float), optional
        Lines or windows, as :func:`line_maps` takes them: their counts then take the place of all
        channels in every kind but ``"pca"``. For ``"lines"``, by default those in the metadata.
    pseudo_count : float, default=0.5
        Added to all counts before logarithms are taken, in counts; turning it up draws pixels of
        few counts together.
    n_components : int, default=3
        Principal components; turning it up tells weaker phases apart, and brings in more noise.

    Returns
    -------
    ndarray or CSR array of shape (n_pixels, n_features)
        Counts for ``"raw"`` and ``"lines"``, else dimensionless. ``image.fold`` makes maps of it.

    References
    ----------
    .. [1] J. Aitchison, J. R. Stat. Soc. B 44 (1982) 139,
       doi:10.1111/j.2517-6161.1982.tb01195.x.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("iron_oxides", shape=(32, 32)).image
    >>> em.cluster_features(image, "l1", lines=["Fe_Ka", "O_Ka"]).shape
    (1024, 2)
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {KINDS}.")
    check_scalar(pseudo_count, "pseudo_count", Real, min_val=0, include_boundaries="neither")
    if not np.isfinite(pseudo_count):
        raise ValueError(f"pseudo_count is {pseudo_count}; pass a finite number of counts above 0.")
    check_scalar(n_components, "n_components", Integral, min_val=1)
    if kind == "pca":
        return _scores(as_spectrum_image(data), n_components)
    if kind == "raw" and lines is None:
        return stack_blocks(as_rows(data if is_rows(data) else as_spectrum_image(data)))
    counts = _counts(as_spectrum_image(data), kind, lines)
    if kind == "l1":
        return _shares(counts)
    return _log_ratios(counts, pseudo_count) if kind == "log-ratio" else counts


def is_rows(data):
    """Whether data are an array of rows, and no image or signal."""
    return not hasattr(data, "axes_manager") and np.ndim(data) == 2


def _counts(image, kind, lines):
    """Return the counts of all channels, or of lines where they are named."""
    if lines is None and kind != "lines":
        return as_rows(image)
    maps = np.stack(list(line_maps(image, lines).values()), axis=-1)
    return maps.reshape(-1, maps.shape[-1]) if image.mask is None else maps[~image.mask]


def _shares(counts):
    sums, _ = marginals(counts)
    factors = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    if sp.issparse(counts):
        return sp.csr_array(sp.diags_array(factors) @ counts)
    return counts * factors[:, None]


def _log_ratios(counts, pseudo_count):
    dense = counts.toarray() if sp.issparse(counts) else counts
    logs = np.log(dense + np.float64(pseudo_count))
    return logs - logs.mean(axis=1, keepdims=True)


def _scores(image, n_components):
    spectra = as_rows(image)
    scores, _ = PCA(n_components).fit(spectra).noise_units(spectra)
    return scores
