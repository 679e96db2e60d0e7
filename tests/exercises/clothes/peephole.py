"""Chapter 6's functions, written as other people would."""

import math

import numpy as np


def sigmoid(a):
    return 0.5 * (1 + np.tanh(a / 2))


def step_rows(x, h_prev, c_prev, U, W, b, p_i, p_f, p_o):
    H = h_prev.shape[1]
    none = np.zeros(H)
    p_i, p_f, p_o = (none if p is None else p for p in (p_i, p_f, p_o))
    h, c = np.zeros(h_prev.shape), np.zeros(h_prev.shape)
    for n in range(len(x)):
        a = (U @ x[n] + W @ h_prev[n] + b).reshape(4, H)
        i = sigmoid(a[0] + p_i * c_prev[n])
        f = sigmoid(a[1] + p_f * c_prev[n])
        c[n] = i * np.tanh(a[2]) + f * c_prev[n]
        h[n] = np.tanh(c[n]) * sigmoid(a[3] + p_o * c[n])
    return h, c


def step_einsum(x, h_prev, c_prev, U, W, b, p_i, p_f, p_o):
    N, H = h_prev.shape
    both = np.concatenate([x, h_prev], axis=1)
    a = np.einsum("gk,nk->ng", np.concatenate([U, W], axis=1), both).reshape(N, 4, H)
    a = a + b.reshape(4, H)
    for k, p in ((0, p_i), (1, p_f)):
        if p is not None:
            a[:, k] += np.einsum("h,nh->nh", p, c_prev)
    early = sigmoid(a[:, :2])
    c = (early * np.stack([np.tanh(a[:, 2]), c_prev], axis=1)).sum(axis=1)
    late = a[:, 3] if p_o is None else a[:, 3] + c @ np.diag(p_o)
    return sigmoid(late) * np.tanh(c), c


def cell_backward_expanded(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o):
    at_o = dh * tanh_c * (o - o * o)
    arriving = dh * o
    dc = arriving - arriving * tanh_c * tanh_c + dc_next
    dc += at_o * p_o
    at_i, at_f, at_g = dc * g * (i - i * i), dc * c_prev * (f - f * f), dc * i * (1 - g) * (1 + g)
    return at_i, at_f, at_g, at_o, dc * f + at_i * p_i + at_f * p_f


def cell_backward_jacobian(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o):
    """Each unit's total derivatives of h and C, then their products with what arrives."""
    gate_o = o * (1 - o)
    h_by_c = o * (1 - tanh_c * tanh_c) + tanh_c * gate_o * p_o
    c_by_i, c_by_f, c_by_g = g * i * (1 - i), c_prev * f * (1 - f), i * (1 - g * g)
    c_by_old = f + c_by_i * p_i + c_by_f * p_f
    dc = dc_next + dh * h_by_c
    return c_by_i * dc, c_by_f * dc, c_by_g * dc, tanh_c * gate_o * dh, c_by_old * dc


def finish(deltas, dc_prev, c_prev, c, x, h_prev, U, W):
    """Sum block by block."""
    delta_i, delta_f, _, delta_o = deltas
    dx = sum(d @ u for d, u in zip(deltas, np.split(U, 4), strict=True))
    dh = sum(d @ w for d, w in zip(deltas, np.split(W, 4), strict=True))
    dU = np.vstack([np.einsum("nh,nd->hd", d, x) for d in deltas])
    dW = np.vstack([np.einsum("nh,nk->hk", d, h_prev) for d in deltas])
    db = np.concatenate([np.ones(len(x)) @ d for d in deltas])
    dps = (np.diag(a.T @ b) for a, b in ((delta_i, c_prev), (delta_f, c_prev), (delta_o, c)))
    return dx, dh, dc_prev, dU, dW, db, *dps


def step_backward_blocks(
    dh, dc_next, i, f, g, o, c_prev, c, tanh_c, x, h_prev, U, W, p_i, p_f, p_o
):
    *deltas, dc_prev = cell_backward_expanded(
        dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o
    )
    return finish(deltas, dc_prev, c_prev, c, x, h_prev, U, W)


