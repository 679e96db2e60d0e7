"""The instructor's page."""

import csv
import dataclasses
import html
from html.parser import HTMLParser
from pathlib import Path

import course as small

from grading import batch, summary, tally


def text_of(page: str) -> str:
    class Text(HTMLParser):
        words = ""

        def handle_data(self, data: str) -> None:
            self.words += data + " "

    reader = Text()
    reader.feed(page)
    return " ".join(reader.words.split())


COPIED = "def {0}(x):\n    # my own idea\n    y = x\n    z = y\n    return {1}\n"


def test_the_page_says_what_was_hard_and_who_did_what(course: Path, tmp_path: Path) -> None:
    release = small.released(course)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("\nc.Isolate.call_seconds = 2\n")
    loop = "def total(xs):\n    while True: pass\n"
    copied = {"double": COPIED.format("double", "2 * z"), "last": COPIED.format("last", "z[0], 1")}
    small.submit(course, "ada", small.answer(release))
    small.submit(course, "bob", small.answer(release, double="def double(x): return None\n"))
    small.submit(course, "cyd", small.answer(release, double=loop, total=loop))
    small.submit(course, "<b>dee", b"{")
    small.submit(course, "eve", small.answer(release, **copied))
    small.submit(course, "fay", small.answer(release, **copied))
    path = small.submit(course, "gus", small.answer(release)).with_name("timestamp.txt")
    path.write_text("2030-01-03 04:05 UTC")
    made = batch.Course(course)
    with made.gradebook() as gradebook:
        gradebook.add_student("bob", first_name="Bob", last_name="Ohm")
        gradebook.update_or_create_assignment(small.NAME, duedate="2030-01-01 00:00 UTC")
    report = batch.grade(made, small.NAME, jobs=1)
    written = summary.write(report, made, tmp_path / "page.html")
    page = written.read_text()
    text = text_of(page)
    assert "7 learners" in text
    assert "6 have a score, 1 have none. Median 6 of 9." in text
    assert "double 66.7 4 6" in text
    assert "total 83.3 5 6" in text
    assert "cyd total: timeout" in text
    assert "<b>dee" not in page
    assert "&lt;b&gt;dee" in page
    assert "Learners by score: 0 from 0 to &lt; 1, 0 from 1 to &lt; 2, 0 from 2 to &lt; 3" in page
    assert "gus 2030-01-03 04:05 UTC 2 d 4 h 5 min 0" in text
    identical = text.partition("Identical code")[2].partition("No score")[0]
    assert "eve fay double, last" in identical
    assert "ada" not in identical
    assert 'href="page/bob.html#double">0</a>' in page
    assert "Ohm, Bob (bob)" in text
    assert "return None" in (tmp_path / "page" / "bob.html").read_text()
    with (tmp_path / "page-parts.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["bob"]["name"] == "Ohm, Bob"
    assert [rows["bob"][k] for k in ("double", "total", "last", "score")] == ["0", "3", "3", "6"]
    assert rows["gus"]["late"] == "2 d 4 h 5 min"


def test_the_median_of_an_even_class_lies_between() -> None:
    rows = [batch.Row(name, "graded", score, 40.0) for name, score in (("a", 29.0), ("b", 32.0))]
    page = summary.page(batch.Report(small.NAME, rows), people(rows))
    assert "Median 30.5 of 40." in text_of(page)


def test_named_mistakes_are_counted_once_a_learner_and_say_whose() -> None:
    rows = [batch.Row(name, "graded", 1.0, 9.0) for name in "abc"]
    everyone = people(rows, a=("f: W is transposed",), b=("f: W is transposed", "g: <i>sum</i>"))
    page = summary.page(batch.Report(small.NAME, rows), everyone)
    assert "2 f: W is transposed a ; b 1 g: <i>sum</i> b" in text_of(page)


def people(rows: list[batch.Row], **mistakes: tuple[str, ...]) -> list[tally.Learner]:
    part = tally.Part("f", 1.0, 9.0)
    return [
        tally.Learner(r.student, "", r, {"f": part}, mistakes=mistakes.get(r.student, ()))
        for r in rows
    ]


def test_a_score_is_counted_in_one_bar_and_the_best_in_the_last() -> None:
    drawn = html.unescape(summary.histogram([10.0, 10.0, 0.0, 5.0, 5.5], 10.0))
    assert "1 from 0 to < 1, 0 from 1 to < 2" in drawn
    assert "2 from 5 to < 6" in drawn
    assert "2 from 9 to 10" in drawn
    assert "0 from 36 to 37" in html.unescape(summary.histogram([], 37.0))
    assert "<svg" in summary.histogram([], 0.0)


def test_the_history_grows_where_the_class_has_changed(tmp_path: Path) -> None:
    def report(*scores: float) -> batch.Report:
        return batch.Report(small.NAME, [batch.Row("a", "graded", s, 40.0) for s in scores])

    for scores in ((20.0,), (20.0,), (20.0, 31.0)):
        history = tally.remember(tmp_path, report(*scores))
    part = dataclasses.replace(report(40.0), whole=False)
    assert tally.remember(tmp_path, part) == history
    assert [(m.learners, m.median) for m in history] == [(1, "20"), (2, "25.5")]


def test_code_is_alike_only_in_what_learners_wrote_and_few_have_in_common() -> None:
    row = batch.Row("a", "graded", 1.0, 9.0)
    long = "def f(x):\n    a = 1\n    b = 2\n    return x\n"

    def learner(name: str, written: bool = True, **code: str) -> tally.Learner:
        parts = {k: tally.Part(k, 1, 1, code=c, written=written) for k, c in code.items()}
        return tally.Learner(name, "", row, parts)

    two = {"f": long, "g": long}
    assert tally.alike([learner("a", **two), learner("b", **two)]) == [("a", "b", ["f", "g"])]
    blanks = {"f": long.replace("\n", "  \n\n"), "g": long}
    assert tally.alike([learner("a", **two), learner("b", **blanks)])
    assert not tally.alike([learner("a", f=long), learner("b", f=long)])
    assert not tally.alike([learner("a", False, **two), learner("b", False, **two)])
    assert not tally.alike([learner(str(k), **two) for k in range(11)])
    short = {"f": "def f(x):\n    return x", "g": "def g(x):\n    return x"}
    assert not tally.alike([learner("a", **short), learner("b", **short)])
