"""Unmixing jadeite and omphacite at 200 counts a pixel: the loss, the start, what is known."""

import numpy as np
import pytest

import endmember as em

JADEITE, AUGITE, AEGIRINE, CARBON = range(4)


@pytest.fixture(scope="module", params=[0, 1])
def scene(request):
    return em.datasets.load("omphacite", shape=(48, 64), n_channels=261, seed=request.param)


def angles(scene, estimator):
    return scene.score(endmembers=estimator.fit(scene.image).components_).angles


def test_three_components_by_poisson_loss_find_jadeite_and_the_mount(scene):
    found = angles(scene, em.NMF(3))
    assert (found[[JADEITE, CARBON]] < 6).all()
    assert np.isnan(found[AEGIRINE])


def test_four_components_by_squares_miss_two_minerals_and_more(scene):
    found = angles(scene, em.NMF(4, loss="gaussian"))
    assert (found > 25).sum() >= 2


def test_more_starts_never_end_higher_than_the_first(scene):
    nmf = em.NMF(4, n_restarts=2).fit(scene.image)
    objectives = [start.objective for start in nmf.restarts_]
    assert nmf.objective_history_[-1] == pytest.approx(min(objectives))
    assert min(objectives) <= objectives[0]


def test_a_stone_known_to_hold_no_carbon_is_resolved(scene):
    absent = np.zeros((4, scene.image.n_channels), dtype=bool)
    absent[1:] = scene.image.axis < 0.4  # keV
    found = angles(scene, em.MCRALS(4, absent_spectra=absent))
    assert (found < 6).all()
