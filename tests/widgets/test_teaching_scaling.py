"""A switch between scalings: against the law of noise and NumPy, and what its page is told."""

import numpy as np
import pytest
from scipy.integrate import quad

import endmember as em
from endmember.core.noise import noise_edge, noise_median
from endmember.widgets.teaching.scaling import KINDS
from endmember.widgets.teaching.scaling_state import NAMES, ScalingState, dose_words, noise_density

SHARES = [1.0, 0.3]


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", n_components=3)


@pytest.fixture(scope="module")
def state(scene):
    return ScalingState(scene, shares=SHARES, max_rank=4)


@pytest.fixture(scope="module")
def explorer(scene):
    return em.teaching.ScalingExplorer(scene, shares=SHARES, max_rank=4)


def scaled(state, weighting, share):
    """Counts of a fit in its own scaling, unit noise, by NumPy alone."""
    image = state.image if share == 1 else em.thin(state.image, share, state.seed)[0]
    counts = np.asarray(image.spectra, dtype=float)
    if weighting == "none":
        return counts / np.sqrt(counts.mean())
    pca = state.fits[weighting, share].pca
    return pca.pixel_scale_[:, None] * counts * pca.channel_scale_


# the law of even noise


@pytest.mark.parametrize("shape", [(900, 300), (300, 300), (200, 700)])
def test_the_density_of_noise_is_one_as_a_whole_and_halved_by_its_median(shape):
    low, high = (1 - np.sqrt(shape[1] / shape[0])) ** 2, noise_edge(*shape)
    middle = noise_median(*shape)
    halves = [
        quad(noise_density, *ends, shape, limit=200)[0] for ends in [(low, middle), (middle, high)]
    ]
    np.testing.assert_allclose(halves, 0.5, atol=2e-3)
    assert not noise_density([low - 1e-3, high + 1e-3], *shape).any()


@pytest.mark.parametrize("shape", [(1200, 400), (400, 1200)])
def test_noise_that_is_drawn_has_that_density(shape):
    noise = np.random.default_rng(0).normal(size=shape)
    eigenvalues = np.linalg.svd(noise, compute_uv=False) ** 2 / shape[0]
    found, ends = np.histogram(eigenvalues, 12, density=True)
    middles = (ends[1:] + ends[:-1]) / 2
    # the largest eigenvalues repel each other: a histogram is far smoother than of random draws
    assert np.abs(found - noise_density(middles, *shape))[1:].max() < 0.06


# the state


