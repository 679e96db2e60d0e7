"""tanh, LSTM and GRU with the same number of weights, on digits read pixel by pixel.

At most 2 000 weights each. The LSTM's forget gates and the GRU's update gates begin with the bias
that is drawn, and in rows of their own with 1. One rate for all, 32 images a step. Seconds a run
on one core.
"""

from typing import Any

import numpy as np

from lib import tree
from lib.bptt import Recurrent
from lib.data import Batch, digits
from lib.gru import GRU
from lib.losses import cross_entropy
from lib.lstm import LSTM
from lib.networks import ManyToOne, Output
from lib.optim import Adam
from lib.rnn import RNN
from lib.training import fit, minibatches

SEEDS = (0, 1, 2)
WEIGHTS, STEPS, EVERY, BATCH, RATE, CLIP = 2000, 400, 50, 32, 1e-2, 1.0
CELLS = {
    "tanh": RNN,
    "LSTM, drawn bias": LSTM,
    "LSTM, bias 1": lambda D, H: LSTM(D, H, forget_bias=1.0),
    "GRU, drawn bias": GRU,
    "GRU, bias 1": GRU,
}
RUNS = [f"{name}/{seed}" for seed in SEEDS for name in CELLS]


def units(make: Any) -> int:
    """Return the most units for which a cell has no more than so many weights."""
    rng = np.random.default_rng(0)
    return next(H for H in range(1, 100) if tree.size(make(1, H + 1).init(rng)) > WEIGHTS)


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Train one network; return its accuracy on held-out digits as training goes on."""
    name, seed = key.split("/")
    H = units(CELLS[name])
    cell = CELLS[name](1, H)
    rng = np.random.default_rng(int(seed))
    learn, test = (
        Batch(
            part.xs.transpose(1, 0, 2).reshape(1, part.size, 64).T.astype(np.float32).copy(),
            part.targets,
        )
        for part in digits(np.random.default_rng(0))
    )
    network = ManyToOne(Recurrent(cell), Output(H, 10))
    params = network.init(rng)
    if name == "GRU, bias 1":
        params.layer.b[H : 2 * H] = 1.0

    def loss_and_gradient(params: Any, batch: Batch) -> tuple[float, Any]:
        logits, _, cache = network.forward(params, batch.xs)
        loss, dlogits = cross_entropy(logits, batch.targets)
        return loss, network.backward(params, cache, dlogits)[0]

    def wrong(params: Any) -> float:
        if steps is not None:
            return 1.0
        logits = network.forward(params, test.xs)[0]
        return float((logits.argmax(axis=1) != test.targets).mean())

    history = fit(
        loss_and_gradient,
        tree.tree_map(lambda leaf: leaf.astype(np.float32), params),
        minibatches(learn, BATCH, rng),
        Adam(RATE, clip_norm=CLIP),
        steps or STEPS,
        evaluate=wrong,
        every=EVERY,
        quiet=True,
    ).history
    result: dict[str, Any] = {"beginning": history.loss[:2].tolist()}
    if steps is None:
        right = 1 - history.evaluation
        losses = history.loss.reshape(-1, EVERY).mean(axis=1)
        result |= {
            "units": H,
            "weights": tree.size(params.layer),
            "accuracy": right.tolist(),
            "losses": losses.tolist(),
        }
    return result
