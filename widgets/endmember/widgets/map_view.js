// One canvas for every map: it paints values, follows the pointer and the keyboard, and works out
// residuals and model spectra from their factors, so that it answers with or without a kernel.

const SHADES = {
  // 33 shades each, of matplotlib's colour maps (CC0)
  viridis:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e" +
    "23898e21918c1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23" +
    "d8e219ece51bfde725",
  cividis:
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f7073" +
    "7676767d7c788482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150" +
    "f0d846f9e03afee838",
};
const HIDDEN = [128, 128, 128, 60]; // a pixel behind the mask: a veil, no colour of the map
const TARGET_SIZE = 400; // of the longer side, in CSS pixels, before rounding to whole pixels
const LARGEST_SIZE = 800; // of the longer side; a larger map is shown smaller than it is
const SMALLEST_SIZE = 48; // of the shorter side, so that a line scan can be pointed at
const SAMPLE = 16384; // values that the ends of the colour scale are judged by
const LOWEST_CEILING = 3; // of a residual map, where noise is 1: noise must not fill the scale
const REST = 60; // ms that the pointer rests on a pixel before its counts are asked for
const FINEST = 1e-3; // of the height of a curve: less than the screen shows
const STALE_AFTER = 200; // ms to wait for a pixel's counts before the old ones are taken away
const REACH = 12; // CSS pixels within which the pointer takes hold of a pinned pixel,
const MARK = 4; // and where a map is too slim for that: half of what marks it
const EASY = 6; // CSS pixels of a side of a pixel that is hit without such help
const RESIDUALS = ["leading", "all"]; // as the menu of residuals has them
const NEEDS_PYTHON = "(needs Python)";

const bytes = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
const floats = (view) => new Float32Array(bytes(view));

/** Colour map as 256 RGBA values packed for a little-endian Uint32Array. */
function shades(name) {
  const hex = SHADES[name] ?? SHADES.viridis;
  const knots = Array.from({ length: hex.length / 6 }, (_, i) =>
    [0, 2, 4].map((j) => parseInt(hex.slice(6 * i + j, 6 * i + j + 2), 16)),
  );
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (knots.length - 1);
    const low = Math.min(Math.floor(at), knots.length - 2);
    const [r, g, b] = [0, 1, 2].map((j) => knots[low][j] + (at - low) * (knots[low + 1][j] - knots[low][j]));
    return (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
  });
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

/** Values below which shares of the finite ones lie, from a sample that meets every column. */
function quantiles(values, columns, shares) {
  let step = Math.max(1, Math.floor(values.length / SAMPLE));
  while (gcd(step, columns) > 1) step += 1;
  const sample = [];
  for (let p = 0; p < values.length; p += step) if (Number.isFinite(values[p])) sample.push(values[p]);
  const sorted = Float32Array.from(sample).sort();
  const last = sorted.length - 1;
  return shares.map((share) => (last < 0 ? 1 : sorted[Math.min(last, Math.floor(share * sorted.length))]));
}

/** Round 1, 2 or 5 times a power of ten, at most `length`. */
function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return [5, 2, 1].map((m) => m * power).find((l) => l <= length) ?? power;
}

const short = (value) => (Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : "left out");

/** Indices of the points that a curve needs, so that straight lines pass the others so closely. */
function corners(axis, values, tolerance) {
  const kept = [0];
  let [start, low, high] = [0, -Infinity, Infinity]; // slopes that pass all points since the start
  for (let c = 1; c < values.length; c++) {
    let run = Math.abs(axis[c] - axis[start]);
    const slope = (values[c] - values[start]) / run;
    if (slope < low || slope > high) {
      start = c - 1;
      kept.push(start);
      run = Math.abs(axis[c] - axis[start]);
      [low, high] = [-Infinity, Infinity];
    }
    low = Math.max(low, (values[c] - tolerance - values[start]) / run);
    high = Math.min(high, (values[c] + tolerance - values[start]) / run);
  }
  kept.push(values.length - 1);
  return kept;
}

/** Undo zlib's deflate. */
async function inflate(view) {
  const packed = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(packed).arrayBuffer());
}

/** 16-bit numbers from all their low bytes and then all their high bytes. */
function fromPlanes(view) {
  const [planes, n] = [new Uint8Array(bytes(view)), view.byteLength / 2];
  return Uint16Array.from({ length: n }, (_, i) => planes[i] | (planes[n + i] << 8));
}

