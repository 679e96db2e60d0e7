"""Every page of the built book in Firefox: offline, without errors, nothing cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.book import firefox
from tests.book.layout import PAGES, SILENT, WIDTHS

READY = """() => new Promise((done) => {
  const look = () => document.documentElement.dataset.laidOut === 'all' ?
    document.fonts.ready.then(() => done(true)) : setTimeout(look, 50);
  look();
})"""
# book.js looks anew some frames after a change of size
QUIET = f"""async () => {{
  const silent = {SILENT};
  let found = silent();
  for (let again = 0; found.length && again < 40; again += 1) {{
    await new Promise((done) => setTimeout(done, 250));
    found = silent();
  }}
  return found;
}}"""
# Firefox says "Invalid markup" of a formula whose end has not arrived yet, too
MALFORMED = """() => [...document.querySelectorAll(
  'msub, msup, munder, mover, mfrac, mroot, msubsup, munderover')]
  .filter(e => e.children.length !== (/^(msubsup|munderover)$/.test(e.localName) ? 3 : 2))
  .map(e => e.outerHTML)"""
THEME = """(theme) => {
  document.documentElement.dataset.theme = theme;
  return getComputedStyle(document.documentElement).colorScheme;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[firefox.Firefox]:
    if not firefox.path():
        pytest.skip("Firefox is not installed")
    with firefox.launched() as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_in_firefox(browser: firefox.Firefox, html: Path, name: str) -> None:
    browser.open(f"{html.as_uri()}/{name}.html")
    browser.evaluate(READY)
    for width in WIDTHS:
        browser.size(width, 900)
        for theme in ("light", "dark"):
            assert browser.evaluate(THEME, theme) == theme, "bars and fields of the other theme"
            assert browser.evaluate(QUIET) == [], (width, theme)
        assert browser.evaluate("() => document.documentElement.scrollWidth") <= width
    asked = [e["params"] for e in browser.events]
    addresses = [p["request"]["url"] for p in asked if "request" in p]
    assert [a for a in addresses if not a.startswith(("file:", "data:", "blob:"))] == []
    errors = [p["text"] for p in asked if p.get("level") == "error"]
    assert [e for e in errors if not e.startswith("Invalid markup")] == []
    assert browser.evaluate(MALFORMED) == []
