"""Write the learners' archives: notebooks, checks, the learner's part of ``lib``.

One archive holds all chapters; one for each chapter lies beside it, for a class that
gets its chapters one after the other (a later chapter's ``lib`` holds what earlier
notebooks ask for).
"""

import argparse
import re
import sys
import tempfile
import zipfile
from pathlib import Path

from authoring import learner_lib, sources

PACKAGES = ("numpy", "matplotlib", "tqdm", "jupyterlab", "nbgrader")
"""What a learner installs. No torch."""


def released() -> tuple[int, int, int, int, int, int]:
    """Return the date of all files in an archive: the course's own, so that bytes are the same."""
    text = (sources.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    year, month, day = re.findall(r"^date-released: (\d+)-(\d+)-(\d+)$", text, re.MULTILINE)[0]
    return int(year), int(month), int(day), 0, 0, 0


def folder_of(slug: str) -> str:
    """Return the name of a chapter's folder, by which a list of files has the book's order."""
    return f"{sources.available().index(slug) + 1:02d}-{slug}"


def requirements(pins: str) -> str:
    """Give the learner's requirements: our versions, or later ones that are compatible."""
    lines = dict(line.split("==") for line in pins.splitlines() if "==" in line)
    text = []
    for name in PACKAGES:
        version = lines[name].split(".")
        kept = 3 if version[0] == "0" else 2
        text.append(f"{name}~={'.'.join(version[:kept])}\n")
    return "".join(text)


def lay_out(chapters: list[str], directory: Path) -> None:
    """Write what the learner unpacks to ``directory``.

    Raises
    ------
    SourceError
        Where a chapter is unknown or has no released notebook.
    """
    pins = (sources.ROOT / "constraints.txt").read_text(encoding="utf-8")
    (directory / "requirements.txt").write_text(requirements(pins), encoding="utf-8")
    for path in (
        sources.ROOT / "authoring" / "learner" / "README.md",
        sources.ROOT / "LICENSE",
        sources.ROOT / "LICENSE-text",
    ):
        (directory / path.name).write_bytes(path.read_bytes())
    for slug in chapters:
        sources.source_directory(slug)
        target = directory / folder_of(slug)
        target.mkdir()
        for name in (f"{slug}.ipynb", "checks.json"):
            released = sources.ROOT / "exercises" / slug / name
            if not released.is_file():
                raise sources.SourceError(
                    f"chapter {slug}: expected {released}; make it with `make exercises`"
                )
            (target / name).write_bytes(released.read_bytes())
        learner_lib.build(slug, target)


def pack(directory: Path, archive: Path, top: str) -> None:
    """Zip a directory, the same bytes for the same files, whole or not at all."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    temporary = archive.with_suffix(".tmp")
    date = released()
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(p for p in directory.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{top}/{path.relative_to(directory).as_posix()}", date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            opened.writestr(entry, path.read_bytes())
    temporary.replace(archive)


def build(chapters: list[str], archive: Path) -> None:
    """Write one archive of some chapters; it unpacks to a folder of its own name."""
    with tempfile.TemporaryDirectory() as scratch:
        lay_out(chapters, Path(scratch))
        pack(Path(scratch), archive, archive.stem)


def chapter(root: Path, slug: str) -> Path | None:
    """Write the archive of one chapter, where ``root`` is this course, and return its path."""
    if root != sources.ROOT or slug not in sources.available():
        return None
    archive = root / "_build" / "learner" / f"{slug}.zip"
    build([slug], archive)
    return archive


def main(argv: list[str] | None = None) -> int:
    """Write the archives; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = sources.ROOT / "_build" / "learner" / "recurrent-networks.zip"
    parser.add_argument("--output", type=Path, default=default)
    output: Path = parser.parse_args(argv).output
    chapters = sources.available()
    try:
        for slug in chapters:
            build([slug], output.with_name(f"{slug}.zip"))
        build(chapters, output)
    except sources.SourceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{output}: {len(chapters)} chapters; beside it one archive for each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
