"""How a process is confined: namespaces, files, rights, limits, system calls."""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import struct
from typing import Any

from . import syscalls

NOBODY = 65534
libc = ctypes.CDLL(None, use_errno=True)

NAMESPACES = (
    0x00020000  # mounts
    | 0x04000000  # UTS
    | 0x08000000  # IPC
    | 0x10000000  # users
    | 0x20000000  # processes
    | 0x40000000  # network
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    4096,
    16384,
    1 << 18,
)
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 24, 36, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


def prepare(settings: dict[str, Any]) -> None:
    """Set up the process that a sandbox's bubblewrap starts."""
    if settings["drop_root"]:
        become_nobody()
    make_directories(settings["scratch"])


def adopt_orphans() -> None:
    """Become the parent of all below that lose theirs."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def settle(settings: dict[str, Any]) -> None:
    """Confine this process for good, whichever way it came into namespaces of its own."""
    # A signal to one's own group would cross the border of the process namespace.
    with contextlib.suppress(PermissionError):
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(f"{settings['scratch']}/work")
    shutil.copytree(f"{settings['course']}/files", ".", dirs_exist_ok=True)
    if settings["isolated"]:
        drop_capabilities()
    limit_resources(settings["limits"], alone=settings["isolated"])
    if settings["isolated"]:
        syscalls.install()


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [None if text is None else text.encode() for text in (source, target, kind, data)]
    check(libc.mount(*arguments[:3], ctypes.c_ulong(flags), arguments[3]), f"mount {target}")


def become_nobody() -> None:
    """Give up root: limits on processes do not bind it."""
    if os.getuid() == 0 and os.stat("/").st_uid == 0 and not in_user_namespace():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def in_user_namespace() -> bool:
    with open("/proc/self/uid_map") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def enter_namespaces(storage: int) -> None:
    """Leave everything that other submissions could see or touch."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(NAMESPACES), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"1000 {uid} 1"),
        ("gid_map", f"1000 {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    plain = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("tmpfs", "/sandbox", "tmpfs", plain, f"size={storage},nr_inodes=4096,mode=700")
    make_directories("/sandbox")
    mount("/sandbox/tmp", "/tmp", None, MS_BIND)
    mount("/sandbox/shm", "/dev/shm", None, MS_BIND)
    mount("tmpfs", "/proc", "tmpfs", plain | MS_RDONLY, "size=4k,nr_inodes=2,mode=555")


def make_directories(scratch: str) -> None:
    for name in ("work", "home", "tmp", "shm"):
        os.makedirs(f"{scratch}/{name}", exist_ok=True)


def drop_capabilities() -> None:
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("Ii", 0x20080522, 0)
    check(libc.capset(header, struct.pack("6I", *[0] * 6)), "capset")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def limit_resources(limits: dict[str, Any], alone: bool) -> None:
    """Set limits that also bind what this process starts.

    The number of processes is counted for a user, so it is limited only where the
    process is ``alone`` in a user namespace.
    """
    for name, value in (
        ("AS", limits["memory"]),
        ("CPU", limits["cpu_seconds"]),
        ("FSIZE", limits["file_size"]),
        ("NPROC", limits["threads"]),
        ("NOFILE", limits["open_files"]),
        ("CORE", 0),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
    ):
        if name == "NPROC" and not alone:
            continue
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
