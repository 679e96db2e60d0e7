"""Draws of chapter 2's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end
from lib.codec import Expression


def output_backward(rng, T, N, H, K, real=True, masked=False):
    os = rng.random((T, N, K)) + 0.1
    return {
        "os": os / os.sum(axis=-1, keepdims=True) if real else at_end(2 * os, 0.0),
        "hs": rng.uniform(-1, 1, (T, N, H)) if real else rng.normal(scale=2.0, size=(T, N, H)),
        "targets": rng.integers(K, size=(T, N)),
        "mask": (rng.random((T, N)) < 0.6).astype(float) if masked else np.ones((T, N)),
        "V": rng.normal(size=(K, H)),
    }


def rnn_step_backward(rng, N, D, H, real=True):
    scale = 0.6 if real else 2.0
    return {
        "dh": rng.normal(size=(N, H)),
        "h": np.tanh(rng.normal(size=(N, H))) if real else at_end(2 * rng.normal(size=(N, H))),
        "h_prev": scale * rng.normal(size=(N, H)),
        "x": rng.normal(size=(N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
    }


def rnn_backward(rng, T, N, D, H, real=True):
    one = {
        "dhs": rng.normal(size=(T, N, H)),
        "hs": rng.normal(scale=1.5, size=(T, N, H)),
        "h0": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "U": rng.normal(size=(H, D)),
        "W": 0.7 * rng.normal(size=(H, H)),
    }
    if real:
        h = one["h0"]
        for t in range(T):
            h = one["hs"][t] = np.tanh(one["xs"][t] @ one["U"].T + h @ one["W"].T)
    else:
        at_end(one["hs"])
    return one


def rnn_backward_padded(rng, T, D, H, lengths):
    N = len(lengths)
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "dh_last": rng.normal(size=(N, H)),
        "hs": at_end(rng.normal(scale=1.5, size=(T, N, H))),
        "h0": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "lengths": np.array(lengths),
        "U": rng.normal(size=(H, D)),
        "W": 0.7 * rng.normal(size=(H, H)),
    }


def truncated_backward(rng, T, N, D, H, k):
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "hs": at_end(rng.normal(scale=1.5, size=(T, N, H))),
        "h0": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "W": 0.7 * rng.normal(size=(H, H)),
        "k": k,
    }


def teacher_forced_backward(rng, T, N, D, H, K, real=True):
    os = rng.random((T, N, K)) + 0.1
    shape = (T, N, H)
    return {
        "xs": rng.normal(size=(T, N, D)),
        "ys_prev": np.eye(K)[rng.integers(K, size=(T, N))],
        "hs": np.tanh(rng.normal(size=shape)) if real else at_end(rng.normal(scale=2, size=shape)),
        "os": os / os.sum(axis=-1, keepdims=True) if real else at_end(os, 0.0),
        "ys": np.eye(K)[rng.integers(K, size=(T, N))],
        "V": rng.normal(size=(K, H)),
    }


def central_differences(source, x, epsilon=1e-5):
    return {"f": Expression(source), "x": x, "epsilon": epsilon}


def relative_error(rng, shape, floor=1e-6, far=1e-3):
    a = rng.normal(size=shape)
    return {"analytic": a, "numerical": a * (1 + far * rng.normal(size=shape)), "floor": floor}
