"""Clusters of one map at many doses: against theory and truth, and as a view with no page."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets as tl
from scipy.stats import norm, truncnorm

import endmember as em
from endmember.widgets.map_traits import label_steps
from endmember.widgets.pages import page_text
from endmember.widgets.teaching.dose import DoseTuner
from endmember.widgets.teaching.dose_state import DoseState

DOSES = [4.0, 64.0, 2048.0, 8192.0]


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("iron_oxides", dose=23_000)


@pytest.fixture(scope="module")
def state(scene):
    return DoseState(scene, doses=DOSES)


@pytest.fixture
def tuner(scene):
    return DoseTuner(scene, doses=DOSES)


# the state


def test_a_few_counts_invent_a_difference_that_held_out_counts_do_not_know(state):
    assert np.ptp(state.found(0)) > 0.4
    assert np.ptp(state.held_out(0)) < 0.06
    assert abs(state.agreement[0]) < 0.01


def test_many_counts_find_the_ratios_of_the_lecture(scene, state):
    for found in (state.found(3), state.held_out(3), state.true_ratios):
        np.testing.assert_allclose(found, [0.698, 0.783], atol=0.002)
    np.testing.assert_allclose(scene.ratios, [0.698, 0.783])


def test_agreement_is_that_of_the_best_border(scene, state):
    """Two normal laws of equal spread, cut half-way: ARI = (1 - 2 error)²."""
    n, (low, high) = 2048, scene.ratios
    spread = np.sqrt(n * (low + high) / 2)
    error = norm.sf(n * (high - low) / 2 / spread)
    sampling = 2 * np.sqrt(error / 128**2) * 2  # of the share of misplaced pixels, two sigmas
    assert state.agreement[2] == pytest.approx((1 - 2 * error) ** 2, abs=2 * sampling)


def test_at_a_few_counts_the_invented_ratios_are_those_of_a_cut_cloud():
    """Of one compound: a normal cloud cut at its mean across oxygen, the longer side."""
    rng = np.random.default_rng(0)
    n = 64.0
    counts = rng.poisson([0.5 * n, n], size=(100, 160, 2))
    image = em.SpectrumImage(counts, em.Axis.uniform(2, scale=1, name="energy", unit="keV"))
    state = DoseState(image, lines={"Fe": (-0.5, 0.5), "O": (0.5, 1.5)}, doses=[n * 0.99])
    above = truncnorm.mean(0, np.inf) * np.sqrt(n)
    expected = [0.5 * n / (n + above), 0.5 * n / (n - above)]
    np.testing.assert_allclose(state.found(0), expected, rtol=0.02)
    assert np.ptp(state.held_out(0)) < 0.01
    assert np.isnan(state.agreement).all()
    assert not state.true_ratios.size


def test_a_dose_is_the_mean_count_of_the_second_line(state):
    for dose, counts in zip(DOSES, state.counts, strict=True):
        assert counts[:, 1].mean() == pytest.approx(dose, rel=4 / np.sqrt(dose * 128**2))
        assert counts[:, 1].var() == pytest.approx(dose, rel=0.1)  # Poisson still


def test_clusters_are_numbered_by_their_ratio_or_by_their_size(state):
    for i in range(len(DOSES)):
        assert np.all(np.diff(state.found(i)) > 0)
        sizes = np.bincount(state.labels(i, is_ordered=False))
        assert sizes[0] >= sizes[1]
        renamed = em.align_labels(state.labels(i, is_ordered=False), state.labels(i))
        np.testing.assert_array_equal(renamed, state.labels(i))


def test_both_halves_are_used_and_neither_twice(state):
    """What was read lies on neither the counts nor the labels that made it."""
    rows = state.to_rows()
    assert [row["dose"] for row in rows] == DOSES
    assert rows[2]["held_out"][1] - rows[2]["held_out"][0] < np.diff(state.found(2))[0]


@pytest.mark.parametrize("i", [0, 3])
def test_code_makes_the_same_ratios(i, capsys):
    scene = em.datasets.load("iron_oxides", shape=(32, 32), dose=23_000)
    state = DoseState(scene, doses=DOSES)
    exec(state.to_code(i), {})
    told = np.array([float(line.split()[1]) for line in capsys.readouterr().out.splitlines()])
    np.testing.assert_allclose(told.reshape(2, 2)[:, 0], state.found(i, is_ordered=False))
    np.testing.assert_allclose(told.reshape(2, 2)[:, 1], state.held_out(i, is_ordered=False))


def test_code_says_when_all_is_kept():
    scene = em.datasets.load("iron_oxides", shape=(8, 8), dose=300)
    features = em.cluster_features(scene.image, "lines", lines=scene.windows)
    state = DoseState(scene, doses=[features[:, 1].mean()])
    assert "counts = features\n" in state.to_code(0)
    np.testing.assert_array_equal(state.counts[0], features)


def test_doses_double_by_default_and_pixels_may_be_hidden(scene):
    mask = np.zeros((8, 8), bool)
    mask[0, :3] = True
    small = em.datasets.load("iron_oxides", shape=(8, 8), dose=300).image
    image = em.SpectrumImage(np.asarray(small.counts), small.signal_axis, mask=mask)
    state = DoseState(image, lines=scene.windows)
    assert state.doses == (4, 8, 16, 32, 64)
    assert (state.label_map() == -1).tolist() == mask.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lines": ["Fe_Ka"]}, r"pass two, whose ratio"),
        ({"lines": "Fe_Ka"}, r"pass two, whose ratio"),
        ({"doses": [1e9]}, r"up to the [\d.]+ that were recorded"),
        ({"doses": []}, r"doses are \(\)"),
        ({"n_clusters": 1}, "n_clusters"),
        ({"seed": None}, "seed is None"),
    ],
)
def test_bad_settings_are_refused(change, message):
    scene = em.datasets.load("iron_oxides", shape=(4, 4), dose=100)
    with pytest.raises((ValueError, TypeError), match=message):
        DoseState(scene, **change)


def test_an_image_needs_lines_and_a_dose_that_exists():
    scene = em.datasets.load("iron_oxides", shape=(4, 4), dose=100)
    with pytest.raises(ValueError, match="lines are needed"):
        DoseState(scene.image)
    with pytest.raises(tl.TraitError, match="dose is 2, but there are 2"):
        DoseState(scene, doses=[4, 8]).dose = 2


# the view


def test_controls_and_state_move_each_other(tuner):
    tuner.dose.value = 64.0
    tuner.is_held_out.value = True
    assert (tuner.state.dose, tuner.state.is_held_out) == (1, True)
    tuner.state.dose, tuner.state.is_ordered = 3, False
    assert (tuner.dose.value, tuner.is_ordered.value) == (8192.0, False)
    assert tuner.to_code() == tuner.state.to_code(3)


def test_everything_follows_the_dose(tuner):
    state, shown = tuner.state, tuner.steps.shown
    for i, is_ordered in [(0, True), (2, False), (3, True)]:
        state.dose, state.is_ordered = i, is_ordered
        assert shown(tuner.map, "labels") == label_steps(state.label_map())[0].tobytes()
        assert shown(tuner.curves.at, "x").tolist() == [DOSES[i], DOSES[i]]
        words = shown(tuner.words, "value")
        assert all(f"{ratio:.3f}" in words for ratio in state.found())
        slopes = shown(tuner.scatter.rays, "y")[:, 1] / shown(tuner.scatter.rays, "x")[1]
        np.testing.assert_allclose(slopes, state.found(), rtol=1e-5)
        dots = shown(tuner.scatter.dots, "x"), shown(tuner.scatter.dots, "y")
        for values, axis in zip(dots, (tuner.scatter.x_axis, tuner.scatter.y_axis), strict=True):
            ends = shown(axis.scale, "min"), shown(axis.scale, "max")
            assert ends[0] <= values.min() < values.max() <= ends[1]
            assert tuple(shown(axis, "tick_values")[[0, -1]]) == pytest.approx(ends)
        counted = np.rint(np.stack(dots, axis=1)[:, ::-1]) if i < 2 else None
        if counted is not None:
            known = {tuple(row) for row in state.counts[i].tolist()}
            assert {tuple(row) for row in counted.tolist()} <= known


def test_the_held_out_half_shows_when_it_is_asked_for(tuner):
    shown = tuner.steps.shown
    assert "not shown" in shown(tuner.words, "value")
    assert not shown(tuner.curves.held_out, "visible")
    tuner.is_held_out.value = True
    assert all(f"{r:.3f}" in shown(tuner.words, "value") for r in tuner.state.held_out())
    assert shown(tuner.curves.held_out, "visible") and shown(tuner.scatter.held_rays, "visible")
    expected = np.transpose([tuner.state.held_out(i) for i in range(len(DOSES))])
    np.testing.assert_allclose(shown(tuner.curves.held_out, "y"), expected, rtol=1e-6)


def test_its_page_is_small(scene):
    """The dots and maps of twelve doses."""
    page = page_text(DoseTuner(scene), title="doses", scripts="cdn")
    print(f"{len(page) / 1e6:.2f} MB")
    assert len(page) < 0.8e6


def test_measured_counts_have_no_truth_to_compare_with():
    image = em.datasets.load("diamond_anvil_88gpa")
    tuner = DoseTuner(image, lines=["Mg_Ka", "Si_Ka"], doses=[2, 24])
    tuner.is_held_out.value = True
    assert "truth" not in tuner.steps.shown(tuner.words, "value")
    assert not tuner.curves.truth.visible
