"""The ``library`` directive: the API of every module of ``lib`` that there is.

``chapters`` lists the chapters' modules in their order, ``support`` all others. It is
reStructuredText, for pages under ``book/reference`` only.
"""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles
from sphinx.util.typing import ExtensionMetadata

from authoring import sources

LIB = Path(__file__).resolve().parent.parent.parent / "lib"
CHAPTERS = [module for modules in sources.MODULES.values() for module in modules]


def modules(group: str) -> list[str]:
    """List the modules of a group: ``chapters`` or ``support``."""
    there = sorted(path.stem for path in LIB.glob("*.py") if not path.stem.startswith("_"))
    if group == "chapters":
        return [name for name in CHAPTERS if name in there]
    return [name for name in there if name not in CHAPTERS]


class Library(SphinxDirective):
    """Document the modules of one group."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        group = self.arguments[0]
        if group not in ("chapters", "support"):
            raise self.error(f"library: expected 'chapters' or 'support', got {group!r}")
        names = modules(group)
        self.env.course_modules[self.env.docname] = (group, names)  # type: ignore[attr-defined]
        lines = []
        for name in names:
            title = f"``lib.{name}``"
            lines += [
                title,
                "=" * len(title),
                "",
                f".. automodule:: lib.{name}",
                "   :members:",
                "",
            ]
        holder = nodes.Element()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, "lib"), holder)
        return list(holder.children)


def stale(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """List the pages whose group has gained or lost a module."""
    if not hasattr(env, "course_modules"):
        env.course_modules = {}  # type: ignore[attr-defined]
    return [
        docname
        for docname, (group, names) in env.course_modules.items()  # type: ignore[attr-defined]
        if docname not in removed and modules(group) != names
    ]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is about to be read again, or is gone."""
    env.course_modules.pop(docname, None)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register directive and events."""
    app.add_directive("library", Library)
    app.connect("env-get-outdated", stale)
    app.connect("env-purge-doc", forget)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