/** Numbers of which the upper half of a float32 was kept. */
const fromUpperHalf = (halves) => new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);

/** Rows of int16 times a scale each. */
function scaled(steps, scales) {
  const [values, n] = [Float32Array.from(steps), steps.length / scales.length];
  scales.forEach((scale, k) => {
    for (let i = k * n; i < (k + 1) * n; i++) values[i] *= scale;
  });
  return values;
}

/** Give every pixel of a map the value of its block. */
function spread(means, [rows, columns], size) {
  const [across, values] = [Math.ceil(columns / size), new Float32Array(rows * columns)];
  for (let row = 0, p = 0; row < rows; row++) {
    const start = Math.floor(row / size) * across;
    for (let column = 0; column < columns; column++, p++) values[p] = means[start + Math.floor(column / size)];
  }
  return values;
}

/** Factors as a kernel sends them. */
function fromKernel({ axis, scores, scales, spectra, heights, norms, ...rest }) {
  return {
    ...rest,
    axis: new Float64Array(bytes(axis)),
    scores: scaled(new Int16Array(bytes(scores)), floats(scales)),
    spectra: floats(spectra),
    heights: floats(heights),
    norms: floats(norms),
  };
}

/** Factors as a page without a kernel holds them: deflated, in steps, some of them block means. */
async function fromPage(factors, shape) {
  const names = ["axis", "scores", "spectra", "scales", "heights", "rest", "hidden"];
  const views = await Promise.all(names.map((name) => inflate(factors[name])));
  const [axis, scores, spectra, scales, heights, rest, hidden] = views;
  const nPixels = shape[0] * shape[1];
  const found = {
    ...factors,
    axis: new Float64Array(axis.buffer),
    scores: new Float32Array(nPixels * factors.blocks.length),
    spectra: scaled(new Int16Array(spectra.buffer), floats(scales)),
    heights: spread(fromUpperHalf(fromPlanes(heights)), shape, factors.block),
    norms: spread(fromUpperHalf(fromPlanes(rest)), shape, factors.block),
  };
  const steps = new Int16Array(fromPlanes(scores).buffer);
  let start = 0;
  factors.blocks.forEach((size, k) => {
    const n = Math.ceil(shape[0] / size) * Math.ceil(shape[1] / size);
    const means = Float32Array.from(steps.subarray(start, start + n), (step) => step * factors.step);
    const values = spread(means, shape, size);
    found.scores.set(values, k * nPixels);
    for (let p = 0; p < nPixels; p++) found.norms[p] += values[p] * values[p] + factors.within[k];
    start += n;
  });
  const bits = new Uint8Array(hidden.buffer);
  for (let p = 0; p < nPixels; p++) if ((bits[p >> 3] >> (7 - (p & 7))) & 1) found.heights[p] = 0;
  return found;
}

/** Factors of a model, ``counts ≈ heights * (scores @ spectra)``, with scores in noise units. */
class Factors {
  constructor({ axis, scores, spectra, heights, norms, edge, n_channels, blocks, within }) {
    this.axis = axis;
    this.spectra = spectra;
    this.heights = heights;
    this.norms = norms;
    this.edge = edge;
    this.nScaled = n_channels; // channels that take part; a spectrum may hold more
    this.nPixels = heights.length;
    this.scores = scores;
    this.nComponents = scores.length / this.nPixels;
    this.blocks = blocks ?? []; // of a page without a kernel: the side of the blocks, a component
    this.within = within ?? new Float32Array(this.nComponents); // squares lost by block means
    this.nChannels = spectra.length / this.nComponents;
  }

  /** What the components after `rank` still hold, a component, in units of the noise edge. */
  leading(rank) {
    const values = new Float32Array(this.nPixels);
    const share = 1 / (Math.max(1, this.nComponents - rank) * this.edge);
    for (let k = rank; k < this.nComponents; k++) {
      const scores = this.scores.subarray(k * this.nPixels, (k + 1) * this.nPixels);
      for (let p = 0; p < values.length; p++) values[p] += (scores[p] * scores[p] + this.within[k]) * share;
    }
    return values;
  }

