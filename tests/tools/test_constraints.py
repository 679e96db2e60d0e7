"""Pins that hold on other machines too."""

from tools import constraints


def test_pins_are_releases_of_everything_but_pip():
    frozen = "torch==2.13.0+cpu\npip==23.2.1\n-e /somewhere\n# a remark\nnumpy==2.4.6\n"
    assert constraints.pins(frozen) == constraints.HEADER + "torch==2.13.0\nnumpy==2.4.6\n"


def test_the_committed_file_has_that_form():
    text = (constraints.ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert constraints.pins(text) == text
