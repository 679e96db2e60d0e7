"""Try the README's two commands on machines where nothing was installed by hand.

A bare Debian is made with mmdebstrap, once for each suite, and unpacked for each case. The
case enters it in name spaces of its own (a mount name space and ``pivot_root``; in a plain
chroot bubblewrap cannot work), clones the last commit and runs ``make course`` and
``make test``. The host gives what reaches the package registries and nothing else: pip's
configuration, certificates, the resolver's files, and a cache of downloads.

Needs root, mmdebstrap and util-linux. The standard library only.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build" / "fresh"
PACKAGES = "ca-certificates,python3,python3-venv,git,make"
"""What the README asks for."""
UNTRIED = 77
"""Exit status where bare roots cannot be made or entered here."""
ENTERED = "entered the root"
MARKS = "The sample class of chapter"
SEED = "learner"
"""Name of the plain user."""


@dataclass(frozen=True)
class Case:
    """One machine: who works there, in which folder, and what is odd about it."""

    words: str
    folder: str
    user: bool = False
    """A plain user without sudo, the Debian packages put there before; else root."""
    environment: dict[str, str] = field(default_factory=dict)
    umask: str = "022"
    cpus: str = ""
    """The processors it may use, as taskset takes them."""
    locale: str = ""
    """A locale to be made."""
    prepare: str = ""
    """Shell lines that root runs first."""


CASES = {
    "root": Case(
        "root, two folders below the temporary one, umask 077, LANG=C",
        "/tmp/a/b/course",
        umask="077",
    ),
    "user": Case(
        "plain user; a blank and letters beyond ASCII in the folder; decimal comma, time zone, "
        "umask 077, the temporary folder on another file system",
        f"/home/{SEED}/für jeden/rnn course",
        user=True,
        environment={"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu"},
        umask="077",
        locale="de_DE",
        prepare="mount -t tmpfs -o mode=1777 tmpfs /tmp",
    ),
    "poor": Case(
        "plain user, home not writable, one CPU, LANG=C",
        "/srv/course",
        user=True,
        environment={"HOME": "/nonexistent", "LANG": "C"},
        cpus="0",
    ),
}
SHORT = (("trixie", "user"), ("bookworm", "root"))
"""What is tried where no suite is named."""


class Unavailable(Exception):
    """Bare roots cannot be had here, in words."""


@dataclass
class Outcome:
    """What became of one command."""

    command: str
    status: int | None
    seconds: float
    marks: float | None = None
    """Seconds until the sample class's table was there."""
    counted: str = ""
    """pytest's last line."""


# --- what the host gives ---------------------------------------------------------


def pip_settings() -> tuple[str, list[Path]]:
    """Return pip's configuration here as one file, and the paths that its values name."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("PIP_")},
    ).stdout
    sections: dict[str, list[str]] = {}
    named = []
    for section, key, value in re.findall(r"^(\w+)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        text = value.encode().decode("unicode_escape")
        sections.setdefault(section, []).append(f"{key} = {' '.join(text.split())}")
        for word in text.split():
            # the files of an index lie beside it
            local = word.startswith("file://")
            named.append(Path(word.removeprefix("file://")).parent if local else Path(word))
    named += [Path(value) for name, value in os.environ.items() if name.startswith("PIP_")]
    lines = [f"[{name}]\n" + "\n".join(keys) for name, keys in sections.items()]
    found = dict.fromkeys(path for path in named if path.is_absolute() and path.exists())
    return "\n".join(lines) + "\n", list(found)


def certificates() -> Path | None:
    """Return the bundle of certificates in force here."""
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        if os.environ.get(name) and Path(os.environ[name]).is_file():
            return Path(os.environ[name])
    return next((p for p in [Path("/etc/ssl/certs/ca-certificates.crt")] if p.is_file()), None)


def passed_on() -> dict[str, str]:
    """Return the variables that reach a case."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")
    }
    return kept | {"PIP_CACHE_DIR": "/var/cache/pip", "REQUESTS_CA_BUNDLE": BUNDLE}


BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def mirror() -> list[str]:
    """Return the Debian mirror of the machine's own sources; without one mmdebstrap has its own."""
    for path in [Path("/etc/apt/sources.list"), *Path("/etc/apt").glob("sources.list.d/*")]:
        if not path.is_file():
            continue
        for address in re.findall(r"https?://\S+", path.read_text(encoding="utf-8")):
            if re.search(r"/debian/?$", address):
                return [address]
    return []


