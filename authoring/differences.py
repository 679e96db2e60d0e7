"""Answer backward functions by numerical differentiation: ``python -m authoring.differences``.

For each backward function, the points that a learner earns who writes the way forward only
and differentiates it, entry by entry: by differences of six points in complex long double,
with pre-activations recovered from cached values by arctanh and logit, and by complex steps
with addition theorems in the place of the inverses. A call may take as long as a grader lets
it. Prints a table; the status is 1 where an attack earns more than half of the points, but
for the two functions that no test can keep from it (``OPEN``).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from authoring import sources
from authoring.forwards import ATTACKS, Anchored, Attack
from grading import hidden
from grading.limits import Limits
from lib.checking import Check, compare


class Method(NamedTuple):
    """A way to differentiate."""

    name: str
    dtype: Any
    inverse: bool
    derivative: Callable[[Callable[[Any], Any]], Any]
    """From a function of a step to its derivative at zero."""


STEP = 2e-5


def six_points(f: Callable[[Any], Any]) -> Any:
    """Differentiate by central differences of six points, as exactly as they can be."""
    step = np.longdouble(STEP)
    weights = {k: np.longdouble(a) / 60 for k, a in {1: 45, 2: -9, 3: 1}.items()}
    return sum(w * (f(k * step) - f(-k * step)) for k, w in weights.items()) / step


def complex_step(f: Callable[[Any], Any]) -> Any:
    """Differentiate by the imaginary part: no difference, so nothing cancels."""
    return np.imag(f(1e-100j)) / 1e-100


METHODS = (
    Method("six points, inverses", np.clongdouble, True, six_points),
    Method("complex step, addition theorems", np.complex128, False, complex_step),
)


OPEN = {("lstm", "state_backward"), ("peephole", "peephole_cell_backward")}
"""Element by element: one pass moves all elements at once, and the addition theorem of tanh is
its slope in other words. Half of the points are kept from the inverse functions."""


class TooLongError(Exception):
    """A call took longer than a grader lets it."""


def answer(
    attack: Attack, method: Method, arguments: dict[str, Any], seconds: float
) -> tuple[Any, ...]:
    """Compute the gradients of one case.

    Raises
    ------
    TooLongError
        Where it takes longer than ``seconds`` of processor time, or is sure to.
    """
    values = SimpleNamespace(**{k: _cast(v, method.dtype) for k, v in arguments.items()})
    for name, shape in attack.fresh(values).items():
        if not hasattr(values, name):
            setattr(values, name, np.zeros(shape, method.dtype))
    if "h_prev" in attack.variables and not hasattr(values, "h_prev"):
        values.h_prev = values.zs[0]
    values.at_first = SimpleNamespace(**vars(values))
    at = Anchored(method.inverse)
    attack.loss(at, values)
    wanted = [name for name in attack.variables if getattr(values, name) is not None]
    left = sum(1 if attack.elementwise else getattr(values, name).size for name in wanted)
    clock = _Clock(seconds, left)
    found = {}
    for name in wanted:
        base = getattr(values, name)
        gradient = np.zeros(base.shape)
        for place in [...] if attack.elementwise else np.ndindex(base.shape):

            def moved(step: complex, name: str = name, base: Any = base, place: Any = place) -> Any:
                other = base.copy()
                other[place] += step
                at.again()
                return attack.loss(at, SimpleNamespace(**{**vars(values), name: other}))

            gradient[place] = np.real(method.derivative(moved))
            clock.tick()
        found[name] = gradient
    return tuple(found.get(name) for name in attack.variables)


class _Clock:
    """Ends what is too long, early where that is plain."""

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds, self._count, self._done = seconds, count, 0
        self._began = time.process_time()

    def tick(self) -> None:
        self._done += 1
        used = time.process_time() - self._began
        likely = used * self._count / self._done
        if used > self._seconds or (used > 0.5 and likely > 2 * self._seconds):
            raise TooLongError(f"about {likely:.0f} s")


def _cast(value: Any, dtype: Any) -> Any:
    real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(dtype) if real else value


class Outcome(NamedTuple):
    """What one attack earned with one function."""

    earned: float
    points: float
    reasons: tuple[str, ...]
    """Why each part's points were lost; empty where they were earned."""


def attack(slug: str, name: str, method: Method, seconds: float | None = None) -> Outcome:
    """Try one function's hidden tests with gradients of one method."""
    parts = hidden.declared(hidden.read(sources.source_directory(slug)), slug, name)
    limit = Limits().call_seconds if seconds is None else seconds
    reasons = []
    with np.errstate(all="ignore"):
        for part in parts:
            # The dearest case decides soonest.
            cases = sorted(part.cases, key=lambda case: -entries(case.expected))
            found = (_try(slug, name, method, part, case, limit) for case in cases)
            reasons.append(next(filter(None, found), ""))
    earned = sum(part.points for part, reason in zip(parts, reasons, strict=True) if not reason)
    return Outcome(earned, sum(part.points for part in parts), tuple(reasons))


def _try(
    slug: str, name: str, method: Method, part: hidden.Part, case: hidden.Case, limit: float
) -> str:
    outputs = Check(slug).examples[name]["outputs"]
    try:
        found = answer(ATTACKS[slug, name], method, case.arguments, limit)
    except TooLongError as error:
        return f"too long: {error}"
    result = found if len(outputs) > 1 else found[0]
    problems = compare(result, case.expected, outputs, (), *part.tolerances)
    return f"{problems[0].output}: {problems[0].kind} {problems[0].size:.1e}" if problems else ""


def entries(value: Any) -> int:
    """Count the numbers of a result."""
    if isinstance(value, (tuple, list)):
        return sum(map(entries, value))
    return int(np.size(value))


def backward_functions(slug: str) -> Iterator[str]:
    """Name the chapter's backward functions."""
    return (e.name for e in sources.exercises(slug) if "backward" in e.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", help="slugs; all chapters if none")
    arguments = parser.parse_args()
    worst = 0.0
    for slug in arguments.chapters or sources.available():
        for name in backward_functions(slug):
            if (slug, name) not in ATTACKS:
                print(f"{slug}.{name}: no forward pass of the learner's own", flush=True)
                continue
            for method in METHODS:
                came = attack(slug, name, method)
                if method.inverse or (slug, name) not in OPEN:
                    worst = max(worst, came.earned / came.points)
                lost = "; ".join(filter(None, came.reasons))
                print(
                    f"{slug}.{name:32} {method.name:32} {came.earned:g} of {came.points:g}  {lost}",
                    flush=True,
                )
    return 1 if worst > 0.5 else 0


if __name__ == "__main__":
    sys.exit(main())
