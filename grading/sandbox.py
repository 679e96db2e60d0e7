"""Sandboxes: where a learner's code runs, and the talk with it.

A :class:`Nursery` is one bubblewrap with a warm Python in it, which forks a confined
process for every sandbox (``grading/confined.py`` says how). Nothing of one sandbox
reaches another: the warm process never runs a learner's code, and each child has its
own namespaces and files and is killed when it is done. Where nested user namespaces
are forbidden, each sandbox is a bubblewrap of its own, which is slower.

Whatever comes out of a sandbox is hostile: it is read with a time limit and a byte
limit and believed in nothing but its value.
"""

import contextlib
import functools
import importlib.metadata
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grading.limits import Limits

INSTALL = (
    "bubblewrap (the command bwrap) is not installed, and without it learners' code is not "
    "isolated. Install it: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap "
    "(Fedora), pacman -S bubblewrap (Arch). To grade without isolation all the same, "
    "say --no-sandbox; the scores will record it."
)
PACKAGES = ("numpy", "ipython", "matplotlib", "tqdm")
"""What learners' code may import, with all that these need, and nothing else."""
START_SECONDS = 60.0


class SandboxError(Exception):
    """The sandbox itself does not work: no fault of a submission."""


class SandboxUnusable(SandboxError):
    """No sandbox works on this machine: there is no point in going on."""


class SandboxMissing(SandboxUnusable):
    """There is no bubblewrap."""

    def __init__(self, message: str = INSTALL) -> None:
        super().__init__(message)


class Ended(Exception):
    """A sandbox gave no proper answer and is gone.

    ``kind`` is ``"timeout"``, ``"crash"``, or ``"output"`` (a message that is too long
    or not of the format).
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


# --- what is mounted -------------------------------------------------------------


@functools.cache
def _entries(packages: tuple[str, ...]) -> dict[str, Path]:
    """Find the top-level files and folders of packages and of all that they need."""
    from packaging.requirements import Requirement

    found: dict[str, Path] = {}
    seen: set[str] = set()
    queue = list(packages)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(requirement.name)
        # Reading the list as text takes a fiftieth of the time of `distribution.files`.
        for line in (distribution.read_text("RECORD") or "").splitlines():
            top = line.split(",", 1)[0].split("/", 1)[0].strip('"')
            if top not in ("", "..", "__pycache__") and top not in found:
                found[top] = Path(str(distribution.locate_file(top)))
    return {top: path for top, path in found.items() if path.exists()}


def _interpreter() -> tuple[Path, list[str]]:
    """Return the real interpreter and the options that mount it without its packages."""
    python = Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
    prefix = Path(os.path.realpath(sys.base_prefix))
    options: list[str] = []
    for path in (prefix, python.parent):
        for parent in [*reversed(path.parents), path]:
            if parent != Path("/") and not parent.is_relative_to("/usr/lib"):
                options += ["--perms", "0755", "--dir", str(parent)]
    if not prefix.is_relative_to("/usr") or prefix.is_relative_to("/usr/local"):
        options += ["--ro-bind", str(prefix), str(prefix)]
    if not python.is_relative_to(prefix) or prefix == Path("/usr"):
        options += ["--ro-bind", str(python), str(python)]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = {prefix / "lib", Path("/usr/lib"), Path("/usr/local/lib")}
    for library in sorted(libraries):
        for name in ("site-packages", "dist-packages"):
            for parent in (library / version, library / "python3"):
                if (parent / name).is_dir() and not (parent / name).is_symlink():
                    options += ["--tmpfs", str(parent / name)]
    return python, options


def bubblewrap(course: Path, limits: Limits, mode: str) -> list[str]:
    """Return the command that runs ``confined.py`` in a bubblewrap.

    ``mode`` is ``"fork"`` or ``"once"``.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxMissing
    command = [program]
    for kind in ("ipc", "pid", "net", "uts", "cgroup-try"):
        command.append(f"--unshare-{kind}")
    if os.getuid() == 0:
        # Root becomes a plain user inside: limits on processes do not bind root.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--cap-drop", "ALL"]
        if mode == "once":
            command.append("--disable-userns")
    command += ["--die-with-parent", "--new-session", "--clearenv"]
    for folder in ("/usr", "/etc", "/site"):
        command += ["--perms", "0755", "--dir", folder]
    for folder in ("lib", "lib32", "lib64"):
        source = Path("/usr") / folder
        if source.is_dir():
            command += ["--ro-bind", str(source), str(source)]
        if Path("/", folder).is_symlink():
            command += ["--symlink", f"usr/{folder}", f"/{folder}"]
        elif Path("/", folder).is_dir():
            command += ["--ro-bind", f"/{folder}", f"/{folder}"]
    command += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    python, options = _interpreter()
    command += options
    command += ["--proc", "/proc", "--size", "65536", "--tmpfs", "/dev"]
    for device in ("null", "zero", "full", "random", "urandom"):
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    command += ["--dir", "/dev/shm", "--remount-ro", "/dev"]
    for top, path in sorted(_entries(PACKAGES).items()):
        command += ["--ro-bind", str(path), f"/site/{top}"]
    confined = Path(__file__).with_name("confined.py")
    command += ["--ro-bind", str(confined), "/confined.py"]
    command += ["--ro-bind", str(course), "/course"]
    command += ["--perms", "1777", "--size", str(limits.storage), "--tmpfs", "/sandbox"]
    if mode == "once":
        command += ["--symlink", "/sandbox/tmp", "/tmp"]
    else:
        command += ["--dir", "/tmp"]
    command += ["--remount-ro", "/"]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    return [*command, "--", str(python), *PYTHON_OPTIONS, "/confined.py", mode]


