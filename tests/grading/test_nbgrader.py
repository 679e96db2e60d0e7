"""Through nbgrader's own commands: isolated without anyone asking, and shown without secrets."""

import json
import os
import re
import shutil
from pathlib import Path

import course as small
import nbformat
import pytest
from nbgrader.api import Gradebook

from grading import batch, feedback
from grading import course as courses

SCRIPT = "<script>alert('taken')</script>"


def scores(root: Path) -> dict[str, tuple[float, bool]]:
    with batch.Course(root).gradebook() as gradebook:
        return {
            s.student_id: (s.notebooks[0].score, s.notebooks[0].needs_manual_grade)
            for s in gradebook.assignment_submissions(small.NAME)
        }


def hand_in(root: Path) -> None:
    release = small.released(root)
    small.submit(root, "right", small.answer(release))
    shown = (
        "from IPython.display import HTML, Markdown\n"
        f"display(HTML({SCRIPT!r}), Markdown({SCRIPT!r}))\nprint({SCRIPT!r})\n1 / 0 # {SCRIPT}"
    )
    cheat = "np.testing.assert_equal = lambda *a: None"
    notebook = small.insert(small.answer(release, last="def last(x): return 0\n"), shown)
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": SCRIPT})
    small.submit(root, "cheat", small.insert(notebook, cheat))
    small.submit(root, "broken", b"{")
    small.submit(root, "other-name", small.answer(release), "mine")
    path = small.submit(root, "link", small.answer(release))
    os.symlink("/dev/zero", path.parent / "data")
    folder = small.submit(root, "extra", small.answer(release)).parent
    (folder / "large.bin").write_bytes(b"x" * 1000)


def autograde(root: Path, *options: str) -> int:
    """Run ``nbgrader autograde`` and return its exit status."""
    try:
        small.run_nbgrader(root, "autograde", small.NAME, *options)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_autograde_feedback_and_export(course: Path) -> None:
    hand_in(course)
    assert autograde(course) == 1
    assert scores(course) == {
        "right": (9.0, False),
        "cheat": (6.0, False),
        "broken": (0.0, True),
        "other-name": (9.0, False),
        "link": (0.0, True),
        "extra": (9.0, False),
    }
    for student in ("link", "extra"):
        kept = sorted(os.listdir(course / "autograded" / student / "tiny"))
        assert kept == ["submission_secret.txt", "timestamp.txt", "tiny.ipynb"]
    for path in (course / "autograded").rglob("*.ipynb"):
        nbformat.validate(nbformat.read(path, 4))
        assert "SECRET_NUMBERS" not in path.read_text()
    by_nbgrader = {
        path.parent.parent.name: shape(path) for path in (course / "autograded").rglob("*.ipynb")
    }

    small.run_nbgrader(course, "generate_feedback", small.NAME)
    for path in (course / "feedback").rglob("*.html"):
        page = path.read_text()
        assert "SECRET_NUMBERS" not in page
        assert "assert_equal(last" not in page
        assert SCRIPT not in page
    assert "random numbers" not in (course / "feedback/right/tiny/tiny.html").read_text()
    assert (
        "test_last: a test of this part failed"
        in (course / "feedback/cheat/tiny/tiny.html").read_text()
    )
    refused_page = (course / "feedback/broken/tiny/tiny.html").read_text()
    assert "Not graded: not JSON" in refused_page
    assert "NotImplementedError" not in refused_page

    refused = json.loads((course / "autograded/broken/tiny/tiny.ipynb").read_text())
    assert refused["cells"][0]["source"].startswith("**Not graded: not JSON: your file is cut off")

    small.run_nbgrader(course, "export")
    text = (course / "grades.csv").read_text()
    assert "right" in text
    assert ",9.0,9.0" in text.replace(" ", "")

    report = batch.grade(batch.Course(course), small.NAME, jobs=1, force=True)
    assert {r.student: r.score for r in report.rows if not r.gap} == {
        "right": 9.0,
        "cheat": 6.0,
        "other-name": 9.0,
        "extra": 9.0,
    }
    for student, before in by_nbgrader.items():
        path = course / "autograded" / student / "tiny" / "tiny.ipynb"
        nbformat.validate(nbformat.read(path, 4))
        assert shape(path) == before


