"""Measure pages of the built book with Lighthouse: ``make lighthouse``.

The pages are served compressed from this machine, as any host does, to headless Chromium.
Lighthouse comes from npm by way of ``npx``, so Node 18 or newer must be there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT))

from tools import chromium, serve  # noqa: E402

LIGHTHOUSE = "lighthouse@12.8.2"
CHROME = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
AIMED = ("performance", "accessibility", "best-practices")
AIM = 0.95
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")


def heaviest() -> str:
    """Return the page with the largest HTML."""
    pages = (HTML / "book").glob("*.html")
    return max(pages, key=lambda page: page.stat().st_size).relative_to(HTML).as_posix()


def measure(address: str, form: str) -> dict[str, object]:
    """Return Lighthouse's report on a page, as on a desktop or on a phone."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", f"--chrome-flags={CHROME}"]
        command += ["--output=json", f"--output-path={output}"]
        if form == "desktop":
            command.append("--preset=desktop")
        environment = {**os.environ, "CHROME_PATH": chromium.path()}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(output.read_text(encoding="utf-8"))


def main() -> int:
    """Measure; return 1 where a desktop's score is below the aim."""
    parser = argparse.ArgumentParser(description="Measure pages of the built book.")
    parser.add_argument("pages", nargs="*", help="say book/rnn.html; else the heaviest page")
    arguments = parser.parse_args()
    if not shutil.which("npx"):
        sys.exit("error: npx is needed: install Node 18 or newer (apt-get install npm)")
    if not (HTML / "index.html").is_file():
        sys.exit("error: no book in _build/html; run make book")
    missed = False
    warnings: dict[str, None] = {}
    with serve.serving(HTML) as address:
        for page in arguments.pages or [heaviest()]:
            for form in ("desktop", "phone"):
                report = measure(f"{address}/{page}", form)
                scores = {name: report["categories"][name]["score"] for name in AIMED}
                times = ", ".join(
                    f"{name} {report['audits'][name]['displayValue']}" for name in TIMES
                )
                shown = ", ".join(f"{name} {100 * score:.0f}" for name, score in scores.items())
                print(f"{page}, {form}: {shown} ({times})")
                warnings.update(dict.fromkeys(report["runWarnings"]))
                missed |= form == "desktop" and min(scores.values()) < AIM
    for warning in warnings:
        print(f"Lighthouse warns: {warning}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
