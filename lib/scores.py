"""Chapter 10: scores, which say how well a query fits a key.

Queries are (S, N, Q), keys (T, N, H), scores (S, N, T): one for each query and key of the
same example. Each score is one equation and its derivative. Arguments that do not fit raise
``ValueError`` naming them.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from lib import initializers, validate
from lib.cell import Params

einsum = partial(np.einsum, optimize=True)
"""Sums over the letters that the result lacks: ``s`` query, ``t`` key, ``n`` example."""


class Score(Protocol):
    """How well a query fits a key."""

    def shapes(self) -> Params:
        """Return the shape of each parameter."""

    def init(self, rng: np.random.Generator) -> Params:
        """Draw parameters."""

    def forward(
        self, params: Params, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """Score queries (S, N, Q) against keys (T, N, H): (S, N, T), cache."""

    def backward(
        self, params: Params, cache: Any, dscores: np.ndarray
    ) -> tuple[Params, np.ndarray, np.ndarray]:
        """Carry ``dscores`` (S, N, T) back: gradients of params, queries and keys."""


class NoParams(NamedTuple):
    """Parameters of what has none."""


class ScoreCache(NamedTuple):
    """What a score keeps: its arguments."""

    queries: np.ndarray
    """(S, N, Q)."""
    keys: np.ndarray
    """(T, N, H)."""


@dataclass(frozen=True)
class Dot:
    """e = q·k; query and key are of one size.

    Equations: attention-score-dot.

    Source: Luong, Pham and Manning (2015), section 3.1.
    """

    def shapes(self) -> NoParams:
        """Return no shapes."""
        return NoParams()

    def init(self, rng: np.random.Generator) -> NoParams:
        """Return no parameters."""
        return NoParams()

    def forward(
        self, params: NoParams, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """Compute e (S, N, T) of queries (S, N, Q) and keys (T, N, Q).

        Equations: attention-score-dot.
        """
        _check(self, params, queries, keys)
        return einsum("snq,tnq->snt", queries, keys), ScoreCache(queries, keys)

    def backward(
        self, params: NoParams, cache: Any, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """Compute ∇_q = Σ_t ∇_e k_t and ∇_k = Σ_i ∇_e q_i.

        Equations: attention-score-dot-backward.
        """
        dqueries = einsum("snt,tnq->snq", dscores, cache.keys)
        dkeys = einsum("snt,snq->tnq", dscores, cache.queries)
        return params, dqueries, dkeys


@dataclass(frozen=True)
class ScaledDot(Dot):
    """e = q·k / √n, n being the width of both.

    Equations: attention-score-scaled-dot.

    Source: Vaswani et al. (2017), section 3.2.1.
    """

    def forward(
        self, params: NoParams, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, ScoreCache]:
        """Compute e (S, N, T) of queries (S, N, n) and keys (T, N, n).

        Equations: attention-score-scaled-dot.
        """
        products, cache = super().forward(params, queries, keys)
        return products / keys.shape[2] ** 0.5, cache

    def backward(
        self, params: NoParams, cache: ScoreCache, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """As :meth:`Dot.backward`, over √n."""
        return super().backward(params, cache, dscores / cache.keys.shape[2] ** 0.5)


class Direction(NamedTuple):
    """A vector x as its direction x / ‖x‖ and its length ‖x‖ = peak · rest."""

    unit: np.ndarray
    """Of length 1, or zero."""
    peak: np.ndarray
    """Largest absolute entry: what ‖x‖ is measured in, since squares would overflow."""
    rest: np.ndarray
    """‖x / peak‖, at least 1."""


def direction(xs: np.ndarray) -> Direction:
    """Split vectors (…, n) into direction and length; the zero vector has no direction."""
    peak = np.abs(xs).max(axis=-1, keepdims=True)
    peak = np.where(peak == 0, 1, peak)
    rest = np.linalg.norm(xs / peak, axis=-1, keepdims=True)
    rest = np.where(rest == 0, np.inf, rest)
    return Direction(xs / peak / rest, peak, rest)


def direction_backward(cache: Direction, dunit: np.ndarray) -> np.ndarray:
    """Gradient of the unit vector for x: (I − x̂ x̂ᵀ) ∇_x̂ / ‖x‖.

    Equations: attention-score-cosine-backward.
    """
    unit, peak, rest = cache
    return (dunit - unit * (unit * dunit).sum(axis=-1, keepdims=True)) / rest / peak


class CosineCache(NamedTuple):
    """Directions of queries and keys; ``queries`` and ``keys`` are what is multiplied."""

    query: Direction
    key: Direction

    @property
    def queries(self) -> np.ndarray:
        """Unit vectors (S, N, Q)."""
        return self.query.unit

    @property
    def keys(self) -> np.ndarray:
        """Unit vectors (T, N, Q)."""
        return self.key.unit


@dataclass(frozen=True)
class Cosine(Dot):
    """e = q·k / (‖q‖ ‖k‖): between −1 and 1.

    A zero vector has no direction: its scores, and its gradient, are zero.

    Equations: attention-score-cosine.

    Source: Graves, Wayne and Danihelka (2014), eq. 6.
    """

    def forward(
        self, params: NoParams, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, CosineCache]:
        """Compute e (S, N, T) of queries (S, N, Q) and keys (T, N, Q).

        Equations: attention-score-cosine.
        """
        _check(self, params, queries, keys)
        cache = CosineCache(direction(queries), direction(keys))
        scores, _ = super().forward(params, cache.queries, cache.keys)
        return scores, cache

    def backward(
        self, params: NoParams, cache: CosineCache, dscores: np.ndarray
    ) -> tuple[NoParams, np.ndarray, np.ndarray]:
        """Compute ∇_q = (I − q̂ q̂ᵀ) ∇_q̂ / ‖q‖, and ∇_k likewise.

        Equations: attention-score-cosine-backward.
        """
        _, dqueries, dkeys = super().backward(params, cache, dscores)
        return (
            params,
            direction_backward(cache.query, dqueries),
            direction_backward(cache.key, dkeys),
        )


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

    def shapes(self) -> GeneralParams:
        """Return the shape of W."""
        return GeneralParams((self.query_size, self.key_size))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> GeneralParams:
        """Draw W from U(−1/√H, 1/√H)."""
        return GeneralParams(
            initializers.uniform(rng, (self.query_size, self.key_size), self.key_size)
        )

    def forward(
        self, params: GeneralParams, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, ScoreCache]:
        """Compute e (S, N, T) of queries (S, N, Q) and keys (T, N, H).

        Equations: attention-score-general.
        """
        _check(self, params, queries, keys, self.query_size, self.key_size)
        return einsum("snq,qh,tnh->snt", queries, params.W, keys), ScoreCache(queries, keys)

    def backward(
        self, params: GeneralParams, cache: ScoreCache, dscores: np.ndarray
    ) -> tuple[GeneralParams, np.ndarray, np.ndarray]:
        """Compute ∇_W = Σ ∇_e q kᵀ, ∇_q = Σ_t ∇_e W k_t and ∇_k = Wᵀ Σ_i ∇_e q_i.

        Equations: attention-score-general-backward.
        """
        queries, keys = cache
        dW = einsum("snt,snq,tnh->qh", dscores, queries, keys)
        dqueries = einsum("snt,qh,tnh->snq", dscores, params.W, keys)
        dkeys = einsum("snt,snq,qh->tnh", dscores, queries, params.W)
        return GeneralParams(dW), dqueries, dkeys


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
    keys: np.ndarray
    """(T, N, H)."""
    z: np.ndarray
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

    def shapes(self) -> AdditiveParams:
        """Return the shapes of v, W and U."""
        A, Q, H = self.size, self.query_size, self.key_size
        return AdditiveParams((A,), (A, Q), (A, H))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> AdditiveParams:
        """Draw parameters; [W U] as one matrix of Q + H inputs."""
        A, Q, H = self.size, self.query_size, self.key_size
        return AdditiveParams(
            v=initializers.uniform(rng, (A,), A),
            W=initializers.uniform(rng, (A, Q), Q + H),
            U=initializers.uniform(rng, (A, H), Q + H),
        )

    def forward(
        self, params: AdditiveParams, queries: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, AdditiveCache]:
        """Compute e (S, N, T) of queries (S, N, Q) and keys (T, N, H).

        Equations: attention-score-additive.
        """
        _check(self, params, queries, keys, self.query_size, self.key_size)
        v, W, U = params
        z = np.tanh((queries @ W.T)[:, None] + keys @ U.T)
        return (z @ v).swapaxes(1, 2), AdditiveCache(queries, keys, z)

    def backward(
        self, params: AdditiveParams, cache: AdditiveCache, dscores: np.ndarray
    ) -> tuple[AdditiveParams, np.ndarray, np.ndarray]:
        """Compute δ = (1 − z²) ⊙ v ∇_e; ∇_v, ∇_W, ∇_U, ∇_q = Wᵀ Σ_t δ and ∇_k = Uᵀ Σ_i δ.

        Equations: attention-score-additive-backward.
        """
        v, W, U = params
        queries, keys, z = cache
        de = dscores.swapaxes(1, 2)
        delta = (1 - z**2) * v * de[..., None]
        over_keys, over_queries = delta.sum(axis=1), delta.sum(axis=0)
        dparams = AdditiveParams(
            v=np.tensordot(de, z, axes=3),
            W=einsum("sna,snq->aq", over_keys, queries),
            U=einsum("tna,tnh->ah", over_queries, keys),
        )
        return dparams, over_keys @ W, over_queries @ U


def _check(
    score: Score,
    params: Params,
    queries: np.ndarray,
    keys: np.ndarray,
    query_size: int | None = None,
    key_size: int | str = "H",
) -> None:
    validate.params("params", params, score.shapes())
    _, N, H = validate.floating("keys", keys, ("T", "N", key_size)).shape
    validate.floating("queries", queries, ("S", N, query_size or H))
