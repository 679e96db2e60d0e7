"""Attention: scores, masks, local, self, several heads, hierarchical, and in a decoder."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.attention import Attention, causal_mask, key_mask, masked_softmax
from lib.attention_decoder import AttentionDecoder, AttentionEncoderDecoder
from lib.bidirectional import Bidirectional
from lib.deep import Stacked
from lib.endings import EndSymbol, LengthFirst, StopUnit, loss
from lib.gru import GRU
from lib.hierarchical_attention import AttentionPooling, HierarchicalAttention
from lib.local_attention import LocalAttention
from lib.lstm import LSTM
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN
from lib.scores import Additive, Cosine, Dot, General, NoParams, ScaledDot
from lib.search import beam_search, greedy
from lib.self_attention import MultiHead, ProjectedAttention, SelfAttention, positions
from lib.writer import Memory

SCORES = {
    "cosine": (Cosine(), 3, 3),
    "dot": (Dot(), 3, 3),
    "scaled dot": (ScaledDot(), 3, 3),
    "general": (General(4, 3), 4, 3),
    "additive": (Additive(4, 3, 5), 4, 3),
}
each_score = pytest.mark.parametrize(("score", "Q", "H"), SCORES.values(), ids=SCORES)
LENGTHS = np.array([5, 2])
ENDINGS = {"symbol": EndSymbol(), "stop": StopUnit(), "length": LengthFirst(4)}
quick = settings(max_examples=25, deadline=None, derandomize=True)


def normal(rng, like, scale=0.8):
    return tree.tree_map(lambda leaf: scale * rng.standard_normal(leaf.shape), like)


def judge(value, at, analytic, step=1e-5):
    """Central differences; below 1e-3 their own rounding, some 1e-11, would count."""
    numerical = gradient_check.numerical_gradient(value, at, step)
    assert gradient_check.compare(analytic, numerical, floor=1e-3).relative < 1e-7


def example(score, Q, H, S=3, T=5, N=2, V=6, seed=0):
    rng = np.random.default_rng(seed)
    return (
        normal(rng, score.init(rng)),
        rng.standard_normal((S, N, Q)),
        rng.standard_normal((T, N, H)),
        rng.standard_normal((T, N, V)),
    )


@pytest.mark.equations(
    "attention-score-cosine",
    "attention-score-dot",
    "attention-score-scaled-dot",
    "attention-score-general",
    "attention-score-additive",
    "attention-context",
    "attention-weights",
)
@each_score
def test_scores_and_context_pair_by_pair(score, Q, H):
    params, queries, keys, values = example(score, Q, H)
    context, weights, _ = Attention(score).forward(params, queries, keys, values, LENGTHS)
    formula = {
        Cosine: lambda q, k: q @ k / np.linalg.norm(q) / np.linalg.norm(k),
        Dot: lambda q, k: q @ k,
        ScaledDot: lambda q, k: q @ k / np.sqrt(3),
        General: lambda q, k: q @ params.W @ k,
        Additive: lambda q, k: (
            params.v @ np.tanh(np.hstack([params.W, params.U]) @ np.concatenate([q, k]))
        ),
    }[type(score)]
    for i in range(3):
        for n in range(2):
            e = np.array([formula(queries[i, n], keys[t, n]) for t in range(LENGTHS[n])])
            alpha = np.exp(e) / np.exp(e).sum()
            np.testing.assert_allclose(weights[i, n, : LENGTHS[n]], alpha, atol=1e-12)
            expected = sum(a * values[t, n] for t, a in enumerate(alpha))
            np.testing.assert_allclose(context[i, n], expected, atol=1e-12)


@pytest.mark.equations(
    "attention-score-cosine-backward",
    "attention-score-dot-backward",
    "attention-score-general-backward",
    "attention-score-additive-backward",
    "attention-context-backward",
    "attention-weights-backward",
)
@each_score
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
def test_attention_gradient(score, Q, H, lengths):
    at = example(score, Q, H)
    rng = np.random.default_rng(1)
    attention = Attention(score)
    context, weights, cache = attention.forward(*at, lengths)
    dcontext, dweights = normal(rng, context), normal(rng, weights)

    def value(at):
        context, weights, _ = attention.forward(*at, lengths)
        return float((context * dcontext).sum() + (weights * dweights).sum())

    # At this step rounding and truncation of the differences are both below 3e-8 here.
    judge(value, at, attention.backward(at[0], cache, dcontext, dweights), step=3e-5)
    alone = attention.backward(at[0], cache, dcontext)
    judge(lambda at: float((attention.forward(*at, lengths)[0] * dcontext).sum()), at, alone)


@each_score
def test_a_single_query_is_one_of_many(score, Q, H):
    params, queries, keys, values = example(score, Q, H)
    attention = Attention(score)
    context, weights, cache = attention.forward(params, queries[1], keys, values, LENGTHS)
    many = attention.forward(params, queries, keys, values, LENGTHS)
    np.testing.assert_allclose(context, many[0][1], atol=1e-14)
    np.testing.assert_allclose(weights, many[1][1], atol=1e-14)
    dcontext = np.zeros_like(many[0])
    dcontext[1] = np.random.default_rng(0).standard_normal(context.shape)
    one = attention.backward(params, cache, dcontext[1])
    all_of = attention.backward(params, many[2], dcontext)
    all_of = (all_of[0], all_of[1][1], *all_of[2:])
    assert gradient_check.compare(one, all_of).absolute < 1e-13


@each_score
def test_padding_changes_nothing_and_gets_nothing(score, Q, H):
    params, queries, keys, values = example(score, Q, H)
    rng = np.random.default_rng(1)
    junk = [
        np.concatenate([a, 100 * rng.standard_normal((2, *a.shape[1:]))]) for a in (keys, values)
    ]
    for a in junk:
        a[2:, 1] = 99.0
    attention = Attention(score)
    context, _, cache = attention.forward(params, queries, keys, values, LENGTHS)
    again, padded, padded_cache = attention.forward(params, queries, *junk, LENGTHS)
    np.testing.assert_allclose(again, context, atol=1e-13)
    assert (padded[:, 0, 5:] == 0).all()
    assert (padded[:, 1, 2:] == 0).all()
    np.testing.assert_allclose(padded.sum(axis=-1), 1, atol=1e-14)
    dcontext = rng.standard_normal(context.shape)
    a = attention.backward(params, cache, dcontext)
    b = attention.backward(params, padded_cache, dcontext)
    assert gradient_check.compare(a[:2], b[:2]).absolute < 1e-12
    for short, long in zip(a[2:], b[2:], strict=True):
        np.testing.assert_allclose(long[:5], short, atol=1e-12)
        assert (long[2:, 1] == 0).all()
        assert (long[5:] == 0).all()


@each_score
def test_batch_of_one_is_a_row(score, Q, H):
    params, queries, keys, values = example(score, Q, H, N=3)
    context, weights, _ = Attention(score).forward(params, queries, keys, values)
    row = np.s_[:, 1:2]
    one, its, _ = Attention(score).forward(params, queries[row], keys[row], values[row])
    np.testing.assert_allclose(one, context[row], atol=1e-14)
    np.testing.assert_allclose(its, weights[row], atol=1e-14)


@each_score
def test_float32_is_kept_and_nothing_modified(score, Q, H):
    at = tree.tree_map(lambda leaf: leaf.astype(np.float32), example(score, Q, H))
    for attention in (Attention(score), LocalAttention(score, Q, 3)):
        params = at[0]
        if isinstance(attention, LocalAttention):
            params = attention.init(np.random.default_rng(0))._replace(score=at[0])
            params = tree.tree_map(lambda leaf: leaf.astype(np.float32), params)
        kept = tree.tree_map(np.copy, (params, *at[1:]))
        context, weights, cache = attention.forward(params, *at[1:], LENGTHS)
        dcontext = np.ones_like(context)
        gradients = attention.backward(params, cache, dcontext)
        again = attention.backward(params, cache, dcontext)
        assert gradient_check.compare(gradients, again).absolute == 0
        assert (dcontext == 1).all()
        for leaf in tree.leaves((context, weights, gradients)):
            assert leaf.dtype == np.float32
        for old, leaf in zip(tree.leaves(kept), tree.leaves((params, *at[1:])), strict=True):
            np.testing.assert_array_equal(old, leaf)


@each_score
def test_huge_numbers(score, Q, H):
    params, queries, keys, values = example(score, Q, H)
    attention = Attention(score)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        context, weights, cache = attention.forward(params, 1e4 * queries, keys, values, LENGTHS)
        gradients = attention.backward(params, cache, np.ones_like(context))
        zero = attention.forward(params, 0 * queries, keys, values)
        attention.backward(params, zero[2], np.ones_like(context))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-14)
    assert np.isfinite(tree.norm(gradients))


@pytest.mark.equations("attention-score-cosine", "attention-score-cosine-backward")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cosine_does_not_know_the_scale(dtype):
    _, queries, keys, _ = example(Cosine(), 3, 3)
    queries, keys = queries.astype(dtype), keys.astype(dtype)
    score, up = Cosine(), np.ones((3, 2, 5), dtype)
    expected, cache = score.forward(NoParams(), queries, keys)
    _, dqueries, _ = score.backward(NoParams(), cache, up)
    most = 1e20 if dtype is np.float32 else 1e200
    for size in (most, 1 / most, 1e-23):
        with np.errstate(all="raise", under="ignore"):
            scores, cache = score.forward(NoParams(), queries * dtype(size), keys / dtype(size))
            _, scaled, _ = score.backward(NoParams(), cache, up)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        np.testing.assert_allclose(scaled * dtype(size), dqueries, rtol=1e-4, atol=1e-6)


@pytest.mark.equations("attention-masked-softmax")
@quick
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_masked_softmax_agrees_with_torch(N, T, seed):
    rng = np.random.default_rng(seed)
    scores = 10.0 ** rng.integers(-2, 5) * rng.standard_normal((3, N, T))
    mask = rng.random((N, T)) < 0.6
    mask[:, rng.integers(T)] = True
    weights = masked_softmax(scores, mask)
    at = torch.tensor(scores, requires_grad=True)
    expected = at.masked_fill(~torch.tensor(mask), -torch.inf).softmax(dim=-1)
    np.testing.assert_allclose(weights, expected.detach().numpy(), rtol=0, atol=1e-12)
    assert (weights[:, ~mask] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-14)


@pytest.mark.equations("attention-score-scaled-dot", "attention-context", "attention-causal-mask")
@quick
@given(*[st.integers(1, 5)] * 4, st.booleans())
def test_agrees_with_torch_scaled_dot_product(T, N, Q, V, causal):
    params, queries, keys, values = example(ScaledDot(), Q, Q, S=T, T=T, N=N, V=V)
    mask = causal_mask(T) if causal else None
    attention = Attention(ScaledDot())
    context, _, cache = attention.forward(params, queries, keys, values, None, mask)
    at = [torch.tensor(a, requires_grad=True) for a in (queries, keys, values)]
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(a.transpose(0, 1) for a in at), is_causal=causal
    ).transpose(0, 1)
    np.testing.assert_allclose(context, expected.detach().numpy(), rtol=0, atol=1e-10)
    dcontext = np.random.default_rng(2).standard_normal(context.shape)
    expected.backward(torch.tensor(dcontext))
    gradients = attention.backward(params, cache, dcontext)[1:]
    for got, leaf in zip(gradients, at, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.equations("attention-local-position", "attention-local-window")
def test_local_window_by_hand():
    _, queries, keys, values = example(Dot(), 3, 3, T=7)
    lengths = np.array([7, 4])
    rng = np.random.default_rng(3)
    for form in ("luong", "notes"):
        attention = LocalAttention(Dot(), 3, 4, width=2.0, form=form)
        own = normal(rng, attention.init(rng))
        _, weights, _ = attention.forward(own, queries, keys, values, lengths)
        for i in range(3):
            for n in range(2):
                t = np.arange(1, lengths[n] + 1)
                u = own.v @ np.tanh(own.W @ queries[i, n])
                p = lengths[n] / (1 + np.exp(-u))
                gauss = np.exp(-((t - p) ** 2) / (2 * 1.0**2))
                e = keys[: lengths[n], n] @ queries[i, n]
                if form == "luong":
                    z = np.where(np.abs(t - p) <= 2, np.exp(e), 0)
                    expected = z / z.sum() * gauss
                else:
                    expected = np.exp(e * gauss) / np.exp(e * gauss).sum()
                np.testing.assert_allclose(weights[i, n, : lengths[n]], expected, atol=1e-12)
                assert (weights[i, n, lengths[n] :] == 0).all()
        assert (weights.sum(axis=-1) < 1).all() == (form == "luong")


@pytest.mark.equations("attention-local-backward")
@pytest.mark.parametrize("form", ["luong", "notes"])
@pytest.mark.parametrize("score", [Dot(), Additive(3, 3, 2)], ids=["dot", "additive"])
def test_local_gradient(score, form):
    attention = LocalAttention(score, 3, 4, width=2.5, form=form)
    rng = np.random.default_rng(0)
    _, queries, keys, values = example(Dot(), 3, 3, T=7)
    at = (normal(rng, attention.init(rng)), queries, keys, values)
    lengths = np.array([7, 4])
    context, weights, cache = attention.forward(*at, lengths)
    dcontext, dweights = normal(rng, context), normal(rng, weights)

    def value(at):
        context, weights, _ = attention.forward(*at, lengths)
        return float((context * dcontext).sum() + (weights * dweights).sum())

    # At this step rounding and truncation of the differences are both below 3e-8 here.
    judge(value, at, attention.backward(at[0], cache, dcontext, dweights), step=3e-5)


def test_the_notes_window_lets_far_keys_win():
    """With scores below zero the Gaussian on the score lifts what is far: a reason to say no."""
    keys = -np.ones((9, 1, 1))
    queries = 5 * np.ones((1, 1, 1))
    for form, near_wins in (("luong", True), ("notes", False)):
        attention = LocalAttention(Dot(), 1, 1, width=2.0, form=form)
        params = attention.init(np.random.default_rng(0))._replace(v=np.zeros(1))
        _, weights, _ = attention.forward(params, queries, keys, keys)
        assert (weights[0, 0].argmax() in (3, 4)) == near_wins


LAYERS = {
    "projected": SelfAttention(ProjectedAttention(4, 4, 3)),
    "causal": SelfAttention(ProjectedAttention(4, 4, 3, Additive(3, 3, 2)), causal=True),
    "general": SelfAttention(ProjectedAttention(4, 4, 3, General(3, 3))),
    "heads": SelfAttention(MultiHead(4, 4, 2)),
    "causal heads": SelfAttention(MultiHead(4, 4, 2), causal=True),
}
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


@pytest.mark.equations(
    "attention-self",
    "attention-self-backward",
    "attention-queries-keys-values",
    "attention-queries-keys-values-backward",
    "attention-multi-head",
    "attention-multi-head-backward",
    "attention-causal-mask",
)
@each_layer
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
def test_self_attention_gradient(layer, lengths):
    rng = np.random.default_rng(0)
    at = (normal(rng, layer.init(rng)), rng.standard_normal((5, 2, 4)))
    ys, _, cache = layer.forward(*at, None, lengths)
    dys = normal(rng, ys)
    dparams, dxs, _ = layer.backward(at[0], cache, dys)
    judge(lambda at: float((layer.forward(*at, None, lengths)[0] * dys).sum()), at, (dparams, dxs))
    if lengths is not None:
        assert (ys[2:, 1] == 0).all()
        assert (dxs[2:, 1] == 0).all()


@pytest.mark.equations("attention-self", "attention-positions")
@pytest.mark.parametrize("kind", ["projected", "general", "heads"])
def test_without_positions_a_permutation_goes_unnoticed(kind):
    layer = LAYERS[kind]
    rng = np.random.default_rng(0)
    params = normal(rng, layer.init(rng))
    xs = rng.standard_normal((6, 2, 4))
    order = rng.permutation(6)
    ys, _, _ = layer.forward(params, xs)
    permuted, _, _ = layer.forward(params, xs[order])
    np.testing.assert_allclose(permuted, ys[order], atol=1e-13)
    placed = xs + positions(6, 4)[:, None]
    ys, _, _ = layer.forward(params, placed)
    permuted, _, _ = layer.forward(params, xs[order] + positions(6, 4)[:, None])
    assert np.abs(permuted - ys[order]).max() > 0.01


@pytest.mark.equations("attention-causal-mask")
@pytest.mark.parametrize("kind", ["causal", "causal heads"])
def test_causal_sees_no_future(kind):
    layer = LAYERS[kind]
    rng = np.random.default_rng(0)
    params = normal(rng, layer.init(rng))
    xs = rng.standard_normal((6, 2, 4))
    ys, _, cache = layer.forward(params, xs)
    changed = xs.copy()
    changed[4:] += 1
    again, _, _ = layer.forward(params, changed)
    np.testing.assert_array_equal(again[:4], ys[:4])
    assert np.abs(again[4:] - ys[4:]).max() > 1e-3
    for i in range(6):
        assert (cache.weights[i, ..., i + 1 :] == 0).all()
        assert (cache.weights[i, ..., : i + 1] > 0).all()


@pytest.mark.equations("attention-multi-head", "attention-multi-head-backward")
@quick
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_multi_head_agrees_with_torch(S, T, N, heads, padded):
    Q, M = 2 * heads, 3
    rng = np.random.default_rng(S + 10 * T)
    layer = MultiHead(Q, M, heads)
    params = normal(rng, layer.init(rng))
    queries, memory = rng.standard_normal((S, N, Q)), rng.standard_normal((T, N, M))
    lengths = rng.integers(1, T + 1, N) if padded else None
    ys, weights, cache = layer.forward(params, queries, memory, lengths)
    other = torch.nn.MultiheadAttention(Q, heads, kdim=M, vdim=M).double()
    if M == Q:
        raise AssertionError("PyTorch stacks the matrices then")
    with torch.no_grad():
        for name, part in (("q", params.query), ("k", params.key), ("v", params.value)):
            getattr(other, f"{name}_proj_weight").copy_(torch.tensor(part.W))
        biases = [params.query.b, params.key.b, params.value.b]
        other.in_proj_bias.copy_(torch.tensor(np.concatenate(biases)))
        other.out_proj.weight.copy_(torch.tensor(params.output.W))
        other.out_proj.bias.copy_(torch.tensor(params.output.b))
    q = torch.tensor(queries, requires_grad=True)
    m = torch.tensor(memory, requires_grad=True)
    ignore = None
    if lengths is not None:
        ignore = torch.tensor(np.arange(T) >= lengths[:, None])
    expected, alpha = other(q, m, m, key_padding_mask=ignore, average_attn_weights=False)
    np.testing.assert_allclose(ys, expected.detach().numpy(), rtol=0, atol=1e-10)
    alpha = alpha.detach().numpy().transpose(2, 0, 1, 3)
    np.testing.assert_allclose(weights, alpha, rtol=0, atol=1e-10)
    dys = rng.standard_normal(ys.shape)
    expected.backward(torch.tensor(dys))
    dparams, dqueries, dmemory = layer.backward(params, cache, dys)
    np.testing.assert_allclose(dqueries, q.grad.numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dmemory, m.grad.numpy(), rtol=0, atol=1e-10)
    dbiases = np.concatenate([dparams.query.b, dparams.key.b, dparams.value.b])
    np.testing.assert_allclose(dbiases, other.in_proj_bias.grad.numpy(), rtol=0, atol=1e-10)
    for got, leaf in (
        (dparams.query.W, other.q_proj_weight),
        (dparams.key.W, other.k_proj_weight),
        (dparams.value.W, other.v_proj_weight),
        (dparams.output.W, other.out_proj.weight),
        (dparams.output.b, other.out_proj.bias),
    ):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.equations("attention-queries-keys-values", "attention-queries-keys-values-backward")
def test_encoder_decoder_attention():
    """Queries of one sequence, keys and values of another, of other length and width."""
    layer = ProjectedAttention(4, 6, 3)
    rng = np.random.default_rng(0)
    at = (
        normal(rng, layer.init(rng)),
        rng.standard_normal((3, 2, 4)),
        rng.standard_normal((5, 2, 6)),
    )
    ys, weights, cache = layer.forward(*at, LENGTHS)
    assert weights.shape == (3, 2, 5)
    dys = normal(rng, ys)
    judge(
        lambda at: float((layer.forward(*at, LENGTHS)[0] * dys).sum()),
        at,
        layer.backward(at[0], cache, dys),
    )


@pytest.mark.equations("attention-positions")
def test_positions():
    encoding = positions(50, 6)
    for t in (0, 1, 17, 49):
        for k in range(3):
            angle = t / 10000 ** (2 * k / 6)
            np.testing.assert_allclose(encoding[t, 2 * k], np.sin(angle), atol=1e-12)
            np.testing.assert_allclose(encoding[t, 2 * k + 1], np.cos(angle), atol=1e-12)
    assert positions(3, 5).shape == (3, 5)
    products = encoding @ encoding.T
    np.testing.assert_allclose(products[3, 8], products[40, 45], atol=1e-10)


@pytest.mark.equations("attention-pooling", "attention-pooling-backward")
def test_pooling():
    pooling = AttentionPooling(3, 4)
    rng = np.random.default_rng(0)
    at = (normal(rng, pooling.init(rng)), rng.standard_normal((5, 2, 3)))
    pooled, weights, cache = pooling.forward(*at, LENGTHS)
    params, hs = at
    u = np.tanh(hs[:2, 1] @ params.W.T + params.b) @ params.u
    alpha = np.exp(u) / np.exp(u).sum()
    np.testing.assert_allclose(weights[1], [*alpha, 0, 0, 0], atol=1e-13)
    np.testing.assert_allclose(pooled[1], alpha @ hs[:2, 1], atol=1e-13)
    dpooled = normal(rng, pooled)
    judge(
        lambda at: float((pooling.forward(*at, LENGTHS)[0] * dpooled).sum()),
        at,
        pooling.backward(params, cache, dpooled),
    )


def document(cell=GRU):
    return HierarchicalAttention(
        Bidirectional(cell(3, 2), cell(3, 2)), Bidirectional(cell(4, 3), cell(4, 3)), 5, 4
    )


@pytest.mark.equations("attention-hierarchical", "attention-hierarchical-backward")
def test_hierarchical_gradient_and_padding():
    layer = document()
    rng = np.random.default_rng(0)
    words = np.array([[4, 2], [1, 3], [3, 0]])
    sentences = np.array([3, 2])
    at = (normal(rng, layer.init(rng)), rng.standard_normal((4, 3, 2, 3)))
    out, weights, cache = layer.forward(*at, words, sentences)
    np.testing.assert_allclose(weights.words.sum(axis=-1), 1, atol=1e-14)
    np.testing.assert_allclose(weights.sentences.sum(axis=-1), 1, atol=1e-14)
    assert weights.sentences[1, 2] == 0
    assert (weights.words[1, 0, 1:] == 0).all()
    dout = normal(rng, out)
    dparams, dxs = layer.backward(at[0], cache, dout)
    judge(
        lambda at: float((layer.forward(*at, words, sentences)[0] * dout).sum()),
        at,
        (dparams, dxs),
    )
    assert (dxs[:, 2, 1] == 0).all()
    assert (dxs[1:, 1, 0] == 0).all()
    alone, _, _ = layer.forward(at[0], at[1][:3, :2, 1:], words[:2, 1:])
    np.testing.assert_allclose(alone[0], out[1], atol=1e-12)


def build(encoder=None, cell=RNN, score=None, ending="symbol", local=False):
    encoder = Bidirectional(GRU(2, 2), GRU(2, 2)) if encoder is None else encoder
    width = getattr(encoder, "output_size", None) or encoder.hidden_size
    score = Additive(5, width, 3) if score is None else score
    attention = LocalAttention(score, 5, 3, width=2.0) if local else Attention(score)
    ending = ENDINGS[ending]
    decoder = cell(3 + width + ending.width, 5)
    model = AttentionEncoderDecoder(encoder, decoder, 6, 4, ending=ending, attention=attention)
    rng = np.random.default_rng(7)
    return model, normal(rng, model.init(rng), 0.6)


def data(T_x=5, T_y=3, N=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 6, (T_x, N)), rng.integers(0, 4, (T_y, N))


PADDED = np.array([5, 2, 4]), np.array([1, 3, 2])


def judge_model(model, params, *batch):
    _, dparams = model.loss_and_gradient(params, *batch)

    def value(at):
        predictions, _ = model.forward(at, *batch)
        return loss(predictions, batch[1], batch[3])[0]

    judge(value, params, dparams)
    return dparams


@pytest.mark.equations("attention-decoder", "attention-decoder-backward")
@pytest.mark.parametrize("ending", ENDINGS)
def test_decoder_gradient_for_each_ending(ending):
    model, params = build(ending=ending)
    judge_model(model, params, *data(), *PADDED)


@pytest.mark.equations("attention-decoder", "attention-decoder-backward")
@pytest.mark.parametrize(
    "options",
    [
        {"cell": LSTM, "encoder": LSTM(2, 3)},
        {"cell": GRU, "encoder": RNN(2, 3), "score": General(5, 3)},
        {"cell": RNN, "encoder": RNN(2, 5), "score": ScaledDot()},
        {"cell": RNN, "encoder": RNN(2, 5), "score": Cosine()},
        {"cell": LSTM, "encoder": RNN(2, 5), "score": Dot(), "local": True},
    ],
    ids=["lstm", "gru", "scaled dot", "cosine", "local"],
)
def test_decoder_gradient_for_cells_and_scores(options):
    model, params = build(**options)
    dparams = judge_model(model, params, *data(), *PADDED)
    assert tree.norm(dparams.encoder) > 1e-3


@pytest.mark.equations("attention-decoder")
def test_decoder_step_by_step():
    """c_i comes from the state before, and the whole is a plain loop over the cell."""
    model, params = build()
    sources, _ = data()
    memory, _ = model.encode(params, sources, PADDED[0])
    inputs = np.random.default_rng(0).standard_normal((3, 3, 3))
    hs, cache = model.writer.forward(params.writer, memory, inputs)
    own = params.writer
    state = RNN(7, 5).initial_state(3)
    state = state._replace(h=np.tanh(memory.context @ own.bridge.P.T + own.bridge.p))
    for i in range(3):
        for n in range(3):
            h = memory.hs[: PADDED[0][n], n]
            e = np.tanh(own.attention.W @ state.h[n] + h @ own.attention.U.T) @ own.attention.v
            alpha = np.exp(e) / np.exp(e).sum()
            np.testing.assert_allclose(cache.weights[i, n, : len(h)], alpha, atol=1e-12)
        context = np.einsum("nt,tnh->nh", cache.weights[i], memory.hs)
        x = np.concatenate([inputs[i], context], axis=1)
        state, _ = RNN(7, 5).step(own.decoder, x, state)
        np.testing.assert_allclose(hs[i], state.h, atol=1e-12)


@pytest.mark.parametrize("ending", ENDINGS)
def test_decoder_padding_and_rows(ending):
    model, params = build(ending=ending)
    sources, targets = data()
    value, dparams = model.loss_and_gradient(params, sources, targets, *PADDED)
    junk_x = np.where(np.arange(7)[:, None] < PADDED[0], np.pad(sources, ((0, 2), (0, 0))), 5)
    junk_y = np.where(np.arange(4)[:, None] < PADDED[1], np.pad(targets, ((0, 1), (0, 0))), 3)
    again, dagain = model.loss_and_gradient(params, junk_x, junk_y, *PADDED)
    assert abs(value - again) < 1e-12
    assert gradient_check.compare(dparams, dagain).absolute < 1e-12
    rows = []
    for n in range(3):
        x, y = sources[: PADDED[0][n], n : n + 1], targets[: PADDED[1][n], n : n + 1]
        rows.append(model.loss_and_gradient(params, x, y)[0])
    assert abs(value - np.mean(rows)) < 1e-12


def test_stacked_bidirectional_peephole_lstms_with_attention_on_top():
    """A few lines, and the gradient of all of it; the decoder is a stack as well."""
    encoder = Stacked(
        [
            Bidirectional(PeepholeLSTM(2, 2), PeepholeLSTM(2, 2)),
            Bidirectional(PeepholeLSTM(4, 2), PeepholeLSTM(4, 2)),
        ]
    )
    decoder = Stacked([PeepholeLSTM(2 + 4, 3), GRU(3, 2)])
    attention = Attention(Additive(query_size=5, key_size=4, size=3))
    model = AttentionEncoderDecoder(encoder, decoder, 6, 4, attention=attention)
    assert model.context_size == 8
    rng = np.random.default_rng(0)
    params = normal(rng, model.init(rng))
    sources, targets = data(T_x=4, N=2)
    judge_model(model, params, sources, targets, np.array([4, 2]), np.array([2, 3]))


def test_searches_work_with_attention():
    model, params = build(cell=LSTM)
    sources, _ = data(N=4)
    lengths = np.array([5, 1, 3, 4])
    straight = greedy(model, params, sources, lengths, max_length=4)
    predictions, _ = model.forward(params, sources, straight.tokens, lengths, straight.lengths)
    live = np.arange(len(straight.tokens))[:, None] < straight.lengths
    np.testing.assert_array_equal(predictions.tokens.argmax(axis=-1)[live], straight.tokens[live])
    one = beam_search(model, params, sources, lengths, width=1, max_length=4)
    np.testing.assert_array_equal(one.tokens, straight.tokens)
    wide = beam_search(model, params, sources, lengths, width=5, max_length=4, length_penalty=0)
    both = straight.ended & wide.ended
    assert (wide.log_likelihood >= straight.log_likelihood - 1e-12)[both].all()


@pytest.mark.equations("attention-weights")
def test_alignment():
    model, params = build()
    alpha = model.align(params, *data(), *PADDED)
    assert alpha.shape == (3, 3, 5)
    live = np.arange(3)[:, None] < PADDED[1]
    np.testing.assert_allclose(alpha.sum(axis=-1), live, atol=1e-14)
    assert (alpha[:, 1, 2:] == 0).all()


def test_model_float32():
    model, params = build(cell=LSTM)
    params = tree.tree_map(lambda leaf: leaf.astype(np.float32), params)
    kept = tree.tree_map(np.copy, params)
    _, dparams = model.loss_and_gradient(params, *data(), *PADDED)
    for leaf in tree.leaves(dparams):
        assert leaf.dtype == np.float32
    assert gradient_check.compare(kept, params).absolute == 0


def test_learns_to_copy_in_reverse_where_to_look():
    """After training, step i of a reversal looks at source step T − 1 − i."""
    T = 4
    model = AttentionEncoderDecoder(
        Bidirectional(GRU(8, 8), GRU(8, 8)),
        GRU(8 + 16, 16),
        7,
        7,
        attention=Attention(Additive(16, 16, 16)),
    )
    rng = np.random.default_rng(0)
    params = model.init(rng)
    first = second = None
    for step in range(1, 251):
        sources = rng.integers(1, 7, (T, 32))
        targets = np.concatenate([sources[::-1], np.zeros((1, 32), int)])
        _, gradient = model.loss_and_gradient(params, sources, targets)
        first = gradient if first is None else first
        if second is None:
            first, second = tree.zeros_like(params), tree.zeros_like(params)
        first = tree.tree_map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = tree.tree_map(lambda v, g: 0.99 * v + 0.01 * g * g, second, gradient)
        params = tree.tree_map(
            lambda p, m, v, k=step: (
                p - 0.02 * m / (1 - 0.9**k) / (np.sqrt(v / (1 - 0.99**k)) + 1e-8)
            ),
            params,
            first,
            second,
        )
    sources = rng.integers(1, 7, (T, 64))
    targets = np.concatenate([sources[::-1], np.zeros((1, 64), int)])
    written = greedy(model, params, sources, max_length=T + 1)
    right = (written.tokens.shape == targets.shape) and (written.tokens == targets).all(axis=0)
    assert np.mean(right) > 0.9
    looked = model.align(params, sources, targets)[:T].mean(axis=1).argmax(axis=1)
    assert (np.diff(looked) < 0).all()


def test_bad_input():
    params, queries, keys, values = example(Dot(), 3, 3)
    attention, general = Attention(Dot()), Attention(General(4, 3))
    cache = attention.forward(params, queries, keys, values)[2]
    model, its = build()
    rng = np.random.default_rng(0)
    additive = Additive(2, 3, 4)
    projected, heads = ProjectedAttention(4, 3, 2), MultiHead(4, 3, 2)
    pooling = AttentionPooling(3, 2)
    pooling_params = pooling.init(rng)
    local = LocalAttention(Dot(), 2, 3)
    layer = document()
    memory, _ = model.encode(its, data()[0])
    writer = model.writer
    expected = [
        ("queries", lambda: attention.forward(params, queries[:, :1], keys, values)),
        ("queries", lambda: attention.forward(params, queries[..., :2], keys, values)),
        ("queries", lambda: attention.forward(params, queries[0, 0], keys, values)),
        ("queries", lambda: general.forward(general.init(rng), queries, keys, values)),
        ("queries", lambda: additive.forward(additive.init(rng), queries, keys)),
        ("queries", lambda: local.forward(local.init(rng), queries, keys, values)),
        ("keys", lambda: attention.forward(params, queries, keys[0], values)),
        ("keys", lambda: General(3, 2).forward(General(3, 2).init(rng), queries, keys)),
        ("keys", lambda: additive.forward(additive.init(rng), queries, keys[..., :2])),
        ("values", lambda: attention.forward(params, queries, keys, values[:3])),
        ("lengths", lambda: attention.forward(params, queries, keys, values, np.array([6, 1]))),
        ("lengths", lambda: key_mask(3, 2, np.array([0, 3]))),
        ("mask", lambda: masked_softmax(np.zeros((2, 3)), np.ones((2, 4), bool))),
        ("mask", lambda: masked_softmax(np.zeros((2, 3)), np.ones((2, 3)))),
        ("mask", lambda: masked_softmax(np.zeros((2, 3)), np.eye(3, dtype=bool)[:2] & False)),
        ("scores", lambda: masked_softmax(np.full((2, 3), np.nan))),
        ("scores", lambda: masked_softmax(np.full((2, 3), -np.inf))),
        ("values", lambda: attention.forward(params, queries, keys, values + np.inf)),
        ("keys", lambda: attention.forward(params, queries, keys + np.inf, values)),
        ("dcontext", lambda: attention.backward(params, cache, np.zeros((3, 2, 5)))),
        (
            "dweights",
            lambda: attention.backward(params, cache, np.zeros((3, 2, 6)), np.zeros((3, 2, 6))),
        ),
        ("form", lambda: LocalAttention(Dot(), 3, 3, form="other")),
        ("width", lambda: LocalAttention(Dot(), 3, 3, width=0.5)),
        ("size", lambda: LocalAttention(Dot(), 3, 0)),
        ("query_size", lambda: General(0, 1)),
        ("key_size", lambda: Additive(1, 0, 1)),
        ("query_size", lambda: MultiHead(5, 3, 2)),
        ("heads", lambda: MultiHead(4, 3, 0)),
        ("size", lambda: ProjectedAttention(4, 3, 0)),
        ("attention", lambda: SelfAttention(projected)),
        ("memory", lambda: projected.forward(projected.init(rng), values[..., :4], values)),
        ("memory", lambda: heads.forward(heads.init(rng), values[..., :4], values)),
        (
            "dys",
            lambda: heads.backward(
                heads.init(rng),
                heads.forward(heads.init(rng), values[..., :4], values[..., :3])[2],
                values,
            ),
        ),
        ("steps", lambda: positions(0, 3)),
        ("size", lambda: positions(3, 0)),
        ("hs", lambda: pooling.forward(pooling_params, values)),
        ("lengths", lambda: pooling.forward(pooling_params, keys, np.array([1, 9]))),
        (
            "dpooled",
            lambda: pooling.backward(
                pooling_params, pooling.forward(pooling_params, keys)[2], keys
            ),
        ),
        ("size", lambda: AttentionPooling(3, 0)),
        ("sentences", lambda: HierarchicalAttention(GRU(3, 2), GRU(3, 2), 2, 2)),
        ("xs", lambda: layer.forward(None, keys)),
        (
            "word_lengths",
            lambda: layer.forward(layer.init(rng), np.zeros((4, 3, 2, 3)), np.ones((2, 3), int)),
        ),
        ("context", lambda: AttentionEncoderDecoder(RNN(2, 2), RNN(6, 2), 3, 3, context="both")),
        ("decoder", lambda: AttentionDecoder(RNN(4, 2), 4, 2, attention)),
        ("memory.hs", lambda: writer.forward(its.writer, memory._replace(hs=values), values)),
        ("memory.context", lambda: writer.forward(None, Memory(None, values[0]), values)),
        ("inputs", lambda: writer.forward(its.writer, memory, np.zeros((2, 3, 4)))),
    ]
    for words, call in expected:
        with pytest.raises(ValueError, match=f"^{words}: expected"):
            call()
