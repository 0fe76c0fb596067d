"""Another number of clusters and another cluster under the pointer, shown at once.

On a map of 512 x 384 pixels, beside a kernel, through a proxy of 120 ms round trip, beside a
kernel that never answers, and on a saved page that has none.
"""

from __future__ import annotations

import base64
import os
import re
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from slow_proxy import slow_way
from stopwatch import WATCH, meets_in_a_round, within_a_frame
from tuner_page import CURVES, TunerPage

import endmember as em
from conftest import fresh_page
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.pages import save_page

SHAPE = (384, 512)
MAKE = """
import numpy as np
import endmember as em

rng = np.random.default_rng(4)
axis = np.linspace(0.5, 8.0, 60)
peaks = np.exp(-0.5 * ((axis - np.array([[1.0], [2.5], [4.0], [5.5], [7.0]])) / 0.15) ** 2)
rows, columns = np.indices((384, 512))
phases = (np.hypot(rows - 200, columns - 250) // 60).astype(int) % 5
shares = np.full((5, 5), 0.1) + 0.6 * np.eye(5)
means = 12 * shares @ peaks + 0.2
counts = rng.poisson(means[phases]).astype(np.uint8)
counts[0, 511] = 40  # a marked corner
image = em.SpectrumImage(counts, axis, unit="keV", title="grains")
lines = {name: (at - 0.3, at + 0.3) for name, at in zip("ABCDE", [1.0, 2.5, 4.0, 5.5, 7.0])}
"""
SHOW = f"""{MAKE}
import os
tuner = em.ClusterTuner(image, lines=lines)
print("kernel", os.getpid())
tuner
"""
LIMIT = 50  # ms from the event to the painted frame


@pytest.fixture(scope="module")
def true():
    """The same tuner without a browser."""
    names: dict = {}
    exec(MAKE, names)
    tuner = em.ClusterTuner(names["image"], lines=names["lines"])
    assert tuner.state.wait(300)
    return tuner


@pytest.fixture(scope="module")
def saved(true, tmp_path_factory):
    """The tuner as a page."""
    path = tmp_path_factory.mktemp("saved") / "tuner.html"
    true.value, true.pixel = 3, (10, 20)
    true.save(path)
    return path


@pytest.fixture
def saved_page(saved, open_page):
    return TunerPage(open_page(saved.as_uri(), inside=saved.as_uri()))


def truth(true, k):
    true.value = k
    return true.state.label_map()


def check(tuner, true, k):
    """Compare what is painted, written and drawn with NumPy."""
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:k]), truth(true, k))
    assert tuner.legend() == true.state.shown_names()
    pixels = [int(row[1]) for row in tuner.table()[1:]]
    np.testing.assert_array_equal(pixels, np.bincount(true.state.label_map().ravel(), minlength=k))
    assert set(LABEL_COLORS[:k]) <= set(tuner.line_colors())


def scrub(tuner, n_steps=60):
    """Step through the numbers of clusters by key, and return how long each took to be painted."""

    def act():
        for i in range(n_steps):
            tuner.k.press("ArrowUp" if i % 10 < 5 else "ArrowDown")
            tuner.page.wait_for_timeout(60)

    tuner.type_k(2)
    tuner.page.evaluate(WATCH, ["keydown", ".endmember-map .caption", 0, None])
    tuner.k.focus()
    return act


def hover(tuner, labels, n_steps=80):
    """Point at one cluster after another, and return how long the spectrum of each took."""
    tuner.map.scroll_into_view_if_needed()
    places = [tuner.place(*pixel, SHAPE) for pixel in ever_other(labels, n_steps)]
    curve = tuner.thickest()

    def act():
        for place in places:
            tuner.page.mouse.move(*place)
            tuner.page.wait_for_timeout(30)

    tuner.page.evaluate(WATCH, ["pointermove", CURVES, curve, "d"])
    return act


def ever_other(labels, n_pixels):
    """Return pixels, each of another cluster than the one before: else no curve would change."""
    rng, pixels, last = np.random.default_rng(0), [], -1
    while len(pixels) < n_pixels:
        pixel = tuple(rng.integers(10, np.array(labels.shape) - 10))
        if labels[pixel] != last:
            pixels.append(pixel)
            last = labels[pixel]
    return pixels


