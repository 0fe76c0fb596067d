"""Books with live widgets: what a page holds, what stops a build, where scripts come from."""

from __future__ import annotations

import base64
import html
import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from endmember.widgets import pages
from endmember.widgets.pages import CDN_SCRIPTS, STATE_TYPE, VIEW_TYPE

MARKUP = "</script><script>alert(1)</script></title> {{state}} <!--"
CONF = """\
extensions = ["myst_nb", "endmember.widgets.sphinx"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "warn"
nitpicky = True
"""
NOTEBOOK = """\
---
file_format: mystnb
kernelspec:
  name: python3
---

# {title}

```{{code-cell}} ipython3
{code}
```
"""
WIDGETS = f"""\
import json, pathlib
import ipywidgets as ipw
from ipywidgets.embed import dependency_state

shown, other, hidden = ipw.Label({MARKUP!r}), ipw.IntSlider(), ipw.FloatText()
link = ipw.jslink((shown, "description"), (other, "description"))
ipw.jslink((other, "value"), (hidden, "value"))
box = ipw.VBox([shown, other])
state = dependency_state([box], drop_defaults=False)
pathlib.Path("kept.json").write_text(json.dumps(sorted(state)))
box
"""
SELECTOR = f"""\
import numpy as np
import endmember as em

counts = np.random.default_rng(0).poisson(20.0, size=(8, 9, 12))
em.RankSelector(em.SpectrumImage(counts, title={MARKUP!r}), max_rank=3)
"""
SLIDER = "import ipywidgets as ipw\nipw.IntSlider()"


@dataclass
class Book:
    """A book that was built, or not: what the build said, and its pages."""

    folder: Path
    status: int
    said: str

    def page(self, name):
        return Page((self.folder / "html" / f"{name}.html").read_text(encoding="utf-8"))


class Page(HTMLParser):
    """The scripts and styles of a page, in order, each with what it holds, and its preloads."""

    def __init__(self, text):
        super().__init__()
        self.text, self.scripts, self.styles, self.title = text, [], [], ""
        self.preloads = []
        self.inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if tag == "link" and dict(attrs).get("rel") == "stylesheet":
            self.styles.append(dict(attrs)["href"])
        if (
            tag == "link"
            and dict(attrs).get("rel") == "preload"
            and "widgets/" in dict(attrs)["href"]
        ):
            self.preloads.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1][1] += data
        elif self.inside == "title":
            self.title += data

    def of_type(self, kind):
        return [json.loads(text) for a, text in self.scripts if a.get("type") == kind]

    @property
    def state(self):
        (manager,) = self.of_type(STATE_TYPE)
        return manager["state"]

    @property
    def sources(self):
        return [a["src"].split("?")[0] for a, _ in self.scripts if "src" in a]


