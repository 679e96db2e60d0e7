"""What nbgrader runs instead of its own steps: `nbgrader_config.py` names these classes.

``nbgrader autograde`` and formgrader's Autograde button make a
:class:`SubmissionExporter` for each batch. From there on, every submission is rebuilt
from the release (:class:`Rebuild`), graded in isolation (:class:`Isolate`) and saved
(:class:`SaveScores`) by nbgrader's own converter, gradebook and late penalties.
"""

import atexit
import contextlib
import fnmatch
import functools
import glob
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades
from traitlets import Bool, Integer

from grading import intake
from grading.assignment import Assignment, load
from grading.engine import Grader, Result
from grading.limits import Limits
from grading.origin import Origin
from grading.timestamps import TIMESTAMP, read_timestamp

SECRET = "submission_secret.txt"


def exchange_files(folder: Path, timestamp: str) -> dict[str, str]:
    """Return what must stand beside a graded notebook for ``nbgrader release_feedback``.

    It fails on everyone where one submission lacks a file, or has an empty secret. The
    secret, which ``nbgrader submit`` makes, names the feedback in the exchange; where
    there is none to be trusted, a new one does, by which nobody can fetch it.
    """
    secret = ""
    with contextlib.suppress(intake.Refused, UnicodeDecodeError):
        intake.check_folder(folder)
        secret = intake.read(folder / SECRET, Limits(notebook=1000)).decode("ascii")
    if not re.fullmatch("[0-9a-f]{64,}", secret):
        secret = secrets.token_hex(64)
    return {TIMESTAMP: timestamp, SECRET: secret}


class Configured(NbGraderPreprocessor):
    """A step that finds its assignment through the converter that runs it."""

    def assignment(self, resources: dict[str, Any]) -> Assignment:
        """Load the assignment that a notebook belongs to."""
        coursedir = self.parent.parent.coursedir
        about = resources["nbgrader"]
        release = coursedir.format_path(coursedir.release_directory, ".", about["assignment"])
        options = Isolate(config=self.config)
        with Gradebook(about["db_url"], coursedir.course_id) as gradebook:
            return load(
                gradebook,
                Path(release),
                about["assignment"],
                about["notebook"],
                Origin(config=self.config).files(about["assignment"]),
                options.limits(),
                options.sandbox,
            )


class SubmissionExporter(NotebookExporter):
    """Reads submissions that nbgrader's own reader fails on, and copies none of their files."""

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        converter = self.parent
        if converter is None or not hasattr(converter, "assignments"):
            return
        # nbgrader offers no hook between finding submissions and copying their files. The
        # exporter is made between the two.
        converter.init_assignment = functools.partial(
            receive_submission, converter, converter.init_assignment
        )
        converter.init_destination = functools.partial(
            try_again, converter, converter.init_destination
        )
        converter.convert_notebooks = functools.partial(
            report_gaps, converter, converter.convert_notebooks
        )
        expect_notebooks(converter)

    def from_filename(self, filename: str, resources: Any = None, **kwargs: Any) -> Any:
        """Convert a notebook; a submitted one is left to :class:`Rebuild` to read."""
        if not any(isinstance(step, Rebuild) for step in self._preprocessors):
            return super().from_filename(filename, resources, **kwargs)
        resources = resources or {}
        resources["submission"] = filename
        return self.from_notebook_node(nbformat.v4.new_notebook(), resources, **kwargs)


def expect_notebooks(converter: Any) -> None:
    """Have every submission folder graded, whatever its notebooks are called."""
    coursedir = converter.coursedir
    pattern = converter._format_source(coursedir.assignment_id, coursedir.student_id)
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            names = [n.name for n in gradebook.find_assignment(coursedir.assignment_id).notebooks]
        except MissingEntry:
            return
    if coursedir.notebook_id != "*":
        names = [name for name in names if fnmatch.fnmatch(name, coursedir.notebook_id)]
    for folder in glob.glob(pattern):
        converter.assignments[folder] = [os.path.join(folder, f"{name}.ipynb") for name in names]


def receive_submission(converter: Any, init: Any, assignment_id: str, student_id: str) -> None:
    """Set up a submission as nbgrader does, but copy nothing of the learner's."""
    source = Path(converter._format_source(assignment_id, student_id))
    destination = Path(converter._format_dest(assignment_id, student_id))
    try:
        text = read_timestamp(source)
    except intake.Refused as error:
        raise NbGraderException(str(error)) from error
    ignore = converter.coursedir.ignore
    converter.coursedir.ignore = ["*"]
    try:
        init(assignment_id, student_id)
    finally:
        converter.coursedir.ignore = ignore
    destination.mkdir(parents=True, exist_ok=True)
    for name, content in exchange_files(source, text).items():
        (destination / name).write_text(content)


