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
const LOWEST_CEILING = 3; // of a residual map, where noise is 1: noise must not fill the scale
const SAVE_EVERY = 50; // ms between messages to the kernel while the pointer moves
const STALE_AFTER = 200; // ms to wait for a pixel's counts before the old ones are taken away

const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

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

/** Value below which a share of the finite values lies, from a few thousand of them. */
function quantile(values, share) {
  const step = Math.max(1, Math.floor(values.length / 4096));
  const sample = [];
  for (let p = 0; p < values.length; p += step) if (Number.isFinite(values[p])) sample.push(values[p]);
  sample.sort((a, b) => a - b);
  return sample.length ? sample[Math.min(sample.length - 1, Math.floor(share * sample.length))] : 1;
}

/** Round 1, 2 or 5 times a power of ten, at most `length`. */
function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return [5, 2, 1].map((m) => m * power).find((l) => l <= length) ?? power;
}

const short = (value) => (Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : "left out");

/** Factors of a model, ``counts ≈ heights * (scores @ spectra)``, with scores in noise units. */
class Factors {
  constructor({ scores, spectra, heights, norms, edge, n_channels }) {
    this.scores = floats(scores);
    this.spectra = floats(spectra);
    this.heights = floats(heights);
    this.norms = floats(norms);
    this.edge = edge;
    this.nScaled = n_channels; // channels that take part; a spectrum may hold more
    this.nPixels = this.heights.length;
    this.nComponents = this.scores.length / this.nPixels;
    this.nChannels = this.spectra.length / this.nComponents;
  }

  /** What the components after `rank` still hold, a component, in units of the noise edge. */
  leading(rank) {
    const values = new Float32Array(this.nPixels);
    const share = 1 / (Math.max(1, this.nComponents - rank) * this.edge);
    for (let k = rank; k < this.nComponents; k++) {
      const scores = this.scores.subarray(k * this.nPixels, (k + 1) * this.nPixels);
      for (let p = 0; p < values.length; p++) values[p] += scores[p] * scores[p] * share;
    }
    return values;
  }

