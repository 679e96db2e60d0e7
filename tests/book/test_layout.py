"""Nothing is cut without a sign, on any page: at three widths, in light and dark, on paper."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from test_pages import PAGES, settle

WIDTHS = (390, 768, 1400)
# After a change of size, book.js looks anew at the next frame.
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
PAPER = 718  # A4 between Chromium's own margins, in CSS pixels
# What is wider than its box and gives no sign of it. An editor's lines follow the caret; a
# symbol that MathJax stretches is cut out of pieces that are longer.
SILENT = """() => [...document.querySelectorAll('.bd-article *')].filter(e => {
  if (e.scrollWidth <= e.clientWidth + 1 || !e.clientWidth || !e.checkVisibility()) return false;
  const style = getComputedStyle(e);
  if (style.overflowX === 'visible' || e.closest('.cm-editor, mjx-assistive-mml, mjx-ext'))
    return false;
  const right = e.scrollLeft + e.clientWidth < e.scrollWidth - 1;
  return right && !(e.dataset.more?.includes('right') && style.maskImage !== 'none');
}).map(e => e.outerHTML.slice(0, 120))"""
BEYOND = """width => [...document.querySelectorAll('.bd-article *')].filter(e => {
  if (!e.checkVisibility() || e.closest('.cm-editor, mjx-assistive-mml, mjx-ext')) return false;
  const box = e.getBoundingClientRect();
  return box.width > 1 && (box.right > width + 1 ||
    (getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1));
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_without_a_sign(browser: Browser, html: Path, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"file://{html}/{name}.html")
        settle(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(TWO_FRAMES)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate(SILENT) == [], (width, scheme)
        page.set_viewport_size({"width": PAPER, "height": 1000})
        page.emulate_media(media="print")
        assert page.evaluate(BEYOND, PAPER) == [], "on paper"


def test_the_fade_is_where_more_is_to_be_seen(browser: Browser, html: Path) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"file://{html}/book/lstm.html")
        settle(page)
        region = page.locator('mjx-container[data-more="right"]').first
        assert region.get_attribute("tabindex") == "0"
        handle = region.element_handle()
        for left, sides in ((40, "left right"), (10_000, "left"), (0, "right")):
            handle.evaluate("(e, left) => { e.scrollLeft = left; }", left)
            page.wait_for_function("([e, sides]) => e.dataset.more === sides", arg=[handle, sides])


@pytest.mark.parametrize("name", ["book/rnn", "book/vanishing_gradients"])
def test_code_of_a_hundred_columns_fits_a_wide_window(
    browser: Browser, html: Path, name: str
) -> None:
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"file://{html}/{name}.html")
        settle(page)
        cut = page.evaluate(
            """() => [...document.querySelectorAll('.bd-article .highlight pre')]
                 .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).length"""
        )
        assert cut == 0
