"""The reference: every public name has one entry, and every entry is of something that exists."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from collections import Counter
from functools import cached_property
from importlib import import_module
from pathlib import Path

import pytest

import endmember as em
from endmember import widgets
from endmember.datasets.catalogue import ENTRIES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "course" / "reference"
INDEX = REFERENCE / "index.md"
PAGES = sorted(set(REFERENCE.glob("*.md")) - {INDEX})
ENTRY = re.compile(r"^\.\. auto(function|class|exception):: (endmember\.\S+)$", re.MULTILINE)
ROLE = re.compile(r"\{(?:func|class|meth|attr|exc)\}`([\w.]+)`")
TYPED = re.compile(r"`(em\.[\w.]+)")
GROUP = re.compile(r"^## \[[^\]]*\]\((\w+\.md)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
MOST_HTML = 3e6  # bytes


ROOMS = {  # what is public, in every room that has it
    em: em.__all__,
    em.datasets: em.datasets.__all__,
    em.metrics: em.metrics.__all__,
    em.teaching: em.teaching.__all__,
    widgets: widgets.__all__,
}
PUBLIC = [
    pytest.param(getattr(room, name), id=f"{room.__name__}.{name}")
    for room, names in ROOMS.items()
    for name in names
    if not inspect.ismodule(getattr(room, name))
]


def found(name):
    """What has a name; an error where nothing does."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            thing = import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            thing = getattr(thing, part)
        return thing
    raise ImportError(name)


def entries(page):
    return [name for _, name in ENTRY.findall(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def described():
    """How many entries each thing has."""
    return Counter(id(found(name)) for page in PAGES for name in entries(page))


@pytest.mark.parametrize("thing", PUBLIC)
def test_every_public_name_has_one_entry(described, thing):
    assert described[id(thing)] == 1


def test_the_settings_of_every_simulated_specimen_have_one_entry(described):
    for entry in ENTRIES.values():
        if entry.simulator:
            module, _, name = entry.simulator.partition(":")
            maker = found(f"endmember.datasets.simulators.{module}.{name}")
            assert described[id(maker)] == 1, entry.name
    text = (REFERENCE / "simulators.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### `(\w+)`$", text, re.MULTILINE)) == {
        entry.name for entry in ENTRIES.values() if entry.simulator
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_only_what_exists(page):
    text = page.read_text(encoding="utf-8")
    for kind, name in ENTRY.findall(text):
        thing = found(name)
        assert inspect.getdoc(thing), name
        assert inspect.isclass(thing) == (kind != "function"), name
    for name in ROLE.findall(text):
        assert [room for room in ROOMS if hasattr(room, name.split(".")[0])], name
    for name in TYPED.findall(text):
        assert found(name.replace("em.", "endmember.", 1)), name


def listed():
    """The pages of the index and what it lists of them, by full name."""
    room = ""
    for page, text in GROUP.findall(INDEX.read_text(encoding="utf-8")):
        names = []
        for line in text.splitlines():
            if line.startswith(".. currentmodule:: "):
                room = line.split(":: ")[1]
            elif re.fullmatch(r" {3}[\w.]+", line):
                names.append(f"{room}.{line.strip()}")
        yield page, names


def test_the_index_lists_every_public_name_under_its_page():
    things = Counter()
    for page, names in listed():
        on_page = {id(found(name)) for name in entries(REFERENCE / page)}
        ids = [id(found(name)) for name in names]
        assert set(ids) <= on_page, page
        things.update(ids)
    assert {name for name, _ in listed()} <= {page.name for page in PAGES}
    assert set(things) == {id(param.values[0]) for param in PUBLIC}
    assert set(things.values()) == {1}


# how docstrings become pages


@pytest.fixture(scope="module")
def extension():
    path = ROOT / "book" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("maps : ndarray of shape (*navigation_shape, n)", r"(\*navigation_shape, n)"),
        ("residuals_ : ndarray of shape (n_iter_,)", r"residuals\_ : ndarray of shape (n_iter\_,)"),
        ("as ``(*shape, n_iter_)`` says [1]_.", "as ``(*shape, n_iter_)`` says [1]_."),
        ("snake_case and a * b", "snake_case and a * b"),
    ],
)
def test_names_are_no_markup(extension, line, expected):
    lines = [line, "", "Examples", "--------", ">>> model.components_.shape", "(*1_)"]
    extension._escape(None, "", "", None, None, lines)
    assert expected in lines[0]
    assert lines[1:] == ["", "Examples", "--------", ">>> model.components_.shape", "(*1_)"]


