"""Argument checks that name the argument, what was expected and what came.

Every public function of ``lib`` checks its input through this module, so that
all error messages read alike: ``xs: expected shape (T, N, 3), got (5, 3)``.
"""

from collections.abc import Sequence

import numpy as np

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


def array(name: str, value: np.ndarray, expected: Sequence[Dim]) -> np.ndarray:
    """Check a floating-point array and return it.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array
    expected : sequence of int or str
        See :func:`shape`.

    Returns
    -------
    array
        ``value`` itself, float32 or float64, never a copy of an array.

    Raises
    ------
    ValueError
        Where ``value`` is not an array of floats, has another shape, or holds NaN.
    """
    if not isinstance(value, np.ndarray):
        raise ValueError(
            f"{name}: expected a NumPy array of shape {_describe(expected)}, "
            f"got {type(value).__name__}"
        )
    if value.dtype.kind != "f" or value.dtype.itemsize not in (4, 8):
        raise ValueError(
            f"{name}: expected float32 or float64 of shape {_describe(expected)}, "
            f"got dtype {value.dtype} of shape {_describe(value.shape)}"
        )
    shape(name, value, expected)
    if np.isnan(value).any():
        raise ValueError(f"{name}: expected numbers of shape {_describe(expected)}, got NaN")
    return value


def integers(
    name: str, value: np.ndarray, expected: Sequence[Dim], low: int, high: int
) -> np.ndarray:
    """Check an array of integers in ``low <= value <= high`` and return it.

    Raises
    ------
    ValueError
        Where ``value`` is not integral, has another shape, or leaves the range.
    """
    value = np.asarray(value)
    if value.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: expected integers of shape {_describe(expected)}, "
            f"got dtype {value.dtype} of shape {_describe(value.shape)}"
        )
    shape(name, value, expected)
    if value.size and (value.min() < low or value.max() > high):
        raise ValueError(
            f"{name}: expected integers from {low} to {high}, got {value.min()} to {value.max()}"
        )
    return value


def lengths(value: np.ndarray | None, steps: int, batch: int) -> np.ndarray | None:
    """Check the lengths of a padded batch: integers (N,) from 1 to T, or ``None``.

    Raises
    ------
    ValueError
        Where a length is below 1 or above T, or there is not one for each example.
    """
    return None if value is None else integers("lengths", value, (batch,), 1, steps)


def positive(name: str, value: int) -> int:
    """Check a size: an integer of at least 1.

    Raises
    ------
    ValueError
        Where it is no integer, or below 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
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
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


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


def same_tree(name: str, value: object, expected: object) -> None:
    """Check that two trees have the same types, fields and shapes.

    Raises
    ------
    ValueError
        Naming the first field that differs.
    """
    if isinstance(expected, np.ndarray):
        array(name, value, expected.shape)  # type: ignore[arg-type]
        return
    if isinstance(expected, tuple):
        if type(value) is not type(expected) or len(value) != len(expected):  # type: ignore[arg-type]
            raise ValueError(
                f"{name}: expected {type(expected).__name__} of {len(expected)} fields, "
                f"got {type(value).__name__}"
            )
        fields = getattr(expected, "_fields", None)
        for k, (a, b) in enumerate(zip(value, expected, strict=True)):  # type: ignore[call-overload]
            same_tree(f"{name}.{fields[k]}" if fields else f"{name}[{k}]", a, b)
        return
    if type(value) is not type(expected):
        raise ValueError(f"{name}: expected {type(expected).__name__}, got {type(value).__name__}")
