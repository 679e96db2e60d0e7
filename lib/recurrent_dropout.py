"""Chapter 8: dropout on the recurrence, with one mask for a sequence.

Arguments that do not fit raise ``ValueError`` naming them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import validate
from lib.bptt import SCAN
from lib.cell import Cache, Cell, Params, State
from lib.deep import dropout_mask
from lib.lstm import LSTM, LSTM1997
from lib.masks import padded_steps
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN

CELLS = RNN, LSTM, LSTM1997, PeepholeLSTM
"""Cells whose h' is read by W alone, so that a mask on it drops what is read and no memory."""


class MaskedCache(NamedTuple):
    """What a masked step keeps."""

    step: Cache
    """The cell's own."""
    mask: np.ndarray
    """m (N, H)."""


@dataclass(frozen=True)
class _Masked:
    """A cell that finds the mask behind its input: [x : m]."""

    cell: Cell

    def step(self, params: Params, joined: np.ndarray, state: State) -> tuple[State, MaskedCache]:
        x, m = np.split(joined, [self.cell.input_size], axis=1)
        new, cache = self.cell.step(params, x, state._replace(h=state.h * m))
        return new, MaskedCache(cache, m)

    def step_backward(
        self, params: Params, cache: MaskedCache, dstate: State
    ) -> tuple[Params, np.ndarray, State]:
        dparams, dx, before = self.cell.step_backward(params, cache.step, dstate)
        return dparams, dx, before._replace(h=before.h * cache.mask)


class RecurrentDropoutCache(NamedTuple):
    """What :class:`RecurrentDropout` keeps for its backward pass."""

    steps: MaskedCache
    """Of all steps, the time axis in front."""
    live: np.ndarray | None
    """True where a step is no padding (T, N), or ``None`` where none is."""


@dataclass(frozen=True)
class RecurrentDropout:
    """Run an Elman or LSTM cell that reads m ⊙ h' in place of h'.

    The state itself is not touched: an LSTM's C' least of all. It is a layer; without a mask,
    as in use, it is the cell as it is.

    Parameters
    ----------
    cell : RNN, LSTM, LSTM1997 or PeepholeLSTM
        In a GRU h' is memory as well, and a mask would wipe it out.

    Raises
    ------
    ValueError
        Where h' has other ways than W in the cell.

    Equations: deep-recurrent-dropout.

    Source: Gal and Ghahramani (2016).

    Examples
    --------
    >>> layer = RecurrentDropout(LSTM(3, 4))
    >>> rng = np.random.default_rng(0)
    >>> params, mask = layer.init(rng), layer.mask(rng, 0.5, batch_size=2)
    >>> ys, state, cache = layer.forward(params, np.ones((5, 2, 3)), mask=mask)
    >>> ys.shape
    (5, 2, 4)
    """

    cell: Cell

    causal = True

    def __post_init__(self) -> None:
        if type(self.cell) not in CELLS:
            names = ", ".join(kind.__name__ for kind in CELLS)
            raise ValueError(f"cell: expected one of {names}, got {type(self.cell).__name__}")

    @property
    def input_size(self) -> int:
        """D."""
        return self.cell.input_size

    @property
    def output_size(self) -> int:
        """H."""
        return self.cell.hidden_size

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the cell's parameters."""
        return self.cell.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the cell's zero state."""
        return self.cell.initial_state(batch_size, dtype)

    def mask(
        self, rng: np.random.Generator, rate: float, batch_size: int, dtype: Any = np.float64
    ) -> np.ndarray:
        """Draw one mask a sequence (1, N, H), for all of its steps.

        Equations: deep-dropout, deep-variational-dropout.
        """
        return dropout_mask(rng, rate, (1, batch_size, self.output_size), True, dtype)

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, RecurrentDropoutCache]:
        """Run the cell over ``xs`` (T, N, D), as :meth:`lib.bptt.Recurrent.forward` does.

        ``mask`` is (1, N, H), or (T, N, H) with one for each step; nothing is dropped without.

        Equations: deep-recurrent-dropout.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        dtype = xs.dtype.newbyteorder("=")
        validate.params("params", params, self.cell.shapes(), dtype)
        zero = self.initial_state(N, dtype)
        state = zero if state is None else state
        validate.same_tree("state", state, zero, dtype)
        live = padded_steps(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), where=live)
        if mask is None:
            mask = np.ones((1, N, self.output_size), dtype)
        first = 1 if np.shape(mask)[:1] == (1,) else T
        validate.array("mask", mask, (first, N, self.output_size), dtype=dtype)
        kept = np.broadcast_to(mask, (T, N, self.output_size))
        joined = np.concatenate([xs, kept], axis=2, dtype=dtype)
        ys, state, steps = SCAN.forward(_Masked(self.cell), params, joined, state, live)  # type: ignore[arg-type]
        return ys, state, RecurrentDropoutCache(steps, live)

    def backward(
        self,
        params: Params,
        cache: RecurrentDropoutCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Backpropagate through time: what goes back to h' passes the mask that h' passed.

        Returns dparams, dxs (T, N, D) and the initial state's gradient.

        Equations: deep-recurrent-dropout-backward.
        """
        steps, live = cache
        T, N, _ = steps.mask.shape
        dtype = steps.mask.dtype
        dys = validate.array("dys", dys, (T, N, self.output_size), live, dtype)
        validate.params("params", params, self.cell.shapes(), dtype)
        zero = self.initial_state(N, dtype)
        dstate = zero if dstate is None else dstate
        validate.same_tree("dstate", dstate, zero, dtype)
        return SCAN.backward(_Masked(self.cell), params, steps, dys, dstate, live)  # type: ignore[arg-type]
