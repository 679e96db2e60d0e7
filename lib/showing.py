"""What a cell shows, as well as the place where it runs can: page, notebook or terminal.

Where a cell runs in the book's own practise page there is no matplotlib and no kernel.
That page sets ``page``, a function ``(kind, data)``, and draws what comes. ``data`` is
plain (dict, list, str, number, None):

- ``"report"``: a visible check, :meth:`lib.reports.Report.data`;
- ``"table"``: ``check.all()``, :meth:`lib.reports.Table.data`;
- ``"curves"``: ``lines`` (a list of ``name``, ``x``, ``y``; None is a gap), ``xlabel``,
  ``ylabel``, ``log``;
- ``"progress"``: ``done``, ``total``, ``words``.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from lib import validate

page: Callable[[str, dict[str, Any]], None] | None = None

Item = TypeVar("Item")

PAUSE = 0.1
"""Seconds between two messages on progress."""
LONGEST = 500
"""Points of a line that a page gets; of more, every k-th."""


class Shown(Protocol):
    """What can be shown in each of the three places."""

    @property
    def text(self) -> str:
        """For a terminal."""
        ...

    def html(self) -> str:
        """For a notebook."""
        ...

    def data(self) -> dict[str, Any]:
        """For a page."""
        ...


def show(kind: str, shown: Shown) -> None:
    """Show something: to the page, else in a notebook, else as text."""
    if page is not None:
        page(kind, shown.data())
    elif _in_notebook():
        from IPython.display import display

        display({"text/plain": shown.text, "text/html": shown.html()}, raw=True)
    else:
        print(shown.text)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


def curves(
    series: Mapping[str, np.ndarray],
    x: np.ndarray | None = None,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
) -> None:
    """Draw a line for each name, with matplotlib in a notebook and by the page on a page.

    Parameters
    ----------
    series : mapping of str to array (K,)
        NaN leaves a gap.
    x : array (K,), optional
        0 … K − 1 where not given.
    xlabel, ylabel : str
    log : bool
        Logarithmic y; values that are not positive leave a gap.

    Raises
    ------
    ValueError
        Where there is nothing to draw, or lengths do not fit.
    """
    if page is None:
        from matplotlib import pyplot

        from lib import plots

        plots.curves(series, x, xlabel=xlabel, ylabel=ylabel, log=log)
        pyplot.show()
        return
    if not series:
        raise ValueError("series: expected at least one line, got none")
    lines = []
    for name, values in series.items():
        y = np.asarray(values, np.float64)
        if y.ndim != 1 or not y.size:
            raise ValueError(f"series[{name!r}]: expected shape (K,), got {y.shape}")
        steps = np.arange(len(y), dtype=np.float64) if x is None else np.asarray(x, np.float64)
        validate.shape("x", steps, y.shape)
        kept = np.unique(np.r_[0 : len(y) : -(-len(y) // LONGEST), len(y) - 1])
        drawn = np.isfinite(y) & ((y > 0) | (not log))
        lines.append(
            {
                "name": str(name),
                "x": steps[kept].tolist(),
                "y": [float(y[k]) if drawn[k] else None for k in kept],
            }
        )
    page("curves", {"lines": lines, "xlabel": xlabel, "ylabel": ylabel, "log": log})


class Bar:
    """A progress bar on the page, with the methods of tqdm's that the course uses."""

    def __init__(self, total: int, words: str = "") -> None:
        self.total = total
        self.words = words
        self.done = 0
        self._told = -PAUSE

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._tell()

    def update(self, steps: int = 1) -> None:
        """Go on by some steps."""
        self.done += steps
        if time.monotonic() - self._told >= PAUSE:
            self._tell()

    def set_postfix(self, refresh: bool = True, **values: object) -> None:
        """Say something beside the bar."""
        self.words = ", ".join(f"{name} {value}" for name, value in values.items())

    def _tell(self) -> None:
        self._told = time.monotonic()
        if page is not None:
            page("progress", {"done": self.done, "total": self.total, "words": self.words})


def progress(items: Sequence[Item], words: str = "") -> Iterator[Item]:
    """Yield the items of something that has a length, and show how far it is.

    >>> list(progress(range(3)))
    [0, 1, 2]
    """
    if page is None:
        try:
            from tqdm import tqdm
        except ImportError:
            yield from items
        else:
            yield from tqdm(items, desc=words or None, mininterval=0.5)
        return
    with Bar(len(items), words) as bar:
        for item in items:
            yield item
            bar.update()
