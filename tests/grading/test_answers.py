"""Whatever comes out of a sandbox is read or refused, and is never the course's fault."""

import base64
import contextlib
import json
import types
from typing import Any

import course as small
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading import answers, batch
from grading.answers import Failed, Malformed, Raised, Ran, Returned, Shown, Stream, Used
from grading.engine import Grader, Result
from grading.inside import wire
from grading.limits import Limits
from grading.outputs import Room
from grading.proxy import LearnerError
from grading.sandbox import Ended
from lib import checking, codec

NAMES = [0, 1, "x"]
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["run", "ok", "stream", "error", "exception", "0x1p+1", "<f8", PICTURE, "\ud800"]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def like(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields, each right, missing or anything."""
    return st.fixed_dictionaries({}, optional={k: v | anything for k, v in fields.items()})


arrays = like(
    dtype=st.sampled_from(["<f8", ">i4", "|b1", "<f2", "<f16", "O", "<U3", "f8,i4"]),
    shape=st.lists(st.integers(-1, 4), max_size=9) | st.just([2**40, 2**40]),
    values=st.lists(scalars, max_size=6),
    base64=st.binary(max_size=32).map(lambda b: base64.b64encode(b).decode()),
)
values = st.recursive(
    anything | like(array=arrays) | like(float=st.text() | st.floats().map(float.hex)),
    lambda inner: (
        like(tuple=st.lists(inner, max_size=3), list=st.lists(inner, max_size=3))
        | like(dict=st.dictionaries(st.text(), inner, max_size=3))
        | like(named=like(type=st.text(), fields=st.lists(st.text()), items=st.lists(inner)))
    ),
    max_leaves=8,
)
outputs = like(
    type=st.sampled_from(["stream", "display", "result", "error"]),
    name=st.text(),
    text=st.text(),
    value=st.text(),
    png=st.text() | st.just(PICTURE),
    lines=st.lists(st.text() | anything, max_size=3),
)
messages = st.one_of(
    anything,
    like(ok=st.booleans(), outputs=st.lists(outputs, max_size=4), cut=st.booleans()),
    like(ok=st.just(True), value=values, mutated=st.lists(st.text() | st.integers())),
    like(
        ok=st.just(False),
        kind=st.sampled_from(["undefined", "exception", "value"]),
        type=st.text(),
        line=st.integers(),
    ),
    like(signal=st.integers(), cpu=st.floats(), waited=st.floats(), memory=st.integers()),
    like(ready=st.booleans(), pid=st.integers(), error=st.text()),
)
raw = st.binary(max_size=60) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
data = raw | messages.map(lambda message: json.dumps(message).encode())
BYTES = [b"", b"[" * 100_000, b"1" * 5000, b'{"ok": NaN}', b"\xff\xfe", b'{"a": 1} ', b"nul"]


def check(sent: bytes) -> None:
    """Read bytes in every way; whatever is read must be usable."""
    try:
        ran = answers.ran(sent)
    except Malformed:
        pass
    else:
        assert type(ran) is Ran
        made = Room(Limits()).outputs(ran)
        json.dumps(made).encode()
        for output in made:
            assert set(output.get("data", {})) <= {"text/plain", "image/png"}
    try:
        answer = answers.called(sent, NAMES)
    except Malformed:
        pass
    else:
        assert type(answer) in (Returned, Failed)
        if isinstance(answer, Returned):
            assert set(answer.mutated) <= set(NAMES)
    with contextlib.suppress(Malformed):
        assert type(answers.used(sent)) is Used
    with contextlib.suppress(Malformed):
        assert type(answers.spawned(sent)) is int
    with contextlib.suppress(Malformed):
        assert answers.ready(sent) is None
    blame(sent)


def blame(sent: bytes) -> None:
    """Have a test call a function that answers so; the outcome is the function's own."""

    def call(name: str, arguments: Any, names: list[str | int]) -> Returned | Failed:
        try:
            return answers.called(sent, names)
        except Malformed as error:
            raise Ended("output") from error

    grader: Any = types.SimpleNamespace(limits=Limits())
    session: Any = types.SimpleNamespace(call=call)
    result = Result({}, {})
    outcome = Grader._invoke(grader, session, result, "test_f", {}, "f", (1.0, 2.0), {"x": 3.0})
    assert outcome.error is None or type(outcome.error) is LearnerError
    if outcome.error is None:
        for expected in (np.zeros((2, 3)), 1.5, None, "a", True, (np.zeros(2), 3)):
            problems = checking.compare(outcome.value, expected, ["y"])
            assert all(isinstance(problem.message, str) for problem in problems)
        checking.compare(outcome.value, (1.0, np.zeros(3)), ["y", "z"], time_major=["z"])


@settings(max_examples=400, deadline=None)
@given(data)
def test_any_message_is_read_or_refused(sent: bytes) -> None:
    check(sent)


@pytest.mark.parametrize("sent", BYTES, ids=[str(b[:10]) for b in BYTES])
def test_bytes_that_are_no_message_are_refused(sent: bytes) -> None:
    check(sent)


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_value_decodes_or_is_refused(value: Any) -> None:
    check(json.dumps({"ok": True, "value": value, "mutated": []}).encode())


def test_what_a_sandbox_says_is_read() -> None:
    sent = {
        "ok": True,
        "outputs": [
            {"type": "stream", "name": "stderr", "text": "a"},
            {"type": "display", "text": "b", "png": PICTURE},
            {"type": "error", "name": "E", "value": "v", "lines": ["c", "d"]},
        ],
        "cut": True,
    }
    assert answers.ran(json.dumps(sent).encode()) == Ran(
        (Stream("stderr", "a"), Shown("b", PICTURE), Raised("E", "v", ("c", "d"))), True
    )
    value = codec.encode((1, np.arange(2.0)))
    sent = {"ok": True, "value": value, "mutated": ["x", 1, "other"]}
    answer = answers.called(json.dumps(sent).encode(), NAMES)
    assert isinstance(answer, Returned)
    assert answer.mutated == (1, "x")
    assert answer.value[0] == 1
    assert answer.value[1].tolist() == [0.0, 1.0]
    sent = {"ok": False, "kind": "exception", "type": "KeyError", "line": 3}
    assert answers.called(json.dumps(sent).encode(), NAMES) == Failed("exception", "KeyError", 3)
    sent = {"signal": 9, "cpu": 0.5, "waited": 0, "memory": 7}
    assert answers.used(json.dumps(sent).encode()) == Used(9, 0.5, 0.0, 7)


@pytest.mark.parametrize(
    "sent",
    [
        {"ok": False, "kind": "exception", "type": [], "line": None},
        {"ok": False, "kind": "exception", "type": {}, "line": True},
        {"ok": False, "kind": [], "type": "x"},
        {"ok": True, "value": None, "mutated": [[]]},
        {"ok": True, "value": {"array": {"dtype": [], "shape": {}, "base64": 3}}, "mutated": []},
        {"ok": 1},
    ],
)
def test_a_forged_answer_costs_its_maker_the_part_and_blames_nobody_else(
    template: Any, sent: dict[str, Any]
) -> None:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, small.NAME)
    text = json.dumps(sent)
    code = (
        "import os, struct\n"
        f"data = {text!r}.encode()\n"
        "def double(x):\n"
        "    os.write(3, struct.pack('>I', len(data)) + data)\n"
        "    os._exit(0)\n"
    )
    with Grader(assignment) as grader:
        notebook = small.answer(assignment.released, double=code)
        result = grader.grade(json.dumps(notebook).encode())
    assert result.reason == ""
    assert result.scores == {"test_double": 0.0, "test_total": 3.0, "test_last": 3.0}
    assert "test_double: output" in result.limits


def test_a_message_is_as_long_as_it_says() -> None:
    assert wire.pack({"a": 1}) == b"\x00\x00\x00\x08" + b'{"a": 1}'
