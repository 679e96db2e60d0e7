"""Which equation is implemented, tested and practised where: read from the sources.

An equation is a ``{math}`` block with ``:label:`` in a page of the book; a function of
``lib`` names it in its docstring, ``Equations: a, b.``; a test in
``@pytest.mark.equations("a")``; an exercise in its text.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import yaml

from authoring import sources

LABEL = re.compile(r"^:label: *(\S+)\s*$", re.MULTILINE)
NAMED = re.compile(r"Equations:\s*([^.]+)\.(?:\s|$)")


class Equation(NamedTuple):
    """One labelled equation and everything that names it."""

    label: str
    page: str
    """``"book/rnn"``; empty where no page defines the label."""
    functions: tuple[str, ...]
    """``"lib.rnn.RNN.step"``."""
    tests: tuple[str, ...]
    """``"tests/lib/test_rnn.py::test_states"``."""
    exercises: tuple[str, ...]
    """``"rnn.rnn_step"``."""


def pages(root: Path) -> list[str]:
    """List the pages of the book, ``"book/rnn"``, in order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(str(node[key]) for key in ("root", "file") if key in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(toc)
    return found


def _labels(root: Path) -> dict[str, str]:
    found = {}
    for page in pages(root):
        path = root / f"{page}.md"
        if path.is_file():
            for label in LABEL.findall(path.read_text(encoding="utf-8")):
                found[label] = page
    return found


def _split(text: str) -> list[str]:
    return [label.strip(" `\n") for label in text.split(",") if label.strip()]


def _functions(root: Path) -> dict[str, list[str]]:
    named = defaultdict(list)
    kinds = (ast.FunctionDef, ast.ClassDef)

    def walk(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, kinds):
                inner = f"{name}.{child.name}"
                for match in NAMED.findall(ast.get_docstring(child) or ""):
                    for label in _split(match):
                        named[label].append(inner)
                walk(child, inner)

    for path in sorted((root / "lib").glob("*.py")):
        walk(ast.parse(path.read_text(encoding="utf-8")), f"lib.{path.stem}")
    return named


def _marks(node: ast.AST) -> list[str]:
    """List the labels of ``pytest.mark.equations(…)`` decorators."""
    labels = []
    for decorator in getattr(node, "decorator_list", []):
        is_mark = (
            isinstance(decorator, ast.Call)
            and isinstance(decorator.func, ast.Attribute)
            and decorator.func.attr == "equations"
        )
        if is_mark:
            labels += [str(a.value) for a in decorator.args if isinstance(a, ast.Constant)]
    return labels


def _tests(root: Path) -> dict[str, list[str]]:
    named = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                for label in _marks(node):
                    named[label].append(f"{path.relative_to(root).as_posix()}::{node.name}")
    return named


def _exercises() -> tuple[dict[str, list[str]], list[str]]:
    named, without = defaultdict(list), []
    for slug in sources.available():
        for exercise in sources.exercises(slug):
            if not exercise.equations:
                without.append(f"{slug}.{exercise.name}")
            for label in exercise.equations:
                named[label].append(f"{slug}.{exercise.name}")
    return named, without


def collect(root: Path = sources.ROOT) -> list[Equation]:
    """Join labels, functions, tests and exercises: page by page, then what has no page."""
    labels, functions, tests = _labels(root), _functions(root), _tests(root)
    exercises, _ = _exercises()
    unknown = sorted({*functions, *tests, *exercises} - set(labels))
    return [
        Equation(
            label,
            labels.get(label, ""),
            tuple(functions.get(label, ())),
            tuple(tests.get(label, ())),
            tuple(exercises.get(label, ())),
        )
        for label in (*labels, *unknown)
    ]


def problems(root: Path = sources.ROOT) -> list[str]:
    """List what is missing: code or test for an equation, a label that no page defines,
    an exercise without equation.
    """
    found = []
    for equation in collect(root):
        if not equation.page:
            users = (*equation.functions, *equation.tests, *equation.exercises)
            found.append(f"no page defines {equation.label!r}, named by {', '.join(users)}")
        elif not equation.functions:
            found.append(f"{equation.page}: no function of lib names {equation.label!r}")
        elif not equation.tests:
            found.append(f"{equation.page}: no test names {equation.label!r}")
    found += [f"{name}: expected a line 'Equations: …', found none" for name in _exercises()[1]]
    return found
