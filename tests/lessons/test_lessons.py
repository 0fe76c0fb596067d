"""Every lesson runs from top to bottom, quickly, and stores no outputs."""

import re
import time
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

COURSE = Path(__file__).parents[2] / "course"
PAGES = sorted(COURSE.glob("*.md"))
LESSONS = [page for page in PAGES if page.stem[0].isdigit()]


def test_there_are_lessons():
    assert [lesson.name for lesson in LESSONS] == ["04-how-many-components.md"]


@pytest.mark.parametrize("lesson", PAGES, ids=lambda path: path.stem)
def test_a_lesson_runs_in_under_a_minute(lesson, tmp_path):
    notebook = jupytext.read(lesson)
    start = time.monotonic()
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    assert time.monotonic() - start < 60
    shown = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert not [o for o in shown if o.get("name") == "stderr"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_snippets_between_the_cells_run_after_them(lesson, tmp_path):
    notebook = jupytext.read(lesson)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    snippets = re.findall(r"^```python\n(.*?)^```", prose, flags=re.M | re.S)
    assert snippets
    notebook.cells += [nbformat.v4.new_code_cell(snippet) for snippet in snippets]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()


@pytest.mark.parametrize("lesson", PAGES, ids=lambda path: path.stem)
def test_a_lesson_uses_public_names_only(lesson):
    code = "\n".join(c.source for c in jupytext.read(lesson).cells if c.cell_type == "code")
    assert "._" not in code
    assert "from endmember" not in code


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_solutions_end_in_an_assertion_and_cells_fit_on_a_screen(lesson):
    cells = [c for c in jupytext.read(lesson).cells if c.cell_type == "code"]
    solutions = [c for c in cells if "solution" in c.metadata.get("tags", [])]
    assert solutions
    for cell in solutions:
        assert "assert " in cell.source
    for cell in cells:
        is_folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert is_folded or len(cell.source.splitlines()) <= 25


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_solutions_are_folded_in_jupyterlab(lesson):
    """What a student must not see at once stands below a heading that opens collapsed."""
    is_hidden = False
    for cell in jupytext.read(lesson).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            is_hidden = cell.metadata.get("jp-MarkdownHeadingCollapsed", False)
            assert is_hidden == cell.source.startswith("### Solution")
        assert is_hidden or "solution" not in cell.metadata.get("tags", [])


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_asks_five_questions_and_names_the_quiz_after_itself(lesson):
    cells = [c for c in jupytext.read(lesson).cells if "em.Quiz(" in c.source]
    assert len(cells) == 1
    assert cells[0].source.count("- [x]") == 5
    assert f'name="{lesson.stem}"' in cells[0].source
    assert cells[0].metadata["jupyter"]["source_hidden"]  # the answers stand in it
    assert "remove-input" in cells[0].metadata["tags"]
