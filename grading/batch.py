"""Grades a class: intake, workers, gradebook, and a row for everyone on the roster.

Workers grade and touch neither gradebook nor course folder; this process alone writes,
one submission at a time and as a whole, so that an interrupted batch can go on where
it was. A submission is graded again only when it, the tests or the limits changed.
"""

import contextlib
import csv
import dataclasses
import hashlib
import json
import logging
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from grading import intake
from grading.assignment import Assignment, CourseError
from grading.engine import Grader, Result, refuse
from grading.intake import Refused, mark
from grading.sandbox import SandboxMissing, SandboxUnusable

PLOTTING = ("matplotlib.pyplot", "matplotlib_inline.backend_inline")
"""Imported ahead where a submission draws: it takes longer than all else together."""
DASK = {
    # What it records of itself grows with the batch and takes time.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.log-length": 60,
    "distributed.admin.log-length": 100,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.large-graph-warning-threshold": "1GB",
}
WINDOW = 3
"""Submissions under way for each worker."""


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


# --- workers ---------------------------------------------------------------------

_lock = threading.RLock()
_warm: dict[str, Grader] = {}


def grade_here(assignment: Assignment, digest: str, data: bytes, note: str) -> Result:
    """Grade one submission in this process, which keeps a warm sandbox for the next.

    Tests change the process's folder and output, so there is one at a time.
    """
    with _lock:
        if digest not in _warm:
            close_graders()
            _warm[digest] = Grader(assignment)
        return _warm[digest].grade(data, [note] if note else [])


def close_graders() -> None:
    """Stop the sandboxes' parents of this process."""
    with _lock:
        while _warm:
            _warm.popitem()[1].close()


