"""Named regions in JupyterLab, by mouse and keyboard: kept, shown on every map, taken along."""

import csv
import io
import json

import numpy as np
import pytest
from component_page import ComponentPage
from test_accessibility import AXE, PREPARE, THEME, grave_faults

import endmember as em

SHOW = """
import numpy as np, ipywidgets as ipw, endmember as em
from endmember.widgets import MapView
from endmember.widgets.region_list import regions_of
from endmember.widgets.region_panel import RegionPanel
image = em.datasets.load("diamond_anvil_71gpa")
iron, magnesium = em.line_maps(image, ["Fe_Ka", "Mg_Ka"]).values()
maps = [MapView(iron, caption="Fe"), MapView(magnesium, caption="Mg")]
panels = [RegionPanel(regions_of(image), view) for view in maps]
ipw.VBox([ipw.VBox(pair) for pair in zip(maps, panels)])
"""
FULL = """
browser = em.ComponentBrowser(em.decompose(image, em.NMF(4, random_state=0)))
regions = browser.state.regions
regions.keep("across", {"kind": "line", "points": [[4, 4], [20, 30]], "width": 3})
regions.keep("corner", {"kind": "rectangle", "points": [[0, 0], [6, 9]]})
regions.chosen = "across"
browser
"""
ROWS = (20, 60)
COLUMNS = (30, 90)


class RegionsPage:
    """Two maps of the same data on an open page, a panel under each."""

    colors = ComponentPage.colors
    at = ComponentPage.at
    draw = ComponentPage.draw
    settle = ComponentPage.settle

    def __init__(self, page):
        self.page = page
        self.maps = page.locator(".endmember-map")
        self.maps.nth(1).locator(".stage").wait_for(timeout=120_000)
        self.settle()

    def button(self, name, which=0):
        return self.page.get_by_role("button", name=name, exact=True).nth(which)

    def list(self, which=0):
        return self.page.get_by_role("listbox", name="regions").nth(which)

    def name(self, which=0):
        return self.page.get_by_label("region", exact=True).nth(which)

    def saved(self, words):
        """Bytes of the file that a button saves."""
        with self.page.expect_download() as waiting:
            self.button(words).click()
        return waiting.value.suggested_filename, waiting.value.path().read_bytes()


@pytest.fixture
def regions(lab, page):
    lab.run(page, SHOW)
    return RegionsPage(page)


def test_a_person_keeps_compares_and_takes_regions_along(regions, diamond, shots):
    page, shape = regions.page, diamond.navigation_shape
    regions.draw("Rectangle", [(ROWS[0], COLUMNS[0]), (ROWS[1], COLUMNS[1])], shape)
    regions.button("Keep region").click()
    page.get_by_text("Error: name of the region is empty; write one.").wait_for()
    regions.name().fill("<b>grain</b>")
    regions.button("Keep region").click()
    page.get_by_text("<b>grain</b> is kept.").wait_for()
    regions.settle()

    inside = diamond.to_dense().counts[ROWS[0] : ROWS[1] + 1, COLUMNS[0] : COLUMNS[1] + 1]
    row = page.locator("tr", has_text="<b>grain</b>")
    for which in (0, 1):  # the other map has it at once
        said = row.nth(which).locator("td").all_inner_texts()
        assert int(said[0]) == inside.shape[0] * inside.shape[1]
        value, error = map(float, said[1].split(" ± "))
        assert (value, error) == (inside.sum(), pytest.approx(np.sqrt(inside.sum()), abs=0.5))
        status = regions.maps.nth(which).locator(".status").inner_text()
        assert status == f"rectangle: {said[0]} pixels"
    page.screenshot(path=shots / "regions.png", full_page=True)

    name, held = regions.saved("Masks as NPZ")
    assert name == "region-masks.npz"
    mask = np.load(io.BytesIO(held))["<b>grain</b>"]
    expected = np.zeros(shape, dtype=bool)
    expected[ROWS[0] : ROWS[1] + 1, COLUMNS[0] : COLUMNS[1] + 1] = True
    np.testing.assert_array_equal(mask, expected)
    name, held = regions.saved("Table as CSV")
    (kept,) = csv.DictReader(io.StringIO(held.decode()))
    assert (kept["region"], int(kept["counts"])) == ("<b>grain</b>", inside.sum())
    page.get_by_text("regions.csv saved.").wait_for()
    name, held = regions.saved("Spectra as CSV")
    table = np.loadtxt(io.StringIO(held.decode()), delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, 1], inside.sum(axis=(0, 1)))


def test_a_line_has_a_profile(regions, diamond, shots):
    page = regions.page
    regions.draw("Line", [(60, 30), (60, 110)], diamond.navigation_shape)
    regions.name().fill("across")
    regions.button("Keep region").click()
    page.get_by_label("intensities of").first.fill("Fe_Ka, Mg_Ka")
    page.get_by_label("intensities of").first.press("Enter")
    regions.settle(1000)
    plot = page.locator(".bqplot.figure").nth(1)
    plot.scroll_into_view_if_needed()
    assert plot.locator("path.line:visible").count() >= 2
    page.screenshot(path=shots / "regions-line.png")
    _, held = regions.saved("Profile as CSV")
    table = np.loadtxt(io.StringIO(held.decode()), delimiter=",", skiprows=1)
    iron = em.line_maps(diamond, ["Fe_Ka"])["Fe_Ka"]
    np.testing.assert_allclose(table[:, 4], iron[60, 30:111])


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_no_grave_fault_in_a_full_panel(lab, page, theme, shots):
    settings = lab.folder.parent / THEME
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"theme": theme}))
    lab.run(page, PREPARE, FULL)
    page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    page.add_script_tag(path=AXE)
    page.get_by_role("listbox", name="regions").scroll_into_view_if_needed()
    faults, n_passed = grave_faults(page, 1)
    page.screenshot(path=shots / f"regions-{theme.split()[-1].lower()}.png")
    settings.unlink()
    assert n_passed > 20
    assert faults == [], json.dumps(faults, indent=1)


def test_all_of_it_works_by_keyboard_alone(regions, diamond):
    page = regions.page
    stage = regions.maps.nth(0).locator(".stage")
    stage.focus()
    for key in ["r", "Enter", "Shift+ArrowDown", "Shift+ArrowRight", "Enter"]:
        page.keyboard.press(key)
    regions.settle()
    regions.name().focus()
    page.keyboard.type("a grain")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("a grain is kept.").wait_for()
    regions.list(1).focus()
    page.keyboard.press("ArrowUp")
    regions.settle(800)
    assert regions.maps.nth(0).locator(".status").inner_text() == ""
    page.keyboard.press("ArrowDown")
    regions.settle(800)
    assert regions.maps.nth(0).locator(".status").inner_text() == "rectangle: 121 pixels"
    regions.name(1).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("b")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_text("a grain is now b.").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_text("b is removed.").wait_for()
    regions.settle()
    assert page.get_by_role("listbox", name="regions").count() == 0
    assert page.locator(".jp-Cell").count() == 1  # no shortcut made or moved a cell
