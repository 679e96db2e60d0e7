"""Every way to write a date stands for the date it is paired with."""

import datetime
import re
from itertools import pairwise

import numpy as np
import pytest

from lib import dates
from lib.data import EOS, UNK
from tests.lib import data_checks


def rng(seed=0):
    return np.random.default_rng(seed)


def test_what_is_drawn_follows_the_generator_alone():
    data_checks.assert_drawn_from_rng_alone(lambda r: dates.draw(r, 6))


MONTHS = "january february march april may june july august september october november december"
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: k for k, word in enumerate(ONES.split())}
NUMBERS |= {word: 20 + 10 * k for k, word in enumerate(TENS.split())}
ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9}
ORDINALS |= {"twelfth": 12, "twentieth": 20, "thirtieth": 30}
ORDINALS |= {word + "th": k for word, k in NUMBERS.items() if k not in ORDINALS.values()}


def understand(written):
    """Read a date word by word, as a person would, whatever style it is in."""
    numeric = re.fullmatch(r"(\d+)[./](\d+)[./](\d+)", written)
    if numeric:
        return iso(*map(int, numeric.groups()))
    day = month = weekday = None
    year: list[int] = []
    for word in re.findall(r"'?[a-z0-9]+", written):
        number = re.fullmatch(r"(\d+)(st|nd|rd|th)?", word)
        if word in WEEKDAYS.split():
            weekday = WEEKDAYS.split().index(word)
        elif month is None and any(word in (m, m[:3]) for m in MONTHS.split()):
            month = 1 + [m[:3] for m in MONTHS.split()].index(word[:3])
        elif word[0] == "'" or (number and len(number[1]) == 4):
            year = [int(word.strip("'"))]
        elif number:
            assert day is None
            day = int(number[1])
            assert number[2] in (None, SUFFIXES.get(day, "th"))
        elif word in ORDINALS:
            # What was read last is this number's tens, if it is one.
            tens = year.pop() if year and ORDINALS[word] < 10 else 0
            assert day is None
            assert tens in (0, 20, 30)
            day = tens + ORDINALS[word]
        elif word in NUMBERS:
            year.append(NUMBERS[word])
        elif word == "thousand":
            year = [10 * year[0], 0]
        else:
            assert word in ["on", "the", "day", "of", "month", "in", "year", "and", "hundred"]
    got = iso(day, month, 100 * year[0] + sum(year[1:]) if len(year) > 1 else year[0], written)
    assert weekday in (None, datetime.date.fromisoformat(got).weekday())
    return got


SUFFIXES = {1: "st", 21: "st", 31: "st", 2: "nd", 22: "nd", 3: "rd", 23: "rd"}


def iso(day, month, year, written=""):
    if "hundred" in written:
        year *= 100
    elif year < 100:
        year += 1900 if year >= 50 else 2000
    return datetime.date(year, month, day).isoformat()


def test_every_style_says_the_date_it_stands_for():
    drawn = dates.draw(rng(), 6000)
    for written, iso in zip(drawn.written, drawn.iso, strict=True):
        assert understand(written) == iso, written
    years = {int(iso[:4]) for iso in drawn.iso}
    assert years == set(range(1950, 2050))
    assert set(drawn.style) == set(range(len(dates.STYLES)))


def test_years_are_said_as_people_say_them():
    drawn = dates.draw(rng(), 6000, styles=[10])
    said = {
        int(iso[:4]): written.partition(" in the year ")[2]
        for iso, written in zip(drawn.iso, drawn.written, strict=True)
    }
    assert said[1950] == "nineteen fifty"
    assert said[1999] == "nineteen ninety-nine"
    assert said[2000] == "two thousand"
    assert said[2005] == "two thousand and five"
    assert said[2010] == "twenty ten"
    assert len(set(said.values())) == 100


def test_dates_are_numbered_and_ended():
    drawn = dates.draw(rng(), 200)
    end = dates.SOURCE.index(EOS)
    for n in range(200):
        ids = drawn.xs[: drawn.lengths[n], n]
        assert "".join(dates.SOURCE.decode(ids)) == drawn.written[n]
        assert UNK not in dates.SOURCE.decode(ids)
        assert (ids[:-1] != end).all()
        assert ids[-1] == end
        assert "".join(dates.TARGET.decode(drawn.targets[:, n])) == drawn.iso[n]
    assert drawn.targets.shape == (11, 200)
    assert len(drawn.xs) == drawn.lengths.max()


def test_dates_can_be_limited_to_styles_and_taken_apart():
    drawn = dates.draw(rng(), 50, styles=[0, 11])
    assert set(drawn.style) == {0, 11}
    rows = np.flatnonzero(drawn.style == 0)
    short = drawn.take(rows)
    assert short.size == len(rows)
    assert len(short.xs) == short.lengths.max() <= 9 < drawn.lengths.max()
    assert short.iso == tuple(drawn.iso[n] for n in rows)
    np.testing.assert_array_equal(short.targets, drawn.targets[:, rows])


def test_styles_go_from_short_to_long():
    drawn = dates.draw(rng(), 4000)
    means = [drawn.lengths[drawn.style == k].mean() for k in range(len(dates.STYLES))]
    assert drawn.lengths.min() <= 8
    assert drawn.lengths.max() >= 75
    assert all(a < b for a, b in pairwise(means))


def test_lists_say_the_dates_they_stand_for():
    lists = dates.draw_lists(rng(), 600, most=3, styles=[0, 1, 2])
    end = dates.SOURCE.index(EOS)
    for n in range(600):
        ids = lists.xs[: lists.lengths[n], n]
        assert "".join(dates.SOURCE.decode(ids[:-1])) + EOS == lists.written[n] + EOS
        assert ids[-1] == end
        pieces = lists.written[n].split(", ")
        assert len(pieces) == lists.counts[n]
        assert "".join(understand(piece) for piece in pieces) == lists.iso[n]
        assert lists.target_lengths[n] == 10 * len(pieces) + 1
        target = lists.targets[: lists.target_lengths[n], n]
        assert "".join(dates.TARGET.decode(target[:-1])) == lists.iso[n]
        assert (lists.targets[lists.target_lengths[n] - 1 :, n] == dates.TARGET.index(EOS)).all()
    assert np.bincount(lists.counts, minlength=4)[1:].min() > 150


def test_lists_follow_the_generator_alone_and_are_taken_apart():
    data_checks.assert_drawn_from_rng_alone(lambda r: dates.draw_lists(r, 6, most=3))
    lists = dates.draw_lists(rng(), 40, most=3)
    rows = np.flatnonzero(lists.counts == 1)
    single = lists.take(rows)
    assert single.size == len(rows)
    assert single.targets.shape == (11, len(rows))
    assert len(single.xs) == single.lengths.max() < len(lists.xs)
    assert single.written == tuple(lists.written[n] for n in rows)
    np.testing.assert_array_equal(single.counts, 1)
    np.testing.assert_array_equal(single.xs, lists.xs[: len(single.xs), rows])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dates.draw_lists(rng(), 5, most=0), "most"),
        (lambda: dates.draw(rng(), 5, styles=[12]), "styles: expected integers from 0 to 11"),
        (lambda: dates.draw(rng(), 5, styles=[]), "styles"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
