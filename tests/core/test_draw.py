"""Draws: dense and sparse ones follow the same law, whatever the machine."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from endmember.core import draw

RNG = np.random.default_rng(5)
ENDMEMBERS = np.vstack([RNG.random(40) * 0.3, np.eye(1, 40, 7)[0] * 2.0, np.zeros(40)])
ABUNDANCES = RNG.random((300, 3))


def test_counts_born_sparse_are_poisson_about_the_same_expectation():
    """Of every channel, over many draws: mean and variance, and no link between channels."""
    expected = ABUNDANCES[:1] @ ENDMEMBERS
    rng = np.random.default_rng(0)
    draws = draw.draw_sparse(np.repeat(ABUNDANCES[:1], 40_000, axis=0), ENDMEMBERS, rng).toarray()
    sigma = np.sqrt(expected[0] / len(draws))
    assert (np.abs(draws.mean(axis=0) - expected[0]) <= 5 * sigma + 1e-12).all()
    seen = np.bincount(np.minimum(draws[:, 7], 6), minlength=7)
    law = len(draws) * stats.poisson.pmf(np.arange(7), expected[0, 7])
    law[-1] = len(draws) - law[:-1].sum()
    assert stats.chisquare(seen, law).pvalue > 1e-4
    link = np.corrcoef(draws[:, 7], draws[:, :7].sum(axis=1))[0, 1]
    assert abs(link) < 5 / np.sqrt(len(draws))


def test_blocks_change_how_counts_are_drawn_but_not_their_number_of_rows(monkeypatch):
    monkeypatch.setattr(draw, "BLOCK", 100)
    counts = draw.draw_sparse(ABUNDANCES, ENDMEMBERS, np.random.default_rng(0))
    assert counts.shape == (300, 40)
    expected = (ABUNDANCES @ ENDMEMBERS).sum()
    assert counts.sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))
    assert counts.has_canonical_format
    counts.check_format(full_check=True)


def test_many_counts_in_one_channel_take_wider_numbers():
    counts = draw.draw_sparse(np.ones((2, 1)), np.array([[1000.0, 0.0]]), np.random.default_rng(0))
    assert counts.dtype == np.uint16
    assert counts.max() > 255
    assert draw.draw_counts(np.full(3, 1e5), np.random.default_rng(0)).dtype == np.uint32


def test_nothing_expected_gives_nothing():
    empty = draw.draw_sparse(np.zeros((3, 1)), np.ones((1, 4)), np.random.default_rng(0))
    assert empty.nnz == 0
    assert empty.dtype == np.uint8
    assert not draw.draw_counts(np.zeros((2, 3)), np.random.default_rng(0)).any()


def test_what_differs_in_the_last_digits_draws_the_same_counts():
    """Machines differ in the last digits of a matrix product."""
    expected = np.random.default_rng(1).uniform(0.01, 50, 50_000)
    shaken = expected * (1 + 1e-14 * np.random.default_rng(2).normal(size=expected.size))
    first, second = (draw.draw_counts(e, np.random.default_rng(3)) for e in (expected, shaken))
    np.testing.assert_array_equal(first, second)


def test_a_seed_gives_the_counts_that_it_always_gave():
    counts = draw.draw_counts(np.linspace(0, 30, 1000), np.random.default_rng(0))
    assert hashlib.sha256(counts.tobytes()).hexdigest()[:16] == "17d2dfac6cc275e3"
    sparse = draw.draw_sparse(ABUNDANCES, ENDMEMBERS, np.random.default_rng(0))
    assert hashlib.sha256(sparse.toarray().tobytes()).hexdigest()[:16] == "1ef3136442034130"


def test_fast_draws_have_the_law_of_the_others():
    rng = np.random.default_rng(0)
    endmembers = np.array([[0.5, 0.0, 0.2, 0.0], [0.0, 0.0, 0.3, 4.0], [0.0, 0.0, 0.0, 0.0]])
    abundances = np.tile([1.0, 2.0, 3.0], (20_000, 1))
    counts = draw.SparseDraws(endmembers)(abundances, rng)
    assert counts.has_canonical_format
    assert counts.dtype == np.uint16
    dense, expected = counts.toarray().astype(float), abundances[0] @ endmembers
    error = 5 * np.sqrt(np.maximum(expected, 1e-12) / len(dense))
    assert (np.abs(dense.mean(axis=0) - expected) <= error).all()
    np.testing.assert_allclose(dense.var(axis=0), expected, rtol=0.06)
    assert abs(np.corrcoef(dense[:, [0, 2, 3]].T) - np.eye(3)).max() < 0.03


def test_fast_draws_of_nothing_are_empty():
    counts = draw.SparseDraws(np.ones((1, 3)))(np.zeros((2, 1)), np.random.default_rng(0))
    assert (counts.shape, counts.nnz) == ((2, 3), 0)


def test_draws_of_known_sums_keep_them_and_share_them_out_by_abundance():
    endmembers = np.array([[2.0, 0.0, 1.0], [0.0, 4.0, 0.0]])
    abundances = np.tile([1.0, 0.5], (4000, 1))
    abundances[:10] = 0
    totals = np.arange(4000) % 7
    counts = draw.SparseDraws(endmembers).of_totals(totals, abundances, np.random.default_rng(0))
    dense = counts.toarray()
    np.testing.assert_array_equal(dense.sum(axis=1), totals)
    expected = totals.sum() * np.array([0.4, 0.4, 0.2])
    assert stats.chisquare(dense.sum(axis=0), expected).pvalue > 1e-3
