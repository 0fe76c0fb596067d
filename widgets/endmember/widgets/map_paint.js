// Pixels of a map: colours of values, labels and composites, and the ends of their scales.

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
  gray: "000000ffffff",
  // Blue through white to vermilion: one hue a sign for every eye, both as dark at the same distance.
  diverging: "00325c005a9c2f8bc989c0e6f7f7f7eaac84c76d2a8f4200522400",
};
const HIDDEN = new Uint32Array(Uint8Array.from([128, 128, 128, 60]).buffer)[0]; // a veil, no colour of the map
const BLACK = 255 << 24;
const SAMPLE = 16384; // values that the ends of the colour scale are judged by
const NO_STEP = 0xffff; // what is hidden among 16-bit steps,
const NO_LABEL = 0xff; // and among labels and the 8-bit steps of layers
const LAST_STEP = NO_LABEL - 1;

const bytes = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
const floats = (view) => new Float32Array(bytes(view));
const short = (value) => (Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : "left out");
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const pack = ([r, g, b]) => BLACK | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);

/** Colour map as 256 RGBA values packed for a little-endian Uint32Array. */
function shades(name) {
  const hex = SHADES[name] ?? SHADES.viridis;
  const knots = Array.from({ length: hex.length / 6 }, (_, i) => rgb(`#${hex.slice(6 * i, 6 * i + 6)}`));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (knots.length - 1);
    const low = Math.min(Math.floor(at), knots.length - 2);
    return pack([0, 1, 2].map((j) => knots[low][j] + (at - low) * (knots[low + 1][j] - knots[low][j])));
  });
}

/** Values below which shares of the finite ones lie, from a sample that meets every column. */
function quantiles(values, columns, shares, isWanted = Number.isFinite) {
  return sampleQuantiles((p) => values[p], values.length, columns, shares, isWanted);
}

function sampleQuantiles(valueAt, length, columns, shares, isWanted) {
  const isExact = shares[0] <= 0 || shares[1] >= 1; // an end that one pixel decides, needs all of them
  let step = isExact ? 1 : Math.max(1, Math.floor(length / SAMPLE));
  while (gcd(step, columns) > 1) step += 1;
  const sample = [];
  for (let p = 0; p < length; p += step) if (isWanted(valueAt(p))) sample.push(valueAt(p));
  const sorted = Float32Array.from(sample).sort();
  const last = sorted.length - 1;
  return shares.map((share) => (last < 0 ? 1 : sorted[Math.min(last, Math.floor(share * sorted.length))]));
}

/** The same of 8-bit steps, from all of them. */
function stepQuantiles(steps, shares) {
  const counts = new Uint32Array(256);
  for (const step of steps) counts[step] += 1;
  const seen = steps.length - counts[NO_LABEL];
  return shares.map((share) => {
    let [step, below] = [0, counts[0]];
    while (step < LAST_STEP && below <= share * seen) below += counts[++step];
    while (share >= 1 && step > 0 && !counts[step]) step -= 1;
    return step;
  });
}

/** What a table says of each step; a loop, where `from` would take ten times as long. */
function lookUp(steps, table) {
  const values = new table.constructor(steps.length);
  for (let p = 0; p < values.length; p++) values[p] = table[steps[p]];
  return values;
}

/** Values that steps of a range stand for; the last of them hides a pixel. */
function stepTable(hidden, [low, high]) {
  const share = (high - low) / (hidden - 1);
  return Float32Array.from({ length: hidden + 1 }, (_, step) => (step === hidden ? NaN : low + step * share));
}

/** Values of a map that came in 16-bit steps. */
const fromSteps = (view, range) => lookUp(new Uint16Array(bytes(view)), stepTable(NO_STEP, range));

/** Call `act` with a pixel and the block that it belongs to, for every pixel. */
function eachBlock([rows, columns], size, act) {
  const across = Math.ceil(columns / size);
  for (let row = 0, p = 0; row < rows; row++) {
    const start = Math.floor(row / size) * across;
    for (let column = 0; column < columns; column++, p++) act(p, start + Math.floor(column / size));
  }
}

const blocksOf = (shape, size) => shape.map((n) => Math.ceil(n / size));

/** Means of square blocks of a map, what is hidden left out. */
function blockMeans(values, shape, size) {
  if (size === 1) return values;
  const [down, across] = blocksOf(shape, size);
  const [sums, counts] = [new Float32Array(down * across), new Uint16Array(down * across)];
  eachBlock(shape, size, (p, block) => {
    if (!Number.isFinite(values[p])) return;
    sums[block] += values[p];
    counts[block] += 1;
  });
  return sums.map((sum, block) => (counts[block] ? sum / counts[block] : NaN));
}

