"""Chapter 10: local attention, a Gaussian window at a place that the query predicts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import initializers, tree, validate
from lib.activations import sigmoid, softmax_backward, tanh_backward
from lib.attention import (
    AttendCache,
    Attended,
    Attention,
    Prepared,
    dot_products,
    masked_softmax,
    weighted_sum,
)
from lib.cell import Params


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
        """As :meth:`lib.attention.Attention.prepare`."""
        return super().prepare(params.score, keys, values, lengths, mask)

    def prepare_backward(
        self, params: LocalParams, prepared: Prepared, dkeys: np.ndarray
    ) -> tuple[LocalParams, np.ndarray]:
        """As :meth:`lib.attention.Attention.prepare_backward`."""
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
