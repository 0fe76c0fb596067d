"""The component browser in JupyterLab, by mouse and by keyboard, on the measured map."""

import numpy as np
import pytest
from component_page import ComponentPage
from stopwatch import WATCH, meets_in_a_round, within_a_frame

import endmember as em
from endmember.widgets.browser_state import BrowserState
from endmember.widgets.pages import save_page
from endmember.widgets.regions import mask_of
from endmember.widgets.scatter import N_BINS, scatter_bins, scatter_mask

SETTINGS = "n_components=4, random_state=0, max_iter=40, tol=1e-3"
SHOW = f"""
import endmember as em
image = em.datasets.load("diamond_anvil_71gpa")
browser = em.ComponentBrowser(em.NMF({SETTINGS}).fit(image), image)
browser
"""
ENDS = (0.5, 99.5)  # per cent of the pixels below each end of the colours


@pytest.fixture(scope="module")
def nmf(diamond):
    return em.NMF(n_components=4, random_state=0, max_iter=40, tol=1e-3).fit(diamond)


@pytest.fixture(scope="module")
def state(diamond, nmf):
    """The same result in NumPy: what the page must show."""
    return BrowserState(nmf, diamond)


@pytest.fixture(scope="module")
def maps(state):
    return state.maps


@pytest.fixture
def browser(lab, page):
    lab.run(page, SHOW)
    return ComponentPage(page)


def assert_map_is(browser, values, which=0, n_steps=254):
    low, high = browser.limits(which)
    expected = ((values - low) * 255 / (high - low)).clip(0, 255)
    steps = np.ptp(values) / n_steps * 255 / (high - low)  # maps travel in so many steps
    assert np.mean(np.abs(browser.shades(which) - expected) <= 1.5 + steps) > 0.998


