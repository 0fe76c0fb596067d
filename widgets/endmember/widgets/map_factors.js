// Factors of a model as the page holds them: residuals and spectra of any rank.

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
  const halves = new Uint16Array(n);
  for (let i = 0; i < n; i++) halves[i] = planes[i] | (planes[n + i] << 8);
  return halves;
}

/** Numbers of which the upper half of a float32 was kept. */
const fromUpperHalf = (halves) => new Float32Array(new Uint32Array(halves).map((half) => half << 16).buffer);

/** Rows of int16 times a scale each. */
function scaled(steps, scales) {
  const [values, n] = [new Float32Array(steps), steps.length / scales.length];
  scales.forEach((scale, k) => {
    for (let i = k * n; i < (k + 1) * n; i++) values[i] *= scale;
  });
  return values;
}

/** Give every pixel of a map the value of its block. */
function spread(means, [rows, columns], size) {
  if (size === 1) return means;
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
    const means = new Float32Array(steps.subarray(start, start + n)).map((step) => step * factors.step);
    const [values, within] = [spread(means, shape, size), factors.within[k]];
    found.scores.set(values, k * nPixels);
    for (let p = 0; p < nPixels; p++) found.norms[p] += values[p] * values[p] + within;
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

  /** What the component after `rank` holds, with its sign, noise being 1. */
  next(rank) {
    const scores = this.scores.subarray(rank * this.nPixels, (rank + 1) * this.nPixels);
    return scores.length ? scores.slice() : new Float32Array(this.nPixels).fill(NaN);
  }

  residual(rank, kind) {
    const values = this[kind](rank);
    for (let p = 0; p < values.length; p++) if (!(this.heights[p] > 0)) values[p] = NaN;
    return values;
  }

  /** Amount of every component at a pixel; null where the pixel was left out. */
  amountsAt(pixel) {
    if (!(this.heights[pixel] > 0)) return null;
    const amount = (_, k) => this.scores[k * this.nPixels + pixel] * this.heights[pixel];
    return Float64Array.from({ length: this.nComponents }, amount);
  }

  /** Mean amounts over the pixels of spans, those left out apart; null where there are no others. */
  amountsIn(spans, columns) {
    const sums = new Float64Array(this.nComponents);
    let count = 0;
    for (const [row, start, stop] of spans) {
      for (let p = row * columns + start; p < row * columns + stop; p++) {
        if (!(this.heights[p] > 0)) continue;
        count += 1;
        for (let k = 0; k < sums.length; k++) sums[k] += this.scores[k * this.nPixels + p] * this.heights[p];
      }
    }
    return count ? sums.map((sum) => sum / count) : null;
  }

  /** Spectrum of the components from one to before another, in counts; NaN where there are no amounts. */
  spectrum(amounts, from, to) {
    const model = new Float64Array(this.nChannels);
    if (!amounts) return model.fill(NaN);
    for (let k = from; k < Math.min(to, this.nComponents); k++) {
      const row = k * this.nChannels;
      for (let c = 0; c < model.length; c++) model[c] += amounts[k] * this.spectra[row + c];
    }
    return model;
  }
}
