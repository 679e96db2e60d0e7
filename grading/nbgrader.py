"""What nbgrader is given in ``nbgrader_config.py``: the door to the engine, and feedback.

nbgrader offers no hook in the place of its grading. It makes an exporter once it has
found the submissions and before it converts the first of them; ours, :class:`Door`, sends
the whole batch to :func:`grading.batch.grade`.
"""

import fnmatch
import functools
import os
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor

from grading import batch
from grading.assignment import CourseError
from grading.bubblewrap import SandboxError


class Door(NotebookExporter):
    """The exporter of ``nbgrader autograde`` and of formgrader's Autograde button."""

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        converter: Any = self.parent
        if hasattr(converter, "convert_notebooks"):
            converter.convert_notebooks = functools.partial(autograde, converter)


def autograde(converter: Any) -> None:
    """Grade whom nbgrader was asked to grade.

    Raises
    ------
    NbGraderException
        Where someone has no score, as nbgrader does where grading failed: the command's
        exit status is then 1, and formgrader shows the reasons.
    """
    coursedir = converter.coursedir
    excluded = coursedir.student_id_exclude.split(",")
    name = coursedir.assignment_id
    try:
        course = batch.Course(Path(coursedir.root), coursedir.db_url, converter.config)
        students = [
            student
            for student in course.handed_in(name)
            if fnmatch.fnmatchcase(student, coursedir.student_id) and student not in excluded
        ]
        report = batch.grade(
            course, name, jobs=os.cpu_count() or 1, force=converter.force, students=students
        )
    except (CourseError, SandboxError) as error:
        converter.log.error(str(error))
        raise NbGraderException(str(error)) from error
    gaps = [f"no score: {row.student}: {row.reason}" for row in report.gaps]
    for gap in gaps:
        converter.log.error(gap)
    if gaps:
        raise NbGraderException("; ".join(gaps))


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
