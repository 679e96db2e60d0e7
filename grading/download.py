"""What a platform hands out, unpacked: an archive of a class, or the folder it became."""

import shutil
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from grading import archives, candidates, gradescope, platforms, timestamps

INNER = (200 << 20, 2000)
"""Most bytes and files that may be notebooks in one learner's archive."""
WHOLE = (4 << 30, 100_000)
"""The same in all of a class."""


class Download(NamedTuple):
    """What a platform handed out, unpacked."""

    top: Path
    opened: set[Path]
    """Folders that were archives in archives."""
    problems: list[archives.Problem]
    """What could not be unpacked."""
    passed: list[str]
    """What was not unpacked, as it is no notebook."""


def wanted(path: PurePath) -> bool:
    """Tell whether a file is unpacked: a notebook, perhaps, or what says whose and when."""
    return (
        candidates.may_be_notebook(path)
        or path.name == timestamps.TIMESTAMP
        or gradescope.is_metadata(path)
    )


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
