"""Smallest simplex: corners that no pixel reaches, and outliers that do not move them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, linprog
from scipy.spatial import ConvexHull
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core.minimum_volume import Shrinking, newton_step, walls, within
from endmember.core.nfindr import grow, spread_out
from endmember.core.simplex import flatten
from strategies import ESTIMATOR_FORMS, spectra_in


@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks(
    [em.MinimumVolume(1), em.MinimumVolume(2, n_restarts=1), em.MinimumVolume(2, normalise=True)]
)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def cut(n_components, seed, n_pixels=2000, n_channels=60, purity=0.8):
    """Mixtures without noise, spread evenly over the simplex but for its corners."""
    rng = np.random.default_rng(seed)
    pairs = np.triu_indices(n_components, 1)
    while True:
        endmembers = 1000 * rng.dirichlet(np.full(n_channels, 0.3), n_components)
        if em.metrics.spectral_angle(endmembers[:, None], endmembers[None])[pairs].min() >= 45:
            break
    shares = rng.dirichlet(np.ones(n_components), 4 * n_pixels)
    return endmembers, shares[shares.max(axis=1) <= purity][:n_pixels]


def worst_angle(components, endmembers):
    return em.metrics.match_components(components, endmembers).cost.max()


@pytest.mark.parametrize("weighting", ["poisson", "none"])
@pytest.mark.parametrize("n_components", [3, 4])
@pytest.mark.parametrize("seed", range(2))
def test_corners_that_no_pixel_reaches_are_found(n_components, seed, weighting):
    endmembers, shares = cut(n_components, seed)
    spectra = shares @ endmembers
    purest = em.NFINDR(n_components, weighting=weighting).fit(spectra)
    assert worst_angle(purest.components_, endmembers) > 5
    for outside in (0.0, 0.02):
        model = em.MinimumVolume(n_components, outside=outside, weighting=weighting).fit(spectra)
        assert worst_angle(model.components_, endmembers) < 2
        np.testing.assert_allclose(model.purity_, 0.8, atol=0.03)
        order = em.metrics.match_components(model.components_, endmembers).found
        np.testing.assert_allclose(model.transform(spectra)[:, order], shares, atol=0.05)
        np.testing.assert_allclose(
            np.diag(model.transform(spectra)[model.pixels_]), model.purity_, atol=0.02
        )


@pytest.mark.parametrize("n_components", [3, 4])
@pytest.mark.parametrize("seed", range(2))
def test_one_percent_of_outliers_is_let_out_and_would_blow_it_up(n_components, seed):
    endmembers, shares = cut(n_components, seed)
    spectra = shares @ endmembers
    rng = np.random.default_rng(seed)
    spectra[:20] = 3000 * rng.dirichlet(np.full(60, 0.1), 20)
    held = em.MinimumVolume(n_components, outside=0).fit(spectra)
    assert worst_angle(held.components_, endmembers) > 30
    assert held.outliers_.size == 0
    robust = em.MinimumVolume(n_components, outside=0.02).fit(spectra)
    assert worst_angle(robust.components_, endmembers) < 5
    assert robust.outliers_.size <= 40
    assert np.isin(np.arange(20), robust.outliers_).mean() >= 0.7  # others happen to lie inside


def search(points, n_spare=0, tol=1e-6, max_iter=1000):
    corners = points[grow(points, spread_out(points), 100).corners]
    found = Shrinking(points, corners, n_spare, max_iter, lambda fraction, volume: False)
    found.run(tol)
    assert found.is_finished
    return found


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), price=st.sampled_from([0.3, np.inf]))
def test_slopes_and_curvatures_are_those_of_what_walls_cost(seed, price):
    """By finite differences, below zero too where the price is finite."""
    rng = np.random.default_rng(seed)
    shares = rng.random(12) + 0.1 if np.isinf(price) else rng.normal(size=12)
    width, step = 0.05, 1e-5

    def cost(values):
        return walls(values[:, None], price, width)[0]

    def slope(values):
        return -walls(values[:, None], price, width)[1].ravel()

    assert check_grad(cost, slope, shares) < 1e-5 * np.linalg.norm(slope(shares)) + 1e-6
    bend = (slope(shares + step) - slope(shares - step)) / (2 * step)
    np.testing.assert_allclose(
        walls(shares[:, None], price, width)[2].ravel(), bend, rtol=1e-3, atol=1e-6
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), price=st.sampled_from([0.3, np.inf]))
def test_a_step_leads_down_as_steeply_as_it_says(seed, price):
    """By finite differences of walls and volume together; shares go on summing to 1."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(4), 30)
    _, turn, gain = newton_step(shares, price, 0.05, within(4))
    np.testing.assert_allclose((shares @ turn).sum(axis=1), 0, atol=1e-9 * np.abs(turn).max())

    def cost(length):
        whole = np.eye(4) + length * turn
        return walls(shares @ whole, price, 0.05)[0] - np.log(np.linalg.det(whole))

    step = 1e-4 * min(1.0, (shares / np.abs(shares @ turn)).min())
    assert gain > 0
    assert (cost(-step) - cost(step)) / (2 * step) == pytest.approx(gain, rel=1e-4)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_components=st.integers(1, 4),
    outside=st.sampled_from([0.0, 0.03, 0.2]),
)
def test_no_more_than_the_stated_share_lies_outside(seed, n_components, outside):
    rng = np.random.default_rng(seed)
    points = np.hstack([np.ones((200, 1)), rng.standard_t(2, size=(200, n_components - 1))])
    found = search(points, n_spare=int(outside * 200), tol=1e-4)
    shares = points @ np.linalg.inv(found.corners)
    assert np.count_nonzero(shares.min(axis=1) < -1e-9) <= outside * 200
    assert (shares[found.held] > 0).all()
    assert len(found.held) >= (1 - outside) * 200


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_smallest_interval_ends_at_the_outermost_points(seed):
    """Two corners have nowhere else to go."""
    values = np.random.default_rng(seed).normal(size=50)
    found = search(np.column_stack([np.ones(50), values]))
    np.testing.assert_allclose(
        np.sort(found.corners[:, 1]), [values.min(), values.max()], atol=1e-5 * np.ptp(values)
    )


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_face_can_move_so_that_the_triangle_becomes_smaller(seed):
    """The condition of a smallest simplex: a linear programme finds no better one nearby.

    With shares ``S`` and ``S (I + W)`` of another simplex, the logarithm of the volume changes by
    ``-trace(W)``, which is to be no larger than what is left to the tolerance.
    """
    points = np.hstack([np.ones((40, 1)), np.random.default_rng(seed).normal(size=(40, 2))])
    shares = search(points, tol=1e-8).shares
    ways = within(3)  # W = V @ ways.T
    objective = -np.einsum("ia->ia", ways).ravel()
    inequalities = [-np.einsum("pi,a->pia", shares, way).reshape(40, -1) for way in ways]
    best = linprog(objective, np.concatenate(inequalities), shares.T.ravel(), bounds=(-1e-3, 1e-3))
    assert -best.fun < 1e-4 * 1e-3 + 1e-6


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_triangle_is_as_small_as_any_with_a_side_along_the_hull(seed):
    """The smallest triangle about points has a side along their convex hull, and the middle of each
    side touches it (Klee and Laskowski 1985): restarts find one no larger than any such, tried out.
    """
    rng = np.random.default_rng(seed)
    endmembers, _ = cut(3, 0, n_channels=12)
    shares = rng.dirichlet(np.ones(3), 60)
    spectra = shares[shares.max(axis=1) < 0.85] @ endmembers
    model = em.MinimumVolume(3, outside=0, n_restarts=8, weighting="none").fit(spectra)
    flat = flatten(model._pca._transform(spectra), 3)
    found = model._pca._transform(model.components_) - flat.origin
    found = found @ flat.axes.T / (flat.axes**2).sum(axis=1)
    area = abs(np.linalg.det(np.hstack([np.ones((3, 1)), found])))
    assert area <= smallest_triangle(flat.points[:, 1:]) * (1 + 1e-3)


