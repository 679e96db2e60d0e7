"""Chapter 1: the Elman cell against PyTorch, every network mode against differences."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.bptt import Recurrent
from lib.data import one_hot
from lib.losses import cross_entropy, length_mask
from lib.lstm import LSTM
from lib.masks import live_steps
from lib.networks import ManyToMany, ManyToOne, Output, VectorInput, VectorState
from lib.output_to_hidden import OutputState, OutputToHidden
from lib.rnn import RNN, RNNState
from lib.writing import generate, sample, shift
from tests.lib import cell_checks as checks

T, N, D, H, K, X = 5, 3, 4, 6, 2, 7
LENGTHS = np.array([5, 2, 4])
CELLS = [RNN(3, 4), RNN(3, 4, "sigmoid"), RNN(3, 4, "relu"), RNN(3, 4, "identity")]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


# The cell


@pytest.mark.equations("rnn-preactivation", "rnn-state", "bptt-delta", "bptt-hidden")
@pytest.mark.parametrize("ragged", [False, True])
@checks.quick
@given(size=checks.sizes, seed=st.integers(0, 99), data=st.data())
def test_equals_torch(ragged, size, seed, data):
    T, N, D, H = size
    ex = checks.example(RNN(D, H), T, N, seed)
    lengths = None
    if ragged:
        lengths = np.array(data.draw(st.lists(st.integers(1, T), min_size=N, max_size=N)))
        lengths[0] = T
    ys, last, (dparams, dxs, dstate) = checks.gradients(RNN(D, H), ex, lengths)
    module = checks.torch_layer(torch.nn.RNN, ex.params)
    there_ys, there_last, there, there_dxs, there_dstate = checks.torch_gradients(
        module, ex, lengths
    )
    pairs = [
        (ys, there_ys),
        (last.h, there_last[0]),
        (dparams.U, there["weight_ih_l0"]),
        (dparams.W, there["weight_hh_l0"]),
        (dparams.b, there["bias_ih_l0"]),
        (dxs, there_dxs),
        (dstate.h, there_dstate[0]),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.equations("rnn-preactivation", "rnn-state")
def test_step_is_the_equation(rng):
    cell = RNN(D, H)
    p, x, h = cell.init(rng), rng.normal(size=(N, D)), rng.normal(size=(N, H))
    state, _ = cell.step(p, x, RNNState(h))
    for n in range(N):
        np.testing.assert_allclose(state.h[n], np.tanh(p.b + p.W @ h[n] + p.U @ x[n]))


@pytest.mark.equations("bptt-delta", "bptt-hidden", "bptt-parameters", "bptt-input")
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.activation)
def test_central_differences(cell):
    checks.assert_central_differences(cell, checks.example(cell))
    checks.assert_central_differences(cell, checks.example(cell, T=4, N=3), np.array([4, 1, 3]))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.activation)
def test_contract(cell):
    ex = checks.example(cell)
    checks.assert_steps_equal_scan(cell, ex)
    checks.assert_inputs_unchanged(cell, ex)
    checks.assert_inputs_unchanged(cell, ex, np.array([4, 2]))
    checks.assert_float32_kept(cell, ex)
    checks.assert_bad_input_named(cell)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_for_a_thousand_steps(activation):
    checks.assert_saturated_is_quiet(RNN(3, 4, activation))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "input_size: expected an integer of at least 1, got 0"),
        ((3, 2.0), "hidden_size: expected an integer"),
        ((3, 4, "softsign"), "activation: expected one of 'tanh'"),
    ],
)
def test_bad_options_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RNN(*arguments)


# The modes


def normal(rng, like):
    return tree.tree_map(lambda leaf: rng.normal(size=leaf.shape), like)


def drawn(rng, network):
    """Draw parameters with no zero biases, so that a forgotten one shows.

    Small enough that no unit saturates: central differences cannot resolve gradients near 0.
    """
    return tree.scale(normal(rng, network.init(rng)), 0.4)


def assert_differences(network, rng, xs, state, lengths):
    """Check the gradients of parameters, inputs and state, the last state's loss included."""
    params = drawn(rng, network)
    outputs, last, cache = network.forward(params, xs, state, lengths)
    doutputs, dlast = normal(rng, outputs), normal(rng, last)

    def loss(at):
        outputs, last, _ = network.forward(*at, lengths)
        pairs = zip(tree.leaves((outputs, last)), tree.leaves((doutputs, dlast)), strict=True)
        return sum(float((a * b).sum()) for a, b in pairs)

    kept = tree.tree_map(np.copy, (params, xs, state, doutputs, dlast))
    gradient = network.backward(params, cache, doutputs, dlast)
    difference = gradient_check.check(loss, (params, xs, state), gradient)
    assert difference.relative < 1e-6, difference
    given_now = (params, xs, state, doutputs, dlast)
    for a, b in zip(tree.leaves(kept), tree.leaves(given_now), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [type(a) for a in gradient[::2]] == [type(params), type(state)]


def vector_layers():
    layers = []
    for every_step, as_initial_state in ((True, False), (False, True), (True, True)):
        for cell in (RNN, LSTM):
            layer = Recurrent(cell(D + X * every_step, H))
            layers.append(VectorInput(layer, X, every_step, as_initial_state))
    return layers


@pytest.mark.equations("rnn-logits", "bptt-output-parameters", "bptt-hidden")
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("mode", [ManyToMany, ManyToOne])
@pytest.mark.parametrize("cell", [RNN, LSTM])
def test_many_to_many_and_to_one_differences(cell, mode, lengths, rng):
    network = mode(Recurrent(cell(D, H)), Output(H, K))
    state = normal(rng, network.initial_state(N))
    assert_differences(network, rng, rng.normal(size=(T, N, D)), state, lengths)


@pytest.mark.equations("rnn-logits")
def test_many_to_many_is_the_equation(rng):
    network = ManyToMany(Recurrent(RNN(D, H)), Output(H, K))
    params, xs = drawn(rng, network), rng.normal(size=(T, N, D))
    logits, _, _ = network.forward(params, xs, None, LENGTHS)
    hs, _, _ = network.layer.forward(params.layer, xs)
    for n, length in enumerate(LENGTHS):
        for t in range(length):
            expected = params.output.c + params.output.V @ hs[t, n]
            np.testing.assert_allclose(logits[t, n], expected)
        assert not logits[length:, n].any()


@pytest.mark.equations("rnn-many-to-one", "rnn-many-to-one-backward")
def test_many_to_one_reads_each_rows_last_step(rng):
    one = ManyToOne(Recurrent(RNN(D, H)), Output(H, K))
    params, xs = drawn(rng, one), rng.normal(size=(T, N, D))
    logits, _, cache = one.forward(params, xs, None, LENGTHS)
    every, _, many_cache = ManyToMany(one.layer, one.output).forward(params, xs, None, LENGTHS)
    np.testing.assert_allclose(logits, every[LENGTHS - 1, range(N)])
    dlogits = rng.normal(size=(N, K))
    spread = np.zeros((T, N, K))
    spread[LENGTHS - 1, range(N)] = dlogits
    checks.assert_same(
        one.backward(params, cache, dlogits),
        ManyToMany(one.layer, one.output).backward(params, many_cache, spread),
    )


@pytest.mark.equations("rnn-vector-every-step", "rnn-vector-initial-state", "rnn-vector-backward")
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("layer", vector_layers())
def test_vector_differences(layer, lengths, rng):
    network = ManyToMany(layer, Output(H, K))
    xs, vector = rng.normal(size=(T, N, D)), rng.normal(size=(N, X))
    assert_differences(network, rng, xs, layer.start(vector), lengths)
    later = VectorState(vector, normal(rng, layer.layer.initial_state(N)))
    assert_differences(network, rng, xs, later, lengths)


@pytest.mark.equations("rnn-vector-every-step", "rnn-vector-initial-state")
def test_vector_modes_are_the_equations(rng):
    layer = VectorInput(Recurrent(RNN(D + X, H)), X, every_step=True, as_initial_state=True)
    p, ys, x = drawn(rng, layer), rng.normal(size=(T, N, D)), rng.normal(size=(N, X))
    hs, last, _ = layer.forward(p, ys, layer.start(x))
    U, R = p.layer.U[:, :D], p.layer.U[:, D:]
    for n in range(N):
        h = p.p + p.P @ x[n]
        for t in range(T):
            h = np.tanh(p.layer.b + p.layer.W @ h + U @ ys[t, n] + R @ x[n])
            np.testing.assert_allclose(hs[t, n], h)
    np.testing.assert_array_equal(last.vector, x)


def test_vector_sequence_in_two_pieces_equals_one(rng):
    for layer in vector_layers():
        params, xs = drawn(rng, layer), rng.normal(size=(T, N, D))
        start, dys = layer.start(rng.normal(size=(N, X))), rng.normal(size=(T, N, H))
        ys, last, cache = layer.forward(params, xs, start)
        first, middle, cache1 = layer.forward(params, xs[:2], start)
        second, end, cache2 = layer.forward(params, xs[2:], middle)
        checks.assert_same((ys, last), (np.concatenate([first, second]), end))
        d2, dxs2, dmiddle = layer.backward(params, cache2, dys[2:])
        d1, dxs1, dstart = layer.backward(params, cache1, dys[:2], dmiddle)
        # the second piece starts from a state, so P and p have no part in it
        whole = layer.backward(params, cache, dys)
        checks.assert_same(whole, (tree.add(d1, d2), np.concatenate([dxs1, dxs2]), dstart))


@pytest.mark.equations("rnn-output-hidden", "rnn-output-hidden-backward", "softmax-backward")
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_output_to_hidden_differences(lengths, rng):
    state = OutputState(rng.random((N, K)))
    network = OutputToHidden(D, H, K)
    assert_differences(network, rng, rng.normal(size=(T, N, D)), state, lengths)


@pytest.mark.equations("rnn-output-hidden")
def test_output_to_hidden_is_the_equation(rng):
    network = OutputToHidden(D, H, K)
    p, xs = drawn(rng, network), rng.normal(size=(T, N, D))
    logits, last, _ = network.forward(p, xs)
    for n in range(N):
        o = np.zeros(K)
        for t in range(T):
            s = p.c + p.V @ np.tanh(p.b + p.W @ o + p.U @ xs[t, n])
            o = np.exp(s) / np.exp(s).sum()
            np.testing.assert_allclose(logits[t, n], s)
        np.testing.assert_allclose(last.o[n], o)


@pytest.mark.equations("rnn-teacher-forcing", "bptt-teacher-forcing")
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_teacher_forcing_differences(lengths, rng):
    network = OutputToHidden(D, H, K)
    at = (drawn(rng, network), rng.normal(size=(T, N, D)), rng.normal(size=(T, N, K)))
    logits, cache = network.forward_forced(*at, lengths)
    dlogits = rng.normal(size=logits.shape)
    gradient = network.backward_forced(at[0], cache, dlogits)
    difference = gradient_check.check(
        lambda at: float((network.forward_forced(*at, lengths)[0] * dlogits).sum()), at, gradient
    )
    assert difference.relative < 1e-6, difference


@pytest.mark.equations("rnn-teacher-forcing", "rnn-output-hidden")
def test_forced_with_its_own_outputs_equals_running_free(rng):
    network = OutputToHidden(D, H, K)
    params, xs = drawn(rng, network), rng.normal(size=(T, N, D))
    logits, _, cache = network.forward(params, xs)
    previous = shift(cache.os, np.zeros((N, K)))
    np.testing.assert_allclose(network.forward_forced(params, xs, previous)[0], logits)


@pytest.mark.equations("bptt-teacher-forcing")
def test_forced_steps_are_separate(rng):
    """The loss of one step reaches no other step's input: no backpropagation through time."""
    network = OutputToHidden(D, H, K)
    params, xs = drawn(rng, network), rng.normal(size=(T, N, D))
    previous = one_hot(rng.integers(K, size=(T, N)), K)
    _, cache = network.forward_forced(params, xs, previous)
    dlogits = np.zeros((T, N, K))
    dlogits[3] = rng.normal(size=(N, K))
    _, dxs, _ = network.backward_forced(params, cache, dlogits)
    assert dxs[3].all()
    assert not np.delete(dxs, 3, axis=0).any()
    _, _, free = network.forward(params, xs)
    _, dxs, _ = network.backward(params, free, dlogits)
    assert dxs[:4].all()


MODES = [
    ManyToMany(Recurrent(RNN(D, H)), Output(H, K)),
    ManyToOne(Recurrent(RNN(D, H)), Output(H, K)),
    OutputToHidden(D, H, K),
    *(ManyToMany(layer, Output(H, K)) for layer in vector_layers()),
]


def name_of(value):
    return type(value).__name__


@pytest.mark.equations("rnn-mask")
@pytest.mark.parametrize("network", MODES, ids=name_of)
def test_padding_and_company_change_nothing(network, rng):
    """A row of a padded batch gets what the row alone, unpadded, gets."""
    params, xs = drawn(rng, network), rng.normal(size=(T, N, D))
    state = normal(rng, network.initial_state(N))
    outputs, last, cache = network.forward(params, xs, state, LENGTHS)
    doutputs, dlast = normal(rng, outputs), normal(rng, last)
    dparams, dxs, dstate = network.backward(params, cache, doutputs, dlast)
    total = tree.zeros_like(params)
    for n, length in enumerate(LENGTHS):
        row, end = slice(n, n + 1), slice(0, length)
        pick = lambda a, row=row: a[row]  # noqa: E731
        cut = (end, row) if outputs.ndim == 3 else row
        alone, last_alone, cache = network.forward(params, xs[end, row], tree.tree_map(pick, state))
        checks.assert_same((alone, last_alone), (outputs[cut], tree.tree_map(pick, last)))
        more, dxs_alone, dstate_alone = network.backward(
            params, cache, doutputs[cut], tree.tree_map(pick, dlast)
        )
        checks.assert_same((dxs_alone, dstate_alone), (dxs[end, row], tree.tree_map(pick, dstate)))
        assert not dxs[length:, n].any()
        total = tree.add(total, more)
    checks.assert_same(total, dparams)


@pytest.mark.parametrize("network", MODES, ids=name_of)
def test_extremes_are_quiet_and_float32_is_kept(network, rng):
    params = tree.tree_map(lambda p: np.full(p.shape, 1e4, np.float32), network.init(rng))
    xs = rng.choice([-1.0, 1.0], size=(1000, 2, D)).astype(np.float32)
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        outputs, last, cache = network.forward(params, xs)
        doutputs = np.ones_like(outputs)
        everything = (outputs, last, network.backward(params, cache, doutputs))
    for leaf in tree.leaves(everything):
        assert leaf.dtype == np.float32
        assert np.isfinite(leaf).all()


# Feeding outputs back


@pytest.mark.equations("rnn-feedback")
def test_shift_makes_inputs_of_targets():
    np.testing.assert_array_equal(
        shift(np.array([[1, 2], [3, 4], [5, 6]]), np.array([7, 8])), [[7, 8], [1, 2], [3, 4]]
    )
    with pytest.raises(ValueError, match=r"seed: expected shape \(2,\), got \(3,\)"):
        shift(np.ones((4, 2)), np.ones(3))


@pytest.mark.equations("rnn-one-hot")
def test_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([[2], [0]]), 3), [[[0, 0, 1]], [[1, 0, 0]]])
    with pytest.raises(ValueError, match="expected integers from 0 to 2, got 3"):
        one_hot(np.array([3]), 3)


