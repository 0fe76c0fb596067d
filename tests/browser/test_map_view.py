"""Maps on the canvas: the right way up, in their colours, with tools that answer."""

import re

import ipywidgets as ipw
import matplotlib.image
import numpy as np
import pytest
from map_page import MapPage, show_saved
from matplotlib.path import Path
from selector_page import READ_MAP, read_colors

from endmember.widgets import MapView
from endmember.widgets.regions import mask_of

SHOW = """
import numpy as np
from endmember.widgets import MapView
values = np.arange(12.0).reshape(3, 4)
values[1, 2] = np.nan
MapView(values, caption="a ramp", unit="counts", colors="cividis")
"""


def test_a_map_is_the_right_way_up_and_says_its_values(lab, page, shots):
    lab.run(page, SHOW)
    stage = page.locator(".endmember-map .stage")
    stage.wait_for()
    shown = page.evaluate(READ_MAP)
    bar = read_colors(shown["bar"])[::-1]  # from the lowest value up
    pixels = np.array(read_colors(shown["map"])).reshape(3, 4)
    rising = [bar.index(color) for color in pixels.ravel() if color in bar]
    assert len(rising) == 11  # all but the hidden one, which is a veil of no colour
    assert rising == sorted(rising)
    assert (rising[0], rising[-1]) == (0, 255)
    box = stage.bounding_box()
    readout = page.locator(".endmember-map .readout")
    for row, column, value in [
        (0, 0, "0 counts"),
        (0, 3, "3 counts"),
        (2, 0, "8 counts"),
        (1, 2, "left out"),
    ]:
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / 4, box["y"] + (row + 0.5) * box["height"] / 3
        )
        page.wait_for_timeout(100)
        assert readout.inner_text() == f"row {row}, column {column}: {value}"
    page.screenshot(path=shots / "map-view.png")


# without a kernel


@pytest.fixture
def show(open_page, tmp_path):
    """How a test shows views on a page of their own."""

    def show_(*views, **settings):
        return show_saved(open_page, tmp_path, ipw.VBox(views), **settings)

    return show_


def corner_labels():
    """A map that is not square, with one corner marked and one pixel hidden."""
    labels = np.ones((4, 7), dtype=int)
    labels[0, 6], labels[3, 0], labels[2, 5] = 0, 2, -1
    return labels


def test_labels_are_painted_in_their_colours_and_named(show):
    palette = ["#ff0000", "#00ff00", "#0000ff"]
    labels = corner_labels()
    shown = show(MapView(labels=labels, palette=palette, names=["one", "<b>two</b>", "three"]))
    pixels = shown.pixels()
    expected = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])[labels]
    np.testing.assert_array_equal(pixels[labels >= 0, :3], expected[labels >= 0])
    assert pixels[2, 5, 3] < 255
    for row, column, name in [(0, 6, "one"), (3, 0, "three"), (0, 0, "<b>two</b>")]:
        shown.page.mouse.move(*shown.at(row, column, labels.shape))
        shown.page.wait_for_timeout(100)
        assert shown.text("readout") == f"row {row}, column {column}: {name}"
    assert shown.text("legend").split() == ["one", "<b>two</b>", "three"]
    assert not shown.root.locator(".bar").is_visible()


def composite():
    """Two maps of 0 and 1 that overlap in one corner; one pixel is hidden in both."""
    maps = np.zeros((2, 2, 3))
    maps[0, 0], maps[1, :, 2] = 1, 1
    maps[:, 1, 0] = np.nan
    colors = ["#c80a00", "#64c8ff"]
    return MapView(
        layers={"maps": maps, "names": ["Fe", "Mg"], "colors": colors, "lows": [0, 0]},
        percentiles=(0, 100),
    )


