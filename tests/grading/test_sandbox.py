"""Sandboxes themselves: kinds of start, limits, talk, and who may start them."""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import course as small
import pytest

from authoring import learner_zip
from grading import batch, bubblewrap
from grading.answers import Ran, Stream
from grading.assignment import Assignment
from grading.bubblewrap import SandboxMissing, SandboxUnusable
from grading.engine import Grader
from grading.inside import syscalls
from grading.limits import Limits
from grading.proxy import LearnerError, Outcome, Proxy
from grading.sandbox import Ended, Nursery

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


def text(ran: Ran) -> str:
    return "".join(item.text for item in ran.outputs if isinstance(item, Stream))


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
        answer = made.run("x", code, 30)
        made.close()
    assert text(answer).splitlines()[0] == "None"
    assert "DONE" not in text(answer)
    assert text(answer).splitlines()[-1] == "-1"


def test_a_sandbox_that_ended_says_how(nursery: Nursery) -> None:
    made = nursery.open()
    with pytest.raises(Ended, match="crash"):
        made.run("x", "import os; os._exit(3)", 30)
    made = nursery.open()
    with pytest.raises(Ended, match="timeout"):
        made.run("x", "while True: pass", 0.5)
    assert made.used.signal == 9
    assert made.used.cpu > 0


def test_a_message_may_not_be_longer_than_allowed(assignment: Assignment) -> None:
    limits = Limits(message=1000)
    with Nursery(assignment.files, assignment.lib, limits) as nursery:
        made = nursery.open()
        with pytest.raises(Ended, match="output"):
            made.run("x", "print('x' * 2000)", 30)


def test_the_warm_process_is_started_again_when_it_is_gone(nursery: Nursery) -> None:
    assert nursery._process is not None
    nursery._process.kill()
    nursery._process.wait()
    made = nursery.open()
    assert text(made.run("x", "print(6 * 7)", 30)) == "42\n"
    made.close()


def test_processor_time_is_limited(assignment: Assignment) -> None:
    with Nursery(assignment.files, assignment.lib, Limits(cpu_seconds=1)) as nursery:
        made = nursery.open()
        with pytest.raises(Ended, match="crash"):
            made.run("x", "while True: pass", 60)


def test_a_sandbox_that_cannot_start_is_no_fault_of_a_learner(assignment: Assignment) -> None:
    with pytest.raises(SandboxUnusable, match="does not start"):
        Nursery(assignment.files, {"codec.py": b"1 / 0"}, Limits())


def test_what_a_worker_raises_arrives(assignment: Assignment) -> None:
    arrived = pickle.loads(pickle.dumps(SandboxMissing()))
    assert isinstance(arrived, SandboxMissing)
    assert "apt-get install bubblewrap" in str(arrived)
    error = pickle.loads(pickle.dumps(LearnerError("timeout", "it did not return")))
    assert (error.kind, str(error)) == ("timeout", "it did not return")


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter's program on a made-up call; return what it gives."""
    program = syscalls.program(machine)
    arch = syscalls.MACHINES[machine][1] if arch is None else arch
    arguments += (0,) * (6 - len(arguments))
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments)
    at, value = 0, 0
    while True:
        code, yes, no, k = struct.unpack_from("HBBI", program, 8 * at)
        at += 1
        if code == syscalls.LOAD:
            (value,) = struct.unpack_from("<I", data, k)
        elif code == syscalls.GIVE:
            return k
        else:
            holds = {
                syscalls.EQUAL: value == k,
                syscalls.AT_LEAST: value >= k,
                syscalls.ANY_BIT: bool(value & k),
            }[code]
            at += yes if holds else no


# Numbers on x86_64 and aarch64 of some calls that a submission has no use for.
REFUSED = {
    "fork": (57, -1),
    "execve": (59, 221),
    "ptrace": (101, 117),
    "modify_ldt": (154, -1),
    "mount": (165, 40),
    "io_setup": (206, 0),
    "add_key": (248, 217),
    "inotify_init": (253, -1),
    "inotify_init1": (294, 26),
    "unshare": (272, 97),
    "process_vm_writev": (311, 271),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "clone3": (435, 435),
    "pidfd_getfd": (438, 438),
    "memfd_secret": (447, 447),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "not there yet": (9999, 9999),
}


@pytest.mark.parametrize("machine", sorted(syscalls.MACHINES))
def test_the_filter_decides_as_intended(machine: str) -> None:
    column, _ = syscalls.MACHINES[machine]
    allow, refuse = syscalls.ALLOW, syscalls.REFUSE
    listed = {numbers[column] for numbers in syscalls.ALLOWED.values()}
    special = (syscalls.CLONE, syscalls.SOCKET, syscalls.SOCKETPAIR, syscalls.IOCTL, syscalls.PRCTL)
    asked = {numbers[column] for numbers in special}
    for number in range(600):
        if number not in asked:
            error = 38 if number >= 424 else 1
            expected = allow if number in listed else refuse | error
            assert decide(machine, number) == expected, number
    for name, numbers in REFUSED.items():
        if numbers[column] >= 0:
            assert decide(machine, numbers[column]) in (refuse | 1, refuse | 38), name
    clone, socket, pair, ioctl, prctl = (numbers[column] for numbers in special)
    assert decide(machine, clone, 0x10000) == allow
    assert decide(machine, clone, 17) == refuse | 1
    for call in (socket, pair):
        assert decide(machine, call, 1) == allow
        assert decide(machine, call, 2) == refuse | 13
    assert decide(machine, prctl, 15) == allow
    assert decide(machine, prctl, 4, 1) == refuse | 1
    assert decide(machine, ioctl, 0, 0x5401) == allow
    assert decide(machine, ioctl, 0, 0x5412) == refuse | 25
    assert decide(machine, 0, arch=0x40000003) == syscalls.KILL
    assert decide(machine, 0x40000000 | 57) == refuse | 1


