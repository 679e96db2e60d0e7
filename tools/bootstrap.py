"""Prepare the environment: Debian packages, ``.venv``, pinned requirements.

Runs with the system's Python and its standard library only. What is up to date is left
alone; what was interrupted is taken up again.

The requirements come in two parts: what grading needs, so that marks can be had early, and
the whole. PyTorch comes from its own index of builds for the CPU where that answers: PyPI's
build for Linux on x86 brings CUDA, which nothing here uses.
"""

import argparse
import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVERS_LIBRARY = "libatomic.so.1"
"""What Playwright's driver needs and Debian 12 does not bring along with Chromium."""
SANDBOX = ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"]
REQUIREMENTS = {"grading": "requirements-grading.txt", "all": "requirements.txt"}
"""The parts of the environment, each with its file; ``all`` holds ``grading``."""
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
PATIENCE = 2.0
"""Seconds that PyTorch's index has to answer."""


class BootstrapError(Exception):
    """Something that the user has to mend, in words."""


def missing_for_tests() -> list[str]:
    """List the Debian packages that tests alone need; without them, those tests are skipped."""
    packages = []
    servers = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if not (shutil.which("initdb") or any(servers)):
        packages.append("postgresql")
    if not any(shutil.which(name) for name in ("firefox-esr", "firefox")):
        packages.append("firefox-esr")
    return packages


