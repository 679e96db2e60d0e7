"""Chapter 8: depth by stacking layers, by deeper maps inside a step, and the paths it makes.

Dropout keeps no state and draws nothing by itself: masks are drawn once from a generator,
handed to ``forward``, and kept in the cache for ``backward``. Training is a call with
masks and testing a call without: the masks are scaled up by 1/(1 − p), so that nothing
has to be scaled at test time.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import ACTIVATIONS
from lib.bidirectional import Bidirectional, as_layer
from lib.bptt import Recurrent
from lib.cell import Cell, HoistedCell, Layer

Masks = Sequence[np.ndarray | None]
Edges = list[tuple[Hashable, Hashable]]


def dropout_mask(
    rng: np.random.Generator,
    rate: float,
    shape: tuple[int, int, int],
    variational: bool = False,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Draw a mask to multiply (T, N, D) features with: 0 or 1/(1 − p), of mean 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    rate : float
        p, the share of features that are dropped, 0 ≤ p < 1.
    shape : (T, N, D)
    variational : bool
        Draw one mask a sequence, of shape (1, N, D), used at every step.
    dtype : float32 or float64

    Returns
    -------
    array (T, N, D), or (1, N, D)

    Raises
    ------
    ValueError
        Where the rate is outside its range or a size below 1.

    Equations: deep-dropout, deep-variational-dropout.

    Source: Zaremba, Sutskever and Vinyals (2014); Gal and Ghahramani (2016).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate: expected 0 <= rate < 1, got {rate}")
    T, N, D = (validate.positive(f"shape[{k}]", size) for k, size in enumerate(shape))
    keep = rng.random((1 if variational else T, N, D)) >= rate
    return keep.astype(dtype) * np.dtype(dtype).type(1 / (1 - rate))


class StackedParams(NamedTuple):
    """Parameters of a stack; gradients have the same type."""

    layers: tuple[Any, ...]
    """Of each layer, the lowest first."""


class StackedState(NamedTuple):
    """States of a stack."""

    layers: tuple[Any, ...]
    """Of each layer, the lowest first."""


class StackedCache(NamedTuple):
    """What a stack keeps for its backward pass."""

    layers: tuple[Any, ...]
    """The layers' caches."""
    masks: Masks
    """The dropout masks used."""
    shape: tuple[int, int]
    """(T, N)."""