def test_the_colours_of_a_composite_add_up(show):
    shown = show(composite())
    pixels = shown.pixels()
    assert pixels[..., :3].tolist()[0] == [[200, 10, 0], [200, 10, 0], [255, 210, 255]]
    assert pixels[1, 1:, :3].tolist() == [[0, 0, 0], [100, 200, 255]]
    assert pixels[1, 0, 3] < 255
    shown.page.mouse.move(*shown.at(0, 1, (2, 3)))
    shown.page.wait_for_timeout(100)
    assert shown.text("readout").endswith("row 0, column 1: Fe 1, Mg 0")


def test_layers_are_hidden_and_shown_alone_by_keyboard(show):
    shown = show(composite())
    shown.button("Fe").focus()
    shown.press("Space")
    assert shown.button("Fe").get_attribute("aria-pressed") == "false"
    assert shown.pixels()[0, :, :3].tolist() == [[0, 0, 0], [0, 0, 0], [100, 200, 255]]
    shown.press("Enter")
    assert shown.pixels()[0, 0, :3].tolist() == [200, 10, 0]
    shown.root.get_by_label("show").select_option("Mg")
    shown.page.wait_for_timeout(100)
    low, high = (shown.pixels(".bar canvas")[i, 0].tolist() for i in (-1, 0))
    assert shown.pixels()[0].tolist() == [low, low, high]
    shown.root.get_by_label("show").select_option("all together")
    shown.page.wait_for_timeout(100)
    assert shown.pixels()[0, 2, :3].tolist() == [255, 210, 255]


def test_a_rectangle_holds_the_pixels_it_was_drawn_over(show):
    shape = (9, 14)
    shown = show(MapView(np.arange(126.0).reshape(shape)))
    shown.button("Rectangle").click()
    shown.drag([(6.3, 11.4), (2.4, 3.6)], shape)  # from pixel (6, 11) back to pixel (2, 4)
    assert shown.text("status") == "rectangle: 40 pixels"
    over = shown.pixels(".over")
    unit = [over.shape[i] / shape[i] for i in (0, 1)]
    sides = over[[round(2 * unit[0]), round(7 * unit[0]) - 1], round(8 * unit[1])]
    assert (sides[:, 3] > 0).all()
    assert over[round(4.5 * unit[0]), round(8 * unit[1]), 3] == 0
    shown.press("Escape")
    assert shown.text("status") == ""
    assert not shown.pixels(".over").any()


def test_a_line_is_drawn_by_mouse_and_made_wider(show):
    shape = (9, 14)
    view = MapView(np.zeros(shape), pixel_size={"size": 0.5, "unit": "µm"})
    shown = show(view)
    shown.button("Line").click()
    shown.drag([(7.2, 1.9), (1.3, 9.6)], shape)  # from pixel (7, 2) to pixel (1, 10)
    line = {"kind": "line", "points": [[7, 2], [1, 10]]}
    n_pixels = mask_of(line, shape).sum()
    assert shown.text("status") == f"line: {n_pixels} pixels, 5 µm long"
    over = shown.pixels(".over")
    unit = [over.shape[i] / shape[i] for i in (0, 1)]
    inked = [over[round((r + 0.5) * unit[0]), round((c + 0.5) * unit[1]), 3] for r, c in
             [(4, 6), (5.5, 4), (3, 3), (1, 2)]]  # fmt: skip
    assert np.array_equal(np.array(inked) > 0, [True, True, False, False])
    width = shown.root.get_by_role("spinbutton", name="width")
    width.fill("3")
    width.press("Enter")
    n_pixels = mask_of({**line, "width": 3}, shape).sum()
    assert shown.text("status") == f"line: {n_pixels} pixels, 5 µm long"
    width.fill("1.5")
    width.press("Enter")
    assert shown.text("status").startswith("Give a whole number of pixels, from 1 up")
    shown.page.wait_for_timeout(100)


