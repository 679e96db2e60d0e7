"""Activation functions and their derivatives, written in terms of their outputs.

A backward function takes the *output* ``y`` and the gradient ``dy`` of it, because
that is what a recurrent step has kept: tanh' = 1 − y², σ' = y(1 − y).
"""

from typing import NamedTuple, Protocol

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function σ(x) = 1 / (1 + exp(−x)), of any shape.

    Computed as ½(1 + tanh(x/2)), which neither overflows nor warns.

    Equations: sigmoid.
    """
    half = x.dtype.type(0.5)
    y = np.multiply(x, half)
    np.tanh(y, out=y)
    y += 1
    y *= half
    return y


def sigmoid_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Gradient of :func:`sigmoid` from its output ``y``: y(1 − y)·dy, at most dy/4."""
    return y * (1 - y) * dy


def tanh(x: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent, of any shape."""
    return np.tanh(x)


def tanh_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Gradient of :func:`tanh` from its output ``y``: (1 − y²)·dy."""
    return (1 - y * y) * dy


def relu(x: np.ndarray) -> np.ndarray:
    """Rectifier max(x, 0), of any shape."""
    return np.maximum(x, 0)


def relu_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Gradient of :func:`relu` from its output ``y``: dy where y > 0, else 0."""
    return np.where(y > 0, dy, 0)


def identity(x: np.ndarray) -> np.ndarray:
    """Return ``x``."""
    return x


def identity_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return ``dy``."""
    return dy


def softmax(s: np.ndarray, axis: int = -1) -> np.ndarray:
    """Softmax along ``axis``: positive numbers that sum to one.

    The largest logit is subtracted first, which changes nothing but the overflow.

    Equations: softmax.
    """
    shifted = s - s.max(axis=axis, keepdims=True)
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

    Equations: log-sum-exp.
    """
    shifted = s - s.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


class _Forward(Protocol):
    def __call__(self, x: np.ndarray, /) -> np.ndarray: ...


class _Backward(Protocol):
    def __call__(self, y: np.ndarray, dy: np.ndarray, /) -> np.ndarray: ...


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
