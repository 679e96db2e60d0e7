"""Peepholes, coupled gates, depth gates, clockwork: central differences and identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.activations import ACTIVATIONS, sigmoid
from lib.bptt import Recurrent
from lib.clockwork import ClockworkRNN, clockwork_mask
from lib.lstm import LSTM, LSTMParams, LSTMState
from lib.lstm_variants import CoupledLSTM, DepthGatedLSTM
from lib.peephole import PeepholeLSTM, PeepholeParams
from lib.rnn import RNN, RNNState
from tests.lib import cell_checks as checks

SUBSETS = ["", "i", "f", "o", "if", "io", "fo", "ifo"]
SIZES = [(4, 2, 3, 4), (1, 3, 2, 4), (5, 1, 2, 1)]


def some_lengths(T, N):
    return np.array([T, 1, max(1, T // 2)])[:N]


@pytest.mark.equations(
    "peephole-output-gate-backward",
    "peephole-cell-backward",
    "peephole-gate-backward",
    "peephole-previous-cell-backward",
    "peephole-weights",
)
@pytest.mark.parametrize("peepholes", SUBSETS)
def test_peephole_agrees_with_central_differences(peepholes):
    cell = PeepholeLSTM(3, 4, peepholes=set(peepholes))
    ex = checks.example(cell)
    checks.assert_central_differences(cell, ex)
    assert {k for k in "ifo" if getattr(ex.params, f"p_{k}") is not None} == set(peepholes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", [PeepholeLSTM, CoupledLSTM, DepthGatedLSTM])
@pytest.mark.parametrize("ragged", [False, True])
def test_agrees_with_central_differences(kind, sizes, ragged):
    T, N, D, H = sizes
    cell = kind(D, H)
    lengths = some_lengths(T, N) if ragged else None
    checks.assert_central_differences(cell, checks.example(cell, T, N), lengths)


@pytest.mark.equations("peephole-gate-backward", "peephole-cell-backward")
@pytest.mark.parametrize(
    "names", [("tanh", "sigmoid", "identity"), ("identity", "relu", "sigmoid"), ("relu",) * 3]
)
def test_other_activations_agree_with_central_differences(names):
    cell = PeepholeLSTM(3, 4, gate=names[0], input=names[1], output=names[2])
    checks.assert_central_differences(cell, checks.example(cell, T=3, seed=5, scale=0.4))


@pytest.mark.equations(
    "peephole-input-gate",
    "peephole-forget-gate",
    "peephole-cell",
    "peephole-output-gate",
    "peephole-hidden",
)
@pytest.mark.parametrize("names", [("sigmoid", "tanh", "tanh"), ("tanh", "sigmoid", "identity")])
def test_a_peephole_step_is_what_the_equations_say(names):
    cell = PeepholeLSTM(3, 4, gate=names[0], input=names[1], output=names[2])
    ex = checks.example(cell)
    p, (h, c) = ex.params, ex.state
    gate, squash_in, squash_out = (ACTIVATIONS[name].forward for name in names)
    a_i, a_f, a_g, a_o = np.split(ex.xs[0] @ p.U.T + h @ p.W.T + p.b, 4, axis=1)
    new_c = gate(a_f + p.p_f * c) * c + gate(a_i + p.p_i * c) * squash_in(a_g)
    new_h = gate(a_o + p.p_o * new_c) * squash_out(new_c)
    state, _ = cell.step(p, ex.xs[0], ex.state)
    checks.assert_same(state, LSTMState(new_h, new_c), 1e-14)


@pytest.mark.equations("peephole-input-gate", "peephole-forget-gate", "peephole-output-gate")
@checks.quick
@given(checks.sizes, st.booleans(), st.integers(0, 10**6))
def test_zero_peepholes_make_the_lstm(sizes, ragged, seed):
    T, N, D, H = sizes
    plain, full, none = LSTM(D, H), PeepholeLSTM(D, H), PeepholeLSTM(D, H, peepholes=())
    ex = checks.example(plain, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    ys, last, (dparams, dxs, dstate) = checks.gradients(plain, ex, lengths)
    zeros = [np.zeros(H)] * 3
    for cell, peepholes in ((full, zeros), (none, [])):
        params = PeepholeParams(*ex.params, *peepholes)
        got_ys, got_last, (got, got_dxs, got_dstate) = checks.gradients(
            cell, ex._replace(params=params), lengths
        )
        checks.assert_same((got_ys, got_last, got_dxs, got_dstate), (ys, last, dxs, dstate))
        checks.assert_same(LSTMParams(*got[:3]), dparams)
        assert type(got) is PeepholeParams


def test_bad_peepholes_and_activations():
    with pytest.raises(ValueError, match="peepholes: expected one of 'i', 'f', 'o', got 'g'"):
        PeepholeLSTM(3, 4, peepholes="ig")
    for role in ("gate", "input", "output"):
        with pytest.raises(ValueError, match=f"{role}: expected one of"):
            PeepholeLSTM(3, 4, **{role: "softmax"})
    cell, without = PeepholeLSTM(3, 4), PeepholeLSTM(3, 4, peepholes="if")
    ex = checks.example(cell)
    with pytest.raises(ValueError, match=r"params\.p_o: expected None"):
        without.step(ex.params, ex.xs[0], ex.state)
    with pytest.raises(ValueError, match=r"params\.p_o: expected a NumPy array"):
        cell.step(ex.params._replace(p_o=None), ex.xs[0], ex.state)


@pytest.mark.equations("peephole-coupled-cell", "peephole-coupled-backward")
@checks.quick
@given(checks.sizes, st.booleans(), st.integers(0, 10**6))
def test_coupled_is_the_lstm_with_i_one_minus_f(sizes, ragged, seed):
    """σ(−a) = 1 − σ(a): an LSTM whose input gate has the forget gate's weights negated."""
    T, N, D, H = sizes
    cell, full = CoupledLSTM(D, H), LSTM(D, H)
    ex = checks.example(cell, T, N, seed)
    lengths = np.random.default_rng(seed).integers(1, T + 1, N) if ragged else None
    params = LSTMParams(*(np.concatenate([-m[:H], m]) for m in ex.params))
    ys, last, (wide, dxs, dstate) = checks.gradients(full, ex._replace(params=params), lengths)
    dparams = LSTMParams(*(np.concatenate([m[H : 2 * H] - m[:H], m[2 * H :]]) for m in wide))
    got = checks.gradients(cell, ex, lengths)
    checks.assert_same(got, (ys, last, (dparams, dxs, dstate)))


