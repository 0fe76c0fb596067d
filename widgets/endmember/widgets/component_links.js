// What of a component browser follows the list, the pointer and the scatter is worked out here, from
// the factors of its map: it answers with or without a kernel.

const PART = 3e-3; // of the height of a part: less than a pixel of the screen

/** Where a model keeps the identifiers of others. */
const idOf = (reference) => reference.replace("IPY_MODEL_", "");

class Links {
  constructor(model) {
    [this.model, this.views, this.heard] = [model, new Set(), []];
    this.words = "";
  }

  async open() {
    await this.find();
    if (!this.control.comm_live) await this.hideWhatNeedsPython();
    const { map, list, scatter, beside } = this;
    const factors = map.get("factors");
    this.factors = new Factors(factors.blocks ? await fromPage(factors, map.get("shape")) : fromKernel(factors));
    this.shapes = this.curves.parts.map((_, k) => this.thinnedPart(k));
    await this.unpackAll();
    this.on(this.model, ["order", "names", "signs", "partners", "scatter"], () => this.refresh());
    this.on(list, ["index"], () => this.choose());
    this.on(map, ["shown"], () => this.takeShown(map));
    this.on(map, ["visible"], () => this.takeVisible(map));
    this.on(map, ["rank"], () => queueMicrotask(() => this.takeStep()));
    this.on(map, ["hovered", "pixel", "region"], () => this.follow());
    this.on(map, ["caption"], () => this.choose()); // a late one is of another component
    this.curves.lines.forEach((line) => this.on(line, ["y"], () => this.drawFront()));
    if (scatter) {
      this.on(scatter, ["hovered"], () => this.takeHoveredBin());
      this.on(scatter, ["pixel"], () => this.takeBin());
    }
    if (beside) {
      this.on(beside, ["shown"], () => this.takeShown(beside));
      this.on(beside, ["visible"], () => this.takeVisible(beside));
      this.on(beside, ["hovered", "pixel"], () => this.takePlaceBeside());
    }
    this.refresh();
  }

  /** Find the models that follow, by what they show. */
  async find() {
    for (const [role, reference] of Object.entries(this.model.get("roles"))) [this[role]] = await this.get([reference]);
    this.curves = {};
    for (const [role, references] of Object.entries(this.model.get("curves"))) this.curves[role] = await this.get(references);
  }

  get(references) {
    return Promise.all(references.map((reference) => this.model.widget_manager.get_model(idOf(reference))));
  }

  /** Hide what is of no use where no kernel hears it; bins of the scatter can only be pointed at there. */
  async hideWhatNeedsPython() {
    for (const box of await this.get(this.model.get("of_python"))) box.get("layout").set("display", "none");
    this.scatter?.set("tools", ["point"]);
  }

  /** Unpack what a page holds, once its map is open: then it has told a control that there is no Python. */
  async unpackAll() {
    const packed = Object.entries(this.model.get("packed"));
    if (!packed.length) return;
    const { control } = this;
    if (!control.get("disabled")) await new Promise((open) => control.once("change:disabled", open));
    for (const [role, layers] of packed) await this.unpack(this[role], layers);
  }

  /** Give a map of a page its layers: inflated, or made from the factors, which hold as much. */
  async unpack(view, { maps, ...layers }) {
    const held = maps ? await inflate(maps) : new DataView(this.stepsOf(layers).buffer);
    this.put(view, { layers: { ...layers, maps: held } });
  }

  stepsOf({ lows, highs }) {
    const { nPixels, heights } = this.factors;
    const steps = new Uint8Array(lows.length * nPixels).fill(NO_LABEL);
    this.order.forEach((k, place) => {
      const scale = LAST_STEP / (highs[place] - lows[place]);
      for (let at = 0; at < nPixels; at++) {
        if (!(heights[at] > 0)) continue;
        const step = Math.round((this.score(k, at) - lows[place]) * scale);
        steps[place * nPixels + at] = Math.max(0, Math.min(LAST_STEP, step));
      }
    });
    return steps;
  }

  on(model, names, act) {
    const events = names.map((name) => `change:${name}`).join(" ");
    const heard = () => this.isOwn || act();
    this.heard.push([model, events, heard]);
    model.on(events, heard);
  }

  close() {
    clearTimeout(this.saving);
    for (const [model, events, heard] of this.heard) model.off(events, heard);
  }

  /** Change a model without hearing of it as if a person had; tell Python where asked to. */
  put(model, values, isTold = false) {
    const before = this.isOwn;
    this.isOwn = true;
    model.set(values);
    this.isOwn = before;
    if (isTold) model.save_changes();
  }

  refresh() {
    this.choose();
    this.follow();
  }

  // the list

  get order() {
    return this.model.get("order");
  }

  get place() {
    const place = this.list.get("index");
    return place === null || place < 0 ? 0 : place;
  }

  get chosen() {
    return this.order[this.place];
  }

