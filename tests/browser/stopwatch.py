"""How long a page takes from a hand's movement to the painted answer."""

from __future__ import annotations

import numpy as np

ROUNDS = 5
FIRST_MAP = 2000  # ms
SLIDERS = 2.5  # what a first map may take of a slider's time

# An event starts a clock. After every frame from then on, the clock stops if what is watched has
# changed by then: the change was in that frame or an earlier one.
WATCH = """([kind, selector, index, attribute]) => {
  window.unwatch?.();
  const node = document.querySelectorAll(selector)[index];
  window.timings = [];
  let changes = 0;
  if (node instanceof HTMLCanvasElement) {
    const pen = node.getContext("2d");
    for (const name of ["putImageData", "drawImage"]) {
      const paint = pen[name];
      pen[name] = (...args) => ((changes += 1), paint.apply(pen, args));
    }
  } else {
    new MutationObserver(() => { changes += 1; }).observe(
      node, attribute ? { attributes: true, attributeFilter: [attribute] }
                      : { childList: true, characterData: true, subtree: true });
  }
  const afterFrame = (act) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = act;
    channel.port2.postMessage(null);
  });
  const act = (event) => {
    const [stamp, handler, before] = [event.timeStamp, performance.now(), changes];
    const look = (framesLeft) => afterFrame(() => {
      const now = performance.now();
      if (changes > before) window.timings.push([now - handler, now - stamp]);
      else if (framesLeft) look(framesLeft - 1);
    });
    look(30);
  };
  window.addEventListener(kind, act, { capture: true });
  window.unwatch = () => window.removeEventListener(kind, act, { capture: true });
}"""


def measured(page, act, fewest):
    """Time what an act does to what is watched: from handler, and from event, to paint in ms."""
    page.evaluate("window.timings.length = 0")
    act()
    timings = page.evaluate("window.timings")
    assert len(timings) > fewest
    return np.array(timings)


def meets_in_a_round(name, page, act, is_met, fewest=60):
    """Whether the 95th percentiles of both clocks meet a claim in one of some rounds.

    Other programs on the machine delay a round, what is measured delays all of them.
    """
    for i in range(ROUNDS):
        timings = measured(page, act, fewest)
        (middle, middle_of_event), (handler, event) = np.percentile(timings, [50, 95], axis=0)
        print(
            f"\n{name}, round {i + 1}, {len(timings)} events: from handler to paint "
            f"p50 {middle:.1f} ms, p95 {handler:.1f} ms; from event p50 {middle_of_event:.1f} ms, "
            f"p95 {event:.1f} ms"
        )
        if is_met(handler, event):
            return True
    return False


def paints_in_a_round(name, load, slider):
    """Whether a page paints its first map soon, in one of some loads.

    Within two seconds, or where the machine is slow or busy, within some times what a slider alone
    takes just before.
    """
    for i in range(ROUNDS):
        alone = painted(slider(), ".widget-slider")
        first = painted(load(), ".endmember-map .stage")
        print(f"\n{name}, load {i + 1}: first map after {first:.0f} ms, a slider {alone:.0f} ms")
        if first < max(FIRST_MAP, SLIDERS * alone):
            return True
    return False


def painted(page, what):
    """When a page has painted something, in ms since it was asked for; then close it."""
    page.locator(what).first.wait_for()
    time = page.evaluate("performance.now()")
    page.context.close()
    return time


def press_in_turn(page, keys, times=100, pause=30):
    """Press one key four times, then the other, and so on, as fast as a hand does."""
    for i in range(times):
        page.keyboard.press(keys[i // 4 % 2])
        page.wait_for_timeout(pause)
