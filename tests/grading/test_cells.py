"""Cells that learners move, merge, copy and delete: what counts is what Jupyter would have."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import course as small
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading import batch, bindings, intake, order
from grading.engine import Grader
from grading.limits import Limits

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DOUBLE, TOTAL, LAST = (small.SOLUTIONS[name] for name in ("double", "total", "last"))
FULL = small.FULL
WRONG = "def total(xs):\n    return -1\n"


@pytest.fixture(scope="module")
def grader(template: Any) -> Iterator[Grader]:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, small.NAME)
    with Grader(assignment) as made:
        yield made


Change = Callable[[dict[str, Any]], Any]


def delete(*names: str) -> Change:
    def change(notebook: dict[str, Any]) -> None:
        for name in names:
            notebook["cells"].remove(small.find(notebook, name))

    return change


def put(source: str, at: int, **more: Any) -> Change:
    return lambda notebook: notebook["cells"].insert(at, {**small.own_cell(source), **more})


def solve(name: str, source: str) -> Change:
    return lambda notebook: small.find(notebook, name).update(source=source)


def after(name: str, source: str) -> Change:
    """Put an own cell below another."""

    def change(notebook: dict[str, Any]) -> None:
        place = notebook["cells"].index(small.find(notebook, name)) + 1
        notebook["cells"].insert(place, small.own_cell(source))

    return change


def copied(name: str, below: str, source: str) -> Change:
    """Copy a cell, with its marks, below another, and write something into it."""

    def change(notebook: dict[str, Any]) -> None:
        cell = {**copy.deepcopy(small.find(notebook, name)), "id": f"copy-of-{name}"}
        place = notebook["cells"].index(small.find(notebook, below)) + 1
        notebook["cells"].insert(place, {**cell, "source": source})

    return change


def move(name: str, at: int) -> Change:
    def change(notebook: dict[str, Any]) -> None:
        cell = small.find(notebook, name)
        notebook["cells"].remove(cell)
        notebook["cells"].insert(at if at >= 0 else len(notebook["cells"]), cell)

    return change


def stub(name: str) -> Change:
    def change(notebook: dict[str, Any]) -> None:
        small.find(notebook, name)["source"] = STUBS[name]

    return change


STUBS = {
    name: source.split("\n")[0] + "\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    for name, source in small.SOLUTIONS.items()
}
ALL = "\n\n".join(small.SOLUTIONS.values())
THREE = ("double", "total", "last")

FULL_MARKS: dict[str, list[Change]] = {
    "all functions in one cell above, stubs deleted": [delete(*THREE), put(ALL, 2)],
    "all functions in one cell at the very top": [delete(*THREE), put("import numpy\n" + ALL, 0)],
    "all functions in one cell at the end": [delete(*THREE), put(ALL, 99)],
    "all functions in one cell, stubs left": [*map(stub, THREE), put(ALL, 2)],
    "all functions in the first solution cell": [solve("double", ALL), delete("total", "last")],
    "all functions in the last one's cell": [solve("last", ALL), delete("double", "total")],
    "all functions in one cell, tests deleted too": [
        delete(*THREE, "test_double", "test_total", "test_last"),
        put(ALL, 2),
    ],
    "everything but one cell deleted": [lambda n: n.update(cells=[small.own_cell(ALL)])],
    "merged into the setup cell": [
        solve("setup", small.SETUP + ALL),
        delete(*THREE),
    ],
    "merged into a test cell": [solve("test_double", ALL), delete(*THREE)],
    "under another name": [solve("total", "def _t(xs):\n    return float(sum(xs))\ntotal = _t")],
    "under another name in cells of one's own": [
        delete("total"),
        after("test_double", "def _t(xs):\n    return float(sum(xs))"),
        lambda n: n["cells"].insert(n["cells"].index(small.find(n, "test_total")), OWN_NAME),
    ],
    "a lambda": [delete("total"), after("test_double", "total = lambda xs: float(sum(xs))")],
    "imported": [delete("total"), after("test_double", "from math import fsum as total")],
    "indented": [solve("total", "    def total(xs):\n        return float(sum(xs))\n")],
    "indented in a cell of one's own": [
        delete("total"),
        after("test_double", "    def total(xs):\n        return float(sum(xs))\n"),
    ],
    "within if": [
        delete("total"),
        after("test_double", "if True:\n    def total(xs):\n        return float(sum(xs))"),
    ],
    "within try": [
        delete("total"),
        after(
            "test_double",
            "try:\n    import none_such\nexcept ImportError:\n"
            "    def total(xs):\n        return float(sum(xs))",
        ),
    ],
    "below a magic": [
        delete("total"),
        after("test_double", "%matplotlib inline\n" + TOTAL),
    ],
    "the stub's copy below another function": [copied("total", "double", STUBS["total"])],
    "the stub's copy right below the answer": [copied("total", "total", STUBS["total"])],
    "the stub's copy at the end": [copied("last", "test_last", STUBS["last"])],
    "answered in a copy of another cell": [
        solve("double", DOUBLE),
        delete("total"),
        copied("double", "test_double", TOTAL),
    ],
    "a helper moved up": [
        solve("double", "def double(x):\n    return _twice(x)\n"),
        move("last", 2),
        put("def _twice(x):\n    return 2 * x\n", 3),
    ],
    "a second version at the end": [after("test_last", WRONG)],
    "a second version at the end, a copy with marks": [copied("total", "test_last", WRONG)],
    "a second version of all at the end": [after("test_last", ALL.replace("2 * x", "x"))],
    "a draft above in a copy with marks": [
        copied("total", "test_double", WRONG),
    ],
    "a better version below the answer": [solve("total", WRONG), after("total", TOTAL)],
    "a test moved to the top": [move("test_total", 0)],
    "all tests moved to the top": [*(move(f"test_{name}", 0) for name in THREE)],
    "all solutions moved to the end": [*(move(name, -1) for name in THREE)],
    "setup at the end": [move("setup", -1)],
    "setup deleted, one cell for all": [delete(*THREE, "setup"), put(ALL, 1)],
    "two functions swapped": [solve("double", TOTAL), solve("total", DOUBLE)],
}
OWN_NAME = small.own_cell("total = _t")


@pytest.mark.parametrize("name", FULL_MARKS)
def test_full_marks_however_the_cells_lie(grader: Grader, name: str) -> None:
    notebook = small.answer(grader.assignment.released)
    for change in FULL_MARKS[name]:
        change(notebook)
    result = grader.grade(json.dumps(notebook).encode())
    assert result.scores == FULL
    assert result.reason == ""


LESS: dict[str, tuple[list[Change], dict[str, float]]] = {
    "a wrong version just before the test": (
        [after("total", WRONG)],
        {**FULL, "test_total": 0.0},
    ),
    "a wrong copy with marks before the test": (
        [copied("total", "total", WRONG)],
        {**FULL, "test_total": 0.0},
    ),
    "a stub deleted and nothing instead": ([delete("total")], {**FULL, "test_total": 0.0}),
    "a name that is used and not bound": (
        [stub("total"), after("double", "y = [total]\nz = {'total': 1}")],
        {**FULL, "test_total": 0.0},
    ),
    "a copied stub with one in a string": (
        [stub("total"), after("double", "'''\ndef total(xs):\n    return 1\n'''")],
        {**FULL, "test_total": 0.0},
    ),
}


@pytest.mark.parametrize("name", LESS)
def test_what_is_wrong_stays_wrong(grader: Grader, name: str) -> None:
    changes, expected = LESS[name]
    notebook = small.answer(grader.assignment.released)
    for change in changes:
        change(notebook)
    assert grader.grade(json.dumps(notebook).encode()).scores == expected


def test_a_function_that_is_written_nowhere_is_said_to_be_so(grader: Grader) -> None:
    notebook = small.answer(grader.assignment.released)
    delete("total")(notebook)
    result = grader.grade(json.dumps(notebook).encode())
    assert "this function is not written yet" in json.dumps(result.notebook)


# --- another notebook ------------------------------------------------------------


def other(names: dict[str, str]) -> dict[str, Any]:
    """Return the tiny notebook with other names: another chapter's."""
    text = json.dumps(small.answer(small.source_notebook()))
    for old, new in names.items():
        text = text.replace(old, new)
    made: dict[str, Any] = json.loads(text)
    return made


