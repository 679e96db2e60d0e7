"""Chapter 10: attention: a weighted sum of values, the weights from queries and keys.

:class:`Attention` turns a score of ``lib.scores`` into weights and a context. Everything else
of the chapter is built of it: ``lib.local_attention``, ``lib.self_attention`` with several
heads and positions, ``lib.hierarchical_attention``, which pools words into sentences and
sentences into documents, and ``lib.attention_decoder``, which looks at all of the encoder's
outputs.

Queries are (S, N, Q), keys (T, N, H), values (T, N, V), all time-major; scores and
weights are (S, N, T). A single query (N, Q) has weights (N, T). Arguments that do not fit
raise ``ValueError`` naming them; keys and values that no query may see may be anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate
from lib.activations import softmax, softmax_backward
from lib.cell import Params
from lib.masks import padded_steps
from lib.scores import Score, einsum


def masked_softmax(scores: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Softmax over the last axis, among the places that ``mask`` allows.

    The gradient is ``softmax_backward`` of the weights: where they are zero, so is it.

    Parameters
    ----------
    scores : array (…, T)
        What stands where the mask is false may be anything, NaN too.
    mask : booleans (…, T), optional
        True where weight may fall; broadcast against ``scores``, one place in each row at
        least.

    Returns
    -------
    array (…, T)
        Sums to one; exactly zero where ``mask`` is false.

    Equations: attention-masked-softmax.
    """
    validate.floats("scores", scores)
    if mask is not None:
        scores = np.where(check_mask(mask, scores.shape), scores, -np.inf)
    return softmax(scores, name="scores")


