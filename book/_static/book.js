// A region that scrolls sideways must be reachable from the keyboard; one that does not, need not.
(() => {
  const selector =
    ".scroll, .highlight pre, .cell_output pre, .pst-scrollable-table-container, .output.text_html, " +
    "mjx-container[display]";
  const update = () => {
    const regions = [...document.querySelectorAll(selector)];
    // All are measured before any is changed, so that the page is laid out once.
    const scrolls = regions.map((region) => region.scrollWidth > region.clientWidth + 1);
    regions.forEach((region, k) => {
      if (scrolls[k]) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    });
    document.documentElement.dataset.reachable = "done";
  };
  const later = () => window.requestAnimationFrame(update);
  window.addEventListener("load", later);
  window.addEventListener("resize", later);
  document.addEventListener("toggle", later, true);
})();

// What is copied holds an equation as the LaTeX that it was written in.
document.addEventListener("copy", (event) => {
  const selection = window.getSelection();
  if (selection.isCollapsed || !event.clipboardData) return;
  const range = selection.getRangeAt(0).cloneRange();
  const equation = (node) =>
    (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement).closest("mjx-container");
  const [first, last] = [equation(range.startContainer), equation(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const copied = document.createElement("div");
  copied.append(range.cloneContents());
  const equations = copied.querySelectorAll("mjx-container");
  if (!equations.length) return;
  for (const element of equations) {
    const mark = element.hasAttribute("display") ? "$$" : "$";
    element.replaceWith(mark + element.dataset.latex + mark);
  }
  event.clipboardData.setData("text/html", copied.innerHTML);
  event.clipboardData.setData("text/plain", copied.textContent);
  event.preventDefault();
});

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
