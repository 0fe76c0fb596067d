// One canvas for every map: it paints what the model holds and follows the pointer and the keyboard.

const TARGET_SIZE = 400; // of the longer side, in CSS pixels, before rounding to whole pixels
const LARGEST_SIZE = 800; // of the longer side; a larger map is shown smaller than it is
const SMALLEST_SIZE = 48; // of the shorter side, so that a line scan can be pointed at
const REACH = 12; // CSS pixels within which the pointer takes hold of a pinned pixel,
const MARK = 4; // and where a map is too slim for that: half of what marks it
const EASY = 6; // CSS pixels of a side of a pixel that is hit without such help
const CAPTION_OF_NEXT = "component {next}, which rank {next} would add: signed, noise = 1; its curve in counts a pixel";
const FRAME_KEYS = { ",": -1, ".": 1 };
const VEIL = new Uint32Array(Uint8Array.from([0, 0, 0, 150]).buffer)[0]; // over what does not stand out

/** Round 1, 2 or 5 times a power of ten, at most `length`. */
function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return [5, 2, 1].map((m) => m * power).find((l) => l <= length) ?? power;
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
    this.root = el;
    el.innerHTML = `
      <div class="caption"></div>
      <div class="frame">
        <div class="stage" tabindex="0" role="application" aria-roledescription="map">
          <canvas class="beneath"></canvas>
          <canvas class="data"></canvas>
          <canvas class="veil"></canvas>
          <canvas class="over"></canvas>
          <div class="ring chosen"></div>
          <div class="ring hovered"></div>
        </div>
        <div class="bar">
          <span class="top" role="slider" tabindex="0" aria-orientation="vertical" aria-label="upper limit"></span>
          <canvas width="1" height="256" title="Drag an end for contrast; double-click lets the pixels decide"></canvas>
          <span class="bottom" role="slider" tabindex="0" aria-orientation="vertical" aria-label="lower limit"></span>
        </div>
        <div class="unit"></div>
      </div>
      <div class="readout"></div>
      <div class="note"></div>
      <div class="spoken" aria-live="polite"></div>`;
    const find = (selector) => el.querySelector(selector);
    this.caption = find(".caption");
    this.stage = find(".stage");
    this.beneath = find(".beneath");
    this.data = find(".data");
    this.veil = find(".veil");
    this.over = find(".over");
    this.rings = [find(".chosen"), find(".hovered")];
    this.bar = find(".bar canvas");
    this.ends = [find(".bottom"), find(".top")];
    this.unit = find(".unit");
    this.readout = find(".readout");
    this.spoken = find(".spoken");
    this.stage.style.width = `${width}px`;
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.isShrunk = scale < 1; // pixels smaller than the screen's
    for (const canvas of [this.data, this.veil]) this.fit(canvas, core.shape, core.block);
    this.drawing = new Drawing(this);
    this.controls = new Controls(this, el);
    this.contrast = new Contrast(this, el);
    el.append(find(".note"), this.spoken);
    this.listen();
    this.resizing = new ResizeObserver(([entry]) => {
      this.size = entry.contentRect;
      this.drawOver();
      this.mark();
    });
    this.resizing.observe(this.stage);
    core.views.add(this);
    if (!core.hasKernel && core.pins.size) this.showPins(find(".note"));
    this.paint();
    this.drawVeil();
  }

  /** Give a canvas a pixel for every block, and let it cover them. */
  fit(canvas, shape, block) {
    [canvas.height, canvas.width] = blocksOf(shape, block);
    const [across, down] = stretchOf(shape, block);
    [canvas.style.width, canvas.style.height] = [`${100 * across}%`, `${100 * down}%`];
    if (this.isShrunk) canvas.style.imageRendering = "auto";
  }

  /** Paint the image beneath, where there is one and it is another. */
  paintBeneath() {
    const { beneath } = this.core;
    if (beneath === this.painted) return;
    this.painted = beneath;
    this.beneath.hidden = !beneath;
    this.root.dataset.beneath = Boolean(beneath);
    this.showOpacity();
    if (!beneath) return;
    this.fit(this.beneath, beneath.shape, beneath.block);
    const image = new ImageData(this.beneath.width, this.beneath.height);
    beneath.paint(new Uint32Array(image.data.buffer));
    this.beneath.getContext("2d").putImageData(image, 0, 0);
  }

  /** Let the image beneath shine through. */
  showOpacity() {
    this.data.style.opacity = this.core.beneath ? this.core.model.get("opacity") : 1;
    this.controls.showOpacity();
  }

  /** Follow pointer and keyboard; what listens goes away with the stage. */
  listen() {
    const { core, drawing } = this;
    const on = (name, act) => this.stage.addEventListener(name, act);
    on("pointerdown", (event) => drawing.start(event));
    on("pointermove", (event) => (drawing.extend(event), core.setPixel("hovered", this.pixelAt(event))));
    on("pointerup", (event) => (this.wasDragged = drawing.finish(event)));
    on("pointercancel", () => drawing.drop());
    on("pointerleave", () => core.setPixel("hovered", null));
    on("click", (event) => {
      if (!this.wasDragged) core.setPixel("pixel", this.pixelAt(event));
      this.wasDragged = false;
    });
    on("keydown", (event) => this.press(event));
  }

  /** Speak to those who do not see the map. */
  say(words) {
    this.spoken.textContent = words;
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
    const { blocks } = this.core.factors ?? { blocks: [] };
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

  /** The pixel of an event; without a kernel one near it whose counts are here, unless told not to. */
  pixelAt(event, isHeld = !this.core.hasKernel) {
    const [rows, columns] = this.core.model.get("shape");
    const box = this.stage.getBoundingClientRect();
    const within = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    const [down, across] = [event.clientY - box.top, event.clientX - box.left];
    if (isHeld) {
      const reach = this.reach(box);
      for (const at of this.core.pins.keys()) {
        const pin = [Math.floor(at / columns), at % columns];
        const away = [down - ((pin[0] + 0.5) * box.height) / rows, across - ((pin[1] + 0.5) * box.width) / columns];
        if (Math.hypot(...away) < reach) return pin;
      }
    }
    return [within(down / box.height, rows), within(across / box.width, columns)];
  }

  /** Where the pointer is, in pixels whose centres are whole numbers. */
  exactAt(event) {
    const box = this.stage.getBoundingClientRect();
    const shares = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    return shares.map((share, i) => Math.min(1, Math.max(0, share)) * this.core.shape[i] - 0.5);
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
    const hasRanks = this.core.model.get("max_rank") > 1; // else these keys scroll the page
    const tool = TOOL_KEYS[event.key.toLowerCase()];
    if (event.key in moves) this.move(moves[event.key]);
    else if (this.core.tools.includes(tool)) return this.takeTool(tool, event);
    else if (event.key === "Enter" && this.core.tool !== "point") this.drawing.setCorner();
    else if (event.key === "Escape") return this.leaveRegion();
    else if (event.key.toLowerCase() === "n" && !this.core.hasKernel) this.moveToNextPin();
    else if (event.key in FRAME_KEYS) this.core.setFrame(this.core.model.get("frame") + FRAME_KEYS[event.key]);
    else if (hasRanks && event.key in ranks) this.core.setRank(this.core.model.get("rank") + ranks[event.key]);
    else return;
    event.preventDefault();
    if (this.drawing.points || event.key !== "Enter") this.say(this.name());
  }

  takeTool(tool, event) {
    event.preventDefault();
    this.core.choose("tool", tool);
    this.say(`tool: ${tool}`);
  }

  /** Give up what is being drawn; where nothing is, clear the region. */
  leaveRegion() {
    if (this.drawing.points) this.drawing.drop();
    else if (this.core.region) this.core.setRegion(null);
  }

  move([down, right]) {
    const shape = this.core.model.get("shape");
    const pixel = this.core.model.get("pixel").map((at, i) => at + [down, right][i]);
    this.core.setPixel("hovered", null);
    this.core.setPixel("pixel", pixel.map((at, i) => Math.min(shape[i] - 1, Math.max(0, at))));
    this.drawing.follow();
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
    const { core } = this;
    const image = new ImageData(this.data.width, this.data.height);
    const pixels = new Uint32Array(image.data.buffer);
    if (core.kind === "values") this.paintValues(pixels);
    else if (core.kind === "labels") paintLabels(pixels, core.smallLabels, core.model.get("palette"), core.hidden);
    else core.layers.paint(pixels, core.visible, core.model.get("percentiles").map((share) => share / 100), core.hidden);
    this.data.getContext("2d").putImageData(image, 0, 0);
    this.paintBeneath();
    this.root.dataset.kind = core.kind;
    this.caption.textContent = this.captionText();
    this.controls.refresh();
    this.mark();
    this.name();
  }

  paintValues(pixels) {
    const { small, limits } = this.core.values();
    const colors = shades(this.core.scale.colors);
    paintValues(pixels, small, limits, colors, this.core.scale.isLog, this.core.hidden);
    const bar = new ImageData(1, 256);
    new Uint32Array(bar.data.buffer).set(colors.slice().reverse());
    this.bar.getContext("2d").putImageData(bar, 0, 0);
    this.unit.textContent = this.unitText();
    this.contrast.showEnds(limits);
  }

  /** The unit of the values, and what is unusual about their scale. */
  unitText() {
    const { scale, model } = this.core;
    const notes = [scale.isLog && "log", scale.isHeld && "held"].filter(Boolean).join(", ");
    return [model.get("unit"), notes && `(${notes})`].filter(Boolean).join(" ");
  }

  /** Dim all pixels but those that are to stand out. */
  drawVeil() {
    const { core, veil } = this;
    const view = core.model.get("veil") ?? core.model.get("highlight");
    if (view === this.veiled) return;
    this.veiled = view;
    const bits = view.byteLength ? blockBits(view, core.shape, core.block) : null;
    const image = new ImageData(veil.width, veil.height);
    if (bits) new Uint32Array(image.data.buffer).set(Uint32Array.from(bits, (bit) => (bit ? 0 : VEIL)));
    veil.getContext("2d").putImageData(image, 0, 0);
    this.edges = bits ? edgesOf(bits, [veil.height, veil.width]) : [];
  }

  captionText() {
    const [rank, last] = [this.core.model.get("rank"), this.core.factors?.nComponents];
    const words = { "{rank}": rank, "{next}": rank + 1, "{last}": last, "{s}": rank === 1 ? "" : "s" };
    const { model } = this.core;
    const own = this.core.factors && model.get("residual") === "next" ? CAPTION_OF_NEXT : model.get("caption");
    const caption = model.get("captions")[model.get("residual")] ?? own;
    if (this.core.frames && !this.core.factors) return this.withFrame(caption);
    if (rank >= last && caption.includes("{next}")) return `rank ${rank}: no component is kept beyond`;
    const filled = caption.replace(/{rank}|{next}|{last}|{s}/g, (word) => words[word]);
    return rank + 1 === last ? filled.replace(`components ${last} to ${last} hold`, `component ${last} holds`) : filled;
  }

  withFrame(caption) {
    const { frameName } = this.core;
    if (caption.includes("{frame}")) return caption.replaceAll("{frame}", frameName);
    return [caption, frameName].filter(Boolean).join(", ");
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
    const value = this.core.textAt(this.core.flat([row, column]));
    const missing = this.core.countsAreMissing ? " (counts need a kernel)" : "";
    if (this.core.probesRegion) {
      this.readout.textContent = `mean of the ${this.core.countText()}${missing}`;
      return;
    }
    const { size, unit } = this.core.model.get("pixel_size");
    const place = size ? `x ${short(column * size)}, y ${short(row * size)} ${unit} · ` : "";
    this.readout.textContent = `${place}row ${row}, column ${column}: ${value}${missing}`;
  }

  /** The keys that do something here, for those who do not see the controls. */
  keysText() {
    const { core } = this;
    const keys = ["Arrow keys move the pixel, with Shift by ten."];
    if (core.model.get("max_rank") > 1) keys.push("Page Up and Page Down change the rank.");
    if (core.frames) keys.push("Comma and full stop change the frame.");
    if (core.tools.length > 1) {
      const named = core.tools.map((tool) => `${TOOL_NAMES[tool][1]} ${tool}`).join(", ");
      keys.push(`Tools: ${named}; Enter sets a corner, Escape clears the region.`);
    }
    return keys.join(" ");
  }

  /** Name the map for those who do not see it. */
  name() {
    const name = `${this.caption.textContent || "map"}. ${this.readout.textContent}`;
    this.stage.setAttribute("aria-label", name);
    this.stage.setAttribute("aria-description", this.keysText());
    return name;
  }

  /** Draw what lies over the pixels: outlines and the scale bar. */
  drawOver() {
    if (!this.size?.width) return; // not on the page yet
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size;
    this.over.width = Math.round(width * ratio);
    this.over.height = Math.round(height * ratio);
    const pen = this.over.getContext("2d");
    pen.scale(ratio, ratio);
    this.drawEdges(pen);
    const draft = this.drawing.region;
    if (draft) this.drawRegion(pen, draft, draft.kind === "rectangle");
    else if (this.core.region) this.drawRegion(pen, this.core.region, this.core.region.kind !== "line");
    this.drawScaleBar(pen);
  }

  drawEdges(pen) {
    if (this.edges.length === 0) return;
    const [[across, down], path] = [stretchOf(this.core.shape, this.core.block), new Path2D()];
    const x = (column) => (column * this.size.width * across) / this.veil.width;
    const y = (row) => (row * this.size.height * down) / this.veil.height;
    for (const [row, column, nextRow, nextColumn] of this.edges) {
      path.moveTo(x(column), y(row));
      path.lineTo(x(nextColumn), y(nextRow));
    }
    strokeTwice(pen, path);
  }

  drawRegion(pen, region, isClosed) {
    const path = this.pathOf(outline(region));
    if (isClosed) path.closePath();
    strokeTwice(pen, path);
    if (region.kind === "line") this.drawBand(pen, region);
  }

  pathOf(points) {
    const [[rows, columns], path] = [this.core.shape, new Path2D()];
    for (const [row, column] of points) {
      path.lineTo(((column + 0.5) * this.size.width) / columns, ((row + 0.5) * this.size.height) / rows);
    }
    return path;
  }

  /** Mark where a line begins and how wide it is. */
  drawBand(pen, { points, width }) {
    const [[rows, columns], start] = [this.core.shape, new Path2D()];
    const [row, column] = points[0];
    start.arc(((column + 0.5) * this.size.width) / columns, ((row + 0.5) * this.size.height) / rows, 4, 0, 2 * Math.PI);
    strokeTwice(pen, start);
    const stop = points[points.length - 1];
    if (width === 1 || (row === stop[0] && column === stop[1])) return;
    const band = this.pathOf(bandOf(points, width));
    band.closePath();
    pen.setLineDash([5, 4]);
    strokeTwice(pen, band);
    pen.setLineDash([]);
  }

  drawScaleBar(pen) {
    const { width, height } = this.size;
    const { size, unit } = this.core.model.get("pixel_size");
    if (!size || height < 2 * SMALLEST_SIZE) return;
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
      let view = new View(core, el);
      return () => {
        view.close();
        view = null; // whoever keeps this function or the element keeps no more than that
        el.replaceChildren();
      };
    },
  };
};
