"""Networks of lib and of torch.nn compute the same, both ways, with the same gradients."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lib
from lib import torch_bridge as bridge
from lib import tree
from lib.bidirectional import Bidirectional, as_layer
from lib.bptt import Recurrent
from lib.deep import Stacked
from lib.gru import GRU
from lib.lstm import LSTM, LSTM1997
from lib.rnn import RNN
from tests.lib import cell_checks as checks

KINDS = {
    "tanh": RNN,
    "relu": lambda D, H: RNN(D, H, activation="relu"),
    "lstm": LSTM,
    "gru": lambda D, H: GRU(D, H, reset_after=True),
}


def build(make, D, H, layers, both):
    width = 2 * H if both else H
    sizes = [D] + [width] * (layers - 1)
    stack = [
        Bidirectional(make(d, H), make(d, H)) if both else Recurrent(make(d, H)) for d in sizes
    ]
    return stack[0] if layers == 1 else Stacked(stack)


def close(a, b):
    pairs = zip(tree.named_leaves(a), tree.named_leaves(b), strict=True)
    for (name, got), (_, want) in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10, err_msg=name)


networks = st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 3), st.booleans())


@checks.quick
@given(networks, checks.sizes, st.integers(0, 10**6))
def test_there_and_back_with_outputs_states_and_gradients(network, sizes, seed):
    kind, layers, both = network
    T, N, D, H = sizes
    net = build(KINDS[kind], D, H, layers, both)
    rng = np.random.default_rng(seed)
    params = checks.normal(rng, net.init(rng))
    xs, state = rng.standard_normal((T, N, D)), checks.normal(rng, net.initial_state(N))
    dys = rng.standard_normal((T, N, net.output_size))
    dstate = checks.normal(rng, state)
    ys, last, cache = net.forward(params, xs, state)
    dparams, dxs, dfirst = net.backward(params, cache, dys, dstate)

    module = bridge.to_torch(net, params)
    xs_t = torch.tensor(xs, requires_grad=True)
    state_t = bridge.state_to_torch(net, state)
    many = state_t if isinstance(state_t, tuple) else (state_t,)
    for one in many:
        one.requires_grad_()
    ys_t, last_t = module(xs_t, state_t)
    up = bridge.state_to_torch(net, dstate)
    total = (ys_t * torch.tensor(dys)).sum()
    for a, b in zip(
        last_t if isinstance(last_t, tuple) else (last_t,),
        up if isinstance(up, tuple) else (up,),
        strict=True,
    ):
        total = total + (a * b).sum()
    total.backward()

    np.testing.assert_allclose(ys, ys_t.detach().numpy(), rtol=1e-10, atol=1e-10)
    close(last, bridge.state_from_torch(net, last_t))
    np.testing.assert_allclose(dxs, xs_t.grad.numpy(), rtol=1e-10, atol=1e-10)
    first = tuple(one.grad for one in many)
    close(dfirst, bridge.state_from_torch(net, first if isinstance(state_t, tuple) else first[0]))
    gradient = bridge.gradients_from_torch(module)
    assert type(gradient) is type(dparams)
    close(dparams, gradient)
    again = bridge.from_torch(module)
    assert again.network == net
    assert type(again.params) is type(params)
    close(again.params, params)


@checks.quick
@given(networks, st.booleans(), st.integers(0, 10**6))
def test_from_torch_adds_pytorchs_two_biases(network, bias, seed):
    kind, layers, both = network
    torch.manual_seed(seed)
    make = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(kind, torch.nn.RNN)
    extra = {} if kind in ("lstm", "gru") else {"nonlinearity": kind}
    module = make(
        3, 4, num_layers=layers, bidirectional=both, bias=bias, dtype=torch.float64, **extra
    )
    net, params = bridge.from_torch(module)
    xs = np.random.default_rng(seed).standard_normal((5, 2, 3))
    ys, state, _ = net.forward(params, xs)
    wanted, last = module(torch.tensor(xs))
    np.testing.assert_allclose(ys, wanted.detach().numpy(), rtol=1e-10, atol=1e-10)
    close(state, bridge.state_from_torch(net, last))


def test_float32_stays_and_nothing_is_shared():
    net = LSTM(3, 4)
    params = tree.tree_map(lambda a: a.astype(np.float32), net.init(np.random.default_rng(0)))
    kept = tree.tree_map(np.copy, params)
    module = bridge.to_torch(net, params)
    assert module.weight_ih_l0.dtype == torch.float32
    back = bridge.from_torch(module).params
    assert back.U.dtype == np.float32
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    close(params, kept)
    close(back, kept)


LAYOUTS = {
    "negative strides": lambda a: a[::-1].copy()[::-1],
    "column order": lambda a: np.asfortranarray(a),
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_layout_in_memory_gives_the_same_module(kind, layout):
    net = build(KINDS[kind], 3, 4, 2, True)
    rng = np.random.default_rng(0)
    params, state = net.init(rng), checks.normal(rng, net.initial_state(2))
    laid = tree.tree_map(LAYOUTS[layout], params)
    close(bridge.from_torch(bridge.to_torch(net, laid)).params, params)
    there = bridge.state_to_torch(net, tree.tree_map(LAYOUTS[layout], state))
    close(bridge.state_from_torch(net, there), state)
    listed = list(there) if isinstance(there, tuple) else [there]
    close(bridge.state_from_torch(net, listed), state)


def test_a_precision_that_numpy_lacks_is_refused():
    module = torch.nn.LSTM(3, 4, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=r"expected float32 or float64, got torch\.bf"):
        bridge.from_torch(module)
    state = (torch.zeros(1, 2, 4, dtype=torch.bfloat16),) * 2
    with pytest.raises(ValueError, match=r"got torch\.bfloat16"):
        bridge.state_from_torch(LSTM(3, 4), state)


def test_a_cell_and_a_stack_of_one_convert_too():
    rng = np.random.default_rng(0)
    for net in (GRU(3, 4, reset_after=True), Stacked([RNN(3, 4)])):
        params = as_layer(net).init(rng)
        xs = rng.standard_normal((3, 2, 3))
        ys, _, _ = as_layer(net).forward(params, xs)
        got, _ = bridge.to_torch(net, params)(torch.tensor(xs))
        np.testing.assert_allclose(ys, got.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (GRU(3, 4), "reset_after=True"),
        (LSTM1997(3, 4), "got LSTM1997"),
        (LSTM(3, 4, truncated_gradient=True), "truncated_gradient"),
        (RNN(3, 4, activation="sigmoid"), "tanh or relu"),
        (Stacked([RNN(3, 4), RNN(4, 4)], residual=True), "residuals"),
        (Stacked([RNN(3, 4), RNN(4, 5)]), "same hidden size"),
        (Stacked([RNN(3, 4), LSTM(4, 4)]), "one kind"),
        (Stacked([RNN(3, 4), RNN(4, 4, activation="relu")]), "one activation"),
        (Stacked([Bidirectional(RNN(3, 4), RNN(3, 4)), RNN(8, 4)]), "directions"),
        (Bidirectional(RNN(3, 4), RNN(3, 4), merge="sum"), "concat"),
        (Bidirectional(Stacked([RNN(3, 4), RNN(4, 4)]), RNN(3, 4)), "one cell a direction"),
        (
            Bidirectional(Bidirectional(RNN(3, 4), RNN(3, 4)), RNN(3, 8)),
            "one cell a direction",
        ),
    ],
)
def test_refuses_what_pytorch_lacks(net, message):
    with pytest.raises(ValueError, match=message):
        bridge.to_torch(net, as_layer(net).init(np.random.default_rng(0)))


def test_refuses_other_modules_parameters_and_states():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"params\.U: expected shape \(4, 3\)"):
        bridge.to_torch(RNN(3, 4), RNN(2, 4).init(rng))
    with pytest.raises(ValueError, match="got Linear"):
        bridge.from_torch(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="proj_size 2"):
        bridge.from_torch(torch.nn.LSTM(3, 4, proj_size=2))
    with pytest.raises(ValueError, match="gradient in weight_ih_l0, got none"):
        bridge.gradients_from_torch(torch.nn.RNN(2, 3))
    with pytest.raises(ValueError, match=r"state: expected shape \(1, N, 4\)"):
        bridge.state_from_torch(RNN(3, 4), torch.zeros(2, 5, 4))
    with pytest.raises(ValueError, match="state: expected 2 tensors, got 1"):
        bridge.state_from_torch(LSTM(3, 4), torch.zeros(1, 5, 4))


def test_nothing_else_in_lib_imports_torch_or_what_learners_may_lack():
    """Import every module of lib but this one, in a fresh process, and look what came with it."""
    names = sorted(p.stem for p in Path(lib.__file__).parent.glob("*.py"))
    names = [n for n in names if n not in ("__init__", "torch_bridge")]
    assert {"rnn", "lstm", "plots", "data", "training"} <= set(names)
    code = "import sys, importlib\n" + "\n".join(
        f"importlib.import_module('lib.{name}')" for name in names
    )
    code += "\nprint(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(lib.__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": ""},
    )
    loaded = set(done.stdout.split())
    assert "lib" in loaded
    assert loaded.isdisjoint({"torch", "sklearn", "scipy", "matplotlib", "tqdm", "IPython"})
