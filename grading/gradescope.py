"""Whose the folders of a Gradescope export are, as the table that stands beside them says.

Gradescope's *Download Submissions* gives folders ``submission_12345`` and, beside them,
``submission_metadata.yml``. A file of that name in a learner's folder counts for nothing.
"""

import datetime
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import yaml

from grading import platforms
from grading.roster import Person, Roster, Unknown

METADATA = "submission_metadata.yml"
LARGEST = 20 << 20


class Entry(NamedTuple):
    """What the table says of one folder."""

    submitters: list[dict[str, str]]
    time: datetime.datetime | None


def is_metadata(path: PurePath) -> bool:
    """Tell whether a file is the export's table and no learner's file."""
    return path.name == METADATA and not any(
        platforms.read("gradescope", part) for part in path.parts
    )


def read(top: Path) -> dict[str, Entry]:
    """Read the tables of an unpacked export; by number of the submission.

    Raises
    ------
    Unknown
        Where a table is no such table.
    """
    found: dict[str, Entry] = {}
    for path in sorted(top.rglob(METADATA)):
        if not is_metadata(path.relative_to(top)) or path.stat().st_size > LARGEST:
            continue
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            for name, entry in content.items():
                label = platforms.read("gradescope", str(name))
                if label is not None:
                    found[label.number] = _entry(entry)
        except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, KeyError) as error:
            raise Unknown(f"{METADATA} cannot be read; download the export again") from error
    return found


def _entry(entry: dict[str, Any]) -> Entry:
    time = entry.get(":created_at")
    submitters = [
        {key.lstrip(":"): str(value or "") for key, value in person.items()}
        for person in entry[":submitters"]
    ]
    return Entry(submitters, time if isinstance(time, datetime.datetime) else None)


def owner(roster: Roster, entry: Entry | None) -> Person:
    """Find the learner of a folder by e-mail, number or name.

    Raises
    ------
    Unknown
        Where the table does not name one learner of the roster.
    """
    if entry is None or not entry.submitters:
        raise Unknown(f"{METADATA} does not say whose this is")
    said = ", ".join(person.get("name", "?") for person in entry.submitters)
    if len(entry.submitters) > 1:
        raise Unknown(f"handed in by several: {said}; put it into the folder of each")
    person = entry.submitters[0]
    sid = person.get("sid", "")
    found = (
        roster.by_login(person.get("email", ""))
        or (roster.by_number(sid) or roster.by_login(sid) if sid else [])
        or roster.by_name(person.get("name", ""))
    )
    if len(found) != 1:
        raise Unknown(f"{len(found) or 'nobody'} on the roster with the name {said}")
    return found[0]