@pytest.mark.parametrize("weighting", NAMES)
@pytest.mark.parametrize("share", SHARES)
def test_eigenvalues_and_residuals_are_those_that_numpy_finds(state, weighting, share):
    fit, counts = state.fits[weighting, share], scaled(state, weighting, share)
    left, values, right = np.linalg.svd(counts, full_matrices=False)
    np.testing.assert_allclose(fit.scree, values**2 / len(counts), rtol=1e-8)
    for rank in range(1, state.max_rank + 1):
        rest = counts - (left[:, :rank] * values[:rank]) @ right[:rank]
        everywhere = (rest**2).sum(axis=1) / (fit.shape[1] - rank)
        np.testing.assert_allclose(fit.residuals["all"][rank - 1].ravel(), everywhere, rtol=1e-6)
        following = (left[:, rank : state.max_rank + 2] * values[rank : state.max_rank + 2]) ** 2
        expected = following.mean(axis=1) / fit.edge
        np.testing.assert_allclose(
            fit.residuals["leading"][rank - 1].ravel(), expected, rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("weighting", NAMES)
def test_a_component_is_as_large_as_it_is_in_the_map(state, weighting):
    fit = state.fits[weighting, 1.0]
    pca, counts = fit.pca, state.image.spectra
    for k in range(state.max_rank + 1):
        alone = pca.transform(counts)[:, [k]] * pca.components_[k]
        sizes = np.sqrt((alone**2).mean(axis=0))
        np.testing.assert_allclose(np.abs(fit.components[k]), sizes, atol=1e-10)


@pytest.mark.parametrize("weighting", ["poisson", "biwhiten"])
@pytest.mark.parametrize("share", SHARES)
def test_scaled_noise_is_even_and_three_components_stand_above_it(state, weighting, share):
    fit = state.fits[weighting, share]
    assert fit.n_above == 3  # as many as the scene has
    assert abs(fit.bulk - 1) < 0.06  # 61 eigenvalues: their median scatters by some per cent
    assert abs(fit.scree[3] / fit.edge - 1) < 0.06


def test_unscaled_noise_is_not_even(state):
    fit = state.fits["none", 1.0]
    assert fit.n_above > 6
    assert fit.bulk < 0.8
    assert f"{fit.n_above} of 64 eigenvalues stand above" in fit.words()


def test_portraits_come_out_of_the_noise_of_their_background_by_scaling_and_by_dose():
    scene = em.datasets.load("portrait_edges", shape=(48, 48), variant="background")
    state = ScalingState(scene.image.rebin(channels=2), shares=[1.0, 0.25], max_rank=3)
    above = {key: fit.n_above for key, fit in state.fits.items()}
    assert [above[w, 1.0] for w in ("poisson", "biwhiten")] == [5, 5]  # the rank without noise
    assert [above[w, 0.25] for w in ("poisson", "biwhiten")] == [4, 4]
    spikes = state.fits["none", 0.25].components[2] ** 2
    bright = state.image.axis < 150  # eV: a sixth of the channels hold most of the background
    assert spikes[bright].sum() > 0.8 * spikes.sum()
    edge = state.fits["biwhiten", 0.25].components[2] ** 2
    assert edge[bright].sum() < 0.5 * edge.sum()
    even = state.fits["biwhiten", 1.0].residuals["all"][-1].std()
    assert even < 0.6 * state.fits["poisson", 1.0].residuals["all"][-1].std()
    assert even < 0.3 * state.fits["none", 1.0].residuals["all"][-1].std()


def test_a_share_is_a_recording_of_so_many_counts(state):
    whole = state.image.spectra.sum() / state.image.n_pixels
    assert state.doses[0] == whole
    assert abs(state.doses[1] - 0.3 * whole) < 5 * np.sqrt(0.3 * whole / state.image.n_pixels)
    again = ScalingState(state.image, shares=[0.3], max_rank=4)
    assert (again.fits["none", 0.3].scree == state.fits["none", 0.3].scree).all()
    other = ScalingState(state.image, shares=[0.3], max_rank=4, seed=1)
    assert (other.fits["none", 0.3].scree != state.fits["none", 0.3].scree).any()


def test_hidden_pixels_stay_hidden():
    image = em.datasets.load("mixture", n_components=3).image
    mask = np.zeros(image.navigation_shape, dtype=bool)
    mask[3, 4] = True
    state = ScalingState(em.SpectrumImage(image.counts, mask=mask), shares=[1.0], max_rank=2)
    for fit in state.fits.values():
        for lefts in fit.residuals.values():
            assert np.isnan(lefts[:, 3, 4]).all()
            assert np.isfinite(lefts[:, ~mask]).all()


def test_data_of_the_caller_are_not_changed():
    counts = np.random.default_rng(0).poisson(20.0, size=(12, 10, 16))
    before = counts.copy()
    em.teaching.ScalingExplorer(counts, shares=[1.0, 0.5], max_rank=2)
    assert (counts == before).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shares": []}, "shares are \\[\\]; give different numbers above 0, up to 1"),
        ({"shares": [0.5, 0.5]}, "give different numbers"),
        ({"shares": [1.5]}, "shares are \\[1.5\\]"),
        ({"shares": [True]}, "shares are \\[True\\]"),
        ({"shares": [0.0005]}, "shares hold 0.0005, which cannot be scaled: biwhitening"),
        ({"max_rank": 0}, "max_rank == 0, must be >= 1"),
        ({"max_rank": 63}, "max_rank=63, but .* ask for 62 at most"),
    ],
)
def test_bad_settings_are_refused(scene, settings, message):
    with pytest.raises(ValueError, match=message):
        ScalingState(scene, **settings)


