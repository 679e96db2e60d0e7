"""Writing a sequence with a trained model: greedily, by sampling, by beam search.

Any model will do that has ``begin``, ``step``, ``ending``, ``start`` and
``target_size`` as ``lib.encoder_decoder.EncoderDecoder`` has them: how a sequence ends is the
ending's business. Arguments that do not fit raise ``ValueError`` naming them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.activations import log_softmax


class Written(NamedTuple):
    """Sequences that a search wrote."""

    tokens: np.ndarray
    """Integers (T, N); 0 beyond a length."""
    lengths: np.ndarray
    """Integers (N,); an end symbol counts."""
    log_likelihood: np.ndarray
    """log p(y | x) (N,), in nats; of what was written so far where ``ended`` is false."""
    ended: np.ndarray
    """False (N,) where the limit on the length cut a sequence off."""


def greedy(
    model: Any,
    params: Any,
    sources: np.ndarray,
    lengths: np.ndarray | None = None,
    *,
    max_length: int,
) -> Written:
    """Write the likeliest symbol at every step.

    Parameters
    ----------
    model, params
    sources : integers (T_x, N)
    lengths : integers (N,), optional
    max_length : int

    Equations: encoder-decoder-greedy.
    """
    return _write(model, params, sources, lengths, max_length, lambda s: s.argmax(axis=-1))


def sample(
    model: Any,
    params: Any,
    sources: np.ndarray,
    lengths: np.ndarray | None = None,
    *,
    rng: np.random.Generator,
    max_length: int,
    temperature: float = 1.0,
) -> Written:
    """Draw every symbol, and where the sequence ends, from softmax(s / temperature).

    The largest of s / temperature plus Gumbel noise falls on each index with just the
    softmax's probability.

    Parameters
    ----------
    model, params
    sources : integers (T_x, N)
    lengths : integers (N,), optional
    rng : numpy.random.Generator
    max_length : int
    temperature : float
        Above 0; below 1 sharpens, above 1 flattens. ``log_likelihood`` is the model's own.

    Equations: encoder-decoder-sampling.
    """
    temperature = validate.positive_number("temperature", temperature)

    def draw(logits: np.ndarray) -> np.ndarray:
        s = logits.astype(np.float64)
        with np.errstate(over="ignore"):  # near 0 all but the largest become −∞: greedy
            s = (s - s.max(axis=-1, keepdims=True)) / temperature
        return (s + rng.gumbel(size=s.shape)).argmax(axis=-1)

    return _write(model, params, sources, lengths, max_length, draw)


def _write(
    model: Any,
    params: Any,
    sources: np.ndarray,
    lengths: np.ndarray | None,
    max_length: int,
    pick: Callable[[np.ndarray], np.ndarray],
) -> Written:
    validate.positive("max_length", max_length)
    prepared, state, length_logits = model.begin(params, sources, lengths)
    N = np.shape(sources)[1]
    rows = np.arange(N)
    total = np.zeros(N)
    remaining = None
    if length_logits is not None:
        chosen = pick(length_logits)
        total += log_softmax(length_logits)[rows, chosen]
        remaining = chosen + 1
    tokens = np.full(N, model.start)
    live = np.ones(N, bool)
    written: list[np.ndarray] = []
    count = np.zeros(N, int)
    while live.any() and len(written) < max_length:
        predictions, state = model.step(params, prepared, tokens, state, remaining)
        tokens = np.where(live, pick(predictions.tokens), 0)
        go_or_end = np.stack(model.ending.log_probabilities(predictions, remaining), axis=-1)[
            rows, tokens
        ]
        ends = pick(go_or_end)
        gained = log_softmax(predictions.tokens)[rows, tokens] + go_or_end[rows, ends]
        total += np.where(live, gained, 0)
        written.append(tokens)
        count += live
        live = live & (ends == 0)
        remaining = None if remaining is None else np.maximum(remaining - 1, 1)
    return Written(np.stack(written), count, total, ~live)


def beam_search(
    model: Any,
    params: Any,
    sources: np.ndarray,
    lengths: np.ndarray | None = None,
    *,
    width: int,
    max_length: int,
    length_penalty: float = 1.0,
) -> Written:
    """Keep the ``width`` likeliest beginnings; return the best ended one per length.

    At each step every beginning is continued, or ended, with every symbol; the
    ``width`` likeliest of all these stay. Those that ended leave the beam; of them
    the one with the largest log p(y | x) / |y|^length_penalty wins. Width 1 is greedy.

    Parameters
    ----------
    model, params
    sources : integers (T_x, N)
    lengths : integers (N,), optional
    width, max_length : int
    length_penalty : float
        At least 0; 0 compares the likelihoods themselves, which favours short ones.
        ``max_length`` to its power must be a float.

    Returns
    -------
    Written
        Where no beginning ended within ``max_length``, the likeliest beginning.

    Equations: encoder-decoder-beam.

    Source: Sutskever, Vinyals and Le (2014), section 3.2; Wu et al. (2016), section 7.
    """
    validate.positive("width", width)
    validate.positive("max_length", max_length)
    length_penalty = validate.non_negative_number("length_penalty", length_penalty)
    if length_penalty * np.log(max_length) > np.log(np.finfo(np.float64).max):
        raise ValueError(
            f"length_penalty: expected {max_length} to its power to be finite, got {length_penalty}"
        )
    whole = np.iinfo(np.int64)
    sources = validate.integers("sources", sources, ("T", "N"), whole.min, whole.max)
    T, N = sources.shape
    lengths = validate.lengths(lengths, T, N)
    K, W = model.target_size, width
    # Each example stands in the batch W times over, so that a hypothesis moves between
    # its example's rows by moving the decoder's state alone.
    rows = np.repeat(np.arange(N), W)
    prepared, state, length_logits = model.begin(
        params, sources[:, rows], None if lengths is None else lengths[rows]
    )
    totals = np.full((N, W), -np.inf)
    totals[:, 0] = 0
    remaining = None
    if length_logits is not None:
        log_length = log_softmax(length_logits)[::W]
        likeliest = np.argsort(-log_length, axis=1, kind="stable")[:, :W]
        filled = likeliest.shape[1]
        totals[:, :filled] = np.take_along_axis(log_length, likeliest, axis=1)
        remaining = np.ones((N, W), int)
        remaining[:, :filled] += likeliest
    tokens = np.full(N * W, model.start)
    written = np.zeros((0, N, W), int)
    best = np.full(N, -np.inf)
    answers: list[tuple[np.ndarray, float]] = [(np.zeros(0, int), -np.inf)] * N
    for count in range(1, max_length + 1):
        flat_remaining = None if remaining is None else remaining.ravel()
        predictions, state = model.step(params, prepared, tokens, state, flat_remaining)
        log_p = log_softmax(predictions.tokens.astype(np.float64))[..., None]
        candidates = log_p + np.stack(
            model.ending.log_probabilities(predictions, flat_remaining), axis=-1
        )
        candidates = (totals[..., None] + candidates.reshape(N, W, 2 * K)).reshape(N, -1)
        top = np.argsort(-candidates, axis=1, kind="stable")[:, :W]
        totals = np.take_along_axis(candidates, top, axis=1)
        parents, token, ends = np.unravel_index(top, (W, K, 2))
        written = np.concatenate([written[:, np.arange(N)[:, None], parents], token[None]])
        for n, w in np.argwhere((ends == 1) & np.isfinite(totals)):
            score = totals[n, w] / count**length_penalty
            if score > best[n]:
                best[n], answers[n] = score, (written[:, n, w], totals[n, w])
        totals = np.where(ends == 1, -np.inf, totals)
        # What is to come only lowers a total: no beginning can beat the best any more.
        if (totals.max(axis=1) / max_length**length_penalty <= best).all():
            break
        moved = (np.arange(N)[:, None] * W + parents).ravel()
        state = tree.tree_map(lambda leaf, moved=moved: leaf[moved], state)
        tokens = token.ravel()
        if remaining is not None:
            remaining = np.maximum(np.take_along_axis(remaining, parents, axis=1) - 1, 1)
    ended = best > -np.inf
    for n in np.flatnonzero(~ended):
        w = totals[n].argmax()
        answers[n] = written[:, n, w], totals[n, w]
    count_of = np.array([len(answer) for answer, _ in answers])
    out = np.zeros((count_of.max(), N), int)
    for n, (answer, _) in enumerate(answers):
        out[: len(answer), n] = answer
    return Written(out, count_of, np.array([total for _, total in answers]), ended)
