"""Chapter 2's functions, written as other people would."""

import numpy as np


def output_loops(os, hs, targets, mask, V):
    dhs, dV, dc = np.zeros_like(hs), np.zeros_like(V), np.zeros(len(V))
    T, N, _ = os.shape
    for t in range(T):
        for n in range(N):
            ds = os[t, n].copy()
            ds[targets[t, n]] -= 1
            ds *= mask[t, n] / N
            dc += ds
            dV += np.outer(ds, hs[t, n])
            dhs[t, n] = V.T @ ds
    return dhs, dV, dc


def output_flat(os, hs, targets, mask, V):
    K, H = V.shape
    ds = os.reshape(-1, K).copy()
    ds[np.arange(len(ds)), targets.ravel()] -= 1.0
    ds *= mask.reshape(-1, 1)
    ds /= os.shape[1]
    return (ds @ V).reshape(hs.shape), ds.T @ hs.reshape(-1, H), np.ones(len(ds)) @ ds


def step_einsum(dh, h, h_prev, x, U, W):
    delta = dh - dh * h * h
    return (
        np.einsum("nh,hd->nd", delta, U),
        np.einsum("nh,hk->nk", delta, W),
        np.einsum("nh,nd->hd", delta, x),
        np.einsum("nh,nk->hk", delta, h_prev),
        np.einsum("nh->h", delta),
    )


def step_rows(dh, h, h_prev, x, U, W):
    dx, dh_prev = np.zeros_like(x), np.zeros_like(h)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(U.shape[0])
    for n in range(len(x)):
        delta = (1 + h[n]) * (1 - h[n]) * dh[n]
        dx[n] = delta @ U
        dh_prev[n] = delta @ W
        dU += delta[:, None] * x[n][None, :]
        dW += delta[:, None] * h_prev[n][None, :]
        db += delta
    return dx, dh_prev, dU, dW, db


def backward_collect(dhs, hs, h0, xs, U, W):
    T, _, H = hs.shape
    deltas = np.empty_like(hs)
    carried = np.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        np.add(dhs[t], carried, out=deltas[t])
        deltas[t] *= 1 - hs[t] ** 2
        carried = deltas[t] @ W
    before = np.concatenate([h0[None], hs[:-1]])
    flat = deltas.reshape(-1, H)
    dU = flat.T @ xs.reshape(len(flat), -1)
    dW = flat.T @ before.reshape(-1, H)
    return deltas @ U, carried, dU, dW, flat.sum(axis=0)


def backward_recursive(dhs, hs, h0, xs, U, W):
    def back(t, dh):
        delta = (1 - hs[t] ** 2) * (dhs[t] + dh)
        before = h0 if t == 0 else hs[t - 1]
        mine = [delta.T @ xs[t], delta.T @ before, delta.sum(0)]
        if t == 0:
            return [delta @ U], delta @ W, mine
        dxs, dh0, rest = back(t - 1, delta @ W)
        return [*dxs, delta @ U], dh0, [a + b for a, b in zip(mine, rest, strict=True)]

    dxs, dh0, (dU, dW, db) = back(len(xs) - 1, np.zeros_like(h0))
    return np.stack(dxs), dh0, dU, dW, db


def padded_rows(dhs, dh_last, hs, h0, xs, lengths, U, W):
    dxs, dh0 = np.zeros_like(xs), np.zeros_like(h0)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    for n in range(xs.shape[1]):
        dh = dh_last[n]
        for t in range(int(lengths[n]))[::-1]:
            delta = (1 - hs[t, n] ** 2) * (dh + dhs[t, n])
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, h0[n] if t == 0 else hs[t - 1, n])
            db += delta
            dxs[t, n] = U.T @ delta
            dh = W.T @ delta
        dh0[n] = dh
    return dxs, dh0, dU, dW, db


def padded_mask(dhs, dh_last, hs, h0, xs, lengths, U, W):
    T, N, H = hs.shape
    mask = (np.arange(T)[:, None] < lengths).astype(float)[:, :, None]
    dhs = np.where(mask > 0, dhs, 0)
    deltas, dh = np.zeros((T, N, H)), dh_last.copy()
    for t in range(T)[::-1]:
        deltas[t] = mask[t] * (1 - hs[t] ** 2) * (dhs[t] + dh)
        dh = deltas[t] @ W + (1 - mask[t]) * dh
    before = np.concatenate([h0[None], hs[:-1]])
    dU, dW = np.einsum("tnh,tnd->hd", deltas, xs), np.einsum("tnh,tnk->hk", deltas, before)
    return np.einsum("tnh,hd->tnd", deltas, U), dh, dU, dW, deltas.sum(axis=(0, 1))


