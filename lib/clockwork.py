"""Chapter 6: the clockwork RNN, whose modules are updated at rates of their own."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate
from lib.cell import Cell
from lib.rnn import RNNParams


class ClockworkState(NamedTuple):
    """State of a clockwork RNN."""

    h: np.ndarray
    """Hidden state (N, H)."""
    step: np.ndarray
    """Steps taken so far (N, 1), whole numbers; its gradient is zero."""


class ClockworkCache(NamedTuple):
    """What a clockwork step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """State before the step (N, H)."""
    h_new: np.ndarray
    """State after the step (N, H)."""
    active: np.ndarray
    """Which units were updated (N, H)."""


def clockwork_mask(periods: tuple[int, ...], hidden_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make each unit's period (H,), and the entries of W that exist (H, H).

    A module hears itself and slower ones: the mask is block-upper-triangular.

    Equations: peephole-clockwork-mask.
    """
    period = np.repeat(periods, hidden_size // len(periods))
    return period, period[None, :] >= period[:, None]


@dataclass(frozen=True)
class ClockworkRNN(Cell):
    """Elman cell in modules of equal size, module k updated at steps that T_k divides.

    The first step is t = 1. Entries of W below the block triangle are not used and get
    no gradient.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    periods : tuple of int
        T_1 ≤ T_2 ≤ …, one a module; their number divides H.

    Raises
    ------
    ValueError
        Where a size or period is below 1, the periods descend, or H does not divide.

    Equations: peephole-clockwork-state, peephole-clockwork-mask.

    Source: Koutník et al. (2014).
    """

    periods: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "periods", tuple(self.periods))
        for period in self.periods:
            validate.positive("periods", period)
        if not self.periods or list(self.periods) != sorted(self.periods):
            raise ValueError(f"periods: expected ascending numbers, got {self.periods}")
        if self.hidden_size % len(self.periods):
            raise ValueError(
                f"hidden_size: expected a multiple of the {len(self.periods)} periods' number, "
                f"got {self.hidden_size}"
            )

    def shapes(self) -> RNNParams:
        """Return the parameters' shapes, those of an Elman cell."""
        H, D = self.hidden_size, self.input_size
        return RNNParams(U=(H, D), W=(H, H), b=(H,))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> RNNParams:
        """Draw parameters from U(−1/√H, 1/√H); zeros below the block triangle."""
        params = super().init(rng)
        _, mask = clockwork_mask(self.periods, self.hidden_size)
        return params._replace(W=params.W * mask)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> ClockworkState:
        """Return h = 0 (N, H) and no step taken (N, 1)."""
        return ClockworkState(
            np.zeros((batch_size, self.hidden_size), dtype), np.zeros((batch_size, 1), dtype)
        )

    def step(
        self, params: RNNParams, x: np.ndarray, state: ClockworkState
    ) -> tuple[ClockworkState, ClockworkCache]:
        """Compute tanh(b + U x + W h') in the modules that are due; the others keep h'.

        Equations: peephole-clockwork-state.
        """
        U, W, b = params
        h = state.h
        period, mask = clockwork_mask(self.periods, self.hidden_size)
        step = state.step + 1
        active = step % period.astype(step.dtype) == 0
        a = x @ U.T + h @ (W * mask).T + b
        h_new = np.where(active, np.tanh(a), h)
        return ClockworkState(h_new, step), ClockworkCache(x, h, h_new, active)

    def step_backward(
        self, params: RNNParams, cache: ClockworkCache, dstate: ClockworkState
    ) -> tuple[RNNParams, np.ndarray, ClockworkState]:
        """Compute δ = (1 − h²) ⊙ ∇_h where a unit was due; elsewhere ∇_h passes through.

        Equations: peephole-clockwork-backward, peephole-clockwork-mask, bptt-parameters,
        bptt-input.
        """
        U, W, _ = params
        x, h, h_new, active = cache
        _, mask = clockwork_mask(self.periods, self.hidden_size)
        delta = np.where(active, (1 - h_new**2) * dstate.h, 0)
        dparams = RNNParams(U=delta.T @ x, W=(delta.T @ h) * mask, b=delta.sum(axis=0))
        dh_prev = delta @ (W * mask) + np.where(active, 0, dstate.h)
        return dparams, delta @ U, ClockworkState(dh_prev, np.zeros_like(dstate.step))
