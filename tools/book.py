"""Build the book strictly into ``_build/html``; all that the build prints goes into a log."""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import python_files  # noqa: E402

# A kernel that does not answer is the machine's fault, not the page's: worth one more try.
KERNEL_TROUBLE = ("CellTimeoutError", "DeadKernelError", "Kernel died", "ZMQError")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
TOLD = re.compile(r"\b(WARNING|ERROR|CRITICAL|Traceback)\b|Error\b")
"""Lines of a build that failed which say why; what kernels say of their transport does not."""


def build(command: list[str], source: Path, log: Path) -> int:
    """Run a build; return its status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.run(
            command,
            cwd=source,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode


def said(log: Path) -> list[str]:
    """Read a build's lines, without colours."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return [COLOUR.sub("", line) for line in text.splitlines()]


def main(argv: list[str] | None = None) -> int:
    """Build; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=ROOT, help="of another book")
    source = parser.parse_args(argv).source.absolute()
    log = source / "_build" / "log" / "book.txt"
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", ".", "-W", "-n", "--keep-going"]
    if missing := python_files.gather():
        print(
            f"Python for the practise pages: {len(missing)} files are nowhere to be had; "
            "the pages offer to load them from the CDN"
        )
    try:
        status = build(command, source, log)
        if status != 0 and any(word in line for line in said(log) for word in KERNEL_TROUBLE):
            print("A kernel did not answer; building once more. Pages that ran are kept.")
            forget_pages(source)
            status = build(command, source, log)
    except OSError as error:
        print(
            f"error: {error.filename}: {error.strerror}. The environment is damaged: remove .venv "
            "and run make again",
            file=sys.stderr,
        )
        return 1
    if status != 0:
        forget_pages(source)
        lines = said(log)
        print(
            "\n".join(
                [line for line in lines if TOLD.search(line) and "[IPKernelApp]" not in line]
                or lines[-20:]
            )
        )
        print(
            "error: the book has errors or warnings, listed above; _build/html is not to be "
            f"published as it is. All that the build printed: {log.relative_to(source)}",
            file=sys.stderr,
        )
    return status


def forget_pages(source: Path) -> None:
    """Make Sphinx read all pages anew: it warns about a page only when it reads it."""
    shutil.rmtree(source / "_build" / ".doctrees", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
