"""Draws of chapter 4's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end
from lib.bptt import Recurrent
from lib.lstm import LSTM, LSTM1997, LSTMParams, LSTMState


def lstm_gates(rng, N, D, H, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=4 * H),
    }


def lstm_state(rng, N, H, scale=1.0):
    return {
        "i": rng.random((N, H)),
        "f": rng.random((N, H)),
        "g": rng.uniform(-1, 1, (N, H)),
        "o": rng.random((N, H)),
        "c_prev": scale * rng.normal(size=(N, H)),
    }


def state_backward(rng, N, H, real=True):
    draw = (
        (lambda: rng.random((N, H)))
        if real
        else (lambda: at_end(rng.normal(scale=2.0, size=(N, H))))
    )
    values = {k: draw() for k in "ifgo"}
    c_prev = rng.normal(size=(N, H))
    c = values["f"] * c_prev + values["i"] * values["g"]
    return {
        "dh": rng.normal(size=(N, H)),
        "dc_next": rng.normal(size=(N, H)),
        **values,
        "c_prev": c_prev,
        "tanh_c": np.tanh(c) if real else at_end(rng.normal(scale=2.0, size=(N, H))),
    }


def gates_backward(rng, N, D, H, real=True):
    draw = (lambda: rng.random((N, H))) if real else (lambda: at_end(2 * rng.normal(size=(N, H))))
    values = {k: draw() for k in "ifgo"}
    return {
        **{f"d{k}": rng.normal(size=(N, H)) for k in "ifgo"},
        **values,
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.normal(size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
    }


def lstm_forward(rng, T, N, D, H, lengths=None):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, size=(N, H)),
        "c0": rng.normal(size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=4 * H),
        "lengths": np.full(N, T) if lengths is None else np.array(lengths),
    }


def lstm_backward(rng, T, N, D, H, real=True):
    params = LSTMParams(
        rng.normal(size=(4 * H, D)), rng.normal(size=(4 * H, H)), rng.normal(size=4 * H)
    )
    xs = rng.normal(size=(T, N, D))
    if real:
        state = LSTMState(rng.uniform(-1, 1, (N, H)), rng.normal(size=(N, H)))
        steps = Recurrent(LSTM(D, H)).forward(params, xs, state)[2].steps
        gates = np.concatenate([steps.i, steps.f, steps.g, steps.o], axis=2)
        cache = [steps.h, steps.c, gates, steps.tanh_c]
    else:
        cache = [at_end(rng.normal(size=(T, N, k * H))) for k in (1, 1, 4, 1)]
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "dh_last": rng.normal(size=(N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": xs,
        "h_prevs": cache[0],
        "c_prevs": cache[1],
        "gates": cache[2],
        "tanh_cs": cache[3],
        "U": params.U,
        "W": params.W,
    }


def lstm_backward_padded(rng, T, D, H, lengths):
    N = len(lengths)
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "dh_last": rng.normal(size=(N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "h_prevs": rng.normal(size=(T, N, H)),
        "c_prevs": rng.normal(size=(T, N, H)),
        "gates": at_end(rng.normal(size=(T, N, 4 * H))),
        "tanh_cs": at_end(rng.normal(size=(T, N, H))),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "lengths": np.array(lengths),
    }


def truncated_backward(rng, T, N, D, H, real=True):
    params = LSTMParams(
        rng.normal(size=(3 * H, D)), rng.normal(size=(3 * H, H)), rng.normal(size=3 * H)
    )
    xs = rng.normal(size=(T, N, D))
    if real:
        state = LSTMState(rng.uniform(-1, 1, (N, H)), rng.normal(size=(N, H)))
        steps = Recurrent(LSTM1997(D, H)).forward(params, xs, state)[2].steps
        gates = np.concatenate([steps.i, steps.g, steps.o], axis=2)
        h_prevs, tanh_cs = steps.h, steps.tanh_c
    else:
        h_prevs, gates, tanh_cs = (at_end(rng.normal(size=(T, N, k * H))) for k in (1, 3, 1))
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": xs,
        "h_prevs": h_prevs,
        "gates": gates,
        "tanh_cs": tanh_cs,
        "U": params.U,
    }


def cell_jacobian(rng, H, real=True, scale=1.0):
    def gate():
        return rng.random(H) if real else at_end(rng.normal(scale=2.0, size=H))

    return {
        "i": gate(),
        "f": gate(),
        "g": gate(),
        "c_prev": scale * rng.normal(size=H),
        "o_prev": gate(),
        "W": rng.normal(size=(4 * H, H)),
    }


def parameter_count(rng, biases, largest=2000):
    D, H = rng.integers(1, largest + 1, size=2).tolist()
    return {"input_size": D, "hidden_size": H, "biases": biases}


def forget_bias_effect(rng, count, steps, low=-3.0, high=5.0):
    return {"bias": rng.uniform(low, high, count), "steps": steps}
