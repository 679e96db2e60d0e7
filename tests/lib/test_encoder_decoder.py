"""Encoder–decoder: gradients, likelihoods, endings, and searches against exhaustive ones."""

import itertools
import warnings

import numpy as np
import pytest
import torch

from lib import gradient_check, tree
from lib.clockwork import ClockworkRNN
from lib.deep import Stacked
from lib.dense import embed, embed_backward
from lib.encoder_decoder import EncoderDecoder
from lib.endings import (
    EndSymbol,
    LengthFirst,
    Predictions,
    StopUnit,
    log_likelihood,
    log_stopping,
    loss,
)
from lib.gru import GRU
from lib.lstm import LSTM
from lib.lstm_variants import DepthGatedLSTM
from lib.rnn import RNN
from lib.search import beam_search, greedy, sample
from lib.writer import (
    CONTEXTS,
    Bridge,
    ContextDecoder,
    Memory,
    bridge,
    hidden,
    hidden_backward,
)

SOURCE_LENGTHS = np.array([5, 2, 4])
TARGET_LENGTHS = np.array([1, 3, 2])
ENDINGS = {"symbol": EndSymbol(), "stop": StopUnit(), "length": LengthFirst(4)}


def normal(rng, like, scale=0.6):
    return tree.tree_map(lambda leaf: scale * rng.standard_normal(leaf.shape), like)


def build(context="both", ending="symbol", cell=RNN, encoder=None, hidden_size=5):
    """A model whose sizes all differ, with random weights and biases."""
    encoder = cell(2, 4) if encoder is None else encoder
    width = hidden(encoder.initial_state(1)).shape[1]
    ending = ENDINGS[ending]
    extra = (width if context != "initial_state" else 0) + ending.width
    model = EncoderDecoder(encoder, cell(3 + extra, hidden_size), 6, 4, context, ending)
    rng = np.random.default_rng(7)
    return model, normal(rng, model.init(rng))


def data(T_x=5, T_y=3, N=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 6, (T_x, N)), rng.integers(0, 4, (T_y, N))


def judge(model, params, *batch):
    _, dparams = model.loss_and_gradient(params, *batch)

    def value(at):
        predictions, _ = model.forward(at, *batch)
        return loss(predictions, batch[1], batch[3])[0]

    # below 1e-3 the rounding of the differences themselves, some 1e-11, would count
    numerical = gradient_check.numerical_gradient(value, params)
    assert gradient_check.compare(dparams, numerical, floor=1e-3).relative < 1e-7
    return dparams


@pytest.mark.equations(
    "encoder-decoder-embedding",
    "encoder-decoder-context",
    "encoder-decoder-every-step",
    "encoder-decoder-initial-state",
    "encoder-decoder-teacher-forcing",
    "encoder-decoder-output",
    "encoder-decoder-output-backward",
    "encoder-decoder-context-backward",
    "encoder-decoder-bridge-backward",
    "encoder-decoder-likelihood",
    "encoder-decoder-stop",
    "encoder-decoder-length",
)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_gradient_through_decoder_bridge_and_encoder(context, ending):
    model, params = build(context, ending)
    judge(model, params, *data(), SOURCE_LENGTHS, TARGET_LENGTHS)


@pytest.mark.parametrize("context", CONTEXTS)
def test_gradient_with_a_cell_state(context):
    model, params = build(context, cell=LSTM)
    dparams = judge(model, params, *data(), SOURCE_LENGTHS, TARGET_LENGTHS)
    assert tree.norm(dparams.encoder) > 1e-3


@pytest.mark.parametrize(
    "decoder",
    [
        ClockworkRNN(7, 4, (1, 2)),
        DepthGatedLSTM(7, 2, 2),
        Stacked([GRU(7, 3), LSTM(3, 2)]),
    ],
    ids=["clockwork", "depth-gated", "stacked"],
)
def test_gradient_with_any_decoder(decoder):
    """What is neither h nor c, such as a clock, is not the bridge's business."""
    model = EncoderDecoder(ClockworkRNN(2, 4, (1, 2)), decoder, 6, 4)
    params = normal(np.random.default_rng(0), model.init(np.random.default_rng(0)))
    judge(model, params, *data(), SOURCE_LENGTHS, TARGET_LENGTHS)
    straight = greedy(model, params, data()[0], max_length=4)
    one = beam_search(model, params, data()[0], width=1, max_length=4)
    np.testing.assert_array_equal(straight.tokens, one.tokens)


def test_gradient_without_padding():
    model, params = build("both", "length", cell=LSTM)
    judge(model, params, *data(), None, None)


