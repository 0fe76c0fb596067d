"""The smallest mixture: no pixel is purer than asked for, and what simplices make of that."""

from __future__ import annotations

import numpy as np
import pytest

import endmember as em


def triangle_area(corners):
    """Area of a triangle in as many dimensions as it likes, by Gram's determinant."""
    edges = corners[1:] - corners[0]
    return np.sqrt(np.linalg.det(edges @ edges.T)) / 2


@pytest.mark.parametrize("n_components", [2, 3, 5])
@pytest.mark.parametrize("purity", [1.0, 0.9, 0.5])
def test_no_pixel_is_purer_and_shares_sum_to_one(n_components, purity):
    settings = {"n_components": n_components}
    abundances = em.datasets.load("mixture", **settings, purity=purity).abundances
    whole = em.datasets.load("mixture", **settings).abundances
    np.testing.assert_allclose(abundances.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(abundances.max(axis=0), np.minimum(whole.max(axis=0), purity))
    is_kept = whole.max(axis=1) <= purity
    np.testing.assert_array_equal(abundances[is_kept], whole[is_kept])


def test_what_is_cut_off_goes_to_the_others_in_proportion():
    whole, capped = (em.datasets.load("mixture", purity=p).abundances for p in (1.0, 0.7))
    ratios = [np.sort(shares, axis=1) for shares in (whole, capped)]
    np.testing.assert_allclose(*(r[:, 0] / r[:, 1] for r in ratios), rtol=1e-6)


@pytest.mark.parametrize("purity", [0.95, 0.8, 0.7, 0.6, 0.5])
def test_below_two_thirds_a_triangle_upside_down_is_the_smallest(purity):
    """The cuts make a triangle of ``3 * purity - 1`` times the size, upside down; see the card."""
    scene = em.datasets.load("mixture", purity=purity)
    model = em.MinimumVolume(3, outside=0, weighting="none").fit(scene.expected)
    angles = scene.score(endmembers=model.components_).angles
    found = triangle_area(model.components_) / triangle_area(scene.endmembers)
    if purity > 2 / 3:
        assert angles.max() < 0.5  # shares of others are a thousandth, not 0
        assert found == pytest.approx(1.0, abs=0.03)
    else:
        assert angles.min() > 30
        if purity == 0.5:  # above, its corners hold negative counts, which are cut off
            assert found == pytest.approx((3 * purity - 1) ** 2, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "least"), [({"purity": 0.49}, 0.5), ({"purity": 0.9, "n_components": 1}, 1.0)]
)
def test_a_purity_that_cannot_be_is_refused(settings, least):
    with pytest.raises(ValueError, match=f"purity is .*; expected a number from {least} up to 1.0"):
        em.datasets.load("mixture", **settings)
