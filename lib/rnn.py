"""Chapter 1: the Elman cell, h = f(U x + W h' + b)."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import fused_rnn, validate
from lib.activations import ACTIVATIONS
from lib.cell import Cell, Kernel


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

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """State before the step (N, H)."""
    h_new: np.ndarray
    """State after the step (N, H)."""


@dataclass(frozen=True)
class RNN(Cell):
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

    activation: str = "tanh"
    cache_type: ClassVar[Any] = RNNCache

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.choice("activation", self.activation, list(ACTIVATIONS))

    @property
    def kernel(self) -> Kernel:
        """The fast form."""
        return Kernel(fused_rnn.forward, fused_rnn.backward)

    def shapes(self) -> RNNParams:
        """Return the parameters' shapes."""
        H, D = self.hidden_size, self.input_size
        return RNNParams(U=(H, D), W=(H, H), b=(H,))  # type: ignore[arg-type]

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> RNNState:
        """Return h = 0 (N, H)."""
        return RNNState(np.zeros((batch_size, self.hidden_size), dtype))

    def step(self, params: RNNParams, x: np.ndarray, state: RNNState) -> tuple[RNNState, RNNCache]:
        """Compute h = f(b + W h' + U x).

        Equations: rnn-preactivation, rnn-state.
        """
        U, W, b = params
        h = state.h
        f = ACTIVATIONS[self.activation].forward
        a = x @ U.T + h @ W.T + b
        h_new = f(a)
        return RNNState(h_new), RNNCache(x, h, h_new)

    def step_backward(
        self, params: RNNParams, cache: RNNCache, dstate: RNNState
    ) -> tuple[RNNParams, np.ndarray, RNNState]:
        """Compute δ = f'(a) ⊙ ∇_h; ∇_U = δ xᵀ, ∇_W = δ h'ᵀ, ∇_b = δ; Uᵀ δ for x, Wᵀ δ for h'.

        Equations: bptt-delta, bptt-hidden, bptt-parameters, bptt-input.
        """
        U, W, _ = params
        x, h, h_new = cache
        f_backward = ACTIVATIONS[self.activation].backward
        delta = f_backward(h_new, dstate.h)
        dparams = RNNParams(U=delta.T @ x, W=delta.T @ h, b=delta.sum(axis=0))
        return dparams, delta @ U, RNNState(delta @ W)
