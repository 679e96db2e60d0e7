"""Chapter 1's functions written a second time, for the hidden tests."""

import math

import numpy as np


def rnn_step(x, h, U, W, b):
    return np.array([np.tanh(b + W @ h[n] + U @ x[n]) for n in range(len(x))])


def rnn_forward(xs, h0, U, W, b, lengths):
    T, N, _ = xs.shape
    hs = np.zeros((T, N, len(b)))
    last = np.empty((N, len(b)))
    for n in range(N):
        h = h0[n]
        for t in range(lengths[n]):
            h = np.tanh(b + W @ h + U @ xs[t, n])
            hs[t, n] = h
        last[n] = h
    return hs, last


def output_loss(hs, V, c, targets, mask):
    T, N, _ = hs.shape
    total = 0.0
    os = np.empty((T, N, len(c)))
    for t in range(T):
        for n in range(N):
            s = c + V @ hs[t, n]
            log_sum = np.logaddexp.reduce(s)
            os[t, n] = np.exp(s - log_sum)
            total += mask[t, n] * (log_sum - s[targets[t, n]])
    return total / N, os


def vector_input_forward(x, ys, U, W, b, R, P, p, mode):
    T, N, _ = ys.shape
    hs = np.empty((T, N, len(b)))
    for n in range(N):
        h = p + P @ x[n] if mode in ("initial_state", "both") else 0 * b
        for t in range(T):
            a = b + W @ h + U @ ys[t, n]
            if mode in ("every_step", "both"):
                a = a + R @ x[n]
            hs[t, n] = h = np.tanh(a)
    return hs


def vector_input_backward(deltas, x, R):
    dR = np.zeros_like(R)
    dx = np.zeros_like(x)
    for step in deltas:
        for n, delta in enumerate(step):
            dR += np.outer(delta, x[n])
            dx[n] += R.T @ delta
    return dR, dx


def output_to_hidden_forward(xs, o0, U, W, b, V, c):
    T, N, _ = xs.shape
    os = np.empty((T, N, len(c)))
    for n in range(N):
        o = o0[n]
        for t in range(T):
            s = c + V @ np.tanh(b + W @ o + U @ xs[t, n])
            os[t, n] = o = np.exp(s - np.logaddexp.reduce(s))
    return os


def output_to_hidden_step_backward(o_prev, h, o, do, W, V):
    dV, dW, do_prev = np.zeros_like(V), np.zeros_like(W), np.zeros_like(o_prev)
    for n in range(len(h)):
        jacobian = np.diag(o[n]) - np.outer(o[n], o[n])
        ds = jacobian @ do[n]
        dV += np.outer(ds, h[n])
        delta = np.diag(1 - h[n] ** 2) @ V.T @ ds
        dW += np.outer(delta, o_prev[n])
        do_prev[n] = W.T @ delta
    return dV, dW, do_prev


def many_to_one_backward(hs, lengths, ds, V):
    dhs, dV = np.zeros(hs.shape), np.zeros(V.shape)
    for n, length in enumerate(lengths):
        dhs[length - 1, n] = V.T @ ds[n]
        dV += np.outer(ds[n], hs[length - 1, n])
    return dhs, dV, np.array([sum(ds[:, k]) for k in range(ds.shape[1])])


def sample(logits, temperature, u):
    drawn = []
    for row, threshold in zip(logits / temperature, u, strict=True):
        o = np.exp(row - np.logaddexp.reduce(row))
        k, total = 0, o[0]
        while total <= threshold and k < len(o) - 1:
            k += 1
            total += o[k]
        drawn.append(k)
    return np.array(drawn)


def perplexity(log_probs, mask):
    picked = [
        p for p, m in zip(log_probs.ravel().tolist(), mask.ravel().tolist(), strict=True) if m
    ]
    return math.prod(math.exp(-p / len(picked)) for p in picked)
