"""What the fused kernels share: windows of steps, padding, the sums over time.

A kernel is a cell's equations written for speed. It makes the input's products for all
steps at once, writes to buffers that it made itself, and on the way back computes what does
not depend on the error for a window of steps at a time. ``lib.bptt.scan`` is what each
must equal, and a test holds each to it.
"""

from collections.abc import Iterator

import numpy as np

from lib.masks import partly_live


def native(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a parameter in the order of memory and of bytes that products read fastest."""
    return np.ascontiguousarray(array, dtype)


def windows(steps: int, numbers: int) -> Iterator[slice]:
    """Cut time into windows, the last first; ``numbers`` a step, so that one fits the cache."""
    size = max(1, 2**16 // numbers)
    for stop in range(steps, 0, -size):
        yield slice(max(stop - size, 0), stop)


def padding(live: np.ndarray | None, steps: int) -> list[np.ndarray | None]:
    """List for each step the rows (N, 1) that are padding; ``None`` where none is."""
    return [None if row is None else ~row[:, None] for row in partly_live(live, steps)]


def gate(minus_a: np.ndarray, out: np.ndarray) -> None:
    """Write σ(a) = 1 / (1 + exp(−a)) to ``out``; what is in ``minus_a`` is lost.

    Exact to rounding, however small, down to the smallest normal number. Below it exp(−a) can
    overflow, which gives the right limit 0: a kernel calls this where NumPy does not warn of it.
    """
    np.exp(minus_a, out=minus_a)
    minus_a += 1
    np.divide(1, minus_a, out=out)


def flat(array: np.ndarray) -> np.ndarray:
    """Put time and batch on one axis: (T, N, K) → (T·N, K)."""
    return array.reshape(-1, array.shape[-1])
