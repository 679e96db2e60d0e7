"""Run a command while nobody else runs one in the same folder.

The lock is an open file that the command inherits, so it lasts as long as anything
that the command started, and no crash leaves it behind.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUSY = 75
"""Exit status where another run holds the lock."""


def acquire(path: Path, label: str) -> int:
    """Take the lock and return its file descriptor.

    Raises
    ------
    BlockingIOError
        Where another run holds it; the text says which.
    OSError
        Where the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 1000).decode(errors="replace").strip()
        os.close(descriptor)
        raise BlockingIOError(f"another run is still going in this folder ({holder})") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{label}, process {os.getpid()}, since {time.strftime('%H:%M')}".encode())
    return descriptor


def main(argv: list[str] | None = None) -> int:
    """Take the lock and become the command; return only where that fails."""
    label, *command = sys.argv[1:] if argv is None else argv
    try:
        descriptor = acquire(ROOT / "_build" / ".lock", label)
    except BlockingIOError as error:
        print(f"error: {error}; nothing was done. Wait for it to end.", file=sys.stderr)
        return BUSY
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    os.set_inheritable(descriptor, True)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"error: {command[0]}: {error.strerror}", file=sys.stderr)
    return 127


if __name__ == "__main__":
    sys.exit(main())
