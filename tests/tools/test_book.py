"""Building the book: a warning fails the build, and fails it again."""

import pytest

from tools import book


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Have builds end as a list says; it gets what was run, and whether pages were kept."""
    (tmp_path / "_build" / ".doctrees").mkdir(parents=True)
    monkeypatch.setattr(book, "ROOT", tmp_path)
    ends, ran = [], []

    def build(command):
        ran.append((command[1:], (tmp_path / "_build" / ".doctrees").exists()))
        return ends.pop(0)

    monkeypatch.setattr(book, "build", build)
    return ends, ran


@pytest.mark.parametrize("status", [0, 1])
def test_the_status_is_passed_on_and_failed_pages_are_read_again(builds, status, tmp_path, capsys):
    ends, ran = builds
    ends.append((status, False))
    assert book.main() == status
    assert ran == [(["build", ".", "-W", "-n", "--keep-going"], True)]
    assert (tmp_path / "_build" / ".doctrees").exists() == (status == 0)
    assert ("not to be published" in capsys.readouterr().err) == (status != 0)


@pytest.mark.parametrize("second", [0, 1])
def test_a_kernel_that_did_not_answer_gets_one_more_try(builds, second):
    ends, ran = builds
    ends += [(1, True), (second, True)]
    assert book.main() == second
    assert [kept for _, kept in ran] == [True, False]


def test_trouble_of_a_kernel_is_told_from_a_wrong_page(capfd):
    dead = "echo CellTimeoutError: no answer; exit 1"
    assert book.build(["bash", "-c", dead]) == (1, True)
    assert book.build(["bash", "-c", "echo WARNING: no such label; exit 1"]) == (1, False)
    assert "WARNING: no such label" in capfd.readouterr().out


def test_a_missing_jupyter_book_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(book.sys, "executable", str(tmp_path / "python"))
    assert book.main() == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'jupyter-book'}: No such file" in said
    assert "remove .venv" in said
