"""The built book, a browser and a local server for the tests of this folder."""

import fcntl
import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tools import chromium

ROOT = Path(__file__).resolve().parent.parent.parent
HTML = ROOT / "_build" / "html"

for folder in ("_ext", "figures"):
    sys.path.insert(0, str(ROOT / "book" / folder))


def newest(*paths: Path) -> float:
    """Return when the newest file in these files and folders was changed."""
    files = [
        file
        for path in paths
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    return max(file.stat().st_mtime for file in files)


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book, built strictly where it is older than its sources."""
    stamp = ROOT / "_build" / ".stamps" / "book-tested"
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with (ROOT / "_build" / ".book-test-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests' processes wait for one build
        built = stamp.with_name("book")
        known = max((s.stat().st_mtime for s in (stamp, built) if s.exists()), default=0.0)
        sources = newest(*(ROOT / name for name in ("_config.yml", "_toc.yml", "book", "lib")))
        if known < sources or not (HTML / "index.html").is_file():
            done = subprocess.run(
                [sys.executable, str(ROOT / "tools" / "book.py")],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
            stamp.touch()
    return HTML


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium without network but this machine's own."""
    with chromium.launched() as browser:
        yield browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that prints nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def server(html: Path) -> Iterator[str]:
    """The address of a local server of the book."""
    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
