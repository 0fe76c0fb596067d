"""Make the README's picture: the rank selector on the measured map, as a person sees it.

Needs the environment of ``make test``::

    .venv/bin/python book/make_picture.py
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
SHOW = """
import endmember as em
em.RankSelector(em.datasets.load("diamond_anvil_71gpa"))
"""
PIXEL = (108, 62)  # in the largest narrow grain


def main():
    """Open the selector at rank 2, point at a grain that this rank misses, keep the picture."""
    sys.path.insert(0, str(ROOT / "tests" / "browser"))
    from selector_page import SelectorPage

    from conftest import CHROMIUM_FLAGS, running_lab

    path = os.environ.get("ENDMEMBER_CHROMIUM") or shutil.which("chromium")
    home = Path(tempfile.mkdtemp())
    program = [sys.executable, "-m", "jupyterlab"]
    with sync_playwright() as playwright, running_lab(program, home, home) as lab:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        lab.run(page, SHOW)
        selector = SelectorPage(page)
        selector.type_rank(2)
        selector.point_at(*PIXEL, (201, 201))
        selector.settle()
        picture = ROOT / "book" / "images" / "rank-selector.png"
        page.locator(".jp-OutputArea-output .widget-vbox").first.screenshot(path=picture)
        browser.close()
    print(picture.relative_to(ROOT), picture.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
