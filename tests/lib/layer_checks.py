"""What the tests of layers share: random examples, the numerical judge, PyTorch, the edges."""

import warnings

import numpy as np
import pytest
import torch

from lib import gradient_check, tree
from lib.gru import GRU, GRUParams
from lib.lstm import LSTM, LSTMParams
from lib.rnn import RNN, RNNParams
from tests.lib.cell_checks import Example, assert_same, normal

TORCH = {RNN: torch.nn.RNN, LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}


def torch_cell(kind, input_size, hidden_size):
    """Make the cell that PyTorch has too."""
    return (
        GRU(input_size, hidden_size, reset_after=True)
        if kind is GRU
        else kind(input_size, hidden_size)
    )


def example(layer, T=4, N=3, seed=0, scale=0.7):
    """Draw weights, biases, states and upstream gradients, none of them zero."""
    rng = np.random.default_rng(seed)
    zero = layer.initial_state(N)
    return Example(
        params=normal(rng, layer.init(rng), scale),
        xs=rng.standard_normal((T, N, layer.input_size)),
        state=normal(rng, zero),
        dys=rng.standard_normal((T, N, layer.output_size)),
        dstate=normal(rng, zero),
    )


def gradients(layer, ex, lengths=None, **options):
    """Run forward and backward: outputs, last state, (dparams, dxs, dstate)."""
    ys, state, cache = layer.forward(ex.params, ex.xs, ex.state, lengths, **options)
    return ys, state, layer.backward(ex.params, cache, ex.dys, ex.dstate)


def assert_central_differences(layer, ex, lengths=None, **options):
    """Compare all gradients with central differences of the forward pass."""

    def loss(at):
        params, xs, state = at
        ys, last, _ = layer.forward(params, xs, state, lengths, **options)
        ends = zip(tree.leaves(last), tree.leaves(ex.dstate), strict=True)
        return float(np.sum(ys * ex.dys) + sum(np.sum(a * b) for a, b in ends))

    numerical = gradient_check.numerical_gradient(loss, (ex.params, ex.xs, ex.state))
    analytic = gradients(layer, ex, lengths, **options)[2]
    found = gradient_check.compare(analytic, numerical, floor=1e-3)
    assert found.relative < 1e-6, found


def assert_padding_changes_nothing(layer, ex, lengths):
    """A padded batch gives what each sequence gives alone; padding can hold anything."""
    ys, last, (dparams, dxs, dstate) = gradients(layer, ex, lengths)
    total = tree.zeros_like(ex.params)
    for n, length in enumerate(lengths):

        def row(value, n=n):
            return tree.tree_map(lambda leaf: leaf[n : n + 1], value)

        alone = Example(
            ex.params, ex.xs[:length, [n]], row(ex.state), ex.dys[:length, [n]], row(ex.dstate)
        )
        want_ys, want_last, (want_dparams, want_dxs, want_dstate) = gradients(layer, alone)
        assert_same((ys[:length, [n]], dxs[:length, [n]]), (want_ys, want_dxs))
        assert (ys[length:, n] == 0).all()
        assert (dxs[length:, n] == 0).all()
        assert_same((row(last), row(dstate)), (want_last, want_dstate))
        tree.add_into(total, want_dparams)
    assert_same(dparams, total)
    padding = (np.arange(len(ex.xs))[:, None] >= lengths)[..., None]
    other = ex._replace(xs=np.where(padding, 1e3, ex.xs), dys=np.where(padding, -1e3, ex.dys))
    again_ys, again_last, again = gradients(layer, other, lengths)
    assert_same((again_ys, again_last, again), (ys, last, (dparams, dxs, dstate)))


