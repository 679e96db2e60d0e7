"""Stacks against PyTorch; dropout, residuals, transitions and MLPs against definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.bidirectional import Bidirectional
from lib.bptt import Recurrent
from lib.clockwork import ClockworkRNN
from lib.deep import MLP, MLPParams, Stacked, StackedParams, StackedState, dropout_mask
from lib.deep_transition import DeepTransition, DeepTransitionParams, DeepTransitionState
from lib.gru import GRU
from lib.lstm import LSTM
from lib.lstm_variants import CoupledLSTM, DepthGatedLSTM
from lib.paths import shortest_path, unfolded_edges
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN, RNNState
from lib.time_scales import LeakyRNN, SkipRNN
from tests.lib import cell_checks
from tests.lib import layer_checks as checks
from tests.lib.cell_checks import assert_same, quick, sizes

LENGTHS = np.array([4, 1, 3])

TRANSITIONS = [
    DeepTransition(3, 4),
    DeepTransition(3, 4, depth=1),
    DeepTransition(3, 4, depth=3, skip=True),
    DeepTransition(3, 4, depth=2, skip=True, activation="sigmoid"),
]


@pytest.mark.equations("deep-stacked-state", "deep-stacked-backward")
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
@quick
@given(sizes, st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_agrees_with_pytorch(kind, shape, depth, both, ragged, seed):
    T, N, D, H = shape

    def floor(width):
        cells = [checks.torch_cell(kind, width, H) for _ in range(1 + both)]
        return Bidirectional(*cells) if both else cells[0]

    layer = Stacked([floor(D), *(floor((1 + both) * H) for _ in range(depth - 1))])
    ex = checks.example(layer, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    ys, last, (dparams, dxs, dstate) = checks.gradients(layer, ex, lengths)

    def grid(value):
        return [tuple(part) if both else (part,) for part in value.layers]

    def flat(value):
        return tuple(cell for part in grid(value) for cell in part)

    want = checks.torch_gradients(
        kind, grid(ex.params), ex, flat(ex.state), flat(ex.dstate), lengths
    )
    want_ys, want_last, want_dparams, want_dxs, want_dstate = want
    assert_same((ys, dxs), (want_ys, want_dxs), 1e-10)
    assert_same(flat(dparams), tuple(want_dparams), 1e-10)
    assert_same(tuple(map(tuple, flat(last))), tuple(want_last), 1e-10)
    assert_same(tuple(map(tuple, flat(dstate))), tuple(want_dstate), 1e-10)
    assert type(dparams) is StackedParams
    assert type(last) is type(dstate) is StackedState


@pytest.mark.equations("deep-stacked-state")
def test_two_levels_as_the_notes_write_them():
    layer = Stacked([RNN(3, 4), RNN(4, 2)])
    ex = checks.example(layer, T=5, N=2)
    ys, last, _ = layer.forward(ex.params, ex.xs, ex.state)
    (U, W1, b1), (R, W2, b2) = ex.params.layers
    h, z = (state.h for state in ex.state.layers)
    for t in range(5):
        h = np.tanh(b1 + h @ W1.T + ex.xs[t] @ U.T)
        z = np.tanh(b2 + z @ W2.T + h @ R.T)
        np.testing.assert_allclose(ys[t], z, atol=1e-14)
    assert_same(last, StackedState((RNNState(h), RNNState(z))))


ANY = [
    RNN(2, 2, "relu"),
    LSTM(2, 2),
    GRU(2, 2),
    PeepholeLSTM(2, 2),
    CoupledLSTM(2, 2),
    DepthGatedLSTM(2, 2),
    LeakyRNN(2, 2, 0.4, learned=True),
    SkipRNN(2, 2, delay=3),
    DeepTransition(2, 2, 2, skip=True),
]


@pytest.mark.equations(
    "deep-stacked-backward", "deep-residual", "deep-residual-backward", "deep-dropout"
)
@pytest.mark.parametrize("cell", ANY)
def test_any_cell_with_residual_and_dropout_by_central_differences(cell):
    layer = Stacked([Bidirectional(RNN(2, 1), RNN(2, 1)), cell, RNN(2, 2)], residual=True)
    ex = checks.example(layer)
    masks = layer.dropout_masks(np.random.default_rng(0), 0.4, 4, 3, on_input=True)
    checks.assert_central_differences(layer, ex, LENGTHS, masks=masks)
    checks.assert_padding_changes_nothing(layer, ex, LENGTHS)


def test_a_clockwork_cell_whose_clock_has_no_gradient():
    layer = Stacked([Bidirectional(ClockworkRNN(2, 2, (1, 2)), RNN(2, 2)), RNN(4, 2)])
    ex = checks.example(layer)
    _, _, cache = layer.forward(ex.params, ex.xs, None, LENGTHS)
    found = gradient_check.check(
        lambda at: float((layer.forward(*at, None, LENGTHS)[0] * ex.dys).sum()),
        (ex.params, ex.xs),
        layer.backward(ex.params, cache, ex.dys)[:2],
    )
    assert found.absolute < 1e-8, found


def test_all_of_the_course_in_one_stack():
    layer = Stacked(
        [
            MLP((2, 3, 3)),
            Bidirectional(PeepholeLSTM(3, 2), Recurrent(GRU(3, 1))),
            Stacked([DeepTransition(3, 3, 2, skip=True), MLP((3, 3), last_activation="identity")]),
        ],
        residual=True,
    )
    ex = checks.example(layer)
    checks.assert_central_differences(layer, ex, LENGTHS)
    checks.assert_padding_changes_nothing(layer, ex, LENGTHS)


@pytest.mark.equations("deep-residual")
def test_residual_adds_the_input_of_every_layer_but_the_first():
    cells = [RNN(4, 4), LSTM(4, 4), GRU(4, 4)]
    layer = Stacked(cells, residual=True)
    ex = checks.example(layer)
    one, two, three = (Recurrent(cell) for cell in cells)
    a = one.forward(ex.params.layers[0], ex.xs)[0]
    b = a + two.forward(ex.params.layers[1], a)[0]
    c = b + three.forward(ex.params.layers[2], b)[0]
    np.testing.assert_allclose(layer.forward(ex.params, ex.xs)[0], c, atol=1e-14)
    silent = tree.zeros_like(ex.params)._replace(
        layers=(ex.params.layers[0], *tree.zeros_like(ex.params.layers[1:]))
    )
    np.testing.assert_array_equal(layer.forward(silent, ex.xs)[0], a)


@pytest.mark.equations("deep-dropout", "deep-variational-dropout")
@pytest.mark.parametrize("variational", [False, True])
def test_masks_keep_the_mean_and_the_same_features_where_variational(variational):
    mask = dropout_mask(np.random.default_rng(0), 0.25, (50, 200, 20), variational)
    assert mask.shape == (1 if variational else 50, 200, 20)
    np.testing.assert_allclose(np.unique(mask), [0, 1 / 0.75])
    assert mask.mean() == pytest.approx(1, abs=0.03)
    if not variational:
        assert (mask[0] != mask[1]).any()
    assert (mask[:, 0] != mask[:, 1]).any()
    assert (dropout_mask(np.random.default_rng(0), 0.0, (2, 2, 2)) == 1).all()
    assert (
        dropout_mask(np.random.default_rng(0), 0.5, (2, 2, 2), dtype=np.float32).dtype == np.float32
    )


@pytest.mark.equations("deep-dropout")
def test_training_is_test_time_on_average():
    """Over a linear layer the mean over masks is the output without masks."""
    layer = Stacked([RNN(3, 40), RNN(40, 2, "identity")])
    ex = checks.example(layer, T=3, N=1, scale=0.3)
    plain = layer.forward(ex.params, ex.xs)[0]
    draws = 4000
    masks = layer.dropout_masks(np.random.default_rng(0), 0.5, 3, draws)
    drawn = layer.forward(ex.params, np.repeat(ex.xs, draws, axis=1), masks=masks)[0]
    error = drawn.std(axis=1) / np.sqrt(draws)
    assert (error > 0).all()
    assert (np.abs(drawn.mean(axis=1) - plain[:, 0]) < 4 * error).all()
    np.testing.assert_array_equal(layer.forward(ex.params, ex.xs)[0], plain)


@pytest.mark.equations("deep-dropout")
@pytest.mark.parametrize("variational", [False, True])
def test_dropout_never_touches_recurrence(variational):
    """Each layer's states are those of its cell alone, fed with what the mask lets through."""
    cells = [RNN(3, 5), LSTM(5, 4), GRU(4, 2)]
    layer = Stacked(cells)
    ex = checks.example(layer)
    masks = layer.dropout_masks(np.random.default_rng(1), 0.5, 4, 3, variational)
    assert masks[0] is None
    ys, last, _ = layer.forward(ex.params, ex.xs, ex.state, masks=masks)
    inputs = ex.xs
    for k, cell in enumerate(cells):
        if k > 0:
            inputs = inputs * masks[k]
        state, outputs = ex.state.layers[k], []
        for x in inputs:
            state, _ = cell.step(ex.params.layers[k], x, state)
            outputs.append(state.h)
        assert_same(last.layers[k], state)
        inputs = np.stack(outputs)
    np.testing.assert_allclose(ys, inputs, atol=1e-14)
    nothing = (None, np.zeros((1, 3, 5)), np.zeros((4, 3, 4)))
    dead, _, _ = layer.forward(ex.params, ex.xs, ex.state, masks=nothing)
    moved, _, _ = layer.forward(ex.params, ex.xs + 1, ex.state, masks=nothing)
    np.testing.assert_array_equal(dead, moved)
    other = ex.state._replace(layers=tree.scale(ex.state.layers, 0.5))
    assert (layer.forward(ex.params, ex.xs, other, masks=nothing)[0] != dead).all()