@dataclass(frozen=True)
class Stacked:
    """Layers on top of each other: each reads what the one below gives at every step.

    Parameters
    ----------
    layers : sequence of Layer or Cell
        The lowest first; a cell is run by ``Recurrent``. Bidirectional layers too.
    residual : bool
        Add to each layer's output its input, for every layer but the first, whose input
        is not a hidden state. Dropout touches what the layer reads, not what is added.

    Raises
    ------
    ValueError
        Where there is no layer, or neighbours do not fit.

    Equations: deep-stacked-state, deep-residual.

    Source: Goodfellow, Bengio and Courville (2016), section 10.5; Graves (2013).

    Examples
    --------
    >>> from lib.rnn import RNN
    >>> stack = Stacked([RNN(3, 4), RNN(4, 4)])
    >>> rng = np.random.default_rng(0)
    >>> params = stack.init(rng)
    >>> masks = stack.dropout_masks(rng, 0.5, steps=5, batch_size=2)
    >>> ys, state, cache = stack.forward(params, np.ones((5, 2, 3)), masks=masks)
    >>> ys.shape
    (5, 2, 4)
    """

    layers: Sequence[Layer | Cell]
    residual: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ValueError("layers: expected at least one layer, got none")
        runs = self.runs
        for k, (below, above) in enumerate(pairwise(runs), start=1):
            if above.input_size != below.output_size:
                raise ValueError(
                    f"layers[{k}]: expected input size {below.output_size}, got {above.input_size}"
                )
            if self.residual and above.output_size != above.input_size:
                raise ValueError(
                    f"layers[{k}]: expected output size {above.input_size} for a residual, "
                    f"got {above.output_size}"
                )

    @property
    def runs(self) -> list[Layer]:
        """The layers, cells wrapped."""
        return [as_layer(layer) for layer in self.layers]

    @property
    def input_size(self) -> int:
        """D of the lowest layer."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """H of the highest layer."""
        return self.runs[-1].output_size

    def init(self, rng: np.random.Generator) -> StackedParams:
        """Draw each layer's parameters."""
        return StackedParams(tuple(layer.init(rng) for layer in self.runs))

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> StackedState:
        """Return each layer's zero state."""
        return StackedState(tuple(layer.initial_state(batch_size, dtype) for layer in self.runs))

    def dropout_masks(
        self,
        rng: np.random.Generator,
        rate: float,
        steps: int,
        batch_size: int,
        variational: bool = False,
        on_input: bool = False,
        dtype: Any = np.float64,
    ) -> tuple[np.ndarray | None, ...]:
        """Draw a mask for what each layer reads; see :func:`dropout_mask`.

        The lowest layer's is ``None`` unless ``on_input``. The highest layer's output is
        the caller's: multiply it with a mask of its own where that is wanted.

        Equations: deep-dropout, deep-variational-dropout.
        """
        return tuple(
            dropout_mask(rng, rate, (steps, batch_size, layer.input_size), variational, dtype)
            if k > 0 or on_input
            else None
            for k, layer in enumerate(self.runs)
        )

    def forward(
        self,
        params: StackedParams,
        xs: np.ndarray,
        state: StackedState | None = None,
        lengths: np.ndarray | None = None,
        masks: Masks | None = None,
    ) -> tuple[np.ndarray, StackedState, StackedCache]:
        """Run all layers over ``xs``.

        Parameters
        ----------
        params : StackedParams
        xs : array (T, N, D)
        state : StackedState, optional
            Zero where not given.
        lengths : integers (N,), optional
        masks : sequence of array (T, N, D_k), (1, N, D_k) or ``None``, optional
            What each layer's input is multiplied with; see :meth:`dropout_masks`. The
            states inside a layer are never touched.

        Returns
        -------
        ys : array (T, N, H)
        state : StackedState
        cache : StackedCache

        Raises
        ------
        ValueError
            Where a shape, dtype, length or mask does not fit.

        Equations: deep-stacked-state, deep-residual, deep-dropout.
        """
        runs = self.runs
        validate.array("xs", xs, ("T", "N", self.input_size))
        T, N, _ = xs.shape
        if state is None:
            state = self.initial_state(N, xs.dtype)
        validate.same_tree("state", state, self.initial_state(N, xs.dtype))
        masks = self._check_masks(masks, T, N)
        states, caches = [], []
        for k, layer in enumerate(runs):
            mask = masks[k]
            ys, last, cache = layer.forward(
                params.layers[k], xs if mask is None else xs * mask, state.layers[k], lengths
            )
            xs = ys + xs if self.residual and k > 0 else ys
            states.append(last)
            caches.append(cache)
        return xs, StackedState(tuple(states)), StackedCache(tuple(caches), masks, (T, N))

    def _check_masks(self, masks: Masks | None, steps: int, batch: int) -> Masks:
        if masks is None:
            return (None,) * len(self.layers)
        if len(masks) != len(self.layers):
            raise ValueError(f"masks: expected {len(self.layers)} of them, got {len(masks)}")
        for k, (mask, layer) in enumerate(zip(masks, self.layers, strict=True)):
            if mask is not None:
                first = 1 if np.shape(mask)[:1] == (1,) else steps
                validate.array(f"masks[{k}]", mask, (first, batch, layer.input_size))
        return tuple(masks)

    def backward(
        self,
        params: StackedParams,
        cache: StackedCache,
        dys: np.ndarray,
        dstate: StackedState | None = None,
    ) -> tuple[StackedParams, np.ndarray, StackedState]:
        """Carry ``dys`` down the stack: what a layer hands to its input is ``dys`` below.

        Parameters
        ----------
        params : StackedParams
        cache : what :meth:`forward` returned
        dys : array (T, N, H)
        dstate : StackedState, optional
            Gradient of the last states; zero where not given.

        Returns
        -------
        dparams, dxs (T, N, D), dstate

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: deep-stacked-backward, deep-residual-backward.
        """
        T, N = cache.shape
        validate.array("dys", dys, (T, N, self.output_size))
        if dstate is None:
            dstate = self.initial_state(N, dys.dtype)
        validate.same_tree("dstate", dstate, self.initial_state(N, dys.dtype))
        dparams, dstates = [], []
        for k, layer in reversed(list(enumerate(self.runs))):
            layer_dparams, dxs, first = layer.backward(
                params.layers[k], cache.layers[k], dys, dstate.layers[k]
            )
            mask = cache.masks[k]
            if mask is not None:
                dxs = dxs * mask
            dys = dxs + dys if self.residual and k > 0 else dxs
            dparams.append(layer_dparams)
            dstates.append(first)
        return StackedParams(tuple(dparams[::-1])), dys, StackedState(tuple(dstates[::-1]))


