"""VCA: exact where pixels are pure, its seeds compared, its projection the one the noise asks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core.vca import stand_out
from strategies import ESTIMATOR_FORMS, spectra_in


@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks([em.VCA(1), em.VCA(2, n_restarts=2), em.VCA(2, normalise=True)])
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


def worst_angle(components, endmembers):
    return em.metrics.match_components(components, endmembers).cost.max()


@settings(max_examples=50)
@given(
    n_components=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
    weighting=st.sampled_from(["poisson", "none"]),
    snr=st.sampled_from([None, 0.0]),
    normalise=st.booleans(),
)
def test_pure_pixels_without_noise_are_found_exactly(n_components, seed, weighting, snr, normalise):
    """A linear function is largest at a corner, whatever its direction."""
    endmembers, shares, pure = mixed(n_components, seed)
    spectra = shares @ endmembers
    model = em.VCA(
        n_components, weighting=weighting, snr=snr, normalise=normalise, n_restarts=0
    ).fit(spectra)
    assert sorted(model.pixels_) == sorted(pure)
    assert worst_angle(model.components_, endmembers) < 1e-6
    np.testing.assert_allclose(
        model.transform(spectra) @ model.components_, spectra, rtol=1e-6, atol=1e-6
    )


@given(seed=st.integers(0, 2**32 - 1), n_components=st.integers(1, 5))
def test_what_is_found_stands_out_of_what_was_found_before(seed, n_components):
    """Points of a cloud in general position: no one twice, and all that are found span it."""
    rng = np.random.default_rng(seed)
    points = np.hstack([np.ones((60, 1)), rng.normal(size=(60, n_components - 1))])
    found = stand_out(points, np.random.RandomState(seed % 2**32))
    assert len(set(found)) == n_components
    assert abs(np.linalg.det(points[found])) > 0


def thin_pure():
    """Mixtures without noise whose pure pixels are the thinnest."""
    endmembers, shares, pure = mixed(3, seed=0, n_pixels=400)
    endmembers *= 1000 / endmembers.sum(axis=1, keepdims=True)
    thickness = np.random.default_rng(0).uniform(1.0, 4.0, 400)
    thickness[pure] = 0.2
    return endmembers, thickness[:, None] * (shares @ endmembers), pure


def test_thin_pure_pixels_are_found_by_projection_or_by_division():
    endmembers, spectra, pure = thin_pure()
    across = em.VCA(3, snr=0.0).fit(spectra)
    assert worst_angle(across.components_, endmembers) > 1
    for found in (em.VCA(3), em.VCA(3, snr=0.0, normalise=True)):
        assert sorted(found.fit(spectra).pixels_) == sorted(pure)
        assert worst_angle(found.components_, endmembers) < 1e-6
    np.testing.assert_allclose(found.components_.sum(axis=1), spectra.sum(axis=1).mean())


def test_the_ratio_of_signal_to_noise_is_that_of_the_simulation():
    rng = np.random.default_rng(0)
    endmembers, shares, _ = mixed(3, seed=3, n_pixels=3000, n_channels=100)
    clean = shares @ endmembers + 100.0
    sigma = 5.0
    spectra = np.clip(clean + rng.normal(0.0, sigma, clean.shape), 0, None)
    expected = 10 * np.log10((clean**2).mean() / sigma**2)
    assert em.VCA(3, weighting="none").fit(spectra).snr_ == pytest.approx(expected, abs=0.02)
    assert em.VCA(3).fit(clean).snr_ == np.inf


def test_more_seeds_span_no_less_and_show_their_spread():
    spectra = em.datasets.load("mixture", dose=100).image.spectra
    one, many = (em.VCA(5, n_restarts=n).fit(spectra) for n in (0, 20))
    assert one.restarts_.tolist() == [1.0]
    assert many.restarts_.shape == many.volume_history_.shape == (21,)
    assert many.restarts_.max() == many.volume_history_[-1] == 1.0
    assert many.restarts_.min() < 0.95
    assert (np.diff(many.volume_history_) >= 0).all()
    again = em.VCA(5, n_restarts=20).fit(spectra)
    np.testing.assert_array_equal(again.pixels_, many.pixels_)
    np.testing.assert_array_equal(again.restarts_, many.restarts_)
    other = em.VCA(5, n_restarts=20, random_state=1).fit(spectra)
    assert not np.array_equal(other.restarts_, many.restarts_)


def test_a_mixture_of_many_counts_is_unmixed():
    scene = em.datasets.load("mixture", dose=5000)
    assert scene.score(em.VCA(3).fit(scene.image.spectra))


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_form_and_kind_of_the_counts_do_not_matter(form):
    counts = em.datasets.load("mixture", shape=(16, 16)).image.spectra.astype(np.uint16)
    expected = em.VCA(3).fit(counts)
    found = em.VCA(3).fit(spectra_in(form, counts))
    np.testing.assert_array_equal(found.pixels_, expected.pixels_)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-9)


def test_pixels_without_counts_are_no_corners():
    endmembers, shares, pure = mixed(3, seed=1)
    spectra = np.vstack([shares @ endmembers, np.zeros((40, 30))])
    for normalise in (False, True):
        model = em.VCA(3, normalise=normalise).fit(sp.csr_array(spectra))
        assert sorted(model.pixels_) == sorted(pure)
        assert not model.transform(spectra)[-40:].any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 99}, ValueError, "n_components=99 is more than 30"),
        ({"n_restarts": -1}, ValueError, "n_restarts"),
        ({"weighting": "gauss"}, ValueError, "weighting is 'gauss'"),
        ({"normalise": 2}, TypeError, "normalise"),
        ({"snr": "high"}, TypeError, "snr"),
        ({"snr": np.nan}, ValueError, "snr is NaN; pass a number of dB"),
        ({"callback": 3}, TypeError, "callback is 3"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    endmembers, shares, _ = mixed(2, seed=0)
    with pytest.raises(error, match=message):
        em.VCA(**settings).fit(shares @ endmembers)


def test_bad_counts_are_refused():
    endmembers, shares, _ = mixed(2, seed=0)
    spectra = shares @ endmembers
    with pytest.raises(ValueError, match="spread in 1; ask for 2 at most"):
        em.VCA(3, weighting="none").fit(spectra)
    with pytest.raises(ValueError, match="counts are zero in every pixel"):
        em.VCA(2).fit(np.zeros((20, 10)))
    spectra[3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN or inf in 1 places"):
        em.VCA(2).fit(spectra)


def test_a_callback_sees_the_seeds_and_ends_them():
    spectra, seen = em.datasets.load("mixture").image.spectra, []

    def stop(progress):
        seen.append(progress)
        return len(seen) == 4

    model = em.VCA(3, n_restarts=7, callback=stop).fit(spectra)
    assert [progress.fraction for progress in seen] == [1 / 8, 2 / 8, 3 / 8, 4 / 8]
    assert [progress.objective for progress in seen] == sorted(p.objective for p in seen)
    assert model.restarts_.shape == (4,)
