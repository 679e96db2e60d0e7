"""Dates as people write them, to be turned into ISO 8601: chapters 9 and 10's task."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lib import validate
from lib.data import EOS, UNK, Vocabulary
from lib.training import pad


class Dates(NamedTuple):
    """Dates as people write them, and as ISO 8601 writes them."""

    xs: np.ndarray
    """Characters as written, ended by ``<EOS>``: integers (S, N)."""
    lengths: np.ndarray
    """Lengths of ``xs``, ``<EOS>`` included (N,)."""
    targets: np.ndarray
    """Characters of the ISO date, ended by ``<EOS>``: integers (11, N)."""
    written: tuple[str, ...]
    """The dates as written."""
    iso: tuple[str, ...]
    """The dates as ``YYYY-MM-DD``."""
    style: np.ndarray
    """Which of ``STYLES`` each is written in: integers (N,)."""

    @property
    def size(self) -> int:
        """Number of examples N."""
        return len(self.iso)

    def take(self, rows: np.ndarray) -> "Dates":
        """Return the examples ``rows`` (M,), cut to the longest of them."""
        lengths = self.lengths[rows]
        return Dates(
            self.xs[: lengths.max(), rows],
            lengths,
            self.targets[:, rows],
            tuple(self.written[n] for n in rows),
            tuple(self.iso[n] for n in rows),
            self.style[rows],
        )


_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth",
}  # fmt: skip
FIRST_YEAR, LAST_YEAR = 1950, 2049


def _cardinal(n: int) -> str:
    """Name a number from 1 to 99."""
    if n < 20:
        return _ONES[n - 1]
    tens = _TENS[n // 10 - 2]
    return f"{tens}-{_ONES[n % 10 - 1]}" if n % 10 else tens


def _ordinal(n: int) -> str:
    head, dash, last = _cardinal(n).rpartition("-")
    return head + dash + _ORDINALS.get(last, last + "th")


def _short_ordinal(n: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(n % 10 if n // 10 != 1 else 0, "th")
    return f"{n}{suffix}"


def _year_words(year: int) -> str:
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" and {_cardinal(rest)}" if rest else "")
    return f"{_cardinal(century)} {_cardinal(rest)}" if rest else f"{_cardinal(century)} hundred"


def _write(date: datetime.date, style: str) -> str:
    month = _MONTHS[date.month - 1]
    return style.format(
        d=date.day,
        m=date.month,
        y=f"{date.year % 100:02}",
        year=date.year,
        mon=month[:3],
        month=month,
        nth=_short_ordinal(date.day),
        ordinal=_ordinal(date.day),
        weekday=_WEEKDAYS[date.weekday()],
        words=_year_words(date.year),
    )


STYLES = (
    "{d}.{m}.{y}",
    "{d}/{m}/{year}",
    "{d} {mon} {year}",
    "{year}, {mon} {d}",
    "{month} {d}, {year}",
    "{nth} of {month} {year}",
    "{weekday}, {d} {month} {year}",
    "{weekday} the {nth} of {month} '{y}",
    "{weekday}, the {ordinal} of {month} {year}",
    "{month} the {ordinal}, {words}",
    "the {ordinal} day of {month} in the year {words}",
    "on {weekday}, the {ordinal} day of the month of {month}, {words}",
)
"""From the shortest to the longest; the day stands before the month where both are numbers."""
SOURCE = Vocabulary((UNK, EOS, *" ',-./0123456789abcdefghijklmnopqrstuvwxyz"))
"""Symbols of dates as written."""
TARGET = Vocabulary((EOS, *"-0123456789"))
"""Symbols of ISO dates."""


def draw(rng: np.random.Generator, examples: int, styles: Sequence[int] | None = None) -> Dates:
    """Draw dates from 1950 to 2049, written in many ways, from 6 to 86 characters.

    With a hundred years, a year of two digits is never ambiguous.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    styles : sequence of int, optional
        Which of ``STYLES`` to draw from; all, equally often, where not given.

    Returns
    -------
    Dates

    Raises
    ------
    ValueError
        Where a style does not exist.

    Examples
    --------
    >>> dates = draw(np.random.default_rng(4), 1)
    >>> dates.written[0]
    'on wednesday, the twenty-fourth day of the month of august, twenty twenty-two'
    >>> dates.iso[0]
    '2022-08-24'
    """
    N = validate.positive("examples", examples)
    chosen = np.arange(len(STYLES)) if styles is None else np.array(styles)
    validate.integers("styles", chosen, ("K",), 0, len(STYLES) - 1)
    low = datetime.date(FIRST_YEAR, 1, 1).toordinal()
    high = datetime.date(LAST_YEAR, 12, 31).toordinal()
    days = [datetime.date.fromordinal(int(n)) for n in rng.integers(low, high + 1, N)]
    style = rng.choice(chosen, N)
    written = tuple(_write(day, STYLES[k]) for day, k in zip(days, style, strict=True))
    iso = tuple(day.isoformat() for day in days)
    xs, lengths = pad([SOURCE.encode(w, end=True) for w in written], SOURCE.index(EOS))
    targets = np.stack([TARGET.encode(i, end=True) for i in iso], axis=1)
    return Dates(xs, lengths, targets, written, iso, style)


class DateLists(NamedTuple):
    """Lists of dates, to be turned into lists of ISO dates: the longer, the more to remember."""

    xs: np.ndarray
    """Characters as written, the dates joined by commas, ended by ``<EOS>``: integers (S, N)."""
    lengths: np.ndarray
    """Lengths of ``xs``, ``<EOS>`` included (N,)."""
    targets: np.ndarray
    """The ISO dates, ten characters each, one after the other, ended by ``<EOS>``: (T, N)."""
    target_lengths: np.ndarray
    """Lengths of ``targets``, ``<EOS>`` included (N,)."""
    written: tuple[str, ...]
    """The lists as written."""
    iso: tuple[str, ...]
    """The ISO dates of each list, one after the other."""
    counts: np.ndarray
    """Number of dates in each list (N,)."""

    @property
    def size(self) -> int:
        """Number of lists N."""
        return len(self.iso)

    def take(self, rows: np.ndarray) -> "DateLists":
        """Return the lists ``rows`` (M,), cut to the longest of them."""
        lengths, target_lengths = self.lengths[rows], self.target_lengths[rows]
        return DateLists(
            self.xs[: lengths.max(), rows],
            lengths,
            self.targets[: target_lengths.max(), rows],
            target_lengths,
            tuple(self.written[n] for n in rows),
            tuple(self.iso[n] for n in rows),
            self.counts[rows],
        )


def draw_lists(
    rng: np.random.Generator, examples: int, most: int, styles: Sequence[int] | None = None
) -> DateLists:
    """Draw lists of 1 to ``most`` dates, each date in a style of its own.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    most : int
        Every number of dates up to this one is equally likely.
    styles : sequence of int, optional
        See :func:`draw`.

    Returns
    -------
    DateLists

    Raises
    ------
    ValueError
        Where a number is below 1 or a style does not exist.

    Examples
    --------
    >>> lists = draw_lists(np.random.default_rng(1), 1, most=3, styles=[0, 2])
    >>> lists.written[0], lists.iso[0]
    ('8 mar 2001, 8.7.25', '2001-03-082025-07-08')
    """
    N = validate.positive("examples", examples)
    counts = rng.integers(1, validate.positive("most", most) + 1, N)
    dates = draw(rng, int(counts.sum()), styles)
    ends = np.cumsum(counts)
    pieces = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    written = tuple(", ".join(dates.written[piece]) for piece in pieces)
    iso = tuple("".join(dates.iso[piece]) for piece in pieces)
    xs, lengths = pad([SOURCE.encode(w, end=True) for w in written], SOURCE.index(EOS))
    targets, target_lengths = pad([TARGET.encode(i, end=True) for i in iso], TARGET.index(EOS))
    return DateLists(xs, lengths, targets, target_lengths, written, iso, counts)
