"""Argument checks that name the argument, what was expected and what came.

Every public function of ``lib`` checks its input through this module, so that
all error messages read alike: ``xs: expected shape (T, N, 3), got (5, 3)``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lib import tree

Dim = int | str


def _describe(shape: Sequence[Dim]) -> str:
    inner = ", ".join(str(d) for d in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def shape(name: str, value: np.ndarray, expected: Sequence[Dim]) -> None:
    """Check the shape of ``value``.

    ``expected`` holds a number where the size is fixed and a letter where any
    positive size will do; a letter used twice must be the same size twice.

    Raises
    ------
    ValueError
        Where rank or a size differs, or a dimension is empty.
    """
    got = np.shape(value)
    seen: dict[str, int] = {}
    ok = len(got) == len(expected)
    if ok:
        for want, size in zip(expected, got, strict=True):
            if isinstance(want, str):
                ok = ok and size > 0 and seen.setdefault(want, size) == size
            else:
                ok = ok and want == size
    if not ok:
        raise ValueError(f"{name}: expected shape {_describe(expected)}, got {_describe(got)}")


def plain(name: str, value: object, expected: Sequence[Dim]) -> np.ndarray:
    """Check that ``value`` is an array and no subclass, whose operators mean something else.

    ``*`` of a ``np.matrix`` is a matrix product; a masked array loses its mask in a cast.

    Raises
    ------
    ValueError
        Where it is another type.
    """
    if type(value) is not np.ndarray:
        raise ValueError(
            f"{name}: expected a NumPy array of shape {_describe(expected)}, "
            f"got {type(value).__name__}"
        )
    return value


def floating(
    name: str, value: np.ndarray, expected: Sequence[Dim], dtype: Any = None
) -> np.ndarray:
    """Check type, dtype and shape as :func:`array` does, look at no number, return ``value``.

    Raises
    ------
    ValueError
        Where ``value`` is not an array of float32 or float64, has another shape, or not the
        precision of ``dtype``.
    """
    plain(name, value, expected)
    if value.dtype.kind != "f" or value.dtype.itemsize not in (4, 8):
        raise ValueError(
            f"{name}: expected float32 or float64 of shape {_describe(expected)}, "
            f"got dtype {value.dtype} of shape {_describe(value.shape)}"
        )
    shape(name, value, expected)
    if dtype is not None and value.dtype.itemsize != np.dtype(dtype).itemsize:
        raise ValueError(f"{name}: expected {np.dtype(dtype)} as elsewhere, got {value.dtype}")
    return value


def array(
    name: str,
    value: np.ndarray,
    expected: Sequence[Dim],
    where: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Check a floating-point array and return it.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array
    expected : sequence of int or str
        See :func:`shape`.
    where : booleans, optional
        Of the first axes of ``value``. What stands where it is false may be anything, NaN
        too, and comes back as 0: what is masked must not matter, and 0 · ∞ is no number.
    dtype : float32 or float64, optional
        The precision that it must have; either where not given.

    Returns
    -------
    array
        Float32 or float64: ``value`` itself, and a copy only with ``where``.

    Raises
    ------
    ValueError
        Where ``value`` is not an array of floats, has another shape, or holds NaN.
    """
    value = _select(floating(name, value, expected, dtype), where, 0)
    # the least of numbers is NaN where one of them is
    if value.size and np.isnan(value.min()):
        raise ValueError(f"{name}: expected numbers of shape {_describe(expected)}, got NaN")
    return value


def _select(value: np.ndarray, where: np.ndarray | None, other: int) -> np.ndarray:
    if where is None or where.all():
        return value
    return np.where(where.reshape(where.shape + (1,) * (value.ndim - where.ndim)), value, other)


def floats(name: str, value: np.ndarray) -> np.ndarray:
    """Check an array, or a NumPy scalar, of float32 or float64 of any shape and return it.

    Raises
    ------
    ValueError
        Where it is another type or dtype.
    """
    if type(value) is not np.ndarray and not isinstance(value, np.floating):
        raise ValueError(
            f"{name}: expected an array of floating-point numbers, got {type(value).__name__}"
        )
    if value.dtype.kind != "f" or value.dtype.itemsize not in (4, 8):
        raise ValueError(
            f"{name}: expected an array of floating-point numbers, float32 or float64, "
            f"got {value.dtype}"
        )
    return value


def float_leaves(name: str, value: Any) -> None:
    """Check that all arrays of a tree are float32 or float64, of any shape.

    Raises
    ------
    ValueError
        Naming the first field that is not.
    """
    for field, leaf in tree.named_leaves(value):
        floats(f"{name}.{field}" if field else name, leaf)


def finite(
    name: str, value: np.ndarray, expected: Sequence[Dim], where: np.ndarray | None = None
) -> np.ndarray:
    """Check as :func:`array` does, and that no number is infinite.

    Raises
    ------
    ValueError
        As :func:`array`, and where a number is infinite.
    """
    value = array(name, value, expected, where)
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: expected finite numbers of shape {_describe(expected)}, got inf")
    return value


