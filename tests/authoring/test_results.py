"""Stored results are read and put into words as they are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from authoring import results
from authoring.results import Results

RUNS = {
    "lstm/0": {"right": 0.9, "curve": [3.0, 1.0], "bins": [None, 0.5], "step": -2},
    "lstm/1": {"right": 0.7, "curve": [4.0, 1.0], "bins": [None, 0.6], "step": -2},
    "gru/0": {"right": 1.0, "curve": [2.0, 0.5], "bins": [None, 0.7], "step": 3},
    "lstm/2": {"right": 0.8, "curve": [5.0, 1.5], "bins": [0.1, 0.8], "step": -2},
}


@pytest.fixture(autouse=True)
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "one.json").write_text(json.dumps({"runs": RUNS}))
    monkeypatch.setattr(results, "BOOK", tmp_path)
    return tmp_path


def test_runs_are_selected_in_their_order() -> None:
    one = Results("experiments/one.json")
    assert one.select("lstm/*", "right").tolist() == [0.9, 0.7, 0.8]
    assert one.select("lstm/*", "curve").tolist() == [[3, 1], [4, 1], [5, 1.5]]
    assert one.select("gru/0", "curve.-1").tolist() == [0.5]
    found = one.select("lstm/*", "bins")
    assert np.isnan(found[:, 0]).tolist() == [True, True, False]


def test_what_is_not_there_is_an_error() -> None:
    one = Results("experiments/one.json")
    with pytest.raises(KeyError, match="no run fits 'rnn/"):
        one.select("rnn/*", "right")
    with pytest.raises(KeyError, match="wrong"):
        one.select("lstm/*", "wrong")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one | gru/0 | right", "1.00"),
        ("one | lstm/* | right", "0.70–0.90"),
        ("one | lstm/* | right | .1f | median", "0.8"),
        ("one | lstm/* | right | .0% | spread", "80% (70%–90%)"),
        ("one | lstm/* | curve.1 | .0f", "1–2"),
        ("one | lstm/[01] | curve.1 | .0f", "1"),
        ("one | lstm/* | step | .0f", "−2"),
    ],
)
def test_result_in_words(text: str, said: str) -> None:
    assert results.say(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "one | lstm/*",
        "none | lstm/* | right",
        "one | rnn/* | right",
        "one | lstm/* | curve",
        "one | lstm/* | bins.0",
        "one | lstm/* | right | .2f | mean",
    ],
)
def test_what_cannot_be_said_is_an_error(text: str) -> None:
    with pytest.raises((LookupError, ValueError)):
        results.say(text)


def test_changed_results_are_read_anew(book: Path) -> None:
    assert results.say("one | gru/0 | right") == "1.00"
    path = book / "experiments" / "one.json"
    path.write_text(json.dumps({"runs": {"gru/0": {"right": 0.5}}}))
    os.utime(path, ns=(1, 1))
    assert results.say("one | gru/0 | right") == "0.50"
