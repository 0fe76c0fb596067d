"""Make the pictures of the widgets, as a person sees them, in both themes of JupyterLab.

Needs the environment of ``make test``::

    .venv/bin/python book/make_pictures.py
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
PICTURES = ROOT / "course" / "images"
README = ROOT / "book" / "images" / "rank-selector.png"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETTINGS = "config/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
SHAPE = (201, 201)
PIXEL = (108, 62)  # in the largest narrow grain
LOAD = """
import endmember as em
image = em.datasets.load("diamond_anvil_71gpa")
"""
SHOWN = {
    "rank-selector": "em.RankSelector(image)",
    "component-browser": "em.ComponentBrowser(em.decompose(image, em.NMF(4, random_state=0)))",
    "cluster-tuner": "em.ClusterTuner(image)",
}


def point(page, name):
    """Do what a picture is to show: a rank that misses a grain, a pixel in it."""
    from selector_page import SelectorPage

    if name == "rank-selector":
        selector = SelectorPage(page)
        selector.type_rank(2)
        selector.point_at(*PIXEL, SHAPE)
    page.wait_for_timeout(8_000)  # until slow answers are there


def take(page, lab, name, path):
    """Show one widget and keep its picture."""
    lab.run(page, LOAD, SHOWN[name])
    page.locator(".endmember-map .stage").first.wait_for(timeout=60_000)
    point(page, name)
    page.locator(".jp-OutputArea-output .widget-vbox").first.screenshot(path=path)
    print(path.relative_to(ROOT), path.stat().st_size, "bytes")


def main():
    """Take a picture of each widget in each theme."""
    from conftest import CHROMIUM_FLAGS, running_lab

    browser_path = os.environ.get("ENDMEMBER_CHROMIUM") or shutil.which("chromium")
    home = Path(tempfile.mkdtemp())
    settings = home / SETTINGS
    settings.parent.mkdir(parents=True)
    PICTURES.mkdir(exist_ok=True)
    program = [sys.executable, "-m", "jupyterlab"]
    with sync_playwright() as playwright, running_lab(program, home, home) as lab:
        browser = playwright.chromium.launch(executable_path=browser_path, args=CHROMIUM_FLAGS)
        for theme, title in THEMES.items():
            settings.write_text(json.dumps({"theme": title}))
            for name in SHOWN:
                page = browser.new_page(viewport={"width": 1400, "height": 2200})
                take(page, lab, name, PICTURES / f"{name}-{theme}.png")
                page.close()
        browser.close()
    shutil.copy2(PICTURES / "rank-selector-light.png", README)


if __name__ == "__main__":
    main()
