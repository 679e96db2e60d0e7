"""Sandboxes: where a learner's code runs, and the talk with it.

A :class:`Nursery` is one bubblewrap with a warm Python in it, which forks a confined
process for every sandbox (``grading/inside`` has the program). Nothing of one sandbox
reaches another: the warm process never runs a learner's code, and each child has its
own namespaces and files and is killed when it is done. Where nested user namespaces
are forbidden, each sandbox is a bubblewrap of its own, which is slower.

Whatever comes out of a sandbox is hostile: it is read with a time limit and a byte
limit, and by :mod:`grading.answers` alone.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from grading import answers, bubblewrap
from grading.answers import Failed, Malformed, Ran, Returned, Used
from grading.bubblewrap import ENVIRONMENT, INSIDE, SandboxError, SandboxMissing, SandboxUnusable
from grading.inside import serve, wire
from grading.limits import Limits

START_SECONDS = 60.0
SMALL = 1 << 20
"""Bytes of a message from the warm process."""
GLANCE = 0.25
"""Seconds after which a sandbox's time is looked at; a shorter request costs no look."""

T = TypeVar("T")


class Ended(Exception):
    """A sandbox gave no proper answer and is gone.

    ``kind`` is ``"timeout"``, ``"crash"``, or ``"output"`` (a message that is too long
    or not of the format).
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def ask(
    sock: socket.socket,
    request: Any,
    parse: Callable[[bytes], T],
    check: Callable[[], None],
    most: int = SMALL,
) -> T:
    """Send a message (or none), wait for the answer, and parse it.

    Raises
    ------
    Ended
    """
    try:
        sock.settimeout(GLANCE)
        if request is not None:
            rest = memoryview(wire.pack(request))
            while rest:
                check()
                with contextlib.suppress(TimeoutError):
                    rest = rest[sock.send(rest) :]
        return parse(wire.receive(sock, most, check))
    except TimeoutError as error:
        raise Ended("timeout") from error
    except (EOFError, OSError) as error:
        raise Ended("crash") from error
    except (wire.TooLong, Malformed) as error:
        raise Ended("output") from error


def within(seconds: float) -> Callable[[], None]:
    """Return a check that raises once so many seconds have passed."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() >= deadline:
            raise TimeoutError

    return check


class Sandbox:
    """One confined process, for one submission."""

    def __init__(self, nursery: "Nursery", sock: socket.socket, pid: int) -> None:
        self._nursery = nursery
        self._sock = sock
        self._pid: int | None = pid
        self.used = Used()

    def run(self, name: str, source: str, seconds: float) -> Ran:
        """Run a cell.

        Parameters
        ----------
        name, source : str
        seconds : float
            Time that counts, as :meth:`look` has it.

        Raises
        ------
        Ended
            Where there is no proper answer in time; the sandbox is closed then.
        """
        return self._ask({"op": "run", "name": name, "source": source}, answers.ran, seconds)

    def call(
        self, name: str, arguments: Any, names: Iterable[str | int], seconds: float
    ) -> Returned | Failed:
        """Call a function that the cells have defined.

        Parameters
        ----------
        name : str
        arguments : what :func:`lib.codec.encode` makes of ``{"args": …, "kwargs": …}``
        names : positions and names of the arguments
        seconds : float

        Raises
        ------
        Ended
            As :meth:`run`.
        """
        request = {"op": "call", "name": name, "arguments": arguments}
        return self._ask(request, lambda data: answers.called(data, names), seconds)

    def _ask(self, request: Any, parse: Callable[[bytes], T], seconds: float) -> T:
        try:
            patience = self._nursery.limits.patience
            watch = Watch(self.look, seconds, patience)
            return ask(self._sock, request, parse, watch.check, self._nursery.limits.message)
        except Ended:
            self.close()
            raise

    def look(self) -> Used:
        """Say what the process has used so far."""
        return Used() if self._pid is None else self._nursery.look(self._pid)

    def close(self) -> None:
        """Kill the process and all that it holds."""
        self._sock.close()
        if self._pid is not None:
            pid, self._pid = self._pid, None
            self.used = self._nursery.end(pid)


