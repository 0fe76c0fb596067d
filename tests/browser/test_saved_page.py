"""A saved selector, opened as a person would who has no Python: from a folder, by a browser."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from selector_page import SelectorPage
from stopwatch import paints_in_a_round

import endmember as em
from endmember.widgets import RankSelector, pages
from endmember.widgets.factors import STEP


@pytest.fixture(scope="module")
def saved(diamond, tmp_path_factory):
    """The page, and the selector that it was saved from."""
    selector = RankSelector(diamond)
    selector.value, selector.pixel = 2, (60, 80)
    path = tmp_path_factory.mktemp("saved") / "selector.html"
    selector.save(path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    return path, selector


@pytest.fixture
def page(saved, open_page):
    address = saved[0].as_uri()
    return SelectorPage(open_page(address, inside=address))


def test_it_opens_at_the_rank_and_the_pixel_that_were_chosen(page, saved, shots):
    state = saved[1].state
    assert page.shown_rank() == 2
    assert "row 60, column 80" in page.readout()
    assert "em.PCA(2," in page.code()
    axis = state.image.axis
    np.testing.assert_allclose(page.curve("counts", axis), state.counts(), atol=0.01)
    page.page.screenshot(path=shots / "saved.png", full_page=True)


def test_it_answers_to_the_mouse(page, saved):
    state = saved[1].state
    page.drag_handle(1)
    assert page.shown_rank() == 1
    assert "em.PCA(1," in page.code()
    low, high = page.limits()
    shade = (high - low) / 255
    shown = low + (page.shades() + 0.5) * shade
    state.rank = 1
    true = state.residual_map().clip(low, high)
    assert (np.abs(shown - true) <= shade + STEP * np.sqrt(true) + STEP**2).all()
    page.point_at(110, 62, state.shape)
    page.settle()
    state.hovered = (110, 62)
    model = state.model()
    state.hovered, state.rank = None, 2
    found = page.curve("model", state.image.axis)
    np.testing.assert_allclose(found, model, atol=0.01 * model.max() + 0.02)
    assert "counts need a kernel" in page.readout()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_screen_in_both_themes(saved, open_page, theme, shots):
    address, viewport = saved[0].as_uri(), {"width": 400, "height": 900}
    opened = open_page(address, inside=address, viewport=viewport, color_scheme=theme)
    page = SelectorPage(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 400
    page.drag_handle(3)
    assert page.shown_rank() == 3
    opened.screenshot(path=shots / f"saved-{theme}-400.png", full_page=True)


@pytest.mark.alone
def test_it_is_painted_soon(saved, open_page, open_slider):
    address = saved[0].as_uri()
    assert paints_in_a_round("saved page", partial(open_page, address, inside=address), open_slider)


LARGE = {"shape": (384, 512), "n_channels": 256}


def test_a_large_map_is_averaged_where_it_is_noise_and_says_so(open_page, tmp_path, shots):
    rng = np.random.default_rng(0)
    rows, columns = LARGE["shape"]
    spectra = rng.gamma(2.0, size=(2, LARGE["n_channels"]))
    share = np.linspace(0, 1, columns)[None, :, None] * np.ones((rows, 1, 1))
    rates = 2 * (share * spectra[0] + (1 - share) * spectra[1])
    image = em.SpectrumImage(rng.poisson(rates).astype(np.uint8), title="</title><b>large</b>")
    selector = RankSelector(image)
    selector.save(tmp_path / "large.html")
    address = (tmp_path / "large.html").as_uri()
    page = SelectorPage(open_page(address, inside=address))
    assert page.page.title() == "</title><b>large</b>"
    note = page.page.locator(".endmember-map .note").inner_text()
    assert "are averaged over at least" in note
    size = (tmp_path / "large.html").stat().st_size
    print(f"{rows} x {columns}: {size / 1e6:.2f} MB; {note}")
    page.type_rank(1)
    low, high = page.limits()
    shade = (high - low) / 255
    shown = low + (page.shades() + 0.5) * shade
    true = selector.state
    true.rank = 1
    true = true.residual_map().clip(low, high)
    assert np.corrcoef(shown.ravel(), true.ravel())[0, 1] > 0.9
    assert shown.mean() == pytest.approx(true.mean(), rel=0.02)
    page.page.screenshot(path=shots / "saved-large.png", full_page=True)


@pytest.mark.parametrize(("shape", "step"), [((30, 40), 1), ((1, 40), 1), ((1, 300), 6)])
def test_pixels_beside_a_pinned_one_can_be_pointed_at(open_page, tmp_path, shape, step):
    selector = RankSelector(np.random.default_rng(0).poisson(20.0, size=(*shape, 30)))
    selector.save(tmp_path / "small.html")
    address = (tmp_path / "small.html").as_uri()
    page = SelectorPage(open_page(address, inside=address))
    pins = selector.state.pins()[0]
    others = [(row, column + step) for row, column in pins if column + step < shape[1]]
    for row, column in others:
        if all(abs(column - pin[1]) >= step for pin in pins if pin[0] == row):
            page.point_at(row, column, shape)
            page.settle(100)
            assert f"row {row}, column {column}:" in page.readout()


class Elsewhere(SimpleHTTPRequestHandler):
    """A server of scripts for pages of anywhere, as a CDN is."""

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def cdn(monkeypatch):
    """A CDN on this machine, and how pages are told of it."""
    handler = partial(Elsewhere, directory=str(pages.STATIC / "vendor"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    addresses = {name: f"{address}/{name}.js" for name in pages.CDN_SCRIPTS}
    monkeypatch.setattr(pages, "CDN_SCRIPTS", addresses)
    yield address
    server.shutdown()
    server.server_close()


def test_scripts_from_a_cdn_are_checked_and_run(cdn, chromium, saved, tmp_path):
    saved[1].save(tmp_path / "linked.html", scripts="cdn")
    page = chromium.new_page()
    page.goto((tmp_path / "linked.html").as_uri())
    assert SelectorPage(page).shown_rank() == 2
    page.close()


def test_a_script_that_a_cdn_has_changed_is_not_run(cdn, chromium, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "SHA256", {name: "0" * 64 for name in pages.SHA256})
    saved[1].save(tmp_path / "linked.html", scripts="cdn")
    page = chromium.new_page()
    page.goto((tmp_path / "linked.html").as_uri())
    page.get_by_text("The widget cannot be shown").wait_for()
    assert page.evaluate("typeof window.requirejs") == "undefined"
    page.close()
