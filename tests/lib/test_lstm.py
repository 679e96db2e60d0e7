"""The LSTM against PyTorch; its 1997 ancestor and truncated gradient against definitions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.activations import sigmoid
from lib.bptt import Recurrent
from lib.lstm import (
    LSTM,
    LSTM1997,
    LSTMParams,
    LSTMState,
    cell_jacobians,
    concatenate_maps,
    parameter_count,
)
from lib.rnn import RNN
from tests.lib import cell_checks as checks

CELLS = [LSTM(3, 4), LSTM(3, 4, forget_bias=1.0, truncated_gradient=True), LSTM1997(3, 4)]


@pytest.mark.equations(
    "lstm-forget-gate",
    "lstm-input-gate",
    "lstm-candidate",
    "lstm-output-gate",
    "lstm-cell",
    "lstm-hidden",
    "lstm-cell-backward",
    "lstm-gate-backward",
    "lstm-hidden-backward",
    "lstm-parameters",
    "lstm-input-backward",
)
@checks.quick
@given(checks.sizes, st.booleans(), st.integers(0, 10**6))
def test_agrees_with_pytorch(sizes, ragged, seed):
    T, N, D, H = sizes
    cell = LSTM(D, H)
    ex = checks.example(cell, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    ys, last, (dparams, dxs, dstate) = checks.gradients(cell, ex, lengths)
    module = checks.torch_layer(torch.nn.LSTM, ex.params)
    want_ys, want_last, grads, want_dxs, want_dstate = checks.torch_gradients(module, ex, lengths)
    checks.assert_same((ys, tuple(last)), (want_ys, want_last), 1e-10)
    checks.assert_same((dxs, tuple(dstate)), (want_dxs, want_dstate), 1e-10)
    wanted = LSTMParams(grads["weight_ih_l0"], grads["weight_hh_l0"], grads["bias_ih_l0"])
    checks.assert_same(dparams, wanted, 1e-10)
    assert type(dparams) is LSTMParams
    assert type(last) is type(dstate) is LSTMState


@pytest.mark.equations("lstm-carousel", "lstm-carousel-backward")
@pytest.mark.parametrize("sizes", [(4, 2, 3, 5), (1, 3, 2, 4), (5, 1, 2, 1)])
@pytest.mark.parametrize("ragged", [False, True])
def test_1997_agrees_with_central_differences(sizes, ragged):
    T, N, D, H = sizes
    cell = LSTM1997(D, H)
    lengths = np.array([T, 1, max(1, T // 2)])[:N] if ragged else None
    checks.assert_central_differences(cell, checks.example(cell, T, N), lengths)


@pytest.mark.equations("lstm-carousel")
def test_1997_is_the_lstm_with_its_forget_gate_held_open():
    cell, ancestor = LSTM(3, 4), LSTM1997(3, 4)
    ex = checks.example(cell, T=6, N=2)
    U, W, b = (np.concatenate([p[:4], np.zeros_like(p[4:8]), p[8:]]) for p in ex.params)
    b[4:8] = 50.0
    held_open = ex._replace(params=LSTMParams(U, W, b))
    without = ex._replace(params=LSTMParams(*(np.delete(p, np.s_[4:8], 0) for p in ex.params)))
    ys, last, (dparams, dxs, dstate) = checks.gradients(cell, held_open)
    got = checks.gradients(ancestor, without)
    dparams = LSTMParams(*(np.delete(p, np.s_[4:8], 0) for p in dparams))
    checks.assert_same(got, (ys, last, (dparams, dxs, dstate)), 1e-12)


@pytest.mark.equations("lstm-truncated")
@pytest.mark.parametrize("kind", [LSTM, LSTM1997])
def test_truncated_gradient_is_that_of_frozen_recurrent_inputs(kind):
    """The definition: h' as the gates and the candidate see it is a constant."""
    cell = kind(3, 4, truncated_gradient=True)
    ex = checks.example(cell, T=5, N=2)
    ys, _, analytic = checks.gradients(cell, ex)
    frozen = [ex.state.h, *ys[:-1]]

    def function(at):
        params, xs, state = at
        total = 0.0
        for x, h, dy in zip(xs, frozen, ex.dys, strict=True):
            state, _ = cell.step(params, x, LSTMState(h, state.c))
            total += np.sum(state.h * dy)
        return float(total + np.sum(state.h * ex.dstate.h) + np.sum(state.c * ex.dstate.c))

    found = gradient_check.check(function, (ex.params, ex.xs, ex.state), analytic)
    assert found.absolute < 1e-8, found
    full = checks.gradients(replace(cell, truncated_gradient=False), ex)[2]
    assert np.abs(full[0].W - analytic[0].W).max() > 1e-2


