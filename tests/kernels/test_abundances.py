"""Abundances pixel by pixel: on the best of all faces, and where the gradient ends."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from abundance_cases import best_face, problems
from endmember._kernels import abundances as kernels
from endmember.core.nonnegative import solve_nonnegative

WAYS = ["compiled", "python"]


def call(kernel, way):
    return kernel if way == "compiled" else kernel.py_func


@st.composite
def parabolas(draw):
    """Small problems, feasible starts on any face, and a bound with coefficients of any size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 4))
    root = rng.normal(size=(n, 6))
    u = 10.0 ** rng.uniform(-1, 1, n)
    start = rng.random(n) * (rng.random(n) < 0.6)
    start[rng.integers(n)] += 0.1
    return root @ root.T + 1e-3 * np.eye(n), 2 * rng.normal(size=n), u, start / (u @ start)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(case=parabolas())
def test_small_problems_are_solved_on_their_best_face(way, case):
    gram, b, u, start = case
    n = len(b)
    space = np.zeros(n, np.int64), np.zeros((2, n)), np.zeros((n, n))
    x = start.copy()
    call(kernels.solve_small, way)(gram, b, u, True, x, *space)
    np.testing.assert_allclose(x, best_face(gram, b, u), atol=1e-9)
    x = start.copy()
    call(kernels.solve_small, way)(gram, b, u, False, x, *space)
    np.testing.assert_allclose(x, solve_nonnegative(gram, b[None])[0], atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems(most=4))
def test_rows_that_sum_to_one_are_the_best_of_all_faces(way, case):
    counts, endmembers = case
    scaled = endmembers / np.linalg.norm(endmembers, axis=1, keepdims=True)
    gram, corr, u = scaled @ scaled.T, counts @ scaled.T, np.ones(len(scaled))
    found = np.zeros(corr.shape)
    call(kernels.sum_to_one_rows, way)(gram, corr, u, found, 0, len(corr))
    np.testing.assert_allclose(found, [best_face(gram, b, u) for b in corr], atol=1e-8)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=10)
@given(case=problems(most=3), is_bound=st.booleans())
def test_poisson_rows_end_where_the_gradient_does(way, case, is_bound):
    counts, endmembers = case
    theirs = np.ascontiguousarray((endmembers / endmembers.sum(axis=1, keepdims=True)).T)
    n = len(endmembers)
    flat, found = sp.csr_array(counts), np.zeros((len(counts), n))
    is_seen = theirs.any(axis=1)
    arrays = flat.indptr, flat.indices, flat.data, theirs, is_seen, np.zeros_like(theirs)
    kept = 0.5, np.full(n, 1 / counts.sum(axis=1).mean()), is_bound
    n_open = call(kernels.poisson_csr_rows, way)(*arrays, *kept, found, 0, len(counts))
    assert n_open == 0
    model = found @ theirs.T
    slopes = (1 - np.divide(counts, model, out=np.zeros_like(model), where=counts > 0)) @ theirs
    if is_bound:
        np.testing.assert_allclose(found @ kept[1], 1, rtol=1e-9)
        slopes = slopes - kept[1] * (found * slopes).sum(axis=1, keepdims=True)
    assert np.abs(found * slopes).max() < 1e-6 * max(counts.sum(axis=1).max(), 1)
    assert slopes[found == 0].min(initial=0) > -1e-6


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_bound", [False, True])
def test_variances_are_those_of_numpy(way, is_bound):
    rng = np.random.default_rng(13)
    rows, columns = np.tril_indices(4)
    roots = rng.normal(size=(2, 9, 4, 7))
    information, meat = (root @ root.transpose(0, 2, 1) for root in roots)
    free = rng.random((9, 4)) < 0.7
    free[0], free[1] = False, [True, False, False, False]
    u = rng.random(4) + 0.2
    found = np.full((9, 4), np.nan)
    pairs = (np.ascontiguousarray(full[:, rows, columns]) for full in (information, meat))
    call(kernels.variances_rows, way)(*pairs, free.astype(float), u, is_bound, found, 0, 9)
    for p in range(9):
        kept = np.flatnonzero(free[p])
        assert np.isnan(np.delete(found[p], kept)).all()
        if kept.size <= is_bound:
            assert np.isnan(found[p]).all()
            continue
        inverse = np.linalg.inv(information[p][np.ix_(kept, kept)])
        if is_bound:
            along = inverse @ u[kept]
            inverse = inverse - np.outer(along, along) / (u[kept] @ along)
        expected = np.diag(inverse @ meat[p][np.ix_(kept, kept)] @ inverse)
        np.testing.assert_allclose(found[p, kept], expected, rtol=1e-8, atol=1e-12)
