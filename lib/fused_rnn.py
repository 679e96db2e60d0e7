"""The Elman cell over a whole sequence: a kernel, see ``lib.kernels``."""

from typing import Any

import numpy as np

from lib.activations import ACTIVATIONS
from lib.kernels import flat, native, padding, windows
from lib.masks import cover


def forward(
    cell: Any, params: Any, xs: np.ndarray, state: Any, live: np.ndarray | None
) -> tuple[np.ndarray, Any, Any]:
    """Compute what ``lib.bptt.scan`` computes."""
    T, N, _ = xs.shape
    U, W, b = (native(p, xs.dtype) for p in params)
    activation = ACTIVATIONS[cell.activation].forward
    WT, from_h = native(W.T, xs.dtype), np.empty((N, len(b)), xs.dtype)
    hs = np.empty((T + 1, N, len(b)), xs.dtype)  # pre-activations until their step comes
    hs[0] = state.h
    np.matmul(flat(xs), U.T, out=flat(hs[1:]))
    hs[1:] += b
    for h, h_new, dead in zip(hs, hs[1:], padding(live, T), strict=False):
        np.dot(h, WT, from_h)
        h_new += from_h
        activation(h_new, out=h_new)
        if dead is not None:
            np.copyto(h_new, h, where=dead)
    ys = hs[1:].copy() if live is None else cover(hs[1:], live)
    return ys, type(state)(hs[T].copy()), cell.cache_type(xs, hs[:-1], hs[1:])


def backward(
    cell: Any, params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Compute what ``lib.bptt.scan_backward`` computes."""
    xs, hs, hs_new = cache
    U, W, _ = (native(p, xs.dtype) for p in params)
    slope = ACTIVATIONS[cell.activation].backward
    deltas, dead = np.empty_like(hs), padding(live, len(xs))
    dh, dh_prev = np.array(dstate.h, xs.dtype, order="C"), np.empty_like(deltas[0])
    for window in windows(len(xs), hs[0].size):
        h_new = hs_new[window]
        slopes = cover(slope(h_new, np.ones_like(h_new)), None if live is None else live[window])
        for t in reversed(range(window.start, window.stop)):
            dh += dys[t]
            np.multiply(slopes[t - window.start], dh, out=deltas[t])
            np.dot(deltas[t], W, dh_prev)
            if dead[t] is not None:
                np.copyto(dh_prev, dh, where=dead[t])
            dh, dh_prev = dh_prev, dh
    delta = flat(deltas)
    dparams = type(params)(delta.T @ flat(xs), delta.T @ flat(hs), delta.sum(axis=0))
    return dparams, (delta @ U).reshape(xs.shape), type(dstate)(dh)
