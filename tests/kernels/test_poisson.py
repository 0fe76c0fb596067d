"""Coordinate descent on Poisson counts: never up, and to where SciPy's minimiser ends."""

from __future__ import annotations

from itertools import pairwise

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
    """Rows of counts, some of them empty, another factor and a start, all positive."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_columns, n_components = draw(
        st.tuples(st.integers(1, 6), st.integers(2, 9), st.integers(1, 4))
    )
    theirs = rng.gamma(0.7, size=(n_columns, n_components)) + 1e-3
    dose = draw(st.sampled_from([0.5, 5.0, 200.0]))
    counts = rng.poisson(dose * rng.random((n_rows, n_components)) @ theirs.T)
    mine = rng.random((n_rows, n_components)) * dose + 1e-2
    return sp.csr_array(counts.astype(np.uint16)), theirs, mine


def deviance(counts, theirs, mine):
    model = mine @ theirs.T
    held = counts > 0
    return model.sum() - (counts[held] * np.log(model[held])).sum()


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=30)
@given(case=problems())
def test_a_sweep_never_raises_the_deviance(way, case):
    flat, theirs, mine = case
    counts = flat.toarray().astype(float)
    before = deviance(counts, theirs, mine)
    for _ in range(5):
        call(poisson.descend_rows, way)(
            flat.indptr, flat.indices, flat.data, theirs, theirs.sum(axis=0), mine, 0, len(mine)
        )
        after = deviance(counts, theirs, mine)
        assert after <= before + 1e-9 * abs(before)
        assert (mine >= 0).all()
        before = after


@settings(max_examples=25)
@given(case=problems())
def test_sweeps_end_where_a_general_minimiser_ends(case):
    flat, theirs, mine = case
    counts, start = flat.toarray().astype(float), mine.copy()
    for _ in range(3000):
        away = poisson.descend_rows(
            flat.indptr, flat.indices, flat.data, theirs, theirs.sum(axis=0), mine, 0, len(mine)
        )
        if away < 1e-10:
            break
    for row, first, found in zip(counts, start, mine, strict=True):
        held = row > 0

        def objective(a, row=row, held=held):
            model = np.maximum(a @ theirs.T, 1e-300)
            slope = theirs.sum(axis=0) - (row[held] / model[held]) @ theirs[held]
            return model.sum() - (row[held] * np.log(model[held])).sum(), slope

        best = minimize(objective, first, jac=True, bounds=[(0, None)] * first.size).fun
        mine_value = objective(found)[0]
        assert mine_value <= best + 1e-5 * max(1.0, abs(best))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems())
def test_what_a_sweep_says_of_its_distance_is_the_gradient_met_on_the_way(way, case):
    """The first number of a row is met before anything has changed."""
    flat, theirs, mine = case
    counts = flat.toarray().astype(float)
    one = theirs[:, :1].copy(), mine[:, :1].copy()
    model = one[1] @ one[0].T
    slope = one[0].sum() - (counts / model) @ one[0]
    expected = np.abs(one[1] * slope).sum()
    found = call(poisson.descend_rows, way)(
        flat.indptr, flat.indices, flat.data, one[0], one[0].sum(axis=0), one[1], 0, len(counts)
    )
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems())
def test_the_likelihood_is_that_of_numpy(way, case):
    flat, theirs, mine = case
    counts = flat.toarray().astype(float)
    expected = (counts * np.log(mine @ theirs.T)).sum()
    found = call(poisson.log_likelihood_rows, way)(
        flat.indptr, flat.indices, flat.data, theirs, mine, 0, len(mine)
    )
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-9)


@settings(max_examples=20)
@given(case=problems(), n_cuts=st.integers(0, 4))
def test_parts_give_the_bits_of_all_rows_at_once(case, n_cuts):
    flat, theirs, mine = case
    arrays, sums = (flat.indptr, flat.indices, flat.data), theirs.sum(axis=0)
    whole, parts = mine.copy(), mine.copy()
    poisson.descend_rows(*arrays, theirs, sums, whole, 0, len(mine))
    cuts = list(pairwise(np.unique(np.linspace(0, len(mine), n_cuts + 2).astype(np.int64))))
    for start, stop in cuts:
        poisson.descend_rows(*arrays, theirs, sums, parts, start, stop)
    np.testing.assert_array_equal(parts, whole)
    totals = [poisson.log_likelihood_rows(*arrays, theirs, whole + 1e-9, *cut) for cut in cuts]
    everything = poisson.log_likelihood_rows(*arrays, theirs, whole + 1e-9, 0, len(mine))
    assert sum(totals) == pytest.approx(everything, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems(), is_few=st.booleans())
def test_a_sweep_shares_out_every_count_and_never_raises_the_deviance(way, case, is_few):
    flat, theirs, mine = case
    width = 4 if is_few else theirs.shape[1]
    kernel = poisson.share_rows if is_few else poisson.share_rows_among_many
    theirs, mine = (
        np.pad(factor, ((0, 0), (0, width - factor.shape[1]))) for factor in (theirs, mine)
    )
    sums = np.where(theirs.any(axis=0), theirs.sum(axis=0), 1)
    theirs, mine = theirs / sums, mine * sums
    counts = flat.toarray().astype(float)
    before, shares = deviance(counts, theirs, mine), mine[:, None, :] * theirs
    shares *= (counts / (mine @ theirs.T))[:, :, None]
    gathered = np.zeros_like(theirs)
    middle = len(mine) // 2
    for part in [(0, middle), (middle, len(mine))]:
        call(kernel, way)(flat.indptr, flat.indices, flat.data, theirs, mine, *part, gathered)
    np.testing.assert_allclose(mine, shares.sum(axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gathered, shares.sum(axis=0), rtol=1e-9, atol=1e-12)
    if counts.any():
        total = gathered.sum(axis=0)
        after = deviance(counts, gathered / np.where(total > 0, total, 1), mine)
        assert after <= before + 1e-9 * abs(before)
