// Buttons and boxes around a map: tools, layers, legend, and its copy as a picture.

const TOOL_NAMES = { point: ["Point", "P"], rectangle: ["Rectangle", "R"], lasso: ["Lasso", "L"], line: ["Line", "I"] };
const CONTROLS = `
  <div class="layers" hidden>
    <label class="shown">show <select></select></label>
    <ul class="legend"></ul>
  </div>
  <div class="sliders">
    <span class="frame-choice" hidden><label><span></span> <input type="range" min="0" step="1" title="Keys , and . on the map"></label> <output aria-hidden="true"></output></span>
    <span class="opacity" hidden><label><span></span> <input type="range" min="0" max="1" step="0.01"></label> <output aria-hidden="true"></output></span>
  </div>
  <div class="tools" role="group" aria-label="map tools">
    <span class="pointer" role="group" aria-label="pointer">${TOOLS.map((tool) => {
      const [name, key] = TOOL_NAMES[tool];
      return `<button type="button" data-tool="${tool}" aria-keyshortcuts="${key}" title="${name} (key ${key}, on the map)">${name}</button>`;
    }).join("")}</span>
    <label class="width" hidden>width <input type="number" min="1" step="1" title="Width of the line in pixels"></label>
    <button type="button" class="contrast-button" aria-expanded="false">Contrast</button>
    <button type="button" class="copy">Copy as PNG</button>
    <button type="button" class="clear" aria-keyshortcuts="Escape" hidden>Clear region</button>
    <span class="status"></span>
  </div>
  ${PANEL}`;
const PICTURE_MARGIN = 10; // CSS pixels around what a picture shows
const PICTURE_LINE = 20; // and for each of its lines of text

/** The controls of one view; every choice is a trait, so that all views and Python follow. */
class Controls {
  constructor(view, el) {
    [this.view, this.core, this.model] = [view, view.core, view.core.model];
    el.insertAdjacentHTML("beforeend", CONTROLS);
    this.find = (selector) => el.querySelector(selector);
    this.buttons = [...el.querySelectorAll("[data-tool]")];
    const on = (selector, type, act) => this.find(selector).addEventListener(type, act);
    this.buttons.forEach((button) => button.addEventListener("click", () => this.core.choose("tool", button.dataset.tool)));
    on(".frame-choice input", "input", ({ target }) => this.core.setFrame(target.valueAsNumber));
    on(".opacity input", "input", ({ target }) => this.model.set("opacity", target.valueAsNumber));
    on(".opacity input", "change", () => this.model.save_changes()); // when it is let go
    for (const part of [".layers", ".sliders", ".tools"]) on(part, "keydown", keepPlainKeys);
    on(".width input", "change", () => this.takeWidth());
    on(".copy", "click", () => this.copy());
    on(".clear", "click", () => this.clear());
    on(".shown select", "change", ({ target }) => this.core.choose("shown", target.value === "" ? null : Number(target.value)));
  }

  refresh() {
    this.showTools();
    this.showFrame();
    this.view.contrast.show();
    this.showLegend();
  }

  showTools() {
    const offered = this.core.tools;
    this.find(".pointer").hidden = offered.length < 2;
    for (const button of this.buttons) {
      button.hidden = !offered.includes(button.dataset.tool);
      press(button, button.dataset.tool === this.core.tool);
    }
    this.view.root.dataset.draws = this.core.tool !== "point";
    const region = this.core.region;
    this.find(".width").hidden = this.core.tool !== "line" && region?.kind !== "line";
    const width = this.find(".width input");
    if (width !== document.activeElement) width.value = region?.width ?? this.model.get("line_width");
    this.find(".clear").hidden = !region;
    this.find(".status").textContent = region ? this.core.regionText() : "";
  }

  /** Show which frame is seen, by its name. */
  showFrame() {
    const { frames, frameName } = this.core;
    this.find(".frame-choice").hidden = !frames;
    if (!frames) return;
    const slider = this.find(".frame-choice input");
    this.find(".frame-choice label span").textContent = this.model.get("frame_label");
    slider.max = frames.n - 1;
    slider.value = this.model.get("frame");
    slider.ariaValueText = this.find(".frame-choice output").textContent = frameName;
  }

  showOpacity() {
    const [part, { beneath }] = [this.find(".opacity"), this.core];
    part.hidden = !beneath;
    if (!beneath) return;
    const [slider, opacity] = [part.querySelector("input"), this.model.get("opacity")];
    part.querySelector("label span").textContent = `map over ${beneath.name}`;
    slider.value = opacity;
    slider.ariaValueText = part.querySelector("output").textContent = `${Math.round(100 * opacity)} %`;
  }

  /** Take over a whole number of pixels; say why another one is none. */
  takeWidth() {
    const width = this.find(".width input").valueAsNumber;
    if (Number.isInteger(width) && width >= 1) return this.core.setLineWidth(width);
    this.tellStatus("Give a whole number of pixels, from 1 up; the old width stays.");
  }

  /** Show words, and speak them. */
  tellStatus(words) {
    this.find(".status").textContent = words;
    this.view.say(words);
  }

