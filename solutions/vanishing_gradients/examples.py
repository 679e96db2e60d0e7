"""Draws of chapter 3's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end


def step_jacobian(rng, N, H, real=True):
    h = rng.uniform(-1, 1, (N, H)) if real else at_end(rng.normal(scale=2.0, size=(N, H)))
    return {"h": h, "W": rng.normal(size=(H, H))}


def linear_error(rng, N, H, steps):
    return {
        "W": rng.normal(size=(H, H)) / np.sqrt(H),
        "dh": rng.normal(size=(N, H)),
        "steps": steps,
    }


def error_norms(rng, T, N, H, real=True):
    hs = rng.uniform(-1, 1, (T, N, H)) if real else at_end(rng.normal(scale=1.5, size=(T, N, H)))
    return {"hs": hs, "W": rng.normal(size=(H, H)), "dh": rng.normal(size=(N, H))}


def error_bound(rng, H, slope, steps, triangular=False):
    W = rng.normal(size=(H, H))
    return {"W": np.triu(W, 1) if triangular else W, "slope": slope, "steps": steps}


def path_sum(rng, n=3, q=4, u=0, v=2):
    return {"W": rng.normal(size=(n, n)), "slopes": rng.uniform(0.1, 1, (q, n)), "u": u, "v": v}


def clip_by_value(rng, shape, v, scale=1.0):
    return {"g": scale * rng.normal(size=shape), "v": v}


def clip_by_norm(rng, shapes, v, scale=1.0):
    return {"grads": tuple(scale * rng.normal(size=shape) for shape in shapes), "v": v}


def leaky_forward(rng, T, N, D, H, spread=1.5):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, (N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "leak": spread * rng.normal(size=H),
    }


def leaky_backward(rng, T, N, D, H, real=True):
    xs, U, W = rng.normal(size=(T, N, D)), rng.normal(size=(H, D)), rng.normal(size=(H, H))
    leak, b, h = 1.5 * rng.normal(size=H), rng.normal(size=H), rng.uniform(-1, 1, (N, H))
    alpha = (1 + np.tanh(leak / 2)) / 2
    h_prevs, us = rng.normal(scale=1.5, size=(2, T, N, H))
    if real:
        for t in range(T):
            h_prevs[t], us[t] = h, np.tanh(b + xs[t] @ U.T + h @ W.T)
            h = alpha * h + (1 - alpha) * us[t]
    else:
        at_end(us)
    dhs = rng.normal(size=(T, N, H))
    return {"xs": xs, "h_prevs": h_prevs, "us": us, "dhs": dhs, "U": U, "W": W, "leak": leak}


def skip_forward(rng, T=5, N=2, D=3, H=4, d=3):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "past": rng.uniform(-1, 1, (d, N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)) / 2,
        "R": rng.normal(size=(H, H)) / 2,
        "b": rng.normal(size=H),
    }


def skip_backward(rng, T, N, D, H, d, real=True):
    xs, past = rng.normal(size=(T, N, D)), rng.uniform(-1, 1, (d, N, H))
    U, b = rng.normal(size=(H, D)), rng.normal(size=H)
    W, R = rng.normal(size=(2, H, H)) / 2
    hs = rng.normal(scale=1.5, size=(T, N, H))
    if real:
        states = [*past]
        for x in xs:
            states.append(np.tanh(b + x @ U.T + states[-1] @ W.T + states[-d] @ R.T))
        hs = np.array(states[d:])
    else:
        at_end(hs)
    dhs = rng.normal(size=(T, N, H))
    return {"xs": xs, "past": past, "hs": hs, "dhs": dhs, "U": U, "W": W, "R": R}


def flow_regulariser(rng, T, N, H, real=True, lengths=None):
    hs = rng.uniform(-1, 1, (T, N, H)) if real else rng.normal(scale=1.5, size=(T, N, H))
    dhs = rng.normal(size=(T, N, H)) * rng.uniform(0.01, 10, (T, N, 1))
    if lengths is not None:
        dhs[np.arange(T)[:, None] >= np.array(lengths)] = 0
    return {"W": rng.normal(size=(H, H)), "hs": hs, "dhs": dhs}


def flow_regulariser_backward(rng, T, N, H, real=True, zeros=False):
    p = rng.normal(size=(T, N, H))
    p *= rng.uniform(0.1, 1, (T, N, 1)) / np.linalg.norm(p, axis=2, keepdims=True)
    e = p @ rng.normal(size=(H, H)) if real else rng.normal(size=(T, N, H))
    if zeros:
        e[1:, 0] = 0
        p[2:, 1] = e[2:, 1] = 0
    return {"p": p, "e": e}
