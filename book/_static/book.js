// Equations are typeset a few milliseconds at a time, those in sight first, so that a long page
// stays quick.
(() => {
  const BITE = 12; // milliseconds, of the 50 after which a page feels stuck
  const root = document.documentElement;
  const run = async () => {
    await window.MathJax.startup.promise;
    const waiting = new Set(document.querySelectorAll(".math"));
    const near = new Set();
    const watch = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (isIntersecting) near.add(target);
          else near.delete(target);
        }
      },
      { rootMargin: "300px" },
    );
    for (const element of waiting) watch.observe(element);
    const rest = () => {
      window.MathJax.typeset([...waiting]);
      waiting.clear();
    };
    window.addEventListener("beforeprint", rest);
    await new Promise((resolve) => setTimeout(resolve)); // for the observer's first report
    while (waiting.size) {
      const end = performance.now() + BITE;
      for (const element of new Set([...near, ...waiting])) {
        if (waiting.delete(element)) {
          near.delete(element);
          watch.unobserve(element);
          await window.MathJax.typesetPromise([element]);
          if (performance.now() > end) break;
        }
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
    window.removeEventListener("beforeprint", rest);
    root.dataset.typeset = "done";
    document.dispatchEvent(new Event("typeset"));
  };
  document.addEventListener("DOMContentLoaded", () => {
    if (window.MathJax?.startup?.promise) run();
    else root.dataset.typeset = "done";
  });
})();

// MathJax makes each equation focusable.
// Another region that scrolls sideways must be reachable from the keyboard; one that does not, need not.
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
  });
  document.addEventListener("toggle", later, true);
  document.addEventListener("typeset", later);
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
