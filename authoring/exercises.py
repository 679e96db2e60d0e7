"""Generate ``exercises/<slug>`` from ``solutions/<slug>``, and say what changed."""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

from authoring import checks, sources


def same_files(one: Path, other: Path) -> bool:
    """Tell whether two flat directories hold the same files."""
    names = sorted(path.name for path in one.iterdir())
    if not other.is_dir() or names != sorted(path.name for path in other.iterdir()):
        return False
    return not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])


def generate(slug: str, destination: Path) -> bool:
    """Bring one chapter's learner directory up to date; return whether it changed.

    ``destination/<slug>`` is replaced as a whole, or left as it was where something
    fails.

    Raises
    ------
    SourceError
        Where the chapter is unknown or its source is broken.
    """
    sources.check_hidden_tests(slug)
    checks.write(slug)
    sources.convert(slug)
    with tempfile.TemporaryDirectory() as scratch:
        sources.release(slug, Path(scratch))
        made = Path(scratch) / slug
        if same_files(made, destination / slug):
            return False
        sources.replace_directory(made, destination / slug)
    return True


def refresh(root: Path, slug: str) -> None:
    """Bring up to date what a chapter's release is made from, where ``root`` is this course."""
    if root == sources.ROOT and slug in sources.available():
        sources.check_hidden_tests(slug)
        checks.write(slug)
        sources.convert(slug)


def main(argv: list[str] | None = None) -> int:
    """Generate the chapters asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    parser.add_argument("--destination", type=Path, default=sources.ROOT / "exercises")
    arguments = parser.parse_args(argv)
    chapters = arguments.chapters or sources.available()
    try:
        for slug in chapters:
            sources.source_directory(slug)
        for slug in chapters:
            changed = generate(slug, arguments.destination)
            print(f"exercises/{slug}: {'written' if changed else 'up to date'}")
    except sources.SourceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
