"""Trees of arrays: parameters, states and gradients as nested (named) tuples.

A leaf is an array or ``None`` (a piece that is switched off); a node is a tuple or a
``NamedTuple``. Because a gradient has the type of its parameter, one set of
functions here serves optimisers, clipping, the gradient check and saving.
"""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, TypeVar

import numpy as np

Tree = TypeVar("Tree")


def rebuild(node: Any, children: list[Any]) -> Any:
    """Make a node of the type of ``node`` from other children."""
    return type(node)(*children) if hasattr(node, "_fields") else tuple(children)


def _plain(leaf: Any) -> Any:
    """Refuse subclasses of arrays, whose sums and products may mean something else."""
    if isinstance(leaf, np.ndarray) and type(leaf) is not np.ndarray:
        raise ValueError(f"trees: expected NumPy arrays, got {type(leaf).__name__}")
    return leaf


def tree_map(function: Callable[..., Any], tree: Tree, *rest: Any) -> Tree:
    """Apply ``function`` to corresponding leaves; return a tree of the first one's type.

    Raises
    ------
    ValueError
        Where the trees do not have the same structure and shapes.
    """
    if isinstance(tree, tuple):
        for other in rest:
            if not isinstance(other, tuple) or len(other) != len(tree):
                raise ValueError(
                    f"trees: expected {type(tree).__name__} of {len(tree)} fields, "
                    f"got {type(other).__name__}"
                )
        return rebuild(
            tree,
            [tree_map(function, *children) for children in zip(tree, *rest, strict=True)],
        )
    for other in rest:
        if isinstance(other, tuple) or (other is None) != (tree is None):
            raise ValueError(f"trees: expected {_kind(tree)}, got {_kind(other)}")
        wanted, got = getattr(tree, "shape", ()), getattr(other, "shape", ())
        if wanted != got:
            raise ValueError(f"trees: expected shape {wanted}, got {got}")
    if tree is None:
        return None  # type: ignore[return-value]
    return function(_plain(tree), *map(_plain, rest))


def _kind(node: Any) -> str:
    return "None" if node is None else type(node).__name__


def named_leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``("layers.0.W", array)`` for every array, in field order."""
    if isinstance(tree, tuple):
        names = getattr(tree, "_fields", range(len(tree)))
        for name, child in zip(names, tree, strict=True):
            yield from named_leaves(child, f"{prefix}.{name}" if prefix else str(name))
    elif tree is not None:
        yield prefix, _plain(tree)


def leaves(tree: Any) -> list[np.ndarray]:
    """List the arrays of a tree, in field order."""
    return [leaf for _, leaf in named_leaves(tree)]


def is_shape(node: Any) -> bool:
    """Tell a leaf of a tree of shapes, a tuple of sizes, from a node, a tuple of leaves."""
    return isinstance(node, tuple) and node != () and all(isinstance(k, Integral) for k in node)


def map_shapes(function: Callable[[tuple[int, ...]], Any], shapes: Any) -> Any:
    """Apply ``function`` to every shape of a tree of shapes; ``None`` stays."""
    if shapes is None or is_shape(shapes):
        return None if shapes is None else function(shapes)
    return rebuild(shapes, [map_shapes(function, child) for child in shapes])


def at(tree: Tree, index: Any) -> Tree:
    """Take ``leaf[index]`` of every leaf: a step, a window of steps, rows."""
    return tree_map(lambda leaf: leaf[index], tree)


def stack(trees: Sequence[Tree]) -> Tree:
    """Stack trees along a new first axis: T trees of (N, …) make one of (T, N, …)."""
    return tree_map(lambda *arrays: np.stack(arrays), *trees)


def zeros_like(tree: Tree) -> Tree:
    """Make a tree of zeros with the same types, shapes and dtypes."""
    return tree_map(np.zeros_like, tree)


def add(a: Tree, b: Tree) -> Tree:
    """Add two trees leaf by leaf."""
    return tree_map(np.add, a, b)


def add_into(total: Any, more: Any) -> None:
    """Add ``more`` to ``total`` in place, leaf by leaf."""

    def add_to(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.add(a, b, out=a)

    tree_map(add_to, total, more)


def scale(tree: Tree, factor: float) -> Tree:
    """Multiply every leaf by ``factor``, which may be too small or large for its dtype."""
    number = float(factor)
    return tree_map(lambda leaf: (leaf * np.float64(number)).astype(leaf.dtype), tree)


def where(rows: np.ndarray, a: Tree, b: Tree) -> Tree:
    """Take rows of ``a`` where ``rows`` (N,) is true and rows of ``b`` elsewhere.

    Leaves are (N, …).
    """

    if not isinstance(_plain(rows), np.ndarray) or rows.dtype != bool:
        kind = rows.dtype if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"rows: expected an array of booleans, got {kind}")

    def pick(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if rows.shape != x.shape[:1]:
            raise ValueError(f"rows: expected shape {x.shape[:1]}, got {rows.shape}")
        return np.where(rows.reshape((-1,) + (1,) * (x.ndim - 1)), x, y)

    return tree_map(pick, a, b)


def norm(tree: Any) -> float:
    """Euclidean norm of all leaves together, accumulated in float64.

    Where the squares of finite numbers leave float64's range, they are scaled first.
    """
    arrays = leaves(tree)
    with np.errstate(over="ignore", under="ignore"):
        total = float(sum(np.sum(np.square(leaf, dtype=np.float64)) for leaf in arrays))
    if np.isfinite(total) and total > np.finfo(np.float64).tiny:
        return float(np.sqrt(total))
    # not Python's max, which may skip a NaN
    peak = float(np.max([np.max(np.abs(leaf), initial=0.0) for leaf in arrays], initial=0.0))
    if peak == 0 or not np.isfinite(peak):
        return peak
    return peak * float(np.sqrt(sum(np.sum(np.square(leaf / peak)) for leaf in arrays)))


def size(tree: Any) -> int:
    """Count the numbers in a tree: for parameters, the parameter count."""
    return sum(leaf.size for leaf in leaves(tree))


def to_vector(tree: Any) -> np.ndarray:
    """Concatenate all leaves into one vector (P,), in field order."""
    return np.concatenate([leaf.ravel() for leaf in leaves(tree)])


def from_vector(vector: np.ndarray, like: Tree) -> Tree:
    """Undo :func:`to_vector`: cut a vector (P,) into a tree shaped as ``like``.

    Raises
    ------
    ValueError
        Where the vector does not have as many numbers as ``like``.
    """
    if vector.shape != (size(like),):
        raise ValueError(f"vector: expected shape ({size(like)},), got {vector.shape}")
    position = 0

    def take(leaf: np.ndarray) -> np.ndarray:
        nonlocal position
        position += leaf.size
        piece = vector[position - leaf.size : position]
        return piece.reshape(leaf.shape).astype(leaf.dtype)

    return tree_map(take, like)
