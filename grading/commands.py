"""The commands around grading: the roster, collecting from a platform, handing back to it."""

import argparse
import sys
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grading.platforms import PLATFORMS

GAPS = 3
"""Exit status where something was skipped."""


def add(commands: Any) -> None:
    """Describe the commands."""
    roster = commands.add_parser(
        "roster",
        help="enter the class from a table",
        description="Read a CSV of any usual separator and encoding, also as Canvas, Moodle and "
        "Blackboard export it, and enter the learners into the gradebook: all of them, or none "
        "and one line of advice.",
    )
    roster.add_argument("file", type=Path, help="with a column id, username or login")
    roster.set_defaults(run=enter)

    take = commands.add_parser(
        "collect",
        help="collect what a platform hands out",
        description="Match what is in a platform's download with the roster, by number, login, "
        f"e-mail or name, and write submitted/. Exit status: 0, or {GAPS} if something was "
        "skipped, each with a line that says whose, which file, and why.",
    )
    take.add_argument("chapter", help="the assignment, as rnn")
    take.add_argument("download", type=Path, help="the archive, or the folder it became")
    take.add_argument("--timezone", metavar="ZONE", help="in which the platform writes times")
    take.add_argument(
        "--worksheet",
        type=Path,
        metavar="FILE",
        help="Moodle's grading worksheet, which tells learners of one name apart",
    )
    take.set_defaults(run=collect)

    give = commands.add_parser(
        "return",
        help="pack feedback pages for a platform",
        description="Write an archive of feedback pages, named as the platform wants them.",
    )
    give.add_argument("chapter", help="the assignment, as rnn")
    give.add_argument("--to", type=Path, metavar="FILE", help="default: returned/CHAPTER.zip")
    give.set_defaults(run=give_back)

    for command in (take, give):
        command.add_argument("--platform", required=True, choices=PLATFORMS, help="which it is")
    for command in (roster, take, give):
        command.add_argument(
            "--course", type=Path, default=Path(), metavar="FOLDER", help="default: this one"
        )
        command.add_argument("--db-url", metavar="URL", help="the gradebook")


def enter(arguments: argparse.Namespace) -> int:
    """Enter the class; return the exit status."""
    from grading.assignment import CourseError
    from grading.course import Course
    from grading.roster import RosterError, read
    from grading.roster import enter as enter_all

    try:
        table = read(arguments.file)
        course = Course(arguments.course, arguments.db_url)
        with course.gradebook() as gradebook:
            counts = enter_all(gradebook, table.people)
    except RosterError as error:
        print(f"error: {arguments.file}: {error}. Nothing was entered.", file=sys.stderr)
        return 1
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in table.said:
        print(f"{arguments.file}: {line}")
    print(f"{len(table.people)} learners: {counted(counts)}")
    return 0


def collect(arguments: argparse.Namespace) -> int:
    """Collect; return the exit status."""
    from grading import collect as collecting
    from grading.assignment import CourseError
    from grading.course import Course
    from grading.roster import RosterError
    from grading.timestamps import zone_of

    try:
        course = Course(arguments.course, arguments.db_url)
        named = arguments.timezone or course.config.get("PlatformCollector", {}).get("timezone")
        zone = zoneinfo.ZoneInfo(named) if named else zone_of(course.config)
        made, states = collecting.collect(
            course,
            arguments.chapter,
            arguments.download,
            arguments.platform,
            zone,
            arguments.worksheet,
        )
    except (CourseError, RosterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        print(f"error: --timezone: expected a zone such as Europe/Berlin, got {named}")
        return 2
    print(f"{len(states)} collected: {counted(Counter(states.values()))}")
    if any(taken.work.label.time for taken in made.taken.values()):
        print(f"times read as those of {zone or 'the zone of this machine'}")
    for note in made.notes:
        print(note)
    for student in sorted(student for student, state in states.items() if state == "kept"):
        print(f"{student}: a newer submission was there and stays")
    return said(made.skipped)


def give_back(arguments: argparse.Namespace) -> int:
    """Pack feedback pages; return the exit status."""
    from grading.assignment import CourseError
    from grading.course import Course
    from grading.handback import pack

    try:
        course = Course(arguments.course, arguments.db_url)
        target = arguments.to or course.root / "returned" / f"{arguments.chapter}.zip"
        count, skipped, others = pack(course, arguments.chapter, arguments.platform, target)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} pages: {target}")
    if others:
        print(f"not collected from {arguments.platform}, and not in it: {', '.join(others)}")
    return said(skipped)


def said(skipped: Iterable[object]) -> int:
    """Print what was skipped; return the exit status."""
    status = 0
    for entry in skipped:
        print(entry)
        status = GAPS
    return status


def counted(counts: Counter[str]) -> str:
    """Write counts in words."""
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
