"""Last touches to the pages.

Images wait until they are near and do not move the text when they come; references have the
role that their list asks for. What no page loads is left out of the book.
"""

import re
import shutil
import struct
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

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
    """Register the events."""
    app.connect("html-page-context", finish_body)
    app.connect("build-finished", prune)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
