"""Exercises: a right answer passes, and every mistake hears the hint that is meant for it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import endmember as em

SPECTRA = np.random.default_rng(0).uniform(1, 9, (3, 5))
SQUARE = np.random.default_rng(1).uniform(1, 9, (4, 4))


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(24, 32), dose=2000.0)


@pytest.mark.parametrize(
    ("truth", "settings", "right"),
    [
        (4, {}, [4, 4.0, np.int64(4), np.uint8(4)]),
        (1.155, {"within": 0.005}, [1.155, 1.15, np.float32(1.159)]),
        ("aegirine", {}, ["aegirine", " Aegirine "]),
        (True, {}, [True, np.True_]),
        ((4096, 64), {}, [(4096, 64), [4096, 64], np.array([4096, 64])]),
        ({"Mg", "Fe"}, {}, [["Fe", "Mg"], ("Mg", "Fe", "Mg")]),
        (SPECTRA, {"within": 1e-3}, [SPECTRA, SPECTRA + 9e-4, SPECTRA.tolist()]),
    ],
)
def test_right_answers_pass_in_whatever_form_they_come(truth, settings, right):
    exercise = em.Exercise(truth, **settings)
    for answer in right:
        verdict = exercise.check(answer)
        assert verdict
        assert str(verdict).startswith("Right: ")


def test_a_verdict_does_not_repeat_a_whole_curve():
    curve = np.linspace(0.0, 1.0, 96)
    assert str(em.Exercise(curve, within=0.1).check(curve)) == "Right: well done."
    assert str(em.Exercise([1.0, 2.5], within=0.1).check([1.0, 2.5])) == "Right: 1, 2.5 ± 0.1"


@pytest.mark.parametrize(
    ("truth", "within", "wrong", "hint"),
    [
        (4, None, 5, "one too many"),
        (4, None, 3, "one too few"),
        (4, None, 9, "too large"),
        (4, None, "four", "expected a number, got 'four'"),
        (4, None, True, "expected a number"),
        (4, None, [4, 4], r"yours has shape \(2,\)"),
        (5.415, 0.02, 5415.0, "in eV where keV"),
        (99.2, 0.2, 0.0992, "in keV where eV"),
        (0.25, 0.01, 25.2, "per cent where a fraction"),
        (12.0, 0.5, 0.12, "a fraction where per cent"),
        (-3.0, 0.1, 3.05, "sign is reversed"),
        (2.0, 0.05, 4.71, "a full width where a standard deviation"),
        (2.0, 0.01, 0.85, "a standard deviation where a full width"),
        (1.1547, 0.005, 0.8660, "its inverse"),
        (3.0, 0.05, 9.0, "its square: a variance"),
        (9.0, 0.05, 3.0, "its square root: a standard deviation"),
        (9.0, 0.05, 8.0, "too small"),
        (0.95, 0.02, 0.90, "too small"),  # though its root is right
        (9.0, 0.05, 0.0, "too small"),
        (9.0, 0.05, np.nan, "1 of the numbers are NaN"),
        (True, None, 1, "expected True or False"),
        (True, None, False, "the other way round"),
        ("jadeite", None, "augite", "it is not 'augite'"),
        ("jadeite", None, 3, "a word in quotes"),
        ({"Mg", "Fe"}, None, {"Mg", "Al", "Si"}, "1 missing and 2 that do not belong"),
        ({"Mg", "Fe"}, None, "Mg", "expected several"),
        ((4096, 64), None, (64, 4096), "two axes swapped"),
        (SPECTRA, 1e-3, SPECTRA.T, r"axes are swapped: yours has shape \(5, 3\)"),
        (SQUARE, 1e-3, SQUARE.T, "its transpose is right"),
        (SPECTRA, 1e-3, 250 * SPECTRA, "a factor of 250: normalise"),
        (SPECTRA, 1e-3, [[1], [2], [3]] * SPECTRA, "a factor of its own: normalise"),
        (SPECTRA, 1e-3, -SPECTRA, "sign is reversed"),
        (SPECTRA, 1e-3, SPECTRA[[2, 0, 1]], "in another order"),
        (SPECTRA, 1e-3, SPECTRA[:2], r"one too few: yours has shape \(2, 5\)"),
        (SPECTRA, 1e-3, np.vstack([SPECTRA, SPECTRA[:1]]), "one too many"),
        (SPECTRA, 1e-3, SPECTRA.ravel(), "folded another way"),
        (SPECTRA, 1e-3, SPECTRA + np.eye(3, 5), r"largest difference is 1, at \[0, 0\]"),
        (SPECTRA, 1e-3, "spectra", "expected numbers of shape"),
        (SPECTRA, 1e-3, np.zeros((3, 5)), "largest difference"),
    ],
)
def test_every_mistake_hears_its_own_hint(truth, within, wrong, hint):
    verdict = em.Exercise(truth, within=within).check(wrong)
    assert not verdict
    assert re.search(hint, str(verdict)), verdict


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_answer_is_no_mistake(nothing):
    assert str(em.Exercise(3).check(nothing)).startswith("Not yet: no answer yet")


def test_the_lessons_own_hints_come_first():
    hints = [(5, "the elbow is one too high"), (lambda n: n > 100, "that counts the noise")]
    exercise = em.Exercise(4, hints=hints)
    assert exercise.check(5).hint == "the elbow is one too high"
    assert exercise.check(963).hint == "that counts the noise"
    assert exercise.check(3).hint == "one too few."
    assert exercise.check("four").hint.startswith("expected a number")  # and no hint fails on it


def test_a_hint_never_overrules_a_right_answer():
    assert em.Exercise(4, hints=[(lambda n: True, "wrong")]).check(4)


def test_several_of_many_may_be_enough():
    exercise = em.Exercise([2, 4, 3, 5], enough=3, hints=[([3, 5, 4, 6], "all one too high")])
    assert exercise.check([2, 4, 3, 5])
    assert exercise.check([2, 4, 9, 5])
    assert str(exercise.check([2, 4, 9, 9])) == "Not yet: 2 of 4 are right; 3 are enough."
    assert exercise.check([3, 5, 4, 6]).hint == "all one too high"
    assert "shape (3,)" in str(exercise.check([2, 4, 3]))
    assert not exercise.check(["2", "4", "3", "5"])


def test_numbers_that_are_not_whole_need_a_tolerance():
    with pytest.raises(ValueError, match=r"the truth is 1\.5, which is not whole; .*within="):
        em.Exercise(1.5)


def test_the_answer_is_left_as_it_was():
    answer = SPECTRA[::-1].copy()
    em.Exercise(SPECTRA, within=1e-3).check(answer)
    np.testing.assert_array_equal(answer, SPECTRA[::-1])


# scenes


def test_a_scene_judges_spectra_and_how_many_there_are(scene):
    exercise = em.Exercise(scene)
    assert exercise.check(scene.endmembers[[1, 2, 0]])
    assert exercise.check(7 * scene.endmembers)  # an angle knows no height
    one_more = np.vstack([scene.endmembers, scene.endmembers.mean(axis=0)])
    assert "one too many. 4 components, the truth has 3" in str(exercise.check(one_more))
    assert "one too few. 2 components" in str(exercise.check(scene.endmembers[:2]))
    swapped = str(exercise.check(scene.endmembers.T))
    assert "the axes are swapped: hand over the transpose" in swapped
    assert "cannot be read" in str(exercise.check(5))


def test_scores_say_when_maps_are_turned_over(scene):
    folded = scene.abundances.reshape(24, 32, 3)
    turned = np.ascontiguousarray(folded.transpose(1, 0, 2)).reshape(-1, 3)
    score = scene.score(abundances=turned)
    assert not score
    assert "Hint: rows and columns are swapped" in str(score)
    assert scene.score(abundances=folded).hints == ()
    labels = scene.abundances.argmax(axis=1).reshape(24, 32)
    labelled = em.datasets.Scene("three", scene.image, settings={}, formula="", labels=labels)
    with pytest.raises(ValueError, match=r"shape \(32, 24\); the truth has \(24, 32\): the axes"):
        labelled.score(labels=labels.T)


def test_scores_say_when_square_labels_are_turned_over():
    labels = np.tril(np.ones((12, 12), dtype=int), -2)
    image = em.SpectrumImage(np.ones((12, 12, 3), dtype=np.uint8))
    scene = em.datasets.Scene("two", image, settings={}, formula="", labels=labels)
    assert "rows and columns are swapped" in str(scene.score(labels=labels.T))
    assert scene.score(labels=labels).hints == ()


def test_a_result_on_its_image_is_read(scene):
    result = em.decompose(scene.image, em.NMF(3, random_state=0))
    score = scene.score(result)
    np.testing.assert_allclose(score.angles, scene.score(result.components).angles)
    assert (score.correlations > 0.98).all()
    assert score.n_found == 3


def test_scores_say_how_many_components_are_missing(scene):
    score = scene.score(scene.endmembers[:2])
    assert "Hint: one too few: 2 components, the truth has 3." in str(score)
    assert score.n_found == 2
