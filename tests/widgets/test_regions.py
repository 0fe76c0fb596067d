"""Which pixels a drawn region holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path
from scipy.ndimage import label

from endmember.widgets.regions import check_region, mask_of, positions_along


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


def line(*points, **width):
    return {"kind": "line", "points": list(points), **width}


WITHIN = st.integers(0, 8)


@given(
    ends=st.tuples(WITHIN, WITHIN, WITHIN, WITHIN).filter(lambda e: e[:2] != e[2:]),
    width=st.integers(1, 5),
)
def test_a_line_holds_the_centres_inside_a_band_of_its_width(ends, width):
    """By turning the map until the line lies level, rather than by projections."""
    (row, column, to_row, to_column) = ends
    length = abs(complex(to_row - row, to_column - column))
    mask = mask_of(line([row, column], [to_row, to_column], width=width), (9, 9))
    for r, c in np.argwhere(np.ones((9, 9))):
        turned = complex(r - row, c - column) / (complex(to_row - row, to_column - column) / length)
        if not (-1e-6 < turned.real < length + 1e-6):
            assert not mask[r, c]
        elif abs(abs(turned.imag) - width / 2) > 1e-6:  # else the side decides
            assert mask[r, c] == (abs(turned.imag) < width / 2)


@given(ends=st.tuples(WITHIN, WITHIN, WITHIN, WITHIN).filter(lambda e: e[:2] != e[2:]))
def test_a_line_of_width_one_is_nowhere_broken(ends):
    start, stop = ends[:2], ends[2:]
    mask = mask_of(line(start, stop), (9, 9))
    assert mask[start] and mask[stop]
    n_parts = label(mask, structure=np.ones((3, 3)))[1]
    assert n_parts == 1


@given(
    ends=st.tuples(WITHIN, WITHIN, WITHIN, WITHIN).filter(lambda e: e[:2] != e[2:]),
    width=st.integers(1, 4),
)
def test_a_line_turned_round_holds_the_same_pixels_from_the_other_end(ends, width):
    there = positions_along(line(ends[:2], ends[2:], width=width), (9, 9))
    back = positions_along(line(ends[2:], ends[:2], width=width), (9, 9))
    assert set(map(tuple, there[0].tolist())) == set(map(tuple, back[0].tolist()))
    length = np.hypot(ends[0] - ends[2], ends[1] - ends[3])
    np.testing.assert_allclose(np.sort(length - back[1]), there[1], atol=1e-9)
    assert (np.diff(there[1]) >= 0).all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_level_line_is_as_many_rows_as_it_is_wide(width):
    pixels, distances = positions_along(line([4, 2], [4, 7], width=width), (9, 9))
    assert len(np.unique(pixels[:, 0])) == width
    np.testing.assert_array_equal(distances, pixels[:, 1] - 2)


def test_a_line_beyond_the_map_ends_at_its_edge():
    pixels, distances = positions_along(line([2, -3], [2, 99]), (4, 6))
    assert pixels.tolist() == [[2, column] for column in range(6)]
    assert distances.tolist() == [3, 4, 5, 6, 7, 8]
    assert positions_along(line([50, 50], [60, 60]), (4, 6))[0].shape == (0, 2)


@pytest.mark.parametrize("region", [{}, lasso([[0, 0], [1, 1], [0, 1]])])
def test_positions_need_a_line(region):
    with pytest.raises(ValueError, match="positions along one need a line"):
        positions_along(region, (2, 2))


def test_no_region_holds_no_pixel_and_one_pixel_can_be_held():
    assert not mask_of({}, (2, 3)).any()
    assert mask_of({"kind": "rectangle", "points": [[0, 0], [0, 0]]}, (1, 1)).all()
    assert mask_of(lasso([[-0.4, -0.4], [-0.4, 0.4], [0.4, 0.4], [0.4, -0.4]]), (1, 1)).all()


@pytest.mark.parametrize(
    ("region", "shape", "message"),
    [
        ({"kind": "circle", "points": []}, (2, 2), "region has the kind 'circle'"),
        (line([0, 0], [0, 0]), (2, 2), "give its two ends, which differ"),
        (line([0, 0], [0, 1], [1, 1]), (2, 2), "give its two ends"),
        (line([0, 0], [0, 1], width=0), (2, 2), "width 0; give a whole number from 1 up"),
        (line([0, 0], [0, 1], width=1.5), (2, 2), "width 1.5"),
        (line([0, 0], [0, 1], width=True), (2, 2), "width True"),
        (line([0, 0]), (2, 2), "give at least 2 pairs"),
        ({"kind": "rectangle", "points": [[0, 0], [1, 1]], "width": 2}, (2, 2), "only a line"),
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
    assert check_region(line([0, 1], [2, 3])) == line([0.0, 1.0], [2.0, 3.0], width=1)