class Workers:
    """Where submissions are graded: here, in a local cluster, or on a running scheduler.

    Parameters
    ----------
    jobs : int
        1 grades in this process.
    scheduler : str, optional
        Address of a running ``dask`` scheduler; its workers need this package installed.
    """

    def __init__(self, jobs: int, scheduler: str | None = None) -> None:
        self.jobs = jobs
        self.scheduler = scheduler

    def map(
        self, assignment: Assignment, submissions: list[Submission]
    ) -> Iterator[tuple[Submission, Result]]:
        """Yield submissions with their results as they come.

        Raises
        ------
        SandboxUnusable
            Where sandboxes do not work on this machine.
        """
        if self.jobs == 1 and self.scheduler is None:
            yield from self._serial(assignment, submissions)
        else:
            yield from self._parallel(assignment, submissions)

    def _serial(
        self, assignment: Assignment, submissions: list[Submission]
    ) -> Iterator[tuple[Submission, Result]]:
        digest = assignment.digest()
        try:
            for submission in submissions:
                yield submission, _guarded(assignment, digest, submission)
        finally:
            close_graders()

    def _parallel(
        self, assignment: Assignment, submissions: list[Submission]
    ) -> Iterator[tuple[Submission, Result]]:
        import dask
        from distributed import Client, LocalCluster, as_completed

        dask.config.set(DASK)
        cluster = None
        if self.scheduler is None:
            with _keyboard_ignored():
                cluster = LocalCluster(
                    n_workers=self.jobs,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
        digest = assignment.digest()
        client = Client(cluster or self.scheduler, set_as_default=False)
        try:
            client.run(_adopt)
            shared = client.scatter(assignment, broadcast=True, hash=False)
            waiting = iter(submissions)
            under_way: dict[Any, Submission] = {}
            running = as_completed(loop=client.loop)

            def feed() -> Iterator[tuple[Submission, Result]]:
                for submission in waiting:
                    try:
                        data = submission.data(assignment)
                    except Refused as error:
                        yield submission, refuse(assignment, str(error))
                        continue
                    future = client.submit(
                        grade_here, shared, digest, data, submission.note, pure=False, retries=1
                    )
                    under_way[future] = submission
                    running.add(future)
                    return

            width = WINDOW * max(1, len(client.nthreads()))
            for _ in range(width):
                yield from feed()
            for future in running:
                submission = under_way.pop(future)
                error = future.exception()
                if isinstance(error, SandboxUnusable):
                    raise error
                result = future.result() if error is None else broken(assignment, error)
                future.release()
                yield submission, result
                yield from feed()
        finally:
            if cluster is not None:
                client.close()
                cluster.close()
            else:
                client.run(close_graders)
                client.close()


@contextlib.contextmanager
def _keyboard_ignored() -> Iterator[None]:
    """Start processes that an interrupt from the keyboard, meant for this one, leaves alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _keyboard_later() -> Iterator[None]:
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


def _adopt() -> None:
    """Have a worker stop its sandboxes when it ends."""
    import atexit

    atexit.register(close_graders)


def _guarded(assignment: Assignment, digest: str, submission: Submission) -> Result:
    try:
        return grade_here(assignment, digest, submission.data(assignment), submission.note)
    except Refused as error:
        return refuse(assignment, str(error))
    except SandboxUnusable:
        raise
    except Exception as error:
        return broken(assignment, error)


def broken(assignment: Assignment, error: BaseException) -> Result:
    """Return the result of a submission on which the engine itself failed."""
    result = refuse(assignment, "grading it failed; this is no fault of the submission")
    result.scores = dict.fromkeys(assignment.points)
    result.notes.append(f"{type(error).__name__}: {error}"[:500])
    return result


# --- the course folder and the gradebook -----------------------------------------


class Course:
    """A course folder with its nbgrader configuration.

    Parameters
    ----------
    root : Path
    db_url : str, optional
        Where the gradebook is, if not where the configuration says.
    """

    def __init__(self, root: Path, db_url: str | None = None) -> None:
        # nbgrader calls the command alembic when it makes a gradebook.
        scripts = str(Path(sys.executable).parent)
        if scripts not in os.environ.get("PATH", "").split(os.pathsep):
            os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
        from nbgrader.coursedir import CourseDirectory
        from sqlalchemy.exc import SAWarning
        from traitlets.config import PyFileConfigLoader

        from grading.preprocessors import Isolate

        # nbgrader's way of adding a submission to its session makes five of these each time.
        warnings.filterwarnings("ignore", category=SAWarning, message=".*not in session")
        root = root.resolve()
        path = root / "nbgrader_config.py"
        if not path.is_file():
            raise CourseError(f"{root} is no course: there is no nbgrader_config.py")
        self.config = PyFileConfigLoader("nbgrader_config.py", str(root)).load_config()
        self.config.CourseDirectory.root = str(root)
        if db_url:
            self.config.CourseDirectory.db_url = db_url
        self.coursedir = CourseDirectory(config=self.config)
        self.options = Isolate(config=self.config)
        self.root = root

    def folder(self, step: str, student: str, assignment: str) -> Path:
        """Return the folder of one step of nbgrader's."""
        directory = getattr(self.coursedir, f"{step}_directory")
        return Path(self.coursedir.format_path(directory, student, assignment))

    def gradebook(self) -> Any:
        """Open the gradebook."""
        from nbgrader.api import Gradebook

        return Gradebook(self.coursedir.db_url, self.coursedir.course_id)

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
        lib = Origin(config=self.config).files(name)
        return load(gradebook, release, name, name, lib, self.options.limits(), isolated)

    def roster(self, gradebook: Any, name: str) -> list[str]:
        """List the learners of the gradebook and those who handed something in."""
        names = {student.id for student in gradebook.students}
        pattern = self.folder("submitted", "*", name)
        for path in pattern.parent.parent.glob(f"*/{name}"):
            names.add(path.parent.name)
        return sorted(names)

    def submission(self, assignment: Assignment, student: str) -> Submission | None:
        """Look at a learner's submission; ``None`` where there is none."""
        from grading.timestamps import read_timestamp

        folder = self.folder("submitted", student, assignment.name)
        if not os.path.lexists(folder):
            return None
        submission = Submission(student, folder)
        content = b""
        try:
            intake.check_folder(folder)
            submission.timestamp = read_timestamp(folder)
            submission.path, submission.note = intake.find_notebook(folder, assignment.notebook)
            content = submission.data(assignment)
        except Refused as error:
            submission.refused = str(error)
        submission.plots = b"matplotlib" in content
        state = [assignment.digest(), submission.note, submission.refused, submission.timestamp]
        seed = json.dumps(state).encode()
        submission.digest = hashlib.sha256(seed + content).hexdigest()
        return submission

    def graded(self, assignment: Assignment, student: str) -> dict[str, Any]:
        """Return what the graded notebook says of how it was graded, if there is one."""
        path = self.folder("autograded", student, assignment.name) / f"{assignment.notebook}.ipynb"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))["metadata"]["grading"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    # -- writing

    def keep(
        self, gradebook: Any, assignment: Assignment, submission: Submission, result: Result
    ) -> None:
        """Save scores in the gradebook, then the graded notebook."""
        from grading.preprocessors import exchange_files, stamp

        with _keyboard_later():
            self._save(gradebook, assignment, submission, result)
            stamp(result, assignment, submission.digest)
            folder = self.folder("autograded", submission.student, assignment.name)
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in exchange_files(submission.folder, submission.timestamp).items():
                _write(folder / name, content)
            text = json.dumps(result.notebook, indent=1, ensure_ascii=False)
            _write(folder / f"{assignment.notebook}.ipynb", text)

    def _save(
        self, gradebook: Any, assignment: Assignment, submission: Submission, result: Result
    ) -> None:
        from nbformat import from_dict
        from nbgrader.api import MissingEntry
        from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution

        student = submission.student
        try:
            gradebook.find_student(student)
        except MissingEntry:
            gradebook.add_student(student)
        when = {"timestamp": submission.timestamp} if submission.timestamp else {}
        entry = gradebook.update_or_create_submission(assignment.name, student, **when)
        (notebook,) = (n for n in entry.notebooks if n.name == assignment.notebook)
        grades = {grade.name: grade for grade in notebook.grades}
        comments = {comment.name: comment for comment in notebook.comments}
        for data in result.notebook["cells"]:
            cell = from_dict(data)
            grade_id = mark(data).get("grade_id")
            if is_grade(cell):
                if grade_id in result.scores:
                    score = result.scores[grade_id]
                else:
                    score, _ = determine_grade(cell)
                grade = grades[grade_id]
                grade.auto_score = score
                seen = grade.manual_score is not None or score is None or bool(result.reason)
                grade.needs_manual_grade = seen
            if is_solution(cell):
                untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                comments[grade_id].auto_comment = "No response." if untouched else None
        gradebook.db.flush()
        self._penalise(entry, notebook, student)
        gradebook.db.commit()
        gradebook.db.expire_all()

    def _penalise(self, entry: Any, notebook: Any, student: str) -> None:
        """Assign the late penalty, as nbgrader's own preprocessor does."""
        from nbgrader.preprocessors import AssignLatePenalties

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


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; nbgrader leaves its own read-only."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o444)
    temporary.replace(path)


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
        Workers of the local cluster; 1 grades in this process.
    scheduler : str, optional
        Address of a running scheduler, instead of a local cluster.
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

    if course.graded(assignment, submission.student).get("digest") != submission.digest:
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
