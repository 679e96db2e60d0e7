"""Grades one notebook: learner's cells in a sandbox, tests here.

A submission is run twice, each time in a sandbox of its own. The first run makes the
outputs that people see; nothing of the hidden tests has been sent there. The second
serves the hidden tests' calls, each test at its place among the cells, and what it
prints goes nowhere. So a function that keeps its arguments cannot show them.
"""

import ast
import base64
import builtins
import contextlib
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
from grading.assignment import Assignment, CourseError
from grading.hidden import SEED_VARIABLE
from grading.intake import mark, source_of
from grading.proxy import LearnerError, Outcome, Proxy
from grading.sandbox import Ended, Nursery, Sandbox

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


class Session:
    """The sandboxes of one run of a submission: a new one takes over where one ended."""

    def __init__(self, nursery: Nursery, deadline: float, restarts: int) -> None:
        self.nursery = nursery
        self.limits = nursery.limits
        self.deadline = deadline
        self.restarts = restarts
        self.done: list[tuple[str, str]] = []
        self.cpu = 0.0
        self.memory = 0
        self._sandbox: Sandbox | None = None

    def _time(self, seconds: float) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Ended("limit")
        return min(seconds, left)

    def _open(self) -> Sandbox:
        if self._sandbox is not None:
            return self._sandbox
        while True:
            if self.restarts < 0:
                raise Ended("limit")
            self.restarts -= 1
            sandbox = self._sandbox = self.nursery.open()
            for position, (name, source) in enumerate(self.done):
                try:
                    sandbox.ask(
                        {"op": "run", "name": name, "source": source},
                        self._time(self.limits.cell_seconds),
                    )
                except Ended as ended:
                    self._drop()
                    if ended.kind == "limit":
                        raise
                    del self.done[position]
                    break
            else:
                return sandbox

    def _drop(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self.cpu += float(self._sandbox.used.get("cpu", 0))
            self.memory = max(self.memory, int(self._sandbox.used.get("memory", 0)))
            self._sandbox = None

    def run(self, name: str, source: str) -> dict[str, Any]:
        """Run a cell.

        Raises
        ------
        Ended
            Where it did not come to its end; later ones run as if it were not there.
        """
        try:
            answer = self._open().ask(
                {"op": "run", "name": name, "source": source}, self._time(self.limits.cell_seconds)
            )
        except Ended:
            self._drop()
            raise
        self.done.append((name, source))
        return answer

    def call(self, name: str, arguments: Any) -> dict[str, Any]:
        """Call a function that the cells have defined.

        Raises
        ------
        Ended
            Where it did not return.
        """
        try:
            return self._open().ask(
                {"op": "call", "name": name, "arguments": arguments},
                self._time(self.limits.call_seconds),
            )
        except Ended:
            self._drop()
            raise

    def close(self) -> None:
        """Kill what is still there."""
        self._drop()


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
        deadline = started + self.limits.submission_seconds
        result = Result(notebook, {}, notes=list(notes or []))
        if not self.assignment.isolated:
            result.notes.append("graded without a sandbox")
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        dead = self._first_run(cells, deadline, result)
        self._second_run(cells, dead, deadline, result)
        result.limits = list(dict.fromkeys(result.limits))
        shorten(cells)
        result.seconds = time.monotonic() - started
        return result

    def _first_run(self, cells: list[dict[str, Any]], deadline: float, result: Result) -> set[int]:
        """Run the learner's cells for their outputs; return those that did not end."""
        session = Session(self.nursery, deadline, self.limits.restarts)
        dead: set[int] = set()
        try:
            for number, cell in enumerate(cells):
                if mark(cell).get("grade") and not mark(cell).get("solution"):
                    continue
                name = name_of(cell)
                try:
                    answer = session.run(name, source_of(cell))
                    cell["outputs"] = outputs(answer, self.limits.image)
                    cell["execution_count"] = number + 1
                except Ended as ended:
                    dead.add(number)
                    words = CELL_WORDS[ended.kind].format(self.limits)
                    cell["outputs"] = [error_output("Stopped", words)]
                    result.limits.append(f"{name}: {ended.kind}")
        finally:
            session.close()
        result.cpu += session.cpu
        result.memory = max(result.memory, session.memory)
        return dead

    def _second_run(
        self, cells: list[dict[str, Any]], dead: set[int], deadline: float, result: Result
    ) -> None:
        """Run the learner's cells again, and each test at its place."""
        session = Session(self.nursery, deadline, self.limits.restarts)
        try:
            for number, cell in enumerate(cells):
                if mark(cell).get("grade") and not mark(cell).get("solution"):
                    self._test(cell, session, result)
                elif number not in dead:
                    # What went through the first time may fail now; the tests will tell.
                    with contextlib.suppress(Ended):
                        session.run(name_of(cell), source_of(cell))
        finally:
            session.close()
        result.cpu += session.cpu
        result.memory = max(result.memory, session.memory)

    # -- one test

    def _test(self, cell: dict[str, Any], session: Session, result: Result) -> None:
        grade_id = mark(cell)["grade_id"]
        points = self.assignment.points[grade_id]
        words = io.StringIO()
        score: Any = None
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
                score = eval(last, names) if last is not None else None
                score = self._points(score, points)
        except LearnerError as error:
            score, trouble = 0.0, error.message
        except AssertionError:
            score, trouble = 0.0, "a test of this part failed"
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

    @staticmethod
    def _points(score: Any, points: float) -> float:
        if score is None:
            return points
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise CourseError(f"expected a number of points, got {type(score).__name__}")
        if not math.isfinite(score) or not 0 <= score <= points:
            raise CourseError(f"expected 0 to {points:g} points, got {score}")
        return float(score)

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
            answer = session.call(name, arguments)
        except Ended as ended:
            failures[name] = failures.get(name, 0) + 1
            result.limits.append(f"{grade_id}: {ended.kind}")
            return failed(ended.kind, CALL_WORDS[ended.kind].format(self.limits))
        if answer.get("ok") is not True:
            outcome = explain(answer)
            if answer.get("type") == "MemoryError":
                result.limits.append(f"{grade_id}: memory")
            return outcome
        try:
            value = codec.decode(answer.get("value"))
        except Exception:
            return failed("value", "it returned a value that is not of the format")
        changed = answer.get("mutated")
        known = [*range(len(args)), *kwargs]
        mutated = tuple(k for k in known if isinstance(changed, list) and k in changed)
        return Outcome(value, None, mutated)


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


def explain(answer: dict[str, Any]) -> Outcome:
    """Put a failure that a sandbox reported into words that hold none of its text."""
    kind, name = answer.get("kind"), answer.get("type")
    if kind == "undefined":
        return failed("undefined", "it is not defined: its cell failed or is missing")
    if kind == "value":
        shown = f"type {name}" if name in TYPES else "a type of its own"
        return failed(
            "value",
            f"it returned a value of {shown}; expected arrays, numbers, strings, booleans, None, "
            "and tuples, lists or dicts of these",
        )
    if name == "NotImplementedError":
        return failed("exception", "this function is not written yet")
    shown = str(name) if name in EXCEPTIONS else "an exception of its own"
    line = answer.get("line")
    place = f" (line {line} of its cell)" if type(line) is int and 0 < line < 1000 else ""
    return failed("exception", f"it raised {shown}{place}")


def refuse(assignment: Assignment, reason: str) -> Result:
    """Return the result of a submission that cannot be graded: no points, and why."""
    notebook = intake.rebuild(assignment.released, [])
    for cell in notebook["cells"]:
        if mark(cell).get("grade") and cell["cell_type"] == "code":
            cell["outputs"] = [error_output("NotGraded", f"Not graded: {reason}.")]
    return Result(notebook, dict.fromkeys(assignment.points, 0.0), reason=reason)


def name_of(cell: dict[str, Any]) -> str:
    """Name a cell: its grade id, or its id."""
    return mark(cell).get("grade_id") or cell.get("id", "cell")


SHOWN, LINE = 60_000, 500
"""Characters of a learner's code in all, and of one line, that a graded notebook shows."""


def shorten(cells: list[dict[str, Any]]) -> None:
    """Cut the learner's code, once it has run, to what can be coloured in a short time.

    Feedback and formgrader colour code, and the time for a line grows with the square of
    its length: one line of 20 000 characters took half a minute.
    """
    room = SHOWN
    for cell in cells:
        if mark(cell).get("locked") or mark(cell).get("grade"):
            continue
        lines = source_of(cell).split("\n")
        text = "\n".join(x if len(x) <= LINE else f"{x[:LINE]} # … cut off …" for x in lines)
        if len(text) > room:
            text = f"{text[:room]}\n# … cut off …"
        room = max(0, room - len(text))
        cell["source"] = text


# --- outputs ---------------------------------------------------------------------


def error_output(name: str, words: str) -> dict[str, Any]:
    """Make an error output of words."""
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": [words]}


def _text(value: Any, most: int = 200_000) -> str:
    text = value[:most] if isinstance(value, str) else ""
    text = text.encode("utf-8", "replace").decode()
    return "".join(c for c in text if c >= " " or c in "\n\t\r\x1b")


def _png(value: Any, most: int) -> str | None:
    if not isinstance(value, str) or len(value) > most:
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return base64.b64encode(data).decode() if data.startswith(b"\x89PNG\r\n\x1a\n") else None


def outputs(answer: dict[str, Any], image: int) -> list[dict[str, Any]]:
    """Make a cell's outputs of what a sandbox says: text and PNG pictures, nothing else."""
    made: list[dict[str, Any]] = []
    items = answer.get("outputs")
    for item in items[:1000] if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        if item.get("type") == "stream":
            name = "stderr" if item.get("name") == "stderr" else "stdout"
            made.append({"output_type": "stream", "name": name, "text": _text(item.get("text"))})
        elif item.get("type") in ("display", "result"):
            data = {"text/plain": _text(item.get("text"))}
            picture = _png(item.get("png"), image)
            if picture:
                data["image/png"] = picture
            made.append({"output_type": "display_data", "metadata": {}, "data": data})
        elif item.get("type") == "error":
            lines = item.get("lines")
            made.append(
                {
                    "output_type": "error",
                    "ename": _text(item.get("name"), 200),
                    "evalue": _text(item.get("value"), 2000),
                    "traceback": [
                        _text(line) for line in (lines[:200] if isinstance(lines, list) else [])
                    ],
                }
            )
    if answer.get("cut") is True:
        made.append({"output_type": "stream", "name": "stdout", "text": "\n… output cut off …\n"})
    return made