def smallest_triangle(places, n_angles=40):
    """Twice the area of the smallest triangle of a side along the hull and two others, by trial."""
    hull = places[ConvexHull(places).vertices]
    best = np.inf
    for normal in -ConvexHull(places).equations[:, :2]:
        base = np.arctan2(*normal[::-1])
        turns = base + np.linspace(0.1, 2 * np.pi - 0.1, n_angles)
        sides = np.column_stack([np.cos(turns), np.sin(turns)])
        reach = (hull @ sides.T).min(axis=0)
        for i in range(n_angles):
            for j in range(i + 1, n_angles):
                lines = np.array([normal, sides[i], sides[j]])
                ends = np.array([(hull @ normal).min(), reach[i], reach[j]])
                best = min(best, triangle_area(lines, ends))
    return best


def triangle_area(lines, ends):
    """Twice the area of ``lines @ place >= ends``, infinite where these do not close."""
    weights = np.linalg.svd(lines.T)[2][-1]
    if not (np.all(weights > 1e-9) or np.all(weights < -1e-9)):
        return np.inf
    corners = [np.linalg.solve(np.delete(lines, k, 0), np.delete(ends, k)) for k in range(3)]
    return abs(np.linalg.det(np.hstack([np.ones((3, 1)), corners])))


def uneven():
    """Mixtures without noise or pure pixels, of a thickness that varies sevenfold."""
    endmembers, shares = cut(3, 0)
    thickness = np.random.default_rng(1).uniform(0.3, 2.0, len(shares))
    return endmembers, thickness[:, None] * (shares @ endmembers)


