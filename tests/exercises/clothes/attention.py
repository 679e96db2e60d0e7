"""Chapter 10's functions, written as other people would."""

import math

import numpy as np


def rows(e):
    """Softmax of one row, by its definition."""
    p = np.exp(np.array(e) - np.max(e))
    return p / p.sum()


def batch_first(xs):
    return np.swapaxes(xs, 0, 1)


def scores_matmul(queries, keys, W, kind):
    q, k = batch_first(queries), keys.transpose(1, 2, 0)
    if kind == "general":
        return batch_first(q @ W @ k)
    e = q @ k
    if kind == "scaled_dot":
        e *= queries.shape[-1] ** -0.5
    if kind == "cosine":
        e /= np.sqrt((q**2).sum(-1, keepdims=True)) * np.sqrt((k**2).sum(1, keepdims=True))
    return np.ascontiguousarray(batch_first(e))


def scores_loops(queries, keys, W, kind):
    e = np.empty((len(queries), queries.shape[1], len(keys)))
    for i, n, t in np.ndindex(*e.shape):
        q, k = queries[i, n], keys[t, n]
        if kind == "cosine":
            e[i, n, t] = q.dot(k) / math.hypot(*q) / math.hypot(*k)
        elif kind == "general":
            e[i, n, t] = q.dot(W.dot(k))
        else:
            e[i, n, t] = q.dot(k) / (math.sqrt(len(q)) if kind == "scaled_dot" else 1)
    return e


def additive_concatenated(queries, keys, v, W, U):
    S, N, _ = queries.shape
    T = len(keys)
    q = np.broadcast_to(queries[:, :, None], (S, N, T, queries.shape[2]))
    k = np.broadcast_to(batch_first(keys), (S, N, T, keys.shape[2]))
    both = np.concatenate([W, U], axis=1)
    return np.einsum("a,snta->snt", v, np.tanh(np.concatenate([q, k], axis=-1) @ both.T))


def additive_by_query(queries, keys, v, W, U):
    projected = keys @ U.T
    return np.array([(np.tanh(projected + q @ W.T) @ v).T for q in queries])


def softmax_rows(e, mask):
    weights = np.zeros(e.shape)
    for at in np.ndindex(*e.shape[:2]):
        weights[at][mask[at]] = rows(e[at][mask[at]])
    return weights


def softmax_in_place(e, mask):
    e = e.copy()
    e[~mask] = -1e30
    e -= e.max(axis=-1, keepdims=True)
    np.exp(e, out=e)
    e *= mask
    e /= e.sum(axis=-1, keepdims=True)
    return e


def attend_matmul(e, values, lengths):
    weights = softmax_in_place(
        e, np.broadcast_to(np.arange(len(values)) < lengths[:, None], e.shape)
    )
    return batch_first(batch_first(weights) @ batch_first(values)), weights


def attend_loops(e, values, lengths):
    weights, contexts = np.zeros(e.shape), np.zeros((*e.shape[:2], values.shape[2]))
    for n, length in enumerate(lengths):
        for i in range(len(e)):
            weights[i, n, :length] = rows(e[i, n, :length])
            contexts[i, n] = weights[i, n] @ values[:, n]
    return contexts, weights


def attend_backward_jacobian(dcontexts, weights, values):
    T = len(values)
    jacobian = weights[..., None] * (np.eye(T) - weights[..., None, :])
    dweights = (dcontexts[:, :, None] * batch_first(values)).sum(axis=-1)
    dvalues = (weights[..., None] * dcontexts[:, :, None]).sum(axis=0)
    return (jacobian @ dweights[..., None])[..., 0], batch_first(dvalues)


def attend_backward_centred(dcontexts, weights, values):
    """Σ_t α_t v_t·∇_c by the context, when the weights sum to anything."""
    contexts = np.einsum("snt,tnv->snv", weights, values)
    along = np.einsum("snv,snv->sn", contexts, dcontexts)
    de = np.empty(weights.shape)
    for t, value in enumerate(values):
        de[..., t] = weights[..., t] * ((value * dcontexts).sum(axis=-1) - along)
    return de, np.array([(w[..., None] * dcontexts).sum(0) for w in np.moveaxis(weights, 2, 0)])


def additive_backward_flat(de, z, queries, keys, v, W, U):
    S, N, T, A = z.shape
    delta = ((1 - z) * (1 + z) * (de[..., None] * v)).reshape(-1, A)
    q = np.repeat(queries.reshape(S * N, -1), T, axis=0)
    k = np.broadcast_to(batch_first(keys), (S, N, T, keys.shape[2])).reshape(S * N * T, -1)
    dq = (delta @ W).reshape(S, N, T, -1).sum(axis=2)
    dk = (delta @ U).reshape(S, N, T, -1).sum(axis=0)
    return dq, batch_first(dk), z.reshape(-1, A).T @ de.ravel(), delta.T @ q, delta.T @ k


