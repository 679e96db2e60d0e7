"""Chapter 4: long short-term memory, C = f ⊙ C' + i ⊙ g, with and without a forget gate."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import fused_lstm, tree, validate
from lib.activations import sigmoid
from lib.cell import Cell, Kernel


class LSTMParams(NamedTuple):
    """Parameters of an LSTM, B gate blocks stacked; gradients have the same type."""

    U: np.ndarray
    """Input to gates (B·H, D)."""
    W: np.ndarray
    """Hidden to gates (B·H, H)."""
    b: np.ndarray
    """Biases (B·H,)."""


class LSTMState(NamedTuple):
    """State of an LSTM."""

    h: np.ndarray
    """Hidden state (N, H), the output."""
    c: np.ndarray
    """Cell state (N, H)."""


class LSTMCache(NamedTuple):
    """What an LSTM step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """Hidden state before the step (N, H)."""
    c: np.ndarray
    """Cell state before the step (N, H)."""
    i: np.ndarray
    """Input gate (N, H)."""
    f: np.ndarray
    """Forget gate (N, H)."""
    g: np.ndarray
    """Candidate (N, H)."""
    o: np.ndarray
    """Output gate (N, H)."""
    tanh_c: np.ndarray
    """tanh of the cell state after the step (N, H)."""


class LSTM1997Cache(NamedTuple):
    """What a step of the LSTM of 1997 keeps; it has no forget gate. All (N, H) but ``x``."""

    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    i: np.ndarray
    g: np.ndarray
    o: np.ndarray
    tanh_c: np.ndarray


@dataclass(frozen=True)
class GatedCell(Cell):
    """A cell whose gate blocks are stacked in U, W and b: what all LSTMs and GRUs share."""

    gates: ClassVar[int]
    """Number of blocks."""
    params_type: ClassVar[Any] = LSTMParams
    state_type: ClassVar[Any] = LSTMState

    def shapes(self) -> Any:
        """Return the parameters' shapes: a block of H rows for each gate."""
        H, D, rows = self.hidden_size, self.input_size, self.gates * self.hidden_size
        return self.params_type(U=(rows, D), W=(rows, H), b=(rows,))

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> Any:
        """Return zeros: every field of the state (N, H)."""
        shape = (batch_size, self.hidden_size)
        return self.state_type(*(np.zeros(shape, dtype) for _ in self.state_type._fields))