  /** What `rank` components leave in all channels, a channel, in units of the noise variance. */
  all(rank) {
    const values = this.norms.slice();
    for (let k = 0; k < rank; k++) {
      const scores = this.scores.subarray(k * this.nPixels, (k + 1) * this.nPixels);
      for (let p = 0; p < values.length; p++) values[p] -= scores[p] * scores[p] + this.within[k];
    }
    const share = 1 / Math.max(1, this.nScaled - rank);
    for (let p = 0; p < values.length; p++) values[p] *= share;
    return values;
  }

  residual(rank, kind) {
    const values = kind === "all" ? this.all(rank) : this.leading(rank);
    for (let p = 0; p < values.length; p++) if (!(this.heights[p] > 0)) values[p] = NaN;
    return values;
  }

  /** Model spectrum of a pixel, in counts; NaN where the pixel was left out. */
  spectrum(pixel, rank) {
    const model = new Float64Array(this.nChannels);
    if (!(this.heights[pixel] > 0)) return model.fill(NaN);
    for (let k = 0; k < Math.min(rank, this.nComponents); k++) {
      const amount = this.scores[k * this.nPixels + pixel] * this.heights[pixel];
      const row = k * this.nChannels;
      for (let c = 0; c < model.length; c++) model[c] += amount * this.spectra[row + c];
    }
    return model;
  }
}

