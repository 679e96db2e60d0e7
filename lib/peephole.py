"""Chapter 6: peepholes and other variants: coupled gates, depth gates, clockwork."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import ACTIVATIONS
from lib.cell import HoistedCell
from lib.lstm import (
    LSTM,
    GatedCell,
    LSTMCache,
    LSTMParams,
    LSTMState,
    blocks,
    squash,
    squash_backward,
    squash_constants,
)
from lib.rnn import RNNParams


class PeepholeParams(NamedTuple):
    """Parameters of an LSTM with peepholes, blocks i, f, g, o; gradients have the same type."""

    U: np.ndarray
    """Input to gates (4H, D)."""
    W: np.ndarray
    """Hidden to gates (4H, H)."""
    b: np.ndarray
    """Biases (4H,)."""
    p_i: np.ndarray | None = None
    """C' to input gate (H,), the diagonal of a matrix."""
    p_f: np.ndarray | None = None
    """C' to forget gate (H,)."""
    p_o: np.ndarray | None = None
    """C to output gate (H,)."""


class PeepholeCache(NamedTuple):
    """What a peephole step keeps for its backward pass."""

    h_prev: np.ndarray
    """Hidden state before the step (N, H)."""
    c_prev: np.ndarray
    """Cell state before the step (N, H)."""
    c: np.ndarray
    """Cell state after the step (N, H)."""
    gates: np.ndarray
    """Gates and candidate after their activations (N, 4H)."""
    squashed_c: np.ndarray
    """Output activation of ``c`` (N, H)."""


