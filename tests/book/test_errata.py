"""Every erratum: the printed form fails and the right form holds, as the page shows it."""

import contextlib
import io
from pathlib import Path

import jupytext
import pytest

PAGE = Path(__file__).resolve().parents[2] / "book" / "errata.md"
# How far off the printed form must be at least, and the right form at most.
BOUNDS = {f"E{n}": (1e-2, 1e-6) for n in range(1, 27)} | {
    "E6": (0.3, 0.0),
    "E10": (0.99, 0.5),
    "E21": (1e3, 0.9**10),
    "E22": (0.99, 0.7),
    "E9": (1e-2, 1e-9),
    "E19": (0.5, 1e-3),
    "E11": (4096, 0),
    "E5": (0.2, 1e-4),
}


@pytest.fixture(scope="module")
def results():
    cells = jupytext.read(PAGE).cells
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
    return names["RESULTS"]


def test_every_numbered_entry_is_shown(results):
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("### E")]
    assert [h.split(".")[0].removeprefix("### ") for h in headings] == list(results)
    assert set(results) == set(BOUNDS)


@pytest.mark.parametrize("entry", BOUNDS)
def test_the_printed_form_fails_and_the_right_form_holds(results, entry):
    printed, right = results[entry]
    least, most = BOUNDS[entry]
    assert printed >= least
    assert right <= most