@contextmanager
def frozen(page):
    """Let the kernel of a page stop where it is."""
    words = page.locator(".jp-OutputArea-output").first.inner_text()
    kernel = int(re.search(r"kernel (\d+)", words)[1])
    os.kill(kernel, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(kernel, signal.SIGCONT)


@pytest.fixture(scope="module")
def beside_kernel(lab, shared_page):
    lab.run(shared_page, SHOW)
    tuner = TunerPage(shared_page)
    tuner.wait_until_idle()
    return tuner


@pytest.fixture(scope="module")
def behind_proxy(lab, other_page):
    with slow_way(lab.address) as address:
        slow = type(lab)(address, lab.folder, lab.pid)
        slow.run(other_page, SHOW)
        tuner = TunerPage(other_page)
        tuner.wait_until_idle()
        yield tuner
        other_page.goto("about:blank")


@pytest.fixture(scope="module")
def other_page(chromium):
    with fresh_page(chromium) as page:
        yield page


PLACES = ["kernel", "no answer", "proxy", "saved page"]


@pytest.fixture(params=PLACES)
def tuner(request):
    """A tuner, and where it is."""
    fixtures = {"proxy": "behind_proxy", "saved page": "saved_page"}
    tuner = request.getfixturevalue(fixtures.get(request.param, "beside_kernel"))
    tuner.place_name = request.param
    if request.param != "no answer":
        yield tuner
        return
    with frozen(tuner.page):
        yield tuner
    tuner.settle(2000)


def test_everything_follows_the_number_of_clusters(tuner, true):
    for k in (5, 8, 1, 2):
        tuner.type_k(k)
        check(tuner, true, k)


def test_the_spectrum_of_the_cluster_under_the_pointer_is_thick(tuner, true):
    tuner.type_k(5)
    labels = truth(true, 5)
    for row, column in [(200, 250), (20, 30), (350, 480), (290, 250)]:
        tuner.point_at(row, column, SHAPE)
        assert f"row {row}, column {column}: cluster {labels[row, column]}" in tuner.said()
        assert tuner.thick_color() == LABEL_COLORS[labels[row, column]]


@pytest.mark.alone
def test_another_number_of_clusters_is_painted_at_once(tuner):
    act, name = scrub(tuner), f"{tuner.place_name}: k to painted map"

    def is_met(_, event):
        return event < LIMIT

    assert meets_in_a_round(name, tuner.page, act, is_met, fewest=48)


@pytest.mark.alone
def test_the_spectrum_under_the_pointer_is_painted_at_once(tuner, true):
    tuner.type_k(5)
    act, name = hover(tuner, truth(true, 5)), f"{tuner.place_name}: hover to spectrum"

    assert meets_in_a_round(name, tuner.page, act, within_a_frame, fewest=72)


def test_a_kernel_that_answers_again_pulls_nothing_back(beside_kernel, true):
    beside_kernel.type_k(3)
    with frozen(beside_kernel.page):
        for k in (4, 7, 5, 6):
            beside_kernel.type_k(k)
    beside_kernel.settle(2000)
    check(beside_kernel, true, 6)
    assert beside_kernel.k.input_value() == "6"
    assert "labels_of(6)" in beside_kernel.code()


def test_a_saved_page_opens_as_it_was_left(saved_page, true, shots):
    assert saved_page.k.input_value() == "3"
    check(saved_page, true, 3)
    assert "row 10, column 20" in saved_page.said()
    saved_page.page.screenshot(path=shots / "tuner-saved.png", full_page=True)


def test_a_saved_page_has_code_silhouettes_and_plane_for_every_k(saved_page, true):
    for k in (2, 6, 4, 1):
        saved_page.type_k(k)
        truth(true, k)
        assert saved_page.code().strip() == true.to_code().strip()
        np.testing.assert_array_equal(
            saved_page.labels(LABEL_COLORS[:k], which=1), true.state.plane().clusters(k)
        )
        drawn = saved_page.silhouettes.locator("polygon")
        assert drawn.count() == (k if k > 1 else 0)
        if k > 1:
            means = [each.mean() for each in true.state.silhouettes()]
            said = saved_page.silhouettes.locator("svg").get_attribute("aria-label")
            assert re.findall(r"-?\d\.\d\d", said) == [f"{mean:.2f}" for mean in means]


def test_a_click_on_the_curve_chooses_k_without_a_kernel(saved_page, true):
    saved_page.click_curve(6)
    check(saved_page, true, 6)
    saved_page.click_curve(3)
    check(saved_page, true, 3)


def test_a_page_of_a_book_shows_no_control_that_needs_python(true, tmp_path, open_page):
    save_page(true, tmp_path / "book.html", title="a page that was not saved by the tuner")
    address = (tmp_path / "book.html").as_uri()
    tuner = TunerPage(open_page(address, inside=address))
    tuner.settle(1000)
    for role in ("combobox", "checkbox"):
        assert tuner.page.get_by_role(role).count() == 0
    assert tuner.page.get_by_role("spinbutton").count() == 1
    for name in ("Lasso", "Keep region", "Map as CSV", "Cancel"):
        assert tuner.page.get_by_role("button", name=name).count() == 0
    tuner.type_k(4)
    check(tuner, true, 4)


def test_names_are_given_without_a_kernel(saved_page):
    saved_page.type_k(3)
    saved_page.name_cluster(1, "rim")
    assert saved_page.legend() == ["cluster 0", "rim", "cluster 2"]
    saved_page.type_k(4)
    assert saved_page.table()[2][0] == saved_page.legend()[1] == "rim"


def test_a_saved_page_is_small(saved):
    text = saved.read_text(encoding="utf-8")
    packed = re.search(r"data-state>(.*?)</script>", text, re.DOTALL)[1]
    size = len(base64.b64decode(packed))
    print(f"{SHAPE[0]} x {SHAPE[1]}, 8 numbers of clusters: data {size / 1e6:.2f} MB gzipped")
    assert size < 1.5e6
