"""Print the built book as one PDF: ``_build/pdf/recurrent-networks.pdf``.

The articles of all pages are put into one page, in the order of the table of contents; links
between them become links within it. Headless Chromium prints it twice: the second time,
the contents know the numbers of the pages.
"""

import argparse
import io
import posixpath
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urldefrag

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]

from printed import PDF, link  # noqa: E402

from tools import card, chromium  # noqa: E402

STYLES = re.compile(r"_static/.*\.css")
MINUTES = 10
ON_SCREEN = "book/practise/"  # pages that are nothing on paper
LEFT_OUT = (
    ".headerlink, script, details.hide.above-input, .printed, .practise-links, mjx-assistive-mml"
)

# Make what is wider than the paper as narrow as it is.
FIT = """async () => {
  await document.fonts.ready;
  await Promise.all([...document.images].map(image => image.decode()));
  const paper = document.body.getBoundingClientRect().width;
  for (const [selector, most] of [['pre', 0.3], ['.bd-article table', 0.6]])
    for (const block of document.querySelectorAll(selector))
      block.classList.toggle('short', block.getBoundingClientRect().height < most * paper);
  const shrink = (element, width, room) => {
    // A little less than the quotient, since letters have whole sizes.
    if (width > room + 1) element.style.zoom = Math.max(0.4, (0.98 * room) / width);
  };
  for (const box of document.querySelectorAll('mjx-container[display="true"]')) {
    const formula = box.querySelector('mjx-math');
    shrink(formula, formula.getBoundingClientRect().width, box.clientWidth);
  }
  for (const table of document.querySelectorAll('table'))
    shrink(table, table.getBoundingClientRect().width,
           table.parentElement.getBoundingClientRect().width);
  // What is still wider would have the browser print the whole book smaller.
  const wide = [...document.querySelectorAll('.bd-article *')].filter(
    e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1);
  return [...document.querySelectorAll('.problematic')].map(e => e.textContent)
    .concat([...document.images].filter(i => !i.naturalWidth).map(i => i.src))
    .concat(wide.map(e => `too wide: ${e.outerHTML.slice(0, 80)}`));
}"""

NUMBER = """pages => {
  for (const link of document.querySelectorAll('#contents a'))
    link.dataset.page = pages[link.getAttribute('href').slice(1)] ?? '';
}"""


