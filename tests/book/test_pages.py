"""Every page of the built book in a browser: offline, whole, accessible."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.book.layout import BEYOND, PAGES, PAPER, SILENT, WIDTHS

ROOT = Path(__file__).resolve().parent.parent.parent
AXE = Path(__file__).resolve().parent / "vendor" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def settle(page: Page, laid_out: bool = True) -> None:
    """Wait until book.js is done, and fonts and what comes late are there."""
    page.wait_for_function("document.documentElement.dataset.reachable === 'done'")
    if laid_out:
        page.wait_for_function("document.documentElement.dataset.laidOut === 'all'")
    page.evaluate(
        """async () => {
             const images = [...document.images].filter(i => i.getClientRects().length);
             for (const image of images) image.loading = 'eager';
             await Promise.all(images.map(i => i.decode().catch(() => null)));
             await document.fonts.ready;
           }"""
    )


def watch(page: Page, base: str) -> list[str]:
    """Collect what goes wrong on a page: foreign or failed requests, errors."""
    wrong: list[str] = []

    def request(seen: Any) -> None:
        if not seen.url.startswith((base, "data:", "blob:")):
            wrong.append(f"foreign request: {seen.url}")

    page.on("request", request)
    page.on("requestfailed", lambda seen: wrong.append(f"failed request: {seen.url}"))
    page.on(
        "response",
        lambda seen: wrong.append(f"status {seen.status}: {seen.url}") if seen.status >= 400 else 0,
    )
    page.on("pageerror", lambda seen: wrong.append(f"script error: {seen}"))
    page.on(
        "console",
        lambda seen: wrong.append(f"console: {seen.text}") if seen.type == "error" else 0,
    )
    return wrong


@pytest.fixture(params=["file", "http"])
def base(request: pytest.FixtureRequest, html: Path, server: str) -> str:
    return html.as_uri() if request.param == "file" else server


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_offline(browser: Browser, base: str, name: str) -> None:
    with browser.new_context(service_workers="block") as context:
        page = context.new_page()
        wrong = watch(page, base)
        page.goto(f"{base}/{name}.html")
        settle(page)
        broken = page.evaluate(
            "() => [...document.images].filter(i => i.getClientRects().length && !i.naturalWidth)"
            ".map(i => i.src)"
        )
        unread = page.evaluate(
            "() => [...document.querySelectorAll('.problematic, .system-message')]"
            ".map(e => e.textContent)"
        )
        assert wrong == []
        assert broken == []
        assert unread == []
        cut = page.evaluate(
            "() => [...document.querySelectorAll('mjx-container[display=true]')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1)"
            ".map(e => e.closest('[id]').id)"
        )
        assert cut == [], "equations wider than the column"
        raw = page.evaluate(
            r"() => document.querySelector('main').innerText.match(/\\[(\[].{0,40}/)"
        )
        assert raw is None, "not typeset"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_in_light_and_dark(browser: Browser, html: Path, name: str) -> None:
    found = []
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/{name}.html")
        settle(page)
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        page.add_script_tag(path=AXE)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            page.wait_for_timeout(300)  # colours fade
            result = page.evaluate(
                """tags => axe.run(document, {
                     runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})""",
                WCAG,
            )
            assert len(result["passes"]) > 10
            found += [
                f"{theme}: {rule['id']}: {node['target']} {node['failureSummary']}"
                for rule in result["violations"]
                for node in rule["nodes"]
            ]
    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone_and_its_pictures_have_words(
    browser: Browser, html: Path, name: str
) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/{name}.html")
        settle(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        hidden = page.evaluate(
            """() => [...document.querySelectorAll(
                 '.bd-article pre, .bd-article table, .diagram svg, .bd-article img')]
               .filter(e => e.getClientRects().length)
               .filter(e => {
                 for (let box = e; box && box !== document.body; box = box.parentElement)
                   if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
                 return e.getBoundingClientRect().right > 391;
               }).map(e => e.outerHTML.slice(0, 200))"""
        )
        silent = page.evaluate(
            """() => [...document.querySelectorAll('.bd-article img, .drawing')]
               .filter(e => (e.alt ?? e.getAttribute('aria-label') ?? '').trim().length < 15)
               .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert hidden == []
        assert silent == []


