"""Sandboxes themselves: kinds of start, limits, talk, and who may start them."""

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import course as small
import pytest

from authoring import learner_zip
from grading import batch, confined, sandbox
from grading.assignment import Assignment
from grading.engine import Grader
from grading.limits import Limits
from grading.proxy import LearnerError, Outcome, Proxy
from grading.sandbox import Ended, Nursery, SandboxMissing, SandboxUnusable

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def assignment(template: Path) -> Assignment:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        return course.prepare(gradebook, small.NAME)


@pytest.fixture(scope="module")
def nursery(assignment: Assignment) -> Iterator[Nursery]:
    with Nursery(assignment.files, assignment.lib, Limits()) as made:
        yield made


def text(answer: dict) -> str:
    return "".join(item.get("text", "") for item in answer["outputs"])


def test_cold_sandboxes_give_the_same_marks_as_warm_ones(assignment: Assignment) -> None:
    notebook = small.answer(assignment.released, double="def double(x):\n    return x\n")
    notebook = small.insert(
        notebook, "import os\nprint(os.getuid(), os.listdir('/home') if 0 else '')"
    )
    data = json.dumps(notebook).encode()
    results = []
    for mode in ("fork", "once"):
        with Grader(assignment, mode=mode) as grader:
            assert grader.nursery.mode == mode
            results.append(grader.grade(data).scores)
    assert results[0] == results[1] == {"test_double": 1.0, "test_total": 3.0, "test_last": 3.0}


def test_a_cold_sandbox_is_confined_too(assignment: Assignment) -> None:
    code = (
        "import os, socket, ctypes\nprint(os.environ.get('COURSE_SEED'))\n"
        "for attempt in (os.fork, lambda: socket.socket(2), lambda: open('/x', 'w'),\n"
        "                lambda: open('/course/lib/x', 'w'), lambda: os.listdir('/root/x')):\n"
        "    try: attempt(); print('DONE')\n"
        "    except OSError as error: print(type(error).__name__)\n"
        "print(ctypes.CDLL(None).unshare(0x10000000))\n"
    )
    with Nursery(assignment.files, assignment.lib, Limits(), mode="once") as nursery:
        made = nursery.open()
        answer = made.ask({"op": "run", "name": "x", "source": code}, 30)
        made.close()
    assert text(answer).splitlines()[0] == "None"
    assert "DONE" not in text(answer)
    assert text(answer).splitlines()[-1] == "-1"


def test_a_sandbox_that_ended_says_how(nursery: Nursery) -> None:
    made = nursery.open()
    with pytest.raises(Ended, match="crash"):
        made.ask({"op": "run", "name": "x", "source": "import os; os._exit(3)"}, 30)
    made = nursery.open()
    with pytest.raises(Ended, match="timeout"):
        made.ask({"op": "run", "name": "x", "source": "while True: pass"}, 0.5)
    assert made.used["signal"] == 9
    assert made.used["cpu"] > 0


def test_a_message_may_not_be_longer_than_allowed(assignment: Assignment) -> None:
    limits = Limits(message=1000)
    with Nursery(assignment.files, assignment.lib, limits) as nursery:
        made = nursery.open()
        with pytest.raises(Ended, match="output"):
            made.ask({"op": "run", "name": "x", "source": "print('x' * 2000)"}, 30)


def test_the_warm_process_is_started_again_when_it_is_gone(nursery: Nursery) -> None:
    assert nursery._process is not None
    nursery._process.kill()
    nursery._process.wait()
    made = nursery.open()
    assert text(made.ask({"op": "run", "name": "x", "source": "print(6 * 7)"}, 30)) == "42\n"
    made.close()


def test_processor_time_is_limited(assignment: Assignment) -> None:
    with Nursery(assignment.files, assignment.lib, Limits(cpu_seconds=1)) as nursery:
        made = nursery.open()
        with pytest.raises(Ended, match="crash"):
            made.ask({"op": "run", "name": "x", "source": "while True: pass"}, 60)


def test_a_sandbox_that_cannot_start_is_no_fault_of_a_learner(assignment: Assignment) -> None:
    with pytest.raises(SandboxUnusable, match="does not start"):
        Nursery(assignment.files, {"codec.py": b"1 / 0"}, Limits())


def test_what_a_worker_raises_arrives(assignment: Assignment) -> None:
    arrived = pickle.loads(pickle.dumps(SandboxMissing()))
    assert isinstance(arrived, SandboxMissing)
    assert "apt-get install bubblewrap" in str(arrived)
    error = pickle.loads(pickle.dumps(LearnerError("timeout", "it did not return")))
    assert (error.kind, str(error)) == ("timeout", "it did not return")


