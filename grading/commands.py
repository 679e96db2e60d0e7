"""The commands around grading: the roster, collecting from a platform, handing back to it."""

import argparse
import subprocess
import sys
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grading.platforms import PLATFORMS

FILE = "granted.csv"
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
        description="Write the feedback pages anew, and an archive of them, named as the platform "
        "wants them.",
    )
    give.add_argument("chapter", help="the assignment, as rnn")
    give.add_argument("--to", type=Path, metavar="FILE", help="default: returned/CHAPTER.zip")
    give.set_defaults(run=give_back)

    open_up = commands.add_parser(
        "ready",
        help="make a chapter ready for learners",
        description="Write the release, enter the assignment and its due date into the "
        "gradebook, and pack the learners' zip.",
    )
    open_up.add_argument("chapter", help="the assignment, as rnn")
    open_up.add_argument("--due", metavar="TIME", help='as "2030-01-31 23:59 UTC"')
    open_up.add_argument("--exchange", action="store_true", help="release it in the exchange, too")
    open_up.set_defaults(run=ready)

    longer = commands.add_parser(
        "extend",
        help="give one learner more time",
        description="Set a later due date for one learner, also for who has handed in nothing "
        f"yet; it is kept in {FILE} and takes effect at the next grade.",
    )
    longer.add_argument("chapter", help="the assignment, as rnn")
    longer.add_argument("student", help="the learner's id")
    longer.add_argument("until", metavar="TIME", help='as "2030-02-07 23:59 UTC"')
    longer.set_defaults(run=extend)

    once_more = commands.add_parser(
        "reopen",
        help="let one learner hand in one part again",
        description="What the learner hands in from now on changes the mark of this part alone, "
        f"and only for the better; it is kept in {FILE}.",
    )
    once_more.add_argument("chapter", help="the assignment, as rnn")
    once_more.add_argument("part", help="the function, as rnn_step")
    once_more.add_argument("student", help="the learner's id")
    once_more.set_defaults(run=reopen)

    for command in (take, give):
        command.add_argument("--platform", required=True, choices=PLATFORMS, help="which it is")
    for command in (roster, take, give, open_up, longer, once_more):
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
        graded = course.folder("autograded", "*", arguments.chapter)
        if any(graded.parent.parent.glob(f"*/{arguments.chapter}")):
            nbgrader(course, "generate_feedback", arguments.chapter, "--force")
        count, skipped, others = pack(course, arguments.chapter, arguments.platform, target)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} pages: {target}")
    if others:
        print(f"not collected from {arguments.platform}, and not in it: {', '.join(others)}")
    return said(skipped)


def ready(arguments: argparse.Namespace) -> int:
    """Make a chapter ready; return the exit status."""
    from grading import timestamps
    from grading.assignment import CourseError
    from grading.course import Course
    from grading.origin import Origin

    name = arguments.chapter
    try:
        due = timestamps.parse(arguments.due) if arguments.due else None
    except ValueError as error:
        print(f"error: --due: {error}", file=sys.stderr)
        return 2
    try:
        course = Course(arguments.course, arguments.db_url)
        origin = Origin(config=course.config)
        origin.prepare(course.root, name)
        nbgrader(course, "generate_assignment", name, "--force")
        if due is not None:
            with course.gradebook() as gradebook:
                gradebook.update_or_create_assignment(name, duedate=timestamps.write(due))
        if arguments.exchange:
            nbgrader(course, "release_assignment", name)
        archive = origin.pack(course.root, name)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"release: {course.folder('release', '.', name)}")
    print(f"due: {due:%Y-%m-%d %H:%M UTC}" if due else "due: as before, or never")
    if archive:
        print(f"for learners: {archive}")
    return 0


def nbgrader(course: Any, command: str, *arguments: str) -> None:
    """Run a command of nbgrader's in a course's folder.

    Raises
    ------
    CourseError
        With the end of what it said, where it failed.
    """
    from grading.assignment import CourseError

    options = [f"--CourseDirectory.db_url={course.coursedir.db_url}", "--log-level=ERROR"]
    line = [sys.executable, "-m", "nbgrader", command, *arguments, *options]
    done = subprocess.run(line, cwd=course.root, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines()
        raise CourseError(f"nbgrader {command}: {words[-1] if words else 'it failed'}")


def extend(arguments: argparse.Namespace) -> int:
    """Give one learner more time; return the exit status."""
    from grading import timestamps

    try:
        until = timestamps.parse(arguments.until)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    words = f"{until:%Y-%m-%d %H:%M} UTC"
    return grant(arguments, "until", words, f"may hand in until {words}")


def reopen(arguments: argparse.Namespace) -> int:
    """Let one learner hand in one part again; return the exit status."""
    return grant(arguments, "part", arguments.part, f"may hand in {arguments.part} again")


def grant(arguments: argparse.Namespace, kind: str, value: str, words: str) -> int:
    """Enter what is granted; return the exit status."""
    from nbgrader.api import MissingEntry

    from grading import grants
    from grading.assignment import CourseError
    from grading.course import Course

    name, student = arguments.chapter, arguments.student
    try:
        course = Course(arguments.course, arguments.db_url)
        with course.gradebook() as gradebook:
            try:
                assignment = gradebook.find_assignment(name)
                gradebook.find_student(student)
                if kind == "part":
                    gradebook.find_graded_cell(f"test_{value}", name, name)
            except MissingEntry as error:
                raise CourseError(f"the gradebook does not know it: {error}") from error
            if kind == "until" and assignment.duedate is None:
                raise CourseError(f"{name} has no due date")
        known = grants.read(course.root)
        if kind == "until":
            known = [g for g in known if g[:3] != (name, student, kind)]
        made = grants.Grant(name, student, kind, value)
        grants.write(course.root, [*(g for g in known if g != made), made])
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{student} {words}; say: grade {name}")
    return 0


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
