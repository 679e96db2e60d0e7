"""Draws of chapter 5's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end


def gru_step(rng, N=2, D=3, H=4, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
        "b": rng.normal(size=3 * H),
    }


def gru_step_after(rng, N=2, D=3, H=4, scale=1.0):
    return {**gru_step(rng, N, D, H, scale), "b_hn": rng.normal(size=H)}


def gru_step_backward(rng, N, D, H, real=True, gates="rzn"):
    def cached():
        return rng.uniform(0.1, 0.9, (N, H)) if real else at_end(1.5 * rng.normal(size=(N, H)))

    blocks = len(gates)
    return {
        "dh": rng.normal(size=(N, H)),
        "h_prev": rng.normal(size=(N, H)),
        "x": rng.normal(size=(N, D)),
        **{gate: cached() for gate in gates},
        "U": rng.normal(size=(blocks * H, D)),
        "W": rng.normal(size=(blocks * H, H)),
    }


def gru_step_after_backward(rng, N, D, H, real=True):
    return {**gru_step_backward(rng, N, D, H, real), "q": rng.normal(size=(N, H))}


def simplified_gru_backward(rng, N, D, H, real=True):
    return gru_step_backward(rng, N, D, H, real, gates="zn")


def gru_forward(rng, T, D, H, lengths):
    N = len(lengths)
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
        "b": rng.normal(size=3 * H),
        "lengths": np.array(lengths),
    }


def gru_backward(rng, T, D, H, lengths):
    N = len(lengths)
    shape = (T, N, H)
    return {
        "dhs": rng.normal(size=shape),
        "dh_last": rng.normal(size=(N, H)),
        "hs": rng.normal(size=shape),
        "h0": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "rs": at_end(rng.uniform(-0.3, 1.3, size=shape)),
        "zs": at_end(rng.uniform(-0.3, 1.3, size=shape), 0.0),
        "ns": at_end(rng.normal(size=shape), -1.0),
        "lengths": np.array(lengths),
        "U": rng.normal(size=(3 * H, D)),
        "W": 0.5 * rng.normal(size=(3 * H, H)),
    }


def flip_update_gate(rng, D=3, H=2):
    return {
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
        "b": rng.normal(size=3 * H),
    }
