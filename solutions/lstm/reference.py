"""Chapter 4's functions written a second time, for the hidden tests."""

import math

import numpy as np

from lib.bptt import Recurrent, RecurrentCache
from lib.lstm import LSTM, LSTM1997, LSTM1997Cache, LSTMCache, LSTMParams, LSTMState


def lstm_gates(x, h_prev, U, W, b):
    N, H = h_prev.shape
    out = np.empty((4, N, H))
    for block in range(4):
        for n in range(N):
            for unit in range(H):
                row = block * H + unit
                a = b[row] + np.dot(U[row], x[n]) + np.dot(W[row], h_prev[n])
                out[block, n, unit] = np.tanh(a) if block == 2 else 0.5 + 0.5 * np.tanh(a / 2)
    return tuple(out)


def lstm_state(i, f, g, o, c_prev):
    h, c = np.empty_like(i), np.empty_like(i)
    for at in np.ndindex(i.shape):
        c[at] = f[at] * c_prev[at] + i[at] * g[at]
        h[at] = o[at] * math.tanh(c[at])
    return h, c


def state_backward(dh, dc_next, i, f, g, o, c_prev, tanh_c):
    out = np.zeros((5, *dh.shape))
    for at in np.ndindex(dh.shape):
        slope = (1 - tanh_c[at]) * (1 + tanh_c[at])
        # Rows: i, f, g, o, C'; columns: what h and the belt feel of each.
        by_cell = np.array([g[at], c_prev[at], i[at], 0.0, f[at]])
        by_h = o[at] * slope * by_cell + np.array([0.0, 0.0, 0.0, tanh_c[at], 0.0])
        out[(slice(None), *at)] = by_h * dh[at] + by_cell * dc_next[at]
    return tuple(out)


def gates_backward(di, df, dg, do, i, f, g, o, x, h_prev, U, W):
    (N, D), H = x.shape, h_prev.shape[1]
    dx, dh, dU, dW, db = (np.zeros(s) for s in ((N, D), (N, H), U.shape, W.shape, (U.shape[0],)))
    for n in range(N):
        for block, (d, y) in enumerate(((di, i), (df, f), (dg, g), (do, o))):
            for unit in range(H):
                v = y[n, unit]
                error = d[n, unit] * ((1 - v * v) if block == 2 else (v - v * v))
                row = block * H + unit
                dx[n] += error * U[row]
                dh[n] += error * W[row]
                dU[row] += error * x[n]
                dW[row] += error * h_prev[n]
                db[row] += error
    return dx, dh, dU, dW, db


def lstm_forward(xs, h0, c0, U, W, b, lengths):
    (T, N), H = xs.shape[:2], h0.shape[1]
    hs, h_last, c_last = np.zeros((T, N, H)), np.empty((N, H)), np.empty((N, H))
    for n in range(N):
        h, c = h0[n], c0[n]
        for t in range(lengths[n]):
            a = [
                b[k : k + H] + U[k : k + H] @ xs[t, n] + W[k : k + H] @ h
                for k in (0, H, 2 * H, 3 * H)
            ]
            gate = [1 / (1 + np.exp(-v)) for v in a]
            c = gate[1] * c + gate[0] * np.tanh(a[2])
            hs[t, n] = h = gate[3] * np.tanh(c)
        h_last[n], c_last[n] = h, c
    return hs, h_last, c_last


def lstm_backward(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W):
    layer = Recurrent(LSTM(xs.shape[2], dhs.shape[2]))
    steps = LSTMCache(xs, h_prevs, c_prevs, *np.split(gates, 4, axis=2), tanh_cs)
    dparams, dxs, dstate = layer.backward(
        LSTMParams(U, W, np.zeros(len(U))),
        RecurrentCache(steps, None),
        dhs,
        LSTMState(dh_last, dc_last),
    )
    return dxs, dstate.h, dstate.c, *dparams


def lstm_backward_padded(
    dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W, lengths
):
    dxs, dU, dW, db = np.zeros(xs.shape), np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    dh0, dc0 = np.empty(dh_last.shape), np.empty(dc_last.shape)
    for n, length in enumerate(lengths):
        dh, dc = dh_last[n], dc_last[n]
        for t in range(length - 1, -1, -1):
            i, f, g, o = gates[t, n].reshape(4, -1)
            dh = dh + dhs[t, n]
            dc = dc + dh * o - dh * o * tanh_cs[t, n] ** 2
            delta = np.concatenate(
                [
                    (i - i * i) * (g * dc),
                    (f - f * f) * (c_prevs[t, n] * dc),
                    (1 - g) * (1 + g) * (i * dc),
                    (o - o * o) * (tanh_cs[t, n] * dh),
                ]
            )
            dxs[t, n] = U.T @ delta
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, h_prevs[t, n])
            db += delta
            dh, dc = W.T @ delta, dc * f
        dh0[n], dc0[n] = dh, dc
    return dxs, dh0, dc0, dU, dW, db


def truncated_backward(dhs, dc_last, xs, h_prevs, gates, tanh_cs, U):
    H = dhs.shape[2]
    cell = LSTM1997(xs.shape[2], H, truncated_gradient=True)
    # neither W nor the old cell state plays a part in the truncated gradient; any will do
    params = LSTMParams(U, np.ones((3 * H, H)), np.zeros(3 * H))
    steps = LSTM1997Cache(xs, h_prevs, h_prevs, *np.split(gates, 3, axis=2), tanh_cs)
    dparams, dxs, dstate = Recurrent(cell).backward(
        params, RecurrentCache(steps, None), dhs, LSTMState(np.zeros_like(dc_last), dc_last)
    )
    return dxs, dstate.c, *dparams


def cell_jacobian(i, f, g, c_prev, o_prev, W):
    H = len(i)
    out = np.zeros((H, H))
    for j in range(H):
        for k in range(H):
            dh = o_prev[k] * (1 - np.tanh(c_prev[k])) * (1 + np.tanh(c_prev[k]))
            da_i, da_f, da_g = (W[block * H + j, k] * dh for block in range(3))
            out[j, k] = (
                (f[j] if j == k else 0.0)
                + g[j] * (i[j] - i[j] ** 2) * da_i
                + c_prev[j] * (f[j] - f[j] ** 2) * da_f
                + i[j] * (1 - g[j] ** 2) * da_g
            )
    return out


def parameter_count(input_size, hidden_size, biases):
    shapes = [(hidden_size, input_size), (hidden_size, hidden_size)] + [(hidden_size, 1)] * biases
    return sum(rows * columns for rows, columns in shapes for _ in range(4))


def forget_bias_effect(bias, steps):
    kept, half_life = [], []
    for b in bias.tolist():
        # ln(1 + e^−b), by the series e^−b where that is below rounding, by −b where it overflows.
        rate = math.exp(-b) if b > 36 else -b if b < -700 else math.log1p(math.exp(-b))
        kept.append(math.exp(-steps * rate))
        half_life.append(math.log(2) / rate)
    return np.array(kept), np.array(half_life)
