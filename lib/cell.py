"""The two contracts through which every architecture composes.

A :class:`Cell` is one time step, a :class:`Layer` a whole sequence. Both are frozen
dataclasses that hold sizes and options only: parameters, states and caches are
passed in and handed back, so nothing is hidden and nothing is modified.

:class:`HoistedCell` splits a step at the place where speed is to be had: the
input's matrix product does not depend on the state, so ``lib.bptt.Recurrent`` makes
it once for all time steps, and the parameters' sums over time once at the end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lib import validate

Params = Any
State = Any
Cache = Any


@runtime_checkable
class Cell(Protocol):
    """One time step of a recurrent network."""

    @property
    def input_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    def init(self, rng: np.random.Generator) -> Params:
        """Draw parameters."""

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        """Return the zero state: every field (N, H)."""

    def step(self, params: Params, x: np.ndarray, state: State) -> tuple[State, Cache]:
        """Advance one step: ``x`` (N, D), every field of ``state`` (N, H)."""

    def step_backward(
        self, params: Params, cache: Cache, dstate: State
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dstate`` back over the step: gradients of ``params``, ``x``, ``state``."""


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


class StepCache(NamedTuple):
    """What a single step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    inner: Any
    """The cell's own cache."""


class HoistedCell:
    """A cell in four pieces; ``step`` and ``step_backward`` follow from them.

    A subclass, a frozen dataclass with ``input_size`` and ``hidden_size``, defines

    ``project(params, xs)``
        the part of the pre-activations that needs no state: (…, D) → (…, G), G
        being the stacked width of all gates;
    ``advance(params, projected, state)``
        one step from there; may use ``projected`` (N, G) as its own buffer;
    ``retreat(params, cache, dstate, out)``
        the step's pre-activation errors, written to ``out`` (N, G), and ``dstate``
        of the step before;
    ``collect(params, deltas, xs, caches)``
        from the errors of M steps, ``deltas`` (M, N, G), ``xs`` (M, N, D) and their
        caches: the parameters' gradients, summed over time and batch, and dxs.
    """

    input_size: int
    hidden_size: int

    def project(self, params: Params, xs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def advance(self, params: Params, projected: np.ndarray, state: State) -> tuple[State, Cache]:
        raise NotImplementedError

    def retreat(
        self, params: Params, cache: Cache, dstate: State, out: np.ndarray
    ) -> tuple[np.ndarray, State]:
        raise NotImplementedError

    def collect(
        self, params: Params, deltas: np.ndarray, xs: np.ndarray, caches: Sequence[Cache]
    ) -> tuple[Params, np.ndarray]:
        raise NotImplementedError

    def gate_width(self, params: Params) -> int:
        """Width G of the stacked pre-activations."""
        return int(params.b.shape[0])

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> State:
        raise NotImplementedError

    def check_state(self, state: State, batch_size: int, name: str = "state") -> State:
        """Check that every field of ``state`` is (N, H).

        Raises
        ------
        ValueError
            Naming the field, the shape expected and the shape got.
        """
        validate.same_tree(name, state, self.initial_state(batch_size))
        return state

    def step(self, params: Params, x: np.ndarray, state: State) -> tuple[State, StepCache]:
        """Advance one step.

        Parameters
        ----------
        params : the cell's parameters
        x : array (N, D)
        state : the cell's state, every field (N, H)

        Returns
        -------
        state, cache

        Raises
        ------
        ValueError
            Where a shape or dtype does not fit.
        """
        validate.array("x", x, ("N", self.input_size))
        self.check_state(state, x.shape[0])
        state, cache = self.advance(params, self.project(params, x), state)
        return state, StepCache(x, cache)

    def step_backward(
        self, params: Params, cache: StepCache, dstate: State
    ) -> tuple[Params, np.ndarray, State]:
        """Carry ``dstate`` back over one step.

        Parameters
        ----------
        params : the cell's parameters
        cache : what :meth:`step` returned
        dstate : gradient of the new state, every field (N, H)

        Returns
        -------
        dparams, dx (N, D), dstate
            Gradients of the parameters, the input and the old state.

        Raises
        ------
        ValueError
            Where ``dstate`` does not fit.
        """
        x, inner = cache
        self.check_state(dstate, x.shape[0], "dstate")
        delta = np.empty((1, x.shape[0], self.gate_width(params)), x.dtype)
        _, dstate = self.retreat(params, inner, dstate, delta[0])
        dparams, dxs = self.collect(params, delta, x[None], [inner])
        return dparams, dxs[0], dstate
