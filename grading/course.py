"""A course folder: who handed in what, the gradebook, and how a mark gets there.

A submission's marks, time stamp and late penalty reach the gradebook in one transaction.
A graded notebook is stamped, and written last: without a stamp no mark counts as done,
whatever a program that was killed has left behind.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading import grants, intake
from grading.assignment import Assignment, CourseError
from grading.engine import Result, earned
from grading.intake import Refused, mark
from grading.limits import Limits

SECRET = "submission_secret.txt"
LOCK_SECONDS = 60
"""How long SQLite waits for a gradebook that another program is writing to."""
UPGRADE = (
    "the gradebook was made by another version of nbgrader: make a copy of it, "
    "then run nbgrader db upgrade"
)


@dataclass
class Submission:
    """A learner's submission as it lies in its folder."""

    student: str
    folder: Path
    path: Path | None = None
    note: str = ""
    refused: str = ""
    timestamp: str = ""
    digest: str = ""
    plots: bool = False

    def data(self, assignment: Assignment) -> bytes:
        """Read the notebook.

        Raises
        ------
        Refused
            Where it cannot be read.
        """
        assert self.path is not None
        return intake.read(self.path, assignment.limits)


class Course:
    """A course folder with its nbgrader configuration.

    Parameters
    ----------
    root : Path
    db_url : str, optional
        Where the gradebook is, if not where the configuration says.
    config : traitlets.config.Config, optional
        The configuration, if it has been read already.

    Raises
    ------
    CourseError
        Where there is no configuration.
    """

    def __init__(self, root: Path, db_url: str | None = None, config: Any = None) -> None:
        # nbgrader calls the command alembic when it makes a gradebook.
        scripts = str(Path(sys.executable).parent)
        if scripts not in os.environ.get("PATH", "").split(os.pathsep):
            os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
        from nbgrader.coursedir import CourseDirectory
        from traitlets.config import Config, PyFileConfigLoader

        from grading.limits import Isolate

        root = root.resolve()
        if config is None:
            if not (root / "nbgrader_config.py").is_file():
                raise CourseError(f"{root} is no course: there is no nbgrader_config.py")
            config = PyFileConfigLoader("nbgrader_config.py", str(root)).load_config()
        self.config = Config(config)
        self.config.CourseDirectory.root = str(root)
        if db_url:
            self.config.CourseDirectory.db_url = db_url
        self.coursedir = CourseDirectory(config=self.config)
        self.coursedir.db_url = patient(self.coursedir.db_url)
        self.options = Isolate(config=self.config)
        self.root = root

    def folder(self, step: str, student: str, assignment: str) -> Path:
        """Return the folder of one step of nbgrader's."""
        directory = getattr(self.coursedir, f"{step}_directory")
        return Path(self.coursedir.format_path(directory, student, assignment))

    def gradebook(self) -> Any:
        """Open the gradebook.

        Raises
        ------
        CourseError
            Where it cannot be opened, or is one of an older nbgrader.
        """
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SQLAlchemyError

        try:
            check_columns(self.coursedir.db_url)
            return Gradebook(self.coursedir.db_url, self.coursedir.course_id)
        except SQLAlchemyError as error:
            raise CourseError(told(error)) from error

    def prepare(self, gradebook: Any, name: str, isolated: bool | None = None) -> Assignment:
        """Bring the gradebook up to date with an assignment's source, and load it.

        Raises
        ------
        CourseError
            Where source, release and gradebook do not fit together.
        """
        from grading.assignment import load
        from grading.origin import Origin
        from grading.registration import register

        register(self, gradebook, name)
        isolated = self.options.sandbox if isolated is None else isolated
        release = self.folder("release", ".", name)
        source = self.folder("source", ".", name)
        learners = Origin(config=self.config).files(name)
        limits = self.options.limits()
        return load(gradebook, release, source, name, name, learners, limits, isolated)

    def roster(self, gradebook: Any, name: str) -> list[str]:
        """List the learners of the gradebook and those who handed something in."""
        names = {student.id for student in gradebook.students}
        return sorted(names | set(self.handed_in(name)))

    def handed_in(self, name: str) -> list[str]:
        """List the learners who handed something in."""
        pattern = self.folder("submitted", "*", name)
        return sorted(path.parent.name for path in pattern.parent.parent.glob(f"*/{name}"))

    def submission(self, assignment: Assignment, student: str) -> Submission | None:
        """Look at a learner's submission; ``None`` where there is none."""
        from grading.timestamps import read_timestamp, zone_of

        folder = self.folder("submitted", student, assignment.name)
        if not os.path.lexists(folder):
            return None
        submission = Submission(student, folder)
        content = b""
        try:
            intake.check_folder(folder)
            submission.timestamp = read_timestamp(folder, zone_of(self.config))
            submission.path, submission.note = intake.find_notebook(folder, assignment.notebook)
            content = submission.data(assignment)
        except Refused as error:
            submission.refused = str(error)
        submission.plots = b"matplotlib" in content
        state = [assignment.digest(), submission.note, submission.refused]
        seed = json.dumps(state).encode()
        submission.digest = hashlib.sha256(seed + content).hexdigest()
        return submission

    def graded(self, assignment: Assignment, student: str) -> dict[str, Any]:
        """Return the stamp of a finished notebook: how it was graded; empty where there is none."""
        try:
            state = json.loads(self.graded_path(assignment, student).read_text(encoding="utf-8"))
            stamp = dict(state["metadata"]["grading"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return stamp if stamp.get("finished") is True else {}

    def graded_path(self, assignment: Assignment, student: str) -> Path:
        """Return where a learner's graded notebook is kept."""
        folder = self.folder("autograded", student, assignment.name)
        return folder / f"{assignment.notebook}.ipynb"

    # -- writing

    def keep(
        self, gradebook: Any, assignment: Assignment, submission: Submission, result: Result
    ) -> None:
        """Save marks in the gradebook, then the graded notebook with its stamp.

        Whenever this is killed, the notebook is gone or belongs to the marks in the
        gradebook, and so does the time stamp beside it.
        """
        path = self.graded_path(assignment, submission.student)
        path.parent.mkdir(parents=True, exist_ok=True)
        before = self.graded(assignment, submission.student)
        again = grants.parts(self.root, assignment.name, submission.student)
        if grants.merge(result, before, again, assignment.points):
            # The other parts are as late as they were.
            submission.timestamp = before.get("timestamp", submission.timestamp)
        stamp(result, assignment, submission)
        with keyboard_later():
            by_hand = self._save(gradebook, assignment, submission, result, before)
            result.notebook["metadata"]["grading"]["by_hand"] = by_hand
            text = json.dumps(result.notebook, indent=1, ensure_ascii=False)
            path.unlink(missing_ok=True)
            for name, content in exchange_files(submission.folder, submission.timestamp).items():
                write(path.with_name(name), content)
            gradebook.db.commit()
            write(path, text)
        gradebook.db.expire_all()

    def remark(
        self,
        gradebook: Any,
        assignment: Assignment,
        submission: Submission,
        state: dict[str, Any],
    ) -> bool:
        """Bring marks up to date with all that needs no run; say whether that changed them.

        That is the points of the cells, the time stamp, extensions and late penalties.
        """
        from nbgrader.utils import parse_utc

        entry = gradebook.find_submission(assignment.name, submission.student)
        (notebook,) = (n for n in entry.notebooks if n.name == assignment.notebook)
        grades = {grade.name: grade for grade in notebook.grades}

        def marks() -> list[Any]:
            scores = [grade.auto_score for grade in grades.values()]
            return [entry.timestamp, entry.extension, notebook.late_submission_penalty, *scores]

        before = marks()
        with keyboard_later():
            for grade_id, given in state["given"].items():
                grades[grade_id].auto_score = earned(given, assignment.points[grade_id])
            if submission.timestamp and not any(grants.AGAIN in n for n in state["notes"]):
                entry.timestamp = parse_utc(submission.timestamp)
            gradebook.db.flush()
            self._penalise(entry, notebook, submission.student)
            changed = marks() != before
            if changed:
                gradebook.db.commit()
                folder = self.folder("autograded", submission.student, assignment.name)
                for name, text in exchange_files(submission.folder, submission.timestamp).items():
                    write(folder / name, text)
            else:
                gradebook.db.rollback()
        gradebook.db.expire_all()
        return changed

    def _save(
        self,
        gradebook: Any,
        assignment: Assignment,
        submission: Submission,
        result: Result,
        before: dict[str, Any],
    ) -> dict[str, list[Any]]:
        """Put marks into the gradebook, and commit nothing yet.

        A mark that a person set stays, and waits for a person again only where the
        learner's code has changed since. Returns these marks, with the code that they
        are for.
        """
        from nbformat import from_dict
        from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution

        entry = entry_of(gradebook, assignment.name, submission.student, submission.timestamp)
        (notebook,) = (n for n in entry.notebooks if n.name == assignment.notebook)
        grades = {grade.name: grade for grade in notebook.grades}
        comments = {comment.name: comment for comment in notebook.comments}
        by_hand: dict[str, list[Any]] = {}
        for data in result.notebook["cells"]:
            cell = from_dict(data)
            grade_id: str = mark(data).get("grade_id", "")
            if is_grade(cell):
                if grade_id in result.scores:
                    score = result.scores[grade_id]
                else:
                    score, _ = determine_grade(cell)
                grade = grades[grade_id]
                grade.auto_score = score
                waits = score is None or bool(result.reason)
                if grade.manual_score is not None:
                    code = before.get("code", {}).get(grade_id)
                    known = before.get("by_hand", {}).get(grade_id, [None, None])
                    if grade.needs_manual_grade and known[0] == grade.manual_score:
                        code = known[1]
                    by_hand[grade_id] = [grade.manual_score, code]
                    waits = not before or code != result.code.get(grade_id)
                grade.needs_manual_grade = waits
            if is_solution(cell):
                untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                comments[grade_id].auto_comment = "No response." if untouched else None
        gradebook.db.flush()
        self._penalise(entry, notebook, submission.student)
        gradebook.db.flush()
        return by_hand

    def _penalise(self, entry: Any, notebook: Any, student: str) -> None:
        """Assign the late penalty, as nbgrader's own preprocessor does."""
        from nbgrader.preprocessors import AssignLatePenalties

        later = grants.extension(self.root, entry.assignment, student)
        if later is not None:
            entry.extension = later
        step = AssignLatePenalties(config=self.config)
        step.log.setLevel(logging.ERROR)
        step.init_plugin()
        notebook.late_submission_penalty = None
        if entry.total_seconds_late > 0:
            penalty = step.plugin_inst.late_submission_penalty(
                student, notebook.score, entry.total_seconds_late
            )
            if penalty is not None:
                notebook.late_submission_penalty = step._check_late_penalty(notebook, penalty)


def patient(url: str) -> str:
    """Have SQLite wait for another program that is writing."""
    if not url.startswith("sqlite") or "timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}timeout={LOCK_SECONDS}"


def check_columns(url: str) -> None:
    """Look whether a gradebook, where there is one, is of this nbgrader's kind.

    Raises
    ------
    CourseError
        Where it lacks something. nbgrader would first add some of it, and fail later.
    """
    from nbgrader.api import Base
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.pool import NullPool

    inspector = inspect(create_engine(url, poolclass=NullPool))
    there = set(inspector.get_table_names())
    if not there:
        return
    for table in Base.metadata.sorted_tables:
        columns = (
            {c["name"] for c in inspector.get_columns(table.name)} if table.name in there else set()
        )
        if not columns >= set(table.columns.keys()):
            raise CourseError(UPGRADE)


def told(error: Exception) -> str:
    """Put an error of the gradebook's database into one line that says what to do."""
    words = str(getattr(error, "orig", None) or error).strip().splitlines()
    first = words[0] if words else type(error).__name__
    if "locked" in first:
        return (
            f"another program has kept the gradebook locked for {LOCK_SECONDS} seconds; "
            "close it (formgrader, another grading, a database browser) and say this again"
        )
    if "no such column" in first or "no such table" in first or "does not exist" in first:
        return UPGRADE
    return f"the gradebook: {first}"


def entry_of(gradebook: Any, assignment: str, student: str, timestamp: str) -> Any:
    """Find a learner's entry in the gradebook, or make one, in the transaction under way.

    nbgrader's own ways of doing this commit at once: killed after that, they leave a
    learner with 0 points.
    """
    from nbgrader import api
    from nbgrader.utils import parse_utc

    try:
        entry = gradebook.find_submission(assignment, student)
    except api.MissingEntry:
        try:
            person = gradebook.find_student(student)
        except api.MissingEntry:
            person = api.Student(id=student)
            gradebook.db.add(person)
        entry = api.SubmittedAssignment(
            assignment=gradebook.find_assignment(assignment), student=person
        )
        with gradebook.db.no_autoflush:
            for original in entry.assignment.notebooks:
                notebook = api.SubmittedNotebook(notebook=original, assignment=entry)
                for cell in (*original.grade_cells, *original.task_cells):
                    api.Grade(cell_id=cell.id, notebook=notebook)
                for cell in (*original.solution_cells, *original.task_cells):
                    api.Comment(cell_id=cell.id, notebook=notebook)
        gradebook.db.add(entry)
        gradebook.db.flush()
    if timestamp:
        entry.timestamp = parse_utc(timestamp)
    return entry


def stamp(result: Result, assignment: Assignment, submission: Submission) -> None:
    """Write into a graded notebook how it was graded, and that it was to the end."""
    result.notebook["metadata"]["grading"] = {
        "digest": submission.digest,
        "timestamp": submission.timestamp,
        "finished": True,
        "failed": None in result.scores.values(),
        "sandbox": assignment.isolated,
        "reason": result.reason,
        "notes": result.notes,
        "limits": result.limits,
        "mistakes": result.mistakes,
        "given": result.given,
        "code": result.code,
        "seed": assignment.seed_mark(),
        "seconds": round(result.seconds, 3),
    }
    if result.reason:
        # Formgrader shows the notebook from its beginning.
        words = f"**Not graded: {intake.escape_markdown(result.reason)}.**"
        cell = {"cell_type": "markdown", "id": "not-graded", "metadata": {}, "source": words}
        result.notebook["cells"].insert(0, cell)
    if not assignment.isolated:
        words = "Graded without a sandbox: the score can be trusted no more than the code."
        cell = {"cell_type": "markdown", "id": "no-sandbox", "metadata": {}, "source": words}
        result.notebook["cells"].insert(0, cell)


def exchange_files(folder: Path, timestamp: str) -> dict[str, str]:
    """Return what must stand beside a graded notebook for ``nbgrader release_feedback``.

    It fails on everyone where one submission lacks a file, or has an empty secret. The
    secret, which ``nbgrader submit`` makes, names the feedback in the exchange; where
    there is none to be trusted, a new one does, by which nobody can fetch it.
    """
    from grading.timestamps import TIMESTAMP

    secret = ""
    with contextlib.suppress(Refused, UnicodeDecodeError):
        intake.check_folder(folder)
        secret = intake.read(folder / SECRET, Limits(notebook=1000)).decode("ascii")
    if not re.fullmatch("[0-9a-f]{64,}", secret):
        secret = secrets.token_hex(64)
    return {TIMESTAMP: timestamp, SECRET: secret}


def write(path: Path, text: str) -> None:
    """Replace a file as a whole; nbgrader leaves its own read-only."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o444)
    temporary.replace(path)


@contextlib.contextmanager
def keyboard_later() -> Iterator[None]:
    """Hold an interrupt from the keyboard back until a submission is saved as a whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = False

    def remember(number: int, frame: Any) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
