"""Chapter 2: the scan, truncation and checkpoints; each equal to its definition."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.bptt import Checkpointed, Recurrent, Truncated
from lib.deep import Stacked
from lib.lstm import LSTM
from lib.networks import ManyToMany, Output
from lib.output_to_hidden import OutputToHidden
from lib.rnn import RNN, RNNState
from tests.lib import cell_checks as checks

T, N, D, H = 11, 3, 4, 6
LENGTHS = np.array([11, 2, 7])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def run(layer, ex, lengths=None):
    ys, state, cache = layer.forward(ex.params, ex.xs, ex.state, lengths)
    return ys, state, layer.backward(ex.params, cache, ex.dys, ex.dstate)


# The scan


@pytest.mark.equations("bptt-hidden", "bptt-hidden-last", "bptt-parameters", "bptt-input")
def test_backward_is_the_equations(rng):
    """Every sum over per-step copies, written out with vectors, one example at a time."""
    ex = checks.example(RNN(D, H), T, N)
    hs, _, (dparams, dxs, dstate) = run(Recurrent(RNN(D, H)), ex)
    W, U = ex.params.W, ex.params.U
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(H)
    for n in range(N):
        dh = ex.dstate.h[n].copy()
        for t in reversed(range(T)):
            dh = dh + ex.dys[t, n]
            delta = (1 - hs[t, n] ** 2) * dh
            before = hs[t - 1, n] if t else ex.state.h[n]
            dU += np.outer(delta, ex.xs[t, n])
            dW += np.outer(delta, before)
            db += delta
            np.testing.assert_allclose(dxs[t, n], U.T @ delta, atol=1e-12)
            dh = W.T @ delta
        np.testing.assert_allclose(dstate.h[n], dh, atol=1e-12)
    checks.assert_same(tuple(dparams), (dU, dW, db))


@pytest.mark.equations("rnn-mask")
@checks.quick
@given(size=checks.sizes, seed=st.integers(0, 99), data=st.data())
def test_padding_changes_nothing_and_a_row_stands_alone(size, seed, data):
    T, N, D, H = size
    layer, ex = Recurrent(RNN(D, H)), checks.example(RNN(D, H), T, N, seed)
    lengths = np.array(data.draw(st.lists(st.integers(1, T), min_size=N, max_size=N)))
    ys, last, (dparams, dxs, dstate) = run(layer, ex, lengths)
    total = tree.zeros_like(dparams)
    for n, length in enumerate(lengths):
        row = slice(n, n + 1)
        alone = ex._replace(
            xs=ex.xs[:length, row],
            dys=ex.dys[:length, row],
            state=RNNState(ex.state.h[row]),
            dstate=RNNState(ex.dstate.h[row]),
        )
        ys_n, last_n, (dparams_n, dxs_n, dstate_n) = run(layer, alone)
        checks.assert_same((ys_n, dxs_n), (ys[:length, row], dxs[:length, row]))
        checks.assert_same((last_n.h, dstate_n.h), (last.h[row], dstate.h[row]))
        assert not ys[length:, n].any()
        assert not dxs[length:, n].any()
        total = tree.add(total, dparams_n)
    checks.assert_same(total, dparams)


def test_backward_twice_gives_the_same():
    """The cache is not used up."""
    ex, layer = checks.example(LSTM(D, H), T, N), Recurrent(LSTM(D, H))
    _, _, cache = layer.forward(ex.params, ex.xs, ex.state)
    first = layer.backward(ex.params, cache, ex.dys, ex.dstate)
    second = layer.backward(ex.params, cache, ex.dys, ex.dstate)
    for a, b in zip(tree.leaves(first), tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_a_state_the_start_is_zero():
    ex, layer = checks.example(RNN(D, H), T, N), Recurrent(RNN(D, H))
    zero = layer.initial_state(N)
    ys, last, cache = layer.forward(ex.params, ex.xs)
    checks.assert_same((ys, last), layer.forward(ex.params, ex.xs, zero)[:2])
    checks.assert_same(
        layer.backward(ex.params, cache, ex.dys), layer.backward(ex.params, cache, ex.dys, zero)
    )


# Truncation


@pytest.mark.equations("bptt-truncated")
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize(("k1", "k2"), [(1, T), (3, T), (T, T), (4, T + 5), (T + 9, T + 9)])
@pytest.mark.parametrize("cell", [RNN(D, H), LSTM(D, H)], ids=lambda cell: type(cell).__name__)
def test_truncation_beyond_the_sequence_is_no_truncation(cell, k1, k2, lengths):
    ex, layer = checks.example(cell, T, N), Recurrent(cell)
    checks.assert_same(run(Truncated(layer, k1, k2), ex, lengths), run(layer, ex, lengths), 1e-11)


@pytest.mark.equations("bptt-truncated")
@pytest.mark.parametrize(("steps", "k"), [(12, 3), (12, 4), (5, 1)])
def test_truncation_with_equal_k_is_chunks_with_carried_state(steps, k):
    """The state is handed on, its gradient is not."""
    ex, layer = checks.example(RNN(D, H), steps, N), Recurrent(RNN(D, H))
    total, state, dxs = tree.zeros_like(ex.params), ex.state, []
    for first in range(0, steps, k):
        chunk = slice(first, first + k)
        _, state, cache = layer.forward(ex.params, ex.xs[chunk], state)
        dlast = ex.dstate if first + k == steps else None
        dparams, dx, _ = layer.backward(ex.params, cache, ex.dys[chunk], dlast)
        total = tree.add(total, dparams)
        dxs.append(dx)
    _, last, (dparams, dxs_truncated, _) = run(Truncated(layer, k, k), ex)
    checks.assert_same((total, np.concatenate(dxs), state), (dparams, dxs_truncated, last))


@pytest.mark.equations("bptt-truncated")
@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 3), (2, 5), (3, 4), (4, 4)])
def test_truncation_equals_torch_with_detached_states(k1, k2):
    """Each window, by itself in PyTorch, from a state that carries no gradient."""
    ex = checks.example(RNN(D, H), T, N)
    hs, _, _ = Recurrent(RNN(D, H)).forward(ex.params, ex.xs, ex.state)
    states = [ex.state.h, *hs]
    U, W, b, xs = (torch.from_numpy(a.copy()).requires_grad_() for a in (*ex.params, ex.xs))
    for first in range(0, T, k1):
        end = min(first + k1, T)
        start = max(end - k2, 0)
        h = torch.from_numpy(states[start])
        loss = 0.0
        for t in range(start, end):
            h = torch.tanh(xs[t] @ U.T + h @ W.T + b)
            if t >= first:
                loss = loss + (h * torch.from_numpy(ex.dys[t])).sum()
        if end == T:
            loss = loss + (h * torch.from_numpy(ex.dstate.h)).sum()
        loss.backward()
    _, _, (dparams, dxs, _) = run(Truncated(Recurrent(RNN(D, H)), k1, k2), ex)
    checks.assert_same(
        (*dparams, dxs), (U.grad.numpy(), W.grad.numpy(), b.grad.numpy(), xs.grad.numpy()), 1e-10
    )


@pytest.mark.equations("bptt-truncated")
def test_truncation_reaches_k2_steps_and_no_further():
    ex, layer = checks.example(RNN(D, H), T, N), Recurrent(RNN(D, H))
    dys = np.zeros_like(ex.dys)
    dys[7] = 1.0
    _, _, cache = layer.forward(ex.params, ex.xs)
    _, dxs, _ = Truncated(layer, 1, 4).backward(ex.params, cache, dys)
    reached = np.abs(dxs).sum(axis=(1, 2)) > 0
    np.testing.assert_array_equal(np.flatnonzero(reached), [4, 5, 6, 7])


def test_truncation_ignores_padding_and_ends_rows_where_they_end():
    """Each row of a padded batch alone gives the same, windows counted from its start."""
    ex, k = checks.example(RNN(D, H), 12, N), 3
    lengths = np.array([12, 3, 9])
    layer = Truncated(Recurrent(RNN(D, H)), k, k)
    _, _, (dparams, dxs, _) = run(layer, ex, lengths)
    total = tree.zeros_like(dparams)
    for n, length in enumerate(lengths):
        row = slice(n, n + 1)
        alone = ex._replace(
            xs=ex.xs[:length, row],
            dys=ex.dys[:length, row],
            state=RNNState(ex.state.h[row]),
            dstate=RNNState(ex.dstate.h[row]),
        )
        _, _, (more, dxs_n, _) = run(layer, alone)
        checks.assert_same(dxs_n, dxs[:length, row])
        total = tree.add(total, more)
    checks.assert_same(total, dparams)


# Checkpoints


def layers():
    return [
        Recurrent(RNN(D, H)),
        Recurrent(LSTM(D, H)),
        Stacked([Recurrent(LSTM(D, 5)), Recurrent(RNN(5, H))]),
        ManyToMany(Recurrent(RNN(D, 3)), Output(3, H)),
        OutputToHidden(D, 5, H),
    ]


@pytest.mark.equations("bptt-checkpointing")
@pytest.mark.parametrize("lengths", [None, LENGTHS, np.array([1, 4, 5])])
@pytest.mark.parametrize("every", [None, 1, 4, T, T + 5])
@pytest.mark.parametrize("layer", layers(), ids=lambda layer: type(layer).__name__)
def test_checkpoints_change_nothing(layer, every, lengths, rng):
    """Also where some rows are over before a segment begins, or all are."""
    params, zero = layer.init(rng), layer.initial_state(N)
    ex = checks.Example(
        params=checks.normal(rng, params, 0.5),
        xs=rng.normal(size=(T, N, D)),
        state=checks.normal(rng, zero),
        dys=rng.normal(size=(T, N, H)),
        dstate=checks.normal(rng, zero),
    )
    checks.assert_same(run(Checkpointed(layer, every), ex, lengths), run(layer, ex, lengths))


@pytest.mark.equations("bptt-checkpointing")
def test_checkpoints_keep_the_states_at_the_starts_of_segments():
    ex, layer = checks.example(RNN(D, H), 16, N), Recurrent(RNN(D, H))
    hs, _, _ = layer.forward(ex.params, ex.xs, ex.state)
    _, _, cache = Checkpointed(layer).forward(ex.params, ex.xs, ex.state)
    kept = [state.h for state in cache.starts]
    assert len(kept) == 4
    checks.assert_same(tuple(kept), (ex.state.h, hs[3], hs[7], hs[11]))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_checkpoints_refuse_inputs_that_were_changed_in_between(lengths):
    ex, layer = checks.example(RNN(D, H), T, N), Checkpointed(Recurrent(RNN(D, H)))
    _, _, cache = layer.forward(ex.params, ex.xs, ex.state, lengths)
    layer.backward(ex.params, cache, ex.dys, ex.dstate)
    cache.xs[0, 0, 0] += 1
    with pytest.raises(ValueError, match="xs: expected the inputs of the forward pass"):
        layer.backward(ex.params, cache, ex.dys, ex.dstate)


# Wrappers alike


WRAPPERS = [
    Recurrent(RNN(D, H)),
    Truncated(Recurrent(RNN(D, H)), 2, 4),
    Checkpointed(Recurrent(RNN(D, H))),
]


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("layer", WRAPPERS, ids=lambda layer: type(layer).__name__)
def test_inputs_are_not_modified_and_float32_is_kept(layer, lengths):
    ex = tree.tree_map(lambda leaf: leaf.astype(np.float32), checks.example(RNN(D, H), T, N))
    kept = tree.tree_map(np.copy, ex)
    results = run(layer, ex, lengths)
    for a, b in zip(tree.leaves(kept), tree.leaves(ex), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {leaf.dtype for leaf in tree.leaves(results)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("layer", WRAPPERS, ids=lambda layer: type(layer).__name__)
def test_last_state_gradient_is_optional(layer):
    ex = checks.example(RNN(D, H), T, N)
    _, _, cache = layer.forward(ex.params, ex.xs)
    zero = layer.initial_state(N)
    checks.assert_same(
        layer.backward(ex.params, cache, ex.dys), layer.backward(ex.params, cache, ex.dys, zero)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xs": np.ones((T, N, D + 1))}, r"xs: expected shape \(T, N, 4\), got \(11, 3, 5\)"),
        ({"xs": np.ones((T, D))}, "xs: expected shape"),
        ({"xs": np.ones((0, N, D))}, "xs: expected shape"),
        ({"xs": np.ones((T, N, D), int)}, "xs: expected float"),
        ({"xs": np.full((T, N, D), np.nan)}, "xs: .* got NaN"),
        ({"xs": [[[1.0] * D] * N] * T}, "xs: expected .* got list"),
        ({"state": RNNState(np.zeros((N + 1, H)))}, r"state.h: expected shape \(3, 6\)"),
        ({"state": np.zeros((N, H))}, "state: expected RNNState"),
        ({"lengths": np.array([T, T + 1, 1])}, "lengths: expected integers from 1 to 11"),
        ({"lengths": np.array([T, 0, 1])}, "lengths: expected integers from 1 to 11"),
        ({"lengths": np.array([1.0, 2.0, 3.0])}, "lengths: expected integers"),
        ({"lengths": np.array([T, T])}, r"lengths: expected .*shape \(3,\)"),
        ({"dys": np.ones((T, N, H + 1))}, r"dys: expected shape \(11, 3, 6\)"),
        ({"dys": np.full((T, N, H), np.nan)}, "dys: .* got NaN"),
        ({"dstate": RNNState(np.zeros((N, H + 1)))}, r"dstate.h: expected shape \(3, 6\)"),
    ],
)
@pytest.mark.parametrize("layer", WRAPPERS, ids=lambda layer: type(layer).__name__)
def test_bad_input_is_named(layer, change, message):
    ex = checks.example(RNN(D, H), T, N)
    lengths = change.get("lengths")
    changed = {name: value for name, value in change.items() if name != "lengths"}
    with pytest.raises(ValueError, match=message):
        run(layer, ex._replace(**changed), lengths)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Truncated(Recurrent(RNN(D, H)), 0, 4), "k1: expected an integer of at least 1"),
        (lambda: Truncated(Recurrent(RNN(D, H)), 1, 2.5), "k2: expected an integer"),
        (lambda: Truncated(Recurrent(RNN(D, H)), 4, 3), "k2: expected at least k1 = 4, got 3"),
        (lambda: Checkpointed(Recurrent(RNN(D, H)), 0), "every: expected an integer of at least 1"),
    ],
)
def test_bad_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# The judge itself


@pytest.mark.equations("bptt-central-difference", "bptt-relative-error")
def test_gradient_check_rejects_backpropagation_that_forgets_time():
    """The check that chapter 2 teaches finds the classic mistake, and passes what is right."""
    ex, layer = checks.example(RNN(3, 4), 4, 2), Recurrent(RNN(3, 4))
    loss = checks.loss(RNN(3, 4), ex)
    at = (ex.params, ex.xs, ex.state)
    right = run(layer, ex)[2]
    wrong = run(Truncated(layer, 1, 1), ex)[2]
    assert gradient_check.check(loss, at, right).relative < 1e-6
    assert gradient_check.check(loss, at, wrong).relative > 1e-2


@pytest.mark.equations("bptt-checkpointing")
@pytest.mark.parametrize("cell", [RNN(4, 32), LSTM(4, 32)])
def test_what_checkpointing_keeps_grows_with_the_root_of_t(cell):
    def kept(steps):
        layer = Checkpointed(Recurrent(cell))
        params, xs = layer.init(np.random.default_rng(0)), np.ones((steps, 4, 4))
        tracemalloc.start()
        ys, _, cache = layer.forward(params, xs)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert cache is not None
        return held - ys.nbytes

    # sixteen times the steps: four times the root
    assert kept(1024) < 6 * kept(64)
