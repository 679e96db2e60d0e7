"""Chapter 8's functions, written as other people would."""

import math

import numpy as np

from lib import tree
from lib.bptt import Recurrent


def live_rows(lengths, t, count):
    return np.full(count, True) if lengths is None else t < np.asarray(lengths)


def forward_by_steps(cells, params, xs, states, masks, lengths):
    T, N = xs.shape[:2]
    now, tops = list(states), []
    for t in range(T):
        signal, live = xs[t], live_rows(lengths, t, N)
        for k, cell in enumerate(cells):
            if masks[k] is not None:
                signal = signal * np.broadcast_to(masks[k], (T, *masks[k].shape[1:]))[t]
            new, _ = cell.step(params[k], signal, now[k])
            now[k] = tree.where(live, new, now[k])
            signal = new.h
        tops.append(signal * live[:, None])
    return np.stack(tops), tuple(now)


def forward_recursive(cells, params, xs, states, masks, lengths):
    if not cells:
        return xs, ()
    mask = np.ones((1, 1, 1)) if masks[0] is None else masks[0]
    ys, last, _ = Recurrent(cells[0]).forward(params[0], mask * xs, states[0], lengths)
    tops, others = forward_recursive(cells[1:], params[1:], ys, states[1:], masks[1:], lengths)
    return tops, (last, *others)


def masks_by_where(uniform, rate, variational, inverted):
    if variational:
        uniform = uniform[0][None]
    high, test = (1 / (1 - rate), 1.0) if inverted else (1.0, 1 - rate)
    return np.where(uniform < rate, 0.0, high), np.full(uniform.shape, test)


def masks_by_numbers(uniform, rate, variational, inverted):
    T, N, D = uniform.shape
    T = 1 if variational else T
    train, test = np.zeros((T, N, D)), np.ones((T, N, D))
    for t in range(T):
        for n in range(N):
            for d in range(D):
                train[t, n, d] = 0.0 if uniform[t, n, d] < rate else 1.0
    train *= 1 / (1 - rate) if inverted else 1.0
    test -= 0.0 if inverted else rate
    return train, test


def backward_by_steps(cells, params, caches, masks, dys, dstates, residual=False):
    T, N = dys.shape[:2]
    totals = [tree.zeros_like(p) for p in params]
    flowing, dxs = list(dstates), np.zeros_like(caches[0].steps.x)
    for t in reversed(range(T)):
        live = np.full(N, True) if caches[0].live is None else caches[0].live[t]
        error = dys[t] * live[:, None]
        for k in reversed(range(len(cells))):
            into = flowing[k]._replace(h=flowing[k].h + error)
            into = tree.where(live, into, tree.zeros_like(into))
            kept = tree.at(caches[k].steps, t)
            part, through, before = cells[k].step_backward(params[k], kept, into)
            tree.add_into(totals[k], part)
            flowing[k] = tree.where(live, before, flowing[k])
            if masks[k] is not None:
                through = through * masks[k][t if len(masks[k]) > 1 else 0]
            error = error + through if residual and k else through
        dxs[t] = error
    return dxs, tuple(totals), tuple(flowing)


def backward_recursive(cells, params, caches, masks, dys, dstates):
    *below, cell = cells
    dparams, dxs, dstate = Recurrent(cell).backward(params[-1], caches[-1], dys, dstates[-1])
    if masks[-1] is not None:
        dxs *= masks[-1]
    if not below:
        return dxs, (dparams,), (dstate,)
    rest = [list(part[:-1]) for part in (params, caches, masks)]
    dxs, others, states = backward_recursive(below, *rest, dxs, dstates[:-1])
    return dxs, (*others, dparams), (*states, dstate)


def residual_by_steps(cells, params, xs, states, masks):
    now, tops = list(states), []
    for t, signal in enumerate(xs):
        for k, cell in enumerate(cells):
            mask = 1.0 if masks[k] is None else masks[k][min(t, len(masks[k]) - 1)]
            now[k], _ = cell.step(params[k], signal * mask, now[k])
            signal = now[k].h + (signal if k else 0.0)
        tops.append(signal)
    return np.array(tops)


