"""Forward passes that numerical differentiation may use to answer backward functions.

Each is what a learner can write who knows the way forward alone. The backward functions get
cached values that need not be those of a forward pass; :class:`Anchored` makes a pass give
the cached values where nothing is changed, and follow every change from there.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

Array = Any


class Anchored:
    """Activations whose values are the cached ones at the first pass.

    Parameters
    ----------
    inverse : bool
        Whether pre-activations are recovered from cached values by the inverse functions, as
        in ``tanh(arctanh(h) + change)``. Otherwise addition theorems do without, as in
        ``(h + t) / (1 + h t)`` with ``t = tanh(change)``.
    """

    def __init__(self, inverse: bool) -> None:
        self._inverse = inverse
        self._first: list[Array] = []
        self._number = 0
        self._complete = False

    def again(self) -> None:
        """Begin a further pass."""
        self._complete = bool(self._first)
        self._number = 0

    def _change(self, value: Array) -> Array:
        if not self._complete:
            self._first.append(value)
        change = value - self._first[self._number]
        self._number += 1
        return change

    def value(self, value: Array, cached: Array) -> Array:
        """Give the cached value where nothing is changed."""
        return cached + self._change(value)

    def tanh(self, pre: Array, cached: Array) -> Array:
        """Squash so that the cached value is the activation of the first pass."""
        change = self._change(pre)
        if self._inverse:
            return np.tanh(np.arctanh(cached) + change)
        t = np.tanh(change)
        return (cached + t) / (1 + cached * t)

    def sigmoid(self, pre: Array, cached: Array) -> Array:
        """Do as :meth:`tanh` does, for a gate."""
        change = self._change(pre)
        if self._inverse:
            return 1 / (1 + np.exp(-(np.log(cached) - np.log(1 - cached)) - change))
        return cached / (cached + (1 - cached) * np.exp(-change))

    def softmax(self, pre: Array, cached: Array, axis: int = -1) -> Array:
        """Do as :meth:`tanh` does, for a distribution."""
        change = self._change(pre)
        if self._inverse:
            e = np.exp(np.log(cached) + change)
            return e / e.sum(axis=axis, keepdims=True)
        e = cached * np.exp(change)
        return e / (1 + (e - cached).sum(axis=axis, keepdims=True))

    def cross_entropy(self, pre: Array, cached: Array, targets: Array) -> Array:
        """Compute the loss of each row, less what it was at the first pass."""
        change = self._change(pre)
        if self._inverse:
            total = np.exp(np.log(cached) + change).sum(axis=-1)
        else:
            total = 1 + (cached * (np.exp(change) - 1)).sum(axis=-1)
        return np.log(total) - (targets * change).sum(axis=-1)


Forward = Callable[[Anchored, SimpleNamespace], Array]


class Attack(NamedTuple):
    """How one backward function is answered without its backward pass."""

    loss: Forward
    """From the values, by name, to what is differentiated."""
    variables: tuple[str, ...]
    """What the results are the gradients of, in order."""
    fresh: Callable[[SimpleNamespace], dict[str, tuple[int, ...]]] = lambda a: {}
    """Shapes of variables that are no arguments; they start from zero."""
    elementwise: bool = False
    """Whether ``loss`` gives a number for each entry, so that all are moved at once."""


def _one_hot(targets: Array, K: int) -> Array:
    return np.eye(K)[targets]


def _split(a: Array, count: int) -> list[Array]:
    return np.split(a, count, axis=-1)


# --- chapter 1 -------------------------------------------------------------------


def vector_input(at: Anchored, v: SimpleNamespace) -> Array:
    return (v.deltas.sum(axis=0) * (v.x @ v.R.T)).sum()


def output_to_hidden_step(at: Anchored, v: SimpleNamespace) -> Array:
    h = at.tanh(v.o_prev @ v.W.T, v.h)
    return (v.do * at.softmax(h @ v.V.T, v.o)).sum()


def many_to_one(at: Anchored, v: SimpleNamespace) -> Array:
    last = v.hs[v.lengths - 1, np.arange(len(v.lengths))]
    return (v.ds * (last @ v.V.T + v.c)).sum()


# --- chapter 2 -------------------------------------------------------------------


def output(at: Anchored, v: SimpleNamespace) -> Array:
    targets = _one_hot(v.targets, len(v.V))
    losses = at.cross_entropy(v.hs @ v.V.T + v.c, v.os, targets)
    return (losses * v.mask).sum() / len(v.os[0])


def rnn_step(at: Anchored, v: SimpleNamespace) -> Array:
    return (v.dh * at.tanh(v.x @ v.U.T + v.h_prev @ v.W.T + v.b, v.h)).sum()


def rnn(at: Anchored, v: SimpleNamespace) -> Array:
    h, total = v.h0, 0
    projected = v.xs @ v.U.T + v.b
    for t in range(len(v.xs)):
        if hasattr(v, "k") and t % v.k == 0:
            h = v.at_first.h0 if t == 0 else v.at_first.hs[t - 1]
        new = at.tanh(projected[t] + h @ v.W.T, v.hs[t])
        live = (t < v.lengths)[:, None] if hasattr(v, "lengths") else np.True_
        h = np.where(live, new, h)
        total = total + np.where(live, v.dhs[t] * new, 0).sum()
    return total + (v.dh_last * h).sum() if hasattr(v, "dh_last") else total


def teacher_forced(at: Anchored, v: SimpleNamespace) -> Array:
    h = at.tanh(v.xs @ v.U.T + v.ys_prev @ v.W.T + v.b, v.hs)
    return at.cross_entropy(h @ v.V.T + v.c, v.os, v.ys).sum() / len(v.os[0])


def _rnn_fresh(a: SimpleNamespace) -> dict[str, tuple[int, ...]]:
    H, D = a.hs.shape[-1], a.xs.shape[-1]
    return {"U": (H, D), "W": (H, H), "b": (H,)}


def _teacher_fresh(a: SimpleNamespace) -> dict[str, tuple[int, ...]]:
    H, K = a.hs.shape[-1], a.os.shape[-1]
    return {"U": (H, a.xs.shape[-1]), "W": (H, K), "b": (H,), "c": (K,)}


# --- chapter 3 -------------------------------------------------------------------


def leaky(at: Anchored, v: SimpleNamespace) -> Array:
    alpha = 1 / (1 + np.exp(-v.leak))
    h, total = v.h0, 0
    projected = v.xs @ v.U.T + v.b
    for t in range(len(v.xs)):
        h = at.value(h, v.h_prevs[t])
        h = alpha * h + (1 - alpha) * at.tanh(projected[t] + h @ v.W.T, v.us[t])
        total = total + (v.dhs[t] * h).sum()
    return total


def skip(at: Anchored, v: SimpleNamespace) -> Array:
    states, total = [*v.past], 0
    projected = v.xs @ v.U.T + v.b
    for t in range(len(v.xs)):
        pre = projected[t] + states[-1] @ v.W.T + states[-len(v.past)] @ v.R.T
        states.append(at.tanh(pre, v.hs[t]))
        total = total + (v.dhs[t] * states[-1]).sum()
    return total


def flow_regulariser(at: Anchored, v: SimpleNamespace) -> Array:
    e = at.value(v.p @ v.W, v.e)
    return ((np.sqrt((e**2).sum(axis=2)) - 1) ** 2).sum() / len(e[0])


# --- chapters 4 to 6 -------------------------------------------------------------


def lstm_state(at: Anchored, v: SimpleNamespace) -> Array:
    c = v.f * v.c_prev + v.i * v.g
    return v.dh * v.o * at.tanh(c, v.tanh_c) + v.dc_next * c


def lstm_gates(at: Anchored, v: SimpleNamespace) -> Array:
    i, f, g, o = _split(v.x @ v.U.T + v.h_prev @ v.W.T + v.b, 4)
    return (
        v.di * at.sigmoid(i, v.i)
        + v.df * at.sigmoid(f, v.f)
        + v.dg * at.tanh(g, v.g)
        + v.do * at.sigmoid(o, v.o)
    ).sum()


def lstm(at: Anchored, v: SimpleNamespace) -> Array:
    """An LSTM over a sequence, with peepholes and padding where the arguments have them."""
    h, c, total = v.h0, v.c0, 0
    projected = v.xs @ v.U.T + v.b
    for t in range(len(v.xs)):
        live = (t < v.lengths)[:, None] if hasattr(v, "lengths") else np.True_
        h_in, c_in = at.value(h, v.h_prevs[t]), at.value(c, v.c_prevs[t])
        a_i, a_f, a_g, a_o = _split(projected[t] + h_in @ v.W.T, 4)
        i, f, g, o = _split(v.gates[t], 4)
        peepholes = hasattr(v, "p_i")
        if peepholes:
            a_i, a_f = a_i + v.p_i * c_in, a_f + v.p_f * c_in
        new = at.sigmoid(a_f, f) * c_in + at.sigmoid(a_i, i) * at.tanh(a_g, g)
        if peepholes:
            new = at.value(new, v.cs[t])
            a_o = a_o + v.p_o * new
        shown = at.sigmoid(a_o, o) * at.tanh(new, v.tanh_cs[t])
        total = total + np.where(live, v.dhs[t] * shown, 0).sum()
        h, c = np.where(live, shown, h), np.where(live, new, c)
    return total + (v.dh_last * h).sum() + (v.dc_last * c).sum()


def lstm_1997(at: Anchored, v: SimpleNamespace) -> Array:
    c, total = v.c0, 0
    pre = v.xs @ v.U.T + v.h_prevs @ v.W.T + v.b
    for t in range(len(v.xs)):
        a_i, a_g, a_o = _split(pre[t], 3)
        i, g, o = _split(v.gates[t], 3)
        c = c + at.sigmoid(a_i, i) * at.tanh(a_g, g)
        shown = at.sigmoid(a_o, o) * at.tanh(c, v.tanh_cs[t])
        total = total + (v.dhs[t] * shown).sum()
    return total + (v.dc_last * c).sum()


def _gated(count: int) -> Callable[[SimpleNamespace], dict[str, tuple[int, ...]]]:
    def fresh(a: SimpleNamespace) -> dict[str, tuple[int, ...]]:
        H = a.U.shape[0] // count
        N = a.dh.shape[0] if hasattr(a, "dh") else a.dhs.shape[1] if hasattr(a, "dhs") else 0
        return {"b": (count * H,), "b_hn": (H,), "W": (count * H, H), "h0": (N, H), "c0": (N, H)}

    return fresh


def gru_step(at: Anchored, v: SimpleNamespace) -> Array:
    H = v.W.shape[1]
    into = v.x @ v.U.T + v.b
    r, z = _split(into[:, : 2 * H] + v.h_prev @ v.W[: 2 * H].T, 2)
    r, z = at.sigmoid(r, v.r), at.sigmoid(z, v.z)
    n = at.tanh(into[:, 2 * H :] + (r * v.h_prev) @ v.W[2 * H :].T, v.n)
    return (v.dh * ((1 - z) * n + z * v.h_prev)).sum()


def gru_step_after(at: Anchored, v: SimpleNamespace) -> Array:
    H = v.W.shape[1]
    into, turned = v.x @ v.U.T + v.b, v.h_prev @ v.W.T
    r, z = _split(into[:, : 2 * H] + turned[:, : 2 * H], 2)
    r, z = at.sigmoid(r, v.r), at.sigmoid(z, v.z)
    n = at.tanh(into[:, 2 * H :] + r * at.value(turned[:, 2 * H :] + v.b_hn, v.q), v.n)
    return (v.dh * ((1 - z) * n + z * v.h_prev)).sum()


def gru(at: Anchored, v: SimpleNamespace) -> Array:
    h, total = v.h0, 0
    H = h.shape[1]
    projected = v.xs @ v.U.T + v.b
    for t in range(len(v.xs)):
        live = (t < v.lengths)[:, None]
        r, z = _split(projected[t][:, : 2 * H] + h @ v.W[: 2 * H].T, 2)
        r, z = at.sigmoid(r, v.rs[t]), at.sigmoid(z, v.zs[t])
        n = at.tanh(projected[t][:, 2 * H :] + (r * h) @ v.W[2 * H :].T, v.ns[t])
        new = (1 - z) * n + z * h
        total = total + np.where(live, v.dhs[t] * new, 0).sum()
        h = at.value(np.where(live, new, h), v.hs[t])
    return total + (v.dh_last * h).sum()


def gru_simplified(at: Anchored, v: SimpleNamespace) -> Array:
    z, n = _split(v.x @ v.U.T + v.h_prev @ v.W.T + v.b, 2)
    z, n = at.sigmoid(z, v.z), at.tanh(n, v.n)
    return (v.dh * ((1 - z) * n + z * v.h_prev)).sum()


def peephole_cell(at: Anchored, v: SimpleNamespace) -> Array:
    i = at.sigmoid(v.a_i + v.p_i * v.c_prev, v.i)
    f = at.sigmoid(v.a_f + v.p_f * v.c_prev, v.f)
    c = f * v.c_prev + i * at.tanh(v.a_g, v.g)
    o = at.sigmoid(v.a_o + v.p_o * c, v.o)
    return v.dh * o * at.tanh(c, v.tanh_c) + v.dc_next * c


def peephole_step(at: Anchored, v: SimpleNamespace) -> Array:
    a_i, a_f, a_g, a_o = _split(v.x @ v.U.T + v.h_prev @ v.W.T + v.b, 4)
    i, f = at.sigmoid(a_i + v.p_i * v.c_prev, v.i), at.sigmoid(a_f + v.p_f * v.c_prev, v.f)
    c = at.value(f * v.c_prev + i * at.tanh(a_g, v.g), v.c)
    o = at.sigmoid(a_o + v.p_o * c, v.o)
    return (v.dh * o * at.tanh(c, v.tanh_c) + v.dc_next * c).sum()


def coupled(at: Anchored, v: SimpleNamespace) -> Array:
    f, g, o = _split(v.x @ v.U.T + v.h_prev @ v.W.T + v.b, 3)
    f = at.sigmoid(f, v.f)
    c = f * v.c_prev + (1 - f) * at.tanh(g, v.g)
    return (v.dh * at.sigmoid(o, v.o) * at.tanh(c, v.tanh_c) + v.dc_next * c).sum()


# --- chapters 7 and 8 ------------------------------------------------------------


def output_of_two(at: Anchored, v: SimpleNamespace) -> Array:
    targets = _one_hot(v.targets, len(v.V1))
    losses = at.cross_entropy(v.hs @ v.V1.T + v.gs @ v.V2.T + v.c, v.os, targets)
    real = np.arange(len(v.os))[:, None] < v.lengths
    return np.where(real, losses, 0).sum() / len(v.lengths)


def corner_scan(at: Anchored, v: SimpleNamespace) -> Array:
    rows, columns = v.hs.shape[:2]
    states: dict[tuple[int, int], Array] = {}
    total = 0
    projected = v.images @ v.U.T + v.b
    for i in range(rows):
        for j in range(columns):
            pre = projected[i, j]
            if i:
                pre = pre + states[i - 1, j] @ v.W.T
            if j:
                pre = pre + states[i, j - 1] @ v.R.T
            states[i, j] = at.tanh(pre, v.hs[i, j])
            total = total + (v.dhs[i, j] * states[i, j]).sum()
    return total


def transition_step(at: Anchored, v: SimpleNamespace) -> Array:
    z, K = v.h_prev, len(v.W)
    for k in range(K):
        pre = z @ v.W[k].T + v.b[k]
        if k == 0:
            pre = pre + v.x @ v.U.T
        if k == K - 1 and v.S is not None:
            pre = pre + v.h_prev @ v.S.T
        z = at.tanh(pre, v.zs[k + 1])
    return (v.dh * z).sum()


# --- chapters 9 and 10 -----------------------------------------------------------


def every_step(at: Anchored, v: SimpleNamespace) -> Array:
    return (v.deltas.sum(axis=0) * (v.C @ v.R.T)).sum()


def bridge(at: Anchored, v: SimpleNamespace) -> Array:
    return (v.dh0 * at.tanh(v.C @ v.P.T + v.p, v.h0)).sum()


def decoder(at: Anchored, v: SimpleNamespace) -> Array:
    h = at.tanh(v.C @ v.P.T, v.h0) if v.mode != "every_step" else v.h0
    total = 0
    drive = v.C @ v.R.T if v.mode != "initial_state" else 0
    for t in range(len(v.hs)):
        new = at.tanh(drive + h @ v.W.T, v.hs[t])
        live = (t < v.lengths)[:, None]
        total = total + np.where(live, v.dhs[t] * new, 0).sum()
        h = new
    return total


def encoder(at: Anchored, v: SimpleNamespace) -> Array:
    h, total = np.zeros_like(v.dC), 0
    projected = v.E[v.sources] @ v.U.T + v.b
    for t in range(len(v.hs)):
        h = at.tanh(projected[t] + h @ v.W.T, v.hs[t])
        total = total + (np.where((t == v.lengths - 1)[:, None], v.dC, 0) * h).sum()
    return total


def attend(at: Anchored, v: SimpleNamespace) -> Array:
    weights = at.softmax(v.e, v.weights)
    contexts = np.matmul(weights.transpose(1, 0, 2), v.values.transpose(1, 0, 2))
    return (v.dcontexts.transpose(1, 0, 2) * contexts).sum()


def additive(at: Anchored, v: SimpleNamespace) -> Array:
    asked = (v.queries @ v.W.T)[:, :, None]
    z = at.tanh(asked + (v.keys @ v.U.T).transpose(1, 0, 2), v.z)
    return (v.de * (z @ v.v)).sum()


def self_attention(at: Anchored, v: SimpleNamespace) -> Array:
    q = at.value(v.xs @ v.W_query.T, v.q).transpose(1, 0, 2)
    k = at.value(v.xs @ v.W_key.T, v.k).transpose(1, 2, 0)
    values = at.value(v.xs @ v.W_value.T, v.v).transpose(1, 0, 2)
    weights = at.softmax(q @ k / np.sqrt(q.shape[2]), v.weights.transpose(1, 0, 2))
    return (v.dys.transpose(1, 0, 2) * (weights @ values)).sum()


def pool(at: Anchored, v: SimpleNamespace) -> Array:
    us = at.tanh(v.hs @ v.W.T + v.b, v.us)
    alpha = at.softmax(us @ v.u, v.weights.T, axis=0)
    return (v.dpooled * (alpha[..., None] * v.hs).sum(axis=0)).sum()


_LSTM = ("xs", "h0", "c0", "U", "W", "b")
_PEEPHOLES = ("p_i", "p_f", "p_o")

ATTACKS: dict[tuple[str, str], Attack] = {
    ("rnn", "vector_input_backward"): Attack(vector_input, ("R", "x")),
    ("rnn", "output_to_hidden_step_backward"): Attack(output_to_hidden_step, ("V", "W", "o_prev")),
    ("rnn", "many_to_one_backward"): Attack(
        many_to_one, ("hs", "V", "c"), lambda a: {"c": (len(a.V),)}
    ),
    ("bptt", "output_backward"): Attack(
        output, ("hs", "V", "c"), lambda a: {"c": (len(a.V),)}
    ),
    ("bptt", "rnn_step_backward"): Attack(
        rnn_step, ("x", "h_prev", "U", "W", "b"), lambda a: {"b": (len(a.W),)}
    ),
    ("bptt", "rnn_backward"): Attack(rnn, ("xs", "h0", "U", "W", "b"), _rnn_fresh),
    ("bptt", "rnn_backward_padded"): Attack(rnn, ("xs", "h0", "U", "W", "b"), _rnn_fresh),
    ("bptt", "truncated_backward"): Attack(rnn, ("U", "W", "b"), _rnn_fresh),
    ("bptt", "teacher_forced_backward"): Attack(
        teacher_forced, ("U", "W", "b", "V", "c"), _teacher_fresh
    ),
    ("vanishing_gradients", "leaky_backward"): Attack(
        leaky,
        ("xs", "h0", "U", "W", "b", "leak"),
        lambda a: {"h0": a.us.shape[1:], "b": a.leak.shape},
    ),
    ("vanishing_gradients", "skip_backward"): Attack(
        skip, ("xs", "past", "U", "W", "R", "b"), lambda a: {"b": (len(a.W),)}
    ),
    ("vanishing_gradients", "flow_regulariser_backward"): Attack(
        flow_regulariser, ("W",), lambda a: {"W": (a.p.shape[2], a.p.shape[2])}
    ),
    ("lstm", "state_backward"): Attack(
        lstm_state, ("i", "f", "g", "o", "c_prev"), elementwise=True
    ),
    ("lstm", "gates_backward"): Attack(lstm_gates, ("x", "h_prev", "U", "W", "b"), _gated(4)),
    ("lstm", "lstm_backward"): Attack(lstm, _LSTM, _gated(4)),
    ("lstm", "lstm_backward_padded"): Attack(lstm, _LSTM, _gated(4)),
    ("lstm", "truncated_backward"): Attack(lstm_1997, ("xs", "c0", "U", "W", "b"), _gated(3)),
    ("gru", "gru_step_backward"): Attack(gru_step, ("x", "h_prev", "U", "W", "b"), _gated(3)),
    ("gru", "gru_step_after_backward"): Attack(
        gru_step_after, ("x", "h_prev", "U", "W", "b", "b_hn"), _gated(3)
    ),
    ("gru", "gru_backward"): Attack(gru, ("xs", "h0", "U", "W", "b"), _gated(3)),
    ("gru", "simplified_gru_backward"): Attack(
        gru_simplified, ("x", "h_prev", "U", "W", "b"), _gated(2)
    ),
    ("peephole", "peephole_cell_backward"): Attack(
        peephole_cell,
        ("a_i", "a_f", "a_g", "a_o", "c_prev"),
        lambda a: dict.fromkeys(("a_i", "a_f", "a_g", "a_o"), a.i.shape),
        elementwise=True,
    ),
    ("peephole", "peephole_step_backward"): Attack(
        peephole_step, ("x", "h_prev", "c_prev", "U", "W", "b", *_PEEPHOLES), _gated(4)
    ),
    ("peephole", "peephole_backward"): Attack(lstm, (*_LSTM, *_PEEPHOLES), _gated(4)),
    ("peephole", "coupled_backward"): Attack(
        coupled, ("x", "h_prev", "c_prev", "U", "W", "b"), _gated(3)
    ),
    ("bidirectional", "output_backward"): Attack(
        output_of_two, ("V1", "V2", "c", "hs", "gs"), lambda a: {"c": (len(a.V1),)}
    ),
    ("bidirectional", "corner_scan_backward"): Attack(
        corner_scan, ("U", "W", "R", "b", "images"), lambda a: {"b": (len(a.W),)}
    ),
    ("deep", "transition_step_backward"): Attack(
        transition_step,
        ("x", "h_prev", "U", "W", "b", "S"),
        lambda a: {"b": a.W.shape[:2]},
    ),
    ("encoder_decoder", "every_step_backward"): Attack(every_step, ("C", "R")),
    ("encoder_decoder", "bridge_backward"): Attack(
        bridge, ("C", "P", "p"), lambda a: {"p": (len(a.P),)}
    ),
    ("encoder_decoder", "decoder_backward"): Attack(
        decoder, ("C",), lambda a: {"C": (len(a.h0), a.R.shape[1])}
    ),
    ("encoder_decoder", "encoder_backward"): Attack(
        encoder, ("E", "U", "W", "b"), lambda a: {"b": (len(a.W),)}
    ),
    ("attention", "attend_backward"): Attack(
        attend, ("e", "values"), lambda a: {"e": a.weights.shape}
    ),
    ("attention", "additive_backward"): Attack(additive, ("queries", "keys", "v", "W", "U")),
    ("attention", "self_attention_backward"): Attack(
        self_attention, ("xs", "W_query", "W_key", "W_value")
    ),
    ("attention", "pool_backward"): Attack(
        pool, ("hs", "W", "b", "u"), lambda a: {"b": a.u.shape}
    ),
}  # fmt: skip
"""By chapter and function; what is handed through whole layers has none (see differences)."""
