"""Where assignments come from: functions that a course names in its configuration."""

from pathlib import Path

from traitlets import Unicode
from traitlets.config import Configurable
from traitlets.utils.importstring import import_item

import lib

CHECKS = ("__init__", "codec", "checking", "reports", "showing", "validate")
"""Modules of ``lib`` that the visible checks need."""


class Origin(Configurable):
    """How the source notebooks and the learners' library of a course are made."""

    source = Unicode(
        help="'module.function' that brings an assignment's source notebook up to date; "
        "called with the course's root and the assignment's name.",
    ).tag(config=True)
    library = Unicode(
        help="'module.function' that returns the learner's part of lib, bytes by file name; "
        "called with the assignment's name. What it does not know has no files.",
    ).tag(config=True)

    release = Unicode(
        help="'module.function' that brings up to date what a release of an assignment is made "
        "from; called with the course's root and the assignment's name.",
    ).tag(config=True)
    archive = Unicode(
        help="'module.function' that packs an assignment for learners and returns where; called "
        "with the course's root and the assignment's name. What it does not know has none.",
    ).tag(config=True)

    def prepare(self, root: Path, name: str) -> None:
        """Bring up to date what a release is made from.

        Raises
        ------
        CourseError
            Where the source is broken.
        """
        if self.release:
            import_item(self.release)(root, name)

    def pack(self, root: Path, name: str) -> Path | None:
        """Pack an assignment for learners; return where, if there is a way."""
        made: Path | None = import_item(self.archive)(root, name) if self.archive else None
        return made

    def refresh(self, root: Path, name: str) -> None:
        """Bring the source notebook of an assignment up to date.

        Raises
        ------
        CourseError
            Where the source is broken.
        """
        if self.source:
            import_item(self.source)(root, name)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the learner's part of ``lib``: at least what the visible checks need."""
        made: dict[str, bytes] = import_item(self.library)(name) if self.library else {}
        folder = Path(lib.__path__[0])
        return made or {f"{module}.py": (folder / f"{module}.py").read_bytes() for module in CHECKS}
