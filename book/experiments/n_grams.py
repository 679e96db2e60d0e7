"""What counting does: n-gram models of the text that chapter 1's network reads.

Trained on the first 54 000 characters of the prose of Python's language reference, tested on the
6 000 that follow; and on its words, in lower case with signs left out. Nothing is drawn, so
there are no seeds. Seconds on one core.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from lib.data import UNK, build_vocabulary
from lib.text import read

TRAINED, READ = 54_000, 60_000
WORDS = 1000  # of the vocabulary, <UNK> included
RUNS = [
    *(f"characters/{order}" for order in range(1, 8)),
    *(f"words/{order}" for order in range(1, 4)),
]


def parts(level: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what is trained on and what is tested on, numbered, and how many symbols exist."""
    text = read("python").text[:READ]
    cut = text[:TRAINED], text[TRAINED:]
    if level == "characters":
        symbols = sorted(set(text))
        train, test = (np.array([symbols.index(c) for c in piece]) for piece in cut)
        return train, test, len(symbols)
    pieces = [re.findall(r"[a-z_]+(?:'[a-z]+)?", piece.lower()) for piece in cut]
    vocabulary = build_vocabulary(pieces[0], WORDS, [UNK])
    train, test = (np.array(vocabulary.encode(piece)) for piece in pieces)
    return train, test, vocabulary.size


def witten_bell(
    train: np.ndarray, order: int, symbols: int
) -> Callable[[tuple[int, ...], int], float]:
    """Return p(symbol | those before) of an n-gram model smoothed as by Witten and Bell (1991).

    After a context seen c times, followed by t different symbols, the shorter context's estimate
    has the weight t / (c + t); below the shortest stands the even guess.
    """
    counts: list[Counter] = []
    seen: list[Counter] = [Counter() for _ in range(order)]
    kinds: list[Counter] = [Counter() for _ in range(order)]
    for length in range(order):
        rows = np.lib.stride_tricks.sliding_window_view(train, length + 1)
        counts.append(Counter(map(tuple, rows.tolist())))
        for row, count in counts[length].items():
            seen[length][row[:-1]] += count
            kinds[length][row[:-1]] += 1

    def probability(context: tuple[int, ...], symbol: int) -> float:
        p = 1 / symbols
        for length in range(min(order - 1, len(context)) + 1):
            before = context[len(context) - length :]
            total, different = seen[length][before], kinds[length][before]
            if total:
                p = (counts[length][(*before, symbol)] + different * p) / (total + different)
        return p

    return probability


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Count, and judge what was counted on the tested text and on the first tenth of its own."""
    level, order = key.split("/")
    n = int(order)
    train, test, symbols = parts(level)
    probability = witten_bell(train, n, symbols)

    def perplexity(ids: np.ndarray) -> float:
        row = tuple(ids.tolist())
        logs = [np.log(probability(row[max(0, t - n + 1) : t], row[t])) for t in range(1, len(row))]
        return float(np.exp(-np.mean(logs)))

    return {
        "beginning": [],
        "held out": perplexity(test),
        "trained": perplexity(train[: len(train) // 10]),
        "symbols": symbols,
    }
