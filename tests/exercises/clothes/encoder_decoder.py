"""Chapter 9's functions, written as other people would."""

import heapq
import math

import numpy as np


def encode_rows(sources, lengths, E, U, W, b):
    T, N = sources.shape
    hs = np.zeros((T, N, b.size))
    for n in range(N):
        h = np.zeros_like(b)
        for t in range(lengths[n]):
            h = hs[t, n] = np.tanh(np.dot(W, h) + np.dot(U, E[sources[t, n]]) + b)
    return hs, hs[lengths - 1, np.arange(N)]


def encode_hoisted(sources, lengths, E, U, W, b):
    mask = (np.arange(len(sources))[:, None] < lengths)[..., None].astype(float)
    projected = np.einsum("kd,md->km", E, U)[sources] + b
    h, out = np.zeros(projected.shape[1:]), []
    for a, m in zip(projected, mask, strict=True):
        h = m * np.tanh(a + np.einsum("nm,hm->nh", h, W)) + (1 - m) * h
        out.append(m * h)
    return np.stack(out), h


def decode_rows(targets, C, mode, E, U, W, b, R, P, p):
    T, N = targets.shape
    hs = np.zeros((T, N, b.size))
    for n in range(N):
        h = np.zeros(b.size) if mode == "every_step" else np.tanh(p + P @ C[n])
        push = np.zeros(b.size) if mode == "initial_state" else R @ C[n]
        read = [E.shape[0] - 1, *targets[: T - 1, n]]
        for t, symbol in enumerate(read):
            h = hs[t, n] = np.tanh(push + b + W @ h + U @ E[symbol])
    return hs


def decode_stacked(targets, C, mode, E, U, W, b, R, P, p):
    start = np.repeat(E[-1:][None], len(C), axis=1)
    inputs = np.concatenate([start, E[targets[:-1]]])
    weights = np.hstack([U, W, R if mode in {"both", "every_step"} else 0 * R])
    h = np.tanh(np.einsum("hm,nm->nh", P, C) + p)
    if mode == "every_step":
        h = h * 0
    out = []
    for x in inputs:
        h = np.tanh(np.hstack([x, h, C]) @ weights.T + b)
        out.append(h)
    return np.array(out)


def loss_rows(logits, stop, targets, lengths):
    N = logits.shape[1]
    loss, dlogits, dstop = 0.0, np.zeros_like(logits), np.zeros_like(stop)
    for n in range(N):
        for t in range(lengths[n]):
            s = logits[t, n] - np.max(logits[t, n])
            o = np.exp(s) / np.sum(np.exp(s))
            ends = float(t == lengths[n] - 1)
            z = float(stop[t, n])
            loss += math.log(np.sum(np.exp(s))) - s[targets[t, n]]
            loss += max(z, 0) - z * ends + math.log1p(math.exp(-abs(z)))
            o[targets[t, n]] -= 1
            dlogits[t, n] = o / N
            dstop[t, n] = (0.5 * (1 + math.tanh(z / 2)) - ends) / N
    return loss / N, dlogits, dstop


def loss_gathered(logits, stop, targets, lengths):
    T, N = targets.shape
    live = (np.arange(T)[:, None] < lengths[None]).astype(float)
    last = (np.arange(1, T + 1)[:, None] == lengths[None]).astype(float)
    logits, stop = np.where(live[..., None] > 0, logits, 0), np.where(live > 0, stop, 0)
    total = np.logaddexp.reduce(logits, axis=2)
    picked = np.take_along_axis(logits, targets[..., None], axis=2)[..., 0]
    negative = total - picked + np.logaddexp(0, np.where(last > 0, -stop, stop))
    dlogits = np.exp(logits - total[..., None])
    np.subtract.at(dlogits, (*np.indices((T, N)), targets), 1)
    dstop = 0.5 + 0.5 * np.tanh(0.5 * stop) - last
    return (negative * live).sum() / N, dlogits * live[..., None] / N, dstop * live / N


def every_step_einsum(deltas, C, R):
    return np.einsum("tnh,hm->nm", deltas, R), np.einsum("tnh,nm->hm", deltas, C)


def every_step_loop(deltas, C, R):
    dC, dR = np.zeros_like(C), np.zeros_like(R)
    for delta in deltas:
        dC += delta @ R
        dR += delta.T @ C
    return dC, dR


def bridge_expanded(dh0, h0, C, P):
    error = dh0 - dh0 * h0 * h0
    return np.einsum("nh,hm->nm", error, P), np.einsum("nh,nm->hm", error, C), error.sum(0)


def bridge_rows(dh0, h0, C, P):
    dC, dP, dp = [], 0.0, 0.0
    for g, h, context in zip(dh0, h0, C, strict=True):
        error = (1 + h) * (1 - h) * g
        dC.append(P.T @ error)
        dP = dP + np.outer(error, context)
        dp = dp + error
    return np.array(dC), dP, dp


def decoder_summed(dhs, hs, h0, lengths, mode, W, R, P):
    live = (np.arange(len(hs))[:, None] < lengths)[..., None]
    dhs = np.where(live, dhs, 0)
    total, back = np.zeros_like(h0), np.zeros_like(h0)
    for t in range(len(hs) - 1, -1, -1):
        delta = live[t] * (1 - hs[t]) * (1 + hs[t]) * (back + dhs[t])
        total += delta
        back = np.einsum("nh,hj->nj", delta, W)
    at_start = (back - back * h0 * h0) @ P
    return {
        "every_step": total @ R,
        "initial_state": at_start,
        "both": total @ R + at_start,
    }[mode]


