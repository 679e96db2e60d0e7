"""Parameters to ``torch.nn`` modules and back: the only module here that imports PyTorch.

``torch.nn`` has RNN, LSTM and GRU, stacked, bidirectional and both at once. Its layout of
weights is the one used here, but for the biases: PyTorch has two for each layer, which
are only ever added, save in a GRU's candidate (``GRUParams.b_hn``). Going there, the
second is zero where one is enough; coming back, the two are added.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from lib import tree, validate
from lib.bidirectional import Bidirectional, BidirectionalParams, BidirectionalState, as_layer
from lib.bptt import Recurrent
from lib.cell import Cell, Layer
from lib.deep import Stacked, StackedParams, StackedState
from lib.gru import GRU, GRUParams, split_biases
from lib.lstm import LSTM, LSTMParams, LSTMState
from lib.rnn import RNN, RNNParams

Module: TypeAlias = "torch.nn.RNN | torch.nn.LSTM | torch.nn.GRU"


class Converted(NamedTuple):
    """A ``torch.nn`` module as a network of ``lib``."""

    network: Any
    """``Recurrent``, ``Bidirectional``, or ``Stacked`` where there are several layers."""
    params: Any
    """Its parameters, copied."""


def to_torch(network: Layer | Cell, params: Any) -> Module:
    """Make the ``torch.nn`` module that computes what ``network`` computes.

    Parameters
    ----------
    network : Layer or Cell
        RNN, LSTM or GRU; in ``Recurrent``, ``Bidirectional`` or ``Stacked``.
    params : its parameters, float32 or float64

    Returns
    -------
    torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU
        Time-major, of the parameters' dtype, with a copy of them.

    Raises
    ------
    ValueError
        Where PyTorch has no such network, or ``params`` are not the network's.
    """
    grid = _grid(network)
    cell = grid[0][0]
    H, directions = cell.hidden_size, len(grid[0])
    _check_grid(grid, H)
    validate.same_tree("params", params, as_layer(network).init(np.random.default_rng(0)))
    settings: dict[str, Any] = {
        "num_layers": len(grid),
        "bidirectional": directions == 2,
        "dtype": _tensor(tree.leaves(params)[0]).dtype,
    }
    module: Module
    if isinstance(cell, RNN):
        module = torch.nn.RNN(cell.input_size, H, nonlinearity=cell.activation, **settings)
    elif isinstance(cell, LSTM):
        module = torch.nn.LSTM(cell.input_size, H, **settings)
    else:
        module = torch.nn.GRU(cell.input_size, H, **settings)
    with torch.no_grad():
        for suffix, one in zip(_suffixes(module), _cell_trees(network, params), strict=True):
            biases = split_biases(one.b, one.b_hn) if isinstance(one, GRUParams) else None
            for name, value in {
                "weight_ih": one.U,
                "weight_hh": one.W,
                "bias_ih": biases.b_ih if biases else one.b,
                "bias_hh": biases.b_hh if biases else np.zeros_like(one.b),
            }.items():
                getattr(module, name + suffix).copy_(_tensor(value))
    return module


def from_torch(module: Module) -> Converted:
    """Make the network that computes what a ``torch.nn`` module computes, and its parameters.

    Dropout, which is no parameter, and ``batch_first``, which only turns the input, do not
    come along.

    Parameters
    ----------
    module : torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU

    Returns
    -------
    Converted

    Raises
    ------
    ValueError
        Where the module is of another kind, or an LSTM with a projection.
    """
    network = _network(module)

    def read(name: str) -> np.ndarray:
        if not hasattr(module, name):
            return np.zeros_like(_numpy(getattr(module, name.replace("bias", "weight"))[:, 0]))
        return _numpy(getattr(module, name))

    def merge(b_ih: np.ndarray, b_hh: np.ndarray) -> np.ndarray:
        return b_ih + b_hh

    return Converted(network, _assemble(network, _read_cells(module, read, merge)))


def gradients_from_torch(module: Module) -> Any:
    """Read the gradients that ``backward()`` left in a module, as a tree like its parameters.

    The gradient of the one bias here is that of either bias there.

    Parameters
    ----------
    module : torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU

    Returns
    -------
    tree
        Of the type of ``from_torch(module).params``.

    Raises
    ------
    ValueError
        Where the module is of another kind, has no biases, or no gradients yet.
    """
    network = _network(module)

    def read(name: str) -> np.ndarray:
        parameter = getattr(module, name, None)
        if parameter is None or parameter.grad is None:
            raise ValueError(f"module: expected a gradient in {name}, got none")
        return _numpy(parameter.grad)

    def merge(b_ih: np.ndarray, _: np.ndarray) -> np.ndarray:
        return b_ih

    return _assemble(network, _read_cells(module, read, merge))


def state_to_torch(network: Layer | Cell, state: Any) -> Any:
    """Stack a network's state as ``torch.nn`` does: h, or (h, c) for an LSTM.

    Parameters
    ----------
    network : Layer or Cell
    state : its state, every field (N, H)

    Returns
    -------
    tensor (layers·directions, N, H), or two of them

    Raises
    ------
    ValueError
        Where PyTorch has no such network.
    """
    _check_grid(_grid(network), _grid(network)[0][0].hidden_size)
    rows = len(tree.leaves(state)[0])
    validate.same_tree("state", state, as_layer(network).initial_state(rows))
    parts = list(_cell_trees(network, state))
    fields = [_tensor(np.stack(field)) for field in zip(*parts, strict=True)]
    return tuple(fields) if isinstance(parts[0], LSTMState) else fields[0]


def state_from_torch(network: Layer | Cell, state: Any) -> Any:
    """Undo :func:`state_to_torch`.

    Raises
    ------
    ValueError
        Where PyTorch has no such network, or the state has another number of layers.
    """
    grid = _grid(network)
    _check_grid(grid, grid[0][0].hidden_size)
    fields = [_numpy(f) for f in (state if isinstance(state, tuple | list) else (state,))]
    count = sum(map(len, grid))
    like = grid[0][0].initial_state(1)
    for field in fields:
        validate.array("state", field, (count, "N", grid[0][0].hidden_size))
    if len(fields) != len(like):
        raise ValueError(f"state: expected {len(like)} tensors, got {len(fields)}")
    parts = (type(like)(*(field[k].copy() for field in fields)) for k in range(count))
    return _assemble(network, parts, BidirectionalState, StackedState)


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Copy an array of any strides and byte order; PyTorch knows positive ones and its own."""
    return torch.tensor(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    """Copy a tensor of a precision that ``lib`` has too."""
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"tensor: expected float32 or float64, got {tensor.dtype}")
    return tensor.detach().cpu().numpy().copy()