def test_divided_by_their_sum_spectra_of_uneven_thickness_fill_a_simplex():
    """Warnings are errors here: nothing is said of scaled counts."""
    endmembers, spectra = uneven()
    plain = em.MinimumVolume(3, outside=0).fit(spectra)
    assert worst_angle(plain.components_, endmembers) > 5
    model = em.MinimumVolume(3, outside=0, normalise=True).fit(spectra)
    assert worst_angle(model.components_, endmembers) < 2
    np.testing.assert_allclose(model.components_.sum(axis=1), spectra.sum(axis=1).mean())
    sums = spectra.sum(axis=1) / spectra.sum(axis=1).mean()
    np.testing.assert_allclose(model.transform(spectra).sum(axis=1), sums, rtol=1e-3)


def test_phases_that_a_probe_mixes_are_told_apart_where_no_pixel_is_pure():
    """At twenty thousand counts a pixel; at two hundred noise hides the faces."""
    scene = em.datasets.load("blurred_map", shape=(64, 64), seed=1)
    clean = 100 * scene.abundances @ scene.endmembers
    spectra = np.random.default_rng(0).poisson(clean)
    assert scene.abundances.max(axis=0).min() < 0.9
    assert not scene.score(endmembers=em.NFINDR(3).fit(spectra).components_)
    model = em.MinimumVolume(3, n_restarts=0).fit(spectra)
    score = scene.score(endmembers=model.components_, abundances=model.transform(spectra))
    assert score
    purity = model.purity_[score.matched]
    np.testing.assert_allclose(purity, scene.abundances.max(axis=0), atol=0.05)


def test_noise_is_forgiven_by_letting_more_pixels_out():
    scene = em.datasets.load("mixture")
    angles = [
        scene.score(em.MinimumVolume(3, outside=outside).fit(scene.image.spectra)).angles.max()
        for outside in (0.0, 0.05, 0.3)
    ]
    assert angles == sorted(angles, reverse=True)
    assert angles[-1] < angles[0] / 2


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_form_and_kind_of_the_counts_do_not_matter(form):
    counts = em.datasets.load("mixture", shape=(16, 16)).image.spectra.astype(np.uint16)
    expected = em.MinimumVolume(3, n_restarts=1).fit(counts)
    found = em.MinimumVolume(3, n_restarts=1).fit(spectra_in(form, counts))
    np.testing.assert_array_equal(found.outliers_, expected.outliers_)
    np.testing.assert_allclose(
        found.components_, expected.components_, rtol=1e-6, atol=1e-6 * expected.components_.max()
    )


