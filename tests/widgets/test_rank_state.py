"""What a rank selector knows, tested without a widget."""

import json
import pickle
import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import traitlets as tl

import endmember as em
from endmember.widgets import RankState


@pytest.fixture(scope="module")
def state(diamond):
    return RankState(diamond)


@pytest.fixture(scope="module")
def small():
    """A masked map of two materials, its third row hidden."""
    rng = np.random.default_rng(3)
    share = np.linspace(0, 1, 12)[:, None] * np.ones(9)
    spectra = rng.gamma(1.0, 20.0, size=(2, 30))
    counts = rng.poisson(share[..., None] * spectra[0] + (1 - share[..., None]) * spectra[1])
    mask = np.zeros((12, 9), dtype=bool)
    mask[2] = True
    return em.SpectrumImage(counts, np.linspace(1, 4, 30), mask=mask)


def test_the_state_knows_no_widget():
    code = (
        "import sys, endmember.widgets.rank_state\n"
        "print(sorted({'ipywidgets', 'anywidget', 'bqplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_it_starts_at_the_components_above_the_noise_edge(state):
    assert state.rank == state.suggested_rank == 4


def test_model_is_the_best_fit_in_the_scaled_space(state):
    state.rank, state.pixel = 3, (110, 62)
    pca = state.pca
    row = state.image.pixel_row(110, 62)
    scaled = state.image.spectra[[row]].toarray()[0] * pca.channel_scale_
    axes = (pca.components_ * pca.channel_scale_)[:3]
    coefficients, *_ = np.linalg.lstsq(axes.T, scaled, rcond=None)
    np.testing.assert_allclose(state.model(), coefficients @ pca.components_[:3], atol=1e-9)


def test_residual_over_all_channels_is_the_distance_to_the_denoised_map(small):
    state = RankState(small)
    state.rank, state.residual = 2, "all"
    pca = em.PCA(2, weighting="biwhiten").fit(small.spectra)
    difference = small.spectra - pca.inverse_transform(pca.transform(small.spectra))
    scaled = difference * pca.pixel_scale_[:, None] * pca.channel_scale_
    expected = small.fold((scaled**2).sum(axis=1) / (30 - 2))
    np.testing.assert_allclose(state.residual_map(), expected, rtol=1e-9)


def test_leading_residual_is_what_the_next_components_add(state):
    state.rank = 2
    at_two = state.residual_map()
    state.rank = 3
    at_three = state.residual_map()
    scores, _ = state.pca.noise_units(state.image.spectra)
    added = state.image.fold(scores[:, 2] ** 2) / state.pca.noise_edge_
    np.testing.assert_allclose(at_two * 14 - at_three * 13, added, rtol=1e-9, atol=1e-9)


def test_noise_alone_leaves_a_residual_of_about_one(state):
    state.rank = 4
    assert np.nanmean(state.residual_map()) == pytest.approx(1.0, abs=0.1)


def test_factors_make_the_model_that_python_makes(small):
    state = RankState(small)
    state.rank = 2
    factors = state.factors()
    for pixel in [(0, 0), (5, 3), (11, 8)]:
        state.pixel = pixel
        flat = pixel[0] * 9 + pixel[1]
        model = factors["heights"][flat] * factors["scores"][:2, flat] @ factors["spectra"][:2]
        np.testing.assert_allclose(model, state.model(), rtol=1e-4, atol=1e-4)


def test_hidden_pixels_are_left_out_and_may_still_be_looked_at(small):
    state = RankState(small)
    assert np.isnan(state.residual_map()[2]).all()
    assert not state.factors()["heights"].reshape(12, 9)[2].any()
    state.pixel = (2, 4)
    np.testing.assert_array_equal(state.counts(), small.counts[2, 4])


def test_a_hidden_pixel_has_no_model_and_is_not_the_first_to_be_looked_at(small):
    counts = small.counts.astype(float)
    counts[5:8] = np.nan
    mask = np.isnan(counts).all(axis=-1)
    state = RankState(em.SpectrumImage(counts, mask=mask))
    assert not mask[state.pixel]
    state.pixel = (6, 4)  # the middle, hidden
    assert np.isnan(state.model()).all()


def test_pixels_that_cannot_be_biwhitened_are_told_of():
    rates = np.zeros((3000, 60))
    rates[30:, :40], rates[:30, 40:] = 2, 20
    counts = np.random.default_rng(0).poisson(rates).reshape(50, 60, 60)
    state = RankState(counts)
    assert state.weighting == "biwhiten"
    assert state.message.startswith("30 pixels with ")
    state.weighting = "poisson"
    assert state.message == ""
    assert state.suggested_rank == 2


def test_result_and_code_agree(state):
    state.rank = 3
    names = {}
    exec(state.to_code(), names)
    np.testing.assert_array_equal(names["pca"].components_, state.result().components_)
    assert names["maps"].shape == (201, 201, 3)


def test_a_line_scan_is_a_map_of_one_row():
    counts = np.random.default_rng(0).poisson(30.0, size=(40, 16))
    state = RankState(em.SpectrumImage(counts), max_rank=3)
    state.pixel = (0, 7)
    assert state.shape == (1, 40)
    assert state.residual_map().shape == (1, 40)
    np.testing.assert_array_equal(state.counts(), counts[7])


def test_too_few_counts_to_biwhiten_fall_back_and_say_so():
    counts = np.random.default_rng(0).poisson(0.02, size=(10, 12, 40))
    state = RankState(em.SpectrumImage(counts))
    assert state.weighting == "poisson"
    assert "weighting='poisson'" in state.message
    state.weighting = "biwhiten"
    assert state.weighting == "poisson"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 13}, "rank is 13 but the handle goes to 12"),
        ({"pixel": (0, 201)}, r"pixel \(0, 201\) lies outside the map of shape \(201, 201\)"),
        ({"hovered": (-1, 0)}, "lies outside the map"),
    ],
)
def test_a_setting_out_of_range_is_refused(state, settings, message):
    before = (state.rank, state.pixel, state.hovered)
    with pytest.raises(tl.TraitError, match=message):
        state.set_trait(*next(iter(settings.items())))
    assert (state.rank, state.pixel, state.hovered) == before


