"""Chapter 9, the output side: where a decoder meets what the encoder left.

A *writer* stands between encoder and decoder: :class:`ContextDecoder` hands the decoder one
fixed context; ``lib.attention_decoder`` has a writer that looks at all of the encoder's
outputs. The context is every ``h`` of the encoder's state; a bridge makes the decoder's
``h`` and ``c`` from it. Arguments that do not fit raise ``ValueError`` naming them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from lib import initializers, tree, validate
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State, require_causal

CONTEXTS = ("every_step", "initial_state", "both")
HIDDEN = ("h",)
BRIDGED = ("h", "c")


def _map_fields(
    function: Callable[[np.ndarray], np.ndarray], state: State, names: tuple[str, ...]
) -> State:
    """Put ``function`` of them in the place of a state's fields of these names, at any depth."""
    if not isinstance(state, tuple):
        return state
    fields = getattr(state, "_fields", (None,) * len(state))
    children = [
        function(child) if field in names else _map_fields(function, child, names)
        for field, child in zip(fields, state, strict=True)
    ]
    return tree.rebuild(state, children)


def _side_by_side(state: State, names: tuple[str, ...]) -> np.ndarray:
    """Join the fields of these names: (N, sum of widths)."""
    found: list[np.ndarray] = []

    def note(leaf: np.ndarray) -> np.ndarray:
        found.append(leaf)
        return leaf

    _map_fields(note, state, names)
    return np.concatenate(found, axis=1)


def _cut(state: State, values: np.ndarray, names: tuple[str, ...]) -> State:
    """Undo :func:`_side_by_side`: ``values`` in these fields, the others as in ``state``."""
    start = 0

    def take(leaf: np.ndarray) -> np.ndarray:
        nonlocal start
        start += leaf.shape[1]
        return values[:, start - leaf.shape[1] : start]

    return _map_fields(take, state, names)


def hidden(state: State) -> np.ndarray:
    """Put every ``h`` of a state side by side: (N, C).

    The cell's own h for a cell; both directions', or all layers', where the state
    is nested.

    Equations: encoder-decoder-context.
    """
    return _side_by_side(state, HIDDEN)


def hidden_backward(state: State, dhidden: np.ndarray) -> State:
    """Gradient of :func:`hidden`: ``dhidden`` (N, C) cut up; zero where no h is."""
    return _cut(tree.zeros_like(state), dhidden, HIDDEN)


class Bridge(NamedTuple):
    """Parameters of the map from a context to a state."""

    P: np.ndarray
    """(every h and c of the state side by side, C)."""
    p: np.ndarray
    """Bias, as many as P has rows."""


def bridge_shapes(context_size: int, decoder: Cell | Layer) -> Bridge:
    """Return the shapes of a bridge's parameters."""
    width = _side_by_side(decoder.initial_state(1), BRIDGED).shape[1]
    return Bridge((width, context_size), (width,))  # type: ignore[arg-type]


def bridge_init(rng: np.random.Generator, context_size: int, decoder: Cell | Layer) -> Bridge:
    """Draw P and p from U(−1/√C, 1/√C)."""
    P, p = bridge_shapes(context_size, decoder)
    return Bridge(
        initializers.uniform(rng, P, context_size),  # type: ignore[arg-type]
        initializers.uniform(rng, p, context_size),  # type: ignore[arg-type]
    )


def bridge(params: Bridge, context: np.ndarray, like: State) -> State:
    """Turn a context (N, C) into a state of another size: s_0 = tanh(p + P C).

    Parameters
    ----------
    params : Bridge
    context : array (N, C)
    like : state
        Gives the fields and their widths; what is neither h nor c is taken from it.

    Equations: encoder-decoder-initial-state.
    """
    return _cut(like, np.tanh(context @ params.P.T + params.p), BRIDGED)


def bridge_backward(
    params: Bridge, context: np.ndarray, state: State, dstate: State
) -> tuple[Bridge, np.ndarray]:
    """Gradients of :func:`bridge` from its result: of its parameters and of ``context``.

    Equations: encoder-decoder-bridge-backward.
    """
    s, ds = _side_by_side(state, BRIDGED), _side_by_side(dstate, BRIDGED)
    epsilon = (1 - s**2) * ds
    return Bridge(epsilon.T @ context, epsilon.sum(axis=0)), epsilon @ params.P


class Memory(NamedTuple):
    """What an encoder leaves for the writer; its gradient, where ``None`` means zero."""

    hs: np.ndarray | None
    """Outputs (T_x, N, H_x)."""
    context: np.ndarray
    """C (N, C)."""
    lengths: np.ndarray | None = None
    """Source lengths (N,)."""


class Writer(Protocol):
    """The place where a decoder meets the encoder's memory; :class:`ContextDecoder` is one."""

    @property
    def output_size(self) -> int: ...
    @property
    def token_size(self) -> int: ...
    def init(self, rng: np.random.Generator) -> Params: ...
    def forward(
        self, params: Params, memory: Memory, inputs: np.ndarray, lengths: np.ndarray | None
    ) -> tuple[np.ndarray, Any]: ...
    def backward(
        self, params: Params, cache: Any, dhs: np.ndarray
    ) -> tuple[Params, Memory, np.ndarray]: ...
    def begin(self, params: Params, memory: Memory) -> tuple[Any, State]: ...
    def step(
        self, params: Params, prepared: Any, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]: ...


