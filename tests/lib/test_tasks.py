"""Each synthetic task asks what its docstring says."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import tasks
from tests.lib import cell_checks as checks
from tests.lib import data_checks

seeds = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


MAKERS = {
    "adding": lambda r: tasks.adding(r, 6, 9),
    "copy": lambda r: tasks.copy_memory(r, 6, 5, 3, 4),
    "order": lambda r: tasks.temporal_order(r, 6, 40),
    "counting": lambda r: tasks.counting(r, 6, 1, 5),
    "timing": lambda r: tasks.timing(r, 6, 30, 3, 9),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_drawn_follows_the_generator_alone(name):
    data_checks.assert_drawn_from_rng_alone(MAKERS[name])


@checks.quick
@given(seeds, st.integers(2, 12))
def test_adding_marks_one_number_in_each_half(seed, steps):
    xs, targets, lengths, mask = tasks.adding(rng(seed), 7, steps)
    marks = xs[:, :, 1]
    assert set(np.unique(marks)) <= {0.0, 1.0}
    np.testing.assert_array_equal(marks[: steps // 2].sum(0), 1)
    np.testing.assert_array_equal(marks[steps // 2 :].sum(0), 1)
    sums = [xs[marks[:, n] == 1, n, 0].sum() for n in range(7)]
    np.testing.assert_allclose(targets[:, 0], sums)
    assert lengths is mask is None


def test_adding_answering_one_costs_a_sixth():
    targets = tasks.adding(rng(), 20_000, 10).targets
    assert np.mean((targets - 1) ** 2) == pytest.approx(1 / 6, abs=0.005)


@checks.quick
@given(seeds, st.integers(1, 5), st.integers(1, 4), st.integers(1, 5))
def test_copy_memory_asks_for_the_symbols_after_the_signal(seed, delay, symbols, count):
    xs, targets, _, mask = tasks.copy_memory(rng(seed), 3, delay, symbols, count)
    ids = xs.argmax(-1)
    assert xs.shape == (delay + 2 * count, 3, symbols + 2)
    np.testing.assert_array_equal(xs.sum(-1), 1)
    np.testing.assert_array_equal(targets[-count:], ids[:count])
    assert (ids[:count] < symbols).all()
    assert (targets[:-count] == symbols).all()
    # The signal stands ``delay`` steps after the last symbol; the answer starts one later.
    np.testing.assert_array_equal(np.argwhere(ids == symbols + 1)[:, 0], [count + delay - 1] * 3)
    assert (mask == 1).all()


@pytest.mark.parametrize("signals", [2, 3])
@checks.quick
@given(seed=seeds, steps=st.integers(20, 120))
def test_temporal_order_names_the_order(signals, seed, steps):
    xs, targets, lengths, mask = tasks.temporal_order(rng(seed), 5, steps, signals)
    assert ((steps <= lengths) & (lengths <= 1.1 * steps)).all()
    assert mask is None
    for n, length in enumerate(lengths):
        assert xs[length:, n].sum() == 0
        np.testing.assert_array_equal(xs[:length, n].sum(-1), 1)
        letters = "".join("abcdXYEB"[k] for k in xs[:length, n].argmax(-1))
        assert re.fullmatch(r"E[a-dXY]+B", letters)
        found = re.sub("[^XY]", "", letters)
        assert len(found) == signals
        assert targets[n] == int(found.translate(str.maketrans("XY", "01")), 2)


def test_temporal_order_is_the_published_task_at_100_steps():
    for signals, windows in ((2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])):
        xs, targets, lengths, _ = tasks.temporal_order(rng(), 3000, 100, signals)
        places = [np.flatnonzero(xs[:, n, 4:6].sum(-1)) for n in range(3000)]
        assert [(at.min(), at.max()) for at in np.transpose(places)] == windows
        assert (lengths.min(), lengths.max()) == (100, 110)
        assert set(targets) == set(range(2**signals))


@pytest.mark.parametrize("letters", [2, 3])
@checks.quick
@given(seed=seeds, low=st.integers(1, 4), more=st.integers(0, 4))
def test_counting_allows_what_the_language_allows(letters, seed, low, more):
    xs, targets, lengths, mask = tasks.counting(rng(seed), 4, low, low + more, letters)
    symbols = "abc"[:letters]
    language = [
        "S" + "".join(symbol * n for symbol in symbols) + "T" for n in range(1, low + more + 2)
    ]
    for k, length in enumerate(lengths):
        n = (length - 1) // letters
        assert low <= n <= low + more
        read = "".join((symbols + "S")[j] for j in xs[:length, k].argmax(-1))
        assert read + "T" == language[n - 1]
        for t in range(1, length + 1):
            allowed = {(symbols + "T")[j] for j in np.flatnonzero(targets[t - 1, k])}
            # What may follow is what follows in some string of the language, with any n.
            assert allowed == {word[t] for word in language if word.startswith(read[:t])}
        assert xs[length:, k].sum() == targets[length:, k].sum() == 0
        np.testing.assert_array_equal(mask[:, k], np.arange(len(xs)) < length)


@checks.quick
@given(seeds, st.integers(1, 5), st.integers(0, 4), st.integers(0, 20))
def test_timing_measures_the_gap_before_each_spike(seed, low, more, longer):
    high = low + more
    steps = 2 * high + longer
    xs, targets, lengths, mask = tasks.timing(rng(seed), 4, steps, low, high)
    assert xs.shape == targets.shape == (steps, 4, 1)
    assert lengths is None
    for n in range(4):
        at = np.flatnonzero(xs[:, n, 0])
        gaps = np.diff(at)
        assert at[0] < high
        assert len(gaps) >= 1
        assert ((low <= gaps) & (gaps <= high)).all()
        np.testing.assert_array_equal(np.flatnonzero(mask[:, n]), at[1:])
        np.testing.assert_allclose(targets[at[1:], n, 0], gaps / high)
        assert np.count_nonzero(targets[:, n]) == len(gaps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.adding(rng(), 0, 5), "examples"),
        (lambda: tasks.adding(rng(), 5, 1), "steps: expected an integer of at least 2, got 1"),
        (lambda: tasks.copy_memory(rng(), 5, 0), "delay"),
        (lambda: tasks.copy_memory(rng(), 5, 1, symbols=0), "symbols"),
        (lambda: tasks.copy_memory(rng(), 5, 1, count=0), "count"),
        (lambda: tasks.temporal_order(rng(), 5, 19), "steps"),
        (lambda: tasks.temporal_order(rng(), 5, 100, signals=4), "signals: expected 2 or 3"),
        (lambda: tasks.counting(rng(), 5, 0, 3), "low"),
        (lambda: tasks.counting(rng(), 5, 4, 3), "high: expected an integer of at least 4"),
        (lambda: tasks.counting(rng(), 5, 1, 3, letters=4), "letters: expected 2 or 3"),
        (lambda: tasks.timing(rng(), 5, 19, 3, 10), "steps: expected an integer of at least 20"),
        (lambda: tasks.timing(rng(), 5, 50, 11, 10), "high"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
