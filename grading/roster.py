"""Who is in the class: read from a table, and found again by what a platform knows of them."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from grading import names
from grading.intake import plain


class RosterError(Exception):
    """A table that cannot be imported; the text is one line of advice."""


class Person(NamedTuple):
    """A learner, as nbgrader's gradebook has it."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""


class Table(NamedTuple):
    """A roster that was read."""

    people: list[Person]
    said: list[str]
    """How it was read, and what was left out."""


COLUMNS = {
    "id": "id username login loginid sisloginid user netid kennung benutzername anmeldename "
    "nomdutilisateur utilisateur identifiant nombredeusuario usuario nomeutente",
    "first_name": "firstname givenname forename vorname prenom nombre nome",
    "last_name": "lastname surname familyname nachname nom apellidos apellido cognome",
    "name": "name fullname student studentname vollstandigername nomcomplet nombrecompleto",
    "email": "email emailaddress mail emailadresse adressedecourriel courriel adresseemail "
    "direcciondecorreo correo correoelectronico indirizzoemail",
    "lms_user_id": "lmsuserid lmsid idnumber canvasid canvasuserid studentid sid number "
    "idnummer numerodidentification numerodeid orgdefinedid",
}
"""What columns are called, in lower case, without blanks and accents, by platforms too."""
LARGEST = 20 << 20
UNSEEN = re.compile(r"[\u200b\u200e\u200f\u2060\ufeff]+")


def read(path: Path) -> Table:
    """Read a roster: CSV with any usual separator and encoding, also as platforms export it.

    Raises
    ------
    RosterError
        With the row's number, as a spreadsheet counts, and what to do. Nothing is half read.
    """
    text, said = _decode(path)
    rows, separator, offset = _rows(text)
    if separator != ",":
        said.append(f"separator {separator!r}")
    numbered = [(k, [_clean(cell) for cell in row]) for k, row in enumerate(rows, offset)]
    filled = [(k, row) for k, row in numbered if any(row)]
    if not filled:
        raise RosterError("there is nothing in it")
    (first, header_row), *body = filled
    columns = _columns(header_row, first)
    empty = sum(not any(row) for k, row in numbered if first < k <= filled[-1][0])
    people: dict[str, tuple[int, Person]] = {}
    seen: dict[tuple[str, str], int] = {}
    for number, row in body:
        person = _person(number, row, header_row, columns)
        if person is None:
            said.append(f"row {number} is no learner: {row[0]}")
            continue
        if person.id in people and people[person.id][1] == person:
            said.append(f"row {number} repeats row {people[person.id][0]}")
            continue
        for key in ("id", "email", "lms_user_id"):
            value = getattr(person, key)
            if value and seen.setdefault((key, value.casefold()), number) != number:
                raise RosterError(
                    f"row {number}: the {key} {value} stands in row "
                    f"{seen[key, value.casefold()]}, too; take one out or correct it"
                )
        people[person.id] = number, person
    if empty:
        said.append(f"{empty} empty row{'s' if empty > 1 else ''} left out")
    if "id" not in columns:
        said.append("ids are the e-mail addresses: there is no column id, username or login")
    unused = [name for k, name in enumerate(header_row) if name and k not in columns.values()]
    if unused:
        said.append(f"not used: {', '.join(unused)}")
    if not people:
        raise RosterError("there is a header and no learner below it")
    return Table([person for _, person in people.values()], said)


