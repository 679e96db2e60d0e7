"""Unpacking archives that learners had a hand in."""

import os
import zipfile
from pathlib import Path, PurePosixPath

from grading.intake import Refused, _plain

DEPTH = 2
"""Archives within archives that are unpacked: a class's download holds learners' zips."""


def unpack(path: Path, target: Path, size: int = 200 << 20, files: int = 2000) -> list[str]:
    """Unpack a zip archive, and zip archives in it, into ``target``.

    Bytes are counted as they are written, so what the archive says of itself does not
    matter. Links and special files are left out, and paths stay below ``target``.

    Returns
    -------
    list of str
        What was left out, and why.
    """
    budget = _Budget(size, files)
    problems: list[str] = []
    _unpack(path, target, budget, problems, DEPTH)
    return problems


class _Budget:
    def __init__(self, size: int, files: int) -> None:
        self.size, self.files = size, files
        self.limits = f"{size >> 20} MB or {files} files"

    def take(self, size: int = 0, files: int = 0) -> None:
        self.size -= size
        self.files -= files
        if self.size < 0 or self.files < 0:
            raise Refused(f"it holds more than {self.limits}")


def _safe_name(name: str) -> PurePosixPath | None:
    name = name.replace("\\", "/")
    parts = [part for part in PurePosixPath(name).parts if part not in (".", "/")]
    if ".." in parts or name.startswith("/") or (parts and ":" in parts[0]) or not parts:
        return None
    if any("\0" in part or len(part.encode("utf-8", "replace")) > 200 for part in parts):
        return None
    return PurePosixPath(*parts)


def _unpack(path: Path, target: Path, budget: _Budget, problems: list[str], depth: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > budget.files:
                raise Refused(f"it holds more than {budget.limits}")
            for info in archive.infolist():
                if not info.is_dir():
                    _extract(archive, info, target, budget, problems, depth)
    except Refused as error:
        problems.append(f"{_plain(path.name)} was not unpacked to the end: {error}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        problems.append(f"{_plain(path.name)} cannot be unpacked: {_plain(str(error))}")


def _extract(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    target: Path,
    budget: _Budget,
    problems: list[str],
    depth: int,
) -> None:
    name = _safe_name(info.filename)
    kind = (info.external_attr >> 16) & 0o170000
    if name is None:
        problems.append(f"{_plain(info.filename)}: the path leads out of the archive")
        return
    if kind not in (0, 0o100000):
        problems.append(f"{_plain(info.filename)} is a link or a special file")
        return
    place = target / name
    budget.take(files=1)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            archive.open(info) as source,
            os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file,
        ):
            while piece := source.read(1 << 16):
                budget.take(size=len(piece))
                file.write(piece)
    except FileExistsError:
        problems.append(f"{_plain(info.filename)} stands twice in the archive; the first counts")
        return
    except Refused:
        place.unlink(missing_ok=True)
        raise
    if place.suffix.lower() == ".zip" and depth > 1:
        _unpack(place, place.with_suffix(""), budget, problems, depth - 1)
        place.unlink()
