"""What axe finds in the widgets, whoever made the part, in both themes of JupyterLab."""

from __future__ import annotations

import json
from pathlib import Path

import axe_playwright_python
import pytest

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
PREPARE = """
import endmember as em
image = em.datasets.load("iron_oxides", shape=(24, 36), dose=20_000).image
"""
SHOWN = {
    "selector": "em.RankSelector(image)",
    "tuner": "em.ClusterTuner(image, max_k=4)",
    "browser": "em.ComponentBrowser(em.decompose(image, em.NMF(4, random_state=0)))",
    "quiz": 'em.Quiz("Which?\\n- [ ] this\\n- [x] that", name="a")',
}
# Serious and critical faults, and how many places passed a check.
RUN = """async (root) => {
  const found = await axe.run(root);
  const grave = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  const faults = grave.flatMap(({ id, nodes }) => nodes.map((node) => (
    { id, html: node.html.slice(0, 200), why: node.failureSummary })));
  return [faults, found.passes.reduce((sum, { nodes }) => sum + nodes.length, 0)];
}"""
THEME = "config/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def theme(request, lab):
    """The theme of JupyterLab, as a person's settings have it."""
    settings = lab.folder.parent / THEME
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"theme": request.param}))
    yield request.param
    settings.unlink()


def grave_faults(page, cell):
    """What axe says of the output of a cell, and of how many places it said nothing bad."""
    output = page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea").first
    output.evaluate("(area, id) => { area.id = id; }", f"output-{cell}")
    output.scroll_into_view_if_needed()  # what is out of view is not rendered
    page.wait_for_timeout(3_000)
    return page.evaluate(RUN, f"#output-{cell}")


def test_axe_finds_no_grave_fault_in_any_widget(lab, page, shots, theme):
    lab.run(page, PREPARE, *SHOWN.values())
    page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    page.add_script_tag(path=AXE)
    for cell, name in enumerate(SHOWN, start=1):
        faults, n_passed = grave_faults(page, cell)
        page.screenshot(path=shots / f"{name}-{theme.split()[-1].lower()}.png")
        print(f"\n{name}, {theme}: {n_passed} places passed")
        assert n_passed > 20
        assert faults == [], json.dumps(faults, indent=1)


def test_axe_sees_a_button_without_a_name(lab, page):
    lab.run(page, PREPARE, SHOWN["selector"])
    page.locator(".endmember-map .stage").wait_for()
    page.add_script_tag(path=AXE)
    page.evaluate(
        "document.querySelector('.endmember-map').append(document.createElement('button'))"
    )
    faults, _ = grave_faults(page, 1)
    assert [fault["id"] for fault in faults] == ["button-name"]