  /** Whether each component, by number, is not hidden. */
  get isShown() {
    const [visible, shown] = [this.map.get("visible"), []];
    this.order.forEach((k, place) => (shown[k] = visible[place] ?? true));
    return shown;
  }

  /** Whether all of it is here: while a kernel makes a browser, its parts come one by one. */
  get isWhole() {
    const n = this.curves.lines.length;
    const each = ["order", "names", "signs", ...(this.beside ? ["partners"] : [])];
    return each.every((name) => this.model.get(name).length === n) && "bins" in this.model.get("scatter");
  }

  /** Let map, curves and words be those of the chosen component. */
  choose() {
    if (!this.isWhole) return;
    const alone = this.map.get("shown") !== null;
    if (alone && this.map.get("shown") !== this.place) this.put(this.map, { shown: this.place }, true);
    this.drawFront();
    this.drawCurves();
    this.showBeside(alone);
    const name = this.model.get("names")[this.chosen];
    const [one, all] = this.model.get("captions");
    this.put(this.map, { caption: alone ? `${name}: ${one}` : all });
  }

  drawFront() {
    const line = this.curves.lines[this.chosen];
    this.put(this.front, { y: line.get("y"), colors: line.get("colors") });
  }

  drawCurves() {
    const [k, isShown] = [this.chosen, this.isShown];
    this.curves.lines.forEach((line, i) => {
      const visible = isShown[i] || i === k;
      this.put(line, { visible, display_legend: visible });
    });
    (this.curves.bands ?? []).forEach((band, i) => this.put(band, { visible: i === k }));
    const partners = this.model.get("partners");
    (this.curves.partners ?? []).forEach((line, i) => {
      const visible = i === k && partners[i]?.isThere;
      this.put(line, { visible, display_legend: visible });
    });
  }

  showBeside(alone) {
    if (!this.beside) return;
    const { words, caption } = this.model.get("partners")[this.chosen];
    this.put(this.said, { value: words });
    const all = this.model.get("captions")[2];
    this.put(this.beside, { shown: alone ? this.place : null, caption: alone ? caption : all });
  }

  takeShown(view) {
    const shown = view.get("shown");
    if (view === this.beside) this.put(this.map, { shown }, true);
    if (shown !== null) this.put(this.list, { index: shown }, true);
    this.choose();
  }

  takeVisible(view) {
    const visible = view.get("visible");
    if (view === this.beside) this.put(this.map, { visible }, true);
    else if (this.beside) this.put(this.beside, { visible });
    if (!this.list.comm_live) this.put(this.list, { _options_labels: this.entries() });
    this.refresh();
  }

  /** What stands in the list, where Python cannot say it. */
  entries() {
    const [names, signs, isShown] = [this.model.get("names"), this.model.get("signs"), this.isShown];
    return this.order.map((k) => {
      const said = [signs[k] < 0 && "turned over", !isShown[k] && "hidden"].filter(Boolean);
      return names[k] + (said.length ? ` (${said.join(", ")})` : "");
    });
  }

  /** Go through the list by Page Up and Page Down, which the map takes for its rank. */
  takeStep() {
    const home = this.model.get("home");
    const [step, n] = [home - this.map.get("rank"), this.order.length];
    if (!step) return;
    this.put(this.map, { rank: home }, true);
    this.put(this.list, { index: (this.place + step + n) % n }, true);
    this.choose();
  }

  // the pointer

  flat([row, column]) {
    return row * this.map.get("shape")[1] + column;
  }

  get probed() {
    return this.map.get("hovered") ?? this.map.get("pixel");
  }

  /** What a pixel holds of a component, turned as chosen. */
  score(k, at) {
    return this.factors.scores[k * this.factors.nPixels + at] * this.model.get("units")[k] * this.model.get("signs")[k];
  }

  /** The spectrum of a component with as few points as show it: its parts differ in height alone. */
  thinnedPart(k) {
    const { axis, spectra, nChannels } = this.factors;
    const values = spectra.subarray(k * nChannels, (k + 1) * nChannels);
    const height = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const kept = corners(axis, values, PART * height);
    return [Float64Array.from(kept, (c) => axis[c]), Float64Array.from(kept, (c) => values[c])];
  }

  /** The region whose mean is shown, as on the map: while nothing is pointed at; else null. */
  get region() {
    const region = this.map.get("region");
    return region.kind && !this.map.get("hovered") ? region : null;
  }

  /** How much of each component is in what is pointed at; null where that is left out. */
  amounts() {
    const { region, factors } = this;
    if (!region) return factors.amountsAt(this.flat(this.probed));
    const shape = this.map.get("shape");
    if (this.inRegion?.region !== region) {
      this.inRegion = { region, amounts: factors.amountsIn(spansOf(region, shape), shape[1]) };
    }
    return this.inRegion.amounts;
  }

