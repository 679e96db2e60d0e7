"""Pages about a class: how scores spread, what was hard, who made which mistake, and when.

Beside the class's page stand a table of learners and parts (CSV) and a page for each
learner, with code and words of each part, to which the class's page links.
"""

import csv
import html
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grading import tally
from grading.batch import spreadsheet
from grading.tally import Learner, Part

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: CanvasText; background: Canvas; color-scheme: light dark; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid GrayText; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } .wide table { font-size: .8rem; }
.wide th, .wide td { padding: .1rem .4rem; }
.wide th { writing-mode: vertical-rl; vertical-align: bottom; }
.lost { background: #f7d3c8; color: #3b1206; } .partly { background: #fbeebc; color: #33290a; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid GrayText; }
svg { max-width: 100%; height: auto; } svg text { fill: CanvasText; font-size: 12px; }
svg rect { fill: #3b6ea8; }
"""


class Markup(str):
    """HTML that is written as it is."""


class Cell(str):
    """A whole cell of a table, written as it is."""


def write(report: Any, course: Any, path: Path) -> Path:
    """Write the pages and the table of parts, and return the class's page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with course.gradebook() as gradebook:
        everyone = tally.learners(gradebook, course, report)
    table_of_parts(everyone, path.with_name(f"{path.stem}-parts.csv"))
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    for learner in everyone:
        if learner.parts:
            own = person_page(report.assignment, learner)
            (folder / f"{learner.id}.html").write_text(own, encoding="utf-8")
    history = tally.remember(path.parent, report)
    path.write_text(page(report, everyone, history, folder.name), encoding="utf-8")
    return path


def table_of_parts(everyone: list[Learner], path: Path) -> None:
    """Write learners and parts as CSV."""
    functions = functions_of(everyone)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "name", *functions, "score", "handed in", "late", "penalty"])
        for learner in everyone:
            scores = [learner.parts[f].score if f in learner.parts else None for f in functions]
            writer.writerow(
                spreadsheet(value)
                for value in (
                    learner.id,
                    learner.name,
                    *scores,
                    learner.row.score,
                    learner.handed_in,
                    learner.late,
                    learner.penalty,
                )
            )


def functions_of(everyone: Iterable[Learner]) -> list[str]:
    """List the functions in the order of the notebook."""
    return list(dict.fromkeys(f for learner in everyone for f in learner.parts))


def hardest(everyone: list[Learner]) -> list[tuple[str, float, int, int]]:
    """List functions, hardest first: name, mean share of the points, full marks, graded."""
    found = []
    for function in functions_of(everyone):
        parts = [learner.parts[function] for learner in everyone if function in learner.parts]
        shares = [part.score / part.points for part in parts]
        found.append((function, statistics.fmean(shares), shares.count(1), len(shares)))
    return sorted(found, key=lambda item: item[1])


