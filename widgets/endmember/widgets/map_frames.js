// Frames of a map, of which one is shown, and the image beneath it.

/** Several maps of the same kind, such as those of a tilt series, in steps of a common range. */
class Frames {
  constructor({ n, bits, range }, buffer) {
    this.steps = bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
    [this.n, this.nPixels, this.range] = [n, this.steps.length / n, range];
    this.hidden = bits === 16 ? NO_STEP : NO_LABEL;
    this.table = stepTable(this.hidden, range);
  }

  values(frame) {
    const start = Math.min(frame, this.n - 1) * this.nPixels;
    return lookUp(this.steps.subarray(start, start + this.nPixels), this.table);
  }

  /** Values below which shares of all frames lie, so that colours mean the same in each. */
  limits(columns, shares, isWanted) {
    const key = `${shares} ${isWanted(-1)}`;
    if (this.found?.key === key) return this.found.limits;
    const value = { at: (p) => this.table[this.steps[p]] };
    const limits = sampleQuantiles(value.at, this.steps.length, columns, shares, isWanted);
    this.found = { key, limits };
    return limits;
  }
}

async function readFrames(frames) {
  const buffer = frames.deflated ? (await inflate(frames.maps)).buffer : bytes(frames.maps);
  return new Frames(frames, buffer);
}

/** An image of the same field of view as a map, and finer by a whole number. */
class Beneath {
  constructor({ steps, finer, range, name, unit }, shape) {
    [this.finer, this.name, this.unit, this.mapShape] = [finer, name, unit, shape];
    this.shape = shape.map((n) => n * finer);
    this.values = lookUp(new Uint8Array(bytes(steps)), stepTable(NO_LABEL, range));
    this.block = Math.ceil(Math.max(...this.shape) / FINEST_CANVAS);
  }

  /** Paint it in shades of grey. */
  paint(pixels) {
    const [low, high] = quantiles(this.values, this.shape[1], [0.005, 0.995]);
    paintValues(pixels, blockMeans(this.values, this.shape, this.block), [low, high], shades("gray"), false, 0);
  }

  /** Words for what it holds at a pixel of the map: the mean over its own pixels there. */
  textAt(at) {
    const [row, column] = [Math.floor(at / this.mapShape[1]), at % this.mapShape[1]];
    let sum = 0;
    for (let r = row * this.finer; r < (row + 1) * this.finer; r++) {
      for (let c = column * this.finer; c < (column + 1) * this.finer; c++) sum += this.values[r * this.shape[1] + c];
    }
    return [this.name, short(sum / this.finer ** 2), this.unit].filter(Boolean).join(" ");
  }
}
