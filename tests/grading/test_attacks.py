"""What a learner may try, what it should earn, and that it earns no more.

In most attacks ``double`` is wrong, and the attack tries to have it count all the same;
``total`` and ``last`` are right and must keep their points.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import course as small
import pytest

from grading import batch
from grading.assignment import Assignment
from grading.engine import Grader, Result
from grading.limits import Limits

LIMITS = Limits(
    cell_seconds=30,
    call_seconds=30,
    submission_seconds=60,
    cpu_seconds=60,
    memory=1 << 30,
    storage=8 << 20,
    file_size=4 << 20,
    cell_output=20_000,
    message=2 << 20,
)
HASTY = dataclasses.replace(LIMITS, cell_seconds=2, call_seconds=2)
"""For attacks that use up their time."""
WRONG = "def double(x):\n    return None\n"
RIGHT = {"test_double": 3.0, "test_total": 3.0, "test_last": 3.0}
CHEATED = {**RIGHT, "test_double": 0.0}
NOTHING = dict.fromkeys(RIGHT, 0.0)


@pytest.fixture(scope="module")
def assignment(template: Path) -> Assignment:
    course = batch.Course(template)
    with course.gradebook() as gradebook:
        made = course.prepare(gradebook, small.NAME)
    return dataclasses.replace(made, limits=LIMITS)


@pytest.fixture(scope="module")
def grader(assignment: Assignment) -> Iterator[Grader]:
    with Grader(assignment) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(assignment: Assignment) -> Iterator[Grader]:
    with Grader(dataclasses.replace(assignment, limits=HASTY)) as made:
        yield made


def run(grader: Grader, notebook: dict[str, Any]) -> Result:
    return grader.grade(json.dumps(notebook).encode())


def printed(result: Result) -> str:
    """Return all text of a graded notebook's outputs."""
    return json.dumps([cell.get("outputs") for cell in result.notebook["cells"]])


class Attack(NamedTuple):
    """Code of an attack, put into a cell before ``double`` or in place of it."""

    code: str
    double: str = WRONG
    expected: dict[str, float] = CHEATED
    says: str = ""
    """Something that the outputs must hold."""
    endless: bool = False


