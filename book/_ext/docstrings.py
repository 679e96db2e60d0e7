"""Docstrings of ``lib`` in the API pages: the line ``Equations: a, b.`` becomes links.

A label that no page defines stays a word: the script that joins equations, code and tests
reports it, not the book.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.typing import ExtensionMetadata

START = re.compile(r"\s*(Equations|Source): ")
LINE = re.compile(r"^Equations: ([^.]*)\.$", re.MULTILINE)


class Equation(SphinxRole):
    """A reference to an equation that names its label beside its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        reference = pending_xref(
            "",
            nodes.literal("", self.text),
            refdoc=self.env.docname,
            refdomain="math",
            reftype="numref",
            reftarget=self.text,
            refexplicit=False,
            refwarn=False,
            optional=True,
        )
        return [reference], []


def rearrange(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put the lines about equations and sources before the sections, and link the labels.

    Where they stand in the source, below "Raises", napoleon would take them for exceptions.
    A field's description is one sentence; a colon in it would be taken for the end of a type.
    """
    lines[:] = [line.replace("|", "\\|") for line in lines]  # |x| is a size, no substitution
    if what in ("attribute", "data", "property"):
        lines[:] = [re.sub(r"(?<!:): ?", ", ", line) for line in lines]
        return
    moved: list[str] = []
    kept: list[str] = []
    moving = False
    for line in lines:
        moving = bool(line.strip()) and (moving or bool(START.match(line)))
        (moved if moving else kept).append(line)
        if moving and line.rstrip().endswith("."):
            moved.append("")
            moving = False
    if not moved:
        return
    text = "\n".join(moved)
    for match in LINE.finditer(text):
        labels = ", ".join(f":equation:`{label.strip()}`" for label in match[1].split(","))
        text = text.replace(match[0], f"Equations: {labels}.")
    headers = [k for k, line in enumerate(kept) if k and re.fullmatch(r"\s*-{4,}\s*", line)]
    at = headers[0] - 1 if headers else len(kept)
    lines[:] = [*kept[:at], "", *text.split("\n"), "", *kept[at:]]


def stay_words(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """Leave an optional reference that has no target as words."""
    return content if node.get("optional") else None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register role and events."""
    app.add_role("equation", Equation())
    app.connect("autodoc-process-docstring", rearrange, priority=400)
    app.connect("missing-reference", stay_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
