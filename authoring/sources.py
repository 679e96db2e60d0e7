"""Notebook sources: from ``solutions/<slug>/<slug>.py`` to what nbgrader releases."""

import ast
import contextlib
import copy
import functools
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

from grading import hidden
from grading.assignment import CourseError

ROOT = Path(__file__).resolve().parent.parent


def _chapters() -> tuple[str, ...]:
    """List the slugs of the part ``Chapters`` in ``_toc.yml``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (part,) = (part for part in toc["parts"] if part["caption"] == "Chapters")
    return tuple(page["file"].removeprefix("book/") for page in part["chapters"])


CHAPTERS = _chapters()
"""Slugs in the order of the chapters."""

PARTS = {
    "rnn": ("fused_rnn", "networks", "output_to_hidden", "writing"),
    "vanishing_gradients": ("time_scales",),
    "lstm": ("fused_lstm",),
    "gru": ("fused_gru",),
    "peephole": ("fused_peephole", "lstm_variants", "clockwork"),
    "bidirectional": ("grids",),
    "deep": ("recurrent_dropout", "deep_transition", "paths"),
    "encoder_decoder": ("writer",),
    "attention": (
        "scores",
        "local_attention",
        "self_attention",
        "hierarchical_attention",
        "attention_decoder",
    ),
}
"""Modules of ``lib`` that a chapter has beside the one with its name."""

MODULES = {slug: (slug, *PARTS.get(slug, ())) for slug in CHAPTERS}
"""A chapter's modules of ``lib``, in order."""

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class SourceError(CourseError):
    """A notebook source that is missing, broken, or does not follow solutions/README.md."""


class Exercise(NamedTuple):
    """One graded function of a notebook."""

    name: str
    text: str
    """The Markdown above it."""
    solution: str
    """Source of its solution cell."""
    test: str
    """Source of its test cell, with the call of the hidden tests."""
    points: float

    @property
    def equations(self) -> tuple[str, ...]:
        """Labels that the text names in its line ``Equations: …``."""
        for line in self.text.splitlines():
            if line.startswith("Equations:"):
                labels = line.removeprefix("Equations:").strip().rstrip(".").split(",")
                return tuple(label.strip(" `") for label in labels)
        return ()


def available() -> list[str]:
    """List the chapters that have a notebook source, in order."""
    return [slug for slug in CHAPTERS if (ROOT / "solutions" / slug / f"{slug}.py").is_file()]


def source_directory(slug: str) -> Path:
    """Return ``solutions/<slug>``.

    Raises
    ------
    SourceError
        Where the chapter is unknown or has no source.
    """
    if slug not in CHAPTERS:
        raise SourceError(f"chapter: expected one of {', '.join(CHAPTERS)}, got {slug!r}")
    path = ROOT / "solutions" / slug / f"{slug}.py"
    if not path.is_file():
        raise SourceError(f"chapter {slug}: expected a notebook source at {path}, found none")
    return path.parent


def read(slug: str) -> NotebookNode:
    """Read a chapter's source as a notebook with complete nbgrader metadata.

    Raises
    ------
    SourceError
        Where the source is missing or breaks a rule, naming cell and rule.
    """
    path = source_directory(slug) / f"{slug}.py"
    return copy.deepcopy(_read(slug, path, path.stat().st_mtime_ns))


@functools.lru_cache(maxsize=32)
def _read(slug: str, path: Path, modified: int) -> NotebookNode:
    try:
        notebook = jupytext.read(path, fmt="py:percent")
    except Exception as error:
        raise SourceError(f"{path}: not a py:percent notebook: {error}") from error
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNELSPEC), language_info=NotebookNode(name="python")
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        _complete(cell, slug, f"{path}: cell {number + 1}", seen)
        digest = hashlib.sha256(f"{slug}:{number}:{cell.source}".encode()).hexdigest()[:12]
        cell["id"] = cell.metadata.get("nbgrader", {}).get("grade_id", digest)
    _check_structure(notebook, path)
    return notebook


HIDDEN = """
### BEGIN HIDDEN TESTS
from grading.hidden import score

score("{slug}", "{name}", {name})
### END HIDDEN TESTS"""
"""What a graded cell ends with; learners do not get it."""


