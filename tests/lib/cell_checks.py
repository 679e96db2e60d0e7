"""What every cell's tests share: random examples, the numerical judge, the edges."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

from lib import gradient_check, tree
from lib.bptt import Recurrent

quick = settings(max_examples=25, deadline=None, derandomize=True)
sizes = st.tuples(*[st.integers(1, 5)] * 4)
"""T, N, D, H."""


class Example(NamedTuple):
    """A random sequence with everything that a forward and a backward pass take."""

    params: Any
    xs: np.ndarray
    state: Any
    dys: np.ndarray
    dstate: Any


def normal(rng, like, scale=1.0):
    """Draw a tree shaped as ``like``."""
    return tree.tree_map(lambda leaf: scale * rng.standard_normal(leaf.shape), like)


def example(cell, T=4, N=2, seed=0, scale=0.7):
    """Draw non-symmetric weights, biases, states and upstream gradients, none of them zero."""
    rng = np.random.default_rng(seed)
    zero = cell.initial_state(N)
    return Example(
        params=normal(rng, cell.init(rng), scale),
        xs=rng.standard_normal((T, N, cell.input_size)),
        state=normal(rng, zero),
        dys=rng.standard_normal((T, N, cell.hidden_size)),
        dstate=normal(rng, zero),
    )


def gradients(cell, ex, lengths=None):
    """Run forward and backward: outputs, last state, (dparams, dxs, dstate)."""
    layer = Recurrent(cell)
    ys, state, cache = layer.forward(ex.params, ex.xs, ex.state, lengths)
    return ys, state, layer.backward(ex.params, cache, ex.dys, ex.dstate)


def loss(cell, ex, lengths=None):
    """Return the scalar function whose gradient ``dys`` and ``dstate`` stand for."""

    def function(at):
        params, xs, state = at
        ys, last, _ = Recurrent(cell).forward(params, xs, state, lengths)
        ends = zip(tree.leaves(last), tree.leaves(ex.dstate), strict=True)
        return float(np.sum(ys * ex.dys) + sum(np.sum(a * b) for a, b in ends))

    return function


def assert_central_differences(cell, ex, lengths=None):
    """Compare all gradients with central differences of the forward pass."""
    analytic = gradients(cell, ex, lengths)[2]
    numerical = gradient_check.numerical_gradient(
        loss(cell, ex, lengths), (ex.params, ex.xs, ex.state)
    )
    found = gradient_check.compare(analytic, numerical, floor=1e-3)
    assert found.relative < 1e-6, found


def assert_same(got, want, tolerance=1e-12):
    """Compare two trees leaf by leaf."""
    for (name, a), (_, b) in zip(tree.named_leaves(got), tree.named_leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=name)


def assert_steps_equal_scan(cell, ex):
    """``step`` and ``step_backward`` one by one give what the scan gives."""
    ys, last, wanted = gradients(cell, ex)
    state, caches = ex.state, []
    for t, x in enumerate(ex.xs):
        state, cache = cell.step(ex.params, x, state)
        np.testing.assert_allclose(state.h, ys[t], atol=1e-13)
        caches.append(cache)
    assert_same(state, last)
    dparams, dstate, dxs = tree.zeros_like(ex.params), ex.dstate, np.empty_like(ex.xs)
    for t in reversed(range(len(ex.xs))):
        dstate = dstate._replace(h=dstate.h + ex.dys[t])
        step_dparams, dxs[t], dstate = cell.step_backward(ex.params, caches[t], dstate)
        assert type(step_dparams) is type(ex.params)
        tree.add_into(dparams, step_dparams)
    assert_same((dparams, dxs, dstate), wanted)


def assert_inputs_unchanged(cell, ex, lengths=None):
    """Neither pass writes into what it was given."""
    before = tree.tree_map(np.copy, tuple(ex))
    gradients(cell, ex, lengths)
    for a, b in zip(tree.leaves(tuple(ex)), tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_float32_kept(cell, ex):
    """float32 in, float32 out, near the float64 result."""
    single = Example(*tree.tree_map(lambda leaf: leaf.astype(np.float32), tuple(ex)))
    got, want = gradients(cell, single), gradients(cell, ex)
    assert {leaf.dtype for leaf in tree.leaves(got)} == {np.dtype(np.float32)}
    assert_same(got, want, 1e-3)


def assert_saturated_is_quiet(cell):
    """Pre-activations of ±1e4 over 1 000 steps: no warning, no NaN, no infinity."""
    ex = example(cell, T=1000, N=2)
    ex = ex._replace(params=tree.scale(ex.params, 1e4))
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        for leaf in tree.leaves(gradients(cell, ex)):
            assert np.isfinite(leaf).all()


def assert_bad_input_named(cell):
    """Wrong rank, sizes, dtype, NaN and parameters raise, naming the argument."""
    ex = example(cell)
    x, layer = ex.xs[0], Recurrent(cell)
    _, cache = cell.step(ex.params, x, ex.state)
    wrong_state = tree.tree_map(lambda leaf: leaf[:, :-1], ex.state)
    with_nan = x.copy()
    with_nan[0, 0] = np.nan
    for bad in (x[0], x[:, :-1], x.astype(int), with_nan, x.tolist()):
        with pytest.raises(ValueError, match=r"^x: expected"):
            cell.step(ex.params, bad, ex.state)
    with pytest.raises(ValueError, match=r"^state\.\w+: expected"):
        cell.step(ex.params, x, wrong_state)
    with pytest.raises(ValueError, match=r"^state: expected"):
        cell.step(ex.params, x, tuple(ex.state))
    with pytest.raises(ValueError, match=r"^dstate\.\w+: expected"):
        cell.step_backward(ex.params, cache, wrong_state)
    with pytest.raises(ValueError, match=r"^xs: expected"):
        layer.forward(ex.params, ex.xs[:0])
    for size in (0, -1, 2.0, True, "3"):
        with pytest.raises(ValueError, match="input_size: expected"):
            type(cell)(size, 3)
        with pytest.raises(ValueError, match="hidden_size: expected"):
            type(cell)(3, size)


def assert_bad_params_named(cell):
    """A parameter of the wrong shape raises, naming its field."""
    ex = example(cell)
    for field, value in ex.params._asdict().items():
        if value is not None:
            with pytest.raises(ValueError, match=rf"params\.{field}: expected"):
                cell.step(ex.params._replace(**{field: value[:-1]}), ex.xs[0], ex.state)


def torch_layer(kind, params, bias_hh=None):
    """Make a float64 ``torch.nn`` layer with ``params``; all bias in b_ih but ``bias_hh``."""
    H, D = params.W.shape[1], params.U.shape[1]
    module = kind(D, H, dtype=torch.float64)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.from_numpy(params.U))
        module.weight_hh_l0.copy_(torch.from_numpy(params.W))
        module.bias_ih_l0.copy_(torch.from_numpy(params.b))
        module.bias_hh_l0.zero_()
        if bias_hh is not None:
            module.bias_hh_l0.copy_(torch.from_numpy(bias_hh))
    return module


def torch_gradients(module, ex, lengths=None):
    """Run a ``torch.nn`` layer: ys, last state, module gradients, dxs, dstate."""
    xs = torch.from_numpy(ex.xs).requires_grad_()
    state = tuple(torch.from_numpy(s)[None].requires_grad_() for s in ex.state)
    hx = state if len(state) > 1 else state[0]
    if lengths is None:
        ys, last = module(xs, hx)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            xs, torch.from_numpy(lengths), enforce_sorted=False
        )
        packed_ys, last = module(packed, hx)
        ys, _ = torch.nn.utils.rnn.pad_packed_sequence(packed_ys, total_length=len(ex.xs))
    last = last if len(state) > 1 else (last,)
    total = (ys * torch.from_numpy(ex.dys)).sum()
    for a, b in zip(last, ex.dstate, strict=True):
        total = total + (a[0] * torch.from_numpy(b)).sum()
    total.backward()
    return (
        ys.detach().numpy(),
        tuple(a[0].detach().numpy() for a in last),
        {name: p.grad.numpy() for name, p in module.named_parameters()},
        xs.grad.numpy(),
        tuple(s.grad[0].numpy() for s in state),
    )