def additive_backward_by_query(de, z, queries, keys, v, W, U):
    dq, dk = np.empty_like(queries), np.zeros_like(keys)
    dv, dW, dU = np.zeros_like(v), np.zeros_like(W), np.zeros_like(U)
    for i in reversed(range(len(de))):
        zi = batch_first(z[i])
        error = v * de[i].T[..., None]
        delta = error - error * zi**2
        dv += np.tensordot(de[i].T, zi, 2)
        dk += delta @ U
        dU += np.tensordot(delta, keys, ((0, 1), (0, 1)))
        per_query = delta.sum(0)
        dW += per_query.T @ queries[i]
        dq[i] = per_query @ W
    return dq, dk, dv, dW, dU


def local_rows(e, queries, v, W, lengths, D):
    p, weights = np.zeros(e.shape[:2]), np.zeros(e.shape)
    for i, n in np.ndindex(*p.shape):
        p[i, n] = lengths[n] / (1 + math.exp(-(v @ np.tanh(W @ queries[i, n]))))
        t = np.arange(1, lengths[n] + 1)
        t = t[abs(t - p[i, n]) <= D]
        weights[i, n, t - 1] = rows(e[i, n, t - 1]) * np.exp(-((t - p[i, n]) ** 2) * 2 / D / D)
    return p, weights


def local_gauss_inside(e, queries, v, W, lengths, D):
    """The Gaussian as a number added to the exponent, after the softmax's sum is fixed."""
    p = lengths * 0.5 * (1 + np.tanh((np.tanh(queries @ W.T) * v).sum(-1) / 2))
    t = np.arange(e.shape[2]) + 1.0
    squared = (t - p[..., None]) ** 2
    real = (t <= lengths[:, None]) & (squared <= D**2)
    e = np.where(real, e, -1e30)
    top = e.max(-1, keepdims=True)
    log_sum = top + np.log(np.exp(e - top).sum(-1, keepdims=True))
    return p, np.where(real, np.exp(e - log_sum - squared / (2 * (D / 2) ** 2)), 0.0)


def self_rows(xs, W_query, W_key, W_value, lengths, causal):
    T, N, _ = xs.shape
    ys, weights = np.zeros((T, N, len(W_value))), np.zeros((T, N, T))
    for n, length in enumerate(lengths):
        q, k, v = (xs[:length, n] @ W.T for W in (W_query, W_key, W_value))
        for i in range(length):
            last = i + 1 if causal else length
            weights[i, n, :last] = rows(k[:last] @ q[i] / math.sqrt(len(q[i])))
        ys[:length, n] = weights[:length, n, :length] @ v
    return ys, weights


def self_matmul(xs, W_query, W_key, W_value, lengths, causal):
    T = len(xs)
    x = batch_first(xs)
    e = (x @ W_query.T) @ (x @ W_key.T).transpose(0, 2, 1) * len(W_query) ** -0.5
    steps = np.arange(T)
    real = steps < lengths[:, None]
    mask = np.tril(np.ones((T, T), bool)) if causal else np.ones((T, T), bool)
    weights = softmax_in_place(e, mask & real[:, None]) * real[..., None]
    return batch_first(weights @ (x @ W_value.T)), batch_first(weights)


def self_backward_rows(dys, weights, q, k, v, xs, W_query, W_key, W_value):
    dq, dk, dv = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    for n in range(xs.shape[1]):
        a = weights[:, n]
        dv[:, n] = a.T @ dys[:, n]
        d = dys[:, n] @ v[:, n].T
        de = a * d - a * (a * d).sum(1)[:, None]
        dq[:, n] = de @ k[:, n] / math.sqrt(q.shape[2])
        dk[:, n] = de.T @ q[:, n] / math.sqrt(q.shape[2])
    flat = xs.reshape(-1, xs.shape[2])
    dxs = np.concatenate([dq, dk, dv], 2) @ np.concatenate([W_query, W_key, W_value])
    return dxs, *(d.reshape(-1, d.shape[2]).T @ flat for d in (dq, dk, dv))


def self_backward_batched(dys, weights, q, k, v, xs, W_query, W_key, W_value):
    a, dy = batch_first(weights), batch_first(dys)
    q, k, v, x = map(batch_first, (q, k, v, xs))
    scale = q.shape[2] ** -0.5
    dv = a.transpose(0, 2, 1) @ dy
    along = ((a @ v) * dy).sum(-1, keepdims=True)
    de = scale * a * (dy @ v.transpose(0, 2, 1) - along)
    dq, dk = de @ k, de.transpose(0, 2, 1) @ q
    dx = dv @ W_value
    dx += dq @ W_query
    dx += dk @ W_key
    return batch_first(dx), *((d.transpose(0, 2, 1) @ x).sum(0) for d in (dq, dk, dv))


