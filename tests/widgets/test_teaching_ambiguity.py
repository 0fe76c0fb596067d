"""How far two spectra turn: against a general search for the band, and against the counts."""

import numpy as np
import pytest

import endmember as em
from endmember.widgets.pages import page_text
from endmember.widgets.teaching.ambiguity_state import POSITIONS, AmbiguityState, limits_of

SHAPE, MIDDLE, LOWER, UPPER = (10, 12), 12, 4, 20


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("omphacite", shape=SHAPE, dose=2000)


@pytest.fixture
def state(scene):
    return AmbiguityState(scene.image, scene.abundances, scene.endmembers, names=scene.names)


def mixture(seed, n_pixels=60, n_channels=9):
    """Two spectra of which no pixel is pure and no channel holds one alone."""
    rng = np.random.default_rng(seed)
    shares = 0.1 + 0.7 * rng.random(n_pixels)
    spectra = 1.0 + 20 * rng.random((2, n_channels))
    spectra *= 200 / spectra.sum(axis=1, keepdims=True)
    return np.stack([shares, 1 - shares], axis=1), spectra


@pytest.mark.parametrize("seed", range(3))
def test_the_limits_of_two_components_are_those_of_the_general_search(seed):
    abundances, components = mixture(seed)
    counts = abundances @ components
    mcr = em.MCRALS(2, init=components, weighting="none").fit(counts)
    band = mcr.ambiguity_band()
    for i in range(2):
        low, high = limits_of(mcr.abundances_, mcr.components_, i, 1 - i)
        ends = [(1 - a) * mcr.components_[i] + a * mcr.components_[1 - i] for a in (low, high)]
        within = 1e-3 * components.max()  # where the search ends
        np.testing.assert_allclose(np.min(ends, axis=0), band.lower_spectra[i], atol=within)
        np.testing.assert_allclose(np.max(ends, axis=0), band.upper_spectra[i], atol=within)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("step", [0, LOWER, 8, MIDDLE, 17, UPPER, 24])
def test_no_turn_moves_the_product_nor_the_sum_of_the_abundances(state, turn, step):
    abundances, components = state.factors(turn, state.amounts[turn, step])
    expected = state.abundances @ state.components
    np.testing.assert_allclose(abundances @ components, expected, atol=1e-12 * expected.max())
    np.testing.assert_allclose(abundances.sum(axis=1), state.abundances.sum(axis=1))
    assert state.turned(turn, step).change < 1e-14
    assert state.turned(turn, step).misfit == pytest.approx(state.turned(0, MIDDLE).misfit)


def test_the_misfit_is_the_reduced_chi_square(scene, state):
    truth = scene.abundances, scene.endmembers
    expected = em.metrics.reduced_chi_square(scene.image, truth, per_pixel=False)
    assert state.turned().misfit == pytest.approx(expected)
    expected = em.metrics.reduced_chi_square(scene.image, truth)
    np.testing.assert_allclose(state.misfits(), expected)


@pytest.mark.parametrize("turn", range(3))
def test_factors_are_non_negative_up_to_the_limits_and_no_farther(state, turn):
    tiny = 1e-9
    for step in range(LOWER, UPPER + 1):
        abundances, components = state.factors(turn, state.amounts[turn, step])
        assert abundances.min() >= -tiny
        assert components.min() >= -tiny * components.max()
        assert state.turned(turn, step).is_allowed
        assert state.turned(turn, step).below == (0, 0)
    for step in [LOWER - 1, UPPER + 1]:
        found = state.turned(turn, step)
        assert not found.is_allowed
        assert max(found.below) > 0


def test_a_pure_pixel_and_a_channel_of_its_own_hold_a_spectrum_where_it_is():
    abundances = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    components = np.array([[5.0, 3.0, 0.0], [0.0, 2.0, 4.0]])
    assert limits_of(abundances, components, 0, 1) == (0.0, 0.0)
    low, high = limits_of(abundances, components, 1, 0)
    assert low == 0.0  # the first channel is the other's alone
    assert high == pytest.approx(0.2)  # 0.2 of it to 0.8: the last pixel would be pure


def test_positions_of_the_slider_stand_for_the_limits(state):
    np.testing.assert_allclose(POSITIONS[[LOWER, MIDDLE, UPPER]], [-1, 0, 1])
    np.testing.assert_allclose(state.amounts[:, [LOWER, UPPER]], state.limits)
    assert (state.amounts[:, MIDDLE] == 0).all()
    assert (np.diff(state.amounts) >= 0).all()
    assert state.amounts.max() < 1


def test_the_band_holds_every_spectrum_that_is_allowed(state):
    for turn in range(4):
        low, high = state.band(turn)
        for step in range(LOWER, UPPER + 1):
            spectrum = state.turned(turn, step).spectrum
            assert (spectrum >= low - 1e-9).all()
            assert (spectrum <= high + 1e-9).all()


