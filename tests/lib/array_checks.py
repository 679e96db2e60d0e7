"""What every function that takes arrays must do, whatever stands in the arrays' place.

A case is a function and arguments for it; a check ranges over one kind: memory layouts, types
of integers, single precision, subclasses, shapes that would broadcast, and what is masked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from lib import tree


@dataclass(frozen=True)
class Case:
    """A call, and what of it may vary."""

    covers: tuple[str, ...]
    """Public functions and methods that the call goes through."""
    function: Callable[..., Any]
    make: Callable[[np.random.Generator], dict[str, Any]]
    """Arguments: arrays, trees of arrays, and what is neither."""
    free: frozenset[str] = frozenset()
    """Arguments whose shape nothing else settles."""
    any_length: frozenset[str] = frozenset()
    """Arguments whose first axis nothing else settles."""
    any_number: frozenset[str] = frozenset()
    """Arguments that are added up as NumPy does, whatever numbers they are."""
    masked: dict[str, Callable[[dict[str, Any]], np.ndarray]] = field(default_factory=dict)
    """Of arguments with padding: where it is, booleans of their first axes."""


def array_leaves(args: dict[str, Any]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the argument's name, the leaf's, and the array."""
    for name, value in args.items():
        if isinstance(value, (np.ndarray, tuple)):
            for path, leaf in tree.named_leaves(value):
                if isinstance(leaf, np.ndarray):
                    yield name, path, leaf


def replaced(args: dict[str, Any], name: str, path: str, new: Any) -> dict[str, Any]:
    """Put ``new`` in the place of one leaf."""

    def put(value: Any, prefix: str) -> Any:
        if prefix == path:
            return new
        if not isinstance(value, tuple):
            return value
        names = getattr(value, "_fields", range(len(value)))
        children = [
            put(child, f"{prefix}.{k}" if prefix else str(k))
            for k, child in zip(names, value, strict=True)
        ]
        return tree.rebuild(value, children)

    return {**args, name: put(args[name], "")}


