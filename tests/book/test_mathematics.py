"""Equations, typeset when the book is built."""

import html
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import mathematics
import pytest
from docutils import nodes
from mathematics import typeset


@pytest.mark.parametrize("display", [False, True])
def test_equation_is_drawn_and_can_be_read_out(display: bool) -> None:
    made, width, height = typeset(r"h_t = \tanh\left(a < b\right)", display)
    box = ElementTree.fromstring(made)
    drawn, read = box
    assert (box.tag, drawn.get("aria-hidden")) == ("mjx-container", "true")
    assert (box.get("display") == "true") is display
    assert box.get("data-latex") == r"h_t = \tanh\left(a < b\right)"
    symbols = [e.text for e in read.iter() if e.tag.endswith(("}mi", "}mo"))]
    assert [s for s in symbols if s != "\u2061"] == ["h", "t", "=", "tanh", "(", "a", "<", "b", ")"]
    assert 0.9 < height < 1.2
    assert 7 < width < 9


def test_height_is_that_of_the_rows() -> None:
    rows = r"\begin{aligned} a &= b \\ c &= d \\ e &= f \end{aligned}"
    one = typeset(r"\Big|", True).height
    assert typeset(rows, True).height == pytest.approx(3 * one, rel=0.3)


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\gatee^{(t)}", r"Undefined control sequence \gatee"),
        (r"\frac{1", "Missing close brace"),
        (r"\begin{aligned} a", r"Missing \end{aligned}"),
        ("a & b", "Misplaced &"),
        (r"\text{é}", "no glyph for é"),
    ],
)
def test_what_cannot_be_typeset_is_named(tex: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tex!r}: {reason}')}$"):
        typeset(tex, False)


class Translator:
    """What Sphinx's translator offers to a visitor."""

    def __init__(self) -> None:
        self.body: list[str] = []
        config = SimpleNamespace(mathjax_display=[r"\[", r"\]"])
        self.builder = SimpleNamespace(config=config)

    encode = staticmethod(html.escape)

    def starttag(self, node: nodes.Element, tag: str, suffix: str = "\n", CLASS: str = "") -> str:
        return f'<{tag} class="{CLASS}">{suffix}'


def test_error_is_a_warning_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        mathematics.logger,
        "warning",
        lambda text, *a, location, **_: seen.append((text % a, location)),
    )
    node, out = nodes.math("", r"\nope<1"), Translator()
    with pytest.raises(nodes.SkipNode):
        mathematics.visit_inline(out, node)
    assert seen == [(r"equation '\\nope<1': Undefined control sequence \nope", node)]
    assert r"<code>\nope&lt;1</code>" in out.body[-1]


@pytest.mark.parametrize(
    ("tex", "classes", "typeset_as"),
    [
        ("a < b", [], "a < b"),
        (r"a \\[2pt] b", [], r"\begin{split}a \\[2pt] b\end{split}"),
        (r"[a \\] b", [], r"\begin{split}[a \\] b\end{split}"),
        (r"\begin{align} a &= b \\] c \end{align}", ["amsmath"], None),
    ],
)
def test_equation_on_its_own_line_stands_where_its_source_would(
    tex: str, classes: list[str], typeset_as: str | None
) -> None:
    out = Translator()
    node = nodes.math_block(tex, tex, nowrap=bool(classes), number=None, classes=classes)
    with pytest.raises(nodes.SkipNode):
        mathematics.visit_block(out, node)
    box = ElementTree.fromstring("".join(out.body))
    assert "--height: " in box.get("style", "")
    assert not (box.text or "").strip()
    [equation] = box
    assert not (equation.tail or "").strip()
    assert equation.get("data-latex") == (typeset_as or tex)


def test_fonts_that_the_sheet_names_are_there() -> None:
    static = Path(mathematics.__file__).parent.parent / "_static"
    sheet = mathematics.typesetter().style()
    fonts = {part.split('"')[1] for part in sheet.split("url(")[1:]}
    assert len(fonts) > 15
    assert all((static / font).is_file() for font in fonts)
