// Marks of other figures that follow a map: a handle at its rank, and curves of what it points at.

const FINEST = 1e-3; // of the height of a curve: less than the screen shows
const STALE_AFTER = 200; // ms to wait for a pixel's counts before the old ones are taken away
const RESIDUALS = ["leading", "all", "next"]; // as the menu of residuals has them
const NEEDS_PYTHON = "(needs Python)";

/** The marks that follow one map, by what they show. */
class Marks {
  constructor(core) {
    [this.core, this.model, this.marks] = [core, core.model, {}];
  }

  /** Find them: references to other widgets. */
  async connect() {
    for (const [role, reference] of Object.entries(this.model.get("followers"))) {
      const id = reference.replace("IPY_MODEL_", "");
      this.marks[role] = await this.model.widget_manager.get_model(id);
    }
    const { handle, residual, kernel } = this.marks;
    // Later, not inside the change: a mark does not redraw what changes while it is changing.
    handle?.on("change:x", () => queueMicrotask(() => this.followHandle()), this);
    residual?.on("change:index", () => this.model.set("residual", RESIDUALS[residual.get("index")]), this);
    if (kernel && !kernel.comm_live) this.doWithoutKernel(kernel);
    this.moveHandle();
    this.drawSpectra();
  }

  close() {
    clearTimeout(this.waiting);
    for (const role of ["handle", "residual"]) this.marks[role]?.off(null, null, this);
  }

  /** Say of a control that needs Python that it does, and show which pixels have their counts here. */
  doWithoutKernel(control) {
    this.core.hasKernel = false;
    control.set({ disabled: true, description: `${control.get("description")} ${NEEDS_PYTHON}` });
    control.get("layout").set("width", "auto");
    this.writeCode();
  }

  writeCode() {
    const code = this.model.get("code");
    if (code) this.marks.code?.set("value", code.replace("{rank}", this.model.get("rank")));
  }

  /** Take the rank from where the handle was dragged to, and snap it to a whole one. */
  followHandle() {
    const [position] = this.marks.handle.get("x");
    this.core.setRank(Math.round(position));
    this.moveHandle();
  }

  moveHandle() {
    const rank = this.model.get("rank");
    for (const [role, size] of [["handle", 1], ["line", 2]]) {
      const mark = this.marks[role];
      if (!mark || mark.get("x")[0] === rank) continue;
      mark.set("x", new Float64Array(size).fill(rank));
      mark.save_changes();
    }
  }

  /** Draw every curve anew: of another rank, of another pixel. */
  drawSpectra() {
    this.drawMeans();
    this.drawHoveredMean();
    this.drawModel();
  }

  /** Draw the model of the probed pixel or region, and what the next component would add to it. */
  drawModel() {
    const { core, marks } = this;
    if (!core.factors) return;
    const [rank, amounts, { axis }] = [this.model.get("rank"), core.amounts(), core.factors];
    const model = core.factors.spectrum(amounts, 0, rank);
    const finest = FINEST * heightOf(model); // of both curves: they share one scale
    this.draw(marks.model, axis, model, finest);
    const isLast = rank >= core.factors.nComponents;
    if (!marks.next) return this.drawCounts();
    this.draw(marks.next, axis, core.factors.spectrum(isLast ? null : amounts, rank, rank + 1), finest);
    this.drawCounts();
  }

  /** Counts of what is probed, where they are here; those of something else are worse than none. */
  knownCounts() {
    const { core } = this;
    const { pixel, region, values } = this.model.get("counts");
    if (core.probesRegion) return region && (region === true || isSame(region, core.region)) ? floats(values) : null;
    const at = core.flat(core.probed);
    return core.pins.get(at) ?? (pixel && core.flat(pixel) === at ? floats(values) : null);
  }

  drawCounts() {
    const { core } = this;
    if (!core.factors) return; // a plain map has no spectra
    clearTimeout(this.waiting);
    const known = this.knownCounts();
    if (known) this.showCounts(Float64Array.from(known), false);
    else {
      const nothing = new Float64Array(core.factors.nChannels).fill(NaN);
      const patience = core.hasKernel ? STALE_AFTER : 0;
      this.waiting = setTimeout(() => this.showCounts(nothing, true), patience);
    }
  }

  showCounts(counts, areMissing) {
    this.draw(this.marks.counts, this.core.factors.axis, counts, 0);
    this.core.countsAreMissing = areMissing;
    this.core.views.forEach((view) => view.tell());
  }

  /** Draw a curve with as few points as show it: the page paints it at every step of the pointer. */
  draw(line, axis, values, tolerance) {
    if (!line) return;
    const visible = values.some(Number.isFinite); // a curve of nothing but gaps is no path
    line.set(visible ? { visible, ...thinned(axis, values, tolerance) } : { visible });
  }

  /** Take away a curve of labels that are no more. */
  hide(line) {
    this.hoveredCurve = null;
    if (line.get("visible")) line.set({ visible: false });
  }

  /** Draw the mean spectra of all labels of the present rank, in their colours. */
  drawMeans() {
    const { sets } = this.core;
    const line = this.marks.means;
    if (!line) return;
    if (!sets) return this.hide(line);
    const curves = sets.curves(this.model.get("rank"));
    const visible = curves.length > 0;
    if (!visible) return line.set({ visible });
    const [labels, colors] = [0, 1].map((i) => this.core.labelLegend().map((entry) => entry[i]));
    line.set({ visible, labels, colors, x: curves.map((curve) => curve.x), y: curves.map((curve) => curve.y) });
  }

  /** Draw the mean spectrum of the label at the probed pixel, in its colour. */
  drawHoveredMean() {
    const { core } = this;
    const line = this.marks.hovered;
    if (!line) return;
    if (!core.sets) return this.hide(line);
    const [rank, label] = [this.model.get("rank"), core.labels[core.flat(core.probed)]];
    const curve = core.sets.curves(rank)[label];
    const legend = core.labelLegend()[label];
    if (curve === this.hoveredCurve && `${legend}` === this.hoveredLegend) return;
    [this.hoveredCurve, this.hoveredLegend] = [curve, `${legend}`];
    if (!curve) return line.set({ visible: false });
    line.set({ visible: true, labels: [legend[0]], colors: [legend[1]], ...curve });
  }
}

const heightOf = (values) => values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);

/** The points that a curve needs, as typed arrays: the marks of figures take no others. */
function thinned(axis, values, tolerance) {
  const kept = corners(axis, values, tolerance);
  return { x: Float64Array.from(kept, (c) => axis[c]), y: Float64Array.from(kept, (c) => values[c]) };
}

/** Whether two regions hold the same pixels by the same points. */
function isSame(region, other) {
  const [one, two] = [region, other].map(({ kind, points, width = 1 }) => JSON.stringify([kind, points, width]));
  return one === two;
}
