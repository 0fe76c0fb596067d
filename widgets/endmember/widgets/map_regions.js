// Regions on a map: drawn with the pointer or the keyboard, in pixels whose centres are whole numbers.

const STILL = 4; // CSS pixels: a shorter drag is a click
const MOST_CORNERS = 400; // of a lasso; more show nothing
const MOST_EDGES = 40000; // of pixels that stand out; with more, only the veil is shown
const ROUNDING = 1e-9; // of places in pixels, as in `regions.py`
const TOOLS = ["point", "rectangle", "lasso", "line"];
const TOOL_KEYS = { p: "point", r: "rectangle", l: "lasso", i: "line" };

/** The pixels of a map whose centres are inside, as [row, first column, column after the last], by the rule of `regions.mask_of`. */
function spansOf({ kind, points, width }, shape) {
  if (kind === "rectangle") return spansOfRectangle(points, shape);
  return kind === "line" ? spansOfLine(points, width, shape) : spansOfLasso(points, shape);
}

function countInside(region, shape) {
  return spansOf(region, shape).reduce((count, [, start, stop]) => count + stop - start, 0);
}

function spansOfRectangle(points, shape) {
  const [low, high] = ends(points);
  const [top, left] = low.map((at) => Math.max(0, Math.ceil(at)));
  const [bottom, right] = high.map((at, i) => Math.min(shape[i], Math.floor(at) + 1));
  const height = Math.max(0, bottom - top);
  return left < right ? Array.from({ length: height }, (_, i) => [top + i, left, right]) : [];
}

function spansOfLasso(points, [rows, columns]) {
  const spans = [];
  const before = (crossing) => Math.max(0, Math.min(columns, Math.ceil(crossing))); // columns left of it
  for (let row = 0; row < rows; row++) {
    const crossings = points.map(([r, c], i) => {
      const [nextR, nextC] = points[(i + 1) % points.length];
      return r > row === nextR > row ? null : c + ((row - r) / (nextR - r)) * (nextC - c);
    });
    const sorted = crossings.filter((c) => c !== null).sort((a, b) => a - b);
    for (let i = 0; i + 1 < sorted.length; i += 2) spans.push([row, before(sorted[i]), before(sorted[i + 1])]);
  }
  return spans.filter(([, start, stop]) => start < stop);
}

/** Pixels beside a line, by the rule of `regions.positions_along`. */
function spansOfLine([start, stop], width, shape) {
  const [end, half] = [stop.map((at, i) => at - start[i]), width / 2];
  const length = Math.hypot(...end);
  const side = end[0] > 0 || (end[0] === 0 && end[1] > 0) ? 1 : -1; // the same one both ways
  const [low, high] = ends([start, stop]);
  const from = low.map((at) => Math.max(0, Math.floor(at) - width));
  const to = high.map((at, i) => Math.min(shape[i] - 1, Math.ceil(at) + width));
  const spans = [];
  for (let row = from[0]; row <= to[0]; row++) {
    for (let column = from[1]; column <= to[1]; column++) {
      const [down, right] = [row - start[0], column - start[1]];
      const along = (down * end[0] + right * end[1]) / length;
      const aside = (side * (down * end[1] - right * end[0])) / length;
      const isAlong = along >= -ROUNDING && along <= length + ROUNDING;
      if (isAlong && aside > ROUNDING - half && aside <= half + ROUNDING) spans.push([row, column, column + 1]);
    }
  }
  return spans;
}

/** Lowest and highest row and column. */
function ends(points) {
  const [rows, columns] = [0, 1].map((i) => points.map((point) => point[i]));
  return [
    [Math.min(...rows), Math.min(...columns)],
    [Math.max(...rows), Math.max(...columns)],
  ];
}

/** Corners to draw: those of the pixels that a rectangle holds, and a lasso's own. */
function outline({ kind, points }) {
  if (kind !== "rectangle") return points;
  const [low, high] = ends(points);
  const [top, left] = low.map((at) => Math.ceil(at) - 0.5);
  const [bottom, right] = high.map((at) => Math.floor(at) + 0.5);
  return [[top, left], [top, right], [bottom, right], [bottom, left]];
}

/** Corners of the band of a line. */
function bandOf([start, stop], width) {
  const length = Math.hypot(stop[0] - start[0], stop[1] - start[1]);
  const aside = [(stop[1] - start[1]) / length, (start[0] - stop[0]) / length].map((part) => (part * width) / 2);
  const beside = ([row, column], sign) => [row + sign * aside[0], column + sign * aside[1]];
  return [beside(start, 1), beside(stop, 1), beside(stop, -1), beside(start, -1)];
}

