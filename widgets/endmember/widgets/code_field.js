// Code with a button that copies it; both can be reached by keyboard.

const SAID_FOR = 2000; // ms that the button says what it has done

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Put text on the clipboard; where a page may not, select it for the person to copy. */
async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    getSelection().selectAllChildren(shown);
    return "Selected: press Ctrl+C";
  }
}

export default {
  render({ model, el }) {
    const code = make("pre", { class: "endmember-code", tabindex: "0", role: "region", "aria-label": "code of this result" });
    const button = make("button", { type: "button", class: "endmember-button" }, "Copy code");
    const said = make("span", { role: "status" });
    const show = () => (code.textContent = model.get("value"));
    let timer = null;
    button.addEventListener("click", async () => {
      said.textContent = await copy(model.get("value"), code);
      clearTimeout(timer);
      timer = setTimeout(() => (said.textContent = ""), SAID_FOR);
    });
    show();
    model.on("change:value", show);
    el.replaceChildren(make("div", { class: "endmember-row" }, button, said), code);
    return () => {
      clearTimeout(timer);
      model.off("change:value", show);
    };
  },
};
