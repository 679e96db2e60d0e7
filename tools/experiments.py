"""Run the experiments that pages show but do not run: ``book/experiments/<slug>.py``.

Each has ``figure``, which returns what the page's figure needs, and where something is to be
trained, ``train(steps)``, whose parameters ``figure`` then gets. Results are ``<slug>.json``,
with the first losses, which a test computes again, and with what made them.
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book" / "experiments"
BEGINNING = 5  # losses that are kept


def experiments() -> list[str]:
    """Return the slugs of all experiments."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def load(slug: str) -> ModuleType:
    """Import an experiment."""
    spec = importlib.util.spec_from_file_location(f"experiment_{slug}", FOLDER / f"{slug}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def provenance(slug: str) -> dict[str, Any]:
    """Say what the results were made with."""
    script = ast.parse((FOLDER / f"{slug}.py").read_text("utf-8"))
    # However it is laid out, and wherever in lib a name stands.
    kept = [ast.dump(part) for part in script.body if not isinstance(part, ast.ImportFrom)]
    return {
        "script": hashlib.sha256("\n".join(kept).encode()).hexdigest(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "numpy": np.__version__,
    }


def write(slug: str) -> Path:
    """Run an experiment and write its results."""
    module = load(slug)
    result: dict[str, Any] = {"provenance": provenance(slug)}
    if hasattr(module, "train"):
        params, losses = module.train()
        result["beginning"] = [float(f"{loss:.6g}") for loss in losses[:BEGINNING]]
        result["end"] = float(f"{np.mean(losses[-50:]):.6g}")
        result["figure"] = module.figure(params)
    else:
        result["figure"] = module.figure()
    path = FOLDER / f"{slug}.json"
    path.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    return path


def main() -> int:
    """Run the experiment named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slug", nargs="?", choices=experiments())
    named = parser.parse_args().slug
    for slug in [named] if named else experiments():
        begun = time.monotonic()
        path = write(slug)
        seconds = time.monotonic() - begun
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
