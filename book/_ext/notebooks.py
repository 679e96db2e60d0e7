"""The ``notebook`` directive: a chapter's graded notebook, to download from its page."""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).resolve().parent.parent.parent


class Notebook(SphinxDirective):
    """Link ``exercises/<slug>/<slug>.ipynb``; content, if any, stands below the link."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        slug = self.arguments[0]
        path = ROOT / "exercises" / slug / f"{slug}.ipynb"
        if not path.is_file():
            raise self.error(f"notebook: expected a chapter with {path.relative_to(ROOT)}")
        link = addnodes.download_reference(
            "", "", reftarget=f"/exercises/{slug}/{slug}.ipynb", refdoc=self.env.docname
        )
        link += nodes.strong("", f"Download {slug}.ipynb")
        first = nodes.paragraph("", "", link)
        here = nodes.paragraph("", "", self._page(f"/book/practise/{slug}", "Practise in the page"))
        here += nodes.Text(": write and check it in the browser, with nothing to install. Or:")
        here["classes"].append("practise-links")
        second = nodes.paragraph(
            "",
            "",
            nodes.Text("Put it into the folder of the learner's package, run "),
            nodes.literal("", "jupyter lab"),
            nodes.Text(" there and open it: see the "),
            self._page("/book/learner", "learner's guide"),
            nodes.Text("."),
        )
        box = nodes.container("", here, first, second, classes=["notebook-card"])
        if self.content:
            self.state.nested_parse(self.content, self.content_offset, box)
        return [box]

    def _page(self, name: str, text: str) -> addnodes.pending_xref:
        """Link a page of the book."""
        link = addnodes.pending_xref(
            "",
            refdoc=self.env.docname,
            refdomain="std",
            reftype="doc",
            reftarget=name,
            refexplicit=True,
            refwarn=True,
        )
        link += nodes.inline("", text)
        return link


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("notebook", Notebook)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