def _complete(cell: NotebookNode, slug: str, where: str, seen: set[str]) -> None:
    cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k == "nbgrader"})
    data = cell.metadata.get("nbgrader")
    if data is None:
        return
    if "grade_id" not in data:
        raise SourceError(
            f"{where}: expected a grade_id in the nbgrader metadata, got {dict(data)}"
        )
    if data["grade_id"] in seen:
        raise SourceError(f"{where}: the grade_id {data['grade_id']!r} stands twice")
    seen.add(data["grade_id"])
    for key in ("grade", "solution", "task", "locked"):
        data.setdefault(key, False)
    data["locked"] = not data["solution"]
    data["schema_version"] = 3
    if data["grade"]:
        if "HIDDEN TESTS" in cell.source:
            raise SourceError(f"{where}: hidden tests belong in hidden.py, beside the source")
        cell.source += HIDDEN.format(slug=slug, name=data["grade_id"].removeprefix("test_"))


def _check_structure(notebook: NotebookNode, path: Path) -> None:
    ids = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    if "setup" not in ids:
        raise SourceError(f"{path}: expected a locked cell with grade_id 'setup', found none")
    solutions = [name for name, cell in ids.items() if cell.metadata.nbgrader.solution]
    for name in solutions:
        cell, test = ids[name], ids.get(f"test_{name}")
        if f"def {name}(" not in cell.source:
            raise SourceError(f"{path}: expected the cell {name!r} to define the function {name}")
        for marker in ("### BEGIN SOLUTION", "### END SOLUTION"):
            if marker not in cell.source:
                raise SourceError(f"{path}: expected {marker!r} in the cell {name!r}, found none")
        if test is None or not test.metadata.nbgrader.grade:
            raise SourceError(f"{path}: expected a graded cell 'test_{name}' for {name!r}")
        if f"check({name})" not in test.source:
            raise SourceError(f"{path}: expected 'check({name})' in the cell 'test_{name}'")
        if test.metadata.nbgrader.get("points", 0) <= 0:
            raise SourceError(f"{path}: expected points above 0 in the cell 'test_{name}'")
    for name, cell in ids.items():
        if cell.metadata.nbgrader.grade and name.removeprefix("test_") not in solutions:
            raise SourceError(f"{path}: the graded cell {name!r} belongs to no solution cell")


def exercises(slug: str) -> list[Exercise]:
    """List the graded functions of a chapter, in order."""
    cells = read(slug).cells
    ids = {c.metadata.nbgrader.grade_id: c for c in cells if "nbgrader" in c.metadata}
    found = []
    text = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            text = cell.source
            continue
        data = cell.metadata.get("nbgrader")
        if data and data.solution:
            test = ids[f"test_{data.grade_id}"]
            found.append(
                Exercise(
                    data.grade_id,
                    text,
                    cell.source,
                    test.source,
                    float(test.metadata.nbgrader.points),
                )
            )
    return found