def test_live_steps():
    np.testing.assert_array_equal(live_steps(LENGTHS, T, N), length_mask(LENGTHS, T) > 0)
    assert live_steps(None, T, N).all()


@pytest.mark.equations("rnn-temperature")
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sample_frequencies(temperature, rng):
    s = np.array([0.3, -1.0, 1.2, 0.0])
    p = np.exp(s / temperature) / np.exp(s / temperature).sum()
    draws = 40_000
    counts = np.bincount(sample(np.tile(s, (draws, 1)), rng, temperature), minlength=4)
    spread = np.sqrt(draws * p * (1 - p))
    assert (np.abs(counts - draws * p) < 4 * spread).all()


@pytest.mark.equations("rnn-temperature")
def test_sample_at_the_limits(rng):
    logits = rng.normal(size=(50, 6))
    np.testing.assert_array_equal(sample(logits, rng, 0), logits.argmax(axis=1))
    np.testing.assert_array_equal(sample(logits, rng, 1e-9), logits.argmax(axis=1))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        huge = sample(np.array([[1e4, -1e4, 0.0]] * 9), rng)
    np.testing.assert_array_equal(huge, 0)


def language_model(rng):
    network = ManyToMany(Recurrent(RNN(K, H)), Output(H, K))
    return network, drawn(rng, network)


