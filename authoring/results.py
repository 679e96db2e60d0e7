"""Stored results of experiments, for the pages that show them.

``book/experiments/<slug>.json`` is written by ``tools/experiments.py``. A page's cells read it
with :class:`Results`, its prose with the role ``result``, so that no number is copied by hand.
"""

import fnmatch
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

BOOK = Path(__file__).resolve().parent.parent / "book"


class Results:
    """The numbers of an experiment's runs, which are named ``kind/…/seed``.

    Parameters
    ----------
    path : str
        The file's path below ``book``, such as ``"experiments/bottleneck.json"``.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.runs: dict[str, dict[str, Any]] = json.loads((BOOK / path).read_text("utf-8"))["runs"]

    def select(self, pattern: str, field: str) -> np.ndarray:
        """Return a number, or an array of them, of each run that fits, such as ``lstm/*``.

        ``field`` may lead into what a run stores, by names and places: ``losses.-1``. What was
        not measured is NaN.

        Raises
        ------
        KeyError
            Where no run fits, or one lacks the field.
        """
        found = [run for name, run in self.runs.items() if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise KeyError(f"{self.path}: no run fits {pattern!r}")
        values: list[Any] = []
        for run in found:
            value: Any = run
            for part in field.split("."):
                value = value[int(part) if isinstance(value, list) else part]
            values.append(value)
        return np.array(values, np.float64)


@cache
def _read(path: str, changed: int) -> Results:
    return Results(path)


def say(text: str) -> str:
    """Put a result into words, for ``slug | pattern | field | format | measure``.

    The measure is ``range``, from the least to the greatest of the runs and one number where
    they read alike; ``median``; or ``spread``, the median and the range in brackets. The format
    is Python's, ``.2f`` where not given.

    Raises
    ------
    KeyError, IndexError
        Where nothing is stored under that name.
    ValueError
        Where the text does not fit, or what is stored is no number.
    """
    parts = [part.strip() for part in text.split("|")]
    if not 3 <= len(parts) <= 5:
        raise ValueError(f"expected slug | pattern | field | format | measure, got {text!r}")
    slug, pattern, field, form, measure = [*parts, *("", "")][:5]
    path = f"experiments/{slug}.json"
    try:
        changed = (BOOK / path).stat().st_mtime_ns
    except FileNotFoundError as error:
        raise KeyError(f"no results in {path}") from error
    values = _read(path, changed).select(pattern, field)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"{field}: expected a number of each run, got {values.tolist()}")

    def told(value: float) -> str:
        return format(value, form or ".2f").replace("-", "−")

    low, high = told(values.min()), told(values.max())
    between = low if low == high else f"{low}–{high}"
    middle = told(float(np.median(values)))
    ways = {"": between, "range": between, "median": middle, "spread": f"{middle} ({between})"}
    if measure not in ways:
        raise ValueError(f"measure: expected one of {', '.join(ways)}, got {measure!r}")
    return ways[measure]
