"""Every command of the page for instructors, run as it stands there, in page order.

The commands run in a copy of the course that has one chapter, with a small class. Each
block of the page is run, or carries a comment that readers do not see: ``% not run:`` for
the few programs that :data:`NOT_RUN` allows, ``% a server:`` for what is started, asked
and stopped.
"""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import course as small
import pytest
from nbgrader.api import Gradebook

from authoring import sources
from tools import bootstrap, sample_class

ROOT = sources.ROOT
PAGE = ROOT / "book" / "instructor.md"
SLUG = "rnn"
NOT_RUN = {"git": "the fork has no address yet", "docker": "there is no Docker in a test"}
PROGRAMS = ("nbgrader", "grade", "make", "jupyter", "git", "bwrap", "docker", "python", "pip")
ROSTER = "id,first_name,last_name,email,lms_user_id\nbob,Bob,Ohm,bob@example.org,12\n"
EXCHANGE = "/srv/nbgrader/exchange"


class Block(NamedTuple):
    """A fenced block of the page."""

    language: str
    text: str
    mark: str
    """What the comment before it says; mostly empty."""


def blocks(page: str) -> list[Block]:
    """Read the fenced blocks of a page, in order."""
    found, inside, before = [], False, ""
    for line in page.splitlines():
        bare = line.strip()
        if not inside and bare.startswith("```"):
            inside, indent, kept = True, line[: line.index("```")], []
            language, mark = bare[3:], before[2:] if before.startswith("% ") else ""
        elif inside and bare == "```":
            inside = False
            found.append(Block(language, "\n".join(kept), mark))
        elif inside:
            kept.append(line.removeprefix(indent))
        before = bare
    return found


PAGE_TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks(PAGE_TEXT)
COMMANDS = [block for block in BLOCKS if block.language == "bash"]


def reason_to_skip(block: Block) -> str:
    """Say why a block is not run, as the page does; empty where it is.

    Raises
    ------
    AssertionError
        Where the page skips what could be run, or skips without a reason.
    """
    if not block.mark.startswith("not run"):
        assert block.mark == "" or re.match(r"a server: \w", block.mark), block
        return ""
    program = block.text.split()[0]
    assert program in NOT_RUN, f"{program} can be run"
    reason = block.mark.removeprefix("not run").removeprefix(":").strip()
    assert reason, f"the page does not say why it is not run: {block.text}"
    return reason


def test_blocks_are_read_as_the_page_has_them() -> None:
    page = "a\n```bash\nx\ny\n```\n\n- b\n\n  % not run: why\n  ```python\n  if z:\n    u\n  ```\n"
    assert blocks(page) == [
        Block("bash", "x\ny", ""),
        Block("python", "if z:\n  u", "not run: why"),
    ]
    assert len(BLOCKS) == PAGE_TEXT.count("```") / 2


def test_every_block_is_run_or_says_why_not() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python"}
    skipped = [block for block in COMMANDS if reason_to_skip(block)]
    assert sorted(block.text.split()[0] for block in skipped) == sorted(NOT_RUN)
    for mark in ("not run:", "not run", "a server", "perhaps"):
        with pytest.raises(AssertionError):
            reason_to_skip(Block("bash", "docker run x", mark))
    with pytest.raises(AssertionError):
        reason_to_skip(Block("bash", "nbgrader export", "not run: no time"))


def test_no_command_hides_in_a_sentence() -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", PAGE_TEXT, flags=re.MULTILINE | re.DOTALL)
    everything = "\n".join(block.text for block in COMMANDS)
    for span in re.findall(r"`([^`]+)`", prose):
        if " " in span and span.split()[0] in PROGRAMS:
            assert span in everything, span


def test_the_readmes_commands_are_the_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = blocks(readme.partition("## For instructors")[2].partition("\n## ")[0])
    everything = [line for found in COMMANDS for line in found.text.splitlines()]
    for line in block.text.splitlines():
        command = line.partition("#")[0].strip()
        if command and not command.startswith("make "):
            assert command in everything, command


# --- the course and its class ----------------------------------------------------


