"""Grades a class: intake, workers, gradebook, and a row for everyone on the roster.

This is the one road to the gradebook: ``grade``, ``nbgrader autograde`` and formgrader's
button all come here. Workers grade; this process alone writes, one submission at a time
and as a whole, so that an interrupted batch can go on where it was. A submission is
graded again only when it, the tests or the limits changed.
"""

import csv
import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from grading.assignment import Assignment, CourseError
from grading.bubblewrap import SandboxMissing
from grading.course import Course, Submission, told
from grading.engine import Result, refuse
from grading.hidden import SEED_VARIABLE
from grading.names import problem as problem_of_name
from grading.workers import Workers

PLOTTING = ("matplotlib.pyplot", "matplotlib_inline.backend_inline")
"""Imported ahead where a submission draws: it takes longer than all else together."""


class Row(NamedTuple):
    """What the report says of one learner."""

    student: str
    status: str
    """``graded``, ``unchanged``, or ``updated``: not run again, but its marks changed.

    Where there is no score: ``refused``, ``missing``, ``failed``.
    """
    score: float | None
    max_score: float
    reason: str = ""
    notes: str = ""
    limits: str = ""

    @property
    def gap(self) -> bool:
        """Whether there is no score."""
        return self.status in ("refused", "missing", "failed")


@dataclass
class Report:
    """The outcome of a batch."""

    assignment: str
    rows: list[Row] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the notebooks say of how they were graded, by student."""
    whole: bool = True
    """Whether the whole class was asked for."""

    @property
    def gaps(self) -> list[Row]:
        """List the rows without a score."""
        return [row for row in self.rows if row.gap]

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(Row._fields)
            for row in self.rows:
                writer.writerow([spreadsheet(value) for value in row])


def spreadsheet(value: Any) -> str:
    """Make a value harmless to a spreadsheet, which would run a formula."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


# --- a batch ---------------------------------------------------------------------


def grade(
    course: Course,
    name: str,
    jobs: int = 2,
    scheduler: str | None = None,
    force: bool = False,
    students: list[str] | None = None,
    isolated: bool | None = None,
    new_seed: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, student: None,
) -> Report:
    """Grade an assignment of a class.

    Parameters
    ----------
    course : Course
    name : str
        The assignment.
    jobs : int
        Processes; 1 grades in this one.
    scheduler : str, optional
        Address of a running dask scheduler, instead of processes of this machine.
    force : bool
        Whether to grade what has not changed, too.
    students : list of str, optional
        Only these.
    isolated : bool, optional
        Whether to use sandboxes; as configured if not given.
    new_seed : bool
        Whether to grade although the class's marks were made with another ``COURSE_SEED``.
    progress : callable (done, total, student)

    Returns
    -------
    Report
        With a row for everyone on the roster.

    Raises
    ------
    CourseError, SandboxUnusable
        Where nothing can be graded, or the gradebook failed on the way.
    """
    from sqlalchemy.exc import SQLAlchemyError

    saved: list[str] = []

    def count(done: int, total: int, student: str) -> None:
        saved.append(student)
        progress(done, total, student)

    try:
        return _grade(course, name, jobs, scheduler, force, students, isolated, new_seed, count)
    except SQLAlchemyError as error:
        raise CourseError(f"{told(error)}; {len(saved)} graded and saved") from error


