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

from grading.assignment import Assignment
from grading.bubblewrap import SandboxMissing
from grading.course import Course, Submission
from grading.engine import Result, refuse
from grading.workers import Workers

PLOTTING = ("matplotlib.pyplot", "matplotlib_inline.backend_inline")
"""Imported ahead where a submission draws: it takes longer than all else together."""


class Row(NamedTuple):
    """What the report says of one learner."""

    student: str
    status: str
    """``graded``, ``unchanged``; where there is no score, ``refused``, ``missing``, ``failed``."""
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
                writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> str:
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
    progress : callable (done, total, student)

    Returns
    -------
    Report
        With a row for everyone on the roster.

    Raises
    ------
    CourseError, SandboxUnusable
        Where nothing can be graded.
    """
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, name, isolated)
        if assignment.isolated and scheduler is None and shutil.which("bwrap") is None:
            raise SandboxMissing
        best = sum(assignment.points.values())
        rows: dict[str, Row] = {}
        waiting: list[Submission] = []
        names = students if students is not None else course.roster(gradebook, name)
        for student in names:
            submission = course.submission(assignment, student)
            if submission is None:
                rows[student] = Row(student, "missing", None, best, "nothing was handed in")
            elif not force and _is_current(course, gradebook, assignment, submission):
                state = course.graded(assignment, student)
                rows[student] = _row(gradebook, assignment, student, state, "unchanged")
            else:
                waiting.append(submission)
        done = 0

        def finish(submission: Submission, result: Result) -> None:
            nonlocal done
            course.keep(gradebook, assignment, submission, result)
            state = result.notebook["metadata"]["grading"]
            rows[submission.student] = _row(
                gradebook, assignment, submission.student, state, "graded"
            )
            done += 1
            progress(done, len(waiting), submission.student)

        runnable = []
        for submission in waiting:
            if submission.refused:
                finish(submission, refuse(assignment, submission.refused))
            else:
                runnable.append(submission)
        if any(submission.plots for submission in runnable):
            assignment = dataclasses.replace(assignment, preload=PLOTTING)
        if runnable:
            for submission, result in Workers(min(jobs, len(runnable)), scheduler).map(
                assignment, runnable
            ):
                finish(submission, result)
        report = Report(name, [rows[student] for student in names])
        for student in names:
            state = course.graded(assignment, student)
            if state and rows[student].status != "missing":
                report.results[student] = state
        return report


def _is_current(
    course: Course, gradebook: Any, assignment: Assignment, submission: Submission
) -> bool:
    from nbgrader.api import MissingEntry

    state = course.graded(assignment, submission.student)
    if state.get("digest") != submission.digest or state["failed"]:
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
