// A region that scrolls sideways must be reachable from the keyboard; one that does not, need not.
// It says at which sides more is to be seen: data-more, which the style sheet fades.
(() => {
  const selector =
    ".scroll, .highlight pre, .cell_output pre, .pst-scrollable-table-container, .output.text_html, " +
    "mjx-container[display]";
  const more = (region) => {
    const rest = region.scrollWidth - region.clientWidth - region.scrollLeft;
    return [region.scrollLeft > 1 && "left", rest > 1 && "right"].filter(Boolean).join(" ");
  };
  const update = () => {
    const regions = [...document.querySelectorAll(selector)];
    // All are measured before any is changed, so that the page is laid out once.
    const found = regions.map(more);
    regions.forEach((region, k) => {
      region.dataset.more = found[k];
      if (found[k]) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    });
    document.documentElement.dataset.reachable = "done";
  };
  const later = () => window.requestAnimationFrame(update);
  window.addEventListener("load", () => {
    // Also where the layout settles after the window has its size.
    const sizes = new ResizeObserver(later);
    document.querySelectorAll(selector).forEach((region) => sizes.observe(region));
    later();
  });
  window.addEventListener("resize", later);
  document.addEventListener("toggle", later, true);
  const scrolled = ({ target }) => {
    if (target.dataset?.more !== undefined) later();
  };
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
})();

// What is far from sight is laid out, a little at a time, when the reader's machine has nothing
// else to do: a page that is printed, saved or captured whole has all its letters then.
window.addEventListener("load", () => {
  const waiting = [...document.querySelectorAll(".drawing, mjx-container[display] > mjx-math")];
  const idle = window.requestIdleCallback ?? ((work) => window.setTimeout(work, 50));
  const some = () => {
    for (const element of waiting.splice(0, 8)) element.classList.add("laid-out");
    if (waiting.length) idle(some);
    else document.documentElement.dataset.laidOut = "all";
  };
  idle(some);
});

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
