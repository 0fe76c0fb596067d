"""Every widget of every lesson, on a page of the book without a kernel, under a real mouse."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    path.stem
    for path in sorted((ROOT / "course").glob("*.md"))
    if path.stem[0].isdigit() or path.stem == "quickstart"
]
WIDGETS = ".cell_output:has(.endmember-map .stage)"
# Places of a map, in parts of its width and height: not all may lie on one phase.
PLACES = [(0.2, 0.3), (0.5, 0.55), (0.8, 0.7)]
MAP = "xpath=ancestor::*[contains(@class, 'endmember-map')][1]"
LOOK = """output => [
  output.innerText,
  ...[...output.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()),
  ...[...output.querySelectorAll("svg path, svg rect, svg text")].map((mark) =>
    [mark.getAttribute("d"), mark.getAttribute("transform"), mark.textContent].join()),
].join("|")"""


def look(output):
    """All that a widget shows: words, the pixels of its canvases, the shapes of its plots."""
    return hashlib.sha256(output.evaluate(LOOK).encode()).hexdigest()


def settled(output, page):
    """What a widget shows once it has come to rest."""
    before = None
    for _ in range(20):
        now = look(output)
        if now == before:
            return now
        before = now
        page.wait_for_timeout(150)
    return before


@pytest.fixture(params=PAGES)
def lesson(request, built_book, open_page):
    page = open_page(f"{built_book['served']}/{request.param}.html")
    page.locator(WIDGETS).first.wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)
    return page


def point(page, stage, across, down):
    """Move the mouse to a place of a map."""
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=3)
    page.wait_for_timeout(120)


def readings(page, stage):
    """What a map says of each place that is pointed at."""
    words = stage.locator(f"{MAP}//*[contains(@class, 'readout')]")
    found = []
    for place in PLACES:
        point(page, stage, *place)
        found.append(words.inner_text())
    page.mouse.move(2, 2)
    return found


def check_maps(lesson):
    """Every map tells of the place under the pointer."""
    stages = lesson.locator(f"{WIDGETS} .endmember-map .stage").all()
    assert stages
    for stage in stages:
        found = readings(lesson, stage)
        assert len(set(found)) == len(PLACES), found


CURVES = """output => [...output.querySelectorAll(".bqplot path, .bqplot g")]
  .map((mark) => [mark.getAttribute("d"), mark.getAttribute("transform")].join()).join("|")"""


def curves(page, output):
    """The curves of a widget while the pointer is at each of the places of its first map."""
    stage, drawn = output.locator(".endmember-map .stage").first, []
    for place in PLACES:
        point(page, stage, *place)
        page.wait_for_timeout(400)
        drawn.append(output.evaluate(CURVES))
    page.mouse.move(2, 2)
    return drawn


def check_curves(lesson):
    """Curves follow the pointer, but in lesson 3, whose widget is about eigenvalues."""
    outputs = lesson.locator(f"{WIDGETS}:has(.bqplot)").all()
    follow = [len(set(curves(lesson, output))) > 1 for output in outputs]
    assert any(follow) or "03-noise" in lesson.url


def drag(page, handle, base):
    """Drag the handle of a slider to the far end of it, or back where it is there already."""
    handle.scroll_into_view_if_needed()
    at, along = handle.bounding_box(), base.bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    is_left = x < along["x"] + along["width"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(along["x"] + (0.98 if is_left else 0.02) * along["width"], y, steps=6)
    page.mouse.up()
    page.mouse.move(2, 2)


def check_controls(lesson):
    """Every slider and every switch changes what is shown."""
    for output in lesson.locator(WIDGETS).all():
        for slider in output.locator(".noUi-base:visible").all():
            before = settled(output, lesson)
            drag(lesson, slider.locator(".noUi-handle"), slider)
            assert settled(output, lesson) != before
        switches = output.locator(".widget-toggle-button:visible:not([disabled]):not(.mod-active)")
        for name in dict.fromkeys(switches.all_inner_texts()):
            before = settled(output, lesson)
            output.get_by_role("button", name=name, exact=True).first.click()
            lesson.mouse.move(2, 2)
            assert settled(output, lesson) != before, name


def test_every_widget_of_a_lesson_answers_to_a_mouse(lesson):
    check_maps(lesson)
    check_curves(lesson)
    check_controls(lesson)


@pytest.mark.alone
@pytest.mark.parametrize("name", ["06-unmixing", "08-clusters"])
def test_a_slow_machine_shows_every_widget(built_book, open_page, name):
    """An eighth of this machine's speed: slow enough to outlast what widgets are given to start."""
    page = open_page(f"{built_book['served']}/search.html")
    page.wait_for_load_state("networkidle")
    slowed = page.context.new_cdp_session(page)
    slowed.send("Emulation.setCPUThrottlingRate", {"rate": 8})
    page.goto(f"{built_book['served']}/{name}.html")
    page.locator(WIDGETS).first.wait_for(timeout=90_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(5000)
    slowed.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.wait_for_timeout(2000)
    assert page.locator(".jupyter-widgets").count() > 20
    for stage in page.locator(f"{WIDGETS} .endmember-map .stage").all():
        assert len(set(readings(page, stage))) == len(PLACES)
