"""The files of an archive, one after the other; whoever made it may have meant harm."""

import bz2
import contextlib
import datetime
import functools
import gzip
import lzma
import os
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from grading.intake import Refused

DIRECTORY = 32 << 20
"""Bytes of a zip archive's table of contents, which is read as a whole."""
PIECE = {zipfile.ZIP_STORED: 1 << 16, zipfile.ZIP_DEFLATED: 1 << 16}
"""Bytes read at a time; other methods may make thousands of bytes of each."""


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    special: bool
    """Whether it is a link or no plain file."""
    time: float | None
    """When it was written."""
    piece: int
    """How many bytes are read at a time."""
    open: Callable[[], IO[bytes]]


def members(path: Path, name: str, limit: int) -> Iterator[Member]:
    """Yield the files of an archive, one of which may be broken without the others.

    ``limit`` is the most bytes to which a compressed tar archive may grow.
    """
    if name.lower().endswith(".zip"):
        return _zip_members(path)
    return _tar_members(path, name, limit)


def _zip_members(path: Path) -> Iterator[Member]:
    with _readable(path) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir() or info.filename.endswith("\\"):
                continue
            kind = (info.external_attr >> 16) & 0o170000
            yield Member(
                _zip_name(info),
                kind not in (0, 0o100000),
                _zip_time(info),
                PIECE.get(info.compress_type, 1 << 12),
                functools.partial(_open_member, archive, info),
            )


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 1:
        raise Refused("it is encrypted; hand it in without a password")
    return archive.open(info)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a name as whoever packed it meant it: many write UTF-8 and do not say so."""
    if info.flag_bits & UTF8:
        return info.filename
    with contextlib.suppress(UnicodeError):
        return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    try:
        return datetime.datetime(*info.date_time, tzinfo=datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        return None


UTF8 = 0x800
"""The flag of a name in UTF-8."""


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[IO[bytes]]:
    """Open a zip archive; names that are said to be UTF-8 and are not lose that flag.

    ``zipfile`` reads nothing of an archive with one such name.

    Raises
    ------
    Refused
        Where its table of contents is too large to be read as a whole.
    """
    with path.open("rb") as file, tempfile.TemporaryFile() as changed:
        start, size, shift = _directory(file)
        if size > DIRECTORY:
            raise Refused(f"its table of contents is larger than {DIRECTORY >> 20} MB")
        file.seek(start)
        table = file.read(size)
        wrong = list(_misnamed(table))
        if not wrong:
            yield file
            return
        file.seek(0)
        shutil.copyfileobj(file, changed)
        for at, flags, header in wrong:
            for place in (start + at + 8, shift + header + 6):
                changed.seek(place)
                changed.write(struct.pack("<H", flags & ~UTF8))
        yield changed


def _misnamed(table: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the entries of a table of contents whose names are not the UTF-8 that they claim.

    An entry's place in the table, its flags, and the place of its header in the archive.
    """
    at = 0
    while table[at : at + 4] == b"PK\x01\x02" and at + 46 <= len(table):
        (flags,) = struct.unpack_from("<H", table, at + 8)
        lengths = struct.unpack_from("<3H", table, at + 28)
        (header,) = struct.unpack_from("<L", table, at + 42)
        try:
            table[at + 46 : at + 46 + lengths[0]].decode("utf-8")
        except UnicodeDecodeError:
            if flags & UTF8:
                yield at, flags, header
        at += 46 + sum(lengths)


def _directory(file: IO[bytes]) -> tuple[int, int, int]:
    """Return where the table of contents of a zip archive begins, its size, and what precedes."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 100))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return 0, 0, 0
    size, offset = struct.unpack_from("<2L", tail, at + 12)
    start = end - len(tail) + at
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        size, offset = struct.unpack_from("<2Q", tail, at - 76 + 40)
        start -= 76
    start = max(0, start - size)
    return start, size, max(0, start - offset)


COMPRESSED: dict[str, Callable[[Path], Any]] = {
    "gz": gzip.open,
    "tgz": gzip.open,
    "bz2": bz2.open,
    "tbz2": bz2.open,
    "xz": lzma.open,
    "txz": lzma.open,
}


def _tar_members(path: Path, name: str, limit: int) -> Iterator[Member]:
    with tempfile.NamedTemporaryFile() as inflated:
        opener = COMPRESSED.get(name.lower().rpartition(".")[2])
        if opener is not None:
            with opener(path) as source:
                while data := source.read(1 << 16):
                    inflated.write(data)
                    if inflated.tell() > limit:
                        raise Refused(f"it holds more than {limit >> 20} MB")
            inflated.flush()
            path = Path(inflated.name)
        if name.lower().endswith(".gz") and not tarfile.is_tarfile(path):
            time = path.stat().st_mtime
            yield Member(name[: -len(".gz")], False, time, 1 << 16, lambda: path.open("rb"))
            return
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                if not info.isdir():
                    yield Member(
                        info.name.encode("utf-8", "replace").decode(),
                        not info.isreg(),
                        float(info.mtime),
                        1 << 16,
                        functools.partial(_open_tarred, archive, info),
                    )


def _open_tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    source = archive.extractfile(info)
    if source is None:
        raise Refused("it is no plain file")
    return source
