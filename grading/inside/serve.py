"""The program that runs inside a sandbox: a warm process that forks, and what it forks.

It imports nothing of the project but the learner's part of ``lib``, and this folder is
the only one of ``grading/`` that a sandbox holds. Its standard input is a Unix socket.
Where namespaces can be nested, the program reads requests there: for each it forks a
child that enters namespaces of its own, confines itself and only then runs code of a
submission; the parent never runs any. Elsewhere it confines itself, serves one submission
and ends. :func:`grading.inside.confine.settle` is the same for both.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

from . import calls, confine, shell, wire


def warm_up(settings: dict[str, Any]) -> Any:
    """Import what every submission needs; run one cell that works and one that fails."""
    paths = [path for path in sys.path if path and path != settings["program"]]
    sys.path[:] = [settings["course"], *paths, *settings["site"]]
    import numpy  # noqa: F401

    from lib import codec  # noqa: F401

    made = shell.make_shell(f"{settings['scratch']}/home")
    for module in settings["preload"]:
        try:
            __import__(module)
        except Exception:  # the submission that imports it will be told
            continue
    for name, stream in (("stdout", shell.STDOUT), ("stderr", shell.STDERR)):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for source in ("import numpy as np\nnp.zeros(2)", "def f():\n    return 1 / 0\nf()"):
        shell.run(made, source, 1000, 0)
    made.reset(new_session=True)
    return made


def serve(sock: socket.socket, made: Any, settings: dict[str, Any]) -> None:
    """Confine this process, then do what the grader asks until it hangs up."""
    confine.settle(settings)
    limits = settings["limits"]
    wire.send(sock, {"ready": True})
    while True:
        try:
            request = json.loads(wire.receive(sock))
        except EOFError:
            os._exit(0)
        if request["op"] == "run":
            answer = shell.run(made, request["source"], limits["cell_output"], limits["image"])
        else:
            answer = calls.call(made.user_ns, request)
        wire.send(sock, answer)


def spawn(sock: socket.socket, made: Any, settings: dict[str, Any]) -> int:
    """Fork a process, pid 1 of its own namespaces, that serves ``sock``; return its pid here."""
    report, told = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            job = os.dup2(sock.fileno(), 3) if sock.fileno() != 3 else 3
            told = os.dup2(told, 4)
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            os.dup2(0, 1)
            os.dup2(0, 2)
            os.closerange(5, 1024)
            confine.enter_namespaces(settings["limits"]["storage"])
            pid = os.fork()
            if pid:
                os.write(told, str(pid).encode())
                os._exit(0)
            os.close(told)
            serve(socket.socket(fileno=job), made, settings)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.write(4, f"!{error}".encode())
        os._exit(1)
    os.close(told)
    text = b""
    while piece := os.read(report, 4096):
        text += piece
    os.close(report)
    os.waitpid(middle, 0)
    if not text or text.startswith(b"!"):
        raise OSError(text[1:].decode(errors="replace") or "the sandbox did not start")
    return int(text)


def look(pid: int) -> dict[str, Any]:
    """Say how long a process has run, and how long it has waited for a free core."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            waited = int(file.read().split()[1]) / 1e9
    except OSError:
        waited = 0.0
    return {"cpu": cpu, "waited": waited}


def end(pid: int) -> dict[str, Any]:
    """Kill a sandbox and say what it used."""
    waited = look(pid)["waited"]
    os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "cpu": usage.ru_utime + usage.ru_stime,
        "waited": waited,
        "memory": usage.ru_maxrss * 1024,
    }


def breed(control: socket.socket, made: Any, settings: dict[str, Any]) -> None:
    """Make sandboxes, look at them and end them, as the grader asks."""
    gc.collect()
    gc.freeze()
    wire.send(control, {"ready": True})
    while True:
        head, descriptors, _, _ = socket.recv_fds(control, 4, 1)
        if not head:
            return
        head += wire.receive_exactly(control, 4 - len(head))
        request = json.loads(wire.receive_exactly(control, struct.unpack(">I", head)[0]))
        try:
            if request["op"] == "spawn":
                with socket.socket(fileno=descriptors[0]) as sock:
                    wire.send(control, {"pid": spawn(sock, made, settings)})
            elif request["op"] == "look":
                wire.send(control, look(request["pid"]))
            else:
                wire.send(control, end(request["pid"]))
        except OSError as error:
            wire.send(control, {"error": str(error)})


def main() -> None:
    """Do what the grader's first message says."""
    control = socket.socket(fileno=os.dup(0))
    settings = json.loads(wire.receive(control))
    confine.prepare(settings)
    made = warm_up(settings)
    if settings["nested"]:
        confine.adopt_orphans()
        breed(control, made, settings)
    else:
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        serve(control, made, settings)
