"""The learner's part of ``lib``: without this and later chapters, without answers.

A chapter's learners may use what they wrote before. They do not get the modules of
this and later chapters, nor the functions of earlier ones that this chapter grades:
``WITHHOLD`` in ``solutions/<slug>/checks.py`` names those, and their bodies are
replaced by an error that says so.
"""

import ast
import shutil
import tempfile
from pathlib import Path

from authoring.checks import declarations
from authoring.sources import CHAPTERS, MODULES, ROOT, SourceError

INSTRUCTORS_ONLY = ("torch_bridge",)


def modules(slug: str) -> list[str]:
    """List the modules of ``lib`` that learners of a chapter get."""
    later = {m for chapter in CHAPTERS[CHAPTERS.index(slug) :] for m in MODULES[chapter]}
    names = sorted(path.stem for path in (ROOT / "lib").glob("*.py"))
    return [name for name in names if name not in later and name not in INSTRUCTORS_ONLY]


def _function(tree: ast.Module, parts: list[str]) -> ast.FunctionDef | None:
    body: list[ast.stmt] = tree.body
    for depth, part in enumerate(parts):
        kinds = ast.FunctionDef if depth == len(parts) - 1 else ast.ClassDef
        node = next((n for n in body if isinstance(n, kinds) and n.name == part), None)
        if node is None:
            return None
        body = node.body
    return node  # type: ignore[return-value]


def withhold(source: str, names: list[str], slug: str) -> str:
    """Replace the bodies of functions and methods by an error.

    Parameters
    ----------
    source : str
        A module's text.
    names : list of str
        ``"cross_entropy"`` or ``"RNN.step_backward"``.
    slug : str
        The chapter in which learners write them.

    Raises
    ------
    SourceError
        Where the module has no such function.
    """
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    spans = []
    for name in names:
        node = _function(tree, name.split("."))
        if node is None:
            raise SourceError(f"WITHHOLD of {slug}: no function {name!r}")
        first = node.body[0]
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        body = node.body[1:] if documented else node.body
        start = body[0].lineno if body else (node.end_lineno or 0) + 1
        indent = " " * node.body[0].col_offset
        text = f'{indent}raise NotImplementedError("{name}: you write this in chapter {slug}")\n'
        spans.append((start, node.end_lineno or start, text))
    for start, end, text in sorted(spans, reverse=True):
        lines[start - 1 : end] = [text]
    return "".join(lines)


def build(slug: str, destination: Path) -> None:
    """Write the learner's ``lib`` of a chapter to ``destination/lib``.

    Raises
    ------
    SourceError
        Where the chapter is unknown or withholds something that does not exist.
    """
    if slug not in CHAPTERS:
        raise SourceError(f"chapter: expected one of {', '.join(CHAPTERS)}, got {slug!r}")
    held: dict[str, list[str]] = {}
    for name in getattr(declarations(slug), "WITHHOLD", []):
        _, module, function = name.split(".", 2)
        held.setdefault(module, []).append(function)
    target = destination / "lib"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    kept = modules(slug)
    for module in held:
        if module not in kept:
            raise SourceError(f"WITHHOLD of {slug}: learners do not get lib.{module} anyway")
    for module in kept:
        source = (ROOT / "lib" / f"{module}.py").read_text(encoding="utf-8")
        if module in held:
            source = withhold(source, held[module], slug)
        (target / f"{module}.py").write_text(source, encoding="utf-8")


def files(name: str) -> dict[str, bytes]:
    """Return the learner's ``lib`` of a chapter by file name; nothing for what is no chapter."""
    if name not in CHAPTERS:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        build(name, Path(scratch))
        return {path.name: path.read_bytes() for path in sorted(Path(scratch, "lib").iterdir())}
