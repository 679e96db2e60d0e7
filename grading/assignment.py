"""What is needed to grade one notebook of an assignment, in one value that can travel."""

import ast
import copy
import functools
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lib
from grading import hidden
from grading.hidden import SEED_VARIABLE
from grading.intake import mark, source_of
from grading.limits import Limits

ENGINE = 1
"""Raised when the engine comes to judge the same submission differently."""


class CourseError(Exception):
    """The course's own files or gradebook do not fit together."""


@dataclass(frozen=True)
class Assignment:
    """One notebook of an assignment, with its hidden tests."""

    name: str
    """The assignment."""
    notebook: str
    """The notebook's name without ``.ipynb``."""
    released: dict[str, Any]
    """The released notebook, as ``json`` reads it."""
    sources: dict[str, str]
    """Sources of graded and locked cells by grade id: the gradebook's, with hidden tests."""
    points: dict[str, float]
    """Points of graded cells by grade id, in order."""
    files: dict[str, bytes]
    """Released files beside the notebook."""
    lib: dict[str, bytes]
    """The learner's part of ``lib``."""
    limits: Limits = field(default_factory=Limits)
    isolated: bool = True
    seed: str = ""
    tests: dict[str, bytes] = field(default_factory=dict)
    """What the hidden tests are made of, by file name; see :mod:`grading.hidden`."""
    library: str = ""
    """Hash of the whole of ``lib``, which hidden tests use."""
    preload: tuple[str, ...] = ()
    """Modules to import ahead, beside those of the released notebook; for speed alone."""

    def functions(self) -> list[str]:
        """List the functions that learners write: those that released solution cells define."""
        names = []
        for cell in self.released["cells"]:
            if mark(cell).get("solution") and cell["cell_type"] == "code":
                tree = ast.parse(source_of(cell))
                names += [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        return names

    def imports(self) -> list[str]:
        """List the modules that the released notebook imports."""
        modules = {"lib.codec", *self.preload}
        for cell in self.released["cells"]:
            if cell["cell_type"] == "code" and not mark(cell).get("grade"):
                for node in ast.walk(ast.parse(source_of(cell))):
                    if isinstance(node, ast.Import):
                        modules |= {alias.name for alias in node.names}
                    elif isinstance(node, ast.ImportFrom) and node.module:
                        modules.add(node.module)
        return sorted(module for module in modules if module.split(".")[0] != "grading")

    def digest(self) -> str:
        """Return a hash of all that running a submission depends on but the submission.

        Points are no part of it: a mark follows from what the tests gave and from them.
        """
        state = [
            ENGINE,
            _without_points(self.released),
            self.sources,
            {k: hashlib.sha256(v).hexdigest() for k, v in sorted(self.files.items())},
            {k: hashlib.sha256(v).hexdigest() for k, v in sorted(self.lib.items())},
            {k: hashlib.sha256(v).hexdigest() for k, v in sorted(self.tests.items())},
            self.library,
            self.limits.asdict(),
            self.isolated,
            self.seed,
        ]
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()

    def key(self) -> str:
        """Return what tells one warm grader from another."""
        return " ".join([self.digest(), *map(str, self.points.values()), *self.preload])

    def seed_mark(self) -> str:
        """Return what tells one class's seed from another, and takes long to guess it from."""
        return _seed_mark(self.seed, self.name)


@functools.cache
def _seed_mark(seed: str, name: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", seed.encode(), name.encode(), 200_000).hex()[:16]


def _without_points(notebook: dict[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(notebook)
    for cell in bare["cells"]:
        mark(cell).pop("points", None)
    return bare


@functools.cache
def library_digest() -> str:
    """Return a hash of the modules of ``lib`` as this process has them."""
    modules = sorted(Path(lib.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()


def read_files(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder of the course's own, but notebooks and caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in (".ipynb", ".pyc")
        and ".ipynb_checkpoints" not in path.parts
    }


def load(
    gradebook: Any,
    release: Path,
    source: Path,
    name: str,
    notebook: str,
    learners: dict[str, bytes],
    limits: Limits | None = None,
    isolated: bool = True,
) -> Assignment:
    """Gather an assignment from the gradebook and the release directory.

    Parameters
    ----------
    gradebook : nbgrader.api.Gradebook
    release : Path
        The assignment's release directory.
    source : Path
        The assignment's source directory, for its hidden tests.
    name, notebook : str
        Assignment and notebook, as nbgrader calls them.
    learners : dict
        The learner's part of ``lib``, bytes by file name.

    Raises
    ------
    CourseError
        Where one of the two is missing, or they do not fit together.
    """
    from nbgrader.api import MissingEntry

    path = release / f"{notebook}.ipynb"
    try:
        entry = gradebook.find_notebook(notebook, name)
    except MissingEntry as error:
        raise CourseError(
            f"the gradebook has no notebook {notebook!r} of {name!r}: "
            f"run nbgrader generate_assignment {name}"
        ) from error
    if not path.is_file():
        raise CourseError(f"the released notebook is missing: {path}")
    released = json.loads(path.read_text(encoding="utf-8"))
    points = {cell.name: float(cell.max_score) for cell in entry.grade_cells}
    sources = {cell.name: cell.source for cell in entry.source_cells}
    in_release = [mark(c)["grade_id"] for c in released["cells"] if mark(c).get("grade")]
    if set(in_release) != set(points):
        raise CourseError(
            f"{path} and the gradebook differ in their graded cells: "
            f"{sorted(set(in_release) ^ set(points))}; run nbgrader generate_assignment {name}"
        )
    return Assignment(
        name=name,
        notebook=notebook,
        released=released,
        sources=sources,
        points={grade_id: points[grade_id] for grade_id in in_release},
        files=read_files(release),
        lib=learners,
        limits=limits or Limits(),
        isolated=isolated,
        seed=os.environ.get(SEED_VARIABLE, ""),
        tests=hidden.read(source),
        library=library_digest(),
    )
