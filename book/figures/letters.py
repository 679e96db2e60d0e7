"""The letters of the drawings: how wide they are, and the fonts that a file carries.

The fonts are in ``book/_static/letters``, made by ``tools/letters.py``. They have no kerning
and no ligatures, so a text is as wide as its letters' advances together, in every browser.
"""

import base64
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FOLDER = Path(__file__).resolve().parent.parent / "_static" / "letters"
FACES = {  # the face's file: family and style in CSS
    "serif": ("Drawing Serif", "normal"),
    "italic": ("Drawing Serif", "italic"),
    "sans": ("Drawing Sans", "normal"),
}


def font(face: str) -> TTFont:
    """Read a face."""
    return TTFont(FOLDER / f"{face}.woff2", recalcTimestamp=False)


@cache
def advances(face: str) -> dict[str, float]:
    """Return each character's advance, in ems."""
    read = font(face)
    em = read["head"].unitsPerEm
    return {chr(code): read["hmtx"][name][0] / em for code, name in read.getBestCmap().items()}


def width(text: str, face: str, size: float) -> float:
    """Return how wide a text is, for letters of ``size``.

    Raises
    ------
    ValueError
        Where the face lacks a character.
    """
    known = advances(face)
    lacking = sorted(set(text) - set(known))
    if lacking:
        raise ValueError(
            f"text: expected characters of the {face} face, got {' '.join(lacking)} in {text!r}; "
            "tools/letters.py says which there are"
        )
    return size * sum(known[character] for character in text)


def rule(face: str, address: str) -> str:
    """Write the style sheet's rule for a face."""
    family, style = FACES[face]
    return (
        f'@font-face{{font-family:"{family}";font-style:{style};font-weight:400;'
        f"font-display:swap;src:url({address})}}"
    )


@cache
def carried(face: str, characters: str) -> str:
    """Write the rule for a face that holds these characters and is part of the file.

    It is not compressed, so that it is the same bytes everywhere.
    """
    read = font(face)
    options = Options(layout_features=[], notdef_outline=True, name_IDs=[0, 1, 13])
    subsetter = Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(read)
    read.flavor = None
    out = io.BytesIO()
    read.save(out)
    return rule(face, f"data:font/ttf;base64,{base64.b64encode(out.getvalue()).decode()}")


def carry(texts: Iterable[tuple[str, str]]) -> str:
    """Write the rules for the faces of a file whose texts are given as (face, text)."""
    used: dict[str, set[str]] = {}
    for face, text in texts:
        used.setdefault(face, set()).update(text)
    return "\n".join(carried(face, "".join(sorted(used[face]))) for face in FACES if face in used)