@pytest.mark.equations("peephole-depth-gate", "peephole-depth-cell")
def test_a_depth_gated_step_is_what_the_equations_say():
    cell = DepthGatedLSTM(3, 4, layers=3)
    ex = checks.example(cell)
    state, _ = cell.step(ex.params, ex.xs[0], ex.state)
    below, _ = LSTM(3, 4).step(ex.params.bottom, ex.xs[0], ex.state.below[0])
    checks.assert_same(state.below[0], below, 1e-14)
    old = [ex.state.below[1], LSTMState(ex.state.h, ex.state.c)]
    new = [state.below[1], LSTMState(state.h, state.c)]
    for p, (h, c), got in zip(ex.params.upper, old, new, strict=True):
        U, b = np.split(p.U, 5), np.split(p.b, 5)
        a_i, a_f, a_g, a_o = (
            below.h @ U[k].T + h @ W.T + b[k] for k, W in enumerate(np.split(p.W, 4))
        )
        d = sigmoid(below.h @ U[4].T + p.p_c * c + p.p_below * below.c + b[4])
        new_c = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_g) + d * below.c
        below = LSTMState(sigmoid(a_o) * np.tanh(new_c), new_c)
        checks.assert_same(got, below, 1e-14)


@pytest.mark.equations("peephole-depth-backward")
@pytest.mark.parametrize("layers", [1, 3])
def test_depth_gated_of_other_heights_agrees_with_central_differences(layers):
    cell = DepthGatedLSTM(3, 2, layers=layers)
    ex = checks.example(cell, T=3)
    checks.assert_central_differences(cell, ex)
    checks.assert_central_differences(cell, ex, np.array([2, 3]))


@pytest.mark.equations("peephole-depth-cell")
def test_shut_depth_gates_leave_stacked_lstms():
    cell = DepthGatedLSTM(3, 4, layers=2)
    ex = checks.example(cell, T=5)
    upper = ex.params.upper[0]
    upper.U[16:], upper.b[16:] = 0, -800
    upper.p_c[:], upper.p_below[:] = 0, 0
    ys, last, _ = checks.gradients(cell, ex)
    hs, below, _ = Recurrent(LSTM(3, 4)).forward(ex.params.bottom, ex.xs, ex.state.below[0])
    top_params = LSTMParams(upper.U[:16], upper.W, upper.b[:16])
    top = LSTMState(ex.state.h, ex.state.c)
    want, end, _ = Recurrent(LSTM(4, 4)).forward(top_params, hs, top)
    checks.assert_same((ys, last), (want, (end.h, end.c, (below,))))


def test_depth_gated_bad_params():
    cell = DepthGatedLSTM(3, 4, layers=2)
    ex = checks.example(cell)
    with pytest.raises(ValueError, match="layers: expected"):
        DepthGatedLSTM(3, 4, layers=0)
    with pytest.raises(ValueError, match=r"params\.upper: expected tuple of 1 fields"):
        cell.step(ex.params._replace(upper=()), ex.xs[0], ex.state)
    for field, value in ex.params.upper[0]._asdict().items():
        upper = ex.params.upper[0]._replace(**{field: value[:-1]})
        with pytest.raises(ValueError, match=rf"params\.upper\[0\]\.{field}: expected"):
            cell.step(ex.params._replace(upper=(upper,)), ex.xs[0], ex.state)


def clockwork_example(cell, T=9, N=2, step=0.0):
    ex = checks.example(cell, T, N)
    return ex._replace(state=ex.state._replace(step=np.full((N, 1), step)))