def test_by_default_each_component_turns_where_it_turns_farthest(scene, state):
    def reach(i, j):
        ends = limits_of(scene.abundances, scene.endmembers, i, j)
        spectra = [(1 - a) * scene.endmembers[i] + a * scene.endmembers[j] for a in ends]
        return em.metrics.spectral_angle(*spectra)

    assert [i for i, _ in state.turns] == [0, 1, 2, 3]
    for i, j in state.turns:
        assert reach(i, j) == max(reach(i, k) for k in range(4) if k != i)


def test_moving_controls_moves_the_state_and_all_that_is_shown(scene):
    truth = scene.abundances, scene.endmembers
    turns = [("aegirine", "jadeite"), (0, 2)]
    explorer = em.teaching.AmbiguityExplorer(scene.image, *truth, names=scene.names, turns=turns)
    state, steps = explorer.state, explorer.steps
    assert state.turns == [(2, 0), (0, 2)]
    explorer.slider.value, explorer.which.value = UPPER + 2, 1
    assert (state.step, state.turn) == (UPPER + 2, 1)
    state.step, state.turn = UPPER + 1, 0
    assert (explorer.slider.value, explorer.which.value) == (UPPER + 1, 0)
    found = state.turned()
    shown = steps.shown(explorer.spectrum.turned, "y")
    np.testing.assert_allclose(shown, found.spectrum, rtol=1e-3)
    other = np.frombuffer(steps.shown(explorer.other_map, "values"), np.float32)
    np.testing.assert_allclose(other, found.abundances[:, 1], rtol=1e-3, atol=1e-6)
    assert other.min() < 0
    words = steps.shown(explorer.words, "value")
    assert f"{found.amount:.1%} jadeite put into aegirine" in words
    assert "below zero" in words
    assert steps.shown(explorer.misfit.point, "y")[0] == pytest.approx(found.misfit)
    state.step = LOWER - 2
    assert steps.shown(explorer.spectrum.below, "y")[1].min() < 0
    assert "taken out of aegirine" in steps.shown(explorer.words, "value")
    state.step = MIDDLE
    assert steps.shown(explorer.words, "value").startswith("as given; both factors are non-neg")


def test_what_was_given_is_not_changed(scene):
    given = scene.abundances.copy(), scene.endmembers.copy()
    em.teaching.AmbiguityExplorer(scene.image, *given).state.factors(0, 0.5)
    np.testing.assert_array_equal(given[0], scene.abundances)
    np.testing.assert_array_equal(given[1], scene.endmembers)


def test_a_page_of_a_small_map_is_small(scene):
    explorer = em.teaching.AmbiguityExplorer(scene.image, scene.abundances, scene.endmembers)
    assert (
        len(page_text(explorer, title="", scripts="cdn")) < 700_000
    )  # of which the script of the maps is most


def test_bad_input_is_refused(scene):
    image, maps, spectra = scene.image, scene.abundances, scene.endmembers
    with pytest.raises(ValueError, match=r"abundances have shape .* none below zero"):
        AmbiguityState(image, -maps, spectra)
    with pytest.raises(ValueError, match="give 120 rows, 391 channels"):
        AmbiguityState(image, maps.T, spectra)
    with pytest.raises(ValueError, match="two at least"):
        AmbiguityState(image, maps[:, :1], spectra[:1])
    with pytest.raises(ValueError, match="turns hold 'quartz'; the components are jadeite"):
        AmbiguityState(image, maps, spectra, names=scene.names, turns=[("jadeite", "quartz")])
    with pytest.raises(ValueError, match="pairs of two different components"):
        AmbiguityState(image, maps, spectra, turns=[(1, 1)])
    with pytest.raises(ValueError, match="turns are empty"):
        AmbiguityState(image, maps, spectra, turns=[])
    with pytest.raises(ValueError, match="a different one for each of 4"):
        AmbiguityState(image, maps, spectra, names=["a", "a", "b", "c"])
    with pytest.raises(ValueError, match="abundances of component 1 are all zero"):
        AmbiguityState(image, maps * [1, 0, 1, 1], spectra)
    with pytest.raises(ValueError, match="rebin or crop it"):
        large = em.datasets.load("omphacite", n_channels=1564)
        AmbiguityState(large.image, large.abundances, large.endmembers)
    line = em.datasets.load("portraits", n_mixtures=8)
    with pytest.raises(ValueError, match="maps of rows and columns"):
        AmbiguityState(line.image, line.abundances, line.endmembers)
    with pytest.raises(Exception, match="turn is 9; there are 4"):
        AmbiguityState(image, maps, spectra).turn = 9
