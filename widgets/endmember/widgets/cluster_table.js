// Clusters with their names, pixels and ratios, for every number of clusters; names may be changed.

/** One row: colour and name of a cluster, then numbers. */
function rowOf(cells, label, model, rename) {
  const input = element("input", { type: "text", "aria-label": `name of cluster ${label}`, maxlength: "80" });
  input.value = model.get("names")[label];
  input.addEventListener("change", () => rename(label, input));
  const name = element("td", {}, square(model.get("palette")[label]), input);
  return element("tr", {}, name, ...cells.map((cell) => element("td", {}, cell)));
}

export default {
  async render({ model, el }) {
    const map = await referred(model, "map");
    el.classList.add("endmember-table");
    const table = element("table", { "aria-label": "clusters" });
    el.replaceChildren(table);
    const inputs = () => [...table.querySelectorAll("input")];

    /** Give a cluster another name, an empty one for that of the beginning; the map has it at once. */
    const rename = (label, input) => {
      const names = [...model.get("names")];
      names[label] = input.value.trim() || `cluster ${label}`;
      input.value = names[label];
      map.set("names", names);
      map.save_changes(); // else they would travel with a later message, and undo what Python says meanwhile
      model.set("names", names);
      model.save_changes();
    };
    let isLate = false; // whether rows wait until nobody types in them
    const build = () => {
      isLate = table.contains(document.activeElement);
      if (isLate) return;
      const rows = model.get("rows")[map.get("rank") - 1] ?? [];
      const heads = model.get("heads").map((head) => element("th", { scope: "col" }, head));
      const body = rows.map((cells, label) => rowOf(cells, label, model, rename));
      table.hidden = rows.length === 0;
      table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body));
    };
    const name = () =>
      inputs().forEach((input, label) => {
        if (input !== document.activeElement) input.value = model.get("names")[label];
      });
    const leave = ({ relatedTarget }) => {
      if (!table.contains(relatedTarget)) queueMicrotask(() => (isLate ? build() : name()));
    };
    table.addEventListener("focusout", leave);
    build();
    const stops = [follow(map, ["rank"], afterPaint(build)), follow(model, ["rows", "heads"], build), follow(model, ["names"], name)];
    return () => stops.forEach((stop) => stop());
  },
};