def mapped(args: dict[str, Any], change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Change every array."""
    for name, path, leaf in list(array_leaves(args)):
        args = replaced(args, name, path, change(leaf))
    return args


def results(value: Any) -> list[Any]:
    """List the arrays and numbers of a result."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in results(part)]
    return [] if value is None else [value]


def same(got: Any, expected: Any, rtol: float = 1e-10) -> None:
    for a, b in zip(results(got), results(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "reversed twice": lambda x: np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x,
    "column-major": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
}


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def check_layouts(case: Case, rng: np.random.Generator) -> None:
    """Byte order, strides and write protection change no number, and no argument is modified."""
    args = case.make(rng)
    kept = mapped(args, np.copy)
    expected = case.function(**args)
    for (name, path, leaf), (_, _, old) in zip(array_leaves(args), array_leaves(kept), strict=True):
        np.testing.assert_array_equal(leaf, old, err_msg=f"{name}.{path}")
    for change in (*LAYOUTS.values(), read_only):
        same(case.function(**mapped(args, change)), expected)


def check_integers(case: Case, rng: np.random.Generator) -> None:
    """Any type of integers gives the same numbers, of the same types."""
    args = case.make(rng)
    expected = case.function(**args)
    for name, path, leaf in array_leaves(args):
        if leaf.dtype.kind not in "iu":
            continue
        for dtype in (*np.typecodes["AllInteger"], ">u2"):
            got = case.function(**replaced(args, name, path, leaf.astype(dtype)))
            same(got, expected)
            for a, b in zip(results(got), results(expected), strict=True):
                assert np.asarray(a).dtype == np.asarray(b).dtype, (name, dtype)
        with pytest.raises(ValueError, match=r"expected"):
            case.function(**replaced(args, name, path, leaf.astype(float)))


def check_float32(case: Case, rng: np.random.Generator) -> None:
    """float32 stays float32."""

    def single(x: np.ndarray) -> np.ndarray:
        return x.astype(np.float32) if x.dtype.kind == "f" else x

    args = case.make(rng)
    if not any(leaf.dtype.kind == "f" for _, _, leaf in array_leaves(args)):
        return
    for leaf in results(case.function(**mapped(args, single))):
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f":
            assert leaf.dtype == np.float32


class Mine(np.ndarray):
    """A subclass like any other."""


SUBCLASSES: tuple[Callable[[np.ndarray], Any], ...] = (
    np.ma.MaskedArray,
    lambda x: x.view(Mine),
    np.matrix,
)


def check_subclasses(case: Case, rng: np.random.Generator) -> None:
    """A subclass of arrays is refused by name."""
    args = case.make(rng)
    for name, path, leaf in array_leaves(args):
        for make in SUBCLASSES[: 3 if leaf.ndim == 2 else 2]:
            value = make(leaf)
            with pytest.raises(ValueError, match=f"got {type(value).__name__}"):
                case.function(**replaced(args, name, path, value))


def shapes_by_chance(leaf: np.ndarray) -> Iterator[np.ndarray]:
    yield leaf[None]
    yield leaf[..., None]
    for axis, size in enumerate(leaf.shape):
        if size > 1:
            yield np.take(leaf, [0], axis)


def accepted(case: Case, args: dict[str, Any], what: str) -> None:
    """Call; fail and say what was taken where nothing is raised."""
    case.function(**args)
    pytest.fail(f"accepted: {what}")


def check_shapes(case: Case, rng: np.random.Generator) -> None:
    """A shape that NumPy would broadcast is refused."""
    args = case.make(rng)
    for name, path, leaf in array_leaves(args):
        if name in case.free:
            continue
        for other in shapes_by_chance(leaf):
            if name in case.any_length and other.shape[1:] == leaf.shape[1:]:
                continue
            with pytest.raises(ValueError, match=r"expected"):
                accepted(case, replaced(args, name, path, other), f"{name}.{path} {other.shape}")


def check_masked(case: Case, rng: np.random.Generator) -> None:
    """What stands on padding does not matter: NaN, infinities, integers out of range."""
    args = case.make(rng)
    expected = case.function(**args)
    for leaf in results(expected):
        assert np.isfinite(leaf).all()
    for name, where in case.masked.items():
        padding = where(args)
        assert padding.any()
        whole = args[name].dtype.kind in "iu"
        for value in (-100, 10**6) if whole else (np.nan, np.inf, -np.inf):
            junk = args[name].copy()
            junk[padding] = value
            with np.errstate(all="raise", under="ignore"):
                same(case.function(**{**args, name: junk}), expected)


FOREIGN = ("float16", "longdouble", "complex64", "int64", "bool", "object", "U8", "m8[s]")
"""Types of numbers that ``lib`` does not compute with."""


def check_foreign_types(case: Case, rng: np.random.Generator) -> None:
    """Half precision, complex numbers, objects and the like are refused by name, not cast."""
    args = case.make(rng)
    for name, path, leaf in array_leaves(args):
        for foreign in FOREIGN:
            if name in case.any_number or leaf.dtype == foreign:
                continue
            whole = leaf.astype(int) if foreign == "m8[s]" else leaf
            with pytest.raises(ValueError, match=r"expected"):
                accepted(
                    case, replaced(args, name, path, whole.astype(foreign)), f"{name} {foreign}"
                )


def check_empty(case: Case, rng: np.random.Generator) -> None:
    """An axis without numbers, and a number without axes, are refused by name."""
    args = case.make(rng)
    for name, path, leaf in array_leaves(args):
        if name in case.free:
            continue
        for other in (
            leaf.ravel()[0].reshape(()),
            *(np.take(leaf, [], k) for k in range(leaf.ndim)),
        ):
            with pytest.raises(ValueError, match=r"expected"):
                accepted(case, replaced(args, name, path, other), f"{name} {other.shape}")


CHECKS = (
    check_layouts,
    check_integers,
    check_float32,
    check_subclasses,
    check_shapes,
    check_masked,
)
DOORS = (check_foreign_types, check_empty)
"""Checks of what is refused whatever the numbers."""
