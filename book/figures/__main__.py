"""Write every drawing and the style sheet: ``python book/figures``.

Each chapter's script has a function ``drawings`` from file name to SVG.
"""

import sys
from importlib import import_module
from pathlib import Path

import diagram

SCRIPTS = sorted(
    {path.stem for path in diagram.FOLDER.glob("*.py")} - {"diagram", "letters", "__main__"}
)


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    found: dict[str, str] = {}
    for script in SCRIPTS:
        for name, svg in import_module(script).drawings().items():
            if name in found:
                raise ValueError(f"name: expected a new name, got {name!r} from {script}.py too")
            found[name] = svg
    return found


def main(folder: Path, stylesheet: Path) -> None:
    """Write every drawing into a folder, and the style sheet; remove what is drawn no more."""
    found = drawings()
    for path in folder.glob("*.svg"):
        if path.stem not in found:
            path.unlink()
    for name, svg in found.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    stylesheet.write_text(diagram.stylesheet(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        target.mkdir(parents=True, exist_ok=True)
        main(target, target / "diagrams.css")
    else:
        main(diagram.FOLDER, diagram.STYLESHEET)
