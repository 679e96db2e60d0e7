"""The harness of hidden tests: parts, points, and reasons in words.

A graded test cell makes one :class:`Hidden`, declares parts, and ends with
``hidden.score()``. The same cell runs in stock nbgrader, where the function is the
learner's own object, and in the isolated grader, where it is a proxy.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from lib.checking import ATOL, RTOL, Check, Problem, call, compare

SEED_VARIABLE = "COURSE_SEED"
"""Environment variable with the class's secret seed."""


class Part(NamedTuple):
    """The outcome of one part."""

    points: float
    words: str
    problem: str
    """Empty where the points were earned."""


def generator(slug: str, function: str) -> np.random.Generator:
    """Return the random generator of one function's hidden tests.

    Seeded from the class's secret seed, the chapter and the function's name, so that
    two classes have different numbers and a regrade has the same ones.
    """
    seed = os.environ.get(SEED_VARIABLE, "public")
    digest = hashlib.sha256(f"{seed}:{slug}:{function}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


class Hidden:
    """Hidden tests of one graded function.

    Parameters
    ----------
    slug : str
        The chapter.
    function : callable
        The learner's function, or a proxy of it.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draw all test inputs from it.
    parts : list of Part
    """

    def __init__(self, slug: str, function: Callable[..., Any]) -> None:
        self.function = function
        self.name: str = function.__name__
        example = Check(slug).examples[self.name]
        self.outputs: list[str] = example["outputs"]
        self.time_major: list[str] = example["time_major"]
        self.rng = generator(slug, self.name)
        self.parts: list[Part] = []

    def part(
        self,
        points: float,
        words: str,
        cases: Iterable[dict[str, Any]],
        reference: Callable[..., Any],
        rtol: float = RTOL,
        atol: float = ATOL,
    ) -> None:
        """Test one part: its points are earned when every case passes.

        Parameters
        ----------
        points : float
        words : str
            What is tested, for the learner to read; gives no answer away.
        cases : iterable of dict
            Named arguments of the function, one dict a case.
        reference : callable
            Takes the same arguments; returns the expected results.
        rtol, atol : float
            For references that are themselves approximate (finite differences).
        """
        cases = list(cases)
        if not cases:
            raise ValueError(f"cases: expected at least one, got none in part {words!r}")
        for case in cases:
            problem = self._run(case, reference, rtol, atol)
            if problem:
                break
        self.parts.append(Part(points, words, problem))

    def examine(
        self, points: float, words: str, judge: Callable[[Callable[..., Any]], str]
    ) -> None:
        """Test one part that is not a list of cases with expected answers.

        ``judge`` gets a function that calls the learner's on copies of named arguments
        and raises :class:`Failed` where that fails; it returns what is wrong, in words
        that give no value away, or an empty string.
        """

        def run(**case: Any) -> Any:
            result, error, mutated = call(self.function, case)
            if error:
                raise Failed(_safe(error))
            if mutated:
                raise Failed(_mutated(mutated))
            return result

        try:
            problem = judge(run)
        except Failed as failure:
            problem = str(failure)
        self.parts.append(Part(points, words, problem))

    def _run(
        self, case: dict[str, Any], reference: Callable[..., Any], rtol: float, atol: float
    ) -> str:
        expected = reference(**case)
        result, error, mutated = call(self.function, case)
        if error:
            return _safe(error)
        if mutated:
            return _mutated(mutated)
        problems = compare(result, expected, self.outputs, self.time_major, rtol, atol)
        return _describe(problems[0]) if problems else ""

    def score(self) -> float:
        """Print what each part earned and why, and return the points."""
        total = sum(part.points for part in self.parts)
        earned = sum(part.points for part in self.parts if not part.problem)
        print(f"{self.name}: {earned:g} of {total:g} points")
        for part in self.parts:
            got = 0 if part.problem else part.points
            reason = f": {part.problem}" if part.problem else ""
            print(f"  {got:g} of {part.points:g}  {part.words}{reason}")
        return float(earned)


class Failed(Exception):
    """The learner's function did not return what a test can use."""


def _describe(problem: Problem) -> str:
    return f"{problem.output}: {problem.message}"


def _mutated(names: list[str]) -> str:
    return f"the function changed its argument {', '.join(names)} in place"


def _safe(error: str) -> str:
    """Keep the kind of an error; its text could repeat the hidden inputs."""
    if error.startswith("it raised "):
        return error.split(":")[0]
    return error
