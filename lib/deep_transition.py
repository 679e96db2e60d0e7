"""Chapter 8: a cell with a feed-forward network between the old state and the new one."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate
from lib.activations import ACTIVATIONS
from lib.cell import Cell


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

    x: np.ndarray
    """Input (N, D)."""
    zs: tuple[np.ndarray, ...]
    """The old state, every layer, the new state: K + 1 arrays (N, H)."""


@dataclass(frozen=True)
class DeepTransition(Cell):
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

    depth: int = 2
    skip: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.positive("depth", self.depth)
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        if self.skip and self.depth < 2:
            raise ValueError(f"depth: expected at least 2 with skip, got {self.depth}")

    def shapes(self) -> DeepTransitionParams:
        """Return the parameters' shapes; S is there with ``skip``."""
        H, D, K = self.hidden_size, self.input_size, self.depth
        skip = (H, H) if self.skip else None
        return DeepTransitionParams(U=(H, D), W=(K, H, H), b=(K, H), S=skip)  # type: ignore[arg-type]

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> DeepTransitionState:
        """Return h = 0 (N, H)."""
        return DeepTransitionState(np.zeros((batch_size, self.hidden_size), dtype))

    def step(
        self, params: DeepTransitionParams, x: np.ndarray, state: DeepTransitionState
    ) -> tuple[DeepTransitionState, DeepTransitionCache]:
        """Climb the K layers.

        Equations: deep-transition, deep-transition-skip.
        """
        U, W, b, S = params
        f = ACTIVATIONS[self.activation].forward
        zs = [state.h]
        for k in range(self.depth):
            a = zs[k] @ W[k].T + b[k]
            if k == 0:
                a = a + x @ U.T
            if k == self.depth - 1 and S is not None:
                a = a + state.h @ S.T
            zs.append(f(a))
        return DeepTransitionState(zs[-1]), DeepTransitionCache(x, tuple(zs))

    def step_backward(
        self, params: DeepTransitionParams, cache: DeepTransitionCache, dstate: DeepTransitionState
    ) -> tuple[DeepTransitionParams, np.ndarray, DeepTransitionState]:
        """Climb down: δ_k = f' ⊙ ∇_{z_k}, ∇_{z_{k−1}} = W_kᵀ δ_k, and Sᵀ δ_K for the skip.

        Equations: deep-transition-backward, deep-transition-parameters.
        """
        U, W, _, S = params
        x, zs = cache
        f_backward = ACTIVATIONS[self.activation].backward
        dz, deltas = dstate.h, []
        for k in reversed(range(self.depth)):
            delta = f_backward(zs[k + 1], dz)
            dz = delta @ W[k]
            deltas.append(delta)
        first, last = deltas[-1], deltas[0]
        dparams = DeepTransitionParams(
            U=first.T @ x,
            W=np.stack([delta.T @ z for delta, z in zip(deltas[::-1], zs, strict=False)]),
            b=np.stack([delta.sum(axis=0) for delta in deltas[::-1]]),
            S=None if S is None else last.T @ zs[0],
        )
        dh = dz if S is None else dz + last @ S
        return dparams, first @ U, DeepTransitionState(dh)
