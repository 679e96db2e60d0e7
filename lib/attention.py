"""Chapter 10: attention: a weighted sum of values, the weights from queries and keys.

Scores say how well a query fits a key; :class:`Attention` turns them into weights and a
context. Everything else of the chapter is built of it: ``lib.local_attention``,
``lib.self_attention`` with several heads and positions, ``lib.hierarchical_attention``,
which pools words into sentences and sentences into documents, and
``lib.attention_decoder``, which looks at all of the encoder's outputs.

Queries are (S, N, Q), keys (T, N, H), values (T, N, V), all time-major; scores and
weights are (S, N, T). A single query (N, Q) has weights (N, T).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from lib import initializers, tree, validate
from lib.activations import softmax_backward
from lib.cell import Params
from lib.losses import length_mask


def _batch_first(xs: np.ndarray) -> np.ndarray:
    return xs.transpose(1, 0, 2)


def dot_products(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """q·k of every query (S, N, Q) with every key (T, N, Q) of its example: (S, N, T)."""
    return _batch_first(_batch_first(queries) @ keys.transpose(1, 2, 0))


def weighted_sum(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Σ_t α_t v_t: weights (S, N, T), values (T, N, V) → (S, N, V).

    Equations: attention-context.
    """
    return _batch_first(_batch_first(weights) @ _batch_first(values))


def spread(weights: np.ndarray, dcontext: np.ndarray) -> np.ndarray:
    """Gradient of :func:`weighted_sum` for its values: Σ_i α_it ∇_{c_i}, (T, N, V).

    Equations: attention-context-backward.
    """
    if len(weights) == 1:  # an outer product: NumPy's own multiplication beats its matmul
        return weights[0].T[..., None] * dcontext[0]
    return _batch_first(weights.transpose(1, 2, 0) @ _batch_first(dcontext))


