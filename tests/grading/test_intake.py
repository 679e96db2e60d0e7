"""Files that learners hand in: archives, links, sizes, names."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from grading import archives, intake
from grading.limits import Limits


def archive(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_an_archive_is_unpacked_and_those_within(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", ("rnn.ipynb", b"x"))
    path = archive(
        tmp_path / "a.zip", ("ada/rnn.ipynb", b"{}"), ("bob.zip", inner.read_bytes()), ("é/ü", b"1")
    )
    assert archives.unpack(path, tmp_path / "out") == []
    assert tree(tmp_path / "out") == ["ada/rnn.ipynb", "bob/rnn.ipynb", "é/ü"]


@pytest.mark.parametrize(
    "name",
    ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt", "a" * 300],
)
def test_no_path_leads_out(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", (name, b"x"), ("good", b"y"))
    (problem,) = archives.unpack(path, tmp_path / "in" / "out")
    assert "the path leads out of the archive" in problem
    assert tree(tmp_path) == ["a.zip", "in/out/good"]


def test_links_and_special_files_are_left_out(tmp_path: Path) -> None:
    entries = []
    for name, kind in (("link", stat.S_IFLNK), ("pipe", stat.S_IFIFO), ("device", stat.S_IFCHR)):
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o777) << 16
        entries.append((info, b"/etc/passwd"))
    problems = archives.unpack(archive(tmp_path / "a.zip", *entries), tmp_path / "out")
    assert len(problems) == 3
    assert all("is a link or a special file" in problem for problem in problems)
    assert tree(tmp_path / "out") == []


def test_a_bomb_of_300_megabytes_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("bomb", bytes(300 << 20)))
    assert path.stat().st_size < 320_000
    (problem,) = archives.unpack(path, tmp_path / "out", size=50 << 20)
    assert "it holds more than 50 MB" in problem
    assert tree(tmp_path / "out") == []


def test_what_an_archive_says_of_its_sizes_does_not_matter(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("bomb", bytes(5 << 20)))
    data = path.read_bytes()
    size = (5 << 20).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (10).to_bytes(4, "little")))
    problems = archives.unpack(path, tmp_path / "out", size=1 << 20)
    assert problems
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*")) <= 1 << 20


def test_a_bomb_within_a_bomb_counts(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", ("bomb", bytes(30 << 20)))
    path = archive(tmp_path / "a.zip", *((f"{k}.zip", inner.read_bytes()) for k in range(10)))
    problems = archives.unpack(path, tmp_path / "out", size=50 << 20)
    assert any("it holds more than 50 MB" in problem for problem in problems)
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*")) <= 50 << 20


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", *((str(k), b"") for k in range(30)))
    (problem,) = archives.unpack(path, tmp_path / "out", files=20)
    assert "20 files" in problem


def test_a_name_that_stands_twice_does_not_replace_the_first(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.zip", ("x", b"first"), ("x", b"second"))
    (problem,) = archives.unpack(path, tmp_path / "out")
    assert "stands twice" in problem
    assert (tmp_path / "out" / "x").read_bytes() == b"first"


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    (problem,) = archives.unpack(path, tmp_path / "out")
    assert "cannot be unpacked" in problem


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "rnn.ipynb").write_text("{}")
    intake.check_folder(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(intake.Refused, match="pipe is not a plain file"):
        intake.check_folder(folder)
    with pytest.raises(intake.Refused, match="pipe is not a plain file"):
        intake.read(folder / "pipe", Limits())
    (folder / "pipe").unlink()
    (folder / "link").symlink_to("/etc")
    with pytest.raises(intake.Refused, match="link is a symbolic link"):
        intake.check_folder(folder)
    with pytest.raises(intake.Refused, match="links are not followed"):
        intake.read(folder / "link", Limits())
    (tmp_path / "whole").symlink_to(folder)
    with pytest.raises(intake.Refused, match="folder is a link"):
        intake.check_folder(tmp_path / "whole")


def test_sizes_and_numbers_of_files_are_limited(tmp_path: Path) -> None:
    for k in range(5):
        (tmp_path / str(k)).write_bytes(bytes(1 << 20))
    with pytest.raises(intake.Refused, match="more than 4 files"):
        intake.check_folder(tmp_path, files=4)
    with pytest.raises(intake.Refused, match="more than 4 MB"):
        intake.check_folder(tmp_path, size=4 << 20)
    (tmp_path / "x").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(intake.Refused, match="larger than 1 MB"):
        intake.read(tmp_path / "x", Limits(notebook=1 << 20))


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        os.utime(folder / name, (1e9, 1e9))


def test_the_only_notebook_counts_whatever_its_name(tmp_path: Path) -> None:
    with pytest.raises(intake.Refused, match=r"no notebook named rnn\.ipynb$"):
        intake.find_notebook(tmp_path, "rnn")
    put(tmp_path, "mine.ipynb", ".hidden.ipynb")
    path, note = intake.find_notebook(tmp_path, "rnn")
    assert (path.name, note) == ("mine.ipynb", "renamed: taken from mine.ipynb")
    put(tmp_path, "deep/other.ipynb")
    with pytest.raises(intake.Refused, match="and 2 others to choose from"):
        intake.find_notebook(tmp_path, "rnn")
    put(tmp_path, "rnn.ipynb")
    assert intake.find_notebook(tmp_path, "rnn") == (tmp_path / "rnn.ipynb", "")


ORDER = [
    "rnn.ipynb",
    "a/rnn.ipynb",
    "a/b/rnn.ipynb",
    "RNN.IPYNB",
    "a/rnn.ipynb.txt",
    "a/b/rnn.ipynb.json",
    "rnn (12).ipynb",
    "rnn (3).ipynb",
    "a/rnn (13).ipynb",
    "rnn-Copy1.ipynb",
    "a/Copy of rnn.ipynb",
    "a/b/ada_rnn_final.ipynb",
    "Untitled.ipynb",
]
NEVER = [
    "__MACOSX/rnn.ipynb",
    "__MACOSX/._rnn.ipynb",
    "._rnn.ipynb",
    ".rnn.ipynb",
    ".ipynb_checkpoints/rnn.ipynb",
    ".ipynb_checkpoints/rnn-checkpoint.ipynb",
    ".virtual_documents/rnn.ipynb",
    ".idea/rnn.ipynb",
    ".~rnn.ipynb",
    "a/.vscode/b/rnn.ipynb",
    "rnn-checkpoint.ipynb",
    "rnn.ipynb~",
    "rnn.ipynb.bak",
    "rnn.bak.ipynb",
    "rnn.ipynb.swp",
    "rnn.ipynb.crdownload",
    "#rnn.ipynb#",
    "~$rnn.ipynb",
    "rnn.ipynb.pdf",
    "rnn.ipynb.html",
    "rnn.ipynbx",
    "rnn.py",
    "rnnipynb",
]


def test_right_name_then_shallowest_then_newest_download(tmp_path: Path) -> None:
    put(tmp_path, *ORDER, *NEVER)
    for name in ORDER:
        path, note = intake.find_notebook(tmp_path, "rnn")
        assert path == tmp_path / name
        assert note == ("" if name == "rnn.ipynb" else f"renamed: taken from {name}")
        path.unlink()
    with pytest.raises(intake.Refused, match=r"no notebook named rnn\.ipynb$"):
        intake.find_notebook(tmp_path, "rnn")


@pytest.mark.parametrize("name", NEVER)
def test_what_is_never_a_candidate_does_not_stand_in_for_one(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "sub/Untitled3.ipynb")
    assert intake.find_notebook(tmp_path, "rnn")[0] == tmp_path / "sub" / "Untitled3.ipynb"


def test_files_alike_in_name_are_told_apart_by_time_or_not_at_all(tmp_path: Path) -> None:
    put(tmp_path, "a/rnn.ipynb", "b/rnn.ipynb")
    with pytest.raises(intake.Refused, match="and 2 others to choose from"):
        intake.find_notebook(tmp_path, "rnn")
    os.utime(tmp_path / "a" / "rnn.ipynb", (1e9 + 60, 1e9 + 60))
    assert intake.find_notebook(tmp_path, "rnn")[0] == tmp_path / "a" / "rnn.ipynb"
    put(tmp_path, "a/rnn.ipynb")
    (tmp_path / "b" / "rnn.ipynb").write_text("a/rnn.ipynb")
    assert intake.find_notebook(tmp_path, "rnn")[0].read_text() == "a/rnn.ipynb"


def test_an_archive_that_was_put_there_by_hand_is_named(tmp_path: Path) -> None:
    put(tmp_path, "rnn.zip")
    with pytest.raises(intake.Refused, match=r"no notebook named rnn\.ipynb, but rnn\.zip"):
        intake.find_notebook(tmp_path, "rnn")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](javascript\\:alert(1))",
        "[x](java&#115;cript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "![x](x 'y' onerror=alert(1))",
        "[x]: javascript:alert(1)\n\n[x]",
    ],
)
def test_markdown_of_a_learner_runs_nothing(text: str) -> None:
    from html.parser import HTMLParser

    from nbconvert.filters import markdown2html

    bad: list[object] = []

    class Look(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "script" or any(
                name.startswith("on")
                or (value or "").strip().lower().startswith(("javascript:", "data:"))
                for name, value in attrs
            ):
                bad.append((tag, attrs))

    Look().feed(markdown2html(intake.escape_markdown(text)))
    assert bad == []
