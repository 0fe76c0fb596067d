"""The cluster tuner as a person meets it: where things are on the page, and what they show."""

from __future__ import annotations

import numpy as np
from selector_page import read_colors

READ_LABELS = """(which) => {
  const data = document.querySelectorAll('.endmember-map canvas.data')[which];
  const pixels = data.getContext('2d').getImageData(0, 0, data.width, data.height).data;
  let text = '';
  for (let i = 0; i < pixels.length; i += 4096) {
    text += String.fromCharCode(...pixels.subarray(i, i + 4096));
  }
  return {rows: data.height, columns: data.width, map: btoa(text)};
}"""

CURVES = ".bqplot.figure path.line"
THICKEST = """(curves) => {
  const widths = [...document.querySelectorAll(curves)].map(
    (path) => parseFloat(getComputedStyle(path).strokeWidth));
  return widths.indexOf(3);
}"""


class TunerPage:
    """A cluster tuner on an open page."""

    def __init__(self, page):
        self.page = page
        self.map = page.locator(".endmember-map .stage").nth(0)
        self.plane = page.locator(".endmember-map .stage").nth(1)
        self.means, self.curve = (page.locator(".bqplot.figure").nth(i) for i in range(2))
        self.silhouettes = page.locator(".endmember-silhouettes")
        self.words = page.locator(".endmember-words")
        self.readout = page.locator(".endmember-map .readout").first
        self.k = page.get_by_role("spinbutton", name="clusters")
        self.status = page.locator(".endmember-message").first
        self.map.wait_for(timeout=60_000)

    def settle(self, milliseconds=400):
        """Let the page come to rest."""
        self.page.wait_for_timeout(milliseconds)

    def wait_until_idle(self):
        """Wait until the clusters of the settings are shown."""
        self.settle(200)
        for name in ("Cancel", "Compute"):
            self.page.get_by_role("button", name=name).wait_for(state="hidden", timeout=60_000)
        self.settle()

    def type_k(self, k):
        """Type a number of clusters."""
        self.k.fill(str(k))
        self.k.press("Enter")
        self.settle()

    def click_curve(self, k, first=2):
        """Click on the point of a number of clusters, of those from the first that is known."""
        point = self.curve.locator("path.dot").nth(k - first)
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.settle()

    def labels(self, palette, which=0):
        """Label of every pixel from its painted colour; -1 for any other colour."""
        shown = self.page.evaluate(READ_LABELS, which)
        rgb = [bytes.fromhex(color[1:]) + b"\xff" for color in palette]
        known = {int.from_bytes(color, "little"): k for k, color in enumerate(rgb)}
        found = [known.get(color, -1) for color in read_colors(shown["map"])]
        return np.array(found).reshape(shown["rows"], shown["columns"])

    def line_colors(self):
        """Colours of the mean spectra as they are drawn, as hex."""
        strokes = self.means.locator("path.line").evaluate_all(
            "paths => paths.map(path => getComputedStyle(path).stroke)"
        )
        return [hex_of(stroke) for stroke in strokes]

    def code(self):
        """The code under the widget."""
        return self.page.locator(".endmember-code").first.inner_text()

    def table(self):
        """The rows of the table as lists of text, names as they stand in their boxes."""
        return self.page.locator(".endmember-table tr").evaluate_all(
            """rows => rows.map(row => [...row.cells].map(
              cell => cell.querySelector('input')?.value ?? cell.innerText))"""
        )

    def thickest(self):
        """Which of all curves is that of the cluster under the pointer."""
        return self.page.evaluate(THICKEST, CURVES)

    def thick_color(self):
        """Its colour, as hex."""
        curve = self.page.locator(CURVES).nth(self.thickest())
        return hex_of(curve.evaluate("path => getComputedStyle(path).stroke"))

    def point_at(self, row, column, shape):
        """Let the pointer rest on a pixel of the map."""
        self.map.scroll_into_view_if_needed()
        self.page.mouse.move(*self.place(row, column, shape))
        self.settle(150)

    def said(self):
        """The words under the map."""
        return self.readout.inner_text()

    def name_cluster(self, label, name):
        """Give a cluster another name in the table."""
        box = self.page.get_by_role("textbox", name=f"name of cluster {label}")
        box.fill(name)
        box.press("Enter")
        self.settle()

    def legend(self):
        """Names under the map."""
        first = self.page.locator(".endmember-map").first
        return first.locator(".legend li").all_inner_texts()

    def place(self, row, column, shape, stage=None):
        """Where the middle of a pixel is on the page."""
        box = (stage or self.map).bounding_box()
        return (
            box["x"] + (column + 0.5) * box["width"] / shape[1],
            box["y"] + (row + 0.5) * box["height"] / shape[0],
        )

    def draw(self, tool, points, shape, stage=None):
        """Draw a region with the mouse."""
        stage = stage or self.map
        stage.scroll_into_view_if_needed()
        view = stage.locator("xpath=ancestor::*[contains(@class, 'endmember-map')][1]")
        view.get_by_role("button", name=tool).click()
        stage.scroll_into_view_if_needed()
        mouse = self.page.mouse
        places = [self.place(*point, shape, stage) for point in points]
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=8)
        mouse.up()
        self.settle()


def hex_of(stroke):
    """Write ``rgb(0, 114, 178)`` as ``#0072b2``."""
    parts = stroke.removeprefix("rgb(").removesuffix(")").split(",")
    return "#" + "".join(f"{int(part):02x}" for part in parts) if len(parts) == 3 else stroke
