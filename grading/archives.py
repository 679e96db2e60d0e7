"""Unpacking archives that learners had a hand in."""

import contextlib
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from grading import candidates
from grading.intake import Refused, plain
from grading.members import Member, members

DEPTH = 5
"""Archives within archives that are unpacked."""
PASSED = 10_000
"""Files passed over that are remembered."""


class Problem(str):
    """What was left out, as ``path: why``."""

    path: str
    why: str

    def __new__(cls, path: str, why: str) -> "Problem":
        """Make a problem of a path below the target and the reason."""
        made = super().__new__(cls, f"{plain(path)}: {why}")
        made.path, made.why = path, why
        return made


class Full(Refused):
    """A budget is used up."""

    def __init__(self, budget: "Budget") -> None:
        super().__init__(f"it holds more than {budget.limits}")
        self.budget = budget


class Budget:
    """Bytes and files that may still be written; what an archive takes, the whole takes too."""

    PASSING = 5
    """Times the size that archives may have which are unpacked and removed."""

    def __init__(self, size: int, files: int, whole: "Budget | None" = None) -> None:
        self.size, self.files, self.whole = size, files, whole
        self.passing = self.PASSING * size
        self.limits = f"{size >> 20} MB or {files} files"

    def take(self, size: int = 0, files: int = 0) -> None:
        """Take from the budget.

        Raises
        ------
        Full
            Where there is not enough left.
        """
        if self.whole is not None:
            self.whole.take(size, files)
        self.size -= size
        self.files -= files
        if self.size < 0 or self.files < 0:
            raise Full(self)

    def pass_on(self, size: int) -> None:
        """Take bytes of an archive that will be removed.

        Raises
        ------
        Full
            Where there is not enough left.
        """
        self.passing -= size
        if self.passing < 0:
            raise Full(self)

    def give_back(self, size: int) -> None:
        """Return to the whole what an archive wrote and lost again; the archive stays poorer."""
        if self.whole is not None:
            self.whole.size += size


def unpack(
    path: Path,
    target: Path,
    size: int = 200 << 20,
    files: int = 2000,
    *,
    inner: tuple[int, int] | None = None,
    keep: Callable[[PurePosixPath], bool] | None = None,
    opened: set[Path] | None = None,
    passed: list[str] | None = None,
) -> list[Problem]:
    """Unpack an archive, and those in it, into ``target``: zip, tar and gz.

    Bytes are counted as they are written, so what an archive says of itself does not
    matter. Links and special files are left out, and paths stay below ``target``. Nothing
    in one archive or file keeps the others from being unpacked.

    Parameters
    ----------
    path, target : Path
    size, files : int
        Most that is written in all.
    inner : (int, int), optional
        Most bytes and files of each archive in the archive, with those within it; as in all
        if not given.
    keep : callable, optional
        Which files are written and counted, archives apart; all if not given.
    opened : set of Path, optional
        Gets the folders to which archives in the archive were unpacked.
    passed : list of str, optional
        Gets the paths of what ``keep`` does not want, hidden files apart; at most 10 000.

    Returns
    -------
    list of Problem
        What was left out, and why; not what ``keep`` does not want.
    """
    run = _Run(
        inner or (size, files),
        keep,
        set() if opened is None else opened,
        [] if passed is None else passed,
    )
    run.archive(path, path.name, _Level(target, PurePosixPath(), Budget(size, files), 1))
    return run.problems


def folder_name(name: str) -> str:
    """Return the name of the folder that an archive is unpacked to."""
    endings = [ending for ending in candidates.ARCHIVES if name.lower().endswith(ending)]
    return name[: len(name) - len(max(endings, key=len, default=""))] or name


# --- one run ---------------------------------------------------------------------


class _Level(NamedTuple):
    """Where an archive is unpacked."""

    target: Path
    below: PurePosixPath
    """The same below the first target, as a person sees it."""
    budget: Budget
    depth: int


