"""Chapter 5's functions, written as other people would."""

import math

import numpy as np


def sigmoid(a):
    return 0.5 * (1 + np.tanh(a / 2))


def step_einsum(x, h, U, W, b):
    H = h.shape[1]
    U, W, b = U.reshape(3, H, -1), W.reshape(3, H, H), b.reshape(3, H)
    fed = np.einsum("khd,nd->knh", U, x) + b[:, None]
    r, z = sigmoid(fed[:2] + np.einsum("khj,nj->knh", W[:2], h))
    n = np.tanh(fed[2] + np.einsum("hj,nj,nj->nh", W[2], r, h))
    return n + z * (h - n)


def step_units(x, h, U, W, b):
    N, H = h.shape
    out = np.empty((N, H))
    for row in range(N):
        fed = b + U @ x[row]
        r = sigmoid(fed[:H] + W[:H] @ h[row])
        for j in range(H):
            a = fed[H + j] + sum(W[H + j, k] * h[row, k] for k in range(H))
            z = 0.5 + 0.5 * math.tanh(a / 2)
            seen = sum(W[2 * H + j, k] * r[k] * h[row, k] for k in range(H))
            out[row, j] = z * h[row, j] + (1 - z) * math.tanh(fed[2 * H + j] + seen)
    return out


def step_after_fused(x, h, U, W, b, b_hn):
    H = len(b_hn)
    fed = x @ U.T
    fed += b
    back = h @ W.T
    back[:, 2 * H :] += b_hn
    rz = sigmoid(fed[:, : 2 * H] + back[:, : 2 * H])
    n = fed[:, 2 * H :]
    n += rz[:, :H] * back[:, 2 * H :]
    np.tanh(n, out=n)
    return rz[:, H:] * h + n - rz[:, H:] * n


def step_after_rows(x, h, U, W, b, b_hn):
    rows = []
    for one, old in zip(x, h, strict=True):
        (ur, uz, un), (wr, wz, wn) = np.split(U, 3), np.split(W, 3)
        br, bz, bn = np.split(b, 3)
        r, z = sigmoid(ur @ one + wr @ old + br), sigmoid(uz @ one + wz @ old + bz)
        n = np.tanh(un @ one + bn + (r[:, None] * wn) @ old + r * b_hn)
        rows.append((1 - z) * n + z * old)
    return np.stack(rows)


def step_backward_blocks(dh, h_prev, x, r, z, n, U, W):
    Wr, Wz, Wn = np.split(W, 3)
    into_n = dh - z * dh
    dn = into_n - into_n * n * n
    dz = dh * (h_prev - n) * (z - z * z)
    seen = np.einsum("nh,hj->nj", dn, Wn)
    dr = seen * h_prev * (r - r * r)
    errors = (dr, dz, dn)
    dx = sum(d @ u for d, u in zip(errors, np.split(U, 3), strict=True))
    dU = np.concatenate([d.T @ x for d in errors])
    dW = np.concatenate([dr.T @ h_prev, dz.T @ h_prev, np.einsum("nh,nj,nj->hj", dn, r, h_prev)])
    db = np.concatenate([np.ones(len(x)) @ d for d in errors])
    return dx, dr @ Wr + dz @ Wz + seen * r + dh * z, dU, dW, db


def step_backward_rows(dh, h_prev, x, r, z, n, U, W):
    H = dh.shape[1]
    dx, dh_prev = np.zeros(x.shape), np.zeros(dh.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H)
    for k in range(len(x)):
        dn = dh[k] * (1 - z[k]) * (1 - n[k]) * (1 + n[k])
        dz = (h_prev[k] * dh[k] - n[k] * dh[k]) * z[k] * (1 - z[k])
        seen = W[2 * H :].T @ dn
        dr = seen * h_prev[k] * r[k] * (1 - r[k])
        gates, delta = np.concatenate([dr, dz]), np.concatenate([dr, dz, dn])
        dx[k] = U.T @ delta
        dh_prev[k] = W[: 2 * H].T @ gates + seen * r[k] + dh[k] * z[k]
        dU += np.outer(delta, x[k])
        dW[: 2 * H] += np.outer(gates, h_prev[k])
        dW[2 * H :] += np.outer(dn, r[k] * h_prev[k])
        db += delta
    return dx, dh_prev, dU, dW, db


