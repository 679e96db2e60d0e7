"""Two maps that need no state: the affine map W x + b, and the embedding of symbols.

Arguments that do not fit raise ``ValueError`` naming them.
"""

from typing import NamedTuple

import numpy as np

from lib import initializers, validate


class Affine(NamedTuple):
    """Parameters of y = W x + b."""

    W: np.ndarray
    """Weights (K, H)."""
    b: np.ndarray
    """Bias (K,)."""


def affine_init(rng: np.random.Generator, inputs: int, outputs: int) -> Affine:
    """Draw W and b from U(−1/√inputs, 1/√inputs)."""
    return Affine(
        initializers.uniform(rng, (outputs, inputs), inputs),
        initializers.uniform(rng, (outputs,), inputs),
    )


def _check(params: Affine, x: np.ndarray) -> None:
    if validate.floats("x", x).ndim == 0:
        raise ValueError("x: expected shape (…, H), got ()")
    inputs = x.shape[-1]
    outputs = len(validate.floating("params.W", params.W, ("K", inputs)))
    validate.params("params", params, Affine((outputs, inputs), (outputs,)))  # type: ignore[arg-type]


def affine(params: Affine, x: np.ndarray) -> np.ndarray:
    """Compute W x + b: (…, H) → (…, K)."""
    _check(params, x)
    return x @ params.W.T + params.b


def affine_backward(params: Affine, x: np.ndarray, dy: np.ndarray) -> tuple[Affine, np.ndarray]:
    """Gradients of :func:`affine`: of its parameters, summed over all rows, and of ``x``."""
    _check(params, x)
    validate.floating("dy", dy, (*x.shape[:-1], len(params.b)))
    flat = dy.reshape(-1, dy.shape[-1])
    return Affine(flat.T @ x.reshape(-1, x.shape[-1]), flat.sum(axis=0)), dy @ params.W


def embed(table: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Look up rows of ``table`` (K, D): tokens (…) → (…, D); one-hot times table.

    Equations: encoder-decoder-embedding.
    """
    validate.array("table", table, ("K", "D"))
    return table[validate.integers("tokens", tokens, np.shape(tokens), 0, len(table) - 1)]


def embed_backward(table: np.ndarray, tokens: np.ndarray, dxs: np.ndarray) -> np.ndarray:
    """Gradient of :func:`embed` for the table: the sum of ``dxs`` over each token's places."""
    validate.floating("table", table, ("K", "D"))
    tokens = validate.integers("tokens", tokens, np.shape(tokens), 0, len(table) - 1)
    validate.floating("dxs", dxs, (*tokens.shape, table.shape[1]))
    flat = tokens.ravel()
    order = np.argsort(flat, kind="stable")
    present, first = np.unique(flat[order], return_index=True)
    dtable = np.zeros_like(table)
    dtable[present] = np.add.reduceat(dxs.reshape(-1, dxs.shape[-1])[order], first)
    return dtable