@contextlib.contextmanager
def _in_directory(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def namespace(slug: str) -> dict[str, Any]:
    """Run a chapter's setup cell and return what it defines.

    ``check`` is left out where ``checks.json`` is not built yet.
    """
    (setup,) = (
        c for c in read(slug).cells if c.metadata.get("nbgrader", {}).get("grade_id") == "setup"
    )
    names: dict[str, Any] = {"__name__": "__main__"}
    source = "\n".join(
        line for line in setup.source.splitlines() if not line.startswith("check = Check(")
    )
    _execute(source, f"setup of {slug}", names)
    return names


def _execute(source: str, where: str, names: dict[str, Any]) -> None:
    try:
        exec(compile(source, f"<{where}>", "exec"), names)
    except Exception as error:
        raise SourceError(f"cell {where}: {type(error).__name__}: {error}") from error


def body(source: str) -> str:
    """Return a cell without docstrings and comments, as :func:`ast.unparse` writes it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def function_of(slug: str, name: str, source: str) -> Any:
    """Return the function that a graded cell of other source would define."""
    names = locked_names(slug)
    exec(compile(source, f"<another {name}>", "exec"), names)
    return names[name]


def locked_names(slug: str) -> dict[str, Any]:
    """Run setup and the other locked cells; return what they define."""
    names = namespace(slug)
    for cell in read(slug).cells:
        data = cell.metadata.get("nbgrader")
        locked = data and cell.cell_type == "code" and not (data.grade or data.solution)
        if locked and data.grade_id != "setup":
            _execute(cell.source, f"{data.grade_id} of {slug}", names)
    return names


def run_solutions(slug: str) -> dict[str, Any]:
    """Run locked cells and solution cells; return the functions by name."""
    names = locked_names(slug)
    for exercise in exercises(slug):
        _execute(exercise.solution, f"{exercise.name} of {slug}", names)
    return {exercise.name: names[exercise.name] for exercise in exercises(slug)}


def run_test(slug: str, function: Any) -> tuple[float, str]:
    """Run a graded test cell on ``function``, in this process, and return score and text.

    For the course's own tests; learners' code is graded in isolation.
    """
    (exercise,) = (e for e in exercises(slug) if e.name == function.__name__)
    names = namespace(slug)
    from lib.checking import Check

    names |= {"check": Check(slug), exercise.name: function}
    *body, last = exercise.test.removesuffix("### END HIDDEN TESTS").strip().splitlines()
    output = io.StringIO()
    files = hidden.read(source_directory(slug))
    with contextlib.redirect_stdout(output), hidden.given(files, exercise.points):
        exec(compile("\n".join(body), f"<test of {exercise.name}>", "exec"), names)
        score = eval(last, names)
    return float(score), output.getvalue()


def check_hidden_tests(slug: str) -> None:
    """Draw the hidden tests of a chapter once.

    Raises
    ------
    SourceError
        Where a function has none, or its parts' points are not those of its cell.
    """
    files = hidden.read(source_directory(slug))
    for exercise in exercises(slug):
        try:
            parts = hidden.declared(files, slug, exercise.name)
        except Exception as error:
            raise SourceError(f"hidden tests of {slug}.{exercise.name}: {error}") from error
        total = sum(part.points for part in parts)
        if total != exercise.points:
            raise SourceError(
                f"hidden tests of {slug}.{exercise.name}: expected {exercise.points:g} points "
                f"in all, got {total:g}"
            )


def refresh(root: Path, name: str) -> None:
    """Write a chapter's source notebook anew, where ``root`` is this course."""
    if root == ROOT and name in CHAPTERS:
        convert(name)


def convert(slug: str) -> Path:
    """Write ``solutions/<slug>/<slug>.ipynb`` from the source and return its path."""
    path = source_directory(slug) / f"{slug}.ipynb"
    _write(read(slug), path)
    return path


def _write(notebook: NotebookNode, path: Path) -> None:
    temporary = path.with_suffix(".ipynb.tmp")
    nbformat.write(notebook, temporary)
    temporary.replace(path)


def release(slug: str, destination: Path) -> None:
    """Generate the learners' directory of one chapter with nbgrader, in a course of its own.

    ``destination/<slug>`` is replaced as a whole, or left as it was where something fails.
    The instructor's gradebook is not touched.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import SaveCells
    from traitlets.config import Config

    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch)
        source = course / "source" / slug
        source.mkdir(parents=True)
        shutil.copy(source_directory(slug) / "checks.json", source)
        _write(read(slug), source / f"{slug}.ipynb")
        config = Config()
        config.CourseDirectory.root = str(course)
        config.CourseDirectory.assignment_id = slug
        config.GenerateAssignment.no_database = True
        kept = [p for p in GenerateAssignment.preprocessors.default_args[0] if p is not SaveCells]
        config.GenerateAssignment.preprocessors = kept
        directory = CourseDirectory(config=config)
        converter = GenerateAssignment(coursedir=directory, config=config)
        converter.log.setLevel("ERROR")
        try:
            with _in_directory(course):
                converter.start()
        except (NbGraderException, SystemExit) as error:
            raise SourceError(f"{slug}: nbgrader generate_assignment failed: {error}") from error
        replace_directory(course / "release" / slug, destination / slug)


def replace_directory(new: Path, old: Path) -> None:
    """Put the directory ``new`` in the place of ``old``, which is whole at any moment."""
    old.parent.mkdir(parents=True, exist_ok=True)
    staged = old.with_name(f".{old.name}.new")
    retired = old.with_name(f".{old.name}.old")
    for leftover in (staged, retired):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(new, staged)
    if old.exists():
        old.rename(retired)
    staged.rename(old)
    shutil.rmtree(retired, ignore_errors=True)
