"""Measures of likeness: what geometry and independent implementations say of them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.metrics import adjusted_rand_score

from endmember import metrics

SEEDS = st.integers(0, 2**32 - 1)


@given(angle=st.floats(1e-7, 180 - 1e-7), height=st.floats(1e-3, 1e3), seed=SEEDS)
def test_the_angle_is_the_one_that_was_turned_by(angle, height, seed):
    first, second = np.linalg.qr(np.random.default_rng(seed).normal(size=(7, 2)))[0].T
    turned = np.cos(np.radians(angle)) * first + np.sin(np.radians(angle)) * second
    found = metrics.spectral_angle(first, height * turned)
    assert found == pytest.approx(angle, rel=1e-6, abs=1e-9)


def test_angles_broadcast_and_a_spectrum_of_zeros_has_none():
    spectra = np.array([[1.0, 0, 0], [1, 1, 0], [0, 0, 0]])
    found = metrics.spectral_angle(spectra[:, None], spectra[None])
    np.testing.assert_allclose(found[:2, :2], [[0, 45], [45, 0]], atol=1e-12)
    assert np.isnan(found[2]).all()


@given(n_found=st.integers(1, 5), n_true=st.integers(1, 4), seed=SEEDS)
def test_no_other_matching_costs_less(n_found, n_true, seed):
    rng = np.random.default_rng(seed)
    found, true = rng.random((n_found, 6)), rng.random((n_true, 6))
    match = metrics.match_components(found, true)
    costs = metrics.spectral_angle(found[:, None], true[None])
    n_pairs = min(n_found, n_true)
    if n_found >= n_true:
        best = min(
            sum(costs[f, t] for t, f in enumerate(order))
            for order in permutations(range(n_found), n_pairs)
        )
    else:
        best = min(
            sum(costs[f, t] for f, t in enumerate(order))
            for order in permutations(range(n_true), n_pairs)
        )
    assert match.cost.sum() == pytest.approx(best)
    assert len(set(match.found)) == len(match.true) == n_pairs
    np.testing.assert_allclose(match.cost, costs[match.found, match.true])
    assert (np.diff(match.true) > 0).all()


def test_a_component_of_zeros_is_matched_last():
    true = np.eye(2, 4)
    match = metrics.match_components([[0, 0, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0]], true)
    assert match.found.tolist() == [2, 1]


@given(seed=SEEDS)
def test_correlation_is_that_of_numpy(seed):
    maps = np.random.default_rng(seed).normal(size=(3, 20)) + 5
    expected = np.corrcoef(maps)
    np.testing.assert_allclose(metrics.correlation(maps[:, None], maps[None]), expected, atol=1e-12)
    assert np.isnan(metrics.correlation(np.ones(20), maps[0]))


@given(seed=SEEDS, n=st.integers(2, 6))
def test_amari_forgives_order_and_height_and_nothing_else(seed, n):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n, n)) + 2 * np.eye(n)
    undone = rng.permutation(n)
    unmixing = (rng.uniform(0.5, 2, n)[:, None] * np.linalg.inv(mixing))[undone]
    assert metrics.amari_index(unmixing, mixing) == pytest.approx(0, abs=1e-9)
    assert metrics.amari_index(np.ones((n, n)), np.eye(n)) == pytest.approx(1)
    assert 0 <= metrics.amari_index(rng.normal(size=(n, n)), mixing) <= 1


@given(seed=SEEDS)
def test_principal_angles_are_those_of_scipy_and_do_not_see_a_change_of_basis(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 9))
    found = metrics.principal_angles(a, b)
    np.testing.assert_allclose(found, np.degrees(subspace_angles(a.T, b.T)))
    np.testing.assert_allclose(
        metrics.principal_angles(rng.normal(size=(3, 3)) @ a, a), 0, atol=1e-5
    )


@given(seed=SEEDS)
def test_agreement_does_not_see_what_groups_are_called(seed):
    rng = np.random.default_rng(seed)
    labels, others = rng.integers(0, 4, (2, 6, 7))
    found = metrics.adjusted_rand_index(labels, others)
    assert found == pytest.approx(adjusted_rand_score(labels.ravel(), others.ravel()))
    assert metrics.adjusted_rand_index(labels, (labels + 1) % 4) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.spectral_angle([1, 2], [1, 2, 3]), "2 channels but others have 3"),
        (lambda: metrics.spectral_angle(1, 2), r"spectra have shape \(\)"),
        (lambda: metrics.match_components([1, 2], [[1, 2]]), r"found have shape \(2,\)"),
        (lambda: metrics.amari_index(np.ones((2, 3)), np.ones((3, 3))), r"shape \(2, 3\)"),
        (lambda: metrics.adjusted_rand_index([1, 2], [1]), "2 pixels but others of 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
