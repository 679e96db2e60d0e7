"""What platforms hand out reaches the right learner, and what does not is named."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import course as small
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook

from grading import __main__ as command
from grading import platforms, whose
from grading.roster import Person, Roster, Unknown, letters

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PEOPLE = [
    Person("ada", "Ada", "Lovelace", "ada@example.org", "101"),
    Person("bob", "Bob", "Ohm", "bob@example.org", "102"),
    Person("u-zoe", "Zoë", "O'Neil-Smith", "zoe.smith@example.org", "103"),
    Person("anna1", "Anna", "Berg", "anna1@example.org", "104"),
    Person("anna2", "Anna", "Berg", "anna2@example.org", "105"),
]
WORK = {person.id: f'{{"cells": [], "who": "{person.id}"}}' for person in PEOPLE}


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, str | bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(*entries))
    return path


def packed(*entries: tuple[str | zipfile.ZipInfo, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return made.getvalue()


@pytest.fixture
def classroom(course: Path) -> Path:
    enter(course, PEOPLE)
    return course


def enter(course: Path, people: list[Person]) -> None:
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        for person in people:
            given = person._asdict()
            gradebook.add_student(given.pop("id"), **given)


def run(course: Path, *arguments: str) -> int:
    return command.main([*arguments, "--course", str(course)])


def collect(course: Path, download: Path, platform: str, *more: str) -> int:
    return run(course, "collect", small.NAME, str(download), "--platform", platform, *more)


def submitted(course: Path) -> dict[str, str]:
    """Return whose work lies in whose folder."""
    return {
        path.parent.parent.name: json.loads(path.read_text()).get("who", "?")
        for path in (course / "submitted").glob(f"*/{small.NAME}/{small.NAME}.ipynb")
    }


def stamp(course: Path, student: str) -> str:
    path = course / "submitted" / student / small.NAME / "timestamp.txt"
    return path.read_text()[:16] if path.exists() else ""


NAMES: dict[str, Callable[[str], dict[str, str]]] = {
    "canvas": lambda file: {
        f"lovelaceada_101_4711_{file}": "ada",
        f"ohmbob_LATE_102_4712_{file}": "bob",
        f"oneilsmithzoë_103_4713_{file}": "u-zoe",
        f"berganna_105_4714_{file}": "anna2",
    },
    "moodle": lambda file: {
        f"Ada Lovelace_9001_assignsubmission_file/{file}": "ada",
        f"Bob Ohm_9002_assignsubmission_file_/{file}": "bob",
        f"Group A-Zoë ONeil-Smith_9003_assignsubmission_file/{file}": "u-zoe",
        f"Anna Berg_105_assignsubmission_file_{file}": "anna2",
    },
    "blackboard": lambda file: {
        f"ps1_ada_attempt_2024-01-01-10-00-00_{file}": "ada",
        f"ps1_bob_attempt_2024-01-02-10-00-00_{file}": "bob",
        f"ps1_u-zoe_attempt_2024-01-01-10-00-00_{file}": "u-zoe",
        f"ps1_anna2_attempt_2024-01-01-10-00-00_{file}": "anna2",
    },
    "brightspace": lambda file: {
        f"11-22 - Ada Lovelace - Jan 1, 2024 1000 AM/{file}": "ada",
        f"12-22 - Bob Ohm - Jan 2, 2024 1000 AM - {file}": "bob",
        f"13-22 - Zoë O'Neil-Smith - Jan 1, 2024 1000 AM/{file}": "u-zoe",
        "index.html": "",
    },
    "classroom": lambda file: {
        f"Ada Lovelace - {file}": "ada",
        f"Bob Ohm - {file}": "bob",
        f"Zoë O'Neil-Smith - {file}": "u-zoe",
    },
    "gradescope": lambda file: {
        f"assignment_7_export/submission_11/{file}": "ada",
        f"assignment_7_export/submission_12/{file}": "bob",
        f"assignment_7_export/submission_13/deep/{file}": "u-zoe",
        "assignment_7_export/submission_metadata.yml": "",
    },
    "sakai": lambda file: {
        f"Sheet 1 (late)/Lovelace, Ada(ada)/Submission attachment(s)/{file}": "ada",
        f"Sheet 1 (late)/Ohm, Bob (bob)/Submission attachment(s)/{file}": "bob",
        "Sheet 1 (late)/Ohm, Bob (bob)/timestamp.txt": "",
        "Sheet 1 (late)/grades.csv": "",
    },
    "plain": lambda file: {
        f"ada/{file}": "ada",
        f"bob_{file}": "bob",
        f"u-zoe/{small.NAME}/{file}": "u-zoe",
        f"anna2@example.org/{file}": "anna2",
    },
}


METADATA = """\
---
submission_11:
  :submitters:
  - :name: A. Lovelace
    :sid: ''
    :email: ada@example.org
  :created_at: 2024-01-01 10:00:00.5 Z
