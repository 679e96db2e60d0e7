"""What a learner sees when a graded function is checked, and how answers are compared.

``check(rnn_step)`` in a notebook calls the function on one fixed example, or on a few,
and says, in words, what is right and what is not; ``check.all()`` says it of all of them.
The hidden tests use the same comparison.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lib import codec, showing
from lib.reports import UNWRITTEN, Problem, Report, Row, Table, line

RTOL = ATOL = 1e-9
"""Wide enough for other ways to compute the same in float64, too narrow for float32."""


IN_PLACE = "it changed an argument in place; leave arguments as they came"

Tolerances = tuple[float, float, float]


class CheckFailed(AssertionError):
    """A visible check failed while nbgrader was validating the notebook."""

    def _render_traceback_(self) -> list[str]:
        """Give IPython the report in the place of a traceback, which has no line of theirs."""
        return [str(self)]


def _wrong_steps(wrong: np.ndarray) -> str:
    steps = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    listed = ", ".join(map(str, steps[:6])) + (", …" if len(steps) > 6 else "")
    return f"; wrong time steps: {listed} (of 0 to {len(wrong) - 1})"


def compare(
    got: Any,
    expected: Any,
    outputs: Sequence[str],
    time_major: Sequence[str] = (),
    rtol: float = RTOL,
    atol: float = ATOL,
    stol: float = 0.0,
) -> list[Problem]:
    """Compare an answer with the expected one, result by result.

    Parameters
    ----------
    got, expected : the function's results
        One result, or a tuple of as many as ``outputs`` names. A result may itself be
        a (named) tuple, whose parts are compared one by one.
    outputs : names of the results
    time_major : names of those whose first axis is time
        Their problems name the wrong steps.
    rtol, atol, stol : float
        An entry is right where |got − expected| ≤ atol + rtol·|expected| + stol·m; m is the
        largest finite |expected| of the result.

    Returns
    -------
    list of Problem
        Empty where all is right.
    """
    if len(outputs) == 1:
        return _compare(got, expected, outputs[0], time_major, (rtol, atol, stol))
    if not isinstance(got, (tuple, list)) or len(got) != len(outputs):
        came = f"{len(got)} results" if isinstance(got, (tuple, list)) else _type(got)
        wanted = ", ".join(outputs)
        return [
            Problem(
                "result", "structure", f"expected {len(outputs)} results ({wanted}), got {came}"
            )
        ]
    problems = []
    for name, g, e in zip(outputs, got, expected, strict=True):
        problems += _compare(g, e, name, time_major, (rtol, atol, stol))
    return problems


def _type(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _compare(
    got: Any, expected: Any, name: str, time_major: Sequence[str], tolerances: Tolerances
) -> list[Problem]:
    if isinstance(expected, (tuple, list)):
        fields = getattr(expected, "_fields", range(len(expected)))
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            came = f"{len(got)} parts" if isinstance(got, (tuple, list)) else _type(got)
            return [Problem(name, "structure", f"expected {len(expected)} parts, got {came}")]
        problems = []
        for field, g, e in zip(fields, got, expected, strict=True):
            problems += _compare(g, e, f"{name}.{field}", time_major, tolerances)
        return problems
    if expected is None or isinstance(expected, (str, bool)):
        same = got is expected or (type(got) is type(expected) and got == expected)
        if isinstance(expected, bool) and isinstance(got, np.bool_):
            same = bool(got) == expected
        return [] if same else [Problem(name, "value", f"{_type(got)} that is not right", size=1.0)]
    return _compare_numbers(got, np.asarray(expected), name, time_major, tolerances)


def _compare_numbers(
    got: Any, expected: np.ndarray, name: str, time_major: Sequence[str], tolerances: Tolerances
) -> list[Problem]:
    if not isinstance(got, (np.ndarray, np.generic, int, float)) or isinstance(got, bool):
        return [Problem(name, "type", f"expected an array of numbers, got {_type(got)}")]
    got = np.asarray(got)
    if got.dtype.kind not in "biuf":
        return [Problem(name, "type", f"expected real numbers, got dtype {got.dtype}")]
    if got.shape != expected.shape:
        return [Problem(name, "shape", f"expected shape {expected.shape}, got {got.shape}")]
    if expected.dtype.kind in "iu" and got.dtype.kind not in "iu":
        return [Problem(name, "dtype", f"expected integers, got dtype {got.dtype}")]
    narrow = got.dtype.kind == "f" or got.ndim > 0
    if expected.dtype == np.float64 and narrow and got.dtype != np.float64:
        return [Problem(name, "dtype", f"expected dtype float64, got {got.dtype}")]
    bad = np.isnan(got) & ~np.isnan(expected)
    if bad.any():
        where = f" at {_index(bad)}" if got.ndim else ""
        return [Problem(name, "nan", f"not a number in {bad.sum()} of {bad.size} entries{where}")]
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    error = np.where(same, 0.0, error)
    rtol, atol, stol = tolerances
    largest = float(np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0))
    close = np.isfinite(error) & (error <= atol + rtol * np.abs(expected) + stol * largest)
    wrong = ~(same | close)
    if not wrong.any():
        return []
    at = np.unravel_index(
        np.argmax(np.where(wrong, np.nan_to_num(error, nan=np.inf), -1)), error.shape
    )
    place = f" at {[int(i) for i in at]}" if got.ndim else ""
    message = f"largest error {error[at]:.2g}{place}"
    if got.ndim:
        message += f", {wrong.sum()} of {wrong.size} entries wrong"
    if name in time_major and got.ndim:
        message += _wrong_steps(wrong)
    return [
        Problem(
            name,
            "value",
            message,
            f"there got {got[at]:.6g}, expected {expected[at]:.6g}",
            float(np.nan_to_num(error[at], nan=np.inf)) / (largest or 1.0),
        )
    ]


def _index(mask: np.ndarray) -> list[int]:
    return [int(i) for i in np.argwhere(mask)[0]]


def _part(value: Any, outputs: Sequence[str], name: str) -> Any:
    """Pick the result whose problems carry ``name`` (``"state.h"`` belongs to ``"state"``)."""
    return value if len(outputs) == 1 else value[list(outputs).index(name.split(".")[0])]


def _wrong_results(problems: Sequence[Problem]) -> list[str]:
    return list(dict.fromkeys(p.output.split(".")[0] for p in problems if p.kind != "mutated"))


def _numbers(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, (np.ndarray, np.generic, int, float)):
        yield np.asarray(value)


def _telling(answer: Any) -> bool:
    """Tell whether a value is unlikely to be met by chance: real, and not zero throughout."""
    return any(part.dtype.kind == "f" and part.any() for part in _numbers(answer))


def named_mistakes(
    got: Any, example: dict[str, Any], problems: Sequence[Problem]
) -> list[tuple[str, str]]:
    """Find the known mistake that a wrong answer equals.

    A mistake is named only where it gives every result that is wrong. A few integers, or
    zeros, can agree by chance: where nothing else does, the right results must be the
    mistake's as well.

    Parameters
    ----------
    got : the function's results
    example : dict
        ``outputs``, ``expected`` and ``mistakes``, as in ``checks.json``, decoded.
    problems : what :func:`compare` found

    Returns
    -------
    list of (output, message)
        For each wrong result the one mistake that gives them all, if there is one; that
        which gives the whole answer goes first.
    """
    outputs = example["outputs"]
    wrong = _wrong_results(problems)
    chosen = None
    for message, answer in example["mistakes"]:
        differing = _wrong_results(compare(got, answer, outputs))
        if wrong and not differing:
            chosen = message
            break
        if chosen or "result" in wrong or set(differing) & set(wrong):
            continue
        if any(_telling(_part(answer, outputs, name)) for name in wrong):
            chosen = message
    return [(name, chosen) for name in wrong] if chosen else []


class _Examples(Mapping[str, dict[str, Any]]):
    """Examples by function, decoded when asked for: a test needs one of them."""

    def __init__(self, encoded: dict[str, Any]) -> None:
        self._encoded = encoded
        self._decoded: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._decoded:
            self._decoded[name] = codec.decode(self._encoded[name], trusted=True)
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)


class Check:
    """The visible checks of one notebook.

    Parameters
    ----------
    slug : str
        The chapter.
    path : path, optional
        ``checks.json``; looked for beside the notebook if not given.

    Raises
    ------
    FileNotFoundError
        Where ``checks.json`` is not there, naming where it was looked for.
    """

    def __init__(self, slug: str, path: str | Path | None = None) -> None:
        beside = Path("checks.json")
        in_course = Path(__file__).resolve().parent.parent / "solutions" / slug / "checks.json"
        candidates = [Path(path)] if path else [beside, in_course]
        for candidate in candidates:
            if candidate.is_file():
                data = json.loads(candidate.read_text(encoding="utf-8"))
                if path or data["chapter"] == slug:
                    break
        else:
            looked = " and ".join(str(c) for c in candidates)
            raise FileNotFoundError(
                f"checks.json of chapter {slug!r} not found: looked at {looked}"
            )
        self.slug = slug
        self.examples: Mapping[str, dict[str, Any]] = _Examples(data["examples"]["dict"])
        self.points: Mapping[str, float] = MappingProxyType(dict(data.get("points", ())))
        self._seen: dict[str, str] = {}

    def __call__(self, function: Callable[..., Any]) -> None:
        """Call ``function`` on its examples and show a report.

        Raises
        ------
        CheckFailed
            Only under ``nbgrader validate``, which counts exceptions.
        """
        report = self.report(function, sys._getframe(1).f_globals)
        self._seen[report.function] = report.status
        report = report._replace(total=self._total())
        showing.show("report", report)
        if not report.ok and os.environ.get("NBGRADER_EXECUTION") == "validate":
            raise CheckFailed(report.text)

    def all(self) -> None:
        """Check every function of the notebook and show a table."""
        scope = sys._getframe(1).f_globals
        rows = []
        for name in self.points or self.examples:
            report = self._report(name, scope[name]) if callable(scope.get(name)) else None
            self._seen[name] = status = report.status if report else "open"
            first = line(report.problems[0]) if report and status == "wrong" else ""
            look_at = report.mistakes[0][1] if report and report.mistakes else first
            rows.append(Row(name, status, self.points.get(name, 0), look_at))
        showing.show("table", Table(tuple(rows), self._total()))

    def report(
        self, function: Callable[..., Any], scope: Mapping[str, Any] = MappingProxyType({})
    ) -> Report:
        """Call ``function`` on its examples and say what came of the first that is not right.

        Parameters
        ----------
        function : callable
            One of the notebook's functions; decorated, a lambda or a partial as well.
        scope : mapping of str to object, optional
            The caller's names: a function is also known by the one that it is bound to.

        Raises
        ------
        ValueError
            Where there is no example for it.
        """
        return self._report(self._name(function, scope), function)

    def _name(self, function: Any, scope: Mapping[str, Any]) -> str:
        if not callable(function):
            raise ValueError(f"function: expected a function, got {_type(function)}")
        own = [getattr(one, "__name__", "") for one in _layers(function)]
        bound = [name for name in self.examples if scope.get(name) is function]
        for name in (*(name for name in own if not bound or name in bound), *bound):
            if name in self.examples:
                return name
        known = ", ".join(sorted(self.examples))
        came = next(filter(None, own), type(function).__name__)
        raise ValueError(f"function: expected one of {known}, got {came}")

    def _report(self, name: str, function: Callable[..., Any]) -> Report:
        example = self.examples[name]
        outputs = tuple(example["outputs"])
        cases = [
            {**example, "words": ""},
            *({**example, **more} for more in example.get("also", [])),
        ]
        for case in cases:
            got, error, mutated = call(function, case["args"])
            if error:
                problems = [Problem("result", "error", error)]
            else:
                problems = compare(got, case["expected"], case["outputs"], case["time_major"])
                problems += [
                    Problem(
                        arg, "mutated", "this argument was changed in place; leave it as it came"
                    )
                    for arg in mutated
                ]
            if problems:
                mistakes = () if error else tuple(named_mistakes(got, case, problems))
                return Report(name, tuple(problems), mistakes, outputs, case["words"], len(cases))
        return Report(name, (), (), outputs, examples=len(cases))

    def _total(self) -> str:
        right = [name for name, status in self._seen.items() if status == "right"]
        total = f"{len(right)} of {len(self.examples)} right"
        if not self.points:
            return f"{total}."
        earned, all_points = sum(self.points[name] for name in right), sum(self.points.values())
        return f"{total}, {earned:g} of {all_points:g} points visible."


def _layers(function: Any) -> Iterator[Any]:
    """Yield a function, then what is within it, decorator by decorator."""
    seen = []
    while function is not None and function not in seen:
        seen.append(function)
        yield function
        function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)


def call(function: Callable[..., Any], args: dict[str, Any]) -> tuple[Any, str, list[str]]:
    """Call ``function`` on copies of ``args``, whose arrays cannot be written to.

    A function that lives in another process offers ``invoke``; any other is called
    here.

    Returns
    -------
    result
        ``None`` where an error came.
    error : str
        Empty, or what happened, in words.
    mutated : list of str
        The arguments that the call changed in place.
    """
    copies = {key: _copy(value) for key, value in args.items()}
    invoke = getattr(function, "invoke", None)
    if invoke is not None:
        value, failure, mutated = invoke((), copies)
        return value, "" if failure is None else str(failure), list(mutated)
    try:
        result = function(**copies)
    except NotImplementedError:
        return None, UNWRITTEN, []
    except Exception as error:
        return None, _explain(error, function), []
    changed = [key for key in args if not _same(args[key], copies[key])]
    return result, "", changed


def _explain(error: Exception, function: Callable[..., Any]) -> str:
    frames = traceback.extract_tb(error.__traceback__)[1:]
    code = getattr([*_layers(function)][-1], "__code__", None)
    files = {code.co_filename} if code else {frame.filename for frame in frames[:1]}
    own = [frame for frame in frames if frame.filename in files and frame.line]
    last = f", line {own[-1].lineno}: {own[-1].line}" if own else ""
    if isinstance(error, ValueError) and "read-only" in str(error):
        return f"{IN_PLACE}{last}"
    return f"it raised {type(error).__name__}: {error}{last}"


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        copied = value.copy()
        copied.flags.writeable = False
        return copied
    if isinstance(value, tuple):
        items = [_copy(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [_copy(v) for v in value]
    if isinstance(value, dict):
        return {key: _copy(v) for key, v in value.items()}
    return value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a is b or a == b
