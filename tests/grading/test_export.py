"""Marks for Canvas and Moodle, read back as the platforms read them."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import course as small
import pytest
from nbgrader.api import Gradebook

from grading import export

CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'recurrent-networks'\n"
STUDENTS = {
    "ada": ("Ada", "Lovelace, Countess", "ada@example.org", "101"),
    "zoe": ("Zoë \"Zo\"", "Ünal-Šipek", "zoe@example.org", "102"),
    "eve": ("=HYPERLINK(\"http://x\")", "@SUM(1+1)", "eve@example.org", "103"),
    "mal": ("x;=1+1\n-2", "＝1+1", "mal@example.org", "104"),
    "new": (None, None, None, None),
}  # fmt: skip
POINTS = {"rnn": (4, 2.5), "lstm": (3,)}


@pytest.fixture
def course(filled: Path, tmp_path: Path) -> Path:
    """A course folder of one's own."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder with a gradebook of two assignments and five learners."""
    root = tmp_path_factory.mktemp("filled")
    (root / "nbgrader_config.py").write_text(CONFIG)
    small.scripts_on_path()
    with gradebook(root) as book:
        for name, cells in POINTS.items():
            book.add_assignment(name, duedate="2030-01-01 00:00:00 UTC")
            book.add_notebook(name, name)
            for k, best in enumerate(cells):
                book.add_grade_cell(f"test_f{k}", name, name, max_score=best, cell_type="code")
                book.add_solution_cell(f"f{k}", name, name)
        for student, (first, last, email, number) in STUDENTS.items():
            about = {"first_name": first, "last_name": last, "email": email}
            book.add_student(student, lms_user_id=number, **about)
        hand_in(book, "rnn", "ada", 3, 2.5)
        hand_in(book, "rnn", "zoe", 0, 0)
        hand_in(book, "rnn", "eve", 4, 2.5, late=1.25)
        hand_in(book, "rnn", "mal", 0, 1, late=3)
        hand_in(book, "lstm", "ada", 1 / 3)
        hand_in(book, "lstm", "zoe", 0, waits=True)
    return root


def gradebook(root: Path) -> Gradebook:
    return Gradebook(f"sqlite:///{root}/gradebook.db", "recurrent-networks")


def hand_in(
    book: Gradebook, name: str, student: str, *scores: float, late: float = 0, waits: bool = False
) -> None:
    book.add_submission(name, student)
    for k, score in enumerate(scores):
        grade = book.find_grade(f"test_f{k}", name, name, student)
        grade.auto_score, grade.needs_manual_grade = score, waits
    book.find_submission_notebook(name, name, student).late_submission_penalty = late or None
    book.db.commit()


def run(root: Path, plugin: str, *options: str) -> str:
    small.run_nbgrader(root, "export", f"--exporter=grading.export.{plugin}", *options)
    name = next((o.removeprefix("--to=") for o in options if o.startswith("--to=")), None)
    path = root / (name or {"CanvasExport": "canvas.csv", "MoodleExport": "moodle.csv"}[plugin])
    return path.read_bytes().decode("utf-8")


def canvas(text: str) -> tuple[dict[str, float], dict[tuple[str, ...], dict[str, str]]]:
    """Read a file by the rules of Canvas's importer: points and marks by assignment."""
    lines = text.splitlines()
    for separator in (";", ","):
        widths = {len(next(csv.reader([line], delimiter=separator))) for line in lines[:3]}
        assert (widths != {1}) == (separator == ",")
        assert len(widths) == 1
    head, *rows = csv.reader(io.StringIO(text))
    assert "Student" in head[0]
    assert "ID" in head[1]
    assert re.search(r"SIS\s+User\s+ID", head[2])
    assert re.search(r"SIS\s+Login\s+ID", head[3])
    assert "Section" in head[4]
    keys = []
    for title in head[5:]:
        match = re.fullmatch(r"(.*)\s\((\d+)\)", title)
        keys.append(match[2] if match else title)
    best: dict[str, float] = {}
    marks = {}
    for row in rows:
        assert len(row) == len(head)
        if "Points Possible" in row[0]:
            best = dict(zip(keys, map(float, row[5:]), strict=True))
        else:
            marks[tuple(row[:5])] = dict(zip(keys, row[5:], strict=True))
    return best, marks


def moodle(text: str, key: str, users: dict[str, str]) -> dict[str, dict[str, float | None]]:
    """Import a file by Moodle's rules, each column of marks as a new grade item.

    A row without the identifying value keeps the learner of the row before; an unknown
    one ends the import; ``-`` is no grade; an empty number becomes 0.
    """
    head, *rows = csv.reader(io.StringIO(text))
    column = head.index(key)
    found: dict[str, dict[str, float | None]] = {}
    student = ""
    for row in rows:
        assert len(row) == len(head)
        if row[column] not in ("", "0"):
            student = users[row[column]]
        for name, value in zip(head, row, strict=True):
            if name in POINTS:
                mark = None if value == "-" else float(value or 0)
                found.setdefault(student, {})[name] = mark
    return found


def test_canvas_reads_marks_points_and_learners(course: Path) -> None:
    best, marks = canvas(run(course, "CanvasExport"))
    assert best == {"rnn": 6.5, "lstm": 3.0}
    by_login = {who[3]: row for who, row in marks.items()}
    assert by_login == {
        "ada": {"rnn": "5.5", "lstm": "0.3333333333"},
        "zoe": {"rnn": "0", "lstm": ""},
        "eve": {"rnn": "5.25", "lstm": ""},
        "mal": {"rnn": "0", "lstm": ""},
        "new": {"rnn": "", "lstm": ""},
    }
    who = {key[3]: key for key in marks}
    assert who["ada"] == ("Lovelace, Countess, Ada", "101", "", "ada", "")
    assert who["zoe"][0] == 'Ünal-Šipek, Zoë "Zo"'
    assert who["new"] == ("new", "", "", "new", "")


