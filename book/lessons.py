"""How lessons become pages: exercises with hidden solutions, notebooks to download, launch buttons.

A Sphinx extension of this book alone. Lessons stay plain MyST notebooks: an exercise is a section
titled "Exercise 1: ...", its solution a part of it titled "Solution" that holds the cells tagged
``solution``. The directives that fold solutions away are derived here.
"""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import tomllib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import jupytext
import nbformat
from sphinx.util import logging

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHES = ROOT / "build" / "executed"  # what lessons gave, by version of the package
FENCE_OR_HEADING = re.compile(r"^(?:(`{3,}|~{3,})(?s:.*?)^\1|(?P<heading>## ))", re.MULTILINE)
EXERCISE = re.compile(r"## Exercise (?P<number>\d+): (?P<title>.+)\n(?P<body>(?s:.*))")
SOLUTION = re.compile(r"^(?:\+\+\+.*\n+)?### Solution\n", re.MULTILINE)
NEXT_CELL = re.compile(r"^\+\+\+.*\n", re.MULTILINE)
MATHJAX = [  # what formulae need of its 24 MB
    "startup.js",
    "core.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2",
]
ICONS = "scripts/fontawesome.js"  # 1.5 MB that draw what the theme's web font shows as well
UNUSED = ["**/*.map", "locales", "**/webfonts/*.ttf", "**/webfonts/*brands*"]
FILE_SEARCH = """\
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
"""  # a page from a file may not read the others, and says so on the console
JUPYTER_BOOK_ONLY = ("comments_config", "use_jupyterbook_latex")  # it sets them, nothing reads them
ELSEWHERE = "The check says whether it is right; the solution stands on the page of this lesson."
logger = logging.getLogger(__name__)


def setup(app):
    """Register with Sphinx."""
    for name in JUPYTER_BOOK_ONLY:
        app.add_config_value(name, None, "env")
    app.connect("config-inited", _set_look)
    app.connect("config-inited", _set_launch_button)
    app.connect("config-inited", _choose_cache)
    app.connect("builder-inited", _serve_files)
    app.connect("source-read", _derive_exercises)
    app.connect("build-finished", _write_notebooks)
    app.connect("build-finished", _drop_unused, priority=900)
    app.add_js_file(None, body=FILE_SEARCH)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _choose_cache(app, config):
    """Keep what lessons gave as long as neither they nor the package change."""
    config.nb_execution_cache_path = str(CACHES / digest())


def digest(rooms=("widgets", "datasets")):
    """Say which version of the package and its data this is, or of other rooms."""
    found = hashlib.sha256()
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".nbi", ".nbc"):
                found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _set_look(app, config):
    config.html_favicon = config.html_logo = str(HERE / "images" / "icon.svg")
    config.html_css_files.append("look.css")
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = {
        "loader": {"load": ["input/tex-base", "[tex]/ams", "output/chtml"]},
        "tex": {"packages": {"[+]": ["ams"]}},
    }


def _set_launch_button(app, config):
    launch = tomllib.loads((ROOT / "binder" / "launch.toml").read_text(encoding="utf-8"))
    config.html_theme_options |= {
        "repository_url": launch["repository"],
        "repository_branch": launch["branch"],
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": launch["binderhub"],
        },
    }


def _serve_files(app):
    """Lay the book's own style beside its pages, and what they load of the installed MathJax."""
    mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    wanted = {f"mathjax/{name}": mathjax / name for name in MATHJAX}
    for name, source in {**wanted, "look.css": HERE / "look.css"}.items():
        target = Path(app.outdir, "_static", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)


def _derive_exercises(app, docname, source):
    try:
        source[0] = with_exercises(source[0], docname)
    except ValueError as error:
        logger.warning("%s", error, location=docname, type="lessons", subtype="exercise")


def with_exercises(text, name):
    """Return a lesson with its exercises boxed and their solutions folded.

    Parameters
    ----------
    text : str
        The lesson as MyST Markdown.
    name : str
        Begins the labels of its exercises.

    Raises
    ------
    ValueError
        Where a cell tagged ``solution`` lies outside a solution, or a solution holds none.
    """
    return "".join(_derive(section, name) for section in _sections(text))


def _sections(text):
    """Split a lesson where a heading stands; a comment in code looks like one and is none."""
    starts = [found.start() for found in FENCE_OR_HEADING.finditer(text) if found["heading"]]
    return [text[start:end] for start, end in pairwise([0, *starts, len(text)])]


def _holds_solution(text):
    """Whether a cell is tagged, in any of the ways in which MyST writes tags."""
    cells = jupytext.reads(text, "md:myst").cells
    return any("solution" in cell.metadata.get("tags", []) for cell in cells)


def _derive(section, name):
    found = EXERCISE.match(section)
    task, *solutions = SOLUTION.split(found["body"]) if found else [section]
    heading = section.partition("\n")[0]
    if _holds_solution(task):
        raise ValueError(
            f'a cell tagged solution stands in "{heading}", open to every reader; put it under '
            '"### Solution" in a section titled "## Exercise 1: ...".'
        )
    if found is None:
        return section
    if len(solutions) != 1 or not _holds_solution(solutions[0]):
        raise ValueError(
            f'"{heading}" has {len(solutions)} parts titled "### Solution"; it needs one, with a '
            "cell tagged solution in it."
        )
    title, label = found["title"], f"{name}-exercise-{found['number']}"
    solution = NEXT_CELL.sub("", solutions[0])
    return f"""## Exercise {found["number"]}: {title}

```{{exercise-start}}
:label: {label}
:nonumber:
```
{task.rstrip()}

```{{exercise-end}}
```

```{{solution-start}} {label}
:class: dropdown
```
{solution.rstrip()}

```{{solution-end}}
```

"""


def exercise_form(notebook):
    """Return a lesson as a notebook to be worked through: its solutions stay on the page.

    Parameters
    ----------
    notebook : NotebookNode
        The lesson; it is not changed.

    Returns
    -------
    NotebookNode
        The same without what stands under "### Solution" in its exercises.
    """
    form, is_solution = copy.deepcopy(notebook), False
    form.cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.match(r"##? ", cell.source):
            is_solution = False
        if cell.cell_type == "markdown" and cell.source.startswith("### Solution"):
            is_solution = True
            form.cells.append(nbformat.v4.new_markdown_cell(ELSEWHERE))
        if not is_solution:
            form.cells.append(copy.deepcopy(cell))
    return form


def _write_notebooks(app, error):
    """Put a notebook without outputs where the download button of a lesson looks for it."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        lesson = Path(app.srcdir, path.relative_to(Path(app.outdir, "_sources"))).with_suffix(".md")
        jupytext.write(exercise_form(jupytext.read(lesson)), path)


def _drop_unused(app, error):
    static = Path(app.outdir, "_static")
    if error is not None or not static.exists():
        return
    for path in {path for pattern in UNUSED for path in static.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (static / ICONS).write_text("/* Icons are shown by a web font. */\n", encoding="utf-8")
