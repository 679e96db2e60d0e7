"""Chapter 5: the gated recurrent unit, h = z ⊙ h' + (1 − z) ⊙ n, with both ways to reset."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import fused_gru, validate
from lib.activations import sigmoid
from lib.cell import Kernel
from lib.lstm import GatedCell


class GRUParams(NamedTuple):
    """Parameters of a GRU, blocks r, z, n stacked; gradients have the same type.

    A :class:`SimplifiedGRU` has the two blocks z, n.
    """

    U: np.ndarray
    """Input to gates and candidate (3H, D)."""
    W: np.ndarray
    """Hidden to gates and candidate (3H, H)."""
    b: np.ndarray
    """Biases (3H,)."""
    b_hn: np.ndarray | None = None
    """Bias inside the reset (H,), with ``reset_after`` only."""


class GRUState(NamedTuple):
    """State of a GRU."""

    h: np.ndarray
    """Hidden state (N, H)."""


class GRUCache(NamedTuple):
    """What a GRU step keeps for its backward pass."""

    x: np.ndarray
    """Input (N, D)."""
    h: np.ndarray
    """State before the step (N, H)."""
    r: np.ndarray
    """Reset gate (N, H)."""
    z: np.ndarray
    """Update gate (N, H)."""
    n: np.ndarray
    """Candidate (N, H)."""
    q: np.ndarray | None
    """W^n h' + b_hn (N, H), with ``reset_after`` only."""


class SimplifiedGRUCache(NamedTuple):
    """What a GRU without reset gate keeps. All (N, H) but ``x``."""

    x: np.ndarray
    h: np.ndarray
    z: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class GRU(GatedCell):
    """GRU with reset and update gates, stacked r, z, n.

    z = 1 keeps the old state, as in the notes and in PyTorch; :func:`flip_update_gate`
    converts. The candidate is tanh(b + U x + W (r ⊙ h')), or with ``reset_after``
    tanh(b + U x + r ⊙ (W h' + b_hn)).

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    reset_after : bool
        Reset after the matrix product, as PyTorch, cuDNN and Keras do.

    Equations: gru-reset-gate, gru-update-gate, gru-candidate, gru-candidate-reset-after,
    gru-state.

    Source: Cho et al. (2014); notes 003, section 4.3.2.

    Examples
    --------
    >>> cell = GRU(input_size=3, hidden_size=4, reset_after=True)
    >>> params = cell.init(np.random.default_rng(0))
    >>> state, cache = cell.step(params, np.ones((2, 3)), cell.initial_state(2))
    >>> state.h.shape
    (2, 4)
    """

    reset_after: bool = False
    gates: ClassVar[int] = 3
    params_type: ClassVar[Any] = GRUParams
    state_type: ClassVar[Any] = GRUState
    cache_type: ClassVar[Any] = GRUCache

    @property
    def kernel(self) -> Kernel:
        """The fast form."""
        return Kernel(fused_gru.forward, fused_gru.backward)

    def shapes(self) -> GRUParams:
        """Return the parameters' shapes; ``b_hn`` is there with ``reset_after`` only."""
        b_hn = (self.hidden_size,) if self.reset_after else None
        return super().shapes()._replace(b_hn=b_hn)

    def step(self, params: GRUParams, x: np.ndarray, state: GRUState) -> tuple[GRUState, GRUCache]:
        """Compute the gates, the candidate n, and h = z ⊙ h' + (1 − z) ⊙ n.

        Equations: gru-reset-gate, gru-update-gate, gru-candidate, gru-candidate-reset-after,
        gru-state.
        """
        U_r, U_z, U_n = np.split(params.U, 3)
        W_r, W_z, W_n = np.split(params.W, 3)
        b_r, b_z, b_n = np.split(params.b, 3)
        h = state.h
        r = sigmoid(x @ U_r.T + h @ W_r.T + b_r)
        z = sigmoid(x @ U_z.T + h @ W_z.T + b_z)
        if self.reset_after:
            q = h @ W_n.T + params.b_hn
            n = np.tanh(x @ U_n.T + b_n + r * q)
        else:
            q = None
            n = np.tanh(x @ U_n.T + b_n + (r * h) @ W_n.T)
        return GRUState(z * h + (1 - z) * n), GRUCache(x, h, r, z, n, q)

    def step_backward(
        self, params: GRUParams, cache: GRUCache, dstate: GRUState
    ) -> tuple[GRUParams, np.ndarray, GRUState]:
        """Compute the errors δ of r, z and n, and from them the gradients.

        Where the reset stands after the product, r ⊙ δ_n is the error of W^n h' + b_hn.

        Equations: gru-candidate-backward, gru-update-backward, gru-reset-backward,
        gru-reset-after-backward, gru-state-backward, gru-parameters,
        gru-reset-after-parameters.
        """
        W_r, W_z, W_n = np.split(params.W, 3)
        x, h, r, z, n, q = cache
        dh = dstate.h
        delta_n = dh * (1 - z) * (1 - n**2)
        delta_z = dh * (h - n) * z * (1 - z)
        if self.reset_after:
            dq = delta_n * r
            delta_r = delta_n * q * r * (1 - r)
            dh_n, dW_n, db_hn = dq @ W_n, dq.T @ h, dq.sum(axis=0)
        else:
            dreset = delta_n @ W_n
            delta_r = dreset * h * r * (1 - r)
            dh_n, dW_n, db_hn = dreset * r, delta_n.T @ (r * h), None
        delta = np.hstack([delta_r, delta_z, delta_n])
        dW = np.vstack([delta_r.T @ h, delta_z.T @ h, dW_n])
        dh_prev = dh * z + delta_r @ W_r + delta_z @ W_z + dh_n
        dparams = GRUParams(U=delta.T @ x, W=dW, b=delta.sum(axis=0), b_hn=db_hn)
        return dparams, delta @ params.U, GRUState(dh_prev)