def step_after_backward_blocks(dh, h_prev, x, r, z, n, q, U, W):
    dn = dh * (1 - n * n) * (1 - z)
    dz = dh * (h_prev - n) * (z - z * z)
    dr = dn * q * (r - r * r)
    inner = dn * r
    outside, inside = (dr, dz, dn), (dr, dz, inner)
    dh_prev = sum((d @ w for d, w in zip(inside, np.split(W, 3), strict=True)), dh * z)
    dx = sum(d @ u for d, u in zip(outside, np.split(U, 3), strict=True))
    dU = np.vstack([np.einsum("nh,nd->hd", d, x) for d in outside])
    dW = np.vstack([np.einsum("nh,nj->hj", d, h_prev) for d in inside])
    db = np.hstack([d.sum(axis=0) for d in outside])
    return dx, dh_prev, dU, dW, db, np.ones(len(x)) @ inner


def step_after_backward_rows(dh, h_prev, x, r, z, n, q, U, W):
    H = dh.shape[1]
    dx, dh_prev = np.zeros(x.shape), z * dh
    dU, dW = np.zeros(U.shape), np.zeros(W.shape)
    db, db_hn = np.zeros(3 * H), np.zeros(H)
    for k in range(len(x)):
        dn = (dh[k] - z[k] * dh[k]) * (1 - n[k] ** 2)
        dz = dh[k] * (h_prev[k] - n[k]) * z[k] * (1 - z[k])
        dq, dr = dn * r[k], dn * q[k] * r[k] * (1 - r[k])
        outside, inside = np.concatenate([dr, dz, dn]), np.concatenate([dr, dz, dq])
        dx[k] = U.T @ outside
        dh_prev[k] += W.T @ inside
        dU += outside[:, None] * x[k]
        dW += inside[:, None] * h_prev[k]
        db += outside
        db_hn += dq
    return dx, dh_prev, dU, dW, db, db_hn


def forward_rows(xs, h0, U, W, b, lengths):
    hs, h_last = np.zeros((*xs.shape[:2], h0.shape[1])), h0.copy()
    for k, length in enumerate(lengths):
        one = slice(k, k + 1)
        for t in range(length):
            h_last[one] = step_einsum(xs[t, one], h_last[one], U, W, b)
            hs[t, k] = h_last[k]
    return hs, h_last


def forward_masked(xs, h0, U, W, b, lengths):
    mask = (np.arange(len(xs))[:, None] < lengths).astype(float)[..., None]
    h, hs = h0, []
    for m, x in zip(mask, np.where(mask > 0, xs, 0), strict=True):
        h = m * step_concatenated(x, h, U, W, b) + (1 - m) * h
        hs.append(m * h)
    return np.array(hs), h


def step_concatenated(x, h, U, W, b):
    """One step with the reset before the product, from products of whole matrices."""
    H = h.shape[1]
    fed = np.concatenate([x, h], axis=1) @ np.concatenate([U, W], axis=1)[: 2 * H].T + b[: 2 * H]
    r, z = np.split(sigmoid(fed), 2, axis=1)
    n = np.tanh(
        np.concatenate([x, r * h], axis=1) @ np.concatenate([U, W], axis=1)[2 * H :].T + b[2 * H :]
    )
    return (1 - z) * n + z * h


def backward_rows(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W):
    dxs, dU, dW, db = np.zeros(xs.shape), np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    dh0 = dh_last.copy()
    for k, length in enumerate(lengths):
        one = slice(k, k + 1)
        for t in range(length - 1, -1, -1):
            old = h0[one] if t == 0 else hs[t - 1, one]
            dx, dh0[one], *more = step_backward_blocks(
                dh0[one] + dhs[t, one], old, xs[t, one], rs[t, one], zs[t, one], ns[t, one], U, W
            )
            dxs[t, k] = dx[0]
            dU, dW, db = dU + more[0], dW + more[1], db + more[2]
    return dxs, dh0, dU, dW, db


