// What a map holds, decoded once for all its views, and what changes with it.

const FINEST_CANVAS = 1024; // pixels of the longer side of the canvas; beyond, it shows means of blocks
const MOST_KEPT = 1 << 22; // values of maps that were seen before, 4 bytes each
const REST = 60; // ms that the pointer rests on a pixel before its counts are asked for

/** What a model holds, decoded once. */
class Core {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.kept = new Map();
    this.marks = new Marks(this);
    this.scale = new Scale(this);
    this.hasKernel = true; // until the marks say otherwise
    this.shape = model.get("shape");
    this.block = Math.ceil(Math.max(...this.shape) / FINEST_CANVAS);
    this.heard = [];
    const listen = (names, act) =>
      names.forEach((name) => {
        this.heard.push([`change:${name}`, act]);
        model.on(`change:${name}`, act);
      });
    const content = ["factors", "values", "value_range", "labels", "label_sets", "layers", "frames", "beneath"];
    listen(content, () => this.soon("read"));
    listen(["palette", "names"], () => this.soon("relabel"));
    listen(["visible", "shown", "limits", "percentiles", "scale"], () => this.soon("repaint"));
    listen(["unit", "pixel_size", "tools", "frame_names", "frame_label"], () => this.soon("repaint"));
    listen(["frame"], () => this.repaint());
    listen(["opacity"], () => this.views.forEach((view) => view.showOpacity()));
    listen(["highlight", "veil"], () => this.soon("redraw"));
    listen(["compared"], () => this.scale.connect());
    listen(["tool", "line_width"], () => this.views.forEach((view) => (view.drawing.drop(), view.controls.showTools())));
    listen(["region"], () => this.takeRegion());
    listen(["rank"], () => this.takeRank());
    listen(["residual", "colors", "caption"], () => this.repaint());
    listen(["pixel", "hovered"], () => this.takePixel());
    listen(["counts"], () => this.marks.drawCounts());
  }

  /** Do something once, when all that has changed together is here. */
  soon(what) {
    this.planned ??= new Set();
    if (this.planned.size === 0) queueMicrotask(() => this.catchUp());
    this.planned.add(what);
  }

  async catchUp() {
    const planned = this.planned;
    this.planned = null;
    const [isRead, isNamed] = [planned.has("read"), planned.has("relabel")];
    if (isRead && !(await this.read())) return; // what came later is on its way
    if (isRead || isNamed) this.marks.drawSpectra();
    if (isRead || isNamed || planned.has("repaint")) this.repaint();
    this.views.forEach((view) => (view.drawVeil(), view.drawOver()));
  }

  /** Decode what is to be seen; tell whether it is still that when it is unpacked. */
  async read() {
    const [labels, layers] = ["labels", "layers"].map((name) => this.model.get(name));
    if (!(await this.readSets()) || !(await this.readFrames())) return false;
    this.onlyLabels = labels.byteLength ? new Uint8Array(bytes(labels)) : null;
    this.layers = layers.maps ? new Layers(layers, this.shape, this.block) : null;
    [this.plain, this.painted] = [null, null];
    this.kept.clear();
    this.readFactors();
    this.readBeneath();
    return true;
  }

  async readSets() {
    const sets = this.model.get("label_sets");
    if (sets === this.setsRead) return true;
    const found = sets.n_labels ? await readLabelSets(sets, this.shape, this.block) : null;
    if (sets !== this.model.get("label_sets")) return false;
    [this.setsRead, this.sets] = [sets, found];
    return true;
  }

  async readFrames() {
    const frames = this.model.get("frames");
    if (frames === this.framesRead) return true;
    const found = frames.n ? await readFrames(frames) : null;
    if (frames !== this.model.get("frames")) return false;
    [this.framesRead, this.frames] = [frames, found];
    return true;
  }

  readBeneath() {
    const beneath = this.model.get("beneath");
    if (beneath === this.beneathRead) return;
    this.beneathRead = beneath;
    this.beneath = beneath.steps ? new Beneath(beneath, this.shape) : null;
  }

  /** The colour of what is hidden: none at all where there is an image beneath. */
  get hidden() {
    return this.beneath ? 0 : HIDDEN;
  }

  readFactors() {
    const factors = this.model.get("factors");
    if (factors.blocks || factors === this.factorsRead) return; // a page's own never change
    this.factorsRead = factors;
    this.factors = factors.scores ? new Factors(fromKernel(factors)) : null;
  }

  takeRank() {
    this.repaint();
    this.marks.moveHandle();
    this.marks.drawSpectra();
    this.marks.writeCode();
  }

  takeRegion() {
    this.views.forEach((view) => (view.drawOver(), view.controls.showTools(), view.mark()));
    this.marks.drawModel();
  }

  takePixel() {
    this.views.forEach((view) => view.mark());
    this.marks.drawHoveredMean();
    this.marks.drawModel();
  }

  /** Labels of all pixels, of the present rank where there are sets; null where none are shown. */
  get labels() {
    return this.sets ? this.sets.at(this.model.get("rank")) : this.onlyLabels;
  }

  /** The same, a label a block. */
  get smallLabels() {
    if (this.sets) return this.sets.smallAt(this.model.get("rank"));
    return blockCorners(this.onlyLabels, this.shape, this.block);
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
    const { kind, points } = this.region;
    return this.countText() + (kind === "line" ? `, ${this.lengthText(points)} long` : "");
  }

  /** Say how many pixels the region holds; a lasso over a large map is counted once. */
  countText() {
    const { region } = this;
    if (this.counted?.region !== region) this.counted = { region, count: countInside(region, this.shape) };
    const { count } = this.counted;
    return `${region.kind}: ${count} pixel${count === 1 ? "" : "s"}`;
  }

  /** How far apart two places are, in the unit of the map. */
  lengthText([start, stop]) {
    const { size = 1, unit = "pixels" } = this.model.get("pixel_size");
    return `${short(size * Math.hypot(stop[0] - start[0], stop[1] - start[1]))} ${unit}`;
  }

  /** Choose the width of lines, of the one that is drawn as well. */
  setLineWidth(width) {
    this.choose("line_width", width);
    if (this.region?.kind === "line") this.setRegion({ ...this.region, width });
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
    if (this.kind === "labels") return this.labelLegend();
    if (!this.layers || (onlyVisible && this.kind !== "composite")) return [];
    const all = this.layers.names.map((name, k) => [name, this.layers.colors[k]]);
    return all.filter((_, k) => !onlyVisible || this.visible[k]);
  }

  labelLegend() {
    const [names, palette] = [this.model.get("names"), this.model.get("palette")];
    const shown = this.sets ? this.sets.namesAt(this.model.get("rank"), names) : names;
    return shown.map((name, k) => [name, palette[k] ?? "transparent"]);
  }

  /** Read what is there to begin with. */
  async open() {
    const factors = this.model.get("factors");
    if (factors.blocks) this.factors = new Factors(await fromPage(factors, this.shape));
    await this.read();
    const { pixels = [], values, deflated } = this.model.get("pins");
    const counts = pixels.length ? floats(deflated ? await inflate(values) : values) : [];
    const n = counts.length / pixels.length;
    this.pins = new Map(pixels.map((pixel, i) => [this.flat(pixel), counts.subarray(i * n, (i + 1) * n)]));
    await this.marks.connect();
    this.scale.connect();
  }

  /** Whether curves are means of the region: nothing is pointed at. */
  get probesRegion() {
    return Boolean(this.factors && this.region && !this.model.get("hovered"));
  }

  /** How much of each component is in what is probed. */
  amounts() {
    if (!this.probesRegion) return this.factors.amountsAt(this.flat(this.probed));
    const [region, factors] = [this.region, this.factors];
    if (this.inRegion?.region !== region || this.inRegion.factors !== factors) {
      const amounts = factors.amountsIn(spansOf(region, this.shape), this.shape[1]);
      this.inRegion = { region, factors, amounts };
    }
    return this.inRegion.amounts;
  }

  get probed() {
    return this.model.get("hovered") ?? this.model.get("pixel");
  }

  flat([row, column]) {
    return row * this.model.get("shape")[1] + column;
  }

  /** Values of the map that is to be seen, worked out once for every setting: hands go to and fro. */
  values() {
    const [rank, kind, layer] = [this.model.get("rank"), this.model.get("residual"), this.shownLayer];
    const key = layer === null ? `${rank} ${kind} ${this.model.get("frame")}` : `layer ${layer}`;
    if (this.painted?.key !== key) {
      this.painted = this.kept.get(key) ?? this.keep(key, this.valuesOf(layer, rank, kind));
      if (this.scale.peers.length) this.painted.limitsKey = null; // compared maps are to hear of it
    }
    this.painted.limits = this.scale.limits();
    return this.painted;
  }

  /** Remember the values of a setting, and forget the oldest where they are many. */
  keep(key, values) {
    const found = { key, values, small: blockMeans(values, this.shape, this.block) };
    this.kept.set(key, found);
    while (this.kept.size > Math.max(1, MOST_KEPT / values.length)) this.kept.delete(this.kept.keys().next().value);
    return found;
  }

  valuesOf(layer, rank, kind) {
    if (layer !== null) return this.layers.values(layer);
    if (this.factors) return this.factors.residual(rank, kind);
    if (this.frames) return this.frames.values(this.model.get("frame"));
    const [values, range] = [this.model.get("values"), this.model.get("value_range")];
    const nothing = () => new Float32Array(this.shape[0] * this.shape[1]).fill(NaN);
    this.plain ??= !values.byteLength ? nothing() : range ? fromSteps(values, range) : floats(values);
    return this.plain;
  }

  /** Words for what a pixel holds, and the image beneath it. */
  textAt(at) {
    const words = this.ownTextAt(at);
    return this.beneath ? `${words} · ${this.beneath.textAt(at)}` : words;
  }

  ownTextAt(at) {
    if (this.labels) return this.labelText(this.labels[at]);
    if (this.kind === "values") {
      const value = this.values().values[at];
      const unit = this.factors || !Number.isFinite(value) ? "" : this.model.get("unit");
      return unit ? `${short(value)} ${unit}` : short(value);
    }
    const { names, steps } = this.layers;
    const seen = names.map((name, k) => `${name} ${short(this.layers.valueOf(k, steps[k][at]))}`);
    return seen.filter((_, k) => this.visible[k]).join(", ") || "no layer is shown";
  }

  labelText(label) {
    if (this.sets && !this.sets.isKnown(this.model.get("rank"))) return "no labels yet";
    return label === NO_LABEL ? "left out" : (this.labelLegend()[label]?.[0] ?? String(label));
  }

  close() {
    this.isClosed = true;
    for (const [name, act] of this.heard) this.model.off(name, act);
    clearTimeout(this.saving);
    this.marks.close();
    this.scale.close();
  }

  get frameName() {
    const frame = this.model.get("frame");
    return this.model.get("frame_names")[frame] ?? String(frame);
  }

  setFrame(frame) {
    const whole = Math.min((this.frames?.n ?? 1) - 1, Math.max(0, frame));
    if (whole !== this.model.get("frame")) this.choose("frame", whole);
  }

  setRank(rank) {
    const whole = Math.min(this.model.get("max_rank"), Math.max(1, rank));
    if (whole === this.model.get("rank")) return;
    this.model.set("rank", whole);
    this.model.save_changes();
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

  repaint() {
    this.views.forEach((view) => view.paint());
  }
}

/** How far blocks reach beyond a map, to the right and down. */
function stretchOf(shape, block) {
  const [down, across] = blocksOf(shape, block);
  return [(across * block) / shape[1], (down * block) / shape[0]];
}
