"""What a network is fed in training, and what it can then do by itself.

An Elman network reads eight values of a sine of unknown period and phase, then writes twenty-four
of its own. It is trained with the right values as inputs (forced), with its own (free), or with
its own at a share of the steps that grows over training (scheduled; no gradient through what was
fed). Seconds a run on one core.
"""

from typing import Any

import numpy as np

from lib import tree
from lib.bptt import Recurrent
from lib.networks import ManyToMany, NetworkParams, Output
from lib.optim import Adam
from lib.rnn import RNN, RNNState

SEEDS = (0, 1, 2)
GIVEN, WRITTEN, HIDDEN, BATCH, UPDATES, RATE, CLIP = 8, 24, 24, 32, 600, 1e-2, 1.0
ALONE = (np.arange(GIVEN + WRITTEN) >= GIVEN)[:, None, None]
RUNS = [f"{way}/{seed}" for seed in SEEDS for way in ("forced", "scheduled", "free")]


def sines(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw sines (T + 1, N, 1) of amplitude 0.8, with periods from 8 to 16 steps."""
    t = np.arange(GIVEN + WRITTEN + 1)[:, None, None]
    period, phase = rng.uniform(8, 16, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))
    return 0.8 * np.sin(2 * np.pi * t / period + phase)


def write(
    params: NetworkParams, cell: RNN, xs: np.ndarray, own: np.ndarray
) -> tuple[list[Any], list[np.ndarray], np.ndarray]:
    """Predict xs[1:] step by step; where ``own`` (T, N, 1), from what was predicted before."""
    layer, output = params
    state = cell.initial_state(xs.shape[1])
    ys: list[np.ndarray] = []
    caches, states = [], []
    for t in range(len(xs) - 1):
        x = np.where(own[t], ys[-1], xs[t]) if t else xs[0]
        state, cache = cell.step(layer, x, state)
        ys.append(state.h @ output.V.T + output.c)
        caches.append(cache)
        states.append(state.h)
    return caches, states, np.array(ys)


def way_back(
    params: NetworkParams, cell: RNN, done: Any, dys: np.ndarray, own: np.ndarray | None
) -> Any:
    """Carry errors back; through what was fed too, where ``own`` is given."""
    layer, output = params
    caches, states, _ = done
    grads = tree.zeros_like(params)
    dstate, dfed = RNNState(np.zeros_like(states[0])), np.zeros_like(dys[0])
    for t in reversed(range(len(dys))):
        dy = dys[t] + dfed
        dlayer, dx, dstate = cell.step_backward(
            layer, caches[t], RNNState(dstate.h + dy @ output.V)
        )
        doutput = type(output)(dy.T @ states[t], dy.sum(axis=0))
        grads = tree.add(grads, NetworkParams(dlayer, doutput))
        dfed = np.zeros_like(dx) if own is None else dx * own[t]
    return grads


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Train one network; return its mean squared errors with the teacher and by itself."""
    way, seed = key.split("/")
    rng = np.random.default_rng([50, int(seed)])
    cell = RNN(1, HIDDEN)
    params = ManyToMany(Recurrent(cell), Output(HIDDEN, 1)).init(rng)
    optimiser = Adam(RATE, clip_norm=CLIP)
    state = optimiser.init(params)
    losses = []
    for k in range(steps or UPDATES):
        xs = sines(rng, BATCH)
        share = {"forced": 0.0, "free": 1.0, "scheduled": min(1.0, 1.5 * k / UPDATES)}[way]
        own = ALONE & (rng.random((len(ALONE), BATCH, 1)) < share)
        done = write(params, cell, xs, own)
        wrong = done[2] - xs[1:]
        losses.append(float((wrong**2).sum() / BATCH))
        grads = way_back(params, cell, done, 2 * wrong / BATCH, own if way == "free" else None)
        params, state = optimiser.update(params, grads, state)
    xs = sines(np.random.default_rng(99), 500)
    result: dict[str, Any] = {"beginning": losses[:2]}
    for used, mask in (("forced", np.zeros_like(ALONE)), ("free", ALONE)):
        own = np.broadcast_to(mask, (len(mask), 500, 1))
        errors = ((write(params, cell, xs, own)[2] - xs[1:]) ** 2).mean(axis=(1, 2))
        result |= {used: errors.tolist(), f"{used} error": float(errors[GIVEN:].mean())}
    return result | {"silence": float((xs[1:] ** 2).mean())}