def backward_collected(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W):
    T, N, H = hs.shape
    mask = (np.arange(T)[:, None] < lengths).astype(float)[..., None]
    dhs = np.where(mask > 0, dhs, 0)
    olds = np.concatenate([h0[None], hs[:-1]])
    deltas, dh = np.zeros((T, N, 3 * H)), dh_last.copy()
    for t in range(T - 1, -1, -1):
        total = mask[t] * (dh + dhs[t])
        dr, dz, dn = (deltas[t, :, k * H : (k + 1) * H] for k in range(3))
        dn += total * (1 - zs[t]) * (1 - ns[t] ** 2)
        dz += total * (olds[t] - ns[t]) * zs[t] * (1 - zs[t])
        seen = dn @ W[2 * H :]
        dr += seen * olds[t] * rs[t] * (1 - rs[t])
        dh = (1 - mask[t]) * dh + total * zs[t] + seen * rs[t] + deltas[t, :, : 2 * H] @ W[: 2 * H]
    read = [olds, olds, rs * olds]
    blocks = np.split(deltas, 3, axis=2)
    dW = np.vstack([np.einsum("tnh,tnj->hj", d, v) for d, v in zip(blocks, read, strict=True)])
    return deltas @ U, dh, np.einsum("tng,tnd->gd", deltas, xs), dW, deltas.sum(axis=(0, 1))


def simplified_backward_blocks(dh, h_prev, x, z, n, U, W):
    dz = dh * (h_prev - n) * (z - z * z)
    dn = (dh - dh * z) * (1 - n) * (1 + n)
    (Uz, Un), (Wz, Wn) = np.split(U, 2), np.split(W, 2)
    return (
        dz @ Uz + dn @ Un,
        dn @ Wn + dz @ Wz + dh * z,
        np.concatenate([dz.T @ x, dn.T @ x]),
        np.concatenate([dz.T @ h_prev, dn.T @ h_prev]),
        np.concatenate([dz.sum(axis=0), dn.sum(axis=0)]),
    )


def simplified_backward_rows(dh, h_prev, x, z, n, U, W):
    dx, dh_prev = np.zeros(x.shape), dh * z
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    for k in range(len(x)):
        slopes = np.concatenate([z[k] * (1 - z[k]), 1 - n[k] ** 2])
        delta = slopes * np.concatenate([(h_prev[k] - n[k]) * dh[k], (1 - z[k]) * dh[k]])
        dx[k] = delta @ U
        dh_prev[k] += delta @ W
        dU += np.outer(delta, x[k])
        dW += np.outer(delta, h_prev[k])
        db += delta
    return dx, dh_prev, dU, dW, db


def flip_blocks(U, W, b):
    def flip(array):
        r, z, n = np.split(array, 3)
        return np.concatenate([r, -z, n])

    return flip(U), flip(W), flip(b)


def flip_copies(U, W, b):
    copies = [array.copy() for array in (U, W, b)]
    for array in copies:
        rows = len(array) // 3
        array[rows : 2 * rows] *= -1
    return copies[0], copies[1], copies[2]


CLOTHES = {
    "gru_step": [step_einsum, step_units],
    "gru_step_after": [step_after_fused, step_after_rows],
    "gru_step_backward": [step_backward_blocks, step_backward_rows],
    "gru_step_after_backward": [step_after_backward_blocks, step_after_backward_rows],
    "gru_forward": [forward_rows, forward_masked],
    "gru_backward": [backward_rows, backward_collected],
    "simplified_gru_backward": [simplified_backward_blocks, simplified_backward_rows],
    "flip_update_gate": [flip_blocks, flip_copies],
}
