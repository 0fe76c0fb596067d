// A button that asks Python for a file and saves it from the page: there is no server to ask.

const PATIENCE = 5000; // ms to wait for Python before saying that it does not answer

export default {
  render({ model, el }) {
    el.classList.add("endmember-row");
    const [button, status] = [document.createElement("button"), document.createElement("span")];
    [button.type, button.className] = ["button", "endmember-button"];
    status.setAttribute("role", "status");
    el.append(button, status);
    let waiting = null;
    const show = () => {
      button.textContent = model.get("description");
      button.disabled = model.get("disabled");
    };
    const stopWaiting = () => {
      clearTimeout(waiting);
      waiting = null;
    };
    const ask = () => {
      status.textContent = "";
      stopWaiting();
      waiting = setTimeout(() => (status.textContent = "Python does not answer."), PATIENCE);
      model.send("make");
    };
    const take = ({ name, type }, [bytes]) => {
      if (waiting === null) return; // another view of this button has asked
      stopWaiting();
      if (!name) return; // what is wrong is said elsewhere
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([bytes], { type }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      status.textContent = `${name} saved.`;
    };
    show();
    button.addEventListener("click", ask);
    model.on("change:description change:disabled", show);
    model.on("msg:custom", take);
    return () => {
      stopWaiting();
      model.off("change:description change:disabled", show);
      model.off("msg:custom", take);
    };
  },
};