@pytest.mark.parametrize("seed", range(3))
def test_the_page_counts_the_pixels_of_a_line_as_python_does(show, seed):
    rng = np.random.default_rng(seed)
    views, shape = [], (12, 17)
    for width in (1, 2, 3, 5):
        for _ in range(4):
            points = rng.uniform(-2, 18, size=(2, 2)).round(rng.integers(0, 3)).tolist()
            region = {"kind": "line", "points": points, "width": width}
            views.append(MapView(np.zeros(shape), region=region))
    shown = show(*views)
    found = shown.page.locator(".endmember-map .status").all_inner_texts()
    expected = [f"line: {view.mask().sum()} pixel" for view in views]
    assert [text.split(",")[0].removesuffix("s") for text in found] == expected


def test_a_click_with_a_tool_in_hand_chooses_the_pixel(show):
    shown = show(MapView(np.zeros((9, 14))))
    shown.button("Lasso").click()
    shown.page.mouse.click(*shown.at(5, 12, (9, 14)))
    shown.page.mouse.move(5, 5)
    shown.page.wait_for_timeout(100)
    assert shown.text("readout") == "row 5, column 12: 0"
    assert shown.text("status") == ""


def test_tools_and_regions_answer_to_the_keyboard(show):
    shown = show(MapView(np.zeros((9, 14))))
    shown.page.keyboard.press("Tab")
    assert shown.stage.evaluate("stage => stage === document.activeElement")
    shown.press("r", "ArrowDown", "ArrowRight", "Enter", "ArrowDown", "ArrowRight", "ArrowRight")
    assert shown.button("Rectangle").get_attribute("aria-pressed") == "true"
    shown.press("Enter")
    assert shown.text("status") == "rectangle: 6 pixels"
    assert shown.text("spoken") == "rectangle: 6 pixels"
    assert shown.text("readout") == "row 2, column 3: 0"
    shown.press("i", "Enter", "Enter")  # a line needs two ends
    assert shown.text("status") == "rectangle: 6 pixels"
    shown.press("Enter", *["ArrowDown"] * 3, "Shift+ArrowRight", "ArrowLeft", "Enter")
    line = {"kind": "line", "points": [[2, 3], [5, 12]]}
    words = f"line: {mask_of(line, (9, 14)).sum()} pixels, 9.49 pixels long"
    assert (shown.text("status"), shown.text("spoken")) == (words, words)
    shown.press(*["ArrowUp"] * 3, *["ArrowLeft"] * 9)
    shown.press("l", "Enter", *["ArrowDown"] * 4, "Enter", *["ArrowRight"] * 4, "Enter", "Enter")
    triangle = {"kind": "lasso", "points": [[2, 3], [6, 3], [6, 7]]}
    assert shown.text("status") == f"lasso: {mask_of(triangle, (9, 14)).sum()} pixels"
    shown.press("Escape")
    assert shown.text("spoken") == "no region"
    shown.press("Tab", "Tab", "Tab", "Space")  # past the ends of the colour bar
    assert shown.button("Point").get_attribute("aria-pressed") == "true"
    shown.press("Tab", "Enter")
    assert shown.button("Rectangle").get_attribute("aria-pressed") == "true"


def test_every_control_has_a_name(show):
    shown = show(composite(), MapView(np.zeros((9, 14)), region=RECTANGLE))
    MapPage(shown.page, 1).button("Contrast").click()
    controls = shown.page.locator(".endmember-map :is(button, select, input):visible")
    names = controls.evaluate_all("all => all.map(c => c.labels?.[0]?.innerText || c.innerText)")
    assert len(names) > 15
    assert all(name.strip() for name in names)


RECTANGLE = {"kind": "rectangle", "points": [[0, 0], [2, 2]]}


