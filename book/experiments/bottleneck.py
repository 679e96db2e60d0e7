"""What fits through a context of fixed size, and what attention changes: lists of dates.

The same lists for all: one to three dates in four ways of writing, to be written as ISO dates.
The decoder has 64 units; the encoder's size, which is the context's, is varied. With attention
the decoder also looks at the encoder's outputs, one-way or two-way, and is given a third of the
steps. About a minute a run on one core.
"""

from typing import Any

import numpy as np

from lib import dates, tree
from lib.attention import Attention
from lib.attention_decoder import AttentionEncoderDecoder
from lib.bidirectional import Bidirectional
from lib.encoder_decoder import EncoderDecoder
from lib.gru import GRU
from lib.optim import Adam
from lib.scores import Additive
from lib.search import beam_search, greedy
from lib.training import fit, minibatches

SEEDS = (0,)
SIZES = (16, 32, 64, 128)
STEPS = {"context": 2400, "attention": 800, "two-way": 800}
MOST, STYLES, TRAINED, HELD_OUT = 3, (0, 1, 2, 4), 10_000, 600
EMBEDDING, DECODER, SCORE, BATCH, RATE, CLIP = 16, 64, 32, 64, 1e-2, 1.0
BIN, LEAST = 8, 10  # characters; lists that a share needs
EVERY = 100  # losses are kept as means over so many steps
RUNS = [f"{run}/{seed}" for seed in SEEDS for run in ("context/16", "context/64", "attention/64")]


def data(seed: int) -> tuple[dates.DateLists, dates.DateLists]:
    """Draw the lists to train on and those held out."""
    rng = np.random.default_rng([9, seed])
    train = dates.draw_lists(rng, TRAINED, MOST, STYLES)
    return train, dates.draw_lists(rng, HELD_OUT, MOST, STYLES)


def model(kind: str, size: int) -> EncoderDecoder:
    """Make a network whose encoder has ``size`` units, in each direction."""
    symbols = dates.SOURCE.size, dates.TARGET.size
    if kind == "context":
        decoder = GRU(EMBEDDING + size, DECODER)
        return EncoderDecoder(GRU(EMBEDDING, size), decoder, *symbols)
    encoder: Any = GRU(EMBEDDING, size)
    width = size
    if kind == "two-way":
        encoder, width = Bidirectional(encoder, GRU(EMBEDDING, size)), 2 * size
    return AttentionEncoderDecoder(
        encoder,
        GRU(EMBEDDING + width, DECODER),
        *symbols,
        attention=Attention(Additive(DECODER, width, SCORE)),
    )


def tokens_of(answer: Any, lists: dates.DateLists) -> np.ndarray:
    """Put what was written into an array of the targets' shape."""
    tokens = np.full(lists.targets.shape, -1)
    tokens[: len(answer.tokens)] = answer.tokens
    return tokens


def right(tokens: np.ndarray, lists: dates.DateLists) -> np.ndarray:
    """Tell which dates of each list are without a mistake: (N, most), NaN where none is."""
    same = (tokens == lists.targets)[:-1].reshape(-1, 10, lists.size).all(axis=1).T.astype(float)
    same[np.arange(same.shape[1]) >= lists.counts[:, None]] = np.nan
    return same


def shares(same: np.ndarray, lists: dates.DateLists) -> dict[str, Any]:
    """Return the shares of dates and lists that are right, and those of dates by characters."""
    result: dict[str, Any] = {"one": 0.0, "two": 0.0, "three": 0.0}
    edges = range(0, int(lists.lengths.max()), BIN)
    by_length = []
    for count, name in enumerate(("one", "two", "three"), start=1):
        own = lists.counts == count
        result[name] = float(np.nanmean(same[own]))
        result[f"{name} whole"] = float((np.nanmin(same[own], axis=1) == 1).mean())
        bins = [own & (lists.lengths >= low) & (lists.lengths < low + BIN) for low in edges]
        by_length.append([float(np.nanmean(same[b])) if b.sum() >= LEAST else None for b in bins])
    return result | {"by length": by_length}


def run(key: str, steps: int | None = None) -> dict[str, Any]:
    """Train one network and judge it on lists that it has not seen."""
    kind, size, seed = key.split("/")
    lists, held_out = data(int(seed))
    network = model(kind, int(size))
    rng = np.random.default_rng([10, int(seed)])
    start = tree.tree_map(lambda leaf: leaf.astype(np.float32), network.init(rng))
    fitted = fit(
        lambda params, batch: network.loss_and_gradient(
            params, batch.xs, batch.targets, batch.lengths, batch.target_lengths
        ),
        start,
        minibatches(lists, BATCH, rng, pool=8),
        Adam(RATE, clip_norm=CLIP),
        steps or STEPS[kind],
        quiet=True,
    )
    losses, params = fitted.history.loss, fitted.params
    result: dict[str, Any] = {"beginning": losses[:2].tolist(), "parameters": tree.size(start)}
    if steps is not None:
        return result
    result["losses"] = losses.reshape(-1, EVERY).mean(axis=1).tolist()
    longest = len(held_out.targets)
    free = tokens_of(
        greedy(network, params, held_out.xs, held_out.lengths, max_length=longest), held_out
    )
    result |= shares(right(free, held_out), held_out)
    forced, _ = network.forward(
        params, held_out.xs, held_out.targets, held_out.lengths, held_out.target_lengths
    )
    real = np.arange(longest)[:, None] < held_out.target_lengths
    result["forced"] = float((forced.tokens.argmax(axis=-1) == held_out.targets)[real].mean())
    result["free"] = float((free == held_out.targets)[real].mean())
    if kind == "context" and int(size) == DECODER:
        result |= beams(network, params, held_out)
    if kind != "context":
        result["aligned"] = aligned(network, params, held_out, free)
    return result


def beams(network: EncoderDecoder, params: Any, lists: dates.DateLists) -> dict[str, Any]:
    """Search a third of the lists with beams of several widths."""
    some = lists.take(np.arange(HELD_OUT // 3))
    result = {}
    for width in (1, 2, 4):
        answer = beam_search(
            network, params, some.xs, some.lengths, width=width, max_length=len(some.targets)
        )
        exact = tokens_of(answer, some) == some.targets
        real = np.arange(len(some.targets))[:, None] < some.target_lengths
        result[f"beam {width}"] = float((exact | ~real).all(axis=0).mean())
        result[f"beam {width} likelihood"] = float(answer.log_likelihood.mean())
    return result


def aligned(network: Any, params: Any, lists: dates.DateLists, free: np.ndarray) -> list[Any]:
    """Return where the decoder looked, for a list of one date and one of three, both right."""
    whole = np.nanmin(right(free, lists), axis=1) == 1
    result = []
    for count in (1, 3):
        found = np.flatnonzero((lists.counts == count) & whole & (lists.lengths > 15 * count))
        if not len(found):
            continue
        one = lists.take(found[:1])
        weights = network.align(params, one.xs, one.targets, one.lengths)[: 10 * count, 0]
        result.append(
            {"read": one.written[0], "written": one.iso[0], "weights": weights.round(2).tolist()}
        )
    return result
