"""The class is read from any table that a person or a platform makes, or not at all."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook

from grading import __main__ as command
from grading import names
from grading.roster import Person, Roster, RosterError, Table, participants, read

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

HEADER = "id,first_name,last_name,email,lms_user_id\n"
ADA = Person("ada", "Ada", "Lovelace", "ada@example.org", "101")
BOB = Person("bob", "Bob", "Müller", "bob@example.org", "102")
ROWS = "ada,Ada,Lovelace,ada@example.org,101\nbob,Bob,Müller,bob@example.org,102\n"


def table(tmp_path: Path, data: bytes | str) -> Table:
    path = tmp_path / "roster.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path)


READ: dict[str, tuple[bytes, list[str]]] = {
    "plain": ((HEADER + ROWS).encode(), []),
    "a byte order mark": (
        b"\xef\xbb\xbf" + (HEADER + ROWS).encode(),
        ["UTF-8 with a byte order mark"],
    ),
    "UTF-16": ((HEADER + ROWS).encode("utf-16"), ["UTF-16"]),
    "Windows-1252": (
        (HEADER + ROWS).encode("cp1252"),
        ["Windows-1252, as it is not UTF-8; look at names with accents"],
    ),
    "Windows line ends": ((HEADER + ROWS).replace("\n", "\r\n").encode(), []),
    "semicolons": ((HEADER + ROWS).replace(",", ";").encode(), ["separator ';'"]),
    "tabs": ((HEADER + ROWS).replace(",", "\t").encode(), ["separator '\\t'"]),
    "Excel's line": (
        b"sep=;\r\n" + (HEADER + ROWS).replace(",", ";").encode(),
        ["separator ';'"],
    ),
    "quotes": (
        (HEADER + '"ada","Ada","Lovelace","ada@example.org","101"\n' + ROWS[37:]).encode(),
        [],
    ),
    "empty rows": (
        ("\n" + HEADER + "\n,,,,\n" + ROWS.replace("\nbob", "\n  ,\n\nbob") + "\n\n").encode(),
        ["4 empty rows left out"],
    ),
    "blanks": (
        (HEADER + " ada ,Ada,Lovelace, ada@example.org,101 \n\u00a0bob\u200b" + ROWS[40:]).encode(),
        [],
    ),
    "letters and accents apart": ((HEADER + ROWS.replace("ü", "u\u0308")).encode(), []),
    "a row twice": (
        (HEADER + ROWS + ROWS).encode(),
        ["row 4 repeats row 2", "row 5 repeats row 3"],
    ),
    "other columns": (
        ("Section," + HEADER + "A," + ROWS.replace("\nbob", "\nB,bob")).encode(),
        ["not used: Section"],
    ),
    "numbers that a spreadsheet made": (
        (HEADER + ROWS.replace("101", "101.0")).encode(),
        [],
    ),
    "Canvas": (
        (
            "Student,ID,SIS User ID,SIS Login ID,Section,rnn (1)\n"
            "    Points Possible,,,,,40\n"
            '"Lovelace, Ada",101,s1,ada,A,\n"Müller, Bob",102,s2,bob,A,\n"Student, Test",9,,,A,\n'
        ).encode(),
        [
            "row 2 is no learner: Points Possible",
            "row 5 is no learner: Student, Test",
            "not used: SIS User ID, Section, rnn (1)",
        ],
    ),
    "Canvas, posted by hand": (
        (
            "Student,ID,SIS Login ID,rnn (1)\n,,,Manual Posting\n    Points Possible,,,40\n"
            '"Lovelace, Ada",101,ada,\n"Müller, Bob",102,bob,\n"Student, Test",9,a1b2,\n'
        ).encode(),
        [
            "row 2 is no learner: ",
            "row 3 is no learner: Points Possible",
            "row 6 is no learner: Student, Test",
            "not used: rnn (1)",
        ],
    ),
    "Brightspace": (
        (
            "OrgDefinedId,Username,Last Name,First Name,End-of-Line Indicator\n"
            "#101,#ada,Lovelace,Ada,#\n#102,#bob,Müller,Bob,#\n"
        ).encode(),
        ["not used: End-of-Line Indicator"],
    ),
    "Moodle in German": (
        (
            "Vorname;Nachname;Anmeldename;ID-Nummer;E-Mail-Adresse\n"
            "Ada;Lovelace;ada;101;ada@example.org\nBob;Müller;bob;102;\n"
        ).encode(),
        ["separator ';'"],
    ),
    "Moodle in French": (
        (
            "Prénom,Nom,Nom d’utilisateur,Numéro d’identification,Adresse de courriel\n"
            "Ada,Lovelace,ada,101,ada@example.org\nBob,Müller,bob,102,\n"
        ).encode(),
        [],
    ),
    "Moodle": (
        (
            "First name,Surname,Username,ID number,Email address\n"
            "Ada,Lovelace,ada,101,ada@example.org\nBob,Müller,bob,102,bob@example.org\n"
        ).encode(),
        [],
    ),
    "Blackboard": (
        (
            '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Availability"\n'
            '"Lovelace"\t"Ada"\t"ada"\t"101"\t"Yes"\n"Müller"\t"Bob"\t"bob"\t"102"\t"Yes"\n'
        ).encode("utf-16"),
        ["UTF-16", "separator '\\t'", "not used: Availability"],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_people_and_platforms_write_is_read(tmp_path: Path, name: str) -> None:
    data, said = READ[name]
    found = table(tmp_path, data)
    assert [p._replace(email="") for p in found.people] == [
        ADA._replace(email=""),
        BOB._replace(email=""),
    ]
    assert {p.email for p in found.people} <= {"", ADA.email, BOB.email}
    assert found.said == said


def test_who_has_no_login_there_goes_by_the_e_mail(tmp_path: Path) -> None:
    found = table(tmp_path, "First name,Last name,Email address\nAda,Lovelace,ada@example.org\n")
    assert found.people == [Person("ada@example.org", "Ada", "Lovelace", "ada@example.org")]
    assert found.said == ["ids are the e-mail addresses: there is no column id, username or login"]


def test_moodles_worksheet_is_read_in_other_languages(tmp_path: Path) -> None:
    path = tmp_path / "worksheet.csv"
    path.write_text(
        "ID;Vollständiger Name;E-Mail-Adresse\n"
        "Teilnehmer/in9001;Bob Müller;\nTeilnehmer/in9002;Anna Berg;ADA@example.org\n"
    )
    assert participants(path, Roster([ADA, BOB])) == {"9001": BOB, "9002": ADA}


ADVICE = {
    "nothing": ("", "there is nothing in it"),
    "blanks alone": ("\n ,\n", "there is nothing in it"),
    "a header alone": (HEADER, "there is a header and no learner below it"),
    "no id": (
        "name,grade\nAda,1\n",
        "row 1: expected a column id, username, login or email, got: name",
    ),
    "an id twice": (
        HEADER + ROWS + "ada,Adam,Ant,,\n",
        "row 4: the id ada stands in row 2, too; take one out or correct it",
    ),
    "a number twice": (
        HEADER + ROWS + "eve,,,,102\n",
        "row 4: the lms_user_id 102 stands in row 3",
    ),
    "an e-mail twice": (
        HEADER + ROWS + "eve,,,ADA@example.org,\n",
        "row 4: the email ADA@example.org stands in row 2",
    ),
    "no id in a row": (HEADER + ROWS + ",Eve,,,\n", "row 4: an empty id"),
    "a path": (HEADER + "../eve,,,,\n", "row 2: the id begins with '.': '../eve'"),
    "a pattern": (HEADER + "[ab]*,,,,\n", "row 2: the id holds * [ ]: '[ab]*'"),
    "a name split by a comma": (
        HEADER + "ada,Ada,Lovelace, Countess,ada@example.org,101\n",
        "row 2: 6 cells, where the header has 5; put cells that hold the separator in quotes",
    ),
    "a rounded number": (HEADER + "ada,,,,1.23E+11\n", "row 2: 1.23E+11 was a number"),
    "a spreadsheet": ("PK\x03\x04", "it is a spreadsheet; save it as CSV"),
    "binary": ("\0\0", "it is no table of text"),
    "an open quote": (HEADER + 'ada,"Ada,,,\n', "unexpected end of data; save the table"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_what_cannot_be_read_gets_one_line_of_advice(tmp_path: Path, name: str) -> None:
    data, words = ADVICE[name]
    with pytest.raises(RosterError) as caught:
        table(tmp_path, data)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@calm
@given(st.lists(st.lists(st.text(max_size=8), max_size=6), max_size=6))
def test_any_table_is_read_or_refused(rows: list[list[str]]) -> None:
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "roster.csv"
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([["id", "last_name"], *rows])
        try:
            found = read(path)
        except RosterError:
            return
    assert not any(names.problem(person.id) for person in found.people)
    assert len({person.id for person in found.people}) == len(found.people)


def run(course: Path, path: Path) -> int:
    return command.main(["roster", str(path), "--course", str(course)])


def known(course: Path) -> dict[str, Person]:
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        return {
            s.id: Person(s.id, s.first_name, s.last_name, s.email, s.lms_user_id)
            for s in gradebook.students
        }


def test_the_command_says_what_it_did(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "roster.csv"
    path.write_text("\ufeff" + HEADER.replace(",", ";") + ROWS.replace(",", ";"))
    assert run(course, path) == 0
    said = capsys.readouterr().out
    assert "UTF-8 with a byte order mark" in said
    assert "2 learners: 2 new" in said
    assert known(course) == {"ada": ADA, "bob": BOB}
    path.write_text("id,last_name,email\nada,King,\neve,,\nbob,Müller,\n")
    assert run(course, path) == 0
    assert "3 learners: 1 as before, 1 changed, 1 new" in capsys.readouterr().out
    assert known(course)["ada"] == ADA._replace(last_name="King")
    assert known(course)["bob"] == BOB


def test_a_table_with_an_error_enters_nobody(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(HEADER + ROWS + "a/b,,,,\n")
    assert run(course, path) == 1
    said = capsys.readouterr().err
    assert said == f"error: {path}: row 4: the id holds /: 'a/b'. Nothing was entered.\n"
    assert known(course) == {}
    assert run(course, tmp_path / "none.csv") == 1
    assert "it cannot be read: No such file" in capsys.readouterr().err