def test_contrast_follows_the_boxes_and_can_be_held(show):
    values = np.arange(1.0, 13.0).reshape(3, 4)
    shown = show(MapView(values, percentiles=(0, 100)))
    shown.button("Contrast").click()
    low, high = (shown.root.get_by_role("spinbutton", name=name) for name in ("from", "to"))
    assert (low.input_value(), high.input_value()) == ("1", "12")
    low.fill("4")
    low.press("Enter")
    high.fill("8")
    high.press("Enter")
    shown.page.wait_for_timeout(100)
    assert shades_of(shown).tolist() == expected_shades(values, 4, 8).tolist()
    hold = shown.button("Hold")
    assert hold.get_attribute("aria-pressed") == "true"
    high.fill("2")
    high.press("Enter")
    assert shown.text("status") == "Give two numbers, the second higher; the old ones stay."
    hold.click()
    assert (low.input_value(), high.input_value()) == ("1", "12")
    shown.root.get_by_label("scale").select_option("log")
    shown.page.wait_for_timeout(100)
    expected = expected_shades(np.log(values), 0, np.log(12))
    assert np.abs(shades_of(shown) - expected).max() <= 1  # of 255, by float32


def shades_of(shown):
    """Index of each pixel's colour in the colour bar, from its lowest value up."""
    bar = shown.pixels(".bar canvas")[::-1, 0].tolist()
    pixels = shown.pixels()
    return np.array([bar.index(c) for c in pixels.reshape(-1, 4).tolist()]).reshape(
        pixels.shape[:2]
    )


def expected_shades(values, low, high):
    return np.clip((values - low) * 255 / (high - low), 0, 255).astype(int)


def test_the_veil_spares_what_stands_out(show):
    view = MapView(np.zeros((9, 14)))
    mask = np.zeros((9, 14), dtype=bool)
    mask[0, 12], mask[5:7, 1:4] = True, True
    view.set_highlight(mask)
    veil = show(view).pixels(".veil")
    np.testing.assert_array_equal(veil[..., 3] == 0, mask)


def test_a_large_map_is_painted_in_means_and_probed_in_full(show):
    rows, columns = 1101, 2047
    values = np.random.default_rng(0).uniform(size=(rows, columns))
    values[:2, :2] = np.nan
    values[1100, 2045] = 7.0
    shown = show(MapView(values, limits=(0, 1)), viewport={"width": 1300, "height": 1100})
    pad = np.pad(values, ((0, 1), (0, 1)), constant_values=np.nan).reshape(551, 2, 1024, 2)
    count = np.isfinite(pad).sum(axis=(1, 3))
    means = np.nansum(pad, axis=(1, 3)) / np.maximum(count, 1)
    assert shown.pixels().shape == (551, 1024, 4)
    assert shown.pixels()[0, 0, 3] < 255
    bar = {tuple(c): i for i, c in enumerate(shown.pixels(".bar canvas")[::-1, 0].tolist())}
    found = np.array([bar.get(tuple(c), -1) for c in shown.pixels().reshape(-1, 4).tolist()])
    expected = expected_shades(means, 0, 1)
    away = np.abs(found.reshape(551, 1024) - expected)[count > 0]
    assert away.max() <= 2  # of 255: float32, and neighbouring shades of the same colour
    shown.stage.focus()
    shown.press(*["Shift+ArrowDown"] * 111, *["Shift+ArrowRight"] * 205, "ArrowLeft")
    assert shown.text("readout") == "row 1100, column 2045: 7"


def test_a_copy_is_a_picture_of_the_map(show, tmp_path):
    shown = show(MapView(labels=corner_labels(), palette=["#ff0000", "#00ff00", "#0000ff"]))
    shown.page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(); }")
    with shown.page.expect_download() as download:
        shown.button("Copy as PNG").click()
    download.value.save_as(tmp_path / "copy.png")
    picture = (255 * matplotlib.image.imread(tmp_path / "copy.png")[..., :3]).round()
    box = shown.stage.bounding_box()
    top, left = 30, 10  # below a line of text, inside a margin
    pixel = [box["height"] / 4, box["width"] / 7]
    for row, column, color in [(0, 6, [255, 0, 0]), (3, 0, [0, 0, 255]), (1, 2, [0, 255, 0])]:
        y, x = top + (row + 0.5) * pixel[0], left + (column + 0.5) * pixel[1]
        assert picture[round(y), round(x)].tolist() == color
    shown.page.evaluate(
        "() => { navigator.clipboard.write = async (items) => { window.held = items; }; }"
    )
    shown.button("Copy as PNG").click()
    shown.page.wait_for_function("window.held?.[0].types[0] === 'image/png'")
    assert shown.text("status") == "Copied."


