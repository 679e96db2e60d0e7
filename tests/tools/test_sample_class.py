"""The sample class, from the release to the marks, and what is said when a mark is wrong."""

import csv

import nbformat
import pytest

from authoring import sources
from tools import sample_class

SLUG = sources.available()[0]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class of chapter 1, graded as ``make course`` does."""
    course = tmp_path_factory.mktemp("sample")
    assert sample_class.main(["--chapter", SLUG, "--course", str(course), "--jobs", "1"]) == 0
    return course


def test_everyone_gets_the_mark_deserved(graded):
    everyone = sample_class.members(SLUG)
    names = [member.name for member in everyone]
    assert {"perfect", "backward-wrong", "sign-error", "raises", "endless-loop"} <= set(names)
    found = {row.member.name: row for row in sample_class.rows(SLUG, graded, everyone)}
    total = sum(exercise.points for exercise in sources.exercises(SLUG))
    assert found["perfect"].score == total
    assert found["blank"].score == 0
    for name in ("backward-wrong", "sign-error", "raises", "endless-loop"):
        assert 0 < found[name].score < total
    assert found["not-json"].score is None
    assert "JSON" in found["not-json"].note
    assert [row.score for row in found.values()] == [member.deserved for member in everyone]


def test_feedback_and_grades_are_where_the_table_says(graded):
    said = (graded / "table.txt").read_text()
    assert str(graded / "grades.csv") in said
    with (graded / "grades.csv").open(newline="") as file:
        students = {row["student_id"] for row in csv.DictReader(file)}
    assert students == {member.name for member in sample_class.members(SLUG)}
    for member in sample_class.members(SLUG)[:-1]:
        page = graded / "feedback" / member.name / SLUG / f"{SLUG}.html"
        text = page.read_text(encoding="utf-8")
        assert "BEGIN HIDDEN TESTS" not in text
    assert (graded / "summary" / f"{SLUG}.html").is_file()


def test_the_instructors_own_course_is_not_touched(graded):
    assert graded.is_relative_to(sources.ROOT) is False
    assert sample_class.COURSE.relative_to(sources.ROOT).parts == ("_build", "sample_class")
    text = (graded / "nbgrader_config.py").read_text()
    assert f"c.CourseDirectory.root = {str(graded)!r}" in text
    assert (graded / "gradebook.db").is_file()


def test_submissions_are_the_release_with_solution_cells_filled(graded):
    release = nbformat.read(graded / "exercises" / SLUG / f"{SLUG}.ipynb", as_version=4)
    handed_in = graded / "submitted" / "perfect" / SLUG / f"{SLUG}.ipynb"
    for before, after in zip(
        release.cells, nbformat.read(handed_in, as_version=4).cells, strict=True
    ):
        if before.metadata.get("nbgrader", {}).get("solution"):
            assert "NotImplementedError" not in after.source
            assert "SOLUTION" not in after.source
        else:
            assert after.source == before.source


def test_an_edit_that_fits_no_more_is_an_error(monkeypatch, capsys, tmp_path):
    edit = sample_class.Edit(sources.exercises(SLUG)[0].name, "no such text", "", 1)
    monkeypatch.setattr(sample_class, "EDITS", {SLUG: {"odd": ("odd", [edit])}})
    assert sample_class.main(["--chapter", SLUG, "--course", str(tmp_path / "course")]) == 1
    assert "no such text" in capsys.readouterr().err
    assert not (tmp_path / "course").exists()


def test_a_mark_that_is_not_deserved_is_an_error(monkeypatch, capsys, tmp_path):
    def report(slug, course, jobs):
        (course / "summary").mkdir()
        lines = [f"{m.name},graded,1,1,,," for m in sample_class.members(slug)]
        header = "student,status,score,max_score,reason,notes,limits"
        (course / "summary" / f"{slug}.csv").write_text("\n".join([header, *lines]))

    monkeypatch.setattr(sample_class, "grade", report)
    assert sample_class.main(["--chapter", SLUG, "--course", str(tmp_path / "course")]) == 1
    assert "not the mark deserved: perfect" in capsys.readouterr().err
    assert not (tmp_path / "course" / "table.txt").exists()


def test_an_unknown_chapter_is_named(capsys, tmp_path):
    assert sample_class.main(["--chapter", "foo", "--course", str(tmp_path / "course")]) == 1
    assert "got 'foo'" in capsys.readouterr().err
