"""Examples and named mistakes of chapter 3's visible checks."""

import numpy as np

from authoring.checks import Example

from . import examples

WITHHOLD = ["lib.optim.clip_by_norm", "lib.optim.clip_by_value"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def jacobian_args(rng, N=2, H=3, spread=1.0):
    return {"h": spread * rng.uniform(-1, 1, (N, H)), "W": rng.normal(size=(H, H))}


def jacobian_large_args(rng):
    return jacobian_args(rng, 4, 2, 2.0)


def linear_args(rng, N=2, H=3, steps=4):
    return {"W": rng.normal(size=(H, H)), "dh": rng.normal(size=(N, H)), "steps": steps}


def linear_seven_args(rng):
    return linear_args(rng, 3, 2, 7)


def linear_none_args(rng):
    return linear_args(rng, 3, 2, 0)


def carry_args(rng, T=4, N=2, H=3, spread=1.0):
    return {
        "hs": spread * rng.uniform(-1, 1, (T, N, H)),
        "W": rng.normal(size=(H, H)),
        "dh": rng.normal(size=(N, H)),
    }


def carry_short_args(rng):
    return carry_args(rng, 2, 3, 4, 2.0)


def bound_args(rng, H=4, slope=0.25, steps=3):
    return {"W": rng.normal(size=(H, H)), "slope": slope, "steps": steps}


def slope_first(h, g, W):
    return ((1 - h**2) * g) @ W


def norms(hs, W, dh, back=slope_first, order=slice(None, None, -1), measure=None):
    measure = measure or (lambda g: np.linalg.norm(g, axis=1))
    found = [measure(dh)]
    for h in hs[order]:
        dh = back(h, dh, W)
        found.append(measure(dh))
    return np.array(found)


def paths(W, slopes, u, v, transposed=False, early=False, order=1):
    """Sum over paths; ``early`` takes the slope of the unit that the error comes from."""
    matrix = W if transposed else W.T
    error = np.zeros(len(W))
    error[u] = 1
    for slope in slopes[::order]:
        error = matrix @ (slope * error) if early else slope * (matrix @ error)
    return error[v]


def straight(W, slopes, u, v):
    """Only the path that goes to v at once and stays there."""
    term = 1.0
    for m, slope in enumerate(slopes):
        term *= slope[v] * W[u if m == 0 else v, v]
    return term


def clipped(grads, v):
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return tuple(g * v / (norm or 1) for g in grads), norm


def norm_of(grads):
    return clipped(grads, 1.0)[1]


def value_args(rng):
    return {"g": np.array([0.9, -0.1, 0.0, -2.5, 0.3]), "v": 0.4}


def value_axes_args(rng):
    return {"g": 4 * rng.normal(size=(2, 3, 2)), "v": 2.5}


def norm_args(rng, norms, v):
    """Draw arrays of the given norms."""
    grads = (rng.normal(size=shape) for shape in ((3, 2), (2,)))
    return {
        "grads": tuple(g * n / np.linalg.norm(g) for g, n in zip(grads, norms, strict=True)),
        "v": v,
    }


def each_in_turn(grads, v):
    """Shorten the whole where one of the arrays is longer than v."""
    some = any(np.linalg.norm(g) > v for g in grads)
    return clipped(grads, v)[0] if some else grads, norm_of(grads)


def leaky_args(rng):
    return {
        "xs": rng.normal(size=(4, 2, 3)),
        "h0": rng.uniform(-1, 1, (2, 5)),
        "U": rng.normal(size=(5, 3)),
        "W": rng.normal(size=(5, 5)),
        "b": rng.normal(size=5),
        "leak": rng.normal(size=5),
    }


def leaky(
    xs, h0, U, W, b, leak, gate=sigmoid, swap=False, whole=False, carry=True, old=1, bias=1, T=False
):
    alpha = 1 - gate(leak) if swap else gate(leak)
    h, hs = h0, []
    for x in xs:
        start = h if carry else h0
        u = np.tanh(bias * b + x @ U.T + old * start @ (W if T else W.T))
        h = alpha * start + (1 if whole else 1 - alpha) * u
        hs.append(h)
    return np.array(hs)


def leaky_backward_args(rng):
    return {
        "xs": rng.normal(size=(4, 2, 3)),
        "h_prevs": rng.uniform(-1, 1, (4, 2, 5)),
        "us": rng.uniform(-1, 1, (4, 2, 5)),
        "dhs": rng.normal(size=(4, 2, 5)),
        "U": rng.normal(size=(5, 3)),
        "W": rng.normal(size=(5, 5)),
        "leak": rng.normal(size=5),
    }


def leaky_backward(
    xs,
    h_prevs,
    us,
    dhs,
    U,
    W,
    leak,
    direct=1,
    through=1,
    share=True,
    gate=True,
    sign=1,
    slope=lambda u: 1 - u**2,
    scale=1,
    through_slope=True,
    carry=True,
    turned=False,
    at_state=False,
):
    alpha = sigmoid(leak)
    dh = np.zeros_like(dhs[0])
    dxs, dU, dW = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W)
    db, dleak = np.zeros_like(leak), np.zeros_like(leak)
    for t in reversed(range(len(xs))):
        dh = (dh if carry else 0) + dhs[t]
        h = alpha * h_prevs[t] + (1 - alpha) * us[t]
        delta = slope(h if at_state else us[t]) * (1 - alpha if share else 1) * dh
        dleak += (sign * (alpha * (1 - alpha) if gate else 1) * (h_prevs[t] - us[t]) * dh).sum(
            axis=0
        )
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        back = delta if through_slope else (1 - alpha) * dh
        dh = direct * alpha * dh + through * (back @ (W.T if turned else W))
    return dxs, dh, dU * scale, dW * scale, db * scale, dleak * scale


