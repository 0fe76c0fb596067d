// Part of the page itself: where the scripts that show widgets cannot be loaded, says so in their place.
(() => {
  const missing = [];
  const note = ({ target }) => {
    const address = target instanceof HTMLScriptElement ? target.getAttribute("src") : null;
    if (address && /(^|\/)(widgets\/[\w-]+|require|embed-amd)\.js/.test(address)) missing.push(address.replace(/\?.*/, ""));
  };
  window.addEventListener("error", note, true);
  window.addEventListener("load", () => {
    if (missing.length === 0) return;
    const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]');
    for (const view of views) {
      const notice = document.createElement("p");
      notice.className = "endmember-notice";
      notice.setAttribute("role", "alert");
      notice.textContent =
        `A widget belongs here, and cannot be shown: ${missing.join(", ")} could not be loaded. ` +
        "Keep this page in the folder of its book, beside the folder _static.";
      view.before(notice);
    }
  });
})();
