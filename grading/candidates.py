"""Which of the files that a learner hands in may be the notebook, by their names."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".gz")
"""What is unpacked."""
UNREAD = (".7z", ".rar", ".xz", ".bz2", ".zst", ".dmg", ".iso", ".cab", ".lz", ".z")
"""Archives that are not."""
FOLDERS = {"__macosx", "__pycache__", "node_modules", "site-packages", "$recycle.bin"}
"""Folders of systems and editors that do not begin with a dot."""
LEFT_BEHIND = (".bak", ".orig", ".old", ".swp", ".swo", ".tmp", ".temp", ".part", ".crdownload")
NOTEBOOK = re.compile(r"(?P<stem>.*?)\.ipynb(?P<tail>[^a-z0-9].*)?", re.DOTALL)


def fold(text: str) -> str:
    """Fold case and composition, in which systems differ."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def out_of_sight(path: PurePath) -> bool:
    """Tell whether a file is hidden, or in a folder of a system or an editor."""
    return any(part.startswith((".", "~$")) or fold(part) in FOLDERS for part in path.parts)


def is_backup(name: str) -> bool:
    """Tell whether an editor or a browser left this file behind."""
    low = fold(name)
    return (
        low.endswith(("~", *LEFT_BEHIND))
        or low.startswith(("#", "~"))
        or any(f"{end}.ipynb" in low for end in ("-checkpoint", *LEFT_BEHIND))
    )


def is_archive(name: str) -> bool:
    """Tell whether a file is an archive that is unpacked."""
    return fold(name).endswith(ARCHIVES)


def is_unread_archive(name: str) -> bool:
    """Tell whether a file is an archive that is not unpacked."""
    return not is_archive(name) and fold(name).endswith(UNREAD)


def _parts(name: str) -> tuple[str, str] | None:
    """Split a notebook's name into what stands before and after ``.ipynb``."""
    match = NOTEBOOK.fullmatch(fold(name))
    if match is None:
        return None
    tail = re.sub(r"\.(txt|json)", "", match["tail"] or "")
    # A page or a picture made of a notebook is none.
    return None if re.search(r"\.[a-z]", tail) else (match["stem"], tail)


def may_be_notebook(path: PurePath) -> bool:
    """Tell whether a file may be a notebook that was handed in: backups and the like are not."""
    return not out_of_sight(path) and not is_backup(path.name) and _parts(path.name) is not None


OTHER = 4


class Candidate(NamedTuple):
    """A file that may be the notebook; the least one counts."""

    rank: int
    """0 the right name, 1 the right name in other letters or with an ending more, 2 numbered,
    3 the right name among other words, 4 another name."""
    depth: int
    version: float
    """Less is newer."""
    path: Path


NUMBER = re.compile(r"[\s_-]*\(?(\d{1,6})\)?")


def judge(path: Path, name: str, depth: int, shown: str = "") -> Candidate:
    """Judge a file that may be the notebook ``name``.

    Parameters
    ----------
    path : where it lies
    name : the notebook's name without ``.ipynb``
    depth : folders above it
    shown : the name that the learner gave it, where the platform changed that
    """
    own = shown or path.name
    stem, tail = _parts(own) or (fold(own), "")
    wanted = fold(name)
    numbers = [NUMBER.fullmatch(tail), NUMBER.fullmatch(stem.removeprefix(wanted))]
    version = next((int(match[1]) for match in numbers if match), 0)
    words = f" {re.sub(r'[^a-z0-9]+', ' ', stem)} "
    if own == f"{name}.ipynb":
        rank = 0
    elif stem == wanted and not version:
        rank = 1
    elif stem.startswith(wanted) and version:
        rank = 2
    elif f" {re.sub(r'[^a-z0-9]+', ' ', wanted)} " in words:
        rank = 3
    else:
        rank = OTHER
    return Candidate(rank, depth, -version, path)


def choose(candidates: Sequence[Candidate]) -> Path | None:
    """Return the file that counts: right name, shallowest, newest; ``None`` if none is surely it.

    Of files that differ in nothing but the time when they were written, the newest counts;
    files of other names do not stand in for each other.
    """
    if not candidates:
        return None
    best = min(candidate[:3] for candidate in candidates)
    alike = best[0] == OTHER
    first = [candidate.path for candidate in candidates if alike or candidate[:3] == best]
    first.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    if len(first) == 1 or all(p.read_bytes() == first[0].read_bytes() for p in first[1:]):
        return first[0]
    newer = first[0].stat().st_mtime - first[1].stat().st_mtime
    # Archives keep times to two seconds.
    return first[0] if newer >= 2 and not alike else None
