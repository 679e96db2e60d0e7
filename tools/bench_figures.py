"""Measure how fast the interactive figures answer: ``make bench-figures``.

Headless Chromium with its processor slowed four times. For each figure a page of its own, and
on it the reader's first input, a key on the first handle or control; then one on every other.
The time is that of Event Timing: from the key to the picture that shows what it did, in steps
of 8 ms.
"""

import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT))

from tools import chromium, serve  # noqa: E402

SLOWED = 4
AIM = 0.1
FIGURE = re.compile(r'data-figure="([\w-]+)"')
PARTS = "[data-handle], .controls input, .controls select"

OBSERVE = """() => {
  window.answered = [];
  new PerformanceObserver(list => {
    for (const {duration, interactionId} of list.getEntries())
      if (interactionId) window.answered.push(duration);
  }).observe({type: 'event', durationThreshold: 16, buffered: true});
}"""
# An answer within one frame is no entry; two frames after the key it is known.
SETTLED = """() => new Promise(done => setTimeout(() => requestAnimationFrame(
  () => requestAnimationFrame(() => setTimeout(done))), 300))"""


def pages() -> dict[str, str]:
    """Return the page of each figure."""
    found: dict[str, str] = {}
    for path in sorted((HTML / "book").glob("*.html")):
        for name in FIGURE.findall(path.read_text(encoding="utf-8")):
            found[name] = f"book/{path.name}"
    return found


def answers(page: Page, figure: str) -> list[float]:
    """Press a key on each part of a figure; return the seconds to each answer, in order."""
    page.locator(f"[data-figure={figure}]").scroll_into_view_if_needed()
    parts = page.locator(f"[data-figure={figure}][data-ready]").locator(PARTS)
    parts.first.wait_for()
    page.evaluate(OBSERVE)
    times = []
    for number in range(parts.count()):
        part = parts.nth(number)
        part.evaluate("e => e.focus({preventScroll: true})")
        page.evaluate("() => { window.answered.length = 0; }")
        switch = part.get_attribute("type") == "checkbox"
        page.keyboard.press("Space" if switch else "ArrowRight")
        page.evaluate(SETTLED)
        times.append(max(page.evaluate("window.answered"), default=0) / 1000)
    return times


def measure(browser: Browser, address: str, figure: str) -> list[float]:
    """Return a figure's answers on a fresh page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        page.goto(address)
        return answers(page, figure)


def main() -> int:
    """Measure and print; return 1 where a first input waits longer than the aim."""
    if not (HTML / "index.html").is_file():
        sys.exit("error: no book in _build/html; run make book")
    missed = False
    with serve.serving(HTML) as address, chromium.launched() as browser:
        for figure, page in pages().items():
            first, *others = measure(browser, f"{address}/{page}", figure)
            print(
                f"{figure}: first input {1000 * first:.0f} ms (aim {1000 * AIM:.0f}), "
                f"{len(others)} others at most {1000 * max(others, default=0):.0f} ms",
                flush=True,
            )
            missed |= first > AIM
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
