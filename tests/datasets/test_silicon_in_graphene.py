"""Silicon in graphene: the chain of its classes, and the neighbourhoods that show them."""

from __future__ import annotations

import numpy as np
import pytest

import endmember as em
from endmember.datasets.simulators import silicon_in_graphene as silicon


def counted(classes):
    """Transitions of every trace, shape (n_traces, 4, 4)."""
    counts = np.zeros((len(classes), 4, 4))
    trace = np.broadcast_to(np.arange(len(classes))[:, None], classes[:, 1:].shape)
    np.add.at(counts, (trace, classes[:, :-1], classes[:, 1:]), 1)
    return counts


def shares(counts):
    """Frequencies of a class's successors; NaN for a class that was never left."""
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)


def distances(scene):
    """Distances of the recorded atoms from silicon, which no rotation changes."""
    return np.linalg.norm(scene.image.reshape(len(scene.image), -1, 2), axis=-1)


@pytest.fixture(scope="module")
def long():
    return em.datasets.load("silicon_in_graphene", n_traces=4, n_frames=12_000, n_neighbours=3)


def test_a_long_chain_follows_its_matrix_within_binomial_error(long):
    counts = counted(long.classes).sum(axis=0)
    n_left = counts.sum(axis=1, keepdims=True)
    expected = n_left * long.transition_matrix
    scaled = (counts - expected) / np.sqrt(expected * (1 - long.transition_matrix))
    assert np.abs(scaled).max() < 4  # 16 entries of unit variance
    # Pearson's statistic: 4 rows of 3 degrees of freedom, standard deviation sqrt(2 · 12).
    assert ((counts - expected) ** 2 / expected).sum() < 12 + 4 * np.sqrt(24)
    assert np.abs(shares(counts) - long.transition_matrix).max() < 0.015


def test_the_matrix_has_rows_of_probabilities_and_keeps_the_stationary_shares(long):
    assert np.allclose(long.transition_matrix.sum(axis=1), 1)
    assert long.transition_matrix.min() > 0
    assert np.allclose(long.stationary @ long.transition_matrix, long.stationary)
    squared = np.linalg.matrix_power(long.transition_matrix, 200)
    assert np.allclose(squared, long.stationary, atol=1e-9)
    # Frames are correlated: (1 + 0.895) / (1 - 0.895) = 18 of them count as one, 0.895 being the
    # second eigenvalue.
    found = np.bincount(long.labels, minlength=4) / long.labels.size
    assert np.allclose(found, long.stationary, atol=4 * np.sqrt(0.25 * 18 / long.labels.size))


def test_two_steps_are_the_square_of_one(long):
    """Chapman and Kolmogorov: what a chain without memory does in two steps."""
    for start in (0, 1):  # every other frame: both halves are chains of two-step transitions
        counts = counted(long.classes[:, start::2]).sum(axis=0)
        chance = np.linalg.matrix_power(long.transition_matrix, 2)
        expected = counts.sum(axis=1, keepdims=True) * chance
        scaled = (counts - expected) / np.sqrt(expected * (1 - chance))
        assert np.abs(scaled).max() < 4


def test_the_first_frame_is_as_likely_as_any():
    scene = em.datasets.load("silicon_in_graphene", n_traces=8000, n_frames=1, n_neighbours=3)
    found = np.bincount(scene.classes[:, 0], minlength=4) / 8000
    assert np.allclose(found, scene.stationary, atol=4 * 0.5 / np.sqrt(8000))


@pytest.mark.parametrize(("n_frames", "least_error"), [(5, 0.10), (10, 0.11), (30, 0.10)])
def test_pooled_counts_are_unbiased_where_averaged_matrices_are_not(n_frames, least_error):
    """Trial simulations of another matrix: 0.14 to 0.15 against 0.01, for lengths 5 to 30."""
    scene = em.datasets.load(
        "silicon_in_graphene", n_traces=60_000 // n_frames, n_frames=n_frames, n_neighbours=3
    )
    counts = counted(scene.classes)
    pooled = np.abs(shares(counts.sum(axis=0)) - scene.transition_matrix).max()
    averaged = np.abs(np.nanmean(shares(counts), axis=0) - scene.transition_matrix).max()
    n_left = counts.sum(axis=(0, 2)).min()
    assert pooled < 4 * 0.5 / np.sqrt(n_left)  # the largest binomial error of 16
    assert pooled < 0.02
    assert averaged > least_error


def test_averaged_matrices_become_right_as_traces_grow():
    scene = em.datasets.load("silicon_in_graphene", n_traces=40, n_frames=1000, n_neighbours=3)
    counts = counted(scene.classes)
    apart = np.nanmean(shares(counts), axis=0) - shares(counts.sum(axis=0))
    assert np.abs(apart).max() < 0.015


