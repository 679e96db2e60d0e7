"""Every public function that takes arrays goes through ``array_checks``; none can be left out."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lib
from lib import (
    activations,
    data,
    dense,
    endings,
    losses,
    optim,
    scores,
    search,
    text,
    tree,
)
from lib.attention import Attention, key_mask, masked_softmax
from lib.attention_decoder import AttentionEncoderDecoder
from lib.encoder_decoder import EncoderDecoder
from lib.gru import GRU
from lib.hierarchical_attention import AttentionPooling, HierarchicalAttention
from lib.local_attention import LocalAttention
from lib.lstm import LSTM
from lib.self_attention import MultiHead, ProjectedAttention, SelfAttention
from tests.lib.array_checks import CHECKS, DOORS, Case

ELSEWHERE = {
    "test_every_layer, cell_checks and layer_checks": (
        "bidirectional bptt cell clockwork deep deep_transition fused_gru fused_lstm "
        "fused_peephole fused_rnn grids gru kernels lstm lstm_variants masks networks "
        "output_to_hidden paths peephole recurrent_dropout rnn time_scales vanishing_gradients "
        "writing"
    ),
    "test_torch_bridge": "torch_bridge",
    "it is the check itself": "validate gradient_check",
    "no arrays of a caller's making are computed with": (
        "checking codec dates initializers plots reports showing storage tasks"
    ),
}
"""Modules that other tests go through, and which."""

EXEMPT = {
    "draws or describes, takes no arrays": (
        "affine_init bridge_init bridge_shapes causal_mask positions read documents digits "
        "build_vocabulary minibatches fit Vocabulary.index Vocabulary.encode check_mask "
        "init shapes initial_state check rebuild"
    ),
    "a contract, no code": (
        "Score.forward Score.backward Writer.forward Writer.backward Writer.begin Writer.step "
        "Ending.tell Ending.stop Ending.length Ending.backward Ending.log_probabilities "
        "Optimiser.update Examples.take"
    ),
    "walks over a tree, and computes nothing": (
        "tree_map named_leaves leaves zeros_like size to_vector from_vector at stack is_shape "
        "map_shapes"
    ),
    "takes rows of arrays as NumPy does": "Batch.take Documents.take",
    "takes a list; test_training and test_data try what a cast would destroy": (
        "pad Vocabulary.decode"
    ),
}
"""Public functions of the modules here that no case covers, and why."""


def draw(rng, like):
    return tree.tree_map(lambda leaf: rng.normal(size=np.shape(leaf)), like)


def sizes(rng, count):
    """Small enough that two are equal often: then shapes broadcast by chance."""
    return [int(n) for n in rng.integers(2, 5, count)]


def padded_lengths(rng, steps, batch):
    lengths = rng.integers(1, steps + 1, batch)
    lengths[rng.integers(batch)] = steps - 1
    return lengths


def padding(lengths, steps):
    return np.arange(steps)[:, None] >= lengths


def beyond(name, of):
    return lambda args: padding(args[of], len(args[name]))


# --- activations and losses ---


def elementwise(name):
    forward, backward = activations.ACTIVATIONS[name]

    def make(rng):
        N, H = sizes(rng, 2)
        return {"y": rng.uniform(0.1, 0.9, (N, H)), "dy": rng.normal(size=(N, H))}

    return Case((name, f"{name}_backward"), lambda y, dy: (forward(y), backward(y, dy)), make)


def softmaxes(rng):
    N, K = sizes(rng, 2)
    return {"s": rng.normal(size=(N, K)), "dy": rng.normal(size=(N, K))}


def loss_case(name, labels, axes):
    function = getattr(losses, name)

    def make(rng):
        shape = tuple(sizes(rng, axes))
        T, N = shape[:2]
        mask = losses.length_mask(padded_lengths(rng, T, N), T)
        logits = rng.normal(size=shape)
        targets = rng.integers(shape[-1], size=(T, N)) if labels else rng.random(shape)
        key = "outputs" if name == "squared_error" else "logits"
        return {key: logits, "targets": targets, "mask": mask}

    key = "outputs" if name == "squared_error" else "logits"
    where = {k: lambda args: args["mask"] == 0 for k in (key, "targets")}
    return Case((name,), function, make, masked=where)


def predictions_case(name, stop, length):
    function = getattr(endings, name)

    def run(tokens, stop, length, targets, lengths):
        return function(endings.Predictions(tokens, stop, length), targets, lengths)

    def make(rng):
        T, N, K, L = *sizes(rng, 3), 6
        return {
            "tokens": rng.normal(size=(T, N, K)),
            "stop": rng.normal(size=(T, N)) if stop else None,
            "length": rng.normal(size=(N, L)) if length else None,
            "targets": rng.integers(K, size=(T, N)),
            "lengths": padded_lengths(rng, T, N),
        }

    names = ("tokens", "targets", *(("stop",) if stop else ()))
    where = {k: beyond(k, "lengths") for k in names}
    return Case((name,), run, make, frozenset({"length"}), masked=where)


# --- dense ---


def affines(rng):
    N, H, K = sizes(rng, 3)
    params = draw(rng, dense.affine_init(rng, H, K))
    return {"params": params, "x": rng.normal(size=(N, H)), "dy": rng.normal(size=(N, K))}


def embeds(rng):
    T, N, K, D = sizes(rng, 4)
    return {
        "table": rng.normal(size=(K, D)),
        "tokens": rng.integers(K, size=(T, N)),
        "dxs": rng.normal(size=(T, N, D)),
    }


# --- attention ---

WIDTH = 3


def attention_case(attention, covers):
    def run(params, queries, keys, values, lengths, dcontext, dweights):
        context, weights, cache = attention.forward(params, queries, keys, values, lengths)
        return context, weights, attention.backward(params, cache, dcontext, dweights)

    def make(rng):
        S, T, N, V = sizes(rng, 4)
        return {
            "params": draw(rng, attention.init(rng)),
            "queries": rng.normal(size=(S, N, WIDTH)),
            "keys": rng.normal(size=(T, N, WIDTH)),
            "values": rng.normal(size=(T, N, V)),
            "lengths": padded_lengths(rng, T, N),
            "dcontext": rng.normal(size=(S, N, V)),
            "dweights": rng.normal(size=(S, N, T)),
        }

    where = {k: beyond(k, "lengths") for k in ("keys", "values")}
    return Case(covers, run, make, masked=where)


ATTENTION = (
    "Attention.forward",
    "Attention.backward",
    "Attention.attend",
    "Attention.attend_backward",
    "store",
    "values_backward",
)
LOCAL = [f"LocalAttention.{name}" for name in ("attend", "attend_backward")]


def both(name):
    return [f"{name}.forward", f"{name}.backward"]


def memory_case(attention):
    def run(params, queries, memory, lengths, dys):
        ys, weights, cache = attention.forward(params, queries, memory, lengths)
        return ys, weights, attention.backward(params, cache, dys)

    def make(rng):
        S, T, N = sizes(rng, 3)
        return {
            "params": draw(rng, attention.init(rng)),
            "queries": rng.normal(size=(S, N, 4)),
            "memory": rng.normal(size=(T, N, 3)),
            "lengths": padded_lengths(rng, T, N),
            "dys": rng.normal(size=(S, N, attention.output_size)),
        }

    covers = tuple(both(type(attention).__name__))
    return Case(
        covers,
        run,
        make,
        any_length=frozenset({"memory"}),
        masked={"memory": beyond("memory", "lengths")},
    )


def self_case(layer):
    def run(params, xs, lengths, dys):
        ys, _, cache = layer.forward(params, xs, None, lengths)
        dparams, dxs, _ = layer.backward(params, cache, dys)
        return ys, dparams, dxs

    def make(rng):
        T, N = sizes(rng, 2)
        return {
            "params": draw(rng, layer.init(rng)),
            "xs": rng.normal(size=(T, N, 4)),
            "lengths": padded_lengths(rng, T, N),
            "dys": rng.normal(size=(T, N, layer.output_size)),
        }

    where = {k: beyond(k, "lengths") for k in ("xs",)}
    return Case(tuple(both("SelfAttention")), run, make, masked=where)


def pooling(rng):
    T, N = sizes(rng, 2)
    return {
        "params": draw(rng, AttentionPooling(3, 4).init(rng)),
        "hs": rng.normal(size=(T, N, 3)),
        "lengths": padded_lengths(rng, T, N),
        "dpooled": rng.normal(size=(N, 3)),
    }


def pool(params, hs, lengths, dpooled):
    pooled, weights, cache = AttentionPooling(3, 4).forward(params, hs, lengths)
    return pooled, weights, AttentionPooling(3, 4).backward(params, cache, dpooled)


def masked_scores(rng):
    N, T = sizes(rng, 2)
    lengths = padded_lengths(rng, T, N)
    return {"scores": rng.normal(size=(2, N, T)), "mask": key_mask(T, N, lengths)}


def documents(rng):
    T, L, N = sizes(rng, 3)
    sentences = padded_lengths(rng, L, N)
    words = rng.integers(1, T + 1, (L, N))
    words[0] = T - 1
    return {
        "params": draw(rng, HIERARCHY.init(rng)),
        "xs": rng.normal(size=(T, L, N, 3)),
        "word_lengths": words,
        "sentence_lengths": sentences,
        "ddocuments": rng.normal(size=(N, 3)),
    }


def no_words(args):
    T, L = args["xs"].shape[:2]
    short = np.arange(T)[:, None, None] >= args["word_lengths"]
    return short | padding(args["sentence_lengths"], L)


HIERARCHY = HierarchicalAttention(GRU(3, 4), GRU(4, 3), 2, 3)


def hierarchy(params, xs, word_lengths, sentence_lengths, ddocuments):
    out, _, cache = HIERARCHY.forward(params, xs, word_lengths, sentence_lengths)
    return out, HIERARCHY.backward(params, cache, ddocuments)


# --- encoder-decoder ---


def model_case(model):
    def run(params, sources, targets, source_lengths, target_lengths):
        value, gradient = model.loss_and_gradient(
            params, sources, targets, source_lengths, target_lengths
        )
        predictions, _ = model.forward(params, sources, targets, source_lengths, target_lengths)
        told = endings.log_likelihood(predictions, targets, target_lengths)
        if isinstance(model, AttentionEncoderDecoder):
            told = told, model.align(params, sources, targets, source_lengths, target_lengths)
        return value, gradient, told

    def make(rng):
        T_x, T_y, N = sizes(rng, 3)
        return {
            "params": draw(rng, model.init(rng)),
            "sources": rng.integers(6, size=(T_x, N)),
            "targets": rng.integers(4, size=(T_y, N)),
            "source_lengths": padded_lengths(rng, T_x, N),
            "target_lengths": padded_lengths(rng, T_y, N),
        }

    where = {
        "sources": beyond("sources", "source_lengths"),
        "targets": beyond("targets", "target_lengths"),
    }
    parts = ["encode", "encode_backward", "forward", "backward", "loss_and_gradient"]
    methods = [f"EncoderDecoder.{part}" for part in parts]
    writer_name = type(model.writer).__name__
    methods += [f"{writer_name}.{part}" for part in ("begin", "forward", "backward")]
    methods += ["hidden", "hidden_backward", "bridge", "bridge_backward", "length_mask"]
    kind = type(model.ending).__name__
    methods += [f"{kind}.{k}" for k in ("tell", "stop", "length", "backward")]
    methods += ["AttentionEncoderDecoder.align"] * isinstance(model, AttentionEncoderDecoder)
    return Case(
        tuple(methods),
        run,
        make,
        any_length=frozenset({"sources", "targets"}),
        masked=where,
    )


def search_case(model, name):
    options = {"sample": {"temperature": 0.7}, "beam_search": {"width": 2}}.get(name, {})

    def run(params, sources, lengths):
        more = {"rng": np.random.default_rng(0)} if name == "sample" else {}
        found = getattr(search, name)(
            model, params, sources, lengths, max_length=4, **options, **more
        )
        return found.tokens, found.lengths, found.ended

    def make(rng):
        T, N = sizes(rng, 2)
        return {
            "params": draw(rng, model.init(rng)),
            "sources": rng.integers(6, size=(T, N)),
            "lengths": padded_lengths(rng, T, N),
        }

    kind = type(model.writer).__name__
    covers = (name, "EncoderDecoder.begin", "EncoderDecoder.step", f"{kind}.begin", f"{kind}.step")
    covers += (f"{type(model.ending).__name__}.log_probabilities", "log_stopping")
    return Case(
        covers,
        run,
        make,
        any_length=frozenset({"sources"}),
        masked={"sources": beyond("sources", "lengths")},
    )


ENDINGS = {
    "symbol": endings.EndSymbol(),
    "stop": endings.StopUnit(),
    "length": endings.LengthFirst(5),
}


MODELS = {}
for kind, ending in ENDINGS.items():
    options = {"source_size": 6, "target_size": 4, "ending": ending}
    cells = LSTM(2, 3), GRU(3 + 3 + ending.width, 4)
    MODELS[kind] = EncoderDecoder(*cells, **options)
    MODELS[f"{kind} with attention"] = AttentionEncoderDecoder(
        *cells, **options, attention=Attention(scores.General(4, 3))
    )


# --- optimisers, trees, data ---


def updates(rng):
    A, B = sizes(rng, 2)
    like = dense.Affine(np.zeros((A, B)), np.zeros(A))
    return {"params": draw(rng, like), "grads": draw(rng, like)}


def update(optimiser):
    def run(params, grads):
        state = optimiser.init(params)
        for _ in range(2):
            params, state = optimiser.update(params, grads, state)
        return params

    return run


def two_trees(rng):
    A, B = sizes(rng, 2)
    like = dense.Affine(np.zeros((A, B)), np.zeros(A))
    return {"a": draw(rng, like), "b": draw(rng, like), "rows": rng.random(A) < 0.5}


def tree_functions(a, b, rows):
    total = tree.tree_map(np.copy, a)
    tree.add_into(total, b)
    number = np.float64(0.3)
    return total, tree.add(a, b), tree.scale(a, number), tree.where(rows, a, b), tree.norm(a)


CASES = {
    **{name: elementwise(name) for name in activations.ACTIVATIONS},
    "softmax": Case(
        ("softmax", "softmax_backward", "log_softmax"),
        lambda s, dy: (
            activations.log_softmax(s),
            activations.softmax_backward(activations.softmax(s), dy),
        ),
        softmaxes,
    ),
    "cross_entropy": loss_case("cross_entropy", True, 3),
    "perplexity": loss_case("perplexity", True, 3),
    "squared_error": loss_case("squared_error", False, 3),
    "binary_cross_entropy": loss_case("binary_cross_entropy", False, 2),
    **{
        f"{name} {kind}": predictions_case(name, kind == "stop", kind == "length")
        for name in ("loss", "log_likelihood")
        for kind in ("symbol", "stop", "length")
    },
    "affine": Case(
        ("affine", "affine_backward"),
        lambda params, x, dy: (dense.affine(params, x), dense.affine_backward(params, x, dy)),
        affines,
    ),
    "embed": Case(
        ("embed", "embed_backward"),
        lambda table, tokens, dxs: (
            dense.embed(table, tokens),
            dense.embed_backward(table, tokens, dxs),
        ),
        embeds,
    ),
    **{
        type(score).__name__: attention_case(
            Attention(score),
            (*ATTENTION, *both(type(score).__name__), "direction", "direction_backward"),
        )
        for score in (
            scores.Dot(),
            scores.ScaledDot(),
            scores.Cosine(),
            scores.General(WIDTH, WIDTH),
            scores.Additive(WIDTH, WIDTH, 2),
        )
    },
    **{
        f"local {form}": attention_case(
            LocalAttention(scores.Dot(), WIDTH, 2, width=np.float64(2.0), form=form),
            (*LOCAL,),
        )
        for form in ("luong", "notes")
    },
    "projected": memory_case(ProjectedAttention(4, 3, 2)),
    "heads": memory_case(MultiHead(4, 3, 2)),
    "self": self_case(SelfAttention(ProjectedAttention(4, 4, 3))),
    "causal": self_case(SelfAttention(MultiHead(4, 4, 2), causal=True)),
    "pooling": Case(
        tuple(both("AttentionPooling")), pool, pooling, masked={"hs": beyond("hs", "lengths")}
    ),
    "hierarchical": Case(
        tuple(both("HierarchicalAttention")),
        hierarchy,
        documents,
        masked={
            "xs": no_words,
            "word_lengths": lambda a: padding(a["sentence_lengths"], len(a["word_lengths"])),
        },
    ),
    "masked_softmax": Case(
        ("masked_softmax", "key_mask"),
        masked_softmax,
        masked_scores,
        frozenset({"mask", "scores"}),
    ),
    **{name: model_case(model) for name, model in MODELS.items()},
    **{
        f"{name} of {kind}": search_case(MODELS[kind], name)
        for kind, name in [
            ("symbol", "greedy"),
            ("stop", "sample"),
            ("stop with attention", "beam_search"),
            ("length", "beam_search"),
        ]
    },
    "SGD": Case(
        ("SGD.update", "clip_by_norm"),
        update(optim.SGD(np.float64(0.1), np.float64(0.5), clip_norm=np.float64(0.3))),
        updates,
    ),
    "Adam": Case(("Adam.update",), update(optim.Adam(np.float64(0.1))), updates),
    "clip_by_value": Case(
        ("clip_by_value",),
        lambda grads: optim.clip_by_value(grads, np.float64(0.3)),
        lambda rng: {"grads": updates(rng)["grads"]},
        frozenset({"grads"}),
    ),
    "trees": Case(
        ("add", "add_into", "scale", "where", "norm"),
        tree_functions,
        two_trees,
        any_number=frozenset("ab"),
    ),
    "one_hot": Case(
        ("one_hot",),
        lambda ids: data.one_hot(ids, 5),
        lambda rng: {"ids": rng.integers(5, size=sizes(rng, 2))},
        frozenset({"ids"}),
    ),
    "text": Case(
        ("windows", "streams"),
        lambda ids: (
            text.windows(np.random.default_rng(0), ids, 3, 4).xs,
            text.streams(ids, 2, 3)[0].xs,
        ),
        lambda rng: {"ids": rng.integers(5, size=20)},
    ),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_arrays(name, check):
    @settings(max_examples=3, deadline=None, derandomize=True)
    @given(st.integers(0, 2**32 - 1))
    def over_seeds(seed):
        check(CASES[name], np.random.default_rng(seed))

    over_seeds()


@pytest.mark.parametrize("check", DOORS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_types_and_empty_axes(name, check):
    check(CASES[name], np.random.default_rng(0))


def public():
    """List functions and methods of the modules that no other tests go through."""
    elsewhere = " ".join(ELSEWHERE.values()).split()
    names = {path.stem for path in Path(lib.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(elsewhere) <= names, "a module that is gone"
    for name in sorted(names - set(elsewhere)):
        module = importlib.import_module(f"lib.{name}")
        for key, value in vars(module).items():
            if key.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(value):
                yield key
            elif inspect.isclass(value):
                for method, body in vars(value).items():
                    if not method.startswith("_") and inspect.isfunction(body):
                        yield f"{key}.{method}"


def test_every_public_function_is_checked_or_says_why_not():
    names = set(public())
    exempt = set(" ".join(EXEMPT.values()).split())
    covered = {name for case in CASES.values() for name in case.covers}
    left = {n for n in names if not {n, n.rsplit(".", 1)[-1]} & exempt and n not in covered}
    assert not left, f"in no case of CASES, and with no reason in EXEMPT: {sorted(left)}"
    last = {name.rsplit(".", 1)[-1] for name in names}
    assert not exempt - names - last, "EXEMPT names what is gone"
