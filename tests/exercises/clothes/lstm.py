"""Chapter 4's functions, written as other people would."""

import math

import numpy as np


def sigmoid(a):
    return 0.5 * (1 + np.tanh(a / 2))


def gates_einsum(x, h_prev, U, W, b):
    N, H = h_prev.shape
    both = np.concatenate([U, W], axis=1)
    a = np.einsum("gk,nk->ng", both, np.concatenate([x, h_prev], axis=1)) + b
    a = a.reshape(N, 4, H)
    squashed = sigmoid(a)
    return squashed[:, 0], squashed[:, 1], np.tanh(a[:, 2]), squashed[:, 3]


def gates_rows(x, h_prev, U, W, b):
    H = h_prev.shape[1]
    out = []
    for k, squash in enumerate((sigmoid, sigmoid, np.tanh, sigmoid)):
        own = slice(k * H, (k + 1) * H)
        rows = [squash(b[own] + U[own] @ u + W[own] @ v) for u, v in zip(x, h_prev, strict=True)]
        out.append(np.array(rows))
    return out


def state_in_place(i, f, g, o, c_prev):
    c = c_prev.copy()
    c *= f
    c += i * g
    return np.multiply(np.tanh(c), o), c


def state_loops(i, f, g, o, c_prev):
    h, c = np.zeros(i.shape), np.zeros(i.shape)
    for at, gate in np.ndenumerate(i):
        c[at] = gate * g[at] + f[at] * c_prev[at]
        h[at] = math.tanh(c[at]) * o[at]
    return h, c


def state_backward_expanded(dh, dc_next, i, f, g, o, c_prev, tanh_c):
    arriving = dh * o
    dc = arriving - arriving * tanh_c * tanh_c + dc_next
    return dc * g, dc * c_prev, dc * i, dh * tanh_c, dc * f


def state_backward_stacked(dh, dc_next, i, f, g, o, c_prev, tanh_c):
    dc = dc_next + (1 - tanh_c) * (1 + tanh_c) * o * dh
    di, df, dg, dc_prev = np.stack([g, c_prev, i, f]) * dc
    return di, df, dg, np.multiply(tanh_c, dh), dc_prev


def gates_backward_blocks(di, df, dg, do, i, f, g, o, x, h_prev, U, W):
    deltas = [di * (i - i * i), df * (f - f * f), dg * (1 - g) * (1 + g), do * (o - o * o)]
    dx = sum(d @ u for d, u in zip(deltas, np.split(U, 4), strict=True))
    dh = sum(d @ w for d, w in zip(deltas, np.split(W, 4), strict=True))
    dU = np.vstack([d.T @ x for d in deltas])
    dW = np.vstack([np.einsum("nh,nk->hk", d, h_prev) for d in deltas])
    return dx, dh, dU, dW, np.concatenate([np.ones(len(x)) @ d for d in deltas])