def test_autograde_fails_where_someone_has_no_score_and_tries_again(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = small.released(course)
    small.submit(course, "broken", b"{")
    small.submit(course, "right", small.answer(release))
    assert autograde(course) == 1
    assert "no score: broken: not JSON" in capsys.readouterr().err
    assert scores(course) == {"right": (9.0, False), "broken": (0.0, True)}
    graded = course / "autograded/right/tiny/tiny.ipynb"
    before = graded.stat().st_mtime_ns
    assert autograde(course) == 1
    assert autograde(course, "--student=right") == 0
    small.submit(course, "broken", small.answer(release))
    assert autograde(course) == 0
    assert scores(course)["broken"] == (9.0, False)
    assert graded.stat().st_mtime_ns == before
    assert autograde(course) == 0


def test_only_a_secret_that_nbgrader_made_names_the_feedback(tmp_path: Path) -> None:
    made = "0f" * 64
    (tmp_path / courses.SECRET).write_text(made)
    kept = courses.exchange_files(tmp_path, "2030-01-01 00:00:00 UTC")
    assert kept == {"timestamp.txt": "2030-01-01 00:00:00 UTC", courses.SECRET: made}
    empty = tmp_path / "empty"
    empty.mkdir()
    secrets = [courses.exchange_files(empty, "")[courses.SECRET]]
    for text in ("", "../../etc", made + "\n", "ü" * 64, "0" * 2000):
        (tmp_path / courses.SECRET).write_text(text)
        secrets.append(courses.exchange_files(tmp_path, "")[courses.SECRET])
    (tmp_path / courses.SECRET).write_text(made)
    other = tmp_path.with_name("other")
    other.symlink_to(tmp_path)
    secrets.append(courses.exchange_files(other, "")[courses.SECRET])
    assert len({made, *secrets}) == 1 + len(secrets)
    assert {len(secret) for secret in secrets} == {128}


def test_formgrader_shows_why_there_is_no_score(course: Path) -> None:
    from nbgrader.apps.api import NbGraderAPI

    small.submit(course, "broken", b"")
    made = batch.Course(course)
    with small.inside(course):
        result = NbGraderAPI(made.coursedir, config=made.config).autograde(small.NAME, "broken")
    assert not result["success"]
    assert "no score: broken: the file is empty" in result["log"] + str(result.get("error"))


def test_markup_is_only_text_where_formgrader_shows_it(course: Path) -> None:
    from nbconvert.exporters import HTMLExporter

    hand_in(course)
    batch.grade(batch.Course(course), small.NAME, jobs=1)
    exporter = HTMLExporter(template_name="classic")  # formgrader's template extends it
    page, _ = exporter.from_filename(str(course / "autograded/cheat/tiny/tiny.ipynb"))
    assert SCRIPT not in page
    assert "&lt;script&gt;alert" in page
    assert "SECRET_NUMBERS" not in page


def test_nbgrader_refuses_without_bubblewrap(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.submit(course, "right", small.answer(small.released(course)))
    small.submit(course, "broken", b"{")
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *a: None if name == "bwrap" else which(name))
    with pytest.raises(SystemExit):
        small.run_nbgrader(course, "autograde", small.NAME)
    assert "apt-get install bubblewrap" in capsys.readouterr().err
    assert scores(course) == {}
    assert not list((course / "autograded").rglob("*.ipynb"))
    assert autograde(course, "--Isolate.sandbox=False") == 1  # for those who cannot be graded
    assert scores(course)["right"] == (9.0, False)
    page = (course / "autograded/right/tiny/tiny.ipynb").read_text()
    assert "Graded without a sandbox" in page


def shape(path: Path) -> list[object]:
    """Return what must not depend on who graded: cells, and the outputs of tests."""
    cells = json.loads(path.read_text())["cells"]
    return [
        (
            "".join(c["source"]),
            c["metadata"],
            [
                "".join(o.get("text", "")) + "".join(o.get("data", {}).get("text/plain", ""))
                for o in c.get("outputs", [])
            ],
        )
        for c in cells
    ]


def test_the_formgraders_button_is_isolated(course: Path) -> None:
    from nbgrader.apps.api import NbGraderAPI

    release = small.released(course)
    spy = "import os\nprint('PARENT', os.getppid(), os.path.exists('/course/files/data.csv'))"
    small.submit(course, "one", small.insert(small.answer(release), spy))
    made = batch.Course(course)
    with small.inside(course):
        api = NbGraderAPI(made.coursedir, config=made.config)
        result = api.autograde(small.NAME, "one")
    assert result["success"], result
    assert scores(course) == {"one": (9.0, False)}
    assert "PARENT 0 True" in (course / "autograded/one/tiny/tiny.ipynb").read_text()


def test_the_table_of_feedback_has_what_was_lost_and_no_more() -> None:
    said = "f: 2 of 4 points\n  2 of 2  random sizes\n  0 of 2  padding: h: not a number\n"
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("stream", text=said)])
    cell.metadata.nbgrader = {"grade_id": "test_f", "grade": True, "score": 2, "points": 4}
    made = feedback.page(
        nbformat.v4.new_notebook(cells=[cell]), {"notebook": "n", "score": 2, "max_score": 4}
    )
    table = made.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "<td>0 of 2  padding: h: not a number</td>" in table


