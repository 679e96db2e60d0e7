"""Activation functions and their derivatives, written in terms of their outputs.

A backward function takes the *output* ``y`` and the gradient ``dy`` of it, because
that is what a recurrent step has kept: tanh' = 1 − y², σ' = y(1 − y).

The elementwise ones, as NumPy's own, take ``out``, an array to write to: ``x`` itself
for a forward function; for a backward one any array but ``y`` and ``dy``. They are called at
every step, so what they check is no more than that the numbers are floats.
"""

from typing import NamedTuple, Protocol

import numpy as np


def _floats(x: np.ndarray) -> np.ndarray:
    """Check that ``x`` is an array (or NumPy scalar) of floats."""
    if getattr(getattr(x, "dtype", None), "kind", None) != "f":
        got = getattr(x, "dtype", type(x).__name__)
        raise ValueError(f"x: expected an array of floating-point numbers, got {got}")
    return x


def sigmoid(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Logistic function σ(x) = 1 / (1 + exp(−x)), of any shape.

    Computed as ½(1 + tanh(x/2)), which neither overflows nor warns.

    Raises
    ------
    ValueError
        Where ``x`` is no array of floats.

    Equations: sigmoid.
    """
    half = _floats(x).dtype.type(0.5)
    y = np.multiply(x, half, out=out)
    y = np.tanh(y, out=out)
    y += 1
    y *= half
    return y


def sigmoid_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`sigmoid` from its output ``y``: y(1 − y)·dy, at most dy/4."""
    dx = np.subtract(1, y, out=out)
    dx *= y
    dx *= dy
    return dx


def tanh(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Hyperbolic tangent, of any shape.

    Raises
    ------
    ValueError
        Where ``x`` is no array of floats.
    """
    return np.tanh(_floats(x), out=out)


def tanh_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`tanh` from its output ``y``: (1 − y²)·dy."""
    dx = np.multiply(y, y, out=out)
    dx = np.subtract(1, dx, out=out)
    dx *= dy
    return dx


def relu(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rectifier max(x, 0), of any shape.

    Raises
    ------
    ValueError
        Where ``x`` is no array of floats.
    """
    return np.maximum(_floats(x), 0, out=out)


def relu_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of :func:`relu` from its output ``y``: dy where y > 0, else 0."""
    return np.multiply(dy, y > 0, out=out)


def identity(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``x``, a copy unless ``out`` is given.

    Raises
    ------
    ValueError
        Where ``x`` is no array of floats.
    """
    return np.positive(_floats(x), out=out)


def identity_backward(y: np.ndarray, dy: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``dy``, a copy unless ``out`` is given."""
    return np.positive(dy, out=out)


def softmax(s: np.ndarray, axis: int = -1) -> np.ndarray:
    """Softmax along ``axis``: positive numbers that sum to one.

    The largest logit is subtracted first, which changes nothing but the overflow.

    Raises
    ------
    ValueError
        Where ``s`` is no array of floats.

    Equations: softmax.
    """
    shifted = _floats(s) - s.max(axis=axis, keepdims=True)
    e = np.exp(shifted, out=shifted)
    e /= e.sum(axis=axis, keepdims=True)
    return e


def softmax_backward(y: np.ndarray, dy: np.ndarray, axis: int = -1) -> np.ndarray:
    """Gradient of :func:`softmax` from its output ``y``: y ⊙ (dy − Σ dy·y).

    Equations: softmax-backward.
    """
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


def log_softmax(s: np.ndarray, axis: int = -1) -> np.ndarray:
    """Logarithm of the softmax along ``axis``, without taking a logarithm of zero.

    Raises
    ------
    ValueError
        Where ``s`` is no array of floats.

    Equations: log-sum-exp.
    """
    shifted = _floats(s) - s.max(axis=axis, keepdims=True)
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
