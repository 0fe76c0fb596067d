"""Non-negative least squares: optimal by theorem, and what SciPy finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endmember._kernels import nnls
from endmember.core import nonnegative
from endmember.core.nonnegative import kkt_residual, solve_nonnegative, solve_nonnegative_scipy

WAYS = ["compiled", "python"]


@st.composite
def problems(draw, most=5, likeness=(0.0, 0.9, 0.999, 0.99999)):
    """Endmembers of any likeness and height, and spectra with and without noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_components, n_channels = draw(st.integers(1, most)), draw(st.integers(most + 1, 12))
    alike = draw(st.sampled_from(likeness))
    endmembers = rng.random((n_components, n_channels))
    endmembers = alike * endmembers[:1] + (1 - alike) * endmembers
    endmembers *= 10.0 ** rng.uniform(-3, 3, (n_components, 1))
    true = rng.random((20, n_components)) * (rng.random((20, n_components)) < 0.6)
    spectra = true @ endmembers
    noise = draw(st.sampled_from([0.0, 0.1, 3.0]))
    spectra += noise * spectra.std() * rng.normal(size=spectra.shape)
    return endmembers @ endmembers.T, spectra @ endmembers.T


@settings(max_examples=500)
@given(case=problems())
def test_solutions_of_ten_thousand_problems_are_optimal(case):
    """Of endmembers down to a thousandth of a degree apart, twenty spectra at a time."""
    gram, corr = case
    abundances = solve_nonnegative(gram, corr)
    assert (abundances >= 0).all()
    lengths = np.sqrt(np.diag(gram))  # in units of length 1, in which the condition has a scale
    scaled = gram / np.outer(lengths, lengths), corr / lengths, abundances * lengths
    assert kkt_residual(*scaled) < 1e-8
    expected = solve_nonnegative_scipy(*scaled[:2])
    values = [objective(*scaled[:2], found) for found in (scaled[2], expected)]
    np.testing.assert_allclose(*values, rtol=1e-8, atol=1e-9 * np.abs(values[1]).max())


def objective(gram, corr, a):
    return ((a @ gram) * a).sum(axis=1) / 2 - (corr * a).sum(axis=1)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems(most=3, likeness=(0.0, 0.9)))
def test_inverses_of_all_subsets_are_those_of_numpy(way, case):
    gram = case[0] / np.sqrt(np.outer(np.diag(case[0]), np.diag(case[0])))
    n = len(gram)
    table = np.zeros((2**n, n, n))
    (nnls.invert_subsets if way == "compiled" else nnls.invert_subsets.py_func)(gram, table)
    for m in range(1, 2**n):
        kept = [k for k in range(n) if m >> k & 1]
        expected = np.zeros((n, n))
        expected[np.ix_(kept, kept)] = np.linalg.inv(gram[np.ix_(kept, kept)])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(table[m] / scale, expected / scale, atol=1e-7)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(case=problems(most=3, likeness=(0.0, 0.9)))
def test_rows_agree_with_scipy(way, case):
    gram, corr = case
    lengths = np.sqrt(np.diag(gram))
    gram, corr = gram / np.outer(lengths, lengths), corr / lengths
    n = len(gram)
    table, found = np.zeros((2**n, n, n)), np.zeros(corr.shape)
    nnls.invert_subsets(gram, table)
    solve = nnls.solve_rows if way == "compiled" else nnls.solve_rows.py_func
    assert solve(gram, table, corr, found, 0, len(corr)) == 0
    values = [objective(gram, corr, a) for a in (found, solve_nonnegative_scipy(gram, corr))]
    scale = np.abs(values[1]).max() + 1e-300
    np.testing.assert_allclose(values[0] / scale, values[1] / scale, atol=1e-9)


def test_parts_on_any_number_of_threads_give_the_bits_of_one_row_after_another(monkeypatch):
    rng = np.random.default_rng(0)
    endmembers = rng.random((4, 30))
    gram, corr = endmembers @ endmembers.T, rng.normal(size=(10_001, 30)) @ endmembers.T
    serial = solve_nonnegative(gram, corr)
    monkeypatch.setattr(nonnegative, "SERIAL_BELOW", 10)
    monkeypatch.setattr(nonnegative, "CHUNK", 512)
    np.testing.assert_array_equal(solve_nonnegative(gram, corr), serial)


def test_what_nothing_can_tell_apart_is_still_fitted_as_well_as_can_be():
    endmembers = np.array([[1.0, 2, 3, 0], [2.0, 4, 6, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    spectra = np.array([[3.0, 6, 9, 5], [0, 0, 0, 0], [1, 0, 0, -2]])
    gram, corr = endmembers @ endmembers.T, spectra @ endmembers.T
    abundances = solve_nonnegative(gram, corr)
    assert (abundances >= 0).all()
    assert not abundances[:, 3].any()
    np.testing.assert_allclose(abundances[:2] @ endmembers, spectra[:2], atol=1e-9)


def test_many_components_are_solved_as_well():
    rng = np.random.default_rng(3)
    endmembers = rng.random((14, 60))
    true = rng.random((25, 14)) * (rng.random((25, 14)) < 0.4)
    gram, corr = endmembers @ endmembers.T, true @ endmembers @ endmembers.T
    np.testing.assert_allclose(solve_nonnegative(gram, corr), true, atol=1e-8)


def test_rows_that_stay_open_are_solved_again_and_no_others(monkeypatch):
    def leave_open(gram, table, corr, abundances, start, stop):
        solved = nnls.solve_rows(gram, table, corr, abundances, start, stop)
        abundances[7] = 0.0
        return solved + 1

    rng, heard = np.random.default_rng(0), []
    endmembers = rng.random((4, 30))
    gram, corr = endmembers @ endmembers.T, rng.random((100, 30)) @ endmembers.T
    expected = solve_nonnegative(gram, corr)

    def solve_again(gram, corr):
        heard.append(len(corr))
        return solve_nonnegative_scipy(gram, corr)

    monkeypatch.setattr(nonnegative, "solve_rows", leave_open)
    monkeypatch.setattr(nonnegative, "solve_nonnegative_scipy", solve_again)
    np.testing.assert_allclose(solve_nonnegative(gram, corr), expected, atol=1e-9)
    assert heard == [1]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n_components=st.integers(11, 20))
def test_solutions_of_many_components_are_optimal(seed, n_components):
    rng = np.random.default_rng(seed)
    endmembers = rng.random((n_components, 60)) + rng.choice([0.0, 3.0])
    spectra = rng.normal(size=(30, n_components)) @ endmembers + rng.normal(size=(30, 60))
    gram, corr = endmembers @ endmembers.T, spectra @ endmembers.T
    abundances = solve_nonnegative(gram, corr)
    assert (abundances >= 0).all()
    assert kkt_residual(gram, corr, abundances) < 1e-8
