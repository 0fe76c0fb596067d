"""The component browser as a person meets it: where things are on the page, and what they show."""

from __future__ import annotations

import re
from base64 import b64decode

import numpy as np
from selector_page import SelectorPage

BOLD = "2.4px"  # the width of the curve in front
READ_CANVAS = """(canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let text = '';
  for (let i = 0; i < data.length; i += 4096) {
    text += String.fromCharCode(...data.subarray(i, i + 4096));
  }
  return {rows: canvas.height, columns: canvas.width, bytes: btoa(text)};
}"""


class ComponentPage:
    """A component browser on an open page."""

    _by_ticks = SelectorPage._by_ticks  # reads the plot that is `spectrum`

    def __init__(self, page):
        self.page = page
        self.maps = page.locator(".endmember-map")
        self.map = self.maps.nth(0)
        self.stage = self.map.locator(".stage")
        self.list = page.get_by_role("listbox", name="component")
        self.spectra = page.locator(".endmember-components")
        self.spectrum = page.locator(".endmember-place")
        self.stage.wait_for(timeout=120_000)
        self.spectrum.locator("path.line").nth(5).wait_for(state="attached")
        self.settle()

    def settle(self, milliseconds=500):
        """Let the page come to rest."""
        self.page.wait_for_timeout(milliseconds)

    def chosen(self):
        """The name that is chosen in the list."""
        name = self.list.evaluate("list => list.selectedOptions[0]?.textContent")
        return name.replace("\N{NO-BREAK SPACE}", " ")

    def code(self):
        """The code under the widget."""
        return self.page.locator(".endmember-code").first.inner_text()

    def show(self, name):
        """Choose what the map shows from the menu under it."""
        self.map.locator(".shown select").select_option(label=name)
        self.settle()

    # what is painted

    def colors(self, canvas="data", which=0):
        """Bytes of a canvas, shape (rows, columns, 4)."""
        read = self.maps.nth(which).locator(f"canvas.{canvas}").evaluate(READ_CANVAS)
        values = np.frombuffer(b64decode(read["bytes"]), np.uint8)
        return values.reshape(read["rows"], read["columns"], 4)

    def shades(self, which=0):
        """Index of every pixel's colour in the colour bar, 0 at the bottom; -1 for no colour."""
        read = self.maps.nth(which).locator(".bar canvas").evaluate(READ_CANVAS)
        bar = np.frombuffer(b64decode(read["bytes"]), np.uint32)[::-1].tolist()
        places = {color: i for i, color in enumerate(bar)}
        painted = np.ascontiguousarray(self.colors(which=which)).view(np.uint32)[..., 0]
        found = [places.get(color, -1) for color in painted.ravel().tolist()]
        return np.array(found).reshape(painted.shape)

    def limits(self, which=0):
        """Values at the bottom and at the top of the colour bar."""
        view = self.maps.nth(which)
        ends = [view.locator(f".bar .{end}").inner_text() for end in ("bottom", "top")]
        return tuple(map(float, ends))

    def at(self, row, column, shape, which=0):
        """Where the middle of a pixel is on the page."""
        box = self.maps.nth(which).locator(".stage").bounding_box()
        return (
            box["x"] + (column + 0.5) * box["width"] / shape[1],
            box["y"] + (row + 0.5) * box["height"] / shape[0],
        )

    def point_at(self, row, column, shape, which=0):
        """Move the mouse to the middle of a pixel."""
        self.maps.nth(which).locator(".stage").scroll_into_view_if_needed()
        self.page.mouse.move(*self.at(row, column, shape, which))
        self.settle()

    def draw(self, tool, pixels, shape, which=0):
        """Draw through pixels with the mouse held down."""
        view, mouse = self.maps.nth(which), self.page.mouse
        view.get_by_role("button", name=tool).click()
        view.locator(".stage").scroll_into_view_if_needed()
        mouse.move(*self.at(*pixels[0], shape, which))
        mouse.down()
        for pixel in pixels[1:]:
            mouse.move(*self.at(*pixel, shape, which), steps=5)
        mouse.up()
        self.settle(900)

    def probed(self):
        """Row and column that the line under the map tells of."""
        told = self.map.locator(".readout").inner_text()
        return tuple(map(int, re.search(r"row (\d+), column (\d+)", told).groups()))

    # curves

    def bold(self):
        """The number of the component that the bold curve is of, by its path and its colour."""
        lines = self.spectra.locator("path.line").evaluate_all(
            "lines => lines.map(line => [line.getAttribute('d'), getComputedStyle(line).stroke, "
            "getComputedStyle(line).strokeWidth])"
        )
        (front,) = (line for line in lines if line[2] == BOLD)
        (number,) = (k for k, line in enumerate(lines[:4]) if line[:2] == front[:2])
        return number

    def words(self):
        """What is said of the place that is pointed at."""
        return self.page.locator(".endmember-where").inner_text()

    def shares(self):
        """What the place holds of each component, by their order in the list."""
        return [float(part.split(" × ")[0]) for part in self.words().split(": ")[1].split(" + ")]

    def curve(self, which, axis):
        """Counts of a curve of the place at the values of an axis, read off its path."""
        places = {"counts": 0, "model": 5, **{k: k + 1 for k in range(4)}}  # four parts by number
        path = self.spectrum.locator("path.line").nth(places[which]).get_attribute("d")
        points = np.array([xy.split(",") for xy in re.findall(r"[ML]([^ML]+)", path)], dtype=float)
        x, y = self._by_ticks(0, points[:, 0]), self._by_ticks(1, points[:, 1])
        return np.interp(axis, x, y)
