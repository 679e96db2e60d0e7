"""The drawings: the same bytes and letters everywhere, described, nothing clipped or covered."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import letters
import pytest
from diagram import COLOURS, SCRIPT, Diagram, spans, width
from playwright.sync_api import Browser, Page

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
    assert not re.search(r'\bid="|href=|url\((?!data:)|@import|<script', text)


SIZES = {"label": 17, "small": 16, "words": 14, "frame-label": 14}  # of a class's letters
ASCENT, DESCENT = 0.7, 0.22  # what letters take above and below their line, for each em

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Text(NamedTuple):
    """A text of a drawing: what is written, and the box that it takes by our own measure."""

    text: str
    box: Box

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]


def written(element: ElementTree.Element) -> Iterator[Text]:
    """Yield the texts within an element, each without what keeps lines away from it."""
    for text in element.iter(f"{SVG}text"):
        classes = (text.get("class") or "").split()
        if "halo" in classes:
            continue
        size = next((SIZES[name] for name in classes if name in SIZES), 19)
        x, y = float(text.get("x", "")), float(text.get("y", ""))
        pieces = [(text.text, "sans", size, y)] if text.text else []
        for span in text:
            known = (span.get("class") or "").split()
            y += float(span.get("dy", 0))
            face = "italic" if "i" in known else "serif"
            pieces.append((span.text or "", face, SCRIPT if "s" in known else size, y))
        wide = sum(letters.width(piece, face, size) for piece, face, size, _ in pieces)
        anchor = (text.get("style") or "text-anchor:middle").removeprefix("text-anchor:")
        left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        top = min(y - ASCENT * size for *_, size, y in pieces)
        bottom = max(y + DESCENT * size for *_, size, y in pieces)
        yield Text("".join(piece for piece, *_ in pieces), (left, top, left + wide, bottom))


def shapes(element: ElementTree.Element) -> Iterator[Box]:
    """Yield the boxes of the nodes within an element."""
    for shape in element.iter():
        if "shape" not in (shape.get("class") or "").split():
            continue
        if shape.tag == f"{SVG}circle":
            x, y, r = (float(shape.get(key, "")) for key in ("cx", "cy", "r"))
            yield x - r, y - r, x + r, y + r
        elif shape.tag == f"{SVG}rect":
            x, y, w, h = (float(shape.get(key, "")) for key in ("x", "y", "width", "height"))
            yield x, y, x + w, y + h
        else:
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", shape.get("d", ""))]
            xs, ys = numbers[::2], numbers[1::2]
            yield min(xs), min(ys), max(xs), max(ys)


def meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def within(a: Box, b: Box) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


def across(a: Box, b: Box) -> bool:
    return b[0] < a[0] and a[2] < b[2]


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_clipped_or_covers_another(name: str) -> None:
    root = ElementTree.parse(FIGURES / f"{name}.svg").getroot()
    x, y, w, h = map(float, root.get("viewBox", "").split())
    groups = [(list(written(g)), list(shapes(g))) for g in root.iter(f"{SVG}g")]
    texts = [text for found, _ in groups for text in found]
    assert [t.text for t in texts if not within(t.box, (x, y, x + w, y + h))] == []
    assert [(a.text, b.text) for a, b in combinations(texts, 2) if meet(a.box, b.box)] == []
    for found, own in groups:
        foreign = [box for _, boxes in groups if boxes is not own for box in boxes]
        assert [t.text for t in found for box in foreign if meet(t.box, box)] == []
        assert [t.text for t in found for box in own if not across(t.box, box)] == []


SHOWN = """async () => {
  document.documentElement.getBoundingClientRect();  // lays out, and so asks for the fonts
  await document.fonts.ready;
  return [...document.querySelectorAll('svg.dgm')].map(svg => [
    new XMLSerializer().serializeToString(svg),
    [...svg.querySelectorAll('text:not(.halo)')].map(text => {
      const box = text.getBBox(), view = svg.viewBox.baseVal;
      return [text.getComputedTextLength(), box.x < view.x || box.y < view.y ||
        box.x + box.width > view.x + view.width || box.y + box.height > view.y + view.height];
    }),
  ]);
}"""


def check_shown(page: Page) -> None:
    """Check that each drawing's texts are as wide as measured, and that none is cut."""
    drawings = page.evaluate(SHOWN)
    assert drawings
    for svg, shown in drawings:
        texts = list(written(ElementTree.fromstring(svg)))
        # The browser rounds each piece to a 64th of a pixel.
        assert [wide for wide, _ in shown] == pytest.approx([t.width for t in texts], abs=0.25)
        assert [t.text for t, (_, cut) in zip(texts, shown, strict=True) if cut] == []


@pytest.mark.parametrize("name", NAMES)
def test_file_is_shown_in_the_letters_that_it_carries(browser: Browser, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{FIGURES.as_uri()}/{name}.svg")
        check_shown(page)


def test_pages_show_the_letters_that_were_measured(
    browser: Browser, html: Path, server: str
) -> None:
    pages = [p for p in sorted(html.rglob("*.html")) if 'class="dgm"' in p.read_text()]
    assert len(pages) > 8
    with browser.new_context() as context:
        page = context.new_page()
        page.emulate_media(media="print")  # where nothing is laid out late
        for path in pages:
            page.goto(f"{server}/{path.relative_to(html).as_posix()}")
            check_shown(page)


def test_a_character_that_no_face_has_is_named() -> None:
    with pytest.raises(ValueError, match="expected characters of the serif face, got ☃ in '☃'"):
        width("☃")
    with pytest.raises(ValueError, match="expected characters of the sans face, got δ in 'a δ'"):
        width("a δ", 14, words=True)


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
