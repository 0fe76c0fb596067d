"""A large map is seen at once, and what takes longer comes behind it."""

import threading

import ipywidgets as ipw
import numpy as np
import pytest

import endmember as em
from endmember.widgets import first_look
from endmember.widgets.first_look import AwaitedEnum, AwaitedInt, FirstLook
from endmember.widgets.map_view import MapView
from endmember.widgets.message import Message


class Box(FirstLook):
    """A box whose number is known once it is told to go on."""

    value = AwaitedInt(1)
    kind = AwaitedEnum(["plain", "other"], "plain")

    def __init__(self, image, *, fault=None):
        self.go_on, self.fault = threading.Event(), fault
        super().__init__()
        self._begin(image, self._make)

    def _make(self):
        self.go_on.wait(10)
        if self.fault:
            raise self.fault
        self.state = "whole"
        self.value = 3
        self.children = [ipw.Label("whole")]


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, size=(4, 5, 6))
    mask = np.zeros((4, 5), dtype=bool)
    mask[1, 2] = True
    return em.SpectrumImage(counts, mask=mask, title="a map")


@pytest.fixture
def every_map_is_large(monkeypatch):
    monkeypatch.setattr(first_look, "MOST_VALUES", 0)


def test_the_counts_are_seen_before_the_rest_is_known(image, every_map_is_large):
    box = Box(image)
    view = next(child for child in box.children if isinstance(child, MapView))
    shown = np.frombuffer(view.values, dtype=np.float32).reshape(4, 5)
    expected = np.where(image.mask, np.nan, image.counts.sum(axis=-1))
    np.testing.assert_array_equal(shown, expected)
    box.go_on.set()
    assert box.state == "whole"
    assert [child.value for child in box.children] == ["whole"]


def test_who_reads_the_number_waits_for_it(image, every_map_is_large):
    box = Box(image)
    threading.Timer(0.2, box.go_on.set).start()
    assert box.value == 3


def test_what_is_set_before_it_is_built_stays(image, every_map_is_large):
    box = Box(image)
    threading.Timer(0.2, box.go_on.set).start()
    box.value, box.kind = 7, "other"
    assert (box.value, box.kind, box.state) == (7, "other", "whole")


def test_waiting_for_some_seconds_says_whether_it_is_built(image, every_map_is_large):
    box = Box(image)
    assert not box.wait_until_built(0.01)
    box.go_on.set()
    assert box.wait_until_built(10)


def test_what_is_closed_before_it_is_built_is_closed_then(image, every_map_is_large):
    box = Box(image)
    box.close()
    box.go_on.set()
    box._builder.join(10)
    assert box._is_closed
    assert box.comm is None


def test_a_notebook_that_asks_for_its_own_names_does_not_wait(image, every_map_is_large):
    box = Box(image)
    assert not hasattr(box, "_ipython_display_")
    assert not box.go_on.is_set()
    box.go_on.set()
    box.wait_until_built()
    assert not hasattr(box, "colour")


def test_what_goes_wrong_is_said_inside_and_raised_to_who_asks(image, every_map_is_large):
    box = Box(image, fault=ValueError("the map is empty; choose another."))
    box.go_on.set()
    with pytest.raises(ValueError, match="the map is empty"):
        box.state  # noqa: B018
    message = next(child for child in box.children if isinstance(child, Message))
    assert (message.kind, message.value) == ("error", "the map is empty; choose another.")


def test_a_small_map_is_built_before_the_box_is_handed_over(image):
    box = Box.__new__(Box)
    box.go_on, box.fault = threading.Event(), None
    box.go_on.set()
    FirstLook.__init__(box)
    box._begin(image, box._make)
    assert vars(box)["state"] == "whole"
