"""Which pixels a drawn region holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path

from endmember.widgets.regions import check_region, mask_of


def lasso(points):
    return {"kind": "lasso", "points": points}


def test_a_rectangle_holds_its_corners_whichever_comes_first():
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 2:5] = True
    for points in ([[1, 2], [2, 4]], [[2, 4], [1, 2]], [[2, 2], [1, 4]], [[0.6, 1.7], [2.4, 4.1]]):
        np.testing.assert_array_equal(
            mask_of({"kind": "rectangle", "points": points}, (4, 6)), mask
        )


def test_a_rectangle_beyond_the_map_ends_at_its_edge():
    region = {"kind": "rectangle", "points": [[-5, 3], [99, 99]]}
    mask = mask_of(region, (3, 5))
    assert mask[:, 3:].all()
    assert mask.sum() == 6


@given(
    seed=st.integers(0, 2**32 - 1),
    n_points=st.integers(3, 12),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
)
def test_a_lasso_holds_what_matplotlib_finds_by_the_same_rule(seed, n_points, rows, columns):
    """A triangle fan over every two corners turns each pixel over as often as the lasso does."""
    points = np.random.default_rng(seed).uniform(-2, 11, size=(n_points, 2))
    centres = np.argwhere(np.ones((rows, columns)))
    expected = np.zeros(rows * columns, dtype=bool)
    for k in range(1, n_points - 1):
        expected ^= Path(points[[0, k, k + 1, 0]], closed=True).contains_points(centres)
    mask = mask_of(lasso(points.tolist()), (rows, columns))
    np.testing.assert_array_equal(mask.ravel(), expected)


def test_lassos_that_share_a_line_share_no_pixel():
    """Centres on the common line belong to one of the two."""
    left = mask_of(lasso([[-1, -1], [-1, 2], [5, 2], [5, -1]]), (4, 6))
    right = mask_of(lasso([[-1, 2], [-1, 9], [5, 9], [5, 2]]), (4, 6))
    assert (left ^ right).all()


def test_a_lasso_that_crosses_itself_leaves_its_middle_out():
    star = [[np.cos(a), np.sin(a)] for a in 4 * np.pi / 5 * np.arange(5)]
    mask = mask_of(lasso((8 + 8 * np.array(star)).tolist()), (17, 17))
    assert not mask[8, 8]
    assert mask[15, 8]  # the first point of the star, at its lower rows


def test_no_region_holds_no_pixel_and_one_pixel_can_be_held():
    assert not mask_of({}, (2, 3)).any()
    assert mask_of({"kind": "rectangle", "points": [[0, 0], [0, 0]]}, (1, 1)).all()
    assert mask_of(lasso([[-0.4, -0.4], [-0.4, 0.4], [0.4, 0.4], [0.4, -0.4]]), (1, 1)).all()


@pytest.mark.parametrize(
    ("region", "shape", "message"),
    [
        ({"kind": "circle", "points": []}, (2, 2), "region has the kind 'circle'"),
        (lasso([[0, 0], [1, 1]]), (2, 2), r"points of shape \(2, 2\); give at least 3"),
        (lasso([[0, 0], [1, np.nan], [0, 1]]), (2, 2), "not finite"),
        (lasso([[0, 0], [1], [0, 1]]), (2, 2), r"no \[row, column\] pairs"),
        ({}, (2, 2, 2), r"shape is \(2, 2, 2\)"),
        ({}, (0, 2), r"shape is \(0, 2\)"),
    ],
)
def test_what_is_no_region_is_refused(region, shape, message):
    with pytest.raises(ValueError, match=message):
        mask_of(region, shape)


def test_a_region_is_made_ready_to_travel():
    region = {"kind": "rectangle", "points": np.array([[0, 1], [2, 3]])}
    assert check_region(region) == {"kind": "rectangle", "points": [[0.0, 1.0], [2.0, 3.0]]}
