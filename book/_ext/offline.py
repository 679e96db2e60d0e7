"""A book that needs no network and whose files all belong together.

What Jupyter Book's parts would fetch is left out. And since Sphinx writes pages and copies
style sheets only when it takes a page for outdated, hashes of ``_static`` and ``_ext``
are part of the configuration: a changed style sheet writes every page again, a changed
extension reads every page again.
"""

import hashlib
from pathlib import Path
from typing import Any

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


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the event, after all others have added their files."""
    app.add_config_value("course_static", "", "html")
    app.add_config_value("course_extensions", "", "env")
    app.connect("config-inited", remember)
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book always passes it
    app.connect("html-page-context", drop_foreign, priority=990)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
