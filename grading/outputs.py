"""Outputs of a graded notebook: what people see of a submission's cells.

Text and PNG pictures come through and nothing else, and of a submission not more than its
limits allow: pages are made of this, for formgrader and for learners.
"""

import re
from typing import Any

from grading.answers import Raised, Ran, Shown, Stream
from grading.intake import mark, source_of
from grading.limits import Limits

ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]+[0-~]|.?)", re.DOTALL
)
"""Colours and movements of a terminal, which take pages minutes to turn into HTML."""
CUT = "\n… output cut off …\n"
SHOWN, LINE = 60_000, 500
"""Characters of a learner's code in all, and of one line, that a graded notebook shows."""


class Room:
    """How much may still be kept of a submission's outputs.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    full : bool
        Whether something was left out since this was last set to ``False``.
    """

    def __init__(self, limits: Limits) -> None:
        self._text = limits.output
        self._pictures = limits.pictures
        self._items = limits.outputs
        self._image = limits.image
        self.full = False

    def text(self, text: str) -> str:
        """Return what is kept of a text, without what only a terminal understands."""
        text = "".join(c for c in ESCAPES.sub("", text) if c >= " " or c in "\n\t\r")
        kept = text[: self._text]
        self._text -= len(kept)
        self.full = self.full or len(kept) < len(text)
        return kept

    def picture(self, png: str) -> bool:
        """Tell whether a picture is kept."""
        fits = len(png) <= min(self._image, self._pictures)
        self._pictures -= len(png) if fits else 0
        self.full = self.full or not fits
        return fits

    def outputs(self, ran: Ran) -> list[dict[str, Any]]:
        """Make a cell's outputs."""
        made: list[dict[str, Any]] = []
        for item in ran.outputs:
            if self._items == 0 or self._text == 0:
                self.full = True
                break
            self._items -= 1
            made.append(self._output(item))
        self.full = self.full or ran.cut
        if self.full:
            made.append({"output_type": "stream", "name": "stdout", "text": CUT})
        return made

    def _output(self, item: Stream | Shown | Raised) -> dict[str, Any]:
        if isinstance(item, Stream):
            return {"output_type": "stream", "name": item.name, "text": self.text(item.text)}
        if isinstance(item, Shown):
            data = {"text/plain": self.text(item.text)}
            if item.png and self.picture(item.png):
                data["image/png"] = item.png
            return {"output_type": "display_data", "metadata": {}, "data": data}
        return {
            "output_type": "error",
            "ename": self.text(item.name[:200]),
            "evalue": self.text(item.value[:2000]),
            "traceback": [self.text(line) for line in item.lines[:200]],
        }


def error_output(name: str, words: str) -> dict[str, Any]:
    """Make an error output of words."""
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": [words]}


def shorten(cells: list[dict[str, Any]]) -> None:
    """Cut the learner's code, once it has run, to what can be coloured in a short time.

    Feedback and formgrader colour code, and the time for a line grows with the square of
    its length: one line of 20 000 characters took half a minute.
    """
    room = SHOWN
    for cell in cells:
        if mark(cell).get("locked") or mark(cell).get("grade"):
            continue
        lines = source_of(cell).split("\n")
        text = "\n".join(x if len(x) <= LINE else f"{x[:LINE]} # … cut off …" for x in lines)
        if len(text) > room:
            text = f"{text[:room]}\n# … cut off …"
        room = max(0, room - len(text))
        cell["source"] = text
