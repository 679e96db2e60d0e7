"""The installed Chromium, headless: for the card, the PDF, Lighthouse and the book's tests."""

import contextlib
import shutil
import sys
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

from tools.bootstrap import BROWSERS


def path() -> str:
    """Return where the browser is; end the program where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        sys.exit(f"error: a browser is needed: one of {', '.join(BROWSERS)}")
    return found


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Run the browser."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=path(), args=["--no-sandbox", "--disable-gpu"]
        ) as browser,
    ):
        yield browser
