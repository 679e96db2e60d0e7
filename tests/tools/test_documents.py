"""What the documents beside the code name is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"{p}/README.md" for p in ("book", "grading", "solutions")),
]
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|mjs|js|css|yml|toml|json|html|bib))`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_a_document_names_are_there(document: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    named = FILE.findall((ROOT / document).read_text(encoding="utf-8"))
    named = [name for name in named if name != "404.html" and not name.startswith("_build/")]
    assert named
    assert [n for n in named if not any(f"/{path}".endswith(f"/{n}") for path in listed)] == []
