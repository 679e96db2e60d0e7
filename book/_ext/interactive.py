"""The ``interactive`` directive: a figure that the reader's hand changes.

Figures are ES modules in ``book/_static/figures``. The page holds each figure in its opening
state, drawn by the figure's own code in V8 when the book is built: without JavaScript, and on
paper, that picture stays. Browsers do not import modules from ``file://``, where a
downloaded book is read, so a page's modules are put into one plain script.
"""

import functools
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

BOOK = Path(__file__).resolve().parent.parent
MODULES = BOOK / "_static" / "figures"
EXPERIMENTS = BOOK / "experiments"
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.mjs";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=const (\w+) =)", re.MULTILINE)
SUPPORT = ("figure", "vendor")
DATA = re.compile(r'^  data: "(\w+)",$', re.MULTILINE)
MOST = 150_000  # bytes of stored numbers a figure may bring


def figures() -> list[str]:
    """Return the names of all figures."""
    names = (path.stem for path in MODULES.glob("*.mjs"))
    return sorted(n for n in names if n not in SUPPORT and not n.endswith("-arithmetic"))


def source(name: str) -> str:
    """Return a module's text."""
    return (MODULES / f"{name}.mjs").read_text(encoding="utf-8")


def ordered(names: list[str]) -> list[str]:
    """Return modules and what they import, each after those that it imports."""
    found: dict[str, None] = {}

    def visit(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"{name}.mjs: expected no circle of imports, got {importers}")
        for match in IMPORT.finditer(source(name)):
            visit(match[2], (*importers, name))
        found[name] = None

    for name in names:
        visit(name, ())
    return list(found)


def linked(names: list[str]) -> str:
    """Return modules, and what they import, as one script that sets ``modules``.

    Raises
    ------
    ValueError
        Where a module imports or exports in another form than
        ``import { a, b } from "./name.mjs";`` and ``export const a =``, or in a circle.
    """
    parts = ['"use strict";\nvar modules = {};\n']
    for name in ordered(names):
        body = IMPORT.sub(r'const {\1} = modules["\2"];\n', source(name))
        exported = [match[1] for match in EXPORT.finditer(body)]
        body = EXPORT.sub("", body)
        if left := re.search(r"^(?:import|export)\b.*", body, re.MULTILINE):
            raise ValueError(
                f'{name}.mjs: expected import {{ … }} from "./…"; and export const …, '
                f"got {left[0]!r}"
            )
        parts.append(
            f'modules["{name}"] = (() => {{\n{body}return {{ {", ".join(exported)} }};\n}})();\n'
        )
    return "".join(parts)


def stored(name: str) -> str:
    """Return the numbers of the experiment that a figure names, as JSON; else ``null``.

    Raises
    ------
    ValueError
        Where they are too large for a page.
    """
    named = DATA.search(source(name))
    if not named:
        return "null"
    path = EXPERIMENTS / f"{named[1]}.json"
    text = json.dumps(json.loads(path.read_text(encoding="utf-8"))["figure"], separators=(",", ":"))
    if len(text) > MOST:
        raise ValueError(f"{path.name}: expected at most {MOST} bytes, got {len(text)}")
    return text


def script(names: list[str]) -> str:
    """Return the script of a page with these figures, which starts each when it comes near."""
    data = ",".join(f"{json.dumps(name)}:{stored(name)}" for name in names)
    return f"""(() => {{
{linked(names)}
const data = {{{data}}};
const start = (root) => {{
  const name = root.dataset.figure;
  modules.figure.mount(root, modules[name].figure, data[name]);
}};
const near = new IntersectionObserver((entries) => {{
  for (const {{ isIntersecting, target }} of entries) {{
    if (!isIntersecting) continue;
    near.unobserve(target);
    start(target);
  }}
}}, {{ rootMargin: "600px" }});
for (const root of document.querySelectorAll("[data-figure]")) near.observe(root);
}})();
"""


@functools.cache
def still(name: str) -> str:
    """Return the figure's opening state as HTML."""
    with MiniRacer() as engine:
        engine.eval(linked(["figure", name]))
        return str(
            engine.eval(f"modules.figure.still(modules[{json.dumps(name)}].figure, {stored(name)})")
        )


class interactive(nodes.General, nodes.Element):  # noqa: N801 - a node, named as docutils does
    """The place of a figure; ``figure`` is its name."""


class Interactive(SphinxDirective):
    """Show a figure: the content is the caption and, a paragraph of its own, what to try.

    The figure is a target of ``{numref}`` by ``:name:``, or by its name with ``figure-`` in front.
    """

    required_arguments = 1
    has_content = True
    option_spec = {"name": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in figures():
            raise self.error(f"interactive: expected one of {figures()}, got {name!r}")
        holder = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, holder)
        if len(holder) != 2 or not all(isinstance(part, nodes.paragraph) for part in holder):
            raise self.error("interactive: expected two paragraphs: the caption, and what to try")
        words, attempt = holder.children
        figure = nodes.figure("", interactive(figure=name), classes=["interactive-figure"])
        self.set_source_info(figure)
        figure += nodes.caption("", "", *words.children)
        attempt.insert(0, nodes.strong(text="Try: "))
        figure += nodes.legend("", attempt)
        self.options.setdefault("name", f"figure-{name}")
        self.add_name(figure)
        return [figure]


def visit(self: Any, node: interactive) -> None:
    """Write the still picture; the script makes it move."""
    name = node["figure"]
    self.body.append(f'<div class="interactive" data-figure="{escape(name)}">{still(name)}</div>')
    raise nodes.SkipNode


def skip(self: Any, node: interactive) -> None:
    """Leave the picture out where pages are not HTML."""
    raise nodes.SkipNode


def add_script(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Write the page's script and name it in the page's head."""
    if doctree is None:
        return
    names = [node["figure"] for node in doctree.findall(interactive)]
    if names:
        file = f"figures/{Path(page).name}.js"
        path = Path(app.outdir, "_static", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(names), encoding="utf-8")
        app.add_js_file(file, loading_method="defer")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register node, directive and event; the script comes before others look at the scripts."""
    app.add_node(interactive, html=(visit, None), latex=(skip, None), text=(skip, None))
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", add_script, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
