"""Examples and named mistakes of chapter 5's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan

from . import examples

WITHHOLD: list[str] = []

SMALL = "one example, D = 2 and H = 5"
LARGE = "inputs of size 1000, H = 3"
PADDED = "T = 4, lengths 2, 3 and 1, D = 2 and H = 5"

PRINTED_DIRECT = (
    "This is the direct term as the notes print it, z + (1 − z)(1 − n²) ⊙ W r; it fails for H > 1, "
    "because the way through the candidate is r ⊙ Wᵀ δⁿ."
)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step(x, h, U, W, b, b_hn=None, order="rzn", after=False, inverted=False, literal=False, reset=True,
         inner=True):  # fmt: skip
    H = h.shape[1]
    place = {name: slice(k * H, (k + 1) * H) for k, name in enumerate(order)}
    a = x @ U.T + b
    r = sigmoid(a[:, place["r"]] + h @ W[place["r"]].T)
    z = sigmoid(a[:, place["z"]] + h @ W[place["z"]].T)
    Wn = W[place["n"]]
    if literal:
        from_h = (r @ Wn.T) * h
    elif after:
        from_h = r * (h @ Wn.T + (b_hn if b_hn is not None and inner else 0))
    else:
        from_h = ((r if reset else 1) * h) @ Wn.T
    if b_hn is not None and not (after and inner):
        from_h = from_h + b_hn
    n = np.tanh(a[:, place["n"]] + from_h)
    return (1 - z) * h + z * n if inverted else z * h + (1 - z) * n


def back_args(rng, N=2, D=3, H=4, q=False, blocks=3):
    gate = {name: rng.uniform(0.1, 0.9, size=(N, H)) for name in "rz"}
    arguments = {
        "dh": rng.normal(size=(N, H)),
        "h_prev": rng.uniform(-1, 1, size=(N, H)),
        "x": rng.normal(size=(N, D)),
        **gate,
        "n": rng.uniform(-1, 1, size=(N, H)),
    }
    if q:
        arguments["q"] = rng.normal(size=(N, H))
    return {
        **arguments,
        "U": rng.normal(size=(blocks * H, D)),
        "W": rng.normal(size=(blocks * H, H)),
    }


def back(dh, h_prev, x, r, z, n, U, W, direct=True, inverted=False, printed=False, plain_dw=False,
         slope=lambda n: 1 - n**2, gates=True, mean=False, sign=1):  # fmt: skip
    H = dh.shape[1]
    keep, take = (1 - z, z) if inverted else (z, 1 - z)
    dn = take * dh * slope(n)
    dz = sign * (h_prev - n) * dh * (z * (1 - z) if gates else 1)
    reset = dn @ W[2 * H :]
    dr = h_prev * reset * (r * (1 - r) if gates else 1)
    through = (1 - z) * (1 - n**2) * (r @ W[2 * H :].T) * dh if printed else r * reset
    dh_prev = (keep * dh if direct else 0) + through + dz @ W[H : 2 * H] + dr @ W[:H]
    delta = np.hstack([dr, dz, dn])
    seen = h_prev if plain_dw else r * h_prev
    dW = np.vstack([dr.T @ h_prev, dz.T @ h_prev, dn.T @ seen])
    scale = 1 / len(dh) if mean else 1
    return delta @ U, dh_prev, scale * delta.T @ x, scale * dW, scale * delta.sum(axis=0)


def back_after(dh, h_prev, x, r, z, n, q, U, W, before=False, bare=False, outer=False, direct=True,
               gates=True, everywhere=False):  # fmt: skip
    dn = (1 - z) * dh * (1 - n**2)
    dz = (h_prev - n) * dh * (z * (1 - z) if gates else 1)
    H = dh.shape[1]
    dr = (h_prev * (dn @ W[2 * H :]) if before else q * dn) * (r * (1 - r) if gates else 1)
    delta = np.hstack([dr, dz, dn])
    into = np.hstack([dr, dz, dn if bare else r * dn])
    dh_prev = (z * dh if direct else 0) + into @ W
    db_hn = (dn if outer else r * dn).sum(axis=0)
    outside = into if everywhere else delta
    return outside @ U, dh_prev, outside.T @ x, into.T @ h_prev, outside.sum(axis=0), db_hn


def forward_args(rng, T=5, D=3, H=4, lengths=(3, 5)):
    N = len(lengths)
    one = examples.gru_step(rng, N, D, H)
    del one["x"]
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": one.pop("h"),
        **one,
        "lengths": np.array(lengths),
    }


def scan(xs, h0, U, W, b, lengths, carry=True, freeze=True, zero=True, first=False, **options):
    h, hs = h0, []
    for t, x in enumerate(xs):
        if first and t == lengths[0]:
            hs += [0 * h] * (len(xs) - t)
            break
        live = (t < lengths)[:, None]
        new = step(x, h if carry else h0, U, W, b, **options)
        h = np.where(live, new, h) if freeze else new
        hs.append(np.where(live, new, 0) if zero else h)
    return np.array(hs), h


def sequence_args(rng, T=5, D=6, H=4, lengths=(3, 5)):
    N = len(lengths)
    shape = (T, N, H)
    return {
        "dhs": rng.normal(size=shape),
        "dh_last": rng.normal(size=(N, H)),
        "hs": rng.uniform(-1, 1, size=shape),
        "h0": rng.uniform(-1, 1, size=(N, H)),
        "xs": rng.normal(size=(T, N, D)),
        "rs": rng.uniform(0.1, 0.9, size=shape),
        "zs": rng.uniform(0.1, 0.9, size=shape),
        "ns": rng.uniform(-1, 1, size=shape),
        "lengths": np.array(lengths),
        "U": rng.normal(size=(3 * H, D)),
        "W": rng.normal(size=(3 * H, H)),
    }


def sequence(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W, carry=True, late=False,
             overwrite=False, leak=False, wrap=False, pass_on=True, last=True, first=False,
             **options):  # fmt: skip
    dxs = np.zeros_like(xs)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = dh_last if last else 0 * dh_last
    for t in reversed(range(lengths[0] if first else len(xs))):
        live = (t < lengths)[:, None]
        before = hs[t] if late else hs[t - 1] if t or wrap else h0
        total = np.where(live, dhs[t] + dh, 0)
        if leak:
            dh = dh + dhs[t]
        dxs[t], new, *more = back(total, before, xs[t], rs[t], zs[t], ns[t], U, W, **options)
        if overwrite:
            dU, dW, db = more
        else:
            dU, dW, db = dU + more[0], dW + more[1], db + more[2]
        dh = np.where(live, new if carry else 0, dh * pass_on)
    return dxs, dh, dU, dW, db


def simple_args(rng, N=2, D=3, H=4):
    arguments = back_args(rng, N, D, H, blocks=2)
    del arguments["r"]
    return arguments


def simple(
    dh, h_prev, x, z, n, U, W, direct=True, gates=True, swapped=False, inverted=False, sign=1
):
    dn = (z if inverted else 1 - z) * dh * (1 - n**2)
    dz = sign * (h_prev - n) * dh * (z * (1 - z) if gates else 1)
    delta = np.hstack([dn, dz] if swapped else [dz, dn])
    dh_prev = ((1 - z if inverted else z) * dh if direct else 0) + delta @ W
    return delta @ U, dh_prev, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)


def flip(U, W, b, place="z", arrays="UWb"):
    H = W.shape[1]
    sign = np.ones(3 * H)
    start = "rzn".index(place) * H
    sign[start : start + H] = -1
    given = {"U": U, "W": W, "b": b}
    return tuple(
        (given[name].T * sign).T if name in arrays else given[name].copy() for name in "UWb"
    )


def exchanged(U, W, b):
    H = W.shape[1]
    return tuple(np.concatenate([a[H : 2 * H], a[:H], a[2 * H :]]) for a in (U, W, b))


BACK = ("dx", "dh_prev", "dU", "dW", "db")
INVERTED = "z is inverted: here z = 1 keeps the old state, h = z ⊙ h' + (1 − z) ⊙ n."
FIRST = "Every sequence ended with the first one, after lengths[0] steps; each has its own length."
ORDER = "The blocks were taken in the order z, r, n; they are stacked r, z, n."

EXAMPLES = {
    "gru_step": Example(
        args=examples.gru_step,
        also={
            SMALL: lambda rng: examples.gru_step(rng, 1, 2, 5),
            LARGE: lambda rng: examples.gru_step(rng, 4, 2, 3, 1e3),
        },
        outputs=("h",),
        mistakes={
            INVERTED: lambda **a: step(**a, inverted=True),
            "The reset was applied after the product, r ⊙ (W h'); here it comes before, W (r ⊙ h').": (
                lambda **a: step(**a, after=True)
            ),
            "W r ⊙ h' was read as (W r) ⊙ h'; it is W (r ⊙ h').": lambda **a: step(
                **a, literal=True
            ),
            "The reset gate is not used.": lambda **a: step(**a, reset=False),
            ORDER: lambda **a: step(**a, order="zrn"),
        },
    ),
    "gru_step_after": Example(
        args=examples.gru_step_after,
        also={
            SMALL: lambda rng: examples.gru_step_after(rng, 1, 2, 5),
            LARGE: lambda rng: examples.gru_step_after(rng, 4, 2, 3, 1e3),
        },
        outputs=("h",),
        mistakes={
            INVERTED: lambda **a: step(**a, after=True, inverted=True),
            "The reset was applied before the product, W (r ⊙ h'); here it comes after.": (
                lambda **a: step(**a, after=False)
            ),
            "b_hn stands outside the reset; it is inside: r ⊙ (W h' + b_hn).": (
                lambda **a: step(**a, after=True, inner=False)
            ),
            "b_hn is missing.": lambda **a: step(**{**a, "b_hn": None}, after=True),
            ORDER: lambda **a: step(**a, after=True, order="zrn"),
        },
    ),
    "gru_step_backward": Example(
        args=back_args,
        also={SMALL: lambda rng: back_args(rng, 1, 2, 5)},
        outputs=BACK,
        mistakes={
            PRINTED_DIRECT: lambda **a: back(**a, printed=True),
            "The direct term z ⊙ ∇h is missing in dh_prev.": lambda **a: back(**a, direct=False),
            "z is inverted: z = 1 keeps the old state.": lambda **a: back(**a, inverted=True),
            "W's block n was paired with h'; it multiplied r ⊙ h'.": lambda **a: back(
                **a, plain_dw=True
            ),
            "The slopes z(1 − z) and r(1 − r) of the gates are missing.": lambda **a: back(
                **a, gates=False
            ),
            "The slope of the candidate is missing: 1 − n².": lambda **a: back(
                **a, slope=lambda n: 1
            ),
            "The sign of δᶻ is wrong: h' − n, because z multiplies h' and 1 − z multiplies n.": (
                lambda **a: back(**a, sign=-1)
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: back(**a, mean=True)
            ),
        },
    ),
    "gru_step_after_backward": Example(
        args=lambda rng: back_args(rng, q=True),
        also={SMALL: lambda rng: back_args(rng, 1, 2, 5, q=True)},
        outputs=(*BACK, "db_hn"),
        mistakes={
            "δʳ was computed for a reset before the product; here r multiplied q.": (
                lambda **a: back_after(**a, before=True)
            ),
            "δⁿ went back to h' without r: it is Wᵀ (r ⊙ δⁿ).": lambda **a: back_after(
                **a, bare=True
            ),
            "db_hn was built with δⁿ; b_hn stands inside the reset, so it is r ⊙ δⁿ.": (
                lambda **a: back_after(**a, outer=True)
            ),
            "r ⊙ δⁿ went to x, Uⁿ or bⁿ; they stand outside the reset and get δⁿ itself.": (
                lambda **a: back_after(**a, everywhere=True)
            ),
            "The direct term z ⊙ ∇h is missing in dh_prev.": lambda **a: back_after(
                **a, direct=False
            ),
            "The slopes z(1 − z) and r(1 − r) of the gates are missing.": (
                lambda **a: back_after(**a, gates=False)
            ),
        },
    ),
    "gru_forward": Example(
        args=forward_args,
        also={
            PADDED: lambda rng: forward_args(rng, 4, 2, 5, (2, 3, 1)),
            ON_PADDING: with_nan(forward_args, "xs"),
        },
        outputs=("hs", "h_last"),
        time_major=("hs",),
        mistakes={
            "Every step started from h0; each starts from the state of the step before.": (
                lambda **a: scan(**a, carry=False)
            ),
            "The state went on changing on padding; it stays as the last real step left it.": (
                lambda **a: scan(**a, freeze=False)
            ),
            "The outputs repeat the last state on padding; they are zero there.": (
                lambda **a: scan(**a, zero=False)
            ),
            "h_last is zero for a sequence that ended earlier, as hs[-1] is; its state stays as the last real step left it.": (
                lambda **a: (scan(**a)[0], scan(**a)[0][-1])
            ),
            FIRST: lambda **a: scan(**a, first=True),
            INVERTED: lambda **a: scan(**a, inverted=True),
            "The reset was applied after the product; here it comes before, W (r ⊙ h').": (
                lambda **a: scan(**a, after=True)
            ),
        },
    ),
    "gru_backward": Example(
        args=sequence_args,
        also={
            PADDED: lambda rng: sequence_args(rng, 4, 2, 5, (2, 3, 1)),
            ON_PADDING: with_nan(sequence_args, "dhs"),
        },
        outputs=("dxs", "dh0", "dU", "dW", "db"),
        time_major=("dxs",),
        mistakes={
            "dh is not carried back from step to step.": lambda **a: sequence(**a, carry=False),
            PRINTED_DIRECT: lambda **a: sequence(**a, printed=True),
            "The state of the same step was used as h'; it is that of the step before.": (
                lambda **a: sequence(**a, late=True)
            ),
            "The parameters' gradients were overwritten at each step; they add up over time.": (
                lambda **a: sequence(**a, overwrite=True)
            ),
            "Padding was treated as real steps.": lambda **a: sequence(
                **{**a, "lengths": np.full_like(a["lengths"], len(a["xs"]))}
            ),
            "dhs on padding was added to dh; a zero output depends on nothing.": (
                lambda **a: sequence(**a, leak=True)
            ),
            "On padding dh was set to zero; a frozen state is a copy, it passes unchanged.": (
                lambda **a: sequence(**a, pass_on=False)
            ),
            "hs[-1], the last state, was used as h' of the first step; that is h0.": (
                lambda **a: sequence(**a, wrap=True)
            ),
            "dh_last was ignored: it enters at the last step, beside dhs[-1].": (
                lambda **a: sequence(**a, last=False)
            ),
            FIRST: lambda **a: sequence(**a, first=True),
            "W's block n was paired with h'; it multiplied r ⊙ h'.": lambda **a: sequence(
                **a, plain_dw=True
            ),
        },
    ),
    "simplified_gru_backward": Example(
        args=simple_args,
        also={SMALL: lambda rng: simple_args(rng, 1, 2, 5)},
        outputs=BACK,
        mistakes={
            "The direct term z ⊙ ∇h is missing in dh_prev.": lambda **a: simple(**a, direct=False),
            "The slope z(1 − z) of the gate is missing.": lambda **a: simple(**a, gates=False),
            "The blocks were stacked n, z; they are z, n.": lambda **a: simple(**a, swapped=True),
            "z is inverted: z = 1 keeps the old state.": lambda **a: simple(**a, inverted=True),
            "The sign of δᶻ is wrong: it is h' − n.": lambda **a: simple(**a, sign=-1),
        },
    ),
    "flip_update_gate": Example(
        args=examples.flip_update_gate,
        also={"D = 2 and H = 3": lambda rng: examples.flip_update_gate(rng, 2, 3)},
        outputs=("U", "W", "b"),
        mistakes={
            "The reset gate's block was negated; the update gate's is the second.": (
                lambda **a: flip(**a, place="r")
            ),
            "The candidate's block was negated; the update gate's is the second.": (
                lambda **a: flip(**a, place="n")
            ),
            "The bias was not negated.": lambda **a: flip(**a, arrays="UW"),
            "The blocks r and z were exchanged; the order stays, the signs of z change.": exchanged,
        },
    ),
}
