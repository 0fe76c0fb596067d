"""Every lesson runs top to bottom, quickly and in little memory, and tells right from wrong."""

import ast
import json
import re
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

COURSE = Path(__file__).parents[2] / "course"
WRONG_ANSWERS = Path(__file__).parent / "wrong_answers"
PAGES = sorted(COURSE.glob("*.md"))
LESSONS = [page for page in PAGES if page.stem[0].isdigit()]
EXERCISED = [*LESSONS, COURSE / "quickstart.md"]
MOST_SECONDS, MOST_BYTES = 60, 1.5e9
pytestmark = pytest.mark.alone
# VmHWM is the peak; ru_maxrss would start from that of the parent process, all tests before
ASK_MEMORY = "print(next(l.split()[1] for l in open('/proc/self/status') if 'VmHWM' in l) + '000')"


def ids(pages):
    return [page.stem for page in pages]


def cells_of(page, kind="code"):
    return [cell for cell in jupytext.read(page).cells if cell.cell_type == kind]


def tags(cell):
    return cell.metadata.get("tags", [])


def is_folded(cell):
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def test_there_are_all_lessons():
    assert [lesson.stem[:2] for lesson in LESSONS] == [f"{n:02}" for n in range(9)]


# one run for all that is asked of it


@dataclass
class Run:
    """What came of a lesson: its cells, its cost, and what its checks say of wrong answers."""

    cells: list
    seconds: float
    bytes: int
    verdicts: dict


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


def wrong_answers(page):
    path = WRONG_ANSWERS / f"{page.stem}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def judging(page):
    """The cell that asks the lesson's own checks about every wrong answer."""
    asked = [
        (name, number, wrong["answer"])
        for name, listed in wrong_answers(page).items()
        for number, wrong in enumerate(listed)
    ]
    parts = ", ".join(
        f"{json.dumps(f'{name} {number}')}: str({name}.check({answer}))"
        for name, number, answer in asked
    )
    return f"import json\nprint(json.dumps({{{parts}}}))"