def test_neighbourhoods_have_the_distances_of_graphene():
    templates = em.datasets.load("silicon_in_graphene").templates
    around = dict(zip(silicon.NAMES, np.linalg.norm(templates, axis=-1), strict=True))
    lattice_constant = 0.24595  # nm, pybinding's constants
    assert np.allclose(around["threefold"][:3], silicon.SI_C)
    assert np.allclose(around["threefold"][3:9], lattice_constant, atol=1e-4)
    assert np.allclose(around["threefold"][9:12], 2 * silicon.C_C)
    # The middle of a divacancy is sqrt(7)/2 bonds from its four nearest atoms: 0.188 nm.
    assert np.allclose(around["fourfold"][:4], np.sqrt(7) / 2 * silicon.C_C)
    assert (around["edge, twofold"] < 0.2).sum() == 2
    assert (around["edge, threefold"] < 0.2).sum() == 3
    # Beyond an armchair edge one of six second neighbours is missing, and one of three third.
    assert np.isclose(around["edge, threefold"], lattice_constant, atol=1e-4).sum() == 5
    assert np.isclose(around["edge, threefold"], 2 * silicon.C_C).sum() == 2


def test_positions_are_the_templates_turned():
    scene = em.datasets.load("silicon_in_graphene", jitter=0.0, dose=1e8)
    for place in (0, 777, 1999):
        angle = np.radians(scene.angles.ravel()[place])
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = scene.templates[scene.labels[place]] @ matrix.T
        away = np.linalg.norm(scene.positions[place][:, None] - turned, axis=-1)
        assert away.min(axis=1).max() < 1e-12
        assert len(set(away.argmin(axis=1))) == 12
    assert np.allclose(scene.image, scene.positions.reshape(2000, -1), atol=5 * 0.035 / 1e4)


def test_a_movie_keeps_its_lattice_and_silicon_turns_by_sixths():
    scene = em.datasets.load("silicon_in_graphene")
    turn = scene.angles - scene.angles[:, :1]
    assert np.allclose(turn / 60, np.round(turn / 60))
    stays = np.diff(scene.classes, axis=1) == 0
    assert np.all(np.diff(scene.angles, axis=1)[stays] == 0)
    assert len(np.unique(np.round(scene.angles[:, 0] % 60, 6))) == 40


@pytest.mark.parametrize(("dose", "jitter"), [(400.0, 0.0), (25.0, 0.004), (1e8, 0.004)])
def test_atoms_are_found_as_well_as_their_counts_allow(dose, jitter):
    scene = em.datasets.load("silicon_in_graphene", dose=dose, jitter=jitter)
    errors = scene.image.reshape(scene.positions.shape) - scene.positions
    # Silicon's own error is in all of a frame; E[1/N] is 1/dose (1 + 1/dose + ...).
    per_carbon = jitter**2 + 0.035**2 / dose * (1 + 1 / dose)
    silicon_itself = jitter**2 + 0.035**2 / (dose * silicon.BRIGHTNESS)
    expected = per_carbon + silicon_itself
    found = (errors**2).mean()
    # 4000 independent coordinates of silicon: a variance is uncertain by sqrt(2 / 4000).
    assert found == pytest.approx(expected, rel=4 * np.sqrt(2 / 4000))
    mean = errors.mean(axis=1)
    expected_mean = silicon_itself + per_carbon / 12
    assert (mean**2).mean() == pytest.approx(expected_mean, rel=5 * np.sqrt(2 / 4000) + 0.05)


def test_distances_tell_the_classes_apart_as_long_as_atoms_are_found_well():
    right = {}
    for dose in (100.0, 1.0):
        scene = em.datasets.load("silicon_in_graphene", dose=dose)
        true = np.linalg.norm(scene.templates[:, :12], axis=-1)
        misfit = ((distances(scene)[:, None] - true) ** 2).sum(axis=-1)
        right[dose] = np.mean(misfit.argmin(axis=1) == scene.labels)
    assert right[100.0] > 0.99
    assert right[1.0] < 0.85


def test_coordinates_alone_do_not_since_every_movie_is_turned():
    scene = em.datasets.load("silicon_in_graphene")
    spread = {}
    for name, values in (("coordinates", scene.image), ("distances", distances(scene))):
        inside = sum(values[scene.labels == k].var(axis=0).sum() for k in range(4))
        between = values.var(axis=0).sum()
        spread[name] = inside / (4 * between)
    assert spread["coordinates"] > 0.9
    assert spread["distances"] < 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_traces": 0}, "n_traces is 0; expected a whole number from 1 up"),
        ({"n_frames": 2.5}, "n_frames is 2.5; expected a whole number from 1 up"),
        ({"n_neighbours": 2}, "n_neighbours is 2; expected a whole number from 3 to 18"),
        ({"jitter": -0.1}, "jitter is -0.1; expected a number from 0 up to 0.05 nm"),
        ({"dose": 0}, "dose is 0; expected a number above 0 counts a carbon atom"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("silicon_in_graphene", **settings)
