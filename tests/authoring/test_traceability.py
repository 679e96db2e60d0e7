"""Every equation has code and test; every label named has an equation."""

import pytest

from authoring import sources, traceability


def test_nothing_is_missing():
    assert traceability.problems() == []


def test_the_step_of_chapter_1_is_joined():
    (equation,) = (e for e in traceability.collect() if e.label == "rnn-state")
    assert equation.page == "book/rnn"
    assert "lib.rnn.RNN.step" in equation.functions
    assert "rnn.rnn_step" in equation.exercises
    assert equation.tests


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    for name in ("book", "lib", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "_toc.yml").write_text("root: book/rnn\n")
    page = "```{math}\n:label: rnn-state\nh\n```\n"
    (tmp_path / "book" / "rnn.md").write_text(page)
    (tmp_path / "lib" / "rnn.py").write_text(
        'def step():\n    """Step.\n\n    Equations: rnn-state.\n    """\n'
    )
    (tmp_path / "tests" / "test_rnn.py").write_text(
        'import pytest\n\n\n@pytest.mark.equations("rnn-state")\ndef test_step():\n    pass\n'
    )
    return tmp_path


def test_a_complete_course_has_no_problem(course):
    assert traceability.problems(course) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("lib/rnn.py", "rnn-state", "rnn-stat", "no function of lib names 'rnn-state'"),
        ("lib/rnn.py", "rnn-state", "rnn-stat", "no page defines 'rnn-stat'"),
        ("tests/test_rnn.py", "rnn-state", "rnn-stat", "no test names 'rnn-state'"),
        ("book/rnn.md", "rnn-state", "rnn-stat", "no page defines 'rnn-state'"),
    ],
)
def test_what_is_missing_is_named(course, file, old, new, message):
    path = course / file
    path.write_text(path.read_text().replace(old, new))
    assert any(message in problem for problem in traceability.problems(course))
