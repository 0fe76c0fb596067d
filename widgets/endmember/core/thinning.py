"""Thinning: two independent recordings out of one, because counts are Poisson."""

from __future__ import annotations

from numbers import Real

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import check_dtype, check_values, is_dask
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import done
from endmember.core.seeds import as_seed


def thin(counts, fraction=0.5, seed=0):
    """Split counts into two recordings that are independent where the counts are Poisson.

    Every single count goes to the first recording with probability `fraction`, else to the second:
    ``kept ~ Binomial(counts, fraction)``. Fit on one, judge on the other.

    Parameters
    ----------
    counts : SpectrumImage, ndarray or scipy.sparse array
        Whole counts, of any shape.
    fraction : float, default=0.5
        Expected share of the first recording, between 0 and 1; turning it up leaves less to judge
        by.
    seed : int, default=0
        The same seed gives the same split.

    Returns
    -------
    kept, left : the kind of `counts`
        They add up to `counts`. Sparse counts stay sparse; nothing that was handed in is changed.

    References
    ----------
    A. Neufeld et al., Biostatistics 25 (2024) 270, https://doi.org/10.1093/biostatistics/kxac047.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> counts = np.full((2, 3), 10)
    >>> kept, left = em.thin(counts, 0.5, seed=0)
    >>> bool((kept + left == counts).all())
    True
    """
    if not isinstance(fraction, Real) or not 0 < float(fraction) < 1:
        raise ValueError(f"fraction is {fraction!r}; choose a number between 0 and 1.")
    rng = np.random.default_rng(as_seed(seed))
    if isinstance(counts, SpectrumImage):
        return _thin_image(counts, fraction, seed, rng)
    if is_dask(counts):
        raise TypeError("counts are a dask array; thin its blocks, or call counts.compute() first.")
    if sp.issparse(counts):
        counts = sp.csr_array(counts)
        kept, left = _split(counts.data, fraction, rng)
        return _with_data(counts, kept), _with_data(counts, left)
    return _split(np.asarray(counts), fraction, rng)


def _split(values, fraction, rng):
    check_dtype(values.dtype)
    check_values(values)
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise ValueError(
            "counts are not whole numbers; thinning draws single counts. Pass what the detector "
            "counted, before any scaling or background subtraction."
        )
    kept = rng.binomial(values.astype(np.int64), fraction).astype(values.dtype)
    return kept, values - kept


def _with_data(counts, data):
    split = sp.csr_array((data, counts.indices.copy(), counts.indptr.copy()), shape=counts.shape)
    split.eliminate_zeros()
    return split


def _thin_image(image, fraction, seed, rng):
    image = image.to_sparse() if image.is_lazy else image
    if image.is_sparse:
        data = _split(image.counts.data, fraction, rng)
        parts = [_with_data(image.counts, values) for values in data]
    else:
        parts = _split(np.asarray(image.counts), fraction, rng)
    code = f"em.thin({image.code}, {fraction!r}, seed={seed!r})"
    how = {"fraction": float(fraction), "seed": int(seed)}
    return tuple(
        image.with_counts(part, code=f"{code}[{i}]", done=done("thin", **how, part=i))
        for i, part in enumerate(parts)
    )
