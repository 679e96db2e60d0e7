"""Chapter 7's functions, written as other people would."""

import numpy as np

from lib import tree
from lib.bptt import Recurrent


def reverse_loop(xs, lengths):
    out = xs.copy()
    for n, length in enumerate(lengths):
        for t in range(length):
            out[t, n] = xs[length - 1 - t, n]
    return out


def reverse_gather(xs, lengths):
    flipped = xs[::-1].swapaxes(0, 1)
    rows = []
    for row, kept, length in zip(flipped, xs.swapaxes(0, 1), lengths, strict=True):
        rows.append(np.concatenate([row[len(row) - length :], kept[length:]]))
    return np.stack(rows, axis=1)


def scan(cell, params, xs, lengths, state, backwards):
    """Run a cell from either end with its own loop: no reversal, rows begin where they end."""
    T = len(xs)
    ys = np.zeros((*xs.shape[:2], cell.hidden_size))
    for t in reversed(range(T)) if backwards else range(T):
        live = t < lengths
        new, _ = cell.step(params, xs[t], state)
        state = tree.where(live, new, state)
        ys[t] = new.h * live[:, None]
    return ys, state


def forward_without_reversal(xs, lengths, cells, params, states, merge):
    hs, last_h = scan(cells[0], params[0], xs, lengths, states[0], False)
    gs, last_g = scan(cells[1], params[1], xs, lengths, states[1], True)
    if merge == "sum":
        hs += gs
        return hs, tuple(last_h), tuple(last_g)
    return np.dstack([hs, gs]), last_h, last_g


def forward_by_example(xs, lengths, cells, params, states, merge):
    T, N, _ = xs.shape
    outs, lasts = [], []
    for k in range(2):
        layer = Recurrent(cells[k])
        ys, last = np.zeros((T, N, cells[k].hidden_size)), []
        for n in range(N):
            own = xs[: lengths[n], n : n + 1]
            start = tree.tree_map(lambda a, n=n: a[n : n + 1], states[k])
            seen, end, _ = layer.forward(params[k], own[::-1] if k else own, start)
            ys[: lengths[n], n] = (seen[::-1] if k else seen)[:, 0]
            last.append(end)
        outs.append(ys)
        lasts.append(tree.tree_map(lambda *a: np.concatenate(a), *last))
    ys = np.add(*outs) if merge == "sum" else np.concatenate(outs, axis=2)
    return ys, lasts[0], lasts[1]


def backward_with_own_loop(dys, lengths, cells, params, caches, merge):
    H = cells[0].hidden_size
    parts = (dys, dys) if merge == "sum" else (dys[..., :H], dys[..., H:])
    dxs, found = 0, []
    for k, cell in enumerate(cells):
        arriving = reverse_loop(parts[k], lengths) if k else parts[k]
        total = tree.zeros_like(params[k])
        inputs = np.zeros(caches[k].steps.x.shape)
        dstate = cell.initial_state(len(lengths))
        for t in reversed(range(len(dys))):
            live = t < lengths
            into = dstate._replace(h=dstate.h + arriving[t])
            into = tree.tree_map(lambda a, live=live: a * live[:, None], into)
            kept = tree.at(caches[k].steps, t)
            more, inputs[t], dstate = cell.step_backward(params[k], kept, into)
            total = tree.add(total, more)
        dxs = dxs + (reverse_loop(inputs, lengths) if k else inputs)
        found.append(total)
    return dxs, *found


def backward_by_direction(dys, lengths, cells, params, caches, merge):
    layers = [Recurrent(cell) for cell in cells]
    dgs = reverse_gather(dys, lengths)
    dhs = dys
    if merge != "sum":
        dgs = dgs[..., cells[0].hidden_size :]
        dhs = dys[..., : cells[0].hidden_size]
    right = layers[1].backward(params[1], caches[1], dgs)
    left = layers[0].backward(params[0], caches[0], dhs)
    dxs = reverse_gather(right[1], lengths)
    dxs += left[1]
    return dxs, tuple(left[0]), tuple(right[0])


def output_einsum(os, targets, lengths, hs, gs, V1, V2):
    T, N, _ = os.shape
    dss = os.copy()
    dss[np.arange(T)[:, None], np.arange(N), targets] -= 1
    dss[np.arange(T)[:, None] >= lengths] = 0
    dss /= N
    return (
        np.einsum("tnk,tnh->kh", dss, hs),
        np.einsum("tnk,tnh->kh", dss, gs),
        np.einsum("tnk->k", dss),
        np.einsum("tnk,kh->tnh", dss, V1),
        np.einsum("tnk,kh->tnh", dss, V2),
    )


def output_joined(os, targets, lengths, hs, gs, V1, V2):
    H1 = V1.shape[1]
    V, ys = np.hstack([V1, V2]), np.concatenate([hs, gs], axis=2)
    dV, dc, dys = np.zeros(V.shape), np.zeros(len(V)), np.zeros(ys.shape)
    for n, length in enumerate(lengths):
        for t in range(length):
            error = os[t, n].copy()
            error[targets[t, n]] -= 1.0
            error /= len(lengths)
            dV += np.outer(error, ys[t, n])
            dc += error
            dys[t, n] = error @ V
    return dV[:, :H1], dV[:, H1:], dc, dys[..., :H1], dys[..., H1:]


