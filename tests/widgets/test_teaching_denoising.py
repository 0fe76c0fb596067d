"""What denoising gains and loses: theory, known truth, and the widget that shows it."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import pytest
import traitlets as tl
from numpy.testing import assert_allclose, assert_array_equal

import endmember as em
from endmember.widgets.teaching.denoising_state import SHRUNK, DenoisingState, shrinkage

WINDOW = (398.0, 412.0)


@pytest.fixture(scope="module")
def scene():
    return em.teaching.doped_portraits(40)


@pytest.fixture(scope="module")
def state(scene):
    return DenoisingState(scene, WINDOW, "N")


@pytest.fixture
def explorer(scene):
    return em.teaching.DenoisingExplorer(scene, WINDOW, "N", max_rank=6)


def lost_of(n_pixels, rank):
    return DenoisingState(em.teaching.doped_portraits(n_pixels), WINDOW, "N").lost[rank - 1]


# the specimen


def test_nitrogen_is_added_to_the_counts_of_its_pixels_alone(scene):
    whole = em.datasets.load("portrait_edges", variant="background").image.rebin(2)
    added = np.asarray(scene.image.spectra, dtype=int) - np.asarray(whole.spectra, dtype=int)
    where = scene.where.ravel()
    assert where.sum() == 40
    assert not added[~where].any()
    expected = 112.7 * 40  # Poisson, so that the sum scatters by its root
    assert abs(added.sum() - expected) < 4 * np.sqrt(expected)
    assert_allclose(scene.endmembers[-1].sum(), 112.7)
    assert abs(scene.image.axis[added.sum(axis=0).argmax()] - 403) < 2  # the white line


def test_fewer_pixels_are_among_more(scene):
    few = em.teaching.doped_portraits(4)
    assert scene.where[few.where].all()
    assert_array_equal(few.image.counts[few.where], scene.image.counts[few.where])


def test_the_code_of_a_doped_scene_makes_it_again(scene):
    again = eval(scene.code, {"em": em})
    assert_array_equal(again.image.counts, scene.image.counts)
    assert_array_equal(eval(scene.image.code, {"em": em}).counts, scene.image.counts)
    assert "N" in scene.image.metadata["Sample"]["elements"]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"n_pixels": 0}, "n_pixels is 0; expected a whole number from 1 to 4096"),
        ({"n_pixels": 2.5}, "n_pixels is 2.5"),
        ({"counts": -1}, "counts is -1; expected a number above 0"),
        ({"dose": 0}, "dose is 0"),
        ({"seed": -3}, "seed"),
    ],
)
def test_a_specimen_that_cannot_be_is_refused(settings, match):
    with pytest.raises((TypeError, ValueError), match=match):
        em.teaching.doped_portraits(**settings)


# shrinkage


@pytest.mark.parametrize("shape", [(900, 300), (300, 900)])
def test_shrinkage_is_the_best_that_an_oracle_could_do(shape):
    """Of every component the oracle keeps what fits the truth best; theory knows it without."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.normal(size=(shape[0], 3)))[0]
    right = np.linalg.qr(rng.normal(size=(shape[1], 3)))[0]
    truth = (left * np.array([4.0, 2.5, 1.8]) * np.sqrt(max(shape))) @ right.T
    u, values, v = np.linalg.svd(truth + rng.normal(size=shape), full_matrices=False)
    oracle = np.einsum("pk,pc,kc->k", u[:, :3], truth, v[:3]) / values[:3]
    found = shrinkage(values**2 / shape[0], *shape)
    assert_allclose(found[:3], oracle, atol=0.05)  # at finite size
    assert found[4:].max() < 0.2  # the largest of noise are at the edge


def test_shrinkage_does_not_care_which_way_the_matrix_lies():
    eigenvalues = np.array([1.0, 3.0, 5.0, 40.0])
    assert_allclose(shrinkage(eigenvalues, 400, 100), shrinkage(eigenvalues * 4, 100, 400))


def test_shrinkage_takes_nothing_of_strong_components_and_all_of_noise():
    kept = shrinkage([1e8, 1.5, 1.0], 4096, 512)  # the edge is at 1.83
    assert_allclose(kept, [1, 0, 0], atol=1e-6)


