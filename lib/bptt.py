"""Chapter 2: backpropagation through time, the one scan that every cell runs in.

:class:`Truncated` and :class:`Checkpointed` wrap it; teacher forcing of output→hidden
networks is ``lib.rnn.OutputToHidden.forward_forced``. Online training over a long
stream needs no class: run a layer over one chunk after the other, hand the last state to
the next chunk, and start each backward pass without ``dstate``. That is the gradient of
``Truncated(layer, k, k)`` in pieces.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.cell import Cell, HoistedCell, Layer, Params, State


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

        Equations: rnn-recurrence, rnn-mask.
        """
        validate.array("xs", xs, ("T", "N", self.input_size))
        T, N, _ = xs.shape
        lengths = validate.lengths(lengths, T, N)
        if state is None:
            state = self.initial_state(N, xs.dtype)
        else:
            validate.same_tree("state", state, self.initial_state(N, xs.dtype))
        advance = self._advance(params, xs)
        ends = np.full(N, T) if lengths is None else lengths
        unpadded = ends.min()
        ys = np.empty((T, N, self.output_size), xs.dtype)
        steps = []
        for t in range(T):
            new, cache = advance(t, state)
            if t < unpadded:
                state = new
                ys[t] = new.h
            else:
                live = ends > t
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
        xs, _, lengths = cache
        T, N, _ = xs.shape
        validate.array("dys", dys, (T, N, self.output_size))
        if dstate is None:
            dstate = self.initial_state(N, xs.dtype)
        else:
            validate.same_tree("dstate", dstate, self.initial_state(N, xs.dtype))
        retreat, collect = self._retreat(params, cache)
        ends = np.full(N, T) if lengths is None else lengths
        unpadded = ends.min()
        for t in reversed(range(T)):
            incoming = dstate._replace(h=dstate.h + dys[t])
            if t < unpadded:
                dstate = retreat(t, incoming)
            else:
                live = ends > t
                incoming = tree.where(live, incoming, tree.zeros_like(incoming))
                dstate = tree.where(live, retreat(t, incoming), dstate)
        dparams, dxs = collect()
        return dparams, dxs, dstate

    def _advance(self, params: Params, xs: np.ndarray) -> Callable[[int, State], tuple[State, Any]]:
        """Make the function of t and the state that takes step t."""
        cell = self.cell
        if isinstance(cell, HoistedCell):
            if len(xs) > 4:
                # h @ W.T reads a transposed W up to twice as fast where W.T, not W, is laid
                # out row by row; a few steps would not repay the copy
                params = tree.tree_map(
                    lambda leaf: np.asfortranarray(leaf) if leaf.ndim == 2 else leaf, params
                )
            projected = cell.project(params, xs)
            return lambda t, state: cell.advance(params, projected[t], state)
        return lambda t, state: cell.step(params, xs[t], state)

    def _retreat(
        self, params: Params, cache: RecurrentCache
    ) -> tuple[Callable[[int, State], State], Callable[[], tuple[Params, np.ndarray]]]:
        """Make the function that goes back over step t, and that which sums up at the end."""
        cell, (xs, steps, _) = self.cell, cache
        if isinstance(cell, HoistedCell):
            deltas = np.empty((*xs.shape[:2], cell.gate_width(params)), xs.dtype)
            return (
                lambda t, dstate: cell.retreat(params, steps[t], dstate, deltas[t])[1],
                lambda: cell.collect(params, deltas, xs, steps),
            )
        dparams, dxs = tree.zeros_like(params), np.empty_like(xs)

        def step_back(t: int, dstate: State) -> State:
            more, dxs[t], dstate = cell.step_backward(params, steps[t], dstate)
            tree.add_into(dparams, more)
            return dstate

        return step_back, lambda: (dparams, dxs)


