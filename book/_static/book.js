// Equations are left to MathJax, which makes each of them focusable.
// A region that scrolls sideways must be reachable from the keyboard; one that does not, need not.
(() => {
  const selector =
    ".scroll, .highlight pre, .cell_output pre, .pst-scrollable-table-container, .output.text_html";
  const update = () => {
    for (const element of document.querySelectorAll(selector)) {
      if (element.scrollWidth > element.clientWidth + 1) {
        element.tabIndex = 0;
      } else {
        element.removeAttribute("tabindex");
      }
    }
  };
  const later = () => window.requestAnimationFrame(update);
  window.addEventListener("resize", later);
  window.addEventListener("load", () => {
    later();
    window.MathJax?.startup?.promise?.then(later);
  });
  document.addEventListener("toggle", later, true);
})();
