"""Grade a generated class with stock nbgrader and with this course's engine, side by side.

The same notebooks, the same hidden tests, one after the other in one run: submissions a
minute, processor seconds a submission, peak memory, and the marks compared.
"""

import argparse
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from authoring import sources
from grading.intake import mark

ROOT = Path(__file__).resolve().parent.parent
STOCK = """
c = get_config()
c.CourseDirectory.course_id = "recurrent-networks"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py"]
"""
KINDS = ("right",) * 9 + ("stubs", "zeros", "half", "raises", "syntax", "warns", "exits")


class Cost(NamedTuple):
    """What a command used."""

    seconds: float
    cpu: float
    memory: list[int]
    status: int
    output: str


def answers(slug: str, released: dict[str, Any], kind: str) -> dict[str, Any]:
    """Make a submission of a kind."""
    solutions = {exercise.name: exercise.solution for exercise in sources.exercises(slug)}
    notebook = copy.deepcopy(released)
    names = [mark(c)["grade_id"] for c in notebook["cells"] if mark(c).get("solution")]
    for cell in notebook["cells"]:
        name = mark(cell).get("grade_id")
        if name not in names or kind == "stubs":
            continue
        source = solutions[name]
        position = names.index(name)
        if kind == "zeros" and position % 3 == 0:
            source += f"\n\ndef {name}(**arguments):\n    return np.zeros((2, 3))\n"
        if kind == "half" and position % 2:
            continue
        if kind == "raises" and position == 1:
            source += f"\n\ndef {name}(**arguments):\n    return arguments['absent']\n"
        if kind == "syntax" and position == 0:
            source = source.replace("):", ")", 1)
        if kind == "warns":
            source += (
                "\nimport warnings\nwarnings.warn('a word on stderr')\nprint('and one here')\n"
            )
        if kind == "exits" and position == 0:
            source += "\nimport os\nos._exit(1)\n"
        cell["source"] = source
    return notebook


def make_course(root: Path, slug: str, count: int, config: str) -> None:
    """Lay out a course folder with a class's submissions and a gradebook."""
    for step in ("solutions", "exercises"):
        shutil.copytree(ROOT / step / slug, root / step / slug)
    sources.convert(slug)
    shutil.copy(ROOT / "solutions" / slug / f"{slug}.ipynb", root / "solutions" / slug)
    (root / "nbgrader_config.py").write_text(config)
    released = json.loads((root / "exercises" / slug / f"{slug}.ipynb").read_text())
    made = {kind: json.dumps(answers(slug, released, kind)) for kind in set(KINDS)}
    for k in range(count):
        folder = root / "submitted" / f"learner{k:04d}" / slug
        folder.mkdir(parents=True)
        (folder / f"{slug}.ipynb").write_text(made[KINDS[k % len(KINDS)]])
    from grading.batch import Course

    course = Course(root)
    with course.gradebook() as gradebook:
        course.prepare(gradebook, slug)


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command and watch what it and all below it use.

    Sandboxes end by a signal to their whole namespace, so nobody waits for the warm
    process above them: its time, and theirs, is read while it lives.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        warm: dict[int, float] = {}
        memory: list[int] = []
        done = threading.Event()

        def watch() -> None:
            root = psutil.Process(process.pid)
            while not done.wait(0.2):
                total = 0
                try:
                    family = [root, *root.children(recursive=True)]
                except psutil.Error:
                    continue
                for member in family:
                    try:
                        total += member.memory_full_info().pss
                        if "/program" in member.cmdline() and member.name() != "bwrap":
                            times = member.cpu_times()
                            if times.children_user or member.pid in warm:
                                warm[member.pid] = sum(times[:4])
                    except psutil.Error:
                        continue
                memory.append(total)

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        done.set()
        watcher.join()
        output.seek(0)
        text = output.read()
    cpu = usage.ru_utime + usage.ru_stime + sum(warm.values())
    return Cost(seconds, cpu, memory or [0], process.returncode, text)


def marks(root: Path, slug: str) -> dict[str, dict[str, float | None]]:
    """Return every learner's marks by cell; no entry where there is no graded notebook."""
    from grading.batch import Course

    found = {}
    with Course(root).gradebook() as gradebook:
        for entry in gradebook.assignment_submissions(slug):
            if (root / "autograded" / entry.student_id / slug / f"{slug}.ipynb").is_file():
                (notebook,) = entry.notebooks
                found[entry.student_id] = {g.name: g.auto_score for g in notebook.grades}
    return found


def compare(
    stock: dict[str, dict[str, float | None]], ours: dict[str, dict[str, float | None]]
) -> tuple[int, list[str]]:
    """Count learners with the same marks; say where they differ."""
    same, lines = 0, []
    for student in sorted(stock.keys() | ours.keys()):
        kind = KINDS[int(student.removeprefix("learner")) % len(KINDS)]
        if student not in stock:
            total = sum(v or 0 for v in ours[student].values())
            lines.append(f"{student} ({kind}): stock has none, here {total:g}")
        elif student not in ours:
            lines.append(f"{student} ({kind}): none here")
        elif stock[student] == ours[student]:
            same += 1
        else:
            pairs = [
                f"{name} {stock[student][name]} → {ours[student][name]}"
                for name in stock[student]
                if stock[student][name] != ours[student].get(name)
            ]
            lines.append(f"{student} ({kind}): {', '.join(pairs[:3])}")
    return same, lines


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapter", default="rnn")
    parser.add_argument("--submissions", type=int, default=64)
    parser.add_argument("--stock", type=int, help="how many of them stock grades (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args(argv)
    slug, count = arguments.chapter, arguments.submissions
    few = count if arguments.stock is None else arguments.stock
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folders = {"stock": Path(scratch, "stock"), "here": Path(scratch, "here")}
        make_course(folders["here"], slug, count, (ROOT / "nbgrader_config.py").read_text())
        costs = {}
        if few:
            make_course(folders["stock"], slug, few, STOCK)
            command = [sys.executable, "-m", "nbgrader", "autograde", slug]
            costs["stock"] = few, measure(command, folders["stock"])
        command = [sys.executable, "-m", "grading", "grade", slug, "--jobs", str(arguments.jobs)]
        costs["here"] = count, measure(command, folders["here"])
        print(f"{'':8}{'graded':>8}{'seconds':>9}{'a minute':>10}{'CPU s each':>12}{'peak MB':>9}")
        for name, (number, cost) in costs.items():
            print(
                f"{name:8}{number:8}{cost.seconds:9.1f}{60 * number / cost.seconds:10.0f}"
                f"{cost.cpu / number:12.3f}{max(cost.memory) / 2**20:9.0f}"
            )
        memory = costs["here"][1].memory
        third = max(1, len(memory) // 3)
        first, last = (
            sum(part) / len(part) / 2**20 for part in (memory[third:][:third], memory[-third:])
        )
        print(f"memory here: {first:.0f} MB in the middle third, {last:.0f} MB in the last")
        ours = marks(folders["here"], slug)
        print(f"here: exit status {costs['here'][1].status}, {len(ours)} of {count} have marks")
        if costs["here"][1].status not in (0, 3):
            print(costs["here"][1].output)
            return 1
        if few:
            stock, here = costs["stock"][1], costs["here"][1]
            print(f"speed: {few and (count / here.seconds) / (few / stock.seconds):.1f} × stock")
            graded = {k: v for k, v in ours.items() if int(k.removeprefix("learner")) < few}
            same, lines = compare(marks(folders["stock"], slug), graded)
            print(f"marks: {same} of {few} learners the same")
            for line in lines:
                print(f"  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
