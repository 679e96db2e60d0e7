"""Chapter 1: the output layer, and network modes: many to many, many to one, one to many."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.cell import Layer, State, Wrapper
from lib.masks import cover, live_steps


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

    def shapes(self) -> OutputParams:
        """Return the parameters' shapes."""
        K, H = self.output_size, self.input_size
        return OutputParams(V=(K, H), c=(K,))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> OutputParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        return initializers.uniform_tree(rng, self.shapes(), self.input_size)

    def forward(self, params: OutputParams, hs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the logits (…, K) of states ``hs`` (…, H), and keep ``hs`` as the cache.

        Raises
        ------
        ValueError
            Where ``hs`` does not end in H features.
        """
        validate.array("hs", hs, (*map(str, range(np.ndim(hs) - 1)), self.input_size))
        validate.params("params", params, self.shapes(), hs.dtype)
        return hs @ params.V.T + params.c, hs

    def backward(
        self, params: OutputParams, cache: np.ndarray, dlogits: np.ndarray
    ) -> tuple[OutputParams, np.ndarray]:
        """Carry ``dlogits`` (…, K) back: ∇_V = Σ ∇_s hᵀ, ∇_c = Σ ∇_s, ∇_h = Vᵀ ∇_s (…, H)."""
        validate.array("dlogits", dlogits, (*cache.shape[:-1], self.output_size), dtype=cache.dtype)
        validate.params("params", params, self.shapes(), cache.dtype)
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
class ManyToMany(Wrapper):
    """Many-to-many, hidden→hidden: a recurrent layer and logits at every step.

    It is a :class:`lib.cell.Layer` itself. With ``xs`` the one-hot targets of the step
    before (see :func:`lib.writing.shift`) it is the network of zero-length input, a language model.

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
    >>> from lib.rnn import RNN
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
    def output_size(self) -> int:
        """K."""
        return self.output.output_size

    def init(self, rng: np.random.Generator) -> NetworkParams:
        """Draw both layers' parameters."""
        return NetworkParams(self.layer.init(rng), self.output.init(rng))

    def forward(
        self,
        params: NetworkParams,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, NetworkCache]:
        """Compute logits (T, N, K) of ``xs`` (T, N, D), the last state, and the cache.

        Logits on padding are zero.
        """
        hs, state, cache = self.layer.forward(params.layer, xs, state, lengths)
        logits, hs = self.output.forward(params.output, hs)
        live = live_steps(lengths, *xs.shape[:2])
        return cover(logits, live), state, NetworkCache(cache, hs, live)

    def backward(
        self,
        params: NetworkParams,
        cache: NetworkCache,
        dlogits: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[NetworkParams, np.ndarray, State]:
        """Carry ``dlogits`` (T, N, K) back, ignoring padding: dparams, dxs (T, N, D), dstate.

        Equations: bptt-output-parameters, bptt-hidden.
        """
        dlogits = validate.array(
            "dlogits", dlogits, (*cache.live.shape, self.output_size), cache.live
        )
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
        """Compute logits (N, K) of ``xs`` (T, N, D), the last state, and the cache."""
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
class VectorInput(Wrapper):
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
    >>> from lib.rnn import RNN
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

    def init(self, rng: np.random.Generator) -> VectorInputParams:
        """Draw parameters; those of the initial state from U(−1/√X, 1/√X)."""
        layer, P, p = self.layer.init(rng), None, None
        if self.as_initial_state:
            H, X = self.layer.initial_state(1).h.shape[1], self.vector_size
            P, p = initializers.uniform(rng, (H, X), X), initializers.uniform(rng, (H,), X)
        return VectorInputParams(layer, P, p)

    def _check_params(self, params: VectorInputParams, dtype: Any) -> None:
        """Check P and p; the layer checks its own."""
        H, X = self.layer.output_size, self.vector_size
        P, p = ((H, X), (H,)) if self.as_initial_state else (None, None)
        validate.params("params.P", params.P, P, dtype)
        validate.params("params.p", params.p, p, dtype)

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

        Equations: rnn-vector-every-step, rnn-vector-initial-state.
        """
        T, N, _ = validate.array("xs", xs, ("T", "N", self.input_size)).shape
        self._check_params(params, xs.dtype)
        state = self.initial_state(N, xs.dtype) if state is None else state
        if not isinstance(state, VectorState):
            raise ValueError(f"state: expected VectorState, got {type(state).__name__}")
        x = validate.array("state.vector", state.vector, (N, self.vector_size), dtype=xs.dtype)
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
