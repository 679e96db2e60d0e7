"""The likelihood of a written sequence, its end included.

A sequence ends in one of three ways: with an end symbol, which is a symbol as any
other; with a sigmoid unit that says at each step whether to stop; or at a length that
was predicted beforehand, p(y) = p(τ) p(y | τ).
"""

from typing import NamedTuple

import numpy as np

from lib import validate
from lib.activations import log_softmax
from lib.losses import binary_cross_entropy, cross_entropy, length_mask

ENDINGS = ("symbol", "stop", "length")


class Predictions(NamedTuple):
    """A model's logits for a target sequence, and their gradient."""

    tokens: np.ndarray
    """Of each symbol (T_y, N, K)."""
    stop: np.ndarray | None = None
    """Of ending after each step (T_y, N), with ``ending="stop"``."""
    length: np.ndarray | None = None
    """Of each length 1 … L (N, L), with ``ending="length"``."""


def _check_targets(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    T, N, K = predictions.tokens.shape
    targets = validate.integers("targets", targets, (T, N), 0, K - 1)
    longest = T if predictions.length is None else min(T, predictions.length.shape[1])
    lengths = np.full(N, T) if lengths is None else lengths
    lengths = validate.integers("lengths", lengths, (N,), 1, longest)
    last = np.arange(T)[:, None] == lengths - 1
    return targets, lengths, length_mask(lengths, T), last


def loss(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None = None
) -> tuple[float, Predictions]:
    """Negative joint log-likelihood −log p(y | x), and its gradient for the logits.

    Parameters
    ----------
    predictions : Predictions
    targets : integers (T_y, N)
        With ``ending="symbol"``, each sequence's last is the end symbol.
    lengths : integers (N,), optional

    Returns
    -------
    loss : float
        Sum over time, mean over the N examples, in nats.
    dpredictions : Predictions

    Raises
    ------
    ValueError
        Where shapes do not fit, or a target or length is out of range.

    Equations: encoder-decoder-likelihood, encoder-decoder-stop, encoder-decoder-length.
    """
    targets, lengths, mask, last = _check_targets(predictions, targets, lengths)
    total, dtokens = cross_entropy(predictions.tokens, targets, mask)
    dstop = dlength = None
    if predictions.stop is not None:
        more, dstop = binary_cross_entropy(
            predictions.stop, last.astype(predictions.stop.dtype), mask
        )
        total += more
    if predictions.length is not None:
        more, dlength = cross_entropy(predictions.length, lengths - 1)
        total += more
    return total, Predictions(dtokens, dstop, dlength)


def log_likelihood(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None = None
) -> np.ndarray:
    """Joint log-likelihood log p(y | x) of each example (N,), in nats.

    Arguments and errors as in :func:`loss`, which is its negative mean.

    Equations: encoder-decoder-likelihood, encoder-decoder-stop, encoder-decoder-length.
    """
    targets, lengths, mask, last = _check_targets(predictions, targets, lengths)
    log_o = log_softmax(predictions.tokens)
    total = (np.take_along_axis(log_o, targets[..., None], axis=-1)[..., 0] * mask).sum(axis=0)
    if predictions.stop is not None:
        log_go, log_stop = log_stopping(predictions.stop)
        total += (np.where(last, log_stop, log_go) * mask).sum(axis=0)
    if predictions.length is not None:
        total += log_softmax(predictions.length)[np.arange(len(lengths)), lengths - 1]
    return total


def log_stopping(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of going on, log(1 − σ(s)), and of stopping, log σ(s).

    Equations: encoder-decoder-stop.
    """
    both = log_softmax(np.stack([np.zeros_like(logits), logits], axis=-1))
    return both[..., 0], both[..., 1]
