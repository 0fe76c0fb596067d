"""The rank selector in JupyterLab, by mouse and by keyboard, on the measured map."""

import numpy as np
import pytest
from selector_page import SelectorPage

import endmember as em
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


# wheel and clicks


def scrolled(page):
    """How far whatever scrolls on the page has scrolled."""
    return page.evaluate(
        "[...document.querySelectorAll('*')].map(e => e.scrollTop).reduce((a, b) => a + b, 0)"
    )


def over_the_scree(selector):
    """Move the mouse to the middle of the scree."""
    box = selector.scree.bounding_box()
    selector.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_the_wheel_over_the_scree_moves_the_rank_and_not_the_page(selector, state):
    over_the_scree(selector)
    before = scrolled(selector.page)
    for travel, rank in [(-100, 5), (-100, 6), (100, 5), (100, 4), (100, 3)]:
        selector.page.mouse.wheel(0, travel)
        selector.settle(400)
        assert selector.shown_rank() == rank
    for _ in range(16):  # beyond the last rank, too
        selector.page.mouse.wheel(0, -120)
    selector.settle()
    assert selector.shown_rank() == 12
    assert "rank 12" in selector.caption()
    assert "em.PCA(12," in selector.code()
    assert scrolled(selector.page) == before
    state.rank = 12
    expected = expected_shades(state, selector.limits())
    assert np.mean(np.abs(selector.shades() - expected) <= 1) > 0.999


def test_small_steps_of_a_trackpad_add_up_and_skip_no_rank(selector):
    over_the_scree(selector)
    for _ in range(9):
        selector.page.mouse.wheel(0, -10)
    selector.settle(100)
    assert selector.shown_rank() == 4
    selector.page.mouse.wheel(0, -10)
    selector.settle(100)
    assert selector.shown_rank() == 5
    selector.page.mouse.wheel(0, -10)
    selector.page.mouse.wheel(300, 0)  # to the right is up, and one rank however far
    selector.settle(100)
    assert selector.shown_rank() == 6
    for _ in range(5):
        selector.page.mouse.wheel(0, 10)
    selector.settle(600)
    for _ in range(6):  # after a rest it begins anew
        selector.page.mouse.wheel(0, 10)
    selector.settle(100)
    assert selector.shown_rank() == 6


def test_the_page_scrolls_beside_the_scree(selector):
    before = scrolled(selector.page)
    box = selector.spectrum.bounding_box()
    selector.page.mouse.move(box["x"] + 200, box["y"] + 60)
    selector.page.mouse.wheel(0, 150)
    selector.settle()
    assert scrolled(selector.page) > before
    assert selector.shown_rank() == 4
    selector.page.mouse.wheel(0, -150)
    selector.settle()


def test_scrolling_past_the_scree_scrolls_on(selector):
    """A hand that scrolls the page does not mean the scree that comes under it."""
    page, before = selector.page, scrolled(selector.page)
    box = selector.spectrum.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.wheel(0, 20)
    over_the_scree(selector)
    page.mouse.wheel(0, 130)
    selector.settle(600)
    assert selector.shown_rank() == 4
    assert scrolled(page) > before + 100
    over_the_scree(selector)
    page.mouse.wheel(0, -100)  # after a rest it is meant
    selector.settle(400)
    assert selector.shown_rank() == 5
    selector.map.scroll_into_view_if_needed()


def test_a_click_on_the_scree_chooses_the_rank_below_it(selector):
    box = selector.scree.locator("svg.svg-figure path.dot").nth(7).bounding_box()
    for shift, rank in [(0.0, 8), (0.4, 8), (0.6, 9)]:
        x = box["x"] + box["width"] / 2 + shift * selector.component_width()
        selector.page.mouse.click(x, box["y"] - 80)
        selector.settle(300)
        assert selector.shown_rank() == rank


# votes


