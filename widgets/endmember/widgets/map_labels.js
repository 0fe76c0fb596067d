// Maps of labels for every rank, held by the page: a change of rank paints another one at once.

/** Maps of labels for the ranks 1, 2, ..., and the mean spectra of their labels. */
class LabelSets {
  constructor({ n_labels, names, axis, means }, maps, shape, block) {
    [this.nLabels, this.names, this.shape, this.block] = [n_labels, names, shape, block];
    const nPixels = shape[0] * shape[1];
    this.maps = n_labels.map((_, i) => maps.subarray(i * nPixels, (i + 1) * nPixels));
    this.nothing = new Uint8Array(nPixels).fill(NO_LABEL);
    this.axis = axis?.byteLength ? new Float64Array(bytes(axis)) : null;
    this.means = this.axis ? floats(means) : null;
    [this.small, this.drawn] = [[], []];
  }

  /** Labels of every pixel at a rank; hidden ones where none are known. */
  at(rank) {
    return this.maps[rank - 1] ?? this.nothing;
  }

  /** The same, a label a block. */
  smallAt(rank) {
    return (this.small[rank] ??= blockCorners(this.at(rank), this.shape, this.block));
  }

  isKnown(rank) {
    return this.nLabels[rank - 1] > 0;
  }

  /** Names of the labels of a rank. */
  namesAt(rank, common) {
    return (this.names?.[rank - 1] ?? common).slice(0, this.nLabels[rank - 1] ?? 0);
  }

  /** Mean spectra of a rank, thinned; none where they were not sent. */
  curves(rank) {
    return (this.drawn[rank] ??= this.axis && this.isKnown(rank) ? this.thinnedAt(rank) : []);
  }

  thinnedAt(rank) {
    const n = this.axis.length;
    const start = this.nLabels.slice(0, rank - 1).reduce((sum, count) => sum + count, 0);
    const means = Array.from({ length: this.nLabels[rank - 1] }, (_, k) => this.means.subarray((start + k) * n, (start + k + 1) * n));
    const tolerance = FINEST * Math.max(...means.map(heightOf));
    return means.map((mean) => (mean.some(Number.isFinite) ? thinned(this.axis, mean, tolerance) : this.dot()));
  }

  /** A curve that shows nothing, for labels without a spectrum: one of gaps is no path. */
  dot() {
    return { x: this.axis.slice(0, 1), y: new Float64Array(1) };
  }
}

/** Label sets as they travel. */
async function readLabelSets(sets, shape, block) {
  const maps = new Uint8Array(bytes(sets.deflated ? await inflate(sets.maps) : sets.maps));
  return new LabelSets(sets, maps, shape, block);
}
