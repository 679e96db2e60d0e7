"""The command line: ``python -m grading grade rnn --jobs 2``, also installed as ``grade``."""

import argparse
import os
import sys
from pathlib import Path

from grading import commands as around

GAPS, INTERRUPTED = 3, 130


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="grading", description="Grade a class, isolated.")
    commands = top.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "grade",
        help="grade an assignment",
        description="Grade what is in submitted/ and has changed. Exit status: 0 if everyone on "
        f"the roster has a score, {GAPS} if someone has none, {INTERRUPTED} if interrupted.",
    )
    command.add_argument("assignment", help="as rnn")
    command.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="how many at a time; default: one for each processor",
    )
    command.add_argument("--scheduler", metavar="ADDRESS", help="a running dask scheduler")
    command.add_argument("--force", action="store_true", help="grade what has not changed, too")
    command.add_argument(
        "--new-seed",
        action="store_true",
        help="grade although the class was graded with another COURSE_SEED",
    )
    command.add_argument(
        "--student", action="append", metavar="ID", help="only this one; may be repeated"
    )
    command.add_argument(
        "--no-sandbox", action="store_true", help="run learners' code unprotected; scores record it"
    )
    command.add_argument(
        "--course", type=Path, default=Path(), metavar="FOLDER", help="default: this folder"
    )
    command.add_argument("--db-url", metavar="URL", help="the gradebook, as sqlite:///gradebook.db")
    command.add_argument("--summary", type=Path, metavar="FOLDER", help="default: summary/")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.set_defaults(run=grade)
    around.add(commands)
    return top


def grade(arguments: argparse.Namespace) -> int:
    """Grade; print the gaps and where the report is; return the exit status."""
    from tqdm import tqdm

    from grading import batch, summary
    from grading.assignment import CourseError
    from grading.bubblewrap import SandboxError
    from grading.names import shown

    if arguments.jobs < 1:
        print(f"error: --jobs: expected at least 1, got {arguments.jobs}", file=sys.stderr)
        return 2
    quiet = arguments.quiet or not sys.stderr.isatty()
    bar = tqdm(total=0, unit="submission", disable=quiet, file=sys.stderr)
    done = 0

    def progress(count: int, total: int, student: str) -> None:
        nonlocal done
        done = count
        bar.total = total
        bar.set_postfix_str(student[:20], refresh=False)
        bar.update()

    try:
        course = batch.Course(arguments.course, arguments.db_url)
        report = batch.grade(
            course,
            arguments.assignment,
            jobs=arguments.jobs,
            scheduler=arguments.scheduler,
            force=arguments.force,
            students=arguments.student,
            isolated=False if arguments.no_sandbox else None,
            new_seed=arguments.new_seed,
            progress=progress,
        )
    except (CourseError, SandboxError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; {done} graded and saved. Say it again to go on.", file=sys.stderr)
        return INTERRUPTED
    finally:
        bar.close()
    folder = arguments.summary or course.root / "summary"
    report.write(folder / f"{arguments.assignment}.csv")
    page = summary.write(report, course, folder / f"{arguments.assignment}.html")
    counts = {row.status: 0 for row in report.rows}
    for row in report.rows:
        counts[row.status] += 1
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no one")
    for row in report.gaps:
        print(f"no score: {shown(row.student)}: {row.reason}")
    print(f"summary: {page}")
    return GAPS if report.gaps else 0


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    # nbgrader's notebooks have no addresses to check; making the parser for those takes longer
    # than all else that a command imports.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    arguments = parser().parse_args(argv)
    status: int = arguments.run(arguments)
    return status


def console() -> int:
    """Entry point of the command ``grade``: the word itself may be left out."""
    arguments = sys.argv[1:]
    return main(arguments if arguments[:1] == ["grade"] else ["grade", *arguments])


if __name__ == "__main__":
    sys.exit(main())
