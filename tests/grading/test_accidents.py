"""What happens to honest learners, and that it costs them no marks, or only those it touches."""

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import course as small
import pytest

from grading import batch, intake
from grading.engine import Grader, Result
from grading.limits import Limits

FULL = {"test_double": 3.0, "test_total": 3.0, "test_last": 3.0}


@pytest.fixture(scope="module")
def grader(template: Path) -> Iterator[Grader]:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        assignment = course.prepare(gradebook, small.NAME)
    with Grader(assignment) as made:
        yield made


def run(grader: Grader, notebook: dict[str, Any]) -> Result:
    return grader.grade(json.dumps(notebook).encode())


class Accident(NamedTuple):
    """A change to a right submission; what it may cost."""

    change: Callable[[dict[str, Any]], Any]
    expected: dict[str, float] = FULL


def solve(name: str, source: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: small.find(notebook, name).update(source=source)


def add(source: str, before: str = "double") -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook.update(small.insert(notebook, source, before))

    return change


def move(name: str, to: int) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        cell = small.find(notebook, name)
        notebook["cells"].remove(cell)
        notebook["cells"].insert(to, cell)

    return change


def delete(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: notebook["cells"].remove(small.find(notebook, name))


def strip_marks(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {}


def strip_marks_and_ids(notebook: dict[str, Any]) -> None:
    strip_marks(notebook)
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]


def save_outputs(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
            cell["outputs"], cell["execution_count"] = [error], 7


def old_format(notebook: dict[str, Any]) -> None:
    cells = []
    for cell in notebook.pop("cells"):
        del cell["id"]
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
            cell["prompt_number"] = cell.pop("execution_count")
            cell["language"] = "python"
        cells.append(cell)
    notebook.update(nbformat=3, nbformat_minor=0, worksheets=[{"cells": cells, "metadata": {}}])


def lines(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)


def duplicate(notebook: dict[str, Any], name: str, **changes: Any) -> None:
    cell = small.find(notebook, name)
    copied = {**copy.deepcopy(cell), **changes}
    notebook["cells"].insert(notebook["cells"].index(cell) + 1, copied)


ACCIDENTS = {
    "nothing at all": Accident(lambda notebook: None),
    "a NumPy warning": Accident(
        solve("double", "def double(x):\n    np.log(np.zeros(1))\n    return 2 * x\n")
    ),
    "words on stderr": Accident(
        solve(
            "double",
            "import sys, warnings\ndef double(x):\n    print('x', file=sys.stderr)\n"
            "    warnings.warn('hm')\n    return x * 2\n",
        )
    ),
    "what a notebook offers": Accident(
        add(
            "import asyncio\nawait asyncio.sleep(0)\n%timeit -n1 -r1 1 + 1\n"
            "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1])"
        )
    ),
    "a progress bar": Accident(
        solve(
            "total",
            "from tqdm.auto import tqdm\ndef total(xs):\n    return float(sum(tqdm(list(xs))))\n",
        )
    ),
    "prints": Accident(
        solve("double", "def double(x):\n    print(x, 0)\n    return 2 * x\nprint(double(3))\n")
    ),
    "cells of one's own": Accident(add("y = 17\nprint(y)")),
    "an own cell that fails": Accident(add("1 / 0")),
    "a helper in a cell of its own": Accident(
        lambda n: (
            add("def helper(x):\n    return 2 * x\n")(n),
            solve("double", "def double(x):\n    return helper(x)\n")(n),
        )
    ),
    "a helper defined again, differently, later": Accident(
        lambda n: (
            solve("double", "def helper(x): return 2 * x\ndef double(x):\n    return helper(x)\n")(
                n
            ),
            solve("total", "def helper(x, y): return sum(x)\ndef total(x): return helper(x, 0)\n")(
                n
            ),
        )
    ),
    "a plot": Accident(
        add("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    ),
    "help and magic": Accident(add("np.zeros?\n%time 1 + 1\n%who")),
    "a picture": Accident(add("from IPython.display import display\ndisplay(1, 2)")),
    "a moved test cell": Accident(move("test_double", 0)),
    "a moved solution cell": Accident(move("double", 10)),
    "a deleted test cell": Accident(delete("test_total")),
    "a deleted solution cell": Accident(delete("total"), {**FULL, "test_total": 0.0}),
    "a deleted setup cell": Accident(delete("setup")),
    "a test cell twice": Accident(lambda n: duplicate(n, "test_double")),
    "a solution cell twice, the first a draft": Accident(
        lambda n: (
            duplicate(n, "double"),
            small.find(n, "double").update(source="def double(x):\n    return x\n"),
        )
    ),
    "a solution cell twice, the second the stub": Accident(
        lambda n: duplicate(
            n,
            "double",
            source="def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
        )
    ),
    "metadata lost": Accident(strip_marks),
    "metadata and ids lost": Accident(strip_marks_and_ids),
    "saved outputs": Accident(save_outputs),
    "nbformat 4.0": Accident(lambda n: n.update(nbformat_minor=0)),
    "nbformat of the future": Accident(lambda n: n.update(nbformat_minor=99)),
    "nbformat 3": Accident(old_format),
    "sources as lists of lines": Accident(lines),
    "no metadata of the notebook": Accident(lambda n: n.pop("metadata")),
    "a syntax error in one cell": Accident(
        solve("total", "def total(xs)\n    return sum(xs)\n"), {**FULL, "test_total": 0.0}
    ),
    "a syntax error in a cell without metadata": Accident(
        lambda n: (
            solve("total", "def total(xs):\n    return sum(xs\n")(n),
            strip_marks_and_ids(n),
        ),
        {**FULL, "test_total": 0.0},
    ),
    "an exception in one function": Accident(
        solve("total", "def total(xs):\n    return xs.no_such_thing\n"),
        {**FULL, "test_total": 0.0},
    ),
    "one function not written": Accident(
        solve("total", "def total(xs):\n    raise NotImplementedError()\n"),
        {**FULL, "test_total": 0.0},
    ),
    "one case wrong": Accident(
        solve("total", "def total(xs):\n    return float(xs.sum()) if len(xs) > 1 else 0.0\n"),
        {**FULL, "test_total": 2.0},
    ),
    "an argument changed in place": Accident(
        solve("double", "def double(x):\n    x *= 2\n    return x\n"), {**FULL, "test_double": 1.0}
    ),
    "an argument changed in place, and the comparison patched": Accident(
        solve(
            "double",
            "def double(x):\n    import sys\n"
            "    sys._getframe(1).f_globals['same'] = lambda a, b: True\n"
            "    x *= 2\n    return x\n",
        ),
        {**FULL, "test_double": 1.0},
    ),
    "an argument made writable and changed in place": Accident(
        solve("double", "def double(x):\n    x.flags.writeable = True\n    x *= 2\n    return x\n"),
        {**FULL, "test_double": 1.0},
    ),
    "a view returned": Accident(solve("double", "def double(x):\n    return (2 * x)[:]\n")),
    "a NumPy scalar": Accident(solve("total", "def total(xs):\n    return np.sum(xs)[()]\n")),
    "a list for a tuple": Accident(
        solve("last", "def last(xs):\n    return [xs[-1], len(xs)]\n"), {**FULL, "test_last": 0.0}
    ),
    "letters of other scripts": Accident(
        add("größe = '状态'\nprint(größe, '\\u202e', '\\x1b[31mred')")
    ),
    "a lone surrogate": Accident(add("s = '\ud800'\nprint('x')")),
    "a null character": Accident(add("x = '\0'")),
    "exit()": Accident(add("exit()")),
    "sys.exit()": Accident(add("import sys\nsys.exit()")),
    "a name that the notebook uses": Accident(add("print = None\nlist = 3")),
    "an async cell": Accident(add("import asyncio\nawait asyncio.sleep(0)\n")),
    "files written and read": Accident(
        add("open('notes.txt', 'w').write('x')\nassert open('data.csv').read() == 'a,b\\n1,2\\n'")
    ),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_an_accident_costs_what_it_touches(grader: Grader, name: str) -> None:
    notebook = small.answer(grader.assignment.released)
    for cell in notebook["cells"]:
        cell["source"] = intake.source_of(cell)
    ACCIDENTS[name].change(notebook)
    result = run(grader, notebook)
    assert result.scores == ACCIDENTS[name].expected
    assert result.reason == ""


# What a notebook may ask for and does not get here; what is said of it.
ASKED = {
    "!pip install numpy": "Commands are not run here: pip install numpy",
    "x = !ls": "Commands are not run here: ls",
    "x = !ls\nassert list(x) == []": "Commands are not run here",
    "!!ls": "Commands are not run here",
    "%sx ls": "Commands are not run here",
    "x = %sx ls\nassert list(x) == []": "Commands are not run here",
    "%system ls": "Commands are not run here",
    "%pip install numpy": "Commands are not run here: pip install numpy",
    "%conda install numpy": "Commands are not run here",
    "%ls": "Commands are not run here: ls",
    "get_ipython().system('ls')": "Commands are not run here: ls",
    "get_ipython().getoutput('ls')": "Commands are not run here: ls",
    "if True:\n    !ls\n    print('INSIDE')": "INSIDE",
    "%matplotlib widget": "",
    "%matplotlib notebook": "",
    "%matplotlib qt": "",
    "%matplotlib nonsense": "",
    "%matplotlib": "",
    "%nosuchmagic 1 2": "There is no magic %nosuchmagic here.",
    "x = %nosuchmagic": "There is no magic %nosuchmagic here.",
    "%load_ext nosuchextension": "%load_ext: No module named 'nosuchextension'",
    "%config NoSuch.thing = 1": "",
    "%config InlineBackend.figure_format = 'retina'": "",
    "%autoreload 2": "There is no magic %autoreload here.",
    "%load_ext autoreload\n%autoreload 2": "",
    "%run not_there.py": "%run: File `'not_there.py'` not found.",
    "%load not_there.py": "%load: 'not_there.py' was not found",
    "%recall": "%recall: ",
    "%edit": "%edit: ",
    "%notebook x": "%notebook: ",
    'get_ipython().system_raw("ls")': "Commands are not run here: ls",
    'get_ipython().system_piped("ls")': "Commands are not run here: ls",
    "%gui qt": "",
    "%timeit": "",
}
CELLS = {
    "pip install numpy": "Commands are not run here: pip install numpy",
    "%%bash\nrm -rf /": "Commands are not run here: %%bash",
    "%%sh\nls": "Commands are not run here",
    "%%script perl\n1": "Commands are not run here",
    "%%!\nls": "Commands are not run here",
    "%%nosuchmagic\n1 / 0": "There is no magic %%nosuchmagic here; its cell was not run.",
    "%%time\nprint('TIMED')": "TIMED",
    "%%capture\n!ls": "",
    "%%html\n<b>x</b>": "",
}


def test_commands_and_magics_cost_a_line_of_text_and_no_more(grader: Grader) -> None:
    notebook = small.answer(grader.assignment.released)
    asked = {f"{code}\nprint('WENT ON')": says for code, says in ASKED.items()} | CELLS
    for code in asked:
        notebook = small.insert(notebook, code)
    result = run(grader, notebook)
    assert result.scores == FULL
    outputs = {
        intake.source_of(cell): "".join(
            "".join(output.get("text", "")) + output.get("ename", "") for output in cell["outputs"]
        )
        for cell in result.notebook["cells"]
        if cell["cell_type"] == "code"
    }
    for code, says in asked.items():
        assert says in outputs[code], (code, outputs[code])
        assert code in CELLS or outputs[code].endswith("WENT ON\n"), (code, outputs[code])


UNREADABLE = {
    "an empty file": (b"", "the file is empty"),
    "white space": (b"\n \n", "the file is empty"),
    "cut off": (b'{"cells": [', "not JSON: your file is cut off; hand it in again"),
    "cut off in a text": (
        b'{"a": [1], "b": "x',
        "not JSON: your file is cut off; hand it in again",
    ),
    "cut off in a name": (b'{"a": [1], "b', "not JSON: your file is cut off; hand it in again"),
    "damaged": (
        b'{"a": 1 "b": 2}',
        "not JSON: your file is damaged (Expecting ',' delimiter: line 1 column 9 (char 8)); "
        "save it in Jupyter and hand it in again",
    ),
    "a merge": (
        b'{\n<<<<<<< HEAD\n"a": 1}',
        "not JSON: it holds marks of a merge (<<<<<<<); settle them and hand it in again",
    ),
    "a script": (b"x = 1", "not JSON: this is some other file; hand in the notebook itself"),
    "a web page": (
        b"\n<!doctype html>",
        "a web page that is named as a notebook; hand in the notebook itself",
    ),
    "Latin-1": (
        '{"cells": [], "é": 1}'.encode("latin-1"),
        "not UTF-8: byte 15 of the file; save it in Jupyter and hand it in again",
    ),
    "another JSON file": (b'{"a": 1}', "not a notebook: there are no cells"),
    "a list": (b"[1, 2]", "not a notebook: there are no cells"),
    "cells that are none": (b'{"cells": 5}', "not a notebook: there are no cells"),
    "too deep": (b"[" * 100_000, "not a notebook: nested too deeply"),
    "too many cells": (
        json.dumps({"cells": [{"cell_type": "code"}] * 500}).encode(),
        "more than 400 cells",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    data, reason = UNREADABLE[name]
    path = tmp_path / "x.ipynb"
    path.write_bytes(data)
    with pytest.raises(intake.Refused) as caught:
        intake.parse(intake.read(path, Limits()), Limits())
    assert str(caught.value) == reason


def test_a_byte_order_mark_is_no_reason_to_refuse(grader: Grader) -> None:
    text = json.dumps(small.answer(grader.assignment.released))
    for data in (b"\xef\xbb\xbf" * 2 + text.encode(), text.encode("utf-16")):
        assert grader.grade(data).scores == FULL


def test_own_cells_stay_in_their_places(grader: Grader) -> None:
    notebook = small.answer(grader.assignment.released)
    for name in ("double", "total", "last"):
        notebook = small.insert(notebook, f"'before {name}'", before=name)
    cells = intake.parse(json.dumps(notebook).encode(), Limits())
    sources = [c["source"] for c in intake.rebuild(grader.assignment.released, cells)["cells"]]
    for name in ("double", "total", "last"):
        assert sources[sources.index(f"'before {name}'") + 1].startswith(f"def {name}")


def test_learners_markdown_and_metadata_do_not_come_along(grader: Grader) -> None:
    notebook = small.answer(grader.assignment.released)
    notebook["cells"].insert(0, {"cell_type": "markdown", "source": "<script>", "metadata": {}})
    notebook["cells"].append(small.own_cell("1", metadata={"tags": ["x"]}, extra=1))
    cells = intake.parse(json.dumps(notebook).encode(), Limits())
    rebuilt = intake.rebuild(grader.assignment.released, cells)
    assert "<script>" not in json.dumps(rebuilt)
    assert rebuilt["cells"][-1] == {
        "cell_type": "code",
        "execution_count": None,
        "id": "own-1",
        "metadata": {},
        "outputs": [],
        "source": "1",
    }


def test_a_failing_test_of_the_course_costs_no_marks(grader: Grader) -> None:
    sources = {**grader.assignment.sources, "test_total": "raise KeyError('SECRET')\n3"}
    with Grader(dataclasses.replace(grader.assignment, sources=sources)) as other:
        result = run(other, small.answer(grader.assignment.released))
    assert result.scores == {**FULL, "test_total": None}
    assert result.reason == "the course's own test test_total failed"
    assert "SECRET" not in json.dumps(result.notebook)
    assert any("KeyError: 'SECRET'" in note for note in result.notes)


@pytest.mark.parametrize("score", ["4", "-1", "float('nan')", "True", "'3'"])
def test_a_test_that_gives_no_sound_score_is_the_courses_fault(grader: Grader, score: str) -> None:
    sources = {**grader.assignment.sources, "test_total": score}
    with Grader(dataclasses.replace(grader.assignment, sources=sources)) as other:
        result = run(other, small.answer(grader.assignment.released))
    assert result.scores["test_total"] is None
