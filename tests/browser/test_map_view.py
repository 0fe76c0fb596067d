"""A plain map on the canvas: the right way up, in its colours, with its values."""

import numpy as np
from selector_page import READ_MAP, read_colors

SHOW = """
import numpy as np
from endmember.widgets import MapView
values = np.arange(12.0).reshape(3, 4)
values[1, 2] = np.nan
MapView(values, caption="a ramp", unit="counts", colors="cividis")
"""


def test_a_map_is_the_right_way_up_and_says_its_values(lab, page, shots):
    lab.run(page, SHOW)
    stage = page.locator(".endmember-map .stage")
    stage.wait_for()
    shown = page.evaluate(READ_MAP)
    bar = read_colors(shown["bar"])[::-1]  # from the lowest value up
    pixels = np.array(read_colors(shown["map"])).reshape(3, 4)
    rising = [bar.index(color) for color in pixels.ravel() if color in bar]
    assert len(rising) == 11  # all but the hidden one, which is a veil of no colour
    assert rising == sorted(rising)
    assert (rising[0], rising[-1]) == (0, 255)
    box = stage.bounding_box()
    readout = page.locator(".endmember-map .readout")
    for row, column, value in [(0, 0, "0"), (0, 3, "3"), (2, 0, "8"), (1, 2, "left out")]:
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / 4, box["y"] + (row + 0.5) * box["height"] / 3
        )
        page.wait_for_timeout(100)
        assert readout.inner_text() == f"row {row}, column {column}: {value}"
    page.screenshot(path=shots / "map-view.png")
