"""What a page loads, and when.

Nothing from another host: what Jupyter Book's parts would fetch is left out. One small style
sheet in place of a dozen: the theme and the extensions bring 550 kB of them, most of it for
things that no page of the book shows, so the rules are left out whose selector asks for a class
or an identifier that stands on no page and in no script. Scripts do not hold up a page; images
wait until they are near, and do not move the text when they come. What no page loads is left
out of the book.

And all files belong together. Since Sphinx writes pages and copies style sheets only when it
takes a page for outdated, hashes of ``_static`` and ``_ext`` are part of the configuration: a
changed style sheet writes every page again, a changed extension reads every page again.
"""

import hashlib
import os
import re
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tinycss2
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

BOOK = Path(__file__).resolve().parent.parent
FOREIGN = ("https://", "http://", "//")


def digest(*paths: Path) -> str:
    """Hash the contents of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def remember(app: Sphinx, config: Config) -> None:
    """Make the contents of style sheets and extensions part of the configuration."""
    static = sorted(path for path in (BOOK / "_static").rglob("*") if path.is_file())
    config["course_static"] = digest(*static)
    config["course_extensions"] = digest(
        *sorted(path for path in (BOOK / "_ext").rglob("*") if path.suffix in (".py", ".js"))
    )


def drop_foreign(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop scripts and styles from other hosts: widgets' require.js, embed scripts and the like."""
    for name in ("script_files", "css_files"):
        context[name] = [
            file
            for file in context.get(name, [])
            if not str(getattr(file, "filename", file) or "").startswith(FOREIGN)
        ]


# --- Style sheet and scripts --------------------------------------------------

SHEET = "styles/course.css"  # in _static
LINK = re.compile(r'<link\b[^>]*\bhref="([^"]*?_static/)([^"?]+\.css)[^"]*"[^>]*>\s*')
SCRIPT = re.compile(r"<script (?=[^>]*\bsrc=)(?![^>]*\b(?:defer|documentation_options\.js))")
# Icons that book.css draws, and orders to load the theme's scripts before its style sheet.
NEEDLESS = re.compile(
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>'
    r'|<link rel="preload" as="script"[^>]*>'
)
# A script of an extension, and what a page must have for it to do anything.
DOES = {
    "design-tabs.js": "sd-tab-set",
    "clipboard.min.js": 'class="highlight',
    "copybutton.js": 'class="highlight',
}
MADE_OF = re.compile(r"/\* Made of (.*?) \*/")
NAMES = re.compile(r'\b(?:class|id)="([^"]*)"')
WORDS = re.compile(r"[\w-]+")
ADDRESS = re.compile(r"""url\((["']?)(?!["']?(?:data:|[a-z]+://|/|#))([^)"']+)\1\)""")
NESTING = ("media", "supports", "layer", "container")


class Names:
    """The classes and identifiers that pages have or that scripts may give."""

    def __init__(self, pages: Iterable[str], scripts: Iterable[str]) -> None:
        self._known = {
            name for page in pages for found in NAMES.findall(page) for name in found.split()
        }
        self._known |= {word for script in scripts for word in WORDS.findall(script)}
        # Scripts put names together: "bs-" and what follows.
        self._beginnings = tuple(w for w in self._known if len(w) > 2 and w.endswith("-"))

    def __contains__(self, name: str) -> bool:
        return name in self._known or name.startswith(self._beginnings)


def can_apply(selector: list[Any], names: Names) -> bool:
    """Tell whether all classes and identifiers exist that a selector itself asks for."""
    after_dot = False
    for token in selector:
        named = (after_dot and token.type == "ident") or token.type == "hash"
        if named and token.value not in names:
            return False
        after_dot = token == "."
    return True


def selectors(prelude: list[Any], names: Names) -> str:
    """Return a rule's selectors, those that can apply."""
    groups: list[list[Any]] = [[]]
    for token in prelude:
        if token == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    return ",".join(small(group) for group in groups if can_apply(group, names))


def small(tokens: list[Any]) -> str:
    """Write without needless space."""
    return " ".join(tinycss2.serialize(tokens).split())


