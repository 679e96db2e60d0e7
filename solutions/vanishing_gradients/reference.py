"""Chapter 3's functions written a second time, for the hidden tests."""

import math
from itertools import product

import numpy as np


def step_jacobian(h, W):
    return np.stack([np.diag(1 - row * row) @ W for row in h])


def linear_error(W, dh, steps):
    return np.stack([np.linalg.matrix_power(W.T, steps) @ row for row in dh])


def error_norms(hs, W, dh):
    T, N, _ = hs.shape
    norms = np.empty((T + 1, N))
    for n in range(N):
        for q in range(T + 1):
            g = dh[n]
            for t in range(T - 1, T - 1 - q, -1):
                g = (np.diag(1 - hs[t, n] ** 2) @ W).T @ g
            norms[q, n] = np.sqrt(sum(v * v for v in g))
    return norms


def error_bound(W, slope, steps):
    largest = np.sqrt(np.linalg.eigvalsh(W @ W.T)[-1])
    bound = 1.0
    for _ in range(steps):
        bound *= slope * largest
    return bound


def path_sum(W, slopes, u, v):
    n, q = len(W), len(slopes)
    total = 0.0
    for between in product(range(n), repeat=q - 1):
        path = [u, *between, v]
        term = 1.0
        for m in range(1, q + 1):
            term *= slopes[m - 1][path[m]] * W[path[m - 1]][path[m]]
        total += term
    return total


def clip_by_value(g, v):
    out = np.empty_like(g)
    for index, entry in np.ndenumerate(g):
        out[index] = v if entry > v else -v if entry < -v else entry
    return out


def clip_by_norm(grads, v):
    flat = np.concatenate([g.reshape(-1) for g in grads])
    norm = np.linalg.norm(flat)
    if norm > v:
        flat = flat / norm * v
    ends = np.cumsum([g.size for g in grads])[:-1]
    pieces = zip(np.split(flat, ends), grads, strict=True)
    return tuple(piece.reshape(g.shape) for piece, g in pieces), norm


def leaky_forward(xs, h0, U, W, b, leak):
    T, N, _ = xs.shape
    hs = np.empty((T, N, len(b)))
    alpha = (1 + np.tanh(leak / 2)) / 2
    for n in range(N):
        h = h0[n]
        for t in range(T):
            u = np.tanh(U @ xs[t, n] + W @ h + b)
            h = u + alpha * (h - u)
            hs[t, n] = h
    return hs


def leaky_backward(xs, h_prevs, us, dhs, U, W, leak):
    T, N, H = us.shape
    alpha = (1 + np.tanh(leak / 2)) / 2
    dxs, dh0 = np.zeros(xs.shape), np.zeros((N, H))
    dU, dW, db, dleak = np.zeros(U.shape), np.zeros(W.shape), np.zeros(H), np.zeros(H)
    for n in range(N):
        g = np.zeros(H)
        for t in range(T - 1, -1, -1):
            g = g + dhs[t, n]
            through = np.diag((1 - alpha) * (1 - us[t, n] ** 2))
            delta = through @ g
            dxs[t, n] = U.T @ delta
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, h_prevs[t, n])
            db += delta
            for i in range(H):
                dleak[i] += g[i] * (h_prevs[t, n, i] - us[t, n, i]) * alpha[i] * (1 - alpha[i])
            g = (np.diag(alpha) + through @ W).T @ g
        dh0[n] = g
    return dxs, dh0, dU, dW, db, dleak


def skip_forward(xs, past, U, W, R, b):
    T, N, _ = xs.shape
    d, _, H = past.shape
    hs = np.empty((T, N, H))
    for n in range(N):
        line = {k - d + 1: past[k, n] for k in range(d)}
        for t in range(1, T + 1):
            line[t] = np.tanh(U @ xs[t - 1, n] + W @ line[t - 1] + R @ line[t - d] + b)
            hs[t - 1, n] = line[t]
    return hs


def skip_backward(xs, past, hs, dhs, U, W, R):
    T, N, _ = xs.shape
    d, _, H = past.shape
    dxs, dpast = np.zeros(xs.shape), np.zeros(past.shape)
    dU, dW, dR, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(R.shape), np.zeros(H)
    for n in range(N):
        h = {t: past[t + d - 1, n] for t in range(1 - d, 1)} | {t + 1: hs[t, n] for t in range(T)}
        delta = {}
        for t in range(T, -d, -1):
            g = W.T @ delta.get(t + 1, np.zeros(H)) + R.T @ delta.get(t + d, np.zeros(H))
            if t < 1:
                dpast[t + d - 1, n] = g
                continue
            delta[t] = np.diag(1 - h[t] ** 2) @ (g + dhs[t - 1, n])
            dxs[t - 1, n] = U.T @ delta[t]
            dU += np.outer(delta[t], xs[t - 1, n])
            dW += np.outer(delta[t], h[t - 1])
            dR += np.outer(delta[t], h[t - d])
            db += delta[t]
    return dxs, dpast, dU, dW, dR, db


def flow_regulariser(W, hs, dhs):
    T, N, _ = hs.shape
    total = 0.0
    for t in range(T):
        for n in range(N):
            g = dhs[t, n]
            size = math.sqrt(g @ g)
            if size > 0:
                back = (np.diag(1 - hs[t, n] ** 2) @ W).T @ g
                total += (math.sqrt(back @ back) / size - 1) ** 2
    return total / N


def flow_regulariser_backward(p, e):
    T, N, H = p.shape
    dW = np.zeros((H, H))
    for t in range(T):
        for n in range(N):
            norm = math.sqrt(e[t, n] @ e[t, n])
            if norm > 0:
                dW += np.outer(p[t, n], (2 - 2 / norm) * e[t, n])
    return dW / N
