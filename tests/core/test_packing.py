"""Packing: the same counts in fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import endmember as em
from endmember.core import packing
from endmember.core.packing import narrowed, packed

DTYPES = ["u1", "u2", "i4", "f4", "i8", "f8"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Pack small arrays too, and in several parts."""
    monkeypatch.setattr(packing, "SMALL", 0)
    monkeypatch.setattr(packing, "BLOCK_BYTES", 256)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 21)),
    dtype=st.sampled_from(DTYPES),
    filling=st.sampled_from([0.0, 0.02, 0.1]),
)
def test_packed_rows_are_those_of_scipy(seed, shape, dtype, filling):
    rng = np.random.default_rng(seed)
    counts = (rng.integers(1, 200, shape) * (rng.random(shape) < filling)).astype(dtype)
    found, expected = packed(counts), sp.csr_array(counts)
    if np.count_nonzero(counts) > packing.PACKED_BELOW * counts.size:
        assert found is counts
        return
    assert found.dtype == expected.dtype
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_full_rows_stay_dense():
    counts = np.ones((20, 9))
    assert packed(counts) is counts


def test_bytes_that_begin_anywhere_are_packed_too():
    raw = np.zeros(20 * 9 * 8 + 1, dtype=np.uint8)
    counts = raw[1:].view(np.float64).reshape(20, 9)
    counts[3, 4] = 2.5
    assert not counts.flags.aligned
    np.testing.assert_array_equal(packed(counts).toarray(), counts)


@pytest.mark.parametrize(
    ("highest", "dtype"), [(255, "u1"), (256, "u2"), (65535, "u2"), (65536, "f8")]
)
def test_whole_numbers_take_the_fewest_bytes_that_hold_them(highest, dtype):
    counts = sp.csr_array(np.array([[0, 1], [highest, 0]]))
    found = narrowed(counts)
    assert found.dtype == np.dtype(dtype)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(found.toarray(), counts.toarray())


def test_a_memory_mapped_map_gives_what_its_sparse_twin_gives(tmp_path):
    counts = np.random.default_rng(0).poisson(0.05, (300, 40)).astype(np.uint8)
    np.save(tmp_path / "counts.npy", counts)
    mapped = np.load(tmp_path / "counts.npy", mmap_mode="r")
    found, expected = em.PCA(3).fit(mapped), em.PCA(3).fit(sp.csr_array(counts))
    np.testing.assert_array_equal(found.components_, expected.components_)
    assert found.record_.data == expected.record_.data