def test_cheap_rules_are_asked_by_themselves_and_a_vote_chooses_its_rank(selector, diamond, shots):
    selector.vote("elbow").wait_for(timeout=30_000)
    report = em.rank_report(diamond, rules="cheap")
    for name, rule in report.rules.items():
        assert selector.vote(name).inner_text() == str(rule.rank)
        row = selector.page.get_by_role("row").filter(has=selector.vote(name)).inner_text()
        assert rule.question in row
        assert rule.misled_by in row
        assert ("decides" in row) == (name == report.decided_by)
    selector.type_rank(7)
    selector.vote("gavish-donoho").click()
    selector.settle(300)
    assert selector.shown_rank() == report.rules["gavish-donoho"].rank == 3
    assert selector.vote("gavish-donoho").get_attribute("aria-pressed") == "true"
    assert selector.vote("elbow").get_attribute("aria-pressed") == "false"
    selector.vote("spatial").focus()
    selector.page.keyboard.press("Enter")
    selector.settle(300)
    assert selector.shown_rank() == report.rules["spatial"].rank == 4
    assert "em.PCA(4," in selector.code()
    assert selector.page.locator(".jp-Cell").count() == 1  # no shortcut made or moved a cell
    message = selector.page.locator(".endmember-message.warning").first
    assert message.inner_text() == f"Warning: The rules disagree: {report.sentence}"
    selector.page.screenshot(path=shots / "cheap-votes.png")


def test_marks_of_votes_stand_at_their_ranks(selector):
    selector.vote("elbow").wait_for(timeout=30_000)
    dots = selector.scree.locator("svg.svg-figure path.dot")
    boxes = [dots.nth(i).bounding_box() for i in range(dots.count())]
    centres = [box["x"] + box["width"] / 2 for box in boxes]
    marks = {round(x) for x in centres[20:-1]}  # between the scree and the handle
    assert marks == {round(centres[2]), round(centres[3])}


def test_words_about_neighbours_follow_the_rank(selector, state):
    selector.page.get_by_text("Moran's I").first.wait_for(timeout=30_000)
    for rank, beginning in [
        (1, "Structure is left"),
        (2, "Structure"),
        (5, "No structure is seen"),
    ]:
        selector.type_rank(rank)
        state.rank = rank
        found = em.metrics.residual_autocorrelation(state.residual_map())
        assert selector.note().startswith(beginning)
        assert f"Moran's I {found.value:.3f}; noise gives 0 ± {found.stderr:.3f}" in selector.note()
    spoken = selector.page.locator(".endmember-note + .endmember-spoken").first
    selector.settle(900)
    assert spoken.inner_text() == selector.note()


@pytest.mark.alone
def test_all_rules_answer_one_by_one_and_cancel_is_heard_at_once(lab, page, shots):
    lab.run(page, SHOW, "selector.state.votes.report")
    selector = SelectorPage(page)
    page.get_by_role("button", name="Ask all rules").wait_for(timeout=30_000)
    page.get_by_role("button", name="Ask all rules").click()
    selector.vote("biwhitened").wait_for(timeout=60_000)
    cancel = page.get_by_role("button", name="Cancel")
    assert 0 < float(page.get_by_label("progress").evaluate("bar => bar.value")) < 1
    page.screenshot(path=shots / "asking.png")
    page.evaluate(HOW_LONG)
    cancel.click()
    page.get_by_role("button", name="Ask all rules").wait_for(timeout=10_000)
    spent = page.evaluate("window.spent")
    print(f"cancel: {spent:.0f} ms to the button that asks again")
    assert spent < 300
    assert selector.vote("biwhitened").is_visible()
    page.get_by_role("button", name="Ask all rules").click()
    selector.vote("restarts").wait_for(timeout=120_000)
    assert page.get_by_role("button", name="Ask all rules").is_hidden()
    curve = page.locator("svg.endmember-held-out")
    assert curve.get_attribute("aria-label").startswith(
        "Error on held-out counts, lowest at rank 3"
    )
    chosen = curve.locator(".chosen")
    selector.type_rank(3)
    lowest = curve.locator("circle.best").bounding_box()
    line = chosen.bounding_box()
    assert line["x"] + line["width"] / 2 == pytest.approx(lowest["x"] + lowest["width"] / 2, abs=1)
    point = selector.scree.locator("svg.svg-figure path.dot").nth(2).bounding_box()
    assert line["x"] == pytest.approx(point["x"] + point["width"] / 2, abs=1.5)  # the same ranks
    page.screenshot(path=shots / "all-votes.png")


