"""The Gram kernels against plain NumPy, compiled and as Python."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from endmember._kernels import gram
from endmember.core.products import weighted_gram_numpy

WAYS = ["compiled", "python"]


def call(kernel, way):
    """The compiled kernel, or the Python function behind it."""
    return kernel if way == "compiled" else kernel.py_func


@st.composite
def csr_counts(draw):
    """Small CSR counts, empty rows and columns among them, and a weight for every row."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 7)))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float64]))
    density = draw(st.sampled_from([0.0, 0.2, 1.0]))
    counts = rng.integers(0, 200, shape) * (rng.random(shape) < density)
    index = draw(st.sampled_from([np.int32, np.int64]))
    flat = sp.csr_array(counts.astype(dtype))
    flat.indptr, flat.indices = flat.indptr.astype(index), flat.indices.astype(index)
    return flat, rng.random(shape[0]) * (rng.random(shape[0]) < 0.8)


def index_columns(flat, way):
    starts = np.zeros(flat.shape[1] + 1, dtype=np.int64)
    positions, pixels = np.empty(flat.nnz, dtype=np.int64), np.empty(flat.nnz, dtype=np.int32)
    call(gram.index_columns, way)(flat.indptr, flat.indices, starts, positions, pixels)
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
@given(case=csr_counts())
def test_gram_is_the_weighted_product_in_numpy(way, case):
    flat, weights = case
    before = [a.tobytes() for a in (flat.data, flat.indices, flat.indptr, weights)]
    found = np.zeros((flat.shape[1],) * 2)
    parts = (flat.indptr, flat.indices, flat.data, weights)
    call(gram.gram_csr, way)(*parts, *index_columns(flat, way), found)
    expected = weighted_gram_numpy(flat, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-13)  # sums of nine products
    np.testing.assert_array_equal(found, found.T)
    assert [a.tobytes() for a in (flat.data, flat.indices, flat.indptr, weights)] == before


def test_any_number_of_threads_gives_the_same_bits():
    import numba

    rng = np.random.default_rng(0)
    flat = sp.csr_array(rng.poisson(0.2, (500, 60)).astype(np.uint8))
    weights = rng.random(500)
    results, threads = [], numba.get_num_threads()
    try:
        for n in range(1, threads + 1):
            numba.set_num_threads(n)
            found = np.zeros((60, 60))
            gram.gram_csr(
                flat.indptr,
                flat.indices,
                flat.data,
                weights,
                *index_columns(flat, "compiled"),
                found,
            )
            results.append(found.tobytes())
    finally:
        numba.set_num_threads(threads)
    assert len(set(results)) == 1