def step_backward_rows(dh, dc_next, i, f, g, o, c_prev, c, tanh_c, x, h_prev, U, W, p_i, p_f, p_o):
    dx, dh_prev, dc_prev = np.zeros(x.shape), np.zeros(h_prev.shape), np.zeros(c.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    dps = np.zeros((3, c.shape[1]))
    for n in range(len(x)):
        *deltas, dc_prev[n] = cell_backward_jacobian(
            dh[n], dc_next[n], i[n], f[n], g[n], o[n], c_prev[n], tanh_c[n], p_i, p_f, p_o
        )
        delta = np.concatenate(deltas)
        dx[n], dh_prev[n] = U.T @ delta, W.T @ delta
        dU += np.outer(delta, x[n])
        dW += np.outer(delta, h_prev[n])
        db += delta
        dps += np.array([deltas[0], deltas[1], deltas[3]]) * np.array([c_prev[n], c_prev[n], c[n]])
    return dx, dh_prev, dc_prev, dU, dW, db, *dps


def forward_rows(xs, h0, c0, U, W, b, p_i, p_f, p_o, lengths):
    hs, h_last, c_last = np.zeros((*xs.shape[:2], h0.shape[1])), h0.copy(), c0.copy()
    for n, length in enumerate(lengths):
        one = slice(n, n + 1)
        for t in range(length):
            h_last[one], c_last[one] = step_rows(
                xs[t, one], h_last[one], c_last[one], U, W, b, p_i, p_f, p_o
            )
            hs[t, n] = h_last[n]
    return hs, h_last, c_last


def forward_masked(xs, h0, c0, U, W, b, p_i, p_f, p_o, lengths):
    mask = (np.arange(len(xs))[:, None] < lengths).astype(float)[..., None]
    h, c, hs = h0, c0, []
    for m, x in zip(mask, np.where(mask > 0, xs, 0), strict=True):
        new_h, new_c = step_einsum(x, h, c, U, W, b, p_i, p_f, p_o)
        h, c = m * new_h + (1 - m) * h, m * new_c + (1 - m) * c
        hs.append(m * new_h)
    return np.stack(hs), h, c


def backward_rows(
    dhs, dh_last, dc_last, xs, h_prevs, c_prevs, cs, tanh_cs, gates, U, W, p_i, p_f, p_o, lengths
):
    dxs, dh0, dc0 = np.zeros(xs.shape), dh_last.copy(), dc_last.copy()
    totals = [np.zeros(s) for s in (U.shape, W.shape, len(U), len(p_i), len(p_f), len(p_o))]
    for n, length in enumerate(lengths):
        one = slice(n, n + 1)
        for t in range(length - 1, -1, -1):
            i, f, g, o = (block[None] for block in gates[t, n].reshape(4, -1))
            dxs[t, one], dh0[one], dc0[one], *more = step_backward_rows(
                dh0[one] + dhs[t, one], dc0[one], i, f, g, o, c_prevs[t, one], cs[t, one],
                tanh_cs[t, one], xs[t, one], h_prevs[t, one], U, W, p_i, p_f, p_o,
            )  # fmt: skip
            for total, m in zip(totals, more, strict=True):
                total += m
    return dxs, dh0, dc0, *totals


def backward_collected(
    dhs, dh_last, dc_last, xs, h_prevs, c_prevs, cs, tanh_cs, gates, U, W, p_i, p_f, p_o, lengths
):
    live = (np.arange(len(xs))[:, None] < lengths).astype(float)[..., None]
    dhs = np.where(live > 0, dhs, 0)
    deltas = np.zeros(gates.shape)
    dh, dc = dh_last.copy(), dc_last.copy()
    for t in range(len(xs))[::-1]:
        i, f, g, o = np.split(gates[t], 4, axis=1)
        *errors, dc_prev = cell_backward_jacobian(
            dh + dhs[t], dc, i, f, g, o, c_prevs[t], tanh_cs[t], p_i, p_f, p_o
        )
        deltas[t] = np.hstack(errors) * live[t]
        dh = live[t] * (deltas[t] @ W) + (1 - live[t]) * dh
        dc = live[t] * dc_prev + (1 - live[t]) * dc
    dU = np.tensordot(deltas, xs, axes=((0, 1), (0, 1)))
    dW = np.tensordot(deltas, h_prevs, axes=((0, 1), (0, 1)))
    at_i, at_f, _, at_o = np.split(deltas, 4, axis=2)
    dps = (
        np.einsum("tnh,tnh->h", *pair) for pair in ((at_i, c_prevs), (at_f, c_prevs), (at_o, cs))
    )
    return deltas @ U, dh, dc, dU, dW, deltas.sum(axis=(0, 1)), *dps


def graves_einsum(
    delta_k, delta_next, eps_s_next, b_phi_next, b_omega, h_s, dh_s, df_omega, w_ck, w_cj, w_ci,
    w_cf, w_co,
):  # fmt: skip
    eps_c = np.einsum("ck,nk->nc", w_ck, delta_k) + np.einsum("cj,nj->nc", w_cj, delta_next)
    H = h_s.shape[1]
    delta_omega = eps_c * h_s * df_omega
    eps_s = sum(
        (
            eps_s_next * b_phi_next,
            eps_c * dh_s * b_omega,
            delta_next[:, :H] * w_ci,
            delta_next[:, H : 2 * H] * w_cf,
            delta_omega * w_co,
        )
    )
    return eps_c, delta_omega, eps_s


def graves_diagonal(
    delta_k, delta_next, eps_s_next, b_phi_next, b_omega, h_s, dh_s, df_omega, w_ck, w_cj, w_ci,
    w_cf, w_co,
):  # fmt: skip
    eps_c = np.hstack([delta_k, delta_next]) @ np.hstack([w_ck, w_cj]).T
    delta_omega = np.multiply(df_omega * h_s, eps_c)
    H = len(w_ci)
    out = np.vstack([np.diag(w_ci), np.diag(w_cf), np.zeros((2 * H, H))])
    eps_s = delta_next @ out
    eps_s += delta_omega @ np.diag(w_co)
    eps_s += b_omega * dh_s * eps_c
    eps_s += b_phi_next * eps_s_next
    return [eps_c, delta_omega, eps_s]


def coupled_mixture(x, h_prev, c_prev, U, W, b):
    H = h_prev.shape[1]
    a = x @ U.T + (h_prev @ W.T + b)
    g = np.tanh(a[:, H : 2 * H])
    c = g + sigmoid(a[:, :H]) * (c_prev - g)
    return np.tanh(c) * sigmoid(a[:, 2 * H :]), c


def coupled_rows(x, h_prev, c_prev, U, W, b):
    h, c = np.zeros(h_prev.shape), np.zeros(h_prev.shape)
    for n in range(len(x)):
        a = (b + W @ h_prev[n] + U @ x[n]).reshape(3, -1)
        c[n] = sigmoid(a[0]) * c_prev[n] + sigmoid(-a[0]) * np.tanh(a[1])
        h[n] = sigmoid(a[2]) * np.tanh(c[n])
    return h, c


def coupled_backward_blocks(dh, dc_next, f, g, o, c_prev, tanh_c, x, h_prev, U, W):
    dc = dc_next + dh * o - dh * o * tanh_c * tanh_c
    into_f = dc * c_prev - dc * g
    deltas = [into_f * (f - f * f), dc * (1 - f) * (1 - g) * (1 + g), dh * tanh_c * (o - o * o)]
    dx = sum(d @ u for d, u in zip(deltas, np.split(U, 3), strict=True))
    dh_prev = sum(d @ w for d, w in zip(deltas, np.split(W, 3), strict=True))
    dU, dW = (np.vstack([d.T @ seen for d in deltas]) for seen in (x, h_prev))
    return dx, dh_prev, dc * f, dU, dW, np.hstack([d.sum(axis=0) for d in deltas])


def coupled_backward_rows(dh, dc_next, f, g, o, c_prev, tanh_c, x, h_prev, U, W):
    dx, dh_prev, dc_prev = np.zeros(x.shape), np.zeros(h_prev.shape), np.zeros(h_prev.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    for n in range(len(x)):
        dc = (1 - tanh_c[n] ** 2) * o[n] * dh[n] + dc_next[n]
        slopes = np.concatenate([f[n] - f[n] ** 2, 1 - g[n] ** 2, o[n] - o[n] ** 2])
        delta = slopes * np.concatenate(
            [(c_prev[n] - g[n]) * dc, dc - f[n] * dc, tanh_c[n] * dh[n]]
        )
        dx[n], dh_prev[n], dc_prev[n] = delta @ U, delta @ W, dc * f[n]
        dU += np.outer(delta, x[n])
        dW += np.outer(delta, h_prev[n])
        db += delta
    return dx, dh_prev, dc_prev, dU, dW, db


def clockwork_modules(x, h_prev, U, W, b, periods, step):
    size = len(b) // len(periods)
    h = h_prev.copy()
    for m, period in enumerate(periods):
        if step % period:
            continue
        # Of modules with one period the first in order hears the second, and is heard by it.
        first = int(np.searchsorted(periods, period)) * size
        rows = slice(m * size, (m + 1) * size)
        heard = h_prev[:, first:] @ W[rows, first:].T
        h[:, rows] = np.tanh(b[rows] + x @ U[rows].T + heard)
    return h


def clockwork_units(x, h_prev, U, W, b, periods, step):
    size = len(b) // len(periods)
    columns = []
    for j in range(len(b)):
        own = periods[j // size]
        weights = np.array([W[j, k] if periods[k // size] >= own else 0.0 for k in range(len(b))])
        fresh = [math.tanh(b[j] + U[j] @ u + weights @ v) for u, v in zip(x, h_prev, strict=True)]
        columns.append(np.array(fresh) if step % own == 0 else h_prev[:, j])
    return np.stack(columns, axis=1)


def depth_blocks(h_below, c_below, h_prev, c_prev, U, W, b, p_c, p_below):
    H = h_prev.shape[1]
    a = h_below @ U.T + b
    a[:, : 4 * H] += h_prev @ W.T
    a[:, 4 * H :] += p_c * c_prev
    a[:, 4 * H :] += p_below * c_below
    i, f, g, o, d = (a[:, k * H : (k + 1) * H] for k in range(5))
    c = sigmoid(d) * c_below
    c += sigmoid(i) * np.tanh(g)
    c += sigmoid(f) * c_prev
    return np.tanh(c) * sigmoid(o), c


def depth_rows(h_below, c_below, h_prev, c_prev, U, W, b, p_c, p_below):
    h, c = np.zeros(h_prev.shape), np.zeros(h_prev.shape)
    H = len(p_c)
    wide = np.vstack([W, np.zeros((H, H))])
    for n in range(len(h)):
        a = (U @ h_below[n] + wide @ h_prev[n] + b).reshape(5, H)
        a[4] += np.diag(p_c) @ c_prev[n] + np.diag(p_below) @ c_below[n]
        i, f, _, o, d = sigmoid(a)
        c[n] = f * c_prev[n] + i * np.tanh(a[2]) + d * c_below[n]
        h[n] = o * np.tanh(c[n])
    return h, c


CLOTHES = {
    "peephole_step": [step_rows, step_einsum],
    "peephole_cell_backward": [cell_backward_expanded, cell_backward_jacobian],
    "peephole_step_backward": [step_backward_blocks, step_backward_rows],
    "peephole_forward": [forward_rows, forward_masked],
    "peephole_backward": [backward_rows, backward_collected],
    "graves_errors": [graves_einsum, graves_diagonal],
    "coupled_step": [coupled_mixture, coupled_rows],
    "coupled_backward": [coupled_backward_blocks, coupled_backward_rows],
    "clockwork_step": [clockwork_modules, clockwork_units],
    "depth_gated_step": [depth_blocks, depth_rows],
}
