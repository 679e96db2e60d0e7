// Starts the page's modules where a browser can run them: not from a file.
(() => {
  const script = document.currentScript.src;
  const notice = () => {
    for (const space of document.querySelectorAll(".practise-space")) space.remove();
    for (const box of document.querySelectorAll(".practise-panel, .practise-overview")) {
      box.insertAdjacentHTML(
        "afterbegin",
        '<p class="practise-notice" role="note">This page was opened from a file, and browsers run ' +
          "no Python from there. Serve the book instead: <code>make serve</code> in the course's " +
          "folder, or put <code>_build/html</code> on any web host.</p>",
      );
    }
  };
  if (location.protocol === "file:") document.addEventListener("DOMContentLoaded", notice);
  else import(new URL("main.js", script));
})();
