"""Chapter 10: words pooled into sentences, and sentences into documents.

Arguments that do not fit raise ``ValueError`` naming them; what stands beyond a length may be
anything.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import softmax_backward
from lib.attention import masked_softmax, store
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, Params
from lib.masks import live_steps
from lib.scores import einsum


class PoolingParams(NamedTuple):
    """Parameters of :class:`AttentionPooling`."""

    W: np.ndarray
    """(A, H)."""
    b: np.ndarray
    """(A,)."""
    u: np.ndarray
    """Context vector (A,), learned: what is worth looking at."""


class PoolingCache(NamedTuple):
    """What :meth:`AttentionPooling.forward` keeps."""

    hs: np.ndarray
    """(T, N, H)."""
    u: np.ndarray
    """tanh(W h + b) (T, N, A)."""
    weights: np.ndarray
    """(N, T)."""


@dataclass(frozen=True)
class AttentionPooling:
    """Sum up a sequence as one vector: u_t = tanh(W h_t + b), α = softmax(u_t·u), Σ α_t h_t.

    Parameters
    ----------
    input_size, size : int
        H and A.

    Equations: attention-pooling.

    Source: Yang et al. (2016), eq. 5–7.
    """

    input_size: int
    size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("size", self.size)

    def shapes(self) -> PoolingParams:
        """Return the shape of each parameter."""
        A, H = self.size, self.input_size
        return PoolingParams(W=(A, H), b=(A,), u=(A,))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> PoolingParams:
        """Draw parameters."""
        A, H = self.size, self.input_size
        return PoolingParams(
            W=initializers.uniform(rng, (A, H), H),
            b=initializers.uniform(rng, (A,), H),
            u=initializers.uniform(rng, (A,), A),
        )

    def forward(
        self, params: PoolingParams, hs: np.ndarray, lengths: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, PoolingCache]:
        """Pool ``hs`` (T, N, H), of ``lengths`` (N,) where padded.

        Returns
        -------
        pooled : array (N, H)
        weights : array (N, T)
        cache : PoolingCache

        Equations: attention-pooling.
        """
        validate.params("params", params, self.shapes())
        validate.floating("hs", hs, ("T", "N", self.input_size))
        hs, _, mask, _ = store(hs, hs, lengths, names=("hs", "hs"))
        u = np.tanh(hs @ params.W.T + params.b)
        weights = masked_softmax((u @ params.u).T, mask)
        return einsum("nt,tnh->nh", weights, hs), weights, PoolingCache(hs, u, weights)

    def backward(
        self, params: PoolingParams, cache: PoolingCache, dpooled: np.ndarray
    ) -> tuple[PoolingParams, np.ndarray]:
        """Carry ``dpooled`` (N, H) back: gradients of params and ``hs``.

        Equations: attention-pooling-backward.
        """
        hs, u, weights = cache
        validate.array("dpooled", dpooled, hs.shape[1:])
        dscores = softmax_backward(weights, einsum("nh,tnh->nt", dpooled, hs)).T
        delta = (1 - u**2) * params.u * dscores[..., None]
        dparams = PoolingParams(
            W=einsum("tna,tnh->ah", delta, hs),
            b=delta.sum(axis=(0, 1)),
            u=einsum("tn,tna->a", dscores, u),
        )
        return dparams, einsum("nt,nh->tnh", weights, dpooled) + delta @ params.W


class HierarchicalParams(NamedTuple):
    """Parameters of :class:`HierarchicalAttention`."""

    words: Params
    """The word layer's."""
    word_pooling: PoolingParams
    sentences: Params
    """The sentence layer's."""
    sentence_pooling: PoolingParams


class HierarchicalWeights(NamedTuple):
    """Where a document was looked at."""

    words: np.ndarray
    """(L, N, T): within each sentence."""
    sentences: np.ndarray
    """(N, L)."""


class HierarchicalCache(NamedTuple):
    """What :meth:`HierarchicalAttention.forward` keeps."""

    shape: tuple[int, ...]
    words: Any
    word_pooling: PoolingCache
    sentences: Any
    sentence_pooling: PoolingCache


