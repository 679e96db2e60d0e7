"""What experiments stored is what their scripts make."""

import json
from pathlib import Path

import numpy as np
import pytest

from tools import experiments


@pytest.mark.parametrize("slug", experiments.experiments())
def test_stored_results_belong_to_the_script(slug: str) -> None:
    stored = json.loads((experiments.FOLDER / f"{slug}.json").read_text("utf-8"))
    assert stored["provenance"]["script"] == experiments.provenance(slug)["script"]
    module = experiments.load(slug)
    if hasattr(module, "train"):
        # Single precision: sums in another order differ by parts in a million.
        _, losses = module.train(experiments.BEGINNING)
        assert np.allclose(losses, stored["beginning"], rtol=1e-4)
        assert stored["end"] < 0.8 * stored["beginning"][0]
    else:
        assert module.figure() == stored["figure"]


def test_every_result_has_its_script() -> None:
    results = sorted(path.stem for path in experiments.FOLDER.glob("*.json"))
    assert results == experiments.experiments()


def test_results_name_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("def figure():\n    return [1]\n")
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    stored = json.loads(experiments.write("one").read_text("utf-8"))
    assert stored["figure"] == [1]
    assert str(tmp_path) not in json.dumps(stored)
    before = experiments.provenance("one")
    (tmp_path / "one.py").write_text("def figure():\n\n    return [1]  # laid out anew\n")
    assert experiments.provenance("one") == before
    (tmp_path / "one.py").write_text("def figure():\n    return [2]\n")
    assert experiments.provenance("one") != before