def parts(toc: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the parts of a table of contents: caption and pages."""

    def files(node: dict[str, Any]) -> Iterator[str]:
        yield node["file"]
        for section in node.get("sections", []):
            yield from files(section)

    yield "", [toc["root"]]
    for part in toc.get("parts", []):
        yield part["caption"], [name for chapter in part["chapters"] for name in files(chapter)]


class Book:
    """The one page that is printed."""

    def __init__(self, html: Path, pages: list[str]) -> None:
        self.html = html
        self.pages = pages
        self.styles: dict[str, None] = {}
        self.articles = {name: self._article(name) for name in pages}

    def _anchor(self, page: str, fragment: str = "") -> str:
        """Return the name of a place; a page's own is that of its article."""
        return f"{page.replace('/', '-')}--{fragment}" if fragment else page.replace("/", "-")

    def _article(self, page: str) -> Tag:
        soup = BeautifulSoup(
            (self.html / f"{page}.html").read_text(encoding="utf-8"), "html.parser"
        )
        for sheet in soup.find_all("link", rel="stylesheet"):
            name = str(sheet["href"]).split("?")[0]
            if STYLES.search(name):
                self.styles[self._absolute(page, name)] = None
        article = soup.find("article", class_="bd-article")
        if not isinstance(article, Tag):
            sys.exit(f"error: {page}.html has no article; run make book")
        # The code that only draws a plot is folded away in the book, and left out here.
        for element in article.select(LEFT_OUT):
            element.decompose()
        for element in article.select(".notebook-card a.download strong"):
            element.string = element.get_text().replace("Download ", "The notebook ")
        for element in article.find_all(id=True):
            element["id"] = self._anchor(page, str(element["id"]))
        for details in article.find_all("details"):
            details["open"] = ""
        for image in article.find_all("img"):
            image["src"] = self._absolute(page, str(image["src"]))
            del image["loading"]
        for anchor in article.find_all("a", href=True):
            self._turn(page, anchor)
        article["id"] = self._anchor(page)
        return article

    def _absolute(self, page: str, href: str) -> str:
        """Return a file of the book seen from the book's folder."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(page), href))

    def _turn(self, page: str, anchor: Tag) -> None:
        """Turn a link to another page into one within this; drop links to files."""
        href = str(anchor["href"])
        if re.match(r"[a-z]+:", href):
            return
        path, fragment = urldefrag(href)
        target = self._absolute(page, unquote(path)).removesuffix(".html") if path else page
        if target in self.pages:
            anchor["href"] = f"#{self._anchor(target, unquote(fragment))}"
        else:
            del anchor["href"]

    def _contents(self, grouped: list[tuple[str, list[str]]]) -> str:
        lines = []
        for caption, names in grouped:
            if caption:
                lines.append(f'<div class="part">{caption}</div>')
            for name in names:
                for heading in self.articles[name].find_all(["h1", "h2"]):
                    level = int(heading.name[1])
                    section = heading.find_parent("section")
                    if not section or (level == 2 and name.startswith("book/reference/")):
                        continue
                    lines.append(
                        f'<a class="level{level}" href="#{section["id"]}">'
                        f"<span>{heading.decode_contents()}</span>"
                        '<span class="dots"></span></a>'
                    )
        return "\n".join(lines)

    def page(self, grouped: list[tuple[str, list[str]]], config: dict[str, Any]) -> str:
        """Return the page."""
        sheets = "\n".join(f'<link rel="stylesheet" href="{name}">' for name in self.styles)
        style = (ROOT / "book" / "_ext" / "print.css").read_text(encoding="utf-8")
        description = config["sphinx"]["config"]["course_description"]
        body = "\n".join(str(self.articles[name]) for name in self.pages)
        return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{config["title"]}</title>
<meta name="author" content="{config["author"]}">
{sheets}
<style>{style}</style>
</head>
<body>
<article id="cover"><div class="title">{config["title"]}</div>
<div class="subtitle">{description}</div>
<div class="diagram">{card.figure()}</div>
<div class="imprint">{config["author"]}, {config["copyright"]}.
Text and figures: CC BY 4.0; code: MIT.<br>
The answers to the questions are unfolded here; the code that only draws a plot is left out.
</div></article>
<article id="contents" class="bd-article"><h1>Contents</h1>{self._contents(grouped)}</article>
{body}
</body></html>
"""


def numbers(pdf: bytes) -> dict[str, int]:
    """Return the page on which every place stands that something links to."""
    reader = PdfReader(io.BytesIO(pdf))
    found = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            found[unquote(name.lstrip("/"))] = number + 1
    return found


def print_page(sheet: Page) -> bytes:
    """Return the page as a PDF with bookmarks and tags."""
    return sheet.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)


def make(
    browser: Browser, html: Path, toc: dict[str, Any], config: dict[str, Any], output: Path
) -> int:
    """Print the pages that ``toc`` lists; return how many sheets they take."""
    listed = [
        (part, [name for name in names if ON_SCREEN not in name]) for part, names in parts(toc)
    ]
    grouped = [(part, names) for part, names in listed if names]
    book = Book(html, [name for _, names in grouped for name in names])
    source = html / "_printed.html"
    source.write_text(book.page(grouped, config), encoding="utf-8")
    try:
        # As wide as the paper between its margins, so that what fits here fits there.
        with browser.new_page(
            viewport={"width": 643, "height": 980}, color_scheme="light"
        ) as sheet:
            sheet.set_default_timeout(MINUTES * 60_000)
            sheet.emulate_media(media="print")
            sheet.goto(f"file://{quote(str(source))}")
            wrong = sheet.evaluate(FIT)
            if wrong:
                sys.exit(f"error: not printed, since these are broken: {wrong}")
            sheet.evaluate(NUMBER, numbers(print_page(sheet)))
            result = print_page(sheet)
    finally:
        source.unlink()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(result)
    return len(PdfReader(io.BytesIO(result)).pages)


def main() -> int:
    """Print; return the exit status."""
    parser = argparse.ArgumentParser(description="Print the built book as one PDF.")
    parser.add_argument("--page", action="append", help="print this page alone, say book/rnn")
    parser.add_argument("--output", type=Path, default=PDF)
    arguments = parser.parse_args()
    start = time.monotonic()
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    if arguments.page:
        toc = {"root": arguments.page[0], "parts": []}
        if len(arguments.page) > 1:
            rest = [{"file": name} for name in arguments.page[1:]]
            toc["parts"] = [{"caption": "Pages", "chapters": rest}]
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    with chromium.launched() as browser:
        count = make(browser, HTML, toc, config, arguments.output)
    if arguments.output == PDF:
        link(HTML)
    size = arguments.output.stat().st_size / 1e6
    took = time.monotonic() - start
    print(f"{arguments.output}: {count} pages, {size:.1f} MB, made in {took:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
