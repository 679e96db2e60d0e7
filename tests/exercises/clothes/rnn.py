"""Chapter 1's functions, written as other people would."""

import numpy as np


def step_loops(x, h, U, W, b):
    out = np.zeros_like(h)
    for n in range(h.shape[0]):
        for i in range(h.shape[1]):
            a = b[i]
            for j in range(h.shape[1]):
                a += W[i, j] * h[n, j]
            for j in range(x.shape[1]):
                a += U[i, j] * x[n, j]
            out[n, i] = np.tanh(a)
    return out


def step_stacked(x, h, U, W, b):
    both = np.concatenate([h, x, np.ones((len(x), 1))], axis=1)
    a = both @ np.concatenate([W, U, b[:, None]], axis=1).T
    np.tanh(a, out=a)
    return a


def forward_rows(xs, h0, U, W, b, lengths):
    hs = np.zeros((xs.shape[0], xs.shape[1], h0.shape[1]))
    last = h0.copy()
    for n, length in enumerate(lengths):
        for t in range(length):
            last[n] = np.tanh(U @ xs[t, n] + W @ last[n] + b)
            hs[t, n] = last[n]
    return hs, last


def forward_hoisted(xs, h0, U, W, b, lengths):
    mask = (np.arange(len(xs))[:, None] < lengths[None, :]).astype(float)[..., None]
    projected = np.einsum("tnd,hd->tnh", np.where(mask > 0, xs, 0), U) + b
    h, hs = h0, []
    for m, a in zip(mask, projected, strict=True):
        h = m * np.tanh(a + np.einsum("nk,hk->nh", h, W)) + (1 - m) * h
        hs.append(m * h)
    return np.stack(hs), h


def loss_logaddexp(hs, V, c, targets, mask):
    s = np.einsum("tnh,kh->tnk", hs, V) + c
    normaliser = np.logaddexp.reduce(s, axis=2)
    loss = 0.0
    for (t, n), m in np.ndenumerate(mask):
        loss += m * (normaliser[t, n] - s[t, n, targets[t, n]])
    return float(loss / mask.shape[1]), np.exp(s - normaliser[..., None])


def loss_one_hot(hs, V, c, targets, mask):
    s = hs @ V.T
    s += c
    s -= s.max(axis=2, keepdims=True)
    e = np.exp(s)
    total = e.sum(axis=2, keepdims=True)
    y = np.eye(len(c))[targets]
    nll = np.log(total)[..., 0] - (s * y).sum(axis=2)
    return np.sum(nll * mask) / hs.shape[1], e / total


def vector_rows(x, ys, U, W, b, R, P, p, mode):
    T, N, _ = ys.shape
    hs = np.zeros((T, N, b.size))
    for n in range(N):
        h = np.zeros(b.size)
        if mode != "every_step":
            h = P @ x[n] + p
        for t in range(T):
            a = b + W @ h + U @ ys[t, n]
            if mode != "initial_state":
                a += R @ x[n]
            h = np.tanh(a)
            hs[t, n] = h
    return hs


def vector_concatenated(x, ys, U, W, b, R, P, p, mode):
    T, N, _ = ys.shape
    h = p + x @ P.T if mode in {"initial_state", "both"} else np.zeros((N, len(b)))
    fed = x if mode in {"every_step", "both"} else np.zeros_like(x)
    weights = np.hstack([W, U, R])
    hs = np.empty((T, N, len(b)))
    for t in range(T):
        h = hs[t] = np.tanh(np.hstack([h, ys[t], fed]) @ weights.T + b)
    return hs


def vector_back_einsum(deltas, x, R):
    return np.einsum("tnh,nm->hm", deltas, x), np.einsum("tnh,hm->nm", deltas, R)


def vector_back_loop(deltas, x, R):
    dR, dx = np.zeros_like(R), np.zeros_like(x)
    for delta in deltas[::-1]:
        dR += delta.T @ x
        dx += delta @ R
    return [dR, dx]


