"""Chapter 5's functions written a second time, for the hidden tests."""

import numpy as np


def logistic(a):
    return 0.5 + 0.5 * np.tanh(a / 2)


def gru_step(x, h, U, W, b):
    H = h.shape[1]
    rows = []
    for one, old in zip(x, h, strict=True):
        fed = U @ one + b
        r = logistic(fed[:H] + W[:H] @ old)
        z = logistic(fed[H:-H] + W[H:-H] @ old)
        n = np.tanh(fed[-H:] + W[-H:] @ (r * old))
        rows.append(n + z * (old - n))
    return np.array(rows)


def gru_step_after(x, h, U, W, b, b_hn):
    H = h.shape[1]
    rows = []
    for one, old in zip(x, h, strict=True):
        fed, back = U @ one + b, W @ old
        r, z = logistic(fed[:H] + back[:H]), logistic(fed[H:-H] + back[H:-H])
        n = np.tanh(fed[-H:] + np.diag(r) @ (back[-H:] + b_hn))
        rows.append(n + z * (old - n))
    return np.array(rows)


def gru_step_backward(dh, h_prev, x, r, z, n, U, W):
    N, H = dh.shape
    dx, dh_prev = np.zeros(x.shape), np.zeros(dh.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H)
    for k in range(N):
        error = {}
        error["n"] = np.diag(1 - n[k] ** 2) @ np.diag(1 - z[k]) @ dh[k]
        error["z"] = np.diag(z[k] - z[k] ** 2) @ ((h_prev[k] - n[k]) * dh[k])
        through = W[2 * H :].T @ error["n"]
        error["r"] = np.diag(r[k] - r[k] ** 2) @ (h_prev[k] * through)
        dh_prev[k] = np.diag(z[k]) @ dh[k] + np.diag(r[k]) @ through
        for place, name in enumerate("rzn"):
            rows = slice(place * H, (place + 1) * H)
            seen = r[k] * h_prev[k] if name == "n" else h_prev[k]
            if name != "n":
                dh_prev[k] += W[rows].T @ error[name]
            dx[k] += U[rows].T @ error[name]
            dU[rows] += np.outer(error[name], x[k])
            dW[rows] += np.outer(error[name], seen)
            db[rows] += error[name]
    return dx, dh_prev, dU, dW, db


def gru_step_after_backward(dh, h_prev, x, r, z, n, q, U, W):
    N, H = dh.shape
    dx, dh_prev = np.zeros(x.shape), np.zeros(dh.shape)
    dU, dW, db, db_hn = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H), np.zeros(H)
    for k in range(N):
        candidate = np.diag(1 - n[k] ** 2) @ np.diag(1 - z[k]) @ dh[k]
        update = np.diag(z[k] - z[k] ** 2) @ ((h_prev[k] - n[k]) * dh[k])
        reset = np.diag(r[k] - r[k] ** 2) @ (q[k] * candidate)
        gated = np.diag(r[k]) @ candidate
        errors, recurrent = (reset, update, candidate), (reset, update, gated)
        dh_prev[k] = np.diag(z[k]) @ dh[k]
        for place in range(3):
            rows = slice(place * H, (place + 1) * H)
            dh_prev[k] += W[rows].T @ recurrent[place]
            dx[k] += U[rows].T @ errors[place]
            dU[rows] += np.outer(errors[place], x[k])
            dW[rows] += np.outer(recurrent[place], h_prev[k])
            db[rows] += errors[place]
        db_hn += gated
    return dx, dh_prev, dU, dW, db, db_hn


def gru_forward(xs, h0, U, W, b, lengths):
    H = h0.shape[1]
    hs, last = np.zeros((*xs.shape[:2], H)), h0.copy()
    for k, length in enumerate(lengths):
        for t in range(length):
            fed, old = U @ xs[t, k] + b, last[k].copy()
            r, z = logistic(fed[:H] + W[:H] @ old), logistic(fed[H:-H] + W[H:-H] @ old)
            n = np.tanh(fed[-H:] + W[-H:] @ (r * old))
            hs[t, k] = last[k] = n + z * (old - n)
    return hs, last


def gru_backward(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W):
    H = h0.shape[1]
    dxs, dh0 = np.zeros(xs.shape), np.zeros(h0.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(3 * H)
    for k, length in enumerate(lengths):
        arriving = dh_last[k]
        for t in range(length - 1, -1, -1):
            old = hs[t - 1, k] if t else h0[k]
            r, z, n = rs[t, k], zs[t, k], ns[t, k]
            total = arriving + dhs[t, k]
            candidate = (1 - n * n) * (1 - z) * total
            update = (z - z * z) * (old - n) * total
            through = W[2 * H :].T @ candidate
            reset = (r - r * r) * old * through
            arriving = z * total + r * through + W[:H].T @ reset + W[H : 2 * H].T @ update
            stacked = np.concatenate([reset, update, candidate])
            dxs[t, k] = U.T @ stacked
            dU += np.outer(stacked, xs[t, k])
            db += stacked
            dW[: 2 * H] += np.outer(stacked[: 2 * H], old)
            dW[2 * H :] += np.outer(candidate, r * old)
        dh0[k] = arriving
    return dxs, dh0, dU, dW, db


def simplified_gru_backward(dh, h_prev, x, z, n, U, W):
    N, H = dh.shape
    dx, dh_prev = np.zeros(x.shape), np.zeros(dh.shape)
    dU, dW, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(2 * H)
    for k in range(N):
        update = np.diag(z[k] - z[k] ** 2) @ ((h_prev[k] - n[k]) * dh[k])
        candidate = np.diag(1 - n[k] ** 2) @ np.diag(1 - z[k]) @ dh[k]
        dh_prev[k] = z[k] * dh[k] + W[:H].T @ update + W[H:].T @ candidate
        both = np.concatenate([update, candidate])
        dx[k] = U.T @ both
        dU += np.outer(both, x[k])
        dW += np.outer(both, h_prev[k])
        db += both
    return dx, dh_prev, dU, dW, db


def flip_update_gate(U, W, b):
    H = W.shape[1]
    flipped = []
    for array in (U, W, b):
        r, z, n = array[:H], array[H : 2 * H], array[2 * H :]
        flipped.append(np.concatenate([r, -z, n]))
    return tuple(flipped)