class Watch:
    """Decides when a request has had its time.

    Processor time decides. A wait for a free core counts nothing, so that a busy machine
    costs nobody marks; time in which a process does nothing counts only as a far backstop.
    """

    def __init__(self, look: Callable[[], Used], seconds: float, patience: float) -> None:
        self._look = look
        self._seconds = seconds
        self._patience = patience
        self._started = time.monotonic()
        self._next = self._started + min(GLANCE, seconds / 2)
        self._before: Used | None = None
        self._unseen = 0.0

    def check(self) -> None:
        """Raise :class:`TimeoutError` where the time is used up; look seldom."""
        now = time.monotonic()
        if now < self._next:
            return
        used = self._look()
        if self._before is None:
            self._before, self._unseen = used, now - self._started
        spent = self._unseen + used.cpu - self._before.cpu
        idle = now - self._started - (used.waited - self._before.waited)
        if spent >= self._seconds or idle >= self._patience * self._seconds:
            raise TimeoutError
        self._next = now + min(max(self._seconds - spent, 0.02), 1.0)


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

    def _launch(self, nested: bool) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        scratch = ""
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        if self.isolated:
            command = bubblewrap.command_line(self.course, self.limits, nested)
            environment: dict[str, str] = {}
        else:
            program = str(INSIDE.parent)
            command = [sys.executable, "-B", "-X", "utf8", "-c", bubblewrap.BOOT, program]
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
            "nested": nested,
            "isolated": self.isolated,
            "drop_root": self.isolated and os.getuid() == 0,
            "course": "/course" if self.isolated else str(self.course),
            "scratch": "/sandbox" if self.isolated else scratch,
            "site": ["/site"] if self.isolated else [],
            "program": command[-1],
        }
        try:
            ask(ours, settings, answers.ready, within(START_SECONDS))
        except Ended as error:
            ours.close()
            process.kill()
            process.wait()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()[-2000:]
            raise SandboxError(f"the sandbox does not start: {words or error.kind}") from error
        finally:
            errors.close()
        return process, ours

    def _start(self) -> None:
        self._process, self._control = self._launch(nested=True)

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
            self._once, sock = self._launch(nested=False)
            return Sandbox(self, sock, self._once.pid)
        if self._control is None or self._process is None or self._process.poll() is not None:
            self._stop()
            self._start()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pid = self._request({"op": "spawn"}, answers.spawned, theirs)
        except BaseException:
            ours.close()
            raise
        try:
            ask(ours, None, answers.ready, within(START_SECONDS))
        except Ended as error:
            ours.close()
            self.end(pid)
            raise SandboxError("the sandbox does not start: it could not confine itself") from error
        return Sandbox(self, ours, pid)

    def _request(
        self, request: Any, parse: Callable[[bytes], T], pass_on: socket.socket | None = None
    ) -> T:
        """Ask the warm process for something.

        Raises
        ------
        SandboxError
            Where it is gone, or could not do it.
        """
        assert self._control is not None
        try:
            descriptors = [] if pass_on is None else [pass_on.fileno()]
            socket.send_fds(self._control, [wire.pack(request)], descriptors)
            data = ask(self._control, None, bytes, within(START_SECONDS))
        except (Ended, OSError) as error:
            self._stop()
            raise SandboxError(f"the sandbox's parent is gone: {error}") from error
        try:
            return parse(data)
        except Malformed as error:
            raise SandboxError(f"the sandbox's parent says: {error}") from error

    def look(self, pid: int) -> Used:
        """Say what the process of a sandbox has used so far."""
        if self.mode == "once":
            return _look_below(pid)
        return self._request({"op": "look", "pid": pid}, answers.used)

    def end(self, pid: int) -> Used:
        """Kill the process of a sandbox and say what it used."""
        if self.mode == "once":
            waited = _look_below(pid).waited
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
            _, status, usage = os.wait4(pid, 0)
            self._once.returncode = status
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            cpu = usage.ru_utime + usage.ru_stime
            return Used(number, cpu, waited, usage.ru_maxrss * 1024)
        if self._control is None:
            return Used()
        return self._request({"op": "end", "pid": pid}, answers.used)

    def close(self) -> None:
        """Stop the warm process and remove what was laid out for it."""
        self._stop()
        with contextlib.suppress(OSError):
            self._scratch.cleanup()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _look_below(pid: int) -> Used:
    """Look at the process at the end of a line of only children, which bubblewrap starts."""
    cpu, waited = 0.0, 0.0
    with contextlib.suppress(OSError, IndexError):
        while True:
            used = serve.look(pid)
            cpu, waited = cpu + used["cpu"], used["waited"]
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return Used(cpu=cpu, waited=waited)