def build(folder, chapters, *options, settings=""):
    """Build a book of these chapters, by Sphinx in a process of its own."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "conf.py").write_text(CONF + settings, encoding="utf-8")
    toc = "\n".join(chapters)
    index = f"# Book\n\n```{{toctree}}\n{toc}\n```\n"
    for name, text in {"index": index, **chapters}.items():
        if text is not None:
            (source / f"{name}.md").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", *options, str(source), str(folder / "html")]
    run = subprocess.run(command, capture_output=True, text=True)
    return Book(folder, run.returncode, run.stderr)


def notebook(title, code):
    return NOTEBOOK.format(title=title, code=code)


# a book that is right


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    chapters = {
        "first": notebook("First", WIDGETS),
        "second": notebook("Second", SELECTOR),
        "third": "# Third\n\nPlain text, written after the others.\n",
    }
    theme = 'html_theme = "sphinx_book_theme"\n'
    built = build(tmp_path_factory.mktemp("book"), chapters, "-W", settings=theme)
    assert built.status == 0, built.said
    return built


@pytest.mark.slow
def test_a_page_holds_what_its_widgets_lead_to_and_no_other_model(book):
    page = book.page("first")
    kept = json.loads((book.folder / "source" / "kept.json").read_text())  # as the kernel found it
    assert sorted(page.state) == kept
    assert [view["model_id"] in kept for view in page.of_type(VIEW_TYPE)] == [True]
    names = [model["model_name"] for model in page.state.values()]
    assert names.count("LinkModel") == 1  # not the one to a widget that is not shown
    assert "FloatTextModel" not in names
    assert not page.state.keys() & book.page("second").state.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"), [("first", MARKUP), ("second", f"<b>{html.escape(MARKUP)}</b>")]
)
def test_markup_in_a_widget_stays_text(book, name, shown):
    page = book.page(name)
    assert shown in [model["state"].get("value") for model in page.state.values()]
    ran = [text for a, text in page.scripts if a.get("type") not in (STATE_TYPE, VIEW_TYPE)]
    assert not [text for text in ran if "alert(1)" in text]
    assert "alert(1)" not in page.title


@pytest.mark.slow
def test_a_map_in_a_book_holds_compact_factors(book):
    maps = [m for m in book.page("second").state.values() if "factors" in m["state"]]
    (view,) = maps
    assert view["state"]["factors"]["step"] > 0
    assert view["state"]["pins"]["deflated"]
    held = [b for b in view["buffers"] if b["path"] == ["factors", "scores"]]
    assert base64.b64decode(held[0]["data"])[:1] == b"\x78"  # deflated


@pytest.mark.slow
def test_a_page_of_plain_text_gets_no_script_of_widgets(book):
    for name in ("third", "index"):
        page = book.page(name)
        assert STATE_TYPE not in page.text
        assert not [
            source for source in page.sources if re.search("widgets/|require|embed", source)
        ]
        assert not [style for style in page.styles if "widgets/" in style]


@pytest.mark.slow
def test_pages_ask_for_scripts_in_their_order_and_in_the_book(book):
    for name in ("first", "second"):
        page = book.page(name)
        ours = [s for s in page.sources if "widgets/" in s]
        assert ours == [f"_static/widgets/{s}.js" for s in ("require", "book", "embed-amd")]
        assert any(style.startswith("_static/widgets/pages.css") for style in page.styles)
        missing = [s for s in page.sources if not (book.folder / "html" / s).is_file()]
        assert [s for s in missing if "mathjax" not in s.lower()] == []  # Sphinx links to a CDN


@pytest.mark.slow
def test_pages_have_the_libraries_of_their_widgets_fetched_at_once(book):
    """The selector needs all of them, a slider and plain text none."""
    libraries = [f"_static/widgets/{name}.js" for name in pages.LIBRARIES]
    assert book.page("second").preloads == libraries
    assert not [*book.page("first").preloads, *book.page("third").preloads]


@pytest.mark.slow
def test_the_scripts_of_a_book_are_the_installed_ones(book):
    folder = book.folder / "html" / "_static" / "widgets"
    expected = {f"{name}.js": path for name, path in pages.script_files().items()}
    expected |= {name: pages.STATIC / name for name in ("book.js", "pages.css")}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: path.read_bytes() for name, path in expected.items()
    }


@pytest.mark.slow
def test_writing_a_page_again_changes_nothing_on_it(book):
    """What was made small once is kept as it came, not as it was written."""
    before = book.page("second")
    theme = 'html_theme = "sphinx_book_theme"\n'
    chapters = dict.fromkeys(["first", "second", "third"])
    assert build(book.folder, chapters, "-W", "-a", settings=theme).status == 0
    again = book.page("second")
    assert again.state == before.state
    assert again.sources == before.sources


# what stops a build


@pytest.mark.slow
def test_a_cell_that_raises_stops_the_build(tmp_path):
    chapters = {"wrong": notebook("Wrong", "if True:\n    1 / 0")}
    book = build(tmp_path, chapters, settings='nb_execution_mode = "cache"\n')  # as the course has
    assert book.status != 0
    assert "ZeroDivisionError" in book.said
    assert "wrong.md" in book.said


def test_a_missing_reference_stops_the_build(tmp_path):
    text = "# Text\n\n{ref}`nowhere`\n\n{py:func}`no.where`\n\n[x](none.md)\n"
    book = build(tmp_path, {"text": text}, "-W", "--keep-going")
    assert book.status != 0
    for line, target in [(3, "nowhere"), (5, "no.where"), (7, "none.md")]:
        assert re.search(rf"text\.md:{line}: WARNING: .*{re.escape(target)}", book.said)


def test_a_number_without_json_is_a_warning_that_names_page_model_and_trait(tmp_path):
    """Kernels send none; a notebook that was executed and stored elsewhere may hold one."""
    stored = nbformat.v4.new_notebook()
    view = {VIEW_TYPE: {"model_id": "ab12", "version_major": 2, "version_minor": 0}}
    shown = nbformat.v4.new_output("display_data", view)
    model = {"model_name": "FloatTextModel", "model_module": "x", "state": {"value": math.inf}}
    stored.cells = [
        nbformat.v4.new_markdown_cell("# Numbers"),
        nbformat.v4.new_code_cell("1", outputs=[shown]),
    ]
    stored.metadata.widgets = {STATE_TYPE: {"state": {"ab12": model}, "version_major": 2}}
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "numbers.ipynb").write_text(nbformat.writes(stored))
    settings = 'nb_execution_mode = "off"\n'
    book = build(tmp_path, {"numbers": None}, "-W", "--keep-going", settings=settings)
    assert book.status != 0
    pattern = r"numbers\.ipynb: WARNING: the state of FloatTextModel ab12 holds inf at 'value'"
    assert re.search(pattern, book.said)


@pytest.mark.slow
def test_a_cell_that_makes_such_a_number_is_a_warning_that_names_its_page(tmp_path):
    """The kernel says so, and sends text in its place."""
    code = "import ipywidgets as ipw\nipw.VBox([ipw.FloatText(float('nan'))])"
    book = build(tmp_path, {"numbers": notebook("Numbers", code)}, "-W", "--keep-going")
    assert book.status != 0
    assert re.search(r"numbers\.md:\d+: WARNING: stderr was found in the cell outputs", book.said)


def test_another_place_for_scripts_is_refused(tmp_path):
    book = build(tmp_path, {}, settings='endmember_scripts = "other"\n')
    assert book.status != 0
    assert """endmember_scripts is 'other'; choose "inside" or "cdn".""" in book.said


# a package that was built without the scripts from npm

WITHOUT_VENDORED = """
import pathlib, shutil
from endmember.widgets import pages
copy = pathlib.Path(__file__).parents[1] / "static"
shutil.copytree(pages.STATIC, copy, ignore=shutil.ignore_patterns("vendor"))
pages.STATIC = copy
"""


@pytest.mark.slow
def test_a_book_with_links_needs_no_vendored_scripts(tmp_path):
    settings = WITHOUT_VENDORED + 'endmember_scripts = "cdn"\n'
    book = build(tmp_path, {"slider": notebook("Slider", SLIDER)}, "-W", settings=settings)
    assert book.status == 0, book.said
    ours = [s for s in book.page("slider").sources if "widgets" in s or "require" in s]
    assert ours == [CDN_SCRIPTS["require"], "_static/widgets/book.js", CDN_SCRIPTS["embed-amd"]]
    held = {path.name for path in (tmp_path / "html" / "_static" / "widgets").iterdir()}
    assert held == {"anywidget.js", "bqplot.js", "bqscales.js", "book.js", "pages.css"}


def test_without_vendored_scripts_the_error_says_the_way_out(tmp_path):
    book = build(tmp_path, {}, settings=WITHOUT_VENDORED)
    assert book.status != 0
    assert re.search(r'require.js and embed-amd.js.*endmember_scripts = "cdn"', book.said)
