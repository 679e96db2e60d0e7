"""The command line of bubblewrap: what a sandbox sees of this machine."""

import functools
import importlib.metadata
import os
import re
import shlex
import shutil
import stat
import sys
from pathlib import Path

from grading.limits import Limits

INSTALL = (
    "bubblewrap (the command bwrap) is not installed, and without it learners' code is not "
    "isolated. Install it: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap "
    "(Fedora), pacman -S bubblewrap (Arch). To grade without isolation all the same, "
    "say --no-sandbox; the scores will record it."
)
PACKAGES = ("numpy", "ipython", "matplotlib", "tqdm")
"""What learners' code may import, with all that these need, and nothing else."""


class SandboxError(Exception):
    """The sandbox itself does not work: no fault of a submission."""


class SandboxUnusable(SandboxError):
    """No sandbox works on this machine: there is no point in going on."""


class SandboxMissing(SandboxUnusable):
    """There is no bubblewrap."""

    def __init__(self, message: str = INSTALL) -> None:
        super().__init__(message)


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
                    hidden = str(parent / name)
                    options += ["--tmpfs", hidden, "--remount-ro", hidden]
    return python, options


def _check_readable(paths: list[Path]) -> None:
    """Raise where the plain user that root becomes inside could not read what is mounted."""
    for path in paths:
        mode = path.stat().st_mode
        needed = 0o005 if stat.S_ISDIR(mode) else 0o004
        if mode & needed != needed:
            raise SandboxUnusable(
                f"{path}: expected a mode with which every user can read it, got "
                f"{stat.filemode(mode)}; as root, learners' code runs as a plain user, which needs "
                f"it. Say: chmod -R go+rX {shlex.quote(str(path.parent))}"
            )


def command_line(course: Path, limits: Limits, nested: bool) -> list[str]:
    """Return the command that runs ``grading/inside`` in a bubblewrap.

    Parameters
    ----------
    course : Path
        Folder with the learner's part of ``lib`` and the released files.
    limits : Limits
    nested : bool
        Whether it will make namespaces within its own.

    Raises
    ------
    SandboxMissing
        Where there is no bubblewrap.
    SandboxUnusable
        Where root has packages that a plain user cannot read.
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
        if not nested:
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
    entries = _entries(PACKAGES)
    if os.getuid() == 0:
        _check_readable([Path(sys.base_prefix), *entries.values()])
    for top, path in sorted(entries.items()):
        command += ["--ro-bind", str(path), f"/site/{top}"]
    command += ["--ro-bind", str(INSIDE), f"{PROGRAM}/{INSIDE.name}"]
    command += ["--ro-bind", str(course), "/course"]
    command += ["--perms", "1777", "--size", str(limits.storage), "--tmpfs", "/sandbox"]
    command += ["--dir", "/tmp"] if nested else ["--symlink", "/sandbox/tmp", "/tmp"]
    command += ["--remount-ro", "/"]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    return [*command, "--", str(python), *PYTHON_OPTIONS, "-c", BOOT, PROGRAM]


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
INSIDE = Path(__file__).with_name("inside")
PROGRAM = "/program"
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); import inside.serve; inside.serve.main()"
"""Starts the program in the folder that the command line names."""