@pytest.mark.parametrize("shape", [(30, 8), (3, 4, 5, 8), (97, 96, 8)])
def test_what_is_no_small_map_is_refused(shape):
    with pytest.raises(
        ValueError, match="give one of rows and columns, of no more than 9216 pixels"
    ):
        ScalingState(np.ones(shape, dtype=int))


def test_counts_that_were_scaled_are_refused():
    counts = np.random.default_rng(0).poisson(20.0, size=(12, 10, 16)) / 3.3
    with pytest.raises(ValueError, match="counts are not whole numbers"):
        ScalingState(counts, shares=[0.5], max_rank=2)


def test_work_can_be_stopped(scene):
    with pytest.raises(em.CancelledError):
        ScalingState(scene, shares=SHARES, callback=lambda progress: True)


@pytest.mark.parametrize(("dose", "words"), [(1999.6, "2,000"), (24.4, "24"), (3.14, "3.1")])
def test_doses_are_written_as_people_do(dose, words):
    assert dose_words(dose) == words


# the view


def test_controls_choose_what_is_shown(explorer):
    steps, state = explorer.steps, explorer.state
    explorer.scaling.value, explorer.dose.value = "biwhiten", 0.3
    explorer.rank.value, explorer.residual.value = 2, "all"
    fit = state.fits["biwhiten", 0.3]
    assert explorer.fit is fit
    assert steps.shown(explorer.words, "value") == fit.words()
    near = {"rtol": 1e-3}  # of three digits
    np.testing.assert_allclose(steps.shown(explorer.scree.points, "y"), fit.scree[:20], rtol=1e-6)
    assert steps.shown(explorer.scree.points, "colors").count("#d55e00") == fit.n_above
    np.testing.assert_allclose(steps.shown(explorer.scree.line, "x"), 2)
    np.testing.assert_allclose(steps.shown(explorer.bulk.edge, "x"), fit.edge, rtol=1e-6)
    np.testing.assert_allclose(steps.shown(explorer.next.line, "y"), fit.components[2], **near)
    assert steps.shown(explorer.next.y_axis, "label") == "component 3: counts (rms)"
    shown = np.frombuffer(steps.shown(explorer.map, "values"), np.float32)
    np.testing.assert_allclose(shown, fit.residuals["all"][1].ravel(), rtol=1e-3)
    assert steps.shown(explorer.map, "caption") == "rank 2: what it leaves in all channels"
    assert steps.shown(explorer.map, "limits") == [0.4, 1.6]
    assert KINDS["all channels"] == "all"


def test_the_histogram_holds_all_eigenvalues_up_to_its_end(explorer):
    explorer.scaling.value, explorer.dose.value = "poisson", 1.0
    outline = explorer.steps.shown(explorer.bulk.bars, "y")
    ends = explorer.bulk.bars.x
    area = (outline[1:-1:2] * np.diff(ends)[1::2]).sum()
    scree = explorer.fit.scree
    assert abs(area - (scree <= ends[-1]).mean()) < 1e-6
    curve = explorer.steps.shown(explorer.bulk.density, "y")
    assert abs(np.trapezoid(curve, explorer.bulk.density.x) - 1) < 0.01


def test_colours_mean_the_same_for_both_scalings_that_make_noise_even(explorer):
    explorer.residual.value, explorer.rank.value, limits = "leading", 1, {}
    for weighting in NAMES:
        explorer.scaling.value = weighting
        limits[weighting] = explorer.steps.shown(explorer.map, "limits")
        assert limits[weighting][0] == 0
        highest = explorer.fit.residuals["leading"][0].max()
        assert 3 <= limits[weighting][1] <= max(3, highest)
    assert limits["poisson"] == limits["biwhiten"]


def test_the_names_of_scalings_are_those_of_the_rank_selector():
    from endmember.widgets.rank_selector import SCALINGS

    assert {NAMES[weighting]: weighting for weighting in SCALINGS.values()} == SCALINGS
