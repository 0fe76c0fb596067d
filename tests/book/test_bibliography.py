"""The bibliography: it holds what is cited anywhere, and says the same of it everywhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
BIBLIOGRAPHY = ROOT / "course" / "bibliography.md"
PAGES = sorted((ROOT / "course").rglob("*.md"))
CARDS = sorted((ROOT / "datasets" / "cards").glob("*.md"))
MODULES = sorted((ROOT / "widgets").rglob("*.py"))
DOI = re.compile(r"""(?<!["'])(?:\bdoi:? ?|doi\.org/)(10\.[^\s\]"'`]+)""")
WELL_FORMED = re.compile(r"10\.\d{4,9}(\.\d+)*/[!-~]+")
NO_DOI = "10.5555/"  # a prefix for trials: what publishers number by it, doi.org does not find
ENTRY = re.compile(r"^[-*] .*(?:\n  .*)*", re.MULTILINE)
NUMBERED = re.compile(r"^\.\. \[\d+\] ", re.MULTILINE)
SECTION = re.compile(r"^References\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)


def dois(text):
    """Every DOI in a text, without what ends the sentence or the brackets about it."""
    found = []
    for doi in DOI.findall(unquote(" ".join(text.replace("\\", "").split()))):
        doi = doi.rstrip(">.,;*_") if "<" not in doi else re.sub(r"[>.,;]*\)*$", "", doi)
        while doi.count(")") > doi.count("("):
            doi = doi[: doi.rindex(")")].rstrip(".,;")
        found.append(doi)
    return found


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text.partition("\nExamples\n---")[0]


def entries(path):
    """The entries of the lists of a page that cite a DOI, in one line each."""
    text = path.read_text(encoding="utf-8")
    found = [" ".join(entry.split()) for entry in ENTRY.findall(text)]
    return [entry for entry in found if dois(entry)]


def cited_in_docstrings():
    """Every entry under References in the package."""
    for path in MODULES:
        for text in docstrings(path):
            section = SECTION.search(text)
            works = NUMBERED.split(section[1]) if section else []
            yield from (" ".join(work.split()) for work in works if dois(work))


def title(entry):
    found = re.search(r"(?<!\*)\*([^*]+)\*(?!\*)", entry)
    return re.sub(r"\W", "", found[1].casefold()) if found else None


def first_author(entry):
    """Surname of whoever stands first; None where an entry begins with its title."""
    names = re.split(r", | and | et al|; ", re.sub(r"^[-*] ", "", entry))[0]
    return None if names.startswith("*") else names.split()[-1].casefold()


@pytest.fixture(scope="module")
def works():
    """What the bibliography says: DOI to entry."""
    return {dois(entry)[0]: entry for entry in entries(BIBLIOGRAPHY)}


def test_each_work_stands_once(works):
    listed = [doi for entry in entries(BIBLIOGRAPHY) for doi in dict.fromkeys(dois(entry))]
    assert sorted(listed) == sorted(works)
    titles = [title(entry) for entry in ENTRY.findall(BIBLIOGRAPHY.read_text(encoding="utf-8"))]
    titles = [words for words in titles if words]
    assert len(titles) == len(set(titles))


def test_links_lead_where_they_say(works):
    for entry in entries(BIBLIOGRAPHY):
        shown, linked = dois(entry)
        assert shown == linked


@pytest.mark.parametrize("path", [*PAGES, *CARDS], ids=lambda path: path.stem)
def test_it_holds_every_doi_of_a_page(works, path):
    assert set(dois(path.read_text(encoding="utf-8"))) <= set(works)


def test_it_holds_every_doi_of_the_package(works):
    for path in MODULES:
        missing = {doi for text in docstrings(path) for doi in dois(text)} - set(works)
        assert not missing, path


def test_dois_are_well_formed(works):
    for doi in works:
        assert WELL_FORMED.fullmatch(doi), doi
        assert not doi.startswith(NO_DOI), f"{doi} is not known to doi.org; give an address"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_gives_each_work_its_author_and_title(works, path):
    for entry in entries(path):
        known = works[dois(entry)[0]]
        if title(entry):
            assert title(known).startswith(title(entry)), entry  # a subtitle may be left out
            assert first_author(entry) == first_author(known), entry


def test_docstrings_give_each_work_its_author(works):
    cited = list(cited_in_docstrings())
    assert len(cited) > 50
    for work in cited:
        assert first_author(work) == first_author(works[dois(work)[0]]), work


def test_the_reader_of_dois_knows_where_they_end():
    text = "doi:10.1/a(1)b). See (doi:10.1/x). [doi:10.1/c](https://doi.org/10.1/c), doi\n  10.1/d,"
    assert dois(text) == ["10.1/a(1)b", "10.1/x", "10.1/c", "10.1/c", "10.1/d"]
    assert dois("x, doi:10.1002/(A)1(1/2)1:4<2::B>3.0.C;2-2.") == [
        "10.1002/(A)1(1/2)1:4<2::B>3.0.C;2-2"
    ]
    assert first_author("- S. Lichtert and J. Verbeeck, *x*") == "lichtert"
    assert first_author("M.-H. Chen et al., J. 1 (2000) 1") == "chen"
    assert title("- A. B, *A title: of χ²*, J.") == "atitleofχ²"
