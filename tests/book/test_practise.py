"""Practise pages: what they are made of, and how a learner gets on with one in a browser."""

import contextlib
import copy
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import practise
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from authoring import learner_lib, learner_zip, mutation, sources
from grading import hidden
from grading.assignment import Assignment, read_files
from grading.engine import Grader
from lib.checking import Check
from tools import python_files, sample_class, serve

ROOT = Path(__file__).resolve().parent.parent.parent
AXE = Path(__file__).resolve().parent / "vendor" / "axe.min.js"
SLUG = "lstm"
CHAPTERS = sources.available()
PATIENCE = 120_000

pytestmark = pytest.mark.timeout(900)


# --- without a browser ---------------------------------------------------------------


def cell(kind: str, source: str, name: str, **mark: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": [source]}
    if mark:
        made["metadata"] = {"nbgrader": {"grade_id": name, **mark}}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


TRAINING = """\
from lib import showing

for step in showing.progress(range(40), "steps"):
    if slow:
        for _ in range(10**7):
            pass
showing.curves({"yours": np.array([3.0, 1.0, 0.5])}, xlabel="step", ylabel="loss")
check.all()"""

INVENTED = [
    cell("markdown", "# Chapter 1: An invented notebook\n\nSome words.", "title"),
    cell(
        "code",
        'import numpy as np\n\nfrom lib.checking import Check\n\ncheck = Check("rnn")',
        "setup",
        locked=True,
    ),
    cell(
        "markdown",
        "## 1. Perplexity (2 points)\n\n$$p = e^{l}$$\n\n<details><summary>A hint</summary>\n\n"
        "The *exponential* of $l$.\n\n</details>\n",
        "words",
    ),
    cell(
        "code",
        "def perplexity(loss):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
        "perplexity",
        solution=True,
    ),
    cell(
        "code",
        "# Hidden tests: 2 points.\ncheck(perplexity)",
        "test_perplexity",
        grade=True,
        locked=True,
        points=2,
    ),
    cell("markdown", "Say why.", "why", solution=True, grade=True, points=1),
    cell("markdown", "## What you built\n\nIt trains.", "built"),
    cell("code", "slow = False", "speed"),
    cell("code", TRAINING, "training", locked=True),
]


def write_notebook(path: Path, cells: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "cells": [{**one, "source": one["source"][0].splitlines(keepends=True)} for one in cells],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    return text


def test_each_cell_is_what_its_metadata_say(tmp_path: Path) -> None:
    write_notebook(tmp_path / "rnn.ipynb", INVENTED)
    kinds = [one["kind"] for one in practise.read_cells(tmp_path / "rnn.ipynb")]
    assert kinds == [
        *("words", "given", "words", "solution", "check"),
        *("answer", "words", "free", "given"),
    ]


def test_labels_become_links_and_titles_lose_their_numbers() -> None:
    text = "# Chapter 4: Gates\n\nEquations: lstm-cell, rnn-mask.\n\n## Hand in\n"
    page = practise.page("lstm", [{"kind": "words", "source": text, "id": "a"}])
    assert page.startswith("# Practise: Gates\n")
    assert "Equations: `lstm-cell` {eq}`lstm-cell`, `rnn-mask` {eq}`rnn-mask`." in page


@pytest.mark.parametrize("slug", CHAPTERS)
def test_a_page_speaks_of_what_is_on_it(slug: str) -> None:
    text = practise.page(slug, practise.read_cells(practise.released(slug)))
    elsewhere = r"[^.\n]*(?:\bcells? below\b|nbgrader menu|first code cell|No module named)[^.\n]*"
    assert re.findall(elsewhere, text) == []


@pytest.mark.parametrize("slug", CHAPTERS)
def test_nothing_of_the_instructors_is_in_what_a_page_loads(html: Path, slug: str) -> None:
    folder = html / "_static" / "practise"
    released = (ROOT / "exercises" / slug / f"{slug}.ipynb").read_bytes()
    assert (folder / f"{slug}.ipynb").read_bytes() == released
    texts = {"page": (html / "book" / "practise" / f"{slug}.html").read_text(encoding="utf-8")}
    with zipfile.ZipFile(folder / f"{slug}.zip") as archive:
        texts |= {name: archive.read(name).decode() for name in archive.namelist()}
    place = f"{slug}/{learner_zip.folder_of(slug)}/lib"
    kept = {f"{place}/{name}" for name in learner_lib.files(slug)}
    assert {name for name in texts if "/lib/" in name} == kept
    others = {name.split("/")[-1] for name in set(texts) - kept - {"page"}}
    wanted = {"README.md", "requirements.txt", "LICENSE", "LICENSE-text", "checks.json"}
    assert others == wanted | {f"{slug}.ipynb"}
    marks = ("BEGIN SOLUTION", "BEGIN HIDDEN", "grading.hidden", "hidden.part", "hidden.score")
    for name, text in texts.items():
        assert [mark for mark in marks if mark in text] == [], name
        for exercise in sources.exercises(slug):
            body = exercise.solution.split("### BEGIN SOLUTION\n")[1].split("### END SOLUTION")[0]
            if body.count("\n") > 2:
                assert body.strip() not in text, f"{name}: the solution of {exercise.name}"


def test_each_chapter_links_its_practise_page_and_its_exercises(html: Path) -> None:
    for slug in CHAPTERS:
        page = (html / "book" / f"{slug}.html").read_text(encoding="utf-8")
        assert f'href="practise/{slug}.html"' in page
        assert re.search(rf'class="practise-links".*href="practise/{slug}.html#cell-\w+"', page)


# --- where Python comes from -----------------------------------------------------------


def small(name: str, data: bytes) -> python_files.File:
    return python_files.File(name, len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def two_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    data = {"a.js": b"one", "b.wasm": b"two and more"}
    monkeypatch.setattr(python_files, "FILES", tuple(small(n, d) for n, d in data.items()))
    return data


def test_each_file_comes_from_the_first_place_that_has_it_unchanged(
    tmp_path: Path, two_files: dict[str, bytes]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        for name, data in two_files.items():
            (folder / name).write_bytes(data)
    (first / "b.wasm").write_bytes(b"TWO and more")
    asked = []

    def never(wanted: python_files.Files) -> Iterator[bytes]:
        asked.append(wanted)
        yield from ()

    places = {
        "first": python_files.from_folder(first),
        "second": python_files.from_folder(second),
        "third": never,
    }
    kept = tmp_path / "kept"
    assert python_files.gather(places, kept) == ()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == two_files
    assert asked == []


def test_a_place_that_fails_leaves_its_place_to_the_next(
    tmp_path: Path, two_files: dict[str, bytes]
) -> None:
    def fails(wanted: python_files.Files) -> Iterator[bytes]:
        yield two_files["a.js"]
        raise OSError("no network")

    left = python_files.gather({"one": fails}, tmp_path / "kept")
    assert [file.name for file in left] == ["b.wasm"]


def test_the_package_of_npm_is_read_without_npm(
    tmp_path: Path, two_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "pyodide.tgz"
    with tarfile.open(archive, "w:gz") as made:
        for name, data in two_files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    monkeypatch.setattr(python_files, "NPM", archive.as_uri())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert python_files.gather({"npm": python_files.from_npm}, tmp_path / "kept") == ()


def test_without_all_files_the_book_has_none_and_says_so(
    tmp_path: Path, two_files: dict[str, bytes]
) -> None:
    kept, static = tmp_path / "kept", tmp_path / "static"
    kept.mkdir()
    for name, data in two_files.items():
        (kept / name).write_bytes(data)
    python_files.publish(static, kept)
    assert (static / "python" / "b.wasm").read_bytes() == two_files["b.wasm"]
    (kept / "a.js").write_bytes(b"damaged")
    python_files.publish(static, kept)
    told = json.loads((static / "practise" / "python.json").read_text())
    assert not (static / "python").exists()
    assert not told["here"]
    assert told["cdn"].startswith("https://cdn.jsdelivr.net/pyodide/v0.27.7/")


# --- in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    """The address of the book, with Python in it."""
    if not (html / "_static" / "python").is_dir():
        pytest.skip("the files of Pyodide are nowhere to be had: see tools/python_files.py")
    with serve.serving(html) as address:
        yield address


@pytest.fixture
def context(browser: Any) -> Iterator[BrowserContext]:
    with browser.new_context(accept_downloads=True) as made:
        made.set_default_timeout(PATIENCE)
        yield made


def opened(context: BrowserContext, site: str, slug: str = SLUG) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{site}/book/practise/{slug}.html")
    page.wait_for_selector(".practise-main")
    return page


def write(page: Page, name: str, text: str) -> None:
    """Write a cell anew, as a reader would."""
    page.locator(f"#cell-{name}").scroll_into_view_if_needed()
    editor = page.locator(f"#cell-{name} .cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def result(page: Page, name: str) -> Any:
    return page.locator(f"#cell-{name} .practise-result")


def solution(slug: str, name: str) -> str:
    (found,) = (one for one in sources.exercises(slug) if one.name == name)
    lines = found.solution.splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("### "))


def download(page: Page) -> str:
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download notebook").first.click()
    assert begun.value.suggested_filename.endswith(".ipynb")
    return Path(begun.value.path()).read_text(encoding="utf-8")


COUNT = "def parameter_count(input_size, hidden_size, biases):\n"
RIGHT = COUNT + "    return 4 * hidden_size * (input_size + hidden_size + biases)"


def test_a_learner_writes_checks_reloads_and_downloads(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda seen: None if site in seen.url else wrong.append(seen.url))
    write(page, "parameter_count", COUNT + "    return 4 * hidden_size * input_size")
    page.keyboard.press("Shift+Enter")
    expect(result(page, "parameter_count")).to_contain_text("Not right yet", timeout=PATIENCE)
    items = page.locator("#cell-parameter_count .practise-report li").all_inner_texts()
    assert items[0].startswith("count: largest error")
    write(page, "parameter_count", RIGHT)
    page.locator("#cell-parameter_count .practise-main").click()
    expect(result(page, "parameter_count")).to_contain_text("Right")
    expect(page.locator(".practise-score")).to_have_text("1 of 11 right, 2 of 50 points visible")
    page.locator("#cell-parameter_count .practise-main").click()
    expect(page.locator("#cell-parameter_count .practise-report")).to_have_text(re.compile("count"))
    shown = page.locator("#cell-test_parameter_count .practise-hidden").inner_text()
    assert re.fullmatch(r"2 points\. Hidden tests: [^\d(]+ \(\d\)(, [^(]+ \(\d\))*\.", shown)
    page.reload()
    expect(page.locator(".practise-score")).to_have_text("1 of 11 right, 2 of 50 points visible")
    page.locator("#cell-parameter_count").scroll_into_view_if_needed()
    expect(page.locator("#cell-parameter_count .cm-content")).to_contain_text("input_size + hidden")
    released = json.loads((ROOT / "exercises" / SLUG / f"{SLUG}.ipynb").read_text())
    for one in released["cells"]:
        if one["id"] == "parameter_count":
            one["source"] = RIGHT.splitlines(keepends=True)
    text = json.dumps(released, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert download(page) == text
    assert [url for url in wrong if not url.startswith(("blob:", "data:"))] == []


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    """The course's grader of a chapter, on what learners got."""
    folder = ROOT / "exercises" / SLUG
    cells = [c for c in sources.read(SLUG).cells if "nbgrader" in c.metadata]
    assignment = Assignment(
        name=SLUG,
        notebook=SLUG,
        released=json.loads((folder / f"{SLUG}.ipynb").read_text(encoding="utf-8")),
        sources={c.metadata.nbgrader.grade_id: c.source for c in cells},
        points={
            c.metadata.nbgrader.grade_id: float(c.metadata.nbgrader.points)
            for c in cells
            if c.metadata.nbgrader.grade
        },
        files=read_files(folder),
        lib=learner_lib.files(SLUG),
        tests=hidden.read(sources.source_directory(SLUG)),
    )
    with Grader(assignment) as made:
        yield made


def test_what_is_handed_in_gets_the_marks_that_it_deserves(
    context: BrowserContext, site: str, grader: Grader
) -> None:
    page = opened(context, site)
    names = [exercise.name for exercise in sources.exercises(SLUG)]
    for name in names:
        write(page, name, solution(SLUG, name))
        page.locator(f"#cell-{name} .practise-main").click()
        expect(result(page, name)).to_contain_text("Right", timeout=PATIENCE)
    expect(page.locator(".practise-score")).to_have_text("11 of 11 right, 50 of 50 points visible")
    assert grader.grade(download(page).encode()).scores == grader.assignment.points

    old, new = "np.tanh(", "np.tan("
    assert old in solution(SLUG, "lstm_gates")
    broken = solution(SLUG, "lstm_gates").replace(old, new)
    write(page, "lstm_gates", broken)
    page.locator("#cell-lstm_gates .practise-main").click()
    expect(result(page, "lstm_gates")).to_contain_text("Not right yet")
    notebook = sample_class.filled(SLUG, lambda n, s: broken if n == "lstm_gates" else s)
    from_page = grader.grade(download(page).encode())
    from_notebook = grader.grade(notebook.encode())
    assert from_page.scores == from_notebook.scores
    assert from_page.scores["test_lstm_gates"] < grader.assignment.points["test_lstm_gates"]


LOOP = "def lstm_state(i, f, g, o, c_prev):\n    while True:\n        pass"


def test_an_endless_loop_is_stopped_and_nothing_is_lost(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    write(page, "lstm_gates", solution(SLUG, "lstm_gates") + "\n\nmine = 41")
    page.keyboard.press("Shift+Enter")
    expect(result(page, "lstm_gates")).to_contain_text("Right", timeout=PATIENCE)
    write(page, "lstm_state", LOOP)
    page.keyboard.press("Shift+Enter")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#cell-lstm_state .practise-note")).to_contain_text("Stopped")
    write(page, "parameter_count", "print(mine + 1)\n\n" + RIGHT)
    page.keyboard.press("Shift+Enter")
    # The cells that went through have run again; the one that was stopped has not.
    expect(result(page, "parameter_count")).to_contain_text("42", timeout=PATIENCE)
    expect(result(page, "parameter_count")).to_contain_text("Right")
    page.locator("#cell-lstm_state").scroll_into_view_if_needed()
    expect(page.locator("#cell-lstm_state .cm-content")).to_contain_text("while True")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    x = []\n    while True:\n        x.append(np.empty(10**7))", "MemoryError"),
        ("    return parameter_count(0, 0, 0)", "RecursionError"),
        ("    return 1 / 0", "line 2: return 1 / 0"),
        ("    return (1", "SyntaxError"),
        ("    while True:\n        print('x' * 100)", "and more, which is not shown"),
        ("    import js\n    js.eval('null.x')", "TypeError"),
        ("    import os\n    os._exit(1)", "starts again"),
        ("    raise SystemExit", "SystemExit"),
    ],
    ids=["memory", "recursion", "error", "syntax", "flood", "javascript", "exit", "quit"],
)
def test_whatever_goes_wrong_the_page_goes_on(
    context: BrowserContext, site: str, body: str, said: str
) -> None:
    page = opened(context, site)
    write(page, "parameter_count", COUNT + body)
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#cell-parameter_count")).to_contain_text(said, timeout=PATIENCE)
    text = page.locator("#cell-parameter_count").inner_text()
    assert "pyodide" not in text.lower()
    assert "practise_session" not in text
    stop = page.get_by_role("button", name="Stop", exact=True)
    if "print" in body:
        stop.click()
    expect(stop).to_be_hidden(timeout=PATIENCE)
    write(page, "parameter_count", RIGHT)
    page.keyboard.press("Shift+Enter")
    expect(result(page, "parameter_count")).to_contain_text("Right", timeout=PATIENCE)


def test_two_tabs_follow_each_other(context: BrowserContext, site: str) -> None:
    one, two = opened(context, site), opened(context, site)
    two.locator("#cell-lstm_gates").scroll_into_view_if_needed()
    two.wait_for_selector("#cell-lstm_gates .cm-content")
    write(one, "lstm_gates", "first = 1")
    expect(two.locator("#cell-lstm_gates .cm-content")).to_have_text("first = 1")
    write(two, "lstm_state", "second = 2")
    one.locator("#cell-lstm_state").scroll_into_view_if_needed()
    expect(one.locator("#cell-lstm_state .cm-content")).to_have_text("second = 2")
    expect(one.locator("#cell-lstm_gates .cm-content")).to_have_text("first = 1")


def test_a_tab_that_slept_overwrites_nothing(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    write(page, "lstm_gates", "mine = 1")
    # Another tab wrote, and this one was not told.
    page.evaluate(
        """() => localStorage.setItem('practise/lstm/lstm_gates',
             JSON.stringify({version: 99, value: {source: 'theirs = 2'}}))"""
    )
    page.locator("#cell-lstm_gates .cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("0")
    expect(page.locator("#cell-lstm_gates .cm-content")).to_have_text("theirs = 2")
    page.locator("#cell-lstm_gates").get_by_role("button", name="Bring back").click()
    expect(page.locator("#cell-lstm_gates .cm-content")).to_have_text("mine = 10")


def test_a_reset_is_undone_even_after_a_reload(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    write(page, "lstm_gates", "mine = 1")
    page.locator("#cell-lstm_gates").get_by_role("button", name="Reset this cell").click()
    expect(page.locator("#cell-lstm_gates .cm-content")).to_contain_text("NotImplementedError")
    page.reload()
    page.locator("#cell-lstm_gates").scroll_into_view_if_needed()
    page.locator("#cell-lstm_gates").get_by_role("button", name="Bring back").click()
    expect(page.locator("#cell-lstm_gates .cm-content")).to_have_text("mine = 1")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "Object.defineProperty(window, 'localStorage', "
            "{get() { throw new DOMException('no', 'SecurityError'); }})",
            "it forbids storage",
        ),
        (
            "Storage.prototype.setItem = () => "
            "{ throw new DOMException('full', 'QuotaExceededError'); }",
            "its storage is full",
        ),
    ],
    ids=["forbidden", "full"],
)
def test_where_nothing_can_be_kept_the_page_says_so_first(
    context: BrowserContext, site: str, script: str, said: str
) -> None:
    context.add_init_script(script)
    page = opened(context, site)
    expect(page.get_by_role("alert")).to_contain_text(said)
    write(page, "parameter_count", RIGHT)
    assert "input_size + hidden_size" in download(page)


def test_storage_that_fills_up_is_said_at_once(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    page.evaluate(
        """() => { Storage.prototype.setItem = () => {
             throw new DOMException('', 'QuotaExceededError') } }"""
    )
    write(page, "parameter_count", RIGHT)
    expect(page.get_by_role("alert")).to_contain_text("keeps nothing that you type")


def colab(notebook: dict[str, Any]) -> dict[str, Any]:
    """Write a notebook as Colab does: ids within the metadata, old minor format."""
    for one in notebook["cells"]:
        one["metadata"]["id"] = one.pop("id")
    return notebook | {"nbformat_minor": 0}


def bare(notebook: dict[str, Any]) -> dict[str, Any]:
    """Write a notebook as an editor might that keeps no metadata and no ids."""
    for one in notebook["cells"]:
        one["metadata"] = {}
        one.pop("id")
    return notebook


@pytest.mark.parametrize("written_by", [copy.deepcopy, colab, bare], ids=lambda f: f.__name__)
def test_a_notebook_from_elsewhere_is_read_back(
    context: BrowserContext, site: str, written_by: Any
) -> None:
    notebook = json.loads((ROOT / "exercises" / SLUG / f"{SLUG}.ipynb").read_text())
    at = next(k for k, c in enumerate(notebook["cells"]) if c["id"] == "parameter_count")
    notebook["cells"][at]["source"] = RIGHT
    own = nbformat.v4.new_code_cell("four = 4")
    notebook["cells"].insert(at, own)
    page = opened(context, site)
    data = json.dumps(written_by(notebook)).encode()
    upload = {"name": "work (1).ipynb", "mimeType": "application/json", "buffer": data}
    page.set_input_files("input[type=file]", upload)
    expect(page.locator(".practise-said")).to_contain_text("1 cell is written")
    cells = json.loads(download(page))["cells"]
    place = next(k for k, c in enumerate(cells) if c["id"] == "parameter_count")
    assert "".join(cells[place]["source"]) == RIGHT
    assert "".join(cells[place - 1]["source"]) == "four = 4"
    page.locator(".practise-said").get_by_role("button", name="Undo").click()
    released = (ROOT / "exercises" / SLUG / f"{SLUG}.ipynb").read_text(encoding="utf-8")
    assert download(page) == released


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": []}'])
def test_what_is_no_notebook_changes_nothing(context: BrowserContext, site: str, text: str) -> None:
    page = opened(context, site)
    write(page, "lstm_gates", "mine = 1")
    upload = {"name": "a.ipynb", "mimeType": "application/json", "buffer": text.encode()}
    page.set_input_files("input[type=file]", upload)
    expect(page.locator(".practise-said")).to_contain_text("Nothing is changed")
    expect(page.locator("#cell-lstm_gates .cm-content")).to_have_text("mine = 1")


def test_a_cell_of_ones_own_runs_is_kept_and_handed_in(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    page.locator("#cell-lstm_gates").get_by_role("button", name="Add a cell below").click()
    page.keyboard.insert_text("seven = 7\nseven")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".practise-own .practise-result")).to_have_text("7", timeout=PATIENCE)
    page.reload()
    expect(page.locator(".practise-own .cm-content")).to_contain_text("seven = 7")
    cells = json.loads(download(page))["cells"]
    place = next(k for k, c in enumerate(cells) if c["id"] == "test_lstm_gates")
    assert cells[place + 1]["source"] == ["seven = 7\n", "seven"]
    nbformat.validate(nbformat.from_dict(json.loads(download(page))))
    page.get_by_role("button", name="Remove this cell").click()
    assert len(json.loads(download(page))["cells"]) == len(cells) - 1
    page.get_by_role("button", name="Undo").click()
    assert len(json.loads(download(page))["cells"]) == len(cells)


def test_what_is_typed_after_adding_a_cell_goes_into_it(context: BrowserContext, site: str) -> None:
    held: list[Route] = []
    context.route("**/practise/editor.js", lambda route: held.append(route))
    page = opened(context, site)
    while not held:
        page.wait_for_timeout(50)
    add = page.locator("#cell-lstm_gates").get_by_role("button", name="Add a cell below")
    expect(add).to_be_disabled()
    held[0].continue_()
    add.click()
    page.keyboard.insert_text("seven = 7")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".practise-own .cm-content")).to_have_text("seven = 7")


def test_tab_indents_and_escape_then_tab_leaves(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    write(page, "lstm_gates", "if True:")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("x")
    assert "        x" in page.locator("#cell-lstm_gates .cm-line").last.inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "Check"


def test_from_a_file_the_page_says_what_to_do(browser: Any, html: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/practise/{SLUG}.html")
        expect(page.locator(".practise-notice")).to_contain_text("make serve")


def test_nothing_is_asked_of_another_host_before_the_reader_agrees(
    context: BrowserContext, site: str
) -> None:
    told = {"version": "0", "here": False, "cdn": "https://cdn.example.org/full/", "files": []}
    told["files"] = [file._asdict() for file in python_files.FILES]
    foreign: list[str] = []
    context.route("**/python.json", lambda route: route.fulfill(json=told))
    context.route("https://cdn.example.org/**", lambda route: route.abort())
    context.on(
        "request", lambda seen: foreign.append(seen.url) if "example.org" in seen.url else None
    )
    page = opened(context, site)
    page.get_by_role("button", name="Start Python").click()
    expect(page.locator(".practise-said")).to_contain_text("cdn.example.org: 16.9 MB")
    assert foreign == []
    page.get_by_role("button", name="Not now").click()
    assert foreign == []
    page.get_by_role("button", name="Start Python").click()
    page.get_by_role("button", name="Load it").click()
    expect(page.locator(".practise-state")).to_contain_text("did not start", timeout=PATIENCE)
    assert foreign != []


def test_a_file_that_is_not_the_releases_is_refused(context: BrowserContext, site: str) -> None:
    context.route("**/pyodide.mjs", lambda route: route.fulfill(body="export const loadPyodide"))
    page = opened(context, site)
    page.get_by_role("button", name="Start Python").click()
    expect(page.locator(".practise-state")).to_contain_text("is not the file of Pyodide")


def test_python_is_loaded_once_for_all_chapters(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    page.get_by_role("button", name="Start Python").click()
    expect(page.locator(".practise-state")).to_have_text("Python is ready", timeout=PATIENCE)
    asked: list[str] = []
    context.on("request", lambda seen: asked.append(seen.url) if "/python/" in seen.url else None)
    other = opened(context, site, "gru")
    other.get_by_role("button", name="Start Python").click()
    expect(other.locator(".practise-state")).to_have_text("Python is ready", timeout=PATIENCE)
    assert asked == []


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_at_work_is_accessible_and_fits(browser: Any, site: str, width: int) -> None:
    found = []
    with browser.new_context(viewport={"width": width, "height": 844}) as context:
        page = opened(context, site)
        for name, text in {
            "parameter_count": RIGHT,
            "lstm_gates": "def lstm_gates(x, h_prev, U, W, b):\n    print(x)\n    return x, x",
            "lstm_state": "1 / 0",
        }.items():
            write(page, name, text)
            page.keyboard.press("Shift+Enter")
            shown = page.locator(f"#cell-{name}").locator(".practise-report, .practise-error")
            expect(shown).to_be_visible(timeout=PATIENCE)
        page.locator(".practise-open summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.add_script_tag(path=AXE)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            page.wait_for_timeout(300)
            checked = page.evaluate(
                "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', "
                "'wcag22aa'], resultTypes: ['violations']})"
            )
            found += [
                f"{theme}: {rule['id']}: {node['target']} {node['failureSummary']}"
                for rule in checked["violations"]
                for node in rule["nodes"]
            ]
    assert found == []


# --- an invented notebook: hints, free cells, an assembling part -------------------------


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a small book whose only page is an invented notebook."""
    if python_files.missing():
        pytest.skip("the files of Pyodide are nowhere to be had: see tools/python_files.py")
    root = tmp_path_factory.mktemp("invented")
    source = root / "book" / "practise"
    source.mkdir(parents=True)
    (source / "rnn.md").write_text("% empty\n")
    (root / "index.md").write_text("# A book\n\n```{toctree}\nbook/practise/rnn\n```\n")
    write_notebook(root / "exercises" / "rnn" / "rnn.ipynb", INVENTED)
    with pytest.MonkeyPatch.context() as patch, docutils_namespace():
        patch.setattr(practise, "ROOT", root)
        app = Sphinx(
            str(root),
            None,
            str(root / "html"),
            str(root / "doctrees"),
            "html",
            {
                "extensions": ["myst_parser", "loading", "mathematics", "practise"],
                "myst_enable_extensions": ["dollarmath"],
                "html_math_renderer": "typeset",
                "html_static_path": [str(ROOT / "book" / "_static")],
                "html_css_files": ["practise/practise.css"],
                "exclude_patterns": ["exercises"],
            },
            status=None,
            warningiserror=True,
        )
        app.build()
    with serve.serving(root / "html") as address:
        yield address


def test_hints_unfold_and_equations_are_typeset(context: BrowserContext, invented: str) -> None:
    page = opened(context, invented, "rnn")
    hint = page.locator("details", has=page.get_by_text("A hint"))
    expect(hint.locator("mjx-container")).to_be_hidden()
    hint.locator("summary").click()
    expect(hint.locator("mjx-container")).to_be_visible()
    assert hint.locator("em").inner_text() == "exponential"


def test_the_assembling_part_runs_with_progress_and_draws(
    context: BrowserContext, invented: str
) -> None:
    page = opened(context, invented, "rnn")
    write(page, "perplexity", solution("rnn", "perplexity"))
    page.get_by_role("button", name="Run training").click()
    expect(page.locator("#cell-training svg.practise-curves")).to_be_visible(timeout=PATIENCE)
    label = page.locator("#cell-training svg.practise-curves").get_attribute("aria-label")
    assert label == "loss against step. yours: from 3 to 0.5."
    expect(page.locator("#cell-training .practise-progress")).to_contain_text("40 of 40 steps")
    rows = page.locator("#cell-training .practise-table tbody tr")
    assert rows.filter(has_text="perplexity").inner_text().split("\t")[2].endswith("Right")
    assert rows.count() == len(Check("rnn").examples)


def test_training_is_stopped_half_way_and_run_again(context: BrowserContext, invented: str) -> None:
    page = opened(context, invented, "rnn")
    write(page, "speed", "slow = True")
    page.get_by_role("button", name="Run training").click()
    bar = page.locator("#cell-training .practise-progress")
    expect(bar).to_contain_text(re.compile(r"^ ?[1-9]\d* of 40"), timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#cell-training .practise-note")).to_contain_text("Stopped")
    write(page, "speed", "slow = False")
    page.get_by_role("button", name="Run training").click()
    expect(page.locator("#cell-training svg.practise-curves")).to_be_visible(timeout=PATIENCE)


def test_an_answer_in_words_is_written_and_handed_in(
    context: BrowserContext, invented: str
) -> None:
    page = opened(context, invented, "rnn")
    write(page, "why", "Because $& and `x` < 1.")
    cells = json.loads(download(page))["cells"]
    (answer,) = (one for one in cells if one["id"] == "why")
    assert answer["source"] == ["Because $& and `x` < 1."]
    assert answer["cell_type"] == "markdown"


# --- NumPy here and NumPy there ----------------------------------------------------------

OUTCOMES = '''
import ast
import contextlib
import io
import warnings


def outcome(name, source, names):
    """Say what the visible check says of a function, without numbers."""
    names = dict(names)
    try:
        exec(compile(source, "<source>", "exec"), names)
    except Exception as error:
        return [type(error).__name__]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        report = names["check"].report(names[name], {name: names[name]})
    kinds = [[p.output, p.kind] for p in report.problems]
    return [report.status, report.words, kinds, [list(m) for m in report.mistakes]]
'''
"""What runs in both."""

IN_BROWSER = """async ([base, slug, code]) => {
  const {Runtime} = await import(`${base}runtime.js`);
  const runtime = new Runtime({base, slug, changed: () => {}, consent: () => false});
  let got;
  const shown = (_, data) => (got = data);
  const error = await runtime.run("compare", code, {output: () => {}, shown});
  runtime.worker.terminate();
  return [error, got];
}"""


def cases(slug: str) -> list[tuple[str, str]]:
    """List functions with the code of their solution and of their other clothes."""
    found = [(one.name, solution(slug, one.name)) for one in sources.exercises(slug)]
    path = ROOT / "tests" / "exercises" / "clothes" / f"{slug}.py"
    text = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), names)
    for name, functions in names["CLOTHES"].items():
        found += [(name, f"{text}\n{name} = {function.__name__}\n") for function in functions]
    return found


def compared(
    context: BrowserContext, site: str, slug: str, sought: list[tuple[str, str]]
) -> list[tuple[str, Any, Any]]:
    """Return where the two Pythons do not agree."""
    names = sources.locked_names(slug) | {"check": Check(slug)}
    exec(OUTCOMES, names)
    here, kept = [], []
    for name, source in sought:
        # What never ends here would not end there.
        with contextlib.suppress(mutation._TooLongError), mutation._limit(2):
            here.append(names["outcome"](name, source, names))
            kept.append((name, source))
    setup = "\n".join(
        c.source for c in sources.read(slug).cells
        if c.cell_type == "code" and c.metadata.nbgrader.locked and not c.metadata.nbgrader.grade
    )  # fmt: skip
    code = (
        f"{setup}\n{OUTCOMES}\nimport json\nfrom lib import showing\n"
        f"cases = json.loads({json.dumps(json.dumps(kept))})\n"
        "names = dict(globals())\n"
        'showing.page("outcomes", {"all": [outcome(*case, names) for case in cases]})\n'
    )
    page = context.new_page()
    page.goto(f"{site}/book/practise/index.html")
    error, got = page.evaluate(IN_BROWSER, [f"{site}/_static/practise/", slug, code])
    assert error is None
    there = got["all"]
    assert len(there) == len(here) > 0
    return [
        (name, one, other)
        for (name, _), one, other in zip(kept, here, there, strict=True)
        if json.loads(json.dumps(one)) != other
    ]


@pytest.mark.parametrize("slug", CHAPTERS)
def test_right_answers_are_right_in_both(context: BrowserContext, site: str, slug: str) -> None:
    assert compared(context, site, slug, cases(slug)) == []


def test_wrong_answers_are_wrong_in_both(context: BrowserContext, site: str) -> None:
    mutants = [(one.name, one.source) for one in mutation.mutants("gru") if one.source]
    assert len(mutants) > 100
    assert compared(context, site, "gru", mutants) == []
