"""Examples and named mistakes of chapter 6's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan

from . import examples

WITHHOLD: list[str] = []

SMALL = "one example, D = 2 and H = 5"
LARGE = "inputs of size 1000, H = 3"
FREE = "one example, H = 5, values that no forward pass gives"
PADDED = "T = 4, lengths 2, 3 and 1, D = 2 and H = 5"

OLD_CELL = "The output gate's peephole was fed with the old cell state; o sees the new one, C."
NEW_CELL = "i and f saw the new cell state, which does not exist yet; they see the old one, C'."
SLOPE_AT_H = "The derivative of tanh(C) was taken at h, 1 − h²; it is 1 − tanh²C."
NOT_CARRIED = "dc is not carried: what the next step sends, dc_next, is missing."
WRONG_TIME_O = "dp_o was made with the old cell state; the output gate saw the new one, C."
WRONG_TIME_IF = "dp_i and dp_f were made with the new cell state; i and f saw the old one, C'."
MISPLACED = (
    "dh_prev is k(1 − k) ⊙ (W^k)ᵀ∇_k, as the notes print it: the slope belongs before the "
    "transposed product; the two agree only for one unit."
)
NOT_SUMMED = "The bias gradient is not summed over the batch: db has b's shape."
NO_PEEPHOLE_O = "∇_C lacks p^o ⊙ δ^o: the output gate read C through its peephole."
ANEW = "tanh C was computed anew; use the values that come as arguments."
ANEW_GATES = "tanh C was computed anew from i, f, g and C'; use the values that come as arguments."
ANEW_C = "C was computed anew from i, f, g and C'; use the values that come as arguments."
FIRST = "Every sequence ended with the first one, after lengths[0] steps; each has its own length."
NO_PEEPHOLES_IF = "dc_prev lacks p^i ⊙ δ^i + p^f ⊙ δ^f: both gates read C' through their peepholes."


def sigmoid(a):
    return 0.5 + 0.5 * np.tanh(a / 2)


def peepholes(rng, H=4):
    return {f"p_{k}": rng.normal(size=H) for k in "ifo"}


def drive_args(rng, N=2, D=3, H=4, blocks=4, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "c_prev": rng.normal(size=(N, H)),
        "U": rng.normal(size=(blocks * H, D)),
        "W": rng.normal(size=(blocks * H, H)),
        "b": rng.normal(size=blocks * H),
    }


def step_args(rng, N=2, D=3, H=4, absent="", scale=1.0):
    made = {**drive_args(rng, N, D, H, scale=scale), **peepholes(rng, H)}
    return {**made, **{f"p_{k}": None for k in absent}}


def step(x, h_prev, c_prev, U, W, b, p_i, p_f, p_o, order="ifgo", o_old=False, if_new=False,
         squashed=False, sees_h=False, inside=True):  # fmt: skip
    """Take a step with switches for the mistakes; absent peepholes are zeros."""
    p_i, p_f, p_o = (0.0 if p is None else p for p in (p_i, p_f, p_o))
    a = dict(zip(order, np.split(x @ U.T + h_prev @ W.T + b, 4, axis=1), strict=True))
    seen = np.tanh(c_prev) if squashed else h_prev if sees_h else c_prev
    g = np.tanh(a["g"])

    def state(seen):
        if inside:
            i, f = sigmoid(a["i"] + p_i * seen), sigmoid(a["f"] + p_f * seen)
        else:
            i, f = sigmoid(a["i"]) + p_i * seen, sigmoid(a["f"]) + p_f * seen
        return f * c_prev + i * g

    c = state(seen)
    if if_new:
        c = state(c)
    shown = c_prev if o_old else np.tanh(c) if squashed else h_prev if sees_h else c
    o = sigmoid(a["o"] + p_o * shown) if inside else sigmoid(a["o"]) + p_o * shown
    return o * np.tanh(c), c


def full_matrix(p_i, p_f, p_o, **a):
    """Let each unit of a gate see the sum of the cell's units."""
    H = a["h_prev"].shape[1]
    c_prev = a["c_prev"]
    drive = a["x"] @ a["U"].T + a["h_prev"] @ a["W"].T + a["b"]
    a_i, a_f, a_g, a_o = np.split(drive, 4, axis=1)
    ones = np.ones((H, H))
    i, f = sigmoid(a_i + p_i * (c_prev @ ones)), sigmoid(a_f + p_f * (c_prev @ ones))
    c = f * c_prev + i * np.tanh(a_g)
    o = sigmoid(a_o + (0 if p_o is None else p_o) * (c @ ones))
    return o * np.tanh(c), c


