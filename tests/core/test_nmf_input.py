"""Counts in every form and of every kind give NMF the same answer, and are left as they were."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
import strategies

LOSSES = ["poisson", "gaussian"]


@pytest.fixture(scope="module")
def counts():
    return em.datasets.load("mixture", shape=(12, 12), dose=300.0).image.spectra


def long_indices(counts):
    """CSR with indices of 8 bytes."""
    flat = sp.csr_array(counts)
    flat.indices, flat.indptr = flat.indices.astype(np.int64), flat.indptr.astype(np.int64)
    return flat


def stored_zeros(counts):
    """CSR that holds every number, zeros too."""
    n_pixels, n_channels = counts.shape
    indices = np.tile(np.arange(n_channels), n_pixels)
    indptr = np.arange(0, counts.size + 1, n_channels)
    return sp.csr_array((counts.ravel().copy(), indices, indptr), shape=counts.shape)


def read_only(counts):
    counts = counts.copy()
    counts.flags.writeable = False
    return counts


FORMS = {
    "uint8": lambda counts: counts.astype(np.uint8),
    "big-endian": lambda counts: counts.astype(">f4"),
    "Fortran order": lambda counts: np.asfortranarray(counts.astype(float)),
    "every second pixel": lambda counts: np.repeat(counts, 2, axis=0)[::2],
    "falling order": lambda counts: np.ascontiguousarray(counts[::-1, ::-1])[::-1, ::-1],
    "read-only": read_only,
    "list": lambda counts: counts.tolist(),
    "CSR, long indices": long_indices,
    "CSR, stored zeros": stored_zeros,
    "CSR, unsorted duplicates": lambda counts: strategies.messy(sp.csr_array(counts)),
    "CSC": sp.csc_array,
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_counts_does_not_matter(counts, loss, form):
    first = em.NMF(3, loss=loss).fit(counts)
    model = em.NMF(3, loss=loss).fit(FORMS[form](counts))
    largest = first.components_.max()
    np.testing.assert_allclose(model.components_, first.components_, rtol=1e-6, atol=1e-6 * largest)
    found = model.transform(FORMS[form](counts))
    np.testing.assert_allclose(found, first.transform(counts), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["read-only", "CSR, long indices", "CSR, unsorted duplicates"])
def test_the_callers_counts_stay_as_they_are(counts, form):
    given = FORMS[form](counts)
    arrays = (given.data, given.indices, given.indptr) if sp.issparse(given) else (given,)
    before = [array.tobytes() for array in arrays]
    for loss in LOSSES:
        em.NMF(3, loss=loss).fit(given).transform(given)
    assert [array.tobytes() for array in arrays] == before


@pytest.mark.parametrize("loss", LOSSES)
def test_sums_of_small_whole_numbers_do_not_overflow(loss):
    rng = np.random.default_rng(0)
    counts = rng.integers(200, 256, size=(60, 30)).astype(np.uint8)
    found = em.NMF(2, loss=loss, max_iter=1000).fit(counts)
    expected = em.NMF(2, loss=loss, max_iter=1000).fit(counts.astype(float))
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-9)
    assert found.components_.sum(axis=1) == pytest.approx(counts.sum(axis=1, dtype=float).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_one_pixel_or_one_channel_is_its_own_component(loss):
    counts = np.random.default_rng(0).poisson(20.0, (1, 9)) + 1.0
    model = em.NMF(1, loss=loss).fit(counts)
    np.testing.assert_allclose(model.components_, counts, rtol=1e-3)
    turned = em.NMF(1, loss=loss).fit(counts.T)
    np.testing.assert_allclose(
        turned.inverse_transform(turned.transform(counts.T)), counts.T, rtol=1e-3
    )
    with pytest.raises(ValueError, match="n_components=2 is more than 1"):
        em.NMF(2, loss=loss).fit(counts)


@pytest.mark.parametrize("loss", LOSSES)
def test_transform_gives_the_same_bits_twice_and_warns_of_nothing(counts, loss):
    model = em.NMF(3, loss=loss).fit(counts)
    np.testing.assert_array_equal(model.transform(counts), model.transform(counts))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_best_of_restarts_is_no_worse_than_singular_vectors_alone(counts, loss):
    model = em.NMF(3, loss=loss, n_restarts=2).fit(counts)
    assert len(model.restarts_) == 3
    assert model.objective_history_[-1] <= model.restarts_[1].objective


@pytest.mark.parametrize("seed", range(5))
def test_channels_that_only_impure_pixels_hold_are_explained(seed):
    """Counts so few that the corners of the cloud have none in channels that others have."""
    counts = np.random.default_rng(seed).poisson(0.01, size=(200, 40))
    model = em.NMF(3).fit(counts)
    held = counts.any(axis=0)
    np.testing.assert_array_equal(model.components_.any(axis=0), held)
    sums = (model.transform(counts) @ model.components_).sum(axis=0)
    np.testing.assert_allclose(sums[held], counts.sum(axis=0)[held], rtol=1e-2)


@pytest.mark.parametrize("sum_to_one", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_counts_in_channels_that_were_empty_before_say_nothing(counts, form, sum_to_one):
    """No abundance explains them, so that abundances are those without them."""
    empty = counts.copy()
    empty[:, [3, 40]] = 0
    model = em.NMF(3, sum_to_one=sum_to_one).fit(form(empty))
    found, expected = model.transform(form(counts)), model.transform(form(empty))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")  # corners are in that unit
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "settings", [{}, {"sum_to_one": True}, {"volume": 1e-3}, {"smoothness": 0.1, "missing": [3]}]
)
@pytest.mark.parametrize("unit", [2.0**-100, 2.0**-40, 2.0**100])
def test_the_unit_of_the_counts_does_not_matter(counts, loss, settings, unit):
    if "missing" in settings:
        settings = settings | {"missing": np.arange(counts.shape[1]) == 3}
    first = em.NMF(3, loss=loss, **settings).fit(counts)
    model = em.NMF(3, loss=loss, **settings).fit(unit * counts)
    largest = np.nanmax(first.components_)
    found = model.components_ / unit
    np.testing.assert_allclose(found, first.components_, rtol=1e-4, atol=1e-4 * largest)
    abundances = model.transform(unit * counts)
    np.testing.assert_allclose(abundances, first.transform(counts), rtol=1e-3, atol=1e-3)
