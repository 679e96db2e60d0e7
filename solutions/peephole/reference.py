"""Chapter 6's functions written a second time, for the hidden tests."""

import numpy as np

from lib.bptt import Recurrent, RecurrentCache
from lib.lstm import LSTM, LSTMParams, LSTMState
from lib.peephole import PeepholeCache, PeepholeLSTM, PeepholeParams


def peephole_step(x, h_prev, c_prev, U, W, b, p_i, p_f, p_o):
    """Unit by unit, each peephole as a full matrix."""
    N, H = h_prev.shape
    P_i, P_f, P_o = (np.zeros((H, H)) if p is None else np.diag(p) for p in (p_i, p_f, p_o))
    h, c = np.empty((N, H)), np.empty((N, H))
    for n in range(N):
        drive = (b + U @ x[n] + W @ h_prev[n]).reshape(4, H)
        enter = 0.5 + 0.5 * np.tanh((drive[0] + P_i @ c_prev[n]) / 2)
        stay = 0.5 + 0.5 * np.tanh((drive[1] + P_f @ c_prev[n]) / 2)
        c[n] = stay * c_prev[n] + enter * np.tanh(drive[2])
        h[n] = (0.5 + 0.5 * np.tanh((drive[3] + P_o @ c[n]) / 2)) * np.tanh(c[n])
    return h, c


def peephole_cell_backward(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o):
    """Solve the linear system that the graph's local derivatives make, unit by unit."""
    names = ["C'", "ai", "af", "ag", "i", "f", "g", "C", "ao", "o", "h"]
    out = np.empty((5, *dh.shape))
    for at in np.ndindex(dh.shape):
        j = at[1]
        local = {
            ("C'", "ai"): p_i[j], ("C'", "af"): p_f[j], ("C'", "C"): f[at],
            ("ai", "i"): i[at] - i[at] ** 2, ("af", "f"): f[at] - f[at] ** 2,
            ("ag", "g"): (1 - g[at]) * (1 + g[at]), ("i", "C"): g[at], ("g", "C"): i[at],
            ("f", "C"): c_prev[at], ("C", "ao"): p_o[j], ("ao", "o"): o[at] - o[at] ** 2,
            ("o", "h"): tanh_c[at], ("C", "h"): o[at] * (1 - tanh_c[at]) * (1 + tanh_c[at]),
        }  # fmt: skip
        edges, arriving = np.eye(11), np.zeros(11)
        for (start, end), slope in local.items():
            edges[names.index(start), names.index(end)] -= slope
        arriving[names.index("h")], arriving[names.index("C")] = dh[at], dc_next[at]
        found = dict(zip(names, np.linalg.solve(edges, arriving), strict=True))
        out[(slice(None), *at)] = [found[name] for name in ("ai", "af", "ag", "ao", "C'")]
    return tuple(out)


def peephole_step_backward(
    dh, dc_next, i, f, g, o, c_prev, c, tanh_c, x, h_prev, U, W, p_i, p_f, p_o
):
    (N, D), H = x.shape, h_prev.shape[1]
    dx, dh_prev, dc_prev = np.zeros((N, D)), np.zeros((N, H)), np.zeros((N, H))
    dU, dW, db, dp = np.zeros(U.shape), np.zeros(W.shape), np.zeros(4 * H), np.zeros((3, H))
    for n, j in np.ndindex(N, H):
        error = {"o": dh[n, j] * tanh_c[n, j] * (o[n, j] - o[n, j] ** 2)}
        into_c = dc_next[n, j] + dh[n, j] * o[n, j] - dh[n, j] * o[n, j] * tanh_c[n, j] ** 2
        into_c += error["o"] * p_o[j]
        error["i"] = into_c * g[n, j] * (i[n, j] - i[n, j] ** 2)
        error["f"] = into_c * c_prev[n, j] * (f[n, j] - f[n, j] ** 2)
        error["g"] = into_c * (i[n, j] - i[n, j] * g[n, j] ** 2)
        dc_prev[n, j] = into_c * f[n, j] + error["i"] * p_i[j] + error["f"] * p_f[j]
        for block, name in enumerate("ifgo"):
            row = block * H + j
            dx[n] += error[name] * U[row]
            dh_prev[n] += error[name] * W[row]
            dU[row] += error[name] * x[n]
            dW[row] += error[name] * h_prev[n]
            db[row] += error[name]
        dp[:, j] += [error["i"] * c_prev[n, j], error["f"] * c_prev[n, j], error["o"] * c[n, j]]
    return dx, dh_prev, dc_prev, dU, dW, db, *dp


def peephole_forward(xs, h0, c0, U, W, b, p_i, p_f, p_o, lengths):
    (T, N), H = xs.shape[:2], h0.shape[1]
    hs, h_last, c_last = np.zeros((T, N, H)), np.empty((N, H)), np.empty((N, H))

    def gate(a):
        return 0.5 + 0.5 * np.tanh(a / 2)

    for n in range(N):
        h, c = h0[n], c0[n]
        for t in range(lengths[n]):
            drive = (b + U @ xs[t, n] + W @ h).reshape(4, H)
            stay, enter = gate(drive[1] + np.diag(p_f) @ c), gate(drive[0] + np.diag(p_i) @ c)
            c = stay * c + enter * np.tanh(drive[2])
            hs[t, n] = h = gate(drive[3] + np.diag(p_o) @ c) * np.tanh(c)
        h_last[n], c_last[n] = h, c
    return hs, h_last, c_last


