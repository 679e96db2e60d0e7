"""Archives of a class: nothing in one learner's costs another learner's work."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading import archives
from grading.candidates import may_be_notebook

WORK = b'{"cells": []}'


def zipped(
    *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED
) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, data in entries:
            file.writestr(name, data)
    return made.getvalue()


def tarred(*entries: tuple[str, bytes], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as file:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return made.getvalue()


def unpack(
    tmp_path: Path, data: bytes, inner: tuple[int, int] = (1 << 20, 20), **more: int
) -> tuple[list[str], list[str]]:
    """Unpack a class's archive; return what is there and what is said."""
    path, out = tmp_path / "class.zip", tmp_path / "out"
    path.write_bytes(data)
    problems = archives.unpack(path, out, inner=inner, keep=may_be_notebook, **more)
    return tree(out), problems


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def broken_deflate() -> bytes:
    data = bytearray(zipped(("rnn.ipynb", os.urandom(500) * 4), method=zipfile.ZIP_DEFLATED))
    for k in range(60, 400):
        data[k] ^= 0xFF
    return bytes(data)


def broken_lzma() -> bytes:
    data = bytearray(zipped(("rnn.ipynb", b"x" * 5000), method=zipfile.ZIP_LZMA))
    start = data.index(b"rnn.ipynb") + 9
    for k in range(start + 9, start + 30):
        data[k] ^= 0x5A
    return bytes(data)


