"""The one parser of what comes out of a sandbox.

A learner's code can write to the grader's socket whatever it likes. Here bytes become
values of the types below, or :class:`Malformed` is raised and nothing else: no reader
further on meets a value of a kind that it does not expect. Fields that are not asked for
are not looked at.
"""

import base64
import binascii
import functools
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from lib import codec

PNG = b"\x89PNG\r\n\x1a\n"

P = ParamSpec("P")
T = TypeVar("T")


class Malformed(Exception):
    """A message that is not of the format."""


class Stream(NamedTuple):
    """Text that a cell printed."""

    name: str
    """``stdout`` or ``stderr``."""
    text: str


class Shown(NamedTuple):
    """What a cell displayed."""

    text: str
    png: str
    """A picture in base64, or nothing."""


class Raised(NamedTuple):
    """The exception that ended a cell."""

    name: str
    value: str
    lines: tuple[str, ...]


class Ran(NamedTuple):
    """A cell that came to its end."""

    outputs: tuple[Stream | Shown | Raised, ...]
    cut: bool
    """Whether there was more."""


class Returned(NamedTuple):
    """A call that gave a value."""

    value: Any
    mutated: tuple[str | int, ...]
    """Names or positions of the arguments that the function changed in place."""


class Failed(NamedTuple):
    """A call that gave none."""

    kind: str
    """``undefined``, ``exception``, ``readonly`` (an argument was to be changed in place) or
    ``value`` (a result that the format does not allow)."""
    type: str
    """Name of the exception's or the value's type."""
    line: int | None
    """Line of the learner's cell, from 1 to 999."""


class Used(NamedTuple):
    """What a sandbox used."""

    signal: int = 0
    cpu: float = 0.0
    """Seconds of processor time."""
    waited: float = 0.0
    """Seconds in which it waited for a free core."""
    memory: int = 0
    """Largest resident size in bytes."""


def _parser(parse: Callable[P, T]) -> Callable[P, T]:
    """Have whatever goes wrong in a parser end as :class:`Malformed`."""

    @functools.wraps(parse)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(*args, **kwargs)
        except Malformed:
            raise
        except Exception as error:
            raise Malformed(f"{type(error).__name__} in {parse.__name__}") from error

    return guarded


def _get(message: dict[str, Any], key: str, *kinds: type) -> Any:
    value = message.get(key)
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise Malformed(f"{key}: expected {wanted}, got {type(value).__name__}")
    return value


def _text(message: dict[str, Any], key: str) -> str:
    """Return a text that any file can hold."""
    return str(_get(message, key, str)).encode("utf-8", "replace").decode()


@_parser
def message(data: bytes) -> dict[str, Any]:
    """Read the bytes of a message."""
    value = json.loads(data)
    if type(value) is not dict:
        raise Malformed(f"expected an object, got {type(value).__name__}")
    return value


@_parser
def ran(data: bytes) -> Ran:
    """Read the answer to a cell."""
    answer = message(data)
    cut = _get(answer, "cut", bool, type(None))
    return Ran(tuple(_output(item) for item in _get(answer, "outputs", list)), bool(cut))


def _output(item: Any) -> Stream | Shown | Raised:
    if type(item) is not dict:
        raise Malformed("an output that is no object")
    match item.get("type"):
        case "stream":
            return Stream(
                "stderr" if item.get("name") == "stderr" else "stdout", _text(item, "text")
            )
        case "display" | "result":
            return Shown(_text(item, "text"), _picture(item))
        case "error":
            lines = _get(item, "lines", list)
            texts = tuple(_text({"line": line}, "line") for line in lines)
            return Raised(_text(item, "name"), _text(item, "value"), texts)
    raise Malformed("an output of an unknown kind")


def _picture(item: dict[str, Any]) -> str:
    """Return a PNG as base64; an object may display something else under that name."""
    text = _get(item, "png", str, type(None)) or ""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return ""
    return base64.b64encode(data).decode() if data.startswith(PNG) else ""


@_parser
def called(data: bytes, names: Iterable[str | int]) -> Returned | Failed:
    """Read the answer to a call with arguments of these names and positions."""
    answer = message(data)
    if _get(answer, "ok", bool):
        changed = _get(answer, "mutated", list)
        if any(type(name) not in (str, int) for name in changed):
            raise Malformed("mutated: expected names and positions")
        value = codec.decode(answer.get("value"))
        return Returned(value, tuple(name for name in names if name in changed))
    kind = _get(answer, "kind", str)
    if kind not in ("undefined", "exception", "readonly", "value"):
        raise Malformed("a failure of an unknown kind")
    name = "" if kind == "undefined" else _text(answer, "type")
    line = _get(answer, "line", int, type(None))
    return Failed(kind, name, line if line is not None and 0 < line < 1000 else None)


@_parser
def ready(data: bytes) -> None:
    """Read the first word of a process that is ready to serve."""
    if _get(message(data), "ready", bool) is not True:
        raise Malformed("not ready")


@_parser
def spawned(data: bytes) -> int:
    """Read the process id of a new sandbox, within its parent's namespace."""
    answer = message(data)
    error = _get(answer, "error", str, type(None))
    if error is not None:
        raise Malformed(error)
    return int(_get(answer, "pid", int))


@_parser
def used(data: bytes) -> Used:
    """Read what a sandbox has used; what is not told is 0."""
    answer = message(data)
    if "error" in answer:
        raise Malformed(_get(answer, "error", str))
    return Used(
        _get(answer, "signal", int, type(None)) or 0,
        float(_get(answer, "cpu", float, int)),
        float(_get(answer, "waited", float, int)),
        _get(answer, "memory", int, type(None)) or 0,
    )
