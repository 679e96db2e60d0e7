"""Chapter 9: encoder–decoder: read one sequence into a context, write another from it.

:class:`EncoderDecoder` joins an encoder (any layer or cell) and a decoder (any causal
layer or cell) of independent sizes. Between them stands a *writer* of ``lib.writer``, and how
a sequence ends is an *ending* of ``lib.endings``; ``lib.attention_decoder`` puts another
writer in and reuses everything else here. ``lib.search`` writes with a model through
``begin``, ``step`` and ``ending``.

Arguments that do not fit raise ``ValueError`` naming them; symbols beyond a sequence's length
may be any integers.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params, State
from lib.dense import Affine, embed, embed_backward
from lib.endings import Ending, EndSymbol, Predictions, loss
from lib.masks import padded_steps
from lib.networks import Output, OutputParams
from lib.writer import ContextDecoder, Memory, Writer, hidden, hidden_backward


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
    output: OutputParams
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
        (``context_size``) where every step gets it, plus the ending's (``ending.width``).
    source_size, target_size : int
        Numbers of symbols K_x and K_y, the end symbol included.
    context : {"every_step", "initial_state", "both"}
        How the decoder gets C.
    ending : Ending
        How a sequence ends: :class:`lib.endings.EndSymbol`, ``StopUnit`` or ``LengthFirst``.

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
    ending: Ending = EndSymbol()

    def __post_init__(self) -> None:
        validate.positive("source_size", self.source_size)
        validate.positive("target_size", self.target_size)
        self.ending.check(self.target_size)
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
        return self.writer.token_size - self.ending.width

    @property
    def start(self) -> int:
        """The start symbol, which is read and never written."""
        return self.target_size

    @property
    def writer(self) -> Writer:
        """What stands between the encoder's memory and the decoder."""
        return ContextDecoder(self.decoder, self.context_size, self.context)

    @property
    def output(self) -> Output:
        """The output layer: logits c + V s."""
        return Output(self.writer.output_size, self.target_size)

    def init(self, rng: np.random.Generator) -> EncoderDecoderParams:
        """Draw parameters; embeddings from a standard normal distribution."""
        ending = self.ending.init(rng, self.writer.output_size, self.context_size)
        return EncoderDecoderParams(
            source=rng.standard_normal((self.source_size, self.encoder.input_size)),
            encoder=self.encoder.init(rng),
            target=rng.standard_normal((self.target_size + 1, self.embedding_size)),
            writer=self.writer.init(rng),
            output=self.output.init(rng),
            ending=ending,
        )

    def _check(self, params: EncoderDecoderParams) -> None:
        """Check what is not the encoder's or the writer's to check."""
        K, H = self.target_size, self.writer.output_size
        source = (self.source_size, self.encoder.input_size)
        validate.params("params.source", params.source, source)
        validate.params("params.target", params.target, (K + 1, self.embedding_size))
        validate.params("params.output", params.output, OutputParams((K, H), (K,)))  # type: ignore[arg-type]
        ending = self.ending.shapes(H, self.context_size)
        validate.params("params.ending", params.ending, ending)

    def encode(
        self, params: EncoderDecoderParams, sources: np.ndarray, lengths: np.ndarray | None = None
    ) -> tuple[Memory, EncodeCache]:
        """Read ``sources``, integers (T_x, N), of ``lengths`` (N,) where padded.

        Equations: encoder-decoder-embedding, encoder-decoder-context.
        """
        self._check(params)
        sources, lengths = _symbols("sources", sources, "N", self.source_size, lengths)
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

        Equations: encoder-decoder-teacher-forcing, encoder-decoder-output.
        """
        memory, encode_cache = self.encode(params, sources, source_lengths)
        C = memory.context
        targets, lengths = _symbols("targets", targets, len(C), self.target_size, target_lengths)
        T, N = targets.shape
        previous = np.concatenate([np.full((1, N), self.start), targets[:-1]])
        remaining = (T if lengths is None else lengths) - np.arange(T)[:, None]
        inputs = self.ending.tell(
            embed(params.target, previous), np.broadcast_to(remaining, (T, N))
        )
        hs, writer_cache = self.writer.forward(params.writer, memory, inputs, lengths)
        tokens, _ = self.output.forward(params.output, hs)
        stop, length = self.ending.stop(params.ending, hs), self.ending.length(params.ending, C)
        cache = EncoderDecoderCache(encode_cache, C, previous, writer_cache, hs)
        return Predictions(tokens, stop, length), cache

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

        Equations: encoder-decoder-output-backward, encoder-decoder-context-backward.
        """
        wanted = (*cache.hs.shape[:2], self.target_size)
        validate.array("dpredictions.tokens", dpredictions.tokens, wanted)
        doutput, dhs = self.output.backward(params.output, cache.hs, dpredictions.tokens)
        dending, dhs_ending, dC_ending = self.ending.backward(
            params.ending, cache.hs, cache.context, dpredictions
        )
        dwriter, dmemory, dinputs = self.writer.backward(
            params.writer, cache.writer, dhs + dhs_ending
        )
        dmemory = dmemory._replace(context=dmemory.context + dC_ending)
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
            Logits of each length, where it comes first.
        """
        memory, _ = self.encode(params, sources, lengths)
        length = self.ending.length(params.ending, memory.context)
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
            Steps left, this one included, where the length comes first.

        Returns
        -------
        predictions : Predictions
            Without a time axis: tokens (N, K), stop (N,).
        state
        """
        x = self.ending.tell(embed(params.target, previous), remaining)
        h, state = self.writer.step(params.writer, prepared, x, state)
        tokens, _ = self.output.forward(params.output, h)
        return Predictions(tokens, self.ending.stop(params.ending, h)), state


def _symbols(
    name: str, value: np.ndarray, batch: int | str, size: int, lengths: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Check symbols (T, N) below ``size`` and their lengths; 0 stands beyond a length."""
    validate.shape(name, value, ("T", batch))
    T, N = np.shape(value)
    lengths = validate.lengths(lengths, T, N)
    live = padded_steps(lengths, T, N)
    return validate.integers(name, value, (T, N), 0, size - 1, live), lengths