def output_rows(xs, o0, U, W, b, V, c):
    os = np.empty((*xs.shape[:2], len(c)))
    for n in range(xs.shape[1]):
        o = o0[n]
        for t in range(xs.shape[0]):
            s = c + V @ np.tanh(b + W @ o + U @ xs[t, n])
            s -= np.logaddexp.reduce(s)
            o = np.exp(s)
            os[t, n] = o
    return os


def output_hoisted(xs, o0, U, W, b, V, c):
    projected = xs @ U.T + b
    os = [o0]
    for a in projected:
        e = np.tanh(a + os[-1] @ W.T) @ V.T + c
        e -= e.max(axis=1, keepdims=True)
        np.exp(e, out=e)
        e /= e.sum(axis=1, keepdims=True)
        os.append(e)
    return np.array(os[1:])


def output_back_jacobian(o_prev, h, o, do, W, V):
    jacobian = np.einsum("nj,jk->njk", o, np.eye(o.shape[1])) - np.einsum("nj,nk->njk", o, o)
    ds = np.einsum("njk,nj->nk", jacobian, do)
    delta = np.einsum("nk,kh->nh", ds, V) * (1 - h) * (1 + h)
    dV = np.einsum("nk,nh->kh", ds, h)
    return dV, np.einsum("nh,nk->hk", delta, o_prev), np.einsum("nh,hk->nk", delta, W)


def output_back_rows(o_prev, h, o, do, W, V):
    dV, dW, do_prev = 0 * V, 0 * W, 0 * o_prev
    for n in range(len(h)):
        mean = o[n] @ do[n]
        ds = o[n] * do[n] - mean * o[n]
        dV += ds[:, None] * h[n]
        delta = (V.T @ ds) * (1 - h[n] * h[n])
        dW += delta[:, None] * o_prev[n]
        do_prev[n] = W.T @ delta
    return dV, dW, do_prev


def many_back_mask(hs, lengths, ds, V):
    T = len(hs)
    at = (np.arange(T)[:, None] == lengths - 1).astype(float)
    dhs = at[..., None] * (ds @ V)
    last = np.where(at[..., None] > 0, hs, 0).sum(axis=0)
    return dhs, np.einsum("nk,nh->kh", ds, last), np.ones(len(ds)) @ ds


def many_back_loop(hs, lengths, ds, V):
    dhs, dV, dc = np.zeros(hs.shape), np.zeros(V.shape), np.zeros(V.shape[0])
    for n in range(hs.shape[1]):
        t = lengths[n] - 1
        dhs[t, n] += V.T @ ds[n]
        dV += np.outer(ds[n], hs[t, n])
        dc += ds[n]
    return dhs, dV, dc


def sample_loop(logits, temperature, u):
    drawn = np.zeros(len(logits), int)
    for n, row in enumerate(logits):
        p = np.exp((row - row.max()) / temperature)
        p /= p.sum()
        total = 0.0
        for k in range(len(p)):
            total += p[k]
            drawn[n] = k
            if total > u[n]:
                break
    return drawn


def sample_argmax(logits, temperature, u):
    s = logits / temperature
    p = np.exp(s - np.logaddexp.reduce(s, axis=1)[:, None])
    above = np.cumsum(p, axis=1) > u[:, None]
    return np.where(above.any(axis=1), above.argmax(axis=1), logits.shape[1] - 1)


def perplexity_selected(log_probs, mask):
    return float(np.exp(-np.mean(log_probs[mask == 1])))


def perplexity_geometric(log_probs, mask):
    return np.prod(np.exp(log_probs * mask)) ** (-1 / np.count_nonzero(mask))


CLOTHES = {
    "rnn_step": [step_loops, step_stacked],
    "rnn_forward": [forward_rows, forward_hoisted],
    "output_loss": [loss_logaddexp, loss_one_hot],
    "vector_input_forward": [vector_rows, vector_concatenated],
    "vector_input_backward": [vector_back_einsum, vector_back_loop],
    "output_to_hidden_forward": [output_rows, output_hoisted],
    "output_to_hidden_step_backward": [output_back_jacobian, output_back_rows],
    "many_to_one_backward": [many_back_mask, many_back_loop],
    "sample": [sample_loop, sample_argmax],
    "perplexity": [perplexity_selected, perplexity_geometric],
}
