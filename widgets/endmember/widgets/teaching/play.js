// A button that moves a slider by itself, with or without a kernel.

async function render({ model, el }) {
  const reference = model.get("slider").replace("IPY_MODEL_", "");
  const slider = await model.widget_manager.get_model(reference);
  const button = document.createElement("button");
  button.className = "endmember-button";
  let timer = null;

  const show = () => (button.textContent = timer === null ? "▶ Play" : "❚❚ Pause");

  function stop() {
    clearInterval(timer);
    timer = null;
    show();
  }

  function go(value) {
    slider.set("value", value);
    slider.save_changes();
  }

  function next() {
    const value = slider.get("value") + slider.get("step");
    if (value <= slider.get("max")) go(value);
    if (value >= slider.get("max")) stop();
  }

  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (slider.get("value") >= slider.get("max")) go(slider.get("min"));
    timer = setInterval(next, model.get("interval"));
    show();
  });
  show();
  el.append(button);
  return stop;
}

export default { render };
