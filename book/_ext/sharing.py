"""What other programs read of the book: social cards, the sitemap, the page for a wrong address.

``baseurl`` in ``_config.yml`` is the address where the book is published. Cards and sitemap
want full addresses; without it they hold relative ones, which is the best that a book
that does not know its place can do. A description is the first plain paragraph of the section
*Why*, or of the page.
"""

import re
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

HERE = Path(__file__).resolve().parent
CARD = "_static/card.png"  # drawn by tools/card.py
CARD_SIZE = (1200, 630)
CARD_ALT = (
    "Recurrent Networks: an error travels back through twelve states. "
    "Where each step lets 70 % through, almost nothing arrives; "
    "where a gate lets 98 % through, most of it does."
)
LONGEST = 200


def based(app: Sphinx) -> str:
    """Return the address of the book with a slash at its end; empty where it is not set."""
    base = (app.config.html_baseurl or "").strip()
    return f"{base.rstrip('/')}/" if base else ""


def shorten(text: str, longest: int = LONGEST) -> str:
    """Return the first sentences that fit, or as many words as do."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    ends = [match.end() for match in re.finditer(r"[.?!](?= )", text[: longest + 1])]
    if ends:
        return text[: ends[-1]]
    return f"{text[:longest].rsplit(' ', 1)[0]} …"


def describe(doctree: nodes.document | None) -> str:
    """Return what a page is about: the first plain words of its section "Why", or of the page."""
    if doctree is None:
        return ""
    sections = [s for s in doctree.findall(nodes.section) if s.next_node(nodes.title)]
    why = [s for s in sections if s.next_node(nodes.title).astext() == "Why"]
    for part in [*why[:1], doctree]:
        for paragraph in part.findall(nodes.paragraph):
            at_top = isinstance(paragraph.parent, nodes.section)
            if at_top and not paragraph.next_node(nodes.math) and len(paragraph.astext()) >= 40:
                return shorten(paragraph.astext())
    return ""


def tags(app: Sphinx, page: str, title: str, description: str, depth: int) -> str:
    """Return the tags of a page's card."""
    base = based(app)
    image = urljoin(base, CARD) if base else "../" * depth + CARD
    values = [
        ("name", "description", description),
        ("property", "og:type", "article" if depth else "website"),
        ("property", "og:site_name", app.config.html_title),
        ("property", "og:title", title),
        ("property", "og:description", description),
        ("property", "og:url", urljoin(base, app.builder.get_target_uri(page)) if base else ""),
        ("property", "og:image", image),
        ("property", "og:image:width", str(CARD_SIZE[0])),
        ("property", "og:image:height", str(CARD_SIZE[1])),
        ("property", "og:image:alt", CARD_ALT),
        ("name", "twitter:card", "summary_large_image"),
        ("name", "twitter:image:alt", CARD_ALT),
    ]
    return "".join(
        f'<meta {kind}="{name}" content="{escape(value)}" />\n'
        for kind, name, value in values
        if value
    )


def add_card(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give a page its card."""
    title = unescape(re.sub(r"<[^>]+>", "", context.get("title") or ""))
    description = describe(doctree) or app.config.course_description
    card = tags(app, page, title or app.config.html_title, description, page.count("/"))
    context["metatags"] = context.get("metatags", "") + card


def write_sitemap(app: Sphinx) -> None:
    """Write ``sitemap.xml``: every page of the table of contents."""
    base = based(app)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    if not base:
        lines.append("<!-- Relative: set baseurl in _config.yml to the book's address. -->")
    lines.append('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">')
    for page in sorted(app.env.found_docs):
        address = urljoin(base, app.builder.get_target_uri(page))
        lines.append(f"<url><loc>{escape(address)}</loc></url>")
    lines.append("</urlset>")
    Path(app.outdir, "sitemap.xml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_not_found(app: Sphinx) -> None:
    """Write ``404.html``, one file that needs no other, since servers show it at any depth."""
    folders = {page.split("/")[0] for page in app.env.found_docs if "/" in page}
    base = based(app)
    text = (HERE / "not_found.html").read_text(encoding="utf-8")
    for name, value in {
        "TITLE": app.config.html_title,
        "BASE": urlsplit(base).path if base else "",
        "FOLDERS": " ".join(sorted(folders)),
        "HOME": app.builder.get_target_uri(app.config.root_doc),
    }.items():
        text = text.replace(f"%{name}%", escape(value))
    Path(app.outdir, "404.html").write_text(text, encoding="utf-8")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Write what stands beside the pages."""
    if error is None and app.builder.format == "html":
        write_sitemap(app)
        write_not_found(app)
        # GitHub Pages leaves out folders that begin with an underscore without it.
        Path(app.outdir, ".nojekyll").touch()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register setting and events."""
    app.add_config_value("course_description", "", "html")
    app.connect("html-page-context", add_card)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
