"""What a visible check says: as text, for a notebook, and as plain data for a page."""

from html import escape
from typing import Any, NamedTuple

UNWRITTEN = "this function is not written yet"

SIGNS = {"right": ("✔", "right"), "wrong": ("✘", "not right yet"), "open": ("○", "not written yet")}
"""A status as a sign and in words."""
_COLOURS = {"right": "#1a7431", "wrong": "#b02a1c", "open": "#5a6270"}


class Problem(NamedTuple):
    """One thing that is wrong with an answer."""

    output: str
    """Name of the result, e.g. ``"dW"``."""
    kind: str
    """``"structure"``, ``"type"``, ``"shape"``, ``"dtype"``, ``"nan"`` or ``"value"``."""
    message: str
    """In words, without any value of the expected answer."""
    detail: str = ""
    """The values at the largest error: for visible examples only."""
    size: float = 0.0
    """The largest error, as a part of the largest right entry."""


class Report(NamedTuple):
    """The outcome of a visible check."""

    function: str
    problems: tuple[Problem, ...]
    mistakes: tuple[tuple[str, str], ...]
    """Wrong results, and the known mistake that gives them."""
    outputs: tuple[str, ...] = ()
    """Names of the results."""
    words: str = ""
    """What the first example that is not right is about."""
    examples: int = 1
    """How many examples there are."""
    total: str = ""
    """Where the whole notebook stands, in words."""

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    @property
    def status(self) -> str:
        """``"right"``, ``"wrong"``, or ``"open"`` where the function is not written yet."""
        if self.ok:
            return "right"
        return "open" if self.problems[0].message == UNWRITTEN else "wrong"

    @property
    def headline(self) -> str:
        """What came of it, without the function's name."""
        if self.ok:
            right = "the example is" if self.examples == 1 else f"all {self.examples} examples are"
            return f"{right} right ({', '.join(self.outputs)})"
        return SIGNS[self.status][1] + (f" ({self.words})" if self.words else "")

    @property
    def named(self) -> str:
        """The known mistake, in a sentence; empty where there is none."""
        if not self.mistakes:
            return ""
        listed = ", ".join(output for output, _ in self.mistakes)
        verb = "equals" if len(self.mistakes) == 1 else "equal"
        return f"{listed} {verb} a known mistake: {self.mistakes[0][1]}"

    @property
    def text(self) -> str:
        """The report for a terminal."""
        lines = [f"{self.function}: {self.headline}."]
        if self.status == "wrong":
            for problem in self.problems:
                lines.append("  " + line(problem).replace("\n", "\n  "))
                if problem.detail:
                    lines.append(f"    {problem.detail}")
            if self.named:
                lines.append(f"  {self.named}")
        if self.total:
            lines.append(self.total)
        return "\n".join(lines)

    def html(self) -> str:
        """The report for a notebook: a coloured sign and a word, then a list."""
        items = []
        if self.status == "wrong":
            for problem in self.problems:
                detail = f"<br>{escape(problem.detail)}" if problem.detail else ""
                items.append(f"<li>{escape(line(problem))}{detail}</li>")
            if self.named:
                items.append(f"<li><strong>{escape(self.named)}</strong></li>")
        listed = f"<ul>{''.join(items)}</ul>" if items else ""
        about = "" if self.status == "open" else f": {escape(self.headline)}"
        total = f"<div>{escape(self.total)}</div>" if self.total else ""
        name = f"<code>{self.function}</code>"
        return f"<div>{_badge(self.status)} {name}{about}{listed}{total}</div>"

    def data(self) -> dict[str, Any]:
        """The report for a page."""
        return {
            "function": self.function,
            "status": self.status,
            "headline": self.headline,
            "problems": [problem._asdict() for problem in self.problems],
            "named": self.named,
            "text": self.text,
        }


def line(problem: Problem) -> str:
    """Say what is wrong, and with which result."""
    return problem.message if problem.kind == "error" else f"{problem.output}: {problem.message}"


def _badge(status: str) -> str:
    sign, word = SIGNS[status]
    style = f"background:{_COLOURS[status]};color:#ffffff;border-radius:4px;padding:1px 7px"
    return f'<span style="{style}">{sign} {word}</span>'


class Row(NamedTuple):
    """One function in the table of all."""

    function: str
    status: str
    points: float
    look_at: str
    """The first thing that is wrong."""


class Table(NamedTuple):
    """What came of the visible checks of all functions."""

    rows: tuple[Row, ...]
    total: str

    @property
    def text(self) -> str:
        """The table for a terminal."""
        width = max((len(row.function) for row in self.rows), default=0)
        lines = []
        for row in self.rows:
            sign, word = SIGNS[row.status]
            line = f"{sign} {row.function:{width}} {row.points:4g} points  {word}"
            lines.append(line + (f": {row.look_at}" if row.look_at else ""))
        return "\n".join([*lines, self.total])

    def html(self) -> str:
        """The table for a notebook."""
        left = '<td style="text-align:left">'
        rows = "".join(
            f"<tr>{left}<code>{row.function}</code></td><td>{row.points:g}</td>"
            f"{left}{_badge(row.status)}</td>{left}{escape(row.look_at)}</td></tr>"
            for row in self.rows
        )
        head = "<tr><th>function</th><th>points</th><th>visible check</th><th>look at</th></tr>"
        return f"<table>{head}{rows}</table><div>{escape(self.total)}</div>"

    def data(self) -> dict[str, Any]:
        """The table for a page."""
        return {"rows": [row._asdict() for row in self.rows], "total": self.total}