@pytest.mark.equations("peephole-clockwork-state", "peephole-clockwork-mask")
def test_clockwork_modules_tick_and_hear_only_slower_ones():
    cell = ClockworkRNN(3, 6, periods=(1, 2, 4))
    ex = clockwork_example(cell)
    state, p = ex.state, ex.params
    for t, x in enumerate(ex.xs, start=1):
        want = state.h.copy()
        for k, period in enumerate(cell.periods):
            rows = slice(2 * k, 2 * k + 2)
            if t % period == 0:
                a = x @ p.U[rows].T + state.h[:, 2 * k :] @ p.W[rows, 2 * k :].T + p.b[rows]
                want[:, rows] = np.tanh(a)
        state, _ = cell.step(p, x, state)
        np.testing.assert_allclose(state.h, want, atol=1e-14)
        np.testing.assert_array_equal(state.step, t)


@pytest.mark.equations("peephole-clockwork-backward", "peephole-clockwork-mask")
@pytest.mark.parametrize("ragged", [False, True])
def test_clockwork_agrees_with_central_differences(ragged):
    cell = ClockworkRNN(3, 4, periods=(1, 3))
    ex = clockwork_example(cell, T=7, step=1.0)
    lengths = np.array([7, 4]) if ragged else None
    (dparams, dxs, dstate) = checks.gradients(cell, ex, lengths)[2]
    outer = checks.loss(cell, ex, lengths)

    def function(at):
        return outer((*at[:2], ex.state._replace(h=at[2])))

    found = gradient_check.check(function, (ex.params, ex.xs, ex.state.h), (dparams, dxs, dstate.h))
    assert found.absolute < 1e-8, found
    assert not dparams.W[2:, :2].any()
    assert not dstate.step.any()


@pytest.mark.equations("peephole-clockwork-state")
def test_clockwork_with_one_fast_module_is_the_elman_cell():
    cell, plain = ClockworkRNN(3, 4, periods=(1,)), RNN(3, 4)
    ex = clockwork_example(cell, T=5)
    ys, last, (dparams, dxs, dstate) = checks.gradients(cell, ex)
    elman = ex._replace(state=RNNState(ex.state.h), dstate=RNNState(ex.dstate.h))
    want = checks.gradients(plain, elman)
    checks.assert_same((ys, last.h, (dparams, dxs, dstate.h)), want)


def test_clockwork_state_carries_the_count():
    cell = ClockworkRNN(3, 4, periods=(1, 4))
    ex = clockwork_example(cell, T=8)
    layer = Recurrent(cell)
    ys, last, _ = layer.forward(ex.params, ex.xs, ex.state)
    first, middle, _ = layer.forward(ex.params, ex.xs[:3], ex.state)
    second, end, _ = layer.forward(ex.params, ex.xs[3:], middle)
    checks.assert_same((np.concatenate([first, second]), end), (ys, last), 1e-14)


@pytest.mark.equations("peephole-clockwork-mask")
def test_clockwork_mask_and_init():
    period, mask = clockwork_mask((1, 2), 4)
    np.testing.assert_array_equal(period, [1, 1, 2, 2])
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]])
    W = ClockworkRNN(3, 4, periods=(1, 2)).init(np.random.default_rng(0)).W
    np.testing.assert_array_equal(W != 0, mask)


def test_clockwork_bad_options():
    for periods in ((), (2, 1)):
        with pytest.raises(ValueError, match="periods: expected ascending"):
            ClockworkRNN(3, 4, periods=periods)
    with pytest.raises(ValueError, match="periods: expected an integer"):
        ClockworkRNN(3, 4, periods=(0, 1))
    with pytest.raises(ValueError, match="hidden_size: expected a multiple"):
        ClockworkRNN(3, 4, periods=(1, 2, 4))


CELLS = [
    PeepholeLSTM(3, 4),
    PeepholeLSTM(3, 4, peepholes="fo", output="identity"),
    CoupledLSTM(3, 4),
    DepthGatedLSTM(3, 4, layers=3),
    ClockworkRNN(3, 4, periods=(1, 3)),
]


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_contract(cell):
    ex = clockwork_example(cell) if isinstance(cell, ClockworkRNN) else checks.example(cell)
    checks.assert_steps_equal_scan(cell, ex)
    checks.assert_inputs_unchanged(cell, ex, np.array([4, 2]))
    checks.assert_float32_kept(cell, ex)
    checks.assert_saturated_is_quiet(cell)
    checks.assert_bad_input_named(cell)
    if not isinstance(cell, DepthGatedLSTM):
        checks.assert_bad_params_named(cell)


def test_peepholes_of_all_kinds_are_drawn_and_counted():
    H = 4
    for peepholes in SUBSETS:
        params = PeepholeLSTM(3, H, peepholes=peepholes).init(np.random.default_rng(0))
        assert tree.size(params) == 4 * (H * (H + 3) + H) + H * len(peepholes)
        assert all(np.abs(p).max() <= 0.5 and p.std() > 0 for p in tree.leaves(params))
