// What the page itself does with the scree: wheel and clicks choose a rank, with or without a kernel.

const NOTCH = 100; // CSS pixels that a wheel travels for one rank,
const LINE = 40; // and those of one line, where it counts lines
const PAUSE = 300; // ms after which a hand begins anew

/** Ranks by the travel of a wheel: small steps of a trackpad add up, none is skipped. */
class Wheel {
  constructor() {
    [this.travelled, this.last] = [0, 0];
  }

  /** Forget what was travelled. */
  rest() {
    this.travelled = 0;
  }

  /** How far an event goes, up or to the right, in CSS pixels. */
  wayOf({ deltaX, deltaY, deltaMode }) {
    return (Math.abs(deltaX) > Math.abs(deltaY) ? deltaX : -deltaY) * (deltaMode === 0 ? 1 : LINE);
  }

  /** How many ranks an event is worth: -1, 0 or 1. */
  step(event) {
    const [way, { timeStamp }] = [this.wayOf(event), event];
    if (timeStamp - this.last > PAUSE || way * this.travelled < 0) this.travelled = 0;
    this.last = timeStamp;
    this.travelled += way;
    if (Math.abs(this.travelled) < NOTCH) return 0;
    const step = Math.sign(this.travelled);
    this.travelled = 0;
    return step;
  }
}

const found = (model, reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));

/** The map whose rank all parts of a selector share. */
const mapOf = (model) => found(model, model.get("map"));

/** Hide what is of no use where no kernel hears it, or ever will say a word. */
async function hideWhatNeedsPython(model) {
  const idle = await Promise.all(model.get("needs_python").map((reference) => found(model, reference)));
  const verdict = await found(model, model.get("verdict"));
  if (!verdict.get("value")) idle.push(verdict);
  for (const part of idle) if (!part.comm_live) part.get("layout").set("display", "none");
}

export default () => {
  let map = null;
  return {
    async initialize({ model }) {
      map = await mapOf(model);
      await hideWhatNeedsPython(model);
    },
    render({ model, el }) {
      const wheel = new Wheel();
      let [box, isClosed, passing] = [null, false, -PAUSE];
      el.style.display = "none";
      const setRank = (rank) => {
        const whole = Math.min(map.get("max_rank"), Math.max(1, rank));
        if (whole === map.get("rank")) return;
        map.set("rank", whole);
        map.save_changes();
      };
      /** Whether a hand is scrolling the page, and the scree has come under it. */
      const isPassing = ({ timeStamp }) => timeStamp - passing < PAUSE;
      const watch = (event) => {
        if (!box?.contains(event.target) || isPassing(event)) passing = event.timeStamp;
      };
      const roll = (event) => {
        if (event.ctrlKey || isPassing(event)) return; // with Ctrl it enlarges the page
        const [rank, way] = [map.get("rank"), wheel.wayOf(event)];
        if (way > 0 ? rank >= map.get("max_rank") : rank <= 1) return wheel.rest(); // the page goes on
        event.preventDefault();
        setRank(rank + wheel.step(event));
      };
      const choose = (event) => {
        const figure = event.target.closest(".bqplot.figure");
        if (!figure) return;
        const [{ left, width }, [before, after], [low, high]] = [figure.getBoundingClientRect(), model.get("margins"), model.get("ends")];
        const share = (event.clientX - left - before) / (width - before - after);
        if (share >= 0 && share <= 1) setRank(Math.round(low + share * (high - low)));
      };
      const listen = () => {
        if (isClosed) return;
        if (!el.isConnected) return requestAnimationFrame(listen); // not on the page yet
        box = el.closest(".endmember-scree");
        document.addEventListener("wheel", watch, { capture: true, passive: true });
        box?.addEventListener("wheel", roll, { passive: false });
        box?.addEventListener("click", choose);
        requestAnimationFrame(() => setTimeout(() => !isClosed && model.send({ kind: "shown" }))); // once it is painted
      };
      listen();
      return () => {
        isClosed = true;
        document.removeEventListener("wheel", watch, { capture: true });
        box?.removeEventListener("wheel", roll);
        box?.removeEventListener("click", choose);
      };
    },
  };
};
