"""What a submission may use: outputs, sizes and time; honest work loses nothing to them."""

import contextlib
import copy
import dataclasses
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import course as small
import pytest

from grading import batch, engine, intake, sandbox, workers
from grading.answers import Used
from grading.assignment import Assignment
from grading.engine import Grader, Result
from grading.limits import Isolate, Limits
from grading.sandbox import Watch

LIMITS = Limits(output=30_000, pictures=1_500_000, cell_seconds=2, call_seconds=2)


@pytest.fixture(scope="module")
def assignment(template: Path) -> Assignment:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        made = course.prepare(gradebook, small.NAME)
    return dataclasses.replace(made, limits=LIMITS)


@pytest.fixture(scope="module")
def grader(assignment: Assignment) -> Iterator[Grader]:
    with Grader(assignment) as made:
        yield made


def run(grader: Grader, *own: str, **answers: str) -> Result:
    notebook = small.answer(grader.assignment.released, **answers)
    for source in own:
        notebook = small.insert(notebook, source)
    return grader.grade(json.dumps(notebook).encode())


# --- outputs ---------------------------------------------------------------------


def test_pictures_of_many_cells_have_one_limit(grader: Grader) -> None:
    code = (
        "import os\n"
        "class Picture:\n"
        "    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n' + os.urandom(300_000)\n"
        "Picture()"
    )
    result = run(grader, *[code] * 12)
    assert result.scores == small.FULL
    text = json.dumps(result.notebook)
    assert text.count('"image/png"') == 3
    assert len(text) < 2_000_000
    assert len([limit for limit in result.limits if limit.endswith(": output")]) == 9


def test_text_of_many_cells_has_one_limit_and_no_colours(grader: Grader) -> None:
    link = "\\x1b]8;;http://x\\x07link\\x1b[2J\\x1b(B"
    code = f"print('\\x1b[31mr\\x1b[0m' * 9000, '{link}')"
    result = run(grader, *[code] * 8)
    assert result.scores == small.FULL
    printed = [
        "".join(output.get("text", ""))
        for cell in result.notebook["cells"]
        for output in cell.get("outputs", [])
        if mark_of(cell) is None
    ]
    assert "\x1b" not in json.dumps(result.notebook, ensure_ascii=False)
    assert printed[0].endswith("r link\n")
    assert 30_000 <= sum(map(len, printed)) < 31_000
    assert "output cut off" in printed[-1]


def mark_of(cell: dict[str, Any]) -> Any:
    return cell["metadata"].get("nbgrader")


def test_limits_are_set_in_the_configuration() -> None:
    from traitlets.config import Config

    config = Config()
    config.Isolate.output_characters = 10
    config.Isolate.picture_megabytes = 2
    config.Isolate.notebook_megabytes = 3
    config.Isolate.source_megabytes = 1
    config.Isolate.patience = 5.0
    limits = Isolate(config=config).limits()
    assert (limits.output, limits.pictures, limits.patience) == (10, 2_000_000, 5.0)
    assert (limits.notebook, limits.sources) == (3 << 20, 1 << 20)


def test_outputs_of_the_submitted_file_do_not_count(grader: Grader, tmp_path: Path) -> None:
    notebook = small.answer(grader.assignment.released)
    stream = {"output_type": "stream", "name": "stdout", "text": "0.123 " * 2_000_000}
    small.find(notebook, "double")["outputs"] = [stream]
    path = tmp_path / "tiny.ipynb"
    path.write_text(json.dumps(notebook))
    assert path.stat().st_size > 12_000_000
    data = intake.read(path, LIMITS)
    cells = intake.parse(data, LIMITS)
    assert sum(len(cell.source) for cell in cells) < 10_000
    small.find(notebook, "double")["source"] = "# " + "x" * (5 << 20)
    with pytest.raises(intake.Refused, match="more than 4 MB of text in its cells"):
        intake.parse(json.dumps(notebook).encode(), LIMITS)
    with pytest.raises(intake.Refused, match="more than 3000000 values"):
        intake.parse(b'{"cells": [' + b"[]," * 2_000_000 + b"[]]}", LIMITS)


# --- time ------------------------------------------------------------------------


