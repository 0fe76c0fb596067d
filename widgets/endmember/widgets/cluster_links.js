// Links of a cluster tuner that hold in the page: bands, code and the curve follow the number of
// clusters, and a click on the curve chooses it.

/** Hide what needs Python, where there is none. */
async function hideAll(model, views) {
  views.forEach((view) => view.set("tools", ["point"]));
  for (const reference of model.get("of_python")) {
    const box = await model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
    box.get("layout").set("display", "none");
  }
}

export default {
  async initialize({ model }) {
    const names = ["map", "bands", "code", "points", "plane"];
    const [map, bands, code, points, plane] = await Promise.all(names.map((name) => referred(model, name)));

    /** Draw the bands of all clusters around their mean spectra; none where nothing is known. */
    const drawBands = () => {
      const { n_labels: counts = [], x, y } = model.get("bands_of");
      const rank = map.get("rank");
      const visible = counts[rank - 1] > 0;
      if (!visible) return bands.set({ visible });
      const [along, all] = [numbers(x, Float64Array), numbers(y, Float32Array)];
      const start = counts.slice(0, rank - 1).reduce((sum, count) => sum + count, 0);
      const curves = Array.from({ length: counts[rank - 1] }, (_, label) =>
        Float64Array.from(all.subarray((start + label) * along.length, (start + label + 1) * along.length)),
      );
      const colors = model.get("palette").slice(0, curves.length);
      const same = (value) => curves.map(() => value);
      bands.set({
        ...{ visible, x: same(along), y: curves, colors, fill_colors: colors },
        ...{ opacities: same(0), fill_opacities: same(0.25) },
      });
    };
    const writeCode = () => {
      const text = model.get("codes")[map.get("rank") - 1];
      if (text) code.set("value", text);
    };
    const choose = () => {
      const [chosen] = points.get("selected") ?? [];
      if (chosen === undefined) return;
      const rank = Math.round(points.get("x")[chosen]);
      points.set("selected", null);
      points.save_changes();
      map.set("rank", rank);
      map.save_changes();
    };
    drawBands();
    if (!points.comm_live) await hideAll(model, [map, plane]);
    const stops = [
      follow(map, ["rank"], afterPaint(() => (drawBands(), writeCode()))),
      follow(model, ["bands_of"], drawBands),
      follow(points, ["selected"], () => queueMicrotask(choose)),
    ];
    return () => stops.forEach((stop) => stop());
  },
  render({ el }) {
    el.style.display = "none";
  },
};
