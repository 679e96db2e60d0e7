"""Chapter 6: the LSTM with peepholes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import fused_peephole, validate
from lib.activations import ACTIVATIONS
from lib.cell import Kernel
from lib.lstm import GatedCell, LSTMState


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
    c_new: np.ndarray
    """Cell state after the step (N, H)."""
    squashed_c: np.ndarray
    """Output activation of ``c_new`` (N, H)."""


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
    gates: ClassVar[int] = 4
    params_type: ClassVar[Any] = PeepholeParams
    cache_type: ClassVar[Any] = PeepholeCache

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.peepholes:
            validate.choice("peepholes", name, ["i", "f", "o"])
        for role in ("gate", "input", "output"):
            validate.choice(role, getattr(self, role), list(ACTIVATIONS))
        object.__setattr__(self, "peepholes", tuple(k for k in "ifo" if k in self.peepholes))

    @property
    def kernel(self) -> Kernel | None:
        """The fast form, for the usual activations."""
        usual = (self.gate, self.input, self.output) == ("sigmoid", "tanh", "tanh")
        return Kernel(fused_peephole.forward, fused_peephole.backward) if usual else None

    def shapes(self) -> PeepholeParams:
        """Return the parameters' shapes; those of missing peepholes are ``None``."""
        peepholes = {f"p_{k}": (self.hidden_size,) for k in self.peepholes}
        return super().shapes()._replace(**peepholes)

    def step(
        self, params: PeepholeParams, x: np.ndarray, state: LSTMState
    ) -> tuple[LSTMState, PeepholeCache]:
        """Compute i and f from C', then C, then o from C, then h = o ⊙ output(C).

        Equations: peephole-input-gate, peephole-forget-gate, peephole-cell,
        peephole-output-gate, peephole-hidden.
        """
        U, W, b, *_ = params
        p_i, p_f, p_o = (0 if p is None else p for p in params[3:])
        gate, squash_in, squash_out = self._activations("forward")
        h, c = state
        a_i, a_f, a_g, a_o = np.split(x @ U.T + h @ W.T + b, 4, axis=1)
        i = gate(a_i + p_i * c)
        f = gate(a_f + p_f * c)
        g = squash_in(a_g)
        c_new = f * c + i * g
        o = gate(a_o + p_o * c_new)
        squashed_c = squash_out(c_new)
        cache = PeepholeCache(x, h, c, i, f, g, o, c_new, squashed_c)
        return LSTMState(o * squashed_c, c_new), cache

    def step_backward(
        self, params: PeepholeParams, cache: PeepholeCache, dstate: LSTMState
    ) -> tuple[PeepholeParams, np.ndarray, LSTMState]:
        """Compute the gates' errors δ, ∇_{C'} with the peepholes' share, ∇_p = Σ δ ⊙ C.

        Equations: peephole-output-gate-backward, peephole-cell-backward,
        peephole-gate-backward, peephole-previous-cell-backward, peephole-weights,
        lstm-parameters, lstm-input-backward.
        """
        U, W, *_ = params
        p_i, p_f, p_o = (0 if p is None else p for p in params[3:])
        gate, squash_in, squash_out = self._activations("backward")
        x, h, c, i, f, g, o, c_new, squashed_c = cache
        dh, dc = dstate
        delta_o = gate(o, dh * squashed_c)
        dc = dc + squash_out(squashed_c, dh * o) + p_o * delta_o
        delta_i = gate(i, dc * g)
        delta_f = gate(f, dc * c)
        delta_g = squash_in(g, dc * i)
        delta = np.hstack([delta_i, delta_f, delta_g, delta_o])
        dp = {"p_i": delta_i * c, "p_f": delta_f * c, "p_o": delta_o * c_new}
        dparams = PeepholeParams(
            U=delta.T @ x,
            W=delta.T @ h,
            b=delta.sum(axis=0),
            **{f"p_{k}": dp[f"p_{k}"].sum(axis=0) for k in self.peepholes},
        )
        dc_prev = dc * f + p_i * delta_i + p_f * delta_f
        return dparams, delta @ U, LSTMState(delta @ W, dc_prev)

    def _activations(self, way: str) -> list[Any]:
        """Return f, g and h of Graves, or their backward functions."""
        return [getattr(ACTIVATIONS[name], way) for name in (self.gate, self.input, self.output)]
