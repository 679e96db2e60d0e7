"""The learner's lib: no later chapter, no withheld body, and it imports."""

import subprocess
import sys

import pytest

from authoring import checks, learner_lib, sources


@pytest.mark.parametrize("slug", sources.available())
def test_it_imports_without_later_chapters_and_without_answers(slug, tmp_path):
    learner_lib.build(slug, tmp_path)
    names = {path.stem for path in (tmp_path / "lib").glob("*.py")}
    later = set(sources.CHAPTERS[sources.CHAPTERS.index(slug) :])
    later |= {part for chapter in later for part in sources.PARTS.get(chapter, ())}
    assert not names & later
    assert not {name for name in names if "attention" in name}
    assert "torch_bridge" not in names
    code = "import sys; sys.path.insert(0, '.')\n"
    code += "".join(f"import lib.{name}\n" for name in sorted(names - {"__init__"}))
    code += "import lib; assert lib.__file__.startswith(sys.argv[1]), lib.__file__"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, check=True)
    for name in checks.declarations(slug).WITHHOLD:
        _, module, function = name.split(".", 2)
        text = (tmp_path / "lib" / f"{module}.py").read_text()
        assert f"{function}: you write this in chapter {slug}" in text


def kernels() -> set[str]:
    return {path.stem for path in (sources.ROOT / "lib").glob("fused_*.py")}


def test_every_kernel_belongs_to_the_chapter_of_its_cell():
    """A kernel holds the cell's equations, so that it goes where the cell goes."""
    assert kernels()
    for name in kernels():
        assert name in sources.PARTS[name.removeprefix("fused_")]


@pytest.mark.parametrize("slug", sources.available())
def test_a_step_that_is_withheld_is_withheld_in_its_kernel_too(slug):
    held = checks.declarations(slug).WITHHOLD
    for name in held:
        module, _, method = name.removeprefix("lib.").rpartition(".")
        kernel = f"fused_{module.partition('.')[0]}"
        way = {"step": "forward", "step_backward": "backward"}.get(method)
        if kernel in kernels() and way:
            assert f"lib.{kernel}.{way}" in held


def test_withheld_bodies_are_gone_and_the_rest_stays():
    source = '''
def one(x):
    """Kept."""
    y = x
    return y


class Two:
    def three(self):
        return 3

    def four(self):
        return 4
'''
    text = learner_lib.withhold(source, ["one", "Two.four"], "rnn")
    names = {}
    exec(text, names)
    assert names["one"].__doc__ == "Kept."
    assert names["Two"]().three() == 3
    for call in (lambda: names["one"](1), lambda: names["Two"]().four()):
        with pytest.raises(NotImplementedError, match="you write this in chapter rnn"):
            call()


def test_withholding_what_does_not_exist_is_named():
    with pytest.raises(sources.SourceError, match="no function 'two'"):
        learner_lib.withhold("def one():\n    pass\n", ["two"], "rnn")


def test_an_unknown_chapter_is_named(tmp_path):
    with pytest.raises(sources.SourceError, match="got 'gur'"):
        learner_lib.build("gur", tmp_path)