def pool_rows(hs, lengths, W, b, u):
    pooled, weights = np.zeros(hs.shape[1:]), np.zeros(hs.shape[1::-1])
    for n, length in enumerate(lengths):
        own = hs[:length, n]
        weights[n, :length] = rows(np.tanh(own @ W.T + b) @ u)
        pooled[n] = weights[n, :length] @ own
    return pooled, weights


def pool_time_major(hs, lengths, W, b, u):
    e = np.tanh(b + np.einsum("ah,tnh->tna", W, hs)) @ u
    e = np.where(np.arange(len(hs))[:, None] < lengths, e, -1e30)
    alpha = np.exp(e - e.max(axis=0))
    alpha /= alpha.sum(axis=0)
    return (alpha[..., None] * hs).sum(axis=0), alpha.T


def pool_backward_rows(dpooled, hs, us, weights, W, u):
    dhs, dW, db, du = np.zeros(hs.shape), np.zeros(W.shape), np.zeros(len(W)), np.zeros(len(W))
    for n, a in enumerate(weights):
        d = hs[:, n] @ dpooled[n]
        de = a * d - a * (a @ d)
        delta = de[:, None] * u - de[:, None] * u * us[:, n] ** 2
        dhs[:, n] = np.outer(a, dpooled[n]) + delta @ W
        dW += delta.T @ hs[:, n]
        db += delta.sum(0)
        du += de @ us[:, n]
    return dhs, dW, db, du


def pool_backward_flat(dpooled, hs, us, weights, W, u):
    T, N, H = hs.shape
    pooled = np.einsum("nt,tnh->nh", weights, hs)
    de = (weights * (np.einsum("tnh,nh->nt", hs, dpooled) - (pooled * dpooled).sum(1)[:, None])).T
    delta = (np.outer(de, u).reshape(T, N, -1) * (1 - us) * (1 + us)).reshape(T * N, -1)
    dhs = (delta @ W).reshape(T, N, H)
    dhs += weights.T[:, :, None] * dpooled[None]
    return dhs, delta.T @ hs.reshape(T * N, H), delta.sum(0), de.ravel() @ us.reshape(T * N, -1)


def document_flattened(
    hs, word_counts, sentence_counts, W_word, b_word, u_word, W_sentence, b_sentence, u_sentence
):
    T, L, N, H = hs.shape
    flat = hs.reshape(T, L * N, H)
    sentences, alpha = pool_time_major(flat, word_counts.ravel(), W_word, b_word, u_word)
    documents, beta = pool_time_major(
        sentences.reshape(L, N, H), sentence_counts, W_sentence, b_sentence, u_sentence
    )
    return documents, alpha.reshape(L, N, T), beta


def document_rows(
    hs, word_counts, sentence_counts, W_word, b_word, u_word, W_sentence, b_sentence, u_sentence
):
    T, L, N, H = hs.shape
    documents, alpha, beta = np.zeros((N, H)), np.zeros((L, N, T)), np.zeros((N, L))
    for n in range(N):
        vectors = np.zeros((L, H))
        for j in range(L):
            own = hs[: word_counts[j, n], j, n]
            alpha[j, n, : len(own)] = rows(np.tanh(own @ W_word.T + b_word) @ u_word)
            vectors[j] = alpha[j, n, : len(own)] @ own
        real = vectors[: sentence_counts[n]]
        beta[n, : len(real)] = rows(np.tanh(real @ W_sentence.T + b_sentence) @ u_sentence)
        documents[n] = beta[n] @ vectors
    return documents, alpha, beta


CLOTHES = {
    "scores": [scores_matmul, scores_loops],
    "additive_scores": [additive_concatenated, additive_by_query],
    "masked_softmax": [softmax_rows, softmax_in_place],
    "attend": [attend_matmul, attend_loops],
    "attend_backward": [attend_backward_jacobian, attend_backward_centred],
    "additive_backward": [additive_backward_flat, additive_backward_by_query],
    "local_weights": [local_rows, local_gauss_inside],
    "self_attention": [self_rows, self_matmul],
    "self_attention_backward": [self_backward_rows, self_backward_batched],
    "pool": [pool_rows, pool_time_major],
    "pool_backward": [pool_backward_rows, pool_backward_flat],
    "pool_document": [document_flattened, document_rows],
}