  showLegend() {
    const { kind, layers } = this.core;
    this.find(".layers").hidden = !(layers || kind === "labels");
    this.find(".shown").hidden = !layers;
    const key = JSON.stringify([kind, this.core.legend()]);
    if (key !== this.legendKey) this.writeLegend();
    this.legendKey = key;
    this.find(".legend").hidden = kind === "values";
    if (!layers) return;
    const visible = this.core.visible;
    this.find(".shown select").value = this.model.get("shown") ?? "";
    this.find(".legend").querySelectorAll("button").forEach((button, k) => press(button, visible[k]));
  }

  writeLegend() {
    const { layers } = this.core;
    const list = this.find(".legend");
    list.replaceChildren(...this.core.legend().map(([name, color], k) => legendItem(name, color, layers && (() => this.toggle(k)))));
    const choices = [["", "all together"], ...(layers?.names ?? []).map((name, k) => [k, name])];
    this.find(".shown select").replaceChildren(...choices.map(([value, name]) => new Option(name, value)));
  }

  toggle(k) {
    this.core.choose("visible", this.core.visible.map((isVisible, i) => (i === k ? !isVisible : isVisible)));
  }

  clear() {
    this.core.setRegion(null);
    this.view.stage.focus({ preventScroll: true }); // the button is gone
  }

  /** Put a picture of the map on the clipboard; where the browser forbids it, into a file. */
  async copy() {
    const picture = await new Promise((done) => this.picture().toBlob(done, "image/png"));
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
      this.tellStatus("Copied.");
    } catch {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(picture);
      link.download = `${this.view.caption.textContent.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60) || "map"}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      this.tellStatus("Saved as a file.");
    }
  }

  /** The map as it is seen, with its caption and its legend or colour bar, on white. */
  picture() {
    const { view } = this;
    const [ratio, { width, height }] = [window.devicePixelRatio || 1, view.size];
    const legend = this.core.legend(true);
    const isOfValues = this.core.kind === "values";
    const across = width + 2 * PICTURE_MARGIN + (isOfValues ? 80 : 0);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(across * ratio);
    canvas.height = Math.round((height + 2 * PICTURE_MARGIN + PICTURE_LINE * (1 + legend.length)) * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    [pen.fillStyle, pen.font] = ["#000", "13px sans-serif"];
    pen.fillText(view.caption.textContent, PICTURE_MARGIN, PICTURE_LINE, across - 2 * PICTURE_MARGIN);
    pen.save();
    pen.translate(PICTURE_MARGIN, PICTURE_MARGIN + PICTURE_LINE);
    this.drawMap(pen, width, height);
    if (isOfValues) this.drawBar(pen, width + 10, height);
    pen.restore();
    legend.forEach(([name, color], k) => {
      const y = height + 2 * PICTURE_MARGIN + PICTURE_LINE * (k + 1);
      pen.fillStyle = color;
      pen.fillRect(PICTURE_MARGIN, y, 12, 12);
      pen.fillStyle = "#000";
      pen.fillText(name, PICTURE_MARGIN + 18, y + 11, width - 18);
    });
    return canvas;
  }

  drawMap(pen, width, height) {
    const { view, core } = this;
    pen.imageSmoothingEnabled = view.isShrunk;
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    this.drawBeneath(pen, width, height);
    const [across, down] = stretchOf(core.shape, core.block);
    pen.globalAlpha = core.beneath ? this.model.get("opacity") : 1;
    for (const layer of [view.data, view.veil]) {
      pen.drawImage(layer, 0, 0, width * across, height * down);
      pen.globalAlpha = 1;
    }
    pen.drawImage(view.over, 0, 0, width, height);
  }

  drawBeneath(pen, width, height) {
    const { beneath } = this.core;
    if (!beneath) return;
    const [across, down] = stretchOf(beneath.shape, beneath.block);
    pen.drawImage(this.view.beneath, 0, 0, width * across, height * down);
  }

  drawBar(pen, left, height) {
    const { bar, ends } = this.view;
    pen.restore(); // the clip of the map
    pen.save();
    pen.translate(PICTURE_MARGIN + left, PICTURE_MARGIN + PICTURE_LINE);
    pen.drawImage(bar, 0, 0, 12, height);
    pen.fillStyle = "#000";
    pen.fillText(ends[1].textContent, 18, 11, 50);
    pen.fillText(ends[0].textContent, 18, height - 1, 50);
    pen.translate(30, height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(this.view.unit.textContent, 0, 0, height - 40);
  }
}

/** Say of a button whether it is pressed. */
function press(button, isPressed) {
  if (button.ariaPressed !== `${isPressed}`) button.ariaPressed = isPressed;
}

/** Keep plain keys from the notebook around: there they cut and insert cells. */
function keepPlainKeys(event) {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
}

/** A name beside its colour; a button where there is something to do. */
function legendItem(name, color, act) {
  const [item, swatch] = [document.createElement("li"), document.createElement("span")];
  swatch.className = "swatch";
  swatch.style.background = color;
  const holder = act ? item.appendChild(document.createElement("button")) : item;
  if (act) {
    holder.type = "button";
    holder.addEventListener("click", act);
  }
  holder.append(swatch, name);
  return item;
}
