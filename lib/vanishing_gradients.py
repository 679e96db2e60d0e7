"""Chapter 3: how errors vanish or explode on their way back, and what helps.

First the measurements (Jacobians, their products, eigenvalues, Hochreiter's paths, norms
against distance), then the cures: cells with skip connections or leaky units, the random
step, the regulariser Ω. Clipping lives in ``lib.optim``, where optimisers use it, and is
offered here under the same names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lib import initializers, tree, validate
from lib.activations import ACTIVATIONS, sigmoid, sigmoid_backward
from lib.cell import Cell, HoistedCell
from lib.optim import clip_by_norm as clip_by_norm
from lib.optim import clip_by_value as clip_by_value

Tree = TypeVar("Tree")

STEEPEST = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "identity": 1.0}
"""The largest slope γ of each activation."""


def step_jacobian(h: np.ndarray, W: np.ndarray, activation: str = "tanh") -> np.ndarray:
    """Compute ∂h^(t)/∂h^(t−1) = diag(f'(a^(t))) W of an Elman step; 1 − h² is tanh's f'.

    Parameters
    ----------
    h : array (N, H)
        State *after* the step.
    W : array (H, H)
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    array (N, H, H)
        Row i, column j: how the new unit i depends on the old unit j.

    Raises
    ------
    ValueError
        Where a shape or dtype does not fit.

    Equations: vanishing-gradients-jacobian.
    """
    validate.choice("activation", activation, list(ACTIVATIONS))
    validate.array("W", W, ("H", "H"))
    validate.array("h", h, ("N", W.shape[0]))
    return ACTIVATIONS[activation].backward(h, np.ones_like(h))[:, :, None] * W


def jacobian_product(hs: np.ndarray, W: np.ndarray, activation: str = "tanh") -> np.ndarray:
    """Multiply the Jacobians of T steps, the last on the left: ∂h^(T)/∂h^(0), (N, H, H).

    ``hs`` (T, N, H) are the states after each step; W and the activation as in
    :func:`step_jacobian`.

    Raises
    ------
    ValueError
        Where a shape or dtype does not fit.

    Equations: vanishing-gradients-jacobian-product.
    """
    validate.array("hs", hs, ("T", "N", "H"))
    total = step_jacobian(hs[0], W, activation)
    for h in hs[1:]:
        total = step_jacobian(h, W, activation) @ total
    return total


def jacobian_bound(W: np.ndarray, activation: str = "tanh") -> float:
    """Bound the norm of every step Jacobian: ‖J‖ ≤ γ σ_max(W), γ being the steepest slope.

    Over q steps an error shrinks at least as fast as the bound's q-th power: below 1 it
    must vanish, and only above 1 can it explode (it need not).

    Raises
    ------
    ValueError
        Where ``W`` is not a square matrix or the activation unknown.

    Equations: vanishing-gradients-bound.

    Source: Pascanu, Mikolov and Bengio (2013), section 2.1.
    """
    validate.choice("activation", activation, list(ACTIVATIONS))
    validate.array("W", W, ("H", "H"))
    return STEEPEST[activation] * float(np.linalg.norm(W, 2))


def matrix_power(W: np.ndarray, steps: int) -> np.ndarray:
    """Raise ``W`` (H, H) to a power through its eigenvalues: W^t = Q Λ^t Q^(−1).

    h^(0) becomes h^(t) = W^t h^(0) on the way forward (``h @ matrix_power(W, t).T`` with
    examples as rows); an error goes back by (W^t)ᵀ = (Wᵀ)^t (``dh @ matrix_power(W, t)``).

    Raises
    ------
    ValueError
        Where ``W`` is not square, has too few eigenvectors, or ``steps`` is negative.

    Equations: vanishing-gradients-eigen, vanishing-gradients-linear-forward,
    vanishing-gradients-linear-backward.

    Source: Goodfellow, Bengio and Courville (2016), section 10.7.
    """
    validate.array("W", W, ("H", "H"))
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps: expected an integer of at least 0, got {steps!r}")
    eigenvalues, Q = np.linalg.eig(W)
    if np.linalg.cond(Q) > 1e8:
        raise ValueError("W: expected a matrix with a full set of eigenvectors, got one without")
    # Complex eigenvalues of a real W come in conjugate pairs, whose imaginary parts cancel.
    return np.real((Q * eigenvalues**steps) @ np.linalg.inv(Q)).astype(W.dtype)


def error_paths(W: np.ndarray, slopes: np.ndarray, u: int, v: int) -> np.ndarray:
    """List Hochreiter's n^(q−1) products: one a path of an error from unit u to unit v.

    An error ϑ_u(t) at the pre-activation of u reaches v at step t − q along the units
    l_0 = u, l_1, …, l_q = v; the path's factor is Π_m f'_{l_m}(t−m) w_{l_{m−1} l_m}. Their
    sum is ∂ϑ_v(t−q)/∂ϑ_u(t), the entry (v, u) of the product of the q matrices
    diag(f'(t−m)) Wᵀ, the last one on the left.

    Parameters
    ----------
    W : array (n, n)
        ``W[i, j]`` leads from unit j to unit i.
    slopes : array (q, n)
        f' of every unit at steps t − 1, …, t − q.
    u, v : int

    Returns
    -------
    array (n^(q−1),)

    Raises
    ------
    ValueError
        Where shapes do not fit, a unit is none, or there are more than 10⁶ paths.

    Equations: vanishing-gradients-paths.

    Source: Hochreiter and Schmidhuber (1997), section 3.1.
    """
    validate.array("W", W, ("n", "n"))
    n = W.shape[0]
    validate.array("slopes", slopes, ("q", n))
    for name, unit in (("u", u), ("v", v)):
        validate.integers(name, np.asarray(unit), (), 0, n - 1)
    q = len(slopes)
    if n ** (q - 1) > 10**6:
        raise ValueError(f"slopes: expected at most 10**6 paths, got {n}**{q - 1}")
    terms = []
    for between in product(range(n), repeat=q - 1):
        path = (u, *between, v)
        term = 1.0
        for m in range(1, q + 1):
            term *= slopes[m - 1, path[m]] * W[path[m - 1], path[m]]
        terms.append(term)
    return np.array(terms)


def product_variance(variance: float, count: int) -> float:
    """Variance v^n of the product of n independent weights of mean 0 and variance v.

    A deep feed-forward net can choose v near 1; a recurrent net multiplies by the same
    weight every time, and has no such choice.

    Raises
    ------
    ValueError
        Where the variance is not positive or the count below 1.

    Equations: vanishing-gradients-product-variance.

    Source: Goodfellow, Bengio and Courville (2016), section 10.7; Sussillo (2014).
    """
    validate.positive_number("variance", variance)
    return float(variance) ** validate.positive("count", count)


class StateGradients(NamedTuple):
    """The states of a run and the gradients that reached them."""

    states: tuple[Any, ...]
    """States at steps 0, …, T: T + 1 trees of (N, H)."""
    gradients: tuple[Any, ...]
    """Total gradients of these states."""


def state_gradients(
    cell: Cell,
    params: Any,
    xs: np.ndarray,
    dys: np.ndarray | None = None,
    dstate: Any = None,
    state: Any = None,
) -> StateGradients:
    """Run any cell and carry an error back, keeping what reaches every state.

    Parameters
    ----------
    cell : Cell
    params : the cell's parameters
    xs : array (T, N, D)
    dys : array (T, N, H), optional
        Gradient of each step's ``h`` from its own loss.
    dstate : the cell's state, optional
        Gradient of the last state.
    state : the cell's state, optional
        Zero where not given.

    Returns
    -------
    StateGradients

    Raises
    ------
    ValueError
        Where a shape or dtype does not fit.

    Equations: vanishing-gradients-error-flow.
    """
    validate.array("xs", xs, ("T", "N", cell.input_size))
    T, N, _ = xs.shape
    zero = cell.initial_state(N, xs.dtype)
    if dys is not None:
        validate.array("dys", dys, (T, N, cell.hidden_size))
    dstate = zero if dstate is None else dstate
    state = zero if state is None else state
    validate.same_tree("dstate", dstate, zero)
    validate.same_tree("state", state, zero)
    states, caches = [state], []
    for x in xs:
        state, cache = cell.step(params, x, state)
        states.append(state)
        caches.append(cache)
    gradients = []
    for t in reversed(range(T)):
        if dys is not None:
            dstate = dstate._replace(h=dstate.h + dys[t])
        gradients.append(dstate)
        _, _, dstate = cell.step_backward(params, caches[t], dstate)
    return StateGradients(tuple(states), (dstate, *gradients[::-1]))


def error_flow(
    cell: Cell, params: Any, xs: np.ndarray, dstate: Any, state: Any = None
) -> np.ndarray:
    """Measure how much of an error at the last state arrives q steps earlier.

    Arguments as in :func:`state_gradients`. Returns norms (T + 1, N): row q is
    ‖∇_{h^(T−q)} L‖ of each example, over all fields of the state; row 0 is ``dstate``'s.

    Raises
    ------
    ValueError
        Where a shape or dtype does not fit.

    Equations: vanishing-gradients-error-flow.
    """
    gradients = state_gradients(cell, params, xs, dstate=dstate, state=state).gradients
    rows = [np.concatenate(tree.leaves(gradient), axis=1) for gradient in reversed(gradients)]
    return np.linalg.norm(np.stack(rows), axis=2)


class CliffGradient(NamedTuple):
    """Loss of the one-unit net, and its gradient."""

    loss: np.ndarray
    dw: np.ndarray
    db: np.ndarray


def loss_cliff(
    w: np.ndarray, b: np.ndarray, steps: int = 50, h0: float = 0.5, target: float = 0.7
) -> CliffGradient:
    """Compute the loss of one unit h^(t) = σ(w h^(t−1) + b) at many weights at once.

    L = (h^(steps) − target)². Where the start passes from one fixed point's basin to the
    other's, the loss over (w, b) has a wall, and the gradient on it is very large.

    Parameters
    ----------
    w, b : arrays of the same shape
    steps : int
    h0, target : float

    Returns
    -------
    CliffGradient
        Each shaped as ``w``.

    Raises
    ------
    ValueError
        Where shapes or dtypes do not fit.

    Equations: vanishing-gradients-cliff.

    Source: Pascanu, Mikolov and Bengio (2013), figure 6.
    """
    validate.array("w", w, [f"d{k}" for k in range(np.ndim(w))])
    validate.array("b", b, w.shape)
    hs = [np.full_like(w, h0)]
    for _ in range(validate.positive("steps", steps)):
        hs.append(sigmoid(w * hs[-1] + b))
    loss = (hs[-1] - target) ** 2
    dh, dw, db = 2 * (hs[-1] - target), np.zeros_like(w), np.zeros_like(w)
    for h_prev, h in zip(hs[-2::-1], hs[:0:-1], strict=True):
        delta = sigmoid_backward(h, dh)
        dw += delta * h_prev
        db += delta
        dh = delta * w
    return CliffGradient(loss, dw, db)


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

    h_prev: np.ndarray
    """State one step back (N, H)."""
    h_far: np.ndarray
    """State that R reads: column i is unit i's state d steps back (N, H)."""
    h: np.ndarray
    """State after the step (N, H)."""


@dataclass(frozen=True)
class SkipRNN(HoistedCell):
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

    input_size: int
    hidden_size: int
    delay: int | Sequence[int] = 2
    remove_short: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)
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

    @cached_property
    def _groups(self) -> list[tuple[int, Any]]:
        """Each delay, and which units have it: bool (H,), or ``None`` where all have the same."""
        different = sorted(set(self.delays))
        if len(different) == 1:
            return [(different[0], None)]
        return [(d, np.equal(self.delays, d)) for d in different]

    def init(self, rng: np.random.Generator) -> SkipParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        H, D = self.hidden_size, self.input_size
        return SkipParams(
            U=initializers.uniform(rng, (H, D), H),
            W=None if self.remove_short else initializers.uniform(rng, (H, H), H),
            R=initializers.uniform(rng, (H, H), H),
            b=initializers.uniform(rng, (H,), H),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> SkipState:
        """Return zeros for now and for the past."""
        h = np.zeros((batch_size, self.hidden_size), dtype)
        return SkipState(h, tuple(np.zeros_like(h) for _ in range(max(self.delays) - 1)))

    def project(self, params: SkipParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, H)."""
        H = self.hidden_size
        validate.shape("params.U", params.U, (H, self.input_size))
        validate.shape("params.R", params.R, (H, H))
        validate.shape("params.b", params.b, (H,))
        if (params.W is None) != self.remove_short:
            raise ValueError(f"params.W: expected {'None' if self.remove_short else 'an array'}")
        if params.W is not None:
            validate.shape("params.W", params.W, (H, H))
        return xs @ params.U.T + params.b

    def advance(
        self, params: SkipParams, projected: np.ndarray, state: SkipState
    ) -> tuple[SkipState, SkipCache]:
        """Take one step and push h^(t−1) into the past.

        Equations: vanishing-gradients-skip, vanishing-gradients-removed.
        """
        history = (state.h, *state.past)
        far = history[self._groups[0][0] - 1]
        for d, units in self._groups[1:]:
            far = np.where(units, history[d - 1], far)
        a = projected
        a += far @ params.R.T
        if params.W is not None:
            a += state.h @ params.W.T
        h = ACTIVATIONS[self.activation].forward(a)
        return SkipState(h, history[:-1]), SkipCache(h_prev=state.h, h_far=far, h=h)

    def retreat(
        self, params: SkipParams, cache: SkipCache, dstate: SkipState, out: np.ndarray
    ) -> tuple[np.ndarray, SkipState]:
        """Send δ = f' ⊙ ∇_h back by Wᵀ over one step and by Rᵀ over d.

        Equations: vanishing-gradients-skip-backward.
        """
        delta = ACTIVATIONS[self.activation].backward(cache.h, dstate.h)
        out[...] = delta
        history = [*dstate.past, np.zeros_like(delta)]
        if params.W is not None:
            history[0] = history[0] + delta @ params.W
        far = delta @ params.R
        for d, units in self._groups:
            history[d - 1] = history[d - 1] + (far if units is None else far * units)
        return out, SkipState(history[0], tuple(history[1:]))

    def collect(
        self,
        params: SkipParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[SkipCache],
    ) -> tuple[SkipParams, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h^(t−1)ᵀ, ∇_R = Σ δ h^(t−d)ᵀ, ∇_b = Σ δ.

        Equations: vanishing-gradients-skip-backward.
        """
        flat = deltas.reshape(-1, self.hidden_size)
        dparams = SkipParams(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=None if params.W is None else flat.T @ np.concatenate([c.h_prev for c in caches]),
            R=flat.T @ np.concatenate([c.h_far for c in caches]),
            b=flat.sum(axis=0),
        )
        return dparams, deltas @ params.U


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

    h_prev: np.ndarray
    """State before the step (N, H)."""
    u: np.ndarray
    """Candidate f(b + U x + W h') (N, H)."""


@dataclass(frozen=True)
class LeakyRNN(HoistedCell):
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

    input_size: int
    hidden_size: int
    alpha: float | Sequence[float] = 0.9
    learned: bool = False
    activation: str = "tanh"

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)
        validate.choice("activation", self.activation, list(ACTIVATIONS))
        if np.ndim(self.alpha) > 0:
            object.__setattr__(self, "alpha", tuple(float(a) for a in self.alpha))  # type: ignore[union-attr]
            validate.shape("alpha", self.alpha, (self.hidden_size,))  # type: ignore[arg-type]
        for a in np.ravel(self.alpha):
            validate.fraction("alpha", a)
            if self.learned:
                validate.positive_number("alpha", a)

    def init(self, rng: np.random.Generator) -> LeakyParams:
        """Draw parameters from U(−1/√H, 1/√H); a learned α starts at ``alpha``."""
        H, D = self.hidden_size, self.input_size
        alpha = np.broadcast_to(np.asarray(self.alpha, np.float64), (H,))
        return LeakyParams(
            U=initializers.uniform(rng, (H, D), H),
            W=initializers.uniform(rng, (H, H), H),
            b=initializers.uniform(rng, (H,), H),
            leak=np.log(alpha / (1 - alpha)) if self.learned else None,
        )

    def alphas(self, params: LeakyParams) -> np.ndarray:
        """Return each unit's α (H,): σ(leak) or the fixed one.

        Equations: vanishing-gradients-leaky-learned.
        """
        if params.leak is not None:
            return sigmoid(params.leak)
        alpha = np.empty_like(params.b)
        alpha[...] = self.alpha
        return alpha

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> LeakyState:
        """Return h = 0 (N, H)."""
        return LeakyState(np.zeros((batch_size, self.hidden_size), dtype))

    def gate_width(self, params: LeakyParams) -> int:
        """H for the candidate, and H more for a learned leak."""
        return (1 if params.leak is None else 2) * self.hidden_size

    def project(self, params: LeakyParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b, and beside it a learned leak: (…, D) → (…, H or 2H)."""
        H = self.hidden_size
        validate.shape("params.U", params.U, (H, self.input_size))
        validate.shape("params.W", params.W, (H, H))
        validate.shape("params.b", params.b, (H,))
        if (params.leak is not None) != self.learned:
            raise ValueError(f"params.leak: expected {'an array' if self.learned else 'None'}")
        projected = xs @ params.U.T + params.b
        if params.leak is None:
            return projected
        validate.shape("params.leak", params.leak, (H,))
        return np.concatenate([projected, np.broadcast_to(params.leak, projected.shape)], axis=-1)

    def advance(
        self, params: LeakyParams, projected: np.ndarray, state: LeakyState
    ) -> tuple[LeakyState, LeakyCache]:
        """Compute h = α h' + (1 − α) f(projected + W h').

        Equations: vanishing-gradients-leaky.
        """
        alpha = self.alphas(params)
        a = projected[:, : self.hidden_size] + state.h @ params.W.T
        u = ACTIVATIONS[self.activation].forward(a)
        h = alpha * state.h + (1 - alpha) * u
        return LeakyState(h), LeakyCache(h_prev=state.h, u=u)

    def retreat(
        self, params: LeakyParams, cache: LeakyCache, dstate: LeakyState, out: np.ndarray
    ) -> tuple[np.ndarray, LeakyState]:
        """Compute δ = f' ⊙ (1 − α) ⊙ ∇_h, ∇_{h'} = α ⊙ ∇_h + Wᵀ δ, and a learned leak's error.

        Equations: vanishing-gradients-leaky-backward.
        """
        alpha, H = self.alphas(params), self.hidden_size
        delta = ACTIVATIONS[self.activation].backward(cache.u, (1 - alpha) * dstate.h)
        out[:, :H] = delta
        if params.leak is not None:
            out[:, H:] = alpha * (1 - alpha) * dstate.h * (cache.h_prev - cache.u)
        return out, LeakyState(alpha * dstate.h + delta @ params.W)

    def collect(
        self,
        params: LeakyParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[LeakyCache],
    ) -> tuple[LeakyParams, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h'ᵀ, ∇_b = Σ δ and ∇_leak over time and batch.

        Equations: vanishing-gradients-leaky-backward.
        """
        H = self.hidden_size
        flat = deltas[..., :H].reshape(-1, H)
        dparams = LeakyParams(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=flat.T @ np.concatenate([c.h_prev for c in caches]),
            b=flat.sum(axis=0),
            leak=None if params.leak is None else deltas[..., H:].reshape(-1, H).sum(axis=0),
        )
        return dparams, deltas[..., :H] @ params.U


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


