"""From what a learner handed in to what is graded.

The notebook that is graded is the released one with the learner's code in it: the
source of their solution cells, found by grade id, and code cells of their own, each
after the cell that it followed. Nothing else of their file counts: no metadata, no
points, no kernel, no outputs, no graded cells.
"""

import copy
import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from grading import candidates
from grading.limits import Limits


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
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: byte {error.start} of the file") from error
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise Refused("not a notebook: nested too deeply") from error
    except ValueError as error:
        raise Refused(f"not JSON: {plain(str(error))}") from error
    if not isinstance(content, dict):
        raise Refused("not a notebook: there are no cells")
    cells = content.get("cells")
    if cells is None and isinstance(content.get("worksheets"), list):
        sheets = [sheet for sheet in content["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Refused("not a notebook: there are no cells")
    if len(cells) > limits.cells:
        raise Refused(f"more than {limits.cells} cells")
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _cell(cell: dict[str, Any]) -> Cell:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
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


def defines(source: str, name: str) -> bool:
    """Tell whether some code, broken or not, defines a function at its top level."""
    return re.search(rf"^(async\s+)?def\s+{re.escape(name)}\s*\(", source, re.MULTILINE) is not None


def _is_solution(cell: dict[str, Any]) -> bool:
    return bool(mark(cell).get("solution"))


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
    taken = set(found.values())
    for k, original in enumerate(released):
        if _is_solution(original) and k not in taken:
            name = mark(original)["grade_id"]
            for position in reversed(range(len(cells))):
                cell = cells[position]
                if position not in found and cell.code and defines(cell.source, name):
                    found[position] = k
                    break
    return found


def _choose(released: list[dict[str, Any]], cells: list[Cell], found: dict[int, int]) -> set[int]:
    """Of several submitted cells for one released cell, choose the one that counts.

    It is the last that is not the untouched stub. Earlier ones run as ordinary cells.
    """
    chosen: dict[int, int] = {}
    for position, k in found.items():
        untouched = cells[position].source.strip() == source_of(released[k]).strip()
        if k not in chosen or not untouched:
            chosen[k] = position
    return set(chosen.values())


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
        solution cells, and code cells of the learner's own, with ids ``own-1``, ….
    """
    cells = list(cells)
    notebook = copy.deepcopy(released)
    originals = notebook["cells"]
    found = _match(originals, cells)
    chosen = _choose(originals, cells, found)
    after: dict[int, list[str]] = {}
    anchor = -1
    for position, cell in enumerate(cells):
        k = found.get(position)
        if k is not None:
            anchor = k
        if k is not None and (position in chosen or not _is_solution(originals[k])):
            if _is_solution(originals[k]):
                code = originals[k]["cell_type"] == "code"
                originals[k]["source"] = cell.source if code else escape_markdown(cell.source)
            continue
        if cell.code and cell.source.strip():
            # A superseded copy of a solution cell runs before the one that counts.
            after.setdefault(anchor if k is None else k - 1, []).append(cell.source)
    rebuilt = []
    number = 0
    for k in range(-1, len(originals)):
        if k >= 0:
            original = originals[k]
            if original["cell_type"] == "code":
                original["outputs"], original["execution_count"] = [], None
            rebuilt.append(original)
        for source in after.get(k, []):
            number += 1
            rebuilt.append(
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": f"own-{number}",
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
            )
    notebook["cells"] = rebuilt
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    for k, cell in enumerate(rebuilt):
        cell.setdefault("id", f"released-{k}")
        cell["source"] = source_of(cell)
    return notebook


def escape_markdown(text: str) -> str:
    """Make a learner's Markdown harmless: no HTML, no links and no pictures.

    A link's address may be written in many ways, so there is no telling good ones from
    those that run code.
    """
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("[", "&#91;")):
        text = text.replace(character, entity)
    return text
