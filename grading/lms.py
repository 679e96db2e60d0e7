"""Plug-ins of ``nbgrader zip_collect``: what a learning platform hands out becomes submissions."""

import datetime
import functools
import os
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins.zipcollect import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import Enum, Integer, Unicode

from grading import candidates, collect, download, gather, names, platforms, timestamps
from grading.platforms import Label
from grading.roster import Roster, Unknown, of_gradebook

SKIPPED = 3
"""Exit status where something was skipped."""


class SafeExtractor(ExtractorPlugin):
    """Unpacks archives of an LMS with limits; no path leaves the target."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack every archive in a folder, and those within; copy notebooks that lie beside."""
        platform = PlatformCollector(parent=self.parent, quiet=True).platform
        self.download = download.unpack(Path(archive_path), Path(extracted_path), platform)


class PlatformCollector(FileNameCollectorPlugin):
    """Tells from its name whose a file is, where the name is the platform's and not a learner's.

    What lies below is of the learner's making, and could name someone else.
    """

    platform = Enum(
        ["", *platforms.PLATFORMS],
        "",
        help="The platform whose names are read; without one, named_regexp reads them.",
    ).tag(config=True)
    depth = Integer(
        1, help="With named_regexp: folders above the name that the platform gave a file."
    ).tag(config=True)
    timezone = Unicode(
        "", help="In which the platform writes times, as Europe/Berlin; this machine's if not set."
    ).tag(config=True)

    def __init__(self, quiet: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._chosen: dict[str, dict[str, str]] = {}
        if not quiet:
            # nbgrader asks for one file after the other, and ends well whatever it skipped.
            self.parent.process_extracted_files = functools.partial(
                self.process, self.parent.process_extracted_files
            )

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """Say whose a file is; ``None`` where another one counts."""
        return self._chosen.get(submitted_file)

    def process(self, transfer: Callable[[], None]) -> None:
        """Choose each learner's notebook, have nbgrader put them in place, say what was skipped."""
        if not (self.platform or self.named_regexp):
            self.parent.fail("Say which platform: c.PlatformCollector.platform = 'moodle'")
        app = self.parent
        chapter = app.coursedir.assignment_id
        unpacked: Any = getattr(app.extractor_plugin_inst, "download", None)
        if unpacked is None:
            app.fail(
                f"Put the platform's zip into {app._format_collect_path(app.archive_directory)}"
            )
        with Gradebook(app.coursedir.db_url, app.coursedir.course_id) as gradebook:
            roster = of_gradebook(gradebook)
        if self.platform:
            numbers = app.config.get("CanvasExport", {}).get("lms_column", "ID") == "ID"
            owner = gather.owner_of(self.platform, roster, numbers, top=unpacked.top)
            found = gather.labelled(unpacked.top, self.platform, unpacked.opened, owner)
        else:
            owner = functools.partial(by_id, roster)
            found = self.matched(unpacked.top)
        made = gather.gather(found, unpacked, owner, chapter, self.platform, self.zone())
        for student, taken in made.taken.items():
            path = taken.path
            if path.suffix != ".ipynb":
                path = path.rename(path.with_name(f"{path.name}.ipynb"))
            info = {"student_id": student, "file_id": chapter}
            if taken.timestamp:
                info["timestamp"] = taken.timestamp
            self._chosen[str(path)] = info
        transfer()
        if self.platform:
            root = Path(app.coursedir.root)
            collect.record(collect.record_path(root, chapter), self.platform, made)
        for note in made.notes:
            self.log.warning(note)
        for entry in made.skipped:
            self.log.error(str(entry))
        if made.skipped:
            app.exit(SKIPPED)

    def zone(self) -> datetime.tzinfo | None:
        """Return the zone in which the platform writes times."""
        if not self.timezone:
            return timestamps.zone_of(self.config)
        try:
            return zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            self.parent.fail(f"timezone: expected one as Europe/Berlin, got {self.timezone!r}")
            raise

    def matched(self, top: Path) -> Iterator[tuple[Label | None, Path]]:
        """Yield files with what the configured pattern reads from the platform's part of a path."""
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top)
            if not path.is_file() or not candidates.may_be_notebook(PurePath(inside)):
                continue
            match = re.match(self.named_regexp, str(path))
            found = {k: v for k, v in (match.groupdict() if match else {}).items() if v}
            if match is None or "student_id" not in found:
                yield None, path
                continue
            before = str(path)[len(str(top)) + 1 : match.start("student_id")]
            if before.count(os.sep) > self.depth or os.sep in found["student_id"]:
                self.log.error("%s: the learner's name is none that the platform gave", path)
                yield None, path
                continue
            yield (
                Label(
                    prefix="",
                    file=path.name,
                    login=unicodedata.normalize("NFC", found["student_id"]),
                    time=platforms.time_of(found.get("timestamp", "")),
                ),
                path,
            )


def by_id(roster: Roster, label: Label) -> tuple[str, Label]:
    """Return the learner of an id that a pattern found; any where the roster is empty.

    Raises
    ------
    Unknown
        Where nobody on the roster, or more than one, has it.
    """
    problem = names.problem(label.login)
    if problem:
        raise Unknown(f"{problem}: {label.login}")
    if not roster.people:
        return label.login, label
    found = roster.by_login(label.login)
    if len(found) != 1:
        raise Unknown(f"{len(found) or 'nobody'} on the roster with the id {label.login}")
    return found[0].id, label
