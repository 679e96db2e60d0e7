"""The LSTM with peepholes over a whole sequence: a kernel, see ``lib.kernels``.

As in ``lib.fused_lstm``, but o waits for the new C. A peephole that is missing counts as zeros.
"""

from typing import Any

import numpy as np

from lib.fused_lstm import factors, halve_gates
from lib.kernels import flat, native, padding, windows
from lib.masks import cover


def _peepholes(params: Any, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return those of i and f (2, H), and that of o (H,)."""
    none = np.zeros(params.W.shape[1], dtype)
    i, f, o = (none if p is None else native(p, dtype) for p in params[3:])
    return np.stack([i, f]), o


def forward(
    cell: Any, params: Any, xs: np.ndarray, state: Any, live: np.ndarray | None
) -> tuple[np.ndarray, Any, Any]:
    """Compute what ``lib.bptt.scan`` computes."""
    T, N, _ = xs.shape
    U, W, b = (halve_gates(p, xs.dtype) for p in params[:3])
    H, dtype = W.shape[1], xs.dtype
    half = dtype.type(0.5)
    p_if, p_o = (half * p for p in _peepholes(params, dtype))
    WT, from_h = native(W.T, dtype), np.empty((N, 4 * H), dtype)
    seen, more = np.empty((N, 2, H), dtype), np.empty((N, H), dtype)
    gates, tanh_c = np.empty((T, N, 4 * H), dtype), np.empty((T, N, H), dtype)
    hs, cs = np.empty((T + 1, N, H), dtype), np.empty((T + 1, N, H), dtype)
    hs[0], cs[0] = state
    np.matmul(flat(xs), U.T, out=flat(gates))
    gates += b
    i, f, g, o = (gates[:, :, k * H : (k + 1) * H] for k in range(4))
    for t, dead in enumerate(padding(live, T)):
        a, c_new, o_t = gates[t], cs[t + 1], o[t]
        i_and_f, i_f_g = a[:, : 2 * H], a[:, : 3 * H]
        np.dot(hs[t], WT, from_h)
        a += from_h
        np.multiply(cs[t][:, None], p_if, out=seen)
        i_and_f += seen.reshape(N, 2 * H)
        np.tanh(i_f_g, out=i_f_g)
        i_and_f *= half
        i_and_f += half
        np.multiply(f[t], cs[t], out=c_new)
        np.multiply(i[t], g[t], out=more)
        c_new += more
        np.multiply(c_new, p_o, out=more)
        o_t += more
        np.tanh(o_t, out=o_t)
        o_t *= half
        o_t += half
        np.tanh(c_new, out=tanh_c[t])
        np.multiply(o_t, tanh_c[t], out=hs[t + 1])
        if dead is not None:
            np.copyto(hs[t + 1], hs[t], where=dead)
            np.copyto(c_new, cs[t], where=dead)
    ys = hs[1:].copy() if live is None else cover(hs[1:], live)
    last = type(state)(hs[T].copy(), cs[T].copy())
    return ys, last, cell.cache_type(xs, hs[:T], cs[:T], i, f, g, o, cs[1:], tanh_c)


def backward(
    cell: Any, params: Any, cache: Any, dys: np.ndarray, dstate: Any, live: np.ndarray | None
) -> tuple[Any, np.ndarray, Any]:
    """Compute what ``lib.bptt.scan_backward`` computes."""
    xs, hs, c, i, f, g, o, c_new, tanh_c = cache
    T, N, H = hs.shape
    U, W = (native(p, xs.dtype) for p in params[:2])
    p_if, p_o = _peepholes(params, xs.dtype)
    deltas, dead = np.empty((T, N, 4 * H), xs.dtype), padding(live, T)
    dh, dc = (np.array(d, xs.dtype, order="C") for d in dstate)
    dh_prev, more, pair = np.empty_like(dh), np.empty_like(dh), np.empty((N, 2, H), xs.dtype)
    for window in windows(T, 4 * N * H):
        found = factors((xs, hs, c, i, f, g, o, tanh_c), window, live)
        for t, into_c, by_c, by_h, keep in reversed(
            list(zip(range(window.start, window.stop), *found, strict=True))
        ):
            delta = deltas[t]
            dh += dys[t]
            do = delta[:, 3 * H :]
            np.multiply(by_h, dh, out=do)
            np.multiply(dh, into_c, out=more)
            dc += more
            np.multiply(do, p_o, out=more)
            dc += more
            np.multiply(by_c, dc[:, None], out=delta[:, : 3 * H].reshape(N, 3, H))
            dc *= keep
            np.multiply(delta[:, : 2 * H].reshape(N, 2, H), p_if, out=pair)
            dc += pair[:, 0]
            dc += pair[:, 1]
            np.dot(delta, W, dh_prev)
            if dead[t] is not None:
                np.copyto(dh_prev, dh, where=dead[t])
            dh, dh_prev = dh_prev, dh
    delta = flat(deltas)
    seen = {"p_i": (0, c), "p_f": (1, c), "p_o": (3, c_new)}
    dparams = type(params)(
        U=delta.T @ flat(xs),
        W=delta.T @ flat(hs),
        b=delta.sum(axis=0),
        **{
            name: None
            if getattr(params, name) is None
            else np.einsum("tnh,tnh->h", deltas[..., k * H : (k + 1) * H], cell_state)
            for name, (k, cell_state) in seen.items()
        },
    )
    return dparams, (delta @ U).reshape(xs.shape), type(dstate)(dh, dc)