def test_canvas_finds_assignments_by_number_and_learners_as_configured(course: Path) -> None:
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.CanvasExport.ids = {'rnn': 4711}\n")
    options = ("--CanvasExport.login=email", "--CanvasExport.section=Monday")
    text = run(course, "CanvasExport", *options, "--CanvasExport.lms_column=SIS User ID")
    assert text.splitlines()[0].endswith("Section,lstm,rnn (4711)")
    best, marks = canvas(text)
    assert best == {"4711": 6.5, "lstm": 3.0}
    who = ("Lovelace, Countess, Ada", "", "101", "ada@example.org", "Monday")
    assert marks[who] == {"4711": "5.5", "lstm": "0.3333333333"}


def test_what_is_no_number_is_no_canvas_id(course: Path) -> None:
    with gradebook(course) as book:
        book.find_student("ada").lms_user_id = "12ab"
        book.db.commit()
    _, marks = canvas(run(course, "CanvasExport"))
    assert {key[1] for key in marks if key[3] == "ada"} == {""}


def test_moodle_reads_marks_of_the_right_learners(course: Path) -> None:
    expected = {
        "ada": {"rnn": 5.5, "lstm": 0.3333333333},
        "zoe": {"rnn": 0.0, "lstm": None},
        "eve": {"rnn": 5.25, "lstm": None},
        "mal": {"rnn": 0.0, "lstm": None},
    }
    nothing = {"rnn": None, "lstm": None}
    text = run(course, "MoodleExport")
    names = dict(zip(STUDENTS, STUDENTS, strict=True))
    assert moodle(text, "Username", names) == {**expected, "new": nothing}
    for by, key, field in (("email", "Email address", 2), ("idnumber", "ID number", 3)):
        text = run(course, "MoodleExport", f"--MoodleExport.by={by}", "--to=by.csv")
        users = {row[field]: student for student, row in STUDENTS.items() if row[field]}
        assert moodle(text, key, users) == expected


def test_moodle_gets_feedback_beside_each_mark(course: Path) -> None:
    with gradebook(course) as book:
        comment = book.find_comment("f0", "rnn", "rnn", "ada")
        comment.manual_comment = "see\nme; =1+1"
        book.db.commit()
    text = run(course, "MoodleExport")
    head = text.splitlines()[0].split(",")
    assert head[3:] == ["lstm", "lstm (feedback)", "rnn", "rnn (feedback)"]
    rows = {row["Username"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["ada"]["rnn (feedback)"] == "f0 3 of 4, f1 2.5 of 2.5 | f0: see me =1+1"
    assert rows["eve"]["rnn (feedback)"] == "f0 4 of 4, f1 2.5 of 2.5, late: 1.25 less"
    assert rows["new"]["rnn (feedback)"] == rows["zoe"]["lstm (feedback)"] == ""


def cells(text: str) -> Iterator[str]:
    """Yield the cells of a file, with either separator that spreadsheets use."""
    for separator in ",;":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield from row


@pytest.mark.parametrize("plugin", ["CanvasExport", "MoodleExport"])
def test_a_spreadsheet_runs_nothing(course: Path, plugin: str) -> None:
    with gradebook(course) as book:
        book.add_student("@id", first_name="\t=1", email="+1@example.org", lms_user_id="-1")
        book.add_assignment("=1+1")
    for options in ((), ("--CanvasExport.login=email", "--MoodleExport.by=email")):
        text = run(course, plugin, *options)
        assert len(text.splitlines()) == len(list(csv.reader(io.StringIO(text))))
        for cell in cells(text):
            assert cell == "-" or not re.match(r"\s*[=+\-@＝＋－＠]", cell), cell
    assert "'@SUM(1+1)" in text


def test_harmless_leaves_names_alone_and_tames_formulas() -> None:
    for name in ("Ada", "O'Neil", "Jean-Paul", "نی‌نی", "李", "a@b.org", "1+1"):
        assert export.harmless(name) == name
    for formula in ("=1", "+1", "-1", "@A", "＝1", "\t=1", " \r\n=1", ";=1", "\x00-1"):
        assert export.harmless(formula)[0] == "'"


def test_students_and_assignments_may_be_chosen(course: Path) -> None:
    chosen = ("--student=ada", "--assignment=lstm", "--to=some.csv")
    best, marks = canvas(run(course, "CanvasExport", *chosen))
    assert best == {"lstm": 3.0}
    assert [key[3] for key in marks] == ["ada"]


def test_names_that_are_not_there_and_marks_that_wait_are_told(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(course, "MoodleExport", "--student=zoe", "--student=nobody", "--log-level=WARN")
    said = capsys.readouterr().err
    assert "no student 'nobody'" in said
    assert "No mark for zoe in lstm" in said
    run(course, "MoodleExport", "--MoodleExport.by=email")
    assert "No row for new: it has no Email address" in capsys.readouterr().err


def test_marks_are_those_of_nbgraders_own_export(course: Path) -> None:
    small.run_nbgrader(course, "export", "--student=eve", "--assignment=rnn")
    with (course / "grades.csv").open() as file:
        (stock,) = csv.DictReader(file)
    assert float(stock["late_submission_penalty"]) == 1.25
    _, marks = canvas(run(course, "CanvasExport", "--student=eve"))
    ((_, ours),) = marks.items()
    assert float(ours["rnn"]) == float(stock["score"])
