"""The ``equations`` directive: each equation with its code, tests and exercises, linked."""

from docutils import nodes
from practise import target
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from authoring import traceability

HEADS = ("equation", "implemented by", "tested by", "practised in")


class Equations(SphinxDirective):
    """A table for each page of the book, from ``authoring.traceability``."""

    def run(self) -> list[nodes.Node]:
        found = traceability.collect()
        result: list[nodes.Node] = []
        for page in dict.fromkeys(e.page for e in found if e.page):
            document = self.env.found_docs and page in self.env.found_docs
            title = page.removeprefix("book/")
            heading = nodes.paragraph("", "")
            heading += (
                self._link("std", "doc", f"/{page}", title) if document else nodes.Text(title)
            )
            result.append(heading)
            result.append(self._table([e for e in found if e.page == page]))
        return result

    def _link(self, domain: str, kind: str, target: str, text: str) -> addnodes.pending_xref:
        reference = addnodes.pending_xref(
            "",
            refdoc=self.env.docname,
            refdomain=domain,
            reftype=kind,
            reftarget=target,
            refexplicit=True,
            refwarn=False,
        )
        reference += nodes.literal("", text)
        return reference

    def _table(self, rows: list[traceability.Equation]) -> nodes.table:
        group = nodes.tgroup(cols=len(HEADS))
        group += [nodes.colspec(colwidth=25) for _ in HEADS]
        head = nodes.thead("", nodes.row("", *(self._cell([nodes.Text(h)]) for h in HEADS)))
        body = nodes.tbody()
        for equation in rows:
            label = addnodes.pending_xref(
                "",
                nodes.literal("", equation.label),
                refdoc=self.env.docname,
                refdomain="math",
                reftype="numref",
                reftarget=equation.label,
                refexplicit=False,
                refwarn=False,
            )
            functions = [
                self._link("py", "obj", name, name.removeprefix("lib."))
                for name in equation.functions
            ]
            tests = [nodes.literal("", test.split("::")[1]) for test in equation.tests]
            exercises = [
                self._link("std", "ref", target(*name.split(".")), name)
                for name in equation.exercises
            ]
            cells = ([label], functions, tests, exercises)
            body += nodes.row("", self._cell(cells[0]), *(self._lines(c) for c in cells[1:]))
        group += [head, body]
        return nodes.table("", group, classes=["equations"])

    def _cell(self, inside: list[nodes.Node]) -> nodes.entry:
        return nodes.entry("", nodes.paragraph("", "", *inside))

    def _lines(self, items: list[nodes.Node]) -> nodes.entry:
        entry = nodes.entry()
        entry += [nodes.paragraph("", "", item) for item in items] or [nodes.paragraph("", "–")]
        return entry


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("equations", Equations)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