def refusal(converter: Any, assignment_id: str, student_id: str) -> str:
    """Return why a submission has no score, as its graded notebooks say; empty if it has one."""
    folder = Path(converter._format_dest(assignment_id, student_id))
    for path in sorted(folder.glob("*.ipynb")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))["metadata"]["grading"]
            if state["reason"]:
                return str(state["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""


def try_again(converter: Any, init: Any, assignment_id: str, student_id: str) -> bool:
    """Decide whether a submission is graded: one without a score always is.

    nbgrader, too, tries again what failed.
    """
    force = converter.force
    converter.force = force or bool(refusal(converter, assignment_id, student_id))
    try:
        return bool(init(assignment_id, student_id))
    finally:
        converter.force = force


def report_gaps(converter: Any, convert: Any) -> None:
    """Grade everyone, then fail where someone has no score, as nbgrader does.

    Raises
    ------
    NbGraderException
        The command's exit status is then 1, and formgrader shows the reasons.
    """
    try:
        convert()
    finally:
        pattern = converter._format_source("(?P<assignment>.*)", "(?P<student>.*)", escape=True)
        gaps = []
        for folder in sorted(converter.assignments):
            match = re.match(pattern, folder)
            reason = refusal(converter, match["assignment"], match["student"]) if match else ""
            if match and reason:
                gaps.append(f"no score: {match['student']}: {reason}")
                converter.log.error(gaps[-1])
    if gaps:
        raise NbGraderException("; ".join(gaps))


class Rebuild(Configured):
    """First pass: the released notebook with the learner's code in it."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Rebuild the notebook, or say in its metadata why that cannot be."""
        assignment = self.assignment(resources)
        path = Path(resources["submission"])
        state: dict[str, Any] = {"refused": "", "notes": []}
        cells: list[intake.Cell] = []
        try:
            intake.check_folder(path.parent)
            path, note = intake.find_notebook(path.parent, assignment.notebook)
            state["notes"] = [note] if note else []
            cells = intake.parse(intake.read(path, assignment.limits), assignment.limits)
        except intake.Refused as error:
            state["refused"] = str(error)
            self.log.error("%s: %s", resources["nbgrader"]["student"], error)
        notebook = intake.rebuild(assignment.released, cells)
        notebook["metadata"]["grading"] = state
        return nbformat.from_dict(notebook), resources


_graders: dict[str, Grader] = {}


def grader_of(assignment: Assignment) -> Grader:
    """Return a warm grader; one at a time is kept."""
    digest = assignment.digest()
    if digest not in _graders:
        close_graders()
        _graders[digest] = Grader(assignment)
    return _graders[digest]


@atexit.register
def close_graders() -> None:
    """Stop the sandboxes' parents."""
    while _graders:
        _graders.popitem()[1].close()


class Isolate(Configured):
    """Second pass: learner's cells in a sandbox, tests in this process."""

    sandbox = Bool(True, help="Whether learners' code runs in a sandbox.").tag(config=True)
    cell_seconds = Integer(20, help="Wall time of a cell.").tag(config=True)
    call_seconds = Integer(10, help="Wall time of a call that a test makes.").tag(config=True)
    submission_seconds = Integer(120, help="Wall time of a submission.").tag(config=True)
    memory_megabytes = Integer(2048, help="Memory of a sandbox.").tag(config=True)
    storage_megabytes = Integer(64, help="Files of a sandbox.").tag(config=True)

    def limits(self) -> Limits:
        """Return the configured limits."""
        return Limits(
            cell_seconds=self.cell_seconds,
            call_seconds=self.call_seconds,
            submission_seconds=self.submission_seconds,
            cpu_seconds=self.submission_seconds,
            memory=self.memory_megabytes << 20,
            storage=self.storage_megabytes << 20,
        )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Grade the notebook; the scores go on in ``resources``."""
        assignment = self.assignment(resources)
        state = nb.metadata.get("grading", {})
        grader = grader_of(assignment)
        if state.get("refused"):
            result = grader.refuse(state["refused"])
        else:
            result = grader.grade_notebook(nb, list(state.get("notes", [])))
        stamp(result, assignment)
        resources["grading"] = result
        return nbformat.from_dict(result.notebook), resources


def stamp(result: Result, assignment: Assignment, digest: str = "") -> None:
    """Write into a graded notebook how it was graded."""
    result.notebook["metadata"]["grading"] = {
        "digest": digest,
        "sandbox": assignment.isolated,
        "reason": result.reason,
        "notes": result.notes,
        "limits": result.limits,
        "mistakes": result.mistakes,
        "seconds": round(result.seconds, 3),
    }
    if not assignment.isolated:
        words = "Graded without a sandbox: the score can be trusted no more than the code."
        cell = {"cell_type": "markdown", "id": "no-sandbox", "metadata": {}, "source": words}
        result.notebook["cells"].insert(0, cell)


class SaveScores(SaveAutoGrades):
    """Saves scores; what could not be graded is left for a person to look at."""

    def _add_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._add_score(cell, resources)
        result: Result = resources["grading"]
        grade_id = cell.metadata.nbgrader["grade_id"]
        if result.reason and grade_id in result.scores:
            grade = self.gradebook.find_grade(
                grade_id, self.notebook_id, self.assignment_id, self.student_id
            )
            grade.auto_score = result.scores[grade_id]
            grade.needs_manual_grade = True
            self.gradebook.db.commit()


class PlainFeedback(NbGraderPreprocessor):
    """Takes out of a page for learners what is not for them, however the notebook was graded."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        """Drop hidden tests' source and tracebacks, and outputs that a browser would run."""
        if cell.cell_type == "code":
            if cell.metadata.get("nbgrader", {}).get("grade"):
                cell.source = without_hidden_tests(cell.source)
                for output in cell.outputs:
                    if output.output_type == "error":
                        output.traceback = [
                            output.evalue if output.ename == "NotGraded" else output.ename
                        ]
            for output in cell.outputs:
                for kind in set(output.get("data", {})) - {"text/plain", "image/png"}:
                    del output.data[kind]
        return cell, resources


def without_hidden_tests(source: str) -> str:
    """Cut the regions between ``BEGIN HIDDEN TESTS`` and ``END HIDDEN TESTS``."""
    kept, hidden = [], False
    for line in source.splitlines():
        if "BEGIN HIDDEN TESTS" in line:
            hidden = True
        if not hidden:
            kept.append(line)
        if "END HIDDEN TESTS" in line:
            hidden = False
    return "\n".join(kept)
