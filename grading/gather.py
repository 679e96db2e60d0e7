"""Whose each file of a download is, and which notebook of a learner counts.

Whose a file is, the platform's own name of it says: the first part of its path that is
one. What stands below is of the learner's making and counts for nothing.
"""

import datetime
import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from grading import candidates, gradescope, intake, platforms, timestamps, whose
from grading.download import Download
from grading.names import shown
from grading.platforms import Label
from grading.roster import Person, Roster, Unknown


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


Owner = Callable[[Label], tuple[str, Label]]
"""Gives a label's learner, and what is known better now; raises :class:`Unknown`."""


def owner_of(
    platform: str,
    roster: Roster,
    numbers: bool = True,
    participants: Mapping[str, Person] | None = None,
    top: Path | None = None,
) -> Owner:
    """Return how a platform's labels are told apart; ``top`` is what it handed out, unpacked."""

    @functools.cache
    def table() -> dict[str, gradescope.Entry]:
        return gradescope.read(top) if top else {}

    def by_table(label: Label) -> tuple[str, Label]:
        entry = table().get(label.number)
        person = gradescope.owner(roster, entry)
        return person.id, label._replace(time=entry.time if entry else None)

    if platform == "gradescope":
        return by_table

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
            alone = platform in ("plain", "sakai") and len(paths) == 1
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
        _take(made, student, works[student], chapter, platform, zone, download)
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
    platform: str,
    zone: datetime.tzinfo | None,
    download: Download,
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
            beside = _beside(work, chosen, platform, download.opened)
            made.taken[student] = Taken(work, chosen, _timestamp(made, work, beside, zone))
            if judged[chosen][0].rank:
                name = shown(str(chosen.relative_to(download.top)))
                made.notes.append(f"{student}: taken from {name}")
            if work.label.late and not made.taken[student].timestamp:
                made.notes.append(f"{student}: late, the platform says, but not when")
            return
        if judged:
            name = ", ".join(str(path.relative_to(download.top)) for path in list(judged)[:3])
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


def _beside(work: Work, path: Path, platform: str, opened: set[Path]) -> Path | None:
    """Return the folder whose ``timestamp.txt`` is not of the learner's making, if there is one.

    Sakai puts it into the learner's folder, a person beside the notebook; what was in a
    learner's archive is the learner's.
    """
    if not work.path.is_dir() or platform not in ("", "plain", "sakai"):
        return None
    folder = work.path if platform == "sakai" else path.parent
    return None if {folder, *folder.parents} & opened else folder


def _timestamp(
    made: Collection, work: Work, beside: Path | None, zone: datetime.tzinfo | None
) -> str:
    """Return when the work was handed in: as the platform says, else as a file beside it."""
    time = work.label.time
    if time is not None and time.tzinfo is not None:
        return timestamps.write(time)
    if time is not None:
        return timestamps.write(time.replace(tzinfo=zone) if zone else time.astimezone())
    if work.label.time_said:
        made.notes.append(f"{work.student}: {work.label.time_said!r} is read as no time")
    if beside is None:
        return ""
    try:
        return timestamps.read_timestamp(beside, zone)
    except intake.Refused as error:
        made.skipped.append(Skipped(work.student, timestamps.TIMESTAMP, str(error)))
        return ""
