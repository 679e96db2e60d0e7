"""What experiments stored is what their scripts make."""

import json
import math
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools import experiments

SLUGS = experiments.experiments()
OF_RUNS = [slug for slug in SLUGS if hasattr(experiments.load(slug), "RUNS")]


def stored(slug: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((experiments.FOLDER / f"{slug}.json").read_text("utf-8"))
    return content


def kind(run: str) -> str:
    """Return a run's name without its seed."""
    return run.rpartition("/")[0]


@pytest.mark.parametrize("slug", SLUGS)
def test_stored_results_belong_to_the_script(slug: str) -> None:
    assert stored(slug)["provenance"]["script"] == experiments.provenance(slug)["script"]


def skip_where_the_text_is_another(slug: str) -> None:
    """Skip what reads a text that is part of Python, where Python is another, if by a patch."""
    script = (experiments.FOLDER / f"{slug}.py").read_text("utf-8")
    if "lib.text" in script and stored(slug)["provenance"]["python"] != platform.python_version():
        pytest.skip("the text is part of Python, and differs from version to version")


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if slug not in OF_RUNS])
def test_figure_is_what_the_script_makes(slug: str) -> None:
    module, result = experiments.load(slug), stored(slug)
    skip_where_the_text_is_another(slug)
    if hasattr(module, "train"):
        # Single precision: sums in another order differ by parts in a million.
        _, losses = module.train(experiments.BEGINNING)
        assert np.allclose(losses, result["beginning"], rtol=1e-4)
        assert result["end"] < 0.8 * result["beginning"][0]
    else:
        assert module.figure() == result["figure"]


def numbers(value: Any) -> list[float]:
    """Return all numbers in a result."""
    if isinstance(value, dict):
        return [x for part in value.values() for x in numbers(part)]
    if isinstance(value, list):
        return [x for part in value for x in numbers(part)]
    return [] if value is None or isinstance(value, str) else [value]


@pytest.mark.parametrize("slug", OF_RUNS)
def test_all_runs_are_stored_whole(slug: str) -> None:
    module, runs = experiments.load(slug), stored(slug)["runs"]
    assert list(runs) == module.RUNS
    assert len(set(module.RUNS)) == len(module.RUNS)
    for name, run in runs.items():
        same = next(other for other in runs if kind(other) == kind(name))
        assert list(run) == list(runs[same]), f"{name}: fields unlike those of {same}"
        assert len(run) > 1, f"{name}: nothing but its beginning"
        assert all(math.isfinite(x) for x in numbers(run)), name


@pytest.mark.parametrize("slug", OF_RUNS)
def test_runs_begin_as_stored(slug: str) -> None:
    module, result = experiments.load(slug), stored(slug)
    skip_where_the_text_is_another(slug)
    for first in {kind(run): run for run in reversed(module.RUNS)}.values():
        if result["runs"][first]["beginning"]:
            begun = module.run(first, 2)["beginning"]
            assert np.allclose(begun, result["runs"][first]["beginning"], rtol=1e-4), first


def test_every_result_has_its_script() -> None:
    results = sorted(path.stem for path in experiments.FOLDER.glob("*.json"))
    assert results == SLUGS


def test_results_name_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("def figure():\n    return [1]\n")
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    monkeypatch.setattr(experiments, "ROOT", tmp_path)
    stored = json.loads(experiments.write("one").read_text("utf-8"))
    assert stored["figure"] == [1]
    assert str(tmp_path) not in json.dumps(stored)
    before = experiments.provenance("one")
    (tmp_path / "one.py").write_text("def figure():\n\n    return [1]  # laid out anew\n")
    assert experiments.provenance("one") == before
    (tmp_path / "one.py").write_text("def figure():\n    return [2]\n")
    assert experiments.provenance("one") != before


RUNS = """
SEEDS = (0,)
RUNS = [f"net/{seed}" for seed in SEEDS]
made = []


def run(key, steps=None):
    made.append(key)
    return {"beginning": [2.0, 1.0], "share": 1 / 3}
"""


def test_runs_that_are_there_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    script = tmp_path / "two.py"
    script.write_text(RUNS)
    first = json.loads(experiments.write("two").read_text("utf-8"))
    assert first["runs"] == {"net/0": {"beginning": [2.0, 1.0], "share": 0.3333}}
    script.write_text(RUNS.replace("(0,)", "(0, 1)"))
    module = experiments.load("two")
    monkeypatch.setattr(experiments, "load", lambda slug: module)
    more = json.loads(experiments.write("two").read_text("utf-8"))
    assert list(more["runs"]) == ["net/0", "net/1"]
    assert module.made == ["net/1"]
    monkeypatch.undo()
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    script.write_text(RUNS.replace("1 / 3", "1 / 4"))
    changed = json.loads(experiments.write("two").read_text("utf-8"))
    assert changed["runs"]["net/0"]["share"] == 0.25, "another script makes all anew"