def histogram(scores: list[float], best: float, bins: int = 10) -> str:
    """Draw how scores spread, as SVG; a bar holds what is below the next one's beginning."""
    width = max(1, math.ceil(best / bins))
    bins = max(1, math.ceil(best / width))
    counts = [0] * bins
    for score in scores:
        counts[min(int(score / width), bins - 1)] += 1
    most = max(counts, default=0) or 1
    bars, words = [], []
    for k, count in enumerate(counts):
        height = 120 * count / most
        low, high = width * k, min(best, width * (k + 1))
        label = f"{low:g} to {high:g}" if k == bins - 1 else f"{low:g} to < {high:g}"
        words.append(f"{count} from {label}")
        bars.append(
            f'<rect x="{80 * k + 10}" y="{140 - height:.1f}" width="60" height="{height:.1f}"/>'
            f'<text x="{80 * k + 40}" y="{134 - height:.1f}" text-anchor="middle">{count}</text>'
            f'<text x="{80 * k + 40}" y="156" text-anchor="middle">{html.escape(label)}</text>'
        )
    spoken = html.escape(", ".join(words))
    return (
        f'<svg viewBox="0 0 {80 * bins} 165" role="img" aria-label="Learners by score: {spoken}">'
        + "".join(bars)
        + "</svg>"
    )


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Make an HTML table; everything in it is escaped but :class:`Markup`."""
    if not rows:
        return "<p>None.</p>"

    def cells(tag: str, values: list[Any]) -> str:
        made = ""
        for value in values:
            if isinstance(value, Cell):
                made += value
            elif isinstance(value, (int, float)):
                made += f'<{tag} class="number">{value:g}</{tag}>'
            else:
                text = value if isinstance(value, Markup) else escaped(value)
                made += f"<{tag}>{text}</{tag}>"
        return f"<tr>{made}</tr>"

    return f"<table>{cells('th', head)}{''.join(cells('td', row) for row in rows)}</table>"


def escaped(value: Any) -> str:
    """Make text harmless in a page."""
    return html.escape(str(value))


# --- the class's page ------------------------------------------------------------


def page(
    report: Any,
    everyone: list[Learner],
    history: Iterable[tally.Moment] = (),
    folder: str = "",
) -> str:
    """Make the class's page; ``folder`` holds the pages of its learners."""

    def person(learner: Learner, function: str = "") -> Markup:
        words = f"{learner.name} ({learner.id})" if learner.name else learner.id
        return link(learner, words, function)

    def link(learner: Learner, words: str, function: str = "") -> Markup:
        if not learner.parts:
            return Markup(escaped(words))
        place = f"#{quote(function)}" if function else ""
        return Markup(
            f'<a href="{quote(f"{folder}/{learner.id}.html")}{place}">{escaped(words)}</a>'
        )

    def people(found: Iterable[Learner], function: str = "") -> Markup:
        return Markup("; ".join(person(learner, function) for learner in found))

    def cell(learner: Learner, function: str) -> Cell:
        part = learner.parts.get(function)
        if part is None:
            return Cell("<td></td>")
        kind = "" if part.score == part.points else "partly" if part.score else "lost"
        text = link(learner, f"{part.score:g}", function) if kind else escaped(f"{part.score:g}")
        return Cell(f'<td class="number {kind}">{text}</td>')

    known = {learner.id: learner for learner in everyone}
    scores = [row.score for row in report.rows if row.score is not None]
    best = report.rows[0].max_score if report.rows else 0.0
    middle = statistics.median(scores) if scores else 0.0
    functions = functions_of(everyone)
    name = escaped(report.assignment)
    unprotected = sum(not state.get("sandbox", True) for state in report.results.values())
    late = [learner for learner in everyone if learner.late]
    by_hand = [
        [
            person(learner, part.function),
            part.function,
            part.by_hand,
            "none" if part.tested is None else part.tested,
            "look again: the code has changed since" if part.look_again else "",
        ]
        for learner in everyone
        for part in learner.parts.values()
        if part.by_hand is not None
    ]
    sections = [
        f"<h1>{name}: {len(report.rows)} learners</h1>",
        f"<p>{len(scores)} have a score, {len(report.gaps)} have none. "
        f"Median {middle:g} of {best:g}.</p>",
        "" if report.whole else "<p>Only learners whom <code>--student</code> named.</p>",
        f"<p>{unprotected} graded without a sandbox.</p>" if unprotected else "",
        "<h2>Scores</h2>",
        histogram(scores, best),
        "<h2>Hardest parts</h2>",
        table(
            ["function", "mean share in %", "full marks", "graded"],
            [[part, round(100 * share, 1), full, n] for part, share, full, n in hardest(everyone)],
        ),
        "<h2>Named mistakes</h2>",
        table(
            ["learners", "mistake", "who"],
            [
                [len(found), mistake, people(found, mistake.partition(":")[0])]
                for mistake, found in tally.who_made(everyone)
            ],
        ),
        "<h2>Submissions that hit limits</h2>",
        table(
            ["learner", "limit"],
            [[person(known[r.student]), functions_in(r.limits)] for r in report.rows if r.limits],
        ),
        "<h2>Marks set by hand</h2>",
        table(["learner", "function", "mark", "tests", ""], by_hand),
        "<h2>Late</h2>",
        table(
            ["learner", "handed in", "late by", "points less"],
            [[person(who), who.handed_in, who.late, who.penalty] for who in late],
        ),
        "<h2>Identical code</h2>",
        "<p>A hint and no more: short functions are often alike.</p>",
        table(
            ["learner", "learner", "functions"],
            [
                [person(known[one], same[0]), person(known[other], same[0]), ", ".join(same)]
                for one, other, same in tally.alike(everyone)[:50]
            ],
        ),
        "<h2>No score</h2>",
        table(
            ["learner", "reason", "notes"],
            [[person(known[r.student]), r.reason, r.notes] for r in report.gaps],
        ),
        "<h2>Everyone</h2>",
        '<div class="wide" tabindex="0" role="region" aria-label="Learners and functions">',
        table(
            ["learner", "score", *functions, "status", "late", "notes"],
            [
                [person(who), "" if who.row.score is None else who.row.score]
                + [cell(who, function) for function in functions]
                + [who.row.status, who.late, who.row.notes]
                for who in everyone
            ],
        ),
        "</div>",
        "<h2>Over time</h2>",
        table(
            ["graded", "chapter", "learners", "with a score", "median", "mean", "of"],
            [list(moment) for moment in history],
        ),
    ]
    return document(name, "".join(sections))


def functions_in(limits: str) -> str:
    """Name functions in the place of their tests."""
    return "; ".join(tally.function_of(entry) for entry in limits.split("; "))


# --- a learner's page ------------------------------------------------------------


def person_page(assignment: str, learner: Learner) -> str:
    """Make the page of a learner's code, part by part."""
    title = escaped(f"{assignment}: {learner.name or learner.id}")
    sections = [f"<h1>{title}</h1>", f"<p>{escaped(learner.id)}, {learner.row.score:g} points.</p>"]
    for part in learner.parts.values():
        sections += _part(part)
    return document(title, "".join(sections))


def _part(part: Part) -> list[str]:
    name = escaped(part.function)
    hand = "" if part.by_hand is None else ", set by hand"
    return [
        f'<h2 id="{name}">{name}: {part.score:g} of {part.points:g}{hand}</h2>',
        f"<pre>{escaped(part.words.strip())}</pre>" if part.words.strip() else "",
        f"<pre>{escaped(part.code)}</pre>" if part.written else "<p>Not written.</p>",
    ]


def document(title: str, body: str) -> str:
    """Make a page that asks for nothing from elsewhere."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
