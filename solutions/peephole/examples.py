"""Draws of chapter 6's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end
from lib.bptt import Recurrent
from lib.lstm import LSTMState
from lib.peephole import PeepholeLSTM, PeepholeParams


def peephole_step(rng, N, D, H, peepholes="ifo", scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "c_prev": 2 * rng.normal(size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=4 * H),
        **{f"p_{k}": rng.normal(size=H) if k in peepholes else None for k in "ifo"},
    }


def peephole_cell_backward(rng, N, H, real=True):
    draw = (
        (lambda: rng.random((N, H)))
        if real
        else (lambda: at_end(rng.normal(scale=2.0, size=(N, H))))
    )
    values = {k: draw() for k in "ifgo"}
    c_prev = 2 * rng.normal(size=(N, H))
    c = values["f"] * c_prev + values["i"] * values["g"]
    return {
        "dh": rng.normal(size=(N, H)),
        "dc_next": rng.normal(size=(N, H)),
        **values,
        "c_prev": c_prev,
        "tanh_c": np.tanh(c) if real else at_end(rng.normal(scale=2.0, size=(N, H))),
        **{f"p_{k}": rng.normal(size=H) for k in "ifo"},
    }


def peephole_step_backward(rng, N, D, H, real=True):
    draw = (lambda: rng.random((N, H))) if real else (lambda: at_end(2 * rng.normal(size=(N, H))))
    values = {k: draw() for k in "ifgo"}
    c_prev = 2 * rng.normal(size=(N, H))
    c = values["f"] * c_prev + values["i"] * values["g"] if real else rng.normal(size=(N, H))
    return {
        "dh": rng.normal(size=(N, H)),
        "dc_next": rng.normal(size=(N, H)),
        **values,
        "c_prev": c_prev,
        "c": c,
        "tanh_c": np.tanh(c) if real else at_end(rng.normal(scale=2.0, size=(N, H))),
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.normal(size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        **{f"p_{k}": rng.normal(size=H) for k in "ifo"},
    }


def peephole_forward(rng, T, N, D, H, lengths=None):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, size=(N, H)),
        "c0": rng.normal(size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=4 * H),
        **{f"p_{k}": rng.normal(size=H) for k in "ifo"},
        "lengths": np.full(N, T) if lengths is None else np.array(lengths),
    }


def peephole_backward(rng, T, N, D, H, real=True, lengths=None):
    shapes = [(4 * H, D), (4 * H, H), (4 * H,), (H,), (H,), (H,)]
    params = PeepholeParams(*(rng.normal(size=shape) for shape in shapes))
    xs = rng.normal(size=(T, N, D))
    lengths = np.full(N, T) if lengths is None else np.array(lengths)
    if real:
        state = LSTMState(rng.uniform(-1, 1, (N, H)), rng.normal(size=(N, H)))
        steps = Recurrent(PeepholeLSTM(D, H)).forward(params, xs, state, lengths)[2].steps
        gates = np.concatenate([steps.i, steps.f, steps.g, steps.o], axis=2)
        cache = [steps.h, steps.c, steps.c_new, gates, steps.squashed_c]
    else:
        cache = [at_end(rng.normal(size=(T, N, k * H))) for k in (1, 1, 1, 4, 1)]
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "dh_last": rng.normal(size=(N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": xs,
        "h_prevs": cache[0],
        "c_prevs": cache[1],
        "cs": cache[2],
        "tanh_cs": cache[4],
        "gates": cache[3],
        "U": params.U,
        "W": params.W,
        "p_i": params.p_i,
        "p_f": params.p_f,
        "p_o": params.p_o,
        "lengths": lengths,
    }


def graves_errors(rng, N, K, H):
    return {
        "delta_k": rng.normal(size=(N, K)),
        "delta_next": rng.normal(size=(N, 4 * H)),
        **{
            name: rng.normal(size=(N, H))
            for name in ("eps_s_next", "b_phi_next", "b_omega", "h_s", "dh_s", "df_omega")
        },
        "w_ck": rng.normal(size=(H, K)),
        "w_cj": rng.normal(size=(H, 4 * H)),
        **{name: rng.normal(size=H) for name in ("w_ci", "w_cf", "w_co")},
    }


def coupled_step(rng, N, D, H, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "c_prev": 2 * rng.normal(size=(N, H)),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
        "b": rng.normal(size=3 * H),
    }


def coupled_backward(rng, N, D, H, real=True):
    draw = (lambda: rng.random((N, H))) if real else (lambda: at_end(2 * rng.normal(size=(N, H))))
    values = {k: draw() for k in "fgo"}
    c_prev = 2 * rng.normal(size=(N, H))
    c = values["f"] * c_prev + (1 - values["f"]) * values["g"]
    return {
        "dh": rng.normal(size=(N, H)),
        "dc_next": rng.normal(size=(N, H)),
        **values,
        "c_prev": c_prev,
        "tanh_c": np.tanh(c) if real else at_end(rng.normal(scale=2.0, size=(N, H))),
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.normal(size=(N, H)),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
    }


def clockwork_step(rng, N=2, D=3, H=6, periods=(1, 2, 4), step=6):
    return {
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "periods": np.array(periods),
        "step": step,
    }


def depth_gated_step(rng, N, H, bias=0.0, scale=1.0):
    b = rng.normal(size=5 * H)
    b[4 * H :] += bias
    return {
        **{name: rng.uniform(-1, 1, size=(N, H)) for name in ("h_below", "h_prev")},
        **{name: scale * rng.normal(size=(N, H)) for name in ("c_below", "c_prev")},
        "U": rng.normal(size=(5 * H, H)),
        "W": rng.normal(size=(4 * H, H)),
        "b": b,
        "p_c": rng.normal(size=H),
        "p_below": rng.normal(size=H),
    }
