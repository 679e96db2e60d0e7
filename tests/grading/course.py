"""A small course to grade: three functions, nine points."""

import contextlib
import copy
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "tiny"

SETUP = "import numpy as np\n"

SOLUTIONS = {
    "double": "def double(x):\n    return 2 * x\n",
    "total": "def total(xs):\n    return float(np.sum(xs))\n",
    "last": "def last(xs):\n    return xs[-1], len(xs)\n",
}

TESTS = {
    "double": """
import numpy as np
points = 0
SECRET_NUMBERS = np.array([1.5, -2.25, 7.125])
result, error, mutated = double.invoke((SECRET_NUMBERS.copy(),), {})
if error is not None:
    print(f"random numbers: {error}")
elif mutated:
    print("random numbers: the argument was changed in place")
elif isinstance(result, np.ndarray) and np.array_equal(result, 2 * SECRET_NUMBERS):
    points += 2
else:
    print("random numbers: not right")
result, error, mutated = double.invoke((), {"x": np.zeros((0, 3))})
if error is None and isinstance(result, np.ndarray) and result.shape == (0, 3):
    points += 1
else:
    print(f"empty: {error or 'not right'}")
points
""",
    "total": """
import numpy as np
points = 0
for k, xs in enumerate(([1.0, 2.0, 3.5], [0.25], list(range(5)))):
    result, error, mutated = total.invoke((np.array(xs),), {})
    if error is None and isinstance(result, (int, float)) and abs(result - sum(xs)) < 1e-9:
        points += 1
    else:
        print(f"case {k}: {error or 'not right'}")
points
""",
    "last": """
import numpy as np
np.testing.assert_equal(last(["a", "b", "c"]), ("c", 3))
assert last([7]) == (7, 1)
""",
}
POINTS = {"double": 3, "total": 3, "last": 3}
FULL = {f"test_{name}": float(points) for name, points in POINTS.items()}


def _cell(kind: str, source: str, cell_id: str, **mark: Any) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": cell_id, "metadata": {}, "source": source}
    if mark:
        mark = {"grade": False, "solution": False, "task": False, "locked": False, **mark}
        cell["metadata"]["nbgrader"] = {"grade_id": cell_id, "schema_version": 3, **mark}
    if kind == "code":
        cell |= {"outputs": [], "execution_count": None}
    return cell


def source_notebook() -> dict[str, Any]:
    """Return the instructor's notebook."""
    cells = [
        _cell("markdown", "# A tiny notebook", "title"),
        _cell("code", SETUP, "setup", locked=True),
    ]
    for name, solution in SOLUTIONS.items():
        head, body = solution.split("\n", 1)
        body = f"    ### BEGIN SOLUTION\n{body}    ### END SOLUTION"
        test = f"### BEGIN HIDDEN TESTS{TESTS[name]}### END HIDDEN TESTS"
        cells += [
            _cell("markdown", f"## {name}", f"text-{name}"),
            _cell("code", f"{head}\n{body}", name, solution=True),
            _cell(
                "code",
                f"# Tests of {name}.\n{test}",
                f"test_{name}",
                grade=True,
                locked=True,
                points=POINTS[name],
            ),
        ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def make(root: Path) -> None:
    """Lay out a course with nbgrader: source, release and gradebook."""
    source = root / "solutions" / NAME
    source.mkdir(parents=True)
    (source / f"{NAME}.ipynb").write_text(json.dumps(source_notebook()))
    (source / "data.csv").write_text("a,b\n1,2\n")
    (source / "secret.py").write_text("HIDDEN = 1\n")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    run_nbgrader(root, "generate_assignment", NAME)


def run_nbgrader(root: Path, command: str, *arguments: str) -> None:
    """Run an nbgrader command in this process.

    Raises
    ------
    SystemExit
        With nbgrader's status where that is not 0.
    """
    from jupyter_core.application import NoStart
    from nbgrader.apps.nbgraderapp import NbGraderApp

    scripts_on_path()
    with inside(root):
        app = NbGraderApp()
        try:
            quiet = [] if any("log-level" in a for a in arguments) else ["--log-level=ERROR"]
            app.initialize([command, *arguments, *quiet])
            with contextlib.suppress(NoStart):
                app.start()
        finally:
            if app.subapp is not None:
                type(app.subapp).clear_instance()


def scripts_on_path() -> None:
    """Let nbgrader find the command alembic, which it calls when it makes a gradebook."""
    scripts = str(Path(sys.executable).parent)
    if scripts not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ["PATH"]])


@contextlib.contextmanager
def inside(folder: Path) -> Any:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def released(root: Path) -> dict[str, Any]:
    """Return the notebook that learners get."""
    return json.loads((root / "exercises" / NAME / f"{NAME}.ipynb").read_text())


def answer(notebook: dict[str, Any], **sources: str) -> dict[str, Any]:
    """Fill in solution cells: the right ones where not given; ``None`` leaves the stub."""
    notebook = copy.deepcopy(notebook)
    for name, source in {**SOLUTIONS, **sources}.items():
        if source is not None:
            find(notebook, name)["source"] = source
    return notebook


def find(notebook: dict[str, Any], grade_id: str) -> dict[str, Any]:
    """Return the cell of a grade id."""
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id:
            return cell
    raise KeyError(grade_id)


def own_cell(source: str, **extra: Any) -> dict[str, Any]:
    """Make a code cell such as a learner adds."""
    cell = _cell("code", source, f"mine-{abs(hash(source)) % 10**8}")
    return {**cell, **extra}


def insert(notebook: dict[str, Any], source: str, before: str = "double") -> dict[str, Any]:
    """Add a learner's own cell before a cell of the notebook."""
    notebook = copy.deepcopy(notebook)
    notebook["cells"].insert(notebook["cells"].index(find(notebook, before)), own_cell(source))
    return notebook


def submit(root: Path, student: str, content: dict[str, Any] | bytes, name: str = NAME) -> Path:
    """Put a notebook into ``submitted/``."""
    folder = root / "submitted" / student / NAME
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path
