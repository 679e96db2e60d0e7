"""Chapter 3's functions, written as other people would."""

from itertools import pairwise, product

import numpy as np


def jacobian_loops(h, W):
    J = np.empty((*h.shape, h.shape[1]))
    for n, row in enumerate(h):
        for i, value in enumerate(row):
            for j in range(len(row)):
                J[n, i, j] = (1 - value) * (1 + value) * W[i, j]
    return J


def jacobian_einsum(h, W):
    return np.einsum("ni,ij->nij", 1.0 - np.square(h), W)


def linear_rows(W, dh, steps):
    for _ in range(steps):
        dh = np.einsum("ni,ij->nj", dh, W)
    return dh


def linear_eigen(W, dh, steps):
    values, Q = np.linalg.eig(W)
    return np.real(dh @ (Q * values**steps) @ np.linalg.inv(Q))


def norms_jacobians(hs, W, dh):
    T, N, H = hs.shape
    out = np.zeros((T + 1, N))
    J = np.tile(np.eye(H), (N, 1, 1))
    out[0] = np.sqrt((dh**2).sum(axis=1))
    for q in range(1, T + 1):
        J = J @ ((1 - hs[T - q] ** 2)[:, :, None] * W)
        out[q] = np.sqrt((np.einsum("ni,nij->nj", dh, J) ** 2).sum(axis=1))
    return out


def norms_in_place(hs, W, dh):
    g = dh.copy()
    out = np.empty((len(hs) + 1, len(dh)))
    for q in range(len(hs)):
        out[q] = np.linalg.norm(g, axis=-1)
        g *= 1 - hs[-1 - q] * hs[-1 - q]
        g = (W.T @ g.T).T
    out[-1] = np.linalg.norm(g, axis=-1)
    return out


def bound_svd(W, slope, steps):
    return float(slope**steps * np.linalg.svd(W, compute_uv=False)[0] ** steps)


def bound_eigenvalues(W, slope, steps):
    return np.prod([slope * np.sqrt(np.linalg.eigvalsh(W.T @ W).max())] * steps)


def path_list(W, slopes, u, v):
    total = 0
    for between in product(range(len(W)), repeat=len(slopes) - 1):
        path = (u, *between, v)
        total += np.prod([slopes[m, b] * W[a, b] for m, (a, b) in enumerate(pairwise(path))])
    return float(total)


def path_matrices(W, slopes, u, v):
    total = np.eye(len(W))
    for slope in slopes:
        total = np.diag(slope) @ W.T @ total
    return total[v, u]


def value_clip(g, v):
    return np.clip(g, -v, v)


def value_where(g, v):
    return np.where(np.abs(g) <= v, g, np.sign(g) * v)


def norm_branch(grads, v):
    flat = np.concatenate([g.ravel() for g in grads])
    norm = float(np.linalg.norm(flat))
    if norm <= v:
        return grads, norm
    return tuple(g * (v / norm) for g in grads), norm


def norm_list(grads, v):
    norm = sum(float(np.sum(g * g)) for g in grads) ** 0.5
    out = [g.copy() for g in grads]
    if norm > v:
        for g in out:
            g /= norm
            g *= v
    return out, norm


def leaky_rows(xs, h0, U, W, b, leak):
    T, N, _ = xs.shape
    hs = np.zeros((T, N, len(b)))
    for n in range(N):
        h = h0[n].copy()
        for t in range(T):
            new = np.tanh(U @ xs[t, n] + W @ h + b)
            for i in range(len(b)):
                a = 1 / (1 + np.exp(-leak[i]))
                h[i] = a * h[i] + (1 - a) * new[i]
            hs[t, n] = h
    return hs


def leaky_hoisted(xs, h0, U, W, b, leak):
    alpha = np.exp(-np.logaddexp(0, -leak))
    rest = np.exp(-np.logaddexp(0, leak))
    projected = np.einsum("tnd,hd->tnh", xs, U) + b
    hs = np.empty_like(projected)
    h = h0
    for t in range(len(xs)):
        hs[t] = alpha * h + rest * np.tanh(projected[t] + np.einsum("nk,hk->nh", h, W))
        h = hs[t]
    return hs


def leaky_backward_late_sums(xs, h_prevs, us, dhs, U, W, leak):
    alpha = 0.5 * (1 + np.tanh(0.5 * leak))
    totals, deltas = np.empty_like(dhs), np.empty_like(dhs)
    carried = np.zeros(dhs.shape[1:])
    for t in range(len(dhs) - 1, -1, -1):
        totals[t] = dhs[t] + carried
        deltas[t] = totals[t] * (1 - alpha) * (1 - us[t]) * (1 + us[t])
        carried = totals[t] * alpha + np.einsum("ni,ij->nj", deltas[t], W)
    dalpha = np.sum(totals * (h_prevs - us), axis=(0, 1))
    return (
        np.einsum("tnh,hd->tnd", deltas, U),
        carried,
        np.einsum("tnh,tnd->hd", deltas, xs),
        np.einsum("tnh,tnk->hk", deltas, h_prevs),
        np.sum(deltas, axis=(0, 1)),
        dalpha * alpha * (1 - alpha),
    )


