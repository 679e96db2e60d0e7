"""From what a learner handed in to what is graded.

The notebook that is graded is the released one with the learner's code in it: the
source of their solution cells, found by grade id, and code cells of their own, in their
order. Nothing else of their file counts: no metadata, no points, no kernel, no outputs,
no graded cells.
"""

import codecs
import copy
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grading import bindings, candidates, order
from grading.limits import Limits

NOT_NOTEBOOKS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gz archive"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF", "a PDF"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x89PNG", "a picture"),
    (b"version https://git-lfs", "a pointer of Git LFS"),
)
"""How files begin that are no notebooks, whatever they are called."""


class Refused(Exception):
    """A submission that cannot be graded; the text says why, for learner and instructor."""


class Empty(Refused):
    """A file with nothing in it."""


class Cell(NamedTuple):
    """What is taken from a cell of a submitted notebook."""

    code: bool
    source: str
    grade_id: str | None
    cell_id: str | None


# --- files -----------------------------------------------------------------------


def check_folder(folder: Path, files: int = 1000, size: int = 200 << 20) -> None:
    """Refuse a submission folder that holds anything but plain files and folders.

    Raises
    ------
    Refused
        Naming the first link or special file, or where there are too many files or bytes.
    """
    count = total = 0
    if folder.is_symlink():
        raise Refused("the submission's folder is a link")
    for path, folders, names in os.walk(folder):
        for name in (*folders, *names):
            count += 1
            status = os.lstat(os.path.join(path, name))
            mode = status.st_mode
            total += status.st_size
            shown = plain(os.path.relpath(os.path.join(path, name), folder))
            if stat.S_ISLNK(mode):
                raise Refused(f"{shown} is a symbolic link; links are not followed")
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise Refused(f"{shown} is not a plain file")
            if count > files:
                raise Refused(f"more than {files} files")
            if total > size:
                raise Refused(f"more than {size >> 20} MB of files")


def find_notebook(folder: Path, name: str) -> tuple[Path, str]:
    """Find the notebook in a submission folder.

    Hidden files, backups and editors' folders are no candidates. Of the others counts the
    one of the right name, then the shallowest, then the newest download; where none has
    the right name, the one that is nearest to it. The note says which was taken.

    Returns
    -------
    path, note

    Raises
    ------
    Refused
        Where there is no notebook, or several and none is surely the one.
    """
    wanted = folder / f"{name}.ipynb"
    if os.path.lexists(wanted):
        return wanted, ""
    found, archives = [], []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for own in sorted(names):
            path = Path(place, own)
            inside = path.relative_to(folder)
            if candidates.may_be_notebook(inside):
                found.append(candidates.judge(path, name, len(inside.parts)))
            elif candidates.is_archive(own) or candidates.is_unread_archive(own):
                archives.append(plain(own))
    chosen = candidates.choose(found)
    if chosen is not None:
        return chosen, f"renamed: taken from {plain(str(chosen.relative_to(folder)))}"
    if found:
        raise Refused(f"no notebook named {name}.ipynb, and {len(found)} others to choose from")
    packed = f", but {archives[0]}; unpack it" if archives else ""
    raise Refused(f"no notebook named {name}.ipynb{packed}")


