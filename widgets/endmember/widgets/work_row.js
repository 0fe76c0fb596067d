// A button, a bar and the time that is left. The button answers at once, however far the kernel is.

const ASKED = { cancel: "cancelling …", compute: "beginning …" };
const PATIENCE = 5000; // ms to wait for Python before saying that it does not answer
const OFTEN = 0.1; // of the work: more often than that its progress is not spoken

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** How long, in words. */
function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 100 ? `about ${whole} s left` : `about ${Math.round(whole / 60)} min left`;
}

export default {
  render({ model, el }) {
    const button = make("button", { type: "button", class: "endmember-button" });
    const bar = make("progress", { max: "1", "aria-label": "progress" });
    const left = make("span", {});
    const spoken = make("span", { role: "status", class: "endmember-spoken" });
    let asked = null; // what a click asked for, until the kernel has answered
    let [last, lastStatus] = [0, "idle"];

    const speak = (status, progress) => {
      const isStep = Math.abs(progress - last) >= OFTEN;
      if (status === lastStatus && !(status === "running" && isStep)) return;
      const ends = { idle: "done", stale: "stopped", error: "failed" };
      if (status !== lastStatus || isStep) last = progress;
      spoken.textContent = status === "running" ? `${Math.round(100 * progress)} % done` : ends[status];
      lastStatus = status;
    };
    const show = () => {
      const [status, progress, seconds] = ["status", "progress", "seconds_left"].map((name) => model.get(name));
      const isRunning = status === "running";
      button.textContent = isRunning ? "Cancel" : model.get("start");
      button.hidden = status === "idle";
      button.disabled = asked !== null;
      bar.hidden = !isRunning;
      bar.value = progress;
      left.textContent = asked ?? (!isRunning ? "" : seconds === null ? "working …" : duration(seconds));
      speak(status, progress);
    };
    let waiting = null;
    const heard = () => (clearTimeout(waiting), (asked = null), show());
    button.addEventListener("click", () => {
      const kind = model.get("status") === "running" ? "cancel" : "compute";
      asked = ASKED[kind];
      show();
      model.send({ kind });
      waiting = setTimeout(() => ((asked = null), show(), (left.textContent = "Python does not answer.")), PATIENCE);
    });
    show();
    model.on("change:status change:start", heard);
    model.on("change:progress change:seconds_left", show);
    el.replaceChildren(make("div", { class: "endmember-row" }, button, bar, left, spoken));
    return () => {
      clearTimeout(waiting);
      model.off("change:status change:start", heard);
      model.off("change:progress change:seconds_left", show);
    };
  },
};