def skip_far_args(rng):
    return examples.skip_forward(rng, 2, 3, 1, 4, 5)


def skip_near_args(rng):
    return examples.skip_forward(rng, 4, 3, 2, 5, 1)


def skip(xs, past, U, W, R, b, near=1, far=1, late=0, newest_first=False, empty=False):
    d = len(past)
    hs = list(past[::-1] if newest_first else np.zeros_like(past) if empty else past)
    for x in xs:
        hs.append(np.tanh(b + x @ U.T + near * (hs[-1] @ W.T) + far * (hs[late - d] @ R.T)))
    return np.array(hs[d:])


def skip_backward_args(rng, T=5, N=2, D=3, H=4, d=2):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "past": rng.uniform(-1, 1, (d, N, H)),
        "hs": rng.uniform(-1, 1, (T, N, H)),
        "dhs": rng.normal(size=(T, N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)) / 2,
        "R": rng.normal(size=(H, H)) / 2,
    }


def skip_backward_far_args(rng):
    return skip_backward_args(rng, 3, 2, 1, 5, 4)


def skip_backward_near_args(rng):
    return skip_backward_args(rng, 4, 3, 2, 5, 1)


def skip_backward(
    xs,
    past,
    hs,
    dhs,
    U,
    W,
    R,
    near=1,
    far=1,
    swap=False,
    same=False,
    scale=1,
    slope=lambda h: 1 - h**2,
    turned=False,
    keep=True,
    replace=False,
):
    d = len(past)
    states = np.concatenate([past, hs])
    own = np.concatenate([np.zeros_like(past), dhs])
    dstates = own.copy()
    dxs, dU, db = np.zeros_like(xs), np.zeros_like(U), np.zeros(len(W))
    dW, dR = np.zeros_like(W), np.zeros_like(R)
    for t in reversed(range(len(xs))):
        delta = slope(hs[t]) * dstates[t + d]
        come = dstates[t + d - 1] if keep else own[t + d - 1]
        dstates[t + d - 1] = come + near * (delta @ (R if swap else W.T if turned else W))
        come = own[t] if replace else dstates[t]
        dstates[t] = come + far * (delta @ (W if swap else R.T if turned else R))
        dxs[t] = delta @ U
        dU += delta.T @ xs[t]
        dW += delta.T @ states[t + d - 1]
        dR += delta.T @ states[t + d - 1 if same else t]
        db += delta.sum(axis=0)
    return dxs, dstates[:d], dU * scale, dW * scale, dR * scale, db * scale


def newest_first(**a):
    dxs, dpast, *more = skip_backward(**a)
    return dxs, dpast[::-1], *more


