"""Grade a small class end to end: real notebooks made from the release, marks known.

The class lives in a course directory of its own, so that an instructor's
``submitted/`` and gradebook are never touched. Its members are the release with the
solution cells filled in, and then edited as :data:`EDITS` says.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from authoring import sources
from grading import hidden
from grading.__main__ import GAPS

COURSE = sources.ROOT / "_build" / "sample_class"

CONFIG = """\
c = get_config()
load_subconfig("nbgrader_config.py", path={root!r})
c.CourseDirectory.root = {course!r}
c.CourseDirectory.db_url = "sqlite:///" + {course!r} + "/gradebook.db"
c.Isolate.cell_seconds = 5
c.Isolate.call_seconds = 2
"""
"""The course's own configuration, in another place, with less patience for endless loops."""


class Edit(NamedTuple):
    """A wrong answer: what to replace in one function's solution, and what that costs."""

    function: str
    old: str
    new: str
    lost: float


EDITS: dict[str, dict[str, tuple[str, list[Edit]]]] = {
    "rnn": {
        "backward-wrong": (
            "forward right, backward wrong",
            [
                Edit("vector_input_backward", "deltas.sum(axis=0)", "deltas[-1]", 4),
                Edit("output_to_hidden_step_backward", "(1 - h**2)", "h * (1 - h)", 6),
                Edit("many_to_one_backward", "last, rows = lengths - 1", "last, rows = -1", 3),
            ],
        ),
        "sign-error": (
            "a wrong sign in rnn_step",
            [Edit("rnn_step", "+ h @ W.T", "- h @ W.T", 3)],
        ),
    },
}
"""Wrong answers of a chapter by member, with words for the table."""


class Member(NamedTuple):
    """One learner of the class."""

    name: str
    what: str
    """What was handed in."""
    content: str
    """The notebook's text."""
    deserved: float | None
    """The score; ``None`` where the file cannot be graded."""


class Row(NamedTuple):
    """One line of the table."""

    member: Member
    score: float | None
    note: str


def filled(slug: str, edit: Callable[[str, str], str]) -> str:
    """Fill the release's solution cells and return the notebook's text.

    ``edit(name, source)`` gets a function's name and its right solution.
    """
    released = sources.ROOT / "exercises" / slug / f"{slug}.ipynb"
    notebook: NotebookNode = nbformat.read(released, as_version=4)
    solutions = {exercise.name: exercise.solution for exercise in sources.exercises(slug)}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in solutions:
            lines = solutions[name].splitlines()
            kept = [line for line in lines if not line.strip().startswith("### ")]
            cell.source = edit(name, "\n".join(kept))
    return str(nbformat.writes(notebook))


def _apply(edits: list[Edit]) -> Callable[[str, str], str]:
    def edit(name: str, source: str) -> str:
        for one in edits:
            if one.function == name:
                if one.old not in source:
                    raise sources.SourceError(
                        f"sample class: expected {one.old!r} in the solution of {name}"
                    )
                source = source.replace(one.old, one.new)
        return source

    return edit


def _first_line(function: str, line: str) -> Callable[[str, str], str]:
    """Put a line at the top of one function's body, behind its docstring."""

    def edit(name: str, source: str) -> str:
        if name != function:
            return source
        head, documentation, body = source.split('"""', 2)
        return f'{head}"""{documentation}"""\n    {line}{body}'

    return edit


