"""Chapter 1: a network whose output, not its hidden layer, reaches the next step."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import softmax, softmax_backward
from lib.masks import cover, live_steps


class OutputToHiddenParams(NamedTuple):
    """Parameters of the output→hidden network; gradients have the same type."""

    U: np.ndarray
    """Input to hidden (H, D)."""
    W: np.ndarray
    """Output of the step before to hidden (H, K)."""
    b: np.ndarray
    """Hidden bias (H,)."""
    V: np.ndarray
    """Hidden to output (K, H)."""
    c: np.ndarray
    """Output bias (K,)."""


class OutputState(NamedTuple):
    """All that an output→hidden network remembers."""

    o: np.ndarray
    """Output distribution of the step before (N, K)."""


class OutputToHiddenCache(NamedTuple):
    """What an output→hidden network keeps for its backward pass."""

    xs: np.ndarray
    """Inputs (T, N, D)."""
    previous: np.ndarray
    """What stood for o^(t−1) (T, N, K)."""
    hs: np.ndarray
    """Hidden layers (T, N, H)."""
    os: np.ndarray | None
    """Outputs (T, N, K); ``None`` after teacher forcing."""
    live: np.ndarray
    """True where a step is no padding (T, N)."""


@dataclass(frozen=True)
class OutputToHidden:
    """Many-to-many, output→hidden: a = b + W o' + U x, h = tanh a, s = c + V h, o = softmax s.

    Only the output, K numbers made to match the target, reaches the next step: less
    expressive than hidden→hidden. In return teacher forcing, o' = y', separates the steps.

    :meth:`forward` feeds the network's own outputs (a :class:`lib.cell.Layer` that gives
    logits), :meth:`forward_forced` the targets.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        D, H and K.

    Equations: rnn-output-hidden, rnn-teacher-forcing.

    Source: Jordan (1986); Goodfellow, Bengio and Courville (2016), section 10.2.1.

    Examples
    --------
    >>> network = OutputToHidden(3, 4, 2)
    >>> params = network.init(np.random.default_rng(0))
    >>> logits, state, cache = network.forward(params, np.ones((5, 1, 3)))
    >>> logits.shape
    (5, 1, 2)
    """

    input_size: int
    hidden_size: int
    output_size: int

    causal = True

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "output_size"):
            validate.positive(name, getattr(self, name))

    def init(self, rng: np.random.Generator) -> OutputToHiddenParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        return initializers.uniform_tree(rng, self.shapes(), self.hidden_size)

    def shapes(self) -> OutputToHiddenParams:
        """Return the parameters' shapes."""
        D, H, K = self.input_size, self.hidden_size, self.output_size
        shapes = (H, D), (H, K), (H,), (K, H), (K,)
        return OutputToHiddenParams(*shapes)  # type: ignore[arg-type]

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> OutputState:
        """Return o^(0) = 0 (N, K): there is no output yet."""
        return OutputState(np.zeros((batch_size, self.output_size), dtype))

    def forward(
        self,
        params: OutputToHiddenParams,
        xs: np.ndarray,
        state: OutputState | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, OutputState, OutputToHiddenCache]:
        """Run free over ``xs`` (T, N, D), every output fed back as it is, unsampled.

        Returns logits (T, N, K), zero on padding, the last output, and the cache.

        Equations: rnn-output-hidden.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        validate.params("params", params, self.shapes(), xs.dtype)
        live = live_steps(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), live)
        state = self.initial_state(N, xs.dtype) if state is None else state
        validate.same_tree("state", state, self.initial_state(N), xs.dtype)
        projected = xs @ params.U.T + params.b
        os = np.empty((T + 1, N, self.output_size), xs.dtype)
        hs, logits = np.empty_like(projected), np.empty_like(os[1:])
        os[0] = state.o
        for t in range(T):
            hs[t] = np.tanh(projected[t] + os[t] @ params.W.T)
            logits[t] = hs[t] @ params.V.T + params.c
            os[t + 1] = np.where(live[t][:, None], softmax(logits[t]), os[t])
        cache = OutputToHiddenCache(xs, os[:-1], hs, os[1:], live)
        return cover(logits, live), OutputState(os[T].copy()), cache

    def backward(
        self,
        params: OutputToHiddenParams,
        cache: OutputToHiddenCache,
        dlogits: np.ndarray,
        dstate: OutputState | None = None,
    ) -> tuple[OutputToHiddenParams, np.ndarray, OutputState]:
        """Carry ``dlogits`` (T, N, K) back through the outputs: dparams, dxs, dstate.

        ∇_{s(t)} is the step's own loss plus softmax'(Wᵀ δ^(t+1)).

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit, or the cache is of teacher forcing.

        Equations: rnn-output-hidden-backward.
        """
        if cache.os is None:
            raise ValueError("cache: expected that of forward, got that of forward_forced")
        T, N = cache.live.shape
        shape = T, N, self.output_size
        dlogits = validate.array("dlogits", dlogits, shape, cache.live, cache.hs.dtype)
        validate.params("params", params, self.shapes(), cache.hs.dtype)
        dstate = self.initial_state(N, dlogits.dtype) if dstate is None else dstate
        validate.same_tree("dstate", dstate, self.initial_state(N), dlogits.dtype)
        do, ds, deltas = dstate.o, np.zeros_like(dlogits), np.empty_like(cache.hs)
        for t in reversed(range(T)):
            live = cache.live[t][:, None]
            ds[t] = np.where(live, dlogits[t] + softmax_backward(cache.os[t], do), 0)
            deltas[t] = (1 - cache.hs[t] ** 2) * (ds[t] @ params.V)
            do = np.where(live, deltas[t] @ params.W, do)
        dparams, dxs = self._collect(params, cache, ds, deltas)
        return dparams, dxs, OutputState(do)

    def forward_forced(
        self,
        params: OutputToHiddenParams,
        xs: np.ndarray,
        previous: np.ndarray,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, OutputToHiddenCache]:
        """Compute logits (T, N, K) with targets fed for outputs: all steps at once.

        Parameters
        ----------
        params : OutputToHiddenParams
        xs : array (T, N, D)
        previous : array (T, N, K)
            y^(t−1), one-hot: see :func:`lib.writing.shift` and :func:`lib.data.one_hot`.
        lengths : integers (N,), optional

        Equations: rnn-teacher-forcing.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        validate.params("params", params, self.shapes(), xs.dtype)
        live = live_steps(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), live)
        previous = validate.array("previous", previous, (T, N, self.output_size), live, xs.dtype)
        hs = np.tanh(xs @ params.U.T + previous @ params.W.T + params.b)
        logits = cover(hs @ params.V.T + params.c, live)
        return logits, OutputToHiddenCache(xs, previous, hs, None, live)

    def backward_forced(
        self, params: OutputToHiddenParams, cache: OutputToHiddenCache, dlogits: np.ndarray
    ) -> tuple[OutputToHiddenParams, np.ndarray, np.ndarray]:
        """Carry ``dlogits`` back; no step waits for a later one.

        Returns dparams, dxs (T, N, D) and dprevious (T, N, K).

        Equations: bptt-teacher-forcing.
        """
        shape = *cache.live.shape, self.output_size
        ds = validate.array("dlogits", dlogits, shape, cache.live, cache.hs.dtype)
        validate.params("params", params, self.shapes(), cache.hs.dtype)
        deltas = (1 - cache.hs**2) * (ds @ params.V)
        dparams, dxs = self._collect(params, cache, ds, deltas)
        return dparams, dxs, deltas @ params.W

    def _collect(
        self,
        params: OutputToHiddenParams,
        cache: OutputToHiddenCache,
        ds: np.ndarray,
        deltas: np.ndarray,
    ) -> tuple[OutputToHiddenParams, np.ndarray]:
        """Sum the parameters' gradients over time and batch, and carry ``deltas`` to xs."""
        D, H, K = self.input_size, self.hidden_size, self.output_size
        delta, s = deltas.reshape(-1, H), ds.reshape(-1, K)
        dparams = OutputToHiddenParams(
            U=delta.T @ cache.xs.reshape(-1, D),
            W=delta.T @ cache.previous.reshape(-1, K),
            b=delta.sum(axis=0),
            V=s.T @ cache.hs.reshape(-1, H),
            c=s.sum(axis=0),
        )
        return dparams, deltas @ params.U
