"""Practise pages: a chapter's graded notebook as a page of the book, to solve in the browser.

``book/practise/<slug>.md`` is empty but for a comment; when it is read, the cells of
``exercises/<slug>/<slug>.ipynb`` take its place: Markdown as it is, code as it is, each in a box
that ``_static/practise/main.js`` turns into an editor. What a page needs to run lies in
``_static/practise``: the released notebook and the learners' archive, and in ``_static/python``
Python itself, where ``tools/python_files.py`` has found it.
"""

import functools
import json
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from loading import digest
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from authoring import learner_zip, sources  # noqa: E402
from tools import python_files  # noqa: E402

FOLDER = "book/practise/"
EQUATIONS = re.compile(r"^Equations: *([^.\n]+)\.$", re.MULTILINE)
TITLE = re.compile(r"\A# (?:Chapter \d+: )?(.*)\n")
HERE = {  # what a notebook calls it, and what it is called on the page
    "Run the cell below it. It calls": "Press *Check* below it. It calls",
    "The cell below a function calls": "*Check* below a function calls",
    "Run the first code cell first, and again after each restart: `name 'check' is not defined` "
    "says that it was not run.\n": "",
    "`No module named 'lib'` says that the notebook is not in the folder that it came in; that is "
    "in the zip on the chapter's page of the book.\n": "",
}
HAND_IN = """## Hand in

*Download notebook* gives `{slug}.ipynb`: the released notebook with your code in it.
Hand that in under its own name, as your instructor says.
What you wrote here is on this device alone, so keep a copy of the file.
"""


def released(slug: str) -> Path:
    """Return where a chapter's notebook is."""
    return ROOT / "exercises" / slug / f"{slug}.ipynb"


def read_cells(path: Path) -> list[dict[str, Any]]:
    """Return a notebook's cells, each with its text as one string and its kind."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"]), "kind": kind(cell)} for cell in cells]


def kind(cell: dict[str, Any]) -> str:
    """Tell what a cell is on the page.

    ``words``; ``answer``, words that learners write; ``solution``, code that they write;
    ``check``, which looks at the solution above it; ``given``, locked code; ``free``, any other.
    """
    mark = cell["metadata"].get("nbgrader", {})
    if cell["cell_type"] == "markdown":
        return "answer" if mark.get("solution") else "words"
    if mark.get("grade") and not mark.get("solution"):
        return "check"
    if mark.get("solution"):
        return "solution"
    return "given" if mark.get("locked") else "free"


def equations(source: str) -> list[str]:
    """List the labels that a cell names in its line ``Equations: …``."""
    found = EQUATIONS.search(source)
    return [label.strip(" `") for label in found[1].split(",")] if found else []


def page(slug: str, cells: list[dict[str, Any]]) -> str:
    """Write a practise page's source from a notebook's cells."""

    def linked(match: re.Match[str]) -> str:
        labels = [label.strip(" `") for label in match[1].split(",")]
        return "Equations: " + ", ".join(f"`{label}` {{eq}}`{label}`" for label in labels) + "."

    parts = []
    for number, cell in enumerate(cells):
        if cell["kind"] != "words":
            parts.append(f"```{{practise-cell}} {slug} {number}\n```")
            continue
        text = EQUATIONS.sub(linked, cell["source"])
        for there, here in HERE.items():
            text = text.replace(there, here)
        if number == 0:
            title = TITLE.match(text)
            panel = f"```{{practise-panel}} {slug}\n```"
            rest = text[title.end() :] if title else text
            name = title[1] if title else slug
            text = f"# Practise: {name}\n\n{panel}\n\n{rest}"
        elif text.startswith("## Hand in\n"):
            text = HAND_IN.format(slug=slug)
        parts.append(text)
    return "\n\n".join(parts) + "\n"


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put a notebook's cells in the place of an empty practise page."""
    slug = docname.removeprefix(FOLDER)
    if docname.startswith(FOLDER) and slug != "index":
        app.env.note_dependency(str(released(slug)))
        source[0] = page(slug, read_cells(released(slug)))


class practise_box(nodes.container):  # noqa: N801
    """A box on a practise page, with data for its script."""


def visit_box(self: Any, node: practise_box) -> None:
    """Write the box."""
    classes = {"class": " ".join(["practise", *node["classes"]])}
    self.body.append(self.starttag(node, "div", "\n", **classes, **node["data"]))


def depart_box(self: Any, node: practise_box) -> None:
    """End the box."""
    self.body.append("</div>\n")


class Cell(SphinxDirective):
    """A notebook's cell that is not words; readable without a script."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        slug, number = self.arguments[0], int(self.arguments[1])
        cell = read_cells(released(slug))[number]
        language = "text" if cell["kind"] == "answer" else "python"
        code = nodes.literal_block(cell["source"], cell["source"], language=language)
        mark = cell["metadata"].get("nbgrader", {})
        data = {"data-cell": cell["id"], "data-kind": cell["kind"]}
        if cell["kind"] == "check":
            data["data-points"] = f"{mark['points']:g}"
        box = practise_box(
            "", code, classes=["practise-cell", f"practise-{cell['kind']}"], data=data
        )
        box["ids"].append(f"cell-{cell['id']}")
        title = mark.get("grade_id", cell["id"])
        self.env.get_domain("std").note_hyperlink_target(  # type: ignore[attr-defined]
            target(slug, title), self.env.docname, box["ids"][0], title
        )
        return [box]


class Panel(SphinxDirective):
    """The strip that stays in view; its script fills it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        slug = self.arguments[0]
        words = nodes.paragraph(
            "",
            "This page runs your code in the browser, and needs JavaScript for it. "
            "Without, the notebook is below to read.",
        )
        graded, points = tally(read_cells(released(slug)))
        data = {
            "data-slug": slug,
            "data-notebook": digest(released(slug))[:12],
            "data-graded": str(graded),
            "data-points": f"{points:g}",
        }
        space = nodes.raw("", SPACE.format(graded=graded, points=f"{points:g}"), format="html")
        return [practise_box("", words, space, classes=["practise-panel"], data=data)]


