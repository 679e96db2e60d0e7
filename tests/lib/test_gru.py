"""The GRU against PyTorch where it resets after the product, against central differences else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import tree
from lib.activations import sigmoid
from lib.gru import (
    GRU,
    GRUParams,
    GRUState,
    SimplifiedGRU,
    TwoBiases,
    flip_update_gate,
    merge_biases,
    parameter_count,
    split_biases,
)
from tests.lib import cell_checks as checks

CELLS = [GRU(3, 4), GRU(3, 4, reset_after=True), SimplifiedGRU(3, 4)]


@pytest.mark.equations(
    "gru-reset-gate",
    "gru-update-gate",
    "gru-candidate-reset-after",
    "gru-state",
    "gru-reset-after-backward",
    "gru-reset-after-parameters",
)
@checks.quick
@given(checks.sizes, st.booleans(), st.integers(0, 10**6))
def test_reset_after_agrees_with_pytorch(sizes, ragged, seed):
    T, N, D, H = sizes
    cell = GRU(D, H, reset_after=True)
    ex = checks.example(cell, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    ys, last, (dparams, dxs, dstate) = checks.gradients(cell, ex, lengths)
    module = checks.torch_layer(torch.nn.GRU, ex.params, split_biases(*ex.params[2:]).b_hh)
    want_ys, want_last, grads, want_dxs, want_dstate = checks.torch_gradients(module, ex, lengths)
    checks.assert_same((ys, tuple(last)), (want_ys, want_last), 1e-10)
    checks.assert_same((dxs, tuple(dstate)), (want_dxs, want_dstate), 1e-10)
    b_hn = grads["bias_hh_l0"][2 * H :]
    wanted = GRUParams(grads["weight_ih_l0"], grads["weight_hh_l0"], grads["bias_ih_l0"], b_hn)
    checks.assert_same(dparams, wanted, 1e-10)
    assert type(dparams) is GRUParams
    assert type(last) is type(dstate) is GRUState


@pytest.mark.equations(
    "gru-candidate-backward",
    "gru-update-backward",
    "gru-reset-backward",
    "gru-state-backward",
    "gru-parameters",
    "gru-simplified-backward",
)
@pytest.mark.parametrize("kind", [GRU, SimplifiedGRU])
@pytest.mark.parametrize("sizes", [(4, 2, 3, 5), (1, 3, 2, 4), (5, 1, 2, 1)])
@pytest.mark.parametrize("ragged", [False, True])
def test_agrees_with_central_differences(kind, sizes, ragged):
    T, N, D, H = sizes
    cell = kind(D, H)
    lengths = np.array([T, 1, max(1, T // 2)])[:N] if ragged else None
    checks.assert_central_differences(cell, checks.example(cell, T, N), lengths)


@pytest.mark.equations(
    "gru-reset-gate",
    "gru-update-gate",
    "gru-candidate",
    "gru-state",
    "gru-simplified-candidate",
)
def test_a_step_is_what_the_equations_say():
    for cell in CELLS:
        ex = checks.example(cell)
        x, h, p = ex.xs[0], ex.state.h, ex.params
        U, W, b = (np.split(m, m.shape[0] // 4) for m in p[:3])
        z = sigmoid(x @ U[-2].T + h @ W[-2].T + b[-2])
        r = sigmoid(x @ U[0].T + h @ W[0].T + b[0]) if len(U) == 3 else np.ones_like(z)
        if p.b_hn is None:
            n = np.tanh(x @ U[-1].T + (r * h) @ W[-1].T + b[-1])
        else:
            n = np.tanh(x @ U[-1].T + r * (h @ W[-1].T + p.b_hn) + b[-1])
        state, _ = cell.step(p, x, ex.state)
        np.testing.assert_allclose(state.h, z * h + (1 - z) * n, atol=1e-14)


@pytest.mark.equations("gru-candidate", "gru-candidate-reset-after")
def test_both_resets_agree_where_the_candidates_matrix_is_diagonal():
    before, after = GRU(3, 4), GRU(3, 4, reset_after=True)
    ex = checks.example(before)
    apart = checks.gradients(after, ex._replace(params=ex.params._replace(b_hn=np.zeros(4))))
    assert np.abs(checks.gradients(before, ex)[0] - apart[0]).max() > 1e-3
    ex.params.W[8:] = np.diag([0.5, -1.5, 0.9, 1.2])
    ys, last, (dparams, dxs, dstate) = checks.gradients(before, ex)
    with_bias = ex._replace(params=ex.params._replace(b_hn=np.zeros(4)))
    got_ys, got_last, (got, got_dxs, got_dstate) = checks.gradients(after, with_bias)
    checks.assert_same((got_ys, got_last, got_dxs, got_dstate), (ys, last, dxs, dstate))
    checks.assert_same((got.U, got.b), (dparams.U, dparams.b))
    diagonal = [np.diag(d.W[8:]) for d in (got, dparams)]
    np.testing.assert_allclose(*diagonal, atol=1e-12)


@pytest.mark.equations("gru-simplified-candidate")
def test_simplified_is_the_gru_with_its_reset_gate_held_open():
    simple, full = SimplifiedGRU(3, 4), GRU(3, 4)
    ex = checks.example(simple)
    params = GRUParams(*(np.concatenate([np.zeros_like(m[:4]), m]) for m in ex.params[:3]))
    params.b[:4] = 50.0
    got = checks.gradients(full, ex._replace(params=params))
    got[2][0].b[:4] = 0
    ys, last, (dparams, dxs, dstate) = checks.gradients(simple, ex)
    cut = GRUParams(*(m[4:] for m in got[2][0][:3]))
    checks.assert_same((got[0], got[1], cut, *got[2][1:]), (ys, last, dparams, dxs, dstate))


@pytest.mark.equations("gru-flip")
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_flipping_the_update_gate(cell):
    ex = checks.example(cell)
    flipped = flip_update_gate(ex.params)
    x, h = ex.xs[0], ex.state.h
    state, cache = cell.step(ex.params, x, ex.state)
    other, other_cache = cell.step(flipped, x, ex.state)
    z, n = cache.z, cache.n
    np.testing.assert_allclose(other.h, (1 - z) * h + z * n, atol=1e-14)
    np.testing.assert_array_equal(other_cache.n, n)
    assert np.abs(other.h - state.h).max() > 1e-2
    checks.assert_same(flip_update_gate(flipped), ex.params, 0)


def test_flip_update_gate_bad_input():
    params = checks.example(GRU(3, 4)).params
    with pytest.raises(ValueError, match=r"params\.b: expected shape \(8,\) or \(12,\)"):
        flip_update_gate(params._replace(b=params.b[:11]))


@pytest.mark.equations("gru-biases")
@pytest.mark.parametrize("reset_after", [False, True])
def test_merge_and_split_biases(reset_after):
    cell = GRU(3, 4, reset_after=reset_after)
    ex = checks.example(cell)
    two = TwoBiases(*np.random.default_rng(1).standard_normal((2, 12)))
    b, b_hn = merge_biases(two, reset_after)
    x, h, p = ex.xs[0], ex.state.h, ex.params._replace(b=b, b_hn=b_hn)
    U, W, b_ih, b_hh = (np.split(m, 3) for m in (p.U, p.W, *two))
    r, z = (sigmoid(x @ U[k].T + b_ih[k] + h @ W[k].T + b_hh[k]) for k in (0, 1))
    inner = r * (h @ W[2].T + b_hh[2]) if reset_after else (r * h) @ W[2].T + b_hh[2]
    n = np.tanh(x @ U[2].T + b_ih[2] + inner)
    state, _ = cell.step(p, x, ex.state)
    np.testing.assert_allclose(state.h, z * h + (1 - z) * n, atol=1e-14)
    again = merge_biases(split_biases(b, b_hn), reset_after)
    checks.assert_same(again, (b, b_hn), 0)


def test_biases_bad_input():
    b = np.zeros(12)
    with pytest.raises(ValueError, match=r"biases\.b_hh: expected shape"):
        merge_biases(TwoBiases(b, b[:9]), True)
    with pytest.raises(ValueError, match=r"biases\.b_ih: expected a multiple of 3"):
        merge_biases(TwoBiases(b[:10], b[:10]), True)
    with pytest.raises(ValueError, match="b_hn: expected shape"):
        split_biases(b, b)
    with pytest.raises(ValueError, match="b: expected shape"):
        split_biases(b[None], None)


@pytest.mark.equations("gru-parameter-count")
def test_parameter_count():
    rng = np.random.default_rng(0)
    assert parameter_count(3, 5) == tree.size(GRU(3, 5).init(rng))
    assert parameter_count(3, 5) + 5 == tree.size(GRU(3, 5, reset_after=True).init(rng))
    module = torch.nn.GRU(3, 5)
    assert parameter_count(3, 5, biases=2) == sum(p.numel() for p in module.parameters())
    for bad in ((0, 5, 1), (3, 0, 1), (3, 5, 0)):
        with pytest.raises(ValueError, match="expected an integer of at least 1"):
            parameter_count(*bad)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_contract(cell):
    ex = checks.example(cell)
    checks.assert_steps_equal_scan(cell, ex)
    checks.assert_inputs_unchanged(cell, ex, np.array([4, 2]))
    checks.assert_float32_kept(cell, ex)
    checks.assert_saturated_is_quiet(cell)
    checks.assert_bad_input_named(cell)
    checks.assert_bad_params_named(cell)


def test_b_hn_belongs_to_reset_after_alone():
    before, after = GRU(3, 4), GRU(3, 4, reset_after=True)
    ex = checks.example(before)
    with pytest.raises(ValueError, match=r"params\.b_hn: expected a NumPy array"):
        after.step(ex.params, ex.xs[0], ex.state)
    with pytest.raises(ValueError, match=r"params\.b_hn: expected None"):
        before.step(ex.params._replace(b_hn=np.zeros(4)), ex.xs[0], ex.state)
