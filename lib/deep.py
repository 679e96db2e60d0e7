"""Chapter 8: depth by stacking layers, and by a feed-forward network at every step.

Dropout keeps no state and draws nothing by itself: masks are drawn once from a generator,
handed to ``forward``, and kept in the cache for ``backward``. Training is a call with
masks and testing a call without: the masks are scaled up by 1/(1 − p), so that nothing
has to be scaled at test time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import ACTIVATIONS
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer, causal
from lib.masks import cover, live_steps, padded_steps

Masks = Sequence[np.ndarray | None]


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
    live: np.ndarray
    """True where a step is no padding (T, N)."""


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

    @property
    def causal(self) -> bool:
        """Whether no layer looks ahead."""
        return all(causal(layer) for layer in self.runs)

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

        Equations: deep-stacked-state, deep-residual, deep-dropout.
        """
        runs = self.runs
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        live = live_steps(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), live)
        if state is None:
            state = self.initial_state(N, xs.dtype)
        validate.same_tree("state", state, self.initial_state(N, xs.dtype))
        masks = self._check_masks(masks, T, N, xs.dtype)
        states, caches = [], []
        for k, layer in enumerate(runs):
            mask = masks[k]
            ys, last, cache = layer.forward(
                params.layers[k], xs if mask is None else xs * mask, state.layers[k], lengths
            )
            xs = ys + xs if self.residual and k > 0 else ys
            states.append(last)
            caches.append(cache)
        return xs, StackedState(tuple(states)), StackedCache(tuple(caches), masks, live)

    def _check_masks(self, masks: Masks | None, steps: int, batch: int, dtype: Any) -> Masks:
        if masks is None:
            return (None,) * len(self.layers)
        if len(masks) != len(self.layers):
            raise ValueError(f"masks: expected {len(self.layers)} of them, got {len(masks)}")
        for k, (mask, layer) in enumerate(zip(masks, self.layers, strict=True)):
            if mask is not None:
                first = 1 if np.shape(mask)[:1] == (1,) else steps
                validate.array(f"masks[{k}]", mask, (first, batch, layer.input_size))
        return tuple(None if mask is None else mask.astype(dtype) for mask in masks)

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

        Equations: deep-stacked-backward, deep-residual-backward.
        """
        T, N = cache.live.shape
        dys = validate.array("dys", dys, (T, N, self.output_size), cache.live)
        if dstate is None:
            dstate = self.initial_state(N, dys.dtype)
        validate.same_tree("dstate", dstate, self.initial_state(N, dys.dtype))
        if not isinstance(params, StackedParams) or len(params.layers) != len(self.layers):
            raise ValueError(f"params: expected StackedParams of {len(self.layers)} layers")
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
    """True where a step is no padding (T, N), or ``None`` where none is."""


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

    causal = True

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
        pairs = list(pairwise(self.sizes))
        return MLPParams(
            W=tuple(initializers.uniform(rng, (b, a), a) for a, b in pairs),
            b=tuple(initializers.uniform(rng, (b,), a) for a, b in pairs),
        )

    def shapes(self) -> MLPParams:
        """Return the parameters' shapes."""
        pairs: Any = [((b, a), (b,)) for a, b in pairwise(self.sizes)]
        return MLPParams(*zip(*pairs, strict=True))

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

        Equations: deep-mlp.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        validate.params("params", params, self.shapes(), xs.dtype)
        live = padded_steps(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), live)
        ys = [xs.copy()]
        for W, b, name in zip(params.W, params.b, self.activations, strict=True):
            ys.append(ACTIVATIONS[name].forward(ys[-1] @ W.T + b))
        return cover(ys[-1], live).copy(), (), MLPCache(tuple(ys), live)

    def backward(
        self, params: MLPParams, cache: MLPCache, dys: np.ndarray, dstate: tuple[()] | None = None
    ) -> tuple[MLPParams, np.ndarray, tuple[()]]:
        """Carry ``dys`` (T, N, D_K) back through every map: dparams, dxs (T, N, D_0), ().

        Equations: deep-mlp-backward.
        """
        ys = cache.ys
        dys = validate.array("dys", dys, ys[-1].shape, cache.live, ys[-1].dtype)
        validate.params("params", params, self.shapes(), dys.dtype)
        dW, db = [], []
        for k in reversed(range(len(params.W))):
            delta = ACTIVATIONS[self.activations[k]].backward(ys[k + 1], dys)
            flat = delta.reshape(-1, delta.shape[-1])
            dW.append(flat.T @ ys[k].reshape(-1, self.sizes[k]))
            db.append(flat.sum(axis=0))
            dys = delta @ params.W[k]
        return MLPParams(tuple(dW[::-1]), tuple(db[::-1])), dys, ()