def truncated_windows(dhs, hs, h0, xs, W, k):
    T, _, H = hs.shape
    before = np.concatenate([h0[None], hs[:-1]])
    deltas = np.zeros_like(hs)
    for start in range(0, T, k):
        dh = np.zeros_like(h0)
        for t in reversed(range(start, min(start + k, T))):
            deltas[t] = (1 - hs[t] ** 2) * (dhs[t] + dh)
            dh = deltas[t] @ W
    flat = deltas.reshape(-1, H)
    return flat.T @ xs.reshape(len(flat), -1), flat.T @ before.reshape(-1, H), flat.sum(axis=0)


def truncated_stop(dhs, hs, h0, xs, W, k):
    dU, dW, db = 0.0, 0.0, 0.0
    dh = None
    for t in range(len(xs) - 1, -1, -1):
        last_of_window = t % k == k - 1 or t == len(xs) - 1
        total = dhs[t] if last_of_window else dhs[t] + dh
        delta = total - hs[t] ** 2 * total
        dU = dU + np.einsum("nh,nd->hd", delta, xs[t])
        dW = dW + np.einsum("nh,nk->hk", delta, hs[t - 1] if t else h0)
        db = db + delta.sum(axis=0)
        dh = np.einsum("nh,hk->nk", delta, W)
    return dU, dW, db


def forced_loop(xs, ys_prev, hs, os, ys, V):
    T, N, D = xs.shape
    K, H = V.shape
    dU, dW, db = np.zeros((H, D)), np.zeros((H, K)), np.zeros(H)
    dV, dc = np.zeros((K, H)), np.zeros(K)
    for t in range(T):
        ds = (os[t] - ys[t]) / N
        delta = (ds @ V) * (1 - hs[t] ** 2)
        dU += delta.T @ xs[t]
        dW += delta.T @ ys_prev[t]
        db += delta.sum(axis=0)
        dV += ds.T @ hs[t]
        dc += ds.sum(axis=0)
    return dU, dW, db, dV, dc


def forced_flat(xs, ys_prev, hs, os, ys, V):
    def flat(a):
        return a.reshape(-1, a.shape[-1])

    ds = flat(os) - flat(ys)
    delta = (1 - flat(hs) ** 2) * (ds @ V)
    sums = (delta.T @ flat(xs), delta.T @ flat(ys_prev), delta.sum(0), ds.T @ flat(hs), ds.sum(0))
    return tuple(s / xs.shape[1] for s in sums)


def differences_flat(f, x, epsilon):
    moved = np.array(x, dtype=float)
    flat = moved.reshape(-1)
    gradient = np.empty(flat.shape)
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + epsilon
        above = f(moved)
        flat[i] = kept - epsilon
        gradient[i] = 0.5 * (above - f(moved)) / epsilon
        flat[i] = kept
    return gradient.reshape(x.shape)


def differences_units(f, x, epsilon):
    units = np.eye(x.size).reshape((x.size, *x.shape))
    values = [(f(x + epsilon * e) - f(x - epsilon * e)) / (2 * epsilon) for e in units]
    return np.array(values, dtype=float).reshape(x.shape)


def error_loop(analytic, numerical, floor):
    worst = 0.0
    for a, n in zip(analytic.flat, numerical.flat, strict=True):
        worst = max(worst, abs(a - n) / max(abs(a) + abs(n), floor))
    return worst


def error_clip(analytic, numerical, floor):
    size = np.clip(np.abs(analytic) + np.abs(numerical), floor, None)
    return float(np.max(np.abs(numerical - analytic) / size))


CLOTHES = {
    "output_backward": [output_loops, output_flat],
    "rnn_step_backward": [step_einsum, step_rows],
    "rnn_backward": [backward_collect, backward_recursive],
    "rnn_backward_padded": [padded_rows, padded_mask],
    "truncated_backward": [truncated_windows, truncated_stop],
    "teacher_forced_backward": [forced_loop, forced_flat],
    "central_differences": [differences_flat, differences_units],
    "relative_error": [error_loop, error_clip],
}