def _suffixes(module: Module) -> Iterator[str]:
    """Yield the ends of PyTorch's parameter names, in the order of ``_cell_trees``."""
    for layer in range(module.num_layers):
        yield f"_l{layer}"
        if module.bidirectional:
            yield f"_l{layer}_reverse"


def _read_cells(
    module: Module,
    read: Callable[[str], np.ndarray],
    merge: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Iterator[Any]:
    for suffix in _suffixes(module):
        U, W = read("weight_ih" + suffix), read("weight_hh" + suffix)
        b_ih, b_hh = read("bias_ih" + suffix), read("bias_hh" + suffix)
        if isinstance(module, torch.nn.GRU):
            H = module.hidden_size
            both = merge(b_ih, b_hh)
            b = np.concatenate([both[: 2 * H], b_ih[2 * H :]])
            yield GRUParams(U, W, b, b_hh[2 * H :].copy())
        else:
            params = LSTMParams if isinstance(module, torch.nn.LSTM) else RNNParams
            yield params(U, W, merge(b_ih, b_hh))


def _network(module: Module) -> Layer:
    """Make the network of ``lib`` that a module corresponds to."""
    if not isinstance(module, (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)):
        raise ValueError(
            "module: expected torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU, "
            f"got {type(module).__name__}"
        )
    if module.proj_size:
        raise ValueError(f"module: expected no projection, got proj_size {module.proj_size}")
    H = module.hidden_size

    def cell(input_size: int) -> Cell:
        if isinstance(module, torch.nn.RNN):
            return RNN(input_size, H, activation=module.nonlinearity)
        if isinstance(module, torch.nn.LSTM):
            return LSTM(input_size, H)
        return GRU(input_size, H, reset_after=True)

    def layer(k: int) -> Layer:
        D = module.input_size if k == 0 else H * (2 if module.bidirectional else 1)
        return Bidirectional(cell(D), cell(D)) if module.bidirectional else Recurrent(cell(D))

    layers = [layer(k) for k in range(module.num_layers)]
    return layers[0] if len(layers) == 1 else Stacked(layers)


def _grid(network: Layer | Cell) -> list[list[Any]]:
    """List the cells of each layer, one or two."""
    if isinstance(network, Stacked):
        if network.residual:
            raise ValueError("network: expected a stack without residuals, which PyTorch lacks")
        return [cells for layer in network.layers for cells in _grid(layer)]
    if isinstance(network, Bidirectional):
        if network.merge != "concat":
            raise ValueError("network: expected merge 'concat', as PyTorch has it")
        sides = [*_grid(network.toward_future), *_grid(network.toward_past)]
        if [len(side) for side in sides] != [1, 1]:
            raise ValueError("network: expected one cell a direction, as PyTorch has it")
        return [[sides[0][0], sides[1][0]]]
    return [[network.cell if isinstance(network, Recurrent) else network]]


def _check_grid(grid: list[list[Any]], hidden_size: int) -> None:
    first = grid[0][0]
    for cells in grid:
        for cell in cells:
            if type(cell) is not type(first) or type(cell) not in (RNN, LSTM, GRU):
                raise ValueError(
                    "network: expected RNN, LSTM or GRU cells of one kind, "
                    f"got {type(first).__name__} and {type(cell).__name__}"
                )
            if cell.hidden_size != hidden_size or len(cells) != len(grid[0]):
                raise ValueError(
                    "network: expected the same hidden size and directions in every layer"
                )
            if isinstance(cell, RNN) and cell.activation not in ("tanh", "relu"):
                raise ValueError(f"network: expected tanh or relu, got {cell.activation!r}")
            if isinstance(cell, RNN) and cell.activation != first.activation:
                raise ValueError("network: expected one activation in all layers")
            if isinstance(cell, LSTM) and cell.truncated_gradient:
                raise ValueError("network: expected full gradients, got truncated_gradient=True")
            if isinstance(cell, GRU) and not cell.reset_after:
                raise ValueError("network: expected a GRU with reset_after=True, as PyTorch's is")


def _cell_trees(network: Layer | Cell, value: Any) -> Iterator[Any]:
    """Yield the part of ``value``, parameters or a state, that each cell of the grid has."""
    if isinstance(network, Stacked):
        for layer, part in zip(network.layers, value.layers, strict=True):
            yield from _cell_trees(layer, part)
    elif isinstance(network, Bidirectional):
        yield from _cell_trees(network.toward_future, value.forward)
        yield from _cell_trees(network.toward_past, value.backward)
    else:
        yield value


def _assemble(
    network: Layer | Cell,
    parts: Iterator[Any],
    pair: type = BidirectionalParams,
    stack: type = StackedParams,
) -> Any:
    """Undo :func:`_cell_trees`."""
    if isinstance(network, Stacked):
        return stack(tuple(_assemble(layer, parts, pair, stack) for layer in network.layers))
    if isinstance(network, Bidirectional):
        forward = _assemble(network.toward_future, parts, pair, stack)
        return pair(forward, _assemble(network.toward_past, parts, pair, stack))
    return next(parts)
