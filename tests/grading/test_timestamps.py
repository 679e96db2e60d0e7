"""Times of submissions: read surely or refused by name, and one bad file costs nobody else."""

import contextlib
import datetime
import zoneinfo
from pathlib import Path

import course as small
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc

from grading import batch, intake, timestamps

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

READ = {
    "2030-01-31 23:59:00.000000 UTC": "2030-01-31 23:59",
    "2030-01-31 23:59": "2030-01-31 23:59",
    "2030-01-31T23:59:00Z": "2030-01-31 23:59",
    "2030-01-31 23:59:00.123456789 +0000": "2030-01-31 23:59",
    "2030-01-31 18:59 -0500": "2030-01-31 23:59",
    "2030-01-31T18:59:00-05:00": "2030-01-31 23:59",
    "2030-01-31 18:59:00 -05": "2030-01-31 23:59",
    "2030-02-01 05:29:00 +0530": "2030-01-31 23:59",
    "2030-07-01 08:00:00 EDT": "2030-07-01 12:00",
    "2030-01-01 07:00:00 EST": "2030-01-01 12:00",
    "2030-07-01 14:00:00 CEST": "2030-07-01 12:00",
    "2030-01-01 13:00:00 CET": "2030-01-01 12:00",
    "2030-07-01 14:00:00 Europe/Berlin": "2030-07-01 12:00",
    "2030-01-01 13:00:00 Europe/Berlin": "2030-01-01 12:00",
    "2030-01-01 09:00:00 -03": "2030-01-01 12:00",
    "\ufeff2030-01-31 23:59:00 UTC\r\n": "2030-01-31 23:59",
}
REFUSED = (
    "01.02.2030",
    "01.02.2030 10:00",
    "01/02/2030 10:00",
    "2030-01-31",
    "10:00",
    "2030-13-01 10:00",
    "2030-02-30 10:00",
    "2030-01-31 25:00",
    "2030-01-31 10:00 CST",
    "2030-01-31 10:00 IST",
    "2030-01-31 10:00 XYZ",
    "2030-01-31 10:00 Europe/Nowhere",
    "2030-01-31 10:00 ../../etc/passwd",
    "2030-01-31 10:00 +9999",
    "2030-01-31 10:00 -500",
    "0001-01-01 00:00 +1400",
    "1893456000",
    "tomorrow",
    "２０３０-01-31 10:00",
    "2030-01-31 10:00 UTC 2030-01-31 10:00",
    "\0",
    "9" * 300,
)


@pytest.mark.parametrize("text", READ)
def test_a_time_is_read_right(tmp_path: Path, text: str) -> None:
    (tmp_path / "timestamp.txt").write_text(text, encoding="utf-8")
    found = timestamps.read_timestamp(tmp_path)
    assert found[:16] == READ[text]
    assert parse_utc(found).strftime("%Y-%m-%d %H:%M") == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_may_mean_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "timestamp.txt").write_text(text, encoding="utf-8")
    with pytest.raises(intake.Refused, match=r"^timestamp\.txt: ") as caught:
        timestamps.read_timestamp(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_files_than_text(tmp_path: Path) -> None:
    path = tmp_path / "timestamp.txt"
    assert timestamps.read_timestamp(tmp_path) == ""
    for nothing in (b"", b"\n", b"\xef\xbb\xbf", b"\xff\xfe"):
        path.write_bytes(nothing)
        assert timestamps.read_timestamp(tmp_path) == ""
    path.write_bytes("2030-01-31 23:59".encode("utf-16"))
    assert timestamps.read_timestamp(tmp_path)[:16] == "2030-01-31 23:59"
    for data in (b"\xff\xfe\x00", b"2030-01-31 23:59 \xe9", b"x" * 5000):
        path.write_bytes(data)
        with pytest.raises(intake.Refused, match=r"^timestamp\.txt: "):
            timestamps.read_timestamp(tmp_path)


def test_the_courses_zone_decides_what_an_abbreviation_means() -> None:
    chicago, shanghai = zoneinfo.ZoneInfo("America/Chicago"), zoneinfo.ZoneInfo("Asia/Shanghai")
    text = "2030-01-31 10:00 CST"
    assert timestamps.parse(text, chicago).hour == 16
    assert timestamps.parse(text, shanghai).hour == 2
    assert timestamps.parse("2030-07-31 10:00 BST", zoneinfo.ZoneInfo("Europe/London")).hour == 9


@calm
@given(
    st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["%z", " %z"]),
    st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f"]),
)
def test_any_offset_gives_the_same_moment(
    when: datetime.datetime, minutes: int, zone: str, form: str
) -> None:
    there = datetime.timezone(datetime.timedelta(minutes=minutes))
    moment = when.replace(tzinfo=datetime.UTC)
    assert timestamps.parse(moment.astimezone(there).strftime(form + zone)) == moment
    assert timestamps.parse(timestamps.write(moment)) == moment


@calm
@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert timestamps.parse(text).tzinfo is datetime.UTC


def test_late_in_any_zone_is_late(course: Path) -> None:
    with (course / "nbgrader_config.py").open("a") as file:
        file.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        gradebook.update_or_create_assignment(small.NAME, duedate="2030-07-01 12:00 UTC")
    answer = small.answer(small.released(course))
    times = {
        "in-time": "2030-07-01 07:59 EDT",
        "late": "2030-07-01 08:01 -0400",
        "berlin": "2030-07-01 13:59 CEST",
    }
    for student, text in times.items():
        path = small.submit(course, student, answer)
        (path.parent / "timestamp.txt").write_text(text)
    rows = batch.grade(batch.Course(course), small.NAME, jobs=1).rows
    assert {row.student: row.score for row in rows} == {"in-time": 9, "late": 0, "berlin": 9}


def test_formgrader_lives_with_a_bad_file(course: Path) -> None:
    from nbgrader.apps.api import NbGraderAPI

    answer = small.answer(small.released(course))
    for student in ("good", "bad", "binary"):
        small.submit(course, student, answer)
    folder = course / "submitted"
    (folder / "good" / small.NAME / "timestamp.txt").write_text("2030-01-01 07:00:00 -0500")
    (folder / "bad" / small.NAME / "timestamp.txt").write_text("not a time")
    (folder / "binary" / small.NAME / "timestamp.txt").write_bytes(b"\xff\x00\xfe")
    made = batch.Course(course)
    with small.inside(course):
        api = NbGraderAPI(made.coursedir, config=made.config)
        before = {s["student"]: s["timestamp"] for s in api.get_submissions(small.NAME)}
        assert before == {"good": "2030-01-01T12:00:00", "bad": None, "binary": None}
        rows = {r.student: r.status for r in batch.grade(made, small.NAME, jobs=1).rows}
        assert rows == {"good": "graded", "bad": "refused", "binary": "refused"}
        after = {s["student"]: s for s in api.get_submissions(small.NAME)}
        assert {s["autograded"] for s in after.values()} == {True}
        assert after["good"]["timestamp"] == "2030-01-01T12:00:00"
        assert len(api.get_students()) == 3