/** What a model holds, decoded once, and the marks elsewhere that follow it. */
class Core {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.followers = {};
    this.hasKernel = true; // until the marks that follow say otherwise
    const listen = (names, act) => names.forEach((name) => model.on(`change:${name}`, act));
    listen(["factors", "values"], () => (this.read(), this.drawSpectrum(), this.repaint()));
    listen(["rank"], () => (this.moveHandle(), this.drawSpectrum(), this.writeCode(), this.repaint()));
    listen(["residual", "colors", "caption"], () => this.repaint());
    listen(["pixel", "hovered"], () => (this.drawSpectrum(), this.views.forEach((v) => v.mark())));
    listen(["counts"], () => this.drawCounts());
  }

  read() {
    const factors = this.model.get("factors");
    if (factors.blocks) return; // a page's own: there is no kernel to change them
    this.factors = factors.scores ? new Factors(fromKernel(factors)) : null;
    this.painted = null;
  }

  /** Read what is there to begin with. */
  async open() {
    const factors = this.model.get("factors");
    if (factors.blocks) this.factors = new Factors(await fromPage(factors, this.model.get("shape")));
    else this.read();
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
    const [rank, kind] = [this.model.get("rank"), this.model.get("residual")];
    const key = `${rank} ${kind}`;
    if (this.painted?.key !== key) {
      const values = this.factors ? this.factors.residual(rank, kind) : floats(this.model.get("values"));
      const columns = this.model.get("shape")[1];
      const [low, high] = quantiles(values, columns, [0.005, 0.995]);
      const isLeading = this.factors && kind === "leading";
      const limits = isLeading ? [0, Math.max(LOWEST_CEILING, high)] : [low, high];
      this.painted = { key, values, limits };
    }
    return this.painted;
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

/** One place on the page where the map is shown. */
class View {
  constructor(core, el) {
    this.core = core;
    const [rows, columns] = core.model.get("shape");
    const longer = Math.max(rows, columns);
    const scale = Math.max(1, Math.round(TARGET_SIZE / longer)) * Math.min(1, LARGEST_SIZE / longer);
    const [height, width] = [rows, columns].map((n) => Math.max(SMALLEST_SIZE, n * scale));
    el.classList.add("endmember-map");
    el.innerHTML = `
      <div class="caption"></div>
      <div class="frame">
        <div class="stage" tabindex="0" role="application" aria-roledescription="map">
          <canvas class="data" width="${columns}" height="${rows}"></canvas>
          <canvas class="scale"></canvas>
          <div class="ring chosen"></div>
          <div class="ring hovered"></div>
        </div>
        <div class="bar"><span class="top"></span><canvas width="1" height="256"></canvas><span class="bottom"></span></div>
        <div class="unit"></div>
      </div>
      <div class="readout"></div>
      <div class="note"></div>
      <div class="spoken" aria-live="polite"></div>`;
    const find = (selector) => el.querySelector(selector);
    this.caption = find(".caption");
    this.stage = find(".stage");
    this.data = find(".data");
    this.scale = find(".scale");
    this.rings = [find(".chosen"), find(".hovered")];
    this.bar = find(".bar canvas");
    this.ends = [find(".bottom"), find(".top")];
    this.unit = find(".unit");
    this.readout = find(".readout");
    this.spoken = find(".spoken");
    this.stage.style.width = `${width}px`;
    this.stage.style.aspectRatio = `${width} / ${height}`;
    if (scale < 1) this.data.style.imageRendering = "auto"; // pixels smaller than the screen's
    this.stage.addEventListener("pointermove", (event) => core.setPixel("hovered", this.pixelAt(event)));
    this.stage.addEventListener("pointerleave", () => core.setPixel("hovered", null));
    this.stage.addEventListener("click", (event) => core.setPixel("pixel", this.pixelAt(event)));
    this.stage.addEventListener("keydown", (event) => this.press(event));
    this.resizing = new ResizeObserver(([entry]) => {
      this.size = entry.contentRect;
      this.drawScaleBar();
      this.mark();
    });
    this.resizing.observe(this.stage);
    core.views.add(this);
    if (!core.hasKernel) this.showPins(find(".note"));
    this.paint();
  }

  /** Mark the pixels whose counts this page holds, and say what it does not hold. */
  showPins(note) {
    const [rows, columns] = this.core.model.get("shape");
    for (const at of this.core.pins.keys()) {
      const pin = document.createElement("div");
      pin.className = "pin";
      pin.style.top = `${(100 * (Math.floor(at / columns) + 0.5)) / rows}%`;
      pin.style.left = `${(100 * ((at % columns) + 0.5)) / columns}%`;
      this.stage.insertBefore(pin, this.rings[0]);
    }
    note.textContent = `No kernel here: counts are at the ${this.core.pins.size} marked pixels (key N: the next one), the model everywhere.`;
    const { blocks } = this.core.factors;
    const coarse = blocks.findIndex((size) => size > 1);
    if (coarse < 0) return;
    const size = `${blocks[coarse]} × ${blocks[coarse]}`;
    const which = coarse ? `components ${coarse + 1} to ${blocks.length}` : "the components";
    note.textContent += ` To fit this page, ${which} are averaged over at least ${size} pixels.`;
  }

  close() {
    this.resizing.disconnect();
    this.core.views.delete(this);
  }

  pixelAt(event) {
    const [rows, columns] = this.core.model.get("shape");
    const box = this.stage.getBoundingClientRect();
    const within = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    const [down, across] = [event.clientY - box.top, event.clientX - box.left];
    if (!this.core.hasKernel) {
      const reach = this.reach(box);
      for (const at of this.core.pins.keys()) {
        const pin = [Math.floor(at / columns), at % columns];
        const away = [down - ((pin[0] + 0.5) * box.height) / rows, across - ((pin[1] + 0.5) * box.width) / columns];
        if (Math.hypot(...away) < reach) return pin;
      }
    }
    return [within(down / box.height, rows), within(across / box.width, columns)];
  }

  /** How near a pinned pixel takes hold of the pointer: every other pixel can be pointed at as well. */
  reach({ width, height }) {
    const [rows, columns] = this.core.model.get("shape");
    if (Math.min(width / columns, height / rows) >= EASY) return 0;
    return Math.min(width, height) > SMALLEST_SIZE ? REACH : MARK;
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // of the browser and of JupyterLab
    event.stopPropagation(); // plain keys are the map's: elsewhere they cut and insert cells
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    const ranks = { PageUp: 1, "+": 1, PageDown: -1, "-": -1 };
    if (event.key in moves) this.move(moves[event.key]);
    else if (event.key === "n" && !this.core.hasKernel) this.moveToNextPin();
    else if (event.key in ranks) this.core.setRank(this.core.model.get("rank") + ranks[event.key]);
    else return;
    event.preventDefault();
    this.spoken.textContent = this.name();
  }

  move([down, right]) {
    const shape = this.core.model.get("shape");
    const pixel = this.core.model.get("pixel").map((at, i) => at + [down, right][i]);
    this.core.setPixel("hovered", null);
    this.core.setPixel("pixel", pixel.map((at, i) => Math.min(shape[i] - 1, Math.max(0, at))));
  }

  /** Choose the next pixel whose counts this page holds, in the order of rows. */
  moveToNextPin() {
    const pins = [...this.core.pins.keys()].sort((a, b) => a - b);
    if (pins.length === 0) return;
    const at = this.core.flat(this.core.model.get("pixel"));
    const next = pins.find((pin) => pin > at) ?? pins[0];
    const columns = this.core.model.get("shape")[1];
    this.core.setPixel("hovered", null);
    this.core.setPixel("pixel", [Math.floor(next / columns), next % columns]);
  }

  paint() {
    const { values, limits } = this.core.values();
    const colors = shades(this.core.model.get("colors"));
    const [low, high] = limits;
    const image = new ImageData(this.data.width, this.data.height);
    const pixels = new Uint32Array(image.data.buffer);
    const hidden = new Uint32Array(Uint8Array.from(HIDDEN).buffer)[0];
    const steps = 255 / (high - low || 1);
    for (let p = 0; p < pixels.length; p++) {
      const shade = (values[p] - low) * steps;
      pixels[p] = shade >= 0 || shade < 0 ? colors[Math.min(255, Math.max(0, shade)) | 0] : hidden;
    }
    this.data.getContext("2d").putImageData(image, 0, 0);
    const bar = new ImageData(1, 256);
    new Uint32Array(bar.data.buffer).set(colors.slice().reverse());
    this.bar.getContext("2d").putImageData(bar, 0, 0);
    this.ends.forEach((end, i) => (end.textContent = short(limits[i])));
    this.caption.textContent = this.captionText();
    this.unit.textContent = this.core.model.get("unit");
    this.mark();
    this.name();
  }

  captionText() {
    const [rank, last] = [this.core.model.get("rank"), this.core.factors?.nComponents];
    const words = { "{rank}": rank, "{next}": rank + 1, "{last}": last };
    const { model } = this.core;
    const caption = model.get("captions")[model.get("residual")] ?? model.get("caption");
    if (rank >= last && caption.includes("{next}")) return `rank ${rank}: no component is kept beyond`;
    const filled = caption.replace(/{rank}|{next}|{last}/g, (word) => words[word]);
    return rank + 1 === last ? filled.replace(`components ${last} to ${last} hold`, `component ${last} holds`) : filled;
  }

  /** Show which pixels are chosen and pointed at. */
  mark() {
    const { width, height } = this.size ?? {};
    if (!width) return; // not on the page yet
    const [rows, columns] = this.core.model.get("shape");
    const pixels = [this.core.model.get("pixel"), this.core.model.get("hovered")];
    this.rings.forEach((ring, i) => {
      ring.hidden = !pixels[i];
      if (!pixels[i]) return;
      const [row, column] = pixels[i];
      const [x, y] = [((column + 0.5) * width) / columns, ((row + 0.5) * height) / rows];
      ring.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    });
    this.tell();
  }

  /** Say which pixel is looked at, and what it holds. */
  tell() {
    const [row, column] = this.core.probed;
    const value = short(this.core.values().values[this.core.flat([row, column])]);
    const missing = this.core.countsAreMissing ? " (counts need a kernel)" : "";
    this.readout.textContent = `row ${row}, column ${column}: ${value}${missing}`;
  }

  /** Name the map for those who do not see it. */
  name() {
    const name = `${this.caption.textContent}. ${this.readout.textContent}`;
    this.stage.setAttribute("aria-label", name);
    return name;
  }

  drawScaleBar() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size;
    const { size, unit } = this.core.model.get("pixel_size");
    this.scale.width = Math.round(width * ratio);
    this.scale.height = Math.round(height * ratio);
    if (!size || height < 2 * SMALLEST_SIZE) return;
    const pen = this.scale.getContext("2d");
    pen.scale(ratio, ratio);
    const pixel = width / this.core.model.get("shape")[1];
    const length = roundLength((0.3 * width * size) / pixel);
    const across = (length / size) * pixel;
    pen.fillStyle = "rgba(0, 0, 0, 0.55)";
    pen.fillRect(8, height - 34, across + 16, 26);
    pen.fillStyle = "#fff";
    pen.fillRect(16, height - 15, across, 3);
    pen.font = "12px sans-serif";
    pen.textAlign = "center";
    pen.fillText(`${short(length)} ${unit}`, 16 + across / 2, height - 20);
  }
}

export default () => {
  let core;
  return {
    async initialize({ model }) {
      core = new Core(model);
      await core.open();
      return () => core.close();
    },
    render({ el }) {
      const view = new View(core, el);
      return () => view.close();
    },
  };
};
