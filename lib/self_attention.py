"""Chapter 10: attention without recurrence: queries, keys and values, several heads, positions."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.attention import (
    Attention,
    AttentionCache,
    NoParams,
    ScaledDot,
    Score,
    causal_mask,
    check_mask,
    key_mask,
)
from lib.cell import Params, State
from lib.dense import Affine, affine, affine_backward, affine_init
from lib.losses import length_mask


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
