"""Hidden tests: parts, points, and reasons in words.

``solutions/<slug>/hidden.py`` has a function for each graded one, of the same name, that
declares the parts of its tests. It may import ``examples.py``, which draws arguments, and
``reference.py``, where each function is written a second time::

    def rnn_step(tests: Tests) -> None:
        case = partial(examples.rnn_step, tests.rng)
        tests.part(2, "random sizes", [case(4, 3, 5), case(2, 6, 3)])

A graded cell ends with ``score("rnn", "rnn_step", rnn_step)``. The same cell runs in stock
nbgrader, where the function is the learner's own object, and in the isolated grader, where
it is a proxy and the assignment brings the files.
"""

import contextlib
import contextvars
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from lib import tree
from lib.checking import IN_PLACE, Check, Problem, call, compare

SEED_VARIABLE = "COURSE_SEED"
"""Environment variable with the class's secret seed."""

FILES = ("reference.py", "examples.py", "hidden.py")
"""What the tests of a chapter are made of; each may import those before it."""

EXACT = (1e-10, 1e-13, 1e-11)
"""Tolerances ``rtol``, ``atol``, ``stol`` of :func:`lib.checking.compare`: rounding's size.

Float32 within is told from float64 by them, and careless differences from a gradient.
"""

SOURCES = Path(__file__).resolve().parent.parent / "solutions"
"""Where the files are, unless an assignment brings them."""


class Case(NamedTuple):
    """One call: named arguments and the right results."""

    arguments: dict[str, Any]
    expected: Any


class Part(NamedTuple):
    """One part of a function's tests."""

    points: float
    words: str
    """What is tested, for the learner to read."""
    cases: tuple[Case, ...]
    tolerances: tuple[float, float, float]


class Tests:
    """What a function of ``hidden.py`` declares its parts with.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draw all arguments from it.
    reference : callable, optional
        The function's second implementation, of the same name in ``reference.py``.
    """

    def __init__(
        self, rng: np.random.Generator, reference: Callable[..., Any] | None = None
    ) -> None:
        self.rng = rng
        self.parts: list[Part] = []
        self._reference = reference

    def part(
        self,
        points: float,
        words: str,
        cases: Iterable[dict[str, Any]],
        reference: Callable[..., Any] | None = None,
        tolerances: tuple[float, float, float] = EXACT,
    ) -> None:
        """Declare one part: its points are earned when every case passes.

        Parameters
        ----------
        points : float
        words : str
            What is tested, for the learner to read; gives no answer away.
        cases : iterable of dict
            Named arguments of the function, one dict a case.
        reference : callable, optional
            Takes the same arguments and returns the expected results; the function of
            ``reference.py`` if not given.
        tolerances : tuple of float
            Wider ones are for results that are themselves approximate (finite differences).

        Raises
        ------
        ValueError
            Where there is no case, or no reference.
        """
        expected = reference or self._reference
        if expected is None:
            raise ValueError(f"reference: expected one in reference.py for part {words!r}")
        found = tuple(Case(case, expected(**case)) for case in cases)
        if not found:
            raise ValueError(f"cases: expected at least one, got none in part {words!r}")
        self.parts.append(Part(points, words, found, tolerances))


def at_end(values: np.ndarray, end: float = 1.0) -> np.ndarray:
    """Put one entry of cached values, in place, where an activation has no inverse.

    Tanh and the sigmoid have none at exactly 1, a softmax none at exactly 0: who makes the
    forward pass again from its cache, to differentiate it numerically, has to treat such
    an entry apart. A single value is left as it is.
    """
    if values.size > 1:
        values.flat[0] = end
    return values


ANYTHING = (np.nan, np.inf, -np.inf)
"""What may stand where nothing may matter."""


def spoiled(case: dict[str, Any], name: str, fill: Iterable[float] = ANYTHING) -> dict[str, Any]:
    """Put what no number should meet on the padding of one time-major argument."""
    values = case[name].copy()
    padding = np.arange(len(values))[:, None] >= case["lengths"]
    values[padding] = np.resize(list(fill), values[padding].shape)
    return {**case, name: values}


def far(case: dict[str, Any], name: str = "tanh_c", factor: float = 1e9) -> dict[str, Any]:
    """Make one argument's cached values so large that rounding takes the tanh's inverse from them.

    Arctanh of 10⁹ is a complex number so near to a pole of tanh that differences there are noise.
    """
    return {**case, name: factor * case[name]}


def amplified(case: dict[str, Any], factor: float = 1e4) -> dict[str, Any]:
    """Multiply the gradients that arrive, arguments whose names begin with d, by a factor."""
    return {
        name: tree.tree_map(lambda a: factor * a, value) if name.startswith("d") else value
        for name, value in case.items()
    }


