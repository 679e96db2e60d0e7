"""Executed pages that know which ``lib`` they ran with.

jupyter-cache keeps a page's outputs under a hash of its code cells. A page's outputs depend
on ``lib`` too, so every page that runs code gets one more cell, removed from the output,
that names a hash of all modules the page imports, directly or through others, and
the versions of the packages beneath. A changed module makes exactly the pages that use it
stale: Sphinx reads them again, and the cache has no entry for them.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("numpy", "matplotlib", "torch", "scikit-learn")
CELL = re.compile(r"^(`{3,}|:{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)


def code(text: str) -> str:
    """Return the code of a page's cells."""
    return "\n".join(match[2] for match in CELL.finditer(text))


def modules_in(source: str) -> Iterator[str]:
    """Yield the modules of ``lib`` that Python source imports.

    Magic commands and cell options are left out; where the rest does not parse either, all
    modules count.
    """
    tree = None
    for text in (source, re.sub(r"^\s*[%!:].*$", "", source, flags=re.MULTILINE)):
        try:
            tree = ast.parse(text)
            break
        except SyntaxError:
            continue
    if tree is None:
        yield from all_modules()
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "lib" and path_of(name):
                yield name


def all_modules() -> Iterator[str]:
    """Yield every module of ``lib``."""
    yield "lib"
    for path in sorted((ROOT / "lib").glob("*.py")):
        if path.stem != "__init__":
            yield f"lib.{path.stem}"


def path_of(module: str) -> Path | None:
    """Return a module's file, or ``None`` where the name is no module."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def closure(modules: Iterator[str]) -> list[str]:
    """Return the modules and all that they import in turn, sorted."""
    found: set[str] = set()
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        path = path_of(module)
        if module in found or path is None:
            continue
        found.add(module)
        waiting.extend(modules_in(path.read_text(encoding="utf-8")))
    return sorted(found)


@cache
def beneath() -> str:
    """Return the versions of Python and the packages under ``lib``."""
    versions = [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} absent")
    return ", ".join(versions)


def key(text: str) -> str:
    """Hash what a page's code runs with: its modules of ``lib`` and the packages beneath."""
    digest = hashlib.sha256(beneath().encode())
    for module in closure(modules_in(code(text))):
        path = path_of(module)
        if path:
            digest.update(module.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def add_key(app: Sphinx, docname: str, content: list[str]) -> None:
    """Give a page that runs code the cell that names its key."""
    if CELL.search(content[0]):
        value = key(content[0])
        app.env.course_keys[docname] = value  # type: ignore[attr-defined]
        content[0] += f"\n\n```{{code-cell}} ipython3\n:tags: [remove-cell]\n\n# {value}\n```\n"


def stale(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """List the pages whose key is no longer what it was when they were read."""
    if not hasattr(env, "course_keys"):
        env.course_keys = {}  # type: ignore[attr-defined]
    return [
        name
        for name, value in env.course_keys.items()  # type: ignore[attr-defined]
        if name not in removed
        and key(Path(env.doc2path(name)).read_text(encoding="utf-8")) != value
    ]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the key of a page that is about to be read again, or is gone."""
    env.course_keys.pop(docname, None)  # type: ignore[attr-defined]


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over the keys that a parallel reader found."""
    for name in docnames:
        if name in other.course_keys:  # type: ignore[attr-defined]
            env.course_keys[name] = other.course_keys[name]  # type: ignore[attr-defined]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the events."""
    app.connect("env-get-outdated", stale)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("source-read", add_key)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
