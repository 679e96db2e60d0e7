"""Chapter 10: attention without recurrence: queries, keys and values, several heads, positions.

Arguments that do not fit raise ``ValueError`` naming them; what no query may see may be
anything.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.attention import Attention, AttentionCache, causal_mask, check_mask, store
from lib.cell import Params, State
from lib.dense import Affine, affine, affine_backward, affine_init
from lib.masks import live_steps
from lib.scores import NoParams, ScaledDot, Score, einsum


class ProjectedParams(NamedTuple):
    """Parameters of :class:`ProjectedAttention`."""

    WQ: np.ndarray
    """Of queries (K, Q)."""
    WK: np.ndarray
    """Of keys (K, M)."""
    WV: np.ndarray
    """Of values (K, M)."""
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

    def shapes(self) -> ProjectedParams:
        """Return the shape of each parameter."""
        K, Q, M = self.size, self.query_size, self.memory_size
        return ProjectedParams((K, Q), (K, M), (K, M), self.score.shapes())  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> ProjectedParams:
        """Draw parameters."""
        K, Q, M = self.size, self.query_size, self.memory_size
        return ProjectedParams(
            WQ=initializers.uniform(rng, (K, Q), Q),
            WK=initializers.uniform(rng, (K, M), M),
            WV=initializers.uniform(rng, (K, M), M),
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

        Equations: attention-queries-keys-values.
        """
        validate.params("params", params, self.shapes())
        _, N, _ = validate.array("queries", queries, ("S", "N", self.query_size)).shape
        validate.floating("memory", memory, ("T", N, self.memory_size))
        m, _, mask, _ = store(memory, memory, lengths, mask, ("memory", "memory"))
        q, k, v = queries @ params.WQ.T, m @ params.WK.T, m @ params.WV.T
        ys, weights, cache = Attention(self.score).forward(params.score, q, k, v, mask=mask)
        return ys, weights, ProjectedCache(queries, m, cache)

    def backward(
        self,
        params: ProjectedParams,
        cache: ProjectedCache,
        dys: np.ndarray,
    ) -> tuple[ProjectedParams, np.ndarray, np.ndarray]:
        """Carry ``dys`` (S, N, K) back: gradients of params, ``queries`` and ``memory``.

        Equations: attention-queries-keys-values-backward.
        """
        dscore, dq, dk, dv = Attention(self.score).backward(params.score, cache.attention, dys)
        dparams = ProjectedParams(
            WQ=einsum("snk,snq->kq", dq, cache.queries),
            WK=einsum("tnk,tnm->km", dk, cache.memory),
            WV=einsum("tnk,tnm->km", dv, cache.memory),
            score=dscore,
        )
        return dparams, dq @ params.WQ, dk @ params.WK + dv @ params.WV


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

    def shapes(self) -> MultiHeadParams:
        """Return the shape of each parameter."""
        Q, M = self.query_size, self.memory_size
        return MultiHeadParams(*(Affine((Q, inputs), (Q,)) for inputs in (Q, M, M, Q)))  # type: ignore[arg-type]

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
        validate.params("params", params, self.shapes())
        S, N, _ = validate.array("queries", queries, ("S", "N", self.query_size)).shape
        T, _, _ = validate.floating("memory", memory, ("T", N, self.memory_size)).shape
        memory, _, mask, _ = store(memory, memory, lengths, mask, ("memory", "memory"))
        if mask is not None:
            mask = np.repeat(np.broadcast_to(check_mask(mask, (S, N, T)), (S, N, T)), self.heads, 1)
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
    live: np.ndarray
    """True where t < length (T, N, 1)."""


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

        Equations: attention-self, attention-causal-mask.
        """
        T, N, _ = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        live = live_steps(lengths, T, N)[..., None]
        xs = validate.finite("xs", xs, xs.shape, live[..., 0])
        mask = causal_mask(T) if self.causal else None
        ys, weights, inner = self.attention.forward(params, xs, xs, lengths, mask)
        return np.where(live, ys, 0), (), SelfAttentionCache(inner, weights, live)

    def backward(
        self,
        params: Params,
        cache: SelfAttentionCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dys`` (T, N, K) back: gradients of params and ``xs``, no state.

        Equations: attention-self-backward.
        """
        validate.array("dys", dys, (*cache.live.shape[:2], self.output_size))
        dys = np.where(cache.live, dys, 0)
        dparams, dqueries, dmemory = self.attention.backward(params, cache.inner, dys)
        return dparams, dqueries + dmemory, ()


def positions(steps: int, size: int) -> np.ndarray:
    """Sines and cosines (T, D) of each step at D/2 frequencies, to be added to the input.

    Parameters
    ----------
    steps, size : int
        T and D.

    Equations: attention-positions.

    Source: Vaswani et al. (2017), section 3.5.
    """
    validate.positive("steps", steps)
    validate.positive("size", size)
    features = np.arange(size)
    angles = np.arange(steps)[:, None] / 10000.0 ** (features // 2 * 2 / size)
    return np.where(features % 2 == 0, np.sin(angles), np.cos(angles))