def random_step(rng: np.random.Generator, grads: Tree, threshold: float) -> Tree:
    """Replace an exploded gradient by a random direction of norm v.

    The way out where clipping finds no direction: a norm above v, infinite or NaN.

    Parameters
    ----------
    rng : numpy.random.Generator
    grads : tree of arrays
    threshold : float
        v, above 0.

    Returns
    -------
    tree of the type of ``grads``
        ``grads`` itself where its norm is at most v.

    Raises
    ------
    ValueError
        Where the threshold is not above 0.

    Equations: vanishing-gradients-random-step.

    Source: Goodfellow, Bengio and Courville (2016), section 10.11.1.
    """
    validate.positive_number("threshold", threshold)
    with np.errstate(over="ignore"):
        if tree.norm(grads) <= threshold:
            return grads
    drawn = tree.tree_map(lambda g: rng.standard_normal(g.shape).astype(g.dtype), grads)
    return tree.scale(drawn, threshold / tree.norm(drawn))


def flow_regulariser(
    W: np.ndarray, hs: np.ndarray, dhs: np.ndarray, activation: str = "tanh"
) -> tuple[float, np.ndarray]:
    """Compute Pascanu's Ω, which is 0 where every step keeps the error's norm, and ∇_W Ω.

    Ω = Σ_t (‖Jᵀ g‖ / ‖g‖ − 1)², the mean over the batch, with g = ∇_{h^(t)} L and
    J = diag(f'(a^(t))) W. The gradient is the *immediate* one of the paper: the states
    h^(t), hence f', and the errors g are held constant, and W counts only where it stands
    in J. It is exact for that function of W, and not the gradient of Ω through the run.

    Parameters
    ----------
    W : array (H, H)
    hs : array (T, N, H)
        h^(1), …, h^(T).
    dhs : array (T, N, H)
        Their total gradients, from :func:`state_gradients`. A step without error (padding)
        counts nothing.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    omega : float
    dW : array (H, H)

    Raises
    ------
    ValueError
        Where a shape or dtype does not fit.

    Equations: vanishing-gradients-regulariser, vanishing-gradients-regulariser-backward.

    Source: Pascanu, Mikolov and Bengio (2013), eq. 9 and 10.
    """
    validate.choice("activation", activation, list(ACTIVATIONS))
    validate.array("W", W, ("H", "H"))
    validate.array("hs", hs, ("T", "N", W.shape[0]))
    validate.array("dhs", dhs, hs.shape)
    norm = np.linalg.norm(dhs, axis=2, keepdims=True)
    # Ω does not depend on the error's size: unit vectors keep tiny errors from underflowing.
    unit = np.divide(dhs, norm, out=np.zeros_like(dhs), where=norm > 0)
    p = ACTIVATIONS[activation].backward(hs, unit)
    carried = p @ W
    ratio = np.linalg.norm(carried, axis=2, keepdims=True)
    off = np.where(norm > 0, ratio - 1, 0)
    N, H = hs.shape[1], hs.shape[2]
    direction = np.divide(carried, ratio, out=np.zeros_like(carried), where=ratio > 0)
    dcarried = 2 / N * off * direction
    dW = p.reshape(-1, H).T @ dcarried.reshape(-1, H)
    return float((off**2).sum() / N), dW
