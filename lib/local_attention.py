"""Chapter 10: local attention, a Gaussian window at a place that the query predicts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import sigmoid, softmax_backward
from lib.attention import AttendCache, Attention, Store, masked_softmax
from lib.cell import Params
from lib.scores import einsum


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
    z: np.ndarray
    """tanh(W q) (S, N, A)."""
    fraction: np.ndarray
    """ς = σ(v·z) (S, N)."""
    distance: np.ndarray
    """t − p (S, N, T)."""
    gauss: np.ndarray
    """g = exp(−(t − p)² / 2σ²) (S, N, T)."""
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
        if validate.positive_number("width", self.width) < 1:
            raise ValueError(f"width: expected a number of at least 1, got {self.width!r}")

    def shapes(self) -> LocalParams:
        """Return the shape of each parameter."""
        A, Q = self.size, self.query_size
        return LocalParams(self.score.shapes(), v=(A,), W=(A, Q))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> LocalParams:
        """Draw parameters."""
        return LocalParams(
            score=self.score.init(rng),
            v=initializers.uniform(rng, (self.size,), self.size),
            W=initializers.uniform(rng, (self.size, self.query_size), self.query_size),
        )

    def attend(
        self, params: LocalParams, queries: np.ndarray, into: Store
    ) -> tuple[np.ndarray, AttendCache]:
        """Compute the contexts (S, N, V) of queries (S, N, Q).

        Equations: attention-local-position, attention-local-window.
        """
        validate.params("params", params, self.shapes())
        validate.array("queries", queries, ("S", len(into.lengths), self.query_size))
        z = np.tanh(queries @ params.W.T)
        fraction = sigmoid(z @ params.v)
        place = into.lengths.astype(queries.dtype) * fraction
        steps = np.arange(1, len(into.keys) + 1, dtype=queries.dtype)
        distance = steps - place[..., None]
        gauss = np.exp(-2 * (distance / float(self.width)) ** 2)
        scores, cache = self.score.forward(params.score, queries, into.keys)
        if self.form == "luong":
            near = np.abs(distance) <= self.width
            other = masked_softmax(scores, near if into.mask is None else near & into.mask)
            weights = other * gauss
        else:
            other = scores
            weights = masked_softmax(scores * gauss, into.mask)
        window = WindowCache(queries, z, fraction, distance, gauss, other)
        context = einsum("snt,tnv->snv", weights, into.values)
        return context, AttendCache(into, weights, cache, window)

    def attend_backward(
        self,
        params: LocalParams,
        cache: AttendCache,
        dcontext: np.ndarray,
        dweights: np.ndarray | float = 0.0,
    ) -> tuple[LocalParams, np.ndarray, np.ndarray]:
        """Carry ``dcontext`` back, through the window's place too.

        The window's two ends are steps: the gradient is that between the jumps.

        Equations: attention-local-backward.
        """
        into, weights, score, window = cache
        queries, z, fraction, distance, gauss, other = window
        dalpha = einsum("snv,tnv->snt", dcontext, into.values) + dweights
        if self.form == "luong":
            dgauss = dalpha * other
            dscores = softmax_backward(other, dalpha * gauss)
        else:
            dproduct = softmax_backward(weights, dalpha)
            dgauss = dproduct * other
            dscores = dproduct * gauss
        dscore, dqueries, dkeys = self.score.backward(params.score, score, dscores)
        dplace = (dgauss * gauss * distance).sum(axis=-1) * (4 / float(self.width) ** 2)
        epsilon = dplace * into.lengths.astype(dplace.dtype) * fraction * (1 - fraction)
        da = epsilon[..., None] * params.v * (1 - z**2)
        dparams = LocalParams(
            score=dscore,
            v=einsum("sn,sna->a", epsilon, z),
            W=einsum("sna,snq->aq", da, queries),
        )
        return dparams, dqueries + da @ params.W, dkeys
