"""Chapter 3: cells with several time scales, by skip connections or by leaky units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lib import initializers, tree, validate
from lib.activations import ACTIVATIONS, sigmoid
from lib.cell import Cell

Tree = TypeVar("Tree")


class SkipParams(NamedTuple):
    """Parameters of a skip cell; gradients have the same type."""

    U: np.ndarray
    """Input to hidden (H, D)."""
    W: np.ndarray | None
    """From one step back (H, H), or ``None`` where those connections are removed."""
    R: np.ndarray
    """From d steps back (H, H)."""
    b: np.ndarray
    """Bias (H,)."""


class SkipState(NamedTuple):
    """State of a skip cell: it remembers what it will need."""

    h: np.ndarray
    """Hidden state h^(t) (N, H)."""
    past: tuple[np.ndarray, ...]
    """h^(t−1), …, h^(t−d+1), each (N, H)."""


class SkipCache(NamedTuple):
    """What a skip step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """State one step back (N, H)."""
    h_far: np.ndarray
    """State that R reads: column i is unit i's state d steps back (N, H)."""
    h_new: np.ndarray
    """State after the step (N, H)."""


@dataclass(frozen=True)
class SkipRNN(Cell):
    """Elman cell with connections over d steps: h = f(b + U x + W h^(t−1) + R h^(t−d)).

    It is a Cell, and the past it needs is in its state, so that it runs, is carried over,
    truncated and padded wherever a cell is. h^(t) is 0 before the sequence.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    delay : int or sequence of int
        d; with H delays, R reads each unit at its own distance: several time scales.
    remove_short : bool
        Remove the connections over one step (no W), so that only long ones stay.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Raises
    ------
    ValueError
        Where a size or delay is below 1, or the number of delays is not H.

    Equations: vanishing-gradients-skip, vanishing-gradients-removed.

    Source: Lin et al. (1996); Goodfellow, Bengio and Courville (2016), section 10.9.
    """

    delay: int | Sequence[int] = 2
    remove_short: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        if isinstance(self.delay, Sequence) and len(self.delay) != self.hidden_size:
            raise ValueError(f"delay: expected {self.hidden_size} of them, got {len(self.delay)}")
        if isinstance(self.delay, Sequence):
            object.__setattr__(self, "delay", tuple(self.delay))
        for d in self.delays:
            validate.positive("delay", d)

    @property
    def delays(self) -> tuple[int, ...]:
        """The delay of each unit."""
        if isinstance(self.delay, tuple):
            return self.delay
        return (self.delay,) * self.hidden_size  # type: ignore[return-value]

    def _far(self, history: Sequence[np.ndarray]) -> np.ndarray:
        """Take each unit's state from its own distance; ``history`` begins with h^(t−1)."""
        if isinstance(self.delay, int):
            return history[self.delay - 1]
        return np.stack(history)[np.array(self.delays) - 1, :, np.arange(self.hidden_size)].T

    def shapes(self) -> SkipParams:
        """Return the parameters' shapes; W is there unless short connections are removed."""
        H, D = self.hidden_size, self.input_size
        short = None if self.remove_short else (H, H)
        return SkipParams(U=(H, D), W=short, R=(H, H), b=(H,))  # type: ignore[arg-type]

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> SkipState:
        """Return zeros for now and for the past."""
        h = np.zeros((batch_size, self.hidden_size), dtype)
        return SkipState(h, tuple(np.zeros_like(h) for _ in range(max(self.delays) - 1)))

    def step(
        self, params: SkipParams, x: np.ndarray, state: SkipState
    ) -> tuple[SkipState, SkipCache]:
        """Take one step and push h^(t−1) into the past.

        Equations: vanishing-gradients-skip, vanishing-gradients-removed.
        """
        U, W, R, b = params
        h = state.h
        f = ACTIVATIONS[self.activation].forward
        history = h, *state.past
        h_far = self._far(history)
        a = x @ U.T + h_far @ R.T + b
        if W is not None:
            a = a + h @ W.T
        h_new = f(a)
        return SkipState(h_new, history[:-1]), SkipCache(x, h, h_far, h_new)

    def step_backward(
        self, params: SkipParams, cache: SkipCache, dstate: SkipState
    ) -> tuple[SkipParams, np.ndarray, SkipState]:
        """Send δ = f' ⊙ ∇_h back by Wᵀ over one step and by Rᵀ over d.

        Equations: vanishing-gradients-skip-backward.
        """
        U, W, R, _ = params
        x, h, h_far, h_new = cache
        f_backward = ACTIVATIONS[self.activation].backward
        delta = f_backward(h_new, dstate.h)
        dfar = delta @ R
        dhistory = [*dstate.past, np.zeros_like(delta)]
        for d in set(self.delays):
            units = True if isinstance(self.delay, int) else np.equal(self.delays, d)
            dhistory[d - 1] = dhistory[d - 1] + units * dfar
        if W is not None:
            dhistory[0] = dhistory[0] + delta @ W
        dparams = SkipParams(
            U=delta.T @ x,
            W=None if W is None else delta.T @ h,
            R=delta.T @ h_far,
            b=delta.sum(axis=0),
        )
        return dparams, delta @ U, SkipState(dhistory[0], tuple(dhistory[1:]))


