"""Pins that hold on other machines too, of all that the course needs."""

import re
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = dict(line.split("==") for line in LINES if not line.startswith("#") and line)
NEEDED = [
    Requirement(line)
    for path in sorted(ROOT.glob("requirements*.txt"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith(("#", "-"))
]
# PyTorch's build for CUDA brings these, that for the CPU, which the pins are made with, does not.
CUDA = re.compile(r"(nvidia|cuda)-.+|triton")
UNPINNED = {"pip", "setuptools"}  # which pip-compile leaves out; setuptools is in requirements.txt


def test_pins_are_releases_and_name_no_place() -> None:
    wrong = [n for n, v in PINS.items() if not re.fullmatch(r"[\d.]+(\.?(post|rc|a|b)\d+)?", v)]
    assert wrong == []
    assert [line for line in LINES if line.startswith("-") or "/" in line] == []
    assert list(PINS) == [canonicalize_name(name) for name in PINS]


@pytest.mark.parametrize("version", ["3.11.2", "3.13.5", "3.14.0"])
def test_pins_are_for_the_pythons_of_debian(version: str) -> None:
    """Debian 12 has 3.11.2, and some projects have left the first releases of 3.11 behind."""
    needs = {name: distribution(name).metadata.get("Requires-Python") for name in _installed()}
    assert {n: s for n, s in needs.items() if s and version not in SpecifierSet(s)} == {}


def _installed() -> list[str]:
    """List what is pinned and is here; some of it is for other machines."""
    return [d.metadata["Name"] for d in distributions() if canonicalize_name(d.name) in PINS]


@pytest.mark.parametrize("needed", NEEDED, ids=str)
def test_what_is_needed_is_pinned_with_all_that_it_needs_in_turn(needed: Requirement) -> None:
    name = canonicalize_name(needed.name)
    assert name in UNPINNED or str(needed.specifier) == f"=={PINS[name]}"
    found: set[str] = set()
    waiting = [(name, frozenset(needed.extras))]
    while waiting:
        name, extras = waiting.pop()
        if name in found | UNPINNED or CUDA.fullmatch(name):
            continue
        found.add(name)
        assert name in PINS, f"{needed} needs {name}: run make constraints"
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in extras | {""}
            ):
                waiting.append((canonicalize_name(inner.name), frozenset(inner.extras)))
