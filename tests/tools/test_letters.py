"""The fonts of the drawings: what is in them, and that nothing but advances makes a width."""

import pytest
from fontTools.ttLib import TTFont

from tools import letters


@pytest.mark.parametrize("face", letters.FACES)
def test_face_holds_what_the_script_takes(face: str) -> None:
    font = TTFont(letters.LETTERS / f"{face}.woff2")
    wanted = {character for source in letters.FACES[face] for character in source.characters}
    assert {chr(code) for code in font.getBestCmap()} == wanted
    assert not {"GPOS", "GSUB", "kern", "morx"} & set(font.keys()), "kerning or ligatures"
    assert "SIL Open Font License" in font["name"].getDebugName(13)


def test_faces_are_small_and_their_licences_beside_them() -> None:
    assert {path.stem for path in letters.LETTERS.glob("*.woff2")} == set(letters.FACES)
    assert sum(path.stat().st_size for path in letters.LETTERS.glob("*.woff2")) < 40_000
    for name in letters.LICENCES:
        assert "SIL OPEN FONT LICENSE" in (letters.LETTERS / name).read_text(encoding="utf-8")
