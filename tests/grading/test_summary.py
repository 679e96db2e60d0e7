"""The instructor's page."""

from html.parser import HTMLParser
from pathlib import Path

import course as small

from grading import batch, summary


def text_of(page: str) -> str:
    class Text(HTMLParser):
        words = ""

        def handle_data(self, data: str) -> None:
            self.words += data + " "

    reader = Text()
    reader.feed(page)
    return " ".join(reader.words.split())


def test_the_page_says_what_was_hard_and_who_hit_limits(course: Path, tmp_path: Path) -> None:
    release = small.released(course)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("\nc.Isolate.call_seconds = 2\n")
    small.submit(course, "ada", small.answer(release))
    small.submit(course, "bob", small.answer(release, double="def double(x): return None\n"))
    loop = "def total(xs):\n    while True: pass\n"
    small.submit(course, "cyd", small.answer(release, double=loop, total=loop))
    small.submit(course, "<b>dee", b"{")
    made = batch.Course(course)
    report = batch.grade(made, small.NAME, jobs=1)
    page = summary.write(report, made, tmp_path / "page.html").read_text()
    text = text_of(page)
    assert "4 learners" in text
    assert "3 have a score, 1 have none. Median 6 of 9." in text
    assert "test_double 33.3 1 3 test_total 66.7 2 3 test_last 100 3 3" in text
    assert "cyd test_total: timeout" in text
    assert "<b>dee" not in page
    assert "&lt;b&gt;dee" in page
    assert 'aria-label="Learners by score: 0 from 0, 0 from 0.9, 0 from 1.8, 1 from 2.7' in page


def test_named_mistakes_are_counted_once_a_learner(course: Path) -> None:
    made = batch.Course(course)
    rows = [batch.Row(name, "graded", 1.0, 9.0) for name in "abc"]
    states = {
        "a": {"mistakes": ["f: W is transposed", "f: W is transposed"]},
        "b": {"mistakes": ["f: W is transposed", "g: <i>sum</i>"]},
        "c": {},
    }
    page = summary.page(batch.Report(small.NAME, rows, states), [])
    assert "2 f: W is transposed 1 g: <i>sum</i>" in text_of(page)
    assert made.root == course.resolve()


def test_a_histogram_counts_the_best_score_in_the_last_bar() -> None:
    drawn = summary.histogram([10.0, 10.0, 0.0, 5.0], 10.0)
    assert "1 from 0, 0 from 1" in drawn
    assert "1 from 5" in drawn
    assert "2 from 9" in drawn
    assert "<svg" in summary.histogram([], 0.0)
