"""Chapter 1: the Elman cell, h = f(U x + W h' + b), its output layer and network modes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import ACTIVATIONS
from lib.cell import HoistedCell


class RNNParams(NamedTuple):
    """Parameters of an Elman cell; gradients have the same type."""

    U: np.ndarray
    """Input to hidden (H, D)."""
    W: np.ndarray
    """Hidden to hidden (H, H)."""
    b: np.ndarray
    """Bias (H,)."""


class RNNState(NamedTuple):
    """State of an Elman cell."""

    h: np.ndarray
    """Hidden state (N, H)."""


class RNNCache(NamedTuple):
    """What an Elman step keeps for its backward pass."""

    h_prev: np.ndarray
    """State before the step (N, H)."""
    h: np.ndarray
    """State after the step (N, H)."""


@dataclass(frozen=True)
class RNN(HoistedCell):
    """Elman cell: a = b + W h' + U x, h = f(a).

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Raises
    ------
    ValueError
        Where a size is below 1 or the activation unknown.

    Equations: rnn-preactivation, rnn-state.

    Source: Elman (1990); Goodfellow, Bengio and Courville (2016), eq. 10.8–10.9.

    Examples
    --------
    >>> cell = RNN(input_size=3, hidden_size=4)
    >>> params = cell.init(np.random.default_rng(0))
    >>> state, cache = cell.step(params, np.ones((2, 3)), cell.initial_state(2))
    >>> state.h.shape
    (2, 4)
    """

    input_size: int
    hidden_size: int
    activation: str = "tanh"

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)
        validate.choice("activation", self.activation, list(ACTIVATIONS))

    def init(self, rng: np.random.Generator) -> RNNParams:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does."""
        H, D = self.hidden_size, self.input_size
        return RNNParams(
            U=initializers.uniform(rng, (H, D), H),
            W=initializers.uniform(rng, (H, H), H),
            b=initializers.uniform(rng, (H,), H),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> RNNState:
        """Return h = 0 (N, H)."""
        return RNNState(np.zeros((batch_size, self.hidden_size), dtype))

    def project(self, params: RNNParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, H)."""
        projected = xs @ params.U.T
        projected += params.b
        return projected

    def advance(
        self, params: RNNParams, projected: np.ndarray, state: RNNState
    ) -> tuple[RNNState, RNNCache]:
        """Compute h = f(projected + W h').

        Equations: rnn-preactivation, rnn-state.
        """
        a = projected
        a += state.h @ params.W.T
        h = ACTIVATIONS[self.activation].forward(a)
        return RNNState(h), RNNCache(h_prev=state.h, h=h)

    def retreat(
        self, params: RNNParams, cache: RNNCache, dstate: RNNState, out: np.ndarray
    ) -> tuple[np.ndarray, RNNState]:
        """Compute δ = f'(a) ⊙ ∇_h and ∇_{h'} = Wᵀ δ.

        Equations: bptt-delta, bptt-hidden.
        """
        delta = ACTIVATIONS[self.activation].backward(cache.h, dstate.h)
        out[...] = delta
        return out, RNNState(delta @ params.W)

    def collect(
        self,
        params: RNNParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[RNNCache],
    ) -> tuple[RNNParams, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h'ᵀ, ∇_b = Σ δ over time and batch; ∇_x = Uᵀ δ.

        Equations: bptt-parameters, bptt-input.
        """
        h_prev = np.concatenate([cache.h_prev for cache in caches])
        flat = deltas.reshape(-1, self.hidden_size)
        dparams = RNNParams(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=flat.T @ h_prev,
            b=flat.sum(axis=0),
        )
        return dparams, deltas @ params.U