@dataclass(frozen=True)
class HierarchicalAttention:
    """Words → sentences → document: a layer and an attention pooling on each level.

    Parameters
    ----------
    words, sentences : Layer or Cell
        Usually bidirectional GRUs; the second reads what is pooled of the first.
    word_size, sentence_size : int
        Widths of the context vectors u_w and u_s.

    Equations: attention-hierarchical.

    Source: Yang et al. (2016).
    """

    words: Layer | Cell
    sentences: Layer | Cell
    word_size: int
    sentence_size: int

    def __post_init__(self) -> None:
        width = as_layer(self.words).output_size
        if self.sentences.input_size != width:
            raise ValueError(
                f"sentences: expected input_size {width}, got {self.sentences.input_size}"
            )

    @property
    def output_size(self) -> int:
        """Width of a document's vector."""
        return as_layer(self.sentences).output_size

    @property
    def word_pooling(self) -> AttentionPooling:
        """Of words into a sentence."""
        return AttentionPooling(as_layer(self.words).output_size, self.word_size)

    @property
    def sentence_pooling(self) -> AttentionPooling:
        """Of sentences into a document."""
        return AttentionPooling(self.output_size, self.sentence_size)

    def init(self, rng: np.random.Generator) -> HierarchicalParams:
        """Draw parameters."""
        return HierarchicalParams(
            self.words.init(rng),
            self.word_pooling.init(rng),
            self.sentences.init(rng),
            self.sentence_pooling.init(rng),
        )

    def forward(
        self,
        params: HierarchicalParams,
        xs: np.ndarray,
        word_lengths: np.ndarray | None = None,
        sentence_lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, HierarchicalWeights, HierarchicalCache]:
        """Sum up documents.

        Parameters
        ----------
        params : HierarchicalParams
        xs : array (T, L, N, D)
            Word t of sentence l of document n.
        word_lengths : integers (L, N), optional
            Words of each sentence; of a sentence that is padding, anything.
        sentence_lengths : integers (N,), optional
            Sentences of each document.

        Returns
        -------
        documents : array (N, G)
        weights : HierarchicalWeights
        cache : HierarchicalCache

        Equations: attention-hierarchical.
        """
        D = self.words.input_size
        T, L, N, _ = validate.floating("xs", xs, ("T", "L", "N", D)).shape
        sentence_lengths = validate.lengths(sentence_lengths, L, N, "sentence_lengths")
        real = live_steps(sentence_lengths, L, N)
        word_lengths = np.full((L, N), T) if word_lengths is None else word_lengths
        word_lengths = validate.integers("word_lengths", word_lengths, (L, N), 1, T, real)
        flat_lengths = word_lengths.reshape(L * N)
        live = (np.arange(T)[:, None, None] < word_lengths) & real
        xs = validate.array("xs", xs, xs.shape, live)
        hs, _, words = as_layer(self.words).forward(
            params.words, xs.reshape(T, L * N, D), None, flat_lengths
        )
        sentences, alpha, word_pooling = self.word_pooling.forward(
            params.word_pooling, hs, flat_lengths
        )
        gs, _, upper = as_layer(self.sentences).forward(
            params.sentences, sentences.reshape(L, N, -1), None, sentence_lengths
        )
        documents, beta, sentence_pooling = self.sentence_pooling.forward(
            params.sentence_pooling, gs, sentence_lengths
        )
        cache = HierarchicalCache(xs.shape, words, word_pooling, upper, sentence_pooling)
        return documents, HierarchicalWeights(alpha.reshape(L, N, T), beta), cache

    def backward(
        self, params: HierarchicalParams, cache: HierarchicalCache, ddocuments: np.ndarray
    ) -> tuple[HierarchicalParams, np.ndarray]:
        """Carry ``ddocuments`` (N, G) back: gradients of params and ``xs``.

        Equations: attention-hierarchical-backward.
        """
        dsentence_pooling, dgs = self.sentence_pooling.backward(
            params.sentence_pooling, cache.sentence_pooling, ddocuments
        )
        dupper, dsentences, _ = as_layer(self.sentences).backward(
            params.sentences, cache.sentences, dgs
        )
        dword_pooling, dhs = self.word_pooling.backward(
            params.word_pooling,
            cache.word_pooling,
            dsentences.reshape(-1, dsentences.shape[2]),
        )
        dwords, dxs, _ = as_layer(self.words).backward(params.words, cache.words, dhs)
        dparams = HierarchicalParams(dwords, dword_pooling, dupper, dsentence_pooling)
        return dparams, dxs.reshape(cache.shape)