class Classroom:
    """A copy of the course, and a shell that goes through the page in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.course = folder / "course"
        self.settings = folder / "settings"
        self.exchange = folder / "exchange"
        for path in (self.settings, self.exchange, folder / "home"):
            path.mkdir(parents=True)
        self.exchange.chmod(0o777)
        self.copy_course()
        self.copy_environment()
        system = [p for p in os.environ["PATH"].split(os.pathsep) if not p.startswith(sys.prefix)]
        self.environment = {
            "HOME": str(folder / "home"),
            "JUPYTER_CONFIG_DIR": str(self.settings),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PATH": os.pathsep.join(system),
            # the copy's code, not the code that is installed
            "PYTHONPATH": str(self.course),
        }

    def copy_course(self) -> None:
        """Copy what the commands need, with one chapter."""
        nothing = shutil.ignore_patterns("__pycache__", "*.ipynb")
        for name in ("lib", "grading", "authoring", "tools", f"solutions/{SLUG}"):
            shutil.copytree(ROOT / name, self.course / name, ignore=nothing)
        shutil.copytree(ROOT / "exercises" / SLUG, self.course / "exercises" / SLUG)
        for path in ROOT.iterdir():
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".db":
                shutil.copy(path, self.course)

    def copy_environment(self) -> None:
        """Make a ``.venv`` that counts as installed and has this environment's packages."""
        prefix, venv = Path(sys.prefix), self.course / ".venv"
        if not (prefix / "bin" / "activate").is_file():
            pytest.skip("the tests do not run in a virtual environment")
        venv.mkdir()
        shutil.copy(prefix / "pyvenv.cfg", venv)
        for name in ("bin", "lib", "etc", "share"):
            if (prefix / name).exists():
                (venv / name).symlink_to(prefix / name)
        # an older stamp would have the course installed anew, from here into what is shared
        for part in bootstrap.REQUIREMENTS:
            bootstrap.stamp(venv, part).touch()

    def run(self, text: str, cwd: Path | None = None) -> str:
        """Run a block as a person does, in one shell after the other; return what it says."""
        state = self.folder / "state"
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f"{text}\nenv -0 > {state}"],
            cwd=cwd or self.course,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"$ {text}\n{done.stdout[-3000:]}"
        pairs = [line.split("=", 1) for line in state.read_text().split("\0") if "=" in line]
        self.environment = {key: value for key, value in pairs if key not in ("_", "SHLVL", "PWD")}
        return done.stdout

    def configure(self, block: Block) -> None:
        """Put a block of configuration where its first line says."""
        place = block.text.splitlines()[0].removeprefix("# ")
        if place == "nbgrader_config.py":
            with (self.course / place).open("a") as file:
                file.write(f"\n{block.text}\n")
        else:
            assert place == "/etc/jupyter/nbgrader_config.py", place
            text = block.text.replace(EXCHANGE, str(self.exchange))
            (self.settings / "nbgrader_config.py").write_text(f"c = get_config()\n{text}\n")

    def hand_in(self, student: str, content: str, when: str = "") -> None:
        """Put a submission where it belongs, by hand."""
        folder = self.course / "submitted" / student / SLUG
        folder.mkdir(parents=True)
        (folder / f"{SLUG}.ipynb").write_text(content)
        if when:
            (folder / "timestamp.txt").write_text(when)

    # -- what happens in a class before a command

    def roster(self) -> None:
        (self.course / "roster.csv").write_text(ROSTER)

    def learner_submits(self) -> None:
        """Fetch and submit through the exchange, as whoever runs the test."""
        home = self.folder / "learner"
        home.mkdir()
        self.run(f"nbgrader fetch_assignment {SLUG}", home)
        (home / SLUG / f"{SLUG}.ipynb").write_text(perfect())
        self.run(f"nbgrader submit {SLUG}", home)

    def platform_hands_out(self) -> None:
        self.download(self.course / "submissions.zip", perfect())

    def platform_hands_out_again(self) -> None:
        self.download(self.course / "downloaded" / SLUG / "archive" / "class.zip", wrong())

    def download(self, path: Path, content: str) -> None:
        """Write what Canvas hands out: the work of one learner."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"ohmbob_12_345_{SLUG}.ipynb", content)

    def others_hand_in(self) -> None:
        self.hand_in("ada", perfect())
        self.hand_in("late", perfect(), "2031-01-01 00:00:00 UTC")

    def one_more_hands_in(self) -> None:
        self.hand_in("zoe", perfect())

    def ask_server(self, text: str) -> None:
        """Start a server, ask for formgrader's page and its list, stop it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (self.settings / "jupyter_server_config.py").write_text(
            f"c = get_config()\nc.ServerApp.open_browser = False\nc.ServerApp.port = {port}\n"
            "c.ServerApp.port_retries = 0\nc.ServerApp.allow_root = True\n"
            "c.IdentityProvider.token = ''\n"
        )
        with (self.folder / "server.txt").open("w+") as said:
            process = subprocess.Popen(
                ["bash", "-c", text],
                cwd=self.course,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                page = ask(process, f"http://127.0.0.1:{port}/formgrader/manage_submissions/{SLUG}")
                assert "Formgrader" in page or "formgrader" in page
                listed = json.loads(
                    ask(process, f"http://127.0.0.1:{port}/formgrader/api/submissions/{SLUG}")
                )
                scores = {entry["student"]: entry["score"] for entry in listed}
                assert scores["ada"] == total()
            except OSError as error:
                said.seek(0)
                raise AssertionError(f"{error}\n{said.read()[-3000:]}") from error
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def ask(process: subprocess.Popen, url: str) -> str:
    """Fetch a page of a server that may still be starting."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.3)


def perfect() -> str:
    return sample_class.filled(SLUG, lambda name, source: source)


def wrong() -> str:
    _, edits = sample_class.EDITS[SLUG]["sign-error"]
    return sample_class.filled(SLUG, sample_class._apply(edits))


def total() -> float:
    return sum(exercise.points for exercise in sources.exercises(SLUG))


def points(name: str) -> str:
    """Return an exercise's points as feedback writes them."""
    return next(f"{e.points:g}" for e in sources.exercises(SLUG) if e.name == name)


def cells(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


SETTINGS = [block for block in BLOCKS if "PlatformCollector.platform" in block.text]
HANDED_OUT = {
    "canvas": ("lovelaceada_101_4711_{}", "ohmbob_LATE_102_4712_{}", "berganna_104_4713_{}"),
    "moodle": (
        "Ada Lovelace_1_assignsubmission_file/{}",
        "Bob Ohm_2_assignsubmission_file/{}",
        "Anna Berg_104_assignsubmission_file/{}",
    ),
    "blackboard": (
        "ps1_ada_attempt_2024-01-01-10-00-00_{}",
        "ps1_bob_attempt_2024-07-01-10-00-00_{}",
        "ps1_anna_attempt_2024-01-01-10-00-00_{}",
    ),
}


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.text.split('"')[1])
def test_the_pages_settings_collect_what_platforms_hand_out(course: Path, block: Block) -> None:
    class_ = {"ada": "Ada Lovelace 101", "bob": "Bob Ohm 102", "anna": "Anna Berg 104"}
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        for student, words in {**class_, "other": "Anna Berg 105"}.items():
            first, last, number = words.split()
            gradebook.add_student(student, first_name=first, last_name=last, lms_user_id=number)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f"\n{block.text}\n")
    path = course / "downloaded" / small.NAME / "archive" / "class.zip"
    path.parent.mkdir(parents=True)
    platform = block.text.split('"')[1]
    with zipfile.ZipFile(path, "w") as archive:
        for student, name in zip(class_, HANDED_OUT[platform], strict=True):
            archive.writestr(name.format("tiny.ipynb"), student)
            archive.writestr("__MACOSX/._" + name.format("tiny.ipynb"), "of the Finder")
    small.run_nbgrader(course, "zip_collect", small.NAME, "--force")
    folders = {path.name: path / small.NAME for path in (course / "submitted").iterdir()}
    assert {who: (place / "tiny.ipynb").read_text() for who, place in folders.items()} == {
        student: student for student in class_
    }
    if platform == "blackboard":
        assert (folders["bob"] / "timestamp.txt").read_text().startswith("2024-07-01 08:00")


