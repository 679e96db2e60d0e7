"""Chapter 7: two layers that read a sequence from both ends.

Nothing here streams. The output of the first step depends on the last input, so the
whole sequence must be there before the first output can be given, and a long one
cannot be cut into pieces and carried on: the state that ``toward_past`` would need at
the end of a piece comes from the piece after it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.bptt import Recurrent
from lib.cell import Cell, Layer
from lib.masks import padded_steps


def as_layer(network: Layer | Cell) -> Layer:
    """Return a layer as it is, and a cell inside :class:`lib.bptt.Recurrent`.

    Raises
    ------
    ValueError
        Where ``network`` is neither.
    """
    if isinstance(network, Layer):
        return network
    if isinstance(network, Cell):
        return Recurrent(network)
    raise ValueError(f"network: expected a Layer or a Cell, got {type(network).__name__}")


def reverse_padded(xs: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """Reverse each sequence within its own length; padding stays where it is.

    It is its own inverse and, being a permutation, its own backward pass.

    Parameters
    ----------
    xs : array (T, N, …) of any dtype
    lengths : integers (N,), optional
        T for every sequence where not given.

    Returns
    -------
    array (T, N, …)
        A copy.

    Raises
    ------
    ValueError
        Where ``xs`` has no time and batch axes or a length does not fit.

    Equations: bidirectional-reverse.
    """
    if not isinstance(xs, np.ndarray) or xs.ndim < 2 or 0 in xs.shape[:2]:
        raise ValueError(f"xs: expected an array of shape (T, N, …), got {np.shape(xs)}")
    T, N = xs.shape[:2]
    lengths = validate.lengths(lengths, T, N)
    if lengths is None:
        return xs[::-1].copy()
    t = np.arange(T)[:, None]
    return xs[np.where(t < lengths, lengths - 1 - t, t), np.arange(N)]


class BidirectionalParams(NamedTuple):
    """Parameters of both layers; gradients have the same type."""

    forward: Any
    """Of the layer that reads toward the future."""
    backward: Any
    """Of the layer that reads toward the past."""


class BidirectionalState(NamedTuple):
    """States of both layers: before the sequence, or after it."""

    forward: Any
    """At the start, or after the last step."""
    backward: Any
    """At the end, or after the first step: it has read the sequence backwards."""


class BidirectionalCache(NamedTuple):
    """What both layers keep for the backward pass."""

    forward: Any
    backward: Any
    shape: tuple[int, int]
    """(T, N)."""
    lengths: np.ndarray | None


@dataclass(frozen=True)
class Bidirectional:
    """Run one layer toward the future and one toward the past, and merge their outputs.

    Parameters
    ----------
    toward_future, toward_past : Layer or Cell
        Any two that read the same inputs; a cell is run by ``Recurrent``.
    merge : {"concat", "sum"}
        y = [h; g] of width H₁ + H₂, or y = h + g, for which the widths must agree.

    Raises
    ------
    ValueError
        Where the two do not fit together or ``merge`` is unknown.

    Equations: bidirectional-forward-state, bidirectional-backward-state, bidirectional-merge.

    Source: Schuster and Paliwal (1997).

    Examples
    --------
    >>> from lib.rnn import RNN
    >>> layer = Bidirectional(RNN(input_size=3, hidden_size=4), RNN(input_size=3, hidden_size=4))
    >>> params = layer.init(np.random.default_rng(0))
    >>> ys, state, cache = layer.forward(params, np.ones((5, 2, 3)), lengths=np.array([5, 3]))
    >>> ys.shape
    (5, 2, 8)
    """

    toward_future: Layer | Cell
    toward_past: Layer | Cell
    merge: str = "concat"

    causal = False

    def __post_init__(self) -> None:
        validate.choice("merge", self.merge, ["concat", "sum"])
        f, g = self.layers
        if f.input_size != g.input_size:
            raise ValueError(f"toward_past: expected input size {f.input_size}, got {g.input_size}")
        if self.merge == "sum" and f.output_size != g.output_size:
            raise ValueError(
                f"toward_past: expected output size {f.output_size} to sum, got {g.output_size}"
            )

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """The two layers, cells wrapped."""
        return as_layer(self.toward_future), as_layer(self.toward_past)

    @property
    def input_size(self) -> int:
        """D."""
        return self.toward_future.input_size

    @property
    def output_size(self) -> int:
        """H₁ + H₂, or H where outputs are summed."""
        f, g = self.layers
        return f.output_size + (g.output_size if self.merge == "concat" else 0)

    def init(self, rng: np.random.Generator) -> BidirectionalParams:
        """Draw both layers' parameters."""
        f, g = self.layers
        return BidirectionalParams(f.init(rng), g.init(rng))

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> BidirectionalState:
        """Return both layers' zero states."""
        f, g = self.layers
        return BidirectionalState(
            f.initial_state(batch_size, dtype), g.initial_state(batch_size, dtype)
        )

    def halves(self, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut concatenated outputs (…, H₁ + H₂) into h (…, H₁) and g (…, H₂)."""
        if self.merge != "concat":
            raise ValueError("merge: expected 'concat', got 'sum': a sum cannot be cut in two")
        f, g = self.layers
        if ys.shape[-1] != f.output_size + g.output_size:
            raise ValueError(f"ys: expected shape (…, {self.output_size}), got {ys.shape}")
        return ys[..., : f.output_size], ys[..., f.output_size :]

    def forward(
        self,
        params: BidirectionalParams,
        xs: np.ndarray,
        state: BidirectionalState | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, BidirectionalState, BidirectionalCache]:
        """Run both layers over ``xs``.

        Parameters
        ----------
        params : BidirectionalParams
        xs : array (T, N, D)
        state : BidirectionalState, optional
            Zero where not given.
        lengths : integers (N,), optional
            ``toward_past`` starts at each sequence's own last step, not in the padding.

        Returns
        -------
        ys : array (T, N, H₁ + H₂) or (T, N, H)
        state : BidirectionalState
        cache : BidirectionalCache

        Equations: bidirectional-forward-state, bidirectional-backward-state, bidirectional-merge.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        lengths = validate.lengths(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), padded_steps(lengths, T, N))
        f, g = self.layers
        if state is None:
            state = self.initial_state(N, xs.dtype)
        validate.same_tree("state", state, self.initial_state(N, xs.dtype))
        hs, f_state, f_cache = f.forward(params.forward, xs, state.forward, lengths)
        gs, g_state, g_cache = g.forward(
            params.backward, reverse_padded(xs, lengths), state.backward, lengths
        )
        gs = reverse_padded(gs, lengths)
        ys = np.concatenate([hs, gs], axis=-1) if self.merge == "concat" else hs + gs
        return (
            ys,
            BidirectionalState(f_state, g_state),
            BidirectionalCache(f_cache, g_cache, (T, N), lengths),
        )

    def backward(
        self,
        params: BidirectionalParams,
        cache: BidirectionalCache,
        dys: np.ndarray,
        dstate: BidirectionalState | None = None,
    ) -> tuple[BidirectionalParams, np.ndarray, BidirectionalState]:
        """Carry ``dys`` back through both layers: each in the order it ran, reversed.

        Parameters
        ----------
        params : BidirectionalParams
        cache : what :meth:`forward` returned
        dys : array, shaped as ``ys``
        dstate : BidirectionalState, optional
            Gradient of the last states; zero where not given.

        Returns
        -------
        dparams, dxs (T, N, D), dstate

        Equations: bidirectional-merge-backward.
        """
        (T, N), lengths = cache.shape, cache.lengths
        live = padded_steps(lengths, T, N)
        dys = validate.array("dys", dys, (T, N, self.output_size), live)
        f, g = self.layers
        if dstate is None:
            dstate = self.initial_state(N, dys.dtype)
        validate.same_tree("dstate", dstate, self.initial_state(N, dys.dtype))
        dhs, dgs = self.halves(dys) if self.merge == "concat" else (dys, dys)
        f_dparams, f_dxs, f_dstate = f.backward(params.forward, cache.forward, dhs, dstate.forward)
        g_dparams, g_dxs, g_dstate = g.backward(
            params.backward, cache.backward, reverse_padded(dgs, lengths), dstate.backward
        )
        return (
            BidirectionalParams(f_dparams, g_dparams),
            f_dxs + reverse_padded(g_dxs, lengths),
            BidirectionalState(f_dstate, g_dstate),
        )


