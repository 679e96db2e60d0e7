"""Build the book strictly into ``_build/html``."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build; return the exit status."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", ".", "-W", "-n", "--keep-going"]
    try:
        status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}. The environment is damaged: remove .venv "
            "and run make again",
            file=sys.stderr,
        )
        return 1
    if status != 0:
        # Sphinx warns about a page only when it reads it: forget the pages, or the next
        # run would pass in silence.
        shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)
        print(
            "error: the book has errors or warnings, listed above; _build/html is not to be "
            "published as it is",
            file=sys.stderr,
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
