"""The printed book, on two small pages with all that a screen hides or scrolls."""

import io
from pathlib import Path
from typing import Any

import pytest
from mathematics import typeset
from playwright.sync_api import Browser
from pypdf import PdfReader

from tools import pdf

CONFIG = {
    "title": "Networks",
    "author": "The authors",
    "copyright": "2026",
    "sphinx": {"config": {"course_description": "A course."}},
}
TOC = {"root": "book/one", "parts": [{"caption": "More", "chapters": [{"file": "book/two"}]}]}
LINE = "x = " + " + ".join(f"term_{k:02d}" for k in range(30))
PAGE = """<!DOCTYPE html><html><head>
<link rel="stylesheet" href="../_static/styles/course.css?v=1"></head>
<body><nav>Sidebar</nav><article class="bd-article">{body}</article><footer>Next</footer></body>
</html>"""
SYMBOL = typeset("h^{(t)}", display=False).html
LONG = typeset(" + ".join(["abcdefgh"] * 14), display=True).html
ONE = f"""<section id="one"><h1>First page<a class="headerlink" href="#one">#</a></h1>
<p>Symbol <span class="math notranslate nohighlight">{SYMBOL}</span> and a link to
<a class="reference internal" href="two.html#deep">the second</a>, one to
<a href="../genindex.html">the index</a>, one to <a href="https://example.org/">a site</a>.</p>
<div class="math" id="e"><span class="eqno">(1)</span>{LONG}</div>
<details class="sd-sphinx-override sd-dropdown sd-card">
<summary class="sd-summary-title">Answer</summary><p>Folded words.</p></details>
<details class="admonition hide above-input"><summary>Show</summary><p>Plot set-up.</p></details>
<div class="highlight"><pre>{LINE}</pre></div></section>"""
TWO = """<section id="two"><h1>Second page</h1><p>Text.</p>
<section id="deep"><h2>Deep down</h2><p>Here.</p></section></section>"""


@pytest.fixture
def folder(tmp_path: Path, html: Path) -> Path:
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").symlink_to(html / "_static")
    (tmp_path / "book" / "one.html").write_text(PAGE.format(body=ONE))
    (tmp_path / "book" / "two.html").write_text(PAGE.format(body=TWO))
    return tmp_path


def outline(items: list[Any]) -> list[str]:
    found = []
    for item in items:
        found += outline(item) if isinstance(item, list) else [item.title]
    return found


def test_pages_are_printed_whole(browser: Browser, folder: Path) -> None:
    output = folder / "out" / "book.pdf"
    assert pdf.make(browser, folder, TOC, CONFIG, output) == 4
    reader = PdfReader(io.BytesIO(output.read_bytes()))
    cover, contents, one, two = (page.extract_text() for page in reader.pages)
    assert "A course." in cover
    assert "3" not in cover, "no number on the cover"
    rows = [" ".join(row.split()) for row in contents.splitlines()]
    for row in ("First page 3", "More", "Second page 4", "Deep down 4"):
        assert row in " ".join(rows), rows
    assert "Folded words." in one
    assert "Plot set-up." not in one
    assert "\\" not in one, "typeset"
    assert "#" not in one
    assert "".join(LINE.split()) in "".join(one.split()), "no line of code is cut"
    assert "Sidebar" not in one + two
    assert "3" in one.split(), "its number"
    assert "4" in two.split()
    assert [str(t) for t in outline(reader.outline)][-3:] == [
        "First page",
        "Second page",
        "Deep down",
    ]
    assert not (folder / "_printed.html").exists()


def test_heading_on_top_of_a_page_is_in_the_outline_once(browser: Browser, folder: Path) -> None:
    path = folder / "book" / "two.html"
    high = (
        '<style>@font-face{font-family:High;src:url("../_static/letters/sans.woff2");'
        "ascent-override:120%;descent-override:50%}"
        ":is(h1,h2,h3,h4,h5,h6){font-family:High}</style>"
    )
    top = 'style="break-before:page;margin-top:0"'
    headings = "".join(f"<h{k} {top}>Level {k}</h{k}>" for k in range(1, 7))
    path.write_text(path.read_text().replace("Here.", f"Here.</p>{high}{headings}<p>"))
    output = folder / "book.pdf"
    pdf.make(browser, folder, TOC, CONFIG, output)
    reader = PdfReader(io.BytesIO(output.read_bytes()))
    expected = [f"Level {k}" for k in range(1, 7)]
    assert [str(title) for title in outline(reader.outline)][-6:] == expected
    words = [page.extract_text().splitlines() for page in reader.pages[-6:]]
    assert [[line for line in lines if "Level" in line] for lines in words] == [
        [title] for title in expected
    ], "each on its page alone"


def test_letters_of_drawings_are_the_book_s_own(browser: Browser, folder: Path) -> None:
    output = folder / "book.pdf"
    pdf.make(browser, folder, TOC, CONFIG, output)
    cover = PdfReader(io.BytesIO(output.read_bytes())).pages[0]
    fonts = [font.get_object() for font in cover["/Resources"]["/Font"].values()]
    names = {font.get("/BaseFont", "").split("+")[-1] for font in fonts}
    assert names >= {"STIXTwoText-Italic", "Arimo-Regular"}


def test_links_lead_within_the_book_and_files_are_not_linked(
    browser: Browser, folder: Path
) -> None:
    output = folder / "book.pdf"
    pdf.make(browser, folder, TOC, CONFIG, output)
    reader = PdfReader(io.BytesIO(output.read_bytes()))
    actions = [note.get_object() for note in reader.pages[2].get("/Annots", [])]
    outside = [a["/A"]["/URI"] for a in actions if "/URI" in a.get("/A", {})]
    assert outside == ["https://example.org/"]
    assert pdf.numbers(output.read_bytes())["book-two--deep"] == 4


def test_nothing_is_wider_than_the_paper(browser: Browser, folder: Path) -> None:
    output = folder / "book.pdf"
    pdf.make(browser, folder, TOC, CONFIG, output)
    page = PdfReader(io.BytesIO(output.read_bytes())).pages[2]
    places: list[float] = []
    page.extract_text(visitor_text=lambda text, cm, tm, *_: places.append(tm[4] * cm[0] + cm[4]))
    margin = 20 / 25.4 * 72
    assert max(places) < float(page.mediabox.width) - margin


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        ('<span class="problematic">:ref:</span>', ":ref:"),
        ('<div style="width: 1200px">wide</div>', "too wide: <div style="),
    ],
)
def test_what_is_broken_is_not_printed(
    browser: Browser, folder: Path, put: str, reason: str
) -> None:
    path = folder / "book" / "two.html"
    path.write_text(path.read_text().replace("Here.", put))
    with pytest.raises(SystemExit, match=f"broken.*{reason}"):
        pdf.make(browser, folder, TOC, CONFIG, folder / "book.pdf")
    assert not (folder / "book.pdf").exists()
