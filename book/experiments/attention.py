"""A small network with attention that turns a date as people write it into ISO 8601.

All twelve ways of writing, held-out dates; about 15 000 weights, to be run in the page.
Some minutes on one core.
"""

from typing import Any

import numpy as np

from lib import dates, tree
from lib.attention import Attention
from lib.attention_decoder import AttentionEncoderDecoder
from lib.bidirectional import Bidirectional
from lib.gru import GRU
from lib.optim import Adam
from lib.scores import Additive
from lib.search import greedy
from lib.training import fit, minibatches

STEPS, TRAINED, HELD_OUT, BATCH = 1600, 20_000, 1000, 48
EMBEDDING, READER, WRITER, SCORE = 10, 20, 32, 20

MODEL = AttentionEncoderDecoder(
    Bidirectional(GRU(EMBEDDING, READER), GRU(EMBEDDING, READER)),
    GRU(EMBEDDING + 2 * READER, WRITER),
    dates.SOURCE.size,
    dates.TARGET.size,
    attention=Attention(Additive(WRITER, 2 * READER, SCORE)),
)


def data() -> tuple[dates.Dates, dates.Dates]:
    """Draw the dates to train on and those held out."""
    rng = np.random.default_rng([21, 0])
    return dates.draw(rng, TRAINED), dates.draw(rng, HELD_OUT)


def train(steps: int = STEPS) -> tuple[Any, np.ndarray]:
    """Return parameters and the loss of each step."""
    rng = np.random.default_rng([21, 1])
    start = tree.tree_map(lambda p: p.astype(np.float32), MODEL.init(rng))
    fitted = fit(
        lambda params, batch: MODEL.loss_and_gradient(
            params, batch.xs, batch.targets, batch.lengths
        ),
        start,
        minibatches(data()[0], BATCH, rng, pool=8),
        Adam(1e-2, clip_norm=1.0),
        steps,
        quiet=True,
    )
    return fitted.params, fitted.history.loss


def figure(params: Any) -> dict[str, Any]:
    """Return the weights, rounded, and how well they do on held-out dates."""
    rounded = tree.tree_map(lambda p: p.astype(np.float64).round(3), params)
    held_out = data()[1]
    answer = greedy(MODEL, rounded, held_out.xs, held_out.lengths, max_length=len(held_out.targets))
    tokens = np.full(held_out.targets.shape, -1)
    tokens[: len(answer.tokens)] = answer.tokens
    right = (tokens == held_out.targets).all(axis=0)
    writer = rounded.writer
    return {
        "right": round(float(right.mean()), 3),
        "source": list(dates.SOURCE.symbols),
        "target": list(dates.TARGET.symbols),
        "weights": {
            "source": rounded.source.tolist(),
            "forward": {k: getattr(rounded.encoder.forward, k).tolist() for k in "UWb"},
            "backward": {k: getattr(rounded.encoder.backward, k).tolist() for k in "UWb"},
            "target": rounded.target.tolist(),
            "bridge": {"W": writer.bridge.P.tolist(), "b": writer.bridge.p.tolist()},
            "score": {k: getattr(writer.attention, k).tolist() for k in "vWU"},
            "decoder": {k: getattr(writer.decoder, k).tolist() for k in "UWb"},
            "output": {"W": rounded.output.V.tolist(), "b": rounded.output.c.tolist()},
        },
    }
