"""Chapter 6: variants of the LSTM: coupled gates and depth gates."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import validate
from lib.activations import sigmoid
from lib.cell import Cell
from lib.lstm import LSTM, GatedCell, LSTMCache, LSTMParams, LSTMState


class CoupledCache(NamedTuple):
    """What a step with coupled gates keeps for its backward pass. All (N, H) but ``x``."""

    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    f: np.ndarray
    g: np.ndarray
    o: np.ndarray
    tanh_c: np.ndarray


@dataclass(frozen=True)
class CoupledLSTM(GatedCell):
    """LSTM that takes in what it forgets: i = 1 − f, blocks f, g, o.

    Greff et al. write f = 1 − i; negating the gate's weights turns one into the other.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.

    Equations: peephole-coupled-cell, lstm-forget-gate, lstm-candidate, lstm-output-gate,
    lstm-hidden.

    Source: Greff et al. (2017), variant CIFG; notes 000, part one.
    """

    gates: ClassVar[int] = 3

    def step(
        self, params: LSTMParams, x: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, CoupledCache]:
        """Compute the gates, then C = f ⊙ C' + (1 − f) ⊙ g, h = o ⊙ tanh C.

        Equations: peephole-coupled-cell, lstm-hidden.
        """
        U, W, b = params
        h, c = state
        a_f, a_g, a_o = np.split(x @ U.T + h @ W.T + b, 3, axis=1)
        f = sigmoid(a_f)
        g = np.tanh(a_g)
        o = sigmoid(a_o)
        c_new = f * c + (1 - f) * g
        tanh_c = np.tanh(c_new)
        return LSTMState(o * tanh_c, c_new), CoupledCache(x, h, c, f, g, o, tanh_c)

    def step_backward(
        self, params: LSTMParams, cache: CoupledCache, dstate: LSTMState
    ) -> tuple[LSTMParams, np.ndarray, LSTMState]:
        """Compute the errors δ, ∇_{h'} = Σ Wᵀ δ and ∇_{C'} = f ⊙ ∇_C.

        Equations: peephole-coupled-backward, lstm-cell-backward, lstm-hidden-backward.
        """
        U, W, _ = params
        x, h, c, f, g, o, tanh_c = cache
        dh, dc = dstate
        dc = dc + dh * o * (1 - tanh_c**2)
        delta_f = dc * (c - g) * f * (1 - f)
        delta_g = dc * (1 - f) * (1 - g**2)
        delta_o = dh * tanh_c * o * (1 - o)
        delta = np.hstack([delta_f, delta_g, delta_o])
        dparams = LSTMParams(U=delta.T @ x, W=delta.T @ h, b=delta.sum(axis=0))
        return dparams, delta @ U, LSTMState(delta @ W, dc * f)


class DepthLayerParams(NamedTuple):
    """Parameters of an upper layer, blocks i, f, g, o, d, where d is the depth gate."""

    U: np.ndarray
    """Hidden state of the layer below to gates (5H, H)."""
    W: np.ndarray
    """Own hidden state to i, f, g, o (4H, H); the depth gate does not see it."""
    b: np.ndarray
    """Biases (5H,)."""
    p_c: np.ndarray
    """Own C' to depth gate (H,)."""
    p_below: np.ndarray
    """C of the layer below to depth gate (H,)."""


class DepthGatedParams(NamedTuple):
    """Parameters of a depth-gated stack; gradients have the same type."""

    bottom: LSTMParams
    """The lowest layer, a plain LSTM."""
    upper: tuple[DepthLayerParams, ...]
    """The layers above it, from below."""


class DepthGatedState(NamedTuple):
    """State of a depth-gated stack."""

    h: np.ndarray
    """Hidden state of the top layer (N, H)."""
    c: np.ndarray
    """Cell state of the top layer (N, H)."""
    below: tuple[LSTMState, ...]
    """States of the other layers, from below."""


class DepthLayerCache(NamedTuple):
    """What an upper layer's step keeps for its backward pass; all (N, H)."""

    h_below: np.ndarray
    c_below: np.ndarray
    h: np.ndarray
    c: np.ndarray
    i: np.ndarray
    f: np.ndarray
    g: np.ndarray
    o: np.ndarray
    d: np.ndarray
    tanh_c: np.ndarray


class DepthGatedCache(NamedTuple):
    """What a depth-gated step keeps for its backward pass."""

    bottom: LSTMCache
    upper: tuple[DepthLayerCache, ...]