class MLPParams(NamedTuple):
    """Parameters of a feed-forward network; gradients have the same type."""

    W: tuple[np.ndarray, ...]
    """Of each map (D_k, D_{k−1})."""
    b: tuple[np.ndarray, ...]
    """Of each map (D_k,)."""


class MLPCache(NamedTuple):
    """What a feed-forward network keeps for its backward pass."""

    ys: tuple[np.ndarray, ...]
    """The input and every map's output (T, N, D_k)."""
    live: np.ndarray | None
    """True where a step is no padding (T, N, 1)."""


@dataclass(frozen=True)
class MLP:
    """The same feed-forward network at every step: a Layer without state.

    Under a recurrent layer in a stack it deepens the input→hidden map, on top of one the
    hidden→output map. Its state is the empty tuple.

    Parameters
    ----------
    sizes : sequence of int
        D_0, …, D_K: the width before, between and after K affine maps.
    activation, last_activation : {"tanh", "relu", "sigmoid", "identity"}
        After every map but the last, and after the last.

    Raises
    ------
    ValueError
        Where there are fewer than two sizes, one is below 1, or an activation unknown.

    Equations: deep-mlp, deep-mlp-backward.

    Source: Pascanu et al. (2014), sections 3.1 and 3.3.
    """

    sizes: Sequence[int]
    activation: str = "tanh"
    last_activation: str = "tanh"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if len(self.sizes) < 2:
            raise ValueError(f"sizes: expected at least two, got {self.sizes}")
        for k, size in enumerate(self.sizes):
            validate.positive(f"sizes[{k}]", size)
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        validate.choice("last_activation", self.last_activation, list(ACTIVATIONS))

    @property
    def input_size(self) -> int:
        """D_0."""
        return self.sizes[0]

    @property
    def output_size(self) -> int:
        """D_K."""
        return self.sizes[-1]

    @property
    def activations(self) -> list[str]:
        """The activation after each map."""
        return [self.activation] * (len(self.sizes) - 2) + [self.last_activation]

    def init(self, rng: np.random.Generator) -> MLPParams:
        """Draw parameters from U(−1/√D, 1/√D), D being each map's input size."""
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        return MLPParams(
            W=tuple(initializers.uniform(rng, (b, a), a) for a, b in pairs),
            b=tuple(initializers.uniform(rng, (b,), a) for a, b in pairs),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> tuple[()]:
        """Return the empty state."""
        return ()

    def forward(
        self,
        params: MLPParams,
        xs: np.ndarray,
        state: tuple[()] | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, tuple[()], MLPCache]:
        """Map each step of ``xs`` (T, N, D_0) to (T, N, D_K); zero on padding.

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.

        Equations: deep-mlp.
        """
        validate.array("xs", xs, ("T", "N", self.input_size))
        T, N, _ = xs.shape
        lengths = validate.lengths(lengths, T, N)
        ys = [xs]
        for W, b, name in zip(params.W, params.b, self.activations, strict=True):
            ys.append(ACTIVATIONS[name].forward(ys[-1] @ W.T + b))
        if lengths is None:
            return ys[-1], (), MLPCache(tuple(ys), None)
        live = (np.arange(T)[:, None] < lengths)[..., None]
        return np.where(live, ys[-1], 0), (), MLPCache(tuple(ys), live)

    def backward(
        self, params: MLPParams, cache: MLPCache, dys: np.ndarray, dstate: tuple[()] | None = None
    ) -> tuple[MLPParams, np.ndarray, tuple[()]]:
        """Carry ``dys`` (T, N, D_K) back through every map: dparams, dxs (T, N, D_0), ().

        Raises
        ------
        ValueError
            Where ``dys`` does not fit.

        Equations: deep-mlp-backward.
        """
        ys = cache.ys
        validate.array("dys", dys, ys[-1].shape)
        if cache.live is not None:
            dys = np.where(cache.live, dys, 0)
        dW, db = [], []
        for k in reversed(range(len(params.W))):
            delta = ACTIVATIONS[self.activations[k]].backward(ys[k + 1], dys)
            flat = delta.reshape(-1, delta.shape[-1])
            dW.append(flat.T @ ys[k].reshape(-1, self.sizes[k]))
            db.append(flat.sum(axis=0))
            dys = delta @ params.W[k]
        return MLPParams(tuple(dW[::-1]), tuple(db[::-1])), dys, ()


class DeepTransitionParams(NamedTuple):
    """Parameters of a deep transition; gradients have the same type."""

    U: np.ndarray
    """Input to the first layer (H, D)."""
    W: np.ndarray
    """From layer to layer, the first from the old state (K, H, H)."""
    b: np.ndarray
    """Biases (K, H)."""
    S: np.ndarray | None
    """Skip: from the old state to the last layer (H, H), or ``None``."""


class DeepTransitionState(NamedTuple):
    """State of a deep transition."""

    h: np.ndarray
    """Hidden state (N, H)."""


class DeepTransitionCache(NamedTuple):
    """What a deep transition keeps for its backward pass."""

    zs: tuple[np.ndarray, ...]
    """The old state, every layer, the new state: K + 1 arrays (N, H)."""


@dataclass(frozen=True)
class DeepTransition(HoistedCell):
    """A cell with an MLP of K layers between the old state and the new one.

    z_0 = h', z_1 = f(b_1 + W_1 z_0 + U x), z_k = f(b_k + W_k z_{k−1}), h = z_K. With
    ``skip`` the last layer also reads the old state: z_K = f(b_K + W_K z_{K−1} + S h').
    With K = 1 it is the Elman cell.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    depth : int
        K.
    skip : bool
        Needs a depth of at least 2: there is nothing to skip otherwise.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Raises
    ------
    ValueError
        Where a size is below 1, or there is nothing to skip.

    Equations: deep-transition, deep-transition-skip.

    Source: Pascanu et al. (2014), DT-RNN and DT(S)-RNN.
    """

    input_size: int
    hidden_size: int
    depth: int = 2
    skip: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "depth"):
            validate.positive(name, getattr(self, name))
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        if self.skip and self.depth < 2:
            raise ValueError(f"depth: expected at least 2 with skip, got {self.depth}")

    def init(self, rng: np.random.Generator) -> DeepTransitionParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        H, D, K = self.hidden_size, self.input_size, self.depth
        return DeepTransitionParams(
            U=initializers.uniform(rng, (H, D), H),
            W=initializers.uniform(rng, (K, H, H), H),
            b=initializers.uniform(rng, (K, H), H),
            S=initializers.uniform(rng, (H, H), H) if self.skip else None,
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> DeepTransitionState:
        """Return h = 0 (N, H)."""
        return DeepTransitionState(np.zeros((batch_size, self.hidden_size), dtype))

    def gate_width(self, params: DeepTransitionParams) -> int:
        """K·H: the pre-activations of all layers."""
        return self.depth * self.hidden_size

    def project(self, params: DeepTransitionParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b_1, and b_k for the layers above: (…, D) → (…, K·H)."""
        H, D, K = self.hidden_size, self.input_size, self.depth
        validate.shape("params.U", params.U, (H, D))
        validate.shape("params.W", params.W, (K, H, H))
        validate.shape("params.b", params.b, (K, H))
        if self.skip:
            validate.shape("params.S", params.S, (H, H))  # type: ignore[arg-type]
        projected = np.empty((*xs.shape[:-1], K * H), xs.dtype)
        projected[...] = params.b.ravel()
        projected[..., :H] += xs @ params.U.T
        return projected

    def advance(
        self, params: DeepTransitionParams, projected: np.ndarray, state: DeepTransitionState
    ) -> tuple[DeepTransitionState, DeepTransitionCache]:
        """Climb the K layers.

        Equations: deep-transition, deep-transition-skip.
        """
        H, K = self.hidden_size, self.depth
        zs = [state.h]
        for k in range(K):
            a = projected[:, k * H : (k + 1) * H] + zs[k] @ params.W[k].T
            if params.S is not None and k == K - 1:
                a += state.h @ params.S.T
            zs.append(ACTIVATIONS[self.activation].forward(a))
        return DeepTransitionState(zs[-1]), DeepTransitionCache(tuple(zs))

    def retreat(
        self,
        params: DeepTransitionParams,
        cache: DeepTransitionCache,
        dstate: DeepTransitionState,
        out: np.ndarray,
    ) -> tuple[np.ndarray, DeepTransitionState]:
        """Climb down: δ_k = f' ⊙ ∇_{z_k}, ∇_{z_{k−1}} = W_kᵀ δ_k, and Sᵀ δ_K for the skip.

        Equations: deep-transition-backward.
        """
        H, K = self.hidden_size, self.depth
        dz, dh = dstate.h, 0
        for k in reversed(range(K)):
            delta = ACTIVATIONS[self.activation].backward(cache.zs[k + 1], dz)
            out[:, k * H : (k + 1) * H] = delta
            if params.S is not None and k == K - 1:
                dh = delta @ params.S
            dz = delta @ params.W[k]
        return out, DeepTransitionState(dz + dh)

    def collect(
        self,
        params: DeepTransitionParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[DeepTransitionCache],
    ) -> tuple[DeepTransitionParams, np.ndarray]:
        """Sum ∇_{W_k} = Σ δ_k z_{k−1}ᵀ, ∇_{b_k} = Σ δ_k, ∇_U, ∇_S over time and batch.

        Equations: deep-transition-parameters.
        """
        H, K = self.hidden_size, self.depth
        flat = np.moveaxis(deltas.reshape(-1, K, H), 0, 2)  # (K, H, M·N)
        zs = np.stack([np.concatenate([c.zs[k] for c in caches]) for k in range(K)])
        dparams = DeepTransitionParams(
            U=flat[0] @ xs.reshape(-1, self.input_size),
            W=flat @ zs,
            b=flat.sum(axis=2),
            S=None if params.S is None else flat[-1] @ zs[0],
        )
        return dparams, deltas[..., :H] @ params.U


def unfolded_edges(network: Layer | Cell, steps: int) -> Edges:
    """List the edges of a network's graph, unfolded over ``steps``.

    Nodes are ``("x", t)`` for the inputs and ``("h", layer, t, k)`` for the k-th
    non-linear map of a layer at step t, all counted from 0; an edge is one such map. A
    layer's state at t is its node with the largest k.

    Parameters
    ----------
    network : Cell, Recurrent, or Stacked of them
        A deep transition has its depth, any other cell counts as one map.
    steps : int

    Raises
    ------
    ValueError
        Where ``network`` has a part that is not a recurrent layer in one direction.

    Equations: deep-path-length.
    """
    layers = network.layers if isinstance(network, Stacked) else (network,)
    edges: Edges = []
    top: dict[tuple[int, int], Hashable] = {}
    for t in range(validate.positive("steps", steps)):
        top[-1, t] = ("x", t)
        for layer, part in enumerate(layers):
            cell = part.cell if isinstance(part, Recurrent) else part
            if isinstance(cell, (Bidirectional, Stacked, MLP)) or not isinstance(cell, Cell):
                raise ValueError(
                    f"network: expected cells, each in one direction, got {type(cell).__name__}"
                )
            depth, skip = (
                (cell.depth, cell.skip) if isinstance(cell, DeepTransition) else (1, False)
            )
            nodes = [("h", layer, t, k) for k in range(depth)]
            edges.append((top[layer - 1, t], nodes[0]))
            edges += pairwise(nodes)
            if t > 0:
                edges.append((top[layer, t - 1], nodes[0]))
                if skip:
                    edges.append((top[layer, t - 1], nodes[-1]))
            top[layer, t] = nodes[-1]
    return edges


def shortest_path(edges: Iterable[tuple[Hashable, Hashable]], start: Any, goal: Any) -> int:
    """Count the edges of the shortest path in a graph, breadth first.

    Raises
    ------
    ValueError
        Where no path leads from ``start`` to ``goal``.

    Equations: deep-path-length.

    Examples
    --------
    >>> edges = unfolded_edges(DeepTransition(2, 3, depth=4), steps=2)
    >>> shortest_path(edges, ("h", 0, 0, 3), ("h", 0, 1, 3))
    4
    """
    after: dict[Hashable, list[Hashable]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    distance = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            return distance[node]
        for successor in after.get(node, []):
            if successor not in distance:
                distance[successor] = distance[node] + 1
                queue.append(successor)
    raise ValueError(f"goal: expected a node that {start} leads to, got {goal}")