LATE = "() => [...document.querySelectorAll('.drawing, mjx-container[display]')]"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["book/lstm", "book/attention"])
def test_what_is_not_laid_out_yet_has_the_size_that_it_will_have(
    browser: Browser, html: Path, name: str, width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        page.add_init_script("window.requestIdleCallback = () => 0")
        page.goto(f"{html.as_uri()}/{name}.html")
        settle(page, laid_out=False)
        sizes = f"{LATE}.flatMap(e => [e.scrollWidth, e.getBoundingClientRect().height])"
        expected = page.evaluate(sizes)
        page.add_style_tag(content="* { content-visibility: visible !important }")
        reached = page.evaluate(sizes)
        assert len(expected) > 40
        assert expected == pytest.approx(reached, abs=2)


def test_page_is_laid_out_whole_with_its_fonts_when_nobody_scrolled(
    browser: Browser, html: Path
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/attention.html")
        page.wait_for_function("document.documentElement.dataset.laidOut === 'all'")
        page.evaluate("document.fonts.ready")
        late, missing = page.evaluate(
            """() => {
                 const seen = [...document.querySelectorAll('.drawing, .drawing *, mjx-math *')]
                   .filter(e => e.checkVisibility());
                 const used = new Set(seen.map(e => getComputedStyle(e).fontFamily)
                   .flatMap(f => f.split(',').map(g => g.trim().replaceAll('"', ''))));
                 const big = [...used].filter(f => /^(MJXTEX-S\\d|Drawing)/.test(f));
                 const loaded = [...document.fonts].filter(f => f.status === 'loaded')
                   .map(f => f.family.replaceAll('"', ''));
                 return [
                   [...document.querySelectorAll('.drawing, mjx-container[display] > mjx-math')]
                     .filter(e => getComputedStyle(e).contentVisibility !== 'visible').length,
                   big.filter(f => !loaded.includes(f))];
               }"""
        )
        assert late == 0
        assert missing == []


@pytest.mark.parametrize("name", ["book/lstm", "book/attention"])
def test_screen_reader_gets_the_whole_page_at_once(browser: Browser, html: Path, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/{name}.html")
        settle(page)
        session = context.new_cdp_session(page)
        session.send("Accessibility.enable")
        tree = session.send("Accessibility.getFullAXTree")["nodes"]
        shown = [(n["role"]["value"], n["name"]["value"]) for n in tree if not n["ignored"]]
        math, described, listing = page.evaluate(
            """() => {
                 const seen = s => [...document.querySelectorAll(s)].filter(
                   e => e.checkVisibility() && !e.closest('details:not([open])'));
                 return [seen('math').length,
                   seen('.drawing, article img').map(e => e.ariaLabel ?? e.alt),
                   seen('.highlight pre .nf').at(-1).textContent];
               }"""
        )
        assert math > 100
        assert [role for role, _ in shown].count("MathMLMath") == math
        assert set(described) <= {name for role, name in shown if role == "image"}
        assert ("StaticText", listing) in shown


def test_equations_are_copied_as_latex(browser: Browser, html: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/lstm.html")
        settle(page)
        copied = page.evaluate(
            """() => {
                 const block = document.querySelector('#equation-lstm-hidden');
                 const line = [...document.querySelectorAll('.bd-article p')].find(
                   p => p.querySelector('mjx-container'));
                 const texts = [];
                 for (const element of [block, line, line.querySelector('mjx-c')]) {
                   getSelection().selectAllChildren(element);
                   if (element.matches('mjx-c')) getSelection().extend(line, 9);
                   const data = new DataTransfer();
                   document.dispatchEvent(
                     new ClipboardEvent('copy', {clipboardData: data, cancelable: true}));
                   texts.push(data.getData('text/plain'));
                 }
                 return texts;
               }"""
        )
        assert all("$" in text for text in copied), copied
        assert r"h^{(t)} = o^{(t)} \odot \tanh C^{(t)}" in copied[0]


def test_search_finds_terms_without_a_server(browser: Browser, html: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/search.html?q=forget+gate")
        page.wait_for_selector("#search-results li a", timeout=10_000)
        titles = page.locator("#search-results li a").all_inner_texts()
        assert any("Glossary" in title for title in titles), titles


def test_arrow_keys_stay_on_the_page(browser: Browser, html: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/conventions.html")
        before = page.url
        for key in ("ArrowRight", "ArrowLeft"):
            page.keyboard.press(key)
            page.wait_for_timeout(200)
            assert page.url == before


def test_front_page_leads_to_the_book(browser: Browser, html: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/index.html", wait_until="commit")
        page.wait_for_url("**/book/intro.html")
        assert page.locator(".bd-article h1").inner_text().startswith("Recurrent Networks")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_there_before_any_script_is(
    browser: Browser, html: Path, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        page.route("**/*.js*", lambda route: route.abort())
        page.goto(f"{html.as_uri()}/book/conventions.html")
        assert page.evaluate("() => document.documentElement.dataset.theme") == scheme


def test_diagram_follows_the_light_switch(browser: Browser, html: Path) -> None:
    fills = {}
    for theme in ("light", "dark"):
        with browser.new_context(color_scheme=theme) as context:
            page = context.new_page()
            page.goto(f"{html.as_uri()}/book/intro.html")
            fills[theme] = page.evaluate(
                "() => getComputedStyle(document.querySelector('.dgm .state')).fill"
            )
    assert fills["light"] != fills["dark"]
    assert "rgb(0, 0, 0)" not in fills.values()


# --- Nothing is cut without a sign: three widths, light and dark, and paper ---


def cut_at_last(page: Page) -> list[str]:
    """List what is cut once book.js has looked anew, some frames after a change of size."""
    for _ in range(40):
        if not page.evaluate(SILENT):
            return []
        page.wait_for_timeout(250)
    return list(page.evaluate(SILENT))


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_without_a_sign(browser: Browser, html: Path, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/{name}.html")
        settle(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert cut_at_last(page) == [], (width, scheme)
        page.set_viewport_size({"width": PAPER, "height": 1000})
        page.emulate_media(media="print")
        assert page.evaluate(BEYOND, PAPER) == [], "on paper"


def test_the_fade_is_where_more_is_to_be_seen(browser: Browser, html: Path) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/lstm.html")
        settle(page)
        region = page.locator('mjx-container[data-more="right"]').first
        assert region.get_attribute("tabindex") == "0"
        handle = region.element_handle()
        for left, sides in ((40, "left right"), (10_000, "left"), (0, "right")):
            handle.evaluate("(e, left) => { e.scrollLeft = left; }", left)
            page.wait_for_function("([e, sides]) => e.dataset.more === sides", arg=[handle, sides])
