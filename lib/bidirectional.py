"""Chapter 7: two layers that read a sequence from both ends; four scans over an image.

Nothing here streams. The output of the first step depends on the last input, so the
whole sequence must be there before the first output can be given, and a long one
cannot be cut into pieces and carried on: the state that ``toward_past`` would need at
the end of a piece comes from the piece after it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import tanh_backward
from lib.bptt import Recurrent
from lib.cell import Cell, Layer


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

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.

        Equations: bidirectional-forward-state, bidirectional-backward-state, bidirectional-merge.
        """
        validate.array("xs", xs, ("T", "N", self.input_size))
        T, N, _ = xs.shape
        lengths = validate.lengths(lengths, T, N)
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

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bidirectional-merge-backward.
        """
        (T, N), lengths = cache.shape, cache.lengths
        validate.array("dys", dys, (T, N, self.output_size))
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

    The same as :class:`lib.rnn.Output` over [h; g] with V = [V₁ V₂], in the notes' form.
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
        K, H1, H2 = self.classes, self.forward_size, self.backward_size
        shapes = (K, H1), (K, H2), (K,)
        return BidirectionalOutputParams(
            *(initializers.uniform(rng, shape, H1 + H2) for shape in shapes)
        )

    def forward(
        self, params: BidirectionalOutputParams, hs: np.ndarray, gs: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Compute the logits (T, N, K) of ``hs`` (T, N, H₁) and ``gs`` (T, N, H₂), and a cache.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bidirectional-output.
        """
        K, H1, H2 = self.classes, self.forward_size, self.backward_size
        for name, size in (("V1", (K, H1)), ("V2", (K, H2)), ("c", (K,))):
            validate.shape(f"params.{name}", getattr(params, name), size)
        validate.array("hs", hs, ("T", "N", self.forward_size))
        validate.array("gs", gs, (*hs.shape[:2], self.backward_size))
        return params.c + hs @ params.V1.T + gs @ params.V2.T, (hs, gs)

    def backward(
        self,
        params: BidirectionalOutputParams,
        cache: tuple[np.ndarray, np.ndarray],
        dss: np.ndarray,
    ) -> tuple[BidirectionalOutputParams, np.ndarray, np.ndarray]:
        """Carry the logits' gradient ``dss`` (T, N, K) back: dparams, dhs, dgs.

        Raises
        ------
        ValueError
            Where ``dss`` does not fit.

        Equations: bidirectional-output-backward.
        """
        hs, gs = cache
        validate.array("dss", dss, (*hs.shape[:2], self.classes))
        flat = dss.reshape(-1, self.classes)
        dparams = BidirectionalOutputParams(
            V1=flat.T @ hs.reshape(-1, self.forward_size),
            V2=flat.T @ gs.reshape(-1, self.backward_size),
            c=flat.sum(axis=0),
        )
        return dparams, dss @ params.V1, dss @ params.V2


class FourDirectionsParams(NamedTuple):
    """Parameters of both scans; gradients have the same type."""

    rows: Any
    """Of the layer that reads along rows."""
    columns: Any
    """Of the layer that reads along columns."""


@dataclass(frozen=True)
class FourDirections:
    """Read an image left, right, up and down: the notes' four directions.

    Every row is a sequence for ``rows`` and every column one for ``columns``; two
    ``Bidirectional`` layers make four directions. The output at (i, j) joins what both
    gave there, so it depends on row i and column j; two such layers see the whole image.

    Parameters
    ----------
    rows, columns : Layer or Cell
        Any two that read the same inputs.

    Raises
    ------
    ValueError
        Where their input sizes differ.

    Equations: bidirectional-four-directions.

    Source: notes 003, section 4.1; Visin et al. (2015).
    """

    rows: Layer | Cell
    columns: Layer | Cell

    def __post_init__(self) -> None:
        along, down = as_layer(self.rows), as_layer(self.columns)
        if along.input_size != down.input_size:
            raise ValueError(
                f"columns: expected input size {along.input_size}, got {down.input_size}"
            )

    @property
    def output_size(self) -> int:
        """Both layers' output sizes, added."""
        return as_layer(self.rows).output_size + as_layer(self.columns).output_size

    def init(self, rng: np.random.Generator) -> FourDirectionsParams:
        """Draw both layers' parameters."""
        return FourDirectionsParams(as_layer(self.rows).init(rng), as_layer(self.columns).init(rng))

    def forward(
        self, params: FourDirectionsParams, images: np.ndarray
    ) -> tuple[np.ndarray, tuple[Any, Any]]:
        """Scan ``images`` (R, C, N, D), rows by columns: outputs (R, C, N, H), cache.

        Raises
        ------
        ValueError
            Where the shape or dtype does not fit.

        Equations: bidirectional-four-directions.
        """
        along, down = as_layer(self.rows), as_layer(self.columns)
        validate.array("images", images, ("R", "C", "N", along.input_size))
        R, C, N, D = images.shape
        across = images.swapaxes(0, 1).reshape(C, R * N, D)
        hs, _, h_cache = along.forward(params.rows, across)
        vs, _, v_cache = down.forward(params.columns, images.reshape(R, C * N, D))
        hs = hs.reshape(C, R, N, -1).swapaxes(0, 1)
        return np.concatenate([hs, vs.reshape(R, C, N, -1)], axis=-1), (h_cache, v_cache)

    def backward(
        self, params: FourDirectionsParams, cache: tuple[Any, Any], dys: np.ndarray
    ) -> tuple[FourDirectionsParams, np.ndarray]:
        """Carry ``dys`` (R, C, N, H) back: dparams, dimages (R, C, N, D).

        Raises
        ------
        ValueError
            Where the shape or dtype does not fit.

        Equations: bidirectional-four-directions-backward.
        """
        along, down = as_layer(self.rows), as_layer(self.columns)
        validate.array("dys", dys, ("R", "C", "N", self.output_size))
        R, C, N, _ = dys.shape
        H1, D = along.output_size, along.input_size
        dhs = dys[..., :H1].swapaxes(0, 1).reshape(C, R * N, H1)
        drows, dacross, _ = along.backward(params.rows, cache[0], dhs)
        dvs = dys[..., H1:].reshape(R, C * N, -1)
        dcolumns, ddown, _ = down.backward(params.columns, cache[1], dvs)
        dimages = dacross.reshape(C, R, N, D).swapaxes(0, 1) + ddown.reshape(R, C, N, D)
        return FourDirectionsParams(drows, dcolumns), dimages