@dataclass(frozen=True)
class Truncated:
    """Truncated backpropagation through time: the same forward pass, a cheaper gradient.

    Every ``k1`` steps, and at the end, the losses since the last time are carried back over
    the last ``k2`` steps and no further. So each loss counts once and reaches at least
    ``k2 − k1`` steps back; with ``k2 ≥ T`` the gradient is the full one.

    Parameters
    ----------
    layer : Recurrent
    k1, k2 : int
        1 ≤ k1 ≤ k2.

    Raises
    ------
    ValueError
        Where ``k2`` is below ``k1``, or either below 1.

    Equations: bptt-truncated.

    Source: Williams and Peng (1990), BPTT(h; h').
    """

    layer: Recurrent
    k1: int
    k2: int

    def __post_init__(self) -> None:
        validate.positive("k1", self.k1)
        validate.positive("k2", self.k2)
        if self.k2 < self.k1:
            raise ValueError(f"k2: expected at least k1 = {self.k1}, got {self.k2}")

    @property
    def input_size(self) -> int:
        """D."""
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        """H."""
        return self.layer.output_size

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the layer's parameters."""
        return self.layer.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the layer's zero state."""
        return self.layer.initial_state(batch_size, dtype)

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, RecurrentCache]:
        """Run the layer: see :meth:`Recurrent.forward`."""
        return self.layer.forward(params, xs, state, lengths)

    def backward(
        self,
        params: Params,
        cache: RecurrentCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dys`` (T, N, H) back over windows of ``k2`` steps: dparams, dxs, dstate.

        ``dstate`` enters with the window in which a row ends; what is returned for the initial
        state comes from the windows that reach it.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bptt-truncated.
        """
        xs, steps, lengths = cache
        T, N, _ = xs.shape
        validate.array("dys", dys, (T, N, self.output_size))
        dparams, dxs = tree.zeros_like(params), np.zeros_like(xs)
        none = dinitial = self.initial_state(N, xs.dtype)
        dstate = none if dstate is None else dstate
        validate.same_tree("dstate", dstate, none)
        ends = np.full(N, T) if lengths is None else lengths
        for first in range(0, T, self.k1):
            end = min(first + self.k1, T)
            start = max(end - self.k2, 0)
            window = RecurrentCache(
                xs[start:end], steps[start:end], None if lengths is None else lengths - start
            )
            losses = dys[start:end].copy()
            losses[: first - start] = 0
            over = (first < ends) & (ends <= end)
            more, dxs_window, dstart = self.layer.backward(
                params, window, losses, tree.where(over, dstate, none)
            )
            tree.add_into(dparams, more)
            dxs[start:end] += dxs_window
            if start == 0:
                dinitial = tree.add(dinitial, dstart)
        return dparams, dxs, dinitial


class CheckpointedCache(NamedTuple):
    """What a checkpointed pass keeps: no step's cache."""

    xs: np.ndarray
    """Inputs (T, N, D)."""
    starts: Sequence[Any]
    """The state at the start of every segment."""
    lengths: np.ndarray | None
    """Lengths (N,), or ``None`` where all are T."""
    every: int
    """Steps of a segment."""


@dataclass(frozen=True)
class Checkpointed:
    """Run a layer in segments, keep their first states only, and run each again to go back.

    With √T segments of √T steps the caches take O(√T) memory in place of O(T), for one
    more forward pass. The gradient is the same.

    Parameters
    ----------
    layer : Layer
        Any that reads forward in time: ``Recurrent``, or a stack of them.
    every : int, optional
        Steps of a segment; ⌈√T⌉ where not given.

    Raises
    ------
    ValueError
        Where ``every`` is below 1.

    Equations: bptt-checkpointing.

    Source: Chen, Xu, Zhang and Guestrin (2016); Gruslys et al. (2016).
    """

    layer: Layer
    every: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None:
            validate.positive("every", self.every)

    @property
    def input_size(self) -> int:
        """D."""
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        """H."""
        return self.layer.output_size

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the layer's parameters."""
        return self.layer.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the layer's zero state."""
        return self.layer.initial_state(batch_size, dtype)

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, CheckpointedCache]:
        """Run over ``xs`` (T, N, D): outputs (T, N, H), last state, cache.

        Raises
        ------
        ValueError
            Where a shape, dtype or length does not fit.
        """
        T, N, _ = validate.array("xs", xs, ("T", "N", self.input_size)).shape
        lengths = validate.lengths(lengths, T, N)
        every = self.every or math.ceil(math.sqrt(T))
        state = self.initial_state(N, xs.dtype) if state is None else state
        starts, ys = [], np.empty((T, N, self.output_size), xs.dtype)
        for first in range(0, T, every):
            # a copy: a state may be a view into a whole segment's buffer, which would stay
            starts.append(tree.tree_map(np.copy, state))
            piece = slice(first, first + every)
            ys[piece], state, _ = self._segment(params, xs[piece], state, lengths, first)
        return ys, state, CheckpointedCache(xs, starts, lengths, every)

    def backward(
        self,
        params: Params,
        cache: CheckpointedCache,
        dys: np.ndarray,
        dstate: State | None = None,
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dys`` (T, N, H) back, segment by segment: dparams, dxs (T, N, D), dstate.

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.

        Equations: bptt-checkpointing.
        """
        xs, starts, lengths, every = cache
        T, N, _ = xs.shape
        validate.array("dys", dys, (T, N, self.output_size))
        dstate = tree.zeros_like(starts[0]) if dstate is None else dstate
        dparams, dxs = tree.zeros_like(params), np.empty_like(xs)
        for first, start in reversed(list(zip(range(0, T, every), starts, strict=True))):
            piece = slice(first, first + every)
            _, _, inner = self._segment(params, xs[piece], start, lengths, first)
            live = np.full(N, True) if lengths is None else lengths > first
            more, dxs[piece], dbefore = self.layer.backward(
                params,
                inner,
                dys[piece] * live[:, None],
                tree.where(live, dstate, tree.zeros_like(dstate)),
            )
            dstate = tree.where(live, dbefore, dstate)
            tree.add_into(dparams, more)
        return dparams, dxs, dstate

    def _segment(
        self, params: Params, xs: np.ndarray, state: State, lengths: np.ndarray | None, first: int
    ) -> tuple[np.ndarray, State, Any]:
        """Run the steps from ``first``; rows that are over give zeros and keep their state."""
        if lengths is None:
            return self.layer.forward(params, xs, state)
        live = lengths > first
        ys, new, cache = self.layer.forward(params, xs, state, np.clip(lengths - first, 1, len(xs)))
        return ys * live[:, None], tree.where(live, new, state), cache
