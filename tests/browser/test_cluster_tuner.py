"""The cluster tuner in JupyterLab, by mouse and by keyboard, on two iron oxides."""

import re

import numpy as np
import pytest
from tuner_page import TunerPage

import endmember as em
from endmember.widgets import ClusterState
from endmember.widgets.map_traits import LABEL_COLORS

SHOW = """
import endmember as em
image = em.datasets.load("iron_oxides", shape=(96, 128), dose=2_000).image
tuner = em.ClusterTuner(image, max_k=6)
tuner
"""
SHAPE = (96, 128)
WATCH = """(box) => {
  const before = document.querySelectorAll('.endmember-map canvas.data')[0];
  const pen = before.getContext('2d');
  const sum = () => {
    const data = pen.getImageData(0, 0, before.width, before.height).data;
    let total = 0;
    for (let i = 0; i < data.length; i += 4) total = (total * 31 + data[i] + 7 * data[i + 1]) | 0;
    return total;
  };
  const first = sum();
  window.painted = null;
  box.addEventListener('keydown', (event) => {
    const look = () => {
      if (sum() !== first) window.painted = performance.now() - event.timeStamp;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { once: true });
}"""
WATCH_CANCEL = """(button) => {
  window.cancelled = null;
  let start;
  button.addEventListener('click', (event) => (start = event.timeStamp), { once: true });
  new MutationObserver((_, observer) => {
    if (!button.textContent.includes('Compute')) return;
    window.cancelled = performance.now() - start;
    observer.disconnect();
  }).observe(button, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def state():
    """The same clusters in NumPy: what the page must show."""
    image = em.datasets.load("iron_oxides", shape=SHAPE, dose=2_000).image
    state = ClusterState(image, max_k=6)
    assert state.wait(120)
    return state


@pytest.fixture(scope="module")
def open_tuner(lab, shared_page):
    lab.run(shared_page, SHOW)
    return TunerPage(shared_page)


@pytest.fixture
def tuner(open_tuner):
    open_tuner.wait_until_idle()
    open_tuner.k.scroll_into_view_if_needed()
    open_tuner.type_k(2)
    return open_tuner


def expected(state, k):
    state.k = k
    return state.label_map()


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_typing_k_paints_its_clusters_in_the_colours_of_the_spectra(tuner, state, k, shots):
    tuner.type_k(k)
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:k]), expected(state, k))
    drawn = tuner.line_colors()
    assert set(LABEL_COLORS[:k]) <= set(drawn)
    assert not set(LABEL_COLORS[k:7]) & set(drawn)
    assert f"labels_of({k})" in tuner.code()
    assert len(tuner.table()) == 1 + k
    tuner.page.screenshot(path=shots / f"tuner-{k}.png")


def test_arrow_keys_in_the_box_and_page_keys_on_the_map_change_k(tuner, state):
    tuner.k.press("ArrowUp")
    tuner.settle()
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:3]), expected(state, 3))
    tuner.map.focus()
    tuner.page.keyboard.press("PageUp")
    tuner.settle()
    assert tuner.k.input_value() == "4"
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:4]), expected(state, 4))


def test_a_click_on_the_curve_chooses_k_by_mouse(tuner, state):
    tuner.click_curve(5)
    assert tuner.k.input_value() == "5"
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:5]), expected(state, 5))


def test_ratios_on_the_page_are_those_of_the_state(tuner, state):
    expected(state, 2)
    head, *rows = tuner.table()
    assert head[2] == "Fe_Ka / O_Ka"
    for row, true in zip(rows, state.ratios(), strict=True):
        ratio, error = map(float, re.findall(r"[\d.]+", row[2]))
        assert ratio == pytest.approx(true["clustered"][0], abs=error)
        assert int(row[1]) == true["n_pixels"]


def test_held_out_counts_are_switched_on_and_off_by_mouse(tuner, shots):
    box = tuner.page.get_by_role("checkbox")
    box.click()
    tuner.wait_until_idle()
    head, *rows = tuner.table()
    assert head[3] == "on held-out counts"
    gaps = [abs(float(rows[0][i].split()[0]) - float(rows[1][i].split()[0])) for i in (2, 3)]
    assert gaps[1] < 0.8 * gaps[0]  # part of the gap was noise that k-means chose
    tuner.page.screenshot(path=shots / "tuner-held-out.png")
    box.click()
    tuner.wait_until_idle()
    assert len(tuner.table()[0]) == 3


def test_a_lasso_on_the_map_stands_out_in_the_plane(tuner, state, shots):
    before = tuner.labels(LABEL_COLORS[:2], which=1)
    tuner.draw("Lasso", [(10, 10), (10, 60), (50, 60), (50, 10)], SHAPE)
    after = tuner.labels([*LABEL_COLORS[:2], "#808080"], which=1)
    assert (after == 2).any()
    assert (after >= 0).sum() == (before >= 0).sum()
    assert "chosen pixels" in tuner.means.inner_text()
    tuner.page.screenshot(path=shots / "tuner-lasso.png")
    tuner.page.get_by_role("button", name="Clear region").first.click()
    tuner.settle()
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:2], which=1), before)


def test_a_rectangle_in_the_plane_is_veiled_on_the_map(tuner, state):
    tuner.draw("Rectangle", [(48, 48), (95, 95)], (96, 96), tuner.plane)
    corners = {"kind": "rectangle", "points": [[48, 48], [95, 95]]}
    expected(state, 2)
    state.plane_region = corners
    n_chosen = int(state.chosen().sum())
    state.plane_region = {}
    said = re.search(r"(\d+) chosen pixels", tuner.means.inner_text())
    assert int(said[1]) == pytest.approx(n_chosen, rel=0.15)  # the mouse meets cells, not values
    tuner.plane.focus()
    tuner.page.keyboard.press("Escape")
    tuner.settle()
    assert "chosen pixels" not in tuner.means.inner_text()


def test_an_error_is_shown_in_words_and_the_clusters_stay(tuner):
    before = tuner.labels(LABEL_COLORS[:2])
    tuner.page.get_by_label("algorithm").select_option("Gaussian mixture")
    tuner.page.get_by_label("features").select_option("all channels")
    tuner.page.get_by_text("too many covariances").wait_for(timeout=60_000)
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:2]), before)
    tuner.page.get_by_label("algorithm").select_option("k-means")
    tuner.page.get_by_label("features").select_option("lines")
    tuner.wait_until_idle()
    assert tuner.status.inner_text() == ""


def test_slow_work_shows_progress_and_is_cancelled_within_300_ms(tuner, shots):
    tuner.page.get_by_label("features").select_option("all channels")
    tuner.page.get_by_label("criterion").select_option("gap")
    cancel = tuner.page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    tuner.page.get_by_text(re.compile(r"about \d+ (s|min) left")).wait_for(timeout=60_000)
    tuner.page.screenshot(path=shots / "tuner-running.png")
    cancel.evaluate(WATCH_CANCEL)
    cancel.click()
    tuner.page.wait_for_function("window.cancelled !== null", timeout=5000)
    took = tuner.page.evaluate("window.cancelled")
    print(f"cancelled after {took:.0f} ms")
    assert took < 300
    assert "older clusters" in tuner.status.inner_text()
    tuner.page.get_by_label("criterion").select_option("silhouette")
    tuner.page.get_by_label("features").select_option("lines")
    tuner.wait_until_idle()


def test_k_is_painted_within_a_few_frames(tuner):
    times = []
    for i in range(24):
        tuner.k.focus()
        tuner.k.evaluate(WATCH)
        tuner.k.press("ArrowUp" if i % 8 < 4 else "ArrowDown")
        tuner.page.wait_for_function("window.painted !== null", timeout=5000)
        times.append(tuner.page.evaluate("window.painted"))
        tuner.settle(250)
    p50, p95 = np.percentile(times, [50, 95])
    print(f"k to painted map: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    assert p95 < 50


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_controls_have_names_in_both_themes(tuner, theme, shots):
    tuner.page.emulate_media(color_scheme=theme)
    for name in ("clusters", "seed", "smallest area"):
        assert tuner.page.get_by_role("spinbutton", name=name).count() == 1
    for name in ("features", "algorithm", "normalisation", "criterion"):
        assert tuner.page.get_by_label(name).count() == 1
    tuner.page.screenshot(path=shots / f"tuner-{theme}.png")
