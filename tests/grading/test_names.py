"""Names of learners are refused with words, or go through grading, feedback and export."""

import fnmatch
import unicodedata
from pathlib import Path

import course as small
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading import __main__ as command
from grading import names

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

WORK = (
    "ada",
    "ada.lovelace@example.org",
    "Zoë O'Neil".replace("'", "’"),
    "Ada Lovelace",
    "ada_1-2",
    "ada+ps1",
    "ada (2)",
    "ada,b=c",
    "状态",
    "1234567",
    "ada~",
)
REFUSED = {
    "[ab]*": "the id holds * [ ]",
    "{student_id}": "the id holds { }",
    ".hidden": "the id begins with '.'",
    "a\nb": "the id holds a line break",
    "a\x1b[31mb": "the id holds a line break or a character that cannot be seen",
    "a\u200bb": "the id holds a line break or a character that cannot be seen",
    "ada ": "the id begins or ends with a blank",
    "a  b": "the id holds more than one blank",
    "a?": "the id holds ?",
    "a\\b": "the id holds \\",
    "<b>": "the id holds < >",
    "Zoe\u0308": "the id's letters and accents are apart",
    "-rf": "the id begins with '-'",
    "ü" * 60: "the id is longer than 100 bytes",
}


def test_every_learner_is_graded_or_told_why_not(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = small.answer(small.released(course))
    for student in (*WORK, *REFUSED):
        small.submit(course, student, answer)
    status = command.main(["grade", small.NAME, "--jobs", "1", "--course", str(course)])
    assert status == command.GAPS
    said = capsys.readouterr().out
    assert f"{len(WORK)} graded, {len(REFUSED)} refused" in said
    assert len([line for line in said.splitlines() if line.startswith("no score: ")]) == len(
        REFUSED
    )
    for words in REFUSED.values():
        assert f": {words}" in said
    small.run_nbgrader(course, "generate_feedback", small.NAME)
    small.run_nbgrader(course, "export")
    table = (course / "grades.csv").read_text()
    for student in WORK:
        assert (course / "feedback" / student / small.NAME / "tiny.html").is_file()
        assert student in table
    assert len(list((course / "feedback").iterdir())) == len(WORK)
    assert (course / "summary" / "tiny.html").is_file()


def test_formgrader_lives_with_every_name(course: Path) -> None:
    from nbgrader.apps.api import NbGraderAPI

    from grading.course import Course

    answer = small.answer(small.released(course))
    for student in (*WORK[:3], *REFUSED):
        small.submit(course, student, answer)
    made = Course(course)
    with small.inside(course):
        api = NbGraderAPI(made.coursedir, config=made.config)
        listed = {entry["student"] for entry in api.get_submissions(small.NAME)}
    assert set(WORK[:3]) <= listed


@calm
@given(st.text(max_size=30))
def test_a_name_without_a_problem_is_one_part_of_a_path(name: str) -> None:
    if names.problem(name):
        return
    assert Path("a", name).name == name
    assert "\n" not in name
    assert name == name.strip() == unicodedata.normalize("NFC", name)
    assert name.format(student_id="x") == name
    assert fnmatch.fnmatchcase(name, name)
    assert not set(name) & set("*?[]{}<>/\\")