@dataclass(frozen=True)
class DepthGatedLSTM(Cell):
    """A stack of LSTMs whose cells are joined: C = f ⊙ C' + i ⊙ g + d ⊙ C_below.

    A layer needs the cell of the layer below at the same step, which no layer hands on;
    so the whole stack is one cell, and its state holds all layers. The paper's other
    gates have peepholes; here d alone has, so that a shut d leaves a plain stack.

    Parameters
    ----------
    input_size, hidden_size : int
        D, and H for every layer.
    layers : int

    Equations: peephole-depth-gate, peephole-depth-cell.

    Source: Yao et al. (2015).
    """

    layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.positive("layers", self.layers)

    @property
    def _bottom(self) -> LSTM:
        return LSTM(self.input_size, self.hidden_size)

    def shapes(self) -> DepthGatedParams:
        """Return the shapes of the lowest layer, a plain LSTM's, and of the upper ones."""
        H = self.hidden_size
        shapes = (5 * H, H), (4 * H, H), (5 * H,), (H,), (H,)
        layer = DepthLayerParams(*shapes)  # type: ignore[arg-type]
        return DepthGatedParams(self._bottom.shapes(), (layer,) * (self.layers - 1))

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> DepthGatedState:
        """Return zeros for every layer, each field (N, H)."""
        states = [self._bottom.initial_state(batch_size, dtype) for _ in range(self.layers)]
        return DepthGatedState(states[-1].h, states[-1].c, tuple(states[:-1]))

    def step(
        self, params: DepthGatedParams, x: np.ndarray, state: DepthGatedState
    ) -> tuple[DepthGatedState, DepthGatedCache]:
        """Advance all layers by one step, from below.

        Equations: peephole-depth-gate, peephole-depth-cell.
        """
        old = *state.below, LSTMState(state.h, state.c)
        below, cache = self._bottom.step(params.bottom, x, old[0])
        states, caches = [below], []
        for layer, (h, c) in zip(params.upper, old[1:], strict=True):
            below, layer_cache = self._upper_step(layer, below, LSTMState(h, c))
            states.append(below)
            caches.append(layer_cache)
        new = DepthGatedState(below.h, below.c, tuple(states[:-1]))
        return new, DepthGatedCache(cache, tuple(caches))

    def step_backward(
        self, params: DepthGatedParams, cache: DepthGatedCache, dstate: DepthGatedState
    ) -> tuple[DepthGatedParams, np.ndarray, DepthGatedState]:
        """Carry the gradients back through all layers, from above.

        Equations: peephole-depth-backward, lstm-cell-backward, lstm-gate-backward.
        """
        bottom, *upper = *dstate.below, LSTMState(dstate.h, dstate.c)
        dupper, dold = [], []
        dbelow = LSTMState(np.zeros_like(dstate.h), np.zeros_like(dstate.c))
        for layer, layer_cache, (dh, dc) in reversed(
            list(zip(params.upper, cache.upper, upper, strict=True))
        ):
            dlayer, dbelow, dlayer_old = self._upper_step_backward(
                layer, layer_cache, LSTMState(dh + dbelow.h, dc + dbelow.c)
            )
            dupper.append(dlayer)
            dold.append(dlayer_old)
        dbottom, dx, dbottom_old = self._bottom.step_backward(
            params.bottom, cache.bottom, LSTMState(bottom.h + dbelow.h, bottom.c + dbelow.c)
        )
        *below, top = dbottom_old, *dold[::-1]
        dparams = DepthGatedParams(dbottom, tuple(dupper[::-1]))
        return dparams, dx, DepthGatedState(top.h, top.c, tuple(below))

    @staticmethod
    def _upper_step(
        params: DepthLayerParams, below: LSTMState, state: LSTMState
    ) -> tuple[LSTMState, DepthLayerCache]:
        """Advance one upper layer, given the new state of the layer below."""
        U, W, b, p_c, p_below = params
        h, c = state
        a_below = np.split(below.h @ U.T + b, 5, axis=1)
        a_own = np.split(h @ W.T, 4, axis=1)
        i = sigmoid(a_below[0] + a_own[0])
        f = sigmoid(a_below[1] + a_own[1])
        g = np.tanh(a_below[2] + a_own[2])
        o = sigmoid(a_below[3] + a_own[3])
        d = sigmoid(a_below[4] + p_c * c + p_below * below.c)
        c_new = f * c + i * g + d * below.c
        tanh_c = np.tanh(c_new)
        cache = DepthLayerCache(below.h, below.c, h, c, i, f, g, o, d, tanh_c)
        return LSTMState(o * tanh_c, c_new), cache

    @staticmethod
    def _upper_step_backward(
        params: DepthLayerParams, cache: DepthLayerCache, dstate: LSTMState
    ) -> tuple[DepthLayerParams, LSTMState, LSTMState]:
        """Carry ``dstate`` back: gradients of the parameters, the layer below, the old state."""
        U, W, _, p_c, p_below = params
        h_below, c_below, h, c, i, f, g, o, d, tanh_c = cache
        dh, dc = dstate
        dc = dc + dh * o * (1 - tanh_c**2)
        delta_i = dc * g * i * (1 - i)
        delta_f = dc * c * f * (1 - f)
        delta_g = dc * i * (1 - g**2)
        delta_o = dh * tanh_c * o * (1 - o)
        delta_d = dc * c_below * d * (1 - d)
        own = np.hstack([delta_i, delta_f, delta_g, delta_o])
        delta = np.hstack([own, delta_d])
        dparams = DepthLayerParams(
            U=delta.T @ h_below,
            W=own.T @ h,
            b=delta.sum(axis=0),
            p_c=(delta_d * c).sum(axis=0),
            p_below=(delta_d * c_below).sum(axis=0),
        )
        dbelow = LSTMState(delta @ U, dc * d + p_below * delta_d)
        return dparams, dbelow, LSTMState(own @ W, dc * f + p_c * delta_d)
