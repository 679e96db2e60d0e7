"""The front page's link to the printable book, where ``make pdf`` has made one.

The PDF is printed from the built pages, so it comes after them: the ``printed`` directive
leaves a place, and the place is filled at the end of a build, or when the PDF is made.
"""

import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).resolve().parent.parent.parent
PDF = ROOT / "_build" / "pdf" / "recurrent-networks.pdf"
PAGE = "book/intro.html"
START, END = "<!-- printed -->", "<!-- /printed -->"
PLACE = re.compile(f"{START}.*?{END}", re.DOTALL)


def fill(text: str, size: int | None) -> str:
    """Put the link to a PDF of ``size`` bytes into its place, or take it away."""
    link = ""
    if size is not None:
        link = (
            f'<p>The whole book on paper: <a class="reference download" href="../{PDF.name}" '
            f"download>{PDF.name}</a>, {size / 1e6:.0f} MB.</p>"
        )
    return PLACE.sub(START + link + END, text)


def link(html: Path, pdf: Path = PDF) -> None:
    """Copy the PDF into the built book and link it, if there is one; else do neither."""
    page, copy = html / PAGE, html / pdf.name
    if pdf.is_file():
        shutil.copy2(pdf, copy)
    else:
        copy.unlink(missing_ok=True)
    if page.is_file():
        text = page.read_text(encoding="utf-8")
        new = fill(text, pdf.stat().st_size if pdf.is_file() else None)
        if new != text:
            page.write_text(new, encoding="utf-8")


class Printed(SphinxDirective):
    """The place of the link."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", START + END, format="html")]


def finish(app: Sphinx, error: Exception | None) -> None:
    """Fill the place."""
    if error is None and app.builder.format == "html":
        link(Path(app.outdir))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register directive and event."""
    app.add_directive("printed", Printed)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
