"""A book that needs no network: what Jupyter Book's parts would fetch is left out."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

FOREIGN = ("https://", "http://", "//")


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


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the event, after all others have added their files."""
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book always passes it
    app.connect("html-page-context", drop_foreign, priority=990)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