def test_numbers_are_those_of_the_system() -> None:
    """Compares with the headers of the C library, where they are installed."""
    places = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
    found = 0
    for machine, place in places.items():
        path = Path("/usr/include") / place
        if not path.is_file():
            continue
        column, _ = syscalls.MACHINES[machine]
        pattern = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$"
        pairs = re.findall(pattern, path.read_text(), re.MULTILINE)
        known = {name: int(number) for name, number in pairs}
        same = {"newfstatat": "fstatat", "fadvise64": "fadvise64", "sendfile": "sendfile"}
        special = {"clone": syscalls.CLONE, "socket": syscalls.SOCKET, "prctl": syscalls.PRCTL}
        special |= {"socketpair": syscalls.SOCKETPAIR, "ioctl": syscalls.IOCTL}
        for name, numbers in (syscalls.ALLOWED | special | REFUSED).items():
            number = known.get(name, known.get(same.get(name, "")))
            if numbers[column] >= 0 and number is not None:
                assert numbers[column] == number, (machine, name)
                found += 1
    if not found:
        pytest.skip("no headers: apt-get install linux-libc-dev")
    assert found > 100


def test_calls_outside_the_list_are_refused_in_a_sandbox(nursery: Nursery) -> None:
    column, _ = syscalls.MACHINES[os.uname().machine]
    numbers = {name: n[column] for name, n in REFUSED.items() if n[column] >= 0}
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"for name, number in {numbers!r}.items():\n"
        "    print(name, libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno(), sep=':')\n"
    )
    made = nursery.open()
    lines = text(made.run("x", code, 30)).splitlines()
    made.close()
    assert [line.split(":")[0] for line in lines] == list(numbers)
    for line in lines:
        assert line.split(":")[1:] in (["-1", "1"], ["-1", "38"]), line


def test_what_a_notebook_needs_is_on_the_list(nursery: Nursery) -> None:
    code = (
        "import asyncio, concurrent.futures, os, shutil, tempfile, threading, time\n"
        "import matplotlib.pyplot as plt, numpy as np\n"
        "%matplotlib inline\n"
        "plt.plot([1, 2]); plt.show()\n"
        "np.linalg.svd(np.random.default_rng(0).normal(size=(80, 80)))\n"
        "np.save('a.npy', np.arange(3)); np.load('a.npy', mmap_mode='r')\n"
        "await asyncio.sleep(0.01)\n"
        "with concurrent.futures.ThreadPoolExecutor(3) as pool: list(pool.map(abs, range(9)))\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    shutil.copy('a.npy', folder); os.listdir(folder); os.stat(folder)\n"
        "%timeit -n1 -r1 sum(range(10))\n"
        "time.sleep(0.01); os.cpu_count(); os.urandom(3); os.getcwd(); os.path.exists('b')\n"
        "print('DONE')\n"
    )
    made = nursery.open()
    ran = made.run("x", code, 60)
    made.close()
    assert text(ran).endswith("DONE\n"), ran
    assert any(getattr(item, "png", "") for item in ran.outputs)


def test_packages_that_no_plain_user_can_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "site packages" / "numpy"
    closed.mkdir(parents=True)
    closed.chmod(0o750)
    monkeypatch.setattr(bubblewrap, "_entries", lambda packages: {"numpy": closed})
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with pytest.raises(SandboxUnusable, match=r"numpy: expected .* got drwxr-x---.*chmod -R") as e:
        bubblewrap.command_line(tmp_path, Limits(), nested=False)
    assert f"'{closed.parent}'" in str(e.value)
    closed.chmod(0o755)
    assert str(closed) in bubblewrap.command_line(tmp_path, Limits(), nested=False)


def test_what_learners_are_told_to_install_is_there() -> None:
    tools = {"jupyterlab", "nbgrader"}
    assert set(learner_zip.PACKAGES) - tools <= set(bubblewrap.PACKAGES)


def test_nothing_of_the_course_is_mounted(nursery: Nursery) -> None:
    command = bubblewrap.command_line(nursery.course, Limits(), nested=True)
    sources = [
        Path(command[k + 1]) for k, word in enumerate(command) if word in ("--ro-bind", "--bind")
    ]
    assert Path("/") not in sources
    site = Path(sys.prefix)
    for source in sources:
        inside = source.is_relative_to(ROOT) and not source.is_relative_to(site)
        assert not inside or source == ROOT / "grading" / "inside"
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