class ContextDecoderParams(NamedTuple):
    """Parameters of :class:`ContextDecoder`."""

    bridge: Bridge | None
    """From C to the initial state; ``None`` with ``context="every_step"``."""
    decoder: Params
    """The decoder layer's own."""


class ContextDecoderCache(NamedTuple):
    """What :meth:`ContextDecoder.forward` keeps."""

    context: np.ndarray
    """C (N, C)."""
    state: State
    """Initial state."""
    layer: Any
    """The decoder layer's cache."""


@dataclass(frozen=True)
class ContextDecoder:
    """Writer that gives a decoder one context C, at every step, as initial state, or both.

    Parameters
    ----------
    decoder : causal Layer or Cell
        Its ``input_size`` is the token's width, plus C's where every step gets C.
    context_size : int
        Width of C.
    context : {"every_step", "initial_state", "both"}

    Equations: encoder-decoder-every-step, encoder-decoder-initial-state.

    Source: Cho et al. (2014); Sutskever, Vinyals and Le (2014).
    """

    decoder: Cell | Layer
    context_size: int
    context: str = "both"

    def __post_init__(self) -> None:
        validate.positive("context_size", self.context_size)
        validate.choice("context", self.context, CONTEXTS)
        require_causal("decoder", as_layer(self.decoder))
        if self.token_size < 1:
            raise ValueError(
                f"decoder: expected input_size above {self.context_size}, the context's width, "
                f"got {self.decoder.input_size}"
            )

    @property
    def output_size(self) -> int:
        """H."""
        return as_layer(self.decoder).output_size

    @property
    def fed(self) -> bool:
        """Whether every step reads C."""
        return self.context != "initial_state"

    @property
    def bridged(self) -> bool:
        """Whether the initial state is made from C."""
        return self.context != "every_step"

    @property
    def token_size(self) -> int:
        """Width of the decoder's input without C."""
        return self.decoder.input_size - (self.context_size if self.fed else 0)

    def init(self, rng: np.random.Generator) -> ContextDecoderParams:
        """Draw parameters."""
        return ContextDecoderParams(
            bridge=bridge_init(rng, self.context_size, self.decoder) if self.bridged else None,
            decoder=self.decoder.init(rng),
        )

    def begin(self, params: ContextDecoderParams, memory: Memory) -> tuple[np.ndarray, State]:
        """Return the context and the state before the first step.

        Equations: encoder-decoder-initial-state.
        """
        shapes = bridge_shapes(self.context_size, self.decoder) if self.bridged else None
        validate.params("params.bridge", params.bridge, shapes)
        C = memory.context
        state = self.decoder.initial_state(len(C), C.dtype)
        return C, state if params.bridge is None else bridge(params.bridge, C, state)

    def forward(
        self,
        params: ContextDecoderParams,
        memory: Memory,
        inputs: np.ndarray,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, ContextDecoderCache]:
        """Write with given inputs (teacher forcing).

        Parameters
        ----------
        params : ContextDecoderParams
        memory : Memory
        inputs : array (T_y, N, D)
        lengths : integers (N,), optional

        Returns
        -------
        hs : array (T_y, N, H)
            Zero beyond a length.
        cache : ContextDecoderCache

        Equations: encoder-decoder-every-step, encoder-decoder-initial-state.
        """
        N, _ = validate.array("memory.context", memory.context, ("N", self.context_size)).shape
        validate.array("inputs", inputs, ("T", N, self.token_size))
        C, state = self.begin(params, memory)
        xs = self._join(inputs, C)
        hs, _, cache = as_layer(self.decoder).forward(params.decoder, xs, state, lengths)
        return hs, ContextDecoderCache(C, state, cache)

    def backward(
        self, params: ContextDecoderParams, cache: ContextDecoderCache, dhs: np.ndarray
    ) -> tuple[ContextDecoderParams, Memory, np.ndarray]:
        """Carry ``dhs`` (T_y, N, H) back through the decoder to the context.

        Returns
        -------
        dparams, dmemory, dinputs (T_y, N, D)

        Equations: encoder-decoder-context-backward, encoder-decoder-bridge-backward.
        """
        C, state, layer = cache
        ddecoder, dxs, dstate = as_layer(self.decoder).backward(params.decoder, layer, dhs)
        dinputs, dfed = np.split(dxs, [self.token_size], axis=2)
        dC = dfed.sum(axis=0) if self.fed else np.zeros_like(C)
        dbridge = None
        if params.bridge is not None:
            dbridge, dstart = bridge_backward(params.bridge, C, state, dstate)
            dC = dC + dstart
        return ContextDecoderParams(dbridge, ddecoder), Memory(None, dC), dinputs

    def step(
        self, params: ContextDecoderParams, prepared: np.ndarray, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Write one step from ``x`` (N, D): output (N, H) and the new state."""
        xs = self._join(x[None], prepared)
        hs, state, _ = as_layer(self.decoder).forward(params.decoder, xs, state)
        return hs[0], state

    def _join(self, inputs: np.ndarray, C: np.ndarray) -> np.ndarray:
        if not self.fed:
            return inputs
        return np.concatenate([inputs, np.broadcast_to(C, (len(inputs), *C.shape))], axis=2)
