// What the parts of a cluster tuner share: the map that they follow, and marks in its colours.

/** The model of another widget that a trait refers to. */
const referred = (model, name) => model.widget_manager.get_model(model.get(name).replace("IPY_MODEL_", ""));

/** An element with attributes and children. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A square in the colour of a cluster. */
function square(color) {
  const made = element("span", { class: "square", "aria-hidden": "true" });
  made.style.background = color;
  return made;
}

/** Call `act` now and whenever one of the traits of a model changes; return how to stop that. */
function follow(model, names, act) {
  const events = names.map((name) => `change:${name}`).join(" ");
  model.on(events, act);
  return () => model.off(events, act);
}

/** Numbers that came as bytes. */
const numbers = (view, Kind) => new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** Do something once, when the frame that is being made is on the screen: the map comes first. */
function afterPaint(act) {
  let isPlanned = false;
  const go = () => {
    isPlanned = false;
    act();
  };
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    if (document.hidden) setTimeout(go);
    else requestAnimationFrame(() => setTimeout(go));
  };
}