@pytest.mark.parametrize("machine", sorted(confined.MACHINES))
def test_the_filter_decides_as_intended(machine: str) -> None:
    """Runs the filter's program on made-up calls."""
    program = confined.filter_program(machine)
    column, architecture = confined.MACHINES[machine]

    def decide(number: int, argument: int = 0, arch: int = architecture) -> int:
        data = struct.pack("<IIQ6Q", number, arch, 0, argument, 0, 0, 0, 0, 0)
        at, value = 0, 0
        while True:
            code, yes, no, k = struct.unpack_from("HBBI", program, 8 * at)
            at += 1
            if code == 0x20:
                (value,) = struct.unpack_from("<I", data, k)
            elif code == 0x06:
                return k
            else:
                holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
                at += yes if holds else no

    allow, refuse = 0x7FFF0000, 0x00050000
    for name, numbers in confined.DENIED.items():
        if numbers[column] >= 0:
            assert decide(numbers[column]) == refuse | 1, name
    assert decide(confined.CLONE[column], 0x10000) == allow
    assert decide(confined.CLONE[column], 17) == refuse | 1
    assert decide(confined.CLONE3[column]) == refuse | 38
    for call in (confined.SOCKET, confined.SOCKETPAIR):
        assert decide(call[column], 1) == allow
        assert decide(call[column], 2) == refuse | 13
    assert decide({"x86_64": 0, "aarch64": 63}[machine]) == allow
    assert decide(0, arch=0x40000003) == 0x80000000
    assert decide(0x40000000 | 57) == refuse | 1


def test_what_learners_are_told_to_install_is_there() -> None:
    tools = {"jupyterlab", "nbgrader"}
    assert set(learner_zip.PACKAGES) - tools <= set(sandbox.PACKAGES)


def test_nothing_of_the_course_is_mounted(nursery: Nursery) -> None:
    command = sandbox.bubblewrap(nursery.course, Limits(), "fork")
    sources = [
        Path(command[k + 1]) for k, word in enumerate(command) if word in ("--ro-bind", "--bind")
    ]
    assert Path("/") not in sources
    site = Path(sys.prefix)
    for source in sources:
        inside = source.is_relative_to(ROOT) and not source.is_relative_to(site)
        assert not inside or source == ROOT / "grading" / "confined.py"
        assert source not in (ROOT, *ROOT.parents)


def test_grading_works_for_a_plain_user_too(course: Path) -> None:
    """Root is shed for a plain user's rights, in a view of the system that one may read."""
    if os.getuid() != 0:
        pytest.skip("the other tests run as a plain user already")
    if ROOT.stat().st_mode & 0o005 != 0o005:
        pytest.skip("nobody but root may read this clone: it was made under umask 077")
    small.submit(course, "one", small.answer(small.released(course)))
    fork = "import os\ntry: os.fork()\nexcept OSError as e: print('REFUSED', type(e).__name__)"
    small.submit(course, "two", small.insert(small.answer(small.released(course)), fork))
    for path in (course, *course.rglob("*")):
        os.chown(path, 1234, 1234)
    python = Path(sys.base_prefix).resolve()
    view = [shutil.which("bwrap") or "bwrap", "--dev-bind", "/", "/"]

    def anew(top: str, *kept: Path) -> list[str]:
        """Put a folder that others may enter in the place of one that they may not."""
        words = ["--perms", "1777", "--tmpfs", top]
        for path in kept:
            for parent in reversed(path.relative_to(top).parents):
                if parent != Path():
                    # bubblewrap would make them its user's alone
                    words += ["--perms", "0755", "--dir", str(Path(top) / parent)]
            words += ["--ro-bind", str(path), str(path)]
        return words

    folders = (ROOT, Path(sys.prefix), python)
    for top in ("/root", "/tmp"):
        inside = [path for path in folders if path.is_relative_to(top)]
        if inside or top == "/tmp":  # the folders of pytest are its user's alone
            view += anew(top, *inside)
    view += ["--perms", "0755", "--dir", "/tmp/c"]
    view += ["--bind", str(course), "/tmp/c", "--chdir", "/tmp/c"]
    shed = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "--inh-caps=-all"]
    command = [sys.executable, "-m", "grading", "grade", small.NAME, "--jobs", "1"]
    done = subprocess.run(
        [*view, "--", *shed, "env", "HOME=/tmp", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "2 graded"
    notebook = (course / "autograded/two/tiny/tiny.ipynb").read_text()
    assert "REFUSED PermissionError" in notebook


def test_a_proxy_gives_values_and_raises_what_a_learner_did_wrong() -> None:
    def invoke(name: str, args: tuple, kwargs: dict) -> Outcome:
        if args:
            return Outcome((name, args, kwargs), None, ("x",))
        return Outcome(None, LearnerError("timeout", "it did not return"), ())

    proxy = Proxy("f", invoke)
    assert proxy.__name__ == "f"
    assert proxy(1, b=2) == ("f", (1,), {"b": 2})
    assert proxy.invoke((1,)).mutated == ("x",)
    with pytest.raises(LearnerError, match="it did not return") as caught:
        proxy()
    assert caught.value.kind == "timeout"