class FourCornersParams(NamedTuple):
    """Parameters of the four scans, stacked along the first axis."""

    U: np.ndarray
    """Input to hidden (4, H, D)."""
    W: np.ndarray
    """From the neighbour one row back (4, H, H)."""
    R: np.ndarray
    """From the neighbour one column back (4, H, H)."""
    b: np.ndarray
    """Bias (4, H)."""


class FourCornersCache(NamedTuple):
    """What the four scans keep; the images as each scan meets them."""

    xs: np.ndarray
    """Inputs (4, R, C, N, D)."""
    hs: np.ndarray
    """States behind a border of zeros (4, R + 1, C + 1, N, H)."""


def _turn(fields: np.ndarray) -> np.ndarray:
    """Flip four fields (4, R, C, …) so that each one's own corner comes first, or back."""
    a, b, c, d = fields
    return np.stack([a, b[:, ::-1], c[::-1], d[::-1, ::-1]])


@dataclass(frozen=True)
class FourCorners:
    """Scan an image from its four corners, each state seeing two neighbours.

    h^(i,j) = tanh(b + U x^(i,j) + W h^(i−1,j) + R h^(i,j−1)), with zeros beyond the edge,
    where i and j count from the scan's corner: top left, top right, bottom left, bottom
    right. The output joins the four states, so that each depends on the whole image.
    Graves's network has LSTM units with two forget gates in the place of tanh units.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H; the output has width 4H.

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: bidirectional-corner-state.

    Source: Graves, Fernández and Schmidhuber (2007).
    """

    input_size: int
    hidden_size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)

    @property
    def output_size(self) -> int:
        """4H."""
        return 4 * self.hidden_size

    def init(self, rng: np.random.Generator) -> FourCornersParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        H, D = self.hidden_size, self.input_size
        shapes = (4, H, D), (4, H, H), (4, H, H), (4, H)
        return FourCornersParams(*(initializers.uniform(rng, shape, H) for shape in shapes))

    def forward(
        self, params: FourCornersParams, images: np.ndarray
    ) -> tuple[np.ndarray, FourCornersCache]:
        """Scan ``images`` (R, C, N, D), rows by columns: outputs (R, C, N, 4H), cache.

        Raises
        ------
        ValueError
            Where the shape or dtype does not fit.

        Equations: bidirectional-corner-state.
        """
        H, D = self.hidden_size, self.input_size
        for name, size in (("U", (4, H, D)), ("W", (4, H, H)), ("R", (4, H, H)), ("b", (4, H))):
            validate.shape(f"params.{name}", getattr(params, name), size)
        validate.array("images", images, ("R", "C", "N", D))
        rows, columns, N, _ = images.shape
        xs = _turn(np.broadcast_to(images, (4, *images.shape)))
        U, W, R = (m.swapaxes(1, 2) for m in params[:3])
        projected = xs @ U[:, None, None] + params.b[:, None, None, None]
        hs = np.zeros((4, rows + 1, columns + 1, N, self.hidden_size), images.dtype)
        for i, j in np.ndindex(rows, columns):
            a = projected[:, i, j] + hs[:, i, j + 1] @ W + hs[:, i + 1, j] @ R
            hs[:, i + 1, j + 1] = np.tanh(a)
        ys = np.concatenate(list(_turn(hs[:, 1:, 1:])), axis=-1)
        return ys, FourCornersCache(xs, hs)

    def backward(
        self, params: FourCornersParams, cache: FourCornersCache, dys: np.ndarray
    ) -> tuple[FourCornersParams, np.ndarray]:
        """Carry ``dys`` (R, C, N, 4H) back: dparams, dimages (R, C, N, D).

        Raises
        ------
        ValueError
            Where the shape or dtype does not fit.

        Equations: bidirectional-corner-backward.
        """
        xs, hs = cache
        rows, columns, N, _ = xs.shape[1:]
        validate.array("dys", dys, (rows, columns, N, self.output_size))
        dhs = np.zeros_like(hs)
        dhs[:, 1:, 1:] = _turn(np.stack(np.split(dys, 4, axis=-1)))
        deltas = np.empty_like(hs[:, 1:, 1:])
        for i, j in reversed(list(np.ndindex(rows, columns))):
            delta = tanh_backward(hs[:, i + 1, j + 1], dhs[:, i + 1, j + 1])
            dhs[:, i, j + 1] += delta @ params.W
            dhs[:, i + 1, j] += delta @ params.R
            deltas[:, i, j] = delta
        flat = deltas.reshape(4, -1, self.hidden_size).swapaxes(1, 2)
        dparams = FourCornersParams(
            U=flat @ xs.reshape(4, -1, self.input_size),
            W=flat @ hs[:, :-1, 1:].reshape(4, -1, self.hidden_size),
            R=flat @ hs[:, 1:, :-1].reshape(4, -1, self.hidden_size),
            b=flat.sum(axis=2),
        )
        return dparams, _turn(deltas @ params.U[:, None, None]).sum(axis=0)
