// What a pixel holds of every reference, as a table, and the curves that follow from it.

class Reading {
  constructor(model) {
    [this.model, this.views, this.heard] = [model, new Set(), []];
  }

  async open() {
    const { model } = this;
    const get = (reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
    this.curves = {};
    for (const [role, references] of Object.entries(model.get("curves"))) {
      this.curves[role] = await Promise.all(references.map(get));
    }
    const floats = (name) => {
      const view = model.get(name);
      return new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    };
    [this.axis, this.references] = [floats("axis"), floats("references")];
    this.on(model, ["reading", "channels", "place"]);
    this.on(this.curves.counts[0], ["y"]);
    this.follow();
  }

  on(source, names) {
    const events = names.map((name) => `change:${name}`).join(" ");
    const act = () => this.soon();
    this.heard.push([source, events, act]);
    source.on(events, act);
  }

  close() {
    for (const [source, events, act] of this.heard) source.off(events, act);
  }

  /** Follow once, when all that changes together has changed. */
  soon() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    queueMicrotask(() => {
      this.isPlanned = false;
      this.follow();
    });
  }

  /** Coefficients, their standard errors and chi-square; null where there is none. */
  get fit() {
    const [reading, n] = [this.model.get("reading"), this.model.get("names").length];
    return { coefficients: reading.slice(0, n), errors: reading.slice(n, 2 * n), chi2: reading[2 * n] };
  }

  follow() {
    const { coefficients } = this.fit;
    if (!coefficients.length) return;
    const [n, model] = [this.axis.length, new Float64Array(this.axis.length)];
    this.curves.parts.forEach((line, k) => {
      const part = this.references.slice(k * n, (k + 1) * n).map((value) => value * (coefficients[k] ?? 0));
      part.forEach((value, c) => (model[c] += value));
      line.set({ x: this.axis, y: part, visible: Boolean(coefficients[k]) });
    });
    this.curves.model[0].set({ x: this.axis, y: model });
    const [[start, stop], counts] = [this.model.get("channels"), this.curves.counts[0].get("y")];
    const residual = model.map((expected, c) => (counts[c] - expected) / Math.sqrt(expected || 1));
    const [inside, outside] = this.curves.residuals;
    inside.set({ x: this.axis.slice(start, stop), y: residual.slice(start, stop) });
    outside.set({ x: this.axis, y: residual });
    this.views.forEach((el) => this.write(el));
  }

  /** Write the table: a row for every reference, then what all of them leave. */
  write(el) {
    const { coefficients, errors, chi2 } = this.fit;
    const [names, colors] = [this.model.get("names"), this.model.get("colors")];
    const rows = names.map((name, k) => [name, coefficientText(coefficients[k], errors[k]), colors[k]]);
    rows.push(["sum", coefficients.reduce((total, value) => total + (value ?? 0), 0).toFixed(3)]);
    rows.push(["reduced chi-square", chi2 === null ? "unknown" : chi2.toFixed(2)]);
    const [start, stop] = this.model.get("channels");
    const free = stop - start - coefficients.filter((value) => value).length;
    rows.push(["where noise is all", `1 ± ${Math.sqrt(2 / free).toPrecision(2)}`]);
    const [place, columns] = [this.model.get("place"), this.model.get("columns")];
    el.querySelector("caption").textContent = `row ${Math.floor(place / columns)}, column ${place % columns}`;
    el.querySelector("tbody").replaceChildren(...rows.map(rowOf));
  }
}

function coefficientText(value, error) {
  if (value === null) return "left out";
  return error === null ? "0 (held there)" : `${value.toFixed(3)} ± ${error.toPrecision(2)}`;
}

function rowOf([name, value, color]) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  if (color) {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color;
    head.append(swatch);
  }
  head.append(name);
  row.append(head);
  row.insertCell().textContent = value;
  return row;
}

const TABLE = `<table class="endmember-reading"><caption></caption>
  <thead><tr><th scope="col">reference</th><th scope="col">coefficient</th></tr></thead>
  <tbody></tbody></table>`;

export default () => {
  let reading;
  return {
    async initialize({ model }) {
      reading = new Reading(model);
      reading.open(); // not awaited: plots take longer than a widget may on a busy machine
      return () => reading.close();
    },
    render({ el }) {
      el.innerHTML = TABLE;
      reading.views.add(el);
      if (reading.fit.coefficients.length) reading.write(el);
      return () => reading.views.delete(el);
    },
  };
};
