"""Building the book: a warning fails the build, and fails it again; the build ends."""

import subprocess
import sys

import pytest

from tools import book


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Have builds end and print as a list says; it gets whether pages were kept."""
    (tmp_path / "_build" / ".doctrees").mkdir(parents=True)
    ends, ran = [], []

    def build(command, source, log):
        assert command[1:] == ["build", ".", "-W", "-n", "--keep-going"]
        ran.append((source / "_build" / ".doctrees").exists())
        status, printed = ends.pop(0)
        log.parent.mkdir(exist_ok=True)
        log.write_text(printed)
        return status

    monkeypatch.setattr(book, "build", build)
    monkeypatch.setattr(book.python_files, "gather", lambda: ())
    return ends, ran


@pytest.mark.parametrize("status", [0, 1])
def test_the_status_is_passed_on_and_failed_pages_are_read_again(builds, status, tmp_path, capsys):
    ends, ran = builds
    ends.append((status, "writing output\n\x1b[31mpage.md:3: WARNING: no label x\x1b[0m\n"))
    assert book.main([str(tmp_path)]) == status
    assert ran == [True]
    assert (tmp_path / "_build" / ".doctrees").exists() == (status == 0)
    out, err = capsys.readouterr()
    assert out == ("page.md:3: WARNING: no label x\n" if status else "")
    assert ("not to be published" in err) == (status != 0)
    assert ("_build/log/book.txt" in err) == (status != 0)


@pytest.mark.parametrize("second", [0, 1])
def test_a_kernel_that_did_not_answer_gets_one_more_try(builds, second, tmp_path):
    ends, ran = builds
    ends += [(1, "CellTimeoutError: no answer"), (second, "WARNING: no such label")]
    assert book.main([str(tmp_path)]) == second
    assert ran == [True, False]


def test_all_that_a_build_prints_is_kept(tmp_path, capfd):
    log = tmp_path / "log" / "book.txt"
    printed = "echo out; echo $'\\xff' error >&2; exit 3"
    assert book.build(["bash", "-c", printed], tmp_path, log) == 3
    assert book.said(log) == ["out", "\ufffd error"]
    assert capfd.readouterr() == ("", "")


def test_a_missing_jupyter_book_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(book.sys, "executable", str(tmp_path / "python"))
    assert book.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'jupyter-book'}: No such file" in said
    assert "remove .venv" in said


CONFIG = """\
title: Two pages
only_build_toc_files: true
execute: {{execute_notebooks: cache}}
parse: {{myst_enable_extensions: [dollarmath]}}
sphinx:
  local_extensions: {{mathematics: "{extensions}", execution: "{extensions}"}}
  config: {{html_math_renderer: typeset}}
"""
HEAD = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"


def test_a_book_with_equations_and_cells_is_built_and_the_process_ends(tmp_path):
    """V8 and kernels are stopped: on Python 3.13 V8's own finaliser waits for ever."""
    extensions = book.ROOT / "book" / "_ext"
    (tmp_path / "_config.yml").write_text(CONFIG.format(extensions=extensions))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: a\nchapters:\n- file: b\n")
    cell = "```{code-cell} ipython3\nprint(6 * 7)\n```\n"
    (tmp_path / "a.md").write_text(f"{HEAD}# A\n\nHere $h = \\tanh a$.\n\n{cell}")
    (tmp_path / "b.md").write_text(f"{HEAD}# B\n\n$$x^2$$\n\n{cell}")
    done = subprocess.run(
        [sys.executable, str(book.ROOT / "tools" / "book.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "_build" / "html" / "a.html").read_text(encoding="utf-8")
    assert "mjx-container" in page
    assert "42" in page