submission_12:
  :submitters:
  - :name: Bob Ohm
    :sid: '102'
    :email:
  :created_at: 2024-01-02 05:00:00 -05:00
submission_13:
  :submitters:
  - :name: Zoë O'Neil-Smith
    :sid:
    :email:
submission_14:
  :submitters:
  - :name: Ada Lovelace
  - :name: Bob Ohm
"""
BESIDE_FOLDERS = {"yml": METADATA, "txt": "2024-01-02T10:00:00.123Z", "csv": "", "html": ""}
"""What platforms put beside the learners' files, by its ending."""


def content(name: str, who: str) -> str:
    return WORK[who] if who else BESIDE_FOLDERS[name.rpartition(".")[2]]


@pytest.mark.parametrize("platform", NAMES)
def test_each_platforms_names_lead_to_the_right_learner(
    classroom: Path, tmp_path: Path, platform: str
) -> None:
    given = NAMES[platform]("tiny.ipynb")
    download = zipped(
        tmp_path / "class.zip", *((name, content(name, who)) for name, who in given.items())
    )
    assert collect(classroom, download, platform, "--timezone", "UTC") == 0
    assert submitted(classroom) == {who: who for who in given.values() if who}
    if platform in ("blackboard", "brightspace", "gradescope", "sakai"):
        assert stamp(classroom, "bob") == "2024-01-02 10:00"


FORGED = packed(("tiny.ipynb", WORK["ada"]), ("timestamp.txt", "2020-01-01 00:00"))