@pytest.mark.equations("rnn-feedback", "rnn-temperature")
def test_generate_feeds_what_it_wrote(rng):
    network, params = language_model(rng)
    seed = np.array([0, 1, 1])
    tokens, lengths = generate(network, params, seed, 8, rng, temperature=0)
    logits, _, _ = network.forward(params, one_hot(shift(tokens, seed), K))
    np.testing.assert_array_equal(tokens, logits.argmax(axis=-1))
    np.testing.assert_array_equal(lengths, 8)


def test_generate_is_determined_by_its_generator(rng):
    network, params = language_model(rng)
    first, second, other = (
        generate(network, params, np.zeros(6, int), 20, np.random.default_rng(seed), 2.0)[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_generate_ends_at_the_end_symbol(rng):
    network, params = language_model(rng)
    tokens, lengths = generate(network, params, np.zeros(20, int), 50, rng, 5.0, end=1)
    assert len(tokens) == lengths.max() < 50
    assert len(set(lengths)) > 1
    for n, length in enumerate(lengths):
        assert (tokens[: length - 1, n] == 0).all()
        assert (tokens[length - 1 :, n] == 1).all()


def test_generate_from_a_vector_depends_on_it(rng):
    layer = VectorInput(Recurrent(RNN(K, H)), X, every_step=False, as_initial_state=True)
    network = ManyToMany(layer, Output(H, K))
    params, seed = tree.scale(drawn(rng, network), 5.0), np.zeros(8, int)
    start = layer.start(rng.normal(size=(8, X)))
    tokens, _ = generate(network, params, seed, 6, rng, temperature=0, state=start)
    logits, _, _ = network.forward(params, one_hot(shift(tokens, seed), K), start)
    np.testing.assert_array_equal(tokens, logits.argmax(axis=-1))
    assert len({tuple(row) for row in tokens.T}) > 1


@pytest.mark.equations("rnn-loss", "bptt-logits")
def test_likelihood_of_a_written_sequence_differences(rng):
    """Zero-length input: p(y) by the chain rule, x^(t) = y^(t−1), down to the parameters."""
    network, params = language_model(rng)
    targets, seed = rng.integers(K, size=(T, N)), np.zeros(N, int)
    xs, mask = one_hot(shift(targets, seed), K), length_mask(LENGTHS, T)

    def loss(params):
        return cross_entropy(network.forward(params, xs)[0], targets, mask)

    logits, _, cache = network.forward(params, xs)
    dparams, _, _ = network.backward(params, cache, cross_entropy(logits, targets, mask)[1])
    difference = gradient_check.check(lambda at: loss(at)[0], params, dparams)
    assert difference.relative < 1e-6, difference


# Bad input


def recurrent(D=3, H=4):
    return Recurrent(RNN(D, H))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Output(0, 2), "input_size: expected an integer of at least 1"),
        (lambda: Output(2, -1), "output_size: expected an integer of at least 1"),
        (lambda: ManyToMany(recurrent(), Output(5, 2)), "output: expected input_size 4"),
        (lambda: VectorInput(recurrent(), 0), "vector_size: expected an integer"),
        (lambda: VectorInput(recurrent(), 3), "layer: expected input_size above vector_size 3"),
        (lambda: VectorInput(recurrent(), 2, False, False), "expected at least one, got neither"),
        (
            lambda: VectorInput(VectorInput(recurrent(), 1), 1, False, True),
            "layer: expected a state with a field h",
        ),
        (lambda: VectorInput(recurrent(), 2).start(np.ones(2)), r"vector: expected shape \(N, 2\)"),
        (lambda: OutputToHidden(1, 1, 0), "output_size: expected an integer of at least 1"),
        (lambda: live_steps(np.array([4]), 3, 1), "lengths: expected integers from 1 to 3"),
    ],
)
def test_bad_construction_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xs": np.ones((T, D))}, r"xs: expected shape \(T, N, 4\), got \(5, 4\)"),
        ({"xs": np.ones((T, N, D), int)}, "xs: expected float"),
        ({"xs": np.full((T, N, D), np.nan)}, "xs: .* got NaN"),
        ({"lengths": np.array([6, 1, 1])}, "lengths: expected integers from 1 to 5"),
        ({"lengths": np.array([1, 1])}, "lengths: expected shape"),
        ({"batch": N + 1}, "state.*: expected shape"),
        ({"doutputs": np.ones((T, N, K + 1))}, "dlogits: expected shape"),
        ({"dbatch": N + 1}, "dstate.*: expected shape"),
    ],
)
@pytest.mark.parametrize("network", MODES[:3], ids=name_of)
def test_bad_input_of_a_mode_is_named(network, change, message, rng):
    params = network.init(rng)

    def run():
        outputs, _, cache = network.forward(
            params,
            change.get("xs", np.ones((T, N, D))),
            network.initial_state(change.get("batch", N)),
            change.get("lengths"),
        )
        doutputs = change.get("doutputs", np.ones_like(outputs))
        network.backward(params, cache, doutputs, network.initial_state(change.get("dbatch", N)))

    with pytest.raises(ValueError, match=message):
        run()


