// What a map holds, decoded once for all its views, and what changes with it.

const FINEST_CANVAS = 1024; // pixels of the longer side of the canvas; beyond, it shows means of blocks
const LOWEST_CEILING = 3; // of a residual map, where noise is 1: noise must not fill the scale
const REST = 60; // ms that the pointer rests on a pixel before its counts are asked for
const FINEST = 1e-3; // of the height of a curve: less than the screen shows
const STALE_AFTER = 200; // ms to wait for a pixel's counts before the old ones are taken away
const RESIDUALS = ["leading", "all"]; // as the menu of residuals has them
const NEEDS_PYTHON = "(needs Python)";

/** What a model holds, decoded once, and the marks elsewhere that follow it. */
class Core {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.followers = {};
    this.hasKernel = true; // until the marks that follow say otherwise
    this.shape = model.get("shape");
    this.block = Math.ceil(Math.max(...this.shape) / FINEST_CANVAS);
    this.heard = [];
    const listen = (names, act) =>
      names.forEach((name) => {
        this.heard.push([`change:${name}`, act]);
        model.on(`change:${name}`, act);
      });
    listen(["factors", "values", "value_range", "labels", "layers"], () => this.soon("read"));
    listen(["palette", "names", "visible", "shown", "limits", "percentiles", "scale"], () => this.soon("repaint"));
    listen(["unit", "pixel_size", "tools"], () => this.soon("repaint"));
    listen(["highlight"], () => this.soon("redraw"));
    listen(["tool"], () => this.views.forEach((view) => (view.drawing.drop(), view.controls.showTools())));
    listen(["region"], () => this.views.forEach((view) => (view.drawOver(), view.controls.showTools())));
    listen(["rank"], () => (this.moveHandle(), this.drawSpectrum(), this.writeCode(), this.repaint()));
    listen(["residual", "colors", "caption"], () => this.repaint());
    listen(["pixel", "hovered"], () => (this.drawSpectrum(), this.views.forEach((v) => v.mark())));
    listen(["counts"], () => this.drawCounts());
  }

  /** Do something once, when all that has changed together is here. */
  soon(what) {
    this.planned ??= new Set();
    if (this.planned.size === 0) queueMicrotask(() => this.catchUp());
    this.planned.add(what);
  }

  catchUp() {
    const planned = this.planned;
    this.planned = null;
    if (planned.has("read")) {
      this.read();
      this.drawSpectrum();
    }
    if (planned.has("read") || planned.has("repaint")) this.repaint();
    this.views.forEach((view) => (view.drawVeil(), view.drawOver()));
  }

  read() {
    const [factors, labels, layers] = ["factors", "labels", "layers"].map((name) => this.model.get(name));
    this.labels = labels.byteLength ? new Uint8Array(bytes(labels)) : null;
    this.layers = layers.maps ? new Layers(layers, this.shape, this.block) : null;
    this.plain = null;
    this.painted = null;
    if (factors.blocks) return; // a page's own: there is no kernel to change them
    this.factors = factors.scores ? new Factors(fromKernel(factors)) : null;
  }

  /** What is to be seen: labels before layers, layers before values. */
  get kind() {
    if (this.labels) return "labels";
    return this.layers && this.shownLayer === null ? "composite" : "values";
  }

  /** The layer that is shown alone; null for all of them. */
  get shownLayer() {
    const shown = this.model.get("shown");
    return this.layers && shown !== null && shown < this.layers.names.length ? shown : null;
  }

  get visible() {
    const visible = this.model.get("visible");
    return this.layers.names.map((_, k) => visible[k] ?? true);
  }

  get tools() {
    return this.model.get("tools") ?? (this.factors ? ["point"] : TOOLS);
  }

  get tool() {
    const tool = this.model.get("tool");
    return this.tools.includes(tool) ? tool : "point";
  }

  /** The region, or null where there is none. */
  get region() {
    const region = this.model.get("region");
    return region.kind ? region : null;
  }

  regionText() {
    const count = countInside(this.region, this.shape);
    return `${this.region.kind}: ${count} pixel${count === 1 ? "" : "s"}`;
  }

  setRegion(region) {
    this.choose("region", region ?? {});
    this.views.forEach((view) => view.say(region ? this.regionText() : "no region"));
  }

  /** Change a trait here and in Python. */
  choose(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** Names and colours of what is seen at once; of layers, all or those that shine. */
  legend(onlyVisible = false) {
    if (this.kind === "labels") {
      const [names, palette] = [this.model.get("names"), this.model.get("palette")];
      return names.map((name, k) => [name, palette[k] ?? "transparent"]);
    }
    if (!this.layers || (onlyVisible && this.kind !== "composite")) return [];
    const all = this.layers.names.map((name, k) => [name, this.layers.colors[k]]);
    return all.filter((_, k) => !onlyVisible || this.visible[k]);
  }

  /** How far blocks reach beyond the map, to the right and down. */
  stretch() {
    const [down, across] = blocksOf(this.shape, this.block);
    return [(across * this.block) / this.shape[1], (down * this.block) / this.shape[0]];
  }

  /** Read what is there to begin with. */
  async open() {
    const factors = this.model.get("factors");
    if (factors.blocks) this.factors = new Factors(await fromPage(factors, this.shape));
    this.read();
    const { pixels = [], values, deflated } = this.model.get("pins");
    const counts = pixels.length ? floats(deflated ? await inflate(values) : values) : [];
    const n = counts.length / pixels.length;
    this.pins = new Map(pixels.map((pixel, i) => [this.flat(pixel), counts.subarray(i * n, (i + 1) * n)]));
    await this.connect();
  }

  get probed() {
    return this.model.get("hovered") ?? this.model.get("pixel");
  }

  flat([row, column]) {
    return row * this.model.get("shape")[1] + column;
  }

  /** Values of the map that is to be seen, worked out once for every setting. */
  values() {
    const [rank, kind, layer] = [this.model.get("rank"), this.model.get("residual"), this.shownLayer];
    const key = layer === null ? `${rank} ${kind}` : `layer ${layer}`;
    if (this.painted?.key !== key) {
      const values = this.valuesOf(layer, rank, kind);
      this.painted = { key, values, small: blockMeans(values, this.shape, this.block) };
    }
    this.painted.limits = this.limits();
    return this.painted;
  }

  valuesOf(layer, rank, kind) {
    if (layer !== null) return this.layers.values(layer);
    if (this.factors) return this.factors.residual(rank, kind);
    const [values, range] = [this.model.get("values"), this.model.get("value_range")];
    const nothing = () => new Float32Array(this.shape[0] * this.shape[1]).fill(NaN);
    this.plain ??= !values.byteLength ? nothing() : range ? fromSteps(values, range) : floats(values);
    return this.plain;
  }

  get isLog() {
    return this.model.get("scale") === "log";
  }

  /** Values at the ends of the colours: those that were set, or those that the pixels suggest. */
  limits() {
    const [set, shares] = [this.model.get("limits"), this.model.get("percentiles")];
    const key = `${set} ${shares} ${this.isLog}`;
    if (this.painted.limitsKey === key) return this.painted.limits;
    this.painted.limitsKey = key;
    const found = set ? [...set] : this.suggested(shares.map((share) => share / 100));
    if (this.isLog && !(found[0] > 0)) found[0] = this.least();
    if (!(found[0] < found[1])) found[1] = found[0] + Math.max(1, Math.abs(found[0]));
    return found;
  }

  suggested(shares) {
    if (this.shownLayer !== null) return this.layers.limits(this.shownLayer, shares);
    const isWanted = this.isLog ? (value) => value > 0 && Number.isFinite(value) : Number.isFinite;
    const [low, high] = quantiles(this.painted.values, this.shape[1], shares, isWanted);
    const isLeading = this.factors && this.model.get("residual") === "leading";
    if (!isLeading) return [low, high];
    return [this.isLog ? low : 0, Math.max(LOWEST_CEILING, high)];
  }

  /** The least value that has a logarithm. */
  least() {
    return this.painted.values.reduce((least, value) => (value > 0 && value < least ? value : least), 1);
  }

  /** Words for what a pixel holds. */
  textAt(at) {
    if (this.labels) {
      const label = this.labels[at];
      return label === NO_LABEL ? "left out" : (this.model.get("names")[label] ?? String(label));
    }
    if (this.kind === "values") {
      const value = this.values().values[at];
      const unit = this.factors || !Number.isFinite(value) ? "" : this.model.get("unit");
      return unit ? `${short(value)} ${unit}` : short(value);
    }
    const { names, steps } = this.layers;
    const seen = names.map((name, k) => `${name} ${short(this.layers.valueOf(k, steps[k][at]))}`);
    return seen.filter((_, k) => this.visible[k]).join(", ") || "no layer is shown";
  }

  /** Find the marks to move: references to other widgets, by what they show. */
  async connect() {
    for (const [role, reference] of Object.entries(this.model.get("followers"))) {
      const id = reference.replace("IPY_MODEL_", "");
      this.followers[role] = await this.model.widget_manager.get_model(id);
    }
    const { handle, residual, kernel } = this.followers;
    // Later, not inside the change: a mark does not redraw what changes while it is changing.
    handle?.on("change:x", () => queueMicrotask(() => this.followHandle()), this);
    residual?.on("change:index", () => this.model.set("residual", RESIDUALS[residual.get("index")]), this);
    if (kernel && !kernel.comm_live) this.doWithoutKernel(kernel);
    this.moveHandle();
    this.drawSpectrum();
  }

  /** Say of a control that needs Python that it does, and show which pixels have their counts here. */
  doWithoutKernel(control) {
    this.hasKernel = false;
    control.set({ disabled: true, description: `${control.get("description")} ${NEEDS_PYTHON}` });
    control.get("layout").set("width", "auto");
    this.writeCode();
  }

  close() {
    for (const [name, act] of this.heard) this.model.off(name, act);
    clearTimeout(this.saving);
    clearTimeout(this.waiting);
    for (const role of ["handle", "residual"]) this.followers[role]?.off(null, null, this);
  }

  writeCode() {
    const code = this.model.get("code");
    if (code) this.followers.code?.set("value", code.replace("{rank}", this.model.get("rank")));
  }

  /** Take the rank from where the handle was dragged to, and snap it to a whole one. */
  followHandle() {
    const [position] = this.followers.handle.get("x");
    this.setRank(Math.round(position));
    this.moveHandle();
  }

  setRank(rank) {
    const whole = Math.min(this.model.get("max_rank"), Math.max(1, rank));
    if (whole === this.model.get("rank")) return;
    this.model.set("rank", whole);
    this.model.save_changes();
  }

  moveHandle() {
    const rank = this.model.get("rank");
    for (const [role, size] of [["handle", 1], ["line", 2]]) {
      const mark = this.followers[role];
      if (!mark || mark.get("x")[0] === rank) continue;
      mark.set("x", new Float64Array(size).fill(rank));
      mark.save_changes();
    }
  }

  setPixel(name, pixel) {
    const old = this.model.get(name);
    if (old === pixel || (old && pixel && old[0] === pixel[0] && old[1] === pixel[1])) return;
    this.model.set(name, pixel);
    if (name === "pixel") this.model.save_changes();
    else {
      clearTimeout(this.saving);
      this.saving = setTimeout(() => this.model.save_changes(), REST);
    }
  }

  drawSpectrum() {
    if (!this.factors) return;
    const spectrum = this.factors.spectrum(this.flat(this.probed), this.model.get("rank"));
    const height = spectrum.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    this.draw(this.followers.model, spectrum, FINEST * height);
    this.drawCounts();
  }

  /** Show the counts of the probed pixel; counts of another one are worse than none. */
  drawCounts() {
    if (!this.factors) return; // a plain map has no spectra
    clearTimeout(this.waiting);
    const { pixel, values } = this.model.get("counts");
    const at = this.flat(this.probed);
    const known = this.pins.get(at) ?? (pixel && this.flat(pixel) === at ? floats(values) : null);
    if (known) this.showCounts(Float64Array.from(known), false);
    else {
      const nothing = new Float64Array(this.factors.nChannels).fill(NaN);
      const patience = this.hasKernel ? STALE_AFTER : 0;
      this.waiting = setTimeout(() => this.showCounts(nothing, true), patience);
    }
  }

  /** Draw a curve with as few points as show it: the page paints it at every step of the pointer. */
  draw(line, values, tolerance) {
    if (!line) return;
    const visible = values.some(Number.isFinite); // a curve of nothing but gaps is no path
    if (!visible) return line.set({ visible });
    const { axis } = this.factors;
    const kept = corners(axis, values, tolerance);
    line.set({ visible, x: Float64Array.from(kept, (c) => axis[c]), y: Float64Array.from(kept, (c) => values[c]) });
  }

  showCounts(counts, areMissing) {
    this.draw(this.followers.counts, counts, 0);
    this.countsAreMissing = areMissing;
    this.views.forEach((view) => view.tell());
  }

  repaint() {
    this.views.forEach((view) => view.paint());
  }
}
