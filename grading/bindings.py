"""Which names a cell of a notebook gives a meaning to."""

import ast
import re
import textwrap
from collections.abc import Collection, Iterator

LONGEST = 50_000
"""Characters of a cell that is read as Python and not line by line."""
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
BY_LINE = re.compile(r"\s*(?:(?:async\s+)?def\s+|class\s+)?(\w+)\s*(?:\(|:|=(?!=))")


def bound(source: str, names: Collection[str]) -> frozenset[str]:
    """Return those of ``names`` that a cell binds: a function, a class, a value, an import.

    Conditions and attempts are looked into, bodies of functions and classes are not. A cell
    that is not Python, even with magics taken out, is read line by line.
    """
    wanted = {name for name in names if name in source}
    if not wanted:
        return frozenset()
    tree = _parse(source) if len(source) <= LONGEST else None
    found = set(_by_tree(tree)) if tree is not None else set(_by_line(source))
    return frozenset(found & wanted)


def defined(source: str) -> frozenset[str]:
    """Return the functions and classes that a cell of the course defines at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.parse(source).body if isinstance(node, kinds))


def _parse(source: str) -> ast.Module | None:
    shifted = _shifted(source)
    for text in (source, shifted, _without_magics(shifted)):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _shifted(source: str) -> str:
    """Take the indentation from all lines, as Jupyter does where the first line has one."""
    text = textwrap.dedent(source).lstrip("\n")
    indent = re.match(r"[ \t]*", text)
    lead = indent[0] if indent else ""
    return "\n".join(line.removeprefix(lead) for line in text.split("\n"))


def _without_magics(source: str) -> str:
    """Put ``pass`` in the place of magics, shell commands and questions."""
    lines = source.split("\n")
    if lines[0].startswith("%%"):
        if lines[0].split()[0] not in ("%%time", "%%capture", "%%prun"):
            return ""
        lines = lines[1:]
    made = []
    for line in lines:
        line = re.sub(r"^(\s*)(?:[%!?].*|[\w.]+\?\??\s*)$", r"\1pass", line)
        made.append(re.sub(r"^(\s*\w[\w ,]*=\s*)[%!].*", r"\1None", line))
    return "\n".join(made)


def _by_tree(tree: ast.Module) -> Iterator[str]:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if not isinstance(node, COMPREHENSIONS):
            waiting += ast.iter_child_nodes(node)


def _by_line(source: str) -> Iterator[str]:
    for line in source.split("\n"):
        match = BY_LINE.match(line)
        if match and re.match(r"\s*(?:async\s|def\s|class\s)|\s*\w+\s*=", line):
            yield match[1]
