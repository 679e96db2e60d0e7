"""Chapter 1: the Elman cell, h = f(U x + W h' + b), its output layer and network modes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import ACTIVATIONS, softmax, softmax_backward
from lib.cell import HoistedCell, Layer, State
from lib.data import one_hot as one_hot


class RNNParams(NamedTuple):
    """Parameters of an Elman cell; gradients have the same type."""

    U: np.ndarray
    """Input to hidden (H, D)."""
    W: np.ndarray
    """Hidden to hidden (H, H)."""
    b: np.ndarray
    """Bias (H,)."""


class RNNState(NamedTuple):
    """State of an Elman cell."""

    h: np.ndarray
    """Hidden state (N, H)."""


class RNNCache(NamedTuple):
    """What an Elman step keeps for its backward pass."""

    h_prev: np.ndarray
    """State before the step (N, H)."""
    h: np.ndarray
    """State after the step (N, H)."""


@dataclass(frozen=True)
class RNN(HoistedCell):
    """Elman cell: a = b + W h' + U x, h = f(a).

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Raises
    ------
    ValueError
        Where a size is below 1 or the activation unknown.

    Equations: rnn-preactivation, rnn-state.

    Source: Elman (1990); Goodfellow, Bengio and Courville (2016), eq. 10.8–10.9.

    Examples
    --------
    >>> cell = RNN(input_size=3, hidden_size=4)
    >>> params = cell.init(np.random.default_rng(0))
    >>> state, cache = cell.step(params, np.ones((2, 3)), cell.initial_state(2))
    >>> state.h.shape
    (2, 4)
    """

    input_size: int
    hidden_size: int
    activation: str = "tanh"

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)
        validate.choice("activation", self.activation, list(ACTIVATIONS))

    def init(self, rng: np.random.Generator) -> RNNParams:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does."""
        H, D = self.hidden_size, self.input_size
        return RNNParams(
            U=initializers.uniform(rng, (H, D), H),
            W=initializers.uniform(rng, (H, H), H),
            b=initializers.uniform(rng, (H,), H),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> RNNState:
        """Return h = 0 (N, H)."""
        return RNNState(np.zeros((batch_size, self.hidden_size), dtype))

    def project(self, params: RNNParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, H)."""
        projected = xs.reshape(-1, self.input_size) @ params.U.T
        projected += params.b
        return projected.reshape(*xs.shape[:-1], self.hidden_size)

    def advance(
        self, params: RNNParams, projected: np.ndarray, state: RNNState
    ) -> tuple[RNNState, RNNCache]:
        """Compute h = f(projected + W h').

        Equations: rnn-preactivation, rnn-state.
        """
        a = projected
        a += state.h @ params.W.T
        h = ACTIVATIONS[self.activation].forward(a, out=a)
        return RNNState(h), RNNCache(h_prev=state.h, h=h)

    def retreat(
        self, params: RNNParams, cache: RNNCache, dstate: RNNState, out: np.ndarray
    ) -> tuple[np.ndarray, RNNState]:
        """Compute δ = f'(a) ⊙ ∇_h and ∇_{h'} = Wᵀ δ.

        Equations: bptt-delta, bptt-hidden.
        """
        delta = ACTIVATIONS[self.activation].backward(cache.h, dstate.h, out=out)
        return delta, RNNState(delta @ params.W)

    def collect(
        self,
        params: RNNParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[RNNCache],
    ) -> tuple[RNNParams, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h'ᵀ, ∇_b = Σ δ over time and batch; ∇_x = Uᵀ δ.

        Equations: bptt-parameters, bptt-input.
        """
        h_prev = np.concatenate([cache.h_prev for cache in caches])
        flat = deltas.reshape(-1, self.hidden_size)
        dparams = RNNParams(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=flat.T @ h_prev,
            b=flat.sum(axis=0),
        )
        return dparams, (flat @ params.U).reshape(xs.shape)


def live_steps(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    """Mark the steps (T, N) that are no padding: t < length, or all without lengths."""
    lengths = validate.lengths(lengths, steps, batch)
    ends = np.full(batch, steps) if lengths is None else lengths
    return np.arange(steps)[:, None] < ends


def shift(tokens: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Make the inputs x^(t) = y^(t−1) of targets (T, N, …), the first being ``seed`` (N, …).

    Raises
    ------
    ValueError
        Where the seed is not shaped as one step.

    Equations: rnn-feedback.
    """
    seed = np.asarray(seed)
    validate.shape("seed", seed, np.shape(tokens)[1:])
    return np.concatenate([seed[None], tokens[:-1]])


class OutputParams(NamedTuple):
    """Parameters of an output layer."""

    V: np.ndarray
    """Hidden to output (K, H)."""
    c: np.ndarray
    """Bias (K,)."""


@dataclass(frozen=True)
class Output:
    """Output layer: logits s = c + V h, the same at every step.

    Parameters
    ----------
    input_size, output_size : int
        H and K.

    Equations: rnn-logits, bptt-output-parameters, bptt-hidden-last.

    Source: Goodfellow, Bengio and Courville (2016), eq. 10.10.

    Examples
    --------
    >>> output = Output(input_size=4, output_size=2)
    >>> logits, cache = output.forward(output.init(np.random.default_rng(0)), np.ones((5, 3, 4)))
    >>> logits.shape
    (5, 3, 2)
    """

    input_size: int
    output_size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("output_size", self.output_size)

    def init(self, rng: np.random.Generator) -> OutputParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        K, H = self.output_size, self.input_size
        return OutputParams(
            V=initializers.uniform(rng, (K, H), H), c=initializers.uniform(rng, (K,), H)
        )

    def forward(self, params: OutputParams, hs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the logits (…, K) of states ``hs`` (…, H), and keep ``hs`` as the cache.

        Raises
        ------
        ValueError
            Where ``hs`` does not end in H features.
        """
        validate.array("hs", hs, (*map(str, range(hs.ndim - 1)), self.input_size))
        return hs @ params.V.T + params.c, hs

    def backward(
        self, params: OutputParams, cache: np.ndarray, dlogits: np.ndarray
    ) -> tuple[OutputParams, np.ndarray]:
        """Carry ``dlogits`` (…, K) back: ∇_V = Σ ∇_s hᵀ, ∇_c = Σ ∇_s, ∇_h = Vᵀ ∇_s (…, H).

        Raises
        ------
        ValueError
            Where ``dlogits`` does not fit.
        """
        validate.array("dlogits", dlogits, (*cache.shape[:-1], self.output_size))
        flat = dlogits.reshape(-1, self.output_size)
        dV = flat.T @ cache.reshape(-1, self.input_size)
        return OutputParams(V=dV, c=flat.sum(axis=0)), dlogits @ params.V


class NetworkParams(NamedTuple):
    """Parameters of a layer with an output layer on top."""

    layer: Any
    """The recurrent layer's parameters."""
    output: OutputParams
    """The output layer's."""


class NetworkCache(NamedTuple):
    """What a network keeps for its backward pass."""

    layer: Any
    """The recurrent layer's cache."""
    hs: np.ndarray
    """What the output layer read: (T, N, H), or (N, H) where it reads the last step."""
    live: np.ndarray
    """True where a step is no padding (T, N)."""


@dataclass(frozen=True)
class ManyToMany:
    """Many-to-many, hidden→hidden: a recurrent layer and logits at every step.

    It is a :class:`lib.cell.Layer` itself. With ``xs`` the one-hot targets of the step
    before (see :func:`shift`) it is the network of zero-length input, a language model.

    Parameters
    ----------
    layer : Layer
    output : Output

    Raises
    ------
    ValueError
        Where the output layer does not take what the layer gives.

    Equations: rnn-logits, rnn-feedback.

    Examples
    --------
    >>> from lib.bptt import Recurrent
    >>> network = ManyToMany(Recurrent(RNN(3, 4)), Output(4, 2))
    >>> params = network.init(np.random.default_rng(0))
    >>> logits, state, cache = network.forward(params, np.ones((5, 1, 3)))
    >>> logits.shape
    (5, 1, 2)
    """

    layer: Layer
    output: Output

    def __post_init__(self) -> None:
        if self.output.input_size != self.layer.output_size:
            raise ValueError(
                f"output: expected input_size {self.layer.output_size}, as the layer gives, "
                f"got {self.output.input_size}"
            )

    @property
    def input_size(self) -> int:
        """D."""
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        """K."""
        return self.output.output_size

    def init(self, rng: np.random.Generator) -> NetworkParams:
        """Draw both layers' parameters."""
        return NetworkParams(self.layer.init(rng), self.output.init(rng))

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the layer's zero state."""
        return self.layer.initial_state(batch_size, dtype)

    def forward(
        self,
        params: NetworkParams,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, NetworkCache]:
        """Compute logits (T, N, K) of ``xs`` (T, N, D), the last state, and the cache.

        Logits on padding are zero.

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.
        """
        hs, state, cache = self.layer.forward(params.layer, xs, state, lengths)
        logits, hs = self.output.forward(params.output, hs)
        live = live_steps(lengths, *xs.shape[:2])
        return np.where(live[..., None], logits, 0), state, NetworkCache(cache, hs, live)

    def backward(
        self,
        params: NetworkParams,
        cache: NetworkCache,
        dlogits: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[NetworkParams, np.ndarray, State]:
        """Carry ``dlogits`` (T, N, K) back, ignoring padding: dparams, dxs (T, N, D), dstate.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bptt-output-parameters, bptt-hidden.
        """
        validate.array("dlogits", dlogits, (*cache.live.shape, self.output_size))
        dlogits = np.where(cache.live[..., None], dlogits, 0)
        doutput, dhs = self.output.backward(params.output, cache.hs, dlogits)
        dlayer, dxs, dstate = self.layer.backward(params.layer, cache.layer, dhs, dstate)
        return NetworkParams(dlayer, doutput), dxs, dstate


@dataclass(frozen=True)
class ManyToOne(ManyToMany):
    """Many-to-one: logits from each sequence's last step alone.

    Parameters and the rest are those of :class:`ManyToMany`; it is no ``Layer``, since its
    logits are (N, K).

    Equations: rnn-many-to-one.
    """

    def forward(
        self,
        params: NetworkParams,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, NetworkCache]:
        """Compute logits (N, K) of ``xs`` (T, N, D), the last state, and the cache.

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.
        """
        hs, state, cache = self.layer.forward(params.layer, xs, state, lengths)
        live = live_steps(lengths, *xs.shape[:2])
        logits, last = self.output.forward(params.output, hs[_last(live)])
        return logits, state, NetworkCache(cache, last, live)

    def backward(
        self,
        params: NetworkParams,
        cache: NetworkCache,
        dlogits: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[NetworkParams, np.ndarray, State]:
        """Carry ``dlogits`` (N, K) back: dparams, dxs (T, N, D), dstate.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: rnn-many-to-one-backward.
        """
        doutput, dlast = self.output.backward(params.output, cache.hs, dlogits)
        dhs = np.zeros((*cache.live.shape, self.output.input_size), dlast.dtype)
        dhs[_last(cache.live)] = dlast
        dlayer, dxs, dstate = self.layer.backward(params.layer, cache.layer, dhs, dstate)
        return NetworkParams(dlayer, doutput), dxs, dstate


def _last(live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index the last step of every row, given the true steps (T, N)."""
    return live.sum(axis=0) - 1, np.arange(live.shape[1])


class VectorInputParams(NamedTuple):
    """Parameters of a layer that is given one vector."""

    layer: Any
    """The layer's own; its U is ``[U | R]``, the vector's weights R being the last X columns
    where the vector is fed at every step."""
    P: np.ndarray | None
    """Vector to initial state (H, X), or ``None`` where it is not."""
    p: np.ndarray | None
    """Bias of the initial state (H,), or ``None``."""


class VectorState(NamedTuple):
    """The vector, which stays, and the layer's state, which moves."""

    vector: np.ndarray
    """One vector for each sequence (N, X)."""
    inner: Any
    """The layer's state; ``None`` before the first step."""


class VectorInputCache(NamedTuple):
    """What a layer given one vector keeps for its backward pass."""

    layer: Any
    """The layer's cache."""
    state: VectorState
    """The state that the pass started from."""


@dataclass(frozen=True)
class VectorInput:
    """One-to-many: one vector x for a whole sequence, as for the caption of an image.

    Fed at every step, a = b + W h' + U y' + R x; as the initial state, h^(0) = p + P x;
    or both. It is a :class:`lib.cell.Layer` over the outputs y' fed back; the vector travels
    in the state, ``layer.start(x)``.

    Parameters
    ----------
    layer : Layer
        Its ``input_size`` counts the vector where that is fed at every step. Where the vector
        makes the initial state, the layer's state needs a field ``h``.
    vector_size : int
        X.
    every_step, as_initial_state : bool

    Raises
    ------
    ValueError
        Where both are false, a size does not fit, or the state has no ``h``.

    Equations: rnn-vector-every-step, rnn-vector-initial-state.

    Source: Goodfellow, Bengio and Courville (2016), section 10.2.4.

    Examples
    --------
    >>> from lib.bptt import Recurrent
    >>> layer = VectorInput(Recurrent(RNN(5 + 2, 4)), vector_size=2)
    >>> params = layer.init(np.random.default_rng(0))
    >>> ys, state, cache = layer.forward(params, np.ones((3, 1, 5)), layer.start(np.ones((1, 2))))
    >>> ys.shape
    (3, 1, 4)
    """

    layer: Layer
    vector_size: int
    every_step: bool = True
    as_initial_state: bool = False

    def __post_init__(self) -> None:
        validate.positive("vector_size", self.vector_size)
        if not (self.every_step or self.as_initial_state):
            raise ValueError("every_step, as_initial_state: expected at least one, got neither")
        if self.input_size < 1:
            raise ValueError(
                f"layer: expected input_size above vector_size {self.vector_size}, "
                f"got {self.layer.input_size}"
            )
        if self.as_initial_state and not hasattr(self.layer.initial_state(1), "h"):
            raise ValueError("layer: expected a state with a field h to set, got none")

    @property
    def input_size(self) -> int:
        """Size of y', what is fed beside the vector."""
        return self.layer.input_size - self.vector_size * self.every_step

    @property
    def output_size(self) -> int:
        """H."""
        return self.layer.output_size

    def init(self, rng: np.random.Generator) -> VectorInputParams:
        """Draw parameters; those of the initial state from U(−1/√X, 1/√X)."""
        layer, P, p = self.layer.init(rng), None, None
        if self.as_initial_state:
            H, X = self.layer.initial_state(1).h.shape[1], self.vector_size
            P, p = initializers.uniform(rng, (H, X), X), initializers.uniform(rng, (H,), X)
        return VectorInputParams(layer, P, p)

    def start(self, vector: np.ndarray) -> VectorState:
        """Make the state before the first step from the vectors (N, X)."""
        return VectorState(validate.array("vector", vector, ("N", self.vector_size)), None)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> VectorState:
        """Return the start from a vector of zeros."""
        return self.start(np.zeros((batch_size, self.vector_size), dtype))

    def forward(
        self,
        params: VectorInputParams,
        xs: np.ndarray,
        state: VectorState | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, VectorState, VectorInputCache]:
        """Run the layer over ``xs`` (T, N, D) from ``start(x)`` or a later state.

        Returns outputs (T, N, H), the last state, and the cache.

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.

        Equations: rnn-vector-every-step, rnn-vector-initial-state.
        """
        T, N, _ = validate.array("xs", xs, ("T", "N", self.input_size)).shape
        state = self.initial_state(N, xs.dtype) if state is None else state
        x = validate.array("state.vector", state.vector, (N, self.vector_size))
        inner = state.inner
        if inner is None:
            inner = self.layer.initial_state(N, xs.dtype)
            if params.P is not None:
                inner = inner._replace(h=x @ params.P.T + params.p)
        if self.every_step:
            xs = np.concatenate([xs, np.broadcast_to(x, (T, *x.shape))], axis=-1)
        ys, inner, cache = self.layer.forward(params.layer, xs, inner, lengths)
        return ys, VectorState(x, inner), VectorInputCache(cache, state)

    def backward(
        self,
        params: VectorInputParams,
        cache: VectorInputCache,
        dys: np.ndarray,
        dstate: VectorState | None = None,
    ) -> tuple[VectorInputParams, np.ndarray, VectorState]:
        """Carry ``dys`` (T, N, H) back; the vector's gradient is ``dstate.vector`` (N, X).

        ∇_x = Σ_t Rᵀ δ + Pᵀ ∇_{h(0)}, ∇_P = ∇_{h(0)} xᵀ, ∇_p = ∇_{h(0)}.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: rnn-vector-backward.
        """
        x, inner = cache.state
        dx, dinner = (np.zeros_like(x), None) if dstate is None else dstate
        dlayer, dxs, dinner = self.layer.backward(params.layer, cache.layer, dys, dinner)
        dP = dp = None
        if self.every_step:
            dx = dx + dxs[..., self.input_size :].sum(axis=0)
            dxs = np.ascontiguousarray(dxs[..., : self.input_size])
        if params.P is not None:
            dh0 = dinner.h if inner is None else np.zeros_like(dinner.h)
            dP, dp, dx = dh0.T @ x, dh0.sum(axis=0), dx + dh0 @ params.P
        dstate = VectorState(dx, None if inner is None else dinner)
        return VectorInputParams(dlayer, dP, dp), dxs, dstate


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

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "output_size"):
            validate.positive(name, getattr(self, name))

    def init(self, rng: np.random.Generator) -> OutputToHiddenParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        D, H, K = self.input_size, self.hidden_size, self.output_size
        shapes = ((H, D), (H, K), (H,), (K, H), (K,))
        return OutputToHiddenParams(*(initializers.uniform(rng, shape, H) for shape in shapes))

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

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.

        Equations: rnn-output-hidden.
        """
        T, N, _ = validate.array("xs", xs, ("T", "N", self.input_size)).shape
        live = live_steps(lengths, T, N)
        state = self.initial_state(N, xs.dtype) if state is None else state
        validate.same_tree("state", state, self.initial_state(N))
        projected = xs @ params.U.T + params.b
        os = np.empty((T + 1, N, self.output_size), xs.dtype)
        hs, logits = np.empty_like(projected), np.empty_like(os[1:])
        os[0] = state.o
        for t in range(T):
            hs[t] = np.tanh(projected[t] + os[t] @ params.W.T)
            logits[t] = hs[t] @ params.V.T + params.c
            os[t + 1] = np.where(live[t][:, None], softmax(logits[t]), os[t])
        cache = OutputToHiddenCache(xs, os[:-1], hs, os[1:], live)
        return np.where(live[..., None], logits, 0), OutputState(os[T].copy()), cache

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
        validate.array("dlogits", dlogits, (T, N, self.output_size))
        dstate = self.initial_state(N, dlogits.dtype) if dstate is None else dstate
        validate.same_tree("dstate", dstate, self.initial_state(N))
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
            y^(t−1), one-hot: see :func:`shift` and :func:`lib.data.one_hot`.
        lengths : integers (N,), optional

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.

        Equations: rnn-teacher-forcing.
        """
        T, N, _ = validate.array("xs", xs, ("T", "N", self.input_size)).shape
        validate.array("previous", previous, (T, N, self.output_size))
        live = live_steps(lengths, T, N)
        hs = np.tanh(xs @ params.U.T + previous @ params.W.T + params.b)
        logits = np.where(live[..., None], hs @ params.V.T + params.c, 0)
        return logits, OutputToHiddenCache(xs, previous, hs, None, live)

    def backward_forced(
        self, params: OutputToHiddenParams, cache: OutputToHiddenCache, dlogits: np.ndarray
    ) -> tuple[OutputToHiddenParams, np.ndarray, np.ndarray]:
        """Carry ``dlogits`` back; no step waits for a later one.

        Returns dparams, dxs (T, N, D) and dprevious (T, N, K).

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bptt-teacher-forcing.
        """
        validate.array("dlogits", dlogits, (*cache.live.shape, self.output_size))
        ds = np.where(cache.live[..., None], dlogits, 0)
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


def sample(logits: np.ndarray, rng: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
    """Draw classes (N,) from softmax(s / temperature), s (N, K); 0 takes the largest logit.

    Raises
    ------
    ValueError
        Where logits are not (N, K), or the temperature is negative or no number.

    Equations: rnn-temperature.
    """
    validate.array("logits", logits, ("N", "K"))
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature: expected a number of at least 0, got {temperature}")
    if temperature == 0:
        return logits.argmax(axis=-1)
    cumulative = softmax((logits - logits.max(axis=-1, keepdims=True)) / temperature).cumsum(-1)
    draws = rng.random((len(logits), 1)) * cumulative[:, -1:]
    return (cumulative <= draws).sum(axis=-1).clip(max=logits.shape[1] - 1)


def generate(
    network: Layer,
    params: Any,
    seed: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    end: int | None = None,
    state: State | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Write sequences: each output, drawn, is the next input.

    Parameters
    ----------
    network : Layer
        From one-hot inputs to logits, both of K classes: a :class:`ManyToMany`, with a
        :class:`VectorInput` in it for one-to-many.
    params : its parameters
    seed : integers (N,)
        y^(0), the first input.
    steps : int
        The longest sequence written.
    rng : Generator
    temperature : float
        See :func:`sample`.
    end : int, optional
        The end symbol: a row is over once it is drawn, and filled up with it.
    state : optional
        Where to start, for instance ``layer.start(vector)``.

    Returns
    -------
    tokens : integers (T, N)
        T is ``steps``, or less where all rows are over earlier.
    lengths : integers (N,)
        Tokens of each row, the end symbol included.

    Raises
    ------
    ValueError
        Where a size does not fit or a token is no class.

    Equations: rnn-feedback, rnn-temperature.
    """
    validate.positive("steps", steps)
    if network.input_size != network.output_size:
        raise ValueError(
            f"network: expected as many outputs as inputs, got {network.output_size} "
            f"and {network.input_size}"
        )
    token = validate.integers("seed", seed, ("N",), 0, network.output_size - 1)
    if end is not None:
        validate.integers("end", np.asarray(end), (), 0, network.output_size - 1)
    lengths, over = np.zeros(len(token), int), np.zeros(len(token), bool)
    written: list[np.ndarray] = []
    while len(written) < steps and not over.all():
        logits, state, _ = network.forward(
            params, one_hot(token[None], network.input_size), state, None
        )
        drawn = sample(logits[0], rng, temperature)
        token = drawn if end is None else np.where(over, end, drawn)
        lengths += ~over
        over |= token == end
        written.append(token)
    return np.stack(written), lengths
