"""What learners get: made from the sources, complete, without answers, fairly marked."""

import functools
import html
import json
import re
import subprocess
import zipfile

import nbformat
import pytest

from authoring import exercises as generator
from authoring import learner_zip, sources
from grading import hidden

CHAPTERS = sources.available()
FUNCTIONS = [(slug, exercise.name) for slug in CHAPTERS for exercise in sources.exercises(slug)]
HTML = sources.ROOT / "_build" / "html"
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN", "END HIDDEN")


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Parse each source once, not for each of its functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "read", functools.cache(sources.read))
        yield


def exercise(slug, name):
    (found,) = (e for e in sources.exercises(slug) if e.name == name)
    return found


def lines_between(source, begin, end):
    inside, kept = False, []
    for line in source.splitlines():
        if end in line:
            inside = False
        if inside:
            kept.append(line.strip())
        if begin in line:
            inside = True
    return kept


def telling(lines):
    """Leave out lines that say nothing alone: short ones, imports, loops, shapes."""
    return {
        line
        for line in lines
        if len(line) >= 16
        and not line.startswith(("import ", "from ", "#", "def ", "return {", "for "))
        and not re.fullmatch(r"[\w, ]+( = \w+\.shape)?", line)
    }


def solution_lines(slug, backward_only=False):
    return {
        line
        for e in sources.exercises(slug)
        if "backward" in e.name or not backward_only
        for line in telling(lines_between(e.solution, "### BEGIN SOLUTION", "### END SOLUTION"))
    }


def hidden_lines(slug):
    """List the telling lines of what the hidden tests are made of."""
    files = hidden.read(sources.source_directory(slug)).values()
    return telling(line.strip() for text in files for line in text.decode().splitlines())


def leaks(text, secrets):
    """List the secret lines that stand in a text, and markers."""
    present = {line.strip() for line in text.splitlines()}
    return sorted(secrets & present) + [marker for marker in MARKERS if marker in text]


def notebook_text(content):
    notebook = nbformat.reads(content, as_version=4)
    texts = [cell.source for cell in notebook.cells]
    texts += [json.dumps(cell.get("outputs", [])) for cell in notebook.cells]
    return "\n".join(texts)


def committed(path):
    """Give the bytes of a file as git has it staged, or on disk where there is no git."""
    shown = subprocess.run(
        ["git", "show", f":{path.relative_to(sources.ROOT).as_posix()}"],
        cwd=sources.ROOT,
        capture_output=True,
        check=False,
    )
    if shown.returncode == 0:
        return shown.stdout
    assert not (sources.ROOT / ".git").exists(), f"{path} is not committed"
    return path.read_bytes()


@pytest.mark.parametrize("slug", CHAPTERS)
def test_regenerating_gives_the_committed_files(slug, tmp_path):
    sources.release(slug, tmp_path)
    made = {path.name: path.read_bytes() for path in (tmp_path / slug).iterdir()}
    assert set(made) == {"checks.json", f"{slug}.ipynb"}
    for name, content in made.items():
        assert content == committed(sources.ROOT / "exercises" / slug / name), name


def test_there_is_nothing_else_under_exercises():
    found = sorted(p.name for p in (sources.ROOT / "exercises").iterdir() if p.name[0] != ".")
    assert found == sorted(CHAPTERS)


@pytest.mark.parametrize("slug", CHAPTERS)
def test_the_scan_finds_what_must_not_be_there(slug):
    text = notebook_text(nbformat.writes(sources.read(slug)))
    secrets = solution_lines(slug)
    assert leaks(text, secrets) == sorted(secrets) + list(MARKERS)
    texts = "\n".join(f.read_text() for f in sources.source_directory(slug).glob("*.py"))
    secrets |= hidden_lines(slug)
    assert len(secrets) > 30
    assert leaks(texts, secrets) == sorted(secrets) + list(MARKERS[:2])


@pytest.mark.parametrize("slug", CHAPTERS)
def test_the_released_notebook_holds_no_answer(slug):
    directory = sources.ROOT / "exercises" / slug
    text = notebook_text((directory / f"{slug}.ipynb").read_text(encoding="utf-8"))
    secrets = solution_lines(slug) | hidden_lines(slug)
    assert leaks(text, secrets) == []
    assert leaks((directory / "checks.json").read_text(encoding="utf-8"), secrets) == []


@pytest.mark.parametrize("slug", CHAPTERS)
def test_the_archive_holds_no_answer(slug, tmp_path):
    archive = tmp_path / f"{slug}.zip"
    learner_zip.build([slug], archive)
    hidden_tests = hidden_lines(slug)
    with zipfile.ZipFile(archive) as opened:
        texts = {name: opened.read(name).decode("utf-8") for name in opened.namelist()}
    for name, text in texts.items():
        if name.endswith(".ipynb"):
            text = notebook_text(text)
            assert leaks(text, solution_lines(slug)) == [], name
        if "/lib/" not in name:
            assert leaks(text, hidden_tests) == [], name
        assert not any(marker in text for marker in MARKERS), name
    library = "\n".join(text for name, text in texts.items() if "/lib/" in name)
    for e in sources.exercises(slug):
        body = telling(lines_between(e.solution, "### BEGIN SOLUTION", "### END SOLUTION"))
        assert not body or leaks(library, body) != sorted(body), (
            f"lib holds the whole solution of {e.name}: it belongs in WITHHOLD"
        )


@pytest.mark.skipif(not HTML.is_dir(), reason="the book is not built")
def test_the_book_holds_no_hidden_test_and_no_backward_solution():
    # a reference may agree with a line of lib, which the book shows
    library = {
        line.strip()
        for path in (sources.ROOT / "lib").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    secrets = set()
    for slug in CHAPTERS:
        secrets |= hidden_lines(slug) - library | solution_lines(slug, backward_only=True)
    for page in HTML.rglob("*"):
        if page.suffix in (".html", ".txt", ".ipynb", ".py", ".md"):
            text = page.read_text(encoding="utf-8")
            if page.suffix == ".html":
                text = html.unescape(re.sub(r"<[^>]*>", "", text))
            assert leaks(text, secrets) == [], page


@pytest.mark.parametrize(("slug", "name"), FUNCTIONS)
def test_points_add_up_and_the_solution_gets_them_all(slug, name):
    points = exercise(slug, name).points
    score, text = sources.run_test(slug, sources.run_solutions(slug)[name])
    assert score == points, text
    assert f"{name}: {points:g} of {points:g} points" in text


@pytest.mark.parametrize(("slug", "name"), FUNCTIONS)
@pytest.mark.parametrize("answer", ["blank", "nothing", "first argument"])
def test_no_answer_gets_no_points(slug, name, answer):
    def learner(**kwargs):
        if answer == "blank":
            raise NotImplementedError
        return None if answer == "nothing" else next(iter(kwargs.values()))

    learner.__name__ = name
    score, text = sources.run_test(slug, learner)
    assert score == 0, text


@pytest.mark.parametrize("slug", CHAPTERS)
def test_generating_again_changes_nothing(slug, tmp_path, monkeypatch):
    monkeypatch.setattr(generator.checks, "write", lambda slug: None)
    monkeypatch.setattr(generator.sources, "convert", lambda slug: None)
    assert generator.generate(slug, tmp_path)
    assert not generator.generate(slug, tmp_path)
