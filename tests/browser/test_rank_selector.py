"""The rank selector in JupyterLab, by mouse and by keyboard, on the measured map."""

import numpy as np
import pytest
from selector_page import SelectorPage

from endmember.widgets import RankState

SHOW = """
import endmember as em
image = em.datasets.load("diamond_anvil_71gpa")
selector = em.RankSelector(image)
selector
"""


@pytest.fixture(scope="module")
def state(diamond):
    """The same selection in NumPy: what the page must show."""
    return RankState(diamond)


@pytest.fixture(scope="module")
def open_selector(lab, shared_page):
    lab.run(shared_page, SHOW)
    return SelectorPage(shared_page)


@pytest.fixture
def selector(open_selector):
    open_selector.reset()
    return open_selector


def expected_shades(state, limits):
    low, high = limits
    shades = (state.residual_map() - low) * 255 / (high - low)
    return shades.clip(0, 255).astype(int)


def test_dragging_the_handle_moves_rank_map_and_code(selector, state, shots):
    selector.type_rank(2)
    before, code = selector.shades(), selector.code()
    assert "em.PCA(2," in code
    selector.page.screenshot(path=shots / "rank-2.png")

    selector.drag_handle(6)

    assert selector.shown_rank() == 6
    assert "em.PCA(6," in selector.code()
    assert "rank 6: what components 7 to 16" in selector.caption()
    after = selector.shades()
    state.rank = 6
    expected = expected_shades(state, selector.limits())
    assert np.mean(np.abs(after - expected) <= 1) > 0.999  # limits are read to three digits
    assert np.mean(before != after) > 0.5
    selector.page.screenshot(path=shots / "rank-6.png")


def test_the_handle_snaps_to_whole_ranks_and_stays_in_range(selector):
    x, y = selector.handle_at()
    width = selector.component_width()
    first = x - (selector.shown_rank() - 1) * width
    mouse = selector.page.mouse
    mouse.move(x, y)
    mouse.down()
    for target, rank in [(1.3, 1), (1.7, 2), (7.3, 7), (40.0, 12), (-3.0, 1), (3.2, 3)]:
        mouse.move(first + (target - 1) * width, y, steps=4)
        selector.settle(150)
        assert selector.shown_rank() == rank
        assert selector.handle_at()[0] == pytest.approx(first + (rank - 1) * width, abs=1.0)
    mouse.up()
    selector.settle()
    assert selector.shown_rank() == 3
    assert selector.handle_at()[0] == pytest.approx(first + 2 * width, abs=1.0)


@pytest.mark.parametrize("pixel", [(0, 0), (0, 200), (200, 0), (110, 62), (150, 105)])
def test_hovering_shows_the_counts_and_the_model_of_that_pixel(selector, state, pixel):
    selector.point_at(*pixel, state.shape)
    selector.settle()
    state.rank, state.hovered = 4, pixel
    axis = state.image.axis
    counts, model = selector.curve("counts", axis), selector.curve("model", axis)
    assert f"row {pixel[0]}, column {pixel[1]}:" in selector.readout()
    value = float(selector.readout().split(":")[1])
    assert value == pytest.approx(state.residual_map()[pixel], rel=5e-3)
    np.testing.assert_allclose(
        counts, state.image.spectra[[pixel[0] * 201 + pixel[1]]].toarray()[0], atol=0.01
    )
    np.testing.assert_allclose(model, state.model(), atol=0.01)


def test_leaving_the_map_returns_to_the_clicked_pixel(selector, state):
    selector.point_at(110, 62, state.shape)
    selector.page.mouse.down()
    selector.page.mouse.up()
    selector.point_at(20, 30, state.shape)
    selector.settle()
    assert "row 20, column 30" in selector.readout()
    selector.page.mouse.move(5, 5)
    selector.settle()
    assert "row 110, column 62" in selector.readout()
    state.hovered, state.pixel = None, (110, 62)
    np.testing.assert_allclose(
        selector.curve("counts", state.image.axis), state.counts(), atol=0.01
    )


def test_keys_move_pixel_and_rank_and_leave_the_notebook_alone(selector, state):
    selector.point_at(101, 100, state.shape)
    selector.page.mouse.down()
    selector.page.mouse.up()
    selector.page.mouse.move(5, 5)
    keyboard = selector.page.keyboard
    for key in ["ArrowUp", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "PageUp", "PageUp"]:
        keyboard.press(key)
    selector.settle()
    assert "row 110, column 102" in selector.readout()
    assert selector.shown_rank() == 6
    assert "em.PCA(6," in selector.code()
    keyboard.press("PageDown")
    selector.settle()
    assert selector.shown_rank() == 5
    assert selector.page.locator(".jp-Cell").count() == 1  # no shortcut made or moved a cell
    assert selector.map.get_attribute("aria-label").startswith("residual at rank 5")


def test_plain_keys_do_nothing_to_the_notebook_and_shortcuts_still_work(selector):
    selector.map.focus()
    for key in ["b", "d", "d", "x", "0"]:
        selector.page.keyboard.press(key)
    selector.settle()
    assert selector.page.locator(".jp-Cell").count() == 1
    files = selector.page.locator("#jp-left-stack")
    before = files.is_visible()
    selector.page.keyboard.press("Control+b")
    selector.settle()
    assert files.is_visible() != before
    selector.map.focus()
    selector.page.keyboard.press("Control+b")
    selector.settle()
    assert files.is_visible() == before


