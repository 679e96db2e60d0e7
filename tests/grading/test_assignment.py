"""What a mark depends on: whatever changes it is graded again, nothing else is."""

from pathlib import Path

import course as small
import pytest

from grading import assignment, batch, hidden
from grading.course import Course


def digest(root: Path) -> str:
    course = Course(root)
    with course.gradebook() as gradebook:
        return course.prepare(gradebook, small.NAME).digest()


@pytest.mark.parametrize("name", hidden.FILES)
def test_a_change_of_the_hidden_tests_is_a_change(course: Path, name: str) -> None:
    before = digest(course)
    path = course / "solutions" / small.NAME / name
    path.write_text("A = 1\n")
    first = digest(course)
    path.write_text("A = 2\n")
    assert len({before, first, digest(course)}) == 3
    path.unlink()
    assert digest(course) == before


def test_a_change_of_the_library_is_a_change(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(course)
    assert digest(course) == before
    monkeypatch.setattr(assignment, "library_digest", lambda: "other")
    assert digest(course) != before


def test_what_a_graded_notebook_says_of_the_library_changes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.py").write_text("A = 1\n")
    monkeypatch.setattr(assignment.lib, "__path__", [str(tmp_path)])
    uncached = assignment.library_digest.__wrapped__
    before = uncached()
    (tmp_path / "one.py").write_text("A = 2\n")
    assert uncached() != before


def test_changed_hidden_tests_are_graded_again_and_the_same_ones_are_not(course: Path) -> None:
    source = course / "solutions" / small.NAME / f"{small.NAME}.ipynb"
    call = 'from grading.hidden import score\\nscore(\\"tiny\\", \\"double\\", double)\\n'
    text = source.read_text()
    start = text.index("\\nimport numpy as np\\npoints = 0\\nSECRET")
    end = text.index("### END HIDDEN", start)
    source.write_text(f"{text[:start]}\\n{call}{text[end:]}")
    checks = '{"chapter": "tiny", "examples": {"dict": {"double": {"dict": %s}}}}'
    example = '{"outputs": {"list": ["y"]}, "time_major": {"list": []}}'
    for step in ("solutions", "exercises"):
        (course / step / small.NAME / "checks.json").write_text(checks % example)
    tests = course / "solutions" / small.NAME / "hidden.py"
    tests.write_text(
        'def double(tests):\n    tests.part(3, "any", [{"x": 2.0}], lambda x: 2 * x)\n'
    )
    small.submit(course, "one", small.answer(small.released(course)))
    for expected, status in ((9.0, "graded"), (9.0, "unchanged")):
        (row,) = batch.grade(Course(course), small.NAME).rows
        assert (row.score, row.status) == (expected, status), row
    tests.write_text(tests.read_text().replace("2 * x", "3 * x"))
    (row,) = batch.grade(Course(course), small.NAME).rows
    assert (row.score, row.status) == (6.0, "graded")
