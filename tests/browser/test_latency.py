"""From a hand's movement to the painted answer, as a person's browser feels it.

The map has 384 x 512 pixels of 1564 channels. Both clocks start in the page, before any code of
ours has seen the event: one when the handlers begin, one at the event's own timestamp, which holds
the wait for the frame. Both end after the frame that shows the answer has been painted. The kernel
is near, or far behind a line of 120 ms a round trip, or gone.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from selector_page import SelectorPage
from slow_proxy import slow_way
from stopwatch import ROUNDS, WATCH, measured, meets_in_a_round, within_a_frame

import endmember as em
from conftest import Lab, fresh_page

pytestmark = pytest.mark.alone

SHAPE, N_CHANNELS, DOSE = (384, 512), 1564, 320
LOAD = """
import numpy as np
import scipy.sparse as sp
import endmember as em

counts, axis = sp.load_npz({counts!r}), np.load({axis!r})

def new_image():
    return em.SpectrumImage(
        counts, axis, name="energy", unit="keV", navigation_shape=(384, 512),
        metadata={{"Sample": {{"elements": ["Al", "Ca", "Mg", "Na", "O", "Si"]}}}},
    )

em.RankSelector(new_image()).close()  # kernels are loaded now
"""
SELECTOR = """
selector = em.RankSelector(new_image())
selector
"""
# From a press of Enter to the first frame with a painted map, for every press.
WATCH_FIRST_PAINT = """() => {
  window.firstPaint = null;
  const start = ({ key, timeStamp }) => {
    if (key !== "Enter") return;
    window.removeEventListener("keydown", start, { capture: true });
    const isPainted = () => {
      const canvas = document.querySelector(".endmember-map canvas.data");
      if (!canvas?.width || !canvas.getClientRects().length) return false;
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, i) => i % 4 === 3 && value);
    };
    const look = () => {
      if (isPainted()) window.firstPaint = performance.now() - timeStamp;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  };
  window.addEventListener("keydown", start, { capture: true });
}"""

# Paint what the map shows already at every move of the mouse.
PAINT_AGAIN = """() => {
  const canvas = document.querySelector(".endmember-map canvas.data");
  const pen = canvas.getContext("2d");
  const image = pen.getImageData(0, 0, canvas.width, canvas.height);
  window.paintAgain = () => pen.putImageData(image, 0, 0);
  window.addEventListener("mousemove", window.paintAgain);
}"""
FRAME = 1000 / 60  # ms
IS_IDLE = "document.body.innerText.includes('(ipykernel) | Idle')"


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """The cell that loads the large map."""
    folder = tmp_path_factory.mktemp("map")
    image = em.datasets.load("omphacite", shape=SHAPE, n_channels=N_CHANNELS, dose=DOSE).image
    sp.save_npz(folder / "counts.npz", image.counts, compressed=False)
    np.save(folder / "axis.npy", image.axis)
    return LOAD.format(counts=str(folder / "counts.npz"), axis=str(folder / "axis.npy"))


@pytest.fixture(scope="module")
def far_lab(lab):
    """The same server, far away."""
    with slow_way(lab.address) as address:
        yield Lab(address, lab.folder, lab.pid)


def show(lab, page, load):
    """Show a selector of the large map, and wait until nothing goes on behind it."""
    lab.run(page, load, SELECTOR)
    selector = SelectorPage(page)
    page.get_by_role("button", name="Cancel").wait_for(state="hidden", timeout=180_000)
    selector.settle(3_000)
    return selector


@pytest.fixture(scope="module")
def near(lab, load, shared_page):
    return show(lab, shared_page, load)


@pytest.fixture(scope="module")
def far(far_lab, chromium, load):
    with fresh_page(chromium) as page:
        yield show(far_lab, page, load)
        page.goto("about:blank")


@pytest.fixture(scope="module")
def gone(lab, chromium, load):
    """A selector that has lost its kernel, of which JupyterLab says so at every message."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1250})
    selector = show(lab, page, load)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    page.locator("text=No Kernel").first.wait_for(timeout=20_000)
    yield selector
    page.close()


