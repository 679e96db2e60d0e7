"""From what a learning platform hands out to ``submitted/``, each notebook to its learner."""

import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from grading import gather, intake, timestamps
from grading.assignment import CourseError
from grading.download import unpack

RECORD = "collected.json"


def put(folder: Path, chapter: str, taken: gather.Taken) -> str:
    """Put a notebook into a learner's folder of ``submitted/``, as a whole or not at all.

    Returns
    -------
    str
        ``new``, ``changed``, ``as before``, or ``kept`` where a newer one was there.
    """
    before = folder / f"{chapter}.ipynb"
    content = taken.path.read_bytes()
    try:
        old = timestamps.read_timestamp(folder)
    except intake.Refused:
        old = ""
    if before.is_file() and not before.is_symlink():
        if before.read_bytes() == content and (old == taken.timestamp or not taken.timestamp):
            return "as before"
        if old and taken.timestamp and old > taken.timestamp:
            return "kept"
    state = "changed" if os.path.lexists(folder) else "new"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".collected-", dir=folder.parent) as scratch:
        staged = Path(scratch) / "new"
        staged.mkdir()
        (staged / before.name).write_bytes(content)
        if taken.timestamp:
            (staged / timestamps.TIMESTAMP).write_text(taken.timestamp, encoding="ascii")
        retired = Path(scratch) / "old"
        if os.path.lexists(folder):
            folder.rename(retired)
        try:
            staged.rename(folder)
        except BaseException:
            if os.path.lexists(retired):
                retired.rename(folder)
            raise
    return state


def record(path: Path, platform: str, collection: gather.Collection) -> None:
    """Keep under which names the platform knows the learners, to hand back to it."""
    known = names_of(path, platform)
    known |= {student: taken.work.label.prefix for student, taken in collection.taken.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    text = json.dumps({"platform": platform, "names": known}, indent=1, ensure_ascii=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def names_of(path: Path, platform: str) -> dict[str, str]:
    """Read what :func:`record` kept for a platform."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["names"]) if content["platform"] == platform else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def record_path(root: Path, chapter: str) -> Path:
    """Return where the record of an assignment is kept."""
    return root / "downloaded" / chapter / RECORD


def collect(
    course: Any,
    chapter: str,
    download: Path,
    platform: str,
    zone: datetime.tzinfo | None = None,
    worksheet: Path | None = None,
) -> tuple[gather.Collection, dict[str, str]]:
    """Collect an assignment from a platform's download, an archive or a folder.

    Parameters
    ----------
    course : Course
    chapter : str
    download : Path
    platform : str
        One of ``platforms.PLATFORMS``.
    zone : tzinfo, optional
        In which the platform writes times; this machine's if not given.
    worksheet : Path, optional
        Moodle's grading worksheet, which tells learners of one name apart.

    Returns
    -------
    collection, states
        What was found, and what became of each learner's notebook.

    Raises
    ------
    CourseError
        Where there is no download, or no such assignment.
    RosterError
        Where the worksheet cannot be read.
    """
    from grading.roster import of_gradebook, participants

    release = course.folder("release", ".", chapter)
    if not (release / f"{chapter}.ipynb").is_file():
        raise CourseError(f"there is no released notebook {chapter}.ipynb in {release}")
    if not download.exists():
        raise CourseError(f"there is no file or folder {download}")
    with course.gradebook() as gradebook:
        roster = of_gradebook(gradebook)
    numbers = course.config.get("CanvasExport", {}).get("lms_column", "ID") == "ID"
    known = participants(worksheet, roster) if worksheet else None
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = unpack(download, Path(scratch) / "class", platform)
        owner = gather.owner_of(platform, roster, numbers, known, unpacked.top)
        found = gather.labelled(unpacked.top, platform, unpacked.opened, owner)
        collection = gather.gather(found, unpacked, owner, chapter, platform, zone)
        states = {
            student: put(course.folder("submitted", student, chapter), chapter, taken)
            for student, taken in sorted(collection.taken.items())
        }
    record(record_path(course.root, chapter), platform, collection)
    return collection, states