def test_names_are_shown_as_they_are_typed(extension):
    shown = {"": "em.", "metrics.": "em.metrics.", "widgets.": "endmember.widgets."}
    for room, prefix in {**shown, "core.record.": "", "widgets.teaching.mixing.": ""}.items():
        assert extension._prefix(f"endmember.{room}") == prefix
    assert extension._prefix("numpy.") == "numpy."


class Shelf:
    """What holds things.

    Attributes
    ----------
    low, high : int
        Where it ends.
    """

    @property
    def low(self):
        """The lower end."""

    @cached_property
    def high(self):
        """The upper end."""

    @property
    def middle(self):
        """Between."""

    def fit(self):
        """Fit."""

    def set_fit_request(self):
        """Route metadata."""


@pytest.mark.parametrize(
    ("name", "is_skipped"),
    [("low", True), ("high", True), ("middle", False), ("fit", False), ("set_fit_request", True)],
)
def test_members_are_our_own_and_described_once(extension, monkeypatch, name, is_skipped):
    monkeypatch.setattr(extension, "PACKAGE", __name__)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Shelf.__module__])
    member = inspect.getattr_static(Shelf, name)
    assert bool(extension._skip(None, "class", name, member, False, None)) == is_skipped


def test_what_others_bring_is_left_out(extension):
    for thing in (em.RankSelector.observe, em.NMF.get_params, em.CancelledError.with_traceback):
        assert extension._skip(None, "class", "x", thing, False, None)


# the pages themselves


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The pages of the reference by Sphinx alone, with its warnings as errors."""
    folder = tmp_path_factory.mktemp("reference")
    files = "".join(f"  - file: reference/{page.stem}\n" for page in PAGES)
    text = f"format: jb-book\nroot: reference/index\nchapters:\n{files}  - file: bibliography\n"
    (folder / "_toc.yml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", ROOT / "book", "-q", "-W"]
    command += ["-d", folder / "doctrees", "-D", f"external_toc_path={folder / '_toc.yml'}"]
    command += ["-D", "suppress_warnings=myst.xref_missing"]  # lessons are other pages
    command += ["--keep-going", ROOT / "course", folder / "html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.stem: path for path in (folder / "html" / "reference").glob("*.html")}


@pytest.mark.slow
def test_pages_are_built_without_a_warning_and_stay_small(built):
    assert set(built) == {page.stem for page in [*PAGES, INDEX]}
    for path in built.values():
        assert path.stat().st_size < MOST_HTML


@pytest.mark.slow
def test_pages_describe_what_is_our_own(built):
    for page in PAGES:
        html = built[page.stem].read_text(encoding="utf-8")
        ids = re.findall(r'<dt class="sig [^"]*" id="([\w.]+)"', html)
        assert set(entries(page)) <= set(ids)
        for name in ids:
            thing = found(name.rpartition(".")[0])
            owner = (
                next(
                    (c for c in inspect.getmro(thing) if name.rpartition(".")[2] in vars(c)), thing
                )
                if inspect.isclass(thing)
                else thing
            )
            assert getattr(owner, "__module__", owner.__name__).startswith("endmember"), name


@pytest.mark.slow
def test_types_can_be_copied(built):
    html = built["factorise"].read_text(encoding="utf-8")
    assert '{"poisson", "gaussian"}, default="poisson"' in html.replace("&quot;", '"')


@pytest.mark.slow
def test_sources_are_numbered_and_linked(built):
    html = built["factorise"].read_text(encoding="utf-8")
    assert not re.search(r"R[0-9a-f]{12}-\d", re.sub(r'(id|href)="[^"]*"', "", html))
    assert 'href="https://doi.org/10.1002/sia.1657">doi:10.1002/sia.1657</a>' in html