SPACE = """<div class="practise-space" aria-hidden="true">
<div class="practise-strip"><div class="practise-line">
<p>0 of {graded} right, 0 of {points} points visible</p>
<details class="practise-open"><summary>{graded} open</summary></details>
<div class="practise-python"><button class="practise-button">Start Python</button></div>
</div></div>
<div class="practise-files"><button class="practise-button">Download notebook</button>
<button class="practise-button">Open notebook</button></div>
<p id="practise-keys" class="practise-keys">Shift+Enter checks. Tab indents; Escape, then Tab, \
leaves the editor. Every change is kept in this browser; a private window forgets it \
when it is closed.</p>
</div>
"""
"""What the script puts there, unseen, so that nothing moves when it comes."""


def tally(cells: list[dict[str, Any]]) -> tuple[int, float]:
    """Count the functions that have a visible check, and their points."""
    graded: set[int] = set()
    points = 0.0
    last = None
    for number, cell in enumerate(cells):
        if cell["kind"] == "solution":
            last = number
        elif cell["kind"] == "check" and last is not None:
            graded.add(last)
            points += cell["metadata"]["nbgrader"]["points"]
    return len(graded), points


class Overview(SphinxDirective):
    """All practise pages; the script adds how far the reader is."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        for name in pages(self.env):
            self.env.note_dependency(str(released(name)))
            link = addnodes.pending_xref(
                "",
                refdoc=self.env.docname,
                refdomain="std",
                reftype="doc",
                reftarget=f"/{FOLDER}{name}",
                refexplicit=False,
                refwarn=True,
            )
            link += nodes.inline("", name)
            items += nodes.list_item("", nodes.paragraph("", "", link))
        return [practise_box("", items, classes=["practise-overview"], data={})]


def pages(env: BuildEnvironment) -> list[str]:
    """List the chapters that have a practise page, in the order of the book."""
    found = (path.removeprefix(FOLDER) for path in env.found_docs if path.startswith(FOLDER))
    return sorted((name for name in found if name != "index"), key=sources.CHAPTERS.index)


def target(slug: str, exercise: str) -> str:
    """Return the label of an exercise's box on its practise page."""
    return f"practise-{slug}-{exercise}".lower().replace("_", "-")


def reference(docname: str, label: str, text: str) -> addnodes.pending_xref:
    """Return a link to a label."""
    link = addnodes.pending_xref(
        "",
        refdoc=docname,
        refdomain="std",
        reftype="ref",
        reftarget=label,
        refexplicit=True,
        refwarn=True,
    )
    link += nodes.literal("", text)
    return link


@functools.cache
def practised(modified: tuple[int, ...]) -> dict[str, list[tuple[str, str]]]:
    """Return the exercises, as chapter and name, that practise each equation."""
    found = defaultdict(list)
    for path in sorted(ROOT.glob("exercises/*/*.ipynb")):
        labels: list[str] = []
        for cell in read_cells(path):
            if cell["kind"] == "words":
                labels = equations(cell["source"])
            elif cell["kind"] == "solution":
                for label in labels:
                    found[label].append((path.stem, cell["metadata"]["nbgrader"]["grade_id"]))
    return found


def link_derivations(app: Sphinx, doctree: nodes.document) -> None:
    """End each section of a chapter that derives equations with links to their exercises."""
    docname = app.env.docname
    slug = docname.removeprefix("book/")
    if not released(slug).is_file():
        return
    app.env.note_dependency(str(released(slug)))
    notebooks = sorted(ROOT.glob("exercises/*/*.ipynb"))
    exercises = practised(tuple(path.stat().st_mtime_ns for path in notebooks))
    for section in doctree.findall(nodes.section):
        names: dict[str, None] = {}
        for block in section.findall(nodes.math_block):
            if owner(block) is section:
                found = exercises.get(block.get("label") or "", ())
                names.update({name: None for chapter, name in found if chapter == slug})
        if not names:
            continue
        line = nodes.paragraph("", "Practise it: ", classes=["practise-links"])
        for number, name in enumerate(names):
            line += [nodes.Text(", ")] if number else []
            line += reference(docname, target(slug, name), name)
        line += nodes.Text(".")
        below = next(
            (k for k, n in enumerate(section) if isinstance(n, nodes.section)), len(section)
        )
        section.insert(below, line)


def owner(node: nodes.Node) -> nodes.Node:
    """Return the section that a node stands in."""
    while not isinstance(node, nodes.section) and node.parent is not None:
        node = node.parent
    return node


def add_scripts(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the script on practise pages alone."""
    if name.startswith(FOLDER):
        app.add_js_file("practise/practise.js")


def write_files(app: Sphinx, error: Exception | None) -> None:
    """Put beside the pages what they load: notebooks, archives, and Python where it is there."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    (static / "practise").mkdir(parents=True, exist_ok=True)
    for slug in pages(app.env):
        shutil.copyfile(released(slug), static / "practise" / f"{slug}.ipynb")
        learner_zip.build([slug], static / "practise" / f"{slug}.zip")
    python_files.publish(static)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register directives and events."""
    app.add_node(practise_box, html=(visit_box, depart_box))
    app.add_directive("practise-cell", Cell)
    app.add_directive("practise-panel", Panel)
    app.add_directive("practise-overview", Overview)
    app.connect("source-read", fill)
    app.connect("doctree-read", link_derivations)
    app.connect("html-page-context", add_scripts, priority=400)
    app.connect("build-finished", write_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
