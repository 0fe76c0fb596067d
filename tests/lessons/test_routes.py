"""Routes through the course agree with its pages: minutes, sections, links and widgets."""

import re
from itertools import pairwise
from pathlib import Path

import jupytext
import pytest
import rsciio

import endmember as em

COURSE = Path(__file__).parents[2] / "course"
ROUTES, HALF_DAY = COURSE / "routes.md", COURSE / "half-day.md"
GUIDES = [ROUTES, HALF_DAY, COURSE / "your-own-data.md"]
LESSONS = {int(page.stem[:2]): page for page in sorted(COURSE.glob("[0-9]*.md"))}
LINK = re.compile(r"(?<!!)\[[^]]*\]\((?P<target>[^)\s]+)\)")
BREAKS = ("break", "lunch", "end")


def prose_of(page):
    cells = jupytext.read(page).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code_of(page):
    cells = jupytext.read(page).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def headings(page):
    return re.findall(r"^#{1,4} (.+?)\s*$", prose_of(page), flags=re.M)


def slug(heading):
    """As GitHub and MyST make the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page):
    """What a link may lead to: exercises lose their number on the page."""
    return {slug(heading) for heading in headings(page) if not heading.startswith("Exercise ")}


def sections(page):
    """The text under each heading of the second level."""
    _, *parts = re.split(r"^## (.+)$", prose_of(page), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(text):
    """The cells of every row of every table, without its head."""
    lines = re.findall(r"^\|(.+)\|$", text, flags=re.M)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    is_rule = [all(set(cell) <= set("-| ") for cell in row) for row in cells]
    heads = {i for i, _ in enumerate(cells) if i + 1 < len(cells) and is_rule[i + 1]}
    return [row for i, row in enumerate(cells) if i not in heads and not is_rule[i]]


def minutes_of(lesson):
    return int(re.search(r"\*\*Time\*\*:? (\d+) minutes", prose_of(lesson))[1])


def timed(text):
    """Rows of a timetable: when, how long, what."""
    found = [row for row in rows(text) if re.fullmatch(r"\d+:\d\d", row[0])]
    hours = [list(map(int, row[0].split(":"))) for row in found]
    starts = [60 * hour + minute for hour, minute in hours]
    return [(start, int(row[1]), row[2]) for start, row in zip(starts, found, strict=True)]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_or_a_heading(page):
    for target in (found["target"] for found in LINK.finditer(prose_of(page))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


def test_the_table_of_lessons_has_their_minutes_and_what_they_need():
    table = {int(row[0]): row for row in rows(sections(ROUTES)["The lessons"])}
    assert table.keys() == LESSONS.keys()
    for number, (_, link, minutes, needs, heart) in table.items():
        lesson = LESSONS[number]
        assert LINK.search(link)["target"] == lesson.name
        assert headings(lesson)[0].startswith(re.search(r"\[(.+?)\]", link)[1])
        assert int(minutes) == minutes_of(lesson)
        needed = re.search(r"\*\*You need\*\*(.+?)(?=\*\*Time)", prose_of(lesson), flags=re.S)[1]
        named = re.findall(r"lessons? \d[^.]*|\(0\d-", needed)
        named = {int(digit) for part in named for digit in re.findall(r"(?<!\w)0?(\d)", part)}
        assert set(map(int, re.findall(r"\d", needs))) == named
        for name in re.findall(r"`(\w+)`", heart):
            assert f"{name}(" in code_of(lesson), (number, name)


@pytest.mark.parametrize("page", [ROUTES, HALF_DAY], ids=lambda page: page.stem)
def test_in_a_timetable_each_entry_begins_where_the_last_one_ends(page):
    for section in sections(page).values():
        for table in re.split(r"\n\s*\n", section):
            entries = timed(table)
            for (start, minutes, _), (following, *_) in pairwise(entries):
                assert start + minutes == following, table


def test_the_half_day_adds_up():
    parts = sections(HALF_DAY)
    plan = timed(parts["The plan"])
    total = sum(minutes for _, minutes, _ in plan)
    said = int(re.search(r"takes (\d+) minutes", prose_of(HALF_DAY))[1])
    routes = {row[0]: row[1] for row in rows(prose_of(ROUTES))}
    assert total == said == int(routes["[Half a day](#half-a-day)"])
    for _, minutes, what in plan:
        found = re.match(r"\[Lesson (\d)\]", what)
        if found:
            table = rows(parts[f"Lesson {found[1]}, in {minutes} minutes"])
            assert sum(int(row[0]) for row in table) == minutes
        elif what.startswith("questions"):
            assert f"Questions, in {minutes} minutes" in parts


def test_the_half_day_takes_or_leaves_every_section_of_its_lessons():
    for title, text in sections(HALF_DAY).items():
        found = re.match(r"Lesson (\d), in", title)
        if not found:
            continue
        lesson = LESSONS[int(found[1])]
        taken = [row[1].strip("*") for row in rows(text)]
        assert taken[0] == "the beginning" or taken[0] in headings(lesson)
        for name in taken:
            assert name == "the beginning" or name in headings(lesson), (lesson.stem, name)
        left_out = re.search(r"^Left out: (.+?)\n\n", text, flags=re.M | re.S)[1]
        left_out = " ".join(left_out.split())
        numbers = re.search(r"exercises (\d) (?:to|and) (\d)", left_out)
        left = set(map(str, range(int(numbers[1]), int(numbers[2]) + 1))) if numbers else set()
        for heading in sections(lesson):
            number = re.match(r"Exercise (\d)", heading)
            is_left = heading in left_out or (number is not None and number[1] in left)
            if heading not in ("Quiz", "Take-away", "Take it home", "Further reading"):
                assert (heading in taken) != is_left, (lesson.stem, heading)
        for name in re.findall(r"`([A-Z]\w+[A-Z]\w+)`", text):
            assert f"{name}(" in code_of(lesson), (lesson.stem, name)


def test_what_the_routes_call_by_name_is_there():
    """Sections and exercises in italics, followed by the number of their lesson."""
    text = " ".join(prose_of(ROUTES).split())
    everywhere = {heading for lesson in LESSONS.values() for heading in headings(lesson)}
    named = re.findall(r"\*(Exercise \d: [^*]+)\*", text)
    named += re.findall(r"\*([^*]+)\*", re.search(r"When late on the first day.+?\(8\)", text)[0])
    quick = set(headings(COURSE / "quickstart.md"))
    assert len(named) > 10
    assert set(named) <= everywhere | quick, set(named) - everywhere - quick


def test_the_first_look_takes_the_minutes_of_its_page():
    quickstart = COURSE / "quickstart.md"
    entries = timed(sections(ROUTES)["45 minutes: a first look"])
    assert sum(minutes for _, minutes, _ in entries) == minutes_of(quickstart) == 45
    assert {what.strip("*") for _, _, what in entries} <= set(headings(quickstart))
    promised = re.search(r"\*\*Time\*\* 45 minutes: (.+)", prose_of(quickstart))[1]
    assert [minutes for _, minutes, _ in entries] == list(map(int, re.findall(r"\d+", promised)))


def test_two_days_are_eleven_to_twelve_hours_with_the_minutes_of_the_lessons():
    entries = timed(sections(ROUTES)["Two days"])
    work = [(minutes, what) for _, minutes, what in entries if what not in BREAKS]
    total = sum(minutes for minutes, _ in work)
    routes = {row[0]: row[1] for row in rows(prose_of(ROUTES))}
    assert total == int(routes["[Two days](#two-days)"])
    assert 11 * 60 <= total <= 12 * 60
    for minutes, what in work:
        found = re.match(r"lesson (\d+): ", what)
        if found and int(found[1]) in LESSONS:
            assert minutes == minutes_of(LESSONS[int(found[1])])


def test_every_file_ending_that_the_page_on_own_data_names_is_read():
    section = prose_of(COURSE / "your-own-data.md").split("### From a file")[1].split("### ")[0]
    named = re.findall(r"`\.(\w+)`", section.split("stand-in")[0])
    known = {ending for plugin in rsciio.IO_PLUGINS for ending in plugin["file_extensions"]}
    assert len(named) > 5
    assert set(named) <= known


def test_specimens_and_files_that_the_routes_name_are_there():
    text = prose_of(ROUTES) + prose_of(HALF_DAY)
    for name in re.findall(r'em\.datasets\.load\("(\w+)"', text):
        assert name in em.datasets.names()
    for name in ("binder/launch.toml", "binder"):
        assert f"`{name}`" in text
        assert (COURSE.parent / name).exists()
    makefile = (COURSE.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", text):
        assert f"\n{target}:" in makefile
