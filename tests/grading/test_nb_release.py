"""The documented command puts into a release what learners may have, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from authoring import sources


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Two chapters' sources as they stand beside this course's configuration."""
    for slug in ("rnn", "deep"):
        shutil.copytree(sources.source_directory(slug), tmp_path / "solutions" / slug)
        sources._write(sources.read(slug), tmp_path / "solutions" / slug / f"{slug}.ipynb")
    shutil.copy(sources.ROOT / "nbgrader_config.py", tmp_path)
    return tmp_path


def generate(course: Path, *options: str) -> None:
    scripts = str(Path(sys.executable).parent)  # nbgrader calls alembic there
    subprocess.run(
        [f"{scripts}/nbgrader", "generate_assignment", *options, "--force"],
        cwd=course,
        env={
            "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
            "PYTHONPATH": str(sources.ROOT),
            "HOME": str(course),
        },
        check=True,
        capture_output=True,
        timeout=300,
    )


def held(course: Path, slug: str) -> set[str]:
    folder = course / "exercises" / slug
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_release_holds_the_notebook_and_its_checks(course: Path) -> None:
    beside = course / "solutions" / "rnn"
    for name in ("answers.json", "notes.md", "hidden.py", "old/rnn.py", "data.txt", ".secret"):
        (beside / name).parent.mkdir(exist_ok=True)
        (beside / name).write_text("return np.tanh(x @ U.T + h @ W.T + b)")
    stale = course / "exercises" / "rnn" / "equivalents.toml"
    stale.parent.mkdir(parents=True)
    stale.write_text("answers of an earlier release")
    generate(course, "rnn")
    assert held(course, "rnn") == {"rnn.ipynb", "checks.json"}
    generate(course, "deep")
    assert held(course, "deep") == {"deep.ipynb", "checks.json"}


def test_what_the_configuration_lists_goes_along(course: Path) -> None:
    (course / "solutions" / "rnn" / "data").mkdir()
    for name in ("table.csv", "data/corpus.txt", "corpus.txt"):
        (course / "solutions" / "rnn" / name).write_text("a,b\n")
    with (course / "nbgrader_config.py").open("a") as file:
        file.write('\nc.ReleaseExporter.files += ["data/*.txt"]\n')
    generate(course, "rnn")
    assert held(course, "rnn") == {"rnn.ipynb", "checks.json", "table.csv", "data/corpus.txt"}


@pytest.mark.parametrize("slug", sources.CHAPTERS)
def test_what_is_committed_as_released_is_no_more(slug: str) -> None:
    found = {p.name for p in (sources.ROOT / "exercises" / slug).iterdir()}
    assert found - {".ipynb_checkpoints"} == {f"{slug}.ipynb", "checks.json"}
