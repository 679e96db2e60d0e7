"""What a chapter says about the time it takes, against what there is to read and to write."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHAPTERS = sorted(
    path for path in (ROOT / "book").glob("*.md") if (ROOT / "solutions" / path.stem).is_dir()
)
CLAIM = re.compile(r"Reading takes about (\d+) minutes, the graded notebook about ([\w ]+) hours\.")
HOURS = {"two": 2, "two and a half": 2.5, "three": 3, "three and a half": 3.5, "four": 4}
FENCE = re.compile(r"^(`{3,})\{([\w-]+)\}[^\n]*\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)
# Seconds: a word at 200 a minute; an equation to follow; a drawing; an included function; a line.
WORD, EQUATION, DRAWING, FUNCTION, LINE = 0.3, 30, 30, 45, 2
TAKES = {
    "math": EQUATION,
    "diagram": DRAWING,
    "interactive": DRAWING,
    "literalinclude": FUNCTION,
}


def minutes(text: str) -> float:
    """Estimate how long a page takes to read."""
    seconds = 0.0

    def take(match: re.Match[str]) -> str:
        nonlocal seconds
        kind, body = match[2], match[3]
        if kind == "code-cell":
            if "hide-input" not in body and "remove-" not in body:
                seconds += LINE * sum(bool(line.strip()) for line in body.splitlines())
            return ""
        seconds += TAKES.get(kind, 0)
        return "" if kind in ("math", "literalinclude") else body

    text = FENCE.sub(take, re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL))
    text = re.sub(r"\$[^$\n]+\$", " symbol ", text)
    return (seconds + WORD * len(re.findall(r"[^\W\d][\w'’-]*", text))) / 60


def exercises(slug: str) -> int:
    """Count the functions that a chapter's notebook asks for."""
    path = ROOT / "exercises" / slug / f"{slug}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum(cell["metadata"].get("nbgrader", {}).get("grade", False) for cell in cells)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_takes_as_long_as_it_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    claim = CLAIM.search(text)
    assert claim, "expected 'Reading takes about N minutes, the graded notebook about M hours.'"
    assert int(claim[1]) == pytest.approx(minutes(text), rel=0.25)
    assert 10 <= 60 * HOURS[claim[2]] / exercises(path.stem) <= 30, "minutes for each function"


def test_what_is_counted() -> None:
    page = "---\nfront: matter\n---\n" + "word " * 200
    assert minutes(page) == pytest.approx(1)
    assert minutes("```{math}\n:label: a\nx = y\n```\n") == pytest.approx(0.5)
    assert minutes("```{code-cell} ipython3\na = 1\n\nb = 2\n```\n") == pytest.approx(4 / 60)
    assert minutes("```{code-cell} ipython3\n:tags: [hide-input]\na = 1\n```\n") == 0