class Score(Protocol):
    """How well a query fits a key.

    What concerns the keys alone is done once, in ``prepare``; a decoder then calls
    ``forward`` at each of its steps.
    """

    def init(self, rng: np.random.Generator) -> Params:
        """Draw parameters."""

    def prepare(self, params: Params, keys: np.ndarray) -> np.ndarray:
        """Turn keys (T, N, H) into what ``forward`` needs: (T, N, …)."""

    def prepare_backward(
        self, params: Params, keys: np.ndarray, prepared: np.ndarray, dprepared: np.ndarray
    ) -> tuple[Params, np.ndarray]:
        """Gradients of ``params`` and ``keys``."""

    def forward(
        self, params: Params, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """Score queries (S, N, Q) against prepared keys: (S, N, T), cache."""

    def backward(
        self, params: Params, cache: Any, dscores: np.ndarray
    ) -> tuple[Params, np.ndarray, np.ndarray]:
        """Gradients of ``params``, ``queries`` and the prepared keys."""


class NoParams(NamedTuple):
    """Parameters of what has none."""


class DotCache(NamedTuple):
    """Both sides of the scalar products."""

    queries: np.ndarray
    """(S, N, Q), as multiplied."""
    keys: np.ndarray
    """(T, N, Q), as multiplied."""
    norm: np.ndarray | None = None
    """Lengths of the queries (S, N, 1), for :class:`Cosine`."""


def _same_width(queries: np.ndarray, keys: np.ndarray) -> None:
    validate.array("queries", queries, ("S", keys.shape[1], keys.shape[2]))


@dataclass(frozen=True)
class Dot:
    """e = q·k; query and key are of one size.

    Equations: attention-score-dot.

    Source: Luong, Pham and Manning (2015), section 3.1.
    """

    def init(self, rng: np.random.Generator) -> NoParams:
        """Return no parameters."""
        return NoParams()

    def prepare(self, params: NoParams, keys: np.ndarray) -> np.ndarray:
        """Return the keys."""
        return keys

    def prepare_backward(
        self, params: NoParams, keys: np.ndarray, prepared: np.ndarray, dprepared: np.ndarray
    ) -> tuple[NoParams, np.ndarray]:
        """Return the gradient of the keys."""
        return params, dprepared

    def forward(
        self, params: NoParams, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, DotCache]:
        """Compute e (S, N, T).

        Raises
        ------
        ValueError
            Where queries and keys differ in width.

        Equations: attention-score-dot.
        """
        _same_width(queries, prepared)
        return dot_products(queries, prepared), DotCache(queries, prepared)

    def backward(
        self, params: NoParams, cache: DotCache, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """Compute ∇_q = Σ_t ∇_e k_t and ∇_k = Σ_i ∇_e q_i.

        Equations: attention-score-dot-backward.
        """
        return (
            NoParams(),
            weighted_sum(dscores, cache.keys),
            spread(dscores, cache.queries),
        )


@dataclass(frozen=True)
class ScaledDot(Dot):
    """e = q·k / √n, n being the width of both.

    Equations: attention-score-scaled-dot.

    Source: Vaswani et al. (2017), section 3.2.1.
    """

    def forward(
        self, params: NoParams, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, DotCache]:
        """Compute e (S, N, T); errors as :meth:`Dot.forward`.

        Equations: attention-score-scaled-dot.
        """
        scores, cache = super().forward(params, queries, prepared)
        return scores / float(np.sqrt(prepared.shape[2])), cache

    def backward(
        self, params: NoParams, cache: DotCache, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """As :meth:`Dot.backward`, over √n."""
        return super().backward(params, cache, dscores / float(np.sqrt(cache.keys.shape[2])))


def _length(xs: np.ndarray) -> np.ndarray:
    norm = np.sqrt((xs * xs).sum(axis=-1, keepdims=True))
    return np.where(norm == 0, np.inf, norm).astype(xs.dtype)


def _unit_backward(unit: np.ndarray, length: np.ndarray, dunit: np.ndarray) -> np.ndarray:
    return (dunit - unit * (unit * dunit).sum(axis=-1, keepdims=True)) / length


@dataclass(frozen=True)
class Cosine(Dot):
    """e = q·k / (‖q‖ ‖k‖): between −1 and 1.

    A zero vector has no direction: its scores, and its gradient, are zero.

    Equations: attention-score-cosine.

    Source: Graves, Wayne and Danihelka (2014), eq. 6.
    """

    def prepare(self, params: NoParams, keys: np.ndarray) -> np.ndarray:
        """Bring every key to length 1."""
        return keys / _length(keys)

    def prepare_backward(
        self, params: NoParams, keys: np.ndarray, prepared: np.ndarray, dprepared: np.ndarray
    ) -> tuple[NoParams, np.ndarray]:
        """Compute ∇_k = (I − k̂ k̂ᵀ) ∇_k̂ / ‖k‖.

        Equations: attention-score-cosine-backward.
        """
        return params, _unit_backward(prepared, _length(keys), dprepared)

    def forward(
        self, params: NoParams, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, DotCache]:
        """Compute e (S, N, T); errors as :meth:`Dot.forward`.

        Equations: attention-score-cosine.
        """
        length = _length(queries)
        scores, cache = super().forward(params, queries / length, prepared)
        return scores, cache._replace(norm=length)

    def backward(
        self, params: NoParams, cache: DotCache, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """Compute ∇_q = (I − q̂ q̂ᵀ) ∇_q̂ / ‖q‖, and ∇_k̂.

        Equations: attention-score-cosine-backward.
        """
        _, dunit, dkeys = super().backward(params, cache, dscores)
        assert cache.norm is not None
        return NoParams(), _unit_backward(cache.queries, cache.norm, dunit), dkeys


class GeneralParams(NamedTuple):
    """Parameters of :class:`General`."""

    W: np.ndarray
    """(Q, H)."""


@dataclass(frozen=True)
class General:
    """e = qᵀ W k: query and key may differ in size.

    Parameters
    ----------
    query_size, key_size : int
        Q and H.

    Equations: attention-score-general.

    Source: Luong, Pham and Manning (2015), section 3.1.
    """

    query_size: int
    key_size: int

    def __post_init__(self) -> None:
        validate.positive("query_size", self.query_size)
        validate.positive("key_size", self.key_size)

    def init(self, rng: np.random.Generator) -> GeneralParams:
        """Draw W from U(−1/√H, 1/√H)."""
        return GeneralParams(
            initializers.uniform(rng, (self.query_size, self.key_size), self.key_size)
        )

    def prepare(self, params: GeneralParams, keys: np.ndarray) -> np.ndarray:
        """Compute W k (T, N, Q)."""
        validate.array("keys", keys, ("T", "N", self.key_size))
        return keys @ params.W.T

    def prepare_backward(
        self, params: GeneralParams, keys: np.ndarray, prepared: np.ndarray, dprepared: np.ndarray
    ) -> tuple[GeneralParams, np.ndarray]:
        """Compute ∇_W and ∇_k.

        Equations: attention-score-general-backward.
        """
        flat = dprepared.reshape(-1, self.query_size)
        return GeneralParams(flat.T @ keys.reshape(-1, self.key_size)), dprepared @ params.W

    def forward(
        self, params: GeneralParams, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, DotCache]:
        """Compute e (S, N, T).

        Raises
        ------
        ValueError
            Where the queries' width is not Q.

        Equations: attention-score-general.
        """
        return Dot().forward(NoParams(), queries, prepared)

    def backward(
        self, params: GeneralParams, cache: DotCache, dscores: np.ndarray
    ) -> tuple[GeneralParams, np.ndarray, np.ndarray]:
        """Gradients of the queries and of W k; W gets its own in ``prepare_backward``.

        Equations: attention-score-general-backward.
        """
        _, dqueries, dprepared = Dot().backward(NoParams(), cache, dscores)
        return tree.zeros_like(params), dqueries, dprepared


class AdditiveParams(NamedTuple):
    """Parameters of :class:`Additive`."""

    v: np.ndarray
    """(A,)."""
    W: np.ndarray
    """For the query (A, Q)."""
    U: np.ndarray
    """For the key (A, H)."""


class AdditiveCache(NamedTuple):
    """What :meth:`Additive.forward` keeps."""

    queries: np.ndarray
    """(S, N, Q)."""
    tanh: np.ndarray
    """tanh(W q + U k) (S, T, N, A)."""


@dataclass(frozen=True)
class Additive:
    """e = vᵀ tanh(W q + U k): one matrix [W U] on the concatenation [q : k].

    Parameters
    ----------
    query_size, key_size, size : int
        Q, H and A.

    Equations: attention-score-additive.

    Source: Bahdanau, Cho and Bengio (2015), appendix A.1.2; "concat" in Luong et al. (2015).
    """

    query_size: int
    key_size: int
    size: int

    def __post_init__(self) -> None:
        validate.positive("query_size", self.query_size)
        validate.positive("key_size", self.key_size)
        validate.positive("size", self.size)

    def init(self, rng: np.random.Generator) -> AdditiveParams:
        """Draw parameters; [W U] as one matrix of Q + H inputs."""
        A, Q, H = self.size, self.query_size, self.key_size
        return AdditiveParams(
            v=initializers.uniform(rng, (A,), A),
            W=initializers.uniform(rng, (A, Q), Q + H),
            U=initializers.uniform(rng, (A, H), Q + H),
        )

    def prepare(self, params: AdditiveParams, keys: np.ndarray) -> np.ndarray:
        """Compute U k (T, N, A)."""
        validate.array("keys", keys, ("T", "N", self.key_size))
        return keys @ params.U.T

    def prepare_backward(
        self, params: AdditiveParams, keys: np.ndarray, prepared: np.ndarray, dprepared: np.ndarray
    ) -> tuple[AdditiveParams, np.ndarray]:
        """Compute ∇_U and ∇_k.

        Equations: attention-score-additive-backward.
        """
        dU = dprepared.reshape(-1, self.size).T @ keys.reshape(-1, self.key_size)
        return tree.zeros_like(params)._replace(U=dU), dprepared @ params.U

    def forward(
        self, params: AdditiveParams, queries: np.ndarray, prepared: np.ndarray
    ) -> tuple[np.ndarray, AdditiveCache]:
        """Compute e (S, N, T).

        Raises
        ------
        ValueError
            Where the queries' width is not Q.

        Equations: attention-score-additive.
        """
        validate.array("queries", queries, ("S", prepared.shape[1], self.query_size))
        a = (queries @ params.W.T)[:, None] + prepared
        np.tanh(a, out=a)
        return (a @ params.v).transpose(0, 2, 1), AdditiveCache(queries, a)

    def backward(
        self, params: AdditiveParams, cache: AdditiveCache, dscores: np.ndarray
    ) -> tuple[AdditiveParams, np.ndarray, np.ndarray]:
        """Compute δ = (1 − tanh²) ⊙ v ∇_e; ∇_W, ∇_v, ∇_q = Wᵀ Σ_t δ, ∇_{Uk} = Σ_i δ.

        Equations: attention-score-additive-backward.
        """
        queries, a = cache
        de = dscores.transpose(0, 2, 1)
        dv = de.reshape(-1) @ a.reshape(-1, self.size)
        delta = 1 - a * a
        delta *= params.v
        delta *= de[..., None]
        dprojected = delta.sum(axis=1)
        flat = dprojected.reshape(-1, self.size)
        dparams = AdditiveParams(
            v=dv,
            W=flat.T @ queries.reshape(-1, self.query_size),
            U=np.zeros_like(params.U),
        )
        return dparams, dprojected @ params.W, delta.sum(axis=0)


def masked_softmax(scores: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Softmax over the last axis, among the places that ``mask`` allows.

    The gradient is ``softmax_backward`` of the weights: where they are zero, so is it.

    Parameters
    ----------
    scores : array (…, T)
    mask : booleans (…, T), optional
        True where weight may fall; broadcast against ``scores``.

    Returns
    -------
    array (…, T)
        Sums to one; exactly zero where ``mask`` is false.

    Raises
    ------
    ValueError
        Where the mask does not fit, or allows no place at all in some row.

    Equations: attention-masked-softmax.
    """
    validate.array("scores", scores, [f"d{k}" for k in range(scores.ndim)])
    if mask is not None:
        mask = check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return e


def check_mask(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    mask = np.asarray(mask)
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
    """Join the lengths of the keys and a mask: booleans (…, N, T), or ``None``.

    Raises
    ------
    ValueError
        Where a length does not fit.
    """
    lengths = validate.lengths(lengths, T, N)
    if lengths is None:
        return mask
    real = (length_mask(lengths, T) > 0).T
    return real if mask is None else real & mask


def causal_mask(steps: int) -> np.ndarray:
    """Booleans (T, 1, T): step i may look at t ≤ i, and at nothing later.

    Equations: attention-causal-mask.
    """
    return np.tril(np.ones((steps, steps), bool))[:, None]


class Prepared(NamedTuple):
    """Keys and values made ready for any number of queries."""

    raw: np.ndarray
    """Keys as given (T, N, H)."""
    keys: np.ndarray
    """Keys as the score prepared them (T, N, …)."""
    values: np.ndarray
    """(T, N, V)."""
    mask: np.ndarray | None
    """Booleans (N, T) or (S, N, T)."""
    lengths: np.ndarray
    """Of the keys (N,)."""


class AttendCache(NamedTuple):
    """What one call of ``attend`` keeps."""

    values: np.ndarray
    """(T, N, V)."""
    weights: np.ndarray
    """(S, N, T)."""
    score: Any
    """The score's cache."""
    window: Any = None
    """The window's cache, for :class:`LocalAttention`."""


class AttentionCache(NamedTuple):
    """What :meth:`Attention.forward` keeps."""

    prepared: Prepared
    attend: AttendCache
    single: bool
    """Whether the queries came without a time axis."""


class Attended(NamedTuple):
    """Gradients of what :meth:`Attention.attend` was given."""

    params: Params
    queries: np.ndarray
    keys: np.ndarray
    """Of the prepared keys."""


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

    def prepare(
        self,
        params: Params,
        keys: np.ndarray,
        values: np.ndarray,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> Prepared:
        """Do once what concerns keys (T, N, H) and values (T, N, V) alone.

        Raises
        ------
        ValueError
            Where shapes or lengths do not fit.
        """
        T, N, _ = validate.array("keys", keys, ("T", "N", "H")).shape
        validate.array("values", values, (T, N, "V"))
        mask = key_mask(T, N, lengths, mask)
        lengths = np.full(N, T) if lengths is None else lengths
        lengths = validate.integers("lengths", lengths, (N,), 1, T)
        return Prepared(keys, self.score.prepare(params, keys), values, mask, lengths)

    def attend(
        self, params: Params, queries: np.ndarray, prepared: Prepared
    ) -> tuple[np.ndarray, AttendCache]:
        """Compute the contexts (S, N, V) of queries (S, N, Q); the cache has the weights.

        Equations: attention-weights, attention-context.
        """
        scores, cache = self.score.forward(params, queries, prepared.keys)
        weights = masked_softmax(scores, prepared.mask)
        context = weighted_sum(weights, prepared.values)
        return context, AttendCache(prepared.values, weights, cache)

    def attend_backward(
        self,
        params: Params,
        cache: AttendCache,
        dcontext: np.ndarray,
        dweights: np.ndarray | None = None,
    ) -> Attended:
        """Carry ``dcontext`` (S, N, V), and ``dweights`` (S, N, T), back.

        The values' gradient is ``spread(weights, dcontext)``, which a decoder computes
        once for all its steps.

        Equations: attention-context-backward, attention-weights-backward.
        """
        dalpha = dot_products(dcontext, cache.values)
        if dweights is not None:
            dalpha = dalpha + dweights
        dscores = softmax_backward(cache.weights, dalpha)
        return Attended(*self.score.backward(params, cache.score, dscores))

    def prepare_backward(
        self, params: Params, prepared: Prepared, dkeys: np.ndarray
    ) -> tuple[Params, np.ndarray]:
        """Carry the gradient of the prepared keys back: of ``params`` and the raw keys."""
        return self.score.prepare_backward(params, prepared.raw, prepared.keys, dkeys)

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
            True where weight may fall; broadcast to (S, N, T).

        Returns
        -------
        context : array (S, N, V) or (N, V)
        weights : array (S, N, T) or (N, T)
        cache : AttentionCache

        Raises
        ------
        ValueError
            Where a shape does not fit or the mask leaves a query nothing.

        Equations: attention-weights, attention-context.
        """
        validate.array("queries", queries, ("S", "N", "Q")[-np.ndim(queries) :])
        prepared = self.prepare(params, keys, values, lengths, mask)
        single = queries.ndim == 2
        context, cache = self.attend(params, queries[None] if single else queries, prepared)
        result = AttentionCache(prepared, cache, single)
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

        Raises
        ------
        ValueError
            Where a shape does not fit.

        Equations: attention-context-backward, attention-weights-backward.
        """
        S, N, T = cache.attend.weights.shape
        lead = (N,) if cache.single else (S, N)
        validate.array("dcontext", dcontext, (*lead, cache.prepared.values.shape[2]))
        if dweights is not None:
            validate.array("dweights", dweights, (*lead, T))
        if cache.single:
            dcontext = dcontext[None]
            dweights = None if dweights is None else dweights[None]
        d = self.attend_backward(params, cache.attend, dcontext, dweights)
        more, dkeys = self.prepare_backward(params, cache.prepared, d.keys)
        dqueries = d.queries[0] if cache.single else d.queries
        dvalues = spread(cache.attend.weights, dcontext)
        return tree.add(d.params, more), dqueries, dkeys, dvalues
