// Plain keys in a box belong to the controls inside: a notebook around it would move, cut and
// insert cells by them, before a list or a button has heard.

function keep(event) {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
}

export default {
  render({ el }) {
    let [box, isClosed] = [null, false];
    el.style.display = "none";
    const listen = () => {
      if (isClosed) return;
      if (!el.isConnected) return requestAnimationFrame(listen); // not on the page yet
      box = el.closest(".widget-vbox");
      box?.addEventListener("keydown", keep);
    };
    listen();
    return () => {
      isClosed = true;
      box?.removeEventListener("keydown", keep);
    };
  },
};