def read(path: Path, limits: Limits) -> bytes:
    """Read a submitted notebook, following no link.

    Raises
    ------
    Refused
        Where it is a link, a special file, empty, or larger than ``limits.notebook``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise Refused(
                f"{plain(path.name)} is a symbolic link; links are not followed"
            ) from error
        raise Refused(f"{plain(path.name)} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused(f"{plain(path.name)} is not a plain file")
        data = file.read(limits.notebook + 1)
    if len(data) > limits.notebook:
        raise Refused(f"the notebook is larger than {limits.notebook >> 20} MB")
    if not data.strip():
        raise Empty("the file is empty")
    return data


def plain(text: str) -> str:
    """Make a file name of unknown origin printable."""
    return text.encode("ascii", "backslashreplace").decode()[:120]


# --- the notebook ----------------------------------------------------------------


def parse(data: bytes, limits: Limits) -> list[Cell]:
    """Read the cells of a notebook of any nbformat from 3 on.

    Raises
    ------
    Refused
        Where it is not UTF-8, not JSON, or not a notebook.
    """
    for beginning, what in NOT_NOTEBOOKS:
        if data.lstrip()[: len(beginning)].lower() == beginning.lower():
            raise Refused(f"{what} that is named as a notebook; hand in the notebook itself")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise Refused(
            f"not UTF-8: byte {error.start} of the file; save it in Jupyter and hand it in again"
        ) from error
    if sum(map(text.count, ",[{")) > limits.values:
        raise Refused(f"not a notebook: more than {limits.values} values; clear its outputs")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise Refused("not a notebook: nested too deeply") from error
    except ValueError as error:
        raise Refused(f"not JSON: {_damage(text, error)}") from error
    if not isinstance(content, dict):
        raise Refused("not a notebook: there are no cells")
    cells = content.get("cells")
    if cells is None and isinstance(content.get("worksheets"), list):
        sheets = [sheet for sheet in content["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Refused("not a notebook: there are no cells")
    if not any(isinstance(cell, dict) for cell in cells):
        raise Refused("the notebook has no cells")
    if len(cells) > limits.cells:
        raise Refused(f"more than {limits.cells} cells")
    taken = [_cell(cell) for cell in cells if isinstance(cell, dict)]
    if sum(len(cell.source) for cell in taken) > limits.sources:
        raise Refused(f"more than {limits.sources >> 20} MB of text in its cells")
    return taken


def _damage(text: str, error: ValueError) -> str:
    """Say in words what is wrong with a file that should be JSON, and what to do."""
    if text.lstrip()[:1] != "{":
        return "this is some other file; hand in the notebook itself"
    place = error.pos if isinstance(error, json.JSONDecodeError) else 0
    # Where a string has no end, its beginning is what the parser complains of.
    if "Unterminated" in str(error) or not text[place:].strip():
        return "your file is cut off; hand it in again"
    if re.search(r"^(<{7}|={7}|>{7}) ?", text, re.MULTILINE):
        return "it holds marks of a merge (<<<<<<<); settle them and hand it in again"
    return f"your file is damaged ({plain(str(error))}); save it in Jupyter and hand it in again"


def _cell(cell: dict[str, Any]) -> Cell:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        lines = [part for part in source if isinstance(part, str)]
        # Some programs write lines without their ends.
        ends = any(line.endswith("\n") for line in lines)
        source = ("" if ends else "\n").join(lines)
    if not isinstance(source, str):
        source = ""
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = mark.get("grade_id") if isinstance(mark, dict) else None
    cell_id = cell.get("id")
    return Cell(
        code=cell.get("cell_type") == "code",
        source=source.encode("utf-8", "replace").decode(),
        grade_id=grade_id if isinstance(grade_id, str) else None,
        cell_id=cell_id if isinstance(cell_id, str) else None,
    )


def mark(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the nbgrader metadata of a released cell, empty if it has none."""
    return cell.get("metadata", {}).get("nbgrader", {})