  /** What `rank` components leave in all channels, a channel, in units of the noise variance. */
  all(rank) {
    const values = this.norms.slice();
    for (let k = 0; k < rank; k++) {
      const scores = this.scores.subarray(k * this.nPixels, (k + 1) * this.nPixels);
      for (let p = 0; p < values.length; p++) values[p] -= scores[p] * scores[p];
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

  /** Model spectrum of a pixel, in counts. */
  spectrum(pixel, rank) {
    const model = new Float64Array(this.nChannels);
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
    this.read();
    const listen = (names, act) => names.forEach((name) => model.on(`change:${name}`, act));
    listen(["factors", "values"], () => (this.read(), this.drawSpectrum(), this.repaint()));
    listen(["rank"], () => (this.moveHandle(), this.drawSpectrum(), this.repaint()));
    listen(["residual", "colors", "caption"], () => this.repaint());
    listen(["pixel", "hovered"], () => (this.drawSpectrum(), this.views.forEach((v) => v.mark())));
    listen(["counts"], () => this.drawCounts());
    listen(["pinned"], () => this.drawCounts());
  }

  read() {
    const { scores } = this.model.get("factors");
    this.factors = scores ? new Factors(this.model.get("factors")) : null;
    this.painted = null;
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
      const top = quantile(values, 0.995);
      const limits = this.factors ? [0, Math.max(LOWEST_CEILING, top)] : [quantile(values, 0), top];
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
    // Later, not inside the change: a mark does not redraw what changes while it is changing.
    this.followers.handle?.on("change:x", () => queueMicrotask(() => this.followHandle()), this);
    this.moveHandle();
    this.drawSpectrum();
  }

  close() {
    clearTimeout(this.saving);
    clearTimeout(this.waiting);
    this.followers.handle?.off(null, null, this);
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
    else this.saving ??= setTimeout(() => ((this.saving = null), this.model.save_changes()), SAVE_EVERY);
  }

  drawSpectrum() {
    if (!this.factors) return;
    const spectrum = this.factors.spectrum(this.flat(this.probed), this.model.get("rank"));
    this.followers.model?.set("y", spectrum);
    this.drawCounts();
  }

  /** Show the counts of the probed pixel; counts of another one are worse than none. */
  drawCounts() {
    clearTimeout(this.waiting);
    const { pixel, values } = this.model.get("counts");
    if (pixel && this.flat(pixel) === this.flat(this.probed)) {
      this.followers.counts?.set("y", Float64Array.from(floats(values)));
    } else {
      this.waiting = setTimeout(() => {
        const nothing = this.followers.counts?.get("y").map(() => 0);
        if (nothing) this.followers.counts.set("y", nothing);
      }, STALE_AFTER);
    }
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
    const scale = Math.max(1, Math.round(TARGET_SIZE / Math.max(rows, columns)));
    el.classList.add("endmember-map");
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // keys are the map's while it has focus
    el.innerHTML = `
      <div class="caption"></div>
      <div class="frame">
        <div class="stage" tabindex="0" role="application" aria-roledescription="map">
          <canvas class="data" width="${columns}" height="${rows}"></canvas>
          <canvas class="marks"></canvas>
        </div>
        <div class="bar"><span class="top"></span><canvas width="1" height="256"></canvas><span class="bottom"></span></div>
        <div class="unit"></div>
      </div>
      <output class="readout" aria-live="polite"></output>`;
    const find = (selector) => el.querySelector(selector);
    this.caption = find(".caption");
    this.stage = find(".stage");
    this.data = find(".data");
    this.marks = find(".marks");
    this.bar = find(".bar canvas");
    this.ends = [find(".bottom"), find(".top")];
    this.unit = find(".unit");
    this.readout = find(".readout");
    this.stage.style.width = `${columns * scale}px`;
    this.stage.style.aspectRatio = `${columns} / ${rows}`;
    this.stage.addEventListener("pointermove", (event) => core.setPixel("hovered", this.pixelAt(event)));
    this.stage.addEventListener("pointerleave", () => core.setPixel("hovered", null));
    this.stage.addEventListener("click", (event) => core.setPixel("pixel", this.pixelAt(event)));
    this.stage.addEventListener("keydown", (event) => this.press(event));
    this.resizing = new ResizeObserver(([entry]) => {
      this.size = entry.contentRect;
      this.mark();
    });
    this.resizing.observe(this.stage);
    core.views.add(this);
    this.paint();
  }

  close() {
    this.resizing.disconnect();
    this.core.views.delete(this);
  }

  pixelAt(event) {
    const [rows, columns] = this.core.model.get("shape");
    const box = this.stage.getBoundingClientRect();
    const within = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    return [
      within((event.clientY - box.top) / box.height, rows),
      within((event.clientX - box.left) / box.width, columns),
    ];
  }

  press(event) {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    const ranks = { PageUp: 1, "+": 1, PageDown: -1, "-": -1 };
    if (event.key in moves) this.move(moves[event.key]);
    else if (event.key in ranks) this.core.setRank(this.core.model.get("rank") + ranks[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move([down, right]) {
    const shape = this.core.model.get("shape");
    const pixel = this.core.model.get("pixel").map((at, i) => at + [down, right][i]);
    this.core.setPixel("hovered", null);
    this.core.setPixel("pixel", pixel.map((at, i) => Math.min(shape[i] - 1, Math.max(0, at))));
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
    const rank = this.core.model.get("rank");
    const caption = this.core.model.get("caption");
    this.caption.textContent = caption.replaceAll("{rank}", rank).replaceAll("{next}", rank + 1);
    this.unit.textContent = this.core.model.get("unit");
    this.mark();
  }

  /** Draw what lies over the map: the pixels pointed at and the scale bar. */
  mark() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size ?? {};
    if (!width) return; // not on the page yet
    if (this.marks.width !== Math.round(width * ratio)) {
      this.marks.width = Math.round(width * ratio);
      this.marks.height = Math.round(height * ratio);
    }
    const pen = this.marks.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.drawScaleBar(pen, width, height);
    const model = this.core.model;
    this.drawRing(pen, model.get("pixel"), width, height, 6);
    if (model.get("hovered")) this.drawRing(pen, model.get("hovered"), width, height, 4);
    const [row, column] = this.core.probed;
    const value = short(this.core.values().values[this.core.flat([row, column])]);
    this.readout.textContent = `row ${row}, column ${column}: ${value}`;
    this.stage.setAttribute("aria-label", `${this.caption.textContent}. ${this.readout.textContent}`);
  }

  drawRing(pen, [row, column], width, height, radius) {
    const [rows, columns] = this.core.model.get("shape");
    const size = Math.max(radius, width / columns);
    const [x, y] = [((column + 0.5) * width) / columns, ((row + 0.5) * height) / rows];
    for (const [color, line] of [["#000", 3], ["#fff", 1.5]]) {
      pen.strokeStyle = color;
      pen.lineWidth = line;
      pen.beginPath();
      pen.arc(x, y, size, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  drawScaleBar(pen, width, height) {
    const { size, unit } = this.core.model.get("pixel_size");
    if (!size) return;
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
      await core.connect();
      return () => core.close();
    },
    render({ el }) {
      const view = new View(core, el);
      return () => view.close();
    },
  };
};
