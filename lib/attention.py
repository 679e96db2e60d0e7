"""Chapter 10: attention: a weighted sum of values, the weights from queries and keys.

Scores say how well a query fits a key; :class:`Attention` turns them into weights and a
context; everything else is built of it: local attention, self-attention, attention
between decoder and encoder, several heads, pooling of words into sentences and of
sentences into documents, and a decoder that looks at all of the encoder's outputs.

Queries are (S, N, Q), keys (T, N, H), values (T, N, V), all time-major; scores and
weights are (S, N, T). A single query (N, Q) has weights (N, T).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from lib import initializers, tree, validate
from lib.activations import sigmoid, softmax_backward, tanh_backward
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State
from lib.dense import Affine, affine, affine_backward, affine_init
from lib.encoder_decoder import (
    EncoderDecoder,
    Memory,
    Writer,
    bridge,
    bridge_backward,
    bridge_init,
    hidden,
    hidden_backward,
)
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
        mask = _check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return e


def _check_mask(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
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
        lengths = np.full(N, T) if lengths is None else np.asarray(lengths)
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


class LocalParams(NamedTuple):
    """Parameters of :class:`LocalAttention`."""

    score: Params
    """The score's."""
    v: np.ndarray
    """(A,)."""
    W: np.ndarray
    """(A, Q)."""


class WindowCache(NamedTuple):
    """What the window keeps."""

    queries: np.ndarray
    """(S, N, Q)."""
    hidden: np.ndarray
    """tanh(W q) (S, N, A)."""
    fraction: np.ndarray
    """σ(v·tanh(W q)) (S, N)."""
    lengths: np.ndarray
    """(N,)."""
    distance: np.ndarray
    """t − p (S, N, T)."""
    gauss: np.ndarray
    """exp(−(t − p)² / 2σ²) (S, N, T)."""
    other: np.ndarray
    """What the Gaussian multiplied (S, N, T): softmax weights, or scores."""