def assert_all_are(browser, maps, palette):
    """The composite is the sum of the colours, each as bright as its map."""
    light = np.zeros((*maps[0].shape, 3))
    for values, color in zip(maps, palette, strict=True):
        low, high = np.percentile(values, ENDS)
        share = ((values - low) / (high - low)).clip(0, 1)
        light += share[..., None] * [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    off = np.abs(browser.colors()[..., :3] - light.clip(0, 255))
    assert np.mean(off <= 8) > 0.99


def test_a_person_chooses_hides_turns_over_and_names(browser, state, maps, shots):
    page = browser.page
    assert browser.chosen() == "component 0"
    assert_map_is(browser, maps[0])

    browser.list.locator("option").nth(2).click()  # by mouse
    browser.settle()
    assert_map_is(browser, maps[2])
    assert page.get_by_label("name", exact=True).input_value() == "component 2"
    assert browser.bold() == 2

    browser.list.focus()  # by keyboard
    page.keyboard.press("ArrowDown")
    browser.settle(800)
    assert browser.chosen() == "component 3"
    assert_map_is(browser, maps[3])

    page.get_by_role("checkbox", name="hidden").focus()
    page.keyboard.press("Space")
    browser.settle()
    assert browser.chosen() == "component 3 (hidden)"
    page.keyboard.press("Space")

    browser.stage.focus()
    page.keyboard.press("PageDown")  # past the last is the first
    browser.settle(800)
    page.keyboard.press("PageDown")
    browser.settle(800)
    assert browser.chosen() == "component 1"
    assert_map_is(browser, maps[1])
    assert page.locator(".jp-Cell").count() == 1  # no shortcut made or moved a cell
    page.screenshot(path=shots / "browser.png")

    page.get_by_role("checkbox", name="turned over").check()
    browser.settle()
    assert_map_is(browser, -maps[1])
    assert browser.chosen() == "component 1 (turned over)"
    page.get_by_role("checkbox", name="turned over").uncheck()

    name = page.get_by_label("name", exact=True)
    name.fill("<b>ferropericlase</b>")
    name.press("Enter")
    browser.settle()
    assert browser.chosen() == "<b>ferropericlase</b>"
    assert "<b>ferropericlase</b>" in browser.code()

    page.get_by_role("button", name="move up").click()
    browser.settle()
    assert "ferropericlase" in browser.list.locator("option").first.inner_text()
    assert_map_is(browser, maps[1])

    browser.show("all together")
    colors = ["#d55e00", "#0072b2", "#009e73", "#cc79a7"]
    assert_all_are(browser, maps[[1, 0, 2, 3]], colors)
    page.screenshot(path=shots / "browser-all.png")
    page.get_by_role("checkbox", name="hidden").check()
    browser.settle()
    assert_all_are(browser, maps[[0, 2, 3]], colors[1:])
    assert browser.chosen() == "<b>ferropericlase</b> (hidden)"

    page.get_by_label("lines of").fill("Fe Qq")
    page.get_by_label("lines of").press("Enter")
    page.get_by_text("element is 'Qq'; expected a chemical symbol").wait_for()


def test_a_person_points_draws_and_reads(browser, state, diamond, maps, shots):
    shape, page = maps.shape[1:], browser.page
    for pixel in [(0, 200), (110, 62)]:
        browser.point_at(*pixel, shape)
        state.hovered = pixel
        counts, model = (browser.curve(which, diamond.axis) for which in ("counts", "model"))
        np.testing.assert_allclose(counts, state.counts(), atol=0.01)
        np.testing.assert_allclose(model, state.model(), atol=0.01)
        for k, part in enumerate(state.parts()):
            drawn = browser.curve(k, diamond.axis)
            np.testing.assert_allclose(drawn, part, atol=0.003 * state.model().max())
        assert browser.words().startswith(f"row {pixel[0]}, column {pixel[1]}: ")
        np.testing.assert_allclose(browser.shares(), maps[:, *pixel], rtol=6e-3, atol=1e-3)

    browser.draw("Lasso", [(110, 100), (110, 140), (150, 140), (140, 95)], shape)
    (line,) = (at for at in browser.code().splitlines() if at.startswith("regions['drawn'] ="))
    made = {"mask_of": mask_of, "maps": np.moveaxis(maps, 0, -1), "regions": {}}
    exec(line, made)
    mask = made["regions"]["drawn"]
    assert 1000 < mask.sum() < 2000
    assert mask[130, 120]
    assert browser.map.locator(".status").inner_text() == f"lasso: {mask.sum()} pixels"
    cells = page.locator("table", has_text="error of the mean").locator("td").all_inner_texts()
    for k in range(4):
        values = maps[k][mask]
        error = values.std(ddof=1) / np.sqrt(values.size)
        assert float(cells[3 * k + 1]) == pytest.approx(values.mean(), rel=6e-3)
        assert float(cells[3 * k + 2]) == pytest.approx(error, rel=6e-3)
    page.mouse.move(5, 5)  # nothing is pointed at: what is shown is the mean
    browser.settle()
    np.testing.assert_allclose(browser.shares(), maps[:, mask].mean(axis=1), rtol=6e-3, atol=1e-3)
    assert browser.words().startswith("mean of the lasso: ")
    means = maps[:, mask].mean(axis=1)[:, None] * state.components
    counts = diamond.sum_spectrum(mask) / mask.sum()
    np.testing.assert_allclose(browser.curve("counts", diamond.axis), counts, atol=0.01)
    for k, part in enumerate(means):
        drawn = browser.curve(k, diamond.axis)
        np.testing.assert_allclose(drawn, part, atol=0.003 * means.sum(axis=0).max())
    page.screenshot(path=shots / "browser-lasso.png")

    browser.draw("Rectangle", [(10, 10), (40, 80)], (N_BINS, N_BINS), which=1)
    drawn = {"kind": "rectangle", "points": [[10, 10], [40, 80]]}
    selected = scatter_mask(drawn, maps[0], maps[1])
    assert selected.any()
    np.testing.assert_array_equal(browser.colors("veil")[..., 3] == 0, selected)
    assert browser.map.locator(".status").inner_text() == ""  # the lasso is gone
    page.screenshot(path=shots / "browser-scatter.png")


def test_map_and_scatter_point_at_each_other(browser, state, maps):
    shape = maps.shape[1:]
    rows, columns = scatter_bins(maps[0], maps[1])
    browser.point_at(110, 62, shape)
    assert (
        browser.maps.nth(1)
        .locator(".readout")
        .inner_text()
        .startswith(f"row {rows[110, 62]}, column {columns[110, 62]}:")
    )
    bin_ = max(zip(rows.ravel(), columns.ravel(), strict=True), key=lambda at: at[0] * (at[1] < 40))
    browser.point_at(*map(int, bin_), (N_BINS, N_BINS), which=1)
    stands_out = browser.colors("veil")[..., 3] == 0
    expected = (rows == bin_[0]) & (columns == bin_[1])
    assert expected.any()
    np.testing.assert_array_equal(stands_out, expected)
    browser.page.mouse.click(*browser.at(*map(int, bin_), (N_BINS, N_BINS), 1))
    browser.page.mouse.move(5, 5)
    browser.settle()
    assert expected[browser.probed()]
    assert not browser.colors("veil")[..., 3].any()


@pytest.mark.alone
def test_what_is_pointed_at_is_painted_within_a_frame(browser):
    """Counts, model, all parts, words and the place on the scatter."""
    page = browser.page
    browser.stage.scroll_into_view_if_needed()
    page.evaluate(WATCH, ["pointermove", ".endmember-where", 0, None])
    box = browser.stage.bounding_box()
    rng = np.random.default_rng(0)

    def hover():
        for x, y in rng.uniform(0.02, 0.98, size=(200, 2)):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.wait_for_timeout(20)

    assert meets_in_a_round("hovered component", page, hover, within_a_frame, fewest=150)


# without a kernel


TALL = {"width": 1000, "height": 1500}


@pytest.fixture(scope="module")
def other(diamond):
    return em.PCA(4).fit(diamond)


@pytest.fixture(scope="module")
def saved(diamond, nmf, other, tmp_path_factory):
    browser = em.ComponentBrowser(nmf, diamond, beside=other)
    browser.value = 1
    browser.state.elements = ["Fe", "Mg", "Si", "O"]
    path = tmp_path_factory.mktemp("saved") / "browser.html"
    browser.save(path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000])
