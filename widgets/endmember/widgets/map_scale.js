// The scale of a map: which values its colours begin and end at, shared by maps that are compared.

const LOWEST_CEILING = 3; // of a residual map, where noise is 1: noise must not fill the scale
const LEAST_SHARE = 0.01; // of a range that a single step may leave of it

/** The scale of one map. */
class Scale {
  constructor(core) {
    [this.core, this.model, this.peers] = [core, core.model, []];
  }

  /** Find the maps that share these limits, and follow what their pixels suggest. */
  async connect() {
    this.close();
    const references = this.model.get("compared");
    const found = references.map((name) => this.model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
    const peers = await Promise.all(found);
    if (this.core.isClosed || references !== this.model.get("compared")) return; // others by now
    this.peers = peers;
    peers.forEach((peer) => peer.on("change:suggested", () => this.core.soon("repaint"), this));
    this.core.soon("repaint");
  }

  close() {
    this.peers.forEach((peer) => peer.off(null, null, this));
    this.peers = [];
  }

  /** Whether values have a sign that matters, so that colours part at zero. */
  get isSigned() {
    const { core, model } = this;
    const isNext = core.factors && core.shownLayer === null && model.get("residual") === "next";
    return Boolean(isNext) || model.get("colors") === "diverging";
  }

  get colors() {
    return this.isSigned ? "diverging" : this.model.get("colors");
  }

  get isLog() {
    return this.model.get("scale") === "log" && !this.isSigned;
  }

  get isHeld() {
    return this.model.get("limits") !== null;
  }

  /** Values at the ends of the colours: those that were set, or those that the pixels suggest. */
  limits() {
    const [set, shares, { painted }] = [this.model.get("limits"), this.model.get("percentiles"), this.core];
    const theirs = this.peers.map((peer) => peer.get("suggested")).filter(Boolean);
    const key = `${set} ${shares} ${this.isLog} ${this.isSigned} ${this.peers.length} ${theirs}`;
    if (painted.limitsKey === key) return painted.limits;
    painted.limitsKey = key;
    const found = set ? [...set] : union([this.publish(this.suggested(shares.map((share) => share / 100))), ...theirs]);
    if (this.isSigned) return symmetric(found);
    if (this.isLog && !(found[0] > 0)) found[0] = this.least();
    if (!(found[0] < found[1])) found[1] = found[0] + Math.max(1, Math.abs(found[0]));
    return found;
  }

  /** Tell maps that are compared what these pixels suggest. */
  publish(limits) {
    if (this.peers.length && `${this.model.get("suggested")}` !== `${limits}`) this.model.set("suggested", limits);
    return limits;
  }

  suggested(shares) {
    const { core } = this;
    if (core.shownLayer !== null) return core.layers.limits(core.shownLayer, shares);
    const isWanted = this.isLog ? (value) => value > 0 && Number.isFinite(value) : Number.isFinite;
    const of = core.frames && !core.factors ? core.frames.limits.bind(core.frames) : quantiles.bind(null, core.painted.values);
    const [low, high] = of(core.shape[1], shares, isWanted);
    if (!core.factors || this.model.get("residual") === "all") return [low, high];
    if (this.isSigned) return [Math.min(-LOWEST_CEILING, low), Math.max(LOWEST_CEILING, high)];
    return [this.isLog ? low : 0, Math.max(LOWEST_CEILING, high)];
  }

  /** The least value that has a logarithm. */
  least() {
    return this.core.painted.values.reduce((least, value) => (value > 0 && value < least ? value : least), 1);
  }

  /** Least and greatest of what is painted, and of the limits. */
  extremes() {
    const { painted } = this.core;
    painted.extremes ??= extremesOf(painted.small);
    return union([painted.extremes, painted.limits]);
  }

  /** Limits with one end moved by a share of what lies between them. */
  moved(limits, which, share) {
    const [low, high] = this.isLog ? limits.map(Math.log) : limits;
    const range = high - low;
    if (this.isSigned) {
      const end = Math.max(LEAST_SHARE * range, high + (which ? share : -share) * range);
      return [-end, end];
    }
    const found = which ? [low, Math.max(low + LEAST_SHARE * range, high + share * range)] : [Math.min(high - LEAST_SHARE * range, low + share * range), high];
    return this.isLog ? found.map(Math.exp) : found;
  }

  /** Let pixels decide again, as they do to begin with. */
  reset() {
    this.model.set({ limits: null, percentiles: [0.5, 99.5], scale: "linear" });
    this.model.save_changes();
  }
}

const union = (all) => [Math.min(...all.map((limits) => limits[0])), Math.max(...all.map((limits) => limits[1]))];

/** Limits as far from zero on both sides as the farther one is. */
function symmetric(limits) {
  const end = Math.max(...limits.map(Math.abs)) || 1;
  return [-end, end];
}

function extremesOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let p = 0; p < values.length; p++) {
    if (values[p] < low && values[p] !== -Infinity) low = values[p];
    if (values[p] > high && values[p] !== Infinity) high = values[p];
  }
  return low <= high ? [low, high] : [Infinity, -Infinity];
}