/** Sides of the blocks that are set, as pairs of ends in rows and columns of blocks. */
function edgesOf(bits, [rows, columns]) {
  const edges = [];
  const isSet = (row, column) => row >= 0 && row < rows && column >= 0 && column < columns && bits[row * columns + column];
  for (let row = 0, p = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, p++) {
      if (!bits[p]) continue;
      if (!isSet(row - 1, column)) edges.push([row, column, row, column + 1]);
      if (!isSet(row + 1, column)) edges.push([row + 1, column, row + 1, column + 1]);
      if (!isSet(row, column - 1)) edges.push([row, column, row + 1, column]);
      if (!isSet(row, column + 1)) edges.push([row, column + 1, row + 1, column + 1]);
      if (edges.length > MOST_EDGES) return [];
    }
  }
  return edges;
}

/** Stroke a path so that it shows on every colour. */
function strokeTwice(pen, path) {
  pen.lineJoin = "round";
  for (const [color, width] of [["#000", 3.5], ["#fff", 1.5]]) {
    [pen.strokeStyle, pen.lineWidth] = [color, width];
    pen.stroke(path);
  }
}

/** What is being drawn on one view, until it is a region. */
class Drawing {
  constructor(view) {
    this.view = view;
    this.points = null;
  }

  get core() {
    return this.view.core;
  }

  get kind() {
    return this.core.tool;
  }

  /** Whether two places make the region: those of the first pixel and the last one. */
  get hasTwoEnds() {
    return this.kind === "rectangle" || this.kind === "line";
  }

  /** The region so far; null where there is none. */
  get region() {
    if (!this.points) return null;
    if (this.kind === "line") return { kind: "line", points: this.points, width: this.core.model.get("line_width") };
    return { kind: this.kind, points: this.kind === "rectangle" ? ends(this.points) : this.points };
  }

  /** Whether there are points enough to keep. */
  get isWhole() {
    const [first, last] = [this.points[0], this.points[this.points.length - 1]];
    if (this.kind === "line") return first[0] !== last[0] || first[1] !== last[1];
    return this.kind === "rectangle" || this.points.length > 2;
  }

  /** The place of an event: a whole pixel where there are two, as it is for a lasso. */
  placeOf(event) {
    return this.hasTwoEnds ? this.view.pixelAt(event, false) : this.view.exactAt(event);
  }

  start(event) {
    if (this.kind === "point" || event.button !== 0 || !event.isPrimary) return;
    this.view.stage.setPointerCapture(event.pointerId);
    this.origin = [event.clientX, event.clientY];
    [this.points, this.byKeys] = [[this.placeOf(event)], false];
  }

  extend(event) {
    if (!this.points || this.byKeys) return;
    if (!this.isDragged && Math.hypot(event.clientX - this.origin[0], event.clientY - this.origin[1]) < STILL) return;
    this.isDragged = true;
    if (this.hasTwoEnds) this.points = [this.points[0], this.placeOf(event)];
    else this.points.push(...this.stepsOf(event).map((step) => this.placeOf(step)));
    if (this.points.length > MOST_CORNERS) this.points = this.points.filter((_, i) => i % 2 === 0);
    this.view.drawOver();
  }

  /** Where the pointer was since the last event. */
  stepsOf(event) {
    const steps = event.getCoalescedEvents?.() ?? [];
    return steps.length ? steps : [event];
  }

  /** End a drag; tell whether there was one, rather than a click. */
  finish(event) {
    if (!this.points || this.byKeys) return false;
    this.extend(event);
    const [wasDragged, region] = [this.isDragged, this.isWhole && this.region];
    this.drop();
    if (wasDragged && region) this.core.setRegion(region);
    return wasDragged;
  }

  drop() {
    [this.points, this.isDragged] = [null, false];
    this.view.drawOver();
  }

  /** Set a corner at the chosen pixel; a rectangle and a line have two, a lasso ends where it stands still. */
  setCorner() {
    const pixel = this.core.model.get("pixel");
    if (this.kind === "point") return;
    if (!this.points) {
      [this.points, this.byKeys] = [this.hasTwoEnds ? [pixel, pixel] : [pixel], true];
    } else if (this.hasTwoEnds) this.close();
    else {
      const last = this.points[this.points.length - 1];
      if (last[0] === pixel[0] && last[1] === pixel[1]) return this.close();
      this.points.push(pixel);
    }
    this.view.drawOver();
  }

  /** Let the second end follow the chosen pixel. */
  follow() {
    if (!this.points || !this.byKeys || !this.hasTwoEnds) return;
    this.points = [this.points[0], this.core.model.get("pixel")];
    this.view.drawOver();
  }

  close() {
    const region = this.isWhole && this.region;
    this.drop();
    if (region) this.core.setRegion(region);
  }
}