/** The pixel at the corner of every block: labels have no mean. */
function blockCorners(values, [rows, columns], size) {
  if (size === 1) return values;
  const [down, across] = blocksOf([rows, columns], size);
  const found = new values.constructor(down * across);
  for (let row = 0, block = 0; row < down; row++) {
    for (let column = 0; column < across; column++, block++) found[block] = values[size * (row * columns + column)];
  }
  return found;
}

/** Whether any pixel of a block is among those of packed bits. */
function blockBits(view, shape, size) {
  const [bits, [down, across]] = [new Uint8Array(bytes(view)), blocksOf(shape, size)];
  const found = new Uint8Array(down * across);
  eachBlock(shape, size, (p, block) => {
    found[block] |= (bits[p >> 3] >> (7 - (p & 7))) & 1;
  });
  return found;
}

/** Paint values between limits. */
function paintValues(pixels, values, limits, colors, isLog, hidden) {
  const [low, high] = isLog ? limits.map(Math.log) : limits;
  const steps = 255 / (high - low || 1);
  for (let p = 0; p < pixels.length; p++) {
    const value = isLog && !Number.isNaN(values[p]) ? Math.log(Math.max(0, values[p])) : values[p];
    const shade = (value - low) * steps;
    pixels[p] = shade >= 0 || shade < 0 ? colors[Math.min(255, Math.max(0, shade)) | 0] : hidden;
  }
}

/** Paint each label in its colour. */
function paintLabels(pixels, labels, palette, hidden) {
  const colors = new Uint32Array(256).fill(hidden);
  palette.slice(0, NO_LABEL).forEach((color, label) => (colors[label] = pack(rgb(color))));
  for (let p = 0; p < pixels.length; p++) pixels[p] = colors[labels[p]];
}

/** Several maps at once, each in 8-bit steps. */
class Layers {
  constructor({ maps, lows, highs, colors, names, fixed }, shape, size) {
    const [steps, nPixels] = [new Uint8Array(bytes(maps)), shape[0] * shape[1]];
    this.steps = names.map((_, k) => steps.subarray(k * nPixels, (k + 1) * nPixels));
    [this.lows, this.highs, this.names, this.colors] = [lows, highs, names, colors];
    this.fixed = fixed ?? [true, true];
    this.small = this.steps.map((steps) => this.shrunk(steps, shape, size));
  }

  shrunk(steps, shape, size) {
    if (size === 1) return steps;
    const table = Float32Array.from({ length: 256 }, (_, step) => (step === NO_LABEL ? NaN : step));
    const means = blockMeans(lookUp(steps, table), shape, size);
    return Uint8Array.from(means, (mean) => (Number.isNaN(mean) ? NO_LABEL : Math.round(mean)));
  }

  valueOf(k, step) {
    return step === NO_LABEL ? NaN : this.lows[k] + ((this.highs[k] - this.lows[k]) * step) / LAST_STEP;
  }

  values(k) {
    const table = Float32Array.from({ length: 256 }, (_, step) => this.valueOf(k, step));
    return lookUp(this.steps[k], table);
  }

  /** Steps of a layer that are dark and at full light: those given, or those at shares of its pixels. */
  ends(k, shares) {
    if (this.found?.key !== `${shares}`) this.found = { key: `${shares}`, ends: [] };
    const found = (this.found.ends[k] ??= stepQuantiles(this.steps[k], shares));
    return [this.fixed[0] ? 0 : found[0], this.fixed[1] ? LAST_STEP : found[1]];
  }

  /** Values at these ends. */
  limits(k, shares) {
    return this.ends(k, shares).map((step) => this.valueOf(k, step));
  }

  /** Add up the light of the layers that are to be seen. */
  paint(pixels, visible, shares, hidden) {
    const light = new Uint16Array(3 * pixels.length);
    const isSeen = new Uint8Array(pixels.length);
    this.small.forEach((steps, k) => {
      const [low, high] = this.ends(k, shares);
      const color = rgb(this.colors[k]);
      const table = color.map((part) =>
        Uint8Array.from({ length: 256 }, (_, step) =>
          Math.round(part * Math.min(1, Math.max(0, (step - low) / (high - low || 1)))),
        ),
      );
      for (let p = 0, i = 0; p < steps.length; p++, i += 3) {
        if (steps[p] === NO_LABEL) continue;
        isSeen[p] = 1;
        if (!visible[k]) continue;
        for (let j = 0; j < 3; j++) light[i + j] += table[j][steps[p]];
      }
    });
    for (let p = 0, i = 0; p < pixels.length; p++, i += 3) {
      const [r, g, b] = [light[i], light[i + 1], light[i + 2]];
      pixels[p] = isSeen[p] ? BLACK | (Math.min(255, b) << 16) | (Math.min(255, g) << 8) | Math.min(255, r) : hidden;
    }
  }
}
