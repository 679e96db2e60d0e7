"""Measure the practise pages: ``make bench-practise``.

A local server, headless Chromium, nothing kept from before. A first visit: from the press of
*Check* to its report, with everything to be loaded. A second visit: the same with what the first
has left in the browser's cache. Then every visible check of every chapter, on its solution, from
the click to the report; and what a first visit brings over the wire.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT))

from authoring import sources  # noqa: E402
from tools import chromium, sample_class, serve  # noqa: E402

# From the click to the report, in the browser's own time.
TIMED = """([id, cell]) => new Promise((resolve, reject) => {
  const box = document.getElementById(`cell-${id}`);
  const result = box.querySelector('.practise-result');
  const began = performance.now();
  const seen = new MutationObserver(() => {
    const report = result.querySelector('.practise-report, .practise-error');
    if (!report) return;
    seen.disconnect();
    resolve([performance.now() - began, report.textContent]);
  });
  result.replaceChildren();
  seen.observe(result, {childList: true});
  box.querySelector('.practise-main').click();
})"""
AIMS = {"first visit": 6.0, "second visit": 4.0, "further checks": 0.15}
WEIGHT = 9.5e6


def open_solved(page: Page, address: str, slug: str) -> None:
    """Open a chapter's page and its solved notebook in it."""
    page.goto(f"{address}/book/practise/{slug}.html")
    page.wait_for_selector(".practise-main")
    solved = sample_class.filled(slug, lambda name, source: source)
    page.set_input_files(
        "input[type=file]",
        {"name": f"{slug}.ipynb", "mimeType": "application/json", "buffer": solved.encode()},
    )
    page.wait_for_selector(".practise-said")


def check(page: Page, name: str) -> float:
    """Press Check; return the seconds to its report, which must be right."""
    took, text = page.evaluate(TIMED, [name, name])
    if not text.startswith("✔"):
        sys.exit(f"error: {name}: expected a right check, got {text!r}")
    return took / 1000


def visit(context: BrowserContext, address: str, slug: str) -> tuple[float, int]:
    """Return the seconds of a visit's first check, and the bytes that came over the wire."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    bytes_seen: list[float] = []
    session.on("Network.loadingFinished", lambda seen: bytes_seen.append(seen["encodedDataLength"]))
    open_solved(page, address, slug)
    took = check(page, sources.exercises(slug)[0].name)
    page.close()
    return took, int(sum(bytes_seen))


def wire(*paths: Path) -> int:
    """Return how many bytes files take that the worker loads, compressed as a host sends them."""
    total = 0
    for path in paths:
        compressed = path.suffix in serve.COMPRESSED
        total += len(serve.compressed(path, 0)) if compressed else path.stat().st_size
    return total


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", help="for further checks; default: all")
    chapters = parser.parse_args(argv).chapters or sources.available()
    if not (HTML / "_static" / "python").is_dir():
        sys.exit("error: no Python in _build/html/_static/python; run make book")
    measured: dict[str, float] = {}
    with (
        serve.serving(HTML) as address,
        tempfile.TemporaryDirectory() as profile,
        sync_playwright() as playwright,
    ):
        static = HTML / "_static"
        loaded = [*(static / "python").iterdir(), static / "practise" / f"{chapters[0]}.zip"]
        beside = wire(*loaded)  # compressed now, as hosts have it
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium.path(), args=["--no-sandbox", "--disable-gpu"]
        )
        measured["first visit"], own = visit(context, address, chapters[0])
        measured["second visit"], _ = visit(context, address, chapters[0])
        times = []
        for slug in chapters:
            page = context.new_page()
            open_solved(page, address, slug)
            names = [exercise.name for exercise in sources.exercises(slug)]
            check(page, names[0])
            times += [check(page, name) for name in names]
            page.close()
        context.close()
    measured["further checks"] = float(np.quantile(times, 0.95))
    for what, seconds in measured.items():
        print(f"{what}: {seconds:.3f} s (aim {AIMS[what]} s)")
    print(f"further checks: {len(times)}, median {np.median(times):.3f} s, most {max(times):.3f} s")
    weight = own + beside
    print(f"over the wire: {weight / 1e6:.2f} MB (aim {WEIGHT / 1e6} MB)")
    missed = any(seconds > AIMS[what] for what, seconds in measured.items())
    return int(missed or weight > WEIGHT)


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"measured in {time.monotonic() - started:.0f} s")
    sys.exit(status)