def loads(library: str) -> bool:
    """Tell whether a shared library is installed."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages() -> list[str]:
    """List the Debian packages that provide what is not there."""
    packages = []
    if not any(shutil.which(name) for name in BROWSERS):
        packages.append("chromium")
    if sys.platform == "linux" and not loads(DRIVERS_LIBRARY):
        packages.append("libatomic1")
    if not shutil.which("bwrap"):
        packages.append("bubblewrap")
    if importlib.util.find_spec("ensurepip") is None:
        packages.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    return packages


def _privilege() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        tried = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return ["sudo", "-n"]
    return None


def install_packages(packages: list[str]) -> bool:
    """Install Debian packages where that is allowed; return whether they are there."""
    if not packages:
        return True
    prefix = _privilege()
    if prefix is None or not shutil.which("apt-get") or os.environ.get("APT") == "no":
        return False
    print(f"installing Debian packages: {' '.join(packages)}", flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    if subprocess.run(install, check=False, stdin=subprocess.DEVNULL).returncode == 0:
        return True
    subprocess.run([*apt, "update"], check=False, stdin=subprocess.DEVNULL)
    return subprocess.run(install, check=False, stdin=subprocess.DEVNULL).returncode == 0


def packages() -> None:
    """See to the Debian packages; say which line to run where that is for the user.

    Raises
    ------
    BootstrapError
        Where no virtual environment can be made.
    """
    wanted = missing_packages()
    if not install_packages(wanted):
        line = f"sudo apt-get install -y {' '.join(missing_packages())}"
        if any(name.endswith("-venv") for name in missing_packages()):
            raise BootstrapError(
                f"python's venv module is incomplete here. Run:\n    {line}\nand then make again."
            )
        print(
            f"warning: missing: {', '.join(missing_packages())}. Grading needs bubblewrap and the "
            f"tests of the book need chromium. Run:\n    {line}",
            file=sys.stderr,
        )
    elif shutil.which("bwrap"):
        tried = subprocess.run(SANDBOX, capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            print(
                "warning: bubblewrap is installed but may not make a sandbox here: "
                f"{tried.stderr.strip()}\nGrading will refuse to run. Unprivileged user "
                "namespaces may be switched off (sysctl kernel.unprivileged_userns_clone, "
                "kernel.apparmor_restrict_unprivileged_userns).",
                file=sys.stderr,
            )


def packages_for_tests() -> None:
    """See to the Debian packages of tests; say what is skipped where they cannot be had."""
    if not install_packages(missing_for_tests()):
        print(
            "note: the tests that need what is not installed will be skipped. For them, run:\n"
            f"    sudo apt-get install -y {' '.join(missing_for_tests())}",
            file=sys.stderr,
        )


def fingerprint(root: Path, part: str = "all") -> str:
    """Digest what decides the content of ``.venv``: pins, project, Python."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = [pyproject.get("build-system"), pyproject["project"], pyproject["tool"]["setuptools"]]
    wanted = list(REQUIREMENTS.values())[: list(REQUIREMENTS).index(part) + 1]
    parts = [
        *((root / name).read_text(encoding="utf-8") for name in wanted),
        (root / "constraints.txt").read_text(encoding="utf-8"),
        repr(project),
        str(root),
        sys.version,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _run(command: list[str], doing: str) -> None:
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise BootstrapError(
            f"{doing} failed; the reason stands above. Run make again when it is mended: "
            "it goes on from here."
        )


def stamp(venv: Path, part: str = "all") -> Path:
    """Return the file that says what a part of the environment was made from."""
    return venv / {"all": ".installed", "grading": ".installed-grading"}[part]


def _finished(venv: Path, part: str) -> bool:
    path = stamp(venv, part)
    return path.is_file() and path.read_text(encoding="utf-8") == fingerprint(ROOT, part)


def answers(url: str, seconds: float) -> bool:
    """Tell whether an address answers, all in all, within a time."""
    found = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as response:
                if response.status == 200:
                    found.set()
        except (OSError, ValueError):
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return found.is_set()


def torch_for_the_cpu(pip: list[str], index: str = TORCH_CPU) -> bool:
    """Install PyTorch's build for the CPU, where that is another than PyPI's and can be had.

    Returns whether it was installed; what it needs comes with the other requirements.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return False
    pinned = re.search(
        r"^torch==\S+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    if pinned is None or not answers(f"{index}/torch/", PATIENCE):
        return False
    command = [*pip, "--no-deps", "--index-url", index, pinned[0]]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _make(venv: Path) -> None:
    """Make the virtual environment, unless one of this very Python is there."""
    probe = [str(venv / "bin" / "python"), "-c", "import pip, sys; print(sys.version)"]
    try:
        found = subprocess.run(probe, capture_output=True, text=True, check=False)
        usable = found.returncode == 0 and found.stdout.strip() == sys.version.strip()
    except OSError:
        usable = False
    if not usable:
        print(f"making {venv.name} with Python {sys.version.split()[0]}", flush=True)
        # the base, should this be running inside the environment that is to be made again
        base = getattr(sys, "_base_executable", sys.executable)
        _run([base, "-m", "venv", "--clear", str(venv)], "making the environment")


def environment(venv: Path, part: str = "all") -> None:
    """Make ``.venv``, and install a part of the requirements and the course itself."""
    if any(_finished(venv, one) for one in dict.fromkeys((part, "all"))):
        stamp(venv, part).touch()
        return
    # Where root grades, another user runs the learners' code, and reads what is installed.
    os.umask(0o022)
    for one in REQUIREMENTS:
        if not _finished(venv, one):
            stamp(venv, one).unlink(missing_ok=True)
    _make(venv)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-qq"]
    requirements = REQUIREMENTS[part]
    print(f"installing {requirements}; the first time this takes some minutes", flush=True)
    if part == "all":
        torch_for_the_cpu(pip)
    _run([*pip, "--requirement", str(ROOT / requirements)], "installing the requirements")
    _run(
        [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        "installing the course",
    )
    stamp(venv, part).write_text(fingerprint(ROOT, part), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Prepare everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--part", choices=REQUIREMENTS, default="all", help="of the requirements")
    parser.add_argument("--packages", action="store_true", help="only Debian's packages")
    parser.add_argument("--for-tests", action="store_true", help="only those that tests need")
    arguments = parser.parse_args(argv)
    try:
        if arguments.packages:
            packages()
        if arguments.for_tests:
            packages_for_tests()
        if not (arguments.packages or arguments.for_tests):
            environment(arguments.venv.absolute(), arguments.part)
    except BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
