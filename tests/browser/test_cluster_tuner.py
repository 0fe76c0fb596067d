"""The cluster tuner in JupyterLab, by mouse and by keyboard, on two iron oxides."""

import json
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
THEME = "config/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
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
    assert ("One cluster has no other" in tuner.silhouettes.inner_text()) == (k == 1)
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


@pytest.mark.alone
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


@pytest.mark.alone
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


def test_names_that_are_typed_stand_everywhere(tuner):
    tuner.type_k(3)
    tuner.name_cluster(0, "rim")
    tuner.name_cluster(2, "core")
    named = ["rim", "cluster 1", "core"]
    assert tuner.legend() == named
    assert [row[0] for row in tuner.table()[1:]] == named
    assert 'names = ["rim", "cluster 1", "core"]' in tuner.code()
    assert all(name in tuner.means.inner_text() for name in named)
    tuner.name_cluster(0, "")
    tuner.name_cluster(2, "")
    assert tuner.legend() == [f"cluster {k}" for k in range(3)]


def test_a_resting_pointer_shows_the_counts_of_its_pixel(tuner, state):
    tuner.point_at(70, 20, SHAPE)
    tuner.page.wait_for_function("document.body.innerText.includes('pixel 70, 20')")
    tuner.page.mouse.move(5, 5)
    tuner.page.wait_for_function("!document.body.innerText.includes('pixel 70, 20')")


def test_words_under_the_plane_are_those_of_its_features(tuner, state):
    expected(state, 2)
    plane = state.plane()
    row, column = plane.bin_of((40, 40))
    tuner.plane.scroll_into_view_if_needed()
    tuner.page.mouse.move(*tuner.place(row, column, plane.shape, tuner.plane))
    tuner.settle(200)
    said = tuner.words.inner_text()
    counts = {"Fe_Ka": plane.across, "O_Ka": plane.up}
    at = {"Fe_Ka": column, "O_Ka": plane.shape[0] - 1 - row}
    for name, value in re.findall(r"(\w+_Ka) ([\d.]+) counts", said):
        steps = counts[name]
        step = at[name] * steps.n // 96
        width = (steps.ends[1] - steps.ends[0]) / steps.n
        assert float(value) == pytest.approx(steps.ends[0] + (step + 0.5) * width, rel=1e-3)
    n_pixels = int(plane.density()[row, column])
    assert f"{n_pixels} pixel" in said
    assert f"cluster {plane.clusters(2)[row, column]}" in said


def test_hundreds_of_updates_leave_nothing_on_the_page(tuner):
    count = "document.querySelectorAll('.jp-OutputArea *').length"
    tuner.type_k(2)
    before = tuner.page.evaluate(count)
    for i in range(200):
        tuner.k.press("ArrowUp" if i % 8 < 4 else "ArrowDown")
    tuner.settle(1500)
    assert tuner.k.input_value() == "2"
    assert tuner.page.evaluate(count) == before


def test_settings_that_are_changed_quickly_end_with_the_last(tuner, state):
    features, seed = tuner.page.get_by_label("features"), tuner.page.get_by_label("seed")
    for name in ("all channels", "shares (L1)", "log-ratios", "principal components"):
        features.select_option(name)
    seed.fill("3")
    seed.press("Enter")
    features.select_option("lines")
    seed.fill("0")
    seed.press("Enter")
    tuner.wait_until_idle()
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:2]), expected(state, 2))
    assert '"lines"' in tuner.code()
    assert "seed=0" in tuner.code()


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def theme(request, lab):
    """The theme of JupyterLab, as a person's settings have it."""
    settings = lab.folder.parent / THEME
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"theme": request.param}))
    yield request.param
    settings.unlink()


def test_the_controls_have_names_in_both_themes(lab, page, theme, shots):
    lab.run(page, SHOW)
    tuner = TunerPage(page)
    page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    tuner.wait_until_idle()
    for name in ("clusters", "seed", "smallest area"):
        assert page.get_by_role("spinbutton", name=name).count() == 1
    for name in ("features", "algorithm", "normalisation", "criterion"):
        assert page.get_by_label(name).count() == 1
    shown = theme.split()[-1].lower()
    page.screenshot(path=shots / f"tuner-{shown}.png")
    tuner.words.scroll_into_view_if_needed()
    page.screenshot(path=shots / f"tuner-{shown}-below.png")
