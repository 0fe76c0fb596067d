"""Lessons on their way to pages: exercises are boxed, solutions folded, and no code is touched."""

from __future__ import annotations

import importlib.util
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jupyter_book.config import get_final_config

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
COURSE = sorted((ROOT / "course").glob("*.md"))

BEGINNING = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A lesson

Some $x$,  with two spaces.\t

```{code-cell} ipython3
a = 1
```
"""
EXERCISE = """\
## Exercise {number}: {title}

What is twice {number}?

```{{code-cell}} ipython3
# double it
```

+++ {{"jp-MarkdownHeadingCollapsed": true}}

### Solution

```{{code-cell}} ipython3
:tags: [solution]

assert 2 * {number} == {number} + {number}
```

So it is.

+++

"""
AFTER = """\
## Quiz

+++

Plain again.

```{code-cell} ipython3
b = 2
```
"""
BOXED = """\
## Exercise {number}: what now?

```{{exercise-start}}
:label: {label}
:nonumber:
```

What is twice {number}?

```{{code-cell}} ipython3
# double it
```

```{{exercise-end}}
```

```{{solution-start}} {label}
:class: dropdown
```

```{{code-cell}} ipython3
:tags: [solution]

assert 2 * {number} == {number} + {number}
```

So it is.

```{{solution-end}}
```

"""


@pytest.fixture
def lessons():
    return load()


def load():
    spec = importlib.util.spec_from_file_location("lessons_under_test", BOOK / "lessons.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exercise(number, title="what now?"):
    return EXERCISE.format(number=number, title=title)


def code_cells(text):
    cells = jupytext.reads(text, "md:myst").cells
    return [(cell.source, cell.metadata) for cell in cells if cell.cell_type == "code"]


# exercises


def test_an_exercise_is_boxed_and_its_solution_folded(lessons):
    found = lessons.with_exercises(BEGINNING + exercise(1) + AFTER, "04-a")
    assert found == BEGINNING + BOXED.format(number=1, label="04-a-exercise-1") + AFTER


def test_two_exercises_have_labels_of_their_own(lessons):
    found = lessons.with_exercises(BEGINNING + exercise(1) + exercise(2) + AFTER, "x")
    boxes = [BOXED.format(number=n, label=f"x-exercise-{n}") for n in (1, 2)]
    assert found == BEGINNING + "".join(boxes) + AFTER


@pytest.mark.parametrize("end", ["", "\n", "\n\n+++\n"])
def test_an_exercise_may_end_the_file(lessons, end):
    text = BEGINNING + exercise(3).split("\n\n+++\n\n")[0].rstrip() + end
    assert text.count("+++ {") == 1  # its solution is there
    found = lessons.with_exercises(text, "x")
    assert found == BEGINNING + BOXED.format(number=3, label="x-exercise-3")


def test_a_lesson_without_exercises_stays_byte_for_byte(lessons):
    assert lessons.with_exercises(BEGINNING + AFTER, "x") == BEGINNING + AFTER
    assert lessons.with_exercises("", "x") == ""


def boxes(text):
    """Every exercise with its solution, from start to end."""
    pattern = r"```{exercise-start}\n.*?```{solution-end}\n```\n"
    return re.findall(pattern, text, flags=re.DOTALL)


@pytest.mark.parametrize("page", COURSE, ids=lambda path: path.stem)
def test_the_lessons_keep_their_code_and_lose_their_open_solutions(lessons, page):
    before = page.read_text(encoding="utf-8")
    after = lessons.with_exercises(before, page.stem)
    assert code_cells(after) == code_cells(before)
    assert len(boxes(after)) == len(re.findall("^## Exercise", before, flags=re.MULTILINE))
    assert "### Solution" not in after
    assert not [box for box in boxes(after) if re.search(r"^\+\+\+", box, flags=re.MULTILINE)]
    pattern = r"{solution-start}[^`]*```\n(.*?)```{solution-end}"
    folded = "".join(re.findall(pattern, after, flags=re.DOTALL))
    assert [cell for cell in code_cells(before) if "solution" in cell[1].get("tags", [])] == (
        code_cells(folded)
    )


CELLS = st.lists(st.sampled_from(["x = 1", "# %% no cell", 's = """\n### Sol\n"""', "y\n\n\nz"]))


