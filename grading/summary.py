"""One page about a class: how scores spread, what was hard, which mistakes, which limits."""

import html
from collections import Counter
from pathlib import Path
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: CanvasText; background: Canvas; color-scheme: light dark; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid GrayText; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; } svg text { fill: CanvasText; font-size: 12px; }
svg rect { fill: #3b6ea8; }
"""


def write(report: Any, course: Any, path: Path) -> Path:
    """Write the page and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with course.gradebook() as gradebook:
        parts = hardest(gradebook, report)
        marks = by_hand(gradebook, report)
    path.write_text(page(report, parts, marks), encoding="utf-8")
    return path


def hardest(gradebook: Any, report: Any) -> list[tuple[str, float, int, int]]:
    """List graded cells, hardest first: name, mean share of the points, full marks, graded."""
    scored = {row.student for row in report.rows if not row.gap}
    shares: dict[str, list[float]] = {}
    for entry in gradebook.assignment_submissions(report.assignment):
        if entry.student_id not in scored:
            continue
        for notebook in entry.notebooks:
            for grade in notebook.grades:
                if grade.max_score:
                    shares.setdefault(grade.name, []).append(grade.score / grade.max_score)
    table = [
        (name, sum(values) / len(values), sum(v == 1 for v in values), len(values))
        for name, values in shares.items()
    ]
    return sorted(table, key=lambda item: item[1])


def by_hand(gradebook: Any, report: Any) -> list[list[Any]]:
    """List marks that a person set: learner, part, mark, what the tests gave, and a note."""
    found = []
    students = {row.student for row in report.rows}
    for entry in gradebook.assignment_submissions(report.assignment):
        for grade in (g for notebook in entry.notebooks for g in notebook.grades):
            if grade.manual_score is not None and entry.student_id in students:
                note = "look again: the code has changed since" if grade.needs_manual_grade else ""
                tested = "none" if grade.auto_score is None else grade.auto_score
                found.append([entry.student_id, grade.name, grade.manual_score, tested, note])
    return sorted(found, key=lambda row: (row[0], row[1]))


def histogram(scores: list[float], best: float, bins: int = 10) -> str:
    """Draw how scores spread, as SVG."""
    counts = [0] * bins
    for score in scores:
        counts[min(int(bins * score / best), bins - 1) if best else 0] += 1
    most = max(counts, default=0) or 1
    bars = []
    for k, count in enumerate(counts):
        height = 120 * count / most
        low, high = best * k / bins, best * (k + 1) / bins
        bars.append(
            f'<rect x="{50 * k + 5}" y="{140 - height:.1f}" width="40" height="{height:.1f}"/>'
            f'<text x="{50 * k + 25}" y="{134 - height:.1f}" text-anchor="middle">{count}</text>'
            f'<text x="{50 * k + 25}" y="156" text-anchor="middle">{low:g}–{high:g}</text>'
        )
    words = ", ".join(f"{count} from {best * k / bins:g}" for k, count in enumerate(counts))
    return (
        f'<svg viewBox="0 0 {50 * bins} 165" role="img" aria-label="Learners by score: {words}">'
        + "".join(bars)
        + "</svg>"
    )


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Make an HTML table; everything in it is escaped."""
    if not rows:
        return "<p>None.</p>"

    def cells(tag: str, values: list[Any]) -> str:
        made = ""
        for value in values:
            number = isinstance(value, (int, float))
            text = f"{value:g}" if number else html.escape(str(value))
            made += f'<{tag} class="number">{text}</{tag}>' if number else f"<{tag}>{text}</{tag}>"
        return f"<tr>{made}</tr>"

    return f"<table>{cells('th', head)}{''.join(cells('td', row) for row in rows)}</table>"


def page(
    report: Any, parts: list[tuple[str, float, int, int]], marks: list[list[Any]] | None = None
) -> str:
    """Make the page."""
    scores = [row.score for row in report.rows if row.score is not None]
    best = report.rows[0].max_score if report.rows else 0.0
    mistakes: Counter[str] = Counter()
    for state in report.results.values():
        mistakes.update(set(state.get("mistakes", [])))
    middle = sorted(scores)[len(scores) // 2] if scores else 0.0
    name = html.escape(report.assignment)
    unprotected = sum(not state.get("sandbox", True) for state in report.results.values())
    sections = [
        f"<h1>{name}: {len(report.rows)} learners</h1>",
        f"<p>{len(scores)} have a score, {len(report.gaps)} have none. "
        f"Median {middle:g} of {best:g}.</p>",
        f"<p>{unprotected} graded without a sandbox.</p>" if unprotected else "",
        "<h2>Scores</h2>",
        histogram(scores, best),
        "<h2>Hardest parts</h2>",
        table(
            ["part", "mean share in %", "full marks", "graded"],
            [[part, round(100 * share, 1), full, count] for part, share, full, count in parts],
        ),
        "<h2>Most frequent named mistakes</h2>",
        table(["learners", "mistake"], [[n, text] for text, n in mistakes.most_common(20)]),
        "<h2>Submissions that hit limits</h2>",
        table(["learner", "limit"], [[r.student, r.limits] for r in report.rows if r.limits]),
        "<h2>Marks set by hand</h2>",
        table(["learner", "part", "mark", "tests", ""], marks or []),
        "<h2>No score</h2>",
        table(
            ["learner", "reason", "notes"], [[r.student, r.reason, r.notes] for r in report.gaps]
        ),
        "<h2>Everyone</h2>",
        table(
            ["learner", "score", "status", "notes"],
            [
                [r.student, "" if r.score is None else r.score, r.status, r.notes]
                for r in report.rows
            ],
        ),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )
