"""What the pages ask for by name, and how docstrings are read.

``notebook`` is a chapter's graded notebook, to practise and to download from its page;
``equations`` the table of each equation with its code, tests and exercises; ``library`` the
API of every module of ``lib``, for pages under ``book/reference``, in reStructuredText;
``result`` a number that an experiment stored, in a sentence. In docstrings the line
``Equations: a, b.`` becomes links; a label that no page defines stays a word: the script that
joins equations, code and tests reports it, not the book.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from practise import target
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import nested_parse_with_titles
from sphinx.util.typing import ExtensionMetadata

from authoring import results, sources, traceability

ROOT = Path(__file__).resolve().parent.parent.parent


class Notebook(SphinxDirective):
    """Link a chapter's archive and notebook; content, if any, stands below the links."""

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
        # The archive is written when the book is built: see practise.py.
        top = "../" * self.env.docname.count("/")
        archive = nodes.reference("", "", refuri=f"{top}_static/practise/{slug}.zip")
        archive += nodes.strong("", f"Download {slug}.zip")
        first = nodes.paragraph("", "", archive)
        first += nodes.Text(", the notebook with all that it needs, or ")
        first += link
        first += nodes.Text(" alone.")
        here = nodes.paragraph("", "", self._page(f"/book/practise/{slug}", "Practise in the page"))
        here += nodes.Text(": write and check it in the browser, with nothing to install. Or:")
        here["classes"].append("practise-links")
        second = nodes.paragraph(
            "",
            "",
            nodes.Text(
                "Unpack the zip, or put the notebook into the folder of the learner's package; run "
            ),
            nodes.literal("", "jupyter lab"),
            nodes.Text(" there and open the notebook: see the "),
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


# --- Equations ------------------------------------------------------------

HEADS = ("equation", "implemented by", "tested by", "practised in")


class Equations(SphinxDirective):
    """A section with a table for each page of the book, from ``authoring.traceability``."""

    def run(self) -> list[nodes.Node]:
        found = traceability.collect()
        result: list[nodes.Node] = []
        for page in dict.fromkeys(e.page for e in found if e.page):
            text = Path(self.env.doc2path(page)).read_text(encoding="utf-8")
            title = next(line for line in text.splitlines() if line.startswith("# "))[2:]
            section = nodes.section(ids=[nodes.make_id(page)], names=[])
            section += [
                nodes.title(title, title),
                self._table([e for e in found if e.page == page]),
            ]
            result.append(section)
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
            label = reference(self.env.docname, equation.label)
            functions = [
                self._link("py", "obj", name, name.removeprefix("lib."))
                for name in equation.functions
            ]
            tests = [nodes.literal("", test.split("::")[1]) for test in equation.tests]
            exercises = [
                self._link("std", "ref", target(*name.split(".")), name)
                for name in equation.exercises
            ]
            named = [label, nodes.Text(" "), nodes.literal("", equation.label)]
            cells = (functions, tests, exercises)
            body += nodes.row("", self._cell(named), *(self._lines(c) for c in cells))
        group += [head, body]
        return nodes.table("", group, classes=["equations"])

    def _cell(self, inside: list[nodes.Node]) -> nodes.entry:
        return nodes.entry("", nodes.paragraph("", "", *inside))

    def _lines(self, items: list[nodes.Node]) -> nodes.entry:
        entry = nodes.entry()
        entry += [nodes.paragraph("", "", item) for item in items] or [nodes.paragraph("", "–")]
        return entry


# --- The API --------------------------------------------------------------

LIB = ROOT / "lib"
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


# --- Results --------------------------------------------------------------


class Result(SphinxRole):
    """A stored result: ``{result}`slug | runs | field | format | measure```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        slug = self.text.split("|")[0].strip()
        self.env.note_dependency(str(results.BOOK / "experiments" / f"{slug}.json"))
        try:
            return [nodes.Text(results.say(self.text))], []
        except (LookupError, ValueError) as error:
            message = self.inliner.reporter.error(f"result: {error}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]


# --- Docstrings -----------------------------------------------------------

START = re.compile(r"\s*(Equations|Source): ")
LINE = re.compile(r"^Equations: ([^.]*)\.$", re.MULTILINE)


class Equation(SphinxRole):
    """A reference to an equation that names its label beside its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [reference(self.env.docname, self.text)], []


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


NAMED = re.compile(r"\n *\n *Equations: ([^.]*)\.(?=\n)")


def printed(app: Sphinx, doctree: nodes.document) -> None:
    """Set listings to the left, without docstrings' markup, and link the equations below."""
    for block in list(doctree.findall(nodes.literal_block)):
        if block.get("language") != "python" or "source" not in block:
            continue
        code = block.astext()
        block.rawsource = textwrap.dedent(re.sub(NAMED, "", code)).replace("``", "`")
        block.children = [nodes.Text(block.rawsource)]
        labels = [label.strip() for m in NAMED.finditer(code) for label in m[1].split(",")]
        if not labels:
            continue
        line = nodes.paragraph("", "Equations: ", classes=["listing-equations"])
        for label in dict.fromkeys(labels):
            line += [reference(app.env.docname, label), nodes.Text(", ")]
        line[-1] = nodes.Text(".")
        parent = block.parent
        whole = parent if isinstance(parent, nodes.container) else block
        whole.parent.insert(whole.parent.index(whole) + 1, line)


def reference(docname: str, label: str) -> addnodes.pending_xref:
    """Refer to an equation by its number; where no page defines it, by its label."""
    return addnodes.pending_xref(
        "",
        nodes.literal("", label),
        refdoc=docname,
        refdomain="math",
        reftype="numref",
        reftarget=label,
        refexplicit=False,
        refwarn=False,
        optional=True,
    )


def stay_words(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """Leave an optional reference that has no target as words."""
    return content if node.get("optional") else None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register directives, role and events."""
    app.add_directive("notebook", Notebook)
    app.add_directive("equations", Equations)
    app.add_directive("library", Library)
    app.connect("env-get-outdated", stale)
    app.connect("env-purge-doc", forget)
    app.add_role("equation", Equation())
    app.add_role("result", Result())
    app.connect("autodoc-process-docstring", rearrange, priority=400)
    app.connect("doctree-read", printed)
    app.connect("missing-reference", stay_words)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