def test_feedback_begins_with_a_table_and_asks_for_nothing(course: Path) -> None:
    long = "x = '" + "y" * 300 + "'\n"
    notebook = small.answer(
        small.released(course), double=long + "def double(x):\n    return x\n", total=None
    )
    notebook = small.insert(notebook, "print('<script>alert(1)</script>')")
    small.submit(course, "one", notebook)
    assert autograde(course) == 0
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        grade = gradebook.find_grade("test_total", small.NAME, small.NAME, "one")
        grade.manual_score = 2
        comment = gradebook.find_comment("double", small.NAME, small.NAME, "one")
        comment.manual_comment = "Mind the <i>factor</i>."
        gradebook.db.commit()
    small.run_nbgrader(course, "generate_feedback", small.NAME)
    page = (course / "feedback/one/tiny/tiny.html").read_text()
    assert "<h1>tiny: 6 of 9 points</h1>" in page
    table = page.partition("<table>")[2].partition("</table>")[0]
    rows = [re.sub("<[^>]*>", "|", row) for row in table.split("<tr>")[2:]]
    assert [re.sub(r"\|+", "|", row).split("|")[1:4] for row in rows] == [
        ["double", "1 of 3", "random numbers: not right"],
        ["total", "2 of 3", "a person has set this mark; the tests had given 0"],
        ["last", "3 of 3", "✓ right"],
    ]
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert "Mind the &lt;i&gt;factor&lt;/i&gt;." in page
    assert "y" * 300 in page
    assert "pre-wrap" in page


def test_feedback_on_a_notebook_that_stock_nbgrader_graded_shows_no_tests(course: Path) -> None:
    path = course / "autograded" / "old" / small.NAME
    path.mkdir(parents=True)
    notebook = small.answer(small.source_notebook())
    cell = small.find(notebook, "test_double")
    secret = "line 3: SECRET_NUMBERS"
    cell["outputs"] = [
        {"output_type": "error", "ename": "E", "evalue": "SECRET_1", "traceback": [secret]}
    ]
    (path / "tiny.ipynb").write_text(json.dumps(notebook))
    with Gradebook(f"sqlite:///{course}/gradebook.db", "recurrent-networks") as gradebook:
        gradebook.add_student("old")
        gradebook.add_submission(small.NAME, "old")
    small.run_nbgrader(course, "generate_feedback", small.NAME)
    page = (course / "feedback/old/tiny/tiny.html").read_text()
    assert "SECRET" not in page
    assert "test_double" in page


def test_zip_collect_unpacks_with_limits(course: Path, tmp_path: Path) -> None:
    import zipfile

    downloaded = course / "downloaded" / small.NAME / "archive"
    downloaded.mkdir(parents=True)
    notebook = json.dumps(small.answer(small.released(course)))
    with zipfile.ZipFile(downloaded / "class.zip", "w") as archive:
        archive.writestr("ada_tiny.ipynb", notebook)
        archive.writestr("../../../escaped_tiny.ipynb", notebook)
    with (course / "nbgrader_config.py").open("a") as file:
        pattern = r".*/(?P<student_id>\w+)_(?P<file_id>tiny)"
        file.write(f"\nc.FileNameCollectorPlugin.named_regexp = {pattern!r}\n")
    with pytest.raises(SystemExit):  # as one was skipped
        small.run_nbgrader(course, "zip_collect", small.NAME, "--force")
    assert os.listdir(course / "submitted") == ["ada"]
    assert not list(tmp_path.rglob("escaped*"))
    report = batch.grade(batch.Course(course), small.NAME, jobs=1)
    assert [(r.student, r.score) for r in report.rows] == [("ada", 9.0)]


@pytest.mark.parametrize("text", ["not a time", "\0", "9" * 300])
def test_a_bad_timestamp_is_refused(course: Path, text: str) -> None:
    path = small.submit(course, "one", small.answer(small.released(course)))
    (path.parent / "timestamp.txt").write_text(text)
    (row,) = batch.grade(batch.Course(course), small.NAME, jobs=1).rows
    assert row.status == "refused"
    assert "timestamp.txt" in row.reason
