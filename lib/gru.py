"""Chapter 5: the gated recurrent unit, h = z ⊙ h' + (1 − z) ⊙ n, with both ways to reset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.lstm import GatedCell, blocks, squash, squash_backward


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

    h_prev: np.ndarray
    """State before the step (N, H)."""
    gates: np.ndarray
    """Gates and candidate after their activations (N, 3H)."""
    q: np.ndarray | None
    """W^n h' + b_hn (N, H), with ``reset_after`` only."""


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

    Raises
    ------
    ValueError
        Where a size is below 1.

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
    letters: ClassVar[str] = "rzg"
    params_type: ClassVar[Any] = GRUParams
    state_type: ClassVar[Any] = GRUState

    def init(self, rng: np.random.Generator) -> GRUParams:
        """Draw parameters from U(−1/√H, 1/√H), as PyTorch does."""
        params = super().init(rng)
        H = self.hidden_size
        return params._replace(
            b_hn=initializers.uniform(rng, (H,), H) if self.reset_after else None
        )

    def project(self, params: GRUParams, xs: np.ndarray) -> np.ndarray:
        """Compute U x + b for any number of steps: (…, D) → (…, 3H).

        Raises
        ------
        ValueError
            Where the parameters do not fit the cell.
        """
        if (params.b_hn is not None) != self.reset_after:
            raise ValueError(
                f"params.b_hn: expected {'an array' if self.reset_after else 'None'} "
                f"with reset_after={self.reset_after}, got {type(params.b_hn).__name__}"
            )
        if params.b_hn is not None:
            validate.shape("params.b_hn", params.b_hn, (self.hidden_size,))
        return super().project(params, xs)

    def advance(
        self, params: GRUParams, projected: np.ndarray, state: GRUState
    ) -> tuple[GRUState, GRUCache]:
        """Compute the gates, the candidate n, and h = z ⊙ h' + (1 − z) ⊙ n.

        Equations: gru-reset-gate, gru-update-gate, gru-candidate, gru-candidate-reset-after,
        gru-state.
        """
        two_h = 2 * self.hidden_size
        rz = projected[:, :two_h]
        r, z, n = blocks(projected, 3)
        if params.b_hn is None:
            q = None
            rz += state.h @ params.W[:two_h].T
            squash(rz, self._constants(rz.dtype, "rz"))
            n += (r * state.h) @ params.W[two_h:].T
        else:
            from_h = state.h @ params.W.T
            rz += from_h[:, :two_h]
            squash(rz, self._constants(rz.dtype, "rz"))
            q = from_h[:, two_h:] + params.b_hn
            n += r * q
        np.tanh(n, out=n)
        return GRUState(n + z * (state.h - n)), GRUCache(state.h, projected, q)

    def retreat(
        self, params: GRUParams, cache: GRUCache, dstate: GRUState, out: np.ndarray
    ) -> tuple[np.ndarray, GRUState]:
        """Compute the errors δ of r, z, n, and ∇_{h'}.

        Equations: gru-candidate-backward, gru-update-backward, gru-reset-backward,
        gru-reset-after-backward, gru-state-backward.
        """
        two_h = 2 * self.hidden_size
        h_prev, gates, q = cache
        r, z, n = blocks(gates, 3)
        dr, dz, dn = blocks(out, 3)
        np.multiply(dstate.h * (1 - z), 1 - n * n, out=dn)
        np.multiply(dstate.h, h_prev - n, out=dz)
        if q is None:
            dreset = dn @ params.W[two_h:]
            np.multiply(dreset, h_prev, out=dr)
            dh = dreset * r
        else:
            np.multiply(dn, q, out=dr)
            dh = (dn * r) @ params.W[two_h:]
        drz = squash_backward(gates[:, :two_h], out[:, :two_h], self._constants(out.dtype, "rz"))
        dh += drz @ params.W[:two_h]
        dh += dstate.h * z
        return out, GRUState(dh)

    def collect(
        self, params: GRUParams, deltas: np.ndarray, xs: np.ndarray, caches: Sequence[GRUCache]
    ) -> tuple[GRUParams, np.ndarray]:
        """Sum over time and batch; the candidate's rows of W meet r ⊙ h', or r ⊙ δ meets h'.

        Equations: gru-parameters, gru-reset-after-parameters.
        """
        H = self.hidden_size
        h_prev = np.concatenate([cache.h_prev for cache in caches])
        r = np.concatenate([cache.gates[:, :H] for cache in caches])
        flat = deltas.reshape(-1, 3 * H)
        dn = flat[:, 2 * H :]
        dW, db_hn = np.empty_like(params.W), None
        np.matmul(flat[:, : 2 * H].T, h_prev, out=dW[: 2 * H])
        if params.b_hn is None:
            r *= h_prev
            np.matmul(dn.T, r, out=dW[2 * H :])
        else:
            r *= dn
            np.matmul(r.T, h_prev, out=dW[2 * H :])
            db_hn = r.sum(axis=0)
        dU = flat.T @ xs.reshape(-1, self.input_size)
        dxs = (flat @ params.U).reshape(xs.shape)
        return GRUParams(dU, dW, flat.sum(axis=0), db_hn), dxs


@dataclass(frozen=True)
class SimplifiedGRU(GatedCell):
    """GRU without reset gate, blocks z, n: n = tanh(b + U x + W h'), h = z ⊙ h' + (1 − z) ⊙ n.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: gru-update-gate, gru-simplified-candidate, gru-state.

    Source: notes 002, whose Γu is 1 − z.
    """

    letters: ClassVar[str] = "zg"
    params_type: ClassVar[Any] = GRUParams
    state_type: ClassVar[Any] = GRUState

    def advance(
        self, params: GRUParams, projected: np.ndarray, state: GRUState
    ) -> tuple[GRUState, GRUCache]:
        """Compute z and n from projected + W h', then h = z ⊙ h' + (1 − z) ⊙ n.

        Equations: gru-update-gate, gru-simplified-candidate, gru-state.
        """
        a = projected
        a += state.h @ params.W.T
        gates = squash(a, self._constants(a.dtype))
        z, n = blocks(gates, 2)
        return GRUState(n + z * (state.h - n)), GRUCache(state.h, gates, None)

    def retreat(
        self, params: GRUParams, cache: GRUCache, dstate: GRUState, out: np.ndarray
    ) -> tuple[np.ndarray, GRUState]:
        """Compute the errors δ of z and n, and ∇_{h'} = z ⊙ ∇_h + Σ Wᵀ δ.

        Equations: gru-candidate-backward, gru-update-backward, gru-simplified-backward.
        """
        h_prev, gates, _ = cache
        z, n = blocks(gates, 2)
        dz, dn = blocks(out, 2)
        np.multiply(dstate.h, h_prev - n, out=dz)
        np.multiply(dstate.h, 1 - z, out=dn)
        squash_backward(gates, out, self._constants(out.dtype))
        dh = out @ params.W
        dh += dstate.h * z
        return out, GRUState(dh)


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

    Raises
    ------
    ValueError
        Where a size is below 1.

    Equations: gru-parameter-count.

    Examples
    --------
    >>> parameter_count(input_size=512, hidden_size=1024)
    4721664
    """
    D = validate.positive("input_size", input_size)
    H = validate.positive("hidden_size", hidden_size)
    return 3 * (H * (H + D) + validate.positive("biases", biases) * H)
