"""Every cell and layer of lib under the same list of cases; a new one has to join."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import lib
from lib import tree
from lib.attention import Attention
from lib.attention_decoder import AttentionDecoder, AttentionEncoderDecoder
from lib.bidirectional import Bidirectional
from lib.bptt import Checkpointed, Recurrent, Truncated
from lib.cell import Cell, causal
from lib.clockwork import ClockworkRNN
from lib.deep import MLP, Stacked
from lib.deep_transition import DeepTransition
from lib.encoder_decoder import EncoderDecoder
from lib.gru import GRU, SimplifiedGRU
from lib.lstm import LSTM, LSTM1997
from lib.lstm_variants import CoupledLSTM, DepthGatedLSTM
from lib.networks import ManyToMany, Output
from lib.output_to_hidden import OutputToHidden
from lib.peephole import PeepholeLSTM
from lib.recurrent_dropout import RecurrentDropout
from lib.rnn import RNN
from lib.scores import Additive
from lib.time_scales import LeakyRNN, SkipRNN
from lib.writer import ContextDecoder
from lib.writing import generate
from tests.lib import layer_array_checks as arrays
from tests.lib import layer_checks as checks

CELLS = [
    RNN(4, 6),
    LSTM(4, 6),
    LSTM1997(4, 6),
    GRU(4, 6),
    GRU(4, 6, reset_after=True),
    SimplifiedGRU(4, 6),
    PeepholeLSTM(4, 6),
    PeepholeLSTM(4, 6, output="identity"),
    CoupledLSTM(4, 6),
    DepthGatedLSTM(4, 6, layers=2),
    ClockworkRNN(4, 6, (1, 2)),
    SkipRNN(4, 6),
    LeakyRNN(4, 6, learned=True),
    DeepTransition(4, 6, depth=2, skip=True),
]
LAYERS = [
    *map(Recurrent, CELLS),
    Truncated(Recurrent(LSTM(4, 6)), 2, 5),
    Checkpointed(Recurrent(LSTM(4, 6))),
    Bidirectional(LSTM(4, 6), GRU(4, 6)),
    Stacked([LSTM(4, 6), RNN(6, 6)], residual=True),
    MLP([4, 5, 6]),
    ManyToMany(Recurrent(LSTM(4, 6)), Output(6, 5)),
    OutputToHidden(4, 6, 5),
    RecurrentDropout(LSTM(4, 6)),
]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer)[:70])


def test_no_cell_is_left_out():
    modules = [
        importlib.import_module(f"lib.{module.name}")
        for module in pkgutil.iter_modules(lib.__path__)
    ]
    found = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Cell) and "step" in vars(kind) and kind is not Cell
    }
    assert found == {type(cell) for cell in CELLS}


@every_layer
@pytest.mark.parametrize("layout", arrays.LAYOUTS)
def test_layouts_change_nothing(layer, layout):
    arrays.assert_layouts_change_nothing(layer, layout)


@every_layer
def test_arrays(layer):
    arrays.assert_lengths_of_any_integers(layer)
    arrays.assert_parameters_are_named(layer)
    arrays.assert_nothing_is_aliased(layer)
    arrays.assert_padding_may_be_anything(layer)
    checks.assert_float32_kept(layer, checks.example(layer))


def test_masks_of_a_stack_take_its_precision():
    layer = Stacked([RNN(4, 6), RNN(6, 6)])
    ex = checks.example(layer)
    masks = layer.dropout_masks(np.random.default_rng(0), 0.5, 4, 3, on_input=True)
    assert masks[0].dtype == np.float64
    checks.assert_float32_kept(layer, ex, masks=masks)


def test_a_network_of_single_precision_writes():
    network = ManyToMany(Recurrent(LSTM(4, 6)), Output(6, 4))
    double = network.init(np.random.default_rng(0))
    single = tree.tree_map(lambda leaf: leaf.astype(np.float32), double)
    wrote = [
        generate(network, params, np.zeros(2, int), 5, np.random.default_rng(0), 0)[0]
        for params in (single, double)
    ]
    np.testing.assert_array_equal(*wrote)


@every_layer
def test_a_layer_is_causal_just_where_no_output_sees_a_later_input(layer):
    ex = checks.example(layer)
    later = ex.xs.copy()
    later[-1] += 1
    (ys, _, _), (others, _, _) = (layer.forward(ex.params, xs) for xs in (ex.xs, later))
    assert causal(layer) == np.array_equal(ys[:-1], others[:-1])
    assert not np.array_equal(ys[-1], others[-1])


def test_a_layer_that_does_not_say_so_is_not_causal():
    class Silent:
        """A layer without the property."""

    assert not causal(Silent())


def test_what_looks_ahead_is_refused_where_it_may_not():
    ahead = Bidirectional(RNN(8, 4), RNN(8, 4), merge="sum")
    score = Additive(4, 4, 3)
    assert not causal(Stacked([RNN(4, 8), ahead]))
    assert not causal(ManyToMany(ahead, Output(4, 4)))
    refused = {
        "layer: expected a causal layer": [
            lambda: Checkpointed(ahead),
            lambda: Checkpointed(Stacked([RNN(4, 8), ahead])),
        ],
        "layer: expected Recurrent": [lambda: Truncated(Stacked([RNN(4, 4)]), 1, 2)],
        "network: expected a causal layer": [
            lambda: generate(
                ManyToMany(ahead, Output(4, 4)), None, np.zeros(1, int), 3, np.random.default_rng(0)
            )
        ],
        "decoder: expected a causal layer": [
            lambda: EncoderDecoder(RNN(4, 4), ahead, 3, 3),
            lambda: AttentionEncoderDecoder(RNN(4, 4), ahead, 3, 3, attention=Attention(score)),
            lambda: ContextDecoder(ahead, 4),
            lambda: AttentionDecoder(ahead, 4, 4, Attention(score)),
        ],
    }
    for message, makers in refused.items():
        for make in makers:
            with pytest.raises(ValueError, match=message):
                make()
