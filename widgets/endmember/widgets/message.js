// Words in an element that stays on the page, so that screen readers speak each change.

const BEFORE = { status: "", warning: "Warning: ", error: "Error: " };

export default {
  render({ model, el }) {
    const words = document.createElement("div");
    words.setAttribute("role", "status");
    const show = () => {
      const [value, kind] = [model.get("value"), model.get("kind")];
      words.className = `endmember-message ${kind}`;
      words.textContent = value ? BEFORE[kind] + value : "";
    };
    show();
    el.replaceChildren(words);
    model.on("change:value change:kind", show);
    return () => model.off("change:value change:kind", show);
  },
};