def at_the_ends(**a):
    dxs, dpast, *more = skip_backward(**a)
    dpast = dpast.copy()
    dpast[1:-1] = 0
    return dxs, dpast, *more


def through_the_past(**a):
    """Carry the errors at the given states on to the states before them."""
    dxs, dpast, *more = skip_backward(**a)
    dpast = dpast.copy()
    for k in reversed(range(1, len(dpast))):
        dpast[k - 1] += ((1 - a["past"][k] ** 2) * dpast[k]) @ a["W"]
    return dxs, dpast, *more


def flow_args(rng):
    dhs = rng.normal(size=(4, 2, 3))
    dhs[3, 1] = 0
    return {"W": rng.normal(size=(3, 3)), "hs": rng.uniform(-1, 1, (4, 2, 3)), "dhs": dhs}


def flow_more_args(rng):
    dhs = 3 * rng.normal(size=(3, 5, 2))
    dhs[1:, 0] = 0
    return {"W": rng.normal(size=(2, 2)), "hs": 2 * rng.uniform(-1, 1, (3, 5, 2)), "dhs": dhs}


def flow_backward_args(rng):
    return {"p": rng.normal(size=(4, 2, 3)), "e": rng.normal(size=(4, 2, 3))}


def flow_backward_zeros_args(rng):
    p, e = rng.normal(size=(2, 2, 3, 4))
    e[1, 0] = 0
    return {"p": p, "e": e}


def flow(
    W, hs, dhs, slope=True, mean=None, power=2, turned=False, dead=False, after=False, late=False
):
    norm = np.linalg.norm(dhs, axis=2)
    live = norm > 0
    s = 1 - hs**2 if slope else 1
    matrix = W.T if turned else W
    carried = np.linalg.norm(s * (dhs @ matrix) if after else (s * dhs) @ matrix, axis=2)
    ratio = np.sqrt(carried / np.where(live, norm, 1)) ** 2
    terms = np.where(live | dead, np.abs(ratio - 1) ** power, 0)
    return terms[-1:].sum() / 2 if late else terms.sum() / (mean or hs.shape[1])


def flow_backward(p, e, direction=True, pull=True, two=2, mean=True, turned=False, square=False):
    norm = np.linalg.norm(e, axis=2, keepdims=True)
    size = np.where(norm > 0, norm, 1) if direction else 1
    off = (norm**2 if square else norm) - 1 if pull else 1
    de = two * off * e / size / (p.shape[1] if mean else 1)
    return np.einsum("tnj,tni->ij" if turned else "tni,tnj->ij", p, de)


