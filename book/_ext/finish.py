"""Last touches to a page's body.

Images wait until they are near and do not move the text when they come; references have the
role that their list asks for.
"""

import re
import struct
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

IMAGE = re.compile(r'<img (?![^>]*\bloading=)([^>]*\bsrc="[^"]*_images/([^"]+\.png)"[^>]*)>')


def png_size(path: Path) -> tuple[int, int]:
    """Read width and height from a PNG's header."""
    header = path.read_bytes()[:24]
    if header[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"path: expected a PNG file, got {path.name}")
    width, height = struct.unpack(">II", header[16:24])
    return width, height


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
            width, height = png_size(Path(app.srcdir, source))
            size = f'width="{width}" height="{height}" '
        return f'<img loading="lazy" decoding="async" {size}{match[1]}>'

    body = IMAGE.sub(add, context["body"])
    # The role that docutils gives to a reference is deprecated, and wrong in its list.
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    # A folded cell is named by what is written on it.
    context["body"] = body.replace(' aria-label="Toggle hidden content"', "")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the event."""
    app.connect("html-page-context", finish_body)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
