"""One step of a target: a line for the user, everything else in a log that an error names."""

import sys

import pytest

from tools import step


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "ROOT", tmp_path)
    monkeypatch.setattr(step, "LOGS", tmp_path / "_build" / "log")
    return tmp_path / "_build" / "log"


def run(code: str) -> int:
    return step.main(["2/5", "packages for grading", sys.executable, "-c", code])


def test_a_step_is_one_line_and_its_chatter_is_kept(logs, capfd):
    assert run("import sys; print('chatter'); print('more', file=sys.stderr)") == 0
    out, err = capfd.readouterr()
    assert out.startswith("[2/5] packages for grading ... ")
    assert out.count("\n") == 1
    assert out.endswith(" s\n")
    assert err == ""
    assert (logs / "2-of-5-packages-for-grading.txt").read_text().split() == ["chatter", "more"]


def test_warnings_and_notes_reach_the_user_with_the_lines_that_belong_to_them(capfd):
    assert run(r"print('warning: missing: x. Run:\n    apt-get x\nchatter\nnote: y')") == 0
    assert capfd.readouterr().err == "warning: missing: x. Run:\n    apt-get x\nnote: y\n"


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(capfd):
    code = "import sys; [print(f'line {k}.') for k in range(200)]; sys.exit('error: no')"
    assert run(code) == 1
    out, err = capfd.readouterr()
    assert "failed after" in out
    assert "error: no" in err
    assert "line 199." in err
    assert "line 100." not in err
    assert "_build/log/2-of-5-packages-for-grading.txt" in err


def test_a_command_that_is_not_there_is_named(tmp_path, capfd):
    assert step.main(["1/1", "it", str(tmp_path / "absent")]) == 1
    assert "absent: No such file" in capfd.readouterr().err
