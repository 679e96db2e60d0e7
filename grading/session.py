"""One run of a submission: its sandboxes, one after the other, and its time."""

import time
from typing import Any

from grading.answers import Failed, Ran, Returned, Used
from grading.limits import Limits
from grading.sandbox import Ended, Nursery, Sandbox


class Clock:
    """What a submission has left of its time, over both runs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._started = time.monotonic()
        self._cpu = 0.0
        self._waited = 0.0
        self.memory = 0

    @property
    def cpu(self) -> float:
        """Seconds of processor time that closed sandboxes used."""
        return self._cpu

    def add(self, used: Used) -> None:
        """Count what a closed sandbox used."""
        self._cpu += used.cpu
        self._waited += used.waited
        self.memory = max(self.memory, used.memory)

    def allow(self, seconds: float, sandbox: Sandbox | None) -> float:
        """Return how much of ``seconds`` a request may take.

        Raises
        ------
        Ended
            Where nothing is left.
        """
        wall = time.monotonic() - self._started
        most = self._limits.submission_seconds
        if wall < most / 2:
            # So early there is no need to look.
            return min(seconds, most / 2)
        now = Used() if sandbox is None else sandbox.look()
        spent = self._cpu + now.cpu
        idle = wall - self._waited - now.waited
        if spent >= most or idle >= self._limits.patience * most:
            raise Ended("limit")
        return min(seconds, most - spent)


class Session:
    """The sandboxes of one run of a submission: a new one takes over where one ended."""

    def __init__(self, nursery: Nursery, clock: Clock) -> None:
        self.nursery = nursery
        self.limits = nursery.limits
        self.clock = clock
        self.restarts = nursery.limits.restarts
        self.done: list[tuple[str, str]] = []
        self._sandbox: Sandbox | None = None

    def _open(self) -> Sandbox:
        if self._sandbox is not None:
            return self._sandbox
        while True:
            if self.restarts < 0:
                raise Ended("limit")
            self.restarts -= 1
            sandbox = self._sandbox = self.nursery.open()
            for position, (name, source) in enumerate(self.done):
                try:
                    sandbox.run(name, source, self.clock.allow(self.limits.cell_seconds, sandbox))
                except Ended as ended:
                    self._drop()
                    if ended.kind == "limit":
                        raise
                    del self.done[position]
                    break
            else:
                return sandbox

    def _drop(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self.clock.add(self._sandbox.used)
            self._sandbox = None

    def run(self, name: str, source: str) -> Ran:
        """Run a cell.

        Raises
        ------
        Ended
            Where it did not come to its end; later ones run as if it were not there.
        """
        try:
            seconds = self.clock.allow(self.limits.cell_seconds, self._sandbox)
            ran = self._open().run(name, source, seconds)
        except Ended:
            self._drop()
            raise
        self.done.append((name, source))
        return ran

    def call(self, name: str, arguments: Any, names: list[str | int]) -> Returned | Failed:
        """Call a function that the cells have defined, as :meth:`Sandbox.call` does.

        Raises
        ------
        Ended
            Where it did not return.
        """
        try:
            seconds = self.clock.allow(self.limits.call_seconds, self._sandbox)
            return self._open().call(name, arguments, names, seconds)
        except Ended:
            self._drop()
            raise

    def close(self) -> None:
        """Kill what is still there."""
        self._drop()