class _Run:
    """One call of :func:`unpack`."""

    def __init__(
        self,
        inner: tuple[int, int],
        keep: Callable[[PurePosixPath], bool] | None,
        opened: set[Path],
        passed: list[str],
    ) -> None:
        self.inner, self.keep, self.opened, self.passed = inner, keep, opened, passed
        self.problems: list[Problem] = []

    def archive(self, path: Path, name: str, level: _Level) -> None:
        """Unpack one archive; say what is wrong with it, and go on."""
        shown = str(level.below) if level.depth > 1 else name
        try:
            for member in members(path, name, self.inner[0]):
                self.member(member, level)
        except Full as error:
            if level.depth > 1:
                raise
            self.problems.append(Problem(shown, f"it was not unpacked to the end: {error}"))
        except Exception as error:
            self.problems.append(Problem(shown, f"it cannot be unpacked: {_words(error)}"))

    def member(self, member: Member, level: _Level) -> None:
        """Write or unpack one member; what is wrong with it costs it alone."""
        inside = _safe_name(member.name)
        named = inside or PurePosixPath(PurePosixPath(member.name.replace("\\", "/")).name or "?")
        if not self.wanted(named):
            if not candidates.out_of_sight(named) and len(self.passed) < PASSED:
                self.passed.append(str(level.below / named))
            return
        why = ""
        if inside is None:
            why = "the path leads out of the archive"
        elif member.special:
            why = "it is a link or a special file"
        elif self.keep and candidates.is_unread_archive(named.name):
            why = f"archives of the kind {named.suffix} are not read; hand in a zip"
        else:
            try:
                self.write(member, inside, level)
            except Full as error:
                if level.depth > 1 or error.budget is level.budget:
                    raise
                why = f"it was not unpacked to the end: {error}"
            except FileExistsError:
                why = "it stands twice in the archive; the first counts"
            except Exception as error:
                why = _words(error)
        if why:
            self.problems.append(Problem(str(level.below / (inside or named)), why))

    def wanted(self, path: PurePosixPath) -> bool:
        """Tell whether a member is written, or missed where it cannot be."""
        if self.keep is None:
            return True
        if candidates.out_of_sight(path) or candidates.is_backup(path.name):
            return False
        packed = candidates.is_archive(path.name) or candidates.is_unread_archive(path.name)
        return packed or self.keep(path)

    def write(self, member: Member, inside: PurePosixPath, level: _Level) -> None:
        """Write a member, and unpack it where it is an archive itself."""
        packed = candidates.is_archive(inside.name)
        if packed and level.depth >= DEPTH:
            raise Refused("archives lie too deep in archives")
        budget = level.budget
        if packed and level.depth == 1:
            budget = Budget(*self.inner, whole=budget)
        budget.take(files=1)
        place = level.target / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        count = budget.pass_on if packed else budget.take
        written = 0
        try:
            with os.fdopen(descriptor, "wb") as file, member.open() as source:
                while data := source.read(member.piece):
                    count(len(data))
                    written += len(data)
                    file.write(data)
        except BaseException:
            place.unlink()
            if not packed:
                budget.give_back(written)
            raise
        if member.time is not None:
            with contextlib.suppress(OSError, OverflowError, ValueError):
                os.utime(place, (member.time, member.time))
        if not packed:
            return
        try:
            folder = place.with_name(folder_name(place.name))
            if os.path.lexists(folder):
                folder = place.with_name(f"{place.name} unpacked")
            self.opened.add(folder)
            inner = _Level(folder, level.below / inside, budget, level.depth + 1)
            self.archive(place, place.name, inner)
        finally:
            place.unlink()


def _words(error: Exception) -> str:
    """Say in words why a file cannot be read."""
    if isinstance(error, Refused):
        return str(error)
    return plain(str(error)) or type(error).__name__


def _safe_name(name: str) -> PurePosixPath | None:
    name = unicodedata.normalize("NFC", name.replace("\\", "/"))
    parts = [part for part in PurePosixPath(name).parts if part not in (".", "/")]
    if ".." in parts or name.startswith("/") or (parts and ":" in parts[0]) or not parts:
        return None
    if any("\0" in part or len(part.encode("utf-8", "replace")) > 200 for part in parts):
        return None
    return PurePosixPath(*parts)