def watched(monkeypatch: pytest.MonkeyPatch, cpu: float, waited: float) -> float:
    """Let a made-up second pass as often as a watch allows; return when it calls time."""
    now = 0.0
    monkeypatch.setattr(sandbox.time, "monotonic", lambda: now)
    watch = Watch(lambda: Used(cpu=cpu * now, waited=waited * now), seconds=10.0, patience=3.0)
    while now < 1000:
        try:
            watch.check()
        except TimeoutError:
            break
        now += 0.125
    monkeypatch.undo()
    return now


def test_processor_time_decides_and_waiting_for_a_core_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert watched(monkeypatch, cpu=1.0, waited=0.0) == pytest.approx(10, abs=1)
    assert watched(monkeypatch, cpu=0.1, waited=0.9) == pytest.approx(100, abs=5)
    assert watched(monkeypatch, cpu=0.0, waited=0.0) == pytest.approx(30, abs=1.5)
    assert watched(monkeypatch, cpu=0.0, waited=1.0) == 1000


def burn() -> None:
    while True:
        pass


@contextlib.contextmanager
def all_cores_busy() -> Iterator[None]:
    """Keep every core busy several times over."""
    context = multiprocessing.get_context("fork")
    count = 4 * (os.cpu_count() or 1)
    processes = [context.Process(target=burn, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def test_marks_are_the_same_with_all_cores_busy(grader: Grader) -> None:
    """Each of these takes longer on a busy machine than a cell or a call may take."""
    work = "import time\nend = time.process_time() + 0.8\nwhile time.process_time() < end: pass\n"
    slow = "import time\ndef double(x):\n    " + work.split("\n", 1)[1].replace("\n", "\n    ")
    slow += "\n    return 2 * x\n"
    with all_cores_busy():
        result = run(grader, work, double=slow)
    assert result.scores == small.FULL
    assert result.limits == []


NAMED = "import math\ndef f(x):\n    return x\nTWO = 2\nclass A:\n    pass"
LOST: dict[str, tuple[str, str]] = {
    "functions, classes, imports, constants": (
        f"{NAMED}\nx = f(1)\nwhile True: pass",
        NAMED,
    ),
    "a decorator": ("@wraps\ndef f(): pass\nf()", "@wraps\ndef f(): pass"),
    "what shares a line": ("TWO = 2; f()\ndef g(): pass", "\ndef g(): pass"),
    "magics": ("%time 1\n!ls\ndef g(): pass", "\n\ndef g(): pass"),
    "no Python": ("def f(:", ""),
    "nothing": ("print(1)", ""),
}


@pytest.mark.parametrize("name", LOST)
def test_what_a_cell_defines_is_told_from_what_it_does(name: str) -> None:
    source, kept = LOST[name]
    assert engine.definitions(source) == kept


def test_helpers_of_a_cell_that_ran_out_of_time_are_there_for_the_tests(grader: Grader) -> None:
    helper = "def helper(x):\n    return 2 * x\nprint(helper(1))\nwhile True: pass"
    result = run(grader, helper, double="def double(x):\n    return helper(x)\n")
    assert result.scores == small.FULL
    assert any(limit.endswith(": timeout") for limit in result.limits)


def test_what_ran_out_of_time_beside_others_is_tried_again_alone(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = small.released(course)
    for name in ("ada", "bob", "eve"):
        small.submit(course, name, small.answer(release))
    with batch.Course(course).gradebook() as gradebook:
        assignment = batch.Course(course).prepare(gradebook, small.NAME)
    with Grader(assignment) as grader:
        right = grader.grade(json.dumps(small.answer(release)).encode())
    late = copy.deepcopy(right)
    late.scores["test_double"] = late.given["test_double"] = 0.0
    late.limits = ["test_double: timeout"]
    order: list[tuple[str, str]] = []

    def way(name: str, result: Callable[[str], Result]) -> Any:
        def graded(self: Any, assignment: Any, submissions: list[Any]) -> Iterator[Any]:
            for submission in submissions:
                order.append((name, submission.student))
                yield submission, copy.deepcopy(result(submission.student))

        return graded

    side_by_side = way("beside", lambda student: late if student != "ada" else right)
    monkeypatch.setattr(workers.Workers, "_processes", side_by_side)
    alone = way("alone", lambda student: late if student == "eve" else right)
    monkeypatch.setattr(workers.Workers, "_serial", alone)
    report = batch.grade(batch.Course(course), small.NAME, jobs=2)
    assert {row.student: row.score for row in report.rows} == {"ada": 9.0, "bob": 9.0, "eve": 6.0}
    assert order[3:] == [("alone", "bob"), ("alone", "eve")]
