"""Measure how fast the interactive figures answer: ``make bench-figures``.

Headless Chromium with its processor slowed four times. For each figure a page of its own, and
on it the reader's first input, a key on the first handle or control; then one on every other.
The time is that of Event Timing: from the key to the picture that shows what it did, in steps
of 8 ms. Beside it stands the processor time of the page's main thread, slowed as well, which
does not depend on what else the machine does.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, CDPSession, Page

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
DRAWN = """() => new Promise(done => requestAnimationFrame(
  () => requestAnimationFrame(() => setTimeout(done))))"""
REST = 300
"""Milliseconds until a figure has said what it shows; an answer within 16 ms is no entry."""


class Answer(NamedTuple):
    """Seconds from the key to the picture, and of work in the page's main thread."""

    wait: float
    work: float


def pages() -> dict[str, str]:
    """Return the page of each figure."""
    found: dict[str, str] = {}
    for path in sorted((HTML / "book").glob("*.html")):
        for name in FIGURE.findall(path.read_text(encoding="utf-8")):
            found[name] = f"book/{path.name}"
    return found


def worked(session: CDPSession) -> float:
    """Return the seconds that the page's main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(m["value"]) for m in metrics if m["name"] == "TaskDuration")


def answers(page: Page, session: CDPSession, figure: str) -> list[Answer]:
    """Press a key on each part of a figure; return the answers, in order."""
    page.locator(f"[data-figure={figure}]").scroll_into_view_if_needed()
    parts = page.locator(f"[data-figure={figure}][data-ready]").locator(PARTS)
    parts.first.wait_for()
    page.evaluate(OBSERVE)
    found = []
    for number in range(parts.count()):
        part = parts.nth(number)
        part.evaluate("e => e.focus({preventScroll: true})")
        page.wait_for_timeout(REST)
        page.evaluate("() => { window.answered.length = 0; }")
        switch = part.get_attribute("type") == "checkbox"
        before = worked(session)
        page.keyboard.press("Space" if switch else "ArrowRight")
        page.evaluate(DRAWN)
        work = worked(session) - before
        page.wait_for_timeout(REST)
        found.append(Answer(max(page.evaluate("window.answered"), default=0) / 1000, work))
    return found


def measure(browser: Browser, address: str, figure: str) -> list[Answer]:
    """Return a figure's answers on a fresh page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        page.goto(address)
        return answers(page, session, figure)


def main() -> int:
    """Measure and print; return 1 where a first input waits longer than the aim."""
    if not (HTML / "index.html").is_file():
        sys.exit("error: no book in _build/html; run make book")
    missed = False
    with serve.serving(HTML) as address, chromium.launched() as browser:
        for figure, page in pages().items():
            first, *others = measure(browser, f"{address}/{page}", figure)
            most = [1000 * max(times, default=0) for times in zip(*others, strict=True)] or [0, 0]
            print(
                f"{figure}: first input {1000 * first.wait:.0f} ms (aim {1000 * AIM:.0f}), "
                f"{1000 * first.work:.0f} ms of work; {len(others)} others at most "
                f"{most[0]:.0f} ms, {most[1]:.0f} ms of work",
                flush=True,
            )
            missed |= first.wait > AIM
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
