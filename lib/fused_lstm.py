"""The LSTM over a whole sequence: a kernel, see ``lib.kernels``."""

from typing import Any

import numpy as np

from lib.kernels import flat, gate, native, padding, windows
from lib.masks import cover


def split_gates(p: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of i, f and o, negative for ``lib.kernels.gate``, and those of g."""
    i, f, g, o = np.split(p, 4)
    return native(-np.concatenate([i, f, o]), dtype), native(g, dtype)


def forward(
    cell: Any, params: Any, xs: np.ndarray, state: Any, live: np.ndarray | None
) -> tuple[np.ndarray, Any, Any]:
    """Compute what ``lib.bptt.scan`` computes."""
    T, N, _ = xs.shape
    (U, U_g), (W, W_g), (b, b_g) = (split_gates(p, xs.dtype) for p in params)
    H, dtype = W.shape[1], xs.dtype
    WT, WT_g = native(W.T, dtype), native(W_g.T, dtype)
    a, a_g = np.empty((N, 3 * H), dtype), np.empty((N, H), dtype)
    # apart, so that what a step reads and writes is contiguous
    ifo, g, tanh_c = (np.empty((T, N, width), dtype) for width in (3 * H, H, H))
    hs, cs = np.empty((T + 1, N, H), dtype), np.empty((T + 1, N, H), dtype)
    hs[0], cs[0] = state
    np.matmul(flat(xs), U.T, out=flat(ifo))
    np.matmul(flat(xs), U_g.T, out=flat(g))
    ifo += b
    g += b_g
    i, f, o = (ifo[:, :, k * H : (k + 1) * H] for k in range(3))
    with np.errstate(over="ignore", under="ignore"):
        for a_t, i_t, f_t, g_t, o_t, tanh_t, h, h_new, c, c_new, dead in zip(
            ifo, i, f, g, o, tanh_c, hs, hs[1:], cs, cs[1:], padding(live, T), strict=False
        ):
            np.dot(h, WT, a)
            a += a_t
            gate(a, out=a_t)
            np.dot(h, WT_g, a_g)
            a_g += g_t
            np.tanh(a_g, out=g_t)
            np.multiply(f_t, c, out=c_new)
            np.multiply(i_t, g_t, out=a_g)
            c_new += a_g
            np.tanh(c_new, out=tanh_t)
            np.multiply(o_t, tanh_t, out=h_new)
            if dead is not None:
                np.copyto(h_new, h, where=dead)
                np.copyto(c_new, c, where=dead)
    ys = hs[1:].copy() if live is None else cover(hs[1:], live)
    last = type(state)(hs[T].copy(), cs[T].copy())
    return ys, last, cell.cache_type(xs, hs[:T], cs[:T], i, f, g, o, tanh_c)


def backward(
    cell: Any, params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Compute what ``lib.bptt.scan_backward`` computes."""
    xs, hs, *_ = cache
    T, N, H = hs.shape
    U, W, _ = (native(p, xs.dtype) for p in params)
    deltas, dead = np.empty((T, N, 4 * H), xs.dtype), padding(live, T)
    dh, dc = (np.array(d, xs.dtype, order="C") for d in dstate)
    dh_prev, through_c = np.zeros_like(dh), np.empty_like(dh)
    for window in windows(T, 4 * N * H):
        into_c, by_c, by_h, f = factors(cache, window, live)
        for t in reversed(range(window.start, window.stop)):
            k, delta = t - window.start, deltas[t]
            dh += dys[t]
            np.multiply(dh, into_c[k], out=through_c)
            dc += through_c
            np.multiply(by_c[k], dc[:, None], out=delta[:, : 3 * H].reshape(N, 3, H))
            np.multiply(by_h[k], dh, out=delta[:, 3 * H :])
            dc *= f[k]
            if not cell.truncated_gradient:
                np.dot(delta, W, dh_prev)
            if dead[t] is not None:
                np.copyto(dh_prev, dh, where=dead[t])
            dh, dh_prev = dh_prev, dh
            if cell.truncated_gradient:
                dh_prev[:] = 0
    delta = flat(deltas)
    dparams = type(params)(delta.T @ flat(xs), delta.T @ flat(hs), delta.sum(axis=0))
    return dparams, (delta @ U).reshape(xs.shape), type(dstate)(dh, dc)


def factors(
    cache: Any, window: slice, live: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute for a window of steps what the errors of h and C are multiplied with.

    Returns the way from h into C, from C to the pre-activations of i, f and g, from h to that
    of o, and from C to the old C. On padding the first three are 0 and the last is 1.
    """
    _, _, c, i, f, g, o, tanh_c = (field[window] for field in cache)
    n, N, H = c.shape
    into_c, by_c, by_h = np.empty_like(tanh_c), np.empty((n, N, 3, H), c.dtype), np.empty_like(o)
    np.multiply(tanh_c, tanh_c, out=into_c)
    np.subtract(1, into_c, out=into_c)
    into_c *= o
    for k, (y, factor) in enumerate(((i, g), (f, c))):
        np.subtract(1, y, out=by_c[:, :, k])
        by_c[:, :, k] *= y
        by_c[:, :, k] *= factor
    np.multiply(g, g, out=by_c[:, :, 2])
    np.subtract(1, by_c[:, :, 2], out=by_c[:, :, 2])
    by_c[:, :, 2] *= i
    np.subtract(1, o, out=by_h)
    by_h *= o
    by_h *= tanh_c
    if live is not None:
        true = live[window][..., None]
        into_c *= true
        by_c *= true[..., None]
        by_h *= true
        f = np.where(true, f, f.dtype.type(1))
    return into_c, by_c, by_h, f