WRONG_NOTEBOOKS = {
    "another chapter": other({"double": "triple", "total": "mean", "last": "first"}),
    "another chapter with one function alike": other({"double": "triple", "total": "mean"}),
    "a notebook of one's own": {"cells": [small.own_cell("x = 1")]},
    "an empty cell": {"cells": [small.own_cell("")]},
    "nothing but the setup cell": {
        "cells": [cell for cell in small.source_notebook()["cells"] if cell["id"] == "setup"]
    },
}


@pytest.mark.parametrize("name", WRONG_NOTEBOOKS)
def test_another_notebook_is_refused_by_name(grader: Grader, name: str) -> None:
    result = grader.grade(json.dumps(WRONG_NOTEBOOKS[name]).encode())
    assert result.reason == "this is not the notebook tiny"
    assert set(result.scores.values()) == {0.0}


def test_a_notebook_of_no_cells_is_refused(grader: Grader) -> None:
    assert grader.grade(b'{"cells": []}').reason == "the notebook has no cells"
    assert "zip archive" in grader.grade(b"PK\x03\x04...").reason


def test_the_released_notebook_itself_is_no_other(grader: Grader) -> None:
    result = grader.grade(json.dumps(grader.assignment.released).encode())
    assert (result.reason, set(result.scores.values())) == ("", {0.0})


