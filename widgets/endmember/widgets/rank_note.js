// Words for each rank, known beforehand, so that they follow a handle as fast as the map does.

const REST = 700; // ms that a rank stays before its words are spoken

export default {
  render({ model, el }) {
    const [shown, spoken] = ["div", "span"].map((tag) => document.createElement(tag));
    shown.className = "endmember-note";
    spoken.className = "endmember-spoken";
    spoken.setAttribute("role", "status");
    let timer = null;
    const show = () => {
      const words = model.get("words")[model.get("residual")]?.[model.get("rank") - 1] ?? model.get("before");
      if (words === shown.textContent) return;
      shown.textContent = words;
      clearTimeout(timer);
      timer = setTimeout(() => (spoken.textContent = words), REST);
    };
    show();
    model.on("change:words change:residual change:rank change:before", show);
    el.replaceChildren(shown, spoken);
    return () => {
      clearTimeout(timer);
      model.off("change:words change:residual change:rank change:before", show);
    };
  },
};