def source_of(cell: dict[str, Any]) -> str:
    """Return a cell's source as one string."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _is_solution(cell: dict[str, Any]) -> bool:
    return bool(mark(cell).get("solution"))


def functions(released: dict[str, Any]) -> frozenset[str]:
    """Return the names that the solution cells of a released notebook define."""
    found = frozenset[str]()
    for cell in released["cells"]:
        if _is_solution(cell) and cell["cell_type"] == "code":
            found |= bindings.defined(source_of(cell))
    return found


def check_notebook(released: dict[str, Any], cells: Sequence[Cell], name: str) -> None:
    """Refuse what is some other notebook: no points without a word would be the alternative.

    Raises
    ------
    Refused
        Where it has none of the notebook's graded cells and functions, or more of others.
    """
    marks = [mark(cell) for cell in released["cells"]]
    known = {data["grade_id"] for data in marks if data.get("grade_id")}
    graded = {data["grade_id"] for data in marks if data.get("solution") or data.get("grade")}
    wanted = functions(released)
    found = {cell.grade_id for cell in cells if cell.grade_id in graded}
    found |= {cell.cell_id for cell in cells if cell.grade_id is None and cell.cell_id in graded}
    others = {cell.grade_id for cell in cells if cell.grade_id} - known
    bound = any(cell.code and bindings.bound(cell.source, wanted) for cell in cells)
    if len(others) > len(found) or not (found or bound):
        raise Refused(f"this is not the notebook {name}")


def _match(released: list[dict[str, Any]], cells: list[Cell]) -> dict[int, int]:
    """Map positions of submitted cells to positions of the released cells that they are."""
    by_grade = {mark(c)["grade_id"]: k for k, c in enumerate(released) if mark(c).get("grade_id")}
    by_id = {c["id"]: k for k, c in enumerate(released) if "id" in c}
    by_source: dict[str, int] = {}
    for k, original in enumerate(released):
        by_source.setdefault(source_of(original).strip(), k)
    found: dict[int, int] = {}
    for position, cell in enumerate(cells):
        if cell.grade_id in by_grade:
            found[position] = by_grade[cell.grade_id]
        elif cell.grade_id is None:
            k = by_id.get(cell.cell_id or "", by_source.get(cell.source.strip(), -1))
            # A cell that lost its metadata keeps its id or its text.
            if k >= 0 and (_is_solution(released[k]) or source_of(released[k]) == cell.source):
                found[position] = k
    return found


def _parts(released: dict[str, Any]) -> list[order.Part]:
    """Describe the released cells."""
    every = functions(released)
    parts: list[order.Part] = []
    since: frozenset[str] = frozenset()
    for cell in released["cells"]:
        data, code = mark(cell), cell["cell_type"] == "code"
        kind, names = "text", frozenset[str]()
        if data.get("solution"):
            kind, names = "solution", bindings.defined(source_of(cell)) if code else names
            since |= names
        elif data.get("grade"):
            own = data["grade_id"].removeprefix("test_")
            kind, names = "test", frozenset([own]) if own in every else since
            since = frozenset()
        elif data.get("locked") and code:
            kind = "locked"
        parts.append(order.Part(kind, names))
    return parts


def rebuild(released: dict[str, Any], cells: Iterable[Cell]) -> dict[str, Any]:
    """Put a learner's code into the released notebook.

    Parameters
    ----------
    released : the released notebook, as ``json`` reads it
    cells : the submitted cells

    Returns
    -------
    dict
        A notebook: nothing in it but the released cells, the sources of the learner's
        solution cells, and code cells of the learner's own, with ids ``own-1``, …, in the
        order of :func:`grading.order.arrange`.
    """
    cells = list(cells)
    notebook = copy.deepcopy(released)
    originals = notebook["cells"]
    found = _match(originals, cells)
    every = functions(released)
    pieces = []
    for position, cell in enumerate(cells):
        k = found.get(position)
        stub = k is not None and _is_solution(originals[k])
        pieces.append(
            order.Piece(
                part=k,
                original=k is not None and cell.cell_id == originals[k].get("id"),
                stub=stub and cell.source.strip() == source_of(originals[k or 0]).strip(),
                code=cell.code and bool(cell.source.strip()),
                binds=bindings.bound(cell.source, every) if cell.code else frozenset(),
            )
        )
    rebuilt = []
    number = 0
    for item in order.arrange(_parts(released), pieces):
        if item.part is None:
            number += 1
            rebuilt.append(_own_cell(number, cells[item.piece or 0].source))
            continue
        original = originals[item.part]
        if original["cell_type"] == "code":
            original["outputs"], original["execution_count"] = [], None
        if item.piece is not None:
            source = cells[item.piece].source
            code = original["cell_type"] == "code"
            original["source"] = source if code else escape_markdown(source)
        elif item.empty:
            original["source"] = ""
        rebuilt.append(original)
    notebook["cells"] = rebuilt
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    for k, made in enumerate(rebuilt):
        made.setdefault("id", f"released-{k}")
        made["source"] = source_of(made)
    return notebook


def _own_cell(number: int, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"own-{number}",
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def escape_markdown(text: str) -> str:
    """Make a learner's Markdown harmless: no HTML, no links and no pictures.

    A link's address may be written in many ways, so there is no telling good ones from
    those that run code.
    """
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("[", "&#91;")):
        text = text.replace(character, entity)
    return text
