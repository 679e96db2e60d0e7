"""Chapter 9: encoder–decoder: read one sequence into a context, write another from it.

:class:`EncoderDecoder` joins an encoder (any layer or cell) and a decoder (any causal
layer or cell) of independent sizes. What stands between them is a *writer*:
:class:`ContextDecoder` hands the decoder one fixed context; ``lib.attention_decoder``
has a writer that looks at all of the encoder's outputs, and reuses everything else here.
``lib.search`` writes with a model through ``begin``, ``step`` and ``endings``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from lib import tree, validate
from lib.activations import tanh_backward
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State
from lib.dense import Affine, affine, affine_backward, affine_init, embed, embed_backward
from lib.endings import ENDINGS, Predictions, log_stopping, loss

CONTEXTS = ("every_step", "initial_state", "both")


def gather(state: State, fields: Sequence[str]) -> np.ndarray:
    """Put a state's leaves of these names side by side: (N, sum of widths)."""
    leaves = [leaf for name, leaf in tree.named_leaves(state) if _field(name) in fields]
    return np.concatenate(leaves, axis=1)


def scatter(state: State, values: np.ndarray, fields: Sequence[str]) -> State:
    """Undo :func:`gather`: ``values`` (N, …) in these leaves, the others as in ``state``."""
    leaves, start = [], 0
    for name, leaf in tree.named_leaves(state):
        if _field(name) in fields:
            leaves.append(values[:, start : start + leaf.shape[1]])
            start += leaf.shape[1]
        else:
            leaves.append(leaf)
    remaining = iter(leaves)
    return tree.tree_map(lambda leaf: next(remaining), state)


