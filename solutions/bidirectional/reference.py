"""Chapter 7's functions written a second time, for the hidden tests."""

import numpy as np

from lib import tree


def reverse_padded(xs, lengths):
    turned = np.array(xs)
    for n, length in enumerate(lengths):
        turned[:length, n] = np.flip(xs[:length, n], axis=0)
    return turned


def bidirectional_forward(xs, lengths, cells, params, states, merge):
    found, ends = [], []
    for k, (cell, weights, start) in enumerate(zip(cells, params, states, strict=True)):
        seen = np.zeros((*xs.shape[:2], cell.hidden_size))
        final = tree.zeros_like(start)
        for n, length in enumerate(lengths):
            state = tree.tree_map(lambda a, n=n: a[n : n + 1], start)
            for t in range(length) if k == 0 else range(length - 1, -1, -1):
                state, _ = cell.step(weights, xs[t, n : n + 1], state)
                seen[t, n] = state.h[0]
            for whole, one in zip(final, state, strict=True):
                whole[n] = one[0]
        found.append(seen)
        ends.append(final)
    ys = sum(found) if merge == "sum" else np.concatenate(found, axis=2)
    return ys, *ends


def bidirectional_backward(dys, lengths, cells, params, caches, merge):
    dxs = np.zeros(caches[0].steps.x.shape)
    totals = [tree.zeros_like(weights) for weights in params]
    first = 0
    for k, (cell, weights, cache) in enumerate(zip(cells, params, caches, strict=True)):
        arriving = dys[:, :, first : first + cell.hidden_size]
        first += cell.hidden_size if merge == "concat" else 0
        for n, length in enumerate(lengths):
            dstate = cell.initial_state(1)
            for step in range(length - 1, -1, -1):
                t = length - 1 - step if k else step
                more, dx, dstate = cell.step_backward(
                    weights,
                    tree.at(cache.steps, (step, slice(n, n + 1))),
                    dstate._replace(h=dstate.h + arriving[t, n]),
                )
                dxs[t, n] += dx[0]
                tree.add_into(totals[k], more)
    return dxs, *totals


def output_backward(os, targets, lengths, hs, gs, V1, V2):
    grads = [np.zeros(V1.shape), np.zeros(V2.shape), np.zeros(len(V1))]
    dhs, dgs = np.zeros(hs.shape), np.zeros(gs.shape)
    for n, length in enumerate(lengths):
        for t in range(length):
            ds = os[t, n] / len(lengths)
            ds[targets[t, n]] -= 1 / len(lengths)
            for total, part in zip(grads, (hs[t, n], gs[t, n], None), strict=True):
                total += ds if part is None else np.outer(ds, part)
            dhs[t, n], dgs[t, n] = V1.T @ ds, V2.T @ ds
    return *grads, dhs, dgs


def four_directions(images, cell, params):
    R, C, N, _ = images.shape
    H = cell.hidden_size
    ys = np.zeros((R, C, N, 4 * H))
    across, down = [(i, 0) for i in range(R)], [(0, j) for j in range(C)]
    ways = ((0, 1), (0, -1), (1, 0), (-1, 0))
    for k, (di, dj) in enumerate(ways):
        for i, j in down if di else across:
            i, j = (R - 1 if di < 0 else i), (C - 1 if dj < 0 else j)
            state = cell.initial_state(N)
            while 0 <= i < R and 0 <= j < C:
                state, _ = cell.step(params[k], images[i, j], state)
                ys[i, j, :, k * H : (k + 1) * H] = state.h
                i, j = i + di, j + dj
    return ys


def corner_scan(images, corner, U, W, R, b):
    rows, columns, N, _ = images.shape
    turned = images[::-1] if "bottom" in corner else images
    turned = turned[:, ::-1] if "right" in corner else turned
    states = {}
    for place in np.ndindex(rows, columns, N):
        i, j, n = place
        above = states.get((i - 1, j, n), 0 * b)
        beside = states.get((i, j - 1, n), 0 * b)
        states[place] = np.tanh(U @ turned[place] + W @ above + R @ beside + b)
    hs = np.array([states[place] for place in np.ndindex(rows, columns, N)])
    hs = hs.reshape(rows, columns, N, len(b))
    hs = hs[::-1] if "bottom" in corner else hs
    return hs[:, ::-1] if "right" in corner else hs


def corner_scan_backward(dhs, hs, images, U, W, R):
    rows, columns, N, H = hs.shape
    dU, dW, dR, db = 0 * U, 0 * W, 0 * R, np.zeros(H)
    dimages, arrived = np.zeros(images.shape), np.array(dhs)
    for n in range(N):
        for i in range(rows - 1, -1, -1):
            for j in range(columns - 1, -1, -1):
                delta = arrived[i, j, n] * (1 - hs[i, j, n]) * (1 + hs[i, j, n])
                dU += np.outer(delta, images[i, j, n])
                db += delta
                dimages[i, j, n] = U.T @ delta
                if i:
                    dW += np.outer(delta, hs[i - 1, j, n])
                    arrived[i - 1, j, n] += W.T @ delta
                if j:
                    dR += np.outer(delta, hs[i, j - 1, n])
                    arrived[i, j - 1, n] += R.T @ delta
    return dU, dW, dR, db, dimages
