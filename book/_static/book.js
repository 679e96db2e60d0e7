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

// Names for controls of the theme that have none, or one that hides what is written on them.
(() => {
  const name = () => {
    for (const button of document.querySelectorAll(".search-button-field")) {
      button.removeAttribute("aria-label");
    }
    for (const summary of document.querySelectorAll(".bd-sidebar-primary details > summary")) {
      const link = summary.closest("li")?.querySelector("a");
      summary.setAttribute("aria-label", `Pages below ${link ? link.textContent.trim() : "this"}`);
    }
  };
  const unname = () => {
    // The icons' own titles are no part of what is written on the button.
    for (const icon of document.querySelectorAll(".theme-switch")) {
      icon.removeAttribute("title");
      icon.setAttribute("aria-hidden", "true");
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    name();
    unname();
  });
})();