def members(slug: str) -> list[Member]:
    """Make the class of a chapter.

    Raises
    ------
    SourceError
        Where the chapter is unknown, or an edit does not fit its solution any more.
    """
    points = {exercise.name: exercise.points for exercise in sources.exercises(slug)}
    total = sum(points.values())
    first, *_, last = points
    released = (sources.ROOT / "exercises" / slug / f"{slug}.ipynb").read_text(encoding="utf-8")
    perfect = filled(slug, lambda name, source: source)
    made = [Member("perfect", "all solved", perfect, total)]
    for name, (what, edits) in EDITS.get(slug, {}).items():
        deserved = total - sum(edit.lost for edit in edits)
        made.append(Member(name, what, filled(slug, _apply(edits)), deserved))
    raises = filled(slug, _first_line(first, 'raise KeyError("not there")'))
    loops = filled(slug, _first_line(last, "while True:\n        pass"))
    return [
        *made,
        Member("raises", f"{first} raises", raises, total - points[first]),
        Member("endless-loop", f"{last} never ends", loops, total - points[last]),
        Member("blank", "nothing solved", released, 0.0),
        Member("not-json", "half a file", perfect[: len(perfect) // 2], None),
    ]


def lay_out(slug: str, course: Path, everyone: list[Member]) -> None:
    """Write a fresh course directory with the chapter's source and the submissions."""
    shutil.rmtree(course, ignore_errors=True)
    source = course / "solutions" / slug
    source.mkdir(parents=True)
    for name in (f"{slug}.ipynb", "checks.json", *hidden.FILES):
        shutil.copy(sources.source_directory(slug) / name, source)
    config = CONFIG.format(root=str(sources.ROOT), course=str(course))
    (course / "nbgrader_config.py").write_text(config, encoding="utf-8")
    for member in everyone:
        submission = course / "submitted" / member.name / slug
        submission.mkdir(parents=True)
        (submission / f"{slug}.ipynb").write_text(member.content, encoding="utf-8")


class GradingError(Exception):
    """A step of grading that failed as a whole, or a mark that is not the one deserved."""


def grade(slug: str, course: Path, jobs: int) -> None:
    """Release, grade, write feedback and export, as an instructor does.

    Raises
    ------
    GradingError
        Where a step fails, naming its log.
    """
    programs = Path(sys.executable).parent
    nbgrader = str(programs / "nbgrader")
    # nbgrader calls alembic by its name
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    for command, allowed in (
        ([nbgrader, "generate_assignment", slug], {0}),
        ([sys.executable, "-m", "grading", "grade", slug, "--jobs", str(jobs)], {0, GAPS}),
        ([nbgrader, "generate_feedback", slug], {0}),
        ([nbgrader, "export", "--to", "grades.csv"], {0}),
    ):
        words = " ".join([Path(command[0]).name, *command[1:]])
        log = course / "log.txt"
        with log.open("a", encoding="utf-8") as output:
            output.write(f"$ {words}\n")
            output.flush()
            done = subprocess.run(
                command,
                cwd=course,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode not in allowed:
            raise GradingError(f"{words}: exit status {done.returncode}; see {log}")


def rows(slug: str, course: Path, everyone: list[Member]) -> list[Row]:
    """Read what the grader reports of each member."""
    with (course / "summary" / f"{slug}.csv").open(newline="", encoding="utf-8") as file:
        reported = {entry["student"]: entry for entry in csv.DictReader(file)}
    found = []
    for member in everyone:
        entry = reported.get(member.name)
        if entry is None:
            found.append(Row(member, None, "not in the report"))
            continue
        score = float(entry["score"]) if entry["score"] else None
        notes = [entry["reason"], entry["limits"]]
        found.append(Row(member, score, "; ".join(note for note in notes if note)))
    return found


def table(slug: str, course: Path, found: list[Row]) -> str:
    """Lay out the scores, and say where feedback and grades are."""
    total = sum(exercise.points for exercise in sources.exercises(slug))
    width = max(len(row.member.what) for row in found)
    lines = [
        f"The sample class of chapter {slug}, out of {total:g} points:",
        "",
        f"{'learner':<16}{'handed in':<{width + 2}}{'score':>6}{'deserved':>10}",
    ]
    for row in found:
        score = "none" if row.score is None else f"{row.score:g}"
        deserved = "none" if row.member.deserved is None else f"{row.member.deserved:g}"
        line = f"{row.member.name:<16}{row.member.what:<{width + 2}}{score:>6}{deserved:>10}"
        lines.append(f"{line}  {row.note}".rstrip())
    shown = course.relative_to(sources.ROOT) if course.is_relative_to(sources.ROOT) else course
    lines += [
        "",
        f"Feedback pages: {shown}/feedback/<learner>/{slug}/{slug}.html",
        f"Summary page:   {shown}/summary/{slug}.html",
        f"Grades:         {shown}/grades.csv",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Grade the class and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapter", default="rnn")
    parser.add_argument("--course", type=Path, default=COURSE, help="directory, made afresh")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="only print the last table")
    arguments = parser.parse_args(argv)
    course = arguments.course.absolute()
    try:
        if not arguments.show:
            everyone = members(arguments.chapter)
            lay_out(arguments.chapter, course, everyone)
            grade(arguments.chapter, course, arguments.jobs)
            found = rows(arguments.chapter, course, everyone)
            text = table(arguments.chapter, course, found)
            wrong = [row.member.name for row in found if row.score != row.member.deserved]
            if wrong:
                print(text, file=sys.stderr)
                raise GradingError(
                    f"not the mark deserved: {', '.join(wrong)}; see {course / 'log.txt'}"
                )
            (course / "table.txt").write_text(text + "\n", encoding="utf-8")
        print((course / "table.txt").read_text(encoding="utf-8"), end="")
    except (sources.SourceError, GradingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
