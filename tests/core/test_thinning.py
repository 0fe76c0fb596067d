"""Thinning: both parts are Poisson, know nothing of each other, and add up."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import endmember as em

RATE, N = 3.0, 200_000


@pytest.fixture(scope="module")
def parts():
    counts = np.random.default_rng(1).poisson(RATE, N)
    return em.thin(counts, 0.3, seed=2)


def test_both_parts_are_poisson(parts):
    for part, share in zip(parts, (0.3, 0.7), strict=True):
        rate = share * RATE
        top = int(stats.poisson.ppf(0.9999, rate))
        seen = np.bincount(np.minimum(part, top), minlength=top + 1)
        expected = N * stats.poisson.pmf(np.arange(top + 1), rate)
        expected[-1] = N - expected[:-1].sum()
        assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_the_parts_are_independent(parts):
    """Of independent parts the correlation scatters about 0 by 1/sqrt(N)."""
    assert abs(np.corrcoef(*parts)[0, 1]) < 5 / np.sqrt(N)


def test_of_counts_that_are_no_poisson_the_parts_are_not_independent():
    kept, left = em.thin(np.full(N, 10), 0.5, seed=0)
    assert np.corrcoef(kept, left)[0, 1] == pytest.approx(-1.0)


@given(
    counts=st.lists(st.integers(0, 200), min_size=1, max_size=30),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["u1", "u2", "i8", "f4", "f8"]),
)
def test_the_parts_add_up_and_keep_their_kind(counts, fraction, seed, dtype):
    counts = np.array(counts, dtype=dtype)
    before = counts.copy()
    kept, left = em.thin(counts, fraction, seed=seed)
    np.testing.assert_array_equal(kept + left, counts)
    np.testing.assert_array_equal(counts, before)
    assert kept.dtype == left.dtype == counts.dtype
    assert (kept <= counts).all()
    again = em.thin(counts, fraction, seed=seed)
    np.testing.assert_array_equal(again[0], kept)


def test_sparse_counts_stay_sparse_and_hold_no_zeros():
    counts = sp.random_array((50, 40), density=0.2, random_state=0, format="csr")
    counts.data = np.ceil(counts.data * 5).astype(np.uint8)
    kept, left = em.thin(counts, 0.5, seed=3)
    for part in (kept, left):
        assert part.format == "csr"
        assert part.dtype == np.uint8
        assert (part.data > 0).all()
    assert ((kept + left) != counts).nnz == 0


def test_an_image_gives_two_images_with_its_axes_masks_and_code(diamond):
    kept, left = em.thin(diamond, 0.25, seed=7)
    assert ((kept.counts + left.counts) != diamond.counts).nnz == 0
    assert kept.signal_axis == diamond.signal_axis
    assert kept.title == diamond.title
    total = diamond.counts.sum(dtype=np.int64)
    spread = np.sqrt(total * 0.25 * 0.75)
    assert kept.counts.sum(dtype=np.int64) == pytest.approx(0.25 * total, abs=5 * spread)
    again = eval(left.code, {"em": em})
    assert (again.counts != left.counts).nnz == 0


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        ([1, 2], {"fraction": 0}, "fraction is 0"),
        ([1, 2], {"fraction": 1.0}, "fraction is 1.0"),
        ([1, 2], {"fraction": "half"}, "fraction is 'half'"),
        ([1, 2], {"seed": None}, "seed is None"),
        ([1, 2], {"seed": 1.5}, "seed is 1.5"),
        ([1.5, 2], {}, "counts are not whole numbers"),
        ([-1, 2], {}, "Negative values in data"),
        ([np.nan], {}, "NaN or inf"),
    ],
)
def test_bad_input_is_refused(counts, settings, message):
    with pytest.raises(ValueError, match=message):
        em.thin(np.array(counts), **settings)
