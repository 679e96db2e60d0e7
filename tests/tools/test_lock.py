"""One run at a time in a folder, and a clear word to the second."""

import os
import subprocess
import sys

import pytest

from tools import lock

TOOL = str(lock.ROOT / "tools" / "lock.py")


def test_a_second_run_is_refused_and_told_which_is_the_first(tmp_path):
    path = tmp_path / "_build" / ".lock"
    first = lock.acquire(path, "make book")
    with pytest.raises(BlockingIOError, match="make book, process"):
        lock.acquire(path, "make test")
    os.close(first)
    os.close(lock.acquire(path, "make test"))
    assert path.read_text().startswith("make test")


def test_the_lock_lasts_as_long_as_what_the_command_started(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    program = (
        "import sys; from tools import lock; from pathlib import Path\n"
        f"lock.ROOT = Path({str(tmp_path)!r})\n"
        "sys.exit(lock.main(['a run', 'bash', '-c', 'sleep 60 & echo started; read line']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=TOOL.removesuffix("tools/lock.py"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as running:
        try:
            assert running.stdout.readline() == b"started\n"
            running.kill()
            with pytest.raises(BlockingIOError):
                lock.acquire(tmp_path / "_build" / ".lock", "another")
        finally:
            os.killpg(running.pid, 9)


def test_the_refusal_has_a_status_and_says_that_nothing_was_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    held = lock.acquire(tmp_path / "_build" / ".lock", "make book")
    assert lock.main(["make test", "touch", str(tmp_path / "made")]) == lock.BUSY
    os.close(held)
    assert "make book" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "_build").write_text("a file where a folder belongs")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    assert lock.main(["make book", "true"]) == 1
    assert f"cannot write {tmp_path / '_build'}" in capsys.readouterr().err


def test_a_command_that_does_not_exist_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    assert lock.main(["make book", "no-such-command"]) == 127
    assert "no-such-command" in capsys.readouterr().err