def test_a_saved_page_answers_in_both_themes(saved, open_page, state, maps, shots, theme, width):
    address, size = saved.as_uri(), {"width": width, "height": 1500}
    browser = ComponentPage(open_page(address, inside=address, viewport=size, color_scheme=theme))
    page = browser.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_map_is(browser, maps[1])
    browser.list.locator("option").nth(3).click()
    browser.settle()
    assert_map_is(browser, maps[3])
    browser.point_at(110, 62, maps.shape[1:])
    state.hovered = browser.probed()  # or the pinned pixel beside it
    height = state.model().max()
    np.testing.assert_allclose(
        browser.curve("model", state.axis), state.model(), atol=0.02 * height
    )
    for k, part in enumerate(state.parts()):
        np.testing.assert_allclose(browser.curve(k, state.axis), part, atol=0.01 * height)
    assert not page.get_by_role("checkbox", name="turned over").is_visible()
    page.screenshot(path=shots / f"browser-saved-{theme}-{width}.png", full_page=True)


def test_all_of_a_saved_page_is_of_what_is_chosen(saved, open_page, state, nmf, diamond, other):
    address = saved.as_uri()
    browser = ComponentPage(open_page(address, inside=address, viewport=TALL))
    page, both = browser.page, BrowserState(nmf, diamond, beside=other)
    partners, maps = both.partners(), both.partner_maps()
    for choose, k in [
        (lambda: browser.list.locator("option").nth(3).click(), 3),
        (lambda: browser.show("component 0"), 0),
        (lambda: (browser.stage.focus(), page.keyboard.press("PageUp")), 3),  # before the first
        (lambda: page.keyboard.press("PageUp"), 2),
    ]:
        choose()
        browser.settle(800)
        assert (browser.chosen(), browser.bold()) == (f"component {k}", k)
        assert_map_is(browser, state.maps[k])
        assert_map_is(browser, maps[k], 1, n_steps=127)
        page.get_by_text(f"component {partners[k].number} of PCA").first.wait_for()
        said = page.get_by_text("maps correlate by").inner_text()
        assert f"{partners[k].angle:.1f}° from component {k}" in said
        assert browser.map.locator(".caption").inner_text().startswith(f"component {k}: ")
    browser.point_at(110, 62, state.maps.shape[1:])
    state.hovered = browser.probed()
    height = state.model().max()  # no key has taken a part away
    np.testing.assert_allclose(
        browser.curve("model", state.axis), state.model(), atol=0.02 * height
    )


def test_what_is_hidden_on_a_saved_page_is_hidden_everywhere(saved, open_page, state):
    address = saved.as_uri()
    browser = ComponentPage(open_page(address, inside=address, viewport=TALL))
    browser.show("all together")
    browser.map.locator(".legend button", has_text="component 3").click()
    browser.settle()
    assert "component 3 (hidden)" in browser.list.inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "component 3" not in browser.words()
    assert browser.spectra.locator("path.line").nth(3).is_hidden()
    assert browser.spectrum.locator("path.line").nth(4).is_hidden()


def test_a_page_of_a_book_shows_no_control_that_needs_python(
    nmf, diamond, tmp_path, open_page, state, shots
):
    path = tmp_path / "book.html"
    save_page(em.ComponentBrowser(nmf, diamond), path, title="not saved by the browser")
    browser = ComponentPage(open_page(path.as_uri(), inside=path.as_uri(), viewport=TALL))
    page = browser.page
    browser.settle(800)
    for role, n in [("checkbox", 0), ("textbox", 0), ("combobox", 1)]:  # which layer the map shows
        assert page.get_by_role(role).count() == n
    for name in ("move up", "Keep region", "Components as CSV"):
        assert page.get_by_role("button", name=name).count() == 0
    assert browser.map.get_by_role("button", name="Lasso").is_visible()
    assert page.get_by_role("button", name="Lasso").count() == 1
    browser.list.locator("option").nth(2).click()
    browser.settle()
    assert_map_is(browser, state.maps[2])
    page.screenshot(path=shots / "browser-in-a-book.png", full_page=True)
