// Silhouettes of every cluster, its pixels from the best to the worst, for every number of clusters.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [290, 264];
const ROOM = { top: 8, right: 12, bottom: 40, left: 44 }; // for axes
const TICKS = [-1, -0.5, 0, 0.25, 0.5, 0.75, 1];

function draw(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

/** Where a silhouette and a share of the pixels stand, in the units of the drawing. */
function scalesFrom(low) {
  const [across, down] = [WIDTH - ROOM.left - ROOM.right, HEIGHT - ROOM.top - ROOM.bottom];
  const start = low >= -0.1 ? -0.1 : Math.max(-1, low * 1.05);
  return {
    start,
    x: (value) => ROOM.left + ((value - start) / (1 - start)) * across,
    y: (share) => ROOM.top + share * down,
  };
}

function axes({ start, x, y }) {
  const parts = [];
  for (const tick of TICKS.filter((value) => value >= start)) {
    parts.push(draw("line", { x1: x(tick), x2: x(tick), y1: y(1), y2: y(1) + 4, stroke: "currentColor" }));
    parts.push(draw("text", { x: x(tick), y: y(1) + 16, "text-anchor": "middle" }, String(tick)));
  }
  parts.push(draw("line", { x1: x(start), x2: x(1), y1: y(1), y2: y(1), stroke: "currentColor" }));
  parts.push(draw("line", { x1: x(0), x2: x(0), y1: y(0), y2: y(1), stroke: "currentColor", opacity: 0.5 }));
  parts.push(draw("text", { x: (x(start) + x(1)) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "silhouette"));
  const middle = (y(0) + y(1)) / 2;
  const turned = { x: 14, y: middle, transform: `rotate(-90 14 ${middle})`, "text-anchor": "middle" };
  parts.push(draw("text", turned, "share of the pixels"));
  return parts;
}

/** The outline of one cluster between two shares of the pixels. */
function outline(values, from, to, { x, y }) {
  const step = (to - from) / (values.length - 1);
  const points = Array.from(values, (value, i) => `${x(value).toFixed(1)},${y(from + i * step).toFixed(1)}`);
  return [`${x(0).toFixed(1)},${y(from).toFixed(1)}`, ...points, `${x(0).toFixed(1)},${y(to).toFixed(1)}`].join(" ");
}

export default {
  async render({ model, el }) {
    const map = await referred(model, "map");
    el.classList.add("endmember-silhouettes");
    const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    const note = element("div", { class: "note" });
    el.replaceChildren(picture, note);

    const show = () => {
      const [sets, rank] = [model.get("sets"), map.get("rank")];
      const set = sets.shares?.[rank - 1];
      picture.replaceChildren();
      note.textContent = set ? "" : rank === 1 ? "One cluster has no other to be compared with." : "not yet known";
      picture.style.display = set ? "" : "none";
      if (set) fill(set, numbers(sets.values, Float32Array), sets.starts[rank - 1], sets.n_points);
    };
    const fill = (set, values, start, nPoints) => {
      const curves = set.shares.map((_, label) => values.subarray(start + label * nPoints, start + (label + 1) * nPoints));
      const least = Math.min(0, ...curves.flatMap((curve, label) => (set.shares[label] ? [...curve] : [])));
      const [scales, words] = [scalesFrom(least), []];
      let from = 0;
      set.shares.forEach((share, label) => {
        if (!share) return;
        const [color, name] = [model.get("palette")[label], map.get("names")[label]];
        const polygon = draw("polygon", { points: outline(curves[label], from, from + share, scales), fill: color });
        words.push(`${name} ${set.means[label].toFixed(2)}`);
        polygon.append(draw("title", {}, `${name}: mean ${set.means[label].toFixed(2)}`));
        picture.append(polygon);
        from += share;
      });
      picture.append(...axes(scales));
      picture.setAttribute("aria-label", `mean silhouettes: ${words.join(", ")}`);
    };
    show();
    const stops = [follow(map, ["rank", "names"], afterPaint(show)), follow(model, ["sets"], show)];
    return () => stops.forEach((stop) => stop());
  },
};
