"""Sums and products of CSR rows against plain NumPy, compiled and as Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endmember._kernels import rows
from strategies import WAYS, call, csr_counts

RTOL = 1e-13  # of sums of nine products


def parts(flat):
    return flat.indptr, flat.indices, flat.data


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=csr_counts(), seed=st.integers(0, 2**32 - 1))
def test_rows_are_summed_and_multiplied_as_in_numpy(way, case, seed):
    flat, weights = case
    full, rng = flat.toarray().astype(float), np.random.default_rng(seed)
    n_pixels, n_channels = full.shape
    middle = n_pixels // 2
    vectors, channel_weights = rng.normal(size=(n_channels, 4)), rng.random(n_channels)
    spread, product = np.zeros((n_channels, 4)), np.zeros((n_pixels, 4))
    pixel_sums, norms = np.full(n_pixels, np.nan), np.full(n_pixels, np.nan)
    channel_sums, squares, neighbours = np.zeros((3, n_channels))
    for start, stop in [(0, middle), (middle, n_pixels)]:
        some = (start, stop)
        call(rows.spread_rows, way)(*parts(flat), weights, vectors, *some, spread)
        call(rows.times_rows, way)(*parts(flat), vectors, *some, product)
        call(rows.sum_rows, way)(*parts(flat), *some, pixel_sums, channel_sums)
        call(rows.square_rows, way)(*parts(flat), channel_weights, *some, norms)
        call(rows.moment_rows, way)(*parts(flat), weights, *some, squares, neighbours)
    gram = full.T @ (full * weights[:, None])
    for found, expected in [
        (spread, gram @ vectors),
        (product, full @ vectors),
        (pixel_sums, full.sum(axis=1)),
        (channel_sums, full.sum(axis=0)),
        (norms, full**2 @ channel_weights),
        (squares, gram.diagonal()),
        (neighbours, np.append(gram.diagonal(1), 0)),
    ]:
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=20 * RTOL * scale)