def _rows(text: str) -> tuple[list[list[str]], str, int]:
    """Return the rows of a table, its separator, and the number of the first row."""
    lines = text.splitlines()
    offset = 1
    if lines and re.fullmatch(r"sep=.", lines[0]):
        separator, text, offset = lines[0][-1], "\n".join(lines[1:]), 2
    else:
        header = next((line for line in lines if line.strip()), "")
        separator = max(",;\t|", key=header.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        return list(rows), separator, offset
    except csv.Error as error:
        raise RosterError(f"{error}; save the table as CSV again") from error


def _decode(path: Path) -> tuple[str, list[str]]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise RosterError(f"it cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise RosterError(f"it is larger than {LARGEST >> 20} MB")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise RosterError("it is a spreadsheet; save it as CSV")
    for encoding, mark, words in (
        ("utf-8-sig", b"\xef\xbb\xbf", "UTF-8 with a byte order mark"),
        ("utf-16", b"\xff\xfe", "UTF-16"),
        ("utf-16", b"\xfe\xff", "UTF-16"),
        ("utf-8", b"", ""),
        ("cp1252", b"", "Windows-1252, as it is not UTF-8; look at names with accents"),
        ("latin-1", b"", "Latin-1, as it is not UTF-8; look at names with accents"),
    ):
        if data.startswith(mark):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            if "\0" in text:
                raise RosterError("it is no table of text; save it as CSV")
            return text, [words] if words else []
    raise AssertionError("Latin-1 decodes everything")


def _clean(cell: str) -> str:
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", UNSEEN.sub("", cell)).strip())


def _columns(header: list[str], number: int) -> dict[str, int]:
    """Map what is known of a person to columns, which must be enough for an id."""
    found = _known(header)
    if "id" not in found and "email" not in found:
        names = ", ".join(header)
        raise RosterError(
            f"row {number}: expected a column id, username, login or email, got: {names}"
        )
    return found


def _known(header: list[str]) -> dict[str, int]:
    """Map what is known of a person to columns."""
    short = [_short(name) for name in header]
    found: dict[str, int] = {}
    canvas = "sisloginid" in short
    for key, words in COLUMNS.items():
        for word in words.split():
            if word in short and key not in found and not (canvas and word == "id"):
                found[key] = short.index(word)
    if canvas and "id" in short:
        found["lms_user_id"] = short.index("id")
    return found


def _short(name: str) -> str:
    """Take blanks, signs and accents from the name of a column."""
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", name).casefold())


def _person(
    number: int, row: list[str], header: list[str], columns: dict[str, int]
) -> Person | None:
    """Read a row; ``None`` where it is one of a platform's own."""
    if any(row[len(header) :]):
        raise RosterError(
            f"row {number}: {len(row)} cells, where the header has {len(header)}; "
            "put cells that hold the separator in quotes"
        )
    row = row + [""] * (len(header) - len(row))
    short = {_short(cell) for cell in header}
    found = {key: row[k] for key, k in columns.items()}
    if "orgdefinedid" in short:
        # Brightspace puts a sign before what a spreadsheet might change.
        found = {key: value.removeprefix("#") for key, value in found.items()}
    found.setdefault("id", found.get("email", ""))
    name = found.pop("name", "")
    own = ("", "points possible", "student, test")
    if name.casefold() in own and ("sisloginid" in short or not found["id"]) and "name" in columns:
        return None
    if name and not found.get("last_name"):
        last, comma, first = name.partition(",")
        if not comma:
            first, _, last = name.rpartition(" ")
        found |= {"first_name": found.get("first_name") or first.strip(), "last_name": last.strip()}
    person = Person(**found)
    problem = names.problem(person.id)
    if problem:
        raise RosterError(f"row {number}: {problem}: {plain(person.id)!r}")
    for key in ("id", "lms_user_id"):
        value = getattr(person, key)
        if re.fullmatch(r"\d+(?:[.,]\d+)?[eE]\+\d+", value):
            raise RosterError(
                f"row {number}: {value} was a number that a spreadsheet has rounded; "
                "format the column as text and export it again"
            )
    return person._replace(lms_user_id=re.sub(r"^(\d+)\.0+$", r"\1", person.lms_user_id))


def enter(gradebook: Any, people: Iterable[Person]) -> Counter[str]:
    """Enter learners into the gradebook, all or none; an empty cell changes nothing there.

    Returns
    -------
    Counter
        How many are ``new``, ``changed`` and ``as before``.
    """
    from nbgrader.api import Student

    known = {student.id: student for student in gradebook.students}
    counts: Counter[str] = Counter()
    try:
        for person in people:
            entry = known.get(person.id)
            given = {key: value for key, value in person._asdict().items() if value}
            if entry is None:
                gradebook.db.add(Student(**given))
                counts["new"] += 1
                continue
            changed = {key for key, value in given.items() if getattr(entry, key) != value}
            for key in changed:
                setattr(entry, key, given[key])
            counts["changed" if changed else "as before"] += 1
        gradebook.db.commit()
    except BaseException:
        gradebook.db.rollback()
        raise
    return counts


# --- finding them again ----------------------------------------------------------


class Unknown(Exception):
    """Nobody on the roster, or more than one; the text says why."""


def fold(text: str | None) -> str:
    """Fold case and composition."""
    text = unicodedata.normalize("NFC", text or "")
    return unicodedata.normalize("NFC", text.casefold())


def letters(text: str | None) -> str:
    """Keep letters and digits of a name, as platforms do in different ways."""
    return "".join(c for c in fold(text) if c.isalnum())


class Roster:
    """The class, to be searched by number, login, e-mail or name."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = list(people)
        self._found: dict[tuple[str, str], list[Person]] = {}
        for person in self.people:
            first, last = letters(person.first_name), letters(person.last_name)
            keys = {
                ("number", person.lms_user_id),
                ("id", fold(person.id)),
                ("email", fold(person.email)),
                ("local", fold(person.email).partition("@")[0]),
                ("name", first + last),
                ("name", last + first),
                ("words", _words(f"{person.first_name} {person.last_name}")),
                ("letters", letters(person.id)),
            }
            for key in keys:
                if key[1]:
                    self._found.setdefault(key, []).append(person)

    def _first(self, *keys: tuple[str, str]) -> list[Person]:
        return next((self._found[key] for key in keys if key in self._found), [])

    def by_number(self, number: str) -> list[Person]:
        """Find by the platform's number, or by an id that is a number where there is no other."""
        found = self._first(("number", number))
        return found or [p for p in self._first(("id", fold(number))) if not p.lms_user_id]

    def by_login(self, text: str) -> list[Person]:
        """Find by id, e-mail, number, or the part of an e-mail before the @."""
        return self._first(
            ("id", fold(text)), ("email", fold(text)), ("number", text), ("local", fold(text))
        )

    def by_name(self, text: str) -> list[Person]:
        """Find by first and last name in any order, else by an id that is the name."""
        return self._first(
            ("name", letters(text)), ("words", _words(text)), ("letters", letters(text))
        )


def _words(name: str) -> str:
    return " ".join(sorted(filter(None, map(letters, name.split()))))


def of_gradebook(gradebook: Any) -> Roster:
    """Return the class that a gradebook knows."""
    return Roster(
        Person(s.id, s.first_name or "", s.last_name or "", s.email or "", s.lms_user_id or "")
        for s in gradebook.students
    )


def participants(path: Path, roster: Roster) -> dict[str, Person]:
    """Return who Moodle's participants are by number, as its grading worksheet lists them.

    Raises
    ------
    RosterError
        Where the file is no such worksheet.
    """
    text, _ = _decode(path)
    header, *body = _rows(text)[0] or [[]]
    columns = _known(header)
    found: dict[str, Person] = {}
    for row in body:
        number = re.search(r"(\d+)\s*$", row[0]) if row else None
        if number is None:
            continue
        known = {key: _clean(row[k]) for key, k in columns.items() if k < len(row)}
        for people in (
            roster.by_login(known.get("id", "")),
            roster.by_login(known.get("email", "")),
            roster.by_number(known.get("lms_user_id", "")),
            roster.by_name(known.get("name", "")),
        ):
            if len(people) == 1:
                found[number[1]] = people[0]
                break
    if not found:
        raise RosterError("expected Moodle's grading worksheet, with participants of the roster")
    return found