def _grade(
    course: Course,
    name: str,
    jobs: int,
    scheduler: str | None,
    force: bool,
    students: list[str] | None,
    isolated: bool | None,
    new_seed: bool,
    progress: Callable[[int, int, str], None],
) -> Report:
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, name, isolated)
        if assignment.isolated and scheduler is None and shutil.which("bwrap") is None:
            raise SandboxMissing
        best = sum(assignment.points.values())
        rows: dict[str, Row] = {}
        waiting: list[Submission] = []
        names = students if students is not None else course.roster(gradebook, name)
        stamps = {student: course.graded(assignment, student) for student in names}
        if not new_seed:
            check_seed(course, assignment, stamps)
        for student in names:
            unusable = problem_of_name(student)
            if unusable:
                reason = f"{unusable}; rename the learner's folder"
                rows[student] = Row(student, "refused", None, best, reason)
                continue
            submission = course.submission(assignment, student)
            if submission is None:
                rows[student] = Row(student, "missing", None, best, "nothing was handed in")
            elif not force and _is_current(gradebook, assignment, submission, stamps[student]):
                changed = course.remark(gradebook, assignment, submission, stamps[student])
                status = "updated" if changed else "unchanged"
                rows[student] = _row(gradebook, assignment, student, stamps[student], status)
            else:
                waiting.append(submission)
        done = 0

        def finish(submission: Submission, result: Result) -> None:
            nonlocal done
            course.keep(gradebook, assignment, submission, result)
            student = submission.student
            stamps[student] = result.notebook["metadata"]["grading"]
            rows[student] = _row(gradebook, assignment, student, stamps[student], "graded")
            done += 1
            progress(done, len(waiting), student)

        runnable = []
        for submission in waiting:
            if submission.refused:
                finish(submission, refuse(assignment, submission.refused))
            else:
                runnable.append(submission)
        if any(submission.plots for submission in runnable):
            assignment = dataclasses.replace(assignment, preload=PLOTTING)
        if runnable:
            workers = Workers(min(jobs, len(runnable)), scheduler)
            again = []
            for submission, result in workers.map(assignment, runnable):
                if workers.crowded and result.out_of_time:
                    again.append(submission)
                else:
                    finish(submission, result)
            for submission, result in workers.alone(assignment, again):
                finish(submission, result)
        report = Report(name, [rows[student] for student in names], whole=students is None)
        for student in names:
            if stamps[student] and rows[student].status != "missing":
                report.results[student] = stamps[student]
        return report


def check_seed(course: Course, assignment: Assignment, stamps: dict[str, dict[str, Any]]) -> None:
    """Look whether the class's seed is the one of the marks that there are.

    Raises
    ------
    CourseError
        Where it is another one: learners would be asked different things.
    """
    mine = assignment.seed_mark()
    if not any(stamps.values()):
        # Nobody of these has a mark: the first of the others that has one tells.
        for student in course.handed_in(assignment.name):
            if student not in stamps and (found := course.graded(assignment, student)):
                stamps = {student: found}
                break
    others = [student for student, found in stamps.items() if found.get("seed", mine) != mine]
    if others:
        more = f" and {len(others) - 1} others" if len(others) > 1 else ""
        what = "is another one" if assignment.seed else "is not set"
        raise CourseError(
            f"{SEED_VARIABLE} {what} than {others[0]}{more} were graded with; set it to theirs, "
            "or say --new-seed to grade the class anew with this one"
        )


def _is_current(
    gradebook: Any, assignment: Assignment, submission: Submission, state: dict[str, Any]
) -> bool:
    from nbgrader.api import MissingEntry

    if state.get("digest") != submission.digest or state["failed"]:
        return False
    given = state["given"]
    if any((given[k] or 0) > assignment.points.get(k, -1) for k in given):
        return False
    try:
        gradebook.find_submission(assignment.name, submission.student)
    except MissingEntry:
        return False
    return True


def _row(
    gradebook: Any, assignment: Assignment, student: str, state: dict[str, Any], status: str
) -> Row:
    entry = gradebook.find_submission_notebook(assignment.notebook, assignment.name, student)
    score: float | None = float(entry.score) - float(entry.late_submission_penalty or 0)
    reason = state.get("reason", "")
    if reason:
        ours = any(grade.auto_score is None for grade in entry.grades)
        status, score = ("failed" if ours else "refused"), None
    best = sum(assignment.points.values())
    notes, limits = "; ".join(state.get("notes", [])), "; ".join(state.get("limits", []))
    return Row(student, status, score, best, reason, notes, limits)
