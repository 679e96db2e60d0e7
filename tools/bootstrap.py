"""Prepare the environment: Debian packages, ``.venv``, pinned requirements.

Runs with the system's Python and its standard library only. What is up to date is left
alone; what was interrupted is taken up again.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SANDBOX = ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"]


class BootstrapError(Exception):
    """Something that the user has to mend, in words."""


def missing_for_tests() -> list[str]:
    """List the Debian packages that tests alone need; without them, those tests are skipped."""
    servers = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return [] if shutil.which("initdb") or any(servers) else ["postgresql"]


def missing_packages() -> list[str]:
    """List the Debian packages that provide what is not there."""
    packages = []
    if not any(shutil.which(name) for name in BROWSERS):
        packages.append("chromium")
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
            "note: the test of a gradebook on PostgreSQL will be skipped. For it, run:\n"
            f"    sudo apt-get install -y {' '.join(missing_for_tests())}",
            file=sys.stderr,
        )


def fingerprint(root: Path) -> str:
    """Digest what decides the content of ``.venv``: pins, project, Python."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = [pyproject.get("build-system"), pyproject["project"], pyproject["tool"]["setuptools"]]
    parts = [
        (root / "requirements.txt").read_text(encoding="utf-8"),
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


def environment(venv: Path) -> None:
    """Make ``.venv`` and install the requirements and the course itself."""
    python = venv / "bin" / "python"
    stamp = venv / ".installed"
    wanted = fingerprint(ROOT)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        stamp.touch()
        return
    stamp.unlink(missing_ok=True)
    probe = [str(python), "-c", "import pip, sys; print(sys.version)"]
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
    print("installing requirements.txt; the first time this takes some minutes", flush=True)
    pip = [str(python), "-m", "pip", "install", "-qq"]
    _run([*pip, "--requirement", str(ROOT / "requirements.txt")], "installing the requirements")
    _run(
        [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        "installing the course",
    )
    stamp.write_text(wanted, encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Prepare everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--for-tests", action="store_true", help="only what tests alone need")
    arguments = parser.parse_args(argv)
    if arguments.for_tests:
        packages_for_tests()
        return 0
    try:
        packages()
        environment(arguments.venv.absolute())
    except BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