def gates_backward_outer(di, df, dg, do, i, f, g, o, x, h_prev, U, W):
    dx, dh = np.zeros(x.shape), np.zeros(h_prev.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    for n in range(len(x)):
        slopes = [i[n] - i[n] ** 2, f[n] - f[n] ** 2, 1 - g[n] ** 2, o[n] - o[n] ** 2]
        delta = np.concatenate(slopes) * np.concatenate([di[n], df[n], dg[n], do[n]])
        dx[n], dh[n] = U.T @ delta, W.T @ delta
        dU += np.outer(delta, x[n])
        dW += np.outer(delta, h_prev[n])
        db += delta
    return dx, dh, dU, dW, db


def forward_rows(xs, h0, c0, U, W, b, lengths):
    hs = np.zeros((*xs.shape[:2], h0.shape[1]))
    h_last, c_last = h0.copy(), c0.copy()
    for n, length in enumerate(lengths):
        for t in range(length):
            i, f, g, o = (U @ xs[t, n] + W @ h_last[n] + b).reshape(4, -1)
            c_last[n] = sigmoid(f) * c_last[n] + sigmoid(i) * np.tanh(g)
            hs[t, n] = h_last[n] = sigmoid(o) * np.tanh(c_last[n])
    return hs, h_last, c_last


def forward_masked(xs, h0, c0, U, W, b, lengths):
    mask = (np.arange(len(xs))[:, None] < lengths).astype(float)[..., None]
    projected = np.einsum("tnd,gd->tng", np.where(mask > 0, xs, 0), U) + b
    h, c, hs = h0, c0, []
    for m, a in zip(mask, projected, strict=True):
        i, f, g, o = gates_einsum(a, h, np.eye(a.shape[1]), W, 0.0)
        new = i * g + f * c
        h, c = m * o * np.tanh(new) + (1 - m) * h, m * new + (1 - m) * c
        hs.append(m * h)
    return np.stack(hs), h, c


def backward_rows(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W, lengths):
    dxs, dU, dW, db = np.zeros(xs.shape), np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    dh0, dc0 = dh_last.copy(), dc_last.copy()
    for n, length in enumerate(lengths):
        one = slice(n, n + 1)
        for t in range(length - 1, -1, -1):
            i, f, g, o = (block[None] for block in gates[t, n].reshape(4, -1))
            *errors, dc = state_backward_expanded(
                dh0[one] + dhs[t, one], dc0[one], i, f, g, o, c_prevs[t, one], tanh_cs[t, one]
            )
            dx, dh, *more = gates_backward_outer(
                *errors, i, f, g, o, xs[t, one], h_prevs[t, one], U, W
            )
            dxs[t, n], dh0[n], dc0[n] = dx[0], dh[0], dc[0]
            dU, dW, db = dU + more[0], dW + more[1], db + more[2]
    return dxs, dh0, dc0, dU, dW, db


def backward_collected(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W, lengths):
    live = (np.arange(len(xs))[:, None] < lengths).astype(float)[..., None]
    dhs = np.where(live > 0, dhs, 0)
    deltas = np.zeros(gates.shape)
    dh, dc = dh_last.copy(), dc_last.copy()
    for t in range(len(xs))[::-1]:
        i, f, g, o = np.split(gates[t], 4, axis=1)
        into_h = dh + dhs[t]
        into_c = dc + into_h * o * (1 - tanh_cs[t] * tanh_cs[t])
        delta = np.hstack([into_c * g, into_c * c_prevs[t], into_c * i, into_h * tanh_cs[t]])
        delta *= np.hstack([i - i * i, f - f * f, 1 - g * g, o - o * o])
        deltas[t] = delta * live[t]
        dh = live[t] * (delta @ W) + (1 - live[t]) * dh
        dc = live[t] * (into_c * f) + (1 - live[t]) * dc
    dU = np.einsum("tng,tnd->gd", deltas, xs)
    dW = np.einsum("tng,tnh->gh", deltas, h_prevs)
    return deltas @ U, dh, dc, dU, dW, deltas.sum(axis=(0, 1))


def unpadded(function):
    def whole(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W):
        lengths = np.full(xs.shape[1], len(xs))
        return function(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W, lengths)

    return whole


def truncated_summed(dhs, dc_last, xs, h_prevs, gates, tanh_cs, U):
    i, g, o = np.split(gates, 3, axis=2)
    own = dhs * o * (1 - tanh_cs * tanh_cs)
    dcs = dc_last + own[::-1].cumsum(axis=0)[::-1]
    deltas = np.concatenate(
        [dcs * g * (i - i * i), dcs * i * (1 - g * g), dhs * tanh_cs * (o - o * o)], axis=2
    )
    dU = np.einsum("tng,tnd->gd", deltas, xs)
    dW = np.einsum("tng,tnh->gh", deltas, h_prevs)
    return deltas @ U, dcs[0], dU, dW, deltas.sum(axis=(0, 1))


def truncated_rows(dhs, dc_last, xs, h_prevs, gates, tanh_cs, U):
    H = dhs.shape[2]
    dxs, dc0 = np.zeros(xs.shape), dc_last.copy()
    dU, dW, db = np.zeros(U.shape), np.zeros((3 * H, H)), np.zeros(3 * H)
    for t in range(len(xs) - 1, -1, -1):
        for n in range(xs.shape[1]):
            i, g, o = gates[t, n].reshape(3, H)
            dc0[n] += (1 - tanh_cs[t, n] ** 2) * o * dhs[t, n]
            delta = np.concatenate(
                [i * (1 - i) * g, i * (1 - g * g), o * (1 - o) * tanh_cs[t, n]]
            ) * np.concatenate([dc0[n], dc0[n], dhs[t, n]])
            dxs[t, n] = U.T @ delta
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, h_prevs[t, n])
            db += delta
    return dxs, dc0, dU, dW, db


def jacobian_diagonals(i, f, g, c_prev, o_prev, W):
    H, diag = len(i), np.diag
    inner = diag(g * (i - i * i)) @ W[:H]
    inner += diag(c_prev * (f - f * f)) @ W[H : 2 * H]
    inner += diag(i * (1 - g * g)) @ W[2 * H : 3 * H]
    return diag(f) + inner @ diag(o_prev * (1 - np.tanh(c_prev) ** 2))


def jacobian_columns(i, f, g, c_prev, o_prev, W):
    H = len(i)
    columns = []
    for k in range(H):
        da = W.reshape(4, H, H)[:, :, k] * o_prev[k] * (1 - np.tanh(c_prev[k]) ** 2)
        column = da[0] * i * (1 - i) * g + da[1] * f * (1 - f) * c_prev + da[2] * (1 - g**2) * i
        column[k] += f[k]
        columns.append(column)
    return np.array(columns).T


def count_blocks(input_size, hidden_size, biases):
    block = hidden_size * hidden_size + hidden_size * input_size
    return sum(block + biases * hidden_size for _ in "ifgo")


def count_arrays(input_size, hidden_size, biases):
    U = np.empty((4 * hidden_size, input_size))
    W = np.empty((4 * hidden_size, hidden_size))
    return U.size + W.size + biases * len(U)


def bias_effect_log1p(bias, steps):
    rate = np.log1p(np.exp(-bias))
    return np.exp(-rate) ** steps, math.log(2) / rate


def bias_effect_loop(bias, steps):
    rates = [
        -math.log1p(-1 / (1 + math.exp(b))) if b > 0 else math.log1p(math.exp(-b)) for b in bias
    ]
    kept = [math.prod([math.exp(-rate)] * steps) for rate in rates]
    return np.array(kept), np.array([math.log(2) / rate for rate in rates])


CLOTHES = {
    "lstm_gates": [gates_einsum, gates_rows],
    "lstm_state": [state_in_place, state_loops],
    "state_backward": [state_backward_expanded, state_backward_stacked],
    "gates_backward": [gates_backward_blocks, gates_backward_outer],
    "lstm_forward": [forward_rows, forward_masked],
    "lstm_backward": [unpadded(backward_rows), unpadded(backward_collected)],
    "lstm_backward_padded": [backward_rows, backward_collected],
    "truncated_backward": [truncated_summed, truncated_rows],
    "cell_jacobian": [jacobian_diagonals, jacobian_columns],
    "parameter_count": [count_blocks, count_arrays],
    "forget_bias_effect": [bias_effect_log1p, bias_effect_loop],
}
