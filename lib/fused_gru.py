"""The GRU over a whole sequence, for both ways to reset: a kernel, see ``lib.kernels``."""

from typing import Any

import numpy as np

from lib.kernels import flat, gate, native, padding, windows
from lib.masks import cover


def _split_gates(p: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of r and z, negative for ``lib.kernels.gate``, and those of n."""
    r, z, n = np.split(p, 3)
    return native(-np.concatenate([r, z]), dtype), native(n, dtype)


def forward(
    cell: Any, params: Any, xs: np.ndarray, state: Any, live: np.ndarray | None
) -> tuple[np.ndarray, Any, Any]:
    """Compute what ``lib.bptt.scan`` computes."""
    T, N, _ = xs.shape
    (U, U_n), (W, W_n), (b, b_n) = (_split_gates(p, xs.dtype) for p in params[:3])
    H, dtype = W.shape[1], xs.dtype
    WT, WT_n = native(W.T, dtype), native(W_n.T, dtype)
    a, a_n = np.empty((N, 2 * H), dtype), np.empty((N, H), dtype)
    # apart, so that what a step reads and writes is contiguous
    rz, n = np.empty((T, N, 2 * H), dtype), np.empty((T, N, H), dtype)
    hs = np.empty((T + 1, N, H), dtype)
    qs = np.empty((T, N, H), dtype) if cell.reset_after else None
    hs[0] = state.h
    np.matmul(flat(xs), U.T, out=flat(rz))
    np.matmul(flat(xs), U_n.T, out=flat(n))
    rz += b
    n += b_n
    r, z = rz[:, :, :H], rz[:, :, H:]
    with np.errstate(over="ignore", under="ignore"):
        for rz_t, r_t, z_t, n_t, q, h, h_new, dead in zip(
            rz,
            r,
            z,
            n,
            [None] * T if qs is None else qs,
            hs,
            hs[1:],
            padding(live, T),
            strict=False,
        ):
            np.dot(h, WT, a)
            a += rz_t
            gate(a, out=rz_t)
            if q is not None:
                np.dot(h, WT_n, q)
                q += params.b_hn
                np.multiply(r_t, q, out=a_n)
            else:
                np.multiply(r_t, h, out=h_new)
                np.dot(h_new, WT_n, a_n)
            a_n += n_t
            np.tanh(a_n, out=n_t)
            # (1 − z) n + z h, not n + z (h − n), which loses a small h where z is 1
            np.subtract(1, z_t, out=a_n)
            a_n *= n_t
            np.multiply(z_t, h, out=h_new)
            h_new += a_n
            if dead is not None:
                np.copyto(h_new, h, where=dead)
    ys = hs[1:].copy() if live is None else cover(hs[1:], live)
    return ys, type(state)(hs[T].copy()), cell.cache_type(xs, hs[:T], r, z, n, qs)


def backward(
    cell: Any, params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Compute what ``lib.bptt.scan_backward`` computes."""
    return (_after if cell.reset_after else _before)(params, cache, dys, dstate, live)


def _slopes(
    cache: Any, window: slice, live: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute for a window of steps the way of ∇_h to n and to z, the slope of r, and z.

    The ways end at the pre-activations. On padding the first two are 0 and z is 1.
    """
    h, r, z, n = (field[window] for field in cache[1:5])
    keep = 1 - z
    to_n = 1 - n * n
    to_n *= keep
    keep *= z
    to_z = h - n
    to_z *= keep
    slope = 1 - r
    slope *= r
    if live is not None:
        true = live[window][..., None]
        to_n *= true
        to_z *= true
        z = np.where(true, z, z.dtype.type(1))
    return to_n, to_z, slope, z


def _after(
    params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Go back where the reset stands after the product.

    All errors are ∇_h times something that does not depend on it. They stand side by side as
    n, r, z, q: the input's weights see the first three, those of h' the last three.
    """
    xs, hs, r, _, _, q = cache
    T, N, H = hs.shape
    U, W = (native(p, xs.dtype) for p in params[:2])
    deltas, dh = np.empty((T, N, 4 * H), xs.dtype), np.array(dstate.h, xs.dtype, order="C")
    dh_prev = np.empty_like(dh)
    for window in windows(T, 4 * N * H):
        to_n, to_z, slope, keep = _slopes(cache, window, live)
        factors = np.empty((len(to_n), N, 4, H), xs.dtype)
        factors[:, :, 0], factors[:, :, 2] = to_n, to_z
        np.multiply(to_n, r[window], out=factors[:, :, 3])
        np.multiply(to_n, q[window], out=factors[:, :, 1])
        factors[:, :, 1] *= slope
        for t in reversed(range(window.start, window.stop)):
            k = t - window.start
            dh += dys[t]
            np.multiply(factors[k], dh[:, None], out=deltas[t].reshape(N, 4, H))
            np.matmul(deltas[t, :, H:], W, out=dh_prev)
            dh *= keep[k]
            dh += dh_prev
    delta = flat(deltas)
    n_r_z, r_z_q = delta[:, : 3 * H], delta[:, H:]
    dU, db = np.roll(n_r_z.T @ flat(xs), -H, axis=0), np.roll(n_r_z.sum(axis=0), -H)
    dparams = type(params)(dU, r_z_q.T @ flat(hs), db, r_z_q[:, 2 * H :].sum(axis=0))
    return dparams, (n_r_z @ np.roll(U, H, axis=0)).reshape(xs.shape), type(dstate)(dh)


def _before(
    params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Go back where the reset stands before the product."""
    xs, hs, r, _, _, _ = cache
    T, N, H = hs.shape
    U, W = (native(p, xs.dtype) for p in params[:2])
    W_rz, W_n = W[: 2 * H], W[2 * H :]
    deltas, dh = np.empty((T, N, 3 * H), xs.dtype), np.array(dstate.h, xs.dtype, order="C")
    dh_prev, dreset, d_rz = np.empty_like(dh), np.empty_like(dh), np.empty((N, 2 * H), xs.dtype)
    dn = np.empty_like(dh)
    for window in windows(T, 4 * N * H):
        to_n, to_z, slope, keep = _slopes(cache, window, live)
        slope *= hs[window]
        for t in reversed(range(window.start, window.stop)):
            k = t - window.start
            dh += dys[t]
            np.multiply(to_n[k], dh, out=dn)
            np.dot(dn, W_n, dreset)
            np.multiply(dreset, slope[k], out=d_rz[:, :H])
            np.multiply(to_z[k], dh, out=d_rz[:, H:])
            deltas[t, :, : 2 * H], deltas[t, :, 2 * H :] = d_rz, dn
            np.dot(d_rz, W_rz, dh_prev)
            dh *= keep[k]
            dh += dh_prev
            dreset *= r[t]
            dh += dreset
    delta = flat(deltas)
    rz, n = delta[:, : 2 * H], delta[:, 2 * H :]
    dW = np.concatenate([rz.T @ flat(hs), n.T @ flat(r * hs)])
    dparams = type(params)(delta.T @ flat(xs), dW, delta.sum(axis=0), None)
    return dparams, (delta @ U).reshape(xs.shape), type(dstate)(dh)
