"""The GRU over a whole sequence, for both ways to reset: a kernel, see ``lib.kernels``.

The rows of r and z are halved, since σ(a) = ½ + ½ tanh(a/2).
"""

from typing import Any

import numpy as np

from lib.kernels import flat, native, padding, windows
from lib.masks import cover


def _halve_gates(p: np.ndarray, dtype: np.dtype) -> np.ndarray:
    r, z, n = np.split(p, 3)
    return native(np.concatenate([r / 2, z / 2, n]), dtype)


def forward(
    cell: Any, params: Any, xs: np.ndarray, state: Any, live: np.ndarray | None
) -> tuple[np.ndarray, Any, Any]:
    """Compute what ``lib.bptt.scan`` computes."""
    T, N, _ = xs.shape
    U, W, b = (_halve_gates(p, xs.dtype) for p in params[:3])
    H, dtype = W.shape[1], xs.dtype
    half, after = dtype.type(0.5), cell.reset_after
    WT = native(W.T, dtype) if after else native(W[: 2 * H].T, dtype)
    WT_n, b_hn = native(W[2 * H :].T, dtype), params.b_hn
    from_h, step_n = np.empty((N, WT.shape[1]), dtype), np.empty((N, H), dtype)
    gates, hs = np.empty((T, N, 3 * H), dtype), np.empty((T + 1, N, H), dtype)
    qs = np.empty((T, N, H), dtype) if after else None
    hs[0] = state.h
    np.matmul(flat(xs), U.T, out=flat(gates))
    gates += b
    for t, dead in enumerate(padding(live, T)):
        h, h_new = hs[t], hs[t + 1]
        rz, r, z, n = (gates[t, :, s * H : e * H] for s, e in ((0, 2), (0, 1), (1, 2), (2, 3)))
        np.dot(h, WT, from_h)
        rz += from_h[:, : 2 * H]
        np.tanh(rz, out=rz)
        rz *= half
        rz += half
        if qs is not None:
            q = np.add(from_h[:, 2 * H :], b_hn, out=qs[t])
            np.multiply(r, q, out=step_n)
        else:
            np.multiply(r, h, out=h_new)
            np.dot(h_new, WT_n, step_n)
        n += step_n
        np.tanh(n, out=n)
        np.subtract(h, n, out=h_new)
        h_new *= z
        h_new += n
        if dead is not None:
            np.copyto(h_new, h, where=dead)
    r, z, n = (gates[:, :, k * H : (k + 1) * H] for k in range(3))
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