@dataclass(frozen=True)
class PeepholeLSTM(GatedCell):
    """LSTM whose gates see the cell: i and f the old state C', o the new one, C.

    So the order is fixed: i and f, then C, then o, then h.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    peepholes : collection of {"i", "f", "o"}
        The gates that have one; all three where not given.
    gate, input, output : {"sigmoid", "tanh", "relu", "identity"}
        Activations of the gates, of the candidate and of the cell's output: f, g and h
        in Graves's notation.

    Raises
    ------
    ValueError
        Where a size is below 1, or a peephole or an activation unknown.

    Equations: peephole-input-gate, peephole-forget-gate, peephole-cell,
    peephole-output-gate, peephole-hidden.

    Source: Gers and Schmidhuber (2000); Graves (2012), section 4.6; notes 000, part two.

    Examples
    --------
    >>> cell = PeepholeLSTM(input_size=3, hidden_size=4, peepholes="if")
    >>> params = cell.init(np.random.default_rng(0))
    >>> params.p_f.shape, params.p_o
    ((4,), None)
    """

    peepholes: Collection[str] = ("i", "f", "o")
    gate: str = "sigmoid"
    input: str = "tanh"
    output: str = "tanh"
    letters: ClassVar[str] = "ifgo"
    params_type: ClassVar[Any] = PeepholeParams

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.peepholes:
            validate.choice("peepholes", name, ["i", "f", "o"])
        for role in ("gate", "input", "output"):
            validate.choice(role, getattr(self, role), list(ACTIVATIONS))
        object.__setattr__(self, "peepholes", tuple(k for k in "ifo" if k in self.peepholes))

    def init(self, rng: np.random.Generator) -> PeepholeParams:
        """Draw parameters, peepholes too, from U(−1/√H, 1/√H)."""
        H = self.hidden_size
        drawn = {f"p_{k}": initializers.uniform(rng, (H,), H) for k in self.peepholes}
        return super().init(rng)._replace(**drawn)

    def project(self, params: PeepholeParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, 4H).

        Raises
        ------
        ValueError
            Where the parameters do not fit the cell.
        """
        for k in "ifo":
            p = getattr(params, f"p_{k}")
            if (p is not None) != (k in self.peepholes):
                raise ValueError(
                    f"params.p_{k}: expected {'an array' if p is None else 'None'} "
                    f"with peepholes={self.peepholes}, got {type(p).__name__}"
                )
            if p is not None:
                validate.shape(f"params.p_{k}", p, (self.hidden_size,))
        return super().project(params, xs)

    def advance(
        self, params: PeepholeParams, projected: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, PeepholeCache]:
        """Compute i and f from C', then C, then o from C, then h = o ⊙ output(C).

        Equations: peephole-input-gate, peephole-forget-gate, peephole-cell,
        peephole-output-gate, peephole-hidden.
        """
        gate = ACTIVATIONS[self.gate].forward
        a = projected
        a += state.h @ params.W.T
        i, f, g, o = blocks(a, 4)
        if params.p_i is not None:
            i += params.p_i * state.c
        if params.p_f is not None:
            f += params.p_f * state.c
        i_and_f = a[:, : 2 * self.hidden_size]
        i_and_f[...] = gate(i_and_f)
        g[...] = ACTIVATIONS[self.input].forward(g)
        c = f * state.c
        c += i * g
        if params.p_o is not None:
            o += params.p_o * c
        o[...] = gate(o)
        squashed_c = ACTIVATIONS[self.output].forward(c)
        cache = PeepholeCache(state.h, state.c, c, a, squashed_c)
        return LSTMState(o * squashed_c, c), cache

    def retreat(
        self, params: PeepholeParams, cache: PeepholeCache, dstate: LSTMState, out: np.ndarray
    ) -> tuple[np.ndarray, LSTMState]:
        """Compute the gates' errors δ, ∇_{h'} = Σ Wᵀ δ, and ∇_{C'} with the peepholes' share.

        Equations: peephole-output-gate-backward, peephole-cell-backward,
        peephole-gate-backward, peephole-previous-cell-backward.
        """
        gate_backward = ACTIVATIONS[self.gate].backward
        _, c_prev, _, gates, squashed_c = cache
        i, f, g, o = blocks(gates, 4)
        di, df, dg, do = blocks(out, 4)
        do[...] = gate_backward(o, dstate.h * squashed_c)
        dc = dstate.c + ACTIVATIONS[self.output].backward(squashed_c, dstate.h * o)
        if params.p_o is not None:
            dc += do * params.p_o
        np.multiply(dc, g, out=di)
        np.multiply(dc, c_prev, out=df)
        di_and_df = out[:, : 2 * self.hidden_size]
        di_and_df[...] = gate_backward(gates[:, : 2 * self.hidden_size], di_and_df)
        dg[...] = ACTIVATIONS[self.input].backward(g, dc * i)
        dc *= f
        if params.p_i is not None:
            dc += di * params.p_i
        if params.p_f is not None:
            dc += df * params.p_f
        return out, LSTMState(out @ params.W, dc)

    def collect(
        self,
        params: PeepholeParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[PeepholeCache],
    ) -> tuple[PeepholeParams, np.ndarray]:
        """Sum as the LSTM does, and ∇_p = Σ δ ⊙ C', for the output gate Σ δ ⊙ C.

        Equations: lstm-parameters, lstm-input-backward, peephole-weights.
        """
        dparams, dxs = super().collect(params, deltas, xs, caches)
        di, df, _, do = blocks(deltas.reshape(-1, deltas.shape[-1]), 4)
        for k, delta, field in (("i", di, "c_prev"), ("f", df, "c_prev"), ("o", do, "c")):
            if k in self.peepholes:
                seen = np.concatenate([getattr(cache, field) for cache in caches])
                dparams = dparams._replace(**{f"p_{k}": np.einsum("mh,mh->h", delta, seen)})
        return dparams, dxs


@dataclass(frozen=True)
class CoupledLSTM(GatedCell):
    """LSTM that takes in what it forgets: i = 1 − f, blocks f, g, o.

    Greff et al. write f = 1 − i; negating the gate's weights turns one into the other.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: peephole-coupled-cell, lstm-forget-gate, lstm-candidate, lstm-output-gate,
    lstm-hidden.

    Source: Greff et al. (2017), variant CIFG; notes 000, part one.
    """

    letters: ClassVar[str] = "fgo"

    def advance(
        self, params: LSTMParams, projected: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, LSTMCache]:
        """Compute the gates, then C = f ⊙ C' + (1 − f) ⊙ g, h = o ⊙ tanh C.

        Equations: peephole-coupled-cell, lstm-hidden.
        """
        a = projected
        a += state.h @ params.W.T
        gates = squash(a, self._constants(a.dtype))
        f, g, o = blocks(gates, 3)
        c = f * state.c
        c += (1 - f) * g
        tanh_c = np.tanh(c)
        return LSTMState(o * tanh_c, c), LSTMCache(state.h, state.c, gates, tanh_c)

    def retreat(
        self, params: LSTMParams, cache: LSTMCache, dstate: LSTMState, out: np.ndarray
    ) -> tuple[np.ndarray, LSTMState]:
        """Compute the errors δ, ∇_{h'} = Σ Wᵀ δ and ∇_{C'} = f ⊙ ∇_C.

        Equations: peephole-coupled-backward, lstm-cell-backward, lstm-hidden-backward.
        """
        _, c_prev, gates, tanh_c = cache
        f, g, o = blocks(gates, 3)
        df, dg, do = blocks(out, 3)
        dc = dstate.c + dstate.h * o * (1 - tanh_c * tanh_c)
        np.multiply(dc, c_prev - g, out=df)
        np.multiply(dc, 1 - f, out=dg)
        np.multiply(dstate.h, tanh_c, out=do)
        squash_backward(gates, out, self._constants(out.dtype))
        return out, LSTMState(out @ params.W, dc * f)


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
    """What an upper layer's step keeps for its backward pass; all (N, H) but ``gates``."""

    h_prev: np.ndarray
    c_prev: np.ndarray
    h_below: np.ndarray
    c_below: np.ndarray
    gates: np.ndarray
    """Gates and candidate after their activations (N, 5H)."""
    tanh_c: np.ndarray


class DepthGatedCache(NamedTuple):
    """What a depth-gated step keeps for its backward pass."""

    bottom: LSTMCache
    upper: tuple[DepthLayerCache, ...]


@dataclass(frozen=True)
class DepthGatedLSTM(HoistedCell):
    """A stack of LSTMs whose cells are joined: C = f ⊙ C' + i ⊙ g + d ⊙ C_below.

    A layer needs the cell of the layer below at the same step, which no layer hands on;
    so the whole stack is one cell, and its state holds all layers. The paper's other
    gates have peepholes; here d alone has, so that a shut d leaves a plain stack.

    Parameters
    ----------
    input_size, hidden_size : int
        D, and H for every layer.
    layers : int

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: peephole-depth-gate, peephole-depth-cell.

    Source: Yao et al. (2015).
    """

    input_size: int
    hidden_size: int
    layers: int = 2

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "layers"):
            validate.positive(name, getattr(self, name))

    @property
    def _bottom(self) -> LSTM:
        return LSTM(self.input_size, self.hidden_size)

    def _parts(self, a: np.ndarray) -> list[np.ndarray]:
        """Cut ``a`` (…, G) into the layers' pre-activations: (…, 4H), then (…, 5H) each."""
        H = self.hidden_size
        starts = range(4 * H, a.shape[-1], 5 * H)
        return [a[..., : 4 * H], *(a[..., k : k + 5 * H] for k in starts)]

    def init(self, rng: np.random.Generator) -> DepthGatedParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        H = self.hidden_size
        shapes = ((5 * H, H), (4 * H, H), (5 * H,), (H,), (H,))
        return DepthGatedParams(
            self._bottom.init(rng),
            tuple(
                DepthLayerParams(*(initializers.uniform(rng, shape, H) for shape in shapes))
                for _ in range(self.layers - 1)
            ),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> DepthGatedState:
        """Return zeros for every layer, each field (N, H)."""
        states = [self._bottom.initial_state(batch_size, dtype) for _ in range(self.layers)]
        return DepthGatedState(states[-1].h, states[-1].c, tuple(states[:-1]))

    def gate_width(self, params: DepthGatedParams) -> int:
        """Width G of all layers' pre-activations side by side."""
        return (5 * self.layers - 1) * self.hidden_size

    def project(self, params: DepthGatedParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b of the bottom layer, b of the others: (…, D) → (…, G).

        Raises
        ------
        ValueError
            Where the parameters do not fit the cell.
        """
        H = self.hidden_size
        if len(params.upper) != self.layers - 1:
            raise ValueError(
                f"params.upper: expected {self.layers - 1} layers, got {len(params.upper)}"
            )
        projected = np.empty((*xs.shape[:-1], self.gate_width(params)), xs.dtype)
        bottom, *upper = self._parts(projected)
        bottom[...] = self._bottom.project(params.bottom, xs)
        shapes = ((5 * H, H), (4 * H, H), (5 * H,), (H,), (H,))
        for k, (part, p) in enumerate(zip(upper, params.upper, strict=True)):
            for name, value, shape in zip(p._fields, p, shapes, strict=True):
                validate.shape(f"params.upper[{k}].{name}", value, shape)
            part[...] = p.b
        return projected

    def advance(
        self, params: DepthGatedParams, projected: np.ndarray, state: DepthGatedState
    ) -> tuple[DepthGatedState, DepthGatedCache]:
        """Advance all layers by one step, from below.

        Equations: peephole-depth-gate, peephole-depth-cell.
        """
        H, dtype = self.hidden_size, projected.dtype
        first, *parts = self._parts(projected)
        old = [*state.below, LSTMState(state.h, state.c)]
        below, cache = self._bottom.advance(params.bottom, first, old[0])
        states, caches = [below], []
        for a, p, (h_prev, c_prev) in zip(parts, params.upper, old[1:], strict=True):
            a += below.h @ p.U.T
            a[:, : 4 * H] += h_prev @ p.W.T
            a[:, 4 * H :] += p.p_c * c_prev + p.p_below * below.c
            i, f, g, o, d = blocks(squash(a, squash_constants("ifgod", H, dtype)), 5)
            c = f * c_prev + i * g + d * below.c
            tanh_c = np.tanh(c)
            caches.append(DepthLayerCache(h_prev, c_prev, below.h, below.c, a, tanh_c))
            below = LSTMState(o * tanh_c, c)
            states.append(below)
        state = DepthGatedState(below.h, below.c, tuple(states[:-1]))
        return state, DepthGatedCache(cache, tuple(caches))

    def retreat(
        self,
        params: DepthGatedParams,
        cache: DepthGatedCache,
        dstate: DepthGatedState,
        out: np.ndarray,
    ) -> tuple[np.ndarray, DepthGatedState]:
        """Carry the gradients back through all layers, from above.

        Equations: peephole-depth-backward, lstm-cell-backward, lstm-gate-backward.
        """
        H = self.hidden_size
        first, *parts = self._parts(out)
        incoming = [*dstate.below, LSTMState(dstate.h, dstate.c)]
        old: list[LSTMState] = []
        dh_below: Any = 0
        dc_below: Any = 0
        layers = zip(parts, params.upper, cache.upper, incoming[1:], strict=True)
        for delta, p, step, (dh, dc) in reversed(list(layers)):
            i, f, g, o, d = blocks(step.gates, 5)
            dh = dh + dh_below
            dc = dc + dc_below + dh * o * (1 - step.tanh_c * step.tanh_c)
            gradients = (dc * g, dc * step.c_prev, dc * i, dh * step.tanh_c, dc * step.c_below)
            np.concatenate(gradients, axis=1, out=delta)
            squash_backward(step.gates, delta, squash_constants("ifgod", H, out.dtype))
            dd = delta[:, 4 * H :]
            old.append(LSTMState(delta[:, : 4 * H] @ p.W, dc * f + dd * p.p_c))
            dh_below, dc_below = delta @ p.U, dc * d + dd * p.p_below
        dbottom = LSTMState(incoming[0].h + dh_below, incoming[0].c + dc_below)
        old.append(self._bottom.retreat(params.bottom, cache.bottom, dbottom, first)[1])
        return out, DepthGatedState(old[0].h, old[0].c, tuple(reversed(old[1:])))

    def collect(
        self,
        params: DepthGatedParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[DepthGatedCache],
    ) -> tuple[DepthGatedParams, np.ndarray]:
        """Sum every layer's errors with what its weights saw, over time and batch.

        Equations: lstm-parameters, peephole-weights.
        """
        H = self.hidden_size
        first, *parts = self._parts(deltas)
        bottom, dxs = self._bottom.collect(params.bottom, first, xs, [s.bottom for s in caches])
        upper = []
        for k, part in enumerate(parts):
            delta = part.reshape(-1, 5 * H)
            fields = zip(*(s.upper[k] for s in caches), strict=True)
            seen = DepthLayerCache(*map(np.concatenate, fields))
            upper.append(
                DepthLayerParams(
                    U=delta.T @ seen.h_below,
                    W=delta[:, : 4 * H].T @ seen.h_prev,
                    b=delta.sum(axis=0),
                    p_c=np.einsum("mh,mh->h", delta[:, 4 * H :], seen.c_prev),
                    p_below=np.einsum("mh,mh->h", delta[:, 4 * H :], seen.c_below),
                )
            )
        return DepthGatedParams(bottom, tuple(upper)), dxs


class ClockworkState(NamedTuple):
    """State of a clockwork RNN."""

    h: np.ndarray
    """Hidden state (N, H)."""
    step: np.ndarray
    """Steps taken so far (N, 1), whole numbers; its gradient is zero."""


class ClockworkCache(NamedTuple):
    """What a clockwork step keeps for its backward pass."""

    h_prev: np.ndarray
    """State before the step (N, H)."""
    h: np.ndarray
    """State after the step (N, H)."""
    active: np.ndarray
    """Which units were updated (N, H)."""


@lru_cache(maxsize=64)
def clockwork_mask(periods: tuple[int, ...], hidden_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make each unit's period (H,), and the entries of W that exist (H, H).

    A module hears itself and slower ones: the mask is block-upper-triangular.

    Equations: peephole-clockwork-mask.
    """
    period = np.repeat(periods, hidden_size // len(periods))
    mask = period[None, :] >= period[:, None]
    period.setflags(write=False)
    mask.setflags(write=False)
    return period, mask


@dataclass(frozen=True)
class ClockworkRNN(HoistedCell):
    """Elman cell in modules of equal size, module k updated at steps that T_k divides.

    The first step is t = 1. Entries of W below the block triangle are not used and get
    no gradient.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    periods : tuple of int
        T_1 ≤ T_2 ≤ …, one a module; their number divides H.

    Raises
    ------
    ValueError
        Where a size or period is below 1, the periods descend, or H does not divide.

    Equations: peephole-clockwork-state, peephole-clockwork-mask.

    Source: Koutník et al. (2014).
    """

    input_size: int
    hidden_size: int
    periods: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)
        object.__setattr__(self, "periods", tuple(self.periods))
        for period in self.periods:
            validate.positive("periods", period)
        if not self.periods or list(self.periods) != sorted(self.periods):
            raise ValueError(f"periods: expected ascending numbers, got {self.periods}")
        if self.hidden_size % len(self.periods):
            raise ValueError(
                f"hidden_size: expected a multiple of the {len(self.periods)} periods' number, "
                f"got {self.hidden_size}"
            )

    def init(self, rng: np.random.Generator) -> RNNParams:
        """Draw parameters from U(−1/√H, 1/√H); zeros below the block triangle."""
        H, D = self.hidden_size, self.input_size
        return RNNParams(
            U=initializers.uniform(rng, (H, D), H),
            W=initializers.uniform(rng, (H, H), H) * clockwork_mask(self.periods, H)[1],
            b=initializers.uniform(rng, (H,), H),
        )

    def initial_state(self, batch_size: int, dtype: Any = np.float64) -> ClockworkState:
        """Return h = 0 (N, H) and no step taken (N, 1)."""
        return ClockworkState(
            np.zeros((batch_size, self.hidden_size), dtype), np.zeros((batch_size, 1), dtype)
        )

    def project(self, params: RNNParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, H).

        Raises
        ------
        ValueError
            Where the parameters' shapes do not fit the cell.
        """
        H, D = self.hidden_size, self.input_size
        validate.shape("params.U", params.U, (H, D))
        validate.shape("params.W", params.W, (H, H))
        validate.shape("params.b", params.b, (H,))
        projected = xs.reshape(-1, D) @ params.U.T
        projected += params.b
        return projected.reshape(*xs.shape[:-1], H)

    def advance(
        self, params: RNNParams, projected: np.ndarray, state: ClockworkState
    ) -> tuple[ClockworkState, ClockworkCache]:
        """Compute h = tanh(projected + W h') in the modules that are due, h = h' in the others.

        Equations: peephole-clockwork-state.
        """
        period, mask = clockwork_mask(self.periods, self.hidden_size)
        step = state.step + 1
        active = step % period.astype(step.dtype) == 0
        a = projected
        a += state.h @ (params.W * mask).T
        h = np.where(active, np.tanh(a, out=a), state.h)
        return ClockworkState(h, step), ClockworkCache(state.h, h, active)

    def retreat(
        self, params: RNNParams, cache: ClockworkCache, dstate: ClockworkState, out: np.ndarray
    ) -> tuple[np.ndarray, ClockworkState]:
        """Compute δ = (1 − h²) ⊙ ∇_h where a unit was due; elsewhere ∇_h passes through.

        Equations: peephole-clockwork-backward.
        """
        _, h, active = cache
        _, mask = clockwork_mask(self.periods, self.hidden_size)
        np.multiply(dstate.h, (1 - h * h) * active, out=out)
        dh = out @ (params.W * mask)
        dh += np.where(active, 0, dstate.h)
        return out, ClockworkState(dh, np.zeros_like(dstate.step))

    def collect(
        self,
        params: RNNParams,
        deltas: np.ndarray,
        xs: np.ndarray,
        caches: Sequence[ClockworkCache],
    ) -> tuple[RNNParams, np.ndarray]:
        """Sum ∇_U = Σ δ xᵀ, ∇_W = Σ δ h'ᵀ within the triangle, ∇_b = Σ δ; ∇_x = Uᵀ δ.

        Equations: bptt-parameters, bptt-input, peephole-clockwork-mask.
        """
        h_prev = np.concatenate([cache.h_prev for cache in caches])
        flat = deltas.reshape(-1, self.hidden_size)
        _, mask = clockwork_mask(self.periods, self.hidden_size)
        dparams = RNNParams(
            U=flat.T @ xs.reshape(-1, self.input_size),
            W=(flat.T @ h_prev) * mask,
            b=flat.sum(axis=0),
        )
        return dparams, (flat @ params.U).reshape(xs.shape)