def test_masks_of_the_input_and_of_bidirectional_layers():
    layer = Stacked([Bidirectional(RNN(3, 2), RNN(3, 2)), RNN(4, 2)])
    rng = np.random.default_rng(0)
    shapes = [m.shape for m in layer.dropout_masks(rng, 0.5, 6, 2, on_input=True)]
    assert shapes == [(6, 2, 3), (6, 2, 4)]
    shapes = [m.shape for m in layer.dropout_masks(rng, 0.5, 6, 2, variational=True)[1:]]
    assert shapes == [(1, 2, 4)]
    same = [layer.dropout_masks(np.random.default_rng(7), 0.5, 6, 2)[1] for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_stacks_keep_the_contract():
    layer = Stacked([LSTM(3, 4), RNN(4, 4)], residual=True)
    ex = checks.example(layer)
    masks = layer.dropout_masks(np.random.default_rng(0), 0.5, 4, 3, on_input=True)
    kept = tree.tree_map(np.copy, masks)
    checks.assert_inputs_unchanged(layer, ex, LENGTHS, masks=masks)
    assert_same(masks, kept, 0)
    single = layer.dropout_masks(np.random.default_rng(0), 0.5, 4, 3, dtype=np.float32)
    checks.assert_float32_kept(layer, ex, lengths=LENGTHS, masks=single)
    checks.assert_thousand_steps_are_quiet(layer)
    checks.assert_bad_input_named(layer)
    zero = layer.initial_state(3)
    a, b = (checks.gradients(layer, ex._replace(state=s, dstate=s)) for s in (None, zero))
    assert_same(a, b)


def test_stacks_and_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^layers: expected at least one"):
        Stacked([])
    with pytest.raises(ValueError, match=r"^layers\[1\]: expected input size 4, got 3"):
        Stacked([RNN(3, 4), RNN(3, 4)])
    with pytest.raises(ValueError, match=r"^layers\[2\]: expected output size 4 for a residual"):
        Stacked([RNN(3, 4), RNN(4, 4), RNN(4, 2)], residual=True)
    with pytest.raises(ValueError, match=r"^network: expected a Layer or a Cell"):
        Stacked([RNN(3, 4), 4])
    layer = Stacked([RNN(3, 4), RNN(4, 4)])
    ex = checks.example(layer)
    for masks, name in (
        ((None,), "masks"),
        ((None, np.ones((4, 3, 3))), r"masks\[1\]"),
        ((None, np.ones((2, 3, 4))), r"masks\[1\]"),
        ((np.ones((4, 3, 3), int), None), r"masks\[0\]"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            layer.forward(ex.params, ex.xs, masks=masks)
    rng = np.random.default_rng(0)
    for rate in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"^rate: expected"):
            dropout_mask(rng, rate, (2, 2, 2))
    with pytest.raises(ValueError, match=r"^shape\[1\]: expected"):
        dropout_mask(rng, 0.5, (2, 0, 2))


@pytest.mark.equations("deep-mlp", "deep-mlp-backward")
@quick
@given(sizes, st.booleans(), st.integers(0, 10**6))
def test_mlp_layer(shape, ragged, seed):
    T, N, D, H = shape
    layer = MLP((D, H, 2), "sigmoid", "tanh")
    ex = checks.example(layer, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    checks.assert_central_differences(layer, ex, lengths)
    ys, state, _ = layer.forward(ex.params, ex.xs)
    (W1, W2), (b1, b2) = ex.params
    inner = 1 / (1 + np.exp(-(W1 @ ex.xs[-1, 0] + b1)))
    np.testing.assert_allclose(ys[-1, 0], np.tanh(W2 @ inner + b2), atol=1e-14)
    assert state == ()
    assert type(layer.backward(ex.params, layer.forward(ex.params, ex.xs)[2], ys)[0]) is MLPParams


def test_mlp_keeps_the_contract():
    layer = MLP((3, 5, 2))
    ex = checks.example(layer)
    checks.assert_inputs_unchanged(layer, ex, LENGTHS)
    checks.assert_padding_changes_nothing(layer, ex, LENGTHS)
    checks.assert_float32_kept(layer, ex, lengths=LENGTHS)
    checks.assert_thousand_steps_are_quiet(layer)
    checks.assert_bad_input_named(layer)
    assert MLP((3, 5, 2)).activations == ["tanh", "tanh"]
    for bad, name in (((3,), "sizes"), ((3, 0), r"sizes\[1\]"), ((2.5, 1), r"sizes\[0\]")):
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            MLP(bad)
    for option in ("activation", "last_activation"):
        with pytest.raises(ValueError, match=rf"^{option}: expected"):
            MLP((3, 2), **{option: "cube"})


@pytest.mark.equations(
    "deep-transition",
    "deep-transition-skip",
    "deep-transition-backward",
    "deep-transition-parameters",
)
@pytest.mark.parametrize("cell", TRANSITIONS)
def test_deep_transition_by_central_differences(cell):
    ex = cell_checks.example(cell, T=4, N=3)
    cell_checks.assert_central_differences(cell, ex)
    cell_checks.assert_central_differences(cell, ex, LENGTHS)
    cell_checks.assert_steps_equal_scan(cell, ex)
    cell_checks.assert_inputs_unchanged(cell, ex, LENGTHS)
    cell_checks.assert_float32_kept(cell, ex)
    cell_checks.assert_saturated_is_quiet(cell)
    cell_checks.assert_bad_params_named(cell)


@quick
@given(sizes, st.integers(1, 3), st.booleans(), st.integers(0, 10**6))
def test_deep_transition_of_any_size(shape, depth, skip, seed):
    T, N, D, H = shape
    cell = DeepTransition(D, H, depth, skip and depth > 1)
    cell_checks.assert_central_differences(cell, cell_checks.example(cell, T, N, seed))


@pytest.mark.equations("deep-transition", "deep-transition-skip")
def test_deep_transition_written_out():
    for skip in (False, True):
        cell = DeepTransition(3, 4, 3, skip)
        ex = cell_checks.example(cell, T=1, N=1)
        U, W, b, S = ex.params
        x, h = ex.xs[0, 0], ex.state.h[0]
        z1 = np.tanh(b[0] + W[0] @ h + U @ x)
        z2 = np.tanh(b[1] + W[1] @ z1)
        z3 = np.tanh(b[2] + W[2] @ z2 + (S @ h if skip else 0))
        new, _ = cell.step(ex.params, ex.xs[0], ex.state)
        np.testing.assert_allclose(new.h[0], z3, atol=1e-15)
        assert type(new) is DeepTransitionState


@pytest.mark.equations("deep-transition")
def test_a_transition_of_one_layer_is_an_elman_cell():
    plain = RNN(3, 4)
    ex = cell_checks.example(plain)
    U, W, b = ex.params
    deep = cell_checks.Example(
        DeepTransitionParams(U, W[None], b[None], None),
        ex.xs,
        DeepTransitionState(ex.state.h),
        ex.dys,
        DeepTransitionState(ex.dstate.h),
    )
    ys, _, (dparams, dxs, _) = cell_checks.gradients(plain, ex)
    got_ys, _, (got, got_dxs, _) = cell_checks.gradients(DeepTransition(3, 4, 1), deep)
    assert_same((got_ys, got_dxs), (ys, dxs))
    assert_same((got.U, got.W[0], got.b[0]), tuple(dparams))
    assert got.S is None


def test_bad_transitions_are_refused():
    cell_checks.assert_bad_input_named(DeepTransition(3, 4))
    with pytest.raises(ValueError, match=r"^depth: expected an integer"):
        DeepTransition(3, 4, 0)
    with pytest.raises(ValueError, match=r"^depth: expected at least 2 with skip"):
        DeepTransition(3, 4, 1, skip=True)
    with pytest.raises(ValueError, match=r"^activation: expected"):
        DeepTransition(3, 4, activation="cube")


@pytest.mark.equations("deep-path-length")
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_path_between_neighbouring_states(depth):
    def length(network, last):
        edges = unfolded_edges(network, 3)
        return shortest_path(edges, ("h", 0, 1, last), ("h", 0, 2, last))

    assert length(DeepTransition(2, 3, depth), depth - 1) == depth
    if depth > 1:
        assert length(DeepTransition(2, 3, depth, skip=True), depth - 1) == 1
    assert length(Recurrent(LSTM(2, 3)), 0) == 1


@pytest.mark.equations("deep-path-length")
def test_paths_through_a_stack():
    edges = unfolded_edges(Stacked([RNN(2, 3), DeepTransition(3, 3, 2), Recurrent(GRU(3, 3))]), 4)
    assert shortest_path(edges, ("x", 0), ("h", 2, 0, 0)) == 4
    assert shortest_path(edges, ("x", 0), ("h", 2, 3, 0)) == 7
    assert shortest_path(edges, ("h", 0, 0, 0), ("h", 0, 3, 0)) == 3
    assert shortest_path(edges, ("h", 1, 0, 1), ("h", 1, 3, 1)) == 6
    assert shortest_path(edges, ("x", 0), ("x", 0)) == 0
    with pytest.raises(ValueError, match=r"^goal: expected a node"):
        shortest_path(edges, ("h", 0, 3, 0), ("h", 0, 0, 0))
    with pytest.raises(ValueError, match=r"^goal: expected a node"):
        shortest_path(edges, ("h", 1, 0, 0), ("h", 0, 1, 0))
    with pytest.raises(ValueError, match=r"^steps: expected"):
        unfolded_edges(RNN(2, 3), 0)
    for wrong in (
        Bidirectional(RNN(2, 3), RNN(2, 3)),
        MLP((2, 3)),
        Stacked([Stacked([RNN(2, 3)])]),
    ):
        with pytest.raises(ValueError, match=r"^network: expected cells"):
            unfolded_edges(wrong, 2)


@pytest.mark.equations("deep-path-length")
def test_longer_paths_are_longer_products():
    """With linear maps ½·I the gradient over one step is ½ to the path's length."""
    for depth in (1, 3):
        cell = DeepTransition(1, 2, depth, activation="identity")
        half = np.stack([np.eye(2) / 2] * depth)
        params = DeepTransitionParams(np.zeros((2, 1)), half, np.zeros((depth, 2)), None)
        _, cache = cell.step(params, np.ones((1, 1)), cell.initial_state(1))
        _, _, back = cell.step_backward(params, cache, DeepTransitionState(np.ones((1, 2))))
        edges = unfolded_edges(cell, 2)
        length = shortest_path(edges, ("h", 0, 0, depth - 1), ("h", 0, 1, depth - 1))
        np.testing.assert_allclose(back.h, 0.5**length)
