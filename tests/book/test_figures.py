"""The drawings: the same bytes everywhere, well-formed, described, nothing clipped."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from diagram import COLOURS, Diagram, spans
from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ROOT / "book" / "figures"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = sorted(path.stem for path in FIGURES.glob("*.svg"))


def test_scripts_draw_what_is_committed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(FIGURES), str(tmp_path)], check=True)
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in FIGURES.glob("*.svg")}
    kept["diagrams.css"] = (ROOT / "book" / "_static" / "diagrams.css").read_bytes()
    assert sorted(drawn) == sorted(kept)
    assert [name for name in kept if kept[name] != drawn[name]] == []


@pytest.mark.parametrize("name", NAMES)
def test_drawing_describes_itself_and_needs_nothing_else(name: str) -> None:
    text = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert len(root.findtext(f"{SVG}title") or "") > 3
    assert len(root.findtext(f"{SVG}desc") or "") > 40
    assert not re.search(r'\bid="|href=|url\(|@import|<script', text)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_clipped(browser: Browser, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"file://{FIGURES}/{name}.svg")
        outside = page.evaluate(
            """() => {
              const svg = document.documentElement, view = svg.viewBox.baseVal;
              return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBBox();
                return box.x < view.x || box.y < view.y ||
                  box.x + box.width > view.x + view.width ||
                  box.y + box.height > view.y + view.height;
              }).map(text => text.textContent);
            }"""
        )
        assert outside == []


def small() -> Diagram:
    d = Diagram("Two nodes", "One leads to the other.")
    d.node("x", "input", (0, 0), "x", part="one")
    d.node("h", "state", (100, 0), "h^(t)", part="two")
    d.edge("x", "h", "U", part="one")
    return d


def test_lit_part_is_in_full_and_the_rest_muted() -> None:
    root = ElementTree.fromstring(small().svg(lit=["one"]))
    groups = {
        "".join(
            "".join(text.itertext())
            for text in group.iter(f"{SVG}text")
            if "halo" not in text.get("class", "")
        ): "mute" in group.get("class", "")
        for group in root.iter(f"{SVG}g")
    }
    assert groups["x"] is False
    assert groups["U"] is False
    assert groups["h(t)"] is True
    assert "mute" not in small().svg().split("</style>")[1]


def test_edge_ends_at_the_borders() -> None:
    start, end = small().edges[0].points
    assert start == pytest.approx((23, 0))  # a circle of 22 and a gap of 1
    assert end == pytest.approx((75, 0))  # half a square of 44 and a gap of 3


def test_labels_raise_scripts_and_slant_symbols() -> None:
    assert spans("h^(t)") == (
        '<tspan class="i">h</tspan><tspan class="s" dy="-7">(</tspan>'
        '<tspan class="s i">t</tspan><tspan class="s">)</tspan>'
    )
    assert spans("tanh") == "<tspan>tanh</tspan>"
    assert spans("c_i x") == (
        '<tspan class="i">c</tspan><tspan class="s i" dy="5">i</tspan>'
        '<tspan dy="-5"> </tspan><tspan class="i">x</tspan>'
    )


def test_mistakes_in_a_description_are_named() -> None:
    d = small()
    with pytest.raises(ValueError, match="name: expected a new name, got 'x' twice"):
        d.node("x", "input", (0, 0))
    with pytest.raises(ValueError, match="kind: expected one of input, state"):
        d.node("y", "box", (0, 0))
    with pytest.raises(ValueError, match=r"lit: expected parts among \['one', 'two'\], got"):
        d.svg(lit=["three"])


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", COLOURS)
def test_labels_and_outlines_stand_out(theme: str) -> None:
    colours = COLOURS[theme]
    for kind in ("input", "state", "output", "loss", "layer", "op", "block"):
        fill, stroke = colours[kind]
        assert contrast(colours["ink"], fill) >= 7
        assert contrast(stroke, colours["paper"]) >= 3
    assert contrast(colours["accent"], colours["paper"]) >= 4.5