@dataclass(frozen=True)
class SimplifiedGRU(GatedCell):
    """GRU without reset gate, blocks z, n: n = tanh(b + U x + W h'), h = z ⊙ h' + (1 − z) ⊙ n.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.

    Equations: gru-update-gate, gru-simplified-candidate, gru-state.

    Source: notes 002, whose Γu is 1 − z.
    """

    gates: ClassVar[int] = 2
    params_type: ClassVar[Any] = GRUParams
    state_type: ClassVar[Any] = GRUState

    def step(
        self, params: GRUParams, x: np.ndarray, state: GRUState
    ) -> tuple[GRUState, SimplifiedGRUCache]:
        """Compute z and n from b + U x + W h', then h = z ⊙ h' + (1 − z) ⊙ n.

        Equations: gru-update-gate, gru-simplified-candidate, gru-state.
        """
        U, W, b, _ = params
        h = state.h
        a_z, a_n = np.split(x @ U.T + h @ W.T + b, 2, axis=1)
        z = sigmoid(a_z)
        n = np.tanh(a_n)
        return GRUState(z * h + (1 - z) * n), SimplifiedGRUCache(x, h, z, n)

    def step_backward(
        self, params: GRUParams, cache: SimplifiedGRUCache, dstate: GRUState
    ) -> tuple[GRUParams, np.ndarray, GRUState]:
        """Compute the errors δ of z and n, and ∇_{h'} = z ⊙ ∇_h + Σ Wᵀ δ.

        Equations: gru-candidate-backward, gru-update-backward, gru-simplified-backward.
        """
        U, W, _, _ = params
        x, h, z, n = cache
        dh = dstate.h
        delta_z = dh * (h - n) * z * (1 - z)
        delta_n = dh * (1 - z) * (1 - n**2)
        delta = np.hstack([delta_z, delta_n])
        dparams = GRUParams(U=delta.T @ x, W=delta.T @ h, b=delta.sum(axis=0))
        return dparams, delta @ U, GRUState(delta @ W + dh * z)


def flip_update_gate(params: GRUParams) -> GRUParams:
    """Convert between h = z ⊙ h' + (1 − z) ⊙ n and h = (1 − z) ⊙ h' + z ⊙ n.

    Since σ(−a) = 1 − σ(a), negating what feeds z does it; twice gives the start.

    Parameters
    ----------
    params : GRUParams
        Of a :class:`GRU` or a :class:`SimplifiedGRU`.

    Returns
    -------
    GRUParams

    Raises
    ------
    ValueError
        Where ``params`` has neither two blocks nor three.

    Equations: gru-flip.
    """
    H = params.W.shape[1]
    count = params.b.size // H
    if params.b.shape not in ((2 * H,), (3 * H,)):
        raise ValueError(f"params.b: expected shape ({2 * H},) or ({3 * H},), got {params.b.shape}")
    sign = np.repeat([-1 if k == count - 2 else 1 for k in range(count)], H).astype(params.b.dtype)
    return params._replace(
        U=params.U * sign[:, None], W=params.W * sign[:, None], b=params.b * sign
    )


class TwoBiases(NamedTuple):
    """Biases as PyTorch and ONNX keep them; only their sum matters outside the reset."""

    b_ih: np.ndarray
    """Added to U x (3H,)."""
    b_hh: np.ndarray
    """Added to W h' (3H,)."""


def merge_biases(biases: TwoBiases, reset_after: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Turn two bias vectors into ``b`` (3H,) and ``b_hn``, (H,) or ``None``.

    Raises
    ------
    ValueError
        Where the two are not of one shape (3H,).

    Equations: gru-biases.
    """
    b_ih = validate.array("biases.b_ih", biases.b_ih, ("3H",))
    b_hh = validate.array("biases.b_hh", biases.b_hh, b_ih.shape)
    if b_ih.size % 3:
        raise ValueError(f"biases.b_ih: expected a multiple of 3 numbers, got {b_ih.size}")
    if not reset_after:
        return b_ih + b_hh, None
    two_h = 2 * b_ih.size // 3
    b = b_ih.copy()
    b[:two_h] += b_hh[:two_h]
    return b, b_hh[two_h:].copy()


def split_biases(b: np.ndarray, b_hn: np.ndarray | None) -> TwoBiases:
    """Turn ``b`` (3H,) and ``b_hn``, (H,) or ``None``, into two vectors that merge to them.

    Raises
    ------
    ValueError
        Where the shapes do not fit.

    Equations: gru-biases.
    """
    validate.array("b", b, ("3H",))
    b_hh = np.zeros_like(b)
    if b_hn is not None:
        validate.array("b_hn", b_hn, (b.size // 3,))
        b_hh[-b_hn.size :] = b_hn
    return TwoBiases(b.copy(), b_hh)


def parameter_count(input_size: int, hidden_size: int, biases: int = 1) -> int:
    """Count a GRU's parameters: 3 (H (H + D) + H).

    PyTorch, and Keras with ``reset_after``, keep two bias vectors: ``biases=2``. Here
    ``reset_after`` adds the H numbers of ``b_hn`` to the count with one.

    Equations: gru-parameter-count.

    Examples
    --------
    >>> parameter_count(input_size=512, hidden_size=1024)
    4721664
    """
    D = validate.positive("input_size", input_size)
    H = validate.positive("hidden_size", hidden_size)
    return 3 * (H * (H + D) + validate.positive("biases", biases) * H)