def generator(slug: str, function: str) -> np.random.Generator:
    """Return the random generator of one function's hidden tests.

    Seeded from the class's secret seed, the chapter and the function's name, so that
    two classes have different numbers and a regrade has the same ones.
    """
    seed = os.environ.get(SEED_VARIABLE, "public")
    digest = hashlib.sha256(f"{seed}:{slug}:{function}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


# --- the files -------------------------------------------------------------------


def read(folder: Path) -> dict[str, bytes]:
    """Read those of the files that there are in a chapter's folder."""
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


def load(files: Mapping[str, bytes], where: str) -> dict[str, ModuleType]:
    """Make modules of files, by name; each can import those before it with ``from . import``.

    The modules live in memory, in a package of their own: nothing of them is written to
    where a learner's code could look.

    Parameters
    ----------
    files : mapping of str to bytes
    where : str
        Their folder, for tracebacks.
    """
    return _load(tuple(files.items()), where)


@functools.lru_cache(maxsize=32)
def _load(files: tuple[tuple[str, bytes], ...], where: str) -> dict[str, ModuleType]:
    content = repr((where, files)).encode()
    package = ModuleType(f"course_{hashlib.sha256(content).hexdigest()[:16]}")
    package.__path__ = []
    sys.modules[package.__name__] = package
    made = {}
    for file, source in files:
        name = file.removesuffix(".py")
        module = ModuleType(f"{package.__name__}.{name}")
        module.__package__ = package.__name__
        module.__file__ = f"{where}/{file}"
        sys.modules[module.__name__] = module
        exec(compile(source, module.__file__, "exec"), module.__dict__)
        setattr(package, name, module)
        made[name] = module
    return made


class _Given(NamedTuple):
    files: Mapping[str, bytes]
    points: float


_given: contextvars.ContextVar[_Given | None] = contextvars.ContextVar("given", default=None)


@contextlib.contextmanager
def given(files: Mapping[str, bytes], points: float) -> Iterator[None]:
    """Let :func:`score` use these files, and expect these points in all, for a while."""
    token = _given.set(_Given(files, points))
    try:
        yield
    finally:
        _given.reset(token)


# --- a score ---------------------------------------------------------------------


def declared(files: Mapping[str, bytes], slug: str, name: str) -> tuple[Part, ...]:
    """Return the parts of one function's tests, drawn with the class's seed.

    Raises
    ------
    ValueError
        Where ``hidden.py`` declares none.
    """
    seed = os.environ.get(SEED_VARIABLE, "public")
    return _declared(tuple(files.items()), seed, slug, name)


@functools.lru_cache(maxsize=256)
def _declared(
    files: tuple[tuple[str, bytes], ...], seed: str, slug: str, name: str
) -> tuple[Part, ...]:
    modules = load(dict(files), f"solutions/{slug}")
    declare = getattr(modules.get("hidden"), name, None)
    if declare is None:
        raise ValueError(f"solutions/{slug}/hidden.py: expected a function {name}, found none")
    tests = Tests(generator(slug, name), getattr(modules.get("reference"), name, None))
    declare(tests)
    return tuple(tests.parts)


def score(slug: str, name: str, function: Callable[..., Any]) -> float:
    """Run one function's hidden tests: print what each part earned and why; return the points.

    Parameters
    ----------
    slug : str
        The chapter.
    name : str
        The graded function.
    function : callable
        The learner's function, or a proxy of it.

    Raises
    ------
    ValueError
        Where the parts' points are not those of the cell.
    """
    course = _given.get()
    parts = declared(course.files if course else read(SOURCES / slug), slug, name)
    total = sum(part.points for part in parts)
    if course and total != course.points:
        raise ValueError(f"{slug}.{name}: expected {course.points:g} points in all, got {total:g}")
    example = Check(slug).examples[name]
    problems = [_run(part, function, example) for part in parts]
    earned = sum(part.points for part, problem in zip(parts, problems, strict=True) if not problem)
    print(f"{name}: {earned:g} of {total:g} points")
    for part, problem in zip(parts, problems, strict=True):
        got = 0 if problem else part.points
        reason = f": {problem}" if problem else ""
        print(f"  {got:g} of {part.points:g}  {part.words}{reason}")
    return float(earned)


def _run(part: Part, function: Callable[..., Any], example: Mapping[str, Any]) -> str:
    """Return what is wrong with the first case that does not pass; nothing where all do."""
    for case in part.cases:
        result, error, mutated = call(function, case.arguments)
        if error:
            return _safe(error)
        if mutated:
            return f"the function changed its argument {', '.join(mutated)} in place"
        problems = compare(result, case.expected, example["outputs"], (), *part.tolerances)
        if problems:
            return f"{problems[0].output}: {_describe(problems[0])}"
    return ""


SIZES = (
    (1e-5, "nearly right: an error of less than 0.001 %, as float32 or an approximation gives"),
    (1e-2, "not right: an error of less than 1 %"),
    (np.inf, "not right"),
)
"""How large an error is, in classes of what is the largest right entry."""


def _describe(problem: Problem) -> str:
    """Say what is wrong, and nothing that the learner's function can choose freely.

    A shape, a position or the digits of an error could carry the hidden input that a
    function was called with.
    """
    if problem.kind == "nan":
        return "not a number where a number is right"
    if problem.kind == "value":
        return next(words for size, words in SIZES if problem.size <= size)
    return problem.message.partition(", got ")[0]


def _safe(error: str) -> str:
    """Keep the kind of an error; its text could repeat the hidden inputs."""
    if error.startswith(IN_PLACE):
        return IN_PLACE
    if error.startswith("it raised "):
        return error.split(":")[0]
    return error
