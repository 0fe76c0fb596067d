"""Points of a plane in the colours of their groups."""

import numpy as np
import pytest

import endmember as em
from endmember.widgets.pages import page_text

LABELS = ("x (nm)", "y (nm)")


def test_every_group_has_its_points_name_and_colour():
    x, y, groups = np.arange(6.0), np.arange(6.0) ** 2, np.array([0, 0, 2, 2, -1, 0])
    figure = em.teaching.Cloud(x, y, groups, names=["a", "b", "c"], labels=LABELS)
    assert [dots.labels for dots in figure.marks] == [["a"], ["c"]]
    assert figure.marks[0].x.tolist() == [0, 1, 5]
    assert figure.marks[1].y.tolist() == [4, 9]
    assert figure.marks[0].colors != figure.marks[1].colors
    assert tuple(axis.label for axis in figure.axes) == LABELS
    assert page_text(figure, title="cloud")


@pytest.mark.parametrize(
    ("y", "groups", "message"),
    [
        ([1, np.nan], [0, 0], "two finite numbers"),
        ([1, 2], [0], r"groups \(1,\)"),
        ([1, 2], [0, 1], "names are 1, but there are 2 groups"),
    ],
)
def test_what_is_no_cloud_is_refused(y, groups, message):
    with pytest.raises(ValueError, match=message):
        em.teaching.Cloud([0, 1], y, groups, names=["only"], labels=LABELS)
