"""What a notebook shows: the facts, with nothing in them taken for markup."""

from html.parser import HTMLParser

import numpy as np
import pytest

import endmember as em
from endmember.core.axes import Axis
from endmember.core.html import facts

EVIL = "<script>alert('x')</script>\"&"


class Reader(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.attributes = [], [], {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.setdefault(tag, dict(attrs))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def image():
    counts = np.zeros((3, 4, 10), dtype=np.uint8)
    counts[..., 4] = 30
    counts[0, 0, 4] = 0
    return em.SpectrumImage(
        counts,
        np.linspace(0.1, 1.0, 10),
        mask=np.eye(3, 4, dtype=bool),
        channel_mask=np.isin(np.arange(10), [6, 7]),
        navigation_axes=[
            Axis.uniform(3, scale=1.717, name="y", unit="nm"),
            Axis.uniform(4, scale=1.717, name="x", unit="nm"),
        ],
        title="needle",
        companions={"HAADF": np.ones((3, 4))},
        regions={"wall": np.ones((3, 4), bool)},
    )


def test_facts_are_those_of_the_visible_counts(image):
    expected = {
        "pixels": "3 × 4 (3 hidden)",
        "pixel size": "1.717 nm",
        "channels": "10 (2 hidden)",
        "energy": "0.1 to 1 keV",
        "counts per pixel": "30",
        "zeros": "87.5%",
        "memory": "120 B (dense uint8)",
        "recorded alongside": "HAADF",
        "regions": "wall",
    }
    assert dict(facts(image)) == expected
    words = Reader(image._repr_html_()).words
    assert set(expected) | set(expected.values()) | {"needle"} <= set(words)


def test_sum_spectrum_is_drawn_to_scale_with_its_axis(image):
    page = Reader(image._repr_html_())
    points = [
        tuple(map(float, p.split(","))) for p in page.attributes["polyline"]["points"].split()
    ]
    heights = 90 - np.array(points)[:, 1]
    assert np.flatnonzero(heights).tolist() == [4]
    assert heights[4] == 90
    assert {"0.1", "1", "energy (keV)"} <= set(page.words)
    assert page.attributes["svg"]["aria-label"] == "sum spectrum, 0.1 to 1 keV"


def test_thinned_picture_keeps_the_highest_channel():
    counts = np.zeros((1, 2, 5000), dtype=np.uint8)
    counts[..., 3456] = 200
    page = Reader(em.SpectrumImage(counts)._repr_html_())
    points = page.attributes["polyline"]["points"].split()
    assert len(points) == 360
    assert min(float(p.split(",")[1]) for p in points) == 0


def test_no_name_or_unit_is_taken_for_markup():
    image = em.SpectrumImage(
        np.ones((2, 3, 4), dtype=np.uint8),
        np.arange(4.0),
        name=EVIL + "name",
        unit=EVIL + "unit",
        navigation_axes=[
            Axis.uniform(2, name=EVIL + "y", unit=EVIL + "nm"),
            Axis.uniform(3, name=EVIL + "x", unit=EVIL + "nm"),
        ],
        title=EVIL + "title",
        companions={EVIL + "HAADF": np.ones((2, 3))},
        regions={EVIL + "wall": np.ones((2, 3), bool)},
    )
    page = Reader(image._repr_html_())
    assert set(page.tags) <= set(
        ["div", "table", "tr", "th", "td", "svg", "polyline", "line", "g", "text"]
    )
    text = "\n".join(page.words)
    for part in ("name", "unit", "nm", "title", "HAADF", "wall"):
        assert EVIL + part in text
    assert page.attributes["svg"]["aria-label"].endswith(EVIL + "unit")
    assert not any(key.startswith("on") for tag in page.attributes.values() for key in tag)


@pytest.mark.parametrize("form", ["to_sparse", "to_dense"])
def test_every_form_shows_the_same_facts(image, form):
    shown, expected = dict(facts(getattr(image, form)())), dict(facts(image))
    assert shown.pop("memory").endswith("(CSR uint8)" if form == "to_sparse" else "(dense uint8)")
    expected.pop("memory")
    assert shown == expected


def test_lazy_image_is_shown_without_being_computed():
    import dask.array as da

    def fail(block):
        raise AssertionError("the image was computed")

    lazy = da.ones((6, 7, 8), chunks=3, dtype=np.uint16).map_blocks(fail, dtype=np.uint16)
    image = em.SpectrumImage(lazy, title="far away")
    words = Reader(image._repr_html_()).words
    assert {"far away", "6 × 7", "672 B (lazy uint16)"} <= set(words)
    assert "counts per pixel" not in words
    assert repr(image) == "<SpectrumImage 'far away', 6 × 7 pixels, 8 channels, dask uint16>"


def test_sizes_are_written_in_steps_of_a_thousand():
    from endmember.core.html import _bytes

    assert [_bytes(n) for n in (12, 999, 1500, 2_340_000, 5e9)] == [
        "12 B",
        "999 B",
        "1.5 kB",
        "2.34 MB",
        "5 GB",
    ]
