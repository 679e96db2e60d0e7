"""Build the book strictly into ``_build/html``."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A kernel that does not answer is the machine's fault, not the page's: worth one more try.
KERNEL_TROUBLE = ("CellTimeoutError", "DeadKernelError", "Kernel died", "ZMQError")


def build(command: list[str]) -> tuple[int, bool]:
    """Run a build, showing its output; return its status and whether a kernel failed."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    trouble = False
    for line in process.stdout:
        print(line, end="", flush=True)
        trouble = trouble or any(word in line for word in KERNEL_TROUBLE)
    return process.wait(), trouble


def main() -> int:
    """Build; return the exit status."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", ".", "-W", "-n", "--keep-going"]
    try:
        status, trouble = build(command)
        if status != 0 and trouble:
            print("A kernel did not answer; building once more. Pages that ran are kept.")
            forget_pages()
            status, _ = build(command)
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}. The environment is damaged: remove .venv "
            "and run make again",
            file=sys.stderr,
        )
        return 1
    if status != 0:
        forget_pages()
        print(
            "error: the book has errors or warnings, listed above; _build/html is not to be "
            "published as it is",
            file=sys.stderr,
        )
    return status


def forget_pages() -> None:
    """Make Sphinx read all pages anew: it warns about a page only when it reads it."""
    shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
