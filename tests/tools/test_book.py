"""Building the book: a warning fails the build, and fails it again."""

import subprocess

import pytest

from tools import book


@pytest.mark.parametrize("status", [0, 1])
def test_the_status_is_passed_on_and_failed_pages_are_read_again(
    status, tmp_path, monkeypatch, capsys
):
    ran = []

    def run(command, **kwargs):
        ran.extend(command[1:])
        return subprocess.CompletedProcess(command, status)

    (tmp_path / "_build" / ".doctrees").mkdir(parents=True)
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    assert book.main() == status
    assert ran == ["build", ".", "-W", "-n", "--keep-going"]
    assert (tmp_path / "_build" / ".doctrees").exists() == (status == 0)
    assert ("not to be published" in capsys.readouterr().err) == (status != 0)


def test_a_missing_jupyter_book_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(book.sys, "executable", str(tmp_path / "python"))
    assert book.main() == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'jupyter-book'}: No such file" in said
    assert "remove .venv" in said
