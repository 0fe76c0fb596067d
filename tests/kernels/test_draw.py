"""The kernel that draws counts follows the law of Poisson, compiled and as Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from endmember._kernels import draw
from strategies import WAYS, call

every_way = pytest.mark.parametrize("way", WAYS)


def dropped(way, numbers, spectra, n_guides, seed):
    """Rows of counts, so many of each component."""
    edges = np.cumsum(spectra, axis=1) / spectra.sum(axis=1, keepdims=True)
    edges[:, -1] = 1.0
    parts = np.arange(n_guides) / n_guides
    guide = np.array([np.searchsorted(e, parts, side="right") for e in edges], dtype=np.int32)
    indptr = np.empty(len(numbers) + 1, dtype=np.int32)
    indices, values = np.empty(numbers.sum(), np.int32), np.empty(numbers.sum(), np.uint16)
    rng = np.random.default_rng(seed)
    call(draw.drop_counts, way)(rng, numbers, edges, guide, indptr, indices, values)
    return indptr, indices[: indptr[-1]], values[: indptr[-1]]


@every_way
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_guides=st.sampled_from([1, 3, 64]))
def test_no_count_is_lost_and_none_falls_where_nothing_is_expected(way, seed, n_guides):
    rng = np.random.default_rng(seed)
    n_components, n_channels = rng.integers(1, 4), rng.integers(1, 8)
    spectra = rng.random((n_components, n_channels)) * rng.integers(0, 2, n_channels)
    spectra[:, rng.integers(n_channels)] += 0.1
    numbers = rng.integers(0, 6, (5, n_components))
    indptr, indices, values = dropped(way, numbers, spectra, n_guides, seed)
    for p in range(len(numbers)):
        row = slice(indptr[p], indptr[p + 1])
        assert (np.diff(indices[row]) > 0).all()
        assert values[row].sum() == numbers[p].sum()
        assert spectra.any(axis=0)[indices[row]].all()
    assert (values > 0).all()


@every_way
def test_counts_fall_by_the_shape_of_their_component(way):
    spectra = np.array([[1.0, 0.0, 2.0, 5.0], [3.0, 1.0, 0.0, 0.0]])
    numbers = np.array([[4000, 0], [0, 4000]])
    indptr, indices, values = dropped(way, numbers, spectra, 5, seed=0)
    for p, shape in enumerate(spectra / spectra.sum(axis=1, keepdims=True)):
        row = slice(indptr[p], indptr[p + 1])
        np.testing.assert_array_equal(indices[row], np.flatnonzero(shape))
        assert stats.chisquare(values[row], 4000 * shape[shape > 0]).pvalue > 1e-3
