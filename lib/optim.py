"""Optimisers as pure functions of trees, and gradient clipping.

An optimiser is a frozen dataclass that holds its settings. What changes from step to
step is a state that is passed in and handed back, so that training can be stopped,
saved and resumed, and two runs never share anything. New parameters have the dtype of the old
ones, whatever the gradients' and the settings' types.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from lib import tree, validate

Tree = TypeVar("Tree")


class Optimiser(Protocol):
    """What ``lib.training.fit`` needs of an optimiser."""

    def init(self, params: Any) -> Any:
        """Return the state before the first step."""

    def update(self, params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        """Return new parameters and the new state."""


def clip_by_norm(grads: Tree, threshold: float) -> tuple[Tree, float]:
    """Shorten a gradient to ``threshold`` where it is longer; its direction stays.

    The norm is that of all arrays of the tree together, so the proportions between
    them stay too.

    Parameters
    ----------
    grads : tree of arrays
    threshold : float
        v, above 0.

    Returns
    -------
    clipped : tree of the type of ``grads``
        v g / ‖g‖ where ‖g‖ > v, else g.
    norm : float
        ‖g‖ before clipping.

    Raises
    ------
    ValueError
        Where the threshold is not above 0, or the norm is not finite: such a
        gradient has no direction.

    Equations: vanishing-gradients-clip-norm.

    Source: Pascanu, Mikolov and Bengio (2013), algorithm 1.
    """
    threshold = validate.positive_number("threshold", threshold)
    validate.float_leaves("grads", grads)
    norm = tree.norm(grads)
    if not np.isfinite(norm):
        raise ValueError(f"grads: expected a finite norm, got {norm}")
    if norm <= threshold:
        return grads, norm

    def shorten(g: np.ndarray) -> np.ndarray:
        # Divided first: threshold / norm may be too small for a float.
        return (g / np.float64(norm) * threshold).astype(g.dtype)

    return tree.tree_map(shorten, grads), norm


def clip_by_value(grads: Tree, threshold: float) -> Tree:
    """Bring every entry into [−threshold, threshold]; the direction may change.

    Parameters
    ----------
    grads : tree of arrays
    threshold : float
        v, above 0.

    Returns
    -------
    tree of the type of ``grads``

    Raises
    ------
    ValueError
        Where the threshold is not above 0.

    Equations: vanishing-gradients-clip-value.

    Source: Goodfellow, Bengio and Courville (2016), section 10.11.1.
    """
    threshold = validate.positive_number("threshold", threshold)
    validate.float_leaves("grads", grads)

    def bound(g: np.ndarray) -> np.ndarray:
        most = min(threshold, float(np.finfo(g.dtype).max))
        return np.clip(g, -most, most)

    return tree.tree_map(bound, grads)


def _check(params: Tree, grads: Tree, clip_norm: float | None) -> Tree:
    validate.float_leaves("params", params)
    validate.same_tree("grads", grads, params)
    grads = tree.tree_map(lambda p, g: g.astype(p.dtype, copy=False), params, grads)
    return grads if clip_norm is None else clip_by_norm(grads, clip_norm)[0]


class SGDState(NamedTuple):
    """What SGD carries from step to step."""

    velocity: Any
    """Tree like the parameters, or ``None`` without momentum."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum: v ← μ v + g, θ ← θ − η v.

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    momentum : float
        μ, 0 ≤ μ < 1.
    clip_norm : float, optional
        Clip each gradient by its norm first; see :func:`clip_by_norm`.

    Raises
    ------
    ValueError
        Where a setting is out of its range.

    Source: Polyak (1964); the form that ``torch.optim.SGD`` uses.

    Examples
    --------
    >>> optimiser = SGD(0.5)
    >>> params = (np.array([1.0, 2.0]),)
    >>> params, state = optimiser.update(params, (np.array([1.0, 0.0]),), optimiser.init(params))
    >>> params
    (array([0.5, 2. ]),)
    """

    learning_rate: float
    momentum: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        validate.positive_number("learning_rate", self.learning_rate)
        validate.fraction("momentum", self.momentum)
        if self.clip_norm is not None:
            validate.positive_number("clip_norm", self.clip_norm)

    def init(self, params: Any) -> SGDState:
        """Return zero velocity."""
        return SGDState(tree.zeros_like(params) if self.momentum else None)

    def update(self, params: Tree, grads: Tree, state: SGDState) -> tuple[Tree, SGDState]:
        """Take one step.

        Parameters
        ----------
        params, grads : trees of the same type and shapes
        state : SGDState

        Returns
        -------
        params, state
            New trees; the arguments stay as they are.

        Raises
        ------
        ValueError
            Where ``grads`` does not fit ``params``, holds NaN, or cannot be clipped.
        """
        direction = _check(params, grads, self.clip_norm)
        if self.momentum:
            mu = float(self.momentum)
            direction = tree.tree_map(lambda v, g: mu * v + g, state.velocity, direction)
            state = SGDState(direction)
        rate = float(self.learning_rate)
        return tree.tree_map(lambda p, d: p - rate * d, params, direction), state


class AdamState(NamedTuple):
    """What Adam carries from step to step."""

    step: np.ndarray
    """Number of steps taken, an integer array ()."""
    mean: Any
    """Running mean of the gradients, a tree like the parameters."""
    square: Any
    """Running mean of their squares, a tree like the parameters."""


@dataclass(frozen=True)
class Adam:
    """Adam: steps of about the learning rate in every parameter, whatever its gradient's size.

    m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², both divided by 1 − βᵗ because they
    start at zero; θ ← θ − η m̂ / (√v̂ + ε).

    Parameters
    ----------
    learning_rate : float
        η, above 0.
    beta1, beta2 : float
        0 ≤ β < 1.
    epsilon : float
        ε, above 0.
    clip_norm : float, optional
        Clip each gradient by its norm first; see :func:`clip_by_norm`.

    Raises
    ------
    ValueError
        Where a setting is out of its range.

    Source: Kingma and Ba (2015), algorithm 1.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        validate.positive_number("learning_rate", self.learning_rate)
        validate.fraction("beta1", self.beta1)
        validate.fraction("beta2", self.beta2)
        validate.positive_number("epsilon", self.epsilon)
        if self.clip_norm is not None:
            validate.positive_number("clip_norm", self.clip_norm)

    def init(self, params: Any) -> AdamState:
        """Return zero means at step 0."""
        return AdamState(
            np.zeros((), np.int64), mean=tree.zeros_like(params), square=tree.zeros_like(params)
        )

    def update(self, params: Tree, grads: Tree, state: AdamState) -> tuple[Tree, AdamState]:
        """Take one step.

        Parameters
        ----------
        params, grads : trees of the same type and shapes
        state : AdamState

        Returns
        -------
        params, state
            New trees; the arguments stay as they are.

        Raises
        ------
        ValueError
            Where ``grads`` does not fit ``params``, holds NaN, or cannot be clipped.
        """
        grads = _check(params, grads, self.clip_norm)
        # Python floats: NumPy scalars of float64 would turn float32 parameters into float64.
        b1, b2 = float(self.beta1), float(self.beta2)
        step = int(state.step) + 1
        mean = tree.tree_map(lambda m, g: b1 * m + (1 - b1) * g, state.mean, grads)
        with np.errstate(over="ignore"):
            square = tree.tree_map(lambda v, g: b2 * v + (1 - b2) * (g * g), state.square, grads)
        if not all(np.isfinite(v).all() for v in tree.leaves(square)):
            raise ValueError("grads: expected numbers whose squares are finite, got overflow")
        rate = float(self.learning_rate) / (1 - b1**step)
        root, epsilon = (1 - b2**step) ** 0.5, float(self.epsilon)
        params = tree.tree_map(
            lambda p, m, v: p - rate * m / (np.sqrt(v) / root + epsilon), params, mean, square
        )
        return params, AdamState(np.array(step, np.int64), mean, square)
