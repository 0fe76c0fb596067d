// Contrast of a map: the ends of its colour bar, to be dragged or moved by keys, and a panel of choices.

const SHARES = { "0,100": "all values", "0.5,99.5": "0.5 to 99.5 %", "2,98": "2 to 98 %", "5,95": "5 to 95 %" };
const FINE_STEP = 0.01; // of the range, for an arrow key
const COARSE_STEP = 0.1; // and for Page Up and Page Down
const STEPS = { ArrowUp: FINE_STEP, ArrowRight: FINE_STEP, ArrowDown: -FINE_STEP, ArrowLeft: -FINE_STEP, PageUp: COARSE_STEP, PageDown: -COARSE_STEP };
const PANEL = `
  <div class="contrast" role="group" aria-label="contrast" hidden>
    <label class="of-values">from <input type="number" step="any" class="low"></label>
    <label class="of-values">to <input type="number" step="any" class="high"></label>
    <button type="button" class="hold of-values" title="Keep these ends whatever is shown">Hold</button>
    <label>percentiles <select class="shares-choice"></select></label>
    <label class="of-values">scale <select class="scale-choice"><option>linear</option><option>log</option></select></label>
    <label class="of-values">colours <select class="colors-choice"><option>viridis</option><option>cividis</option><option>gray</option><option>diverging</option></select></label>
    <button type="button" class="reset" title="Let the pixels decide again">Reset</button>
  </div>`;

/** The contrast of one view. */
class Contrast {
  constructor(view, el) {
    [this.view, this.core, this.model, this.scale] = [view, view.core, view.core.model, view.core.scale];
    this.find = (selector) => el.querySelector(selector);
    const on = (selector, type, act) => this.find(selector).addEventListener(type, act);
    on(".contrast", "keydown", keepPlainKeys);
    on(".contrast-button", "click", () => this.toggle());
    for (const end of [".low", ".high"]) on(end, "change", () => this.takeLimits());
    on(".hold", "click", () => this.core.choose("limits", this.scale.isHeld ? null : [...this.core.values().limits]));
    on(".reset", "click", () => this.scale.reset());
    on(".scale-choice", "change", ({ target }) => this.core.choose("scale", target.value));
    on(".colors-choice", "change", ({ target }) => this.core.choose("colors", target.value));
    on(".shares-choice", "change", ({ target }) => this.takeShares(target.value.split(",").map(Number)));
    this.listenToBar(this.find(".bar"));
  }

  // the bar

  listenToBar(bar) {
    const [canvas, ends] = [bar.querySelector("canvas"), this.view.ends];
    for (const part of [canvas, ...ends]) {
      part.addEventListener("pointerdown", (event) => this.take(event, part, canvas));
      part.addEventListener("pointermove", (event) => this.drag(event));
      part.addEventListener("pointerup", () => this.drop());
      part.addEventListener("pointercancel", () => this.drop());
      part.addEventListener("dblclick", () => this.core.choose("limits", null));
    }
    ends.forEach((end, which) => end.addEventListener("keydown", (event) => this.press(event, which)));
  }

