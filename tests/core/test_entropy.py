"""Relative entropy: noise alone gives what is expected of it, structure what its formula says."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

import endmember as em
from endmember.core import entropy as module

TWO_LEVELS = 0.75 * np.log2(1.5) + 0.25 * np.log2(0.5)  # one half three times as bright


def drawn(expected, n_maps, seed=0):
    """So many Poisson images about the same one, as (n_pixels, 1, n_maps)."""
    rng = np.random.default_rng(seed)
    return rng.poisson(np.asarray(expected, dtype=float)[:, None, None], (len(expected), 1, n_maps))


@given(seed=st.integers(0, 2**32 - 1))
def test_bits_are_the_divergence_that_scipy_finds(seed):
    image = np.random.default_rng(seed).poisson(2.0, (5, 7)) + np.eye(5, 7)
    even = np.full(35, 1 / 35)
    found = em.relative_entropy(image)
    assert found.bits == pytest.approx(
        entropy(image.ravel() / image.sum(), even, base=2), abs=1e-12
    )
    assert found.n_counts == image.sum()
    assert found.n_pixels == 35


def test_an_even_image_has_no_bits_and_a_point_has_all():
    assert em.relative_entropy(np.full((4, 8), 9)).bits == 0
    point = np.zeros((4, 8))
    point[1, 2] = 3.5
    assert em.relative_entropy(point).bits == pytest.approx(5.0)  # log2(32)
    halves = np.repeat([[3.0, 1.0]], 4, axis=0)
    assert em.relative_entropy(halves).bits == pytest.approx(TWO_LEVELS)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6))
def test_a_scale_of_the_image_changes_no_bit(seed, scale):
    image = np.random.default_rng(seed).gamma(1.0, size=(6, 5))
    found = em.relative_entropy(image, n_counts=500.0)
    scaled = em.relative_entropy(scale * image, n_counts=500.0)
    for key in ("bits", "expected", "noise", "stderr", "excess", "z_score"):
        assert getattr(scaled, key) == pytest.approx(getattr(found, key), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("n_pixels", "mean"), [(64, 0.3), (64, 4.0), (400, 1.0), (400, 60.0)])
def test_even_poisson_images_have_no_excess(n_pixels, mean):
    """Of 2000 images the mean within 4 of its errors; 3 sigma hold 99.7 % of a normal number."""
    found = em.relative_entropy(drawn(np.full(n_pixels, mean), 2000, seed=n_pixels))
    assert (np.abs(found.z_score) < 3).mean() > 0.985
    assert abs(found.z_score.mean()) < 4 / np.sqrt(2000)
    assert found.z_score.std() == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(("n_pixels", "n_counts"), [(4, 7), (4, 400), (64, 9), (100, 4_000_000)])
def test_noise_is_that_of_counts_that_fall_evenly(n_pixels, n_counts):
    """A simulation with the sum held, from few counts to so many that a series is used."""
    rng = np.random.default_rng(n_counts)
    images = rng.multinomial(n_counts, np.full(n_pixels, 1 / n_pixels), size=4000).T[:, None]
    found = em.relative_entropy(images)
    scatter = found.bits.std()
    assert found.bits.mean() == pytest.approx(found.expected[0], abs=4 * scatter / np.sqrt(4000))
    assert found.noise[0] == pytest.approx(scatter, rel=0.15 if n_counts < 10 else 0.06)


def test_images_of_huge_numbers_have_the_bits_of_their_shares():
    found = em.relative_entropy(np.repeat([[3e300, 1e300]], 4, axis=0))
    assert found.bits == pytest.approx(TWO_LEVELS)
    assert found.expected == pytest.approx(0.0, abs=1e-15)


def test_series_and_sum_agree_where_they_meet(monkeypatch):
    series = module._noise(1.01 * module.LARGE, 500)
    monkeypatch.setattr(module, "LARGE", np.inf)
    np.testing.assert_allclose(series, module._noise(1.01e4, 500), rtol=1e-3)


@pytest.mark.parametrize("dose", [10.0, 100.0, 3e4])
def test_two_levels_have_the_bits_of_their_formula(dose):
    """Mean within 4 errors and half a percent of bias; the scatter is what stderr says."""
    found = em.relative_entropy(drawn(np.repeat([1.5, 0.5], 256) * dose, 1000))
    error = found.excess.std() / np.sqrt(1000)
    assert found.excess.mean() == pytest.approx(TWO_LEVELS, abs=4 * error + 0.005 * TWO_LEVELS)
    assert np.median(found.stderr) == pytest.approx(found.excess.std(), rel=0.1)
    assert (np.abs(found.excess - TWO_LEVELS) < 3 * found.stderr).mean() > 0.98


def test_raw_bits_mistake_noise_for_information():
    found = em.relative_entropy(drawn(np.full(400, 1.0), 50))
    assert found.bits.mean() > 0.7
    assert abs(found.excess.mean()) < 0.03


def test_far_below_one_count_a_pixel_no_image_shows_its_bits():
    found = em.relative_entropy(drawn(np.repeat([1.5, 0.5], 2000) * 0.003, 200))
    assert found.excess.mean() < 0.05 * TWO_LEVELS
    added = em.relative_entropy(
        drawn(np.repeat([1.5, 0.5], 2000) * 0.003, 200).reshape(4, 1000, 200).sum(axis=1)[:, None]
    )
    assert added.excess.mean() == pytest.approx(TWO_LEVELS, abs=0.15)


# what it takes


@pytest.fixture(scope="module")
def image():
    """A map of three endmembers with hidden pixels and a channel that counted nothing."""
    counts = em.datasets.load("mixture", shape=(12, 10)).image.counts.copy()
    counts[..., 5] = 0
    mask = np.zeros((12, 10), dtype=bool)
    mask[2:4, 3:8] = True
    return em.SpectrumImage(counts, mask=mask)


def test_an_image_has_one_number_for_each_channel(image):
    found = em.relative_entropy(image)
    assert found.bits.shape == (64,)
    assert found.n_pixels == 110
    channel = np.asarray(image.counts)[..., 20]
    alone = em.relative_entropy(channel, mask=image.mask)
    for key in ("bits", "expected", "noise", "stderr", "excess", "z_score", "n_counts"):
        value = getattr(found, key)[20]
        assert value == pytest.approx(getattr(alone, key), rel=1e-12)
        assert np.ndim(getattr(alone, key)) == 0
    assert np.isnan(found.bits[5])
    assert np.isnan(found.z_score[5])
    assert found.n_counts[5] == 0
    assert np.nanmax(found.z_score) > 10


@pytest.mark.parametrize("form", ["csr", "flat csr", "dask", "array", "float32", ">u2", "fortran"])
def test_every_form_gives_the_same(image, form):
    expected = em.relative_entropy(image)
    counts = np.array(image.counts)
    if form == "flat csr":
        found = em.relative_entropy(sp.csr_array(image.spectra))
    elif form == "csr":
        found = em.relative_entropy(image.to_sparse())
    else:
        made = np.asfortranarray(counts) if form == "fortran" else counts
        made = made.astype(form) if form in ("float32", ">u2") else made
        if form == "dask":
            import dask.array as da

            made = da.from_array(counts, chunks=(5, 10, 64))
        found = em.relative_entropy(made, mask=image.mask)
    for key in ("bits", "expected", "noise", "stderr", "n_counts"):
        np.testing.assert_allclose(
            getattr(found, key), getattr(expected, key), rtol=1e-6, atol=1e-9
        )


def test_components_are_compared_in_counts(image):
    result = em.decompose(image, em.NMF(3))
    found = em.relative_entropy(result)
    np.testing.assert_allclose(found.n_counts, result.counts, rtol=1e-12)
    alone = em.relative_entropy(result.maps, mask=image.mask, n_counts=result.counts)
    np.testing.assert_allclose(found.bits, alone.bits, rtol=1e-9)
    np.testing.assert_allclose(found.expected, alone.expected, rtol=1e-9)


def test_the_record_says_what_was_compared():
    maps = np.random.default_rng(0).poisson(3.0, (4, 5, 2))
    before = maps.copy()
    found = em.relative_entropy(maps, n_counts=[10, 20])
    np.testing.assert_array_equal(maps, before)
    np.testing.assert_array_equal(found.n_counts, [10, 20])
    kept = json.loads(found.record.to_json())
    assert kept["estimator"] == "relative_entropy"
    assert kept["parameters"] == {"n_counts": [10, 20]}
    assert kept["data"]["shape"] == [20, 2]


GOOD = np.ones((3, 4))


@pytest.mark.parametrize(
    ("maps", "settings", "error", "message"),
    [
        (GOOD - 2, {}, ValueError, r"maps go down to -1, but shares .* em\.NMF, or clip"),
        (GOOD * np.nan, {}, ValueError, "maps contain NaN or inf in 12 places; hide .* mask="),
        (GOOD * np.inf, {}, ValueError, "maps contain NaN or inf in 12 places"),
        (GOOD * 0, {}, ValueError, "maps are zero in every pixel"),
        (GOOD * 1j, {}, ValueError, "maps are complex"),
        (GOOD.astype(str), {}, TypeError, "maps must be real numbers"),
        (np.ma.array(GOOD), {}, TypeError, r"maps are a numpy\.ma array"),
        (5.0, {}, ValueError, "maps have 1 visible pixel"),
        (np.ones((3, 4, 0)), {}, ValueError, r"maps have shape \(3, 4, 0\); pass images"),
        (GOOD, {"mask": GOOD > 0}, ValueError, r"maps have 0 visible pixel.* pass ~mask"),
        (GOOD, {"mask": GOOD}, ValueError, r"mask must be bool of shape \(3, 4\).* got float64"),
        (GOOD, {"mask": [True]}, ValueError, r"mask must be bool of shape .* of shape \(1,\)"),
        (GOOD, {"n_counts": 0}, ValueError, "n_counts is 0; pass a number above zero"),
        (GOOD, {"n_counts": [1, 2]}, ValueError, r"n_counts is \[1, 2\]; .* each of the 1 maps"),
        (GOOD, {"n_counts": "many"}, ValueError, "n_counts is 'many'; pass a number"),
    ],
)
def test_what_is_no_image_is_refused(maps, settings, error, message):
    with pytest.raises(error, match=message):
        em.relative_entropy(maps, **settings)


def test_maps_with_a_sign_and_a_second_mask_are_refused(image):
    with pytest.raises(ValueError, match=r"maps go down to -.* non-negative model such as em\.NMF"):
        em.relative_entropy(em.decompose(image, em.PCA(3)))
    with pytest.raises(TypeError, match="maps are a SpectrumImage, which hides pixels itself"):
        em.relative_entropy(image, mask=image.mask)