def test_the_map_is_reached_by_tab_from_the_controls(selector):
    selector.rank.focus()
    for _ in range(3):
        selector.page.keyboard.press("Tab")
    assert selector.map.evaluate("stage => stage === document.activeElement")


def test_keenan_kotula_scaling_changes_the_scree_and_the_map(selector, state, shots):
    before = selector.shades()
    selector.page.get_by_label("noise scaling").select_option("Keenan-Kotula")
    selector.page.get_by_text("noise edge 1.496").wait_for(timeout=30_000)
    selector.settle()
    assert 'weighting="poisson"' in selector.code()
    state.hovered, state.weighting, state.rank = None, "poisson", selector.shown_rank()
    try:
        expected = expected_shades(state, selector.limits())
    finally:
        state.weighting = "biwhiten"
    after = selector.shades()
    assert np.mean(np.abs(after - expected) <= 1) > 0.999
    assert np.mean(before != after) > 0.5
    selector.page.screenshot(path=shots / "keenan-kotula.png")


def test_the_residual_can_be_taken_over_all_channels(selector, state):
    selector.page.get_by_label("residual in").select_option("all channels")
    selector.settle()
    state.rank, state.residual = selector.shown_rank(), "all"
    try:
        expected = expected_shades(state, selector.limits())
    finally:
        state.residual = "leading"
    assert "all channels" in selector.caption()
    assert np.mean(np.abs(selector.shades() - expected) <= 1) > 0.99


def test_python_moves_what_the_page_shows(lab, page):
    lab.run(page, SHOW, "selector.value, selector.pixel = 3, (5, 190)", "selector.value")
    selector = SelectorPage(page)
    assert selector.shown_rank() == 3
    assert "row 5, column 190" in selector.readout()
    assert "rank 3" in selector.caption()
    first = selector.scree.locator("svg.svg-figure path.dot").nth(2).bounding_box()
    assert selector.handle_at()[0] == pytest.approx(first["x"] + first["width"] / 2, abs=1.0)


def test_rank_and_model_answer_when_the_kernel_is_gone(lab, chromium, state):
    page = chromium.new_page(viewport={"width": 1400, "height": 1250})  # errors are expected
    lab.run(page, SHOW)
    selector = SelectorPage(page)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    page.locator("text=No Kernel").first.wait_for(timeout=20_000)
    selector.drag_handle(2)
    selector.point_at(110, 62, state.shape)
    selector.settle()
    state.rank, state.hovered = 2, (110, 62)
    assert "rank 2" in selector.caption()
    np.testing.assert_allclose(selector.curve("model", state.image.axis), state.model(), atol=0.01)
    assert (
        selector.curve("counts", state.image.axis).size == 0
    )  # nobody can say them: none is not the same as zero
    assert "counts need a kernel" in selector.readout()
    state.hovered = None
    page.close()


MARKED = """
import numpy as np
import endmember as em
rng = np.random.default_rng(0)
counts = rng.poisson(np.full((20, 30, 64), 4.0))
counts[0, 29, :8] += 40
counts[19, 0, 56:] += 80
title = "<img src=x onerror=window.wasRun=1>"
image = em.SpectrumImage(counts, np.arange(64), title=title, name="<b>energy</b>")
em.RankSelector(image, max_rank=4)
"""


def test_marked_corners_appear_in_their_corners(lab, page, shots):
    lab.run(page, MARKED)
    selector = SelectorPage(page)
    selector.type_rank(1)
    shades = selector.shades()
    assert {tuple(map(int, at)) for at in np.argwhere(shades == 255)} == {(0, 29), (19, 0)}
    selector.point_at(0, 29, (20, 30))
    selector.settle()
    assert "row 0, column 29" in selector.readout()
    np.testing.assert_array_equal(selector.curve("counts", np.arange(64))[:8].round() >= 40, True)
    assert page.evaluate("window.wasRun") is None  # titles are text, not markup
    page.screenshot(path=shots / "corners.png")


LINE_SCAN = """
import numpy as np
import endmember as em
rates = np.ones((200, 64)) * 20.0
rates[150:, :16] = 60.0
counts = np.random.default_rng(0).poisson(rates)
em.RankSelector(em.SpectrumImage(counts, title="line scan"), max_rank=4)
"""


def test_a_line_scan_is_tall_enough_to_point_at(lab, page, shots):
    lab.run(page, LINE_SCAN)
    selector = SelectorPage(page)
    assert selector.map.bounding_box()["height"] >= 40
    selector.point_at(0, 163, (1, 200))
    selector.settle()
    assert "row 0, column 163" in selector.readout()
    assert selector.curve("counts", np.arange(64))[:16].mean() > 40
    page.screenshot(path=shots / "line-scan.png")


def test_two_views_of_one_selector_move_together(lab, page):
    lab.run(page, SHOW, "selector")
    selector = SelectorPage(page)
    selector.map.focus()
    page.keyboard.press("PageDown")
    selector.settle()
    captions = page.locator(".endmember-map .caption").all_inner_texts()
    assert len(captions) == 2
    assert captions[0] == captions[1] == "residual at rank 3: what components 4 to 16 hold"


def test_keys_of_the_browser_stay_the_browsers(selector):
    selector.map.focus()
    for key in ["Control+-", "Control+=", "Alt+ArrowLeft"]:
        selector.page.keyboard.press(key)
    selector.settle()
    assert selector.shown_rank() == 4
    selector.page.keyboard.press("PageUp")
    spoken = selector.page.locator(".endmember-map .spoken").first.inner_text()
    assert spoken.startswith("residual at rank 5")