# the state


def test_maps_are_those_of_the_core(scene, state):
    line = {"N": WINDOW}
    assert_allclose(state.raw, em.line_maps(scene.image, line)["N"])
    expected = scene.image.with_counts(scene.image.fold(scene.expected))
    assert_allclose(state.truth, em.line_maps(expected, line)["N"])
    for rank in (1, 5):  # clear of the noise, where components of different fits are the same
        found = em.line_maps(em.decompose(scene.image, em.PCA(rank)), line)["N"]
        assert_allclose(state.denoised[rank - 1], found, rtol=2e-3)


def test_errors_and_bias_are_those_of_the_truth(scene, state):
    off = state.denoised[4] - state.truth
    assert state.error[4] == pytest.approx(np.sqrt(np.mean(off**2)))
    assert state.bias[4] == pytest.approx(off[scene.where].mean())
    inside = (scene.image.axis >= 398) & (scene.image.axis <= 412)
    assert state.signal == pytest.approx(scene.endmembers[-1, inside].sum())
    noise = np.sqrt(state.truth.mean())  # of Poisson counts
    assert state.raw_error == pytest.approx(noise, rel=0.03)
    assert_allclose(state.lost, -100 * state.bias / state.signal)


def test_below_the_limit_of_detection_atoms_vanish_and_above_they_stay():
    """Rank 5 holds the matrix, rank 6 nitrogen too: a published figure is a loss of 70 %."""
    assert lost_of(16, 5) > 70
    by_number = [lost_of(n, 6) for n in (4, 16, 64, 256)]
    assert by_number == sorted(by_number, reverse=True)
    assert by_number[0] > 80 > 20 > by_number[-2] > 10 > by_number[-1]


def test_the_least_error_is_not_the_least_loss(state):
    best = state.steps[int(state.error.argmin())]
    assert best == SHRUNK
    assert state.lost[-1] > 70
    assert state.lost[5] < 40 < 80 < state.lost[4]
    assert state.error[5] > state.error[4]


def test_the_residual_is_noise_of_one_where_nothing_is_lost(scene, state):
    left = state.residual[5]
    assert left[~scene.where].std() == pytest.approx(1, abs=0.15)  # a part of it was fitted
    assert state.residual[4][scene.where].mean() > 4


def test_spectra_are_merged_without_losing_counts(scene, state):
    shown = (scene.image.axis >= 384) & (scene.image.axis <= 426)
    n_shown = shown.sum() // 2 * 2
    assert state.bin_width == pytest.approx(2)
    assert state.counts.sum() == np.asarray(scene.image.spectra)[:, shown][:, :n_shown].sum()
    model = em.decompose(scene.image, em.PCA(2)).denoised()[:, shown][:, :n_shown]
    merged = model.reshape(len(model), -1, 2).sum(axis=-1)
    assert_allclose(state.models[1], merged, rtol=2e-3, atol=1e-3)
    assert state.counts.shape == state.expected.shape == state.models.shape[1:]


def test_words_say_what_the_numbers_are(state):
    words = state.words(5)
    assert words.startswith(f"PCA of rank 5: error {state.error[4]:.1f} counts a pixel")
    assert f"\N{MINUS SIGN}{state.lost[4]:.0f} %" in words
    assert state.words(SHRUNK).startswith("shrunk: error")


def test_what_was_handed_in_stays_as_it_was(scene):
    before = scene.image.counts.copy(), scene.abundances.copy(), scene.endmembers.copy()
    em.teaching.DenoisingExplorer(scene, WINDOW, "N", max_rank=2)
    after = scene.image.counts, scene.abundances, scene.endmembers
    for one, other in zip(before, after, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("rank", [0, 9, "best", True])
def test_a_rank_that_is_no_step_is_refused(state, rank):
    with pytest.raises(tl.TraitError, match='choose a whole number from 1 to 8, or "shrunk"'):
        state.rank = rank
    assert state.rank == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scene": np.ones((3, 4, 5))}, "scene is ndarray; pass a simulated scene"),
        ({"window": (700, 800)}, "energy loss axis runs from"),
        ({"window": (412, 398)}, "window"),
        ({"phase": "Fe"}, "phase is 'Fe'; choose one of"),
        ({"max_rank": 0}, "max_rank"),
    ],
)
def test_what_cannot_be_shown_is_refused(scene, change, match):
    given = {"scene": scene, "window": WINDOW, "phase": "N", "max_rank": 3, **change}
    with pytest.raises((TypeError, ValueError), match=match):
        DenoisingState(given["scene"], given["window"], given["phase"], max_rank=given["max_rank"])