def run(page, folder):
    notebook = jupytext.read(page)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    n_own = len(notebook.cells)
    prose = "\n".join(cell.source for cell in cells_of(page, "markdown"))
    snippets = re.findall(r"^```python\n(.*?)^```", prose, flags=re.M | re.S)
    more = [ASK_MEMORY, judging(page), *(snippets if page in EXERCISED else [])]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
    start, seconds = time.monotonic(), 0.0
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if index == n_own - 1:
                seconds = time.monotonic() - start
    memory, judged = notebook.cells[n_own : n_own + 2]
    return Run(notebook.cells[:n_own], seconds, int(text_of(memory)), json.loads(text_of(judged)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run each lesson once, when it is first asked for."""
    kept = {}

    def get(page):
        if page not in kept:
            kept[page] = run(page, tmp_path_factory.mktemp(page.stem))
        return kept[page]

    return get


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_page_runs_in_under_a_minute_and_little_memory(page, runs):
    """Its solutions pass their checks, and its snippets run after it: both are part of the run."""
    done = runs(page)
    print(f"{page.stem}: {done.seconds:.1f} s, {done.bytes / 1e6:.0f} MB")
    assert done.seconds < MOST_SECONDS
    assert done.bytes < MOST_BYTES
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.get("name") == "stderr"]


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_wrong_answers_hear_the_hint_that_is_meant_for_them(lesson, runs):
    verdicts = runs(lesson).verdicts
    for name, listed in wrong_answers(lesson).items():
        for number, wrong in enumerate(listed):
            said = verdicts[f"{name} {number}"]
            assert said.startswith("Not yet: "), (name, wrong, said)
            assert wrong["hint"] in said, (name, wrong, said)


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_every_exercise_knows_three_wrong_answers(lesson):
    source = lesson.read_text(encoding="utf-8")
    n_exercises = len(re.findall(r"^## Exercise \d+: ", source, flags=re.M))
    names = [f"exercise_{n}" for n in range(1, n_exercises + 1)]
    assert n_exercises >= (2 if lesson in LESSONS else 1)
    wrong = wrong_answers(lesson)
    assert set(names) <= set(wrong)
    for listed in wrong.values():
        assert len({answer["answer"] for answer in listed}) >= 3
        assert all(answer["mistake"] and answer["hint"] for answer in listed)


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_an_exercise_asks_with_dots_and_its_solution_is_checked(lesson):
    for name in wrong_answers(lesson):
        own = [cell for cell in cells_of(lesson) if f"{name}.check(" in cell.source]
        tasks = [cell for cell in own if "solution" not in tags(cell)]
        solutions = [cell for cell in own if "solution" in tags(cell)]
        assert tasks, name
        assert all(" = ..." in cell.source for cell in tasks), name
        assert any(f"assert {name}.check(" in cell.source for cell in solutions), name


# what a lesson looks like


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_page_uses_public_names_only(page):
    code = "\n".join(cell.source for cell in cells_of(page))
    assert "._" not in code
    assert "from endmember" not in code


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_solutions_end_in_an_assertion_and_cells_fit_on_a_screen(lesson):
    cells = cells_of(lesson)
    solutions = [cell for cell in cells if "solution" in tags(cell)]
    assert solutions
    for cell in solutions:
        assert "assert " in cell.source
    for cell in cells:
        assert is_folded(cell) or len(cell.source.splitlines()) <= 25


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_solutions_are_folded_in_jupyterlab(lesson):
    """What a student must not see at once stands below a heading that opens collapsed."""
    is_hidden = False
    for cell in jupytext.read(lesson).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            is_hidden = cell.metadata.get("jp-MarkdownHeadingCollapsed", False)
            assert is_hidden == cell.source.startswith("### Solution")
        assert is_hidden or "solution" not in tags(cell)


def names_in(cells, kind):
    sources = "\n".join(re.sub(r"^%.*$", "", cell.source, flags=re.M) for cell in cells)
    nodes = ast.walk(ast.parse(sources))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}


@pytest.mark.parametrize("lesson", EXERCISED, ids=ids(EXERCISED))
def test_a_lesson_goes_on_without_its_solutions(lesson):
    """The form without them, which readers download, asks for no name that only they define."""
    cells = cells_of(lesson)
    solutions = [cell for cell in cells if "solution" in tags(cell)]
    others = [cell for cell in cells if "solution" not in tags(cell)]
    of_solutions = names_in(solutions, ast.Store) - names_in(others, ast.Store)
    assert not of_solutions & names_in(others, ast.Load)


@pytest.mark.parametrize("lesson", LESSONS, ids=ids(LESSONS))
def test_a_lesson_asks_five_questions_and_names_the_quiz_after_itself(lesson):
    cells = [cell for cell in cells_of(lesson) if "em.Quiz(" in cell.source]
    assert len(cells) == 1
    assert cells[0].source.count("- [x]") == 5
    assert f'name="{lesson.stem}"' in cells[0].source
    assert "Spot the slip" in cells[0].source
    assert is_folded(cells[0])  # the answers stand in it
    assert "remove-input" in tags(cells[0])


@pytest.mark.parametrize("lesson", LESSONS, ids=ids(LESSONS))
def test_a_lesson_says_what_it_takes_and_gives(lesson):
    text = "\n".join(cell.source for cell in cells_of(lesson, "markdown"))
    assert re.search(r"^\*\*.*\?\*\*|\*\*[^*]+\?\*\*", text, flags=re.M)  # its question
    for said in ("**You will**", "**You need**", "**Time**", "predict"):
        assert said in text, said
    for heading in ("## Quiz", "## Take-away", "## Take it home", "## Further reading"):
        assert f"{heading}\n" in f"{text}\n", heading
    assert re.search(r"\]\(https://doi\.org/10\.", text)
    assert "unverified" not in text


@pytest.mark.parametrize("lesson", LESSONS, ids=ids(LESSONS))
def test_a_lesson_hands_its_result_on(lesson):
    text = lesson.read_text(encoding="utf-8")
    home = text.split("## Take it home\n")[1].split("\n## ")[0]
    assert "```python\n" in home or "because" in home  # or says why not
    assert "record" in home or "to_code()" in home