@pytest.mark.parametrize(
    ("data", "settings", "error", "message"),
    [
        (np.ones((3, 4, 5, 6)), {}, ValueError, "data have 3 navigation axes; a map has rows"),
        (np.ones(5), {}, ValueError, r"counts have shape \(5,\)"),
        (np.ones((4, 5, 6)), {"max_rank": 0}, ValueError, "max_rank is 0"),
        (np.ones((4, 5, 6)), {"weighting": "none"}, ValueError, "weighting is 'none'; choose one"),
        (np.ones((4, 5, 6)), {"colour": 1}, TypeError, "colour"),
    ],
)
def test_bad_input_is_refused_before_any_work(data, settings, error, message):
    with pytest.raises(error, match=message):
        RankState(data, **settings)


FRESH = """
import sys, numpy as np, pickle
image = pickle.loads(open(sys.argv[1], "rb").read())
code = open(sys.argv[2]).read()
lines = [line for line in code.splitlines() if not line.startswith("image = ")]
exec("\\n".join(lines))
np.savez(sys.argv[3], components=pca.components_, maps=maps, rank=pca.n_components)
"""


@pytest.mark.parametrize("weighting", ["biwhiten", "poisson"])
def test_the_code_makes_the_same_bits_in_a_fresh_process(small, tmp_path, weighting):
    state = RankState(small, weighting=weighting)
    state.rank = 2
    (tmp_path / "image").write_bytes(pickle.dumps(small))
    (tmp_path / "code.py").write_text(state.to_code())
    paths = [tmp_path / name for name in ("image", "code.py", "found.npz")]
    subprocess.run([sys.executable, "-c", FRESH, *paths], check=True)
    found, result = np.load(paths[-1]), state.result()
    assert found["rank"] == result.n_components == 2
    assert found["components"].tobytes() == result.components_.tobytes()
    assert found["maps"].shape == (12, 9, 2)


def test_the_record_of_a_result_makes_it_again(state):
    state.rank = 3
    result = state.result()
    assert result.record_.origin["code"] == 'em.datasets.load("diamond_anvil_71gpa")'
    names = {}
    exec(result.record_.to_code(), names)
    assert names["result"].components_.tobytes() == result.components_.tobytes()


