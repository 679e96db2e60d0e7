"""A class in one go: rows, marks, resuming, interrupts, other databases."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import course as small
import pytest

from grading import batch, workers
from grading.__main__ import main
from grading.assignment import CourseError
from grading.bubblewrap import SandboxUnusable

FAST = "\nc.Isolate.call_seconds = 3\nc.Isolate.cell_seconds = 3\n"


def fill(root: Path) -> None:
    """Hand in a class: right, wrong, broken, absent."""
    release = small.released(root)
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(FAST)
    for k in range(3):
        small.submit(root, f"right{k}", small.answer(release))
    small.submit(root, "wrong", small.answer(release, double="def double(x): return x\n"))
    small.submit(root, "crash", small.insert(small.answer(release), "import os; os._exit(1)"))
    small.submit(root, "loop", small.answer(release, total="def total(x):\n    while 1: pass\n"))
    small.submit(root, "renamed", small.answer(release), "tiny-1")
    small.submit(root, "empty", b"")
    small.submit(root, "broken", b"{")
    (root / "submitted" / "nothing" / small.NAME).mkdir(parents=True)
    os.symlink("/etc/passwd", root / "submitted" / "nothing" / small.NAME / "tiny.ipynb")
    with batch.Course(root).gradebook() as gradebook:
        gradebook.add_student("absent")


SCORES = {
    "right0": 9.0,
    "right1": 9.0,
    "right2": 9.0,
    "wrong": 7.0,
    "crash": 9.0,
    "loop": 6.0,
    "renamed": 9.0,
    "empty": None,
    "broken": None,
    "nothing": None,
    "absent": None,
}


def scores(report: batch.Report) -> dict[str, float | None]:
    return {row.student: row.score for row in report.rows}


def marks(root: Path) -> dict[str, dict[str, Any]]:
    """Return every mark in the gradebook."""
    with batch.Course(root).gradebook() as gradebook:
        return {
            entry.student_id: {
                grade.name: (grade.auto_score, grade.score, grade.needs_manual_grade)
                for notebook in entry.notebooks
                for grade in notebook.grades
            }
            for entry in gradebook.assignment_submissions(small.NAME)
        }


def test_everyone_has_a_row_and_parallel_marks_are_serial_marks(
    course: Path, tmp_path: Path
) -> None:
    fill(course)
    other = tmp_path / "other"
    shutil.copytree(course, other, symlinks=True)
    serial = batch.grade(batch.Course(course), small.NAME, jobs=1)
    parallel = batch.grade(batch.Course(other), small.NAME, jobs=2)
    assert scores(serial) == SCORES
    assert [row._replace(notes="") for row in serial.rows] == [
        row._replace(notes="") for row in parallel.rows
    ]
    assert marks(course) == marks(other)
    reasons = {row.student: row.reason for row in serial.rows if row.gap}
    assert reasons == {
        "absent": "nothing was handed in",
        "broken": "not JSON: your file is cut off; hand it in again",
        "empty": "the file is empty",
        "nothing": "tiny.ipynb is a symbolic link; links are not followed",
    }
    assert marks(course)["empty"]["test_double"] == (0.0, 0.0, True)


def test_only_what_changed_is_graded_again(course: Path) -> None:
    fill(course)
    assert main(["grade", small.NAME, "--jobs", "1", "--course", str(course), "--quiet"]) == 3
    before = marks(course)
    graded: list[str] = []

    def again(**options: Any) -> list[str]:
        graded.clear()
        batch.grade(
            batch.Course(course),
            small.NAME,
            jobs=1,
            progress=lambda done, total, student: graded.append(student),
            **options,
        )
        return sorted(graded)

    assert again() == []
    assert marks(course) == before
    release = small.released(course)
    small.submit(course, "wrong", small.answer(release))
    assert again() == ["wrong"]
    assert marks(course)["wrong"]["test_double"] == (3.0, 3.0, False)
    assert again(students=["wrong", "right0"], force=True) == ["right0", "wrong"]
    source = course / "solutions" / small.NAME / f"{small.NAME}.ipynb"
    text = source.read_text().replace("points += 2", "points += 1")
    source.write_text(text)
    assert again(students=["right0"]) == ["right0"]
    assert marks(course)["right0"]["test_double"] == (2.0, 2.0, False)


def test_an_interrupted_batch_goes_on_where_it_stopped(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(course)
    keep = batch.Course.keep
    kept: list[str] = []

    def interrupted(self: batch.Course, *arguments: Any) -> None:
        if len(kept) == 5:
            raise KeyboardInterrupt
        keep(self, *arguments)
        kept.append(arguments[2].student)

    monkeypatch.setattr(batch.Course, "keep", interrupted)
    command = ["grade", small.NAME, "--jobs", "1", "--course", str(course), "--quiet"]
    assert main(command) == 130
    assert "5 graded and saved" in capsys.readouterr().err
    assert set(marks(course)) == set(kept)
    monkeypatch.undo()
    graded: list[str] = []
    report = batch.grade(
        batch.Course(course),
        small.NAME,
        jobs=1,
        progress=lambda done, total, student: graded.append(student),
    )
    assert not set(graded) & set(kept)
    assert scores(report) == SCORES


def test_an_interrupt_while_a_submission_is_saved_waits_for_the_whole_of_it(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.submit(course, "ada", small.answer(small.released(course)))
    save = batch.Course._save

    def interrupted(self: batch.Course, gradebook: Any, *rest: Any) -> None:
        find = gradebook.find_assignment

        def find_and_interrupt(*args: Any, **kwargs: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            return find(*args, **kwargs)

        monkeypatch.setattr(gradebook, "find_assignment", find_and_interrupt)
        save(self, gradebook, *rest)

    monkeypatch.setattr(batch.Course, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batch.grade(batch.Course(course), small.NAME, jobs=1)
    assert marks(course)["ada"]["test_double"] == (3.0, 3.0, False)
    assert (course / "autograded" / "ada" / "tiny" / "tiny.ipynb").is_file()


def test_an_interrupt_from_the_keyboard_stops_workers_quietly(course: Path) -> None:
    slow = small.insert(small.answer(small.released(course)), "import time; time.sleep(0.5)")
    for k in range(40):
        small.submit(course, f"learner{k}", slow)
    command = [sys.executable, "-m", "grading", "grade", small.NAME, "--jobs", "2"]
    process = subprocess.Popen(
        command,
        cwd=course,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (done := list(course.glob("autograded/*/tiny/tiny.ipynb"))):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "graded and saved" in errors
    assert 1 <= len(done) < 40
    assert len(marks(course)) == len(list(course.glob("autograded/*/tiny/tiny.ipynb")))


def test_manual_grades_comments_and_late_penalties_are_kept(course: Path) -> None:
    release = small.released(course)
    path = small.submit(course, "late", small.answer(release))
    (path.parent / "timestamp.txt").write_text("2030-01-02 00:00:00 UTC")
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(
            "\nfrom nbgrader.plugins import LateSubmissionPlugin\n"
            "class Half(LateSubmissionPlugin):\n"
            "    def late_submission_penalty(self, student_id, score, seconds):\n"
            "        return score / 2\n"
            "c.AssignLatePenalties.plugin_class = Half\n"
        )
    made = batch.Course(course)
    with made.gradebook() as gradebook:
        gradebook.update_or_create_assignment(small.NAME, duedate="2030-01-01 00:00:00 UTC")
    assert scores(batch.grade(made, small.NAME, jobs=1)) == {"late": 4.5}
    with made.gradebook() as gradebook:
        grade = gradebook.find_grade("test_double", small.NAME, small.NAME, "late")
        grade.manual_score = 1.0
        comment = gradebook.find_comment("double", small.NAME, small.NAME, "late")
        comment.manual_comment = "see me"
        gradebook.db.commit()
    batch.grade(made, small.NAME, jobs=1, force=True)
    with made.gradebook() as gradebook:
        grade = gradebook.find_grade("test_double", small.NAME, small.NAME, "late")
        assert (grade.auto_score, grade.score, grade.needs_manual_grade) == (3.0, 1.0, False)
        comment = gradebook.find_comment("double", small.NAME, small.NAME, "late")
        assert comment.comment == "see me"


def test_without_bubblewrap_grading_refuses_unless_told(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.submit(course, "one", small.answer(small.released(course)))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *a: None if name == "bwrap" else which(name))
    command = ["grade", small.NAME, "--jobs", "1", "--course", str(course), "--quiet"]
    assert main(command) == 1
    assert "apt-get install bubblewrap" in capsys.readouterr().err
    assert marks(course) == {}
    assert main([*command, "--no-sandbox"]) == 0
    notebook = json.loads((course / "autograded/one/tiny/tiny.ipynb").read_text())
    assert notebook["metadata"]["grading"]["sandbox"] is False
    assert "Graded without a sandbox" in notebook["cells"][0]["source"]
    rows = list(csv.DictReader((course / "summary/tiny.csv").open()))
    assert rows[0]["notes"] == "graded without a sandbox"
    assert "1 graded without a sandbox" in (course / "summary/tiny.html").read_text()


def test_the_command_line_runs_as_a_module(course: Path) -> None:
    small.submit(course, "one", small.answer(small.released(course)))
    done = subprocess.run(
        [sys.executable, "-m", "grading", "grade", small.NAME, "--jobs", "2"],
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "1 graded"


def test_a_course_that_is_none_is_an_error(
    tmp_path: Path, course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", "tiny", "--course", str(tmp_path)]) == 1
    assert "there is no nbgrader_config.py" in capsys.readouterr().err
    with pytest.raises(CourseError, match="the gradebook has no notebook 'other'"):
        batch.grade(batch.Course(course), "other")
    assert main(["grade", "tiny", "--jobs", "0"]) == 2


def test_a_running_scheduler_is_used(course: Path) -> None:
    from distributed import LocalCluster

    fill(course)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        report = batch.grade(batch.Course(course), small.NAME, scheduler=cluster.scheduler_address)
    assert scores(report) == SCORES


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The address of a database on a PostgreSQL server of one's own."""
    programs = [str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    path = os.pathsep.join([*programs[-1:], os.environ["PATH"]])
    initdb, pg_ctl = shutil.which("initdb", path=path), shutil.which("pg_ctl", path=path)
    if initdb is None or pg_ctl is None:
        pytest.skip("there is no PostgreSQL: sudo apt-get install -y postgresql")
    # The server refuses to run as root; its folder must be reachable for a plain user.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    shed: list[str] = []
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
        shed = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    data, options = str(folder / "data"), f"-c listen_addresses='' -k {folder}"
    try:
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
        command = [initdb, "-D", data, "-U", "grader", "-A", "trust", "--no-sync"]
        subprocess.run([*shed, *command], **quiet)
        log = ["-l", str(folder / "log"), "-o", options, "-w", "start"]
        subprocess.run([*shed, pg_ctl, "-D", data, *log], **quiet)
        yield f"postgresql+psycopg://grader@/postgres?host={folder}"
        subprocess.run([*shed, pg_ctl, "-D", data, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_gradebook_may_be_postgresql(course: Path, postgres: str) -> None:
    fill(course)
    report = batch.grade(batch.Course(course, postgres), small.NAME, jobs=2)
    expected = {name: score for name, score in SCORES.items() if name != "absent"}
    assert scores(report) == expected
    with batch.Course(course, postgres).gradebook() as gradebook:
        assert gradebook.find_submission(small.NAME, "loop").score == 6.0
    assert marks(course) == {}


def test_a_spreadsheet_runs_no_formula(tmp_path: Path) -> None:
    row = batch.Row("=cmd()", "graded", 1.0, 2.0, notes="@x")
    batch.Report("tiny", [row]).write(tmp_path / "x.csv")
    (read,) = csv.DictReader((tmp_path / "x.csv").open())
    assert (read["student"], read["notes"], read["score"]) == ("'=cmd()", "'@x", "1")


def test_a_submission_that_ends_its_worker_costs_nobody_else(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = small.released(course)
    for name in ("ada", "bob", "eve"):
        small.submit(course, name, small.answer(release))
    pools: list[list[str]] = []

    def pool(
        self: workers.Workers, assignment: Any, waiting: Any, jobs: int
    ) -> Generator[Any, None, list[Any]]:
        names = [submission.student for submission in waiting]
        pools.append(names)
        taken = [waiting.popleft() for _ in names]
        if "bob" in names:
            return taken
        for submission in taken:
            yield submission, workers.refuse(assignment, "graded")
        return []

    monkeypatch.setattr(workers.Workers, "_pool", pool)
    report = batch.grade(batch.Course(course), small.NAME, jobs=2)
    assert pools == [["ada", "bob", "eve"], ["ada"], ["bob"], ["eve"]]
    reasons = {row.student: row.reason for row in report.rows}
    assert reasons["ada"] == reasons["eve"] == "graded"
    assert reasons["bob"].startswith("grading it failed")


def test_workers_that_cannot_work_end_the_batch(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(6):
        small.submit(course, f"learner{k}", small.answer(small.released(course)))
    pools: list[int] = []

    def pool(
        self: workers.Workers, assignment: Any, waiting: Any, jobs: int
    ) -> Generator[Any, None, list[Any]]:
        pools.append(len(waiting))
        taken = [waiting.popleft() for _ in range(len(waiting))]
        yield from ()
        return taken

    monkeypatch.setattr(workers.Workers, "_pool", pool)
    with pytest.raises(SandboxUnusable, match="3 processes in a row ended"):
        batch.grade(batch.Course(course), small.NAME, jobs=2)
    assert pools == [6, 1, 1, 1]
    assert {mark[0] for entry in marks(course).values() for mark in entry.values()} == {None}
