"""What a result prints in a notebook is read on dark paper as well, in the book's own theme."""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

import endmember as em
from endmember.widgets import pages

THEME = Path(find_spec("pydata_sphinx_theme").origin).parent / "theme" / "pydata_sphinx_theme"
STYLES = [
    THEME / "static" / "styles" / "pydata-sphinx-theme.css",
    Path(pages.__file__).parent / "static" / "pages.css",
]
PAGE = """<html data-theme="dark"><head>{styles}</head><body><div class="bd-content">
<div class="cell_output"><div class="output text_html">{shown}</div></div></div></body></html>"""


@pytest.fixture(scope="module")
def results():
    image = em.datasets.load("mixture", shape=(16, 16)).image
    return {
        "image": image,
        "decomposition": em.decompose(image, em.NMF(3)),
        "report": em.rank_report(image, rules=["sequence"]),
        "names": em.datasets.names(),
    }


@pytest.mark.parametrize("name", ["image", "decomposition", "report", "names"])
def test_results_bring_no_light_paper_into_a_dark_page(page, results, name):
    styles = "".join(f"<style>{path.read_text(encoding='utf-8')}</style>" for path in STYLES)
    page.set_content(PAGE.format(styles=styles, shown=results[name]._repr_html_()))
    look = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    paper, ink = page.locator(".text_html").evaluate(look)
    assert paper == "rgba(0, 0, 0, 0)"
    assert ink == page.locator(".bd-content").evaluate("e => getComputedStyle(e).color")


def test_columns_of_a_decomposition_keep_apart(page, results):
    page.set_content(results["decomposition"]._repr_html_())
    cells = page.locator("tr").nth(1).locator("td").all()
    texts = (
        "e => { const r = new Range(); r.selectNodeContents(e); return r.getBoundingClientRect() }"
    )
    boxes = [cell.evaluate(texts) for cell in cells]
    for left, right in pairwise(boxes):
        assert right["left"] - left["right"] >= 12  # CSS pixels
