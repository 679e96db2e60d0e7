"""More time for one learner, one part once more, and a chapter made ready by one command."""

import json
import subprocess
import sys
from pathlib import Path

import course as small
import pytest
from nbgrader.api import Gradebook

from grading import batch, grants
from grading.__main__ import main

DUE, LATE = "2030-01-01 00:00 UTC", "2030-01-02 00:00 UTC"
WRONG = {
    "double": "def double(x):\n    return x\n",
    "total": "def total(xs):\n    return 0.0\n",
    "last": "def last(xs):\n    return 0\n",
}


def run(course: Path, *arguments: str) -> int:
    return main([*arguments, "--course", str(course)])


def hand_in(course: Path, student: str, time: str, *wrong: str) -> None:
    sources = {name: WRONG[name] for name in wrong}
    path = small.submit(course, student, small.answer(small.released(course), **sources))
    path.with_name("timestamp.txt").write_text(time)


def scores(course: Path) -> dict[str, float | None]:
    rows = batch.grade(batch.Course(course), small.NAME, jobs=1).rows
    return {row.student: row.score for row in rows}


@pytest.fixture
def classroom(course: Path) -> Path:
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        for student in ("ada", "bob"):
            gradebook.add_student(student)
        gradebook.update_or_create_assignment(small.NAME, duedate=DUE)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    return course


def test_more_time_is_kept_for_who_has_handed_in_nothing_yet(classroom: Path) -> None:
    assert run(classroom, "extend", small.NAME, "ada", "2030-01-01 23:00 -0100") == 0
    for student in ("ada", "bob"):
        hand_in(classroom, student, LATE)
    assert scores(classroom) == {"ada": 9.0, "bob": 0.0}
    assert run(classroom, "extend", small.NAME, "ada", "2030-01-01 12:00 UTC") == 0
    assert run(classroom, "extend", small.NAME, "bob", LATE) == 0
    assert scores(classroom) == {"ada": 0.0, "bob": 9.0}


def test_one_part_may_be_handed_in_again(classroom: Path) -> None:
    hand_in(classroom, "ada", DUE, "double", "total")
    assert scores(classroom)["ada"] == 4.0
    assert run(classroom, "reopen", small.NAME, "double", "ada") == 0
    hand_in(classroom, "ada", LATE, "last")
    assert scores(classroom)["ada"] == 6.0
    assert scores(classroom)["ada"] == 6.0
    hand_in(classroom, "ada", LATE, "double")
    assert scores(classroom)["ada"] == 6.0
    stamp = json.loads((classroom / "autograded/ada/tiny/tiny.ipynb").read_text())
    assert "handed in again: double" in stamp["metadata"]["grading"]["notes"][0]


def test_what_cannot_be_granted_is_named(
    classroom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, status, words in (
        (("extend", small.NAME, "eve", LATE), 1, "eve"),
        (("extend", "other", "ada", LATE), 1, "other"),
        (("extend", small.NAME, "ada", "01.02.2030"), 2, "expected a time"),
        (("reopen", small.NAME, "treble", "ada"), 1, "test_treble"),
    ):
        assert run(classroom, *arguments) == status
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert grants.read(classroom) == []
    (classroom / grants.FILE).write_text("tiny,ada,until,tomorrow\n")
    assert run(classroom, "grade", small.NAME, "--quiet", "--jobs", "1") in (1, 3)
    hand_in(classroom, "ada", DUE)
    assert run(classroom, "grade", small.NAME, "--quiet", "--jobs", "1") == 1
    assert "granted.csv, line 1: expected a time" in capsys.readouterr().err


def test_one_command_makes_a_chapter_ready(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (course / "exercises" / small.NAME / f"{small.NAME}.ipynb").unlink()
    assert run(course, "ready", small.NAME, "--due", "2030-01-31 23:59 -0100") == 0
    assert "due: 2030-02-01 00:59 UTC" in capsys.readouterr().out
    assert small.released(course)["cells"]
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        assert str(gradebook.find_assignment(small.NAME).duedate) == "2030-02-01 00:59:00"
    assert run(course, "ready", small.NAME, "--due", "soon") == 2
    assert run(course, "ready", "other") == 1
    assert "error: nbgrader generate_assignment: " in capsys.readouterr().err


def test_a_command_does_not_wait_for_a_parser_that_it_never_uses(course: Path) -> None:
    program = (
        "import sys; from grading.__main__ import main; "
        "main(['return', 'tiny', '--platform', 'canvas']); "
        "assert 'nbgrader' in sys.modules and 'lark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=course, check=True)