  /** Take hold of an end: of the one that was grasped, or of the nearer one on the bar. */
  take(event, part, canvas) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { top, height } = canvas.getBoundingClientRect();
    const which = part === canvas ? Number(event.clientY < top + height / 2) : this.view.ends.indexOf(part);
    part.setPointerCapture(event.pointerId);
    this.held = { which, height, from: event.clientY, limits: [...this.core.values().limits] };
    this.view.ends[which].focus({ preventScroll: true });
    event.preventDefault();
  }

  drag(event) {
    if (!this.held) return;
    const { which, height, from, limits } = this.held;
    if (event.clientY === from && !this.held.isMoved) return;
    this.held.isMoved = true;
    this.model.set("limits", this.scale.moved(limits, which, (from - event.clientY) / height));
  }

  /** Tell Python where an end was left, not where it has been. */
  drop() {
    if (this.held?.isMoved) this.model.save_changes();
    this.held = null;
  }

  press(event, which) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const limits = this.limitsAfter(event.key, which);
    if (limits === undefined) return;
    event.preventDefault();
    this.core.choose("limits", limits);
  }

  /** Limits that a key asks for: null for those that pixels decide, undefined for another key. */
  limitsAfter(key, which) {
    const { limits } = this.core.values();
    if (key in STEPS) return this.scale.moved(limits, which, STEPS[key]);
    if (key === "Delete" || key === "Backspace") return null;
    if (key !== "Home" && key !== "End") return undefined;
    const wanted = this.scale.extremes()[Number(key === "End")];
    const found = which ? [limits[0], wanted] : [wanted, limits[1]];
    return found[0] < found[1] ? found : limits;
  }

  /** Say what the ends are to those who do not see the bar. */
  showEnds(limits) {
    const { ends } = this.view;
    const unit = this.view.unit.textContent;
    const [least, most] = this.scale.extremes();
    const reach = [[least, limits[1]], [limits[0], most]];
    ends.forEach((end, i) => {
      end.textContent = short(limits[i]);
      end.ariaValueNow = limits[i];
      [end.ariaValueMin, end.ariaValueMax] = reach[i];
      end.ariaValueText = `${short(limits[i])} ${unit}`;
    });
  }

  // the panel

  get isOpen() {
    return !this.find(".contrast").hidden;
  }

  toggle() {
    this.find(".contrast").hidden = this.isOpen;
    this.find(".contrast-button").ariaExpanded = this.isOpen;
    this.show();
  }

  /** Whether there is anything to choose: pixels decide on what layers do not fix. */
  get isOffered() {
    const { kind, layers } = this.core;
    return kind === "values" || (kind === "composite" && !layers.fixed.every(Boolean));
  }

  show() {
    this.find(".contrast-button").hidden = !this.isOffered;
    if (!this.isOffered && this.isOpen) return this.toggle();
    if (!this.isOpen) return; // nothing to keep up to date
    const isOfValues = this.core.kind === "values";
    this.view.root.querySelectorAll(".of-values").forEach((part) => (part.hidden = !isOfValues));
    this.showShares();
    if (isOfValues) this.showScale();
  }

  showScale() {
    const { scale, core } = this;
    const { limits } = core.values();
    ["low", "high"].forEach((name, i) => {
      const input = this.find(`.${name}`);
      if (input !== document.activeElement) input.value = Number(limits[i].toPrecision(6)); // else a person types
    });
    press(this.find(".hold"), scale.isHeld);
    this.find(".scale-choice").value = scale.isLog ? "log" : "linear";
    this.find(".scale-choice").disabled = scale.isSigned; // a negative value has no logarithm
    this.find(".colors-choice").value = scale.colors;
    this.find(".colors-choice").disabled = scale.isSigned && this.model.get("colors") !== "diverging";
  }

  showShares() {
    const [chosen, select] = [`${this.model.get("percentiles")}`, this.find(".shares-choice")];
    const offered = chosen in SHARES ? SHARES : { ...SHARES, [chosen]: `${chosen.replace(",", " to ")} %` };
    if (select.options.length !== Object.keys(offered).length || !offered[select.value]) {
      select.replaceChildren(...Object.entries(offered).map(([value, name]) => new Option(name, value)));
    }
    select.value = chosen;
  }

  /** Take over percentiles, and let pixels decide by them. */
  takeShares(shares) {
    this.model.set({ percentiles: shares, limits: null });
    this.model.save_changes();
  }

  /** Take over two numbers that make limits; say why others do not. */
  takeLimits() {
    const limits = ["low", "high"].map((name) => this.find(`.${name}`).valueAsNumber);
    const areLimits = limits.every(Number.isFinite) && limits[0] < limits[1];
    if (!areLimits) return this.view.controls.tellStatus("Give two numbers, the second higher; the old ones stay.");
    this.find(".status").textContent = "";
    this.core.choose("limits", limits);
  }
}
