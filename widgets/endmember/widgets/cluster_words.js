// Words for the place in a plane of two features that a pointer or the keyboard is at.

const short = (value) => String(Number(value.toPrecision(4)));

/** Value in the middle of a bin, of those that the cells of one side are divided among. */
function middle(cell, { low, high, n, cells }) {
  const bin = Math.floor((cell * n) / cells);
  return low + ((bin + 0.5) * (high - low)) / n;
}

export default {
  async render({ model, el }) {
    const [map, plane] = await Promise.all([referred(model, "map"), referred(model, "plane")]);
    el.classList.add("endmember-words");
    const words = element("div", {});
    el.replaceChildren(words);

    const clusterAt = (at, count) => {
      const labels = numbers(model.get("labels"), Uint8Array);
      const n = plane.get("shape")[0] * plane.get("shape")[1];
      const label = labels[(map.get("rank") - 1) * n + at];
      return label === undefined || label === 255 ? "" : `${count > 1 ? " mostly" : ""} ${map.get("names")[label]}`;
    };
    const show = () => {
      const [across, up] = model.get("sides");
      if (!across) return;
      const hovered = plane.get("hovered");
      const [row, column] = hovered ?? plane.get("pixel");
      const places = [[across, column], [up, plane.get("shape")[0] - 1 - row]];
      const values = places.map(([side, cell]) => `${side.name} ${short(middle(cell, side))} ${side.unit}`.trim());
      const at = row * plane.get("shape")[1] + column;
      const count = numbers(model.get("counts"), Uint32Array)[at] ?? 0;
      const held = count ? `${count} pixel${count === 1 ? "" : "s"},${clusterAt(at, count)}` : "no pixels";
      words.setAttribute("aria-live", hovered ? "off" : "polite"); // a hand that moves is not told of each step
      words.textContent = `${values.join(", ")}: ${held.replace(/,$/, "")}`;
    };
    show();
    const stops = [
      follow(plane, ["hovered", "pixel"], show),
      follow(map, ["rank", "names"], afterPaint(show)),
      follow(model, ["sides", "counts", "labels"], show),
    ];
    return () => stops.forEach((stop) => stop());
  },
};
