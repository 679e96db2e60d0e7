"""Chapter 8's functions written a second time, for the hidden tests."""

import numpy as np

from lib import tree


def stacked_forward(cells, params, xs, states, masks, lengths):
    T, N, _ = xs.shape
    ys, rows = np.zeros((T, N, cells[-1].hidden_size)), []
    for n in range(N):
        carried = [tree.tree_map(lambda leaf, n=n: leaf[n : n + 1], state) for state in states]
        for t in range(T if lengths is None else lengths[n]):
            signal = xs[t, n : n + 1]
            for k, cell in enumerate(cells):
                if masks[k] is not None:
                    signal = masks[k][t % len(masks[k]), n] * signal
                carried[k] = cell.step(params[k], signal, carried[k])[0]
                signal = carried[k].h
            ys[t, n] = signal[0]
        rows.append(carried)
    join = [
        tree.tree_map(lambda *leaves: np.concatenate(leaves), *of) for of in zip(*rows, strict=True)
    ]
    return ys, tuple(join)


def dropout_masks(uniform, rate, variational, inverted):
    steps = 1 if variational else len(uniform)
    train = np.zeros((steps, *uniform.shape[1:]))
    test = np.empty_like(train)
    for place, number in np.ndenumerate(uniform):
        if place[0] < steps:
            scale = 1 - rate
            test[place] = 1 if inverted else scale
            if number >= rate:
                train[place] = test[place] / scale
    return train, test


def stacked_backward(cells, params, caches, masks, dys, dstates):
    T, N, _ = dys.shape
    totals, dxs, rows = [tree.zeros_like(p) for p in params], np.zeros(caches[0].steps.x.shape), []
    for n in range(N):

        def row(value, n=n):
            return tree.tree_map(lambda leaf: leaf[n : n + 1], value)

        flowing = [row(dstate) for dstate in dstates]
        for t in range(T if caches[0].live is None else caches[0].live[:, n].sum())[::-1]:
            error = dys[t, n]
            for k in range(len(cells))[::-1]:
                kept = row(tree.at(caches[k].steps, t))
                arriving = flowing[k]._replace(h=flowing[k].h + error)
                part, error, flowing[k] = cells[k].step_backward(params[k], kept, arriving)
                totals[k] = tree.add(totals[k], part)
                if masks[k] is not None:
                    error = masks[k][t % len(masks[k]), n] * error
            dxs[t, n] = error[0]
        rows.append(flowing)
    join = [
        tree.tree_map(lambda *leaves: np.concatenate(leaves), *of) for of in zip(*rows, strict=True)
    ]
    return dxs, tuple(totals), tuple(join)


def residual_forward(cells, params, xs, states, masks):
    T, N, _ = xs.shape
    tops = np.zeros((T, N, cells[-1].hidden_size))
    carried = list(states)
    for t in range(T):
        for k, cell in enumerate(cells):
            offered = xs[t] if k == 0 else tops[t]
            seen = offered if masks[k] is None else offered * masks[k][t % len(masks[k])]
            carried[k], _ = cell.step(params[k], seen, carried[k])
            tops[t] += carried[k].h
    return tops


def residual_backward(cells, params, caches, masks, dys, dstates):
    T, N, _ = dys.shape
    totals, dxs, rows = [tree.zeros_like(p) for p in params], np.zeros(caches[0].steps.x.shape), []
    for n in range(N):

        def row(value, n=n):
            return tree.tree_map(lambda leaf: leaf[n : n + 1], value)

        flowing = [row(dstate) for dstate in dstates]
        for t in range(T if caches[0].live is None else caches[0].live[:, n].sum())[::-1]:
            # every layer's output stands in the sum at the top, so each begins with dys
            error, reads = dys[t, n], []
            for k in range(len(cells))[::-1]:
                kept = row(tree.at(caches[k].steps, t))
                arriving = flowing[k]._replace(h=flowing[k].h + dys[t, n] + sum(reads))
                part, error, flowing[k] = cells[k].step_backward(params[k], kept, arriving)
                totals[k] = tree.add(totals[k], part)
                if masks[k] is not None:
                    error = masks[k][t % len(masks[k]), n] * error
                reads.append(error)
            dxs[t, n] = error[0]
        rows.append(flowing)
    join = [
        tree.tree_map(lambda *leaves: np.concatenate(leaves), *of) for of in zip(*rows, strict=True)
    ]
    return dxs, tuple(totals), tuple(join)


def transition_step(x, h, U, W, b, S):
    K, H = b.shape
    zs = np.zeros((K, len(x), H))
    for n in range(len(x)):
        old = h[n]
        for k in range(K):
            below = zs[k - 1, n] if k else old
            fed = U @ x[n] if k == 0 else 0
            jump = S @ old if S is not None and k + 1 == K else 0
            zs[k, n] = np.tanh(W[k] @ below + b[k] + fed + jump)
    return zs


def transition_step_backward(dh, zs, x, U, W, S):
    K, H = W.shape[:2]
    grads = [np.zeros(a.shape) for a in (x, dh, U, W)] + [np.zeros((K, H))]
    dx, dh_prev, dU, dW, db = grads
    dS = None if S is None else np.zeros((H, H))
    for n, error in enumerate(dh):
        old = zs[0, n]
        for k in range(K, 0, -1):
            delta = np.diag(1 - zs[k, n] * zs[k, n]) @ error
            dW[k - 1] += np.outer(delta, zs[k - 1, n])
            db[k - 1] += delta
            error = W[k - 1].T @ delta
            if k == K and S is not None:
                dS += np.outer(delta, old)
                dh_prev[n] += S.T @ delta
        dh_prev[n] += error
        dU += np.outer(delta, x[n])
        dx[n] = U.T @ delta
    return dx, dh_prev, dU, dW, db, dS
