"""The Gram kernels against plain NumPy, compiled and as Python."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from endmember._kernels import gram
from endmember.core.products import weighted_gram_numpy
from strategies import WAYS, call, csr_counts


def index_columns(flat, way, start=0, stop=None):
    starts = np.full(flat.shape[1] + 1, -1, dtype=np.int64)
    positions, pixels = (np.empty(flat.nnz, dtype=np.int64) for _ in range(2))
    stop = flat.shape[0] if stop is None else stop
    call(gram.index_columns, way)(flat.indptr, flat.indices, start, stop, starts, positions, pixels)
    return starts, positions, pixels


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=csr_counts())
def test_index_lists_every_count_of_every_channel(way, case):
    flat, _ = case
    starts, positions, pixels = index_columns(flat, way)
    columns = sp.csc_array(flat)
    np.testing.assert_array_equal(starts, columns.indptr)
    np.testing.assert_array_equal(pixels, columns.indices)
    np.testing.assert_array_equal(flat.data[positions], columns.data)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=csr_counts(), n_strips=st.integers(1, 3))
def test_gram_is_the_weighted_product_in_numpy(way, case, n_strips):
    flat, weights = case
    before = [a.tobytes() for a in (flat.data, flat.indices, flat.indptr, weights)]
    found, half = np.zeros((flat.shape[1],) * 2), flat.shape[0] // 2
    parts = (flat.indptr, flat.indices, flat.data, weights)
    for start, stop in [(0, half), (half, flat.shape[0])]:
        lists = index_columns(flat, way, start, stop)
        for first in range(n_strips):
            call(gram.gram_rows, way)(*parts, *lists, first, n_strips, found)
    call(gram.mirror, way)(found)
    expected = weighted_gram_numpy(flat, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-13)  # sums of nine products
    np.testing.assert_array_equal(found, found.T)
    assert [a.tobytes() for a in (flat.data, flat.indices, flat.indptr, weights)] == before