def test_lines_without_ends_are_joined(grader: Grader) -> None:
    notebook = small.answer(grader.assignment.released)
    for cell in notebook["cells"]:
        cell["source"] = intake.source_of(cell).split("\n")
    assert grader.grade(json.dumps(notebook).encode()).scores == FULL
    (cell,) = intake.parse(json.dumps({"cells": [{"source": ["a\n", "b"]}]}).encode(), Limits())
    assert cell.source == "a\nb"


# --- what a cell binds, and in which order cells come ----------------------------

BINDS = {
    "def f(x): pass": True,
    "async def f(x): pass": True,
    "class f: pass": True,
    "f = 1": True,
    "f: int = 1": True,
    "g = f = 1": True,
    "(f, g) = 1, 2": True,
    "import a.b as f": True,
    "import f.g": True,
    "from a import f": True,
    "for f in (): pass": True,
    "with a as f: pass": True,
    "if (f := 1): pass": True,
    "while 0:\n  try: pass\n  finally:\n    def f(): pass": True,
    "%%time\ndef f(): pass": True,
    "!ls\nx = !ls\n%pip install y\nf?\ndef f(): pass": True,
    "    def f():\n        pass\n    x = f()": True,
    "def f(:\n  broken": True,
    "def f(x): pass\nx = 'open": True,
    "%%bash\ndef f(): pass": False,
    "%%writefile f.py\nf = 1": False,
    "f(1)": False,
    "f == 1": False,
    "x = f": False,
    "def g():\n  f = 1": False,
    "class g:\n  f = 1": False,
    "g = lambda f: 1": False,
    "[f for f in ()]": False,
    "a.f = 1": False,
    "a[f] = 1": False,
    "# def f(): pass": False,
    "'''\nf = 1\n'''": False,
    "from f import a": False,
}


@pytest.mark.parametrize("source", BINDS)
def test_what_a_cell_binds(source: str) -> None:
    assert ("f" in bindings.bound(source, {"f", "other"})) is BINDS[source]


@calm
@given(st.text(alphabet="def f()=:\n\t %!?'\"#x1,[]", max_size=60))
def test_any_text_of_a_cell_can_be_looked_at(source: str) -> None:
    assert bindings.bound(source, {"f"}) <= {"f"}


def test_huge_and_deep_cells_can_be_looked_at() -> None:
    assert bindings.bound("f = " + "(" * 40_000, {"f"}) == {"f"}
    assert bindings.bound("x = 1\n" * 1_000_000 + "f = 1", {"f"}) == {"f"}
    assert bindings.bound("f = " + "-" * 20_000 + "1", {"f"}) == {"f"}


PARTS = [
    order.Part("text", frozenset()),
    order.Part("locked", frozenset()),
    *(
        order.Part(kind, frozenset({name}))
        for name in "abc"
        for kind in ("text", "solution", "test")
    ),
]
pieces = st.builds(
    order.Piece,
    part=st.none() | st.integers(0, len(PARTS) - 1),
    original=st.booleans(),
    stub=st.booleans(),
    code=st.booleans(),
    binds=st.frozensets(st.sampled_from("abc")),
).map(
    lambda piece: piece._replace(
        stub=piece.stub and piece.part is not None and PARTS[piece.part].kind == "solution",
        code=piece.code or bool(piece.binds),
    )
)


@calm
@given(st.lists(pieces, max_size=12))
def test_nothing_released_is_lost_and_no_definition_comes_too_late(
    handed_in: list[order.Piece],
) -> None:
    items = order.arrange(PARTS, handed_in)
    assert sorted(item.part for item in items if item.part is not None) == list(range(len(PARTS)))
    used = [item.piece for item in items if item.piece is not None]
    assert used == sorted(set(used))
    for position, piece in enumerate(handed_in):
        mine = piece.part is None or PARTS[piece.part].kind == "solution"
        if piece.code and not piece.stub and (mine or piece.binds):
            assert position in used
    for k, part in enumerate(PARTS):
        if part.kind != "test":
            continue
        place = next(at for at, item in enumerate(items) if item.part == k)
        (name,) = part.names
        where = [
            at
            for at, item in enumerate(items)
            if item.piece is not None and name in handed_in[item.piece].binds
        ]
        assert not where or min(where) < place
        solution = next(item for item in items if item.part == k - 1)
        assert solution.empty == bool(where and solution.piece is None)
