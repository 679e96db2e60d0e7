"""From what a learning platform hands out to ``submitted/``, each notebook to its learner.

Whose a file is, the platform's own name of it says: the first part of its path that is
one. What stands below is of the learner's making and counts for nothing.
"""

import datetime
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from grading import archives, candidates, intake, platforms, timestamps, whose
from grading.assignment import CourseError
from grading.names import shown
from grading.platforms import Label
from grading.roster import Person, Roster, Unknown

INNER = (200 << 20, 2000)
"""Most bytes and files that may be notebooks in one learner's archive."""
WHOLE = (4 << 30, 100_000)
"""The same in all of a class."""
RECORD = "collected.json"


class Work(NamedTuple):
    """A file or folder that a platform handed out, and whose it is."""

    label: Label
    path: Path
    student: str
    depth: int = 0
    """Folders of the learner's making above the file."""


class Skipped(NamedTuple):
    """What was not taken."""

    learner: str
    """The id, or ``unknown``."""
    file: str
    why: str

    def __str__(self) -> str:
        return f"skipped: {self.learner}, {shown(self.file)}, {self.why}"


@dataclass
class Taken:
    """The notebook that counts for a learner."""

    work: Work
    path: Path
    timestamp: str = ""


@dataclass
class Collection:
    """What was found in a download."""

    taken: dict[str, Taken] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def wanted(path: PurePath) -> bool:
    """Tell whether a file is unpacked: a notebook, perhaps, or when it was handed in."""
    return candidates.may_be_notebook(path) or path.name == timestamps.TIMESTAMP


# --- finding ---------------------------------------------------------------------

Owner = Callable[[Label], tuple[str, Label]]
"""Gives a label's learner, and what is known better now; raises :class:`Unknown`."""


def owner_of(
    platform: str,
    roster: Roster,
    numbers: bool = True,
    participants: Mapping[str, Person] | None = None,
) -> Owner:
    """Return how a platform's labels are told apart."""

    def find(label: Label) -> tuple[str, Label]:
        person, better = whose.owner(
            platform, label, roster, numbers=numbers, participants=participants
        )
        return person.id, better

    return find


def labelled(
    top: Path, platform: str, opened: set[Path], owner: Owner
) -> Iterator[tuple[Label | None, Path]]:
    """Yield what a platform handed out, with its label, and what has none.

    A folder of another name is looked into, as downloads are unpacked and packed again;
    but not one that was a learner's archive. Where any name may be a learner's, it is
    looked into if there is nothing else beside it.
    """
    waiting = [top]
    while waiting:
        paths = sorted(
            path
            for path in waiting.pop(0).iterdir()
            if not candidates.out_of_sight(PurePath(path.name))
        )
        for path in paths:
            label = platforms.read(platform, unicodedata.normalize("NFC", path.name))
            folder = path.is_dir() and path not in opened
            alone = platform == "plain" and len(paths) == 1
            if folder and (label is None or (alone and not _is_known(label, owner))):
                waiting.append(path)
            else:
                yield label, path


def _is_known(label: Label, owner: Owner) -> bool:
    try:
        owner(label)
    except Unknown:
        return False
    return True


class Download(NamedTuple):
    """What a platform handed out, unpacked."""

    top: Path
    opened: set[Path]
    """Folders that were archives in archives."""
    problems: list[archives.Problem]
    """What could not be unpacked."""
    passed: list[str]
    """What was not unpacked, as it is no notebook."""


def gather(
    found: Iterator[tuple[Label | None, Path]],
    download: Download,
    owner: Owner,
    chapter: str,
    platform: str = "",
    zone: datetime.tzinfo | None = None,
) -> Collection:
    """Find the notebook of each learner.

    Parameters
    ----------
    found : iterator of (Label or None, Path)
        What the platform handed out.
    download : Download
    owner : callable
    chapter : str
    platform : str, optional
        Whose names tell whose a file is that was not unpacked.
    zone : tzinfo, optional
        In which the platform writes times; this machine's if not given.
    """
    made = Collection()
    works: dict[str, list[Work]] = {}
    for label, path in found:
        name = str(path.relative_to(download.top))
        if label is None:
            if candidates.may_be_notebook(PurePath(path.name)) or path.is_dir():
                made.skipped.append(Skipped("unknown", name, "no name that the platform gives"))
            continue
        try:
            student, better = owner(label)
        except Unknown as error:
            made.skipped.append(Skipped("unknown", name, str(error)))
            continue
        works.setdefault(student, []).append(Work(better, path, student))
    for problem in download.problems:
        student, _, words = _named(problem.path, owner, platform)
        why = f"{problem.why}; {words}" if words else problem.why
        made.skipped.append(Skipped(student, problem.path, why))
    for student in sorted(works):
        _take(made, student, works[student], chapter, zone, download.top)
    for name in download.passed:
        student, file, words = _named(name, owner, platform)
        if student in made.taken or file in ("", ".txt"):
            continue
        backup = candidates.is_backup(file) and ".ipynb" in file.lower()
        why = words or ("a backup that an editor made" if backup else "not a notebook")
        made.skipped.append(Skipped(student, name, why))
    for student in sorted(set(works) - set(made.taken)):
        if not any(entry.learner == student for entry in made.skipped):
            name = str(works[student][0].path.relative_to(download.top))
            made.skipped.append(Skipped(student, name, "there is no notebook in it"))
    return made


def _named(name: str, owner: Owner, platform: str) -> tuple[str, str, str]:
    """Return a path's learner, the learner's own name of the file, and why nobody is known.

    Without a platform's name in the path both are empty.
    """
    parts = PurePosixPath(name).parts
    for k, part in enumerate(parts):
        label = platforms.read(platform, part) if platform else None
        if label is not None:
            try:
                student, better = owner(label)
            except Unknown as error:
                return "unknown", parts[-1], str(error)
            return student, parts[-1] if k < len(parts) - 1 else better.file, ""
    return "unknown", "", ""