class Collector:
    """Puts style sheets together."""

    def __init__(self, static: Path, names: Names) -> None:
        self.static = static
        self.names = names

    def sheet(self, path: Path) -> str:
        """Return what can apply of a style sheet and of those that it imports."""
        text = path.read_text(encoding="utf-8")
        parsed = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
        return self._rules(parsed, path)

    def _rules(self, parsed: list[Any], path: Path) -> str:
        parts = []
        for rule in parsed:
            if rule.type == "error":
                raise ValueError(f"{path.name}: line {rule.source_line}: {rule.message}")
            if rule.type == "qualified-rule":
                asked = selectors(rule.prelude, self.names)
                if asked:
                    parts.append(f"{asked}{{{self._rebased(small(rule.content), path)}}}")
            elif rule.at_keyword == "import":
                [address] = [t.value for t in rule.prelude if t.type in ("string", "url")]
                parts.append(self.sheet(path.parent / address.split("?")[0]))
            elif rule.at_keyword in NESTING and rule.content is not None:
                nested = tinycss2.parse_rule_list(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                if inside := self._rules(nested, path):
                    parts.append(f"@{rule.at_keyword} {small(rule.prelude)}{{{inside}}}")
            elif rule.at_keyword != "charset":
                parts.append(self._rebased(small([rule]), path))
        return "".join(parts)

    def _rebased(self, text: str, path: Path) -> str:
        """Let relative addresses start from the one sheet's folder."""
        here = (self.static / SHEET).parent

        def turn(match: re.Match[str]) -> str:
            return f'url("{Path(os.path.relpath(path.parent / match[2], here)).as_posix()}")'

        return ADDRESS.sub(turn, text)


# The theme's own line leaves the colours open until its script runs: a flash, and borders that
# come late and move what is below them.
UNDECIDED = 'dataset.theme = localStorage.getItem("theme") || "auto"'
DECIDED = (
    'dataset.theme = {light: "light", dark: "dark"}[document.documentElement.dataset.mode] || '
    '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
)


class OneSheet:
    """The sheets that pages name, and the one that stands for them."""

    def __init__(self) -> None:
        self.named: dict[str, None] = {}

    def lighten(self, head: str, page: str) -> str:
        """Return a page's head with the one sheet, and with scripts that wait for the page.

        The search page keeps its scripts as they are: they come in two parts, and the second
        builds on the first.
        """
        head = NEEDLESS.sub("", head).replace(UNDECIDED, DECIDED)
        found = LINK.findall(head)
        if found:
            self.named.update(dict.fromkeys(name for _, name in found))
            link = f'<link rel="stylesheet" type="text/css" href="{found[0][0]}{SHEET}" />\n'
            links = iter([link])
            head = LINK.sub(lambda _: next(links, ""), head)
        return head if page == "search" else SCRIPT.sub("<script defer ", head)

    def offer(
        self,
        app: Sphinx,
        page: str,
        template: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        """Drop scripts that have nothing to do; offer ``lighten`` to the page's template."""
        context["lighten"] = lambda head: self.lighten(head, page)
        body = context.get("body", "")
        context["script_files"] = [
            script
            for script in context.get("script_files", [])
            if DOES.get(Path(str(getattr(script, "filename", ""))).name, "") in body
        ]

    def write(self, app: Sphinx, error: Exception | None) -> None:
        """Write the one sheet, if pages were written."""
        if error is None and app.builder.format == "html" and self.named:
            write(Path(app.outdir), list(self.named))


def write(html: Path, named: list[str]) -> None:
    """Put sheets together, after those that earlier builds named, and let all pages ask for it.

    The address holds a digest of the sheet, so that no browser keeps an old one.
    """
    target = html / "_static" / SHEET
    if target.is_file() and (made := MADE_OF.match(target.read_text(encoding="utf-8"))):
        earlier = [name for name in made[1].split() if (html / "_static" / name).is_file()]
        named = list(dict.fromkeys([*earlier, *named]))
    pages = {path: path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
    scripts = [path.read_text(encoding="utf-8") for path in (html / "_static").rglob("*.js")]
    collector = Collector(html / "_static", Names(pages.values(), scripts))
    parts = [collector.sheet(html / "_static" / name) for name in named]
    text = f"/* Made of {' '.join(named)} */\n" + "\n".join(parts) + "\n"
    target.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    for path, page in pages.items():
        new = re.sub(rf'(_static/{SHEET})(?:\?v=\w+)?"', rf'\1?v={digest}"', page)
        if new != page:
            path.write_text(new, encoding="utf-8")


# --- Images, and what nothing loads -------------------------------------------

IMAGE = re.compile(
    r'<img (?![^>]*\bloading=)([^>]*\bsrc="[^"]*_images/([^"]+\.(?:png|svg))"[^>]*)>'
)
# Of _static: source maps, icons that book.css draws, texts for tooltips in 47 languages, templates.
UNUSED = (
    "scripts/*.map",
    "styles/*.map",
    "scripts/fontawesome.js*",
    "vendor/fontawesome/webfonts/*.ttf",
    "vendor/fontawesome/webfonts/fa-[!s]*",
    "locales",
    "*.html",
)


def picture_size(path: Path) -> tuple[int, int]:
    """Read width and height in pixels from the head of a PNG, or of an SVG by matplotlib."""
    header = path.read_bytes()[:1000]
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", header[16:24])
        return width, height
    if points := re.search(rb'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"', header):
        return round(float(points[1]) * 4 / 3), round(float(points[2]) * 4 / 3)
    raise ValueError(f"path: expected a PNG, or an SVG with its size in points, got {path.name}")


def finish_body(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give every plot its size in pixels, let the browser load it late, and mend roles."""
    if "body" not in context:
        return
    sources = {name: path for path, name in app.builder.images.items()}

    def add(match: re.Match[str]) -> str:
        source = sources.get(match[2])
        size = ""
        if source and "style=" not in match[1] and "width=" not in match[1]:
            width, height = picture_size(Path(app.srcdir, source))
            size = f'width="{width}" height="{height}" '
        return f'<img loading="lazy" decoding="async" {size}{match[1]}>'

    body = IMAGE.sub(add, context["body"])
    # The role that docutils gives to a reference is deprecated, and wrong in its list.
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    # A folded cell is named by what is written on it.
    context["body"] = body.replace(' aria-label="Toggle hidden content"', "")


def prune(app: Sphinx, error: Exception | None) -> None:
    """Remove what no page loads."""
    if error is not None or app.builder.format != "html":
        return
    for pattern in UNUSED:
        for path in Path(app.outdir, "_static").glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the events: what drops foreign files after all others have added theirs, and
    what writes the style sheet after others have written their own."""
    app.add_config_value("course_static", "", "html")
    app.add_config_value("course_extensions", "", "env")
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book always passes it
    sheet = OneSheet()
    app.connect("config-inited", remember)
    app.connect("html-page-context", finish_body)
    app.connect("html-page-context", sheet.offer)
    app.connect("html-page-context", drop_foreign, priority=990)
    app.connect("build-finished", prune)
    app.connect("build-finished", sheet.write, priority=600)
    # What one process writes, another would not know of.
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
