"""Every fused kernel equals the scan of its cell's equations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import tree
from lib.bptt import SCAN, Recurrent, scan, scan_backward
from lib.gru import GRU
from lib.lstm import LSTM
from lib.masks import cover, live_steps
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN
from tests.lib import cell_checks as checks

FUSED = {
    "rnn": RNN,
    "rnn relu": lambda D, H: RNN(D, H, activation="relu"),
    "lstm": LSTM,
    "lstm 1997 gradient": lambda D, H: LSTM(D, H, truncated_gradient=True),
    "gru": GRU,
    "gru reset after": lambda D, H: GRU(D, H, reset_after=True),
    "peephole": PeepholeLSTM,
    "peephole f": lambda D, H: PeepholeLSTM(D, H, peepholes="f"),
    "peephole none": lambda D, H: PeepholeLSTM(D, H, peepholes=()),
}


def both(make, T, N, D, H, seed, lengths, dtype=np.float64, scale=0.7):
    """Run kernel and scan, each with its own cache: outputs, last state, gradients."""
    cell = make(D, H)
    ex = checks.example(cell, T, N, seed, scale)
    ex = checks.Example(*tree.tree_map(lambda leaf: leaf.astype(dtype), tuple(ex)))
    live = None if lengths is None else live_steps(np.array(lengths), T, N)
    xs, dys = cover(ex.xs, live), cover(ex.dys, live)
    results = []
    for forward, backward in (cell.kernel, (scan, scan_backward)):
        ys, state, cache = forward(cell, ex.params, xs, ex.state, live)
        results.append((ys, state, backward(cell, ex.params, cache, dys, ex.dstate, live)))
    return results


@pytest.mark.equations(
    "rnn-recurrence",
    "rnn-state",
    "bptt-hidden",
    "bptt-parameters",
    "bptt-input",
    "lstm-cell",
    "lstm-cell-backward",
    "lstm-gate-backward",
    "lstm-parameters",
    "lstm-truncated",
    "gru-state",
    "gru-state-backward",
    "gru-parameters",
    "gru-reset-after-parameters",
    "peephole-cell",
    "peephole-cell-backward",
    "peephole-weights",
)
@pytest.mark.parametrize("kind", FUSED)
@checks.quick
@given(
    size=st.tuples(st.integers(1, 9), *[st.integers(1, 5)] * 3),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_a_kernel_is_the_scan(kind, size, seed, data):
    T, N, _, _ = size
    row = st.lists(st.integers(1, T), min_size=N, max_size=N)
    lengths = data.draw(st.none() | row)
    fused, plain = both(FUSED[kind], *size, seed, lengths)
    checks.assert_same(fused, plain)


@pytest.mark.parametrize("lengths", [None, [300, 2, 299, 150]])
@pytest.mark.parametrize("kind", FUSED)
def test_over_many_windows_and_in_float32(kind, lengths):
    """The way back goes in windows of steps: here two of them at least."""
    fused, plain = both(FUSED[kind], 300, 4, 3, 64, 0, lengths, np.float32, 0.1)
    assert {leaf.dtype for leaf in tree.leaves(fused)} == {np.dtype(np.float32)}
    for (name, a), (_, b) in zip(tree.named_leaves(fused), tree.named_leaves(plain), strict=True):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max(), name


GATES = {
    "rnn sigmoid": (0,),
    "lstm": (0, 1, 3),
    "gru": (0, 1),
    "gru reset after": (0, 1),
    "peephole": (0, 1, 3),
}
"""Blocks of rows that a logistic function follows, for every cell that has a kernel."""


def saturated(cell, block, at, dtype):
    """Draw a sequence that keeps a gate's pre-activations at ``at`` and a bit.

    All numbers are positive, so that no sum cancels, and the state is small: beside a closed
    update gate it is all there is.
    """
    ex = tree.tree_map(np.abs, tuple(checks.example(cell, 6, scale=0.3)))
    params, xs, state, dys, dstate = tree.tree_map(lambda leaf: leaf.astype(dtype), ex)
    H = cell.hidden_size
    params.b[block * H : (block + 1) * H] += dtype(at)
    return params, xs, tree.scale(state, 1e-4), dys, dstate


def test_every_kernel_with_a_gate_is_in_the_list():
    assert {kind.split()[0] for kind in FUSED} == {kind.split()[0] for kind in GATES}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at", [-80, -40, -17, -5, 5, 17, 40, 80])
@pytest.mark.parametrize("kind", GATES)
def test_a_saturated_gate_is_relatively_right(kind, at, dtype):
    """Numbers of 1e-35 are compared as closely as others; 1 − σ is as coarse as floats near 1."""
    make = FUSED.get(kind, lambda D, H: RNN(D, H, activation="sigmoid"))
    cell, limits = make(2, 3), np.finfo(dtype)
    coarse = limits.eps if 0 < at < 40 else 0
    for block in GATES[kind]:
        params, xs, state, dys, dstate = saturated(cell, block, at, dtype)
        results = []
        for forward, backward in (cell.kernel, SCAN):
            ys, last, cache = forward(cell, params, xs, state, None)
            back = backward(cell, params, cache, dys, dstate, None)
            results.append((ys, last, cache, back))
        fused, plain = map(tree.named_leaves, results)
        for (name, a), (_, b) in zip(fused, plain, strict=True):
            np.testing.assert_allclose(
                a,
                b,
                rtol=4 * limits.eps * (10 + abs(at)),  # of exp(a), where a is off by a rounding
                atol=8 * (limits.tiny + coarse),
                err_msg=f"block {block}, {name}",
            )


@pytest.mark.parametrize("kind", FUSED)
def test_a_cache_serves_either_way_back(kind):
    """Kernel and scan keep the same, so that a window of a cache can go back by the other."""
    cell = FUSED[kind](3, 4)
    ex = checks.example(cell, 7, 2)
    caches = [
        forward(cell, ex.params, ex.xs, ex.state, None)[2] for forward, _ in (cell.kernel, SCAN)
    ]
    checks.assert_same(*caches)
    assert type(caches[0]) is type(caches[1])


def test_recurrent_takes_the_kernel_of_a_class_that_has_one_itself():
    class Doubled(RNN):
        """A cell that inherits a kernel, and computes something else."""

        def step(self, params, x, state):
            state, cache = super().step(params, x, state)
            return state._replace(h=2 * state.h), cache

    cell = RNN(3, 4)
    assert Recurrent(cell)._kernel(50) == cell.kernel
    assert Recurrent(cell)._kernel(1) == SCAN
    assert Recurrent(PeepholeLSTM(3, 4, output="identity"))._kernel(50) == SCAN
    ex = checks.example(cell, 9)
    ys, _, _ = Recurrent(Doubled(3, 4)).forward(ex.params, ex.xs, ex.state)
    state, _ = Doubled(3, 4).step(ex.params, ex.xs[0], ex.state)
    np.testing.assert_allclose(ys[0], state.h)
