"""Examples and named mistakes of chapter 5's visible checks."""

import numpy as np

from grading.checks import Example

WITHHOLD: list[str] = []

PRINTED_DIRECT = (
    "This is the direct term as the notes print it, z + (1 − z)(1 − n²) ⊙ W r; it fails for H > 1, "
    "because the way through the candidate is r ⊙ Wᵀ δⁿ."
)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step_args(rng, blocks=3):
    return {
        "x": rng.normal(size=(2, 3)),
        "h": rng.uniform(-1, 1, size=(2, 4)),
        "U": rng.normal(size=(blocks * 4, 3)),
        "W": rng.normal(size=(blocks * 4, 4)),
        "b": rng.normal(size=blocks * 4),
    }


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


def back_args(rng, q=False):
    gate = {name: rng.uniform(0.1, 0.9, size=(2, 4)) for name in "rz"}
    arguments = {
        "dh": rng.normal(size=(2, 4)),
        "h_prev": rng.uniform(-1, 1, size=(2, 4)),
        "x": rng.normal(size=(2, 3)),
        **gate,
        "n": rng.uniform(-1, 1, size=(2, 4)),
    }
    if q:
        arguments["q"] = rng.normal(size=(2, 4))
    return {**arguments, "U": rng.normal(size=(12, 3)), "W": rng.normal(size=(12, 4))}


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
               gates=True):  # fmt: skip
    dn = (1 - z) * dh * (1 - n**2)
    dz = (h_prev - n) * dh * (z * (1 - z) if gates else 1)
    H = dh.shape[1]
    dr = (h_prev * (dn @ W[2 * H :]) if before else q * dn) * (r * (1 - r) if gates else 1)
    delta = np.hstack([dr, dz, dn])
    into = np.hstack([dr, dz, dn if bare else r * dn])
    dh_prev = (z * dh if direct else 0) + into @ W
    db_hn = (dn if outer else r * dn).sum(axis=0)
    return delta @ U, dh_prev, delta.T @ x, into.T @ h_prev, delta.sum(axis=0), db_hn


def forward_args(rng):
    one = step_args(rng)
    del one["x"]
    return {
        "xs": rng.normal(size=(4, 2, 3)),
        "h0": one.pop("h"),
        **one,
        "lengths": np.array([4, 2]),
    }


def scan(xs, h0, U, W, b, lengths, carry=True, freeze=True, zero=True, **options):
    h, hs = h0, []
    for t, x in enumerate(xs):
        live = (t < lengths)[:, None]
        new = step(x, h if carry else h0, U, W, b, **options)
        h = np.where(live, new, h) if freeze else new
        hs.append(np.where(live, new, 0) if zero else h)
    return np.array(hs), h


def sequence_args(rng):
    shape = (4, 2, 3)
    return {
        "dhs": rng.normal(size=shape),
        "dh_last": rng.normal(size=(2, 3)),
        "hs": rng.uniform(-1, 1, size=shape),
        "h0": rng.uniform(-1, 1, size=(2, 3)),
        "xs": rng.normal(size=(4, 2, 5)),
        "rs": rng.uniform(0.1, 0.9, size=shape),
        "zs": rng.uniform(0.1, 0.9, size=shape),
        "ns": rng.uniform(-1, 1, size=shape),
        "lengths": np.array([4, 2]),
        "U": rng.normal(size=(9, 5)),
        "W": rng.normal(size=(9, 3)),
    }


def sequence(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W, carry=True, late=False,
             overwrite=False, **options):  # fmt: skip
    dxs = np.zeros_like(xs)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = dh_last
    for t in reversed(range(len(xs))):
        live = (t < lengths)[:, None]
        before = hs[t] if late else hs[t - 1] if t else h0
        total = np.where(live, dhs[t] + dh, 0)
        dxs[t], new, *more = back(total, before, xs[t], rs[t], zs[t], ns[t], U, W, **options)
        if overwrite:
            dU, dW, db = more
        else:
            dU, dW, db = dU + more[0], dW + more[1], db + more[2]
        dh = np.where(live, new if carry else 0, dh)
    return dxs, dh, dU, dW, db


def simple_args(rng):
    arguments = back_args(rng)
    del arguments["r"]
    return {**arguments, "U": rng.normal(size=(8, 3)), "W": rng.normal(size=(8, 4))}


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
ORDER = "The blocks were taken in the order z, r, n; they are stacked r, z, n."

EXAMPLES = {
    "gru_step": Example(
        args=step_args,
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
        args=lambda rng: {**step_args(rng), "b_hn": rng.normal(size=4)},
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
            INVERTED: lambda **a: scan(**a, inverted=True),
            "The reset was applied after the product; here it comes before, W (r ⊙ h').": (
                lambda **a: scan(**a, after=True)
            ),
        },
    ),
    "gru_backward": Example(
        args=sequence_args,
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
                **{**a, "lengths": np.array([4, 4])}
            ),
            "W's block n was paired with h'; it multiplied r ⊙ h'.": lambda **a: sequence(
                **a, plain_dw=True
            ),
        },
    ),
    "simplified_gru_backward": Example(
        args=simple_args,
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
        args=lambda rng: {
            "U": rng.normal(size=(6, 3)),
            "W": rng.normal(size=(6, 2)),
            "b": rng.normal(size=6),
        },
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
