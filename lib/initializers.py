"""Initial weights."""

from typing import Any

import numpy as np

from lib import tree, validate


def uniform(rng: np.random.Generator, shape: tuple[int, ...], fan: int) -> np.ndarray:
    """Draw from U(−1/√fan, 1/√fan): the default of ``torch.nn`` recurrent layers, fan = H.

    Raises
    ------
    ValueError
        Where ``fan`` is below 1.
    """
    bound = 1 / np.sqrt(validate.positive("fan", fan))
    return rng.uniform(-bound, bound, shape)


def uniform_tree(rng: np.random.Generator, shapes: Any, fan: int) -> Any:
    """Draw a tree of arrays, given the tree of their shapes; see :func:`uniform`."""
    return tree.map_shapes(lambda shape: uniform(rng, shape, fan), shapes)


def orthogonal(rng: np.random.Generator, size: int, gain: float = 1.0) -> np.ndarray:
    """Draw an orthogonal matrix (size, size), uniformly, times ``gain``.

    QR of a Gaussian matrix with the signs of R's diagonal taken out.

    Raises
    ------
    ValueError
        Where ``size`` is below 1.

    Equations: vanishing-gradients-orthogonal-init.
    """
    validate.positive("size", size)
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return gain * q * np.sign(np.diag(r))


def identity(size: int, gain: float = 1.0, dtype: Any = np.float64) -> np.ndarray:
    """Return gain·I (size, size), the start of Le, Jaitly and Hinton's IRNN (2015).

    Raises
    ------
    ValueError
        Where ``size`` is below 1.

    Equations: vanishing-gradients-identity-init.
    """
    return gain * np.eye(validate.positive("size", size), dtype=dtype)
