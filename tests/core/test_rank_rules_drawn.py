"""Rules that draw or fit again, against plain NumPy, theorems and simulated ranks."""

import time

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from core.test_rank_rules import case_of, pure_noise, simulate, thicknesses
from endmember.core.rank_rules import ask, leading_run
from endmember.core.rank_rules_held_out import (
    HELD_OUT_RULES,
    block_errors,
    start_angle,
    thinned_errors,
)
from endmember.core.rank_rules_simulated import (
    DRAWN_RULES,
    SEQUENCE,
    flipped_signs,
)

RULES = {**SEQUENCE, **DRAWN_RULES, **HELD_OUT_RULES}
SURE = ["sequence", "parallel", "sign-flip", "bi-cross-validation", "thinning"]


def answer(name, counts, **settings):
    """What one rule says of a map."""
    return ask(name, RULES[name], case_of(counts, **settings), time.perf_counter)


# simulated ranks


@pytest.mark.parametrize("name", SURE)
@pytest.mark.parametrize("thickness", thicknesses().values(), ids=thicknesses())
def test_noise_about_one_mean_is_rank_one_whatever_the_thickness(thickness, name):
    assert answer(name, pure_noise(thickness)).rank == 1


@pytest.mark.parametrize("n_components", [2, 4])
@pytest.mark.parametrize("name", SURE)
def test_as_many_are_found_as_were_simulated(name, n_components):
    counts = simulate(n_components, shape=(40, 40), dose=2000.0)
    assert answer(name, counts, most=8).rank == n_components


@pytest.mark.parametrize("name", ["parallel", "sign-flip", "bi-cross-validation", "thinning"])
def test_sparse_counts_have_the_same_rank(name):
    counts = simulate(3, shape=(40, 40), dose=300.0)
    sparse = em.SpectrumImage(
        sp.csr_array(counts.reshape(-1, counts.shape[-1])), navigation_shape=(40, 40)
    )
    assert answer(name, sparse).rank == answer(name, counts).rank == 3


@pytest.mark.parametrize("name", ["parallel", "sign-flip", "bi-cross-validation", "thinning"])
def test_more_channels_than_pixels_are_no_obstacle(name):
    counts = simulate(2, shape=(8, 10), n_channels=300, dose=20_000.0)
    assert answer(name, counts).rank == 2


@pytest.mark.parametrize("name", SURE)
def test_a_gain_is_taken_out(name):
    counts = simulate(2, shape=(24, 24), dose=2000.0)
    assert answer(name, counts * 0.25, gain=0.25).rank == answer(name, counts).rank == 2


def test_what_stands_out_of_noise_is_more_than_what_predicts_better():
    # a component too weak to be drawn from half the counts
    pattern = np.sign(np.cos(np.arange(60) / 5))[:, None, None] * np.cos(np.arange(96))
    counts = np.random.default_rng(0).poisson(np.full((60, 60, 96), 4.0) * (1 + 0.05 * pattern))
    for name in ("sequence", "parallel", "sign-flip"):
        assert answer(name, counts).rank == 2
    for name in ("thinning", "bi-cross-validation"):
        assert answer(name, counts).rank == 1


def test_parallel_analysis_is_that_of_plain_numpy():
    counts = simulate(2, shape=(20, 20), n_channels=40)
    found = answer("parallel", counts)
    flat = counts.reshape(-1, 40)
    mean = np.outer(flat.sum(axis=1), flat.sum(axis=0)) / flat.sum()
    rng = np.random.default_rng(5)

    def second(drawn):
        scaled = drawn / np.sqrt(np.outer(drawn.sum(axis=1), drawn.sum(axis=0)) / drawn.sum())
        return np.linalg.eigvalsh(scaled.T @ scaled)[-2] / len(drawn)

    drawn = np.array([second(rng.poisson(mean)) for _ in range(100)])
    # the limit is three standard deviations above, both estimated from a few draws
    assert 1.5 < (found.threshold[0] - drawn.mean()) / drawn.std() < 5.5
    assert found.values[0] == pytest.approx(second(flat), rel=1e-9)


def test_flipping_keeps_the_variance_and_breaks_the_rest():
    # the highest eigenvalue of even noise is the same after flipping, that of a component is not
    counts = simulate(2, shape=(40, 40), dose=300.0)
    found = answer("sign-flip", counts)
    assert found.values[0] > 3 * found.threshold[0]
    assert found.values[1] < found.threshold[1]
    signs = flipped_signs((300, 301), np.random.default_rng(0))
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 5 / 300


# held-out counts


