"""The built book in a real browser: no kernel, no network, and its widgets answer all the same."""

from __future__ import annotations

import re
import shutil
import tomllib
from functools import partial
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import nbformat
import numpy as np
import pytest
from selector_page import SelectorPage
from stopwatch import paints_in_a_round

from endmember.widgets import RankState
from endmember.widgets.factors import STEP

ROOT = Path(__file__).parents[2]
LESSON = "04-how-many-components.html"
GALLERY = "widgets.html"
PAGES = ["index.html", LESSON, GALLERY, "search.html", "genindex.html"]
WAYS = ["served", "from a file", "by Sphinx alone"]
MOST_HTML, MOST_STATIC = 3e6, 8e6  # bytes: of a page, and of what all pages share


@pytest.fixture(scope="module")
def state(diamond):
    """The same selection in NumPy: what the page must show."""
    return RankState(diamond)


@pytest.fixture(params=WAYS)
def book(request, built_book):
    return built_book[request.param]


@pytest.fixture
def lesson(book, open_page):
    return SelectorPage(open_page(f"{book}/{LESSON}"))


def difference(selector, state):
    """Largest distance between the map on the page and the true one, in units of the map.

    What the page can know of a value: to half a shade, and to the steps of its scores.
    """
    low, high = selector.limits()
    shade = (high - low) / 255
    shown = low + (selector.shades() + 0.5) * shade
    true = state.residual_map().clip(low, high)
    return np.abs(shown - true), shade


@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_for_nothing_elsewhere_and_log_no_error(book, open_page, name, shots):
    page = open_page(f"{book}/{name}")  # which the fixture has watched
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    page.screenshot(path=shots / f"book-{name}.png", full_page=True)


def test_no_page_at_all_asks_for_anything_elsewhere(built_book, open_page):
    html = ROOT / "build" / "jupyter-book" / "_build" / "html"
    names = [path.relative_to(html).as_posix() for path in sorted(html.rglob("*.html"))]
    names = [name for name in names if not name.startswith("_")]
    assert len(names) > 30
    for name in names:
        page = open_page(f"{built_book['served']}/{name}", inside=built_book["served"])
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(800)
        assert page.locator("h1").count(), name
        page.context.close()


def test_pages_and_what_they_share_stay_small(built_book):
    for folder in ("build/jupyter-book/_build/html", "build/sphinx/html"):
        html = ROOT / folder
        for page in html.rglob("*.html"):
            assert page.stat().st_size < MOST_HTML
        shared = sum(p.stat().st_size for p in (html / "_static").rglob("*") if p.is_file())
        lesson = (html / LESSON).stat().st_size
        print(f"{folder}: _static {shared / 1e6:.2f} MB, {LESSON} {lesson / 1e6:.2f} MB")
        assert shared < MOST_STATIC


@pytest.mark.alone
@pytest.mark.parametrize("name", ["index.html", LESSON])
def test_the_first_widget_is_painted_soon(book, open_page, open_slider, name):
    load = partial(open_page, f"{book}/{name}")
    assert paints_in_a_round(f"{name}, {book}", load, open_slider)


def test_dragging_the_rank_paints_what_it_leaves(lesson, state):
    for rank in (1, 2, 3):
        lesson.drag_handle(rank)
        assert lesson.shown_rank() == rank
        assert f"residual at rank {rank}: what components {rank + 1} to 16" in lesson.caption()
        assert f"em.PCA({rank}," in lesson.code()
        state.rank = rank
        away, shade = difference(lesson, state)
        # Scores are known to half a step: a residual of r, a mean square, to about sqrt(r) steps.
        allowed = shade + STEP * np.sqrt(state.residual_map()) + STEP**2
        assert (away <= allowed).all()
        assert away.mean() < 0.02  # a fiftieth of the noise


def test_ranks_beyond_the_noise_edge_look_like_noise(lesson, state):
    lesson.type_rank(9)
    state.rank = 9
    low, high = lesson.limits()
    shown = low + (lesson.shades() + 0.5) * (high - low) / 255
    assert shown.mean() == pytest.approx(state.residual_map().clip(low, high).mean(), rel=0.03)


def test_the_residual_in_all_channels_needs_no_kernel(lesson, state):
    lesson.page.get_by_label("residual in").select_option("all channels")
    lesson.drag_handle(2)
    state.rank, state.residual = 2, "all"
    try:
        away, shade = difference(lesson, state)
    finally:
        state.residual = "leading"
    assert "all channels" in lesson.caption()
    assert np.quantile(away, 0.999) < 0.01 + shade


@pytest.mark.parametrize("pixel", [(110, 62), (20, 30)])
def test_the_model_of_any_pixel_and_its_counts_where_the_page_has_them(lesson, state, pixel):
    lesson.drag_handle(3)
    lesson.point_at(*pixel, state.shape)
    lesson.settle()
    state.rank, state.hovered = 3, pixel
    axis = state.image.axis
    assert f"row {pixel[0]}, column {pixel[1]}:" in lesson.readout()
    model = state.model()
    state.hovered = None
    np.testing.assert_allclose(lesson.curve("model", axis), model, atol=0.01 * model.max() + 0.02)
    assert "counts need a kernel" in lesson.readout()
    assert lesson.curve("counts", axis).size == 0


