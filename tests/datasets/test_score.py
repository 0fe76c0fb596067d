"""Scores: they see what is wrong, forgive what has no meaning, and say it in words."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA

import endmember as em
from endmember.datasets import Scene
from endmember.datasets.score import good_angle


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", dose=2000.0)


def turned(spectrum, angle, seed=0):
    """A spectrum turned by an angle, in degrees."""
    other = np.random.default_rng(seed).normal(size=spectrum.size)
    other -= other @ spectrum / (spectrum @ spectrum) * spectrum
    length = np.linalg.norm(spectrum)
    other *= length / np.linalg.norm(other)
    return np.cos(np.radians(angle)) * spectrum + np.sin(np.radians(angle)) * other


def test_an_endmember_that_is_turned_is_seen_and_named(scene):
    found = scene.endmembers.copy()
    found[1] = turned(found[1], 8.0)
    score = scene.score(found)
    np.testing.assert_allclose(score.angles, [0, 8, 0], atol=1e-6)
    assert not score
    assert "endmember 2: 8.0° away, not yet (good up to 5.0°)" in str(score)
    assert "endmember 1: 0.0° away, good" in str(score)


def test_an_endmember_that_is_missing_is_said_to_be(scene):
    score = scene.score(scene.endmembers[[2, 0]])
    assert not score
    assert score.matched.tolist() == [1, -1, 0]
    assert "endmember 2: not found" in str(score)


def test_more_endmembers_than_there_are_do_no_harm_to_those_that_are_right(scene):
    found = np.vstack([np.ones(64), scene.endmembers])
    assert scene.score(found).matched.tolist() == [1, 2, 3]


def test_maps_of_the_wrong_pixels_are_seen(scene):
    rolled = np.roll(scene.abundances, 100, axis=0)
    score = scene.score(endmembers=scene.endmembers, abundances=rolled)
    assert not score
    assert (score.correlations < 0.95).any()
    assert scene.score(abundances=scene.abundances[:, [1, 2, 0]] * 7)


def test_maps_may_come_folded(scene):
    folded = scene.abundances.reshape(32, 32, 3)
    assert scene.score(endmembers=scene.endmembers, abundances=folded)


def test_good_enough_is_less_than_half_way_to_the_next_endmember():
    spectrum = np.linspace(1, 2, 30)
    assert good_angle(np.array([spectrum, turned(spectrum, 6.0)])) == pytest.approx(3.0)
    assert good_angle(np.eye(3)) == 5.0
    assert good_angle(np.ones((1, 4))) == 5.0


def test_a_fitted_factorisation_is_scored_whole(scene):
    model = NMF(3, init="nndsvda", max_iter=2000, tol=1e-6).fit(
        scene.image.spectra.astype(np.float64)
    )
    score = scene.score(model)
    assert score.angles.shape == score.correlations.shape == (3,)
    expected = em.metrics.match_components(model.components_, scene.endmembers)
    np.testing.assert_allclose(score.angles, expected.cost)
    assert (score.correlations > 0.98).all()


def test_the_sign_of_a_principal_component_is_forgiven(scene):
    model = PCA(3).fit(scene.image.spectra)
    score = scene.score(model)
    model.components_ = -model.components_
    np.testing.assert_allclose(scene.score(model).angles, score.angles)


def test_a_signal_after_decomposition_is_read():
    import hyperspy.api as hs

    scene = em.datasets.load("mixture")
    signal = hs.signals.Signal1D(scene.image.counts.astype(np.float64))
    with pytest.raises(ValueError, match="holds no decomposition"):
        scene.score(signal)
    signal.decomposition(algorithm="NMF", output_dimension=3, print_info=False, init="nndsvda")
    score = scene.score(signal)
    found = signal.learning_results
    factors = getattr(found, "factors", None)
    factors = found.components if factors is None else factors
    expected = em.metrics.match_components(factors.T, scene.endmembers)
    np.testing.assert_allclose(score.angles, expected.cost)
    assert (score.correlations > 0.9).all()


def test_labels_are_scored_by_their_agreement():
    labels = np.repeat([0, 1, -1], [10, 10, 5]).reshape(5, 5)
    image = em.SpectrumImage(np.ones((5, 5, 3), dtype=np.uint8))
    scene = Scene("two", image, settings={}, formula="", labels=labels)
    found = np.where(labels == 1, 7, 3)
    assert scene.score(found).agreement == pytest.approx(1.0)  # what has no label does not count
    found.ravel()[:5] = 7
    score = scene.score(labels=found)
    assert not score
    assert "adjusted Rand index" in str(score)
    assert "not yet" in str(score)
    spectra = np.where(labels.reshape(-1, 1) == 1, 1.0, 5.0) * np.ones((25, 3))
    assert scene.score(KMeans(2, n_init=1, random_state=0).fit(spectra))


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ([], {}, "nothing to score: the result holds nothing"),
        ([], {"labels": np.zeros(3, int)}, "nothing to score: the result holds .*labels"),
        ([np.ones((2, 63))], {}, r"shape \(2, 63\); the truth has 64 channels"),
        ([np.ones(5)], {}, r"type ndarray and shape \(5,\) cannot be read"),
    ],
)
def test_what_cannot_be_scored_is_named(scene, arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        scene.score(*arguments, **settings)