  /** Let parts, words and the scatter be those of the place that is pointed at. */
  follow() {
    if (!this.isWhole) return;
    const [amounts, isShown] = [this.amounts(), this.isShown];
    this.curves.parts.forEach((line, k) => {
      const visible = amounts !== null && isShown[k];
      if (!visible) return this.put(line, { visible });
      const [x, heights] = this.shapes[k];
      const y = heights.map((height) => amounts[k] * height);
      this.put(line, line.get("x") === x ? { visible, y } : { visible, x, y }); // at once, or two lengths meet
    });
    this.tell(amounts);
    this.followBeside();
    this.followOnScatter(this.flat(this.probed));
  }

  tell(amounts) {
    const [names, isShown, units, signs] = [this.model.get("names"), this.isShown, this.model.get("units"), this.model.get("signs")];
    const seen = amounts ? this.order.filter((k) => isShown[k]) : [];
    const said = seen.map((k) => `${short(amounts[k] * units[k] * signs[k])} × ${names[k]}`);
    if (said.length && this.model.get("has_mean")) said.push("the mean");
    const model = said.join(" + ").replaceAll("+ -", "\u2212 ") || "no model here";
    this.words = `${this.placeText()}: ${model}`;
    this.views.forEach((view) => (view.textContent = this.words));
  }

  placeText() {
    const { region, probed } = this;
    return region ? `mean of the ${region.kind}` : `row ${probed[0]}, column ${probed[1]}`;
  }

  followBeside() {
    if (this.beside) this.put(this.beside, { hovered: this.map.get("hovered"), pixel: this.map.get("pixel") });
  }

  takePlaceBeside() {
    const pixel = this.beside.get("pixel");
    const isChosen = this.flat(pixel) !== this.flat(this.map.get("pixel"));
    this.put(this.map, { hovered: this.beside.get("hovered"), pixel }, isChosen);
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.map.save_changes(), this.model.get("rest"));
    this.follow();
  }

  // the scatter

  /** The bin of every pixel, row by row; -1 for those that are left out. */
  get bins() {
    const { numbers, lows, highs, bins } = this.model.get("scatter");
    const key = `${[numbers, lows, highs]}`;
    if (this.binsKey === key) return this.allBins;
    const found = new Int32Array(this.factors.nPixels);
    const scale = numbers.map((k, i) => (this.model.get("units")[k] * this.model.get("signs")[k] * bins) / (highs[i] - lows[i]));
    const start = numbers.map((_, i) => (lows[i] * bins) / (highs[i] - lows[i]));
    const { scores, heights, nPixels } = this.factors;
    const step = (i, at) => Math.floor(scores[numbers[i] * nPixels + at] * scale[i] - start[i]);
    const clipped = (value) => Math.max(0, Math.min(bins - 1, value));
    for (let at = 0; at < nPixels; at++) {
      found[at] = heights[at] > 0 ? (bins - 1 - clipped(step(1, at))) * bins + clipped(step(0, at)) : -1;
    }
    [this.binsKey, this.allBins] = [key, found];
    return found;
  }

  followOnScatter(at) {
    if (!this.scatter) return;
    const [bin, across] = [this.bins[at], this.model.get("scatter").bins];
    const place = bin < 0 ? null : [Math.floor(bin / across), bin % across];
    const hovered = this.map.get("hovered") === null ? null : place;
    if (hovered || this.hasPointedThere) this.put(this.scatter, { hovered }); // else a hand is on it
    this.hasPointedThere = hovered !== null;
    if (place) this.put(this.scatter, { pixel: place });
  }

  /** Pixels of the map that fall into a bin. */
  pixelsIn([row, column]) {
    const [found, wanted] = [[], row * this.model.get("scatter").bins + column];
    this.bins.forEach((bin, at) => bin === wanted && found.push(at));
    return found;
  }

  /** Let the pixels of a bin stand out while the pointer is over it. */
  takeHoveredBin() {
    const bin = this.scatter.get("hovered");
    const pixels = bin ? this.pixelsIn(bin) : [];
    if (!pixels.length) return this.put(this.map, { veil: null });
    const bits = new Uint8Array(Math.ceil(this.factors.nPixels / 8));
    for (const at of pixels) bits[at >> 3] |= 128 >> (at & 7);
    this.put(this.map, { veil: new DataView(bits.buffer) }); // of the page alone: no echo brings it back
  }

  /** Choose a pixel of the bin that was chosen, where there is one. */
  takeBin() {
    const pixels = this.pixelsIn(this.scatter.get("pixel"));
    if (!pixels.length) return;
    const [at, columns] = [pixels[Math.floor(pixels.length / 2)], this.map.get("shape")[1]];
    this.map.set("pixel", [Math.floor(at / columns), at % columns]);
    this.map.save_changes();
  }
}

export default () => {
  let links;
  return {
    async initialize({ model }) {
      links = new Links(model);
      await links.open();
      return () => links.close();
    },
    render({ el }) {
      el.classList.add("endmember-where");
      el.textContent = links.words;
      links.views.add(el);
      return () => links.views.delete(el);
    },
  };
};
