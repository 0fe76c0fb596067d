// Unpack what this page holds, its state and its scripts, and show its widgets.
(async () => {
  // Widgets are given two seconds to start, which a page of many of them takes on a slow machine.
  const within = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (time) => within(Math.max(time, 60_000));
  const notice = document.getElementById("notice");
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const addressOf = async (tag) =>
    tag.dataset.from ?? URL.createObjectURL(new Blob([await unpack(tag.textContent)], { type: "text/javascript" }));
  const run = (address, integrity) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      if (integrity) Object.assign(script, { integrity, crossOrigin: "anonymous" });
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} could not be loaded`));
      document.head.append(script);
    });
  try {
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is older than 2023");
    notice.textContent = "Unpacking …";
    const tags = [...document.querySelectorAll("script[data-script]")];
    const names = tags.map((tag) => tag.dataset.script);
    const [text, ...addresses] = await Promise.all([
      unpack(document.querySelector("script[data-state]").textContent),
      ...tags.map(addressOf),
    ]);
    const state = document.createElement("script");
    state.type = "application/vnd.jupyter.widget-state+json";
    state.textContent = text;
    document.head.append(state);
    const paths = Object.fromEntries(names.map((name, i) => [name, addresses[i]]));
    const checks = Object.fromEntries(tags.map((tag) => [tag.dataset.script, tag.dataset.integrity]));
    await run(paths.require, checks.require);
    requirejs.config({ paths: { bqplot: paths.bqplot, bqscales: paths.bqscales, anywidget: paths.anywidget } });
    await run(paths["embed-amd"], checks["embed-amd"]);
    notice.remove();
  } catch (error) {
    notice.textContent = `The widget cannot be shown: ${error.message}.`;
  }
})();
