"""What learning platforms call the files that they hand out, and who is meant.

Sources: Canvas, ``lib/content_zipper.rb`` of https://github.com/instructure/canvas-lms;
Moodle, ``mod/assign/classes/downloader.php`` and ``mod/assign/feedback/file/importziplib.php``
of https://github.com/moodle/moodle; nbgrader's manual for Blackboard; for Gradescope and
Sakai, what public scripts that read their exports expect.
"""

import contextlib
import datetime
import re
from typing import NamedTuple


class Label(NamedTuple):
    """What a platform's name of a file or folder says."""

    prefix: str
    """What stands before the learner's own name of the file."""
    file: str
    """The learner's own name of the file; empty for a folder."""
    name: str = ""
    number: str = ""
    login: str = ""
    """With other words: of Blackboard's before it, in a plain name after it."""
    time: datetime.datetime | None = None
    """When it was handed in, in the platform's zone."""
    time_said: str = ""
    """The same as the platform writes it."""
    late: bool = False
    order: float = 0
    """More is newer."""


CANVAS = re.compile(
    r"(?P<prefix>(?P<name>.+?)(?P<late>_LATE)?_(?P<number>\d+)_"
    r"(?:(?P<order>\d+)_(?=.)|(?=(?:text|link)\.html$)))(?P<file>.+)",
    re.DOTALL,
)
MOODLE = re.compile(
    r"(?P<prefix>(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?)(?P<file>.*)", re.DOTALL
)
BLACKBOARD = re.compile(
    r"(?P<prefix>(?P<login>.+?)(?P<late>_LATE)?_attempt_"
    r"(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)_?)(?P<file>.*)",
    re.DOTALL,
)
BRIGHTSPACE = re.compile(
    # The time is written as the organisation's language has it.
    r"(?P<prefix>\d+-\d+ - (?P<name>.+?) ?- (?P<time>[^-]*?\d{4}[^-]*? \d{3,4}(?: [AP]M)?)"
    r"(?: ?- ?)?)(?P<file>.*)",
    re.DOTALL,
)
GRADESCOPE = re.compile(r"(?P<prefix>submission_(?P<number>\d+))(?P<file>)", re.DOTALL)
SAKAI = re.compile(r"(?P<prefix>(?P<name>[^,]+, .+?) ?\((?P<login>[^()]+)\))(?P<file>)", re.DOTALL)
CLASSROOM = re.compile(r"(?P<prefix>(?P<name>.+?) - )(?P<file>.+)", re.DOTALL)
PLAIN = re.compile(r"(?P<prefix>(?P<login>.+))(?P<file>)", re.DOTALL)

PLATFORMS = {
    "canvas": CANVAS,
    "moodle": MOODLE,
    "blackboard": BLACKBOARD,
    "brightspace": BRIGHTSPACE,
    "classroom": CLASSROOM,
    "gradescope": GRADESCOPE,
    "sakai": SAKAI,
    "plain": PLAIN,
}
"""``plain`` is what a person makes: folders that are a learner's id, files that begin with it."""


def read(platform: str, text: str) -> Label | None:
    """Read a platform's name of a file or folder; ``None`` where it is none of its names."""
    match = PLATFORMS[platform].fullmatch(text)
    if match is None:
        return None
    found = {key: value or "" for key, value in match.groupdict().items()}
    return Label(
        prefix=found["prefix"],
        file=found["file"],
        name=found.get("name", ""),
        number=found.get("number", ""),
        login=found.get("login", ""),
        time=time_of(found["time"]) if "time" in found else None,
        time_said=found.get("time", ""),
        late=bool(found.get("late")),
        order=float(found.get("order") or 0),
    )


HOURS = ("%I%M %p", "%H%M")


def time_of(text: str) -> datetime.datetime | None:
    """Read a time as platforms write it; ``None`` where it is none."""
    # Brightspace writes hours of one digit, and some months in full.
    text = re.sub(r"(?<= )(\d{3})(?= [AP]M$|$)", r"0\1", text)
    text = re.sub(r"\b([A-Z][a-z]{2})[a-z]+(?=,? )", r"\1", text)
    for form in (
        "%Y-%m-%d-%H-%M-%S",
        *(f"{day} {hour}" for day in ("%b %d, %Y", "%d %b, %Y", "%d %b %Y") for hour in HOURS),
    ):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form)
    return None
