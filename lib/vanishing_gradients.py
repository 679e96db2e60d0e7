"""Chapter 3: how errors vanish or explode on their way back, and what helps.

First the measurements (Jacobians, their products, eigenvalues, Hochreiter's paths, norms
against distance), then two cures: the random step and the regulariser Ω. Clipping lives in
``lib.optim``, where optimisers use it, and is offered here under the same names; cells with
several time scales are in ``lib.time_scales``.
"""

from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lib import tree, validate
from lib.activations import ACTIVATIONS, sigmoid, sigmoid_backward
from lib.cell import Cell
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
    validate.finite("W", W, ("H", "H"))
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
    validate.finite("W", W, ("H", "H"))
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

    ∞ where it is too large for a float.

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
    count = validate.positive("count", count)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float64(variance) ** count)


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
    validate.float_leaves("grads", grads)
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