def assert_inputs_unchanged(layer, ex, lengths=None, **options):
    """Neither pass writes into what it was given."""
    before = tree.tree_map(np.copy, tuple(ex))
    gradients(layer, ex, lengths, **options)
    for a, b in zip(tree.leaves(tuple(ex)), tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_float32_kept(layer, ex, **options):
    """float32 in, float32 out, near the float64 result."""
    single = Example(*tree.tree_map(lambda leaf: leaf.astype(np.float32), tuple(ex)))
    got, want = gradients(layer, single, **options), gradients(layer, ex, **options)
    assert {leaf.dtype for leaf in tree.leaves(got)} == {np.dtype(np.float32)}
    assert_same(got, want, 1e-3)


def assert_thousand_steps_are_quiet(layer):
    """1 000 steps, saturated: no warning, no NaN, no infinity."""
    ex = example(layer, T=1000, N=2)
    ex = ex._replace(params=tree.scale(ex.params, 1e4))
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        for leaf in tree.leaves(gradients(layer, ex)):
            assert np.isfinite(leaf).all()


def assert_bad_input_named(layer):
    """Wrong rank, sizes, dtype, NaN, lengths and states raise, naming the argument."""
    ex = example(layer)
    T, N, _ = ex.xs.shape
    with_nan = ex.xs.copy()
    with_nan[0, 0, 0] = np.nan
    bad_xs = (ex.xs[0], ex.xs[..., :-1], ex.xs.astype(int), with_nan, ex.xs.tolist())
    for bad in (*bad_xs, ex.xs[:0], ex.xs[:, :0]):
        with pytest.raises(ValueError, match=r"^xs: expected"):
            layer.forward(ex.params, bad)
    for bad in ([0] * N, [T + 1] * N, [T] * (N + 1), [1.5] * N):
        with pytest.raises(ValueError, match=r"^lengths: expected"):
            layer.forward(ex.params, ex.xs, lengths=np.array(bad))
    _, _, cache = layer.forward(ex.params, ex.xs)
    for bad in (ex.dys[1:], ex.dys[..., :-1], ex.dys.astype(int), ex.dys * np.nan):
        with pytest.raises(ValueError, match=r"^dys: expected"):
            layer.backward(ex.params, cache, bad)
    if tree.leaves(ex.state):
        narrow = tree.tree_map(lambda leaf: leaf[:, :-1], ex.state)
        for name, bad in (("state", tuple(ex.state)), (r"state\..*", narrow)):
            with pytest.raises(ValueError, match=rf"^{name}: expected"):
                layer.forward(ex.params, ex.xs, bad)
            with pytest.raises(ValueError, match=rf"^d{name}: expected"):
                layer.backward(ex.params, cache, ex.dys, bad)


def torch_gradients(kind, grid, ex, states, dstates, lengths=None):
    """Run ``torch.nn`` with the cells' parameters, a list of directions for each layer.

    ``states`` and ``dstates`` list the cells' states, layer by layer, forward first.
    Returns ys, last states, gradients of the cells' parameters, dxs, dstates.
    """
    cells = [params for layer in grid for params in layer]
    H = cells[0].W.shape[1]
    module = TORCH[kind](
        ex.xs.shape[2], H, len(grid), bidirectional=len(grid[0]) == 2, dtype=torch.float64
    )
    suffixes = [f"l{k}{d}" for k in range(len(grid)) for d in ("", "_reverse")[: len(grid[0])]]
    with torch.no_grad():
        for suffix, params in zip(suffixes, cells, strict=True):
            hidden_bias = np.zeros_like(params.b)
            if kind is GRU:
                hidden_bias[2 * H :] = params.b_hn
            for name, value in zip(
                ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
                (params.U, params.W, params.b, hidden_bias),
                strict=True,
            ):
                getattr(module, f"{name}_{suffix}").copy_(torch.from_numpy(value))
    xs = torch.from_numpy(ex.xs).requires_grad_()
    hx = [torch.from_numpy(np.stack(field)).requires_grad_() for field in zip(*states, strict=True)]
    start = tuple(hx) if kind is LSTM else hx[0]
    if lengths is None:
        ys, last = module(xs, start)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            xs, torch.from_numpy(lengths), enforce_sorted=False
        )
        ys, last = module(packed, start)
        ys, _ = torch.nn.utils.rnn.pad_packed_sequence(ys, total_length=len(ex.xs))
    last = last if kind is LSTM else (last,)
    total = (ys * torch.from_numpy(ex.dys)).sum()
    for value, field in zip(last, zip(*dstates, strict=True), strict=True):
        total = total + (value * torch.from_numpy(np.stack(field))).sum()
    total.backward()

    def grad(name, suffix):
        return getattr(module, f"{name}_{suffix}").grad.numpy()

    made = {RNN: RNNParams, LSTM: LSTMParams, GRU: GRUParams}[kind]
    dcells = []
    for suffix in suffixes:
        arrays = [grad(name, suffix) for name in ("weight_ih", "weight_hh", "bias_ih")]
        if kind is GRU:
            arrays.append(grad("bias_hh", suffix)[2 * H :])
        dcells.append(made(*arrays))
    return (
        ys.detach().numpy(),
        [tuple(field[k].detach().numpy() for field in last) for k in range(len(cells))],
        dcells,
        xs.grad.numpy(),
        [tuple(field.grad[k].numpy() for field in hx) for k in range(len(cells))],
    )
