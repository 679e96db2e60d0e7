"""Chapter 10's functions written a second time, for the hidden tests."""

import math

import numpy as np


def scores(queries, keys, W, kind):
    e = np.zeros((queries.shape[0], queries.shape[1], keys.shape[0]))
    for i, n, t in np.ndindex(*e.shape):
        q, k = queries[i, n], keys[t, n]
        if kind == "general":
            e[i, n, t] = sum(q[a] * W[a, c] * k[c] for a in range(len(q)) for c in range(len(k)))
            continue
        product = sum(a * c for a, c in zip(q, k, strict=True))
        if kind == "cosine":
            product /= sum(a * a for a in q) ** 0.5 * sum(c * c for c in k) ** 0.5
        if kind == "scaled_dot":
            product /= len(k) ** 0.5
        e[i, n, t] = product
    return e


def additive_scores(queries, keys, v, W, U):
    e = np.zeros((queries.shape[0], queries.shape[1], keys.shape[0]))
    both = np.hstack([W, U])
    for i, n, t in np.ndindex(*e.shape):
        e[i, n, t] = v @ np.tanh(both @ np.concatenate([queries[i, n], keys[t, n]]))
    return e


def masked_softmax(e, mask):
    weights = np.zeros(e.shape)
    for i, n in np.ndindex(*e.shape[:2]):
        open_places = [t for t in range(e.shape[2]) if mask[i, n, t]]
        for t in open_places:
            weights[i, n, t] = 1 / sum(
                math.exp(min(e[i, n, u] - e[i, n, t], 700.0)) for u in open_places
            )
    return weights


def attend(e, values, lengths):
    contexts, weights = np.zeros((*e.shape[:2], values.shape[2])), np.zeros(e.shape)
    for i, n in np.ndindex(*e.shape[:2]):
        own = e[i, n, : lengths[n]]
        p = np.exp(own - max(own))
        for t, share in enumerate(p / sum(p)):
            weights[i, n, t] = share
            contexts[i, n] += share * values[t, n]
    return contexts, weights


def attend_backward(dcontexts, weights, values):
    de, dvalues = np.zeros(weights.shape), np.zeros(values.shape)
    for i, n in np.ndindex(*weights.shape[:2]):
        a = weights[i, n]
        jacobian = np.diag(a) - np.outer(a, a)
        de[i, n] = jacobian @ np.array([row @ dcontexts[i, n] for row in values[:, n]])
        dvalues[:, n] += np.outer(a, dcontexts[i, n])
    return de, dvalues


def additive_backward(de, z, queries, keys, v, W, U):
    dqueries, dkeys = np.zeros(queries.shape), np.zeros(keys.shape)
    dv, dW, dU = np.zeros(v.shape), np.zeros(W.shape), np.zeros(U.shape)
    for i, n, t in np.ndindex(*de.shape):
        delta = np.diag(1 - z[i, n, t] ** 2) @ v * de[i, n, t]
        dv += de[i, n, t] * z[i, n, t]
        dW += np.outer(delta, queries[i, n])
        dU += np.outer(delta, keys[t, n])
        dqueries[i, n] += W.T @ delta
        dkeys[t, n] += U.T @ delta
    return dqueries, dkeys, dv, dW, dU


def local_weights(e, queries, v, W, lengths, D):
    S, N, T = e.shape
    places, weights = np.zeros((S, N)), np.zeros((S, N, T))
    for i, n in np.ndindex(S, N):
        a = sum(v[k] * math.tanh(W[k] @ queries[i, n]) for k in range(len(v)))
        place = places[i, n] = lengths[n] * (1 + math.tanh(a / 2)) / 2
        near = [t for t in range(1, lengths[n] + 1) if place - D <= t <= place + D]
        top = max(e[i, n, t - 1] for t in near)
        total = sum(math.exp(e[i, n, t - 1] - top) for t in near)
        for t in near:
            bell = math.exp(-((t - place) ** 2) / (2 * (D / 2) ** 2))
            weights[i, n, t - 1] = math.exp(e[i, n, t - 1] - top) / total * bell
    return places, weights


