"""Bidirectional layers against PyTorch; scans over images against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.activations import softmax
from lib.bidirectional import (
    Bidirectional,
    BidirectionalOutput,
    BidirectionalOutputParams,
    BidirectionalParams,
    BidirectionalState,
    as_layer,
    reverse_padded,
)
from lib.bptt import Recurrent
from lib.grids import FourCorners, FourDirections
from lib.gru import GRU
from lib.losses import cross_entropy
from lib.lstm import LSTM
from lib.lstm_variants import CoupledLSTM
from lib.networks import Output as OneOutput
from lib.networks import OutputParams as OneOutputParams
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN
from lib.time_scales import LeakyRNN, SkipRNN
from tests.lib import layer_checks as checks
from tests.lib.cell_checks import assert_same, quick, sizes

LENGTHS = np.array([4, 1, 3])


@pytest.mark.equations("bidirectional-reverse")
def test_reverse_within_each_length():
    xs = np.arange(8).reshape(4, 2)
    np.testing.assert_array_equal(
        reverse_padded(xs, np.array([3, 4])), [[4, 7], [2, 5], [0, 3], [6, 1]]
    )
    np.testing.assert_array_equal(reverse_padded(xs), xs[::-1])


@pytest.mark.equations("bidirectional-reverse")
@quick
@given(sizes, st.integers(0, 10**6))
def test_reverse_is_its_own_inverse_and_adjoint(shape, seed):
    rng = np.random.default_rng(seed)
    T, N, D, _ = shape
    xs, dys = rng.normal(size=(2, T, N, D))
    lengths = rng.integers(1, T + 1, N)
    once = reverse_padded(xs, lengths)
    np.testing.assert_array_equal(reverse_padded(once, lengths), xs)
    assert (once * dys).sum() == pytest.approx((xs * reverse_padded(dys, lengths)).sum())
    once[...] = 0
    assert (xs != 0).all()


@pytest.mark.parametrize("lengths", [None, np.array([2, 2])])
def test_reverse_copies(lengths):
    xs = np.ones((2, 2, 1))
    reverse_padded(xs, lengths)[...] = 0
    assert (xs == 1).all()


@pytest.mark.equations(
    "bidirectional-forward-state",
    "bidirectional-backward-state",
    "bidirectional-merge",
    "bidirectional-merge-backward",
)
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
@quick
@given(sizes, st.booleans(), st.integers(0, 10**6))
def test_agrees_with_pytorch(kind, shape, ragged, seed):
    T, N, D, H = shape
    layer = Bidirectional(checks.torch_cell(kind, D, H), checks.torch_cell(kind, D, H))
    ex = checks.example(layer, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    ys, last, (dparams, dxs, dstate) = checks.gradients(layer, ex, lengths)
    want = checks.torch_gradients(kind, [list(ex.params)], ex, ex.state, ex.dstate, lengths)
    want_ys, want_last, want_dparams, want_dxs, want_dstate = want
    assert_same((ys, dxs), (want_ys, want_dxs), 1e-10)
    assert_same(tuple(map(tuple, last)), tuple(want_last), 1e-10)
    assert_same(tuple(dparams), tuple(want_dparams), 1e-10)
    assert_same(tuple(map(tuple, dstate)), tuple(want_dstate), 1e-10)
    assert type(dparams) is BidirectionalParams
    assert type(last) is type(dstate) is BidirectionalState


ANY = [
    RNN(3, 2, "relu"),
    LSTM(3, 2),
    GRU(3, 2),
    PeepholeLSTM(3, 2),
    CoupledLSTM(3, 2),
    LeakyRNN(3, 2, 0.4, learned=True),
    SkipRNN(3, 2, delay=(1, 3)),
]


@pytest.mark.equations("bidirectional-merge-backward")
@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("cell", ANY)
def test_any_cell_both_ways_by_central_differences(cell, merge):
    layer = Bidirectional(cell, Recurrent(GRU(3, 2)), merge)
    ex = checks.example(layer)
    checks.assert_central_differences(layer, ex, LENGTHS)
    checks.assert_padding_changes_nothing(layer, ex, LENGTHS)


def test_bidirectional_layers_nest():
    layer = Bidirectional(Bidirectional(RNN(3, 1), LSTM(3, 2)), RNN(3, 3), "sum")
    ex = checks.example(layer)
    assert layer.output_size == 3
    checks.assert_central_differences(layer, ex, LENGTHS)


@pytest.mark.equations("bidirectional-merge")
def test_the_two_may_have_different_widths_and_are_cut_apart_again():
    layer = Bidirectional(LSTM(3, 4), RNN(3, 2))
    ex = checks.example(layer)
    ys, last, _ = layer.forward(ex.params, ex.xs, ex.state, LENGTHS)
    assert ys.shape == (4, 3, layer.output_size) == (4, 3, 6)
    hs, gs = layer.halves(ys)
    want = Recurrent(LSTM(3, 4)).forward(ex.params.forward, ex.xs, ex.state.forward, LENGTHS)
    np.testing.assert_array_equal(hs, want[0])
    np.testing.assert_allclose(gs[0], last.backward.h, atol=1e-15)
    assert not np.allclose(gs[3, 0], last.backward.h[0])
    summed = Bidirectional(RNN(3, 2), RNN(3, 2), "sum")
    ex = checks.example(summed)
    both = Bidirectional(RNN(3, 2), RNN(3, 2))
    hs, gs = both.halves(both.forward(ex.params, ex.xs)[0])
    np.testing.assert_allclose(summed.forward(ex.params, ex.xs)[0], hs + gs, atol=1e-15)


@pytest.mark.equations("bidirectional-forward-state", "bidirectional-backward-state")
def test_equations_step_by_step():
    layer = Bidirectional(RNN(3, 4), RNN(3, 2))
    ex = checks.example(layer, T=5, N=2)
    hs, gs = layer.halves(layer.forward(ex.params, ex.xs, ex.state)[0])
    (U1, W1, b1), (U2, W2, b2) = ex.params
    h, g = ex.state.forward.h, ex.state.backward.h
    for t in range(5):
        h = np.tanh(b1 + h @ W1.T + ex.xs[t] @ U1.T)
        np.testing.assert_allclose(hs[t], h, atol=1e-14)
    for t in (4, 3, 2, 1, 0):
        g = np.tanh(b2 + g @ W2.T + ex.xs[t] @ U2.T)
        np.testing.assert_allclose(gs[t], g, atol=1e-14)


@pytest.mark.parametrize("cell", [RNN(3, 2), LSTM(3, 2), GRU(3, 2)])
def test_a_palindrome_with_tied_weights_is_symmetric(cell):
    layer = Bidirectional(cell, cell)
    rng = np.random.default_rng(0)
    tied = cell.init(rng)
    half = rng.normal(size=(3, 2, 3))
    xs = np.concatenate([half, half[::-1]])
    hs, gs = layer.halves(layer.forward(BidirectionalParams(tied, tied), xs)[0])
    np.testing.assert_allclose(hs, gs[::-1], atol=1e-15)
    summed, _, _ = Bidirectional(cell, cell, "sum").forward(BidirectionalParams(tied, tied), xs)
    np.testing.assert_allclose(summed, summed[::-1], atol=1e-15)
    lengths, padded = np.array([6, 5]), xs.copy()
    padded[:5, 1] = xs[[0, 1, 2, 1, 0], 1]
    hs, gs = layer.halves(layer.forward(BidirectionalParams(tied, tied), padded, None, lengths)[0])
    np.testing.assert_allclose(hs[:5, 1], gs[:5, 1][::-1], atol=1e-15)


def test_the_first_output_depends_on_the_last_input():
    layer = Bidirectional(RNN(3, 4), RNN(3, 2))
    ex = checks.example(layer, T=6)
    moved = ex.xs.copy()
    moved[-1] += 0.1
    a, b = (layer.halves(layer.forward(ex.params, xs)[0]) for xs in (ex.xs, moved))
    np.testing.assert_array_equal(a[0][:-1], b[0][:-1])
    assert (a[1][0] != b[1][0]).all()


def test_layers_keep_the_contract():
    layer = Bidirectional(LSTM(3, 4), RNN(3, 2))
    ex = checks.example(layer)
    checks.assert_inputs_unchanged(layer, ex, LENGTHS)
    checks.assert_float32_kept(layer, ex, lengths=LENGTHS)
    checks.assert_thousand_steps_are_quiet(layer)
    checks.assert_bad_input_named(layer)
    zero = layer.initial_state(3)
    a, b = (checks.gradients(layer, ex._replace(state=s, dstate=s)) for s in (None, zero))
    assert_same(a, b)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match=r"^toward_past: expected input size 3, got 4"):
        Bidirectional(RNN(3, 2), RNN(4, 2))
    with pytest.raises(ValueError, match=r"^toward_past: expected output size 2 to sum, got 4"):
        Bidirectional(RNN(3, 2), RNN(3, 4), "sum")
    with pytest.raises(ValueError, match=r"^merge: expected one of"):
        Bidirectional(RNN(3, 2), RNN(3, 2), "mean")
    with pytest.raises(ValueError, match=r"^network: expected a Layer or a Cell, got int"):
        as_layer(3)
    with pytest.raises(ValueError, match=r"^network: expected a Layer or a Cell, got str"):
        Bidirectional(RNN(3, 2), "RNN")
    with pytest.raises(ValueError, match=r"^merge: expected 'concat'"):
        Bidirectional(RNN(3, 2), RNN(3, 2), "sum").halves(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"^ys: expected"):
        Bidirectional(RNN(3, 2), RNN(3, 2)).halves(np.zeros((2, 2, 2)))
    for bad in (np.zeros(3), np.zeros((0, 2)), [[1, 2]]):
        with pytest.raises(ValueError, match=r"^xs: expected"):
            reverse_padded(bad)
    for lengths in ([1, 5], [0, 1], [1], [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"^lengths: expected"):
            reverse_padded(np.zeros((4, 2)), np.array(lengths))


@pytest.mark.equations("bidirectional-output", "bidirectional-output-backward")
@quick
@given(sizes, st.integers(1, 4), st.integers(0, 10**6))
def test_output_layer_of_two_states(shape, classes, seed):
    T, N, H1, H2 = shape
    output = BidirectionalOutput(H1, H2, classes)
    rng = np.random.default_rng(seed)
    params = output.init(rng)
    hs, gs = rng.normal(size=(T, N, H1)), rng.normal(size=(T, N, H2))
    targets = rng.integers(0, classes, (T, N))
    logits, cache = output.forward(params, hs, gs)
    joined = OneOutputParams(np.concatenate([params.V1, params.V2], axis=1), params.c)
    one = OneOutput(H1 + H2, classes).forward(joined, np.concatenate([hs, gs], axis=-1))[0]
    np.testing.assert_allclose(logits, one, atol=1e-14)
    by_hand = params.c + params.V1 @ hs[-1, 0] + params.V2 @ gs[-1, 0]
    np.testing.assert_allclose(softmax(logits)[-1, 0], softmax(by_hand), atol=1e-14)

    def loss(at):
        return cross_entropy(output.forward(*at)[0], targets)[0]

    analytic = output.backward(params, cache, cross_entropy(logits, targets)[1])
    found = gradient_check.check(loss, (params, hs, gs), analytic)
    assert found.absolute < 1e-8, found
    assert type(analytic[0]) is BidirectionalOutputParams


def test_output_layer_names_bad_input():
    output = BidirectionalOutput(2, 3, 4)
    params = output.init(np.random.default_rng(0))
    hs, gs = np.ones((5, 1, 2)), np.ones((5, 1, 3))
    with pytest.raises(ValueError, match=r"^hs: expected"):
        output.forward(params, gs, gs)
    with pytest.raises(ValueError, match=r"^gs: expected"):
        output.forward(params, hs, gs[1:])
    with pytest.raises(ValueError, match=r"^dss: expected"):
        output.backward(params, (hs, gs), np.ones((5, 1, 3)))
    for field, value in params._asdict().items():
        with pytest.raises(ValueError, match=rf"^params\.{field}: expected"):
            output.forward(params._replace(**{field: value[:-1]}), hs, gs)
    for bad in ((0, 1, 1), (1, 1.5, 1), (1, 1, True)):
        with pytest.raises(ValueError, match=r"_size: expected|classes: expected"):
            BidirectionalOutput(*bad)


def image_gradients(layer, params, images, dys):
    ys, cache = layer.forward(params, images)
    return ys, layer.backward(params, cache, dys)


def image_layers(D, H):
    both = Bidirectional(LSTM(D, H), RNN(D, H))
    return [FourDirections(both, Bidirectional(RNN(D, 1), GRU(D, H))), FourCorners(D, H)]


@pytest.mark.equations(
    "bidirectional-four-directions",
    "bidirectional-four-directions-backward",
    "bidirectional-corner-state",
    "bidirectional-corner-backward",
)
@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("shape", [(3, 4, 2, 3), (1, 1, 1, 1), (1, 3, 2, 1), (4, 1, 1, 2)])
def test_image_scans_by_central_differences(k, shape):
    layer = image_layers(shape[3], 2)[k]
    rng = np.random.default_rng(0)
    params = layer.init(rng)
    images, dys = rng.normal(size=shape), rng.normal(size=(*shape[:3], layer.output_size))
    before = images.copy(), dys.copy(), tree.tree_map(np.copy, params)
    _, analytic = image_gradients(layer, params, images, dys)
    assert_same((images, dys, params), before, 0)
    assert type(analytic[0]) is type(params)
    numerical = gradient_check.numerical_gradient(
        lambda at: float((layer.forward(*at)[0] * dys).sum()), (params, images)
    )
    found = gradient_check.compare(analytic, numerical, floor=1e-3)
    assert found.relative < 1e-6, found


@pytest.mark.equations("bidirectional-four-directions")
def test_four_directions_are_left_right_up_and_down():
    across, down = (Bidirectional(RNN(2, 1), RNN(2, 3)) for _ in range(2))
    layer = FourDirections(across, down)
    rng = np.random.default_rng(0)
    params, images = layer.init(rng), rng.normal(size=(3, 4, 2, 2))
    ys, _ = layer.forward(params, images)
    for i in range(3):
        np.testing.assert_allclose(ys[i, ..., :4], across.forward(params.rows, images[i])[0])
    for j in range(4):
        np.testing.assert_allclose(ys[:, j, :, 4:], down.forward(params.columns, images[:, j])[0])


@pytest.mark.equations("bidirectional-corner-state")
def test_corner_scans_written_out():
    layer = FourCorners(2, 3)
    rng = np.random.default_rng(0)
    params, images = layer.init(rng), rng.normal(size=(3, 4, 1, 2))
    ys, _ = layer.forward(params, images)
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]  # top left, top right, bottom left, right
    for k, (down, right) in enumerate(corners):
        states = {}
        for i in range(3)[::down]:
            for j in range(4)[::right]:
                above = states.get((i - down, j), np.zeros(3))
                beside = states.get((i, j - right), np.zeros(3))
                a = params.b[k] + params.U[k] @ images[i, j, 0]
                states[i, j] = np.tanh(a + params.W[k] @ above + params.R[k] @ beside)
                np.testing.assert_allclose(ys[i, j, 0, 3 * k : 3 * k + 3], states[i, j], atol=1e-14)


def test_how_far_each_scan_sees():
    rng = np.random.default_rng(0)
    for layer, whole in zip(image_layers(2, 3), (False, True), strict=True):
        params, images = layer.init(rng), rng.normal(size=(4, 5, 1, 2))
        moved = images.copy()
        moved[0, 0] += 0.5
        changed = layer.forward(params, images)[0] != layer.forward(params, moved)[0]
        changed = changed[:, :, 0].any(axis=-1)
        assert changed[0].all()
        assert changed[:, 0].all()
        assert changed[1:, 1:].all() if whole else not changed[1:, 1:].any()


def test_image_scans_keep_float32_and_name_bad_input():
    for layer in image_layers(2, 3):
        rng = np.random.default_rng(0)
        params = layer.init(rng)
        images = rng.normal(size=(3, 4, 2, 2))
        dys = rng.normal(size=(3, 4, 2, layer.output_size))
        want = image_gradients(layer, params, images, dys)
        single = tree.tree_map(lambda leaf: leaf.astype(np.float32), (params, images, dys))
        got = image_gradients(layer, *single)
        assert {leaf.dtype for leaf in tree.leaves(got)} == {np.dtype(np.float32)}
        assert_same(got, want, 1e-4)
        for bad in (images[0], images[..., :1], images.astype(int), images * np.nan, images[:0]):
            with pytest.raises(ValueError, match=r"^images: expected"):
                layer.forward(params, bad)
        _, cache = layer.forward(params, images)
        for bad in (dys[0], dys[..., 1:], dys * np.nan):
            with pytest.raises(ValueError, match=r"^dys: expected"):
                layer.backward(params, cache, bad)
    with pytest.raises(ValueError, match=r"^columns: expected input size 2, got 3"):
        FourDirections(RNN(2, 1), RNN(3, 1))
    for bad in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match=r"_size: expected"):
            FourCorners(*bad)
    corners = FourCorners(2, 3)
    params = corners.init(np.random.default_rng(0))
    for field, value in params._asdict().items():
        with pytest.raises(ValueError, match=rf"^params\.{field}: expected"):
            corners.forward(params._replace(**{field: value[:3]}), np.ones((2, 2, 1, 2)))


def test_images_saturated_are_quiet():
    rng = np.random.default_rng(0)
    for layer in image_layers(2, 3):
        params = tree.scale(layer.init(rng), 1e4)
        images = rng.normal(size=(30, 35, 1, 2))
        with np.errstate(all="raise", under="ignore"):
            for leaf in tree.leaves(
                image_gradients(
                    layer, params, images, images[..., :1] + np.zeros(layer.output_size)
                )
            ):
                assert np.isfinite(leaf).all()
