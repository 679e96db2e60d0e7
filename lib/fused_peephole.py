"""The LSTM with peepholes over a whole sequence: a kernel, see ``lib.kernels``.

As in ``lib.fused_lstm``, but o waits for the new C. A peephole that is missing counts as zeros.
"""

from typing import Any

import numpy as np

from lib.fused_lstm import factors, split_gates
from lib.kernels import flat, gate, native, padding, windows
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
    (U, U_g), (W, W_g), (b, b_g) = (split_gates(p, xs.dtype) for p in params[:3])
    H, dtype = W.shape[1], xs.dtype
    p_if, p_o = (-p for p in _peepholes(params, dtype))
    WT_if, WT_o, WT_g = (native(w.T, dtype) for w in (W[: 2 * H], W[2 * H :], W_g))
    a_if, a_o, a_g, seen = (np.empty((N, width), dtype) for width in (2 * H, H, H, 2 * H))
    i_and_f, o, g, tanh_c = (np.empty((T, N, width), dtype) for width in (2 * H, H, H, H))
    hs, cs = np.empty((T + 1, N, H), dtype), np.empty((T + 1, N, H), dtype)
    hs[0], cs[0] = state
    for a, u, bias in (
        (i_and_f, U[: 2 * H], b[: 2 * H]),
        (o, U[2 * H :], b[2 * H :]),
        (g, U_g, b_g),
    ):
        np.matmul(flat(xs), u.T, out=flat(a))
        a += bias
    i, f = i_and_f[:, :, :H], i_and_f[:, :, H:]
    with np.errstate(over="ignore", under="ignore"):
        for if_t, i_t, f_t, g_t, o_t, tanh_t, h, h_new, c, c_new, dead in zip(
            i_and_f, i, f, g, o, tanh_c, hs, hs[1:], cs, cs[1:], padding(live, T), strict=False
        ):
            np.dot(h, WT_if, a_if)
            a_if += if_t
            np.multiply(c[:, None], p_if, out=seen.reshape(N, 2, H))
            a_if += seen
            gate(a_if, out=if_t)
            np.dot(h, WT_g, a_g)
            a_g += g_t
            np.tanh(a_g, out=g_t)
            np.multiply(f_t, c, out=c_new)
            np.multiply(i_t, g_t, out=a_g)
            c_new += a_g
            np.dot(h, WT_o, a_o)
            a_o += o_t
            np.multiply(c_new, p_o, out=a_g)
            a_o += a_g
            gate(a_o, out=o_t)
            np.tanh(c_new, out=tanh_t)
            np.multiply(o_t, tanh_t, out=h_new)
            if dead is not None:
                np.copyto(h_new, h, where=dead)
                np.copyto(c_new, c, where=dead)
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