def test_pinned_pixels_have_their_raw_counts(lesson, state):
    pixels, counts = state.pins()
    assert lesson.page.locator(".endmember-map .pin").count() == len(pixels) == 12
    for pixel, expected in list(zip(pixels, counts, strict=True))[:4]:
        row, column = pixel
        inside = [min(max(i, 1), n - 2) for i, n in zip(pixel, state.shape, strict=True)]
        lesson.point_at(inside[0] - 1, inside[1] + 1, state.shape)  # beside it: it takes hold
        lesson.settle(200)
        assert f"row {row}, column {column}:" in lesson.readout()
        assert "counts need" not in lesson.readout()
        np.testing.assert_allclose(lesson.curve("counts", state.image.axis), expected, atol=0.01)


def test_keys_answer_as_in_a_notebook(lesson):
    lesson.map.focus()
    for key in ["PageDown", "PageDown", "ArrowUp", "Shift+ArrowRight"]:
        lesson.page.keyboard.press(key)
    lesson.settle()
    assert lesson.shown_rank() == 2
    assert "row 99, column 110" in lesson.readout()


def test_a_key_leads_from_one_pinned_pixel_to_the_next(lesson, state):
    pins = sorted(state.pins()[0])
    lesson.map.focus()
    at = pins.index(tuple(state.pixel))
    for step in (1, 2):
        lesson.page.keyboard.press("n")
        row, column = pins[(at + step) % len(pins)]
        assert f"row {row}, column {column}:" in lesson.readout()
        lesson.settle(200)
        assert "counts need" not in lesson.readout()


def test_without_javascript_the_page_says_so(built_book):
    for name, expected in [(LESSON, 1), ("index.html", 1), (GALLERY, 1), ("search.html", 0)]:
        page = (ROOT / "build" / "sphinx" / "html" / name).read_text(encoding="utf-8")
        said = re.findall(r"<noscript>.*widgets on this page need JavaScript.*</noscript>", page)
        assert len(said) == expected


def test_every_widget_of_the_gallery_answers_to_a_mouse(book, open_page):
    page = open_page(f"{book}/{GALLERY}")
    captions = page.locator(".endmember-map .caption")
    for name, value, said in [("rank", "3", "residual at rank 3"), ("clusters", "3", "3 clusters")]:
        number = page.get_by_role("spinbutton", name=name, exact=True)
        number.fill(value)
        number.press("Enter")
        captions.filter(has_text=said).wait_for(timeout=5_000)
    chosen = page.get_by_role("listbox", name="component")
    chosen.scroll_into_view_if_needed()
    box = chosen.bounding_box()
    page.mouse.click(box["x"] + 30, box["y"] + box["height"] * 0.8)  # the last of three
    captions.filter(has_text="component 2: what each pixel holds").wait_for(timeout=5_000)


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_gallery_shows_pictures_in_the_theme_of_the_page(book, open_page, scheme, other, shots):
    page = open_page(f"{book}/{GALLERY}", color_scheme=scheme)
    for name in ("rank-selector", "component-browser", "cluster-tuner"):
        shown = page.locator(f"img[src*='{name}-{scheme}']")
        shown.scroll_into_view_if_needed()
        assert shown.evaluate("image => image.complete && image.naturalWidth") > 800
        assert not page.locator(f"img[src*='{name}-{other}']").is_visible()
    page.screenshot(path=shots / f"gallery-{scheme}.png", full_page=True)


def test_what_needs_python_says_so(lesson):
    scaling = lesson.page.get_by_label("noise scaling (needs Python)")
    assert scaling.is_disabled()
    note = lesson.page.locator(".endmember-map .note").inner_text()
    assert "No kernel here: counts are at the 12 marked pixels" in note


def test_a_selector_has_neither_gaps_nor_bars_of_its_own(lesson):
    """The title is followed by the controls; nothing but the page itself is scrolled."""
    output = lesson.page.locator(".cell_output:has(.endmember-map)").first
    title, rank = output.locator("b").first, output.locator(".widget-text").first
    gap = rank.bounding_box()["y"] - title.bounding_box()["y"] - title.bounding_box()["height"]
    assert gap < 24
    scrolled = """output => [...output.querySelectorAll("*")]
      .filter((part) => getComputedStyle(part).overflowY === "auto")
      .filter((part) => part.scrollHeight > part.clientHeight)
      .map((part) => part.className)"""
    assert output.evaluate(scrolled) == []


