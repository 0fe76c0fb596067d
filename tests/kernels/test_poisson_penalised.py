"""Poisson rows with sums of their own, penalties, or a sum that stays: never up, and to the end."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from endmember._kernels import poisson
from strategies import WAYS, call


@st.composite
def problems(draw):
    """Rows of counts, some empty, the other factor, sums of every row, a parabola and a start."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_columns, n_components = draw(
        st.tuples(st.integers(1, 5), st.integers(2, 8), st.integers(1, 4))
    )
    theirs = rng.gamma(0.7, size=(n_columns, n_components)) + 1e-3
    dose = draw(st.sampled_from([0.5, 5.0, 200.0]))
    counts = rng.poisson(dose * rng.random((n_rows, n_components)) @ theirs.T)
    totals = rng.uniform(0.3, 1.0, (n_rows, n_components)) * theirs.sum(axis=0)
    root = rng.normal(size=(n_components, n_components))
    mine = rng.random((n_rows, n_components)) * dose + 1e-2
    return sp.csr_array(counts.astype(np.uint16)), theirs, totals, root @ root.T, mine


def objective(row, theirs, totals, bends, a):
    model, held = np.maximum(theirs @ a, 1e-300), row > 0
    return totals @ a + a @ bends @ a / 2 - (row[held] * np.log(model[held])).sum()


def sweep(kernel, case, way, mine, *more):
    flat, theirs, totals = case[:3]
    arrays = flat.indptr, flat.indices, flat.data
    return call(kernel, way)(*arrays, theirs, totals, *more, mine, 0, len(mine))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_bent", [True, False])
@settings(max_examples=20)
@given(case=problems())
def test_a_penalised_sweep_never_raises_what_it_lowers(way, is_bent, case):
    flat, theirs, totals, bends, mine = case
    bends = bends if is_bent else np.zeros_like(bends)
    counts = flat.toarray().astype(float)
    for _ in range(4):
        before = [objective(*o, bends, a) for *o, a in rows_of(counts, theirs, totals, mine)]
        sweep(poisson.descend_rows_penalised, case, way, mine, bends)
        after = [objective(*o, bends, a) for *o, a in rows_of(counts, theirs, totals, mine)]
        assert (np.array(after) <= np.array(before) + 1e-8 * np.abs(before) + 1e-9).all()
        assert (mine >= 0).all()


def rows_of(counts, theirs, totals, mine):
    return [(counts[r], theirs, totals[r], mine[r]) for r in range(len(counts))]


@settings(max_examples=20)
@given(case=problems())
def test_penalised_sweeps_end_where_a_general_minimiser_ends(case):
    flat, theirs, totals, bends, mine = case
    bends += 0.1 * np.eye(len(bends))
    start = mine.copy()
    for _ in range(3000):
        if sweep(poisson.descend_rows_penalised, case, "compiled", mine, bends) < 1e-11:
            break
    counts = flat.toarray().astype(float)
    for row, total, first, found in zip(counts, totals, start, mine, strict=True):

        def value(a, row=row, total=total):
            return objective(row, theirs, total, bends, a)

        best = minimize(value, first, bounds=[(0, None)] * first.size).fun
        assert value(found) <= best + 1e-5 * max(1.0, abs(best))


@settings(max_examples=20)
@given(case=problems())
def test_without_penalties_and_with_the_same_sums_the_bits_are_the_same(case):
    flat, theirs, _, bends, mine = case
    arrays, plain, other = (flat.indptr, flat.indices, flat.data), mine.copy(), mine.copy()
    sums = theirs.sum(axis=0)
    poisson.descend_rows(*arrays, theirs, sums, plain, 0, len(mine))
    totals = np.tile(sums, (len(mine), 1))
    poisson.descend_rows_penalised(
        *arrays, theirs, totals, np.zeros_like(bends), other, 0, len(mine)
    )
    np.testing.assert_array_equal(plain, other)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems())
def test_balancing_keeps_the_sum_and_never_raises_the_deviance(way, case):
    flat, theirs, totals, bends, mine = case
    counts, none = flat.toarray().astype(float), np.zeros_like(bends)
    sums = mine.sum(axis=1)
    for _ in range(4):
        before = [objective(*o, none, a) for *o, a in rows_of(counts, theirs, totals, mine)]
        sweep(poisson.balance_rows, case, way, mine)
        after = [objective(*o, none, a) for *o, a in rows_of(counts, theirs, totals, mine)]
        assert (np.array(after) <= np.array(before) + 1e-9 * np.abs(before) + 1e-9).all()
        np.testing.assert_allclose(mine.sum(axis=1), sums, rtol=1e-9)
        assert (mine >= 0).all()


@settings(max_examples=20)
@given(case=problems())
def test_balancing_ends_where_a_general_minimiser_ends(case):
    flat, theirs, totals, bends, mine = case
    mine /= mine.sum(axis=1, keepdims=True)
    start, none = mine.copy(), np.zeros_like(bends)
    for _ in range(500):
        sweep(poisson.balance_rows, case, "compiled", mine)
    counts = flat.toarray().astype(float)
    for row, total, first, found in zip(counts, totals, start, mine, strict=True):

        def value(a, row=row, total=total):
            return objective(row, theirs, total, none, a)

        best = minimize(
            value,
            first,
            method="SLSQP",
            bounds=[(0, 1)] * first.size,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        ).fun
        assert value(found) <= best + 1e-5 * max(1.0, abs(best))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems())
def test_what_balancing_says_of_its_distance_is_the_slope_above_its_mean(way, case):
    flat, theirs, totals, _, mine = case
    counts = flat.toarray().astype(float)
    slopes = totals - (counts / (mine @ theirs.T)) @ theirs
    level = (mine * slopes).sum(axis=1, keepdims=True) / mine.sum(axis=1, keepdims=True)
    expected = np.abs(mine * (slopes - level)).sum()
    found = sweep(poisson.balance_rows, case, way, mine)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
