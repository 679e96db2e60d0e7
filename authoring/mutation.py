"""Wrong answers by the hundred: mutants of each solution, which hidden tests must reject.

General operators are Cosmic Ray's; those that could only raise an exception (bit shifts on
floats and the like) are left out, because a test that rejects them shows nothing.
Domain operators, below, make the mistakes that people make in these equations. The named
mistakes of the visible checks are mutants too.
"""

import ast
import contextlib
import copy
import io
import signal
import tomllib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from authoring import checks, sources
from authoring.sources import SourceError
from lib.checking import Check

ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow")
ORDER = ("Lt", "LtE", "Gt", "GtE", "Eq", "NotEq")
GENERAL = (
    *(f"ReplaceBinaryOperator_{a}_{b}" for a in ARITHMETIC for b in ARITHMETIC if a != b),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a in ORDER for b in ORDER if a != b),
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
    "NumberReplacer",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ZeroIterationForLoop",
)


class Mutant(NamedTuple):
    """One wrong version of a solution."""

    slug: str
    name: str
    """The graded function."""
    operator: str
    change: str
    """The lines that differ, before → after; for a named mistake, its message."""
    source: str
    """The mutated cell; empty for a named mistake."""


Edit = Callable[[], None]


def _replace(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list):
            for k, item in enumerate(value):
                if item is old:
                    value[k] = new


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _with(template: str, **parts: ast.expr) -> ast.expr:
    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return copy.deepcopy(parts[node.id]) if node.id in parts else node

    return Fill().visit(_parsed(template))


def _is_call(node: ast.AST, *names: str) -> bool:
    """Tell whether a node calls ``np.where``, ``x.sum`` or ``reversed`` by that last name."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in names


def _expressions(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the wrong expressions that can stand for ``node``."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose dropped", node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
        yield "operand dropped", node.left
        if not isinstance(node.op, ast.Sub):
            yield "operand dropped", node.right
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        yield "operands swapped", ast.BinOp(node.right, ast.Sub(), node.left)
        one = isinstance(node.left, ast.Constant) and node.left.value == 1
        if one and isinstance(node.right, ast.BinOp):
            inner = node.right.left
            yield "derivative taken wrongly", _with("1 - y", y=inner)
            yield "derivative taken at the output", _with("1 - np.tanh(y) ** 2", y=inner)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _is_call(node, "sum")
    ):
        mean = copy.deepcopy(node)
        assert isinstance(mean.func, ast.Attribute)
        mean.func.attr = "mean"
        yield "mean for sum", mean
    if _is_call(node, "where") and isinstance(node, ast.Call) and len(node.args) == 3:
        yield "mask ignored", node.args[1]
        yield "mask always off", node.args[2]
        swapped = [node.args[0], node.args[2], node.args[1]]
        yield "mask inverted", ast.Call(node.func, swapped, [])
    if _is_call(node, "tanh", "sigmoid", "softmax", "exp", "log", "sqrt") and node.args:  # type: ignore[attr-defined]
        yield "function dropped", node.args[0]  # type: ignore[attr-defined]
    if _is_call(node, "tanh"):
        yield "sigmoid for tanh", _with("1 / (1 + np.exp(-y))", y=node.args[0])  # type: ignore[attr-defined]
    if _is_call(node, "sigmoid"):
        yield "tanh for sigmoid", _with("np.tanh(y)", y=node.args[0])  # type: ignore[attr-defined]
    if _is_call(node, "reversed"):
        yield "wrong way through time", node.args[0]  # type: ignore[attr-defined]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Name, ast.BinOp)):
        yield "one step late", ast.Subscript(node.value, _with("i - 1", i=node.slice), node.ctx)
    if isinstance(node, ast.Call):
        for k, keyword in enumerate(node.keywords):
            if keyword.arg == "axis" and isinstance(keyword.value, (ast.Constant, ast.UnaryOp)):
                changed = copy.deepcopy(node)
                other = "0" if ast.unparse(keyword.value) != "0" else "1"
                changed.keywords[k].value = _parsed(other)
                yield "wrong axis", changed


def _statements(node: ast.stmt, assigned: set[str]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the wrong statements that can stand for ``node``."""
    if isinstance(node, ast.AugAssign):
        yield "accumulation overwritten", ast.Assign([copy.deepcopy(node.target)], node.value)
        yield "statement dropped", ast.Pass()
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        if isinstance(target, ast.Subscript) or names <= assigned:
            yield "statement dropped", ast.Pass()
        if isinstance(target, ast.Tuple) and not isinstance(node.value, ast.Attribute):
            for k in range(len(target.elts) - 1):
                swapped = copy.deepcopy(node)
                elements = swapped.targets[0].elts  # type: ignore[attr-defined]
                elements[k], elements[k + 1] = elements[k + 1], elements[k]
                yield "names swapped", swapped
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _results(node)


RESULTS = {
    "result negated": "-(y)",
    "result doubled": "2 * (y)",
    "result all zero": "np.zeros_like(y)",
    "result in float32": "np.asarray(y, np.float32)",
}


