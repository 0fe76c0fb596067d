"""N-FINDR: exact where pixels are pure, the largest simplex where few pixels let one count all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core.nfindr import grow, spread_out
from endmember.core.simplex import flatten
from strategies import ESTIMATOR_FORMS, spectra_in


@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks([em.NFINDR(1), em.NFINDR(2, n_restarts=2)])
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def mixed(n_components, seed, n_pixels=150, n_channels=30, height=100.0):
    """Mixtures without noise, each endmember pure in one pixel."""
    rng = np.random.default_rng(seed)
    endmembers = height * rng.gamma(1.0, size=(n_components, n_channels))
    shares = rng.dirichlet(np.full(n_components, 0.7), n_pixels)
    pure = rng.choice(n_pixels, n_components, replace=False)
    shares[pure] = np.eye(n_components)
    return endmembers, shares, pure


@settings(max_examples=50)
@given(
    n_components=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    weighting=st.sampled_from(["poisson", "none"]),
)
def test_pure_pixels_without_noise_are_found_exactly(n_components, seed, weighting):
    endmembers, shares, pure = mixed(n_components, seed)
    model = em.NFINDR(n_components, weighting=weighting).fit(shares @ endmembers)
    if n_components == 1:  # every pixel is pure
        np.testing.assert_allclose(model.components_, endmembers, rtol=1e-9)
        return
    assert sorted(model.pixels_) == sorted(pure)
    order = em.metrics.match_components(model.components_, endmembers).found
    np.testing.assert_allclose(model.components_[order], endmembers, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        model.transform(shares @ endmembers)[:, order], shares, rtol=0, atol=1e-6
    )


@settings(max_examples=30)
@given(n_components=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_no_set_of_pixels_spans_more(n_components, seed):
    """Every choice of few pixels is tried; restarts find the largest of a cloud of noise."""
    cloud = flatten(
        np.random.default_rng(seed).normal(size=(14, n_components)), n_components
    ).points
    best = max(
        abs(np.linalg.det(cloud[list(chosen)])) for chosen in combinations(range(14), n_components)
    )
    found = max(grow(cloud, spread_out(cloud, first), 100).history[-1] for first in range(14))
    assert found == pytest.approx(best, rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_volume_never_falls_and_is_that_of_the_corners(seed):
    cloud = flatten(np.random.default_rng(seed).normal(size=(200, 4)), 4).points
    grown = grow(cloud, spread_out(cloud, 5), 100)
    corners, history = grown.corners, grown.history
    assert (np.diff(history) > 0).all()
    assert history[-1] == pytest.approx(abs(np.linalg.det(cloud[corners])), rel=1e-6)


def test_sparse_dense_and_image_give_the_same():
    scene = em.datasets.load("omphacite")
    image = scene.image
    sparse = em.NFINDR(4).fit(image.spectra)
    dense = em.NFINDR(4).fit(image.spectra.toarray())
    whole = em.NFINDR(4).fit(image)
    np.testing.assert_array_equal(sparse.pixels_, whole.pixels_)
    np.testing.assert_array_equal(sparse.pixels_, dense.pixels_)
    np.testing.assert_allclose(sparse.components_, dense.components_, rtol=1e-6, atol=1e-9)


def test_pixels_without_counts_are_no_corners():
    endmembers, shares, pure = mixed(3, seed=1)
    spectra = np.vstack([shares @ endmembers, np.zeros((40, 30))])
    model = em.NFINDR(3).fit(sp.csr_array(spectra))
    assert sorted(model.pixels_) == sorted(pure)
    assert not model.transform(spectra)[-40:].any()


def test_a_seed_repeats_and_restarts_are_kept():
    scene = em.datasets.load("mixture", dose=100)
    first, again = (em.NFINDR(3, n_restarts=4).fit(scene.image.spectra) for _ in range(2))
    np.testing.assert_array_equal(first.pixels_, again.pixels_)
    assert first.restarts_.shape == (5,)
    assert first.restarts_.max() == 1.0
    assert first.volume_history_[-1] == 1.0


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 2.5}, TypeError, "n_components"),
        ({"n_components": 99}, ValueError, "n_components=99 is more than 30"),
        ({"n_restarts": -1}, ValueError, "n_restarts"),
        ({"weighting": "gauss"}, ValueError, "weighting is 'gauss'"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    endmembers, shares, _ = mixed(2, seed=0)
    with pytest.raises(error, match=message):
        em.NFINDR(**settings).fit(shares @ endmembers)


def test_a_cloud_too_flat_for_so_many_corners_is_said_to_be():
    endmembers, shares, _ = mixed(2, seed=0)
    with pytest.raises(ValueError, match=r"spread in 1; ask for 2 at most"):
        em.NFINDR(3, weighting="none").fit(shares @ endmembers)


def test_a_callback_sees_the_starts_and_ends_them():
    spectra, seen = em.datasets.load("mixture").image.spectra, []

    def stop(progress):
        seen.append(progress)
        return len(seen) == 4

    model = em.NFINDR(3, n_restarts=7, callback=stop).fit(spectra)
    assert [progress.fraction for progress in seen] == [1 / 8, 2 / 8, 3 / 8, 4 / 8]
    assert [progress.objective for progress in seen] == sorted(p.objective for p in seen)
    assert model.restarts_.shape == (4,)
    assert model.restarts_.max() == 1


def test_a_search_that_ends_too_soon_says_so_once():
    spectra = np.random.default_rng(2).poisson(9.0, size=(300, 20))
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds while the volume") as heard:
        em.NFINDR(6, n_restarts=0, max_iter=1).fit(spectra)
    assert len(heard) == 1
    assert heard[0].filename == __file__


@settings(max_examples=30)
@given(n_components=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_restarts_from_the_outside_of_a_cloud_lose_no_volume(n_components, seed):
    """Every choice of few pixels is tried, with the points inside the first simplex among them."""
    rng = np.random.default_rng(seed)
    spectra = 9.0 + np.clip(rng.normal(size=(14, n_components)), -8, 8)
    model = em.NFINDR(n_components, weighting="none", n_restarts=40).fit(spectra)
    cloud = flatten(spectra @ np.linalg.qr(model._pca.components_.T)[0], n_components).points

    def volume(pixels):
        return abs(np.linalg.det(cloud[list(pixels)]))

    best = max(map(volume, combinations(range(14), n_components)))
    assert volume(model.pixels_) == pytest.approx(best, rel=1e-6)


def uneven(n_components=3, seed=0, n_pixels=400):
    """Mixtures without noise of a thickness that varies twentyfold, their pixels of pure thin."""
    endmembers, shares, pure = mixed(n_components, seed, n_pixels=n_pixels)
    endmembers *= 1000 / endmembers.sum(axis=1, keepdims=True)
    thickness = np.random.default_rng(seed).uniform(1.0, 4.0, n_pixels)
    thickness[pure] = 0.2
    return endmembers, thickness[:, None] * (shares @ endmembers), pure


def worst_angle(components, endmembers):
    return em.metrics.match_components(components, endmembers).cost.max()


@pytest.mark.parametrize("weighting", ["poisson", "none"])
def test_divided_by_their_sum_thin_pixels_are_found_to_be_pure(weighting):
    endmembers, spectra, pure = uneven()
    model = em.NFINDR(3, normalise=True, weighting=weighting).fit(spectra)
    assert sorted(model.pixels_) == sorted(pure)
    assert worst_angle(model.components_, endmembers) < 1e-6
    np.testing.assert_allclose(model.components_.sum(axis=1), spectra.sum(axis=1).mean())
    abundances = model.transform(spectra)
    np.testing.assert_allclose(abundances @ model.components_, spectra, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        abundances.sum(axis=1), spectra.sum(axis=1) / spectra.sum(axis=1).mean(), rtol=1e-6
    )
    plain = em.NFINDR(3, weighting=weighting).fit(spectra)
    assert worst_angle(plain.components_, endmembers) > 1


def test_division_by_sums_inside_raises_no_word_of_scaled_counts():
    """Warnings are errors here; the same division outside warns."""
    scene = em.datasets.load("six_compounds", shape=(12, 12))
    spectra = scene.image.spectra.astype(float)
    em.NFINDR(3, normalise=True).fit(spectra)
    with pytest.warns(em.ScaledCountsWarning):
        em.NFINDR(3).fit(spectra / spectra.sum(axis=1, keepdims=True))


def test_the_component_with_most_counts_comes_first():
    scene = em.datasets.load("mixture", dose=5000)
    model = em.NFINDR(3).fit(scene.image.spectra)
    counts = model.transform(scene.image.spectra).sum(axis=0) * model.components_.sum(axis=1)
    assert (np.diff(counts) < 0).all()


def test_too_few_pixels_that_hold_counts_are_refused():
    spectra = np.zeros((20, 10))
    spectra[[3, 8], [1, 2]] = 5.0
    with pytest.raises(ValueError, match="these spread in 1; ask for 2 at most"):
        em.NFINDR(3).fit(spectra)
    with pytest.raises(ValueError, match="n_components=3 is more than 2"):
        em.NFINDR(3).fit(spectra[[3, 8]])


SIMPLICES = [em.NFINDR, em.VCA, em.MinimumVolume]


@pytest.mark.parametrize("kind", SIMPLICES)
@pytest.mark.parametrize("weighting", ["poisson", "none", "biwhiten"])
def test_pixels_that_are_all_the_same_have_one_corner(kind, weighting):
    """But for rounding, which is not to be taken for a cloud."""
    rng = np.random.default_rng(0)
    spectra = np.tile(7 * rng.random(30), (50, 1))
    message = "n_components=2 corners need .* these spread in 0; ask for 1 at most"
    with pytest.raises(ValueError, match=message):
        kind(2, weighting=weighting).fit(spectra)
    with pytest.raises(ValueError, match=message):
        kind(2, weighting=weighting, normalise=True).fit(rng.random((50, 1)) * spectra)
    assert kind(1, weighting=weighting).fit(spectra).pixels_.tolist() == [0]


@pytest.mark.parametrize("kind", SIMPLICES)
@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_the_unit_of_the_counts_does_not_matter(kind, unit):
    endmembers, shares, _ = mixed(3, seed=1)
    spectra = shares @ endmembers
    expected, found = (kind(3, n_restarts=1).fit(counts) for counts in (spectra, unit * spectra))
    np.testing.assert_array_equal(found.pixels_, expected.pixels_)
    np.testing.assert_allclose(
        found.components_, unit * expected.components_, rtol=1e-6, atol=1e-6 * unit
    )


@pytest.mark.parametrize("kind", SIMPLICES)
def test_hidden_pixels_take_no_part(kind):
    scene = em.datasets.load("mixture", shape=(16, 16), dose=5000)
    counts, mask = scene.image.counts.copy(), np.zeros((16, 16), dtype=bool)
    mask[2:5, 3:7] = True
    counts[mask] = 10**4 * np.eye(64, dtype=counts.dtype)[5]
    image = em.SpectrumImage(counts, scene.image.axis, mask=mask)
    found = kind(3, n_restarts=1).fit(image)
    rest = kind(3, n_restarts=1).fit(counts[~mask])
    np.testing.assert_array_equal(found.pixels_, rest.pixels_)
    np.testing.assert_allclose(found.components_, rest.components_)
    with pytest.raises(ValueError, match="mask hides 256 of 256 pixels"):
        em.SpectrumImage(counts, scene.image.axis, mask=np.ones((16, 16), dtype=bool))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_form_of_the_counts_does_not_matter(form, normalise):
    counts = em.datasets.load("mixture", shape=(16, 16)).image.spectra.astype(np.uint16)
    expected = em.NFINDR(3, normalise=normalise).fit(counts.astype(">f8"))
    found = em.NFINDR(3, normalise=normalise).fit(spectra_in(form, counts))
    np.testing.assert_array_equal(found.pixels_, expected.pixels_)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-9)


def test_phases_that_are_pure_somewhere_are_told_apart():
    """At twenty thousand counts a pixel, seen through a probe of two pixels."""
    scene = em.datasets.load("blurred_map", shape=(64, 64), resolution=2.0)
    spectra = np.random.default_rng(0).poisson(100 * scene.abundances @ scene.endmembers)
    assert scene.score(endmembers=em.NFINDR(3).fit(spectra).components_)


def test_bad_counts_are_refused():
    endmembers, shares, _ = mixed(2, seed=0)
    spectra = shares @ endmembers
    with pytest.raises(ValueError, match="counts are zero in every pixel"):
        em.NFINDR(2).fit(np.zeros((20, 10)))
    spectra[3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN or inf in 1 places"):
        em.NFINDR(2).fit(spectra)
