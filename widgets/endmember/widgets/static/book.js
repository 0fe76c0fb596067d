// Runs between require.js and embed-amd.js: says where the libraries of widgets are, beside this
// script, and settles what they and the theme of a book expect of each other.
(() => {
  requirejs.config({ baseUrl: new URL(".", document.currentScript.src).href });
  // Widgets are given two seconds to start, which a page of many of them takes on a slow machine.
  const within = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (time) => within(Math.max(time, 60_000));
  // A theme that draws its icons by script would replace those inside widgets as well.
  window.FontAwesomeConfig = { observeMutations: false };
  // Plots learn of a new width from the window alone, which does not change for paper.
  window.addEventListener("beforeprint", () => window.dispatchEvent(new Event("resize")));
  // Widgets typeset with the second version of MathJax, pages load the third, after this script.
  const typeset = ([, , element]) => window.MathJax.typesetPromise?.(element ? [element] : undefined);
  window.addEventListener("load", () => {
    window.MathJax ??= {};
    window.MathJax.Hub ??= { Queue: typeset, Config: () => {}, Configured: () => {} };
  });
})();