def unknown_method() -> bytes:
    data = bytearray(zipped(("rnn.ipynb", WORK)))
    data[8:10] = b"\x09\x00"
    at = data.index(b"PK\x01\x02")
    data[at + 10 : at + 12] = b"\x09\x00"
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(zipped(("rnn.ipynb", WORK)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def link() -> bytes:
    info = zipfile.ZipInfo("rnn.ipynb")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped((info, b"/etc/passwd"))


def nested(depth: int) -> bytes:
    data = zipped(("rnn.ipynb", WORK))
    for _ in range(depth):
        data = zipped(("again.zip", data))
    return data


HOSTILE = {
    "a broken deflate stream": broken_deflate(),
    "a broken LZMA stream": broken_lzma(),
    "a method nobody knows": unknown_method(),
    "a password": encrypted(),
    "a bomb": zipped(("rnn.ipynb", bytes(8 << 20)), method=zipfile.ZIP_DEFLATED),
    "an LZMA bomb": zipped(("rnn.ipynb", bytes(64 << 20)), method=zipfile.ZIP_LZMA),
    "a bzip2 bomb": zipped(("rnn.ipynb", bytes(64 << 20)), method=zipfile.ZIP_BZIP2),
    "a bomb in zips": zipped(
        *((f"{k}.zip", zipped(("rnn.ipynb", bytes(900 << 10)))) for k in range(8)),
        method=zipfile.ZIP_DEFLATED,
    ),
    "too many notebooks": zipped(*((f"{k}.ipynb", b"x") for k in range(100))),
    "a link": link(),
    "a path that leads out": zipped(("../../bob/rnn.ipynb", WORK)),
    "an absolute path": zipped(("/tmp/rnn.ipynb", WORK)),
    "nothing": b"",
    "no archive": b"PK\x03\x04 nothing",
    "cut off": zipped(("rnn.ipynb", WORK * 100))[:-40],
    "too deep": nested(9),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_with_one_learners_archive_costs_no_other(tmp_path: Path, name: str) -> None:
    found, problems = unpack(
        tmp_path,
        zipped(("a.ipynb", WORK), ("bad.zip", HOSTILE[name]), ("z.zip", zipped(("y.ipynb", WORK)))),
    )
    assert {"a.ipynb", "z/y.ipynb"} <= set(found)
    assert [problem.path.split("/")[0].split(".")[0] for problem in problems] == ["bad"]
    assert problems[0].why
    assert tree(tmp_path)[-1].startswith("out/")
    assert not [p for p in tmp_path.rglob("*") if p.is_symlink()]


def test_a_password_is_named(tmp_path: Path) -> None:
    _, problems = unpack(tmp_path, zipped(("bad.zip", encrypted())))
    assert problems == ["bad.zip/rnn.ipynb: it is encrypted; hand it in without a password"]


def test_each_archive_has_a_budget_and_the_class_a_larger_one(tmp_path: Path) -> None:
    folder = zipped(*((f"{k}.png", bytes(300 << 10)) for k in range(10)), ("rnn.ipynb", b"x" * 300))
    heavy = zipped(("rnn.ipynb", bytes(700 << 10)), ("a.ipynb", bytes(700 << 10)))
    data = zipped(
        *((f"{k:02}.zip", folder) for k in range(30)), ("heavy.zip", heavy), ("z.zip", folder)
    )
    found, problems = unpack(tmp_path, data)
    assert [name for name in found if name.endswith("/rnn.ipynb")] == [
        *(f"{k:02}/rnn.ipynb" for k in range(30)),
        "heavy/rnn.ipynb",
        "z/rnn.ipynb",
    ]
    assert problems == [
        "heavy.zip: it was not unpacked to the end: it holds more than 1 MB or 20 files"
    ]


def test_the_class_has_a_budget(tmp_path: Path) -> None:
    data = zipped(*((f"{k}.zip", zipped(("rnn.ipynb", bytes(1 << 19)))) for k in range(10)))
    found, problems = unpack(tmp_path, data, size=3 << 20)
    assert len(found) == 6
    assert len(problems) == 1
    assert "class.zip: it was not unpacked to the end: it holds more than 3 MB" in problems[0]


def test_only_what_may_be_a_notebook_is_written_or_missed(tmp_path: Path) -> None:
    found, problems = unpack(
        tmp_path,
        zipped(
            ("rnn.ipynb", WORK),
            ("Rnn.IPYNB", WORK),
            ("sub/rnn.ipynb.txt", WORK),
            ("sub/rnn.ipynb.json", WORK),
            ("__MACOSX/._rnn.ipynb", b"\0"),
            ("__MACOSX/._more.zip", b"\0"),
            (".DS_Store", b"\0"),
            ("../notes.pdf", b"%PDF"),
            ("../rnn.png", b"x"),
            ("work.7z", b"7z"),
            ("work.rar", b"Rar!"),
        ),
    )
    assert found == ["Rnn.IPYNB", "rnn.ipynb", "sub/rnn.ipynb.json", "sub/rnn.ipynb.txt"]
    assert problems == [
        "work.7z: archives of the kind .7z are not read; hand in a zip",
        "work.rar: archives of the kind .rar are not read; hand in a zip",
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    {
        "a.tar": tarred(("x/rnn.ipynb", WORK)),
        "a.tar.gz": tarred(("x/rnn.ipynb", WORK), mode="w:gz"),
        "a.TGZ": tarred(("x/rnn.ipynb", WORK), mode="w:gz"),
        "a.tar.bz2": tarred(("x/rnn.ipynb", WORK), mode="w:bz2"),
        "a.tar.xz": tarred(("x/rnn.ipynb", WORK), mode="w:xz"),
        "a.zip": zipped(("x/rnn.ipynb", WORK)),
    }.items(),
)
def test_tar_archives_are_read_too(tmp_path: Path, name: str, data: bytes) -> None:
    found, problems = unpack(
        tmp_path, zipped((name, data), ("b/rnn.ipynb.gz", gzip.compress(WORK)))
    )
    assert problems == []
    assert found == ["a/x/rnn.ipynb", "b/rnn.ipynb/rnn.ipynb"]


BAD = {
    "bad.tar.gz": lambda: gzip.compress(bytes(50 << 20)),
    "bad.tar.xz": lambda: lzma.compress(bytes(50 << 20)),
    "bad.tar.bz2": lambda: bz2.compress(bytes(50 << 20)),
    "bad.tgz": lambda: tarred(("rnn.ipynb", WORK), mode="w:gz")[:-30],
    "bad.tar": lambda: b"no tar",
    "bad.rnn.ipynb.gz": lambda: b"\x1f\x8b" + zlib.compress(WORK),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_tar_archive_costs_no_other(tmp_path: Path, name: str) -> None:
    data = BAD[name]()
    found, problems = unpack(tmp_path, zipped((name, data), ("z.ipynb", WORK)))
    assert found[-1] == "z.ipynb"
    assert len(problems) == 1
    assert problems[0].startswith("bad")


def test_members_of_a_tar_stay_below_the_target(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for name, kind in (("l.ipynb", tarfile.SYMTYPE), ("h.ipynb", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
        for name in ("../up.ipynb", "/root.ipynb", "good.ipynb"):
            info = tarfile.TarInfo(name)
            info.size = len(WORK)
            file.addfile(info, io.BytesIO(WORK))
    found, problems = unpack(tmp_path, zipped(("a.tar", made.getvalue())))
    assert found == ["a/good.ipynb"]
    assert len(problems) == 4
    assert tree(tmp_path) == ["class.zip", "out/a/good.ipynb"]


def flagged(name: bytes) -> bytes:
    """Make an archive with a name that claims to be UTF-8."""
    filler = "é" + "x" * (len(name) - 2)
    return zipped(("a.ipynb", WORK), (filler, WORK), ("z.ipynb", WORK)).replace(
        filler.encode(), name
    )


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    found, problems = unpack(tmp_path, flagged(b"M\xfcller rnn.ipynb"))
    assert problems == []
    assert len(found) == 3
    assert {"a.ipynb", "z.ipynb"} < set(found)
    assert any(name.endswith("ller rnn.ipynb") for name in found)


def test_names_from_windows_and_from_a_mac(tmp_path: Path) -> None:
    made = zipped(("M" + "x" * 5 + "r/rnn.ipynb", WORK))
    windows = made.replace(b"Mxxxxxr", "Müxxxxr".encode("cp437"))
    mac = made.replace(b"Mxxxxxr", "Mu\u0308xxr".encode())
    (tmp_path / "w").mkdir()
    (tmp_path / "m").mkdir()
    assert unpack(tmp_path / "w", windows) == (["Müxxxxr/rnn.ipynb"], [])
    assert unpack(tmp_path / "m", mac) == (["Müxxr/rnn.ipynb"], [])
    backslash = zipped(("x", WORK)).replace(b"x", b"\\")
    assert unpack(tmp_path, zipped(("Ada\\work\\rnn.ipynb", WORK), ("b.zip", backslash)))[0] == [
        "Ada/work/rnn.ipynb"
    ]


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    found, problems = unpack(
        tmp_path, zipped(("a.ipynb", WORK), ("a.ipynb/b.ipynb", WORK), ("c.ipynb", WORK))
    )
    assert found == ["a.ipynb", "c.ipynb"]
    assert len(problems) == 1
    assert unpack(
        tmp_path / "out", zipped(("x/r.ipynb", WORK), ("x.zip", zipped(("r.ipynb", b"2"))))
    )[0] == ["x.zip unpacked/r.ipynb", "x/r.ipynb"]


def test_of_two_downloads_the_newer_is_seen_to_be_newer(tmp_path: Path) -> None:
    dates = {"1.ipynb": 2029, "2.ipynb": 2031, "3.ipynb": 2030}
    infos = [(zipfile.ZipInfo(name, (year, 3, 4, 5, 6, 8)), WORK) for name, year in dates.items()]
    unpack(tmp_path, zipped(*infos))
    assert max((tmp_path / "out").iterdir(), key=lambda p: p.stat().st_mtime).name == "2.ipynb"


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["../x.ipynb", "a/b/rnn.ipynb", "C:/rnn.ipynb", "x\\rnn.ipynb", "rnn.zip", "rnn.tar.gz", "a/.."]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(
    st.lists(st.tuples(names, st.binary(max_size=40)), max_size=6), st.binary(max_size=4), st.data()
)
def test_any_archive_ends_below_the_target(
    tmp_path: Path, entries: list[tuple[str, bytes]], noise: bytes, data: st.DataObject
) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in dict(entries).items():
            if "\0" not in name:
                file.writestr(name, content)
    raw = bytearray(made.getvalue())
    for byte in noise:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= byte
    place = tmp_path / str(len(list(tmp_path.iterdir())))
    place.mkdir()
    (place / "a.zip").write_bytes(raw)
    archives.unpack(place / "a.zip", place / "in" / "out", 1 << 20, 50)
    outside = [p for p in place.rglob("*") if p.is_file() and "in/out" not in p.as_posix()]
    assert outside == [place / "a.zip"]
