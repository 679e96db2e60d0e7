"""Runs a notebook's cells in one namespace, and tells the page what comes of them.

This file runs in the browser, in Pyodide; ``practise_page`` is the worker's.
"""

import ast
import contextlib
import io
import json
import linecache
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

try:
    from practise_page import tell
except ImportError:  # on a desktop, in a test

    def tell(kind: str, data: str) -> None:
        """Do nothing."""


MOST = 100_000
"""Characters of output that a run may show."""
PAUSE = 0.05
"""Seconds between two messages with output, so that a loop that prints floods no page."""


class Output(io.TextIOBase):
    """What a run prints, sent to the page piece by piece."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._waiting: list[str] = []
        self._left = MOST
        self._sent = 0.0

    def write(self, text: str) -> int:
        """Take some text; what is too much is left out, and that is said once."""
        if self._left > 0:
            self._waiting.append(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._waiting.append("\n… and more, which is not shown\n")
            if self._left <= 0 or time.monotonic() - self._sent > PAUSE:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self._send("".join(self._waiting))
            self._waiting.clear()
            self._sent = time.monotonic()


class Session:
    """The namespace, and the cells that ran in it."""

    def __init__(self) -> None:
        from lib import showing

        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.names = module.__dict__
        self._files: dict[str, str] = {}
        self._running = ""
        showing.page = self._show

    def _tell(self, kind: str, **data: Any) -> None:
        tell(kind, json.dumps({"id": self._running, **data}))

    def _show(self, what: str, data: dict[str, Any]) -> None:
        self._output.flush()
        self._tell("shown", what=what, data=data)

    def run(self, identity: str, name: str, source: str) -> None:
        """Run a cell; its last expression, if any, is shown as a notebook shows it."""
        self._running = identity
        file = f"<cell {name}>"
        self._files[file] = name
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        self._output = Output(lambda text: self._tell("output", text=text))
        with contextlib.redirect_stdout(self._output), contextlib.redirect_stderr(self._output):
            error = self._execute(source, file)
        self._output.flush()
        self._tell("done", error=error)

    def _execute(self, source: str, file: str) -> dict[str, Any] | None:
        try:
            tree = ast.parse(source, file)
            last = None
            if tree.body and isinstance(tree.body[-1], ast.Expr):
                last = ast.Expression(tree.body.pop().value)
            exec(compile(tree, file, "exec"), self.names)
            if last is not None:
                value = eval(compile(last, file, "eval"), self.names)
                if value is not None:
                    print(repr(value))
        except BaseException as error:
            return self._explain(error)
        return None

    def _explain(self, error: BaseException) -> dict[str, Any]:
        """Say what went wrong, with the learner's lines and no others."""
        frames = [
            {"cell": self._files[frame.filename], "line": frame.lineno, "code": frame.line or ""}
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename in self._files
        ]
        message = str(error)
        if isinstance(error, SyntaxError):
            message = error.msg
            if error.filename in self._files:
                code = (error.text or "").rstrip("\n")
                cell = self._files[error.filename]
                frames.append({"cell": cell, "line": error.lineno or 0, "code": code.strip()})
        elif isinstance(error, ModuleNotFoundError) and error.name == "matplotlib":
            message = "this page has no matplotlib; lib.showing.curves draws here and in a notebook"
        return {"type": type(error).__name__, "message": message[:2000], "frames": frames[-8:]}
