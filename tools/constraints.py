"""Write ``constraints.txt``: what ``requirements.txt`` resolves to in an empty environment."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Written by `make constraints`: all that requirements.txt brings in, pinned.\n"


def pins(frozen: str) -> str:
    """Turn the output of ``pip freeze`` into constraints that hold on any machine.

    A local version such as ``2.13.0+cpu`` names one build of a release; the release is
    what is pinned.
    """
    lines = [line.split("+")[0] for line in frozen.splitlines() if "==" in line]
    return HEADER + "\n".join(line for line in lines if not line.startswith("pip==")) + "\n"


def main() -> int:
    """Resolve afresh; return the exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in ROOT.glob("requirements*.txt"):
            wanted = path.read_text(encoding="utf-8").replace("-c constraints.txt\n", "")
            (Path(scratch) / path.name).write_text(wanted, encoding="utf-8")
        requirements = Path(scratch) / "requirements.txt"
        venv.create(Path(scratch) / "venv", with_pip=True)
        pip = [str(Path(scratch) / "venv" / "bin" / "python"), "-m", "pip"]
        subprocess.run([*pip, "install", "-qq", "-r", str(requirements)], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        ).stdout
    (ROOT / "constraints.txt").write_text(pins(frozen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
