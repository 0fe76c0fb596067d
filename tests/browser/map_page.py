"""A map on an open page as a person meets it: where its pixels are, and what it shows."""

from __future__ import annotations

import re
from base64 import b64decode

import numpy as np

from endmember.widgets.pages import save_page

READ = """canvas => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let text = '';
  for (let i = 0; i < data.length; i += 4096) {
    text += String.fromCharCode(...data.subarray(i, i + 4096));
  }
  return [canvas.height, canvas.width, btoa(text)];
}"""
READ_CURVES = """figure => {
  const seen = path => path.getClientRects().length && path.getAttribute('d');
  const paths = [...figure.querySelectorAll('path.line')].filter(seen);
  const plot = figure.querySelector('.plotarea_background') ?? figure.querySelector('rect');
  const color = path => getComputedStyle(path).stroke.match(/\\d+/g).slice(0, 3).map(Number);
  const width = path => parseFloat(getComputedStyle(path).strokeWidth);
  return [plot.width.baseVal.value, plot.height.baseVal.value,
          paths.map(path => [path.getAttribute('d'), color(path), width(path)])];
}"""


class MapPage:
    """A map on an open page, the first of them unless another one is asked for."""

    def __init__(self, page, which=0):
        self.page = page
        self.root = page.locator(".endmember-map").nth(which)
        self.stage = self.root.locator(".stage")
        self.stage.wait_for(timeout=60_000)
        self.stage.scroll_into_view_if_needed()
        page.wait_for_timeout(200)

    def pixels(self, canvas=".data"):
        """Red, green, blue and opacity of a canvas, row after row."""
        rows, columns, text = self.root.locator(canvas).evaluate(READ)
        return np.frombuffer(b64decode(text), np.uint8).reshape(rows, columns, 4)

    def at(self, row, column, shape):
        """Where a place of the map is on the page; whole numbers are the centres of pixels."""
        box = self.stage.bounding_box()
        x = box["x"] + (column + 0.5) * box["width"] / shape[1]
        return x, box["y"] + (row + 0.5) * box["height"] / shape[0]

    def point_at(self, row, column, shape):
        """Move the mouse to a place of the map, and wait until it has been heard."""
        self.page.mouse.move(*self.at(row, column, shape))
        self.page.wait_for_timeout(100)

    def drag(self, points, shape):
        """Drag the mouse from place to place."""
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0], shape))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point, shape), steps=6)
        mouse.up()
        self.page.wait_for_timeout(200)

    def press(self, *keys):
        """Press keys, and wait until they have been heard."""
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(100)

    def text(self, part):
        """Words of a part of the view."""
        return self.root.locator(f".{part}").inner_text()

    def button(self, name):
        """A button by its name."""
        return self.root.get_by_role("button", name=name, exact=True)


def show_saved(open_page, folder, widget, **settings):
    """Save a page of a widget, open it and return its first map."""
    save_page(widget, folder / "maps.html", title="maps")
    address = (folder / "maps.html").as_uri()
    return MapPage(open_page(address, inside=address, **settings))


def curves_of(page, x, y, which=0):
    """Visible curves of a figure: their points, by the ends of its scales, colour and width."""
    width, height, paths = page.locator(".bqplot.figure").nth(which).evaluate(READ_CURVES)
    found = []
    for path, color, stroke in paths:
        points = np.array([p.split(",") for p in re.findall(r"[ML]([^MLZ]+)", path)], dtype=float)
        across = x[0] + points[:, 0] / width * (x[1] - x[0])
        up = y[1] - points[:, 1] / height * (y[1] - y[0])
        name = "#" + "".join(f"{part:02x}" for part in color)
        found.append({"xy": (across, up), "color": name, "width": stroke})
    return found
