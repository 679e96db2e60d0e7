"""Draws of chapter 10's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import ANYTHING, at_end

ABOVE = 1e12
"""About how far scores on padding lie above the others in a case that finds padding lowered by
a large number: lowered they must not be, but left out."""
BELOW = -2e4
"""About what all scores are in a case that finds padding filled with a large negative number."""


def spoiled(one, padding, fill=ANYTHING):
    """Put what no number should meet where scores may not matter."""
    e = one["e"].copy()
    e[padding] = np.resize(list(fill), e[padding].shape)
    return {**one, "e": e}


def behind_mask(one, fill=ANYTHING):
    return spoiled(one, ~one["mask"], fill)


def behind_lengths(one, fill=ANYTHING):
    padding = np.arange(one["e"].shape[2]) >= one["lengths"][:, None]
    return spoiled(one, np.broadcast_to(padding, one["e"].shape), fill)


def with_scores_below(one):
    return {**one, "e": one["e"] + BELOW}


def scores(rng, kind, S, T, N, Q, H):
    return {
        "queries": rng.normal(scale=1.5, size=(S, N, Q)),
        "keys": rng.normal(scale=1.5, size=(T, N, H)),
        "W": rng.normal(size=(Q, H)),
        "kind": kind,
    }


def additive_scores(rng, S, T, N, Q, H, A, scale=1.0):
    return {
        "queries": rng.normal(scale=scale, size=(S, N, Q)),
        "keys": rng.normal(scale=scale, size=(T, N, H)),
        "v": rng.normal(size=A),
        "W": rng.normal(size=(A, Q)),
        "U": rng.normal(size=(A, H)),
    }


def masked_softmax(rng, S, N, T, scale=1.0, behind=0.0):
    mask = rng.random((S, N, T)) < 0.6
    mask[..., rng.integers(T)] = True
    e = rng.normal(scale=scale, size=(S, N, T))
    return {"e": np.where(mask, e, e + behind), "mask": mask}


def attend(rng, S, T, V, lengths, scale=1.5):
    N = len(lengths)
    return {
        "e": rng.normal(scale=scale, size=(S, N, T)),
        "values": rng.normal(size=(T, N, V)),
        "lengths": np.array(lengths),
    }


def attend_backward(rng, S, T, N, V, real=True):
    weights = rng.random((S, N, T)) * (rng.random((S, N, T)) < 0.7) + 0.01
    return {
        "dcontexts": rng.normal(size=(S, N, V)),
        "weights": weights / weights.sum(axis=2, keepdims=True)
        if real
        else at_end(2 * weights, 0.0),
        "values": rng.normal(size=(T, N, V)),
    }


def additive_backward(rng, S, T, N, Q, H, A, real=True):
    one = {
        "de": rng.normal(size=(S, N, T)),
        "z": rng.normal(scale=1.7, size=(S, N, T, A)),
        "queries": rng.normal(size=(S, N, Q)),
        "keys": rng.normal(size=(T, N, H)),
        "v": rng.normal(size=A),
        "W": rng.normal(size=(A, Q)),
        "U": rng.normal(size=(A, H)),
    }
    if real:
        for i, n, t in np.ndindex(S, N, T):
            one["z"][i, n, t] = np.tanh(
                one["W"] @ one["queries"][i, n] + one["U"] @ one["keys"][t, n]
            )
    else:
        at_end(one["z"])
    return one


def local_weights(rng, S, T, Q, A, lengths, D, scale=1.0):
    N = len(lengths)
    return {
        "e": rng.normal(scale=scale, size=(S, N, T)),
        "queries": rng.normal(scale=1.5, size=(S, N, Q)),
        "v": rng.normal(scale=1.5, size=A),
        "W": rng.normal(size=(A, Q)),
        "lengths": np.array(lengths),
        "D": D,
    }


def self_attention(rng, T, D, K, V, lengths, causal, scale=1.0):
    return {
        "xs": rng.normal(scale=scale, size=(T, len(lengths), D)),
        "W_query": rng.normal(size=(K, D)),
        "W_key": rng.normal(size=(K, D)),
        "W_value": rng.normal(size=(V, D)),
        "lengths": np.array(lengths),
        "causal": causal,
    }


def self_attention_below(rng, T, D, K, V, lengths, causal):
    """Draw inputs and matrices with which all scores are about the same, far below zero."""
    one = self_attention(rng, T, D, K, V, lengths, causal)
    one["xs"] = 1 + 1e-4 * one["xs"]
    one["W_query"], one["W_key"] = np.abs(one["W_query"]), np.abs(one["W_key"])
    score = one["W_query"].sum(axis=1) @ one["W_key"].sum(axis=1) / np.sqrt(K)
    return {**one, "W_key": one["W_key"] * BELOW / score}


def self_attention_above(rng, T, D, K, V, lengths, causal):
    """Draw inputs with which some scores on padding lie far above all others."""
    one = self_attention(rng, T, D, K, V, lengths, causal)
    padding = np.arange(T)[:, None] >= one["lengths"]
    return {**one, "xs": np.where(padding[..., None], ABOVE, 1.0) * one["xs"]}


def self_attention_backward(rng, T, N, D, K, V, real=True):
    weights = rng.random((T, N, T)) + 0.05
    if real:
        weights *= np.tril(np.ones((T, T)))[:, None]
        weights /= weights.sum(axis=2, keepdims=True)
        weights[-1, 0] = 0.0
    else:
        at_end(weights, 0.0)
    one = {
        "dys": rng.normal(size=(T, N, V)),
        "weights": weights,
        "q": rng.normal(size=(T, N, K)),
        "k": rng.normal(size=(T, N, K)),
        "v": rng.normal(size=(T, N, V)),
        "xs": rng.normal(size=(T, N, D)),
        "W_query": rng.normal(size=(K, D)),
        "W_key": rng.normal(size=(K, D)),
        "W_value": rng.normal(size=(V, D)),
    }
    if real:
        names = {"q": "W_query", "k": "W_key", "v": "W_value"}
        one |= {name: one["xs"] @ one[matrix].T for name, matrix in names.items()}
    return one


def pool(rng, T, H, A, lengths, scale=1.0):
    return {
        "hs": rng.normal(size=(T, len(lengths), H)),
        "lengths": np.array(lengths),
        "W": rng.normal(size=(A, H)),
        "b": rng.normal(size=A),
        "u": rng.normal(scale=scale, size=A),
    }


def lowered(W, b, u):
    """Change parameters so that all scores are about the same, far below zero."""
    return 0.1 * W, np.full_like(b, 5.0), np.abs(u) * BELOW / np.abs(u).sum()


def rising(hs, W, b, u):
    """Put steps in the order of their scores, so that padding has the highest."""
    order = np.argsort(np.tanh(hs @ W.T + b) @ u, axis=0)
    return np.take_along_axis(hs, order[..., None], axis=0)


def pool_above(rng, T, H, A, lengths):
    one = pool(rng, T, H, A, lengths, ABOVE)
    return {**one, "hs": rising(one["hs"], one["W"], one["b"], one["u"])}


def pool_below(rng, T, H, A, lengths):
    one = pool(rng, T, H, A, lengths)
    return one | dict(zip("Wbu", lowered(one["W"], one["b"], one["u"]), strict=True))


def pool_backward(rng, T, N, H, A, real=True):
    hs, W, u = rng.normal(size=(T, N, H)), rng.normal(size=(A, H)), rng.normal(size=A)
    us, weights = rng.normal(scale=1.7, size=(T, N, A)), rng.random((N, T)) + 0.1
    if real:
        us = np.tanh(hs @ W.T + rng.normal(size=A))
        weights = np.exp(us @ u).T * (np.arange(T) < rng.integers(1, T + 1, size=(N, 1)))
        weights /= weights.sum(axis=1, keepdims=True)
    else:
        at_end(us)
        at_end(weights, 0.0)
    return {
        "dpooled": rng.normal(size=(N, H)),
        "hs": hs,
        "us": us,
        "weights": weights,
        "W": W,
        "u": u,
    }


def pool_document(rng, T, L, N, H, A, B, padded, scale=1.0):
    sentence_counts = rng.integers(1, L + 1, size=N) if padded else np.full(N, L)
    word_counts = rng.integers(1, T + 1, size=(L, N)) if padded else np.full((L, N), T)
    word_counts = np.where(np.arange(L)[:, None] < sentence_counts, word_counts, 1)
    return {
        "hs": rng.normal(size=(T, L, N, H)),
        "word_counts": word_counts,
        "sentence_counts": sentence_counts,
        "W_word": rng.normal(size=(A, H)),
        "b_word": rng.normal(size=A),
        "u_word": rng.normal(scale=scale, size=A),
        "W_sentence": rng.normal(size=(B, H)),
        "b_sentence": rng.normal(size=B),
        "u_sentence": rng.normal(scale=scale, size=B),
    }


def pool_document_above(rng, T, L, N, H, A, B):
    one = pool_document(rng, T, L, N, H, A, B, True, ABOVE)
    return {**one, "hs": rising(one["hs"], *(one[f"{name}_word"] for name in "Wbu"))}


def pool_document_below(rng, T, L, N, H, A, B, level):
    one = pool_document(rng, T, L, N, H, A, B, True)
    names = [f"{name}_{level}" for name in "Wbu"]
    return one | dict(zip(names, lowered(*(one[name] for name in names)), strict=True))
