"""The regression explorer on a saved page: mouse and keyboard, and no kernel."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import MapPage, curves_of, show_saved

import endmember as em
from endmember.widgets.component_plots import MODEL
from endmember.widgets.teaching.regression import RegressionExplorer

SHAPE = (8, 48)
COEFFICIENTS, CHI2, RESIDUAL = range(3)  # the maps, in their order on the page
HISTOGRAM, SPECTRUM, RESIDUALS = range(3)  # and the figures


@pytest.fixture(scope="module")
def explorer():
    scene = em.datasets.load("oxide_interface", shape=SHAPE)
    explorer = RegressionExplorer(scene.image, scene.references, names=scene.names[:3])
    explorer.state.pixel = (4, 8)
    return explorer


@pytest.fixture
def saved(explorer, open_page, tmp_path):
    """A page that holds all it needs."""
    page = show_saved(open_page, tmp_path, explorer).page
    page.locator(".endmember-reading td").first.wait_for()
    page.locator(".bqplot.figure path.line").first.wait_for(state="attached")
    return page


def choose(page, name, group=0):
    """Press one of the buttons of a row of them."""
    row = page.locator(".widget-toggle-buttons").nth(group)
    row.get_by_role("button", name=name, exact=True).click()


def check(page, explorer, window, without, pixel):
    """Compare table, curves, captions and code with the state at the same place."""
    state = explorer.state
    page.wait_for_timeout(400)
    expected = [state.coefficients(window, without)[pixel], state.stderr(window, without)[pixel]]
    chi2 = state.chi2(window, without)[pixel]
    rows = page.locator(".endmember-reading tbody tr")
    for k, (value, error) in enumerate(zip(*expected, strict=True)):
        said = rows.nth(k).locator("td").inner_text()
        if np.isnan(value):
            assert said == "left out"
        elif np.isnan(error):
            assert said == "0 (held there)"
        else:
            assert [float(part) for part in said.split(" ± ")] == pytest.approx(
                [value, error], rel=0.06, abs=6e-4
            )
    assert float(rows.nth(4).locator("td").inner_text()) == pytest.approx(chi2, rel=0.01, abs=0.01)
    title = page.locator(".endmember-reading caption").inner_text()
    assert title == f"row {pixel[0]}, column {pixel[1]}"
    for which in (COEFFICIENTS, CHI2, RESIDUAL):
        view = MapPage(page, which)
        assert f"row {pixel[0]}, column {pixel[1]}:" in view.text("readout")
        assert window in view.text("caption")
    assert page.locator(".endmember-code").inner_text() == state.to_code(window, without)
    check_curves(page, explorer, window, without, pixel)


def check_curves(page, explorer, window, without, pixel):
    axis, state = explorer.place.axis, explorer.state
    coefficients = np.nan_to_num(state.coefficients(window, without)[pixel])
    model = coefficients @ state.references
    tops = dict(zip(state.windows, page_tops(explorer), strict=True))
    curves = curves_of(page, (axis[0], axis[-1]), (0, tops[window]), SPECTRUM)
    drawn = next(c for c in curves if c["color"] == MODEL)
    found = np.interp(axis, *drawn["xy"])
    np.testing.assert_allclose(found, model, atol=0.01 * model.max())
    channels = state.channels(window)
    counts = state.image.spectrum(*pixel)
    residual = ((counts - model) / np.sqrt(model))[channels]
    curves = curves_of(page, (axis[0], axis[-1]), (-6, 6), RESIDUALS)
    drawn = next(c for c in curves if c["color"] == MODEL)
    np.testing.assert_allclose(drawn["xy"][0], axis[channels], atol=0.2)
    np.testing.assert_allclose(drawn["xy"][1], residual, atol=0.05 + 0.02 * abs(residual).max())


def page_tops(explorer):
    """Tops of the plot of counts, a window each."""
    scale = explorer.place.model.scales["y"]
    return next(d.values for d in explorer.steps.driven if d.target is scale and d.trait == "max")


def test_it_follows_buttons_and_pointer_without_a_kernel(saved, explorer, shots):
    page = saved
    check(page, explorer, "Plasmons", "nothing", (4, 8))
    MapPage(page, COEFFICIENTS).point_at(2, 32, SHAPE)  # whichever of the maps is pointed at
    check(page, explorer, "Plasmons", "nothing", (2, 32))
    page.screenshot(path=shots / "regression.png", full_page=True)
    choose(page, "Chemistry")
    check(page, explorer, "Chemistry", "nothing", (4, 8))  # the pointer has left the map
    choose(page, "BiFeO3", group=1)
    MapPage(page, RESIDUAL).point_at(5, 45, SHAPE)
    check(page, explorer, "Chemistry", "BiFeO3", (5, 45))


def test_the_maps_are_those_of_the_state(saved, explorer):
    page = saved
    choose(page, "La0.7Sr0.3MnO3", group=2)
    page.wait_for_timeout(300)
    view = MapPage(page, COEFFICIENTS)
    assert view.text("caption") == "coefficient of La0.7Sr0.3MnO3: Plasmons"
    bar = view.pixels(".bar canvas")[::-1, 0].tolist()
    shades = np.array([bar.index(color) for color in view.pixels().reshape(-1, 4).tolist()])
    low, high = explorer.coefficients.limits
    expected = explorer.state.coefficients("Plasmons", "nothing")[..., 1].ravel()
    expected = ((expected - low) / (high - low)).clip(0, 1) * 255
    assert np.abs(shades - expected).max() <= 2


def test_the_sum_of_coefficients_is_seen_where_it_passes_one(saved, explorer):
    page = saved
    choose(page, "BiFeO3", group=1)
    choose(page, "their sum", group=2)
    page.wait_for_timeout(300)
    view = MapPage(page, COEFFICIENTS)
    bar = view.pixels(".bar canvas")[::-1, 0].tolist()
    shades = np.array([bar.index(color) for color in view.pixels().reshape(-1, 4).tolist()])
    shades = shades.reshape(SHAPE)
    ferrite, manganite = shades[:, -8:], shades[:, 20:28]
    assert np.median(manganite) + 20 < np.median(ferrite) < 255


def test_the_keyboard_moves_the_pixel_in_all_maps(saved, explorer):
    page = saved
    stage = MapPage(page, RESIDUAL).stage
    stage.focus()
    MapPage(page, RESIDUAL).press("ArrowRight", "ArrowRight", "ArrowUp")
    check(page, explorer, "Plasmons", "nothing", (3, 10))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_screen_in_both_themes(explorer, open_page, tmp_path, theme, shots):
    settings = {"viewport": {"width": 400, "height": 900}, "color_scheme": theme}
    page = show_saved(open_page, tmp_path, explorer, **settings).page
    page.locator(".endmember-reading td").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.screenshot(path=shots / f"regression-{theme}-400.png", full_page=True)


MAKE = f"""
import endmember as em

scene = em.datasets.load("oxide_interface", shape={SHAPE})
explorer = em.teaching.RegressionExplorer(
    scene.image, scene.references, names=scene.names[:3]
)
explorer.state.pixel = (4, 8)
explorer
"""


def test_beside_a_kernel_hands_and_python_move_the_same(lab, page, explorer):
    lab.run(page, MAKE, "explorer.state.window = 'Chemistry'")
    page.locator(".endmember-reading td").first.wait_for(timeout=60_000)
    check(page, explorer, "Chemistry", "nothing", (4, 8))
    MapPage(page, COEFFICIENTS).point_at(2, 32, SHAPE)
    check(page, explorer, "Chemistry", "nothing", (2, 32))
