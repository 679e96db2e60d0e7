"""Chapter 2's functions written a second time, for the hidden tests."""

import numpy as np


def output_backward(os, hs, targets, mask, V):
    T, N, K = os.shape
    dhs, dV, dc = np.zeros(hs.shape), np.zeros(V.shape), np.zeros(K)
    for t in range(T):
        for n in range(N):
            for k in range(K):
                ds = mask[t, n] * (os[t, n, k] - (targets[t, n] == k)) / N
                dc[k] += ds
                dV[k] += ds * hs[t, n]
                dhs[t, n] += ds * V[k]
    return dhs, dV, dc


def rnn_step_backward(dh, h, h_prev, x, U, W):
    dx, dh_prev = np.zeros(x.shape), np.zeros(h.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(W))
    for n in range(len(h)):
        delta = np.diag(1 - h[n] ** 2) @ dh[n]
        dx[n], dh_prev[n] = U.T @ delta, W.T @ delta
        dU += np.outer(delta, x[n])
        dW += np.outer(delta, h_prev[n])
        db += delta
    return dx, dh_prev, dU, dW, db


def rnn_backward(dhs, hs, h0, xs, U, W):
    T, N, H = hs.shape
    dxs, dh0 = np.zeros(xs.shape), np.zeros(h0.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(H)
    for n in range(N):
        for source in range(T):
            error = dhs[source, n]
            for t in range(source, -1, -1):
                delta = np.diag(1 - hs[t, n] ** 2) @ error
                before = hs[t - 1, n] if t else h0[n]
                dU += np.outer(delta, xs[t, n])
                dW += np.outer(delta, before)
                db += delta
                dxs[t, n] += U.T @ delta
                error = W.T @ delta
            dh0[n] += error
    return dxs, dh0, dU, dW, db


def rnn_backward_padded(dhs, dh_last, hs, h0, xs, lengths, U, W):
    dxs, dh0 = np.zeros(xs.shape), np.zeros(h0.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(W))
    for n, length in enumerate(lengths):
        error = dh_last[n]
        for t in range(length - 1, -1, -1):
            delta = np.diag(1 - hs[t, n] ** 2) @ (error + dhs[t, n])
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, hs[t - 1, n] if t else h0[n])
            db += delta
            dxs[t, n] = U.T @ delta
            error = W.T @ delta
        dh0[n] = error
    return dxs, dh0, dU, dW, db


def truncated_backward(dhs, hs, h0, xs, W, k):
    T, N, H = hs.shape
    dU, dW, db = np.zeros((H, xs.shape[2])), np.zeros((H, H)), np.zeros(H)
    for n in range(N):
        for source in range(T):
            error = dhs[source, n]
            for t in range(source, source // k * k - 1, -1):
                delta = np.diag(1 - hs[t, n] ** 2) @ error
                dU += np.outer(delta, xs[t, n])
                dW += np.outer(delta, hs[t - 1, n] if t else h0[n])
                db += delta
                error = W.T @ delta
    return dU, dW, db


def teacher_forced_backward(xs, ys_prev, hs, os, ys, V):
    T, N, D = xs.shape
    K, H = V.shape
    dU, dW, db = np.zeros((H, D)), np.zeros((H, K)), np.zeros(H)
    dV, dc = np.zeros((K, H)), np.zeros(K)
    for t in range(T):
        for n in range(N):
            ds = (os[t, n] - ys[t, n]) / N
            delta = np.diag(1 - hs[t, n] ** 2) @ V.T @ ds
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, ys_prev[t, n])
            db += delta
            dV += np.outer(ds, hs[t, n])
            dc += ds
    return dU, dW, db, dV, dc


def central_differences(f, x, epsilon):
    gradient = np.empty(x.size)
    for i in range(x.size):
        move = np.zeros(x.size)
        move[i] = epsilon
        move = move.reshape(x.shape)
        gradient[i] = (f(x + move) - f(x - move)) / (2 * epsilon)
    return gradient.reshape(x.shape)


def relative_error(analytic, numerical, floor):
    worst = 0.0
    for a, n in zip(analytic.ravel().tolist(), numerical.ravel().tolist(), strict=True):
        worst = max(worst, abs(a - n) / max(abs(a) + abs(n), floor))
    return worst