def _field(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def hidden(state: State) -> np.ndarray:
    """Put every ``h`` of a state side by side: (N, C).

    The cell's own h for a cell; both directions', or all layers', where the state
    is nested.

    Equations: encoder-decoder-context.
    """
    return gather(state, "h")


def hidden_backward(state: State, dhidden: np.ndarray) -> State:
    """Gradient of :func:`hidden`: ``dhidden`` (N, C) cut up; zero where no h is."""
    return scatter(tree.zeros_like(state), dhidden, "h")


def bridge(params: Affine, context: np.ndarray, like: State) -> State:
    """Turn a context (N, C) into a state of another size: s_0 = tanh(W C + b).

    Parameters
    ----------
    params : Affine
        W (every h and c of the state side by side, C).
    context : array (N, C)
    like : state
        Gives the fields and their widths; what is neither h nor c is taken from it.

    Equations: encoder-decoder-initial-state.
    """
    return scatter(like, np.tanh(affine(params, context)), "hc")


def bridge_backward(
    params: Affine, context: np.ndarray, state: State, dstate: State
) -> tuple[Affine, np.ndarray]:
    """Gradients of :func:`bridge` from its result: of its parameters and of ``context``.

    Equations: encoder-decoder-bridge-backward.
    """
    dvalue = tanh_backward(gather(state, "hc"), gather(dstate, "hc"))
    return affine_backward(params, context, dvalue)


def bridge_init(rng: np.random.Generator, context_size: int, decoder: Cell | Layer) -> Affine:
    """Draw a bridge's parameters from a context to a decoder's state."""
    width = gather(decoder.initial_state(1), "hc").shape[1]
    return affine_init(rng, context_size, width)


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

    bridge: Affine | None
    """From C to the initial state; ``None`` with ``context="every_step"``."""
    decoder: Params
    """The decoder layer's own."""


class ContextDecoderCache(NamedTuple):
    """What :meth:`ContextDecoder.forward` keeps."""

    memory: Memory
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

    Raises
    ------
    ValueError
        Where the context is none of these, or leaves no room for the token.

    Equations: encoder-decoder-every-step, encoder-decoder-initial-state.

    Source: Cho et al. (2014); Sutskever, Vinyals and Le (2014).
    """

    decoder: Cell | Layer
    context_size: int
    context: str = "both"

    def __post_init__(self) -> None:
        validate.positive("context_size", self.context_size)
        validate.choice("context", self.context, CONTEXTS)
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
    def token_size(self) -> int:
        """Width of the decoder's input without C."""
        fed = self.context != "initial_state"
        return self.decoder.input_size - (self.context_size if fed else 0)

    def init(self, rng: np.random.Generator) -> ContextDecoderParams:
        """Draw parameters."""
        bridged = self.context != "every_step"
        return ContextDecoderParams(
            bridge=bridge_init(rng, self.context_size, self.decoder) if bridged else None,
            decoder=self.decoder.init(rng),
        )

    def begin(self, params: ContextDecoderParams, memory: Memory) -> tuple[Memory, State]:
        """Return the memory and the state before the first step.

        Equations: encoder-decoder-initial-state.
        """
        N = len(memory.context)
        state = self.decoder.initial_state(N, memory.context.dtype)
        if params.bridge is not None:
            state = bridge(params.bridge, memory.context, state)
        return memory, state

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

        Raises
        ------
        ValueError
            Where a shape does not fit.

        Equations: encoder-decoder-every-step, encoder-decoder-initial-state.
        """
        N = validate.array("memory.context", memory.context, ("N", self.context_size)).shape[0]
        validate.array("inputs", inputs, ("T", N, self.token_size))
        _, state = self.begin(params, memory)
        hs, _, cache = as_layer(self.decoder).forward(
            params.decoder, self._join(inputs, memory.context), state, lengths
        )
        return hs, ContextDecoderCache(memory, state, cache)

    def backward(
        self, params: ContextDecoderParams, cache: ContextDecoderCache, dhs: np.ndarray
    ) -> tuple[ContextDecoderParams, Memory, np.ndarray]:
        """Carry ``dhs`` (T_y, N, H) back through the decoder to the context.

        Returns
        -------
        dparams, dmemory, dinputs (T_y, N, D)

        Equations: encoder-decoder-context-backward, encoder-decoder-bridge-backward.
        """
        ddecoder, dxs, dstate = as_layer(self.decoder).backward(params.decoder, cache.layer, dhs)
        dcontext = np.zeros_like(cache.memory.context)
        if self.context != "initial_state":
            dcontext += dxs[..., self.token_size :].sum(axis=0)
        dbridge = None
        if params.bridge is not None:
            dbridge, more = bridge_backward(
                params.bridge, cache.memory.context, cache.state, dstate
            )
            dcontext += more
        dparams = ContextDecoderParams(dbridge, ddecoder)
        return dparams, Memory(None, dcontext), dxs[..., : self.token_size]

    def step(
        self, params: ContextDecoderParams, prepared: Memory, x: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Write one step from ``x`` (N, D): output (N, H) and the new state."""
        xs = self._join(x[None], prepared.context)
        hs, state, _ = as_layer(self.decoder).forward(params.decoder, xs, state)
        return hs[0], state

    def _join(self, inputs: np.ndarray, context: np.ndarray) -> np.ndarray:
        if self.context == "initial_state":
            return inputs
        repeated = np.broadcast_to(context, (len(inputs), *context.shape))
        return np.concatenate([inputs, repeated], axis=-1)


class EncoderDecoderParams(NamedTuple):
    """Parameters of an :class:`EncoderDecoder`; gradients have the same type."""

    source: np.ndarray
    """Embedding of the source's symbols (K_x, D_x)."""
    encoder: Params
    """The encoder layer's own."""
    target: np.ndarray
    """Embedding of the target's symbols (K_y + 1, D_y); the last row is the start symbol."""
    writer: Params
    """The writer's: bridge, decoder layer."""
    output: Affine
    """Output layer (K_y, H)."""
    ending: Affine | None
    """Stop unit (1, H), or length (L, C)."""


class EncodeCache(NamedTuple):
    """What :meth:`EncoderDecoder.encode` keeps."""

    sources: np.ndarray
    """Symbols read (T_x, N)."""
    hs: np.ndarray
    """Outputs (T_x, N, H_x)."""
    state: State
    """Last state."""
    layer: Any
    """The encoder layer's cache."""


class EncoderDecoderCache(NamedTuple):
    """What :meth:`EncoderDecoder.forward` keeps."""

    encode: EncodeCache
    """The encoder's."""
    context: np.ndarray
    """C (N, C)."""
    previous: np.ndarray
    """Symbols that the decoder read (T_y, N)."""
    writer: Any
    """The writer's cache."""
    hs: np.ndarray
    """The decoder's outputs (T_y, N, H)."""


@dataclass(frozen=True)
class EncoderDecoder:
    """Two recurrent networks trained as one to maximise log p(y | x), lengths unequal.

    Parameters
    ----------
    encoder : Layer or Cell
        Its ``input_size`` is the width of the source's embedding.
    decoder : causal Layer or Cell
        Its ``input_size`` is the width of the target's embedding, plus the context's
        (``context_size``) where every step gets it, plus 1 with ``ending="length"``.
    source_size, target_size : int
        Numbers of symbols K_x and K_y, the end symbol included.
    context : {"every_step", "initial_state", "both"}
        How the decoder gets C.
    ending : {"symbol", "stop", "length"}
        By the symbol ``end``; by a sigmoid unit at every step; or by predicting the
        length τ ≤ ``max_length`` first, p(y) = p(τ) p(y | τ), each step being told the
        part (τ − i + 1) / ``max_length`` that is left.
    end : int
    max_length : int, optional

    Raises
    ------
    ValueError
        Where a size, an option or the decoder's ``input_size`` does not fit.

    Equations: encoder-decoder-embedding, encoder-decoder-context, encoder-decoder-output.

    Source: Cho et al. (2014); Sutskever, Vinyals and Le (2014); Goodfellow, Bengio and
    Courville (2016), sections 10.2.3 and 10.4.

    Examples
    --------
    >>> from lib.rnn import RNN
    >>> model = EncoderDecoder(RNN(4, 8), RNN(5 + 8, 6), source_size=10, target_size=7)
    >>> params = model.init(np.random.default_rng(0))
    >>> sources, targets = np.zeros((9, 2), int), np.ones((3, 2), int)
    >>> model.forward(params, sources, targets)[0].tokens.shape
    (3, 2, 7)
    """

    encoder: Cell | Layer
    decoder: Cell | Layer
    source_size: int
    target_size: int
    context: str = "both"
    ending: str = "symbol"
    end: int = 0
    max_length: int | None = None

    def __post_init__(self) -> None:
        validate.positive("source_size", self.source_size)
        validate.positive("target_size", self.target_size)
        validate.choice("ending", self.ending, ENDINGS)
        validate.integers("end", np.asarray(self.end), (), 0, self.target_size - 1)
        if self.ending == "length":
            validate.positive("max_length", self.max_length)  # type: ignore[arg-type]
        if self.embedding_size < 1:
            raise ValueError(
                f"decoder: expected input_size with room for the target's embedding, "
                f"got {self.decoder.input_size}"
            )

    @property
    def context_size(self) -> int:
        """Width of C: of every ``h`` in the encoder's state."""
        return hidden(self.encoder.initial_state(1)).shape[1]

    @property
    def embedding_size(self) -> int:
        """Width of the target's embedding."""
        return self.writer.token_size - (self.ending == "length")

    @property
    def start(self) -> int:
        """The start symbol, which is read and never written."""
        return self.target_size

    @property
    def writer(self) -> Writer:
        """What stands between the encoder's memory and the decoder."""
        return ContextDecoder(self.decoder, self.context_size, self.context)

    def init(self, rng: np.random.Generator) -> EncoderDecoderParams:
        """Draw parameters; embeddings from a standard normal distribution."""
        H = self.writer.output_size
        ending = None
        if self.ending == "stop":
            ending = affine_init(rng, H, 1)
        elif self.max_length is not None and self.ending == "length":
            ending = affine_init(rng, self.context_size, self.max_length)
        return EncoderDecoderParams(
            source=rng.standard_normal((self.source_size, self.encoder.input_size)),
            encoder=self.encoder.init(rng),
            target=rng.standard_normal((self.target_size + 1, self.embedding_size)),
            writer=self.writer.init(rng),
            output=affine_init(rng, H, self.target_size),
            ending=ending,
        )

    def encode(
        self, params: EncoderDecoderParams, sources: np.ndarray, lengths: np.ndarray | None = None
    ) -> tuple[Memory, EncodeCache]:
        """Read ``sources``, integers (T_x, N), of ``lengths`` (N,) where padded.

        Raises
        ------
        ValueError
            Where a symbol, a shape or a length does not fit.

        Equations: encoder-decoder-embedding, encoder-decoder-context.
        """
        sources = validate.integers("sources", sources, ("T", "N"), 0, self.source_size - 1)
        hs, state, cache = as_layer(self.encoder).forward(
            params.encoder, embed(params.source, sources), None, lengths
        )
        return Memory(hs, hidden(state), lengths), EncodeCache(sources, hs, state, cache)

    def encode_backward(
        self, params: EncoderDecoderParams, cache: EncodeCache, dmemory: Memory
    ) -> tuple[np.ndarray, Params]:
        """Carry the memory's gradient back: gradients of ``source`` and ``encoder``.

        Equations: encoder-decoder-context-backward.
        """
        dhs = np.zeros_like(cache.hs) if dmemory.hs is None else dmemory.hs
        dstate = hidden_backward(cache.state, dmemory.context)
        dencoder, dxs, _ = as_layer(self.encoder).backward(params.encoder, cache.layer, dhs, dstate)
        return embed_backward(params.source, cache.sources, dxs), dencoder

    def forward(
        self,
        params: EncoderDecoderParams,
        sources: np.ndarray,
        targets: np.ndarray,
        source_lengths: np.ndarray | None = None,
        target_lengths: np.ndarray | None = None,
    ) -> tuple[Predictions, EncoderDecoderCache]:
        """Predict each target symbol from those before it (teacher forcing).

        Parameters
        ----------
        params : EncoderDecoderParams
        sources : integers (T_x, N)
        targets : integers (T_y, N)
            Shifted by one step here: the decoder reads the start symbol first and
            never reads the last target.
        source_lengths, target_lengths : integers (N,), optional

        Returns
        -------
        predictions : Predictions
        cache : EncoderDecoderCache

        Raises
        ------
        ValueError
            Where a symbol, a shape or a length does not fit.

        Equations: encoder-decoder-teacher-forcing, encoder-decoder-output.
        """
        memory, encode_cache = self.encode(params, sources, source_lengths)
        N = len(memory.context)
        targets = validate.integers("targets", targets, ("T", N), 0, self.target_size - 1)
        T = len(targets)
        target_lengths = validate.lengths(target_lengths, T, N)
        previous = np.concatenate([np.full((1, N), self.start), targets[:-1]])
        remaining = None
        if self.ending == "length":
            lengths = np.full(N, T) if target_lengths is None else target_lengths
            remaining = lengths - np.arange(T)[:, None]
        inputs = self._inputs(params, previous, remaining)
        hs, writer_cache = self.writer.forward(params.writer, memory, inputs, target_lengths)
        predictions = self._read_out(params, hs, memory.context)
        return predictions, EncoderDecoderCache(
            encode_cache, memory.context, previous, writer_cache, hs
        )

    def backward(
        self, params: EncoderDecoderParams, cache: EncoderDecoderCache, dpredictions: Predictions
    ) -> EncoderDecoderParams:
        """Carry the logits' gradient back through decoder, bridge and encoder.

        Parameters
        ----------
        params : EncoderDecoderParams
        cache : EncoderDecoderCache
        dpredictions : Predictions

        Returns
        -------
        dparams : EncoderDecoderParams

        Raises
        ------
        ValueError
            Where a shape does not fit.

        Equations: encoder-decoder-output-backward, encoder-decoder-context-backward.
        """
        K = self.target_size
        validate.array("dpredictions.tokens", dpredictions.tokens, (*cache.hs.shape[:2], K))
        doutput, dhs = affine_backward(params.output, cache.hs, dpredictions.tokens)
        dending = dcontext = None
        if params.ending is not None and dpredictions.stop is not None:
            dending, more = affine_backward(params.ending, cache.hs, dpredictions.stop[..., None])
            dhs += more
        if params.ending is not None and dpredictions.length is not None:
            dending, dcontext = affine_backward(params.ending, cache.context, dpredictions.length)
        dwriter, dmemory, dinputs = self.writer.backward(params.writer, cache.writer, dhs)
        if dcontext is not None:
            dmemory = dmemory._replace(context=dmemory.context + dcontext)
        dtarget = embed_backward(params.target, cache.previous, dinputs[..., : self.embedding_size])
        dsource, dencoder = self.encode_backward(params, cache.encode, dmemory)
        return EncoderDecoderParams(dsource, dencoder, dtarget, dwriter, doutput, dending)

    def loss_and_gradient(
        self,
        params: EncoderDecoderParams,
        sources: np.ndarray,
        targets: np.ndarray,
        source_lengths: np.ndarray | None = None,
        target_lengths: np.ndarray | None = None,
    ) -> tuple[float, EncoderDecoderParams]:
        """One training step: forward, :func:`lib.endings.loss`, backward.

        Arguments as ``forward``.

        Returns
        -------
        loss : float
        dparams : EncoderDecoderParams
        """
        predictions, cache = self.forward(params, sources, targets, source_lengths, target_lengths)
        value, dpredictions = loss(predictions, targets, target_lengths)
        return value, self.backward(params, cache, dpredictions)

    def begin(
        self, params: EncoderDecoderParams, sources: np.ndarray, lengths: np.ndarray | None = None
    ) -> tuple[Any, State, np.ndarray | None]:
        """Read ``sources`` (T_x, N) for a search.

        Returns
        -------
        prepared
            What every step reads.
        state
            The decoder's, before its first step.
        length : array (N, L) or None
            Logits of each length, with ``ending="length"``.
        """
        memory, _ = self.encode(params, sources, lengths)
        length = None
        if self.ending == "length":
            length = affine(params.ending, memory.context)  # type: ignore[arg-type]
        return *self.writer.begin(params.writer, memory), length

    def step(
        self,
        params: EncoderDecoderParams,
        prepared: Any,
        previous: np.ndarray,
        state: State,
        remaining: np.ndarray | None = None,
    ) -> tuple[Predictions, State]:
        """Predict one step from the symbols just written, ``previous`` (N,).

        Parameters
        ----------
        params : EncoderDecoderParams
        prepared, state
            From :meth:`begin`; the state later from this method.
        previous : integers (N,)
            ``self.start`` at the first step.
        remaining : integers (N,), optional
            Steps left, this one included, with ``ending="length"``.

        Returns
        -------
        predictions : Predictions
            Without a time axis: tokens (N, K), stop (N,).
        state
        """
        x = self._inputs(params, previous, remaining)
        h, state = self.writer.step(params.writer, prepared, x, state)
        return self._read_out(params, h, None), state

    def endings(
        self, predictions: Predictions, remaining: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of going on, and of ending, after each symbol: both (N, K).

        Equations: encoder-decoder-end-symbol, encoder-decoder-stop, encoder-decoder-length.
        """
        shape = predictions.tokens.shape
        if predictions.stop is not None:
            log_go, log_end = log_stopping(predictions.stop)
            return np.broadcast_to(log_go[:, None], shape), np.broadcast_to(log_end[:, None], shape)
        if self.ending == "length":
            ends = np.broadcast_to(remaining[:, None] == 1, shape)  # type: ignore[index]
        else:
            ends = np.broadcast_to(np.arange(shape[1]) == self.end, shape)
        return np.where(ends, -np.inf, 0.0), np.where(ends, 0.0, -np.inf)

    def _inputs(
        self, params: EncoderDecoderParams, previous: np.ndarray, remaining: np.ndarray | None
    ) -> np.ndarray:
        inputs = embed(params.target, previous)
        if self.ending != "length":
            return inputs
        left = np.asarray(remaining / self.max_length, inputs.dtype)  # type: ignore[operator]
        return np.concatenate([inputs, left[..., None]], axis=-1)

    def _read_out(
        self, params: EncoderDecoderParams, hs: np.ndarray, context: np.ndarray | None
    ) -> Predictions:
        stop = length = None
        if self.ending == "stop":
            stop = affine(params.ending, hs)[..., 0]  # type: ignore[arg-type]
        if self.ending == "length" and context is not None:
            length = affine(params.ending, context)  # type: ignore[arg-type]
        return Predictions(affine(params.output, hs), stop, length)
