"""Chapter 4: long short-term memory, C = f ⊙ C' + i ⊙ g, with and without a forget gate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.cell import HoistedCell


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

    h_prev: np.ndarray
    """Hidden state before the step (N, H)."""
    c_prev: np.ndarray
    """Cell state before the step (N, H)."""
    gates: np.ndarray
    """Gates and candidate after their activations (N, B·H)."""
    tanh_c: np.ndarray
    """tanh of the cell state after the step (N, H)."""


def blocks(a: np.ndarray, count: int) -> list[np.ndarray]:
    """Cut ``a`` (…, count·H) into its gate blocks: views (…, H), not copies."""
    H = a.shape[-1] // count
    return [a[..., k * H : (k + 1) * H] for k in range(count)]


class Squash(NamedTuple):
    """Constants of :func:`squash`, a number for each column."""

    scale: np.ndarray
    """s (B·H,): ½ over gates, 1 over the candidate."""
    shift: np.ndarray
    """1 − s (B·H,)."""
    square: np.ndarray
    """s² (B·H,)."""


@lru_cache(maxsize=64)
def squash_constants(letters: str, hidden_size: int, dtype: Any) -> Squash:
    """Make the constants for blocks named by ``letters``, of which ``g`` is the candidate."""
    scale = np.repeat(np.array([1 if k == "g" else 0.5 for k in letters], dtype), hidden_size)
    constants = Squash(scale, 1 - scale, scale * scale)
    for row in constants:
        row.setflags(write=False)
    return constants


def squash(a: np.ndarray, constants: Squash) -> np.ndarray:
    """Turn pre-activations (N, B·H) into gates σ(a) and candidates tanh(a), in place.

    σ(a) = ½ + ½ tanh(a/2), so one tanh over the whole row serves both: the result is
    (1 − s) + s tanh(s a), which is σ for s = ½ and tanh for s = 1.

    Equations: sigmoid.
    """
    a *= constants.scale
    np.tanh(a, out=a)
    a *= constants.scale
    a += constants.shift
    return a


def squash_backward(gates: np.ndarray, dgates: np.ndarray, constants: Squash) -> np.ndarray:
    """Turn gradients of gates into those of pre-activations, in place: δ = y'(a) ⊙ ∇_y.

    The slope at the output y is s² − (y − (1 − s))²: y(1 − y) for s = ½, 1 − y² for s = 1.
    """
    slope = gates - constants.shift
    slope *= slope
    np.subtract(constants.square, slope, out=slope)
    dgates *= slope
    return dgates


@dataclass(frozen=True)
class GatedCell(HoistedCell):
    """What all gated cells share: sizes, zero state, input projection, sums over time."""

    input_size: int
    hidden_size: int
    letters: ClassVar[str]
    """The stacked blocks, a letter each; ``g`` is the candidate."""
    params_type: ClassVar[Any] = LSTMParams
    state_type: ClassVar[Any] = LSTMState

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)

    def init(self, rng: np.random.Generator) -> Any:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does."""
        H, D, B = self.hidden_size, self.input_size, len(self.letters)
        return self.params_type(
            U=initializers.uniform(rng, (B * H, D), H),
            W=initializers.uniform(rng, (B * H, H), H),
            b=initializers.uniform(rng, (B * H,), H),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> Any:
        """Return zeros: every field of the state (N, H)."""
        shape = (batch_size, self.hidden_size)
        return self.state_type(*(np.zeros(shape, dtype) for _ in self.state_type._fields))

    def project(self, params: Any, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, B·H).

        Raises
        ------
        ValueError
            Where the parameters' shapes do not fit the cell.
        """
        H, D, B = self.hidden_size, self.input_size, len(self.letters)
        validate.shape("params.U", params.U, (B * H, D))
        validate.shape("params.W", params.W, (B * H, H))
        validate.shape("params.b", params.b, (B * H,))
        projected = xs.reshape(-1, D) @ params.U.T
        projected += params.b
        return projected.reshape(*xs.shape[:-1], B * H)

    def collect(
        self, params: Any, deltas: np.ndarray, xs: np.ndarray, caches: Sequence[Any]
    ) -> tuple[Any, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h'ᵀ, ∇_b = Σ δ over time and batch; ∇_x = Uᵀ δ.

        Equations: lstm-parameters, lstm-input-backward.
        """
        h_prev = np.concatenate([cache.h_prev for cache in caches])
        flat = deltas.reshape(-1, deltas.shape[-1])
        dparams = self.params_type(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=flat.T @ h_prev,
            b=flat.sum(axis=0),
        )
        return dparams, (flat @ params.U).reshape(xs.shape)

    def _constants(self, dtype: Any, letters: str | None = None) -> Squash:
        return squash_constants(letters or self.letters, self.hidden_size, dtype)


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
    letters: ClassVar[str] = "ifgo"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forget_bias is not None and not np.isfinite(self.forget_bias):
            raise ValueError(f"forget_bias: expected a finite number, got {self.forget_bias!r}")

    def init(self, rng: np.random.Generator) -> LSTMParams:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does; then set ``forget_bias``.

        Equations: lstm-forget-bias.
        """
        params = super().init(rng)
        if self.forget_bias is not None:
            blocks(params.b, 4)[1][:] = self.forget_bias
        return params

    def advance(
        self, params: LSTMParams, projected: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, LSTMCache]:
        """Compute the gates from projected + W h', then C = f ⊙ C' + i ⊙ g, h = o ⊙ tanh C.

        Equations: lstm-input-gate, lstm-forget-gate, lstm-candidate, lstm-output-gate,
        lstm-cell, lstm-hidden.
        """
        a = projected
        a += state.h @ params.W.T
        gates = squash(a, self._constants(a.dtype))
        i, f, g, o = blocks(gates, 4)
        c = f * state.c
        c += i * g
        tanh_c = np.tanh(c)
        return LSTMState(o * tanh_c, c), LSTMCache(state.h, state.c, gates, tanh_c)

    def retreat(
        self, params: LSTMParams, cache: LSTMCache, dstate: LSTMState, out: np.ndarray
    ) -> tuple[np.ndarray, LSTMState]:
        """Compute the gates' errors δ, ∇_{h'} = Σ Wᵀ δ and ∇_{C'} = f ⊙ ∇_C.

        Equations: lstm-cell-backward, lstm-gate-backward, lstm-hidden-backward,
        lstm-truncated.
        """
        _, c_prev, gates, tanh_c = cache
        i, f, g, o = blocks(gates, 4)
        di, df, dg, do = blocks(out, 4)
        dc = dstate.c + dstate.h * o * (1 - tanh_c * tanh_c)
        np.multiply(dc, g, out=di)
        np.multiply(dc, c_prev, out=df)
        np.multiply(dc, i, out=dg)
        np.multiply(dstate.h, tanh_c, out=do)
        squash_backward(gates, out, self._constants(out.dtype))
        dh = np.zeros_like(dc) if self.truncated_gradient else out @ params.W
        return out, LSTMState(dh, dc * f)


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

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: lstm-carousel, lstm-input-gate, lstm-candidate, lstm-output-gate, lstm-hidden.

    Source: Hochreiter and Schmidhuber (1997); notes 000, part two, section 2.
    """

    truncated_gradient: bool = False
    letters: ClassVar[str] = "igo"

    def advance(
        self, params: LSTMParams, projected: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, LSTMCache]:
        """Compute the gates from projected + W h', then C = C' + i ⊙ g, h = o ⊙ tanh C.

        Equations: lstm-carousel, lstm-hidden.
        """
        a = projected
        a += state.h @ params.W.T
        gates = squash(a, self._constants(a.dtype))
        i, g, o = blocks(gates, 3)
        c = state.c + i * g
        tanh_c = np.tanh(c)
        return LSTMState(o * tanh_c, c), LSTMCache(state.h, state.c, gates, tanh_c)

    def retreat(
        self, params: LSTMParams, cache: LSTMCache, dstate: LSTMState, out: np.ndarray
    ) -> tuple[np.ndarray, LSTMState]:
        """Compute the gates' errors δ, ∇_{h'} = Σ Wᵀ δ and ∇_{C'} = ∇_C.

        Equations: lstm-carousel-backward, lstm-gate-backward, lstm-truncated.
        """
        _, _, gates, tanh_c = cache
        i, g, o = blocks(gates, 3)
        di, dg, do = blocks(out, 3)
        dc = dstate.c + dstate.h * o * (1 - tanh_c * tanh_c)
        np.multiply(dc, g, out=di)
        np.multiply(dc, i, out=dg)
        np.multiply(dstate.h, tanh_c, out=do)
        squash_backward(gates, out, self._constants(out.dtype))
        dh = np.zeros_like(dc) if self.truncated_gradient else out @ params.W
        return out, LSTMState(dh, dc)


class CellJacobians(NamedTuple):
    """Sensitivity of the last cell state to earlier ones; index q is the distance."""

    total: np.ndarray
    """∂C^(T)/∂C^(T−q) along all paths (T, H, H); [q, j, k] is ∂C_j/∂C_k."""
    cell_path: np.ndarray
    """Its diagonal along the cell path alone, the product of the f between (T, H)."""


def cell_jacobians(
    cell: LSTM | LSTM1997, params: LSTMParams, steps: Sequence[LSTMCache], example: int = 0
) -> CellJacobians:
    """Compute ∂C^(T)/∂C^(T−q) for q = 0 … T − 1 by carrying unit vectors back.

    C^(T−q) acts on later steps directly and through h^(T−q) = o ⊙ tanh C^(T−q).

    Parameters
    ----------
    cell : LSTM or LSTM1997
    params : LSTMParams
    steps : sequence of T LSTMCache
        ``cache.steps`` of ``Recurrent(cell).forward``.
    example : int
        Row of the batch to look at.

    Returns
    -------
    CellJacobians

    Raises
    ------
    ValueError
        Where the cell is another, there is no step, or no such row.

    Equations: lstm-jacobian, lstm-cell-path.
    """
    if not isinstance(cell, LSTM | LSTM1997):
        raise ValueError(f"cell: expected LSTM or LSTM1997, got {type(cell).__name__}")
    if len(steps) == 0:
        raise ValueError("steps: expected at least one step's cache, got none")
    if not 0 <= example < len(steps[0].gates):
        raise ValueError(
            f"example: expected a row from 0 to {len(steps[0].gates) - 1}, got {example!r}"
        )
    rows = [LSTMCache(*(field[example : example + 1] for field in cache)) for cache in steps]
    H, width, dtype = cell.hidden_size, rows[0].gates.shape[1], rows[0].gates.dtype
    cut = replace(cell, truncated_gradient=True)
    everything = LSTMState(np.zeros((H, H), dtype), np.eye(H, dtype=dtype))
    alone = LSTMState(np.zeros((1, H), dtype), np.ones((1, H), dtype))
    result = CellJacobians(np.empty((len(rows), H, H), dtype), np.empty((len(rows), H), dtype))
    for q, cache in enumerate(reversed(rows)):
        o = blocks(cache.gates, len(cell.letters))[-1]
        result.total[q] = everything.c + everything.h * o * (1 - cache.tanh_c**2)
        result.cell_path[q] = alone.c
        _, everything = cell.retreat(params, cache, everything, np.empty((H, width), dtype))
        _, alone = cut.retreat(params, cache, alone, np.empty((1, width), dtype))
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

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: lstm-parameter-count.

    Examples
    --------
    >>> parameter_count(input_size=512, hidden_size=1024)
    6295552
    """
    D = validate.positive("input_size", input_size)
    H = validate.positive("hidden_size", hidden_size)
    return 4 * (H * (H + D) + validate.positive("biases", biases) * H)