def test_a_scene_is_known_by_its_image():
    scene = em.datasets.load("mixture")
    state = RankState(scene)
    assert state.image is scene.image
    assert 'image = em.datasets.load("mixture").image' in state.to_code()


# regions


def test_a_region_is_probed_by_its_mean_counts_and_mean_model(small):
    state = RankState(small)
    state.rank = 2
    state.region = {"kind": "rectangle", "points": [[1, 2], [4, 5]]}  # its second row is hidden
    chosen = small.counts[[1, 3, 4], 2:6].reshape(12, 30)
    np.testing.assert_allclose(state.counts(), chosen.mean(axis=0), rtol=1e-12)
    model = state.pca.transform(chosen)[:, :2] @ state.pca.components_[:2]
    np.testing.assert_allclose(state.model(), model.mean(axis=0), rtol=1e-9, atol=1e-12)
    state.hovered = (0, 0)
    np.testing.assert_array_equal(state.counts(), small.counts[0, 0])


def test_a_region_of_hidden_pixels_has_no_spectrum(small):
    state = RankState(small)
    state.region = {"kind": "rectangle", "points": [[2, 0], [2, 8]]}
    assert np.isnan(state.counts()).all()
    assert np.isnan(state.model()).all()


def test_a_region_that_is_none_is_refused(small):
    state = RankState(small)
    with pytest.raises(tl.TraitError, match="region has the kind 'circle'"):
        state.region = {"kind": "circle", "points": [[0, 0]]}
    assert state.region == {}


# residuals


def test_neighbours_in_every_residual_are_those_of_its_map(small):
    state = RankState(small, max_rank=3)
    state.measure()
    assert state.wait(60)
    for residual in ("leading", "all", "next"):
        state.residual = residual
        for rank in (1, 2, 3):
            state.rank = rank
            expected = em.metrics.residual_autocorrelation(state.residual_map())
            found = state.alike[residual][rank - 1]
            assert (found.value, found.stderr) == pytest.approx(
                (expected.value, expected.stderr), rel=1e-12
            )


def test_words_tell_structure_from_noise(small):
    state = RankState(small, max_rank=3)
    state.measure()
    assert state.wait(60)
    at_one, at_two, _ = state.residual_words()["leading"]
    assert at_one.startswith("Structure is left")
    assert at_two.startswith("No structure is seen")
    found = state.alike["leading"][0]
    assert f"Moran's I {found.value:.3f}; noise gives 0 ± {found.stderr:.3f}" in at_one


def test_a_component_that_the_map_of_all_hides_is_told_of(state):
    state.measure()
    assert state.wait(60)
    words = state.residual_words()["leading"]
    hidden, found = state.alike["leading"][2], state.alike["next"][2]
    assert hidden.value < 3.5 * hidden.stderr
    assert found.value > 50 * found.stderr  # the fourth component
    assert words[2].startswith("Structure is left, though this map does not show it")
    assert f"the next component alone has it (Moran's I {found.value:.3f})" in words[2]
    assert words[3].startswith("No structure is seen")


def test_another_scaling_is_measured_too(small):
    state = RankState(small, max_rank=3)
    assert not state.is_measured
    state.weighting = "poisson"
    assert state.wait(60)
    assert state.alike == {}  # nobody has asked
    state.measure()
    assert state.wait(60)
    before = state.alike["all"][0].value
    state.weighting = "biwhiten"
    assert state.wait(60)
    state.residual, state.rank = "all", 1
    expected = em.metrics.residual_autocorrelation(state.residual_map()).value
    assert state.alike["all"][0].value == pytest.approx(expected, rel=1e-12)
    assert expected != before


def test_a_measurement_that_was_overtaken_is_not_told(small):
    state = RankState(small, max_rank=3)
    with state.worker.lock:  # it has begun, but has not measured yet
        state.measure()
        state.worker.cancel()
    assert state.wait(60)
    assert state.alike == {}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_next_component_is_what_the_next_rank_adds(small, rank):
    state = RankState(small, max_rank=3)
    state.rank, state.residual, state.pixel = rank, "next", (5, 3)
    scores, _ = state.pca.noise_units(small.spectra)
    np.testing.assert_array_equal(state.residual_map(), small.fold(scores[:, rank]))
    before, added = state.model(), state.next_model()
    if rank < 3:
        state.rank = rank + 1
        np.testing.assert_allclose(state.model(), before + added, rtol=1e-9, atol=1e-9)