class LeakyParams(NamedTuple):
    """Parameters of a leaky cell; gradients have the same type."""

    U: np.ndarray
    """Input to hidden (H, D)."""
    W: np.ndarray
    """Hidden to hidden (H, H)."""
    b: np.ndarray
    """Bias (H,)."""
    leak: np.ndarray | None
    """Logit of each unit's α (H,), or ``None`` where α is fixed."""


class LeakyState(NamedTuple):
    """State of a leaky cell."""

    h: np.ndarray
    """Hidden state (N, H)."""


class LeakyCache(NamedTuple):
    """What a leaky step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """State before the step (N, H)."""
    u: np.ndarray
    """Candidate f(b + U x + W h') (N, H)."""


@dataclass(frozen=True)
class LeakyRNN(Cell):
    """Leaky units: h = α ⊙ h' + (1 − α) ⊙ f(b + U x + W h').

    An α near 1 keeps for about 1/(1 − α) steps. The notes' unit h = αh' + (1 − α)x is the
    case f = identity, U = I, W = 0, b = 0. A learned α is σ(leak), a gate that sees neither
    input nor state; the LSTM's forget gate lets it see both.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    alpha : float or sequence of H floats
        0 ≤ α < 1; the starting point where it is learned, and then above 0. Different
        ones make several time scales: see :func:`time_scales`.
    learned : bool
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Raises
    ------
    ValueError
        Where a size is below 1, an α out of range, or their number not H.

    Equations: vanishing-gradients-leaky, vanishing-gradients-leaky-learned.

    Source: Mozer (1992); Jaeger et al. (2007); Goodfellow et al. (2016), section 10.9.2.
    """

    alpha: float | Sequence[float] = 0.9
    learned: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        if np.ndim(self.alpha) > 0:
            object.__setattr__(self, "alpha", tuple(float(a) for a in self.alpha))  # type: ignore[union-attr]
            validate.shape("alpha", self.alpha, (self.hidden_size,))  # type: ignore[arg-type]
        for a in np.ravel(self.alpha):
            validate.fraction("alpha", a)
            if self.learned:
                validate.positive_number("alpha", a)

    def shapes(self) -> LeakyParams:
        """Return the parameters' shapes; ``leak`` is there where α is learned."""
        H, D = self.hidden_size, self.input_size
        leak = (H,) if self.learned else None
        return LeakyParams(U=(H, D), W=(H, H), b=(H,), leak=leak)  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator) -> LeakyParams:
        """Draw parameters from U(−1/√H, 1/√H); a learned α starts at ``alpha``."""
        drawn = self.shapes()._replace(leak=None)
        params = initializers.uniform_tree(rng, drawn, self.hidden_size)
        if not self.learned:
            return params
        alpha = np.broadcast_to(np.asarray(self.alpha, np.float64), (self.hidden_size,))
        return params._replace(leak=np.log(alpha / (1 - alpha)))

    def alphas(self, params: LeakyParams) -> np.ndarray:
        """Return each unit's α (H,): σ(leak) or the fixed one.

        Equations: vanishing-gradients-leaky-learned.
        """
        if params.leak is not None:
            return sigmoid(params.leak)
        return np.broadcast_to(np.asarray(self.alpha, params.b.dtype), params.b.shape)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> LeakyState:
        """Return h = 0 (N, H)."""
        return LeakyState(np.zeros((batch_size, self.hidden_size), dtype))

    def step(
        self, params: LeakyParams, x: np.ndarray, state: LeakyState
    ) -> tuple[LeakyState, LeakyCache]:
        """Compute h = α h' + (1 − α) f(b + U x + W h').

        Equations: vanishing-gradients-leaky.
        """
        U, W, b, _ = params
        h = state.h
        f = ACTIVATIONS[self.activation].forward
        alpha = self.alphas(params)
        u = f(x @ U.T + h @ W.T + b)
        return LeakyState(alpha * h + (1 - alpha) * u), LeakyCache(x, h, u)

    def step_backward(
        self, params: LeakyParams, cache: LeakyCache, dstate: LeakyState
    ) -> tuple[LeakyParams, np.ndarray, LeakyState]:
        """Compute δ = f' ⊙ (1 − α) ⊙ ∇_h, ∇_{h'} = α ⊙ ∇_h + Wᵀ δ, and a learned leak's error.

        Equations: vanishing-gradients-leaky-backward.
        """
        U, W, _, leak = params
        x, h, u = cache
        f_backward = ACTIVATIONS[self.activation].backward
        alpha = self.alphas(params)
        delta = f_backward(u, (1 - alpha) * dstate.h)
        dleak = alpha * (1 - alpha) * dstate.h * (h - u)
        dparams = LeakyParams(
            U=delta.T @ x,
            W=delta.T @ h,
            b=delta.sum(axis=0),
            leak=None if leak is None else dleak.sum(axis=0),
        )
        return dparams, delta @ U, LeakyState(alpha * dstate.h + delta @ W)


