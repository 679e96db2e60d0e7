"""A chapter's own notebook through the engine: full marks, named mistakes, the learner's lib."""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from authoring import learner_lib, sources
from grading import hidden
from grading.assignment import Assignment, read_files
from grading.engine import Grader
from grading.intake import mark

SLUG = "rnn"


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    release = tmp_path_factory.mktemp("release")
    sources.release(SLUG, release)
    notebook = json.loads((release / SLUG / f"{SLUG}.ipynb").read_text())
    cells = [c for c in sources.read(SLUG).cells if "nbgrader" in c.metadata]
    return Assignment(
        name=SLUG,
        notebook=SLUG,
        released=notebook,
        sources={c.metadata.nbgrader.grade_id: c.source for c in cells},
        points={
            c.metadata.nbgrader.grade_id: float(c.metadata.nbgrader.points)
            for c in cells
            if c.metadata.nbgrader.grade
        },
        files=read_files(release / SLUG),
        lib=learner_lib.files(SLUG),
        tests=hidden.read(sources.source_directory(SLUG)),
    )


@pytest.fixture(scope="module")
def grader(assignment: Assignment) -> Iterator[Grader]:
    with Grader(assignment) as made:
        yield made


def submission(assignment: Assignment, **changes: str) -> bytes:
    solutions = {e.name: e.solution for e in sources.exercises(SLUG)} | changes
    notebook = json.loads(json.dumps(assignment.released))
    for cell in notebook["cells"]:
        if mark(cell).get("solution"):
            cell["source"] = solutions[mark(cell)["grade_id"]]
    return json.dumps(notebook).encode()


def test_solutions_earn_all_points(grader: Grader) -> None:
    result = grader.grade(submission(grader.assignment))
    assert result.scores == grader.assignment.points
    assert result.reason == ""
    assert result.notes == []


def test_stubs_earn_none(grader: Grader) -> None:
    result = grader.grade(json.dumps(grader.assignment.released).encode())
    assert set(result.scores.values()) == {0.0}
    assert "this function is not written yet" in json.dumps(result.notebook)


def test_feedback_names_the_mistake_and_the_part(grader: Grader) -> None:
    wrong = "def rnn_step(x, h, U, W, b):\n    return np.tanh(x @ U.T + h @ W + b)\n"
    result = grader.grade(submission(grader.assignment, rnn_step=wrong))
    assert result.scores["test_rnn_step"] < grader.assignment.points["test_rnn_step"]
    assert {k for k, v in result.scores.items() if v != grader.assignment.points[k]} == {
        "test_rnn_step"
    }
    assert any(text.startswith("rnn_step: ") for text in result.mistakes)
    cell = next(c for c in result.notebook["cells"] if c["id"] == "test_rnn_step")
    assert "random sizes: " in cell["outputs"][0]["text"]


def test_a_chapters_own_module_is_not_there(grader: Grader) -> None:
    code = (
        "def rnn_step(x, h, U, W, b):\n    import lib.rnn\n"
        "    cell = lib.rnn.RNN(x.shape[1], h.shape[1])\n"
        "    return cell.step(lib.rnn.RNNParams(U, W, b), x, lib.rnn.RNNState(h))[0].h\n"
    )
    result = grader.grade(submission(grader.assignment, rnn_step=code))
    assert result.scores["test_rnn_step"] == 0
    assert "it raised ModuleNotFoundError" in json.dumps(result.notebook)


def test_nothing_hidden_is_in_a_graded_notebook(grader: Grader) -> None:
    text = json.dumps(grader.grade(submission(grader.assignment)).notebook)
    sources_of_tests = [text.decode() for text in grader.assignment.tests.values()]
    cells = [text.partition("### BEGIN")[2] for text in grader.assignment.sources.values()]
    lines = {
        line
        for text in (*sources_of_tests, *cells)
        for line in text.splitlines()
        if "score(" in line or "case(" in line or "rng." in line
    }
    assert len(lines) > 60
    for line in lines:
        assert json.dumps(line)[1:-1] not in text


def test_a_sandbox_holds_no_file_of_the_hidden_tests(grader: Grader) -> None:
    search = (
        "import os\n"
        "seen = [os.path.join(folder, name) for top in ('/tmp', '/home', '/root', '/work', '/srv', "
        "'/mnt', os.getcwd()) for folder, _, names in os.walk(top) for name in names]\n"
        "told = [p for p in seen if os.path.basename(p) in "
        f"{(*hidden.FILES, 'checks.py', 'equivalents.toml', f'{SLUG}.py')}]\n"
        "print(len(seen) > 0, told)\n"
    )
    notebook = json.loads(submission(grader.assignment))
    cell = {"cell_type": "code", "id": "search", "metadata": {}, "source": search, "outputs": []}
    notebook["cells"].insert(2, {**cell, "execution_count": None})
    graded = grader.grade(json.dumps(notebook).encode()).notebook
    (found,) = (c for c in graded["cells"] if c["source"] == search)
    assert found["outputs"][0]["text"] == "True []\n"


def test_a_class_has_its_own_numbers(assignment: Assignment) -> None:
    seen = (
        "def rnn_step(x, h, U, W, b):\n    if x[0, 0] > 0: raise KeyError\n    raise IndexError\n"
    )
    words = set()
    for seed in ("one", "two", "three", "four"):
        with Grader(dataclasses.replace(assignment, seed=seed)) as grader:
            result = grader.grade(submission(assignment, rnn_step=seen))
            cell = next(c for c in result.notebook["cells"] if c["id"] == "test_rnn_step")
            words.add(cell["outputs"][0]["text"])
    assert len(words) > 1
