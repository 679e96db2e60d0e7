"""Marks as the files that learning platforms import.

Plug-ins of ``nbgrader export``, which nbgrader finds by name::

    nbgrader export --exporter=grading.export.CanvasExport
    nbgrader export --exporter=grading.export.MoodleExport

A mark is nbgrader's: what the notebooks earned, less the late penalty, never below 0.
Where there is none yet, nothing was handed in or a person must still give it, the cell
says so instead of 0. A mark that a person set is exported, whatever became of the code.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin
from traitlets import Dict, Enum, Integer, Unicode

FORMULA = "=+-@＝＋－＠\t\r"
"""First characters of what a spreadsheet runs, the wide ones of East Asian keyboards too."""


def harmless(text: str) -> str:
    """Put a text into one line that a spreadsheet shows and does not run.

    A semicolon ends a cell where the list separator is one, as in much of Europe.
    """
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    kept = re.sub(r"[\s;]+", " ", kept).strip()
    return f"'{kept}" if kept[:1] and kept[0] in FORMULA else kept


def points(value: float) -> str:
    """Write points without a trailing ``.0``."""
    return f"{value:.10g}"


class PlatformExport(ExportPlugin):
    """What the platforms' files have in common: whom and what, marks, and one CSV."""

    default_name = Unicode("grades.csv")

    def chosen(self, gradebook: Gradebook) -> tuple[list[Any], list[Any]]:
        """List the students and assignments that are asked for, all if none are named."""
        found = []
        for kind, known, key, names in (
            ("student", gradebook.students, "id", self.student),
            ("assignment", gradebook.assignments, "name", self.assignment),
        ):
            wanted = {str(name) for name in names}
            for name in sorted(wanted - {getattr(entry, key) for entry in known}):
                self.log.error("The gradebook has no %s %r", kind, name)
            found.append([e for e in known if not wanted or getattr(e, key) in wanted])
        return found[0], found[1]

    def graded(self, gradebook: Gradebook, assignment: Any) -> dict[str, Any]:
        """Return the finished submissions of an assignment by student."""
        finished = {}
        for submission in gradebook.assignment_submissions(assignment.name):
            if any(
                grade.needs_manual_grade and grade.manual_score is None
                for notebook in submission.notebooks
                for grade in notebook.grades
            ):
                self.log.warning(
                    "No mark for %s in %s: it waits for a person's grade",
                    submission.student_id,
                    assignment.name,
                )
            else:
                finished[submission.student_id] = submission
        return finished

    @staticmethod
    def mark(submission: Any) -> str:
        """Return the mark as nbgrader's own export has it."""
        return points(max(0.0, submission.score - submission.late_submission_penalty))

    def identifier(self, text: str | None) -> str:
        """Return what the platform finds a learner by, or nothing where it would do harm.

        It cannot be made harmless, or the platform would not find the learner.
        """
        text = text or ""
        if harmless(text) == text:
            return text
        self.log.error("%r cannot stand in a spreadsheet and is left out", text)
        return ""

    def rows(self, gradebook: Gradebook) -> Iterator[list[str]]:
        """Yield the rows of the file, the header first."""
        raise NotImplementedError

    def export(self, gradebook: Gradebook) -> None:
        """Write the file."""
        path = self.to or self.default_name
        self.log.info("Exporting grades to %s", path)
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(self.rows(gradebook))


