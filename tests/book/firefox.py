"""The installed Firefox, headless, by WebDriver BiDi, which it speaks without a driver."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

NAMES = ("firefox-esr", "firefox")
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
PATIENCE = 120  # seconds for one command


class Firefox:
    """One page of a browser."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=PATIENCE, suppress_origin=True
        )
        self._count = 0
        self.events: list[dict[str, Any]] = []
        """What was reported of requests and of the console since the last ``open``."""
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["network.beforeRequestSent", "log.entryAdded"])
        self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **params: Any) -> Any:
        """Send a command and return its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            got = json.loads(self._socket.recv())
            if got["type"] == "event":
                self.events.append(got)
            elif got["id"] == self._count:
                assert got["type"] == "success", f"{method}: {got.get('message')}"
                return got["result"]

    def open(self, address: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.events.clear()
        self.call("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def size(self, width: int, height: int) -> None:
        """Set the size of the window's inside, in CSS pixels."""
        viewport = {"width": width, "height": height}
        self.call("browsingContext.setViewport", context=self._context, viewport=viewport)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a function of JavaScript on values of JSON; wait for its promise."""
        given = ", ".join(json.dumps(a) for a in arguments)
        got = self.call(
            "script.evaluate",
            expression=f"Promise.resolve(({function})({given})).then(JSON.stringify)",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert got["type"] == "success", got["exceptionDetails"]["text"]
        return json.loads(got["result"].get("value", "null"))


def path() -> str | None:
    """Return where the browser is, if it is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def launched() -> Iterator[Firefox]:
    """Run the browser with a new profile, which is its home too."""
    with tempfile.TemporaryDirectory(prefix="firefox-") as home:
        log = Path(home, "log.txt")
        # as Chromium's --no-sandbox: name spaces of users are not to be had everywhere
        environment = {**os.environ, "HOME": home, "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
        command = [str(path()), "--headless", "--no-remote", "--profile", home]
        with (
            log.open("w") as written,
            subprocess.Popen(
                [*command, "--remote-debugging-port=0", "about:blank"],
                stdout=written,
                stderr=written,
                env=environment,
            ) as process,
        ):
            try:
                yield Firefox(_address(process, log))
            finally:
                process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the browser says where it listens."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if found := LISTENING.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not listen: {log.read_text(errors='replace')[-2000:]}")