def test_restarts_are_kept_and_a_seed_repeats():
    spectra = em.datasets.load("mixture", shape=(16, 16)).image.spectra
    first, again = (em.MinimumVolume(3, random_state=5).fit(spectra) for _ in range(2))
    np.testing.assert_array_equal(first.components_, again.components_)
    assert first.restarts_.shape == (4,)
    assert first.restarts_.min() == first.volume_history_[-1] == 1.0
    assert first.n_iter_ >= len(first.volume_history_) - 1


def test_pixels_without_counts_take_no_part():
    endmembers, shares = cut(3, 0, n_pixels=500)
    spectra = np.vstack([shares @ endmembers, np.zeros((40, 60))])
    for weighting in ("poisson", "none"):
        model = em.MinimumVolume(3, outside=0, weighting=weighting).fit(sp.csr_array(spectra))
        assert worst_angle(model.components_, endmembers) < 2
        assert not model.transform(spectra)[-40:].any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 99}, ValueError, "n_components=99 is more than 60"),
        ({"outside": 1.0}, ValueError, "outside"),
        ({"outside": -0.1}, ValueError, "outside"),
        ({"outside": np.nan}, ValueError, "outside=nan must be finite"),
        ({"tol": 0.0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol=nan .* must be finite"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"n_restarts": 1.5}, TypeError, "n_restarts"),
        ({"normalise": "yes"}, TypeError, "normalise"),
        ({"weighting": "gauss"}, ValueError, "weighting is 'gauss'"),
        ({"callback": 3}, TypeError, "callback is 3"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    endmembers, shares = cut(3, 0, n_pixels=100)
    with pytest.raises(error, match=message):
        em.MinimumVolume(**settings).fit(shares @ endmembers)


def test_bad_counts_are_refused():
    endmembers, shares = cut(3, 0, n_pixels=100)
    spectra = shares @ endmembers
    with pytest.raises(ValueError, match="spread in 2; ask for 3 at most"):
        em.MinimumVolume(4, weighting="none").fit(spectra)
    with pytest.raises(ValueError, match="n_components=3 is more than 2"):
        em.MinimumVolume(3).fit(spectra[:2])
    with pytest.raises(ValueError, match="counts are zero in every pixel"):
        em.MinimumVolume(3).fit(np.zeros((20, 10)))
    spectra[3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN or inf in 1 places"):
        em.MinimumVolume(3).fit(spectra)


def test_a_callback_hears_of_every_round_and_ends_the_fit():
    spectra, seen = em.datasets.load("mixture", shape=(16, 16)).image.spectra, []

    def stop(progress):
        seen.append(progress)
        return len(seen) == stop_after

    stop_after = 10**9
    em.MinimumVolume(3, n_restarts=1, callback=stop).fit(spectra)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] <= 1
    assert seen[0].objective > seen[-1].objective > 0

    for stop_after in (5, len(seen) - 3):
        seen.clear()
        model = em.MinimumVolume(3, n_restarts=1, callback=stop).fit(spectra)
        assert len(seen) == stop_after
        assert np.isfinite(model.transform(spectra)).all()


def test_a_search_that_ends_too_soon_says_so_once():
    spectra = em.datasets.load("mixture", shape=(16, 16)).image.spectra
    with pytest.warns(ConvergenceWarning, match="max_iter=3 rounds before the volume") as heard:
        em.MinimumVolume(3, max_iter=3).fit(spectra)
    assert len(heard) == 1
    assert heard[0].filename == __file__