def peephole_backward(
    dhs, dh_last, dc_last, xs, h_prevs, c_prevs, cs, tanh_cs, gates, U, W, p_i, p_f, p_o, lengths
):
    layer = Recurrent(PeepholeLSTM(xs.shape[2], dhs.shape[2]))
    steps = PeepholeCache(xs, h_prevs, c_prevs, *np.split(gates, 4, axis=2), cs, tanh_cs)
    live = np.arange(len(xs))[:, None] < lengths
    dparams, dxs, dstate = layer.backward(
        PeepholeParams(U, W, np.zeros(len(U)), p_i, p_f, p_o),
        RecurrentCache(steps, live),
        dhs,
        LSTMState(dh_last, dc_last),
    )
    return dxs, dstate.h, dstate.c, *dparams


def graves_errors(
    delta_k,
    delta_next,
    eps_s_next,
    b_phi_next,
    b_omega,
    h_s,
    dh_s,
    df_omega,
    w_ck,
    w_cj,
    w_ci,
    w_cf,
    w_co,
):
    N, H = h_s.shape
    eps_c, delta_omega, eps_s = (np.zeros((N, H)) for _ in range(3))
    for n, c in np.ndindex(N, H):
        for k, error in enumerate(delta_k[n]):
            eps_c[n, c] += w_ck[c, k] * error
        for j, error in enumerate(delta_next[n]):
            eps_c[n, c] += w_cj[c, j] * error
        delta_omega[n, c] = eps_c[n, c] * h_s[n, c] * df_omega[n, c]
        arriving = [
            (dh_s[n, c] * b_omega[n, c], eps_c[n, c]),
            (b_phi_next[n, c], eps_s_next[n, c]),
            (w_ci[c], delta_next[n, c]),
            (w_cf[c], delta_next[n, H + c]),
            (w_co[c], delta_omega[n, c]),
        ]
        eps_s[n, c] = sum(factor * error for factor, error in arriving)
    return eps_c, delta_omega, eps_s


def coupled_step(x, h_prev, c_prev, U, W, b):
    """Run a whole LSTM whose input gate has the forget gate's weights negated."""
    H = h_prev.shape[1]
    params = LSTMParams(*(np.concatenate([-block[:H], block]) for block in (U, W, b)))
    return tuple(LSTM(x.shape[1], H).step(params, x, LSTMState(h_prev, c_prev))[0])


def coupled_backward(dh, dc_next, f, g, o, c_prev, tanh_c, x, h_prev, U, W):
    (N, D), H = x.shape, h_prev.shape[1]
    dx, dh_prev, dc_prev = np.zeros((N, D)), np.zeros((N, H)), np.zeros((N, H))
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H)
    for n, j in np.ndindex(N, H):
        into_c = dh[n, j] * o[n, j] * (1 - tanh_c[n, j]) * (1 + tanh_c[n, j]) + dc_next[n, j]
        dc_prev[n, j] = into_c * f[n, j]
        # What stays and what enters, one after the other.
        at_f = into_c * c_prev[n, j] * (f[n, j] - f[n, j] ** 2)
        at_f -= into_c * g[n, j] * (f[n, j] - f[n, j] ** 2)
        at_g = into_c * (1 - f[n, j]) * (1 - g[n, j]) * (1 + g[n, j])
        at_o = dh[n, j] * tanh_c[n, j] * (o[n, j] - o[n, j] ** 2)
        for row, error in ((j, at_f), (H + j, at_g), (2 * H + j, at_o)):
            dx[n] += error * U[row]
            dh_prev[n] += error * W[row]
            dU[row] += error * x[n]
            dW[row] += error * h_prev[n]
            db[row] += error
    return dx, dh_prev, dc_prev, dU, dW, db


def clockwork_step(x, h_prev, U, W, b, periods, step):
    size = len(b) // len(periods)
    h = h_prev.copy()
    for n, j in np.ndindex(h.shape):
        own = periods[j // size]
        if step % own:
            continue
        heard = [k for k in range(len(b)) if periods[k // size] >= own]
        h[n, j] = np.tanh(b[j] + U[j] @ x[n] + sum(W[j, k] * h_prev[n, k] for k in heard))
    return h


def depth_gated_step(h_below, c_below, h_prev, c_prev, U, W, b, p_c, p_below):
    N, H = h_below.shape
    h, c = np.empty((N, H)), np.empty((N, H))

    def gate(a):
        return 0.5 + 0.5 * np.tanh(a / 2)

    for n, j in np.ndindex(N, H):
        a = [b[row] + U[row] @ h_below[n] for row in range(j, 5 * H, H)]
        a = [v + W[k * H + j] @ h_prev[n] if k < 4 else v for k, v in enumerate(a)]
        lift = gate(a[4] + p_c[j] * c_prev[n, j] + p_below[j] * c_below[n, j])
        c[n, j] = gate(a[1]) * c_prev[n, j] + gate(a[0]) * np.tanh(a[2]) + lift * c_below[n, j]
        h[n, j] = gate(a[3]) * np.tanh(c[n, j])
    return h, c