def test_names_that_are_near_a_platforms_are_read_or_named(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """What a platform hides, writes in another language, or leaves to a learner to forge."""
    forged = METADATA.replace("submission_12", "submission_99")
    for platform, entries, taken, words in (
        ("moodle", {"Participant_9001_assignsubmission_file/tiny.ipynb": "ada"}, {}, "reveal"),
        ("moodle", {"Teilnehmerin_9_assignsubmission_file_tiny.ipynb": "ada"}, {}, "reveal"),
        (
            "moodle",
            {
                "Ada Lovelace_9_assignsubmission_file/tiny.ipynb": "ada",
                "Ada Lovelace_9_assignsubmission_file/timestamp.txt": "2020-01-01 00:00",
            },
            {"ada": ""},
            "",
        ),
        (
            "brightspace",
            {
                "1-2 - Ada Lovelace - 1 janv., 2024 1000/tiny.ipynb": "ada",
                "2-2 - Bob Ohm - 2 Jan 2024 1000/tiny.ipynb": "bob",
            },
            {"ada": "", "bob": "2024-01-02 10:00"},
            "ada: '1 janv., 2024 1000' is read as no time",
        ),
        (
            "gradescope",
            {
                "x/submission_14/tiny.ipynb": "ada",
                "x/submission_99/tiny.ipynb": "bob",
                "x/submission_99/submission_metadata.yml": forged,
                "x/submission_metadata.yml": METADATA,
            },
            {},
            "handed in by several: Ada Lovelace, Bob Ohm",
        ),
        ("plain", {"ada/work.zip": FORGED}, {"ada": ""}, ""),
        (
            "sakai",
            {
                "x/Lovelace, Ada(ada)/Submission attachment(s)/tiny.ipynb": "ada",
                "x/Lovelace, Ada(ada)/Submission attachment(s)/timestamp.txt": "2020-01-01 00:00",
            },
            {"ada": ""},
            "",
        ),
    ):
        shutil.rmtree(classroom / "submitted", ignore_errors=True)
        files = [(name, WORK.get(data, data)) for name, data in entries.items()]
        download = zipped(tmp_path / "class.zip", *files)
        collect(classroom, download, platform, "--timezone", "UTC")
        assert submitted(classroom) == {who: who for who in taken}, (platform, entries)
        assert {who: stamp(classroom, who) for who in taken} == taken
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("platform", ["canvas", "moodle", "blackboard", "plain"])
def test_nbgraders_own_command_collects_the_same(
    classroom: Path, tmp_path: Path, platform: str
) -> None:
    given = NAMES[platform]("tiny.ipynb")
    zipped(
        classroom / "downloaded" / small.NAME / "archive" / "class.zip",
        *((name, WORK[who]) for name, who in given.items()),
    )
    with (classroom / "nbgrader_config.py").open("a") as file:
        file.write(f'\nc.PlatformCollector.platform = "{platform}"\n')
        file.write('c.PlatformCollector.timezone = "UTC"\n')
    small.run_nbgrader(classroom, "zip_collect", small.NAME, "--force")
    assert submitted(classroom) == {who: who for who in given.values()}
    if platform == "blackboard":
        assert stamp(classroom, "bob") == "2024-01-02 10:00"


BESIDE = {
    "__MACOSX/._tiny.ipynb": "\0",
    "__MACOSX/tiny.ipynb": "\0",
    ".DS_Store": "\0",
    ".ipynb_checkpoints/tiny-checkpoint.ipynb": WORK["bob"],
    ".idea/tiny.ipynb": WORK["bob"],
    "tiny-checkpoint.ipynb": WORK["bob"],
    "tiny.ipynb~": WORK["bob"],
    "tiny.ipynb.bak": WORK["bob"],
    "tiny (1).ipynb": WORK["bob"],
    "Copy of tiny.ipynb": WORK["bob"],
    "notes.pdf": "%PDF",
    "deep/tiny.ipynb": WORK["bob"],
}


def test_what_lies_beside_the_notebook_does_not_stand_in_for_it(
    classroom: Path, tmp_path: Path
) -> None:
    folder = "Ada Lovelace_9001_assignsubmission_file"
    work = packed(*BESIDE.items(), ("tiny.ipynb", WORK["ada"]))
    for download in (
        zipped(
            tmp_path / "a.zip",
            *((f"{folder}/{name}", data) for name, data in BESIDE.items()),
            (f"{folder}/tiny.ipynb", WORK["ada"]),
        ),
        zipped(tmp_path / "b.zip", (f"{folder}/work.zip", work)),
        zipped(tmp_path / "c.zip", (f"{folder}/w.zip", packed(("work.zip", work)))),
        zipped(tmp_path / "d.zip", (f"My class/{folder}/tiny.ipynb", WORK["ada"])),
        zipped(tmp_path / "e.zip", (f"{folder}/a/b/c/tiny.IPYNB", WORK["ada"])),
        zipped(tmp_path / "f.zip", (f"{folder}/tiny.ipynb.txt", WORK["ada"])),
        zipped(tmp_path / "g.zip", (f"{folder}/tiny.ipynb.json", WORK["ada"])),
        zipped(tmp_path / "h.zip", (f"{folder}/Untitled.ipynb", WORK["ada"])),
        zipped(tmp_path / "i.zip", (f"{folder}\\tiny.ipynb", WORK["ada"])),
    ):
        assert collect(classroom, download, "moodle") == 0, download
        assert submitted(classroom) == {"ada": "ada"}
        (classroom / "submitted" / "ada" / small.NAME / "tiny.ipynb").unlink()


SKIPPED = {
    "ohmbob_102_4711_work.7z": "skipped: bob, {}, archives of the kind .7z",
    "ohmbob_102_4711_work.rar": "skipped: bob, {}, archives of the kind .rar",
    "ohmbob_102_4711_tiny.pdf": "skipped: bob, {}, not a notebook",
    "ohmbob_102_4711_tiny-checkpoint.ipynb": "skipped: bob, {}, a backup that an editor made",
    "ohmbob_102_text.html": "skipped: bob, {}, not a notebook",
    "ohmbob_102_4711_work.zip": "skipped: bob, {}, it cannot be unpacked",
    "ohmbob_999_4711_tiny.ipynb": "skipped: unknown, {}, nobody on the roster has the number 999",
    "doe_jane_999_4711_tiny.ipynb": "skipped: unknown, {}, nobody on the roster",
    "ohmbob_101_4711_tiny.ipynb": "skipped: unknown, {}, the number 101 is that of ada",
    "anon_12345_4711_tiny.ipynb": "skipped: unknown, {}, Canvas hides who this is",
    "tiny.ipynb": "skipped: unknown, {}, no name that the platform gives",
}


@pytest.mark.parametrize("name", SKIPPED)
def test_what_is_skipped_is_named(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    entries = [("lovelaceada_101_4711_tiny.ipynb", WORK["ada"]), (name, "{}")]
    assert collect(classroom, zipped(tmp_path / "class.zip", *entries), "canvas") == 3
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("skipped")]
    assert len(lines) == 1
    assert lines[0].startswith(SKIPPED[name].format(name))
    assert submitted(classroom) == {"ada": "ada"}


def test_nbgraders_own_command_fails_where_something_was_skipped(
    classroom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped(
        classroom / "downloaded" / small.NAME / "archive" / "class.zip",
        ("lovelaceada_101_4711_tiny.ipynb.txt", WORK["ada"]),
        ("ohmbob_102_4711_work.7z", "7z"),
        ("doe_999_4711_tiny.ipynb", WORK["bob"]),
    )
    with (classroom / "nbgrader_config.py").open("a") as file:
        file.write('\nc.PlatformCollector.platform = "canvas"\n')
    with pytest.raises(SystemExit) as end:
        small.run_nbgrader(classroom, "zip_collect", small.NAME, "--force")
    assert end.value.code == 3
    said = capsys.readouterr().err
    assert "skipped: bob, class/ohmbob_102_4711_work.7z" in said
    assert "skipped: unknown, class/doe_999_4711_tiny.ipynb, nobody on the roster" in said
    assert submitted(classroom) == {"ada": "ada"}


def test_nbgraders_own_command_asks_for_a_platform(course: Path) -> None:
    zipped(course / "downloaded" / small.NAME / "archive" / "class.zip", ("a_1_2_tiny.ipynb", "{}"))
    with pytest.raises(SystemExit) as end:
        small.run_nbgrader(course, "zip_collect", small.NAME, "--force")
    assert end.value.code == 1


def test_nbgraders_own_command_asks_for_the_zip(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (course / "nbgrader_config.py").open("a") as file:
        file.write('\nc.PlatformCollector.platform = "canvas"\n')
    with pytest.raises(SystemExit) as end:
        small.run_nbgrader(course, "zip_collect", small.NAME, "--force")
    assert end.value.code == 1
    assert "Put the platform's zip into" in capsys.readouterr().err


def test_a_pattern_of_ones_own_reads_the_platforms_part_alone(
    classroom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped(
        classroom / "downloaded" / small.NAME / "archive" / "class.zip",
        ("sheet 1 ada 2030-01-01-10-00-00 tiny.ipynb", WORK["ada"]),
        ("sheet 1 ada 2030-01-03-10-00-00 tiny.ipynb", WORK["anna1"]),
        ("sheet 1 ada 2030-01-02-10-00-00 tiny.ipynb", WORK["anna2"]),
        ("sheet 1 eve work.zip", packed(("sheet 1 bob 2030-01-09-10-00-00 tiny.ipynb", "{}"))),
        ("sheet 1 mallory 2030-01-02-10-00-00 tiny.ipynb", "{}"),
    )
    pattern = r".*sheet 1 (?P<student_id>\S+) (?P<timestamp>\S+) (?P<file_id>tiny)"
    with (classroom / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.FileNameCollectorPlugin.named_regexp = {pattern!r}\n")
        file.write('c.PlatformCollector.timezone = "UTC"\n')
    with pytest.raises(SystemExit):
        small.run_nbgrader(classroom, "zip_collect", small.NAME, "--force")
    assert submitted(classroom) == {"ada": "anna1"}
    assert stamp(classroom, "ada") == "2030-01-03 10:00"
    said = capsys.readouterr().err
    assert "mallory" in said
    assert "skipped: unknown, class/sheet 1 eve work" in said


def test_names_in_a_learners_archive_count_for_nothing(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = packed(
        ("ohmbob_102_4711_tiny.ipynb", WORK["ada"]),
        ("x/ohmbob_102_4712_tiny.ipynb", WORK["ada"]),
        ("../ohmbob_102_4713_tiny.ipynb", WORK["ada"]),
    )
    entries = {
        "lovelaceada_101_1_evil.zip": evil,
        "doe_999_2_evil.zip": evil,
        "evil.zip": evil,
        "ohmbob_102_text.html": "x",
    }
    assert collect(classroom, zipped(tmp_path / "class.zip", *entries.items()), "canvas") == 3
    assert set(submitted(classroom)) <= {"ada"}
    assert "skipped: bob, ohmbob_102_text.html" in capsys.readouterr().out


def test_a_name_in_a_file_is_no_second_learner(classroom: Path, tmp_path: Path) -> None:
    download = zipped(
        tmp_path / "class.zip",
        ("lovelaceada_101_4711_ohmbob_102_4712_tiny.ipynb", WORK["ada"]),
    )
    assert collect(classroom, download, "canvas") == 0
    assert submitted(classroom) == {"ada": "ada"}
    download = zipped(
        tmp_path / "class.zip",
        (
            "ps1_ada_attempt_2024-01-01-10-00-00_ps1_bob_attempt_2024-01-01-10-00-00_tiny.ipynb",
            WORK["ada"],
        ),
    )
    assert collect(classroom, download, "blackboard") == 0
    assert submitted(classroom) == {"ada": "ada"}


def test_of_a_learners_files_the_newest_counts(classroom: Path, tmp_path: Path) -> None:
    canvas = zipped(
        tmp_path / "canvas.zip",
        ("lovelaceada_101_4711_tiny.ipynb", "{}"),
        ("lovelaceada_101_4799_tiny-2.ipynb", WORK["ada"]),
        ("lovelaceada_101_4750_tiny-1.ipynb", "{}"),
        ("lovelaceada_101_4800_scratch.ipynb", "{}"),
    )
    assert collect(classroom, canvas, "canvas") == 0
    assert submitted(classroom) == {"ada": "ada"}
    blackboard = zipped(
        tmp_path / "blackboard.zip",
        ("ps1_bob_attempt_2024-01-01-10-00-00_tiny.ipynb", "{}"),
        ("ps1_bob_attempt_2024-01-03-10-00-00_tiny.ipynb", WORK["bob"]),
        ("ps1_bob_attempt_2024-01-02-10-00-00_tiny.ipynb", "{}"),
        ("ps1_bob_attempt_2024-01-01-10-00-00.txt", "Name: Ada Lovelace (ada)"),
        ("ps1_bob_attempt_2024-01-04-10-00-00.txt", "Name: Ada Lovelace (ada)"),
    )
    assert collect(classroom, blackboard, "blackboard", "--timezone", "Europe/Berlin") == 0
    assert submitted(classroom)["bob"] == "bob"
    assert stamp(classroom, "bob") == "2024-01-03 09:00"


def test_learners_of_one_name_are_never_mixed(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("Anna Berg_9001_assignsubmission_file", "Anna Berg_9002_assignsubmission_file")
    download = zipped(tmp_path / "class.zip", *((f"{name}/tiny.ipynb", "{}") for name in names))
    assert collect(classroom, download, "moodle") == 3
    assert submitted(classroom) == {}
    said = capsys.readouterr().out
    assert said.count("several on the roster have the name Anna Berg: anna1, anna2") == 2
    worksheet = tmp_path / "Grades.csv"
    worksheet.write_text(
        "\ufeffIdentifier,Full name,Email address,Status\n"
        'Participant 9001,"Anna Berg",anna2@example.org,Submitted\n'
        'Participant 9002,"Anna Berg",anna1@example.org,Submitted\n'
    )
    download = zipped(
        tmp_path / "class.zip",
        (f"{names[0]}/tiny.ipynb", WORK["anna2"]),
        (f"{names[1]}/tiny.ipynb", WORK["anna1"]),
        ("Participant_9003_assignsubmission_file/tiny.ipynb", "{}"),
    )
    assert collect(classroom, download, "moodle", "--worksheet", str(worksheet)) == 3
    assert submitted(classroom) == {"anna1": "anna1", "anna2": "anna2"}


def test_without_numbers_a_name_must_be_one_persons(course: Path, tmp_path: Path) -> None:
    people = [person._replace(lms_user_id="") for person in PEOPLE]
    enter(course, people)
    download = zipped(
        tmp_path / "class.zip",
        ("lovelaceada_1_1_tiny.ipynb", WORK["ada"]),
        ("berganna_2_2_tiny.ipynb", "{}"),
    )
    assert collect(course, download, "canvas") == 3
    assert submitted(course) == {"ada": "ada"}


def test_names_are_compared_composed(classroom: Path, tmp_path: Path) -> None:
    decomposed = "Zoe\u0308 O'Neil-Smith_1_assignsubmission_file/tiny.ipynb"
    assert (
        collect(classroom, zipped(tmp_path / "c.zip", (decomposed, WORK["u-zoe"])), "moodle") == 0
    )
    assert submitted(classroom) == {"u-zoe": "u-zoe"}


def test_one_learners_broken_archive_costs_no_other(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = bytearray(packed(("tiny.ipynb", "x" * 9999)))
    broken[45:60] = b"\xff" * 15
    download = zipped(
        tmp_path / "class.zip",
        ("Ada Lovelace_1_assignsubmission_file/a.zip", bytes(broken)),
        ("Bob Ohm_2_assignsubmission_file/b.zip", packed(("tiny.ipynb", WORK["bob"]))),
    )
    assert collect(classroom, download, "moodle") == 3
    assert submitted(classroom) == {"bob": "bob"}
    lines = capsys.readouterr().out.splitlines()
    assert [x.split(",")[0] for x in lines if x.startswith("skipped")] == ["skipped: ada"]


def test_a_time_stamp_beside_the_notebook_is_kept(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download = zipped(
        tmp_path / "class.zip",
        ("ada/tiny.ipynb", WORK["ada"]),
        ("ada/timestamp.txt", "2030-01-01 10:00 -0500"),
        ("bob/tiny.ipynb", WORK["bob"]),
        ("bob/timestamp.txt", "01.02.2030"),
    )
    assert collect(classroom, download, "plain") == 3
    assert submitted(classroom) == {"ada": "ada", "bob": "bob"}
    assert (stamp(classroom, "ada"), stamp(classroom, "bob")) == ("2030-01-01 15:00", "")
    assert "skipped: bob, timestamp.txt, timestamp.txt: expected a time" in capsys.readouterr().out


def test_collecting_again_keeps_what_is_newer(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def attempt(day: int, who: str) -> Path:
        name = f"ps1_ada_attempt_2024-01-{day:02}-10-00-00_tiny.ipynb"
        return zipped(tmp_path / f"{day}.zip", (name, WORK[who]))

    expected = {(2, "ada"): "new", (3, "bob"): "changed", (1, "ada"): "kept"}
    for (day, who), state in [*expected.items(), ((3, "bob"), "as before")]:
        assert collect(classroom, attempt(day, who), "blackboard") == 0
        assert f"1 collected: 1 {state}" in capsys.readouterr().out
    assert submitted(classroom) == {"ada": "bob"}
    assert sorted(p.name for p in (classroom / "submitted" / "ada").iterdir()) == [small.NAME]


def test_a_folder_that_a_browser_unpacked(classroom: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    (folder / "Ada Lovelace_1_assignsubmission_file").mkdir(parents=True)
    (folder / "Ada Lovelace_1_assignsubmission_file" / "tiny.ipynb").write_text(WORK["ada"])
    zipped(folder / "Bob Ohm_2_assignsubmission_file" / "w.zip", ("tiny.ipynb", WORK["bob"]))
    assert collect(classroom, folder, "moodle") == 0
    assert submitted(classroom) == {"ada": "ada", "bob": "bob"}
    assert zipfile.is_zipfile(folder / "Bob Ohm_2_assignsubmission_file" / "w.zip")


def test_what_is_missing_is_said_in_a_line(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collect(classroom, tmp_path / "none.zip", "canvas") == 1
    assert run(classroom, "collect", "other", str(tmp_path), "--platform", "canvas") == 1
    assert collect(classroom, tmp_path, "canvas", "--timezone", "Mars") == 2
    assert len(capsys.readouterr().err.splitlines()) >= 2


def test_an_empty_roster_is_said_to_be_empty(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download = zipped(tmp_path / "c.zip", ("lovelaceada_101_4711_tiny.ipynb", "{}"))
    assert collect(course, download, "canvas") == 3
    assert "the roster is empty" in capsys.readouterr().out


# --- handing back ----------------------------------------------------------------

RETURNED = {
    "canvas": ["lovelaceada_101_4711_tiny.html", "ohmbob_LATE_102_4712_tiny.html"],
    "moodle": [
        "Ada Lovelace_9001_assignsubmission_file_tiny.html",
        "Bob Ohm_9002_assignsubmission_file_tiny.html",
    ],
    "blackboard": [
        "ps1_ada_attempt_2024-01-01-10-00-00_tiny.html",
        "ps1_bob_attempt_2024-01-02-10-00-00_tiny.html",
    ],
    "brightspace": [
        "11-22 - Ada Lovelace - Jan 1, 2024 1000 AM/tiny.html",
        "12-22 - Bob Ohm - Jan 2, 2024 1000 AM/tiny.html",
    ],
    "plain": ["ada/tiny.html", "bob/tiny.html"],
}


@pytest.mark.parametrize("platform", RETURNED)
def test_pages_go_back_under_the_platforms_names(
    classroom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], platform: str
) -> None:
    given = NAMES[platform]("tiny.ipynb")
    download = zipped(
        tmp_path / "class.zip", *((name, WORK.get(who, "")) for name, who in given.items())
    )
    collect(classroom, download, platform)
    for student in ("ada", "bob", "eve"):
        page = classroom / "feedback" / student / small.NAME / "tiny.html"
        page.parent.mkdir(parents=True)
        page.write_text(student)
    capsys.readouterr()
    assert run(classroom, "return", small.NAME, "--platform", platform) == 3
    with zipfile.ZipFile(classroom / "returned" / "tiny.zip") as archive:
        assert archive.namelist() == RETURNED[platform]
        assert [archive.read(name).decode() for name in archive.namelist()] == ["ada", "bob"]
    said = capsys.readouterr().out
    assert f"not collected from {platform}, and not in it: eve" in said
    assert "skipped: eve" not in said
    assert "skipped: u-zoe, tiny.html, there is no page" in said


def test_nothing_goes_back_that_did_not_come(
    classroom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(classroom, "return", small.NAME, "--platform", "canvas") == 1
    assert "nothing of tiny was collected from canvas" in capsys.readouterr().err


# --- who is meant ----------------------------------------------------------------

people = st.builds(
    Person,
    st.text("ab_1", min_size=1, max_size=4),
    st.sampled_from(["Anna", "Bob", "Zoë", ""]),
    st.sampled_from(["Berg", "Li", "O'Hara"]),
    st.sampled_from(["", "a@x.org", "b@x.org"]),
    st.sampled_from(["", "1", "2", "3"]),
)


@calm
@given(
    st.lists(people, max_size=5, unique_by=lambda person: person.id),
    st.sampled_from(list(platforms.PLATFORMS)),
    st.sampled_from(["annaberg", "bergzoë", "Anna Berg", "Li", "x_a_1", "a_b"]),
    st.sampled_from(["1", "2", "9"]),
)
def test_a_learner_is_found_surely_or_not_at_all(
    class_: list[Person], platform: str, text: str, number: str
) -> None:
    label = platforms.Label(prefix=text, file="", name=text, number=number, login=text)
    try:
        person, _ = whose.owner(platform, label, Roster(class_))
    except Unknown:
        return
    alike = [
        other
        for other in class_
        if other != person
        and letters(other.first_name + other.last_name)
        == letters(person.first_name + person.last_name)
    ]
    if platform == "canvas":
        assert person.lms_user_id in (number, "")
        assert not person.lms_user_id or [p.lms_user_id for p in class_].count(number) == 1
    elif platform in ("moodle", "brightspace", "classroom") and alike:
        known = person.lms_user_id == number or letters(person.id) == letters(text)
        assert known or label.name in (person.id, person.email)
