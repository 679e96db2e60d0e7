"""The page that a learner gets back: first one table, then the learner's code, part by part.

It is plain HTML that asks for nothing from elsewhere and cuts no line. The chapter's own
texts are not repeated: the learner has them.
"""

import html
import re
from typing import Any

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades

from grading.intake import mark
from grading.tally import function_of

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: CanvasText; background: Canvas; color-scheme: light dark; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem;
  border-bottom: 1px solid GrayText; }
thead th { white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem; margin: .25rem 0; }
pre.code { border: 1px solid GrayText; }
img { max-width: 100%; height: auto; }
@media print { pre { break-inside: avoid; } }
"""
RIGHT = "✓ right"
LINES = 3
"""Lines of what the tests said that the table has; the part has all."""


class Marks(GetGrades):
    """Takes marks from the gradebook, and with them what the tests gave where a person changed it.

    A mark that was changed stands beside what the tests said, and would contradict it.
    """

    def _get_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(
            cell.metadata["nbgrader"]["grade_id"],
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        if grade.manual_score is not None or grade.extra_credit:
            cell.metadata.nbgrader["tested"] = grade.auto_score
            cell.metadata.nbgrader["by_hand"] = True


class Page(Exporter):
    """Writes the page of a graded notebook that has its marks."""

    export_from_notebook = "Feedback"

    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: Any = None, **kwargs: Any
    ) -> tuple[str, Any]:
        """Make the page."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        return page(nb, resources["nbgrader"]), resources


def page(nb: NotebookNode, about: Any) -> str:
    """Make the page from a notebook whose cells have marks, and what nbgrader says of it."""
    title = html.escape(str(about["notebook"]))
    reason = nb.metadata.get("grading", {}).get("reason", "")
    tests = [cell for cell in nb.cells if mark(cell).get("grade")]
    rows = "".join(_row(cell) for cell in tests)
    late = about.get("late_penalty") or 0
    score = max(0.0, about["score"])
    sections = [
        f"<h1>{title}: {score:g} of {about['max_score']:g} points</h1>",
        f"<p><strong>Not graded: {html.escape(reason)}.</strong></p>" if reason else "",
        f"<p>Handed in late: {late:g} points less.</p>" if late else "",
        "<table><thead><tr><th scope='col'>function</th><th scope='col'>points</th>"
        f"<th scope='col'>what to look at</th></tr></thead><tbody>{rows}</tbody></table>",
        # Of what could not be read there is no code to show.
        *([] if reason else _body(nb)),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _row(cell: NotebookNode) -> str:
    data = mark(cell)
    name, anchor = html.escape(function_of(data["grade_id"])), html.escape(data["grade_id"])
    score, points = data.get("score") or 0.0, data.get("points") or 0.0
    lines = [line.strip() for line in _words(cell).splitlines() if not _is_earned(line)]
    if data.get("by_hand"):
        words = html.escape(_changed(data))
    elif score == points:
        words = RIGHT
    else:
        more = [f"… and {len(lines) - LINES} lines more below"] if len(lines) > LINES else []
        words = "<br>".join(html.escape(line) for line in [*lines[:LINES], *more])
    return (
        f'<tr><th scope="row"><a href="#{anchor}">{name}</a></th>'
        f'<td class="number">{score:g} of {points:g}</td><td>{words}</td></tr>'
    )


def _is_earned(line: str) -> bool:
    """Tell whether a line says what was earned in all, or in a part that was earned."""
    match = re.match(r"\s*(?:\S+: (\S+) of (\S+) points$|(\S+) of (\S+)  )", line)
    return match is not None and (match[1] is not None or match[3] == match[4])


def _changed(data: Any) -> str:
    tested = data.get("tested")
    before = "" if tested is None else f"; the tests had given {tested:g}"
    return f"a person has set this mark{before}"


def _words(cell: NotebookNode) -> str:
    """Return what a test said; its value is the mark and stands elsewhere."""
    said = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            said.append(output.text)
        elif output.output_type == "error":
            shown = output.evalue if output.ename in ("NotGraded", "CourseError") else output.ename
            said.append(f"{shown}\n")
    return "".join(said).strip()


def _body(nb: NotebookNode) -> list[str]:
    """Write the learner's cells and what the tests said of them."""
    made = []
    for cell in nb.cells:
        data = mark(cell)
        comment = data.get("comment")
        if data.get("grade") and not data.get("solution"):
            words = _words(cell)
            anchor = html.escape(data["grade_id"])
            made.append(f'<h3 id="{anchor}">Tests of {html.escape(function_of(anchor))}</h3>')
            made.append(f"<pre>{html.escape(words)}</pre>" if words else f"<p>{RIGHT}</p>")
            if data.get("by_hand"):
                made.append(f"<p>{html.escape(_changed(data))}.</p>")
        elif data.get("solution"):
            anchor = f' id="{html.escape(data["grade_id"])}"'
            made.append(f"<h2{anchor}>{html.escape(data['grade_id'])}</h2>")
            made += _cell(cell)
        elif not data and cell.cell_type == "code" and cell.source.strip():
            made.append("<h2>A cell of your own</h2>")
            made += _cell(cell)
        if comment:
            lines = "<br>".join(html.escape(comment).splitlines())
            made.append(f"<p><strong>Comment:</strong> {lines}</p>")
    return made


def _cell(cell: NotebookNode) -> list[str]:
    made = [f'<pre class="code">{html.escape(cell.source)}</pre>']
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            made.append(f"<pre>{html.escape(output.text)}</pre>")
        elif output.output_type == "error":
            lines = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
            made.append(f"<pre>{html.escape(lines)}</pre>")
        else:
            picture = output.get("data", {}).get("image/png")
            text = html.escape(str(output.get("data", {}).get("text/plain", "")))
            if picture:
                source = html.escape("".join(str(picture).split()))
                made.append(f'<img alt="{text}" src="data:image/png;base64,{source}">')
            elif text:
                made.append(f"<pre>{text}</pre>")
    return made
