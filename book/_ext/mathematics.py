"""Equations are typeset when the book is built, by MathJax, so that no page has to do it.

MathJax runs in V8, which the package ``mini_racer`` brings, on a document of its own without
a browser. What it makes is HTML for the eye, from the fonts of ``_static/mathjax``, and
MathML for screen readers. An equation that MathJax does not understand is a warning, and so
the end of a strict build. Its size is that of its letters in ``book.css``, not of the font
around it, as it would be if a browser typeset it.

``vendor/mathjax`` is npm's package ``mathjax`` 3.2.2, as it is below ``es5/``.
"""

import functools
import html
import json
import weakref
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from myst_parser.sphinx_ext.mathjax import html_visit_displaymath
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

HOME = Path(__file__).resolve().parent / "vendor" / "mathjax"
PARTS = (
    "core",
    "adaptors/liteDOM",
    "input/tex-full",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)
SHEET = "mathjax.css"
FONTS = "mathjax/fonts"  # seen from the style sheet

logger = logging.getLogger(__name__)

# MathJax's loader asks for its parts by name; they are evaluated from memory.
START = """
globalThis.global = globalThis;
globalThis.MathJax = {
  loader: {
    paths: {mathjax: ""},
    load: %(parts)s,
    require: (name) => (0, eval)(%(sources)s[name.replace(/^\\//, "").replace(/\\.js$/, "")]),
  },
  startup: {typeset: false},
  tex: {
    packages: {"[-]": ["noundefined", "noerrors"]},
    formatError: (jax, error) => { throw Error(error.message); },
  },
  chtml: {adaptiveCSS: false, fontURL: %(fonts)s},
};
(0, eval)(%(startup)s);

// An equation as HTML, and its size in em.
globalThis.typeset = (tex, display) => {
  const { document, adaptor, output } = MathJax.startup;
  const item = new document.options.MathItem(tex, document.inputJax[0], display);
  item.setMetrics(16, 16 * output.font.params.x_height, 80 * 16, 1e6, 1);
  item.start.node = adaptor.body(document.document);
  item.convert(document);
  const { w, h, d } = output.getBBox(item, document);
  const made = item.typesetRoot;
  const [foreign] = adaptor.tags(made, "mjx-utext");
  if (foreign) throw Error(`no glyph for ${adaptor.textContent(foreign)}`);
  return JSON.stringify([adaptor.outerHTML(made), w, h + d]);
};
"""


class Typeset(NamedTuple):
    """An equation as HTML, and its size in em of its own font."""

    html: str
    width: float
    height: float


class Typesetter:
    """MathJax. Making one takes a tenth of a second."""

    def __init__(self) -> None:
        sources = {name: self._source(name) for name in PARTS}
        self._engine = MiniRacer()
        # Its own finaliser joins a thread, which the end of Python 3.13 has stopped by then.
        weakref.finalize(self, self._engine.close)
        self._engine.eval(
            START
            % {
                "parts": json.dumps(PARTS),
                "sources": json.dumps(sources),
                "startup": json.dumps(self._source("startup")),
                "fonts": json.dumps(FONTS),
            }
        )

    @staticmethod
    def _source(name: str) -> str:
        return (HOME / f"{name}.js").read_text(encoding="utf-8")

    def typeset(self, tex: str, display: bool) -> Typeset:
        """Typeset an equation.

        Raises
        ------
        ValueError
            Where MathJax does not understand it; the message is MathJax's.
        """
        try:
            made = self._engine.eval(f"typeset({json.dumps(tex)}, {json.dumps(display)})")
        except JSEvalException as error:
            reason = str(error).split("Error: ", 1)[-1].split("\n", 1)[0]
            raise ValueError(f"{tex!r}: {reason}") from error
        written, width, height = json.loads(made)
        source = f'<mjx-container data-latex="{html.escape(tex)}" '
        return Typeset(written.replace("<mjx-container ", source, 1), width, height)

    def style(self) -> str:
        """Return the style sheet of every symbol that there is."""
        return self._engine.eval(
            "MathJax.startup.adaptor.textContent(MathJax.startup.output.styleSheet("
            "MathJax.startup.document))"
        )


@functools.cache
def typesetter() -> Typesetter:
    """Return the one that all pages use."""
    return Typesetter()


@functools.cache
def typeset(tex: str, display: bool) -> Typeset:
    """Typeset an equation once, however often it stands in the book."""
    return typesetter().typeset(tex, display)


def visit(node: nodes.Element, tex: str, display: bool) -> Typeset:
    """Typeset the equation of a node; where that fails, warn and show its source."""
    try:
        return typeset(tex, display)
    except ValueError as error:
        logger.warning("equation %s", error, location=node, type="mathematics")
        return Typeset(f"<code>{html.escape(tex)}</code>", 0, 0)


def visit_inline(self: Any, node: nodes.math) -> None:
    """Write an equation within a line."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(visit(node, node.astext(), display=False).html + "</span>")
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """Write an equation on a line of its own: what Sphinx writes for MathJax, typeset."""
    start = len(self.body)
    try:
        html_visit_displaymath(self, node)
    except nodes.SkipNode:
        written = "".join(self.body[start:])
        left, right = self.builder.config.mathjax_display
        before, _, rest = written.partition(left)
        tex, _, after = rest.rpartition(right)
        made = visit(node, html.unescape(tex).strip(), display=True)
        size = f"--width: {made.width:.3f}; --height: {made.height:.3f}"
        self.body[start:] = [before.replace("<div ", f'<div style="{size}" ', 1), made.html, after]
        raise


def write_sheet(app: Sphinx, error: Exception | None) -> None:
    """Write the style sheet."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "_static", SHEET).write_text(typesetter().style(), encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the renderer: ``html_math_renderer: typeset``."""
    app.add_html_math_renderer("typeset", (visit_inline, None), (visit_block, None))
    app.add_css_file(SHEET)
    app.connect("build-finished", write_sheet, priority=400)
    # One V8 does not survive a fork.
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
