// Traits of other widgets that follow controls and the pointer over a map, with or without a kernel.

const KINDS = { Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array };

/** The model of another widget. */
const referred = (model, reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));

async function inflate(view) {
  const packed = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(packed).arrayBuffer();
}

/** Numbers from all their first bytes, then all their second ones, and so on. */
function fromPlanes(buffer, Kind) {
  const [planes, width] = [new Uint8Array(buffer), Kind.BYTES_PER_ELEMENT];
  const [made, n] = [new Uint8Array(planes.length), planes.length / width];
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0; i < n; i++) made[i * width + byte] = planes[byte * n + i];
  }
  return new Kind(made.buffer);
}

/** Split numbers into pieces of the same length. */
const pieces = (numbers, size) =>
  Array.from({ length: numbers.length / size }, (_, i) => numbers.slice(i * size, (i + 1) * size));

/** How to make the value of a trait at a step, as its widget takes it. */
async function valuesOf(driven) {
  const { kind, type, shape } = driven.get("packing");
  const unpacked = await inflate(driven.get("data"));
  if (kind === "json") {
    const all = JSON.parse(new TextDecoder().decode(unpacked));
    return (step) => all[step];
  }
  const numbers = fromPlanes(unpacked, KINDS[type]);
  const size = shape.reduce((product, n) => product * n, 1);
  const at = (step) => numbers.slice(step * size, (step + 1) * size);
  if (kind === "bytes") return (step) => new DataView(at(step).buffer);
  const row = (step) => Float64Array.from(at(step));
  return shape.length === 1 ? row : (step) => pieces(row(step), shape[1]);
}

class Steps {
  constructor(model) {
    [this.model, this.heard, this.driven] = [model, [], []];
    this.opened = this.open();
  }

  async open() {
    this.controls = {};
    for (const [name, { widget, ...ladder }] of Object.entries(this.model.get("controls"))) {
      const control = await referred(this.model, widget);
      this.controls[name] = { ...ladder, control };
      this.on(control, [ladder.trait], () => this.soon());
    }
    if (this.model.get("pointer")) {
      this.pointer = await referred(this.model, this.model.get("pointer"));
      this.on(this.pointer, ["hovered", "pixel"], () => this.soon());
    }
    this.on(this.model, ["driven"], () => (this.opened = this.opened.then(() => this.take())));
    await this.take();
  }

  on(model, names, act) {
    const events = names.map((name) => `change:${name}`).join(" ");
    this.heard.push([model, events, act]);
    model.on(events, act);
  }

  close() {
    for (const [model, events, act] of this.heard) model.off(events, act);
  }

  /** Take up what is driven and not yet known. */
  async take() {
    for (const reference of this.model.get("driven").slice(this.driven.length)) {
      const driven = await referred(this.model, reference);
      const [target, trait, by] = [await referred(this.model, driven.get("target")), driven.get("trait"), driven.get("by")];
      const found = { target, trait, by, valueAt: await valuesOf(driven), shown: null };
      this.driven.push(found);
      // A late echo of an older value must not undo what a hand has done since.
      this.on(target, [trait], () => this.isOwn || ((found.shown = null), this.soon()));
    }
    this.show();
  }

  /** Show the present step, once everything that changes together has changed. */
  soon() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    queueMicrotask(() => {
      this.isPlanned = false;
      this.show();
    });
  }

  /** How many choices a name has, and which is the present one. */
  place(name) {
    if (name === "pixel" && this.pointer) {
      const [rows, columns] = this.pointer.get("shape");
      const [row, column] = this.pointer.get("hovered") ?? this.pointer.get("pixel");
      return [rows * columns, row * columns + column];
    }
    const { control, trait, first, step, n } = this.controls[name];
    const at = Math.round((Number(control.get(trait)) - first) / step);
    return [n, Math.min(n - 1, Math.max(0, at || 0))];
  }

  /** Set what has changed; traits of one widget at once, or a curve has two lengths. */
  show() {
    const changes = new Map();
    const places = {};
    for (const found of this.driven) {
      const step = found.by.reduce((sum, name) => {
        const [n, at] = (places[name] ??= this.place(name));
        return sum * n + at;
      }, 0);
      if (step === found.shown) continue;
      found.shown = step;
      const { target, trait, valueAt } = found;
      changes.set(target, { ...changes.get(target), [trait]: valueAt(step) });
    }
    this.isOwn = true;
    changes.forEach((values, target) => target.set(values));
    this.isOwn = false;
  }
}

export default () => {
  let steps;
  return {
    async initialize({ model }) {
      steps = new Steps(model); // not awaited: a busy page takes longer than a widget is given
      return () => steps.close();
    },
    render({ el }) {
      el.style.display = "none";
    },
  };
};