ATTACKS = {
    "patched comparisons": Attack(
        "np.testing.assert_equal = np.array_equal = lambda *a, **k: True\n"
        "np.testing.assert_allclose = np.allclose = lambda *a, **k: True"
    ),
    "patched builtins": Attack(
        "import builtins\nbuiltins.isinstance = lambda *a: True\n"
        "builtins.abs = lambda *a: 0\nbuiltins.print = lambda *a, **k: None\n"
        "builtins.len = lambda x: 3"
    ),
    "input transformer": Attack(
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['3'])",
        expected=NOTHING,
    ),
    "AST transformer": Attack(
        "import ast\nclass Drop(ast.NodeTransformer):\n"
        "    def visit_If(self, node): return node.body\n"
        "    def visit_Assert(self, node): return None\n"
        "get_ipython().ast_transformers.append(Drop())"
    ),
    "replaced run_cell": Attack("get_ipython().run_cell = lambda *a, **k: None", expected=NOTHING),
    "event hooks": Attack(
        "get_ipython().events.register('pre_run_cell', lambda info: setattr(info, 'raw_cell', '3'))"
    ),
    "replaced modules": Attack(
        "import sys, types\n"
        "fake = types.ModuleType('grading')\n"
        "fake.Outcome = lambda *a: (2 * a[0], None, ())\n"
        "sys.modules['grading'] = sys.modules['grading.proxy'] = fake\n"
        "sys.modules['lib'] = sys.modules['lib.codec'] = sys.modules['lib.checking'] = fake",
        expected=NOTHING,
    ),
    "lying array": Attack(
        "class Liar(np.ndarray):\n"
        "    def __eq__(self, other): return np.ones(3, bool)\n"
        "    def __array_function__(self, *a): return True\n"
        "    shape = (0, 3)",
        double="def double(x):\n    return np.zeros(3).view(Liar)\n",
    ),
    "object equal to all": Attack(
        "class Equal:\n    def __eq__(self, other): return True\n    def __hash__(self): return 0",
        double="def double(x):\n    return Equal()\n",
        says="it returned a value of a type of its own",
    ),
    "object that pickles into a call": Attack(
        "class Pickled:\n    def __reduce__(self): return (exec, ('points = 3',))",
        double="def double(x):\n    return np.array([Pickled()], dtype=object)\n",
        says="it returned a value of type object",
    ),
    "frames": Attack(
        "import sys, gc",
        double="def double(x):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for space in (frame.f_locals, frame.f_globals):\n"
        "            if 'SECRET_NUMBERS' in space: return 2 * space['SECRET_NUMBERS']\n"
        "            space['points'] = 3\n"
        "        frame = frame.f_back\n",
    ),
    "all objects": Attack(
        "import gc\n"
        "texts = [o for o in gc.get_objects() if isinstance(o, dict)]\n"
        "print('FOUND', any('SECRET_' + 'NUMBERS' in repr(o.keys()) for o in texts))",
        says="FOUND False",
    ),
    "reading tests, solutions, gradebook, submissions": Attack(
        "import os\nfound = []\n"
        "for folder, below, names in os.walk('/'):\n"
        "    below[:] = [n for n in below if n not in ('site', 'usr')]\n"
        "    for name in names:\n"
        "        path = os.path.join(folder, name)\n"
        "        if name.endswith('.ipynb') or 'gradebook' in path or 'submitted' in path:\n"
        "            found.append(path)\n"
        "        elif name.endswith('.py') and '/python3' not in path:\n"
        "            text = open(path, errors='replace').read()\n"
        "            if 'SECRET_' + 'NUMBERS' in text: found.append(path)\n"
        "print('FOUND', found)",
        says="FOUND []",
    ),
    "environment": Attack(
        "import os\n"
        "print('KEYS', sorted(k for k in os.environ if k not in 'HOME LANG MPLBACKEND "
        "MPLCONFIGDIR NUMEXPR_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS PATH PWD "
        "TMPDIR LC_CTYPE MPLINTERACTIVE'.split()))\n"
        "print('PROCESSES', os.listdir('/proc'))",
        says="KEYS []\\nPROCESSES []",
    ),
    "forged answers on the wire": Attack(
        "import os, struct, json\n"
        "text = json.dumps({'ok': True, 'value': {'float': '0x1p+1'}, 'mutated': [], 'outputs': "
        "[], 'score': 3, 'points': 3}).encode()\n"
        "for number in range(3, 20):\n"
        "    try: os.write(number, (struct.pack('>I', len(text)) + text) * 5)\n"
        "    except OSError: pass",
        expected={**NOTHING},
    ),
    "a message without end": Attack(
        "import os\nos.write(3, b'\\x7f\\xff\\xff\\xff' + b'[' * 1000000)",
    ),
    "deep JSON": Attack(
        "import os, struct\nos.write(3, struct.pack('>I', 200000) + b'[' * 200000)",
    ),
    "published score": Attack(
        "from IPython.display import display\n"
        "class Three:\n    def __repr__(self): return '3'\n"
        "display(Three())\n3",
        double="def double(x):\n    display(Three())\n    print(3)\n",
    ),
    "os._exit in a cell": Attack("import os\nos._exit(0)", says="ended its process"),
    "os._exit in a function": Attack(
        "import os",
        double="def double(x):\n    os._exit(0)\n",
        says="it ended its process",
    ),
    "killing the parent": Attack(
        "import os, signal\n"
        "for pid in (os.getppid(), 1, -1):\n"
        "    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError as error: print(error)"
    ),
    "fork bomb": Attack("import os\nwhile True:\n    os.fork()", says="PermissionError"),
    "processes": Attack(
        "import subprocess\n"
        "try: subprocess.Popen(['/bin/sh', '-c', 'sleep 1000'])\n"
        "except OSError as error: print('REFUSED', error)",
        says="REFUSED",
    ),
    "thread bomb": Attack(
        "import threading, time\n"
        "try:\n"
        "    for _ in range(10000):\n"
        "        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
        "except RuntimeError: print('REFUSED')",
        says="REFUSED",
    ),
    "memory bomb": Attack("x = bytearray(8 << 30)", says="MemoryError"),
    "memory bomb by steps": Attack(
        "x = []\nwhile True: x.append(bytearray(50 << 20))", says="MemoryError"
    ),
    "memory bomb in a function": Attack(
        "",
        double="def double(x):\n    return np.ones((1 << 20, 1 << 12))\n",
        says="it raised MemoryError",
    ),
    "memory without a mapping": Attack(
        "import ctypes, os\n"
        "try: print('MEMFD', os.memfd_create('x'))\n"
        "except OSError: print('MEMFD refused')\n"
        "print('SHM', ctypes.CDLL(None).shmget(0, 1 << 30, 0o1600))",
        says="MEMFD refused\\nSHM -1",
    ),
    "disk bomb": Attack(
        "for k in range(100): open(f'/tmp/{k}', 'wb').write(bytes(3 << 20))",
        says="No space left on device",
    ),
    "large file": Attack("open('large', 'wb').write(bytes(5 << 20))", says="File too large"),
    "many files": Attack(
        "for k in range(100000): open(f'/tmp/{k}', 'wb').close()", says="No space left on device"
    ),
    "raising a limit": Attack(
        "import resource\n"
        "try: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n"
        "except (ValueError, OSError) as error: print('REFUSED', error)",
        says="REFUSED",
    ),
    "endless loop in a cell": Attack(
        "while True: pass", says="did not end within 2 seconds", endless=True
    ),
    "endless loop that catches everything": Attack(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        says="did not end within",
        endless=True,
    ),
    "endless loop in C": Attack(
        "import itertools\nsum(itertools.repeat(0))", says="did not end within", endless=True
    ),
    "endless loop in a function": Attack(
        "",
        double="def double(x):\n    while True: pass\n",
        says="it did not return within 2 seconds",
        endless=True,
    ),
    "endless print": Attack(
        "while True: print('x' * 1000)", says="did not end within", endless=True
    ),
    "endless recursion": Attack("def f(): return f()\nf()", says="RecursionError"),
    "killing the group": Attack(
        "import os, signal\nos.kill(0, signal.SIGKILL)\nos.killpg(0, signal.SIGKILL)"
    ),
    "recursion without a limit": Attack(
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)",
        endless=True,
    ),
    "segmentation fault": Attack("import ctypes\nctypes.string_at(0)", says="ended its process"),
    "large output": Attack("print('x' * 10**7)", says="output cut off"),
    "large result": Attack(
        "",
        double="def double(x):\n    return np.zeros(900_000)\n",
        says="its result is larger than",
    ),
    "reading the keyboard": Attack("input()", says="EOFError"),
    "waiting daemon": Attack(
        "import threading, os, time\n"
        "def wait():\n    time.sleep(0.3)\n    os.write(3, bytes(100))\n"
        "threading.Thread(target=wait, daemon=True).start()",
    ),
    "network": Attack(
        "import socket\nopen_ways = []\n"
        "for family in (2, 10, 16, 17, 40):\n"
        "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n"
        "        try: socket.socket(family, kind); open_ways.append(family)\n"
        "        except OSError: pass\n"
        "print('OPEN', open_ways)",
        says="OPEN []",
    ),
    "namespaces, mounts, tracing": Attack(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "print('GOT', [libc.unshare(0x10000000), libc.unshare(0x20000), "
        "libc.mount(b'/', b'/tmp', None, 4096, None), libc.umount2(b'/proc', 2), "
        "libc.ptrace(0, 0, 0, 0), libc.syscall(250, 0, 0), libc.chroot(b'/tmp')])",
        says="GOT [-1, -1, -1, -1, -1, -1, -1]",
    ),
    "packages that differentiate, or grade": Attack(
        "got = []\n"
        "for name in ('torch', 'jax', 'autograd', 'scipy', 'sympy', 'tensorflow', 'grading', "
        "'nbgrader', 'lib.torch_bridge'):\n"
        "    try: __import__(name); got.append(name)\n"
        "    except ImportError: pass\n"
        "print('GOT', got)",
        says="GOT []",
    ),
    "writing where another could read": Attack(
        "import os\nwritten = []\n"
        "for folder, _, _ in os.walk('/'):\n"
        "    try:\n"
        "        open(folder + '/x', 'w').close(); written.append(folder)\n"
        "    except OSError: pass\n"
        "own = ('/sandbox', '/tmp', '/dev/shm')\n"
        "print('WRITTEN', sorted(w for w in written if not w.startswith(own)))",
        says="WRITTEN []",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_nothing(grader: Grader, hasty: Grader, name: str) -> None:
    attack = ATTACKS[name]
    notebook = small.answer(small_release(grader), double=attack.double)
    judge = hasty if attack.endless else grader
    result = run(judge, small.insert(notebook, attack.code))
    assert result.scores == attack.expected
    assert result.reason == ""
    assert attack.says in printed(result)


def small_release(grader: Grader) -> dict[str, Any]:
    return grader.assignment.released


def test_the_attacks_are_tried_on_functions_that_can_earn_points(grader: Grader) -> None:
    result = run(grader, small.answer(small_release(grader)))
    assert result.scores == RIGHT


def test_nothing_is_left_behind(grader: Grader) -> None:
    code = (
        "import threading, time\n"
        "for _ in range(5): threading.Thread(target=time.sleep, args=(100,)).start()"
    )
    run(grader, small.insert(small.answer(small_release(grader)), code))
    process = grader.nursery._process
    assert process is not None
    deadline = time.monotonic() + 5
    while len(tree := descendants(process.pid)) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    # bubblewrap's own child, and the warm process below it
    assert len(tree) == 2


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    queue = [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def test_one_learner_leaves_nothing_to_the_next(grader: Grader) -> None:
    poison = (
        "import builtins, gc, os, sys, lib.codec\n"
        "np.sum = lambda *a: 0\n"
        "np.poisoned = builtins.poisoned = sys.poisoned = True\n"
        "lib.codec.encode = lambda *a: None\n"
        "os.environ['POISONED'] = '1'\n"
        "for folder in ('/tmp', '/dev/shm', os.environ['HOME'], '.'):\n"
        "    open(folder + '/poisoned', 'w').write('x')\n"
        "get_ipython().user_ns['poisoned'] = 1\n"
        "get_ipython().ast_transformers.clear()\n"
        "for o in gc.get_objects():\n"
        "    if type(o) is dict and '__builtins__' in o: o['poisoned'] = 1\n"
    )
    notebook = small.answer(small_release(grader))
    assert run(grader, small.insert(notebook, poison)).scores == NOTHING
    look = (
        "import builtins, gc, os, sys\n"
        "print('SEEN', [hasattr(o, 'poisoned') for o in (np, builtins, sys)], "
        "'POISONED' in os.environ, 'poisoned' in globals(), "
        "any(type(o) is dict and 'poisoned' in o for o in gc.get_objects()), "
        "sorted(os.listdir('/tmp') + os.listdir('/dev/shm') + os.listdir('.')))"
    )
    result = run(grader, small.insert(notebook, look))
    assert result.scores == RIGHT
    assert "SEEN [False, False, False] False False False ['data.csv']" in printed(result)


def test_a_function_cannot_show_what_it_was_asked(grader: Grader) -> None:
    code = (
        "seen = []\ndef double(x):\n    seen.append(x); print(x)\n    raise ValueError(repr(x))\n"
    )
    notebook = small.answer(small_release(grader), double=code)
    notebook["cells"].append(small.own_cell("print('SEEN', seen)"))
    notebook["cells"].append(small.own_cell("raise RuntimeError(repr(seen))"))
    result = run(grader, notebook)
    assert "SEEN []" in printed(result)
    assert "7.125" not in json.dumps(result.notebook)
    assert "it raised ValueError (line 4 of its cell)" in printed(result)


def test_a_named_exception_cannot_carry_values_out(grader: Grader) -> None:
    code = (
        "def double(x):\n"
        "    name = 'E' + str(x.ravel().tolist()).replace('.', '_')\n"
        "    raise type(name, (Exception,), {})\n"
    )
    result = run(grader, small.answer(small_release(grader), double=code))
    assert "it raised an exception of its own" in printed(result)
    assert "7_125" not in json.dumps(result.notebook)


FORGERIES = {
    "points": lambda cell: cell["metadata"]["nbgrader"].update(points=1000),
    "grade id": lambda cell: cell["metadata"]["nbgrader"].update(grade_id="test_total"),
    "not graded": lambda cell: cell["metadata"]["nbgrader"].update(grade=False, solution=True),
    "schema version": lambda cell: cell["metadata"]["nbgrader"].update(schema_version=99),
    "source": lambda cell: cell.update(source="3"),
    "outputs": lambda cell: cell.update(
        outputs=[
            {
                "output_type": "execute_result",
                "data": {"text/plain": "3"},
                "metadata": {},
                "execution_count": 1,
            }
        ]
    ),
    "skipped execution": lambda cell: cell["metadata"].update(
        tags=["skip-execution", "raises-exception", "remove-cell"]
    ),
    "markdown": lambda cell: cell.update(cell_type="markdown"),
    "strange types": lambda cell: cell.update(metadata=7, source=[1, None], outputs="x", id=[]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_test_cell_is_the_released_one_again(grader: Grader, name: str) -> None:
    notebook = small.answer(small_release(grader), double=WRONG)
    FORGERIES[name](small.find(notebook, "test_double"))
    notebook["metadata"] = {"kernelspec": {"name": "bash", "display_name": "x"}}
    result = run(grader, notebook)
    assert result.scores == CHEATED
    cells = {c["id"]: c for c in result.notebook["cells"]}
    original = small.find(small_release(grader), "test_double")
    assert cells["test_double"]["metadata"] == original["metadata"]
    assert cells["test_double"]["source"] == "".join(original["source"])
    assert result.notebook["metadata"] == small_release(grader)["metadata"]


def test_learners_names_do_not_reach_the_test(grader: Grader) -> None:
    code = WRONG + "def print(*a): return 3\ndef isinstance(*a): return True\nnp = points = 3\n"
    result = run(grader, small.answer(small_release(grader), double=code))
    assert result.scores["test_double"] == 0


def test_slow_cells_cannot_hold_up_a_batch(assignment: Assignment) -> None:
    limits = dataclasses.replace(LIMITS, submission_seconds=3)
    notebook = small.answer(assignment.released)
    for k in itertools.repeat(1, 20):
        notebook = small.insert(notebook, f"import time; time.sleep({k})")
    with Grader(dataclasses.replace(assignment, limits=limits)) as grader:
        started = time.monotonic()
        result = run(grader, notebook)
    assert time.monotonic() - started < 15
    assert result.scores == NOTHING
    assert any("limit" in limit for limit in result.limits)


def test_markup_in_outputs_is_only_text(grader: Grader) -> None:
    code = (
        "from IPython.display import HTML, Javascript, SVG, Markdown, display\n"
        "display(HTML('<script>alert(1)</script>'), Javascript('alert(2)'), Markdown('<b>x</b>'))\n"
        "class Rich:\n"
        "    def _repr_html_(self): return '<img src=x onerror=alert(3)>'\n"
        "    def _repr_png_(self): return b'<svg onload=alert(4)>'\n"
        "    def _repr_mimebundle_(self, **k): return {'text/html': '<script>alert(5)</script>'}\n"
        "display({'text/html': '<script>alert(6)</script>', 'text/plain': 'x'}, raw=True)\n"
        "Rich()"
    )
    result = run(grader, small.insert(small.answer(small_release(grader)), code))
    kinds = {
        kind
        for cell in result.notebook["cells"]
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    }
    assert kinds == {"text/plain"}


def test_long_lines_do_not_hold_up_feedback(grader: Grader) -> None:
    """Colouring takes time that grows with the square of a line: this one would take hours."""
    long = "x = '" + "a." * 200_000 + "'"
    many = "\n".join(["y = '" + "a." * 100 + "'"] * 2000)
    notebook = small.answer(small_release(grader))
    for code in (long, many, f"{long}; print('RUN', len(x), len(y))"):
        notebook = small.insert(notebook, code, before="total")
    result = run(grader, notebook)
    assert result.scores == RIGHT
    assert "RUN 400000 200" in printed(result)
    sources = [c["source"] for c in result.notebook["cells"] if c["cell_type"] == "code"]
    own = [source for source in sources if "a.a." in source]
    assert len(own) == 2
    assert all("cut off" in source for source in own)
    assert sum(map(len, sources)) < 70_000
    assert max(len(line) for source in sources for line in source.split("\n")) < 600


SETTING = (
    'c.FileNameCollectorPlugin.named_regexp = r".*?/extracted/[^/]+/'
    r'(?P<student_id>[^/_]+)_.*(?P<file_id>rnn)[^/]*\.ipynb"'
)


@pytest.mark.parametrize("greedy", [False, True])
def test_one_learners_zip_cannot_hand_in_for_another(course: Path, greedy: bool) -> None:
    """The file names within a zip are its maker's; the name of the zip is the platform's."""
    with (course / "nbgrader_config.py").open("a") as file:
        line = SETTING.replace("rnn", small.NAME)
        file.write(f"\n{line.replace('.*?', '.*') if greedy else line}\n")
    release = small.released(course)
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        wrong = json.dumps(small.answer(release, double=WRONG))
        for folder in ("", "a/", "extracted/class/", f"downloaded/{small.NAME}/extracted/class/"):
            archive.writestr(f"{folder}ada_1_2_tiny.ipynb", wrong)
    folder = course / "downloaded" / small.NAME / "archive"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "class.zip", "w") as archive:
        archive.writestr("ada_1_2_tiny.ipynb", json.dumps(small.answer(release)))
        archive.writestr("mal_3_4_work.zip", forged.getvalue())
    # it lists what it left, with a status of its own
    with pytest.raises(SystemExit, match="3") if greedy else contextlib.nullcontext():
        small.run_nbgrader(course, "zip_collect", small.NAME, "--force")
    report = batch.grade(batch.Course(course), small.NAME, jobs=1)
    scores = {row.student: row.score for row in report.rows}
    assert scores == {"ada": 9.0, "mal": 6.0}
