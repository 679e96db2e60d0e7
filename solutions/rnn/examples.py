"""Draws of chapter 1's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end


def rnn_step(rng, N=2, D=3, H=4, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
    }


def rnn_forward(rng, T, N, D, H, lengths=None):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "lengths": np.full(N, T) if lengths is None else np.array(lengths),
    }


def output_loss(rng, T, N, H, K, scale=1.0, masked=False):
    return {
        "hs": rng.uniform(-1, 1, size=(T, N, H)),
        "V": scale * rng.normal(size=(K, H)),
        "c": rng.normal(size=K),
        "targets": rng.integers(K, size=(T, N)),
        "mask": (rng.random((T, N)) < 0.6).astype(float) if masked else np.ones((T, N)),
    }


def vector_input_forward(rng, T=4, N=2, M=3, K=5, H=4, mode="both"):
    return {
        "x": rng.normal(size=(N, M)),
        "ys": np.eye(K)[rng.integers(K, size=(T, N))],
        "U": rng.normal(size=(H, K)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "R": rng.normal(size=(H, M)),
        "P": rng.normal(size=(H, M)),
        "p": rng.normal(size=H),
        "mode": mode,
    }


def vector_input_backward(rng, T, N, M, H):
    return {
        "deltas": rng.normal(size=(T, N, H)),
        "x": rng.normal(size=(N, M)),
        "R": rng.normal(size=(H, M)),
    }


def output_to_hidden_forward(rng, T, N, D, H, K, scale=1.0):
    o0 = rng.random((N, K))
    return {
        "xs": rng.normal(size=(T, N, D)),
        "o0": o0 / o0.sum(axis=1, keepdims=True),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, K)),
        "b": rng.normal(size=H),
        "V": scale * rng.normal(size=(K, H)),
        "c": rng.normal(size=K),
    }


def output_to_hidden_step_backward(rng, N, H, K, real=True):
    o_prev, o = rng.random((N, K)) + 0.1, rng.random((N, K)) + 0.1
    if real:
        o_prev, o = o_prev / o_prev.sum(1, keepdims=True), o / o.sum(1, keepdims=True)
    else:
        o = at_end(o, 0.0)
    return {
        "o_prev": o_prev,
        "h": rng.uniform(-1, 1, (N, H)) if real else at_end(rng.normal(scale=2.0, size=(N, H))),
        "o": o,
        "do": rng.normal(size=(N, K)),
        "W": rng.normal(size=(H, K)),
        "V": rng.normal(size=(K, H)),
    }


def many_to_one_backward(rng, T, H, K, lengths):
    N = len(lengths)
    return {
        "hs": rng.normal(scale=2.0, size=(T, N, H)),
        "lengths": np.array(lengths),
        "ds": rng.normal(size=(N, K)),
        "V": rng.normal(size=(K, H)),
    }


def sample(rng, N, K, temperature, scale=1.0):
    return {
        "logits": scale * rng.normal(size=(N, K)),
        "temperature": temperature,
        "u": rng.random(N),
    }


def perplexity(rng, T, lengths):
    mask = (np.arange(T)[:, None] < np.array(lengths)).astype(float)
    return {"log_probs": np.log(rng.uniform(0.05, 0.9, mask.shape)), "mask": mask}