# --- roots -----------------------------------------------------------------------


def base(suite: str) -> Path:
    """Make the archive of a suite's bare root, once.

    Raises
    ------
    Unavailable
        Where it cannot be made here.
    """
    archive = HOME / f"{suite}.tar"
    if archive.is_file():
        return archive
    if os.geteuid() != 0:
        raise Unavailable("bare roots are made by root")
    if not shutil.which("mmdebstrap") and shutil.which("apt-get"):
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "mmdebstrap"]
        subprocess.run(["apt-get", "-qq", "update"], check=False)
        subprocess.run(install, check=False, stdout=subprocess.DEVNULL)
    if not shutil.which("mmdebstrap"):
        raise Unavailable("mmdebstrap is not installed")
    HOME.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part.tar")
    options = ['--aptopt=Acquire::Check-Valid-Until "false"', f"--include={PACKAGES}"]
    command = ["mmdebstrap", "--variant=minbase", *options, suite, str(part), *mirror()]
    with (HOME / f"{suite}.log").open("w") as log:
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        raise Unavailable(f"mmdebstrap failed; see {HOME / f'{suite}.log'}")
    part.rename(archive)
    return archive


ENTER = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount --bind "$PIP" var/cache/pip
mount --bind "$APT" var/cache/apt/archives
while IFS= read -r path; do
    [ -n "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p ".$path"; else mkdir -p ".${path%/*}"; touch ".$path"; fi
    mount --bind -o ro "$path" ".$path"
done <<< "$BOUND"
mkdir -p .host
pivot_root . .host
umount -l /.host
cd /
exec "$@"
"""


def enter(root: Path, caches: dict[str, Path], bound: list[Path], command: list[str]) -> list[str]:
    """Return the command that runs another one inside a root, in name spaces of its own."""
    for path in caches.values():
        path.mkdir(parents=True, exist_ok=True)
    environment = [f"{name}={path}" for name, path in caches.items()]
    environment.append("BOUND=" + "\n".join(map(str, bound)))
    names = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return [*names, "env", *environment, "bash", "-c", ENTER, "enter", str(root), *command]


def unpack(suite: str, root: Path) -> list[Path]:
    """Lay out a fresh root with what the host gives; return what is mounted into it."""
    archive = base(suite)
    root.chmod(0o755)
    # files of /dev cannot be made in a container, and are the host's anyway
    subprocess.run(["tar", "-xf", str(archive), "-C", str(root), "--exclude=./dev/*"], check=True)
    text, named = pip_settings()
    (root / "etc" / "pip.conf").write_text(text, encoding="utf-8")
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / name, root / "etc" / name)
    bundle = certificates()
    if bundle:
        shutil.copy(bundle, root / BUNDLE.lstrip("/"))
    (root / "var" / "cache" / "pip").mkdir(exist_ok=True)
    subprocess.run(
        ["git", "clone", "-q", "--bare", str(ROOT), str(root / "srv" / "course.git")], check=True
    )
    return [path for path in named if path != Path(BUNDLE)]


# --- cases -----------------------------------------------------------------------


def script(case: Case, goals: list[str]) -> str:
    """Write what root runs in the fresh root before the user's commands."""
    variables = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C", **passed_on()}
    variables["HOME"] = f"/home/{SEED}" if case.user else "/root"
    variables |= case.environment
    folder = shlex.quote(case.folder)
    lines = [f"echo {ENTERED}", "set -eu", "export DEBIAN_FRONTEND=noninteractive", case.prepare]
    if case.locale:
        lines += [
            "apt-get -qq update",
            "apt-get -qq install -y --no-install-recommends locales >/dev/null",
            f"localedef -i {case.locale} -f UTF-8 {case.locale}.UTF-8",
        ]
    if case.user:
        lines.append(f"useradd --create-home {SEED}")
    lines.append(f'mkdir -p "$(dirname {folder})"')
    shed = ""
    if case.user:
        lines += [
            "git clone -q /srv/course.git /tmp/list",
            # pip does without a cache that is not its user's
            f"chown -R {SEED}: /srv/course.git /var/cache/pip",
            "apt-get -qq update",
            # the line that the README names
            "(cd /tmp/list && python3 tools/bootstrap.py --packages --for-tests) >/dev/null",
            "rm -rf /tmp/list",
            f'chown {SEED}: "$(dirname {folder})"',
        ]
        shed = f"setpriv --reuid={SEED} --regid={SEED} --init-groups "
    if case.cpus:
        shed = f"taskset -c {case.cpus} {shed}"
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    steps = [f"umask {case.umask}", f"git clone -q /srv/course.git {folder}", f"cd {folder}"]
    for goal in goals:
        steps += [
            f"echo BEGIN make {goal}",
            f"status=0; make {goal} </dev/null || status=$?",
            "echo END $status",
        ]
    steps += ["du -sm .venv | cut -f1 | sed 's/^/SIZE /'"]
    lines.append(f"exec env -i {words} {shed}bash -c {shlex.quote('; '.join(steps))}")
    return "\n".join(line for line in lines if line)


def run(suite: str, name: str, goals: list[str], minutes: float, keep: bool) -> list[Outcome]:
    """Try one case; return what became of its commands.

    What is not over after so many minutes is killed, with all that it started.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix=f"{suite}-{name}-", dir=HOME))
    bound = unpack(suite, root)
    log = HOME / f"{suite}-{name}.txt"
    owner = "user" if CASES[name].user else "root"
    caches = {"APT": HOME / "cache" / f"apt-{suite}", "PIP": HOME / "cache" / f"pip-{owner}"}
    command = enter(root, caches, bound, ["bash", "-c", script(CASES[name], goals)])
    outcomes: list[Outcome] = []
    entered = False
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        limit = threading.Timer(60 * minutes, process.kill)
        limit.start()
        begun = time.monotonic()
        for line in process.stdout:
            now = time.monotonic()
            kept.write(f"{now - begun:7.1f} {line}")
            kept.flush()
            entered = entered or line.strip() == ENTERED
            if line.startswith("BEGIN "):
                begun = now
                outcomes.append(Outcome(line[6:].strip(), None, 0.0))
            elif line.startswith("END ") and outcomes:
                outcomes[-1].status = int(line[4:])
                outcomes[-1].seconds = now - begun
            elif line.startswith(MARKS) and outcomes:
                outcomes[-1].marks = now - begun
            elif re.match(r"=+ .*\b(passed|failed)\b.* =+$", line) and outcomes:
                outcomes[-1].counted = line.strip("= \n")
            elif line.startswith("SIZE "):
                print(f"    .venv: {line[5:].strip()} MB")
        limit.cancel()
    if not keep:
        shutil.rmtree(root, ignore_errors=True)
    if not entered:
        raise Unavailable(f"the root of {suite} could not be entered; see {log}")
    return outcomes or [Outcome("(preparing)", None, 0.0)]


def row(suite: str, name: str, outcome: Outcome) -> str:
    """Lay out one line of the table."""
    ended = "did not end" if outcome.status is None else f"status {outcome.status}"
    took = f"{outcome.seconds // 60:.0f} min {outcome.seconds % 60:02.0f} s"
    marks = "" if outcome.marks is None else f"; marks after {outcome.marks:.0f} s"
    counted = f"; {outcome.counted}" if outcome.counted else ""
    return f"{suite:<10}{name:<6}{outcome.command:<13}{ended}, {took}{marks}{counted}"


def main(argv: list[str] | None = None) -> int:
    """Try the cases; return 0 where both commands end well in all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", help="bookworm, trixie or another of Debian's")
    parser.add_argument("--case", choices=CASES, action="append", help="these alone")
    parser.add_argument("--goals", default="course test", help="what make is asked for")
    parser.add_argument("--minutes", type=float, default=90, help="that a case may take")
    parser.add_argument("--keep", action="store_true", help="keep the roots, to look into")
    arguments = parser.parse_args(argv)
    names = arguments.case or list(CASES)
    if arguments.suite:
        tried = [(arguments.suite, name) for name in names]
    else:
        tried = [pair for pair in SHORT if pair[1] in names]
    rows = []
    bad = False
    for suite, name in tried:
        print(f"{suite}, {name}: {CASES[name].words}", flush=True)
        try:
            outcomes = run(suite, name, arguments.goals.split(), arguments.minutes, arguments.keep)
        except Unavailable as error:
            print(f"note: not tried: {error}", file=sys.stderr)
            return UNTRIED
        for outcome in outcomes:
            rows.append(row(suite, name, outcome))
            print(f"    {rows[-1]}", flush=True)
            bad = bad or outcome.status != 0
        print(f"    all output: {(HOME / f'{suite}-{name}.txt').relative_to(ROOT)}", flush=True)
    print("\n".join(["", *rows]))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
