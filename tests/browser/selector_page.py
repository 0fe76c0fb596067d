"""The rank selector as a person meets it: where things are on the page, and what they show."""

from __future__ import annotations

import re
from base64 import b64decode

import numpy as np

CURVES = ("counts", "model", "next")  # in the order in which they are drawn
HALF_PIXEL = 0.5  # by which d3 moves the ticks of an axis, so that they look crisp

READ_MAP = """() => {
  const data = document.querySelector('.endmember-map canvas.data');
  const bar = document.querySelector('.endmember-map .bar canvas');
  const bytes = (c) => {
    const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    let text = '';
    for (let i = 0; i < data.length; i += 4096) {
      text += String.fromCharCode(...data.subarray(i, i + 4096));
    }
    return btoa(text);
  };
  return {rows: data.height, columns: data.width, map: bytes(data), bar: bytes(bar),
          ends: [...document.querySelectorAll('.endmember-map .bar span')].map(s => s.textContent)};
}"""


def read_colors(text):
    """Colours as whole numbers, from the bytes of a canvas."""
    return np.frombuffer(b64decode(text), dtype=np.uint32).tolist()


class SelectorPage:
    """A rank selector on an open page."""

    def __init__(self, page):
        self.page = page
        self.map = page.locator(".endmember-map .stage").first
        self.scree = page.locator(".bqplot.figure").nth(0)
        self.spectrum = page.locator(".endmember-spectrum").first
        self.handle = self.scree.locator("svg.svg-figure path.dot").last
        self.rank = page.get_by_role("spinbutton", name="rank")
        self.map.wait_for(timeout=60_000)
        self.spectrum.locator("path.line").nth(1).wait_for(state="attached")
        self.map.scroll_into_view_if_needed()
        self.settle()

    def settle(self, milliseconds=500):
        """Let the page come to rest."""
        self.page.wait_for_timeout(milliseconds)

    def reset(self, rank=4):
        """Return to where a new selector starts."""
        self.page.mouse.move(5, 5)
        for label, choice in [
            ("noise scaling", "biwhitened"),
            ("residual in", "the next components"),
        ]:
            self.page.get_by_label(label).select_option(choice)
        self.map.focus()
        self.page.keyboard.press("Escape")  # clears a region
        self.type_rank(rank)

    def type_rank(self, rank):
        """Type a rank into the number box."""
        self.rank.fill(str(rank))
        self.rank.press("Enter")
        self.settle()

    # the scree

    def handle_at(self):
        """Centre of the handle, in page coordinates."""
        box = self.handle.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def component_width(self):
        """Distance on the page between one component and the next."""
        points = self.scree.locator("svg.svg-figure path.dot")
        first, second = points.nth(0).bounding_box(), points.nth(1).bounding_box()
        return second["x"] - first["x"]

    def drag_handle(self, to_rank, steps=12):
        """Drag the handle with the mouse, and let go."""
        self.handle.scroll_into_view_if_needed()
        x, y = self.handle_at()
        target = x + (to_rank - self.shown_rank()) * self.component_width()
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(target, y + 3, steps=steps)
        mouse.up()
        self.settle()

    def shown_rank(self):
        """The rank in the number box."""
        return int(self.rank.input_value())

    def code(self):
        """The code under the widget."""
        return self.page.locator(".endmember-code").first.inner_text()

    def caption(self):
        """The line over the map."""
        return self.page.locator(".endmember-map .caption").first.inner_text()

    def readout(self):
        """The line under the map."""
        return self.page.locator(".endmember-map .readout").first.inner_text()

    # what rules say

    def vote(self, rule):
        """The button with the answer of a rule."""
        return self.page.get_by_role("button", name=re.compile(f"^{rule}: rank"))

    def note(self):
        """The words about neighbouring pixels, under the map."""
        return self.page.locator(".endmember-note").first.inner_text()

    # the map

    def drag_over(self, first, last, shape):
        """Draw on the map with the mouse, from the middle of a pixel to that of another."""
        self.point_at(*first, shape)
        self.page.mouse.down()
        self.point_at(*last, shape)
        self.page.mouse.up()

    def shades(self):
        """Index of every pixel's colour in the colour bar, 0 at the bottom; -1 for no colour."""
        shown = self.page.evaluate(READ_MAP)
        bar = read_colors(shown["bar"])[::-1]
        shades = {color: i for i, color in enumerate(bar)}
        found = [shades.get(color, -1) for color in read_colors(shown["map"])]
        return np.array(found).reshape(shown["rows"], shown["columns"])

    def limits(self):
        """Values at the bottom and at the top of the colour bar."""
        top, bottom = self.page.evaluate(READ_MAP)["ends"]
        return float(bottom), float(top)

    def point_at(self, row, column, shape):
        """Move the mouse to the middle of a pixel."""
        box = self.map.bounding_box()
        self.page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / shape[1],
            box["y"] + (row + 0.5) * box["height"] / shape[0],
        )

    # the spectrum

    def curve(self, which, axis):
        """Counts of a curve at the values of an axis, read off its path by the ticks around it."""
        line = self.spectrum.locator("path.line").nth(CURVES.index(which))
        if not line.evaluate("path => path.getClientRects().length"):
            return np.array([])  # nothing is drawn of what is not known
        path = line.get_attribute("d")
        points = np.array([xy.split(",") for xy in re.findall(r"[ML]([^ML]+)", path)], dtype=float)
        x, y = self._by_ticks(0, points[:, 0]), self._by_ticks(1, points[:, 1])
        return np.interp(axis, x, y)

    def _by_ticks(self, which, at):
        """What places along the x or the y axis stand for."""
        ticks = self.spectrum.locator(".axis").nth(which).locator(".tick")
        moves = [ticks.nth(i).get_attribute("transform") for i in range(ticks.count())]
        places = [float(re.findall(r"[-\d.]+", move)[which]) - HALF_PIXEL for move in moves]
        labels = [
            float(ticks.nth(i).text_content().replace("−", "-")) for i in range(ticks.count())
        ]
        slope, offset = np.polyfit(places, labels, 1)
        return slope * at + offset
