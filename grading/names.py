"""Which names of learners go through grading, feedback and export."""

import re
import unicodedata

REFUSED = set("/\\*?[]{}<>|:\"'`$%&;#!")
"""Separators, patterns, placeholders and markup: folders, nbgrader or a page read them as more."""
LONGEST = 100


def problem(name: str) -> str:
    """Say why a learner's id cannot be used, and what to do; empty where it can.

    An id is the name of a folder, part of patterns and addresses, and text on pages.
    """
    bad = sorted({c for c in name if c in REFUSED})
    if not name.strip():
        return "an empty id"
    if name != name.strip():
        return "the id begins or ends with a blank"
    if name.startswith((".", "-", "~")):
        return f"the id begins with {name[0]!r}"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in name):
        return "the id holds a line break or a character that cannot be seen"
    if bad:
        return f"the id holds {' '.join(bad)}"
    if re.search(r"\s\s|[^\S ]", name):
        return "the id holds more than one blank in a row, or blanks of another kind"
    if unicodedata.normalize("NFC", name) != name:
        return "the id's letters and accents are apart; write it in the composed form (NFC)"
    if len(name.encode("utf-8")) > LONGEST:
        return f"the id is longer than {LONGEST} bytes"
    return ""


def shown(text: str) -> str:
    """Make a name of unknown origin fit for one line."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= 150 else f"{text[:60]} … {text[-80:]}"