ENVIRONMENT = {
    "HOME": "/sandbox/home",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": "/sandbox/home/.matplotlib",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin",
    "TMPDIR": "/sandbox/tmp",
}
PYTHON_OPTIONS = ("-I", "-S", "-B", "-X", "utf8")


# --- talk ------------------------------------------------------------------------


def _receive(sock: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        sock.settimeout(max(deadline - time.monotonic(), 1e-3))
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
        if time.monotonic() > deadline and len(data) < size:
            raise TimeoutError
    return bytes(data)


def _ask(sock: socket.socket, message: Any, seconds: float, most: int) -> Any:
    """Send a message (or none) and wait for the answer."""
    deadline = time.monotonic() + seconds
    try:
        if message is not None:
            data = json.dumps(message).encode()
            sock.settimeout(seconds)
            sock.sendall(struct.pack(">I", len(data)) + data)
        (size,) = struct.unpack(">I", _receive(sock, 4, deadline))
        if size > most:
            raise Ended("output")
        answer = json.loads(_receive(sock, size, deadline))
    except TimeoutError as error:
        raise Ended("timeout") from error
    except (EOFError, OSError) as error:
        raise Ended("crash") from error
    except (ValueError, RecursionError) as error:
        raise Ended("output") from error
    if not isinstance(answer, dict):
        raise Ended("output")
    return answer


class Sandbox:
    """One confined process, for one submission."""

    def __init__(self, nursery: "Nursery", sock: socket.socket, pid: int | None) -> None:
        self._nursery = nursery
        self._sock = sock
        self._pid = pid
        self.used: dict[str, Any] = {"signal": 0, "cpu": 0.0, "memory": 0}

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Have something done.

        Raises
        ------
        Ended
            Where there is no proper answer in time; the sandbox is closed then.
        """
        try:
            answer = _ask(self._sock, message, seconds, self._nursery.limits.message)
        except Ended:
            self.close()
            raise
        return answer

    def close(self) -> None:
        """Kill the process and all that it holds."""
        self._sock.close()
        if self._pid is not None:
            self.used = self._nursery._end(self._pid)
            self._pid = None


class Nursery:
    """Where sandboxes for one assignment come from.

    Parameters
    ----------
    files : mapping of str to bytes
        What stands beside the learner's notebook.
    lib : mapping of str to bytes
        The learner's part of ``lib``.
    limits : Limits
    preload : modules that the released notebook imports
    isolated : bool
        Whether to use bubblewrap.
    mode : {"auto", "fork", "once"}
        ``"auto"`` forks where the system allows nested user namespaces.

    Raises
    ------
    SandboxMissing
        Where bubblewrap is not installed.
    SandboxUnusable
        Where it does not work.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        lib: Mapping[str, bytes],
        limits: Limits,
        preload: Iterable[str] = (),
        isolated: bool = True,
        mode: str = "auto",
    ) -> None:
        if isolated and shutil.which("bwrap") is None:
            raise SandboxMissing
        self.limits = limits
        self.isolated = isolated
        self._preload = sorted(set(preload))
        self._scratch = tempfile.TemporaryDirectory(prefix="grading-")
        self.course = Path(self._scratch.name) / "course"
        for part, contents in (("files", files), ("lib", lib)):
            for name, data in contents.items():
                path = self.course / part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        for path in (self.course, *self.course.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.files = self.course / "files"
        self.files.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.mode = "once" if not isolated else mode
        try:
            self._choose_mode()
        except SandboxError as error:
            self.close()
            raise SandboxUnusable(str(error)) from error

    def _choose_mode(self) -> None:
        if self.mode in ("auto", "fork"):
            try:
                self._start()
                self.open().close()
                self.mode = "fork"
                return
            except SandboxError:
                if self.mode == "fork":
                    raise
                self._stop()
                self.mode = "once"
        self.open().close()

    def _launch(self, mode: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        scratch = ""
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        if self.isolated:
            command = bubblewrap(self.course, self.limits, mode)
            environment: dict[str, str] = {}
        else:
            confined = Path(__file__).with_name("confined.py")
            command = [sys.executable, "-B", "-X", "utf8", str(confined), mode]
            scratch = tempfile.mkdtemp(dir=self._scratch.name)
            folders = {"HOME": f"{scratch}/home", "TMPDIR": f"{scratch}/tmp"}
            environment = {**ENVIRONMENT, **folders, "PATH": os.environ.get("PATH", "")}
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        settings = {
            "limits": self.limits.asdict(),
            "preload": self._preload,
            "isolated": self.isolated,
            "drop_root": self.isolated and os.getuid() == 0,
            "course": "/course" if self.isolated else str(self.course),
            "scratch": "/sandbox" if self.isolated else scratch,
            "site": ["/site"] if self.isolated else [],
        }
        try:
            answer = _ask(ours, settings, START_SECONDS, 1 << 20)
        except Ended as error:
            ours.close()
            process.kill()
            process.wait()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()[-2000:]
            raise SandboxError(f"the sandbox does not start: {words or error.kind}") from error
        finally:
            errors.close()
        if answer != {"ready": True}:
            process.kill()
            process.wait()
            raise SandboxError(f"the sandbox does not start: {answer}")
        return process, ours

    def _start(self) -> None:
        self._process, self._control = self._launch("fork")

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def open(self) -> Sandbox:
        """Make a new sandbox.

        Raises
        ------
        SandboxError
            Where that does not work.
        """
        if self.mode == "once":
            process, sock = self._launch("once")
            self._once = process
            return Sandbox(self, sock, process.pid)
        if self._control is None or self._process is None or self._process.poll() is not None:
            self._stop()
            self._start()
        assert self._control is not None
        ours, theirs = socket.socketpair()
        with theirs:
            data = json.dumps({"op": "spawn"}).encode()
            try:
                socket.send_fds(
                    self._control, [struct.pack(">I", len(data)) + data], [theirs.fileno()]
                )
                answer = _ask(self._control, None, START_SECONDS, 1 << 20)
            except (Ended, OSError) as error:
                ours.close()
                self._stop()
                raise SandboxError(f"the sandbox's parent is gone: {error}") from error
        if "error" in answer:
            ours.close()
            raise SandboxError(f"the sandbox does not start: {answer['error']}")
        try:
            ready = _ask(ours, None, START_SECONDS, 1 << 20)
        except Ended as error:
            ours.close()
            self._end(answer["pid"])
            raise SandboxError("the sandbox does not start: it could not confine itself") from error
        if ready != {"ready": True}:
            ours.close()
            self._end(answer["pid"])
            raise SandboxError(f"the sandbox does not start: {ready}")
        return Sandbox(self, ours, answer["pid"])

    def _end(self, pid: int) -> dict[str, Any]:
        if self.mode == "once":
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
            _, status, usage = os.wait4(pid, 0)
            self._once.returncode = status
            return {
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                "cpu": usage.ru_utime + usage.ru_stime,
                "memory": usage.ru_maxrss * 1024,
            }
        if self._control is None:
            return {"signal": 0, "cpu": 0.0, "memory": 0}
        try:
            return _ask(self._control, {"op": "end", "pid": pid}, START_SECONDS, 1 << 20)
        except Ended as error:
            self._stop()
            raise SandboxError(f"the sandbox's parent is gone: {error}") from error

    def close(self) -> None:
        """Stop the warm process and remove what was laid out for it."""
        self._stop()
        with contextlib.suppress(OSError):
            self._scratch.cleanup()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
