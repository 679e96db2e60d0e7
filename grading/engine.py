"""Grades one notebook: learner's cells in a sandbox, tests here.

A submission is run twice, each time in a sandbox of its own. The first run makes the
outputs that people see; nothing of the hidden tests has been sent there. The second
serves the hidden tests' calls, each test at its place among the cells, and what it
prints goes nowhere. So a function that keeps its arguments cannot show them.
"""

import ast
import builtins
import contextlib
import hashlib
import io
import math
import os
import re
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

from grading import hidden, intake
from grading.answers import Failed, Returned
from grading.assignment import Assignment, CourseError
from grading.hidden import SEED_VARIABLE
from grading.intake import mark, source_of
from grading.outputs import Room, error_output, shorten
from grading.proxy import LearnerError, Outcome, Proxy
from grading.sandbox import Ended, Nursery
from grading.session import Clock, Session
from lib.checking import IN_PLACE

OUTPUT = 20_000
"""Characters of a test's words that are kept."""
EXCEPTIONS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
} | {"LinAlgError"}
TYPES = {name for name, value in vars(builtins).items() if isinstance(value, type)} | {
    "NoneType",
    "complex64",
    "complex128",
    "clongdouble",
    "ellipsis",
    "function",
    "generator",
    "module",
}


@dataclass
class Result:
    """What came of grading one notebook."""

    notebook: dict[str, Any]
    """The notebook to keep and show: the learner's code, outputs, and the tests' words."""
    scores: dict[str, float | None]
    """Points by grade id; ``None`` where the course's own test failed."""
    given: dict[str, float | None] = field(default_factory=dict)
    """What tests that did not fail themselves gave: points, or ``None`` for all there are."""
    code: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the learner's code that each graded cell is about."""
    reason: str = ""
    """Why there is no score; empty where there is one."""
    notes: list[str] = field(default_factory=list)
    """What the instructor may want to know of the submission's form."""
    limits: list[str] = field(default_factory=list)
    """Limits that it hit, and where."""
    mistakes: list[str] = field(default_factory=list)
    """Named mistakes, as ``function: message``."""
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds within sandboxes."""
    memory: int = 0
    """Largest resident size of a sandbox."""

    @property
    def out_of_time(self) -> bool:
        """Whether the outcome may depend on how fast this machine was."""
        return any(limit.endswith((": timeout", ": limit")) for limit in self.limits)


class Grader:
    """Grades submissions of one assignment, one after the other.

    Raises
    ------
    SandboxError
        Where sandboxes do not work.
    """

    def __init__(self, assignment: Assignment, mode: str = "auto") -> None:
        self.assignment = assignment
        self.limits = assignment.limits
        self.nursery = Nursery(
            assignment.files,
            assignment.lib,
            assignment.limits,
            assignment.imports(),
            isolated=assignment.isolated,
            mode=mode,
        )
        self._functions = assignment.functions()
        self._tests: dict[str, tuple[CodeType, CodeType | None]] = {}
        self._base: dict[str, Any] | None = None

    def close(self) -> None:
        """Stop the sandbox's parent."""
        self.nursery.close()

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- one submission

    def grade(self, data: bytes, notes: list[str] | None = None) -> Result:
        """Grade the bytes of a submitted notebook; whatever they are, there is a result."""
        try:
            cells = intake.parse(data, self.limits)
            intake.check_notebook(self.assignment.released, cells, self.assignment.notebook)
        except intake.Refused as error:
            return self.refuse(str(error))
        return self.grade_notebook(intake.rebuild(self.assignment.released, cells), notes)

    def refuse(self, reason: str) -> Result:
        """Return the result of a submission that cannot be graded: no points, and why."""
        return refuse(self.assignment, reason)

    def grade_notebook(self, notebook: dict[str, Any], notes: list[str] | None = None) -> Result:
        """Grade a notebook that :func:`grading.intake.rebuild` made; fills in its outputs."""
        started = time.monotonic()
        clock = Clock(self.limits)
        result = Result(notebook, {}, notes=list(notes or []))
        if not self.assignment.isolated:
            result.notes.append("graded without a sandbox")
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        dead = self._first_run(cells, clock, result)
        self._second_run(cells, dead, clock, result)
        result.limits = list(dict.fromkeys(result.limits))
        result.code = fingerprints(cells)
        shorten(cells)
        result.seconds = time.monotonic() - started
        result.cpu, result.memory = clock.cpu, clock.memory
        return result

    def _first_run(
        self, cells: list[dict[str, Any]], clock: Clock, result: Result
    ) -> dict[int, str]:
        """Run the learner's cells for their outputs; return those that did not end, and how."""
        session = Session(self.nursery, clock)
        room = Room(self.limits)
        dead: dict[int, str] = {}
        try:
            for number, cell in enumerate(cells):
                if mark(cell).get("grade") and not mark(cell).get("solution"):
                    continue
                name = name_of(cell)
                try:
                    room.full = False
                    cell["outputs"] = room.outputs(session.run(name, source_of(cell)))
                    cell["execution_count"] = number + 1
                    if room.full:
                        result.limits.append(f"{name}: output")
                except Ended as ended:
                    dead[number] = ended.kind
                    words = CELL_WORDS[ended.kind].format(self.limits)
                    cell["outputs"] = [error_output("Stopped", words)]
                    result.limits.append(f"{name}: {ended.kind}")
        finally:
            session.close()
        return dead

    def _second_run(
        self, cells: list[dict[str, Any]], dead: dict[int, str], clock: Clock, result: Result
    ) -> None:
        """Run the learner's cells again, and each test at its place."""
        session = Session(self.nursery, clock)
        try:
            for number, cell in enumerate(cells):
                if mark(cell).get("grade") and not mark(cell).get("solution"):
                    self._test(cell, session, result)
                    continue
                source = source_of(cell)
                if number in dead:
                    source = definitions(source) if dead[number] == "timeout" else ""
                if source:
                    # What went through the first time may fail now; the tests will tell.
                    with contextlib.suppress(Ended):
                        session.run(name_of(cell), source)
        finally:
            session.close()

    # -- one test

    def _test(self, cell: dict[str, Any], session: Session, result: Result) -> None:
        grade_id = mark(cell)["grade_id"]
        points = self.assignment.points[grade_id]
        words = io.StringIO()
        score: float | None = None
        given: Any = None
        trouble = ""
        failures: dict[str, int] = {}

        def invoke(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
            return self._invoke(session, result, grade_id, failures, name, args, kwargs)

        body, last = self._compiled(grade_id)
        names: dict[str, Any] = {}
        try:
            with self._surroundings(words), hidden.given(self.assignment.tests, points):
                names |= self._namespace()
                names |= {name: Proxy(name, invoke) for name in self._functions}
                exec(body, names)
                given = eval(last, names) if last is not None else None
                score = earned(given, points)
        except LearnerError as error:
            score = given = 0.0
            trouble = error.message
        except AssertionError:
            score = given = 0.0
            trouble = "a test of this part failed"
        except Exception as error:
            result.scores[grade_id] = None
            result.reason = f"the course's own test {grade_id} failed"
            where = traceback.extract_tb(error.__traceback__)[-1].lineno
            result.notes.append(f"{grade_id}: {type(error).__name__}: {error} (line {where})")
            cell["outputs"] = [
                error_output(
                    "CourseError", "This test failed by no fault of yours; it will be graded again."
                )
            ]
            return
        finally:
            # Functions of the test hold the names that hold them, and so the whole submission.
            names.clear()
        text = words.getvalue()[:OUTPUT]
        if trouble:
            text += f"{grade_id}: {trouble}\n"
        result.scores[grade_id] = score
        result.given[grade_id] = given
        function = grade_id.removeprefix("test_")
        result.mistakes += [f"{function}: {m}" for m in MISTAKE.findall(text)]
        cell["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": text},
            {
                "output_type": "execute_result",
                "execution_count": None,
                "metadata": {},
                "data": {"text/plain": repr(score)},
            },
        ]

    def _compiled(self, grade_id: str) -> tuple[CodeType, CodeType | None]:
        """Compile a test into its statements and its last expression."""
        if grade_id not in self._tests:
            tree = ast.parse(self.assignment.sources[grade_id])
            last = None
            if tree.body and isinstance(tree.body[-1], ast.Expr):
                expression = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
                last = compile(expression, f"<{grade_id}>", "eval")
            self._tests[grade_id] = compile(tree, f"<{grade_id}>", "exec"), last
        return self._tests[grade_id]

    def _namespace(self) -> dict[str, Any]:
        """Run the course's locked cells that call no learner's function, once."""
        if self._base is None:
            self._base = {"__name__": "__main__"}
            for cell in self.assignment.released["cells"]:
                data = mark(cell)
                if cell["cell_type"] != "code" or data.get("grade") or data.get("solution"):
                    continue
                if not data.get("locked"):
                    continue
                tree = ast.parse(self.assignment.sources[data["grade_id"]])
                names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
                if not names & set(self._functions):
                    exec(compile(tree, f"<{data['grade_id']}>", "exec"), self._base)
        return self._base

    @contextlib.contextmanager
    def _surroundings(self, words: io.StringIO) -> Iterator[None]:
        """Run tests beside the released files, with the class's seed, silently."""
        folder, seed = Path.cwd(), os.environ.get(SEED_VARIABLE)
        os.chdir(self.nursery.files)
        if self.assignment.seed:
            os.environ[SEED_VARIABLE] = self.assignment.seed
        try:
            with (
                contextlib.redirect_stdout(words),
                contextlib.redirect_stderr(io.StringIO()),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield
        finally:
            os.chdir(folder)
            if self.assignment.seed and seed is None:
                del os.environ[SEED_VARIABLE]
            elif seed is not None:
                os.environ[SEED_VARIABLE] = seed

    # -- one call

    def _invoke(
        self,
        session: Session,
        result: Result,
        grade_id: str,
        failures: dict[str, int],
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Outcome:
        from lib import codec

        if failures.get(name, 0) >= self.limits.failures:
            return failed("limit", f"it was not called again after {self.limits.failures} failures")
        arguments = codec.encode({"args": list(args), "kwargs": kwargs})
        try:
            answer = session.call(name, arguments, [*range(len(args)), *kwargs])
        except Ended as ended:
            failures[name] = failures.get(name, 0) + 1
            result.limits.append(f"{grade_id}: {ended.kind}")
            return failed(ended.kind, CALL_WORDS[ended.kind].format(self.limits))
        if isinstance(answer, Returned):
            return Outcome(answer.value, None, answer.mutated)
        if answer.type == "MemoryError":
            result.limits.append(f"{grade_id}: memory")
        return explain(answer)


MISTAKE = re.compile(r"equals? a known mistake: (.*)")
CELL_WORDS = {
    "timeout": "This cell did not end within {0.cell_seconds:g} seconds and was stopped.",
    "crash": "This cell ended its process, or used more memory or processor time than it may.",
    "output": "This cell broke off the talk with the grader.",
    "limit": "This cell was not run: the submission had used up its time or its fresh starts.",
}
CALL_WORDS = {
    "timeout": "it did not return within {0.call_seconds:g} seconds",
    "crash": "it ended its process, or used more memory or processor time than it may",
    "output": "its result is larger than {0.message} bytes, or not of the format",
    "limit": "it was not called: the submission had used up its time or its fresh starts",
}


def failed(kind: str, message: str) -> Outcome:
    """Return the outcome of a call that gave no value."""
    return Outcome(None, LearnerError(kind, message), ())


def explain(answer: Failed) -> Outcome:
    """Put a failure that a sandbox reported into words that hold none of its text."""
    if answer.kind == "undefined":
        return failed("undefined", "it is not defined: its cell failed or is missing")
    if answer.kind == "value":
        shown = f"type {answer.type}" if answer.type in TYPES else "a type of its own"
        return failed(
            "value",
            f"it returned a value of {shown}; expected arrays, numbers, strings, booleans, None, "
            "and tuples, lists or dicts of these",
        )
    if answer.kind == "readonly":
        return failed("exception", IN_PLACE)
    if answer.type == "NotImplementedError":
        return failed("exception", "this function is not written yet")
    shown = answer.type if answer.type in EXCEPTIONS else "an exception of its own"
    place = f" (line {answer.line} of its cell)" if answer.line is not None else ""
    return failed("exception", f"it raised {shown}{place}")


def refuse(assignment: Assignment, reason: str) -> Result:
    """Return the result of a submission that cannot be graded: no points, and why."""
    notebook = intake.rebuild(assignment.released, [])
    for cell in notebook["cells"]:
        if mark(cell).get("grade") and cell["cell_type"] == "code":
            cell["outputs"] = [error_output("NotGraded", f"Not graded: {reason}.")]
    return Result(notebook, dict.fromkeys(assignment.points, 0.0), reason=reason)


def earned(given: Any, points: float) -> float:
    """Return the points of a graded cell whose test gave a number, or nothing for all of them.

    Raises
    ------
    CourseError
        Where that is no number of points that the cell has.
    """
    if given is None:
        return points
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise CourseError(f"expected a number of points, got {type(given).__name__}")
    if not math.isfinite(given) or not 0 <= given <= points:
        raise CourseError(f"expected 0 to {points:g} points, got {given}")
    return float(given)


def definitions(source: str) -> str:
    """Return what of a cell only names something: functions, classes, imports and constants.

    All stands on the line where it stood; what is left out, or is no Python, is empty.
    """
    lines = ["" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n")]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kept: set[int] = set()
    dropped: set[int] = set()
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        span = range(first, (node.end_lineno or first) + 1)
        (kept if _only_names(node) else dropped).update(span)
    kept -= dropped
    return "\n".join(line if k in kept else "" for k, line in enumerate(lines, 1)).rstrip()


def _only_names(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        try:
            ast.literal_eval(node.value or ast.Constant(None))
        except (ValueError, TypeError):
            return False
        return True
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return isinstance(node, kinds)


def fingerprints(cells: list[dict[str, Any]]) -> dict[str, str]:
    """Hash, for each graded cell, the learner's code that its function is made of.

    That is the function's own cell and all cells of the learner's own.
    """
    solutions, own = {}, []
    for cell in cells:
        if mark(cell).get("solution"):
            solutions[mark(cell)["grade_id"]] = source_of(cell)
        elif not mark(cell):
            own.append(source_of(cell))
    made = {}
    for cell in cells:
        if mark(cell).get("grade"):
            grade_id = mark(cell)["grade_id"]
            sources = [solutions.get(grade_id.removeprefix("test_"), ""), *own]
            made[grade_id] = hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]
    return made


def name_of(cell: dict[str, Any]) -> str:
    """Name a cell: its grade id, or its id."""
    return mark(cell).get("grade_id") or cell.get("id", "cell")