def self_attention(xs, W_query, W_key, W_value, lengths, causal):
    T, N, _ = xs.shape
    ys, weights = np.zeros((T, N, len(W_value))), np.zeros((T, N, T))
    for n in range(N):
        for i in range(lengths[n]):
            seen = i + 1 if causal else lengths[n]
            q = W_query @ xs[i, n]
            e = np.array([q @ (W_key @ xs[t, n]) for t in range(seen)]) / len(q) ** 0.5
            p = np.exp(e - max(e))
            weights[i, n, :seen] = p / sum(p)
            ys[i, n] = sum(weights[i, n, t] * (W_value @ xs[t, n]) for t in range(seen))
    return ys, weights


def self_attention_backward(dys, weights, q, k, v, xs, W_query, W_key, W_value):
    T, N, _ = xs.shape
    dxs = np.zeros(xs.shape)
    dquery, dkey, dvalue = (np.zeros(W.shape) for W in (W_query, W_key, W_value))
    for n in range(N):
        for i in range(T):
            a = weights[i, n]
            jacobian = np.diag(a) - np.outer(a, a)
            de = jacobian @ v[:, n] @ dys[i, n] / q.shape[2] ** 0.5
            for t in range(T):
                dvalue += np.outer(a[t] * dys[i, n], xs[t, n])
                dquery += np.outer(de[t] * k[t, n], xs[i, n])
                dkey += np.outer(de[t] * q[i, n], xs[t, n])
                dxs[t, n] += W_value.T @ (a[t] * dys[i, n]) + W_key.T @ (de[t] * q[i, n])
                dxs[i, n] += W_query.T @ (de[t] * k[t, n])
    return dxs, dquery, dkey, dvalue


def pool(hs, lengths, W, b, u):
    T, N, H = hs.shape
    pooled, weights = np.zeros((N, H)), np.zeros((N, T))
    for n in range(N):
        e = [float(u @ np.tanh(W @ hs[t, n] + b)) for t in range(lengths[n])]
        p = np.exp(np.array(e) - max(e))
        for t in range(lengths[n]):
            weights[n, t] = p[t] / sum(p)
            pooled[n] += weights[n, t] * hs[t, n]
    return pooled, weights


def pool_backward(dpooled, hs, us, weights, W, u):
    T, N, _ = hs.shape
    dhs, dW = np.zeros(hs.shape), np.zeros(W.shape)
    db, du = np.zeros(u.shape), np.zeros(u.shape)
    for n in range(N):
        jacobian = np.diag(weights[n]) - np.outer(weights[n], weights[n])
        de = jacobian @ np.array([hs[t, n] @ dpooled[n] for t in range(T)])
        for t in range(T):
            delta = np.diag(1 - us[t, n] ** 2) @ u * de[t]
            dhs[t, n] = weights[n, t] * dpooled[n] + W.T @ delta
            dW += np.outer(delta, hs[t, n])
            db += delta
            du += de[t] * us[t, n]
    return dhs, dW, db, du


def summed(rows, W, b, u):
    e = [float(u @ np.tanh(W @ row + b)) for row in rows]
    p = np.exp(np.array(e) - max(e))
    p /= sum(p)
    return sum(share * row for share, row in zip(p, rows, strict=True)), p


def pool_document(
    hs, word_counts, sentence_counts, W_word, b_word, u_word, W_sentence, b_sentence, u_sentence
):
    T, L, N, H = hs.shape
    documents, alpha, beta = np.zeros((N, H)), np.zeros((L, N, T)), np.zeros((N, L))
    for n in range(N):
        sentences = []
        for j in range(L):
            count = word_counts[j, n]
            vector, alpha[j, n, :count] = summed(hs[:count, j, n], W_word, b_word, u_word)
            sentences.append(vector)
        count = sentence_counts[n]
        documents[n], beta[n, :count] = summed(
            sentences[:count], W_sentence, b_sentence, u_sentence
        )
    return documents, alpha, beta
