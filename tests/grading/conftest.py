"""A small course, made once with nbgrader and copied for every test that changes it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import course as small


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a release and a gradebook; not to be changed."""
    root = tmp_path_factory.mktemp("template") / "course"
    root.mkdir()
    small.make(root)
    return root


@pytest.fixture
def course(template: Path, tmp_path: Path) -> Path:
    """A course of one's own."""
    root = tmp_path / "course"
    shutil.copytree(template, root)
    return root
