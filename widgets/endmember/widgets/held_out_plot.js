// How well each rank predicts counts that were held out, on the same ranks as the scree above.

const HEIGHT = 150; // CSS pixels, of which the plot leaves above and below:
const [ABOVE, BELOW] = [30, 24];
let nPictures = 0; // on this page: each clips by a name of its own
const SPACE = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text = "") {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

/** Where ranks and errors stand in a picture of some width. */
class Places {
  constructor(model, width) {
    const [before, after] = model.get("margins");
    const [first, last] = model.get("ends");
    const { low, high } = model.get("curve");
    const room = 0.06 * (high - low); // below the lowest point
    this.left = before;
    this.right = width - after;
    this.bottom = HEIGHT - BELOW;
    this.x = (rank) => before + ((rank - first) / (last - first)) * (this.right - before);
    this.y = (value) => this.bottom - ((value - low + room) / (high - low + room)) * (this.bottom - ABOVE);
  }
}

function axes(places, { low, high, ranks, best }) {
  const { left, right, bottom } = places;
  const parts = [draw("path", { d: `M${left} ${ABOVE}V${bottom}H${right}`, class: "frame" })];
  const number = (value) => value.toPrecision(4);
  for (const value of [low, high]) {
    parts.push(draw("text", { x: left - 6, y: places.y(value) + 4, "text-anchor": "end" }, number(value)));
  }
  for (const rank of ranks) {
    if (rank !== 1 && rank % 5) continue;
    parts.push(draw("text", { x: places.x(rank), y: bottom + 16, "text-anchor": "middle" }, rank));
  }
  parts.push(draw("text", { x: left, y: 14 }, `error on held-out counts (noise = 1), lowest at ${best}`));
  return parts;
}

function curve(places, { ranks, values, best, high }) {
  const seen = values.map((value) => Math.min(value, high + 10 * Math.abs(high))); // what is far above leaves the plot
  const points = ranks.map((rank, i) => [places.x(rank), places.y(seen[i])]);
  const line = draw("polyline", { points: points.join(" "), class: "curve" });
  const dots = points.map(([cx, cy], i) => draw("circle", { cx, cy, r: ranks[i] === best ? 5 : 3, class: ranks[i] === best ? "best" : "" }));
  return [line, ...dots];
}

/** The map whose rank all parts of a selector share. */
const mapOf = (model) => model.widget_manager.get_model(model.get("map").replace("IPY_MODEL_", ""));

export default () => {
  let map = null;
  return {
    async initialize({ model }) {
      map = await mapOf(model);
    },
    render({ model, el }) {
      const clipName = `endmember-held-out-${(nPictures += 1)}`;
      const picture = draw("svg", { role: "img", height: HEIGHT, class: "endmember-held-out" });
      const chosen = draw("line", { class: "chosen", y1: ABOVE });
      let places = null;

      const move = () => {
        if (!places) return;
        const x = places.x(map.get("rank"));
        for (const [name, value] of Object.entries({ x1: x, x2: x, y2: places.bottom })) chosen.setAttribute(name, value);
      };
      const show = () => {
        const [found, width] = [model.get("curve"), el.clientWidth];
        el.hidden = !found.ranks;
        if (!found.ranks || !width) return;
        places = new Places(model, width);
        const clip = draw("clipPath", { id: clipName });
        clip.append(draw("rect", { x: 0, y: ABOVE - 6, width, height: HEIGHT }));
        const inside = draw("g", { "clip-path": `url(#${clipName})` });
        inside.append(chosen, ...curve(places, found));
        picture.setAttribute("width", width);
        const said = found.ranks.map((rank, i) => `${rank}: ${found.values[i].toPrecision(5)}`).join(", ");
        picture.setAttribute("aria-label", `Error on held-out counts, lowest at rank ${found.best}. By rank, ${said}`);
        picture.replaceChildren(clip, ...axes(places, found), inside);
        move();
      };
      el.replaceChildren(picture);
      const resizing = new ResizeObserver(show);
      resizing.observe(el);
      show();
      model.on("change:curve change:ends", show);
      map.on("change:rank", move);
      return () => {
        resizing.disconnect();
        model.off("change:curve change:ends", show);
        map.off("change:rank", move);
      };
    },
  };
};