@pytest.fixture
def opened(request, place):
    return request.getfixturevalue(place)


@pytest.mark.parametrize("place", ["near", "far", "gone"])
def test_a_hovered_spectrum_is_painted_within_a_frame(opened, place):
    page = opened.page
    model = opened.spectrum.locator("path.line").nth(1)
    model.evaluate("line => line.setAttribute('data-watched', '')")
    page.evaluate(WATCH, ["pointermove", "[data-watched]", 0, "d"])
    opened.map.scroll_into_view_if_needed()
    box = opened.map.bounding_box()
    rng = np.random.default_rng(0)

    def hover():
        for x, y in rng.uniform(0.02, 0.98, size=(200, 2)):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.wait_for_timeout(20)

    name = f"hovered spectrum, kernel {place}"
    assert meets_in_a_round(name, page, hover, within_a_frame, fewest=150)


def bare_painting(page, move):
    """The 95th percentile, in ms, of painting the same pixels again at every move, and no more."""
    page.evaluate(PAINT_AGAIN)
    page.evaluate("window.timings.length = 0")
    move()
    page.wait_for_timeout(500)
    page.evaluate("window.removeEventListener('mousemove', window.paintAgain)")
    return np.percentile(page.evaluate("window.timings.map(([, event]) => event)"), 95)


@pytest.mark.parametrize("place", ["near", "far"])
def test_a_dragged_rank_repaints_the_map_at_once(opened, place):
    """Mostly within three frames, or three times what painting alone takes where that is longer.

    What a kernel beside it answers delays some events: how much is printed, and depends on the
    machine more than on the page.
    """
    page, limits = opened.page, []
    opened.handle.scroll_into_view_if_needed()
    page.evaluate(WATCH, ["mousemove", ".endmember-map canvas.data", 0, None])
    width = opened.component_width()

    def move(x, y):
        for i in range(120):
            page.mouse.move(x + width * ((i % 8) - 3), y)
            page.wait_for_timeout(30)
        page.mouse.move(x, y)

    def drag():
        x, y = opened.handle_at()
        limits.append(3 * max(FRAME, bare_painting(page, lambda: move(x, y))))
        print(f"\nlimit, by painting alone: {limits[-1]:.1f} ms", end="")
        page.evaluate("window.timings.length = 0")
        page.mouse.move(x, y)
        page.mouse.down()
        move(x, y)
        page.mouse.up()
        opened.settle()

    for i in range(ROUNDS):
        middle, most = np.percentile(measured(page, drag, fewest=100)[:, 1], [50, 95])
        print(f"; rank {place}, round {i + 1}: from event p50 {middle:.1f} ms, p95 {most:.1f} ms")
        if middle < limits[-1]:
            return
    pytest.fail(f"half of all events took longer than {limits[-1]:.1f} ms, in every round")


def test_a_map_is_painted_soon_after_the_cell_starts(lab, page, load):
    lab.open(page, load, *[SELECTOR] * 5)
    lab.run_cells(page, 1)
    page.wait_for_function(IS_IDLE, timeout=180_000)
    times = []
    for cell in range(1, 6):
        page.locator(".jp-CodeCell .cm-content").nth(cell).click()
        page.evaluate("document.querySelectorAll('.endmember-map').forEach(map => map.remove())")
        page.evaluate(WATCH_FIRST_PAINT)
        page.keyboard.press("Control+Enter")
        page.wait_for_function("window.firstPaint !== null", timeout=60_000)
        times.append(page.evaluate("window.firstPaint"))
        page.wait_for_timeout(6_000)  # until what goes on in the background is over
    p50, p95 = np.percentile(times, [50, 95])
    print(f"\nfirst paint: p50 {p50:.0f} ms, p95 {p95:.0f} ms, of {np.round(times)}")
    assert min(times) < 1_500