@dataclass(frozen=True)
class LocalAttention(Attention):
    """Attention near a predicted place p = τ·σ(vᵀ tanh(W q)); keys are counted from 1.

    Parameters
    ----------
    score : Score
    query_size, size : int
        Q and A.
    width : float
        D, at least 1; the Gaussian's deviation is D / 2.
    form : {"luong", "notes"}
        ``"luong"``: softmax among the keys within D of p, times the Gaussian; what comes
        out sums to less than one. ``"notes"``: the Gaussian times the *score*, then the
        softmax over all keys. A score of 0 is then what a far key gets, and where near
        keys score below 0 the far ones win: it is here for comparison.

    Raises
    ------
    ValueError
        Where a size, the width or the form is none of these.

    Equations: attention-local-position, attention-local-window.

    Source: Luong, Pham and Manning (2015), section 3.2, eq. 9 and 10 (local-p).
    """

    query_size: int
    size: int
    width: float = 4.0
    form: str = "luong"

    def __post_init__(self) -> None:
        validate.positive("query_size", self.query_size)
        validate.positive("size", self.size)
        validate.choice("form", self.form, ("luong", "notes"))
        if not self.width >= 1:
            raise ValueError(f"width: expected a number of at least 1, got {self.width!r}")

    def init(self, rng: np.random.Generator) -> LocalParams:
        """Draw parameters."""
        return LocalParams(
            score=self.score.init(rng),
            v=initializers.uniform(rng, (self.size,), self.size),
            W=initializers.uniform(rng, (self.size, self.query_size), self.query_size),
        )

    def prepare(
        self,
        params: LocalParams,
        keys: np.ndarray,
        values: np.ndarray,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> Prepared:
        """As :meth:`Attention.prepare`."""
        return super().prepare(params.score, keys, values, lengths, mask)

    def prepare_backward(
        self, params: LocalParams, prepared: Prepared, dkeys: np.ndarray
    ) -> tuple[LocalParams, np.ndarray]:
        """As :meth:`Attention.prepare_backward`."""
        dscore, dkeys = super().prepare_backward(params.score, prepared, dkeys)
        return tree.zeros_like(params)._replace(score=dscore), dkeys

    def attend(
        self, params: LocalParams, queries: np.ndarray, prepared: Prepared
    ) -> tuple[np.ndarray, AttendCache]:
        """Compute the contexts (S, N, V) of queries (S, N, Q).

        Equations: attention-local-position, attention-local-window.
        """
        validate.array("queries", queries, ("S", len(prepared.lengths), self.query_size))
        tanh = np.tanh(queries @ params.W.T)
        fraction = sigmoid(tanh @ params.v)
        steps = np.arange(1, len(prepared.keys) + 1)
        place = prepared.lengths.astype(queries.dtype) * fraction
        distance = steps.astype(queries.dtype) - place[..., None]
        gauss = np.exp(distance**2 * (-2 / self.width**2))
        scores, cache = self.score.forward(params.score, queries, prepared.keys)
        if self.form == "luong":
            near = np.abs(distance) <= self.width
            mask = near if prepared.mask is None else near & prepared.mask
            other = masked_softmax(scores, mask)
            weights = other * gauss
        else:
            other = scores
            weights = masked_softmax(scores * gauss, prepared.mask)
        window = WindowCache(queries, tanh, fraction, prepared.lengths, distance, gauss, other)
        context = weighted_sum(weights, prepared.values)
        return context, AttendCache(prepared.values, weights, cache, window)

    def attend_backward(
        self,
        params: LocalParams,
        cache: AttendCache,
        dcontext: np.ndarray,
        dweights: np.ndarray | None = None,
    ) -> Attended:
        """Carry ``dcontext`` back, through the window's place too.

        The window's two ends are steps: the gradient is that between the jumps.

        Equations: attention-local-backward.
        """
        window: WindowCache = cache.window
        dweights = dot_products(dcontext, cache.values) + (0 if dweights is None else dweights)
        if self.form == "luong":
            dgauss = dweights * window.other
            dscores = softmax_backward(window.other, dweights * window.gauss)
        else:
            dproduct = softmax_backward(cache.weights, dweights)
            dgauss = dproduct * window.other
            dscores = dproduct * window.gauss
        dscore, dqueries, dkeys = self.score.backward(params.score, cache.score, dscores)
        dplace = (dgauss * window.gauss * window.distance).sum(axis=-1) * (4 / self.width**2)
        s = window.fraction
        da = dplace * window.lengths.astype(s.dtype) * s * (1 - s)
        dtanh = tanh_backward(window.hidden, da[..., None] * params.v)
        flat = dtanh.reshape(-1, self.size)
        dparams = LocalParams(
            score=dscore,
            v=da.reshape(-1) @ window.hidden.reshape(-1, self.size),
            W=flat.T @ window.queries.reshape(-1, self.query_size),
        )
        return Attended(dparams, dqueries + dtanh @ params.W, dkeys)


class ProjectedParams(NamedTuple):
    """Parameters of :class:`ProjectedAttention`."""

    query: np.ndarray
    """(K, Q)."""
    key: np.ndarray
    """(K, M)."""
    value: np.ndarray
    """(K, M)."""
    score: Params
    """The score's."""


class ProjectedCache(NamedTuple):
    """What :meth:`ProjectedAttention.forward` and :meth:`MultiHead.forward` keep."""

    queries: np.ndarray
    memory: np.ndarray
    attention: AttentionCache
    joined: np.ndarray | None = None
    """The heads' contexts side by side, before the output map (S, N, Q)."""


@dataclass(frozen=True)
class ProjectedAttention:
    """Attention between one sequence and a memory through queries, keys and values.

    With a decoder's sequence and an encoder's as memory it is encoder–decoder
    attention; in :class:`SelfAttention` the sequence is its own memory.

    Parameters
    ----------
    query_size, memory_size, size : int
        Q, M, and K, the width of queries, keys and values.
    score : Score
        On queries and keys of width K.

    Equations: attention-queries-keys-values.

    Source: Vaswani et al. (2017), section 3.2.
    """

    query_size: int
    memory_size: int
    size: int
    score: Score = ScaledDot()

    def __post_init__(self) -> None:
        for name in ("query_size", "memory_size", "size"):
            validate.positive(name, getattr(self, name))

    @property
    def output_size(self) -> int:
        """K."""
        return self.size

    def init(self, rng: np.random.Generator) -> ProjectedParams:
        """Draw parameters."""
        K, Q, M = self.size, self.query_size, self.memory_size
        return ProjectedParams(
            query=initializers.uniform(rng, (K, Q), Q),
            key=initializers.uniform(rng, (K, M), M),
            value=initializers.uniform(rng, (K, M), M),
            score=self.score.init(rng),
        )

    def forward(
        self,
        params: ProjectedParams,
        queries: np.ndarray,
        memory: np.ndarray,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, ProjectedCache]:
        """Look from ``queries`` (S, N, Q) into ``memory`` (T, N, M).

        Parameters
        ----------
        params : ProjectedParams
        queries : array (S, N, Q)
        memory : array (T, N, M)
        lengths : integers (N,), optional
            Of the memory.
        mask : booleans, optional
            Broadcast to (S, N, T).

        Returns
        -------
        ys : array (S, N, K)
        weights : array (S, N, T)
        cache : ProjectedCache

        Raises
        ------
        ValueError
            Where a shape does not fit or the mask leaves a query nothing.

        Equations: attention-queries-keys-values.
        """
        N = validate.array("queries", queries, ("S", "N", self.query_size)).shape[1]
        validate.array("memory", memory, ("T", N, self.memory_size))
        ys, weights, cache = Attention(self.score).forward(
            params.score,
            queries @ params.query.T,
            memory @ params.key.T,
            memory @ params.value.T,
            lengths,
            mask,
        )
        return ys, weights, ProjectedCache(queries, memory, cache)

    def backward(
        self,
        params: ProjectedParams,
        cache: ProjectedCache,
        dys: np.ndarray,
    ) -> tuple[ProjectedParams, np.ndarray, np.ndarray]:
        """Carry ``dys`` (S, N, K) back: gradients of params, ``queries`` and ``memory``.

        Raises
        ------
        ValueError
            Where the shape of ``dys`` does not fit.

        Equations: attention-queries-keys-values-backward.
        """
        dscore, dq, dk, dv = Attention(self.score).backward(params.score, cache.attention, dys)
        flat_queries = cache.queries.reshape(-1, self.query_size)
        flat_memory = cache.memory.reshape(-1, self.memory_size)
        dparams = ProjectedParams(
            query=dq.reshape(-1, self.size).T @ flat_queries,
            key=dk.reshape(-1, self.size).T @ flat_memory,
            value=dv.reshape(-1, self.size).T @ flat_memory,
            score=dscore,
        )
        return dparams, dq @ params.query, dk @ params.key + dv @ params.value


class MultiHeadParams(NamedTuple):
    """Parameters of :class:`MultiHead`."""

    query: Affine
    """(Q, Q)."""
    key: Affine
    """(Q, M)."""
    value: Affine
    """(Q, M)."""
    output: Affine
    """(Q, Q)."""


@dataclass(frozen=True)
class MultiHead:
    """Several scaled-dot attentions side by side, each on its part of the features.

    Time-major arrays make heads cheap: (S, N, Q) and (S, N·heads, Q / heads) are the
    same numbers in the same order, so that a head is one more example of the batch.

    Parameters
    ----------
    query_size, memory_size, heads : int
        Q, a multiple of ``heads``, is the width of the output too, as in PyTorch.

    Raises
    ------
    ValueError
        Where Q is no multiple of ``heads``.

    Equations: attention-multi-head.

    Source: Vaswani et al. (2017), section 3.2.2.
    """

    query_size: int
    memory_size: int
    heads: int

    def __post_init__(self) -> None:
        for name in ("query_size", "memory_size", "heads"):
            validate.positive(name, getattr(self, name))
        if self.query_size % self.heads:
            raise ValueError(
                f"query_size: expected a multiple of {self.heads} heads, got {self.query_size}"
            )

    @property
    def output_size(self) -> int:
        """Q."""
        return self.query_size

    def init(self, rng: np.random.Generator) -> MultiHeadParams:
        """Draw parameters."""
        Q, M = self.query_size, self.memory_size
        return MultiHeadParams(*(affine_init(rng, inputs, Q) for inputs in (Q, M, M, Q)))

    def _split(self, xs: np.ndarray) -> np.ndarray:
        return xs.reshape(len(xs), -1, self.query_size // self.heads)

    def _join(self, xs: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(xs).reshape(len(xs), -1, self.query_size)

    def forward(
        self,
        params: MultiHeadParams,
        queries: np.ndarray,
        memory: np.ndarray,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, ProjectedCache]:
        """Look from ``queries`` (S, N, Q) into ``memory`` (T, N, M).

        Arguments and errors as :meth:`ProjectedAttention.forward`.

        Returns
        -------
        ys : array (S, N, Q)
        weights : array (S, N, heads, T)
        cache : ProjectedCache

        Equations: attention-multi-head.
        """
        S, N, _ = validate.array("queries", queries, ("S", "N", self.query_size)).shape
        T = validate.array("memory", memory, ("T", N, self.memory_size)).shape[0]
        mask = key_mask(T, N, lengths, mask)
        if mask is not None:
            mask = np.repeat(
                np.broadcast_to(_check_mask(mask, (S, N, T)), (S, N, T)), self.heads, 1
            )
        context, weights, cache = Attention(ScaledDot()).forward(
            NoParams(),
            self._split(affine(params.query, queries)),
            self._split(affine(params.key, memory)),
            self._split(affine(params.value, memory)),
            None,
            mask,
        )
        joined = self._join(context)
        result = ProjectedCache(queries, memory, cache, joined)
        return affine(params.output, joined), weights.reshape(S, N, self.heads, T), result

    def backward(
        self, params: MultiHeadParams, cache: ProjectedCache, dys: np.ndarray
    ) -> tuple[MultiHeadParams, np.ndarray, np.ndarray]:
        """Carry ``dys`` (S, N, Q) back: gradients of params, ``queries`` and ``memory``.

        Raises
        ------
        ValueError
            Where the shape of ``dys`` does not fit.

        Equations: attention-multi-head-backward.
        """
        validate.array("dys", dys, cache.queries.shape)
        assert cache.joined is not None
        doutput, djoined = affine_backward(params.output, cache.joined, dys)
        _, dq, dk, dv = Attention(ScaledDot()).backward(
            NoParams(), cache.attention, self._split(djoined)
        )
        dquery, dqueries = affine_backward(params.query, cache.queries, self._join(dq))
        dkey, dmemory = affine_backward(params.key, cache.memory, self._join(dk))
        dvalue, more = affine_backward(params.value, cache.memory, self._join(dv))
        return MultiHeadParams(dquery, dkey, dvalue, doutput), dqueries, dmemory + more


class SelfAttentionCache(NamedTuple):
    """What :meth:`SelfAttention.forward` keeps."""

    inner: ProjectedCache
    weights: np.ndarray
    """(T, N, T), or (T, N, heads, T)."""
    live: np.ndarray | None
    """1 where t < length, else 0 (T, N, 1)."""


@dataclass(frozen=True)
class SelfAttention:
    """A layer whose every step looks at all steps of its own input, or at those so far.

    It is a ``lib.cell.Layer`` with an empty state. Without positions added to the
    input (:func:`positions`) it does not see the order of its input.

    Parameters
    ----------
    attention : ProjectedAttention or MultiHead
        With ``memory_size`` equal to ``query_size``.
    causal : bool
        Whether step i looks at t ≤ i only, as a decoder must.

    Raises
    ------
    ValueError
        Where the two sizes differ.

    Equations: attention-self, attention-causal-mask.

    Source: Vaswani et al. (2017), section 3.2.3.
    """

    attention: ProjectedAttention | MultiHead
    causal: bool = False

    def __post_init__(self) -> None:
        sizes = self.attention.query_size, self.attention.memory_size
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"attention: expected memory_size {sizes[0]}, as query_size, got {sizes[1]}"
            )

    @property
    def input_size(self) -> int:
        """D."""
        return self.attention.query_size

    @property
    def output_size(self) -> int:
        """Width of the values, or with several heads D."""
        return self.attention.output_size

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the attention's parameters."""
        return self.attention.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return no state."""
        return ()

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, SelfAttentionCache]:
        """Run over ``xs`` (T, N, D): outputs (T, N, K), no state, cache with ``weights``.

        Raises
        ------
        ValueError
            Where a shape or length does not fit.

        Equations: attention-self, attention-causal-mask.
        """
        mask = causal_mask(len(xs)) if self.causal else None
        ys, weights, inner = self.attention.forward(params, xs, xs, lengths, mask)
        live = None
        if lengths is not None:
            live = length_mask(lengths, len(xs))[..., None].astype(xs.dtype)
            ys = ys * live
        return ys, (), SelfAttentionCache(inner, weights, live)

    def backward(
        self,
        params: Params,
        cache: SelfAttentionCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dys`` (T, N, K) back: gradients of params and ``xs``, no state.

        Raises
        ------
        ValueError
            Where the shape of ``dys`` does not fit.

        Equations: attention-self-backward.
        """
        dys = dys if cache.live is None else dys * cache.live
        dparams, dqueries, dmemory = self.attention.backward(params, cache.inner, dys)
        return dparams, dqueries + dmemory, ()


def positions(steps: int, size: int) -> np.ndarray:
    """Sines and cosines (T, D) of each step at D/2 frequencies, to be added to the input.

    Parameters
    ----------
    steps, size : int
        T and D.

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: attention-positions.

    Source: Vaswani et al. (2017), section 3.5.
    """
    validate.positive("steps", steps)
    validate.positive("size", size)
    features = np.arange(size)
    angles = np.arange(steps)[:, None] / 10000.0 ** (features // 2 * 2 / size)
    return np.where(features % 2 == 0, np.sin(angles), np.cos(angles))


class PoolingParams(NamedTuple):
    """Parameters of :class:`AttentionPooling`."""

    W: np.ndarray
    """(A, H)."""
    b: np.ndarray
    """(A,)."""
    u: np.ndarray
    """Context vector (A,), learned: what is worth looking at."""


class PoolingCache(NamedTuple):
    """What :meth:`AttentionPooling.forward` keeps."""

    hs: np.ndarray
    """(T, N, H)."""
    tanh: np.ndarray
    """(T, N, A)."""
    weights: np.ndarray
    """(N, T)."""


@dataclass(frozen=True)
class AttentionPooling:
    """Sum up a sequence as one vector: u_t = tanh(W h_t + b), α = softmax(u_t·u), Σ α_t h_t.

    Parameters
    ----------
    input_size, size : int
        H and A.

    Equations: attention-pooling.

    Source: Yang et al. (2016), eq. 5–7.
    """

    input_size: int
    size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("size", self.size)

    def init(self, rng: np.random.Generator) -> PoolingParams:
        """Draw parameters."""
        A, H = self.size, self.input_size
        return PoolingParams(
            W=initializers.uniform(rng, (A, H), H),
            b=initializers.uniform(rng, (A,), H),
            u=initializers.uniform(rng, (A,), A),
        )

    def forward(
        self, params: PoolingParams, hs: np.ndarray, lengths: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, PoolingCache]:
        """Pool ``hs`` (T, N, H), of ``lengths`` (N,) where padded.

        Returns
        -------
        pooled : array (N, H)
        weights : array (N, T)
        cache : PoolingCache

        Raises
        ------
        ValueError
            Where a shape or length does not fit.

        Equations: attention-pooling.
        """
        T, N, _ = validate.array("hs", hs, ("T", "N", self.input_size)).shape
        tanh = np.tanh(hs @ params.W.T + params.b)
        weights = masked_softmax((tanh @ params.u).T, key_mask(T, N, lengths))
        return weighted_sum(weights[None], hs)[0], weights, PoolingCache(hs, tanh, weights)

    def backward(
        self, params: PoolingParams, cache: PoolingCache, dpooled: np.ndarray
    ) -> tuple[PoolingParams, np.ndarray]:
        """Carry ``dpooled`` (N, H) back: gradients of params and ``hs``.

        Raises
        ------
        ValueError
            Where the shape of ``dpooled`` does not fit.

        Equations: attention-pooling-backward.
        """
        hs, tanh, weights = cache
        validate.array("dpooled", dpooled, hs.shape[1:])
        dscores = softmax_backward(weights, dot_products(dpooled[None], hs)[0]).T
        da = tanh_backward(tanh, dscores[..., None] * params.u)
        dparams = PoolingParams(
            W=da.reshape(-1, self.size).T @ hs.reshape(-1, self.input_size),
            b=da.sum(axis=(0, 1)),
            u=dscores.reshape(-1) @ tanh.reshape(-1, self.size),
        )
        return dparams, spread(weights[None], dpooled[None]) + da @ params.W


class HierarchicalParams(NamedTuple):
    """Parameters of :class:`HierarchicalAttention`."""

    words: Params
    """The word layer's."""
    word_pooling: PoolingParams
    sentences: Params
    """The sentence layer's."""
    sentence_pooling: PoolingParams


class HierarchicalWeights(NamedTuple):
    """Where a document was looked at."""

    words: np.ndarray
    """(L, N, T): within each sentence."""
    sentences: np.ndarray
    """(N, L)."""


class HierarchicalCache(NamedTuple):
    """What :meth:`HierarchicalAttention.forward` keeps."""

    shape: tuple[int, ...]
    words: Any
    word_pooling: PoolingCache
    sentences: Any
    sentence_pooling: PoolingCache


@dataclass(frozen=True)
class HierarchicalAttention:
    """Words → sentences → document: a layer and an attention pooling on each level.

    Parameters
    ----------
    words, sentences : Layer or Cell
        Usually bidirectional GRUs; the second reads what is pooled of the first.
    word_size, sentence_size : int
        Widths of the context vectors u_w and u_s.

    Raises
    ------
    ValueError
        Where the second layer's input is not of the first one's output size.

    Equations: attention-hierarchical.

    Source: Yang et al. (2016).
    """

    words: Layer | Cell
    sentences: Layer | Cell
    word_size: int
    sentence_size: int

    def __post_init__(self) -> None:
        width = as_layer(self.words).output_size
        if self.sentences.input_size != width:
            raise ValueError(
                f"sentences: expected input_size {width}, got {self.sentences.input_size}"
            )

    @property
    def output_size(self) -> int:
        """Width of a document's vector."""
        return as_layer(self.sentences).output_size

    @property
    def word_pooling(self) -> AttentionPooling:
        """Of words into a sentence."""
        return AttentionPooling(as_layer(self.words).output_size, self.word_size)

    @property
    def sentence_pooling(self) -> AttentionPooling:
        """Of sentences into a document."""
        return AttentionPooling(self.output_size, self.sentence_size)

    def init(self, rng: np.random.Generator) -> HierarchicalParams:
        """Draw parameters."""
        return HierarchicalParams(
            self.words.init(rng),
            self.word_pooling.init(rng),
            self.sentences.init(rng),
            self.sentence_pooling.init(rng),
        )

    def forward(
        self,
        params: HierarchicalParams,
        xs: np.ndarray,
        word_lengths: np.ndarray | None = None,
        sentence_lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, HierarchicalWeights, HierarchicalCache]:
        """Sum up documents.

        Parameters
        ----------
        params : HierarchicalParams
        xs : array (T, L, N, D)
            Word t of sentence l of document n.
        word_lengths : integers (L, N), optional
            Words of each sentence; of a sentence that is padding, anything.
        sentence_lengths : integers (N,), optional
            Sentences of each document.

        Returns
        -------
        documents : array (N, G)
        weights : HierarchicalWeights
        cache : HierarchicalCache

        Raises
        ------
        ValueError
            Where a shape or length does not fit.

        Equations: attention-hierarchical.
        """
        T, L, N, D = validate.array("xs", xs, ("T", "L", "N", self.words.input_size)).shape
        sentence_lengths = validate.lengths(sentence_lengths, L, N)
        flat_lengths = None
        if word_lengths is not None:
            word_lengths = np.asarray(word_lengths)
            validate.shape("word_lengths", word_lengths, (L, N))
            if sentence_lengths is not None:
                real = np.arange(L)[:, None] < sentence_lengths
                word_lengths = np.where(real, word_lengths, 1)
            flat_lengths = word_lengths.reshape(L * N)
        hs, _, words = as_layer(self.words).forward(
            params.words, xs.reshape(T, L * N, D), None, flat_lengths
        )
        sentences, alpha, word_pooling = self.word_pooling.forward(
            params.word_pooling, hs, flat_lengths
        )
        gs, _, upper = as_layer(self.sentences).forward(
            params.sentences, sentences.reshape(L, N, -1), None, sentence_lengths
        )
        documents, beta, sentence_pooling = self.sentence_pooling.forward(
            params.sentence_pooling, gs, sentence_lengths
        )
        cache = HierarchicalCache(xs.shape, words, word_pooling, upper, sentence_pooling)
        return documents, HierarchicalWeights(alpha.reshape(L, N, T), beta), cache

    def backward(
        self, params: HierarchicalParams, cache: HierarchicalCache, ddocuments: np.ndarray
    ) -> tuple[HierarchicalParams, np.ndarray]:
        """Carry ``ddocuments`` (N, G) back: gradients of params and ``xs``.

        Raises
        ------
        ValueError
            Where the shape of ``ddocuments`` does not fit.

        Equations: attention-hierarchical-backward.
        """
        dsentence_pooling, dgs = self.sentence_pooling.backward(
            params.sentence_pooling, cache.sentence_pooling, ddocuments
        )
        dupper, dsentences, _ = as_layer(self.sentences).backward(
            params.sentences, cache.sentences, dgs
        )
        dword_pooling, dhs = self.word_pooling.backward(
            params.word_pooling,
            cache.word_pooling,
            dsentences.reshape(-1, dsentences.shape[2]),
        )
        dwords, dxs, _ = as_layer(self.words).backward(params.words, cache.words, dhs)
        dparams = HierarchicalParams(dwords, dword_pooling, dupper, dsentence_pooling)
        return dparams, dxs.reshape(cache.shape)


class AttentionDecoderParams(NamedTuple):
    """Parameters of :class:`AttentionDecoder`."""

    bridge: Affine
    """From C to the initial state."""
    attention: Params
    decoder: Params
    """The decoder layer's own."""


class AttentionDecoderCache(NamedTuple):
    """What :meth:`AttentionDecoder.forward` keeps."""

    memory: Memory
    prepared: Prepared
    state: State
    """Initial state."""
    steps: Sequence[tuple[AttendCache, Any, State]]
    """Of each step: attention's cache, the layer's, and the state before."""
    weights: np.ndarray
    """α (T_y, N, T_x): the alignment."""
    live: np.ndarray | None
    """1 where i < length, else 0 (T_y, N, 1)."""


@dataclass(frozen=True)
class AttentionDecoder:
    """Writer whose every step looks at the encoder's outputs from its state before.

    e_it = score(s_{i−1}, h_t), c_i = Σ_t α_it h_t, s_i = cell([y_{i−1} : c_i], s_{i−1}).

    Parameters
    ----------
    decoder : causal Layer or Cell
        Its ``input_size`` is the token's width plus ``memory_size``; s is every ``h`` of
        its state.
    memory_size, context_size : int
        Widths of the encoder's outputs, and of C, which gives the initial state.
    attention : Attention

    Raises
    ------
    ValueError
        Where the context vector leaves no room for the token.

    Equations: attention-decoder.

    Source: Bahdanau, Cho and Bengio (2015), section 3.1.
    """

    decoder: Cell | Layer
    memory_size: int
    context_size: int
    attention: Attention

    def __post_init__(self) -> None:
        validate.positive("memory_size", self.memory_size)
        validate.positive("context_size", self.context_size)
        if self.token_size < 1:
            raise ValueError(
                f"decoder: expected input_size above {self.memory_size}, the encoder's width, "
                f"got {self.decoder.input_size}"
            )

    @property
    def output_size(self) -> int:
        """H."""
        return as_layer(self.decoder).output_size

    @property
    def token_size(self) -> int:
        """Width of the decoder's input without c_i."""
        return self.decoder.input_size - self.memory_size

    def init(self, rng: np.random.Generator) -> AttentionDecoderParams:
        """Draw parameters."""
        return AttentionDecoderParams(
            bridge=bridge_init(rng, self.context_size, self.decoder),
            attention=self.attention.init(rng),
            decoder=self.decoder.init(rng),
        )

    def begin(self, params: AttentionDecoderParams, memory: Memory) -> tuple[Prepared, State]:
        """Prepare the keys, once for all steps, and the state before the first."""
        hs = memory.hs
        prepared = self.attention.prepare(params.attention, hs, hs, memory.lengths)  # type: ignore[arg-type]
        like = self.decoder.initial_state(len(memory.context), memory.context.dtype)
        return prepared, bridge(params.bridge, memory.context, like)

    def forward(
        self,
        params: AttentionDecoderParams,
        memory: Memory,
        inputs: np.ndarray,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, AttentionDecoderCache]:
        """Write with given inputs (teacher forcing).

        Parameters
        ----------
        params : AttentionDecoderParams
        memory : Memory
            With ``hs`` (T_x, N, H_x).
        inputs : array (T_y, N, D)
        lengths : integers (N,), optional
            Of the targets.

        Returns
        -------
        hs : array (T_y, N, H)
            Zero beyond a length.
        cache : AttentionDecoderCache
            Its ``weights`` are the alignment.

        Raises
        ------
        ValueError
            Where a shape does not fit.

        Equations: attention-decoder.
        """
        N = validate.array("memory.context", memory.context, ("N", self.context_size)).shape[0]
        validate.array("memory.hs", memory.hs, ("T", N, self.memory_size))  # type: ignore[arg-type]
        T = validate.array("inputs", inputs, ("T", N, self.token_size)).shape[0]
        lengths = validate.lengths(lengths, T, N)
        layer = as_layer(self.decoder)
        prepared, initial = self.begin(params, memory)
        state, steps = initial, []
        hs = np.empty((T, N, self.output_size), inputs.dtype)
        for i in range(T):
            context, attend = self.attention.attend(params.attention, hidden(state)[None], prepared)
            x = np.concatenate([inputs[i : i + 1], context], axis=2)
            before = state
            hs[i : i + 1], state, cache = layer.forward(params.decoder, x, before)
            steps.append((attend, cache, before))
        live = None
        if lengths is not None:
            live = length_mask(lengths, T)[..., None].astype(hs.dtype)
            hs *= live
        weights = np.concatenate([attend.weights for attend, _, _ in steps])
        return hs, AttentionDecoderCache(memory, prepared, initial, steps, weights, live)

    def backward(
        self, params: AttentionDecoderParams, cache: AttentionDecoderCache, dhs: np.ndarray
    ) -> tuple[AttentionDecoderParams, Memory, np.ndarray]:
        """Carry ``dhs`` (T_y, N, H) back through decoder and attention to the memory.

        The state before a step is reached on two ways: through the cell, and through the
        query that it was.

        Returns
        -------
        dparams, dmemory, dinputs (T_y, N, D)

        Raises
        ------
        ValueError
            Where the shape of ``dhs`` does not fit.

        Equations: attention-decoder-backward.
        """
        T, N = len(cache.steps), len(cache.memory.context)
        validate.array("dhs", dhs, (T, N, self.output_size))
        dhs = dhs if cache.live is None else dhs * cache.live
        layer = as_layer(self.decoder)
        dattention = tree.zeros_like(params.attention)
        ddecoder = tree.zeros_like(params.decoder)
        dkeys = np.zeros_like(cache.prepared.keys)
        dxs = np.empty((T, N, self.decoder.input_size), dhs.dtype)
        dcontexts = dxs[..., self.token_size :]
        dstate = tree.zeros_like(cache.state)
        for i in reversed(range(T)):
            attend, step, before = cache.steps[i]
            more, dxs[i : i + 1], dstate = layer.backward(
                params.decoder, step, dhs[i : i + 1], dstate
            )
            tree.add_into(ddecoder, more)
            d = self.attention.attend_backward(params.attention, attend, dcontexts[i : i + 1])
            tree.add_into(dattention, d.params)
            dkeys += d.keys
            dstate = tree.add(dstate, hidden_backward(before, d.queries[0]))
        more, draw = self.attention.prepare_backward(params.attention, cache.prepared, dkeys)
        tree.add_into(dattention, more)
        dbridge, dcontext = bridge_backward(
            params.bridge, cache.memory.context, cache.state, dstate
        )
        dparams = AttentionDecoderParams(dbridge, dattention, ddecoder)
        dmemory = Memory(draw + spread(cache.weights, dcontexts), dcontext)
        return dparams, dmemory, dxs[..., : self.token_size]

    def step(
        self, params: AttentionDecoderParams, prepared: Prepared, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Write one step from ``x`` (N, D): output (N, H) and the new state."""
        context, _ = self.attention.attend(params.attention, hidden(state)[None], prepared)
        joined = np.concatenate([x[None], context], axis=2)
        hs, state, _ = as_layer(self.decoder).forward(params.decoder, joined, state)
        return hs[0], state


@dataclass(frozen=True)
class AttentionEncoderDecoder(EncoderDecoder):
    """Encoder–decoder with attention; all but the writer as in chapter 9.

    Parameters
    ----------
    encoder, decoder, source_size, target_size, ending, end, max_length
        As :class:`lib.encoder_decoder.EncoderDecoder`; the decoder's ``input_size`` is the
        width of the target's embedding, plus that of the encoder's outputs, plus 1 with
        ``ending="length"``.
    context : {"initial_state"}
        C gives the initial state; c_i comes at every step.
    attention : Attention

    Raises
    ------
    ValueError
        Where an option or the decoder's ``input_size`` does not fit.

    Equations: attention-decoder.

    Source: Bahdanau, Cho and Bengio (2015).

    Examples
    --------
    >>> from lib.rnn import RNN
    >>> attention = Attention(Additive(query_size=6, key_size=8, size=5))
    >>> model = AttentionEncoderDecoder(RNN(4, 8), RNN(5 + 8, 6), 10, 7, attention=attention)
    >>> params = model.init(np.random.default_rng(0))
    >>> model.align(params, np.zeros((9, 2), int), np.ones((3, 2), int)).shape
    (3, 2, 9)
    """

    context: str = "initial_state"
    attention: Attention = Attention(Dot())

    def __post_init__(self) -> None:
        validate.choice("context", self.context, ("initial_state",))
        super().__post_init__()

    @property
    def writer(self) -> Writer:
        """The attention decoder."""
        width = as_layer(self.encoder).output_size
        return AttentionDecoder(self.decoder, width, self.context_size, self.attention)

    def align(
        self,
        params: Params,
        sources: np.ndarray,
        targets: np.ndarray,
        source_lengths: np.ndarray | None = None,
        target_lengths: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the weights α (T_y, N, T_x) with which ``targets`` are written.

        Arguments and errors as ``forward``; zero beyond a target's length.

        Equations: attention-weights.
        """
        _, cache = self.forward(params, sources, targets, source_lengths, target_lengths)
        live = cache.writer.live
        return cache.writer.weights if live is None else cache.writer.weights * live
