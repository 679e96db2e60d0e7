"""What may change after grading, and takes effect without running anybody's code again."""

import copy
import csv
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import course as small
import pytest

from grading import batch, export, summary, workers
from grading import course as courses
from grading.__main__ import main
from grading.assignment import Assignment, CourseError
from grading.engine import Grader, Result

DUE, LATE = "2030-01-01 00:00:00 UTC", "2030-01-02 00:00:00 UTC"
HALF = """
from nbgrader.plugins import LateSubmissionPlugin
class Half(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, seconds):
        return score / 2
c.AssignLatePenalties.plugin_class = Half
"""


@pytest.fixture(scope="module")
def graded(template: Path) -> dict[tuple[str, bytes], Result]:
    """Results by submission, kept, so that each is run once."""
    return {}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, graded: dict[tuple[str, bytes], Result]) -> list[bytes]:
    """Count the submissions that are run."""
    made: list[bytes] = []

    def grade_here(assignment: Assignment, key: str, data: bytes, note: str) -> Result:
        made.append(data)
        if (key, data) not in graded:
            with Grader(assignment) as grader:
                graded[key, data] = grader.grade(data)
        return copy.deepcopy(graded[key, data])

    monkeypatch.setattr(workers, "grade_here", grade_here)
    return made


def grade(root: Path, **options: Any) -> batch.Report:
    return batch.grade(batch.Course(root), small.NAME, jobs=1, **options)


def hand_in(root: Path, student: str = "ada", timestamp: str = "", **answers: str) -> None:
    path = small.submit(root, student, small.answer(small.released(root), **answers))
    if timestamp:
        (path.parent / "timestamp.txt").write_text(timestamp)


def rows(root: Path, **options: Any) -> dict[str, tuple[str, float | None]]:
    return {row.student: (row.status, row.score) for row in grade(root, **options).rows}


def test_an_extension_and_a_penalty_take_effect_without_a_run(
    course: Path, runs: list[bytes]
) -> None:
    hand_in(course, timestamp=LATE)
    with batch.Course(course).gradebook() as gradebook:
        gradebook.update_or_create_assignment(small.NAME, duedate=DUE)
    assert rows(course) == {"ada": ("graded", 9.0)}
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(HALF)
    assert rows(course) == {"ada": ("updated", 4.5)}
    assert rows(course) == {"ada": ("unchanged", 4.5)}
    with batch.Course(course).gradebook() as gradebook:
        gradebook.grant_extension(small.NAME, "ada", days=3)
    assert rows(course) == {"ada": ("updated", 9.0)}
    (course / "submitted/ada/tiny/timestamp.txt").write_text("2030-02-01 00:00:00 UTC")
    assert rows(course) == {"ada": ("updated", 4.5)}
    assert (course / "autograded/ada/tiny/timestamp.txt").read_text().startswith("2030-02-01")
    assert len(runs) == 1


def test_changed_points_take_effect_without_a_run(course: Path, runs: list[bytes]) -> None:
    hand_in(course, last="def last(xs):\n    return xs[-1], len(xs)\n")
    hand_in(course, "bob", last="def last(xs):\n    return 0\n")
    assert rows(course) == {"ada": ("graded", 9.0), "bob": ("graded", 6.0)}
    source = course / "solutions" / small.NAME / f"{small.NAME}.ipynb"
    notebook = json.loads(source.read_text())
    small.find(notebook, "test_last")["metadata"]["nbgrader"]["points"] = 5
    source.write_text(json.dumps(notebook))
    report = grade(course)
    assert [(r.student, r.status, r.score) for r in report.rows] == [
        ("ada", "updated", 11.0),
        ("bob", "unchanged", 6.0),
    ]
    assert report.rows[0].max_score == 11.0
    assert len(runs) == 2
    fresh = grade(course, force=True)
    assert [(r.student, r.score) for r in fresh.rows] == [("ada", 11.0), ("bob", 6.0)]


