"""Batches keep rows together, vocabularies give text back, digits are what scikit-learn has."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import data, tasks
from lib.data import EOS, UNK
from tests.lib import cell_checks as checks
from tests.lib import data_checks


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_split_of_digits_follows_the_generator_alone():
    data_checks.assert_drawn_from_rng_alone(data.digits)


def test_take_cuts_to_the_longest_and_keeps_rows_together():
    everything = tasks.counting(rng(), 30, 1, 9)
    rows = np.flatnonzero(everything.lengths < 10)[::-1]
    part = everything.take(rows)
    assert len(part.xs) == len(part.targets) == len(part.mask) == part.lengths.max() < 19
    for k, n in enumerate(rows):
        length = everything.lengths[n]
        assert part.lengths[k] == length
        np.testing.assert_array_equal(part.xs[:length, k], everything.xs[:length, n])
        np.testing.assert_array_equal(part.targets[:length, k], everything.targets[:length, n])
        assert part.mask[:, k].sum() == length


def test_take_reads_one_target_a_sequence_along_the_batch():
    everything = tasks.adding(rng(), 5, 5)
    part = everything.take(np.array([4, 0]))
    assert part.size == 2
    np.testing.assert_array_equal(part.targets, everything.targets[[4, 0]])
    np.testing.assert_array_equal(part.xs, everything.xs[:, [4, 0]])


@pytest.mark.equations("rnn-one-hot")
def test_one_hot():
    ids = np.array([[0, 2], [1, 1]])
    got = data.one_hot(ids, 3, np.float32)
    assert got.shape == (2, 2, 3)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got.argmax(-1), ids)
    np.testing.assert_array_equal(got.sum(-1), 1)


@pytest.mark.parametrize(
    ("ids", "size"),
    [(np.array([3]), 3), (np.array([-1]), 3), (np.array([0.0]), 3), (np.array([0]), 0)],
)
def test_one_hot_refuses(ids, size):
    with pytest.raises(ValueError, match=r"ids|size"):
        data.one_hot(ids, size)


@checks.quick
@given(st.text("abcde", min_size=1))
def test_a_vocabulary_gives_its_text_back(written):
    vocabulary = data.build_vocabulary(written, specials=[UNK, EOS])
    ids = vocabulary.encode(written, end=True)
    assert "".join(vocabulary.decode(ids)) == written
    assert vocabulary.symbols[ids[-1]] == EOS
    counts = [written.count(symbol) for symbol in vocabulary.symbols[2:]]
    assert counts == sorted(counts, reverse=True)
    assert len(vocabulary) == vocabulary.size == len(set(written)) + 2


def test_a_vocabulary_numbers_ties_alphabetically_and_cuts_the_rare():
    assert data.build_vocabulary("cab").symbols == ("a", "b", "c")
    small = data.build_vocabulary("aaabbc", size=3, specials=[UNK])
    assert small.symbols == (UNK, "a", "b")
    np.testing.assert_array_equal(small.encode("abcz"), [1, 2, 0, 0])


def test_a_vocabulary_refuses():
    plain = data.build_vocabulary("ab")
    with pytest.raises(ValueError, match="has no <UNK>"):
        plain.encode("abc")
    with pytest.raises(ValueError, match="got '<EOS>'"):
        plain.encode("ab", end=True)
    for k in (2, -1):
        with pytest.raises(ValueError, match=f"from 0 to 1, got {k}"):
            plain.decode([k])
    with pytest.raises(ValueError, match="size: expected more than 1"):
        data.build_vocabulary("ab", size=1, specials=[UNK])
    with pytest.raises(ValueError, match="specials"):
        data.build_vocabulary(["a", UNK], specials=[UNK])


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        data.digits(rng())


def test_digits_are_rows_of_images_split_without_overlap():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    train, test = data.digits(rng(), test=0.2)
    assert train.xs.shape == (8, 1438, 8)
    assert test.xs.shape == (8, 359, 8)
    images = np.concatenate([train.xs, test.xs], axis=1).transpose(1, 0, 2)
    labels = np.concatenate([train.targets, test.targets])

    def ordered(images, labels):
        rows = np.column_stack([images.reshape(len(images), -1), labels])
        return rows[np.lexsort(rows.T)]

    np.testing.assert_array_equal(ordered(images, labels), ordered(bunch.images / 16, bunch.target))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.digits(rng(), test=1.0), "test"),
        (lambda: data.digits(rng(), test=0.0), "test"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("ids", [[1.0], [1.5], [np.float64(1)], ["1"], [None], [-1], [9]])
def test_decoding_takes_integers_only(ids):
    with pytest.raises(ValueError, match="ids: expected integers from 0 to"):
        data.build_vocabulary("banana").decode(ids)
