// Words for each rank, known beforehand, so that they follow a handle as fast as the map does.

const REST = 700; // ms that a rank stays before its words are spoken

/** The map whose rank all parts of a selector share. */
const mapOf = (model) => model.widget_manager.get_model(model.get("map").replace("IPY_MODEL_", ""));

export default () => {
  let map = null;
  return {
    async initialize({ model }) {
      map = await mapOf(model);
    },
    render({ model, el }) {
      const [shown, spoken] = ["div", "span"].map((tag) => document.createElement(tag));
      shown.className = "endmember-note";
      spoken.className = "endmember-spoken";
      spoken.setAttribute("role", "status");
      let timer = null;
      const show = () => {
        const words = model.get("words")[map.get("residual")]?.[map.get("rank") - 1] ?? model.get("before");
        if (words === shown.textContent) return;
        shown.textContent = words;
        clearTimeout(timer);
        timer = setTimeout(() => (spoken.textContent = words), REST);
      };
      show();
      model.on("change:words change:before", show);
      map.on("change:residual change:rank", show);
      el.replaceChildren(shown, spoken);
      return () => {
        clearTimeout(timer);
        model.off("change:words change:before", show);
        map.off("change:residual change:rank", show);
      };
    },
  };
};
