"""The two contracts through which every architecture composes.

A :class:`Cell` is one time step, a :class:`Layer` a whole sequence. Both are frozen
dataclasses that hold sizes and options only: parameters, states and caches are
passed in and handed back, so nothing is hidden and nothing is modified.

A backward pass takes the parameters that its forward pass had. A cache holds no copy of them,
and nothing notes it where they were changed in place in between: the gradient is then that of
no function. ``lib.optim`` makes new ones and changes none, so that training never does.

A cell is written as equations are. Where a loop over its steps is too slow, it has a
:class:`Kernel`, which computes the same for a whole sequence.

Arguments that do not fit raise ``ValueError`` naming them, here and in all of ``lib``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lib import initializers, tree, validate

Params = Any
State = Any
Cache = Any


class Kernel(NamedTuple):
    """A cell over a whole sequence: what ``lib.bptt.scan`` and ``scan_backward`` compute.

    ``live`` (T, N) marks the steps that are no padding; ``None`` stands for all. Padding in
    ``xs`` and ``dys`` is zero.
    """

    forward: Callable[..., tuple[np.ndarray, State, Cache]]
    """``(cell, params, xs, state, live)`` → ys (T, N, H), the last state, and the cell's
    cache with the time axis in front of every array."""
    backward: Callable[..., tuple[Params, np.ndarray, State]]
    """``(cell, params, cache, dys, dstate, live)`` → dparams, dxs (T, N, D), dstate."""


@dataclass(frozen=True)
class Cell:
    """One time step of a recurrent network.

    A cell defines :meth:`shapes`, :meth:`initial_state`, :meth:`step` and
    :meth:`step_backward`. The last two are the equations alone: whatever calls them by
    these names gets their arguments checked first, and a scan checks once for all steps.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    """

    input_size: int
    hidden_size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)

    def __init_subclass__(cls) -> None:
        for name, checked in (("step", _checked_step), ("step_backward", _checked_backward)):
            if name in vars(cls):
                setattr(cls, name, checked(vars(cls)[name]))

    @property
    def kernel(self) -> Kernel | None:
        """The fast form, where there is one."""
        return None

    def shapes(self) -> Params:
        """Return the parameters' shapes, in the parameters' own type."""
        raise NotImplementedError

    def init(self, rng: np.random.Generator) -> Params:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does."""
        return initializers.uniform_tree(rng, self.shapes(), self.hidden_size)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the zero state: every field (N, H)."""
        raise NotImplementedError

    def step(self, params: Params, x: np.ndarray, state: State) -> tuple[State, Cache]:
        """Advance one step: ``x`` (N, D), every field of ``state`` (N, H)."""
        raise NotImplementedError

    def step_backward(
        self, params: Params, cache: Cache, dstate: State
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dstate`` back over the step: gradients of ``params``, ``x``, ``state``."""
        raise NotImplementedError


def _checked_step(step: Callable[..., tuple[State, Cache]]) -> Callable[..., tuple[State, Cache]]:
    @wraps(step)
    def checked(cell: Cell, params: Params, x: np.ndarray, state: State) -> tuple[State, Cache]:
        validate.array("x", x, ("N", cell.input_size))
        validate.params("params", params, cell.shapes(), x.dtype)
        validate.same_tree("state", state, cell.initial_state(len(x)), x.dtype)
        return step(cell, params, x, state)

    return checked


def _checked_backward(
    step_backward: Callable[..., tuple[Params, np.ndarray, State]],
) -> Callable[..., tuple[Params, np.ndarray, State]]:
    @wraps(step_backward)
    def checked(
        cell: Cell, params: Params, cache: Cache, dstate: State
    ) -> tuple[Params, np.ndarray, State]:
        kept = tree.leaves(cache)[0]
        validate.params("params", params, cell.shapes(), kept.dtype)
        validate.same_tree("dstate", dstate, cell.initial_state(len(kept)), kept.dtype)
        return step_backward(cell, params, cache, dstate)

    return checked


@runtime_checkable
class Layer(Protocol):
    """A whole sequence, or a padded batch of them."""

    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    def init(self, rng: np.random.Generator) -> Params:
        """Draw parameters."""

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the zero state."""

    def forward(
        self,
        params: Params,
        xs: np.ndarray,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, Cache]:
        """Run over ``xs`` (T, N, D): outputs (T, N, H), last state, cache.

        With ``lengths`` (N,), outputs beyond a sequence's length are zero and its
        state stays as its last step left it.
        """

    def backward(
        self, params: Params, cache: Cache, dys: np.ndarray, dstate: State | None = None
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dys`` (T, N, H) and ``dstate`` back.

        Returns the gradients of ``params``, ``xs`` (T, N, D) and the initial state.
        """


class Wrapper:
    """A layer around another: sizes, parameters and zero state are the inner layer's."""

    layer: Layer

    @property
    def input_size(self) -> int:
        """D."""
        return self.layer.input_size

    @property
    def output_size(self) -> int:
        """H."""
        return self.layer.output_size

    @property
    def causal(self) -> bool:
        """Whether a step's output depends on no later input."""
        return causal(self.layer)

    def init(self, rng: np.random.Generator) -> Params:
        """Draw the layer's parameters."""
        return self.layer.init(rng)

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the layer's zero state."""
        return self.layer.initial_state(batch_size, dtype)


def causal(layer: Layer) -> bool:
    """Say whether no output of a layer depends on a later input: its property ``causal``.

    Such a layer can be run in pieces and can write; without the property it is taken for none.
    """
    return bool(getattr(layer, "causal", False))


def require_causal(name: str, layer: Layer) -> None:
    """Check that a layer reads forward in time.

    Raises
    ------
    ValueError
        Where an output can depend on a later input.
    """
    if not causal(layer):
        raise ValueError(
            f"{name}: expected a causal layer, whose outputs depend on no later input, "
            f"got {type(layer).__name__}"
        )