def params(name: str, value: object, shapes: object, dtype: Any = None) -> None:
    """Check the types, fields, exact shapes and dtypes of a tree of parameters.

    A shape that would broadcast, as b (H, 1) for b (H,), is another shape. Numbers are not
    looked at: a NaN in parameters is for training to find.

    Parameters
    ----------
    name : str
        For the message, which adds the field: ``params.b``.
    value : tree of arrays
    shapes : tree of the same type
        With a plain tuple of integers in the place of each array, and ``None`` for ``None``.
    dtype : float32 or float64, optional
        The precision that all must have, that of the inputs.

    Raises
    ------
    ValueError
        Naming the first field that differs.
    """
    if tree.is_shape(shapes):
        floating(name, value, shapes, dtype)  # type: ignore[arg-type]
        return
    for key, child, expected in _fields(name, value, shapes):
        params(key, child, expected, dtype)


def _fields(name: str, value: object, expected: object) -> Iterator[tuple[str, object, object]]:
    """Pair the fields of two trees, where they are of one type."""
    if type(value) is not type(expected) or (
        isinstance(expected, tuple) and len(value) != len(expected)  # type: ignore[arg-type]
    ):
        wanted = f" of {len(expected)} fields" if isinstance(expected, tuple) else ""
        raise ValueError(
            f"{name}: expected {type(expected).__name__}{wanted}, got {type(value).__name__}"
        )
    if isinstance(expected, tuple):
        fields = getattr(expected, "_fields", None)
        for k, pair in enumerate(zip(value, expected, strict=True)):  # type: ignore[call-overload]
            yield (f"{name}.{fields[k]}" if fields else f"{name}[{k}]"), *pair


def integers(
    name: str,
    value: np.ndarray,
    expected: Sequence[Dim],
    low: int,
    high: int,
    where: np.ndarray | None = None,
) -> np.ndarray:
    """Check integers in ``low <= value <= high`` and return them as int64.

    Smaller or unsigned types wrap where they are computed with: 3 − 5 is 254 in uint8.

    Parameters
    ----------
    name : str
    value : array, or a sequence or number, of any type of integers
    expected : sequence of int or str
        See :func:`shape`.
    low, high : int
    where : booleans, optional
        Of the first axes of ``value``. What stands where it is false may be any integer, and
        comes back as ``low``.

    Returns
    -------
    int64 array
        ``value`` itself where it is one, without ``where``.

    Raises
    ------
    ValueError
        Where ``value`` is not integral, has another shape, or leaves the range.
    """
    if isinstance(value, np.ndarray):
        plain(name, value, expected)
    value = np.asarray(value)
    if value.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: expected integers of shape {_describe(expected)}, "
            f"got dtype {value.dtype} of shape {_describe(value.shape)}"
        )
    shape(name, value, expected)
    value = _select(value, where, low)
    if value.size and (value.min() < low or value.max() > high):
        raise ValueError(
            f"{name}: expected integers from {low} to {high}, got {value.min()} to {value.max()}"
        )
    return value.astype(np.int64, copy=False)


def lengths(
    value: np.ndarray | None, steps: int, batch: int, name: str = "lengths"
) -> np.ndarray | None:
    """Check the lengths of a padded batch, integers (N,) from 1 to T; return int64, or ``None``.

    Raises
    ------
    ValueError
        Where a length is below 1 or above T, or there is not one for each example.
    """
    return None if value is None else integers(name, value, (batch,), 1, steps)


def positive(name: str, value: int) -> int:
    """Check a size: an integer of at least 1.

    Raises
    ------
    ValueError
        Where it is no integer, or below 1.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))
    if not whole or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)


def positive_number(name: str, value: float) -> float:
    """Check a rate or a threshold: a finite number above 0.

    Raises
    ------
    ValueError
        Where it is no number, not finite, or not above 0.
    """
    if not _is_number(value) or not 0 < value < np.inf:
        raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")
    return float(value)


def non_negative_number(name: str, value: float) -> float:
    """Check a weight or an exponent: a finite number of at least 0.

    Raises
    ------
    ValueError
        Where it is no number, not finite, or below 0.
    """
    if not _is_number(value) or not 0 <= value < np.inf:
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Check a decay or a share: a number from 0 up to, not including, 1.

    Raises
    ------
    ValueError
        Where it is no number, below 0, or not below 1.
    """
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{name}: expected a number of at least 0 and below 1, got {value!r}")
    return float(value)


def _is_number(value: object) -> bool:
    real = isinstance(value, (int, float, np.integer, np.floating))
    return real and not isinstance(value, (bool, np.timedelta64))


def choice(name: str, value: str, options: Sequence[str]) -> str:
    """Check that ``value`` is one of ``options``.

    Raises
    ------
    ValueError
        Where it is not.
    """
    if value not in options:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def same_tree(name: str, value: object, expected: object, dtype: Any = None) -> None:
    """Check that two trees have the same types, fields and shapes; with ``dtype``, its precision.

    Raises
    ------
    ValueError
        Naming the first field that differs.
    """
    if isinstance(expected, np.ndarray):
        array(name, value, expected.shape, dtype=dtype)  # type: ignore[arg-type]
        return
    for key, child, wanted in _fields(name, value, expected):
        same_tree(key, child, wanted, dtype)
