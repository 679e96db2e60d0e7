"""Values as JSON and back: what crosses between a notebook, its checks and a grader.

Arrays, numbers, strings, booleans, ``None`` and (named) tuples, lists and dicts of
them. Nothing in the format can execute code. What is *trusted* (written by the
course) may also name classes of ``lib`` and hold an :class:`Expression`; what comes
from a learner may not, and its named tuples arrive as plain tuples.
"""

import base64
import dataclasses
import importlib
import math
import re
from typing import Any

import numpy as np

MAX_DEPTH = 20
MAX_ITEMS = 1_000_000


class CodecError(ValueError):
    """A value, or a text, that the format does not allow."""


class Expression:
    """A function given as the source of an expression, so that it can cross too.

    Only the course's own text is ever evaluated: a learner's message cannot hold one.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._function = eval(source, {"np": np})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return self.source


def _array(value: np.ndarray, decimals: int | None) -> dict[str, Any]:
    if value.dtype.kind not in "biuf":
        raise CodecError(f"an array of dtype {value.dtype}; expected real numbers or booleans")
    head: dict[str, Any] = {"dtype": value.dtype.str, "shape": list(value.shape)}
    if decimals is None:
        data = np.ascontiguousarray(value).tobytes()
        return {"array": {**head, "base64": base64.b64encode(data).decode("ascii")}}
    if value.dtype.kind == "f":
        flat = [_round(v, decimals) for v in value.ravel().tolist()]
    else:
        flat = value.ravel().tolist()
    return {"array": {**head, "values": flat}}


def _round(value: float, decimals: int) -> float | str:
    if math.isfinite(value):
        return round(value, decimals) + 0.0
    return str(value)


def encode(value: Any, decimals: int | None = None) -> Any:
    """Turn a value into something that ``json`` can write.

    Parameters
    ----------
    value : array, number, str, bool, None, (named) tuple, list or dict of these
        Also frozen dataclasses of ``lib`` and :class:`Expression`.
    decimals : int, optional
        Round floats, for files that people read and git compares; exact if not given.

    Raises
    ------
    CodecError
        Naming the type that is not allowed.
    """
    return _encode(value, decimals, MAX_DEPTH)


def _encode(value: Any, decimals: int | None, depth: int) -> Any:
    if depth == 0:
        raise CodecError(f"a value nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return _array(np.asarray(value), decimals)
    if isinstance(value, int):
        if abs(value) >= 2**63:
            raise CodecError("an integer of more than 64 bits")
        return value
    if isinstance(value, float):
        return {"float": _round(value, decimals) if decimals is not None else value.hex()}
    if isinstance(value, Expression):
        return {"expression": value.source}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        items = [_encode(v, decimals, depth - 1) for v in value]
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return {"named": {"type": name, "fields": list(value._fields), "items": items}}
    if isinstance(value, (tuple, list)):
        items = [_encode(v, decimals, depth - 1) for v in value]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise CodecError("a dict with a key that is not a string")
        return {"dict": {key: _encode(v, decimals, depth - 1) for key, v in value.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        encoded = {key: _encode(v, decimals, depth - 1) for key, v in fields.items()}
        return {"object": {"type": name, "fields": encoded}}
    raise CodecError(
        f"a value of type {type(value).__name__}; expected arrays, numbers, strings, booleans, "
        "None, and tuples, lists or dicts of these"
    )


def decode(data: Any, trusted: bool = False) -> Any:
    """Undo :func:`encode`.

    Parameters
    ----------
    data : what ``json`` read
    trusted : bool
        Whether the course wrote it: only then are classes of ``lib`` looked up and
        expressions evaluated. Otherwise a named tuple comes as a plain tuple.

    Raises
    ------
    CodecError
        Where the text is not of the format, or holds what is not allowed.
    """
    return _decode(data, trusted, MAX_DEPTH)


def _lib_class(name: str) -> Any:
    module, _, cls = name.rpartition(".")
    if module.split(".")[0] != "lib":
        raise CodecError(f"the type {name!r}; expected one of lib")
    return getattr(importlib.import_module(module), cls)


def _decode(data: Any, trusted: bool, depth: int) -> Any:
    if depth == 0:
        raise CodecError(f"a value nested deeper than {MAX_DEPTH}")
    if data is None or isinstance(data, (bool, str)):
        return data
    if isinstance(data, int):
        if abs(data) >= 2**63:
            raise CodecError("an integer of more than 64 bits")
        return data
    if not isinstance(data, dict) or len(data) != 1:
        raise CodecError("text that is not of the format")
    (kind, body), *_ = data.items()
    try:
        match kind:
            case "array":
                return _decode_array(body)
            case "float":
                return float.fromhex(body) if isinstance(body, str) else float(body)
            case "tuple" | "list":
                items = [_decode(v, trusted, depth - 1) for v in body]
                return tuple(items) if kind == "tuple" else items
            case "dict":
                return {str(key): _decode(v, trusted, depth - 1) for key, v in body.items()}
            case "named":
                items = [_decode(v, trusted, depth - 1) for v in body["items"]]
                return _lib_class(body["type"])(*items) if trusted else tuple(items)
            case "object" if trusted:
                fields = {k: _decode(v, trusted, depth - 1) for k, v in body["fields"].items()}
                return _lib_class(body["type"])(**fields)
            case "expression" if trusted:
                return Expression(body)
    except CodecError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CodecError(f"a malformed {kind}") from error
    raise CodecError(f"a value of kind {kind!r}, which is not allowed here")


def _decode_array(body: dict[str, Any]) -> np.ndarray:
    # Parsed here first: NumPy reads a small language of its own, with errors of all kinds.
    if not re.fullmatch(r"[<>|=]?[biuf][0-9]{1,2}", str(body["dtype"])):
        raise CodecError("an array of a dtype that is not allowed; expected numbers or booleans")
    dtype = np.dtype(body["dtype"])
    shape = tuple(body["shape"])
    if len(shape) > 8 or not all(type(n) is int and 0 <= n <= MAX_ITEMS for n in shape):
        raise CodecError("an array of a shape that is not allowed")
    if math.prod(shape) > MAX_ITEMS:
        raise CodecError(f"an array of more than {MAX_ITEMS} numbers")
    if "values" in body:
        if not all(type(v) in (bool, int, float, str) for v in body["values"]):
            raise CodecError("an array whose values are no numbers")
        flat = [float(v) if isinstance(v, str) else v for v in body["values"]]
        return np.array(flat, dtype).reshape(shape)
    raw = base64.b64decode(body["base64"], validate=True)
    if dtype.kind == "b" and any(byte > 1 for byte in raw):
        raise CodecError("an array of booleans that are neither true nor false")
    return np.frombuffer(raw, dtype).reshape(shape).copy()
