"""What a person grants one learner: a later due date, or one part once more.

Both stand in ``granted.csv`` in the course's folder, which may be edited by hand, as a
learner who has handed in nothing has no entry in the gradebook that could hold them.
"""

import contextlib
import csv
import datetime
from pathlib import Path
from typing import Any, NamedTuple

from grading import timestamps
from grading.assignment import CourseError
from grading.engine import Result

FILE = "granted.csv"
AGAIN = "handed in again"
EXTENSION, PART = "until", "part"


class Grant(NamedTuple):
    """One line of the file."""

    assignment: str
    student: str
    kind: str
    """``until`` or ``part``."""
    value: str
    """A time, or a function."""


def read(root: Path) -> list[Grant]:
    """Read what is granted.

    Raises
    ------
    CourseError
        Naming the line that is none.
    """
    path = root / FILE
    found = []
    with contextlib.suppress(FileNotFoundError), path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or row == list(Grant._fields):
                continue
            if len(row) != len(Grant._fields) or row[2] not in (EXTENSION, PART):
                raise CourseError(f"{path}, line {number}: expected {','.join(Grant._fields)}")
            grant = Grant(*(cell.strip() for cell in row))
            if grant.kind == EXTENSION:
                try:
                    timestamps.parse(grant.value)
                except ValueError as error:
                    raise CourseError(f"{path}, line {number}: {error}") from error
            found.append(grant)
    return found


def write(root: Path, grants: list[Grant]) -> None:
    """Replace the file as a whole."""
    temporary = root / f".{FILE}.tmp"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Grant._fields, *grants])
    temporary.replace(root / FILE)


def extension(root: Path, assignment: Any, student: str) -> datetime.timedelta | None:
    """Return how much later than others a learner may hand in, if the file says so."""
    times = [
        timestamps.parse(grant.value).replace(tzinfo=None)
        for grant in read(root)
        if (grant.assignment, grant.student, grant.kind) == (assignment.name, student, EXTENSION)
    ]
    if not times or assignment.duedate is None:
        return None
    later: datetime.timedelta = max(times) - assignment.duedate
    return later


def parts(root: Path, assignment: str, student: str) -> set[str]:
    """Return the graded cells that a learner may hand in once more."""
    return {
        f"test_{grant.value}"
        for grant in read(root)
        if (grant.assignment, grant.student, grant.kind) == (assignment, student, PART)
    }


def merge(
    result: Result, before: dict[str, Any], again: set[str], points: dict[str, float]
) -> bool:
    """Keep the marks of before but for the parts that were handed in again; say whether it did.

    Of a part that was handed in again counts the better mark. ``before`` is the stamp of
    the notebook that the learner had handed in first.
    """
    given = before.get("given", {})
    if not again or not given or before["failed"] or before["reason"]:
        return False
    for grade_id in set(given) & set(result.scores):
        value, now = given[grade_id], result.scores[grade_id]
        old = points[grade_id] if value is None else min(value, points[grade_id])
        if grade_id not in again or now is None or now < old:
            result.scores[grade_id], result.given[grade_id] = old, value
            if grade_id in before["code"]:
                result.code[grade_id] = before["code"][grade_id]
    functions = ", ".join(sorted(grade_id.removeprefix("test_") for grade_id in again))
    result.notes.append(f"{AGAIN}: {functions}; the other marks are those of before")
    return True