@given(open_=CELLS, task=CELLS, solution=CELLS, last=st.booleans())
def test_code_cells_keep_their_number_order_and_content(open_, task, solution, last):
    def written(cells, option=""):
        return "".join(f"```{{code-cell}} ipython3\n{option}{c}\n```\n\nprose\n\n" for c in cells)

    text = (
        f"{BEGINNING}\n{written(open_)}## Exercise 1: try\n\n{written(task)}"
        f'+++ {{"jp-MarkdownHeadingCollapsed": true}}\n\n### Solution\n\n'
        f"{written([*solution, 'assert True'], ':tags: [solution]' + chr(10) * 2)}"
    )
    text += "" if last else f"+++\n\n{exercise(2)}{AFTER}"
    assert code_cells(load().with_exercises(text, "x")) == code_cells(text)


# what cannot be derived

CELL = "```{code-cell} ipython3\n%s\n1\n```\n"
TAGS = [":tags: [solution]", ":tags: [solution, x]", "---\ntags: [x, solution]\n---"]
TAGS += ["---\ntags:\n  - solution\n---"]


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("heading", ["## Look", "## Exercise 1: try"])
def test_a_solution_that_stands_open_is_refused(lessons, tags, heading):
    text = f"{BEGINNING}\n{heading}\n\n{CELL % tags}\n### Solution\n\n{CELL % TAGS[0]}"
    message = re.escape(f'a cell tagged solution stands in "{heading}", open to every reader; put')
    with pytest.raises(ValueError, match=message):
        lessons.with_exercises(text, "x")


def test_a_solution_before_any_heading_is_refused(lessons):
    with pytest.raises(ValueError, match="a cell tagged solution stands in"):
        lessons.with_exercises(BEGINNING + CELL % TAGS[0], "x")


@pytest.mark.parametrize(
    ("n", "body"),
    [
        (0, ""),
        (1, "### Solution\n\nIn words alone, :tags: [other].\n"),
        (1, f"### Solution\n\n{CELL % ':tags: [hide-input]'}"),
        (2, f"### Solution\n\n{CELL % TAGS[0]}\n+++\n\n### Solution\n\n{CELL % TAGS[0]}"),
    ],
)
def test_an_exercise_needs_one_solution_with_a_tagged_cell(lessons, n, body):
    message = f'"## Exercise 1: try" has {n} parts titled "### Solution"; it needs one, with a cell'
    with pytest.raises(ValueError, match=message):
        lessons.with_exercises(f"{BEGINNING}\n## Exercise 1: try\n\nThink.\n\n{body}", "x")


@pytest.mark.parametrize("tags", TAGS)
def test_a_solution_may_spell_its_tags_as_notebooks_do(lessons, tags):
    text = f"{BEGINNING}\n## Exercise 1: try\n\nThink.\n\n### Solution\n\n{CELL % tags}"
    assert len(boxes(lessons.with_exercises(text, "x"))) == 1


def test_a_comment_in_code_ends_no_exercise(lessons):
    cell = CELL % ":tags: [solution]\n\n## no heading, a comment"
    text = f"{BEGINNING}\n## Exercise 1: try\n\nThink.\n\n### Solution\n\n{cell}"
    found = lessons.with_exercises(text, "x")
    assert code_cells(found) == code_cells(text)
    assert cell in found.split("{solution-start}")[1]


# the form to be worked through


