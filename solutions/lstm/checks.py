"""Examples and named mistakes of chapter 4's visible checks."""

from functools import partial

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan
from lib.activations import sigmoid

WITHHOLD: list[str] = []


def step_args(rng, N=2, D=3, H=4):
    return {
        "x": rng.normal(size=(N, D)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
        "b": rng.normal(size=4 * H),
    }


def large_step_args(rng):
    args = step_args(rng, 3, 5, 2)
    return {**args, "x": args["x"] * [[1.0], [1e3], [1.0]]}


def overflowing_sigmoid(a):
    with np.errstate(all="ignore"):
        return np.exp(a) / (1 + np.exp(a))


def overflowing_tanh(a):
    with np.errstate(all="ignore"):
        return (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))


def gates(x, h_prev, U, W, b, order="ifgo", candidate=np.tanh, transposed=False, stale=False,
          gate=sigmoid):  # fmt: skip
    blocks = np.split(W, 4)
    into = np.hstack([h_prev @ (w if transposed else w.T) for w in blocks])
    pieces = np.split(x @ U.T + (0 if stale else into) + b, 4, axis=1)
    values = {k: (candidate if k == "g" else gate)(a) for k, a in zip(order, pieces, strict=True)}
    return values["i"], values["f"], values["g"], values["o"]


def state_args(rng, shape=(2, 4)):
    return {
        "i": rng.random(shape),
        "f": rng.random(shape),
        "g": rng.uniform(-1, 1, shape),
        "o": rng.random(shape),
        "c_prev": rng.normal(size=shape),
    }


def with_h(c, o):
    return o * np.tanh(c), c


def state_backward_args(rng):
    values = state_args(rng)
    c = values["f"] * values["c_prev"] + values["i"] * values["g"]
    return {
        "dh": rng.normal(size=(2, 4)),
        "dc_next": rng.normal(size=(2, 4)),
        **values,
        "tanh_c": np.tanh(c),
    }


def free_state_backward_args(rng):
    names = "dh", "dc_next", "i", "f", "g", "o", "c_prev", "tanh_c"
    return {name: 1.5 * rng.normal(size=(3, 2)) for name in names}


def anew(a):
    """Put tanh C, computed again, in the place of what was kept."""
    if "gates" in a:
        i, f, g, _ = np.split(a["gates"], 4, axis=2)
        return {**a, "tanh_cs": np.tanh(f * a["c_prevs"] + i * g)}
    return {**a, "tanh_c": np.tanh(a["f"] * a["c_prev"] + a["i"] * a["g"])}


def state_backward(
    dh, dc_next, i, f, g, o, c_prev, tanh_c, slope=None, carry=True, own=True, gate=True
):
    slope = 1 - tanh_c**2 if slope is None else slope
    dc = (dc_next if carry else 0) + (o if gate else 1) * slope * dh * own
    return g * dc, c_prev * dc, i * dc, tanh_c * dh, f * dc


def gates_backward_args(rng):
    values = state_args(rng)
    return {
        **{f"d{k}": rng.normal(size=(2, 4)) for k in "ifgo"},
        **{k: values[k] for k in "ifgo"},
        "x": rng.normal(size=(2, 3)),
        "h_prev": rng.uniform(-1, 1, size=(2, 4)),
        "U": rng.normal(size=(16, 3)),
        "W": rng.normal(size=(16, 4)),
    }


def free_gates_backward_args(rng):
    names = "di", "df", "dg", "do", "i", "f", "g", "o"
    args = step_args(rng, 3, 5, 2)
    del args["b"]
    return {**{name: 1.5 * rng.normal(size=(3, 2)) for name in names}, **args}


def slopes(i, f, g, o):
    return np.hstack([i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)])


def affine_backward(delta, x, h_prev, U, W):
    return delta @ U, delta @ W, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)


