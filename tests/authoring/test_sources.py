"""Notebook sources: rules are enforced by name, releases are whole or not at all."""

import tomllib
from pathlib import Path

import pytest

from authoring import sources
from authoring.sources import SourceError

HEAD = """# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np
"""
GOOD = (
    HEAD
    + """
# %% [markdown]
# ## 1. Twice
#
# Equations: a-one, b-two.

# %% nbgrader={"grade_id": "twice", "solution": true}
def twice(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "test_twice", "grade": true, "points": 2}
check(twice)
"""
)


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROOT", tmp_path)

    def write(text):
        path = tmp_path / "solutions" / "rnn" / "rnn.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_metadata_is_completed_and_ids_are_stable(course):
    course(GOOD)
    first, again = sources.read("rnn"), sources.read("rnn")
    assert [c["id"] for c in first.cells] == [c["id"] for c in again.cells]
    by_id = {c["id"]: c for c in first.cells}
    assert by_id["test_twice"].metadata.nbgrader == {
        "grade_id": "test_twice",
        "grade": True,
        "points": 2,
        "solution": False,
        "task": False,
        "locked": True,
        "schema_version": 3,
    }
    assert by_id["twice"].metadata.nbgrader.locked is False


def test_a_graded_cell_ends_with_the_call_of_its_hidden_tests(course):
    course(GOOD)
    (exercise,) = sources.exercises("rnn")
    assert exercise.test.splitlines() == [
        "check(twice)",
        "### BEGIN HIDDEN TESTS",
        "from grading.hidden import score",
        "",
        'score("rnn", "twice", twice)',
        "### END HIDDEN TESTS",
    ]


def test_exercises_are_read_with_their_equations(course):
    course(GOOD)
    (exercise,) = sources.exercises("rnn")
    assert exercise.name == "twice"
    assert exercise.points == 2
    assert exercise.equations == ("a-one", "b-two")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"grade_id": "setup"', '"grade_id": "first"', "grade_id 'setup'"),
        ("def twice(x)", "def double(x)", "to define the function twice"),
        ("### BEGIN SOLUTION", "#", "'### BEGIN SOLUTION' in the cell 'twice'"),
        ('"grade_id": "test_twice"', '"grade_id": "test_other"', "a graded cell 'test_twice'"),
        ("check(twice)", "pass", "'check(twice)' in the cell"),
        ("check(twice)", "check(twice)\n### BEGIN HIDDEN TESTS", "belong in hidden.py"),
        ('"points": 2', '"points": 0', "points above 0"),
        ('"grade_id": "test_twice"', '"grade_id": "twice"', "stands twice"),
        ('{"grade_id": "twice", "solution": true}', '{"solution": true}', "expected a grade_id"),
    ],
)
def test_a_broken_source_is_named(course, old, new, message):
    path = course(GOOD.replace(old, new, 1))
    with pytest.raises(SourceError, match=r"rnn\.py") as error:
        sources.read("rnn")
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_an_unknown_chapter_is_named(course):
    with pytest.raises(SourceError, match=r"expected one of rnn, bptt, .* got 'rrn'"):
        sources.read("rrn")
    with pytest.raises(SourceError, match="chapter lstm: expected a notebook source"):
        sources.read("lstm")


def test_a_directory_is_replaced_as_a_whole(tmp_path):
    new, old = tmp_path / "new", tmp_path / "out" / "rnn"
    new.mkdir()
    (new / "fresh").write_text("1")
    old.mkdir(parents=True)
    (old / "stale").write_text("0")
    sources.replace_directory(new, old)
    assert [p.name for p in old.iterdir()] == ["fresh"]
    assert [p.name for p in old.parent.iterdir()] == ["rnn"]


def test_a_failed_release_leaves_the_old_one(tmp_path, monkeypatch):
    released = tmp_path / "rnn"
    released.mkdir()
    (released / "rnn.ipynb").write_text("old")

    def broken(notebook, path):
        Path(path).write_text("{}")

    monkeypatch.setattr(sources, "_write", broken)
    with pytest.raises(SourceError, match="generate_assignment failed"):
        sources.release("rnn", tmp_path)
    assert (released / "rnn.ipynb").read_text() == "old"


def test_the_layers_of_lib_are_the_chapters_in_order():
    contracts = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in contracts["contracts"] if "lib.rnn" in c["layers"])
    listed = [
        name.removeprefix("lib.") for layer in reversed(layers) for name in layer.split(" | ")
    ]
    assert [name for name in listed if name in sources.CHAPTERS] == list(sources.CHAPTERS)