@pytest.mark.equations("encoder-decoder-likelihood", "encoder-decoder-output")
def test_agrees_with_torch():
    model, params = build("both", cell=LSTM)
    sources, targets = data()
    at = tree.tree_map(lambda leaf: torch.tensor(leaf, requires_grad=True), params)

    def run(cell, xs, state):
        h, c = state
        hs = []
        for x in xs:
            i, f, g, o = (x @ cell.U.T + h @ cell.W.T + cell.b).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            hs.append(h)
        return torch.stack(hs), (h, c)

    zero = torch.zeros(3, 4, dtype=torch.float64)
    _, (context, _) = run(at.encoder, at.source[torch.tensor(sources)], (zero, zero))
    joined = torch.tanh(context @ at.writer.bridge.P.T + at.writer.bridge.p)
    previous = torch.tensor(np.concatenate([np.full((1, 3), 4), targets[:-1]]))
    inputs = torch.cat([at.target[previous], context.expand(3, 3, 4)], dim=2)
    hs, _ = run(at.writer.decoder, inputs, joined.split(5, dim=1))
    logits = hs @ at.output.V.T + at.output.c
    expected = torch.nn.functional.cross_entropy(
        logits.reshape(9, 4), torch.tensor(targets).reshape(9), reduction="sum"
    )
    expected = expected / 3
    expected.backward()
    value, dparams = model.loss_and_gradient(params, sources, targets)
    predictions, _ = model.forward(params, sources, targets)
    np.testing.assert_allclose(predictions.tokens, logits.detach().numpy(), rtol=0, atol=1e-10)
    assert abs(value - expected.item()) < 1e-10
    for (name, got), leaf in zip(tree.named_leaves(dparams), tree.leaves(at), strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.equations("encoder-decoder-context")
def test_context_is_every_h_and_the_last_within_the_length():
    model, params = build(cell=LSTM)
    sources, _ = data()
    memory, cache = model.encode(params, sources, SOURCE_LENGTHS)
    for n, length in enumerate(SOURCE_LENGTHS):
        np.testing.assert_array_equal(memory.context[n], memory.hs[length - 1, n])
    nested = (cache.state, cache.state)
    assert hidden(nested).shape == (3, 8)
    back = hidden_backward(nested, np.arange(24.0).reshape(3, 8))
    np.testing.assert_array_equal(back[1].h[0], [4, 5, 6, 7])
    assert not back[0].c.any()


@pytest.mark.equations("encoder-decoder-initial-state")
def test_bridge_fills_every_field():
    rng = np.random.default_rng(1)
    like = LSTM(2, 3).initial_state(2)
    params = Bridge(rng.standard_normal((6, 4)), rng.standard_normal(6))
    context = rng.standard_normal((2, 4))
    state = bridge(params, context, like)
    expected = np.tanh(context @ params.P.T + params.p)
    np.testing.assert_allclose(np.concatenate(state, axis=1), expected, atol=1e-15)
    assert type(state) is type(like)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_padding_changes_nothing(context, ending):
    model, params = build(context, ending, cell=LSTM)
    sources, targets = data()
    value, dparams = model.loss_and_gradient(
        params, sources, targets, SOURCE_LENGTHS, TARGET_LENGTHS
    )
    junk_x = np.where(np.arange(7)[:, None] < SOURCE_LENGTHS, np.pad(sources, ((0, 2), (0, 0))), 5)
    junk_y = np.where(np.arange(4)[:, None] < TARGET_LENGTHS, np.pad(targets, ((0, 1), (0, 0))), 3)
    again, dagain = model.loss_and_gradient(params, junk_x, junk_y, SOURCE_LENGTHS, TARGET_LENGTHS)
    assert abs(value - again) < 1e-12
    assert gradient_check.compare(dparams, dagain).absolute < 1e-12


@pytest.mark.equations("encoder-decoder-likelihood")
@pytest.mark.parametrize("ending", ENDINGS)
def test_loss_is_the_mean_of_rows(ending):
    model, params = build(ending=ending)
    sources, targets = data()
    predictions, _ = model.forward(params, sources, targets, SOURCE_LENGTHS, TARGET_LENGTHS)
    rows = []
    for n in range(3):
        x = sources[: SOURCE_LENGTHS[n], n : n + 1]
        y = targets[: TARGET_LENGTHS[n], n : n + 1]
        alone, _ = model.forward(params, x, y)
        rows.append(loss(alone, y)[0])
    together = log_likelihood(predictions, targets, TARGET_LENGTHS)
    np.testing.assert_allclose(together, -np.array(rows), atol=1e-12)
    assert abs(loss(predictions, targets, TARGET_LENGTHS)[0] - np.mean(rows)) < 1e-12


def everything(model, params, sources, limit):
    """All sequences that end within ``limit``, with their log-likelihoods, from forward."""
    found = {}
    for length in range(1, limit + 1):
        all_of = [
            tokens
            for tokens in itertools.product(range(model.target_size), repeat=length)
            if model.ending != EndSymbol()
            or [k == 0 for k in tokens] == [False] * (length - 1) + [True]
        ]
        y = np.array(all_of).T
        predictions, _ = model.forward(params, np.repeat(sources, len(all_of), axis=1), y)
        found.update(zip(all_of, log_likelihood(predictions, y), strict=True))
    return found


@pytest.mark.equations(
    "encoder-decoder-end-symbol", "encoder-decoder-stop", "encoder-decoder-length"
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_probabilities_of_all_sequences_sum_to_one(ending):
    """All of at most 4 symbols, and for two endings what goes on beyond, make up 1."""
    model, params = build(ending=ending)
    sources, _ = data(N=1)
    total = np.exp(list(everything(model, params, sources, 4).values())).sum()
    if ending != "length":
        symbols = [k for k in range(4) if ending != "symbol" or k != 0]
        for tokens in itertools.product(symbols, repeat=4):
            y = np.array(tokens)[:, None]
            predictions, _ = model.forward(params, sources, y)
            value = log_likelihood(predictions._replace(stop=None), y)[0]
            if ending == "stop":
                value -= np.logaddexp(0, predictions.stop[:, 0]).sum()
            total += np.exp(value)
    assert abs(total - 1) < 1e-12


@pytest.mark.equations("encoder-decoder-beam")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
def test_wide_beam_is_the_exhaustive_search(ending, penalty):
    model, params = build(ending=ending, cell=LSTM)
    params = tree.scale(params, 2.0)
    sources, _ = data(N=4)
    lengths = np.array([5, 3, 4, 2])
    got = beam_search(
        model, params, sources, lengths, width=700, max_length=4, length_penalty=penalty
    )
    for n in range(4):
        all_of = everything(model, params, sources[: lengths[n], n : n + 1], 4)
        best = max(all_of, key=lambda y, all_of=all_of: all_of[y] / len(y) ** penalty)
        assert tuple(got.tokens[: got.lengths[n], n]) == best
        assert abs(got.log_likelihood[n] - all_of[best]) < 1e-10
    assert got.ended.all()


@pytest.mark.equations("encoder-decoder-beam", "encoder-decoder-greedy")
@pytest.mark.parametrize("ending", ENDINGS)
def test_beam_of_one_is_greedy(ending):
    model, params = build(ending=ending)
    sources, _ = data(N=6, seed=3)
    one = beam_search(model, params, sources, width=1, max_length=5)
    straight = greedy(model, params, sources, max_length=5)
    for a, b in zip(one, straight, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.equations("encoder-decoder-greedy")
@pytest.mark.parametrize("ending", ENDINGS)
def test_greedy_takes_the_likeliest_symbol(ending):
    model, params = build(ending=ending, cell=LSTM)
    sources, _ = data(N=5, seed=2)
    lengths = np.array([5, 1, 3, 2, 4])
    got = greedy(model, params, sources, lengths, max_length=4)
    predictions, _ = model.forward(params, sources, got.tokens, lengths, got.lengths)
    live = np.arange(len(got.tokens))[:, None] < got.lengths
    best = predictions.tokens.argmax(axis=-1)
    np.testing.assert_array_equal(best[live], got.tokens[live])
    assert not got.tokens[~live].any()
    told = log_likelihood(predictions, got.tokens, got.lengths)[got.ended]
    np.testing.assert_allclose(got.log_likelihood[got.ended], told, atol=1e-12)
    if ending == "stop":
        last = np.arange(len(got.tokens))[:, None] == got.lengths - 1
        np.testing.assert_array_equal((predictions.stop > 0)[live], (last & got.ended)[live])
    if ending == "length":
        np.testing.assert_array_equal(got.lengths, predictions.length.argmax(axis=1) + 1)


@pytest.mark.equations("encoder-decoder-sampling")
@pytest.mark.parametrize("ending", ENDINGS)
def test_sampling_follows_the_likelihood(ending):
    model, params = build(ending=ending)
    sources, _ = data(N=1)
    draws = 20000
    got = sample(
        model,
        params,
        np.repeat(sources, draws, axis=1),
        rng=np.random.default_rng(5),
        max_length=4,
    )
    for tokens, value in everything(model, params, sources, 2).items():
        hits = (got.lengths == len(tokens)) & got.ended
        hits &= (got.tokens[: len(tokens)] == np.array(tokens)[:, None]).all(axis=0)
        spread = np.sqrt(np.exp(value) * draws)
        assert abs(hits.sum() - np.exp(value) * draws) < 5 * spread + 1
        np.testing.assert_allclose(got.log_likelihood[hits], value, atol=1e-10)


@pytest.mark.equations("encoder-decoder-sampling")
def test_temperature():
    """Towards 0 sampling is greedy; very high, every symbol is as likely."""
    model, params = build()
    sources, _ = data(N=1)
    many = np.repeat(sources, 2000, axis=1)
    cold = sample(model, params, many, rng=np.random.default_rng(0), max_length=4, temperature=1e-6)
    straight = greedy(model, params, many, max_length=4)
    np.testing.assert_array_equal(cold.tokens, straight.tokens)
    hot = sample(model, params, many, rng=np.random.default_rng(0), max_length=4, temperature=1e6)
    counts = np.bincount(hot.tokens[0], minlength=4)
    assert np.abs(counts - 500).max() < 100


def test_a_cut_off_sequence_is_marked():
    model, params = build()
    params = params._replace(output=params.output._replace(c=np.array([-50.0, 0, 1, 0])))
    sources, _ = data()
    for got in (
        greedy(model, params, sources, max_length=3),
        beam_search(model, params, sources, width=2, max_length=3),
    ):
        assert not got.ended.any()
        np.testing.assert_array_equal(got.lengths, 3)


@pytest.mark.equations("encoder-decoder-beam")
def test_length_normalisation_favours_longer():
    model, params = build()
    sources, _ = data(N=8, seed=1)
    plain = beam_search(model, params, sources, width=200, max_length=6, length_penalty=0)
    long = beam_search(model, params, sources, width=200, max_length=6, length_penalty=2)
    assert (long.lengths >= plain.lengths).all()
    assert (long.lengths > plain.lengths).any()


def test_trains_on_reversal():
    """A few dozen steps of plain gradient descent halve the loss twice."""
    model = EncoderDecoder(RNN(6, 16), RNN(6 + 16, 16), 5, 5)
    rng = np.random.default_rng(0)
    params = model.init(rng)
    sources = rng.integers(1, 5, (2, 32))
    targets = np.concatenate([sources[::-1], np.zeros((1, 32), int)])
    first, _ = model.loss_and_gradient(params, sources, targets)
    for _ in range(150):
        value, dparams = model.loss_and_gradient(params, sources, targets)
        params = tree.tree_map(lambda p, g: p - 0.2 * g, params, dparams)
    assert value < first / 4


def test_float32_is_kept_and_nothing_modified():
    for ending in ENDINGS:
        model, params = build(ending=ending, cell=LSTM)
        params = tree.tree_map(lambda leaf: leaf.astype(np.float32), params)
        sources, targets = data()
        kept = [leaf.copy() for leaf in (*tree.leaves(params), sources, targets)]
        predictions, cache = model.forward(params, sources, targets, SOURCE_LENGTHS, TARGET_LENGTHS)
        _, dpredictions = loss(predictions, targets, TARGET_LENGTHS)
        before = [leaf.copy() for leaf in tree.leaves(dpredictions)]
        dparams = model.backward(params, cache, dpredictions)
        again = model.backward(params, cache, dpredictions)
        assert gradient_check.compare(dparams, again).absolute == 0
        for leaf in tree.leaves((predictions, dpredictions, dparams)):
            assert leaf.dtype == np.float32
        greedy(model, params, sources, max_length=3)
        beam_search(model, params, sources, width=2, max_length=3)
        for old, leaf in zip(kept, (*tree.leaves(params), sources, targets), strict=True):
            np.testing.assert_array_equal(old, leaf)
        for old, leaf in zip(before, tree.leaves(dpredictions), strict=True):
            np.testing.assert_array_equal(old, leaf)


@pytest.mark.parametrize("ending", ENDINGS)
def test_huge_logits(ending):
    model, params = build(ending=ending)
    params = params._replace(output=tree.scale(params.output, 1e4))
    if params.ending is not None:
        params = params._replace(ending=tree.scale(params.ending, 1e4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, dparams = model.loss_and_gradient(params, *data())
        beam_search(model, params, data()[0], width=3, max_length=3)
    assert np.isfinite(value)
    assert np.isfinite(tree.norm(dparams))


def test_embedding():
    rng = np.random.default_rng(0)
    table, tokens = rng.standard_normal((5, 3)), rng.integers(0, 4, (4, 2))
    np.testing.assert_allclose(embed(table, tokens), np.eye(5)[tokens] @ table)
    dxs = rng.standard_normal((4, 2, 3))
    expected = np.eye(5)[tokens].reshape(8, 5).T @ dxs.reshape(8, 3)
    np.testing.assert_allclose(embed_backward(table, tokens, dxs), expected, atol=1e-14)


def test_bad_input():
    model, params = build()
    sources, targets = data()
    lengthy, its = build(ending="length")
    expected = {
        "sources": lambda: model.encode(params, sources + 6),
        "targets": lambda: model.forward(params, sources, targets[:, :2]),
        "lengths": lambda: model.forward(params, sources, targets, np.array([6, 1, 1])),
        "lengths: ": lambda: model.forward(params, sources, targets, None, np.array([0, 1, 1])),
        "sources: ": lambda: greedy(model, params, sources.astype(float), max_length=3),
        "max_length": lambda: greedy(model, params, sources, max_length=0),
        "temperature": lambda: sample(
            model, params, sources, rng=np.random.default_rng(0), max_length=2, temperature=0
        ),
        "width": lambda: beam_search(model, params, sources, width=0, max_length=2),
        "length_penalty": lambda: beam_search(
            model, params, sources, width=1, max_length=2, length_penalty=-1
        ),
        "context": lambda: build("sometimes"),
        "longest": lambda: LengthFirst(0),
        "end": lambda: EncoderDecoder(RNN(2, 2), RNN(6, 2), 3, 3, ending=EndSymbol(3)),
        "decoder": lambda: EncoderDecoder(RNN(2, 4), RNN(4, 2), 3, 3),
        "memory.context": lambda: ContextDecoder(RNN(5, 2), 3).forward(
            None, Memory(None, np.zeros((2, 4))), np.zeros((1, 2, 2))
        ),
        "dpredictions.tokens": lambda: model.backward(
            params,
            model.forward(params, sources, targets)[1],
            Predictions(np.zeros((3, 3, 5))),
        ),
        "targets: expected": lambda: loss(Predictions(np.zeros((2, 3, 4))), targets),
        "lengths: expected": lambda: loss(
            lengthy.forward(its, *data(T_y=5))[0], data(T_y=5)[1], np.array([5, 1, 1])
        ),
        "tokens": lambda: embed(np.zeros((3, 2)), np.array([3])),
    }
    for words, call in expected.items():
        with pytest.raises(ValueError, match=f"^{words}"):
            call()


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, np.float32(1e-30)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_smallest_temperatures_are_greedy(temperature, dtype):
    model, params = build()
    params = tree.tree_map(lambda leaf: leaf.astype(dtype), params)
    sources, _ = data()
    with np.errstate(all="raise", under="ignore"):
        got = sample(
            model,
            params,
            sources,
            rng=np.random.default_rng(0),
            max_length=4,
            temperature=temperature,
        )
    np.testing.assert_array_equal(got.tokens, greedy(model, params, sources, max_length=4).tokens)


@pytest.mark.parametrize("value", [np.inf, np.nan, -1, 0, None])
def test_temperatures_that_are_none(value):
    model, params = build()
    with pytest.raises(ValueError, match="temperature: expected a finite number above 0"):
        sample(
            model, params, data()[0], rng=np.random.default_rng(0), max_length=2, temperature=value
        )


@pytest.mark.parametrize("value", [np.inf, np.nan, -1, 1e6, None])
def test_length_penalties_that_are_none(value):
    model, params = build()
    with pytest.raises(ValueError, match="length_penalty: expected"):
        beam_search(model, params, data()[0], width=2, max_length=4, length_penalty=value)


def test_the_largest_length_penalty_takes_the_longest():
    model, params = build()
    sources, _ = data(N=8, seed=1)
    most = beam_search(model, params, sources, width=300, max_length=4, length_penalty=500)
    np.testing.assert_array_equal(most.lengths, 4)


def test_log_stopping_down_to_underflow():
    for dtype, most in ((np.float32, 80), (np.float64, 700)):
        z = np.array([-most, 0, most, np.inf], dtype)
        with np.errstate(all="raise", under="ignore"):
            log_go, log_stop = log_stopping(z)
        expected = -np.log1p(np.exp(z[:3].astype(np.longdouble)))
        np.testing.assert_allclose(log_go[:3], expected.astype(float), rtol=1e-6)
        assert log_go.dtype == log_stop.dtype == dtype
        assert (log_go[3], log_stop[3]) == (-np.inf, 0)