HOW_LONG = """() => {
  const start = { at: 0 };
  const begin = () => (start.at = performance.now());
  document.addEventListener('click', begin, { capture: true, once: true });
  new MutationObserver((_, observer) => {
    const words = [...document.querySelectorAll('button')].map(b => b.textContent);
    if (!words.includes('Ask all rules')) return;
    window.spent = performance.now() - start.at;
    observer.disconnect();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


# regions and the next component


def test_a_region_shows_its_mean_counts_and_their_model(selector, state, shots):
    selector.page.get_by_role("button", name="Rectangle").click()
    selector.drag_over((100, 50), (120, 70), state.shape)
    selector.page.mouse.move(5, 5)
    selector.settle(900)
    state.rank, state.hovered = 4, None
    state.region = {"kind": "rectangle", "points": [[100, 50], [120, 70]]}
    try:
        counts, model, added = state.counts(), state.model(), state.next_model()
    finally:
        state.region = {}
    axis, high = state.image.axis, max(counts)
    assert "mean of the rectangle: 441 pixels" in selector.readout()
    np.testing.assert_allclose(selector.curve("counts", axis), counts, atol=2e-3 * high)
    np.testing.assert_allclose(selector.curve("model", axis), model, atol=4e-3 * high)
    np.testing.assert_allclose(selector.curve("next", axis), added, atol=4e-3 * high)
    selector.page.screenshot(path=shots / "region.png")
    selector.point_at(10, 10, state.shape)
    selector.settle()
    assert "row 10, column 10" in selector.readout()
    selector.page.get_by_role("button", name="Point", exact=True).click()


def test_the_next_component_is_shown_as_a_map_and_as_a_curve(selector, state, shots):
    selector.type_rank(2)
    selector.page.get_by_label("residual in").select_option("the next component alone")
    selector.point_at(110, 62, state.shape)
    selector.settle()
    state.rank, state.residual, state.hovered = 2, "next", (110, 62)
    try:
        values, added = state.residual_map(), state.next_model()
    finally:
        state.residual, state.hovered = "leading", None
    assert selector.caption() == "what component 3 would add to rank 2"
    low, high = selector.limits()
    assert low == -high
    expected = ((values - low) * 255 / (high - low)).clip(0, 255).astype(int)
    assert np.mean(np.abs(selector.shades() - expected) <= 1) > 0.99
    np.testing.assert_allclose(selector.curve("next", state.image.axis), added, atol=0.02)
    selector.page.screenshot(path=shots / "next.png")


# without Python


@pytest.fixture(scope="module")
def saved(diamond, tmp_path_factory):
    selector = em.RankSelector(diamond)
    selector.state.measure()
    selector.ask("cheap")
    assert selector.wait(120)
    path = tmp_path_factory.mktemp("saved") / "selector.html"
    selector.save(path)
    return path


def test_a_saved_page_holds_the_votes_and_leaves_out_what_needs_python(saved, open_page, shots):
    page = open_page(saved.as_uri(), inside=saved.as_uri())
    selector = SelectorPage(page)
    assert page.get_by_role("button", name="Ask all rules").count() == 0
    assert page.get_by_role("button", name="Keep region").count() == 0
    selector.vote("gavish-donoho").click()
    selector.settle(300)
    assert selector.shown_rank() == 3
    assert "em.PCA(3," in selector.code()
    over_the_scree(selector)
    selector.page.mouse.wheel(0, 100)
    selector.settle(300)
    assert selector.shown_rank() == 2
    assert selector.note().startswith("Structure is left")
    page.screenshot(path=shots / "saved-votes.png", full_page=True)


def test_votes_fit_a_narrow_screen(saved, open_page, shots):
    page = open_page(saved.as_uri(), inside=saved.as_uri(), viewport={"width": 400, "height": 900})
    selector = SelectorPage(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert selector.vote("elbow").is_visible()
    page.screenshot(path=shots / "saved-votes-400.png", full_page=True)
