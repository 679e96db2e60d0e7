"""Chapter 10: a decoder that looks at all of the encoder's outputs at every step.

Arguments that do not fit raise ``ValueError`` naming them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.attention import AttendCache, Attention, Store, store, values_backward
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State, require_causal
from lib.encoder_decoder import EncoderDecoder
from lib.masks import live_steps
from lib.scores import Dot
from lib.writer import (
    Bridge,
    Memory,
    Writer,
    bridge,
    bridge_backward,
    bridge_init,
    bridge_shapes,
    hidden,
    hidden_backward,
)


class AttentionDecoderParams(NamedTuple):
    """Parameters of :class:`AttentionDecoder`."""

    bridge: Bridge
    """From C to the initial state."""
    attention: Params
    decoder: Params
    """The decoder layer's own."""


class AttentionDecoderCache(NamedTuple):
    """What :meth:`AttentionDecoder.forward` keeps."""

    context: np.ndarray
    """C (N, C)."""
    store: Store
    """Keys and values: the encoder's outputs."""
    state: State
    """Initial state."""
    steps: Sequence[tuple[AttendCache, Any, State]]
    """Of each step: attention's cache, the layer's, and the state before."""
    weights: np.ndarray
    """α (T_y, N, T_x): the alignment; zero beyond a target's length."""
    live: np.ndarray
    """True where i < length (T_y, N, 1)."""


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
        require_causal("decoder", as_layer(self.decoder))
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

    def begin(self, params: AttentionDecoderParams, memory: Memory) -> tuple[Store, State]:
        """Return what is looked at, and the state before the first step."""
        C = validate.array("memory.context", memory.context, ("N", self.context_size))
        hs = validate.array("memory.hs", memory.hs, ("T", len(C), self.memory_size))  # type: ignore[arg-type]
        shapes = bridge_shapes(self.context_size, self.decoder)
        validate.params("params.bridge", params.bridge, shapes)
        state = bridge(params.bridge, C, self.decoder.initial_state(len(C), C.dtype))
        return store(hs, hs, memory.lengths, names=("memory.hs", "memory.hs")), state

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

        Equations: attention-decoder.
        """
        seen, initial = self.begin(params, memory)
        N = len(memory.context)
        T, _, _ = validate.array("inputs", inputs, ("T", N, self.token_size)).shape
        layer, state = as_layer(self.decoder), initial
        hs, steps = [], []
        for y in inputs:
            before = state
            c, attend = self.attention.attend(params.attention, hidden(before)[None], seen)
            x = np.concatenate([y[None], c], axis=2)
            h, state, cache = layer.forward(params.decoder, x, before)
            hs.append(h)
            steps.append((attend, cache, before))
        live = live_steps(lengths, T, N)[..., None]
        weights = np.concatenate([attend.weights for attend, _, _ in steps])
        out = np.where(live, np.concatenate(hs), 0)
        alpha = np.where(live, weights, 0)
        return out, AttentionDecoderCache(memory.context, seen, initial, steps, alpha, live)

    def backward(
        self, params: AttentionDecoderParams, cache: AttentionDecoderCache, dhs: np.ndarray
    ) -> tuple[AttentionDecoderParams, Memory, np.ndarray]:
        """Carry ``dhs`` (T_y, N, H) back through decoder and attention to the memory.

        The state before a step is reached on two ways: through the cell, and through the
        query that it was.

        Returns
        -------
        dparams, dmemory, dinputs (T_y, N, D)

        Equations: attention-decoder-backward.
        """
        T, N, _ = cache.live.shape
        validate.array("dhs", dhs, (T, N, self.output_size))
        dhs = np.where(cache.live, dhs, 0)
        layer = as_layer(self.decoder)
        dattention = tree.zeros_like(params.attention)
        ddecoder = tree.zeros_like(params.decoder)
        dkeys = np.zeros_like(cache.store.keys)
        dxs = np.empty((T, N, self.decoder.input_size), dhs.dtype)
        dinputs, dcontexts = np.split(dxs, [self.token_size], axis=2)
        dstate = tree.zeros_like(cache.state)
        for i in reversed(range(T)):
            attend, step, before = cache.steps[i]
            dcell, dxs[i : i + 1], dstate = layer.backward(
                params.decoder, step, dhs[i : i + 1], dstate
            )
            dscore, dquery, more = self.attention.attend_backward(
                params.attention, attend, dcontexts[i : i + 1]
            )
            tree.add_into(ddecoder, dcell)
            tree.add_into(dattention, dscore)
            dkeys += more
            dstate = tree.add(dstate, hidden_backward(before, dquery[0]))
        dmemory = dkeys + values_backward(cache.weights, dcontexts)
        dbridge, dC = bridge_backward(params.bridge, cache.context, cache.state, dstate)
        dparams = AttentionDecoderParams(dbridge, dattention, ddecoder)
        return dparams, Memory(dmemory, dC), dinputs

    def step(
        self, params: AttentionDecoderParams, prepared: Store, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Write one step from ``x`` (N, D): output (N, H) and the new state."""
        c, _ = self.attention.attend(params.attention, hidden(state)[None], prepared)
        joined = np.concatenate([x[None], c], axis=2)
        hs, state, _ = as_layer(self.decoder).forward(params.decoder, joined, state)
        return hs[0], state


@dataclass(frozen=True)
class AttentionEncoderDecoder(EncoderDecoder):
    """Encoder–decoder with attention; all but the writer as in chapter 9.

    Parameters
    ----------
    encoder, decoder, source_size, target_size, ending
        As :class:`lib.encoder_decoder.EncoderDecoder`; the decoder's ``input_size`` is the
        width of the target's embedding, plus that of the encoder's outputs, plus the ending's.
    context : {"initial_state"}
        C gives the initial state; c_i comes at every step.
    attention : Attention

    Equations: attention-decoder.

    Source: Bahdanau, Cho and Bengio (2015).

    Examples
    --------
    >>> from lib.scores import Additive
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
        return cache.writer.weights
