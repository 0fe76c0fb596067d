"""Sinkhorn's sweeps against plain NumPy, compiled and as Python."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from endmember._kernels import sinkhorn
from endmember.core.products import sinkhorn_sweep_numpy


@st.composite
def balanced_counts(draw):
    """Counts with weights: every pixel that takes part holds a count where a weight is."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(2, 7)))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]))
    counts = rng.poisson(draw(st.sampled_from([0.3, 5.0])), shape).astype(dtype)
    columns = rng.random(shape[1]) * (rng.random(shape[1]) < 0.8)
    takes_part = (counts @ columns > 0) & (rng.random(shape[0]) < 0.9)
    return counts, columns, takes_part.astype(np.float64)


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("way", ["compiled", "python"])
@settings(max_examples=20)
@given(case=balanced_counts())
def test_sweep_is_the_one_in_numpy(way, form, case):
    counts, columns, start = case
    rows, sums = start.copy(), np.full(len(columns), 2.0)  # sums grow; they do not start anew
    kernel = sinkhorn.sweep_dense if form == "dense" else sinkhorn.sweep_csr
    flat = sp.csr_array(counts)
    parts = (counts,) if form == "dense" else (flat.indptr, flat.indices, flat.data)
    (kernel if way == "compiled" else kernel.py_func)(*parts, columns, rows, sums)
    expected_rows, expected_sums = sinkhorn_sweep_numpy(counts, columns, start)
    np.testing.assert_allclose(rows, expected_rows, rtol=1e-13)  # sums of seven products
    np.testing.assert_allclose(sums - 2.0, expected_sums, rtol=1e-12, atol=1e-14)
    taking_part = start > 0
    np.testing.assert_allclose((rows[:, None] * counts * columns).sum(1), taking_part, rtol=1e-13)
    np.testing.assert_array_equal(rows[~taking_part], 0)