def test_another_seed_is_asked_for_by_name(
    course: Path,
    runs: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hand_in(course)
    monkeypatch.setenv("COURSE_SEED", "sesame")
    assert rows(course) == {"ada": ("graded", 9.0)}
    hand_in(course, "bob")
    for seed in (None, "other"):
        if seed is None:
            monkeypatch.delenv("COURSE_SEED")
        else:
            monkeypatch.setenv("COURSE_SEED", seed)
        for options in ({}, {"force": True}, {"students": ["bob"]}):
            with pytest.raises(CourseError, match=r"COURSE_SEED is .* than ada were graded with"):
                grade(course, **options)
    assert main(["grade", small.NAME, "--course", str(course), "--quiet", "--jobs", "1"]) == 1
    assert "say --new-seed" in capsys.readouterr().err
    assert len(runs) == 1
    assert "sesame" not in (course / "autograded/ada/tiny/tiny.ipynb").read_text()
    assert rows(course, new_seed=True) == {"ada": ("graded", 9.0), "bob": ("graded", 9.0)}
    assert rows(course) == {"ada": ("unchanged", 9.0), "bob": ("unchanged", 9.0)}


# --- marks set by hand -----------------------------------------------------------


def set_mark(root: Path, part: str, mark: float) -> None:
    with batch.Course(root).gradebook() as gradebook:
        grade = gradebook.find_grade(part, small.NAME, small.NAME, "ada")
        grade.manual_score, grade.needs_manual_grade = mark, False
        gradebook.db.commit()


def waits(root: Path) -> dict[str, bool]:
    with batch.Course(root).gradebook() as gradebook:
        (notebook,) = gradebook.find_submission(small.NAME, "ada").notebooks
        return {grade.name: grade.needs_manual_grade for grade in notebook.grades}


def exported(root: Path) -> str:
    with batch.Course(root).gradebook() as gradebook:
        exporter = export.CanvasExport()
        exporter.to = str(root / "canvas.csv")
        exporter.export(gradebook)
    return list(csv.reader((root / "canvas.csv").open()))[-1][-1]


def test_a_mark_set_by_hand_is_kept_and_waits_only_where_the_code_changed(
    course: Path, runs: list[bytes]
) -> None:
    hand_in(course)
    grade(course)
    set_mark(course, "test_double", 1.0)
    nobody = dict.fromkeys(small.FULL, False)
    for options in ({}, {"force": True}, {"force": True}):
        assert rows(course, **options)["ada"][1] == 7.0
        assert waits(course) == nobody
        assert exported(course) == "7"
    hand_in(course, total="def total(xs):\n    return float(sum(xs))\n")
    assert rows(course)["ada"] == ("graded", 7.0)
    assert waits(course) == nobody
    hand_in(course, double="def double(x):\n    return x + x\n")
    for options in ({}, {"force": True}):
        assert rows(course, **options)["ada"][1] == 7.0
        assert waits(course) == {**nobody, "test_double": True}
        assert exported(course) == "7"
    made = batch.Course(course)
    page = summary.write(grade(course), made, course / "summary.html").read_text()
    assert "Marks set by hand" in page
    by_hand = page.partition("Marks set by hand")[2].partition("</table>")[0]
    assert 'double</td><td class="number">1</td><td class="number">3</td>' in by_hand
    assert "look again: the code has changed since" in page
    set_mark(course, "test_double", 1.0)
    assert rows(course, force=True)["ada"][1] == 7.0
    assert waits(course) == nobody


# --- the gradebook ---------------------------------------------------------------


def test_a_gradebook_of_an_older_nbgrader_gets_one_line(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(course)
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("ALTER TABLE student DROP COLUMN lms_user_id")
        before = "".join(database.iterdump())
    assert main(["grade", small.NAME, "--course", str(course), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the gradebook was made by another version of nbgrader")
    assert "nbgrader db upgrade" in error
    assert error.count("\n") == 1
    with sqlite3.connect(course / "gradebook.db") as database:
        assert "".join(database.iterdump()) == before


def test_a_locked_gradebook_is_waited_for(
    course: Path,
    runs: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hand_in(course)
    hand_in(course, "bob")
    monkeypatch.setattr(courses, "LOCK_SECONDS", 1)
    keep = batch.Course.keep
    other = sqlite3.connect(course / "gradebook.db", isolation_level=None)

    def lock_after_one(self: batch.Course, *arguments: Any) -> None:
        keep(self, *arguments)
        other.execute("BEGIN IMMEDIATE")

    monkeypatch.setattr(batch.Course, "keep", lock_after_one)
    command = ["grade", small.NAME, "--course", str(course), "--quiet", "--jobs", "1"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "kept the gradebook locked for 1 seconds" in error
    assert "1 graded and saved" in error
    assert error.count("\n") == 1
    other.execute("ROLLBACK")
    monkeypatch.undo()
    assert os.path.isfile(course / "autograded/ada/tiny/tiny.ipynb")
    assert not os.path.isfile(course / "autograded/bob/tiny/tiny.ipynb")
    assert "timeout=60" in batch.Course(course).coursedir.db_url
