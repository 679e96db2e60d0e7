"""When a submission was handed in, as ``timestamp.txt`` beside it says.

A time is read surely or not at all: ``2030-01-31 23:59:00``, with or without seconds, with
``T`` or a blank between, and then nothing (UTC, as nbgrader has it), ``UTC``, an offset
such as ``-0500``, or a zone's name. nbgrader's own reader takes ``-0500`` for 500 seconds,
zones that it does not know for UTC, and ``01.02.2030`` for the second of January.
"""

import codecs
import datetime
import os
import re
import zoneinfo
from pathlib import Path
from typing import Any

from grading import intake
from grading.limits import Limits

TIMESTAMP = "timestamp.txt"
WANTED = "expected a time such as 2030-01-31 23:59 UTC or 2030-01-31 23:59 -0500"
FORM = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?) ?"
    r"(?:(?P<offset>[+-]\d{2}(?::?\d{2})?)|(?P<zone>[A-Za-z][\w/+-]*))?",
    re.ASCII,
)
HOURS = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), 0),
    **dict.fromkeys(("CET", "WEST", "MEZ"), 1),
    **dict.fromkeys(("CEST", "EET", "MESZ", "SAST"), 2),
    **dict.fromkeys(("EEST", "MSK"), 3),
    **dict.fromkeys(("JST", "KST"), 9),
    **dict.fromkeys(("AEST",), 10),
    **dict.fromkeys(("AEDT",), 11),
    **dict.fromkeys(("NZST",), 12),
    **dict.fromkeys(("NZDT",), 13),
    **dict.fromkeys(("EDT",), -4),
    **dict.fromkeys(("EST", "CDT"), -5),
    **dict.fromkeys(("MDT",), -6),
    **dict.fromkeys(("MST", "PDT"), -7),
    **dict.fromkeys(("PST", "AKDT"), -8),
    **dict.fromkeys(("AKST",), -9),
    **dict.fromkeys(("HST",), -10),
}
"""Abbreviations with one meaning. CST, IST and BST, among others, have several."""


def parse(text: str, local: datetime.tzinfo | None = None) -> datetime.datetime:
    """Return a time in UTC.

    Parameters
    ----------
    text : str
    local : tzinfo, optional
        The zone where the time was written; decides what an abbreviation with several
        meanings stands for.

    Raises
    ------
    ValueError
        Where the text is no time, or may be several.
    """
    match = FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{WANTED}, got {intake.plain(text.strip())!r}")
    clock = re.sub(r"([.,]\d{6})\d+", r"\1", match[2]).replace(",", ".")
    try:
        time = datetime.datetime.fromisoformat(f"{match[1]} {clock}")
    except ValueError as error:
        raise ValueError(f"{error}: {intake.plain(text.strip())!r}") from error
    try:
        return time.replace(tzinfo=_zone(match, time, local)).astimezone(datetime.UTC)
    except OverflowError as error:
        raise ValueError(f"{WANTED}, got {intake.plain(text.strip())!r}") from error


def _zone(
    match: re.Match[str], time: datetime.datetime, local: datetime.tzinfo | None
) -> datetime.tzinfo:
    offset, name = match["offset"], match["zone"]
    if offset:
        hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hours > 14 or minutes > 59:
            raise ValueError(f"no place is {offset} from UTC")
        size = datetime.timedelta(hours=hours, minutes=minutes)
        return datetime.timezone(-size if offset[0] == "-" else size)
    if not name:
        return datetime.UTC
    for fold in (0, 1):
        if local is not None and time.replace(tzinfo=local, fold=fold).tzname() == name:
            return datetime.timezone(
                time.replace(tzinfo=local, fold=fold).utcoffset() or datetime.timedelta()
            )
    if name.upper() in HOURS:
        return datetime.timezone(datetime.timedelta(hours=HOURS[name.upper()]))
    if "/" in name:
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ValueError(f"the zone {name} is unknown or means several; write an offset such as -0500")


def write(time: datetime.datetime) -> str:
    """Write a time as nbgrader reads it surely."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def zone_of(config: Any) -> datetime.tzinfo | None:
    """Return the zone in which the exchange of a configuration writes times, if it says one."""
    try:
        return zoneinfo.ZoneInfo(str(config.get("Exchange", {}).get("timezone", "")))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def read_timestamp(folder: Path, local: datetime.tzinfo | None = None) -> str:
    """Return when a submission was handed in, as :func:`write` has it.

    Returns
    -------
    str
        Empty where there is no ``timestamp.txt``, or nothing in it: nbgrader writes that
        where the time is not known.

    Raises
    ------
    Refused
        Where it is no plain file, or no time.
    """
    path = folder / TIMESTAMP
    if not os.path.lexists(path):
        return ""
    try:
        data = intake.read(path, Limits(notebook=1000))
    except intake.Empty:
        return ""
    except intake.Refused as error:
        raise intake.Refused(f"{TIMESTAMP}: {error}") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig").strip()
        return write(parse(text, local)) if text else ""
    except UnicodeDecodeError as error:
        raise intake.Refused(f"{TIMESTAMP}: {WANTED}, got other bytes than text") from error
    except ValueError as error:
        raise intake.Refused(f"{TIMESTAMP}: {error}") from error


def teach_nbgrader() -> None:
    """Have nbgrader and formgrader read ``timestamp.txt`` as :func:`read_timestamp` does.

    They fail on a whole class where one file holds no time. Formgrader shows such a
    submission without a time; grading refuses it, and says why.
    """
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.utils import parse_utc

    def existing(coursedir: Any, folder: str) -> datetime.datetime | None:
        try:
            text = read_timestamp(Path(folder), zone_of(coursedir.config))
        except intake.Refused as error:
            coursedir.log.warning("%s: %s", folder, error)
            return None
        found: datetime.datetime | None = parse_utc(text) if text else None
        return found

    def submitted(api: Any, assignment_id: str, student_id: str) -> datetime.datetime | None:
        directory = api.coursedir.submitted_directory
        return existing(
            api.coursedir, api.coursedir.format_path(directory, student_id, assignment_id)
        )

    CourseDirectory.get_existing_timestamp = existing
    NbGraderAPI.get_submitted_timestamp = submitted