def gates_backward(di, df, dg, do, i, f, g, o, x, h_prev, U, W, slope=slopes, order="ifgo"):
    errors = dict(zip("ifgo", np.split(slope(i, f, g, o), 4, axis=1), strict=True))
    errors = {k: errors[k] * d for k, d in zip("ifgo", (di, df, dg, do), strict=True)}
    return affine_backward(np.hstack([errors[k] for k in order]), x, h_prev, U, W)


def misplaced(di, df, dg, do, i, f, g, o, x, h_prev, U, W):
    """The notes' k(1 − k) ⊙ (W^k)ᵀ ∇_k."""
    right = gates_backward(di, df, dg, do, i, f, g, o, x, h_prev, U, W)
    after = np.split(slopes(i, f, g, o), 4, axis=1)
    pieces = zip(after, (di, df, dg, do), np.split(W, 4), strict=True)
    return right[0], sum(slope * (d @ w) for slope, d, w in pieces), *right[2:]


def replaced(results, place, value):
    return *results[:place], value, *results[place + 1 :]


def forward_args(rng, T=4, D=3, H=4, lengths=(4, 2)):
    N = len(lengths)
    one = step_args(rng, N, D, H)
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": one["h_prev"],
        "c0": rng.normal(size=(N, H)),
        "U": one["U"],
        "W": one["W"],
        "b": one["b"],
        "lengths": np.array(lengths),
    }


def forward_unsorted_args(rng):
    return forward_args(rng, 7, 5, 2, [4, 6, 1])


def sorted_batch(a):
    return {**a, "lengths": np.sort(a["lengths"])[::-1]}


def ended_with_first(a):
    return {**a, "lengths": np.minimum(a["lengths"], a["lengths"][0])}


def scan(
    xs,
    h0,
    c0,
    U,
    W,
    b,
    lengths,
    carry_h=True,
    carry_c=True,
    freeze=True,
    freeze_c=True,
    zero=True,
    order="ifgo",
):
    h, c, hs = h0, c0, []
    for t, x in enumerate(xs):
        live = (t < lengths)[:, None]
        i, f, g, o = gates(x, h if carry_h else h0, U, W, b, order)
        new_c = f * (c if carry_c else c0) + i * g
        new_h = o * np.tanh(new_c)
        h = np.where(live, new_h, h) if freeze else new_h
        c = np.where(live, new_c, c) if freeze and freeze_c else new_c
        hs.append(np.where(live, new_h, 0) if zero else h)
    return np.array(hs), h, c


def backward_args(rng, lengths=None):
    shape = (4, 2, 4)
    c_prevs, values = rng.normal(size=shape), rng.random((4, 2, 16))
    values[..., 8:12] = rng.uniform(-1, 1, size=shape)
    i, f, g, _ = np.split(values, 4, axis=2)
    args = {
        "dhs": rng.normal(size=shape),
        "dh_last": rng.normal(size=(2, 4)),
        "dc_last": rng.normal(size=(2, 4)),
        "xs": rng.normal(size=(4, 2, 3)),
        "h_prevs": rng.uniform(-1, 1, size=shape),
        "c_prevs": c_prevs,
        "gates": values,
        "tanh_cs": np.tanh(f * c_prevs + i * g),
        "U": rng.normal(size=(16, 3)),
        "W": rng.normal(size=(16, 4)),
    }
    return args if lengths is None else {**args, "lengths": np.array(lengths)}


