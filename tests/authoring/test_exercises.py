"""Generating exercises: wrong names and broken sources leave everything as it was."""

import json

import numpy as np
import pytest

from authoring import exercises, sources
from lib import codec


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one small chapter."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    folder = tmp_path / "solutions" / "rnn"
    folder.mkdir(parents=True)
    (folder / "rnn.py").write_text(SOURCE)
    (folder / "checks.py").write_text(CHECKS)
    (folder / "hidden.py").write_text(HIDDEN)
    return tmp_path


SOURCE = '''\
# %% [markdown]
# # A chapter

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("rnn")

# %% nbgrader={"grade_id": "twice", "solution": true}
def twice(x):
    """Double x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "test_twice", "grade": true, "points": 1}
check(twice)
'''

HIDDEN = """\
def twice(tests):
    tests.part(1, "one", [{"x": tests.rng.normal(size=3)}], lambda x: x + x)
"""

CHECKS = """\
import numpy as np

from authoring.checks import Example

EXAMPLES = {
    "twice": Example(
        args=lambda rng: {"x": rng.normal(size=3)},
        outputs=("y",),
        mistakes={"x is not doubled": lambda x: x},
    )
}
"""


def run(course, *arguments):
    return exercises.main([*arguments, "--destination", str(course / "exercises")])


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_all_chapters_are_made_and_then_up_to_date(course, capsys):
    assert run(course) == 0
    assert "exercises/rnn: written" in capsys.readouterr().out
    made = files(course / "exercises")
    assert {str(path) for path in made} == {"rnn/rnn.ipynb", "rnn/checks.json"}
    assert b"2 * x" not in made[next(p for p in made if p.suffix == ".ipynb")]
    assert run(course) == 0
    assert "exercises/rnn: up to date" in capsys.readouterr().out
    assert files(course / "exercises") == made


@pytest.mark.parametrize("name", ["foo", "../rnn", "lstm"])
def test_an_unknown_chapter_is_named_before_anything_is_done(course, capsys, name):
    assert run(course, "rnn", name) == 1
    assert name in capsys.readouterr().err
    assert not (course / "exercises").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"grade_id": "setup", ', "", "expected a grade_id"),
        ('"grade_id": "test_twice"', '"grade_id": "twice"', "stands twice"),
        ("### END SOLUTION", "", "### END SOLUTION"),
        ("return 2 * x", "return 2 *", "invalid syntax"),
        ('"points": 1', '"points": 0', "points above 0"),
        ("return 2 * x", "raise ValueError", "the solution fails on its example"),
    ],
)
def test_a_broken_source_is_named_and_nothing_half_written(course, capsys, old, new, words):
    assert run(course) == 0
    before = files(course)
    path = course / "solutions" / "rnn" / "rnn.py"
    path.write_text(SOURCE.replace(old, new, 1))
    assert run(course) == 1
    said = capsys.readouterr().err
    assert "rnn" in said
    assert words in said
    after = files(course)
    after[path.relative_to(course)] = before[path.relative_to(course)]
    assert after == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def twice", "def thrice", "expected a function twice, found none"),
        ("tests.part(1", "tests.part(2", "expected 1 points in all, got 2"),
        ("[{", "[], [{", "cases: expected at least one"),
        (", lambda x: x + x", "", "reference: expected one"),
        ("tests.rng", "rng", "name 'rng' is not defined"),
    ],
)
def test_broken_hidden_tests_are_named_and_nothing_half_written(course, capsys, old, new, words):
    assert run(course) == 0
    before = files(course)
    path = course / "solutions" / "rnn" / "hidden.py"
    path.write_text(HIDDEN.replace(old, new, 1))
    assert run(course) == 1
    said = capsys.readouterr().err
    assert "hidden tests of rnn.twice: " in said
    assert words in said
    after = files(course)
    after[path.relative_to(course)] = before[path.relative_to(course)]
    assert after == before


def test_broken_checks_are_named(course, capsys):
    (course / "solutions" / "rnn" / "checks.py").write_text("EXAMPLES = {")
    assert run(course) == 1
    assert "checks.py: SyntaxError" in capsys.readouterr().err


def test_a_mistake_that_is_right_is_refused(course, capsys):
    text = CHECKS.replace("lambda x: x}", "lambda x: x * 2}")
    (course / "solutions" / "rnn" / "checks.py").write_text(text)
    assert run(course) == 1
    assert "gives the right answer" in capsys.readouterr().err


FURTHER = """\
        also={"large": lambda rng: {"x": 100 * np.ones(3)}},
        mistakes={"x is not doubled": lambda x: x, "large x is cut off": LARGE},
"""
SINGLE = """\
        mistakes={"x is not doubled": lambda x: x},
"""


def declare(course, large):
    text = CHECKS.replace(SINGLE, FURTHER.replace("LARGE", large))
    assert text != CHECKS
    (course / "solutions" / "rnn" / "checks.py").write_text(text)


def test_a_mistake_is_stored_with_the_first_example_that_shows_it(course):
    declare(course, "lambda x: np.minimum(2 * x, 50)")
    assert run(course) == 0
    stored = json.loads((course / "exercises" / "rnn" / "checks.json").read_text())
    example = codec.decode(stored["examples"], trusted=True)["twice"]
    (further,) = example["also"]
    assert [message for message, _ in example["mistakes"]] == ["x is not doubled"]
    assert [message for message, _ in further["mistakes"]] == ["large x is cut off"]
    assert further["words"] == "large"
    np.testing.assert_array_equal(further["expected"], np.full(3, 200.0))


@pytest.mark.parametrize(
    ("large", "words"),
    [
        ("lambda x: 2 * x", "'large x is cut off' gives the right answer"),
        ("lambda x: 1 * x", "give the same answer"),
        ("lambda x: x / 0 if x[0] == 100 else x.undefined", "fails"),
    ],
)
def test_a_mistake_that_no_example_tells_apart_is_refused(course, capsys, large, words):
    declare(course, large)
    assert run(course) == 1
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(course, capsys):
    (course / "exercises").write_text("a file where a folder belongs")
    assert run(course) == 1
    assert f"cannot write {course / 'exercises'}" in capsys.readouterr().err