def test_the_quiz_marks_and_remembers(book, open_page, shots):
    page = open_page(f"{book}/{LESSON}")
    quiz = page.locator(".endmember-quiz")
    question = quiz.locator("fieldset").nth(1)
    question.get_by_text("on the dose").click()
    assert "The dose moves the eigenvalues" in question.inner_text()
    assert quiz.locator(".score").inner_text().startswith("0 of 5 right")
    question.get_by_text("on how many pixels and channels there are").click()
    assert quiz.locator(".score").inner_text().startswith("1 of 5 right")
    quiz.screenshot(path=shots / "book-quiz.png")
    page.reload()
    quiz.wait_for()
    assert quiz.locator(".score").inner_text().startswith("1 of 5 right")
    assert question.get_by_label("on how many pixels and channels there are").is_checked()


def test_solutions_are_hidden_until_they_are_asked_for(book, open_page):
    page = open_page(f"{book}/{LESSON}")
    assert page.locator(".exercise").count() == page.locator(".solution").count() == 3
    answer = page.locator(".solution .output", has_text="component 4 is strongest at")
    page.locator(".solution.toggle-hidden").first.wait_for()
    assert not answer.is_visible()
    page.locator(".solution").first.get_by_role("button").click()
    answer.wait_for(state="visible")
    assert page.get_by_text("about four pulses in one pixel").is_visible()
    assert not page.get_by_text("The weakest component drowns first").is_visible()


def test_search_works_offline(book, open_page):
    page = open_page(f"{book}/search.html?q=strobe")
    found = page.locator("#search-results a", has_text="How many components?")
    found.first.wait_for()
    found.first.click()
    page.wait_for_url("**/04-how-many-components.html*")


def test_a_lesson_can_be_launched_and_downloaded(book, open_page, tmp_path):
    page = open_page(f"{book}/{LESSON}")
    launch = page.locator("a[href*='urlpath=lab/tree/course/04-how-many-components.md']")
    address = launch.first.get_attribute("href")
    assert address.startswith("https://mybinder.org/v2/gh/")
    page.locator(".dropdown-download-buttons button").first.click()
    link = page.locator("a[href$='04-how-many-components.ipynb']").first
    if book.startswith("file:"):  # which the browser opens, since it is on this machine already
        saved = Path(url2pathname(urlparse(f"{book}/{link.get_attribute('href')}").path))
    else:
        with page.expect_download() as download:
            link.click()
        saved = tmp_path / "lesson.ipynb"
        download.value.save_as(saved)
    notebook = nbformat.read(saved, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata


def test_a_page_without_its_folder_says_what_is_missing(built_book, chromium, tmp_path, shots):
    shutil.copy(ROOT / "build" / "jupyter-book" / "_build" / "html" / LESSON, tmp_path)
    page = chromium.new_page()  # errors are expected
    page.goto((tmp_path / LESSON).as_uri())
    notices = page.get_by_role("alert")
    notices.first.wait_for()
    assert notices.count() == 2  # the selector and the quiz
    assert "_static/widgets/embed-amd.js" in notices.first.inner_text()
    assert "beside the folder _static" in notices.first.inner_text()
    page.screenshot(path=shots / "book-without-static.png")
    page.close()


def luminance(color):
    parts = np.array([float(v) for v in color[color.index("(") + 1 : -1].split(",")[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


READ_COLORS = """selector => [...document.querySelectorAll(selector)].map(element => {
  let behind = element;
  while (behind && /rgba\\(|transparent/.test(getComputedStyle(behind).backgroundColor))
    behind = behind.parentElement;
  const style = getComputedStyle(element);
  return [element instanceof SVGElement ? style.fill : style.color,
          behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)'];
})"""

WORDS = [
    ".endmember-map .caption",
    ".endmember-map .readout",
    ".endmember-map .unit",
    ".endmember-figure text.axislabel",
    ".endmember-figure .axis .tick text",
    ".endmember-figure text.label",
    ".endmember-figure text.legendtext",
    ".jupyter-widgets .widget-label",
    ".endmember-quiz legend",
    ".endmember-quiz .words",
    ".endmember-quiz .score",
    ".bd-article p",
]


@pytest.mark.parametrize("width", [1300, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_readable_in_both_themes_and_narrow(built_book, open_page, theme, width, shots):
    viewport = {"width": width, "height": 1000}
    page = open_page(f"{built_book['served']}/{LESSON}", color_scheme=theme, viewport=viewport)
    selector = SelectorPage(page)
    for words in WORDS:
        colors = page.evaluate(READ_COLORS, words)
        assert colors, words
        for ink, paper in colors:
            light, dark = sorted([luminance(ink), luminance(paper)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ink, paper)  # WCAG 2, level AA
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in (selector.map, selector.scree, selector.spectrum, page.locator(".endmember-quiz")):
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    selector.drag_handle(2)
    assert selector.shown_rank() == 2
    page.screenshot(path=shots / f"book-{theme}-{width}.png", full_page=True)


def test_the_launch_address_is_the_one_that_is_set(built_book):
    page = (ROOT / "build" / "sphinx" / "html" / LESSON).read_text(encoding="utf-8")
    launch = tomllib.loads((ROOT / "binder" / "launch.toml").read_text(encoding="utf-8"))
    repository = urlparse(launch["repository"]).path.strip("/")
    assert f"{launch['binderhub']}/v2/gh/{repository}/{launch['branch']}?urlpath=" in page
