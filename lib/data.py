"""Batches, vocabularies and one-hot vectors, and scikit-learn's digits read row by row.

Nothing in the course is downloaded: synthetic tasks are in ``lib.tasks``, text in
``lib.text``, dates in ``lib.dates``. scikit-learn is imported only where digits are read.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate

UNK = "<UNK>"
EOS = "<EOS>"


class Batch(NamedTuple):
    """Sequences and what is to be learned from them.

    With ``mask`` there is a target at every step, and time is the targets' first axis;
    without it there is one target for a sequence.
    """

    xs: np.ndarray
    """Inputs (T, N, D), or integers (T, N)."""
    targets: np.ndarray
    """(T, N) or (T, N, K) with ``mask``, else (N,) or (N, K)."""
    lengths: np.ndarray | None = None
    """Lengths (N,), or ``None`` where all are T."""
    mask: np.ndarray | None = None
    """Weight of each step's loss (T, N), 0 on padding, or ``None``."""

    @property
    def size(self) -> int:
        """Number of examples N."""
        return int(self.xs.shape[1])

    def take(self, rows: np.ndarray) -> "Batch":
        """Return the examples ``rows`` (M,), cut to the longest of them."""
        lengths = None if self.lengths is None else self.lengths[rows]
        T = len(self.xs) if lengths is None else int(lengths.max())
        if self.mask is None:
            return Batch(self.xs[:T, rows], self.targets[rows], lengths)
        return Batch(self.xs[:T, rows], self.targets[:T, rows], lengths, self.mask[:T, rows])


class Split(NamedTuple):
    """A part to learn from and a part to test on."""

    train: Any
    """The larger part."""
    test: Any
    """The part held out."""


def one_hot(ids: np.ndarray, size: int, dtype: Any = np.float64) -> np.ndarray:
    """Turn integers (…) below ``size`` into one-hot vectors (…, size).

    Raises
    ------
    ValueError
        Where ``ids`` are not integers from 0 to ``size`` − 1.

    Equations: rnn-one-hot.

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    ids = validate.integers("ids", ids, np.shape(ids), 0, validate.positive("size", size) - 1)
    out = np.zeros((*ids.shape, size), dtype)
    np.put_along_axis(out, ids[..., None], 1, axis=-1)
    return out


@dataclass(frozen=True)
class Vocabulary:
    """Symbols and their numbers.

    Examples
    --------
    >>> vocabulary = build_vocabulary("banana", specials=[UNK, EOS])
    >>> vocabulary.symbols
    ('<UNK>', '<EOS>', 'a', 'n', 'b')
    >>> vocabulary.encode("nab!", end=True)
    array([3, 2, 4, 0, 1])
    >>> vocabulary.decode([3, 2, 4, 1, 2])
    ['n', 'a', 'b']
    """

    symbols: tuple[str, ...]
    """All symbols; a symbol's number is its place."""

    @property
    def size(self) -> int:
        """Number of symbols K."""
        return len(self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def index(self, symbol: str) -> int:
        """Return the number of a symbol.

        Raises
        ------
        ValueError
            Where it is not in the vocabulary.
        """
        if symbol not in self.symbols:
            raise ValueError(f"symbol: expected one of {self.size} symbols, got {symbol!r}")
        return self.symbols.index(symbol)

    def encode(self, tokens: Iterable[str], end: bool = False) -> np.ndarray:
        """Number the tokens, and put ``<EOS>`` after them where ``end`` is true.

        Returns
        -------
        integers (T,)
            ``<UNK>`` stands for tokens not in the vocabulary.

        Raises
        ------
        ValueError
            Where a token is unknown and there is no ``<UNK>``, or no ``<EOS>`` for ``end``.
        """
        numbers = {symbol: k for k, symbol in enumerate(self.symbols)}
        unknown = numbers.get(UNK)
        ids = [numbers.get(token, unknown) for token in tokens]
        if None in ids:
            raise ValueError(f"tokens: expected tokens of the vocabulary, which has no {UNK}")
        return np.array([*ids, self.index(EOS)] if end else ids, np.int64)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Name the symbols of ``ids`` (T,), up to the first ``<EOS>``.

        Raises
        ------
        ValueError
            Where a number is no integer, or not below K.
        """
        symbols = []
        for k in ids:
            if not isinstance(k, (int, np.integer)) or not 0 <= k < self.size:
                raise ValueError(f"ids: expected integers from 0 to {self.size - 1}, got {k}")
            if self.symbols[k] == EOS:
                break
            symbols.append(self.symbols[k])
        return symbols


def build_vocabulary(
    tokens: Iterable[str], size: int | None = None, specials: Sequence[str] = ()
) -> Vocabulary:
    """Number the tokens of a text, the most frequent first, after ``specials``.

    Parameters
    ----------
    tokens : iterable of str
        Characters (a str will do) or words.
    size : int, optional
        Keep only so many symbols, ``specials`` included.
    specials : sequence of str
        Such as ``[UNK, EOS]``.

    Raises
    ------
    ValueError
        Where ``size`` leaves no room for a token, or a special token is in the text.
    """
    counts = Counter(tokens)
    for special in specials:
        if special in counts:
            raise ValueError(f"specials: expected symbols that the text lacks, got {special!r}")
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    if size is not None:
        if size <= len(specials):
            raise ValueError(f"size: expected more than {len(specials)} specials, got {size}")
        ranked = ranked[: size - len(specials)]
    return Vocabulary((*specials, *ranked))


def digits(rng: np.random.Generator, test: float = 0.25) -> Split:
    """Read scikit-learn's 1 797 handwritten digits, an image as a sequence of eight rows.

    Parameters
    ----------
    rng : np.random.Generator
        Draws the split.
    test : float
        Share held out, above 0 and below 1.

    Returns
    -------
    Split of Batch
        xs (8, N, 8): row of the image, example, column, from 0 to 1. targets integers (N,):
        the digit. ``xs.transpose(1, 0, 2)`` are the images.

    Raises
    ------
    ModuleNotFoundError
        Where scikit-learn is not installed.
    ValueError
        Where ``test`` is no share.

    Source: UCI, Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998; CC BY
    4.0), as scikit-learn ships its test set.
    """
    validate.positive_number("test", validate.fraction("test", test))
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ModuleNotFoundError(
            "digits() reads a data set of scikit-learn: pip install scikit-learn"
        ) from error
    bunch = load_digits()
    xs = np.ascontiguousarray(bunch.images.transpose(1, 0, 2) / 16)
    everything = Batch(xs, bunch.target.astype(np.int64))
    order = rng.permutation(everything.size)
    held_out = min(max(1, round(test * everything.size)), everything.size - 1)
    return Split(everything.take(order[held_out:]), everything.take(order[:held_out]))