@pytest.mark.equations("lstm-jacobian", "lstm-cell-path")
@pytest.mark.parametrize("kind", [LSTM, LSTM1997])
def test_cell_jacobians(kind):
    cell = kind(3, 4)
    ex = checks.example(cell, T=5, N=2)
    _, _, cache = Recurrent(cell).forward(ex.params, ex.xs, ex.state)
    found = cell_jacobians(cell, ex.params, cache.steps, example=1)
    assert found.total.shape == (5, 4, 4)
    f = cache.steps.f[:, 1] if kind is LSTM else np.ones((5, 4))
    for q in range(5):
        np.testing.assert_allclose(found.cell_path[q], np.prod(f[5 - q :], axis=0), atol=1e-14)
        numerical = np.empty((4, 4))
        for k in range(4):
            ends = []
            for nudge in (1e-5, -1e-5):
                state = ex.state
                for t, x in enumerate(ex.xs):
                    state, step = cell.step(ex.params, x, state)
                    if t == 4 - q:
                        c = state.c.copy()
                        c[:, k] += nudge
                        state = LSTMState(step.o * np.tanh(c), c)
                ends.append(state.c[1])
            numerical[:, k] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(found.total[q], numerical, atol=1e-8)
    cut = cell_jacobians(replace(cell, truncated_gradient=True), ex.params, cache.steps, 1)
    for q in range(5):
        np.testing.assert_allclose(cut.total[q], np.diag(found.cell_path[q]), atol=1e-14)


def test_cell_jacobians_bad_input():
    cell = LSTM(3, 4)
    ex = checks.example(cell)
    _, _, cache = Recurrent(cell).forward(ex.params, ex.xs)
    with pytest.raises(ValueError, match="cell: expected LSTM or LSTM1997, got RNN"):
        cell_jacobians(RNN(3, 4), ex.params, cache.steps)
    with pytest.raises(ValueError, match="steps: expected"):
        cell_jacobians(cell, ex.params, [])
    for row in (-1, 2):
        with pytest.raises(ValueError, match="example: expected a row from 0 to 1"):
            cell_jacobians(cell, ex.params, cache.steps, row)


@pytest.mark.equations("lstm-concatenation")
@pytest.mark.parametrize("split", [0, 1, 4])
def test_concatenate_maps(split):
    cell = LSTM(3, 4)
    ex = checks.example(cell)
    params = concatenate_maps(ex.params, split)
    rows = np.arange(4) < split
    blocks = [np.split(m.T, 4, axis=1) for m in (params.U, params.W, ex.params.U, ex.params.W)]
    for U, W, U_full, W_full in zip(*blocks, strict=True):
        x, h = ex.xs[0], ex.state.h
        concatenated = np.concatenate([(x @ U_full)[:, rows], (h @ W_full)[:, ~rows]], axis=1)
        np.testing.assert_allclose(x @ U + h @ W, concatenated, atol=1e-14)
    np.testing.assert_array_equal(params.b, ex.params.b)


def test_concatenate_maps_bad_input():
    params = checks.example(LSTM(3, 4)).params
    for split in (-1, 5):
        with pytest.raises(ValueError, match="split: expected"):
            concatenate_maps(params, split)


@pytest.mark.equations("lstm-parameter-count")
def test_parameter_count():
    assert parameter_count(512, 1024) == 6_295_552
    assert parameter_count(3, 5) == tree.size(LSTM(3, 5).init(np.random.default_rng(0)))
    module = torch.nn.LSTM(3, 5)
    assert parameter_count(3, 5, biases=2) == sum(p.numel() for p in module.parameters())
    for bad in ((0, 5, 1), (3, 0, 1), (3, 5, 0)):
        with pytest.raises(ValueError, match="expected an integer of at least 1"):
            parameter_count(*bad)


@pytest.mark.equations("lstm-forget-bias")
def test_without_weights_the_cell_path_is_a_power_of_the_forget_bias_gate():
    cell = LSTM(3, 4, forget_bias=1.5)
    params = cell.init(np.random.default_rng(0))
    params = params._replace(U=0 * params.U, W=0 * params.W)
    _, _, cache = Recurrent(cell).forward(params, np.ones((6, 1, 3)))
    found = cell_jacobians(cell, params, cache.steps)
    for q in range(6):
        np.testing.assert_allclose(found.cell_path[q], sigmoid(np.array(1.5)) ** q, atol=1e-14)
        np.testing.assert_allclose(found.total[q], np.diag(found.cell_path[q]), atol=1e-14)


@pytest.mark.equations("lstm-forget-bias")
def test_forget_bias_sets_the_forget_gate_alone():
    plain = LSTM(3, 4).init(np.random.default_rng(0))
    params = LSTM(3, 4, forget_bias=1.5).init(np.random.default_rng(0))
    np.testing.assert_array_equal(params.b[4:8], 1.5)
    np.testing.assert_array_equal(np.delete(params.b, np.s_[4:8]), np.delete(plain.b, np.s_[4:8]))
    np.testing.assert_array_equal(params.W, plain.W)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="forget_bias: expected"):
            LSTM(3, 4, forget_bias=bad)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_contract(cell):
    ex = checks.example(cell)
    checks.assert_steps_equal_scan(cell, ex)
    checks.assert_inputs_unchanged(cell, ex, np.array([4, 2]))
    checks.assert_float32_kept(cell, ex)
    checks.assert_saturated_is_quiet(cell)
    checks.assert_bad_input_named(cell)
    checks.assert_bad_params_named(cell)


def test_thousand_steps_with_the_cell_saturated():
    cell = LSTM1997(2, 3)
    ex = checks.example(cell, T=1000)
    ex.params.b[:] = 30.0
    _, last, grads = checks.gradients(cell, ex)
    assert last.c.min() > 900
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves(grads))
