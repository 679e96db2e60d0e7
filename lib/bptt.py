"""Chapter 2: backpropagation through time, the one scan that every cell runs in.

:class:`Truncated` and :class:`Checkpointed` wrap it; teacher forcing of output→hidden
networks is ``lib.output_to_hidden.OutputToHidden.forward_forced``. Online training over a long
stream needs no class: run a layer over one chunk after the other, hand the last state to
the next chunk, and start each backward pass without ``dstate``. That is the gradient of
``Truncated(layer, k, k)`` in pieces.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import unwrap
from typing import Any, NamedTuple

import numpy as np

from lib import tree, validate
from lib.cell import Cache, Cell, Kernel, Layer, Params, State, Wrapper, require_causal
from lib.masks import cover, padded_steps, partly_live


def scan(
    cell: Cell, params: Params, xs: np.ndarray, state: State, live: np.ndarray | None = None
) -> tuple[np.ndarray, State, Cache]:
    """Run a cell over a sequence, step by step.

    Parameters
    ----------
    cell : Cell
    params : the cell's parameters
    xs : array (T, N, D)
    state : the cell's state
    live : bool (T, N), optional
        True where a step is no padding: elsewhere the output is zero, and the state stays.

    Returns
    -------
    ys : array (T, N, H)
    state
        The last state of each row.
    cache
        The cell's cache with the time axis in front of every array.

    Equations: rnn-recurrence, rnn-mask.
    """
    step = unwrap(type(cell).step)
    hs, caches = [], []
    for x, rows in zip(xs, partly_live(live, len(xs)), strict=True):
        new, cache = step(cell, params, x, state)
        state = new if rows is None else tree.where(rows, new, state)
        hs.append(new.h)
        caches.append(cache)
    return cover(np.stack(hs), live), state, tree.stack(caches)


def scan_backward(
    cell: Cell,
    params: Params,
    cache: Cache,
    dys: np.ndarray,
    dstate: State,
    live: np.ndarray | None = None,
) -> tuple[Params, np.ndarray, State]:
    """Go back over a sequence, step by step, and add up what the steps say.

    Parameters
    ----------
    cell : Cell
    params : the cell's parameters
    cache : what :func:`scan` returned
    dys : array (T, N, H)
    dstate : the cell's state
        Gradient of the last state.
    live : bool (T, N), optional

    Returns
    -------
    dparams, dxs (T, N, D), dstate

    Equations: bptt-hidden, bptt-parameters, bptt-input.
    """
    step_backward = unwrap(type(cell).step_backward)
    dparams, dxs = tree.zeros_like(params), []
    for t, rows in reversed(list(enumerate(partly_live(live, len(dys))))):
        error = after = dstate._replace(h=dstate.h + dys[t])
        if rows is not None:
            error = tree.where(rows, after, tree.zeros_like(after))
        dparams_t, dx, dstate = step_backward(cell, params, tree.at(cache, t), error)
        if rows is not None:
            dstate = tree.where(rows, dstate, after)
        dparams = tree.add(dparams, dparams_t)
        dxs.append(dx)
    return dparams, np.stack(dxs[::-1]), dstate


SCAN = Kernel(scan, scan_backward)
"""The kernel of every cell that has no faster one."""


class RecurrentCache(NamedTuple):
    """What a scan keeps for its backward pass."""

    steps: Any
    """The cell's cache with the time axis in front: every array (T, N, …)."""
    live: np.ndarray | None
    """True where a step is no padding (T, N), or ``None`` where none is."""


@dataclass(frozen=True)
class Recurrent:
    """Run a cell over a sequence, and backpropagate through time.

    By the cell's kernel where it has one, by :func:`scan` otherwise. What is kept for the
    backward pass is a copy: nothing that is passed in or handed out is part of it.

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

    causal = True

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

        Equations: rnn-recurrence, rnn-mask.
        """
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        dtype = xs.dtype.newbyteorder("=")
        validate.params("params", params, self.cell.shapes(), dtype)
        zero = self.initial_state(N, dtype)
        state = zero if state is None else state
        validate.same_tree("state", state, zero, dtype)
        live = padded_steps(lengths, T, N)
        xs = np.array(validate.array("xs", xs, (T, N, D), where=live), dtype, order="C")
        ys, state, cache = self._kernel(T).forward(self.cell, params, xs, state, live)
        return ys, state, RecurrentCache(cache, live)

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

        Equations: bptt-hidden, bptt-parameters, bptt-input.
        """
        steps, live = cache
        T, N, dtype = _sizes(steps)
        dys = validate.array("dys", dys, (T, N, self.output_size), live, dtype)
        validate.params("params", params, self.cell.shapes(), dtype)
        zero = self.initial_state(N, dtype)
        dstate = zero if dstate is None else dstate
        validate.same_tree("dstate", dstate, zero, dtype)
        return self._kernel(T).backward(self.cell, params, steps, dys, dstate, live)

    def _kernel(self, steps: int) -> Kernel:
        """Choose how to run: a few steps would not repay what a kernel prepares.

        A class that inherits a kernel may have changed the step that it computes.
        """
        own = self.cell.kernel if "kernel" in vars(type(self.cell)) else None
        return own if own is not None and steps > 4 else SCAN


def _sizes(steps: Any) -> tuple[int, int, Any]:
    """Return T, N and the dtype of a cell's cache over a sequence."""
    kept = tree.leaves(steps)[0]
    return *kept.shape[:2], kept.dtype