def test_beyond_the_last_component_there_is_no_next_one():
    state = RankState(np.random.default_rng(0).poisson(9.0, size=(6, 5, 3)))
    state.rank, state.residual = state.max_rank, "next"
    assert state.rank == 3
    assert np.isnan(state.next_model()).all()
    assert np.isnan(state.residual_map()).all()


def test_the_scale_of_a_region_holds_its_curves_at_every_rank(small):
    state = RankState(small, max_rank=4)
    assert state.reach() is None
    state.region = {"kind": "rectangle", "points": [[0, 0], [1, 3]]}
    low, high = state.reach()
    for rank in (1, 2, 3, 4):
        state.rank = rank
        curves = np.array([state.counts(), state.model(), state.next_model()])
        assert curves[:2].max() <= high
        assert low <= curves[2].min()


# settings


def test_settings_travel_as_json_and_come_back(small):
    state = RankState(small)
    state.rank, state.pixel, state.residual, state.weighting = 3, (4, 5), "all", "poisson"
    state.region = {"kind": "lasso", "points": [[0, 0], [5, 1], [3, 7.5]]}
    kept = json.loads(json.dumps(state.settings()))
    other = RankState(small)
    other.restore(kept)
    assert other.settings() == state.settings() == kept


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rank": 2, "colour": "red"}, ValueError, r"settings hold \['colour'\]"),
        ({"rank": 2, "pixel": [99, 0]}, tl.TraitError, "lies outside the map"),
        ({"pixel": [1, 1], "rank": 40}, tl.TraitError, "the handle goes to"),
    ],
)
def test_settings_that_cannot_be_change_nothing(small, settings, error, message):
    state = RankState(small)
    before = state.settings()
    with pytest.raises(error, match=message):
        state.restore(settings)
    assert state.settings() == before


# hard data


def test_counts_that_were_scaled_are_told_of():
    counts = np.random.default_rng(2).poisson(0.4, size=(12, 10, 40))
    state = RankState(counts * np.sqrt(np.arange(2, 42)), weighting="poisson")
    assert "they were scaled after they were counted" in state.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((1, 1, 40)), r"n_samples=1 pixel\(s\)"),
        (np.ones((9, 8, 1)), r"n_features=1 channel\(s\)"),
        (np.zeros((9, 8, 30)), "zero in all 72 visible pixels"),
        (np.full((9, 8, 30), np.nan), "NaN or inf in 2160 places"),
        (-np.ones((9, 8, 30)), "Negative values in data"),
    ],
)
def test_counts_that_hold_no_components_are_refused_in_words(data, message):
    with pytest.raises(ValueError, match=message):
        RankState(data)


HARD = {
    "two pixels": lambda rng: rng.poisson(5, (1, 2, 40)),
    "two channels": lambda rng: rng.poisson(5, (9, 8, 2)),
    "one component": lambda rng: rng.poisson(5, (12, 10, 40)),
    "pixels of zeros": lambda rng: (
        rng.poisson(5, (12, 10, 40)) * (np.arange(12) > 3)[:, None, None]
    ),
    "lazy": lambda rng: da.from_array(rng.poisson(5, (12, 10, 40)), chunks=(5, 5, 40)),
    "a line": lambda rng: rng.poisson(5, (60, 40)),
    "4096 channels": lambda rng: rng.poisson(1, (12, 10, 4096)),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_data_are_looked_at_and_judged(name):
    state = RankState(HARD[name](np.random.default_rng(0)))
    assert state.rank == 1
    state.measure()
    state.votes.ask("cheap")
    assert state.wait(120)
    assert state.votes.status == "stale"
    assert state.votes.report.rank in (None, 1)
    assert len(state.residual_words()["all"]) == state.max_rank
    assert np.isfinite(state.model()).all()