def test_bad_vector_state_is_named(rng):
    layer = VectorInput(Recurrent(RNN(D + X, H)), X)
    with pytest.raises(ValueError, match=r"state.vector: expected shape \(3, 7\), got \(4, 7\)"):
        layer.forward(layer.init(rng), np.ones((T, N, D)), layer.start(np.ones((N + 1, X))))


def test_bad_teacher_forcing_is_named(rng):
    network = OutputToHidden(D, H, K)
    params, xs = network.init(rng), np.ones((T, N, D))
    with pytest.raises(ValueError, match=r"previous: expected shape \(5, 3, 2\)"):
        network.forward_forced(params, xs, np.ones((T, N, K + 1)))
    _, cache = network.forward_forced(params, xs, np.ones((T, N, K)))
    with pytest.raises(ValueError, match="dlogits: expected shape"):
        network.backward_forced(params, cache, np.ones((T, N, K + 1)))
    with pytest.raises(ValueError, match="cache: expected that of forward"):
        network.backward(params, cache, np.ones((T, N, K)))


def test_bad_output_layer_input_is_named(rng):
    output = Output(H, K)
    params = output.init(rng)
    with pytest.raises(ValueError, match="hs: expected shape"):
        output.forward(params, np.ones((T, N, H + 1)))
    _, cache = output.forward(params, np.ones((T, N, H)))
    with pytest.raises(ValueError, match=r"dlogits: expected shape \(5, 3, 2\)"):
        output.backward(params, cache, np.ones((N, K)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": np.array([0, K])}, "seed: expected integers from 0 to 1"),
        ({"seed": np.array([0.0])}, "seed: expected integers"),
        ({"steps": 0}, "steps: expected an integer of at least 1"),
        ({"end": K}, "end: expected integers from 0 to 1"),
        ({"temperature": -1.0}, "temperature: expected a number of at least 0"),
        ({"temperature": np.nan}, "temperature: expected a number of at least 0"),
        (
            {"network": ManyToMany(recurrent(K, H), Output(H, K + 1))},
            "network: expected as many outputs as inputs",
        ),
    ],
)
def test_bad_generation_is_named(change, message, rng):
    network, params = language_model(rng)
    arguments = {"network": network, "params": params, "seed": np.zeros(2, int), "steps": 3}
    with pytest.raises(ValueError, match=message):
        generate(**{**arguments, "rng": rng, **change})


def test_bad_logits_to_sample_are_named(rng):
    with pytest.raises(ValueError, match=r"logits: expected shape \(N, K\)"):
        sample(np.ones(3), rng)


def test_modes_train(rng):
    """A many-to-one network learns the sign of the first input: the loss falls to near zero."""
    network = ManyToOne(Recurrent(RNN(1, 8)), Output(8, 2))
    params = network.init(rng)
    xs = rng.normal(size=(4, 64, 1))
    targets = (xs[0, :, 0] > 0).astype(int)
    losses = []
    for _ in range(300):
        logits, _, cache = network.forward(params, xs)
        loss, dlogits = cross_entropy(logits, targets)
        dparams, _, _ = network.backward(params, cache, dlogits)
        params = tree.tree_map(lambda p, d: p - d, params, dparams)
        losses.append(loss)
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
