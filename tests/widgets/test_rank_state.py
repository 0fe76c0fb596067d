"""What a rank selector knows, tested without a widget."""

import subprocess
import sys

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
