"""Products and sums of every form against one line of NumPy each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import typeof

import endmember as em
from endmember.core import blocks, products
from strategies import ESTIMATOR_FORMS, spectra_in

RTOL = 1e-12  # rounding of sums of at most thirty float64 products


@st.composite
def cases(draw):
    """Counts with a weight for every pixel and every channel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 8)))
    dtype = draw(st.sampled_from([np.uint8, np.int64, np.float32, np.float64]))
    counts = rng.poisson(draw(st.sampled_from([0.2, 4.0])), shape).astype(dtype)
    return counts, rng.random(shape[0]), rng.random(shape[1])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Make dense spectra come in several blocks too."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 8 * 7)


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@settings(max_examples=10)
@given(case=cases())
def test_every_form_gives_the_products_of_numpy(form, case):
    counts, pixel_weights, channel_weights = case
    spectra = spectra_in(form, counts)
    if form in ("csc", "messy csr"):
        spectra = products.sp.csr_array(counts)
    full = counts.astype(np.float64)
    taking, kept = pixel_weights > 0.3, channel_weights > 0.3
    held = full > 0
    expected_and_found = [
        (full.sum(axis=1), products.marginals(spectra)[0]),
        (full.sum(axis=0), products.marginals(spectra)[1]),
        (full @ channel_weights, products.times(spectra, channel_weights)),
        (full**2 @ channel_weights, products.times_squared(spectra, channel_weights)),
        (full[taking].sum(axis=0), products.filling(spectra, taking, kept)[0]),
        (held[:, kept].sum(axis=1), products.filling(spectra, taking, kept)[1]),
        (held[taking].sum(axis=0), products.filling(spectra, taking, kept)[2]),
    ]
    for expected, found in expected_and_found:
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=RTOL)


def test_loaded_blocks_are_kept_in_the_smaller_form():
    import dask.array as da

    counts = np.ones((9, 8), dtype=np.uint16)
    counts[3:6, 2:] = counts[6:, 3:] = 0  # 1, 1/4 and 3/8 filled
    loaded = blocks.load_blocks(da.from_array(counts, chunks=(3, 4)))
    assert [products.sp.issparse(block) for block in loaded.blocks] == [False, True, False]
    assert {block.dtype for block in loaded.blocks} == {counts.dtype}
    assert loaded.shape == counts.shape
    np.testing.assert_array_equal(products.times(loaded, np.eye(8)), counts)


@pytest.mark.parametrize("form", ["csr", "dense"])
def test_kernels_see_one_type_of_counts_whether_they_may_be_written_or_not(form, monkeypatch):
    seen = []

    def watch(name):
        kernel = getattr(products, name)

        def watched(*arrays):
            seen.append((name, *map(typeof, arrays)))
            return kernel(*arrays)

        monkeypatch.setattr(products, name, watched)

    for name in ("index_columns", "gram_rows", "sweep_csr", "sweep_dense"):
        watch(name)
    spectra = spectra_in(form, np.ones((4, 3), dtype=np.uint16))
    held = em.SpectrumImage(spectra, navigation_shape=(2, 2)).spectra
    for counts in (spectra, held):
        products.weighted_gram(counts, np.ones(4))
        products.sinkhorn_sweep(counts, np.ones(3), np.ones(4))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]  # so that each is compiled once


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@settings(max_examples=10)
@given(case=cases())
def test_every_form_gives_the_gram_matrix_of_its_twin(form, case):
    counts, pixel_weights, _ = case
    spectra = spectra_in(form, counts)
    if form in ("csc", "messy csr"):
        spectra = products.sp.csr_array(counts)
    found = products.weighted_gram(spectra, pixel_weights)
    twin = products.weighted_gram_numpy(counts, pixel_weights)
    np.testing.assert_allclose(found, twin, rtol=RTOL)
    np.testing.assert_allclose(twin, counts.T @ np.diag(pixel_weights) @ counts, rtol=RTOL)


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@settings(max_examples=10)
@given(case=cases())
def test_every_form_gives_the_sinkhorn_sweep_of_its_twin(form, case):
    counts, pixel_weights, channel_weights = case
    spectra = spectra_in(form, counts)
    spectra = spectra.tocsr() if form == "csc" else spectra
    start = ((pixel_weights > 0.3) & (counts.sum(axis=1) > 0)).astype(np.float64)
    before = start.copy()
    rows, sums = products.sinkhorn_sweep(spectra, channel_weights, start)
    expected_rows, expected_sums = products.sinkhorn_sweep_numpy(counts, channel_weights, start)
    np.testing.assert_allclose(rows, expected_rows, rtol=RTOL)
    np.testing.assert_allclose(sums, expected_sums, rtol=RTOL)
    np.testing.assert_array_equal(start, before)