def decoder_rows(dhs, hs, h0, lengths, mode, W, R, P):
    rows = []
    for n, length in enumerate(lengths):
        back, dc = np.zeros(W.shape[0]), np.zeros(R.shape[1])
        for t in range(length)[::-1]:
            delta = (1 - hs[t, n] ** 2) * (dhs[t, n] + back)
            back = W.T @ delta
            if "state" not in mode:
                dc += R.T @ delta
        if mode in ("initial_state", "both"):
            dc += P.T @ ((1 - h0[n] ** 2) * back)
        rows.append(dc)
    return np.stack(rows)


def encoder_rows(dC, hs, sources, lengths, E, U, W):
    dE, dU, dW, db = (np.zeros(s) for s in (E.shape, U.shape, W.shape, len(W)))
    for n in range(len(dC)):
        error = dC[n].copy()
        for t in range(lengths[n] - 1, -1, -1):
            error *= 1 - hs[t, n] ** 2
            dU += error[:, None] * E[sources[t, n]]
            dE[sources[t, n]] += error @ U
            dW += error[:, None] * (hs[t - 1, n] if t else np.zeros(len(W)))
            db += error
            error = error @ W
    return dE, dU, dW, db


def encoder_collected(dC, hs, sources, lengths, E, U, W):
    deltas, back = np.zeros_like(hs), np.zeros_like(dC)
    for t in range(len(hs))[::-1]:
        starts, inside = (lengths == t + 1)[:, None], (lengths > t)[:, None]
        deltas[t] = inside * (1 - hs[t] ** 2) * (back + starts * dC)
        back = deltas[t] @ W
    one_hot = (sources[..., None] == np.arange(len(E))).astype(float)
    dE = np.einsum("tnk,tnm,md->kd", one_hot, deltas, U)
    dU = np.einsum("tnm,tnd->md", deltas, one_hot @ E)
    return dE, dU, np.einsum("tnm,tnj->mj", deltas[1:], hs[:-1]), deltas.sum((0, 1))


def greedy_rows(h0, drive, E, U, W, V, c, end, max_length):
    N = len(h0)
    tokens, lengths = np.zeros((max_length, N), int) + end, np.zeros(N, int) + max_length
    for n in range(N):
        h, symbol = h0[n], len(c)
        for t in range(max_length):
            h = np.tanh(W @ h + U @ E[symbol] + drive[n])
            symbol = int(np.argmax(V @ h + c))
            tokens[t, n] = symbol
            if symbol == end:
                lengths[n] = t + 1
                break
    return tokens, lengths


def greedy_whole(h0, drive, E, U, W, V, c, end, max_length):
    h, read, written = h0.copy(), np.tile(E[-1], (len(h0), 1)), []
    for _ in range(max_length):
        h = np.tanh(drive + read @ U.T + h @ W.T)
        written.append(np.argmax(c + h @ V.T, axis=-1))
        read = E[written[-1]]
    tokens = np.stack(written)
    before = np.cumsum(tokens == end, axis=0) - (tokens == end)
    return np.where(before > 0, end, tokens), (before == 0).sum(axis=0)


def beam_arrays(h0, drive, E, U, W, V, c, end, width, max_length, alpha):
    """The whole beam as one batch of states, moved by index."""
    K = len(c)
    states, totals = h0[None], np.zeros(1)
    written = np.zeros((1, 0), int)
    best, winner = -np.inf, None
    for step in range(1, max_length + 1):
        read = E[written[:, -1]] if step > 1 else E[[K]]
        states = np.tanh(states @ W.T + read @ U.T + drive)
        scores = states @ V.T + c
        grown = totals[:, None] + scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        order = np.argsort(-grown, axis=None)[:width]
        parents, symbols = np.divmod(order, K)
        totals = grown.ravel()[order]
        written = np.concatenate([written[parents], symbols[:, None]], axis=1)
        states = states[parents]
        for k in np.flatnonzero(symbols == end):
            if totals[k] / step**alpha > best:
                best, winner = totals[k] / step**alpha, (written[k], totals[k])
        going = symbols != end
        states, totals, written = states[going], totals[going], written[going]
        if not going.any():
            break
    return winner if winner is not None else (written[0], totals[0])


def beam_heap(h0, drive, E, U, W, V, c, end, width, max_length, alpha):
    """Hypotheses in lists, the likeliest taken by a heap; stops when nothing can win any more."""
    alive, done = [(0.0, [], h0)], []
    for _ in range(max_length):
        grown = []
        for log_p, symbols, h in alive:
            h = np.tanh(W @ h + U @ E[symbols[-1] if symbols else -1] + drive)
            s = V @ h + c
            top = s.max()
            log_sum = top + math.log(np.exp(s - top).sum())
            grown.extend((log_p + s[k] - log_sum, [*symbols, k], h) for k in range(len(s)))
        alive = []
        for one in heapq.nlargest(width, grown, key=lambda item: item[0]):
            (done if one[1][-1] == end else alive).append(one)
        if not alive:
            break
        if done:
            bar = max(log_p / len(symbols) ** alpha for log_p, symbols, _ in done)
            if max(one[0] for one in alive) / max_length**alpha <= bar:
                break
    if not done:
        return np.array(alive[0][1]), float(alive[0][0])
    log_p, symbols, _ = max(done, key=lambda one: one[0] / len(one[1]) ** alpha)
    return np.array(symbols), float(log_p)


CLOTHES = {
    "encode": [encode_rows, encode_hoisted],
    "decode": [decode_rows, decode_stacked],
    "sequence_loss": [loss_rows, loss_gathered],
    "every_step_backward": [every_step_einsum, every_step_loop],
    "bridge_backward": [bridge_expanded, bridge_rows],
    "decoder_backward": [decoder_summed, decoder_rows],
    "encoder_backward": [encoder_rows, encoder_collected],
    "greedy_decode": [greedy_rows, greedy_whole],
    "beam_search": [beam_arrays, beam_heap],
}
