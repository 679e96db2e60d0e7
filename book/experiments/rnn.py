"""What chapter 1's model of characters says about 200 characters that it was not trained on.

The model is the page's: 96 units, windows of 40 characters, seed 0. A minute on one core.
"""

from typing import Any

import numpy as np

from lib import tree
from lib.bptt import Recurrent
from lib.data import Batch, one_hot
from lib.losses import cross_entropy
from lib.networks import ManyToMany, Output
from lib.optim import Adam
from lib.rnn import RNN
from lib.text import read
from lib.training import fit, minibatches

STEPS, WINDOW, HIDDEN = 1200, 40, 96
TRAINED, SHOWN, UNITS = 54_000, 200, 8
START = 54_400  # the windows shown begin here

TEXT = read("python").text[:60_000]
SYMBOLS = sorted(set(TEXT))
IDS = np.array([SYMBOLS.index(character) for character in TEXT])
MODEL = ManyToMany(Recurrent(RNN(len(SYMBOLS), HIDDEN)), Output(HIDDEN, len(SYMBOLS)))


def windows(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into windows: inputs (T, N) and, one step on, targets (T, N)."""
    count = (len(ids) - 1) // WINDOW
    cut = count * WINDOW
    return ids[:cut].reshape(count, WINDOW).T, ids[1 : cut + 1].reshape(count, WINDOW).T


def train(steps: int = STEPS) -> tuple[Any, np.ndarray]:
    """Return parameters and the loss of each step."""
    inputs, targets = windows(IDS[:TRAINED])

    def loss_and_gradient(params: Any, batch: Batch) -> tuple[float, Any]:
        logits, _, cache = MODEL.forward(params, one_hot(batch.xs, len(SYMBOLS), np.float32))
        loss, dlogits = cross_entropy(logits, batch.targets)
        return loss, MODEL.backward(params, cache, dlogits)[0]

    rng = np.random.default_rng(0)
    start = tree.tree_map(lambda p: p.astype(np.float32), MODEL.init(rng))
    batches = minibatches(Batch(inputs, targets, None, np.ones(inputs.shape)), 32, rng)
    fitted = fit(loss_and_gradient, start, batches, Adam(4e-3, clip_norm=5.0), steps, quiet=True)
    return fitted.params, fitted.history.loss


def figure(params: Any) -> dict[str, Any]:
    """Return logits and some units' states at 200 characters, read in windows of 40.

    The units are those whose states vary most, each then the most different from those before.
    """
    inputs, targets = windows(IDS[START : START + SHOWN + 1])
    xs = one_hot(inputs, len(SYMBOLS), np.float32)
    logits, _, _ = MODEL.forward(params, xs)
    hs, _, _ = MODEL.layer.forward(params.layer, xs)
    states = hs.transpose(1, 0, 2).reshape(SHOWN, HIDDEN)
    likeness = np.abs(np.corrcoef(states.T))
    units = [int(states.std(axis=0).argmax())]
    while len(units) < UNITS:
        units.append(int(likeness[units].max(axis=0).argmin()))
    return {
        "symbols": "".join(SYMBOLS),
        "window": WINDOW,
        "read": "".join(SYMBOLS[k] for k in inputs.T.ravel()),
        "next": "".join(SYMBOLS[k] for k in targets.T.ravel()),
        "logits": logits.transpose(1, 0, 2).reshape(SHOWN, -1).astype(float).round(1).tolist(),
        "units": units,
        "states": states[:, units].T.astype(float).round(2).tolist(),
    }
