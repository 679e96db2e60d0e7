"""Activation functions and their derivatives, written in terms of their outputs.

A backward function takes the *output* ``y`` and the gradient ``dy`` of it, because
that is what a recurrent step has kept: tanh' = 1 − y², σ' = y(1 − y). So the slope is as coarse
as the floats near 1 are where y comes near it: σ'(17) is 0 in float32, not 4.1e-8.

The elementwise ones, as NumPy's own, take ``out``, an array to write to: ``x`` itself
for a forward function; for a backward one any array but ``y`` and ``dy``. They are called at
every step, so what they check is no more than that the numbers are floats.
"""

from typing import NamedTuple, Protocol

import numpy as np

from lib import validate


def _upstream(y: np.ndarray, dy: np.ndarray) -> None:
    """Check that ``dy`` has the shape of ``y``, and does not broadcast to it by chance."""
    if validate.floats("y", y).shape != validate.floats("dy", dy).shape:
        raise ValueError(f"dy: expected shape {y.shape}, as y, got {dy.shape}")


def sigmoid(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Logistic function σ(x) = 1 / (1 + exp(−x)), of any shape.

    Computed as exp(min(x, 0)) / (1 + exp(−|x|)), which does not overflow, and is exact to
    rounding however small σ(x) becomes: ½(1 + tanh(x/2)) is 0 in float32 from −17 on.

    Equations: sigmoid.
    """
    validate.floats("x", x)
    return np.divide(np.exp(np.minimum(x, 0)), 1 + np.exp(-np.abs(x)), out=out)


def sigmoid_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`sigmoid` from its output ``y``: y(1 − y)·dy, at most dy/4."""
    _upstream(y, dy)
    dx = np.subtract(1, y, out=out)
    dx *= y
    dx *= dy
    return dx


def tanh(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Hyperbolic tangent, of any shape."""
    return np.tanh(validate.floats("x", x), out=out)


def tanh_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`tanh` from its output ``y``: (1 − y²)·dy."""
    _upstream(y, dy)
    dx = np.multiply(y, y, out=out)
    dx = np.subtract(1, dx, out=out)
    dx *= dy
    return dx


def relu(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rectifier max(x, 0), of any shape."""
    return np.maximum(validate.floats("x", x), 0, out=out)


def relu_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`relu` from its output ``y``: dy where y > 0, else 0."""
    _upstream(y, dy)
    return np.multiply(dy, y > 0, out=out)


def identity(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``x``, a copy unless ``out`` is given."""
    return np.positive(validate.floats("x", x), out=out)


def identity_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``dy``, a copy unless ``out`` is given."""
    _upstream(y, dy)
    return np.positive(dy, out=out)


def _below_largest(s: np.ndarray, axis: int, name: str) -> np.ndarray:
    """Subtract the largest logit along ``axis``, which changes nothing but the overflow."""
    axes = validate.floats(name, s).ndim
    if not -axes <= axis < axes or s.shape[axis] == 0:
        raise ValueError(f"{name}: expected numbers along axis {axis}, got shape {s.shape}")
    top = s.max(axis=axis, keepdims=True)
    if not np.isfinite(top).all():
        worst = top[~np.isfinite(top)][0]
        raise ValueError(f"{name}: expected a finite largest number along axis {axis}, got {worst}")
    return s - top


def softmax(s: np.ndarray, axis: int = -1, name: str = "s") -> np.ndarray:
    """Softmax along ``axis``: positive numbers that sum to one; 0 for a logit of −∞.

    ``name`` is what an error calls ``s``.

    Equations: softmax.
    """
    e = np.exp(_below_largest(s, axis, name))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(y: np.ndarray, dy: np.ndarray, axis: int = -1) -> np.ndarray:
    """Gradient of :func:`softmax` from its output ``y``: y ⊙ (dy − Σ dy·y).

    Equations: softmax-backward.
    """
    _upstream(y, dy)
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


def log_softmax(s: np.ndarray, axis: int = -1, name: str = "s") -> np.ndarray:
    """Logarithm of the softmax along ``axis``, without taking a logarithm of zero.

    ``name`` is what an error calls ``s``.

    Equations: log-sum-exp.
    """
    shifted = _below_largest(s, axis, name)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


class _Forward(Protocol):
    def __call__(self, x: np.ndarray, /, out: np.ndarray | None = None) -> np.ndarray: ...


class _Backward(Protocol):
    def __call__(
        self, y: np.ndarray, dy: np.ndarray, /, out: np.ndarray | None = None
    ) -> np.ndarray: ...


class Activation(NamedTuple):
    """An elementwise function and its backward in terms of its output."""

    forward: _Forward
    backward: _Backward


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(tanh, tanh_backward),
    "sigmoid": Activation(sigmoid, sigmoid_backward),
    "relu": Activation(relu, relu_backward),
    "identity": Activation(identity, identity_backward),
}
"""Elementwise activations by name."""
