"""Central differences: the judge of every hand-written backward pass."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lib import tree, validate

Tree = TypeVar("Tree")


class Difference(NamedTuple):
    """How far an analytic gradient is from the numerical one."""

    name: str
    """Where the largest relative error is, e.g. ``"W"``."""
    relative: float
    """Largest |a − n| / max(|a| + |n|, floor) over all entries."""
    absolute: float
    """Largest |a − n| over all entries."""


def numerical_gradient(function: Callable[[Any], float], at: Tree, step: float = 1e-5) -> Tree:
    """Differentiate a scalar function of a tree of arrays by central differences.

    Each entry costs two calls. The error is of order ``step²`` from the Taylor
    series plus ``1e-16/step`` from rounding, so a step near 1e-5 is best in float64.

    Parameters
    ----------
    function : callable
        Takes a tree shaped as ``at``; returns a float. It is called with a copy.
    at : array or tree of float64 arrays
    step : float

    Returns
    -------
    tree
        Of the type of ``at``.

    Raises
    ------
    ValueError
        Where a leaf is not float64, for rounding in float32 hides real errors; a number is
        not finite, or so large that the step is lost in it; or the step is not above 0.

    Equations: bptt-central-difference.
    """
    validate.positive_number("step", step)
    for name, leaf in tree.named_leaves(at):
        if leaf.dtype != np.float64:
            raise ValueError(f"{name or 'at'}: expected dtype float64, got {leaf.dtype}")
    point = tree.tree_map(np.copy, at)
    gradient = tree.zeros_like(point)
    for values, slots in zip(tree.leaves(point), tree.leaves(gradient), strict=True):
        for index in np.ndindex(values.shape):
            kept = values[index]
            values[index] = kept + step
            if not np.isfinite(kept) or values[index] == kept:
                raise ValueError(f"at: expected finite numbers that {step} changes, got {kept}")
            above = function(point)
            values[index] = kept - step
            below = function(point)
            values[index] = kept
            slots[index] = (above - below) / (2 * step)
    return gradient


def compare(analytic: Any, numerical: Any, floor: float = 1e-6) -> Difference:
    """Measure the largest relative error between two gradients.

    Parameters
    ----------
    analytic, numerical : trees of the same structure
    floor : float
        Smallest denominator, so that noise on zeros does not count as an error.

    Raises
    ------
    ValueError
        Where structures or shapes differ.

    Equations: bptt-relative-error.
    """
    worst = Difference("", 0.0, 0.0)
    pairs = zip(tree.named_leaves(analytic), tree.named_leaves(numerical), strict=True)
    for (name, a), (other, n) in pairs:
        if name != other:
            raise ValueError(f"analytic: expected {other}, got {name}")
        if a.shape != n.shape:
            raise ValueError(f"{name}: expected shape {n.shape}, got {a.shape}")
        with np.errstate(invalid="ignore"):
            absolute = np.abs(a - n)
            relative = absolute / np.maximum(np.abs(a) + np.abs(n), floor)
        if not np.isfinite(relative).all():
            return Difference(name, float("inf"), float("inf"))
        if relative.max(initial=0.0) >= worst.relative:
            worst = Difference(name, float(relative.max(initial=0.0)), worst.absolute)
        worst = worst._replace(absolute=max(worst.absolute, float(absolute.max(initial=0.0))))
    return worst


def check(
    function: Callable[[Any], float], at: Any, analytic: Any, step: float = 1e-5
) -> Difference:
    """Compare ``analytic`` with the numerical gradient of ``function`` at ``at``."""
    return compare(analytic, numerical_gradient(function, at, step))
