"""Synthetic tasks for recurrent networks: long lags, memory, order, counting, timing.

Each function draws N examples with the generator that is passed and returns a
``lib.data.Batch``. Sizes and rates without a source named are this course's own.
"""

import numpy as np

from lib import validate
from lib.data import Batch, one_hot
from lib.training import pad


def adding(rng: np.random.Generator, examples: int, steps: int) -> Batch:
    """Draw the adding problem: the sum of the two numbers that are marked.

    One mark stands in the first half of the sequence, one in the second. Answering 1
    always gives a mean squared error of 1/6, about 0.167: below it, something is learned.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    steps : int
        T, at least 2.

    Returns
    -------
    Batch
        xs (T, N, 2): a number from U(0, 1), and 1 at the two marks, else 0.
        targets (N, 1): the sum.

    Raises
    ------
    ValueError
        Where a size is too small.

    Source: Hochreiter and Schmidhuber (1997), experiment 4, in the form of Arjovsky, Shah
    and Bengio (2016).
    """
    N = validate.positive("examples", examples)
    T = _at_least("steps", steps, 2)
    xs = np.zeros((T, N, 2))
    xs[:, :, 0] = rng.uniform(0, 1, (T, N))
    first = rng.integers(0, T // 2, N)
    second = rng.integers(T // 2, T, N)
    rows = np.arange(N)
    xs[first, rows, 1] = xs[second, rows, 1] = 1
    return Batch(xs, (xs[:, :, 0] * xs[:, :, 1]).sum(axis=0)[:, None])


def copy_memory(
    rng: np.random.Generator, examples: int, delay: int, symbols: int = 8, count: int = 10
) -> Batch:
    """Draw the copy task: see some symbols, wait, and repeat them when told.

    The input is ``count`` symbols, ``delay`` − 1 blanks, the signal to begin, and ``count``
    blanks; the target is blank until the signal, then the symbols. Without memory the best
    mean cross-entropy a step is count·ln(symbols) / (delay + 2·count) nats.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    delay : int
        Steps from the last symbol to the signal.
    symbols : int
        K.
    count : int

    Returns
    -------
    Batch
        xs (T, N, K + 2), T = delay + 2·count: one-hot; class K is the blank, K + 1 the signal.
        targets integers (T, N), below K + 1. mask (T, N): all 1.

    Raises
    ------
    ValueError
        Where a size is below 1.

    Source: Hochreiter and Schmidhuber (1997) began such tasks; this form is that of Arjovsky,
    Shah and Bengio (2016).
    """
    N = validate.positive("examples", examples)
    K = validate.positive("symbols", symbols)
    validate.positive("delay", delay)
    validate.positive("count", count)
    blank, signal = K, K + 1
    T = delay + 2 * count
    drawn = rng.integers(0, K, (count, N))
    ids = np.full((T, N), blank)
    ids[:count] = drawn
    ids[count + delay - 1] = signal
    targets = np.full((T, N), blank)
    targets[count + delay :] = drawn
    return Batch(one_hot(ids, K + 2), targets, mask=np.ones((T, N)))


def temporal_order(
    rng: np.random.Generator, examples: int, steps: int = 100, signals: int = 2
) -> Batch:
    """Draw the temporal-order problem: in which order did X and Y come?

    Each sequence starts with E, ends with B, and is noise from {a, b, c, d} between, except
    for two or three signals, each X or Y, far apart. The class is their order:
    for two, XX, XY, YX, YY are 0 to 3; for three, XXX … YYY are 0 to 7.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    steps : int
        Least length, at least 20; each length is drawn from steps … 1.1·steps. With 100,
        this is the published task, and other values stretch it in proportion.
    signals : {2, 3}

    Returns
    -------
    Batch
        xs (T, N, 8): one-hot of a, b, c, d, X, Y, E, B in this order, zero on padding.
        targets integers (N,), below 2^signals. lengths (N,).

    Raises
    ------
    ValueError
        Where a size does not fit.

    Source: Hochreiter and Schmidhuber (1997), experiments 6a and 6b.
    """
    N = validate.positive("examples", examples)
    _at_least("steps", steps, 20)
    if signals not in (2, 3):
        raise ValueError(f"signals: expected 2 or 3, got {signals!r}")
    windows = {2: [(10, 20), (50, 60)], 3: [(10, 20), (33, 43), (66, 76)]}[signals]
    X, E, B = 4, 6, 7
    lengths = rng.integers(steps, steps + steps // 10 + 1, N)
    ids = rng.integers(0, 4, (lengths.max(), N))
    rows = np.arange(N)
    ids[0] = E
    ids[lengths - 1, rows] = B
    targets = np.zeros(N, np.int64)
    for low, high in windows:
        at = rng.integers(low * steps // 100, high * steps // 100 + 1, N)
        which = rng.integers(0, 2, N)
        ids[at, rows] = X + which
        targets = 2 * targets + which
    xs = one_hot(ids, 8)
    xs[np.arange(len(xs))[:, None] >= lengths] = 0
    return Batch(xs, targets, lengths)


def counting(
    rng: np.random.Generator, examples: int, low: int, high: int, letters: int = 2
) -> Batch:
    """Draw strings aⁿbⁿ (or aⁿbⁿcⁿ): which symbols may come next?

    The network reads S aⁿ bⁿ and says at each step what is allowed next. Until the first b
    that is a or b; from there it must have counted. A string counts as right only
    where every step is right. Train on small n, test on larger.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    low, high : int
        n is drawn from low … high, 1 ≤ low ≤ high.
    letters : {2, 3}

    Returns
    -------
    Batch
        xs (T, N, letters + 1): one-hot of a, b, (c,) S in this order, zero on padding.
        targets (T, N, letters + 1): 1 for what may come next among a, b, (c,) T, else 0, where
        T is the end of the string; zero on padding.
        lengths (N,): letters·n + 1. mask (T, N): 1 within the length.

    Raises
    ------
    ValueError
        Where a size does not fit.

    Source: Gers and Schmidhuber (2001), LSTM recurrent networks learn simple context-free
    and context-sensitive languages.
    """
    N = validate.positive("examples", examples)
    validate.positive("low", low)
    _at_least("high", high, low)
    if letters not in (2, 3):
        raise ValueError(f"letters: expected 2 or 3, got {letters!r}")
    K = letters + 1
    counts = rng.integers(low, high + 1, N)
    inputs, allowed = [], []
    for n in counts:
        string = np.concatenate([[letters], np.repeat(np.arange(letters), n)])
        following = np.append(string[1:], letters)
        inputs.append(one_hot(string, K))
        target = one_hot(following, K)
        target[1 : n + 1, :2] = 1
        allowed.append(target)
    xs, lengths = pad(inputs)
    targets, _ = pad(allowed)
    return Batch(xs, targets, lengths, (np.arange(len(xs))[:, None] < lengths).astype(float))


def timing(rng: np.random.Generator, examples: int, steps: int, low: int, high: int) -> Batch:
    """Draw spike trains: at each spike, how long ago was the one before?

    Telling gaps of 49 steps from gaps of 50 (``low=49, high=50``) needs a fine clock.

    Parameters
    ----------
    rng : np.random.Generator
    examples : int
        N.
    steps : int
        T, at least 2·high, so that every train has a gap to measure.
    low, high : int
        Each gap is drawn from low … high; the first spike comes within the first ``high`` steps.

    Returns
    -------
    Batch
        xs (T, N, 1): 1 at a spike, else 0.
        targets (T, N, 1): at each spike but the first, the gap before it divided by ``high``;
        else 0. mask (T, N): 1 at these spikes, else 0.

    Raises
    ------
    ValueError
        Where a size does not fit.

    Source: after the task of measuring spike distances of Gers, Schraudolph and Schmidhuber
    (2002), whose stream has no end and whose gaps are a fixed part and a random one.
    """
    N = validate.positive("examples", examples)
    validate.positive("low", low)
    _at_least("high", high, low)
    T = _at_least("steps", steps, 2 * high)
    xs, targets, mask = np.zeros((T, N, 1)), np.zeros((T, N, 1)), np.zeros((T, N))
    for n in range(N):
        at = int(rng.integers(0, high))
        xs[at, n] = 1
        while True:
            gap = int(rng.integers(low, high + 1))
            at += gap
            if at >= T:
                break
            xs[at, n], targets[at, n], mask[at, n] = 1, gap / high, 1
    return Batch(xs, targets, mask=mask)


def _at_least(name: str, value: int, low: int) -> int:
    if validate.positive(name, value) < low:
        raise ValueError(f"{name}: expected an integer of at least {low}, got {value}")
    return value
