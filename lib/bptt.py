"""Chapter 2: backpropagation through time, the one scan that every cell runs in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.cell import Cell, HoistedCell, Params, State


class RecurrentCache(NamedTuple):
    """What a scan keeps for its backward pass."""

    xs: np.ndarray
    """Inputs (T, N, D)."""
    steps: Sequence[Any]
    """The cell's cache of each step."""
    lengths: np.ndarray | None
    """Lengths (N,), or ``None`` where all are T."""


@dataclass(frozen=True)
class Recurrent:
    """Run a cell over a sequence, and backpropagate through time.

    Parameters
    ----------
    cell : Cell

    Source: Werbos (1990); Goodfellow, Bengio and Courville (2016), section 10.2.2.

    Examples
    --------
    >>> from lib.rnn import RNN
    >>> layer = Recurrent(RNN(input_size=3, hidden_size=4))
    >>> params = layer.init(np.random.default_rng(0))
    >>> ys, state, cache = layer.forward(params, np.ones((5, 2, 3)))
    >>> ys.shape
    (5, 2, 4)
    """

    cell: Cell

    @property
    def input_size(self) -> int:
        """D."""
        return self.cell.input_size

    @property
    def output_size(self) -> int:
        """H: the output is the state's ``h``."""
        return self.cell.hidden_size

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the cell's parameters."""
        return self.cell.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the cell's zero state."""
        return self.cell.initial_state(batch_size, dtype)

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, RecurrentCache]:
        """Run the cell over ``xs``.

        Parameters
        ----------
        params : the cell's parameters
        xs : array (T, N, D)
        state : the cell's state, optional
            Zero where not given; every field (N, H).
        lengths : integers (N,), optional
            Outputs beyond a length are zero, and that row's state stays.

        Returns
        -------
        ys : array (T, N, H)
        state
            The last state of each row.
        cache : RecurrentCache

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.
        """
        validate.array("xs", xs, ("T", "N", self.input_size))
        T, N, _ = xs.shape
        lengths = validate.lengths(lengths, T, N)
        if state is None:
            state = self.initial_state(N, xs.dtype)
        else:
            validate.same_tree("state", state, self.initial_state(N, xs.dtype))
        hoisted = isinstance(self.cell, HoistedCell)
        projected = self.cell.project(params, xs) if hoisted else None
        ys = np.empty((T, N, self.output_size), xs.dtype)
        steps = []
        for t in range(T):
            if hoisted:
                new, cache = self.cell.advance(params, projected[t], state)
            else:
                new, cache = self.cell.step(params, xs[t], state)
            if lengths is None or t < lengths.min():
                state = new
                ys[t] = new.h
            else:
                live = t < lengths
                state = tree.where(live, new, state)
                ys[t] = np.where(live[:, None], new.h, 0)
            steps.append(cache)
        return ys, state, RecurrentCache(xs, steps, lengths)

    def backward(
        self,
        params: Params,
        cache: RecurrentCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Backpropagate through time.

        Parameters
        ----------
        params : the cell's parameters
        cache : what :meth:`forward` returned
        dys : array (T, N, H)
            Gradient of the outputs; what stands on padding is ignored.
        dstate : the cell's state, optional
            Gradient of the last state; zero where not given.

        Returns
        -------
        dparams, dxs (T, N, D), dstate
            Gradients of the parameters, the inputs and the initial state.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bptt-hidden, bptt-parameters, bptt-input.
        """
        xs, steps, lengths = cache
        T, N, _ = xs.shape
        validate.array("dys", dys, (T, N, self.output_size))
        if dstate is None:
            dstate = self.initial_state(N, xs.dtype)
        else:
            validate.same_tree("dstate", dstate, self.initial_state(N, xs.dtype))
        hoisted = isinstance(self.cell, HoistedCell)
        if hoisted:
            deltas = np.empty((T, N, self.cell.gate_width(params)), xs.dtype)
        else:
            dparams = tree.zeros_like(params)
            dxs = np.empty_like(xs)
        for t in reversed(range(T)):
            live = None if lengths is None or t < lengths.min() else t < lengths
            incoming = dstate._replace(h=dstate.h + dys[t])
            if live is not None:
                incoming = tree.tree_map(lambda g: g * live[:, None], incoming)
            if hoisted:
                _, new = self.cell.retreat(params, steps[t], incoming, deltas[t])
            else:
                step_dparams, dxs[t], new = self.cell.step_backward(params, steps[t], incoming)
                tree.add_into(dparams, step_dparams)
            dstate = new if live is None else tree.where(live, new, dstate)
        if hoisted:
            dparams, dxs = self.cell.collect(params, deltas, xs, steps)
        return dparams, dxs, dstate
