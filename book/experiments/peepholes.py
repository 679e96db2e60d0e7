"""Which peepholes one unit needs to ring: silent until exactly five steps after a spike.

The output is h of the unit itself. All cells get the same training: a choice of peepholes is the
only difference. About a second a run on one core.
"""

from typing import Any

import numpy as np

from lib import tree
from lib.bptt import Recurrent
from lib.data import Batch
from lib.losses import squared_error
from lib.optim import Adam
from lib.peephole import PeepholeLSTM
from lib.training import fit

SEEDS = tuple(range(10))
STEPS, DELAY, UPDATES, RATE, CLIP, BATCH, JUDGED = 10, 5, 400, 0.1, 1.0, 8, 256
SUBSETS = ("none", "i", "f", "o", "if", "io", "fo", "ifo")
RUNS = [f"{subset}/{seed}" for seed in SEEDS for subset in SUBSETS]


def rings(rng: np.random.Generator, count: int) -> Batch:
    """Draw spikes, and rings some steps later, which have four times the weight."""
    xs, targets = np.zeros((2, STEPS, count, 1), np.float32)
    at, rows = rng.integers(0, STEPS - DELAY, count), np.arange(count)
    xs[at, rows] = targets[at + DELAY, rows] = 1
    return Batch(xs, targets, None, 1 + 3 * targets[..., 0])


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Train one unit; return the share of other sequences that it gets right at every step."""
    subset, seed = key.split("/")
    rng = np.random.default_rng(int(seed))
    layer = Recurrent(PeepholeLSTM(1, 1, "" if subset == "none" else subset))
    params = tree.scale(layer.init(rng), 2.0)
    params.b[1] = 3.0

    def loss_and_gradient(params: Any, batch: Batch) -> tuple[float, Any]:
        ys, _, cache = layer.forward(params, batch.xs)
        loss, dys = squared_error(ys, batch.targets, batch.mask)
        return loss, layer.backward(params, cache, dys)[0]

    fitted = fit(
        loss_and_gradient,
        tree.tree_map(lambda p: p.astype(np.float32), params),
        (rings(rng, BATCH) for _ in range(steps or UPDATES)),
        Adam(RATE, clip_norm=CLIP),
        steps or UPDATES,
        quiet=True,
    )
    test = rings(rng, JUDGED)
    hs = layer.forward(fitted.params, test.xs)[0]
    right = ((hs > 0.5) == (test.targets > 0.5)).all(axis=(0, 2)).mean()
    error = ((hs - test.targets) ** 2).sum(axis=(0, 2)).mean()
    return {
        "beginning": fitted.history.loss[:2].tolist(),
        "right": float(right),
        "error": float(error),
    }