def _results(node: ast.Return) -> Iterator[tuple[str, ast.stmt]]:
    """Yield wrong ``return`` statements: each result changed, neighbours swapped."""
    assert node.value is not None
    if not isinstance(node.value, ast.Tuple):
        for operator, template in RESULTS.items():
            yield operator, ast.Return(_with(template, y=node.value))
        return
    for k, item in enumerate(node.value.elts):
        for operator, template in RESULTS.items():
            changed = copy.deepcopy(node.value.elts)
            changed[k] = _with(template, y=item)
            yield operator, ast.Return(ast.Tuple(changed, ast.Load()))
        if k:
            changed = copy.deepcopy(node.value.elts)
            changed[k - 1], changed[k] = changed[k], changed[k - 1]
            yield "results swapped", ast.Return(ast.Tuple(changed, ast.Load()))


def _careless(tree: ast.Module, name: str, arrays: list[str]) -> Iterator[tuple[str, str]]:
    """Yield versions of a function that change an argument in place before they return."""
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    if not isinstance(function.body[-1], ast.Return):
        return
    for argument in arrays[:3]:
        function.body.insert(-1, ast.parse(f"{argument} += 1").body[0])
        yield "argument changed in place", ast.unparse(ast.fix_missing_locations(tree))
        del function.body[-2]


def _domain(source: str, name: str, arrays: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (operator, mutated source) for every place where a domain operator fits."""
    tree = ast.parse(source)
    yield from _careless(tree, name, arrays)
    assigned: set[str] = set()
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            found: Iterator[tuple[str, Any]] = iter(())
            if isinstance(node, ast.stmt):
                found = _statements(node, assigned)
            elif isinstance(node, ast.expr):
                found = _expressions(node)
            for operator, new in list(found):
                _replace(parent, node, new)
                yield operator, ast.unparse(ast.fix_missing_locations(tree))
                _replace(parent, new, node)
            if isinstance(node, ast.Assign):
                assigned |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & {
                    t.id for target in node.targets for t in ast.walk(target)
                    if isinstance(t, ast.Name)
                }  # fmt: skip


def _general(source: str) -> Iterator[tuple[str, str]]:
    for name in GENERAL:
        operator = get_operator(f"core/{name}")()
        for occurrence in range(1000):
            mutated = mutate_code(source, operator, occurrence)
            if mutated is None:
                break
            yield name, mutated


def _change(before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    gone = [line.strip() for line in old if line not in new]
    come = [line.strip() for line in new if line not in old]
    return f"{' | '.join(gone)} → {' | '.join(come)}"


def mutants(slug: str) -> list[Mutant]:
    """List all different mutants of a chapter's solutions."""
    declared = checks.declarations(slug).EXAMPLES
    examples = Check(slug).examples
    found = []
    for exercise in sources.exercises(slug):
        source = sources.body(exercise.solution)
        arguments = examples[exercise.name]["args"]
        arrays = [key for key, value in arguments.items() if isinstance(value, np.ndarray)]
        seen = {ast.dump(ast.parse(source))}
        for operator, mutated in (*_general(source), *_domain(source, exercise.name, arrays)):
            try:
                key = ast.dump(ast.parse(ast.unparse(ast.parse(mutated))))
            except SyntaxError:
                continue
            if key not in seen:
                seen.add(key)
                text = ast.unparse(ast.parse(mutated))
                change = _change(source, text)
                found.append(Mutant(slug, exercise.name, operator, change, text))
        found += [
            Mutant(slug, exercise.name, "named mistake", message, "")
            for message in declared[exercise.name].mistakes
        ]
    return found


class _TooLongError(BaseException):
    pass


@contextlib.contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def killed(mutant: Mutant, seconds: int = 10) -> bool:
    """Run the hidden tests on a mutant: whether it loses marks in the cell it breaks."""
    (exercise,) = (e for e in sources.exercises(mutant.slug) if e.name == mutant.name)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            with _limit(seconds):
                score, _ = sources.run_test(mutant.slug, _function(mutant))
        except (_TooLongError, SyntaxError):
            return True
    return score < exercise.points


def _function(mutant: Mutant) -> Any:
    if mutant.source:
        names = sources.locked_names(mutant.slug)
        try:
            exec(compile(mutant.source, f"<mutant of {mutant.name}>", "exec"), names)
        except _TooLongError:
            raise
        except Exception:
            return _broken(mutant.name)
        return names[mutant.name]
    wrong = checks.declarations(mutant.slug).EXAMPLES[mutant.name].mistakes[mutant.change]

    def function(**arguments: Any) -> Any:
        return wrong(**arguments)

    function.__name__ = mutant.name
    return function


def _broken(name: str) -> Any:
    def function(**_: Any) -> Any:
        raise RuntimeError

    function.__name__ = name
    return function


def equivalents(slug: str) -> dict[tuple[str, str], str]:
    """Read the mutants that are no mistakes, with the reason for each.

    ``solutions/<slug>/equivalents.toml`` holds tables ``[[equivalent]]`` with ``function``,
    ``change`` and ``reason``.

    Raises
    ------
    SourceError
        Where an entry has no reason.
    """
    path = sources.source_directory(slug) / "equivalents.toml"
    if not path.is_file():
        return {}
    listed = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]:
        if not entry.get("reason"):
            raise SourceError(f"{path}: expected a reason for {entry}, found none")
        listed[entry["function"], entry["change"]] = entry["reason"]
    return listed