def all_or_none(**a):
    absent = any(a[f"p_{k}"] is None for k in "ifo")
    return step(**{**a, **{f"p_{k}": None for k in "ifo" if absent}})


def values(rng, letters="ifgo", shape=(2, 4), free=False):
    if free:
        return {k: rng.normal(size=shape) for k in letters}
    return {
        k: rng.uniform(-1, 1, shape) if k == "g" else rng.uniform(0.1, 0.9, shape) for k in letters
    }


def cell_args(rng, N=2, H=4, free=False):
    shape = N, H
    made, c_prev = values(rng, shape=shape, free=free), rng.normal(size=shape)
    tanh_c = np.tanh(made["f"] * c_prev + made["i"] * made["g"])
    return {
        "dh": rng.normal(size=shape),
        "dc_next": rng.normal(size=shape),
        **made,
        "c_prev": c_prev,
        "tanh_c": rng.normal(size=shape) if free else tanh_c,
        **peepholes(rng, H),
    }


def errors(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o, carry=True, slope=None,
           to_c=True, to_c_prev=True, raw_o=False, slopes=True, belt=True, swap=False):  # fmt: skip
    """Compute the errors with switches for the mistakes."""
    slope = 1 - tanh_c**2 if slope is None else slope
    into_o = tanh_c * dh
    delta_o = into_o * (o * (1 - o) if slopes else 1)
    dc = (dc_next if carry else 0) + o * slope * dh
    dc = dc + p_o * ((into_o if raw_o else delta_o) if to_c else 0)
    delta_i = g * dc * (i * (1 - i) if slopes else 1)
    delta_f = c_prev * dc * (f * (1 - f) if slopes else 1)
    delta_g = i * dc * ((1 - g**2) if slopes else 1)
    dc_prev = (f * dc if belt else dc) + (p_i * delta_i + p_f * delta_f if to_c_prev else 0)
    if swap:
        delta_i, delta_f = delta_f, delta_i
    return delta_i, delta_f, delta_g, delta_o, dc_prev


def back_args(rng, N=2, D=3, H=4, free=False):
    made = cell_args(rng, N, H, free)
    own = {k: made.pop(f"p_{k}") for k in "ifo"}
    tanh_c = made.pop("tanh_c")
    return {
        **made,
        "c": rng.normal(size=(N, H)) if free else np.arctanh(tanh_c),
        "tanh_c": tanh_c,
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        **{f"p_{k}": own[k] for k in "ifo"},
    }


def misplaced(delta, gates, slopes, W):
    """The notes' k(1 − k) ⊙ (W^k)ᵀ ∇_k."""
    pieces = zip(delta, slopes, np.split(W, len(delta)), strict=True)
    return sum(slope * ((d / slope) @ w) for d, slope, w in pieces)


def back(dh, dc_next, i, f, g, o, c_prev, c, tanh_c, x, h_prev, U, W, p_i, p_f, p_o, order="ifgo",
         summed=True, o_old=False, if_new=False, notes=False, mean=False, transposed=False,
         keep_batch=False, **switches):  # fmt: skip
    *deltas, dc_prev = errors(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o, **switches)
    named = dict(zip("ifgo", deltas, strict=True))
    delta = np.hstack([named[k] for k in order])
    dh_prev = delta @ W
    if notes:
        slopes = [i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)]
        dh_prev = misplaced(deltas, (i, f, g, o), slopes, W)
    if transposed:
        dh_prev = delta @ np.vstack([w.T for w in np.split(W, 4)])
    seen_if, seen_o = (c if if_new else c_prev), (c_prev if o_old else c)
    dps = [named["i"] * seen_if, named["f"] * seen_if, named["o"] * seen_o]
    if not keep_batch:
        dps = [dp.mean(axis=0) if mean else dp.sum(axis=0) for dp in dps]
    db = delta.sum(axis=0) if summed else delta
    return delta @ U, dh_prev, dc_prev, delta.T @ x, delta.T @ h_prev, db, *dps


def forward_args(rng, T=5, D=3, H=4, lengths=(3, 5)):
    N = len(lengths)
    one = drive_args(rng, N, D, H)
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": one["h_prev"],
        "c0": one["c_prev"],
        **{k: one[k] for k in "UWb"},
        **peepholes(rng, H),
        "lengths": np.array(lengths),
    }