def _take(
    made: Collection,
    student: str,
    works: list[Work],
    chapter: str,
    zone: datetime.tzinfo | None,
    top: Path,
) -> None:
    """Choose the notebook that counts for one learner: of the newest attempt that has one."""
    known = sorted({work.label.time for work in works if work.label.time}, reverse=True)
    times: list[datetime.datetime | None] = [*known, None]
    for time in times:
        attempt = [work for work in works if work.label.time == time]
        judged = {c.path: (c, work) for work in attempt for c in _candidates(work, chapter)}
        chosen = candidates.choose([candidate for candidate, _ in judged.values()])
        if chosen is not None:
            work = judged[chosen][1]
            if time != times[0]:
                made.notes.append(f"{student}: the attempt of {time}; a newer has no notebook")
            made.taken[student] = Taken(work, chosen, _timestamp(made, work, chosen, zone))
            if judged[chosen][0].rank:
                name = shown(str(chosen.relative_to(top)))
                made.notes.append(f"{student}: taken from {name}")
            if work.label.late and not made.taken[student].timestamp:
                made.notes.append(f"{student}: late, the platform says, but not when")
            return
        if judged:
            name = ", ".join(str(path.relative_to(top)) for path in list(judged)[:3])
            why = f"none of {len(judged)} notebooks is surely {chapter}.ipynb"
            made.skipped.append(Skipped(student, name, why))
            return


def _candidates(work: Work, chapter: str) -> Iterator[candidates.Candidate]:
    newest = -work.label.order
    if work.path.is_dir():
        for path in sorted(work.path.rglob("*")):
            inside = path.relative_to(work.path)
            if path.is_file() and not path.is_symlink() and candidates.may_be_notebook(inside):
                found = candidates.judge(path, chapter, len(inside.parts))
                yield found._replace(version=newest or found.version)
        return
    own = work.label.file
    if work.label.order:
        # Canvas numbers files of one name that a learner hands in again.
        own = re.sub(r"-\d{1,3}(?=\.ipynb)", "", own, flags=re.IGNORECASE)
    if candidates.may_be_notebook(PurePath(own)):
        found = candidates.judge(work.path, chapter, work.depth, shown=own)
        yield found._replace(version=newest or found.version)


def _timestamp(made: Collection, work: Work, path: Path, zone: datetime.tzinfo | None) -> str:
    """Return when the work was handed in: as the platform says, else as a file beside it."""
    time = work.label.time
    if time is not None:
        return timestamps.write(time.replace(tzinfo=zone) if zone else time.astimezone())
    if not work.path.is_dir():
        return ""
    try:
        return timestamps.read_timestamp(path.parent, zone)
    except intake.Refused as error:
        made.skipped.append(Skipped(work.student, timestamps.TIMESTAMP, str(error)))
        return ""


# --- writing ---------------------------------------------------------------------


def put(folder: Path, chapter: str, taken: Taken) -> str:
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
        if os.path.lexists(folder):
            folder.rename(Path(scratch) / "old")
        staged.rename(folder)
    return state


def record(path: Path, platform: str, collection: Collection) -> None:
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
) -> tuple[Collection, dict[str, str]]:
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
    owner = owner_of(platform, roster, numbers, known)
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = unpack(download, Path(scratch) / "class", platform)
        found = labelled(unpacked.top, platform, unpacked.opened, owner)
        collection = gather(found, unpacked, owner, chapter, platform, zone)
        states = {
            student: put(course.folder("submitted", student, chapter), chapter, taken)
            for student, taken in sorted(collection.taken.items())
        }
    record(record_path(course.root, chapter), platform, collection)
    return collection, states


def unpack(download: Path, top: Path, platform: str = "") -> Download:
    """Unpack a download, an archive or a folder, with the learners' archives in it."""
    made = Download(top, set(), [], [])
    top.mkdir(parents=True, exist_ok=True)
    if download.is_file():
        made.problems.extend(_unpack(download, top, WHOLE, made, PurePosixPath()))
        return made
    for path in sorted(download.rglob("*")):
        inside = PurePosixPath(path.relative_to(download).as_posix())
        if path.is_symlink() or not path.is_file() or candidates.out_of_sight(inside):
            continue
        place = top / inside
        if candidates.is_archive(path.name):
            whole = len(inside.parts) == 1 and not (
                platform and platforms.read(platform, path.name)
            )
            folder = place.with_name(archives.folder_name(path.name))
            made.problems.extend(_unpack(path, folder, WHOLE if whole else INNER, made, inside))
        elif candidates.is_unread_archive(path.name):
            why = f"archives of the kind {path.suffix} are not read; hand in a zip"
            made.problems.append(archives.Problem(str(inside), why))
        elif wanted(inside):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
        else:
            made.passed.append(str(inside))
    return made


def _unpack(
    path: Path, folder: Path, limits: tuple[int, int], made: Download, shown: PurePosixPath
) -> list[archives.Problem]:
    """Unpack one archive; give back problems with paths as they are shown."""
    passed: list[str] = []
    problems = archives.unpack(
        path, folder, *limits, inner=INNER, keep=wanted, opened=made.opened, passed=passed
    )
    within = shown.with_name(archives.folder_name(path.name)) if shown.parts else shown
    made.passed.extend(str(within / name) for name in passed)
    return [
        archives.Problem(str(shown if p.path == path.name else within / p.path), p.why)
        if shown.parts
        else p
        for p in problems
    ]