def leaky_backward_rows(xs, h_prevs, us, dhs, U, W, leak):
    T, N, H = dhs.shape
    a = 1 / (1 + np.exp(-leak))
    dxs, dh0 = np.zeros(xs.shape), np.zeros((N, H))
    dU, dW, db, dleak = np.zeros(U.shape), np.zeros(W.shape), np.zeros(H), np.zeros(H)
    for n in range(N):
        g = np.zeros(H)
        for t in reversed(range(T)):
            g = g + dhs[t, n]
            d = (1 - a) * g * (1 - us[t, n] ** 2)
            dU += np.outer(d, xs[t, n])
            dW += np.outer(d, h_prevs[t, n])
            db += d
            dleak += g * a * (1 - a) * (h_prevs[t, n] - us[t, n])
            dxs[t, n] = U.T @ d
            g = a * g + W.T @ d
        dh0[n] = g
    return dxs, dh0, dU, dW, db, dleak


def skip_array(xs, past, U, W, R, b):
    d, T = len(past), len(xs)
    line = np.concatenate([past, np.empty((T, *past.shape[1:]))])
    projected = xs @ U.T + b
    for t in range(T):
        line[d + t] = np.tanh(projected[t] + line[d + t - 1] @ W.T + line[t] @ R.T)
    return line[d:]


def skip_stacked(xs, past, U, W, R, b):
    queue, hs = list(past), []
    weights = np.hstack([U, W, R, b[:, None]])
    for x in xs:
        inputs = np.hstack([x, queue[-1], queue[0], np.ones((len(x), 1))])
        h = np.tanh(inputs @ weights.T)
        queue = [*queue[1:], h]
        hs.append(h)
    return np.stack(hs)


def skip_backward_pull(xs, past, hs, dhs, U, W, R):
    """Each state asks the later steps for their errors."""
    T, d = len(xs), len(past)
    deltas = np.zeros((T + d, *hs.shape[1:]))
    for t in reversed(range(T)):
        later = dhs[t] + deltas[t + 1] @ W + deltas[t + d] @ R
        deltas[t] = later * (1 - hs[t] ** 2)
    dpast = np.zeros_like(past)
    for k in range(d):
        if k < T:
            dpast[k] += deltas[k] @ R
    dpast[-1] += deltas[0] @ W
    deltas = deltas[:T]
    line = np.concatenate([past, hs])
    H = hs.shape[2]
    flat = deltas.reshape(-1, H)
    return (
        deltas @ U,
        dpast,
        flat.T @ xs.reshape(len(flat), -1),
        flat.T @ line[d - 1 : d - 1 + T].reshape(-1, H),
        flat.T @ line[:T].reshape(-1, H),
        flat.sum(axis=0),
    )


def skip_backward_queue(xs, past, hs, dhs, U, W, R):
    d, T = len(past), len(xs)
    waiting = [np.zeros_like(past[0]) for _ in range(d)]
    dxs, dU, dW, dR, db = [], 0, 0, 0, 0
    line = [*past, *hs]
    for t in range(T - 1, -1, -1):
        g = waiting.pop(0) + dhs[t]
        delta = g - hs[t] * hs[t] * g
        waiting.append(np.zeros_like(g))
        waiting[0] = waiting[0] + delta @ W
        waiting[-1] = waiting[-1] + delta @ R
        dxs.insert(0, delta @ U)
        dU = dU + np.einsum("nh,nd->hd", delta, xs[t])
        dW = dW + np.einsum("nh,nk->hk", delta, line[t + d - 1])
        dR = dR + np.einsum("nh,nk->hk", delta, line[t])
        db = db + delta.sum(axis=0)
    return np.array(dxs), np.array(waiting[::-1]), dU, dW, dR, db


def flow_loops(W, hs, dhs):
    total = 0.0
    for t in range(hs.shape[0]):
        for n in range(hs.shape[1]):
            g = dhs[t, n]
            if np.any(g != 0):
                back = W.T @ ((1 - hs[t, n] ** 2) * g)
                total += (np.linalg.norm(back) / np.linalg.norm(g) - 1) ** 2
    return total / hs.shape[1]


def flow_units(W, hs, dhs):
    norm = np.sqrt(np.einsum("tni,tni->tn", dhs, dhs))
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = dhs / norm[..., None]
        back = np.einsum("tni,ij->tnj", unit * (1 - hs) * (1 + hs), W)
    ratio = np.sqrt((back**2).sum(axis=-1))
    return float(np.square(ratio[norm > 0] - 1).sum() / dhs.shape[1])


def flow_backward_loops(p, e):
    T, N, H = p.shape
    dW = np.zeros((H, H))
    for t in range(T):
        for n in range(N):
            r = np.linalg.norm(e[t, n])
            if r > 0:
                dW += np.outer(p[t, n], 2 * (r - 1) / r * e[t, n]) / N
    return dW


def flow_backward_flat(p, e):
    N, H = p.shape[1:]
    p, e = p.reshape(-1, H), e.reshape(-1, H)
    r = np.sqrt((e * e).sum(axis=1))
    keep = r > 0
    p, e, r = p[keep], e[keep], r[keep, None]
    return p.T @ (e - e / r) * (2 / N)


CLOTHES = {
    "step_jacobian": [jacobian_loops, jacobian_einsum],
    "linear_error": [linear_rows, linear_eigen],
    "error_norms": [norms_jacobians, norms_in_place],
    "error_bound": [bound_svd, bound_eigenvalues],
    "path_sum": [path_list, path_matrices],
    "clip_by_value": [value_clip, value_where],
    "clip_by_norm": [norm_branch, norm_list],
    "leaky_forward": [leaky_rows, leaky_hoisted],
    "leaky_backward": [leaky_backward_late_sums, leaky_backward_rows],
    "skip_forward": [skip_array, skip_stacked],
    "skip_backward": [skip_backward_pull, skip_backward_queue],
    "flow_regulariser": [flow_loops, flow_units],
    "flow_regulariser_backward": [flow_backward_loops, flow_backward_flat],
}