def test_thinned_errors_are_those_that_cross_validation_finds():
    counts = simulate(3, shape=(16, 16), n_channels=40).reshape(-1, 40)
    counts[5] = counts[:, 7] = 0
    found = em.cross_validate(em.PCA(), counts, range(1, 6), n_splits=1, loss="gaussian")
    errors = thinned_errors(*em.thin(counts, 0.5, 0), 5)
    np.testing.assert_allclose(errors, found.values[0], rtol=1e-9)


@pytest.mark.parametrize("shape", [(30, 20), (12, 40)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_bi_cross_validation_is_that_of_plain_numpy(kind, shape):
    rng = np.random.default_rng(0)
    mixed = rng.gamma(1.0, size=(shape[0], 2)) @ rng.gamma(1.0, size=(2, shape[1]))
    counts = rng.poisson(9 * mixed)
    rows, columns = shape[0] // 3, shape[1] // 2
    a, b = counts[:rows, :columns], counts[:rows, columns:]
    c, d = counts[rows:, :columns], counts[rows:, columns:]
    errors = block_errors(*map(kind, (a, b, c, d)), 3)
    # every entry is measured by its expected count, from the sums of what is not held out
    far = np.outer(d.sum(axis=1), d.sum(axis=0)) / d.sum()
    near = np.outer(b.sum(axis=1), c.sum(axis=0)) / d.sum()
    u, s, vt = np.linalg.svd(d / np.sqrt(far), full_matrices=False)
    by_row, by_column = 1 / np.sqrt(d.sum(axis=1)), np.sqrt(d.sum() / d.sum(axis=0))
    for k in (1, 2, 3):
        inverse = vt[:k].T @ np.diag(1 / s[:k]) @ u[:, :k].T
        predicted = (b * by_column) @ inverse @ (by_row[:, None] * c)
        expected = ((a - predicted) ** 2 / near).mean()
        assert errors[k - 1] == pytest.approx(expected, rel=1e-5)  # in single precision


def test_held_out_noise_errs_by_its_own_variance():
    counts = np.random.default_rng(0).poisson(20.0, size=(600, 300))
    errors = block_errors(
        counts[:300, :150], counts[:300, 150:], counts[300:, :150], counts[300:, 150:], 2
    )
    # and by that of the prediction from as many numbers, a few percent of it
    assert errors[0] == pytest.approx(1.0, abs=0.03)


# restarts


def test_pure_pixels_and_channels_lead_every_start_to_the_same_factors():
    rng = np.random.default_rng(0)
    endmembers = np.kron(np.eye(3), np.ones(12)) * (1 + rng.random(36))
    counts = rng.poisson(50 * rng.dirichlet(np.full(3, 0.3), size=400) @ endmembers)
    image = em.SpectrumImage(counts.reshape(20, 20, 36))
    found = answer("restarts", image)
    assert found.rank == 3
    assert found.values[2] < 2
    assert found.values[0] == 0  # one component has one answer
    assert start_angle(counts.astype(float), 3, 0) < 2


def test_a_large_map_is_represented_by_some_of_its_pixels():
    found = answer("restarts", simulate(2, shape=(60, 60), n_channels=24), most=3)
    assert found.note.startswith("from 3000 pixels by chance.")


# what has no answer


def test_numbers_that_are_no_counts_are_not_thinned():
    counts = simulate(2, shape=(24, 24), dose=2000.0)
    found = answer("thinning", counts * 0.25)
    assert found.rank is None
    assert "gain=0.25" in found.note
    assert answer("bi-cross-validation", counts * 0.25).rank == 2


@pytest.mark.parametrize("name", ["bi-cross-validation", "restarts"])
def test_maps_too_small_are_said_so(name):
    found = answer(name, np.ones((1, 3, 3), dtype=int))
    assert found.rank is None
    assert found.note.startswith("too small: 3 pixels and 3 channels")


def test_one_count_in_all_has_rank_one_or_no_answer():
    counts = np.zeros((5, 6, 8), dtype=int)
    counts[2, 3, 4] = 1
    ranks = {name: answer(name, counts).rank for name in (*DRAWN_RULES, *HELD_OUT_RULES)}
    assert set(ranks.values()) <= {1, None}


def test_as_many_as_were_looked_for_are_said_to_be():
    assert (
        answer("thinning", simulate(4), most=3).note == "as many as were looked for: raise most=3."
    )


def test_a_gap_ends_the_run():
    assert leading_run([True, True, False, True]) == 2
    assert leading_run([False, False]) == 1
    assert leading_run([True, True]) == 2