def four_steps(images, cell, params):
    R, C, N, _ = images.shape
    H = cell.hidden_size
    ys = np.zeros((R, C, N, 4, H))
    for k in (0, 1):
        for i in range(R):
            state = cell.initial_state(N)
            for j in range(C) if k == 0 else range(C - 1, -1, -1):
                state, _ = cell.step(params[k], images[i, j], state)
                ys[i, j, :, k] = state.h
    for k in (2, 3):
        for j in range(C):
            state = cell.initial_state(N)
            for i in range(R) if k == 2 else range(R - 1, -1, -1):
                state, _ = cell.step(params[k], images[i, j], state)
                ys[i, j, :, k] = state.h
    return ys.reshape(R, C, N, 4 * H)


def four_by_turning(images, cell, params):
    layer = Recurrent(cell)

    def down(field, k):
        R, C, N, D = field.shape
        return layer.forward(params[k], field.reshape(R, C * N, D))[0].reshape(R, C, N, -1)

    right = np.rot90(down(np.rot90(images, -1), 0), 1)
    left = np.rot90(down(np.rot90(images, 1), 1), -1)
    up = np.flip(down(np.flip(images, 0), 3), 0)
    return np.concatenate([right, left, down(images, 2), up], axis=3)


def corner_in_place(images, corner, U, W, R, b):
    rows, columns = images.shape[:2]
    di = 1 if corner.startswith("top") else -1
    dj = 1 if corner.endswith("left") else -1
    hs = images @ U.T + b
    for i in range(rows)[::di]:
        for j in range(columns)[::dj]:
            if 0 <= i - di < rows:
                hs[i, j] += hs[i - di, j] @ W.T
            if 0 <= j - dj < columns:
                hs[i, j] += hs[i, j - dj] @ R.T
            hs[i, j] = np.tanh(hs[i, j])
    return hs


def corner_by_diagonals(images, corner, U, W, R, b):
    axes = [axis for axis, word in enumerate(("bottom", "right")) if word in corner]
    xs = np.flip(images, axes)
    rows, columns, N, _ = xs.shape
    hs = np.zeros((rows, columns, N, len(b)))
    for total in range(rows + columns - 1):
        for i in range(max(0, total - columns + 1), min(rows, total + 1)):
            j = total - i
            a = b + xs[i, j] @ U.T
            a = a + (hs[i - 1, j] @ W.T if i else 0) + (hs[i, j - 1] @ R.T if j else 0)
            hs[i, j] = np.tanh(a)
    return np.flip(hs, axes)


def corner_back_scattered(dhs, hs, images, U, W, R):
    rows, columns, _, H = hs.shape
    dhs, dimages = dhs.copy(), np.zeros_like(images)
    dU, dW, dR, db = np.zeros_like(U), np.zeros_like(W), np.zeros_like(R), np.zeros(H)
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            delta = dhs[i, j] - dhs[i, j] * hs[i, j] ** 2
            dU += delta.T @ images[i, j]
            db += delta.sum(axis=0)
            dimages[i, j] = delta @ U
            if i > 0:
                dhs[i - 1, j] += delta @ W
                dW += delta.T @ hs[i - 1, j]
            if j > 0:
                dhs[i, j - 1] += delta @ R
                dR += delta.T @ hs[i, j - 1]
    return dU, dW, dR, db, dimages


def corner_back_by_columns(dhs, hs, images, U, W, R):
    rows, columns, N, H = hs.shape
    border = np.zeros((rows + 1, columns + 1, N, H))
    border[1:, 1:] = hs
    slopes = 1 - hs * hs
    deltas = np.zeros_like(border)
    for j in reversed(range(columns)):
        for i in reversed(range(rows)):
            both = np.concatenate([deltas[i + 1, j], deltas[i, j + 1]], axis=1)
            deltas[i, j] = slopes[i, j] * (dhs[i, j] + both @ np.concatenate([W, R]))
    kept = deltas[:-1, :-1]
    return (
        np.einsum("ijnh,ijnd->hd", kept, images),
        np.einsum("ijnh,ijnk->hk", kept, border[:-1, 1:]),
        np.einsum("ijnh,ijnk->hk", kept, border[1:, :-1]),
        np.einsum("ijnh->h", kept),
        np.einsum("ijnh,hd->ijnd", kept, U),
    )


CLOTHES = {
    "reverse_padded": [reverse_loop, reverse_gather],
    "bidirectional_forward": [forward_without_reversal, forward_by_example],
    "bidirectional_backward": [backward_with_own_loop, backward_by_direction],
    "output_backward": [output_einsum, output_joined],
    "four_directions": [four_steps, four_by_turning],
    "corner_scan": [corner_in_place, corner_by_diagonals],
    "corner_scan_backward": [corner_back_scattered, corner_back_by_columns],
}
