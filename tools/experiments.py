"""Run the experiments that pages show but do not run: ``book/experiments/<slug>.py``.

There are two kinds, and both store ``<slug>.json``, with the first losses, which a test computes
again, and with what made them.

For a figure that answers: ``figure`` returns what it needs, and where something is to be trained,
``train(steps)`` does, and ``figure`` then gets the parameters.

For a claim: ``RUNS`` names the runs, ``kind/…/seed``, and ``run(name, steps)`` returns the numbers
of one, with its first two losses as ``beginning``; with ``steps`` it ends there, and judges
nothing. Each run is stored when it ends, and those that are there, made by the same script, are
not made again; so ``SEEDS`` may grow. ``authoring.results`` gives them to pages.
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import platform
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
    kept = [
        repr(plain(part))
        for part in script.body
        if not isinstance(part, ast.ImportFrom) and not _is_list_of_runs(part)
    ]
    return {
        "script": hashlib.sha256("\n".join(kept).encode()).hexdigest(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def plain(part: Any) -> Any:
    """Turn syntax into tuples and lists, the same on every Python, with or without new fields."""
    if isinstance(part, ast.AST):
        fields = [(k, plain(v)) for k, v in ast.iter_fields(part) if v not in (None, [])]
        return type(part).__name__, fields
    return [plain(item) for item in part] if isinstance(part, list) else part


def _is_list_of_runs(part: ast.stmt) -> bool:
    """Tell what runs are to be made from how each is made."""
    names = [target.id for target in getattr(part, "targets", []) if isinstance(target, ast.Name)]
    return isinstance(part, ast.Assign) and names in (["SEEDS"], ["RUNS"])


def rounded(value: Any) -> Any:
    """Keep four digits of every number."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_runs(slug: str, module: ModuleType) -> Path:
    """Make the runs that are not stored yet, and store each when it ends."""
    path = FOLDER / f"{slug}.json"
    made_with = provenance(slug)
    before = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    runs = before["runs"] if before.get("provenance") == made_with else {}
    for name in module.RUNS:
        if name not in runs:
            begun = time.process_time()
            numbers = module.run(name)
            runs[name] = {"beginning": [float(x) for x in numbers.pop("beginning")]}
            runs[name] |= rounded(numbers)
            print(f"{slug} {name}: {time.process_time() - begun:.0f} s of processor", flush=True)
        kept = {run: runs[run] for run in module.RUNS if run in runs}
        text = json.dumps(
            {"provenance": made_with, "runs": kept}, ensure_ascii=False, separators=(",", ":")
        )
        path.write_text(text + "\n", "utf-8")
    return path


def write(slug: str) -> Path:
    """Run an experiment and write its results."""
    module = load(slug)
    if hasattr(module, "RUNS"):
        return write_runs(slug, module)
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