def time_scales(hidden_size: int, shortest: float, longest: float) -> tuple[float, ...]:
    """Spread α over H units so that 1/(1 − α) grows geometrically between two times.

    Parameters
    ----------
    hidden_size : int
    shortest, longest : float
        In steps, 1 ≤ shortest ≤ longest.

    Raises
    ------
    ValueError
        Where a size or time is out of range.

    Equations: vanishing-gradients-time-scales.
    """
    validate.positive_number("shortest", shortest)
    validate.positive_number("longest", longest)
    if not 1 <= shortest <= longest:
        raise ValueError(f"shortest: expected from 1 to longest = {longest}, got {shortest}")
    times = np.geomspace(shortest, longest, validate.positive("hidden_size", hidden_size))
    return tuple(float(a) for a in 1 - 1 / times)


def slow_updates(grads: Tree, step: int, periods: Sequence[int]) -> Tree:
    """Let unit i learn only at every ``periods[i]``-th step: the other way to time scales.

    Parameters
    ----------
    grads : tree of arrays (H, …)
        Of a cell whose parameters have one row a unit (RNN, SkipRNN, LeakyRNN).
    step : int
        Number of the update, from 0.
    periods : sequence of H int

    Returns
    -------
    tree of the type of ``grads``
        Rows of units whose turn it is not are zero.

    Raises
    ------
    ValueError
        Where a period is below 1 or an array does not have H rows.

    Equations: vanishing-gradients-slow-updates.
    """
    for period in periods:
        validate.positive("periods", period)
    for name, leaf in tree.named_leaves(grads):
        if leaf.shape[:1] != (len(periods),):
            raise ValueError(f"{name}: expected {len(periods)} rows, got shape {leaf.shape}")
    due = np.array([step % period == 0 for period in periods])
    return tree.tree_map(
        lambda g: np.where(due.reshape((-1,) + (1,) * (g.ndim - 1)), g, g.dtype.type(0)), grads
    )