def scan(xs, h0, c0, U, W, b, p_i, p_f, p_o, lengths, carry_h=True, carry_c=True, freeze=True,
         zero=True, frozen_peephole=False, first=False, **switches):  # fmt: skip
    h, c, hs = h0, c0, []
    if first:
        lengths = np.minimum(lengths, lengths[0])
    for t, x in enumerate(xs):
        live = (t < lengths)[:, None]
        before = h if carry_h else h0, c if carry_c else c0
        if frozen_peephole:
            shift = np.hstack([p_i * c0, p_f * c0, 0 * c0, p_o * c0])
            gates = np.split(x @ U.T + h @ W.T + b + shift, 4, axis=1)
            new_c = sigmoid(gates[1]) * c + sigmoid(gates[0]) * np.tanh(gates[2])
            new_h = sigmoid(gates[3]) * np.tanh(new_c)
        else:
            new_h, new_c = step(x, *before, U, W, b, p_i, p_f, p_o, **switches)
        h = np.where(live, new_h, h) if freeze else new_h
        c = np.where(live, new_c, c) if freeze else new_c
        hs.append(np.where(live, new_h, 0) if zero else h)
    return np.array(hs), h, c


def sequence_args(rng, T=5, D=3, H=4, lengths=(3, 5), free=False):
    N = len(lengths)
    shape = (T, N, H)
    gates = rng.uniform(0.1, 0.9, size=(T, N, 4 * H))
    gates[..., 2 * H : 3 * H] = rng.uniform(-1, 1, size=shape)
    if free:
        gates = rng.normal(size=gates.shape)
    c_prevs = rng.normal(size=shape)
    i, f, g, _ = np.split(gates, 4, axis=2)
    cs = rng.normal(size=shape) if free else f * c_prevs + i * g
    return {
        "dhs": rng.normal(size=shape),
        "dh_last": rng.normal(size=(N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "h_prevs": rng.uniform(-1, 1, size=shape),
        "c_prevs": c_prevs,
        "cs": cs,
        "tanh_cs": rng.normal(size=shape) if free else np.tanh(cs),
        "gates": gates,
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        **peepholes(rng, H),
        "lengths": np.array(lengths),
    }


def bptt(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, cs, tanh_cs, gates, U, W, p_i, p_f, p_o,
         lengths, carry_h=True, carry_c=True, at_h=False, heed=True, pass_on=True, late=0,
         leak=False, first=False, **switches):  # fmt: skip
    dxs, totals = np.zeros_like(xs), [0.0] * 6
    dh, dc = dh_last, dc_last
    for t in reversed(range(lengths[0] if first else len(xs))):
        live = (t < lengths)[:, None] if heed else np.ones((len(dh), 1), bool)
        i, f, g, o = np.split(gates[t], 4, axis=1)
        if at_h:
            switches["slope"] = 1 - (o * tanh_cs[t]) ** 2
        # the peepholes' gradient with the cell states of a step beside
        beside = max(t - late, 0)
        arguments = (i, f, g, o, c_prevs[t], cs[t], tanh_cs[t], xs[t], h_prevs[t], U, W)
        into_h, into_c = np.where(live, dh + dhs[t], 0), np.where(live, dc, 0)
        if leak:
            dh = dh + dhs[t]
        dxs[t], new_h, new_c, *more = back(into_h, into_c, *arguments, p_i, p_f, p_o, **switches)
        if late:
            *deltas, _ = errors(into_h, into_c, i, f, g, o, c_prevs[t], tanh_cs[t], p_i, p_f, p_o)
            seen = (c_prevs[beside], c_prevs[beside], cs[beside])
            pieces = zip((deltas[0], deltas[1], deltas[3]), seen, strict=True)
            more[3:] = [(d * c).sum(axis=0) for d, c in pieces]
        totals = [total + m for total, m in zip(totals, more, strict=True)]
        dh = np.where(live, new_h * carry_h, dh * pass_on)
        dc = np.where(live, new_c * carry_c, dc * pass_on)
    return dxs, dh, dc, *totals


def graves_args(rng, N=2, K=4, H=4):
    return {
        "delta_k": rng.normal(size=(N, K)),
        "delta_next": rng.normal(size=(N, 4 * H)),
        "eps_s_next": rng.normal(size=(N, H)),
        "b_phi_next": rng.uniform(0.1, 0.9, size=(N, H)),
        "b_omega": rng.uniform(0.1, 0.9, size=(N, H)),
        "h_s": rng.uniform(-1, 1, size=(N, H)),
        "dh_s": rng.uniform(0.1, 1, size=(N, H)),
        "df_omega": rng.uniform(0.05, 0.25, size=(N, H)),
        "w_ck": rng.normal(size=(H, K)),
        "w_cj": rng.normal(size=(H, 4 * H)),
        **{name: rng.normal(size=H) for name in ("w_ci", "w_cf", "w_co")},
    }


def graves(delta_k, delta_next, eps_s_next, b_phi_next, b_omega, h_s, dh_s, df_omega, w_ck, w_cj,
           w_ci, w_cf, w_co, turned=False, next_c=True, next_s=True, own="delta", order="ifgo",
           swap=False, slope=True, forget=True):  # fmt: skip
    eps_c = delta_k @ (w_ck if turned else w_ck.T)
    if next_c:
        eps_c = eps_c + delta_next @ w_cj.T
    delta_omega = (df_omega if slope else 1) * (dh_s if swap else h_s) * eps_c
    later = dict(zip(order, np.split(delta_next, 4, axis=1), strict=True))
    into_o = later["o"] if own == "next" else delta_omega * (own == "delta")
    eps_s = b_omega * (h_s if swap else dh_s) * eps_c
    if next_s:
        eps_s = eps_s + (b_phi_next if forget else 1) * eps_s_next
        eps_s = eps_s + w_ci * later["i"] + w_cf * later["f"]
    return eps_c, delta_omega, eps_s + w_co * into_o


def coupled(x, h_prev, c_prev, U, W, b, order="fgo", inverted=False, both=False, alone=False,
            old=False):  # fmt: skip
    a = dict(zip(order, np.split(x @ U.T + h_prev @ W.T + b, 3, axis=1), strict=True))
    f, g = sigmoid(a["f"]), np.tanh(a["g"])
    stay, enter = (1 - f, f) if inverted else (f, f if both else 1.0 if alone else 1 - f)
    c = stay * c_prev + enter * g
    return sigmoid(a["o"]) * np.tanh(c_prev if old else c), c


def coupled_args(rng, N=2, D=3, H=4, free=False):
    shape = N, H
    made, c_prev = values(rng, "fgo", shape, free), rng.normal(size=shape)
    tanh_c = np.tanh(made["f"] * c_prev + (1 - made["f"]) * made["g"])
    return {
        "dh": rng.normal(size=shape),
        "dc_next": rng.normal(size=shape),
        **made,
        "c_prev": c_prev,
        "tanh_c": rng.normal(size=shape) if free else tanh_c,
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=shape),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
    }


def coupled_back(dh, dc_next, f, g, o, c_prev, tanh_c, x, h_prev, U, W, carry=True, at_h=False,
                 meet="both", enter=None, notes=False, order="fgo", summed=True):  # fmt: skip
    slope = 1 - (o * tanh_c) ** 2 if at_h else 1 - tanh_c**2
    dc = (dc_next if carry else 0) + o * slope * dh
    mixed = {"both": c_prev - g, "stay": c_prev, "plus": c_prev + g, "turned": g - c_prev}[meet]
    enter = 1 - f if enter is None else enter
    slopes = {"f": f * (1 - f), "g": 1 - g**2, "o": o * (1 - o)}
    named = {"f": mixed * dc, "g": enter * dc, "o": tanh_c * dh}
    delta = np.hstack([slopes[k] * named[k] for k in order])
    dh_prev = delta @ W
    if notes:
        pieces = zip("fgo", np.split(W, 3), strict=True)
        dh_prev = sum(slopes[k] * (named[k] @ w) for k, w in pieces)
    db = delta.sum(axis=0) if summed else delta
    return delta @ U, dh_prev, f * dc, delta.T @ x, delta.T @ h_prev, db


def clockwork(x, h_prev, U, W, b, periods, step, hears=np.greater_equal, idle="keep", due=None,
              interleaved=False, ranked=False, own=False):  # fmt: skip
    size = len(b) // len(periods)
    period = np.tile(periods, size) if interleaved else np.repeat(periods, size)
    module = np.repeat(range(len(periods)), size)
    heard = module if ranked else period
    mask = hears(heard[None, :], heard[:, None])
    if own:
        mask = mask | (module[None, :] == module[:, None])
    fresh = np.tanh(x @ U.T + h_prev @ (W * mask).T + b)
    due = step % period == 0 if due is None else due(period, step)
    return np.where(due, fresh, h_prev if idle == "keep" else 0 * h_prev)


def depth_args(rng, N=2, H=4):
    return {
        "h_below": rng.uniform(-1, 1, size=(N, H)),
        "c_below": rng.normal(size=(N, H)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "c_prev": rng.normal(size=(N, H)),
        "U": rng.normal(size=(5 * H, H)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=5 * H),
        "p_c": rng.normal(size=H),
        "p_below": rng.normal(size=H),
    }


def depth(h_below, c_below, h_prev, c_prev, U, W, b, p_c, p_below, lift="c", peek=True,
          exchanged=False, order="ifgod", squash=sigmoid):  # fmt: skip
    a = dict(zip(order, np.split(h_below @ U.T + b, 5, axis=1), strict=True))
    for k, own in zip(order, np.split(h_prev @ W.T, 4, axis=1), strict=False):
        a[k] = a[k] + own
    seen = p_c * c_below + p_below * c_prev if exchanged else p_c * c_prev + p_below * c_below
    d = squash(a["d"] + (seen if peek else 0))
    lower = {"c": c_below, "h": h_below, "none": 0.0, "tanh": np.tanh(c_below)}[lift]
    c = sigmoid(a["f"]) * c_prev + sigmoid(a["i"]) * np.tanh(a["g"]) + d * lower
    return sigmoid(a["o"]) * np.tanh(c), c


SEQUENCE = ("dU", "dW", "db", "dp_i", "dp_f", "dp_o")

EXAMPLES = {
    "peephole_step": Example(
        args=step_args,
        also={
            "p_i is None, D = 2 and H = 5": lambda rng: step_args(rng, 1, 2, 5, "i"),
            "p_f is None": lambda rng: step_args(rng, 3, 1, 2, "f"),
            "p_o is None": lambda rng: step_args(rng, 3, 1, 2, "o"),
            "all three peepholes are None": lambda rng: step_args(rng, 3, 1, 2, "ifo"),
            LARGE: lambda rng: step_args(rng, 4, 2, 3, scale=1e3),
        },
        outputs=("h", "c"),
        mistakes={
            OLD_CELL: lambda **a: step(**a, o_old=True),
            NEW_CELL: lambda **a: step(**a, if_new=True),
            "The peepholes saw tanh of the cell state; they see the cell state itself.": (
                lambda **a: step(**a, squashed=True)
            ),
            "The peepholes saw h'; they see the cell state.": lambda **a: step(**a, sees_h=True),
            "There are no peepholes: this is a plain LSTM.": lambda **a: step(
                **{**a, "p_i": None, "p_f": None, "p_o": None}
            ),
            "One peephole is None, and all were left out; each gate has its own.": all_or_none,
            "Each gate's unit saw all units of the cell; a peephole is diagonal, unit j sees "
            "unit j.": full_matrix,
            "The peephole's term was added behind the sigmoid; it belongs inside.": (
                lambda **a: step(**a, inside=False)
            ),
            "Gates swapped: the blocks were read f, i, g, o; they are stacked i, f, g, o.": (
                lambda **a: step(**a, order="figo")
            ),
            "Gates swapped: the blocks were read i, f, o, g; they are stacked i, f, g, o.": (
                lambda **a: step(**a, order="ifog")
            ),
        },
    ),
    "peephole_cell_backward": Example(
        args=cell_args,
        also={FREE: lambda rng: cell_args(rng, 1, 5, free=True)},
        outputs=("delta_i", "delta_f", "delta_g", "delta_o", "dc_prev"),
        mistakes={
            NOT_CARRIED: lambda **a: errors(**a, carry=False),
            SLOPE_AT_H: lambda **a: errors(**a, slope=1 - (a["o"] * a["tanh_c"]) ** 2),
            "The derivative was taken as 1 − tanh²(tanh_c), but tanh_c is already tanh C.": (
                lambda **a: errors(**a, slope=1 - np.tanh(a["tanh_c"]) ** 2)
            ),
            ANEW: lambda **a: errors(
                **{**a, "tanh_c": np.tanh(a["f"] * a["c_prev"] + a["i"] * a["g"])}
            ),
            NO_PEEPHOLE_O: lambda **a: errors(**a, to_c=False),
            NO_PEEPHOLES_IF: lambda **a: errors(**a, to_c_prev=False),
            "p^o was multiplied by ∇_o; the peephole stands inside the sigmoid, so it is p^o ⊙ δ^o.": (
                lambda **a: errors(**a, raw_o=True)
            ),
            "The slopes of the activations are missing.": lambda **a: errors(**a, slopes=False),
            "The belt's factor f is missing in dc_prev.": lambda **a: errors(**a, belt=False),
            "Gates swapped: delta_i and delta_f are exchanged.": lambda **a: errors(**a, swap=True),
        },
    ),
    "peephole_step_backward": Example(
        args=back_args,
        also={FREE: lambda rng: back_args(rng, 1, 2, 5, free=True)},
        outputs=("dx", "dh_prev", "dc_prev", *SEQUENCE),
        mistakes={
            WRONG_TIME_O: lambda **a: back(**a, o_old=True),
            WRONG_TIME_IF: lambda **a: back(**a, if_new=True),
            NOT_CARRIED: lambda **a: back(**a, carry=False),
            SLOPE_AT_H: lambda **a: back(**a, slope=1 - (a["o"] * a["tanh_c"]) ** 2),
            ANEW: lambda **a: back(**{**a, "tanh_c": np.tanh(a["c"])}),
            ANEW_GATES: lambda **a: back(
                **{**a, "tanh_c": np.tanh(a["f"] * a["c_prev"] + a["i"] * a["g"])}
            ),
            ANEW_C: lambda **a: back(**{**a, "c": a["f"] * a["c_prev"] + a["i"] * a["g"]}),
            NO_PEEPHOLE_O: lambda **a: back(**a, to_c=False),
            NO_PEEPHOLES_IF: lambda **a: back(**a, to_c_prev=False),
            MISPLACED: lambda **a: back(**a, notes=True),
            NOT_SUMMED: lambda **a: back(**a, summed=False),
            "The peepholes' gradients are not summed over the batch: dp_i has p_i's shape, (H,).": (
                lambda **a: back(**a, keep_batch=True)
            ),
            "The peepholes' gradients are means over the batch; they are sums.": (
                lambda **a: back(**a, mean=True)
            ),
            "Gates swapped: the errors are stacked f, i, g, o; the order is i, f, g, o.": (
                lambda **a: back(**a, order="figo")
            ),
            "delta @ W.T was computed block by block; the row form of Wᵀδ is delta @ W.": (
                lambda **a: back(**a, transposed=True)
            ),
        },
    ),
    "peephole_forward": Example(
        args=forward_args,
        also={
            PADDED: lambda rng: forward_args(rng, 4, 2, 5, (2, 3, 1)),
            ON_PADDING: with_nan(forward_args, "xs"),
        },
        outputs=("hs", "h_last", "c_last"),
        time_major=("hs",),
        mistakes={
            OLD_CELL: lambda **a: scan(**a, o_old=True),
            NEW_CELL: lambda **a: scan(**a, if_new=True),
            "The peepholes saw c0 at every step; they see the cell state of their own time.": (
                lambda **a: scan(**a, frozen_peephole=True)
            ),
            "The cell state is not carried: every step started from c0.": lambda **a: scan(
                **a, carry_c=False
            ),
            "The hidden state is not carried: every step read h0.": lambda **a: scan(
                **a, carry_h=False
            ),
            "The states went on changing on padding; they stay as the last real step left them.": (
                lambda **a: scan(**a, freeze=False)
            ),
            "The outputs repeat the last state on padding; they are zero there.": lambda **a: scan(
                **a, zero=False
            ),
            "h_last is zero for a sequence that ended earlier, as hs[-1] is; its state stays as the last real step left it.": (
                lambda **a: (scan(**a)[0], scan(**a)[0][-1], scan(**a)[2])
            ),
            FIRST: lambda **a: scan(**a, first=True),
            "Gates swapped: the blocks were read f, i, g, o; they are stacked i, f, g, o.": (
                lambda **a: scan(**a, order="figo")
            ),
        },
    ),
    "peephole_backward": Example(
        args=sequence_args,
        also={
            f"{PADDED}, values that no forward pass gives": (
                lambda rng: sequence_args(rng, 4, 2, 5, (2, 3, 1), free=True)
            ),
            ON_PADDING: with_nan(sequence_args, "dhs"),
        },
        outputs=("dxs", "dh0", "dc0", *SEQUENCE),
        time_major=("dxs",),
        mistakes={
            "dc is not carried back: the belt and the peepholes lead to the step before.": (
                lambda **a: bptt(**a, carry_c=False)
            ),
            "dh is not carried back: the gates of the next step read h as well.": lambda **a: bptt(
                **a, carry_h=False
            ),
            SLOPE_AT_H: lambda **a: bptt(**a, at_h=True),
            NO_PEEPHOLE_O: lambda **a: bptt(**a, to_c=False),
            NO_PEEPHOLES_IF: lambda **a: bptt(**a, to_c_prev=False),
            WRONG_TIME_O: lambda **a: bptt(**a, o_old=True),
            WRONG_TIME_IF: lambda **a: bptt(**a, if_new=True),
            "The peepholes' gradients took the cell states of the step before.": (
                lambda **a: bptt(**a, late=1)
            ),
            MISPLACED: lambda **a: bptt(**a, notes=True),
            "The lengths were ignored: padding got and gave gradients.": lambda **a: bptt(
                **a, heed=False
            ),
            "On padding dh and dc were set to zero; a frozen state is a copy, they pass unchanged.": (
                lambda **a: bptt(**a, pass_on=False)
            ),
            "dhs on padding was added to dh; a zero output depends on nothing.": lambda **a: bptt(
                **a, leak=True
            ),
            "dh_last was ignored: it enters at the last step, beside dhs[-1].": lambda **a: bptt(
                **{**a, "dh_last": 0 * a["dh_last"]}
            ),
            "dc_last was ignored: it enters at the last step.": lambda **a: bptt(
                **{**a, "dc_last": 0 * a["dc_last"]}
            ),
            FIRST: lambda **a: bptt(**a, first=True),
            ANEW: lambda **a: bptt(**{**a, "tanh_cs": np.tanh(a["cs"])}),
        },
    ),
    "graves_errors": Example(
        args=graves_args,
        also={"one example, K = 3 outputs and H = 5": lambda rng: graves_args(rng, 1, 3, 5)},
        outputs=("eps_c", "delta_omega", "eps_s"),
        mistakes={
            "w_co was given the δ_ω of step t + 1; the output gate saw the cell state of its own "
            "step.": lambda **a: graves(**a, own="next"),
            "The term w_co δ_ω is missing in eps_s.": lambda **a: graves(**a, own="none"),
            "δ_ι and δ_φ are exchanged: delta_next is stacked input gate, forget gate, cell, "
            "output gate.": lambda **a: graves(**a, order="figo"),
            "w_ck was used transposed: it leads from c to k, so its rows are cells.": (
                lambda **a: graves(**a, turned=True)
            ),
            "eps_c lacks what comes from step t + 1.": lambda **a: graves(**a, next_c=False),
            "eps_s lacks what comes from step t + 1.": lambda **a: graves(**a, next_s=False),
            "eps_s_next was not multiplied by b_phi of step t + 1.": lambda **a: graves(
                **a, forget=False
            ),
            "h(s) and h'(s) are exchanged.": lambda **a: graves(**a, swap=True),
            "The slope f'(a_ω) is missing in δ_ω.": lambda **a: graves(**a, slope=False),
        },
    ),
    "coupled_step": Example(
        args=lambda rng: drive_args(rng, blocks=3),
        also={
            SMALL: lambda rng: drive_args(rng, 1, 2, 5, blocks=3),
            LARGE: lambda rng: drive_args(rng, 4, 2, 3, blocks=3, scale=1e3),
        },
        outputs=("h", "c"),
        mistakes={
            "The gate is inverted: f says how much of C' stays, 1 − f how much of g enters.": (
                lambda **a: coupled(**a, inverted=True)
            ),
            "f multiplies both; the candidate enters by 1 − f.": lambda **a: coupled(
                **a, both=True
            ),
            "The candidate enters whole; it enters by 1 − f.": lambda **a: coupled(**a, alone=True),
            "h was made from the old cell state.": lambda **a: coupled(**a, old=True),
            "The blocks were read f, o, g; they are stacked f, g, o.": lambda **a: coupled(
                **a, order="fog"
            ),
            "The blocks were read g, f, o; they are stacked f, g, o.": lambda **a: coupled(
                **a, order="gfo"
            ),
        },
    ),
    "coupled_backward": Example(
        args=coupled_args,
        also={FREE: lambda rng: coupled_args(rng, 1, 2, 5, free=True)},
        outputs=("dx", "dh_prev", "dc_prev", "dU", "dW", "db"),
        mistakes={
            "δ^f lacks −g: the gate also decides how much enters, so C' − g stands there.": (
                lambda **a: coupled_back(**a, meet="stay")
            ),
            "δ^f has C' + g; behind 1 − f the sign turns: C' − g.": lambda **a: coupled_back(
                **a, meet="plus"
            ),
            "δ^f has its sign turned: C' − g, because f multiplies C' and 1 − f multiplies g.": (
                lambda **a: coupled_back(**a, meet="turned")
            ),
            "δ^g has the factor f; the candidate enters by 1 − f.": lambda **a: coupled_back(
                **a, enter=a["f"]
            ),
            NOT_CARRIED: lambda **a: coupled_back(**a, carry=False),
            SLOPE_AT_H: lambda **a: coupled_back(**a, at_h=True),
            ANEW: lambda **a: coupled_back(
                **{**a, "tanh_c": np.tanh(a["f"] * a["c_prev"] + (1 - a["f"]) * a["g"])}
            ),
            MISPLACED: lambda **a: coupled_back(**a, notes=True),
            NOT_SUMMED: lambda **a: coupled_back(**a, summed=False),
            "Gates swapped: the errors are stacked g, f, o; the order is f, g, o.": (
                lambda **a: coupled_back(**a, order="gfo")
            ),
        },
    ),
    "clockwork_step": Example(
        args=examples.clockwork_step,
        also={
            "periods 2, 3, 4 and 6, H = 12, step 3": (
                lambda rng: examples.clockwork_step(rng, 3, 1, 12, (2, 3, 4, 6), 3)
            ),
            "periods 1, 2 and 2, step 2": (
                lambda rng: examples.clockwork_step(rng, 1, 2, 3, (1, 2, 2), 2)
            ),
        },
        outputs=("h",),
        mistakes={
            "The mask is transposed: a module hears itself and slower ones, not faster ones.": (
                lambda **a: clockwork(**a, hears=np.less_equal)
            ),
            "There is no mask: modules heard faster ones too.": lambda **a: clockwork(
                **a, hears=lambda k, j: np.ones(np.broadcast(k, j).shape)
            ),
            "A module does not hear itself; it hears itself and slower ones.": lambda **a: (
                clockwork(**a, hears=np.greater)
            ),
            "A module hears itself alone; it hears slower ones too.": lambda **a: clockwork(
                **a, hears=np.equal
            ),
            "All modules were updated; only those whose period divides the step are.": (
                lambda **a: clockwork(**a, due=lambda period, step: period > 0)
            ),
            "Modules that are not due were set to zero; they keep their state.": (
                lambda **a: clockwork(**a, idle="zero")
            ),
            "Steps were counted from 0: at step t the periods that divide t are due.": (
                lambda **a: clockwork(**a, due=lambda period, step: (step - 1) % period == 0)
            ),
            "The modules were laid unit by unit in turn; each is a block of H / len(periods) units.": (
                lambda **a: clockwork(**a, interleaved=True)
            ),
            "A module heard itself and those behind it; of two with one period each hears the other.": (
                lambda **a: clockwork(**a, ranked=True)
            ),
            "A module heard itself and slower ones alone; it hears others of its own period too.": (
                lambda **a: clockwork(**a, hears=np.greater, own=True)
            ),
        },
    ),
    "depth_gated_step": Example(
        args=depth_args,
        also={"one example, H = 5": lambda rng: depth_args(rng, 1, 5)},
        outputs=("h", "c"),
        mistakes={
            "The depth gate let the lower h through; it joins the cells, so it is the lower C.": (
                lambda **a: depth(**a, lift="h")
            ),
            "The lower cell is missing: this is a plain stack.": lambda **a: depth(
                **a, lift="none"
            ),
            "The lower cell went through tanh; cells are joined without.": lambda **a: depth(
                **a, lift="tanh"
            ),
            "The depth gate's peepholes are missing.": lambda **a: depth(**a, peek=False),
            "p_c and p_below are exchanged: p_c sees the own old cell.": lambda **a: depth(
                **a, exchanged=True
            ),
            "The depth gate went through tanh; a gate is a sigmoid.": lambda **a: depth(
                **a, squash=np.tanh
            ),
            "The blocks were read f, i, g, o, d; they are stacked i, f, g, o, d.": (
                lambda **a: depth(**a, order="figod")
            ),
        },
    ),
}
