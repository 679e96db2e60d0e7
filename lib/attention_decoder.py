"""Chapter 10: a decoder that looks at all of the encoder's outputs at every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.attention import AttendCache, Attention, Dot, Prepared, spread
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State
from lib.dense import Affine
from lib.encoder_decoder import (
    EncoderDecoder,
    Memory,
    Writer,
    bridge,
    bridge_backward,
    bridge_init,
    hidden,
    hidden_backward,
)
from lib.losses import length_mask


class AttentionDecoderParams(NamedTuple):
    """Parameters of :class:`AttentionDecoder`."""

    bridge: Affine
    """From C to the initial state."""
    attention: Params
    decoder: Params
    """The decoder layer's own."""


class AttentionDecoderCache(NamedTuple):
    """What :meth:`AttentionDecoder.forward` keeps."""

    memory: Memory
    prepared: Prepared
    state: State
    """Initial state."""
    steps: Sequence[tuple[AttendCache, Any, State]]
    """Of each step: attention's cache, the layer's, and the state before."""
    weights: np.ndarray
    """α (T_y, N, T_x): the alignment."""
    live: np.ndarray | None
    """1 where i < length, else 0 (T_y, N, 1)."""


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

    Raises
    ------
    ValueError
        Where the context vector leaves no room for the token.

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

    def begin(self, params: AttentionDecoderParams, memory: Memory) -> tuple[Prepared, State]:
        """Prepare the keys, once for all steps, and the state before the first."""
        hs = memory.hs
        prepared = self.attention.prepare(params.attention, hs, hs, memory.lengths)  # type: ignore[arg-type]
        like = self.decoder.initial_state(len(memory.context), memory.context.dtype)
        return prepared, bridge(params.bridge, memory.context, like)

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

        Raises
        ------
        ValueError
            Where a shape does not fit.

        Equations: attention-decoder.
        """
        N = validate.array("memory.context", memory.context, ("N", self.context_size)).shape[0]
        validate.array("memory.hs", memory.hs, ("T", N, self.memory_size))  # type: ignore[arg-type]
        T = validate.array("inputs", inputs, ("T", N, self.token_size)).shape[0]
        lengths = validate.lengths(lengths, T, N)
        layer = as_layer(self.decoder)
        prepared, initial = self.begin(params, memory)
        state, steps = initial, []
        hs = np.empty((T, N, self.output_size), inputs.dtype)
        for i in range(T):
            context, attend = self.attention.attend(params.attention, hidden(state)[None], prepared)
            x = np.concatenate([inputs[i : i + 1], context], axis=2)
            before = state
            hs[i : i + 1], state, cache = layer.forward(params.decoder, x, before)
            steps.append((attend, cache, before))
        live = None
        if lengths is not None:
            live = length_mask(lengths, T)[..., None].astype(hs.dtype)
            hs *= live
        weights = np.concatenate([attend.weights for attend, _, _ in steps])
        return hs, AttentionDecoderCache(memory, prepared, initial, steps, weights, live)

    def backward(
        self, params: AttentionDecoderParams, cache: AttentionDecoderCache, dhs: np.ndarray
    ) -> tuple[AttentionDecoderParams, Memory, np.ndarray]:
        """Carry ``dhs`` (T_y, N, H) back through decoder and attention to the memory.

        The state before a step is reached on two ways: through the cell, and through the
        query that it was.

        Returns
        -------
        dparams, dmemory, dinputs (T_y, N, D)

        Raises
        ------
        ValueError
            Where the shape of ``dhs`` does not fit.

        Equations: attention-decoder-backward.
        """
        T, N = len(cache.steps), len(cache.memory.context)
        validate.array("dhs", dhs, (T, N, self.output_size))
        dhs = dhs if cache.live is None else dhs * cache.live
        layer = as_layer(self.decoder)
        dattention = tree.zeros_like(params.attention)
        ddecoder = tree.zeros_like(params.decoder)
        dkeys = np.zeros_like(cache.prepared.keys)
        dxs = np.empty((T, N, self.decoder.input_size), dhs.dtype)
        dcontexts = dxs[..., self.token_size :]
        dstate = tree.zeros_like(cache.state)
        for i in reversed(range(T)):
            attend, step, before = cache.steps[i]
            more, dxs[i : i + 1], dstate = layer.backward(
                params.decoder, step, dhs[i : i + 1], dstate
            )
            tree.add_into(ddecoder, more)
            d = self.attention.attend_backward(params.attention, attend, dcontexts[i : i + 1])
            tree.add_into(dattention, d.params)
            dkeys += d.keys
            dstate = tree.add(dstate, hidden_backward(before, d.queries[0]))
        more, draw = self.attention.prepare_backward(params.attention, cache.prepared, dkeys)
        tree.add_into(dattention, more)
        dbridge, dcontext = bridge_backward(
            params.bridge, cache.memory.context, cache.state, dstate
        )
        dparams = AttentionDecoderParams(dbridge, dattention, ddecoder)
        dmemory = Memory(draw + spread(cache.weights, dcontexts), dcontext)
        return dparams, dmemory, dxs[..., : self.token_size]

    def step(
        self, params: AttentionDecoderParams, prepared: Prepared, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Write one step from ``x`` (N, D): output (N, H) and the new state."""
        context, _ = self.attention.attend(params.attention, hidden(state)[None], prepared)
        joined = np.concatenate([x[None], context], axis=2)
        hs, state, _ = as_layer(self.decoder).forward(params.decoder, joined, state)
        return hs[0], state


@dataclass(frozen=True)
class AttentionEncoderDecoder(EncoderDecoder):
    """Encoder–decoder with attention; all but the writer as in chapter 9.

    Parameters
    ----------
    encoder, decoder, source_size, target_size, ending, end, max_length
        As :class:`lib.encoder_decoder.EncoderDecoder`; the decoder's ``input_size`` is the
        width of the target's embedding, plus that of the encoder's outputs, plus 1 with
        ``ending="length"``.
    context : {"initial_state"}
        C gives the initial state; c_i comes at every step.
    attention : Attention

    Raises
    ------
    ValueError
        Where an option or the decoder's ``input_size`` does not fit.

    Equations: attention-decoder.

    Source: Bahdanau, Cho and Bengio (2015).

    Examples
    --------
    >>> from lib.attention import Additive
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
        live = cache.writer.live
        return cache.writer.weights if live is None else cache.writer.weights * live