class BidirectionalOutputParams(NamedTuple):
    """Parameters of the output layer; gradients have the same type."""

    V1: np.ndarray
    """Forward state to logits (K, H₁)."""
    V2: np.ndarray
    """Backward state to logits (K, H₂)."""
    c: np.ndarray
    """Bias (K,)."""


@dataclass(frozen=True)
class BidirectionalOutput:
    """The output layer of two states: s = c + V₁ h + V₂ g, o = softmax(s).

    The same as :class:`lib.networks.Output` over [h; g] with V = [V₁ V₂], in the notes' form.
    It gives the logits s: :func:`lib.losses.cross_entropy` takes them and hands back
    ∇_s = (o − y)/N, and :func:`lib.activations.softmax` makes o of them.

    Parameters
    ----------
    forward_size, backward_size, classes : int
        H₁, H₂ and K.

    Equations: bidirectional-output.

    Source: Schuster and Paliwal (1997).
    """

    forward_size: int
    backward_size: int
    classes: int

    def __post_init__(self) -> None:
        for name in ("forward_size", "backward_size", "classes"):
            validate.positive(name, getattr(self, name))

    def init(self, rng: np.random.Generator) -> BidirectionalOutputParams:
        """Draw parameters from U(−1/√(H₁+H₂), 1/√(H₁+H₂))."""
        return initializers.uniform_tree(rng, self.shapes(), self.forward_size + self.backward_size)

    def shapes(self) -> BidirectionalOutputParams:
        """Return the parameters' shapes."""
        K, H1, H2 = self.classes, self.forward_size, self.backward_size
        shapes = (K, H1), (K, H2), (K,)
        return BidirectionalOutputParams(*shapes)  # type: ignore[arg-type]

    def forward(
        self, params: BidirectionalOutputParams, hs: np.ndarray, gs: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Compute the logits (T, N, K) of ``hs`` (T, N, H₁) and ``gs`` (T, N, H₂), and a cache.

        Equations: bidirectional-output.
        """
        validate.array("hs", hs, ("T", "N", self.forward_size))
        validate.array("gs", gs, (*hs.shape[:2], self.backward_size), dtype=hs.dtype)
        validate.params("params", params, self.shapes(), hs.dtype)
        return params.c + hs @ params.V1.T + gs @ params.V2.T, (hs, gs)

    def backward(
        self,
        params: BidirectionalOutputParams,
        cache: tuple[np.ndarray, np.ndarray],
        dss: np.ndarray,
    ) -> tuple[BidirectionalOutputParams, np.ndarray, np.ndarray]:
        """Carry the logits' gradient ``dss`` (T, N, K) back: dparams, dhs, dgs.

        Equations: bidirectional-output-backward.
        """
        hs, gs = cache
        validate.array("dss", dss, (*hs.shape[:2], self.classes), dtype=hs.dtype)
        validate.params("params", params, self.shapes(), hs.dtype)
        flat = dss.reshape(-1, self.classes)
        dparams = BidirectionalOutputParams(
            V1=flat.T @ hs.reshape(-1, self.forward_size),
            V2=flat.T @ gs.reshape(-1, self.backward_size),
            c=flat.sum(axis=0),
        )
        return dparams, dss @ params.V1, dss @ params.V2