@dataclass(frozen=True)
class Truncated(Wrapper):
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
        Where ``layer`` is another, ``k2`` is below ``k1``, or either below 1.

    Equations: bptt-truncated.

    Source: Williams and Peng (1990), BPTT(h; h').
    """

    layer: Recurrent
    k1: int
    k2: int

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Recurrent):
            raise ValueError(f"layer: expected Recurrent, got {type(self.layer).__name__}")
        validate.positive("k1", self.k1)
        validate.positive("k2", self.k2)
        if self.k2 < self.k1:
            raise ValueError(f"k2: expected at least k1 = {self.k1}, got {self.k2}")

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

        Equations: bptt-truncated.
        """
        steps, live = cache
        T, N, dtype = _sizes(steps)
        dys = validate.array("dys", dys, (T, N, self.output_size), live, dtype)
        dparams, dxs = None, np.zeros((T, N, self.input_size), dtype)
        none = dinitial = self.initial_state(N, dtype)
        dstate = none if dstate is None else dstate
        validate.same_tree("dstate", dstate, none, dtype)
        ends = np.full(N, T) if live is None else live.sum(axis=0)
        for first in range(0, T, self.k1):
            end = min(first + self.k1, T)
            start = max(end - self.k2, 0)
            window = tree.at(cache, slice(start, end))
            losses = dys[start:end].copy()
            losses[: first - start] = 0
            over = (first < ends) & (ends <= end)
            more, dxs_window, dstart = self.layer.backward(
                params, window, losses, tree.where(over, dstate, none)
            )
            dparams = more if dparams is None else tree.add(dparams, more)
            dxs[start:end] += dxs_window
            if start == 0:
                dinitial = tree.add(dinitial, dstart)
        return dparams, dxs, dinitial


def _digest(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data)


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
    digest: int
    """Of the inputs: a copy of them would take the memory that is saved."""


@dataclass(frozen=True)
class Checkpointed(Wrapper):
    """Run a layer in segments, keep their first states only, and run each again to go back.

    With √T segments of √T steps the caches take O(√T) memory in place of O(T), for one
    more forward pass. The gradient is the same.

    Parameters
    ----------
    layer : Layer
        Any that is causal: ``Recurrent``, or a stack of them.
    every : int, optional
        Steps of a segment; ⌈√T⌉ where not given.

    Raises
    ------
    ValueError
        Where ``layer`` is not causal or ``every`` below 1.

    Equations: bptt-checkpointing.

    Source: Chen, Xu, Zhang and Guestrin (2016); Gruslys et al. (2016).
    """

    layer: Layer
    every: int | None = None

    def __post_init__(self) -> None:
        require_causal("layer", self.layer)
        if self.every is not None:
            validate.positive("every", self.every)

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, CheckpointedCache]:
        """Run over ``xs`` (T, N, D): outputs (T, N, H), last state, cache."""
        T, N, D = validate.floating("xs", xs, ("T", "N", self.input_size)).shape
        lengths = validate.lengths(lengths, T, N)
        xs = validate.array("xs", xs, (T, N, D), padded_steps(lengths, T, N))
        every = self.every or math.ceil(math.sqrt(T))
        state = self.initial_state(N, xs.dtype) if state is None else state
        starts, ys = [], np.empty((T, N, self.output_size), xs.dtype)
        for first in range(0, T, every):
            starts.append(tree.tree_map(np.copy, state))
            piece = slice(first, first + every)
            ys[piece], state, _ = self._segment(params, xs[piece], state, lengths, first)
        return ys, state, CheckpointedCache(xs, starts, lengths, every, _digest(xs))

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
            Where the inputs were changed since the forward pass, which is run again here.

        Equations: bptt-checkpointing.
        """
        xs, starts, lengths, every, digest = cache
        if _digest(xs) != digest:
            raise ValueError(
                "xs: expected the inputs of the forward pass, got others in their place"
            )
        T, N, _ = xs.shape
        live = padded_steps(lengths, T, N)
        dys = validate.array("dys", dys, (T, N, self.output_size), live, xs.dtype)
        dstate = tree.zeros_like(starts[0]) if dstate is None else dstate
        dparams, dxs = None, np.empty_like(xs)
        for first, start in reversed(list(zip(range(0, T, every), starts, strict=True))):
            piece = slice(first, first + every)
            _, _, inner = self._segment(params, xs[piece], start, lengths, first)
            alive = np.full(N, True) if lengths is None else lengths > first
            more, dxs[piece], dbefore = self.layer.backward(
                params,
                inner,
                dys[piece],
                tree.where(alive, dstate, tree.zeros_like(dstate)),
            )
            dstate = tree.where(alive, dbefore, dstate)
            dparams = more if dparams is None else tree.add(dparams, more)
        return dparams, dxs, dstate

    def _segment(
        self, params: Params, xs: np.ndarray, state: State, lengths: np.ndarray | None, first: int
    ) -> tuple[np.ndarray, State, Any]:
        """Run the steps from ``first``; rows that are over give zeros and keep their state."""
        if lengths is None:
            return self.layer.forward(params, xs, state)
        live = lengths > first
        ys, new, cache = self.layer.forward(params, xs, state, np.clip(lengths - first, 1, len(xs)))
        return np.where(live[:, None], ys, ys.dtype.type(0)), tree.where(live, new, state), cache
