"""In which order a learner's cells and the released ones are graded.

The learner's order counts, as it does in Jupyter: what a function is when its test comes is
what it is graded by. Each test stands where the learner has it; only where none of its
function's definitions comes before it, it waits for one.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """A released cell."""

    kind: str
    """``solution``, ``test``, ``locked`` or ``text``."""
    names: frozenset[str]
    """What a solution is to define, what a test looks at."""


class Piece(NamedTuple):
    """A submitted cell."""

    part: int | None
    """The released cell that it says it is."""
    original: bool
    """Whether it is that cell itself and no copy."""
    stub: bool
    """Whether it is a solution cell as it was released."""
    code: bool
    """Whether there is code in it."""
    binds: frozenset[str]


class Item(NamedTuple):
    """A cell of the notebook that is graded."""

    part: int | None
    """The released cell; ``None`` for a cell of the learner's own."""
    piece: int | None
    """The submitted cell whose source it has; ``None`` where it is the released one's."""
    empty: bool = False
    """Whether it is left empty: what it is to define is defined in other cells."""


def arrange(parts: Sequence[Part], pieces: Sequence[Piece]) -> list[Item]:
    """Put every released cell and all of the learner's code into one order."""
    anchors = _anchors(parts, pieces)
    answers = _answers(parts, pieces, anchors)
    every = frozenset[str]().union(*(part.names for part in parts if part.kind == "solution"))
    answered = {position: k for k, position in answers.items() if position is not None}
    items: list[Item] = []
    for position, piece in enumerate(pieces):
        k = piece.part
        if position in answered:
            items.append(Item(answered[position], position))
            continue
        solution = k is not None and parts[k].kind == "solution"
        if piece.code and not piece.stub and (k is None or solution or piece.binds & every):
            items.append(Item(None, position))
        if k is not None and anchors.get(k) == position and k not in answered.values():
            items.append(Item(k, None, empty=k in answers))
    _add_missing(items, parts, answers)
    _let_tests_wait(items, parts, pieces)
    _locked_before_tests(items, parts)
    return items


def _anchors(parts: Sequence[Part], pieces: Sequence[Piece]) -> dict[int, int]:
    """Map released cells to the submitted ones that are they: the original, else the first."""
    found: dict[int, int] = {}
    for position, piece in enumerate(pieces):
        if piece.part is not None and (piece.part not in found or piece.original):
            found[piece.part] = position
    return found


def _answers(
    parts: Sequence[Part], pieces: Sequence[Piece], anchors: dict[int, int]
) -> dict[int, int | None]:
    """Map solution cells to the submitted cells that answer them.

    ``None`` stands for an answer that is in cells which are something else. Where there is
    no answer, there is no entry.
    """
    answers: dict[int, int | None] = {}
    for k, part in enumerate(parts):
        if part.kind != "solution":
            continue
        tests = (j for j in range(k, len(parts)) if parts[j].kind == "test")
        limit = anchors.get(next(tests, -1), len(pieces))
        mine = [p for p, piece in enumerate(pieces) if piece.part == k and not piece.stub]
        binding = [p for p in mine if pieces[p].binds & part.names]
        elsewhere = [
            p
            for p, piece in enumerate(pieces)
            if piece.part != k and not piece.stub and piece.binds & part.names
        ]
        loose = [p for p in elsewhere if pieces[p].part is None and p not in answers.values()]
        if binding:
            answers[k] = _last(binding, limit)
        elif elsewhere:
            answers[k] = _last(loose, limit) if loose else None
        elif mine:
            answers[k] = _last(mine, limit)
    return answers


def _last(positions: list[int], limit: int) -> int:
    """Return the last position before a limit, or the last of all."""
    return max([p for p in positions if p < limit] or positions)


def _at(items: Iterable[Item], k: int) -> int | None:
    """Return the place of a released cell."""
    return next((place for place, item in enumerate(items) if item.part == k), None)


def _add_missing(items: list[Item], parts: Sequence[Part], answers: dict[int, int | None]) -> None:
    """Insert released cells that were deleted, each after the one before it.

    A test comes after what follows that one, too, as far as the next released cell; the
    first locked cell comes before all code.
    """
    for k, part in enumerate(parts):
        if _at(items, k) is not None:
            continue
        before = _at(items, k - 1)
        place = 0 if before is None else before + 1
        if part.kind == "test":
            while place < len(items) and items[place].part is None:
                place += 1
        elif part.kind == "locked" and all(other.kind == "text" for other in parts[:k]):
            texts = [item.part is not None and parts[item.part].kind == "text" for item in items]
            place = texts.index(False) if False in texts else len(items)
        items.insert(place, Item(k, None, empty=k in answers))


def _let_tests_wait(items: list[Item], parts: Sequence[Part], pieces: Sequence[Piece]) -> None:
    """Move each test behind a definition of what it looks at, where none is before it."""
    for k in reversed(range(len(parts))):
        place = _at(items, k)
        if parts[k].kind != "test" or place is None:
            continue
        target = place
        for name in parts[k].names:
            where = [
                at
                for at, item in enumerate(items)
                if item.piece is not None and name in pieces[item.piece].binds
            ]
            if where and where[0] > place:
                target = max(target, where[-1])
        items.insert(target, items.pop(place))


def _locked_before_tests(items: list[Item], parts: Sequence[Part]) -> None:
    """Move each locked cell before the tests that follow it in the release."""
    for k, part in enumerate(parts):
        place = _at(items, k)
        tests = [_at(items, j) for j in range(k, len(parts)) if parts[j].kind == "test"]
        first = min((at for at in tests if at is not None), default=None)
        if part.kind == "locked" and place is not None and first is not None and first < place:
            items.insert(first, items.pop(place))
