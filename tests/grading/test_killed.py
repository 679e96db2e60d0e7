"""Grading that is killed leaves no mark that is half made, and nothing that passes for done."""

import copy
import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import course as small
import pytest
import sqlalchemy.orm
from nbgrader.utils import parse_utc

from grading import batch, workers
from grading import course as courses
from grading.engine import Grader, Result

EARLY, LATE = "2030-01-01 00:00:00 UTC", "2030-02-02 00:00:00 UTC"
HALF, FULL = 7.0, 9.0
WRONG = "def double(x):\n    return x\n"


def by_batch(root: Path) -> None:
    batch.grade(batch.Course(root), small.NAME, jobs=1)


def by_nbgrader(root: Path) -> None:
    small.run_nbgrader(root, "autograde", small.NAME)


ROADS = {"grade": by_batch, "nbgrader autograde": by_nbgrader}


@pytest.fixture(scope="module")
def results(template: Path) -> dict[str, Result]:
    """What grading gives for a submission that is half right, and for one that is right."""
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, small.NAME)
    release = small.released(template)
    with Grader(assignment) as grader:
        notebooks = {"half": small.answer(release, double=WRONG), "full": small.answer(release)}
        return {name: grader.grade(json.dumps(n).encode()) for name, n in notebooks.items()}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, results: dict[str, Result]) -> None:
    """Grade as a worker would, without one: it is saving that is watched here."""

    def grade_here(assignment: Any, key: str, data: bytes, note: str) -> Result:
        return copy.deepcopy(results["half" if rb"return x\n" in data else "full"])

    monkeypatch.setattr(workers, "grade_here", grade_here)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def hand_in(root: Path, right: bool, timestamp: str) -> None:
    release = small.released(root)
    notebook = small.answer(release) if right else small.answer(release, double=WRONG)
    path = small.submit(root, "ada", notebook)
    (path.parent / "timestamp.txt").write_text(timestamp)


def killed_at(step: int, road: Callable[[Path], None], root: Path) -> bool:
    """Grade in a process that kills itself before its n-th act; say whether it came to that."""
    child = os.fork()
    if child == 0:
        left = step

        def before(function: Any) -> Any:
            def act(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return function(*args, **kwargs)

            return act

        for place, name in (
            (sqlalchemy.orm.Session, "flush"),
            (sqlalchemy.orm.Session, "commit"),
            (Path, "mkdir"),
            (Path, "unlink"),
            (Path, "write_text"),
            (Path, "replace"),
        ):
            setattr(place, name, before(getattr(place, name)))
        try:
            road(root)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def in_gradebook(root: Path) -> tuple[str, float] | None:
    """Return time stamp and mark of the one learner, if there are any."""
    with batch.Course(root).gradebook() as gradebook:
        entries = gradebook.assignment_submissions(small.NAME)
        return (f"{entries[0].timestamp} UTC", entries[0].score) if entries else None


def on_disk(root: Path) -> tuple[str, float] | None:
    """Return what the graded notebook and the time stamp beside it say."""
    folder = root / "autograded" / "ada" / small.NAME
    if not (folder / "tiny.ipynb").is_file():
        return None
    notebook = json.loads((folder / "tiny.ipynb").read_text())
    assert notebook["metadata"]["grading"]["finished"] is True
    marks = [
        float(output["data"]["text/plain"])
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    return f"{parse_utc((folder / 'timestamp.txt').read_text())} UTC", sum(marks)


@pytest.mark.parametrize("road", ROADS)
def test_a_first_grading_killed_anywhere_leaves_all_or_nothing(
    course: Path, tmp_path: Path, road: str, quick: None
) -> None:
    hand_in(course, right=True, timestamp=EARLY)
    steps = 0
    while True:
        root = tmp_path / f"at{steps}"
        shutil.copytree(course, root)
        killed = killed_at(steps, ROADS[road], root)
        assert in_gradebook(root) in (None, (EARLY, FULL))
        assert on_disk(root) in (None, in_gradebook(root))
        small.run_nbgrader(root, "export")
        rows = list(csv.DictReader((root / "grades.csv").open()))
        assert [row["score"] for row in rows] in ([], [str(FULL)])
        if not killed:
            break
        small.run_nbgrader(root, "autograde", small.NAME)
        assert in_gradebook(root) == on_disk(root) == (EARLY, FULL)
        steps += 1
    assert steps > 8


@pytest.mark.parametrize("road", ROADS)
def test_regrading_killed_anywhere_shows_the_old_mark_or_the_new_one(
    course: Path, tmp_path: Path, road: str, quick: None
) -> None:
    hand_in(course, right=False, timestamp=EARLY)
    by_batch(course)
    assert in_gradebook(course) == on_disk(course) == (EARLY, HALF)
    hand_in(course, right=True, timestamp=LATE)
    steps, seen = 0, set()
    while True:
        root = tmp_path / f"at{steps}"
        shutil.copytree(course, root)
        killed = killed_at(steps, ROADS[road], root)
        assert in_gradebook(root) in ((EARLY, HALF), (LATE, FULL))
        assert on_disk(root) in (None, in_gradebook(root))
        seen.add((in_gradebook(root), on_disk(root)))
        if not killed:
            break
        by_batch(root)
        assert in_gradebook(root) == on_disk(root) == (LATE, FULL)
        steps += 1
    assert ((EARLY, HALF), None) in seen
    assert ((LATE, FULL), None) in seen


def test_a_notebook_without_a_stamp_is_none_that_was_graded(course: Path, quick: None) -> None:
    """What nbgrader's own grading leaves behind when it is killed half-way."""
    hand_in(course, right=True, timestamp=EARLY)
    by_batch(course)
    path = course / "autograded" / "ada" / small.NAME / "tiny.ipynb"
    notebook = json.loads(path.read_text())
    whole = notebook["metadata"]["grading"]
    for stamp in ({}, {**whole, "finished": False}, {**whole, "digest": ""}, None, [1]):
        notebook["metadata"]["grading"] = stamp
        courses.write(path, json.dumps(notebook))
        small.run_nbgrader(course, "autograde", small.NAME)
        assert json.loads(path.read_text())["metadata"]["grading"] == whole
