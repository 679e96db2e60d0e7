"""No result is copied into prose by hand: it stands in a cell, a table, or the role ``result``."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parent.parent.parent / "book"
CHAPTERS = sorted(
    path.name for path in BOOK.glob("*.md") if (BOOK.parent / "solutions" / path.stem).is_dir()
)
# A share, a percentage or a perplexity; not a year, a count or a size.
RESULT = re.compile(
    r"(?<![\w.])\d*\.\d+\b(?!\.\d)|\b\d+(?:\.\d+)? ?%|\b\d+ per ?cent\b|\bperplexity (?:of )?\d+"
)
CUT = re.compile(
    r"\A---\n.*?\n---\n"  # the page's header
    r"|^(?P<in> *)(?P<fence>`{3,})\{(?!dropdown)[\w-]+\}.*?^(?P=in)(?P=fence)\s*$"
    r"|\$\$.*?\$\$|\$[^$\n]*\$"
    r"|\{[\w:-]+\}`[^`]*`|`[^`\n]*`"  # roles, code
    r"|^\|.*?$|\]\([^)\n]*\)"  # tables, addresses
    r"|\bsections? \d+\.\d+(?:\.\d+)*(?:(?:,| and| to) \d+\.\d+)*",
    re.DOTALL | re.MULTILINE,
)
# What looks like a result and is none: a part of the sentence, and why it may stand there.
ALLOWED = {
    "attention.md": {"weights that sum to 0.4 for some query": "given by a question"},
    "bptt.md": {"Whether a difference of 0.01 is large": "an example of a number"},
    "deep.md": {
        "At p = 0.25 that is one in three hundred": "follows from the formula above it",
        "TensorFlow 1.0 made four layers": "a version",
        "since 1.1 it refuses": "a version",
        "with Adam at rate 0.01": "a setting",
        "0.9 of the one is 0.1 of the other": "arithmetic",
        "With inverted dropout at p = 0.5": "given by a question",
        "also multiplies by 0.5 at test time": "given by a question",
    },
    "gru.md": {
        "with Adam at rate 0.01": "a setting",
        "Then about 3 % of the candidate enters": "the answer to a question, computed there",
    },
    "lstm.md": {"Chance is 0.25": "one of four classes"},
    "rnn.md": {
        "At 0.3 the network repeats": "the temperature of the cell above it",
        "4. A model has perplexity 1": "given by a question",
        "At perplexity 1 it gives": "the answer to that question",
    },
    "vanishing_gradients.md": {
        "ask it to end at 0.7": "a setting",
        "guessing gives 0.25": "one of four classes",
        "knowing the second signal only gives 0.5": "two of four classes are left",
        "has the eigenvalues 0.5 and 0.99": "given by a question",
        "has spectral radius 0.5": "given by a question",
        "leaky unit has α = 0.98": "given by a question",
    },
}


def prose(text: str) -> str:
    """Return a page's sentences alone."""
    return CUT.sub(" ", text)


def by_hand(page: str, text: str) -> list[str]:
    """List the sentences that hold a result and are not allowed."""
    allowed = ALLOWED.get(page, {})
    lines = [line.strip() for line in prose(text).splitlines()]
    left = []
    for line in lines:
        rest = line
        for known in allowed:
            rest = rest.replace(known, " ")
        if RESULT.search(rest):
            left.append(line)
    return left


@pytest.mark.parametrize("page", CHAPTERS)
def test_no_result_is_copied_by_hand(page: str) -> None:
    assert by_hand(page, (BOOK / page).read_text("utf-8")) == []


@pytest.mark.parametrize("page", sorted(ALLOWED))
def test_what_is_allowed_stands_there(page: str) -> None:
    text = prose((BOOK / page).read_text("utf-8"))
    assert [known for known in ALLOWED[page] if known not in text] == []


@pytest.mark.parametrize(
    "line",
    [
        "With two seeds 0.64 and .70 were right.",
        "It is right in 58 % of the steps.",
        "The network has a perplexity of 8.5.",
        "With p = 0.25 in $x$ and 12.5% of `code`.",
        "```{dropdown} Answer\nAbout 0.37.\n```",
    ],
)
def test_a_result_is_seen(line: str) -> None:
    assert by_hand("rnn.md", line)


@pytest.mark.parametrize(
    "line",
    [
        "In 2018, 36 525 dates; sizes 16 and 32; 1 797 digits, section 10.9.3.",
        "Here {result}`one | lstm/* | right | .2f` of them, $p = 0.5$, `rate=0.01`.",
        "| 0.5 | 0.7 |",
        "```{code-cell} ipython3\nprint(0.5)\n```",
        "sections 10.7 to 10.11",
    ],
)
def test_what_is_no_result_is_let_pass(line: str) -> None:
    assert by_hand("lstm.md", line) == []
