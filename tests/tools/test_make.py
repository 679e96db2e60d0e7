"""The Makefile: its help, its lock, and what it says where something is missing."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GOALS = re.search(r"^LOCKED_GOALS := (.*)$", MAKEFILE, re.MULTILINE)[1].split()


@pytest.fixture
def folder(tmp_path):
    """A folder with the Makefile, and an environment that seems installed."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml", "tools/bootstrap.py"):
        (tmp_path / name).touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for part in (".installed", ".installed-grading"):
        (tmp_path / ".venv" / part).touch()
    return tmp_path


def make(folder, *arguments, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "LOCKED"))}
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", *arguments],
        cwd=folder,
        env=clean | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_the_default_and_names_every_target(folder):
    said = make(folder)
    assert said.returncode == 0
    assert said.stdout == make(folder, "help").stdout
    listed = re.findall(r"^make ([\w-]+)", said.stdout, re.MULTILINE)
    assert sorted(listed) == sorted([*GOALS, "lab", "serve"])


@pytest.mark.parametrize("goal", ["course", "test", "exercises", "clean"])
def test_a_second_run_is_refused(folder, goal):
    (folder / "_build").mkdir()
    (folder / "_build" / "made").touch()
    with (folder / "_build" / ".lock").open("w") as held:
        held.write("make book, process 1, since 12:00\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        said = make(folder, goal)
        assert said.returncode == 2
        assert "still going in this folder (make book, process 1, since 12:00)" in said.stderr
        assert (folder / "_build" / "made").exists()
    assert make(folder, "clean").returncode == 0


def test_the_lock_lasts_as_long_as_what_the_command_started(folder):
    (folder / "Makefile").write_text(
        MAKEFILE.replace("clean:\n", "clean:\n\t@sleep 60 >/dev/null 2>&1 & echo $$!\n")
    )
    started = make(folder, "clean")
    assert started.returncode == 0, started.stderr
    child = int(started.stdout)
    refused = make(folder, "clean")
    os.kill(child, signal.SIGKILL)
    assert "another run is still going in this folder (make clean, process" in refused.stderr


def test_without_flock_it_goes_on_and_says_so(folder):
    programs = folder / "programs"
    programs.mkdir()
    for name in ("bash", "mkdir", "date", "find", "rm", "make", "python3", "sed", "grep", "uname"):
        (programs / name).symlink_to(shutil.which(name))
    said = make(folder, "clean", PATH=str(programs))
    assert said.returncode == 0, said.stderr
    assert "flock is not installed" in said.stderr


def test_a_folder_that_cannot_be_written_is_named(folder):
    (folder / "_build").write_text("a file where a folder belongs")
    said = make(folder, "clean")
    assert said.returncode == 2
    assert "_build" in said.stderr


def test_without_python_it_says_what_is_needed(folder):
    said = make(folder, "course", "PYTHON=")
    assert said.returncode == 2
    assert "Python 3.11 or newer is needed" in said.stderr
    assert not (folder / "_build").exists()


def test_course_is_a_line_for_each_step_and_marks_come_before_the_book(folder):
    shutil.copy(ROOT / "tools" / "step.py", folder / "tools")
    printed = "import sys; print('chatter'); print('more chatter', file=sys.stderr)"
    (folder / "tools" / "bootstrap.py").write_text(f"{printed}\nprint('note: mind this')")
    for name in ("book.py", "python_files.py"):
        (folder / "tools" / name).write_text(printed)
    show = "print('table') if '--show' in sys.argv else print('chatter')"
    (folder / "tools" / "sample_class.py").write_text(f"import sys\n{show}")
    for name in ("lib", "authoring"):
        (folder / name).mkdir()
    (folder / "authoring" / "exercises.py").write_text(printed)
    (folder / "_toc.yml").touch()
    said = make(folder, "course")
    assert said.returncode == 0, said.stderr
    assert re.sub(r"\.\.\. \d+ s", "...", said.stdout).splitlines() == [
        "[1/6] Debian packages ...",
        "[2/6] packages for grading ...",
        "[3/6] sample class ...",
        "table",
        "[4/6] exercises ...",
        "[5/6] packages for book and tests ...",
        "[6/6] book ...",
        "The book:       _build/html/index.html",
    ]
    assert "chatter" not in said.stderr
    assert "note: mind this" in said.stderr
    (folder / "tools" / "book.py").write_text("import sys; sys.exit('error: a label is missing')")
    os.utime(folder / "tools" / "book.py", (2e9, 2e9))
    said = make(folder, "course")
    assert said.returncode == 2
    assert "error: a label is missing" in said.stderr
    assert "_build/log/6-of-6-book.txt" in said.stderr


def test_grade_asks_which_chapter(folder):
    said = make(folder, "grade")
    assert said.returncode == 2
    assert "make grade CHAPTER=rnn" in said.stderr


def test_clean_removes_what_was_built_and_nothing_else(folder):
    (folder / "_build" / "html").mkdir(parents=True)
    (folder / "_build" / "html" / "index.html").touch()
    (folder / "submitted").mkdir()
    assert make(folder, "clean").returncode == 0
    assert [path.name for path in (folder / "_build").iterdir()] == [".lock"]
    assert (folder / "submitted").is_dir()


def test_exercises_are_made_again_only_for_the_chapter_that_changed(folder):
    for slug in ("one", "two"):
        (folder / "solutions" / slug).mkdir(parents=True)
        (folder / "solutions" / slug / f"{slug}.py").touch()
    (folder / "lib").mkdir()
    pages = "".join(f"      - file: book/{slug}\n" for slug in ("one", "two"))
    (folder / "_toc.yml").write_text(f"  - caption: Chapters\n{pages}  - caption: Reference\n")
    (folder / "authoring").mkdir()
    made = folder / "authoring" / "exercises.py"
    made.write_text("import sys\nprint('made', sys.argv[1])\n")
    assert make(folder, "exercises").stdout.split() == ["made", "one", "made", "two"]
    assert "made" not in make(folder, "exercises").stdout
    newer = (folder / "_build" / ".stamps" / "exercises-two").stat().st_mtime + 10
    os.utime(folder / "solutions" / "two" / "two.py", (newer, newer))
    assert make(folder, "exercises").stdout.split() == ["made", "two"]


def test_a_failure_leaves_no_stamp(folder):
    test_exercises_are_made_again_only_for_the_chapter_that_changed(folder)
    (folder / "authoring" / "exercises.py").write_text("import sys\nsys.exit('no')\n")
    assert make(folder, "exercises").returncode == 2
    assert make(folder, "exercises").returncode == 2
