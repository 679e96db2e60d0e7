"""Run one step of a target: a line for the user, all that it prints for a log.

Runs with the system's Python and its standard library only.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "_build" / "log"
SAID = ("warning:", "note:")
"""What begins so is for the user, whatever becomes of the step."""
SHOWN = 40
"""Lines of a failed step's log to show."""


def for_the_user(log: Path) -> list[str]:
    """List the log's warnings and notes; an indented line belongs to the one before."""
    chosen: list[str] = []
    taking = False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        taking = line.startswith(SAID) or (taking and line.startswith(" "))
        if taking:
            chosen.append(line)
    return chosen


def run(number: str, words: str, command: list[str]) -> int:
    """Run the command; return its exit status."""
    LOGS.mkdir(parents=True, exist_ok=True)
    name = f"{number.replace('/', '-of-')}-{words.replace(' ', '-')}.txt"
    log = LOGS / name
    print(f"[{number}] {words} ... ", end="", flush=True)
    begun = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # what it printed last stands last
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            check=False,
        )
    took = f"{time.monotonic() - begun:.0f} s"
    if done.returncode == 0:
        print(took, flush=True)
        print("".join(f"{line}\n" for line in for_the_user(log)), end="", file=sys.stderr)
        return 0
    print(f"failed after {took}", flush=True)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(lines[-SHOWN:]), file=sys.stderr)
    print(
        f"error: {words} failed; all of its output is in {log.relative_to(ROOT)}", file=sys.stderr
    )
    return done.returncode


def main(argv: list[str] | None = None) -> int:
    """Run the step; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", help="which of how many: 2/5")
    parser.add_argument("words", help="what the user reads")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args(argv)
    try:
        return run(arguments.number, arguments.words, arguments.command)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
