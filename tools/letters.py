"""Make the fonts of the drawings anew: ``book/_static/letters/*.woff2``, and their licences.

Run it by hand when a drawing needs a character that none of them has; it asks npm's registry
for the fonts, at the versions below. Serif letters are STIX Two Text, with the operators of
STIX Two Math; plain words are Arimo. All three are under the SIL Open Font License. Kerning,
ligatures and hints go, so that a word is as wide as its letters' advances together.
"""

import hashlib
import string
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from fontTools.merge import Merger
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
LETTERS = ROOT / "book" / "_static" / "letters"


class Source(NamedTuple):
    """A font in a package of npm: a file of it, its digest (SHA-256), and what is taken of it."""

    package: str
    file: str
    digest: str
    characters: str


ALPHANUMERIC = string.ascii_letters + string.digits
TEXT = "@expo-google-fonts/stix-two-text@0.4.2"
MATH = "@expo-google-fonts/stix-two-math@0.4.0"
SANS = "@expo-google-fonts/arimo@0.4.3"
FACES = {
    "serif": [
        Source(
            TEXT,
            "400Regular/STIXTwoText_400Regular.ttf",
            "d2a222614cf280f2db1d4ebd7d6f0dad5772541f8945a96ee4bf899c845b695b",
            ALPHANUMERIC + " '()+,./:;=[]|<>−×·…²′",
        ),
        Source(
            MATH,
            "400Regular/STIXTwoMath_400Regular.ttf",
            "c3377c20641ecee349677e3f6cc71a6405c30cda7171a4cbc4a1c3970cfff0b4",
            "∇⊙⊤⋯→∘⊕∑∏∂≤≥≈",
        ),
    ],
    "italic": [
        Source(
            TEXT,
            "400Regular_Italic/STIXTwoText_400Regular_Italic.ttf",
            "8695733706c0768637c6051141abad7cdb854184c7c36fb5050cdd0f4b148e7c",
            string.ascii_letters + "αβγδεηθλμσςτφψωΓΔΘΛΣΦΨΩ",
        ),
    ],
    "sans": [
        Source(
            SANS,
            "400Regular/Arimo_400Regular.ttf",
            "88cc899855d30f9c779b73c3319d0e077b098f927187aafce11ca029add707a6",
            ALPHANUMERIC + " !\"%'()+,-./:;<=>?[]|×·–−’…→αβ",
        ),
    ],
}
LICENCES = {"STIX-LICENSE": TEXT, "Arimo-LICENSE": SANS}


def unpack(package: str, folder: Path) -> Path:
    """Fetch a package with npm; return the folder of its files."""
    target = folder / package.replace("/", "-")
    if not target.exists():
        target.mkdir()
        subprocess.run(["npm", "pack", "--silent", package], cwd=target, check=True)
        with tarfile.open(next(target.glob("*.tgz"))) as archive:
            archive.extractall(target, filter="data")
    return target / "package"


def subset(path: Path, source: Source) -> TTFont:
    """Return what is taken of a font, without layout tables and hints."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != source.digest:
        sys.exit(f"error: {source.file}: expected the digest {source.digest}, got {found}")
    font = TTFont(path, recalcTimestamp=False)
    lacking = [c for c in source.characters if ord(c) not in font.getBestCmap()]
    if lacking:
        sys.exit(f"error: {source.file}: has no {' '.join(lacking)}")
    options = Options(
        hinting=False, layout_features=[], notdef_outline=True, name_IDs=[0, 1, 6, 13]
    )
    options.drop_tables += ["GDEF", "GPOS", "GSUB", "MATH", "STAT", "gasp", "meta", "prep"]
    subsetter = Subsetter(options)
    subsetter.populate(text=source.characters)
    subsetter.subset(font)
    return font


def main() -> int:
    """Make the fonts; return the exit status."""
    LETTERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for face, sources in FACES.items():
            parts = []
            for k, source in enumerate(sources):
                part = folder / f"{face}-{k}.ttf"
                subset(unpack(source.package, folder) / source.file, source).save(part)
                parts.append(str(part))
            first = TTFont(parts[0], recalcTimestamp=False)
            font = Merger().merge(parts) if len(parts) > 1 else first
            font.recalcTimestamp = False
            for date in ("created", "modified"):
                setattr(font["head"], date, getattr(first["head"], date))
            font.flavor = "woff2"
            font.save(LETTERS / f"{face}.woff2")
        for licence, package in LICENCES.items():
            text = (unpack(package, folder) / "LICENSE_FONT").read_bytes()
            (LETTERS / licence).write_bytes(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
