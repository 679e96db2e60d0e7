"""Build ``checks.json``: the examples, answers and named mistakes of visible checks.

``solutions/<slug>/checks.py`` declares them; learners get numbers and messages only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from authoring import sources
from authoring.slips import slips
from authoring.sources import SourceError, exercises, run_solutions, source_directory
from grading import hidden
from lib import codec
from lib.checking import call, compare

DECIMALS = 10


Draw = Callable[[np.random.Generator], dict[str, Any]]


class Example(NamedTuple):
    """One function's visible example, and more where one cannot show all that is asked."""

    args: Draw
    """Draws the named arguments."""
    outputs: Sequence[str]
    """Names of the results."""
    mistakes: dict[str, Callable[..., Any]]
    """What was done and what is right, in a sentence, and the function that does it."""
    time_major: Sequence[str] = ()
    """Results whose first axis is time."""
    also: Mapping[str, Draw] = MappingProxyType({})
    """Further examples, tried when those before are right; the words say what each is about."""
    decimals: int = DECIMALS
    """To which numbers are rounded; more where an example is about rounding."""


ON_PADDING = "NaN on padding, which must not matter"
"""What an example shows whose arguments :func:`with_nan` draws."""


def with_nan(draw: Draw, name: str) -> Draw:
    """Draw arguments of which one, time-major, holds NaN on padding."""
    return lambda rng: hidden.spoiled(draw(rng), name, (np.nan,))


def declarations(slug: str) -> ModuleType:
    """Import ``solutions/<slug>/checks.py``.

    Raises
    ------
    SourceError
        Where it is missing or cannot be imported, naming the file.
    """
    path = source_directory(slug) / "checks.py"
    if not path.is_file():
        raise SourceError(f"{path}: expected the declarations of {slug}'s checks, found no file")
    files = hidden.read(path.parent)
    files.pop("hidden.py", None)
    try:
        return hidden.load({**files, path.name: path.read_bytes()}, str(path.parent))["checks"]
    except Exception as error:
        raise SourceError(f"{path}: {type(error).__name__}: {error}") from error


def _rounded(value: Any, decimals: int) -> Any:
    encoded = json.loads(json.dumps(codec.encode(value, decimals)))
    return codec.decode(encoded, trusted=True)


def build(slug: str) -> dict[str, Any]:
    """Compute the content of ``checks.json`` from solution and mistakes.

    Raises
    ------
    SourceError
        Where an exercise has no example or an example no exercise; where the solution
        fails; where a mistake gives the right answer to all examples, or the answer of
        another to the first that shows it.
    """
    examples: dict[str, Example] = declarations(slug).EXAMPLES
    names = [exercise.name for exercise in exercises(slug)]
    if sorted(names) != sorted(examples):
        raise SourceError(
            f"{slug}: expected one example for each exercise ({', '.join(names)}), "
            f"got {', '.join(examples)}"
        )
    functions = run_solutions(slug)
    built = {}
    for number, name in enumerate(names):
        example = examples[name]
        rng = np.random.default_rng([number, len(names)])
        left, common = dict(example.mistakes), common_slips(slug, name)
        cases: list[dict[str, Any]] = []
        for words, draw in {"": example.args, **example.also}.items():
            args = _rounded(draw(rng), example.decimals)
            expected, error, mutated = call(functions[name], args)
            if error or mutated:
                raise SourceError(
                    f"{slug}.{name}: the solution fails on its example: {error or mutated}"
                )
            mistakes = _mistakes(slug, name, left, args, expected, example.outputs)
            left = {m: wrong for m, wrong in left.items() if m not in dict(mistakes)}
            common = _add_slips(common, mistakes, args, expected, example.outputs)
            one = {"args": args, "expected": expected, "mistakes": mistakes}
            cases.append({**one, "words": words} if words else one)
        if left:
            raise SourceError(f"{slug}.{name}: the mistake {min(left)!r} gives the right answer")
        one = {
            **cases[0],
            "outputs": list(example.outputs),
            "time_major": list(example.time_major),
        }
        if example.also:
            one["also"] = cases[1:]
        built[name] = codec.encode(one, example.decimals)
    points = [(exercise.name, exercise.points) for exercise in exercises(slug)]
    return {"chapter": slug, "points": points, "examples": {"dict": built}}


def _mistakes(
    slug: str,
    name: str,
    mistakes: dict[str, Callable[..., Any]],
    args: dict[str, Any],
    expected: Any,
    outputs: Sequence[str],
) -> list[tuple[str, Any]]:
    """Return the messages and answers of those mistakes that show on these arguments."""
    found: list[tuple[str, Any]] = []
    for message, wrong in mistakes.items():
        answer, error, _ = call(wrong, args)
        if error:
            raise SourceError(f"{slug}.{name}: the mistake {message!r} fails: {error}")
        if not compare(answer, expected, outputs):
            continue
        for other, other_answer in found:
            if not compare(answer, other_answer, outputs):
                raise SourceError(f"{slug}.{name}: {message!r} and {other!r} give the same answer")
        found.append((message, answer))
    return found


def common_slips(slug: str, name: str) -> list[tuple[str, Callable[..., Any]]]:
    """Return the messages and functions of the slips that can be made in a function."""
    (exercise,) = (one for one in exercises(slug) if one.name == name)
    made = slips(slug, name, sources.body(exercise.solution))
    return [(message, sources.function_of(slug, name, source)) for message, source in made]


def _add_slips(
    common: list[tuple[str, Callable[..., Any]]],
    mistakes: list[tuple[str, Any]],
    args: dict[str, Any],
    expected: Any,
    outputs: Sequence[str],
) -> list[tuple[str, Callable[..., Any]]]:
    """Add slips that show on these arguments, unless a mistake has words of its own for it.

    Returns those that do not show.
    """
    left = []
    for message, slipped in common:
        with np.errstate(all="ignore"):
            answer, error, _ = call(slipped, args)
        if error or compare(answer, expected, outputs):
            known = (compare(answer, other, outputs) for _, other in mistakes)
            if not error and all(known):
                mistakes.append((message, answer))
        else:
            left.append((message, slipped))
    return left


def write(slug: str) -> Path:
    """Write ``solutions/<slug>/checks.json`` and return its path."""
    path = source_directory(slug) / "checks.json"
    text = json.dumps(build(slug), indent=None, separators=(",", ":"), sort_keys=True)
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(text.replace('{"args"', '\n{"args"') + "\n", encoding="utf-8")
    temporary.replace(path)
    return path
