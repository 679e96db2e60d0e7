"""Executed pages that know which ``lib`` they ran with.

jupyter-cache keeps a page's outputs under a hash of its code cells. A page's outputs depend
on ``lib`` too, so every page that runs code gets one more cell, removed from the output,
that names a hash of all modules the page imports, directly or through others, of the data
it reads, and the versions of the packages beneath. A changed module makes exactly the pages
that use it stale: Sphinx reads them again, and the cache has no entry for them.

Sphinx reads, and MyST-NB executes, one page after another. So the pages that the cache lacks
are executed before that, as many at a time as there are cores, and put into the cache.
"""

import ast
import hashlib
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("numpy", "matplotlib", "torch", "scikit-learn")
CELL = re.compile(r"^(`{3,}|:{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)
DATA = re.compile(r"[\w/-]+\.json")
OPTIONS = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)


def code(text: str) -> str:
    """Return the code of a page's cells, without their options."""
    return "\n".join(OPTIONS.sub("", match[2]) for match in CELL.finditer(text))


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
    """Hash what a page's code runs with: its modules of ``lib``, its data, what is beneath.

    Data are the ``.json`` files of the book that the code names.
    """
    digest = hashlib.sha256(beneath().encode())
    source = code(text)
    modules = [(name, path_of(name)) for name in closure(modules_in(source))]
    data = [(name, ROOT / "book" / name) for name in sorted(set(DATA.findall(source)))]
    for name, path in modules + data:
        if path and path.is_file():
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def keyed(text: str) -> str:
    """Return a page with the cell that names its key, if it runs code."""
    if not CELL.search(text):
        return text
    return f"{text}\n\n```{{code-cell}} ipython3\n:tags: [remove-cell]\n\n# {key(text)}\n```\n"


def add_key(app: Sphinx, docname: str, content: list[str]) -> None:
    """Give a page that runs code the cell that names its key."""
    if CELL.search(content[0]):
        app.env.course_keys[docname] = key(content[0])  # type: ignore[attr-defined]
        content[0] = keyed(content[0])


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


def execute(notebook: NotebookNode, timeout: int) -> tuple[NotebookNode, float] | None:
    """Execute a page in an empty folder; return it with the seconds taken, if all cells ran."""
    with TemporaryDirectory() as folder:
        done = single_nb_execution(notebook, cwd=folder, timeout=timeout, allow_errors=False)
    return None if done.err else (done.nb, done.time)


def use_one_thread() -> None:
    """Keep the kernels that this process starts to one thread each."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pool(size: int) -> Executor:
    """Return processes to execute pages in."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(size, mp_context=context, initializer=use_one_thread)


def execute_ahead(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute the pages that the cache lacks, side by side, and cache those that succeed.

    A page that fails is left to MyST-NB, which executes it again and reports the error.
    """
    config = env.mystnb_config  # type: ignore[attr-defined]
    if config.execution_mode != "cache":
        return
    outputs = get_cache(config.execution_cache_path or ".jupyter_cache")
    waiting: dict[str, NotebookNode] = {}
    for name in docnames:
        path = str(env.doc2path(name))
        text = keyed(Path(path).read_text(encoding="utf-8"))
        reader = create_nb_reader(path, env.myst_config, config, text)  # type: ignore[attr-defined]
        if reader is None:
            continue
        notebook = reader.read(text)
        try:
            outputs.match_cache_notebook(notebook)
        except KeyError:
            waiting[path] = notebook
    size = min(os.cpu_count() or 1, len(waiting))
    if size < 2:
        return
    logger.info(f"executing {len(waiting)} pages, {size} at a time")
    with pool(size) as workers:
        running = {
            workers.submit(execute, notebook, config.execution_timeout): path
            for path, notebook in waiting.items()
        }
        for future in as_completed(running):
            path = running[future]
            try:
                done = future.result()
            except Exception as error:  # whatever it is, MyST-NB meets and reports it
                logger.info(f"{path}: {type(error).__name__}")
                continue
            if done is None:
                continue
            outputs.cache_notebook_bundle(
                CacheBundleIn(done[0], path, data={"execution_seconds": done[1]}),
                check_validity=False,
                overwrite=True,
            )
            logger.info(f"executed {path} in {done[1]:.1f} s")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the events."""
    app.connect("env-get-outdated", stale)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-before-read-docs", execute_ahead)
    app.connect("source-read", add_key)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
