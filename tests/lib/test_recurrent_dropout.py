"""Dropout on the recurrence against PyTorch's autograd, central differences, and no dropout."""

import numpy as np
import pytest
import torch

from lib import tree
from lib.bptt import Recurrent
from lib.gru import GRU
from lib.lstm import LSTM, LSTM1997
from lib.peephole import PeepholeLSTM
from lib.recurrent_dropout import RecurrentDropout
from lib.rnn import RNN
from tests.lib import layer_checks as checks
from tests.lib.cell_checks import assert_same

LENGTHS = np.array([4, 1, 3])
KINDS = [RNN(3, 4), LSTM(3, 4), LSTM1997(3, 4), PeepholeLSTM(3, 4)]


def masked(cell, variational=True):
    layer = RecurrentDropout(cell)
    rng = np.random.default_rng(2)
    mask = layer.mask(rng, 0.4, 3) if variational else 2.0 * (rng.random((4, 3, 4)) < 0.5)
    assert 0 < (mask == 0).sum() < mask.size
    return layer, checks.example(layer), mask


@pytest.mark.equations("deep-recurrent-dropout", "deep-recurrent-dropout-backward")
def test_lstm_agrees_with_pytorch():
    layer, ex, mask = masked(LSTM(3, 4))
    U, W, b, xs, h, c = (
        torch.tensor(a, requires_grad=True) for a in (*ex.params, ex.xs, *ex.state)
    )
    h_new, c_new, hs = h, c, []
    for x in xs:
        i, f, g, o = (b + x @ U.T + (h_new * torch.tensor(mask[0])) @ W.T).chunk(4, dim=1)
        c_new = torch.sigmoid(f) * c_new + torch.sigmoid(i) * torch.tanh(g)
        h_new = torch.sigmoid(o) * torch.tanh(c_new)
        hs.append(h_new)
    theirs = torch.stack(hs)
    dh, dc = map(torch.tensor, ex.dstate)
    ((theirs * torch.tensor(ex.dys)).sum() + (h_new * dh).sum() + (c_new * dc).sum()).backward()
    ys, _, (dparams, dxs, dstate) = checks.gradients(layer, ex, mask=mask)
    pairs = [(ys, theirs.detach()), (dxs, xs.grad), (dstate.h, h.grad), (dstate.c, c.grad)]
    pairs += [(ours, p.grad) for ours, p in zip(dparams, (U, W, b), strict=True)]
    for ours, other in pairs:
        np.testing.assert_allclose(ours, other.numpy(), rtol=0, atol=1e-10)


@pytest.mark.equations("deep-recurrent-dropout", "deep-recurrent-dropout-backward")
@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("cell", KINDS, ids=lambda cell: type(cell).__name__)
def test_central_differences(cell, variational):
    layer, ex, mask = masked(cell, variational)
    for lengths in (None, LENGTHS):
        checks.assert_central_differences(layer, ex, lengths, mask=mask)


@pytest.mark.parametrize("cell", KINDS, ids=lambda cell: type(cell).__name__)
def test_without_a_mask_it_is_the_cell(cell):
    layer = RecurrentDropout(cell)
    ex = checks.example(layer)
    for lengths in (None, LENGTHS):
        ours = checks.gradients(layer, ex, lengths)
        theirs = checks.gradients(Recurrent(cell), ex, lengths)
        for one, other in zip(tree.leaves(ours), tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_dropped_units_are_read_by_none_and_keep_their_memory():
    layer = RecurrentDropout(LSTM(3, 4))
    ex = checks.example(layer)
    nothing = np.zeros((1, 3, 4))
    first, _, _ = layer.forward(ex.params, ex.xs, ex.state, mask=nothing)
    moved, _, _ = layer.forward(ex.params, ex.xs, ex.state._replace(h=-ex.state.h), mask=nothing)
    np.testing.assert_array_equal(first, moved)
    other, _, _ = layer.forward(ex.params, ex.xs, ex.state._replace(c=-ex.state.c), mask=nothing)
    assert (other[-1] != first[-1]).all()
    _, _, (_, _, dstate) = checks.gradients(layer, ex, mask=nothing)
    assert_same(dstate.h, np.zeros((3, 4)))


def test_masks_and_what_is_refused():
    layer = RecurrentDropout(LSTM(3, 4))
    mask = layer.mask(np.random.default_rng(0), 0.25, 2000)
    assert mask.shape == (1, 2000, 4)
    assert np.isin(mask, (0, 1 / 0.75)).all()
    assert abs(mask.mean() - 1) < 0.05
    with pytest.raises(ValueError, match=r"cell: expected one of RNN, LSTM, .*, got GRU"):
        RecurrentDropout(GRU(3, 4))
    ex = checks.example(layer)
    for wrong in (np.ones((2, 3, 4)), np.ones((1, 3, 5)), np.ones((1, 3, 4), np.float32)):
        with pytest.raises(ValueError, match="mask: expected"):
            layer.forward(ex.params, ex.xs, mask=wrong)
