"""The learners' archives: complete, the same bytes each time, usable elsewhere."""

import os
import subprocess
import sys
import zipfile

import pytest

from authoring import learner_zip, sources
from tools import sample_class

CHAPTERS = sources.available()


def unpack(archive, target):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)
    return target / archive.stem


def test_the_same_files_give_the_same_bytes(tmp_path):
    learner_zip.build(CHAPTERS[:1], tmp_path / "one" / "course.zip")
    learner_zip.build(CHAPTERS[:1], tmp_path / "two" / "course.zip")
    one, two = (tmp_path / name / "course.zip" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as opened:
        assert all(entry.date_time[0] > 2000 for entry in opened.infolist())


def test_what_is_in_it(tmp_path):
    learner_zip.build(CHAPTERS, tmp_path / "course.zip")
    top = unpack(tmp_path / "course.zip", tmp_path)
    names = {path.name for path in top.iterdir()}
    folders = [name for name in sorted(names) if (top / name).is_dir()]
    assert [name.split("-")[1] for name in folders] == CHAPTERS
    assert names == {"README.md", "requirements.txt", "LICENSE", "LICENSE-text", *folders}
    for slug, folder in zip(CHAPTERS, folders, strict=True):
        assert (top / folder / f"{slug}.ipynb").is_file()
        assert (top / folder / "checks.json").is_file()
        library = {path.name for path in (top / folder / "lib").iterdir()}
        assert {"__init__.py", "checking.py", "codec.py"} <= library
        assert f"{slug}.py" not in library
        assert "torch_bridge.py" not in library


def test_requirements_are_short_and_without_torch():
    pins = (sources.ROOT / "constraints.txt").read_text()
    text = learner_zip.requirements(pins)
    names = [line.split("~=")[0] for line in text.splitlines()]
    assert names == ["numpy", "matplotlib", "tqdm", "jupyterlab", "nbgrader"]
    assert learner_zip.requirements(pins.replace("numpy==2.4.6", "numpy==3.1.4")) != text


@pytest.mark.parametrize("slug", CHAPTERS)
def test_every_module_can_be_imported_where_it_is_unpacked(slug, tmp_path):
    learner_zip.build([slug], tmp_path / f"{slug}.zip")
    folder = unpack(tmp_path / f"{slug}.zip", tmp_path) / learner_zip.folder_of(slug)
    program = (
        "import sys, pathlib, importlib\n"
        f"sys.path = [p for p in sys.path if 'editable' not in p and p != {str(sources.ROOT)!r}]\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "sys.modules.update(dict.fromkeys(['torch', 'sklearn', 'scipy', 'grading', 'authoring']))\n"
        "for path in sorted(pathlib.Path('lib').glob('*.py')):\n"
        "    module = importlib.import_module(f'lib.{path.stem}')\n"
        f"    assert module.__file__.startswith({str(folder)!r}), module.__file__\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)


def validate(folder, slug):
    programs = os.path.dirname(sys.executable)
    done = subprocess.run(
        [os.path.join(programs, "nbgrader"), "validate", f"{slug}.ipynb"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_validate_tells_solved_from_unsolved(tmp_path):
    slug = CHAPTERS[0]
    learner_zip.build([slug], tmp_path / f"{slug}.zip")
    folder = unpack(tmp_path / f"{slug}.zip", tmp_path) / learner_zip.folder_of(slug)
    first = sources.exercises(slug)[0].name
    said = validate(folder, slug)
    assert f"VALIDATION FAILED ON {len(sources.exercises(slug))} CELL(S)" in said
    assert f"{first}: not written yet" in said
    assert "Traceback" not in said
    assert "checking.py" not in said
    solved = sample_class.filled(slug, lambda name, source: source)
    (folder / f"{slug}.ipynb").write_text(solved, encoding="utf-8")
    assert "Success! Your notebook passes all the tests." in validate(folder, slug)


def test_a_failed_archive_leaves_the_old_one(tmp_path, monkeypatch, capsys):
    archive = tmp_path / "course.zip"
    archive.write_bytes(b"the old one")
    monkeypatch.setattr(learner_zip.sources, "available", lambda: ["no-such-chapter"])
    assert learner_zip.main(["--output", str(archive)]) == 1
    assert "no-such-chapter" in capsys.readouterr().err
    assert archive.read_bytes() == b"the old one"