def check_mask(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Check that ``mask`` is of booleans, broadcasts to ``shape``, and leaves each row a place."""
    mask = validate.plain("mask", mask, shape)
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if mask.dtype != bool or not fits:
        raise ValueError(
            f"mask: expected booleans that broadcast to {tuple(shape)}, "
            f"got dtype {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any(axis=-1).all():
        raise ValueError("mask: expected at least one allowed place in each row, got none")
    return mask


def key_mask(
    T: int, N: int, lengths: np.ndarray | None = None, mask: np.ndarray | None = None
) -> np.ndarray | None:
    """Join the lengths of the keys and a mask: booleans (…, N, T), or ``None``."""
    live = padded_steps(lengths, T, N)
    if live is None:
        return mask
    return live.T if mask is None else live.T & mask


def causal_mask(steps: int) -> np.ndarray:
    """Booleans (T, 1, T): step i may look at t ≤ i, and at nothing later.

    Equations: attention-causal-mask.
    """
    return np.tril(np.ones((steps, steps), bool))[:, None]


class Store(NamedTuple):
    """What queries look into."""

    keys: np.ndarray
    """(T, N, H); zero where no query may look."""
    values: np.ndarray
    """(T, N, V); zero where no query may look."""
    mask: np.ndarray | None
    """Where weight may fall: booleans (N, T) or (S, N, T)."""
    lengths: np.ndarray
    """Of the keys (N,)."""


def store(
    keys: np.ndarray,
    values: np.ndarray,
    lengths: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    names: tuple[str, str] = ("keys", "values"),
) -> Store:
    """Check keys (T, N, H), values (T, N, V), lengths (N,) and a mask that broadcasts to (S, N, T).

    What is seen must be finite: a weight of zero times infinity would be no number. ``names``
    are what an error calls keys and values.
    """
    T, N, _ = validate.floating(names[0], keys, ("T", "N", "H")).shape
    validate.floating(names[1], values, (T, N, "V"))
    lengths = validate.lengths(lengths, T, N)
    mask = key_mask(T, N, lengths, mask)
    seen = None
    if mask is not None:
        steps = len(mask) if np.ndim(mask) == 3 else 1
        mask = check_mask(mask, (steps, N, T))
        seen = np.broadcast_to(mask, (steps, N, T)).max(axis=0).T
    keys = validate.finite(names[0], keys, (T, N, "H"), seen)
    values = validate.finite(names[1], values, (T, N, "V"), seen)
    return Store(keys, values, mask, np.full(N, T) if lengths is None else lengths)


class AttendCache(NamedTuple):
    """What one call of ``attend`` keeps."""

    store: Store
    weights: np.ndarray
    """(S, N, T)."""
    score: Any
    """The score's cache."""
    window: Any = None
    """The window's cache, for :class:`lib.local_attention.LocalAttention`."""


class AttentionCache(NamedTuple):
    """What :meth:`Attention.forward` keeps."""

    attend: AttendCache
    single: bool
    """Whether the queries came without a time axis."""


def values_backward(weights: np.ndarray, dcontexts: np.ndarray) -> np.ndarray:
    """Gradient of the values: Σ_i α_it ∇_{c_i}, from weights (S, N, T) and (S, N, V): (T, N, V).

    Equations: attention-context-backward.
    """
    return einsum("snt,snv->tnv", weights, dcontexts)


@dataclass(frozen=True)
class Attention:
    """c_i = Σ_t α_it v_t with α_i = softmax_t(score(q_i, k_t)).

    Parameters
    ----------
    score : Score

    Equations: attention-weights, attention-context.

    Source: Bahdanau, Cho and Bengio (2015); Luong, Pham and Manning (2015).

    Examples
    --------
    >>> from lib.scores import Dot
    >>> attention, rng = Attention(Dot()), np.random.default_rng(0)
    >>> keys = rng.standard_normal((5, 2, 3))
    >>> context, weights, cache = attention.forward(attention.init(rng), keys[0], keys, keys)
    >>> context.shape, weights.shape
    ((2, 3), (2, 5))
    """

    score: Score

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the score's parameters."""
        return self.score.init(rng)

    def attend(
        self, params: Params, queries: np.ndarray, into: Store
    ) -> tuple[np.ndarray, AttendCache]:
        """Compute the contexts (S, N, V) of queries (S, N, Q); the cache has the weights.

        Equations: attention-weights, attention-context.
        """
        scores, cache = self.score.forward(params, queries, into.keys)
        weights = masked_softmax(scores, into.mask)
        context = einsum("snt,tnv->snv", weights, into.values)
        return context, AttendCache(into, weights, cache)

    def attend_backward(
        self,
        params: Params,
        cache: AttendCache,
        dcontext: np.ndarray,
        dweights: np.ndarray | float = 0.0,
    ) -> tuple[Params, np.ndarray, np.ndarray]:
        """Carry ``dcontext`` (S, N, V), and ``dweights`` (S, N, T), back: params, queries, keys.

        The values get theirs from :func:`values_backward`, once for all queries.

        Equations: attention-context-backward, attention-weights-backward.
        """
        dalpha = einsum("snv,tnv->snt", dcontext, cache.store.values) + dweights
        dscores = softmax_backward(cache.weights, dalpha)
        return self.score.backward(params, cache.score, dscores)

    def forward(
        self,
        params: Params,
        queries: np.ndarray,
        keys: np.ndarray,
        values: np.ndarray,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, AttentionCache]:
        """Compute contexts and weights.

        Parameters
        ----------
        params : the score's parameters
        queries : array (S, N, Q) or (N, Q)
        keys : array (T, N, H)
        values : array (T, N, V)
        lengths : integers (N,), optional
            Of the keys; no weight falls beyond.
        mask : booleans, optional
            True where weight may fall; broadcast to (S, N, T), one place at least for each
            query.

        Returns
        -------
        context : array (S, N, V) or (N, V)
        weights : array (S, N, T) or (N, T)
        cache : AttentionCache

        Equations: attention-weights, attention-context.
        """
        validate.array("queries", queries, ("S", "N", "Q")[-np.ndim(queries) :])
        single = queries.ndim == 2
        queries = queries[None] if single else queries
        context, cache = self.attend(params, queries, store(keys, values, lengths, mask))
        result = AttentionCache(cache, single)
        if single:
            return context[0], cache.weights[0], result
        return context, cache.weights, result

    def backward(
        self,
        params: Params,
        cache: AttentionCache,
        dcontext: np.ndarray,
        dweights: np.ndarray | None = None,
    ) -> tuple[Params, np.ndarray, np.ndarray, np.ndarray]:
        """Carry the gradients of contexts, and of weights, back.

        Parameters
        ----------
        params, cache
        dcontext : array (S, N, V) or (N, V)
        dweights : array (S, N, T) or (N, T), optional

        Returns
        -------
        dparams, dqueries, dkeys (T, N, H), dvalues (T, N, V)

        Equations: attention-context-backward, attention-weights-backward.
        """
        attend, single = cache
        weights = attend.weights[0] if single else attend.weights
        dweights = np.zeros_like(weights) if dweights is None else dweights
        validate.array("dcontext", dcontext, (*weights.shape[:-1], attend.store.values.shape[2]))
        validate.array("dweights", dweights, weights.shape)
        if single:
            dcontext, dweights = dcontext[None], dweights[None]
        dparams, dqueries, dkeys = self.attend_backward(params, attend, dcontext, dweights)
        dvalues = values_backward(attend.weights, dcontext)
        return dparams, dqueries[0] if single else dqueries, dkeys, dvalues
