"""Text is prose with an origin; windows, streams and documents cut it without loss."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import text
from lib.data import UNK, Batch
from tests.lib import cell_checks as checks
from tests.lib import data_checks

seeds = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


MAKERS = {
    "windows": lambda r: text.windows(r, np.arange(50), 6, 7),
    "documents": lambda r: text.documents(r),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_drawn_follows_the_generator_alone(name):
    data_checks.assert_drawn_from_rng_alone(MAKERS[name])


def test_the_zen_is_read_without_being_printed(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    got = text.read("zen")
    assert capsys.readouterr().out == ""
    assert got.text.startswith("The Zen of Python, by Tim Peters\n\nBeautiful is better than ugly.")
    assert got.text.endswith("let's do more of those!")
    assert len(got.text) == 856


def test_the_python_text_is_prose_and_says_where_it_comes_from():
    got = text.read()
    assert 50_000 < len(got.text) < 200_000
    assert got.text.isascii()
    paragraphs = got.text.split("\n\n")
    assert all(p.endswith(".") and p[0] in '"ABCDEFGHIJKLMNOPQRSTUVWXYZ' for p in paragraphs)
    assert not re.search(r">>>|::=|\+---", got.text)
    for paragraph in paragraphs:
        # Grammar and examples have more signs than this.
        assert sum(c.isalpha() or c.isspace() for c in paragraph) > 0.85 * len(paragraph)
    assert "pydoc_data" in got.origin
    assert "Python Software Foundation" in got.licence


def test_a_python_without_its_reference_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    for call in (text.read, lambda: text.documents(rng())):
        with pytest.raises(ModuleNotFoundError, match="pydoc_data"):
            call()
    assert text.read("zen").text


def test_windows_predict_the_next_symbol():
    xs, targets, lengths, mask = text.windows(rng(), np.arange(100), 500, 6)
    np.testing.assert_array_equal(targets, xs + 1)
    np.testing.assert_array_equal(np.diff(xs, axis=0), 1)
    assert (xs[0].min(), xs[0].max()) == (0, 93)
    assert mask.shape == xs.shape == (6, 500)
    assert lengths is None


@checks.quick
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 60))
def test_streams_go_on_from_piece_to_piece(examples, steps, more):
    length = examples * steps + more
    pieces = text.streams(np.arange(length), examples, steps)
    joined = np.concatenate([piece.xs for piece in pieces])
    np.testing.assert_array_equal(np.diff(joined, axis=0), 1)
    np.testing.assert_array_equal(np.concatenate([p.targets for p in pieces]), joined + 1)
    assert len(np.unique(joined)) == joined.size
    # Not one more piece would fit.
    assert examples * steps * (len(pieces) + 1) > length - 1
    assert all(isinstance(p, Batch) and p.xs.shape == (steps, examples) for p in pieces)


def words_of(documents, vocabulary, n):
    return [
        vocabulary.decode(documents.words[: documents.word_counts[s, n], s, n])
        for s in range(documents.lengths[n])
    ]


def test_documents_are_sentences_of_their_subject_and_overlap_nowhere():
    corpus = text.documents(rng(), sentences=(2, 4), vocabulary_size=10_000)
    seen = []
    for part in (corpus.train, corpus.test):
        W, S, N = part.words.shape
        assert N == part.size == len(part.targets)
        assert part.word_counts.shape == (S, N)
        assert part.word_counts.max() == W
        assert ((part.lengths >= 1) & (part.lengths <= 4)).all()
        for n in range(N):
            sentences = words_of(part, corpus.vocabulary, n)
            assert all(len(sentence) >= 3 for sentence in sentences)
            seen += [" ".join(sentence) for sentence in sentences]
            assert (part.word_counts[part.lengths[n] :, n] == 1).all()
            assert (part.words[:, part.lengths[n] :, n] == 0).all()
        assert set(part.targets) == set(range(6))
    known = [s for s in seen if UNK not in s]
    # A few sentences stand twice in the reference itself.
    assert len(set(known)) > 0.97 * len(known)
    assert corpus.test.size == pytest.approx(0.25 * (corpus.train.size + corpus.test.size), abs=1)


def test_the_vocabulary_of_documents_is_that_of_the_training_part():
    corpus = text.documents(rng(), vocabulary_size=10_000)
    inside = corpus.train.words[0][corpus.train.word_counts > 1]
    assert (inside > 0).all()
    used = {
        word
        for n in range(corpus.train.size)
        for sentence in words_of(corpus.train, corpus.vocabulary, n)
        for word in sentence
    }
    assert used == set(corpus.vocabulary.symbols) - {UNK}
    assert text.documents(rng(), vocabulary_size=50).vocabulary.size == 50


def test_documents_can_be_taken_apart():
    train = text.documents(rng()).train
    rows = np.flatnonzero(train.lengths <= 2)
    part = train.take(rows)
    assert part.words.shape == (part.word_counts.max(), 2, len(rows))
    for k, n in enumerate(rows):
        for s in range(train.lengths[n]):
            count = train.word_counts[s, n]
            np.testing.assert_array_equal(part.words[:count, s, k], train.words[:count, s, n])
    np.testing.assert_array_equal(part.targets, train.targets[rows])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: text.read("latin"), "name: expected one of 'python', 'zen', got 'latin'"),
        (lambda: text.windows(rng(), np.arange(5), 2, 5), r"ids: expected shape \(L,\), L > 5"),
        (lambda: text.streams(np.arange(10), 2, 5), "L > 10"),
        (lambda: text.documents(rng(), sentences=(3, 2)), "sentences"),
        (lambda: text.documents(rng(), test=0.0), "test"),
        (lambda: text.documents(rng(), vocabulary_size=1), "size"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