COLORS = """all => all.map(element => {
  let behind = element;
  const see = e => getComputedStyle(e).backgroundColor;
  while (behind.parentElement && /, 0\\)$/.test(see(behind))) behind = behind.parentElement;
  const style = getComputedStyle(element);
  const numbers = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  return [numbers(style.color), numbers(see(behind)), numbers(style.borderTopColor)];
})"""


def luminance(colors):
    """Relative luminance of sRGB colours, by WCAG 2.2."""
    parts = np.asarray(colors) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = np.sort([luminance(one), luminance(other)], axis=0)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_screen_in_both_themes(show, shots, theme):
    labels = np.arange(48 * 64).reshape(48, 64) // 400
    plain = MapView(np.hypot(*np.mgrid[:48, :64]), unit="counts", region=RECTANGLE)
    plain.pixel_size = {"size": 0.25, "unit": "µm"}
    shown = show(
        MapView(labels=labels, caption="phases"),
        composite(),
        plain,
        MapView([[1.0]], caption="one pixel"),
        viewport={"width": 400, "height": 900},
        color_scheme=theme,
    )
    MapPage(shown.page, 2).button("Contrast").click()
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 400
    shown.page.screenshot(path=shots / f"maps-{theme}-400.png", full_page=True)
    words = shown.page.locator(
        ".endmember-map :is(button, select, input, label, li, .readout, .caption, .status):visible"
    )
    text, paper, _ = np.moveaxis(words.evaluate_all(COLORS), 1, 0)
    assert len(text) > 40
    assert contrast(text, paper).min() >= 4.5  # WCAG AA, for text
    unfilled = ':not([aria-pressed="true"]):not([aria-expanded="true"])'
    boxes = shown.page.locator(f".endmember-map :is(button, select, input){unfilled}:visible")
    _, paper, edge = np.moveaxis(boxes.evaluate_all(COLORS), 1, 0)
    assert contrast(edge, paper).min() >= 3  # and for the edges of controls


# with a kernel

SHARE = """
import ipywidgets as ipw
import numpy as np
from endmember.widgets import MapView
view = MapView(np.arange(126.0).reshape(9, 14))
heard = ipw.HTML()
def hear(_=None):
    heard.value = "heard " + "".join("01"[int(i)] for i in view.mask().ravel()) + " " + view.tool
view.observe(hear, ["region", "tool"])
ipw.VBox([view, heard])
"""


def heard(page):
    text = page.locator("text=/heard [01]+/").last.inner_text()
    bits, tool = re.search(r"heard ([01]+) (\w+)", text).groups()
    return np.array(list(bits)).reshape(9, 14) == "1", tool


def test_python_finds_the_pixels_inside_what_was_drawn(lab, page, shots):
    shape, centres = (9, 14), np.argwhere(np.ones((9, 14)))
    lab.run(page, SHARE)
    shown = MapPage(page)
    shown.button("Lasso").click()
    corners = [(0.6, 2.3), (7.4, 1.6), (6.7, 11.4), (3.3, 6.6), (0.2, 12.4)]
    shown.drag(corners, shape)
    page.wait_for_timeout(300)
    mask, tool = heard(page)
    path = Path([*corners, corners[0]], closed=True)
    sure = path.contains_points(centres, radius=0.1) == path.contains_points(centres, radius=-0.1)
    expected = path.contains_points(centres).reshape(shape)
    assert tool == "lasso"
    assert sure.mean() > 0.9  # the others lie on the line, which was drawn in steps
    np.testing.assert_array_equal(mask.ravel()[sure], expected.ravel()[sure])
    assert shown.text("status") == f"lasso: {mask.sum()} pixels"
    shown.stage.focus()
    shown.press("r")
    shown.drag([(1, 3), (4, 5)], shape)
    page.wait_for_timeout(300)
    expected = np.zeros(shape, dtype=bool)
    expected[1:5, 3:6] = True
    np.testing.assert_array_equal(heard(page)[0], expected)
    page.screenshot(path=shots / "map-regions.png")
    shown.button("Clear region").click()
    page.wait_for_timeout(300)
    assert not heard(page)[0].any()


