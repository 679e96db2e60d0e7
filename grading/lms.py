"""Plug-ins of ``nbgrader zip_collect``: what a learning platform hands out becomes submissions."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from nbgrader.plugins.zipcollect import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import Integer

from grading import archives


class SafeExtractor(ExtractorPlugin):
    """Unpacks archives of an LMS with limits; no path leaves the target."""

    megabytes = Integer(200, help="Most that one archive may hold.").tag(config=True)
    files = Integer(2000, help="Most files in one archive.").tag(config=True)

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack every zip archive in a folder, and those within; copy other plain files."""
        source, target = Path(archive_path), Path(extracted_path)
        for path in sorted(source.rglob("*")):
            place = target / path.relative_to(source)
            if path.is_symlink() or not path.is_file():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() != ".zip":
                shutil.copyfile(path, place)
                continue
            size = self.megabytes << 20
            for problem in archives.unpack(path, place.with_suffix(""), size, self.files):
                self.log.error("%s: %s", path, problem)


class PlatformCollector(FileNameCollectorPlugin):
    """Tells from its name whose a file is, where the name is the platform's and not a learner's.

    A learner's archive is unpacked in a folder of its own, and the names below are of the
    learner's making: they could name someone else.
    """

    depth = Integer(1, help="Folders above the name that the platform gave a file.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._seen: set[tuple[str, str]] = set()

    def _match(self, filename: str) -> dict[str, str] | None:
        found: dict[str, str] | None = super()._match(filename)
        if not found or "student_id" not in found:
            return found
        top = self.parent._format_collect_path(self.parent.extracted_directory)
        match = re.match(self.named_regexp, filename)
        assert match is not None
        before = filename[len(top) : match.start("student_id")].strip(os.sep)
        if before.count(os.sep) + bool(before) > self.depth:
            self.log.error("%s: the learner's name is none that the platform gave", filename)
            return None
        key = (found["student_id"], found.get("file_id", ""))
        if key in self._seen and not found.get("timestamp"):
            # nbgrader would give up the whole class.
            self.log.error("%s: %s has another file of this name, which counts", filename, key[0])
            return None
        self._seen.add(key)
        return found