def test_the_form_for_readers_holds_all_but_the_solutions(lessons):
    whole = jupytext.reads(BEGINNING + exercise(1) + exercise(2) + AFTER, "md:myst")
    before = [(cell.cell_type, cell.source) for cell in whole.cells]
    found = lessons.exercise_form(whole)
    sources = [cell.source for cell in found.cells]
    assert not [source for source in sources if "assert" in source or "So it is." in source]
    assert sources.count(lessons.ELSEWHERE) == 2
    for kept in ("a = 1", "# double it", "b = 2", "Plain again.", "## Quiz"):
        assert [source for source in sources if kept in source]
    assert [(cell.cell_type, cell.source) for cell in whole.cells] == before  # it is a copy


@pytest.mark.parametrize("page", COURSE, ids=lambda path: path.stem)
def test_no_solution_is_left_in_the_form_of_a_lesson(lessons, page):
    whole = jupytext.read(page)
    form = lessons.exercise_form(whole)
    is_solution = ["solution" in cell.metadata.get("tags", []) for cell in whole.cells]
    others = [c for c, is_one in zip(whole.cells, is_solution, strict=True) if not is_one]
    kept = [cell.source for cell in form.cells if cell.cell_type == "code"]
    assert kept == [cell.source for cell in others if cell.cell_type == "code"]


# what lessons gave is kept


@pytest.fixture
def tree(lessons, tmp_path, monkeypatch):
    """A package and its data, as the book sees them."""
    for name in ("widgets/endmember/a.py", "widgets/endmember/b.js", "datasets/files/c.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"first")
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["widgets/endmember/a.py", "widgets/endmember/b.js", "datasets/files/c.npz", "widgets/new.css"],
)
def test_the_digest_changes_with_the_package_and_its_data(lessons, tree, name):
    before = lessons.digest()
    (tree / name).write_bytes(b"second")
    assert lessons.digest() != before
    assert re.fullmatch("[0-9a-f]{16}", before)


def test_the_digest_changes_when_a_file_moves(lessons, tree):
    before = lessons.digest()
    (tree / "widgets/endmember/a.py").rename(tree / "widgets/endmember/z.py")
    assert lessons.digest() != before


@pytest.mark.parametrize(
    "name",
    ["widgets/__pycache__/a.cpython.pyc", "widgets/a.1.nbc", "widgets/a.nbi", "course/04-a.md"],
)
def test_the_digest_knows_neither_what_was_compiled_nor_the_lessons(lessons, tree, name):
    before = lessons.digest()
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_bytes(b"more")
    assert lessons.digest() == before


# settings


@pytest.fixture(scope="module")
def settings():
    return yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))


@pytest.fixture
def by_sphinx(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    return runpy.run_path(str(BOOK / "conf.py")) | {"sys.path": list(sys.path)}


@pytest.fixture
def by_jupyter_book(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    found, _ = get_final_config(
        user_yaml=BOOK / "_config.yml", cli_config={"latex_individualpages": False}
    )
    return found


def test_both_builders_see_the_same_settings(settings, by_sphinx, by_jupyter_book):
    for name, value in settings["sphinx"]["config"].items():
        assert by_sphinx[name] == value
        if name == "extensions":  # Jupyter Book brings more of its own, and loads lessons first
            assert set(value) <= set(by_jupyter_book[name])
        elif isinstance(value, dict):
            assert value.items() <= by_jupyter_book[name].items()
        else:
            assert by_jupyter_book[name] == value
    for name in ("author", "copyright"):
        assert by_sphinx[name] == by_jupyter_book[name] == settings[name]
    assert str(BOOK) in by_sphinx["sys.path"]  # where the extension `lessons` lies


def test_launch_buttons_have_one_address_and_one_place_for_it():
    launch = tomllib.loads((ROOT / "binder" / "launch.toml").read_text(encoding="utf-8"))
    assert set(launch) == {"repository", "branch", "binderhub"}
    assert all(launch[name].startswith("https://") for name in ("repository", "binderhub"))
    if not (ROOT / ".git").exists():
        pytest.skip("only a clone knows which files belong to the repository")
    owner_and_name = "/".join(launch["repository"].split("/")[-2:])
    search = ["git", "grep", "-I", "-l", "-i", "-F", owner_and_name]
    found = subprocess.run(search, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["binder/launch.toml"]