def test_scenes_without_a_map_of_the_phase_are_refused(scene):
    with pytest.raises(ValueError, match="no map of rows and columns"):
        DenoisingState(em.datasets.load("portraits", n_mixtures=5), (1, 5), "hat")
    with pytest.raises(TypeError, match="pass a simulated scene"):
        DenoisingState(em.datasets.load("hrtem_110"), (1, 5), "fcc")
    scarce = em.teaching.doped_portraits(2)
    scarce.truth["abundances"] = scarce.abundances * (np.arange(6) < 5)
    with pytest.raises(ValueError, match="phase is 'N', which no pixel holds"):
        DenoisingState(scarce, WINDOW, "N")


# the view


def test_slider_and_state_follow_each_other(explorer):
    explorer.rank.value = 5
    assert explorer.state.rank == 5
    explorer.state.rank = SHRUNK
    assert explorer.rank.value == SHRUNK
    assert [step for _, step in explorer.rank._options_full] == explorer.state.steps


def test_maps_and_words_are_those_of_the_step(explorer):
    state, shown = explorer.state, explorer.steps.shown
    for at, step in enumerate(state.steps):
        explorer.rank.value = step
        right = np.frombuffer(shown(explorer.right, "values"), np.float32)
        assert_allclose(right, state.denoised[at].ravel(), rtol=2e-3, atol=1e-3)
        left_over = np.frombuffer(shown(explorer.left_over, "values"), np.float32)
        assert_allclose(left_over, state.residual[at].ravel(), rtol=2e-3, atol=1e-3)
        assert shown(explorer.words, "value") == state.words(step)
        assert state.name_of(step) in shown(explorer.right, "caption")
        for mark, values in explorer.errors.marks_at:
            assert shown(mark, "x").tolist() == [at + 1]
            assert_allclose(shown(mark, "y"), [values[at]], rtol=1e-6)


@pytest.mark.parametrize(("choice", "values"), [("truth", "truth"), ("raw counts", "raw")])
def test_the_left_map_shows_what_is_chosen(explorer, choice, values):
    explorer.left_shows.value = choice
    shown = np.frombuffer(explorer.steps.shown(explorer.left, "values"), np.float32)
    assert_allclose(shown, getattr(explorer.state, values).ravel(), rtol=2e-3, atol=1e-3)
    assert explorer.steps.shown(explorer.left, "caption").startswith(choice)


def test_curves_are_those_of_the_pixel(explorer):
    state, plot, shown = explorer.state, explorer.spectrum, explorer.steps.shown
    explorer.rank.value = 5
    for pixel in [(0, 0), (12, 50)]:
        explorer.left.pixel = pixel
        row = pixel[0] * 64 + pixel[1]
        assert_array_equal(shown(plot.counts, "y"), state.counts[row])
        assert_allclose(shown(plot.truth, "y"), state.expected[row], rtol=0.02)
        model = shown(plot.model, "y")
        assert_allclose(model, state.models[4, row], rtol=0.02, atol=1e-3)


def test_it_begins_at_a_pixel_that_holds_the_phase_with_one_scale(explorer):
    maps = explorer.left, explorer.right, explorer.left_over
    assert len({view.pixel for view in maps}) == 1
    assert explorer.state.where[explorer.left.pixel]
    assert explorer.left.limits == explorer.right.limits
    assert explorer.left.unit == explorer.right.unit == "counts"
    assert explorer.right in explorer.left.compared
    assert isinstance(explorer, ipw.VBox)
    assert explorer.steps in explorer.children