FROM_PYTHON = """
view.region = {"kind": "rectangle", "points": [[1, 2], [3, 5]]}
view.set_labels(np.eye(9, 14, dtype=int), ["#ff0000", "#0000ff"], ["off", "on"])
view.tool = "lasso"
"""
AGAIN = """
import time
box, go, done = ipw.VBox([view]), ipw.Button(description="again"), ipw.HTML()
def again(_):
    for _ in range(20):
        box.children = ()
        time.sleep(0.05)
        box.children = (view,)
        time.sleep(0.05)
    done.value += "<i>done</i>"
go.on_click(again)
ipw.VBox([box, go, done])
"""


def test_what_python_sets_is_shown_in_every_view(lab, page):
    lab.run(page, SHARE, "view", FROM_PYTHON)
    for which in (0, 1):
        shown = MapPage(page, which)
        assert shown.text("status") == "rectangle: 12 pixels"
        assert shown.button("Lasso").get_attribute("aria-pressed") == "true"
        expected = np.where(np.eye(9, 14)[..., None] > 0, [0, 0, 255], [255, 0, 0])
        np.testing.assert_array_equal(shown.pixels()[..., :3], expected)


def test_a_view_that_is_gone_leaves_nothing(lab, page):
    """Chromium counts what lives on after its rubbish is collected."""

    def alive():
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
            page.wait_for_timeout(100)
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return np.array([metrics["JSEventListeners"], metrics["Nodes"]])

    def settled():
        """Wait until no more go: on a busy machine the last views take their time to leave."""
        before = alive()
        for _ in range(20):
            page.wait_for_timeout(500)
            now = alive()
            if (now >= before).all():
                break
            before = now
        return np.minimum(before, now)

    lab.run(page, "import ipywidgets as ipw", SHARE.replace("ipw.VBox([view, heard])", ""), AGAIN)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    counts = []
    for times in (1, 2, 3):
        page.get_by_role("button", name="again").click()
        page.wait_for_function(f"document.querySelectorAll('i').length >= {times}")
        page.wait_for_timeout(500)
        counts.append(settled())
    grown = counts[2] - counts[1]
    print(f"after 20 views more: {grown[0]} listeners, {grown[1]} nodes")
    assert grown[0] < 5  # a view has more than 20
    assert grown[1] <= 3 * 20  # empty elements of anywidget's own, which ours were in


LARGE = """
import numpy as np
from endmember.widgets import MapView
large = MapView(np.zeros((2048, 2048)))
large
"""


def test_a_large_map_can_be_replaced(lab, page):
    """Servers of notebooks drop messages that are too much at once."""
    lab.run(page, LARGE, "large.set_values(np.linspace(0, 1, 2048**2).reshape(2048, 2048))")
    page.wait_for_timeout(1000)
    shown = MapPage(page)
    shown.page.mouse.move(*shown.at(1536, 1024, (2048, 2048)))
    shown.page.wait_for_timeout(200)
    place, value = shown.text("readout").split(": ")
    row, column = (int(n) for n in re.findall(r"\d+", place))
    assert float(value) == pytest.approx((row * 2048 + column) / 2048**2, abs=1e-3)