@dataclass(frozen=True)
class LSTM(GatedCell):
    """LSTM with input, forget and output gates, stacked i, f, g, o.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    forget_bias : float, optional
        Value that :meth:`init` gives to the forget gate's bias; drawn like the rest
        where not given. With 1 a new cell keeps about 0.73 of its state each step.
    truncated_gradient : bool
        Cut the backward pass as in 1997: errors at the gates and the candidate reach
        their weights and x, but not h'; only the cell path leads back in time.

    Raises
    ------
    ValueError
        Where a size is below 1 or the forget bias not finite.

    Equations: lstm-input-gate, lstm-forget-gate, lstm-candidate, lstm-output-gate,
    lstm-cell, lstm-hidden.

    Source: Gers, Schmidhuber and Cummins (2000); notes 003, section 4.3.1.

    Examples
    --------
    >>> cell = LSTM(input_size=3, hidden_size=4, forget_bias=1.0)
    >>> params = cell.init(np.random.default_rng(0))
    >>> state, cache = cell.step(params, np.ones((2, 3)), cell.initial_state(2))
    >>> state.h.shape, state.c.shape
    ((2, 4), (2, 4))
    """

    forget_bias: float | None = None
    truncated_gradient: bool = False
    gates: ClassVar[int] = 4
    cache_type: ClassVar[Any] = LSTMCache

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forget_bias is not None and not np.isfinite(self.forget_bias):
            raise ValueError(f"forget_bias: expected a finite number, got {self.forget_bias!r}")

    @property
    def kernel(self) -> Kernel:
        """The fast form."""
        return Kernel(fused_lstm.forward, fused_lstm.backward)

    def init(self, rng: np.random.Generator) -> LSTMParams:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does; then set ``forget_bias``.

        Equations: lstm-forget-bias.
        """
        params = super().init(rng)
        if self.forget_bias is not None:
            params.b[self.hidden_size : 2 * self.hidden_size] = self.forget_bias
        return params

    def step(
        self, params: LSTMParams, x: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, LSTMCache]:
        """Compute the gates and the candidate, then C = f ⊙ C' + i ⊙ g and h = o ⊙ tanh C.

        Equations: lstm-input-gate, lstm-forget-gate, lstm-candidate, lstm-output-gate,
        lstm-cell, lstm-hidden.
        """
        U, W, b = params
        h, c = state
        a_i, a_f, a_g, a_o = np.split(x @ U.T + h @ W.T + b, 4, axis=1)
        i = sigmoid(a_i)
        f = sigmoid(a_f)
        g = np.tanh(a_g)
        o = sigmoid(a_o)
        c_new = f * c + i * g
        tanh_c = np.tanh(c_new)
        return LSTMState(o * tanh_c, c_new), LSTMCache(x, h, c, i, f, g, o, tanh_c)

    def step_backward(
        self, params: LSTMParams, cache: LSTMCache, dstate: LSTMState
    ) -> tuple[LSTMParams, np.ndarray, LSTMState]:
        """Compute ∇_C, the gates' errors δ, and from them the gradients; ∇_{C'} = f ⊙ ∇_C.

        Equations: lstm-cell-backward, lstm-gate-backward, lstm-hidden-backward,
        lstm-parameters, lstm-input-backward, lstm-truncated.
        """
        U, W, _ = params
        x, h, c, i, f, g, o, tanh_c = cache
        dh, dc = dstate
        dc = dc + dh * o * (1 - tanh_c**2)
        delta_i = dc * g * i * (1 - i)
        delta_f = dc * c * f * (1 - f)
        delta_g = dc * i * (1 - g**2)
        delta_o = dh * tanh_c * o * (1 - o)
        delta = np.hstack([delta_i, delta_f, delta_g, delta_o])
        dparams = LSTMParams(U=delta.T @ x, W=delta.T @ h, b=delta.sum(axis=0))
        dh_prev = np.zeros_like(dh) if self.truncated_gradient else delta @ W
        return dparams, delta @ U, LSTMState(dh_prev, dc * f)


@dataclass(frozen=True)
class LSTM1997(GatedCell):
    """LSTM of 1997: no forget gate, blocks i, g, o; C = C' + i ⊙ g.

    The cell's weight onto itself is 1 (the constant error carousel). The paper squashes
    with 4σ − 2 and 2σ − 1, which are tanh stretched; tanh is used here, as everywhere.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    truncated_gradient : bool
        Cut the backward pass as the paper does; see :class:`LSTM`.

    Equations: lstm-carousel, lstm-input-gate, lstm-candidate, lstm-output-gate, lstm-hidden.

    Source: Hochreiter and Schmidhuber (1997); notes 000, part two, section 2.
    """

    truncated_gradient: bool = False
    gates: ClassVar[int] = 3

    def step(
        self, params: LSTMParams, x: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, LSTM1997Cache]:
        """Compute the gates and the candidate, then C = C' + i ⊙ g and h = o ⊙ tanh C.

        Equations: lstm-carousel, lstm-hidden.
        """
        U, W, b = params
        h, c = state
        a_i, a_g, a_o = np.split(x @ U.T + h @ W.T + b, 3, axis=1)
        i = sigmoid(a_i)
        g = np.tanh(a_g)
        o = sigmoid(a_o)
        c_new = c + i * g
        tanh_c = np.tanh(c_new)
        return LSTMState(o * tanh_c, c_new), LSTM1997Cache(x, h, c, i, g, o, tanh_c)

    def step_backward(
        self, params: LSTMParams, cache: LSTM1997Cache, dstate: LSTMState
    ) -> tuple[LSTMParams, np.ndarray, LSTMState]:
        """Compute ∇_C, the gates' errors δ, and from them the gradients; ∇_{C'} = ∇_C.

        Equations: lstm-carousel-backward, lstm-gate-backward, lstm-truncated.
        """
        U, W, _ = params
        x, h, _, i, g, o, tanh_c = cache
        dh, dc = dstate
        dc = dc + dh * o * (1 - tanh_c**2)
        delta_i = dc * g * i * (1 - i)
        delta_g = dc * i * (1 - g**2)
        delta_o = dh * tanh_c * o * (1 - o)
        delta = np.hstack([delta_i, delta_g, delta_o])
        dparams = LSTMParams(U=delta.T @ x, W=delta.T @ h, b=delta.sum(axis=0))
        dh_prev = np.zeros_like(dh) if self.truncated_gradient else delta @ W
        return dparams, delta @ U, LSTMState(dh_prev, dc)


class CellJacobians(NamedTuple):
    """Sensitivity of the last cell state to earlier ones; index q is the distance."""

    total: np.ndarray
    """∂C^(T)/∂C^(T−q) along all paths (T, H, H); [q, j, k] is ∂C_j/∂C_k."""
    cell_path: np.ndarray
    """Its diagonal along the cell path alone, the product of the f between (T, H)."""


def cell_jacobians(
    cell: LSTM | LSTM1997, params: LSTMParams, steps: Any, example: int = 0
) -> CellJacobians:
    """Compute ∂C^(T)/∂C^(T−q) for q = 0 … T − 1 by carrying unit vectors back.

    C^(T−q) acts on later steps directly and through h^(T−q) = o ⊙ tanh C^(T−q).

    Parameters
    ----------
    cell : LSTM or LSTM1997
    params : LSTMParams
    steps : the cell's cache over T steps
        ``cache.steps`` of ``Recurrent(cell).forward``.
    example : int
        Row of the batch to look at.

    Returns
    -------
    CellJacobians

    Raises
    ------
    ValueError
        Where the cell is another, ``steps`` no cache, or there is no such row.

    Equations: lstm-jacobian, lstm-cell-path.
    """
    if not isinstance(cell, LSTM | LSTM1997):
        raise ValueError(f"cell: expected LSTM or LSTM1997, got {type(cell).__name__}")
    if not isinstance(steps, LSTMCache | LSTM1997Cache):
        raise ValueError(f"steps: expected the cell's cache, got {type(steps).__name__}")
    T, N, H = steps.o.shape
    if not 0 <= example < N:
        raise ValueError(f"example: expected a row from 0 to {N - 1}, got {example!r}")
    cut, dtype = replace(cell, truncated_gradient=True), steps.o.dtype
    everything = LSTMState(np.zeros((H, H), dtype), np.eye(H, dtype=dtype))
    alone = LSTMState(np.zeros((1, H), dtype), np.ones((1, H), dtype))
    result = CellJacobians(np.empty((T, H, H), dtype), np.empty((T, H), dtype))
    for q in range(T):
        row: Any = tree.at(steps, (T - 1 - q, slice(example, example + 1)))
        result.total[q] = everything.c + everything.h * row.o * (1 - row.tanh_c**2)
        result.cell_path[q] = alone.c
        unit = tree.tree_map(lambda leaf: np.repeat(leaf, H, axis=0), row)
        _, _, everything = cell.step_backward(params, unit, everything)
        _, _, alone = cut.step_backward(params, row, alone)
    return result


def concatenate_maps(params: LSTMParams, split: int) -> LSTMParams:
    """Zero the weights so that U x and W h' are concatenated where they were summed.

    In each block units below ``split`` keep their weights from x only, the others those
    from h' only: U x + W h' becomes [U x : W h']. Applied to a gradient it keeps
    training within such weights.

    Parameters
    ----------
    params : LSTMParams
        Or a gradient of them.
    split : int
        Number of units fed by x, from 0 to H.

    Returns
    -------
    LSTMParams

    Raises
    ------
    ValueError
        Where ``split`` is not from 0 to H.

    Equations: lstm-concatenation.

    Source: notes 003, section 4.3.3.
    """
    H = params.W.shape[1]
    if not 0 <= split <= H:
        raise ValueError(f"split: expected a number of units from 0 to {H}, got {split!r}")
    from_x = (np.arange(params.b.size) % H < split)[:, None]
    return params._replace(U=np.where(from_x, params.U, 0), W=np.where(from_x, 0, params.W))


def parameter_count(input_size: int, hidden_size: int, biases: int = 1) -> int:
    """Count an LSTM's parameters: 4 (H (H + D) + H), the number that Keras prints.

    PyTorch keeps two bias vectors, of which only the sum matters: ``biases=2``.

    Equations: lstm-parameter-count.

    Examples
    --------
    >>> parameter_count(input_size=512, hidden_size=1024)
    6295552
    """
    D = validate.positive("input_size", input_size)
    H = validate.positive("hidden_size", hidden_size)
    return 4 * (H * (H + D) + validate.positive("biases", biases) * H)