EXAMPLES = {
    "step_jacobian": Example(
        args=jacobian_args,
        also={"more examples than units, values beyond ±1": jacobian_large_args},
        outputs=("J",),
        mistakes={
            "This is the transposed Jacobian, with old units in rows, as the notes lay it out; rows are new units, and then it is diag(1 − h²) W.": (
                lambda h, W: ((1 - h**2)[:, :, None] * W).transpose(0, 2, 1)
            ),
            "The slopes multiply the columns, W diag(1 − h²); a slope belongs to a new unit, which is a row.": (
                lambda h, W: (1 - h**2)[:, None, :] * W
            ),
            "W was used transposed: J_ij is (1 − h_i²) W_ij.": lambda h, W: (
                (1 - h**2)[:, :, None] * W.T
            ),
            "The slope of the tanh was taken as 1 − h; it is 1 − h².": lambda h, W: (
                (1 - h)[:, :, None] * W
            ),
            "The slope was taken as 1 − tanh²(h), but h is already the output of the tanh.": (
                lambda h, W: (1 - np.tanh(h) ** 2)[:, :, None] * W
            ),
            "The slope 1 − h² is missing: this is W for every example.": lambda h, W: np.stack(
                [W] * len(h)
            ),
            "The examples were averaged; each has a Jacobian of its own.": lambda h, W: (
                (1 - h**2).mean(axis=0)[:, None] * W
            ),
        },
    ),
    "linear_error": Example(
        args=linear_args,
        also={"seven steps": linear_seven_args, "no step, steps = 0": linear_none_args},
        outputs=("dh0",),
        mistakes={
            "This is the equation as the notes print it, W^t ∇; it fails unless W is symmetric, because an error goes back by the transposed matrix, (Wᵀ)^t ∇.": (
                lambda W, dh, steps: dh @ np.linalg.matrix_power(W, steps).T
            ),
            "W**steps raises each entry; the power is one of matrix products.": (
                lambda W, dh, steps: dh @ W**steps
            ),
            "One step too few was taken.": lambda W, dh, steps: (
                dh @ np.linalg.matrix_power(W, steps - 1)
            ),
            "A step was taken where there is none; with steps = 0 the error stays as it is.": (
                lambda W, dh, steps: dh @ np.linalg.matrix_power(W, max(steps, 1))
            ),
            "W was squared again and again, which gives a power of 2; the power is steps.": (
                lambda W, dh, steps: (
                    dh @ np.linalg.matrix_power(W, 2 ** int(np.log2(max(steps, 1))))
                )
            ),
            "One step too many was taken.": lambda W, dh, steps: (
                dh @ np.linalg.matrix_power(W, steps + 1)
            ),
            "The error was scaled by the spectral radius; that is right only along one eigenvector.": (
                lambda W, dh, steps: dh * np.abs(np.linalg.eigvals(W)).max() ** steps
            ),
        },
    ),
    "error_norms": Example(
        args=carry_args,
        also={"two steps, three examples, values beyond ±1": carry_short_args},
        outputs=("norms",),
        mistakes={
            "This is the order as the notes print it, Wᵀ∇ first and the factor 1 − h² after it; it fails for H > 1, because the slopes belong to the units of the later step: Wᵀ((1 − h²) ⊙ ∇).": (
                lambda hs, W, dh: norms(hs, W, dh, lambda h, g, W: (1 - h**2) * (g @ W))
            ),
            "W was used untransposed: for rows, Wᵀδ is delta @ W.": lambda hs, W, dh: norms(
                hs, W, dh, lambda h, g, W: ((1 - h**2) * g) @ W.T
            ),
            "The slope 1 − h² is missing: this is the linear network.": lambda hs, W, dh: norms(
                hs, W, dh, lambda h, g, W: g @ W
            ),
            "The states were taken from the first to the last; the error meets the last one first.": (
                lambda hs, W, dh: norms(hs, W, dh, order=slice(None))
            ),
            "Row q holds the squared norm; take the root.": lambda hs, W, dh: norms(
                hs, W, dh, measure=lambda g: (g**2).sum(axis=1)
            ),
            "The norm was taken of the whole batch; each example has its own.": lambda hs, W, dh: (
                norms(hs, W, dh, measure=np.linalg.norm)
            ),
            "The rows are in order of time; row q is q steps back from the end.": (
                lambda hs, W, dh: norms(hs, W, dh)[::-1]
            ),
            "The error itself is missing: row 0 is the norm of dh.": lambda hs, W, dh: norms(
                hs, W, dh
            )[1:],
        },
    ),
    "error_bound": Example(
        args=bound_args,
        also={
            "slope = 0.7, five steps": lambda rng: bound_args(rng, 3, 0.7, 5),
            "no step, steps = 0": lambda rng: bound_args(rng, 3, 1.0, 0),
        },
        outputs=("bound",),
        mistakes={
            "The spectral radius was used; it can be far below the norm unless W is normal, as symmetric matrices are. The norm is the largest singular value.": (
                lambda W, slope, steps: (slope * np.abs(np.linalg.eigvals(W)).max()) ** steps
            ),
            "The Frobenius norm was used: a bound too, but a looser one. The 2-norm is the largest singular value.": (
                lambda W, slope, steps: (slope * np.linalg.norm(W)) ** steps
            ),
            "The largest eigenvalue of WᵀW was used; the singular value is its square root.": (
                lambda W, slope, steps: (slope * np.linalg.norm(W, 2) ** 2) ** steps
            ),
            "The slope entered once; it enters at every step.": lambda W, slope, steps: (
                slope * np.linalg.norm(W, 2) ** steps
            ),
            "The slope is missing.": lambda W, slope, steps: np.linalg.norm(W, 2) ** steps,
            "This is the bound of a single step; raise it to the power of steps.": (
                lambda W, slope, steps: slope * np.linalg.norm(W, 2)
            ),
            "The largest entry of W was used; a matrix can stretch by more.": (
                lambda W, slope, steps: (slope * np.abs(W).max()) ** steps
            ),
            "The slope was taken as ¼, that of the sigmoid; use slope.": lambda W, slope, steps: (
                (0.25 * np.linalg.norm(W, 2)) ** steps
            ),
            "A step was taken where there is none; with steps = 0 the bound is 1.": (
                lambda W, slope, steps: (slope * np.linalg.norm(W, 2)) ** max(steps, 1)
            ),
        },
    ),
    "path_sum": Example(
        args=examples.path_sum,
        also={
            "n = 4, q = 3, from unit 3 to unit 1": lambda rng: examples.path_sum(rng, 4, 3, 3, 1),
            "n = 2, q = 5, from unit 1 to itself": lambda rng: examples.path_sum(rng, 2, 5, 1, 1),
            "one step back, q = 1": lambda rng: examples.path_sum(rng, 4, 1, 2, 0),
        },
        outputs=("sum",),
        mistakes={
            "W was used transposed: the factor of a step back from l to l' is W[l, l'].": (
                lambda **a: paths(**a, transposed=True)
            ),
            "The slope is that of the unit the error comes from; it is that of the unit it arrives at.": (
                lambda **a: paths(**a, early=True)
            ),
            "The slopes were used from the earliest step on; slopes[0] is the step just before t.": (
                lambda **a: paths(**a, order=-1)
            ),
            "u and v are exchanged: the error starts at u.": lambda W, slopes, u, v: paths(
                W, slopes, v, u
            ),
            "The slopes are missing.": lambda W, slopes, u, v: paths(W, np.ones_like(slopes), u, v),
            "Only one path was taken, straight to v; all n^(q−1) paths add up.": straight,
        },
    ),
    "clip_by_value": Example(
        args=lambda rng: {"g": 2 * rng.normal(size=(3, 4)), "v": 1.0},
        also={"one axis, v = 0.4": value_args, "three axes, v = 2.5": value_axes_args},
        outputs=("g",),
        mistakes={
            "This is the rule as the notes print it, with g ≤ v in place of |g| ≤ v; large negative entries pass.": (
                lambda g, v: np.minimum(g, v)
            ),
            "Large negative entries became +v; they become −v.": lambda g, v: np.where(
                np.abs(g) <= v, g, v
            ),
            "Entries above v became zero; they become ±v.": lambda g, v: np.where(
                np.abs(g) <= v, g, 0
            ),
            "Every entry became ±v; those within stay as they are.": lambda g, v: v * np.sign(g),
            "The gradient was divided by its largest entry; each entry is clipped by itself.": (
                lambda g, v: g * v / (np.abs(g).max() or 1)
            ),
            "This is clipping by norm.": lambda g, v: g * v / (np.linalg.norm(g) or 1),
            "Large positive entries pass; they become v.": lambda g, v: np.maximum(g, -v),
            "The entries were bent towards ±v; those within stay as they are.": (
                lambda g, v: v * np.tanh(g / v)
            ),
            "Large entries became ±1; they become ±v.": lambda g, v: np.where(
                np.abs(g) <= v, g, np.sign(g)
            ),
            "The entries were brought into [−1, 1]; it is [−v, v].": lambda g, v: np.clip(
                g, -1.0, 1.0
            ),
            "The signs are gone.": lambda g, v: np.minimum(np.abs(g), v),
        },
    ),
    "clip_by_norm": Example(
        args=lambda rng: {
            "grads": (rng.normal(size=(3, 2)), rng.normal(size=(3, 3)), 0.3 * rng.normal(size=3)),
            "v": 1.5,
        },
        also={
            "two arrays, together shorter than v": lambda rng: norm_args(rng, (1.2, 0.9), 2.0),
            "together longer than v, though neither array is": (
                lambda rng: norm_args(rng, (0.8, 0.7), 0.9)
            ),
            "a single array of zeros": lambda rng: {"grads": (np.zeros((2, 3)),), "v": 0.5},
        },
        outputs=("clipped", "norm"),
        mistakes={
            "Each array was clipped by its own norm; there is one norm, of all arrays together.": (
                lambda grads, v: (
                    tuple(g * v / max(np.linalg.norm(g), v) for g in grads),
                    norm_of(grads),
                )
            ),
            "The gradient was brought to norm 1; it is brought to norm v.": lambda grads, v: (
                clipped(grads, 1.0)[0],
                norm_of(grads),
            ),
            "The gradient was divided by the squared norm; the root is missing.": lambda grads, v: (
                tuple(g * v / (norm_of(grads) ** 2 or 1) for g in grads),
                norm_of(grads) ** 2,
            ),
            "The norms of the arrays were added; add their squares.": lambda grads, v: (
                tuple(g * v / (sum(map(np.linalg.norm, grads)) or 1) for g in grads),
                sum(map(np.linalg.norm, grads)),
            ),
            "The norm after clipping was returned; return the one before.": lambda grads, v: (
                clipped(grads, v)[0],
                v,
            ),
            "This is clipping by value.": lambda grads, v: (
                tuple(np.clip(g, -v, v) for g in grads),
                norm_of(grads),
            ),
            "Nothing was clipped.": lambda grads, v: (grads, norm_of(grads)),
            "A shorter gradient was stretched to norm v; it stays as it is.": clipped,
            "The arrays were compared with v one by one; the norm of all together decides.": (
                each_in_turn
            ),
        },
    ),
    "leaky_forward": Example(
        args=leaky_args,
        outputs=("hs",),
        time_major=("hs",),
        mistakes={
            "α and 1 − α are exchanged: α is the share of the old state.": lambda **a: leaky(
                **a, swap=True
            ),
            "leak was used as α itself; α is σ(leak).": lambda **a: leaky(**a, gate=lambda x: x),
            "The factor 1 − α of the new value is missing.": lambda **a: leaky(**a, whole=True),
            "Every step started from h0; each starts from the state of the step before.": (
                lambda **a: leaky(**a, carry=False)
            ),
            "W h' is missing from u.": lambda **a: leaky(**a, old=0),
            "The bias b is missing.": lambda **a: leaky(**a, bias=0),
            "h @ W was computed; the row form of W h is h @ W.T.": lambda **a: leaky(**a, T=True),
        },
    ),
    "leaky_backward": Example(
        args=leaky_backward_args,
        outputs=("dxs", "dh0", "dU", "dW", "db", "dleak"),
        time_major=("dxs",),
        mistakes={
            "The direct way back, α ⊙ ∇, is missing.": lambda **a: leaky_backward(**a, direct=0),
            "The way back through u, Wᵀ δ, is missing.": lambda **a: leaky_backward(**a, through=0),
            "Nothing is carried from step to step: each step has its own loss's gradient only.": (
                lambda **a: leaky_backward(**a, carry=False)
            ),
            "The factor 1 − α is missing from δ.": lambda **a: leaky_backward(**a, share=False),
            "This is the gradient for α; leak is behind the sigmoid, whose slope α(1 − α) is missing.": (
                lambda **a: leaky_backward(**a, gate=False)
            ),
            "The sign of dleak is wrong: α multiplies h' − u.": lambda **a: leaky_backward(
                **a, sign=-1
            ),
            "The slope of the tanh was taken as 1 − u; it is 1 − u².": lambda **a: leaky_backward(
                **a, slope=lambda u: 1 - u
            ),
            "The slope of the tanh is missing.": lambda **a: leaky_backward(**a, slope=lambda u: 1),
            "The way back through u lacks the slope 1 − u².": lambda **a: leaky_backward(
                **a, through_slope=False
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: leaky_backward(**a, scale=1 / 2)
            ),
            "W was used untransposed: for rows, Wᵀ δ is delta @ W.": lambda **a: leaky_backward(
                **a, turned=True
            ),
            "The slope was taken at the state, 1 − h²; the tanh's output is u.": (
                lambda **a: leaky_backward(**a, at_state=True)
            ),
        },
    ),
    "skip_forward": Example(
        args=examples.skip_forward,
        also={"d = 5, a sequence of two steps": skip_far_args, "d = 1": skip_near_args},
        outputs=("hs",),
        time_major=("hs",),
        mistakes={
            "R read the state d − 1 steps back; it reads the one d steps back.": lambda **a: skip(
                **a, late=1
            ),
            "past was read newest first; it is in order of time, the oldest first.": (
                lambda **a: skip(**a, newest_first=True)
            ),
            "The past was taken as zero.": lambda **a: skip(**a, empty=True),
            "W is missing: the connections over d steps come in addition.": lambda **a: skip(
                **a, near=0
            ),
            "R is missing: this is the plain network.": lambda **a: skip(**a, far=0),
            "W and R are exchanged: W reads one step back, R reads d.": (
                lambda xs, past, U, W, R, b: skip(xs, past, U, R, W, b)
            ),
        },
    ),
    "skip_backward": Example(
        args=skip_backward_args,
        also={
            "d = 4, a sequence of three steps": skip_backward_far_args,
            "d = 1": skip_backward_near_args,
        },
        outputs=("dxs", "dpast", "dU", "dW", "dR", "db"),
        time_major=("dxs", "dpast"),
        mistakes={
            "The error does not go back over d steps: Rᵀ δ is missing.": lambda **a: skip_backward(
                **a, far=0
            ),
            "The error does not go back over one step: Wᵀ δ is missing.": (
                lambda **a: skip_backward(**a, near=0)
            ),
            "Wᵀ δ replaced what had come over d steps; the two add up.": lambda **a: skip_backward(
                **a, keep=False
            ),
            "W and R are exchanged on the way back.": lambda **a: skip_backward(**a, swap=True),
            "W and R were used untransposed: for rows, Wᵀ δ is delta @ W.": (
                lambda **a: skip_backward(**a, turned=True)
            ),
            "dR was made with the state one step back; R read the one d steps back.": (
                lambda **a: skip_backward(**a, same=True)
            ),
            "The slope 1 − h² is missing.": lambda **a: skip_backward(**a, slope=lambda h: 1),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: skip_backward(**a, scale=1 / 2)
            ),
            "dpast is newest first; like past it is in order of time, the oldest first.": (
                newest_first
            ),
            "The past's errors went on to the states before; those were given, so δ is zero there.": (
                through_the_past
            ),
            "Between its ends dpast is zero; R leads from each of its states to the step d later.": (
                at_the_ends
            ),
            "Rᵀ δ replaced what Wᵀ δ had brought; with d = 1 both reach one state, and add up.": (
                lambda **a: skip_backward(**a, replace=True)
            ),
        },
    ),
    "flow_regulariser": Example(
        args=flow_args,
        also={"five examples, values beyond ±1, larger errors": flow_more_args},
        outputs=("omega",),
        mistakes={
            "The slope 1 − h² is missing from the Jacobian.": lambda **a: flow(**a, slope=False),
            "The slopes were applied after Wᵀ; Jᵀ∇ = Wᵀ((1 − h²) ⊙ ∇).": lambda **a: flow(
                **a, after=True
            ),
            "W was used untransposed: for rows, Wᵀδ is delta @ W.": lambda **a: flow(
                **a, turned=True
            ),
            "The terms were added over the batch; divide by N.": lambda **a: flow(**a, mean=1),
            "The terms were averaged over time too; they add up over time.": lambda **a: flow(
                **a, mean=8
            ),
            "The deviation was not squared.": lambda **a: flow(**a, power=1),
            "A term without an error counted as 1; it counts nothing.": lambda **a: flow(
                **a, dead=True
            ),
            "Only the last step was counted.": lambda **a: flow(**a, late=True),
        },
    ),
    "flow_regulariser_backward": Example(
        args=flow_backward_args,
        also={"three examples, and an e of zeros": flow_backward_zeros_args},
        outputs=("dW",),
        mistakes={
            "The norm's gradient is a unit vector: e was not divided by its norm.": (
                lambda **a: flow_backward(**a, direction=False)
            ),
            "The factor ‖e‖ − 1 is missing.": lambda **a: flow_backward(**a, pull=False),
            "The factor 2 of the square is missing.": lambda **a: flow_backward(**a, two=1),
            "The gradient was not divided by N; Ω is a mean over the batch.": (
                lambda **a: flow_backward(**a, mean=False)
            ),
            "This is the transposed gradient: p is the column, the gradient of e the row.": (
                lambda **a: flow_backward(**a, turned=True)
            ),
            "The squared norm was compared with 1.": lambda **a: flow_backward(**a, square=True),
            "Both the factor 2 and the division by N are missing, which cancel only where N = 2.": (
                lambda **a: flow_backward(**a, two=1, mean=False)
            ),
        },
    ),
}