class CanvasExport(PlatformExport):
    """The CSV that Canvas's gradebook imports.

    Canvas finds a learner by ID, else by SIS User ID, SIS Login ID or name, and an
    assignment by the number in parentheses, else by its name. The row "Points Possible"
    has the assignments' points. Canvas shows what would change before it saves.

    Source: "How do I import grades in the Gradebook?", Canvas Instructor Guide,
    https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807,
    and what reads the file, ``lib/gradebook_importer.rb`` of
    https://github.com/instructure/canvas-lms.
    """

    default_name = Unicode("canvas.csv")
    section = Unicode("", help="What the column Section says.").tag(config=True)
    login = Enum(["id", "email"], "id", help="What of a student Canvas calls SIS Login ID.").tag(
        config=True
    )
    lms_column = Enum(
        ["ID", "SIS User ID"],
        "ID",
        help="What lms_user_id is: Canvas's own number, or the student information system's.",
    ).tag(config=True)
    ids = Dict(
        value_trait=Integer(),
        key_trait=Unicode(),
        help="Canvas's number of each assignment, as in its address: {'rnn': 4711}.",
    ).tag(config=True)

    def rows(self, gradebook: Gradebook) -> Iterator[list[str]]:
        """Yield the header, the points possible, and the learners."""
        students, assignments = self.chosen(gradebook)
        titles = [
            f"{a.name} ({self.ids[a.name]})" if a.name in self.ids else a.name for a in assignments
        ]
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *map(harmless, titles)]
        yield ["    Points Possible", "", "", "", "", *[points(a.max_score) for a in assignments]]
        graded = [self.graded(gradebook, assignment) for assignment in assignments]
        for student in students:
            name = ", ".join(n for n in (student.last_name, student.first_name) if n) or student.id
            number = self.identifier(student.lms_user_id)
            if self.lms_column == "ID" and not re.fullmatch("[0-9]*", number):
                # Canvas would read the digits that it begins with.
                self.log.error("%r is no number of Canvas's and is left out", number)
                number = ""
            yield [
                harmless(name),
                number if self.lms_column == "ID" else "",
                number if self.lms_column == "SIS User ID" else "",
                self.identifier(student.id if self.login == "id" else student.email),
                harmless(self.section),
                *[self.mark(g[student.id]) if student.id in g else "" for g in graded],
            ]


MOODLE_COLUMNS = {
    "username": ("Username", "id"),
    "email": ("Email address", "email"),
    "idnumber": ("ID number", "lms_user_id"),
}


class MoodleExport(PlatformExport):
    """The CSV that Moodle's grade import reads.

    The first column says who; when importing, map it to ``username``, ``useremail`` or
    ``useridnumber``. Each assignment has a column of marks and one of feedback; map both,
    since Moodle's manual warns that feedback alone overwrites the marks. Make the grade
    items first, with the maximum that this export reports.

    A mark that is not there is ``-``, as in Moodle's own exports: an empty cell would be
    0 in a column that is imported as a new grade item. A learner without the identifying
    value has no row: Moodle would give the marks of such a row to the learner before.

    Source: "Grade import", https://docs.moodle.org/en/Grade_import, and what reads the
    file, ``grade/import/csv/classes/load_data.php`` of https://github.com/moodle/moodle.
    """

    default_name = Unicode("moodle.csv")
    by = Enum(
        list(MOODLE_COLUMNS),
        "username",
        help="What Moodle finds a learner by: the student's id, email or lms_user_id.",
    ).tag(config=True)

    def rows(self, gradebook: Gradebook) -> Iterator[list[str]]:
        """Yield the header and the learners."""
        students, assignments = self.chosen(gradebook)
        header, attribute = MOODLE_COLUMNS[self.by]
        head = [header, "First name", "Last name"]
        for assignment in assignments:
            best = points(assignment.max_score)
            self.log.info("Maximum grade of %s in Moodle: %s", assignment.name, best)
            name = harmless(assignment.name)
            head += [name, f"{name} (feedback)"]
        yield head
        graded = [self.graded(gradebook, assignment) for assignment in assignments]
        for student in students:
            who = self.identifier(getattr(student, attribute))
            if who in ("", "0"):
                self.log.error("No row for %s: it has no %s", student.id, header)
                continue
            row = [who, harmless(student.first_name or ""), harmless(student.last_name or "")]
            for finished in graded:
                submission = finished.get(student.id)
                row += [self.mark(submission), feedback(submission)] if submission else ["-", ""]
            yield row


def feedback(submission: Any) -> str:
    """Say in one line what was earned where, and what a person commented."""
    words, comments = [], []
    for notebook in submission.notebooks:
        for grade in sorted(notebook.grades, key=lambda grade: str(grade.name)):
            name = grade.name.removeprefix("test_")
            words.append(f"{name} {points(grade.score)} of {points(grade.max_score)}")
        for comment in sorted(notebook.comments, key=lambda comment: str(comment.name)):
            if comment.comment:
                comments.append(f"{comment.name}: {comment.comment}")
    if submission.late_submission_penalty:
        words.append(f"late: {points(submission.late_submission_penalty)} less")
    return harmless(" | ".join([", ".join(words), *comments]))