def free_backward_args(rng, lengths=None):
    """Draw a cache that no forward pass gives, of unequal sizes."""
    T, N, D, H = 7, 3, 5, 2
    args = {
        "dhs": rng.normal(size=(T, N, H)),
        "dh_last": rng.normal(size=(N, H)),
        "dc_last": rng.normal(size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "h_prevs": rng.normal(size=(T, N, H)),
        "c_prevs": rng.normal(size=(T, N, H)),
        "gates": rng.normal(size=(T, N, 4 * H)),
        "tanh_cs": rng.normal(size=(T, N, H)),
        "U": rng.normal(size=(4 * H, D)),
        "W": rng.normal(size=(4 * H, H)),
    }
    return args if lengths is None else {**args, "lengths": np.array(lengths)}


def bptt(
    dhs,
    dh_last,
    dc_last,
    xs,
    h_prevs,
    c_prevs,
    gates,
    tanh_cs,
    U,
    W,
    lengths=None,
    carry_c=True,
    carry_h=True,
    slope_at_h=False,
    step=gates_backward,
    pass_on=True,
    heed=True,
    noisy=False,
    bare=False,
):
    """Backpropagate with switches for the mistakes."""
    T, N, _ = xs.shape
    lengths = np.full(N, T) if lengths is None else lengths
    dxs, totals = np.zeros_like(xs), [np.zeros_like(U), np.zeros_like(W), np.zeros(len(U))]
    dh, dc = dh_last, dc_last
    for t in reversed(range(T)):
        live = (t < lengths)[:, None]
        i, f, g, o = np.split(gates[t], 4, axis=1)
        arriving = dh + dhs[t]
        inner = (o * tanh_cs[t]) ** 2 if slope_at_h else tanh_cs[t] ** 2
        *values, dc_prev = state_backward(
            arriving, dc, i, f, g, o, c_prevs[t], tanh_cs[t], slope=1 - inner
        )
        if bare:
            dc_prev = dc + o * (1 - inner) * arriving
        if heed:
            values = [np.where(live, v, 0) for v in values]
        dxs[t], dh_prev, *more = step(*values, i, f, g, o, xs[t], h_prevs[t], U, W)
        totals = [a + m for a, m in zip(totals, more, strict=True)]
        dh_kept = arriving if noisy else dh * pass_on
        dh = np.where(live, dh_prev * carry_h, dh_kept) if heed else dh_prev
        dc = np.where(live, dc_prev * carry_c, dc * pass_on) if heed else dc_prev
    return dxs, dh, dc, *totals


def only_last_step(**a):
    """Take the parameters' gradients of the last visited step, the first in time."""
    full = bptt(**a)
    rest = {k: a[k][1:] for k in ("dhs", "xs", "h_prevs", "c_prevs", "gates", "tanh_cs")}
    later = bptt(**{**a, **rest})
    return *full[:3], *(x - y for x, y in zip(full[3:], later[3:], strict=True))


def truncated_args(rng):
    shape = (4, 2, 4)
    values = rng.random((4, 2, 12))
    values[..., 4:8] = rng.uniform(-1, 1, size=shape)
    return {
        "dhs": rng.normal(size=shape),
        "dc_last": rng.normal(size=(2, 4)),
        "xs": rng.normal(size=(4, 2, 3)),
        "h_prevs": rng.uniform(-1, 1, size=shape),
        "gates": values,
        "tanh_cs": rng.uniform(-1, 1, size=shape),
        "U": rng.normal(size=(12, 3)),
    }


def free_truncated_args(rng):
    args = free_backward_args(rng)
    for name in ("dh_last", "c_prevs", "W"):
        del args[name]
    return {**args, "gates": args["gates"][..., :6], "U": args["U"][:6]}


def truncated(
    dhs,
    dc_last,
    xs,
    h_prevs,
    gates,
    tanh_cs,
    U,
    decay=lambda i: 1.0,
    to_x=True,
    carry=True,
    order="igo",
    frozen=False,
    slope_at_h=False,
):
    dxs, dc = np.zeros_like(xs), dc_last
    totals = [np.zeros_like(U), np.zeros((len(U), dhs.shape[2])), np.zeros(len(U))]
    for t in reversed(range(len(xs))):
        i, g, o = np.split(gates[t], 3, axis=1)
        inner = (o * tanh_cs[t]) ** 2 if slope_at_h else tanh_cs[t] ** 2
        dc = dc + o * (1 - inner) * dhs[t]
        errors = {
            "i": g * dc * i * (1 - i),
            "g": i * dc * (1 - g**2),
            "o": tanh_cs[t] * dhs[t] * o * (1 - o),
        }
        delta = np.hstack([errors[k] for k in order])
        more = [delta.T @ xs[t], delta.T @ h_prevs[t] * (not frozen), delta.sum(axis=0)]
        totals = [a + m for a, m in zip(totals, more, strict=True)]
        dxs[t] = delta @ U * to_x
        dc = dc * decay(i) if carry else 0 * dc
    return dxs, dc, *totals


def jacobian_args(rng):
    values = state_args(rng)
    return {
        **{k: values[k][0] for k in "ifg"},
        "c_prev": values["c_prev"][0],
        "o_prev": values["o"][0],
        "W": rng.normal(size=(16, 4)),
    }


def free_jacobian_args(rng):
    names = "i", "f", "g", "c_prev", "o_prev"
    return {**{k: 1.5 * rng.normal(size=3) for k in names}, "W": rng.normal(size=(12, 3))}


def jacobian(i, f, g, c_prev, o_prev, W, left=True, slope=None, blocks="ifg", where="ifgo"):
    parts = dict(zip(where, np.split(W, 4), strict=True))
    rows = {"i": g * i * (1 - i), "f": c_prev * f * (1 - f), "g": i * (1 - g**2)}
    columns = o_prev * (1 - np.tanh(c_prev) ** 2) if slope is None else slope
    through = sum(
        rows[k][:, None] * parts[k] * columns if left else columns[:, None] * parts[k] * rows[k]
        for k in blocks
    )
    return np.diag(f) + through


def transposed_jacobian(**a):
    return jacobian(**a).T


FREE = "other sizes, and cached values that no forward pass gives"
UNSORTED = "other sizes, the first sequence not the longest"
ANEW = (
    "tanh C was computed anew from the other values; it comes as an argument, use it as it comes."
)
SORTED = "The batch was taken to be sorted by length; row n is real where t < lengths[n]."
ENDED = "The steps ended with the first sequence; others may be longer."

EXAMPLES = {
    "lstm_gates": Example(
        args=step_args,
        also={"other sizes, one input of size 1000": large_step_args},
        outputs=("i", "f", "g", "o"),
        mistakes={
            "The blocks were read in the order f, i, g, o; they are stacked i, f, g, o.": (
                lambda **a: gates(**a, order="figo")
            ),
            "The blocks were read in the order i, f, o, g; they are stacked i, f, g, o.": (
                lambda **a: gates(**a, order="ifog")
            ),
            "The candidate went through a sigmoid; it goes through tanh.": lambda **a: gates(
                **a, candidate=sigmoid
            ),
            "The candidate has no activation; it goes through tanh.": lambda **a: gates(
                **a, candidate=lambda a: a
            ),
            "h @ W was computed for each block; the row form of W h is h @ W.T.": lambda **a: gates(
                **a, transposed=True
            ),
            "The old hidden state is missing: W h' is part of every block.": lambda **a: gates(
                **a, stale=True
            ),
            "The bias b is missing.": lambda x, h_prev, U, W, b: gates(x, h_prev, U, W, 0 * b),
            "The sigmoid overflowed: eᵃ / (1 + eᵃ) is infinity through infinity for a large a; take the imported one.": (
                lambda **a: gates(**a, gate=overflowing_sigmoid)
            ),
            "The tanh overflowed: made from exponentials, it is infinity through infinity for a large a; take np.tanh.": (
                lambda **a: gates(**a, candidate=overflowing_tanh)
            ),
        },
    ),
    "lstm_state": Example(
        args=state_args,
        outputs=("h", "c"),
        mistakes={
            "The gates are swapped: i scales the old state and f the candidate.": (
                lambda i, f, g, o, c_prev: with_h(i * c_prev + f * g, o)
            ),
            "The forget gate was read as 1 − f: f says how much stays, not how much goes.": (
                lambda i, f, g, o, c_prev: with_h((1 - f) * c_prev + i * g, o)
            ),
            "The input gate was taken as 1 − f, the coupled variant; here i is a gate of its own.": (
                lambda i, f, g, o, c_prev: with_h(f * c_prev + (1 - f) * g, o)
            ),
            "h is o ⊙ C; a tanh stands between.": lambda i, f, g, o, c_prev: (
                o * (f * c_prev + i * g),
                f * c_prev + i * g,
            ),
            "h was made from the old cell state; the output gate shows the new one.": (
                lambda i, f, g, o, c_prev: (o * np.tanh(c_prev), f * c_prev + i * g)
            ),
            "The cell state went through tanh; only h sees the tanh, the belt stays linear.": (
                lambda i, f, g, o, c_prev: with_h(np.tanh(f * c_prev + i * g), o)
            ),
            "There is no forget gate: this is the cell of 1997.": (
                lambda i, f, g, o, c_prev: with_h(c_prev + i * g, o)
            ),
        },
    ),
    "state_backward": Example(
        args=state_backward_args,
        also={FREE: free_state_backward_args},
        outputs=("di", "df", "dg", "do", "dc_prev"),
        mistakes={
            "dc is not carried: what the next step sends along the belt, dc_next, is missing.": (
                lambda **a: state_backward(**a, carry=False)
            ),
            "The path through h is missing: C reaches the loss through o ⊙ tanh C as well.": (
                lambda **a: state_backward(**a, own=False)
            ),
            "The derivative of tanh(C) was taken at h, 1 − h²; it is 1 − tanh²C.": (
                lambda **a: state_backward(**a, slope=1 - (a["o"] * a["tanh_c"]) ** 2)
            ),
            "The derivative was taken as 1 − tanh²(tanh_c), but tanh_c is already tanh C.": (
                lambda **a: state_backward(**a, slope=1 - np.tanh(a["tanh_c"]) ** 2)
            ),
            "The derivative 1 − tanh²C is missing.": lambda **a: state_backward(**a, slope=1.0),
            "The factor o is missing on the way from h to C.": (
                lambda **a: state_backward(**a, gate=False)
            ),
            "dc_next was multiplied by f; it is what arrives, and f belongs to dc_prev.": (
                lambda **a: state_backward(**{**a, "dc_next": a["f"] * a["dc_next"]})
            ),
            "di and dg are swapped: i gets g ⊙ dc, and g gets i ⊙ dc.": lambda **a: [
                state_backward(**a)[k] for k in (2, 1, 0, 3, 4)
            ],
            "do is dc ⊙ tanh C; the output gate stands behind the cell, so it is dh ⊙ tanh C.": (
                lambda **a: replaced(
                    state_backward(**a),
                    3,
                    (a["dc_next"] + a["o"] * (1 - a["tanh_c"] ** 2) * a["dh"]) * a["tanh_c"],
                )
            ),
            ANEW: lambda **a: state_backward(**anew(a)),
            "dc_prev is dc itself; on its way back it is multiplied by f.": (
                lambda **a: replaced(
                    state_backward(**a), 4, a["dc_next"] + a["o"] * (1 - a["tanh_c"] ** 2) * a["dh"]
                )
            ),
        },
    ),
    "gates_backward": Example(
        args=gates_backward_args,
        also={FREE: free_gates_backward_args},
        outputs=("dx", "dh_prev", "dU", "dW", "db"),
        mistakes={
            "dh_prev is k(1 − k) ⊙ (W^k)ᵀ∇_k, as the notes print it: the slope belongs before the "
            "transposed product; the two agree only for one unit.": misplaced,
            "The bias gradient is not summed over the batch: db has b's shape, (4H,).": (
                lambda di, df, dg, do, i, f, g, o, **a: replaced(
                    gates_backward(di, df, dg, do, i, f, g, o, **a),
                    4,
                    np.hstack([di, df, dg, do]) * slopes(i, f, g, o),
                )
            ),
            "The bias gradient is a mean over the batch; it is a sum.": (
                lambda **a: replaced(gates_backward(**a), 4, gates_backward(**a)[4] / len(a["x"]))
            ),
            "The slope y(1 − y) was used for the candidate; it is a tanh, with slope 1 − g².": (
                lambda **a: gates_backward(**a, slope=lambda *y: np.hstack(y) * (1 - np.hstack(y)))
            ),
            "The slope 1 − y² was used for the gates; they are sigmoids, with slope y(1 − y).": (
                lambda **a: gates_backward(**a, slope=lambda *y: 1 - np.hstack(y) ** 2)
            ),
            "The slopes are missing: di is the gradient of the gate's value, not of its input.": (
                lambda **a: gates_backward(**a, slope=lambda *y: np.ones((len(y[0]), 4 * 4)))
            ),
            "Gates swapped: the errors are stacked f, i, g, o; the order is i, f, g, o.": (
                lambda **a: gates_backward(**a, order="figo")
            ),
            "Gates swapped: the errors are stacked i, f, o, g; the order is i, f, g, o.": (
                lambda **a: gates_backward(**a, order="ifog")
            ),
            "delta @ W.T was computed block by block; the row form of Wᵀδ is delta @ W.": (
                lambda **a: replaced(
                    gates_backward(**a),
                    1,
                    gates_backward(**{**a, "W": np.vstack([w.T for w in np.split(a["W"], 4)])})[1],
                )
            ),
        },
    ),
    "lstm_forward": Example(
        args=forward_args,
        also={UNSORTED: forward_unsorted_args, ON_PADDING: with_nan(forward_args, "xs")},
        outputs=("hs", "h_last", "c_last"),
        time_major=("hs",),
        mistakes={
            "The cell state is not carried: every step started from c0.": lambda **a: scan(
                **a, carry_c=False
            ),
            "The hidden state is not carried: every step read h0.": lambda **a: scan(
                **a, carry_h=False
            ),
            "Gates swapped: the blocks were read f, i, g, o; they are stacked i, f, g, o.": (
                lambda **a: scan(**a, order="figo")
            ),
            "Gates swapped: the blocks were read i, f, o, g; they are stacked i, f, g, o.": (
                lambda **a: scan(**a, order="ifog")
            ),
            "The states went on changing on padding; they stay as the last real step left them.": (
                lambda **a: scan(**a, freeze=False)
            ),
            "The outputs repeat the last state on padding; they are zero there.": lambda **a: scan(
                **a, zero=False
            ),
            "h_last is the output of the last time step, padding or not.": lambda **a: replaced(
                scan(**a), 1, scan(**a)[0][-1]
            ),
            "One step too many was taken: step t is real where t < lengths.": lambda **a: scan(
                **{**a, "lengths": a["lengths"] + 1}
            ),
            "The cell state went on changing on padding; it stays as h does.": lambda **a: scan(
                **a, freeze_c=False
            ),
            SORTED: lambda **a: scan(**sorted_batch(a)),
            ENDED: lambda **a: scan(**ended_with_first(a)),
        },
    ),
    "lstm_backward": Example(
        args=backward_args,
        also={FREE: free_backward_args},
        outputs=("dxs", "dh0", "dc0", "dU", "dW", "db"),
        time_major=("dxs",),
        mistakes={
            "dc is not carried back: ∇_C of a step has the part f ⊙ ∇_C of the next.": lambda **a: (
                bptt(**a, carry_c=False)
            ),
            "dc was handed back as it is; on its way to C' it is multiplied by f.": lambda **a: (
                bptt(**a, bare=True)
            ),
            "dh is not carried back: the gates of the next step read h as well.": lambda **a: bptt(
                **a, carry_h=False
            ),
            "The derivative of tanh(C) was taken at h, 1 − h²; it is 1 − tanh²C.": lambda **a: bptt(
                **a, slope_at_h=True
            ),
            "The slope stands behind the transposed product, k(1 − k) ⊙ (W^k)ᵀ∇_k, as the notes "
            "print it; this fails for more than one unit.": lambda **a: bptt(**a, step=misplaced),
            "Gates swapped: the errors are stacked f, i, g, o; the order is i, f, g, o.": (
                lambda **a: bptt(**a, step=partial(gates_backward, order="figo"))
            ),
            "dh_last was ignored: it enters at the last step, beside dhs[-1].": lambda **a: bptt(
                **{**a, "dh_last": 0 * a["dh_last"]}
            ),
            "dc_last was ignored: it enters at the last step.": lambda **a: bptt(
                **{**a, "dc_last": 0 * a["dc_last"]}
            ),
            "The parameters' gradients are those of one step; they add up over all steps.": (
                only_last_step
            ),
            ANEW: lambda **a: bptt(**anew(a)),
        },
    ),
    "lstm_backward_padded": Example(
        args=lambda rng: backward_args(rng, [4, 2]),
        also={
            f"{FREE}; {UNSORTED.split(', ')[1]}": lambda rng: free_backward_args(rng, [4, 6, 1]),
            ON_PADDING: with_nan(lambda rng: backward_args(rng, [4, 2]), "dhs"),
        },
        outputs=("dxs", "dh0", "dc0", "dU", "dW", "db"),
        time_major=("dxs",),
        mistakes={
            "The lengths were ignored: padding got and gave gradients.": lambda **a: bptt(
                **a, heed=False
            ),
            "On padding dh and dc were set to zero; a frozen state is a copy, they pass unchanged.": (
                lambda **a: bptt(**a, pass_on=False)
            ),
            "dhs on padding was added to dh; a zero output depends on nothing.": lambda **a: bptt(
                **a, noisy=True
            ),
            "dc is not carried back: ∇_C of a step has the part f ⊙ ∇_C of the next.": lambda **a: (
                bptt(**a, carry_c=False)
            ),
            "The derivative of tanh(C) was taken at h, 1 − h²; it is 1 − tanh²C.": lambda **a: bptt(
                **a, slope_at_h=True
            ),
            "The slope stands behind the transposed product, k(1 − k) ⊙ (W^k)ᵀ∇_k, as the notes "
            "print it; this fails for more than one unit.": lambda **a: bptt(**a, step=misplaced),
            ANEW: lambda **a: bptt(**anew(a)),
            SORTED: lambda **a: bptt(**sorted_batch(a)),
            ENDED: lambda **a: bptt(**ended_with_first(a)),
        },
    ),
    "truncated_backward": Example(
        args=truncated_args,
        also={FREE: free_truncated_args},
        outputs=("dxs", "dc0", "dU", "dW", "db"),
        time_major=("dxs",),
        mistakes={
            "dc is not carried back: the carousel hands it on with factor 1.": lambda **a: (
                truncated(**a, carry=False)
            ),
            "dc was multiplied by 1 − i on its way back; the carousel's factor is 1.": lambda **a: (
                truncated(**a, decay=lambda i: 1 - i)
            ),
            "dc was multiplied by i on its way back; the carousel's factor is 1.": lambda **a: (
                truncated(**a, decay=lambda i: i)
            ),
            "x was cut off too: the errors reach x, only h' is cut off.": lambda **a: truncated(
                **a, to_x=False
            ),
            "dW is zero: the errors stop before h', but they change W.": lambda **a: truncated(
                **a, frozen=True
            ),
            "The derivative of tanh(C) was taken at h, 1 − h²; it is 1 − tanh²C.": lambda **a: (
                truncated(**a, slope_at_h=True)
            ),
            "Gates swapped: the errors are stacked i, o, g; the order is i, g, o.": lambda **a: (
                truncated(**a, order="iog")
            ),
        },
    ),
    "cell_jacobian": Example(
        args=jacobian_args,
        also={"three units, and values that no forward pass gives": free_jacobian_args},
        outputs=("jacobian",),
        mistakes={
            "Only the cell path diag(f) is there; the paths through the gates are missing.": (
                lambda **a: np.diag(a["f"])
            ),
            "The cell path diag(f) is missing.": lambda **a: jacobian(**a) - np.diag(a["f"]),
            "f was added to every row; it stands on the diagonal only.": (
                lambda **a: jacobian(**a) - np.diag(a["f"]) + a["f"]
            ),
            "The path through the forget gate is missing.": lambda **a: jacobian(**a, blocks="ig"),
            "The path through the input gate is missing.": lambda **a: jacobian(**a, blocks="fg"),
            "The path through the candidate is missing.": lambda **a: jacobian(**a, blocks="if"),
            "The matrix is transposed: row j, column k is ∂C_j/∂C'_k.": transposed_jacobian,
            "Rows and columns are exchanged: the gates' slopes scale rows, o'(1 − tanh²C') columns.": (
                lambda **a: jacobian(**a, left=False)
            ),
            "The factor o' of the step before is missing.": lambda **a: jacobian(
                **a, slope=1 - np.tanh(a["c_prev"]) ** 2
            ),
            "The factor 1 − tanh²C' is missing.": lambda **a: jacobian(**a, slope=a["o_prev"]),
            "The blocks of W were read f, i, g, o; they are stacked i, f, g, o.": lambda **a: (
                jacobian(**a, where="figo")
            ),
        },
    ),
    "parameter_count": Example(
        args=lambda rng: {"input_size": 5, "hidden_size": 3, "biases": 2},
        also={"one bias a block": lambda rng: {"input_size": 2, "hidden_size": 7, "biases": 1}},
        outputs=("count",),
        mistakes={
            "The biases are missing: 4·H·(H + D), as the notes print it.": (
                lambda input_size, hidden_size, biases: 4 * hidden_size * (hidden_size + input_size)
            ),
            "One bias a block was counted; biases says how many.": (
                lambda input_size, hidden_size, biases: (
                    4 * hidden_size * (hidden_size + input_size + 1)
                )
            ),
            "Two biases a block were counted; biases says how many.": (
                lambda input_size, hidden_size, biases: (
                    4 * hidden_size * (hidden_size + input_size + 2)
                )
            ),
            "These are three blocks; the candidate is the fourth.": (
                lambda input_size, hidden_size, biases: (
                    3 * hidden_size * (hidden_size + input_size + biases)
                )
            ),
            "This is one block; there are four.": lambda input_size, hidden_size, biases: (
                hidden_size * (hidden_size + input_size + biases)
            ),
            "D and H are exchanged.": lambda input_size, hidden_size, biases: (
                4 * input_size * (hidden_size + input_size + biases)
            ),
        },
    ),
    "forget_bias_effect": Example(
        args=lambda rng: {"bias": np.array([0.0, 1.0, -2.0, 3.0, 40.0]), "steps": 7},
        outputs=("kept", "half_life"),
        mistakes={
            "The sigmoid is missing: the bias itself was raised to the power q.": (
                lambda bias, steps: (bias**steps, np.log(2) / np.logaddexp(0, -bias))
            ),
            "The factor was multiplied by q; q steps are q factors, a power.": (
                lambda bias, steps: (steps * sigmoid(bias), np.log(2) / np.logaddexp(0, -bias))
            ),
            "This is the answer for 1 − f, the share forgotten; f is the share kept.": lambda bias, steps: (
                sigmoid(-bias) ** steps,
                np.log(2) / np.logaddexp(0, bias),
            ),
            "half_life is the time to 1/e; to one half it is ln 2 times as long.": (
                lambda bias, steps: (sigmoid(bias) ** steps, 1 / np.logaddexp(0, -bias))
            ),
        },
    ),
}
