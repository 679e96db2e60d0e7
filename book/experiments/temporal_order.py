"""One benchmark for chapters 3, 4 and 5: in which order did two signals come, T steps long?

All networks have 16 units, and get 64 new sequences at each of at most 100 updates, by Adam at one
rate. All but the first are clipped at norm 1. Judged by the best accuracy on 200 other sequences.
Some minutes on one core for all.
"""

from typing import Any

import numpy as np

from lib import initializers, tasks, tree
from lib.bptt import Recurrent
from lib.clockwork import ClockworkRNN
from lib.gru import GRU
from lib.losses import cross_entropy
from lib.lstm import LSTM
from lib.networks import ManyToOne, Output
from lib.optim import Adam
from lib.rnn import RNN, RNNState
from lib.time_scales import LeakyRNN, SkipRNN, time_scales
from lib.training import fit
from lib.vanishing_gradients import flow_regulariser

SEEDS = (0, 1, 2)
LENGTHS = (20, 40, 60)
HIDDEN, BATCH, UPDATES, RATE, CLIP, JUDGED, EVERY, GOAL = 16, 64, 100, 2e-2, 1.0, 200, 20, 0.01


def cells(T: int) -> dict[str, Any]:
    """Return the cell of each row of the ranking, for sequences of T steps."""
    D, H = 8, HIDDEN
    several = (2, 3, T // 4, T // 2) * (H // 4)
    return {
        "no cure": RNN(D, H),
        "clipping": RNN(D, H),
        "regulariser": RNN(D, H),
        "orthogonal start": RNN(D, H),
        "identity start": RNN(D, H, "relu"),
        "skip, d = T÷4": SkipRNN(D, H, delay=T // 4),
        "removed, four delays": SkipRNN(D, H, delay=several, remove_short=True),
        "leaky, 1 to T": LeakyRNN(D, H, alpha=time_scales(H, 1, T)),
        "leaky, learned": LeakyRNN(D, H, alpha=0.9, learned=True),
        "clockwork": ClockworkRNN(D, H, periods=(1, 4, T // 4, T // 2)),
        "LSTM, drawn bias": LSTM(D, H),
        "LSTM, bias 1": LSTM(D, H, forget_bias=1.0),
        "LSTM, bias ln T": LSTM(D, H, forget_bias=float(np.log(T))),
        "GRU, drawn bias": GRU(D, H),
        "GRU, bias 1": GRU(D, H),
        "GRU, bias ln T": GRU(D, H),
    }


RUNS = [f"{name}/{T}/{seed}" for seed in SEEDS for name in cells(40) for T in LENGTHS]


def start(name: str, network: ManyToOne, T: int, rng: np.random.Generator) -> Any:
    """Draw parameters, and set what the cure sets."""
    H = HIDDEN
    params = network.init(rng)
    layer = params.layer
    if name == "orthogonal start":
        layer = layer._replace(W=initializers.orthogonal(rng, H))
    if name == "identity start":
        layer = layer._replace(W=initializers.identity(H), b=np.zeros(H))
    if name in ("GRU, bias 1", "GRU, bias ln T"):
        b = layer.b.copy()
        b[H : 2 * H] = 1.0 if name == "GRU, bias 1" else np.log(T)
        layer = layer._replace(b=b)
    return params._replace(layer=layer)


def guided(cell: Any, params: Any, batch: Any, steps: Any, dlogits: np.ndarray) -> np.ndarray:
    """Return the gradient of half the regulariser for W, along the run that ``steps`` caches."""
    N = batch.xs.shape[1]
    own = np.zeros((*batch.xs.shape[:2], HIDDEN))
    own[batch.lengths - 1, np.arange(N)] = dlogits @ params.output.V
    error = RNNState(np.zeros((N, HIDDEN)))
    for t in reversed(range(len(own))):
        own[t] += error.h
        _, _, error = cell.step_backward(params.layer, tree.at(steps, t), RNNState(own[t]))
    return 0.5 * flow_regulariser(params.layer.W, steps.h_new, own)[1]


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Train one network; return its best accuracy on sequences that it has not seen."""
    name, length, seed = key.split("/")
    T = int(length)
    rng = np.random.default_rng([int(seed), T])
    cell = cells(T)[name]
    network = ManyToOne(Recurrent(cell), Output(HIDDEN, 4))

    def loss_and_gradient(params: Any, batch: Any) -> tuple[float, Any]:
        logits, _, cache = network.forward(params, batch.xs, None, batch.lengths)
        loss, dlogits = cross_entropy(logits, batch.targets)
        grads = network.backward(params, cache, dlogits)[0]
        if name == "regulariser":
            dW = grads.layer.W + guided(cell, params, batch, cache.layer.steps, dlogits)
            grads = grads._replace(layer=grads.layer._replace(W=dW))
        return loss, grads

    def error(params: Any) -> float:
        logits, _, _ = network.forward(params, test.xs, None, test.lengths)
        return float((logits.argmax(axis=1) != test.targets).mean())

    params = start(name, network, T, rng)
    test = tasks.temporal_order(rng, JUDGED, T)
    history = fit(
        loss_and_gradient,
        params,
        (tasks.temporal_order(rng, BATCH, T) for _ in range(steps or UPDATES)),
        Adam(RATE, clip_norm=None if name == "no cure" else CLIP),
        steps or UPDATES,
        evaluate=error,
        every=EVERY,
        goal=GOAL,
        quiet=True,
    ).history
    result: dict[str, Any] = {"beginning": history.loss[:2].tolist()}
    if steps is None:
        result |= {"accuracy": 1 - float(history.evaluation.min()), "updates": len(history.loss)}
    return result
