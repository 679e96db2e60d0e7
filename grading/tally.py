"""What a graded class has done, gathered for the summary: parts, people, code, history."""

import contextlib
import csv
import datetime
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from grading.intake import mark, source_of


class Part(NamedTuple):
    """What a learner got for a function, and for what code."""

    function: str
    score: float
    points: float
    by_hand: float | None = None
    """The mark that a person set; ``score`` is that one then."""
    tested: float | None = None
    """What the tests gave."""
    look_again: bool = False
    """Whether the code has changed since a person set the mark, or nobody has set one."""
    code: str = ""
    words: str = ""
    written: bool = True


class Learner(NamedTuple):
    """One of the class."""

    id: str
    name: str
    row: Any
    parts: dict[str, Part]
    handed_in: str = ""
    late: str = ""
    penalty: float = 0.0
    mistakes: tuple[str, ...] = ()


def function_of(grade_id: str) -> str:
    """Return the function that a graded cell tests."""
    return grade_id.removeprefix("test_")


def learners(gradebook: Any, course: Any, report: Any) -> list[Learner]:
    """Gather everyone of a report, in its order."""
    people = {person.id: person for person in gradebook.students}
    entries = {e.student_id: e for e in gradebook.assignment_submissions(report.assignment)}
    stubs = _solutions(_cells(course.folder("release", ".", report.assignment), report.assignment))
    made = []
    for row in report.rows:
        entry, person = entries.get(row.student), people.get(row.student)
        first, last = (person.first_name, person.last_name) if person else ("", "")
        state = report.results.get(row.student, {})
        parts: dict[str, Part] = {}
        if entry is not None and not row.gap:
            folder = course.folder("autograded", row.student, report.assignment)
            parts = dict(_parts(entry, folder, report.assignment, stubs))
        made.append(
            Learner(
                row.student,
                ", ".join(word for word in (last, first) if word),
                row,
                parts,
                f"{entry.timestamp:%Y-%m-%d %H:%M} UTC" if entry and entry.timestamp else "",
                lateness(entry.total_seconds_late) if entry else "",
                sum(n.late_submission_penalty or 0.0 for n in entry.notebooks) if entry else 0.0,
                tuple(dict.fromkeys(state.get("mistakes", []))),
            )
        )
    return made


def lateness(seconds: float) -> str:
    """Write how late something came; empty where it did not."""
    if seconds <= 0:
        return ""
    minutes = -int(-seconds // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h {minutes % 60} min" if days else f"{hours} h {minutes % 60} min"


def _parts(
    entry: Any, folder: Path, name: str, stubs: dict[str, str]
) -> Iterator[tuple[str, Part]]:
    cells = _cells(folder, name)
    codes, words = _solutions(cells), _words(cells)
    for notebook in entry.notebooks:
        for grade in notebook.grades:
            if not grade.max_score:
                continue
            function = function_of(grade.name)
            code = codes.get(function, "")
            yield (
                function,
                Part(
                    function,
                    grade.score,
                    grade.max_score,
                    grade.manual_score,
                    grade.auto_score,
                    bool(grade.needs_manual_grade),
                    code,
                    words.get(grade.name, ""),
                    bool(code.strip()) and code.strip() != stubs.get(function, "").strip(),
                ),
            )


def _cells(folder: Path, name: str) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        notebook = json.loads((folder / f"{name}.ipynb").read_text(encoding="utf-8"))
        return [cell for cell in notebook["cells"] if mark(cell)]
    return []


def _solutions(cells: list[dict[str, Any]]) -> dict[str, str]:
    return {mark(cell)["grade_id"]: source_of(cell) for cell in cells if mark(cell).get("solution")}


def _words(cells: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the tests said, by graded cell."""
    return {
        mark(cell)["grade_id"]: "".join(
            "".join(output.get("text", "")) for output in cell.get("outputs", [])
        )
        for cell in cells
        if mark(cell).get("grade") and cell["cell_type"] == "code"
    }


# --- code that is alike ----------------------------------------------------------


def alike(everyone: Iterable[Learner], lines: int = 4) -> list[tuple[str, str, list[str]]]:
    """Find pairs whose code is the same in at least half of what both have written.

    Blanks at the ends of lines and empty lines apart, the text is the same, comments and
    names included; parts of fewer than ``lines`` lines count for nothing, and neither does
    what more than ten learners have written alike.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    written: dict[str, set[str]] = {}
    for learner in everyone:
        for part in learner.parts.values():
            text = [line.rstrip() for line in part.code.splitlines() if line.strip()]
            if part.written and len(text) >= lines:
                groups[part.function, "\n".join(text)].append(learner.id)
                written.setdefault(learner.id, set()).add(part.function)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (function, _), ids in groups.items():
        if 2 <= len(ids) <= 10:
            for pair in combinations(sorted(ids), 2):
                shared[pair].append(function)
    found = [
        (one, other, functions)
        for (one, other), functions in shared.items()
        if len(functions) >= max(2, len(written[one] & written[other]) / 2)
    ]
    return sorted(found, key=lambda entry: (-len(entry[2]), entry[:2]))


def who_made(everyone: Iterable[Learner]) -> list[tuple[str, list[Learner]]]:
    """List named mistakes with those who made them, the most frequent first."""
    found: dict[str, list[Learner]] = defaultdict(list)
    for learner in everyone:
        for mistake in learner.mistakes:
            found[mistake].append(learner)
    return sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))


# --- over time -------------------------------------------------------------------

HISTORY = "history.csv"


class Moment(NamedTuple):
    """How a class stood after a grading."""

    time: str
    assignment: str
    learners: int
    scored: int
    median: str
    mean: str
    points: str


def remember(folder: Path, report: Any) -> list[Moment]:
    """Add how the class stands to the history, if that has changed; return the history.

    A report on a part of the class adds nothing.
    """
    scores = [row.score for row in report.rows if row.score is not None]
    best = report.rows[0].max_score if report.rows else 0.0
    now = Moment(
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        report.assignment,
        len(report.rows),
        len(scores),
        f"{statistics.median(scores):g}" if scores else "",
        f"{statistics.fmean(scores):.4g}" if scores else "",
        f"{best:g}",
    )
    path = folder / HISTORY
    history: list[Moment] = []
    with contextlib.suppress(OSError), path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(Moment._fields)]
        history = [Moment(r[0], r[1], int(r[2]), int(r[3]), *r[4:]) for r in rows[1:]]
    last = next((m for m in reversed(history) if m.assignment == now.assignment), None)
    if report.whole and (last is None or last[1:] != now[1:]):
        history.append(now)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([Moment._fields, *history])
        temporary.replace(path)
    return history