def residual_of_parts(cells, params, xs, states, masks):
    parts = []
    for k, cell in enumerate(cells):
        read = sum(parts) if parts else xs
        if masks[k] is not None:
            read = read * masks[k]
        parts.append(Recurrent(cell).forward(params[k], read, states[k])[0])
    return sum(parts)


def residual_backward_by_steps(cells, params, caches, masks, dys, dstates):
    return backward_by_steps(cells, params, caches, masks, dys, dstates, residual=True)


def residual_backward_of_parts(cells, params, caches, masks, dys, dstates):
    arriving = dys.copy()
    found = {}
    for k in range(len(cells))[::-1]:
        dparams, dxs, dstate = Recurrent(cells[k]).backward(
            params[k], caches[k], arriving, dstates[k]
        )
        found[k] = dparams, dstate
        handed = dxs if masks[k] is None else dxs * masks[k]
        if k:
            arriving += handed
    order = sorted(found)
    return handed, [found[k][0] for k in order], [found[k][1] for k in order]


def step_rows(x, h, U, W, b, S):
    K, H = b.shape
    zs = np.empty((K, len(x), H))
    for n in range(len(x)):
        for k in range(K):
            for j in range(H):
                below = zs[k - 1, n] if k else h[n]
                a = b[k, j] + sum(W[k, j, i] * below[i] for i in range(H))
                a += U[j] @ x[n] if k == 0 else 0.0
                a += S[j] @ h[n] if S is not None and k == K - 1 else 0.0
                zs[k, n, j] = math.tanh(a)
    return zs


def step_prepared(x, h, U, W, b, S):
    fed = np.repeat(b[:, None], len(x), axis=1)
    fed[0] += np.einsum("hd,nd->nh", U, x)
    if S is not None:
        fed[-1] += np.einsum("hj,nj->nh", S, h)
    for k, below in enumerate([h, *fed[:-1]]):
        fed[k] += below @ W[k].T
        np.tanh(fed[k], out=fed[k])
    return fed


def step_backward_stacked(dh, zs, x, U, W, S):
    K = len(W)
    slopes = (1 - zs[1:]) * (1 + zs[1:])
    deltas = np.empty_like(slopes)
    for k in range(K - 1, -1, -1):
        deltas[k] = slopes[k] * dh
        dh = np.einsum("nj,ji->ni", deltas[k], W[k])
    dW = np.einsum("knj,kni->kji", deltas, zs[:-1])
    dS = None
    if S is not None:
        dh = dh + deltas[-1] @ S
        dS = np.einsum("nj,ni->ji", deltas[-1], zs[0])
    return deltas[0] @ U, dh, deltas[0].T @ x, dW, deltas.sum(axis=1), dS


def step_backward_rows(dh, zs, x, U, W, S):
    K, H, _ = W.shape
    dx, dh_prev = np.zeros_like(x), np.zeros_like(dh)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros((K, H))
    dS = None if S is None else np.zeros_like(S)
    for n in range(len(dh)):
        error = dh[n]
        for k in range(K, 0, -1):
            delta = error - zs[k, n] ** 2 * error
            db[k - 1] += delta
            dW[k - 1] += delta[:, None] * zs[k - 1, n]
            if S is not None and k == K:
                dS += delta[:, None] * zs[0, n]
                dh_prev[n] += delta @ S
            error = delta @ W[k - 1]
        dh_prev[n] += error
        dU += delta[:, None] * x[n]
        dx[n] = delta @ U
    return dx, dh_prev, dU, dW, db, dS


CLOTHES = {
    "stacked_forward": [forward_by_steps, forward_recursive],
    "dropout_masks": [masks_by_where, masks_by_numbers],
    "stacked_backward": [backward_by_steps, backward_recursive],
    "residual_forward": [residual_by_steps, residual_of_parts],
    "residual_backward": [residual_backward_by_steps, residual_backward_of_parts],
    "transition_step": [step_rows, step_prepared],
    "transition_step_backward": [step_backward_stacked, step_backward_rows],
}
