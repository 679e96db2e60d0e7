"""Trying both commands on bare machines: what is run there, and what is made of what it says."""

import subprocess

import pytest

from tools import fresh


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """Have a case run lines of shell here instead of in a root; it gives its outcomes."""
    monkeypatch.setattr(fresh, "HOME", tmp_path)
    monkeypatch.setattr(fresh, "ROOT", tmp_path)
    monkeypatch.setattr(fresh, "unpack", lambda suite, root: [])

    def run(lines, minutes=1.0):
        monkeypatch.setattr(fresh, "enter", lambda *_: ["bash", "-c", lines])
        return fresh.run("trixie", "root", ["course"], minutes, keep=False)

    return run


COURSE = (
    f"echo {fresh.ENTERED}; echo BEGIN make course; echo The sample class of chapter rnn; "
    "echo END 0; echo BEGIN make test; echo '== 1 failed, 12 passed in 3.21s =='; echo END 2"
)


def test_what_became_of_both_commands_is_read(tried, tmp_path):
    course, test = tried(COURSE)
    assert (course.command, course.status, course.counted) == ("make course", 0, "")
    assert course.marks is not None
    assert (test.status, test.marks, test.counted) == (2, None, "1 failed, 12 passed in 3.21s")
    assert "END 2" in (tmp_path / "trixie-root.txt").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_does_not_end_is_killed_and_said(tried):
    (course,) = tried(f"echo {fresh.ENTERED}; echo BEGIN make course; exec sleep 1000", 0.01)
    assert course.status is None
    assert "did not end" in fresh.row("trixie", "root", course)


def test_a_failure_before_the_commands_is_none_of_the_host(tried):
    (preparing,) = tried(f"echo {fresh.ENTERED}; false")
    assert preparing.status is None


def test_where_a_root_cannot_be_entered_nothing_was_tried(tried, capsys):
    with pytest.raises(fresh.Unavailable, match="could not be entered"):
        tried("echo 'unshare: operation not permitted' >&2; exit 1")


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [([fresh.Outcome("make course", 0, 1.0)], 0), ([fresh.Outcome("make test", 2, 1.0)], 1)],
)
def test_the_exit_status_tells_whether_all_ended_well(monkeypatch, outcomes, status, capsys):
    monkeypatch.setattr(fresh, "run", lambda *_: outcomes)
    assert fresh.main(["--suite", "trixie", "--case", "user"]) == status
    assert outcomes[0].command in capsys.readouterr().out


def test_where_it_cannot_be_tried_it_says_so_with_a_status_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr(fresh.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fresh, "HOME", fresh.ROOT / "absent")
    monkeypatch.setattr(fresh, "run", lambda suite, *_: fresh.base(suite))
    assert fresh.main([]) == fresh.UNTRIED
    assert "not tried: bare roots are made by root" in capsys.readouterr().err


@pytest.mark.parametrize("name", fresh.CASES)
def test_a_case_is_one_script_whatever_its_folder_is_called(name):
    lines = fresh.script(fresh.CASES[name], ["course", "test"])
    done = subprocess.run(["bash", "-n"], input=lines, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shed = "setpriv --reuid" in lines
    assert shed == fresh.CASES[name].user


def test_pips_settings_come_along_with_what_they_name(monkeypatch, tmp_path):
    index = tmp_path / "index" / "simple"
    index.mkdir(parents=True)
    listed = f"global.find-links='{tmp_path}'\nglobal.extra-index-url='file://{index}'\n"
    done = subprocess.CompletedProcess([], 0, stdout=listed)
    monkeypatch.setattr(fresh.subprocess, "run", lambda *_, **__: done)
    for variable in [name for name in fresh.os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    text, named = fresh.pip_settings()
    assert text == (f"[global]\nfind-links = {tmp_path}\nextra-index-url = file://{index}\n")
    assert named == [tmp_path, index.parent]