def test_the_page_has_settings_for_each_of_the_three() -> None:
    assert {block.text.split('"')[1] for block in SETTINGS} == set(HANDED_OUT)


@pytest.mark.timeout(1800)  # twenty commands, each some seconds to start
def test_the_pages_commands_take_a_class_from_release_to_export(tmp_path: Path) -> None:
    room = Classroom(tmp_path)
    before: dict[str, Callable[[], None]] = {
        "nbgrader db student": room.roster,
        "nbgrader collect": room.learner_submits,
        "python -m grading collect": room.platform_hands_out,
        "nbgrader zip_collect": room.platform_hands_out_again,
        f"grade {SLUG} --jobs": room.others_hand_in,
        "nbgrader autograde": room.one_more_hands_in,
    }
    released = cells(ROOT / "exercises" / SLUG / f"{SLUG}.ipynb")
    for block in BLOCKS:
        if block.text.startswith("# /etc/"):
            room.configure(block)
    for block in BLOCKS:
        if block.language == "python":
            if not block.text.startswith("# /etc/"):
                room.configure(block)
        elif block.mark.startswith("a server"):
            room.ask_server(block.text)
        elif not reason_to_skip(block):
            for start in [start for start in before if block.text.startswith(start)]:
                before.pop(start)()
            said = room.run(block.text)
            if block.text.startswith("bwrap"):
                assert said.strip() == "sandboxes work"
    assert before == {}, "the page has no such commands any more"

    where = room.run('python -c "import grading; print(grading.__file__)"')
    assert Path(where.strip()).is_relative_to(room.course)
    assert room.environment["COURSE_SEED"]
    assert cells(room.course / "exercises" / SLUG / f"{SLUG}.ipynb") == released
    assert (room.course / "_build" / "learner" / "recurrent-networks.zip").is_file()
    _, edits = sample_class.EDITS[SLUG]["sign-error"]
    due = total() - sum(edit.lost for edit in edits)
    with (
        small.inside(room.course),
        Gradebook(f"sqlite:///{room.course}/gradebook.db", "recurrent-networks") as gradebook,
    ):
        graded = gradebook.assignment_submissions(SLUG)
        scores = {s.student_id: s.score for s in graded}
        (mine,) = set(scores) - {"ada", "bob", "late", "zoe"}
        assert scores == dict.fromkeys(("ada", "late", "zoe", mine), total()) | {"bob": due}
        assert gradebook.find_submission(SLUG, "late").late_submission_penalty == total()
        assert gradebook.find_student("bob").email == "bob@example.org"
    for student in scores:
        assert (room.course / "feedback" / student / SLUG / f"{SLUG}.html").is_file()
    with zipfile.ZipFile(room.course / "returned" / f"{SLUG}.zip") as archive:
        assert archive.namelist() == [f"ohmbob_12_345_{SLUG}.html"]
    handed_back = room.exchange / "recurrent-networks" / "feedback"
    assert len(list(handed_back.glob("*.html"))) == len(scores)
    room.run(f"nbgrader fetch_feedback {SLUG}", tmp_path / "learner")
    (page,) = (tmp_path / "learner" / SLUG / "feedback").rglob("*.html")
    assert f"rnn_step: {points('rnn_step')} of {points('rnn_step')} points" in page.read_text()
    with (room.course / "canvas.csv").open(newline="", encoding="utf-8") as file:
        canvas = {row["Student"]: row for row in csv.DictReader(file)}
    assert canvas["Lovelace, Ada"][f"{SLUG} (4711)"] == f"{total():g}"
    assert canvas["Ohm, Bob"]["ID"] == "12"
    assert canvas["late"][f"{SLUG} (4711)"] == "0"
    with (room.course / "moodle.csv").open(newline="", encoding="utf-8") as file:
        moodle = {row["Email address"]: row for row in csv.DictReader(file)}
    assert set(moodle) == {"ada@example.org", "bob@example.org"}
    assert moodle["bob@example.org"][SLUG] == f"{due:g}"
    with (room.course / "summary" / f"{SLUG}.csv").open(newline="") as file:
        assert [row["student"] for row in csv.DictReader(file)] == ["ada"]
